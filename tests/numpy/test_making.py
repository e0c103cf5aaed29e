"""array, full, r_, c_: where NumPy has no dispatch, dualad.numpy's own function is called; and buffers."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import dualad
import dualad.numpy as dnp
from dualad import ShapeError, grad, jacobian
from tests.functions import Case, arr, check, parameters

V, W = arr(3), arr(3, seed=1)

CASES: dict[str, list[Case]] = {
    "array": [
        Case(lambda np, a, b: dnp.array([a, b * 2]), (V, W), oracle=lambda a, b: jnp.array([a, b * 2])),
        Case(
            lambda np, a: dnp.array([[a[0], 1.0], [2.0, a[1] * a[2]]]),
            (V,),
            oracle=lambda a: jnp.array([[a[0], 1.0], [2.0, a[1] * a[2]]]),
        ),
    ],
    "full": [Case(lambda np, a: dnp.full((2, 3), a) * 1.0, (arr(),), oracle=lambda a: jnp.full((2, 3), a))],
    "r_": [Case(lambda np, a, b: dnp.r_[a, 0.0, b], (V, W), oracle=lambda a, b: jnp.r_[a, 0.0, b])],
    "c_": [Case(lambda np, a, b: dnp.c_[a, b], (V, W), oracle=lambda a, b: jnp.c_[a, b])],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def test_array_of_plain_things_is_numpys() -> None:
    for value in ([1, 2], [[1.0], [2.0]], 3, np.float32(2), (True, False)):
        ours, theirs = dnp.array(value), np.array(value)
        assert type(ours) is np.ndarray and ours.dtype == theirs.dtype and ours.shape == theirs.shape
    with pytest.raises(ShapeError, match="different shapes"):
        grad(lambda x: dnp.array([x, np.ones(2)]).sum())(1.0)


@pytest.mark.parametrize(
    "make", [lambda x: dnp.zeros(3), lambda x: np.zeros_like(x), lambda x: dnp.empty(3), lambda x: np.ones_like(x)]
)
def test_buffers_hold_tracked_values(make: Any) -> None:
    def f(x: Any) -> Any:
        out = make(x)
        for i in range(3):
            out[i] = x[i] ** 2
        return out

    np.testing.assert_allclose(jacobian(f)(V), np.diag(2 * V))


def test_a_buffer_behaves_as_an_array() -> None:
    b = dnp.zeros(3)
    b[1] = 5.0
    assert np.asarray(b).tolist() == [0, 5, 0] and (b + 1).tolist() == [1, 6, 1] and repr(b) == "Buffer([0., 5., 0.])"
    assert type(dualad.vjp(lambda x: dnp.ones(2), 1.0)[0]) is np.ndarray
