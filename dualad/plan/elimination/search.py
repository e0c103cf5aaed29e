"""Searching for a good order: the best of the heuristics, simulated annealing, and the optimum of tiny graphs."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence

from dualad.core.errors import ArgumentError
from dualad.plan.elimination.graph import ComputationalGraph
from dualad.plan.elimination.orders import HEURISTICS, Order, Structure, check, cost

LARGEST_EXACT = 16


def best(graph: ComputationalGraph) -> Order:
    """The cheapest of the heuristic orders: fewest multiplications, then fewest additions."""
    return min((h(graph) for h in HEURISTICS.values()), key=lambda order: cost(graph, order))


def anneal(graph: ComputationalGraph, steps: int = 2000, seed: int = 0) -> Order:
    """The best heuristic order, improved by simulated annealing: one vertex at a time moved to another place.

    Never worse than ``best``; ``steps`` orders are evaluated, each in time proportional to its operations. For orders that
    will be used often.

    Source: Naumann & Gottschling, Simulated annealing for optimal pivot selection in Jacobian accumulation, SAGA 2003.
    """
    order = list(best(graph))
    if len(order) < 2:
        return tuple(order)
    start = Structure(graph)
    now: float = cost(graph, order).multiplications
    lowest = now
    found = order
    rng = random.Random(seed)
    for k in range(steps):
        warmth = 0.01 * lowest * (1 - k / steps) ** 2
        limit = now - warmth * math.log(1 - rng.random())
        moved = order[:]
        moved.insert(rng.randrange(len(order)), moved.pop(rng.randrange(len(order))))
        total = _multiplications(start, moved, limit)
        if total <= limit:
            order, now = moved, total
            if now < lowest:
                found, lowest = order, now
    return min(best(graph), tuple(found), key=lambda o: cost(graph, o))


def _multiplications(start: Structure, order: Sequence[int], limit: float) -> float:
    """The multiplications of an order, or what they were when they passed ``limit``."""
    structure = start.copy()
    total = 0
    for v in order:
        total += structure.eliminate(v).multiplications
        if total > limit:
            break
    return total


def optimal(graph: ComputationalGraph) -> Order:
    """An order of least multiplications, by searching the sets of eliminated vertices, cheapest first (Dijkstra 1959).

    What is left after eliminating a set does not depend on the order in which that was done, so there are 2^n states. Raises
    ``ArgumentError`` for more than 16 intermediate vertices.
    """
    vertices = graph.intermediates
    if len(vertices) > LARGEST_EXACT:
        raise ArgumentError(
            f"optimal: the graph has {len(vertices)} intermediate vertices; at most {LARGEST_EXACT} can be searched through. "
            "Use best or anneal."
        )
    bound = cost(graph, best(graph)).multiplications
    everything = frozenset(vertices)
    queue: list[tuple[int, int, Order]] = [(0, 0, ())]
    closed: set[frozenset[int]] = set()
    while True:
        spent, _, order = heapq.heappop(queue)
        done = frozenset(order)
        if done == everything:
            return check(graph, order)
        if done in closed:
            continue
        closed.add(done)
        structure = Structure(graph)
        for v in order:
            structure.eliminate(v)
        for v in everything - done:
            total = spent + structure.degree(v)
            if total <= bound and done | {v} not in closed:
                heapq.heappush(queue, (total, -len(order) - 1, (*order, v)))
