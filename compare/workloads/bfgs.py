"""Minimising Rosenbrock's function of 10 variables by SciPy's BFGS: with dualad's gradient, and with SciPy's own finite
differences."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

import dualad
from compare.timing import Row, in_turn


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def measure(peers: dict[str, ModuleType], rounds: int) -> list[Row]:
    from scipy.optimize import minimize

    start = np.linspace(-1.0, 1.0, 10)
    both = dualad.value_and_grad(rosenbrock)
    calls: dict[str, Any] = {
        "dualad": lambda: minimize(both, start, jac=True, method="BFGS"),
        "differences": lambda: minimize(rosenbrock, start, method="BFGS"),
    }
    if "autograd" in peers:
        from autograd import value_and_grad

        of_autograd = value_and_grad(rosenbrock)
        calls["autograd"] = lambda: minimize(of_autograd, start, jac=True, method="BFGS")
    for name, call in calls.items():
        assert np.allclose(call().x, 1, atol=1e-3), name
    return [Row("Rosenbrock, n = 10", in_turn(calls, rounds), {"differences": 1.0})]
