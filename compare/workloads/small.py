"""A small problem: the gradient of sum(sin(x) * x) at 5 numbers."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from compare.timing import Row, in_turn


def program(lib: Any, x: Any) -> Any:
    return lib.sum(lib.sin(x) * x)


def measure(peers: dict[str, ModuleType], rounds: int) -> list[Row]:
    x = np.linspace(0.1, 1.0, 5)
    calls = {n: p.gradient(program, x) for n, p in peers.items() if hasattr(p, "gradient")}
    calls["numpy by hand"] = lambda: np.cos(x) * x + np.sin(x)
    return [Row("n = 5", in_turn(calls, rounds), {})]
