"""Plain forward and reverse mode, all directions in chunks: always candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.plan.cost import Cost, Model
from dualad.plan.problem import LARGEST_BATCH, Problem, size_of
from dualad.plan.strategies.base import Candidate, sweep_cost

TRANSPOSE = 4  # writing the result transposed takes so many times as long


def _run_forward(problem: Problem) -> Any:
    return problem.push(np.eye(problem.n, dtype=problem.dtype)).T.copy()


def _run_reverse(problem: Problem) -> Any:
    return problem.pull(np.eye(problem.m, dtype=problem.dtype))


def _bytes(problem: Problem, k: int) -> int:
    at_once = min(k, max(1, LARGEST_BATCH // max(1, problem.largest)))
    return (problem.m * problem.n + at_once * problem.largest * 2) * problem.dtype.itemsize


def forward(problem: Problem, model: Model) -> Candidate:
    """One direction per input (source: Griewank & Walther 2008, ch. 3.1)."""
    operations, seconds = sweep_cost(problem, model, problem.n, model.push)
    cost = Cost(
        problem.n, operations, _bytes(problem, problem.n), seconds + TRANSPOSE * model.entry * problem.m * problem.n
    )
    return Candidate("forward", cost, _run_forward, f"{problem.n} directions, one per input")


def reverse(problem: Problem, model: Model) -> Candidate:
    """One cotangent per output (source: Griewank & Walther 2008, ch. 3.2)."""
    operations, seconds = sweep_cost(problem, model, problem.m, model.pull)
    tape = sum(map(size_of, problem.nodes)) * problem.dtype.itemsize
    cost = Cost(problem.m, operations, tape + _bytes(problem, problem.m), seconds + model.entry * problem.m * problem.n)
    return Candidate("reverse", cost, _run_reverse, f"{problem.m} cotangents, one per output")
