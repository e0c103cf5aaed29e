"""Plain loops of a recording as operations that can be differentiated: the recording is rolled up before its derivative is
taken, so that a derivative never goes through the iterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.spec import Spec
from dualad.core.tensor import Tensor
from dualad.modes.alike import FULL, INDEX
from dualad.modes.record import GUARD
from dualad.modes.reverse import PICK, Node, fixes
from dualad.modes.trace import TraceLevel
from dualad.native import recurrence
from dualad.native.recurrence import Loop, Operand, Tape
from dualad.native.rolling import ATTEMPTS, RESHAPE, STACK, Refused, Writer
from dualad.ops.index import ARRAY
from dualad.tape.body import Body, spec_like
from dualad.tape.repeat import REPEAT


def repeating(level: TraceLevel, outputs: Sequence[int]) -> tuple[list[Node], list[int]] | None:
    """What the outputs need of a recording with its loops as ``REPEAT``, and the outputs in it; None where there are none."""
    if len(level.nodes) < recurrence.LEAST:
        return None
    tape = Tape(level.inputs, level.nodes, outputs)
    banned: set[int] = set()
    for _ in range(ATTEMPTS):
        tape.find(banned)
        if not tape.loops:
            return None
        changing = {loop.start for loop in tape.loops if loop.buffers}  # arrays that change in place
        if changing:
            banned |= changing
            continue
        try:
            return _Writer(tape).run()
        except Refused as e:
            banned.add(e.start)
    return None


class _Writer(Writer):
    """Values of a loop that are read outside lie in a stack with a place for each iteration, or are the last ones."""

    def _value(self, place: int) -> int:
        loop = self.tape.loop_at(place) if place >= 0 else None
        if loop is None or place in self.known:
            return super()._value(place)
        j, t = (place - loop.start) % loop.period, (place - loop.start) // loop.period
        y = self.tape.nodes[place][4]
        if j in loop.elements:
            return super()._value(place)
        if j in loop.last and t == loop.count - 1:
            k = loop.last[j]
        else:
            whole = Spec((loop.count, *y.shape), y.dtype)
            template = (t, *[FULL] * len(y.shape))
            k = self._add(INDEX, [loop.picks[j]], [whole], spec_like(y), {"template": template})
        self.known[place] = k
        return k

    def _part(self, loop: Loop, j: int, t: int, step: int, n: int) -> int:
        return self.part(loop, j, t, step, n)

    def part(self, loop: Loop, j: int, t: int, step: int, n: int) -> int:
        y = self.tape.nodes[loop.start + j][4]
        stop = t + step * n
        template = (slice(t, None if stop < 0 else stop, step), *[FULL] * len(y.shape))
        whole = Spec((loop.count, *y.shape), y.dtype)
        return self._add(INDEX, [loop.picks[j]], [whole], Spec((n, *y.shape), y.dtype), {"template": template})

    def _loop(self, loop: Loop) -> None:
        guarded = any(self.tape.nodes[loop.start + j][1] is GUARD for j in range(loop.period))
        if loop.first or loop.whole or guarded:
            _Repeated(self, loop).write()


class _Repeated:
    """One loop as an operation: values of its body are ("carry", k), ("slice", k), ("capture", k) or the number of a node."""

    def __init__(self, writer: _Writer, loop: Loop) -> None:
        self.writer, self.loop, self.tape = writer, loop, writer.tape
        self.carries: dict[Any, int] = {}
        self.inputs: dict[str, list[Any]] = {
            "carry": [],
            "slice": [],
            "capture": [],
        }  # (parent, constant or Spec), Spec
        self.known: dict[Any, Any] = {}

    def write(self) -> None:
        loop, nodes = self.loop, self.tape.nodes
        where: dict[int, Any] = {}
        for j, n in loop.back.items():
            for e in range(1, n + 1):
                self._carry(j, e, self.writer._value(loop.start + j - e * loop.period))
        body: list[tuple[Any, ...]] = []
        for j in range(loop.period):
            _, prim, _, args, y, params, _ = nodes[loop.start + j]
            if j in loop.elements:
                where[j] = self._operand(loop.elements[j], where)
                continue
            places: list[Any] = []
            held: list[Any] = []
            for o, a in zip(loop.operands[j], args, strict=True):
                if o[0] == "const" and type(o[1]) is not Tensor:
                    places.append(None)
                    held.append(o[1])
                else:
                    places.append(self._operand(o, where))
                    held.append(
                        Spec(o[1].shape[1:], o[1].dtype) if o[0] == "table" else None if a is None else spec_like(a)
                    )
            own = None if prim is GUARD else tuple(map(spec_like, y)) if prim.multiple else spec_like(y)
            fix = fixes(held, places) if prim.elementwise else None
            body.append((j, prim, places, tuple(held), own, params, fix))
            where[j] = j
        stacked = []
        for j in sorted({*loop.first, *loop.whole}):
            if j in loop.elements and j not in loop.whole:
                continue
            if j not in loop.whole and loop.first[j] == loop.count - 1:
                if (j, 1) not in self.carries:
                    y = nodes[loop.start + j][4]
                    self._carry(j, 1, None, np.zeros(y.shape, y.dtype)[()])
            else:
                stacked.append(j)
        self._finish(body, where, stacked)

    def _finish(self, body: list[tuple[Any, ...]], where: dict[int, Any], stacked: list[int]) -> None:
        order = [*self.inputs["carry"], *self.inputs["slice"], *self.inputs["capture"]]
        first = {"carry": 0, "slice": len(self.inputs["carry"])}
        first["capture"] = first["slice"] + len(self.inputs["slice"])
        numbers: dict[int, int] = {}

        def number(p: Any) -> Any:
            return None if p is None else first[p[0]] + p[1] if type(p) is tuple else numbers[p]

        nodes: list[Node] = []
        for j, prim, places, *rest in body:
            numbers[j] = len(order) + len(nodes)
            nodes.append((numbers[j], prim, tuple(map(number, places)), *rest))
        outs: list[int] = []
        for (j, e), _ in self.carries.items():
            outs.append(number(where[j]) if e == 1 else self.carries[(j, e - 1)])
        outs += [number(where[j]) for j in stacked]
        made = Body(first["slice"], len(self.inputs["slice"]), [s for _, _, s in order], nodes, outs)
        count = self.loop.count
        results = [made.spec(k) for k in outs[: made.carries]]
        results += [Spec((count, *made.spec(k).shape), made.spec(k).dtype) for k in outs[made.carries :]]
        params = {"body": made, "count": count, "down": False}
        add = self.writer._add
        call = add(REPEAT, [p for p, _, _ in order], [x for _, x, _ in order], tuple(results), params)
        self.loop.last = {}
        for n, s in enumerate(results):
            pick = add(PICK, [call], [None], s, {"k": n, "n": len(results)})
            if n >= made.carries:
                self.loop.picks[stacked[n - made.carries]] = pick
        for (j, e), n in self.carries.items():
            if e == 1:
                self.loop.last[j] = call + 1 + n

    def _carry(self, j: int, e: int, parent: Any, x: Any = None) -> None:
        y = self.tape.nodes[self.loop.start + j][4]
        spec = spec_like(y)
        self.carries[(j, e)] = len(self.inputs["carry"])
        self.inputs["carry"].append((parent, spec if parent is not None else x, spec))

    def _input(self, kind: str, key: Any, parent: Any, x: Any, spec: Spec) -> Any:
        if key not in self.known:
            self.known[key] = (kind, len(self.inputs[kind]))
            self.inputs[kind].append((parent, x, spec))
        return self.known[key]

    def _operand(self, o: Operand, where: dict[int, Any]) -> Any:
        kind = o[0]
        if kind == "local":
            return where[o[1]]
        if kind == "carried":
            return ("carry", self.carries[(o[1], o[2])])
        if kind == "const":
            return self._input("capture", ("tensor", id(o[1])), None, o[1], spec_like(o[1]))
        if kind == "table":
            return self._input("slice", ("table", id(o[1])), None, o[1], Spec(o[1].shape[1:], o[1].dtype))
        if kind == "outer":
            parent = self.writer._value(o[1])
            spec = self._spec(o[1])
            return self._input("capture", ("at", parent), parent, spec, spec)
        if kind == "other":
            return self._of_other(o)
        if kind == "element":
            return self._element(o)
        return self._gathered(o)

    def _spec(self, place: int) -> Spec:
        shape, dtype = self.tape.spec(place)
        return Spec(tuple(shape), dtype)

    def _of_other(self, o: Operand) -> Any:
        _, other, j, at, by = o
        key = ("stack", id(other), j, at, by)
        if key in self.known:
            return self.known[key]
        spec = self._spec(other.start + j)
        n = self.loop.count
        whole = Spec((n, *spec.shape), spec.dtype)
        parent = self.writer.part(other, j, at, by, n)
        return self._input("slice", key, parent, whole, spec)

    def _element(self, o: Operand) -> Any:
        """Elements of an array outside, as an array of those of each iteration."""
        _, place, offsets, spec = o
        n, size = self.loop.count, max(1, spec.size)
        flat = offsets[0] + offsets[1] * np.arange(n) if isinstance(offsets, tuple) else np.asarray(offsets)
        key = ("element", place, flat.tobytes(), spec)
        if key in self.known:
            return self.known[key]
        parent, base = self.writer._value(place), self._spec(place)
        rows = Spec((base.size // size, size), spec.dtype)
        add = self.writer._add
        k = add(RESHAPE, [parent], [base], rows, {"shape": rows.shape})
        taken = Spec((n, size), spec.dtype)
        k = add(INDEX, [k, None], [rows, flat // size], taken, {"template": (ARRAY, FULL)})
        whole = Spec((n, *spec.shape), spec.dtype)
        k = add(RESHAPE, [k], [taken], whole, {"shape": whole.shape})
        return self._input("slice", key, k, whole, spec)

    def _gathered(self, o: Operand) -> Any:
        if o not in self.known:
            spec = self._spec(o[1][0])
            whole = Spec((len(o[1]), *spec.shape), spec.dtype)
            k = self.writer._add(STACK, [self.writer._value(p) for p in o[1]], [spec] * len(o[1]), whole, {"axis": 0})
            self._input("slice", o, k, whole, spec)
        return self.known[o]
