"""Sparse Jacobians and Hessians from a cold start to the first matrix: detection, coloring, evaluation, and compilation
where a library compiles. Every library has been imported and has solved another problem before. asdex returns SciPy CSR, CasADi
its own sparse matrix."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

import dualad
from compare.problems import sparse
from compare.timing import Row


def cold(make: Callable[[], Callable[[], Any]], rounds: int) -> float:
    """Median seconds of building and running, each time from nothing."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        make()()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def with_dualad(f: Any, x: Any, hessian: bool) -> Callable[[], Any]:
    from dualad.api import planning

    planning._PLANS.clear()
    transform = dualad.hessian if hessian else dualad.jacobian
    return lambda: transform(lambda v: f(np, v), sparse=True)(x)


def with_asdex(f: Any, x: Any, hessian: bool) -> Callable[[], Any]:
    import asdex
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    jax.clear_caches()
    g = lambda v: f(jnp, v)
    make = asdex.hessian if hessian else asdex.jacobian
    point = jnp.asarray(x)
    return lambda: make(g, point, output_format="scipy_csr")(point)


def with_casadi(f: Any, x: Any, hessian: bool) -> Callable[[], Any]:
    import casadi as ca

    def run() -> Any:
        v = ca.SX.sym("v", len(x))
        y = f(ca, v)
        matrix = ca.hessian(y, v)[0] if hessian else ca.jacobian(y, v)
        return ca.Function("d", [v], [matrix])(x)

    return run


def _casadi(name: str) -> Any:
    if name == "rosenbrock":
        return lambda ca, x: ca.sum1(100.0 * (x[1::2] - x[::2] * x[::2]) ** 2 + (1.0 - x[::2]) ** 2)

    def broyden(ca: Any, x: Any) -> Any:
        left, right = ca.vertcat(0, x[:-1]), ca.vertcat(x[1:], 0)
        return (3.0 - 2.0 * x) * x - left - 2.0 * right + 1.0

    return broyden


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    rng = np.random.default_rng(0)
    cases = [
        ("Brusselator 32x32x2", sparse.brusselator(32), sparse.brusselator_casadi(32), 2 * 32 * 32, False),
        ("Brusselator 64x64x2", sparse.brusselator(64), sparse.brusselator_casadi(64), 2 * 64 * 64, False),
        ("Broyden 10,000", sparse.broyden, _casadi("broyden"), 10_000, False),
        ("Rosenbrock Hessian 10,000", sparse.rosenbrock, _casadi("rosenbrock"), 10_000, True),
    ]
    libraries: dict[str, Any] = {"dualad": with_dualad}
    notes = []
    for name, use in (("asdex", with_asdex), ("casadi", with_casadi)):
        try:
            __import__(name)
            libraries[name] = use
        except ImportError:
            notes.append(f"{name} is not installed and left out.")
    rows: list[Row] = []
    count = max(3, rounds // 4)
    for case, f, f_casadi, n, hessian in cases:
        x = rng.uniform(0.5, 1.5, n)
        seconds = {}
        sums = []
        for name, use in libraries.items():
            own = f_casadi if name == "casadi" else f
            found = use(own, x, hessian)()
            # The sum of squares, since CasADi numbers grids by columns, and the Brusselator's is then transposed.
            sums.append(float(np.sum((found.sparse() if name == "casadi" else found).data ** 2)))
            seconds[name] = cold(lambda use=use, own=own, x=x, h=hessian: use(own, x, h), count)
        np.testing.assert_allclose(sums, sums[0], rtol=1e-9, err_msg=f"{case}: the libraries' matrices differ")
        rows.append(Row(case, seconds, {"asdex": 1 / 3, "casadi": 1 / 3}))
    return rows, notes
