"""Edge pushing: the Hessian from the function's own tape, entry by entry (see dualad/plan/pushing)."""

from __future__ import annotations

from typing import Any

from dualad.core.errors import ArgumentError
from dualad.plan.cost import Cost, Model
from dualad.plan.problem import Problem
from dualad.plan.pushing import Layout, TooMany, layout
from dualad.plan.strategies.base import Candidate, delivery
from dualad.plan.strategies.colored import worth_another

STEP = 0.6  # of what an instruction of a batched sweep takes: a product of arrays, gathered and added
NODE = 2.5  # for the partial derivatives of an operation, once
SWEPT = 40  # for second derivatives without structure
LEAST = 2  # directions: where so few do, entries are found as fast by sweeping them


class Pusher:
    """The layout for the last function that it ran on; it is not pickled, and made anew where the function differs."""

    def __init__(self, found: Layout) -> None:
        self.found: Layout | None = found

    def __getstate__(self) -> Any:
        return {"found": None}

    def __call__(self, problem: Problem) -> Any:
        assert problem.function is not None
        program = problem.function()
        if self.found is None or not self.found.fits(program):
            self.found = layout(program, problem.n)
        return self.found(program, problem.dtype, problem.bar)


def edge_pushing(problem: Problem, model: Model) -> Candidate | None:
    """Second derivatives pushed along the edges of the function's graph; nothing where its tape is not known or too dense."""
    if not problem.symmetric or problem.function is None or problem.dtype.kind != "f":
        return None
    if not problem.forced and (
        problem.pattern is None or not worth_another(problem, model, LEAST, problem.pattern.nnz)
    ):
        return None
    try:
        found = layout(problem.function(), problem.n)
    except TooMany as e:
        if problem.forced:
            raise ArgumentError(f"mode='edge-pushing' does not apply to this function: {e}.") from None
        return None
    nnz = found.pattern.nnz
    steps = STEP * found.pushes + NODE * len(found.steps) + SWEPT * found.swept
    seconds = model.push * steps + 2 * model.scatter * found.terms
    cost = Cost(
        1, 2.0 * found.terms, (found.terms + 2 * nnz) * problem.dtype.itemsize, seconds + delivery(problem, model, nnz)
    )
    why = f"{nnz} nonzeros of {problem.m} x {problem.n}, by {found.terms} products on edges of {len(found.steps)} operations"
    return Candidate("edge-pushing", cost, Pusher(found), why, local=True, pattern=found.pattern)
