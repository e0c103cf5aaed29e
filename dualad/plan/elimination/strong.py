"""Products of Jacobians in which zeros are told apart, for points at which a local Jacobian is infinite or NaN.

A zero of a mask (the branch that ``where`` did not take) lets nothing pass; any zero wins over an entry that is infinite
because of a singular operation, as a zero tangent or cotangent does in the modes; otherwise 0 * inf is NaN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dualad.plan.elimination.graph import ComputationalGraph
from dualad.plan.elimination.structure import Algebra, Pattern, pairs


class Strong(NamedTuple):
    """Entries; which of them let nothing pass; whether what is infinite among them loses against zero."""

    pattern: Pattern
    entries: Any
    closed: Any
    weak: bool

    def times(self, other: Strong, algebra: Algebra) -> Strong:
        done = algebra.product(self.pattern, other.pattern).pattern
        weak = self.weak and other.weak
        if self.pattern.scalar and other.pattern.scalar:
            return Strong(done, *_product(self, other, ..., ...), weak)
        left, right, starts, _, _ = pairs(self.pattern, other.pattern)
        entries, closed = _product(self, other, left, right)
        with np.errstate(invalid="ignore", over="ignore"):
            return Strong(done, np.add.reduceat(entries, starts), np.logical_and.reduceat(closed, starts), weak)

    def plus(self, other: Strong, algebra: Algebra) -> Strong:
        done = algebra.sum(self.pattern, other.pattern).pattern
        weak = self.weak and other.weak
        with np.errstate(invalid="ignore", over="ignore"):
            if done.scalar:
                return Strong(done, self.entries + other.entries, self.closed & other.closed, weak)
            entries, closed = np.zeros(done.nnz), np.ones(done.nnz, bool)
            keys = done.rows * done.shape[1] + done.cols
            for part in (self, other):
                at = np.searchsorted(keys, part.pattern.rows * done.shape[1] + part.pattern.cols)
                entries[at] += part.entries
                closed[at] &= part.closed
        return Strong(done, entries, closed, weak)


def _product(a: Strong, b: Strong, left: Any, right: Any) -> tuple[Any, Any]:
    u, v = a.entries[left], b.entries[right]
    closed = a.closed[left] | b.closed[right]
    zero = closed | ((u == 0) & b.weak) | ((v == 0) & a.weak)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(zero, 0, u * v), closed


def strong(graph: ComputationalGraph, edge: tuple[int, int], entries: Any) -> Strong:
    """The local Jacobian of an edge."""
    pattern = graph.edges[edge]
    parts = [one for _, one in graph.locals.get(edge, ())]
    if entries is None:
        entries = np.full(pattern.nnz, float(pattern.sign or 0))
    entries = np.atleast_1d(entries)
    closed = (entries == 0) & (len(parts) == 1 and parts[0].mask)
    weak = all(one.singular for one in parts) or bool(np.isfinite(entries).all())
    return Strong(pattern, entries, closed, weak)
