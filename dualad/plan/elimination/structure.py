"""Structured local Jacobians: their patterns, and the products and sums of these, counted exactly and compiled once.

A ``Pattern`` says where a matrix has entries; the entries themselves travel separately, as a flat array in row-major
order (a 1x1 matrix: a scalar). A pattern with a ``sign`` is known to have all entries equal to +1 or -1: it carries no
entries, and multiplying by it costs nothing. SciPy multiplies what is sparse by what is dense.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualad.core.errors import ShapeError

Kernel = Callable[[Any, Any], Any]

MOST = 20_000_000
"""Entries, or products of entries, of one sparse Jacobian that are worth listing."""


class Pattern:
    """Where a matrix has entries. ``kind`` is "diagonal", "dense" or "sparse" (row-major ``rows`` and ``cols``)."""

    __slots__ = ("_cols", "_rows", "index", "kind", "nnz", "shape", "sign")

    def __init__(
        self, shape: tuple[int, int], kind: str, index: Any, sign: int | None, rows: Any = None, cols: Any = None
    ) -> None:
        self.shape = shape
        self.kind = kind
        self.index = index  # equal for patterns with entries at the same places
        self.sign = sign
        self._rows = rows
        self._cols = cols
        self.nnz = shape[0] if kind == "diagonal" else shape[0] * shape[1] if kind == "dense" else len(rows)

    def __repr__(self) -> str:
        unit = {None: "", 1: ", all 1", -1: ", all -1"}[self.sign]
        return f"<{self.kind} {self.shape[0]}x{self.shape[1]}, {self.nnz} entries{unit}>"

    @property
    def scalar(self) -> bool:
        return self.shape == (1, 1)

    @property
    def diagonal(self) -> bool:
        return self.kind == "diagonal" or self.scalar

    @property
    def rows(self) -> Any:
        m, n = self.shape
        if self.kind == "diagonal":
            return np.arange(m)
        return np.repeat(np.arange(m), n) if self.kind == "dense" else self._rows

    @property
    def cols(self) -> Any:
        m, n = self.shape
        if self.kind == "diagonal":
            return np.arange(m)
        return np.tile(np.arange(n), m) if self.kind == "dense" else self._cols

    def counts(self) -> Any:
        """The number of entries of each row."""
        return np.bincount(self.rows, minlength=self.shape[0])


class Product(NamedTuple):
    """The pattern of a product or sum, its operations, and what computes its entries from those of its operands."""

    pattern: Pattern
    multiplications: int
    additions: int
    run: Kernel


class Algebra:
    """Patterns, each made once, and their products and sums, each compiled once."""

    def __init__(self) -> None:
        self.patterns: dict[Any, Pattern] = {}
        self.products: dict[tuple[Pattern, Pattern], Product] = {}
        self.sums: dict[tuple[Pattern, Pattern], Product] = {}

    def diagonal(self, n: int, sign: int | None = None) -> Pattern:
        return self.dense(1, 1, sign) if n == 1 else self._make((n, n), "diagonal", None, sign)

    def dense(self, m: int, n: int, sign: int | None = None) -> Pattern:
        return self._make((m, n), "dense", None, sign)

    def sparse(self, shape: tuple[int, int], rows: Any, cols: Any, sign: int | None = None) -> Pattern:
        """The pattern with entries at ``rows``, ``cols``, which are in row-major order and occur once."""
        m, n = shape
        if len(rows) == m * n:
            return self.dense(m, n, sign)
        if m == n == len(rows) and np.array_equal(rows, cols) and np.array_equal(rows, np.arange(n)):
            return self.diagonal(n, sign)
        key = hashlib.blake2b(np.stack([rows, cols]).astype(np.int64).tobytes()).digest()
        return self._make(shape, "sparse", key, sign, rows, cols)

    def signed(self, p: Pattern, sign: int | None) -> Pattern:
        """The pattern ``p`` with another sign."""
        return self._make(p.shape, p.kind, p.index[2], sign, p._rows, p._cols)

    def _make(
        self, shape: tuple[int, int], kind: str, key: Any, sign: int | None, rows: Any = None, cols: Any = None
    ) -> Pattern:
        index = (shape, kind, key)
        found = self.patterns.get((index, sign))
        if found is None:
            found = self.patterns[index, sign] = Pattern(shape, kind, index, sign, rows, cols)
        return found

    def product(self, a: Pattern, b: Pattern) -> Product:
        """``a @ b``."""
        found = self.products.get((a, b))
        if found is None:
            found = self.products[a, b] = self._product(a, b)
        return found

    def sum(self, a: Pattern, b: Pattern) -> Product:
        """``a + b``."""
        found = self.sums.get((a, b))
        if found is None:
            found = self.sums[a, b] = self._sum(a, b)
        return found

    def _product(self, a: Pattern, b: Pattern) -> Product:
        if a.diagonal or b.diagonal:
            return self._scaled(a, b)
        (m, k), n = a.shape, b.shape[1]
        dense_a, dense_b = (p.kind == "dense" and p.sign is None for p in (a, b))
        if dense_a and dense_b:
            out = self.dense(m, n)
            one = out.scalar
            return Product(
                out,
                m * k * n,
                m * (k - 1) * n,
                lambda u, v: u @ v if one else (u.reshape(m, k) @ v.reshape(k, n)).ravel(),
            )
        if dense_b:
            return self._sparse_by_dense(a, b)
        if dense_a:
            return self._dense_by_sparse(a, b)
        return self._sparse_by_sparse(a, b)

    def _scaled(self, a: Pattern, b: Pattern) -> Product:
        """A product with a diagonal matrix, which scales the other's rows or columns."""
        first = a.diagonal
        d, other = (a, b) if first else (b, a)
        if d.sign is not None and other.sign is not None:
            return Product(self.signed(other, d.sign * other.sign), 0, 0, _nothing)
        m, n = other.shape
        sign, nnz = other.sign, other.nnz
        where = None if d.scalar or other.kind == "diagonal" else other.rows if first else other.cols
        scale: Kernel
        if d.sign is not None:
            scale = (lambda e, x: x) if d.sign > 0 else (lambda e, x: -x)
        elif sign is not None:
            if where is not None:
                scale = lambda e, x: sign * e[where]
            else:
                scale = (lambda e, x: sign * e) if other.diagonal else (lambda e, x: np.full(nnz, sign * e))
        elif where is None:
            scale = _times
        elif other.kind == "dense":
            scale = lambda e, x: ((e[:, None] if first else e) * x.reshape(m, n)).ravel()
        else:
            scale = lambda e, x: e[where] * x
        count = 0 if d.sign is not None or sign is not None else nnz
        return Product(self.signed(other, None), count, 0, scale if first else lambda u, v: scale(v, u))

    def _sparse_by_dense(self, a: Pattern, b: Pattern) -> Product:
        from scipy.sparse import csr_array

        (m, k), n = a.shape, b.shape[1]
        counts = a.counts()
        rows = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts)])
        cols, s, nnz, full = a.cols, a.sign, a.nnz, len(rows) == m
        out = self.sparse((m, n), np.repeat(rows, n), np.tile(np.arange(n), len(rows)))
        one = out.scalar

        def run(u: Any, v: Any) -> Any:
            entries = np.full(nnz, s, v.dtype) if u is None else u
            y = csr_array((entries, cols, starts), shape=(m, k)) @ v.reshape(k, n)
            y = (y if full else y[rows]).ravel()
            return y[0] if one else y

        return Product(out, 0 if s is not None else nnz * n, (nnz - len(rows)) * n, run)

    def _dense_by_sparse(self, a: Pattern, b: Pattern) -> Product:
        from scipy.sparse import csr_array

        (m, k), n = a.shape, b.shape[1]
        order = np.argsort(b.cols, kind="stable")
        counts = np.bincount(b.cols, minlength=n)
        used = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts)])
        places, s, nnz, full = b.rows[order], b.sign, b.nnz, len(used) == n
        out = self.sparse((m, n), np.repeat(np.arange(m), len(used)), np.tile(used, m))
        one = out.scalar

        def run(u: Any, v: Any) -> Any:
            entries = np.full(nnz, s, u.dtype) if v is None else v[order]
            y = (csr_array((entries, places, starts), shape=(n, k)) @ u.reshape(m, k).T).T
            y = (y if full else y[:, used]).ravel()
            return y[0] if one else y

        return Product(out, 0 if s is not None else nnz * m, m * (nnz - len(used)), run)

    def _sparse_by_sparse(self, a: Pattern, b: Pattern) -> Product:
        left, right, starts, rows, cols = pairs(a, b)
        many = len(left)
        unique = many == len(starts)
        shape = (a.shape[0], b.shape[1])
        if unique and a.sign is not None and b.sign is not None:
            return Product(self.sparse(shape, rows, cols, a.sign * b.sign), 0, 0, _nothing)
        out = self.sparse(shape, rows, cols)
        sa, sb, one = a.sign, b.sign, out.scalar
        if sa is not None and sb is not None:
            total = sa * sb * np.diff(np.append(starts, many)).astype(float)
            entries = total[0] if one else total
            return Product(out, 0, many - len(starts), lambda u, v: entries)

        def run(u: Any, v: Any) -> Any:
            t = sa * v[right] if u is None else sb * u[left] if v is None else u[left] * v[right]
            if not unique:
                t = np.add.reduceat(t, starts)
            return t[0] if one else t

        return Product(out, 0 if sa is not None or sb is not None else many, many - len(starts), run)

    def _sum(self, a: Pattern, b: Pattern) -> Product:
        if a.index == b.index:
            run = _plus if a.sign is None and b.sign is None else lambda u, v: filled(a, u) + filled(b, v)
            return Product(self.signed(a, None), 0, a.nnz, run)
        n = a.shape[1]
        ka, kb = a.rows * n + a.cols, b.rows * n + b.cols
        keys = np.union1d(ka, kb)
        at, bt = np.searchsorted(keys, ka), np.searchsorted(keys, kb)
        size = len(keys)

        def scatter(u: Any, v: Any) -> Any:
            u, v = filled(a, u), filled(b, v)
            y = np.zeros(size, np.result_type(u, v))
            y[at] = u
            y[bt] += v
            return y

        return Product(self.sparse(a.shape, keys // n, keys % n), 0, a.nnz + b.nnz - size, scatter)


def pairs(a: Pattern, b: Pattern) -> tuple[Any, Any, Any, Any, Any]:
    """Which entries of ``a`` and ``b`` are multiplied in ``a @ b``, sorted by where their products are added.

    Returns the entries of a, those of b, where each sum starts, and the rows and columns of the sums.
    """
    counts = b.counts()
    starts = np.concatenate([[0], np.cumsum(counts)])
    inner = a.cols
    many = counts[inner]
    limit(int(many.sum()))
    left = np.repeat(np.arange(a.nnz), many)
    right = np.arange(len(left)) - np.repeat(np.cumsum(many) - many, many) + starts[inner][left]
    keys = a.rows[left] * b.shape[1] + b.cols[right]
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.append([True], keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, int)
    keys = keys[first]
    return left[order], right[order], first, keys // b.shape[1], keys % b.shape[1]


def limit(entries: int) -> None:
    """Refuse what would take gigabytes to list."""
    if entries > MOST:
        raise ShapeError(
            f"elimination: a sparse local Jacobian has {entries:,} entries or products of entries, at most {MOST:,} are "
            "listed. Use jacfwd or jacrev."
        )


def dense(p: Pattern, entries: Any) -> Any:
    """The matrix as an array."""
    values = np.asarray(filled(p, entries))
    out = np.zeros(p.shape, values.dtype)
    out[p.rows, p.cols] = values
    return out


def filled(p: Pattern, entries: Any) -> Any:
    """The entries, those that the sign stands for too."""
    if p.sign is None:
        return entries
    return float(p.sign) if p.scalar else np.full(p.nnz, float(p.sign))


def _nothing(u: Any, v: Any) -> Any:
    return None


def _times(u: Any, v: Any) -> Any:
    return u * v


def _plus(u: Any, v: Any) -> Any:
    return u + v
