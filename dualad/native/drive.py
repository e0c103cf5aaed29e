"""A loop as one native function around its body: pointers move from iteration to iteration, the body is compiled once."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native import entry, library
from dualad.native.compiler import LONG
from dualad.native.elementwise import TYPES
from dualad.native.graph import Value
from dualad.native.iteration import Iteration, Read, Stack
from dualad.native.loops import Loop, memory
from dualad.native.machine import I8, I64, PTR, Machine, constant
from dualad.native.program import native_guard
from dualad.native.schedule import kind_of
from dualad.native.segment import Segment

SCRATCH = 1 << 14  # bytes on C's stack for the places of buffers that an iteration reads and writes
PER_OPERATION = 0.5  # nanoseconds, roughly


def driven(loop: Iteration) -> tuple[Any, Segment] | None:
    """The code of a loop all of whose body is native, and the body; else None."""
    graph = loop.graph
    calls = [v for v in graph.values if v.op not in ("input", "constant")]
    kinds = {v.index: k for v in calls if (k := kind_of(v)) is not None}
    specs = [*loop.args, *[s.spec for s in loop.stacks]]
    if sum(r.spec.nbytes for r in [*loop.reads, *loop.writes] if r.buffer) > SCRATCH:
        return None
    if not calls or len(kinds) < len(calls) or any(np.dtype(s.dtype) not in TYPES for s in specs):
        return None
    if not all(native_guard(g, kinds) for g in graph.guards):
        return None
    computed = list(dict.fromkeys([v for v in graph.outputs if v.index in kinds]))
    body = Segment(calls, kinds, computed, graph.guards)
    module = ir.Module("dualad")
    body.build(module, "body")
    inputs = [Value("input", tuple(s.shape), np.dtype(s.dtype), k) for k, s in enumerate(loop.args)]
    outputs = [Value("input", s.shape, np.dtype(s.spec.dtype)) for s in loop.stacks]
    outputs += [Value("input", tuple(loop.args[k].shape), np.dtype(loop.args[k].dtype)) for k in loop.buffers]
    keep = _Driver(module, loop, body).emit()
    work = loop.count * (body.work + body.products + PER_OPERATION * len(calls))
    entry.emit(module, inputs, outputs, body.workspace, work > LONG)
    library.link(module)
    machine = Machine(module)
    body.text = machine.text
    return entry.Code(machine, inputs, outputs, body.workspace, [*body.keep, *keep]), body


class _Driver:
    """``run(arguments..., stacks..., workspace)``."""

    def __init__(self, module: ir.Module, loop: Iteration, body: Segment) -> None:
        self.module, self.loop, self.body = module, loop, body
        self.keep: list[Any] = []

    def emit(self) -> list[Any]:
        """Emit it; returns the arrays whose addresses are in the code."""
        loop, body, outs = self.loop, self.body, self.loop.graph.outputs
        kind = ir.FunctionType(I64, [PTR] * (len(loop.args) + len(loop.stacks) + len(loop.buffers) + 1))
        f = ir.Function(self.module, kind, "run")
        f.linkage = "internal"
        n, m = len(loop.args), len(loop.args) + len(loop.stacks)
        self.args, self.stacks, self.buffers, space = f.args[:n], f.args[n:m], f.args[m:-1], f.args[-1]
        b = self.b = ir.IRBuilder(f.append_basic_block("entry"))
        reading = {k: self._scratch(r) for k, r in enumerate(loop.reads) if r.buffer}
        writing = [self._scratch(w) for w in loop.writes]
        for k, p in zip(loop.buffers, self.buffers, strict=True):
            self._copy(self.args[k], p, loop.args[k])
        for s, p in zip(loop.stacks, self.stacks, strict=True):
            for t, arg in enumerate(s.before, -len(s.before)):
                self._copy(self.args[arg], self._at(p, constant(I64, s.place(t)), s.spec), s.spec)
        inner = b.append_basic_block("iterations")
        b.branch(inner)
        b.position_at_end(inner)
        over = Loop(b, 0, loop.count, 1)
        for k, p in reading.items():
            self._copy(self._read(loop.reads[k], over.i), p, loop.reads[k].spec)
        reads = {v.index: reading.get(v.data) or self._read(loop.reads[v.data], over.i) for v in loop.graph.inputs}
        places = [self._place(s, p, over.i) for s, p in zip(loop.stacks, self.stacks, strict=True)] + writing
        specs = [s.spec for s in loop.stacks] + [w.spec for w in loop.writes]
        first: dict[int, Any] = {}
        for v, p in zip(outs, places, strict=True):
            first.setdefault(v.index, p)
        pointers = [reads[v.index] for v in body.inputs] + [first[v.index] for v in body.outputs]
        status = b.call(self.module.globals["body"], [*pointers, space])
        with b.if_then(b.icmp_signed("!=", status, constant(I64, -1)), likely=False):
            b.ret(status)
        for v, p, spec in zip(outs, places, specs, strict=True):
            if v.op == "input":
                self._copy(reads[v.index], p, spec)
            elif v.op == "constant":
                data = np.ascontiguousarray(v.data, np.dtype(spec.dtype))
                self._copy(self._address(data), p, spec)
            elif first[v.index] is not p:
                self._copy(first[v.index], p, spec)
        for w, p in zip(loop.writes, writing, strict=True):
            self._copy(p, self._read(w, over.i), w.spec)
        over.close()
        b.ret(constant(I64, -1))
        return self.keep

    def _scratch(self, r: Read) -> Any:
        """Memory for what is read of a buffer or written there: the body may assume that its memory is its own."""
        a = self.b.alloca(ir.ArrayType(I64, -(-max(r.spec.nbytes, 1) // 8)))
        return self.b.inttoptr(self.b.ptrtoint(a, I64), PTR)

    def _address(self, data: np.ndarray) -> Any:
        self.keep.append(data)
        return self.b.inttoptr(constant(I64, data.ctypes.data), PTR)

    def _at(self, p: Any, k: Any, spec: Any) -> Any:
        """The place ``k`` of a stack."""
        size = spec.size * np.dtype(spec.dtype).itemsize
        return self.b.gep(p, [self.b.mul(k, constant(I64, size))], source_etype=I8)

    def _place(self, s: Stack, p: Any, t: Any, back: int = 0) -> Any:
        b = self.b
        k = b.add(t, constant(I64, len(s.before) - back))
        if s.length < self.loop.count + len(s.before):
            k = b.urem(k, constant(I64, s.length))
        return self._at(p, k, s.spec)

    def _read(self, r: Read, t: Any) -> Any:
        b = self.b
        if r.back:
            return self._place(self.loop.stacks[r.arg], self.stacks[r.arg], t, r.back)
        item = np.dtype(r.spec.dtype).itemsize
        if r.table is not None:
            table = np.ascontiguousarray(r.table, np.int64) * item
            at = b.load(b.gep(self._address(table), [t], source_etype=I64), typ=I64)
        else:
            at = b.add(constant(I64, r.start * item), b.mul(t, constant(I64, r.step * item)))
        return b.gep((self.buffers if r.buffer else self.args)[r.arg], [at], source_etype=I8)

    def _copy(self, source: Any, target: Any, spec: Any) -> None:
        b = self.b
        m = memory(TYPES[np.dtype(spec.dtype)])
        if not spec.size:
            return
        over = Loop(b, 0, spec.size, 1)
        x = b.load(b.gep(source, [over.i], source_etype=m), typ=m)
        b.store(x, b.gep(target, [over.i], source_etype=m))
        over.close()
