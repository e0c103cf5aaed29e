"""Making arrays: sequences with tensors in them, buffers, ranges, grids, and what is asked of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, ShapeError, UntrackedError, grad, jacfwd, jacrev, jvp, vmap
from tests.functions import Case, arr, check, parameters

dnp = dualad.numpy
X = arr(2, 3)
V = arr(3)
S = arr()

CASES: dict[str, list[Case]] = {
    "linspace": [
        Case(lambda np, a, b: np.linspace(a, b, 5), (S, arr(seed=1))),
        Case(lambda np, a, b: np.linspace(a, b, 4, endpoint=False, axis=-1), (V, arr(2, 1))),
        Case(lambda np, a: np.linspace(a, 2.0, 3, retstep=True)[1], (S,)),
    ],
    "logspace": [Case(lambda np, a, b: np.logspace(a, b, 4), (S, arr(seed=1)))],
    "geomspace": [
        Case(lambda np, a, b: np.geomspace(a, b, 4), (arr(lo=0.5), arr(seed=1, lo=0.5))),
        Case(lambda np, a: np.geomspace(a, -8.0, 4, endpoint=False), (arr(2, lo=-3, hi=-1),)),
    ],
    "meshgrid": [
        Case(lambda np, x, y: tuple(np.meshgrid(x, y)), (V, arr(2))),
        Case(lambda np, x, y, z: tuple(np.meshgrid(x, y, z, indexing="ij", sparse=True)), (V, arr(2), arr(1))),
    ],
    "vander": [
        Case(lambda np, x: np.vander(x), (V,)),
        Case(lambda np, x: np.vander(x, 4, increasing=True), (np.array([0.5, 1.0, -2.0]),)),
    ],
    "zeros_like": [Case(lambda np, x: np.zeros_like(x) + x, (X,))],
    "ones_like": [Case(lambda np, x: np.ones_like(x) * x, (X,))],
    "full_like": [Case(lambda np, x: np.full_like(x, 2.0) * x, (X,))],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


# Sequences --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda n, x: n.array([x[0], x[1] ** 2, 3.0]),
        lambda n, x: n.array([[x[0], 1], [2, x[1]]]),
        lambda n, x: n.array([x, x * x]),
        lambda n, x: n.array(([x[0]], [x[1] + 1j])),
        lambda n, x: n.asarray([[x, [1.0, 2.0]], [[0, 0], x]]),
        lambda n, x: n.array([x[0], 2], ndmin=3),
        lambda n, x: n.array([x[0], 2.0], dtype=np.float32),
    ],
)
def test_arrays_of_tensors(f: Any) -> None:
    x = np.array([2.0, 3.0])
    expected = f(np, x)
    for y in (
        jvp(lambda v: f(dnp, v), (x,), (x,))[0],
        dualad.vjp(lambda v: f(dnp, v), x)[0],
        vmap(lambda v: f(dnp, v))(x[None])[0],
        f(dnp, x),
    ):
        np.testing.assert_array_equal(y, expected)
        assert y.dtype == expected.dtype
    np.testing.assert_allclose(
        jacfwd(lambda v: f(dnp, v).real.sum())(x), jacrev(lambda v: f(dnp, v).real.sum())(x), rtol=1e-6
    )


def test_a_list_as_an_operand() -> None:
    f = lambda x: ([x, x**2] * (x * 0 + np.ones(2))).sum() + ((x - x) + [x, 1.0]).sum()
    for d in (jacfwd, jacrev):
        assert d(f)(3.0) == 1 + 6 + 1


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(ShapeError, match="different shapes"):
        grad(lambda x: dnp.array([[x, x], [x]]).sum())(1.0)


def test_plain_numpy_array_of_tensors_names_what_works() -> None:
    for d in (grad, jacfwd, vmap):
        with pytest.raises((UntrackedError, ValueError)) as caught:
            d(lambda x: np.array([x, x**2]).sum())(np.ones(2) if d is vmap else 1.0)
        assert "dualad.numpy.array" in str(caught.value) + str(caught.value.__cause__)


def test_array_copies_and_asarray_does_not() -> None:
    def f(x: Any) -> Any:
        a, b = np.array(0), dnp.array(x)
        b[0] = 7.0
        assert dnp.asarray(x) is x and np.asanyarray is not None and a.ndim == 0
        return (x * b).sum()

    np.testing.assert_array_equal(grad(f)(np.array([2.0, 3.0])), [7, 6])


def test_plain_input_gives_numpys_result() -> None:
    for n in (np, dnp):
        assert isinstance(n.array([1.0]), np.ndarray) and n.array([1, 2], dtype=float).dtype == float
        assert n.asarray(3).shape == () and n.array(3, ndmin=2).shape == (1, 1)
    x = np.ones(3)
    assert dnp.asarray(x) is x and dnp.array(x) is not x


# Buffers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda n: n.zeros(3), None),
        (lambda n: n.zeros((2, 3), int), None),
        (lambda n: n.ones((2,), dtype=np.float32), None),
        (lambda n: n.full((2, 2), 7), None),
        (lambda n: n.full(2, [1.0, 2.0]), None),
        (lambda n: n.zeros_like(X), None),
        (lambda n: n.ones_like([1, 2]), None),
        (lambda n: n.full_like(X, 2, dtype=int, shape=(4,)), None),
        (lambda n: n.empty((0, 2)), None),
        (lambda n: n.empty_like(X, shape=(0,)), None),
    ],
)
def test_buffers_behave_as_arrays(ours: Any, theirs: Any) -> None:
    b, a = ours(dnp), ours(np)
    assert b.shape == a.shape and b.dtype == a.dtype and len(b) == len(a)
    np.testing.assert_array_equal(np.asarray(b), a)
    for x in (b + 1, np.sin(b), b.sum(), b @ np.ones(b.shape[-1]), b.T * 2.0):
        assert not isinstance(x, dualad.Tensor)
    np.testing.assert_array_equal(b + 1, a + 1)


def test_a_buffer_in_full_and_out_of_a_transform() -> None:
    b = dnp.zeros(2)
    b[0] = 5.0
    y, t = jvp(lambda x: (b * x, dnp.ones(2)), (2.0,), (1.0,))
    np.testing.assert_array_equal(y[0], [10, 0])
    assert type(y[1]) is np.ndarray and type(t[1]) is np.ndarray
    assert float(b[0]) == 5.0 and f"{b[0]:.1f}" == "5.0" and bool(b[0] == 5)
    np.testing.assert_array_equal(grad(lambda x: dnp.full((2, 2), x).sum())(3.0), 4)
    np.testing.assert_array_equal(grad(lambda x: dnp.full((2, 2), x).sum())(np.array([1.0, 2.0])), [2, 2])
    assert grad(lambda x: dnp.full_like(np.zeros(3), x).sum())(3.0) == 3


# Ranges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [(4.5,), (1.0, 5.0), (1.0, 5.0, 0.5), (5.0, 1.0, -1.5), (0.0, 0.0)])
def test_arange(args: Any) -> None:
    np.testing.assert_allclose(jvp(lambda *v: dnp.arange(*v), args, args)[0], np.arange(*args))
    np.testing.assert_array_equal(dnp.arange(*args), np.arange(*args))
    np.testing.assert_array_equal(jacrev(lambda s: dnp.arange(0, 3 * s, s))(2.0), [0, 1, 2])
    assert jvp(lambda v: dnp.arange(0, v), (2.5,), (1.0,))[0].dtype == float


@pytest.mark.parametrize("keywords", [{}, {"endpoint": False}, {"num": 1}, {"num": 0}, {"axis": -1}, {"dtype": int}])
def test_linspace_as_numpy(keywords: Any) -> None:
    for a, b in ((0.5, 9.0), (X, 3.0), (np.float32(1), np.float32(2))):
        got = jvp(lambda u, v: np.linspace(u, v, **keywords), (a, b), (a, b))[0]
        expected = np.linspace(a, b, **keywords)
        np.testing.assert_allclose(got, expected, rtol=1e-6)
        assert got.dtype == expected.dtype


def test_logspace_in_its_base() -> None:
    got = jvp(lambda b: np.logspace(0.0, 2.0, 3, base=b), (np.array([2.0, 3.0]),), (np.ones(2),))
    np.testing.assert_allclose(got[0], np.logspace(0.0, 2.0, 3, base=np.array([2.0, 3.0])))
    np.testing.assert_allclose(got[1], [[0, 0], [1, 1], [4, 6]])


def test_geomspace_of_complex_ends() -> None:
    got = jvp(lambda a: np.geomspace(a, 8j, 4), (1j + 0,), (1j + 0,))[0]
    np.testing.assert_allclose(got, np.geomspace(1j, 8j, 4), atol=1e-12)
    with pytest.raises(ArgumentError, match="zero"):
        grad(lambda a: np.geomspace(a, 1.0, 3).sum())(0.0)


def test_vander_at_zero() -> None:
    second = dualad.hessian(lambda x: np.vander(x, 3).sum())(np.zeros(2))
    np.testing.assert_array_equal(second, 2 * np.eye(2))


# Queries ----------------------------------------------------------------------------------------


def test_queries_answer_for_tensors() -> None:
    def f(x: Any) -> Any:
        for n in (np, dnp):
            assert n.shape(x) == (2, 3) and n.ndim(x) == 2 and n.size(x) == 6 and n.size(x, 1) == 3
            assert n.result_type(x, 1) == "f8" and n.result_type(x, np.float32) == "f8"
            assert not n.iscomplexobj(x) and n.isrealobj(x)
            assert n.shares_memory(x, x[0]) and not n.may_share_memory(x, x + 1)
        assert np.can_cast(x, np.float32, "same_kind") and not np.can_cast(x, int)
        assert dnp.isscalar(x[0, 0]) and not dnp.isscalar(x)
        assert "0.5" in np.array2string(x) and "0.5" in np.array_str(x)
        assert np.tril_indices_from(x)[0].size == 3 and dnp.diag_indices_from(x[:, :2])[0].size == 2
        dnp.asarray_chkfinite(x)
        return x.sum()

    grad(f)(X)
    assert dnp.shape([1, 2]) == (2,) and dnp.ndim(3.0) == 0 and dnp.isscalar(2.0)


def test_constants_and_types_are_numpys() -> None:
    for name in ("pi", "e", "inf", "nan", "newaxis", "float64", "float32", "int64", "bool_", "complex128", "ndarray"):
        assert getattr(dnp, name) is getattr(np, name)
    for name in ("errstate", "finfo", "iinfo", "random", "eye", "identity", "tri", "promote_types", "issubdtype", "s_"):
        assert getattr(dnp, name) is getattr(np, name)
