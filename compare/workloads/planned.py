"""What the planner finds: passes for an arrow matrix, a Jacobian through a narrow place, reverse mode in little memory, and
regret (time of the chosen strategy over that of the best of all that apply, weighed or not) over the suite."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
import tracemalloc
from types import ModuleType
from typing import Any

import numpy as np

import dualad
from compare.problems import sparse
from compare.timing import Row, in_turn, text
from dualad.plan.strategies import STRATEGIES


def suite() -> list[tuple[str, Any, Any, str, bool]]:
    """(name, function, point, what is wanted, whether as a sparse matrix)."""
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(60, 40)) / 8
    of = lambda f: lambda x: f(np, x)
    return [
        ("arrow 50", of(sparse.arrow), rng.uniform(0.5, 1, 50), "jacobian", False),
        ("arrow 1,000", of(sparse.arrow), rng.uniform(0.5, 1, 1000), "jacobian", True),
        ("bottleneck 1000-2-1000", of(sparse.bottleneck(1000, 2)), rng.normal(size=1000), "jacobian", False),
        ("bottleneck 300-20-300", of(sparse.bottleneck(300, 20)), rng.normal(size=300), "jacobian", False),
        ("Brusselator 16", of(sparse.brusselator(16)), rng.uniform(0.5, 1, 512), "jacobian", True),
        ("Broyden 1,000", of(sparse.broyden), rng.uniform(0.5, 1, 1000), "jacobian", True),
        ("Broyden 300, dense", of(sparse.broyden), rng.uniform(0.5, 1, 300), "jacobian", False),
        ("Rosenbrock Hessian 500", of(sparse.rosenbrock), rng.uniform(0.5, 1, 500), "hessian", True),
        ("dense 60 x 40", lambda x: np.tanh(dense @ np.sin(x)), rng.normal(size=40), "jacobian", False),
        ("dense 40 x 60", lambda x: np.tanh(np.sin(x) @ dense), rng.normal(size=60), "jacobian", False),
        ("elementwise 2,000", lambda x: np.sin(x) * np.exp(-x), rng.normal(size=2000), "jacobian", True),
        ("springs Hessian 400", of(sparse.springs(200, 600)), rng.normal(size=400), "hessian", True),
        ("products Hessian 500", of(sparse.products(500, 2000)), rng.uniform(0.5, 1, 500), "hessian", True),
        ("convex Hessian 60", lambda x: np.log(np.exp(dense @ x[:40]).sum()), rng.normal(size=60), "hessian", False),
    ]


def every_strategy(plan: Any, g: Any, point: Any, want: str, as_sparse: bool) -> None:
    """Add to the candidates of a plan what it did not weigh: all strategies that apply, by name."""
    weighed = {c.name for c in plan.plan.candidates}
    others = []
    for name in STRATEGIES:
        if name not in weighed:
            with contextlib.suppress(dualad.ArgumentError):
                others.append(dualad.plan(g, point, want=want, sparse=as_sparse, mode=name).plan.choice)
    plan.plan = dataclasses.replace(plan.plan, candidates=[*plan.plan.candidates, *others])


HESSIANS = ("edge-pushing", "acyclic", "star", "column-coloring")


def irregular(rounds: int) -> str:
    """Hessians without regular pattern by each strategy: seconds of an evaluation, and of the plan."""
    lines = [
        "| Hessian | nonzeros | chosen | " + " | ".join(HESSIANS) + " |",
        "|---" * (len(HESSIANS) + 3) + "|",
    ]
    rng = np.random.default_rng(0)
    for name, f, x in (
        ("springs, 1,000 points, 4,000 pairs", sparse.springs(1000, 4000), rng.normal(size=2000)),
        ("products, 2,000 unknowns, 6,000 pairs", sparse.products(2000, 6000), rng.uniform(0.5, 1, 2000)),
        ("products, 2,000 unknowns, 20,000 pairs", sparse.products(2000, 20000), rng.uniform(0.5, 1, 2000)),
    ):
        g = lambda v, f=f: f(np, v)
        chosen = dualad.plan(g, x, want="hessian", sparse=True)
        cells = [name, f"{chosen(x).nnz:,}", chosen.choice]
        for mode in HESSIANS:
            start = time.perf_counter()
            plan = dualad.plan(g, x, want="hessian", sparse=True, mode=mode)
            made = time.perf_counter() - start
            seconds = plan.measure(max(3, rounds // 3))[plan.choice]
            cells.append(f"{text(seconds)}, {plan.plan.choice.cost.passes:,} passes ({text(made)})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def pendulum(x: Any) -> Any:
    v = 0 * x
    for _ in range(10_000):
        v = v - 0.01 * np.sin(x)
        x = x + 0.01 * v
    return (x * x).sum()


def in_little_memory() -> str:
    x = np.linspace(0, 1, 1000)

    def peak(memory: Any) -> int:
        tracemalloc.start()
        dualad.grad(pendulum, memory=memory)(x)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    every = peak(None)
    budget = every // 10
    little = peak(budget)
    times = in_turn({str(m): lambda m=m: dualad.grad(pendulum, memory=m)(x) for m in (None, budget)}, 3)
    seconds, less = times.values()
    return (
        f"Reverse mode through 10,000 steps: {seconds:.2f} s and {every / 1e6:.0f} MB; with memory={budget / 1e6:.0f} MB: "
        f"{less:.2f} s ({less / seconds:.2f} times, asked: at most 2.5) and {little / 1e6:.0f} MB ({little / every:.3f})."
    )


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    rows, notes = [], []
    f = sparse.bottleneck(1000, 2)
    x = np.random.default_rng(1).normal(size=1000)
    ours = dualad.plan(lambda v: f(np, v), x)
    down, up = f.matrices

    def by_hand() -> Any:
        a = np.tanh(x)
        s = down @ a
        y = np.tanh(up @ np.sin(s))
        return ((1 - y * y)[:, None] * up * np.cos(s)) @ (down * (1 - a * a))

    compiled = dualad.jit(dualad.jacobian(lambda v: f(np, v)))
    np.testing.assert_allclose(compiled(x), by_hand(), rtol=1e-9, atol=1e-12)
    calls: dict[str, Any] = {"dualad": lambda: compiled(x), "dualad, plan": lambda: ours(x), "numpy by hand": by_hand}
    targets = {}
    try:
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        forward = jax.jit(jax.jacfwd(lambda v: f(jnp, v)))
        point = jnp.asarray(x)
        first = jax.jacrev(lambda v: down @ jnp.tanh(v))
        second = jax.jacfwd(lambda s: jnp.tanh(up @ jnp.sin(s)))
        mixed = jax.jit(lambda v: second(down @ jnp.tanh(v)) @ first(v))
        calls["jax.jit(jacfwd)"] = lambda: forward(point).block_until_ready()
        calls["jax, mixed by hand"] = lambda: mixed(point).block_until_ready()
        targets |= {"jax.jit(jacfwd)": 0.25, "jax, mixed by hand": 1.0}
    except ImportError:
        notes.append("JAX is not installed and left out.")
    rows.append(Row("bottleneck 1000-2-1000", in_turn(calls, rounds), targets))
    operations = {c.name: c.cost.operations for c in ours.plan.candidates}
    least = min(operations["forward"], operations["reverse"])
    notes.append(
        f"Bottleneck: multiplications counted, {ours.choice}: {passes(down, 2):,}; forward or reverse: {passes(down, 1000):,} "
        f"({passes(down, 1000) / passes(down, 2):.0f} times as many; the model's operations with the final product: "
        f"{operations[ours.choice]:.3g} against {least:.3g})."
    )

    notes.append(arrow_passes())

    regrets = []
    lines = [
        "| problem | strategy | passes | predicted | measured | regret | best |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, g, point, want, as_sparse in suite():
        plan = dualad.plan(g, point, want=want, sparse=as_sparse)
        every_strategy(plan, g, point, want, as_sparse)
        measured = plan.measure(max(5, rounds))
        regrets.append(plan.regret)
        choice = plan.plan.choice
        lines.append(
            f"| {name} | {choice.name} | {choice.cost.passes} | {choice.cost.seconds * 1e3:.2f} ms | "
            f"{measured[choice.name] * 1e3:.2f} ms | {plan.regret:.2f} | {min(measured, key=measured.__getitem__)} |"
        )
    notes.append("\n".join(lines))
    mean = math.exp(sum(map(math.log, regrets)) / len(regrets))
    notes.append(f"Regret: geometric mean {mean:.2f} (asked: under 1.1), worst {max(regrets):.2f} (asked: under 1.5).")

    notes.append(f"Seconds of an evaluation, and of making the plan:\n\n{irregular(rounds)}")

    notes.append(in_little_memory())
    return rows, notes


def arrow_passes() -> str:
    """Directions and cotangents that were swept for the Jacobian of an arrow, by strategy."""
    x = np.random.default_rng(0).uniform(0.5, 1, 50)
    swept = {}
    for mode in ("bicoloring", "column-coloring", "row-coloring"):
        plan = dualad.plan(lambda v: sparse.arrow(np, v), x, mode=mode)
        call = plan.prepare(x)
        plan.plan.matrix(call.problem)
        swept[mode] = call.problem.passes
    return "Arrow of n = 50, passes: " + ", ".join(f"{mode} {k}" for mode, k in swept.items()) + " (asked: 3)."


def passes(down: Any, k: int) -> int:
    """Multiplications of sweeping ``k`` directions through the two products, forward and reverse alike."""
    return 2 * down.size * k
