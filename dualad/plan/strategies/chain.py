"""The chain rule over the tape's narrow places, in the cheapest order of products.

Where few numbers connect two parts of a program, its Jacobian is a product of smaller ones. Which to form, by which mode,
and in which order to multiply is found by dynamic programming: each stretch is either swept forward, swept backward,
pushed through from what is already accumulated, or split in two and multiplied.

Source: Griewank & Naumann 2003 (dense bracketing); Naumann 2020, arXiv:2003.05755 (with matrix-free factors).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualad.plan.cost import Cost, Model
from dualad.plan.problem import Problem, joined, size_of, split
from dualad.plan.strategies.base import Candidate
from dualad.tape.linearized import pull_many, push_many

MOST_CUTS = 16


@dataclass(frozen=True)
class Cut:
    """The values that connect what comes before instruction ``at`` with what comes after."""

    at: int
    indices: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    width: int


def cuts(problem: Problem) -> list[Cut]:
    """The inputs, the narrow places between them and the outputs, and the outputs, in order."""
    ends = [Cut(0, tuple(problem.inputs), tuple(problem.in_shapes), problem.n)]
    outs = tuple(dict.fromkeys(i for i in problem.outputs if i is not None))
    active = problem.active
    last: dict[int, int] = {}
    for k, node in enumerate(problem.nodes):
        if node[0] in active:
            for p in node[2]:
                if p in active:
                    last[p] = k
    for i in outs:
        last[i] = len(problem.nodes)
    sizes = dict(zip(problem.inputs, map(_size, problem.in_shapes), strict=True))
    shapes = dict(zip(problem.inputs, problem.in_shapes, strict=True))
    live = {i for i in problem.inputs if i in last}
    width = sum(sizes[i] for i in live)
    limit = max(problem.n, problem.m) / 2
    found: list[Cut] = []
    ending: dict[int, list[int]] = {}
    for i, k in last.items():
        ending.setdefault(k, []).append(i)
    for k, node in enumerate(problem.nodes):
        for i in ending.get(k, ()):
            if i in live:
                live.discard(i)
                width -= sizes[i]
        index = node[0]
        if index in last and index in active and not isinstance(node[4], tuple):
            sizes[index], shapes[index] = size_of(node), node[4].shape
            live.add(index)
            width += sizes[index]
        elif isinstance(node[4], tuple) and index in last:
            # The tuple itself is no value: no cut between an operation and the picking of its outputs.
            sizes[index] = 10**15
            live.add(index)
            width += sizes[index]
        if width <= limit and live:
            order = tuple(sorted(live))
            if not found or found[-1].indices != order:
                found.append(Cut(k + 1, order, tuple(shapes[i] for i in order), width))
    found = _narrowest(found)
    return [*ends, *found, Cut(len(problem.nodes), outs, tuple(shapes[i] for i in outs), sum(sizes[i] for i in outs))]


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))


def _narrowest(found: list[Cut]) -> list[Cut]:
    """Local minima of the width, and of these the narrowest."""
    minima = [
        c
        for k, c in enumerate(found)
        if (k == 0 or found[k - 1].width > c.width or found[k - 1].at < c.at - 1)
        and (k + 1 == len(found) or found[k + 1].width >= c.width)
    ]
    kept = sorted(minima, key=lambda c: (c.width, c.at))[:MOST_CUTS]
    return sorted(kept, key=lambda c: c.at)


def chain(problem: Problem, model: Model) -> Candidate | None:
    """A product of Jacobians between narrow places; nothing where there are none."""
    if len(problem.nodes) < 3 or min(problem.n, problem.m) < 2:
        return None
    places = cuts(problem)
    if len(places) < 3 or not places[-1].indices:
        return None
    work = np.concatenate([[0.0], np.cumsum(problem.work)])
    nodes = [c.at for c in places]
    widths = [c.width for c in places]

    def sweep(i: int, j: int, k: int, overhead: float) -> tuple[float, float]:
        operations = float(work[nodes[j]] - work[nodes[i]]) * k
        return model.sweep + overhead * (nodes[j] - nodes[i]) + model.element * operations, operations

    @functools.cache
    def best(i: int, j: int) -> tuple[float, float, Any]:
        """(seconds, operations, how) of the Jacobian of place j in place i."""
        options: list[tuple[float, float, Any]] = [
            (*sweep(i, j, widths[i], model.push), ("push", i, j)),
            (*sweep(i, j, widths[j], model.pull), ("pull", i, j)),
        ]
        for k in range(i + 1, j):
            left, right = best(i, k), best(k, j)
            product = float(widths[i]) * widths[k] * widths[j]
            seconds = left[0] + right[0] + model.multiply * product + model.entry * widths[i] * widths[j]
            options.append((seconds, left[1] + right[1] + product, ("multiply", left[2], right[2])))
            on, done = sweep(k, j, widths[i], model.push)
            options.append((left[0] + on, left[1] + done, ("push on", left[2], k, j)))
            back, done = sweep(i, k, widths[j], model.pull)
            options.append((right[0] + back, right[1] + done, ("pull on", right[2], i, k)))
        return min(options, key=lambda o: o[0])

    seconds, operations, how = best(0, len(places) - 1)
    if how[0] in ("push", "pull"):
        return None
    narrow = [c.width for c in places[1:-1]]
    passes = _passes(how, widths)
    cost = Cost(passes, operations, problem.m * problem.n * problem.dtype.itemsize, seconds)
    why = f"narrow places of {narrow if len(narrow) < 6 else sorted(narrow)[:5]} numbers; {_show(how)}"
    run = functools.partial(_run, places=places, how=how)
    return Candidate("chain", cost, run, why, detail=how)


def _passes(how: Any, widths: list[int]) -> int:
    kind = how[0]
    if kind == "push":
        return widths[how[1]]
    if kind == "pull":
        return widths[how[2]]
    if kind == "multiply":
        return _passes(how[1], widths) + _passes(how[2], widths)
    return _passes(how[1], widths)


def _show(how: Any) -> str:
    kind = how[0]
    if kind in ("push", "pull"):
        return f"{kind} {how[1]}-{how[2]}"
    if kind == "multiply":
        return f"({_show(how[1])}) times ({_show(how[2])})"
    return f"{_show(how[1])}, {kind} {how[2]}-{how[3]}"


def _run(problem: Problem, places: list[Cut], how: Any) -> Any:
    return _rows_for(problem, _evaluate(problem, places, how), places[-1])


def _evaluate(problem: Problem, places: list[Cut], how: Any) -> Any:
    """The Jacobian of one place in another, (width of the later, width of the earlier)."""
    kind = how[0]
    if kind == "push":
        i, j = how[1:]
        return _push(problem, places[i], places[j], np.eye(places[i].width, dtype=problem.dtype)).T
    if kind == "pull":
        i, j = how[1:]
        return _pull(problem, places[i], places[j], np.eye(places[j].width, dtype=problem.dtype))
    if kind == "multiply":
        earlier, later = (_evaluate(problem, places, h) for h in how[1:])
        return later @ earlier
    inner = _evaluate(problem, places, how[1])
    i, j = how[2:]
    if kind == "push on":
        return _push(problem, places[i], places[j], inner.T.copy()).T
    return _pull(problem, places[i], places[j], inner)


def _push(problem: Problem, a: Cut, b: Cut, rows: Any) -> Any:
    def sweep(part: Any) -> Any:
        seeds = dict(zip(a.indices, split(part, a.shapes), strict=True))
        found = push_many(problem.nodes[a.at : b.at], seeds, b.indices)
        return joined(found, b.shapes, part.shape[0], problem.dtype)

    return problem.chunks(rows, sweep, "directions")


def _pull(problem: Problem, a: Cut, b: Cut, rows: Any) -> Any:
    def sweep(part: Any) -> Any:
        seeds = dict(zip(b.indices, split(part, b.shapes), strict=True))
        found = pull_many(problem.nodes[a.at : b.at], seeds, a.indices)
        return joined(found, a.shapes, part.shape[0], problem.dtype)

    return problem.chunks(rows, sweep, "cotangents")


def _rows_for(problem: Problem, matrix: Any, last: Cut) -> Any:
    """The outputs' rows, which may name a value twice or be constant."""
    if tuple(problem.outputs) == last.indices:
        return matrix
    starts = dict(zip(last.indices, np.cumsum([0, *map(_size, last.shapes)]), strict=False))
    rows = []
    for i, s in zip(problem.outputs, problem.out_shapes, strict=True):
        n = _size(s)
        rows.append(np.zeros((n, problem.n), problem.dtype) if i is None else matrix[starts[i] : starts[i] + n])
    return np.concatenate(rows)
