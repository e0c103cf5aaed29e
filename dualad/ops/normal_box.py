"""The probability of a box under a centred normal distribution, with derivatives of every order in its ends and covariance.

SciPy evaluates it. An end's derivative is the density there times the probability of the other variables' box given that
end; those in the covariance follow from those, since the density obeys the heat equation: d density / d cov =
(d^2 density / d mean^2) / 2. Boxes given one or two ends have one or two variables less, down to none.

Source: Plackett 1954, "A reduction formula for normal multivariate integrals", Biometrika 41.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.ops.arithmetic import isfinite, where
from dualad.ops.kinds import Params, general, one_by_one
from dualad.ops.reduce import sum
from dualad.ops.samples import Sample
from dualad.ops.sampling import Draws
from dualad.ops.shape import broadcast_to, stack, transpose
from dualad.ops.special import ndtr
from dualad.ops.transcendental import exp, sqrt

_SIGNS = (1, -1)  # of the upper and the lower end
Ends = list[Any]


@functools.cache
def _cdf() -> tuple[Any, bool]:
    """SciPy's function, and whether it takes a generator: the Fortran code of older versions has its own."""
    import scipy.stats

    cdf = scipy.stats.multivariate_normal.cdf
    return cdf, "rng" in inspect.signature(cdf).parameters


def _value(cov: Any, upper: Any, lower: Any = None, *, draws: Draws, tolerances: dict[str, Any]) -> Any:
    shape = upper.shape[:-1]
    if not math.prod(shape):
        return np.empty(shape)
    cdf, takes_rng = _cdf()

    def run(rng: Any) -> Any:
        given = {"rng": rng} if takes_rng else {}
        # SciPy's code multiplies infinite ends by 0, and means 0.
        with np.errstate(invalid="ignore"):
            return cdf(upper, cov=0.5 * (cov + cov.T), allow_singular=True, lower_limit=lower, **tolerances, **given)

    return np.asarray(draws(run)).reshape(shape)[()]


def _cumulative(x: Any) -> Any:
    """ndtr with its limits as constants."""
    finite = isfinite(x)
    return where(finite, ndtr(where(finite, x, 0.0)), where(x > 0, 1.0, 0.0))


def box(cov: Any, ends: Ends, **params: Any) -> Any:
    """The integral over the box from the lower end (or -inf) to the upper one: shape of the ends but for the last axis."""
    n = cov.shape[-1]
    if n == 0:
        return np.ones(ends[0].shape[:-1])
    if n > 1:
        return normal_box(cov, *ends, **params)
    high, *low = (e[..., 0] / sqrt(cov[0, 0]) for e in ends)
    if not low:
        return _cumulative(high)
    flip = low[0] > 0
    return _cumulative(where(flip, -low[0], high)) - _cumulative(where(flip, -high, low[0]))


def _given(cov: Any, ends: Ends, i: int, at: Any) -> tuple[Any, Any, Ends]:
    """The density of the variable i at ``at``, and the box of the others given that value: 0 and any box at infinity."""
    rest = [k for k in range(cov.shape[-1]) if k != i]
    finite = isfinite(at)
    at = where(finite, at, 0.0)
    variance, shared = cov[i, i], cov[i][rest]
    density = where(finite, exp(-0.5 * at * at / variance) / sqrt(2 * math.pi * variance), 0.0)
    slope = shared / variance
    others = cov[rest][:, rest] - shared[:, None] * slope
    return density, others, [e[..., rest] - at[..., None] * slope for e in ends]


def _slope(cov: Any, ends: Ends, i: int, end: Any, params: Params) -> Any:
    """The derivative in an end's element i, without its sign."""
    density, others, moved = _given(cov, ends, i, end[..., i])
    return density * box(others, moved, **params)


def _curvature(cov: Any, ends: Ends, params: Params) -> list[list[Any]]:
    """The second derivatives in the location."""
    n = cov.shape[-1]
    found: list[list[Any]] = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for end, sign in zip(ends, _SIGNS, strict=False):
            at = end[..., i]
            density, others, moved = _given(cov, ends, i, at)
            at = where(isfinite(at), at, 0.0)
            found[i][i] = found[i][i] - sign * at / cov[i, i] * density * box(others, moved, **params)
            for j in range(i + 1, n):
                for other, sign_of_other in zip(moved, _SIGNS, strict=False):
                    pair = density * _slope(others, moved, j - 1, other, params)
                    found[i][j] = found[j][i] = found[i][j] + sign * sign_of_other * pair
    for i in range(n):
        for j in range(n):
            if j != i:
                found[i][i] = found[i][i] - cov[i, j] / cov[i, i] * found[i][j]
    return found


def _centred(cov: Any, draws: Draws, tolerances: Any) -> tuple[Any, Params]:
    return 0.5 * (cov + transpose(cov, axes=(1, 0))), {"draws": draws.again(), "tolerances": tolerances}


def _jvp(ts: Sequence[Any], y: Any, cov: Any, *ends: Any, draws: Draws, tolerances: Any) -> Any:
    cov, params = _centred(cov, draws, tolerances)
    n = range(cov.shape[-1])
    total: Any = None
    for t, end, sign in zip(ts[1:], ends, _SIGNS, strict=False):
        for i in n if t is not None else ():
            part = sign * t[..., i] * _slope(cov, list(ends), i, end, params)
            total = part if total is None else total + part
    if ts[0] is not None:
        curvature = _curvature(cov, list(ends), params)
        for i in n:
            for j in n:
                part = 0.5 * ts[0][i, j] * curvature[i][j]
                total = part if total is None else total + part
    return total


def _vjp(g: Any, need: Sequence[bool], y: Any, cov: Any, *ends: Any, draws: Draws, tolerances: Any) -> Any:
    cov, params = _centred(cov, draws, tolerances)
    n = range(cov.shape[-1])
    out: list[Any] = [None] * len(need)
    if need[0]:
        points = tuple(range(len(g.shape)))
        rows = [[0.5 * sum(g * c, axis=points) for c in row] for row in _curvature(cov, list(ends), params)]
        out[0] = stack(*[stack(*row, axis=0) for row in rows], axis=0)
    for k, (end, sign) in enumerate(zip(ends, _SIGNS, strict=False), 1):
        if need[k]:
            parts = [sign * g * _slope(cov, list(ends), i, end, params) for i in n]
            out[k] = stack(*parts, axis=len(g.shape))
    return tuple(out)


def _batch(prim: Any, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    """Ends are points of one covariance."""
    if batched[0]:
        return one_by_one(prim, args, batched, size, params)
    ends = [a if b else broadcast_to(a, shape=(size, *a.shape)) for a, b in zip(args[1:], batched[1:], strict=True)]
    return prim(args[0], *ends, **params)


def _samples() -> list[Sample]:
    rng = np.random.default_rng(21)
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    params = {"draws": Draws(0), "tolerances": {}}
    high, low = rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    edge = np.array([[0.3, np.inf], [0.2, 0.7], [-np.inf, 1.0]])
    return [
        Sample((cov, high), params),
        Sample((cov, high[0], low[0]), params),
        Sample((cov, edge), params, degenerate=True),
    ]


normal_box = general(
    "normal_box",
    _value,
    _jvp,
    _vjp,
    keep="x",
    batch=_batch,
    samples=_samples,
    source="Plackett 1954, Biometrika 41",
)
