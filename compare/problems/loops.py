"""Loops as plain Python: an integrator on a few numbers, and a long program without any repetition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

SIGMA, RHO, BETA = 10.0, 28.0, 8 / 3
H = 0.01


def lorenz(x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    """Right-hand side. Source: Lorenz, Deterministic nonperiodic flow, J. Atmos. Sci. 20, 1963, eqs. 25-27."""
    return SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z


def rk4(f: Callable[..., Sequence[Any]], s: Sequence[Any], h: float) -> list[Any]:
    """A step of the classical Runge-Kutta method on a list of numbers."""
    k1 = f(*s)
    k2 = f(*[a + 0.5 * h * k for a, k in zip(s, k1, strict=True)])
    k3 = f(*[a + 0.5 * h * k for a, k in zip(s, k2, strict=True)])
    k4 = f(*[a + h * k for a, k in zip(s, k3, strict=True)])
    return [a + h / 6 * (p + 2 * q + 2 * r + w) for a, p, q, r, w in zip(s, k1, k2, k3, k4, strict=True)]


def trajectory(s: Any, steps: int) -> Any:
    """First coordinate of the state after so many steps from ``s``."""
    s = [s[0], s[1], s[2]]
    for _ in range(steps):
        s = rk4(lorenz, s, H)
    return s[0]


def trajectory_of_arrays(np: Any, s: Any, steps: int) -> Any:
    """The same with the state as one array."""
    for _ in range(steps):
        s = rk4_of_arrays(np, s)
    return s[0]


def rk4_of_arrays(np: Any, s: Any) -> Any:
    def f(s: Any) -> Any:
        return np.stack(lorenz(s[0], s[1], s[2]))

    k1 = f(s)
    k2 = f(s + 0.5 * H * k1)
    k3 = f(s + 0.5 * H * k2)
    k4 = f(s + H * k3)
    return s + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def tangle(x: Any, operations: int, seed: int = 0) -> Any:
    """So many additions, products, sines and tanhs of numbers chosen at random among those before: nothing repeats."""
    rng = numpy.random.default_rng(seed)
    values = [x[k] for k in range(x.shape[0])]
    for k in range(operations):
        i, j = rng.integers(max(0, len(values) - 20), len(values), 2)
        a, b = values[i], values[j]
        values.append([a * 0.5 + b, a * b, numpy.sin(a), numpy.tanh(a - b)][int(rng.integers(4))] if k else a + b)
    return values[-1]
