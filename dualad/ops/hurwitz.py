"""The Hurwitz zeta function and its derivatives in s, in NumPy: what SciPy doesn't evaluate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_TERMS = 20
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
    854513 / 138, -236364091 / 2730,
)  # fmt: skip


def _times(a: list[Any], b: list[Any]) -> list[Any]:
    """Product of power series in the increment of s, to their common length."""
    return [sum(a[j] * b[k - j] for j in range(k + 1)) for k in range(len(a))]


def hurwitz(p: Any, s: Any, q: Any) -> Any:
    """The p-th derivative in s of zeta(s, q) = sum_k (q + k)^-s, by the Euler-Maclaurin formula (DLMF 25.11.5).

    Every term is expanded in powers of the increment of s; p! times the coefficient p is the derivative. ``q`` may be
    complex, and left of 0 where s is an integer.
    """
    p, s, q = np.broadcast_arrays(p, s, q)
    if not p.size:
        return np.zeros(p.shape, q.dtype)
    top = int(p.max())
    terms = _TERMS + max(0, math.ceil(-min(float(np.min(q.real)), 0.0)))

    def power(w: Any) -> list[Any]:
        u = -np.log(w)
        out = [w**-s]
        for k in range(1, top + 1):
            out.append(out[-1] * u / k)
        return out

    total: list[Any] = [0.0] * (top + 1)
    for k in reversed(range(terms)):
        total = [t + c for t, c in zip(total, power(q + k), strict=True)]
    w = q + terms
    front = power(w)
    inverse = [w * (-1) ** k / (s - 1.0) ** (k + 1) for k in range(top + 1)]
    total = [t + i + 0.5 * f for t, i, f in zip(total, _times(front, inverse), front, strict=True)]
    zero = np.zeros(s.shape)
    rising = [s, zero + 1.0, *[zero] * (top - 1)][: top + 1]
    for j, bernoulli in enumerate(_BERNOULLI, 1):
        scale = bernoulli / math.factorial(2 * j) * w ** (1.0 - 2 * j)
        total = [t + scale * c for t, c in zip(total, _times(front, rising), strict=True)]
        for m in (2 * j - 1, 2 * j):
            rising = _times(rising, [s + m, zero + 1.0, *[zero] * (top - 1)][: top + 1])
    return _chosen(p, total)


def _chosen(p: Any, total: list[Any]) -> Any:
    every = np.stack([math.factorial(k) * c for k, c in enumerate(total)])
    return np.take_along_axis(every, p[None], axis=0)[0]
