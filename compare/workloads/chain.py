"""Overhead per operation: the gradient of a chain of 1,000 operations (sines, products, sums), recorded and pulled back
anew at each call, nothing compiled. On a scalar and on a vector of 10."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from compare.timing import Row, in_turn

OPERATIONS = 1000
TARGETS = {"autograd": 0.25, "torch": 0.7}


def elements(lib: Any, x: Any) -> Any:
    """250 times: a sine, a product, a sum, a product with a number."""
    y = x
    for _ in range(OPERATIONS // 4):
        y = (lib.sin(y) * x + y) * 0.5
    return y


def chain(lib: Any, x: Any) -> Any:
    y = elements(lib, x)
    return y if y.ndim == 0 else lib.sum(y)


def measure(peers: dict[str, ModuleType], rounds: int) -> list[Row]:
    rows = []
    for case, x in (("scalar", np.float64(0.7)), ("vector of 10", np.linspace(0.1, 1.0, 10))):
        calls = {n: p.gradient(chain, x) for n, p in peers.items() if hasattr(p, "gradient")}
        results = {n: np.asarray(c()) for n, c in calls.items()}
        for n, r in results.items():
            np.testing.assert_allclose(r, results["dualad"], rtol=1e-10, err_msg=n)
        rows.append(Row(case, in_turn(calls, rounds), TARGETS))
    return rows
