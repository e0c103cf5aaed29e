"""Orders in which to eliminate vertices, found on the structure alone, and what they cost.

Sources: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, ch. 9-10 (forward, reverse, Markowitz, relative
Markowitz); Forth, Tadjouddine, Pryce & Reid, ACM TOMS 30(3), 2004 (EliAD: single-use vertices first); finding the best
order is NP-complete (Naumann, Math. Programming 112, 2008).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dualad.core.errors import ArgumentError
from dualad.plan.elimination.graph import ComputationalGraph
from dualad.plan.elimination.structure import Pattern

Order = tuple[int, ...]


class Cost(NamedTuple):
    """Scalar operations of an accumulation: what ``Elimination`` executes, not counting the local Jacobians."""

    multiplications: int
    additions: int


class Structure:
    """The graph's structure while its vertices are eliminated."""

    def __init__(self, graph: ComputationalGraph) -> None:
        self.algebra = graph.algebra
        vertices = range(len(graph.names))
        self.predecessors: list[dict[int, Pattern]] = [{} for _ in vertices]
        self.successors: list[dict[int, Pattern]] = [{} for _ in vertices]
        for (s, p), pattern in graph.edges.items():
            self.predecessors[s][p] = pattern
            self.successors[p][s] = pattern
        # Then a vertex costs its predecessors times its successors: copies of outputs alone are free.
        self.plain = all(p.scalar and p.sign is None for p in graph.edges.values())

    def copy(self) -> Structure:
        other = object.__new__(Structure)
        other.algebra = self.algebra
        other.predecessors = [dict(d) for d in self.predecessors]
        other.successors = [dict(d) for d in self.successors]
        other.plain = self.plain
        return other

    def degree(self, v: int) -> int:
        """The multiplications of eliminating ``v``: its Markowitz degree, weighted by the sizes of its Jacobians."""
        into, out = self.predecessors[v], self.successors[v]
        if self.plain:
            return len(into) * len(out)
        product = self.algebra.product
        return sum(product(b, a).multiplications for a in into.values() for b in out.values())

    def eliminate(self, v: int, emit: Callable[..., None] | None = None) -> Cost:
        """Join the predecessors of ``v`` to its successors; returns the operations.

        ``emit`` is told each product: successor, predecessor, what multiplies, and what adds (None: nothing to add to).
        """
        into, out = self.predecessors[v], self.successors[v]
        multiplications = additions = 0
        for s, b in out.items():
            column = self.predecessors[s]
            del column[v]
            for p, a in into.items():
                done = self.algebra.product(b, a)
                multiplications += done.multiplications
                additions += done.additions
                pattern, add = done.pattern, None
                if not pattern.nnz:
                    continue
                if p in column:
                    joined = self.algebra.sum(column[p], pattern)
                    additions += joined.additions
                    pattern, add = joined.pattern, joined.run
                column[p] = self.successors[p][s] = pattern
                if emit is not None:
                    emit(s, p, done.run, add)
        for p in into:
            del self.successors[p][v]
        self.predecessors[v], self.successors[v] = {}, {}
        return Cost(multiplications, additions)


def check(graph: ComputationalGraph, order: Sequence[int]) -> Order:
    """``order`` as a tuple, if it eliminates every intermediate vertex once."""
    if sorted(order) != graph.intermediates:
        raise ArgumentError(
            f"elimination: the order must name each of the {len(graph.intermediates)} intermediate vertices once "
            f"(graph.intermediates), it has {len(set(order))} different ones among {len(order)}."
        )
    return tuple(order)


def cost(graph: ComputationalGraph, order: Sequence[int]) -> Cost:
    """The operations of accumulating the Jacobian by eliminating the intermediate vertices in this order.

    Among scalars, one multiplication for each predecessor and successor of each vertex, as it is counted in the
    literature; of structured Jacobians, those of their structured product.

    >>> from dualad import Tape
    >>> from dualad.plan.elimination import computational_graph
    >>> with Tape() as tape:
    ...     a, b = tape.watch((2.0, 3.0))
    ...     c = a * b
    ...     y = c * a, c + b
    >>> graph = computational_graph(tape, y, (a, b))
    >>> cost(graph, forward(graph))
    Cost(multiplications=4, additions=2)
    """
    structure = Structure(graph)
    total = [structure.eliminate(v) for v in check(graph, order)]
    return Cost(sum(c.multiplications for c in total), sum(c.additions for c in total))


def forward(graph: ComputationalGraph) -> Order:
    """First computed, first eliminated: forward mode."""
    return tuple(graph.intermediates)


def reverse(graph: ComputationalGraph) -> Order:
    """Last computed, first eliminated: reverse mode."""
    return tuple(reversed(graph.intermediates))


def markowitz(graph: ComputationalGraph) -> Order:
    """Always a vertex of least Markowitz degree, of equal ones the first (Griewank & Walther 2008, ch. 10.1)."""
    return _greedy(Structure(graph), graph.intermediates, lambda s, v: (s.degree(v), v))


def markowitz_reverse(graph: ComputationalGraph) -> Order:
    """Always a vertex of least Markowitz degree, of equal ones the last."""
    return _greedy(Structure(graph), graph.intermediates, lambda s, v: (s.degree(v), -v))


def relative_markowitz(graph: ComputationalGraph) -> Order:
    """Always a vertex of least degree relative to what it costs in the end (Griewank & Walther 2008, ch. 10.1).

    That is the number of inputs it depends on times that of outputs that depend on it; of equal ones the last.
    """
    least = _least(graph)
    return _greedy(Structure(graph), graph.intermediates, lambda s, v: (s.degree(v) - least[v], -v))


def _least(graph: ComputationalGraph) -> dict[int, int]:
    """For each vertex the sizes of inputs that reach it times those of outputs that it reaches."""
    structure = Structure(graph)
    vertices = range(len(graph.names))
    into: list[set[int]] = [set() for _ in vertices]
    out: list[set[int]] = [set() for _ in vertices]
    order = sorted(graph.intermediates)
    for v in [*graph.inputs, *order]:
        into[v] = {v} if v in graph.inputs else set().union(*(into[p] for p in structure.predecessors[v]))
    ends = {v for v in graph.outputs if v is not None}
    for v in [*ends, *reversed(order)]:
        out[v] = {v} if v in ends else set().union(*(out[s] for s in structure.successors[v]))
    sizes = _sizes(graph)
    return {v: sum(sizes[p] for p in into[v]) * sum(sizes[s] for s in out[v]) for v in order}


def _sizes(graph: ComputationalGraph) -> dict[int, int]:
    sizes = {}
    for (s, p), pattern in graph.edges.items():
        sizes[s], sizes[p] = pattern.shape
    return sizes


def eliad(graph: ComputationalGraph, rest: str = "markowitz") -> Order:
    """Last first, the vertices with one successor; then the others "forward", "reverse" or by "markowitz".

    Source: Forth, Tadjouddine, Pryce & Reid 2004.
    """
    structure = Structure(graph)
    before = []
    for v in reversed(graph.intermediates):
        if len(structure.successors[v]) == 1:
            structure.eliminate(v)
            before.append(v)
    left = sorted(set(graph.intermediates) - set(before))
    if rest == "markowitz":
        return (*before, *_greedy(structure, left, lambda s, v: (s.degree(v), -v)))
    if rest not in ("forward", "reverse"):
        raise ArgumentError(f'eliad: rest must be "markowitz", "forward" or "reverse", got {rest!r}.')
    return (*before, *(left if rest == "forward" else reversed(left)))


HEURISTICS: dict[str, Callable[[ComputationalGraph], Order]] = {
    "forward": forward,
    "reverse": reverse,
    "markowitz": markowitz,
    "markowitz, last first": markowitz_reverse,
    "relative markowitz": relative_markowitz,
    "eliad, then markowitz": eliad,
    "eliad, then forward": lambda graph: eliad(graph, "forward"),
    "eliad, then reverse": lambda graph: eliad(graph, "reverse"),
}
"""The orders that ``best`` compares, by name."""


def _greedy(structure: Structure, vertices: Sequence[int], key: Callable[[Structure, int], tuple[float, ...]]) -> Order:
    """Eliminate ``vertices``, always one of least ``key``, which changes only for neighbours of what is eliminated."""
    left = set(vertices)
    keys = {v: key(structure, v) for v in left}
    heap = [(k, v) for v, k in keys.items()]
    heapq.heapify(heap)
    order = []
    while heap:
        k, v = heapq.heappop(heap)
        if v not in left or keys[v] != k:
            continue
        left.discard(v)
        order.append(v)
        touched = {*structure.predecessors[v], *structure.successors[v]} & left
        structure.eliminate(v)
        for w in touched:
            new = key(structure, w)
            if new != keys[w]:
                keys[w] = new
                heapq.heappush(heap, (new, w))
    return tuple(order)
