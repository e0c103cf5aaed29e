"""Bessel functions, with derivatives of every order in their argument and in their order.

SciPy evaluates the functions; the derivatives in x are by recurrence (DLMF 10.6.1, 10.29.1). The p-th derivative in the
order v obeys the same recurrences, since these do not contain v; its values are integrals (DLMF 10.9.6, 10.9.7, 10.32.4,
10.32.9, differentiated under the integral sign), for x > 0, by Gauss-Legendre quadrature. Their error is relative to the largest
value of the integrand: digits are lost where the function is much smaller (jv and iv at orders far above x).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.ops.arithmetic import sign
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples, real
from dualad.ops.special import _declare, _fixed, precision
from dualad.ops.transcendental import exp


@functools.cache
def _gauss(n: int) -> tuple[Any, Any]:
    return np.polynomial.legendre.leggauss(n)


def _circle(f: Callable[[Any], Any]) -> Any:
    """int_0^pi f(theta) d theta / pi."""
    nodes, weights = _gauss(200)
    return (f(np.pi * 0.5 * (nodes + 1)) * weights).sum(-1) * 0.5


def _ray(f: Callable[[Any], Any], x: Any, v: Any) -> Any:
    """int_0^inf f(t) dt / pi, of an f that has decayed when x sinh t exceeds 750 + |v| t."""
    nodes, weights = _gauss(300)
    end = np.arcsinh((800 + 40 * np.abs(v)) / x)
    return (f(end * 0.5 * (nodes + 1)) * weights).sum(-1) * 0.5 * end[..., 0] / np.pi


def _jv(p: Any, v: Any, x: Any) -> Any:
    wave = _circle(lambda u: np.real((-1j * u) ** p * np.exp(1j * (x * np.sin(u) - v * u))))
    return wave - _ray(lambda t: np.imag((1j * np.pi - t) ** p * np.exp((1j * np.pi - t) * v - x * np.sinh(t))), x, v)


def _yv(p: Any, v: Any, x: Any) -> Any:
    def tail(t: Any) -> Any:
        falling = np.real((1j * np.pi - t) ** p * np.exp((1j * np.pi - t) * v - x * np.sinh(t)))
        return t**p * np.exp(v * t - x * np.sinh(t)) + falling

    return _circle(lambda u: np.imag((-1j * u) ** p * np.exp(1j * (x * np.sin(u) - v * u)))) - _ray(tail, x, v)


def _iv(p: Any, v: Any, x: Any) -> Any:
    wave = _circle(lambda u: np.real((1j * u) ** p * np.exp(1j * v * u + x * np.cos(u))))
    return wave - _ray(lambda t: np.imag((1j * np.pi - t) ** p * np.exp((1j * np.pi - t) * v - x * np.cosh(t))), x, v)


def _kv(p: Any, v: Any, x: Any) -> Any:
    def f(t: Any) -> Any:
        rising, falling = np.exp(v * t - x * np.cosh(t)), np.exp(-v * t - x * np.cosh(t))
        return np.pi * t**p * 0.5 * (rising + (-1.0) ** p * falling)

    return _ray(f, x, v)


def _by_order(f: Callable[..., Any]) -> Callable[..., Any]:
    """The integral for x > 0, NaN elsewhere, in the precision of the arguments."""

    def impl(p: Any, v: Any, x: Any) -> Any:
        dtype = precision(v, x)
        p, v, x = (a[..., None] for a in np.broadcast_arrays(p, np.asarray(v, float), np.asarray(x, float)))
        with np.errstate(all="ignore"):
            y = np.where(x[..., 0] > 0, f(p, v, np.where(x > 0, x, 1.0)), np.nan)
        return y.astype(dtype)[()]

    return impl


def _orders(x: tuple[float, float]) -> Samples:
    def samples() -> list[Sample]:
        rng = np.random.default_rng(13)
        return [Sample((np.array(p), rng.uniform(0.2, 3, 3), rng.uniform(*x, 3))) for p in (1, 2)]

    return samples


def _family(name: str, integral: Any, a: float, b: float, singular: bool) -> tuple[Any, Any]:
    """``name(v, x)`` with y' = a y(v-1) + b y(v+1), and its derivatives in the order."""

    def samples() -> list[Sample]:
        rng = np.random.default_rng(14)
        whole = [Sample((np.array([k]), rng.uniform(0.5, 4, 3))) for k in (0, 2)]
        return [*whole, Sample((rng.uniform(0.2, 3, 3), rng.uniform(2, 4, 3)))]

    derivative: Any = None
    function: Any = None
    derivative = elementwise(
        f"{name}_in_order",
        _by_order(integral),
        (
            _fixed(f"{name}_in_order", "p"),
            lambda y, p, v, x: derivative(p + 1, v, x),
            lambda y, p, v, x: a * derivative(p, v - 1, x) + b * derivative(p, v + 1, x),
        ),
        keep="x",
        singular=singular,
        samples=_orders((2, 4)),
        source="DLMF 10.9, 10.32",
    )
    function = _declare(
        name,
        (
            lambda y, v, x: derivative(1, v, x),
            lambda y, v, x: a * function(v - 1, x) + b * function(v + 1, x),
        ),
        *({"jv": ("jn",), "yv": ("yn",)}.get(name, ())),
        keep="x",
        singular=singular,
        samples=samples,
        source="DLMF 10.6.1, 10.29.1",
    )
    return function, derivative


jv, jv_in_order = _family("jv", _jv, 0.5, -0.5, False)
yv, yv_in_order = _family("yv", _yv, 0.5, -0.5, True)
iv, iv_in_order = _family("iv", _iv, 0.5, 0.5, False)
kv, kv_in_order = _family("kv", _kv, -0.5, -0.5, True)

# Of order 1 by the neighbouring orders: a rule with y / x has a limit at 0, whose own derivatives would be those of a constant.

j0 = _declare("j0", (lambda y, x: -j1(x),), keep="x", samples=real(-4, 4, 0.0))
j1 = _declare("j1", (lambda y, x: 0.5 * (j0(x) - jv(2, x)),), keep="x", samples=real(-4, 4, 0.0))
y0 = _declare("y0", (lambda y, x: -y1(x),), keep="x", singular=True, samples=real(0.5, 4))
y1 = _declare("y1", (lambda y, x: y0(x) - y / x,), keep="xy", singular=True, samples=real(0.5, 4))
i0 = _declare("i0", (lambda y, x: i1(x),), keep="x", samples=real(-4, 4, 0.0))
i1 = _declare("i1", (lambda y, x: 0.5 * (i0(x) + iv(2, x)),), keep="x", samples=real(-4, 4, 0.0))
k0 = _declare("k0", (lambda y, x: -k1(x),), keep="x", singular=True, samples=real(0.5, 4))
k1 = _declare("k1", (lambda y, x: -k0(x) - y / x,), keep="xy", singular=True, samples=real(0.5, 4))

# Scaled by e^-|x| (i) and e^x (k).

i0e = _declare("i0e", (lambda y, x: i1e(x) - sign(x) * y,), keep="xy", samples=real(0.2, 4))
i1e = _declare("i1e", (lambda y, x: 0.5 * (i0e(x) + ive(2, x)) - sign(x) * y,), keep="xy", samples=real(0.2, 4))
k0e = _declare("k0e", (lambda y, x: y - k1e(x),), keep="xy", singular=True, samples=real(0.5, 4))
k1e = _declare("k1e", (lambda y, x: y - k0e(x) - y / x,), keep="xy", singular=True, samples=real(0.5, 4))


def _scaled_samples() -> list[Sample]:
    rng = np.random.default_rng(15)
    return [Sample((np.array([2]), rng.uniform(0.5, 4, 3))), Sample((rng.uniform(0.2, 3, 3), rng.uniform(0.5, 4, 3)))]


def _ive_in_x(y: Any, v: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        raise NotDifferentiable(
            "scipy.special.ive of a complex x contains exp(-|Re x|), which is not holomorphic. Write iv(v, x) and a factor."
        )
    return 0.5 * (ive(v - 1, x) + ive(v + 1, x)) - sign(x) * y


ive = _declare(
    "ive",
    (
        lambda y, v, x: exp(-x * sign(x)) * iv_in_order(1, v, x),
        _ive_in_x,
    ),
    keep="xy",
    samples=_scaled_samples,
)
kve = _declare(
    "kve",
    (
        lambda y, v, x: exp(x) * kv_in_order(1, v, x),
        lambda y, v, x: y - 0.5 * (kve(v - 1, x) + kve(v + 1, x)),
    ),
    keep="xy",
    singular=True,
    samples=_scaled_samples,
)
