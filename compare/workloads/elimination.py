"""Vertex elimination on the scalar test problems of Lohoff & Neftci 2024 (arXiv:2406.05027): the time of one Jacobian by an order
found beforehand, against `dualad.jacobian`, which differentiates anew; and the multiplications that each order needs."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

import dualad
from compare.problems.scalar import PROBLEMS
from compare.timing import Row, in_turn
from dualad.ops.special import erf
from dualad.plan.elimination import (
    HEURISTICS,
    ComputationalGraph,
    Elimination,
    anneal,
    best,
    computational_graph,
    cost,
)

POINTS = 1000
NAMES = ("sqrt", "abs", "sin", "cos", "arctan2", "log", "exp")
DUALAD = SimpleNamespace(**{k: getattr(np, k) for k in NAMES}, erf=erf)


def cases() -> dict[str, tuple[Callable[..., Any], tuple[float, ...]]]:
    """By name: a function of a library and a namespace, which returns a function of numbers; and a point."""
    out: dict[str, Any] = {name: ((lambda lib, ns, f=f: lambda *x: f(ns, *x)), x) for name, (f, x) in PROBLEMS.items()}
    price, x = out.pop("Black-Scholes")
    out["Black-Scholes, Jacobian"] = price, x
    out["Black-Scholes, Hessian"] = (lambda lib, ns: lib.grad(price(lib, ns), tuple(range(5)))), x
    return out


def graph_of(f: Callable[..., Any], x: tuple[float, ...]) -> ComputationalGraph:
    with dualad.Tape() as tape:
        watched = tape.watch(x)
        y = f(*watched)
    return computational_graph(tape, y, watched)


def counts() -> str:
    """The table of multiplications, in Markdown."""
    names = [*HEURISTICS, "best of these", "annealed"]
    lines = ["| problem | vertices | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for case, (f, x) in cases().items():
        graph = graph_of(f(dualad, DUALAD), x)
        orders = [h(graph) for h in HEURISTICS.values()]
        found = [cost(graph, o).multiplications for o in (*orders, best(graph), anneal(graph))]
        lines.append(f"| {case} | {len(graph.intermediates)} | " + " | ".join(map(str, found)) + " |")
    return "\n".join(lines)


def counts_on_jaxprs() -> str | None:
    """Forward, reverse and Markowitz on the graphs that JAX records, counted as Graphax' authors do; None without JAX."""
    try:
        import jax
    except ImportError:
        return None
    from compare.jaxprs import NAMESPACE, forward, graph_of_jaxpr, markowitz, reverse

    lines = ["| problem | vertices | forward | reverse | markowitz |", "|---" * 5 + "|"]
    for case, (f, x) in cases().items():
        graph = graph_of_jaxpr(f(jax, NAMESPACE), x)
        found = [order(graph) for order in (forward, reverse, markowitz)]
        lines.append(f"| {case} | {len(graph.intermediates)} | " + " | ".join(map(str, found)) + " |")
    return "\n".join(lines)


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    rows = []
    for case, (f, x) in cases().items():
        g = f(dualad, DUALAD)
        graph = graph_of(g, x)
        run = Elimination(graph, best(graph))
        again = dualad.jacobian(g, tuple(range(len(x))))
        expected = again(*x)
        np.testing.assert_allclose(
            run(*x), expected if isinstance(expected[0], tuple) else (expected,), rtol=1e-10, atol=1e-12
        )
        calls = {"dualad": lambda run=run, x=x: run(*x), "dualad.jacobian": lambda again=again, x=x: again(*x)}
        rows.append(Row(case, in_turn(calls, rounds), {"dualad.jacobian": 1.0}))
    f, x = cases()["Roe flux 1-D"]
    g = f(dualad, DUALAD)
    graph = graph_of(g, x)
    run = Elimination(graph, best(graph))
    points = (np.array(x) * np.random.default_rng(0).uniform(0.9, 1.1, (POINTS, len(x)))).T
    each = dualad.vmap(dualad.jacobian(g, tuple(range(len(x)))))
    np.testing.assert_allclose(run(*points), each(*points), rtol=1e-9, atol=1e-12)
    calls = {"dualad": lambda: run(*points), "dualad.jacobian": lambda: each(*points)}
    rows.append(Row(f"Roe flux 1-D, {POINTS:,} points", in_turn(calls, rounds), {"dualad.jacobian": 1.0}))
    notes = ["Multiplications, by order:", counts()]
    theirs = counts_on_jaxprs()
    if theirs:
        notes += ["The same functions as JAX records them, counted as Graphax does:", theirs]
    return rows, notes
