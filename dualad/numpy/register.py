"""How a function here becomes NumPy's function on tensors, and a method of Tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from dualad.core.primitive import NUMPY
from dualad.core.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def implements(*functions: Any, method: str | None = None) -> Callable[[F], F]:
    """Declare that the decorated function is what the given NumPy functions do on tensors.

    Without arguments: the function of the same name in ``numpy``. ``method`` also makes it a method of ``Tensor``.
    """

    def decorate(f: F) -> F:
        targets = functions or (getattr(np, f.__name__),)
        for target in targets:
            NUMPY[target] = f
        if not f.__doc__:
            f.__doc__ = (
                f"``{targets[0].__module__}.{targets[0].__name__}`` with derivatives; see NumPy's documentation."
            )
        if method is not None:
            setattr(Tensor, method, f)
        return f

    return decorate


def _array_namespace(self: Tensor, *, api_version: str | None = None) -> Any:
    """The array API's way to find the functions that suit an array."""
    import dualad.numpy

    return dualad.numpy


setattr(Tensor, "__array_namespace__", _array_namespace)
