"""What users get bitten by elsewhere: one test per row, in forward, reverse and both compositions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import dualad
from dualad import UntrackedError, grad, hessian, jacfwd, jacobian, jacrev, jvp

PYTHON = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning")


def in_both_modes(f: Any, x: Any, expected: Any, **tol: float) -> None:
    for derivative in (jacrev, jacfwd):
        np.testing.assert_allclose(derivative(f)(x), expected, err_msg=derivative.__name__, **tol)


@PYTHON  # NumPy's own warning: sqrt(-1) is evaluated
def test_where_with_an_invalid_branch() -> None:
    in_both_modes(lambda x: np.where(x >= 0, x, np.sqrt(-x)), 1.0, 1)
    in_both_modes(lambda x: np.where(x > 0, np.sqrt(x), 0), 0.0, 0)


def test_norm_at_zero() -> None:
    in_both_modes(np.linalg.norm, np.zeros(2), [0, 0])


@PYTHON
def test_hessian_of_squared_norm_at_zero() -> None:
    for h in (hessian, lambda f: jacrev(jacfwd(f)), lambda f: jacfwd(jacfwd(f)), lambda f: jacrev(jacrev(f))):
        found = h(lambda x: np.linalg.norm(x) ** 2)(np.zeros(2))
        assert np.isnan(found).any() or np.allclose(found, 2 * np.eye(2)), found


def test_kinks() -> None:
    in_both_modes(np.abs, 0.0, 0)
    in_both_modes(lambda x: np.maximum(x, 0), 0.0, 0.5)
    in_both_modes(lambda x: x.max(), np.array([1.0, 1.0, 0.0]), [0.5, 0.5, 0])
    in_both_modes(np.std, np.ones(3), [0, 0, 0])
    in_both_modes(lambda x: np.hypot(x, 0), 0.0, 0)


def test_plain_matrix_times_tensor() -> None:
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    in_both_modes(lambda x: np.dot(a, x), np.ones(2), a)
    in_both_modes(lambda x: a @ x, np.ones(2), a)
    try:
        found = jacobian(lambda x: a.dot(x))(np.ones(2))
    except UntrackedError as e:
        assert "dualad" in str(e)
    else:
        np.testing.assert_array_equal(found, a)


def test_through_integers() -> None:
    in_both_modes(lambda x: (x.astype(int) * 1.0).sum(), 2.5, 0)


def test_det_of_a_singular_matrix() -> None:
    in_both_modes(np.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]]), [[4, -2], [-2, 1]], atol=1e-12)


def test_assignment_with_a_repeated_index() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        y[[0, 0]] = [5 * x[0], 6 * x[1]]
        return y.sum()

    assert f(np.ones(2)) == 6 or True  # plain NumPy needs no dualad here
    in_both_modes(f, np.ones(2), [0, 6])
    assert jvp(f, (np.ones(2),), (np.ones(2),))[0] == 6


def test_captured_array_changed_before_the_pullback() -> None:
    c = np.array([1.0, 2.0])
    _, pullback = dualad.vjp(lambda x: x * c, np.ones(2))
    c *= 100
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [1, 2])


def test_products_with_zeros() -> None:
    in_both_modes(np.prod, np.array([0.0, 2.0, 3.0]), [6, 0, 0])
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = 3
    for h in (hessian, lambda f: jacrev(jacfwd(f)), lambda f: jacfwd(jacfwd(f))):
        np.testing.assert_array_equal(h(np.prod)(np.array([0.0, 0.0, 3.0])), expected)


def test_powers_at_zero() -> None:
    in_both_modes(lambda x: x**0.0, 0.0, 0)
    assert grad(grad(grad(lambda x: x**2.0)))(0.0) == 0
    assert dualad.derivative(lambda x: x**2.0, 3)(0.0) == 0
    d = lambda f: lambda x: jvp(f, (x,), (1.0,))[1]
    assert d(d(d(lambda x: x**2.0)))(0.0) == 0


def test_index_out_of_range() -> None:
    with pytest.raises(IndexError):
        grad(lambda x: x[10])(np.ones(3))


def test_nested_perturbation() -> None:
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1


def test_gauge_invariant_function_of_degenerate_eigenvectors() -> None:
    def f(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return ((v * w @ v.T) ** 2).sum()

    in_both_modes(f, np.eye(2), 2 * np.eye(2), atol=1e-12)


def test_complex_convention() -> None:
    assert grad(lambda z: (z**2).real)(1 + 2j) == pytest.approx(2 + 4j)


def test_integers() -> None:
    assert grad(lambda x: x**2)(3) == 6
    with pytest.raises(TypeError, match=r"astype\(float\)"):
        grad(lambda x: (x**2).sum())(np.array([1, 2]))


@pytest.mark.parametrize(
    ("f", "names"),
    [
        (lambda x: np.array([x, x**2]).sum(), "dualad.numpy.array"),
        (lambda x: math.sin(x), "dualad.numpy.sin"),
        (lambda x: np.zeros(2).__setitem__(0, x), "dualad.numpy.zeros"),
        (lambda x: float(x), "stop_gradient"),
        (lambda x: x.item(), "stop_gradient"),
    ],
)
def test_what_would_lose_the_derivative_says_what_works(f: Any, names: str) -> None:
    for d in (grad, jacfwd, dualad.vmap):
        # NumPy reports some refusals as a ValueError of its own, with ours as the cause.
        with pytest.raises((UntrackedError, ValueError)) as caught:
            d(f)(np.array([1.0, 2.0]) if d is dualad.vmap else 1.5)
        error = caught.value if isinstance(caught.value, UntrackedError) else caught.value.__cause__
        assert isinstance(error, UntrackedError) and names in str(error)


def test_norm_of_tiny_numbers() -> None:
    in_both_modes(np.linalg.norm, np.array([1e-200, 0]), [1, 0])


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_softplus_that_overflows() -> None:
    found = grad(lambda x: np.log1p(np.exp(x)))(1000.0)
    assert found == 1 or np.isnan(found)
    assert grad(lambda x: np.logaddexp(0.0, x))(1000.0) == 1


@pytest.mark.parametrize("name", ["solve", "det", "slogdet", "cumprod", "layer norm"])
def test_forward_over_forward(name: str) -> None:
    a = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, 0.4], [0.0, 0.6, 1.0]])
    functions: dict[str, Any] = {
        "solve": (lambda m: np.linalg.solve(m, np.ones(3)).sum(), a),
        "det": (np.linalg.det, np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])),
        "slogdet": (lambda m: np.linalg.slogdet(m)[1], a),
        "cumprod": (lambda v: (np.cumprod(v) * np.arange(1.0, 5)).sum(), np.array([2.0, 0.0, 3.0, 0.0])),
        "layer norm": (lambda v: (((v - v.mean()) / np.sqrt(v.var() + 1e-5)) ** 3).sum(), np.array([1.0, 2.0, 4.0])),
    }
    f, x = functions[name]
    rng = np.random.default_rng(0)
    t, u = rng.normal(size=x.shape), rng.normal(size=x.shape)
    ff = jvp(lambda v: jvp(f, (v,), (t,))[1], (x,), (u,))[1]
    h = 1e-5
    quotient = ((grad(f)(x + h * u) - grad(f)(x - h * u)) / (2 * h) * t).sum()
    np.testing.assert_allclose(ff, quotient, rtol=1e-6, atol=1e-6)


def test_buffers() -> None:
    def f(x: Any) -> Any:
        out = dualad.numpy.zeros(4)
        for i in range(3):
            out[i] = x[i] ** 2
        out[1:3] += x[0]
        out[out > 5] *= 2.0
        return out.sum()

    x = np.array([1.0, 2.0, 3.0])
    in_both_modes(f, x, [2 + 1 + 2, 4, 12])


def test_printing_and_branching() -> None:
    def f(x: Any) -> Any:
        text = f"{x:.3f} {x}"
        assert "2.000" in text
        return x * int(x) if x > 0 else -x

    in_both_modes(f, 2.0, 2)
