"""Loop nests as LLVM instructions: explicit vectors in the innermost loop, several accumulators, masked tails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from dualad.native.elementwise import BYTES, cast, emit, type_of
from dualad.native.expressions import Affine, Expr, Expressions
from dualad.native.extents import Loop, Span, extent, grows
from dualad.native.graph import Value
from dualad.native.machine import F32, F64, I1, I32, I64, constant, lanes, splat, vector, vector_bytes, width_of
from dualad.native.memory import addresses, iota, load, m_bytes, masked, memory, scattered, store, zipped
from dualad.native.placing import element, places
from dualad.native.reduction import Reduction, Scatter

LONG = 1 << 15  # elements one after another of which not all are in the nearest caches
ROW = 16  # vectors in a row that is worth the trouble of aligning its stores
ACROSS = 1536  # rows gone across at once: the processor knows no more pages of memory
PART, LINE = 256, 8  # elements: of a row that so many others are gone across for; of a line of the cache
SIMPLE = 40  # expressions of a loop whose body is there three times
BLOCK = 64  # iterations after which partial sums are put away: a sum of n numbers then errs like a blocked sum


class Nest:
    """Emits one kernel, or the part ``span`` of it. ``pointer`` gives the address of a value's buffer, ``flag`` where a bad
    index is noted."""

    def __init__(
        self,
        b: Any,
        x: Expressions,
        stores: Sequence[tuple[Value, int, Affine]],
        reductions: Sequence[Reduction],
        scatters: Sequence[Scatter],
        pointer: Callable[[Value], Any],
        flag: Any,
        span: Span | None = None,
    ) -> None:
        self.b, self.x, self.span = b, x, span
        self.domain = x.domain
        self.rank = len(x.domain)
        self.stores, self.reductions, self.scatters = stores, reductions, scatters
        self.placed = [(v, k) for v, k, _ in stores if v.data is not None]  # by the expression that ``data`` is
        self.stores = [(v, k, at) for v, k, at in stores if v.data is None]
        self.pointer, self.flag = pointer, flag
        self.depth = self._depths()
        self.i: list[Any] = []  # loop indices so far
        self.values: dict[int, Any] = {}  # scalars, by expression
        self.rows: dict[Any, Any] = {}  # addresses of rows
        self.outer: dict[int, Any] = {}  # accumulators of reductions over several loops
        self.wide: dict[Any, Any] = {}  # pairs of elements loaded in this body
        self.part: tuple[Any, int] | None = None  # of the innermost loop: where it begins, and how long it is

    def _depths(self) -> list[int]:
        """For each expression the number of loops it is inside of."""
        out: list[int] = []
        for e in self.x.all:
            d = max((out[k] for k in e.kids), default=0)
            if e.at is not None:
                d = max([d, *[j for j, c in enumerate(e.at) if j and c]])
            out.append(d)
        return out

    def _long(self, at: Affine) -> bool:
        """Whether an access goes through so many elements that the code says which it will need."""
        n = at[-1]
        if n not in (1, 2) or self.part is not None:
            return False
        for size, step in zip(reversed(self.domain), reversed(at), strict=False):
            if step != n:
                break
            n *= size
        return n >= at[-1] * LONG

    def slot(self, t: Any) -> Any:
        """A variable; they become registers."""
        with self.b.goto_entry_block():
            return self.b.alloca(t)

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
        b, (size, chains) = self.b, self._sort()
        width = lanes(size, n, 4 if chains else 1)
        whole = n // width * width
        if whole:
            loop = Loop(b, start, b.add(start, constant(I64, whole)), width)
            self._body(loop.i, width, None, {})
            loop.close()
        if whole < n:
            self._tail(self.domain[-1] - (n - whole), lanes(size, n - whole), {})

    def _trailing(self, red: Reduction) -> int:
        """How many of the innermost loops are reduced over."""
        n = 0
        while n < self.rank and self.rank - 1 - n in red.axes:
            n += 1
        return n

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

    def _kept(self, red: Reduction) -> list[int]:
        return [k for k in range(self.rank) if k not in red.axes]

    def _place(self, red: Reduction) -> Any:
        """Where in its buffer the reduction over the present indices goes."""
        at = constant(I64, 0)
        stride = 1
        for k in reversed(self._kept(red)):
            at = self.b.add(at, self.b.mul(self.i[k], extent(self.b, stride)))
            stride *= self.domain[k]
        return at

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
        self._body(start, width, None, {})
        loop = Loop(b, b.add(start, ahead), b.add(last, constant(I64, 1)), width)
        self._body(loop.i, width, None, {})
        loop.close()
        self._body(last, width, None, {})

    # The innermost loop -----------------------------------------------------------------------

    def _sort(self) -> tuple[int, bool]:
        """Of what is computed there: the bytes of the largest elements, and whether any of it is vector math. Its polynomials are
        long chains: several vectors at once keep the arithmetic units busy."""
        inner = [e for e, d in zip(self.x.all, self.depth, strict=True) if d == self.rank]
        size = max([BYTES[e.type] for e in inner if e.type is not I1], default=8)
        return size, any(e.kind == "op" and e.data[0] == "math" for e in inner)

    def _innermost(self, own: list[Reduction]) -> None:
        b, n = self.b, self.domain[-1]
        size, chains = self._sort()
        width = lanes(size, n, 4 if chains else 1)
        # Where all that a long loop does is to store, it may do an element twice.
        if n >= ROW * width and not (self.reductions or self.scatters or grows(b, n)):
            if not chains and (aligned := self._aligned_store()) is not None:
                self._by_lines(*aligned, width)
                return
            if chains and n % width:
                self._overlapping(width)
                return
        summing = [red for red in self.reductions if self._trailing(red)]
        copies = (4 if self.depth.count(self.rank) <= 24 else 2) if summing and n >= 8 * width and not chains else 1
        accumulators = {id(red): self._accumulators(red, copies, width) for red in summing}
        put_away = {}
        block = copies * width * BLOCK
        blocked = [red for red in summing if red.name == "sum" and red.type in (F64, F32) and n > 2 * block]
        if blocked:
            put_away = {id(red): self._accumulators(red, 1, width)[0] for red in blocked}
        each = copies * width

        def main(start: Any, stop: Any) -> None:
            loop = Loop(b, start, stop, each)
            for c in range(copies):
                i = b.add(loop.i, constant(I64, c * width)) if c else loop.i
                self._body(i, width, None, {k: a[c] for k, a in accumulators.items()})
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

    def _overlapping(self, width: int) -> None:
        """A loop that only stores, without code of its own for what is left at the end: the last elements are done with some
        before them, once more."""
        b, last = self.b, constant(I64, self.domain[-1] - width)
        loop = Loop(b, *self._stretch(), width)
        self._body(b.select(b.icmp_signed("<", loop.i, last), loop.i, last), width, None, {})
        loop.close()

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
        self._body(loop.i, width, mask, accumulators)
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

    def _body(self, i: Any, width: int, mask: Any, accumulators: dict[int, Any]) -> None:
        """Everything of the innermost loop for ``width`` elements from ``i`` on."""
        b = self.b
        values: dict[int, Any] = {}

        def get(k: int) -> Any:
            if self.depth[k] == self.rank:
                return values[k]
            if k not in values:
                values[k] = splat(b, self.values[k], width)
            return values[k]

        for k, e in enumerate(self.x.all):
            if self.depth[k] == self.rank:
                values[k] = self._vector(e, i, width, mask, get)
        self.wide.clear()
        for n, (v, k, at) in enumerate(self.stores):
            row = self._row(v, at)
            if width > 1 and self._paired(n):
                both = zipped(b, get(k), get(self.stores[n + 1][1]))
                wide = None if mask is None else zipped(b, mask, mask)
                store(self.b, row, b.mul(i, constant(I64, 2)), both, type_of(v.dtype), wide, self._long(at))
                continue
            if width > 1 and n and self._paired(n - 1):
                continue
            at_i = b.mul(i, extent(b, at[-1])) if at[-1] != 1 else i
            if at[-1] != 1 and width > 1:
                self._spread(row, at_i, at[-1], get(k), type_of(v.dtype), mask)
            else:
                store(self.b, row, at_i, get(k), type_of(v.dtype), mask, self._long(at))
        for c in self.scatters:
            self._add(c, i, width, mask, get)
        for v, k in self.placed:
            self._by_table(v, self.x.all[v.data], i, get(k), mask)
        for red in self.reductions:
            x = get(red.k)
            if id(red) in accumulators:
                t = x.type
                if mask is not None:
                    x = b.select(mask, x, red.start(t))
                slot = accumulators[id(red)]
                b.store(red.combine(b, b.load(slot, typ=t), x), slot)
            elif self._trailing(red) == 0:
                self.i.append(constant(I64, 0))
                at_i = b.add(self._place(red), i)
                self.i.pop()
                p = self.pointer(red.v)
                long = self.domain[-1] >= LONG
                old = load(self.b, p, at_i, red.type, width, mask, long)
                store(self.b, p, at_i, red.combine(b, old, x), red.type, mask, long)

    def _paired(self, n: int) -> bool:
        """Whether the next store goes to the elements between those of this one."""
        if n + 1 == len(self.stores):
            return False
        (v, _, at), (w, _, beside) = self.stores[n : n + 2]
        return (
            at[-1] == 2
            and beside == (at[0] + 1, *at[1:])
            and at[0] % 2 == 0
            and v.dtype == w.dtype
            and self.pointer(v) is self.pointer(w)
        )

    # Expressions ------------------------------------------------------------------------------

    def _scalars(self, level: int) -> None:
        """Expressions that depend on the first ``level`` loops only."""
        if level == self.rank and level:
            return
        for k, e in enumerate(self.x.all):
            if self.depth[k] == level:
                self.values[k] = self._vector(e, None, 1, None, self.values.__getitem__)

    def _affine(self, at: Affine, i: list[Any]) -> Any:
        b = self.b
        out = extent(b, at[0])
        for c, j in zip(at[1:], i, strict=False):
            if c:
                out = b.add(out, j if c == 1 else b.mul(j, extent(b, c)))
        return out

    def _row(self, v: Value, at: Affine) -> Any:
        """The address at which the innermost loop starts."""
        if not any(at):
            return self.pointer(v)
        key = (v.index, at[: self.rank])
        if key not in self.rows:
            with_i = self._affine(at, self.i[: self.rank - 1])
            self.rows[key] = self.b.gep(self.pointer(v), [with_i], source_etype=memory(type_of(v.dtype)))
        return self.rows[key]

    def _vector(self, e: Expr, i: Any, w: int, mask: Any, get: Callable[[int], Any]) -> Any:
        """The value of an expression for ``w`` elements from ``i`` on (None: outside the innermost loop)."""
        b = self.b
        t = vector(e.type, w)
        if e.kind == "const":
            return constant(t, e.data)
        if e.kind == "op":
            return emit(b, e.value, e.data, [get(k) for k in e.kids])
        if e.kind == "cast":
            return cast(b, get(e.kids[0]), e.type)
        if e.kind == "both":
            return b.and_(get(e.kids[0]), get(e.kids[1]))
        if e.kind == "choose":
            return b.select(*[get(k) for k in e.kids])
        assert e.at is not None
        if e.kind == "inside":
            at = self._affine(e.at, self.i)
            if i is not None and e.at[-1]:
                at = self._lanes(b.add(at, b.mul(i, constant(I64, e.at[-1]))), e.at[-1], w)
            else:
                at = splat(b, at, w)
            return b.icmp_unsigned("<", at, self._number(at.type, e.data))
        if e.kind == "gather":
            return self._gather(e, i, w, mask, get)
        for k in e.kids:
            mask = get(k) if mask is None else b.and_(mask, get(k))
        step = e.at[-1] if i is not None else 0
        if i is None:
            p, at = self.pointer(e.value), self._affine(e.at, self.i)
            if mask is not None:
                at = b.select(mask, at, constant(I64, 0))
            return load(self.b, p, at, e.type)
        row = self._row(e.value, e.at)
        if step == 0:  # inside by its condition only
            if mask is not None and w == 1:
                row = b.select(mask, row, self.pointer(e.value))
            elif mask is not None:
                return scattered(self.b, row, constant(vector(I64, w), 0), e.type, mask)
            return splat(b, load(self.b, row, constant(I64, 0), e.type), w)
        if step == 1 or w == 1:
            at = i if step == 1 else b.mul(i, constant(I64, step))
            if w == 1 and mask is not None:
                row, at = b.select(mask, row, self.pointer(e.value)), b.select(mask, at, constant(I64, 0))
                return load(self.b, row, at, e.type)
            return load(self.b, row, at, e.type, w, mask, self._long(e.at))
        if step == 2 and e.value.size % 2 == 0 and not any(c % 2 for c in e.at[1:]):
            return self._half(e, i, w, mask)
        at = self._lanes(b.mul(i, constant(I64, step)), step, w)
        return scattered(self.b, row, at, e.type, mask)

    def _half(self, e: Expr, i: Any, w: int, mask: Any) -> Any:
        """Every other element: of pairs, which lie in the array as a whole."""
        b = self.b
        assert e.at is not None
        odd = e.at[0] % 2
        start = (e.at[0] - odd, *e.at[1:])
        key = (e.value.index, start, e.kids)
        if key not in self.wide:
            both = None if mask is None else zipped(b, mask, mask)
            row = self._row(e.value, start)
            self.wide[key] = load(self.b, row, b.mul(i, constant(I64, 2)), e.type, 2 * w, both, self._long(e.at))
        x = self.wide[key]
        chosen = ir.Constant(ir.VectorType(I32, w), [2 * k + odd for k in range(w)])
        return b.shuffle_vector(x, ir.Constant(x.type, ir.Undefined), chosen)

    def _number(self, t: Any, k: int) -> Any:
        return splat(self.b, extent(self.b, k), width_of(t)) if grows(self.b, k) else constant(t, k)

    def _lanes(self, start: Any, step: int, w: int) -> Any:
        """start, start + step, ..."""
        return self.b.add(splat(self.b, start, w), iota(w, step)) if w > 1 else start

    def _gather(self, e: Expr, i: Any, w: int, mask: Any, get: Callable[[int], Any]) -> Any:
        b = self.b
        assert e.at is not None
        scaled, _ = e.data
        kids = [get(k) for k in e.kids]
        for c in kids[len(scaled) :]:
            mask = c if mask is None else b.and_(mask, c)
        at = self._affine(e.at, self.i)
        if i is not None and e.at[-1]:
            at = self._lanes(b.add(at, b.mul(i, constant(I64, e.at[-1]))), e.at[-1], w)
        else:
            at = splat(b, at, w)
        for k, (stride, bound) in zip(kids, scaled, strict=False):
            k, fits = self._within(k, bound, mask, w)
            if fits is not None:
                mask = fits if mask is None else b.and_(mask, fits)
            at = b.add(at, b.mul(k, self._number(k.type, stride)))
        p = self.pointer(e.value)
        if w == 1:
            if mask is not None:
                at = b.select(mask, at, constant(I64, 0))
            return load(self.b, p, at, e.type)
        return scattered(self.b, p, at, e.type, mask)

    def _within(self, k: Any, bound: int, mask: Any, w: int) -> tuple[Any, Any]:
        """An index counted from the front, and whether it is in range (None: it is, by a negative ``bound``)."""
        b = self.b
        n = self._number(k.type, abs(bound))
        k = b.select(b.icmp_signed("<", k, constant(k.type, 0)), b.add(k, n), k)
        if bound < 0:
            return k, None
        fits = b.icmp_unsigned("<", k, n)
        self._note(b.not_(fits) if mask is None else b.and_(b.not_(fits), mask), w)
        return k, fits

    def _add(self, c: Scatter, i: Any, w: int, mask: Any, get: Callable[[int], Any]) -> None:
        """One by one, since places may be equal; lanes outside the loop add nothing to the first place."""
        b = self.b
        at = splat(b, self._affine(c.at, self.i), w)
        if i is not None and c.at[-1]:
            at = b.add(at, self._lanes(b.mul(i, constant(I64, c.at[-1])), c.at[-1], w))
        for k, stride, bound in c.scaled:
            j, fits = self._within(get(k), bound, mask, w)
            if fits is not None:
                mask = fits if mask is None else b.and_(mask, fits)
            at = b.add(at, b.mul(j, self._number(j.type, stride)))
        x = get(c.k)
        if mask is not None:
            at, x = b.select(mask, at, constant(at.type, 0)), b.select(mask, x, constant(x.type, 0))
        t = type_of(c.v.dtype)
        for lane in range(w):
            place, term = at, x
            if w > 1:
                place, term = (b.extract_element(z, ir.Constant(I32, lane)) for z in (at, x))
            p = b.gep(self.pointer(c.v), [place], source_etype=t)
            b.store(b.fadd(b.load(p, typ=t), term), p)

    def _note(self, bad: Any, w: int) -> None:
        b = self.b
        if w > 1:
            bad = b.icmp_unsigned("!=", b.bitcast(bad, ir.IntType(w)), ir.Constant(ir.IntType(w), 0))
        b.store(b.or_(b.load(self.flag, typ=I1), bad), self.flag)

    # Memory -----------------------------------------------------------------------------------

    def _put(self, v: Value, at: Any, x: Any) -> None:
        store(self.b, self.pointer(v), at, x, type_of(v.dtype))

    def _by_table(self, v: Value, table: Expr, i: Any, x: Any, mask: Any) -> None:
        """Stores at the places that ``table``, a load, is of."""
        b = self.b
        t = type_of(v.dtype)
        p, m = self.pointer(v), memory(t)
        assert table.at is not None
        row = self._row(table.value, table.at)
        holes = bool((table.value.data < 0).any())
        nowhere = self.slot(m) if holes or mask is not None else None
        for lane, (place, there) in enumerate(places(b, row, i, mask, holes, width_of(x.type))):
            q = b.gep(p, [place], source_etype=m)
            if there is not None:
                q = b.select(there, q, nowhere)
            store(self.b, q, constant(I64, 0), element(b, x, lane), t)

    def _spread(self, p: Any, at: Any, step: int, x: Any, t: Any, mask: Any) -> None:
        """Stores at ``at``, ``at + step``, ..."""
        b = self.b
        m = memory(t)
        w = width_of(x.type)
        if mask is None:
            for lane in range(w):
                store(self.b, p, b.add(at, constant(I64, lane * step)), element(b, x, lane), t)
            return
        at = self._lanes(at, step, w)
        if t is I1:
            x = b.zext(x, vector(m, w))
        all_lanes = constant(vector(I1, w), 1) if mask is None else mask
        masked(b, "scatter", x.type, [x, addresses(b, p, at, m)], all_lanes, m)
