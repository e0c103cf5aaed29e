"""Programs of rows: compiled as one loop over the rows, they give what NumPy gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad.numpy as dnp
from dualad import grad, jacfwd, jacrev, jit, jvp, vmap
from tests.native.test_programs import both, normal
from tests.native.test_registry import programs


def by_rows(f: Any, *args: Any, n: int, rtol: float = 1e-12, only_native: bool = True) -> None:
    g = both(f, *args, rtol=rtol, only_native=only_native)
    assert f"for each of {n} rows" in g.explain(), g.explain()


def turned(r: Any, x: Any) -> Any:
    """Rodrigues' formula: products, sums over few elements, joining, selection."""
    squared = dnp.sum(r * r)
    angle = dnp.sqrt(dnp.where(squared > 0, squared, 1.0))
    w = r / angle
    cross = dnp.stack([w[1] * x[2] - w[2] * x[1], w[2] * x[0] - w[0] * x[2], w[0] * x[1] - w[1] * x[0]])
    full = x * dnp.cos(angle) + cross * dnp.sin(angle) + w * (dnp.sum(w * x) * (1 - dnp.cos(angle)))
    return dnp.where(squared > 0, full, x)


@pytest.mark.parametrize("n", [16, 17, 23, 64, 1000])
@pytest.mark.parametrize("mode", [jacfwd, jacrev])
def test_jacobians_of_many_small_functions(n: int, mode: Any) -> None:
    r, x = normal(n, 3), normal(n, 3)
    r[3] = 0
    by_rows(lambda r, x: vmap(mode(turned, argnums=(0, 1)))(r, x), r, x, n=n)


def test_rows_of_an_axis_that_is_not_the_first() -> None:
    f = lambda r, x: vmap(jacfwd(turned), in_axes=(0, None), out_axes=2)(r, x)
    by_rows(f, normal(40, 3), normal(3), n=40)


def test_what_rows_share_is_computed_once() -> None:
    """A guard, and results without rows, among them."""
    x, m = normal(50, 3), normal(3, 3)

    def f(x: Any, m: Any) -> Any:
        shared = dnp.sin(m) + m.T if m[0, 0] > -100 else m
        y = x @ shared
        z = dnp.stack([y[:, 0] * y[:, 1], y[:, 2], y.sum(axis=1), y.max(axis=1), x[:, 0]], axis=1)
        return z / (1 + (z * z).sum(axis=1, keepdims=True)), shared, dnp.broadcast_to(shared[0], (50, 3))

    by_rows(f, x, m, n=50, rtol=1e-11)


@pytest.mark.parametrize("wide", [10, 600])
def test_what_rows_share_is_not_most_of_the_work(wide: int) -> None:
    """It would be done number by number: loops are faster, and sooner compiled."""
    down, up = normal(2, wide) / wide, normal(40, 2)
    g = both(lambda x: np.tanh(up @ np.sin(down @ np.tanh(x))), normal(wide), rtol=1e-12)
    assert ("for each of 40 rows" in g.explain()) == (wide == 10)


def test_rows_chosen_by_constant_numbers() -> None:
    """From the end, several times, out of order."""
    table, x = normal(7, 3), normal(33, 3)
    i = np.arange(33) * 5 % 13 - 6

    def f(table: Any, x: Any) -> Any:
        return vmap(jacfwd(turned, argnums=(0, 1)))(table[i], x)

    by_rows(f, table, x, n=33)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_and_movements(dtype: Any) -> None:
    def one(x: Any) -> Any:
        y = dnp.concatenate([x[::-1], x[1:3] * 2, x[:1]])
        z = y.reshape(2, 4).T
        flags = dnp.logical_and(z > 0, z < 1)
        grown = dnp.where(flags, z * z, -z)
        placed = dnp.sort(x[:1]) if False else x[np.array([2, 0, 0, -1])]
        return grown @ dnp.stack([x[0], x[1]]), flags, placed, flags.sum(axis=0), (grown * 2).max(), grown.min(axis=1)

    x = normal(29, 5, dtype=dtype)
    by_rows(lambda x: vmap(one)(x), x, n=29, rtol=3e-5 if dtype is np.float32 else 1e-12)


def test_gradients_with_repeated_elements() -> None:
    """Scatters within a row, assignment, products of powers."""

    def one(x: Any) -> Any:
        picked = x[np.array([0, 2, 2, 1])]
        y = dnp.concatenate([picked[:2] ** 3, dnp.exp(picked[2:])])
        return (y[1:] * y[:-1]).sum() + dnp.tanh(x).max()

    by_rows(lambda x: (vmap(grad(one))(x), vmap(jacfwd(grad(one)))(x)), normal(31, 3), n=31, rtol=1e-10)


def test_special_numbers() -> None:
    x = normal(24, 3)
    x[0, 0], x[5, 1], x[9, 2], x[11] = np.nan, np.inf, -np.inf, -0.0

    def one(x: Any) -> Any:
        return jacfwd(lambda v: dnp.stack([v[0] * v[1], dnp.sqrt(dnp.abs(v[2])), v.sum(), v.max()]))(x)

    g = jit(vmap(one))
    with np.errstate(all="ignore"):
        expected = vmap(one)(x)
        g(normal(24, 3))
        got = g(x)
    assert "24 rows" in g.explain()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_constants_that_differ_by_the_sign_of_zero() -> None:
    c = np.zeros((20, 3))
    c[7] = -0.0

    def f(x: Any) -> Any:
        y = dnp.stack([c[:, 0] * x[:, 1], c[:, 1] * x[:, 0], c[:, 2] / x[:, 0], x.sum(axis=1)], axis=1)
        return vmap(jacfwd(turned))(x, x), 1 / y

    g = jit(f)
    x = np.abs(normal(20, 3))
    with np.errstate(all="ignore"):
        g(x)
        for a, b in zip(g(x), f(x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_what_mixes_rows_is_compiled_otherwise() -> None:
    x = normal(64, 3)

    def f(x: Any) -> Any:
        y = vmap(turned)(x, x[::-1])
        return y - y.mean(axis=0), dnp.cos(y)[::-1] * y.sum()

    g = both(f, x)
    assert "for each of" not in g.explain()


def test_long_programs_are_cut() -> None:
    """Several functions, values that cross from one to another, of both kinds."""

    def one(x: Any, m: Any) -> Any:
        for k in order:
            m = (dnp.cos(m), dnp.sin(m) * 0.9, m / (1 + m * m), dnp.sqrt(1 + m * m))[k] + dnp.stack(
                [m[2], m[0], m[1]]
            ) * 0.1
            x = dnp.stack([x[1], x[2], x[k % 3]]) * 0.7 + dnp.sin(x * m) * (0.1 + 0.02 * k)
        return x, m

    order = np.random.default_rng(0).integers(0, 4, 60).tolist()  # nothing that repeats
    x, m = normal(37, 3), normal(3)
    f = lambda x, m: vmap(lambda v, t: jvp(one, (v, m), (t, m))[1], in_axes=(0, 0))(x, x * 2)
    by_rows(f, x, m, n=37, rtol=1e-9)


@pytest.mark.parametrize("checked", [False, True])
def test_rows_before_products(checked: bool) -> None:
    """A chain of small matrices pushed forward along all inputs, and products with large ones afterwards."""
    big, thin = normal(120, 20), normal(200, 4)

    def f(t: Any, table: Any) -> Any:
        if checked and dnp.sum(t) > 1000:
            return t
        m = np.eye(2) * t[0]
        for k in range(18):
            c, s = dnp.cos(t[k]), dnp.sin(t[k])
            m = dnp.stack([dnp.stack([c, -s]), dnp.stack([s, c])]) @ m + t[k] * np.ones((2, 2))
        whole = dnp.stack([m * k + dnp.sin(m) for k in range(10)]).reshape(20, 2)
        flat = m @ m
        return big @ whole @ flat, thin @ dnp.concatenate([m, flat]), table - (big @ whole).sum(axis=0), m

    t, table = normal(18) * 0.3, normal(2)
    by_rows(jacfwd(f), t, table, n=18, rtol=1e-9)


def test_an_argument_that_nothing_depends_on() -> None:
    g = both(jacfwd(lambda x, y: dnp.sin(x) + y), normal(5), normal(5))
    assert all(len(p.steps) == 1 for p in programs(g))


def test_constants_of_any_layout_stay_alive() -> None:
    c, r, x = np.asfortranarray(normal(64, 3)), normal(64, 3), normal(64, 3)
    f = lambda r, x: vmap(lambda r, x, c: jacfwd(turned, argnums=(0, 1))(r, x * c))(r, x, c)
    g = both(f, r, x, rtol=1e-12)
    assert "for each of 64 rows" in g.explain()
    others = [np.full((64, 3), float(k)) for k in range(1000)]  # which would lie where the constant was
    for found, expected in zip(g(r, x), f(r, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert others


@pytest.mark.parametrize("n", [16, 19, 26])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.bool_])
def test_a_constant_with_a_row_for_each(n: int, dtype: Any) -> None:
    """Columns that differ from row to row and columns that do not, signed zeros among them."""
    table = (normal(n, 4) * 9).astype(dtype)
    table[:, 1] = table[0, 1]
    table[:, 2] = 0
    if table.dtype.kind == "f":
        table[::2, 2] = -0.0
    rows = np.arange(4 * n, dtype=float).reshape(n, 4) % 7

    def f(x: Any) -> Any:
        y = x * table
        z = dnp.stack([y[:, 0] + y[:, 1], y[:, 2] * y[:, 3], x[:, 0] + table[:, 2], y[:, 3]], axis=1)
        s, c = dnp.sin(z), dnp.cos(z * rows)
        w = dnp.concatenate([s[:, 1:] * c[:, :3], dnp.where(table[:, :2] > 0, s[:, :2], c[:, 2:])], axis=1)
        return w, dnp.sum(w, axis=1), w[:, 0] - z[:, 3]

    by_rows(f, normal(n, 4), n=n)
