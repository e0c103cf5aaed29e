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


def periodic(y: Any) -> Any:
    """Two fields on a periodic grid, joined."""
    u, v = np.reshape(y[:48], (6, 8)), np.reshape(y[48:], (6, 8))
    around = lambda w: sum(np.roll(w, s, axis) for s in (1, -1) for axis in (0, 1)) - 4.0 * w
    return np.concatenate([np.ravel(u * u * v + 3.0 * around(u)), np.ravel(u - u * u * v + 3.0 * around(v))])


def meeting(x: Any) -> Any:
    """Entries that are sums: of different terms at the ends, and everywhere."""
    zero = x[:1] * 0.5
    left, right = np.concatenate([zero, x[:-1]]), np.concatenate([x[1:], zero])
    return np.concatenate([(3.0 - x) * x - left * left - 2.0 * right, x + x[::-1] * x])


def many(x: Any) -> Any:
    """More terms in the result than are kept apart."""
    return np.concatenate([x[k : k + 20] * x[k + 1 : k + 21] + x[-1 - k : -21 - k : -1] ** 2 for k in range(20)])


@pytest.mark.parametrize(("f", "n"), [(periodic, 96), (meeting, 301), (many, 41), (lambda x: x[::2] ** 2, 50)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_entries_go_to_their_places(f: Any, n: int, dtype: Any) -> None:
    x = np.random.default_rng(3).uniform(0.5, 1.5, n).astype(dtype)
    compiled = jit(jacobian(f, sparse=True, mode="selections"))
    kept = []
    for p in (x, x[::-1].copy(), x):
        found = compiled(p)
        expected = dualad.jacfwd(f)(p)
        assert found.dtype == dtype
        assert found.has_canonical_format
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4 if dtype == np.float32 else 1e-12)
        plain = jacobian(f, sparse=True, mode="selections")(p)
        np.testing.assert_array_equal(found.indices, plain.indices)
        np.testing.assert_array_equal(found.indptr, plain.indptr)
        kept.append((found, expected))
    for found, expected in kept:
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4 if dtype == np.float32 else 1e-12)


def test_only_the_entries_are_computed() -> None:
    """No array of the size of the matrix, or of its terms, is made on the way."""
    x = np.random.default_rng(3).uniform(0.5, 1.5, 2000)
    compiled = jit(hessian(lambda v: np.sum((v[1::2] - v[::2] ** 2) ** 2), sparse=True))
    for _ in range(3):
        compiled(x)
    (text,) = [line for line in compiled.explain().splitlines() if "workspace" in line]
    assert text.endswith(" 0 bytes of workspace")
    assert sum("loop [" in line for line in compiled.explain().splitlines()) == 1


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
