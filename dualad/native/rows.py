"""Programs that do the same to each of many rows: straight-line code in one loop, whose vectors hold a number of several rows.

A ``vmap`` of a small function is one: every value has the rows as an axis, and whatever else it has is small. The program of
one row is found by making that axis 1; its elements are numbers of their own, its movements renamings, and nothing between
arguments and results goes through memory. What does not depend on the row is computed once, before the loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.core.primitive import REGISTRY
from dualad.native import pieces
from dualad.native.elementwise import TYPES, type_of
from dualad.native.extents import Loop, aligned, extent, sized
from dualad.native.folding import Looks
from dualad.native.graph import DONE, Guard, Value
from dualad.native.machine import I1, I8, I32, I64, PTR, Written, absolute, constant, lanes, splat, vector
from dualad.native.memory import m_bytes, memory
from dualad.native.scalars import BYTES, CHUNK, Scalars, check, load, store
from dualad.ops.index import ARRAY

FEWEST = 16  # rows
WIDEST, TYPICAL = 512, 16  # elements of a value in one row: at most, and of most
SHARED = 1024  # elements of a value that does not depend on the row
OPERATIONS = 20_000
BEFORE = 64  # operations that all rows share, done one by one, from where on they should not be most of the work
ROOM = 1 << 17  # bytes for what several functions need of the present rows
MOVED = {"index", "concatenate", "stack", "transpose"}


class Unsuited(Exception):
    """The program is not one of rows."""


def rows(
    values: Sequence[Value],
    kinds: dict[int, str],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    guards: Any,
    standing: int = 0,
    zeros: bool = False,
) -> Rows | None:
    """The program as one of rows, where it is; of code for all sizes the rows are as many as the size."""
    sizes = dict.fromkeys(n for v in outputs for n in v.shape if n >= FEWEST and standing in (0, n))
    for n in sorted(sizes, reverse=True)[:4]:
        for given in (True, False):
            try:
                return Rows(values, kinds, inputs, outputs, guards, n, given, standing, zeros)
            except Unsuited:
                continue
    return None


class Rows(Scalars):
    """A segment by elements of ``n`` rows; ``given``: inputs whose first axis is ``n`` long have a row each."""

    def __init__(
        self,
        values: Sequence[Value],
        kinds: dict[int, str],
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        guards: Sequence[Guard],
        n: int,
        given: bool,
        standing: int,
        zeros: bool,
    ) -> None:
        self.n, self.kinds, self.standing, self.zeros = n, kinds, standing, zeros
        self.dropped, self.known = set(), {}
        self.inside = {v.index for v in values}
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.width = lanes(8, n)
        while self.width > n:
            self.width //= 2
        self.axis: dict[int, int | None] = {}  # the rows' axis of each value
        self.shape: dict[int, tuple[int, ...]] = {}  # of each value, the whole
        self.own: dict[int, Value] = {}  # each value as it is for one row
        self.keep: list[Any] = []  # arrays whose addresses are in the code
        self.all, self._same, self.elements = [], {}, {}
        self.varies: list[bool] = []
        for v in inputs:
            self._given(v, given)
        for v in values:
            for a in v.args:
                if a.op == "constant" and a.index not in self.own:
                    self._given(a, True)
            self._small(v)
        sizes = sorted([self.own[v.index].size for v in values if self.axis[v.index] is not None])
        if sizes and sizes[len(sizes) // 2] > TYPICAL:
            raise Unsuited
        # Nothing is computed for a value before all of them are known to be suited.
        wanted = {v.index for v in outputs}
        if not any(self.axis[k] is not None for k in wanted):
            raise Unsuited
        due: dict[int, list[Guard]] = {}
        for g in guards:
            due.setdefault(g.value.index, []).append(g)
        read = {a.index for v in values for a in (v.args[1:] if self._gathers(v) else v.args)}
        for v in [*inputs, *values]:
            given = v.index not in self.inside
            if given and v.index not in read and v.index not in due:
                continue  # only gathered from
            w = self.own[v.index]
            self.elements[v.index] = self._numbers(w) if given else self._value(w)
            if v.index in wanted:
                for i, k in enumerate(self.elements[v.index].ravel().tolist()):
                    self._add("store", None, (w, i), (k,))
            for g in due.get(v.index, ()):
                self._add("guard", None, g, (self.elements[v.index].ravel()[0],))
        work = [rowed for e, rowed in zip(self.all, self.varies, strict=True) if e.kind not in ("input", "const")]
        if work.count(False) > max(BEFORE, work.count(True) * n // self.width):
            raise Unsuited

    # One row ----------------------------------------------------------------------------------

    def _given(self, v: Value, rowed: bool) -> None:
        """An input or a constant: with a row each where its first axis says so."""
        axis = 0 if rowed and v.shape and v.shape[0] == self.n and v.dtype in TYPES else None
        if axis == 0 and v.op == "constant":
            data = np.asarray(v.data)
            if data.tobytes() == data[:1].tobytes() * self.n:
                self._place(v, 0, {})
                self.own[v.index].data = data[:1]
                return
        self._place(v, axis, v.params)

    def _place(self, v: Value, axis: int | None, params: dict[str, Any]) -> None:
        shape = v.shape if axis is None else (*v.shape[:axis], 1, *v.shape[axis + 1 :])
        given = v.index not in self.inside  # whatever computed it
        args = () if given else tuple([self.own[a.index] for a in v.args])
        op = "input" if given and v.op != "constant" else v.op
        w = Value(op, shape, v.dtype, v.data, v.prim, args, params)
        w.index = v.index
        self.own[v.index], self.axis[v.index], self.shape[v.index] = w, axis, v.shape
        if not given and w.size > (SHARED if axis is None else WIDEST):
            raise Unsuited

    def _small(self, v: Value) -> None:
        """``v`` for one row: its rows' axis, and its parameters."""
        axis = self._axis(v)
        params = dict(v.params)
        if axis is not None and "shape" in params:
            shape = tuple(params["shape"])
            if shape != v.shape:
                raise Unsuited
            params["shape"] = (*shape[:axis], 1, *shape[axis + 1 :])
        self._place(v, axis, params)

    def _gathers(self, v: Value) -> bool:
        """Whether rows are chosen from an array in memory, by constant numbers."""
        if v.name != "index" or len(v.args) != 2:
            return False
        a, i = v.args
        return (
            self.axis.get(i.index) == 0
            and self.axis.get(a.index, 0) is None
            and a.index not in self.inside
            and i.op == "constant"
            and v.params["template"][0] == ARRAY
            and all(k == slice(None) for k in v.params["template"][1:])
        )

    def _axis(self, v: Value) -> int | None:
        kind = self.kinds[v.index]
        at = [self.axis[a.index] for a in v.args]
        if self._gathers(v):
            return 0
        if v.name == "broadcast_to":
            return self._broadcast(v, at[0])
        if all(k is None for k in at):
            return None
        if kind == "elementwise":
            return self._aligned(v.shape, v.args)
        if kind == "reduction":
            (p,) = at
            if p is None or p in v.params["axis"]:
                raise Unsuited
            return p - sum(k < p for k in v.params["axis"])
        if kind == "system":
            raise Unsuited
        if kind == "matmul":
            a, b = at
            if a == 0 and b is None and len(v.args[0].shape) == 2:
                return 0
            if a is None and b == 1 and len(v.args[1].shape) == 2:
                return len(v.shape) - 1
            raise Unsuited
        if v.name == "reshape":
            p = at[0]
            assert p is not None
            before = math.prod(v.args[0].shape[:p])
            for q, n in enumerate(v.shape):
                if n == self.n and math.prod(v.shape[:q]) == before:
                    return q
            raise Unsuited
        if v.name in MOVED:
            return self._moved(v, at)
        if v.name in ("scatter", "index_set"):
            return self._placed_axis(v, at)
        raise Unsuited

    def _aligned(self, shape: tuple[int, ...], args: Sequence[Value]) -> int:
        """The rows' axis of operands that are broadcast together."""
        found = {len(shape) - len(a.shape) + p for a in args if (p := self.axis[a.index]) is not None}
        if len(found) != 1:
            raise Unsuited
        (q,) = found
        for a in args:
            k = q - (len(shape) - len(a.shape))
            if self.axis[a.index] is None and k >= 0 and a.shape[k] != 1:
                raise Unsuited
        return q

    def _broadcast(self, v: Value, p: int | None) -> int | None:
        (a,) = v.args
        lead = len(v.shape) - len(a.shape)
        if p is not None:
            return lead + p
        for q, n in enumerate(v.shape):
            if n == self.n and (q < lead or a.shape[q - lead] == 1):
                return q
        return None

    def _moved(self, v: Value, at: Sequence[int | None]) -> int:
        assert v.prim is not None
        arrays = []
        if v.name == "index":
            if at[0] is None or any(k is not None for k in at[1:]) or not _full(v.params["template"], at[0], self.n):
                raise Unsuited
            arrays = _constants(v.args[1:])
        elif any(k is None for k in at):
            raise Unsuited
        own = [(a.shape, k) for a, k in zip(v.args, at, strict=True) if k is not None]
        q = _follows(lambda *xs: v.prim.impl(*xs, *arrays, **v.params), own)
        if q is None or v.shape[q] != self.n:
            raise Unsuited
        return q

    def _placed_axis(self, v: Value, at: Sequence[int | None]) -> int:
        """Where rows are placed into rows, each into its own."""
        template = v.params["template"]
        first = 1 if v.name == "scatter" else 2
        arrays = _constants(v.args[first:])
        if any(k is not None for k in at[first:]):
            raise Unsuited
        values = v.args[first - 1]
        for q in [at[0]] if first == 2 else range(len(v.shape)):
            if q is None or v.shape[q] != self.n or not _full(template, q, self.n):
                continue
            few = (*v.shape[:q], 1, *v.shape[q + 1 :])
            where = _follows(lambda x: REGISTRY["index"].impl(x, *arrays, template=template), [(v.shape, q)])
            if where is None:
                continue
            region = np.ndim(REGISTRY["index"].impl(np.empty(few, np.int8), *arrays, template=template))
            p = at[first - 1]
            own = where - (region - len(values.shape))  # the axis of the values that runs along the rows
            if p == own or (p is None and first == 2 and (own < 0 or values.shape[own] == 1)):
                return q
        raise Unsuited

    # Operations -------------------------------------------------------------------------------

    def _add(self, kind: str, t: Any, data: Any, kids: tuple[int, ...]) -> int:
        k = super()._add(kind, t, data, kids)
        if k > OPERATIONS:
            raise Unsuited
        if k == len(self.varies):
            rowed = kind in ("input", "store") and self.axis[data[0].index] is not None
            self.varies.append(rowed or kind == "gather" or any(self.varies[j] for j in kids))
        return k

    def _numbers(self, v: Value) -> Any:
        t = type_of(v.dtype)
        if v.size > SHARED:
            raise Unsuited
        same: dict[int, Any] = {}
        if v.op == "constant":
            rows = np.ascontiguousarray(v.data).reshape(self.n, -1)
            bits = rows.view(f"u{rows.itemsize}")
            same = {i: rows[0, i] for i in np.flatnonzero((bits == bits[0]).all(axis=0)).tolist()}
        return self._array(
            v.shape,
            [self._constant(same[i], t) if i in same else self._add("input", t, (v, i), ()) for i in range(v.size)],
        )

    def _together(self, j: int, k: int) -> bool:
        return self.varies[j] == self.varies[k]

    def _of(self, a: Value, t: Any = None) -> Any:
        if a.op == "constant" and self.axis[a.index] is not None and np.shape(a.data) != a.shape:
            if a.index not in self.elements:
                self.elements[a.index] = self._numbers(a)
            ids = self.elements[a.index]
            return ids if t is None else self._array(ids.shape, [self._cast(k, t) for k in ids.ravel().tolist()])
        return super()._of(a, t)

    def _value(self, v: Value) -> Any:
        if not self._gathers(v):
            return super()._value(v)
        a, i = v.args
        numbers = self._of(i, I64)
        count, size = self.shape[a.index][0], math.prod(a.shape[1:])
        ids = [
            self._add("gather", type_of(v.dtype), (a, at, size, count), (k,))
            for k in numbers.ravel().tolist()
            for at in range(size)
        ]
        return self._array(v.shape, ids)

    # Code -------------------------------------------------------------------------------------

    def build(self, module: ir.Module, name: str) -> int:
        """Emit ``run``: what all rows share, then the loop; returns the bytes of workspace."""
        order = self._order()
        self.varies += [self.varies[e.kids[0]] for e in self.all[len(self.varies) :]]  # looks
        looked = any(self.all[k].kind == "look" and self.varies[k] for k in order)
        chunks: list[tuple[bool, list[int]]] = []
        for looped in (False, True):
            some = [k for k in order if self.varies[k] == looped]
            chunks += [(looped, some[i : i + CHUNK]) for i in range(0, len(some), CHUNK)]
        home = {k: c for c, (_, chunk) in enumerate(chunks) for k in chunk}
        slots: dict[int, int] = {}  # of values that another function needs: for all rows, and for the present ones
        top = {False: 0, True: 0}
        for c, (_, chunk) in enumerate(chunks):
            for k in chunk:
                for j in self.all[k].kids:
                    if j in home and home[j] != c and j not in slots:
                        varies = self.varies[j]
                        slots[j] = top[varies]
                        top[varies] += BYTES * (self.width if varies else 1)
        flag = top[False]  # where it is noted that something in a row is not finite
        shared, own = map(aligned, (flag + BYTES * looked, top[True]))
        kind = ir.FunctionType(I64, [PTR] * (len(self.inputs) + len(self.outputs) + 2) + [I64])
        parts = [
            (looped, self._part(module, kind, f"{name}.{c}", chunk, slots, self.width if looped else 1))
            for c, (looped, chunk) in enumerate(chunks)
        ]
        run = ir.Function(module, ir.FunctionType(I64, [PTR] * (len(self.inputs) + len(self.outputs) + 1)), name)
        run.linkage = "internal"
        b = sized(ir.IRBuilder(run.append_basic_block("entry")), self.standing, run.args[0])
        body = b.append_basic_block("body")
        b.branch(body)
        b.position_at_end(body)
        for looped, f in parts:
            if not looped:
                status = b.call(f, [*run.args, ir.Constant(PTR, None), constant(I64, 0)])
                with b.if_then(b.icmp_signed("!=", status, constant(I64, DONE)), likely=False):
                    b.ret(status)
        busy = [self.all[k] for k in order if self.varies[k]]
        work = sum(pieces.cost(e.kind, e.data[1] if e.kind == "op" else None) for e in busy)
        self.cut = pieces.cut(self.n, work, self.width, self.standing, min(pieces.MOST, ROOM // max(own, 1)))

        def each(c: Any, given: Sequence[Any], mine: Any, row: Any) -> None:
            for looped, f in parts:
                if looped:
                    status = c.call(f, [*given, mine, row])
                    if looked:
                        with c.if_then(c.icmp_signed("!=", status, constant(I64, DONE)), likely=False):
                            store(c, status, given[-1], flag, I64, I8)

        def piece(c: Any, given: Sequence[Any], k: Any) -> None:
            if self.standing:
                sized(c, self.standing, given[0])
            at = c.add(constant(I64, shared), c.mul(k, constant(I64, own)))
            mine = c.gep(given[-1], [at], source_etype=I8)
            start: Any = 0
            stop: Any = self.n // self.width * self.width
            last = constant(I1, 1)
            if self.cut is not None:
                n = self.cut.count(c, self.n)
                start, stop = pieces.bounds(c, k, n, self.n, self.width)
                last = c.icmp_signed("==", k, c.sub(n, constant(I64, 1)))
            loop = Loop(c, start, stop, self.width)
            each(c, given, mine, loop.i)
            loop.close()
            if self.standing:
                more = c.and_(extent(c, self.n), constant(I64, self.width - 1))
                last = c.and_(last, c.icmp_signed("!=", more, constant(I64, 0)))
            if self.standing or self.n % self.width:  # the last rows, some of them once more
                with c.if_then(last):
                    each(c, given, mine, extent(c, self.n - self.width))

        if looked:
            store(b, constant(I64, DONE), run.args[-1], flag, I64, I8)
        if self.cut is not None:
            pieces.call(b, self.cut.count(b, self.n), run.args, piece)
        else:
            piece(b, run.args, constant(I64, 0))
        b.ret(load(b, run.args[-1], flag, I64, I8) if looked else constant(I64, DONE))
        return shared + (self.cut.n if self.cut is not None else 1) * own

    def _part(
        self, module: ir.Module, kind: Any, name: str, chunk: list[int], slots: dict[int, int], width: int
    ) -> ir.Function:
        f = ir.Function(module, kind, name)
        f.linkage = "internal"
        for a in f.args[:-1]:
            a.add_attribute("noalias")
        pointers = {v.index: a for v, a in zip([*self.inputs, *self.outputs], f.args, strict=False)}
        space, own, row = f.args[-3:]
        b = sized(ir.IRBuilder(f.append_basic_block()), self.standing, f.args[0])
        values: dict[int, Any] = {}
        looks = Looks(b)
        self.starts: dict[Any, Any] = {}  # where the present rows of arrays are, in this function

        def pointer(v: Value) -> Any:
            if v.index not in pointers:
                data = np.asarray(v.data)
                if self.axis[v.index] is not None:  # the same number of all rows together
                    data = data.reshape(self.n, -1).T
                data = np.ascontiguousarray(data)
                self.keep.append(data)
                pointers[v.index] = absolute(b, data.ctypes.data)
            return pointers[v.index]

        def get(k: int) -> Any:
            if k not in values:
                e = self.all[k]
                if e.kind == "const":
                    values[k] = constant(vector(e.type, width), e.data)
                elif e.kind == "input" and self.varies[k]:
                    values[k] = self._read(b, pointer(e.data[0]), *self._address(e.data, row), e.type)
                elif e.kind == "input":
                    values[k] = splat(b, load(b, pointer(e.data[0]), e.data[1], e.type), width)
                elif self.varies[k]:
                    values[k] = self._read(b, b.gep(own, [constant(I64, slots[k])], source_etype=I8), None, 1, e.type)
                else:
                    values[k] = splat(b, load(b, space, slots[k], e.type, I8), width)
            return values[k]

        for k in chunk:
            e = self.all[k]
            kids = [get(j) for j in e.kids]
            if e.kind == "store":
                v, i = e.data
                if self.varies[k]:
                    self._write(b, pointers[v.index], *self._address(e.data, row), kids[0], type_of(v.dtype))
                else:
                    store(b, kids[0], pointers[v.index], i, type_of(v.dtype))
                continue
            if e.kind == "guard":
                check(b, e.data, kids[0])
                continue
            if e.kind == "look":
                looks.at(kids[0])
                continue
            if e.kind == "gather":
                v, at, size, count = e.data
                i = kids[0]
                i = b.select(b.icmp_signed("<", i, constant(i.type, 0)), b.add(i, constant(i.type, count)), i)
                i = b.add(b.mul(i, constant(i.type, size)), constant(i.type, at))
                places = [b.extract_element(i, ir.Constant(I32, j)) for j in range(width)] if width > 1 else [i]
                m = memory(e.type)
                values[k] = self._collected(b, [b.gep(pointer(v), [at], source_etype=m) for at in places], e.type)
            else:
                values[k] = self._emitted(b, e, kids)
            if k in slots and self.varies[k]:
                at = b.gep(own, [constant(I64, slots[k])], source_etype=I8)
                self._write(b, at, None, 1, values[k], e.type)
            elif k in slots:
                store(b, values[k], space, slots[k], e.type, I8)
        b.ret(looks.status())
        return f

    def _address(self, data: Any, row: Any) -> tuple[Any, int]:
        """Where element ``i`` of a value lies in the first of the present rows, as (row, constant), and the rows' stride."""
        v, i = data
        axis = self.axis[v.index]
        assert axis is not None
        if v.op == "constant":
            return (row, i * self.n), 1
        inner = math.prod(v.shape[axis + 1 :])
        at = i // inner * self.n * inner + i % inner
        return (row, at), inner

    def _places(self, b: Any, p: Any, at: Any, stride: int, m: Any) -> list[Any]:
        """The addresses of an element in each lane, or of all lanes together."""
        if at is None:
            return [p]
        row, start = at
        key = (id(p), stride)
        if key not in self.starts:
            self.starts[key] = b.gep(p, [row if stride == 1 else b.mul(row, extent(b, stride))], source_etype=m)
        count = 1 if stride == 1 else self.width
        ats = [start + j * stride for j in range(count)]
        return [b.gep(self.starts[key], [extent(b, k)], source_etype=m) if k else self.starts[key] for k in ats]

    def _read(self, b: Any, p: Any, at: Any, stride: int, t: Any) -> Any:
        m = memory(t)
        places = self._places(b, p, at, stride, m)
        if len(places) > 1:
            return self._collected(b, places, t)
        x = b.load(places[0], align=m_bytes(m), typ=vector(m, self.width))
        return b.icmp_unsigned("!=", x, constant(x.type, 0)) if t is I1 else x

    def _collected(self, b: Any, places: Sequence[Any], t: Any) -> Any:
        m = memory(t)
        x = Written(vector(m, len(places)), "undef")
        for j, at in enumerate(places):
            one = b.load(at, typ=m)
            x = b.insert_element(x, one, ir.Constant(I32, j)) if len(places) > 1 else one
        return b.icmp_unsigned("!=", x, constant(x.type, 0)) if t is I1 else x

    def _write(self, b: Any, p: Any, at: Any, stride: int, x: Any, t: Any) -> None:
        m = memory(t)
        if t is I1:
            x = b.zext(x, vector(m, self.width))
        places = self._places(b, p, at, stride, m)
        if len(places) == 1:
            b.store(x, places[0], align=m_bytes(m))
            return
        for j, place in enumerate(places):
            b.store(b.extract_element(x, ir.Constant(I32, j)), place)


def _full(template: Sequence[Any], axis: int, n: int) -> bool:
    """Whether an index takes all of an axis of ``n``, in order."""
    entries = [k for k in template if k is not None]
    k = entries[axis] if axis < len(entries) else slice(None)
    return isinstance(k, slice) and k.indices(n) == (0, n, 1)


def _constants(args: Sequence[Value]) -> list[Any]:
    if any(a.op != "constant" for a in args):
        raise Unsuited
    return [a.data for a in args]


def _follows(f: Any, operands: Sequence[tuple[tuple[int, ...], int]]) -> int | None:
    """The axis of a movement's result whose size is that of axis ``k`` of its operands (shape, k)."""
    shapes = []
    for n in (2, 3):
        blanks = [np.empty((*s[:k], n, *s[k + 1 :]), np.int8) for s, k in operands]
        try:
            shapes.append(np.shape(f(*blanks)))
        except (ValueError, IndexError):
            return None
    changed = [k for k, (m, n) in enumerate(zip(*shapes, strict=True)) if m != n]
    return changed[0] if len(changed) == 1 and shapes[0][changed[0]] == 2 else None
