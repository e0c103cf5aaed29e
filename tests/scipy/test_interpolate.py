"""dualad.scipy.interpolate: values against SciPy, derivatives against differences of SciPy's values, in every mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.interpolate

import dualad
from dualad.scipy import interpolate
from tests.functions import Case, arr, check, close

X = np.array([0.0, 0.7, 1.1, 2.0, 3.2, 3.9])
T = np.array([[-0.3, 0.2, 0.9], [1.7, 3.5, 4.1]])
WHY = "JAX has no such function"


def periodic(y: Any, n: int) -> Any:
    """Values whose last equals the first."""
    return y[np.arange(n) % (n - 1)]


CASES: list[Any] = []
for _n in (2, 3, 4, 6):
    for _bc in (
        "not-a-knot",
        "natural",
        "clamped",
        ("natural", "not-a-knot"),
        ((1, 0.3), (2, -0.4)),
        ((2, 0.5), "clamped"),
    ):
        CASES.append((lambda s, x, y, t, bc=_bc: s.CubicSpline(x, y, bc_type=bc)(t), (X[:_n], arr(_n), T)))
    CASES.append(
        (lambda s, x, y, t, n=_n: s.CubicSpline(x, periodic(y, n), bc_type="periodic")(t), (X[:_n], arr(_n), T))
    )
    CASES.append((lambda s, x, y, t: s.PchipInterpolator(x, y)(t), (X[:_n], arr(_n, seed=2), T)))
CASES += [
    (lambda s, y, t: s.CubicSpline(X, y, axis=1)(t), (arr(2, 6, 3), T)),
    (lambda s, y, t: s.CubicSpline(X, y, axis=2)(t), (arr(2, 1, 6), T[0])),
    (lambda s, y, t: s.CubicSpline(X, y)(t, 1), (arr(6), T)),
    (lambda s, y, t: s.CubicSpline(X, y).derivative(2)(t), (arr(6), T)),
    (lambda s, y, t: s.CubicSpline(X, y).antiderivative()(t), (arr(6, 2), T)),
    (lambda s, y, a, b: s.CubicSpline(X, y).integrate(a, b), (arr(6), np.float64(0.3), np.float64(3.0))),
    (lambda s, y, v: s.CubicSpline(X, y, bc_type=((1, v), (2, v)))(T), (arr(6, 2), arr(2, seed=4))),
    (lambda s, y, t: s.CubicSpline(X, y, extrapolate=False)(t), (arr(6), T[0, 1:])),
    (lambda s, x, y, d, t: s.CubicHermiteSpline(x, y, d)(t), (X, arr(6), arr(6, seed=1), T)),
    (lambda s, c, x, t: s.PPoly(c, x)(t), (arr(3, 5, 2), X, T[0])),
    (lambda s, c, x, t: s.PPoly(c, x, extrapolate="periodic")(t), (arr(3, 5), X, T)),
    (lambda s, x, y, t: s.interp1d(x, y, fill_value="extrapolate")(t), (X, arr(2, 6), T)),
    (lambda s, x, y, t: s.interp1d(x, y)(t), (X[::-1], arr(6), T[0, 1:])),
    (lambda s, x, y, t: s.interp1d(x, y, kind="cubic", axis=0)(t), (X, arr(6, 2), T[0, 1:])),
    (lambda s, y, t: s.interp1d(X, y, bounds_error=False, fill_value=(0.5, -1.0))(t), (arr(2, 6), T)),
    *[(lambda s, y, k=k: s.interp1d(X, y, kind=k)(T[0, 1:]), (arr(2, 6),)) for k in ("nearest", "previous", "next")],
    (lambda s, v, p: s.RegularGridInterpolator((X, X[:3]), v)(p), (arr(6, 3), np.array([[0.3, 0.9], [3.3, 0.4]]))),
    (lambda s, x, v: s.RegularGridInterpolator((x, X[:2], X[:3]), v)(np.array([2.2, 0.4, 0.9])), (X, arr(6, 2, 3, 2))),
    (
        lambda s, v, p: s.RegularGridInterpolator((X, X[:3]), v, bounds_error=False, fill_value=None)(p),
        (arr(6, 3), np.array([[-0.3, 0.9], [3.3, 2.4]])),
    ),
    (
        lambda s, v, p: s.RegularGridInterpolator((X, X[:3]), v, bounds_error=False, fill_value=0.5)(p),
        (arr(6, 3), np.array([[-0.3, 0.9], [3.3, 0.4]])),
    ),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_functions(number: int) -> None:
    f, args = CASES[number]
    close(f(interpolate, *args), f(scipy.interpolate, *args), "value against SciPy", rtol=1e-10, atol=1e-10)
    name = next(n for n in f.__code__.co_names if hasattr(scipy.interpolate, n))
    run = lambda _, *v: f(interpolate, *v)
    check(Case(run, args, oracle="differences", why=WHY, name=f"scipy.interpolate.{name}"))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda y: interpolate.CubicSpline(X[:3], y), dualad.ShapeError, "knots"),
        (lambda y: interpolate.CubicSpline(X[None], y), dualad.ShapeError, "vector"),
        (lambda y: interpolate.CubicSpline(X[::-1], y), dualad.ArgumentError, "increase"),
        (lambda y: interpolate.CubicSpline(X, y, bc_type="odd"), dualad.ArgumentError, "bc_type"),
        (lambda y: interpolate.CubicSpline(X, y, bc_type=("periodic", "natural")), dualad.ArgumentError, "periodic"),
        (
            lambda y: interpolate.CubicSpline(X, y, bc_type=((3, 0.0), "natural")),
            dualad.ArgumentError,
            "first or the second",
        ),
        (
            lambda y: interpolate.CubicSpline(X, y, bc_type=((1, X), "natural")),
            dualad.ShapeError,
            "derivative at an end",
        ),
        (lambda y: interpolate.CubicSpline(X, y)(0.5, nu=-1), dualad.ArgumentError, "nu"),
        (lambda y: interpolate.interp1d(X, y, kind="quintic"), dualad.ArgumentError, "kind"),
        (lambda y: interpolate.interp1d(X, y)(9.0), dualad.ArgumentError, "outside"),
        (lambda y: interpolate.RegularGridInterpolator((X,), y)([9.0]), dualad.ArgumentError, "outside"),
        (lambda y: interpolate.RegularGridInterpolator((X,), y)([[1.0, 2.0]]), dualad.ShapeError, "coordinates"),
        (lambda y: interpolate.RegularGridInterpolator((X[:2],), y), dualad.ShapeError, "lengths"),
        (lambda y: interpolate.RegularGridInterpolator((X,), y, method="cubic"), dualad.ArgumentError, "method"),
        (lambda y: interpolate.PPoly(y, X), dualad.ShapeError, "PPoly"),
    ],
)
def test_errors(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        dualad.grad(lambda y: call(y).sum())(arr(6))


def test_periodic_ends_must_meet() -> None:
    with pytest.raises(dualad.ArgumentError, match="equal"):
        interpolate.CubicSpline(X, np.arange(6.0), bc_type="periodic")
