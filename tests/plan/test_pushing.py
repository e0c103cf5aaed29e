"""Edge pushing: Hessians from the function's own tape, for every kind of operation, and where it wins."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import dualad
import dualad.scipy.special
from dualad import ArgumentError, custom_jvp, grad, hessian, hessian_sparsity, jacfwd, plan
from dualad.plan import cost
from tests.test_compositions import programs, run

X = np.array([0.3, 0.7, 1.2, -0.4])
RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4))
S = A @ A.T + 4 * np.eye(4)
PAIRS = RNG.integers(0, 4, (2, 20))


def in_place(x: Any) -> Any:
    b = dualad.numpy.zeros(4)
    for i in range(4):
        b[i] = x[i] * x[(i + 1) % 4]
    b[1:] += np.sin(x[1:])
    return (b * b).sum()


FUNCTIONS: dict[str, Any] = {
    "scalars": lambda x: np.exp(x[0]) * np.sin(x[1]) + x[2] ** 4 * x[3] + x[0] ** x[1] + np.arctan2(x[2], x[3]) / x[1],
    "one value twice": lambda x: (x * x * x).sum() + (x / x * x).sum() + x @ x * (x @ x),
    "broadcast": lambda x: (np.sin(x)[:, None] * np.tanh(x[1:] * x[:1])).sum(),
    "gathered": lambda x: np.sin(x[PAIRS[0]] * x[PAIRS[1]]).sum(),
    "products": lambda x: np.sum(np.tanh(np.outer(x, np.sin(x)) @ np.outer(np.cos(x), x))) + (x @ A) @ np.sin(x),
    "layer": lambda x: np.log(np.exp(A @ np.sin(x)).sum()),
    "einsum": lambda x: np.einsum("i,j,ij->", np.sin(x), x * x, A),
    "convolved": lambda x: (np.convolve(x, np.sin(x)) ** 2).sum(),
    "norm": np.linalg.norm,
    "logsumexp": lambda x: dualad.scipy.special.logsumexp(A @ x),
    "prod": lambda x: np.prod(x * x) + np.cumsum(x * x)[2] * np.sort(x)[1],
    "solve": lambda x: np.linalg.solve(S + np.diag(x), x)[0],
    "in place": in_place,
    "of a sum": lambda x: np.sin(x.sum()),
    "a gradient inside": lambda x: grad(lambda y: (np.sin(y) * x * y).sum())(x).sum(),
    "linear": lambda x: x.sum(),
    "an element": lambda x: x[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations(name: str) -> None:
    f = FUNCTIONS[name]
    expected = jacfwd(grad(f))(X)
    np.testing.assert_allclose(hessian(f, mode="edge-pushing")(X), expected, rtol=1e-10, atol=1e-12)
    found = hessian(f, mode="edge-pushing", sparse=True)(X)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-10, atol=1e-12)
    assert found.has_canonical_format


def test_several_arguments_single_precision_and_constants() -> None:
    f = lambda p, x: np.sum(np.sin(p["w"] @ x) * p["b"][0] ** 2)
    p = {"w": A, "b": X[:2]}
    found, expected = hessian(f, (0, 1), mode="edge-pushing")(p, X), jacfwd(grad(f, (0, 1)), (0, 1))(p, X)
    np.testing.assert_allclose(found[0]["w"][1], expected[0]["w"][1], rtol=1e-10)
    np.testing.assert_allclose(found[1][0]["b"], expected[1][0]["b"], rtol=1e-10)
    single = hessian(lambda x: (x**3).sum(), mode="edge-pushing", sparse=True)(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single.toarray(), np.diag(6 * X), rtol=1e-6)
    np.testing.assert_array_equal(hessian(lambda x: 3.0, mode="edge-pushing")(X), np.zeros((4, 4)))
    assert hessian(lambda x: (x * x).sum(), mode="edge-pushing")(np.zeros(0)).shape == (0, 0)


def test_what_it_cannot_take_is_refused_by_name() -> None:
    two = lambda x: np.linalg.slogdet(S + np.outer(x, x))[1]
    with pytest.raises(ArgumentError, match="`slogdet` has several results"):
        hessian(two, mode="edge-pushing")(X)

    @custom_jvp
    def own(x: Any) -> Any:
        return x * x

    own.defjvp(lambda x, t: (own(x[0]), 7.0 * x[0] * t[0]))  # another derivative than x * x has
    with pytest.raises(ArgumentError, match="several results"):
        hessian(lambda x: own(x).sum(), mode="edge-pushing")(X)
    with pytest.raises(ArgumentError, match="for Hessians"):
        dualad.jacobian(np.sin, mode="edge-pushing")(X)
    with pytest.raises(ArgumentError, match="second derivatives"):
        hessian(lambda x: np.linalg.norm(x), mode="edge-pushing")(np.ones(2000))


def test_the_rule_of_a_custom_function_is_kept() -> None:
    """Constants of the derivative, such as what stop_gradient hides, are not differentiated."""
    f = lambda x: (dualad.stop_gradient(x) * x * x).sum()
    np.testing.assert_array_equal(hessian(f, mode="edge-pushing")(X), jacfwd(grad(f))(X))


def energy(n: int, pairs: int) -> Any:
    """Springs between random points of a plane: the pattern is irregular, and its coloring takes many colors."""
    rng = np.random.default_rng(3)
    i = rng.integers(0, n, pairs)
    j = (i + 1 + rng.integers(0, n - 1, pairs)) % n

    def f(p: Any) -> Any:
        q = np.reshape(p, (n, 2))
        d = q[i] - q[j]
        r = np.sqrt((d * d).sum(1) + 0.01)
        return ((r - 1) ** 2).sum()

    return f


def test_wins_where_colors_are_many(monkeypatch: Any) -> None:
    monkeypatch.setattr(cost, "model", cost.Model)  # the shipped figures, not this machine's
    f, x = energy(500, 2000), np.random.default_rng(0).normal(size=1000)
    p = plan(f, x, want="hessian", sparse=True)
    assert p.choice == "edge-pushing", p.explain()
    assert p.plan is not None
    costs = {c.name: c.cost for c in p.plan.candidates}
    for mode in ("star", "acyclic", "column-coloring"):
        other = plan(f, x, want="hessian", sparse=True, mode=mode)
        assert other.plan is not None
        assert other.plan.choice.cost.operations > 2 * costs["edge-pushing"].operations
        difference = abs(other(x) - p(x)).max()
        assert difference < 1e-9 * abs(p(x)).max()
    assert p(x).nnz == hessian_sparsity(f, x).nnz


def test_work_grows_with_the_entries() -> None:
    """Twice the pairs, twice the terms."""
    terms = []
    for size in (400, 800, 1600):
        p = plan(energy(size, 4 * size), np.ones(2 * size), want="hessian", sparse=True, mode="edge-pushing")
        assert p.plan is not None
        terms.append(p.plan.choice.cost.operations)
    assert terms[1] <= 2.1 * terms[0]
    assert terms[2] <= 2.1 * terms[1]


def test_other_elements_at_another_point_are_noticed() -> None:
    f = lambda x: (np.sort(x)[:2] ** 3 * x[:2]).sum()
    p = plan(f, X, want="hessian", mode="edge-pushing")
    for x in (X, X[::-1].copy(), np.roll(X, 1)):
        np.testing.assert_allclose(p(x), jacfwd(grad(f))(x), rtol=1e-12)


def test_another_function_with_the_same_gradient_tape() -> None:
    """A constant that is added leaves the gradient's tape as it is, and that of the function not."""
    shift = [False]
    f = lambda x: (x * x * x).sum() + 1.0 if shift[0] else (x * x * x).sum()
    p = plan(f, X, want="hessian", mode="edge-pushing")
    for s in (False, True, False):
        shift[0] = s
        np.testing.assert_allclose(p(X), np.diag(6 * X), rtol=1e-14)


def springs(p: Any) -> Any:
    return energy(20, 60)(p)


def test_pickled() -> None:
    x = np.random.default_rng(1).normal(size=40)
    p = plan(springs, x, want="hessian", sparse=True, mode="edge-pushing")
    again = pickle.loads(pickle.dumps(p))
    assert again.explain() == p.explain()
    for point in (x, 2 * x):
        np.testing.assert_allclose(again(point).toarray(), jacfwd(grad(springs))(point), rtol=1e-9, atol=1e-12)


def check(program: Any) -> None:
    """A random program: Hessian in all its arguments, and the forward Laplacian, against forward over reverse."""
    shapes, code, seed = program
    rng = np.random.default_rng(seed)
    xs = tuple(rng.normal(size=s)[()] for s in shapes)
    f = lambda *v: run(dualad.numpy, code, v)
    every = tuple(range(len(xs)))
    found = hessian(f, every, mode="edge-pushing")(*xs)
    expected = hessian(f, every, mode="forward-over-reverse")(*xs)
    for row, want in zip(found, expected, strict=True):
        for a, b in zip(row, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
    total = sum(np.trace(np.reshape(expected[i][i], (x.size, x.size))) for i, x in enumerate(xs))
    parts = np.cumsum([0, *[x.size for x in xs]])
    split = lambda v: [v[a:b].reshape(x.shape) for a, b, x in zip(parts[:-1], parts[1:], xs, strict=True)]
    np.testing.assert_allclose(
        dualad.laplacian(lambda v: f(*split(v)))(np.concatenate([np.ravel(x) for x in xs])), total, rtol=1e-8, atol=1e-8
    )


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs(program: Any) -> None:
    check(program)


@pytest.mark.nightly
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs_nightly(program: Any) -> None:
    check(program)
