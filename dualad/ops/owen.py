"""Owen's T function, and the logarithm of what it leaves of a quadrant.

Source: Owen 1956, "Tables for computing bivariate normal probabilities", Ann. Math. Stat. 27, eq. 2.1 and 2.3.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from dualad.ops.samples import Sample, pair, several
from dualad.ops.special import _declare, _scipy, erf, log_ndtr
from dualad.ops.transcendental import exp, log

owens_t = _declare(
    "owens_t",
    (
        lambda y, h, a: -exp(-0.5 * h * h) * erf(a * h / math.sqrt(2)) / math.sqrt(8 * math.pi),
        lambda y, h, a: exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)),
    ),
    keep="x",
    samples=pair((-2, 2), (-2, 2)),
)


@functools.cache
def _nodes() -> tuple[Any, Any]:
    """For the integral of e^-s f(s) over s > 0, where f may have a singularity of -1/2 at or before 0: s = e^(t - e^-t).

    Takahasi & Mori 1974, "Double exponential formulas for numerical integration", RIMS 9.
    """
    t, step = np.linspace(-4.4, 3.8, 247, retstep=True)
    s = np.exp(t - np.exp(-t))
    return s, step * s * (1 + np.exp(-t)) * np.exp(-s)


def _log_quadrant(h: Any, a: Any) -> Any:
    """log(ndtr(-h) - 2 T(h, a)) for h, a >= 0, without the cancellation of the difference."""
    h, a = np.broadcast_arrays(np.asarray(h, float), np.asarray(a, float))
    c = np.asarray(a * h)
    near = (h <= 3) & (c <= 0.3)
    y = np.empty(h.shape)
    with np.errstate(all="ignore"):
        y[near] = np.log(_near(h[near], a[near], c[near]))
        y[~near] = _far(h[~near], c[~near])
    return y[()]


def _near(h: Any, a: Any, c: Any) -> Any:
    t, half = _scipy("owens_t"), _scipy("ndtr")
    return np.where(a > 1, 2 * t(c, 1 / a) - half(-c) * _scipy("erf")(h / math.sqrt(2)), half(-h) - 2 * t(h, a))


def _far(h: Any, c: Any) -> Any:
    """By 2 pi T's integral from a to infinity, with s = h^2 (x^2 - a^2) / 2."""
    total = np.zeros_like(h)
    for s, weight in zip(*_nodes(), strict=True):
        x = c * c + 2 * s
        total += weight / (np.sqrt(x) * (h * h + x))
    return np.log(h / math.pi) + np.log(total) - 0.5 * (h * h + c * c)


log_quadrant = _declare(
    "log_quadrant",
    (
        lambda y, h, a: -exp(0.5 * (math.log(2 / math.pi) - h * h) + log_ndtr(-a * h) - y),
        lambda y, h, a: -exp(-0.5 * h * h * (1 + a * a) - log(math.pi * (1 + a * a)) - y),
    ),
    keep="xy",
    value=_log_quadrant,
    samples=several(
        pair((0.5, 3), (0.1, 1.5)), lambda: [Sample((np.array([0.0, 0.05, 2.0, 30.0]), np.array([0.5, 4.0, 0.1, 0.3])))]
    ),
)
"""log(ndtr(-h) - 2 T(h, a)) for h, a >= 0, also where the difference cancels or underflows."""
