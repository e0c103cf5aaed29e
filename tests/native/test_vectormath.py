"""The vector math library against mpmath, at each width, in both precisions, with and without fused multiply-add."""

from __future__ import annotations

import functools
from typing import Any

import mpmath
import numpy as np
import pytest

pytest.importorskip("llvmlite")

import dualad.ops.special  # noqa: F401  (declares the special functions)
from compare.kernels import PORTABLE, Kernel
from compare.vectormath_cases import CASES
from compare.vectormath_coefficients import tables
from dualad.core.primitive import REGISTRY
from dualad.native.vectormath import SUPPORTED, coefficients

NAMES = sorted(CASES)
POINTS = 2000
MANY = 100_000
EDGES = np.array(
    [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 25.0, 709.0, 746.0, 2.0**52, 2.0**53 + 2, 1e300, np.inf, np.nan, 5e-324, 2.0**-1022, 1e-310,
     2.0**-54, np.pi, 2.0**20, 171.0, 38.0]
)  # fmt: skip


def edge_arguments(arguments: int) -> list[Any]:
    one = np.concatenate([EDGES, -EDGES])
    return [c.ravel() for c in np.meshgrid(*[one] * arguments)]


@functools.cache
def points(name: str, n: int) -> tuple[Any, ...]:
    return CASES[name].points(1, n)


@functools.cache
def kernel(name: str, width: int, single: bool = False, fma: bool = True) -> Kernel:
    portable = {} if fma else {"features": PORTABLE}
    return Kernel(name, len(points(name, POINTS)), width=width, single=single, fma=fma, **portable)


def check(name: str, xs: tuple[Any, ...], ys: Any) -> None:
    errors = CASES[name].errors(xs, ys)
    worst = int(np.argmax(errors))
    at = [float(x[worst]) for x in xs]
    assert errors[worst] <= CASES[name].limit, f"{name}{at} = {float(ys[worst])!r}: {errors[worst]:.3f} ulp"


def test_every_function_has_a_case() -> None:
    assert set(CASES) | {"absolute", "fabs"} == SUPPORTED
    assert set(REGISTRY) >= SUPPORTED


@pytest.mark.parametrize("name", NAMES)
def test_error(name: str) -> None:
    xs = points(name, POINTS)
    check(name, xs, kernel(name, 8)(*xs))


@pytest.mark.parametrize("name", NAMES)
def test_every_width_gives_the_same_bits(name: str) -> None:
    xs = points(name, POINTS)
    xs = tuple(np.concatenate([x, e]) for x, e in zip(xs, edge_arguments(len(xs)), strict=True))
    expected = kernel(name, 8)(*xs)
    for width in (1, 2, 4):
        ys = kernel(name, width)(*xs)
        differs = (ys.view(np.int64) != expected.view(np.int64)) & ~(np.isnan(ys) & np.isnan(expected))
        assert not differs.any(), f"{name}: width {width} differs at {[x[differs][0] for x in xs]}"


@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_one_huge_argument_among_others(name: str, fma: bool) -> None:
    """In each place of four registers, of AVX-512 and of SSE."""
    width = 32 if fma else 8
    near = np.array([2.0**19, 2.0**20 - 1, 2.0**20 - 0.5, 2.0**20, 2.0**21]) * (np.pi / 2)
    huge = np.concatenate(
        [np.nextafter(near, 0.0), near, np.nextafter(near, np.inf), [1e6, 1e22, 1e300, np.inf, np.nan]]
    )
    huge = np.concatenate([huge, -huge])
    xs = np.tile(np.linspace(0.1, 1.0, width), (len(huge), width, 1))
    for k in range(width):
        xs[:, k, k] = huge
    x = xs.ravel()
    ys, expected = kernel(name, width, fma=fma)(x), kernel(name, 1, fma=fma)(x)
    assert np.array_equal(ys, expected, equal_nan=True)
    finite = np.isfinite(x)
    check(name, (np.unique(x[finite]),), kernel(name, width, fma=fma)(np.unique(x[finite])))


@pytest.mark.parametrize(
    "name", ["cosh", "erfc", "exp", "exp2", "expit", "expm1", "gamma", "log_expit", "power", "sinh"]
)
def test_powers_of_two_without_avx512_give_the_same_bits(name: str) -> None:
    xs = points(name, POINTS)
    xs = tuple(np.concatenate([x, e]) for x, e in zip(xs, edge_arguments(len(xs)), strict=True))
    expected, ys = kernel(name, 8)(*xs), Kernel(name, len(xs), width=4, features="-avx512f")(*xs)
    differs = (ys.view(np.int64) != expected.view(np.int64)) & ~(np.isnan(ys) & np.isnan(expected))
    assert not differs.any(), f"{name}: differs at {[x[differs][0] for x in xs]}"


@pytest.mark.parametrize("name", NAMES)
def test_without_fused_multiply_add(name: str) -> None:
    xs = tuple(x[::4] for x in points(name, POINTS))
    check(name, xs, kernel(name, 2, fma=False)(*xs))
    edges = edge_arguments(len(xs))
    same(name, edges, kernel(name, 2, fma=False)(*edges))


@pytest.mark.parametrize("name", NAMES)
def test_single_precision(name: str) -> None:
    with np.errstate(over="ignore"):
        xs = tuple(x[::4].astype(np.float32) for x in points(name, POINTS))
    keep = np.all([np.isfinite(x) & (x != 0) & inside(name, x, k) for k, x in enumerate(xs)], axis=0)
    xs = tuple(x[keep] for x in xs)
    assert len(xs[0]) > 20
    ys = kernel(name, 16, single=True)(*xs)
    errors = CASES[name].errors(xs, ys)
    worst = int(np.argmax(errors))
    assert errors[worst] <= 0.51, f"{name}{[float(x[worst]) for x in xs]} = {ys[worst]!r}: {errors[worst]:.3f} ulp"


def inside(name: str, x: Any, argument: int) -> Any:
    """Where rounding to float32 has not moved an argument onto a pole or out of the domain."""
    if name in ("arctanh", "logit", "erfinv"):
        return np.abs(x) < 1
    if name == "arccosh":
        return x >= 1
    if name == "log1p" or (name == "xlog1py" and argument == 1):
        return x > -1
    if name in ("gamma", "gammaln", "digamma"):
        return (x > 0) | (x != np.floor(x))
    return np.ones(len(x), bool)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_next_to_whole_quarters_of_turns(name: str) -> None:
    """Where all of the argument but its last bits is taken away; up to 2^20 it is done by parts of pi / 2, then in integers."""
    with mpmath.workprec(250):
        k = np.concatenate(
            [np.arange(1, 40), np.arange(667_520, 667_560), np.random.default_rng(3).integers(1, 667_544, 100)]
        )
        x = np.array([float(mpmath.pi / 2 * int(j)) for j in k])
        x = np.concatenate([x, np.nextafter(x, 0), -x])
        exact = [getattr(mpmath, name)(mpmath.mpf(float(a))) for a in x]
        for width, fma in ((8, True), (2, False)):
            ys = kernel(name, width, fma=fma)(x)
            for a, y, e in zip(x, ys, exact, strict=True):
                assert abs(float((float(y) - e) / float(np.spacing(abs(float(e)))))) < 0.51, (width, float(a))


# Where NumPy's or SciPy's own answer is the wrong one (0 for what is representable, sin(pi) for 0, the sign of 0).
INEXACT = {
    "sinc": lambda x: (x == np.floor(x)) & (x != 0),
    "gammaln": lambda x: (x != 0) & (np.abs(x) < 2.0**-1022),
    "ndtr": lambda x: x == -38,
    "log_ndtr": lambda x: x == 38,
    "erfinv": lambda x: x == 0,
}


def same(name: str, xs: list[Any], ys: Any) -> None:
    """As NumPy and SciPy have it: NaN, infinities, signs of zero; and finite values nearly."""
    with np.errstate(all="ignore"):
        expected = np.asarray(REGISTRY[name].impl(*xs))
    assert expected.dtype == ys.dtype
    error, least = (1e-13, 1e-320) if ys.dtype == np.float64 else (1e-5, 1e-44)
    near = np.isfinite(ys) & np.isclose(ys, expected, rtol=error, atol=least)
    alike = (np.isnan(ys) & np.isnan(expected)) | ((np.signbit(ys) == np.signbit(expected)) & ((ys == expected) | near))
    if name in INEXACT:
        alike |= INEXACT[name](*xs)
    at = np.flatnonzero(~alike)
    assert not len(at), [(*(float(x[k]) for x in xs), float(ys[k]), float(expected[k])) for k in at[:5]]


@pytest.mark.parametrize("name", sorted(SUPPORTED))
def test_special_values(name: str) -> None:
    xs = edge_arguments(2 if name in CASES and len(points(name, POINTS)) == 2 else 1)
    ys = (kernel(name, 8) if name in CASES else Kernel(name))(*xs)
    same(name, xs, ys)
    with np.errstate(over="ignore"):
        xs = [x.astype(np.float32) for x in xs]
    ys = (kernel(name, 16, single=True) if name in CASES else Kernel(name, single=True))(*xs)
    same(name, xs, ys)


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_error_at_many_points(name: str) -> None:
    xs = points(name, MANY)
    check(name, xs, kernel(name, 8)(*xs))


@pytest.mark.nightly
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no extended precision")
@pytest.mark.parametrize("name", ["cos", "cosh", "exp", "exp2", "expm1", "log", "log1p", "sin", "sinh", "tan", "tanh"])
def test_error_at_a_million_points(name: str) -> None:
    """Near the ends of the reduced arguments, where few points are, and the errors largest."""
    rng = np.random.default_rng(7)
    parts = [rng.uniform(0.0, 1.5, 700_000), rng.uniform(0.1, 0.4, 200_000), np.exp2(rng.uniform(-40, 9, 100_000))]
    x = np.concatenate(parts) * (1.0 if name == "log" else rng.choice([-1.0, 1.0], 1_000_000))
    x = x[x > -0.99] if name == "log1p" else x
    exact = getattr(np, name)(x.astype(np.longdouble))
    for fma in (True, False):
        errors = np.abs(kernel(name, 8 if fma else 2, fma=fma)(x) - exact) / np.spacing(np.abs(exact.astype(float)))
        worst = int(np.argmax(errors))
        assert errors[worst] <= CASES[name].limit, (
            f"{name}({float(x[worst])!r}), {fma=}: {float(errors[worst]):.3f} ulp"
        )


@pytest.mark.nightly
def test_coefficients_are_what_the_fit_gives() -> None:
    for name, values in tables().items():
        np.testing.assert_allclose(getattr(coefficients, name), values, rtol=1e-12, err_msg=name)


def test_functions_are_made_once() -> None:
    from llvmlite import ir

    from dualad.native.vectormath import emit

    module = ir.Module()
    double = ir.DoubleType()
    f = ir.Function(module, ir.FunctionType(double, [double]), "f")
    builder = ir.IRBuilder(f.append_basic_block())
    y = emit(builder, "sin", [emit(builder, "sin", [f.args[0]])])
    builder.ret(builder.fadd(y, emit(builder, "cos", [f.args[0]])))
    assert str(module).count('define internal double @"dualad.sin.v1') == 1
    assert str(module).count('@"dualad.sincos.v1') >= 2
