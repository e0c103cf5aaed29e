"""Hypergeometric functions 0F1, 1F1 and 2F1 with derivatives of every order in all arguments.

SciPy evaluates the functions. The derivatives of 1F1 in its parameters are the family

    F(p, q, r; a, b, x) = d^p/da^p d^q/db^q d^r/dx^r 1F1(a; b; x),

summed from the power series (DLMF 13.2.2, 13.3.16), each term of which is expanded in the increments of a and b; at x < 0 after
Kummer's transformation (DLMF 13.2.39), so that terms don't alternate. Their error is relative to the largest term: digits are
lost where terms cancel, which they do where a or b - a is far below zero. Those of 2F1 are the same way by its power series (DLMF
15.2.1), at x < 0 after Pfaff's transformation (DLMF 15.8.1), for -99 <= x <= 0.99.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.ops.arithmetic import where
from dualad.ops.bessel import jv_in_order
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples
from dualad.ops.special import _declare, _fixed, digamma, gamma, precision
from dualad.ops.transcendental import log, power, sqrt


def times_linear(t: Any, c: Any, u: float, v: float) -> Any:
    """t (c + u e + v d) for a truncated series t[i, j] in e^i d^j."""
    out = t * c
    if u:
        out[1:] += u * t[:-1]
    if v:
        out[:, 1:] += v * t[:, :-1]
    return out


def over_linear(t: Any, c: Any) -> Any:
    """t / (c + d)."""
    out = np.empty_like(t)
    out[:, 0] = t[:, 0] / c
    for j in range(1, t.shape[1]):
        out[:, j] = (t[:, j] - out[:, j - 1]) / c
    return out


def _hyp1f1_part(p: int, q: int, r: int, a: Any, b: Any, x: Any, flipped: bool) -> Any:
    t = np.zeros((p + 1, q + 1, *x.shape))
    t[0, 0] = 1.0
    for k in range(r):
        t = over_linear(times_linear(t, a + k, 1.0, 0.0), b + k)
    top, u, v, z = (b - a, -1.0, 1.0, -x) if flipped else (a + r, 1.0, 0.0, x)
    if flipped:
        t = t * np.exp(x)
    total = t.copy()
    size = float(np.max(np.abs(z))) + float(np.max(np.abs(a) + np.abs(b))) + r
    # Beyond, terms fall at least by a factor of two each.
    for n in range(int(4 * size) + 80 + 8 * (p + q)):
        t = over_linear(times_linear(t, top + n, u, v), b + r + n) * (z / (n + 1))
        total += t
    return total[p, q] * math.factorial(p) * math.factorial(q)


def _hyp1f1_derivative(p: Any, q: Any, r: Any, a: Any, b: Any, x: Any) -> Any:
    dtype = precision(a, b, x)
    p, q, r, a, b, x = np.broadcast_arrays(p, q, r, *(np.asarray(v, float) for v in (a, b, x)))
    y = np.full(x.shape, np.nan)
    # Above, e^x overflows; and b = 0, -1, ... are poles.
    usable = (np.abs(x) < 700) & ~((b <= 0) & (b == np.floor(b)))
    orders = np.stack([v.ravel() for v in (p, q, r)], -1)
    for i, j, k in {tuple(map(int, o)) for o in orders}:
        for flipped in (False, True):
            chosen = usable & (p == i) & (q == j) & (r == k) & ((x < 0) == flipped)
            if chosen.any():
                with np.errstate(all="ignore"):
                    y[chosen] = _hyp1f1_part(i, j, k, a[chosen], b[chosen], x[chosen], flipped)
    return y.astype(dtype)[()]


def _hyp1f1_derivative_samples() -> list[Sample]:
    rng = np.random.default_rng(16)
    return [
        Sample((*map(np.array, o), rng.uniform(0.5, 2, 3), rng.uniform(2, 4, 3), rng.uniform(-2, 2, 3)))
        for o in ((1, 0, 0), (0, 1, 1))
    ]


hyp1f1_derivative = elementwise(
    "hyp1f1_derivative",
    _hyp1f1_derivative,
    (
        _fixed("hyp1f1_derivative", "p"),
        _fixed("hyp1f1_derivative", "q"),
        _fixed("hyp1f1_derivative", "r"),
        lambda y, p, q, r, a, b, x: hyp1f1_derivative(p + 1, q, r, a, b, x),
        lambda y, p, q, r, a, b, x: hyp1f1_derivative(p, q + 1, r, a, b, x),
        lambda y, p, q, r, a, b, x: hyp1f1_derivative(p, q, r + 1, a, b, x),
    ),
    keep="x",
    samples=_hyp1f1_derivative_samples,
    source="DLMF 13.2.2, 13.2.39",
)


def _fixed_parameters(*ranges: tuple[float, ...], x: tuple[float, float]) -> Samples:
    """Samples with integer parameters, which do not move."""
    return lambda: [
        Sample((*[np.array([int(v)]) for v in values], np.random.default_rng(9).uniform(*x, 3))) for values in ranges
    ]


def _hyp1f1_samples() -> list[Sample]:
    rng = np.random.default_rng(17)
    moving = Sample((rng.uniform(0.5, 2, 3), rng.uniform(2, 4, 3), rng.uniform(-2, 2, 3)))
    return [*_fixed_parameters((1, 2), (2, 5), x=(-2, 2))(), moving]


hyp1f1 = _declare(
    "hyp1f1",
    (
        lambda y, a, b, x: hyp1f1_derivative(1, 0, 0, a, b, x),
        lambda y, a, b, x: hyp1f1_derivative(0, 1, 0, a, b, x),
        lambda y, a, b, x: a / (1.0 * b) * hyp1f1(a + 1, b + 1, x),
    ),
    keep="x",
    samples=_hyp1f1_samples,
    source="DLMF 13.3.15",
)


# 0F1 in its parameter ---------------------------------------------------------------------------


def _hyp0f1_part(q: int, r: int, b: Any, x: Any) -> Any:
    t = np.zeros((1, q + 1, *x.shape))
    t[0, 0] = 1.0
    for k in range(r):
        t = over_linear(t, b + k)
    total = t.copy()
    size = 4 * float(np.sqrt(np.abs(x).max())) + 2 * float(np.abs(b).max()) + r
    for n in range(int(size) + 60 + 8 * q):
        t = over_linear(t, b + r + n) * (x / (n + 1))
        total += t
    return total[0, q] * math.factorial(q)


def _hyp0f1_derivative(q: Any, r: Any, b: Any, x: Any) -> Any:
    dtype = precision(b, x)
    q, r, b, x = np.broadcast_arrays(q, r, np.asarray(b, float), np.asarray(x, float))
    y = np.full(x.shape, np.nan)
    usable = (np.abs(x) < 1e5) & ~((b <= 0) & (b == np.floor(b)))
    for i, j in {(int(i), int(j)) for i, j in zip(q.ravel(), r.ravel(), strict=True)}:
        chosen = usable & (q == i) & (r == j)
        if chosen.any():
            with np.errstate(all="ignore"):
                y[chosen] = _hyp0f1_part(i, j, b[chosen], x[chosen])
    return y.astype(dtype)[()]


hyp0f1_derivative: Any = elementwise(
    "hyp0f1_derivative",
    _hyp0f1_derivative,
    (
        _fixed("hyp0f1_derivative", "q"),
        _fixed("hyp0f1_derivative", "r"),
        lambda y, q, r, b, x: hyp0f1_derivative(q + 1, r, b, x),
        lambda y, q, r, b, x: hyp0f1_derivative(q, r + 1, b, x),
    ),
    keep="x",
    samples=lambda: [
        Sample((np.array(q), np.array(r), np.array([0.7, 1.3, 2.6]), np.array([-1.2, 0.7, 2.1])))
        for q, r in ((1, 0), (2, 1))
    ],
    source="DLMF 16.2.1",
)

_OSCILLATES = -12.0


def _hyp0f1_by_parameter(y: Any, b: Any, x: Any) -> Any:
    """The series; far left, where its terms would cancel, by jv (DLMF 10.16.9)."""
    b = 1.0 * b
    far = x < _OSCILLATES
    z = where(far, -x, 12.0)
    usable = where(far, b, 1.0)
    moved = gamma(usable) * power(z, 0.5 - 0.5 * usable) * jv_in_order(1, usable - 1, 2 * sqrt(z))
    left = where(far, y, 0.0) * (digamma(usable) - 0.5 * log(z)) + moved
    return where(far, left, hyp0f1_derivative(1, 0, b, where(far, 0.0, x)))


hyp0f1 = _declare(
    "hyp0f1",
    (_hyp0f1_by_parameter, lambda y, v, x: hyp0f1(v + 1, x) / v),
    keep="xy",
    samples=lambda: [
        *[Sample((np.array([v]), np.array([-1.2, 0.7, 2.1]))) for v in (1, 2)],
        Sample((np.array([1.3, 0.7, 2.6]), np.array([-40.0, 0.7, -1.2]))),
    ],
    source="DLMF 16.3.1",
)

# 2F1 in its parameters ------------------------------------------------------------------------

_REACH = 0.99
"""The series of 2F1 are summed up to this argument: thousands of terms."""


def _raised(t: Any, c: Any, a: int, b: int, d: int) -> Any:
    """t (c + a e_a + b e_b + d e_c) for a truncated series t[i, j, k] in the increments of a, b, c."""
    out = t * c
    if a:
        out[1:] += a * t[:-1]
    if b:
        out[:, 1:] += b * t[:, :-1]
    if d:
        out[:, :, 1:] += d * t[:, :, :-1]
    return out


def _lowered(t: Any, c: Any) -> Any:
    """t / (c + e_c)."""
    out = np.empty_like(t)
    out[:, :, 0] = t[:, :, 0] / c
    for k in range(1, t.shape[2]):
        out[:, :, k] = (t[:, :, k] - out[:, :, k - 1]) / c
    return out


def _hyp2f1_part(p: int, q: int, s: int, r: int, a: Any, b: Any, c: Any, x: Any, flipped: bool) -> Any:
    t = np.zeros((p + 1, q + 1, s + 1, *x.shape))
    t[0, 0, 0] = 1.0
    for k in range(r):
        t = _lowered(_raised(_raised(t, a + k, 1, 0, 0), b + k, 0, 1, 0), c + k)
    a, b, c = a + r, b + r, c + r
    if flipped:  # (1 - x)^-a 2F1(a, c - b; c; x / (x - 1))
        low = -np.log1p(-x)
        power = np.zeros_like(t)
        for i in range(p + 1):
            power[i, 0, 0] = np.exp(a * low) * low**i / math.factorial(i)
        start, t = t, np.zeros_like(t)
        for i in range(p + 1):
            for j in range(i + 1):
                t[i] += start[j] * power[i - j, 0, 0]
    second, u, v, z = (c - b, -1, 1, x / (x - 1)) if flipped else (b, 1, 0, x)
    total = t.copy()
    size = float(np.max(np.abs(a) + np.abs(b) + np.abs(c)))
    n = 0
    while n < 20_000:
        t = _lowered(_raised(_raised(t, a + n, 1, 0, 0), second + n, 0, u, v), c + n) * (z / (n + 1))
        total += t
        n += 1
        if n > 2 * size + 10 and np.max(np.abs(t), initial=0.0) < 1e-19 * (np.max(np.abs(total), initial=0.0) + 1e-300):
            break
    return total[p, q, s] * math.factorial(p) * math.factorial(q) * math.factorial(s)


def _hyp2f1_derivative(p: Any, q: Any, s: Any, r: Any, a: Any, b: Any, c: Any, x: Any) -> Any:
    dtype = precision(a, b, c, x)
    p, q, s, r, a, b, c, x = np.broadcast_arrays(p, q, s, r, *(np.asarray(v, float) for v in (a, b, c, x)))
    near = np.where(x < 0, x / (x - 1), x)
    if np.any(near > _REACH):
        raise NotDifferentiable(
            f"scipy.special.hyp2f1: its derivatives in a, b and c are computed for -99 <= x <= {_REACH}; here x reaches "
            f"{x[near > _REACH].flat[0]:g}. Pass plain numbers as parameters (dualad.stop_gradient), or map x by a linear "
            "transformation (DLMF 15.8) first."
        )
    y = np.full(x.shape, np.nan)
    usable = ~((c <= 0) & (c == np.floor(c)))
    orders = np.stack([v.ravel() for v in (p, q, s, r)], -1)
    for i, j, k, m in {tuple(map(int, o)) for o in orders}:
        for flipped in (False, True):
            chosen = usable & (p == i) & (q == j) & (s == k) & (r == m) & ((x < 0) == flipped)
            if chosen.any():
                with np.errstate(all="ignore"):
                    y[chosen] = _hyp2f1_part(i, j, k, m, a[chosen], b[chosen], c[chosen], x[chosen], flipped)
    return y.astype(dtype)[()]


def _hyp2f1_derivative_samples() -> list[Sample]:
    rng = np.random.default_rng(18)
    return [
        Sample(
            (*map(np.array, o), *(rng.uniform(0.5, 2, 3) for _ in "ab"), rng.uniform(2, 4, 3), rng.uniform(-2, 0.7, 3))
        )
        for o in ((1, 0, 0, 0), (0, 1, 1, 1))
    ]


hyp2f1_derivative = elementwise(
    "hyp2f1_derivative",
    _hyp2f1_derivative,
    (
        *(_fixed("hyp2f1_derivative", n) for n in "pqsr"),
        lambda y, p, q, s, r, a, b, c, x: hyp2f1_derivative(p + 1, q, s, r, a, b, c, x),
        lambda y, p, q, s, r, a, b, c, x: hyp2f1_derivative(p, q + 1, s, r, a, b, c, x),
        lambda y, p, q, s, r, a, b, c, x: hyp2f1_derivative(p, q, s + 1, r, a, b, c, x),
        lambda y, p, q, s, r, a, b, c, x: hyp2f1_derivative(p, q, s, r + 1, a, b, c, x),
    ),
    keep="x",
    samples=_hyp2f1_derivative_samples,
    source="DLMF 15.2.1, 15.8.1",
)


def _hyp2f1_samples() -> list[Sample]:
    rng = np.random.default_rng(19)
    moving = (*(rng.uniform(0.5, 2, 3) for _ in "ab"), rng.uniform(2, 4, 3), rng.uniform(-2, 0.7, 3))
    return [*_fixed_parameters((1, 2, 3), (2, 1, 5), x=(-0.8, 0.6))(), Sample(moving)]


hyp2f1 = _declare(
    "hyp2f1",
    (
        lambda y, a, b, c, x: hyp2f1_derivative(1, 0, 0, 0, a, b, c, x),
        lambda y, a, b, c, x: hyp2f1_derivative(0, 1, 0, 0, a, b, c, x),
        lambda y, a, b, c, x: hyp2f1_derivative(0, 0, 1, 0, a, b, c, x),
        lambda y, a, b, c, x: a * b / (1.0 * c) * hyp2f1(a + 1, b + 1, c + 1, x),
    ),
    keep="x",
    samples=_hyp2f1_samples,
    source="DLMF 15.5.1",
)
