"""Making arrays: from sequences with tensors in them, buffers to assign into, ranges and grids; NumPy's constants and types.

``zeros``, ``ones``, ``full``, ``empty`` and their ``_like`` forms return **buffers**: tensors that no transform tracks yet, into
which tracked values can be assigned. Otherwise they behave as arrays.
"""

from __future__ import annotations

import builtins
import operator
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.level import GROUND
from dualad.core.primitive import SEQUENCE, holds_tensor, plain
from dualad.core.tensor import Tensor, new_tensor
from dualad.numpy.operands import on_tensors, operand, tracked
from dualad.numpy.register import implements
from dualad.numpy.shaping import astype, broadcast_to, concrete, expand_dims, moveaxis
from dualad.numpy.shaping import copy as _copied
from dualad.ops import shape as shapes
from dualad.ops.index import setitem
from dualad.ops.transcendental import power

# From sequences ---------------------------------------------------------------------------------


def _from_sequence(x: Any) -> Any:
    """A (nested) list or tuple with tensors in it as one tensor."""
    parts = [_from_sequence(v) if isinstance(v, (list, tuple)) and holds_tensor(v) else operand(v) for v in x]
    dims = {v.shape for v in parts}
    if len(dims) > 1:
        raise ShapeError(f"array: the entries have different shapes: {sorted(dims)}. Pad them, or use concatenate.")
    return shapes.stack(*parts, axis=0)


SEQUENCE.append(_from_sequence)


@implements(np.array)
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
    like: Any = None,
) -> Any:
    """An array of ``object``; of tensors and sequences with tensors in them, a tracked tensor."""
    if not tracked(object):
        return np.array(object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin)
    x = operand(object)
    if dtype is not None and x.dtype != dtype:
        x = astype(x, dtype)
    elif copy and type(object) is Tensor:
        x = _copied(x)
    return x if x.ndim >= ndmin else x[(None,) * (ndmin - x.ndim)]


@implements(np.asarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    return array(a, dtype, copy=copy, order=order) if tracked(a) else np.asarray(a, dtype, order, copy=copy)


@implements(np.asanyarray)
def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    return array(a, dtype, copy=copy, order=order) if tracked(a) else np.asanyarray(a, dtype, order, copy=copy)


@implements(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    x = asarray(a, dtype)
    return x if x.ndim else x[None]


@on_tensors()
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    x = asarray(a, dtype)
    if not np.isfinite(concrete(x, "asarray_chkfinite")).all():
        raise ArgumentError("asarray_chkfinite: the array must not contain infs or NaNs.")
    return x


# Buffers ----------------------------------------------------------------------------------------


def buffer(value: Any) -> Tensor:
    """An array of our own, as a tensor that can be assigned into."""
    return new_tensor(value, GROUND, None)


def zeros(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Any:
    """A buffer of zeros.

    >>> import dualad
    >>> def f(x):
    ...     out = dualad.numpy.zeros(2)
    ...     out[0] = x**2
    ...     return out.sum()
    >>> float(dualad.grad(f)(3.0))
    6.0
    """
    return buffer(np.zeros(shape, float if dtype is None else dtype, order))


def ones(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Any:
    """A buffer of ones."""
    return buffer(np.ones(shape, dtype, order))


def empty(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Any:
    """A buffer with undefined entries."""
    return buffer(np.empty(shape, float if dtype is None else dtype, order))


def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None
) -> Any:
    """A buffer filled with ``fill_value``, which may be a tensor (or a sequence with tensors in it)."""
    if not tracked(fill_value):
        return buffer(np.full(shape, fill_value, dtype, order))
    v = operand(fill_value)
    out = buffer(np.zeros(shape, v.dtype if dtype is None else dtype))
    setitem(out, ..., v)
    return out


def _like(a: Any, dtype: Any, shape: Any) -> tuple[Any, Any]:
    x = operand(a)
    return x.shape if shape is None else shape, x.dtype if dtype is None else dtype


@implements(np.zeros_like)
def zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """A buffer of zeros, of the shape and dtype of ``a``."""
    return zeros(*_like(a, dtype, shape))


@implements(np.ones_like)
def ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """A buffer of ones, of the shape and dtype of ``a``."""
    return ones(*_like(a, dtype, shape))


@implements(np.empty_like)
def empty_like(
    prototype: Any, /, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """A buffer with undefined entries, of the shape and dtype of ``prototype``."""
    return empty(*_like(prototype, dtype, shape))


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """A buffer filled with ``fill_value``, of the shape and dtype of ``a``."""
    dims, kind = _like(a, dtype, shape)
    return full(dims, fill_value, kind)


# Ranges -----------------------------------------------------------------------------------------


def arange(*args: Any, dtype: Any = None, device: Any = None, like: Any = None, **keywords: Any) -> Any:
    """``np.arange``; differentiable in start and step (the length is a decision on values)."""
    if not holds_tensor((args, tuple(keywords.values()))):
        return np.arange(*args, dtype=dtype, **keywords)
    given = [None, *args] if len(args) == 1 and "stop" not in keywords else list(args)
    start, stop, step = (
        keywords.get(k, given[i] if i < len(given) else None) for i, k in enumerate(("start", "stop", "step"))
    )
    if stop is None:
        start, stop = None, start
    start = 0 if start is None else start
    step = 1 if step is None else step
    n = len(np.arange(*[concrete(v, "arange").item() for v in (start, stop, step)]))
    y = start + step * np.arange(n)
    kind = np.result_type(*[operand(v).dtype for v in (start, stop, step)]) if dtype is None else dtype
    return astype(y, kind) if y.dtype != kind else y


def _ends(start: Any, stop: Any) -> tuple[Any, Any, Any]:
    """Both ends as floating-point numbers, and their dtype."""
    a, b = plain(start), plain(stop)
    weak = (int, float, complex)
    kind = np.result_type(*[v if type(v) in weak else v.dtype for v in (a, b)], 1.0)
    return *(_to(operand(v), kind) for v in (a, b)), kind


def _to(x: Any, kind: Any) -> Any:
    return x if x.dtype == kind else astype(x, kind)


@on_tensors()
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: Any = 0,
    *,
    device: Any = None,
) -> Any:
    """``np.linspace``, differentiable in both ends."""
    num = _count(num, "linspace")
    a, b, kind = _ends(start, stop)
    gaps = num - 1 if endpoint else num
    s = (np.arange(num) / max(gaps, 1)).reshape((num,) + (1,) * max(a.ndim, b.ndim)).astype(kind)
    y = a * (1 - s) + b * s
    if axis:
        y = moveaxis(y, 0, axis)
    if dtype is not None and y.dtype != dtype:
        y = astype(np.floor(y) if np.dtype(dtype).kind in "iu" else y, dtype)
    return (y, (b - a) / gaps if gaps else (b - a) * np.nan) if retstep else y


def _count(num: Any, name: str) -> int:
    n = operator.index(num)
    if n < 0:
        raise ArgumentError(f"{name}: num must be non-negative, not {n}.")
    return n


@on_tensors()
def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: Any = 0,
) -> Any:
    """``np.logspace``, differentiable in both ends and in the base."""
    base = plain(base)
    if type(base) not in (int, float) and base.ndim:
        a, b = operand(start), operand(stop)
        n = max(a.ndim, b.ndim, base.ndim)
        start, stop, base = (v[(None,) * (n - v.ndim)] for v in (a, b, operand(base)))
        base = expand_dims(base, axis)
    y = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else _to(y, np.dtype(dtype))


@on_tensors()
def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: Any = 0) -> Any:
    """``np.geomspace``, differentiable in both ends: start * (stop / start)**s."""
    a, b, kind = _ends(start, stop)
    for v in (a, b):
        if (np.asarray(_bottom(v)) == 0).any():
            raise ArgumentError("geomspace: a geometric sequence cannot include zero.")
    num = _count(num, "geomspace")
    gaps = num - 1 if endpoint else num
    s = (np.arange(num) / max(gaps, 1)).reshape((num,) + (1,) * max(a.ndim, b.ndim)).astype(kind)
    y = a * power(b / a, s)
    if axis:
        y = moveaxis(y, 0, axis)
    return y if dtype is None else _to(y, np.dtype(dtype))


def _bottom(x: Any) -> Any:
    while type(x) is Tensor:
        x = x.value
    return x


@on_tensors()
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', not {indexing!r}.")
    xs = [operand(x) for x in xi]
    n = len(xs)
    order = list(range(n))
    if indexing == "xy" and n > 1:
        order[:2] = 1, 0
    out = [shapes.reshape(x, shape=tuple(x.size if i == order[k] else 1 for i in range(n))) for k, x in enumerate(xs)]
    if not sparse:
        dims = np.broadcast_shapes(*[x.shape for x in out])
        out = [broadcast_to(x, dims) for x in out]
    return tuple(out)


@on_tensors()
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """``np.vander``: columns are products, so that all derivatives are right at 0."""
    v = operand(x)
    if v.ndim != 1:
        raise ShapeError(f"vander needs a vector, the shape is {v.shape}.")
    n = v.size if N is None else operator.index(N)
    dtype = np.promote_types(v.dtype, int)
    v = v * 1 if v.dtype.kind == "b" else shapes.astype(v, dtype=dtype) if v.dtype != dtype else v
    columns: list[Any] = [np.ones(v.shape, v.dtype)] if n else []
    for _ in range(n - 1):
        columns.append(columns[-1] * v if len(columns) > 1 else v)
    if not n:
        return np.empty((v.size, 0), v.dtype)
    return shapes.stack(*(columns if increasing else columns[::-1]), axis=1)


@on_tensors()
def tril_indices_from(arr: Any, k: int = 0) -> Any:
    return np.tril_indices_from(np.broadcast_to(0, arr.shape), k)


@on_tensors()
def triu_indices_from(arr: Any, k: int = 0) -> Any:
    return np.triu_indices_from(np.broadcast_to(0, arr.shape), k)


@on_tensors()
def diag_indices_from(arr: Any) -> Any:
    return np.diag_indices_from(np.broadcast_to(0, arr.shape))


def fromiter(iter: Any, dtype: Any = None, count: int = -1) -> Any:
    """An array of the numbers or tensors of an iterator."""
    values = list(iter)
    return array(values if count < 0 else values[:count], dtype)


# What is asked of arrays ------------------------------------------------------------------------


@on_tensors()
def shape(a: Any) -> tuple[int, ...]:
    return operand(a).shape


@on_tensors()
def ndim(a: Any) -> int:
    return len(operand(a).shape)


@on_tensors()
def size(a: Any, axis: Any = None) -> Any:
    return np.size(np.broadcast_to(0, operand(a).shape), axis)


@on_tensors()
def result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*[x.dtype if type(x) is Tensor else x for x in arrays_and_dtypes])


@on_tensors()
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> builtins.bool:
    return np.can_cast(from_.dtype, to, casting)


@on_tensors()
def iscomplexobj(x: Any) -> builtins.bool:
    return operand(x).dtype.kind == "c"


@on_tensors()
def isrealobj(x: Any) -> builtins.bool:
    return operand(x).dtype.kind != "c"


def isscalar(element: Any) -> builtins.bool:
    return not element.shape if type(element) is Tensor else np.isscalar(element)


setattr(Tensor, "flags", property(lambda self: np.empty(self.shape, self.dtype).flags))


def isfortran(a: Any) -> builtins.bool:
    """Whether the memory is in Fortran's order, and not in C's: of a tensor it is not."""
    return type(a) is not Tensor and np.isfortran(a)


@on_tensors(np.shares_memory)
def shares_memory(a: Any, b: Any, /, max_work: Any = None) -> builtins.bool:
    """Whether both are views of one tensor."""
    return _base(a) is _base(b)


@on_tensors(np.may_share_memory)
def may_share_memory(a: Any, b: Any, /, max_work: Any = None) -> builtins.bool:
    """Whether both are views of one tensor."""
    return _base(a) is _base(b)


def _base(x: Any) -> Any:
    while (source := getattr(x, "source", None)) is not None:
        x = source[0]
    return x


@on_tensors()
def array2string(a: Any, *args: Any, **keywords: Any) -> str:
    return np.array2string(concrete(a, "print()"), *args, **keywords)


@on_tensors()
def array_str(a: Any, *args: Any, **keywords: Any) -> str:
    return np.array_str(concrete(a, "print()"), *args, **keywords)


@on_tensors()
def array_repr(arr: Any, *args: Any, **keywords: Any) -> str:
    return np.array_repr(concrete(arr, "print()"), *args, **keywords)


__all__ = [
    "arange", "array", "array2string", "array_repr", "array_str", "asanyarray", "asarray", "asarray_chkfinite",
    "ascontiguousarray", "can_cast", "diag_indices_from", "empty", "empty_like", "fromiter", "full", "full_like",
    "geomspace", "iscomplexobj", "isfortran", "isrealobj", "isscalar", "linspace", "logspace", "may_share_memory", "meshgrid",
    "ndim", "ones", "ones_like", "result_type", "shape", "shares_memory", "size", "tril_indices_from",
    "triu_indices_from", "vander", "zeros", "zeros_like",
]  # fmt: skip
