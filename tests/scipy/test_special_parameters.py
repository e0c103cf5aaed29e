"""Derivatives in the parameters of special functions, first and second, against differences at 60 digits."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

import dualad
from dualad.core.primitive import REGISTRY
from dualad.ops.specials import SPECIAL

mp.mp.dps = 60
H = mp.mpf(10) ** -9


def lower(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


def beta(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


def student(df: Any, t: Any) -> Any:
    tail = beta(df / 2, mp.mpf(1) / 2, df / (df + t * t)) / 2
    return 1 - tail if t > 0 else tail


def inverse(f: Any, start: Any) -> Any:
    return lambda *args: mp.findroot(lambda y: f(*args[:-1], y) - args[-1], start(*map(float, args)))


def quantile(name: str) -> Any:
    import scipy.special

    return getattr(scipy.special, name)


# (function, mpmath's, points, error of the first derivative, of the second: relative to the largest of the first, second)
CASES: dict[str, tuple[Any, list[tuple[float, ...]], float, float]] = {
    "gammainc": (lower, [(0.1, 0.02), (0.5, 2.0), (3.0, 1.0), (3.0, 7.0), (40.0, 45.0), (0.03, 5.0)], 1e-12, 1e-10),
    "gammaincc": (lambda a, x: 1 - lower(a, x), [(0.5, 0.1), (3.0, 7.0), (20.0, 15.0)], 1e-12, 1e-10),
    "betainc": (beta, [(0.5, 0.5, 0.2), (2.0, 3.0, 0.1), (2.0, 3.0, 0.9), (30.0, 10.0, 0.7), (0.2, 5.0, 0.01)], 1e-12, 1e-10),
    "betaincc": (lambda a, b, x: 1 - beta(a, b, x), [(2.0, 3.0, 0.3), (5.0, 0.7, 0.95)], 1e-12, 1e-10),
    "stdtr": (student, [(3.0, 0.7), (1.2, -2.0), (30.0, 1.5)], 1e-12, 1e-9),
    "gammaincinv": (inverse(lower, quantile("gammaincinv")), [(2.0, 0.3), (0.7, 0.8)], 1e-10, 1e-8),
    "gammainccinv": (
        inverse(lambda a, x: 1 - lower(a, x), quantile("gammainccinv")), [(2.0, 0.3), (0.7, 0.8)], 1e-10, 1e-8,
    ),
    "betaincinv": (inverse(beta, quantile("betaincinv")), [(2.0, 3.0, 0.3), (0.8, 1.5, 0.6)], 1e-10, 1e-8),
    "stdtrit": (inverse(student, quantile("stdtrit")), [(3.0, 0.7), (5.0, 0.2)], 1e-10, 1e-8),
    "jv": (mp.besselj, [(0.5, 1.0), (2.3, 4.0), (1.0, 10.0), (0.0, 0.3)], 1e-11, 1e-10),
    "yv": (mp.bessely, [(0.5, 1.0), (2.3, 4.0), (1.0, 10.0)], 1e-11, 1e-10),
    "iv": (mp.besseli, [(0.5, 1.0), (2.3, 4.0), (1.0, 10.0), (0.0, 0.3)], 1e-10, 1e-9),
    "kv": (mp.besselk, [(0.5, 1.0), (2.3, 4.0), (1.0, 10.0), (0.7, 0.1)], 1e-11, 1e-10),
    "hyp1f1": (mp.hyp1f1, [(1.0, 2.0, 0.5), (0.3, 1.7, -20.0), (2.5, 0.6, 9.0), (-1.5, 2.2, 4.0)], 1e-13, 1e-12),
    "hyp2f1": (
        mp.hyp2f1,
        [(1.0, 2.0, 3.0, 0.5), (0.3, 1.7, 2.2, -20.0), (2.5, -0.6, 0.9, 0.95), (-1.5, 2.2, 4.0, -0.7)],
        1e-12,
        1e-11,
    ),
    "hyp0f1": (
        mp.hyp0f1,
        [(1.3, 0.7), (0.6, -20.0), (2.5, -24.9), (2.5, -25.1), (1.5, -400.0), (-1.3, 2.0), (2.2, 300.0)],
        1e-12, 1e-11,
    ),
    "struve": (
        mp.struveh,
        [(0.5, 0.3), (0.0, 3.0), (2.3, 7.0), (1.5, 11.9), (1.5, 12.1), (-0.4, 14.0), (-0.4, 2.0), (3.0, 40.0), (9.0, 13.0)],
        1e-11, 1e-10,
    ),
    "modstruve": (mp.struvel, [(0.5, 0.3), (0.0, 3.0), (2.3, 7.0), (1.5, 30.0), (-0.4, 2.0)], 1e-13, 1e-12),
    "zeta": (mp.zeta, [(2.0, 1.0), (1.05, 0.3), (7.0, 3.3), (1.5, 200.0)], 1e-14, 1e-13),
    "riemann_zeta": (mp.zeta, [(2.0,), (0.5,), (-0.5,), (-0.99,), (-1.01,), (-6.0,), (-12.3,)], 1e-12, 1e-11),
    "binom": (mp.binomial, [(-2.5, 3.0), (5.0, 2.0), (2.0, 5.0), (3.5, -2.0), (200.0, 100.0)], 1e-12, 1e-10),
    "rgamma": (mp.rgamma, [(-2.0,), (0.0,), (-2.3,), (0.7,), (30.0,)], 1e-13, 1e-12),
    "spence": (lambda x: mp.polylog(2, 1 - x), [(1.0 + 1e-9,), (0.85,), (1.15,), (1.3,), (0.01,)], 1e-13, 1e-12),
    "ive": (lambda v, x: mp.besseli(v, x) * mp.exp(-x), [(0.5, 1.0), (2.3, 4.0)], 1e-10, 1e-9),
    "kve": (lambda v, x: mp.besselk(v, x) * mp.exp(x), [(0.5, 1.0), (2.3, 4.0)], 1e-11, 1e-10),
}  # fmt: skip


def differences(f: Any, point: tuple[float, ...]) -> tuple[Any, Any]:
    """Gradient and Hessian by central differences, whose error is far below double precision."""
    n = len(point)
    x = [mp.mpf(v) for v in point]

    def at(*steps: tuple[int, int]) -> Any:
        moved = list(x)
        for i, s in steps:
            moved[i] += s * H
        return f(*moved)

    gradient = [(at((i, 1)) - at((i, -1))) / (2 * H) for i in range(n)]
    hessian = [
        [
            (at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1)) + at((i, -1), (j, -1))) / (4 * H * H)
            for j in range(n)
        ]
        for i in range(n)
    ]
    return np.array(gradient, float), np.array(hessian, float)


@pytest.mark.parametrize(("name", "point"), [(n, p) for n, c in CASES.items() for p in c[1]])
def test_in_all_arguments(name: str, point: tuple[float, ...]) -> None:
    exact, _, first, second = CASES[name]
    f = SPECIAL.get(name) or REGISTRY[name]
    gradient, hessian = differences(exact, point)
    every = tuple(range(len(point)))
    ours = np.array(dualad.grad(f, every)(*point))
    np.testing.assert_allclose(ours, gradient, rtol=0, atol=first * np.abs(gradient).max())
    packed = lambda v: f(*[v[i] for i in every])
    found = dualad.jacfwd(dualad.jacfwd(packed))(np.array(point))
    np.testing.assert_allclose(found, hessian, rtol=0, atol=second * np.abs(hessian).max())
    np.testing.assert_allclose(dualad.jacfwd(dualad.grad(packed))(np.array(point)), found, rtol=1e-9, atol=1e-13)


def test_at_the_ends() -> None:
    """Zero derivatives, not NaN, where the functions are constant in their parameters."""
    for name, point in (
        ("gammainc", (2.0, 0.0)),
        ("gammaincc", (2.0, 0.0)),
        ("betainc", (2.0, 3.0, 0.0)),
        ("betainc", (2.0, 3.0, 1.0)),
    ):
        every = tuple(range(len(point)))
        np.testing.assert_array_equal(dualad.grad(SPECIAL[name], every)(*point), np.zeros(len(point)))


def test_hypergeometric_function_near_its_branch_point() -> None:
    """Its value and derivative in x are everywhere; those in the parameters, where the series converges."""
    f = SPECIAL["hyp2f1"]
    assert abs(dualad.grad(f, 3)(1.0, 2.0, 3.5, 0.999) / mp.diff(lambda x: mp.hyp2f1(1, 2, 3.5, x), 0.999) - 1) < 1e-10
    for x in (0.995, -120.0):
        with pytest.raises(dualad.NotDifferentiable, match=r"computed for -99 <= x <= 0.99; here x reaches"):
            dualad.grad(f)(1.0, 2.0, 3.5, x)


def test_far_tails() -> None:
    """The ratio of the derivative to the function stays right where the function is tiny."""
    for a, x in ((2.0, 60.0), (50.0, 2.0)):
        f = (lambda a: 1 - lower(a, x)) if x > a else (lambda a: lower(a, x))
        exact = (f(mp.mpf(a) + H) - f(mp.mpf(a) - H)) / (2 * H)
        ours = dualad.grad(SPECIAL["gammaincc" if x > a else "gammainc"])(a, x)
        assert abs(float(ours) / float(exact) - 1) < 1e-11


def test_digamma_off_the_real_axis() -> None:
    for z in (1.3 - 0.4j, -3.2 + 0.1j, 25.0 + 3j):
        t = dualad.jvp(SPECIAL["digamma"], (z,), (1 + 0j,))[1]
        assert abs(complex(t) / complex(mp.psi(1, z)) - 1) < 1e-13


def test_derivatives_at_the_middle_of_spence() -> None:
    d = dualad.grad(SPECIAL["spence"])
    np.testing.assert_allclose([d(1.0), dualad.grad(d)(1.0), dualad.grad(dualad.grad(d))(1.0)], [-1, 1 / 2, -2 / 3])


def binomial(n: Any, k: Any) -> Any:
    return mp.gamma(n + 1) * mp.rgamma(k + 1) * mp.rgamma(n - k + 1)


@pytest.mark.parametrize(
    ("n", "k"),
    [(-3 + 1e-9, 2.0), (-3 + 1e-9, 2.3), (-3 + 1e-9, -5 + 1e-9), (2.3, -3 + 1e-8), (-7 + 1e-12, 5.0), (5.0, 7.0)],
)
def test_binom_beside_poles(n: float, k: float) -> None:
    ours = dualad.grad(SPECIAL["binom"], (0, 1))(n, k)
    exact = [mp.diff(lambda n: binomial(n, mp.mpf(k)), n, h=H**3), mp.diff(lambda k: binomial(mp.mpf(n), k), k, h=H**3)]
    np.testing.assert_allclose(ours, np.array(exact, float), rtol=4e-15)
    if k == 2.0:
        np.testing.assert_allclose(dualad.grad(dualad.grad(SPECIAL["binom"]))(n, k), 1, rtol=4e-15)
    compiled = dualad.jit(dualad.grad(SPECIAL["binom"], (0, 1)))
    np.testing.assert_allclose([compiled(n, k), compiled(n, k)], [ours, ours], rtol=4e-15)


@pytest.mark.parametrize(
    ("a", "b"),
    [(-3 + 1e-9, 2.0), (-4 + 1e-8, 2.3), (-1.5, -1.5), (-1.75, 0.75), (2.5, -3.5), (-2.9999, -7.7), (-0.5, 0.5)],
)
def test_beta_beside_poles_and_at_zeros(a: float, b: float) -> None:
    """At its zeros too, where the logarithmic derivative is infinite."""
    f = lambda a, b: mp.gamma(a) * mp.gamma(b) * mp.rgamma(a + b)
    exact = [mp.diff(lambda a: f(a, mp.mpf(b)), a, h=H**3), mp.diff(lambda b: f(mp.mpf(a), b), b, h=H**3)]
    np.testing.assert_allclose(dualad.grad(SPECIAL["beta"], (0, 1))(a, b), np.array(exact, float), rtol=4e-15)
    second = float(mp.diff(lambda a: f(a, mp.mpf(b)), a, 2, h=H**2))
    if abs(a - round(a)) > 1e-3:
        np.testing.assert_allclose(dualad.grad(dualad.grad(SPECIAL["beta"]))(a, b), second, rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(-2.0, 1.0), (-3.0, 2.0), (-50.0, 3.0), (-4.0, 4.0)])
def test_beta_where_two_poles_cancel(a: float, b: float) -> None:
    """At whole b, beta is a rational function of a, smooth at whole a < -b too."""
    f = lambda a: mp.fprod([k + 1 for k in range(int(b) - 1)]) / mp.fprod([a + k for k in range(int(b))])
    log = lambda a: mp.log(abs(f(a)))
    for k in (1, 2) if a + b < 0.5 else ():
        for name, g in (("beta", f), ("betaln", log)):
            ours = SPECIAL[name]
            for _ in range(k):
                ours = dualad.grad(ours)
            np.testing.assert_allclose(ours(a, b), float(mp.diff(g, a, k, h=H**2)), rtol=1e-13)
    slope = dualad.jvp(SPECIAL["beta"], (a, b), (1.0, 0.0))[1]
    np.testing.assert_allclose(slope, float(mp.diff(f, a, h=H**2)), rtol=1e-13)
    assert np.isnan(dualad.grad(SPECIAL["beta"], 1)(a, b)) and np.isnan(dualad.grad(SPECIAL["betaln"], 1)(a, b))


def test_beta_at_poles() -> None:
    """Of first order: its derivative has one sign on both sides."""
    ours = [dualad.grad(SPECIAL["beta"])(a, b) for a, b in [(-2.0, 3.0), (-3.0, 1.5), (0.0, 2.0), (-1.0, 2.5)]]
    beside = [
        mp.diff(lambda a: mp.gamma(a) * mp.rgamma(a + b), a + H, h=H**2)
        for a, b in [(-2, 3), (-3, 1.5), (0, 2), (-1, 2.5)]
    ]
    np.testing.assert_array_equal(ours, [np.copysign(np.inf, float(v)) for v in beside])
