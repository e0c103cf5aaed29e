"""numpy.linalg: generic and degenerate points."""

from __future__ import annotations

import inspect
from typing import Any

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
        Case(lambda np, a: np.linalg.cholesky(a @ np.swapaxes(a, 0, 1).conj()), (Z,)),
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
        Case(lambda np, a: tuple(np.linalg.qr(a, "complete")), (TALL,), degenerate=True),
        Case(lambda np, a: np.linalg.qr(a, "r"), (STACK,)),
        Case(lambda np, a: tuple(np.linalg.qr(a)), (Z,)),
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
            oracle="differences",
            why="JAX has no second derivative of eigenvalues",
        ),
    ],
    "linalg.svd": [
        Case(lambda np, a: tuple(np.linalg.svd(a, full_matrices=False)), (TALL,)),
        Case(lambda np, a: tuple(np.linalg.svd(a, full_matrices=False)), (WIDE,)),
        Case(lambda np, a: np.linalg.svd(a, compute_uv=False), (STACK,)),
        Case(lambda np, a: np.linalg.svd(a, compute_uv=False), (Z[:, :2],)),
        Case(lambda np, a: tuple(np.linalg.svd(a)), (TALL,), degenerate=True),
        Case(lambda np, a: tuple(np.linalg.svd(a)), (WIDE,), degenerate=True),
        Case(lambda np, a: tuple(np.linalg.svd(symmetric(np, a), hermitian=True)), (A,)),
        Case(lambda np, a: np.linalg.svd(symmetric(np, a), compute_uv=False, hermitian=True), (A,)),
    ],
    "linalg.svdvals": [Case(lambda np, a: np.linalg.svdvals(a), (TALL,))],
    "linalg.norm": [
        *orders((4,), None, 1, 2, 3, 0.5, np.inf, -np.inf),
        *orders((3,), -1, -2.5, 0),
        *orders((3, 4), None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf),
        Case(lambda np, x: np.linalg.norm(x, axis=1, keepdims=True), (arr(3, 4),)),
        Case(lambda np, x: np.linalg.norm(x, "nuc", axis=(0, 2)), (arr(3, 2, 4),)),
        Case(lambda np, x: np.linalg.norm(x), (Z,)),
        Case(lambda np, x: np.linalg.norm(x, 3, axis=0), (Z,)),
        Case(lambda np, x: np.linalg.norm(x, 2), (Z,)),
        Case(lambda np, x: np.linalg.norm(x), (np.zeros(3),), degenerate=True, order=1),
        Case(lambda np, x: np.linalg.norm(x, 0.5), (np.array([0.0, 2.0]),), degenerate=True, order=1),
        Case(
            lambda np, x: np.linalg.norm(x, "nuc"),
            (np.outer(arr(3), arr(2, seed=1)),),
            degenerate=True,
            order=1,
            batch=False,
        ),
        Case(lambda np, x: np.linalg.norm(x, 2), (np.eye(2),), degenerate=True, order=1),
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
    for d in (jacrev, jacfwd):
        for o in (None, 0.5, 1, 2, 3, 1.5, np.inf, -np.inf, 0):
            np.testing.assert_array_equal(d(lambda x, o=o: np.linalg.norm(x, o))(np.zeros(3)), 0)
        for o in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            np.testing.assert_array_equal(d(lambda x, o=o: np.linalg.norm(x, o))(np.zeros((3, 2))), 0)


def test_norm_of_tiny_and_huge_vectors() -> None:
    for scale in (1e-200, 1e200):
        x = np.array([3.0, 4.0]) * scale
        for o in (None, 3):
            value, slope = dualad.value_and_grad(lambda v, o=o: np.linalg.norm(v, o))(x)
            np.testing.assert_allclose(value, np.linalg.norm(x / scale, o) * scale)
            np.testing.assert_allclose(slope, grad(lambda v, o=o: np.linalg.norm(v, o))(x / scale))
    np.testing.assert_array_equal(grad(np.linalg.norm)(np.array([1e-200, 0.0])), [1, 0])
    assert grad(np.linalg.norm)(np.array([1e-30, 0], np.float32)).tolist() == [1, 0]


def test_second_derivative_of_a_squared_norm_at_zero_is_never_a_wrong_number() -> None:
    with pytest.warns(RuntimeWarning):
        assert np.isnan(hessian(lambda x: np.linalg.norm(x) ** 2)(np.zeros(2))).all()


def test_second_derivative_of_a_complex_norm_with_a_zero() -> None:
    line = lambda t: np.linalg.norm(t * np.array([1, 0]) + np.array([0, 1 + 1j]))
    np.testing.assert_allclose(dualad.derivative(line, 2)(0.0), 2**-0.5)


def expanded_det(a: Any) -> Any:
    if a.shape[0] == 2:
        return a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
    return (a[0] * np.cross(a[1], a[2])).sum()


def test_det_of_singular_matrices() -> None:
    singular = np.outer(arr(3), arr(3, seed=1))
    np.testing.assert_allclose(grad(np.linalg.det)(np.array([[1.0, 2], [2, 4]])), [[4, -2], [-2, 1]], atol=1e-14)
    for m in (np.array([[1.0, 2.0], [2.0, 4.0]]), np.zeros((3, 3)), singular, np.arange(9.0).reshape(3, 3)):
        for d in (
            grad, hessian, lambda f: jacfwd(jacfwd(f)), lambda f: jacrev(jacrev(f)), lambda f: jacfwd(hessian(f)),
        ):  # fmt: skip
            np.testing.assert_allclose(d(np.linalg.det)(m), d(expanded_det)(m), atol=1e-12)
    # Every derivative along a line: the characteristic polynomial.
    m = arr(5, 5)
    m[0] = m[1]
    along = lambda s: np.linalg.det(m + s * np.eye(5))
    expected = np.poly(-m)[::-1]
    for k in range(1, 6):
        np.testing.assert_allclose(
            dualad.derivative(along, k)(0.0), expected[k] * np.prod(np.arange(1, k + 1)), rtol=1e-9
        )


def test_det_of_larger_and_single_precision_matrices() -> None:
    for n, dtype, tol in ((20, float, 1e-9), (8, np.float32, 1e-2)):
        m = (arr(n, n) + 2 * np.eye(n)).astype(dtype)
        for a in (m, np.where(np.arange(n)[:, None] == 0, m[1], m).astype(dtype)):
            u, v = arr(n), arr(n, seed=1)  # det(A + s u v^T) is affine in s
            slope = grad(np.linalg.det)(a)
            assert slope.dtype == dtype
            rise = np.linalg.det(a + np.outer(u, v)) - np.linalg.det(a.astype(float))
            np.testing.assert_allclose(u @ slope @ v, rise, rtol=tol, atol=tol * abs(rise))
            curve = lambda s, a=a, u=u, v=v: np.linalg.det(a + s * np.outer(u, v))
            assert abs(dualad.derivative(curve, 2)(0.0)) < 1e-4 * abs(rise)


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


def test_svd_at_equal_singular_values_keeps_the_relative_rotation() -> None:
    """U V^T, the orthogonal polar factor: at I its derivative is the antisymmetric part."""

    def polar(a: Any) -> Any:
        u, _, vh = np.linalg.svd(a)
        return u @ vh

    t = arr(3, 3)
    np.testing.assert_allclose(jvp(polar, (np.eye(3),), (t,))[1], (t - t.T) / 2, atol=1e-14)
    g = dualad.vjp(polar, np.eye(3))[1](t)[0]
    np.testing.assert_allclose(g, (t - t.T) / 2, atol=1e-14)


def equal_values() -> list[Any]:
    q, r = np.linalg.qr(arr(3, 3, seed=9))[0], np.linalg.qr(arr(3, 3, seed=10))[0]
    out = [np.eye(3), np.diag([2.0, 1.0, 1.0]), q @ np.diag([3.0, 1.0, 1.0]) @ q.T, q @ np.diag([3.0, 1.0, 1.0]) @ r.T]
    return [(m + m.T) / 2 if np.allclose(m, m.T) else m for m in out]


def half(a: Any) -> Any:
    return (a + np.swapaxes(a, -1, -2).conj()) / 2


def squares(a: Any) -> Any:
    return (a * a.conj()).real.sum()


def trace_by_eigh(a: Any) -> Any:
    w, v = np.linalg.eigh(a)
    return np.trace((v * w**3) @ v.conj().T).real + squares(v * w @ v.conj().T)


def trace_without(a: Any) -> Any:
    return np.trace(half(a) @ half(a) @ half(a)).real + squares(half(a))


def trace_by_svd(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return squares(u * s @ vh) + np.trace((u * s**4) @ u.conj().T).real


def trace_by_products(a: Any) -> Any:
    b = a.conj().T @ a
    return np.trace(b).real + squares(b)


def test_first_and_second_derivatives_of_invariant_functions_at_equal_values() -> None:
    values = (
        (lambda a: (np.linalg.eigvalsh(a) ** 3).sum(), lambda a: np.trace(half(a) @ half(a) @ half(a))),
        (lambda a: np.exp(np.linalg.eigvalsh(a)).prod(), lambda a: np.exp(np.trace(a))),
        (lambda a: (np.linalg.svdvals(a) ** 4).sum(), lambda a: ((a.T @ a) ** 2).sum()),
    )
    vectors = ((trace_by_eigh, trace_without), (trace_by_svd, trace_by_products))
    compositions = [grad, jacfwd, hessian, lambda f: jacrev(jacfwd(f)), lambda f: jacfwd(jacfwd(f))]
    for m in equal_values():
        for f, direct in values + vectors:
            if "eig" in f.__code__.co_names.__repr__() and not np.array_equal(m, m.T):
                continue
            for d in compositions:
                np.testing.assert_allclose(d(f)(m), d(direct)(m), atol=1e-11)


def test_complex_invariant_functions_at_equal_values() -> None:
    u = np.linalg.qr(Z)[0]
    hermitian = half(u @ np.diag([2.0, 2.0, 5.0]) @ u.conj().T)
    for f, direct, m in ((trace_by_eigh, trace_without, hermitian), (trace_by_svd, trace_by_products, hermitian @ u)):
        t, s = (arr(3, 3, seed=k) + 1j * arr(3, 3, seed=k + 1) for k in (20, 22))
        for d in (
            lambda h: jvp(h, (m,), (t,))[1],
            lambda h: dualad.vjp(h, m)[1](1.0)[0],
            lambda h: jvp(lambda a: dualad.vjp(h, a)[1](1.0)[0], (m,), (s,))[1],
        ):
            np.testing.assert_allclose(d(f), d(direct), atol=1e-11)


def test_forward_mode_at_equal_values_is_right_for_every_smooth_function() -> None:
    def square(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return v * w**2 @ v.T

    def cube(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a)
        return u * s**3 @ vh

    for m in equal_values():
        np.testing.assert_allclose(jacfwd(cube)(m), jacfwd(lambda a: a @ a.T @ a)(m), atol=1e-12)
        if np.array_equal(m, m.T):
            np.testing.assert_allclose(jacfwd(square)(m), jacfwd(lambda a: half(a) @ half(a))(m), atol=1e-12)
    t = half(arr(3, 3))
    one_sided = jvp(np.linalg.eigvalsh, (np.eye(3),), (t,))[1]
    np.testing.assert_allclose(one_sided, np.linalg.eigvalsh(t), atol=1e-14)
    np.testing.assert_allclose(jvp(np.linalg.svdvals, (np.zeros((3, 3)),), (t,))[1], np.linalg.svdvals(t), atol=1e-14)


def test_cotangents_that_do_not_determine_a_derivative_are_refused() -> None:
    c = arr(2, 2)
    for f in (
        lambda a: np.linalg.eigh(a)[1][0, 0],
        lambda a: np.linalg.svd(a)[0][0, 1],
        lambda a: np.linalg.eigvalsh(a)[0],
        lambda a: np.linalg.svdvals(a)[0],
        lambda a: (lambda w, v: (v[:, :1] @ v[:, :1].T * w * c).sum())(*np.linalg.eigh(a)),
    ):
        grad(f)(np.diag([2.0, 1.0]))
        for stack in (np.eye(2), np.stack([np.diag([1.0, 2.0]), np.eye(2)])):
            with pytest.raises(dualad.NotDifferentiable, match="equal eigenvalues or singular values"):
                (grad(f) if stack.ndim == 2 else dualad.vmap(grad(f)))(stack)


def test_zero_cotangents_at_equal_values_are_fine() -> None:
    both = np.stack([np.diag([1.0, 3.0]), np.eye(2)])
    f = lambda a: np.linalg.eigh(a)[1][0].sum()  # the vectors of the first matrix only
    np.testing.assert_array_equal(grad(f)(both)[1], 0)
    projector = lambda a: (lambda v: ((v[:, 1:] @ v[:, 1:].T) * arr(3, 3)).sum())(np.linalg.eigh(a)[1])
    m = np.diag([1.0, 2.0, 2.0])
    np.testing.assert_allclose(grad(projector)(m), jacfwd(projector)(m), atol=1e-12)


def test_eigenvalues_of_stacks_with_some_equal() -> None:
    both = np.stack([np.diag([1.0, 3.0]), np.eye(2)])
    for f, direct in (
        (lambda a: (np.linalg.eigvalsh(a) ** 3).sum(), lambda a: np.trace(half(a) @ half(a) @ half(a))),
        (lambda a: (np.linalg.svdvals(a) ** 4).sum(), lambda a: ((a.T @ a) ** 2).sum()),
    ):
        for d in (grad, hessian):
            np.testing.assert_allclose(dualad.vmap(d(f))(both), dualad.vmap(d(direct))(both), atol=1e-12)


def test_full_svd_and_complete_qr_span_the_complement() -> None:
    """Gauge-invariant: the projector onto what A does not reach, against I - A (A^T A)^-1 A^T."""
    c = arr(4, 4, seed=7)

    def through_svd(a: Any) -> Any:
        u = np.linalg.svd(a)[0][:, 2:]
        return (u @ u.T * c).sum()

    def through_svd_of_transpose(a: Any) -> Any:
        v = np.linalg.svd(a.T)[2][2:].T
        return (v @ v.T * c).sum()

    def through_qr(a: Any) -> Any:
        q = np.linalg.qr(a, "complete")[0][:, 2:]
        return (q @ q.T * c).sum()

    direct = lambda a: ((np.eye(4) - a @ np.linalg.inv(a.T @ a) @ a.T) * c).sum()
    for f in (through_svd, through_svd_of_transpose, through_qr):
        for d in (grad, jacfwd, hessian):
            np.testing.assert_allclose(d(f)(TALL), d(direct)(TALL), atol=1e-12)


def test_complex_factors_by_what_they_determine() -> None:
    """Functions that no phase changes, against the same functions without a factorization: all modes, second order."""
    half = lambda a: (a + np.swapaxes(a, -1, -2).conj()) / 2
    cube = lambda a: a @ np.swapaxes(a, -1, -2).conj() @ a

    def through_eigh(a: Any) -> Any:
        w, v = np.linalg.eigh(half(a))
        return v * w**3 @ np.swapaxes(v, -1, -2).conj()

    def through_svd(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return u * s**3 @ vh

    def through_eig(a: Any) -> Any:
        w, v = np.linalg.eig(a)
        return v * w**3 @ np.linalg.inv(v)

    cubed = lambda a: half(a) @ half(a) @ half(a)
    for f, direct, a in (
        (through_eigh, cubed, Z),
        (through_svd, cube, Z),
        (through_svd, cube, Z[:, :2]),
        (through_svd, cube, Z[:2]),
        (through_eig, lambda a: a @ a @ a, Z),
        (lambda a: through_eig(a).real, lambda a: a @ a @ a, arr(3, 3, seed=8)),
    ):
        shape = a.shape
        t, u, g = (arr(*shape, seed=k) + 1j * arr(*shape, seed=k + 1) for k in (20, 22, 24))
        if a.dtype.kind != "c":
            t, u, g = t.real, u.real, g.real
        one = [jvp(h, (a,), (t,))[1] for h in (f, direct)]
        np.testing.assert_allclose(*one, atol=1e-10)
        np.testing.assert_allclose(*[dualad.vjp(h, a)[1](g)[0] for h in (f, direct)], atol=1e-10)
        twice = [jvp(lambda v, h=h, t=t: jvp(h, (v,), (t,))[1], (a,), (u,))[1] for h in (f, direct)]
        np.testing.assert_allclose(*twice, atol=1e-9)
        mixed = [jvp(lambda v, h=h, g=g: dualad.vjp(h, v)[1](g)[0], (a,), (u,))[1] for h in (f, direct)]
        np.testing.assert_allclose(*mixed, atol=1e-9)


def test_real_eigenvalues_stay_real() -> None:
    m = np.diag([1.0, 2.0]) + 0.1
    assert jvp(np.linalg.eigvals, (m,), (m,))[1].dtype == np.linalg.eigvals(m).dtype == float
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert jvp(np.linalg.eigvals, (turn,), (turn,))[1].dtype == complex
    both = dualad.vmap(lambda a: abs(np.linalg.eigvals(a)))(np.stack([m, turn]))
    np.testing.assert_allclose(both, np.abs(np.linalg.eigvals(np.stack([m, turn]))))


def test_empty_matrices() -> None:
    for shape in ((0, 0), (2, 0, 0)):
        for f in (
            np.linalg.inv,
            np.linalg.det,
            np.linalg.cholesky,
            np.linalg.eigvalsh,
            np.linalg.svdvals,
            np.linalg.pinv,
        ):
            x = np.empty(shape)
            assert dualad.vjp(f, x)[1](f(x))[0].shape == jvp(f, (x,), (x,))[1].shape[:0] + shape
    for shape in ((0, 3), (3, 0)):
        for f in (np.linalg.svd, np.linalg.qr):
            x = np.empty(shape)
            y, t = jvp(lambda a, f=f: tuple(f(a)), (x,), (x,))
            assert [v.shape for v in y] == [v.shape for v in t] == [v.shape for v in f(x)]
        np.testing.assert_array_equal(grad(np.linalg.norm)(np.empty(shape)), np.empty(shape))
    g = dualad.vjp(np.linalg.solve, np.empty((0, 0)), np.empty((0, 2)))[1](np.empty((0, 2)))
    assert [v.shape for v in g] == [(0, 0), (0, 2)]


def test_single_precision_stays() -> None:
    x = S.astype(np.float32)
    for f in (
        np.linalg.inv, np.linalg.cholesky, np.linalg.det, np.linalg.eigvalsh, np.linalg.svdvals, np.linalg.norm,
        np.linalg.pinv, lambda a: np.linalg.qr(a)[0], lambda a: np.linalg.eigh(a)[1], lambda a: np.linalg.eig(a)[1],
        lambda a: np.linalg.slogdet(a)[1], lambda a: np.linalg.norm(a, "nuc"), lambda a: np.linalg.solve(a, a[0]),
    ):  # fmt: skip
        y, t = jvp(f, (x,), (x,))
        assert y.dtype == t.dtype == np.float32
        assert grad(lambda a, f=f: f(a).sum())(x).dtype == np.float32


NAMES = sorted(set(np.linalg.__all__) - {"LinAlgError"})


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_with_numpys_signature(name: str) -> None:
    if name == "matmul":
        return  # an operator of its own
    ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (dualad.numpy.linalg, np.linalg))
    ours = {k: p for k, p in ours.items() if p.kind is not p.VAR_KEYWORD}
    assert list(ours) == list(theirs)
    assert [p.kind for p in ours.values()] == [p.kind for p in theirs.values()]


def test_masked_singular_matrices_do_not_reach_the_gradient() -> None:
    stack = np.stack([np.ones((2, 2)), np.eye(2)])
    f = lambda a: np.where(np.array([False, True]), np.linalg.slogdet(a)[1], 0.0).sum()
    np.testing.assert_array_equal(grad(f)(stack), [np.zeros((2, 2)), np.eye(2)])


def test_cond_of_singular_matrices_is_numpys() -> None:
    for m in (np.ones((2, 2)), np.zeros((2, 2))):
        for p in (None, 1, "fro", -2):
            value = dualad.vjp(lambda a, p=p: np.linalg.cond(a, p), m)[0]
            np.testing.assert_allclose(value, np.linalg.cond(m, p))


def test_rank_is_a_constant() -> None:
    both = np.stack([np.eye(2), np.ones((2, 2))])
    np.testing.assert_array_equal(dualad.vmap(np.linalg.matrix_rank)(both), [2, 1])
    np.testing.assert_array_equal(grad(lambda a: np.linalg.matrix_rank(a) * a.sum())(np.ones((2, 2))), 1)


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


@pytest.mark.filterwarnings("ignore:a second derivative at equal")  # of the singular values, which lstsq returns too
def test_pinv_and_lstsq_of_rank_deficient_matrices_at_constant_rank() -> None:
    """Along a curve of matrices of rank 1, first and second derivatives against pinv(x y.T) = y x.T / |x|^2 |y|^2."""
    x, y, dx, dy, b = (arr(3, seed=k) for k in range(5))
    curve = lambda s: np.outer(x + s * dx, y + s * dy)
    size = lambda v: (v * v).sum()
    exact = lambda s: np.outer(y + s * dy, x + s * dx) / (size(x + s * dx) * size(y + s * dy))
    for n in (1, 2):
        expected = dualad.derivative(exact, n)(0.0)
        by_pinv = dualad.derivative(lambda s: np.linalg.pinv(curve(s), rcond=1e-10), n)(0.0)
        by_lstsq = dualad.derivative(lambda s: np.linalg.lstsq(curve(s), b, rcond=1e-10)[0], n)(0.0)
        np.testing.assert_allclose(by_pinv, expected, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(by_lstsq, expected @ b, rtol=1e-9, atol=1e-11)
