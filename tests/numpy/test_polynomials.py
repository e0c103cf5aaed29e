"""Polynomials."""

from __future__ import annotations

import inspect
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import dualad
from dualad import ArgumentError, ShapeError, grad, jacfwd, jacrev
from tests.functions import Case, arr, check, parameters

X = np.linspace(-1, 1, 6)

CASES: dict[str, list[Case]] = {
    "polyval": [
        Case(lambda np, p, x: np.polyval(p, x), (arr(4), arr(3, seed=1))),
        Case(lambda np, p, x: np.polyval(p, x), (arr(1), arr(2, 2, seed=1))),
    ],
    "polyadd": [Case(lambda np, p, q: np.polyadd(p, q), (arr(4), arr(2, seed=1)))],
    "polysub": [Case(lambda np, p, q: np.polysub(p, q), (arr(2), arr(4, seed=1)))],
    "polymul": [Case(lambda np, p, q: np.polymul(p, q), (arr(4), arr(2, seed=1)))],
    "polydiv": [
        Case(
            lambda np, p, q: np.polydiv(p, q),
            (arr(5), arr(3, seed=1)),
            oracle=lambda p, q: (jnp.polydiv(p, q)[0], jnp.polydiv(p, q)[1][-2:]),  # zeros in front
        ),
        Case(lambda np, p, q: np.polydiv(p, q), (arr(2), arr(3, seed=1))),
        Case(lambda np, p, q: np.polydiv(p, q)[0], (arr(3), arr(1, seed=1))),
    ],
    "polyder": [Case(lambda np, p: np.polyder(p, 2), (arr(5),))],
    "polyint": [
        Case(lambda np, p: np.polyint(p), (arr(3),)),
        Case(lambda np, p, k: np.polyint(p, 2, k), (arr(3), arr(2)), oracle="differences", why="JAX wants k concrete"),
    ],
    "polyfit": [
        Case(lambda np, x, y: np.polyfit(x, y, 2), (X, arr(6))),
        Case(lambda np, y, w: np.polyfit(X, y, 1, w=w), (arr(6, 2), arr(6, seed=1, lo=0.5))),
        Case(lambda np, y: np.polyfit(X, y, 1, cov=True), (arr(6),)),
    ],
    "roots": [
        Case(
            lambda np, p: np.abs(np.roots(p)),
            (np.array([1.0, 2.0, 5.0, -1.0]),),
            oracle=lambda p: jnp.abs(jnp.roots(p, strip_zeros=False)),
            order=1,
        ),
        Case(
            lambda np, p: np.roots(p).real,
            (np.array([1.0, -1.0, -4.0, 1.0]),),
            oracle="differences",
            why="JAX has no second derivative of eigvals",
        ),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("name", list(CASES))
def test_signatures_are_numpys(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (dualad.numpy, np))
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def test_a_root_at_zero_has_its_derivative() -> None:
    """d r / d p_k = -r^(n-k) / p'(r), at r = 0 too."""
    p = np.array([1.0, -3.0, 2.0, 0.0])
    for d in (jacfwd, jacrev):
        r, j = np.roots(p), d(np.roots)(p)
        slope = np.polyval(np.polyder(p), r)
        np.testing.assert_allclose(j, -np.vander(r, 4) / slope[:, None], atol=1e-12)


def test_second_derivative_of_roots() -> None:
    """x^2 - p has the roots +-sqrt(p)."""
    f = lambda p: np.abs(np.roots(np.stack([p * 0 + 1, p * 0, -p]))).sum()
    np.testing.assert_allclose(dualad.derivative(f, 2)(2.0), -0.5 * 2.0**-1.5)


def test_polyfit_returns_all_that_numpys_does() -> None:
    y = arr(6)

    def f(v: Any) -> Any:
        c, residuals, rank, s, rcond = np.polyfit(X, v, 2, full=True)
        expected = np.polyfit(X, y, 2, full=True)
        assert rank == expected[2] and rcond == expected[4] and c.shape == (3,) and s.shape == (3,)
        base = np.polyfit(X, v, 2, cov="unscaled")[1]
        np.testing.assert_allclose(np.asarray(base), np.polyfit(X, y, 2, cov="unscaled")[1])
        return residuals.sum()

    fitted = np.polyval(np.polyfit(X, y, 2), X)
    np.testing.assert_allclose(grad(f)(y), 2 * (y - fitted), atol=1e-12)


def test_errors() -> None:
    for call, error, message in [
        (lambda v: np.polyval(v[:, None], 1.0), ShapeError, "vector"),
        (lambda v: np.polyder(v, -1), ArgumentError, "negative"),
        (lambda v: np.polyint(v, 3, [1.0, 2.0]), ShapeError, "constants"),
        (lambda v: np.polyfit(np.ones(4), v, 1), ShapeError, "as long"),
        (lambda v: np.polyfit(np.ones(3), v, 1, w=[1.0]), ShapeError, "weights"),
    ]:
        with pytest.raises(error, match=message):
            grad(lambda v, call=call: call(v).sum())(np.ones(3))
