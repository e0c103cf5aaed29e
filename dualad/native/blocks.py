"""Products of matrices of which parts are zero, as products of what is not.

Blocks of columns (or rows) that take only a part of the sum are products of BLAS or, where they are small, loops over rows; of a
constant matrix these take only the rows that are not zero there. A constant matrix of mostly zeros is multiplied by what is not.

The zeros are those of `zeros.py`. That what is said to be zero is so is seen before each product, and so is that all other
numbers are finite (zero times infinity is not zero); else the product is done whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from dualad.native import pieces
from dualad.native.elementwise import BYTES
from dualad.native.extents import Loop
from dualad.native.graph import Value
from dualad.native.machine import F64, I1, I32, I64, absolute, constant, intrinsic, lanes, splat, vector
from dualad.native.schedule import contiguous
from dualad.native.zeros import LARGE, UNKNOWN, zeros

ONCE = 8000.0  # multiplications in the time that a call of BLAS takes at least
NARROW = 6  # columns: fewer take as long
TERMS, COLUMNS = 32, 16  # of a block that is done without BLAS, at most
ROWS = 32  # at a time: of a few hundred columns they are in the first cache
TERM, ROW = 5.0, 15.0  # multiplications in the time of one term, and of one row, of a vector of columns there
WIDEST = 64  # columns of what a constant matrix of mostly zeros is multiplied with
NANOSECONDS = 0.05  # for a multiplication
FEW = 0.7  # rows that are not zero, up to which the others are left out
SHARE = 0.6  # of the work, up to which it is worth being checked
WORK = 50_000  # multiplications of a product that is looked at
TABLE = 256  # columns of a constant matrix whose rows are looked at
MOST = 256  # groups of columns to choose from


class Block(NamedTuple):
    """Columns ``first`` to ``last`` of a product, which take only rows ``start`` to ``stop`` of the other operand's axis."""

    first: int
    last: int
    start: int
    stop: int


def blocks(zero: Any, other: int, filled: Any = 1.0) -> tuple[list[Block], float] | None:
    """How a product with a matrix (k, n) whose zeros are known is done by groups of its columns, each with the rows in which it
    has anything else, and what that costs. None where there is little to gain.

    ``other``: rows of the other matrix; ``filled[start, stop]``: the part of them that has anything else than zeros there. It is
    the cheapest division into groups, by dynamic programming.
    """
    k, n = zero.shape
    some = ~zero
    start = np.where(some.any(axis=0), some.argmax(axis=0), k)
    stop = np.where(some.any(axis=0), k - some[::-1].argmax(axis=0), 0)
    ends = np.flatnonzero((np.diff(start) != 0) | (np.diff(stop) != 0)) + 1
    ends = np.append(ends[:: -(-(ends.size + 1) // MOST)], n)
    firsts = np.append(0, ends[:-1])
    lows, highs = np.minimum.reduceat(start, firsts), np.maximum.reduceat(stop, firsts)
    best, before = np.zeros(ends.size + 1), []
    low, high = np.full(ends.size, k), np.zeros(ends.size, int)  # of groups that begin with each run
    for j, last in enumerate(ends.tolist()):
        low[: j + 1] = np.minimum(low[: j + 1], lows[j])
        high[: j + 1] = np.maximum(high[: j + 1], highs[j])
        lo, hi = low[: j + 1], high[: j + 1]
        part = filled[np.minimum(lo, hi), hi] if isinstance(filled, np.ndarray) else filled
        cost = _cost(other, last - firsts[: j + 1], hi - lo, part)
        before.append(int((best[: j + 1] + cost).argmin()))
        best[j + 1] = best[before[j]] + cost[before[j]]
    cost = float(best[-1])
    if other * k * n < WORK or cost > SHARE * other * k * n:
        return None
    out: list[Block] = []
    j = ends.size
    while j:
        i = before[j - 1]
        end = int(highs[i:j].max())
        out.insert(0, Block(int(firsts[i]), int(ends[j - 1]), min(int(lows[i:j].min()), end), end))
        j = i
    return out, cost


def _cost(other: int, columns: Any, terms: Any, filled: Any) -> Any:
    """Of blocks, in multiplications."""
    by_blas = ONCE + other * np.maximum(columns, NARROW) * terms
    vectors = columns // 8 + sum((columns >> k) & 1 for k in range(3))
    by_loops = np.where(
        (terms <= TERMS) & (columns <= COLUMNS), other * vectors * (filled * TERM * terms + ROW), np.inf
    )
    return np.where(terms > 0, np.minimum(by_blas, by_loops), 0.0)


def small(block: Block) -> bool:
    """Whether a block is done by a loop."""
    return 0 < block.stop - block.start <= TERMS and block.last - block.first <= COLUMNS


def _filled(a: Value) -> Any:
    """For each two columns of a constant matrix the part of its rows that is not zero between them."""
    k = a.shape[1]
    if a.op != "constant" or a.size > LARGE or k > TABLE:
        return 1.0
    data = np.asarray(a.data)
    following = np.full(len(data), k)
    out = np.zeros((k + 1, k + 1))
    for start in range(k - 1, -1, -1):
        following[data[:, start] != 0] = start
        out[start, 1:] = np.cumsum(np.bincount(following, minlength=k + 1)[:k])
    return out / len(data)


def _sparse_cost(a: Value, other: Value) -> float | None:
    """Of a constant matrix times another, by what is not zero in it; None where that is no gain."""
    n = other.shape[1]
    if a.op != "constant" or a.size > LARGE or n > WIDEST:
        return None
    vectors = n // 8 + sum((n >> k) & 1 for k in range(3))
    cost = vectors * (2 * TERM * np.count_nonzero(a.data) + ROW * a.shape[0])
    return cost if cost < SHARE * a.size * max(n, NARROW) else None


Operand = tuple[Value, Any, tuple[int, ...]]  # with the address of its first element, and strides


class Plan:
    """The blocks of a product whose operand ``side`` (0 or 1) has the zeros ``zero``; no blocks: the first operand is a constant
    with few other numbers than zero."""

    def __init__(self, side: int, zero: Any, cost: float, blocks: Sequence[Block] = ()) -> None:
        self.side, self.zero, self.cost, self.blocks = side, zero, cost, blocks
        self.arrays: dict[Any, Any] = {}  # those whose addresses are in the code
        self.used = False

    def holds(self, b: Any, operands: Sequence[Operand], real: Any) -> Any:
        """Whether the zeros are zeros and all else is finite."""
        self.used = True
        bits = I64 if real is F64 else I32
        top = 0x7FF << 52 if real is F64 else 0xFF << 23  # the exponent of what is not finite

        def infinite(x: Any) -> Any:
            most = constant(x.type, top)
            return b.sext(b.icmp_unsigned("==", b.and_(x, most), most), x.type)

        out = constant(I1, 1)
        v, p, strides = operands[self.side]
        if v.op != "constant":
            zero = self.zero if _in_order(v, strides) else self.zero.T
            where = self._constant(b, np.where(zero, (1 << bits.width - 1) - 1, 0).astype(f"i{bits.width // 8}"))

            def wrong(x: Any, at: Any, w: int) -> Any:
                return b.or_(infinite(x), b.and_(x, _got(b, where, at, bits, w)))  # all but the sign of a zero

            out = b.not_(_any(b, p, v.size, bits, wrong))
        v, p, _ = operands[1 - self.side]
        if v.op != "constant":
            out = b.and_(out, b.not_(_any(b, p, v.size, bits, lambda x, at, w: infinite(x))))
        return out

    def in_words(self) -> str:
        return f"BLAS and loops, in {len(self.blocks)} blocks" if self.blocks else "loop over what is not zero"

    def _constant(self, b: Any, x: Any) -> Any:
        """The address of an array, the same for equal ones."""
        x = self.arrays.setdefault((x.dtype, x.shape, x.tobytes()), np.ascontiguousarray(x))
        return absolute(b, x.ctypes.data)

    def loops(self, b: Any, operands: Sequence[Operand], out: Any, n: int, t: Any) -> list[Block]:
        """The blocks that are small, in loops over some rows at a time, which stay in the cache; returns the others."""
        (v, p, s), (_, q, r) = operands
        if self.side == 0 or r[1] != 1:
            return list(self.blocks)
        others = [x for x in self.blocks if x.stop > x.start and not small(x)]
        m = v.shape[0]

        def rows(c: Any, given: Sequence[Any], start: Any, stop: Any) -> None:
            if not self.blocks:
                self._sparse(c, v, given[1], r[0], given[2], n, t, start, stop)
                return
            outer = Loop(c, start, stop, ROWS)
            last = c.add(outer.i, constant(I64, ROWS))
            last = c.select(c.icmp_signed("<", last, stop), last, stop)
            for block in self.blocks:
                if block not in others:
                    self._small(c, block, (v, given[0], s), given[1], r[0], given[2], n, t, (outer.i, last))
            outer.close()

        if len(others) == len(self.blocks) > 0:
            return others
        cut = pieces.cut(-(-m // ROWS), self.cost * NANOSECONDS * ROWS / m, 1, 0)
        if cut is None:
            rows(b, (p, q, out), constant(I64, 0), constant(I64, m))
            return others

        def piece(c: Any, given: Sequence[Any], k: Any) -> None:
            start, stop = pieces.bounds(c, k, constant(I64, cut.n), m, ROWS)
            final = c.icmp_signed("==", k, constant(I64, cut.n - 1))
            rows(c, given, start, c.select(final, constant(I64, m), stop))

        pieces.call(b, constant(I64, cut.n), [p, q, out], piece)
        return others

    def _small(
        self, b: Any, block: Block, left: Operand, q: Any, down: int, out: Any, n: int, t: Any, span: tuple[Any, Any]
    ) -> None:
        """A block, for a span of rows; ``down``: from one row of the second operand to the next."""
        v, p, (step, along) = left
        m, terms, parts = v.shape[0], range(block.start, block.stop), _vectors(block, t)
        start = block.start * along
        rows = none = None
        if v.op == "constant" and terms:
            data = np.asarray(v.data)[:, block.start : block.stop]
            filled = (data != 0).any(axis=1)
            if filled.mean() < FEW:
                rows, none = np.flatnonzero(filled), np.flatnonzero(~filled)
                p, step, along, start = (
                    self._constant(b, data[rows]),
                    len(terms),
                    1,
                    0,
                )  # these rows, one after the other
        if not terms or none is not None:
            with self._rows(b, none, span, m) as (_, i):
                for at, w in parts:
                    _put(b, constant(vector(t, w), 0), out, b.add(b.mul(i, constant(I64, n)), constant(I64, at)), t)
        if not terms or (rows is not None and not rows.size):
            return
        for at, w in parts:
            right = [_got(b, q, constant(I64, k * down + at), t, w) for k in terms]
            with self._rows(b, rows, span, m) as (j, i):
                row = b.add(b.mul(j, constant(I64, step)), constant(I64, start))
                total: Any = None
                for k, y in enumerate(right):
                    x = splat(b, _got(b, p, b.add(row, constant(I64, k * along)), t, 1), w)
                    total = b.fmul(x, y) if total is None else intrinsic(b, "fmuladd", x, y, total)
                _put(b, total, out, b.add(b.mul(i, constant(I64, n)), constant(I64, at)), t)

    def _sparse(self, b: Any, v: Value, q: Any, down: int, out: Any, n: int, t: Any, start: Any, stop: Any) -> None:
        """Rows of a constant matrix, by what is not zero in them, times another."""
        rows, columns = np.nonzero(v.data)
        bounds = self._constant(b, np.searchsorted(rows, np.arange(len(v.data) + 1)))
        places, numbers = self._constant(b, columns * down), self._constant(b, np.asarray(v.data)[rows, columns])
        parts = _vectors(Block(0, n, 0, 1), t)
        with b.goto_entry_block():
            slots = [b.alloca(vector(t, w)) for _, w in parts]
        row = Loop(b, start, stop, 1)
        for slot, (_, w) in zip(slots, parts, strict=True):
            b.store(constant(vector(t, w), 0), slot)
        first, last = (_got(b, bounds, b.add(row.i, constant(I64, j)), I64, 1) for j in (0, 1))
        with b.if_then(b.icmp_signed("<", first, last)):
            loop = Loop(b, first, last, 1)
            x, at = _got(b, numbers, loop.i, t, 1), _got(b, places, loop.i, I64, 1)
            for slot, (k, w) in zip(slots, parts, strict=True):
                y = _got(b, q, b.add(at, constant(I64, k)), t, w)
                b.store(intrinsic(b, "fmuladd", splat(b, x, w), y, b.load(slot, typ=vector(t, w))), slot)
            loop.close()
        for slot, (k, w) in zip(slots, parts, strict=True):
            x = b.load(slot, typ=vector(t, w))
            _put(b, x, out, b.add(b.mul(row.i, constant(I64, n)), constant(I64, k)), t)
        row.close()

    @contextlib.contextmanager
    def _rows(self, b: Any, rows: Any, span: tuple[Any, Any], m: int) -> Iterator[tuple[Any, Any]]:
        """A loop over the rows of a span, all or those that are listed; gives the place in the list, and the row."""
        if rows is None:
            loop = Loop(b, *span, 1)
            yield loop.i, loop.i
            loop.close()
            return
        table = self._constant(b, rows.astype(np.int64))
        bounds = self._constant(b, np.searchsorted(rows, np.arange(0, m + ROWS, ROWS)).astype(np.int64))
        k = b.udiv(span[0], constant(I64, ROWS))
        first, last = (_got(b, bounds, b.add(k, constant(I64, j)), I64, 1) for j in (0, 1))
        with b.if_then(b.icmp_signed("<", first, last)):
            loop = Loop(b, first, last, 1)
            yield loop.i, _got(b, table, loop.i, I64, 1)
            loop.close()

    def suits(self, operands: Sequence[tuple[Value, tuple[int, ...]]]) -> bool:
        """Whether the operands (with their strides) lie in memory so that they can be looked at."""
        for v, strides in operands:
            if not _in_order(v, strides) and strides != contiguous(v.shape[::-1])[::-1]:
                return False
        if not self.blocks and not _in_order(*operands[1]):
            return False
        other = operands[1 - self.side][0]
        return other.op != "constant" or bool(np.isfinite(other.data).all())


def _in_order(v: Value, strides: tuple[int, ...]) -> bool:
    return strides == contiguous(v.shape)


def plans(values: Sequence[Value], kinds: dict[int, str]) -> dict[int, Plan]:
    """How products of matrices (by index) are done by blocks, where that is less work."""

    def large(v: Value) -> bool:
        shapes = [a.shape for a in v.args]
        return [len(s) for s in shapes] == [2, 2] and v.size * shapes[0][1] > WORK and "pairs" not in v.params

    products = [v for v in values if kinds[v.index] == "matmul" and large(v)]
    if not products:
        return {}
    known = zeros(values, [a for v in products for a in v.args])
    out: dict[int, Plan] = {}
    for v in products:
        found: list[Plan] = []
        for side, a in enumerate(v.args):
            zero = known.get(a.index, UNKNOWN)
            other = v.args[1 - side].shape[1 - side]
            if not zero.any():
                continue
            filled = _filled(v.args[0]) if side else 1.0
            if (own := blocks(zero if side else zero.T, other, filled)) is not None:
                found.append(Plan(side, zero, own[1], own[0]))
        if (cost := _sparse_cost(*v.args)) is not None:
            found.append(Plan(1, np.zeros(v.args[1].shape, bool), cost))
        if found:
            out[v.index] = min(found, key=lambda plan: plan.cost)
    return out


# Looking ----------------------------------------------------------------------------------------


def _vectors(block: Block, t: Any) -> list[tuple[int, int]]:
    """A block's columns as vectors: the first column, and how many."""
    out = []
    at = block.first
    while at < block.last:
        w = lanes(BYTES[t], block.last - at)
        while w > block.last - at:
            w //= 2
        out.append((at, w))
        at += w
    return out


def _got(b: Any, p: Any, at: Any, t: Any, w: int) -> Any:
    return b.load(b.gep(p, [at], source_etype=t), align=BYTES[t], typ=vector(t, w))


def _put(b: Any, x: Any, p: Any, at: Any, t: Any) -> None:
    b.store(x, b.gep(p, [at], source_etype=t), align=BYTES[t])


def _any(b: Any, p: Any, n: int, bits: Any, of: Any) -> Any:
    """Whether ``of`` is not 0 for any of ``n`` words in a row."""
    w = lanes(bits.width // 8, n)
    while w > n:
        w //= 2
    t = vector(bits, w)
    with b.goto_entry_block():
        slot = b.alloca(t)
    b.store(constant(t, 0), slot)
    loop = Loop(b, 0, n // w * w, w)
    b.store(b.or_(b.load(slot, typ=t), of(_got(b, p, loop.i, bits, w), loop.i, w)), slot)
    loop.close()
    seen = b.load(slot, typ=t)
    if n % w:
        at = constant(I64, n - w)  # in part once more
        seen = b.or_(seen, of(_got(b, p, at, bits, w), at, w))
    total = b.extract_element(seen, ir.Constant(I32, 0)) if w > 1 else seen
    for lane in range(1, w):
        total = b.or_(total, b.extract_element(seen, ir.Constant(I32, lane)))
    return b.icmp_unsigned("!=", total, constant(bits, 0))
