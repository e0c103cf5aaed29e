"""Complex numbers as machine code: values, signs and special values of NumPy's scalars, layouts, loops, products."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest

import dualad.numpy as dnp
from dualad import grad, jit, vmap
from tests.native.test_programs import both
from tests.native.test_registry import programs, run

RNG = np.random.default_rng(0)
SPECIAL = [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e300, -3e-320, 710.0, -2000.0]
PLANE = np.array([complex(a, b) for a, b in itertools.product(SPECIAL, SPECIAL)])


def normal(*shape: int, dtype: Any = complex) -> Any:
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)


def by_scalars(f: Any, *arrays: Any) -> Any:
    """What NumPy's scalars give: its loops over arrays fuse products and sums on some machines."""
    with np.errstate(all="ignore"):
        return np.array([f(*xs) for xs in zip(*arrays, strict=True)])


def exactly(ours: Any, theirs: Any, ulps: int = 0) -> None:
    """The same numbers with the same signs, part by part."""
    assert ours.dtype == theirs.dtype
    if ours.dtype == bool:
        assert np.array_equal(ours, theirs)
        return
    for part in (np.real, np.imag):
        a, b = part(ours), part(theirs)
        assert np.array_equal(np.isnan(a), np.isnan(b))
        assert np.array_equal(np.signbit(a) | np.isnan(a), np.signbit(b) | np.isnan(b))
        a, b = np.nan_to_num(a, nan=0.0, posinf=1.0, neginf=-1.0), np.nan_to_num(b, nan=0.0, posinf=1.0, neginf=-1.0)
        np.testing.assert_array_max_ulp(a, b, ulps)


def single(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return z.astype(np.complex64)


def native(f: Any) -> None:
    """Nothing is left to NumPy, but what takes a result out of a stack."""
    text = f.explain().replace("NumPy: index", "")
    assert "NumPy" not in text, text
    assert "one by one" not in text, text


UNARY = {
    "negative": lambda z: -z,
    "conjugate": np.conjugate,
    "square": np.square,
    "reciprocal": np.reciprocal,
    "real": lambda z: np.real(z) * 1.0,
    "imag": lambda z: np.imag(z) * 1.0,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "not": np.logical_not,
    "cube": lambda z: np.power(z, 3),
    "sixth": lambda z: np.power(z, 6),
    "by a number": lambda z: z * 2.5,
    "from a number": lambda z: 1 - z,
    "over a number": lambda z: z / 3,
    "number over": lambda z: 2 / z,
    "turned": lambda z: 1j * z,
    "plus": lambda z: z + 1,
    "is a number": lambda z: z == 1j,
}
BINARY = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "and": np.logical_and,
}


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("name", UNARY)
def test_special_values(name: str, dtype: Any) -> None:
    f = UNARY[name]
    z = np.concatenate([PLANE, normal(50)])
    z = z if dtype is np.complex128 else single(z)
    g = jit(f)
    with np.errstate(all="ignore"):
        g(z)
        exactly(run(g, z)[0], by_scalars(f, z))
    native(g)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("name", BINARY)
def test_special_values_of_two(name: str, dtype: Any) -> None:
    f = BINARY[name]
    with np.errstate(all="ignore"):
        a, b = (x.astype(dtype).ravel() for x in np.meshgrid(PLANE[::2], PLANE))
        g = jit(f)
        g(a, b)
    exactly(run(g, a, b)[0], by_scalars(f, a, b))
    native(g)


@pytest.mark.parametrize("real", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "equal"])
def test_special_values_with_real_ones(name: str, real: Any) -> None:
    """A real operand is a complex one whose imaginary part is 0, which matters for signs and infinities."""
    f = BINARY[name]
    x = np.array([0, 3, -2], np.int64) if real is np.int64 else np.array(SPECIAL[:7], real)
    for dtype in (np.complex128, np.complex64):
        with np.errstate(all="ignore"):
            a, b = (v.ravel() for v in np.meshgrid(PLANE.astype(dtype), x))
            for args in ((a, b), (b, a)):
                g = jit(f)
                g(*args)
                exactly(run(g, *args)[0], by_scalars(f, *args))
                native(g)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_exponential_root_and_absolute_value(dtype: Any) -> None:
    z = np.concatenate([PLANE, normal(200) * 3, 1j * RNG.normal(size=50), 709 + normal(50), 1400 + normal(50) * 20])
    z = np.concatenate([z, 88 + normal(50)])
    z = z if dtype is np.complex128 else single(z)
    f = lambda z: (np.exp(z), np.abs(z), np.sqrt(z))
    g = jit(f)
    with np.errstate(all="ignore"):
        g(z)
        for ours, theirs in zip(run(g, z), f(z), strict=True):
            exactly(ours, theirs, 6 if dtype is np.complex128 else 3)
    native(g)


@pytest.mark.parametrize("n", [-5, -2, -1, 0, 1, 2, 3, 4, 5, 8, 16])
def test_whole_powers(n: int) -> None:
    z = np.concatenate([normal(20), [0, -0.0, complex(-0.0, -0.0), complex(0, -0.0)]])
    with np.errstate(all="ignore"):
        both(lambda z: z**n, z)
        both(lambda z: z ** float(n), z)
    for one in (*z[-4:], z[0]):
        g = jit(lambda z: z**n)
        with np.errstate(all="ignore"):
            g(one)
            np.testing.assert_allclose(run(g, one)[0], one**n, rtol=1e-13)
    native(g)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (17,), (4, 5), (2, 3, 4), (0,), (3, 0)])
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_shapes(shape: tuple[int, ...], dtype: Any) -> None:
    def f(z: Any, w: Any, x: Any) -> Any:
        return z * w + x, abs(z) * x, (z / 2).sum(), dnp.sum(z * z, axis=-1) if shape else -z, z.real - w.imag, x * 2

    x = RNG.normal(size=shape).astype(dtype(0).real.dtype)[()]
    args = normal(*shape, dtype=dtype)[()], normal(*shape, dtype=dtype)[()], x
    both(f, *args, rtol=1e-12 if dtype is np.complex128 else 1e-5, only_native=bool(np.prod(shape)))


def test_movements() -> None:
    def f(z: Any, v: Any) -> Any:
        w = z * (1 + 2j)
        out = dnp.zeros((4, 6), complex)
        out[1:3, ::-1] = w[:2]
        out[0] = v
        out[3, 0] = 5
        return (
            w.T, w[1], w[::-1, 1::2], w[:, -1] + v[0], w.reshape(6, 4), dnp.concatenate([w, v[None]]), dnp.stack([v, w[0]], 1),
            w[np.array([[0, 2], [1, 1]])], dnp.broadcast_to(v, (2, 6)), out, dnp.where(w.real > 0, w, v), dnp.where(w, 1, w),
            dnp.concatenate([w, np.ones((1, 6))]), w.astype(np.complex64), dnp.astype(w.real, complex), w.conj().T @ v[:4],
        )  # fmt: skip

    g = both(f, normal(4, 6), normal(6), only_native=False)
    native(g)


def test_reductions_and_products() -> None:
    def f(z: Any, w: Any, x: Any) -> Any:
        return (
            z.sum(), z.mean(0), dnp.any(z, axis=1), dnp.all(z), z @ w, z[0] @ w, z @ w[:, 0], z[0] @ w[:, 0], x @ w,
            dnp.einsum("ij,jk->ki", z, w), dnp.einsum("ij->j", z), dnp.trace(z[:, :3]), dnp.linalg.norm(z),
        )  # fmt: skip

    native(both(f, normal(3, 4), normal(4, 5), RNG.normal(size=(2, 4)), only_native=False))


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_large_products(dtype: Any) -> None:
    """By BLAS, of matrices as they lie, turned, cut, and made by other operations; of vectors."""

    def f(a: Any, b: Any, v: Any) -> Any:
        return (
            a @ b, a.T @ b.T[:, :30], a.conj().T @ a, a[::2] @ b, a[:, 3:] @ b[3:], a @ v, v @ b, (a * 2) @ (b + 1),
            a.real @ b, dnp.einsum("ij,jk->ki", a, b), (a @ b) * 1j, (a @ b)[:, 1:] @ v[:29], a[:, ::2] @ v[:20],
        )  # fmt: skip

    args = normal(30, 40, dtype=dtype), normal(40, 30, dtype=dtype), normal(40, dtype=dtype)
    native(both(f, *args, rtol=1e-11 if dtype is np.complex128 else 2e-4, only_native=False))


def test_large_products_of_infinities() -> None:
    a, b = normal(20, 20), normal(20, 20).real
    a[3, 4] = np.inf
    g = jit(lambda a, b: (a @ b, b @ a))
    with np.errstate(all="ignore"):
        g(a, b)
        for ours, theirs in zip(run(g, a, b), (a @ b, b @ a), strict=True):
            assert np.array_equal(np.isfinite(ours), np.isfinite(theirs))


def test_real_values_and_complex_numbers() -> None:
    """Nothing is complex there but a constant."""
    native(both(lambda x: (x == 1j, x != 2 + 0j, dnp.abs(x * 1j), (1j * x).real), np.arange(5.0)))
    z = normal(5)
    z.flags.writeable = False
    native(both(lambda x: x == z, np.arange(5.0)))


def test_layouts_of_arguments() -> None:
    f = jit(lambda z, x: z * x + 1)
    z, x = normal(6, 8), RNG.normal(size=(6, 8))
    f(z, x)
    for w, y in (
        (z[::2], x[::2]),
        (z.T, x.T),
        (np.asfortranarray(z), x),
        (z[:, ::-1], x[:, ::-1]),
        (z.real + 0j, z.imag),
    ):
        np.testing.assert_array_equal(f(w, y), f(w.copy(), y.copy()))
        np.testing.assert_allclose(f(w, y), w * y + 1, rtol=1e-13)
    swapped = z.astype(">c16")
    np.testing.assert_allclose(f(swapped, x), z * x + 1, rtol=1e-13)


def test_numbers() -> None:
    """Python's complex numbers and NumPy's, by the short way into machine code."""
    f = jit(lambda z, w: z * w + 1)
    for z, w in ((1 + 2j, 3 - 1j), (np.complex128(1 + 2j), 3 - 1j), (1 - 2j, np.complex128(2j)), (0j, -0j)):
        for _ in range(3):
            y = f(z, w)
            assert type(y) is np.complex128
            assert y == z * w + 1
    single = jit(lambda z: z * 2)
    for _ in range(3):
        y = single(np.complex64(1 + 2j))
        assert type(y) is np.complex64
        assert y == 2 + 4j
        assert type(single(1 + 2j)) is np.complex128


def test_guards() -> None:
    """Of comparisons, of a number's truth, of its parts."""

    def f(z: Any) -> Any:
        if z:
            z = z * 2
        if z == 2 + 2j:
            z = z + 1
        return z * 1j if abs(z) > 3 else -z

    g = jit(f)
    for z in (1 + 1j, 0j, 5 + 1j, 0.1j, complex(0, -0.0), 1 + 1j, 5 + 2j):
        for _ in range(2):
            assert g(z) == f(np.complex128(z))
    native_guards = [p.native_guards for p in programs(g)]
    assert all(sum(map(len, own.values())) == 3 for own in native_guards)


def quadratic(c: Any, steps: int = 700) -> Any:
    z = c * 0
    for _ in range(steps):
        z = z * z + c
    return z


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_loops(dtype: Any) -> None:
    """The carried value is complex, a number or an array."""
    c = (normal(12, dtype=dtype) * dtype(0.1)).astype(dtype)
    rtol = 1e-12 if dtype is np.complex128 else 1e-5
    for own in (c[0], c):
        g = both(quadratic, own, rtol=rtol, only_native=False)
        assert "(native)" in g.explain()
        native(g)


def test_derivatives_of_loops() -> None:
    f = lambda a, b: (abs(quadratic(a + 1j * b)) ** 2).sum()
    args = RNG.normal(size=6) * 0.1, RNG.normal(size=6) * 0.1
    g = both(grad(f, (0, 1)), *args, only_native=False)
    assert g.explain().count("(native)") == 2
    native(g)


def test_loops_with_other_steps() -> None:
    """An operation of NumPy in the body: its iterations run one by one, the rest of each is native."""

    def f(z: Any) -> Any:
        for _ in range(400):
            z = np.sin(z * 0.3) + 0.2 * z * z + 0.1j
        return z

    g = both(f, normal(3) * 0.1, only_native=False, rtol=1e-11)
    assert "one by one" in g.explain()


def test_changed_in_place() -> None:
    def f(z: Any) -> Any:
        out = dnp.zeros(600, complex)
        for k in range(1, 600):
            out[k] = out[k - 1] * z + 1j
        return out

    g = both(f, np.complex128(0.3 + 0.2j), only_native=False)
    assert "arrays changed in place" in g.explain()
    native(g)


def test_steps_of_numpy_between() -> None:
    """Complex values go to NumPy and come back."""
    f = lambda z: np.abs(np.fft.fft(z * 2) * 1j + z).sum() + np.sin(z * z)[0]
    g = both(f, normal(8), only_native=False)
    assert "NumPy: fft" in g.explain()
    assert "NumPy: sin" in g.explain()
    assert g.explain().count("native") == 2


def test_movements_alone_are_left_to_numpy() -> None:
    g = both(lambda z: np.sin(z.T[::2]), normal(4, 6), only_native=False)
    assert "native" not in g.explain()


def test_derivative_of_a_signal() -> None:
    def f(w: Any, x: Any, z: Any) -> Any:
        return np.sum(abs(np.exp(1j * w * x) * z) ** 2 + (np.exp(2j * w) * z).imag)

    g = both(grad(f), RNG.normal(size=40), RNG.normal(size=40), normal(40))
    native(g)


def test_rows() -> None:
    """Straight-line code for each of many rows, complex arguments and results."""

    def f(z: Any, w: Any) -> Any:
        a, b = z[0] * w, z[1] / w
        return dnp.stack([a + b, a * b, np.exp(a - b), z[2]]), abs(a) + b.real

    g = both(vmap(f), normal(40, 3), normal(40))
    native(g)
    h = vmap(grad(lambda x, z: abs(dnp.sum(np.exp(1j * x * z[0]) + z[1])).sum()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dualad.native.segment.SEVERAL", 1)
        g = both(h, RNG.normal(size=(40, 2)), normal(40, 2))
    assert "for each of 40 rows" in g.explain()


def test_arguments_that_are_results() -> None:
    f = lambda z, w: (z, w, z, z.real, z * w)
    g = jit(f)
    z, w = normal(5), normal(5)
    for _ in range(2):
        ys = g(z, w)
        assert len({id(y) for y in ys}) == 5
        for a, b in zip(ys, f(z, w), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)
            assert not np.shares_memory(a, z)


def test_without_a_compiler() -> None:
    from dualad.native.program import Program

    z = normal(4)
    g = jit(lambda z: np.exp(z) * 2)
    g(z)
    (p,) = programs(g)
    (y,) = Program(p.graph, native=False)([z])
    np.testing.assert_array_equal(y, np.exp(z) * 2)


def test_slow_calls(monkeypatch: Any) -> None:
    """By ctypes, where the layout of Python's objects is not known."""
    monkeypatch.setattr("dualad.native.entry.layout_holds", lambda: False)
    both(lambda z, w: (z * w, abs(z), (z + w).sum()), normal(5), normal(5))
    both(lambda z: z * z, np.complex128(1 + 2j))
