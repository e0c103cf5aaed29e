"""Order: sorting permutations, extremal places, quantile positions, bins. All constant but the move itself."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops.kinds import Params, constant, movement, one_by_one
from dualad.ops.reduce import shift_axes
from dualad.ops.samples import Sample, array
from dualad.ops.shape import broadcast_to

_AXIS: tuple[dict[str, Any], ...] = ({"axis": 0}, {"axis": 1})


def _numbers(*params: dict[str, Any]) -> Any:
    return array((2, 3), params=params)


# Stable: equal elements keep their order, so that every mode moves the same one.
argsort = constant(
    "argsort",
    lambda x, axis: np.argsort(x, axis=axis, kind="stable"),
    0,
    batch=shift_axes,
    samples=_numbers(*_AXIS),
)
argpartition = constant(
    "argpartition",
    lambda x, axis, kth: np.argpartition(x, kth, axis=axis),
    0,
    batch=shift_axes,
    samples=_numbers({"axis": 1, "kth": (1,)}),
)
argmax, argmin, nanargmax, nanargmin = (
    constant(
        f.__name__,
        lambda x, axis, f=f: f(x, axis=axis),
        0,
        batch=shift_axes,
        samples=_numbers({"axis": 0}, {"axis": 1}),
    )
    for f in (np.argmax, np.argmin, np.nanargmax, np.nanargmin)
)
any = constant(
    "any",
    lambda x, axis: np.logical_or.reduce(x, axis=axis),
    0,
    batch=shift_axes,
    samples=_numbers({"axis": (0,)}, {"axis": (0, 1)}),
)
all = constant(
    "all",
    lambda x, axis: np.logical_and.reduce(x, axis=axis),
    0,
    batch=shift_axes,
    samples=_numbers({"axis": (0,)}, {"axis": (0, 1)}),
)


def _batch_permute(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    same = [a if b else broadcast_to(a, shape=(size, *a.shape)) for a, b in zip(args, batched, strict=True)]
    return prim(*same, axis=params["axis"] + 1)


def _permute_samples() -> list[Sample]:
    x = np.random.default_rng(8).normal(size=(2, 3))
    return [Sample((x, np.argsort(x, axis)), {"axis": axis}) for axis in (0, 1)]


# The transpose of a permutation is its inverse, which is cheaper than scattering.
permute_along = movement(
    "permute_along",
    lambda x, order, axis: np.take_along_axis(x, order, axis),
    lambda g, x, order, *, axis: (permute_along(g, argsort(order, axis=axis), axis=axis), None),
    nonlinear=(1,),
    batch=_batch_permute,
    samples=_permute_samples,
)


def sort(x: Any, *, axis: int) -> Any:
    """``x`` sorted along ``axis``: a permutation that no small step changes, except at ties."""
    return permute_along(x, argsort(x, axis=axis), axis=axis)


# Quantiles ------------------------------------------------------------------------------------

SLOPES = {
    "linear": -1.0,
    "interpolated_inverted_cdf": 0.0,
    "hazen": 0.0,
    "weibull": 1.0,
    "median_unbiased": 1 / 3,
    "normal_unbiased": 1 / 4,
}
"""Continuous methods: the place of quantile q among n sorted values moves with q at the rate n + this.

Source: Hyndman & Fan 1996, Sample quantiles in statistical packages."""


@functools.lru_cache(1024)
def _place(k: int, q: float, method: Any) -> Any:
    # Of the numbers 0, 1, ..., k-1, each sorted value is its own place.
    return np.quantile(np.arange(k, dtype=float), q, method=method) if k else np.float64(0)


def _quantile_place(n: Any, q: Any, method: Any) -> Any:
    if np.ndim(n) == 0 and np.ndim(q) == 0:
        return _place(int(n), float(q), method)
    n, q = np.broadcast_arrays(n, q)
    place = np.zeros(n.shape)
    for k in np.unique(n[n > 0]):
        chosen = n == k
        place[chosen] = np.quantile(np.arange(k, dtype=float), q[chosen], method=method)
    return place[()]


def _floor_place(place: Any, last: Any) -> Any:
    return np.clip(np.floor(place), 0, np.maximum(last, 0)).astype(np.intp)


_PLACES = (np.array([1.5, 2.0]), np.array(2))
quantile_place = constant(
    "quantile_place", _quantile_place, 0, samples=lambda: [Sample((np.array([3, 5]), 0.3), {"method": "linear"})]
)
floor_place = constant("floor_place", _floor_place, 0, samples=lambda: [Sample(_PLACES)])
within = constant(
    "within", lambda place, last: np.logical_and(place > 0, place < last), 0, samples=lambda: [Sample(_PLACES)]
)


def _weighted_quantile(x: Any, w: Any, q: Any, axis: Any, nan: bool) -> Any:
    f: Any = np.nanquantile if nan else np.quantile
    return f(x, q, axis=axis, weights=w, method="inverted_cdf", keepdims=True)


# An element of each slice, reduced axes kept.
weighted_quantile = constant("weighted_quantile", _weighted_quantile, 0, batch=one_by_one)


# Bins -----------------------------------------------------------------------------------------


def _batch_places(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    if batched[0]:
        return one_by_one(prim, args, batched, size, params)
    return prim(*args, **params)


def _places_samples() -> list[Sample]:
    a = np.array([0.0, 1.0, 2.0])
    return [Sample((a, np.array([[0.5, 1.0], [2.5, -1.0]])), {"side": "left"}), Sample((a, 1.0), {"side": "right"})]


searchsorted = constant(
    "searchsorted",
    lambda a, v, side: np.searchsorted(a, v, side=side),
    0,
    batch=_batch_places,
    samples=_places_samples,
)


def _bin_index(edges: Any, x: Any) -> Any:
    """The bin of each x, len(edges) - 1 where outside; the last bin includes its right edge."""
    n = len(edges) - 1
    k = np.searchsorted(edges, x, side="right") - 1
    k = np.where(x == edges[-1], n - 1, k)
    return np.where((k < 0) | (x > edges[-1]) | (x != x), n, k)


bin_index = constant(
    "bin_index", _bin_index, 0, batch=_batch_places, samples=lambda: [Sample((np.arange(3.0), np.array([0.5, 2.0, 3])))]
)


def _interval(knots: Any, x: Any) -> Any:
    """The k with knots[k] <= x < knots[k+1], the first and last intervals reaching to infinity."""
    return np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)


interval = constant(
    "interval", _interval, 0, batch=_batch_places, samples=lambda: [Sample((np.arange(3.0), np.array([0.5, 2.0, -1])))]
)
is_among = constant(
    "is_among",
    lambda others, x: np.isin(x, others),
    0,
    batch=_batch_places,
    samples=lambda: [Sample((np.array([0.5, 2.0]), np.array([[0.5, 1.0]])))],
)
