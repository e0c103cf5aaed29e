"""Compiled programs with two threads against the same with one: the elementwise gradient of the workload `native`, and
reductions. The target is two threads' time divided by one thread's."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

import dualad
from compare.timing import Row, in_turn
from compare.workloads.native import elementwise

TARGET = 0.6
CALLS = 20


def cases() -> list[tuple[str, Callable[..., Any], Any]]:
    rng = numpy.random.default_rng(0)
    gradient = dualad.grad(lambda x: elementwise(dualad.numpy, x))
    square = rng.normal(size=(1000, 1000))
    return [
        ("elementwise gradient 1,000,000", gradient, rng.normal(size=10**6)),
        ("elementwise gradient 100,000", gradient, rng.normal(size=10**5)),
        ("sum of exp over rows 1000x1000", lambda x: numpy.sum(numpy.exp(x), axis=0), square),
        ("sum of exp over columns 1000x1000", lambda x: numpy.sum(numpy.exp(x), axis=1), square),
    ]


def measure(peers: dict[str, ModuleType], rounds: int) -> list[Row]:
    before = dualad.get_num_threads()
    rows = []
    try:
        for name, f, x in cases():
            compiled = dualad.jit(f)
            expected = compiled(x)
            for n in (1, 2):
                dualad.set_num_threads(n)
                numpy.testing.assert_allclose(compiled(x), expected, rtol=1e-10, atol=1e-10)
            rows.append(Row(name, _in_turn(compiled, x, rounds), {"one thread": TARGET}))
    finally:
        dualad.set_num_threads(before)
    return rows


def _in_turn(f: Callable[..., Any], x: Any, rounds: int) -> dict[str, float]:
    """Seconds per call. Setting the number of threads ends the helpers, so that it is followed by many calls."""

    def several(n: int) -> None:
        dualad.set_num_threads(n)
        for _ in range(CALLS):
            f(x)

    times = in_turn({"dualad": lambda: several(2), "one thread": lambda: several(1)}, rounds)
    return {name: seconds / CALLS for name, seconds in times.items()}
