"""Random programs of views and writes: what shares memory is what shares it in NumPy, and derivatives go with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dualad
from tests.drawing import COMMON

# Each makes a view (or a copy, where NumPy does) of an array that there is, or None.
VIEWS: list[Any] = [
    lambda y, k: y[k % y.shape[0]] if y.ndim > 1 else None,
    lambda y, k: y.T,
    lambda y, k: y.reshape(-1),
    lambda y, k: np.ravel(y),
    lambda y, k: y[::-1],
    lambda y, k: y[..., None],
    lambda y, k: y[:, k % 2 :] if y.ndim > 1 else None,
    lambda y, k: y.reshape(y.size // 2, 2) if y.size % 2 == 0 else y.swapaxes(0, -1),
    lambda y, k: np.squeeze(y),
    lambda y, k: y[..., ::2],
    lambda y, k: y[[0, -1]],
    lambda y, k: np.moveaxis(y, 0, -1),
    lambda y, k: y.ravel(order="F"),
]


def first(y: Any, k: int) -> Any:
    return (k % y.shape[0], *(0,) * (y.ndim - 1))


# Each writes into an array that there is: of it, another one, the input and a number.
WRITES: list[Any] = [
    lambda y, z, x, k: y.__setitem__(first(y, k), x[0, k % 3] * (1 + k % 5)),
    lambda y, z, x, k: y.__setitem__(..., y * x[1, k % 3]),
    lambda y, z, x, k: y.__iadd__(x[0, k % 3]),
    lambda y, z, x, k: y.__imul__(1.5),
    lambda y, z, x, k: y.__setitem__(slice(None), z) if y.shape == z.shape else None,
    lambda y, z, x, k: y.__setitem__(y > 3.0, x[1, 1]),
    lambda y, z, x, k: y.__setitem__([0, -1], x[0, 1]),
    lambda y, z, x, k: np.add.at(y, first(y, k), x[1, 2]),
]

STEP = st.tuples(st.booleans(), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))


def run(steps: Any, x: Any) -> Any:
    arrays = [x * 1.0]
    for makes, op, i, j, k in steps:
        y, z = arrays[i % len(arrays)], arrays[j % len(arrays)]
        if not y.ndim or not y.size:
            continue
        if makes:
            new = VIEWS[op % len(VIEWS)](y, k)
            arrays += [] if new is None else [new]
        else:
            WRITES[op % len(WRITES)](y, z, x, k)
    return tuple(a * 1.0 for a in arrays)


def check(steps: Any, order: Any) -> None:
    x = np.array(np.random.default_rng(len(steps)).uniform(0.5, 2, (2, 3)), order=order)
    f = lambda x: run(steps, x)
    expected = f(x)
    t = np.random.default_rng(1).normal(size=(2, 3))
    y, dy = dualad.jvp(f, (x,), (t,))
    z, pullback = dualad.vjp(f, x)
    (c,) = pullback(tuple(np.ones_like(v) for v in z))
    for a, b, e in zip(y, z, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-13, err_msg="forward mode")
        np.testing.assert_allclose(b, e, rtol=1e-13, err_msg="reverse mode")
    total = sum(v.sum() for v in dy)
    np.testing.assert_allclose((c * t).sum(), total, rtol=1e-9, atol=1e-9)
    h = 1e-6
    up, down = (sum(v.sum() for v in f(np.array(x + s * h * t, order=order))) for s in (1, -1))
    if abs(up - down) < 1e-3:  # else a mask changed
        np.testing.assert_allclose(total, (up - down) / (2 * h), rtol=1e-5, atol=1e-5 * (1 + abs(up)))


@settings(max_examples=200, derandomize=True, **COMMON)
@given(st.lists(STEP, min_size=1, max_size=10), st.sampled_from("CF"))
def test_views_and_writes(steps: Any, order: Any) -> None:
    check(steps, order)


def test_a_copy_of_evenly_spaced_elements_is_contiguous() -> None:
    check([(True, 0, 0, 0, 0), (True, 12, 1, 0, 0), (True, 3, 2, 0, 0), (False, 0, 2, 0, 1)], "F")
    check([(True, 4, 0, 0, 0), (True, 3, 1, 0, 0), (True, 2, 2, 0, 0), (False, 3, 2, 0, 1)], "C")


@pytest.mark.nightly
@settings(max_examples=20_000, **COMMON)
@given(st.lists(STEP, min_size=1, max_size=10), st.sampled_from("CF"))
def test_views_and_writes_nightly(steps: Any, order: Any) -> None:
    check(steps, order)
