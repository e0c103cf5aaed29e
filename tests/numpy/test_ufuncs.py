"""Ufunc keywords (``out``, ``where``, ``dtype``, ``casting``) and methods, through NumPy's dispatch and dualad.numpy."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import dualad
import dualad.numpy as dnp
from dualad import ArgumentError, DtypeError, NotDifferentiable, ShapeError, UntrackedError, grad, jacfwd, jacrev, jvp
from tests.functions import Case, arr, check, parameters
from tests.test_gotchas import in_both_modes

X = arr(3, 4, seed=1, lo=0.3)
V = arr(3, seed=2, lo=0.3)
W = arr(4, seed=3, lo=0.3)


def logsumexp(x: Any, axis: int) -> Any:
    return jnp.log(jnp.exp(x).sum(axis))


def sequence(f: Any, x: Any) -> Any:
    out = [x[0]]
    for v in x[1:]:
        out.append(f(out[-1], v))
    return jnp.stack(out)


def truth(x: Any) -> Any:
    return (x > 1).all(1) * (x > 1).any(0)[0] * x[:, 0]


REDUCE = [
    Case(lambda np, x: np.add.reduce(x), (X,), oracle=lambda x: x.sum(0)),
    Case(lambda np, x: np.add.reduce(x, axis=(0, 1), keepdims=True), (X,), oracle=lambda x: x.sum(keepdims=True)),
    Case(lambda np, x: np.multiply.reduce(x, 1, initial=2.0), (X,), oracle=lambda x: 2 * x.prod(1)),
    Case(
        lambda np, x: np.maximum.reduce(x, axis=None) * np.minimum.reduce(x), (X,), oracle=lambda x: x.max() * x.min(0)
    ),
    Case(lambda np, x: np.logaddexp.reduce(x, axis=1), (X,), oracle=lambda x: logsumexp(x, 1)),
    Case(lambda np, x: np.logaddexp.reduce(x), (X,), oracle=lambda x: logsumexp(x, 0)),
    Case(lambda np, x: np.hypot.reduce(x, axis=None), (X,), oracle=lambda x: jnp.sqrt((x * x).sum())),
    Case(lambda np, x: np.subtract.reduce(x), (X,), oracle=lambda x: x[0] - x[1:].sum(0)),
    Case(
        lambda np, x: np.divide.reduce(x, axis=-1, keepdims=True),
        (X,),
        oracle=lambda x: x[:, :1] / x[:, 1:].prod(1, keepdims=True),
    ),
    Case(lambda np, x: np.fmax.reduce(x), (X,), oracle=lambda x: x.max(0)),
    Case(
        lambda np, x: np.logical_and.reduce(x > 1, axis=1) * np.logical_or.reduce(x > 1)[0] * x[:, 0],
        (X,),
        oracle=truth,
    ),
]
PLACES = [0, 3, 1, 1, 2]  # slices of 3, 1, 1, 1 and 2 elements of 4


def slices(f: Any, axis: int) -> Any:
    """The slices that reduceat has for ``PLACES``, by JAX."""

    def of(x: Any) -> Any:
        x = jnp.moveaxis(x, axis, 0)
        parts = [x[0:3], x[3:4], x[1:2], x[1:2], x[2:4]]
        return jnp.moveaxis(jnp.stack([f(p) for p in parts]), 0, axis)

    return of


REDUCEAT = [
    Case(lambda np, x: np.add.reduceat(x, PLACES, axis=1), (X,), oracle=slices(lambda p: p.sum(0), 1)),
    Case(lambda np, x: np.multiply.reduceat(x, PLACES), (W,), oracle=slices(lambda p: p.prod(0), 0)),
    Case(lambda np, x: np.maximum.reduceat(x, PLACES, -1), (X,), oracle=slices(lambda p: p.max(0), 1)),
    Case(lambda np, x: np.minimum.reduceat(x, np.array(PLACES)), (X.T,), oracle=slices(lambda p: p.min(0), 0)),
    Case(lambda np, x: np.logaddexp.reduceat(x, PLACES, axis=1), (X,), oracle=slices(lambda p: logsumexp(p, 0), 1)),
    Case(lambda np, x: np.subtract.reduceat(x, PLACES), (W,), oracle=slices(lambda p: p[0] - p[1:].sum(0), 0)),
]
ACCUMULATE = [
    Case(lambda np, x: np.add.accumulate(x, axis=1), (X,), oracle=lambda x: x.cumsum(1)),
    Case(lambda np, x: np.multiply.accumulate(x), (X,), oracle=lambda x: x.cumprod(0)),
    Case(lambda np, x: np.maximum.accumulate(x), (X,), oracle=lambda x: sequence(jnp.maximum, x)),
    Case(lambda np, x: np.logaddexp.accumulate(x, axis=1), (X,), oracle=lambda x: sequence(jnp.logaddexp, x.T).T),
    Case(lambda np, x: np.subtract.accumulate(x), (X,), oracle=lambda x: sequence(jnp.subtract, x)),
]
OUTER = [
    Case(lambda np, x, y: np.multiply.outer(x, y), (V, W), oracle=jnp.outer),
    Case(lambda np, x, y: np.subtract.outer(x, y), (X, V), oracle=lambda x, y: x[:, :, None] - y),
    Case(lambda np, y: np.power.outer(V, y), (W,), oracle=lambda y: V[:, None] ** y),
    Case(lambda np, y: np.arctan2.outer(y, V[0]), (W,), oracle=lambda y: jnp.arctan2(y, V[0])),
    Case(lambda np, y: np.float_power.outer(np.abs(V), y), (W,), oracle=lambda y: jnp.abs(V)[:, None] ** y),
    Case(lambda np, x: np.maximum.outer(x, 1.0), (V,), oracle=lambda x: jnp.maximum(x, 1.0)),
]
KEYWORDS = [
    Case(lambda np, x: np.exp(x, dtype=np.float32), (X.astype(np.float32),), oracle=jnp.exp),
    Case(lambda np, x: np.add(x, 2, dtype=complex).imag, (X,), oracle=lambda x: 0 * x),
    Case(lambda np, x: np.multiply(x, x, order="C", subok=True, casting="same_kind"), (X,), oracle=lambda x: x * x),
]
CASES: dict[str, list[Case]] = {
    "ufunc.reduce": REDUCE,
    "ufunc.accumulate": ACCUMULATE,
    "ufunc.reduceat": REDUCEAT,
    "ufunc.outer": OUTER,
    "ufunc keywords": KEYWORDS,
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def test_out_is_a_buffer() -> None:
    def f(x: Any) -> Any:
        out = dnp.zeros(3)
        assert np.sin(x, out=out) is out
        np.multiply(out, x, out=out)
        dnp.add(out, 1.0, out=(out,))
        np.exp(out[:1], out=out)  # broadcast into it
        return out

    in_both_modes(
        f, V, np.diag([0.0, 0, 0]) + np.array([[1.0], [1], [1]]) * jacfwd(lambda x: np.exp(np.sin(x) * x + 1))(V)[0]
    )


def test_out_of_plain_values_and_positional() -> None:
    out = np.zeros(3)
    assert dnp.sin(V, out=out) is out
    np.testing.assert_array_equal(out, np.sin(V))
    buffer = dnp.zeros(3)
    np.sin(V, buffer)
    np.testing.assert_array_equal(np.asarray(buffer), np.sin(V))
    for f in (np.sin, dnp.sin):
        with pytest.raises(UntrackedError, match="zeros"):
            grad(lambda x, f=f: f(x, out=np.zeros(3)).sum())(V)
    with pytest.raises(ShapeError, match="out has shape"):
        grad(lambda x: np.sin(x, out=dnp.zeros(2)).sum())(V)


def test_where_evaluates_only_where_the_mask_is() -> None:
    def f(x: Any) -> Any:
        return np.log(x, where=x > 0, out=dnp.full(3, 7.0))

    x = np.array([0.0, -1.0, 2.0])
    np.testing.assert_array_equal(jvp(f, (x,), (np.ones(3),))[0], [7, 7, np.log(2)])
    in_both_modes(f, x, np.diag([0, 0, 0.5]))

    def keeps(x: Any) -> Any:
        out = x * 3.0
        np.divide(1.0, x, where=x != 0, out=out)
        return out

    in_both_modes(keeps, np.array([0.0, 2.0]), np.diag([3, -0.25]))
    with pytest.raises(ArgumentError, match="out="):
        grad(lambda x: np.log(x, where=x > 0).sum())(x)


def test_dtype_and_casting() -> None:
    x = V.astype(np.float32)
    t = dualad.Dual(x, np.ones_like(x))
    assert np.exp(t, dtype=np.float64).dtype == np.float64 == np.exp(t, dtype=np.float64).tangent.dtype
    assert np.add(t, 1.5, dtype="f4").dtype == np.float32
    assert grad(lambda v: np.exp(v, dtype=float).sum())(x).dtype == np.float32
    with pytest.raises(DtypeError, match="cast"):
        np.exp(t, dtype=np.float64, casting="no")
    with pytest.raises(DtypeError, match="cast"):
        np.add(t, 1, dtype=int)
    with pytest.raises(ArgumentError, match="signature"):
        np.add(t, 1, signature="dd->d")


def test_composed_functions_take_the_keywords_too() -> None:
    t = dualad.Dual(V, np.ones(3))
    for name in ("conjugate", "sign", "float_power"):
        for module in (np, dnp):
            args = (t, 2.0) if name == "float_power" else (t,)
            plain = (V, 2.0) if name == "float_power" else (V,)
            out = dnp.zeros(3)
            assert getattr(module, name)(*args, out=out) is out
            np.testing.assert_array_equal(_value(out), getattr(np, name)(*plain))
    with pytest.raises(ArgumentError, match="several"):
        np.modf(t, out=(dnp.zeros(3), dnp.zeros(3)))


def _value(x: Any) -> Any:
    return x.value if isinstance(x, dualad.Tensor) else x


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power", "maximum", "logaddexp"])
def test_at(name: str) -> None:
    """Repeated indices are applied one after the other, as NumPy does."""
    i = np.array([0, 2, 0, 0])

    def f(x: Any, w: Any) -> Any:
        out = dnp.zeros(3)
        out[...] = x
        getattr(np, name).at(out, i, w)
        return out

    expected = V.copy()
    getattr(np, name).at(expected, i, W)
    y, t = jvp(f, (V, W), (V, W))
    np.testing.assert_allclose(y, expected)

    def reference(x: Any, w: Any) -> Any:
        parts = [x[0], x[1], x[2]]
        for k, place in enumerate(i):
            parts[place] = getattr(np, name)(parts[place], w[k])
        return sum(p * e for p, e in zip(parts, np.eye(3)))

    np.testing.assert_allclose(t, jvp(reference, (V, W), (V, W))[1])
    for k in (0, 1):
        np.testing.assert_allclose(jacrev(f, k)(V, W), jacfwd(reference, k)(V, W), atol=1e-15)


def test_at_with_other_indices() -> None:
    def f(x: Any) -> Any:
        out = dnp.zeros((3, 4))
        np.add.at(out, (slice(None), [1, 1]), x[:, :2])
        np.add.at(out, 0, x[0])
        np.multiply.at(out, np.array([False, False, True]), 2.0)
        np.negative.at(out, (1, 1))
        return out

    expected = np.zeros((3, 4))
    np.add.at(expected, (slice(None), [1, 1]), X[:, :2])
    np.add.at(expected, 0, X[0])
    np.multiply.at(expected, np.array([False, False, True]), 2.0)
    np.negative.at(expected, (1, 1))
    y, t = jvp(f, (X,), (X,))  # f is linear
    np.testing.assert_allclose(y, expected)
    np.testing.assert_allclose(t, expected)
    np.testing.assert_allclose(jacrev(f)(X), jacfwd(f)(X))
    with pytest.raises(UntrackedError, match="zeros"):
        grad(lambda x: np.add.at(np.zeros(3), [0], x))(1.0)


def test_reduceat_at_its_limits() -> None:
    with pytest.raises(IndexError, match=r"within \[0, 3\)"):
        grad(lambda x: np.add.reduceat(x, [0, 3]).sum())(V)
    with pytest.raises(ArgumentError, match="whole numbers"):
        grad(lambda x: np.add.reduceat(x, [0.5]).sum())(V)
    assert np.add.reduceat(dualad.Dual(X, X), np.zeros(0, int), axis=1).shape == (3, 0)
    out = dnp.zeros((2,)) * dualad.Dual(np.float64(1), np.float64(1))
    assert np.add.reduceat(dualad.Dual(V, V), [0, 1], out=out) is out
    np.testing.assert_allclose(jvp(lambda x: np.add.reduceat(x, [0, 1]), (V,), (V,))[1], np.add.reduceat(V, [0, 1]))


def test_methods_of_plain_arrays_are_numpys() -> None:
    np.testing.assert_array_equal(dnp.add.reduce(X, axis=1), np.add.reduce(X, axis=1))
    np.testing.assert_array_equal(dnp.maximum.accumulate(X), np.maximum.accumulate(X))
    np.testing.assert_array_equal(dnp.subtract.outer(V, W), np.subtract.outer(V, W))
    np.testing.assert_array_equal(dnp.add.reduceat(V, [0, 2]), np.add.reduceat(V, [0, 2]))
    a = np.zeros(3)
    dnp.add.at(a, [0, 0], 1.0)
    assert a[0] == 2


def test_reductions_of_nothing_and_in_place() -> None:
    assert np.logaddexp.reduce(dualad.Dual(np.zeros(0), np.zeros(0))) == -np.inf
    with pytest.raises(ShapeError, match="nothing to reduce"):
        np.fmax.reduce(dualad.Dual(np.zeros((0, 2)), np.zeros((0, 2))))
    with pytest.raises(ArgumentError, match="one axis"):
        np.subtract.reduce(dualad.Dual(X, X), axis=(0, 1))
    out = dnp.zeros(4)
    assert np.logaddexp.reduce(dualad.Dual(X, X), out=out) is out
    with pytest.raises(NotDifferentiable, match=r"np\.divmod\.outer"):
        np.divmod.outer(dualad.Dual(V, V), W)


def test_where_without_out_is_refused() -> None:
    """NumPy leaves those entries as they were in memory."""
    with pytest.raises(ArgumentError, match=r"Pass out=dualad.numpy.zeros\(shape\)"):
        grad(lambda x: np.exp(x, where=np.array([True, False, True])).sum())(V)
