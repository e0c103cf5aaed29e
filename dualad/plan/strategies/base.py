"""Candidate: one way to the derivative at hand, with what it is predicted to cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dualad.plan.cost import Cost, Model
from dualad.plan.problem import Problem


@dataclass
class Candidate:
    """``run(problem)`` gives the matrix (dense or CSR) at any point whose tape has the same structure.

    ``local``: it relies on a pattern that may differ at another point, and is to be probed there. ``pattern``: one that it found
    by itself.
    """

    name: str
    cost: Cost
    run: Callable[[Problem], Any]
    why: str
    local: bool = False
    detail: Any = None
    pattern: Any = None


def sweep_cost(problem: Problem, model: Model, k: int, overhead: float) -> tuple[float, float]:
    """(operations, seconds) of sweeping ``k`` directions."""
    from dualad.plan.problem import LARGEST_BATCH

    chunks = -(-k // max(1, LARGEST_BATCH // max(1, problem.largest)))
    total = sum(problem.work)
    return total * k, overhead * len(problem.nodes) * chunks + model.element * total * k


def delivery(problem: Problem, model: Model, nnz: int) -> float:
    """Seconds of writing a result of ``nnz`` entries, all of it where it is asked for as dense."""
    return model.scatter * nnz + (0.0 if problem.sparse else model.entry * problem.m * problem.n)
