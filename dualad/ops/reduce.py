"""Reductions and scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops.kinds import linear
from dualad.ops.samples import array
from dualad.ops.shape import broadcast_to, expand_dims, reshape


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis argument (None, int or tuple) as a sorted tuple of non-negative axes; NumPy's AxisError if out of range."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(axis, ndim)))


def shift_axes(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: dict[str, Any]) -> Any:
    """Batch rule of one-array primitives whose parameter ``axis`` is a non-negative axis or a tuple of them."""
    axis = params["axis"]
    shifted = axis + 1 if isinstance(axis, int) else tuple(a + 1 for a in axis)
    return prim(*args, **{**params, "axis": shifted})


# Primitives' axis is always a tuple of non-negative axes, and reduced axes vanish: dualad.numpy normalises and keepdims.
sum = linear(
    "sum",
    lambda x, axis: np.sum(x, axis=axis),
    lambda g, x, *, axis: broadcast_to(expand_dims(g, axis=axis), shape=x.shape),
    batch=shift_axes,
    samples=array(
        (2, 3, 4), params=({"axis": (0, 1, 2)}, {"axis": (1,)}, {"axis": (0, 2)}, {"axis": ()}), complex=True
    ),
)


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` down to ``shape``: the transpose of broadcasting from it."""
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    return reshape(sum(g, axis=axes), shape=shape) if axes else g
