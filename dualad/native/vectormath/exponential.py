"""Exponentials and the logistic function: x = k log 2 + r with |r| <= log(2) / 2, a polynomial in r, and the scale 2^k; where
a table of 2^(j/16) does not cost more than it saves, k is in sixteenths.

Sources: W. J. Cody, W. Waite, Software Manual for the Elementary Functions (1980), ch. 6; P. T. P. Tang, "Table-driven
implementation of the exponential function in IEEE floating-point arithmetic", ACM TOMS 15 (1989).
"""

from __future__ import annotations

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.lanes import (
    Bits,
    Function,
    Number,
    either,
    least,
    looked_up,
    most,
    multiply_add,
    polynomial,
    power_of_two,
    rounded,
    scaled,
    scaled_by,
    scalef,
    where,
)
from dualad.native.vectormath.pairs import Pair, exact_product, exact_sum, fast_sum, over

LOG2E = 1.4426950408889634
# log 2 in two parts, of which the first has 42 bits: its product with an exponent is exact.
LN2_HIGH, LN2_LOW = 0.6931471805598903, 5.497923018708371e-14
# In sixteenths the exponents have 15 bits, and the first part 38.
LN2_SHORT, LN2_SMALL = 0.6931471805582987, 1.6465949582897082e-12
SIXTEENTHS = 1.5 * 2.0**48  # rounds to sixteenths, and leaves them in the low bits
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


def grown(r: Pair) -> Pair:
    """e^r to some 60 bits."""
    one, rest = fast_sum(1.0, r[0])
    low = multiply_add(r[1], r[0], r[1])
    return one, rest + multiply_add(r[0] * r[0], polynomial(r[0], coefficients.EXP_LONG), low)


def near_root(r: Number, k: Bits, n: Number) -> Number:
    """2^n e^r for n in sixteenths, which are in the low bits of k."""
    root = looked_up(coefficients.ROOTS_OF_TWO, k)
    growth = multiply_add(r * r, polynomial(r, coefficients.EXP_NEAR), r)
    y = root + multiply_add(root, growth, looked_up(coefficients.ROOTS_OF_TWO_REST, k))
    return scalef(y, n) if y.lanes.avx512 else scaled_by(y, k >> 4)


def exp(x: Number) -> Number:
    x = most(least(x, 710.0), -746.0)
    n, k = rounded(x, LOG2E, SIXTEENTHS)
    return near_root(multiply_add(n, -LN2_SMALL, multiply_add(n, -LN2_SHORT, x)), k, n)


def exponential(x: Pair) -> tuple[Pair, Number]:
    """e^x as a pair to be scaled by 2^n."""
    n, r = reduced_pair(x)
    return fast_sum(*grown(r)), n


def exp2(x: Number) -> Number:
    x = most(least(x, 1025.0), -1080.0)
    n, k = rounded(x, 1.0, SIXTEENTHS)
    return near_root((x - n) * LN2, k, n)


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
