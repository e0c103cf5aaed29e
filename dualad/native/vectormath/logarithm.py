"""Logarithms: x = 2^n m with m between sqrt(1/2) and sqrt(2), and log m by the series of log((1 + s) / (1 - s)).

Source: P. T. P. Tang, "Table-driven implementation of the logarithm function", ACM TOMS 16 (1990), without the table;
W. J. Cody, W. Waite (1980), ch. 5.
"""

from __future__ import annotations

import math

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.exponential import LN2, LN2_HIGH, LN2_LOW, LN2_REST, exponential, grown
from dualad.native.vectormath.lanes import (
    Function,
    Mask,
    Number,
    either,
    least,
    most,
    multiply_add,
    polynomial,
    rounded,
    scaled,
    where,
)
from dualad.native.vectormath.pairs import (
    Pair,
    exact_product,
    exact_sum,
    fast_sum,
    over,
    plus,
    plus_number,
    remainder,
    times,
)

INFINITY, NAN = math.inf, math.nan
ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
ONE_BITS = 0x3FF0000000000000
SMALLEST_NORMAL = 2.0**-1022
ONE_OVER_LN2 = (1.4426950408889634, 2.0355273740931033e-17)
ONE_OVER_LN10 = (0.4342944819032518, 1.098319650216765e-17)
# log10(2) in two parts, of which the first has 42 bits.
LOG10_2_HIGH, LOG10_2_LOW = 0.30102999566395283, 2.8363394551044964e-14
TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)


def split(x: Number) -> tuple[Number, Number, Number]:
    """n, m and 2^-n (0 where n > 1000) of a positive normal number."""
    t = x.bits() + (ONE_BITS - ROOT_HALF_BITS)
    n = ((t >> 52) | 0x4330000000000000).number() - (2.0**52 + 1023)
    power = t & 0xFFF0000000000000
    scale = (power.lanes.bits(0x7FE0000000000000) - power).number()
    return n, (x.bits() - power + ONE_BITS).number(), where(n > 1000.0, 0.0, scale)


def normal(x: Number) -> tuple[Number, Number]:
    """x as a normal number, and the exponent to add."""
    tiny = x < SMALLEST_NORMAL
    return where(tiny, x * 2.0**54, x), where(tiny, -54.0, 0.0)


def power_near(x: Number) -> tuple[Number, Number]:
    """A power of two near x, from 2^-1000 to 2^1000, and its inverse."""
    power = most(least((x.bits() & 0x7FF0000000000000).number(), 2.0**1000), 2.0**-1000)
    return power, (x.lanes.bits(0x7FE0000000000000) - power.bits()).number()


def assembled(n: Number, f: Number, small: Number | None = None) -> Number:
    """n log 2 + log(1 + f + small)."""
    s = f / (f + 2.0)
    z = s * s
    half = 0.5 * f * f
    low = n * LN2_LOW
    if small is not None:  # over 1 + f, which is (1 + s) / (1 - s)
        low = low + small * multiply_add(s * -2.0, multiply_add(s, s - 1.0, 1.0), 1.0)
    rest = multiply_add(s, multiply_add(z, polynomial(z, coefficients.LOG), half), low)
    high, low = fast_sum(n * LN2_HIGH, f)
    return high - ((half - rest) - low)


def at_edges(x: Number, y: Number, zero: float = 0.0) -> Number:
    """The logarithm y of x - zero, where x is infinite, NaN, zero or below."""
    y = where(x < INFINITY, y, x)
    y = where(x.equals(zero), -INFINITY, y)
    return where(x < zero, NAN, y)


def log(x: Number) -> Number:
    v, shift = normal(x)
    n, m, _ = split(v)
    return at_edges(x, assembled(n + shift, m - 1.0))


def log_of_one_plus(u: Pair) -> Number:
    """log(1 + u) with a small relative error, also near u = 0; 1 + u must be normal."""
    v, low = exact_sum(1.0, u[0])
    n, m, scale = split(v)
    return assembled(n, m - 1.0, (low + u[1]) * scale)


def log_of_one_plus_or_double(u: Pair, far: Mask, x: Number) -> Number:
    """log(1 + u), and log(2 x) where x is ``far``."""
    v, low = exact_sum(1.0, u[0])
    v, low = either(far, (x, 0.0), (v, low + u[1]))
    n, m, scale = split(v)
    return assembled(n + where(far, 1.0, 0.0), m - 1.0, low * scale)


def log1p(x: Number) -> Number:
    y = log_of_one_plus((x, x.lanes.number(0.0)))
    return where(abs(x) < 2.0**-53, x, at_edges(x, y, -1.0))


def of_significand(m: Number, rest: Number | None = None) -> Pair:
    """log(m + rest) to some 65 bits, for m between sqrt(1/2) and sqrt(2)."""
    f = m - 1.0
    below, lost = fast_sum(2.0, f)
    inverse = 1.0 / below
    s = f * inverse
    low = multiply_add(-s, lost, remainder(f, s, below))
    if rest is not None:
        low = low + multiply_add(-s, rest, rest)
    low = low * inverse
    z = times((s, low), (s, low))
    b, lost = fast_sum(TWO_THIRDS[0], z[0] * polynomial(z[0], coefficients.LOG_LONG))
    w = times(times(z, (b, lost + TWO_THIRDS[1])), (s, low))
    high, lost = fast_sum(s + s, w[0])
    return fast_sum(high, lost + multiply_add(low, 2.0, w[1]))


def logarithm(x: Number, rest: Number | None = None, shift: Number | None = None) -> Pair:
    """log(x + rest) + shift log 2 to some 65 bits, for positive normal x."""
    n, m, scale = split(x)
    n = n if shift is None else n + shift
    high, low = of_significand(m, None if rest is None else rest * scale)
    s, e = fast_sum(n * LN2_HIGH, high)
    return fast_sum(s, e + multiply_add(n, LN2_LOW, low))


def log2(x: Number) -> Number:
    v, shift = normal(x)
    n, m, _ = split(v)
    high, low = plus_number(times(of_significand(m), ONE_OVER_LN2), n + shift)
    return at_edges(x, high + low)


def log10(x: Number) -> Number:
    v, shift = normal(x)
    n, m, _ = split(v)
    n = n + shift
    part = times(of_significand(m), ONE_OVER_LN10)
    high, low = plus((n * LOG10_2_HIGH, n * LOG10_2_LOW), part)
    return at_edges(x, high + low)


def log_expit(x: Number) -> Number:
    # min(x, 0) - log(1 + e^-|x|)
    (p, q), n = exponential((most(-abs(x), -746.0), x.lanes.number(0.0)))
    scale = scaled(x.lanes.number(1.0), n)
    y = log_of_one_plus((p * scale, q * scale))
    return where(x < 0.0, x, -0.0) - y


def _larger_and_difference(a: Number, b: Number, least_difference: float) -> tuple[Number, Pair]:
    """The larger of the two, and the smaller less it, bounded from below."""
    larger, smaller = where(a > b, a, b), where(a > b, b, a)
    d, rest = exact_sum(smaller, -larger)
    d = where(a.equals(b), 0.0, d)
    beyond = d < least_difference
    return larger, either(beyond | d.equals(0.0), (most(d, least_difference), 0.0), (d, rest))


def _sum(a: Number, b: Number, larger: Number, part: Pair) -> Number:
    s, lost = exact_sum(larger, part[0])
    y = where(abs(larger) < INFINITY, s + (lost + part[1]), larger)
    return where(a.is_nan() | b.is_nan(), NAN, y)


def logaddexp(a: Number, b: Number) -> Number:
    # max + log(1 + e^-|a - b|) to some 58 bits: the terms may cancel.
    larger, difference = _larger_and_difference(a, b, -746.0)
    (p, q), n = exponential(difference)
    scale = scaled(a.lanes.number(1.0), n)
    v, low = fast_sum(1.0, p * scale)
    return _sum(a, b, larger, logarithm(v, low + q * scale))


def logaddexp2(a: Number, b: Number) -> Number:
    larger, difference = _larger_and_difference(a, b, -1080.0)
    n, _ = rounded(difference[0])
    high, low = exact_product(difference[0] - n, LN2)
    low = low + multiply_add(difference[0] - n, LN2_REST, difference[1] * LN2)
    p, q = fast_sum(*grown(fast_sum(high, low)))
    scale = scaled(a.lanes.number(1.0), n)
    v, low = fast_sum(1.0, p * scale)
    part = times(logarithm(v, low + q * scale), ONE_OVER_LN2)
    return _sum(a, b, larger, either(a.equals(b), (1.0, 0.0), part))


def logit(x: Number) -> Number:
    """log(x / (1 - x))."""
    v, shift = normal(x)
    tiny = x < SMALLEST_NORMAL
    inside = (x > 0.0) & (x < 1.0)
    v = where(inside, v, 0.5)
    # Where the scaled x is no longer x, 1 - x is 1.
    high, low = over((v, v * 0.0), either(tiny, (1.0, 0.0), exact_sum(1.0, -v)))
    high, low = fast_sum(high, low)
    n, m, scale = split(high)
    y = assembled(n + shift, m - 1.0, low * scale)
    return where(inside, y, where(x.equals(0.0), -INFINITY, where(x.equals(1.0), INFINITY, NAN)))


def xlogy(x: Number, y: Number) -> Number:
    return where(x.equals(0.0) & ~y.is_nan(), 0.0, x * log(y))


def xlog1py(x: Number, y: Number) -> Number:
    return where(x.equals(0.0) & ~y.is_nan(), 0.0, x * log1p(y))


def entr(x: Number) -> Number:
    return where(x.equals(0.0), 0.0, where(x < 0.0, -INFINITY, -x * log(x)))


FUNCTIONS: dict[str, Function] = {
    "log": log,
    "log2": log2,
    "log10": log10,
    "log1p": log1p,
    "log_expit": log_expit,
    "logaddexp": logaddexp,
    "logaddexp2": logaddexp2,
    "logit": logit,
    "xlogy": xlogy,
    "xlog1py": xlog1py,
    "entr": entr,
}
