"""Forward mode: value and derivative of the same chain, against NumPy code that computes the value and, per partial, makes one
more NumPy call. On arrays an operator is such a call; on NumPy scalars it takes a tenth of one, so that there is a second
column, the derivative written out with operators. Beside it the least that can be dispatched in Python: a dual-number class
with nothing but the three operations that this chain uses, which on scalars is itself beyond twice that column."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

import dualad
from compare.timing import Row, in_turn
from compare.workloads.chain import OPERATIONS, elements


def by_calls(x: Any, t: Any) -> tuple[Any, Any]:
    """The value, and a NumPy call for each partial."""
    y, dy = x, t
    for _ in range(OPERATIONS // 4):
        s, ds = np.sin(y), np.cos(y) * dy
        p, dp = s * x, np.multiply(ds, x) + np.multiply(s, t)
        q, dq = p + y, np.add(dp, dy)
        y, dy = q * 0.5, np.multiply(dq, 0.5)
    return y, dy


def with_operators(x: Any, t: Any) -> tuple[Any, Any]:
    """The same with operators alone."""
    y, dy = x, t
    for _ in range(OPERATIONS // 4):
        s, ds = np.sin(y), np.cos(y) * dy
        p, dp = s * x, ds * x + s * t
        q, dq = p + y, dp + dy
        y, dy = q * 0.5, dq * 0.5
    return y, dy


class Least:
    """A dual number with no more than this chain needs: no levels, no nesting, no checks."""

    __slots__ = ("t", "v")

    def __init__(self, v: Any, t: Any) -> None:
        self.v = v
        self.t = t

    def __mul__(self, other: Any) -> Any:
        if type(other) is Least:
            return Least(self.v * other.v, self.t * other.v + self.v * other.t)
        return Least(self.v * other, self.t * other)

    def __add__(self, other: Any) -> Any:
        return Least(self.v + other.v, self.t + other.t)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any) -> Any:
        return Least(np.sin(self.v), np.cos(self.v) * self.t)


def measure(peers: dict[str, ModuleType], rounds: int) -> list[Row]:
    value = lambda x: elements(np, x)
    rows = []
    for case, x in (
        ("scalar", np.float64(0.7)),
        ("vector of 10", np.linspace(0.1, 1, 10)),
        ("vector of 1e4", np.linspace(0.1, 1, 10_000)),
    ):
        t = np.ones_like(x)
        np.testing.assert_allclose(dualad.jvp(value, (x,), (t,))[1], by_calls(x, t)[1], rtol=1e-12)
        calls = {
            "dualad": lambda x=x, t=t: dualad.jvp(value, (x,), (t,)),
            "least dual class": lambda x=x, t=t: value(Least(x, t)),
            "numpy, a call per partial": lambda x=x, t=t: by_calls(x, t),
            "numpy, operators": lambda x=x, t=t: with_operators(x, t),
            "numpy, value only": lambda x=x: value(x),
        }
        rows.append(Row(case, in_turn(calls, rounds), {"numpy, a call per partial": 2.0}))
    return rows
