"""Programs on a few numbers as straight-line code: every element a scalar of its own, every movement a renaming.

Long programs are cut into functions of bounded size, so that compiling takes time linear in the program; what crosses from
one to another goes through the workspace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native.elementwise import cast, emit, plan, type_of
from dualad.native.folding import Looks, looked_at, simpler
from dualad.native.graph import DONE, Guard, Value
from dualad.native.machine import F32, F64, I1, I8, I64, PTR, constant, intrinsic, number
from dualad.native.memory import memory
from dualad.native.reduction import Reduction

SMALL, TINY = 16, 4  # elements
OPERATIONS = 60_000
CHUNK = 1500  # operations in one function
BYTES = 8  # of a slot


class Operation:
    """``kind``: input (``data``: value, element), const, op (``data``: value, plan), cast, combine (``data``: a Reduction),
    product, store (``data``: value, element), guard, look (whether it is finite)."""

    __slots__ = ("data", "kids", "kind", "type")

    def __init__(self, kind: str, type: Any, data: Any, kids: tuple[int, ...]) -> None:
        self.kind, self.type, self.data, self.kids = kind, type, data, kids


def suits(values: Sequence[Value], kinds: dict[int, str], inputs: Sequence[Value]) -> bool:
    """Whether a segment had better be straight-line code."""
    sizes = [v.size for v in [*values, *inputs]]
    if max(sizes) > SMALL or sum(sizes) > OPERATIONS or 0 in sizes:
        return False
    if any(v.name in ("index", "scatter") and any(a.op != "constant" for a in v.args[1:]) for v in values):
        return False
    if any(kinds[v.index] == "system" for v in values):
        return False
    moved = sum(kinds[v.index] in ("movement", "alias", "join", "scatter") for v in values)
    return max(sizes) <= TINY or 4 * moved >= len(values)


class Scalars:
    """A segment by elements; ``zeros``: products with zero are dropped."""

    def __init__(
        self,
        values: Sequence[Value],
        kinds: dict[int, str],
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        guards: Sequence[Guard],
        zeros: bool = False,
    ) -> None:
        self.kinds, self.zeros = kinds, zeros
        self.dropped: set[int] = set()  # factors of such products
        self.known: dict[int, Any] = {}  # constants
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.all: list[Operation] = []
        self._same: dict[Any, int] = {}
        self.elements: dict[int, Any] = {}  # of each value: an array of operations
        wanted = {v.index for v in outputs}
        due: dict[int, list[Guard]] = {}
        for g in guards:
            due.setdefault(g.value.index, []).append(g)
        given = {v.index for v in inputs}
        for v in [*inputs, *values]:
            if v.index in given:
                t = type_of(v.dtype)
                own = self._array(v.shape, [self._add("input", t, (v, i), ()) for i in range(v.size)])
            else:
                own = self._value(v)
            self.elements[v.index] = own
            if v.index in wanted:
                for i, k in enumerate(own.ravel().tolist()):
                    self._add("store", None, (v, i), (k,))
            for g in due.get(v.index, ()):
                self._add("guard", None, g, (own.ravel()[0],))

    def _array(self, shape: tuple[int, ...], ids: list[int]) -> Any:
        return np.array(ids, dtype=np.int64).reshape(shape)

    def _add(self, kind: str, t: Any, data: Any, kids: tuple[int, ...]) -> int:
        if kids and (other := simpler(self, kind, t, data, kids)) is not None:
            return other
        if kind == "op":
            v, how = data
            key: Any = (kind, v.name, t, how, v.args[1].index if how[0] == "power" else None, kids)
        elif kind == "const":
            key = (kind, t, repr(data))
        elif kind == "combine":
            key = (kind, data.name, t, kids)
        elif kind in ("store", "guard"):
            key = (kind, len(self.all))
        else:
            key = (kind, t, data, kids)
        k = self._same.get(key)
        if k is None:
            k = self._same[key] = len(self.all)
            self.all.append(Operation(kind, t, data, kids))
            if kind == "const":
                self.known[k] = data
        return k

    def _constant(self, x: Any, t: Any) -> int:
        return self._add("const", t, number(x, t), ())

    def _cast(self, k: int, t: Any) -> int:
        e = self.all[k]
        if e.type is t:
            return k
        return self._constant(e.data, t) if e.kind == "const" else self._add("cast", t, None, (k,))

    def _of(self, a: Value, t: Any = None) -> Any:
        """The elements of an operand, as type ``t``."""
        if a.op == "constant":
            data = np.asarray(a.data)
            own = type_of(data.dtype) if t is None else t
            return self._array(data.shape, [self._constant(x, own) for x in data.ravel().tolist()])
        ids = self.elements[a.index]
        if t is None or type_of(a.dtype) is t:
            return ids
        return self._array(ids.shape, [self._cast(k, t) for k in ids.ravel().tolist()])

    def _value(self, v: Value) -> Any:
        kind = self.kinds[v.index]
        assert v.prim is not None
        if kind == "elementwise":
            how = plan(v)
            assert how is not None
            t = type_of(v.dtype)
            operands = [self._of(a, s) for a, s in zip(v.args, how[1], strict=True) if s is not None]
            rows = np.broadcast_arrays(*operands)
            ids = [self._add("op", t, (v, how), kids) for kids in zip(*[r.ravel().tolist() for r in rows], strict=True)]
            return self._array(rows[0].shape, ids)
        if kind == "reduction":
            return self._reduction(v)
        if kind == "matmul":
            return self._matmul(v)
        t = type_of(v.dtype)
        if v.name in ("scatter", "index_set"):
            return self._placed(v, t)
        parts = [self._of(a, t) for a in v.args[:1]] if v.name == "index" else [self._of(a, t) for a in v.args]
        if v.name == "index":
            parts += [np.asarray(a.data) for a in v.args[1:]]
        return np.asarray(v.prim.impl(*parts, **v.params))

    def _placed(self, v: Value, t: Any) -> Any:
        from dualad.ops.index import _fill

        if v.name == "index_set":
            out = self._of(v.args[0], t).copy()
            out[_fill(v.params["template"], [])] = self._of(v.args[1], t)
            return out
        out = np.full(v.shape, self._constant(0, t), np.int64)
        x = self._of(v.args[0], t)
        key = _fill(v.params["template"], [np.asarray(a.data) for a in v.args[1:]])
        if len(v.args) == 1:
            out[key] = x
            return out
        places = np.arange(v.size).reshape(v.shape)[key]
        flat = out.reshape(-1)
        add = Reduction(v, 0, frozenset())
        add.name = "sum"
        zero = self._constant(0, t)
        for at, k in zip(places.ravel().tolist(), np.broadcast_to(x, places.shape).ravel().tolist(), strict=True):
            flat[at] = k if flat[at] == zero else self._add("combine", t, add, (int(flat[at]), k))
        return out

    def _reduction(self, v: Value) -> Any:
        a = v.args[0]
        t = type_of(v.dtype)
        x = self._of(a, I1 if v.name in ("any", "all") else t)
        axes = v.params["axis"]
        kept = [k for k in range(len(a.shape)) if k not in axes]
        rows = x.transpose([*kept, *axes]).reshape(v.size, -1).tolist()
        red = Reduction(v, 0, frozenset())
        return self._array(v.shape, [self._combined(red, t, row) for row in rows])

    def _combined(self, red: Reduction, t: Any, row: list[int]) -> int:
        out = row[0]
        for k in row[1:]:
            out = self._add("combine", t, red, (out, k))
        return out

    def _matmul(self, v: Value) -> Any:
        t = type_of(v.dtype)
        a, b = (self._of(x, t) for x in v.args)
        rows = a if a.ndim == 2 else a[None, :]
        columns = b.T if b.ndim == 2 else b[None, :]
        add = Reduction(v, 0, frozenset())
        add.name = "sum"
        ids = []
        for r in rows.tolist():
            for c in columns.tolist():
                terms = [self._add("product", t, None, (x, y)) for x, y in zip(r, c, strict=True)]
                ids.append(self._combined(add, t, terms))
        return self._array(v.shape, ids)

    # Code -------------------------------------------------------------------------------------

    def build(self, module: ir.Module, name: str) -> int:
        """Emit ``run`` and the functions it is cut into; returns the bytes of workspace."""
        order = self._order()
        chunks = [order[i : i + CHUNK] for i in range(0, len(order), CHUNK)]
        home = {k: c for c, chunk in enumerate(chunks) for k in chunk}
        crossing: dict[int, int] = {}  # slots of values that another function needs
        for c, chunk in enumerate(chunks):
            for k in chunk:
                for j in self.all[k].kids:
                    if j in home and home[j] != c:
                        crossing.setdefault(j, len(crossing))
        kind = ir.FunctionType(I64, [PTR] * (len(self.inputs) + len(self.outputs) + 1))
        parts = [self._function(module, kind, f"{name}.{c}", chunk, crossing) for c, chunk in enumerate(chunks)]
        run = ir.Function(module, kind, name)
        run.linkage = "internal"
        b = ir.IRBuilder(run.append_basic_block())
        for f in parts:
            status = b.call(f, run.args)
            with b.if_then(b.icmp_signed("!=", status, constant(I64, DONE)), likely=False):
                b.ret(status)
        b.ret(constant(I64, DONE))
        return BYTES * len(crossing)

    def _order(self) -> list[int]:
        """What is emitted: what results and guards need, and after each number that is looked at the look at it; a result is
        stored as soon as it is there, and need not be kept until the end."""
        looks = {}
        for k in looked_at(self, self._alive(), self._together) if self.dropped else ():
            looks[k] = len(self.all)
            self.all.append(Operation("look", self.all[k].type, None, (k,)))
        alive = self._alive()
        stores: dict[int, list[int]] = {}
        for k, e in enumerate(self.all):
            if e.kind == "store":
                stores.setdefault(e.kids[0], []).append(k)
        order = []
        for k, e in enumerate(self.all):
            if alive[k] and e.kind not in ("input", "const", "store", "look"):
                order.append(k)
            order += stores.get(k, ())
            if k in looks:
                order.append(looks[k])
        return order

    def _together(self, j: int, k: int) -> bool:
        return True

    def _alive(self) -> list[bool]:
        alive = [e.kind in ("store", "guard", "look") for e in self.all]
        for k in range(len(self.all) - 1, -1, -1):
            if alive[k]:
                for j in self.all[k].kids:
                    alive[j] = True
        return alive

    def _function(self, module: ir.Module, kind: Any, name: str, chunk: list[int], crossing: dict[int, int]) -> Any:
        f = ir.Function(module, kind, name)
        f.linkage = "internal"
        for a in f.args:
            a.add_attribute("noalias")
        pointers = {v.index: a for v, a in zip([*self.inputs, *self.outputs], f.args, strict=False)}
        space = f.args[-1]
        b = ir.IRBuilder(f.append_basic_block())
        values: dict[int, Any] = {}
        looks = Looks(b)

        def get(k: int) -> Any:
            if k not in values:
                e = self.all[k]
                if e.kind == "const":
                    values[k] = constant(e.type, e.data)
                elif e.kind == "input":
                    values[k] = load(b, pointers[e.data[0].index], e.data[1], e.type)
                else:
                    values[k] = load(b, space, BYTES * crossing[k], e.type, I8)
            return values[k]

        for k in chunk:
            e = self.all[k]
            kids = [get(j) for j in e.kids]
            if e.kind == "store":
                v, i = e.data
                store(b, kids[0], pointers[v.index], i, type_of(v.dtype))
                continue
            if e.kind == "guard":
                check(b, e.data, kids[0])
                continue
            if e.kind == "look":
                looks.at(kids[0])
                continue
            values[k] = self._emitted(b, e, kids)
            if k in crossing:
                store(b, values[k], space, BYTES * crossing[k], e.type, I8)
        b.ret(looks.status())
        return f

    def _emitted(self, b: Any, e: Operation, kids: list[Any]) -> Any:
        if e.kind == "op":
            v, how = e.data
            return emit(b, v, how, kids)
        if e.kind == "cast":
            return cast(b, kids[0], e.type)
        if e.kind == "combine":
            return e.data.combine(b, *kids)
        return b.fmul(*kids)


def load(b: Any, p: Any, at: int, t: Any, unit: Any = None) -> Any:
    m = memory(t)
    x = b.load(b.gep(p, [constant(I64, at)], source_etype=unit or m), typ=m)
    return b.icmp_unsigned("!=", x, constant(I8, 0)) if t is I1 else x


def store(b: Any, x: Any, p: Any, at: int, t: Any, unit: Any = None) -> None:
    m = memory(t)
    b.store(b.zext(x, m) if t is I1 else x, b.gep(p, [constant(I64, at)], source_etype=unit or m))


def check(b: Any, g: Guard, x: Any) -> None:
    """Leave the function where Python would have seen something else in ``x``."""
    real = x.type in (F64, F32)
    if g.why == "bool()":
        x = cast(b, x, I1)
        holds = x if g.seen else b.not_(x)
    else:
        if g.why == "int()":
            x = intrinsic(b, "trunc", x) if real else cast(b, x, I64)
        seen = constant(x.type, np.asarray(g.seen).reshape(())[()])
        holds = (b.fcmp_ordered if real else b.icmp_signed)("==", x, seen)
    with b.if_then(b.not_(holds), likely=False):
        b.ret(constant(I64, g.place))
