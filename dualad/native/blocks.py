"""Products of matrices of which parts are zero, as products of what is not: blocks, each a product of BLAS.

The zeros are those of `zeros.py`. What that is said to be zero is so is seen before each product, and so is that all numbers of
the other matrix are finite (zero times infinity is not zero); else the product is done whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from dualad.native.extents import Loop
from dualad.native.graph import Value
from dualad.native.machine import F64, I1, I32, I64, absolute, constant, lanes, vector
from dualad.native.schedule import contiguous
from dualad.native.zeros import UNKNOWN, zeros

ONCE = 8000.0  # multiplications in the time that a call of BLAS takes at least
NARROW = 6  # columns: fewer take as long
SHARE = 0.6  # of the work, up to which it is worth being checked
WORK = 50_000  # multiplications of a product that is looked at
MOST = 256  # groups of columns to choose from


class Block(NamedTuple):
    """Columns ``first`` to ``last`` of a product, which take only rows ``start`` to ``stop`` of the other operand's axis."""

    first: int
    last: int
    start: int
    stop: int


def blocks(zero: Any, other: int) -> tuple[list[Block], float] | None:
    """How a product with a matrix (k, n) whose zeros are known is done by groups of its columns, each with the rows in which it
    has anything else, and what that costs; ``other``: rows of the other matrix. None where there is little to gain.

    The cheapest division into groups, by dynamic programming.
    """
    k, n = zero.shape
    some = ~zero
    filled = some.any(axis=0)
    start = np.where(filled, some.argmax(axis=0), k)
    stop = np.where(filled, k - some[::-1].argmax(axis=0), 0)
    ends = np.flatnonzero((np.diff(start) != 0) | (np.diff(stop) != 0)) + 1
    ends = np.append(ends[:: -(-(ends.size + 1) // MOST)], n)
    firsts = np.append(0, ends[:-1])
    lows, highs = np.minimum.reduceat(start, firsts), np.maximum.reduceat(stop, firsts)
    best, before = np.zeros(ends.size + 1), []
    low, high = np.full(ends.size, k), np.zeros(ends.size, int)  # of groups that begin with each run
    for j, end in enumerate(ends.tolist()):
        low[: j + 1] = np.minimum(low[: j + 1], lows[j])
        high[: j + 1] = np.maximum(high[: j + 1], highs[j])
        terms = high[: j + 1] - low[: j + 1]
        cost = np.where(terms > 0, ONCE + other * np.maximum(end - firsts[: j + 1], NARROW) * terms, 0.0)
        before.append(int((best[: j + 1] + cost).argmin()))
        best[j + 1] = best[before[j]] + cost[before[j]]
    cost = float(best[-1])
    if other * k * n < WORK or cost > SHARE * other * k * n:
        return None
    out: list[Block] = []
    j = ends.size
    while j:
        i = before[j - 1]
        lo, hi = int(lows[i:j].min()), int(highs[i:j].max())
        out.insert(0, Block(int(firsts[i]), int(ends[j - 1]), min(lo, hi), hi))
        j = i
    return out, cost


class Plan:
    """The blocks of a product whose operand ``side`` (0 or 1) has the zeros ``zero``."""

    def __init__(self, side: int, zero: Any, blocks: Sequence[Block]) -> None:
        self.side, self.zero, self.blocks = side, zero, blocks
        self.keep: list[Any] = []  # arrays whose addresses are in the code

    def holds(self, b: Any, operands: Sequence[tuple[Value, Any, tuple[int, ...]]], real: Any) -> Any:
        """Whether the zeros are zeros and all else is finite; of each operand what it is, its address and strides."""
        v, p, strides = operands[self.side]
        out = constant(I1, 1)
        if v.op != "constant":
            bits = ir.IntType(64 if real is F64 else 32)
            most = (1 << bits.width - 1) - 1  # without the sign
            zero = self.zero if _in_order(v, strides) else self.zero.T
            table = np.where(zero, most, 0).astype(f"i{bits.width // 8}").ravel()
            self.keep.append(table)
            where = absolute(b, table.ctypes.data)
            out = b.not_(_any(b, p, v.size, bits, lambda x, at, w: b.and_(x, _loaded(b, where, at, bits, w))))
        v, p, _ = operands[1 - self.side]
        if v.op != "constant":
            out = b.and_(out, finite(b, p, v.size, real))
        return out

    def suits(self, operands: Sequence[tuple[Value, tuple[int, ...]]]) -> bool:
        """Whether the operands (with their strides) lie in memory so that they can be looked at."""
        for v, strides in operands:
            if not _in_order(v, strides) and strides != contiguous(v.shape[::-1])[::-1]:
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
        found = []
        for side, a in enumerate(v.args):
            zero = known.get(a.index, UNKNOWN)
            other = v.args[1 - side].shape[1 - side]
            if zero.any() and (own := blocks(zero if side else zero.T, other)) is not None:
                found.append((own[1], Plan(side, zero, own[0])))
        if found:
            out[v.index] = min(found, key=lambda f: f[0])[1]
    return out


# Looking ----------------------------------------------------------------------------------------


def finite(b: Any, p: Any, n: int, real: Any) -> Any:
    """Whether ``n`` numbers in a row are all finite."""
    bits = ir.IntType(64 if real is F64 else 32)
    high = 0x7FF << 52 if real is F64 else 0xFF << 23  # the exponent

    def bad(x: Any, at: Any, w: int) -> Any:
        top = constant(x.type, high)
        return b.sext(b.icmp_unsigned("==", b.and_(x, top), top), x.type)

    return b.not_(_any(b, p, n, bits, bad))


def _loaded(b: Any, p: Any, at: Any, bits: Any, w: int) -> Any:
    return b.load(b.gep(p, [at], source_etype=bits), align=bits.width // 8, typ=vector(bits, w))


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
    b.store(b.or_(b.load(slot, typ=t), of(_loaded(b, p, loop.i, bits, w), loop.i, w)), slot)
    loop.close()
    seen = b.load(slot, typ=t)
    if n % w:
        at = constant(I64, n - w)  # in part once more
        seen = b.or_(seen, of(_loaded(b, p, at, bits, w), at, w))
    total = b.extract_element(seen, ir.Constant(I32, 0)) if w > 1 else seen
    for lane in range(1, w):
        total = b.or_(total, b.extract_element(seen, ir.Constant(I32, lane)))
    return b.icmp_unsigned("!=", total, constant(bits, 0))
