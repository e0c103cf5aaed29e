"""Products, einsum, convolution."""

from __future__ import annotations

import inspect
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
        Case(lambda np, a, b: np.einsum("...i,j...", a, b), (arr(2, 3), arr(4, 2, seed=1))),
        Case(lambda np, a, b: np.einsum("ij,jk->ik", a, b), (arr(2, 1), arr(3, 2, seed=1))),
        Case(lambda np, a, b: np.einsum(a, [..., 0], b, [0, 1], [..., 1]), (arr(2, 3), arr(3, 2, seed=1))),
        Case(lambda np, a, b: np.einsum("iik,kj", a, b), (arr(2, 2, 3), arr(3, 2, seed=1))),
    ],
    "convolve": [
        Case(lambda np, a, v: np.convolve(a, v), (arr(5), arr(3, seed=1))),
        Case(lambda np, a, v: np.convolve(a, v, "same"), (arr(3), arr(6, seed=1))),
        Case(lambda np, a, v: np.convolve(a, v, "valid"), (arr(5), arr(2, seed=1))),
    ],
    "linalg.cross": [Case(lambda np, a, b: np.linalg.cross(a, b), (arr(2, 3), arr(3, seed=1)))],
    "linalg.outer": [Case(lambda np, a, b: np.linalg.outer(a, b), (arr(2), V))],
    "linalg.trace": [Case(lambda np, a: np.linalg.trace(a, offset=1), (arr(2, 3, 3),))],
    "linalg.diagonal": [Case(lambda np, a: np.linalg.diagonal(a, offset=-1), (arr(2, 3, 3),))],
    "linalg.matmul": [Case(lambda np, a, b: np.linalg.matmul(a, b), (A, B))],
    "linalg.tensordot": [Case(lambda np, a, b: np.linalg.tensordot(a, b, axes=1), (A, B))],
    "linalg.vecdot": [Case(lambda np, a, b: np.linalg.vecdot(a, b, axis=0), (A, A + 1))],
    "linalg.matrix_transpose": [Case(lambda np, a: np.linalg.matrix_transpose(a), (A,))],
    "correlate": [
        Case(lambda np, a, v: np.correlate(a, v, "full"), (Z[0], Z[1, :2])),
        Case(lambda np, a, v: np.correlate(a, v), (arr(5), arr(3, seed=1))),
        Case(lambda np, a, v: np.correlate(a, v, "full"), (arr(5), arr(3, seed=1))),
        Case(lambda np, a, v: np.correlate(a, v, "same"), (arr(5), arr(3, seed=1))),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(5, 3), (5, 4), (3, 5), (4, 5), (4, 4), (1, 3), (6, 2)])
def test_convolve_and_correlate_have_numpys_values(mode: str, n: int, m: int) -> None:
    a, v = arr(n), arr(m, seed=1)
    tracked = lambda f: dualad.jvp(f, (a,), (a,))[0]  # plain arrays go to NumPy itself
    np.testing.assert_allclose(tracked(lambda x: np.convolve(x, v, mode)), np.convolve(a, v, mode))
    np.testing.assert_allclose(tracked(lambda x: np.correlate(x, v, mode)), np.correlate(a, v, mode))


def test_convolve_of_complex_and_batched_vectors() -> None:
    v = arr(2, seed=1)
    np.testing.assert_allclose(dualad.vmap(lambda x: np.convolve(x, v))(A), [np.convolve(a, v) for a in A])
    np.testing.assert_allclose(dualad.vmap(lambda x: np.convolve(v, x))(A), [np.convolve(v, a) for a in A])
    np.testing.assert_allclose(
        jacobian(lambda x: np.correlate(x, v, "same"))(A[0]).T, [np.correlate(e, v, "same") for e in np.eye(4)]
    )


NAMES = [
    "convolve", "correlate", "cross", "dot", "einsum_path", "inner", "kron", "outer", "tensordot", "trace", "vdot",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_numpys(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (dualad.numpy, np))
    if name != "einsum_path":
        assert list(ours) == list(theirs)
        assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def test_ufunc_keywords() -> None:
    def f(x: Any) -> Any:
        out = dualad.numpy.zeros(3)
        np.matvec(np.eye(3), x, out=out)
        return np.vecdot(out, out) + np.vecmat(x, np.eye(3), out=out).sum()

    np.testing.assert_allclose(grad(f)(np.arange(3.0)), 2 * np.arange(3.0) + 1)
    with pytest.raises(ArgumentError, match="axes"):
        grad(lambda x: np.vecdot(x, x, axes=[(0,), (0,), ()]))(np.ones(3))


def test_plain_arguments_are_numpys() -> None:
    for f in (
        lambda m: m.dot([1, 2], [3, 4]),
        lambda m: m.einsum("i,i", [1, 2], [3, 4]),
        lambda m: m.trace([[1, 2], [3, 4]], dtype=np.float32),
        lambda m: m.convolve([1, 2], [3, 4]),
        lambda m: m.kron(2, [1, 2]),
        lambda m: m.vecdot([1, 2], [3, 4]),
    ):
        ours, theirs = f(dualad.numpy), f(np)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_looking_at_shapes_only() -> None:
    def f(x: Any) -> Any:
        assert np.einsum_path("ij,jk,k", x, x, x[0])[0][0] == "einsum_path"
        return x.sum()

    grad(f)(np.eye(2))


def test_trace_in_another_precision() -> None:
    assert grad(lambda x: np.trace(x, dtype=np.float32))(np.eye(2)).dtype == np.float64
    assert dualad.jvp(lambda x: np.trace(x, dtype=np.float32), (np.eye(2),), (np.eye(2),))[1].dtype == np.float32


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
        (lambda v: np.matvec(v, v), ShapeError, "axes"),
        (lambda v: np.linalg.outer(v, np.ones((2, 2))), ShapeError, "vectors"),
        (lambda v: np.linalg.cross(v[:2], v[:2]), ShapeError, "3 components"),
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
