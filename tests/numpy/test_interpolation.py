"""np.interp: in x, xp, fp, left, right and the period."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from tests.functions import Case, arr, check, parameters

X = np.array([[-1.5, 0.1, 0.9], [2.2, 3.7, 0.4]])
XP, FP = np.array([-1.0, 0.0, 0.75, 3.0]), arr(4, seed=1)
PERIODIC = "jnp.interp measures the period's ends after sorting by values that it does not differentiate"

CASES: dict[str, list[Case]] = {
    "interp": [
        Case(lambda np, x, p, f: np.interp(x, p, f), (X, XP, FP)),
        Case(lambda np, x, p, f: np.interp(x * x, p, f), (np.float64(0.6), XP, FP)),
        Case(lambda np, x, p, f, a, b: np.interp(x, p, f, left=a, right=b), (X, XP, FP, arr(), arr(seed=5))),
        Case(lambda np, x, p, f: np.interp(x, p, f, left=0.5), (X[0], XP, FP)),
        Case(
            lambda np, x, p, f: np.interp(x, p, f, period=2.5),
            (X, np.array([0.33, 2.95, 1.13]), arr(3, seed=2)),
            oracle="differences",
            why=PERIODIC,
        ),
        Case(
            lambda np, x, d: np.interp(x, np.array([0.33, 2.04, 1.13]), FP[:3], period=d),
            (X, np.float64(2.6)),
            oracle="differences",
            why=PERIODIC,
        ),
        Case(lambda np, x, f: np.interp(x, np.asarray(XP), f), (X, FP + 1j * arr(4, seed=3)), batch=False),
        Case(lambda np, x, p: np.interp(x, p, np.array([1, 4, 2, 3])), (X, XP)),
        Case(lambda np, x, f: np.interp(x, np.array([0.5]), f), (X[0], arr(1)), oracle="differences", why="one knot"),
        Case(lambda np, x, f: np.interp(x, XP, f), (np.empty((0, 2)), FP)),
        Case(lambda np, x: np.interp(x, XP, FP), (XP,), degenerate=True),
        Case(
            lambda np, x, f: np.interp(x, np.array([0.0, 1.0, 1.0, 2.0]), f),
            (np.array([0.5, 1.0, 1.5]), FP),
            degenerate=True,
        ),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def test_at_knots() -> None:
    """The slope on the right; at the last knot that on the left; none beyond."""
    xp, fp = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 0.0])
    x = np.array([-1.0, 0.0, 1.0, 3.0, 4.0])
    slopes = [0.0, 2.0, -1.0, -1.0, 0.0]
    np.testing.assert_array_equal(dualad.grad(lambda x: np.interp(x, xp, fp).sum())(x), slopes)
    np.testing.assert_array_equal(dualad.jvp(lambda x: np.interp(x, xp, fp), (x,), (np.ones(5),))[1], slopes)
    assert np.isnan(dualad.jvp(lambda x: np.interp(x, xp, fp), (np.float64(np.nan),), (np.float64(1.0),))[0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: np.interp(x, x, np.ones(2)), dualad.ShapeError, "one length"),
        (lambda x: np.interp(x, x[None], x[None]), dualad.ShapeError, "vectors"),
        (lambda x: np.interp(x, x[:0], x[:0]), dualad.ShapeError, "non-empty"),
        (lambda x: np.interp(x, x * 1j, x), dualad.ArgumentError, "complex"),
        (lambda x: np.interp(x, x, x, period=0.0), dualad.ArgumentError, "period"),
    ],
)
def test_errors(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        dualad.grad(lambda x: call(x).sum())(np.arange(3.0))
