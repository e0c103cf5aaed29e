"""dualad: derivatives of NumPy programs, by the modes that get them cheapest.

The floors, from the ground up; imports point only down:

- ``core``    primitives, levels, tensors, trees, errors: knows no operation and no mode
- ``ops``     what can be computed: one record per primitive
- ``modes``   how values carry derivatives: forward, reverse, Taylor, batch, record
- ``numpy``   NumPy's names, thin over ``ops``
- ``tape``    a recorded program as data: listing, replay, drawing
- ``api``     the transforms: grad, jvp, vjp, vmap, jet, ...
- ``torch``   the tensor API;  ``testing``: checks for your own functions
"""

from typing import Any

from dualad import numpy as numpy
from dualad.api.batching import vmap
from dualad.api.custom import checkpoint, custom_jvp, custom_vjp
from dualad.api.derivatives import grad, jvp, linear_transpose, linearize, value_and_grad, vjp
from dualad.api.dual import Dual
from dualad.api.jacobians import divergence, hessian, hvp, jacfwd, jacobian, jacrev, laplacian
from dualad.api.jit import jit
from dualad.api.taylor import derivative, jet
from dualad.core.errors import (
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
from dualad.ops.arithmetic import stop_gradient
from dualad.tape.tape import Tape
from dualad.testing import check_grads

__version__ = "0.1.0"

__all__ = [
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
    "custom_jvp",
    "custom_vjp",
    "derivative",
    "divergence",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jet",
    "jit",
    "jvp",
    "laplacian",
    "linear_transpose",
    "linearize",
    "numpy",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]


def __getattr__(name: str) -> Any:
    """The tensor API is imported when first used."""
    if name in ("tensor", "torch"):
        import importlib

        torch = importlib.import_module("dualad.torch")
        return torch if name == "torch" else torch.tensor
    raise AttributeError(f"module 'dualad' has no attribute {name!r}")
