"""Reductions: sums, products, extrema."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.core.tensor import Tensor
from dualad.ops import dependence
from dualad.ops.arithmetic import where
from dualad.ops.kinds import General, Linear, constant, elementwise
from dualad.ops.samples import Sample, array, several
from dualad.ops.scan import cumprod_taylor, exclusive_products, with_zeros
from dualad.ops.shape import broadcast_to, expand_dims, reshape, transpose

_ALL = tuple(tuple(range(n)) for n in range(65))


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis argument (None, int or tuple) as a sorted tuple of non-negative axes; NumPy's AxisError if out of range."""
    if axis is None:
        return _ALL[ndim]
    if type(axis) is int and 0 <= axis < ndim:
        return (axis,)
    if ndim == 0 and type(axis) is int and axis in (0, -1):  # as NumPy: numbers may be reduced over one axis
        return ()
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(axis, ndim)))


def axis_of(axis: Any, ndim: int) -> int:
    """One axis, non-negative; NumPy's AxisError if out of range."""
    return int(np.lib.array_utils.normalize_axis_index(axis, ndim))


def shift_axes(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: dict[str, Any]) -> Any:
    """Batch rule of one-array primitives whose parameter ``axis`` is a non-negative axis or a tuple of them."""
    axis = params["axis"]
    shifted = axis + 1 if isinstance(axis, int) else tuple([a + 1 for a in axis])
    return prim(*args, **{**params, "axis": shifted})


class _OneArray(Primitive):
    """Calls with one array: ``bind`` without the search for the highest level, because reductions are hot."""

    def __call__(self, x: Any, **params: Any) -> Any:
        if type(x) is Tensor:
            return x.level.bind(self, (x,), params)
        return self.impl(x, **params)


class _Linear(_OneArray, Linear):
    pass


class _General(_OneArray, General):
    pass


_AXES: tuple[dict[str, Any], ...] = ({"axis": (0, 1, 2)}, {"axis": (1,)}, {"axis": (0, 2)}, {"axis": ()})

# Primitives' axis is always a tuple of non-negative axes, and reduced axes vanish: dualad.numpy normalises and keepdims.
# np.add.reduce is what np.sum calls, after two microseconds of its own.
sum = _Linear(
    "sum",
    lambda x, axis: np.add.reduce(x, axis=axis),
    lambda g, x, *, axis: broadcast_to(expand_dims(g, axis=axis), shape=x.shape),
    batch=shift_axes,
    sparsity=dependence.reduced,
    samples=array((2, 3, 4), params=_AXES, complex=True),
)


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` down to ``shape``: the transpose of broadcasting from it."""
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    return reshape(sum(g, axis=axes), shape=shape) if axes else g


def size_of(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    """How many elements a reduction over ``axis`` combines into one."""
    return math.prod([shape[a] for a in axis])


def _mean(x: Any, axis: tuple[int, ...]) -> Any:
    n = size_of(x.shape, axis)
    if n == 0 or x.dtype.kind not in "fc" or x.dtype.itemsize == 2:  # NumPy warns, or accumulates in another dtype
        return np.mean(x, axis=axis)
    return np.add.reduce(x, axis=axis) / n


def _mean_transpose(g: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    n = size_of(x.shape, axis)
    return broadcast_to(expand_dims(g / n if n else g, axis=axis), shape=x.shape)


mean = _Linear(
    "mean",
    _mean,
    _mean_transpose,
    batch=shift_axes,
    sparsity=dependence.reduced,
    samples=array((2, 3, 4), params=_AXES, complex=True),
)


# Products -------------------------------------------------------------------------------------


def on_one_axis(x: Any, axis: tuple[int, ...]) -> tuple[Any, int, Callable[[Any], Any]]:
    """``x`` with the axes merged into one, that one's position, and the way back."""
    if len(axis) == 1:
        return x, axis[0], lambda z: z
    shape = x.shape
    kept = tuple(i for i in range(len(shape)) if i not in axis)
    order = kept + axis
    inverse = tuple(order.index(i) for i in range(len(shape)))
    moved = tuple(shape[i] for i in order)
    merged = reshape(transpose(x, axes=order), shape=(*moved[: len(kept)], size_of(shape, axis)))
    return merged, len(kept), lambda z: transpose(reshape(z, shape=moved), axes=inverse)


def _prod_jvp(ts: Sequence[Any], y: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    x, one, _ = on_one_axis(x, axis)
    return sum(on_one_axis(ts[0], axis)[0] * exclusive_products(x, axis=one), axis=(one,))


def _prod_vjp(g: Any, need: Sequence[bool], y: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    x, one, back = on_one_axis(x, axis)
    return (back(expand_dims(g, axis=(one,)) * exclusive_products(x, axis=one)),)


def _prod_taylor(series: Sequence[Any], order: int, *, axis: tuple[int, ...]) -> Any:
    y = prod(series[0][0], axis=axis)
    parts = [on_one_axis(c, axis) for c in series[0]]
    one = parts[0][1]
    if parts[0][0].shape[one] == 0:
        return [y, *[y * 0 for _ in range(order)]]
    last = (slice(None),) * one + (-1,)
    return [y, *[c[last] for c in cumprod_taylor([[p[0] for p in parts]], order, axis=one, reverse=False)[1:]]]


prod = _General(
    "prod",
    lambda x, axis: np.multiply.reduce(x, axis=axis),
    _prod_jvp,
    _prod_vjp,
    keep="x",
    taylor=_prod_taylor,
    batch=shift_axes,
    sparsity=dependence.reduced,
    samples=several(
        array((2, 3, 2), params=({"axis": (0, 1, 2)}, {"axis": (1,)}, {"axis": (0, 2)}, {"axis": ()}), complex=True),
        array((0, 2), params=({"axis": (0,)}, {"axis": (1,)})),
        with_zeros(({"axis": (1,)}, {"axis": (0, 1)})),
    ),
)


# Extrema --------------------------------------------------------------------------------------


def _attains(x: Any, y: Any) -> Any:
    hit = np.equal(x, y)
    lost = np.not_equal(y, y)
    return hit | (lost & np.not_equal(x, x)) if lost.any() else hit


# Where x is the extremum y; where y is NaN, the NaNs are.
attains = constant("attains", _attains, 2)
count = constant("count", lambda x, axis, dtype: np.sum(x, axis=axis, dtype=dtype), 0, batch=shift_axes)


def _ties(x: Any, y: Any, axis: tuple[int, ...]) -> tuple[Any, Any]:
    """Where the extremum is attained, and in how many places."""
    hit = attains(x, expand_dims(y, axis=axis))
    return hit, count(hit, axis=axis, dtype=y.dtype)


def _extremum_jvp(ts: Sequence[Any], y: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    hit, n = _ties(x, y, axis)
    (t,) = ts
    return sum(where(hit, t, t.dtype.type(0)), axis=axis) / n


def _extremum_vjp(g: Any, need: Sequence[bool], y: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    hit, n = _ties(x, y, axis)
    return (where(hit, expand_dims(g / n, axis=axis), g.dtype.type(0)),)


def _extremum_taylor(impl: Any) -> Any:
    def rule(series: Sequence[Any], order: int, *, axis: tuple[int, ...]) -> Any:
        (c,) = series
        y = impl(c[0], axis=axis)
        hit, n = _ties(c[0], y, axis)
        return [y, *[sum(where(hit, ck, ck.dtype.type(0)), axis=axis) / n for ck in c[1:]]]

    return rule


def _extremum_samples() -> list[Sample]:
    ties = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, -1.0, -1.0]])
    return [Sample((ties,), {"axis": a}, degenerate=True) for a in ((0,), (1,), (0, 1))]


def _extremum(name: str, impl: Any) -> Any:
    """Ties share the derivative equally, in every mode."""
    return _General(
        name,
        impl,
        _extremum_jvp,
        _extremum_vjp,
        keep="xy",
        taylor=_extremum_taylor(lambda x, axis: extrema[name](x, axis=axis)),
        batch=shift_axes,
        sparsity=dependence.reduced,
        samples=several(array((2, 3, 4), params=_AXES), _extremum_samples),
    )


extrema: dict[str, Any] = {}
max = extrema["max"] = _extremum("max", lambda x, axis: np.maximum.reduce(x, axis=axis))
min = extrema["min"] = _extremum("min", lambda x, axis: np.minimum.reduce(x, axis=axis))
nanmax = extrema["nanmax"] = _extremum("nanmax", lambda x, axis: np.fmax.reduce(x, axis=axis))
nanmin = extrema["nanmin"] = _extremum("nanmin", lambda x, axis: np.fmin.reduce(x, axis=axis))


# Root of a sum of squares ---------------------------------------------------------------------


def _ratio(x: Any, y: Any) -> Any:
    zero = np.equal(y, 0)
    return np.where(zero, 0, x / np.where(zero, 1, y))[()] if zero.any() else x / y


def _ratio_taylor(series: Sequence[Any], order: int) -> Any:
    a, b = series
    y: list[Any] = []
    for k in range(order + 1):
        total = a[k] if type(a) is list else a if k == 0 else a * 0
        if type(b) is list:
            for j in range(1, k + 1):
                total = total - b[j] * y[k - j]
        y.append(ratio(total, b[0] if type(b) is list else b))
    return y


# x / y with value 0 where y is 0: the first derivative of a norm at its kink is 0. The second does not exist there; so
# zero is not strong here (not `singular`), and the second derivative is NaN, with NumPy's warning, and never a wrong 0.
ratio = elementwise(
    "ratio",
    _ratio,
    (lambda y, a, b: 1 / b, lambda y, a, b: -y / b),
    keep="xy",
    taylor=_ratio_taylor,
    samples=array((3,), (3,)),
)


def _root_taylor(series: Sequence[Any], order: int, *, axis: tuple[int, ...]) -> Any:
    """y^2 = sum x^2."""
    (x,) = series
    y = [root_sum_squares(x[0], axis=axis)]
    for k in range(1, order + 1):
        total = 2 * sum(x[0] * x[k], axis=axis)
        for j in range(1, k):
            total = total + sum(x[j] * x[k - j], axis=axis) - y[j] * y[k - j]
        y.append(ratio(total, 2 * y[0]))
    return y


def _root_sum_squares(x: Any, axis: tuple[int, ...]) -> Any:
    with np.errstate(over="ignore"):
        y = np.sqrt(np.add.reduce(x * x, axis=axis))
    info = np.finfo(y.dtype)
    fine = (y > info.tiny**0.5 / info.eps) & (y < np.inf)
    if fine if y.ndim == 0 else fine.all():
        return y
    # Where squares vanish or overflow, of numbers scaled to 1.
    largest = np.maximum.reduce(np.abs(x), axis=axis, keepdims=True, initial=0)
    scale = np.where((largest > 0) & (largest < np.inf), largest, y.dtype.type(1))
    return np.sqrt(np.add.reduce((x / scale) ** 2, axis=axis)) * np.reshape(scale, y.shape)[()]


root_sum_squares = _General(
    "root_sum_squares",
    _root_sum_squares,
    lambda ts, y, x, *, axis: sum(ratio(x, expand_dims(y, axis=axis)) * ts[0], axis=axis),
    lambda g, need, y, x, *, axis: (expand_dims(g, axis=axis) * ratio(x, expand_dims(y, axis=axis)),),
    keep="xy",
    taylor=_root_taylor,
    batch=shift_axes,
    sparsity=dependence.reduced,
    samples=several(
        array((2, 3, 4), params=_AXES[:3]),
        lambda: [Sample((np.zeros((2, 3)),), {"axis": (1,)}, degenerate=True, order=1)],
    ),
)
root_sum_squares.__doc__ = "sqrt(sum(x^2)) of real x, also where squares vanish or overflow; zero derivative at zero."
