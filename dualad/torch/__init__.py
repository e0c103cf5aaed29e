"""The tensor API: ``import dualad.torch as torch``.

The names, values, reprs, warnings and errors a PyTorch user knows, computed by dualad. float32 is the default dtype.
Differences from PyTorch are listed in docs/notebook.md.

>>> import dualad.torch as torch
>>> x = torch.tensor(5.0, requires_grad=True)
>>> y = x**2
>>> y
tensor(25., grad_fn=<PowBackward0>)
>>> y.backward()
>>> x.grad
tensor(10.)
"""

from __future__ import annotations

import math
from typing import Any

from dualad.torch import autograd as autograd
from dualad.torch import methods as methods
from dualad.torch import nn as nn
from dualad.torch import optim as optim
from dualad.torch.dtypes import *
from dualad.torch.dtypes import dtype as dtype
from dualad.torch.functions import NAMES
from dualad.torch.graph import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from dualad.torch.tensor import Size, Tensor, make

globals().update(NAMES)

pi, e, inf, nan = math.pi, math.e, math.inf, math.nan


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A new tensor with a copy of ``data``: Python floats become float32, integers int64; arrays keep their dtype.

    >>> import dualad
    >>> dualad.tensor([1.0, 2.0], requires_grad=True)
    tensor([1., 2.], requires_grad=True)
    """
    return make(data, dtype, requires_grad)


def __getattr__(name: str) -> Any:
    if name == "func":
        import dualad

        return dualad
    raise AttributeError(f"module 'dualad.torch' has no attribute {name!r}")


__all__ = list(NAMES)
__all__ += [
    "Size",
    "Tensor",
    "autograd",
    "dtype",
    "e",
    "enable_grad",
    "inf",
    "inference_mode",
    "is_grad_enabled",
    "nan",
]
__all__ += ["nn", "no_grad", "optim", "pi", "set_grad_enabled", "tensor"]
