"""Histograms in the plane and above, their edges; sets; windows; keys; roots."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import dualad
import dualad.numpy as dnp
from tests.functions import Case, arr, check, parameters

X, Y, W = arr(8), arr(8, seed=1), arr(8, seed=2, lo=0.1)
EDGES = np.array([-2.0, -0.5, 0.5, 1.5])
VIEW = "jax.numpy has no such function"


def view(np_: Any, x: Any, *window: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, *window)


CASES: dict[str, list[Case]] = {
    "histogram2d": [
        Case(lambda np, w: np.histogram2d(X, Y, bins=[3, EDGES], weights=w)[0], (W,)),
        Case(lambda np, w: np.histogram2d(X, Y, bins=3, range=[[-1, 1], [-2, 2]], weights=w, density=True)[0], (W,)),
        Case(lambda np, x: np.histogram2d(x, Y, bins=3)[1] ** 2, (X,)),
        Case(lambda np, x: np.histogram2d(x, Y, bins=EDGES, density=True)[0] * x.sum(), (X,)),
    ],
    "histogramdd": [
        Case(
            lambda np, w: np.histogramdd((X, Y, X * Y), bins=(2, 3, 2), weights=w)[0],
            (W,), oracle="differences", why="jnp takes arrays only",
        ),
        Case(lambda np, s: np.histogramdd(s, bins=2)[1][1] ** 2, (arr(5, 2),)),
        Case(
            lambda np, s: np.histogramdd(s, bins=3)[0] * s.sum(), (arr(5),), oracle="differences", why="jnp refuses vectors"
        ),
    ],
    "histogram_bin_edges": [
        Case(lambda np, x: np.histogram_bin_edges(x, 4) ** 2, (arr(2, 3),)),
        Case(lambda np, x: np.histogram_bin_edges(x, EDGES) * x.sum(), (X,)),
    ],
    "unique": [
        Case(lambda np, x: np.unique(x) ** 2, (X,), batch=False, oracle="differences", why="jax.jit needs a size"),
        Case(
            lambda np, x: np.unique(x, return_inverse=True, axis=0)[0],
            (arr(3, 2),), batch=False, oracle="differences", why="jax.jit needs a size",
        ),
        Case(lambda np, x: np.unique(x)[:, None] * x, (np.array([2.0, 1.0, 2.0]),), batch=False, degenerate=True),
    ],
    "union1d": [
        Case(
            lambda np, x, y: np.union1d(x, y) ** 2, (X, Y[:3]), batch=False, oracle="differences", why="jax.jit needs a size"
        ),
    ],
    "setdiff1d": [
        Case(
            lambda np, x: np.setdiff1d(x, [X[1], 5.0]) ** 2, (X + 0.5,), batch=False, oracle="differences",
            why="jax.jit needs a size",
        ),
        Case(lambda np, x: np.setdiff1d(x, X[1:3]) ** 2, (X,), batch=False, degenerate=True),
    ],
    "setxor1d": [
        Case(
            lambda np, x, y: np.setxor1d(x, y) ** 2, (X, Y[:3]), batch=False, oracle="differences", why="jax.jit needs a size"
        ),
        Case(lambda np, x: np.setxor1d(x, X[1:3]) ** 2, (X,), batch=False, degenerate=True),
    ],
    "unique_values": [Case(lambda np, x: np.sort(np.unique_values(x)) ** 2, (X,), batch=False, degenerate=True)],
    "unique_counts": [Case(lambda np, x: np.unique_counts(x).values ** 2, (X,), batch=False, degenerate=True)],
    "unique_inverse": [Case(lambda np, x: np.unique_inverse(x).values ** 2, (X,), batch=False, degenerate=True)],
    "unique_all": [Case(lambda np, x: np.unique_all(x).values ** 2, (X,), batch=False, degenerate=True)],
    "kaiser": [
        Case(lambda np, b: dnp.kaiser(5, b), (np.float64(2.5),), oracle=lambda b: jnp.kaiser(5, b)),
        Case(lambda np, b: dnp.kaiser(1, b) * b, (np.float64(2.5),), oracle=lambda b: b[None]),
    ],
    "poly": [
        Case(lambda np, r: np.poly(r), (arr(3),)),
        Case(lambda np, a: np.poly(a), (np.diag([1.0, 2.0, 4.0]) + 0.1 * arr(3, 3),), oracle="differences", why=VIEW),
        Case(lambda np, z: np.poly(z), (arr(2) + 1j * arr(2, seed=1),)),
    ],
    "lexsort": [Case(lambda np, x, y: x * x[np.lexsort((np.floor(x), y))], (X, Y))],
    "sort_complex": [Case(lambda np, x: np.sort_complex(x) ** 2, (X,), oracle=lambda x: np_sorted(x) ** 2)],
    "isin": [Case(lambda np, x: x * np.isin(x, X[:3]) + np.isin(X, x[:2], invert=True) * x, (X,))],
    "lib.stride_tricks.sliding_window_view": [
        Case(lambda np, x: view(np, x, 3), (arr(6),), oracle="differences", why=VIEW),
        Case(lambda np, x: view(np, x, (2, 2)), (arr(3, 4),), oracle="differences", why=VIEW),
        Case(lambda np, x: view(np, x, (2, 2), (1, 1)), (arr(2, 4),), oracle="differences", why=VIEW),
        Case(lambda np, x: view(np, x, 2, 0), (arr(3, 2),), oracle="differences", why=VIEW),
    ],
}  # fmt: skip


def np_sorted(x: Any) -> Any:
    return jnp.sort(x).astype(complex)


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


CONSTANTS: dict[str, Any] = {
    "isin": lambda x: np.isin(x, [0.5, 2.0]),
    "isin in the others": lambda x: np.isin([0.5, 2.0], x),
    "lexsort": lambda x: np.lexsort((x[0], x[1])),
    "lexsort of an array": lambda x: np.lexsort(x),
    "lexsort along": lambda x: np.lexsort((x, -x), axis=0),
    "counts": lambda x: np.histogramdd(x, 2)[0],
    "unique's indices": lambda x: np.unique(x, return_index=True, return_inverse=True, return_counts=True)[2],
    "count_nonzero": lambda x: np.count_nonzero(x, axis=0),
    "digitize": lambda x: np.digitize(x, EDGES),
    "digitize down": lambda x: np.digitize(x, EDGES[::-1], right=True),
    "array_equal": lambda x: np.asarray(np.array_equal(x, x)),
    "allclose": lambda x: np.asarray(np.allclose(x, x + 1)),
    "array_equiv": lambda x: np.asarray(np.array_equiv(x, x[:1])),
    "iscomplexobj": lambda x: np.asarray(np.iscomplexobj(x)),
    "isrealobj": lambda x: np.asarray(np.isrealobj(x)),
    "isscalar": lambda x: np.asarray(dnp.isscalar(x)),
    "isfortran": lambda x: np.asarray(dnp.isfortran(x)),
    "shape": lambda x: np.asarray(np.shape(x)),
    "size": lambda x: np.asarray(np.size(x)),
    "ndim": lambda x: np.asarray(np.ndim(x)),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name: str) -> None:
    f, x = CONSTANTS[name], np.array([[0.5, -1.0, 2.0], [0.25, 2.0, -0.7]])
    expected = f(x)
    value, t = dualad.jvp(lambda x: f(x) * 1, (x,), (np.ones_like(x),))
    np.testing.assert_array_equal(value, expected)
    assert value.dtype == (expected * 1).dtype
    np.testing.assert_array_equal(t, 0)
    np.testing.assert_array_equal(dualad.grad(lambda x: (f(x) * x.sum()).sum())(x), np.full(x.shape, expected.sum()))


def test_window_functions_are_numpys() -> None:
    for name in ("bartlett", "blackman", "hamming", "hanning"):
        assert getattr(dnp, name) is getattr(np, name)
    assert dnp.kaiser(0, 1.0).shape == (0,)
    np.testing.assert_allclose(dnp.kaiser(4, 2.0), np.kaiser(4, 2.0))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: np.histogram2d(x, x[:2])[0], dualad.ShapeError, "one length"),
        (lambda x: np.histogramdd(x[:, None], bins=(2, 2))[0], dualad.ShapeError, "bins"),
        (lambda x: np.histogramdd((x, x), range=((0, 1),))[0], dualad.ShapeError, "ranges"),
        (lambda x: np.histogramdd(x, weights=x[:1])[0], dualad.ShapeError, "weights"),
        (lambda x: np.poly(np.ones((2, 3)) * x), dualad.ShapeError, "poly"),
        (lambda x: np.unique(x, sorted=False), dualad.ArgumentError, "sorted"),
        (lambda x: view(np, x, 9), dualad.ShapeError, "longer"),
        (lambda x: view(np, x, (2, 2)), dualad.ArgumentError, "one window size"),
        (lambda x: np.lexsort(()) + x, TypeError, "key"),
    ],
)
def test_errors(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        dualad.grad(lambda x: call(x).sum())(np.arange(3.0))
