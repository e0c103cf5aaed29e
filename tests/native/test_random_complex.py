"""Random programs on complex numbers: values and gradients compiled (as loops, straight-line code, rows) equal eager ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dualad.numpy as dnp
from dualad import jit, value_and_grad, vmap
from dualad.api.jit import Call
from dualad.native.program import Missed, Program
from tests.native.test_random_programs import COMMON, SHAPES
from tests.native.test_registry import programs as compiled_of
from tests.test_compositions import fits

# Each is tame on all complex numbers: (name, arity, function).
OPERATIONS: list[tuple[str, int, Any]] = [
    ("tame", 1, lambda a: a / (1 + abs(a))),
    ("square", 1, lambda a: a * a / (1 + abs(a) ** 2)),
    ("power", 1, lambda a: (a / (1 + abs(a))) ** 3),
    ("exp", 1, lambda a: np.exp(a / (1 + abs(a)))),
    ("turn", 1, lambda a: np.exp(1j * a.real) * a),
    ("conjugate", 1, lambda a: np.conj(a) - 0.5j),
    ("reciprocal", 1, lambda a: 1 / (a * np.conj(a) + 1 + 0.5j)),
    ("parts", 1, lambda a: a.imag + 2j * a.real),
    ("negative", 1, lambda a: -a),
    ("sum", 1, lambda a: dnp.sum(a)),
    ("mean last", 1, lambda a: dnp.mean(a, axis=-1) if a.ndim else a),
    ("transpose", 1, lambda a: dnp.transpose(a) if a.ndim == 2 and a.shape[0] == a.shape[1] else a),
    ("reverse", 1, lambda a: a[::-1] if a.ndim else a),
    ("take", 1, lambda a: a[np.array([0, 0, 1], np.int32)] if a.ndim and a.shape[0] > 1 else a),
    ("pick", 1, lambda a: a[-1] if a.ndim else a),
    ("flat", 1, lambda a: dnp.reshape(a, -1) if a.ndim else a),
    ("sin", 1, lambda a: dnp.sin(a / (1 + abs(a)))),  # a step of NumPy
    ("where", 1, lambda a: dnp.where(abs(a) > 0.7, a, 0.3j)),
    ("add", 2, lambda a, b: a + b),
    ("subtract", 2, lambda a, b: a - b * (0.5 + 0.5j)),
    ("multiply", 2, lambda a, b: a * b / (1 + abs(a * b))),
    ("divide", 2, lambda a, b: a / (abs(b) + 1 + 1j * b)),
    ("choose", 2, lambda a, b: dnp.where(a.real > b.imag, a, b)),
    ("matmul", 2, lambda a, b: dnp.matmul(a, b) if a.ndim == 2 and b.shape[:1] == a.shape[1:] else a - b),
    ("concatenate", 2, lambda a, b: dnp.concatenate([a, b]) if a.ndim == b.ndim == 1 else a + b),
    ("stack", 2, lambda a, b: dnp.stack([a, b.real], 1) if a.shape == b.shape == (3,) else b - a),
]


@st.composite
def programs(draw: Any) -> Any:
    """(input shapes, instructions, seed): an instruction is (operation, operands, whether Python looks at the result)."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    code = []
    for k in range(draw(st.integers(1, 9))):
        op = draw(st.integers(0, len(OPERATIONS) - 1))
        operands = tuple(draw(st.integers(0, len(shapes) + k - 1)) for _ in range(OPERATIONS[op][1]))
        code.append((op, operands, draw(st.integers(0, 5)) == 0))
    return shapes, code, draw(st.integers(0, 2**20))


def run(code: Any, xs: Any) -> Any:
    values = list(xs)
    for op, operands, looked_at in code:
        chosen = [values[i] for i in operands]
        if len(chosen) == 2 and not fits(*chosen):
            chosen[1] = chosen[1].sum()
        y = OPERATIONS[op][2](*chosen)
        if looked_at and y.sum().real > 0.1:
            y = y * 0.5j - 1
        values.append(y)
    total = 0.0
    for k, v in enumerate(values[len(xs) :]):
        total = total + (k + 1.0) * (abs(v) ** 2 * 0.1 + v.real - 0.3 * v.imag).sum()
    return total, values[-1]


def of_parts(code: Any) -> Any:
    return lambda *parts: run(code, [a + 1j * b for a, b in zip(parts[::2], parts[1::2], strict=True)])


def close(ours: Any, theirs: Any) -> None:
    ((v, a), gs), ((w, b), hs) = ours, theirs
    for x, y in zip([v, a, *gs], [w, b, *hs], strict=True):
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=1e-8, atol=1e-9)


def check(drawn: Any) -> None:
    shapes, code, seed = drawn
    rng = np.random.default_rng(seed)
    f = value_and_grad(of_parts(code), tuple(range(2 * len(shapes))), has_aux=True)
    g, h = jit(f), jit(lambda *zs: run(code, zs))
    points = [tuple(rng.normal(size=s)[()] for s in shapes for _ in range(2)) for _ in range(3)]
    for xs in [*points, points[0]]:
        close(g(*xs), f(*xs))
        zs = [a + 1j * b for a, b in zip(xs[::2], xs[1::2], strict=True)]
        for x, y in zip(h(*zs), run(code, zs), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-11)
    for p in compiled_of(g):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dualad.native.segment.suits", lambda *_: False)
            again = Program(p.graph)
        for xs in points:
            given_ = Call(g, xs, {}).inputs(set())
            try:
                ours = p(given_)
            except Missed:
                continue
            for a, b in zip(again(given_), ours, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@settings(max_examples=20, derandomize=True, **COMMON)
@given(programs())
def test_random_programs(drawn: Any) -> None:
    check(drawn)


@pytest.mark.nightly
@settings(max_examples=2000, **COMMON)
@given(programs())
def test_random_programs_nightly(drawn: Any) -> None:
    check(drawn)


def check_rows(drawn: Any) -> None:
    """The same of many rows, some inputs shared by them all."""
    shapes, code, seed = drawn
    rng = np.random.default_rng(seed)
    n = int(rng.choice([16, 17, 29]))
    code = [(op, operands, False) for op, operands, _ in code]
    axes = tuple([0 if k == 0 or rng.random() < 0.7 else None for k in range(len(shapes))])
    f = vmap(lambda *zs: run(code, zs), in_axes=axes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dualad.native.segment.SEVERAL", 1)
        g = jit(f)
        for _ in range(2):
            sizes = [s if a is None else (n, *s) for s, a in zip(shapes, axes, strict=True)]
            zs = [(rng.normal(size=s) + 1j * rng.normal(size=s))[()] for s in sizes]
            for x, y in zip(g(*zs), f(*zs), strict=True):
                assert x.dtype == y.dtype
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-10)


@settings(max_examples=20, derandomize=True, **COMMON)
@given(programs())
def test_random_rows(drawn: Any) -> None:
    check_rows(drawn)


@pytest.mark.nightly
@settings(max_examples=2000, **COMMON)
@given(programs())
def test_random_rows_nightly(drawn: Any) -> None:
    check_rows(drawn)
