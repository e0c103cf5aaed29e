"""A part of a program as one native function: ``run(inputs..., outputs..., workspace)``, and where its memory lies.

``run`` returns -1, the number of the guard that failed, -2 where an index was out of range, or -3 (see `folding.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native import blas, blocks, lapack, pieces
from dualad.native.complexes import Lowering, concerns, is_complex
from dualad.native.elementwise import type_of
from dualad.native.expressions import Affine, Expressions, opened, squeezed
from dualad.native.extents import ROUND, Loop, aligned, in_words, place, sized, split
from dualad.native.graph import BAD_INDEX, DONE, Guard, Value
from dualad.native.loops import Nest
from dualad.native.machine import I1, I8, I64, PTR, absolute, constant
from dualad.native.memory import memory
from dualad.native.reduction import Reduction, Scatter
from dualad.native.rows import FEWEST, Rows, rows
from dualad.native.scalars import Scalars, check, load, suits
from dualad.native.schedule import MATRICES, OWN, Kernel, Schedule, Single, contiguous, matrix

SEVERAL = 4  # loop nests that are worth being one
PRODUCT = 4096  # multiplications of a matrix product that is not part of straight-line code


class Plan:
    """What one loop nest does, how it is cut, and the bytes of partial results."""

    def __init__(
        self,
        x: Expressions,
        stores: Sequence[tuple[Value, int, Affine]],
        reductions: Sequence[Reduction],
        scatters: Sequence[Scatter],
        standing: int,
    ) -> None:
        self.x, self.stores, self.reductions, self.scatters = x, stores, reductions, scatters
        self.cut = None if scatters else pieces.along(x, reductions, standing)
        self.partial = pieces.partial_bytes(self.cut, reductions)


class Segment:
    """Values that are computed natively together; ``inputs`` and ``outputs`` are arrays (or numbers) that it shares.

    Those that are complex are ``given`` and ``made``; within, they are real arrays of the same numbers.
    """

    def __init__(
        self,
        values: Sequence[Value],
        kinds: dict[int, str],
        outputs: Sequence[Value],
        guards: Sequence[Guard],
        unused: Sequence[Value] = (),
        standing: int = 0,
        few: bool = False,
        zeros: bool = False,
    ) -> None:
        self.zeros = zeros  # straight-line code drops products with zero
        self.few = few  # rows: then it is no program of rows
        self.standing = standing  # what stands for the size in code for all sizes, whose first input is the size itself
        self.outputs = list(dict.fromkeys(outputs))
        inside = {v.index for v in values}
        used = [a for v in values for a in v.args if a.index not in inside]
        used = [a for a in dict.fromkeys([*used, *[g.value for g in guards], *unused]) if a.index not in inside]
        self.inputs = sorted([a for a in used if a.op != "constant"], key=lambda v: v.index)
        self.given, self.made = self.inputs, self.outputs  # as others see them
        if any(is_complex(v) for v in self.inputs) or any(concerns(v) for v in values):
            self.zeros = False  # the signs of complex zeros are NumPy's
            lowering = Lowering(values, self.inputs)
            values, kinds, self.inputs, self.outputs, guards = lowering.finish(self.outputs, guards)
            inside = {v.index for v in values}
        self.values = values
        self.guards = guards
        self.scalars = suits(values, kinds, self.inputs)
        needed = list(dict.fromkeys([*self.outputs, *[g.value for g in self.guards if g.value.index in inside]]))
        self.kinds = kinds
        self.needed = needed
        self.keep: list[Any] = []  # arrays whose addresses are in the code
        self.places: dict[int, int] = {}  # of buffers in the workspace, by value
        self.workspace = 0
        self.notes: list[str] = []
        self.work = self.products = 0.0  # roughly, in nanoseconds: of loops and of matrix products
        self.text = ""  # its LLVM code
        self.least = 1  # size at which it can be used

    def build(self, module: ir.Module, name: str) -> None:
        """Emit ``run`` into ``module``."""
        if self.scalars:
            code = Scalars(self.values, self.kinds, self.inputs, self.outputs, self.guards, self.zeros)
            self.workspace = code.build(module, name)
            self.notes.append(f"straight-line code of {len(code.all)} operations")
            return
        if (by_rows := self._rows(self.values, self.outputs)) is not None:
            self.workspace = self._by_rows(by_rows, module, name)
            return
        n = len(self.inputs) + len(self.outputs)
        f = ir.Function(module, ir.FunctionType(I64, [PTR] * (n + 1)), name)
        f.linkage = "internal"
        self.pointers: dict[int, Any] = {}
        self.pointers.update((v.index, a) for v, a in zip([*self.inputs, *self.outputs], f.args, strict=False))
        for a in f.args:
            a.add_attribute("noalias")
        self.space = f.args[-1]
        self.b = b = sized(ir.IRBuilder(f.append_basic_block("entry")), self.standing, f.args[0])
        self.flag = b.alloca(I1)
        b.store(constant(I1, 0), self.flag)
        body = f.append_basic_block("body")
        b.branch(body)
        b.position_at_end(body)
        self.plans = {} if self.standing else blocks.plans(self.values, self.kinds)
        rest = self._after_rows(module, name)
        self.schedule = Schedule(rest, self.kinds, [v for v in self.needed if v in rest])
        plans = [self._plan(item) for item in self.schedule.items]
        self._plan_memory([reads for _, reads in plans])
        self.partial = self.workspace  # where pieces of loops put their results
        self.workspace += max([plan.partial for plan, _ in plans if plan is not None], default=0)
        due: dict[int, list[Guard]] = {}
        for g in self.remaining:
            due.setdefault(self.base(g.value).index, []).append(g)
        for v in self.inputs:
            for g in due.get(v.index, ()):
                self._check(g)
        for item, (nest, _) in zip(self.schedule.items, plans, strict=True):
            if nest is not None:
                self._loops(item, nest)
            else:
                assert isinstance(item, Single)
                self._single(item)
            for v in item.roots if isinstance(item, Kernel) else [item.value]:
                for g in due.get(v.index, ()):
                    self._check(g)
        bad = b.load(self.flag, typ=I1)
        b.ret(b.select(bad, constant(I64, BAD_INDEX), constant(I64, DONE)))

    # Rows -------------------------------------------------------------------------------------

    def _rows(self, values: Sequence[Value], outputs: Sequence[Value]) -> Rows | None:
        """``values`` as a program of rows, where that replaces several loop nests."""
        if self.few or not self._several(values, outputs):
            return None
        inside = {v.index for v in values}
        given = {v.index for v in self.inputs}
        guards = [g for g in self.guards if g.value.index in inside or g.value.index in given]
        found = rows(values, self.kinds, self.inputs, outputs, guards, self.standing, self.zeros)
        if found is not None:
            self.work += 0.05 * sum(found.varies) * found.n
            self.remaining = [g for g in self.guards if g not in guards]
        return found

    def _several(self, values: Sequence[Value], outputs: Sequence[Value]) -> bool:
        """Whether there would be several loop nests: certainly so where as many reductions need one another."""
        depth: dict[int, int] = {}
        for v in values:
            own = self.kinds[v.index] in ("reduction", *OWN)
            depth[v.index] = max((depth.get(a.index, 0) for a in v.args), default=0) + own
        if max(depth.values(), default=0) >= SEVERAL:
            return True
        return len(Schedule(values, self.kinds, outputs).items) >= SEVERAL

    def _by_rows(self, found: Rows, module: ir.Module, name: str) -> int:
        """Emit a program of rows; returns the bytes of its workspace."""
        space = found.build(module, name)
        self.keep += found.keep
        n = "n" if self.standing else found.n
        cut = found.cut or ""
        self.notes.append(f"straight-line code of {len(found.all)} operations for each of {n} rows{cut}")
        self.least = FEWEST if self.standing else 1
        return space

    def _after_rows(self, module: ir.Module, name: str) -> list[Value]:
        """Compute by rows what comes before large matrix products, where that is a program of rows; returns the rest."""
        self.remaining = list(self.guards)
        later: set[int] = set()
        for v in self.values:
            if any(a.index in later for a in v.args) or (
                self.kinds[v.index] == "matmul" and v.args[0].size * math.prod(v.args[1].shape[1:]) > PRODUCT
            ):
                later.add(v.index)
        users: dict[int, list[Value]] = {}
        for v in self.values:
            for a in v.args:
                users.setdefault(a.index, []).append(v)
        wanted = {v.index for v in self.outputs}
        for v in reversed(self.values):  # views are better taken where they are used
            if self.kinds[v.index] == "alias" and v.index not in wanted:
                if all(u.index in later for u in users.get(v.index, ())):
                    later.add(v.index)
        first = [v for v in self.values if v.index not in later]
        if not first or len(first) == len(self.values):
            return list(self.values)
        outputs = [v for v in first if v.index in wanted or any(u.index in later for u in users.get(v.index, ()))]
        by_rows = self._rows(first, outputs)
        if by_rows is None:
            return list(self.values)
        b = self.b
        for v in outputs:
            if v.index not in self.pointers:
                self.pointers[v.index] = b.gep(self.space, [place(b, self.workspace)], source_etype=I8)
                self.workspace += self._bytes(v)
        space = b.gep(self.space, [place(b, self.workspace)], source_etype=I8)
        self.workspace += aligned(self._by_rows(by_rows, module, f"{name}.rows"))
        status = b.call(
            module.get_global(f"{name}.rows"), [*[self.pointers[v.index] for v in [*self.inputs, *outputs]], space]
        )
        with b.if_then(b.icmp_signed("!=", status, constant(I64, DONE)), likely=False):
            b.ret(status)
        return [v for v in self.values if v.index in later]

    # Memory -----------------------------------------------------------------------------------

    def base(self, v: Value) -> Value:
        """Whose buffer a value lies in."""
        s = self.schedule
        v = s.owner.get(v.index, v)
        while v.index in s.inside and s.kinds[v.index] == "alias" and v.index not in s.outputs:
            v = v.args[0]
        return v

    def pointer(self, v: Value) -> Any:
        v = self.base(v)
        p = self.pointers.get(v.index)
        if p is None:
            with self.b.goto_entry_block():
                if v.op == "constant":
                    data = np.ascontiguousarray(v.data)
                    self.keep.append(data)
                    p = absolute(self.b, data.ctypes.data)
                else:
                    p = self.b.gep(self.space, [place(self.b, self.places[v.index])], source_etype=I8)
            self.pointers[v.index] = p
        return p

    def _bytes(self, v: Value) -> int:
        """Of a buffer; a part that grows with the size is counted for each of its elements."""
        item = np.dtype(v.dtype).itemsize
        a, rest = split(v.size, self.standing) if self.standing else (0, max(1, v.size))
        return -(-a * item // ROUND) * ROUND * self.standing + aligned(max(0, rest) * item)

    def _suits(self, size: int, room: int) -> bool:
        if self.standing:
            return size % self.standing <= room % self.standing and size // self.standing == room // self.standing
        return size <= room <= 2 * size

    def _plan_memory(self, reads: list[set[int]]) -> None:
        """A place in the workspace for each buffer, used again when what was there is dead (best fit)."""
        last: dict[int, int] = {}
        for k, own in enumerate(reads):
            for index in own:
                last[index] = k
        s = self.schedule
        free: list[tuple[int, int]] = []  # (place, size)
        busy: list[tuple[int, int, int]] = []  # (the last item that reads it, place, size)
        for k, item in enumerate(self.schedule.items):
            free += [(p, n) for end, p, n in busy if end < k]
            busy = [x for x in busy if x[0] >= k]
            for v in item.roots if isinstance(item, Kernel) else [item.value]:
                v = s.owner.get(v.index, v)
                if v.index in self.pointers or v.index in self.places:
                    continue
                size = self._bytes(v)
                fits = [x for x in free if self._suits(size, x[1])]
                if fits:
                    at = min(fits, key=lambda x: x[1])
                    free.remove(at)
                else:
                    at = (self.workspace, size)
                    self.workspace += size
                self.places[v.index] = at[0]
                busy.append((last.get(v.index, k), *at))

    # Items ------------------------------------------------------------------------------------

    def _plan(self, item: Kernel | Single) -> tuple[Plan | None, set[int]]:
        """What a loop nest does, and the buffers that an item reads."""
        s = self.schedule
        if isinstance(item, Single) and item.kind in MATRICES:
            found = [matrix(a, s.in_buffer, "pairs" in item.value.params) for a in item.value.args]
            bases = [a if f is None else f[0] for a, f in zip(item.value.args, found, strict=True)]
            return None, {self.base(v).index for v in bases}
        if isinstance(item, Single) and item.kind == "copy":
            return None, {self.base(a).index for a in item.value.args}
        stores: list[tuple[Value, int]] = []
        reductions: list[Reduction] = []
        scatters: list[Scatter] = []
        if isinstance(item, Single):
            values, *arrays = item.value.args
            x = Expressions(squeezed(values.shape), s.read_at(item.stage))
            scatters.append(_scattered(x, item.value, values, arrays))
        else:
            x = Expressions(item.domain, s.read_at(item.stage))
            for v in item.roots:
                a = v.args[0] if s.kinds[v.index] in ("reduction", "part") else v
                k = x.resolve(a, x.identity(a.shape))
                if s.kinds[v.index] == "part":
                    if (table := s.tables.get(v.index)) is not None:
                        v.data = x.load(table, x.identity(table.shape), ())
                    stores.append((v, x.cast(k, type_of(v.dtype))))
                    continue
                if a is not v:
                    k = x.cast(k, I1 if v.name in ("any", "all") else type_of(v.dtype))
                    alive = [j for j, n in enumerate(a.shape) if n != 1]
                    axes = frozenset(alive.index(j) for j in v.params["axis"] if a.shape[j] != 1)
                    if axes:
                        reductions.append(Reduction(v, k, axes))
                        continue
                stores.append((v, k))
        places = [s.place(v) if v.index in s.owner else _rowmajor(x.domain) for v, _ in stores]
        places += [c.at for c in scatters]
        merged = x.merge([r.axes for r in reductions], places)
        for r, axes in zip(reductions, merged, strict=True):
            r.axes = axes
        for c, at in zip(scatters, places[len(stores) :], strict=True):
            c.at = at
        placed = [(v, k, at) for (v, k), at in zip(stores, places, strict=False)]
        reads = {self.base(e.value).index for e in x.all if e.kind in ("load", "gather")}
        return Plan(x, placed, reductions, scatters, self.standing), reads

    def _loops(self, item: Kernel | Single, plan: Plan) -> None:
        x, stores, reductions, scatters = plan.x, plan.stores, plan.reductions, plan.scatters
        for c in scatters:
            self._fill(c.v, 0)
        for r in reductions:
            if 0 in x.domain:
                self._fill(r.v, r.start(r.type).constant)
        if plan.cut is not None:
            space = self.b.gep(self.space, [place(self.b, self.partial)], source_etype=I8)
            size = self.pointers[self.inputs[0].index] if self.standing else None
            pieces.emit(self.b, plan.cut, x, stores, reductions, self.pointer, self.flag, space, size)
        else:
            Nest(self.b, x, stores, reductions, scatters, self.pointer, self.flag).run()
        names = ", ".join(self.base(v).name for v in (item.roots if isinstance(item, Kernel) else [item.value]))
        self.work += math.prod(x.domain) * sum(e.kind != "const" for e in x.all) * 0.2
        cut = plan.cut or ""
        self.notes.append(f"loop {in_words(x.domain, self.standing)}: {names} ({len(x.all)} expressions){cut}")

    def _single(self, item: Single) -> None:
        if item.kind == "matmul":
            plan = self.plans.pop(item.value.index, None)
            blas.multiply(self.b, item.value, self.schedule.in_buffer, self.pointer, plan)
            if plan is not None:
                self.keep += plan.arrays.values()
            how = "BLAS" if plan is None or not plan.used else plan.in_words()
            self.notes.append(f"{how}: {item.value!r}")
            self.products += item.value.args[0].size * math.prod(item.value.args[1].shape[1:]) * 0.05
        elif item.kind == "system":
            lapack.emit(self.b, item.value, self.schedule.in_buffer, self.pointer)
            self.notes.append(f"LAPACK: {item.value!r}")
            self.products += lapack.work(item.value)
        else:
            self._copy(item.value)
            self.notes.append(f"copy: {item.value!r}")

    def _fill(self, v: Value, x: Any) -> None:
        b = self.b
        m = memory(type_of(v.dtype))
        if v.size:
            loop = Loop(b, 0, v.size, 1)
            b.store(constant(m, x), b.gep(self.pointer(v), [loop.i], source_etype=m))
            loop.close()

    def _check(self, g: Guard) -> None:
        check(self.b, g, load(self.b, self.pointer(g.value), 0, type_of(g.value.dtype)))

    def _copy(self, v: Value) -> None:
        b = self.b
        m = memory(type_of(v.dtype))
        if v.size:
            loop = Loop(b, 0, v.size, 1)
            x = b.load(b.gep(self.pointer(v.args[0]), [loop.i], source_etype=m), typ=m)
            b.store(x, b.gep(self.pointer(v), [loop.i], source_etype=m))
            loop.close()


def _scattered(x: Expressions, v: Value, values: Value, arrays: Sequence[Value]) -> Scatter:
    """``values`` added to zeros at ``arrays``."""
    index = x.identity(values.shape)
    inner, block, axes = opened(v.params["template"], v.shape, index, [i.shape for i in arrays], x.zero)
    scaled = []
    for axis, i in zip(axes, arrays, strict=True):
        own = block[len(block) - len(i.shape) :]
        own = tuple([x.zero if n == 1 else a for a, n in zip(own, i.shape, strict=True)])
        n = v.shape[axis]
        scaled.append((x.cast(x.resolve(i, own), I64), math.prod(v.shape[axis + 1 :]), -n if i.op == "constant" else n))
    return Scatter(v, x.resolve(values, index), scaled, x.address(v.shape, inner))


def _rowmajor(domain: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *contiguous(domain))
