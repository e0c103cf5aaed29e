"""Compressed evaluation: columns, or rows, that share no entry are swept together.

Source: Curtis, Powell & Reid 1974; Coleman & Verma 1998; Gebremedhin, Manne & Pothen 2005.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.plan import coloring
from dualad.plan.cost import Cost, Model
from dualad.plan.problem import Problem
from dualad.plan.strategies.base import Candidate, delivery, sweep_cost

DENSE = 0.4  # above this share of nonzeros, no coloring is tried


COLORING = 2e-6  # seconds that another coloring takes per nonzero
REUSES = 10  # evaluations that a plan is expected to serve


def worth_another(problem: Problem, model: Model, least: int, entries: int) -> bool:
    """Whether ``least`` passes, compared with the best strategy so far, would repay the search for a way to do with them."""
    if problem.forced:
        return True
    gain = problem.best - sweep_cost(problem, model, least, model.push)[1]
    return gain * REUSES > COLORING * entries


def worth_coloring(problem: Problem) -> bool:
    if problem.forced:
        return problem.pattern is not None
    if min(problem.m, problem.n) <= 2 or problem.pattern is None:
        return False
    return problem.pattern.nnz < DENSE * problem.m * problem.n


def _candidate(problem: Problem, model: Model, name: str, colors: Any, pushes: int, pulls: int, run: Any) -> Candidate:
    ops_f, sec_f = sweep_cost(problem, model, pushes, model.push) if pushes else (0.0, 0.0)
    ops_r, sec_r = sweep_cost(problem, model, pulls, model.pull) if pulls else (0.0, 0.0)
    nnz = problem.pattern.nnz
    size = (nnz * 2 + pushes * problem.m + pulls * problem.n) * problem.dtype.itemsize
    cost = Cost(pushes + pulls, ops_f + ops_r, size, sec_f + sec_r + delivery(problem, model, nnz))
    parts = [f"{k} {what}" for k, what in ((pushes, "directions"), (pulls, "cotangents")) if k]
    why = f"{nnz} nonzeros of {problem.m} x {problem.n}, in {' and '.join(parts)}"
    return Candidate(name, cost, functools.partial(run, colors), why, local=True, detail=colors)


def _run_columns(colors: Any, problem: Problem) -> Any:
    return colors.decompress(problem.push(colors.seeds(problem.dtype).T).T)


def _run_rows(colors: Any, problem: Problem) -> Any:
    return colors.decompress(problem.pull(colors.seeds(problem.dtype).T))


def _run_both(colors: Any, problem: Problem) -> Any:
    return colors.decompress(
        problem.push(colors.column_seeds(problem.dtype).T).T, problem.pull(colors.row_seeds(problem.dtype).T)
    )


def columns(problem: Problem, model: Model) -> Candidate | None:
    """Structurally orthogonal columns, in forward mode."""
    if not worth_coloring(problem):
        return None
    pattern = problem.pattern
    if not worth_another(problem, model, int(np.diff(pattern.indptr).max(initial=0)), pattern.nnz):
        return None
    colors = coloring.column_coloring(pattern)
    return _candidate(problem, model, "column-coloring", colors, colors.count, 0, _run_columns)


def blocks(pattern: Any) -> list[tuple[int, int]]:
    """Rows and columns of each block of the pattern: the parts of it that share no row and no column."""
    from scipy.sparse import block_array
    from scipy.sparse.csgraph import connected_components

    m = pattern.shape[0]
    count, label = connected_components(block_array([[None, pattern], [pattern.T, None]]), directed=False)
    high, wide = np.bincount(label[:m], minlength=count), np.bincount(label[m:], minlength=count)
    return [(int(a), int(b)) for a, b in zip(high, wide, strict=True) if a and b]


def structure(pattern: Any) -> str:
    """What stands out in a pattern: "diagonal", "block-diagonal" (in some order of rows and columns) or nothing."""
    if not pattern.nnz:
        return ""
    rows, columns = pattern.nonzero()
    if np.array_equal(rows, columns):
        return "diagonal"
    return "block-diagonal" if len(blocks(pattern)) > 1 else ""


def _structured(name: str) -> Callable[[Problem, Model], Candidate | None]:
    """By name only: among the candidates of a choice, the same directions are there as a column coloring."""

    def propose(problem: Problem, model: Model) -> Candidate | None:
        if not problem.forced or problem.pattern is None or structure(problem.pattern) not in (name, "diagonal"):
            return None
        colors = coloring.column_coloring(problem.pattern)
        return _candidate(problem, model, name, colors, colors.count, 0, _run_columns)

    return propose


diagonal = _structured("diagonal")
block_diagonal = _structured("block-diagonal")


def rows(problem: Problem, model: Model) -> Candidate | None:
    """Structurally orthogonal rows, in reverse mode."""
    if problem.symmetric or not worth_coloring(problem):
        return None
    pattern = problem.pattern
    if not worth_another(problem, model, int(np.bincount(pattern.indices, minlength=1).max(initial=0)), pattern.nnz):
        return None
    colors = coloring.row_coloring(pattern)
    return _candidate(problem, model, "row-coloring", colors, 0, colors.count, _run_rows)


def bicoloring(problem: Problem, model: Model) -> Candidate | None:
    """Some entries by columns and some by rows: for patterns with dense rows and dense columns."""
    if problem.symmetric or not worth_coloring(problem):
        return None
    pattern = problem.pattern
    full = max(np.diff(pattern.indptr).max(initial=0), np.bincount(pattern.indices, minlength=1).max(initial=0))
    if not problem.forced and full <= 3 * max(1.0, pattern.nnz / max(pattern.shape)):
        return None  # no row or column is much fuller than others: one side does as well
    colors = coloring.bicoloring(pattern)
    return _candidate(problem, model, "bicoloring", colors, colors.column_count, colors.row_count, _run_both)


def _hessian(name: str, colour: Callable[[Any], Any]) -> Callable[[Problem, Model], Candidate | None]:
    def propose(problem: Problem, model: Model) -> Candidate | None:
        if not problem.symmetric or not worth_coloring(problem):
            return None
        pattern = problem.pattern
        if not worth_another(problem, model, 2, 2 * pattern.nnz):
            return None
        pattern = pattern + pattern.T  # a walk may miss that two ways to an entry are the same one
        colors = colour(pattern)
        return _candidate(problem, model, name, colors, colors.count, 0, _run_columns)

    return propose


star = _hessian("star", lambda pattern: coloring.star_coloring(pattern))
acyclic = _hessian("acyclic", lambda pattern: coloring.acyclic_coloring(pattern))
