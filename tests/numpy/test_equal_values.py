"""Factors at equal eigenvalues and singular values: all second derivatives, and Taylor series, of what the factors determine.

Oracles: the same functions without a factorization (expm, polar, signm, products), and 50-digit differences by mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import dualad
from dualad import grad, hessian, hvp, jacfwd, jacrev, jet, jit, jvp, laplacian, vmap
from dualad.scipy import linalg as sl

RNG = np.random.default_rng(0)
Q, R = (np.linalg.qr(RNG.normal(size=(3, 3)))[0] for _ in range(2))
EYE = np.eye(3)
COMPOSITIONS: dict[str, Callable[[Any], Any]] = {
    "forward over reverse": lambda f: jacfwd(jacrev(f)),
    "reverse over forward": lambda f: jacrev(jacfwd(f)),
    "reverse over reverse": lambda f: jacrev(jacrev(f)),
    "forward over forward": lambda f: jacfwd(jacfwd(f)),
    "hessian": hessian,
}


def half(a: Any) -> Any:
    return (a + np.swapaxes(a, -1, -2).conj()) / 2


C = half(RNG.normal(size=(3, 3)))
HERMITIAN = {
    "identity": EYE,
    "a pair": np.diag([1.0, 1.0, 2.0]),
    "a rotated pair": half(Q @ np.diag([1.0, 1.0, 2.0]) @ Q.T),
    "zero": np.zeros((3, 3)),
}
GENERAL = {"identity": EYE, "orthogonal": 2 * Q, "a pair": Q @ np.diag([3.0, 1.0, 1.0]) @ R.T}


def of_eigenvalues(h: Any) -> Any:
    def f(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return v * h(w) @ v.conj().T

    return f


def of_singular_values(h: Any) -> Any:
    def f(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return u * h(s) @ vh

    return f


def cube(a: Any) -> Any:
    return a @ a.conj().T @ a


def projector(a: Any) -> Any:
    v = np.linalg.eigh(a)[1][:, :2]
    return v @ v.T


def projector_by_sign(a: Any) -> Any:
    return (EYE - sl.signm(half(a) - 1.5 * EYE)) / 2


EIGENVALUES: dict[str, Any] = {
    "sum of cubes": (lambda a: (np.linalg.eigvalsh(a) ** 3).sum(), lambda a: np.trace(half(a) @ half(a) @ half(a))),
    "squares of elements": (lambda a: (of_eigenvalues(lambda w: w)(a) ** 2).sum(), lambda a: (half(a) ** 2).sum()),
    "exponential": (lambda a: (of_eigenvalues(np.exp)(a) * C).sum(), lambda a: (sl.expm(half(a)) * C).sum()),
    "of slope 0": (
        lambda a: (of_eigenvalues(lambda w: (w - 1) ** 2)(a) * C).sum(),
        lambda a: ((half(a) - EYE) @ (half(a) - EYE) * C).sum(),
    ),
    "nonlinear in an element": (
        lambda a: np.sin(of_eigenvalues(np.exp)(a)[0, 1]),
        lambda a: np.sin(sl.expm(half(a))[0, 1]),
    ),
    "with a constant": (
        lambda a: (lambda w, v: np.exp(w.sum()) * (v @ v.T * C).sum())(*np.linalg.eigh(a)),
        lambda a: np.exp(np.trace(a)) * C.trace(),
    ),
}
BLOCKS: dict[str, Any] = {
    "projector": (lambda a: (projector(a) * C).sum(), lambda a: (projector_by_sign(a) * C).sum()),
    "projector times trace": (
        lambda a: (projector(a) * C).sum() * (np.linalg.eigvalsh(a)[:2] ** 3).sum(),
        lambda a: (lambda p: (p * C).sum() * np.trace(p @ half(a) @ half(a) @ half(a)))(projector_by_sign(a)),
    ),
}
SINGULAR: dict[str, Any] = {
    "nuclear norm": (lambda a: np.linalg.norm(a, "nuc"), lambda a: sl.polar(a)[1].trace()),
    "polar factor": (lambda a: (of_singular_values(np.ones_like)(a) * C).sum(), lambda a: (sl.polar(a)[0] * C).sum()),
    "cubes": (lambda a: (of_singular_values(lambda s: s**3)(a) * C).sum(), lambda a: (cube(a) * C).sum()),
    "logarithms": (lambda a: np.log(np.linalg.svdvals(a)).sum(), lambda a: np.linalg.slogdet(a)[1]),
}
CASES = [
    pytest.param(f, direct, m, id=f"{name}, {point}")
    for functions, points in (
        (EIGENVALUES, HERMITIAN),
        (BLOCKS, {k: v for k, v in HERMITIAN.items() if "pair" in k}),
        (SINGULAR, GENERAL),
    )
    for name, (f, direct) in functions.items()
    for point, m in points.items()
]


@pytest.mark.parametrize(("f", "direct", "m"), CASES)
def test_every_composition(f: Any, direct: Any, m: Any) -> None:
    np.testing.assert_allclose(grad(f)(m), jacfwd(f)(m), atol=1e-12)
    np.testing.assert_allclose(grad(f)(m), grad(direct)(m), atol=1e-10)
    expected = hessian(direct)(m)
    for name, d in COMPOSITIONS.items():
        np.testing.assert_allclose(d(f)(m), expected, atol=1e-10, err_msg=name)


def test_values_are_matrices() -> None:
    exp, direct = of_eigenvalues(np.exp), lambda a: sl.expm(half(a))
    for m in (np.eye(2), np.diag([1.0, 2.0, 1.0])):
        for d in (
            jacfwd,
            jacrev,
            *[c for n, c in COMPOSITIONS.items() if n not in ("hessian", "reverse over reverse")],
        ):
            np.testing.assert_allclose(d(exp)(m), d(direct)(m), atol=1e-10)


def high(a: Any) -> Any:
    return mpmath.matrix(a.tolist())


def mixed_difference(f: Any, a: Any, t: Any, s: Any) -> float:
    """f''(a) (t, s), in 50 digits."""
    with mpmath.workdps(50):
        h = mpmath.mpf(10) ** -10
        a, t, s = high(a), high(t), high(s)
        corners = [i * j * f(a + i * h * t + j * h * s) for i in (1, -1) for j in (1, -1)]
        return float(sum(corners) / (4 * h * h))


def inner(x: Any) -> Any:
    return sum(x[i, j] * C[i, j] for i in range(3) for j in range(3))


@pytest.mark.parametrize("point", ["identity", "a pair", "a rotated pair"])
def test_against_fifty_digits(point: str) -> None:
    """exp by its series, and the nuclear norm by a square root: along one pair of directions, in all compositions."""
    t, s = half(RNG.normal(size=(3, 3))), half(RNG.normal(size=(3, 3)))
    root = lambda x: sum(mpmath.mpf(1) * mpmath.sqrtm(x.T * x)[i, i] for i in range(3))
    for f, exact, m in (
        (EIGENVALUES["exponential"][0], lambda x: inner(mpmath.expm(x, method="taylor")), HERMITIAN[point]),
        (SINGULAR["nuclear norm"][0], root, HERMITIAN[point] @ Q),
    ):
        expected = mixed_difference(exact, m, t, s)
        along = lambda g, d, m=m: jvp(g, (m,), (d,))[1]
        for second in (
            (hvp(f, m, t) * s).sum(),
            (grad(lambda a, f=f: (grad(f)(a) * t).sum())(m) * s).sum(),
            (grad(lambda a, f=f: jvp(f, (a,), (t,))[1])(m) * s).sum(),
            along(lambda a, f=f: jvp(f, (a,), (t,))[1], s),
        ):
            np.testing.assert_allclose(second, expected, rtol=1e-9)


def series_of(f: Any, terms: Any) -> Any:
    return jet(f, (terms[0],), (terms[1:],))[1]


@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("m", [*HERMITIAN.values(), *GENERAL.values(), np.diag([1.0, 0.0, 0.0])])
def test_taylor_series(m: Any, complex: bool) -> None:
    """Equal values that part at the first order, at the second, at the third, or not at all."""
    terms = [RNG.normal(size=(4, 3, 3)) + (1j * RNG.normal(size=(4, 3, 3)) if complex else 0)][0]
    curves = [
        [m, *terms],
        [m, EYE, *terms[1:]],
        [m, 0 * m, *terms[:3]],
        [m, m @ m, m, *terms[:2]],
        [m, EYE, m, EYE, EYE],
    ]
    for curve in curves:
        curve = [c.astype(terms.dtype) for c in curve]
        expected = series_of(cube, curve)
        for a, b in zip(series_of(of_singular_values(lambda s: s**3), curve), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.max(abs(np.array(expected))))
        if np.array_equal(m, m.T):
            curve = [half(c) for c in curve]
            expected = series_of(lambda a: sl.expm(half(a)), curve)
            for a, b in zip(series_of(of_eigenvalues(np.exp), curve), expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9 * np.max(abs(np.array(expected))))


@pytest.mark.parametrize("shape", [(4, 2), (2, 4)])
@pytest.mark.parametrize("values", [(1.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_rectangular_matrices_and_singular_values_zero(shape: tuple[int, int], values: tuple[float, float]) -> None:
    for scale in (1.0, 1j):
        m, *terms = (RNG.normal(size=shape) + scale * RNG.normal(size=shape) for _ in range(5))
        m[:] = 0
        m[0, 0], m[1, 1] = values
        f = of_singular_values(lambda s: s**3)
        np.testing.assert_allclose(jvp(f, (m,), (terms[0],))[1], jvp(cube, (m,), (terms[0],))[1], atol=1e-12)
        whole = lambda a: of_singular_values(lambda s: s)(a)
        np.testing.assert_allclose(jvp(whole, (m,), (terms[0],))[1], terms[0], atol=1e-12)
        for a, b in zip(series_of(f, [m, *terms]), series_of(cube, [m, *terms]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-9 * (1 + np.max(abs(b))))
        if scale == 1.0:
            weights = RNG.normal(size=shape)
            g, direct = lambda a: (f(a) * weights).sum(), lambda a: (cube(a) * weights).sum()
            for name, d in COMPOSITIONS.items():
                np.testing.assert_allclose(d(g)(m), d(direct)(m), atol=1e-10, err_msg=name)


def test_complex_hermitian_matrices() -> None:
    u = np.linalg.qr(RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3)))[0]
    m = half(u @ np.diag([2.0, 2.0, 5.0]) @ u.conj().T)
    c = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))
    t, s = (half(RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))) for _ in range(2))
    f = lambda a: (of_eigenvalues(np.exp)(a) * c).sum().real
    direct = lambda a: (sl.expm(half(a)) * c).sum().real
    gradient = lambda h: lambda a: dualad.vjp(h, a)[1](1.0)[0]
    for d in (
        lambda h: gradient(h)(m),
        lambda h: jvp(gradient(h), (m,), (t,))[1],
        lambda h: jvp(lambda a: jvp(h, (a,), (t,))[1], (m,), (s,))[1],
        lambda h: gradient(lambda a: jvp(h, (a,), (t,))[1])(m),
        lambda h: gradient(lambda a: (gradient(h)(a) * t).sum().real)(m),
    ):
        np.testing.assert_allclose(d(f), d(direct), atol=1e-9)


@pytest.mark.parametrize(
    "f",
    [
        lambda a: np.linalg.eigvalsh(a)[0],
        lambda a: np.linalg.svdvals(a)[0],
        lambda a: np.linalg.eigh(a)[1][0, 0],
        lambda a: np.linalg.svd(a)[0][0, 1],
        lambda a: (np.linalg.eigvals(a) ** 2).sum(),
    ],
)
def test_what_has_no_second_derivative_is_refused(f: Any) -> None:
    for d in COMPOSITIONS.values():
        with pytest.raises(dualad.NotDifferentiable, match="equal eigenvalues"):
            d(f)(2 * np.eye(2))
        assert np.isfinite(d(f)(np.diag([2.0, 1.0]))).all()


@pytest.mark.parametrize("name", EIGENVALUES)
def test_what_is_captured(name: str) -> None:
    """Second derivatives in a tensor that the function captures, in a list or by a method, or takes as another argument."""
    f, direct = EIGENVALUES[name]
    t = half(RNG.normal(size=(3, 3)))
    d = dualad.vjp

    class Scaled:
        def __init__(self, h: Any, c: Any) -> None:
            self.h, self.held = h, [c]

        def __call__(self, x: Any) -> Any:
            return self.h(self.held[0] * x)

    def inners(h: Any) -> list[Any]:
        return [
            lambda c: (d(lambda x: h(c * x), EYE)[1](1.0)[0] * t).sum(),
            lambda c: jvp(lambda x: h(c * x), (EYE,), (t,))[1],
            lambda c: jvp(Scaled(h, c), (EYE,), (t,))[1],
            lambda c: (grad(lambda x, c: h(c * x))(EYE, c) * t).sum(),
            lambda c: (grad(lambda x: h(c * x + c * c * t))(EYE) * t).sum(),
        ]

    for k, (ours, theirs) in enumerate(zip(inners(f), inners(direct), strict=True)):
        expected = grad(theirs)(2.0)
        if k == 4:  # other eigenvalues
            np.testing.assert_allclose(grad(ours)(0.0), grad(theirs)(0.0), atol=1e-10)
            continue
        np.testing.assert_allclose(grad(ours)(2.0), expected, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(jvp(ours, (2.0,), (1.0,))[1], expected, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(jit(grad(ours))(2.0), expected, rtol=1e-9, atol=1e-10)


def test_large_matrices_are_refused_element_by_element() -> None:
    f = lambda a: of_eigenvalues(np.exp)(a)[0, 1]
    with pytest.raises(dualad.NotDifferentiable, match="the vectors enter together with the values"):
        grad(f)(np.eye(40))
    assert np.isfinite(grad(lambda a: np.linalg.eigvalsh(a).sum())(np.eye(40))).all()


def test_third_derivatives() -> None:
    f, direct = EIGENVALUES["sum of cubes"]
    small = np.eye(2)
    for d in (lambda h: jacfwd(hessian(h)), lambda h: jacrev(hessian(h)), lambda h: jacfwd(jacrev(jacfwd(h)))):
        np.testing.assert_allclose(d(f)(small), d(direct)(small), atol=1e-10)
    with pytest.raises(dualad.NotDifferentiable, match="equal eigenvalues"):
        jacfwd(jacfwd(jacfwd(f)))(small)


def test_stacks_and_recordings() -> None:
    f, direct = (lambda a: (np.linalg.eigvalsh(a) ** 3).sum()), lambda a: np.trace(half(a) @ half(a) @ half(a))
    points = [np.diag([1.0, 3.0]), np.eye(2), np.zeros((2, 2))]
    both = np.stack(points)
    for name, d in COMPOSITIONS.items():
        np.testing.assert_allclose(vmap(d(f))(both), vmap(d(direct))(both), atol=1e-11, err_msg=name)
        for order in (points, points[::-1]):
            compiled = jit(d(f))
            for m in order:
                np.testing.assert_allclose(compiled(m), d(direct)(m), atol=1e-11, err_msg=name)
    exp, expm = of_eigenvalues(np.exp), lambda a: sl.expm(half(a))
    for first in (jacfwd, jacrev):
        for order in (points, points[::-1]):
            compiled = jit(first(exp))
            for m in order:
                np.testing.assert_allclose(compiled(m), first(expm)(m), atol=1e-11)


def test_laplacian() -> None:
    for m in HERMITIAN.values():
        for name in ("sum of cubes", "exponential"):
            f, direct = EIGENVALUES[name]
            np.testing.assert_allclose(laplacian(f)(m), laplacian(direct)(m), atol=1e-10)
    with pytest.raises(dualad.NotDifferentiable, match="equal eigenvalues"):
        laplacian(lambda a: np.linalg.eigvalsh(a)[0])(EYE)
