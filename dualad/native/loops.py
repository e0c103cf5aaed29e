"""Loop nests as LLVM instructions: explicit vectors in the innermost loop, several accumulators, masked tails."""

from __future__ import annotations

from typing import Any

from dualad.native.body import Body, is_call
from dualad.native.elementwise import BYTES, type_of
from dualad.native.expressions import Affine
from dualad.native.extents import Loop, extent, grows
from dualad.native.graph import Value
from dualad.native.machine import F32, F64, I1, I64, constant, lanes, splat, vector, vector_bytes
from dualad.native.memory import iota, load, m_bytes, memory, store
from dualad.native.reduction import Reduction

ROW = 16  # vectors in a row that is worth the trouble of aligning its stores
ACROSS = 1536  # rows gone across at once: the processor knows no more pages of memory
PART, LINE = 256, 8  # elements: of a row that so many others are gone across for; of a line of the cache
TOGETHER = {"cos": "sin"}  # functions that are computed by the same call
SIMPLE = 40  # expressions of a loop whose body is there several times
BLOCK = 64  # iterations after which partial sums are put away: a sum of n numbers then errs like a blocked sum


class Nest(Body):
    """Emits one kernel."""

    # The nest ---------------------------------------------------------------------------------

    def run(self) -> None:
        r = self.rank
        if 0 in self.domain:
            return
        for red in self.reductions:
            if self._in_memory(red):
                self._fill(red)
        self._scalars(0)
        if r == 0:
            for v, k, at in self.stores:
                self._put(v, self._affine(at, []), self.values[k])
            for v, k in self.placed:
                self._put(v, self.values[v.data], self.values[k])
            for c in self.scatters:
                self._add(c, None, 1, None, self.values.__getitem__)
            return
        self._loops(0)

    def _loops(self, level: int) -> None:
        """Loop ``level`` and all inside it."""
        if level == self.rank - 2 and self.part is None and self._across():
            self._in_parts(level)
            return
        own = [red for red in self.reductions if self._trailing(red) == self.rank - level]
        if level == self.rank - 1:
            self._innermost(own) if self.part is None else self._within_part(*self.part)
            return
        accumulators = {id(red): self._accumulators(red, 1, 1) for red in own}
        self.outer.update(accumulators)
        part = self.span if level == 0 else None
        loop = Loop(self.b, part.start, part.stop, 1) if part else Loop(self.b, 0, self.domain[level], 1)
        self.i.append(loop.i)
        saved = dict(self.values), dict(self.rows)
        self._scalars(level + 1)
        self._loops(level + 1)
        self.values, self.rows = saved
        self.i.pop()
        loop.close()
        for red in own:
            self._finish(red, self.b.load(accumulators[id(red)][0], typ=red.type), level)

    def _across(self) -> bool:
        """Whether a load of the innermost loop goes across many rows, along which the loop around it goes: their pages should
        still be known when that comes back to them."""
        n = self.domain[-1]
        if n < ACROSS or self.reductions or self.scatters or self.placed or grows(self.b, n):
            return False
        return any(e.kind == "load" and abs(e.at[-1]) >= LINE > abs(e.at[-2]) > 0 for e in self.x.all if e.at)

    def _in_parts(self, level: int) -> None:
        n = self.domain[-1]
        whole = n // PART * PART
        rows = dict(self.rows)  # what is found in a loop is not known after it
        loop = Loop(self.b, 0, whole, PART)
        self.part = loop.i, PART
        self._loops(level)
        loop.close()
        self.rows = rows
        if whole < n:
            self.part = constant(I64, whole), n - whole
            self._loops(level)
        self.part = None

    def _within_part(self, start: Any, n: int) -> None:
        b, (size, calls) = self.b, self._sort()
        width = lanes(size, n, 4 if calls else 1)
        whole = n // width * width
        if whole:
            loop = Loop(b, start, b.add(start, constant(I64, whole)), width)
            self.elements([loop.i], width, None, {})
            loop.close()
        if whole < n:
            self._tail(self.domain[-1] - (n - whole), lanes(size, n - whole), {})

    def _in_memory(self, red: Reduction) -> bool:
        return len(red.axes) > self._trailing(red)

    def _fill(self, red: Reduction) -> None:
        p = self.pointer(red.v)
        if red.v.size == 1:
            self._put(red.v, constant(I64, 0), red.start(red.type))
            return
        start: Any = 0
        stop: Any = red.v.size
        if self.span is not None and 0 not in red.axes:
            row = extent(self.b, red.v.size // self.domain[0])
            start, stop = self.b.mul(self.span.start, row), self.b.mul(self.span.stop, row)
        loop = Loop(self.b, start, stop, 1)
        store(self.b, p, loop.i, red.start(red.type), red.type)
        loop.close()

    def _accumulators(self, red: Reduction, copies: int, w: int) -> list[Any]:
        t = vector(red.type, w)
        out = []
        for _ in range(copies):
            s = self.slot(t)
            self.b.store(red.start(t), s)
            out.append(s)
        return out

    def _finish(self, red: Reduction, x: Any, level: int) -> None:
        at = self._place(red)
        if self._in_memory(red):
            x = red.combine(self.b, load(self.b, self.pointer(red.v), at, red.type), x)
        self._put(red.v, at, x)

    def _aligned_store(self) -> tuple[Value, Affine] | None:
        """A store along the innermost loop, of which there may be three bodies."""
        if len(self.x.all) > SIMPLE:
            return None
        return next(((v, at) for v, _, at in self.stores if at[-1] == 1), None)

    def _by_lines(self, v: Value, at: Affine, width: int) -> None:
        """The innermost loop with stores of ``v`` that cross no cache line; the first and the last overlap their neighbours."""
        b = self.b
        start, stop = self._stretch()
        m = memory(type_of(v.dtype))
        first = b.ptrtoint(b.gep(self._row(v, at), [start], source_etype=m), I64)
        line = min(vector_bytes(), width * m_bytes(m))  # no more than the first vector
        ahead = b.udiv(b.and_(b.neg(first), constant(I64, line - 1)), constant(I64, m_bytes(m)))
        last = b.sub(stop, constant(I64, width))
        self.elements([start], width, None, {})
        loop = Loop(b, b.add(start, ahead), b.add(last, constant(I64, 1)), width)
        self.elements([loop.i], width, None, {})
        loop.close()
        self.elements([last], width, None, {})

    # The innermost loop -----------------------------------------------------------------------

    def _sort(self) -> tuple[int, int]:
        """Of what is computed there: the bytes of the largest elements, and how many calls of vector math it has. Their
        polynomials are long chains: several vectors at once keep the arithmetic units busy."""
        inner = [e for e, d in zip(self.x.all, self.depth, strict=True) if d == self.rank]
        size = max([BYTES[e.type] for e in inner if e.type is not I1], default=8)
        return size, len({(TOGETHER.get(e.value.name, e.value.name), e.kids) for e in inner if is_call(e)})

    def _innermost(self, own: list[Reduction]) -> None:
        b, n = self.b, self.domain[-1]
        size, calls = self._sort()
        width = lanes(size, n, 4 if calls else 1)
        groups = 2 if calls > 1 and n >= 4 * width and len(self.x.all) <= SIMPLE else 1
        # Where all that a long loop does is to store, it may do an element twice.
        if n >= ROW * width and not (self.reductions or self.scatters or grows(b, n)):
            if not calls and (aligned := self._aligned_store()) is not None:
                self._by_lines(*aligned, width)
                return
            if calls and n % (groups * width):
                self._overlapping(width, groups)
                return
        summing = [red for red in self.reductions if self._trailing(red)]
        copies = (4 if self.depth.count(self.rank) <= 24 else 2) if summing and n >= 8 * width and not calls else 1
        accumulators = {id(red): self._accumulators(red, copies, width) for red in summing}
        put_away = {}
        block = copies * width * BLOCK
        blocked = [red for red in summing if red.name == "sum" and red.type in (F64, F32) and n > 2 * block]
        if blocked:
            put_away = {id(red): self._accumulators(red, 1, width)[0] for red in blocked}
        each = copies * groups * width

        def main(start: Any, stop: Any) -> None:
            loop = Loop(b, start, stop, each)
            for c in range(copies):
                into = {k: a[c] for k, a in accumulators.items()}
                self.elements(self._steps(loop.i, width, c * groups, groups), width, None, into)
            if blocked:
                due = b.icmp_signed("==", b.and_(loop.i, constant(I64, block - 1)), constant(I64, 0))
                with b.if_then(due, likely=False):
                    self._put_away(blocked, accumulators, put_away, width)
            loop.close()

        first = {k: a[0] for k, a in accumulators.items()}
        whole = n // each * each
        last = min(width, width if summing else lanes(size, n - whole or 1, width * size // vector_bytes() or 1))
        part = self.span if self.rank == 1 else None
        if grows(b, n):
            rows = dict(self.rows)  # what is found in a branch is not known after it
            total = extent(b, n)
            most = b.and_(total, constant(I64, -each))
            start, stop = constant(I64, 0), most
            rest = b.icmp_signed("<", most, total)
            if part is not None:
                start, stop, rest = part.start, b.select(part.last, most, part.stop), b.and_(part.last, rest)
            with b.if_then(b.icmp_signed("<", start, stop)):
                main(start, stop)
            self.rows = dict(rows)
            with b.if_then(rest):
                self._tail(most, width, first)
            self.rows = rows
        elif part is not None:
            main(part.start, b.select(part.last, constant(I64, whole), part.stop))
            if whole < n:
                with b.if_then(part.last):
                    self._tail(whole, last, first)
        else:
            if whole:
                main(0, whole)
            if whole < n:
                self._tail(whole, last, first)
        if blocked:
            self._put_away(blocked, accumulators, put_away, width)
        for red in summing:
            t = vector(red.type, width)
            if red in blocked:
                x = b.load(put_away[id(red)], typ=t)
            else:
                parts = [b.load(a, typ=t) for a in accumulators[id(red)]]
                while len(parts) > 1:
                    parts = [red.combine(b, p, q) for p, q in zip(parts[::2], parts[1::2], strict=True)]
                x = parts[0]
            x = red.across(b, x)
            if red in own:
                self._finish(red, x, self.rank - 1)
            else:
                slot = self.outer[id(red)][0]
                b.store(red.combine(b, b.load(slot, typ=red.type), x), slot)

    def _overlapping(self, width: int, groups: int) -> None:
        """A loop that only stores, without code of its own for what is left at the end: the last elements are done with some
        before them, once more."""
        b, last = self.b, constant(I64, self.domain[-1] - width)
        loop = Loop(b, *self._stretch(), groups * width)
        starts = self._steps(loop.i, width, 0, groups)
        self.elements([b.select(b.icmp_signed("<", i, last), i, last) for i in starts], width, None, {})
        loop.close()

    def _steps(self, i: Any, width: int, first: int, count: int) -> list[Any]:
        return [self.b.add(i, constant(I64, k * width)) if k else i for k in range(first, first + count)]

    def _stretch(self) -> tuple[Any, Any]:
        """Where the innermost loop begins and ends."""
        stop = constant(I64, self.domain[-1])
        if self.span is None or self.rank > 1:
            return constant(I64, 0), stop
        return self.span.start, self.b.select(self.span.last, stop, self.span.stop)

    def _tail(self, start: Any, width: int, accumulators: dict[int, Any]) -> None:
        """What is left of the innermost loop from ``start`` on."""
        b, n = self.b, self.domain[-1]
        loop = Loop(b, start, n, width)
        mask = None
        if not isinstance(start, int) or (n - start) % width:
            left = b.sub(extent(b, n), loop.i)
            mask = b.icmp_signed(">", splat(b, left, width), iota(width)) if width > 1 else None
        self.elements([loop.i], width, mask, accumulators)
        loop.close()

    def _put_away(self, blocked: Any, accumulators: Any, put_away: Any, width: int) -> None:
        b = self.b
        for red in blocked:
            t = vector(red.type, width)
            parts = [b.load(a, typ=t) for a in accumulators[id(red)]]
            for a in accumulators[id(red)]:
                b.store(red.start(t), a)
            while len(parts) > 1:
                parts = [red.combine(b, p, q) for p, q in zip(parts[::2], parts[1::2], strict=True)]
            total = red.combine(b, b.load(put_away[id(red)], typ=t), parts[0])
            b.store(total, put_away[id(red)])
