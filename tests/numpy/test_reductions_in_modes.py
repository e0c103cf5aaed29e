"""Reductions, scans, statistics and sorting under Taylor mode, recording and replay, and batched gradients."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import dualad
from dualad import grad, jvp, vmap
from dualad.modes.record import RecordLevel
from dualad.tape.tape import Program
from tests.functions import arr

MASK = np.array([True, False, True, True])
EDGES = np.array([-3.0, -1.0, 0.3, 3.0])

FUNCTIONS: dict[str, Any] = {
    "sum": lambda x: np.sum(x, axis=0, where=x > 0),
    "mean": lambda x: np.mean(x, axis=1, where=x > -1.5),
    "prod": lambda x: np.prod(x, axis=(0, 1)),
    "max": lambda x: np.max(x, axis=1, initial=0.1),
    "nanmin": lambda x: np.nanmin(x, axis=0),
    "ptp": lambda x: np.ptp(x),
    "var": lambda x: np.var(x, axis=0, ddof=1),
    "std": lambda x: np.std(x, axis=1, where=MASK),
    "nanstd": lambda x: np.nanstd(x, axis=1),
    "nanmean": lambda x: np.nanmean(x, axis=0),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "cumprod": lambda x: np.cumprod(x, axis=1),
    "nancumprod": lambda x: np.nancumprod(x),
    "average": lambda x: np.average(x, axis=1, weights=x[0] * x[0]),
    "median": lambda x: np.median(x, axis=1),
    "nanmedian": lambda x: np.nanmedian(x, axis=0),
    "quantile": lambda x: np.quantile(x, [0.2, 0.7], axis=0),
    "quantile in q": lambda x: np.quantile(x, x[0, 0] * x[0, 0] * 0.1),
    "nanpercentile": lambda x: np.nanpercentile(x, 35.0, method="hazen"),
    "weighted quantile": lambda x: np.quantile(x, 0.4, weights=np.ones((3, 4)), method="inverted_cdf"),
    "cov": lambda x: np.cov(x, aweights=x[0] * x[0]),
    "corrcoef": lambda x: np.corrcoef(x),
    "histogram": lambda x: np.histogram(x, EDGES, weights=x * x)[0],
    "histogram edges": lambda x: np.histogram(x, 3)[1],
    "sort": lambda x: np.sort(x, axis=0),
    "partition": lambda x: np.partition(x, 1, axis=1)[:, 1],
    "argsort": lambda x: x[np.argsort(x[:, 0])],
    "searchsorted": lambda x: x * np.searchsorted(np.sort(x[0]), x),
    "count_nonzero": lambda x: x * np.count_nonzero(x > 0, axis=0),
    "diff": lambda x: np.diff(x, 2, append=x[:, :1]),
    "gradient": lambda x: np.gradient(x, x[0, 0], axis=1),
    "gradient at places": lambda x: np.gradient(x, np.cumsum(x[0] * x[0]), axis=1),
    "trapezoid": lambda x: np.trapezoid(x, x[0]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_taylor_is_nested_forward(name: str) -> None:
    f, x = FUNCTIONS[name], arr(3, 4)
    v, w = arr(3, 4, seed=1), arr(3, 4, seed=2)
    curve = lambda s: f(x + s * v + s * s * w)
    expected = []
    d = curve
    for _ in range(3):
        d = functools.partial(lambda h, s: jvp(h, (s,), (np.float64(1),))[1], d)
        expected.append(d(np.float64(0)))
    y, series = dualad.jet(f, (x,), ((v, 2 * w, 0 * w),))
    np.testing.assert_allclose(y, f(x))
    for ours, theirs in zip(series, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_replay_at_another_point(name: str) -> None:
    f = FUNCTIONS[name]
    x, other = arr(3, 4), arr(3, 4) + 0.02 * arr(3, 4, seed=1)
    with RecordLevel() as level:
        out = f(level.watch(x))
        program = Program(level, (out,))
    np.testing.assert_allclose(next(iter(program([other]))), f(other), rtol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_batched_gradient_is_a_loop_of_gradients(name: str) -> None:
    f = lambda x: (FUNCTIONS[name](x) * 1.5).sum()
    batch = np.stack([arr(3, 4), arr(3, 4, seed=3)])
    np.testing.assert_allclose(vmap(grad(f))(batch), [grad(f)(x) for x in batch], rtol=1e-9, atol=1e-12)
