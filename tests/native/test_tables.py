"""Loops that carry integers, and that read captured NumPy arrays where these or a counter say: one operation, in every mode."""

from __future__ import annotations

import logging
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax

import dualad
from dualad import fori_loop, grad, hvp, jit, scan, vmap, while_loop
from tests.native.test_conditions import Ours, one_path
from tests.native.test_repeats import check, equal, every_mode

jax.config.update("jax_enable_x64", True)
X = np.array([0.3, -0.2, 0.5])
DATA = np.linspace(0.9, 1.1, 20)
ORDER = np.arange(20) * 7 % 20
WIDE = np.outer(DATA, [1.0, 0.5, 2.0])
KEPT = {"rows": WIDE, "pair": (DATA, [ORDER])}


def row(k: Any, table: Any = WIDE) -> Any:
    return table[k]


LOOPS: dict[str, Any] = {
    "counted": lambda x: fori_loop(0, 20, lambda i, c: (c[0] + 1, c[1] * DATA[i]), (0, x))[1].sum(),
    "carried": lambda x: fori_loop(0, 20, lambda i, c: (c[0] + 3, np.sin(c[1]) * DATA[c[0] % 20] * x), (0, x))[1].sum(),
    "an order": lambda x: fori_loop(0, 20, lambda i, c: np.tanh(c + x[ORDER[i] % 3] * DATA[ORDER[i]]), x).sum(),
    "from the end": lambda x: fori_loop(0, 20, lambda i, c: np.sin(c * DATA[-1 - i]) + x, x).sum(),
    "rows": lambda x: fori_loop(0, 20, lambda i, c: np.sin(c * WIDE[i]) + WIDE[i, 1] * x, x).sum(),
    "columns": lambda x: fori_loop(0, 9, lambda i, c: np.sin(c) + (WIDE[:, i % 3] * x[0]).sum(), x).sum(),
    "by others": lambda x: fori_loop(
        0, 20, lambda i, c: np.sin(c * row(i)) + KEPT["rows"][i] * KEPT["pair"][0][KEPT["pair"][1][0][i]], x
    ).sum(),
    "scan": lambda x: scan(
        lambda c, u: ((c[0] + 1, c[1] * u + x * DATA[c[0]]), (c[0] * c[1], c[0])), (0, x), DATA
    )[1][0].sum(),
    "reverse": lambda x: scan(
        lambda c, u: ((c[0] - 1, np.sin(c[1]) * u + x * DATA[c[0]]), c[1]), (-1, x), DATA, reverse=True
    )[1].sum(),
    "slices": lambda x: scan(lambda c, k: (np.sin(c * DATA[k]) + x, c), x, ORDER)[1].sum(),
    "map": lambda x: dualad.map(lambda k: DATA[k] * np.sin(x * k), ORDER).sum(),
    "booleans": lambda x: scan(
        lambda c, u: ((c[0] ^ True, c[1] * np.where(c[0], u, 0.5) + x), c[1]), (False, x), DATA
    )[1].sum(),
    "integers": lambda x: fori_loop(
        0, 20, lambda i, c: ((5 * c[0] + 3) % 20, c[1] ^ (i & 3), np.sin(c[2] * DATA[c[0]]) + x * c[1]), (1, 2, x)
    )[2].sum(),
    "fixed": lambda x: fori_loop(0, 20, lambda i, c: (c[0], c[1] + 1, np.sin(c[2] * c[0]) + c[1]), (2, 0, x))[2].sum(),
    "nested": lambda x: fori_loop(
        0, 9, lambda i, c: fori_loop(0, 9, lambda j, v: np.sin(v * DATA[j]) + x * WIDE[i, j % 3], c), x
    ).sum(),
}  # fmt: skip
WHILE: dict[str, Any] = {
    "counter": lambda x: while_loop(lambda c: c[0] < 100, lambda c: (c[0] + 1, c[1] * 0.9), (0, x))[1].sum(),
    "table": lambda x: while_loop(lambda c: c[0] < 20, lambda c: (c[0] + 1, np.sin(c[1] * DATA[c[0]]) + x), (0, x))[
        1
    ].sum(),
    "condition": lambda x: while_loop(
        lambda c: DATA[c[0]] < 1.05, lambda c: (c[0] + 1, np.sin(c[1] * WIDE[c[0]]) + x), (0, x)
    )[1].sum(),
    "boolean": lambda x: while_loop(
        lambda c: c[2], lambda c: (c[0] + 1, np.sin(c[1] * DATA[ORDER[c[0]]]) + x, c[0] < 12), (0, x, True)
    )[1].sum(),
    "in a scan": lambda x: scan(
        lambda c, u: (while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1] * DATA[s[0]] * u + x), (0, c))[1],) * 2,
        x, DATA,
    )[1].sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_loops(name: str, caplog: pytest.LogCaptureFixture) -> None:
    every_mode(LOOPS[name], X)
    with caplog.at_level(logging.INFO, "dualad.jit"):
        jit(LOOPS[name])(X)
        jit(grad(LOOPS[name]))(X)
    assert "iteration by iteration" not in caplog.text


@pytest.mark.parametrize("name", WHILE)
def test_while_loops(name: str) -> None:
    f = WHILE[name]
    one_path(f, (X,), (X * 0.8,), (-X,))
    one_path(grad(f), (X,), (X * 0.8,), (-X,))
    one_path(lambda x: hvp(f, x, np.cos(X)), (X,), (X * 0.8,), (-X,), rtol=1e-10)


@pytest.mark.parametrize("how", ["fori", "scan", "while"])
def test_against_jax(how: str) -> None:
    def program(lax: Any, np: Any, table: Any, order: Any, x: Any) -> Any:
        turn = lambda c: ((3 * c[0] + 1) % 20, np.sin(c[1] * table[c[0]]) + x * table[order[c[0]]])
        if how == "fori":
            return lax.fori_loop(0, 20, lambda i, c: turn((c[0], c[1] * table[i])), (0, x))[1].sum()
        if how == "scan":
            ys = lax.scan(lambda c, u: (turn(c), (c[0], c[1] * u)), (0, x), table)[1]
            return (ys[0][:, None] * ys[1]).sum()
        return lax.while_loop(lambda c: c[0] < 20, lambda c: (c[0] + 1, turn(c)[1]), (0, x))[1].sum()

    ours = lambda x: program(Ours, np, DATA, ORDER, x)
    theirs = lambda x: program(lax, jnp, jnp.array(DATA), jnp.array(ORDER), jnp.asarray(x))
    t = np.cos(X)
    np.testing.assert_allclose(jit(ours)(X), theirs(X), rtol=1e-12)
    np.testing.assert_allclose(jit(grad(ours))(X), jax.jacfwd(theirs)(X), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(
        jit(lambda x: hvp(ours, x, t))(X), jax.jvp(jax.jacfwd(theirs), (X,), (t,))[1], rtol=1e-10, atol=1e-12
    )
    two = np.stack([X, -X])
    np.testing.assert_allclose(jit(vmap(ours))(two), jax.vmap(theirs)(two), rtol=1e-12)


def test_elements_of_a_batch_count_for_themselves() -> None:
    """The counter differs within the batch: plain Python cannot index NumPy's array by it, the compiled loop can."""
    walk = lambda x, n: while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, np.sin(c[1] * DATA[c[0]]) * x), (0, x))[1]
    xs, ns = np.array([0.4, 0.9, -1.2]), np.array([3.0, 0.0, 12.0])
    for f in (walk, grad(walk), grad(grad(walk))):
        each = np.array([f(x, n) for x, n in zip(xs, ns, strict=True)])
        np.testing.assert_allclose(jit(vmap(f))(xs, ns), each, rtol=1e-11)


@pytest.mark.parametrize(
    ("transform", "batched"), [(lambda f: f, False), (grad, False), (lambda f: vmap(f, (0, None)), True)]
)
def test_places_out_of_bounds(transform: Any, batched: bool) -> None:
    """At run time too, and on the path that is there already; from -20 up NumPy counts from the end."""
    walk = lambda x, n: while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * DATA[c[0]] * x[0]), (-20, x.sum()))[
        1
    ]
    f = transform(walk)
    x = np.stack([X, 2 * X]) if batched else X
    g = jit(f)
    for n in (3.0, 20.0, -20.0, 0.0):
        equal(g(x, n), f(x, n), 1e-11)
    with pytest.raises(IndexError, match="index 20 is out of bounds for axis 0 with size 20"):
        g(x, 21.0)
    equal(g(x, 5.0), f(x, 5.0), 1e-11)
    below = lambda x: fori_loop(0, 9, lambda i, c: (c[0] - 1, c[1] * DATA[c[0]]), (-15, x.sum()))[1]
    with pytest.raises(IndexError, match="index -21 is out of bounds"):
        jit(below)(X)


def test_an_array_that_changes_afterwards() -> None:
    table = DATA.copy()
    f = lambda x: fori_loop(0, 20, lambda i, c: (c[0] + 1, c[1] * table[c[0]]), (0, x.sum()))[1]
    g = jit(f)
    equal(g(X), f(X), 1e-12)
    table[3] = 7.0
    equal(g(X), f(X), 1e-12)


def test_what_stays_pythons() -> None:
    def writes(x: Any) -> Any:
        table, seen = DATA.copy(), [0]

        def body(i: Any, c: Any) -> Any:
            seen[0] += 1
            table[seen[0] % 20] = 0.5
            return c * table[i] * x

        return fori_loop(0, 20, body, x).sum()

    def rebinds(x: Any) -> Any:
        table = DATA

        def body(i: Any, c: Any) -> Any:
            nonlocal table
            y = c * table[i] * x
            table = table * 0.9
            return y

        return fori_loop(0, 20, body, x).sum() * table[0]

    class Holder:
        table = DATA.copy()

    held = Holder()
    decides = lambda x: fori_loop(0, 20, lambda i, c: c * x if DATA[i] > 1 else c + x, x).sum()
    made = lambda x: fori_loop(0, 20, lambda i, c: c * np.linspace(0, 1, 20)[i] + x, x).sum()
    attribute = lambda x: fori_loop(0, 20, lambda i, c: c * held.table[i] + x, x).sum()
    cut = lambda x: fori_loop(0, 18, lambda i, c: c * DATA[i : i + 3] + x, x).sum()
    for f in (writes, rebinds, decides, made, attribute, cut):
        check(f, X)
        check(grad(f), X)
    np.testing.assert_array_equal(DATA, np.linspace(0.9, 1.1, 20))
    narrow = lambda x: fori_loop(0, 20, lambda i, c: (c[0] + 1, c[1] * 0.9 + c[0]), (0, x))[1]
    equal(jit(narrow)(X.astype(np.float32)), narrow(X.astype(np.float32)), 1e-6)
    large = lambda x: fori_loop(0, 20, lambda i, c: (c[0] // 3, c[1] * (c[0] % 7)), (10**30, x))[1]
    check(large, X)


# Random programs ------------------------------------------------------------------------------


@st.composite
def walks(draw: Any) -> Any:
    """How, the length, first integers, and operations on the integers and the values."""
    places = st.integers(0, 3)
    steps = st.lists(st.tuples(st.integers(0, 5), places, places), min_size=1, max_size=3)
    reads = st.lists(st.tuples(st.integers(0, 5), places), min_size=1, max_size=3)
    how = draw(st.sampled_from(["fori", "scan", "while"]))
    return (
        how,
        draw(st.integers(1, 15)),
        draw(st.tuples(st.integers(-9, 9), st.integers(-9, 9))),
        draw(steps),
        draw(reads),
    )


def walk(drawn: Any, lax: Any, np: Any, table: Any, order: Any, x: Any) -> Any:
    how, length, start, steps, reads = drawn

    def body(i: Any, c: Any) -> Any:
        a, b, v = c
        whole = [a, b, i, a * b + i]
        for op, j, k in steps:
            p, q = whole[j], whole[k]
            whole.insert(0, [p + q, p - 2 * q, p * q, p // 3, p % 7 - q, p ^ q][op] % 1000)
        for op, j in reads:
            k = whole[j] % 20
            at = [table[k], table[k - 20], table[order[k]], x[k % 3], whole[j] % 5 - 2.0, table[order[k] - 20]][op]
            v = np.sin(v * at) + 0.5 * x * at
        return whole[0], whole[1], v

    first = (*start, x)
    if how == "fori":
        return lax.fori_loop(0, length, body, first)[2].sum()
    if how == "scan":
        last, ys = lax.scan(lambda c, i: (body(i, c), c), first, order[:length])
        return (last[2] * last[0]).sum() * 0.01 + (ys[2] * (ys[1] % 5)[:, None]).sum()
    return lax.while_loop(lambda s: s[0] < length, lambda s: (s[0] + 1, body(s[0], s[1])), (0, first))[1][2].sum()


@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(walks())
def test_random_walks(drawn: Any) -> None:
    random_walk(drawn)


@pytest.mark.nightly
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(walks())
def test_random_walks_nightly(drawn: Any) -> None:
    random_walk(drawn)


def random_walk(drawn: Any) -> None:
    f = lambda x: walk(drawn, Ours, np, DATA, ORDER, x)
    theirs = lambda x: walk(drawn, lax, jnp, jnp.array(DATA), jnp.array(ORDER), jnp.asarray(x))
    g = check(f, X)
    np.testing.assert_allclose(g(X), theirs(X), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(check(grad(f), X, rtol=1e-9)(X), jax.jacfwd(theirs)(X), rtol=1e-8, atol=1e-10)
    check(lambda x: hvp(f, x, x[::-1]), X, rtol=1e-8)
    if drawn[0] != "while":  # there the counter is batched, which NumPy's indices are not in plain Python
        check(vmap(grad(f)), np.stack([X, -X]), rtol=1e-9)
