"""Orders of elimination on the graphs that JAX records, counted as Graphax and AlphaGrad count.

Every equation of the jaxpr is a vertex, with an edge from each variable among its operands; eliminating a vertex costs its
predecessors times its successors; Markowitz takes the first vertex of least degree; an output that is also used gets a copy
that costs nothing (Lohoff & Neftci 2024, arXiv:2406.05027).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

NAMESPACE = SimpleNamespace(
    **{k: getattr(jnp, k) for k in ("sqrt", "abs", "sin", "cos", "arctan2", "log", "exp")}, erf=jax.scipy.special.erf
)


class Graph(NamedTuple):
    """Predecessors and successors of each vertex, and the vertices to eliminate, in order of execution."""

    predecessors: dict[int, set[int]]
    successors: dict[int, set[int]]
    intermediates: list[int]


def graph_of_jaxpr(f: Callable[..., Any], x: tuple[float, ...]) -> Graph:
    jaxpr = jax.make_jaxpr(f)(*x).jaxpr
    number = {v: k for k, v in enumerate(jaxpr.invars)}
    predecessors: dict[int, set[int]] = {}
    _visit(jaxpr, number, predecessors)
    used = set().union(*predecessors.values())
    copied = set()
    for v in jaxpr.outvars:
        if _known(v, number) and number[v] in used:
            copied.add(number[v])
    ends = {number[v] for v in jaxpr.outvars if _known(v, number)} - copied
    copies = {-1 - k: k for k in copied}
    live: set[int] = set(ends) | copied
    for v in reversed(predecessors):
        if v in live:
            live |= predecessors[v]
    predecessors = {v: p & live for v, p in predecessors.items() if v in live}
    predecessors |= {c: {v} for c, v in copies.items()}
    successors: dict[int, set[int]] = {v: set() for v in live}
    for v, ps in predecessors.items():
        for p in ps:
            successors[p].add(v)
    inner = [v for v in predecessors if v not in ends and v >= 0]
    return Graph(predecessors, successors, inner)


def _visit(jaxpr: Any, number: dict[Any, int], predecessors: dict[int, set[int]]) -> None:
    """Number the equations, those of inner functions in place of their calls."""
    for eqn in jaxpr.eqns:
        inner = next((p for k, p in eqn.params.items() if k in ("jaxpr", "call_jaxpr")), None)
        if inner is not None:
            inner = getattr(inner, "jaxpr", inner)
            for a, b in zip(inner.invars, eqn.invars, strict=True):
                if _known(b, number):
                    number[a] = number[b]
            _visit(inner, number, predecessors)
            for a, b in zip(eqn.outvars, inner.outvars, strict=True):
                if _known(b, number):
                    number[a] = number[b]
            continue
        operands = {number[v] for v in eqn.invars if _known(v, number)}
        if operands:  # else it does not depend on the inputs
            (out,) = eqn.outvars
            number[out] = k = len(number) + 1000
            predecessors[k] = operands


def _known(v: Any, number: dict[Any, int]) -> bool:
    return not isinstance(v, Literal) and v in number


def forward(graph: Graph) -> int:
    return _count(graph, graph.intermediates)


def reverse(graph: Graph) -> int:
    return _count(graph, reversed(graph.intermediates))


def markowitz(graph: Graph) -> int:
    return _count(graph, None)


def _count(graph: Graph, order: Iterable[int] | None) -> int:
    into = {v: set(p) for v, p in graph.predecessors.items()}
    out = {v: set(s) for v, s in graph.successors.items()}
    left = list(graph.intermediates)
    given = None if order is None else list(order)
    total = 0
    degree = lambda v: len(into[v]) * sum(s >= 0 for s in out[v])
    while left:
        v = min(left, key=degree) if given is None else given.pop(0)
        left.remove(v)
        total += degree(v)
        for p in into[v]:
            out.setdefault(p, set()).discard(v)
            out[p] |= out[v]
        for s in out[v]:
            into[s].discard(v)
            into[s] |= into[v]
    return total
