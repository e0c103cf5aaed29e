"""The gamma function, its logarithm and the logarithm's derivative: Stirling's series beyond 8, brought there by
x (x + 1) ... (x + 7) = w (w + 6) (w + 10) (w + 12) with w = x (x + 7); reflection on the left.

Source: DLMF 5.5.1-3 (recurrence, reflection), 5.11.1-2 (Stirling's series).
"""

from __future__ import annotations

from dualad.native.vectormath import coefficients
from dualad.native.vectormath.exponential import exponential
from dualad.native.vectormath.lanes import (
    Function,
    Number,
    either,
    floor,
    least,
    multiply_add,
    polynomial,
    rarely,
    scaled,
    where,
)
from dualad.native.vectormath.logarithm import INFINITY, NAN, logarithm, normal
from dualad.native.vectormath.pairs import (
    Pair,
    constant,
    exact_product,
    exact_sum,
    fast_sum,
    over,
    plus,
    plus_number,
    times,
    times_number,
)
from dualad.native.vectormath.trigonometry import PI, cosine_of, of_half_turns, precise_sine_of, sine_of_pi

HALF_LOG_2PI = (0.9189385332046728, -3.8782941580672414e-17)
LOG_PI = (1.1447298858494002, 1.0265951162707826e-17)
ONE_LESS_EULER = (0.42278433509846713, 4.942915152430645e-18)
ROOT_OF_DIGAMMA = (1.4616321449683622, 9.549995429965697e-17)
TINY = 2.0**-60  # below, 1 / x is all there is


def factors(a: Number) -> tuple[Pair, Pair, Pair]:
    """w, w (w + 6) and (w + 10) (w + 12) for w = a (a + 7)."""
    square = exact_product(a, a)
    w = plus(square, exact_product(a, 7.0))
    return w, times(w, plus_number(w, 6.0)), times(plus_number(w, 10.0), plus_number(w, 12.0))


def moved(a: Number) -> Pair:
    """a where a >= 8, and else a + 8."""
    return exact_sum(a, where(a < 8.0, 8.0, a * 0.0))


def log_gamma_beyond_8(z: Pair) -> Pair:
    p, rest = times(plus_number(z, -0.5), logarithm(*z))
    inverse = 1.0 / z[0]
    series = inverse * polynomial(inverse * inverse, coefficients.STIRLING)
    s, lost = exact_sum(-z[0], p)
    s, more = exact_sum(HALF_LOG_2PI[0], s)
    return fast_sum(s, more + (lost + (rest - z[1] + HALF_LOG_2PI[1] + series)))


def near_two(d: Number) -> Pair:
    """log gamma(2 + d) for |d| <= 1/2: the first two terms exactly, the others not."""
    square = exact_product(d, d)
    linear, rest = times((d, d * 0.0), ONE_LESS_EULER)
    quadratic, more = times_number(square, coefficients.GAMMALN[0])
    cubic = d * square[0] * polynomial(d, coefficients.GAMMALN[1:])
    s, lost = exact_sum(linear, quadratic)
    return fast_sum(s, lost + (rest + more + cubic))


def chosen(a: Number) -> Number:
    """A stand-in where an argument is out of reach, so that nothing overflows on the way."""
    return where((a < 2.0**200) & (a > TINY), a, 1.0)


def gamma(x: Number) -> Number:
    a = abs(x)
    v = where(a > TINY, least(a, 200.0), 1.0)
    p, n = exponential(log_gamma_beyond_8(moved(v)))
    _, first, second = factors(v)
    product = either(v < 8.0, times(first, second), (1.0, 0.0))
    q1, q0 = over(p, product)
    y = scaled(q1 + q0, n)
    y = where(x < INFINITY, y, x)

    def special() -> list[Number]:
        # -pi / (a sin(pi a) gamma(a)) on the left.
        sine = sine_of_pi(a)
        left, rest = over(times(product, PI), times(times_number(sine, -v), p))
        z = scaled(left + rest, -n)
        z = where(sine[0].equals(0.0) | a.equals(INFINITY), NAN, z)
        return [where(a < TINY, 1.0 / x, where(x < 0.0, z, y))]

    return rarely(x < TINY, [y], special)[0]


def gammaln(x: Number) -> Number:
    a = abs(x)
    v = chosen(a)
    large = log_gamma_beyond_8(moved(v))
    _, first, second = factors(v)
    # Up to 5/2: by log gamma(2 + d), moved there.
    low, middle, near = v < 0.5, v < 1.5, v < 2.5
    d = where(low, v, where(middle, v - 1.0, v - 2.0))
    base = either(near, near_two(d), large)
    divisor = either((v < 8.0) & ~near, times(first, second), (1.0, 0.0))
    divisor = either(middle, (v, 0.0), divisor)
    divisor = either(low, plus_number(exact_product(v, v), v), divisor)
    log = logarithm(*fast_sum(*divisor))
    result = plus(base, (-log[0], -log[1]))
    y = result[0] + result[1]

    def special() -> list[Number]:
        # On the left: log pi - log(a |sin(pi a)|) - log gamma(a).
        sine = sine_of_pi(v)
        bottom = times_number(sine, v)
        pole = sine[0].equals(0.0)
        turned = where(bottom[0] < 0.0, -bottom[1], bottom[1])
        other = logarithm(*either(pole, (1.0, 0.0), fast_sum(abs(bottom[0]), turned)))
        left = plus(constant(x, LOG_PI), plus((-result[0], -result[1]), (-other[0], -other[1])))
        z = where(x < 0.0, where(pole | (a >= 2.0**52), INFINITY, left[0] + left[1]), y)
        # Near 0: -log a. Far to the right: x (log x - 1).
        far = a >= 2.0**200
        size, shift = normal(where((a > 0.0) & (a < INFINITY), a, 1.0))
        high, rest = logarithm(size, shift=shift)
        z = where(a <= TINY, -high, z)
        z = where(far & (x > 0.0), where(a < 2.5563481638716906e305, size * ((high - 1.0) + rest), INFINITY), z)
        z = where(a.equals(0.0), INFINITY, z)
        return [where(a < INFINITY, z, x)]

    return rarely(~((x > TINY) & (x < 2.0**200)), [y], special)[0]


def digamma(x: Number) -> Number:
    a = abs(x)
    v = chosen(a)
    # Near the root.
    d = fast_sum(v - ROOT_OF_DIGAMMA[0], v.lanes.number(-ROOT_OF_DIGAMMA[1]))
    t = v - 1.5
    near = times(d, fast_sum(coefficients.DIGAMMA[0], t * polynomial(t, coefficients.DIGAMMA[1:])))
    # log z - 1 / (2 z) - ..., less the sum of 1 / (a + k).
    z = moved(v)
    log = logarithm(*z)
    inverse = over(constant(x, (1.0, 0.0)), z)
    square = inverse[0] * inverse[0]
    series = square * polynomial(square, coefficients.DIGAMMA_STIRLING)
    large = plus(log, (inverse[0] * -0.5, multiply_add(inverse[1], -0.5, series)))
    w, first, second = factors(v)
    twice = (w[0] * 2.0, w[1] * 2.0)
    top = plus(times(plus_number(twice, 6.0), second), times(plus_number(twice, 22.0), first))
    total = over(times(top, exact_sum(7.0, 2.0 * v)), times(first, second))
    total = either(v < 8.0, total, (0.0, 0.0))
    result = plus(large, (-total[0], -total[1]))
    result = either((v >= 1.0) & (v <= 2.0), near, result)
    y = result[0] + result[1]

    def special() -> list[Number]:
        # On the left: plus 1 / a + pi cot(pi a).
        k, r = of_half_turns(v)
        s, c = precise_sine_of(r), fast_sum(*cosine_of(r))
        odd = (k & 1).equals(1)
        cotangent = times(over(either(odd, (-s[0], -s[1]), c), either(odd, c, s)), PI)
        left = plus(result, plus(over(constant(x, (1.0, 0.0)), (v, v * 0.0)), cotangent))
        z = where(x < 0.0, left[0] + left[1], y)
        z = where(a >= 2.0**200, logarithm(where(a < INFINITY, a, 1.0))[0], z)
        z = where((x < 0.0) & floor(a).equals(a), NAN, z)
        z = where(a <= TINY, -1.0 / x, z)
        return [where(x < INFINITY, where(x.equals(-INFINITY), NAN, z), x)]

    return rarely(~((x > TINY) & (x < 2.0**200)), [y], special)[0]


FUNCTIONS: dict[str, Function] = {"gamma": gamma, "gammaln": gammaln, "digamma": digamma}
