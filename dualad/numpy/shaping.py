"""Shapes: reshape, transpose, join, split, tile, roll, pad, with NumPy's signatures."""

from __future__ import annotations

import builtins
import itertools
import math
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, DtypeError, ShapeError
from dualad.core.primitive import plain
from dualad.core.tensor import Tensor
from dualad.numpy.register import implements
from dualad.ops import index, shape
from dualad.ops.arithmetic import stop_gradient


def operand(a: Any) -> Any:
    """A tensor or an array of what was passed."""
    if type(a) is Tensor:
        return a
    a = plain(a)
    return a if type(a) is Tensor else np.asarray(a)


def axis_of(axis: Any, ndim: int) -> int:
    """A non-negative axis; NumPy's AxisError if it is out of range."""
    return int(np.lib.array_utils.normalize_axis_index(_int(axis), ndim))


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    return tuple(np.lib.array_utils.normalize_axis_tuple(axis, ndim))


def _int(k: Any) -> int:
    return k.__index__()


def _size(dims: Any) -> tuple[int, ...]:
    return tuple(map(_int, dims)) if isinstance(dims, (tuple, list, np.ndarray)) else (_int(dims),)


# One array ------------------------------------------------------------------------------------


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    x = operand(a)
    dims = list(_size(shape))
    if -1 in dims:
        rest = math.prod(n for n in dims if n != -1)
        if dims.count(-1) > 1 or rest == 0 or x.size % rest:
            raise ShapeError(f"reshape: an array of shape {x.shape} ({x.size} elements) cannot become {tuple(dims)}.")
        dims[dims.index(-1)] = x.size // rest
    if math.prod(dims) != x.size:
        raise ShapeError(f"reshape: an array of shape {x.shape} ({x.size} elements) cannot become {tuple(dims)}.")
    return _reshape(x, tuple(dims), order)


def _reshape(x: Any, dims: tuple[int, ...], order: str) -> Any:
    if order not in ("C", "F"):
        raise ArgumentError(f"reshape: order={order!r} depends on how memory is laid out. Use 'C' or 'F'.")
    if order == "F":
        return transpose(shape.reshape(transpose(x), shape=dims[::-1]))
    return shape.reshape(x, shape=dims)


def _reshape_method(x: Tensor, *dims: Any, order: str = "C", copy: Any = None) -> Any:
    return reshape(x, dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims, order)


@implements(np.ravel, method="ravel")
def ravel(a: Any, order: str = "C") -> Any:
    x = operand(a)
    return _reshape(x, (x.size,), "C" if order in ("K", "A") else order)


@implements(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    x = operand(a)
    order = tuple(range(x.ndim))[::-1] if axes is None else axes_of(_size(axes), x.ndim)
    if len(order) != x.ndim:
        raise ShapeError(f"transpose: axes={axes} do not name each of the {x.ndim} axes of shape {x.shape} once.")
    return shape.transpose(x, axes=order)


permute_dims = transpose


def _transpose_method(x: Tensor, *axes: Any) -> Any:
    if not axes or axes == (None,):
        return transpose(x)
    return transpose(x, axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    x = operand(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose needs at least 2 axes, the shape is {x.shape}.")
    return swapaxes(x, -1, -2)


@implements(method="swapaxes")
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    x = operand(a)
    order = list(range(x.ndim))
    i, j = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    order[i], order[j] = j, i
    return shape.transpose(x, axes=tuple(order))


@implements()
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    x = operand(a)
    src, dst = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    if len(src) != len(dst):
        raise ShapeError(f"moveaxis: source {source} and destination {destination} differ in length.")
    order = [n for n in range(x.ndim) if n not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        order.insert(d, s)
    return shape.transpose(x, axes=tuple(order))


@implements()
def rollaxis(a: Any, axis: Any, start: int = 0) -> Any:
    x = operand(a)
    axis = axis_of(axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    order = [n for n in range(x.ndim) if n != axis]
    order.insert(start - 1 if axis < start else start, axis)
    return shape.transpose(x, axes=tuple(order))


@implements(method="squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    x = operand(a)
    drop = tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axes_of(axis, x.ndim)
    if builtins.any(x.shape[i] != 1 for i in drop):
        raise ShapeError(f"squeeze: axis {axis} of shape {x.shape} does not have size 1.")
    return shape.reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in drop))


@implements()
def expand_dims(a: Any, axis: Any) -> Any:
    x = operand(a)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    return shape.expand_dims(x, axis=axes_of(axis, x.ndim + count))


def _at_least(a: Any, ndim: int) -> Any:
    x = operand(a)
    if x.ndim >= ndim:
        return x
    dims = {
        (0, 1): (1,), (0, 2): (1, 1), (0, 3): (1, 1, 1), (1, 2): (1, *x.shape), (1, 3): (1, *x.shape, 1), (2, 3): (*x.shape, 1)
    }[x.ndim, ndim]  # fmt: skip
    return shape.reshape(x, shape=dims)


@implements()
def atleast_1d(*arys: Any) -> Any:
    out = tuple(_at_least(a, 1) for a in arys)
    return out[0] if len(out) == 1 else out


@implements()
def atleast_2d(*arys: Any) -> Any:
    out = tuple(_at_least(a, 2) for a in arys)
    return out[0] if len(out) == 1 else out


@implements()
def atleast_3d(*arys: Any) -> Any:
    out = tuple(_at_least(a, 3) for a in arys)
    return out[0] if len(out) == 1 else out


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    x = operand(array)
    dims = _size(shape)
    try:
        fits = np.broadcast_shapes(x.shape, dims) == dims
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {dims}.")
    return _broadcast(x, dims)


def _broadcast(x: Any, dims: tuple[int, ...]) -> Any:
    return x if x.shape == dims else shape.broadcast_to(x, shape=dims)


@implements()
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    xs = [operand(a) for a in args]
    dims = np.broadcast_shapes(*[x.shape for x in xs])
    return tuple(_broadcast(x, dims) for x in xs)


def astype(
    x: Any, dtype: Any, /, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    """Cast. To integers and booleans the derivative is 0."""
    x = operand(x)
    dtype = np.dtype(dtype)
    if type(x) is not Tensor:
        return x.astype(dtype)
    if dtype.kind not in "biufc":
        raise DtypeError(f"astype: a tensor cannot become {dtype}.")
    if x.dtype == dtype:
        return x
    if dtype.kind in "biu" or x.dtype.kind in "biu":
        return shape.cast_constant(x, dtype=dtype)
    return shape.astype(x, dtype=dtype)


implements(np.astype)(astype)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """A tensor of its own: later assignments to one do not change the other."""
    x = operand(a)
    return Tensor(x.value, x.level, x.aux) if type(x) is Tensor else np.array(x)


# Several arrays -------------------------------------------------------------------------------


def operands(arrays: Any) -> list[Any]:
    if type(arrays) is Tensor:
        return list(arrays)
    return [operand(a) for a in arrays]


@implements(np.concatenate)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    xs = operands(arrays)
    if not xs:
        raise ShapeError("concatenate needs at least one array.")
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    if xs[0].ndim == 0:
        raise ShapeError("concatenate: 0-d arrays cannot be joined. Use stack.")
    axis = axis_of(axis, xs[0].ndim)
    for x in xs[1:]:
        if x.ndim != xs[0].ndim or builtins.any(
            m != n for i, (m, n) in enumerate(zip(x.shape, xs[0].shape, strict=True)) if i != axis
        ):
            raise ShapeError(f"concatenate along axis {axis}: shapes {[v.shape for v in xs]} differ in another axis.")
    y = shape.concatenate(*xs, axis=axis)
    return y if dtype is None else astype(y, dtype)


concat = concatenate


@implements(np.stack)
def stack(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    xs = operands(arrays)
    if not xs:
        raise ShapeError("stack needs at least one array.")
    if builtins.any(x.shape != xs[0].shape for x in xs):
        raise ShapeError(f"stack: all shapes must be equal, they are {[x.shape for x in xs]}.")
    y = shape.stack(*xs, axis=axis_of(axis, xs[0].ndim + 1))
    return y if dtype is None else astype(y, dtype)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return concatenate([_at_least(a, 2) for a in operands(tup)], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    xs = [_at_least(a, 1) for a in operands(tup)]
    return concatenate(xs, 0 if xs and xs[0].ndim == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    return concatenate([_at_least(a, 3) for a in operands(tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    xs = operands(tup)
    return concatenate([shape.reshape(x, shape=(x.size, 1)) if x.ndim < 2 else x for x in xs], 1)


@implements(np.block)
def block(arrays: Any) -> Any:
    def depth(a: Any) -> int:
        return 1 + builtins.max(map(depth, a)) if isinstance(a, list) else 0

    levels = depth(arrays)
    ndim = levels

    def widest(a: Any) -> int:
        return builtins.max(map(widest, a)) if isinstance(a, list) else operand(a).ndim

    ndim = builtins.max(ndim, widest(arrays))

    def join(a: Any, level: int) -> Any:
        if isinstance(a, list):
            return concatenate([join(v, level + 1) for v in a], level - levels)
        x = operand(a)
        return shape.reshape(x, shape=(1,) * (ndim - x.ndim) + x.shape)

    return join(arrays, 0)


@implements()
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    if axis is None:
        return concatenate([ravel(arr), ravel(values)])
    return concatenate([arr, values], axis)


@implements()
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    x = operand(ary)
    axis = axis_of(axis, x.ndim)
    n = x.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        k = _int(indices_or_sections)
        if k <= 0:
            raise ArgumentError("array_split: the number of sections must be larger than 0.")
        each, extra = builtins.divmod(n, k)
        cuts = np.cumsum([0] + extra * [each + 1] + (k - extra) * [each]).tolist()
    else:
        cuts = [0, *[_int(i) for i in indices_or_sections], None]
    lead = (slice(None),) * axis
    return [x[(*lead, slice(a, b))] for a, b in itertools.pairwise(cuts)]


@implements()
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    x = operand(ary)
    if np.ndim(indices_or_sections) == 0 and x.shape[axis_of(axis, x.ndim)] % _int(indices_or_sections):
        raise ShapeError(
            f"split: axis {axis} of shape {x.shape} does not divide into {indices_or_sections} equal parts."
        )
    return array_split(x, indices_or_sections, axis)


@implements()
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    x = operand(ary)
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@implements()
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(ary, indices_or_sections, 0)


@implements()
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(ary, indices_or_sections, 2)


@implements()
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    x = operand(x)
    axis = axis_of(axis, x.ndim)
    return shape.unstack(x, axis, x.shape[axis])


# Repeat and move ------------------------------------------------------------------------------


@implements()
def tile(A: Any, reps: Any) -> Any:
    x = operand(A)
    times = _size(reps)
    ndim = builtins.max(x.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    dims = (1,) * (ndim - x.ndim) + x.shape
    pairs = tuple(k for n in dims for k in (1, n))
    wide = tuple(k for r, n in zip(times, dims, strict=True) for k in (r, n))
    y = shape.broadcast_to(shape.reshape(x, shape=pairs), shape=wide)
    return shape.reshape(y, shape=tuple(r * n for r, n in zip(times, dims, strict=True)))


@implements(method="repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    x = ravel(a) if axis is None else operand(a)
    axis = 0 if axis is None else axis_of(axis, x.ndim)
    return take(x, np.repeat(np.arange(x.shape[axis]), repeats), axis)


@implements(method="take")
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    x = ravel(a) if axis is None else operand(a)
    axis = 0 if axis is None else axis_of(axis, x.ndim)
    i = operand(indices)
    if mode != "raise":
        if type(i) is Tensor:
            raise ArgumentError(f"take: mode={mode!r} needs plain indices.")
        n = x.shape[axis]
        i = np.mod(i, n) if mode == "wrap" else np.clip(i, 0, n - 1)
    return x[(*(slice(None),) * axis, i)]


@implements()
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    x = operand(a)
    if axis is None:
        return shape.reshape(roll(ravel(x), shift, 0), shape=x.shape)
    shifts, axes = np.broadcast_arrays(np.atleast_1d(shift), np.atleast_1d(axis))
    for s, ax in zip(shifts.tolist(), axes.tolist(), strict=True):
        ax = axis_of(ax, x.ndim)
        n = x.shape[ax]
        if n and (cut := (-s) % n):
            lead = (slice(None),) * ax
            x = concatenate([x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], ax)
    return x


@implements()
def flip(m: Any, axis: Any = None) -> Any:
    x = operand(m)
    axes = range(x.ndim) if axis is None else axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))]


@implements()
def fliplr(m: Any) -> Any:
    return flip(m, 1)


@implements()
def flipud(m: Any) -> Any:
    return flip(m, 0)


@implements()
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    x = operand(m)
    i, j = axes_of(axes, x.ndim)
    k %= 4
    if k == 0:
        return x
    if k == 2:
        return flip(flip(x, i), j)
    return swapaxes(flip(x, j), i, j) if k == 1 else flip(swapaxes(x, i, j), j)


@implements()
def resize(a: Any, new_shape: Any) -> Any:
    x = ravel(a)
    dims = _size(new_shape)
    return shape.reshape(x[np.arange(math.prod(dims)) % builtins.max(x.size, 1)], shape=dims)


_PAD_BY_INDEX = ("edge", "reflect", "symmetric", "wrap")


@implements()
def pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    """``np.pad``, for modes constant, edge, reflect, symmetric, wrap."""
    x = operand(array)
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - x.ndim, (0, 0))) for i in range(x.ndim)]
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if mode == "constant":
        values = np.broadcast_to(np.asarray(keywords.pop("constant_values", 0)), (x.ndim, 2))
        for ax, (before, after) in enumerate(widths):
            parts = [
                np.full((*x.shape[:ax], n, *x.shape[ax + 1 :]), v).astype(x.dtype)
                for n, v in zip((before, after), values[ax], strict=True)
            ]
            if before or after:
                x = shape.concatenate(parts[0], x, parts[1], axis=ax)
        return x
    if mode not in _PAD_BY_INDEX:
        raise ArgumentError(f"pad: mode={mode!r} is not supported on tensors; {('constant', *_PAD_BY_INDEX)} are.")
    for ax, (before, after) in enumerate(widths):
        places = np.pad(np.arange(x.shape[ax]), (before, after), mode=mode, **keywords)
        x = take(x, places, ax)
    return x


@implements()
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    x = ravel(arr) if axis is None else operand(arr)
    axis = 0 if axis is None else axis_of(axis, x.ndim)
    n = x.shape[axis]
    v = operand(values)
    # Insert positions instead of values, then gather from the two joined.
    one = np.ndim(obj) == 0 and not isinstance(obj, slice)
    if one:
        v = moveaxis(v, 0, axis) if v.ndim == x.ndim else v
        v = shape.expand_dims(v, axis=(axis,)) if v.ndim == x.ndim - 1 and x.ndim > 1 else v
    count = v.shape[axis] if v.ndim == x.ndim else (v.shape[-1] if v.ndim and x.ndim == 1 else 1)
    marks = np.insert(np.arange(n), obj, n + np.arange(count) if count > 1 or not one else n)
    added = int(marks.size) - n
    dims = (*x.shape[:axis], added, *x.shape[axis + 1 :])
    marks[marks >= n] = np.where(np.sort(marks[marks >= n]).size > count, n + np.arange(added), marks[marks >= n])
    return take(concatenate([x, astype(_broadcast(v, dims), x.dtype)], axis), marks, axis)


@implements()
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    x = ravel(arr) if axis is None else operand(arr)
    axis = 0 if axis is None else axis_of(axis, x.ndim)
    return take(x, np.delete(np.arange(x.shape[axis]), obj), axis)


@implements()
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    x = operand(filt)
    value = stop_gradient(x)
    value = value.level.look(value, "trim_zeros") if type(value) is Tensor else value
    kept = np.flatnonzero(value)
    if not kept.size:
        return x[:0]
    return x[kept[0] if "f" in trim else 0 : kept[-1] + 1 if "b" in trim else None]


# Diagonals and triangles ----------------------------------------------------------------------


@implements(np.diagonal, method="diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    x = operand(a)
    if x.ndim < 2:
        raise ShapeError(f"diagonal needs at least 2 axes, the shape is {x.shape}.")
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    n = builtins.max(0, builtins.min(rows + builtins.min(offset, 0), columns - builtins.max(offset, 0)))
    i = np.arange(n)
    return x[..., i - builtins.min(offset, 0), i + builtins.max(offset, 0)]


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    x = operand(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag needs a vector or a matrix, the shape is {x.shape}.")
    n = x.shape[0] + builtins.abs(k)
    i = np.arange(x.shape[0])
    return index.scatter(
        x, i - builtins.min(k, 0), i + builtins.max(k, 0), template=(index.ARRAY, index.ARRAY), shape=(n, n)
    )


@implements()
def diagflat(v: Any, k: int = 0) -> Any:
    return diag(ravel(v), k)


def _triangle(m: Any, keep: Any) -> Any:
    from dualad.ops.arithmetic import where

    x = operand(m)
    return where(keep, x, x.dtype.type(0))


@implements()
def tril(m: Any, k: int = 0) -> Any:
    x = operand(m)
    return _triangle(x, np.tri(*x.shape[-2:], k=k, dtype=bool))


@implements()
def triu(m: Any, k: int = 0) -> Any:
    x = operand(m)
    return _triangle(x, ~np.tri(*x.shape[-2:], k=k - 1, dtype=bool))


# Methods --------------------------------------------------------------------------------------

setattr(Tensor, "reshape", _reshape_method)
setattr(Tensor, "transpose", _transpose_method)
setattr(Tensor, "T", property(lambda x: transpose(x)))
setattr(Tensor, "mT", property(lambda x: matrix_transpose(x)))
setattr(Tensor, "astype", lambda x, dtype, *_, **__: astype(x, dtype))
setattr(Tensor, "copy", lambda x, order="C": copy(x))
setattr(Tensor, "flatten", lambda x, order="C": ravel(x, order))
setattr(Tensor, "flat", property(lambda x: ravel(x)))

_OWN = {"operand", "operands", "axis_of", "axes_of", "holds_tensor"}
__all__ = [
    n for n in list(globals()) if not n.startswith("_") and hasattr(np, n) and n not in _OWN | {"index", "shape"}
]
