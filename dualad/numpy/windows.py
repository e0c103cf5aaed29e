"""Window functions, and windows of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import bartlett, blackman, hamming, hanning

from dualad.core.errors import ArgumentError, ShapeError
from dualad.numpy.elementwise import i0
from dualad.numpy.operands import on_tensors, operand
from dualad.numpy.register import implements
from dualad.ops.reduce import axis_of
from dualad.ops.shape import transpose
from dualad.ops.transcendental import sqrt
from dualad.ops.window import windows

__all__ = ["bartlett", "blackman", "hamming", "hanning", "kaiser"]


@on_tensors(np.kaiser)
def kaiser(M: Any, beta: Any) -> Any:
    """The Kaiser window, differentiable in its shape parameter: i0(beta sqrt(1 - r^2)) / i0(beta), r from -1 to 1."""
    n = M.__index__() if not isinstance(M, float) else int(M)
    if n < 1:
        return np.array([])
    if n == 1:
        return np.ones(1)
    half = (n - 1) / 2.0
    return i0(operand(beta) * sqrt(1 - ((np.arange(n) - half) / half) ** 2.0)) / i0(beta)


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """Sliding windows, as a copy."""
    x = operand(x)
    if writeable:
        raise ArgumentError(
            "sliding_window_view: writeable=True is not supported on tensors, whose windows are copies."
        )
    sizes = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    rank = len(x.shape)
    given = range(rank) if axis is None else axis if np.iterable(axis) else (axis,)
    chosen = [axis_of(k, rank) for k in given]
    if len(chosen) != len(sizes) or any(k < 0 for k in sizes):
        raise ArgumentError(f"sliding_window_view: one window size per axis: {sizes} for the axes {tuple(chosen)}.")
    # Each window takes its axis as it then is, so that an axis may be named twice.
    for axis_, size in zip(chosen, sizes, strict=True):
        if size > x.shape[axis_]:
            raise ShapeError(f"sliding_window_view: a window of {size} is longer than axis {axis_} of shape {x.shape}.")
        n = len(x.shape)
        order = [i for i in range(n) if i != axis_] + [axis_]
        x = windows(transpose(x, axes=tuple(order)), window=(size,), strides=(1,), dilation=(1,))
        x = transpose(x, axes=(*[order.index(i) for i in range(n)], n))
    return x
