"""Vertex elimination on the computational graph, in the best order found: for small programs, above all scalar ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import DualadError, GuardError
from dualad.plan.cost import Cost, Model
from dualad.plan.problem import Problem, size_of
from dualad.plan.strategies.base import Candidate

MOST_VALUES = 5000
STEP = 0.3e-6  # seconds of a scalar product, and of an instruction's partial, in Python
ARRAY_STEP = 8e-6  # of a product of structured matrices


class Eliminator:
    """An order, and its compiled form for the last program it ran on."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self.order = order
        self.compiled: Any = None

    def __getstate__(self) -> Any:
        return {"order": self.order, "compiled": None}

    def __call__(self, problem: Problem) -> Any:
        from dualad.plan.elimination import ComputationalGraph, Elimination

        make = lambda: Elimination(ComputationalGraph(problem.program, problem.point), self.order)
        if self.compiled is None or not _same_constants(self.compiled.graph.program, problem.program):
            self.compiled = make()
        try:
            blocks = self.compiled(*problem.point)
        except GuardError:  # other elements are picked at this point, as by a sort
            self.compiled = make()
            blocks = self.compiled(*problem.point)
        rows = [
            np.concatenate([np.reshape(b, (int(np.prod(y, dtype=int)), -1)) for b in row], 1)
            for y, row in zip(problem.out_shapes, blocks, strict=True)
        ]
        return np.concatenate(rows).astype(problem.dtype, copy=False)


def _same_constants(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if len(a.nodes) != len(b.nodes):
        return False
    return all(
        p is not None or np.array_equal(x, y)
        for m, n in zip(a.nodes, b.nodes, strict=True)
        for p, x, y in zip(m[2], m[3], n[3], strict=True)
    )


def elimination(problem: Problem, model: Model) -> Candidate | None:
    """The cheapest of the heuristic orders; nothing for programs with many or complex values."""
    from dualad.plan.elimination import ComputationalGraph, Elimination, best

    if problem.dtype.kind != "f" or sum(map(size_of, problem.nodes)) > MOST_VALUES or not problem.m or not problem.n:
        return None
    try:
        graph = ComputationalGraph(problem.program, problem.point)
        order = best(graph)
        compiled = Elimination(graph, order)
    except DualadError:  # an operation whose local Jacobian would be too large, or is complex
        return None
    run = Eliminator(tuple(order))
    run.compiled = compiled
    done = compiled.cost
    steps = len(compiled.steps) * (STEP if graph.scalar else ARRAY_STEP)
    edges = len(graph.edges) * (3 * STEP if graph.scalar else ARRAY_STEP)
    operations = float(done.multiplications + done.additions)
    seconds = 1e-4 + steps + edges + 3e-6 * len(problem.nodes) + operations * model.element
    seconds += model.entry * problem.m * problem.n
    cost = Cost(1, operations, problem.m * problem.n * problem.dtype.itemsize, seconds)
    why = f"{done.multiplications} multiplications and {done.additions} additions on {len(graph.edges)} edges"
    return Candidate("elimination", cost, run, why)
