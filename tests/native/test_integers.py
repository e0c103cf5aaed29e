"""Integers of all widths as machine code: NumPy's wrap-around, promotion, division, shifts and conversions."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import dualad.numpy as dnp
from dualad import grad, jit, vmap
from tests.native.test_programs import both
from tests.native.test_registry import programs, run

RNG = np.random.default_rng(0)
DTYPES = [np.dtype(t) for t in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")]


def points(dtype: Any) -> Any:
    """The ends of the range, what is near 0, and others."""
    info = np.iinfo(dtype)
    near = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 100, info.max, info.max - 1, info.min, info.min + 1]
    near += [-1, -2, -5, -64] if info.min else []
    return np.array(near + RNG.integers(info.min, info.max, 8, dtype, endpoint=True).tolist(), dtype)


def same(f: Any, *args: Any) -> Any:
    """Compiled as loops and as straight-line code it is what NumPy gives."""
    g = jit(f)
    with np.errstate(all="ignore"):
        g(*args)
        theirs = f(*args)
        theirs = theirs if isinstance(theirs, tuple) else (theirs,)
        for x, y in zip(run(g, *args), theirs, strict=True):
            assert x.dtype == np.asarray(y).dtype
            np.testing.assert_array_equal(x, y)
    assert "NumPy" not in g.explain(), g.explain()
    return g


BINARY = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "less": operator.lt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "logical_and": np.logical_and,
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_arithmetic(dtype: Any) -> None:
    a, b = (x.ravel() for x in np.meshgrid(points(dtype), points(dtype)))
    same(lambda a, b: tuple([f(a, b) for f in BINARY.values()]), a, b)
    same(lambda a: (-a, +a, abs(a), ~a, np.square(a), np.sign(a), np.logical_not(a), a * 3, 5 - a, a // 3, a % 7), a)
    same(lambda a: (a**0, a**1, a**2, a**3, a**4), a)
    same(lambda a: (dnp.where(a > 3, a, 1), a > 2, a == 1, dnp.where(a, 1.5, 0)), a)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_numbers(dtype: Any) -> None:
    """The same of single numbers."""
    for x in points(dtype)[::2]:
        for y in points(dtype)[[1, 3, -1]]:
            same(lambda a, b: (a + b, a * b, a - b, a // b, a % b, a < b, a & b, a.astype(np.float64)), x, y)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_shifts(dtype: Any) -> None:
    a, b = (x.ravel() for x in np.meshgrid(points(dtype), points(dtype)))
    same(lambda a, b: (np.left_shift(a, b), np.right_shift(a, b), a << 1, a >> 1, a >> 7), a, b)


@pytest.mark.parametrize("one", DTYPES, ids=str)
def test_promotion(one: Any) -> None:
    """With every other integer dtype; where NumPy promotes to floats, these."""
    for other in DTYPES:
        a, b = (x.ravel() for x in np.meshgrid(points(one), points(other)))
        same(lambda a, b: (a + b, a * b, a - b, np.maximum(a, b), a / b), a, b)
        if np.result_type(one, other).kind != "f":
            same(lambda a, b: (a < b, a == b, a // b), a, b)


def test_comparisons_beyond_what_floats_tell_apart() -> None:
    """NumPy compares signed with unsigned numbers exactly, and with Python's numbers out of range."""
    a, b = np.array([2**53, 2**53 + 1, -1, 0]), np.array([2**53 + 1, 2**53 + 1, 2**64 - 1, 0], np.uint64)
    f = lambda a, b: (a == b, a < b, a >= b)
    g = jit(f)
    g(a, b)
    for x, y in zip(run(g, a, b), f(a, b), strict=True):
        np.testing.assert_array_equal(x, y)
    x = np.array([0, 100, 255], np.uint8)
    f = lambda x: (x < 300, x > -1, x == 256, x < 2**70)
    g = jit(f)
    g(x)
    for ours, theirs in zip(run(g, x), f(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_conversions(dtype: Any) -> None:
    """To and from all dtypes; of floats what is in range."""
    a = points(dtype)
    to = [*DTYPES, np.dtype(float), np.dtype(np.float32), np.dtype(bool), np.dtype(complex)]
    same(lambda a: tuple([a.astype(t) if t != dtype else a * 1 for t in to]), a)
    info = np.iinfo(dtype)
    x = np.array([0.0, 1.5, 2.99, -0.9, 100.7, info.max / 2, info.max * 0.99, info.min * 0.99 if info.min else 3.0])
    same(lambda x: x.astype(dtype), x)
    same(lambda x: x.astype(dtype), x.astype(np.float32))
    same(lambda x: x.astype(dtype), np.array([True, False]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reductions(dtype: Any) -> None:
    for shape in ((7,), (100,), (3, 5), (17, 33), (1,), (1000,)):
        info = np.iinfo(dtype)
        a = RNG.integers(info.min, info.max, shape, dtype, endpoint=True)
        same(
            lambda a: (
                a.sum(),
                a.sum(0),
                dnp.max(a),
                dnp.min(a, -1),
                dnp.any(a > 5),
                dnp.all(a),
                dnp.sum(a > 3),
                dnp.prod(a, 0),
            ),
            a,
        )
        both(lambda a: (dnp.mean(a), dnp.mean(a > 3, 0)), a, rtol=1e-13)
    one = points(dtype)[3]
    same(lambda a: (a * 2, a.sum()), one)


def test_with_floats() -> None:
    for dtype in DTYPES:
        a, x = points(dtype), RNG.normal(size=len(points(dtype)))
        same(lambda a, x: (a * x, x - a, a + 0.5, a > x, dnp.where(a > 1, x, a)), a, x)
        if dtype.itemsize <= 2:
            single = x.astype(np.float32)
            same(lambda a, x: (a * x, x - a, a > x), a, single)
        both(lambda a, x: (np.sin(x * a).sum(), np.sqrt(x * x + a.astype(float) ** 2)), a, x)


@pytest.mark.parametrize("dtype", [t for t in DTYPES if t != np.uint64], ids=str)
def test_indices(dtype: Any) -> None:
    """Gathers and scatters by arrays of any integers, also negative ones, in loops and straight-line code."""
    x = RNG.normal(size=(20, 3))
    i = np.array([0, 3, 19, 3, 7, 3, 0, 5, 6, 7, 8, 11, 12, 13, 14, 18, 19], dtype)
    if dtype.kind == "i":
        i[::3] = -i[::3] - 1

    def f(x: Any, i: Any) -> Any:
        return (x[i] ** 2).sum() + np.sin(x[:, 1][i[:5]]).sum() + x[i[2], 1] + x[2, np.array([0, 2], dtype)].sum()

    g = both(grad(f), x, i)
    assert "NumPy" not in g.explain()
    with pytest.raises(IndexError):
        g(x, np.full_like(i, 20))


def test_conversions_of_constants() -> None:
    """What does not fit wraps, and stays wrapped."""

    def f(a: Any) -> Any:
        out = dnp.zeros(20, np.int8)
        out[3:8] = np.array([300, 200, -129, 128, 127])
        return out.astype(np.int64) + a, out + np.int16(3)

    same(f, np.arange(20))


def test_loops() -> None:
    """Carried values of narrow dtypes; a generator of random numbers that wraps."""

    def f(seed: Any, x: Any) -> Any:
        total = x * 0
        for _ in range(600):
            seed = seed * np.uint32(1664525) + np.uint32(1013904223)
            total = total + x * (seed >> 16)
        return seed, total

    with np.errstate(all="ignore"):
        g = both(f, np.uint32(7), np.float64(0.5), only_native=False)
        h = both(f, np.arange(5, dtype=np.uint32), RNG.normal(size=5), only_native=False)
    for k in (g, h):
        assert "(native)" in k.explain()


def test_guards() -> None:
    def f(a: Any) -> Any:
        return a * 2 if a[0] > 200 else a + int(a[1])

    g = jit(f)
    for a in (np.array([201, 3], np.uint8), np.array([100, 3], np.uint8), np.array([100, 5], np.uint8)):
        for _ in range(2):
            np.testing.assert_array_equal(g(a), f(a))
    assert all(not p.steps or "check" not in " ".join(p.listing()) for p in programs(g))


def test_layouts() -> None:
    f = jit(lambda a, b: a * b + a.T.sum())
    a = RNG.integers(0, 255, (6, 8), np.uint8)
    f(a, a)
    for x in (a[::2], a.T, a[:, ::-1], a.astype(">i2"), np.empty((0, 3), np.int16)):
        np.testing.assert_array_equal(f(x, x), x * x + x.T.sum())
        np.testing.assert_array_equal(f(x, x), x * x + x.T.sum())


def test_rows() -> None:
    f = vmap(lambda a, i, t: (a * i + i // 3, t[i] * a[0], (a > i).sum()))
    args = RNG.normal(size=(40, 3)), RNG.integers(0, 9, (40,), np.int32), RNG.normal(size=(40, 9))
    both(f, *args)


def test_half_precision_is_left_to_numpy() -> None:
    g = both(lambda x: x * 2 + 1, RNG.normal(size=5).astype(np.float16), only_native=False, rtol=1e-3)
    assert "NumPy" in g.explain()
