"""Shapes: reshape, transpose, broadcast, join, split, with NumPy's signatures.

Results are views of a tensor where NumPy's are views of an array: assigning to one changes the other.
"""

from __future__ import annotations

import builtins
import itertools
import math
import operator
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, DtypeError, ShapeError
from dualad.core.level import GROUND
from dualad.core.primitive import bind, plain
from dualad.core.tensor import Tensor, new_tensor
from dualad.numpy.operands import on_tensors, operand, store
from dualad.ops import shape
from dualad.ops.views import view


def concrete(x: Any, why: str) -> Any:
    """The plain value of an index, mask or count (Python looks at it)."""
    x = plain(x)
    return np.asarray(x.level.look(x, why) if type(x) is Tensor else x)


def _layout(x: Any) -> Any:
    """An array laid out in memory as NumPy's would be: the one at the bottom of ``x``, and of it the views that led here."""
    steps = []
    while (source := getattr(x, "source", None)) is not None:
        x, prim, params = source
        steps.append((prim, params))
    depth = len(x.shape)
    while type(x) is Tensor:
        x = x.value
    x = np.asarray(x)
    x = x[(0,) * (x.ndim - depth)] if x.size else np.empty(x.shape[x.ndim - depth :])
    for prim, params in reversed(steps):
        x = prim.impl(x, **params)
    return x


def _viewed(x: Any, prim: Any, **params: Any) -> Any:
    """``prim(x)`` as a view of ``x``."""
    y = prim(x, **params)
    return view(x, y, prim, params) if type(x) is Tensor else y


def _shared(x: Any, dims: tuple[int, ...]) -> bool:
    """Whether NumPy's reshape would share memory with ``x``."""
    a = _layout(x)
    if not a.flags.c_contiguous:
        try:
            np.reshape(a, dims, copy=False)
        except ValueError:
            return False
    return True


def axis_of(axis: Any, ndim: int) -> int:
    """A non-negative axis; NumPy's AxisError if it is out of range."""
    if type(axis) is int and 0 <= axis < ndim:
        return axis
    return int(np.lib.array_utils.normalize_axis_index(_int(axis), ndim))


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    return tuple(np.lib.array_utils.normalize_axis_tuple(axis, ndim))


def _int(k: Any) -> int:
    try:
        return operator.index(k)
    except TypeError:
        raise ArgumentError(f"sizes, shifts and axes must be integers, not {k!r}. Write int(k).") from None


def dimensions(dims: Any) -> tuple[int, ...]:
    """A shape argument (a number or a sequence of them) as a tuple."""
    return tuple(map(_int, dims)) if isinstance(dims, (tuple, list, np.ndarray)) else (_int(dims),)


# One array ------------------------------------------------------------------------------------


@on_tensors(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    """``np.reshape``: a view of a tensor where NumPy's result is one."""
    x = operand(a)
    dims = list(dimensions(shape))
    if -1 in dims:
        rest = math.prod(n for n in dims if n != -1)
        if dims.count(-1) > 1 or rest == 0 or x.size % rest:
            raise ShapeError(f"reshape: an array of shape {x.shape} ({x.size} elements) cannot become {tuple(dims)}.")
        dims[dims.index(-1)] = x.size // rest
    if math.prod(dims) != x.size or min(dims, default=0) < 0:
        raise ShapeError(f"reshape: an array of shape {x.shape} ({x.size} elements) cannot become {tuple(dims)}.")
    return _reshape(x, tuple(dims), order, copy)


def _reshape(x: Any, dims: tuple[int, ...], order: str, copy: Any = None) -> Any:
    if type(x) is not Tensor:
        return np.reshape(x, dims, order=order, copy=copy)  # type: ignore[call-overload]
    if order in ("A", "K"):
        flags = _layout(x).flags
        if order == "K" and not (flags.c_contiguous or flags.f_contiguous):
            raise ArgumentError("reshape: order='K' depends on how memory is laid out. Use 'C' or 'F'.")
        order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    if order not in ("C", "F"):
        raise ArgumentError(f"reshape: order={order!r} is unknown. Use 'C' or 'F'.")
    if order == "F" and (len(x.shape) > 1 or len(dims) > 1):
        return transpose(_reshape(transpose(x), dims[::-1], "C", copy))
    shared = _shared(x, dims)
    if copy is False and not shared:
        raise ArgumentError("reshape: copy=False, but this reshape cannot share memory. Leave copy away.")
    if shared and not copy:
        return _viewed(x, shape.reshape, shape=dims)
    if shared and x.shape:  # the value of what is no view must not be one either, by whose layout the next view is told
        x = shape.concatenate(x, axis=0)
    return _unshared(shape.reshape(x, shape=dims), x)


def _unshared(y: Any, x: Tensor) -> Any:
    """A result with memory of its own: of a buffer, a buffer."""
    return new_tensor(np.array(y), GROUND, None) if type(y) is not Tensor and x.level is GROUND else y


def _reshape_method(x: Tensor, *dims: Any, order: str = "C", copy: Any = None) -> Any:
    one = len(dims) == 1 and isinstance(dims[0], (tuple, list, np.ndarray))
    return reshape(x, dims[0] if one else dims, order, copy=copy)


@on_tensors(np.ravel, method="ravel")
def ravel(a: Any, order: str = "C") -> Any:
    """``np.ravel``: a view only of a contiguous array, where ``reshape(-1)`` is one of evenly spaced elements too."""
    x = operand(a)
    flags = _layout(x).flags if type(x) is Tensor else None
    whole = flags is None or (flags.c_contiguous and order != "F") or (flags.f_contiguous and order != "C")
    return _reshape(x, (x.size,), order, None if whole else True)


def flatten(x: Tensor, order: str = "C") -> Any:
    """``ravel``, with memory of its own."""
    return copy(_reshape(x, (x.size,), order))


@on_tensors(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    x = operand(a)
    order = tuple(range(x.ndim))[::-1] if axes is None else axes_of(dimensions(axes), x.ndim)
    if len(order) != x.ndim:
        raise ShapeError(f"transpose: axes={axes} do not name each of the {x.ndim} axes of shape {x.shape} once.")
    return _viewed(x, shape.transpose, axes=order)


permute_dims = transpose


def _transpose_method(x: Tensor, *axes: Any) -> Any:
    if not axes or axes == (None,):
        return transpose(x)
    return transpose(x, axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes)


@on_tensors(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    x = operand(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose needs at least 2 axes, the shape is {x.shape}.")
    return swapaxes(x, -1, -2)


@on_tensors(method="swapaxes")
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    x = operand(a)
    order = list(range(x.ndim))
    i, j = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    order[i], order[j] = j, i
    return _viewed(x, shape.transpose, axes=tuple(order))


@on_tensors()
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    x = operand(a)
    src, dst = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    if len(src) != len(dst):
        raise ShapeError(f"moveaxis: source {source} and destination {destination} differ in length.")
    order = [n for n in range(x.ndim) if n not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        order.insert(d, s)
    return _viewed(x, shape.transpose, axes=tuple(order))


@on_tensors()
def rollaxis(a: Any, axis: Any, start: int = 0) -> Any:
    x = operand(a)
    axis = axis_of(axis, x.ndim)
    start = axis_of(start + x.ndim if start < 0 else start, x.ndim + 1)
    order = [n for n in range(x.ndim) if n != axis]
    order.insert(start - 1 if axis < start else start, axis)
    return _viewed(x, shape.transpose, axes=tuple(order))


@on_tensors(method="squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    x = operand(a)
    drop = tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axes_of(axis, x.ndim)
    if builtins.any(x.shape[i] != 1 for i in drop):
        raise ShapeError(f"squeeze: axis {axis} of shape {x.shape} does not have size 1.")
    return _viewed(x, shape.reshape, shape=tuple(n for i, n in enumerate(x.shape) if i not in drop))


@on_tensors()
def expand_dims(a: Any, axis: Any) -> Any:
    x = operand(a)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    dims = list(x.shape)
    for k in sorted(axes_of(axis, x.ndim + count)):
        dims.insert(k, 1)
    return _viewed(x, shape.reshape, shape=tuple(dims))


def _at_least(a: Any, ndim: int) -> Any:
    x = operand(a)
    if x.ndim >= ndim:
        return x
    dims = {
        (0, 1): (1,), (0, 2): (1, 1), (0, 3): (1, 1, 1), (1, 2): (1, *x.shape), (1, 3): (1, *x.shape, 1), (2, 3): (*x.shape, 1)
    }[x.ndim, ndim]  # fmt: skip
    return _viewed(x, shape.reshape, shape=dims)


@on_tensors()
def atleast_1d(*arys: Any) -> Any:
    out = tuple(_at_least(a, 1) for a in arys)
    return out[0] if len(out) == 1 else out


@on_tensors()
def atleast_2d(*arys: Any) -> Any:
    out = tuple(_at_least(a, 2) for a in arys)
    return out[0] if len(out) == 1 else out


@on_tensors()
def atleast_3d(*arys: Any) -> Any:
    out = tuple(_at_least(a, 3) for a in arys)
    return out[0] if len(out) == 1 else out


@on_tensors(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    x = operand(array)
    dims = dimensions(shape)
    try:
        fits = np.broadcast_shapes(x.shape, dims) == dims
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {dims}.")
    return _broadcast(x, dims)


def _broadcast(x: Any, dims: tuple[int, ...]) -> Any:
    return x if x.shape == dims else shape.broadcast_to(x, shape=dims)


@on_tensors()
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    xs = [operand(a) for a in args]
    dims = np.broadcast_shapes(*[x.shape for x in xs])
    return tuple(_broadcast(x, dims) for x in xs)


def _cast(x: Any, dtype: Any, casting: str, copied: bool) -> Any:
    dtype = np.dtype(dtype)
    if not np.can_cast(x.dtype, dtype, casting):  # type: ignore[arg-type]
        raise DtypeError(f"astype: {x.dtype} cannot become {dtype} under casting={casting!r}.")
    if type(x) is not Tensor:
        return x.astype(dtype)
    if dtype.kind not in "biufc":
        raise DtypeError(f"astype: a tensor cannot become {dtype}.")
    if x.dtype == dtype:
        return copy(x) if copied else x
    if dtype.kind in "biu" or x.dtype.kind in "biu":
        return _unshared(shape.cast_constant(x, dtype=dtype), x)
    return _unshared(shape.astype(x, dtype=dtype), x)


@on_tensors(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """Cast. To integers and booleans the derivative is 0; of complex to real, that of the real part."""
    return _cast(operand(x), dtype, "unsafe", copy)


def _astype_method(
    x: Tensor, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    return _cast(x, dtype, casting, copy)


@on_tensors(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """A tensor of its own: later assignments to one do not change the other."""
    x = operand(a)
    return x.level.adopt(new_tensor(x.value, x.level, x.aux)) if type(x) is Tensor else np.array(x)


# Several arrays -------------------------------------------------------------------------------


def operands(arrays: Any) -> list[Any]:
    if type(arrays) is Tensor:
        return list(arrays)
    if hasattr(arrays, "__dualad_tensor__"):
        return list(arrays.__dualad_tensor__())
    return [a if type(a) is Tensor else operand(a) for a in arrays]


def _finish(y: Any, out: Any, dtype: Any, casting: str) -> Any:
    if dtype is not None and out is not None:
        raise ArgumentError("concatenate and stack take out or dtype, not both.")
    return store(y, out) if dtype is None else _cast(y, dtype, casting, False)


@on_tensors(np.concatenate)
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
    return _finish(shape.concatenate(*xs, axis=axis), out, dtype, casting)


concat = concatenate


@on_tensors(np.stack)
def stack(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    xs = operands(arrays)
    if not xs:
        raise ShapeError("stack needs at least one array.")
    first = xs[0].shape
    for x in xs[1:]:
        if x.shape != first:
            raise ShapeError(f"stack: all shapes must be equal, they are {[x.shape for x in xs]}.")
    return _finish(bind(shape.stack, xs, {"axis": axis_of(axis, len(first) + 1)}), out, dtype, casting)


@on_tensors(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return concatenate([_at_least(a, 2) for a in operands(tup)], 0, dtype=dtype, casting=casting)


@on_tensors(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    xs = [_at_least(a, 1) for a in operands(tup)]
    return concatenate(xs, 0 if xs and xs[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@on_tensors(np.dstack)
def dstack(tup: Any) -> Any:
    return concatenate([_at_least(a, 3) for a in operands(tup)], 2)


@on_tensors(np.column_stack)
def column_stack(tup: Any) -> Any:
    xs = operands(tup)
    return concatenate([shape.reshape(x, shape=(x.size, 1)) if x.ndim < 2 else x for x in xs], 1)


@on_tensors(np.block)
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


@on_tensors()
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    if axis is None:
        return concatenate([ravel(arr), ravel(values)])
    return concatenate([arr, values], axis)


@on_tensors()
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


@on_tensors()
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    x = operand(ary)
    if np.ndim(indices_or_sections) == 0 and x.shape[axis_of(axis, x.ndim)] % _int(indices_or_sections):
        raise ShapeError(
            f"split: axis {axis} of shape {x.shape} does not divide into {indices_or_sections} equal parts."
        )
    return array_split(x, indices_or_sections, axis)


@on_tensors()
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    x = _splittable(ary, 1, "hsplit")
    return split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@on_tensors()
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(_splittable(ary, 2, "vsplit"), indices_or_sections, 0)


@on_tensors()
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(_splittable(ary, 3, "dsplit"), indices_or_sections, 2)


def _splittable(ary: Any, ndim: int, name: str) -> Any:
    x = operand(ary)
    if x.ndim < ndim:
        raise ShapeError(f"{name} needs at least {ndim} axes, the shape is {x.shape}.")
    return x


@on_tensors()
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    x = operand(x)
    axis = axis_of(axis, x.ndim)
    return shape.unstack(x, axis, x.shape[axis])


# Methods --------------------------------------------------------------------------------------

setattr(Tensor, "reshape", _reshape_method)
setattr(Tensor, "transpose", _transpose_method)
setattr(Tensor, "T", property(lambda x: transpose(x)))
setattr(Tensor, "mT", property(lambda x: matrix_transpose(x)))
setattr(Tensor, "astype", _astype_method)
setattr(Tensor, "copy", lambda x, order="C": copy(x))
setattr(Tensor, "flatten", flatten)
# Writing through x.flat reaches x whatever its layout.
setattr(Tensor, "flat", property(lambda x: _viewed(x, shape.reshape, shape=(x.size,))))

__all__ = [
    "append", "array_split", "astype", "atleast_1d", "atleast_2d", "atleast_3d", "block", "broadcast_arrays",
    "broadcast_to", "column_stack", "concat", "concatenate", "copy", "dsplit", "dstack", "expand_dims", "hsplit",
    "hstack", "matrix_transpose", "moveaxis", "permute_dims", "ravel", "reshape", "rollaxis", "split", "squeeze",
    "stack", "swapaxes", "transpose", "unstack", "vsplit", "vstack",
]  # fmt: skip
