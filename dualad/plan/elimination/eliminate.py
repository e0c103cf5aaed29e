"""Accumulation of a Jacobian by eliminating vertices in a given order: compiled once, run at any point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.plan.elimination.graph import ComputationalGraph
from dualad.plan.elimination.orders import Cost, Structure, check
from dualad.plan.elimination.strong import Strong, strong
from dualad.plan.elimination.structure import Kernel, Pattern, filled


class Elimination:
    """An elimination order made into a straight-line program; calling it gives the Jacobian.

    ``elimination()`` is the Jacobian where the graph was made, ``elimination(*point)`` that at another point: for each
    output a list with a block per input, of shape output.shape + input.shape. For a scalar program the inputs may be 1-D
    arrays, a batch of points; the blocks then have the batch's length. ``cost`` is what it executes beside the local
    Jacobians. Raises ``GuardError`` where Python's control flow would have gone another way.

    >>> import numpy as np
    >>> from dualad import Tape
    >>> from dualad.plan.elimination.graph import computational_graph
    >>> with Tape() as tape:
    ...     a, b = tape.watch((2.0, 3.0))
    ...     y = a * b * a
    >>> graph = computational_graph(tape, y, (a, b))
    >>> run = Elimination(graph, graph.intermediates)
    >>> run.cost
    Cost(multiplications=2, additions=1)
    >>> [[float(v) for v in row] for row in run()]
    [[12.0, 4.0]]
    >>> run(np.array([2.0, 0.5]), np.array([3.0, 1.0]))
    [[array([12.,  1.]), array([4.  , 0.25])]]
    """

    def __init__(self, graph: ComputationalGraph, order: Sequence[int]) -> None:
        self.graph = graph
        self.order = check(graph, order)
        structure = Structure(graph)
        slots = {edge: k for k, edge in enumerate(graph.edges)}
        self.initial = dict(slots)
        # Each step: where to, factors, what multiplies, what adds to what is there (None: nothing is).
        self.steps: list[tuple[int, int, int, Kernel, Kernel | None]] = []
        self.spent: list[tuple[int, list[int]]] = []  # after how many steps which slots are needed no more
        self.cost = Cost(0, 0)
        for v in self.order:

            def emit(s: int, p: int, multiply: Kernel, add: Kernel | None, v: int = v) -> None:
                to = slots.setdefault((s, p), len(slots))
                self.steps.append((to, slots[s, v], slots[v, p], multiply, add))

            old = [slots[s, v] for s in structure.successors[v]] + [slots[v, p] for p in structure.predecessors[v]]
            done = structure.eliminate(v, emit)
            self.cost = Cost(*(a + b for a, b in zip(self.cost, done, strict=True)))
            self.spent.append((len(self.steps), old))
        self.size = len(slots)
        self.results = {
            (o, p): (slots[v, p], structure.predecessors[v][p])
            for o, v in enumerate(graph.outputs)
            if v is not None
            for p in structure.predecessors[v]
        }

    def __repr__(self) -> str:
        return f"<Elimination of {len(self.order)} vertices: {self.cost.multiplications} multiplications>"

    def __call__(self, *point: Any) -> list[list[Any]]:
        found = self.blocks(*point)
        graph = self.graph
        batch = tuple({len(v) for v in point if np.ndim(v)}) if graph.scalar else ()
        rows = []
        for o, (y, dtype) in enumerate(zip(graph.shapes_out, graph.dtypes_out, strict=True)):
            row = []
            for p, x in enumerate(graph.shapes_in):
                block = np.zeros((*batch, *y, *x), dtype)
                if (o, p) in found:
                    pattern, entries = found[o, p]
                    if pattern.kind == "dense":
                        block[...] = entries if pattern.scalar else entries.reshape(block.shape)
                    else:
                        block.reshape(pattern.shape)[pattern.rows, pattern.cols] = entries
                row.append(block[()])
            rows.append(row)
        return rows

    def blocks(self, *point: Any) -> dict[tuple[int, int], tuple[Pattern, Any]]:
        """The Jacobian as it was accumulated: by (output, input), where its entries are and what they are, row by row."""
        entries = self.graph.entries(point or None)
        with np.errstate(all="ignore"):
            finite = np.isfinite(sum(e if np.ndim(e) == 0 else e.sum() for e in entries.values() if e is not None))
        values = self.accumulate(entries) if finite else self._accumulate_strong(entries)
        return {place: (pattern, filled(pattern, values[slot])) for place, (slot, pattern) in self.results.items()}

    def accumulate(self, entries: dict[tuple[int, int], Any]) -> list[Any]:
        """The entries of all Jacobians left, by slot, from those of the local ones, by edge."""
        values: list[Any] = [None] * self.size
        for edge, slot in self.initial.items():
            values[slot] = entries.get(edge)
        start = 0
        for end, spent in self.spent:
            for to, q, p, multiply, add in self.steps[start:end]:
                t = multiply(values[q], values[p])
                values[to] = t if add is None else add(values[to], t)
            for slot in spent:
                values[slot] = None
            start = end
        return values

    def _accumulate_strong(self, entries: dict[tuple[int, int], Any]) -> list[Any]:
        """The same where something is infinite or NaN: slower, telling zeros apart."""
        algebra = self.graph.algebra
        values: dict[int, Strong] = {
            slot: strong(self.graph, edge, entries.get(edge)) for edge, slot in self.initial.items()
        }
        for to, q, p, _, add in self.steps:
            t = values[q].times(values[p], algebra)
            values[to] = t if add is None else values[to].plus(t, algebra)
        return [values[k].entries for k in range(self.size)]


def jacobian(graph: ComputationalGraph, order: Sequence[int]) -> list[list[Any]]:
    """The Jacobian where the graph was made, by eliminating vertices in this order: ``[output][input]`` blocks.

    Each has the shape output.shape + input.shape. To do the same at other points, keep an ``Elimination``.

    Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, ch. 9.
    """
    return Elimination(graph, order)()
