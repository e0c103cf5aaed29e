"""Compiled programs against NumPy: loops, reductions, gathers, scatters, products, mixtures with NumPy's own steps."""

from __future__ import annotations

import ctypes
import gc
import logging
import math
import re
import resource
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import dualad.numpy as dnp
from dualad import grad, jacrev, jit, value_and_grad
from dualad.native import entry, program
from dualad.native.machine import vector_bytes
from tests.native.test_registry import programs, run

RNG = np.random.default_rng(0)


def both(f: Any, *args: Any, rtol: float = 1e-12, only_native: bool = True) -> Any:
    """``f`` compiled, at the arguments and at moved ones, equals ``f``; returns the compiled function."""
    g = jit(f)
    g(*args)
    moved = [a * 1.01 if a.dtype.kind == "f" else a for a in args]
    for own in (args, moved, args):
        ours, theirs = run(g, *own), f(*own)
        theirs = theirs if isinstance(theirs, (tuple, list)) else (theirs,)
        assert len(ours) == len(theirs)
        for x, y in zip(ours, theirs, strict=True):
            assert x.dtype == np.asarray(y).dtype
            assert type(x) is type(np.asarray(y)[()])
            assert x.shape == np.shape(y)
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)
    if only_native:
        assert all(p.direct is not None for p in programs(g)), g.explain()
    return g


def normal(*shape: int, dtype: Any = float) -> Any:
    return RNG.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1000, 4099])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_row_lengths(n: int, dtype: Any) -> None:
    """Full vectors, tails, masks."""
    f = lambda x: (x * x + 1, (x - 2 * x).sum(), x.max(), x > 0, x[::-1] * 2)
    both(f, normal(n, dtype=dtype), rtol=2e-5 if dtype is np.float32 else 1e-12)


@pytest.mark.parametrize("n", [31, 32, 63, 100, 127, 128, 129, 190, 255, 256, 511, 512, 513, 575, 4097, 20_000, 99_999])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_chains_of_functions_are_taken_by_turns(n: int, dtype: Any) -> None:
    """In long rows two groups of vectors go from call to call together; with and without sums, every length of the rest."""
    f = lambda x: np.tanh(np.sin(x) * np.exp(-x * x))
    rtol = 1e-4 if dtype is np.float32 else 1e-12
    x = normal(n, dtype=dtype)
    counted = []
    for g, args in (
        (f, (x,)),
        (lambda x: (f(x), f(x).sum()), (x,)),
        (lambda x, y: f(x + y[:, None]).max(axis=1), (x, normal(3, dtype=dtype))),
        (lambda x, i: f(x[i]) * x[::2].sum(), (x, RNG.integers(0, n, n))),
        (lambda x: f(x[: n // 2 * 2 : 2]) + f(x[1::2][: n // 2]), (x,)),
    ):
        counted.append(both(g, *args, rtol=rtol).lower(*args).as_text().count("tanh.v"))
    if n >= 16 * 4 * vector_bytes() // x.itemsize:  # no code of its own for the rest
        assert counted[0] == 3  # a declaration, and two calls


@pytest.mark.parametrize("n", [2**15 - 1, 2**15, 2**15 + 13])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_long_rows(n: int, dtype: Any) -> None:
    """What is fetched ahead lies beyond the ends of the arrays too."""
    g = both(lambda x: (x * x + 1, dnp.sin(x) * x, x > 0, x.sum()), normal(n, dtype=dtype), rtol=1e-3)
    assert ("llvm.prefetch" in g.lower(normal(n, dtype=dtype)).as_text()) == (n >= 2**15)


def test_many_short_rows_are_long_together() -> None:
    """What lies in memory one after another is fetched ahead; a row that is taken again and again is not."""

    def fetched(f: Any, *args: Any) -> set[str]:
        g = both(f, *args)
        return {
            {"3": "read", "2": "write"}[k]  # into which cache
            for k in re.findall(r"call .*llvm.prefetch.*i32 0, i32 (\d)", g.lower(*args).as_text())
        }

    outer = lambda c, r: c * r
    assert fetched(outer, normal(300, 1), normal(300)) == {"write"}
    assert fetched(outer, normal(100, 1), normal(100)) == set()
    assert fetched(lambda a, r: a * r, normal(300, 300), normal(300)) == {"read", "write"}
    assert fetched(lambda a, r: a[:, :200] * r, normal(300, 300), normal(200)) == {"write"}
    assert fetched(lambda a, r: (a * r).sum(axis=0), normal(300, 300), normal(300)) == {"read"}


def test_a_reshaped_result_is_copied_before_it_is_read() -> None:
    """By a loop that another value began before it."""

    def f(x: Any, b: Any) -> Any:
        y = np.sin(x)
        z = y - b.sum()  # at the stage at which the result can be read
        q = y.reshape(2, 3)
        return (z * z).sum() + (q * q).sum(), q, y

    both(f, normal(6), normal(12))
    both(value_and_grad(lambda x, b: f(x, b)[0]), normal(6), normal(12))

    def h(a: Any, b: Any, c: Any) -> Any:
        m = c - a
        s = np.reshape(c, (2, 3)) - b.sum() * 0.5
        if s.sum() > 0.1:
            s = s * 0.5 - 1
        q = np.reshape(m[-1], (2, 3))
        return (s * s * 0.1 + s).sum() + (q * q * 0.1 + q).sum(), q

    g = value_and_grad(h, (0, 1, 2), has_aux=True)
    flattened = lambda *xs: [*(found := g(*xs))[0], *found[1]]
    both(flattened, normal(1, 6), normal(4, 3), normal(1, 6))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int32, np.bool_])
@pytest.mark.parametrize(("m", "n"), [(130, 1536), (9, 1801), (3, 2000), (200, 1500)])
def test_rows_gone_across_are_taken_in_parts(m: int, n: int, dtype: Any) -> None:
    a, c = (normal(*shape).astype(dtype) for shape in ((n, m), (m, n)))
    g = both(lambda x, y: np.where(y > x.T, y, x.T) if dtype is not np.complex128 else x.T + y, a, c)
    assert bool(re.search(r"add i64 .*, 256\n", g.lower(a, c).as_text())) == (n >= 1536 and m >= 8)
    batches = np.stack([a, a[::-1], a])
    both(lambda x, y: np.where(x.swapaxes(1, 2) == y, y, x.swapaxes(1, 2)), batches, c)
    both(lambda x: x.transpose(2, 1, 0) == x.T, batches)


@pytest.mark.parametrize("n", [1000, 10**6])
def test_a_constant_array_of_one_number_is_not_read(n: int) -> None:
    """The cotangent of a sum, and arrays of ones and zeros."""
    x = np.linspace(0.1, 1.0, n)
    ones, other = np.ones(n), np.ones(n)
    other[n // 2] = 2.0
    for c, arrays in ((ones, 0), (np.broadcast_to(3.0, n), 0), (other, 1)):
        g = both(lambda x, c=c: x * c + 1, x)
        assert loads(g, x) == 1 + arrays
    slope = both(grad(lambda x: np.sum(np.sin(x) * x)), x)
    assert loads(slope, x) == 1


def test_zeros_of_either_sign_are_not_one_number() -> None:
    signs = np.where(np.arange(300) % 7 == 3, -0.0, 0.0)
    ys = jit(lambda x: dnp.copysign(x, signs))(np.ones(300))
    np.testing.assert_array_equal(ys, np.copysign(1.0, signs))


def loads(g: Any, x: Any) -> int:
    """Of vectors, in the loop over whole vectors of the only kernel."""
    text = g.lower(x).as_text()
    loop = text[text.index("\nloop:") :]
    return len(re.findall(r"= load <\d+ x double>", loop[: loop.index("br i1")]))


@pytest.mark.parametrize("shape", [(5, 7), (3, 1, 9), (4, 16), (2, 3, 4, 5), (17, 2), (1, 1)])
def test_reductions_over_any_axes(shape: tuple[int, ...]) -> None:
    n = len(shape)
    axes = [tuple(k for k in range(n) if bits >> k & 1) for bits in range(1, 2**n)]

    def f(x: Any) -> Any:
        y = x * 1.5 - 0.25
        return [
            r
            for a in axes
            for r in (
                dnp.sum(y, axis=a),
                dnp.max(y, axis=a),
                dnp.min(x, axis=a),
                dnp.mean(x, axis=a),
                dnp.all(x > -1, axis=a),
            )
        ]

    both(f, normal(*shape))


def test_sums_are_as_exact_as_numpy_s() -> None:
    x = RNG.uniform(size=1_000_001)
    exact = math.fsum(x.tolist())
    total = jit(lambda x: (x * 1.0).sum())
    total(x)
    assert abs(total(x) - exact) <= 4 * max(abs(x.sum() - exact), np.spacing(exact))
    single = x.astype(np.float32)
    exact = math.fsum(single.tolist())
    total(single)
    assert abs(float(total(single)) - exact) <= 4 * max(
        abs(float(single.sum()) - exact), float(np.spacing(np.float32(exact)))
    )


def alike(a: Any, b: Any) -> Any:
    """Where numbers are equal with their signs, or both none."""
    return (a == b) & (np.signbit(a) == np.signbit(b)) | (np.isnan(a) & np.isnan(b))


@pytest.mark.parametrize("f", [np.fmod, np.remainder, np.floor_divide])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_remainders_have_numpys_bits(f: Any, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    some = [0.0, 1.0, 0.5, 3.0, 0.1, 2.0**53, 2.0**60, 1e300, 1e-310, 5e-324, np.inf]
    with np.errstate(all="ignore"):
        special = np.array([*some, *[-x for x in some], np.nan]).astype(dtype)
        x, y = (v.ravel() for v in np.meshgrid(special, special))
        x = np.concatenate([x, (rng.normal(size=999) * 10 ** rng.uniform(-5, 9, 999)).astype(dtype)])
        y = np.concatenate([y, (rng.normal(size=999) * 10 ** rng.uniform(-3, 3, 999)).astype(dtype)])
        expected = f(x, y)
        for g, args in ((jit(lambda x, y: f(x, y)), (x, y)), (jit(lambda x, y: f(x, y)), (x[:3], y[:3]))):
            g(*args)
            found = g(*args)
            want = expected[: len(found)]
            assert "NumPy" not in g.explain()
            assert found.dtype == dtype
            same = alike(found, want)
            assert same.all(), [(a[~same], b[~same]) for a, b in ((args[0], args[1]), (found, want))]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_steps_and_rounding_have_numpys_bits(dtype: Any) -> None:
    x = np.array([0.0, -0.0, 1.25, -1.25, 2.5, 0.125, 12345.678, -5e-5, 1e30, np.inf, -np.inf, np.nan]).astype(dtype)
    f = lambda x: (np.heaviside(x, 0.5), np.heaviside(x, x[::-1]), *[np.round(x, d) for d in (0, 1, 3, -1, -2)])
    g = jit(f)
    g(x)
    assert "NumPy" not in g.explain()
    for a, b in zip(g(x), f(x), strict=True):
        assert a.dtype == b.dtype
        assert alike(a, b).all(), (a, b)


def test_special_values() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1.0, 1.0, 1e308])
    with np.errstate(all="ignore"):
        f = lambda x: (
            x + 1, x * 0, x / x, np.sqrt(x), np.maximum(x, 0), np.minimum(x, 1), np.fmax(x, 0), np.abs(x), np.sign(x),
            x > 0, x == x, np.isnan(x), np.floor(x), x.max(), x.min(), x.sum(), np.where(x > 0, x, 0), -x, x**2, x**-1,
        )  # fmt: skip
        g = both(f, x)
        signs = [np.signbit(v) for v in run(g, x)]
        for a, b in zip(signs, f(x), strict=True):
            if np.asarray(b).dtype.kind == "f":
                ok = np.isnan(b) | (a == np.signbit(b))
                assert np.all(ok)


def test_broadcasting_transposes_and_slices() -> None:
    def f(x: Any, v: Any, c: Any) -> Any:
        y = np.exp(x)
        return (
            y * v + c, (y.T * c[:, 0]).sum(1), y[1:] - y[:-1], y[::-1, ::2] * 3, y[2], y[:, -1] + v[0],
            (x + v).T.reshape(-1) * 2, dnp.expand_dims(v, 0) * dnp.ones((3, 1)), y.reshape(2, 3, 4).sum((0, 2)),
        )  # fmt: skip

    both(f, normal(6, 4), normal(4), normal(6, 1))


def test_joining_and_assignment() -> None:
    def f(x: Any, v: Any) -> Any:
        out = dnp.zeros((4, 5))
        out[1:3, 2:] = x[:2, :3]
        out[0] = v * 2
        out[:, 1] += 1
        return out, dnp.concatenate([x, x * 2], axis=1), dnp.stack([v, v * v], axis=1), dnp.concatenate([v[:2], v])

    both(f, normal(4, 5), normal(5))
    both(lambda x, v: grad(lambda x: sum((o * o * o).sum() for o in f(x, v)))(x), normal(4, 5), normal(5))


def test_long_joins_are_written_part_by_part() -> None:
    def f(x: Any, y: Any) -> Any:
        parts = dnp.concatenate([np.sin(x), y[:, ::-1], x.T @ y, y, 2.0 * x, np.zeros((3, 40))])
        across = dnp.concatenate([x, np.exp(y), x * y, y + 1, x[:, :7]], axis=1)
        stacked = dnp.stack([x, y, np.tanh(x), x * 0.5, y], axis=2)
        again = dnp.concatenate([across[0], across[1] * 2, dnp.sum(stacked, axis=(0, 1))])
        return parts, across, stacked, again, parts[1:4] * parts[2:5], dnp.reshape(stacked, (-1,))

    x, y = normal(40, 40), normal(40, 40)
    both(lambda x, y: f(x[:40], y)[1:], x, y)
    both(lambda x, y: f(x, y), x, y)
    both(lambda x: grad(lambda x: sum((o * o).sum() for o in f(x, y)))(x), x)
    both(lambda v: dnp.concatenate([v, v[:1], 2 * v, v, v, v * v]), normal(100).astype(np.float32))
    text = jit(lambda v: dnp.concatenate([v * k for k in range(6)]))
    text(normal(100))
    assert text.explain().count("loop") == 1


def test_products_of_few_columns() -> None:
    for k in (1, 2, 3, 4, 5):
        both(lambda a, b: a @ b, normal(150, k), normal(k, 170))
        both(lambda a, b: (a.T * 2) @ np.sin(b), normal(k, 150), normal(k, 170))


def test_gather_and_scatter() -> None:
    i = np.array([3, 0, -1, 3, 2, 2])
    j = np.array([[0, 1], [2, 0]])

    def f(x: Any) -> Any:
        return x[i], x[:, j], x[j, j.T], x[i[:, None], np.array([0, 2])], (x * 2)[i].sum(0)

    both(f, normal(4, 3))
    both(grad(lambda x: sum((y * y).sum() for y in f(x))), normal(4, 3))
    big = RNG.integers(0, 50, 1001)
    both(grad(lambda x: (x[big] ** 3).sum()), normal(50))
    both(grad(lambda x: (x[big] ** 3).sum()), normal(50, 3))


def test_indices_as_arguments() -> None:
    f = jit(lambda x, i: (x * 2)[i] + 1)
    x = normal(5, 2)
    for i in (np.array([0, 4, -5]), np.array([1, 1, 1])):
        np.testing.assert_array_equal(f(x, i), (x * 2)[i] + 1)
    for bad in (np.array([0, 5, 0]), np.array([0, -6, 0])):
        with pytest.raises(IndexError):
            f(x, bad)


def test_scattering_by_arguments() -> None:
    f = jit(grad(lambda x, i, w: (x[i] ** 2 * w).sum()))
    x, w = normal(6, 2), normal(40, 2)
    for _ in range(3):
        i = RNG.integers(-6, 6, 40)
        np.testing.assert_allclose(f(x, i, w), grad(lambda x: (x[i] ** 2 * w).sum())(x), rtol=1e-12, atol=1e-14)
    assert programs(f)[0].direct is not None
    with pytest.raises(IndexError):
        f(x, np.full(40, 6), w)
    few = jit(grad(lambda x, i: (x[i] * np.arange(3.0)).sum()))  # nothing but the scatter, of a few elements
    for i in (np.array([0, 0, 3]), np.array([2, 1, 0])):
        np.testing.assert_array_equal(few(x[:, 0], i), grad(lambda x: (x[i] * np.arange(3.0)).sum())(x[:, 0]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_matrix_products(dtype: Any) -> None:
    def f(a: Any, b: Any, v: Any, w: Any) -> Any:
        return (
            a @ b, b.T @ a.T, a @ v, v @ b, a.T @ w, w @ a, (a * 2) @ b, a[1:] @ b[:, ::2], (a @ b).T @ a, a[:, 1:3] @ b[1:3],
            a[:1] @ b, a @ b[:, :1], v @ v, (a @ b)[0] + 1, a[::2] @ b, dnp.outer(v, w), a[:, 0] @ a,
        )  # fmt: skip

    args = normal(5, 4, dtype=dtype), normal(4, 3, dtype=dtype), normal(4, dtype=dtype), normal(5, dtype=dtype)
    both(f, *args, rtol=1e-4 if dtype is np.float32 else 1e-12, only_native=False)
    g = jit(lambda a, b: a.T @ b)
    x, y = normal(7, 4, dtype=dtype), normal(7, 3, dtype=dtype)
    g(x, y)
    assert programs(g)[0].direct is not None


def test_contractions_and_small_matrices() -> None:
    x, v = normal(6, 5), normal(6)
    both(
        lambda x, v: (dnp.einsum("bi,bj,b->ij", x, x * 2, v), dnp.einsum("ij->ji", x), dnp.einsum("ij,ij", x, x)), x, v
    )
    both(lambda a, b: (dnp.einsum("ij,jk->ki", a, b), dnp.einsum("ij,kj->ik", a, b.T)), normal(40, 30), normal(30, 20))
    both(lambda a, b: (a @ b, b[0].T @ a[1].T), normal(7, 3, 4), normal(2, 1, 4, 2)[:, 0][[0] * 7], only_native=False)
    both(lambda a, b: a @ b, normal(7, 3, 4), normal(2, 1, 4, 2))


def test_norms_neither_overflow_nor_vanish() -> None:
    f = lambda x: (dnp.linalg.norm(x, axis=1), dnp.linalg.norm(x))
    rows = np.array([[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0], [3.0, -4.0]])
    g = jit(f)
    g(rows)
    np.testing.assert_allclose(run(g, rows)[0], [5e200, 5e-200, 0, 5])
    assert programs(g)[0].direct is not None
    odd = np.array([[np.inf, 1.0], [np.nan, 1.0], [-np.inf, np.nan], [1.0, 1.0]])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(g(odd)[0], f(odd)[0])
    both(f, np.array([[0, 0], [3, 4]], np.float32).repeat(2, 0), rtol=1e-6)


def test_a_network() -> None:
    def loss(p: Any, x: Any, y: Any) -> Any:
        h = np.tanh(x @ p["w"] + p["b"])
        z = h @ p["v"]
        z = z - dnp.max(z, axis=1, keepdims=True)
        return -(y * (z - np.log(dnp.sum(np.exp(z), axis=1, keepdims=True)))).sum(1).mean()

    p = {"w": normal(7, 5), "b": normal(5), "v": normal(5, 3)}
    x, y = normal(11, 7), np.eye(3)[RNG.integers(0, 3, 11)]
    f = jit(value_and_grad(loss))
    for scale in (1.0, 0.5):
        q = {k: v * scale for k, v in p.items()}
        (a, g), (b, h) = f(q, x, y), value_and_grad(loss)(q, x, y)
        np.testing.assert_allclose(a, b, rtol=1e-12)
        for k in p:
            np.testing.assert_allclose(g[k], h[k], rtol=1e-9, atol=1e-13)
    assert len(programs(f)[0].steps) == 1


def test_steps_of_numpy_between() -> None:
    def f(x: Any) -> Any:
        a = np.exp(x) @ np.exp(x).T + 4 * np.eye(3)
        w = np.linalg.eigvalsh(a) * 2
        s = np.sort(w * w)[::-1]
        return (np.linalg.solve(a, s) * x[:, 0]).sum(), np.fft.fft(s).real * 2

    g = both(f, normal(3, 3), only_native=False)
    assert 1 < len(programs(g)[0].segments) < len(programs(g)[0].steps)
    h = jit(grad(lambda x: f(x)[0]))
    x = normal(3, 3)
    h(x)
    np.testing.assert_allclose(h(x), grad(lambda x: f(x)[0])(x), rtol=1e-9)


def test_integers_and_truth_values() -> None:
    def f(i: Any, b: Any, x: Any) -> Any:
        return (
            i + 2,
            i * i - i,
            b & (i > 2),
            ~b,
            np.where(b, i, 0),
            i.sum(),
            b.sum(),
            i * x,
            x[i % 2 == 0].sum(),
            i.max(),
        )

    both(f, np.arange(6), np.arange(6) % 2 == 0, normal(6), only_native=False)


def test_empty_arrays() -> None:
    both(
        lambda x: (x + 1, x.sum(), x.sum(0), dnp.concatenate([x, x]), np.exp(x).T), np.empty((0, 3)), only_native=False
    )


def test_long_programs_in_linear_time() -> None:
    def chain(x: Any) -> Any:
        y = x
        for _ in range(1000):
            y = y * x + 0.5 - y
        return y

    for x in (np.float64(0.3), np.array([0.3, 0.4, 0.5])):
        f = jit(chain)
        f(x)
        np.testing.assert_allclose(f(x), chain(x), rtol=1e-11)
    from dualad.native.scalars import CHUNK

    (p,) = programs(jit_of(lambda x: grad(lambda x: chain(chain(x)))(x), np.float64(0.3)))
    assert p.segments[0].text.count('define internal i64 @"run') > 1 + CHUNK // CHUNK


def jit_of(f: Any, *args: Any) -> Any:
    g = jit(f)
    g(*args)
    np.testing.assert_allclose(g(*args), f(*args), rtol=1e-9)
    return g


def test_workspace_is_used_again() -> None:
    def f(x: Any) -> Any:
        for _ in range(12):
            x = np.exp(-np.cumsum(x)[::-1] * 0 + (x - x.max()) * 0.5)
        return x

    def softmaxes(x: Any) -> Any:
        for _ in range(12):
            e = np.exp(x - dnp.max(x, axis=1, keepdims=True))
            x = (e / dnp.sum(e, axis=1, keepdims=True)) @ x
        return x

    g = both(softmaxes, normal(40, 40), rtol=1e-9)
    assert programs(g)[0].segments[0].workspace < 6 * 40 * 40 * 8
    both(f, normal(40), only_native=False, rtol=1e-10)


# Calling --------------------------------------------------------------------------------------


def test_layout_of_this_interpreter() -> None:
    assert entry.layout_holds()
    names = "TYPE NUMBER DATA RANK DIMS STRIDES DESCR FLAGS WEAK"
    right = [getattr(entry, k) for k in names.split()]
    assert entry._layout_of(*right)
    for k in range(len(right)):
        wrong = list(right)
        wrong[k] += 8
        assert not entry._layout_of(*wrong)


@pytest.mark.parametrize("how", ["another layout", "no compiler"])
def test_without_the_fast_entry_and_without_the_compiler(how: str, monkeypatch: Any) -> None:
    if how == "another layout":
        monkeypatch.setattr(entry, "layout_holds", lambda: False)
    else:
        monkeypatch.setattr(program, "available", lambda: False)
    f = lambda x, s: (np.exp(x) * s, (x @ x.T).sum(), x.T if x[0, 0] > 0 else x * 2)
    g = jit(f)
    for x in (np.ones((3, 3)), normal(3, 3).T, -np.ones((3, 3))):
        for s in (2.0, 3.0):
            g(x, s)
            for a, b in zip(g(x, s), f(x, s), strict=True):
                np.testing.assert_allclose(a, b)
    for p in programs(g):
        if how == "another layout":
            assert isinstance(
                p.segments[0].code.call if hasattr(p.segments[0], "code") else p.steps[0][0].call, entry.Slow
            )
        else:
            assert not p.segments


def test_a_product_with_a_negated_factor_is_that_of_the_factor() -> None:
    f = lambda x, y: (-x * x, x * x, -y * -x, y * x)
    g = jit(f)
    x, y = np.array([0.0, -0.0, 1.5, np.inf, -np.inf, np.nan, 5e-324, 3.0, -2.0]), normal(9)
    for _ in range(2):
        for found, expected in zip(g(x, y), f(x, y), strict=True):
            np.testing.assert_array_equal(found, expected)
            signs = np.signbit(found) == np.signbit(expected)
            assert signs[~np.isnan(found)].all()
    text = g.lower(x, y).as_text()
    assert 2 * text.count("fmul") == len(re.findall(r"store (<\d+ x )?double", text))  # four results of two products


def test_results_share_no_memory() -> None:
    f = jit(lambda x: (x, x + 1, x.T, x[0], x * 1))
    x = normal(3, 3)
    for _ in range(2):
        out = f(x)
        arrays = [x, *out]
        for i, a in enumerate(arrays):
            for b in arrays[:i]:
                assert not np.shares_memory(a, b)
        first, second = f(x), f(x)
        for a, b in zip(first, second, strict=True):
            assert not np.shares_memory(a, b)


def test_a_small_result_is_used_again_once_nobody_has_it() -> None:
    f = jit(lambda x: x * 2)
    x = np.arange(6.0).reshape(2, 3)
    for _ in range(3):
        f(x)
    kept = [f(x + k) for k in range(10)]
    for k, y in enumerate(kept):
        np.testing.assert_array_equal(y, 2 * (x + k))
    del kept, y
    assert len({id(f(x)) for _ in range(10)}) <= 2


@pytest.mark.parametrize(
    "hold",
    [
        lambda y: y,
        lambda y: y[:],
        lambda y: y.T.T,
        lambda y: np.asarray(memoryview(y)),
        lambda y: np.nditer(y).operands[0],
        lambda y: np.from_dlpack(y),
        lambda y: np.ctypeslib.as_array(y.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), (2, 3)),
    ],
)
def test_a_result_that_somebody_has_is_not_used_again(hold: Any) -> None:
    f = jit(lambda x: x * 2)
    x = np.arange(6.0).reshape(2, 3)
    for _ in range(3):
        f(x)
    held = [hold(f(x + k)) for k in range(3)]
    for _ in range(5):
        f(x - 1)
    for k, h in enumerate(held):
        np.testing.assert_array_equal(h, 2 * (x + k))


def test_a_result_that_somebody_watches_is_not_used_again() -> None:
    f = jit(lambda x: x * 2)
    x = np.arange(6.0)
    for _ in range(3):
        f(x)
    watched = [weakref.ref(f(x + k)) for k in range(3)]
    f(x - 1)
    for k, w in enumerate(watched):
        assert w() is None or (w() == 2 * (x + k)).all()


def _locked(y: Any) -> None:
    y.flags.writeable = False


@pytest.mark.parametrize(
    "change",
    [
        _locked,
        lambda y: setattr(y, "shape", (3, 2)),
        lambda y: setattr(y, "shape", 6),
        lambda y: setattr(y, "dtype", np.int64),
        lambda y: setattr(y, "dtype", ">f8"),
        lambda y: y.resize((1, 3), refcheck=False),
        lambda y: y.resize((2, 6), refcheck=False),
        lambda y: y.fill(np.nan),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_result_that_was_changed_in_place_is_new_again(change: Any) -> None:
    f = jit(lambda x: (x * 2, x.sum()))
    x = np.arange(6.0).reshape(2, 3)
    for k in range(6):
        y, s = f(x)
        np.testing.assert_array_equal(y, 2 * x)
        assert y.dtype == x.dtype and y.flags.writeable and y.flags.c_contiguous and s == 15
        if k >= 2:
            change(y)
        del y


@pytest.mark.parametrize("calls", [50_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
def test_nothing_leaks(calls: int) -> None:
    f = jit(lambda x, s: (x * s, (x * x).sum(), x > 0))
    guarded = jit(lambda x: x * 2 if x[0] > 0 else x * 3)
    x = normal(1000)
    for _ in range(50):
        f(x, 2.0), guarded(x), guarded(-x)
    gc.collect()  # what other tests left
    descr, kind = sys.getrefcount(x.dtype), sys.getrefcount(np.ndarray)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(calls // 5):
        f(x, 2.0), guarded(x), guarded(-x), f(x, 2), f(x.reshape(10, 100)[:, 0], 2.0)
    gc.collect()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert abs(sys.getrefcount(x.dtype) - descr) < 50
    assert abs(sys.getrefcount(np.ndarray) - kind) < 50
    assert sys.getrefcount(x) == 2


def test_code_is_freed_with_its_function() -> None:
    f = jit(lambda x: x * 2)
    f(np.ones(3))
    call = programs(f)[0].direct
    del f
    gc.collect()
    np.testing.assert_array_equal(call(np.ones(3)), [2, 2, 2])
    assert call(np.ones(4)) is None
    assert call(1.0) is None
    assert call() is None


def test_threads_share_one_program() -> None:
    f = jit(grad(lambda x: (np.exp(x - x.max()) @ x) * (x[0] if x[0] > 0 else 1.0)))
    points = [normal(n) for n in [200] * 19 + [20_000]]
    for x in points:
        f(x)
    expected = [np.array(f(x)) for x in points]
    wrong: list[Any] = []

    def work(k: int) -> None:
        for i in range(60):
            j = (i + k) % 20
            if not np.array_equal(f(points[j]), expected[j]):
                wrong.append(j)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(100)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_the_program_says_what_it_does(caplog: Any) -> None:
    f = jit(lambda x: np.sort(np.exp(x) @ x) * (1 if x[0, 0] > 0 else 2))
    with caplog.at_level(logging.INFO, "dualad.jit"):
        f(np.ones((5, 5)))
    text = f.explain()
    for part in ("guard: bool()", "BLAS", "loop [25]", "NumPy: ", "bytes of workspace", "float64[5, 5]"):
        assert part in text, text
    assert "define" in f.lower(np.ones((5, 5))).as_text()
    assert program.available()


@pytest.mark.parametrize("dtype", [float, np.float32, np.int64, bool])
def test_joining_many(dtype: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        parts = [x[:, k] for k in range(6)]
        wide = dnp.concatenate([x, y, x[:, ::-1], y[:, :1], x, x * x], axis=1)
        return (
            dnp.stack(parts),
            dnp.stack(parts, axis=1),
            dnp.stack([x] * 5, axis=1),
            wide,
            dnp.concatenate([x[k] for k in range(9)]),
        )

    x, y = normal(9, 6), normal(9, 70)
    both(f, x.astype(dtype), y.astype(dtype), rtol=1e-6, only_native=dtype is not bool)
    both(grad(lambda x, y: (dnp.stack([x[k] for k in range(9)], axis=1) ** 2 @ y).sum(), (0, 1)), x, y)


def test_gradients_through_new_axes() -> None:
    def f(x: Any) -> Any:
        y = x[:, :, None] * x[:, None, :] + x[:2, None, 1:2, None].sum() + x[1, None, ::-1, None]
        return (y * y[None, 0, :, 0]).sum() + (x[::-1, None, :] ** 3).sum()

    both(grad(f), normal(4, 5))


@pytest.mark.parametrize(
    "terms", ["kij,nkj->nki", "nki,nkj->kij", "nki,kij->nkj", "ikn,kjn->jik", "nk,nkj->kj", "ij,kj->ki"]
)
def test_products_of_many_matrices(terms: str) -> None:
    sizes = {"k": 3, "i": 9, "j": 11, "n": 300}
    a, b = [normal(*[sizes[c] for c in t]) for t in terms.split("->")[0].split(",")]
    f = lambda a, b: dnp.einsum(terms, a + 1, b)
    both(f, a, b, rtol=1e-11)
    both(grad(lambda a, b: (f(a, b) ** 2).sum(), (0, 1)), a, b, rtol=1e-10)
    both(f, a.astype(np.float32), b.astype(np.float32), rtol=1e-3)


def test_products_of_many_matrices_that_are_views() -> None:
    f = lambda a, b: (a.transpose(0, 2, 1) @ b[:, ::2], a @ b[:, :20, 3:], a[:, :, ::-1] @ b[:, :20])
    both(f, normal(4, 30, 20), normal(4, 60, 30), rtol=1e-11)
    both(
        lambda a, b: (a @ b, a @ b[0], b @ b[0].T),
        normal(3, 40, 30),
        normal(3, 30, 50),
        rtol=1e-11,
        only_native=False,
    )


def test_cotangents_placed_where_values_say() -> None:
    x = np.array([[1.0, np.nan, 0.3], [0.2, -1.0, 0.7]])
    f = jacrev(lambda x: dnp.nanmedian(x, axis=1))
    compiled = jit(f)
    for v in (x, x, x[:, ::-1], np.nan_to_num(x)):
        np.testing.assert_array_equal(compiled(v), f(v))
