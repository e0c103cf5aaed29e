"""Hessians by copying: star coloring. Proper, and every path on four vertices has at least three colors; the subgraph of any two
colors is then a set of stars, and the entry of an edge is read at the spoke, in the group of the hub's color."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from dualad.plan.coloring.compression import (
    NEUTRAL,
    Coloring,
    checked,
    entries,
    neighbors,
    repeated,
    symmetric_structure,
)
from dualad.plan.coloring.orders import edges, ordering
from dualad.plan.entries import matrix


class StarColoring(Coloring):
    """Direct recovery of a symmetric matrix: every entry, or its mirror image, stands unmixed in ``H @ seeds``."""

    @cached_property
    def _source(self) -> Any:
        rows, columns = entries(self.pattern)
        alone = _alone(rows, self.colors[columns], self.count)
        # Of two that can be read, the same one from both sides, so that the result is symmetric to the last bit.
        n = len(self.colors)
        mirror = np.searchsorted(rows * n + columns, columns * n + rows)
        upper = rows <= columns
        direct = alone & (upper | ~alone[mirror])
        return np.where(direct, rows, columns) * self.count + self.colors[np.where(direct, columns, rows)]

    def passes(self) -> Any:
        """For each entry of ``pattern``, by rows: the pass that it is read from, a color."""
        return self._source % max(self.count, 1)

    def decompress(self, compressed: Any) -> Any:
        """H from ``H @ seeds``, (n, count), by copying; the result is symmetric to the last bit."""
        shape = (len(self.colors), self.count)
        return matrix(self.pattern, checked(compressed, shape, "decompress", "H @ seeds").take(self._source))

    def verify(self) -> bool:
        """Whether every entry (i, j) is alone with j's color in row i, or alone with i's color in row j."""
        rows, columns = entries(self.pattern)
        alone = _alone(rows, self.colors[columns], self.count)
        mirror = _alone(columns, self.colors[rows], self.count)
        return bool((alone | mirror).all())


def star_coloring(pattern: Any, order: str = "natural", seed: int = 0) -> StarColoring:
    """Color a symmetric pattern so that a Hessian is read off its compressed columns.

    Neighbors differ, and every path on four vertices has three colors or more. ``pattern`` is a symmetric SciPy sparse array
    (n, n); the diagonal counts only in that a color none of whose vertices is on the diagonal, or is needed for reading another
    entry, becomes neutral (-1). ``order`` is one of `ORDERS`, by degree in the adjacency graph; ``seed`` is that of the random
    order.
    Raises `ShapeError` for a pattern that is not square, `ArgumentError` for one that is not symmetric.

    Source: Gebremedhin, Manne & Pothen 2005, section 4; Gebremedhin, Tarafdar, Manne & Pothen 2007, algorithm 4.1; neutral
    colors: Montoison, Dalle & Gebremedhin 2025, arXiv:2505.07308.

    >>> from scipy.sparse import diags_array
    >>> H = diags_array([[1.] * 6, [2.] * 7, [1.] * 6], offsets=[-1, 0, 1], shape=(7, 7)).tocsr()
    >>> coloring = star_coloring(H)
    >>> coloring.colors
    array([0, 1, 0, 2, 0, 1, 0])
    >>> float(abs(coloring.decompress(H @ coloring.seeds()) - H).max())
    0.0
    """
    found = symmetric_structure(pattern, "star_coloring")
    n = found.shape[0]
    rows, columns = entries(found)
    upper = rows < columns
    u, v = rows[upper], columns[upper]
    colors = greedy(adjacency(found), ordering(edges(u, v, n), order, seed, "star_coloring"), ahead=False, proper=True)
    used = np.zeros(colors.max(initial=NEUTRAL) + 1, bool)
    used[colors[rows[rows == columns]]] = True
    hub_u, hub_v = hubs(u, v, colors[u], colors[v], len(used))
    keep(used, colors[u], colors[v], hub_u, hub_v)
    return StarColoring(found, renumbered(colors, used), order)


def adjacency(pattern: Any) -> list[list[int]]:
    """Neighbors of every vertex, without itself."""
    return [[j for j in row if j != i] for i, row in enumerate(neighbors(pattern))]


def greedy(around: list[list[int]], order: list[int], ahead: bool, proper: bool) -> Any:
    """The least color by which no path on four vertices gets two colors; neighbors differ if `proper` (else they have palettes of
    their own). With `ahead`, neighbors of an uncolored vertex differ, too, so that only colored vertices become hubs: what
    both sides need, lest all columns get one color and the rows do all the work; a Hessian's hub that comes late would cost a
    color per neighbor.

    Sets of colors are bits of integers. ``seen[x]`` has the colors around x, ``more[x]`` those that are there twice,
    ``over[w]`` the colors of the hubs of w: the neighbors of w with another neighbor of w's color. Each edge is looked at a fixed
    number of times, so the whole is linear in the edges.
    """
    n = len(around)
    bits, seen, more, over = [0] * n, [0] * n, [0] * n, [0] * n
    first: list[dict[int, int]] = [{} for _ in range(n)]
    for v in order:
        near = around[v]
        forbidden = seen[v] if proper else 0
        twice = more[v]
        for w in near:
            if bits[w]:
                forbidden |= over[w]
                if bits[w] & twice:  # v becomes a hub of w: no other neighbor of w may have its color
                    forbidden |= seen[w]
            elif ahead:
                forbidden |= seen[w]
        free = ~forbidden & (forbidden + 1)
        bits[v] = free
        for x in near:
            if bits[x] & twice:
                over[x] |= free
            if seen[x] & free:
                more[x] |= free
                over[v] |= bits[x]
                over[first[x][free]] |= bits[x]
            else:
                seen[x] |= free
                first[x][free] = v
    return np.array([b.bit_length() - 1 for b in bits], dtype=np.int64)


def hubs(u: Any, v: Any, color_u: Any, color_v: Any, count: int) -> tuple[Any, Any]:
    """For each edge: whether u, and whether v, is the hub of a star of two or more edges that it belongs to."""
    ends, others = np.concatenate([u, v]), np.concatenate([color_v, color_u])
    many = repeated(ends, others, count) > 1
    return many[: len(u)], many[len(u) :]


def keep(used: Any, color_u: Any, color_v: Any, hub_u: Any, hub_v: Any) -> None:
    """Mark the colors that recovery reads: those of hubs, and of one end of each edge that is a star of its own."""
    used[color_u[hub_u]] = True
    used[color_v[hub_v]] = True
    open_ = ~(used[color_u] | used[color_v])
    pairs = np.unique(np.stack([color_u[open_], color_v[open_]], axis=1), axis=0)
    while len(pairs):  # a vertex cover of the pairs of colors, the most frequent first
        best = int(np.bincount(pairs.reshape(-1)).argmax())
        used[best] = True
        pairs = pairs[(pairs != best).all(axis=1)]


def renumbered(colors: Any, used: Any) -> Any:
    """Colors 0, 1, ... for the used ones, neutral for the others."""
    return np.where(used, np.cumsum(used) - 1, NEUTRAL)[colors]


def _alone(group: Any, color: Any, count: int) -> Any:
    """For each entry: its color is not neutral and no other entry of its group has it."""
    return (repeated(group, color + 1, count + 1) == 1) & (color >= 0)
