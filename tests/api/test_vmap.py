"""vmap: axes, trees, nesting with itself and with the derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import BatchError, grad, jvp, vmap

A = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("out", [0, 1, -1])
def test_axes(axis: int, out: int) -> None:
    ours = vmap(lambda x: x * 2, axis, out)(A)
    np.testing.assert_array_equal(ours, np.moveaxis(np.moveaxis(A, axis, 0) * 2, 0, out))


def test_trees_of_axes() -> None:
    f = lambda p, y: {"u": p["a"] @ p["b"], "v": y * p["a"]}
    p = {"a": np.ones((5, 3)), "b": np.ones((3, 5))}
    out = vmap(f, in_axes=({"a": 0, "b": 1}, None), out_axes={"u": 0, "v": 1})(p, np.arange(3.0))
    assert out["u"].shape == (5,) and out["v"].shape == (3, 5)


def test_keyword_arguments_are_mapped_over_the_first_axis() -> None:
    np.testing.assert_array_equal(vmap(lambda x, *, s: x * s)(np.ones(3), s=np.arange(3.0)), [0, 1, 2])


def test_unbatched_output_is_repeated() -> None:
    np.testing.assert_array_equal(vmap(lambda x: 1.0)(np.zeros(3)), np.ones(3))
    np.testing.assert_array_equal(vmap(lambda x: np.ones(2))(np.zeros(3)), np.ones((3, 2)))
    assert vmap(lambda x: 5.0, out_axes=None)(np.zeros(3)) == 5


def test_nested() -> None:
    outer = vmap(lambda x: vmap(lambda y: x * y)(np.arange(3.0)))(np.arange(4.0))
    np.testing.assert_array_equal(outer, np.outer(np.arange(4), np.arange(3)))
    pairs = vmap(vmap(lambda x, y: x @ y, (None, 0)), (0, None))(np.eye(3), np.eye(3))
    np.testing.assert_array_equal(pairs, np.eye(3))


def test_with_derivatives_in_every_order() -> None:
    f = lambda x: (np.sin(x) * x).sum()
    xs = np.linspace(0, 1, 6).reshape(3, 2)
    expected = np.stack([grad(f)(x) for x in xs])
    np.testing.assert_allclose(vmap(grad(f))(xs), expected)
    np.testing.assert_allclose(grad(lambda x: vmap(f)(x).sum())(xs), expected)
    np.testing.assert_allclose(vmap(lambda x: jvp(f, (x,), (np.ones(2),))[1])(xs), expected.sum(1))
    hessians = np.stack([dualad.hessian(f)(x) for x in xs])
    np.testing.assert_allclose(vmap(dualad.hessian(f))(xs), hessians)
    np.testing.assert_allclose(dualad.jacfwd(vmap(grad(f)))(xs)[0, :, 0], hessians[0])


def test_python_branches_where_all_agree() -> None:
    f = lambda x: x * 2 if x.sum() > 0 else x
    np.testing.assert_array_equal(vmap(f)(np.ones((2, 2))), 2 * np.ones((2, 2)))
    with pytest.raises(BatchError, match="where"):
        vmap(f)(np.array([[1.0], [-1.0]]))


def test_empty_batch() -> None:
    assert vmap(lambda x: x @ x)(np.empty((0, 3))).shape == (0,)


def test_indexing_under_vmap() -> None:
    x = np.arange(12.0).reshape(3, 4)
    i = np.array([0, 3, 2])
    np.testing.assert_array_equal(vmap(lambda v, k: v[k])(x, i), [0, 7, 10])
    np.testing.assert_array_equal(vmap(lambda k: dualad.numpy.take(x, k, axis=1))(i), x[:, i].T)

    with pytest.raises(BatchError, match=r"dualad\.numpy\.take"):  # NumPy's own indexing of a plain array
        vmap(lambda k: x[:, k])(i)

    def write(v: Any, k: Any) -> Any:
        v = v * 1.0
        v[k] = 0.0
        return v

    expected = x.copy()
    expected[np.arange(3), i] = 0
    np.testing.assert_array_equal(vmap(write)(x, i), expected)
