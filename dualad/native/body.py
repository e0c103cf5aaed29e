"""What the innermost of nested loops does for some elements at once: expressions, as vectors, and where they go."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from dualad.native.elementwise import cast, emit, type_of
from dualad.native.expressions import Affine, Expr, Expressions
from dualad.native.extents import Span, extent, grows
from dualad.native.graph import Value
from dualad.native.machine import I1, I32, I64, constant, splat, vector, width_of
from dualad.native.memory import addresses, iota, load, masked, memory, scattered, store, zipped
from dualad.native.placing import element, places
from dualad.native.reduction import Reduction, Scatter

LONG = 1 << 15  # elements one after another of which not all are in the nearest caches


def is_call(e: Expr) -> bool:
    return e.kind == "op" and e.data[0] == "math"


class Vectors(dict[int, Any]):
    """Values for some elements, by expression; those that loops around have made are spread over all lanes."""

    def __init__(self, body: Body, width: int) -> None:
        self.body, self.width = body, width

    def __missing__(self, k: int) -> Any:
        self[k] = splat(self.body.b, self.body.values[k], self.width)
        return self[k]


class Body:
    """The kernel ``x``, or the part ``span`` of it. ``pointer`` gives the address of a value's buffer, ``flag`` where a bad index
    is noted."""

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

    # Some elements ----------------------------------------------------------------------------

    def elements(self, starts: Sequence[Any], width: int, mask: Any, accumulators: dict[int, Any]) -> None:
        """Everything of the innermost loop for ``width`` elements from each of ``starts`` on, by turns from call to call: so that
        what follows a call does not wait for it."""
        inner = [(k, e) for k, e in enumerate(self.x.all) if self.depth[k] == self.rank]
        cuts = [0, *[n for n, (_, e) in enumerate(inner, 1) if is_call(e)], len(inner)]
        groups: list[tuple[Any, Vectors, dict[Any, Any]]] = [(i, Vectors(self, width), {}) for i in starts]
        for m, n in itertools.pairwise(cuts):
            for i, values, self.wide in groups:
                for k, e in inner[m:n]:
                    values[k] = self._vector(e, i, width, mask, values.__getitem__)
        for i, values, _ in groups:
            self._keep(i, width, mask, accumulators, values.__getitem__)

    def _keep(self, i: Any, width: int, mask: Any, accumulators: dict[int, Any], get: Callable[[int], Any]) -> None:
        """Results go where they belong."""
        b = self.b
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

    def _trailing(self, red: Reduction) -> int:
        """How many of the innermost loops are reduced over."""
        n = 0
        while n < self.rank and self.rank - 1 - n in red.axes:
            n += 1
        return n

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
