"""One side: columns (or rows) of one color have no row (column) in common. Partial distance-2 coloring of the bipartite graph."""

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
    structure,
)
from dualad.plan.coloring.orders import ordering
from dualad.plan.entries import matrix


class ColumnColoring(Coloring):
    """Structurally orthogonal columns: ``J @ seeds`` holds every entry of J, unmixed."""

    @cached_property
    def _source(self) -> Any:
        rows, columns = entries(self.pattern)
        return rows * self.count + self.colors[columns]

    def decompress(self, compressed: Any) -> Any:
        """J from ``J @ seeds``, (m, count): ``J[i, j] = compressed[i, colors[j]]``."""
        shape = (self.pattern.shape[0], self.count)
        return matrix(self.pattern, checked(compressed, shape, "decompress", "J @ seeds").take(self._source))

    def verify(self) -> bool:
        """Whether every column with entries has a color, and no row two columns of one color."""
        rows, columns = entries(self.pattern)
        colors = self.colors[columns]
        return bool((colors >= 0).all() and (repeated(rows, colors, self.count) == 1).all())


class RowColoring(Coloring):
    """Structurally orthogonal rows: ``seeds.T @ J`` holds every entry of J, unmixed."""

    wording = "row"

    @cached_property
    def _source(self) -> Any:
        rows, columns = entries(self.pattern)
        return self.colors[rows] * self.pattern.shape[1] + columns

    def passes(self) -> Any:
        """For each entry of ``pattern``, by rows: the pass that it is read from, its row's color."""
        return self.colors[entries(self.pattern)[0]]

    def decompress(self, compressed: Any) -> Any:
        """J from ``seeds.T @ J``, (count, n): ``J[i, j] = compressed[colors[i], j]``."""
        shape = (self.count, self.pattern.shape[1])
        return matrix(self.pattern, checked(compressed, shape, "decompress", "seeds.T @ J").take(self._source))

    def verify(self) -> bool:
        """Whether every row with entries has a color, and no column two rows of one color."""
        rows, columns = entries(self.pattern)
        colors = self.colors[rows]
        return bool((colors >= 0).all() and (repeated(columns, colors, self.count) == 1).all())


def column_coloring(pattern: Any, order: str = "natural", seed: int = 0) -> ColumnColoring:
    """Color the columns so that no two columns of one color have an entry in the same row.

    ``pattern`` is a SciPy sparse array (m, n), of which only the structure counts. ``order`` is one of `ORDERS`; ``seed`` is that
    of the random order. At least as many colors as the fullest row has entries; columns without entries are neutral (color -1).
    Raises `ArgumentError` for a pattern that is not sparse and two-dimensional, or an unknown order.

    Greedy: each column takes the least color that its rows do not have yet; a row's colors are the bits of one integer.
    Source: Curtis, Powell & Reid 1974; Gebremedhin, Manne & Pothen 2005 ("What color is your Jacobian?"), section 3.

    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> J = csr_array(np.array([[1., 2., 0., 0.], [0., 3., 4., 0.], [0., 0., 5., 6.]]))
    >>> coloring = column_coloring(J)
    >>> coloring.colors, coloring.count
    (array([0, 1, 0, 1]), 2)
    >>> coloring.decompress(J @ coloring.seeds()).toarray()
    array([[1., 2., 0., 0.],
           [0., 3., 4., 0.],
           [0., 0., 5., 6.]])
    """
    found = structure(pattern, "column_coloring")
    return ColumnColoring(found, greedy(found, order, seed, "column_coloring"), order)


def row_coloring(pattern: Any, order: str = "natural", seed: int = 0) -> RowColoring:
    """Color the rows so that no two rows of one color have an entry in the same column: `column_coloring` of the transpose.

    >>> from scipy.sparse import csr_array
    >>> row_coloring(csr_array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]))
    RowColoring(4 x 4, 7 entries: 2 colors for 4 rows, natural order)
    """
    found = structure(pattern, "row_coloring")
    return RowColoring(found, greedy(found.T.tocsr(), order, seed, "row_coloring"), order)


def greedy(nets: Any, order: str, seed: int, name: str) -> Any:
    """A color per column of `nets`, by the least one that is free."""
    m, n = nets.shape
    sequence = ordering(nets, order, seed, name)
    colors = np.full(n, NEUTRAL)
    if np.diff(nets.indptr).max(initial=0) == n:  # a full row: n colors, whatever the rest is
        colors[sequence] = np.arange(n)
        return colors
    nets_of = neighbors(nets.T.tocsr())
    taken = [0] * m
    found = [NEUTRAL] * n
    for j in sequence:
        rows = nets_of[j]
        if rows:
            forbidden = 0
            for i in rows:
                forbidden |= taken[i]
            free = ~forbidden & (forbidden + 1)
            for i in rows:
                taken[i] |= free
            found[j] = free.bit_length() - 1
    colors[:] = found
    return colors
