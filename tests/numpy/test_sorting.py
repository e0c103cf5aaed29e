"""Sorting and searching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, grad, jacfwd, jacrev, jvp, vmap
from tests.functions import Case, arr, check, parameters

X = arr(2, 3, 4)
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])

CASES: dict[str, list[Case]] = {
    "sort": [
        Case(lambda np, x: np.sort(x, axis=1), (X,)),
        Case(lambda np, x: np.sort(x, axis=None) ** 2, (arr(2, 3),)),
        Case(lambda np, x: np.sort(x, axis=0), (arr(4, 3, dtype=np.float32)[::-2, ::2],)),
        Case(lambda np, x: np.sort(x), (arr(4) + 1j * arr(4, seed=1),)),
        Case(lambda np, x: np.sort(x * x), (TIES,), degenerate=True),
        Case(lambda np, x: np.sort(x), (np.empty((2, 0)),)),
    ],
    "partition": [
        Case(lambda np, x: np.partition(x, 2)[..., 2], (X,)),
        Case(lambda np, x: np.partition(x, 1, axis=0)[1], (arr(3, 2),)),
    ],
    "argsort": [Case(lambda np, x: x * x[np.argsort(x)], (arr(5),))],
    "argmax": [Case(lambda np, x: x[np.argmax(x)] * x, (arr(5),)), Case(lambda np, x: x * np.argmin(x), (arr(3),))],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def constant_of(f: Any, x: Any) -> Any:
    """The value of a constant function on a tracked ``x``, after a check that its derivative is zero."""
    zero = grad(lambda x: (f(x) * 1.0).sum())(x) if np.size(f(x)) else np.zeros_like(x)
    np.testing.assert_array_equal(zero, np.zeros_like(x))
    return jvp(lambda x: f(x) * 1, (x,), (np.ones_like(x),))[0]


BINS = np.array([-1.0, 0.0, 0.5, 2.0])

CONSTANTS: dict[str, Any] = {
    "argsort": lambda x: np.argsort(x, axis=0),
    "argsort of all": lambda x: np.argsort(x, axis=None),
    "argsort method": lambda x: x.argsort(),
    "argmax": lambda x: np.argmax(x, axis=-1, keepdims=True),
    "argmax of all": lambda x: x.argmax(keepdims=True),
    "argmin": lambda x: np.argmin(x, axis=0),
    "nanargmax": lambda x: np.nanargmax(x, axis=0),
    "nanargmin": lambda x: np.nanargmin(x),
    "argpartition": lambda x: np.argpartition(x, (0, -1), axis=1)[:, ::2],
    "searchsorted": lambda x: np.searchsorted(BINS, x, side="right"),
    "searchsorted in tensor": lambda x: np.searchsorted(np.sort(x, axis=None), 0.1),
    "digitize": lambda x: np.digitize(x, BINS),
    "digitize right": lambda x: np.digitize(x, BINS, right=True),
    "digitize falling": lambda x: np.digitize(x, BINS[::-1], True),
    "digitize falling left": lambda x: np.digitize(x, BINS[::-1]),
    "nonzero": lambda x: np.nonzero(x > 0)[1],
    "nonzero method": lambda x: x.nonzero()[0],
    "argwhere (nonzero)": lambda x: np.argwhere(x > 0),
    "flatnonzero": lambda x: np.flatnonzero(x > 0),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name: str) -> None:
    f = CONSTANTS[name]
    for x in (arr(2, 3), np.array([[0.5, -1.0, 0.0], [2.0, 2.0, 3.0]])):
        expected = f(x)
        np.testing.assert_array_equal(constant_of(f, x), expected)
        y = f(x)
        assert y.shape == expected.shape and y.dtype == expected.dtype
    if "nonzero" not in name:
        batch = np.stack([arr(2, 3), arr(2, 3, seed=1)])
        np.testing.assert_array_equal(vmap(f)(batch), [f(b) for b in batch])


def test_sorter() -> None:
    x = np.array([3.0, 1.0, 2.0])
    f = lambda x: np.searchsorted(x, 1.5, sorter=np.argsort(x)) * 1
    assert jvp(f, (x,), (x,))[0] == 1


def test_sort_puts_nan_last() -> None:
    x = np.array([np.nan, 2.0, 1.0])
    np.testing.assert_array_equal(jvp(np.sort, (x,), (x,))[0], np.sort(x))
    for derivative in (jacfwd, jacrev):
        np.testing.assert_array_equal(derivative(np.sort)(x), np.eye(3)[[2, 1, 0]])


@pytest.mark.parametrize("derivative", [jacfwd, jacrev])
def test_ties_keep_their_order(derivative: Any) -> None:
    np.testing.assert_array_equal(derivative(np.sort)(np.array([1.0, 0.0, 1.0])), np.eye(3)[[1, 0, 2]])


def test_partition_holds_the_same_elements() -> None:
    x = arr(20)
    y, t = jvp(lambda x: np.partition(x, (3, 10)), (x,), (np.arange(20.0),))
    np.testing.assert_array_equal(np.sort(y), np.sort(x))
    np.testing.assert_array_equal(x[t.astype(int)], y)
    assert (y[:3] <= y[3]).all() and (y[10:] >= y[10]).all()


def test_methods_sort_in_place_and_leave_the_callers_array() -> None:
    x = np.array([3.0, 1.0, 2.0])
    w = np.array([1.0, 10.0, 100.0])

    def f(x: Any) -> Any:
        y = x * 1.0
        assert y.sort() is None
        return (y * w).sum()

    np.testing.assert_array_equal(grad(f)(x), [100, 1, 10])

    def g(x: Any) -> Any:
        x.partition(0)
        return x[0]

    np.testing.assert_array_equal(grad(g)(x), [0, 1, 0])
    np.testing.assert_array_equal(jacfwd(g)(x), [0, 1, 0])
    np.testing.assert_array_equal(x, [3, 1, 2])


def test_jacobians_of_sort_are_permutations() -> None:
    x = arr(4)
    for derivative in (jacfwd, jacrev):
        np.testing.assert_array_equal(derivative(np.sort)(x), np.eye(4)[np.argsort(x)])


def test_plain_arguments_give_numpys_result() -> None:
    for x in (arr(2, 3), [3, 1, 2], np.array(["b", "a"])):
        np.testing.assert_array_equal(dualad.numpy.sort(x), np.sort(x))
        np.testing.assert_array_equal(dualad.numpy.argmax(x), np.argmax(x))


def test_errors_say_what_to_write() -> None:
    x = arr(3)
    with pytest.raises(ArgumentError, match="kth"):
        grad(lambda x: np.partition(x, 3)[0])(x)
    with pytest.raises(ArgumentError, match="order="):
        grad(lambda x: np.sort(x, order="a")[0])(x)
    with pytest.raises(ArgumentError, match="no extremum"):
        jvp(np.argmax, (np.empty(0),), (np.empty(0),))
    with pytest.raises(ArgumentError, match="monoton"):
        jvp(lambda x: np.digitize(x, [0, 2, 1]), (x,), (x,))
