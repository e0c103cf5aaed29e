"""Compiled gradients against other generators of machine code, one thread: CasADi's C, compiled by the machine's C compiler with
-O3 and called through its buffers, which copy and allocate nothing; and torch.compile (forward compiled, then `backward()`).
dualad's results are arrays of the caller, which it writes to again once he has dropped them; "copied" is CasADi with its result
as a new array."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

import dualad
from compare.timing import Row, in_turn
from compare.workloads.native import elementwise, rosenbrock
from compare.workloads.steady import generated


def with_casadi(x: Any) -> Callable[[], Any]:
    import casadi as ca

    v = ca.SX.sym("v", len(x))
    y = ca.sum1(100 * (v[1:] - v[:-1] ** 2) ** 2 + (1 - v[:-1]) ** 2)
    return generated(ca.Function("d", [v], [ca.gradient(y, v)]), x, native=True)


def with_torch(x: Any) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(1)
    f = torch.compile(lambda v: elementwise(torch, v))
    leaf = torch.tensor(x, requires_grad=True)

    def call() -> Any:
        leaf.grad = None
        f(leaf).backward()
        return leaf.grad.numpy()

    return call


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    cases: list[tuple[str, Any, Any, str, Any, float]] = [
        (f"Rosenbrock {n}", rosenbrock, np.linspace(0.1, 1, n), "casadi, C", with_casadi, 1.0) for n in (2, 100)
    ]
    cases.append(("elementwise 1,000,000", elementwise, np.linspace(0.1, 1, 10**6), "torch.compile", with_torch, 0.5))
    rows, notes = [], []
    for case, f, x, peer, make, target in cases:
        ours = dualad.jit(dualad.grad(lambda v, f=f: f(np, v)))
        calls: dict[str, Callable[[], Any]] = {"dualad": lambda ours=ours, x=x: ours(x)}
        if shutil.which("cc"):
            try:
                calls[peer] = made = make(x)
                if make is with_casadi:
                    calls[f"{peer}, copied"] = lambda made=made: made().copy()
            except ImportError as e:
                notes.append(f"{case}: {e.name} is not installed and left out.")
        else:
            notes.append(f"{case}: {peer} needs a C compiler, and there is none here.")
        for name, call in calls.items():
            np.testing.assert_allclose(call().ravel(), ours(x), rtol=1e-9, atol=1e-12, err_msg=f"{case}: {name}")
        rows.append(Row(case, in_turn(calls, rounds), {peer: target}))
    return rows, notes
