"""Random programs: a DAG of operations over small broadcasting shapes, in every mode, against JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dualad
import dualad.numpy

jax.config.update("jax_enable_x64", True)
SHAPES = [(), (3,), (2, 1), (2, 3)]

# Each is total and tame on all reals, so that any composition is: (name, arity, function of the module and operands).
OPERATIONS: list[tuple[str, int, Any]] = [
    ("sin", 1, lambda np, a: np.sin(a)),
    ("cos", 1, lambda np, a: np.cos(a)),
    ("tanh", 1, lambda np, a: np.tanh(a)),
    ("arctan", 1, lambda np, a: np.arctan(a)),
    ("exp", 1, lambda np, a: np.exp(np.sin(a))),
    ("log", 1, lambda np, a: np.log(a * a + 1.0)),
    ("sqrt", 1, lambda np, a: np.sqrt(a * a + 1.0)),
    ("log1p", 1, lambda np, a: np.log1p(np.exp(-a * a))),
    ("square", 1, lambda np, a: np.square(np.sin(a))),
    ("power", 1, lambda np, a: np.cos(a) ** 3),
    ("abs", 1, lambda np, a: np.abs(a) * 0.5),
    ("negative", 1, lambda np, a: -a),
    ("sum", 1, lambda np, a: np.sum(a)),
    ("mean last", 1, lambda np, a: np.mean(a, axis=-1) if a.ndim else a),
    ("max", 1, lambda np, a: np.max(a)),
    ("cumsum", 1, lambda np, a: np.cumsum(a, axis=-1) if a.ndim else a),
    ("prod", 1, lambda np, a: np.prod(np.sin(a))),
    ("transpose", 1, lambda np, a: np.transpose(a) if a.ndim == 2 and a.shape[0] == a.shape[1] else a),
    ("reverse", 1, lambda np, a: a[::-1] if a.ndim else a),
    ("take", 1, lambda np, a: a[np.array([0, 0, 1])] if a.ndim == 1 and a.shape[0] > 1 else a),
    ("pick", 1, lambda np, a: a[-1] if a.ndim else a),
    ("reshape", 1, lambda np, a: np.reshape(a, (2, 3)) if a.size == 6 else a),
    ("sort", 1, lambda np, a: np.sort(a) if a.ndim else a),
    ("add", 2, lambda np, a, b: a + b),
    ("subtract", 2, lambda np, a, b: a - b * 0.5),
    ("multiply", 2, lambda np, a, b: np.sin(a) * b),
    ("divide", 2, lambda np, a, b: a / (b * b + 1.0)),
    ("maximum", 2, lambda np, a, b: np.maximum(a, b + 0.123)),
    ("where", 2, lambda np, a, b: np.where(a > b + 0.0321, a, np.cos(b))),
    ("arctan2", 2, lambda np, a, b: np.arctan2(a, b * b + 1.0)),
    ("logaddexp", 2, lambda np, a, b: np.logaddexp(a, b)),
    ("dot", 2, lambda np, a, b: np.dot(a, b) if a.ndim == b.ndim == 1 and a.shape == b.shape else a + b),
    (
        "matmul",
        2,
        lambda np, a, b: np.matmul(a, b) if (a.ndim, b.ndim) == (2, 1) and a.shape[1] == b.shape[0] else a - b,
    ),
    ("outer", 2, lambda np, a, b: np.outer(a, b)[:2, :3] if a.ndim == b.ndim == 1 else a * 0.3 + b),
    ("concatenate", 2, lambda np, a, b: np.concatenate([a, b])[:3] if a.ndim == b.ndim == 1 else a + b),
    ("stack", 2, lambda np, a, b: np.stack([a, b]) if a.shape == b.shape == (3,) else b - a),
]


@st.composite
def programs(draw: Any) -> Any:
    """(input shapes, instructions): instruction (operation, operands), operands counted over inputs and results."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    count = draw(st.integers(1, 8))
    code = []
    for k in range(count):
        op = draw(st.integers(0, len(OPERATIONS) - 1))
        arity = OPERATIONS[op][1]
        operands = tuple(draw(st.integers(0, len(shapes) + k - 1)) for _ in range(arity))
        code.append((op, operands))
    seed = draw(st.integers(0, 2**20))
    return shapes, code, seed


def fits(a: Any, b: Any) -> bool:
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return True


def run(np_: Any, code: Any, xs: Any) -> Any:
    values = list(xs)
    for op, operands in code:
        chosen = [values[i] for i in operands]
        if len(chosen) == 2 and not fits(*chosen):
            chosen[1] = chosen[1].sum()
        values.append(OPERATIONS[op][2](np_, *chosen))
    total = 0.0
    for k, v in enumerate(values[len(xs) :]):  # every result counts, so that no instruction is dead
        total = total + (k + 1.0) * (v * v * 0.1 + v).sum()
    return total


def check(program: Any) -> None:
    shapes, code, seed = program
    rng = np.random.default_rng(seed)
    xs = tuple(rng.normal(size=s)[()] for s in shapes)
    ts = tuple(rng.normal(size=s)[()] for s in shapes)
    ours = lambda *v: run(dualad.numpy, code, v)
    theirs = lambda *v: run(jnp, code, v)
    every = tuple(range(len(xs)))
    jx = tuple(jnp.asarray(x) for x in xs)
    jt = tuple(jnp.asarray(t) for t in ts)

    # No jit: eager JAX compiles each operation and shape once for all programs.
    value, tangent = jax.jvp(theirs, jx, jt)
    gradient = jax.grad(theirs, every)
    g, hv = jax.jvp(gradient, jx, jt)

    tol: dict[str, float] = {"rtol": 1e-7, "atol": 1e-8}
    y, t = dualad.jvp(ours, xs, ts)
    np.testing.assert_allclose(y, value, err_msg="value", **tol)
    np.testing.assert_allclose(t, tangent, err_msg="forward", **tol)
    for a, b in zip(dualad.grad(ours, every)(*xs), g, strict=True):
        np.testing.assert_allclose(a, b, err_msg="reverse", **tol)
    fr = dualad.jvp(dualad.grad(ours, every), xs, ts)[1]
    rf = dualad.grad(lambda *v: dualad.jvp(ours, v, ts)[1], every)(*xs)
    for a, b, c in zip(fr, rf, hv, strict=True):
        np.testing.assert_allclose(a, c, err_msg="forward over reverse", **tol)
        np.testing.assert_allclose(b, c, err_msg="reverse over forward", **tol)
    second = dualad.jet(ours, xs, tuple((t, 0 * t) for t in ts))[1][1]
    expected = sum(np.sum(np.asarray(a) * b) for a, b in zip(hv, ts, strict=True))
    np.testing.assert_allclose(second, expected, err_msg="Taylor", **tol)
    with dualad.Tape() as tape:
        watched = tape.watch(xs)
        out = ours(*watched)
    np.testing.assert_allclose(tape.replay(out, *xs), value, err_msg="replay", **tol)
    batch = tuple(np.stack([x, x]) for x in xs)
    np.testing.assert_allclose(dualad.vmap(ours)(*batch), [value, value], err_msg="vmap", **tol)


COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}


@settings(max_examples=100, derandomize=True, **COMMON)
@given(programs())
def test_random_programs(program: Any) -> None:
    check(program)


@pytest.mark.nightly
@settings(max_examples=20_000, **COMMON)
@given(programs())
def test_random_programs_nightly(program: Any) -> None:
    check(program)
