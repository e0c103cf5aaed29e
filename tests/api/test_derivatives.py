"""grad, value_and_grad, jvp, vjp, linearize, linear_transpose: trees, arguments, wrapping, nesting, threads."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import pickle
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

import dualad
from dualad import grad, jvp, linear_transpose, linearize, value_and_grad, vjp


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass(frozen=True)
class Parameters:
    w: Any
    b: Any
    name: Any = None


class Model:
    def __init__(self, scale: float) -> None:
        self.scale = scale

    def loss(self, w: Any) -> Any:
        return self.scale * (w * w).sum()

    @grad
    def slope(self: Any) -> Any:
        return self * self


def square(x: Any) -> Any:
    """The square."""
    return x * x


slope_of_square = grad(square)


@grad
def decorated(x: Any) -> Any:
    return x**3


@pytest.mark.parametrize(
    "tree",
    [
        {"a": 2.0, "b": np.array([1.0, 3.0])},
        [2.0, np.array([1.0, 3.0])],
        (2.0, (np.array([1.0, 3.0]), None)),
        Point(2.0, np.array([1.0, 3.0])),
        Parameters(2.0, np.array([1.0, 3.0])),
        {"p": Parameters(Point(2.0, 1.5), [np.array([1.0, 3.0])])},
    ],
    ids=["dict", "list", "tuple", "namedtuple", "dataclass", "nested"],
)
def test_any_pytree(tree: Any) -> None:
    from dualad.core.tree import flatten

    def f(t: Any) -> Any:
        return sum((leaf * leaf).sum() for leaf in flatten(t)[0])

    g = grad(f)(tree)
    leaves, structure = flatten(tree)
    found, same = flatten(g)
    assert structure == same
    for x, d in zip(leaves, found, strict=True):
        np.testing.assert_allclose(d, 2 * np.asarray(x))
    out, pullback = vjp(lambda t: t, tree)
    assert flatten(out)[1] == structure
    assert flatten(pullback(out)[0])[1] == structure
    assert flatten(jvp(lambda t: t, (tree,), (tree,))[1])[1] == structure


def test_results_keep_dtype_and_shape() -> None:
    x = np.ones((2, 3), np.float32)
    g = grad(lambda v: (v * v).sum())(x)
    assert g.dtype == np.float32 and g.shape == (2, 3)
    assert grad(lambda v: v * v)(np.float32(2)).dtype == np.float32
    assert grad(lambda a, b: (a * b).sum(), (0, 1))(x, np.ones(3))[0].dtype == np.float32
    assert isinstance(grad(square)(3), float)


def test_argnums_by_position_and_name() -> None:
    f = lambda a, b, *, c=1.0: a * b**2 * c
    assert grad(f, 1)(2.0, 3.0) == 12
    assert grad(f, -1)(2.0, 3.0) == 12
    assert grad(f, "b")(2.0, 3.0) == 12
    assert grad(f, "c")(2.0, 3.0, c=5.0) == 18
    assert grad(f, (0, "c"))(2.0, 3.0, c=5.0) == (45, 18)
    assert grad(f, "b")(2.0, b=3.0) == 12
    assert grad(f)(2.0, b=3.0, c=2.0) == 18
    assert grad(f, [0, 1])(2.0, 3.0) == (9, 12)


def test_has_aux_everywhere() -> None:
    f = lambda x: (x * x, {"twice": 2 * x, "note": "kept"})
    g, aux = grad(f, has_aux=True)(3.0)
    assert g == 6 and aux == {"twice": 6, "note": "kept"}
    (value, aux), g = value_and_grad(f, has_aux=True)(3.0)
    assert value == 9 and g == 6 and aux["twice"] == 6
    out, pullback, aux = vjp(f, 3.0, has_aux=True)
    assert out == 9 and pullback(1.0) == (6,) and aux["twice"] == 6
    out, t, aux = jvp(f, (3.0,), (1.0,), has_aux=True)
    assert (out, t) == (9, 6) and aux["twice"] == 6
    for jac in (dualad.jacfwd, dualad.jacrev, dualad.jacobian):
        j, aux = jac(f, has_aux=True)(3.0)
        assert j == 6 and aux["twice"] == 6
    h, aux = dualad.hessian(f, has_aux=True)(3.0)
    assert h == 2 and aux["twice"] == 6


def test_wrapping_keeps_what_describes_the_function() -> None:
    for wrapped in (slope_of_square, value_and_grad(square), dualad.jacrev(square), dualad.vmap(square)):
        assert wrapped.__name__ == "square"
        assert wrapped.__doc__ == "The square."
        assert inspect.signature(wrapped) == inspect.signature(square)
        assert wrapped.__wrapped__ is square


def test_bound_methods_and_decorators() -> None:
    m = Model(3.0)
    np.testing.assert_array_equal(grad(m.loss)(np.array([1.0, 2.0])), [6, 12])
    assert decorated(2.0) == 12
    partial = functools.partial(lambda a, x: a * x * x, 2.0)
    assert grad(partial)(3.0) == 12


def test_pickle_and_deepcopy() -> None:
    for f in (slope_of_square, grad(slope_of_square), decorated, value_and_grad(square)):
        again = pickle.loads(pickle.dumps(f))
        assert again(3.0) == f(3.0)
        assert copy.deepcopy(f)(3.0) == f(3.0)
    g = grad(Model(3.0).loss)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(g))(np.ones(2)), [6, 6])


def test_threads_do_not_disturb_each_other() -> None:
    wrong = []

    def work(k: int) -> None:
        for i in range(200):
            x = 0.01 * (k * 200 + i)
            second = grad(grad(lambda v: np.sin(v) * v))(x)
            if abs(second - (2 * np.cos(x) - x * np.sin(x))) > 1e-12:
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_no_perturbation_confusion() -> None:
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1
    d = lambda f, x: jvp(f, (x,), (1.0,))[1]
    assert d(lambda x: x * d(lambda y: x + y, 1.0), 1.0) == 1
    assert grad(lambda x: x * d(lambda y: x * y, 2.0))(3.0) == 6


def test_pullback_many_times_and_with_structure() -> None:
    out, pullback = vjp(lambda a, b: {"p": a * b, "s": [a + b]}, 2.0, 3.0)
    assert out["p"] == 6
    for _ in range(3):
        assert pullback({"p": 1.0, "s": [0.0]}) == (3, 2)
    assert pullback({"p": 0.0, "s": [1.0]}) == (1, 1)


def test_pullback_does_not_see_later_changes_of_arrays() -> None:
    c, x = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    out, pullback = vjp(lambda v: v * v * c, x)
    out[:] = 0
    c[:] = 0
    x[:] = 0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [6, 16])
    a = np.eye(2)
    _, pullback = vjp(lambda v: a @ v, np.ones(2))
    a[:] = 0
    np.testing.assert_array_equal(pullback(np.array([1.0, 2.0]))[0], [1, 2])
    buffer = np.zeros(2)

    def f(v: Any) -> Any:
        total = 0.0
        for k in range(3):
            buffer[:] = k
            total = total + (v * buffer).sum()
        return total

    np.testing.assert_array_equal(grad(f)(np.ones(2)), [3, 3])


def test_results_share_no_memory() -> None:
    ga, gb = grad(lambda a, b: (a + b).sum(), (0, 1))(np.ones(3), np.ones(3))
    ga[:] = 7
    np.testing.assert_array_equal(gb, 1)
    x, t = np.ones(2), np.ones(2)
    out, tangent = jvp(lambda v: v, (x,), (t,))
    out[:] = 5
    tangent[:] = 5
    np.testing.assert_array_equal([x, t], np.ones((2, 2)))


def test_linearize() -> None:
    f = lambda x, y: (np.sin(x) * y, x.sum())
    x, y = np.array([0.5, 1.5]), np.array([2.0, 3.0])
    out, push = linearize(f, x, y)
    for k in range(3):
        t, u = np.array([1.0, k]), np.array([0.5, -k])
        expected = jvp(f, (x, y), (t, u))
        np.testing.assert_allclose(out[0], expected[0][0])
        np.testing.assert_allclose(push(t, u)[0], expected[1][0])
        np.testing.assert_allclose(push(t, u)[1], expected[1][1])
    # linearize is differentiable, and its map can be transposed and batched
    assert grad(lambda v: linearize(lambda w: w**3, v)[1](1.0))(2.0) == pytest.approx(12)
    back = linear_transpose(push, x, y)((np.ones(2), np.float64(1)))
    np.testing.assert_allclose(back[0], np.cos(x) * y + 1)
    assert dualad.vmap(push)(np.eye(2), np.zeros((2, 2)))[0].shape == (2, 2)


def test_linear_transpose() -> None:
    a = np.arange(6.0).reshape(2, 3)
    (g,) = linear_transpose(lambda x: (a @ x) / 2 - x[:2] * 3, np.zeros(3))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(g, a.T @ [1, 2] / 2 - np.array([3, 6, 0]))


def test_holomorphic_and_complex_convention() -> None:
    z = 1 + 2j
    assert grad(lambda v: v * v, holomorphic=True)(z) == 2 * z
    assert grad(lambda v: (v * v).real)(z) == 2 + 4j
    assert grad(lambda v: np.abs(v) ** 2)(z) == pytest.approx(2 * np.conj(z))


def test_python_control_flow() -> None:
    def f(x: Any) -> Any:
        y = x
        for _ in range(int(x)):
            if y > 2:
                y = y * y
            else:
                y = y + 1
        assert f"{x:.1f}" == "3.0"
        return y

    assert grad(f)(3.0) == pytest.approx(8 * 3**7)


def test_iterative_root_and_long_chain() -> None:
    def chain(x: Any) -> Any:
        for _ in range(100_000):
            x = x + 1e-6 * x
        return x

    assert grad(chain)(1.0) == pytest.approx(1.000001**100_000)


def test_array_namespace() -> None:
    def f(x: Any) -> Any:
        xp = x.__array_namespace__()
        return xp.sum(xp.sin(x) * x)

    np.testing.assert_allclose(grad(f)(np.array([0.5])), np.sin(0.5) + 0.5 * np.cos(0.5))
