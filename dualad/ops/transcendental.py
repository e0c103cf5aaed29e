"""Exponentials, logarithms, powers, trigonometric and hyperbolic functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.ops import series
from dualad.ops.arithmetic import equal, quotient, stop_gradient, strong_multiply, where
from dualad.ops.kinds import elementwise, silent
from dualad.ops.samples import Sample, pair, real, several
from dualad.ops.shape import astype

LOG2, LOG10 = math.log(2), math.log(10)

# Exponentials and logarithms ----------------------------------------------------------------------

exp = elementwise("exp", np.exp, (lambda y, x: y,), keep="y", taylor=series.exp, samples=real(-3, 3, complex=True))
exp2 = elementwise(
    "exp2",
    np.exp2,
    (lambda y, x: y * LOG2,),
    keep="y",
    taylor=lambda c, order: series.exp([[LOG2 * v for v in c[0]]], order, exp2(c[0][0])),
    samples=real(-3, 3),
)
# Not y + 1, in which the derivative far on the left is lost.
expm1 = elementwise(
    "expm1",
    np.expm1,
    (lambda y, x: exp(x),),
    keep="x",
    taylor=lambda c, order: [expm1(c[0][0]), *series.exp(c, order)[1:]],
    samples=real(-3, 3, complex=True),
)
log = elementwise(
    "log", np.log, (silent(lambda y, x: quotient(1, x)),), keep="x", singular=True, samples=real(0.2, 3, complex=True)
)
log2 = elementwise(
    "log2", np.log2, (silent(lambda y, x: quotient(1 / LOG2, x)),), keep="x", singular=True, samples=real(0.2, 3)
)
log10 = elementwise(
    "log10", np.log10, (silent(lambda y, x: quotient(1 / LOG10, x)),), keep="x", singular=True, samples=real(0.2, 3)
)
log1p = elementwise(
    "log1p",
    np.log1p,
    (silent(lambda y, x: quotient(1, 1 + x)),),
    keep="x",
    singular=True,
    samples=real(-0.5, 3, complex=True),
)


def _logistic(a: Any, b: Any) -> Any:
    with np.errstate(invalid="ignore"):
        d = a - b
        # Infinite and equal: neither is the larger.
        d = np.where(np.equal(a, b), 0, d)[()]
        e = np.exp(-np.abs(d))
    return np.where(d < 0, e, 1)[()] / (1 + e)


# 1 / (1 + e^(b - a)): what share a has in e^a + e^b; never overflows.
logistic_share = elementwise(
    "logistic_share",
    _logistic,
    (
        lambda y, a, b: logistic_share(a, b) * logistic_share(b, a),
        lambda y, a, b: -logistic_share(a, b) * logistic_share(b, a),
    ),
    keep="x",
    taylor=lambda c, order: series.logistic_share(c, order),
    samples=pair((-3, 3), (-3, 3)),
)
logaddexp = elementwise(
    "logaddexp",
    np.logaddexp,
    (lambda y, a, b: logistic_share(a, b), lambda y, a, b: logistic_share(b, a)),
    keep="x",
    samples=pair((-3, 3), (-3, 3), (1000.0, 0.0)),
)
logaddexp2 = elementwise(
    "logaddexp2",
    np.logaddexp2,
    (
        lambda y, a, b: logistic_share(a * LOG2, b * LOG2),
        lambda y, a, b: logistic_share(b * LOG2, a * LOG2),
    ),
    keep="x",
    samples=pair((-3, 3), (-3, 3)),
)

# Powers and roots ---------------------------------------------------------------------------------


def _power(a: Any, b: Any) -> Any:
    # The operator knows squares, and is faster on scalars.
    return a**b if type(a) is np.ndarray or type(a) is np.float64 else np.power(a, b)


@silent
def _power_by_base(y: Any, a: Any, b: Any) -> Any:
    """b a^(b-1); 0 where b = 0, also at a = 0: so polynomials have all their derivatives everywhere."""
    if type(b) is int or type(b) is float:
        if b == 2:
            return 2 * a
        if b > 1:
            return b * power(a, b - 1)
        if b == 1 or b == 0:
            return float(b)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if not hasattr(b, "dtype"):
            return b * power(a, b - 1)
        if b.dtype.kind in "iub":
            b = astype(b, dtype=np.result_type(a.dtype, b.dtype))
        return strong_multiply(b, power(a, b - 1))


def _power_by_exponent(y: Any, a: Any, b: Any) -> Any:
    """a^b log a; 0 where a^b = 0, with all its derivatives."""
    if type(a) is int or type(a) is float:
        if a == 0:
            return strong_multiply(stop_gradient(power(a, b)), -math.inf)
        return power(a, b) * (math.log(a) if a > 0 else math.nan)
    y = power(a, b)
    y = where(equal(a, 0), stop_gradient(y), y)
    return strong_multiply(y, log(astype(a, dtype=y.dtype) if a.dtype.kind in "iub" else a))


# Without y: then Taylor coefficients take one pass per order, not two to the order.
power = elementwise(
    "power",
    _power,
    (_power_by_base, _power_by_exponent),
    keep="x",
    singular=True,
    operator="**",
    numpy=np.power,
    taylor=lambda c, order: series.power(c, order),
    samples=several(
        pair((0.3, 2), (-2, 3), complex=True),
        lambda: [Sample((np.array([0.5, 2.0, -2.0]), n)) for n in (0, 1, 2, 3, -1, np.array([-2, 3, 2]))],
        lambda: [Sample((np.array([0.5, 2.0]), p)) for p in (2.0, np.float64(-2), -1.5)],
        lambda: [Sample((2, np.array([0.5, -2.0]))), Sample((3, np.array([0.5, -2.0], np.float32)))],
        lambda: [Sample((np.zeros(4), np.arange(4)), degenerate=True)],
    ),
)
power.__doc__ = """``np.power``. In the base, b a^(b-1) is 0 where b is 0, at a = 0 too; in the exponent, a^b log a is 0 where
a^b is 0 (and -inf at 0**0)."""
sqrt = elementwise(
    "sqrt",
    np.sqrt,
    (silent(lambda y, x: quotient(0.5, y)),),
    keep="y",
    singular=True,
    samples=real(0.2, 3, complex=True),
)
cbrt = elementwise(
    "cbrt",
    np.cbrt,
    (silent(lambda y, x: quotient(quotient(1 / 3, y), y)),),  # y * y would make NaN of 0 times infinity
    keep="y",
    singular=True,
    samples=several(real(0.2, 3), real(-3, -0.2)),
)
square = elementwise("square", np.square, (lambda y, x: 2 * x,), keep="x", samples=real(-3, 3, 0.0, complex=True))
reciprocal = elementwise(
    "reciprocal",
    np.reciprocal,
    (lambda y, x: -strong_multiply(y, y),),
    keep="y",
    singular=True,
    samples=real(0.5, 3, complex=True),
)


def _unless_zero(a: Any, y: Any) -> Any:
    """a / y, and 0 at the tip of the cone."""
    tip = equal(y, 0)
    return where(tip, 0.0, a / where(tip, 1.0, y))


hypot = elementwise(
    "hypot",
    np.hypot,
    (lambda y, a, b: _unless_zero(a, y), lambda y, a, b: _unless_zero(b, y)),
    keep="xy",
    samples=several(
        pair((-3, 3), (0.5, 3), (0.0, 1.0)), lambda: [Sample((np.zeros(2), np.zeros(2)), degenerate=True, order=1)]
    ),
)
hypot.__doc__ = "``np.hypot``; its derivative at (0, 0) is 0."

# Trigonometric functions --------------------------------------------------------------------------

sin = elementwise(
    "sin", np.sin, (lambda y, x: cos(x),), keep="x", taylor=series.circular(0, -1), samples=real(-3, 3, complex=True)
)
cos = elementwise(
    "cos", np.cos, (lambda y, x: -sin(x),), keep="x", taylor=series.circular(1, -1), samples=real(-3, 3, complex=True)
)
tan = elementwise("tan", np.tan, (lambda y, x: 1 + y * y,), keep="y", samples=real(-1.2, 1.2, complex=True))


def _one_minus_square(x: Any) -> Any:
    """1 - x^2. Of complex numbers on a branch cut the sign of zero is the side: 1 + x and 1 - x would lose it."""
    return -((x - 1) * (x - -1)) if x.dtype.kind == "c" else (1 - x) * (1 + x)


arcsin = elementwise(
    "arcsin",
    np.arcsin,
    (lambda y, x: quotient(1, sqrt(_one_minus_square(x))),),
    keep="x",
    singular=True,
    samples=real(-0.9, 0.9, complex=True),
)
arccos = elementwise(
    "arccos",
    np.arccos,
    (lambda y, x: quotient(-1, sqrt(_one_minus_square(x))),),
    keep="x",
    singular=True,
    samples=real(-0.9, 0.9, complex=True),
)
arctan = elementwise(
    "arctan", np.arctan, (lambda y, x: 1 / (1 + x * x),), keep="x", samples=real(-0.9, 0.9, complex=True)
)


def _over_square(a: Any, x: Any, y: Any) -> Any:
    """a / (x^2 + y^2), whose squares do not underflow."""
    r = hypot(x, y)
    return quotient(quotient(a, r), r)


arctan2 = elementwise(
    "arctan2",
    np.arctan2,
    (lambda y, a, b: _over_square(b, a, b), lambda y, a, b: -_over_square(a, a, b)),
    keep="x",
    singular=True,
    samples=several(pair((-3, 3), (0.5, 3)), pair((-3, 3), (-3, -0.5))),
)
deg2rad = elementwise(
    "deg2rad", np.deg2rad, (lambda y, x: math.pi / 180,), numpy=(np.deg2rad, np.radians), samples=real(-90, 90)
)
rad2deg = elementwise(
    "rad2deg", np.rad2deg, (lambda y, x: 180 / math.pi,), numpy=(np.rad2deg, np.degrees), samples=real(-3, 3)
)

# Hyperbolic functions -----------------------------------------------------------------------------

sinh = elementwise(
    "sinh", np.sinh, (lambda y, x: cosh(x),), keep="x", taylor=series.circular(0, 1), samples=real(-3, 3, complex=True)
)
cosh = elementwise(
    "cosh", np.cosh, (lambda y, x: sinh(x),), keep="x", taylor=series.circular(1, 1), samples=real(-3, 3, complex=True)
)
tanh = elementwise("tanh", np.tanh, (lambda y, x: (1 - y) * (1 + y),), keep="y", samples=real(-3, 3, complex=True))
arcsinh = elementwise(
    "arcsinh",
    np.arcsinh,
    (lambda y, x: 1 / (hypot(x, 1) if x.dtype.kind != "c" else sqrt(x * x - -1)),),
    keep="x",
    samples=real(-0.9, 3, complex=True),
)
arccosh = elementwise(
    "arccosh",
    np.arccosh,
    (lambda y, x: quotient(1, sqrt(x - 1) * sqrt(x - -1)),),
    keep="x",
    singular=True,
    samples=real(1.2, 3, complex=True),
)
arctanh = elementwise(
    "arctanh",
    np.arctanh,
    (lambda y, x: quotient(1, (1 - x) * (1 + x)),),
    keep="x",
    singular=True,
    samples=real(-0.9, 0.9, complex=True),
)

# Cardinal sine ------------------------------------------------------------------------------------


def _sinc_derivative(n: Any, x: Any) -> Any:
    n, x = np.broadcast_arrays(n, x)
    out = np.empty(x.shape, x.dtype if x.dtype.kind in "fc" else float)
    nodes, weights = np.polynomial.legendre.leggauss(48)
    t, weights = (nodes + 1) / 2, weights / 2
    for k in np.unique(n).tolist():
        here = n == k
        z = x[here].astype(np.result_type(x.dtype, float))
        large = np.abs(z) > max(8, k)
        # z S_k = sin^(k)(z) - k S_(k-1) is stable for large z; else S_k is the integral of t^k cos^(k)(z t) over (0, 1).
        u = z[large]
        s = np.sin(u) / u
        for j in range(1, k + 1):
            s = (np.sin(u + j * np.pi / 2) - j * s) / u
        values = np.empty_like(z)
        values[large] = s
        values[~large] = np.cos(np.multiply.outer(z[~large], t) + k * np.pi / 2) @ (weights * t**k)
        out[here] = values
    return out[()]


def _fixed_order(y: Any, n: Any, x: Any) -> Any:
    raise NotDifferentiable("sinc_derivative has no derivative in its order n, an integer")


# The n-th derivative of sin(x)/x.
sinc_derivative = elementwise(
    "sinc_derivative",
    _sinc_derivative,
    (_fixed_order, lambda y, n, x: sinc_derivative(n + 1, x)),
    keep="x",
    samples=lambda: [
        Sample((np.zeros(4, int), np.array([0.0, 0.3, -2.0, 9.0]))),
        Sample((np.int64(0), np.float64(1.2))),
    ],
)
sinc = elementwise(
    "sinc",
    np.sinc,
    (lambda y, x: math.pi * sinc_derivative(1, math.pi * x),),
    keep="x",
    numpy=np.sinc,
    samples=real(-3, 3, 0.0, 1e-9, 1.0),
)
