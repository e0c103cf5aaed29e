"""``while_loop``, ``cond`` and ``switch`` are decided when the compiled program runs: one path for all counts and branches."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax

import dualad
import dualad.numpy as dnp
from dualad import cond, fori_loop, grad, hvp, jit, jvp, scan, switch, vmap, while_loop
from dualad.native.program import Program
from tests.native.test_registry import programs
from tests.native.test_repeats import check, equal, every_mode

jax.config.update("jax_enable_x64", True)
X = np.array([0.3, -0.2, 0.5])


class Ours:
    cond, fori_loop, scan, switch, while_loop = (staticmethod(f) for f in (cond, fori_loop, scan, switch, while_loop))


def one_path(f: Any, *points: Any, rtol: float = 1e-11) -> Any:
    """Compiled equals uncompiled at all points, on one path, which NumPy runs as well."""
    g = jit(f)
    for p in points:
        equal(g(*p), f(*p), rtol)
    (program,) = programs(g)
    assert all(guard.room for guard in program.graph.guards), g.explain()
    for p in points:
        for a, b in zip(Program(program.graph, native=False)(p), program(p), strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * 10)
    return g


# while_loop -----------------------------------------------------------------------------------


def swing(lax: Any, np: Any, x: Any, end: Any) -> Any:
    """Runs as often as ``end`` says."""
    turn = lambda s: (s[0] + 1, np.sin(s[1]) * x + 0.5 * s[1], s[2] * 0.9 + s[1].sum())
    return lax.while_loop(lambda s: s[0] < end, turn, (0, x, 1.0))


COUNTS = [0.0, 1.0, 2.0, 7.0, 60.0, 3.0, 300.0, 64.0, 65.0]


def test_one_path_for_all_counts() -> None:
    points = [(X * (1 + 0.1 * k), np.float64(n)) for k, n in enumerate(COUNTS)]
    one_path(lambda x, n: swing(Ours, dnp, x, n), *points)
    total = lambda x, n: (lambda s: (s[1] * x).sum() + s[2])(swing(Ours, dnp, x, n))
    one_path(grad(total), *points)
    one_path(lambda x, n: jvp(lambda x: total(x, n), (x,), (np.cos(X),))[1], *points)
    one_path(lambda x, n: hvp(lambda x: total(x, n), x, np.cos(X)), *points, rtol=1e-10)


@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_against_jax(count: int) -> None:
    """Forward by its while_loop, reverse by its fori_loop of the same length."""
    last = lambda lax, np, x: swing(lax, np, x, count + 0.0 * x[0])[1].sum()

    def fixed(x: Any) -> Any:
        return lax.fori_loop(0, count, lambda i, v: jnp.sin(v) * x + 0.5 * v, x).sum()

    ours = lambda x: last(Ours, dnp, x)
    np.testing.assert_allclose(jit(ours)(X), last(lax, jnp, X), rtol=1e-12)
    t = np.cos(X)
    theirs = jax.jvp(lambda x: last(lax, jnp, x), (X,), (t,))[1]
    np.testing.assert_allclose(jit(lambda x: jvp(ours, (x,), (t,))[1])(X), theirs, rtol=1e-12)
    np.testing.assert_allclose(jit(grad(ours))(X), jax.grad(fixed)(X), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        jit(lambda x: hvp(ours, x, t))(X), jax.jvp(jax.grad(fixed), (X,), (t,))[1], rtol=1e-10, atol=1e-15
    )


def root(a: Any) -> Any:
    return while_loop(lambda s: abs(s * s - a) > 1e-9, lambda s: 0.5 * (s + a / s), 1.0 + 0.0 * a)


WHILE: dict[str, Any] = {
    "count": lambda x: swing(Ours, dnp, x, 5.0)[1].sum(),
    "data": lambda x: root(x[0] ** 2 + 1) * x.sum() + root(np.exp(x[1])),
    "none": lambda x: while_loop(lambda v: v.sum() > 100, lambda v: v * 2, x).sum(),
    "linear": lambda x: while_loop(lambda v: v.sum() < 5, lambda v: v * 1.5 + 0.1 * x * x, x * x + 0.1).sum(),
    "in a scan": lambda x: (
        scan(lambda c, u: (root(1 + c * c) * u + 0.1 * c, c), x[0], np.linspace(0.5, 1, 9) * x[1])[1].sum() + x[2]
    ),
    "in a while": lambda x: while_loop(
        lambda s: s[0] < 4, lambda s: (s[0] + 1, root(s[0] + s[1] ** 2)), (0, x[0] + x[1] + 1)
    )[1],
    "two": lambda x: root(2.0 + root(1 + x[0] ** 2) + x[1] ** 2),
    "dict": lambda x: while_loop(
        lambda s: s["v"].sum() < 9, lambda s: {"v": s["v"] + x * x, "n": s["n"] + 1}, {"v": x, "n": 0}
    )["v"].sum(),
    "dynamic fori": lambda x: fori_loop(0, dnp.floor(x[2] * 9).astype(int), lambda i, v: np.sin(v) * x + i, x).sum(),
    "matrices": lambda x: while_loop(
        lambda m: (m * m).sum() < 1e4, lambda m: m @ np.outer(np.ones(3), x + 1), np.outer(x, x) + np.eye(3)
    ).sum(),
    "a NumPy step": lambda x: while_loop(
        lambda m: (m * m).sum() < 1e3, lambda m: m @ m + np.linalg.cholesky(m), np.outer(x, x) + np.eye(3) * 1.5
    ).sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", WHILE)
def test_while_loops_in_every_mode(name: str) -> None:
    f = WHILE[name]
    every_mode(f, X, rtol=1e-9)
    one_path(f, (X,), (X * 0.8,), (X * 1.3,))
    one_path(grad(f), (X,), (X * 0.8,), (X * 1.3,), rtol=1e-10)


def test_elements_of_a_batch_end_at_their_own_time() -> None:
    xs = np.linspace(0.2, 40, 7)
    collatz = lambda x: while_loop(lambda c: c[0] < 100.0, lambda c: (c[0] * 1.7, c[1] + c[0] * x), (x, x))[1]
    one_path(vmap(collatz), (xs,), (xs * 0.3,), (xs[::-1].copy(),))
    one_path(vmap(grad(collatz)), (xs,), (xs * 0.3,), (xs[::-1].copy(),))
    one_path(lambda v: grad(lambda v: vmap(collatz)(v).sum())(v), (xs,), (xs * 0.3,))
    one_path(vmap(grad(grad(collatz))), (xs,), (xs * 0.3,), rtol=1e-10)


def test_what_python_decides_stays_pythons() -> None:
    def peeks(x: Any) -> Any:
        return while_loop(lambda v: v.sum() < 5, lambda v: v * 2 if v[0] > 1 else v + 1, x).sum()

    check(peeks, X, rtol=1e-12)
    check(grad(peeks), X)
    seen = []

    def notes(x: Any) -> Any:
        return while_loop(lambda v: v.sum() < 5, lambda v: seen.append(0) or v + 1, x).sum()

    equal(jit(notes)(X), notes(X), 1e-12)
    grows = lambda x: while_loop(lambda v: v.sum() < 5, lambda v: np.concatenate([v, v]), x)
    with pytest.raises(dualad.ShapeError, match="differ in shape"):
        jit(grows)(X)
    with pytest.raises(dualad.ShapeError, match="must be a scalar"):
        jit(lambda x: while_loop(lambda v: v < 5, lambda v: v + 1, x))(X)
    narrow = lambda x: while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 1.5), (0, x))[1]
    equal(jit(narrow)(X.astype(np.float32)), narrow(X.astype(np.float32)), 1e-7)
    assert jit(narrow)(X.astype(np.float32)).dtype == np.float32


def test_a_body_that_does_not_run_where_the_loop_ends() -> None:
    def walk(x: Any, n: Any) -> Any:
        return while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] + x[s[0]]), (x.size - 3, 0.0))[1]

    g = jit(grad(walk))
    for n in (0.0, 3.0, 2.0, 1.0):
        equal(g(X, n), grad(walk)(X, n), 1e-12)


# cond, switch ---------------------------------------------------------------------------------


BRANCHES: dict[str, Any] = {
    "cond": lambda x: cond(x.sum() > 0.55, lambda v: np.sqrt(v.sum()) * v, lambda v: np.exp(v) * 2, x).sum(),
    "closures": lambda x: cond(x.sum() > 0.55, lambda: np.sin(x).sum(), lambda: (x * x).sum()),
    "identity": lambda x: cond(x[0] > 0.29, lambda v: v, lambda v: v * v, x).sum(),
    "constants": lambda x: x.sum() * cond(x[0] > 0.29, lambda: 1.0, lambda: x[1]),
    "trees": lambda x: (
        lambda d: d["a"].sum() * d["b"][0]
    )(cond(x[0] > 0.29, lambda v: {"a": v, "b": (v[0], None)}, lambda v: {"a": v * v, "b": (v[1], None)}, x)),
    "switch": lambda x: switch(
        (10 * x[0]).astype(int), [lambda v: v.sum(), lambda v: (v * v).sum(), np.prod, lambda v: np.sin(v).sum()], x
    ),
    "clamped": lambda x: switch((-100 * x[0]).astype(int), [np.sum, np.prod], x) * switch(
        (100 * x[0]).astype(int), [np.sum, np.prod], x
    ),
    "in a scan": lambda x: scan(
        lambda c, u: (cond(u > 0.1, lambda: np.sqrt(u) * np.sin(c), lambda: c * np.exp(u)),) * 2,
        x.sum(), np.linspace(-1, 1, 20) * x[0],
    )[1].sum(),
    "switch in a fori_loop": lambda x: fori_loop(
        0, 20, lambda i, v: switch(i % 3, [np.sin, lambda v: v * x[0], lambda v: v + np.cos(v)], v), x
    ).sum(),
    "in a while_loop": lambda x: while_loop(
        lambda s: s[0] < 12, lambda s: (s[0] + 1, cond(s[1].sum() > 1, lambda: s[1] * 0.5, lambda: s[1] + x)), (0, x)
    )[1].sum(),
    "a scan in it": lambda x: cond(
        x[0] > 0.29, lambda: scan(lambda c, u: (np.sin(c) + u, c), x[0], np.outer(np.ones(9), x)[:, 1])[0],
        lambda: x[2] ** 2,
    ),
    "a while in it": lambda x: cond(x[0] > 0.29, lambda v: root(v[2]), lambda v: v[2] ** 2, x),
    "cond in cond": lambda x: cond(
        x[0] > 0.29, lambda: cond(x[1] > -0.19, lambda: x.sum(), lambda: np.sin(x).sum() * x[0]), lambda: x[2] ** 2
    ),
    "many": lambda x: sum(cond(x[k % 3] > 0.28, np.sin, np.cos, x).sum() * x[0] for k in range(5)),
    "a NumPy step": lambda x: cond(
        x[0] > 0.29, lambda v: np.linalg.cholesky(np.outer(v, v) + np.diag([1.0, 2, 3]))[2, 1], np.sum, x
    ),
    "integers": lambda x: cond(x[0] > 0.29, lambda: (x * 10).astype(int), lambda: np.arange(3)).sum() * x[0],
    "rolled up": lambda x: _rolled(x),
}  # fmt: skip


def _rolled(x: Any) -> Any:
    c = x.sum()
    for _ in range(200):
        c = cond(c > 0.5, lambda c: np.sin(c) * 0.7, lambda c: c * 1.1 + 0.1 * x[0], c) + 0.01 * c * c
    return c


@pytest.mark.parametrize("name", BRANCHES)
def test_branches_in_every_mode(name: str) -> None:
    f = BRANCHES[name]
    every_mode(f, X, rtol=1e-9)
    points = [(X,), (X * 0.8,), (X[::-1] * 0.9,), (-X,)]
    if name == "a while in it":
        points = points[:3]
    points = [(np.ascontiguousarray(p[0]),) for p in points]
    one_path(f, *points)
    one_path(grad(f), *points, rtol=1e-10)


def test_only_the_branch_that_is_taken_runs() -> None:
    def f(x: Any) -> Any:
        factor = lambda: np.linalg.cholesky(np.outer(x, x) + x[0] * np.eye(3)).sum()
        return cond(x[0] > 0, factor, lambda: (x * x).sum())

    one_path(f, (X,), (-X,))  # there the matrix is not positive definite
    one_path(grad(f), (X,), (-X,))


def test_no_infinite_partial_of_the_other_branch() -> None:
    norm = lambda x: cond((x * x).sum() > 0, lambda: np.sqrt((x * x).sum()), lambda: 0.0 * x.sum())
    points = [(X,), (0 * X,)]
    one_path(grad(norm), *points)
    one_path(vmap(grad(norm)), (np.stack([X, 0 * X]),), (np.stack([0 * X, 0 * X]),))
    assert np.isfinite(jit(vmap(grad(norm)))(np.stack([X, 0 * X]))).all()


def test_branches_within_a_batch() -> None:
    xs = np.array([0.5, -2.0, 3.0, 1.5])
    branch = lambda x: cond(x > 0, lambda v: np.sqrt(v) * v, lambda v: -v * v, x)
    points = [(xs,), (-xs,), (abs(xs),), (-abs(xs),)]
    for f in (branch, grad(branch), grad(grad(branch))):
        one_path(vmap(f), *points)
    one_path(grad(lambda v: vmap(branch)(v).sum()), *points)
    table = lambda x: switch((2 * x).astype(int), [lambda v: v, lambda v: v * v, lambda v: v**3], x)
    one_path(vmap(vmap(table)), (np.outer(xs, xs),), (np.outer(-xs, xs),))


def endless(x: Any) -> Any:
    """The branch that is not taken would never end."""
    forever = lambda: while_loop(lambda v: v < 10, lambda v: v * 2.0, x)
    return cond(x > 0, forever, lambda: x * x)


def recursive(x: Any) -> Any:
    return cond(x > 10, lambda: x, lambda: recursive(x * 2))


def appends(seen: list[int]) -> Any:
    return lambda x: cond(x > 0, lambda: seen.append(1) or x, lambda: x * 2)


def assigns(x: Any) -> Any:
    y = 1.0 * np.stack([x, x])

    def branch() -> Any:
        y[0] = 3.0
        return y.sum()

    return cond(x > 0, branch, lambda: y.sum()) * y[0]


@pytest.mark.parametrize(
    "f",
    [
        endless,
        recursive,
        appends([]),
        assigns,
        lambda x: cond(x > 0, lambda: x * 2 if x > 1 else x, lambda: x),
        lambda x: cond(x > 0, lambda: np.ones(3) * x, lambda: np.ones(2) * x),
        lambda x: cond(x > 0, lambda: 1, lambda: x),
        lambda x: cond(x > 0, lambda: {"a": x}, lambda: [x]),
        lambda x: cond(x > 0, lambda: np.ones(3)[np.arange(4)] * x, lambda: x) if x < 0 else x,
        lambda x: cond(x, lambda: x, lambda: x * 2),
    ],
)
def test_what_is_no_one_operation(f: Any) -> None:
    g = jit(f)
    for x in (0.7, -0.7, 0.0, 0.4):
        if f is recursive and x <= 0:
            continue
        equal(g(x), dualad.api.jit._normal(f, (np.float64(x),), {}), 1e-13)


def test_custom_rules_and_checkpoints_inside() -> None:
    rule = dualad.custom_jvp(lambda v: v * v)
    rule.defjvp(lambda primals, tangents: (primals[0] ** 2, 3.0 * tangents[0]))
    for inner in (rule, dualad.checkpoint(lambda v: np.sin(v) * v)):
        check(grad(lambda x: cond(x[0] > 0, inner, lambda v: v, x).sum()), X)
        check(grad(lambda x: while_loop(lambda v: v.sum() < 3, lambda v: inner(v) + 1, x).sum()), X)


def test_errors_are_pythons() -> None:
    with pytest.raises(dualad.ShapeError, match="must be a scalar"):
        jit(lambda x: cond(x > 0, np.sin, np.cos, x))(X)
    with pytest.raises(TypeError):
        jit(lambda x: switch(x, [np.sin, np.cos], x))(0.5)
    with pytest.raises(ZeroDivisionError):
        jit(lambda x: cond(x > 0, lambda: x * (1 / 0), lambda: x))(0.5)
    assert jit(lambda x: cond(x > 0, lambda: x * (1 / 0), lambda: x))(-0.5) == -0.5


# Random programs ------------------------------------------------------------------------------


UNARY = 6
TABLES: dict[Any, Any] = {Ours: np.linspace(0.8, 0.9, 9), lax: jnp.linspace(0.8, 0.9, 9)}


def apply(k: int, np: Any, v: Any, x: Any) -> Any:
    return [
        lambda: np.sin(v) + 0.1,
        lambda: v * 0.9 + 0.3 * v[::-1],
        lambda: np.tanh(v * x),
        lambda: np.sqrt(abs(v) + 0.1),
        lambda: v / (1 + v * v) + 0.2 * x,
        lambda: v * x.sum(),
    ][k]()


@st.composite
def blocks(draw: Any, depth: int = 2) -> Any:
    kinds = ["op"] * 2 + (["cond", "switch", "while", "scan", "fori", "python"] if depth else [])
    out: list[Any] = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(kinds))
        if kind == "op":
            out.append((kind, draw(st.integers(0, UNARY - 1))))
            continue
        inner = [draw(blocks(depth - 1)) for _ in range({"cond": 2, "switch": 3}.get(kind, 1))]
        out.append((kind, draw(st.sampled_from([-0.4, 0.1, 0.6])), inner))
    return out


def run(block: Any, lax: Any, np: Any, v: Any, x: Any) -> Any:
    for kind, at, *rest in block:
        if kind == "op":
            v = apply(at, np, v, x)
            continue
        (inner,) = rest
        turn = lambda v, inner=inner[0]: run(inner, lax, np, v, x)
        if kind == "cond":
            v = lax.cond(v.sum() > at, turn, lambda v, inner=inner[1]: run(inner, lax, np, v, x), v)
        elif kind == "switch":
            index = np.floor(3 * abs(v[0] + at)).astype(int)
            v = lax.switch(index, [lambda v, i=i: run(i, lax, np, v, x) for i in inner], v)
        elif kind == "while":
            going = lambda s, at=at: (s[0] < 1 + 5 * abs(x[0] + at)) & (s[1].sum() < 4)
            v = lax.while_loop(going, lambda s, turn=turn: (s[0] + 1, turn(s[1]) * 0.9), (0, v))[1]
        elif kind == "scan":
            step = lambda c, u, turn=turn: ((c[0] + 3, turn(c[1]) * u + 0.1 * TABLES[lax][c[0] % 9]), c[1].sum())
            (_, v), ys = lax.scan(step, (0, v), np.linspace(0.8, 1.0, 9))
            v = v + ys.sum() * 0.01
        elif kind == "fori":
            v = lax.fori_loop(0, 9, lambda i, v, turn=turn: turn(v) * TABLES[lax][i] + 0.01 * i, v)
        else:
            for _ in range(3):
                v = turn(v) * 0.9
    return v


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
@given(blocks(), st.integers(0, 2**20))
def test_random_programs(block: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = [(p,) for p in rng.normal(size=(3, 3))]
    f = lambda x: (run(block, Ours, dnp, x, x) * np.arange(1.0, 4)).sum()
    theirs = lambda x: (run(block, lax, jnp, x, x) * jnp.arange(1.0, 4)).sum()
    g = one_path(f, *points)
    d = one_path(grad(f), *points, rtol=1e-9)
    np.testing.assert_allclose(g(*points[0]), theirs(*points[0]), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(d(*points[0]), jax.jacfwd(theirs)(*points[0]), rtol=1e-9, atol=1e-11)
    t = rng.normal(size=3)
    equal(jit(lambda x: hvp(f, x, t))(*points[1]), hvp(f, points[1][0], t), 1e-8)
    both = np.stack([p for (p,) in points])
    one_path(vmap(f), (both,), (both[::-1].copy(),), rtol=1e-10)
    one_path(vmap(grad(f)), (both,), (both[::-1].copy(),), rtol=1e-9)
