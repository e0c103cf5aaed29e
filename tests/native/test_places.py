"""Places among sorted numbers, and interpolation, within native code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dualad import grad, jit, scan, vmap
from tests.native.test_registry import native
from tests.native.test_repeats import check

XP = np.linspace(0, 10, 50)
FP = np.sin(XP)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 100])
def test_searchsorted(n: int, side: Any, dtype: Any) -> None:
    """With equal numbers, infinities, and NaN on either side, which comes last."""
    rng = np.random.default_rng(n)
    a = np.sort(np.round(rng.normal(size=n), 1)).astype(dtype)
    x = np.concatenate([rng.normal(size=50), a, [np.inf, -np.inf, np.nan, 0.0, -0.0]]).astype(dtype)
    for sorted_ in (a, np.concatenate([a, [np.inf, np.nan, np.nan]]).astype(dtype)):
        g = jit(lambda a, x: np.searchsorted(a, x, side=side) + 0)
        for _ in range(2):
            found = g(sorted_, x)
            np.testing.assert_array_equal(found, np.searchsorted(sorted_, x, side=side))
            assert found.dtype == np.int64
        assert native(g), g.explain()
    check(lambda a, x: np.searchsorted(a, x.reshape(-1, 1)[:50], side=side) + 0, a, x)
    check(lambda a: np.searchsorted(a, a[0] + 0.05, side=side) + 0, a)


def test_interpolation() -> None:
    x = np.linspace(-1, 11, 40)
    f = lambda x, fp: np.interp(x, XP, fp)
    for g in (
        f,
        lambda x, fp: np.interp(x, XP, fp, left=-1.0, right=2.0),
        lambda x, fp: np.interp(x, XP, fp, period=9.0),
    ):
        check(g, x, FP)
        check(grad(lambda x, fp, g=g: (g(x, fp) ** 2).sum(), (0, 1)), x, FP)
    compiled = check(f, x, FP)
    assert native(compiled), compiled.explain()
    check(vmap(grad(lambda x: np.interp(x, XP, FP))), x)


def test_interpolation_in_a_loop() -> None:
    def f(p: Any) -> Any:
        return scan(lambda x, _: (x + 0.05 * np.interp(x * p, XP, FP), None), 0.3, np.zeros(60))[0]

    g = check(grad(f), 1.1)
    assert native(g), g.explain()


def test_what_stays_numpys() -> None:
    g = check(lambda x: np.searchsorted(np.array([1, 2, 3]), np.floor(x)) + 0, XP)  # integers beside floats
    assert "searchsorted" in g.explain()
    empty = jit(lambda x: np.searchsorted(np.zeros(0), x) + 0)
    for _ in range(2):
        assert (empty(XP) == 0).all()
