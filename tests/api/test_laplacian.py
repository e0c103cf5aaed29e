"""Forward Laplacian: the trace of the Hessian, in one sweep that carries value, gradient and Laplacian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import Tape, grad, hessian, jacfwd, jet, jit, laplacian, vmap

X = np.array([0.3, 0.7, 1.2, -0.4])
A = np.random.default_rng(0).normal(size=(4, 4))
S = A @ A.T + 4 * np.eye(4)


def in_place(x: Any) -> Any:
    b = dualad.numpy.zeros(4)
    for i in range(4):
        b[i] = x[i] * x[(i + 1) % 4]
    b[1:] += np.sin(x[1:])
    return (b * b).sum()


def scanned(x: Any) -> Any:
    return dualad.scan(lambda c, t: (np.sin(c * t), c), x[0], x)[0]


@dualad.custom_jvp
def softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


softplus.defjvp(lambda x, t: (softplus(x[0]), t[0] / (1 + np.exp(-x[0]))))
FUNCTIONS: dict[str, Any] = {
    "products": lambda x: np.exp(x[0]) * np.sin(x[1]) + x[2] ** 4 * x[3],
    "powers": lambda x: x[0] ** x[1] + np.arctan2(x[2], x[3]) / x[1],
    "broadcast": lambda x: (np.sin(x)[:, None] * np.tanh(x[1:] * x[:1])).sum(),
    "layer": lambda x: np.tanh(A @ x).sum(),
    "quadratic": lambda x: (x @ A) @ np.sin(x),
    "einsum": lambda x: np.einsum("i,j,ij->", np.sin(x), x * x, A),
    "logsumexp": lambda x: np.log(np.exp(A @ x).sum()),
    "norm": np.linalg.norm,
    "prod": lambda x: np.prod(x * x),
    "order": lambda x: np.cumsum(x * x)[2] * np.sort(x)[1],
    "determinant": lambda x: np.linalg.slogdet(S + np.outer(x, x))[1],
    "eigenvectors": lambda x: np.linalg.eigh(S + np.outer(x, x) + np.diag(np.arange(4.0)))[1][0, 0] ** 2,
    "solve": lambda x: np.linalg.solve(S + np.diag(x), x)[0],
    "complex inside": lambda x: np.abs(np.fft.rfft(x)[1]) ** 3,
    "a gradient inside": lambda x: grad(lambda y: (np.sin(y) * x * y).sum())(x).sum(),
    "in place": in_place,
    "scan": scanned,
    "a rule of its own": lambda x: (softplus(x * x) * x[::-1]).sum(),
    "checkpoint": lambda x: dualad.checkpoint(lambda y: np.sin(y) * y)(x * x).sum(),
    "linear": lambda x: x.sum(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_is_the_trace_of_the_hessian(name: str) -> None:
    f = FUNCTIONS[name]
    np.testing.assert_allclose(laplacian(f)(X), np.trace(hessian(f)(X)), rtol=1e-10, atol=1e-12)


def test_kinks_and_masks() -> None:
    x = np.array([0.0, 4.0, 1.0, 0.0])
    for f in (
        lambda x: np.where(x > 0, np.sqrt(x), x * x).sum(),
        lambda x: (np.abs(x) * x + np.maximum(x, x[::-1]) ** 2).sum(),
        lambda x: (x**3 * x[::-1] ** 2).sum(),
    ):
        found = laplacian(f)(x)
        assert np.isfinite(found)
        np.testing.assert_allclose(found, np.trace(jacfwd(grad(f))(x)), rtol=1e-13)


def test_trees_arrays_and_constants() -> None:
    x = np.arange(6.0).reshape(2, 3)
    found = laplacian(lambda x: {"a": x**3, "b": (x * x).sum(), "c": 2.0})(x)
    np.testing.assert_allclose(found["a"], 6 * x)
    assert found["b"] == 12
    assert found["c"] == 0
    assert laplacian(lambda x: (x * x).sum())(np.zeros(0)) == 0
    y = laplacian(lambda x: x**2)(np.ones(3, np.float32))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.full(3, 2, np.float32))


def test_within_other_transforms() -> None:
    f = FUNCTIONS["layer"]
    g = laplacian(f)
    np.testing.assert_allclose(grad(g)(X), jacfwd(g)(X), rtol=1e-12)
    np.testing.assert_allclose(grad(g)(X), jacfwd(lambda x: np.trace(hessian(f)(x)))(X), rtol=1e-10)
    np.testing.assert_allclose(vmap(g)(np.stack([X, 2 * X])), [g(X), g(2 * X)], rtol=1e-13)
    np.testing.assert_allclose(jit(g)(X), g(X), rtol=1e-13)
    h = lambda x: (x**4).sum()
    np.testing.assert_allclose(laplacian(laplacian(h))(X), 24.0 * X.size)


def elements(f: Any, x: Any) -> int:
    """Numbers that are computed by ``f``."""
    with Tape() as tape:
        f(tape.watch(x))
    return tape.nbytes // 8


def test_one_sweep_carries_n_directions_and_one_laplacian() -> None:
    """Per layer: n directions through one product and one elementwise operation; n more for the squares."""
    n, layers = 40, 5
    weights = [np.random.default_rng(k).normal(size=(n, n)) / 8 for k in range(layers)]

    def net(x: Any) -> Any:
        for w in weights:
            x = np.tanh(w @ x)
        return x.sum()

    def by_taylor(x: Any) -> Any:
        """A curve per direction, each with its own second-order term."""
        return vmap(lambda t: jet(net, (x,), ((t, t * 0),))[1][1])(np.eye(n)).sum()

    x = np.linspace(0.1, 1, n)
    np.testing.assert_allclose(laplacian(net)(x), by_taylor(x), rtol=1e-10)
    found = elements(laplacian(net), x)
    assert found <= layers * n * (3 * n + 25)
    assert found < 0.3 * elements(by_taylor, x)
    assert found < 0.5 * elements(lambda x: np.trace(dualad.jacfwd(grad(net))(x)), x)
