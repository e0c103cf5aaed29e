"""Finite differences and quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dualad import ArgumentError, ShapeError, grad, jvp
from tests.functions import Case, arr, check, parameters

PLACES = np.array([0.0, 0.5, 1.5, 1.75, 3.0])
EVEN = np.array([0.0, 0.5, 1.0, 1.5])
WHY = "JAX takes no coordinates"

CASES: dict[str, list[Case]] = {
    "diff": [
        Case(lambda np, x: np.diff(x, n=2, axis=0), (arr(4, 3),)),
        Case(lambda np, x: np.diff(x, prepend=0.5, append=x[:, :1]), (arr(2, 3),)),
        Case(lambda np, x: np.diff(x), (np.empty((2, 0)),)),
    ],
    "ediff1d": [
        Case(lambda np, x: np.ediff1d(x, to_begin=x[0, 0], to_end=x[1]), (arr(2, 3),), oracle=None, degenerate=True),
        Case(lambda np, x: np.ediff1d(x), (arr(2, 3),)),
    ],
    "trapezoid": [
        Case(lambda np, y, x: np.trapezoid(y, x, axis=0), (arr(4, 3), arr(4, seed=1))),
        Case(lambda np, y, x: np.trapezoid(y, x), (arr(2, 3), arr(2, 3, seed=1))),
        Case(lambda np, y, dx: np.trapezoid(y, dx=dx), (arr(5), np.float64(0.3))),
    ],
    "gradient": [
        Case(lambda np, x: np.gradient(x), (arr(3, 4),)),
        Case(lambda np, x: np.gradient(x, 0.5, axis=1), (arr(2, 4, dtype=np.float32),)),
        Case(lambda np, x, h: np.gradient(x, h), (arr(5), np.float64(0.7))),
        Case(lambda np, x: np.gradient(x, 0.5, edge_order=2), (arr(5),), oracle="differences", why="JAX: order 1"),
        Case(lambda np, x, p: np.gradient(x, p), (arr(5), PLACES), oracle="differences", why=WHY),
        Case(
            lambda np, x, p: np.gradient(x, p, 2.0, axis=(1, 0), edge_order=2),
            (arr(3, 5), PLACES),
            oracle="differences",
            why=WHY,
        ),
        Case(
            lambda np, x: np.gradient(x, EVEN, axis=0),
            (arr(4, 2),),
            oracle="differences",
            why=WHY,
        ),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def test_diff_of_zeroth_order_and_of_booleans() -> None:
    x = arr(3)
    np.testing.assert_array_equal(jvp(lambda x: np.diff(x, 0), (x,), (x,))[1], x)
    np.testing.assert_array_equal(jvp(lambda x: np.diff(x > 0) * 1, (x,), (x,))[0], np.diff(x > 0))


def test_errors_say_what_to_write() -> None:
    x = arr(3)
    calls: list[tuple[Any, Any, str]] = [
        (lambda x: np.diff(x, -1), ArgumentError, "non-negative"),
        (lambda x: np.diff(x[0]), ShapeError, "axis"),
        (lambda x: np.gradient(x, 1.0, 2.0), ArgumentError, "spacings"),
        (lambda x: np.gradient(x, np.ones(2)), ShapeError, "coordinates"),
        (lambda x: np.gradient(x, edge_order=3), ArgumentError, "edge_order"),
        (lambda x: np.gradient(x[:1]), ShapeError, "length 1"),
    ]
    for f, error, what in calls:
        with pytest.raises(error, match=what):
            grad(lambda x: f(x).sum())(x)
