"""Exponentials and the logistic function: x = k log 2 + r with |r| <= log(2) / 2, a polynomial in r, and the scale 2^k.

Source: W. J. Cody, W. Waite, Software Manual for the Elementary Functions (1980), ch. 6.
"""

from __future__ import annotations

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.lanes import (
    Function,
    Number,
    either,
    least,
    most,
    multiply_add,
    polynomial,
    power_of_two,
    rounded,
    scaled,
    where,
)
from dualad.native.vectormath.pairs import Pair, exact_product, exact_sum, fast_sum, over

LOG2E = 1.4426950408889634
# log 2 in two parts, of which the first has 42 bits: its product with an exponent is exact.
LN2_HIGH, LN2_LOW = 0.6931471805598903, 5.497923018708371e-14
LN2, LN2_REST = 0.6931471805599453, 2.3190468138462996e-17


def reduced(x: Number) -> tuple[Number, Pair]:
    """n, and r as a pair, where x = n log 2 + r."""
    n, _ = rounded(x, LOG2E)
    high = multiply_add(n, -LN2_HIGH, x)
    r = multiply_add(n, -LN2_LOW, high)
    return n, (r, multiply_add(n, -LN2_LOW, high - r))


def reduced_pair(x: Pair) -> tuple[Number, Pair]:
    n, (r, rest) = reduced(x[0])
    return n, fast_sum(r, rest + x[1])


def growth(r: Pair) -> Number:
    """e^r - 1 - r[0]."""
    return multiply_add(r[0] * r[0], polynomial(r[0], coefficients.EXP), r[1])


def grown(r: Pair) -> Pair:
    """e^r to some 60 bits."""
    one, rest = fast_sum(1.0, r[0])
    low = multiply_add(r[1], r[0], r[1])
    return one, rest + multiply_add(r[0] * r[0], polynomial(r[0], coefficients.EXP_LONG), low)


def exp(x: Number) -> Number:
    n, r = reduced(most(least(x, 710.0), -746.0))
    return scaled(1.0 + (r[0] + growth(r)), n)


def exponential(x: Pair) -> tuple[Pair, Number]:
    """e^x as a pair to be scaled by 2^n."""
    n, r = reduced_pair(x)
    return fast_sum(*grown(r)), n


def exp2(x: Number) -> Number:
    x = most(least(x, 1025.0), -1080.0)
    n, _ = rounded(x)
    high, low = exact_product(x - n, LN2)
    one, rest = grown((high, multiply_add(x - n, LN2_REST, low)))
    return scaled(one + rest, n)


def expm1(x: Number) -> Number:
    # Half of it, lest it overflow too early, with r^2 / 2 exactly.
    n, (r, rest) = reduced(most(least(x, 710.0), -100.0))
    scale = power_of_two(n - 1.0)
    base, lost = exact_sum(scale, scale.lanes.number(-0.5))
    half, under = exact_product(r, r * 0.5)
    s, e = fast_sum(base, scale * r)
    s, e2 = fast_sum(s, scale * half)
    cubic = half * (r * polynomial(r, coefficients.EXP_LONG[1:])) * 2.0
    y = (s + (e + (e2 + (lost + scale * (rest + (under + cubic)))))) * 2.0
    return where(abs(x) < 2.0**-54, x, y)


def logistic(x: Pair) -> Number:
    """1 / (1 + e^-x), by e^-|x|, which does not overflow; |x| <= 746."""
    negative = x[0] < 0.0
    n, r = reduced_pair((where(negative, x[0], -x[0]), where(negative, x[1], -x[1])))
    high, low = fast_sum(*grown(r))
    scale = power_of_two(most(n, -1000.0))
    below, rest = fast_sum(1.0, high * scale)
    q, correction = over((where(negative, high, 1.0), where(negative, low, 0.0)), (below, rest + low * scale))
    return where(negative, scaled(q + correction, n), q + correction)


def expit(x: Number) -> Number:
    return logistic((most(least(x, 746.0), -746.0), x.lanes.number(0.0)))


def logistic_share(a: Number, b: Number) -> Number:
    d, rest = exact_sum(a, -b)
    d, rest = either(a.equals(b), (0.0, 0.0), (d, rest))
    return logistic((most(least(d, 746.0), -746.0), where(abs(d) < 746.0, rest, 0.0)))


FUNCTIONS: dict[str, Function] = {
    "exp": exp,
    "exp2": exp2,
    "expm1": expm1,
    "expit": expit,
    "logistic_share": logistic_share,
}
