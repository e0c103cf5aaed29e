"""Repeat, move, pad, insert and delete; diagonals and triangles; with NumPy's signatures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, IndexingError, ShapeError
from dualad.core.level import GROUND
from dualad.core.tensor import Tensor, new_tensor
from dualad.numpy import reductions, statistics
from dualad.numpy.operands import on_tensors, operand, store
from dualad.numpy.shaping import axes_of, axis_of, concatenate, concrete, dimensions, moveaxis, ravel, swapaxes
from dualad.ops import arithmetic, index, shape

__all__ = [
    "delete", "diag", "diagflat", "diagonal", "flip", "fliplr", "flipud", "insert", "pad", "repeat", "resize", "roll",
    "rot90", "take", "tile", "tril", "trim_zeros", "triu",
]  # fmt: skip


def along(a: Any, axis: Any) -> tuple[Any, int]:
    """The array and the axis; with None, the flattened array and 0."""
    x = operand(a)
    return (shape.reshape(x, shape=(x.size,)), 0) if axis is None else (x, axis_of(axis, x.ndim))


@on_tensors()
def tile(A: Any, reps: Any) -> Any:
    x = operand(A)
    times = dimensions(reps)
    ndim = max(x.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    dims = (1,) * (ndim - x.ndim) + x.shape
    pairs = tuple(k for n in dims for k in (1, n))
    wide = tuple(k for r, n in zip(times, dims, strict=True) for k in (r, n))
    y = shape.broadcast_to(shape.reshape(x, shape=pairs), shape=wide)
    return shape.reshape(y, shape=tuple(r * n for r, n in zip(times, dims, strict=True)))


@on_tensors(method="repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    x, axis = along(a, axis if np.ndim(a) or axis not in (0, -1) else None)
    return take(x, np.repeat(np.arange(x.shape[axis]), concrete(repeats, "repeat")), axis)


@on_tensors(method="take")
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    x, axis = along(a, axis)
    i = operand(indices)
    n = x.shape[axis]
    if i.dtype.kind == "b" or not i.size:
        i = i * 1 if i.dtype.kind == "b" else np.empty(i.shape, np.intp)
    if mode == "wrap":
        i = i % n
    elif mode == "clip":
        i = arithmetic.minimum(arithmetic.maximum(i, 0), n - 1)
    elif mode != "raise":
        raise ArgumentError(f"take: mode={mode!r} is unknown. Use 'raise', 'wrap' or 'clip'.")
    return store(index.getitem(x, (*(slice(None),) * axis, i)), out)


@on_tensors()
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    x = operand(a)
    if axis is None:
        return shape.reshape(roll(shape.reshape(x, shape=(x.size,)), shift, 0), shape=x.shape)
    shifts, axes = np.broadcast_arrays(np.atleast_1d(concrete(shift, "roll")), np.atleast_1d(axis))
    for s, k in zip(shifts.tolist(), axes.tolist(), strict=True):
        k = axis_of(k, x.ndim)
        n = x.shape[k]
        if n and (cut := (-s) % n):
            lead = (slice(None),) * k
            x = concatenate([x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], k)
    return x


@on_tensors()
def flip(m: Any, axis: Any = None) -> Any:
    x = operand(m)
    axes = range(x.ndim) if axis is None else axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))]


@on_tensors()
def fliplr(m: Any) -> Any:
    return flip(_of_rank(m, 2, "fliplr"), 1)


@on_tensors()
def flipud(m: Any) -> Any:
    return flip(_of_rank(m, 1, "flipud"), 0)


def _of_rank(m: Any, ndim: int, name: str) -> Any:
    x = operand(m)
    if x.ndim < ndim:
        raise ShapeError(f"{name} needs at least {ndim} axes, the shape is {x.shape}.")
    return x


@on_tensors()
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    x = operand(m)
    if len(axes) != 2:
        raise ShapeError(f"rot90: axes={axes} must be two different axes.")
    i, j = axis_of(axes[0], x.ndim), axis_of(axes[1], x.ndim)
    if i == j:
        raise ShapeError(f"rot90: axes={axes} must be two different axes.")
    k %= 4
    if k == 0:
        return x[...]
    if k == 2:
        return flip(flip(x, i), j)
    return swapaxes(flip(x, j), i, j) if k == 1 else flip(swapaxes(x, i, j), j)


@on_tensors()
def resize(a: Any, new_shape: Any) -> Any:
    x = ravel(a)
    dims = dimensions(new_shape)
    n = math.prod(dims)
    if not x.size:
        return np.zeros(dims, x.dtype)
    return shape.reshape(index.getitem(x, np.arange(n) % x.size), shape=dims)


# Padding --------------------------------------------------------------------------------------

_BY_INDEX = ("edge", "reflect", "symmetric", "wrap")
_STATISTICS: dict[str, Any] = {
    "maximum": reductions.max,
    "mean": reductions.mean,
    "median": statistics.median,
    "minimum": reductions.min,
}
_KEYWORDS = {
    "constant": "constant_values", "linear_ramp": "end_values", "reflect": "reflect_type",
    **dict.fromkeys(_STATISTICS, "stat_length"),
}  # fmt: skip


def _pairs(values: Any, ndim: int) -> list[Any]:
    """``before`` and ``after`` for each axis, from all the ways in which NumPy takes them."""
    v = operand(values)
    wide = shape.broadcast_to(v, shape=(ndim, 2))
    return [(wide[i, 0], wide[i, 1]) for i in range(ndim)]


@on_tensors()
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """``np.pad``: all modes but "empty" and functions."""
    x = operand(array)
    if mode not in ("constant", "linear_ramp", *_BY_INDEX, *_STATISTICS):
        raise ArgumentError(
            f"pad: mode={mode!r} is not supported on tensors; constant, linear_ramp, "
            f"{', '.join([*_BY_INDEX, *_STATISTICS])} are. "
            "Compute the margins and join them with concatenate."
        )
    if unknown := set(kwargs) - {_KEYWORDS.get(mode)} - ({"reflect_type"} if mode == "symmetric" else set()):
        raise ArgumentError(f"pad: mode={mode!r} takes no keyword {sorted(unknown)}.")
    if kwargs.get("reflect_type", "even") != "even":
        raise ArgumentError("pad: only reflect_type='even' is supported on tensors.")
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - x.ndim, (0, 0))) for i in range(x.ndim)]
        pad_width = [(w, w) if np.ndim(w) == 0 else tuple(w) for w in pad_width]
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    if widths.size and (widths.dtype.kind not in "iu" or widths.min() < 0):
        raise ArgumentError(f"pad: pad_width must be non-negative integers, not {pad_width!r}.")
    ends = _pairs(kwargs.get(_KEYWORDS.get(mode, ""), 0), x.ndim) if mode in ("constant", "linear_ramp") else []
    for k, (before, after) in enumerate(widths.tolist()):
        if not before and not after:
            continue
        if mode in _BY_INDEX:
            x = take(x, np.pad(np.arange(x.shape[k]), (before, after), mode=mode), k)
            continue
        if mode != "constant" and not x.shape[k]:
            raise ArgumentError(f"pad: axis {k} is empty and can only be padded with mode='constant'.")
        if mode in _STATISTICS:
            length = kwargs.get("stat_length")
            lengths = (x.shape[k],) * 2 if length is None else np.broadcast_to(length, (x.ndim, 2))[k].tolist()
            low, high = (_statistic(x, k, n, mode, int(m), end) for n, m, end in zip((before, after), lengths, (0, -1)))
            x = shape.concatenate(low, x, high, axis=k)
            continue
        margin = _constant if mode == "constant" else _ramp
        low, high = margin(x, k, before, ends[k][0], 0), margin(x, k, after, ends[k][1], -1)
        x = shape.concatenate(low, x, flip(high, k) if mode == "linear_ramp" else high, axis=k)
    return x


def _constant(x: Any, k: int, n: int, value: Any, edge: int) -> Any:
    return shape.broadcast_to(_as(value, x.dtype), shape=(*x.shape[:k], n, *x.shape[k + 1 :]))


def _statistic(x: Any, k: int, n: int, mode: str, length: int, edge: int) -> Any:
    if length < 1:
        raise ArgumentError(f"pad: stat_length must be positive, not {length}.")
    part = slice(0, length) if edge == 0 else slice(max(x.shape[k] - length, 0), None)
    y = _STATISTICS[mode](x[(*(slice(None),) * k, part)], axis=k, keepdims=True)
    return shape.broadcast_to(_as(y, x.dtype), shape=(*x.shape[:k], n, *x.shape[k + 1 :]))


def _ramp(x: Any, k: int, n: int, value: Any, edge: int) -> Any:
    """From ``value`` towards the edge, which itself is left out."""
    last = x[(*(slice(None),) * k, slice(edge, edge + 1 or None))]
    s = (np.arange(n) / max(n, 1)).reshape((n,) + (1,) * (x.ndim - k - 1)).astype(x.dtype)
    return _as(value, x.dtype) + s * (last - _as(value, x.dtype))


def _as(v: Any, dtype: Any) -> Any:
    if v.dtype == dtype:
        return v
    return shape.astype(v, dtype=dtype) if type(v) is Tensor else np.asarray(v).astype(dtype)[()]


# Insert and delete ----------------------------------------------------------------------------


def _places(obj: Any, n: int, name: str) -> Any:
    if isinstance(obj, slice):
        return np.arange(*obj.indices(n), dtype=np.intp)
    places = concrete(obj, name)
    if places.dtype.kind == "b":
        places = np.flatnonzero(places)
    if places.ndim > 1:
        raise ArgumentError(f"{name}: the places must be a number, a slice or a vector.")
    return places.astype(np.intp) if not places.size else places


@on_tensors()
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    x, axis = along(arr, axis)
    n = x.shape[axis]
    places = _places(obj, n, "insert")
    v = operand(values)
    if v.dtype != x.dtype:
        v = _as(v, x.dtype) if type(v) is not Tensor or x.dtype.kind in "fc" else v
    if places.size == 1:
        if v.ndim < x.ndim:
            v = shape.reshape(v, shape=(1,) * (x.ndim - v.ndim) + v.shape)
        if places.ndim == 0:
            v = moveaxis(v, 0, axis)
        places = np.full(v.shape[axis], places.item())
    if places.size and (places.min() < -n or places.max() > n):
        raise IndexingError(f"insert: a place is out of bounds for axis {axis} of size {n}.")
    places = np.where(places < 0, places + n, places)
    places[np.argsort(places, kind="stable")] += np.arange(places.size)
    old = np.ones(n + places.size, bool)
    old[places] = False
    lead = (slice(None),) * axis
    out: Any = new_tensor(np.zeros((*x.shape[:axis], old.size, *x.shape[axis + 1 :]), x.dtype), GROUND, None)
    out[(*lead, np.flatnonzero(old))] = x
    out[(*lead, places)] = v
    return out


@on_tensors()
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    x, axis = along(arr, axis)
    n = x.shape[axis]
    if type(obj) is Tensor:
        obj = concrete(obj, "delete")
    return take(x, np.delete(np.arange(n), obj), axis)


@on_tensors()
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """``np.trim_zeros``: which elements are zero is looked at by value."""
    x = operand(filt)
    trim = trim.lower()
    if trim not in ("f", "b", "fb", "bf"):
        raise ArgumentError(f"trim_zeros: trim={trim!r} is unknown. Use 'f', 'b' or 'fb'.")
    found = np.argwhere(concrete(x, "trim_zeros"))
    key = [slice(None)] * x.ndim
    for k in range(x.ndim) if axis is None else axes_of(axis, x.ndim):
        first, last = (found[:, k].min(), found[:, k].max() + 1) if len(found) else (0, 0)
        if not len(found):
            first = last = x.shape[k] if trim == "f" else 0
        key[k] = slice(int(first) if "f" in trim else None, int(last) if "b" in trim else None)
    return x[tuple(key)]


# Diagonals and triangles ----------------------------------------------------------------------


@on_tensors(np.diagonal, method="diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    x = _of_rank(a, 2, "diagonal")
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    i = np.arange(max(0, min(rows + min(offset, 0), columns - max(offset, 0))))
    return x[..., i - min(offset, 0), i + max(offset, 0)]


@on_tensors(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    x = operand(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag needs a vector or a matrix, the shape is {x.shape}.")
    n = x.shape[0] + abs(k)
    i = np.arange(x.shape[0])
    return index.scatter(x, i - min(k, 0), i + max(k, 0), template=(index.ARRAY, index.ARRAY), shape=(n, n))


@on_tensors()
def diagflat(v: Any, k: int = 0) -> Any:
    return diag(ravel(v), k)


def _lower(x: Any, k: int) -> Any:
    return np.tri(x.shape[-2:][0], x.shape[-1], k, bool)


@on_tensors()
def tril(m: Any, k: int = 0) -> Any:
    x = operand(m)
    return arithmetic.where(_lower(x, k), x, x.dtype.type(0))


@on_tensors()
def triu(m: Any, k: int = 0) -> Any:
    x = operand(m)
    return arithmetic.where(_lower(x, k - 1), x.dtype.type(0), x)
