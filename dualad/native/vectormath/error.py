"""The error function and its relatives: a polynomial near 0, and e^(-x^2) times a polynomial in (x - 4) / (x + 4) beyond.

Source: M. M. Shepherd, J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf",
Math. Comp. 36 (1981).
"""

from __future__ import annotations

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.exponential import exp, exponential
from dualad.native.vectormath.lanes import (
    Function,
    Number,
    either,
    least,
    most,
    multiply_add,
    polynomial,
    scaled,
    sqrt,
    where,
    with_sign,
)
from dualad.native.vectormath.logarithm import INFINITY, NAN, assembled, log, split
from dualad.native.vectormath.pairs import Pair, constant, exact_product, exact_sum, fast_sum, over, times, times_number

ROOT_PI_INVERSE = 0.5641895835477563
HALF_ROOT_PI = 0.886226925452758
ROOT_HALF = (0.7071067811865476, -4.833646656726457e-17)


def near_zero(x: Number) -> Pair:
    """erf x for |x| <= 1."""
    return fast_sum(x, x * polynomial(x * x, coefficients.ERF))


def without_exponential(a: Number, low: Number | None = None) -> Pair:
    """e^(a^2) erfc(a + low) for a >= 1/2."""
    a = least(a, 2.0**60)
    t = (a - 4.0) / (a + 4.0)
    top = fast_sum(coefficients.ERFCX[0], t * polynomial(t, coefficients.ERFCX[1:]))
    one, rest = exact_sum(1.0, 2.0 * a)
    return over(top, fast_sum(one, rest if low is None else multiply_add(low, 2.0, rest)))


def tail(a: Number, square: Pair, low: Number | None = None) -> tuple[Pair, Number]:
    """erfc(a + low) as a pair to be scaled by 2^n, for a >= 1/2, given the square of a + low."""
    beyond = square[0] > 760.0
    power, n = exponential((-least(square[0], 760.0), where(beyond, 0.0, -square[1])))
    return times(power, without_exponential(a, low)), n


def erf(x: Number) -> Number:
    # Beyond 1 it is 1 - erfc, of which few digits matter.
    a = least(most(abs(x), 1.0), 6.0)
    t = (a - 2.4) / (a + 2.4)
    rest = exp(-(a * a)) * polynomial(t, coefficients.ERFCX_TO_6)
    inner = multiply_add(x, polynomial(x * x, coefficients.ERF), x)
    return where(abs(x) < 1.0, inner, with_sign(where(x.is_nan(), x, 1.0 - rest), x))


def erfc(x: Number) -> Number:
    a = abs(x)
    b = least(a, 28.0)
    (high, low), n = tail(most(a, 0.5), exact_product(b, b))
    rest = scaled(high + low, n)
    inner = near_zero(most(least(x, 1.0), -1.0))
    one, lost = fast_sum(1.0, -inner[0])
    return where(a < 0.5, one + (lost - inner[1]), where(x < 0.0, 2.0 - rest, rest))


def ndtr(x: Number) -> Number:
    """erfc(-x / sqrt(2)) / 2."""
    z = most(least(x, 40.0), -40.0)
    square, rest = exact_product(z, z)
    high, low = times_number(constant(x, ROOT_HALF), -z)
    a = abs(high)
    (p, q), n = tail(most(a, 0.5), (square * 0.5, rest * 0.5), where(high < 0.0, -low, low))
    # The square is exact, and so the scale may take the half.
    rest = scaled(p + q, n - 1.0)
    inner = near_zero(most(least(high, 1.0), -1.0))
    half, lost = fast_sum(0.5, -0.5 * inner[0])
    middle = half + (lost - 0.5 * inner[1])
    return where(a < 0.5, middle, where(x > 0.0, 1.0 - rest, rest))


def log_ndtr(x: Number) -> Number:
    """log(erfc(-x / sqrt(2)) / 2)."""
    z = most(least(x, 40.0), -(2.0**60))
    square, rest = exact_product(z, z)
    u, low = times_number(constant(x, ROOT_HALF), -z)
    a = abs(u)
    left, middle = u > 0.5, a <= 0.5
    # 1 - erfc, 1 - erf, or erfcx and its exponential apart.
    (p, q), n = tail(most(a, 0.5), (square * 0.5, rest * 0.5), where(u < 0.0, -low, low))
    scale = scaled(x.lanes.number(-0.5), n)
    right = fast_sum(1.0, p * scale)
    inner = near_zero(most(least(u, 1.0), -1.0))
    half = fast_sum(0.5, -0.5 * inner[0])
    outer = without_exponential(most(a, 0.5), low)
    high, low = either(middle, half, right)
    low = low + where(middle, -0.5 * inner[1], q * scale)
    high, low = either(left, (outer[0] * 0.5, outer[1] * 0.5), (high, low))
    exponent, m, inverse = split(high)
    y = assembled(exponent, m - 1.0, low * inverse)
    s, lost = exact_sum(-0.5 * square, y)
    y = where(left, s + (lost - 0.5 * rest), y)
    y = where(x > 39.0, -0.0, y)
    return where(x < -(2.0**60), x * x * -0.5, y)


def erfcx(x: Number) -> Number:
    """e^(x^2) erfc x."""
    a = abs(x)
    high, low = without_exponential(most(a, 0.5))
    b = least(a, 28.0)
    square, rest = exact_product(b, b)
    (p, q), n = exponential((square, rest))
    grown = scaled(p + q, n)
    inner = near_zero(most(least(x, 1.0), -1.0))
    one, lost = fast_sum(1.0, -inner[0])
    middle, rest = times((p, q), (one, lost - inner[1]))  # where n = 0
    middle = middle + rest
    y = where(a < 0.5, middle, where(x < 0.0, 2.0 * grown - (high + low), high + low))
    return where(x > 2.0**60, ROOT_PI_INVERSE / x, y)


def erfinv(x: Number) -> Number:
    # x times a function of w = -log(1 - x^2), in three ranges (M. Giles, "Approximating the erfinv function", 2011).
    a = abs(x)
    w = -log((1.0 - a) * (1.0 + a))
    s = sqrt(w)
    ratio = where(w < 6.25, polynomial(w - 3.125, coefficients.ERFINV), polynomial(s - 3.25, coefficients.ERFINV_TO_4))
    y = a * where(s < 4.0, ratio, polynomial(s - 5.0, coefficients.ERFINV_TO_6))
    # Newton's method on erf, or on erfc where 1 - x says more.
    (p, q), n = exponential(exact_product(y, y))
    scale = scaled(x.lanes.number(1.0), n)
    grown = p * scale, q * scale
    outer = without_exponential(most(y, 0.5))
    left = times_number(grown, 1.0 - a)
    far = (outer[0] - left[0]) + (outer[1] - left[1])
    inner = near_zero(least(y, 1.0))
    near = grown[0] * ((a - inner[0]) - inner[1])
    y = multiply_add(where(a < 0.53, near, far), HALF_ROOT_PI, y)  # erf(1/2) = 0.52
    y = where(a < 2.0**-30, a * HALF_ROOT_PI, y)
    y = where(a < 1.0, y, where(a.equals(1.0), INFINITY, NAN))
    return with_sign(y, x)


FUNCTIONS: dict[str, Function] = {
    "erf": erf,
    "erfc": erfc,
    "ndtr": ndtr,
    "erfcx": erfcx,
    "log_ndtr": log_ndtr,
    "erfinv": erfinv,
}
