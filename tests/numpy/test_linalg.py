"""numpy.linalg: generic and degenerate points."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import dualad
from dualad import ArgumentError, ShapeError, grad, hessian, jacfwd, jacrev, jvp
from tests.functions import Case, arr, check, parameters

A = arr(3, 3) + 3 * np.eye(3)
S = A @ A.T
STACK = arr(2, 3, 3, seed=3) + 3 * np.eye(3)
TALL, WIDE = arr(4, 2, seed=4), arr(2, 4, seed=5)
Z = A + 1j * arr(3, 3, seed=6)


def symmetric(np: Any, a: Any) -> Any:
    return (a + np.swapaxes(a, -1, -2)) / 2


def orders(shape: tuple[int, ...], *ords: Any) -> list[Case]:
    return [Case(lambda np, x, o=o: np.linalg.norm(x, o), (arr(*shape, lo=0.5),)) for o in ords]


CASES: dict[str, list[Case]] = {
    "linalg.solve": [
        Case(lambda np, a, b: np.linalg.solve(a, b), (A, arr(3))),
        Case(lambda np, a, b: np.linalg.solve(a, b), (STACK, arr(3, 2))),
        Case(lambda np, a, b: np.linalg.solve(a, b), (Z, arr(3, 2) * (1 + 1j))),
    ],
    "linalg.inv": [Case(lambda np, a: np.linalg.inv(a), (STACK,))],
    "linalg.pinv": [Case(lambda np, a: np.linalg.pinv(a), (TALL,)), Case(lambda np, a: np.linalg.pinv(a), (WIDE,))],
    "linalg.det": [Case(lambda np, a: np.linalg.det(a), (STACK,)), Case(lambda np, a: np.linalg.det(a), (Z,))],
    "linalg.slogdet": [
        Case(lambda np, a: np.linalg.slogdet(a)[1], (STACK,)),
        Case(lambda np, a: np.linalg.slogdet(a)[0], (Z,)),
    ],
    "linalg.cholesky": [
        Case(lambda np, a: np.linalg.cholesky(symmetric(np, a)), (S,)),
        Case(lambda np, a: np.linalg.cholesky(symmetric(np, a), upper=True), (S,)),
    ],
    "linalg.qr": [
        Case(lambda np, a: tuple(np.linalg.qr(a)), (TALL,)),
        Case(lambda np, a: tuple(np.linalg.qr(a)), (A,)),
        Case(
            lambda np, a: tuple(np.linalg.qr(a)),
            (WIDE,),
            oracle="differences",
            why="JAX has no derivative of qr for wide matrices",
        ),
    ],
    "linalg.eigh": [
        Case(lambda np, a: tuple(np.linalg.eigh(symmetric(np, a))), (A,)),
        Case(lambda np, a: np.linalg.eigh(symmetric(np, a), "U")[0], (A,)),
    ],
    "linalg.eigvalsh": [Case(lambda np, a: np.linalg.eigvalsh(symmetric(np, a)), (STACK,))],
    "linalg.eig": [
        Case(
            lambda np, a: tuple(v.real for v in np.linalg.eig(a)),
            (np.diag([1.0, 2.0, 4.0]) + 0.3 * arr(3, 3),),
            oracle="differences",
            why="JAX has no derivative of eigenvectors",
        ),
    ],
    "linalg.eigvals": [
        Case(
            lambda np, a: np.abs(np.linalg.eigvals(a)).sum(),
            (arr(3, 3, seed=8),),
            oracle=lambda a: jnp.abs(jnp.linalg.eigvals(a)).sum(),
            order=1,
        ),
    ],
    "linalg.svd": [
        Case(lambda np, a: tuple(np.linalg.svd(a, full_matrices=False)), (TALL,)),
        Case(lambda np, a: tuple(np.linalg.svd(a, full_matrices=False)), (WIDE,)),
        Case(lambda np, a: np.linalg.svd(a, compute_uv=False), (STACK,)),
    ],
    "linalg.svdvals": [Case(lambda np, a: np.linalg.svdvals(a), (TALL,))],
    "linalg.norm": [
        *orders((4,), None, 1, 2, 3, 0.5, np.inf, -np.inf),
        *orders((3, 4), None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf),
        Case(lambda np, x: np.linalg.norm(x, axis=1, keepdims=True), (arr(3, 4),)),
        Case(lambda np, x: np.linalg.norm(x, "nuc", axis=(0, 2)), (arr(3, 2, 4),)),
        Case(lambda np, x: np.linalg.norm(x), (Z,)),
        Case(lambda np, x: np.linalg.norm(x), (np.zeros(3),), degenerate=True, order=1),
    ],
    "linalg.vector_norm": [Case(lambda np, x: np.linalg.vector_norm(x, axis=0, ord=3), (arr(3, 2, lo=0.5),))],
    "linalg.matrix_norm": [Case(lambda np, x: np.linalg.matrix_norm(x, ord="nuc"), (arr(3, 2),))],
    "linalg.cond": [Case(lambda np, x: np.linalg.cond(x), (A,)), Case(lambda np, x: np.linalg.cond(x, 1), (A,))],
    "linalg.matrix_power": [
        Case(lambda np, x: np.linalg.matrix_power(x, 5), (A / 4,)),
        Case(lambda np, x: np.linalg.matrix_power(x, -2), (A,)),
        Case(lambda np, x: np.linalg.matrix_power(x, 0), (A,)),
    ],
    "linalg.multi_dot": [Case(lambda np, a, b, c: np.linalg.multi_dot([a, b, c]), (TALL, WIDE, arr(4)))],
    "linalg.tensorinv": [
        Case(lambda np, a: np.linalg.tensorinv(a), (arr(4, 6, 8, 3).reshape(24, 24)[:4, :4].reshape(2, 2, 2, 2),))
    ],
    "linalg.tensorsolve": [
        Case(
            lambda np, a, b: np.linalg.tensorsolve(a, b),
            (arr(2, 2, 2, 2) + np.eye(4).reshape(2, 2, 2, 2) * 3, arr(2, 2)),
        )
    ],
    "linalg.lstsq": [
        Case(lambda np, a, b: np.linalg.lstsq(a, b)[0], (TALL, arr(4))),
        Case(lambda np, a, b: np.linalg.lstsq(a, b)[1], (TALL, arr(4, 2, seed=1))),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def test_norm_at_zero_is_zero_for_every_order() -> None:
    for o in (None, 1, 2, 3, 1.5, np.inf):
        for d in (jacrev, jacfwd):
            np.testing.assert_array_equal(d(lambda x, o=o: np.linalg.norm(x, o))(np.zeros(3)), 0)


def test_det_of_singular_matrices() -> None:
    for m in (np.array([[1.0, 2.0], [2.0, 4.0]]), np.zeros((3, 3)), np.outer(arr(3), arr(3, seed=1))):
        n = m.shape[0]

        def expanded(a: Any, n: int = n) -> Any:
            if n == 2:
                return a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
            return (a[0] * np.cross(a[1], a[2])).sum()

        for d in (grad, hessian, lambda f: jacfwd(jacfwd(f)), lambda f: jacrev(jacrev(f))):
            np.testing.assert_allclose(d(np.linalg.det)(m), d(expanded)(m), atol=1e-12)


def test_gauge_invariant_functions_at_equal_eigenvalues() -> None:
    """Scalar functions of the eigenvalues and projectors, against the same functions without a factorization."""

    def through_eigh(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return np.trace((v * w**3) @ v.T) + ((v * w @ v.T) ** 2).sum()

    def through_svd(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return ((u * s @ vh) ** 2).sum() + np.trace(u * s**2 @ u.T)

    half = lambda a: (a + a.T) / 2
    by_eigh = lambda a: np.trace(half(a) @ half(a) @ half(a)) + (half(a) ** 2).sum()
    by_svd = lambda a: 2 * (a**2).sum()
    for m in (np.eye(3), np.diag([1.0, 1.0, 2.0])):
        for d in (jacfwd, jacrev):
            np.testing.assert_allclose(d(through_eigh)(m), d(by_eigh)(m), atol=1e-12)
            np.testing.assert_allclose(d(through_svd)(m), d(by_svd)(m), atol=1e-12)


def test_result_types() -> None:
    def f(a: Any) -> Any:
        assert np.linalg.eigh(a).eigenvalues.shape == (3,)
        assert np.linalg.svd(a).S.shape == (3,)
        assert np.linalg.qr(a).R.shape == (3, 3)
        assert np.linalg.slogdet(a).logabsdet.shape == ()
        assert np.linalg.eig(a).eigenvectors.shape == (3, 3)
        return a.sum()

    grad(f)(S)


def test_slogdet_of_a_singular_matrix() -> None:
    value, pullback = dualad.vjp(lambda a: np.linalg.slogdet(a)[1], np.zeros((2, 2)))
    assert value == -np.inf
    assert np.isnan(pullback(1.0)[0]).all()


def test_errors() -> None:
    for call, error, message in [
        (lambda a: np.linalg.solve(a, np.ones(2)), ShapeError, "b is"),
        (lambda a: np.linalg.inv(a[:3]), ShapeError, "square"),
        (lambda a: np.linalg.det(a[0]), ShapeError, "square"),
        (lambda a: np.linalg.norm(a, "max"), ArgumentError, "matrix norm"),
        (lambda a: np.linalg.multi_dot([a]), ArgumentError, "two"),
        (lambda a: np.linalg.inv(a * 0), np.linalg.LinAlgError, "ingular"),
    ]:
        with pytest.raises(error, match=message):
            grad(lambda a, call=call: call(a).sum())(np.eye(4))


def test_taylor_of_factorizations() -> None:
    """Third derivatives along a line, by Taylor mode and by nesting."""
    for f in (
        np.linalg.cholesky,
        lambda a: np.linalg.eigh(a)[1],
        lambda a: np.linalg.svd(a)[0],
        lambda a: np.linalg.inv(a),
    ):
        d = lambda s, f=f: f(S + s * np.eye(3) + s * s * np.diag([1.0, 2.0, 3.0]))
        nested = d
        for _ in range(3):
            nested = lambda s, h=nested: jvp(h, (s,), (1.0,))[1]
        np.testing.assert_allclose(dualad.derivative(d, 3)(0.3), nested(0.3), rtol=1e-7, atol=1e-9)
