"""Dual tensors in the user's hands."""

from __future__ import annotations

import numpy as np
import pytest

from dualad import Dual, ShapeError, grad, jvp


def test_arithmetic_and_reading() -> None:
    x = Dual(3.0, 1.0)
    y = x * x + np.sin(x) / 2
    assert y.primal == 9 + np.sin(3) / 2
    assert y.tangent == 6 + np.cos(3) / 2
    assert isinstance(y, Dual) and not isinstance(3.0, Dual)
    assert repr(Dual(3.0, 1.0)) == "Dual(np.float64(3.0), np.float64(1.0))"


def test_duals_made_apart_share_their_infinitesimal() -> None:
    y = Dual(2.0, 1.0) * Dual(5.0, 10.0)
    assert (y.primal, y.tangent) == (10, 25)


def test_many_directions() -> None:
    x = Dual(np.array([1.0, 2.0]), np.eye(2))
    y = (x**2).sum() * x
    np.testing.assert_allclose(y.tangent, np.array([[5 + 2, 4], [4, 5 + 8]]).astype(float))
    z = Dual(2.0, np.array([1.0, 0.0, 3.0]))
    np.testing.assert_array_equal((z * z).tangent, [4, 0, 12])


def test_nesting() -> None:
    x = Dual(Dual(2.0, 1.0), 1.0)
    y = x**3
    assert y.primal.primal == 8
    assert y.tangent.tangent == 12
    inside = grad(lambda v: (Dual(v, 1.0) ** 3).tangent)(2.0)
    assert inside == 12
    assert jvp(lambda v: (Dual(v, 1.0) * v).tangent, (2.0,), (1.0,))[1] == 1
    outside = Dual(2.0, 1.0)
    g = grad(lambda v: v * v * outside)(3.0)
    assert (g.primal, g.tangent) == (12, 6)


def test_constants_have_zero_tangent() -> None:
    x = Dual(np.ones(2), np.ones(2))
    np.testing.assert_array_equal((x * 0 + 3).tangent, 0)


def test_wrong_tangent() -> None:
    with pytest.raises(ShapeError, match="directions"):
        Dual(np.ones(3), np.ones(2))
    with pytest.raises(AttributeError, match="only Dual"):
        grad(lambda x: x.tangent)(1.0)
