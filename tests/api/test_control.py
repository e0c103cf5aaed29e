"""Loops and branches against jax.lax, in every mode."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import dualad
from dualad import (
    ArgumentError,
    ShapeError,
    StructureError,
    cond,
    fori_loop,
    grad,
    hessian,
    jvp,
    scan,
    switch,
    vmap,
    while_loop,
)

jax.config.update("jax_enable_x64", True)
X = np.array([0.3, -0.7, 1.9])


class Ours:
    cond, fori_loop, map, scan, switch, while_loop = map(
        staticmethod, (cond, fori_loop, dualad.map, scan, switch, while_loop)
    )


PROGRAMS: dict[str, Any] = {
    "fori_loop": lambda lax, np, x: lax.fori_loop(0, 4, lambda i, v: v * np.sin(x + i), x).sum(),
    "fori_loop, empty": lambda lax, np, x: lax.fori_loop(3, 1, lambda i, v: v * 0.0, x * x).sum(),
    "while_loop": lambda lax, np, x: lax.while_loop(
        lambda c: c[0] < 5.0, lambda c: (c[0] + 1.3, c[1] * np.cos(c[1])), (0.5, x)
    )[1].sum(),
    "scan": lambda lax, np, x: (
        lax.scan(lambda c, v: (c * 0.5 + np.sin(v), {"y": c * v}), 1.0 * x[0], x)[1]["y"].sum() + x[1]
    ),
    "scan, reverse": lambda lax, np, x: (
        lax.scan(lambda c, v: (c * v, c + v), x[0], x, reverse=True)[1] @ np.arange(3.0)
    ),
    "scan, length": lambda lax, np, x: lax.scan(lambda c, _: (np.sin(c), c), x, None, length=3)[1].sum(),
    "cond": lambda lax, np, x: lax.cond(x[0] > 0, lambda v: (v * v).sum(), lambda v: v.sum(), x),
    "switch": lambda lax, np, x: lax.switch(7, [lambda v: v.sum(), lambda v: (v * v).sum()], x),
    "map": lambda lax, np, x: lax.map(lambda v: np.sin(v) * v, x).sum(),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_against_jax(name: str) -> None:
    f = PROGRAMS[name]
    ours, theirs = (lambda v: f(Ours, dualad.numpy, v)), (lambda v: f(lax, jnp, v))
    t = np.array([1.0, 0.5, -2.0])
    tol: dict[str, float] = {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(ours(X), theirs(X), **tol)
    np.testing.assert_allclose(jvp(ours, (X,), (t,))[1], jax.jvp(theirs, (X,), (t,))[1], **tol)
    forward = jax.jacfwd(theirs)
    np.testing.assert_allclose(grad(ours)(X), forward(X), **tol)
    np.testing.assert_allclose(hessian(ours)(X), jax.jacfwd(forward)(X), **tol)
    np.testing.assert_allclose(vmap(ours)(np.stack([X, 2 * X])), [ours(X), ours(2 * X)], **tol)


def test_conditions_that_differ_within_a_batch() -> None:
    xs = np.array([0.5, -2.0, 3.0, 1.5])
    branch = lambda x: cond(x > 0, lambda v: np.sqrt(v) * v, lambda v: -v, x)
    np.testing.assert_allclose(vmap(branch)(xs), [branch(x) for x in xs])
    np.testing.assert_allclose(vmap(grad(branch))(xs), [grad(branch)(x) for x in xs])
    np.testing.assert_allclose(grad(lambda v: vmap(branch)(v).sum())(xs), [grad(branch)(x) for x in xs])

    def collatz(x: Any) -> Any:
        return while_loop(lambda c: c[0] < 10.0, lambda c: (c[0] * 1.7, c[1] + c[0]), (abs(x) + 0.1, x))[1]

    np.testing.assert_allclose(vmap(collatz)(xs), [collatz(x) for x in xs])
    np.testing.assert_allclose(vmap(grad(collatz))(xs), [grad(collatz)(x) for x in xs])
    table = lambda k, x: switch(k, [lambda v: v, lambda v: v * v, lambda v: v**3], x)
    ks = np.array([-1, 0, 1, 9])
    np.testing.assert_allclose(vmap(table)(ks, xs), [xs[0], xs[1], xs[2] ** 2, xs[3] ** 3])


def test_errors() -> None:
    with pytest.raises(ShapeError, match="must be a scalar"):
        cond(X > 0, np.sin, np.cos, X)
    with pytest.raises(StructureError, match="pair"):
        scan(lambda c, x: c, 0.0, X)
    with pytest.raises(ShapeError, match="differ in length"):
        scan(lambda c, x: (c, c), 0.0, {"a": X, "b": X[:2]})
    with pytest.raises(ArgumentError, match="how many steps"):
        scan(lambda c, x: (c, c), 0.0)
    with pytest.raises(ShapeError, match="a scalar"):
        scan(lambda c, x: (c, c), 0.0, 1.0 * np.float64(2))
    with pytest.raises(ShapeError, match="differ in shape"):
        while_loop(lambda c: c.sum() < 100, lambda c: np.concatenate([c, c]), X)
    with pytest.raises(StructureError, match="structure"):
        while_loop(lambda c: True, lambda c: (c, c), X)
    with pytest.raises(ArgumentError, match="at least one branch"):
        switch(0, [], X)
