"""Planned derivatives under jit: one program from the point to the entries of the matrix, right on every path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import dualad
from dualad import ArgumentError, NotDifferentiable, hessian, jacobian, jit
from dualad.modes.record import RecordLevel

X = np.random.default_rng(0).uniform(0.5, 1.5, 12)


def stencil(x: Any) -> Any:
    return np.sin(x) * np.roll(x, 1) + x[::-1] ** 2


def energy(x: Any) -> Any:
    return np.sum((x[1:] - x[:-1] ** 2) ** 2) + np.sum(np.exp(x))


@pytest.mark.parametrize(
    "mode", [None, "forward", "reverse", "column-coloring", "row-coloring", "bicoloring", "selections"]
)
def test_jacobians(mode: str | None) -> None:
    f = jit(jacobian(stencil, sparse=True, mode=mode))
    for x in (X, X[::-1] + 0.3, X):
        found = f(x)
        assert isinstance(found, csr_array)
        np.testing.assert_allclose(found.toarray(), dualad.jacfwd(stencil)(x), rtol=1e-13)
    assert f.recordings == 1


@pytest.mark.parametrize("mode", [None, "column-coloring", "star", "selections", "forward-over-reverse"])
def test_hessians(mode: str | None) -> None:
    f = jit(hessian(energy, sparse=True, mode=mode))
    for x in (X, X[::-1]):
        np.testing.assert_allclose(f(x).toarray(), dualad.jacfwd(dualad.grad(energy))(x), rtol=1e-12, atol=1e-13)
    assert f.recordings == 1


def test_dense_results_are_planned_too() -> None:
    wide = np.random.default_rng(2).normal(size=(2, 40))
    f = lambda x: np.sin(wide.T @ np.tanh(wide @ np.sin(x)))
    x = np.linspace(0.1, 1.0, 40)
    compiled = jit(jacobian(f))
    np.testing.assert_allclose(compiled(x), dualad.jacfwd(f)(x), rtol=1e-12)
    np.testing.assert_allclose(compiled(-x), dualad.jacfwd(f)(-x), rtol=1e-12)
    forced = jit(jacobian(f, mode="chain"))
    np.testing.assert_allclose(forced(x), dualad.jacfwd(f)(x), rtol=1e-12)
    assert forced.recordings == 1


def test_another_branch_has_another_pattern() -> None:
    def f(x: Any) -> Any:
        return x[1:] * x[:-1] if x[0] > 0 else x[2:] ** 2

    compiled = jit(jacobian(f, sparse=True))
    for x in (X, -X, X, -X):
        np.testing.assert_allclose(compiled(x).toarray(), dualad.jacfwd(f)(x), rtol=1e-14)
    assert compiled.recordings == 2


def test_indices_that_move_are_guarded() -> None:
    f = jit(lambda x, i: jacobian(lambda v: np.sin(v[i]) * v[:2], sparse=True)(x))
    for i in (np.array([3, 5]), np.array([0, 1]), np.array([3, 5])):
        expected = dualad.jacfwd(lambda v, i=i: np.sin(v[i]) * v[:2])(X)
        np.testing.assert_allclose(f(X, i).toarray(), expected, rtol=1e-14)


def test_what_a_caller_does_to_a_result_stays_with_it() -> None:
    f = jit(jacobian(stencil, sparse=True))
    first = f(X)
    expected = first.toarray()
    first.data[:] = 0
    first.eliminate_zeros()
    first.indices[:] = 0
    np.testing.assert_array_equal(f(X).toarray(), expected)
    np.testing.assert_array_equal(f(X).toarray(), expected)


def test_several_arguments_and_results() -> None:
    def f(p: Any) -> Any:
        return {"a": p["x"] * p["y"], "b": p["y"][1:] ** 2}

    p = {"x": X[:4], "y": X[4:8]}
    found, expected = jit(jacobian(f, sparse=True))(p), dualad.jacfwd(f)(p)
    for k in expected:
        for j in p:
            np.testing.assert_allclose(found[k][j].toarray(), expected[k][j], rtol=1e-14)


def test_single_precision_and_nothing() -> None:
    x = X.astype(np.float32)
    found = jit(jacobian(stencil, sparse=True))(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), dualad.jacfwd(stencil)(x), rtol=1e-5)
    assert jit(jacobian(lambda v: v**2, sparse=True))(np.zeros(0)).shape == (0, 0)


def test_elsewhere_refused() -> None:
    with pytest.raises(NotDifferentiable, match="within another transform"):
        dualad.vmap(jacobian(stencil, sparse=True))(np.stack([X, X]))
    with RecordLevel() as level:
        level.compiled = True
        x = level.watch(X)
        with pytest.raises(ArgumentError, match="works on values"):
            jacobian(stencil, sparse=True, mode="elimination")(x)
