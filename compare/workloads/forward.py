"""Forward mode: value and derivative of the same chain, against NumPy code that computes the value and, per partial, one
more NumPy call (what a derivative written by hand would do). The hand-written code's time is the unit."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

import dualad
from compare.timing import Row, in_turn
from compare.workloads.chain import OPERATIONS, elements


def by_hand(x: Any, t: Any) -> tuple[Any, Any]:
    """The value, and the NumPy calls that its partials take, written out."""
    y, dy = x, t
    for _ in range(OPERATIONS // 4):
        s, ds = np.sin(y), np.cos(y) * dy
        p, dp = s * x, ds * x + s * t
        q, dq = p + y, dp + dy
        y, dy = q * 0.5, dq * 0.5
    return y, dy


def measure(peers: dict[str, ModuleType], rounds: int) -> list[Row]:
    value = lambda x: elements(np, x)
    rows = []
    for case, x in (
        ("scalar", np.float64(0.7)),
        ("vector of 10", np.linspace(0.1, 1, 10)),
        ("vector of 1e4", np.linspace(0.1, 1, 10_000)),
    ):
        t = np.ones_like(x)
        np.testing.assert_allclose(dualad.jvp(value, (x,), (t,))[1], by_hand(x, t)[1], rtol=1e-12)
        calls = {
            "dualad": lambda x=x, t=t: dualad.jvp(value, (x,), (t,)),
            "numpy by hand": lambda x=x, t=t: by_hand(x, t),
            "numpy, value only": lambda x=x: value(x),
        }
        rows.append(Row(case, in_turn(calls, rounds), {"numpy by hand": 2.0}))
    return rows
