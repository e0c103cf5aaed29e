"""Sparse Jacobians and Hessians call after call, everything found and compiled: dualad's `jit(jacobian(f, sparse=True))`,
asdex under `jax.jit`, CasADi's functions in its virtual machine and as C, compiled by the machine's C compiler with -O3. dualad
makes a SciPy matrix at each call; asdex is asked for JAX's BCOO, and CasADi's functions for their nonzeros in a buffer of
their own, the fastest that each of them offers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import dualad
from compare.problems import sparse
from compare.timing import Row, in_turn
from compare.workloads.sparse import _casadi


def with_asdex(f: Any, x: Any, hessian: bool) -> Callable[[], Any]:
    import asdex
    import jax
    import jax.numpy as jnp

    make = asdex.hessian if hessian else asdex.jacobian
    jax.config.update("jax_enable_x64", True)
    point = jnp.asarray(x)
    run = jax.jit(make(lambda v: f(jnp, v), point))
    return lambda: run(point).data.block_until_ready()


def with_casadi(f: Any, x: Any, hessian: bool, native: bool) -> Callable[[], Any]:
    import casadi as ca

    v = ca.SX.sym("v", len(x))
    y = f(ca, v)
    return generated(ca.Function("d", [v], [ca.hessian(y, v)[0] if hessian else ca.jacobian(y, v)]), x, native)


def generated(function: Any, x: Any, native: bool) -> Callable[[], Any]:
    """Calls of CasADi's function ``d`` through its buffers, which copy nothing; ``native``: as C."""
    import casadi as ca

    out = np.zeros(function.nnz_out(0))
    if native:
        folder = Path(tempfile.mkdtemp())
        generator = ca.CodeGenerator("d.c")
        generator.add(function)
        generator.generate(f"{folder}/")
        subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", "d.c", "-o", "d.so"], cwd=folder, check=True)
        function = ca.external("d", str(folder / "d.so"))
    buffer, run = function.buffer()
    buffer.set_arg(0, memoryview(x))
    buffer.set_res(0, memoryview(out))

    def call(alive: Any = (function, buffer, x)) -> Any:
        run()
        return out

    return call


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    rng = np.random.default_rng(0)
    cases = [
        ("Brusselator 32x32x2", sparse.brusselator(32), sparse.brusselator_casadi(32), 2 * 32 * 32, False),
        ("Brusselator 64x64x2", sparse.brusselator(64), sparse.brusselator_casadi(64), 2 * 64 * 64, False),
        ("Broyden 10,000", sparse.broyden, _casadi("broyden"), 10_000, False),
        ("Rosenbrock Hessian 10,000", sparse.rosenbrock, _casadi("rosenbrock"), 10_000, True),
    ]
    rows, notes = [], []
    for case, f, f_casadi, n, hessian in cases:
        x = rng.uniform(0.5, 1.5, n)
        transform = dualad.hessian if hessian else dualad.jacobian
        ours = dualad.jit(transform(lambda v, f=f: f(np, v), sparse=True))
        calls: dict[str, Any] = {"dualad": lambda ours=ours, x=x: ours(x)}
        total = float(np.sum(ours(x).data ** 2))
        found = {}
        try:
            found["asdex"] = with_asdex(f, x, hessian)
        except ImportError:
            notes.append(f"{case}: asdex is not installed and left out.")
        try:
            found["casadi"] = with_casadi(f_casadi, x, hessian, False)
            # C of a large program takes the compiler minutes.
            if shutil.which("cc") and n <= 2048:
                found["casadi, C"] = with_casadi(f_casadi, x, hessian, True)
        except ImportError:
            notes.append(f"{case}: casadi is not installed and left out.")
        for name, call in found.items():
            np.testing.assert_allclose(
                float(np.sum(np.asarray(call()) ** 2)), total, rtol=1e-9, err_msg=f"{case}, {name}"
            )
        rows.append(
            Row(case, in_turn(calls | found, rounds), dict.fromkeys([k for k in found if k != "casadi, C"], 0.5))
        )
    return rows, notes
