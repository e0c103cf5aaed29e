"""Sums, products, extrema, counts and scans, with NumPy's signatures."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy.operands import cast, finish, flat, on_tensors, operand, store
from dualad.ops import order, reduce, scan
from dualad.ops.arithmetic import not_equal
from dualad.ops.arithmetic import where as select
from dualad.ops.index import index_set
from dualad.ops.reduce import axes_of, axis_of, size_of
from dualad.ops.shape import broadcast_to, stack

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "max",
    "mean",
    "min",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nansum",
    "prod",
    "ptp",
    "sum",
]


def masked(x: Any, where: Any, fill: Any) -> Any:
    """``x`` where the mask holds, ``fill`` elsewhere."""
    return x if where is True else select(where, x, x.dtype.type(fill))


def how_many(x: Any, where: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    """How many elements each reduced slice has, those that the mask leaves out not counted."""
    if where is True:
        return size_of(x.shape, axes)
    where = where if type(where) is Tensor else np.asarray(where)
    return reduce.count(broadcast_to(where, shape=x.shape), axis=axes, dtype=dtype)


def not_nan(x: Any) -> Any:
    return x == x if type(x) is Tensor else np.equal(x, x)


@on_tensors(np.sum, method="sum")
def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Sum over axes."""
    x = a if type(a) is Tensor else operand(a)
    if dtype is not None:
        x = cast(x, dtype)
    if where is not True:
        x = masked(x, where, 0)
    shape = x.shape
    axes = axes_of(axis, len(shape))
    y = reduce.sum(x, axis=axes)
    if initial is not None:
        y = y + _weak(initial, y)
    return y if out is None and not keepdims else finish(y, shape, axes, keepdims, out)


@on_tensors(np.prod, method="prod")
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Product over axes; derivatives of every order are right where factors are zero."""
    x = operand(a)
    if dtype is not None:
        x = cast(x, dtype)
    x = masked(x, where, 1)
    axes = axes_of(axis, len(x.shape))
    y = reduce.prod(x, axis=axes)
    if initial is not None:
        y = y * _weak(initial, y)
    return finish(y, x.shape, axes, keepdims, out)


def _weak(number: Any, y: Any) -> Any:
    return number if type(number) is Tensor else y.dtype.type(number)


@on_tensors(np.mean, method="mean")
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """Arithmetic mean over axes."""
    x = a if type(a) is Tensor else operand(a)
    if dtype is not None:
        x = cast(x, dtype)
    shape = x.shape
    axes = axes_of(axis, len(shape))
    if where is True:
        y = reduce.mean(x, axis=axes)
    else:
        x = floating(x)
        y = reduce.sum(masked(x, where, 0), axis=axes) / how_many(x, where, axes, x.dtype)
    return y if out is None and not keepdims else finish(y, shape, axes, keepdims, out)


def floating(x: Any) -> Any:
    """Integers as NumPy's means take them: float64."""
    return x if x.dtype.kind in "fc" else cast(x, np.float64)


def _extremum(
    name: str, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any, warn: bool = False
) -> Any:
    x = operand(a)
    prim = reduce.extrema[name]
    if where is not True:
        if initial is None:
            raise ArgumentError(f"{name}: where= leaves slices that may be empty. Pass initial= too.")
        x = select(where, x, initial if type(initial) is Tensor else x.dtype.type(initial))
    axes = axes_of(axis, len(x.shape))
    if initial is not None and size_of(x.shape, axes) == 0:
        return finish(broadcast_to(_weak(initial, x), shape=_left(x.shape, axes)), x.shape, axes, keepdims, out)
    try:
        y = prim(x, axis=axes)
    except ValueError as e:
        if "zero-size" not in str(e):
            raise
        raise ShapeError(
            f"{name}: an array of shape {x.shape} has nothing to compare along axis {axis}. Pass initial=."
        ) from None
    if initial is not None:
        y = prim(stack(y, broadcast_to(_weak(initial, y), shape=y.shape), axis=0), axis=(0,))
    if warn and _concrete_any(not_equal(y, y)):
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=3)
    return finish(y, x.shape, axes, keepdims, out)


def _left(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def _concrete_any(mask: Any) -> bool:
    """Only for warnings, which look at plain values and leave no guard on a tape."""
    return type(mask) is not Tensor and bool(np.any(mask))


@on_tensors(np.max, np.amax, method="max")
def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Maximum over axes; tied maxima share the derivative equally. A NaN is the maximum of its slice."""
    return _extremum("max", a, axis, out, keepdims, initial, where)


@on_tensors(np.min, np.amin, method="min")
def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Minimum over axes; tied minima share the derivative equally. A NaN is the minimum of its slice."""
    return _extremum("min", a, axis, out, keepdims, initial, where)


amax, amin = max, min


@on_tensors(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Range of values: maximum minus minimum."""
    x = operand(a)
    return store(max(x, axis, keepdims=keepdims) - min(x, axis, keepdims=keepdims), out)


# Counts and truth: constants ------------------------------------------------------------------


@on_tensors(np.any, method="any")
def any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
    """Whether any element is true: a constant."""
    x = masked(operand(a), where, 0)
    axes = axes_of(axis, len(x.shape))
    return finish(order.any(x, axis=axes), x.shape, axes, keepdims, out)


@on_tensors(np.all, method="all")
def all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
    """Whether all elements are true: a constant."""
    x = masked(operand(a), where, 1)
    axes = axes_of(axis, len(x.shape))
    return finish(order.all(x, axis=axes), x.shape, axes, keepdims, out)


@on_tensors(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """How many elements are not zero: a constant."""
    x = operand(a)
    axes = axes_of(axis, len(x.shape))
    return finish(reduce.count(not_equal(x, 0), axis=axes, dtype=np.intp), x.shape, axes, keepdims, None)


# Scans ----------------------------------------------------------------------------------------


def _scan(prim: Any, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    x = operand(a)
    if dtype is not None:
        x = cast(x, dtype)
    if axis is None or (not x.shape and axis in (0, -1)):
        x, axis = flat(x), 0
    one = axis_of(axis, len(x.shape))
    return store(prim(x, axis=one, reverse=False), out)


@on_tensors(np.cumsum, method="cumsum")
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Cumulative sum along an axis, or of the flattened array."""
    return _scan(scan.cumsum, a, axis, dtype, out)


@on_tensors(np.cumprod, method="cumprod")
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Cumulative product along an axis, or of the flattened array; derivatives are right where factors are zero."""
    return _scan(scan.cumprod, a, axis, dtype, out)


def _cumulative(prim: Any, name: str, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool, unit: int) -> Any:
    x = operand(x)
    rank = len(x.shape)
    if rank == 0:
        x, rank = flat(x), 1
    if axis is None and rank > 1:
        raise ShapeError(f"{name}: the array has {rank} axes. Pass axis=.")
    y = _scan(prim, x, axis, dtype, None)
    if include_initial:
        one = axis_of(0 if axis is None else axis, rank)
        shape = (*y.shape[:one], y.shape[one] + 1, *y.shape[one + 1 :])
        template = (*[slice(None)] * one, slice(1, None), *[slice(None)] * (rank - one - 1))
        y = index_set(np.full(shape, unit, y.dtype), y, template=template)
    return store(y, out)


@on_tensors(np.cumulative_sum)
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Cumulative sum, with the empty sum 0 in front if ``include_initial``."""
    return _cumulative(scan.cumsum, "cumulative_sum", x, axis, dtype, out, include_initial, 0)


@on_tensors(np.cumulative_prod)
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Cumulative product, with the empty product 1 in front if ``include_initial``."""
    return _cumulative(scan.cumprod, "cumulative_prod", x, axis, dtype, out, include_initial, 1)


# Without NaN ----------------------------------------------------------------------------------


def without_nan(a: Any, fill: Any) -> Any:
    """``a`` with ``fill`` for NaN; the derivative there is zero."""
    x = operand(a)
    return masked(x, not_nan(x), fill) if x.dtype.kind in "fc" else x


@on_tensors(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Sum, NaN counting as 0."""
    return sum(without_nan(a, 0), axis, dtype, out, keepdims, initial, where)


@on_tensors(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Product, NaN counting as 1."""
    return prod(without_nan(a, 1), axis, dtype, out, keepdims, initial, where)


@on_tensors(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """Mean of what is not NaN; NaN, with a warning, where nothing is left."""
    x = operand(a)
    return mean(x, axis, dtype, out, keepdims, where=present(x, where))


def present(x: Any, where: Any) -> Any:
    """The mask of the elements that are chosen and not NaN."""
    valid = not_nan(x)
    return valid if where is True else select(where, valid, np.False_)


@on_tensors(np.nanmax)
def nanmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Maximum of what is not NaN; ties share the derivative equally."""
    return _extremum("nanmax", a, axis, out, keepdims, initial, where, warn=True)


@on_tensors(np.nanmin)
def nanmin(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Minimum of what is not NaN; ties share the derivative equally."""
    return _extremum("nanmin", a, axis, out, keepdims, initial, where, warn=True)


@on_tensors(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Cumulative sum, NaN counting as 0."""
    return cumsum(without_nan(a, 0), axis, dtype, out)


@on_tensors(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Cumulative product, NaN counting as 1."""
    return cumprod(without_nan(a, 1), axis, dtype, out)
