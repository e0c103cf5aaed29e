"""What a recording defers: shapes, dtypes and values are NumPy's, nothing large is computed unless Python looks at it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import dualad
import dualad.numpy as dnp
from dualad import custom_vjp, grad, jit, value_and_grad
from dualad.core.deferred import LEAST, Deferred, deferred, settled
from dualad.core.primitive import REGISTRY
from dualad.core.tensor import Tensor
from dualad.modes.record import compiling
from tests.native.test_registry import PRIMITIVES, array, flat, of, samples

LARGE = LEAST + 3


@pytest.fixture
def computed(monkeypatch: Any) -> list[Any]:
    """The deferred arrays that somebody looked at."""
    out: list[Any] = []
    value = Deferred.value

    def watched(self: Deferred) -> Any:
        out.append(self)
        return value(self)

    monkeypatch.setattr(Deferred, "value", watched)
    return out


def elementwise(x: Any) -> Any:
    return dnp.sum(dnp.tanh(dnp.sin(x) * dnp.exp(-x * x)) + dnp.log1p(x * x) / x)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_primitive(name: str, monkeypatch: Any) -> None:
    """A recording with every argument deferred says of its results what they are."""
    monkeypatch.setattr("dualad.core.deferred.LEAST", 1)
    prim = REGISTRY[name]
    for s in samples(prim):
        where = tuple(i for i, a in enumerate(s.args) if isinstance(a, np.ndarray) and a.dtype.kind in "fciub")
        f = of(prim, s, where)
        given = [array(s.args[i]) for i in where]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = f(*given)
            with compiling(frozenset()) as level:
                ys = flat(f(*[level.watch(deferred(x)) for x in given]))
                values = [y.value if type(y) is Tensor else y for y in ys]
            for v, e in zip(values, flat(expected), strict=True):
                said = np.shape(v) if type(v) is not Deferred else v.shape
                assert (said, np.result_type(v)) == (np.shape(e), np.asarray(e).dtype)
                np.testing.assert_array_equal(settled(v), e)


def test_nothing_is_computed(computed: list[Any]) -> None:
    f = value_and_grad(elementwise)
    x = np.linspace(0.1, 1, LARGE)
    g = jit(f)
    (y, dy), again = g(x), g(x)
    assert not computed
    np.testing.assert_array_equal(dy, again[1])
    expected = f(x)
    np.testing.assert_allclose(y, expected[0], rtol=1e-12)
    np.testing.assert_allclose(dy, expected[1], rtol=1e-9, atol=1e-12)


def test_what_python_looks_at_is_computed(computed: list[Any]) -> None:
    def f(x: Any) -> Any:
        y = dnp.sin(x)
        return y.sum() if y.mean() > 0 else (x * x).sum()

    g = jit(grad(f))
    x = np.linspace(0.1, 1, LARGE)
    for point in (x, -x, x):
        np.testing.assert_allclose(g(point), grad(f)(point), rtol=1e-12)
    assert computed


def test_operations_that_are_not_deferred() -> None:
    m = np.random.default_rng(0).normal(size=(300, 300))

    def f(x: Any) -> Any:
        return dnp.sum(dnp.linalg.solve(x + 20 * np.eye(300), dnp.sort(x, axis=0)) @ x)

    g = jit(grad(f))
    np.testing.assert_allclose(g(m), grad(f)(m), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(g(2 * m), grad(f)(2 * m), rtol=1e-9, atol=1e-10)


def test_captured_arrays_that_change_meanwhile() -> None:
    buffer = np.ones(LARGE)

    def f(x: Any) -> Any:
        buffer[:] = 2.0
        y = x * buffer
        buffer[:] = 3.0
        return y

    x = np.arange(float(LARGE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for g in (jit(f), jit(f)):
            np.testing.assert_array_equal(g(x), 2 * x)
            np.testing.assert_array_equal(g(x), 2 * x)


def test_users_rules_get_arrays() -> None:
    seen = []

    @custom_vjp
    def f(x: Any) -> Any:
        seen.append(type(x))
        return np.where(x > 0.5, x, 0.0)

    f.defvjp(lambda x: (f(x), x), lambda x, g: (g * (x > 0.5),))
    x = np.linspace(0, 1, LARGE)
    g = jit(grad(lambda x: dnp.sum(f(x * x) * x)))
    np.testing.assert_allclose(g(x), grad(lambda x: dnp.sum(f(x * x) * x))(x), rtol=1e-12)
    assert Deferred not in seen


def network(w: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = dnp.tanh(w @ h + x)
        return h, h.sum()

    h, ys = dualad.scan(step, np.zeros(3), xs)
    return (ys * ys).sum() + h[0]


def euler(w: Any, xs: Any) -> Any:
    v = xs[0]
    for _ in range(900):
        v = v + 0.001 * dnp.sin(w @ v)
    return v.sum()


@pytest.mark.parametrize("f", [network, euler])
def test_loops_are_run_by_the_compiled_program(f: Any, computed: list[Any]) -> None:
    w, xs = np.random.default_rng(0).normal(size=(3, 3)), np.random.default_rng(1).normal(size=(50, 3))
    for d in (f, grad(f), value_and_grad(f, (0, 1))):
        g = jit(d)
        first, again = g(w, xs), g(w, xs)
        assert not computed
        for y, z, e in zip(flat(first), flat(again), flat(d(w, xs)), strict=True):
            np.testing.assert_array_equal(y, z)
            np.testing.assert_allclose(y, e, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(jit(hvp_of(f))(w, xs), hvp_of(f)(w, xs), rtol=1e-9, atol=1e-10)


def hvp_of(f: Any) -> Any:
    return lambda w, xs: dualad.hvp(lambda w: f(w, xs), w, np.ones((3, 3)))


def test_a_loop_that_python_looks_at() -> None:
    w, xs = np.random.default_rng(0).normal(size=(3, 3)), np.random.default_rng(1).normal(size=(50, 3))

    def f(w: Any, xs: Any) -> Any:
        y = network(w, xs)
        return y * w.sum() if y > 60 else y

    g = jit(grad(f))
    for k in (1.0, 0.3, 3.0, 1.0):
        np.testing.assert_allclose(g(k * w, xs), grad(f)(k * w, xs), rtol=1e-10, atol=1e-12)


def test_errors_are_the_function_s_own() -> None:
    x = np.ones(LARGE)
    with pytest.raises(ValueError, match="broadcast"):
        jit(lambda x: x + np.ones(3))(x)
    with pytest.raises(KeyError, match="own"):
        jit(lambda x: {}["own"])(x)


def test_assignment() -> None:
    def f(x: Any) -> Any:
        y = dnp.zeros(LARGE)
        y += x
        y[3:] *= 2
        return (y * y).sum()

    x = np.linspace(0, 1, LARGE)
    np.testing.assert_allclose(jit(grad(f))(x), grad(f)(x), rtol=1e-12)


def test_small_arrays_are_computed() -> None:
    assert type(deferred(np.ones(LEAST - 1))) is np.ndarray
    assert LEAST > 10_000


def test_long_chains_are_computed_without_recursion() -> None:
    d = deferred(np.ones(LEAST))
    for _ in range(5000):
        d = d * 1.0
    assert settled(d)[0] == 1.0
