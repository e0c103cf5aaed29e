"""A loop as one native function around its body: pointers move from iteration to iteration, the body is compiled once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.core.spec import Spec
from dualad.native import entry, library
from dualad.native.complexes import REAL, in_memory, kind_of
from dualad.native.elementwise import TYPES
from dualad.native.extents import Loop, aligned
from dualad.native.fork import FORK, Fork
from dualad.native.graph import DONE, Graph, Guard, Repeated, Value
from dualad.native.iteration import NESTED, Iteration, Read, Stack
from dualad.native.machine import I1, I8, I64, PTR, absolute, constant
from dualad.native.memory import memory
from dualad.native.program import _depths, native_guard
from dualad.native.scalars import load
from dualad.native.segment import Segment

SCRATCH = 1 << 14  # bytes on C's stack for the places of buffers that an iteration reads and writes
PER_OPERATION = 0.5  # nanoseconds, roughly
Place = tuple[str, Any]
Item = tuple[
    str, Sequence[Value], list[Place], int, int
]  # a function, what it reads and writes, its workspace, its first guard


def driven(loop: Iteration) -> tuple[Any, Body] | None:
    """The code of a loop all of whose body is native, and the body; else None."""
    module = library.module()
    driver = _Driver(module, loop, "run")
    if not driver.emit():
        return None
    inputs = [Value("input", tuple(s.shape), np.dtype(s.dtype), k) for k, s in enumerate(loop.args)]
    outputs = [Value("input", tuple(s.shape), np.dtype(s.dtype)) for s in loop.results]
    body = driver.body
    code = entry.Code(module, inputs, outputs, body.workspace, driver.work, driver.keep)
    body.text = code.machine.text
    return code, body


def whole(graph: Graph, kinds: dict[int, str]) -> tuple[Any, _Parts] | None:
    """The code of a program with loops, where all of it is native; else None."""
    calls = [v for v in graph.values if v.op not in ("input", "constant")]
    others = [v for v in calls if v.index not in kinds and v.prim not in NESTED]
    outputs = list(dict.fromkeys(graph.outputs))
    if any(v.op != "pick" or v.args[0].prim not in NESTED for v in others):
        return None
    if any(v.op in ("input", "constant") for v in outputs) or any(v.dtype not in TYPES for v in graph.inputs):
        return None
    if not all(isinstance(g, Repeated) or native_guard(g, kinds) for g in graph.guards):
        return None
    module = library.module()
    parts = _Parts(module, graph, kinds)
    if not parts.build("run"):
        return None
    code = entry.Code(module, parts.inputs, parts.outputs, parts.workspace, parts.work, parts.keep)
    parts.text = code.machine.text
    return code, parts


def _body(module: ir.Module, graph: Graph, name: str) -> Body | None:
    """The function of one iteration, if all of it is native."""
    calls = [v for v in graph.values if v.op not in ("input", "constant")]
    kinds = {v.index: k for v in calls if (k := kind_of(v)) is not None}
    loops = [v for v in calls if v.prim in NESTED]
    others = [v for v in calls if v.index not in kinds and v.prim not in NESTED]
    if not calls or any(v.op != "pick" or v.args[0].prim not in NESTED for v in others):
        return None
    if not all(isinstance(g, Repeated) or native_guard(g, kinds) for g in graph.guards):
        return None
    if loops:
        parts = _Parts(module, graph, kinds)
        return parts if parts.build(name) else None
    body = Segment(calls, kinds, [v for v in dict.fromkeys(graph.outputs) if v.index in kinds], graph.guards)
    body.build(module, name)
    if body.scalars:  # a call with dozens of addresses costs about what a small body does
        for f in module.functions:
            if f.blocks and f.name.startswith(name):
                f.attributes.add("alwaysinline")
    return body


class _Parts:
    """An iteration with loops in it: segments and loops in turn, which hand on what they compute in the workspace."""

    def __init__(self, module: ir.Module, graph: Graph, kinds: dict[int, str]) -> None:
        self.module, self.graph, self.kinds = module, graph, kinds
        self.inputs = graph.inputs
        self.outputs = [v for v in dict.fromkeys(graph.outputs) if v.op not in ("input", "constant")]
        self.keep: list[Any] = []
        self.notes: list[str] = []
        self.work = self.products = 0.0
        self.workspace = 0
        self.text = ""
        self.ends = {v.index for v in self.outputs}
        self.places: dict[int, int] = {}  # in the workspace
        self.inside: dict[int, tuple[Value, int]] = {}  # what lies within another value, and how many bytes in

    def build(self, name: str) -> bool:
        """Emit the function; False where a loop's body is not native."""
        graph = self.graph
        for v in graph.values:
            if v.index in self.kinds and (at := within(v)) is not None:
                a, start = self.inside.get(v.args[0].index, (v.args[0], 0))
                if a.op == "input" or (a.op == "pick" and a.args[0].prim in NESTED):
                    self.inside[v.index] = a, start + at
        kinds = {k: kind for k, kind in self.kinds.items() if k not in self.inside}
        depth = _depths(graph, self.kinds)
        users = graph.users()
        guards: dict[int, list[Guard]] = {}
        for g in graph.guards:
            if not isinstance(g, Repeated):
                guards.setdefault(depth.get(g.value.index, 0), []).append(g)
        items: list[Item] = []
        for d in range(max(depth.values()) + 1):
            inside = [v for v in graph.values if v.index in kinds and depth[v.index] == d]
            if guards.get(d) and not inside:
                return False
            if inside:
                here = {v.index for v in inside}
                needed = [v for v in inside if v.index in self.ends or any(u.index not in here for u in users[v.index])]
                s = Segment(inside, kinds, needed, guards.get(d, []))
                s.build(self.module, f"{name}.{d}")
                self._took(s)
                results = [self._result(v.size * np.dtype(v.dtype).itemsize, v.index) for v in s.outputs]
                items.append((f"{name}.{d}", s.inputs, results, s.workspace, 0))
            for v in graph.values:
                if v.prim in NESTED and depth[v.index] == d:
                    own = v.params["body"]
                    kind = _Switch if v.prim is FORK else _Driver
                    driver = kind(self.module, own, f"{name}.{d}.{v.index}")
                    if not driver.emit():
                        return False
                    self.keep += driver.keep
                    self.work += driver.work
                    self.notes += [*own.heading("native"), *[f"  {line}" for line in driver.notes]]
                    picks = {p.data: p.index for p in users[v.index]}
                    results = [self._result(s.nbytes, picks.get(k)) for k, s in enumerate(own.results)]
                    items.append((driver.name, v.args, results, driver.workspace, (own.places or [0])[0]))
        self._function(name, items)
        return True

    def _took(self, part: Body) -> None:
        self.keep += part.keep
        self.notes += part.notes
        self.work += part.work + part.products

    def _room(self, size: int) -> int:
        at = self.workspace
        self.workspace += aligned(max(1, size))
        return at

    def _result(self, size: int, index: int | None) -> Place:
        """Where a value goes: outputs to where they belong at once, else a place in the workspace."""
        if index in self.ends:
            return "output", index
        at = self._room(size)
        if index is not None:
            self.places[index] = at
        return "workspace", at

    def _function(self, name: str, items: Sequence[Item]) -> None:
        f = ir.Function(self.module, ir.FunctionType(I64, [PTR] * (len(self.inputs) + len(self.outputs) + 1)), name)
        f.linkage = "internal"
        b = ir.IRBuilder(f.append_basic_block("entry"))
        space = f.args[-1]
        inputs = {v.index: p for v, p in zip(self.inputs, f.args, strict=False)}
        outputs = {v.index: p for v, p in zip(self.outputs, f.args[len(self.inputs) : -1], strict=True)}
        own = {**inputs, **{k: p for k, p in outputs.items() if k not in self.inside}}
        room = self._room(max(need for _, _, _, need, _ in items))

        def at(k: int) -> Any:
            return b.gep(space, [constant(I64, k)], source_etype=I8)

        def pointer(v: Value) -> Any:
            if v.op == "constant":
                data = np.ascontiguousarray(v.data)
                self.keep.append(data)
                return absolute(b, data.ctypes.data)
            if v.index in self.inside:
                a, start = self.inside[v.index]
                return b.gep(pointer(a), [constant(I64, start)], source_etype=I8)
            return own[v.index] if v.index in own else at(self.places[v.index])

        for called, args, results, _, first in items:
            places = [outputs[k] if what == "output" else at(k) for what, k in results]
            pointers = [*[pointer(v) for v in args], *places, at(room)]
            status = b.call(self.module.globals[called], pointers)
            with b.if_then(b.icmp_signed("!=", status, constant(I64, DONE)), likely=False):
                missed = b.add(status, constant(I64, first))
                b.ret(b.select(b.icmp_signed(">=", status, constant(I64, 0)), missed, status))
        for v in self.outputs:
            if v.index in self.inside:
                copy(b, pointer(v), outputs[v.index], Spec(v.shape, v.dtype))
        b.ret(constant(I64, DONE))


Body = Segment | _Parts


def within(v: Value) -> int | None:
    """How many bytes into its argument the elements of a value lie, if they are some of it as it lies; else None."""
    if v.name != "index" or len(v.args) != 1 or not v.size:
        return None
    template, a = v.params["template"], v.args[0]
    at = k = 0
    while k < len(template) and type(template[k]) is int:
        at = at * a.shape[k] + template[k] % a.shape[k]
        k += 1
    rest = template[k:]
    if len(template) != len(a.shape) or not all(type(s) is slice for s in rest):
        return None
    for n, s in enumerate(rest):
        start, stop, step = s.indices(a.shape[k + n])
        if step != 1 or (n and (start, stop) != (0, a.shape[k + n])):
            return None
        at = at * a.shape[k + n] + start
    return at * np.dtype(v.dtype).itemsize


class _Around:
    """What a function around bodies has: it calls them, and copies what they do not write."""

    def __init__(self, module: ir.Module, of: Any, name: str) -> None:
        self.module, self.of, self.name = module, of, name
        self.work, self.workspace = 0.0, 0
        self.keep: list[Any] = []
        self.notes: list[str] = []

    def _begin(self, arguments: int) -> Any:
        f = ir.Function(self.module, ir.FunctionType(I64, [PTR] * arguments), self.name)
        f.linkage = "internal"
        self.b = ir.IRBuilder(f.append_basic_block("entry"))
        return f

    def _took(self, body: Body) -> None:
        self.keep += body.keep
        self.notes += body.notes
        self.workspace = max(self.workspace, body.workspace)

    def _run(
        self,
        body: Body | None,
        name: str,
        graph: Graph,
        reads: dict[int, Any],
        places: Sequence[Any],
        specs: Sequence[Any],
        space: Any,
        first: int = 0,
    ) -> None:
        """Run a body (None: it computes nothing) that reads there, such that its outputs are at ``places``; ``first`` is the
        number of its first guard."""
        b = self.b
        own: dict[int, Any] = {}
        for v, p in zip(graph.outputs, places, strict=True):
            own.setdefault(v.index, p)
        if body is not None:
            pointers = [reads[v.index] for v in body.inputs] + [own[v.index] for v in body.outputs]
            status = b.call(self.module.globals[name], [*pointers, space])
            with b.if_then(b.icmp_signed("!=", status, constant(I64, DONE)), likely=False):
                missed = b.add(status, constant(I64, first))
                b.ret(b.select(b.icmp_signed(">=", status, constant(I64, 0)), missed, status))
        for v, p, spec in zip(graph.outputs, places, specs, strict=True):
            if v.op == "input":
                copy(b, reads[v.index], p, spec)
            elif v.op == "constant":
                copy(b, self._address(np.ascontiguousarray(v.data, np.dtype(spec.dtype))), p, spec)
            elif own[v.index] is not p:
                copy(b, own[v.index], p, spec)

    def _address(self, data: np.ndarray) -> Any:
        self.keep.append(data)
        return absolute(self.b, data.ctypes.data)


class _Switch(_Around):
    """``name(index, arguments..., results..., workspace)`` for a choice between programs."""

    def emit(self) -> bool:
        """Emit it; False where a branch is not native."""
        fork: Fork = self.of
        bodies: list[Body | None] = []
        for k, graph in enumerate(fork.graphs):
            if any(not in_memory(v.dtype) for v in [*graph.inputs, *fork.results]):
                return False
            calls = any(v.op not in ("input", "constant") for v in graph.values)
            body = _body(self.module, graph, f"{self.name}.{k}") if calls else None
            if calls and body is None:
                return False
            bodies.append(body)
            if body is not None:
                self._took(body)
                self.work = max(self.work, body.work + body.products)
        n = len(fork.graphs[0].inputs)
        f = self._begin(1 + n + len(fork.results) + 1)
        b = self.b
        m = memory(TYPES[fork.index])
        index = b.zext(b.load(f.args[0], typ=m), I64) if m is not I64 else b.load(f.args[0], typ=m)
        blocks = [b.append_basic_block(f"branch{k}") for k in range(len(bodies))]
        choice = b.switch(index, blocks[-1])
        for k, block in enumerate(blocks[:-1]):
            choice.add_case(constant(I64, k), block)
        for k, (body, graph, block) in enumerate(zip(bodies, fork.graphs, blocks, strict=True)):
            b.position_at_end(block)
            reads = {v.index: f.args[1 + v.data] for v in graph.inputs}
            self._run(
                body, f"{self.name}.{k}", graph, reads, f.args[1 + n : -1], fork.results, f.args[-1], fork.offset(k)
            )
            b.ret(constant(I64, DONE))
        return True


class _Driver(_Around):
    """``name(arguments..., stacks..., buffers..., workspace)`` for a loop."""

    body: Body

    def emit(self) -> bool:
        """Emit it; False where its body is not native."""
        loop = self.loop = self.of
        if any(not in_memory(np.dtype(s.dtype)) for s in [*loop.args, *loop.results]):
            return False
        if sum(r.spec.nbytes for r in [*loop.reads, *loop.writes] if r.buffer) > SCRATCH:
            return False
        found = _body(self.module, loop.graph, f"{self.name}.body")
        if found is None:
            return False
        body = self.body = found
        self._took(body)
        self.work = loop.count * (body.work + body.products + PER_OPERATION * len(loop.graph.values))
        f = self._begin(len(loop.args) + len(loop.results) + 1)
        n, m = len(loop.args), len(loop.args) + len(loop.stacks)
        self.args, self.stacks, self.buffers, space = f.args[:n], f.args[n:m], f.args[m:-1], f.args[-1]
        b = self.b
        reading = {k: self._scratch(r) for k, r in enumerate(loop.reads) if r.buffer}
        writing = [self._scratch(w) for w in loop.writes]
        self.count = constant(I64, loop.count)
        if loop.ends == "number":
            self.count = b.load(self.args[-1], typ=I64)
        for (_, ks), p in zip(loop.buffers, self.buffers, strict=True):
            for n, k in enumerate(ks):
                self._copy(self.args[k], self._at(p, constant(I64, n), loop.args[k]), loop.args[k])
        for s, p in zip(loop.stacks, self.stacks, strict=True):
            for t, arg in enumerate(s.before, -len(s.before)):
                self._copy(self.args[arg], self._at(p, constant(I64, t + len(s.before)), s.spec), s.spec)
        over: Any = _While(self) if loop.ends else Loop(b, 0, loop.count, 1)
        for k, p in reading.items():
            self._copy(self._read(loop.reads[k], over.i), p, loop.reads[k].spec)
        reads = {v.index: reading.get(v.data) or self._read(loop.reads[v.data], over.i) for v in loop.graph.inputs}
        places = [self._place(s, p, over.i) for s, p in zip(loop.stacks, self.stacks, strict=True)] + writing
        specs = [s.spec for s in loop.stacks] + [w.spec for w in loop.writes]
        self._run(body, f"{self.name}.body", loop.graph, reads, places, specs, space)
        for w, p in zip(loop.writes, writing, strict=True):
            self._copy(p, self._read(w, over.i), w.spec)
        over.close()
        if loop.ends:
            for s, p in zip(loop.stacks, self.stacks, strict=True):
                if s.before:
                    self._copy(self._place(s, p, over.i, 1), p, s.spec)
        b.ret(constant(I64, DONE))
        return True

    def _scratch(self, r: Read) -> Any:
        """Memory for what is read of a buffer or written there: the body may assume that its memory is its own."""
        a = self.b.alloca(ir.ArrayType(I64, -(-max(r.spec.nbytes, 1) // 8)))
        return self.b.inttoptr(self.b.ptrtoint(a, I64), PTR)

    def _at(self, p: Any, k: Any, spec: Any) -> Any:
        """The place ``k`` of a stack."""
        size = spec.size * np.dtype(spec.dtype).itemsize
        return self.b.gep(p, [self.b.mul(k, constant(I64, size))], source_etype=I8)

    def _place(self, s: Stack, p: Any, t: Any, back: int = 0) -> Any:
        b = self.b
        if s.down:
            return self._at(p, b.sub(b.sub(self.count, constant(I64, 1)), t), s.spec)
        k = b.add(t, constant(I64, len(s.before) - back))
        if s.length < self.loop.count + len(s.before):
            k = b.urem(k, constant(I64, s.length))
        return self._at(p, k, s.spec)

    def _read(self, r: Read, t: Any) -> Any:
        b = self.b
        if r.back:
            return self._place(self.loop.stacks[r.arg], self.stacks[r.arg], t, r.back)
        item = np.dtype(r.spec.dtype).itemsize
        if r.down:
            t = b.sub(b.sub(self.count, constant(I64, 1)), t)
        if r.table is not None:
            table = np.ascontiguousarray(r.table, np.int64) * item
            at = b.load(b.gep(self._address(table), [t], source_etype=I64), typ=I64)
        else:
            at = b.add(constant(I64, r.start * item), b.mul(t, constant(I64, r.step * item)))
        return b.gep((self.buffers if r.buffer else self.args)[r.arg], [at], source_etype=I8)

    def _copy(self, source: Any, target: Any, spec: Any) -> None:
        copy(self.b, source, target, spec)


class _While:
    """The iterations of a loop whose length is known when it runs; ``i`` counts them, and has their number after the loop."""

    def __init__(self, driver: _Driver) -> None:
        self.b = b = driver.b
        loop: Iteration = driver.of
        before = b.block
        self.head, inner, self.done = (b.append_basic_block(name) for name in ("turn", "inner", "done"))
        b.branch(self.head)
        b.position_at_end(self.head)
        self.i = b.phi(I64)
        self.i.add_incoming(constant(I64, 0), before)
        if loop.ends == "number":
            going = b.icmp_signed("<", self.i, driver.count)
        else:
            going = load(b, driver._place(loop.stacks[0], driver.stacks[0], self.i, 1), 0, I1)
        b.cbranch(going, inner, self.done)
        b.position_at_end(inner)
        if loop.limited:
            full = driver.count if loop.ends == "number" else self.i
            room = constant(I64, loop.count)
            with b.if_then(b.icmp_signed(">" if loop.ends == "number" else ">=", full, room), likely=False):
                b.ret(constant(I64, len(loop.graph.guards)))

    def close(self) -> None:
        self.i.add_incoming(self.b.add(self.i, constant(I64, 1)), self.b.block)
        self.b.branch(self.head)
        self.b.position_at_end(self.done)


def copy(b: Any, source: Any, target: Any, spec: Any) -> None:
    """Copy an array."""
    dtype = np.dtype(spec.dtype)
    m = memory(TYPES[REAL.get(dtype, dtype)])
    if spec.size:
        over = Loop(b, 0, spec.size * (2 if dtype in REAL else 1), 1)
        x = b.load(b.gep(source, [over.i], source_etype=m), typ=m)
        b.store(x, b.gep(target, [over.i], source_etype=m))
        over.close()
