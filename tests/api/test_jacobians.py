"""Jacobians, Hessians, products, Laplacian, divergence: against JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dualad

jax.config.update("jax_enable_x64", True)


def model(np: Any, p: Any, x: Any) -> Any:
    h = np.sin(p["w"] @ x + p["b"])
    return {"h": h * h, "s": (h * x.sum()).sum()}


P = {"w": np.arange(6.0).reshape(2, 3) / 7, "b": np.array([0.3, -0.2])}
X = np.array([0.1, 0.5, -0.4])


@pytest.mark.parametrize("name", ["jacfwd", "jacrev", "jacobian"])
def test_jacobian_of_trees(name: str) -> None:
    ours = getattr(dualad, name)(lambda p, x: model(np, p, x), (0, 1))(P, X)
    theirs = jax.jit(jax.jacrev(lambda p, x: model(jnp, p, x), (0, 1)))(P, X)
    a, b = jax.tree.flatten(ours), jax.tree.flatten(theirs)
    assert a[1] == b[1]
    for u, v in zip(a[0], b[0], strict=True):
        assert u.shape == v.shape
        np.testing.assert_allclose(u, v, atol=1e-12)


def test_hessian_of_trees() -> None:
    ours = dualad.hessian(lambda p, x: model(np, p, x)["s"], (0, 1))(P, X)
    theirs = jax.jit(jax.hessian(lambda p, x: model(jnp, p, x)["s"], (0, 1)))(P, X)
    a, b = jax.tree.flatten(ours), jax.tree.flatten(theirs)
    assert a[1] == b[1]
    for u, v in zip(a[0], b[0], strict=True):
        np.testing.assert_allclose(u, v, atol=1e-12)


def test_hvp_is_hessian_times_vector() -> None:
    f = lambda x: (np.sin(x) * x[::-1]).sum()
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(dualad.hvp(f, X, v), dualad.hessian(f)(X) @ v)


def test_laplacian_and_divergence() -> None:
    f = lambda x: np.exp(x[0]) * np.sin(x[1]) + x[2] ** 4
    np.testing.assert_allclose(dualad.laplacian(f)(X), np.trace(dualad.hessian(f)(X)))
    field = lambda x: x * x[::-1] + np.sin(x)
    np.testing.assert_allclose(dualad.divergence(field)(X), np.trace(dualad.jacfwd(field)(X)))
    np.testing.assert_allclose(dualad.grad(dualad.laplacian(f))(X), dualad.jacfwd(dualad.laplacian(f))(X))


def test_derivative_of_any_order() -> None:
    for n in range(6):
        expected = [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)][n % 4]
        np.testing.assert_allclose(dualad.derivative(np.sin, n)(X), expected(X))
    assert dualad.derivative(lambda x, a: a * x**3, 2)(2.0, 10.0) == 120


def test_holomorphic_jacobians() -> None:
    z = np.array([1 + 2j, 0.5 - 1j])
    f = lambda v: v * v * v[::-1]
    expected = jax.jacfwd(lambda v: v * v * v[::-1], holomorphic=True)(z)
    np.testing.assert_allclose(dualad.jacfwd(f, holomorphic=True)(z), expected)
    np.testing.assert_allclose(dualad.jacrev(f, holomorphic=True)(z), expected)


def test_scalars_and_empty() -> None:
    assert dualad.jacobian(lambda x: x * x)(3.0) == 6
    assert dualad.jacobian(lambda x: x * 2)(np.empty(0)).shape == (0, 0)
    assert dualad.hessian(lambda x: (x * x).sum())(np.empty(0)).shape == (0, 0)
    assert dualad.jacrev(lambda x: np.ones(2))(np.ones(3)).tolist() == np.zeros((2, 3)).tolist()
