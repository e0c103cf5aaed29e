"""Both sides: some entries from forward directions, the others from cotangents. Where a Jacobian has full rows and full columns,
neither side alone can do it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from dualad.plan.coloring.compression import NEUTRAL, checked, entries, neighbors, seeds, structure
from dualad.plan.coloring.orders import edges, ordering
from dualad.plan.coloring.star import _alone, greedy, hubs, keep, renumbered
from dualad.plan.entries import matrix


class BiColoring:
    """Colors for the columns and for the rows; an index of color -1 is neutral and takes part in no pass.

    ``column_colors`` and ``row_colors`` are integer arrays, ``column_count`` and ``row_count`` the numbers of forward and reverse
    passes, ``count`` their sum.
    """

    def __init__(self, pattern: Any, column_colors: Any, row_colors: Any, order: str) -> None:
        self.pattern = pattern
        self.column_colors = column_colors
        self.row_colors = row_colors
        self.order = order
        self.column_count = int(column_colors.max(initial=NEUTRAL)) + 1
        self.row_count = int(row_colors.max(initial=NEUTRAL)) + 1
        self.count = self.column_count + self.row_count

    def __repr__(self) -> str:
        m, n = self.pattern.shape
        return (
            f"BiColoring({m} x {n}, {self.pattern.nnz} entries: {self.column_count} colors for columns and "
            f"{self.row_count} for rows, {self.order} order)"
        )

    def column_seeds(self, dtype: Any = float) -> Any:
        """Directions, (n, column_count)."""
        return seeds(self.column_colors, self.column_count, dtype)

    def row_seeds(self, dtype: Any = float) -> Any:
        """Cotangents, (m, row_count)."""
        return seeds(self.row_colors, self.row_count, dtype)

    @cached_property
    def _place(self) -> Any:
        """Of each entry, where it is among the compressed columns, followed by the compressed rows."""
        m, n = self.pattern.shape
        rows, columns = entries(self.pattern)
        direct = _alone(rows, self.column_colors[columns], self.column_count)
        by_row = m * self.column_count + self.row_colors[rows] * n + columns
        return np.where(direct, rows * self.column_count + self.column_colors[columns], by_row)

    def passes(self) -> Any:
        """For each entry of ``pattern``, by rows: the pass that it is read from; those of the rows follow those of columns."""
        m, n = self.pattern.shape
        by_column = m * self.column_count
        place = self._place
        backward = self.column_count + (place - by_column) // max(n, 1)
        return np.where(place < by_column, place % max(self.column_count, 1), backward)

    def decompress(self, forward: Any, reverse: Any) -> Any:
        """J from ``J @ column_seeds``, (m, column_count), and ``row_seeds.T @ J``, (row_count, n), by copying."""
        m, n = self.pattern.shape
        from_columns = checked(forward, (m, self.column_count), "decompress", "J @ column_seeds")
        from_rows = checked(reverse, (self.row_count, n), "decompress", "row_seeds.T @ J")
        return matrix(self.pattern, np.concatenate([from_columns, from_rows]).take(self._place))

    def verify(self) -> bool:
        """Whether every entry is alone with its column's color in its row, or alone with its row's color in its column."""
        rows, columns = entries(self.pattern)
        forward = _alone(rows, self.column_colors[columns], self.column_count)
        reverse = _alone(columns, self.row_colors[rows], self.row_count)
        return bool((forward | reverse).all())


def bicoloring(pattern: Any, order: str = "largest-first", seed: int = 0) -> BiColoring:
    """Color columns and rows so that every entry is read from a forward or from a reverse pass.

    A star coloring of the symmetric matrix ``[[0, J.T], [J, 0]]`` with separate palettes for columns and rows, whose colors that
    no recovery reads are then made neutral. ``pattern`` is a SciPy sparse array (m, n); ``order`` is one of `ORDERS`, by the
    number of entries, columns before rows where equal (so the natural order is column coloring); ``seed`` is that of the random
    order.
    Raises `ArgumentError` for a pattern that is not sparse and two-dimensional, or an unknown order.

    Source: Coleman & Verma 1998; Gebremedhin, Manne & Pothen 2005, section 6; Montoison, Dalle & Gebremedhin 2025,
    arXiv:2505.07308.

    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> arrow = np.eye(50)
    >>> arrow[0] = arrow[:, 0] = 2
    >>> J = csr_array(arrow)
    >>> coloring = bicoloring(J)
    >>> coloring
    BiColoring(50 x 50, 148 entries: 2 colors for columns and 1 for rows, largest-first order)
    >>> found = coloring.decompress(J @ coloring.column_seeds(), coloring.row_seeds().T @ J)
    >>> float(abs(found - J).max())
    0.0
    """
    found = structure(pattern, "bicoloring")
    m, n = found.shape
    rows, columns = entries(found)
    sequence = ordering(edges(columns, rows + n, n + m), order, seed, "bicoloring")
    around = [[i + n for i in column] for column in neighbors(found.T.tocsr())] + neighbors(found)
    colors = greedy(around, sequence, ahead=True, proper=False)
    shift = colors[:n].max(initial=NEUTRAL) + 1
    colors[n:] += shift
    used = np.zeros(colors.max(initial=NEUTRAL) + 1, bool)
    of_column, of_row = colors[columns], colors[rows + n]
    hub_column, hub_row = hubs(columns, rows + n, of_column, of_row, len(used))
    keep(used, of_column, of_row, hub_column, hub_row)
    return BiColoring(found, renumbered(colors[:n], used[:shift]), renumbered(colors[n:] - shift, used[shift:]), order)
