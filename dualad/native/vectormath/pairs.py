"""Double-double arithmetic: a number as the unevaluated sum of two float64, the second below half an ulp of the first.

Sources: T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971);
D. E. Knuth, The Art of Computer Programming 2, 4.2.2 (the sum that needs no order); J.-M. Muller et al., Handbook of
Floating-Point Arithmetic (2018), ch. 4 and 14.
"""

from __future__ import annotations

from dualad.native.vectormath.lanes import Number, multiply_add, near_inverse, sqrt

Pair = tuple[Number, Number]
Constants = tuple[float, float]


def constant(like: Number, c: Constants) -> Pair:
    return like.lanes.number(c[0]), like.lanes.number(c[1])


def fast_sum(a: Number | float, b: Number) -> Pair:
    """a + b exactly, where |a| >= |b| or a = 0."""
    a = b.lanes.number(a)
    s = a + b
    return s, b - (s - a)


def exact_sum(a: Number | float, b: Number) -> Pair:
    """a + b exactly."""
    a = b.lanes.number(a)
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _halves(a: Number) -> Pair:
    """a as two numbers of 26 bits."""
    t = a * 134217729.0
    high = t - (t - a)
    return high, a - high


def exact_product(a: Number, b: Number | float) -> Pair:
    """a b exactly, where nothing underflows and, without fused multiply-add, the factors are below 2^970."""
    m = a.lanes
    b = m.number(b)
    p = a * b
    if m.fma:
        return p, m.intrinsic("fma", a, b, -p)
    a1, a2 = _halves(a)
    b1, b2 = _halves(b)
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def remainder(a: Number, q: Number, b: Number) -> Number:
    """a - q b, exact where q is a / b up to a few ulp."""
    m = a.lanes
    if m.fma:
        return m.intrinsic("fma", -q, b, a)
    p, e = exact_product(q, b)
    return (a - p) - e


def plus(a: Pair, b: Pair) -> Pair:
    s, e = exact_sum(a[0], b[0])
    return fast_sum(s, e + (a[1] + b[1]))


def plus_number(a: Pair, b: Number | float) -> Pair:
    s, e = exact_sum(b, a[0])
    return fast_sum(s, e + a[1])


def times(a: Pair, b: Pair | Constants) -> Pair:
    """a b; the second part may reach a few ulps of the first."""
    p, e = exact_product(a[0], b[0])
    return p, multiply_add(a[0], b[1], multiply_add(a[1], b[0], e))


def times_number(a: Pair, b: Number | float) -> Pair:
    p, e = exact_product(a[0], b)
    return p, multiply_add(a[1], b, e)


def over(a: Pair, b: Pair) -> Pair:
    """a / b with one division, the second part as in ``times``; 1 / b must be a normal number."""
    y = 1.0 / b[0]
    q = a[0] * y
    return q, (remainder(a[0], q, b[0]) + multiply_add(-q, b[1], a[1])) * y


def quotient(a: Pair, b: Pair) -> Number:
    """a / b, rounded once; 1 / b must be a normal number."""
    y = near_inverse(b[0])
    q = a[0] * y
    return multiply_add(remainder(a[0], q, b[0]) + multiply_add(-q, b[1], a[1]), y, q)


def root(a: Pair) -> Pair:
    """sqrt(a), a > 0."""
    s = sqrt(a[0])
    return s, (remainder(a[0], s, s) + a[1]) / (s + s)
