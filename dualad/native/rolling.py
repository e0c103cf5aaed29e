"""Recordings that repeat, rolled up: each loop found (``recurrence.py``) becomes one operation, ``LOOP``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import REGISTRY
from dualad.core.spec import Spec
from dualad.core.tensor import new_tensor
from dualad.modes.alike import FULL, INDEX
from dualad.modes.record import GUARD, LIFT
from dualad.modes.reverse import PICK, Node
from dualad.native import recurrence
from dualad.native.columns import NEVER
from dualad.native.iteration import LOOP, Iteration, Read, Stack
from dualad.native.recurrence import ADD, Loop, Operand, Tape, affine

STACK, RESHAPE, CONCATENATE, TRANSPOSE = (REGISTRY[k] for k in ("stack", "reshape", "concatenate", "transpose"))
ATTEMPTS = 8  # at leaving out loops of which too much is read


class _Body:
    """What a ``Graph`` is made from: the recording of one iteration."""

    def __init__(self, inputs: list[Node], nodes: list[Node]) -> None:
        self.inputs, self.nodes = inputs, nodes


class Refused(Exception):
    """A loop cannot be one, since something reads what it would not keep."""

    def __init__(self, start: int) -> None:
        self.start = start


def rolled(inputs: Sequence[Node], nodes: Sequence[Node], outputs: Sequence[int]) -> tuple[list[Node], list[int]]:
    """The recording with its loops as operations, and the outputs in it. Nodes must all be wanted."""
    if len(nodes) < recurrence.LEAST // 4:
        return list(nodes), list(outputs)
    tape = Tape(inputs, nodes, outputs)
    banned: set[int] = set()
    for _ in range(ATTEMPTS):
        tape.find(banned)
        if not tape.loops:
            break
        try:
            return Writer(tape).run()
        except Refused as e:
            banned.add(e.start)
    return list(nodes), list(outputs)


class Writer:
    """The new recording."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.out: list[Node] = []
        self.next = tape.free
        self.known: dict[Any, int] = {}
        self.pieces: dict[int, list[Any]] = {}  # of stacks of many

    def run(self) -> tuple[list[Node], list[int]]:
        tape = self.tape
        loops = iter([*tape.loops, None])
        outside: list[Any] = []  # loops, and ranges between them
        at = 0
        for loop in loops:
            outside.append((at, len(tape.nodes) if loop is None else loop.start))
            if loop is not None:
                outside.append(loop)
                at = loop.end
        for item in outside:
            if isinstance(item, Loop):
                self._ask_of_loop(item)
            else:
                for k in range(*item):
                    self._ask_of_node(k)
        for place in tape.ends:
            self._ask(place)
        for item in outside:
            if isinstance(item, Loop):
                self._loop(item)
            else:
                for k in range(*item):
                    self._node(k)
        return self.out, [self._value(place) for place in tape.ends]

    # What is needed of each loop --------------------------------------------------------------

    def _ask(self, place: int, every: bool = False) -> None:
        loop = self.tape.loop_at(place)
        if loop is None:
            return
        j, t = (place - loop.start) % loop.period, (place - loop.start) // loop.period
        if j in loop.apart:
            if j not in loop.buffers or t != loop.count - 1:
                raise Refused(loop.start)
            loop.final.add(j)
            return
        if j in loop.elements and not every:
            return
        if self.tape.spec(place) is None:
            raise Refused(loop.start)
        loop.first[j] = min(t, loop.first.get(j, t))
        if every:
            loop.whole.add(j)

    def _ask_of_node(self, k: int) -> None:
        node = self.tape.nodes[k]
        a, b = self.tape.offsets[k], self.tape.offsets[k + 1]
        places = self.tape.places[a:b].tolist()
        if node[1] is STACK and len(places) >= recurrence.COUNT:
            places = self._ask_of_stack(k, places)
        for p in places:
            self._ask(p)

    def _ask_of_stack(self, k: int, places: list[int]) -> list[int]:
        """Runs of operands that a loop has on one stack; returns the others."""
        pieces: list[Any] = []
        i = 0
        rest = []
        while i < len(places):
            loop = self.tape.loop_at(places[i])
            n = 1
            if loop is not None and i + 1 < len(places):
                step = places[i + 1] - places[i]
                if step and step % loop.period == 0:
                    while (
                        i + n < len(places)
                        and places[i + n] == places[i] + n * step
                        and self.tape.loop_at(places[i + n]) is loop
                    ):
                        n += 1
            if (
                n >= recurrence.COUNT
                and loop is not None
                and (j := (places[i] - loop.start) % loop.period) not in loop.apart
            ):
                pieces.append((loop, j, (places[i] - loop.start) // loop.period, step // loop.period, n))
                self._ask(places[i], every=True)
            else:
                n = 1
                pieces.append(i)
                rest.append(places[i])
            i += n
        if len(rest) < len(places):
            self.pieces[k] = pieces
        return rest

    def _ask_of_loop(self, loop: Loop) -> None:
        for j, own in enumerate(loop.operands):
            if j in loop.elements:
                self._ask(loop.elements[j][1])
            elif j not in loop.apart and j not in loop.events:
                for o in own:
                    self._ask_of_operand(loop, o)
            elif j in loop.events and loop.events[j][1] == "set":
                self._ask_of_operand(loop, own[1])
            elif j in loop.apart and j not in loop.events:  # what is added
                self._ask_of_operand(loop, own[0])
        for last in loop.buffers:
            self._ask(loop.start + last - loop.period)
        for j, n in loop.back.items():
            for e in range(1, n + 1):
                self._ask(loop.start + j - e * loop.period)

    def _ask_of_operand(self, loop: Loop, o: Operand) -> None:
        if o[0] == "carried":
            if o[1] in loop.apart:
                raise Refused(loop.start)
            loop.back[o[1]] = max(o[2], loop.back.get(o[1], 0))
        elif o[0] in ("outer", "element"):
            self._ask(o[1])
        elif o[0] == "gathered":
            for place in o[1]:
                self._ask(place)
        elif o[0] == "other":
            self._ask(o[1].start + o[2], every=True)

    # Writing ----------------------------------------------------------------------------------

    def _add(self, prim: Any, parents: Sequence[Any], args: Sequence[Any], y: Any, params: dict[str, Any]) -> int:
        k = self.next
        self.next += 1
        self.out.append((k, prim, tuple(parents), tuple(args), y, params, None))
        return k

    def _value(self, place: int) -> int:
        """What is at a place, in the new recording."""
        if place < 0:
            return int(self.tape.inputs[-1 - place][0])
        loop = self.tape.loop_at(place)
        if loop is None:
            return int(self.tape.nodes[place][0])
        if place in self.known:
            return self.known[place]
        j, t = (place - loop.start) % loop.period, (place - loop.start) // loop.period
        _, prim, _, args, y, params, _ = self.tape.nodes[place]
        if j in loop.elements:
            k = self._add(prim, [self._value(loop.elements[j][1])], args, y, params)
        elif j in loop.buffers:
            k = loop.picks[j]
        else:
            n = loop.length(j)
            template = ((t + loop.before(j)) % n, *[FULL] * len(y.shape))
            whole = Spec((n, *y.shape), y.dtype)
            k = self._add(INDEX, [loop.picks[j]], [whole], Spec(y.shape, y.dtype), {"template": template})
        self.known[place] = k
        return k

    def _part(self, loop: Loop, j: int, t: int, step: int, n: int) -> int:
        """Places ``t``, ``t + step``, ... of a stack."""
        y = self.tape.nodes[loop.start + j][4]
        at = t + loop.before(j)
        stop = at + step * n
        template = (slice(at, None if stop < 0 else stop, step), *[FULL] * len(y.shape))
        args = [Spec((loop.length(j), *y.shape), y.dtype)]
        return self._add(INDEX, [loop.picks[j]], args, Spec((n, *y.shape), y.dtype), {"template": template})

    def _node(self, k: int) -> None:
        node = self.tape.nodes[k]
        if k in self.pieces:
            self._joined(k)
            return
        a, b = self.tape.offsets[k], self.tape.offsets[k + 1]
        places = self.tape.places[a:b].tolist()
        if any(p >= 0 and self.tape.loop_at(p) is not None for p in places):
            parents = tuple([None if p == NEVER else self._value(p) for p in places])
            node = (node[0], node[1], parents, *node[3:])
        self.out.append(node)

    def _joined(self, k: int) -> None:
        """A stack of many, from the stacks of loops."""
        index, _, parents, args, y, params, _ = self.tape.nodes[k]
        a = self.tape.offsets[k]
        inner = y.shape[: params["axis"]] + y.shape[params["axis"] + 1 :]
        own: list[int] = []
        lengths = []
        for piece in self.pieces[k]:
            if isinstance(piece, tuple):
                loop, j, t, step, n = piece
                part = self._part(loop, j, t, step, n)
                held = Spec((n, *inner), self.tape.nodes[loop.start + j][4].dtype)
            else:
                x = args[piece]
                p = None if parents[piece] is None else self._value(int(self.tape.places[a + piece]))
                n, held = 1, Spec((1, *inner), np.asarray(x).dtype if p is None else x.dtype)
                part = self._add(RESHAPE, [p], [x], held, {"shape": held.shape})
            own.append(part)
            lengths.append(held)
        whole = Spec((len(parents), *inner), y.dtype)
        axis = params["axis"]
        if axis == 0:
            self.out.append((index, CONCATENATE, tuple(own), tuple(lengths), whole, {"axis": 0}, None))
            return
        joined = self._add(CONCATENATE, own, lengths, whole, {"axis": 0})
        axes = (*range(1, axis + 1), 0, *range(axis + 1, len(y.shape)))
        self.out.append((index, TRANSPOSE, (joined,), (whole,), Spec(y.shape, y.dtype), {"axes": axes}, None))

    # A loop -----------------------------------------------------------------------------------

    def _loop(self, loop: Loop) -> None:
        kept = sorted({*loop.first, *loop.whole, *loop.back})
        guarded = any(self.tape.nodes[loop.start + j][1] is GUARD for j in range(loop.period))
        if kept or guarded or loop.final:
            _Call(self, loop, kept).write()


class _Call:
    """One loop written as an operation: its arguments, its body."""

    def __init__(self, writer: Writer, loop: Loop, kept: list[int]) -> None:
        self.writer, self.loop, self.kept = writer, loop, kept
        self.tape = writer.tape
        self.args: list[tuple[Any, Any]] = []  # (parent, constant or Spec)
        self.reads: list[Read] = []
        self.inputs: list[Node] = []
        self._given: dict[Any, int] = {}  # arguments
        self._taken: dict[Any, int] = {}  # reads
        self.body: list[Node] = []
        self.banks: list[tuple[Spec, list[int]]] = []  # buffers of gathered values, and these
        self.where: dict[int, int] = {}  # of nodes in the body's recording
        self.cells: list[list[Any]] = []  # of buffers: which, the offsets, the value now, whether it was written

    def write(self) -> None:
        from dualad.native.graph import Graph

        loop, nodes = self.loop, self.tape.nodes
        where = self.where
        for j in range(loop.period):
            _, prim, parents, args, y, params, fix = nodes[loop.start + j]
            if j in loop.elements:
                where[j] = self._element(loop.elements[j])
            elif j in loop.events:
                self._event(j)
            elif j not in loop.apart:
                places, held = [], []
                for o, a, p in zip(loop.operands[j], args, parents, strict=True):
                    k, x = (None, o[1]) if o[0] == "const" else (self._operand(o), a if p is not None else None)
                    places.append(k)
                    held.append(Spec(o[1].shape[1:], o[1].dtype) if o[0] == "table" else x)
                self.body.append((j, prim, tuple(places), tuple(held), y, params, fix))
                where[j] = j
        stacks = []
        for j in self.kept:
            y = nodes[loop.start + j][4]
            before = [self._outer(loop.start + j - e * loop.period) for e in range(loop.before(j), 0, -1)]
            stacks.append(Stack(Spec(tuple(y.shape), np.dtype(y.dtype)), loop.length(j), before))
        buffers = [
            (b.spec, [self._outer(loop.start + last - loop.period)]) for last, b in loop.buffers.items()
        ] + self.banks
        writes = [
            _place(list(loop.buffers).index(last), loop.buffers[last].inner, leads)
            for last, leads, _, written in self.cells
            if written
        ]
        level: Any = _Body(self.inputs, self.body)
        ends = [where[j] for j in self.kept] + [now for _, _, now, written in self.cells if written]
        graph = Graph(level, [new_tensor(None, level, k) for k in ends])
        specs = [Spec(tuple(x.shape), np.dtype(x.dtype)) for _, x in self.args]
        iteration = Iteration(graph, loop.count, self.reads, stacks, specs, buffers, writes)
        own = tuple([Spec(s.shape, s.spec.dtype) for s in stacks] + [spec for spec, _ in buffers])
        call = self.writer._add(LOOP, [p for p, _ in self.args], [x for _, x in self.args], own, {"body": iteration})
        for k, (j, s) in enumerate(zip([*self.kept, *loop.buffers], own, strict=False)):
            loop.picks[j] = self.writer._add(PICK, [call], [None], s, {"k": k, "n": len(own)})

    def _event(self, j: int) -> None:
        """Read, set, or add to a place of a buffer: what an iteration has touched is known by value."""
        loop = self.loop
        last, what, leads = loop.events[j]
        buffer = loop.buffers[last]
        cell = next((c for c in self.cells if c[0] == last and (c[1] == leads).all()), None)
        if cell is None:
            now = -1
            if what != "set":
                at = list(loop.buffers).index(last)
                now = self._read(("buffer", at, leads.tobytes()), _place(at, buffer.inner, leads))
            cell = [last, leads, now, False]
            self.cells.append(cell)
        if what == "read":
            self.where[j] = cell[2]
            return
        cell[3] = True
        if what == "set":
            o = loop.operands[j][1]
            if o[0] != "const":
                cell[2] = self._operand(o)
                return
            x = np.full(buffer.inner.shape, o[1], buffer.inner.dtype)
            cell[2] = self._made(LIFT, (None,), (x,), buffer.inner)
            return
        s = next(o[1] for o in loop.operands[j] if o[0] == "local" and o[1] in loop.apart and o[1] not in loop.events)
        v = self._operand(loop.operands[s][0])
        cell[2] = self._made(ADD, (cell[2], v), (buffer.inner, buffer.inner), buffer.inner)

    def _made(self, prim: Any, parents: tuple[Any, ...], args: tuple[Any, ...], y: Spec) -> int:
        """A node of the body that is not in the recording; its number comes after those of all reads there can be."""
        k = (1 << 40) + len(self.body)
        self.body.append((k, prim, parents, args, y, {}, None))
        return k

    def _argument(self, key: Any, parent: Any, x: Any) -> int:
        k = self._given.get(key)
        if k is None:
            k = self._given[key] = len(self.args)
            self.args.append((parent, x))
        return k

    def _outer(self, place: int) -> int:
        shape, dtype = self.tape.spec(place)
        parent = self.writer._value(place)
        return self._argument(("at", parent), parent, Spec(tuple(shape), dtype))

    def _read(self, key: Any, read: Read) -> int:
        """The body's input for a read."""
        k = self._taken.get(key)
        if k is None:
            k = self._taken[key] = self.loop.period + len(self.reads)
            self.reads.append(read)
            self.inputs.append((k, None, (), (), read.spec, {}, None))
        return k

    def _operand(self, o: Operand) -> int:
        kind = o[0]
        if kind == "local":
            return self.where[o[1]]
        if kind == "table":
            arg = self._argument(("table", id(o[1])), None, o[1])
            spec = Spec(o[1].shape[1:], o[1].dtype)
            return self._read(("table", id(o[1])), Read(arg, spec, 0, spec.size))
        if kind == "outer":
            arg = self._outer(o[1])
            return self._read(("whole", arg), Read(arg, self.args[arg][1]))
        if kind == "element":
            return self._element(o)
        if kind == "gathered":
            return self._gathered(o)
        if kind == "carried":
            y = self.tape.nodes[self.loop.start + o[1]][4]
            spec = Spec(tuple(y.shape), np.dtype(y.dtype))
            return self._read(o, Read(self.kept.index(o[1]), spec, back=o[2]))
        _, other, j, at, by = o
        y = self.tape.nodes[other.start + j][4]
        spec = Spec(tuple(y.shape), np.dtype(y.dtype))
        parent = other.picks[j]
        arg = self._argument(("at", parent), parent, Spec((other.length(j), *spec.shape), spec.dtype))
        return self._read(("stack", arg, at, by), Read(arg, spec, (at + other.before(j)) * spec.size, by * spec.size))

    def _gathered(self, o: Operand) -> int:
        shape, dtype = self.tape.spec(o[1][0])
        spec = Spec(tuple(shape), dtype)
        if o not in self._taken:
            at = len(self.loop.buffers) + len(self.banks)
            self.banks.append((Spec((len(o[1]), *spec.shape), dtype), [self._outer(p) for p in o[1]]))
            self._read(o, Read(at, spec, 0, spec.size, buffer=True))
        return self._taken[o]

    def _element(self, o: Operand) -> int:
        _, place, offsets, spec = o
        arg = self._outer(place)
        if isinstance(offsets, tuple):
            return self._read(("element", arg, offsets, spec), Read(arg, spec, *offsets))
        return self._read(("element", arg, offsets.tobytes(), spec), Read(arg, spec, table=offsets))


def _place(buffer: int, inner: Spec, leads: np.ndarray) -> Read:
    """Where iterations read a buffer, or write it."""
    found = affine(leads)
    start, step, table = (*found, None) if isinstance(found, tuple) else (0, 0, found)
    return Read(buffer, inner, start, step, table, buffer=True)
