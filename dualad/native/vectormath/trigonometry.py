"""Sine, cosine, tangent and their inverses.

The argument is reduced to r + n pi / 2: by parts of pi / 2 whose products are exact (W. J. Cody, W. Waite 1980, ch. 8), and beyond
``LARGE`` by M. Payne, R. Hanek, "Radian reduction for trigonometric functions", SIGNUM Newsletter 18 (1983).
"""

from __future__ import annotations

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.huge import reduced_if_huge
from dualad.native.vectormath.lanes import (
    Bits,
    Number,
    multiply_add,
    polynomial,
    rounded,
    where,
)
from dualad.native.vectormath.pairs import Pair, exact_product, exact_sum, fast_sum, over

LARGE = 2.0**20
TWO_OVER_PI = 0.6366197723675814
# pi / 2 in three parts of 33 bits, whose products with n < 2^20 are exact, and the rest.
HALF_PI_PARTS = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
SIXTH, SIXTH_REST = -0.16666666666666666, -9.25185853854297e-18
PI = (3.141592653589793, 1.2246467991473532e-16)


def reduced(x: Number) -> tuple[Bits, Pair]:
    """n modulo 4 (in the low bits) and r as a pair: x = n pi / 2 + r."""
    n, k = rounded(x * TWO_OVER_PI)
    first, second, third = HALF_PI_PARTS
    r = x - n * first
    r, low = exact_sum(r, n * -second)
    r, rest = exact_sum(r, n * -third)
    r, low = fast_sum(r, low + rest)
    return reduced_if_huge(x, LARGE, k, (r, low))


def sine_of(r: Pair) -> Pair:
    """sin r for |r| <= pi / 4."""
    z = r[0] * r[0]
    cube = z * r[0]
    # The cosine, in what the low part contributes, as 1 - z / 2.
    return fast_sum(r[0], multiply_add(cube, polynomial(z, coefficients.SIN), multiply_add(z * -0.5, r[1], r[1])))


def precise_sine_of(r: Pair) -> Pair:
    """sin r with the cubic term in extra precision, for quotients."""
    z, z_rest = exact_product(r[0], r[0])
    cube, cube_rest = exact_product(z, r[0])
    third, rest = exact_product(cube, SIXTH)
    rest = rest + multiply_add(multiply_add(z_rest, r[0], cube_rest), SIXTH, cube * SIXTH_REST)
    rest = multiply_add(cube * z, polynomial(z, coefficients.SIN[1:]), rest)
    s, lost = fast_sum(r[0], third)
    return fast_sum(s, lost + (rest + multiply_add(z * -0.5, r[1], r[1])))


def cosine_of(r: Pair) -> Pair:
    """cos r for |r| <= pi / 4."""
    z = r[0] * r[0]
    half, lost = exact_product(r[0], r[0] * 0.5)
    one, rest = fast_sum(1.0, -half)
    return one, rest + (multiply_add(z * z, polynomial(z, coefficients.COS), -lost) - r[0] * r[1])


def signed(y: Number, quarter: Bits) -> Number:
    """y, or -y in the quarters 2 and 3."""
    return (y.bits() ^ ((quarter >> 1) << 63)).number()


def sine_and_cosine(x: Number) -> tuple[Number, Number]:
    k, r = reduced(x)
    s, c = (sum(v[1:], v[0]) for v in (sine_of(r), cosine_of(r)))
    odd = (k & 1).equals(1)
    return signed(where(odd, c, s), k), signed(where(odd, s, c), k + 1)


def sin(x: Number) -> Number:
    return x.lanes.call("sincos", sine_and_cosine, x, outputs=2)[0]


def cos(x: Number) -> Number:
    return x.lanes.call("sincos", sine_and_cosine, x, outputs=2)[1]


def tan(x: Number) -> Number:
    k, r = reduced(x)
    s, c = precise_sine_of(r), fast_sum(*cosine_of(r))
    odd = (k & 1).equals(1)
    q, correction = over(
        (where(odd, -c[0], s[0]), where(odd, -c[1], s[1])), (where(odd, s[0], c[0]), where(odd, s[1], c[1]))
    )
    return where(x.equals(0.0), x, q + correction)


FUNCTIONS = {"sin": sin, "cos": cos, "tan": tan}
