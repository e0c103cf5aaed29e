"""Sorting and searching, with NumPy's signatures. Ties keep their order, so that every mode moves the same element."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.core.tensor import Tensor
from dualad.numpy.operands import cast, flat, on_tensors, operand, store
from dualad.ops import order as ops
from dualad.ops.arithmetic import not_equal
from dualad.ops.index import index
from dualad.ops.reduce import axis_of
from dualad.ops.shape import expand_dims, reshape

__all__ = [
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "argwhere",
    "digitize",
    "flatnonzero",
    "lexsort",
    "nanargmax",
    "nanargmin",
    "nonzero",
    "partition",
    "searchsorted",
    "sort",
    "sort_complex",
]


def _along(a: Any, axis: Any, name: str, order: Any) -> tuple[Any, int]:
    if order is not None:
        raise ArgumentError(f"{name}: order= names fields of structured arrays, which tensors are not")
    x = operand(a)
    if axis is None:
        return flat(x), 0
    if not x.shape and name == "argsort" and axis in (0, -1):
        return flat(x), 0
    return x, axis_of(axis, len(x.shape))


@on_tensors(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """Sorted copy; NaN last. The derivative moves with the elements."""
    x, one = _along(a, axis, "sort", order)
    return ops.sort(x, axis=one)


@on_tensors(np.argsort, method="argsort")
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """Indices that sort the array, stably: a constant."""
    x, one = _along(a, axis, "argsort", order)
    return ops.argsort(x, axis=one)


@on_tensors(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Any:
    """Indices that sort by several keys, the last first: a constant."""
    columns = [operand(k) for k in keys]
    if not columns:
        raise ArgumentError("lexsort: needs at least one key")
    if not columns[0].shape:
        return np.intp(0)
    one = axis_of(axis, len(columns[0].shape))
    y = ops.argsort(columns[0], axis=one)
    for key in columns[1:]:  # stable, so that the earlier keys decide what this one leaves open
        again = ops.argsort(ops.permute_along(key, y, axis=one), axis=one)
        y = ops.permute_along(y, again, axis=one)
    return y


@on_tensors(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """Sorted along the last axis, by real and then imaginary parts, as complex numbers."""
    x = sort(a)
    return x if x.dtype.kind == "c" else cast(x, np.complex64 if x.dtype.char in "bhBH" else np.complex128)


def _places(kth: Any, n: int, name: str) -> tuple[int, ...]:
    if type(kth) is Tensor:
        kth = kth.level.look(kth, "kth")
    out = []
    for k in np.atleast_1d(kth).tolist():
        if type(k) is not int or not -n <= k < n:
            raise ArgumentError(f"{name}: kth={k} is no index of an axis of length {n}")
        out.append(k % n)
    return tuple(out)


def _partitioned(x: Any, kth: Any, one: int, name: str) -> Any:
    n = x.shape[one]
    if n == 0:
        return ops.argsort(x, axis=one)
    return ops.argpartition(x, axis=one, kth=_places(kth, n, name))


@on_tensors(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """Copy whose kth elements stand where sorting would put them, smaller ones before."""
    x, one = _along(a, axis, "partition", order)
    return ops.permute_along(x, _partitioned(x, kth, one, "partition"), axis=one)


@on_tensors(np.argpartition, method="argpartition")
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """Indices that partition the array: a constant."""
    x, one = _along(a, axis, "argpartition", order)
    return _partitioned(x, kth, one, "argpartition")


def _become(x: Tensor, y: Any) -> None:
    if type(y) is Tensor:
        x.value, x.level, x.aux = y.value, y.level, y.aux
    else:
        x.value = y


def _sort_in_place(x: Tensor, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
    """Sort this tensor in place; the caller's array stays as it is."""
    _become(x, sort(x, axis, kind, order))


def _partition_in_place(x: Tensor, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> None:
    """Partition this tensor in place; the caller's array stays as it is."""
    _become(x, partition(x, kth, axis, kind, order))


def _place_of(prim: Any, a: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    x = operand(a)
    shape = x.shape
    if axis is not None and shape:
        axis = axis_of(axis, len(shape))
    if x.size == 0 and (axis is None or shape[axis] == 0):
        raise ArgumentError(f"{prim.name}: an empty sequence (shape {shape}) has no extremum")
    if axis is None or (not shape and axis in (0, -1)):
        y = prim(flat(x), axis=0)
        return store(reshape(y, shape=(1,) * len(shape)) if keepdims else y, out)
    one = axis_of(axis, len(shape))
    y = prim(x, axis=one)
    return store(expand_dims(y, axis=(one,)) if keepdims else y, out)


@on_tensors(np.argmax, method="argmax")
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """Index of the first maximum: a constant."""
    return _place_of(ops.argmax, a, axis, out, keepdims)


@on_tensors(np.argmin, method="argmin")
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """Index of the first minimum: a constant."""
    return _place_of(ops.argmin, a, axis, out, keepdims)


@on_tensors(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """Index of the first maximum that is not NaN: a constant."""
    return _place_of(ops.nanargmax, a, axis, out, keepdims)


@on_tensors(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """Index of the first minimum that is not NaN: a constant."""
    return _place_of(ops.nanargmin, a, axis, out, keepdims)


@on_tensors(np.searchsorted, method="searchsorted")
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    """Where ``v`` would be inserted into the sorted ``a``: a constant."""
    x = operand(a)
    if sorter is not None:
        x = x[sorter]
    return ops.searchsorted(x, operand(v), side=side)


@on_tensors(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The bin of each element: a constant."""
    x, bins = operand(x), operand(bins)
    edges = bins.level.look(bins, "bins") if type(bins) is Tensor else bins
    steps = np.diff(edges)
    if edges.ndim != 1 or not (np.all(steps >= 0) or np.all(steps <= 0)):
        raise ArgumentError("digitize: bins must be one-dimensional, and increase or decrease monotonically")
    side = "left" if right else "right"
    if np.all(steps >= 0):
        return ops.searchsorted(bins, x, side=side)
    down = index(bins, template=(slice(None, None, -1),))
    return len(edges) - ops.searchsorted(down, x, side=side)


@on_tensors(np.nonzero, method="nonzero")
def nonzero(a: Any) -> tuple[Any, ...]:
    """Indices of the elements that are not zero: constants, whose number depends on the values."""
    return np.nonzero(_mask(a, "nonzero()"))


@on_tensors(np.argwhere)
def argwhere(a: Any) -> Any:
    """Indices of the elements that are not zero, one row each: constants."""
    return np.argwhere(_mask(a, "argwhere()"))


@on_tensors(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """Indices, in the flattened array, of the elements that are not zero: constants."""
    return np.flatnonzero(_mask(a, "flatnonzero()"))


def _mask(a: Any, name: str) -> Any:
    mask = not_equal(operand(a), 0)
    return mask.level.look(mask, name) if type(mask) is Tensor else mask


setattr(Tensor, "sort", _sort_in_place)
setattr(Tensor, "partition", _partition_in_place)
