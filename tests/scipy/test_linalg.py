"""scipy.linalg: values are SciPy's; derivatives against differences, in every mode and composition."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import dualad
from dualad import ArgumentError, NotDifferentiable, ShapeError, grad, hessian, jacfwd, jacrev, jvp, vjp
from dualad.scipy import linalg
from tests.functions import CHECKED, Case, arr, dependences, differences, no_faults_of_the_compiler, parameters
from tests.test_every_primitive import close, direction, flat, like, pair_of, tolerance

A = arr(3, 3) + 4 * np.eye(3)
B = arr(3, 3, seed=1) + 3 * np.eye(3)
S = A @ A.T
Z = A + 1j * arr(3, 3, seed=6)
ZS = Z @ Z.conj().T
STACK = arr(2, 3, 3, seed=3) + 4 * np.eye(3)
TALL, WIDE = arr(4, 2, seed=4), arr(2, 4, seed=5)
v, m = arr(3, seed=7), arr(3, 2, seed=8)
REAL = B @ np.diag([1.0, 2.5, -2.0]) @ np.linalg.inv(B)  # different real eigenvalues
PAIR = np.array([[0.4, 2.0, 0.3], [-1.5, 0.1, 0.2], [0.1, -0.2, 3.0]])  # with two complex eigenvalues
BANDS = arr(4, 5, seed=9) + np.array([[0], [0], [6], [0]])
SBANDS = np.abs(arr(2, 4, seed=10)) * 0.3 + np.array([[0.0], [3.0]])


def symmetric(a: Any) -> Any:
    return (a + a.swapaxes(-1, -2).conj()) / 2


def both(y: Any) -> Any:
    return tuple(y)


CASES: dict[str, list[Case]] = {
    "solve": [
        Case(lambda la, a, b: la.solve(a, b), (A, v)),
        Case(lambda la, a, b: la.solve(a, b, transposed=True), (A, m)),
        Case(lambda la, a, b: la.solve(a, b, assume_a="pos", lower=True), (S, m)),
        Case(lambda la, a, b: la.solve(a, b, assume_a="sym"), (Z, m + 0j)),
        Case(lambda la, a, b: la.solve(a, b, assume_a="her"), (ZS, m + 0j)),
        Case(lambda la, a, b: la.solve(a, b, assume_a="lower triangular"), (A, m)),
        Case(lambda la, a, b: la.solve(a, b, assume_a="tridiagonal"), (A, m)),
        Case(lambda la, a, b: la.solve(a, b, assume_a="diagonal"), (A, m)),
    ],
    "inv": [Case(lambda la, a: la.inv(a), (Z,)), Case(lambda la, a: la.inv(a, assume_a="pos"), (S,))],
    "det": [Case(lambda la, a: la.det(a), (A,))],
    "solve_triangular": [
        Case(lambda la, a, b: la.solve_triangular(a, b), (A, v)),
        Case(lambda la, a, b: la.solve_triangular(a, b, lower=True, unit_diagonal=True), (A, m)),
        Case(lambda la, a, b: la.solve_triangular(a, b, trans="T", lower=True), (A, m)),
        Case(lambda la, a, b: la.solve_triangular(a, b, trans=2), (Z, m + 1j)),
        Case(lambda la, a, b: la.solve_triangular(a, b), (A.astype(np.float32), v.astype(np.float32))),
    ],
    "solve_banded": [
        Case(lambda la, ab, b: la.solve_banded((1, 2), ab, b), (BANDS, arr(5))),
        Case(lambda la, ab, b: la.solve_banded((1, 2), ab, b), (BANDS + 0.3j, arr(5, 2) + 0j)),
    ],
    "solveh_banded": [
        Case(lambda la, ab, b: la.solveh_banded(ab, b), (SBANDS, arr(4))),
        Case(lambda la, ab, b: la.solveh_banded(ab, b, lower=True), (SBANDS[::-1].copy(), arr(4, 2))),
        Case(lambda la, ab, b: la.solveh_banded(ab, b), (SBANDS + np.array([[0.4j], [0]]), arr(4) + 0j)),
    ],
    "solve_toeplitz": [
        Case(lambda la, c, b: la.solve_toeplitz(c, b), (v + np.array([9, 0, 0]), m)),
        Case(lambda la, c, r, b: la.solve_toeplitz((c, r), b), (v + np.array([9, 0, 0]), arr(3, seed=3), v)),
    ],
    "solve_sylvester": [
        Case(lambda la, a, b, q: la.solve_sylvester(a, b, q), (A, arr(2, 2, seed=2) + 3 * np.eye(2), m)),
        Case(lambda la, a, b, q: la.solve_sylvester(a, b, q), (Z, A + 0j, Z)),
    ],
    "solve_continuous_lyapunov": [Case(lambda la, a, q: la.solve_continuous_lyapunov(a, q), (A, B))],
    "solve_discrete_lyapunov": [
        Case(lambda la, a, q: la.solve_discrete_lyapunov(a, q), (A / 9, B)),
        Case(lambda la, a, q: la.solve_discrete_lyapunov(a, q, "bilinear"), (A / 9, B)),
    ],
    "cholesky": [
        Case(lambda la, a: la.cholesky(symmetric(a)), (S,)),
        Case(lambda la, a: la.cholesky(symmetric(a), lower=True), (ZS,)),
    ],
    "cho_factor": [
        Case(lambda la, a: la.cho_factor(symmetric(a))[0], (S,)),
        Case(lambda la, a: la.cho_factor(symmetric(a), lower=True)[0], (S,)),
    ],
    "cho_solve": [
        Case(lambda la, a, b: la.cho_solve(la.cho_factor(symmetric(a)), b), (S, v)),
        Case(lambda la, a, b: la.cho_solve(la.cho_factor(symmetric(a), lower=True), b), (ZS, m + 0j)),
    ],
    "lu": [
        Case(lambda la, a: la.lu(a)[1:], (arr(3, 3),)),
        Case(lambda la, a: la.lu(a, permute_l=True), (TALL,)),
        Case(lambda la, a: la.lu(a, p_indices=True)[1:], (WIDE,)),
    ],
    "lu_factor": [
        Case(lambda la, a: la.lu_factor(a)[0], (arr(3, 3),)),
        Case(lambda la, a: la.lu_factor(a)[0], (TALL,)),
        Case(lambda la, a: la.lu_factor(a)[0], (WIDE,)),
    ],
    "lu_solve": [
        Case(lambda la, a, b: la.lu_solve(la.lu_factor(a), b), (A[::-1].copy(), v)),
        Case(lambda la, a, b: la.lu_solve(la.lu_factor(a), b, trans=1), (A[::-1].copy(), m)),
        Case(lambda la, a, b: la.lu_solve(la.lu_factor(a), b, trans=2), (Z[::-1].copy(), m + 1j)),
    ],
    "qr": [
        Case(lambda la, a: both(la.qr(a, mode="economic")), (TALL,)),
        Case(lambda la, a: both(la.qr(a)), (A,)),
        Case(lambda la, a: both(la.qr(a)), (WIDE,)),
        Case(lambda la, a: la.qr(a, mode="r")[0], (Z,)),
        Case(lambda la, a: la.qr(a, pivoting=True)[:2], (A,)),
    ],
    "polar": [
        Case(lambda la, a: both(la.polar(a)), (A,)),
        Case(lambda la, a: both(la.polar(a, "left")), (Z,)),
        Case(lambda la, a: both(la.polar(a)), (TALL,)),
        Case(lambda la, a: both(la.polar(a, side="left")), (TALL,)),
        Case(lambda la, a: both(la.polar(a)), (WIDE,)),
        Case(lambda la, a: both(la.polar(a, side="left")), (WIDE,)),
        Case(lambda la, a: both(la.polar(a)), (2 * np.eye(3),)),
    ],
    "schur": [
        Case(lambda la, a: both(la.schur(a)), (PAIR,)),
        Case(lambda la, a: both(la.schur(a)), (arr(4, 4),)),  # with two pairs
        Case(lambda la, a: both(la.schur(a)), (REAL,)),
        Case(lambda la, a: (lambda t, z: z @ (t @ t) @ z.conj().T)(*la.schur(a)), (Z,)),
        Case(lambda la, a: np.abs(la.schur(a, output="complex")[0]), (arr(3, 3, seed=8),)),
    ],
    "eigh": [
        Case(lambda la, a: both(la.eigh(symmetric(a))), (A,)),
        Case(lambda la, a: np.abs(la.eigh(symmetric(a), lower=False, subset_by_index=(1, 2))[1]), (A,)),
        Case(lambda la, a: la.eigh(symmetric(a), subset_by_value=(0, 5), eigvals_only=True), (A,), batch=False),
        Case(lambda la, a, b: both(la.eigh(symmetric(a), symmetric(b))), (A, S)),
        Case(lambda la, a, b: both(la.eigh(symmetric(a), symmetric(b), lower=False, type=2)), (A, S)),
        Case(lambda la, a, b: both(la.eigh(symmetric(a), symmetric(b), type=3)), (A, S)),
        Case(lambda la, a, b: la.eigh(symmetric(a), symmetric(b), eigvals_only=True), (Z, ZS)),
    ],
    "eigvalsh": [Case(lambda la, a: la.eigvalsh(symmetric(a)), (Z,))],
    "eig": [
        Case(lambda la, a: both(la.eig(a)), (REAL,)),
        Case(lambda la, a: both(la.eig(a)), (Z,)),
        Case(lambda la, a: both(la.eig(a, left=True)), (REAL,)),
        Case(lambda la, a: both(la.eig(a, left=True)), (PAIR,)),
        Case(lambda la, a: both(la.eig(a, left=True)), (Z,)),
        Case(lambda la, a: la.eig(a, left=True, right=False)[1], (REAL,)),
    ],
    "eigvals": [Case(lambda la, a: la.eigvals(a), (arr(3, 3, seed=8),))],
    "eigh_tridiagonal": [
        Case(lambda la, d, e: both(la.eigh_tridiagonal(d, e)), (arr(4), arr(3, seed=1))),
        Case(
            lambda la, d, e: la.eigh_tridiagonal(d, e, eigvals_only=True, select="i", select_range=(1, 2)),
            (arr(4), arr(3, seed=1)),
        ),
    ],
    "eigvalsh_tridiagonal": [Case(lambda la, d, e: la.eigvalsh_tridiagonal(d, e), (arr(4), arr(3, seed=1)))],
    "svd": [
        Case(lambda la, a: both(la.svd(a, full_matrices=False)), (TALL,)),
        Case(lambda la, a: la.svd(a, compute_uv=False), (Z,)),
    ],
    "svdvals": [Case(lambda la, a: la.svdvals(a), (WIDE,))],
    "pinv": [
        Case(lambda la, a: la.pinv(a), (TALL,)),
        Case(lambda la, a: la.pinv(a, return_rank=True)[0], (WIDE,)),
        Case(lambda la, a: la.pinv(a, atol=1e-3), (Z,)),
        Case(lambda la, a: la.pinv(a, atol=1e-3, rtol=1e-3, return_rank=True)[0], (TALL,)),
    ],
    "pinvh": [
        Case(lambda la, a: la.pinvh(symmetric(a)), (A,)),
        Case(lambda la, a: la.pinvh(symmetric(a), atol=1e-3), (Z,)),
    ],
    "lstsq": [
        Case(lambda la, a, b: la.lstsq(a, b)[0], (TALL, arr(4))),
        Case(lambda la, a, b: la.lstsq(a, b)[1], (TALL, arr(4, 2, seed=1))),
        Case(lambda la, a, b: la.lstsq(a, b)[1], (TALL, arr(4))),
        Case(lambda la, a, b: la.lstsq(a, b)[0], (WIDE, arr(2))),
    ],
    "null_space": [Case(lambda la, a: (lambda n: n @ n.T)(la.null_space(a)), (WIDE,))],
    "orth": [Case(lambda la, a: la.orth(a), (TALL,))],
    "orthogonal_procrustes": [
        Case(lambda la, a, b: both(la.orthogonal_procrustes(a, b)), (arr(4, 3), arr(4, 3, seed=1)))
    ],
    "expm": [
        Case(lambda la, a: la.expm(a), (A / 3,)),
        Case(lambda la, a: la.expm(a), (np.stack([np.eye(2), np.array([[1.0, 1.0], [0.0, 1.0]])]),)),
        Case(lambda la, a: la.expm(a), ((A / 3).astype(np.float32),)),
    ],
    "expm_frechet": [Case(lambda la, a, e: la.expm_frechet(a, e), (A / 3, B))],
    "logm": [Case(lambda la, a: la.logm(a), (A,)), Case(lambda la, a: la.logm(a), (Z,))],
    "sqrtm": [Case(lambda la, a: la.sqrtm(a), (A,)), Case(lambda la, a: la.sqrtm(a), (-A,), batch=False)],
    "signm": [Case(lambda la, a: la.signm(a), (REAL,))],
    "fractional_matrix_power": [
        Case(lambda la, a: la.fractional_matrix_power(a, 0.3), (A,)),
        Case(lambda la, a: la.fractional_matrix_power(a, -2), (A,)),
    ],
    "cosm": [Case(lambda la, a: la.cosm(a), (A / 3,)), Case(lambda la, a: la.cosm(a), (Z / 3,))],
    "sinm": [Case(lambda la, a: la.sinm(a), (A / 3,)), Case(lambda la, a: la.sinm(a), (Z / 3,))],
    "tanm": [Case(lambda la, a: la.tanm(a), (A / 9,))],
    "coshm": [Case(lambda la, a: la.coshm(a), (A / 3,))],
    "sinhm": [Case(lambda la, a: la.sinhm(a), (A / 3,))],
    "tanhm": [Case(lambda la, a: la.tanhm(a), (A / 3,))],
    "funm": [
        Case(lambda la, a: la.funm(a, lambda x: x**3 + np.exp(x)), (REAL,)),
        Case(lambda la, a: la.funm(a, np.sin), (PAIR,)),
        Case(lambda la, a: la.funm(a, np.sin), (Z,)),
    ],
    "norm": [Case(lambda la, a: la.norm(a, "nuc"), (A,)), Case(lambda la, a: la.norm(a, 1, axis=0), (A,))],
    "toeplitz": [
        Case(lambda la, c: la.toeplitz(c), (v + 1j * arr(3),)),
        Case(lambda la, c, r: la.toeplitz(c, r), (v, arr(4))),
    ],
    "hankel": [Case(lambda la, c: la.hankel(c), (v,)), Case(lambda la, c, r: la.hankel(c, r), (v, arr(4)))],
    "circulant": [Case(lambda la, c: la.circulant(c), (v,))],
    "companion": [Case(lambda la, a: la.companion(a), (arr(4),))],
    "leslie": [Case(lambda la, f, s: la.leslie(f, s), (v, arr(2)))],
    "convolution_matrix": [
        Case(lambda la, a, k=k: la.convolution_matrix(a, 4, k), (v,)) for k in ("full", "same", "valid")
    ],
    "block_diag": [Case(lambda la, a, b, c: la.block_diag(a, b, c), (A, TALL, v))],
    "khatri_rao": [Case(lambda la, a, b: la.khatri_rao(a, b), (m, TALL))],
    "diagsvd": [Case(lambda la, s: la.diagsvd(s, 3, 5), (v,)), Case(lambda la, s: la.diagsvd(s, 4, 3), (v,))],
}


def check(case: Case) -> None:
    """Value and dtype as SciPy's; forward by differences; reverse, second order, Taylor, replay, vmap, compiled, dependences;
    nothing modified."""
    CHECKED.append(case)
    xs = case.args
    before = [np.array(x) for x in xs]
    f = lambda *a: case.f(linalg, *a)
    theirs = lambda *a: case.f(scipy.linalg, *a)
    expected = theirs(*xs)
    tol = tolerance(xs)
    single = tol["rtol"] > 1e-4
    ts = tuple(direction(x, i) for i, x in enumerate(xs))
    us = tuple(direction(x, 5 + i) for i, x in enumerate(xs))
    close(f(*xs), expected, "value on arrays", rtol=0, atol=0)
    y, t = jvp(f, xs, ts)
    close(y, expected, "value", **tol)
    for a, b in zip(flat(y), flat(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype, f"dtype {np.asarray(a).dtype}, SciPy: {np.asarray(b).dtype}"
    got = np.concatenate([np.ravel(v) for v in flat(t)])
    if not single:
        close(got, differences(theirs, xs, ts), "forward against differences", rtol=1e-6, atol=1e-7)
    g = like(y, 10)
    left, right = pair_of(g, t), pair_of(dualad.vjp(f, *xs)[1](g), ts)
    close(np.real(left), np.real(right), "dot product", **tol)
    forward = lambda *a: jvp(f, a, ts)[1]
    second = jvp(forward, xs, us)[1]
    ff = np.real(pair_of(g, second))
    fr = np.real(pair_of(jvp(lambda *a: vjp(f, *a)[1](g), xs, us)[1], ts))
    rf = np.real(pair_of(vjp(forward, *xs)[1](g), us))
    close(fr, ff, "forward over reverse", **tol)
    close(rf, ff, "reverse over forward", **tol)
    if not single:
        by = differences(lambda *a: np.concatenate([np.ravel(v) for v in flat(forward(*a))]), xs, us)
        got = np.concatenate([np.ravel(v) for v in flat(second)])
        close(got, by, "second order against differences", rtol=1e-6, atol=1e-6)
    along = jvp(forward, xs, ts)[1]
    series = tuple((t, np.zeros_like(x)) for x, t in zip(xs, ts, strict=True))
    close(dualad.jet(f, xs, series)[1][1], along, "second derivative by Taylor mode", **tol)
    with dualad.Tape() as tape:
        out = f(*[tape.watch(x) for x in xs])
    close(tape.replay(out, *xs), expected, "replay", **tol)
    dependences(f, xs)
    with no_faults_of_the_compiler():
        compiled = dualad.jit(f)
        for _ in range(2):
            close(compiled(*xs), expected, "compiled", **tol)
    if case.batch:
        stacked = [np.stack([x, x + direction(x, 20) * np.asarray(0.01, x.dtype)]) for x in xs]
        loop = [f(*[s[k] for s in stacked]) for k in range(2)]
        together = tuple(np.stack(p) for p in zip(*loop, strict=True)) if isinstance(loop[0], tuple) else np.stack(loop)
        close(dualad.vmap(f)(*stacked), together, "vmap", **tol)
    for x, b in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, b, "an argument was modified")


@pytest.mark.parametrize("case", parameters({f"scipy.linalg.{k}": c for k, c in CASES.items()}))
def test_derivatives(case: Case) -> None:
    check(case)


NAMES = [n for n in CASES if hasattr(scipy.linalg, n)]


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_scipys(name: str) -> None:
    assert list(inspect.signature(getattr(linalg, name)).parameters) == list(
        inspect.signature(getattr(scipy.linalg, name)).parameters
    )


def test_names_without_a_rule_work_on_arrays_and_say_so_on_tensors() -> None:
    np.testing.assert_array_equal(linalg.hessenberg(A), scipy.linalg.hessenberg(A))
    assert linalg.LinAlgError is np.linalg.LinAlgError
    with pytest.raises(NotDifferentiable, match="hessenberg"):
        grad(lambda a: linalg.hessenberg(a).sum())(A)


def test_matrix_functions_where_eigenvalues_are_equal() -> None:
    """Against polynomials: at multiples of I and at a Jordan block, first and second derivatives in every mode."""
    jordan = np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 2.0]])
    c = arr(3, 3, seed=5)
    for a in (2 * np.eye(3), jordan, np.diag([2.0, 2.0, 3.0])):
        for f, direct in (
            (lambda a: linalg.sqrtm(a @ a), lambda a: a),
            (lambda a: linalg.logm(linalg.expm(a)), lambda a: a),
            (lambda a: linalg.expm(2 * a), lambda a: linalg.expm(a) @ linalg.expm(a)),
            (lambda a: linalg.polar(linalg.expm(a - a.T))[0], lambda a: linalg.expm(a - a.T)),
        ):
            for d in (grad, jacfwd, hessian, lambda h: jacrev(jacrev(h)), lambda h: jacfwd(jacfwd(h))):
                ours, theirs = (d(lambda a, h=h: (c * h(a)).sum())(a) for h in (f, direct))
                np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-8 * (1 + abs(theirs).max()))


def test_third_derivative_of_expm() -> None:
    a, t = A / 3, B
    line = lambda s: linalg.expm(a + s * t)
    coefficients = scipy.linalg.expm(np.kron(np.eye(4), a) + np.kron(np.eye(4, k=1), t))[:3, 9:]
    np.testing.assert_allclose(dualad.derivative(line, 3)(0.0), 6 * coefficients, rtol=1e-10)


def test_funm_at_equal_eigenvalues_says_what_to_write() -> None:
    with pytest.raises(NotDifferentiable, match="equal eigenvalues"):
        grad(lambda a: linalg.funm(a, np.exp).trace())(np.eye(2))


def test_solve_sylvester_of_complex_and_real_matrices_solves_the_equation() -> None:
    """SciPy 1.17 does not when a is complex and b is real with complex eigenvalues."""
    x = vjp(linalg.solve_sylvester, Z, A, Z)[0]
    np.testing.assert_allclose(Z @ x + x @ A, Z, atol=1e-12)


def test_tridiagonal_and_schur_at_equal_eigenvalues() -> None:
    d, e = np.ones(2), np.zeros(1)
    rise = jvp(lambda e: linalg.eigh_tridiagonal(d, e)[0], (e,), (np.ones(1),))[1]
    np.testing.assert_allclose(rise, [-1, 1], atol=1e-14)
    square = lambda d, e: (linalg.eigvalsh_tridiagonal(d, e) ** 2).sum()
    np.testing.assert_allclose(hessian(square, (0, 1))(d, e)[1][1], [[4.0]], atol=1e-13)
    with pytest.raises(NotDifferentiable, match="equal eigenvalues"):
        grad(lambda a: linalg.schur(a)[0].sum())(np.eye(2))


def test_real_schur_form_of_a_rotation() -> None:
    """Equal diagonal elements do not say which basis its block has."""
    a = np.array([[0.0, 1.0, 0.3], [-1.0, 0.0, 0.2], [0.0, 0.0, 2.0]])
    with pytest.raises(NotDifferentiable, match="rotation"):
        grad(lambda a: linalg.schur(a)[0].sum())(a)
    invariant = lambda a: (lambda t, z: (z @ t @ t @ z.T)[0, 1])(*linalg.schur(a))
    np.testing.assert_allclose(grad(invariant)(PAIR), grad(lambda a: (a @ a)[0, 1])(PAIR), atol=1e-12)


def test_errors() -> None:
    for call, error, message in [
        (lambda a: linalg.solve(a, np.ones(2)), ShapeError, "rows"),
        (lambda a: linalg.solve(a, a, assume_a="nice"), ArgumentError, "assume_a"),
        (lambda a: linalg.expm(a[:2]), ShapeError, "square"),
        (lambda a: linalg.polar(a, "up"), ArgumentError, "side"),
        (lambda a: linalg.qr(a, mode="raw")[0], ArgumentError, "mode"),
        (lambda a: linalg.solve_banded((1, 1), a[:2], a), ShapeError, "rows"),
        (lambda a: linalg.eig(a, a)[0], ArgumentError, "solve"),
        (lambda a: linalg.solve_triangular(a * 0, a), np.linalg.LinAlgError, "ingular"),
    ]:
        with pytest.raises(error, match=message):
            grad(lambda a, call=call: abs(call(a)).sum())(A)


def test_empty_matrices() -> None:
    e = np.empty((0, 0))
    for f in (linalg.expm, linalg.sqrtm, linalg.logm, linalg.inv, lambda a: linalg.solve_triangular(a, a)):
        y, t = jvp(f, (e,), (e,))
        assert y.shape == t.shape == (0, 0)
        assert vjp(f, e)[1](y)[0].shape == (0, 0)
    none = np.empty((0, 3, 3))
    for f in (linalg.expm, linalg.sqrtm, lambda a: linalg.lu(a)[1], lambda a: linalg.polar(a)[1]):
        y, t = jvp(f, (none,), (none,))
        assert y.shape == t.shape == (0, 3, 3)


FUNCTIONS: dict[str, Any] = {
    "expm": lambda la, a: la.expm(a / 3),
    "logm": lambda la, a: la.logm(a),
    "sqrtm": lambda la, a: la.sqrtm(a),
    "polar": lambda la, a: la.polar(a)[0],
    "lu": lambda la, a: la.lu(a)[2],
    "cholesky": lambda la, a: la.cholesky(a @ a.swapaxes(-1, -2).conj()),
    "triangular": lambda la, a: la.solve_triangular(a, a, lower=True),
    "sylvester": lambda la, a: la.solve_sylvester(a, a, a),
}


@pytest.mark.filterwarnings("ignore:logm result")  # SciPy's, in single precision
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(FUNCTIONS)),
    n=st.integers(1, 4),
    lead=st.sampled_from([(), (1,), (2,), (2, 1)]),
    dtype=st.sampled_from([np.float32, np.float64, np.complex64, np.complex128]),
    seed=st.integers(0, 99),
)
def test_drawn_stacks(name: str, n: int, lead: tuple[int, ...], dtype: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, t = (rng.uniform(-1, 1, (*lead, n, n)) + (1j * rng.uniform(-1, 1, (n, n))) for _ in range(2))
    if np.dtype(dtype).kind != "c":
        a, t = a.real, t.real
    a, t = (a + 2.5 * n * np.eye(n)).astype(dtype), t.astype(dtype)
    f = lambda x: FUNCTIONS[name](linalg, x)
    y, dy = jvp(f, (a,), (t,))
    tol = tolerance(a)
    theirs = np.empty_like(y)
    for k in np.ndindex(*lead):
        theirs[k] = FUNCTIONS[name](scipy.linalg, a[k])
    close(y, theirs, "value", **tol)
    g = direction(y, seed)
    left, right = np.sum(g * dy), np.sum(vjp(f, a)[1](g)[0] * t)
    close(np.real(left), np.real(right), "dot product", rtol=tol["rtol"], atol=tol["rtol"] * 10)
    double = a.astype(np.result_type(dtype, np.float64))
    single = tol["rtol"] > 1e-4
    difference = differences(lambda x: np.ravel(f(x)), (double,), (t.astype(double.dtype),))
    close(np.ravel(dy), difference, "forward", rtol=2e-3 if single else 1e-6, atol=1e-3 if single else 1e-7)


NEGATIVE = np.array([[-1.0, 0.0, 0.3], [0.2, 2.0, 0.0], [0.0, 0.1, -3.0]])


@pytest.mark.parametrize("name", ["logm", "sqrtm", "fractional_matrix_power"])
def test_functions_at_eigenvalues_on_the_negative_axis(name: str) -> None:
    """Real eigenvalues that stay real: SciPy's own branch moves smoothly."""
    more = (0.3,) if name == "fractional_matrix_power" else ()
    f = lambda a: getattr(linalg, name)(a, *more)
    t = arr(3, 3, seed=5)
    y, moved = jvp(f, (NEGATIVE,), (t,))
    theirs = lambda a: getattr(scipy.linalg, name)(a, *more)
    np.testing.assert_allclose(y, theirs(NEGATIVE), rtol=1e-12, atol=1e-13)
    h = 1e-5
    expected = (theirs(NEGATIVE + h * t) - theirs(NEGATIVE - h * t)) / (2 * h)
    np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=1e-8)
    g = np.ones((3, 3)) + 0.5j
    back = vjp(f, NEGATIVE)[1](g)[0]
    np.testing.assert_allclose(np.sum(back * t), np.real(np.sum(g * moved)), rtol=1e-10)


@pytest.mark.parametrize("name", ["logm", "sqrtm", "fractional_matrix_power"])
def test_functions_of_singular_matrices_have_no_derivative(name: str) -> None:
    more = (0.3,) if name == "fractional_matrix_power" else ()
    for a in (np.diag([0.0, 1.0]), np.zeros((2, 2)), np.array([[1.0, 2.0], [2.0, 4.0]])):
        with pytest.raises(NotDifferentiable, match=f"{name}: this matrix is singular"):
            jvp(lambda a: getattr(linalg, name)(a, *more), (a,), (np.ones((2, 2)),))


def test_dtypes_and_ranks_are_scipys_and_numpys() -> None:
    a = np.array([[2.0, 1.0], [0.5, 3.0]], np.float32)
    assert jvp(linalg.det, (a,), (a,))[0].dtype == scipy.linalg.det(a).dtype == np.float64
    assert vjp(linalg.det, a)[1](np.float64(1.0))[0].dtype == np.float32
    rank = jvp(lambda a: dualad.numpy.linalg.lstsq(a, np.ones(2)), (a,), (a,))[0][2]
    assert rank.dtype == np.linalg.lstsq(a, np.ones(2))[2].dtype


def test_left_eigenvectors_by_what_they_determine() -> None:
    """Projectors onto eigenspaces, which no scaling changes: all modes and second order against differences, real and complex."""
    c = arr(3, seed=30)

    def f(la: Any, a: Any) -> Any:
        w, vl, vr = la.eig(a, left=True)
        return (vr / (vl.conj() * vr).sum(-2)) * c * np.exp(w) @ vl.conj().swapaxes(-1, -2)

    ours = lambda a: f(linalg, a)
    for a in (REAL, PAIR, Z):
        t, s = (direction(a, k) for k in (1, 2))
        forward = lambda x, t=t: jvp(ours, (x,), (t,))[1]
        np.testing.assert_allclose(
            np.ravel(forward(a)), differences(lambda x: f(scipy.linalg, x), (a,), (t,)), atol=1e-7
        )
        second = jvp(forward, (a,), (s,))[1]
        np.testing.assert_allclose(np.ravel(second), differences(forward, (a,), (s,)), atol=1e-6)
        stack = np.stack([a, a + 0.01 * t])
        np.testing.assert_allclose(dualad.vmap(ours)(stack), [f(scipy.linalg, x) for x in stack], atol=1e-12)
    w, vl = linalg.eig(Z, left=True, right=False)
    np.testing.assert_allclose(vl.conj().T @ Z, w[:, None] * vl.conj().T, atol=1e-12)


def test_recordings_replay_at_other_values() -> None:
    """What is read off values (the rank, reality, the sign of vectors) is part of the recording, or no part of it."""
    for f, x, other in (
        (lambda a: linalg.pinv(a, atol=0.1), TALL, WIDE.T.copy()),
        (lambda a: linalg.pinv(a, atol=0.1), np.diag([2.0, 1.0]), np.diag([2.0, 0.01])),
        (lambda a: linalg.pinvh(a, atol=0.1), S, S + np.eye(3)),
        (lambda a: linalg.eig(a, left=True), REAL, -REAL.T),
        (lambda a: linalg.funm(a, np.exp), REAL, -REAL.T),
        (lambda z: np.poly(z), Z[0], Z[1]),
        (lambda a: np.poly(a), Z, Z.T + 1j * S),
    ):
        with dualad.Tape() as tape:
            out = f(tape.watch(x))
        theirs = [np.asarray(y) for y in flat(tape.replay(out, other))]
        for ours, there in zip(flat(f(other)), theirs, strict=True):
            np.testing.assert_allclose(ours, there, rtol=1e-9, atol=1e-12)


def test_batches_in_which_only_some_results_are_real() -> None:
    a = np.stack([REAL, PAIR])
    y = dualad.vmap(lambda a: linalg.funm(a, np.sqrt))(a)
    np.testing.assert_allclose(y, [scipy.linalg.sqrtm(x) for x in a], atol=1e-10)
    z = np.array([[1.0, 1j, -1j], [1.0, 2j, 1j]])
    np.testing.assert_allclose(dualad.vmap(np.poly)(z), [np.poly(x) for x in z], atol=1e-12)
    with pytest.raises(NotDifferentiable, match="equal eigenvalues"):
        dualad.vmap(lambda a: linalg.funm(a, np.exp))(np.stack([REAL, np.eye(3)]))
