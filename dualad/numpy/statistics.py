"""Variances, quantiles, averages, correlations and histograms, with NumPy's signatures."""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy.operands import cast, finish, kept, on_tensors, operand, refuse_complex, store
from dualad.numpy.reductions import floating, how_many, masked, mean, not_nan, present
from dualad.ops import order, reduce
from dualad.ops.arithmetic import not_equal, stop_gradient
from dualad.ops.arithmetic import where as select
from dualad.ops.contract import matmul
from dualad.ops.index import ARRAY, index, index_set
from dualad.ops.reduce import axes_of, on_one_axis
from dualad.ops.shape import broadcast_to, expand_dims, reshape, stack, transpose

__all__ = [
    "average",
    "corrcoef",
    "cov",
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "nanstd",
    "nanvar",
    "percentile",
    "quantile",
    "std",
    "var",
]


def _deviations(x: Any, axes: tuple[int, ...], where: Any, mean: Any, ddof: Any) -> tuple[Any, Any]:
    """Deviations from the mean, and the divisor."""
    n = how_many(x, where, axes, np.float64)
    if mean is None:
        mean = (
            reduce.mean(x, axis=axes) if where is True else reduce.sum(masked(x, where, 0), axis=axes) / as_real(n, x)
        )
        mean = expand_dims(mean, axis=axes)
    d = x - mean
    degrees: Any = n - ddof
    if type(degrees) is int and degrees > 0:
        return d, degrees
    if type(n) is Tensor:
        degrees = select(degrees > 0, degrees, 0.0)
    elif np.any(degrees <= 0):
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=4)
        degrees = np.maximum(degrees, 0)
    return masked(d, where, 0), degrees


def as_real(n: Any, x: Any) -> Any:
    """A plain count in the precision of ``x``."""
    dtype = x.dtype if x.dtype.kind == "f" else x.dtype.type(0).real.dtype
    if type(n) is Tensor:
        return cast(n, dtype)
    return n.astype(dtype) if type(n) is np.ndarray else dtype.type(n)


def real_and_imaginary(z: Any) -> tuple[Any, ...]:
    if z.dtype.kind != "c":
        return (z,)
    dtype = z.dtype.type(0).real.dtype
    return cast(z, dtype), cast(z * z.dtype.type(-1j), dtype)


def _spread(
    root: bool,
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    ddof: Any,
    keepdims: Any,
    where: Any,
    mean: Any,
    correction: Any,
) -> Any:
    if correction is not None:
        if ddof != 0:
            raise ArgumentError("ddof and correction can't be provided simultaneously")
        ddof = correction
    x = floating(operand(a))
    if dtype is not None:
        x = cast(x, dtype)
    half = x.dtype == np.float16
    if half:  # as NumPy: accumulate in single precision
        x = cast(x, np.float32)
    axes = axes_of(axis, len(x.shape))
    d, degrees = _deviations(x, axes, where, mean, ddof)
    inner = axes
    if d.dtype.kind == "c":
        d = stack(*real_and_imaginary(d), axis=0)
        inner = (0, *[k + 1 for k in axes])
    if root:
        y = reduce.root_sum_squares(d, axis=inner) / as_real(np.sqrt(degrees), d)
    else:
        y = reduce.sum(d * d, axis=inner) / as_real(degrees, d)
    return finish(cast(y, np.float16) if half else y, x.shape, axes, keepdims, out)


@on_tensors(np.var, method="var")
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Variance over axes."""
    return _spread(False, a, axis, dtype, out, ddof, keepdims, where, mean, correction)


@on_tensors(np.std, method="std")
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Standard deviation over axes; where it is 0 its derivative is 0."""
    return _spread(True, a, axis, dtype, out, ddof, keepdims, where, mean, correction)


@on_tensors(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Variance of what is not NaN."""
    x = operand(a)
    return _spread(False, x, axis, dtype, out, ddof, keepdims, present(x, where), mean, correction)


@on_tensors(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Standard deviation of what is not NaN; where it is 0 its derivative is 0."""
    x = operand(a)
    return _spread(True, x, axis, dtype, out, ddof, keepdims, present(x, where), mean, correction)


@on_tensors(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """Weighted average over axes, differentiable in the weights too."""
    x = operand(a)
    shape = x.shape
    axes = axes_of(axis, len(shape))
    if weights is None:
        y = mean(x, axis=axes, keepdims=keepdims)
        return (y, np.full(y.shape, reduce.size_of(shape, axes), y.dtype)[()]) if returned else y
    w = operand(weights)
    dtype = np.result_type(x.dtype, w.dtype, *(["f8"] if x.dtype.kind in "iub" else []))
    if w.shape != shape:
        if axis is None:
            raise ShapeError(f"average: a is {shape}, weights are {w.shape}. Pass axis=, or weights of a's shape.")
        given = tuple([k % len(shape) for k in (axis if isinstance(axis, (tuple, list)) else (axis,))])
        if w.shape != tuple([shape[k] for k in given]):
            raise ShapeError(f"average: weights are {w.shape}; along axis {axis} a has {[shape[k] for k in given]}.")
        w = transpose(w, axes=tuple(np.argsort(given).tolist()))
        w = reshape(w, shape=tuple([n if i in given else 1 for i, n in enumerate(shape)]))
    w, x = cast(w, dtype), cast(x, dtype)
    total = reduce.sum(broadcast_to(w, shape=shape) if w.shape != shape else w, axis=axes)
    zero = reduce.count(stop_gradient(total) == 0, axis=tuple(range(len(total.shape))), dtype=np.intp)
    if type(zero) is not Tensor and zero:
        raise ZeroDivisionError("average: the weights sum to zero and cannot be normalized")
    y = reduce.sum(x * w, axis=axes) / total
    y = finish(y, shape, axes, keepdims, None)
    return (y, finish(total, shape, axes, keepdims, None)) if returned else y


# Quantiles ------------------------------------------------------------------------------------


@functools.lru_cache(256)
def _result_dtype(dtype: Any, q: Any, method: Any, unit: int) -> Any:
    """The dtype of NumPy's quantile, from NumPy itself; ``q`` is a Python type or a dtype."""
    f: Any = np.quantile if unit == 1 else np.percentile
    return f(np.zeros(1, dtype), q(0) if isinstance(q, type) else np.zeros(1, q), method=method).dtype


def _quantile(
    name: str, a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: Any, weights: Any, unit: int, nan: bool
) -> Any:
    x = operand(a)
    refuse_complex(x, name)
    kind: Any = type(q) if type(q) in (int, float) else None
    q = operand(q)
    dtype = _result_dtype(x.dtype, kind or q.dtype, method, unit)
    if unit != 1:
        q = q / (q.dtype.type(unit) if q.dtype.kind == "f" else unit)
    if type(q) is not Tensor and not np.all((q >= 0) & (q <= 1)):
        raise ArgumentError(f"{name}: q must be in the range [0, {unit}]")
    shape = x.shape
    axes = axes_of(axis, len(shape))
    if weights is not None:
        if method != "inverted_cdf":
            raise ArgumentError(f'{name}: weights need method="inverted_cdf"')
        y = _weighted_quantile(x, operand(weights), q, axes, axis, nan)
    else:
        x, one, _ = on_one_axis(x, axes)
        rank = len(x.shape)
        if one != rank - 1:
            x = transpose(x, axes=(*[i for i in range(rank) if i != one], one))
        if not x.shape[-1] and not nan and name != "median" and math.prod(x.shape[:-1]):
            raise ShapeError(f"{name}: an array of shape {shape} has no elements along axis {axis}.")
        y = _of_last_axis(x, q, method, dtype, nan)
    if keepdims:
        y = reshape(y, shape=(*q.shape, *kept(shape, axes)))
    return store(y, out)


def _of_last_axis(x: Any, q: Any, method: str, dtype: Any, nan: bool) -> Any:
    """Quantiles along the last axis, the axes of ``q`` leading."""
    batch, n = x.shape[:-1], x.shape[-1]
    rank = len(batch)
    if n == 0:
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=5)
        return np.full((*q.shape, *batch), np.nan, dtype)[()]
    many: Any = n
    if nan:
        many = reduce.count(not_nan(x), axis=(rank,), dtype=np.intp)
        if type(many) is not Tensor and np.any(many == 0):
            warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=5)
    q = reshape(q, shape=q.shape + (1,) * rank)
    still = stop_gradient(q)
    moving = type(q) is Tensor and method in order.SLOPES
    place = order.quantile_place(np.intp(n) if many is n else many, still, method=method)
    lower = order.floor_place(place, many - 1 - moving)
    weight = place - lower
    x = order.sort(x, axis=rank)
    # Aranges for the slices, which broadcast against the places.
    slices = [np.arange(k).reshape((k,) + (1,) * (rank - i - 1)) for i, k in enumerate(batch)]
    take = lambda places: index(x, *slices, places, template=(ARRAY,) * (rank + 1))
    y = take(lower)
    if dtype.kind == "f" and (moving or type(weight) is Tensor or np.any(weight)):
        low, high = cast(y, dtype), cast(take(order.floor_place(place + 1, many - 1)), dtype)
        if moving:
            rate = many + order.SLOPES[method]
            if method != "linear":
                rate = select(order.within(place, many - 1), rate, 0.0)
            weight = weight + rate * (q - still)
        weight = cast(weight, dtype)
        y = low * (1 - weight) + high * weight
        if not moving:
            y = select(weight == 0, low, y)  # an infinite neighbour has no say
    y = cast(y, dtype)
    if x.dtype.kind == "f" and not nan:
        last = index(x, template=(*[slice(None)] * rank, n - 1))
        y = select(not_equal(last, last), last, y)
    return y


def _weighted_quantile(x: Any, w: Any, q: Any, axes: tuple[int, ...], axis: Any, nan: bool) -> Any:
    """An element of each slice: constant in q and the weights, and equal elements share the derivative."""
    found = order.weighted_quantile(x, w, q, axis=axis, nan=nan)
    values = []
    for k in np.ndindex(q.shape):
        hit = reduce.attains(x, found[k] if k else found)
        values.append(reduce.sum(masked(x, hit, 0), axis=axes) / reduce.count(hit, axis=axes, dtype=x.dtype))
    y = stack(*values, axis=0)
    return reshape(y, shape=(*q.shape, *y.shape[1:]))


@on_tensors(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles along axes, by all of NumPy's methods; differentiable in q too. Ties: the first in order moves."""
    return _quantile("quantile", a, q, axis, out, method, keepdims, weights, 1, False)


@on_tensors(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """Percentiles along axes; see ``quantile``."""
    return _quantile("percentile", a, q, axis, out, method, keepdims, weights, 100, False)


@on_tensors(np.nanquantile)
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles of what is not NaN; see ``quantile``."""
    return _quantile("nanquantile", a, q, axis, out, method, keepdims, weights, 1, True)


@on_tensors(np.nanpercentile)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """Percentiles of what is not NaN; see ``quantile``."""
    return _quantile("nanpercentile", a, q, axis, out, method, keepdims, weights, 100, True)


@on_tensors(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """Median over axes: the middle of the sorted values, or the mean of the middle two; ties by position."""
    return _quantile("median", a, 0.5, axis, out, "linear", keepdims, None, 1, False)


@on_tensors(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """Median of what is not NaN."""
    return _quantile("nanmedian", a, 0.5, axis, out, "linear", keepdims, None, 1, True)


# Correlation ----------------------------------------------------------------------------------


def _rows(x: Any, rowvar: bool, dtype: Any) -> Any:
    x = cast(x, dtype)
    if len(x.shape) < 2:
        return reshape(x, shape=(1, x.size))
    return x if rowvar else transpose(x, axes=(1, 0))


def conjugate(z: Any) -> Any:
    if z.dtype.kind != "c":
        return z
    re, im = real_and_imaginary(z)
    return re - im * z.dtype.type(1j)


@on_tensors(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Covariance matrix, differentiable in the observation weights ``aweights`` too."""
    x = operand(m)
    other = None if y is None else operand(y)
    for name, v in (("m", x), ("y", other)):
        if v is not None and len(v.shape) > 2:
            raise ShapeError(f"cov: {name} has {len(v.shape)} axes; need at most 2, variables and observations")
    if ddof is not None and ddof != int(ddof):
        raise ArgumentError("cov: ddof must be an integer")
    if ddof is None:
        ddof = 0 if bias else 1
    if dtype is None:
        dtype = np.result_type(x.dtype, np.float64, *([] if other is None else [other.dtype]))
    x = _rows(x, rowvar, dtype)
    if other is not None:
        other = _rows(other, rowvar, dtype)
        p, n = x.shape
        if other.shape[1] != n:
            raise ShapeError(f"cov: m has {n} observations, y has {other.shape[1]}")
        both = index_set(np.zeros((p + other.shape[0], n), dtype), x, template=(slice(0, p), slice(None)))
        x = index_set(both, other, template=(slice(p, None), slice(None)))
    f = None if fweights is None else cast(operand(fweights), np.float64)
    w = None if aweights is None else cast(operand(aweights), np.float64)
    for name, v in (("fweights", f), ("aweights", w)):
        if v is not None and v.shape != x.shape[1:]:
            raise ShapeError(f"cov: {name} has shape {v.shape}; need one per observation, {x.shape[1:]}")
    both_weights = f if w is None else w if f is None else f * w
    total: Any
    if both_weights is None:
        total = x.shape[1]
        fact = total - ddof
        center = reduce.mean(x, axis=(1,))
    else:
        total = reduce.sum(both_weights, axis=(0,))
        center = reduce.sum(x * both_weights, axis=(1,)) / total
        if ddof == 0:
            fact = total
        elif w is None:
            fact = total - ddof
        else:
            fact = total - ddof * reduce.sum(both_weights * w, axis=(0,)) / total
    if type(fact) is not Tensor:
        if fact <= 0:
            warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=3)
        fact = x.dtype.type(np.maximum(fact, 0)).real
    x = x - expand_dims(center, axis=(1,))
    weighted = x if both_weights is None else x * both_weights
    c = matmul(x, transpose(conjugate(weighted), axes=(1, 0))) / fact
    return reshape(c, shape=tuple([k for k in c.shape if k != 1]))


@on_tensors(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Matrix of Pearson's correlation coefficients."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.shape:
        return c / c
    k = np.arange(c.shape[0])
    spread = np.sqrt(real_and_imaginary(index(c, k, k, template=(ARRAY, ARRAY)))[0])
    c = c / expand_dims(spread, axis=(1,)) / spread
    if c.dtype.kind == "c":
        return c
    # Only rounding leaves [-1, 1]: strict inequalities keep the derivative at the ends.
    return select(c > 1, c.dtype.type(1), select(c < -1, c.dtype.type(-1), c))
