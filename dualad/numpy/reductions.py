"""Sums, means, extrema and scans, with NumPy's signatures."""

from __future__ import annotations


from typing import Any

from dualad.numpy.register import implements
from dualad.ops import reduce
from dualad.ops.shape import reshape

__all__ = ["sum"]


def keep(y: Any, axes: tuple[int, ...], x: Any, keepdims: bool) -> Any:
    """Put the reduced axes back with size 1 if ``keepdims``."""
    if not keepdims:
        return y
    return reshape(y, shape=tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


@implements(method="sum")
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    axes = reduce.axes_of(axis, x.ndim)
    return keep(reduce.sum(x, axis=axes), axes, x, keepdims)
