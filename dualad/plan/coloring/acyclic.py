"""Hessians by substitution: acyclic coloring. Proper, and every cycle has at least three colors; the subgraph of any two colors
is then a forest, whose entries are found from the leaves to the roots. Fewer colors than star coloring needs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from dualad.plan.coloring.compression import NEUTRAL, Coloring, checked, entries, symmetric_structure
from dualad.plan.coloring.orders import edges, ordering
from dualad.plan.coloring.star import adjacency
from dualad.plan.entries import matrix


class AcyclicColoring(Coloring):
    """Recovery of a symmetric matrix from ``H @ seeds`` by substitution along two-colored trees."""

    @cached_property
    def _trees(self) -> tuple[Any, Any, Any]:
        """For each edge (u, v) a node (u, color of v) and a node (v, color of u): they make forests, one per pair of colors."""
        rows, columns = entries(self.pattern)
        off = np.flatnonzero(rows != columns)
        keys = rows[off] * max(self.count, 1) + self.colors[columns[off]]
        names, node = np.unique(keys, return_inverse=True)
        n = len(self.colors)
        mirror = np.searchsorted(rows[off] * n + columns[off], columns[off] * n + rows[off])
        return names, node, mirror

    @cached_property
    def _source(self) -> tuple[Any, Any, Any, Any, Any]:
        """Where the diagonal is read; which edge an entry is; per edge its leaf and its parent; where levels begin."""
        names, node, mirror = self._trees
        rows, columns = entries(self.pattern)
        diagonal = np.where(rows == columns, rows * self.count + self.colors[rows], 0)
        # A node's degree and the exclusive or of its edges: at a leaf, that is the one edge left.
        edge = np.minimum(np.arange(len(node)), mirror)
        degree = np.bincount(node, minlength=len(names))
        left = np.zeros(len(names), np.int64)
        np.bitwise_xor.at(left, node, edge)
        leaves, edges_of, height = peeled(degree.tolist(), left.tolist(), node.tolist(), mirror.tolist())
        at = np.argsort(height, kind="stable")
        leaf, found = leaves[at], edges_of[at]
        parent = np.where(node[found] == leaf, node[mirror[found]], node[found])
        position = np.zeros(len(node), np.int64)
        position[found] = np.arange(len(found))
        off = np.flatnonzero(rows != columns)
        target = np.full(len(rows), NEUTRAL)
        target[off] = position[edge]
        steps = np.append(np.flatnonzero(np.diff(height[at], prepend=-1)), len(at))
        return diagonal, target, leaf, parent, steps

    def decompress(self, compressed: Any) -> Any:
        """H from ``H @ seeds``, (n, count): the diagonal by copying; an edge from a leaf's row, less what is known of
        it, level by level. The result is symmetric to the last bit; rounding errors add up along a tree's depth."""
        diagonal, target, leaf, parent, steps = self._source
        flat = checked(compressed, (len(self.colors), self.count), "decompress", "H @ seeds")
        names = self._trees[0]
        rest = flat.take(names)  # per node, what is left of the sum of its edges
        values = np.empty(len(leaf), flat.dtype)
        for a, b in zip(steps[:-1].tolist(), steps[1:].tolist()):
            values[a:b] = rest[leaf[a:b]]
            np.subtract.at(rest, parent[a:b], values[a:b])
        data = flat.take(diagonal) if self.count else np.empty(0, flat.dtype)
        off = target >= 0
        data[off] = values[target[off]]
        return matrix(self.pattern, data)

    def verify(self) -> bool:
        """Whether neighbors differ, all with entries are colored, and the edges of any two colors make a forest."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        rows, columns = entries(self.pattern)
        off = rows != columns
        if (self.colors[rows] < 0).any() or (self.colors[rows[off]] == self.colors[columns[off]]).any():
            return False
        names, node, mirror = self._trees
        if not len(node):
            return True
        graph = coo_array((np.ones(len(node)), (node, node[mirror])), shape=(len(names), len(names)))
        return len(node) // 2 == len(names) - connected_components(graph, directed=False)[0]


def acyclic_coloring(pattern: Any, order: str = "natural", seed: int = 0) -> AcyclicColoring:
    """Color a symmetric pattern so that a Hessian follows from its compressed columns by substitution.

    Neighbors differ, and every cycle has three colors or more. ``pattern`` is a symmetric SciPy sparse array (n, n); ``order`` is
    one of `ORDERS`, by degree in the adjacency graph; ``seed`` is that of the random order. Indices without entries are
    neutral (-1).
    Raises `ShapeError` for a pattern that is not square, `ArgumentError` for one that is not symmetric.

    Source: Coleman & Cai 1986; Gebremedhin, Tarafdar, Manne & Pothen 2007, section 4; recovery: Gebremedhin, Tarafdar, Pothen &
    Walther 2009, section 3.

    >>> from scipy.sparse import diags_array
    >>> H = diags_array([[1.] * 6, [2.] * 7, [1.] * 6], offsets=[-1, 0, 1], shape=(7, 7)).tocsr()
    >>> coloring = acyclic_coloring(H)
    >>> coloring.colors
    array([0, 1, 0, 1, 0, 1, 0])
    >>> float(abs(coloring.decompress(H @ coloring.seeds()) - H).max())
    0.0
    """
    found = symmetric_structure(pattern, "acyclic_coloring")
    rows, columns = entries(found)
    upper = rows < columns
    nets = edges(rows[upper], columns[upper], found.shape[0])
    colors = greedy(adjacency(found), ordering(nets, order, seed, "acyclic_coloring"))
    colors[np.diff(found.indptr) == 0] = NEUTRAL
    return AcyclicColoring(found, colors, order)


def greedy(around: list[list[int]], order: list[int]) -> Any:
    """The least color by which no two neighbors of one color get into one two-colored tree twice.

    ``tree[w][k]`` is the tree of w in the subgraph of w's color and color k (a node of a union-find), so that a vertex of many
    neighbors is not walked around: only its own neighbors are looked at, for each color tried.
    """
    n = len(around)
    colors = [NEUTRAL] * n
    tree: list[dict[int, int]] = [{} for _ in range(n)]
    boss: list[int] = []

    def find(t: int) -> int:
        while boss[t] != t:
            boss[t] = t = boss[boss[t]]
        return t

    for v in order:
        colored = [w for w in around[v] if colors[w] >= 0]
        forbidden = 0
        twice = 0
        for w in colored:
            bit = 1 << colors[w]
            twice |= forbidden & bit
            forbidden |= bit
        risky = [w for w in colored if twice >> colors[w] & 1] if twice else []
        while True:
            free = ~forbidden & (forbidden + 1)
            k = free.bit_length() - 1
            met = set()
            for w in risky:
                if (t := tree[w].get(k)) is not None:
                    root = find(t)
                    if root in met:
                        forbidden |= free
                        break
                    met.add(root)
            else:
                break
        colors[v] = k
        mine = tree[v]
        for w in colored:
            theirs = tree[w]
            a, b = mine.get(colors[w]), theirs.get(k)
            if a is None and b is None:
                mine[colors[w]] = theirs[k] = len(boss)
                boss.append(len(boss))
            elif a is None:
                mine[colors[w]] = b  # type: ignore[assignment]
            elif b is None:
                theirs[k] = a
            else:
                boss[find(a)] = find(b)
    return np.array(colors, dtype=np.int64)


def peeled(degree: list[int], left: list[int], node: list[int], mirror: list[int]) -> tuple[Any, Any, Any]:
    """Take leaves off the forests, one by one: the leaf, its edge, and the edge's height over the leaves below it."""
    height = [0] * len(degree)
    leaves, found, heights = [], [], []
    queue = [k for k, d in enumerate(degree) if d == 1]
    for leaf in queue:  # grows while it is walked
        if degree[leaf] != 1:
            continue  # the last edge of its tree went with the other end
        e = left[leaf]
        a, b = node[e], node[mirror[e]]
        other = b if a == leaf else a
        degree[leaf] = 0
        degree[other] -= 1
        left[other] ^= e
        leaves.append(leaf)
        found.append(e)
        heights.append(height[leaf])
        height[other] = max(height[other], height[leaf] + 1)
        if degree[other] == 1:
            queue.append(other)
    return np.array(leaves, np.int64), np.array(found, np.int64), np.array(heights, np.int64)
