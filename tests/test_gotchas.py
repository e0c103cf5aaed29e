"""What users get bitten by elsewhere: one test per row, in every mode."""

from __future__ import annotations

import concurrent.futures
import math
from typing import Any

import numpy as np
import pytest

import dualad
from dualad import UntrackedError, grad, hessian, jacfwd, jacobian, jacrev, jvp

PYTHON = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning")


HESSIANS: list[Any] = [
    hessian,
    lambda f: jacrev(jacfwd(f)),
    lambda f: jacfwd(jacrev(f)),
    lambda f: jacfwd(jacfwd(f)),
    lambda f: jacrev(jacrev(f)),
    lambda f: dualad.jit(hessian(f)),
]


def in_both_modes(f: Any, x: Any, expected: Any, **tol: float) -> None:
    for derivative in (jacrev, jacfwd):
        np.testing.assert_allclose(derivative(f)(x), expected, err_msg=derivative.__name__, **tol)


def in_every_mode(f: Any, x: Any, expected: Any, **tol: float) -> None:
    """Forward, reverse, the planner's choice, each alone, batched, compiled, and under another transform; Taylor; a tape."""
    x = np.asarray(x, float)[()]
    for derivative in (jacrev, jacfwd, jacobian):
        close = lambda found, how, d=derivative: np.testing.assert_allclose(
            found, expected, err_msg=f"{d.__name__} {how}", **tol
        )
        close(derivative(f)(x), "")
        compiled = dualad.jit(derivative(f))
        for _ in range(2):
            close(compiled(x), "compiled")
        close(jvp(derivative(f), (x,), (np.ones_like(x),))[0], "under forward mode")
        close(dualad.vjp(derivative(f), x)[0], "under reverse mode")
        if derivative is not jacobian:
            for row in dualad.vmap(derivative(f))(np.stack([x, x])):
                close(row, "batched")
    t = np.random.default_rng(0).normal(size=x.shape)[()]
    along = np.tensordot(np.asarray(expected, float), t, np.ndim(x))
    np.testing.assert_allclose(dualad.jet(f, (x,), ((t,),))[1][0], along, err_msg="Taylor mode", **tol)
    with dualad.Tape() as tape:
        v = tape.watch(x)
        y = f(v)
        y = y.sum() if y.ndim else y
    total = np.asarray(expected, float)
    total = total.sum(axis=tuple(range(total.ndim - np.ndim(x))))
    np.testing.assert_allclose(tape.gradient(y, v), total, err_msg="tape", **tol)


@PYTHON  # NumPy's own warning: sqrt(-1) is evaluated
def test_where_with_an_invalid_branch() -> None:
    in_every_mode(lambda x: np.where(x >= 0, x, np.sqrt(-x)), 1.0, 1)
    in_every_mode(lambda x: np.where(x > 0, np.sqrt(x), 0), 0.0, 0)


@PYTHON  # the second derivative, which a transform around it asks for, does not exist
def test_norm_at_zero() -> None:
    in_every_mode(np.linalg.norm, np.zeros(2), [0, 0])


@PYTHON
def test_hessian_of_squared_norm_at_zero() -> None:
    for h in HESSIANS:
        found = h(lambda x: np.linalg.norm(x) ** 2)(np.zeros(2))
        assert np.isnan(found).any() or np.allclose(found, 2 * np.eye(2)), found


@PYTHON
def test_kinks() -> None:
    in_every_mode(np.abs, 0.0, 0)
    in_every_mode(lambda x: np.maximum(x, 0), 0.0, 0.5)
    in_every_mode(lambda x: np.clip(x, 0, 1), 1.0, 0.5)
    in_every_mode(np.median, np.array([1.0, 1.0, 2.0]), [0, 1, 0])
    in_every_mode(lambda x: x.max(), np.array([1.0, 1.0, 0.0]), [0.5, 0.5, 0])
    in_every_mode(np.std, np.ones(3), [0, 0, 0])
    in_every_mode(lambda x: np.hypot(x, 0), 0.0, 0)


def test_plain_matrix_times_tensor() -> None:
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    in_every_mode(lambda x: np.dot(a, x), np.ones(2), a)
    in_every_mode(lambda x: a @ x, np.ones(2), a)
    try:
        found = jacobian(lambda x: a.dot(x))(np.ones(2))
    except UntrackedError as e:
        assert "dualad" in str(e)
    else:
        np.testing.assert_array_equal(found, a)


def test_through_integers() -> None:
    in_every_mode(lambda x: (x.astype(int) * 1.0).sum(), 2.5, 0)


def test_det_of_a_singular_matrix() -> None:
    in_every_mode(np.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]]), [[4, -2], [-2, 1]], atol=1e-12)


def test_assignment_with_a_repeated_index() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        y[[0, 0]] = [5 * x[0], 6 * x[1]]
        return y.sum()

    in_every_mode(f, np.ones(2), [0, 6])
    assert jvp(f, (np.ones(2),), (np.ones(2),))[0] == 6


def test_captured_array_changed_before_the_pullback() -> None:
    c = np.array([1.0, 2.0])
    f = lambda x: x * c
    _, pullback = dualad.vjp(f, np.ones(2))
    _, push = dualad.linearize(f, np.ones(2))
    back = dualad.linear_transpose(f, np.ones(2))
    with dualad.Tape() as tape:
        x = tape.watch(np.ones(2))
        y = f(x).sum()
    c *= 100
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [1, 2])
    np.testing.assert_array_equal(push(np.ones(2)), [1, 2])
    np.testing.assert_array_equal(back(np.ones(2))[0], [1, 2])
    np.testing.assert_array_equal(tape.gradient(y, x), [1, 2])


def test_captured_array_changed_between_calls_of_a_compiled_function() -> None:
    class Model:
        scale = 2.0

    c, model = np.array([1.0, 2.0]), Model()
    f = lambda x: (x * c).sum() * model.scale
    x = np.ones(2)
    pairs = [
        (dualad.jit(f), f),
        (dualad.jit(grad(f)), grad(f)),
        (grad(dualad.jit(f)), grad(f)),
        (dualad.jit(hessian(lambda x: f(x) ** 2)), hessian(lambda x: f(x) ** 2)),
    ]
    changes = [
        lambda: None,
        lambda: None,
        lambda: c.__imul__(3.0),
        lambda: setattr(model, "scale", 5.0),
        lambda: c.__setitem__(0, 7.0),
    ]
    for change in changes:
        change()
        for compiled, plain in pairs:
            np.testing.assert_allclose(compiled(x), plain(x))


def test_products_with_zeros() -> None:
    in_every_mode(np.prod, np.array([0.0, 2.0, 3.0]), [6, 0, 0])
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = 3
    for h in HESSIANS:
        np.testing.assert_array_equal(h(np.prod)(np.array([0.0, 0.0, 3.0])), expected)


def test_powers_at_zero() -> None:
    in_every_mode(lambda x: x**0.0, 0.0, 0)
    assert grad(grad(grad(lambda x: x**2.0)))(0.0) == 0
    assert dualad.derivative(lambda x: x**2.0, 3)(0.0) == 0
    d = lambda f: lambda x: jvp(f, (x,), (1.0,))[1]
    assert d(d(d(lambda x: x**2.0)))(0.0) == 0


def test_index_out_of_range() -> None:
    f = lambda x: x[10]
    x = np.ones(3)
    for g in (
        grad(f),
        jacfwd(f),
        dualad.jit(f),
        dualad.jit(grad(f)),
        grad(dualad.jit(f)),
        lambda x: dualad.vmap(f)(x[None]),
    ):
        for _ in range(2):
            with pytest.raises(IndexError):
                g(x)
    at = dualad.jit(lambda x, i: x[i])
    assert at(x, 1) == 1
    with pytest.raises(IndexError):
        at(x, 10)


def test_nested_perturbation() -> None:
    inner = (grad, jacfwd, lambda f: lambda y: dualad.jet(f, (y,), ((1.0,),))[1][0])
    for outer in (grad, jacfwd, lambda f: dualad.jit(grad(f)), lambda f: dualad.jit(jacfwd(f))):
        for d in inner:
            assert outer(lambda x, d=d: x * d(lambda y: x + y)(1.0))(1.0) == 1
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # as users of ForwardDiff found
        f = jacfwd(lambda x: x * jacfwd(lambda y: x + y)(1.0))
        assert list(pool.map(f, [1.0] * 64)) == [1.0] * 64


@pytest.mark.filterwarnings("ignore:a second derivative:RuntimeWarning")
def test_gauge_invariant_function_of_degenerate_eigenvectors() -> None:
    def f(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return ((v * w @ v.T) ** 2).sum()

    in_every_mode(f, np.eye(2), 2 * np.eye(2), atol=1e-12)


def test_complex_convention() -> None:
    import dualad.torch as torch

    f = lambda z: (z**2).real
    for g in (grad(f), dualad.jit(grad(f)), lambda z: dualad.vmap(grad(f))(np.array([z, z]))[1]):
        assert g(1 + 2j) == pytest.approx(2 + 4j)
    assert jvp(f, (1 + 2j,), (1j,))[1] == pytest.approx((1j * (2 + 4j)).real)
    z = torch.tensor(1 + 2j, requires_grad=True)
    (z**2).real.backward()
    assert z.grad.item() == pytest.approx(2 - 4j)


def test_integers() -> None:
    for g in (grad(lambda x: x**2), jacfwd(lambda x: x**2), dualad.jit(grad(lambda x: x**2))):
        assert g(3) == 6 and g(3).dtype == np.float64
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
    in_every_mode(np.linalg.norm, np.array([1e-200, 0]), [1, 0])


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_softplus_that_overflows() -> None:
    f = lambda x: np.log1p(np.exp(x))
    for g in (grad(f), jacfwd(f), lambda x: dualad.jet(f, (x,), ((1.0,),))[1][0], dualad.jit(grad(f))):
        found = g(1000.0)
        assert found == 1 or np.isnan(found)
    for g in (grad(f), jacfwd(f)):
        with dualad.detect_anomaly(), pytest.raises(dualad.AnomalyError, match=r"exp at .*test_gotchas\.py"):
            g(1000.0)
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
    in_every_mode(f, x, [2 + 1 + 2, 4, 12])


def test_printing_and_branching() -> None:
    def f(x: Any) -> Any:
        text = f"{x:.3f} {x}"
        assert "2.000" in text
        return x * int(x) if x > 0 else -x

    in_every_mode(f, 2.0, 2)
