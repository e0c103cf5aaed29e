"""Variances, quantiles, averages, correlations and histograms."""

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import dualad
from dualad import ArgumentError, DtypeError, ShapeError, grad, hessian, jacfwd, jacrev, jvp, vmap
from tests.functions import Case, arr, check, parameters

X = arr(2, 3, 4)
Z = arr(2, 3) + 1j * arr(2, 3, seed=1)
MASK = np.array([[True, False, True], [True, True, False]])
NAN = arr(3, 5)
NAN[0, 2] = NAN[2, 0] = NAN[2, 4] = np.nan
W = arr(3, lo=0.5, hi=2.0)
K = np.array([0, 2, 2, 1])

CASES: dict[str, list[Case]] = {
    "var": [
        Case(lambda np, x: np.var(x, axis=(0, 2), ddof=1, keepdims=True), (X,)),
        Case(lambda np, x: x.var(), (X,)),
        Case(lambda np, x: np.var(x, axis=1, where=MASK, correction=0.5), (arr(2, 3),)),
        Case(lambda np, x: np.var(x), (Z,)),
    ],
    "std": [
        Case(lambda np, x: np.std(x, axis=1), (X,)),
        Case(lambda np, x: x.std(0, ddof=1), (arr(3, 2, dtype=np.float32),)),
        Case(lambda np, x: np.std(x, axis=0), (Z,)),
        Case(lambda np, x: np.std(x), (np.ones(3),), degenerate=True, order=1),
    ],
    "nanvar": [Case(lambda np, x: np.nanvar(x, axis=1, ddof=1), (NAN,))],
    "nanstd": [Case(lambda np, x: np.nanstd(x, axis=0, keepdims=True), (NAN,))],
    "average": [
        Case(lambda np, x, w: np.average(x, axis=1, weights=w), (arr(2, 3), W)),
        Case(lambda np, x, w: np.average(x, weights=w, returned=True), (arr(3), W)),
        Case(lambda np, x: np.average(x, axis=0, keepdims=True), (arr(2, 3),)),
    ],
    "median": [
        Case(lambda np, x: np.median(x), (X,)),
        Case(lambda np, x: np.median(x, axis=(0, 1), keepdims=True), (X,)),
        Case(lambda np, x: np.median(x, axis=-1), (arr(2, 5, dtype=np.float32),)),
        Case(lambda np, x: np.median(x), (np.array([1.0, 2.0, 2.0, 2.0]),), degenerate=True),
    ],
    "quantile": [
        Case(lambda np, x: np.quantile(x, 0.3, axis=1), (X,)),
        Case(lambda np, x: np.quantile(x, jnp_or(np, [0.1, 0.8]), axis=0, keepdims=True), (arr(4, 3),)),
        Case(lambda np, x: np.quantile(x, 0.4, method="midpoint"), (arr(6),)),
        Case(
            lambda np, x, q: np.quantile(x, q, method="weibull"),
            (arr(6), np.array([0.3, 0.6])),
            oracle="differences",
            why="JAX has five methods only",
        ),
        Case(
            lambda np, x: np.quantile(x, 0.35, axis=0, method="inverted_cdf", weights=W),
            (arr(3, 2),),
            oracle="differences",
            why="JAX has no weights",
        ),
    ],
    "quantile in q": [Case(lambda np, x, q: np.quantile(x, q), (arr(6), np.array([0.3, 0.65])))],
    "percentile": [Case(lambda np, x: np.percentile(x, 30.0, axis=1), (arr(2, 5),))],
    "nanmedian": [Case(lambda np, x: np.nanmedian(x, axis=1), (NAN,))],
    "nanquantile": [Case(lambda np, x: np.nanquantile(x, 0.3, axis=0), (NAN,))],
    "nanpercentile": [Case(lambda np, x: np.nanpercentile(x, 70.0), (NAN,))],
    "cov": [
        Case(lambda np, x: np.cov(x), (arr(3, 5),)),
        Case(lambda np, x, y: np.cov(x, y, rowvar=False, bias=True), (arr(4, 2), arr(4, 1, seed=1))),
        Case(
            lambda np, x, w: np.cov(x, fweights=K + 1, aweights=w),
            (arr(2, 4), arr(4, lo=0.5)),
            oracle="differences",
            why="JAX asks for concrete weights",
        ),
        Case(lambda np, x: np.cov(x), (arr(5),)),
        Case(lambda np, x: np.cov(x), (Z,)),
    ],
    "corrcoef": [Case(lambda np, x: np.corrcoef(x), (arr(3, 5),)), Case(lambda np, x: np.corrcoef(x), (Z,))],
    "histogram": [
        Case(
            lambda np, x, w: np.histogram(x, bins=3, weights=w),
            (arr(6), arr(6, seed=1)),
            oracle=lambda x, w: (
                jnp.histogram(x, bins=3, weights=w)[0],
                jnp.min(x) + (jnp.max(x) - jnp.min(x)) * jnp.arange(4) / 3,
            ),
            batch=False,
        ),
        Case(
            lambda np, w: np.histogram(EDGES[:-1] + 0.5, bins=EDGES, weights=w, density=True)[0],
            (arr(3, lo=0.5, seed=1),),
        ),
    ],
    "bincount": [
        Case(
            lambda np, w: np.bincount(K, weights=w, minlength=5),
            (arr(4),),
            oracle=lambda w: jnp.bincount(K, w, length=5),
        )
    ],
}
EDGES = np.array([0.0, 1.0, 2.5, 4.0])


def jnp_or(module: Any, x: Any) -> Any:
    return jnp.array(x) if module is jnp else np.array(x)


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def value_of(f: Any, x: Any) -> Any:
    return jvp(f, (x,), (np.zeros_like(x),))[0]


@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
def test_every_keyword_gives_numpys_value(name: str) -> None:
    f = getattr(np, name)
    mask = np.array([True, True, False, True])
    for dtype in (np.float64, np.float32, np.float16, np.complex128):
        x = arr(3, 2, 4, dtype=dtype)
        if name.startswith("nan"):
            x[0, 1, 1] = np.nan
        tol = {"rtol": {2: 2e-3, 4: 1e-5}.get(np.dtype(dtype).itemsize, 1e-12)}
        for axis, keepdims, where, ddof in itertools.product(
            [None, 0, -1, (0, 2)], [False, True], [True, mask], [0, 1.5]
        ):
            keywords: dict[str, Any] = {"axis": axis, "keepdims": keepdims, "where": where, "ddof": ddof}
            if "nan" in name and where is not True and axis == 0:
                continue  # slices without anything
            if axis == 0 and where is not True:
                continue
            expected = f(x, **keywords)
            y = value_of(lambda x: f(x, **keywords), x)
            np.testing.assert_allclose(y, expected, **tol)
            assert np.shape(y) == expected.shape and y.dtype == expected.dtype
    x = arr(3, 4)
    given = x.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(value_of(lambda x: f(x, axis=1, mean=given), x), f(x, axis=1))
    np.testing.assert_allclose(value_of(lambda x: f(x, correction=1), x), f(x, ddof=1))
    assert value_of(lambda x: f(x, dtype=np.float32), x).dtype == np.float32
    with pytest.raises(ArgumentError, match="simultaneously"):
        value_of(lambda x: f(x, ddof=1, correction=1), x)


def test_degrees_of_freedom_warn() -> None:
    with pytest.warns(RuntimeWarning, match="Degrees of freedom"), np.errstate(invalid="ignore", divide="ignore"):
        assert np.isnan(value_of(lambda x: np.var(x, ddof=1), np.ones(1)))


@pytest.mark.parametrize("derivative", [jacfwd, jacrev])
def test_gradient_of_std_of_equal_values_is_zero(derivative: Any) -> None:
    np.testing.assert_array_equal(derivative(np.std)(np.ones(3)), [0, 0, 0])
    np.testing.assert_array_equal(derivative(lambda x: np.std(x, axis=0))(np.ones((3, 1))), np.zeros((1, 3, 1)))
    mixed = derivative(lambda x: np.std(x, axis=1))(np.array([[1.0, 1.0], [1.0, 3.0]]))
    np.testing.assert_allclose(mixed[0], 0)
    np.testing.assert_allclose(mixed[1], [[0, 0], [-0.5, 0.5]])
    np.testing.assert_allclose(derivative(np.nanstd)(np.array([2.0, np.nan, 2.0])), [0, 0, 0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_second_derivative_of_std_at_its_kink_is_never_a_wrong_zero() -> None:
    h = hessian(lambda x: np.std(x) ** 2)(np.ones(2))
    assert np.isnan(h).any() or np.allclose(h, [[0.5, -0.5], [-0.5, 0.5]])


METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]


@pytest.mark.parametrize("method", METHODS)
def test_all_quantile_methods(method: str) -> None:
    x = arr(3, 7, 2)
    holes = x.copy()
    holes[0, 2, 0] = holes[1, 3:5, 1] = np.nan
    for q, axis, keepdims in itertools.product(
        (0.3, [0, 0.2, 1, 0.5], np.array([[0.1, 0.9]])), (None, 1, (0, 2)), (False, True)
    ):
        f = lambda x: np.quantile(x, q, axis=axis, method=method, keepdims=keepdims)
        y = value_of(f, x)
        np.testing.assert_allclose(y, f(x))
        assert np.shape(y) == f(x).shape and y.dtype == f(x).dtype
        np.testing.assert_allclose(value_of(f, holes), f(holes))
        if np.ndim(q) < 2:  # NumPy misplaces the axes of a two-dimensional q
            g = lambda x: np.nanquantile(x, q, axis=axis, method=method, keepdims=keepdims)
            np.testing.assert_allclose(value_of(g, holes), g(holes))
    np.testing.assert_allclose(jacfwd(f)(x), jacrev(f)(x))
    # Translation moves every quantile equally.
    t = jvp(lambda x: np.quantile(x, [0, 0.2, 0.77, 1], axis=1, method=method), (x,), (np.ones_like(x),))[1]
    np.testing.assert_allclose(t, 1)


@pytest.mark.parametrize("method", METHODS)
def test_quantile_moves_with_q(method: str) -> None:
    x, q = arr(9), 0.37
    f = lambda q: np.quantile(x, q, method=method)
    expected = (f(q + 1e-6) - f(q - 1e-6)) / 2e-6
    for derivative in (jacfwd, jacrev):
        np.testing.assert_allclose(derivative(f)(q), expected, rtol=1e-6, atol=1e-12)


def test_quantiles_of_infinite_and_single_values() -> None:
    x = np.array([1.0, 2.0, np.inf])
    assert value_of(np.median, x) == 2
    np.testing.assert_array_equal(jacrev(np.median)(x), [0, 1, 0])
    assert value_of(lambda x: np.quantile(x, 0.3), np.ones(1)) == 1
    assert value_of(lambda x: np.median(x), np.float64(2)) == 2


@pytest.mark.parametrize("derivative", [jacfwd, jacrev])
def test_nan_is_the_median(derivative: Any) -> None:
    x = np.array([1.0, np.nan, 2.0])
    assert np.isnan(value_of(np.median, x))
    np.testing.assert_array_equal(derivative(np.median)(x), [0, 1, 0])
    np.testing.assert_array_equal(derivative(np.nanmedian)(x), [0.5, 0, 0.5])
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        assert np.isnan(value_of(np.nanmedian, np.full(2, np.nan)))


@pytest.mark.parametrize("derivative", [jacfwd, jacrev])
def test_tied_medians_move_one_element_in_both_modes(derivative: Any) -> None:
    np.testing.assert_array_equal(derivative(np.median)(np.array([2.0, 1.0, 2.0, 2.0])), [0.5, 0, 0.5, 0])
    np.testing.assert_array_equal(derivative(np.median)(np.zeros(3)), [0, 1, 0])


def test_weighted_quantile_with_several_q() -> None:
    x = arr(5, 2)
    w = arr(5, lo=0.5)
    f = lambda x: np.quantile(x, [0.2, 0.9], axis=0, weights=w, method="inverted_cdf", keepdims=True)
    np.testing.assert_allclose(value_of(f, x), f(x))
    np.testing.assert_array_equal(jacfwd(f)(x), jacrev(f)(x))
    with pytest.raises(ArgumentError, match="inverted_cdf"):
        value_of(lambda x: np.quantile(x, 0.2, axis=0, weights=w), x)


def test_average_with_weights_per_axis() -> None:
    x, w = arr(2, 3, 4), arr(4, 2, lo=0.5)
    f = lambda x, w: np.average(x, axis=(2, 0), weights=w, keepdims=True)
    np.testing.assert_allclose(dualad.vjp(f, x, w)[0], f(x, w))
    with pytest.raises(ShapeError, match="average"):
        grad(lambda x: np.average(x, weights=np.ones(3)).sum())(x)
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: np.average(x, weights=np.zeros(3)))(np.ones(3))


def test_histogram_counts_are_constant_and_equal_numpys() -> None:
    x = np.random.default_rng(0).normal(size=50)
    for keywords in (
        {},
        {"bins": 7, "range": (-1, 1)},
        {"bins": [-1, 0, 0.5, 2]},
        {"bins": "sturges"},
        {"bins": 4, "density": True},
    ):
        counts, edges = np.histogram(x, **keywords)
        y = jvp(lambda x: np.histogram(x, **keywords)[0] * 1.0, (x,), (x,))[0]
        np.testing.assert_allclose(y, counts)
        np.testing.assert_allclose(value_of(lambda x: np.histogram(x, **keywords)[1] + 0 * x[0], x), edges)
    np.testing.assert_array_equal(value_of(lambda x: np.histogram(x, 2)[1] * 1.0, np.ones(3)), [0.5, 1, 1.5])
    batch = np.stack([x, 2 * x])
    hist = lambda x: np.histogram(x, bins=np.array([-3.0, -1, 0, 2]))[0]
    np.testing.assert_array_equal(vmap(hist)(batch), [hist(b) for b in batch])


def test_errors_say_what_to_write() -> None:
    x = arr(3)
    with pytest.raises(DtypeError, match="no order"):
        value_of(np.median, x + 0j)
    with pytest.raises(ArgumentError, match="range"):
        value_of(lambda x: np.quantile(x, 1.5), x)
    with pytest.raises(ArgumentError, match="range"):
        value_of(lambda x: np.percentile(x, 101), x)
    with pytest.raises(ShapeError, match="observations"):
        grad(lambda x: np.cov(x, np.ones(4)).sum())(x)
    with pytest.raises(ShapeError, match="weights"):
        grad(lambda w: np.bincount(K, w).sum())(x)
    with pytest.raises(DtypeError, match="astype"):
        grad(lambda x: np.bincount(x).sum())(x)
    with pytest.raises(ShapeError, match="weights"):
        grad(lambda w: np.histogram(np.ones(5), weights=w)[0].sum())(x)
