"""Sine, cosine, tangent and their inverses.

The argument is reduced to r + n pi / 2: by parts of pi / 2 whose products are exact (W. J. Cody, W. Waite 1980, ch. 8), beyond
``QUARTERS`` of these by M. Payne, R. Hanek, "Radian reduction for trigonometric functions", SIGNUM Newsletter 18 (1983).
"""

from __future__ import annotations

import math

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.huge import WINDOW, reduced_if_huge
from dualad.native.vectormath.lanes import (
    ROUNDER,
    Bits,
    Function,
    Number,
    either,
    floor,
    least,
    most,
    multiply_add,
    polynomial,
    rounded,
    where,
    with_sign,
)
from dualad.native.vectormath.logarithm import INFINITY, NAN, power_near
from dualad.native.vectormath.pairs import (
    Pair,
    constant,
    exact_product,
    exact_sum,
    fast_sum,
    over,
    quotient,
    remainder,
    root,
    times_number,
)

QUARTERS = 2.0 ** (WINDOW - 1)
TWO_OVER_PI = 0.6366197723675814
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
# pi / 2 after its first 53 bits: 33 bits, whose product with a number of quarters is exact, and the rest.
SECOND, THIRD = 6.12323399538461e-17, 3.5215598651832e-27
MINUS_SIN = [-c for c in coefficients.SIN]
SIXTH, SIXTH_REST = -0.16666666666666666, -9.25185853854297e-18
PI = (3.141592653589793, 1.2246467991473532e-16)


def reduced(x: Number) -> tuple[Bits, Pair]:
    """n modulo 4 (in the low bits), r and a small e: x = n pi / 2 + r - e. Of zeros r is x, and e is 0.0."""
    n, k = rounded(x, TWO_OVER_PI, ROUNDER + QUARTERS)
    first = remainder(x, n, x.lanes.number(HALF_PI[0]))
    r = multiply_add(n, -SECOND, first)
    # ``first`` may be smaller than what is taken from it; but it is a multiple of the last place of that, which does as well.
    e = multiply_add(n, SECOND, r - first)
    return reduced_if_huge(x, k, (r, multiply_add(n, THIRD, e)))


def precise_sine_of(r: Pair) -> Pair:
    """sin r with the cubic term in extra precision, for quotients."""
    z, z_rest = exact_product(r[0], r[0])
    cube, cube_rest = exact_product(z, r[0])
    third, rest = exact_product(cube, SIXTH)
    rest = rest + multiply_add(multiply_add(z_rest, r[0], cube_rest), SIXTH, cube * SIXTH_REST)
    rest = multiply_add(cube * z, polynomial(z, coefficients.SIN_LONG[1:]), rest)
    s, lost = fast_sum(r[0], third)
    return fast_sum(s, lost + (rest + multiply_add(z * -0.5, r[1], r[1])))


def cosine_of(r: Pair) -> Pair:
    """cos r for |r| <= pi / 4."""
    z = r[0] * r[0]
    half, lost = exact_product(r[0], r[0] * 0.5)
    one, rest = fast_sum(1.0, -half)
    sine = r[0] * multiply_add(z, SIXTH, 1.0)  # enough for the low part
    return one, rest + (multiply_add(z * z, polynomial(z, coefficients.COS_LONG), -lost) - sine * r[1])


def signed(y: Number, quarter: Bits) -> Number:
    """y, or -y in the quarters 2 and 3."""
    return (y.bits() ^ ((quarter >> 1) << 63)).number()


def sine_and_cosine(x: Number) -> tuple[Number, Number]:
    k, (r, e) = reduced(x)
    # Where r is -0.0, so is s: 0.0 is taken from it.
    if x.lanes.fma:
        z = multiply_add(r, r, r * e * -2.0)  # (r - e)^2; what the sine's series takes of e itself does not count then
        s = r - multiply_add(z * r, polynomial(z, MINUS_SIN), e)
        c = multiply_add(z, multiply_add(z, polynomial(z, coefficients.COS), -0.5), 1.0)
    else:  # what is rounded twice has its rest added: in what e contributes, the sine is r and the cosine 1 - z / 2
        z = r * r
        one = z * -0.5 + 1.0
        s = r - (z * r * polynomial(z, MINUS_SIN) + e * one)
        c = one + (z * z * polynomial(z, coefficients.COS) + (r * e + (z * -0.5 + (1.0 - one))))
    odd = (k & 1).equals(1)
    return signed(where(odd, c, s), k), signed(where(odd, s, c), k + 1)


def sin(x: Number) -> Number:
    return x.lanes.call("sincos", sine_and_cosine, x, outputs=2)[0]


def cos(x: Number) -> Number:
    return x.lanes.call("sincos", sine_and_cosine, x, outputs=2)[1]


def tan(x: Number) -> Number:
    k, (high, e) = reduced(x)
    r = high, -e
    s, c = precise_sine_of(r), fast_sum(*cosine_of(r))
    odd = (k & 1).equals(1)
    return where(x.equals(0.0), x, quotient(either(odd, (-c[0], -c[1]), s), either(odd, s, c)))


def angle(y: Number, x: Number) -> Pair:
    """arctan(y / x) for y >= 0, x > 0 (or y > 0, x >= 0), not too large nor too small."""
    near, middle = y <= 0.41421356237309503 * x, y <= 2.414213562373095 * x
    # y / x, or pi/4 + arctan of (y - x) / (y + x), or pi/2 + arctan of -x / y.
    difference, total = exact_sum(y, -x), exact_sum(y, x)
    top = either(near, (y, 0.0), either(middle, difference, (-x, 0.0)))
    bottom = either(near, (x, 0.0), either(middle, total, (y, 0.0)))
    base = tuple(where(near, 0.0, where(middle, b / 2, b)) for b in HALF_PI)
    q, correction = over(top, bottom)
    z = q * q
    s, rest = fast_sum(base[0], q)
    # The correction, as seen through arctan'; 1 - z suffices.
    rest = rest + (base[1] + multiply_add(correction, -z, correction))
    return fast_sum(s, multiply_add(q * z, polynomial(z, coefficients.ARCTAN), rest))


def arctan(x: Number) -> Number:
    size = abs(x)
    high, low = angle(most(least(size, 2.0**60), 2.0**-30), x.lanes.number(1.0))  # squares that underflow are slow
    return with_sign(where(size < 2.0**-28, size, high + low), x)


def arctan2(y: Number, x: Number) -> Number:
    a, b = abs(y), abs(x)
    # Both infinite: as if both were one.
    both = a.equals(INFINITY) & b.equals(INFINITY)
    a, b = where(both, 1.0, a), where(both, 1.0, b)
    larger = where(a > b, a, b)
    _, scale = power_near(larger)
    u = least(a * scale, 2.0**60)
    v = least(b * scale, 2.0**60)
    high, low = angle(u, v)
    tiny = u < v * 2.0**-60  # where y / x may be subnormal
    negative = (x.bits() >> 63).equals(1)
    s, rest = fast_sum(PI[0], -high)
    forward = where(tiny, (a * scale) / (b * scale), high + low)
    result = where(negative, s + (rest + (PI[1] - low)), forward)
    result = where(a.equals(0.0), where(negative, PI[0], 0.0), result)
    return where(x.is_nan() | y.is_nan(), NAN, with_sign(result, y))


def _arcsine(x: Number) -> Number:
    """(arcsin x - x) for |x| <= 1/2."""
    z = x * x
    return x * z * polynomial(z, coefficients.ARCSIN)


def _halved(size: Number) -> Pair:
    """sqrt((1 - size) / 2), whose arcsine is half of the arccosine."""
    z = (1.0 - size) * 0.5
    s = root((z, z * 0.0))
    return s[0], where(z > 0.0, s[1], 0.0)


def arcsin(x: Number) -> Number:
    size = abs(x)
    s, correction = _halved(size)
    small = size <= 0.5
    r = where(small, size, s)
    rest = _arcsine(r)
    # pi/2 - 2 arcsin s
    high, low = fast_sum(HALF_PI[0], s * -2.0)
    large = high + (low + (HALF_PI[1] - 2.0 * (rest + correction)))
    return with_sign(where(size <= 1.0, where(small, r + rest, large), NAN), x)


def arccos(x: Number) -> Number:
    size = abs(x)
    s, correction = _halved(size)
    small = size <= 0.5
    r = where(small, x, s)
    rest = _arcsine(r)
    high, low = fast_sum(HALF_PI[0], -r)
    middle = high + (low + (HALF_PI[1] - rest))
    # 2 arcsin s, or pi minus it.
    part, other = fast_sum(PI[0], s * -2.0)
    double = 2.0 * (rest + correction)
    far = where(x < 0.0, part + (other + (PI[1] - double)), multiply_add(s, 2.0, double))
    return where(size <= 1.0, where(small, middle, far), NAN)


def sinc(x: Number) -> Number:
    """sin(pi x) / (pi x)."""
    a = abs(x)
    tiny = a < 2.0**-30
    bottom = times_number(constant(x, PI), where(tiny, 1.0, least(a, 2.0**60)))
    q, correction = over(sine_of_pi(a), bottom)
    return where(tiny, 1.0, where(a < INFINITY, q + correction, x - x))


def of_half_turns(x: Number) -> tuple[Bits, Pair]:
    """k and r with pi x = k pi / 2 + r modulo whole turns, for x >= 0."""
    # Whole turns go first, so that what is left can be rounded.
    turns = x - 2.0 * floor(x * 0.5)
    n, k = rounded(turns * 2.0)
    return k, times_number(constant(x, PI), multiply_add(n, -0.5, turns))


def sine_of_pi(a: Number) -> Pair:
    """sin(pi a) for a >= 0."""
    k, r = of_half_turns(a)
    s = either((k & 1).equals(1), fast_sum(*cosine_of(r)), precise_sine_of(r))
    return signed(s[0], k), signed(s[1], k)


FUNCTIONS: dict[str, Function] = {
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "arctan": arctan,
    "arctan2": arctan2,
    "arcsin": arcsin,
    "arccos": arccos,
    "sinc": sinc,
    "deg2rad": lambda x: x * (math.pi / 180),
    "rad2deg": lambda x: x * (180 / math.pi),
}
