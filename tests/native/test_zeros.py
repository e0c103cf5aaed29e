"""Zeros that are there whatever the arguments are: products with them are not done, and results are still those of eager mode."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import dualad.numpy as dnp
from dualad import hessian, jacfwd, jit, vmap
from dualad.native.blocks import blocks
from dualad.native.program import Missed, NotFinite, Program
from dualad.native.zeros import zeros
from tests.native.test_programs import both, normal
from tests.native.test_random_programs import programs as random_programs
from tests.native.test_random_programs import run
from tests.native.test_registry import programs


def chained(x: Any) -> Any:
    """Many movements, and few dependences: element k of the result depends on a few elements of x."""
    a = dnp.concatenate([x, dnp.zeros(1)])[np.array([[0, 4, 2], [1, 3, 4]])]
    b = dnp.stack([dnp.sin(a[0]) * a[1], a[0] - 2 * a[1]])
    c = dnp.where(b > 0, b, 0.5 * b).T.reshape(2, 3) @ dnp.diag(np.arange(3.0))
    return dnp.concatenate([c.ravel(), x[::2] ** 2, dnp.tanh(x[:2]) / (2 + x[2:4] ** 2)])


def values_of(graph: Any, xs: Any) -> dict[int, Any]:
    env: dict[int, Any] = {}
    for v in graph.values:
        if v.op == "input":
            env[v.index] = xs[v.data]
        elif v.op == "constant":
            env[v.index] = v.data
        elif v.op == "call":
            env[v.index] = v.prim.impl(*[env[a.index] for a in v.args], **v.params)
    return env


def test_what_is_said_to_be_zero_is() -> None:
    g = jit(jacfwd(chained))
    g(normal(4))
    (program,) = programs(g)
    graph = program.graph
    env = values_of(graph, [normal(4)])
    known = zeros(graph.values, graph.values)
    for v in graph.values:
        if v.index in known:
            assert (np.broadcast_to(env[v.index], v.shape)[known[v.index]] == 0).all(), v
    # All zeros of the result are found, for a point at which no other element is zero.
    (y,) = graph.outputs
    assert np.array_equal(known[y.index], env[y.index] == 0)


@settings(deadline=None, max_examples=60)
@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))), st.integers(1, 5000))
def test_blocks_cover_all_that_is_not_zero(zero: Any, other: int) -> None:
    zero = zero | (np.arange(zero.shape[0])[:, None] // 8 != np.arange(zero.shape[1]) // 8)
    division = blocks(zero, other)
    if division is None:
        return
    found, _ = division
    assert [b.first for b in found] == [0, *[b.last for b in found[:-1]]] and found[-1].last == zero.shape[1]
    outside = np.ones(zero.shape, bool)
    for b in found:
        outside[b.start : b.stop, b.first : b.last] = False
    assert zero[outside].all()


@pytest.mark.parametrize("dtype,rtol", [(np.float64, 1e-11), (np.float32, 1e-4)])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("captured", [True, False])
def test_products_are_done_by_blocks(dtype: Any, rtol: float, side: int, captured: bool) -> None:
    w = np.random.default_rng(1).normal(size=(70, 64)).astype(dtype)
    w.flags.writeable = False
    x = normal(64).astype(dtype)

    def f(x: Any, w: Any) -> Any:
        # The Jacobian of what is multiplied is made first: its zeros are on one side or the other.
        j = jacfwd(lambda x: dnp.tanh(x.reshape(-1, 8)).ravel() * x)(x)
        return w @ j if side else j @ w.T

    g = jit(lambda x: f(x, w)) if captured else jit(f)
    args = (x,) if captured else (x, w)
    for _ in range(3):
        np.testing.assert_allclose(g(*args), f(x, w), rtol=rtol, atol=rtol)
    assert re.search(r"in \d+ blocks|not zero", g.explain()), g.explain()


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["matrix", "tangent"])
def test_zero_times_infinity_is_what_it_was(bad: float, where: str) -> None:
    w, x = normal(70, 64), normal(64)
    f = lambda x, w: w @ jacfwd(lambda x: dnp.exp(x) * x)(x)
    g = jit(f)
    g(x, w)
    assert "blocks" in g.explain(), g.explain()
    for k in (0, 17, 63):
        y, v = x.copy(), w.copy()
        if where == "matrix":
            v[k, k] = bad
        else:
            y[k] = bad
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(g(y, v), f(y, v), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(g(x, w), f(x, w), rtol=1e-11, atol=1e-11)


def sparse(m: int, k: int, part: float) -> Any:
    rng = np.random.default_rng(m)
    a = rng.normal(size=(m, k)) * (rng.random((m, k)) < part)
    a[m // 3] = 0
    a.flags.writeable = False
    return a


@pytest.mark.parametrize("m", [100, 131, 800])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.1, 0.6])
def test_a_constant_of_which_few_rows_are_not_zero_in_a_block(m: int, part: float) -> None:
    w, x = sparse(m, 64, part), normal(64)
    f = lambda x: (
        w @ jacfwd(lambda x: dnp.ravel(dnp.sin(x.reshape(-1, 8)) * dnp.sum(x.reshape(-1, 8), axis=1, keepdims=True)))(x)
    )
    g = both(f, x, rtol=1e-11)
    assert re.search(r"in \d+ blocks|what is not zero", g.explain()), g.explain()


@pytest.mark.parametrize("n", [1, 3, 8, 13, 64])
@pytest.mark.parametrize("dtype,rtol", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_constant_of_mostly_zeros(n: int, dtype: Any, rtol: float) -> None:
    w, x = sparse(1000, 90, 0.05).astype(dtype), normal(90, n).astype(dtype)
    w.flags.writeable = False
    f = lambda x: w @ dnp.sin(x)
    g = both(f, x, rtol=rtol)
    assert "what is not zero" in g.explain(), g.explain()
    both(lambda x: w @ x.T, np.ascontiguousarray(x.T), rtol=rtol)
    both(lambda x: w @ (2 * x).T[:90], normal(n, 100).astype(dtype), rtol=10 * rtol)
    for bad in (np.inf, np.nan):
        y = x.copy()
        y[7, n // 2] = bad
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(g(y), f(y), rtol=rtol, atol=rtol)
    infinite = w.copy()
    infinite[3, 3] = np.inf
    infinite.flags.writeable = False
    with np.errstate(all="ignore"):
        both(lambda x: infinite @ dnp.sin(x), x, rtol=rtol)


def rotated(r: Any, x: Any) -> Any:
    squared = dnp.sum(r * r)
    angle = dnp.sqrt(dnp.where(squared > 0, squared, 1.0))
    w = r / angle
    cross = dnp.stack([w[1] * x[2] - w[2] * x[1], w[2] * x[0] - w[0] * x[2], w[0] * x[1] - w[1] * x[0]])
    return dnp.where(squared > 0, x * dnp.cos(angle) + cross * dnp.sin(angle) + w * dnp.sum(w * x), x)


SMALL = {
    "products": lambda x: dnp.stack([x[0] * dnp.sin(x[1]) * x[2], x[3] * x[1], dnp.cos(x[3]) * x[0]]),
    "selection": lambda x: dnp.stack([dnp.where(x[0] > 0, dnp.log(dnp.where(x[0] > 0, x[0], 1.0)), x[0] * x[3]), x[1] * x[2]]),
    "quotients": lambda x: dnp.stack([x[0] / x[1], x[1] / (1 + x[2] * x[2]), x[3] * x[3]]),
    "matrices": lambda x: dnp.stack([dnp.stack([x[0], 0.0]), dnp.stack([1.0, x[3]])]) @ dnp.stack([x[1] * x[0], x[2]]),
    "rotation": lambda x: rotated(dnp.stack([x[0], x[1], 0.0]), x[1:]),
}  # fmt: skip


def operations(text: str) -> int:
    return sum(map(int, re.findall(r"straight-line code of (\d+) operations", text)))


@pytest.mark.parametrize(
    "name,rows", [*[(name, True) for name in SMALL], ("products", False), ("selection", False), ("matrices", False)]
)
def test_products_with_zero_are_not_done(name: str, rows: bool) -> None:
    f, x = jacfwd(SMALL[name]), normal(4)
    if rows:
        f, x = vmap(f), normal(300, 4)
    g = both(f, x, rtol=1e-12)
    (program,) = programs(g)
    fewer = operations(g.explain())
    program.graph.zeros = False
    whole = Program(program.graph)
    assert 0 < fewer < 0.9 * operations("\n".join(whole.listing()))
    np.testing.assert_array_equal(whole([x])[0], g(x))


@pytest.mark.parametrize("transform", [jacfwd, hessian])
@pytest.mark.parametrize("name", SMALL)
def test_straight_line_code(name: str, transform: Any) -> None:
    f = SMALL[name]
    f = f if transform is jacfwd else lambda x, f=f: dnp.sum(f(x))
    both(transform(f), normal(4), rtol=1e-11)


@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    random_programs(),
    st.sampled_from([jacfwd, hessian]),
    st.booleans(),
    st.sampled_from([None, np.inf, np.nan, 0.0, 1e200]),
)
def test_random_programs_with_and_without_products_with_zero(
    drawn: Any, transform: Any, rows: bool, special: Any
) -> None:
    """The same results, but for signs of zeros; or it says that something is not finite."""
    shapes, code, seed = drawn
    rng = np.random.default_rng(seed)
    shapes = [s[:1] and (min(s[0], 4),) for s in shapes]
    code = [(op, operands, looked_at and not rows) for op, operands, looked_at in code]
    f = transform(lambda *v: run(code, v)[transform is jacfwd], 0)
    f = vmap(f, in_axes=(0, *[None] * (len(shapes) - 1))) if rows else f
    xs = [rng.normal(size=s)[()] for s in shapes]
    if rows:
        xs[0] = rng.normal(size=(20, *shapes[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dualad.native.segment.SEVERAL", 1)
        g = jit(f)
        g(*xs)
        own = programs(g)
        for program in own:
            program.graph.zeros = False
        wholes = [Program(program.graph) for program in own]
    for program, whole in zip(own, wholes, strict=True):
        for k in range(3):
            ys = [np.array(x) for x in xs]
            if special is not None and k:
                ys[0].flat[k % ys[0].size] = special
            ys = [y[()] for y in ys]
            with np.errstate(all="ignore"):
                try:
                    expected = whole(ys)
                    found = program(ys)
                except (Missed, NotFinite):
                    continue
            for y, z in zip(found, expected, strict=True):
                np.testing.assert_array_equal(y, z)


@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e200])
@pytest.mark.parametrize("transform", [jacfwd, hessian])
@pytest.mark.parametrize("name", SMALL)
def test_straight_line_code_at_numbers_that_are_not_finite(name: str, transform: Any, bad: float) -> None:
    h = SMALL[name]
    f = transform(h if transform is jacfwd else lambda x: dnp.sum(h(x)))
    g = jit(f)
    x = normal(4)
    g(x)
    for k in range(4):
        y = x.copy()
        y[k] = bad
        with np.errstate(all="ignore"):
            for _ in range(2):
                np.testing.assert_allclose(g(y), f(y), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(g(x), f(x), rtol=1e-10, atol=1e-10)
    if name == "products" and bad != 1e200:
        assert g.recordings == 2  # once it has made a difference, products with zero are done


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("n", [19, 20_000])
def test_rows_of_which_one_is_not_finite(bad: float, n: int) -> None:
    f = vmap(jacfwd(lambda x: dnp.concatenate([SMALL["rotation"](x), SMALL["products"](x)])))
    g = jit(f)
    x = normal(n, 4)
    np.testing.assert_allclose(g(x), f(x), rtol=1e-12)
    assert f"for each of {n} rows" in g.explain() and ("pieces" in g.explain()) == (n > 19)
    before = operations(g.explain())
    for k in (0, n // 2, n - 1):
        y = x.copy()
        y[k, 1] = bad
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(g(y), f(y), rtol=1e-12, atol=1e-15)
    assert g.recordings == 2
    assert operations(g.explain()) > before


def test_code_for_all_sizes() -> None:
    f = vmap(jacfwd(lambda x: dnp.concatenate([SMALL["rotation"](x), SMALL["products"](x)])))
    g = jit(f)
    for n in (20, 33, 47, 64):
        x = normal(n, 4)
        np.testing.assert_allclose(g(x), f(x), rtol=1e-12)
    assert "n = 33, 47, 64" in g.explain(), g.explain()
    for n in (47, 47, 33, 64):
        x = normal(n, 4)
        np.testing.assert_allclose(g(x), f(x), rtol=1e-12)
        x[n // 2, 1] = np.inf
        with np.errstate(all="ignore"):
            for _ in range(3):
                np.testing.assert_allclose(g(x), f(x), rtol=1e-12)
    assert g.recordings <= 7


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 1 / (x * 0.0),
        lambda x: 1 / (dnp.sum(x * np.array([0.0, 1.0])) - x),
        lambda x: dnp.arctan2(x * 0.0, -1.0 - x * x),
        lambda x: dnp.copysign(2.0, dnp.sin(0.0 * x)),
        lambda x: (x * 0.0) ** -1.0,
    ],
)
@pytest.mark.parametrize("transform", [lambda f: f, jacfwd])
def test_zeros_whose_sign_decides(f: Any, transform: Any) -> None:
    x = np.array([-1.0, 1.0])
    with np.errstate(all="ignore"):
        g = jit(transform(f))
        for y in (x, -x, x):
            np.testing.assert_array_equal(g(y), transform(f)(y))
