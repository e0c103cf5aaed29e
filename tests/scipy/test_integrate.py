"""dualad.scipy.integrate: values against SciPy, derivatives against JAX's odeint, closed forms and differences."""

from __future__ import annotations

from typing import Any

import jax
import jax.experimental.ode
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import dualad
import dualad.numpy as dnp
from dualad.scipy import integrate
from tests.functions import Case, arr, check, close

STEPS = np.array([0.0, 0.3, 0.9, 1.4, 2.5, 2.7])
NONE = "JAX has no such function"

SAMPLED: list[Any] = [
    ("cumulative_trapezoid", lambda s, y, x: s.cumulative_trapezoid(y, x), (arr(6), STEPS)),
    (
        "cumulative_trapezoid",
        lambda s, y, d: s.cumulative_trapezoid(y, dx=d, axis=0, initial=0),
        (arr(3, 2), np.float64(0.5)),
    ),
    ("cumulative_trapezoid", lambda s, y, x: s.cumulative_trapezoid(y, x, axis=0), (arr(3, 2), STEPS[[0, 2, 3]])),
    ("trapezoid", lambda s, y, x: s.trapezoid(y, x), (arr(2, 6), STEPS)),
    *[("simpson", lambda s, y, x: s.simpson(y, x), (arr(2, n), STEPS[:n])) for n in (2, 3, 4, 5, 6)],
    ("simpson", lambda s, y, x: s.simpson(y, x=x, axis=0), (arr(5, 2), STEPS[:5])),
    ("simpson", lambda s, y, d: s.simpson(y, dx=d, axis=0), (arr(4, 2), np.float64(0.5))),
]


@pytest.mark.parametrize(("name", "f", "args"), SAMPLED)
def test_sampled(name: str, f: Any, args: Any) -> None:
    close(f(integrate, *args), f(scipy.integrate, *args), "value against SciPy", rtol=1e-12, atol=1e-12)
    check(Case(lambda _, *v: f(integrate, *v), args, oracle="differences", why=NONE, name=f"scipy.integrate.{name}"))


# Differential equations: func(y, t, *args) with the modules' sin and array -------------------------------------

Y0, T = np.array([1.0, 0.5]), np.array([0.0, 0.4, 1.1, 1.5])


def pendulum(n: Any) -> Any:
    return lambda y, t, k, c: n.stack([y[1], -k * n.sin(y[0]) - c * y[1] + 0.3 * n.cos(t)])


def ours(y0: Any, t: Any, k: Any, c: Any, tol: float = 1e-10) -> Any:
    return integrate.odeint(pendulum(dnp), y0, t, (k, c), rtol=tol, atol=tol)


ODE = (Y0, T, np.float64(2.0), np.float64(0.3))


def test_odeint_value() -> None:
    expected = scipy.integrate.odeint(pendulum(np), Y0, T, ODE[2:], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours(*ODE), expected, rtol=1e-8)
    np.testing.assert_allclose(ours(*ODE, tol=1.49e-8), expected, rtol=2e-6)
    back = scipy.integrate.odeint(lambda y, t: np.sin(y + t), [0.3], T[::-1])
    np.testing.assert_allclose(integrate.odeint(lambda y, t: np.sin(y + t), 0.3, T[::-1]), back, rtol=1e-6)
    first = integrate.odeint(lambda t, y: np.sin(y + t), 0.3, T[::-1], tfirst=True)
    np.testing.assert_array_equal(first, integrate.odeint(lambda y, t: np.sin(y + t), 0.3, T[::-1]))


def test_odeint_derivatives_are_jaxs() -> None:
    """In y0, t and the parameters, forward and reverse."""
    g = arr(4, 2, seed=7)

    def theirs(y0: Any, t: Any, k: Any, c: Any) -> Any:
        return jax.experimental.ode.odeint(pendulum(jnp), y0, t, k, c, rtol=1e-11, atol=1e-11)

    expected = jax.vjp(theirs, *ODE)[1](g)
    got = dualad.vjp(ours, *ODE)[1](g)
    for a, b, name in zip(got, expected, ("y0", "t", "k", "c"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7, err_msg=name)


def test_odeint_in_every_mode() -> None:
    """Forward is that of differences; second order, Taylor, replay, vmap and the compiled function agree."""
    check(Case(lambda _, *v: ours(*v), ODE, oracle="differences", why=NONE, name="scipy.integrate.odeint"))
    many = np.stack([Y0, Y0 * 1.1])
    batched = dualad.vmap(lambda y: ours(y, *ODE[1:]))(many)
    np.testing.assert_allclose(batched, [ours(y, *ODE[1:]) for y in many], rtol=1e-8)
    many_t = np.stack([T, T * 1.3])
    batched = dualad.vmap(lambda t: ours(Y0, t, *ODE[2:]))(many_t)
    np.testing.assert_allclose(batched, [ours(Y0, t, *ODE[2:]) for t in many_t], rtol=1e-8)


def test_odeint_in_closed_form() -> None:
    """y' = A y: the derivative in y0 is the exponential; a second derivative in a rate; equal times; a matrix state."""
    end = lambda k, y0: integrate.odeint(
        lambda y, t: -k * y, y0, np.array([0.0, 0.5, 0.5, 2.0]), rtol=1e-10, atol=1e-12
    )
    k, y0 = 1.3, np.array([[2.0, 1.0]])
    np.testing.assert_allclose(dualad.jacobian(lambda k: end(k, y0)[-1, 0])(k), -2 * np.exp(-2 * k) * y0[0], rtol=1e-7)
    second = dualad.grad(dualad.grad(lambda k: end(k, y0)[-1, 0, 0]))(k)
    np.testing.assert_allclose(second, 4 * np.exp(-2 * k) * 2.0, rtol=1e-7)
    np.testing.assert_allclose(end(k, y0)[1], end(k, y0)[2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: integrate.odeint(lambda y, t: -y, x, T, hmax=0.1), dualad.ArgumentError, "hmax"),
        (lambda x: integrate.odeint(lambda y, t: -y, x, T[:0]), dualad.ShapeError, "times"),
        (lambda x: integrate.odeint(lambda y, t: y[:1], x, T), dualad.ShapeError, "func returned"),
        (lambda x: integrate.odeint(lambda y, t: y * y, x, np.array([0.0, 5.0])), dualad.ArgumentError, "singularity"),
        (lambda x: integrate.simpson(x, x[:1]), dualad.ShapeError, "simpson"),
        (lambda x: integrate.simpson(x[:0]), dualad.ShapeError, "at least one"),
        (lambda x: integrate.cumulative_trapezoid(x, initial=1.0), dualad.ArgumentError, "initial"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_errors(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        dualad.grad(lambda x: call(x).sum())(np.ones(2))


# Quadrature -----------------------------------------------------------------------------------

INTEGRALS: list[Any] = [
    (lambda x, k: np.exp(-k * x) * np.cos(x), 0.0, 2.0, 1.5),
    (lambda x, k: np.exp(-k * x) * np.cos(x), 2.0, 0.5, 1.5),
    (lambda x, k: 1 / (1 + k * x * x), 0.3, np.inf, 1.5),
    (lambda x, k: np.exp(k * x), -np.inf, 0.4, 1.5),
    (lambda x, k: np.exp(-k * x * x) * (1 + x), -np.inf, np.inf, 1.5),
    (lambda x, k: np.abs(x - 0.3) ** k, 0.0, 1.0, 1.5),
]


@pytest.mark.parametrize("case", INTEGRALS)
def test_quad(case: Any) -> None:
    """Value as SciPy's; derivative in the parameter and in finite limits as differences of SciPy's value."""
    f, a, b, k = case
    value, error = scipy.integrate.quad(f, a, b, args=(k,), epsabs=1e-12, epsrel=1e-12)
    moving = [i for i, v in enumerate((a, b, k)) if np.isfinite(v)]

    def of(q: Any) -> Any:
        def run(*v: Any) -> Any:
            full = [a, b, k]
            for i, x in zip(moving, v, strict=True):
                full[i] = x
            return q(f, full[0], full[1], args=(full[2],), epsabs=1e-12, epsrel=1e-12)[0]

        return run

    xs = tuple(np.float64((a, b, k)[i]) for i in moving)
    every = tuple(range(len(xs)))
    np.testing.assert_allclose(of(integrate.quad)(*xs), value, rtol=1e-9)
    got = dualad.grad(of(integrate.quad), every)(*xs)
    h = 1e-4
    for i in every:
        up, down = (of(scipy.integrate.quad)(*[x + s * (i == j) for j, x in enumerate(xs)]) for s in (h, -h))
        np.testing.assert_allclose(got[i], (up - down) / (2 * h), rtol=1e-5, atol=1e-7)
        t = dualad.jvp(of(integrate.quad), xs, tuple(np.float64(i == j) for j in every))[1]
        np.testing.assert_allclose(t, got[i], rtol=1e-10)
    assert error < 1e-8


def test_quad_closures_and_errors() -> None:
    f = lambda k: integrate.quad(lambda x: x**k, 0.0, 1.0)[0]
    np.testing.assert_allclose(dualad.grad(dualad.grad(f))(2.0), 2 / 27, rtol=1e-5)  # its integrand is singular at 0
    assert integrate.quad(lambda x: x, 1.0, 1.0)[0] == 0.0
    with pytest.raises(dualad.BatchError):
        dualad.vmap(f)(np.array([1.0, 2.0]))
