"""Derivatives up to the sixth, at and beside the points where a formula divides 0 by 0, against mpmath."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

import dualad.numpy as dnp
from dualad import derivative, grad, hessian, jet
from dualad.scipy import special, stats

NEAR = (0.0, 1e-12, 1e-7, 9e-4, 1.1e-3, 0.3, -2.0)

# (ours, mpmath's, points, order)
CASES: dict[str, tuple[Any, Any, tuple[float, ...], int]] = {
    "j0": (special.j0, lambda x: mpmath.besselj(0, x), NEAR, 5),
    "j1": (special.j1, lambda x: mpmath.besselj(1, x), NEAR, 5),
    "jn": (lambda x: special.jn(2, x), lambda x: mpmath.besselj(2, x), NEAR, 5),
    "i0": (special.i0, lambda x: mpmath.besseli(0, x), NEAR, 5),
    "i1": (special.i1, lambda x: mpmath.besseli(1, x), NEAR, 5),
    "numpy.i0": (dnp.i0, lambda x: mpmath.besseli(0, x), NEAR, 5),
    "ber": (special.ber, lambda x: mpmath.ber(0, x), NEAR, 5),
    "bei": (special.bei, lambda x: mpmath.bei(0, x), NEAR, 5),
    "sinh integral": (lambda x: special.shichi(x)[0], mpmath.shi, NEAR, 5),
    "sine integral": (lambda x: special.sici(x)[0], mpmath.si, NEAR, 5),
    "exprel": (special.exprel, lambda x: mpmath.hyp1f1(1, 2, x), (*NEAR, 0.99, 1.01), 6),
    "boxcox": (
        lambda k: special.boxcox(2.0, k),
        lambda k: mpmath.log(2) * mpmath.hyp1f1(1, 2, k * mpmath.log(2)),
        NEAR,
        6,
    ),
    "inv_boxcox": (
        lambda k: special.inv_boxcox(0.3, k),
        lambda k: mpmath.exp(0.3 * mpmath.hyp2f1(1, 1, 2, -0.3 * k)),
        NEAR,
        6,
    ),
    "spence": (special.spence, lambda x: mpmath.polylog(2, 1 - x), (0.5, 0.79, 0.81, 1.0, 1 + 1e-7, 1.21), 6),
    "rgamma": (special.rgamma, mpmath.rgamma, (0.0, 1e-8, -1.0, -2.0, -1.5), 5),
    "expn, 0": (lambda x: special.expn(0, x), lambda x: mpmath.expint(0, x), (0.5, 2.0), 4),
    "expn, 1": (lambda x: special.expn(1, x), lambda x: mpmath.expint(1, x), (0.5, 2.0), 4),
    "expn, 3": (lambda x: special.expn(3, x), lambda x: mpmath.expint(3, x), (0.5, 2.0), 4),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name: str) -> None:
    ours, theirs, points, order = CASES[name]
    for x in points:
        coefficients = jet(ours, (x,), ((1.0,) + (0.0,) * (order - 1),))[1]
        with mpmath.workdps(40):
            exact = [float(mpmath.re(c)) * math.factorial(k) for k, c in enumerate(mpmath.taylor(theirs, x, order))]
        np.testing.assert_allclose(coefficients, exact[1:], rtol=1e-8, atol=1e-9, err_msg=f"{name} at {x}")


def test_expn_of_several_orders() -> None:
    n, x = np.array([0, 1, 2]), np.array([0.5, 1.0, 2.0])
    second = derivative(lambda t: special.expn(n, t * x).sum(), 2)(1.0)
    exact = sum(v * v * float(mpmath.expint(int(k) - 2, v)) for k, v in zip(n, x, strict=True))
    np.testing.assert_allclose(second, exact, rtol=1e-12)


def test_xlogy_moves_with_its_factor_where_that_is_zero() -> None:
    np.testing.assert_array_equal(
        hessian(lambda v: special.xlogy(v[0], v[1]))(np.array([0.0, 2.0])), [[0, 0.5], [0.5, 0]]
    )
    np.testing.assert_array_equal(
        hessian(lambda v: special.xlog1py(v[0], v[1]))(np.array([0.0, 1.0])), [[0, 0.5], [0.5, 0]]
    )
    assert grad(lambda y: special.xlogy(0.0, y))(0.0) == 0


@pytest.mark.parametrize(
    "name", ["gammaincinv", "gammainccinv", "betaincinv", "gamma.logpdf", "beta.logpdf", "gamma.cdf"]
)
def test_shape_one_is_no_special_point(name: str) -> None:
    f = {
        "gammaincinv": lambda a: special.gammaincinv(a, 0.4),
        "gammainccinv": lambda a: special.gammainccinv(a, 0.4),
        "betaincinv": lambda a: special.betaincinv(a, 0.7, 0.4),
        "gamma.logpdf": lambda a: grad(stats.gamma.logpdf)(0.6, a),
        "beta.logpdf": lambda a: grad(stats.beta.logpdf)(0.6, a, 0.8),
        "gamma.cdf": lambda a: grad(stats.gamma.cdf)(0.6, a),
    }[name]
    for k in (1, 2, 3):
        at = derivative(f, k)(1.0)
        beside = 0.5 * (derivative(f, k)(1 + 1e-3) + derivative(f, k)(1 - 1e-3))
        np.testing.assert_allclose(at, beside, rtol=2e-4, err_msg=f"derivative {k}")


def test_genextreme_near_shape_zero() -> None:
    third = derivative(lambda c: stats.genextreme.logpdf(0.7, c), 3)
    np.testing.assert_allclose([third(c) for c in (0.0, 1e-5, 1e-3)], [third(0.02)] * 3, rtol=0.1)
    np.testing.assert_allclose(third(1e-5), 0.5 * (third(1e-3) + third(-1e-3)), rtol=1e-4)


def test_logsumexp_moves_with_a_weight_of_zero() -> None:
    a, b = np.array([1.0, 2.0, 900.0]), np.array([0.0, 1.0, 0.0])
    f = lambda a, b: special.logsumexp(a, b=b)
    da, db = grad(f, (0, 1))(a, b)
    np.testing.assert_allclose(da, [0, 1, 0])
    np.testing.assert_allclose(db, [np.exp(-1), 1, np.inf])
    assert f(np.array([np.inf, 2.0]), np.array([0.0, 1.0])) == 2
