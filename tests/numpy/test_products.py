"""Products, einsum, convolution, polynomials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, ShapeError, UntrackedError, grad, jacobian
from tests.functions import Case, arr, check, parameters

A, B, V = arr(3, 4), arr(4, 2, seed=1), arr(4, seed=2)
Z = arr(3, 4) + 1j * arr(3, 4, seed=5)

CASES: dict[str, list[Case]] = {
    "dot": [
        Case(lambda np, a, b: np.dot(a, b), (A, B)),
        Case(lambda np, a, b: np.dot(a, b), (V, V + 1)),
        Case(lambda np, a, b: np.dot(a, b), (arr(2, 3, 4), arr(5, 4, 2, seed=3))),
        Case(lambda np, a, b: np.dot(a, b), (arr(), A)),
    ],
    "inner": [Case(lambda np, a, b: np.inner(a, b), (A, arr(2, 4, seed=3)))],
    "outer": [Case(lambda np, a, b: np.outer(a, b), (V, arr(2, 2)))],
    "matmul": [Case(lambda np, a, b: np.matmul(a, b), (arr(2, 3, 4), B))],
    "vdot": [Case(lambda np, a, b: np.vdot(a, b), (A, A * 2)), Case(lambda np, a, b: np.vdot(a, b), (Z, Z[::-1]))],
    "vecdot": [Case(lambda np, a, b: np.vecdot(a, b), (A, V)), Case(lambda np, a, b: np.vecdot(a, b), (Z, Z[::-1]))],
    "matvec": [Case(lambda np, a, b: np.matvec(a, b), (A, V))],
    "vecmat": [Case(lambda np, a, b: np.vecmat(a, b), (V, B))],
    "tensordot": [
        Case(lambda np, a, b: np.tensordot(a, b, 1), (A, B)),
        Case(lambda np, a, b: np.tensordot(a, b, axes=([0, 2], [1, 0])), (arr(2, 3, 4), arr(4, 2, seed=3))),
    ],
    "kron": [Case(lambda np, a, b: np.kron(a, b), (A, B)), Case(lambda np, a, b: np.kron(a, b), (V, B))],
    "cross": [
        Case(lambda np, a, b: np.cross(a, b), (arr(2, 3), arr(3, seed=1))),
        Case(lambda np, a, b: np.cross(a, b, axis=0), (arr(3, 2), arr(3, 2, seed=1))),
    ],
    "trace": [
        Case(lambda np, a: np.trace(a, 1), (A,)),
        Case(lambda np, a: np.trace(a, axis1=1, axis2=2), (arr(2, 3, 3),)),
    ],
    "einsum": [
        Case(lambda np, a, b: np.einsum("ij,jk", a, b), (A, B)),
        Case(lambda np, a: np.einsum("ii->i", a), (arr(3, 3),)),
        Case(lambda np, a: np.einsum("iij->j", a), (arr(3, 3, 2),)),
        Case(lambda np, a, b: np.einsum("...ij,...j->...i", a, b), (arr(2, 3, 4), V)),
        Case(lambda np, a, b, c: np.einsum("ij,jk,k->", a, b, c), (A, B, arr(2))),
        Case(lambda np, a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), (A, B)),
        Case(lambda np, a, b: np.einsum("ij,ij->i", a, b), (Z, Z[::-1])),
    ],
    "convolve": [
        Case(lambda np, a, v: np.convolve(a, v), (arr(5), arr(3, seed=1))),
        Case(lambda np, a, v: np.convolve(a, v, "same"), (arr(3), arr(6, seed=1))),
        Case(lambda np, a, v: np.convolve(a, v, "valid"), (arr(5), arr(2, seed=1))),
    ],
    "correlate": [
        Case(lambda np, a, v: np.correlate(a, v), (arr(5), arr(3, seed=1))),
        Case(lambda np, a, v: np.correlate(a, v, "full"), (arr(5), arr(3, seed=1))),
        Case(lambda np, a, v: np.correlate(a, v, "same"), (arr(5), arr(3, seed=1))),
    ],
    "polyval": [Case(lambda np, p, x: np.polyval(p, x), (arr(4), arr(3, seed=1)))],
    "polyadd": [Case(lambda np, p, q: np.polyadd(p, q), (arr(4), arr(2, seed=1)))],
    "polysub": [Case(lambda np, p, q: np.polysub(p, q), (arr(2), arr(4, seed=1)))],
    "polymul": [Case(lambda np, p, q: np.polymul(p, q), (arr(4), arr(2, seed=1)))],
    "polyder": [Case(lambda np, p: np.polyder(p, 2), (arr(5),))],
    "polyint": [Case(lambda np, p: np.polyint(p), (arr(3),))],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(5, 3), (5, 4), (3, 5), (4, 5), (4, 4), (1, 3), (6, 2)])
def test_convolve_and_correlate_have_numpys_values(mode: str, n: int, m: int) -> None:
    a, v = arr(n), arr(m, seed=1)
    np.testing.assert_allclose(dualad.numpy.convolve(a, v, mode), np.convolve(a, v, mode))
    np.testing.assert_allclose(dualad.numpy.correlate(a, v, mode), np.correlate(a, v, mode))


def test_plain_matrix_and_tensor() -> None:
    a = arr(2, 3)
    np.testing.assert_array_equal(jacobian(lambda x: np.dot(a, x))(np.ones(3)), a)
    np.testing.assert_array_equal(jacobian(lambda x: x.dot(a))(np.ones(2)), a.T)
    with pytest.raises(UntrackedError, match="dualad"):
        jacobian(lambda x: a.dot(x))(np.ones(3))


def test_errors() -> None:
    x = np.ones(3)
    for call, error, message in [
        (lambda v: np.dot(np.ones((2, 4)), v), ShapeError, "not aligned"),
        (lambda v: np.einsum("ij,j->i", np.ones((2, 4)), v), ShapeError, "sizes"),
        (lambda v: np.einsum("i,j->k", v, v), ArgumentError, "output"),
        (lambda v: np.einsum("i", v, v), ArgumentError, "operands"),
        (lambda v: np.cross(v[:1], v), ShapeError, "components"),
        (lambda v: np.convolve(v, v, "half"), ArgumentError, "mode"),
        (lambda v: np.tensordot(v, np.ones(4), 1), ShapeError, "size"),
    ]:
        with pytest.raises(error, match=message):
            grad(lambda v, call=call: call(v).sum())(x)


def test_empty() -> None:
    assert jacobian(lambda v: np.dot(np.ones((2, 0)), v))(np.empty(0)).shape == (2, 0)
    np.testing.assert_array_equal(grad(lambda v: np.einsum("i,i->", v, v))(np.empty(0)), np.empty(0))


def test_out_is_a_buffer() -> None:
    def f(x: Any) -> Any:
        out = dualad.numpy.zeros(2)
        np.dot(np.ones((2, 3)), x, out=out)
        return (out * out).sum()

    np.testing.assert_allclose(grad(f)(np.arange(3.0)), [12, 12, 12])
