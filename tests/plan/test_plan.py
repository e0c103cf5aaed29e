"""Plans: every strategy gives the same result, the right one is chosen, and what a plan says of itself."""

from __future__ import annotations

import pickle
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import dualad
from dualad import (
    ArgumentError,
    NotDifferentiable,
    ShapeError,
    hessian,
    jacfwd,
    jacobian,
    jacobian_sparsity,
    jacrev,
    plan,
)
from dualad.plan import cost
from dualad.plan.strategies import STRATEGIES

jax.config.update("jax_enable_x64", True)
OF_HESSIANS = ("star", "acyclic", "edge-pushing")
JACOBIAN_MODES = [m for m in STRATEGIES if m not in OF_HESSIANS]
HESSIAN_MODES = [
    "forward-over-reverse",
    "reverse-over-forward",
    "reverse-over-reverse",
    *[m for m in STRATEGIES if m not in ("forward", "reverse")],
]
SOMETIMES = (
    "chain",
    "row-coloring",
    "bicoloring",
    "selections",
    "diagonal",
    "block-diagonal",
)  # the others always apply

# Each maps vectors of length 6 to vectors of length 6: shifts, local sums, narrow places, dense rows and columns, kinks.
SPARSE = np.diag(np.arange(1.0, 7.0)) + np.diag([1.0, 0, 2.0, 0, 3.0], 1)
DENSE = np.random.default_rng(5).normal(size=(6, 6)) / 3
STEPS: list[Any] = [
    lambda np, x: np.sin(x),
    lambda np, x: x * x * 0.5,
    lambda np, x: np.roll(x, 1) + x,
    lambda np, x: x[::-1] * 0.7,
    lambda np, x: np.concatenate([x[1:], x[:1] * x[1:2]]),
    lambda np, x: np.concatenate([np.reshape(np.sum(x), (1,)), x[1:]]),
    lambda np, x: x + x[0] * 0.3,
    lambda np, x: np.tanh(SPARSE @ x * 0.2),
    lambda np, x: np.tanh(DENSE @ x),
    lambda np, x: np.sin(np.sum(x)) * np.arange(1.0, 7.0) * 0.3,
    lambda np, x: np.where(x > 0.1, x, -0.5 * x),
    lambda np, x: np.maximum(x, 0.05) + np.abs(x),
    lambda np, x: np.cumsum(x) * 0.3,
    lambda np, x: np.reshape(np.reshape(x, (2, 3)).T @ np.reshape(x, (2, 3))[:, :2], (6,)),
]


def program(code: Any, skip: bool) -> Any:
    def f(np: Any, x: Any) -> Any:
        y = x
        for k in code:
            y = STEPS[k](np, y)
        return y + x * 0.1 if skip else y

    return f


def same(found: Any, expected: Any, what: str) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11, err_msg=what)


def check(code: Any, skip: bool, seed: int) -> None:
    f = program(code, skip)
    x = np.random.default_rng(seed).normal(size=6)
    expected = np.asarray(jax.jacfwd(lambda v: f(jnp, v))(x))
    ours = lambda v: f(np, v)
    for mode in JACOBIAN_MODES:
        try:
            found = jacobian(ours, mode=mode)(x)
        except ArgumentError:
            assert mode in SOMETIMES
            continue
        same(found, expected, mode)
    same(jacobian(ours, sparse=True)(x).toarray(), expected, "sparse")


COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
CODES = st.lists(st.integers(0, len(STEPS) - 1), min_size=1, max_size=5)


@settings(max_examples=60, derandomize=True, **COMMON)
@given(CODES, st.booleans(), st.integers(0, 1000))
def test_every_strategy_gives_the_jacobian(code: Any, skip: bool, seed: int) -> None:
    check(code, skip, seed)


POINTWISE = [0, 1, 2, 3, 4, 6, 10, 11]  # steps in which each element depends on a few others


@settings(max_examples=40, derandomize=True, **COMMON)
@given(st.lists(st.sampled_from(POINTWISE), min_size=1, max_size=4), st.integers(0, 1000))
def test_selections_of_pointwise_programs(code: Any, seed: int) -> None:
    f = program(code, True)
    x = np.random.default_rng(seed).normal(size=6)
    expected = np.asarray(jax.jacfwd(lambda v: f(jnp, v))(x))
    found = jacobian(lambda v: f(np, v), sparse=True, mode="selections")(x)
    same(found.toarray(), expected, "selections")
    assert found.nnz <= jacobian_sparsity(lambda v: f(np, v), x).nnz


def test_selections_compute_no_entry_twice() -> None:
    x = np.linspace(0.5, 1.5, 100)
    p = plan(lambda v: np.sin(v) * np.exp(-v), x, sparse=True, mode="selections")
    assert "a diagonal of 100 x 100" in p.explain()
    assert p(x).nnz == 100
    p = plan(lambda v: v[1:] * v[:-1] + v[1:], x, sparse=True, mode="selections")
    assert p(x).nnz == 198
    np.testing.assert_array_equal(p(x).toarray(), jacobian(lambda v: v[1:] * v[:-1] + v[1:], mode="forward")(x))


@pytest.mark.nightly
@settings(max_examples=5000, **COMMON)
@given(CODES, st.booleans(), st.integers(0, 10**6))
def test_every_strategy_gives_the_jacobian_nightly(code: Any, skip: bool, seed: int) -> None:
    check(code, skip, seed)


def check_hessian(code: Any, seed: int) -> None:
    f = program(code, False)
    x = np.random.default_rng(seed).normal(size=6)
    scalar = lambda np, v: np.sum(np.sin(f(np, v)) * v)
    expected = np.asarray(jax.hessian(lambda v: scalar(jnp, v))(x))
    ours = lambda v: scalar(np, v)
    for mode in HESSIAN_MODES:
        try:
            found = hessian(ours, mode=mode)(x)
        except ArgumentError:
            assert mode in SOMETIMES
            continue
        same(found, expected, mode)
    same(hessian(ours, sparse=True)(x).toarray(), expected, "sparse")


@settings(max_examples=25, derandomize=True, **COMMON)
@given(CODES, st.integers(0, 1000))
def test_every_strategy_gives_the_hessian(code: Any, seed: int) -> None:
    check_hessian(code, seed)


@pytest.mark.nightly
@settings(max_examples=2000, **COMMON)
@given(CODES, st.integers(0, 10**6))
def test_every_strategy_gives_the_hessian_nightly(code: Any, seed: int) -> None:
    check_hessian(code, seed)


@pytest.mark.parametrize("mode", JACOBIAN_MODES)
def test_degenerate_points(mode: str) -> None:
    """Kinks, ties and singular partials: every strategy keeps the modes' convention."""
    f = lambda x: np.concatenate(
        [np.abs(x), np.maximum(x, x[::-1]), np.sqrt(np.where(x > 0, x, 1.0)) * x, np.sin(x[:1] * x)]
    )
    x = np.array([0.0, 1.0, 1.0, 0.0])
    try:
        found = jacobian(f, mode=mode)(x)
    except ArgumentError:
        assert mode in ("chain", "diagonal", "block-diagonal")
        return
    same(found, jacfwd(f)(x), mode)
    same(found, jacrev(f)(x), mode)


DEGENERATE: dict[str, Any] = {
    "masked": lambda x: np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)) * x, x**3).sum(),
    "masked, infinite": lambda x: np.where(x > 0.5, np.sqrt(np.abs(x - 0.5)), x * x).sum() * x[1],
    "kinks": lambda x: (np.abs(x) * x[::-1] ** 2 + np.maximum(x, x[::-1]) * np.minimum(x, 0.5)).sum(),
    "powers": lambda x: (x**2 * x[::-1] ** 3 + x**0 * x).sum(),
    "ties": lambda x: np.max(x) ** 2 * x[0] + np.sort(x)[1] * x[1] ** 2,
    "zeros": lambda x: np.prod(x[:3]) + (x * np.roll(x, 1) * np.roll(x, 2)).sum(),
}


@pytest.mark.parametrize("mode", HESSIAN_MODES)
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_points_of_hessians(mode: str, name: str) -> None:
    f = DEGENERATE[name]
    for x in (np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.5, 0.5, 0.0, 1.0])):
        expected = jacfwd(jacrev(f))(x)
        if not np.isfinite(expected).all():
            continue
        try:
            same(hessian(f, mode=mode)(x), expected, mode)
        except ArgumentError:
            assert mode in SOMETIMES


# Choice -----------------------------------------------------------------------------------------


def arrow(x: Any) -> Any:
    return np.concatenate([np.sum(x * x)[None], x[1:] * x[1:] * x[0]])


def bottleneck(x: Any) -> Any:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200)), rng.normal(size=(200, 2))
    return np.tanh(b @ np.sin(a @ np.tanh(x)))


X = np.linspace(0.5, 1.5, 200)


@pytest.mark.parametrize(
    ("f", "x", "want", "choice"),
    [
        (bottleneck, X, "jacobian", "chain"),
        (lambda x: x[1:] * x[:-1], X, "jacobian", "selections"),
        (lambda x: np.sin(x) * x, X, "jacobian", "selections"),
        (lambda x: np.convolve(x, np.arange(1.0, 4.0)) ** 2, X, "jacobian", "column-coloring"),
        (lambda x: (x**2).sum(), X, "jacobian", "reverse"),
        (lambda x: (x**2).sum(), X, "gradient", "reverse"),
        (lambda x: np.outer(x[:1], np.arange(200.0)), X[:1], "jacobian", "forward"),
        (lambda x: ((x[1:] - x[:-1] ** 2) ** 2).sum(), X, "hessian", "selections"),
    ],
)
def test_choice(f: Any, x: Any, want: str, choice: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(cost, "model", cost.Model)  # the shipped figures, not this machine's
    p = plan(f, x, want=want)
    assert p.choice == choice, p.explain()
    expected = {"jacobian": jacrev(f), "gradient": dualad.grad(f), "hessian": lambda v: jacfwd(jacrev(f))(v)}[want](x)
    same(p(x), expected, want)
    same(
        p(x + 0.01),
        {"jacobian": jacrev(f), "gradient": dualad.grad(f), "hessian": jacfwd(jacrev(f))}[want](x + 0.01),
        want,
    )


def pairs(x: Any) -> Any:
    y = np.reshape(x, (-1, 2))
    return np.reshape(y * np.sin(y[:, ::-1]), (-1,))


@pytest.mark.parametrize(
    ("f", "mode", "passes"),
    [
        (lambda x: np.sin(x) * x, "diagonal", 1),
        (lambda x: np.abs(x), "block-diagonal", 1),
        (pairs, "block-diagonal", 2),
    ],
)
def test_diagonal_and_block_diagonal(f: Any, mode: str, passes: int) -> None:
    for x in (X, X * 0):
        call = plan(f, x, mode=mode).prepare(x)
        p = plan(f, x, mode=mode)
        assert p.plan is not None
        same(p.plan.choice.run(call.problem).toarray(), jacfwd(f)(x), mode)
        assert call.problem.passes == passes  # swept, not only predicted
        same(p(x), jacrev(f)(x), mode)
    scalar = lambda v: (f(v) ** 2).sum()
    same(hessian(scalar, mode=mode)(X[:8]), jacfwd(jacrev(scalar))(X[:8]), "hessian")
    assert f", {'diagonal' if passes == 1 else mode}\n" in plan(f, X, mode=mode).explain()


def test_a_pattern_that_is_not_diagonal_is_refused() -> None:
    for mode in ("diagonal", "block-diagonal"):
        with pytest.raises(ArgumentError, match=f"not {mode}"):
            jacobian(lambda x: x[1:] * x[:-1], mode=mode)(X)
    with pytest.raises(ArgumentError, match="not diagonal"):
        jacobian(pairs, mode="diagonal")(X)


def test_arrow_takes_three_passes() -> None:
    p = plan(arrow, X[:50], mode="bicoloring")
    assert p.plan is not None
    assert p.plan.choice.cost.passes == 3
    call = p.prepare(X[:50])
    p.plan.choice.run(call.problem)
    assert call.problem.passes == 3  # swept, not only predicted
    same(p(X[:50]), jacfwd(arrow)(X[:50]), "arrow")


def test_bottleneck_takes_a_hundredth_of_the_multiplications() -> None:
    p = plan(bottleneck, X)
    assert p.plan is not None
    assert p.plan.choice.cost.passes == 4
    costs = {c.name: c.cost.passes for c in p.plan.candidates}
    assert costs["forward"] == costs["reverse"] == 200


# Patterns that change -----------------------------------------------------------------------------


def test_a_pattern_that_no_longer_holds_is_found_again() -> None:
    """The same operations, and other elements selected: the probe notices."""
    f = lambda x: np.where(x > 1, x * x, x[::-1] * 3.0)
    p = plan(f, X, sparse=True, mode="column-coloring")
    for x in (X, X[::-1].copy(), X * 0 + 2, np.roll(X, 50)):
        same(p(x).toarray(), jacfwd(f)(x), "another selection")


def test_another_branch_or_shape_makes_another_plan() -> None:
    f = lambda x: x[1:] * x[:-1] if x[0] > 1 else np.sin(x)
    p = plan(f, X)
    for x in (X, X + 1, X[:7], X[:7] + 1):
        same(p(x), jacfwd(f)(x), "replanned")


def test_captured_values_are_never_stale() -> None:
    box = {"a": np.arange(200.0)}
    f = lambda x: np.sin(x) * box["a"]
    p = plan(f, X)
    same(p(X), jacfwd(f)(X), "before")
    box["a"] = np.ones(200)
    same(p(X), jacfwd(f)(X), "after")


# Layout, errors, pickles --------------------------------------------------------------------------


def test_pytrees_and_sparse_blocks() -> None:
    f = lambda p: {"u": p["a"] * p["b"], "v": p["a"].sum()[None]}
    p = {"a": np.arange(3.0), "b": np.ones(3)}
    dense, expected = jacobian(f, mode="column-coloring")(p), jacfwd(f)(p)
    blocks = jacobian(f, sparse=True)(p)
    for out in ("u", "v"):
        for k in ("a", "b"):
            same(dense[out][k], expected[out][k], "dense")
            assert isinstance(blocks[out][k], csr_array)
            same(blocks[out][k].toarray(), expected[out][k], "sparse")
    two = jacobian(lambda x, y: x * y, argnums=(0, 1), sparse=True)(np.ones(3), np.arange(3.0))
    same(two[0].toarray(), np.diag(np.arange(3.0)), "argnums")
    value, aux = jacobian(lambda x: (x**2, "extra"), has_aux=True, sparse=True)(np.ones(3))
    assert aux == "extra"
    assert value.shape == (3, 3)


def test_a_sparse_result_has_the_same_structure_at_zeros() -> None:
    f = lambda x: x * x
    assert jacobian(f, sparse=True)(np.zeros(5)).nnz == jacobian(f, sparse=True)(np.ones(5)).nnz == 5


def test_the_pattern_of_a_dense_strategy_is_kept_while_it_covers() -> None:
    f = lambda x: np.where(x > 1, x, x[::-1]) ** 2
    p = plan(f, X[:6], sparse=True, mode="forward")
    found = [p(x) for x in (X[:6], X[:6] + 1, np.array([2.0, 0, 2, 0, 2, 2]))]
    for m, x in zip(found, (X[:6], X[:6] + 1, np.array([2.0, 0, 2, 0, 2, 2])), strict=True):
        same(m.toarray(), jacfwd(f)(x), "another selection")
        assert m.nnz == 6
    assert p.plan is not None
    kept = p.plan.pattern
    p(np.array([2.0, 0, 2, 0, 2, 2]) * 1.5)
    assert p.plan.pattern is kept


def test_planned_within_other_transforms() -> None:
    f = lambda x: x[1:] * x[:-1] * x[1:]
    x = X[:40]
    whole = dualad.jvp(lambda v: jacobian(f)(v).sum(), (x,), (x,))[1]
    same(whole, dualad.jvp(lambda v: jacfwd(f)(v).sum(), (x,), (x,))[1], "jacobian in jvp")
    same(dualad.vmap(jacobian(f))(np.stack([x, x]))[1], jacfwd(f)(x), "jacobian in vmap")
    with pytest.raises(NotDifferentiable, match="within another transform"):
        dualad.grad(lambda v: jacobian(f, sparse=True)(v).sum())(x)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="is no strategy"):
        jacobian(np.sin, mode="magic")(X)
    with pytest.raises(ArgumentError, match="for Hessians"):
        jacobian(np.sin, mode="star")(X)
    with pytest.raises(ArgumentError, match="none of"):
        plan(np.sin, X, want="third")
    with pytest.raises(ShapeError, match="scalar"):
        plan(np.sin, X, want="gradient")
    with pytest.raises(ShapeError, match="scalar"):
        hessian(np.sin, sparse=True)(X)
    with pytest.raises(ArgumentError, match="measure"):
        _ = plan(np.sin, X).regret


def test_memory_leaves_strategies_out() -> None:
    wide = lambda x: np.sin(x)[:, None] * x
    dense = plan(wide, X[:60])
    assert dense.plan is not None
    needed = min(c.cost.bytes for c in dense.plan.candidates)
    assert plan(wide, X[:60], memory=needed).choice in {c.name for c in dense.plan.candidates if c.cost.bytes <= needed}
    with pytest.raises(ArgumentError, match="least needs about"):
        plan(wide, X[:60], memory=needed - 1)


def hues(p: Any) -> int:
    """The colors of entries in a plan's picture."""
    return len(set(re.findall(r'height="6" fill="(#[0-9a-f]+)"', p._repr_html_())))


def test_the_picture_has_the_colors_of_a_coloring_wherever_there_is_one() -> None:
    stencil = lambda x: x[2:] * x[1:-1] * x[:-2]
    chosen = plan(stencil, X, sparse=True)
    assert chosen.choice == "selections"
    assert hues(chosen) == 3  # what a column coloring would take
    assert hues(plan(stencil, X, mode="selections")) == 3
    assert hues(plan(stencil, X, mode="row-coloring")) == 3
    tridiagonal = lambda x: (x[1:] ** 2 * x[:-1]).sum() + (x**3).sum()
    assert hues(plan(tridiagonal, X[:50], want="hessian", mode="star")) == 3
    assert hues(plan(tridiagonal, X[:50], want="hessian", mode="edge-pushing")) == 3


def test_explain_measure_and_pickle() -> None:
    p = plan(arrow, X)
    measured = p.measure(1)
    assert set(measured) >= {"forward", "reverse"}
    assert p.regret >= 1
    text = p.explain()
    for word in ("200 outputs in 200 inputs", "forward", "predicted", "choice:", "reason:", "regret"):
        assert word in text
    assert hues(p) == 3  # one for each pass of the arrow
    again = pickle.loads(pickle.dumps(p))
    same(again(X), p(X), "pickled")
    assert again.explain() == text


def test_the_model_is_read_from_the_cache_folder(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("DUALAD_CACHE", str(tmp_path))
    assert cost.model() == cost.Model()
    figures = cost.calibrate()
    assert cost.model() == figures
    assert all(v >= 0 for v in vars(figures).values())
    (tmp_path / "cost.json").write_text("{ not json")
    assert cost.model() == cost.Model()


@pytest.mark.parametrize("mode", [m for m in HESSIAN_MODES if m != "elimination"])
def test_progress_shows_a_bar(mode: str, capsys: Any) -> None:
    f = {"chain": lambda x: np.tanh(bottleneck(x)).sum(), "diagonal": lambda x: (x**3).sum()}.get(mode, stencil_energy)
    try:
        expected = hessian(f, mode=mode)(X[:200])
    except ArgumentError:
        assert mode in SOMETIMES
        return
    assert capsys.readouterr().err == ""
    same(hessian(f, mode=mode, progress=True)(X[:200]), expected, "with a bar")
    assert re.search("directions|cotangents|operations", capsys.readouterr().err)


def test_plans_show_bars(capsys: Any) -> None:
    p = plan(stencil_energy, X, want="hessian", progress=True)
    assert "strategies" in capsys.readouterr().err
    p.measure(2)
    assert "rounds" in capsys.readouterr().err


def test_elimination_where_other_elements_are_picked() -> None:
    f = lambda x: np.sort(x)[1:] * x[:-1]
    p = plan(f, X[:5], mode="elimination")
    for x in (X[:5], X[:5][::-1].copy(), np.roll(X[:5], 2)):
        same(p(x), jacfwd(f)(x), "sorted otherwise")
        same(jacobian(f, mode="elimination")(x), jacfwd(f)(x), "sorted otherwise")


def stencil_energy(x: Any) -> Any:
    return (x[1:] ** 2 * x[:-1]).sum() + (x**3).sum()


@pytest.mark.parametrize(
    ("want", "mode"),
    [("jacobian", m) for m in JACOBIAN_MODES if m not in ("diagonal", "block-diagonal", "chain", "selections")]
    + [
        ("hessian", m)
        for m in HESSIAN_MODES
        if m not in ("diagonal", "block-diagonal", "chain", "row-coloring", "bicoloring")
    ],
)
def test_every_strategy_is_pickled(want: str, mode: str) -> None:
    f = arrow if want == "jacobian" else stencil_energy
    x = X[:12]
    p = plan(f, x, want=want, mode=mode, sparse=True)
    again = pickle.loads(pickle.dumps(p))
    assert again.explain() == p.explain()
    assert again._repr_html_() == p._repr_html_()
    for point in (x, x + 0.5):
        same(again(point).toarray(), p(point).toarray(), mode)
    kept = pickle.loads(pickle.dumps(again.plan))
    assert kept.choice.name == p.choice


@pytest.mark.parametrize(
    ("f", "mode"), [(bottleneck, "chain"), (pairs, "block-diagonal"), (np.sin, "diagonal"), (pairs, "selections")]
)
def test_strategies_of_structure_are_pickled(f: Any, mode: str) -> None:
    p = plan(f, X, mode=mode)
    again = pickle.loads(pickle.dumps(p))
    same(again(X + 0.1), p(X + 0.1), mode)
