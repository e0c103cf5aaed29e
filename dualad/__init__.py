"""dualad: derivatives of NumPy programs, by the modes that get them cheapest.

The floors, from the ground up; imports point only down:

- ``core``    primitives, levels, tensors, trees, errors: knows no operation and no mode
- ``ops``     what can be computed: one record per primitive
- ``modes``   how values carry derivatives: forward, reverse, Taylor, batch, record
- ``numpy``   NumPy's names, thin over ``ops``
- ``scipy``   SciPy's names: special, linalg, stats, signal, interpolate, integrate
- ``tape``    a recorded program as data: listing, replay, drawing, sparsity
- ``native``  a recorded program as machine code
- ``plan``    which strategy is cheapest, and why
- ``api``     the transforms: grad, jvp, vjp, vmap, jet, jit, ...
- ``torch``   the tensor API;  ``testing``: checks for your own functions
"""

from typing import Any

from dualad import numpy as numpy
from dualad.api.anomaly import detect_anomaly
from dualad.api.batching import vmap
from dualad.api.control import cond, fori_loop, scan, switch, while_loop
from dualad.api.control import map as map
from dualad.api.custom import checkpoint, custom_jvp, custom_vjp
from dualad.api.derivatives import grad, jvp, linear_transpose, linearize, value_and_grad, vjp
from dualad.api.dual import Dual
from dualad.api.hot import hot_pullbacks
from dualad.api.jacobians import divergence, hessian, hvp, jacfwd, jacobian, jacrev, laplacian
from dualad.api.jit import jit
from dualad.api.planning import hessian_sparsity, jacobian_sparsity, plan
from dualad.api.taylor import derivative, jet
from dualad.core.errors import (
    AnomalyError,
    ArgumentError,
    BatchError,
    DtypeError,
    DualadError,
    GuardError,
    IndexingError,
    LeakedTensorError,
    NotDifferentiable,
    ShapeError,
    StructureError,
    UntrackedError,
)
from dualad.core.tensor import Tensor
from dualad.native.threads import get_num_threads, set_num_threads
from dualad.ops.arithmetic import stop_gradient
from dualad.tape.tape import Tape
from dualad.testing import check_grads

__version__ = "0.1.0"

__all__ = [
    "AnomalyError",
    "ArgumentError",
    "BatchError",
    "DtypeError",
    "Dual",
    "DualadError",
    "GuardError",
    "IndexingError",
    "LeakedTensorError",
    "NotDifferentiable",
    "ShapeError",
    "StructureError",
    "Tape",
    "Tensor",
    "UntrackedError",
    "check_grads",
    "checkpoint",
    "cond",
    "custom_jvp",
    "custom_vjp",
    "derivative",
    "detect_anomaly",
    "divergence",
    "fori_loop",
    "get_num_threads",
    "grad",
    "hessian",
    "hessian_sparsity",
    "hot_pullbacks",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacobian_sparsity",
    "jacrev",
    "jet",
    "jit",
    "jvp",
    "laplacian",
    "linear_transpose",
    "linearize",
    "numpy",
    "plan",
    "scan",
    "set_num_threads",
    "stop_gradient",
    "switch",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]


def __getattr__(name: str) -> Any:
    """The tensor API is imported when first used."""
    if name in ("tensor", "torch"):
        import importlib

        torch = importlib.import_module("dualad.torch")
        return torch if name == "torch" else torch.tensor
    raise AttributeError(f"module 'dualad' has no attribute {name!r}")
