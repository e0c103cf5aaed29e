"""Hot pullbacks: an uncompiled gradient whose backward pass has been compiled (dualad), the same one plain (before), and
`jit(grad(f))`, which compiles the forward pass too. Notes say after how many calls the gradient was hot, and how long the
slowest of them took: it compiled."""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

import numpy as np

import dualad
from compare.timing import Row, in_turn, text
from compare.workloads.chain import chain
from compare.workloads.small import program
from dualad.api import hot

STEPS = 2000


def network(lib: Any, p: Any) -> Any:
    """Two hidden layers of 64, 64 inputs of 32 numbers."""
    h = lib.tanh(X @ p[0] + p[1])
    h = lib.tanh(h @ p[2] + p[3])
    return lib.mean((h @ p[4]) ** 2)


def pendulum(lib: Any, angle: Any) -> Any:
    speed = 0.0
    for k in range(STEPS):
        angle, speed = angle + 0.01 * speed, speed - 0.01 * lib.sin(angle) * lib.cos(0.1 * k)
    return angle


def gaussians(lib: Any, x: Any) -> Any:
    return lib.sum(lib.sin(x) * x + lib.exp(-x * x))


RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 32))
WEIGHTS = [RNG.normal(size=s) / 8 for s in ((32, 64), (64,), (64, 64), (64,), (64, 1))]
CASES = [
    ("sum(sin(x) * x), n = 5", program, np.linspace(0.1, 1.0, 5)),
    ("chain of 1,000 on a scalar", chain, np.float64(0.7)),
    ("chain of 1,000 on a vector of 10", chain, np.linspace(0.1, 1.0, 10)),
    ("network", network, WEIGHTS),
    ("scalar loop of 2,000 steps", pendulum, np.float64(1.0)),
    ("elementwise, n = 100,000", gaussians, np.linspace(0.0, 1.0, 100_000)),
]


def heated(g: Any, x: Any) -> tuple[int, float]:
    """How many calls until compiled code ran, and the seconds of the slowest."""
    before, calls, slowest = hot.STATE.runs, 0, 0.0
    while hot.STATE.runs == before and calls < 10_000:
        start = time.perf_counter()
        g(x)
        slowest = max(slowest, time.perf_counter() - start)
        calls += 1
    return calls, slowest


def plain(g: Any, x: Any) -> Any:
    hot.STATE.enabled = False
    try:
        return g(x)
    finally:
        hot.STATE.enabled = True


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    rows, notes = [], []
    before = dualad.hot_pullbacks(True)
    for case, f, x in CASES:
        g = dualad.grad(lambda v, f=f: f(np, v))
        compiled = dualad.jit(g)
        calls, slowest = heated(g, x)
        notes.append(f"{case}: hot after {calls} calls, of which the slowest took {text(slowest)}.")
        for ours, theirs in zip(_parts(g(x)), _parts(plain(g, x)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
        ways: dict[str, Any] = {
            "dualad": lambda g=g, x=x: g(x),
            "before": lambda g=g, x=x: plain(g, x),
            "jit": lambda compiled=compiled, x=x: compiled(x),
        }
        rows.append(Row(case, in_turn(ways, rounds), {"before": 1.0}))
    dualad.hot_pullbacks(before)
    return rows, notes


def _parts(g: Any) -> list[Any]:
    return g if isinstance(g, list) else [g]
