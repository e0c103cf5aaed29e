"""Hypergeometric functions, 1F1 with derivatives of every order in all arguments.

SciPy evaluates the functions. The derivatives of 1F1 in its parameters are the family

    F(p, q, r; a, b, x) = d^p/da^p d^q/db^q d^r/dx^r 1F1(a; b; x),

summed from the power series (DLMF 13.2.2, 13.3.16), each term of which is expanded in the increments of a and b; at x < 0 after
Kummer's transformation (DLMF 13.2.39), so that terms don't alternate. Their error is relative to the largest term: digits are
lost where terms cancel, which they do where a or b - a is far below zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples
from dualad.ops.special import _declare, _fixed, precision


def _times_linear(t: Any, c: Any, u: float, v: float) -> Any:
    """t (c + u e + v d) for a truncated series t[i, j] in e^i d^j."""
    out = t * c
    if u:
        out[1:] += u * t[:-1]
    if v:
        out[:, 1:] += v * t[:, :-1]
    return out


def _over_linear(t: Any, c: Any) -> Any:
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
        t = _over_linear(_times_linear(t, a + k, 1.0, 0.0), b + k)
    top, u, v, z = (b - a, -1.0, 1.0, -x) if flipped else (a + r, 1.0, 0.0, x)
    if flipped:
        t = t * np.exp(x)
    total = t.copy()
    size = float(np.max(np.abs(z))) + float(np.max(np.abs(a) + np.abs(b))) + r
    # Beyond, terms fall at least by a factor of two each.
    for n in range(int(4 * size) + 80 + 8 * (p + q)):
        t = _over_linear(_times_linear(t, top + n, u, v), b + r + n) * (z / (n + 1))
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
hyp2f1 = _declare(
    "hyp2f1",
    (
        _fixed("hyp2f1", "a"),
        _fixed("hyp2f1", "b"),
        _fixed("hyp2f1", "c"),
        lambda y, a, b, c, x: a * b / (1.0 * c) * hyp2f1(a + 1, b + 1, c + 1, x),
    ),
    keep="x",
    samples=_fixed_parameters((1, 2, 3), (2, 1, 5), x=(-0.8, 0.6)),
    source="DLMF 15.5.1",
)
