"""Functions with rules of the user's own, and checkpoints, as parts of compiled programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import checkpoint, custom_jvp, custom_vjp, grad, hvp, jit, scan, vmap
from tests.native.test_registry import native, programs
from tests.native.test_repeats import check, every_mode

X = np.array([0.3, -0.2, 0.5])
US = np.linspace(0.4, 1.2, 40)[:, None] * np.ones(3)


@custom_jvp
def softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


softplus.defjvp(lambda p, t: (softplus(p[0]), t[0] / (1 + np.exp(-p[0]))))


@custom_vjp
def steered(x: Any) -> Any:
    return x * 2.0


steered.defvjp(lambda x: (x * 2.0, x), lambda x, g: (g * np.cos(x),))


@pytest.mark.parametrize("f", [softplus, steered, lambda x: softplus(steered(x) * x)])
def test_rules_are_compiled(f: Any) -> None:
    total = lambda x: (f(x) * x).sum()
    two = np.stack([X, 0.8 * X])
    for h, x in (
        (f, X),
        (grad(total), X),
        (lambda x: hvp(total, x, np.cos(X)), X),
        (vmap(grad(total)), two),
        (grad(lambda v: vmap(total)(v).sum()), two),
    ):
        g = check(h, x)
        assert native(g), g.explain()


def test_rules_in_loops_are_compiled() -> None:
    f = lambda x: scan(lambda c, u: (0.3 * softplus(c * u) + 0.2 * steered(c), None), x, US)[0].sum()
    g = jit(grad(f))
    np.testing.assert_allclose(g(X), grad(f)(X), rtol=1e-11)
    assert native(g), g.explain()


@pytest.mark.parametrize("how", ["arrays only", "a look at values"])
def test_what_is_pythons_stays_so(how: str) -> None:
    """A rule's function that cannot be called with tensors, or that looks at values, is a step of the program."""

    @custom_jvp
    def f(x: Any) -> Any:
        if how == "arrays only":
            return np.array([v * v for v in np.asarray(x)])
        return x * 2.0 if x[0] > 0 else x * 3.0

    f.defjvp(lambda p, t: (f(p[0]), (2 * p[0] if how == "arrays only" else 5.0) * t[0]))
    g = jit(lambda x: f(np.sin(x)) + 1)
    for x in (X, -X, 2 * X):
        np.testing.assert_allclose(g(x), f(np.sin(x)) + 1, rtol=1e-14)
    assert len(programs(g)) == 1
    assert "NumPy: f" in g.explain()
    slope = grad(lambda x: (f(np.sin(x)) * x).sum())
    check(slope, X)
    check(slope, -X)


def test_errors_are_the_users_own() -> None:
    @custom_jvp
    def f(x: Any) -> Any:
        raise KeyError("no")

    f.defjvp(lambda p, t: (p[0], t[0]))
    with pytest.raises(KeyError, match="no"):
        jit(lambda x: f(x) + 1)(X)


def step(c: Any, u: Any) -> Any:
    for _ in range(5):
        c = np.sin(c * u) + 0.1 * c
    return c, c.sum()


def test_a_checkpoint_is_one_operation_of_a_loop() -> None:
    """Of each iteration the loop keeps what went into it, and none of what it computed."""

    def stacks(step: Any) -> int:
        f = lambda x: (lambda c, ys: c.sum() + (ys * ys).sum())(*scan(step, x, US))
        g = jit(grad(f))
        np.testing.assert_allclose(g(X), grad(f)(X), rtol=1e-12)
        assert native(g), g.explain()
        first = next(line for line in g.explain().splitlines() if "loop of 40 iterations" in line)
        return int(first.split(",")[1].split()[0].replace(",", ""))

    every = stacks(step)
    few = stacks(checkpoint(step))
    assert few < every / 3, (few, every)


def test_checkpoints_in_every_mode() -> None:
    W = np.array([[0.2, 0.1, 0.4], [0.3, 0.5, -0.1], [0.2, -0.3, 0.3]])
    every_mode(lambda x: scan(checkpoint(step), x, US)[0].sum(), X)
    every_mode(lambda x: checkpoint(lambda v: np.tanh(W @ v) * x)(x * 2).sum(), X)  # captures a tensor
    every_mode(lambda x: checkpoint(lambda v, *, k: [v * k, {"s": v.sum()}])(x, k=3.0)[1]["s"] * x.sum(), X)


def test_a_checkpoint_that_looks_at_values() -> None:
    f = lambda x: checkpoint(lambda v: np.sin(v) if v[0] > 0 else v * v)(x).sum()
    g = jit(grad(f))
    for x in (X, -X, 2 * X):
        np.testing.assert_allclose(g(x), grad(f)(x), rtol=1e-14)


def test_a_checkpoint_within_a_budget() -> None:
    f = lambda x: dualad.checkpoint(lambda v: step(v, 0.9)[1], memory="1MB")(x)
    np.testing.assert_allclose(jit(grad(f))(X), grad(f)(X), rtol=1e-14)
