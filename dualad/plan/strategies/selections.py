"""The Jacobian as a sum of diagonals times selections: for elementwise programs, stencils and recurrences of fixed reach.

Where every element of a value depends on a few inputs, its derivative is kept as terms (source, scale): element i has the
derivative scale[i] in input source[i]. Elementwise operations scale the terms, movements move both, and terms with equal
sources are added. A diagonal Jacobian is one term, a tridiagonal one three. No entry is computed that is not in the result.

Source: sparse forward accumulation (Griewank & Walther 2008, ch. 7.2), on array-valued operations.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualad.modes.record import GUARD, LIFT
from dualad.modes.reverse import PICK
from dualad.plan.cost import Cost, Model
from dualad.plan.entries import matrix
from dualad.plan.problem import Problem
from dualad.plan.strategies.base import Candidate, delivery
from dualad.tape.sparsity import known

MOST_TERMS = 32
FIRST = 64  # elements that tell most terms apart
MOVE = 0.2  # of what an instruction of a batched sweep takes: here arrays are plain
POINTWISE = ("elementwise", "movement")


@dataclass
class Step:
    """What instruction ``at`` does to terms: of argument, its term, and the term of the result that this is added to."""

    at: int
    moves: list[tuple[int, int, int]]


@dataclass
class Layout:
    """The walk over the terms, and where the entries of the result are: in ``places`` of the outputs' terms, one after the other,
    then a zero, then the entries that are sums: of the terms at each of ``sums``."""

    steps: list[Step]
    elements: float
    pattern: Any
    places: Any
    sums: list[Any]


def layout(problem: Problem) -> Layout | None:
    """None where a value depends on many inputs, or an operation does more than to scale and move."""
    sources: dict[int, list[Any]] = {}
    start = 0
    for index, shape in zip(problem.inputs, problem.in_shapes, strict=True):
        size = int(np.prod(shape, dtype=int))
        sources[index] = [np.arange(start, start + size)]
        start += size
    steps = []
    worked = _worked(problem) if problem.nested else None
    for at, (index, prim, parents, args, y, params, _) in enumerate(problem.nodes):
        if prim is GUARD or prim is LIFT or prim.constant or not any(p in sources for p in parents):
            continue
        if isinstance(y, tuple) or prim is PICK or (prim.kind not in POINTWISE and prim.sparsity_rule is None):
            return None
        moved = []
        for i, p in enumerate(parents):
            if p not in sources:
                continue
            same = prim.kind == "elementwise" and args[i].shape == y.shape
            one = None if same else _relation(prim.depends(i, y.shape, known(prim, args, parents), params))
            if one is None and not same:
                return None
            for k, source in enumerate(sources[p]):
                moved.append((i, k, source if same else _moved(source, one)))
        # A compiled program writes each term of the result to its place: to add zeros to it would be work.
        own, moves = _terms(moved, worked is not None and index not in worked)
        if len(own) > MOST_TERMS:
            own, moves = _terms(moved, False)
        if len(own) > MOST_TERMS:
            return None
        sources[index] = own
        steps.append(Step(at, moves))
    elements = sum(float(s.size) for terms in sources.values() for s in terms)
    return Layout(steps, elements, *_entries(problem, sources))


def _relation(found: Any) -> Any:
    """The one input element of each output element (-1: none); None where there are several."""
    if isinstance(found, np.ndarray):
        return found
    counts = np.diff(found.indptr)
    if counts.max(initial=0) > 1:
        return None
    out = np.full(found.shape[0], -1)
    out[counts == 1] = found.indices
    return out


def _worked(problem: Problem) -> set[Any]:
    """Values that more is done with than to move them to the result."""
    out: set[Any] = set()
    for index, prim, parents, *_ in reversed(problem.nodes):
        if prim is GUARD or prim is LIFT or prim.constant:
            continue
        if prim.kind != "movement" or index in out:
            out.update(parents)
    return out


def _moved(source: Any, one: Any) -> Any:
    if not source.size:
        return np.full(one.shape, -1)
    moved = source[one]
    return moved if one.min(initial=0) >= 0 else np.where(one >= 0, moved, -1)


def _terms(moved: list[tuple[int, int, Any]], apart: bool) -> tuple[list[Any], list[tuple[int, int, int]]]:
    """The sources of the result's terms, and the moves; ``apart``: terms are added only where they must be."""
    own: list[Any] = []
    moves = []
    for i, k, source in moved:
        j = _place(own, source, apart)
        moves.append((i, k, j))
        if j == len(own):
            own.append(source)
        elif own[j] is not source:
            own[j] = np.maximum(own[j], source)
    return own, moves


def _place(own: list[Any], source: Any, apart: bool) -> int:
    """The term that this one can be added to (no element has another source there), or a new one."""
    for j, other in enumerate(own):
        if other is source or (_fit(other[:FIRST], source[:FIRST]) and _fit(other, source)):
            if not (apart and bool(((other < 0) | (source < 0)).all())):
                return j
    return len(own)


def _fit(other: Any, source: Any) -> bool:
    return bool(((other == source) | (other < 0) | (source < 0)).all())


def _entries(problem: Problem, sources: dict[int, list[Any]]) -> tuple[Any, Any, list[Any]]:
    """The pattern, and the places of its entries and of the terms of those that are sums."""
    from scipy.sparse import csr_array

    rows, columns = [np.zeros(0, int)], [np.zeros(0, int)]
    start = 0
    for index, shape in zip(problem.outputs, problem.out_shapes, strict=True):
        size = int(np.prod(shape, dtype=int))
        for source in sources.get(index, ()) if index is not None else ():
            rows.append(np.arange(start, start + size))
            columns.append(source)
        start += size
    row, column = np.concatenate(rows), np.concatenate(columns)
    there = np.flatnonzero(column >= 0)
    n = max(problem.n, 1)
    keys, entry = np.unique(row[there] * n + column[there], return_inverse=True)
    order = np.argsort(entry, kind="stable")
    first = np.searchsorted(entry[order], np.arange(keys.size))
    nth = np.empty(entry.size, int)
    nth[order] = np.arange(entry.size) - first[entry[order]]
    terms = []
    for k in range(int(nth.max(initial=0)) + 1):
        place = np.full(keys.size, row.size)
        place[entry[nth == k]] = there[nth == k]
        terms.append(place)
    several = np.flatnonzero(terms[1] < row.size) if len(terms) > 1 else np.zeros(0, int)
    places = terms[0].copy()
    places[several] = row.size + 1 + np.arange(several.size)
    indptr = np.zeros(problem.m + 1, np.int32)
    np.cumsum(np.bincount(keys // n, minlength=problem.m), out=indptr[1:])
    pattern = csr_array((np.ones(keys.size, bool), (keys % n).astype(np.int32), indptr), (problem.m, problem.n))
    return pattern, places, [t[several] for t in terms] if several.size else []


def _run(found: Layout, problem: Problem) -> Any:
    problem.passes += 1
    terms: dict[int, list[Any]] = {
        index: [np.ones(shape, problem.dtype)] for index, shape in zip(problem.inputs, problem.in_shapes, strict=True)
    }
    for step in problem.bar(found.steps, "operations"):
        index, prim, parents, args, y, params, _ = problem.nodes[step.at]
        own: list[Any] = []
        for i, k, j in step.moves:
            t = prim.jvp([terms[parents[i]][k] if a == i else None for a in range(len(args))], y, args, params)
            own[j:] = [t] if j == len(own) else [own[j] + t, *own[j + 1 :]]
        terms[index] = own
    parts = [np.reshape(t, -1) for i in problem.outputs if i is not None for t in terms.get(i, ())]
    flat = np.concatenate([*parts, np.zeros(1, problem.dtype)])
    if found.sums:
        total = flat[found.sums[0]]
        for place in found.sums[1:]:
            total = total + flat[place]
        flat = np.concatenate([flat, total])
    return matrix(found.pattern, flat[found.places])


def selections(problem: Problem, model: Model) -> Candidate | None:
    """Terms of diagonals and selections, where every operation is elementwise or moves elements."""
    if not problem.forced and min(problem.m, problem.n) <= 2:
        return None
    found = layout(problem)
    if found is None:
        return None
    problem.__dict__["pattern"] = found.pattern  # no need to walk the tape again for it
    nnz = found.pattern.nnz
    moves = sum(len(s.moves) for s in found.steps)
    seconds = MOVE * model.push * moves + model.element * found.elements + delivery(problem, model, nnz)
    cost = Cost(1, found.elements, int((found.elements + 2 * nnz) * problem.dtype.itemsize), seconds)
    diagonal = nnz == problem.m == problem.n and np.array_equal(found.pattern.indices, np.arange(nnz))
    why = (
        f"{'a diagonal' if diagonal else f'{nnz} nonzeros'} of {problem.m} x {problem.n}, by {moves} scaled selections"
    )
    return Candidate("selections", cost, functools.partial(_run, found), why, local=True, pattern=found.pattern)
