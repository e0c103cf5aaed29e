"""custom_jvp, custom_vjp, checkpoint, stop_gradient."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import dualad
from dualad import NotDifferentiable, checkpoint, custom_jvp, custom_vjp, grad, hessian, jacfwd, jacrev, jvp, vmap

X = np.array([0.3, -0.7, 1.2])


def softplus_by_jvp() -> Any:
    @custom_jvp
    def softplus(x: Any) -> Any:
        """log(1 + exp x)"""
        return np.log1p(np.exp(x))

    @softplus.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return softplus(x), t / (1 + np.exp(-x))

    return softplus


def softplus_by_vjp() -> Any:
    @custom_vjp
    def softplus(x: Any) -> Any:
        """log(1 + exp x)"""
        return np.log1p(np.exp(x))

    softplus.defvjp(lambda x: (softplus(x), x), lambda x, g: (g / (1 + np.exp(-x)),))
    return softplus


@pytest.mark.parametrize("make", [softplus_by_jvp, softplus_by_vjp])
def test_either_rule_gives_all_modes(make: Any) -> None:
    f = make()
    assert f.__doc__ == "log(1 + exp x)"
    s = 1 / (1 + np.exp(-X))
    np.testing.assert_allclose(f(X), np.log1p(np.exp(X)))
    np.testing.assert_allclose(jacfwd(f)(X), np.diag(s))
    np.testing.assert_allclose(jacrev(f)(X), np.diag(s))
    np.testing.assert_allclose(hessian(lambda x: f(x).sum())(X), np.diag(s * (1 - s)), atol=1e-15)
    np.testing.assert_allclose(grad(lambda x: grad(f)(x))(0.3), s[0] * (1 - s[0]))
    np.testing.assert_allclose(vmap(f)(X), f(X))
    np.testing.assert_allclose(vmap(grad(f))(X), s)
    np.testing.assert_allclose(grad(lambda x: vmap(f)(x).sum())(X), s)


def test_the_rule_is_what_is_used() -> None:
    @custom_jvp
    def f(x: Any, y: Any) -> Any:
        return x * y

    f.defjvps(lambda t, out, x, y: 10 * t, None)
    assert jvp(f, (2.0, 3.0), (1.0, 1.0)) == (6, 10)
    assert grad(f, (0, 1))(2.0, 3.0) == (10, 0)

    @custom_vjp
    def g(x: Any) -> Any:
        return x

    g.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
    assert grad(lambda x: 10 * g(x))(2.0) == 1
    with pytest.raises(NotDifferentiable, match="not linear"):
        jvp(g, (2.0,), (1.0,))


def test_both_rules() -> None:
    @custom_vjp
    def f(x: Any) -> Any:
        return x * x

    f.defvjp(lambda x: (f(x), x), lambda x, g: (100 * g,))
    f.defjvp(lambda primals, tangents: (f(*primals), 7 * tangents[0]))
    assert grad(f)(1.0) == 100
    assert jvp(f, (1.0,), (1.0,))[1] == 7


def test_nondiff_argnums_and_trees() -> None:
    def apply(name: str, p: Any, n: int) -> Any:
        return {"out": p["a"] ** n}

    f = custom_jvp(apply, nondiff_argnums=(0, 2))

    @f.defjvp
    def rule(name: Any, n: Any, primals: Any, tangents: Any) -> Any:
        assert name == "power"
        (p,), (t,) = primals, tangents
        return f(name, p, n), {"out": n * p["a"] ** (n - 1) * t["a"]}

    assert grad(lambda a: f("power", {"a": a}, 3)["out"])(2.0) == 12
    assert grad(lambda a: f("power", {"a": a}, n=3)["out"])(2.0) == 12


def test_bad_rules() -> None:
    f = custom_vjp(lambda x: x * 2)
    with pytest.raises(NotDifferentiable, match="without a rule"):
        grad(f)(1.0)
    f.defvjp(lambda x: (x, None), lambda _, g: g)
    with pytest.raises(dualad.ArgumentError, match="tuple of 1 cotangents"):
        grad(f)(1.0)
    h = custom_jvp(lambda x: x * 2)
    h.defjvp(lambda p, t: (p[0], np.ones(3)))
    with pytest.raises(dualad.ShapeError, match="rule"):
        jvp(h, (1.0,), (1.0,))


def test_checkpoint_gives_the_same_derivatives() -> None:
    def block(x: Any, p: Any) -> Any:
        return np.sin(p["w"] @ x), x.sum()

    w = np.arange(9.0).reshape(3, 3) / 9

    def f(x: Any, w: Any, wrap: Any) -> Any:
        a, b = wrap(block)(x, {"w": w})
        return (a * b).sum()

    for d in (grad, jacfwd, hessian):
        plain = d(lambda x, w: f(x, w, lambda b: b), (0, 1))(X, w)
        kept = d(lambda x, w: f(x, w, checkpoint), (0, 1))(X, w)
        for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(kept), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)


def test_checkpoint_of_what_is_captured() -> None:
    weights = {"a": 2.0, "b": np.arange(3.0)}

    def f(p: Any, x: Any, kept: Any = checkpoint) -> Any:
        block = kept(lambda h: np.sin(h * p["a"]) + p["b"] * h)
        return (block(block(x)) ** 2).sum()

    x = np.array([0.1, 0.2, 0.5])

    def each(f: Any) -> Any:
        return [
            grad(f)(weights, x),
            jacrev(f)(weights, x),
            jacfwd(f)(weights, x),
            hessian(f)(weights, x),
            dualad.jit(grad(f))(weights, x),
            vmap(grad(f), (None, 0))(weights, np.stack([x, 2 * x])),
        ]

    ours, theirs = each(f), each(lambda p, x: f(p, x, lambda g: g))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), ours, theirs)
    assert grad(lambda x: checkpoint(lambda: x * x)())(3.0) == 6.0


def test_checkpoint_forgets_and_runs_again() -> None:
    runs = []

    def block(x: Any) -> Any:
        runs.append(1)
        return np.sin(np.sin(x))

    value, pullback = dualad.vjp(checkpoint(block), X)
    assert len(runs) == 1
    np.testing.assert_allclose(pullback(np.ones(3))[0], np.cos(np.sin(X)) * np.cos(X))
    assert len(runs) == 2
    np.testing.assert_allclose(value, np.sin(np.sin(X)))


def test_stop_gradient() -> None:
    f = lambda x: x * dualad.stop_gradient(x)
    assert grad(f)(3.0) == 3
    assert jvp(f, (3.0,), (1.0,))[1] == 3
    np.testing.assert_allclose(vmap(grad(f))(X), X)
    assert dualad.jet(f, (3.0,), ((1.0, 0.0),))[1] == [3, 0]
    assert grad(lambda x: float(dualad.stop_gradient(x)) * x)(2.0) == 2


def test_the_forward_rule_runs_once() -> None:
    runs = []

    @dualad.custom_vjp
    def f(x: Any, a: Any) -> Any:
        raise AssertionError("the rule's own value is used")

    def fwd(x: Any, a: Any) -> Any:
        runs.append(x)
        return np.sin(x) * a, (np.cos(x), a)

    f.defvjp(fwd, lambda residuals, g: (g * residuals[0] * residuals[1], None))
    x, a = np.linspace(0, 1, 3), np.ones(3)
    np.testing.assert_allclose(dualad.grad(lambda x: f(x, a).sum())(x), np.cos(x))
    assert len(runs) == 1
    second = dualad.grad(lambda x: dualad.grad(lambda x: f(x, a).sum())(x).sum())(x)
    np.testing.assert_allclose(second, -np.sin(x))


def test_derivatives_in_an_argument_that_is_not_mapped() -> None:
    f = dualad.custom_jvp(lambda x, c: x * c)
    f.defjvp(lambda primals, tangents: (primals[0] * primals[1], tangents[0] * primals[1] + primals[0] * tangents[1]))
    over = lambda x: dualad.vmap(lambda c: f(x, c))(np.arange(3.0))
    np.testing.assert_array_equal(dualad.jvp(over, (2.0,), (1.0,))[1], np.arange(3.0))
