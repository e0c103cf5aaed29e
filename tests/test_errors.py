"""Bad input: each gives an error of dualad that says what, where and what to write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad import (
    ArgumentError,
    DtypeError,
    DualadError,
    LeakedTensorError,
    NotDifferentiable,
    ShapeError,
    StructureError,
    grad,
    hessian,
    jacrev,
    jet,
    jvp,
    linear_transpose,
    vjp,
    vmap,
)

X = np.ones(3)
square = lambda x: x * x
total = lambda x: (x * x).sum()

CASES: list[tuple[str, Any, type[DualadError], str]] = [
    ("argnums out of range", lambda: grad(total, 1)(X), ArgumentError, "argnums=1 is out of range.*1 positional"),
    ("argnums no number", lambda: grad(total, 1.5)(X), ArgumentError, "argnums"),
    ("argnums bool", lambda: grad(total, True)(X), ArgumentError, "argnums"),
    ("argnums unknown name", lambda: grad(total, "y")(X), ArgumentError, "no argument of that name"),
    ("argnums twice", lambda: grad(total, (0, 0))(X), ArgumentError, "twice"),
    ("argnums empty", lambda: grad(total, ())(X), ArgumentError, "non-empty"),
    ("no function", lambda: grad(3.0), ArgumentError, "needs a function"),
    ("vector output of grad", lambda: grad(square)(X), ShapeError, r"shape \(3,\).*sum.*jacobian"),
    ("two outputs of grad", lambda: grad(lambda x: (total(x), 1.0))(X), ShapeError, "has_aux=True"),
    ("complex output of grad", lambda: grad(lambda x: x * 1j)(1.0), DtypeError, "complex.*holomorphic=True"),
    ("aux missing", lambda: grad(total, has_aux=True)(X), StructureError, "pair"),
    ("integer array", lambda: grad(total)(np.arange(3)), DtypeError, r"argument 0 has dtype int64.*astype\(float\)"),
    ("integer leaf", lambda: grad(lambda p: p["a"])({"a": np.arange(3)}), DtypeError, r"argument 0\['a'\]"),
    ("bool array", lambda: grad(total)(X > 0), DtypeError, "bool"),
    ("object array", lambda: grad(total)(np.array([1.0, None])), DtypeError, "object"),
    ("string", lambda: grad(total)("abc"), DtypeError, "type str"),
    ("masked array", lambda: grad(total)(np.ma.masked_array(X, X > 0)), DtypeError, "masked"),
    ("None operand", lambda: grad(lambda x: np.add(x, None))(1.0), DtypeError, "NoneType"),
    ("object operand", lambda: grad(lambda x: (x * np.array([1, 2, 3], object)).sum())(X), DtypeError, "object"),
    ("returns a string", lambda: grad(lambda x: "a")(1.0), DtypeError, "returned a str"),
    ("tangent of another shape", lambda: jvp(square, (X,), (np.ones(2),)), ShapeError, r"tangent 0.*\(2,\).*\(3,\)"),
    ("tangent of another dtype", lambda: jvp(square, (X,), (X.astype(np.float32),)), DtypeError, "float32.*float64"),
    ("integer tangent", lambda: jvp(square, (X,), (np.ones(3, int),)), DtypeError, "int64"),
    ("tangent of another structure", lambda: jvp(square, (X,), ([X],)), StructureError, "tangent 0"),
    ("tangents missing", lambda: jvp(square, (X,), ()), ArgumentError, "1 primals, but 0 tangents"),
    ("primals no tuple", lambda: jvp(square, X, X), ArgumentError, r"jvp\(f, \(x,\), \(t,\)\)"),
    ("cotangent of another shape", lambda: vjp(square, X)[1](np.ones(2)), ShapeError, "cotangent"),
    ("cotangent of another structure", lambda: vjp(square, X)[1]((X,)), StructureError, "cotangent"),
    ("cotangent of another dtype", lambda: vjp(square, X)[1](X * 1j), DtypeError, "complex"),
    ("no primals", lambda: vjp(square), ArgumentError, "at least one"),
    ("not linear", lambda: linear_transpose(square, X), NotDifferentiable, "multiply"),
    ("vmap sizes differ", lambda: vmap(lambda a, b: a)(X, np.ones(2)), ShapeError, "3.*2"),
    ("vmap of a scalar", lambda: vmap(square)(1.0), ShapeError, r"shape \(\)"),
    ("vmap of nothing", lambda: vmap(square, None)(X), ArgumentError, "no argument is mapped"),
    ("vmap axes count", lambda: vmap(square, (0, 0))(X), ArgumentError, "2 entries"),
    ("vmap axis of another kind", lambda: vmap(square, "a")(X), ArgumentError, "in_axes"),
    ("vmap out_axes None", lambda: vmap(square, 0, None)(X), ArgumentError, "out_axes"),
    ("vmap out_axes out of range", lambda: vmap(square, 0, 3)(X), ShapeError, "out_axes=3"),
    ("jet counts", lambda: jet(square, (X,), ()), ArgumentError, "series"),
    ("jet term shape", lambda: jet(square, (X,), ((np.ones(2),),)), ShapeError, "term 0 of series 0"),
    ("jet without series", lambda: jet(square, (X,), ((),)), ArgumentError, "at least one"),
    ("derivative order", lambda: dualad.derivative(square, -1), ArgumentError, "non-negative"),
    ("complex hessian", lambda: hessian(total)(X * 1j), DtypeError, "holomorphic"),
    ("divergence of a scalar field", lambda: dualad.divergence(total)(X), ShapeError, "vector field"),
    ("unsupported function", lambda: grad(lambda x: np.busday_count(x, x))(1.0), NotDifferentiable, "custom_jvp"),
    ("unsupported ufunc", lambda: grad(lambda x: np.gcd(x, 2))(1.0), NotDifferentiable, "gcd"),
    ("matmul sizes", lambda: jacrev(lambda x: np.ones((2, 4)) @ x)(X), ShapeError, r"\(2, 4\).*\(3,\)"),
    ("float index", lambda: grad(lambda x: x[np.array([0.5])].sum())(X), dualad.IndexingError, "integer"),
    ("too many indices", lambda: grad(lambda x: x[0, 0])(X), dualad.IndexingError, "1-dimensional"),
    ("check_grads mode", lambda: dualad.check_grads(square, (X,), modes=("backward",)), ArgumentError, "modes"),
]


@pytest.mark.parametrize(("call", "error", "message"), [pytest.param(*c[1:], id=c[0]) for c in CASES])
def test_bad_input(call: Any, error: type[DualadError], message: str) -> None:
    import re

    with pytest.raises(error) as caught:
        call()
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


def test_every_error_class_is_tested_or_a_base() -> None:
    tested = {c[2] for c in CASES} | {DualadError, LeakedTensorError, dualad.BatchError, dualad.GuardError}
    tested |= {dualad.UntrackedError, dualad.AnomalyError}  # test_gotchas, api/test_anomaly
    public = {v for v in vars(dualad).values() if isinstance(v, type) and issubclass(v, DualadError)}
    assert public <= tested


def test_leaked_tensors_are_named() -> None:
    box: list[Any] = []

    def f(x: Any) -> Any:
        box.append(x)
        return (x * x).sum()

    for run, name in (
        (lambda: grad(f)(X), "reverse"),
        (lambda: jvp(f, (X,), (X,)), "forward"),
        (lambda: vmap(f)(X), "vmap"),
    ):
        box.clear()
        run()
        for use in (
            lambda t: t + 1,
            lambda t: t.shape,
            lambda t: bool((t > 0).all()),
            lambda t: np.sin(t),
            lambda t: t[0],
        ):
            with pytest.raises(LeakedTensorError, match=name):
                use(box[0])


def test_leaked_tensor_in_a_later_transform() -> None:
    box: list[Any] = []

    def f(x: Any) -> Any:
        if not box:
            box.append(x)
        return x * box[0]

    grad(f)(1.0)
    with pytest.raises(LeakedTensorError):
        grad(f)(1.0)


def test_an_error_in_the_function_closes_its_level() -> None:
    box: list[Any] = []

    def f(x: Any) -> Any:
        box.append(x)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        grad(f)(1.0)
    with pytest.raises(LeakedTensorError):
        box[0] + 1


def test_nan_goes_through_without_an_error() -> None:
    assert np.isnan(grad(lambda x: x * x)(np.nan))
    np.testing.assert_array_equal(grad(total)(np.array([1.0, np.nan])), [2, np.nan])


def test_empty_arrays() -> None:
    empty = np.empty((0, 3))
    assert grad(total)(empty).shape == (0, 3)
    assert jvp(square, (empty,), (empty,))[1].shape == (0, 3)


def test_nothing_that_was_passed_in_is_modified() -> None:
    x, t = np.array([1.0, 2.0]), np.array([0.5, 0.5])
    c = np.array([3.0, 4.0])
    tree = {"x": x, "k": [c]}

    def f(p: Any) -> Any:
        p["x"][0] = 7.0
        p["x"] += 1.0
        p["k"][0] *= 2.0
        return (p["x"] * p["k"][0]).sum()

    fresh = lambda: {"x": x, "k": [c]}
    grad(f)(tree)
    jvp(f, (fresh(),), ({"x": t, "k": [t]},))
    vjp(f, fresh())[1](1.0)
    jet(f, (fresh(),), (({"x": t, "k": [t]},),))
    vmap(lambda v: f({"x": v, "k": [v * 1.0]}))(np.stack([x, x]))
    np.testing.assert_array_equal([x, t, c], [[1, 2], [0.5, 0.5], [3, 4]])
    assert list(tree) == ["x", "k"] and tree["x"] is x and tree["k"][0] is c
