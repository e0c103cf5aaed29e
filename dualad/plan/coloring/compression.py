"""What all colorings share: the pattern's structure, seeds, and filling a sparse matrix with recovered entries."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.tensor import Tensor

NEUTRAL = -1


def structure(pattern: Any, name: str) -> Any:
    """The pattern as a canonical csr_array of True: sorted, without duplicates; stored zeros count as entries."""
    from scipy.sparse import csr_array, issparse

    if not issparse(pattern) or len(pattern.shape) != 2:
        got = f"shape {pattern.shape}" if issparse(pattern) else f"a {type(pattern).__name__}"
        raise ArgumentError(
            f"{name}: pattern is {got}; need a two-dimensional SciPy sparse array. Write scipy.sparse.csr_array(pattern)."
        )
    coo = pattern.tocoo()
    rows, columns = (np.asarray(k, np.int64) for k in (coo.row, coo.col))
    m, n = pattern.shape
    for k, size in ((rows, m), (columns, n)):
        if k.size and (k.min() < 0 or k.max() >= size):
            raise ArgumentError(f"{name}: pattern has indices outside its shape {(m, n)}.")
    # Through sorted keys, so that neither the caller's arrays nor their values play any part.
    keys = rows * n + columns
    if (keys[1:] <= keys[:-1]).any():
        keys = np.unique(keys)
    rows, columns = np.divmod(keys, max(n, 1))
    indptr = np.zeros(m + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=m), out=indptr[1:])
    return csr_array((np.ones(len(keys), bool), columns, indptr), shape=(m, n))


def symmetric_structure(pattern: Any, name: str) -> Any:
    """`structure`, of a pattern that must equal its transpose."""
    found = structure(pattern, name)
    m, n = found.shape
    if m != n:
        raise ShapeError(
            f"{name}: the pattern of a Hessian is square; this one is {(m, n)}. For a Jacobian, use bicoloring."
        )
    rows, columns = entries(found)
    lone = np.setdiff1d(rows * n + columns, columns * n + rows, assume_unique=True)
    if lone.size:
        i, j = divmod(int(lone[0]), n)
        raise ArgumentError(
            f"{name}: the pattern is not symmetric: it has entry {(i, j)} and not {(j, i)} ({lone.size} such). "
            "Write pattern + pattern.T."
        )
    return found


def entries(pattern: Any) -> tuple[Any, Any]:
    """Row and column of every entry, by rows."""
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    return rows, pattern.indices.astype(np.int64)


def neighbors(pattern: Any) -> list[list[int]]:
    """Python lists, row by row: what the greedy loops walk over fastest."""
    flat = pattern.indices.tolist()
    return [flat[a:b] for a, b in pairwise(pattern.indptr.tolist())]


def repeated(group: Any, color: Any, count: int) -> Any:
    """For each entry: how many entries have its (group, color)."""
    _, inverse, counts = np.unique(group * max(count, 1) + color, return_inverse=True, return_counts=True)
    return counts[inverse]


def seeds(colors: Any, count: int, dtype: Any) -> Any:
    """(len(colors), count): column c is one where the color is c; a neutral index has a row of zeros."""
    out = np.zeros((len(colors), count), dtype)
    colored = np.flatnonzero(colors >= 0)
    out[colored, colors[colored]] = 1
    return out


def checked(compressed: Any, shape: tuple[int, int], name: str, product: str) -> Any:
    if type(compressed) is not Tensor:
        compressed = np.asarray(compressed)
    if compressed.shape != shape:
        raise ShapeError(f"{name}: compressed has shape {compressed.shape}; need {shape}, the shape of {product}.")
    return compressed.reshape(-1)


class Coloring:
    """A color per column (or row), the seeds that it makes, and the way back from compressed to sparse.

    ``colors`` is an integer array, ``count`` the number of colors, ``pattern`` the csr_array that was colored. An index of
    color -1 is neutral: no entry is read from it, its seed is zero. Colorings are values: printable and picklable.
    """

    wording = "column"

    def __init__(self, pattern: Any, colors: Any, order: str) -> None:
        self.pattern = pattern
        self.colors = colors
        self.order = order
        self.count = int(colors.max(initial=NEUTRAL)) + 1

    def __repr__(self) -> str:
        m, n = self.pattern.shape
        return (
            f"{type(self).__name__}({m} x {n}, {self.pattern.nnz} entries: {self.count} colors for "
            f"{len(self.colors)} {self.wording}s, {self.order} order)"
        )

    def seeds(self, dtype: Any = float) -> Any:
        """The seed matrix, (len(colors), count): ones where the color is the column's number."""
        return seeds(self.colors, self.count, dtype)

    def passes(self) -> Any:
        """For each entry of ``pattern``, by rows: the pass that it is read from, a color."""
        return self.colors[entries(self.pattern)[1]]

    def decompress(self, compressed: Any) -> Any:
        """The sparse matrix from its product with the seeds, as a csr_array of the pattern and of the product's dtype."""
        raise NotImplementedError

    def verify(self) -> bool:
        """Whether the defining property holds: that every entry can be recovered."""
        raise NotImplementedError
