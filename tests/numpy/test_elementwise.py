"""Elementwise functions: derivatives against JAX, values and dtypes against NumPy, conventions at singular points."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dualad
import dualad.numpy as dnp
from dualad import DtypeError, UntrackedError, derivative, grad, hessian, jacfwd, jacrev, jvp, vjp
from tests.functions import Case, arr, check, parameters
from tests.test_gotchas import in_both_modes

X = arr(2, 3, seed=1)
P = arr(2, 3, seed=2, lo=0.2)
U = arr(3, seed=3, lo=-0.9, hi=0.9)
Z = arr(3, seed=4) + 1j * arr(3, seed=5)
B = arr(3, seed=6, lo=0.5)
_NO_SUCH = "JAX has no such function"


def unary(name: str, x: Any, **keywords: Any) -> Case:
    return Case(lambda np, v: getattr(np, name)(v), (x,), **keywords)


def binary(name: str, x: Any, y: Any, **keywords: Any) -> Case:
    return Case(lambda np, a, b: getattr(np, name)(a, b), (x, y), **keywords)


def constant(name: str, x: Any = X, *more: Any) -> Case:
    return Case(lambda np, v: getattr(np, name)(v, *more) * v, (x,))


CASES: dict[str, list[Case]] = {
    **{name: [unary(name, X)] for name in (
        "abs", "absolute", "arcsinh", "arctan", "asinh", "atan", "cos", "cosh", "deg2rad", "degrees", "exp", "exp2", "expm1",
        "fabs", "negative", "positive", "rad2deg", "radians", "sin", "sinc", "sinh", "square", "tan", "tanh",
    )},
    **{name: [unary(name, P)] for name in ("cbrt", "log", "log10", "log1p", "log2", "reciprocal", "sqrt")},
    **{name: [unary(name, U)] for name in ("acos", "arccos", "arccosh", "arcsin", "arctanh", "asin", "atanh")},
    "acosh": [unary("acosh", P + 1)],
    "arccosh": [unary("arccosh", P + 1)],
    **{name: [binary(name, X, B)] for name in (
        "add", "arctan2", "atan2", "copysign", "divide", "fmax", "fmin", "heaviside", "hypot", "logaddexp", "logaddexp2",
        "maximum", "minimum", "multiply", "subtract", "true_divide",
    )},
    **{name: [binary(name, P, X[0])] for name in ("power", "pow", "float_power")},
    **{name: [binary(name, np.array([2.3, -1.7, 0.4]), np.array([0.7, 1.1, -0.3]))] for name in ("mod", "remainder", "fmod")},
    **{name: [constant(name)] for name in (
        "ceil", "floor", "isfinite", "isinf", "isnan", "rint", "sign", "signbit", "trunc", "isreal", "iscomplex",
        "isposinf", "isneginf", "logical_not", "round", "around",
    )},
    **{name: [constant(name, X, 0.3)] for name in (
        "equal", "floor_divide", "greater", "greater_equal", "less", "less_equal", "not_equal", "isclose", "logical_and",
        "logical_or", "logical_xor",
    )},
    "nextafter": [Case(lambda np, x: np.nextafter(x, 2.0) * x, (X,), oracle=lambda x: x * x)],
    "spacing": [Case(lambda np, x: np.spacing(x) * 1e15 * x, (X,), oracle=lambda x: np.spacing(X) * 1e15 * x)],
    "bitwise_and": [Case(lambda np, x: ((x > 0) & np.bitwise_and(x < 1, True)) * x, (X,))],
    "bitwise_or": [Case(lambda np, x: ((x > 1) | np.bitwise_or(x < 0, False)) * x, (X,))],
    "bitwise_xor": [Case(lambda np, x: ((x > 1) ^ np.bitwise_xor(x < 0, True)) * x, (X,))],
    "invert": [Case(lambda np, x: ~np.invert(np.bitwise_not(x > 0)) * x, (X,))],
    "left_shift": [Case(lambda np, x: np.left_shift(np.floor(x).astype(int), 2) * x + ((x > 0).astype(int) << 1), (X,))],
    "right_shift": [Case(lambda np, x: np.right_shift(np.floor(4 * x).astype(int), 1) * x, (X,))],
    "gcd": [Case(lambda np, x: np.gcd(np.floor(9 * x).astype(int), 6) * x, (X,))],
    "lcm": [Case(lambda np, x: np.lcm(np.floor(9 * x).astype(int), 6) * x, (X,))],
    "bitwise_count": [Case(lambda np, x: np.bitwise_count(np.floor(9 * x).astype(int)) * x, (X,))],
    "fix": [Case(lambda np, x: np.fix(x) * x, (X,), oracle=lambda x: jnp.trunc(x) * x)],
    "angle": [
        unary("angle", Z),
        Case(lambda np, z: np.angle(z, deg=True), (Z,)),
        Case(lambda np, x: np.angle(x) * x, (X,)),
    ],
    "clip": [
        Case(lambda np, x: np.clip(x, -1, 1), (X,)),
        Case(lambda np, x, lo, hi: np.clip(x, lo, hi), (X, np.array([-0.5, -1.0, 0.0]), B)),
        Case(lambda np, x: np.clip(x, None, 0.5) + np.clip(x, min=0.1) + x.clip(max=0.2), (X,)),
    ],
    "conj": [unary("conj", Z), unary("conj", X)],
    "conjugate": [Case(lambda np, z: np.conjugate(z) * z.conj() + z.conjugate(), (Z,))],
    "real": [unary("real", Z), Case(lambda np, z: z.real * z.imag, (Z,)), unary("real", X)],
    "imag": [unary("imag", Z), unary("imag", X)],
    "real_if_close": [
        Case(lambda np, z: np.real_if_close(z), (Z,), oracle=lambda z: z),
        Case(lambda np, x: np.real_if_close(x + 0j) * x, (X,), oracle=lambda x: x * x),
    ],
    "divmod": [
        Case(lambda np, x, b: np.divmod(x, b)[1] * np.divmod(x, b)[0], (X, B)),
        Case(lambda np, x: divmod(x, 0.7)[1] + divmod(3.0, x)[1], (P,)),
    ],
    "frexp": [
        Case(
            lambda np, x: np.frexp(x)[0] * np.frexp(x)[1], (X,)
        )
    ],
    "modf": [Case(lambda np, x: np.modf(x)[0] * np.modf(x)[1], (X,), oracle=lambda x: (x - jnp.trunc(x)) * jnp.trunc(x))],
    "ldexp": [Case(lambda np, x: np.ldexp(np.sin(x), 3) + np.ldexp(x, np.floor(x).astype(int)), (X,))],
    "i0": [unary("i0", X)],
    "nan_to_num": [
        Case(lambda np, x: np.nan_to_num(x + np.array([1.0, np.nan, 2.0]), nan=3.0) * x, (X,)),
        Case(lambda np, x: np.nan_to_num(x + np.array([1.0, np.inf, -np.inf]), posinf=3.0, neginf=1) * x, (X,)),
        Case(lambda np, z: np.nan_to_num(z) * z, (Z,)),
    ],
    "unwrap": [
        Case(lambda np, x: np.unwrap(x), (np.array([[0.1, 2.9, 6.0, 9.5, 3.0], [6.0, 0.2, 3.4, 0.1, 7.0]]),)),
        Case(lambda np, x: np.unwrap(x, axis=0, period=2.5), (np.array([[0.1, 2.9], [6.0, 0.2], [1.0, 5.2]]),)),
    ],
}  # fmt: skip
del CASES["arccosh"][1:]
CASES["abs"].append(Case(lambda np, z: np.abs(z) * abs(z), (Z,), oracle=lambda z: jnp.real(z * jnp.conj(z))))
CASES["sign"].append(
    Case(lambda np, z: np.sign(z), (Z,), oracle=lambda z: z / jnp.sqrt(z.real**2 + z.imag**2), why="JAX: derivative 0")
)
CASES["sinc"].append(
    unary("sinc", np.array([0.0, 1e-7, 1.0, -2.5]), oracle="differences", why="JAX loses digits near 0")
)
CASES["power"] += [
    Case(lambda np, x: x**2 + x**3.0 + 2**x + x**-1 + x**1 + x**0 + x**0.0 + 2.5**x, (P,)),
    Case(lambda np, x: np.power(x, [2, 3, 4]), (X,), oracle=lambda x: x ** jnp.array([2, 3, 4])),
    Case(lambda np, z, w: z**w + z**2, (Z, Z[::-1].copy())),
    Case(lambda np, x: x ** np.array([0, 1, 2]), (np.zeros(3),), degenerate=True),
]
CASES["abs"].append(unary("abs", np.array([0.0, -1.0]), degenerate=True))
for _name in ("maximum", "minimum", "fmax", "fmin"):
    CASES[_name].append(Case(lambda np, a, b, f=_name: getattr(np, f)(a, b), (np.ones(2), np.ones(2)), degenerate=True))


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


COMPLEX = ["arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cos", "cosh", "exp", "expm1", "log", "log1p",
           "reciprocal", "sin", "sinh", "sqrt", "square", "tan", "tanh"]  # fmt: skip


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("z", [1.3 + 0.4j, -0.7 + 1.1j, -1.6 - 0.3j, 0.2 - 2.0j])
def test_holomorphic_off_the_real_axis(name: str, z: complex) -> None:
    f = getattr(np, name)
    h = 1e-4
    quotient = (8 * (f(z + h) - f(z - h)) - (f(z + 2 * h) - f(z - 2 * h))) / (12 * h)
    np.testing.assert_allclose(grad(f, holomorphic=True)(z), quotient, rtol=1e-9)
    np.testing.assert_allclose(jvp(f, (z,), (1 + 0j,))[1], quotient, rtol=1e-9)


DOMAIN = {
    "arccosh": 1.5,
    "arccos": 0.5,
    "arcsin": 0.5,
    "arctanh": 0.5,
    "acosh": 1.5,
    "acos": 0.5,
    "asin": 0.5,
    "atanh": 0.5,
}
SKIPPED = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift", "gcd", "lcm", "bitwise_count",
           "bitwise_not", "bitwise_invert", "bitwise_left_shift", "bitwise_right_shift"}  # fmt: skip
UFUNCS = sorted(n for n in dnp.elementwise.__all__ if isinstance(getattr(np, n, None), np.ufunc) and n not in SKIPPED)


@pytest.mark.parametrize("name", UFUNCS)
def test_values_and_dtypes_are_numpys(name: str) -> None:
    """On arrays, numbers, lists and tensors; float32 and Python numbers mixed."""
    ours, theirs = getattr(dnp, name), getattr(np, name)
    x = DOMAIN.get(name, 0.7)
    second: list[Any] = [2] if name == "ldexp" else [0.3, np.float32(0.3), np.array([0.3, 1.5]), 2]
    for first in (
        np.float64(x),
        np.float32(x),
        np.array([x, x]),
        np.array([x], np.float32),
        [x, x],
        np.zeros((0, 2)) + x,
    ):
        for rest in [()] if theirs.nin == 1 else [(b,) for b in second]:
            if np.shape(first) == (0, 2) and rest and np.shape(rest[0]):
                continue
            expected = theirs(first, *rest)
            got = ours(first, *rest)
            tracked = ours(_watched(first), *rest)
            for e, g, t in zip(*(v if isinstance(v, tuple) else (v,) for v in (expected, got, tracked)), strict=True):
                assert np.asarray(g).dtype == np.asarray(e).dtype == t.dtype
                assert np.shape(g) == np.shape(e) == np.shape(t) == t.shape
                np.testing.assert_array_equal(g, e)
                np.testing.assert_array_equal(t.value if isinstance(t, dualad.Tensor) else t, e)


def _watched(x: Any) -> Any:
    return dualad.Dual(np.asarray(x)[()], np.ones_like(np.asarray(x)))


@pytest.mark.parametrize("name", UFUNCS)
def test_float32_and_strides(name: str) -> None:
    """Derivatives keep the dtype, and do not mind negative strides and 0-d arrays."""
    f = getattr(np, name)
    if f.nin > 1 or f.nout > 1:
        return
    x = np.full((4, 2), DOMAIN.get(name, 0.7), np.float32)[::-2].T
    total = lambda v: (f(v) * 1.0).sum()
    g = grad(total)(x)
    assert g.dtype == np.float32 and g.shape == (2, 2)
    assert jvp(total, (x,), (np.ones_like(x),))[1].dtype == total(x).dtype
    assert hessian(total)(x[0]).dtype == np.float32
    np.testing.assert_allclose(jvp(total, (x,), (np.ones_like(x),))[1], g.sum(), rtol=1e-6)


# Conventions at singular points -------------------------------------------------------------------


def every_second(f: Any, x: Any) -> list[Any]:
    """The second derivative, by each composition of modes and Taylor mode."""
    modes = (jacfwd, jacrev)
    return [outer(inner(f))(x) for outer in modes for inner in modes] + [derivative(f, 2)(x)]


def test_kinks() -> None:
    in_both_modes(np.abs, 0.0, 0)
    in_both_modes(np.fabs, 0.0, 0)
    in_both_modes(lambda x: np.hypot(x, 0), 0.0, 0)
    in_both_modes(np.sign, 0.0, 0)
    in_both_modes(lambda x: np.abs(x + 0j), 0.0, 0)
    in_both_modes(lambda x: np.copysign(x, -1.0), 0.0, 0)
    for f in (np.maximum, np.fmax, np.minimum, np.fmin):
        in_both_modes(lambda x, f=f: f(x, 0), 0.0, 0.5)
        in_both_modes(lambda x, f=f: f(0.0, x), 0.0, 0.5)
        in_both_modes(lambda x, f=f: f(x, x), 0.0, 1)


def test_clip_at_its_bounds() -> None:
    in_both_modes(lambda x: np.clip(x, -1, 1), np.array([-1.0, 0, 1, 2]), np.diag([0.5, 1, 0.5, 0]))
    in_both_modes(lambda b: np.clip(1.0, 0.0, b), 1.0, 0.5)
    assert grad(lambda x: np.maximum(np.nan, x) * 0 + np.fmax(np.nan, x))(2.0) == 1


def test_zero_times_infinite_partial() -> None:
    """A masked branch contributes nothing, whatever its partial; in every composition, and without a warning."""
    for f in (np.sqrt, np.cbrt, lambda x: x**0.5, lambda x: np.power(x, np.array([0.5]))[0], lambda x: np.hypot(x, 0)):
        masked = lambda x, f=f: np.where(x > 0, f(x), 0)
        in_both_modes(masked, 0.0, 0)
        assert all(v == 0 for v in every_second(masked, 0.0))
    for f in (np.arcsin, np.arccos, np.arccosh, lambda x: np.sqrt(1 - x)):
        masked = lambda x, f=f: np.where(x < 0, f(x), x)
        in_both_modes(masked, 1.0, 1)
        assert all(v == 0 for v in every_second(masked, 1.0))
    with np.errstate(all="ignore"):  # NumPy's own: these values are infinite or NaN
        for f in (np.log, np.log2, np.log10, np.reciprocal, lambda x: 1 / x, lambda x: x**-1.5, lambda x: x / x):
            masked = lambda x, f=f: np.where(x > 0, f(x), x)
            in_both_modes(masked, 0.0, 1)
            assert all(v == 0 for v in every_second(masked, 0.0))
        in_both_modes(lambda x: np.where(x >= 0, x, np.sqrt(-x)), 1.0, 1)
        in_both_modes(lambda x: np.where(x > 1, np.arctanh(x), x), 1.0, 1)
        in_both_modes(lambda x: np.where(x > -1, x, np.log1p(x)), -0.5, 1)


def test_a_vanishing_tangent_still_curves() -> None:
    """The strong zero is of this order only: sqrt(1 + x^2) at 0 has zero slope, and curvature 1."""
    for f, second in (
        (lambda x: np.sqrt(1 + x**2), 1),
        (lambda x: np.log(1 + x**2), 2),
        (lambda x: (1 + x**2) ** 2.5, 5),
        (lambda x: 1 / (1 + x**2), -2),
        (lambda x: np.arcsin(0.5 * x**2), 1),
        (lambda x: np.log1p(x * x), 2),
        (lambda x: np.arctan2(x * x, 1.0), 2),
    ):
        np.testing.assert_allclose(every_second(f, 0.0), second, atol=1e-15)


def test_infinite_derivatives_are_infinite() -> None:
    for f, x, slope in (
        (np.sqrt, 0.0, np.inf),
        (np.cbrt, 0.0, np.inf),
        (np.arcsin, 1.0, np.inf),
        (np.arccosh, 1.0, np.inf),
    ):
        in_both_modes(f, x, slope)


REPEATED = [
    np.broadcast_to(np.array([1.0, 0.0, 2.0]), (2000, 3)),
    np.broadcast_to(np.array([[1.0], [0.0], [2.0]]), (2, 3, 2000)),
    np.broadcast_to(0.0, (5000,)),
    np.broadcast_to(2.0, (70, 70)),
]


@pytest.mark.parametrize("g", REPEATED, ids=lambda g: f"{g.shape}")
def test_zero_cotangents_that_are_repeated(g: Any) -> None:
    """Of a large cotangent that is repeated along an axis one is looked at; a zero in it is as strong as any."""
    (found,) = vjp(np.sqrt, np.zeros(g.shape))[1](g)
    np.testing.assert_array_equal(found, np.where(g == 0, 0.0, np.inf))


def test_powers_at_zero() -> None:
    for n in (0, 1, 2, 3, 0.0, 1.0, 2.0, 3.0, np.float64(2), np.array(3.0), np.int64(1)):
        f = lambda x, n=n: x**n
        d = f
        for k in range(1, 6):
            d = (lambda d: lambda x: jvp(d, (x,), (1.0,))[1])(d)
            expected = math.factorial(k) if k == n else 0
            assert d(0.0) == expected, (n, k)
            assert derivative(f, k)(0.0) == expected, (n, k)
        assert grad(grad(grad(f)))(0.0) == (6 if n == 3 else 0)
    in_both_modes(lambda x: 0.0**x, 2.0, 0)
    in_both_modes(lambda x: np.zeros(2) ** x, 2.0, [0, 0])
    assert every_second(lambda x: 0**x, 2.0) == [0] * 5
    in_both_modes(lambda x: x**3, -2.0, 12)
    in_both_modes(lambda x: x**-1, -2.0, -0.25)
    assert grad(lambda x: x**2)(-3.0) == -6
    # Both move: at (0, 2) the mixed derivative is 0, in every composition.
    f = lambda v: v[0] ** v[1]
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            np.testing.assert_array_equal(outer(inner(f))(np.array([0.0, 2.0])), [[2, 0], [0, 0]])


def test_where_the_exponent_is_zero_its_partial_is_not() -> None:
    """d/da d/db a^b = a^(b-1) (1 + b log a), at b = 0 too."""
    f = lambda v: v[0] ** v[1]
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            np.testing.assert_allclose(outer(inner(f))(np.array([2.0, 0.0]))[0, 1], 0.5)


def test_large_arguments() -> None:
    in_both_modes(lambda x: np.logaddexp(x, 0), 1000.0, 1)
    in_both_modes(lambda x: np.logaddexp(0, x), -1000.0, 0)
    in_both_modes(lambda x: np.logaddexp(x, -np.inf), 3.0, 1)
    in_both_modes(lambda x: np.logaddexp(x, x), -np.inf, 1)
    in_both_modes(lambda x: np.logaddexp2(x, 0), 2000.0, 1)
    in_both_modes(np.expm1, -50.0, math.exp(-50))
    in_both_modes(np.arcsinh, 1e200, 1e-200)
    in_both_modes(lambda x: np.hypot(x, 0), 1e-200, 1)
    in_both_modes(lambda x: np.arctan2(x, 1e-200), 1e-200, 0.5e200)
    in_both_modes(np.tanh, 800.0, 0)
    with np.errstate(all="ignore"):
        found = [d(lambda x: np.log1p(np.exp(x)))(1000.0) for d in (grad, jacfwd)]
    assert all(v == 1 or np.isnan(v) for v in found)


def test_sinc_at_zero_has_all_derivatives() -> None:
    for k in range(9):
        expected = 0 if k % 2 else (-1) ** (k // 2) * math.pi**k / (k + 1)
        np.testing.assert_allclose(derivative(np.sinc, k)(0.0), expected, atol=1e-11 * math.pi**k)


def test_high_order() -> None:
    """Taylor mode to order 8 against JAX's jet by nested differentiation of closed forms."""
    k = 8
    np.testing.assert_allclose(derivative(np.log, k)(0.5), -math.factorial(k - 1) / 0.5**k)
    np.testing.assert_allclose(derivative(np.sqrt, 3)(0.25), 12)
    np.testing.assert_allclose(derivative(lambda x: x**2.5, 4)(2.0), 2.5 * 1.5 * 0.5 * -0.5 * 2**-1.5)
    np.testing.assert_allclose(derivative(lambda x: 2.0**x, k)(1.5), math.log(2) ** k * 2**1.5)
    np.testing.assert_allclose(derivative(np.arctan, 3)(1.0), 0.5)
    f = lambda np: lambda x: np.logaddexp(x, 0.3) + x**x + np.tanh(x) + np.arcsin(x) + np.hypot(x, 1.0)
    d = f(jnp)
    for _ in range(4):
        d = jax.grad(d)
    np.testing.assert_allclose(derivative(f(dnp), 4)(0.4), d(0.4), rtol=1e-8)


# Operators, methods and keywords ------------------------------------------------------------------


def test_operators() -> None:
    x = _watched(2.5)
    assert (x % 2).value == 0.5 and (7 % x).value == 2 and x // 2 == 1 and 7 // x == 2
    assert (+x).tangent == 1 and (-x).tangent == -1 and abs(-x).tangent == 1
    assert [v if np.ndim(v) == 0 and not hasattr(v, "value") else v.value for v in divmod(x, 2)] == [1, 0.5]
    assert divmod(7, x)[0] == 2 and divmod(7, x)[1].value == 2 and divmod(7, x)[1].tangent == -2
    assert (x**2).tangent == 5 and (2**x).value == 2**2.5
    assert round(x) == 2 and isinstance(round(x), int) and round(_watched(2.567), 1) == 2.6
    assert (x > 2) is np.True_ or bool(x > 2)
    assert x != 3 and x == 2.5 and not x < 2 and x <= 2.5 and x >= 2.5


def test_clip_forms() -> None:
    x = np.array([-2.0, 0.5, 3.0])
    t = _watched(x)
    for clipped in (
        np.clip(t, -1, 1), np.clip(t, a_min=-1, a_max=1), np.clip(t, min=-1, max=1), t.clip(-1, 1), t.clip(min=-1, max=1),
        dnp.clip(t, -1, 1), np.clip(t, [-1, -1, -1], np.ones(3)),
    ):  # fmt: skip
        np.testing.assert_array_equal(clipped.value, np.clip(x, -1, 1))
        np.testing.assert_array_equal(clipped.tangent, [0, 1, 0])
    np.testing.assert_array_equal(t.clip(max=1).value, x.clip(max=1))
    np.testing.assert_array_equal(np.clip(t, 2, 1).value, np.clip(x, 2, 1))
    np.testing.assert_array_equal(dnp.clip(x, 0, 1), np.clip(x, 0, 1))
    out = dnp.zeros(3)
    assert np.clip(t, -1, 1, out=out) is out
    np.testing.assert_array_equal(out.tangent, [0, 1, 0])
    with pytest.raises(UntrackedError, match="zeros"):
        np.clip(t, -1, 1, out=np.zeros(3))
    with pytest.raises(ValueError, match="not both"):
        np.clip(t, -1, min=-1)


def test_nan_to_num() -> None:
    x = np.array([1.0, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(jacrev(np.nan_to_num)(x), np.diag([1, 0, 0, 0]))
    for keywords in ({}, {"nan": 2.0}, {"posinf": 1, "neginf": 3.0}, {"nan": np.arange(4.0)}):
        np.testing.assert_array_equal(np.nan_to_num(_watched(x), **keywords).value, np.nan_to_num(x, **keywords))


def test_parts() -> None:
    z = np.array([1 + 2j, -3.0 + 0j])
    np.testing.assert_array_equal(_watched(z).real.value, z.real)
    np.testing.assert_array_equal(_watched(z).imag.value, z.imag)
    assert _watched(1.5).imag.value == 0 and _watched(1.5).real.value == 1.5
    assert not np.iscomplexobj(np.real_if_close(_watched(np.array([2 + 1e-18j]))))
    assert np.iscomplexobj(np.real_if_close(_watched(z)))
    assert np.angle(_watched(-2.0)) == np.pi and grad(lambda x: np.angle(x) * x)(-2.0) == np.pi
    assert grad(lambda z: abs(z))(3 + 4j) == pytest.approx(0.6 - 0.8j)


@pytest.mark.parametrize(
    "name", ["arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "log", "log10", "log1p", "log2", "sqrt"]
)
def test_derivatives_on_a_branch_cut_are_those_of_its_side(name: str) -> None:
    f, g = getattr(dnp, name), getattr(np, name)
    for a, b in [(-1.5, 0.0), (2.5, 0.0), (0.0, 2.0), (0.0, -2.0), (0.3, 0.0), (0.0, 0.4)]:
        for z in (complex(a, b), complex(a, -b) if not b else complex(-a, b)):  # both signs of the zero
            side = complex(z.real or math.copysign(1e-9, z.real), z.imag or math.copysign(1e-9, z.imag))
            assert abs(g(side) - g(z)) < 1e-8, "the value lies on that side"
            d = grad(f, holomorphic=True)
            np.testing.assert_allclose(d(z), d(side), rtol=1e-7, err_msg=f"{name} at {z}")
            np.testing.assert_allclose(jvp(f, (z,), (1j,))[1], 1j * d(side), rtol=1e-7, err_msg=f"{name} at {z}")
            second = dualad.jet(f, (z,), ((1 + 0j, 0j),))[1][1]
            np.testing.assert_allclose(second, grad(d, holomorphic=True)(side), rtol=1e-6, err_msg=f"{name} at {z}")


def test_comparisons_of_whole_arrays() -> None:
    x = np.array([1.0, np.nan])
    t = _watched(x)
    assert np.allclose(t, x, equal_nan=True) is True and np.allclose(t, x) is False
    assert np.array_equal(t, x, equal_nan=True) is True and np.array_equal(t, x) is False
    assert np.array_equal(t, np.ones(3)) is False
    assert np.array_equiv(_watched(np.ones(3)), 1.0) is True and np.array_equiv(t, np.ones(3)) is False
    np.testing.assert_array_equal(np.isclose(t, x, rtol=1e-3, atol=0.1, equal_nan=True), [True, True])


def test_what_cannot_be_tracked_says_so() -> None:
    x = _watched(np.arange(3.0))
    with pytest.raises(UntrackedError, match="zeros"):
        np.sin(x, out=np.zeros(3))
    with pytest.raises(dualad.NotDifferentiable, match=r"np\.isnat"):
        np.isnat(x)
    with pytest.raises(ValueError, match="period"):
        np.unwrap(x, period=_watched(1.0))
    with pytest.raises(DtypeError, match="cast"):
        np.add(x, 1, dtype=int)
