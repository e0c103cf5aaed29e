"""Hyperbolic functions and their inverses, by exponentials and logarithms that keep what rounding loses.

Source: W. J. Cody, W. Waite (1980), ch. 9 and 12; for the inverses W. Kahan, "Branch cuts for complex elementary functions",
1987.
"""

from __future__ import annotations

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.exponential import LN2, LN2_REST, LOG2E, exponential
from dualad.native.vectormath.lanes import (
    ROUNDER,
    Function,
    Number,
    least,
    most,
    multiply_add,
    polynomial,
    power_of_two,
    rounded,
    scaled,
    where,
    with_sign,
)
from dualad.native.vectormath.logarithm import INFINITY, NAN, log_of_one_plus, log_of_one_plus_or_double
from dualad.native.vectormath.pairs import exact_product, exact_sum, fast_sum, over, plus, plus_number, quotient, root

# (e^2r - 1 - 2 r) / 2, over r^2.
TWICE_GROWTH = [c * 2.0 ** (k + 1) for k, c in enumerate(coefficients.EXP)]


def tanh(x: Number) -> Number:
    # E / (E + 2) with E = e^2a - 1 = 2^n (1 + p) - 1 and p = e^2r - 1; from a = 22 on it is 1.
    a = least(abs(x), 22.0)
    n, k = rounded(a, 2.0 * LOG2E, ROUNDER + 1024.0)
    double = (k << 52).number()  # 2^(n + 1)
    r = multiply_add(n, -0.5 * LN2, a)  # exact when fused, since n is small
    base = multiply_add(double, 0.5, -1.0)  # where this is not exact, the quotient does not notice
    high = multiply_add(double, r, base)
    growth = multiply_add(r * r, polynomial(r, TWICE_GROWTH), n * (-0.5 * LN2_REST))
    top, low = fast_sum(high, multiply_add(double, growth, multiply_add(double, r, base - high)))
    below, rest = fast_sum(2.0, top)  # exact up to 2^54; from there on the quotient is 1, less than an ulp off
    return with_sign(quotient((top, low), (below, rest + low)), x)


def _halves(x: Number) -> tuple[Number, Number, Number, Number]:
    """e^|x| as a pair and e^-|x|, both divided by 2^n, and n."""
    (p, q), n = exponential((least(abs(x), 720.0), x.lanes.number(0.0)))
    # From n = 60 on the smaller one no longer counts.
    return p, q, power_of_two(least(n, 60.0) * -2.0) / p, n


def sinh(x: Number) -> Number:
    size = abs(x)
    z = size * size
    near = multiply_add(size * z, polynomial(z, coefficients.SINH), size)
    p, q, small, n = _halves(x)
    high, low = fast_sum(p, -small)
    return with_sign(where(size < 1.0, near, scaled(high + (low + q), n - 1.0)), x)


def cosh(x: Number) -> Number:
    p, q, small, n = _halves(x)
    high, low = fast_sum(p, small)
    return scaled(high + (low + q), n - 1.0)


def arcsinh(x: Number) -> Number:
    # log(1 + (a + a^2 / (1 + sqrt(1 + a^2)))); beyond 2^28, log(2 a).
    size = abs(x)
    a = most(least(size, 2.0**28), 2.0**-30)  # squares that underflow are slow
    square = exact_product(a, a)
    s = root(plus_number(square, 1.0))
    u = plus_number(over(square, plus_number(fast_sum(*s), 1.0)), a)
    y = log_of_one_plus_or_double(u, size > 2.0**28, size)
    y = where(size < INFINITY, y, size)
    return with_sign(where(size < 2.0**-28, size, y), x)


def arccosh(x: Number) -> Number:
    # log(1 + t + sqrt(t (t + 2))) with t = x - 1; beyond 2^28, log(2 x).
    v = least(x, 2.0**28)
    t = v - 1.0
    square, rest = exact_product(t, t)
    s = root(plus((square, rest), (2.0 * t, t * 0.0)))
    y = log_of_one_plus_or_double(plus_number(fast_sum(*s), t), x > 2.0**28, x)
    y = where(x < INFINITY, y, x)
    return where(x < 1.0, NAN, where(x.equals(1.0), 0.0, y))


def arctanh(x: Number) -> Number:
    # log(1 + 2 a / (1 - a)) / 2
    size = abs(x)
    below = exact_sum(1.0, -size)
    y = 0.5 * log_of_one_plus(fast_sum(*over((2.0 * size, size * 0.0), below)))
    y = where(size < 1.0, y, where(size > 1.0, NAN, INFINITY))
    y = where(size.is_nan() | (size < 2.0**-28), size, y)
    return with_sign(y, x)


FUNCTIONS: dict[str, Function] = {
    "tanh": tanh,
    "sinh": sinh,
    "cosh": cosh,
    "arcsinh": arcsinh,
    "arccosh": arccosh,
    "arctanh": arctanh,
}
