"""Powers and roots.

Source: P. W. Markstein's and J.-M. Muller's accounts of powers by a logarithm of extra precision (Muller, Elementary Functions,
3rd ed., 2016, 13.3); special values of IEEE 754-2019, 9.2.1. Cube root: W. Kahan, "Computing a real cube root" (1991).
"""

from __future__ import annotations

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.exponential import exponential
from dualad.native.vectormath.lanes import (
    Function,
    Number,
    floor,
    least,
    most,
    multiply_add,
    polynomial,
    power_of_two,
    rarely,
    rounded,
    scaled,
    sqrt,
    where,
    with_sign,
)
from dualad.native.vectormath.logarithm import INFINITY, NAN, logarithm, normal, power_near
from dualad.native.vectormath.pairs import exact_product, fast_sum, root


def power(x: Number, y: Number) -> Number:
    size = abs(x)
    v, shift = normal(size)
    # A larger exponent overflows or underflows whatever the base is, 1 apart.
    exponent = most(least(y, 2.0**70), -(2.0**70))
    log, rest = logarithm(v, shift=shift)
    high, low = exact_product(exponent, log)
    low = multiply_add(exponent, rest, low)
    beyond = abs(high) < 800.0
    high = most(least(high, 800.0), -800.0)
    (p, q), n = exponential((high, where(beyond, low, 0.0)))
    result = scaled(p + q, n)

    usual = (x > 0.0) & (x < INFINITY) & (abs(y) < INFINITY)
    return rarely(~usual, [result], lambda: [_special_power(x, y, result)])[0]


def _special_power(x: Number, y: Number, result: Number) -> Number:
    """x^y for every x and y, given |x|^y where both are finite and x is not 0."""
    size, rising = abs(x), y > 0.0
    result = where(size.equals(INFINITY) | size.equals(0.0), where(size.equals(0.0) ^ rising, INFINITY, 0.0), result)
    result = where(abs(y).equals(INFINITY), where((size > 1.0) ^ rising, 0.0, INFINITY), result)
    whole = floor(y).equals(y)
    half = y * 0.5
    odd = whole & (floor(half) < half)
    result = where(odd, with_sign(result, x), result)
    result = where((x < 0.0) & (size < INFINITY) & ~whole, NAN, result)
    result = where(x.is_nan() | y.is_nan(), NAN, result)
    minus_one_to_infinity = size.equals(1.0) & abs(y).equals(INFINITY)
    return where(y.equals(0.0) | x.equals(1.0) | minus_one_to_infinity, 1.0, result)


def cbrt(x: Number) -> Number:
    size = abs(x)
    tiny = size < 2.0**-1022
    size = where(tiny, size * 2.0**54, size)
    exponent = ((size.bits() >> 52) | 0x4330000000000000).number() - (2.0**52 + 1023)
    third, _ = rounded((exponent - 1.0) * (1 / 3))
    # size = m 2^(3 third) with 1 <= m < 8; in two factors, since 2^(3 third) may overflow.
    first, second = power_of_two(third * -1.0), power_of_two(third * -2.0)
    m = size * first * second
    t = polynomial(m, coefficients.CBRT)
    t = multiply_add(t, (m - t * t * t) / (m + 2.0 * t * t * t), t)  # Halley: three times the digits
    square, rest = exact_product(t, t)
    cube, lost = exact_product(square, t)
    residual = (m - cube) - multiply_add(rest, t, lost)
    result = t + residual / (3.0 * square)
    y = with_sign(result * power_of_two(third) * where(tiny, 2.0**-18, 1.0), x)
    return where((abs(x) < INFINITY) & (abs(x) > 0.0), y, x)


def hypot(x: Number, y: Number) -> Number:
    a, b = abs(x), abs(y)
    larger, smaller = where(a > b, a, b), where(a > b, b, a)
    exponent, scale = power_near(larger)
    u, v = larger * scale, smaller * scale
    square, rest = exact_product(u, u)
    other, lost = exact_product(v, v)
    total = fast_sum(square, other)
    s, correction = root((total[0], total[1] + (rest + lost)))
    result = where(larger.equals(0.0), 0.0, (s + correction) * exponent)
    result = where(x.is_nan() | y.is_nan(), NAN, result)
    return where(a.equals(INFINITY) | b.equals(INFINITY), INFINITY, result)


FUNCTIONS: dict[str, Function] = {
    "power": power,
    "hypot": hypot,
    "cbrt": cbrt,
    "sqrt": sqrt,
    "square": lambda x: x * x,
    "absolute": abs,
    "fabs": abs,
    "reciprocal": lambda x: 1.0 / x,
}
