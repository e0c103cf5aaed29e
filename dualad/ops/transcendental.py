"""Exponentials, logarithms, powers, trigonometric and hyperbolic functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor
from dualad.ops import series
from dualad.ops.arithmetic import equal, where
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, pair, real, several

LOG2, LOG10 = math.log(2), math.log(10)

exp = elementwise("exp", np.exp, (lambda y, x: y,), keep="y", taylor=series.exp, samples=real(-3, 3, complex=True))
exp2 = elementwise("exp2", np.exp2, (lambda y, x: y * LOG2,), keep="y", samples=real(-3, 3))
expm1 = elementwise("expm1", np.expm1, (lambda y, x: y + 1,), keep="y", samples=real(-3, 3))
log = elementwise("log", np.log, (lambda y, x: 1 / x,), keep="x", singular=True, samples=real(0.2, 3, complex=True))
log2 = elementwise("log2", np.log2, (lambda y, x: 1 / (x * LOG2),), keep="x", singular=True, samples=real(0.2, 3))
log10 = elementwise("log10", np.log10, (lambda y, x: 1 / (x * LOG10),), keep="x", singular=True, samples=real(0.2, 3))
log1p = elementwise("log1p", np.log1p, (lambda y, x: 1 / (1 + x),), keep="x", singular=True, samples=real(-0.5, 3))
logaddexp = elementwise(
    "logaddexp",
    np.logaddexp,
    (lambda y, a, b: exp(a - y), lambda y, a, b: exp(b - y)),
    keep="xy",
    singular=True,  # both -inf
    taylor=lambda c, order: series.log_of_sum(c, order, logaddexp, 1.0),
    samples=pair((-3, 3), (-3, 3)),
)
logaddexp2 = elementwise(
    "logaddexp2",
    np.logaddexp2,
    (lambda y, a, b: exp2(a - y), lambda y, a, b: exp2(b - y)),
    keep="xy",
    singular=True,
    taylor=lambda c, order: series.log_of_sum(c, order, logaddexp2, LOG2),
    samples=pair((-3, 3), (-3, 3)),
)


def _power_by_base(y: Any, a: Any, b: Any) -> Any:
    """b a^(b-1), and 0 where b = 0, also at a = 0: so polynomials have all their derivatives everywhere."""
    if type(b) is not Tensor:
        if type(b) is int or type(b) is float or np.ndim(b) == 0:
            return 2 * a if b == 2 else b * a ** (b - 1) if b != 0 else a * 0
        if b.dtype.kind in "iu":
            b = b.astype(float if a.dtype.kind != "c" else a.dtype)
    none = equal(b, 0)
    return where(none, 0.0, b * power(a, where(none, 1.0, b - 1)))


def _power_by_exponent(y: Any, a: Any, b: Any) -> Any:
    """a^b log a, and 0 at a = 0."""
    zero = equal(a, 0)
    return where(zero, 0.0, power(a, b) * log(where(zero, 1.0, a)))


# The base's partial does without y: then Taylor coefficients take one pass per order, not two to the order.
power = elementwise(
    "power",
    np.power,
    (_power_by_base, _power_by_exponent),
    keep="x",
    singular=True,
    operator="**",
    taylor=lambda c, order: series.power(c, order),
    samples=several(
        pair((0.3, 2), (-2, 3), complex=True),
        lambda: [Sample((np.array([0.0, 0.0, -2.0, 0.0]), np.array([0, 2, 3, 1])), degenerate=True)],
    ),
)
sqrt = elementwise(
    "sqrt", np.sqrt, (lambda y, x: 0.5 / y,), keep="y", singular=True, samples=real(0.2, 3, complex=True)
)
cbrt = elementwise("cbrt", np.cbrt, (lambda y, x: 1 / (3 * y * y),), keep="y", singular=True, samples=real(0.2, 3))
square = elementwise("square", np.square, (lambda y, x: 2 * x,), keep="x", samples=real(-3, 3, 0.0, complex=True))
reciprocal = elementwise(
    "reciprocal", np.reciprocal, (lambda y, x: -y * y,), keep="y", samples=real(0.5, 3, complex=True)
)

sin = elementwise(
    "sin", np.sin, (lambda y, x: cos(x),), keep="x", taylor=series.circular(0, -1), samples=real(-3, 3, complex=True)
)
cos = elementwise(
    "cos", np.cos, (lambda y, x: -sin(x),), keep="x", taylor=series.circular(1, -1), samples=real(-3, 3, complex=True)
)
tan = elementwise("tan", np.tan, (lambda y, x: 1 + y * y,), keep="y", samples=real(-1.2, 1.2, complex=True))
arcsin = elementwise(
    "arcsin", np.arcsin, (lambda y, x: 1 / sqrt(1 - x * x),), keep="x", singular=True, samples=real(-0.9, 0.9)
)
arccos = elementwise(
    "arccos", np.arccos, (lambda y, x: -1 / sqrt(1 - x * x),), keep="x", singular=True, samples=real(-0.9, 0.9)
)
arctan = elementwise("arctan", np.arctan, (lambda y, x: 1 / (1 + x * x),), keep="x", samples=real(-3, 3))


def _norm2(a: Any, b: Any) -> Any:
    return a * a + b * b


arctan2 = elementwise(
    "arctan2",
    np.arctan2,
    (lambda y, a, b: b / _norm2(a, b), lambda y, a, b: -a / _norm2(a, b)),
    keep="x",
    singular=True,
    samples=pair((-3, 3), (0.5, 3)),
)


def _unless_zero(y: Any, a: Any) -> Any:
    """a / y, and 0 at the tip of the cone."""
    tip = equal(y, 0)
    return where(tip, 0.0, a / where(tip, 1.0, y))


hypot = elementwise(
    "hypot",
    np.hypot,
    (lambda y, a, b: _unless_zero(y, a), lambda y, a, b: _unless_zero(y, b)),
    keep="xy",
    samples=pair((-3, 3), (0.5, 3), (0.0, 1.0)),
)
sinh = elementwise(
    "sinh", np.sinh, (lambda y, x: cosh(x),), keep="x", taylor=series.circular(0, 1), samples=real(-3, 3, complex=True)
)
cosh = elementwise(
    "cosh", np.cosh, (lambda y, x: sinh(x),), keep="x", taylor=series.circular(1, 1), samples=real(-3, 3, complex=True)
)
tanh = elementwise("tanh", np.tanh, (lambda y, x: (1 - y) * (1 + y),), keep="y", samples=real(-3, 3, complex=True))
arcsinh = elementwise("arcsinh", np.arcsinh, (lambda y, x: 1 / sqrt(x * x + 1),), keep="x", samples=real(-3, 3))
arccosh = elementwise(
    "arccosh",
    np.arccosh,
    (lambda y, x: 1 / (sqrt(x - 1) * sqrt(x + 1)),),
    keep="x",
    singular=True,
    samples=real(1.2, 3),
)
arctanh = elementwise(
    "arctanh", np.arctanh, (lambda y, x: 1 / (1 - x * x),), keep="x", singular=True, samples=real(-0.9, 0.9)
)
deg2rad = elementwise(
    "deg2rad", np.deg2rad, (lambda y, x: math.pi / 180,), numpy=(np.deg2rad, np.radians), samples=real(-90, 90)
)
rad2deg = elementwise(
    "rad2deg", np.rad2deg, (lambda y, x: 180 / math.pi,), numpy=(np.rad2deg, np.degrees), samples=real(-3, 3)
)


def _sinc_derivative(n: Any, x: Any) -> Any:
    """The n-th derivative of sin(z)/z: by its power series for small z, by z S_n = sin^(n)(z) - n S_(n-1) for large."""
    n, x = np.broadcast_arrays(n, x)
    out = np.empty(x.shape, x.dtype)
    for k in np.unique(n):
        here = n == k
        z = x[here].astype(float)
        small = np.abs(z) <= max(1.5, k)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = np.sin(z) / z
            for j in range(1, int(k) + 1):
                s = (np.sin(z + j * np.pi / 2) - j * s) / z
        total = np.zeros_like(z)
        for m in range((int(k) + 1) // 2, (int(k) + 1) // 2 + 30):
            # d^k of (-1)^m z^(2m) / (2m+1)!
            total += (-1) ** m * z ** (2 * m - k) / (math.factorial(2 * m - int(k)) * (2 * m + 1))
        out[here] = np.where(small, total, s)
    return out[()]


def _order_is_fixed(y: Any, n: Any, x: Any) -> Any:
    raise TypeError("sinc_derivative: the order is an integer")


sinc_derivative = elementwise(
    "sinc_derivative",
    _sinc_derivative,
    (_order_is_fixed, lambda y, n, x: sinc_derivative(n + 1, x)),
    keep="x",
    samples=lambda: [
        Sample((np.zeros(4, int), np.array([0.0, 0.3, -2.0, 9.0]))),
        Sample((np.int64(0), np.float64(1.2))),
    ],
    source="the recurrence follows from differentiating z S(z) = sin z",
)
