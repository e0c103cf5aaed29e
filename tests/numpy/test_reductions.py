"""Sums, products, extrema, counts and scans."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, ShapeError, UntrackedError, grad, hessian, jacfwd, jacrev, jvp, vmap
from dualad.core.tensor import Tensor
from tests.functions import Case, arr, check, parameters

X = arr(2, 3, 4)
Z = arr(2, 3) + 1j * arr(2, 3, seed=1)
MASK = np.array([[True, False, True], [True, True, False]])
NAN = np.where(MASK, arr(2, 3), np.nan)
ZEROS = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [1.5, -2.0, 1.0]])
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])

CASES: dict[str, list[Case]] = {
    "sum": [
        Case(lambda np, x: np.sum(x, axis=(0, -1), keepdims=True), (X,)),
        Case(lambda np, x: x.sum(1), (X,)),
        Case(lambda np, x: np.sum(x, where=MASK, initial=2.0), (arr(2, 3),)),
        Case(lambda np, x: np.sum(x), (Z,)),
        Case(lambda np, x: np.sum(x, axis=0), (np.empty((0, 3)),)),
    ],
    "prod": [
        Case(lambda np, x: np.prod(x, axis=(0, 2)), (X,)),
        Case(lambda np, x: x.prod(axis=-1, keepdims=True), (ZEROS,)),
        Case(lambda np, x: np.prod(x, where=MASK, initial=3.0), (arr(2, 3),)),
        Case(lambda np, x: np.prod(x), (Z,)),
    ],
    "max": [
        Case(lambda np, x: np.max(x, axis=(0, 2), keepdims=True), (X,)),
        Case(lambda np, x: x.max(), (X,)),
        Case(lambda np, x: np.max(x, axis=1, initial=0.5, where=MASK), (arr(2, 3),)),
        Case(lambda np, x: np.max(x, axis=1), (TIES,), degenerate=True),
    ],
    "amax": [Case(lambda np, x: np.amax(x, 0), (X,))],
    "amin": [Case(lambda np, x: np.amin(x, 0), (X,))],
    "min": [
        Case(lambda np, x: np.min(x, axis=1), (X,)),
        Case(lambda np, x: x.min(axis=0, initial=0.0), (arr(2, 3),)),
        Case(lambda np, x: x.min(), (TIES,), degenerate=True),
    ],
    "ptp": [Case(lambda np, x: np.ptp(x, axis=1), (X,))],
    "mean": [
        Case(lambda np, x: np.mean(x, axis=(0, 2)), (X,)),
        Case(lambda np, x: x.mean(0, keepdims=True), (arr(2, 3, dtype=np.float32),)),
        Case(lambda np, x: np.mean(x, axis=1, where=MASK), (arr(2, 3),)),
        Case(lambda np, x: np.mean(x), (Z,)),
        Case(lambda np, x: np.mean(x, axis=1), (np.empty((0, 3)),)),
    ],
    "cumsum": [
        Case(lambda np, x: np.cumsum(x, axis=1), (X,)),
        Case(lambda np, x: x.cumsum(), (arr(2, 3)[:, ::-1],)),
        Case(lambda np, x: np.cumsum(x), (arr(),)),
    ],
    "cumprod": [
        Case(lambda np, x: np.cumprod(x, axis=-1), (ZEROS,)),
        Case(lambda np, x: x.cumprod(), (arr(2, 3),)),
    ],
    "cumulative_sum": [
        Case(lambda np, x: np.cumulative_sum(x, axis=1, include_initial=True), (arr(2, 3),)),
        Case(lambda np, x: np.cumulative_sum(x), (arr(3),)),
    ],
    "cumulative_prod": [
        Case(lambda np, x: np.cumulative_prod(x, axis=0, include_initial=True), (arr(3, 2),)),
    ],
    "nansum": [Case(lambda np, x: np.nansum(x, axis=1), (NAN,))],
    "nanprod": [Case(lambda np, x: np.nanprod(x, axis=1), (NAN,))],
    "nanmean": [Case(lambda np, x: np.nanmean(x, axis=1, keepdims=True), (NAN,))],
    "nanmax": [Case(lambda np, x: np.nanmax(x, axis=1), (NAN,)), Case(lambda np, x: np.nanmax(x), (NAN,))],
    "nanmin": [Case(lambda np, x: np.nanmin(x, axis=0, initial=1.5, where=MASK), (NAN,))],
    "nancumsum": [Case(lambda np, x: np.nancumsum(x, axis=1), (NAN,))],
    "nancumprod": [Case(lambda np, x: np.nancumprod(x), (NAN,))],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def value_of(f: Any, x: Any) -> Any:
    """The value of ``f(x)`` with ``x`` tracked."""
    return jvp(f, (x,), (np.zeros_like(x),))[0]


KEYWORDS = {
    "axis": [None, 0, -1, (0, 2), ()],
    "keepdims": [False, True],
    "where": [True, np.array([True, False, True, True])],
}


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "min", "any", "all", "nansum", "nanmax", "nanmean"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_keyword_gives_numpys_value(name: str, dtype: Any) -> None:
    x = arr(2, 3, 4, dtype=dtype)
    for axis, keepdims, where in itertools.product(*KEYWORDS.values()):
        keywords = {"axis": axis, "keepdims": keepdims}
        if where is not True:
            if "mean" in name and axis in ((), 0):
                continue  # means of nothing
            keywords["where"] = where
            if "max" in name or "min" in name:
                keywords["initial"] = dtype(0.5)
        expected = getattr(np, name)(x, **keywords)
        for f in (lambda x: getattr(np, name)(x, **keywords), lambda x: getattr(dualad.numpy, name)(x, **keywords)):
            y = value_of(f, x)
            np.testing.assert_allclose(y, expected, rtol=1e-5)
            assert np.shape(y) == expected.shape and y.dtype == expected.dtype
        if name in ("any", "all"):
            continue
        forward, reverse = jacfwd(f)(x), jacrev(f)(x)
        np.testing.assert_allclose(forward, reverse, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "cumsum", "cumprod", "nansum", "nanmean"])
def test_dtype(name: str) -> None:
    x = arr(2, 3, dtype=np.float32)
    for dtype in (np.float64, np.float32, np.complex128):
        f = lambda x: getattr(np, name)(x, axis=1, dtype=dtype)
        y, t = jvp(f, (x,), (x,))
        assert y.dtype == t.dtype == dtype
        np.testing.assert_array_equal(y, f(x))
    assert grad(lambda x: getattr(np, name)(x, axis=1, dtype=float).sum())(x).dtype == np.float32


def test_sum_into_an_integer_dtype_is_constant() -> None:
    x = np.array([2.5, 3.5])
    assert value_of(lambda x: np.sum(x, dtype=int) * 1.0, x) == 5
    np.testing.assert_array_equal(grad(lambda x: np.sum(x, dtype=int) * 1.0 + x[0])(x), [1, 0])


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "any", "all", "cumsum", "cumprod", "ptp"])
def test_plain_arguments_give_numpys_result(name: str) -> None:
    ours, theirs = getattr(dualad.numpy, name), getattr(np, name)
    for x in (arr(2, 3), [1, 2, 3], 2.5, np.float32(1), np.array([True, False]), np.array([], np.int8)):
        if name in ("max", "min", "ptp") and np.size(x) == 0:
            continue
        if name == "ptp" and np.asarray(x).dtype.kind == "b":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            y, expected = ours(x), theirs(x)
        np.testing.assert_array_equal(y, expected)
        assert y.dtype == expected.dtype and type(y) is type(expected)


def test_out() -> None:
    x = arr(2, 3)
    with pytest.raises(UntrackedError, match=r"out="):
        grad(lambda x: np.sum(x, axis=0, out=np.zeros(3)).sum())(x)
    plain = np.zeros(3)
    assert dualad.numpy.sum(x, axis=0, out=plain) is plain

    def f(x: Any) -> Any:
        buffer = dualad.core.level.GROUND.lift(np.zeros(3))
        np.sum(x * x, axis=0, out=buffer)
        return buffer.sum()

    np.testing.assert_allclose(grad(f)(x), 2 * x)
    with pytest.raises(ShapeError, match="out has shape"):
        grad(lambda x: np.sum(x, out=dualad.core.level.GROUND.lift(np.zeros(3))))(x)


# Degenerate points ----------------------------------------------------------------------------

HESSIANS = {
    "hessian": hessian,
    "reverse over forward": lambda f: jacrev(jacfwd(f)),
    "forward over forward": lambda f: jacfwd(jacfwd(f)),
    "reverse over reverse": lambda f: jacrev(jacrev(f)),
}


@pytest.mark.parametrize("derivative", [jacfwd, jacrev])
def test_gradient_of_prod_with_zeros(derivative: Any) -> None:
    np.testing.assert_array_equal(derivative(np.prod)(np.array([0.0, 2.0, 3.0])), [6, 0, 0])
    np.testing.assert_array_equal(derivative(np.prod)(np.array([0.0, 0.0, 3.0])), [0, 0, 0])
    np.testing.assert_array_equal(derivative(lambda x: np.prod(x))(np.float64(2.0)), 1)


@pytest.mark.parametrize("name", HESSIANS)
def test_hessian_of_prod_with_zeros(name: str) -> None:
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = 3
    np.testing.assert_array_equal(HESSIANS[name](np.prod)(np.array([0.0, 0.0, 3.0])), expected)
    last = HESSIANS[name](lambda x: np.cumprod(x)[-1])(np.array([0.0, 0.0, 3.0]))
    np.testing.assert_array_equal(last, expected)


def test_third_derivative_of_prod_at_zero() -> None:
    third = jacfwd(jacrev(jacfwd(np.prod)))(np.zeros(3))
    for i, j, k in np.ndindex(3, 3, 3):
        assert third[i, j, k] == (len({i, j, k}) == 3)


def test_long_cumprod_and_its_gradient() -> None:
    x = 1 + 1e-3 * arr(3000)
    x[1000] = 0
    g = grad(lambda x: np.cumprod(x).sum())(x)
    before = np.cumprod(x[:1000])
    tail = np.cumprod(x[1001:])
    np.testing.assert_allclose(g[1000], before[-1] * (1 + tail.sum()))
    np.testing.assert_array_equal(g[1001:], 0)


@pytest.mark.parametrize("derivative", [jacfwd, jacrev])
def test_tied_extrema_share_equally(derivative: Any) -> None:
    x = np.array([3.0, 1.0, 3.0, 1.0])
    for f in (np.max, np.amax, np.nanmax):
        np.testing.assert_array_equal(derivative(f)(x), [0.5, 0, 0.5, 0])
    for f in (np.min, np.nanmin):
        np.testing.assert_array_equal(derivative(f)(x), [0, 0.5, 0, 0.5])
    np.testing.assert_array_equal(derivative(lambda x: np.max(x, initial=3.0))(x), [0.25, 0, 0.25, 0])


@pytest.mark.parametrize("derivative", [jacfwd, jacrev])
def test_nan_is_the_extremum_of_its_slice(derivative: Any) -> None:
    x = np.array([[1.0, np.nan, 2.0], [3.0, 1.0, 2.0]])
    y = value_of(lambda x: np.max(x, axis=1), x)
    np.testing.assert_array_equal(y, [np.nan, 3])
    j = derivative(lambda x: np.max(x, axis=1))(x)
    np.testing.assert_array_equal(j[0], [[0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(j[1], [[0, 0, 0], [1, 0, 0]])


def test_infinite_tangent_of_another_element_is_left_out() -> None:
    x = np.array([0.0, 4.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        np.testing.assert_array_equal(jvp(np.max, (x,), (np.array([np.inf, 1.0]),))[1], 1)


@pytest.mark.parametrize("derivative", [jacfwd, jacrev])
def test_nan_moves_nothing(derivative: Any) -> None:
    for f in (np.nansum, np.nanprod, np.nanmax, np.nanmean):
        j = derivative(f)(np.array([np.nan, 2.0]))
        np.testing.assert_array_equal(j, [0, 1])


def test_all_nan_slice_warns_as_numpy() -> None:
    x = np.full((2, 2), np.nan)
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        assert np.isnan(value_of(np.nanmax, x))


def test_empty() -> None:
    x = np.empty((0, 3))
    assert value_of(np.prod, x) == 1 and value_of(np.sum, x) == 0
    assert grad(np.sum)(x).shape == (0, 3) and grad(np.prod)(x).shape == (0, 3)
    with pytest.warns(RuntimeWarning):
        assert np.isnan(value_of(np.mean, x))
    with pytest.warns(RuntimeWarning):
        assert grad(np.mean)(x).shape == (0, 3)
    with pytest.raises(ShapeError, match="initial="):
        grad(np.max)(x)
    np.testing.assert_array_equal(value_of(lambda x: np.max(x, axis=0, initial=2.0), x), [2, 2, 2])


def test_errors_say_what_to_write() -> None:
    x = arr(2, 3)
    with pytest.raises(ArgumentError, match="initial="):
        grad(lambda x: np.max(x, where=MASK))(x)
    with pytest.raises(np.exceptions.AxisError):
        grad(lambda x: np.sum(x, axis=2))(x)
    with pytest.raises(ShapeError, match="axis="):
        grad(lambda x: np.cumulative_sum(x).sum())(x)


# Constants and methods ------------------------------------------------------------------------


def test_counts_are_constants() -> None:
    x = np.array([[0.0, 1.0], [2.0, 0.0]])
    assert value_of(lambda x: np.count_nonzero(x) * 1.0, x) == 2
    np.testing.assert_array_equal(value_of(lambda x: np.count_nonzero(x, axis=0, keepdims=True) * 1.0, x), [[1, 1]])
    np.testing.assert_array_equal(grad(lambda x: (np.any(x > 0) & np.all(x >= 0)) * x.sum())(x), np.ones((2, 2)))
    np.testing.assert_array_equal(vmap(lambda x: np.count_nonzero(x))(x), [1, 1])
    np.testing.assert_array_equal(vmap(lambda x: (x > 1).any())(x), [False, True])
    np.testing.assert_array_equal(vmap(lambda x: (x > 1).all())(x), [False, False])


def test_methods_are_those_of_ndarray() -> None:
    for name in [
        "sum",
        "prod",
        "mean",
        "std",
        "var",
        "max",
        "min",
        "cumsum",
        "cumprod",
        "any",
        "all",
        "argmax",
        "argmin",
        "argsort",
        "sort",
    ]:
        assert hasattr(Tensor, name), name
    assert not hasattr(Tensor, "ptp")  # as in NumPy 2


def test_where_that_depends_on_the_tensor() -> None:
    x = np.array([1.0, -2.0, 3.0])
    for derivative in (jacfwd, jacrev):
        np.testing.assert_array_equal(derivative(lambda x: np.sum(x * x, where=x > 0))(x), [2, 0, 6])
    stacked = np.stack([x, -x])
    np.testing.assert_array_equal(vmap(lambda x: np.sum(x, where=x > 0))(stacked), [4, 2])
    np.testing.assert_array_equal(vmap(lambda x: np.mean(x, where=x > 0))(stacked), [2, 2])


@pytest.mark.skipif(not dualad.core.primitive.SEQUENCE, reason="lists of tensors need dualad.numpy.array")
def test_list_of_tensors() -> None:
    f = lambda x: dualad.numpy.sum([x[0], x[1] * 2]) + dualad.numpy.max([x[0], x[1]])
    np.testing.assert_array_equal(grad(f)(np.array([1.0, 5.0])), [1, 3])
