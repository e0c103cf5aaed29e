"""Small systems of equations within native code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import grad, hvp, jit, scan, vmap
from dualad.scipy import linalg as sl
from tests.native.test_registry import native
from tests.native.test_repeats import check, every_mode

RNG = np.random.default_rng(7)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def definite(n: int) -> Any:
    a = normal(n, n)
    return a @ a.T + n * np.eye(n)


SYSTEMS = {
    "solve": lambda a, b: np.linalg.solve(a, b),
    "vector": lambda a, b: np.linalg.solve(a, b[:, 0]),
    "transposed": lambda a, b: np.linalg.solve(a.T, b),
    "computed": lambda a, b: np.linalg.solve(a + a.T * 0.1, np.sin(b)) * 2,
    "parts": lambda a, b: np.linalg.solve(a[-2:, -2:], b[-2:, ::-1]),
    "inverse": lambda a, b: np.linalg.inv(a) @ b,
    "log of the determinant": lambda a, b: np.linalg.slogdet(a)[1] * b,
    "sign of the determinant": lambda a, b: np.linalg.slogdet(a - 4 * np.eye(len(a), dtype=a.dtype))[0] * b,
    "determinant": lambda a, b: np.linalg.det(a[::-1] / len(a)) * b,
    "cholesky": lambda a, b: np.linalg.cholesky(a) * b.sum(),
    "cholesky of the upper triangle": lambda a, b: np.linalg.cholesky(np.triu(a).T),
    "lower": lambda a, b: sl.solve_triangular(a, b, lower=True),
    "upper": lambda a, b: sl.solve_triangular(a, b),
    "lower, transposed": lambda a, b: sl.solve_triangular(a, b, trans=1, lower=True),
    "upper of a transpose": lambda a, b: sl.solve_triangular(a.T, b, lower=False),
    "unit": lambda a, b: sl.solve_triangular(0.1 * a, b, lower=True, unit_diagonal=True),
}


@pytest.mark.parametrize("n", [1, 2, 5, 20])
@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_are_native(name: str, n: int) -> None:
    f = SYSTEMS[name]
    a, b = definite(n), normal(n, 3)
    g = check(f, a, b)
    assert native(g), g.explain()
    total = lambda a, b: (f(a, b) ** 2).sum()
    check(grad(total, (0, 1)), a, b, rtol=1e-9)


@pytest.mark.parametrize("name", SYSTEMS)
def test_single_precision(name: str) -> None:
    a, b = definite(4).astype(np.float32), normal(4, 2).astype(np.float32)
    g = jit(SYSTEMS[name])
    for _ in range(2):
        y = g(a, b)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, SYSTEMS[name](a, b), rtol=2e-4, atol=2e-4)


def test_what_numpy_refuses_is_an_error() -> None:
    """The same as without jit: also in loops, and after calls that were right."""
    for f, good, bad in (
        (lambda a: np.linalg.solve(a, a[:, :1]), definite(3), np.zeros((3, 3))),
        (np.linalg.inv, definite(3), np.ones((3, 3))),
        (np.linalg.cholesky, definite(3), -np.eye(3)),
        (lambda a: sl.solve_triangular(a, a), definite(3), np.zeros((3, 3))),
    ):
        g = jit(lambda a, f=f: f(a * 1.0) + 1)
        looped = jit(lambda a, f=f: scan(lambda c, u: (c + f(a * u)[0, 0], None), 0.0, np.ones(20))[0])
        for _ in range(2):
            for h in (g, looped):
                assert np.isfinite(h(good)).all()
                with pytest.raises(np.linalg.LinAlgError):
                    h(bad)
                assert np.isfinite(h(good)).all()
        assert native(g), g.explain()


def test_the_gradient_at_a_singular_matrix() -> None:
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    f = lambda a: np.linalg.slogdet(a * 1.0)[1]
    g = jit(grad(f))
    for x in (definite(2), a, definite(2)):
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(g(x), grad(f)(x), rtol=1e-12)


def test_determinants_of_singular_matrices() -> None:
    f = lambda a: (*np.linalg.slogdet(a), np.linalg.det(a))
    g = jit(f)
    for a in ([[1.0, 2.0], [2.0, 4.0]], np.zeros((2, 2)), [[0.0, 1.0], [1.0, 0.0]], [[np.nan, 1.0], [1.0, 0.0]]):
        for _ in range(2):
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(g(np.array(a)), f(np.array(a)))
    assert native(g), g.explain()


def test_what_is_large_or_many_is_numpys() -> None:
    for a in (definite(60), np.stack([np.stack([definite(3)] * 4)] * 2)):
        g = check(lambda a: np.linalg.inv(np.sin(a) + a) * 2, a, rtol=1e-9)
        assert "NumPy: inv" in g.explain()


@pytest.mark.parametrize("name", SYSTEMS)
def test_stacks_of_systems(name: str) -> None:
    a, b = np.stack([definite(3) for _ in range(5)]), normal(5, 3, 2)
    f = SYSTEMS[name]
    g = check(vmap(f), a, b)
    assert native(g), g.explain()
    check(grad(lambda a, b: (vmap(f)(a, b) ** 2).sum(), (0, 1)), a, b, rtol=1e-9)


def test_one_program_for_all_numbers_of_systems() -> None:
    f = vmap(lambda a, b: np.linalg.solve(a, np.sin(b)) * np.linalg.slogdet(a)[1])
    g = jit(f)
    for n in (3, 5, 2, 17, 8, 30, 3):
        a, b = np.stack([definite(3) for _ in range(n)]), normal(n, 3, 2)
        for _ in range(2):
            np.testing.assert_allclose(g(a, b), f(a, b), rtol=1e-11, atol=1e-12)
    assert "for every n" in g.explain(), g.explain()


def test_one_singular_matrix_among_many() -> None:
    a = np.stack([definite(2), np.ones((2, 2)), definite(2)])
    f = grad(lambda a: np.where(np.isfinite(s := np.linalg.slogdet(a * 1.0)[1]), s, 0.0).sum())
    g = jit(f)
    for _ in range(2):
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(g(a), f(a), rtol=1e-12)
    h = jit(lambda a: np.linalg.inv(a * 1.0))
    for x in (a[[0, 2, 2]], a, a[[2, 0, 0]]):
        if x is a:
            with pytest.raises(np.linalg.LinAlgError):
                h(x)
        else:
            np.testing.assert_allclose(h(x), np.linalg.inv(x), rtol=1e-12)


def kalman(r: Any) -> Any:
    """The likelihood of a linear state-space model."""
    rng = np.random.default_rng(0)
    a, c = np.eye(3) + 0.1 * rng.normal(size=(3, 3)), rng.normal(size=(2, 3))
    ys = rng.normal(size=(40, 2))

    def step(state: Any, y: Any) -> Any:
        m, p = state
        m, p = a @ m, a @ p @ a.T + 0.1 * np.eye(3)
        s, e = c @ p @ c.T + np.diag(r), y - c @ m
        k = np.linalg.solve(s, c @ p).T
        cost = e @ np.linalg.solve(s, e) + np.linalg.slogdet(s)[1]
        return (m + k @ e, p - k @ s @ k.T), -0.5 * cost

    return scan(step, (np.zeros(3), np.eye(3)), ys)[1].sum()


def test_a_kalman_filter() -> None:
    r = np.array([0.5, 0.8])
    g = check(grad(kalman), r, rtol=1e-9)
    assert native(g), g.explain()
    every_mode(kalman, r, rtol=1e-8)


def test_many_kalman_filters() -> None:
    rs = np.array([[0.5, 0.8], [0.3, 1.2]])
    g = jit(vmap(grad(kalman)))
    for _ in range(2):
        np.testing.assert_allclose(g(rs), np.stack([grad(kalman)(r) for r in rs]), rtol=1e-9)
    assert native(g), g.explain()


def test_second_derivatives_of_a_log_determinant() -> None:
    x = np.array([0.4, 0.2, -0.3])
    base = definite(3)
    f = lambda x: np.log(np.diag(np.linalg.cholesky(base + np.diag(np.exp(x))))).sum()
    check(lambda x: hvp(f, x, np.cos(x)), x, rtol=1e-9)
    check(dualad.hessian(f), x, rtol=1e-9)
