"""Vertex elimination: structured products, orders and their counts, Jacobians against JAX, at kinks too."""

from __future__ import annotations

import itertools
import pathlib
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import dualad
import dualad.numpy
from compare import jaxprs
from compare.problems.scalar import (
    DIPOLE,
    LINKS,
    PROBLEMS,
    black_scholes,
    euler_flux,
    human_heart_dipole,
    robot_arm,
    roe_flux,
)
from compare.workloads.elimination import DUALAD as OURS
from compare.workloads.elimination import cases, counts, counts_on_jaxprs
from dualad.core.errors import ArgumentError, BatchError, DtypeError, GuardError, ShapeError
from dualad.ops.special import erf
from dualad.plan.elimination import (
    HEURISTICS,
    Elimination,
    anneal,
    best,
    computational_graph,
    cost,
    eliad,
    forward,
    jacobian,
    markowitz,
    optimal,
    reverse,
)
from dualad.plan.elimination.structure import Algebra, dense
from tests.test_compositions import OPERATIONS, fits

jax.config.update("jax_enable_x64", True)
COMMON: dict[str, Any] = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


def graph_of(f: Any, *xs: Any) -> Any:
    with dualad.Tape() as tape:
        watched = tape.watch(xs)
        y = f(*watched)
    return computational_graph(tape, y, watched)


def check(f: Any, *xs: Any, expected: Any = None, orders: Any = tuple(HEURISTICS)) -> Any:
    """Every order gives what ``dualad.jacobian`` (or ``expected``) gives, and costs what was predicted."""
    graph = graph_of(f, *xs)
    if expected is None:
        every = tuple(range(len(xs)))
        expected = dualad.jacobian(lambda *v: out if type(out := f(*v)) is tuple else (out,), every)(*xs)
    for name in orders:
        order = HEURISTICS[name](graph)
        run = Elimination(graph, order)
        assert run.cost == cost(graph, order)
        for row, want in zip(run(), expected, strict=True):
            for a, b in zip(row, want, strict=True):
                assert np.shape(a) == np.shape(b)
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10, err_msg=name)
    return graph


# Structured products -------------------------------------------------------------------------------


@st.composite
def structured(draw: Any, algebra: Algebra, m: int, n: int, rng: Any) -> Any:
    """A pattern and entries for it."""
    kind = draw(st.sampled_from(["dense", "sparse", "selection", *(["diagonal"] if m == n else [])]))
    sign = draw(st.sampled_from([None, 1, -1]))
    if kind == "dense":
        p = algebra.dense(m, n, sign)
    elif kind == "diagonal":
        p = algebra.diagonal(m, sign)
    elif kind == "selection":
        p = algebra.sparse((m, n), np.arange(m), rng.integers(0, n, m), sign)
    else:
        p = algebra.sparse((m, n), *np.nonzero(rng.random((m, n)) < 0.4), sign)
    entries = None if sign is not None else rng.normal(size=p.nnz)
    return p, entries[0] if entries is not None and p.scalar and p.nnz else entries


def counted(p: Any, q: Any) -> tuple[int, int]:
    """Multiplications and additions of the entries, one by one."""
    a, b = (np.zeros(x.shape, int) for x in (p, q))
    a[p.rows, p.cols] = b[q.rows, q.cols] = 1
    terms = a @ b
    each = 0 if p.sign is not None or q.sign is not None else int(terms.sum())
    return each, int(np.maximum(terms - 1, 0).sum())


@settings(max_examples=300, **COMMON)
@given(st.data())
def test_products_and_sums_of_structured_matrices(data: Any) -> None:
    algebra = Algebra()
    m, k, n, seed = (data.draw(st.integers(1, 4)) for _ in range(4))
    rng = np.random.default_rng(seed)
    p, u = data.draw(structured(algebra, m, k, rng))
    q, v = data.draw(structured(algebra, k, n, rng))
    r, w = data.draw(structured(algebra, m, k, rng))
    done = algebra.product(p, q)
    if p.nnz and q.nnz and done.pattern.nnz:
        np.testing.assert_allclose(dense(done.pattern, done.run(u, v)), dense(p, u) @ dense(q, v), atol=1e-14)
        assert (done.multiplications, done.additions) == counted(p, q)
        ones = np.zeros((m, n), bool)
        ones[done.pattern.rows, done.pattern.cols] = True
        np.testing.assert_array_equal(ones, (np.abs(dense(p, _ones(p))) @ np.abs(dense(q, _ones(q)))) > 0)
    if p.nnz and r.nnz:
        joined = algebra.sum(p, r)
        np.testing.assert_allclose(dense(joined.pattern, joined.run(u, w)), dense(p, u) + dense(r, w), atol=1e-14)
        assert joined.additions == p.nnz + r.nnz - joined.pattern.nnz


def _ones(p: Any) -> Any:
    return None if p.sign is not None else np.ones(p.nnz)[0 if p.scalar else slice(None)]


# The problems ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cases())
def test_problems_against_jax(name: str) -> None:
    f, x = cases()[name]
    theirs = jax.jit(jax.jacfwd(f(jax, jaxprs.NAMESPACE), tuple(range(len(x)))))(*map(jnp.asarray, x))
    expected = theirs if type(theirs[0]) is tuple else (theirs,)
    graph = check(f(dualad, OURS), *x, expected=expected)
    assert graph.scalar


@pytest.mark.parametrize("name", cases())
def test_no_more_multiplications_than_markowitz(name: str) -> None:
    """On our graph, and on JAX's, which is the same but for the recorded gradient."""
    f, x = cases()[name]
    graph, theirs = graph_of(f(dualad, OURS), *x), jaxprs.graph_of_jaxpr(f(jax, jaxprs.NAMESPACE), x)
    counted = [cost(graph, order(graph)).multiplications for order in (forward, reverse, markowitz)]
    if name != "Black-Scholes, Hessian":
        assert counted == [order(theirs) for order in (jaxprs.forward, jaxprs.reverse, jaxprs.markowitz)]
    assert cost(graph, best(graph)).multiplications <= min(counted[2], jaxprs.markowitz(theirs))


def test_the_tables_in_the_docs_are_those_of_the_code() -> None:
    page = (pathlib.Path(__file__).parent.parent.parent / "docs" / "elimination.md").read_text()
    assert counts() in page
    assert counts_on_jaxprs() in page


def test_moving_elements_is_free() -> None:
    """Inputs taken out of an array, and outputs stacked into one, cost what scalars cost."""
    f, x = cases()["Roe flux 1-D"]
    g = f(dualad, OURS)
    scalars = graph_of(g, *x)
    arrays = check(lambda v: np.stack(g(*[v[k] for k in range(6)])), np.array(x))
    assert not arrays.scalar
    for order in (forward, reverse):
        assert cost(arrays, order(arrays)) == cost(scalars, order(scalars))


def test_problems_against_closed_forms() -> None:
    # Roe: consistent with the flux; one-sided in supersonic flow, whatever is on the other side.
    state = (1.0, 0.3, 2.5)
    np.testing.assert_allclose(roe_flux(np, *state, *state), euler_flux(np, *state)[:3], rtol=1e-14)
    fast = (1.0, 3.0, 7.0)
    np.testing.assert_allclose(roe_flux(np, *fast, 0.8, 2.5, 6.0), euler_flux(np, *fast)[:3], rtol=1e-13)

    # The arm: the product of its six transforms.
    angles = PROBLEMS["robot arm 6-DOF"][1]
    t = np.eye(4)
    for q, (a, twist, d) in zip(angles, LINKS, strict=True):
        (c, s), (ca, sa) = ((np.cos(v), np.sin(v)) for v in (q, np.deg2rad(twist)))
        t = t @ [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]]
    hand = robot_arm(np, *angles)
    np.testing.assert_allclose(hand[:3], t[:3, 3], rtol=1e-13)
    euler = np.arctan2(t[1, 2], t[0, 2]), np.arccos(t[2, 2]), np.arctan2(t[2, 1], -t[2, 0])
    np.testing.assert_allclose(hand[3:], euler, rtol=1e-13)

    # The dipoles: powers of complex numbers.
    a, b, c, d, t1, u, v, w = x = PROBLEMS["human heart dipole"][1]
    p, q, tv, uw = a + 1j * c, b + 1j * d, t1 + 1j * v, u + 1j * w
    moments = np.array([p * tv**k + q * uw**k for k in range(4)])
    expected = np.stack([moments.real, moments.imag], 1).ravel() - DIPOLE
    np.testing.assert_allclose(human_heart_dipole(np, *x), expected, rtol=1e-12, atol=1e-15)

    # Black-Scholes: the price in textbooks (Hull), and its greeks.
    S, K, r, s, T = 100.0, 100.0, 0.05, 0.2, 1.0
    graph = graph_of(lambda *v: black_scholes(OURS, *v), S, K, r, s, T)
    np.testing.assert_allclose(black_scholes(OURS, S, K, r, s, T), 10.450583572185565, rtol=1e-14)
    d1 = (np.log(S / K) + (r + s * s / 2) * T) / (s * np.sqrt(T))
    density = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi)
    delta, _, rho, vega, _ = jacobian(graph, best(graph))[0]
    np.testing.assert_allclose(delta, (1 + erf(d1 / np.sqrt(2))) / 2, rtol=1e-14)
    np.testing.assert_allclose(vega, S * density * np.sqrt(T), rtol=1e-13)
    np.testing.assert_allclose(rho, T * (S * delta - 10.450583572185565), rtol=1e-13)


def test_propane_combustion_has_its_equilibrium() -> None:
    """Newton's method with our Jacobian, on logarithms, which keep the unknowns positive."""
    f, x = PROBLEMS["propane combustion"]
    graph = graph_of(lambda *v: f(OURS, *v), *x)
    run = Elimination(graph, best(graph))
    z = np.log(x)
    for _ in range(200):
        point = np.exp(z)
        step = np.linalg.lstsq(np.array(run(*point)) * point, -np.array(f(np, *point)), rcond=None)[0]
        z = z + step * min(1.0, 0.5 / np.abs(step).max())
    assert np.abs(f(np, *np.exp(z))).max() < 1e-9


class Counting(float):
    """A number that counts the operations done with it."""

    multiplications = additions = 0

    def __mul__(self, other: Any) -> Any:
        Counting.multiplications += 1
        return Counting(float(self) * float(other))

    def __add__(self, other: Any) -> Any:
        Counting.additions += 1
        return Counting(float(self) + float(other))


@pytest.mark.parametrize("name", ["Roe flux 1-D", "human heart dipole"])
def test_what_is_predicted_is_executed(name: str) -> None:
    f, x = PROBLEMS[name]
    graph = graph_of(lambda *v: f(OURS, *v), *x)
    for h in HEURISTICS.values():
        run = Elimination(graph, h(graph))
        Counting.multiplications = Counting.additions = 0
        run.accumulate({edge: Counting(e) for edge, e in graph.entries().items()})
        assert run.cost == (Counting.multiplications, Counting.additions)


# Orders ----------------------------------------------------------------------------------------


def random_scalar_graph(rng: Any, inputs: int, operations: int, outputs: int) -> Any:
    def f(*xs: Any) -> Any:
        values = list(xs)
        for _ in range(operations):
            a, b = (values[-1 - int(k)] for k in rng.integers(0, min(4, len(values)), 2))
            values.append(a * b if rng.random() < 0.6 else np.sin(a))
        return tuple(values[-outputs:])

    return graph_of(f, *rng.normal(size=inputs))


def test_the_optimum_by_search_is_that_of_all_orders() -> None:
    rng = np.random.default_rng(3)
    for _ in range(15):
        graph = random_scalar_graph(rng, 3, 7, 2)
        vertices = graph.intermediates
        assert len(vertices) <= 7
        least = min(cost(graph, o).multiplications for o in itertools.permutations(vertices))
        assert cost(graph, optimal(graph)).multiplications == least


def test_heuristics_against_the_optimum() -> None:
    """On small random graphs the best heuristic is optimal mostly and never far off; annealing is closer."""
    rng = np.random.default_rng(5)
    ratios, annealed = [], []
    for _ in range(20):
        graph = random_scalar_graph(rng, 4, 12, 3)
        least = cost(graph, optimal(graph)).multiplications
        b, a = (cost(graph, o).multiplications for o in (best(graph), anneal(graph, 300)))
        assert least <= a <= b <= cost(graph, markowitz(graph)).multiplications
        ratios.append(b / max(least, 1))
        annealed.append(a / max(least, 1))
    assert max(ratios) < 1.2 and np.mean(ratios) < 1.05
    assert np.mean(annealed) < 1.005


def test_orders_by_name() -> None:
    graph = random_scalar_graph(np.random.default_rng(1), 3, 9, 2)
    assert forward(graph) == tuple(reversed(reverse(graph))) == tuple(graph.intermediates)
    for h in HEURISTICS.values():
        assert sorted(h(graph)) == graph.intermediates
    with pytest.raises(ArgumentError, match="must name each of the"):
        cost(graph, forward(graph)[1:])
    with pytest.raises(ArgumentError, match='must be "markowitz"'):
        eliad(graph, "backward")
    with pytest.raises(ArgumentError, match="Use best or anneal"):
        optimal(random_scalar_graph(np.random.default_rng(1), 3, 60, 3))


def test_a_narrow_place_is_eliminated_last() -> None:
    """R^100 -> R^2 -> R^100: elimination costs the product of the narrow place, not 100 passes."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 100)), rng.normal(size=(100, 2))
    graph = check(lambda x: np.sin(b @ np.tanh(a @ np.sin(x))), rng.normal(size=100))
    n = cost(graph, best(graph)).multiplications
    assert n <= 2 * 100 * 100 + 1000
    assert cost(graph, forward(graph)).multiplications > n
    assert pickle.loads(pickle.dumps(best(graph))) == best(graph)


# Programs on arrays ------------------------------------------------------------------------------

NARROW: list[tuple[str, int, Any]] = [
    ("through one", 1, lambda np, a: np.tanh(np.sum(a)) * (a * 0 + 1.5)),
    ("through two", 1, lambda np, a: (np.array([[1.0], [0.5]]) * np.array([0.2, -1.0, 3.0])).T @ np.tanh(
        np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 2.0]]) @ a) if a.shape == (3,) else a * 2.0),
    ("neighbours", 1, lambda np, a: np.concatenate([a[1:] * a[:-1], a[:1]]) if a.ndim == 1 else np.sin(a)),
    ("arrow", 1, lambda np, a: a * a[0] + np.where(np.arange(3) == 0, np.sum(a), 0.0) if a.shape == (3,) else -a),
    ("mask", 2, lambda np, a, b: np.where(a > 0.1234, a * b, 0.0)),
]  # fmt: skip
EVERY = [*OPERATIONS, *NARROW, *NARROW]


@st.composite
def programs(draw: Any) -> Any:
    shapes = draw(st.lists(st.sampled_from([(), (3,), (2, 3)]), min_size=1, max_size=2))
    code = []
    for k in range(draw(st.integers(1, 6))):
        op = draw(st.integers(0, len(EVERY) - 1))
        code.append((op, tuple(draw(st.integers(0, len(shapes) + k - 1)) for _ in range(EVERY[op][1]))))
    return shapes, code, draw(st.integers(0, 2**20)), draw(st.sampled_from(sorted(HEURISTICS)))


def run_program(np_: Any, code: Any, xs: Any) -> Any:
    values = list(xs)
    for op, operands in code:
        chosen = [values[i] for i in operands]
        if len(chosen) == 2 and not fits(*chosen):
            chosen[1] = chosen[1].sum()
        values.append(EVERY[op][2](np_, *chosen))
    return (values[-1], values[len(values) // 2])


@settings(max_examples=60, **COMMON)
@given(programs())
def test_random_programs(program: Any) -> None:
    shapes, code, seed, name = program
    xs = tuple(np.random.default_rng(seed).normal(size=s)[()] for s in shapes)
    theirs = jax.jacrev(lambda *v: run_program(jnp, code, v), tuple(range(len(xs))))(*map(jnp.asarray, xs))
    graph = check(lambda *v: run_program(dualad.numpy, code, v), *xs, expected=theirs, orders=(name,))
    other = tuple(x * 1.001 for x in xs)
    try:
        again = Elimination(graph, best(graph))(*other)
    except GuardError:
        return
    expected = dualad.jacobian(lambda *v: run_program(dualad.numpy, code, v), tuple(range(len(xs))))(*other)
    for row, want in zip(again, expected, strict=True):
        for a, b in zip(row, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@settings(max_examples=150, **COMMON)
@given(programs())
def test_random_programs_at_kinks_and_ties(program: Any) -> None:
    """At small integers, where abs, max and sort have kinks and ties: the convention of the modes, where they agree."""
    shapes, code, seed, name = program
    rng = np.random.default_rng(seed)
    xs = tuple(rng.integers(-1, 2, s).astype(float)[()] for s in shapes)
    f = lambda *v: run_program(dualad.numpy, code, v)
    every = tuple(range(len(xs)))
    modes = [mode(f, every)(*xs) for mode in (dualad.jacfwd, dualad.jacrev)]
    assume(all(np.allclose(a, b) for u, v in zip(*modes, strict=True) for a, b in zip(u, v, strict=True)))
    check(f, *xs, expected=modes[0], orders=(name,))


def spd(x: Any) -> Any:
    return x @ x.T + np.eye(len(x))


def buffer(x: Any) -> Any:
    y = dualad.numpy.zeros(4)
    for i in range(3):
        y[i + 1] = y[i] * x[i] + x[i]
    return y


R = np.random.default_rng(8)
ARRAYS: dict[str, Any] = {
    "matmul of two": (lambda a, b: np.tanh(a @ b), R.normal(size=(2, 3)), R.normal(size=(3, 2))),
    "matmul of stacks": (lambda a, b: np.matmul(a, b) ** 2, R.normal(size=(2, 2, 3)), R.normal(size=(3, 2))),
    "inner": (lambda a, b: (a @ b) * a, R.normal(size=3), R.normal(size=3)),
    "einsum": (lambda a, b: np.einsum("ij,jk->ki", a, b), R.normal(size=(2, 3)), R.normal(size=(3, 2))),
    "indices": (lambda x: np.stack([x[0] * x[1], x[[2, 2]].sum(), x[2] ** 2]), R.normal(size=3)),
    "sort and mean": (lambda x: np.mean(np.sort(x * x, axis=1), axis=1)[:, None] * x, R.normal(size=(2, 3))),
    "differences": (lambda x: np.cumsum(x * x)[1:] - np.diff(x), R.normal(size=5)),
    "buffer": (buffer, R.normal(size=3)),
    "several outputs": (lambda x: (*np.linalg.slogdet(spd(x)), np.linalg.eigh(spd(x))[1]), R.normal(size=(3, 3))),
    "solve": (lambda a, b: np.linalg.solve(spd(a), b), R.normal(size=(3, 3)), R.normal(size=3)),
    "outputs that are inputs, used, repeated, constant": (
        lambda x, z: (x, y := x * z, y, np.sin(y), np.ones(2), np.floor(x)),
        R.normal(size=2),
        R.normal(size=2),
    ),
    "a recorded gradient": (dualad.grad(lambda x: np.sum(np.sqrt(x) * x[::-1]) ** 2), R.uniform(1, 2, 3)),
    "float32": (lambda x: np.sin(x) * x[::-1], np.float32([1.0, 2.0])),
    "empty": (lambda x: (x[:0] * 2.0, x * 2.0), R.normal(size=2)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    f, *xs = ARRAYS[name]
    rtol = {"float32": 1e-6}.get(name, 1e-9)
    graph = graph_of(f, *xs)
    expected = dualad.jacobian(lambda *v: out if type(out := f(*v)) is tuple else (out,), tuple(range(len(xs))))(*xs)
    for h in HEURISTICS.values():
        for row, want in zip(jacobian(graph, h(graph)), expected, strict=True):
            for a, b in zip(row, want, strict=True):
                assert a.shape == b.shape and a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def test_elementwise_programs_stay_diagonal() -> None:
    """In a recorded gradient too, whose products with singular partials are operations of their own."""
    f = dualad.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(np.abs(x)) * x, np.arctan2(x, 2.0) / (1 + x * x))))
    graph = check(f, R.normal(size=5))
    assert {p.kind for p in graph.edges.values()} <= {"diagonal", "sparse"}
    assert all(p.nnz == 5 for p in graph.edges.values())


DEGENERATE: dict[str, Any] = {
    "abs at 0": (lambda x: np.abs(x) * x[::-1] + np.abs(x), np.array([0.0, 1.0, 2.0])),
    "a tie of maximum": (lambda x: np.maximum(x, x[::-1]) * x, np.array([1.0, 2.0, 1.0])),
    "a tie of max": (lambda x: np.max(x) * x, np.array([1.0, 2.0, 2.0])),
    "a masked root": (lambda x: np.where(x > 0, np.sqrt(x), 0.0) * 2, np.array([0.0, 1.0])),
    "norm at 0": (lambda x: np.linalg.norm(x) * x + np.linalg.norm(x), np.zeros(3)),
    "zeros in a product": (lambda x: np.prod(x) * x, np.array([0.0, 0.0, 3.0])),
    "a root of a square": (lambda x: np.sqrt(x * x) + x, np.array([0.0, 2.0])),
    "a root, summed and masked": (lambda x: np.where(x > 0, np.sqrt(x), 0.0).sum() * np.sqrt(x * x), np.array([0.0, 4.0])),
    "rows of roots": (lambda x: np.stack([np.sqrt(x * x).sum(), x.sum()]) @ np.ones((2, 2)), np.array([0.0, 4.0])),
}  # fmt: skip


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_points(name: str) -> None:
    f, *xs = DEGENERATE[name]
    with np.errstate(over="ignore"):
        check(f, *xs)


def test_zero_wins_over_an_infinite_partial_on_every_path() -> None:
    """Reverse mode meets inf * 0 here in a plain product, forward mode does not; every order agrees with forward mode."""

    def f(x: Any, y: Any) -> Any:
        return np.sqrt(x * x) * y + x

    check(f, 0.0, 2.0, expected=[dualad.jacfwd(f, (0, 1))(0.0, 2.0)])
    check(f, np.zeros(2), np.full(2, 2.0), expected=[dualad.jacfwd(f, (0, 1))(np.zeros(2), np.full(2, 2.0))])


def test_an_overflow_that_is_masked_does_not_pass() -> None:
    def f(x: Any) -> Any:
        return np.where(x < 5, np.arctan(1e-3 * np.exp(np.minimum(x, 800.0) * 2)), x) * 2

    with np.errstate(over="ignore"):
        graph = graph_of(f, np.array([1.0, 400.0]))
        u = 1e-3 * np.exp(2.0)
        for h in HEURISTICS.values():
            np.testing.assert_allclose(jacobian(graph, h(graph))[0][0], np.diag([4 * u / (1 + u * u), 2]), rtol=1e-12)


def test_an_overflow_that_is_not_masked_is_never_a_wrong_number() -> None:
    with np.errstate(over="ignore"):
        graph = graph_of(lambda x: np.log1p(np.exp(x)) * 1.0, 1000.0)
        ((d,),) = jacobian(graph, best(graph))
    assert np.isnan(d) or d == 1


# Other points ------------------------------------------------------------------------------------


def test_other_points_and_batches() -> None:
    f, x = PROBLEMS["Roe flux 1-D"]
    graph = graph_of(lambda *v: f(OURS, *v), *x)
    run = Elimination(graph, best(graph))
    points = np.array(x) * np.random.default_rng(0).uniform(0.9, 1.1, (5, 6))
    together = run(*points.T)
    for k, p in enumerate(points):
        expected = dualad.jacobian(lambda *v: f(OURS, *v), tuple(range(6)))(*p)
        np.testing.assert_allclose([[b[k] for b in row] for row in together], expected, rtol=1e-12)
        np.testing.assert_allclose(run(*p), expected, rtol=1e-12)
    half = run(points[:, 0], *x[1:])  # one input varies
    np.testing.assert_allclose([[b[2] for b in row] for row in half], run(points[2, 0], *x[1:]), rtol=1e-12)
    assert all(b.shape == (5,) for row in half for b in row)


def test_batches_with_masks_and_kinks() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.where(x > y, np.sqrt(np.where(x > y, x, 1.0)), 0.0) * y + np.sqrt(x * x), np.maximum(x, y)

    graph = graph_of(f, 2.0, 1.0)
    xs, ys = np.array([2.0, 0.0, 1.0, -1.0]), np.array([1.0, 0.5, 1.0, 3.0])
    together = Elimination(graph, best(graph))(xs, ys)
    for k in range(4):
        expected = dualad.jacobian(f, (0, 1))(xs[k], ys[k])
        np.testing.assert_allclose([[b[k] for b in row] for row in together], expected, rtol=1e-12)


def test_points_at_which_the_program_would_differ() -> None:
    graph = graph_of(lambda x: x * 2 if x > 0 else x * x, 1.0)
    run = Elimination(graph, best(graph))
    np.testing.assert_allclose(run(3.0), [[2.0]])
    with pytest.raises(GuardError, match="another path"):
        run(-1.0)
    with pytest.raises(BatchError, match="differs between"):
        run(np.array([1.0, -1.0]))
    graph = graph_of(lambda x: np.sort(x) * x, np.array([1.0, 2.0, 3.0]))
    run = Elimination(graph, best(graph))
    np.testing.assert_allclose(run(np.array([1.0, 2.5, 4.0]))[0][0], np.diag([2.0, 5.0, 8.0]))
    with pytest.raises(GuardError, match="Make the graph again there"):
        run(np.array([3.0, 1.0, 2.0]))


def test_refusals() -> None:
    graph = graph_of(lambda x, y: x * y.sum(), 2.0, np.ones(2))
    run = Elimination(graph, best(graph))
    with pytest.raises(ArgumentError, match="has 2 inputs, 1 were given"):
        run(2.0)
    with pytest.raises(ShapeError, match=r"made for inputs of shape \(2,\), \(3,\) was given"):
        run(2.0, np.ones(3))
    with pytest.raises(DtypeError, match="float64, int64 was given"):
        run(2.0, np.ones(2, int))
    scalar = Elimination(*(lambda g: (g, best(g)))(graph_of(lambda x, y: x * y, 2.0, 3.0)))
    with pytest.raises(ShapeError, match="differ in length"):
        scalar(np.ones(2), np.ones(3))
    with pytest.raises(DtypeError, match="complex"):
        graph_of(lambda x: np.fft.fft(x).real, np.ones(4))
    with dualad.Tape() as tape:
        a, b = tape.watch((1.0, 2.0))
        y = a * b
    with pytest.raises(ArgumentError, match="x must be all that"):
        computational_graph(tape, y, a)
    with pytest.raises(DtypeError, match="an input is complex"):
        graph_of(lambda x: x.real * 2, np.ones(2) * 1j)
    with pytest.raises(ArgumentError, match="tracked by another transform"):
        dualad.grad(lambda v: (graph_of(lambda x: x * x, v), v)[1])(2.0)
    with pytest.raises(ShapeError, match="64,000,000 entries"):
        graph_of(lambda x: x @ x, np.ones((400, 400)))
    with pytest.raises(ShapeError, match="elementwise operations"):
        g = graph_of(lambda x: np.prod(x) * x, 2.0)
        Elimination(g, best(g))(np.ones(3))
    matrix = graph_of(lambda x: np.linalg.det(np.stack([np.stack([x, x * x]), np.stack([x, 1 + x])])), 2.0)
    assert not matrix.scalar
