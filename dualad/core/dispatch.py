"""NumPy calls on tensors: ``np.sin(x)``, ``np.add.reduce(x)``, ``np.concatenate([x, y])`` find dualad's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.core.level import GROUND
from dualad.core.primitive import NUMPY, Unary
from dualad.core.tensor import Tensor

UFUNC_METHODS: dict[str, Callable[..., Any]] = {}
"""``reduce``, ``accumulate``, ``outer``, ``at``: called with the ufunc and its arguments; filled by dualad.numpy."""


LATE: list[Callable[[Any], Any]] = []
"""Finders of ufuncs' functions that are not there from the start (SciPy's): filled by dualad.numpy."""

WHY: dict[Any, str] = {}
"""Functions without a rule -> why there is none, and what to write instead; filled by dualad.numpy."""


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *args: Any, **keywords: Any) -> Any:
    if method == "__call__":
        f = NUMPY.get(ufunc)
        if len(args) == 1 and not keywords and isinstance(f, Unary):
            return self.level.bind1(f, self)
        if f is None:
            f = next((found for find in LATE if (found := find(ufunc)) is not None), None)
            if f is not None:
                NUMPY[ufunc] = f
        if f is not None:
            return f(*args, **keywords) if keywords else f(*args)
    elif method in UFUNC_METHODS:
        return UFUNC_METHODS[method](ufunc, *args, **keywords)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    raise not_differentiable(f"np.{name}" if getattr(np, ufunc.__name__, None) is ufunc else name)


def _array_function(self: Tensor, function: Any, types: Any, args: Any, keywords: Any) -> Any:
    f = NUMPY.get(function)
    if f is None:
        if not tracks((args, keywords)):
            return function(*arrays(args), **arrays(keywords))
        name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
        raise not_differentiable(name, WHY.get(function, ""))
    return f(*args, **keywords)


def tracks(x: Any) -> bool:
    """Whether there is a tensor in nested arguments that is no untracked buffer."""
    if isinstance(x, (list, tuple)):
        return any(map(tracks, x))
    if isinstance(x, dict):
        return any(map(tracks, x.values()))
    return type(x) is Tensor and x.level is not GROUND


def arrays(x: Any) -> Any:
    """Nested arguments with copies of buffers' arrays in their place."""
    if isinstance(x, (list, tuple)):
        return type(x)([arrays(v) for v in x])
    if isinstance(x, dict):
        return {k: arrays(v) for k, v in x.items()}
    return np.asarray(x) if type(x) is Tensor else x


def not_differentiable(name: str, why: str = "") -> NotDifferentiable:
    reason = f": {why}" if why else ""
    return NotDifferentiable(
        f"{name} has no derivative rule in dualad{reason}. Write it with functions of dualad.numpy, give it a rule with "
        f"dualad.custom_jvp or custom_vjp, or take it out of the derivative: {name}(dualad.stop_gradient(x))."
    )


setattr(Tensor, "__array_ufunc__", _array_ufunc)
setattr(Tensor, "__array_function__", _array_function)
