"""Many arrays as one, in C: refused where one is not as expected."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from dualad.native.gather import gathering

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(), (1,), (10,), (3, 5), (2, 0), (2, 1, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.bool_, np.complex128])
def test_stacks(dtype: Any, shape: tuple[int, ...]) -> None:
    gather = gathering(np.dtype(dtype), shape)
    assert gather is not None
    for n in (0, 1, 2, 100):
        xs = [(9 * RNG.normal(size=shape)).astype(dtype)[()] for _ in range(n)]
        y = gather(*xs)
        np.testing.assert_array_equal(y, np.array(xs, dtype).reshape(n, *shape))
        assert y.dtype == dtype
        assert y.flags.c_contiguous
        assert y.base is None


def test_refuses() -> None:
    gather = gathering(np.dtype(float), (4,))
    assert gather is not None
    x = RNG.normal(size=4)
    wrong = [
        x[:3],
        x[:, None],
        np.ones(8)[::2],
        x.astype(np.float32),
        x.astype(">f8"),
        1.0,
        np.float64(1),
        None,
        [1.0] * 4,
    ]
    for y in wrong:
        assert gather(x, x, y) is None
    held = [sys.getrefcount(o) for o in (x, x.dtype)]
    for _ in range(1000):
        gather(x, x), gather(x, 1.0)
    assert [sys.getrefcount(o) for o in (x, x.dtype)] == held


def test_dtypes_that_are_not_numpy_s_own() -> None:
    assert gathering(np.dtype(">f8"), (2,)) is None
    assert gathering(np.dtype([("a", float)]), (2,)) is None
    assert gathering(np.dtype("M8[s]"), (2,)) is None


def test_numbers() -> None:
    gather = gathering(np.dtype(float), ())
    assert gather is not None
    np.testing.assert_array_equal(gather(np.float64(1.5), 2.5, float("nan")), [1.5, 2.5, np.nan])
    for y in (1, True, np.float32(1), np.array(1.0), 1j):
        assert gather(0.5, y) is None
