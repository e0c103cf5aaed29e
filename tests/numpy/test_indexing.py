"""Reading by index, choosing, taking, applying along axes: against NumPy and JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, BatchError, grad, jacfwd, jacrev, jvp, vmap
from tests.functions import Case, arr, check, parameters

dnp = dualad.numpy
X = arr(3, 4)
V = arr(4)
I = np.array([2, 0, 2])
MASK = np.array([[True, False, True, False], [False] * 4, [True] * 4])

CASES: dict[str, list[Case]] = {
    "take": [
        Case(lambda np, x: np.take(x, I, axis=0) * x.take(I, axis=0), (X,)),
        Case(lambda np, x: np.take(x, np.array([[7, -1], [30, -20]]), mode="wrap"), (X,)),
        Case(lambda np, x: np.take(x, np.array([7, -1, 30]), axis=1, mode="clip"), (X,)),
    ],
    "take_along_axis": [
        Case(lambda np, x: np.take_along_axis(x, np.argsort(x, axis=0), axis=0), (X,)),
        Case(lambda np, x: np.take_along_axis(x, np.array([1, 0, 5]), axis=None), (X,)),
        Case(lambda np, x: np.take_along_axis(x, np.array([[1, -1, 0]]), axis=-1), (X,)),
    ],
    "where": [
        Case(lambda np, x, y: np.where(x > 0, x * x, y), (X, arr(4, seed=1))),
        Case(lambda np, x: np.where(x > 0, x, 0), (arr(5, dtype=np.float32),)),
        Case(lambda np, x: np.where(x, np.sin(x), 1.0), (V,)),
    ],
    "select": [Case(lambda np, x: np.select([x > 1, x > 0], [x**2, -x], 3.0), (X,))],
    "choose": [Case(lambda np, x: np.choose(I, [x, x * x, 2.0 * x], mode="clip"), (arr(3),))],
    "compress": [
        Case(lambda np, x: np.compress([True, False, True], x, axis=0), (X,), oracle="differences", why="lists")
    ],
    "extract": [Case(lambda np, x: np.extract(MASK, x), (X,), oracle="differences", why="jit needs static masks")],
    "piecewise": [
        Case(lambda np, x: np.piecewise(x, [x < -1, x > 1], [lambda v: -v, lambda v: v**2, 0.5]), (V,)),
    ],
    "apply_along_axis": [
        Case(lambda np, x: np.apply_along_axis(lambda r: (r * r).sum(), 0, x), (X,)),
        Case(lambda np, x: np.apply_along_axis(lambda r: r[:2] * r[0], 1, x), (X,)),
        Case(lambda np, x: np.apply_along_axis(lambda r: np.outer(r, r), 0, x), (arr(2, 2),)),
    ],
    "apply_over_axes": [Case(lambda np, x: np.apply_over_axes(np.sum, x, [0, 2]), (arr(2, 3, 2),))],
    "vectorize": [
        Case(lambda np, x, y: dnp.vectorize(lambda a, b: a * b**2)(x, y), (V, arr(2, 1)), oracle=lambda x, y: x * y**2),
    ],
    "index": [
        Case(lambda np, x: x[1] * x[-1], (X,)),
        Case(lambda np, x: x[::-1, 1::2] * x[..., None, :2][:, 0], (X,)),
        Case(lambda np, x: x[I] * x[I, :], (X,)),
        Case(lambda np, x: x[I[:, None], np.array([0, 3])], (X,)),
        Case(lambda np, x: x[1:, I], (X,)),
        Case(lambda np, x: x[None, I, ..., np.newaxis], (X,)),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


KEYS: dict[str, Any] = {
    "int": 1,
    "negative": -1,
    "numpy int": np.int32(2),
    "0-d array": np.array(1),
    "tuple": (1, 2),
    "slice": slice(1, None),
    "reversed": slice(None, None, -1),
    "empty slice": slice(5, 9),
    "steps": (slice(None, None, -2), slice(3, 0, -1)),
    "ellipsis": ...,
    "ellipsis first": (..., 1),
    "ellipsis in between": (0, ..., None),
    "new axis": None,
    "list": [2, 0],
    "list of bools": [True, False, True],
    "empty list": [],
    "empty array": np.empty((0, 2), int),
    "mask": MASK,
    "mask of rows": np.array([True, False, True]),
    "mask and int": (np.array([True, False, True]), 1),
    "int and mask": (1, np.array([True, False, True, True])),
    "mask of columns": (slice(None), np.array([True, False, True, True])),
    "empty mask": np.zeros((3, 4), bool),
    "true": True,
    "false": False,
    "0-d mask": np.array(True),
    "repeated": np.array([1, 1, 1]),
    "broadcast": (np.array([[0], [2]]), np.array([1, 3, 3])),
    "apart": (np.array([0, 2]), None, np.array([1, 3])),
    "list and slice": ([0, 1], slice(1, 3)),
    "int and array": (1, np.array([0, 0, 3])),
    "array and int": (np.array([0, 0]), slice(None), None, ...),
    "unsigned": np.array([1, 2], np.uint8),
}


@pytest.mark.parametrize("name", KEYS)
def test_reading_as_numpy(name: str) -> None:
    key = KEYS[name]
    expected = X[key]
    w = arr(*expected.shape, seed=3)
    f = lambda x: (x[key] * w).sum()
    gradient = np.zeros_like(X)
    np.add.at(gradient, key, w)
    for y in (
        jvp(lambda x: x[key], (X,), (X,))[1],
        dualad.vjp(lambda x: x[key], X)[0],
        vmap(lambda x: x[key])(X[None])[0],
        vmap(lambda x: x[key], in_axes=2)(X[:, :, None])[0],
        dualad.jet(lambda x: x[key], (X,), ((X,),))[1][0],
        np.asarray(dnp.array([list(map(float, r)) for r in X])[key]),
    ):
        np.testing.assert_array_equal(y, expected)
    for d in (jacfwd, jacrev, grad, lambda f: lambda x: vmap(grad(f))(x[None])[0]):
        np.testing.assert_allclose(d(f)(X), gradient)


@pytest.mark.parametrize(
    ("key", "error", "names"),
    [
        (10, IndexError, "out of bounds"),
        (-4, IndexError, "out of bounds"),
        ((0, 9), IndexError, "out of bounds"),
        ([0, 7], IndexError, "out of bounds"),
        (1.0, IndexError, "integer"),
        (np.array([0.0, 1.0]), IndexError, r"astype\(int\)"),
        ((0, 0, 0), IndexError, "too many"),
        ((..., ...), IndexError, "ellipsis"),
        (np.array([True, False]), IndexError, "mask"),
        (np.ones((4, 3), bool), IndexError, "mask"),
    ],
)
def test_bad_indices(key: Any, error: Any, names: str) -> None:
    for d in (jacfwd, jacrev, lambda f: lambda x: vmap(f)(x[None])):
        with pytest.raises(error, match=names):
            d(lambda x: x[key])(X)

        def assign(x: Any) -> Any:
            x[key] = 1.0
            return x

        with pytest.raises(error, match=names):
            d(assign)(X)


def test_indices_that_are_batched() -> None:
    i = np.array([[0, 2], [1, 1]])
    np.testing.assert_array_equal(vmap(lambda k: dnp.take(X, k, axis=0))(i), X[i])
    np.testing.assert_array_equal(vmap(lambda k: dnp.zeros(4)[k] + 1)(i), np.ones((2, 2)))
    np.testing.assert_array_equal(jvp(lambda x: vmap(lambda k: x[k])(i), (X,), (X,))[1], X[i])
    ours = vmap(lambda x, k: x[:, k, None, k])(arr(2, 3, 4, 4), i)
    x = arr(2, 3, 4, 4)
    np.testing.assert_array_equal(ours, np.stack([x[n][:, i[n], None, i[n]] for n in range(2)]))
    ours = vmap(lambda x, k: np.take_along_axis(x, k, 0))(arr(2, 3), i)
    np.testing.assert_array_equal(ours, np.take_along_axis(arr(2, 3), i, 1))
    g = vmap(grad(lambda x, k: (x[k] ** 2).sum()), (None, 0))(V, i)
    expected = np.zeros((2, 4))
    for n in range(2):
        np.add.at(expected[n], i[n], 2 * V[i[n]])
    np.testing.assert_allclose(g, expected)


def test_a_batched_mask_says_what_to_write() -> None:
    with pytest.raises(BatchError, match="where"):
        vmap(lambda x: x[x > 0])(X)


def test_iteration_and_unpacking() -> None:
    def f(x: Any) -> Any:
        a, b, c = x
        (first, *_), total = a, 0.0
        for row in x:
            for v in row:
                total = total + v**2
        assert len(x) == 3 and x.tolist()[1][2] == x[1, 2] and next(reversed(x))[0] == c[0]
        return total + first * b[1]

    g = 2 * X
    g[0, 0] += X[1, 1]
    g[1, 1] += X[0, 0]
    for d in (jacfwd, jacrev):
        np.testing.assert_allclose(d(f)(X), g)
    with pytest.raises(TypeError, match="0-d"):
        grad(lambda x: sum(x))(1.0)
    with pytest.raises(TypeError, match="unsized"):
        grad(lambda x: len(x))(1.0)


def test_a_tensor_as_an_index() -> None:
    f = lambda x: x[np.argmax(x)] + x[np.argsort(x)[:2]].sum() + x[(x > 0).sum()] + x[: np.argmin(x)].sum()
    for d in (jacfwd, jacrev):
        np.testing.assert_allclose(d(f)(V).sum(), 1 + 2 + 1 + np.argmin(V))
    with dualad.Tape() as tape:
        x = tape.watch(V)
        y = x[np.argmax(x)]
    assert tape.replay(y, -V) == (-V).max()


# Choosing ---------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning")
def test_where_drops_the_branch_that_was_not_chosen() -> None:
    for d in (jacfwd, jacrev):
        assert d(lambda x: np.where(x >= 0, x, np.sqrt(-x)))(1.0) == 1
        assert d(lambda x: dnp.where(x > 0, np.sqrt(x), 0))(0.0) == 0


def test_where_with_one_argument_and_its_kin() -> None:
    def f(x: Any) -> Any:
        (i,) = np.where(x > 0)
        assert (
            (i == np.argwhere(x > 0)[:, 0]).all()
            and (i == np.flatnonzero(x > 0)).all()
            and (i == (x > 0).nonzero()[0]).all()
        )
        return x[i].sum()

    np.testing.assert_array_equal(grad(f)(V), V > 0)
    with pytest.raises(ArgumentError, match="three"):
        grad(lambda x: dnp.where(x > 0, x))(1.0)


def test_dtypes_of_where_under_vmap() -> None:
    x = np.ones(3, np.float32)
    assert vmap(lambda v: np.where(v > 0, v, 0.0))(x).dtype == np.float32
    assert vmap(lambda v: np.where(v > 0, 1, v))(x).dtype == np.float32


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_choose_as_numpy(mode: Any) -> None:
    a = np.array([[0, 2], [1, 1]]) if mode == "raise" else np.array([[-1, 5], [1, 7]])
    choices = [np.array([1.0, 2.0]), np.array([[3.0], [4.0]]), np.float64(5)]
    got = jvp(lambda *c: np.choose(a, c, mode=mode), tuple(choices), tuple(choices))
    for y in got:
        np.testing.assert_array_equal(y, np.choose(a, choices, mode=mode))
    if mode == "raise":
        with pytest.raises(IndexError):
            grad(lambda x: np.choose(np.array([3]), [x, x]).sum())(1.0)
    i = np.array([0, 1])
    np.testing.assert_array_equal(vmap(lambda k, x: np.choose(k, [x, -x], mode=mode))(i, np.ones(2)), [1, -1])


def test_select_and_piecewise_keywords() -> None:
    for x in (2.0, -2.0):
        f = lambda v: np.piecewise(v, [v > 0], [lambda u: u**2, lambda u: -u])
        assert jacfwd(f)(x) == jacrev(f)(x) == (4 if x > 0 else -1)
    two = vmap(lambda v: np.piecewise(v, [v > 0], [lambda u: u**2, lambda u: -u]))(np.array([2.0, -2.0]))
    np.testing.assert_array_equal(two, [4, 2])
    g = vmap(grad(lambda v: np.piecewise(v, [v > 0], [lambda u, k: k * u**2, 0.0], 3.0)))(np.array([2.0, -2.0]))
    np.testing.assert_array_equal(g, [12, 0])
    with pytest.raises(ArgumentError, match="boolean"):
        grad(lambda v: np.select([1], [v]))(1.0)
    with pytest.raises(ArgumentError, match="conditions"):
        grad(lambda v: np.select([v > 0], [v, v]))(1.0)


def test_vectorize() -> None:
    def f(a: Any, b: Any = 2.0) -> Any:
        return a * b if a > 0 else -a

    np.testing.assert_array_equal(dnp.vectorize(f)(X), np.vectorize(f)(X))
    np.testing.assert_array_equal(grad(lambda x: dnp.vectorize(f)(x).sum())(X), np.where(X > 0, 2, -1))
    np.testing.assert_array_equal(grad(lambda x: dnp.vectorize(f)(V, b=x).sum())(3.0), V[V > 0].sum())
    dot = dnp.vectorize(lambda a, b: a @ b, signature="(n),(n)->()")
    np.testing.assert_allclose(grad(lambda x: dot(x, V).sum())(X), np.tile(V, (3, 1)))


def test_r_and_c() -> None:
    a = np.array([1.0, 2.0, 3.0])
    for key in (
        lambda x: (x, 0, x[:2]),
        lambda x: (slice(0, 3), x),
        lambda x: (slice(0, 1, 3j), x[0]),
        lambda x: ("0,2", x, x * 2),
        lambda x: ("-1", x[None], x[None]),
        lambda x: ("0,2,0", x, x[:, None]),
        lambda x: ("1,3,1", x[None], x[None]),
    ):
        for join, ours in ((np.r_, dnp.r_), (np.c_, dnp.c_)):
            try:
                expected = join[key(a)]
            except ValueError:
                continue
            np.testing.assert_array_equal(jvp(lambda x: ours[key(x)], (a,), (a,))[0], expected)
            np.testing.assert_array_equal(ours[key(a)], expected)
    np.testing.assert_array_equal(jacrev(lambda x: dnp.c_[x, x**2].sum())(a), 1 + 2 * a)
    with pytest.raises(ArgumentError, match="concatenate"):
        grad(lambda x: dnp.r_["r", x].sum())(a)


def test_ix_and_compress_keywords() -> None:
    i = np.array([0, 2])
    np.testing.assert_array_equal(jvp(lambda x: x[np.ix_(i, i)], (X,), (X,))[1], X[np.ix_(i, i)])
    got = jvp(lambda x: x.compress([True, False, False, True], axis=1), (X,), (X,))[0]
    np.testing.assert_array_equal(got, X.compress([True, False, False, True], axis=1))
    np.testing.assert_array_equal(jvp(lambda x: np.extract(x > 0, x), (X,), (X,))[1], X[X > 0])

    def into(x: Any) -> Any:
        out = dnp.zeros(2)
        np.take(x, [0, 1], out=out)
        return out.sum()

    np.testing.assert_array_equal(grad(into)(V), [1, 1, 0, 0])
