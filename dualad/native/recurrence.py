"""Loops in a recording: runs of nodes that repeat, and in which operands move evenly.

A place in the recording is affine in the iteration where the program is a loop: an operand lies at a fixed distance (in the
same iteration or some before), stands still (from before the loop), or moves by a whole number of another loop's iterations
(what a reverse sweep reads of the forward one). Iterations where that does not hold (the first, the last) are left outside;
where it holds nowhere, or where anything else differs but constants and leading integers of indices, all is left as it is.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import REGISTRY
from dualad.core.spec import Spec
from dualad.modes.record import GUARD
from dualad.native.repetition import longest, repeats

COUNT = 8  # iterations, at least
LEAST = 1000  # operations saved, at least
BACK = 16  # iterations from which an operand may come
RUNS = 32  # runs looked at
NEVER = -(1 << 40)  # the place of a constant; inputs are at -1, -2, ...
WEAK = (bool, int, float, complex)
FULL = slice(None)
INDEX, SCATTER, ADD = (REGISTRY[k] for k in ("index", "scatter", "add"))
Node = tuple[Any, ...]
Operand = tuple[Any, ...]


class Loop:
    """``count`` iterations of ``period`` nodes from ``start``; ``operands`` of each node of the body are one of

    (const, value), (table, values), (local, node of the body), (carried, node, iterations back), (outer, place),
    (other, loop, node, its iteration at first, step), (element, place, offsets: (first, step) or an array, Spec).
    """

    def __init__(self, start: int, period: int, count: int, operands: list[list[Operand]]) -> None:
        self.start, self.period, self.count, self.operands = start, period, count, operands
        self.elements: dict[int, Operand] = {}  # nodes that read elements of what is outside
        self.sums: dict[int, list[tuple[int, Operand, Any]]] = {}  # last addition: scatters, what they place, offsets
        self.apart: set[int] = set()  # nodes of sums, done after the loop
        self.first: dict[int, int] = {}  # of each node read from outside, the first iteration that is
        self.whole: set[int] = set()  # nodes read from outside at every iteration
        self.back: dict[int, int] = {}  # nodes carried, and how far
        self.picks: dict[int, int] = {}  # where their stacks are in the new recording

    @property
    def end(self) -> int:
        return self.start + self.period * self.count

    def before(self, j: int) -> int:
        return self.back.get(j, 0)

    def length(self, j: int) -> int:
        """Of the stack of node ``j``: a ring, if few places will do."""
        whole = self.count + self.before(j)
        few = max(self.before(j) + 1, self.count - self.first.get(j, self.count))
        return whole if j in self.whole or 2 * few > self.count else few


class Tape:
    """A recording as arrays: what each node does, as a number, and the places of its operands."""

    def __init__(self, inputs: Sequence[Node], nodes: Sequence[Node]) -> None:
        self.inputs, self.nodes = inputs, nodes
        at: dict[Any, int] = {node[0]: -1 - k for k, node in enumerate(inputs)}
        numbers: dict[Any, int] = {}
        codes, places, widths, leads = [], [], [], []
        at[None] = NEVER
        for k, node in enumerate(nodes):
            key, lead = _key(node)
            codes.append(numbers.setdefault(key, len(numbers)))
            leads.append(lead)
            parents = node[2]
            widths.append(len(parents))
            for p in parents:
                places.append(at[p])
            at[node[0]] = k
        self.at = at
        self.codes = np.array(codes, np.int64)
        self.places = np.array(places, np.int64)
        self.leads = np.array(leads, np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(widths, dtype=np.int64)])
        self.loops: list[Loop] = []
        self._starts: list[int] = []

    def spec(self, place: int) -> Any:
        """Shape and dtype of what is at a place; None where there are several."""
        y = self.inputs[-1 - place][4] if place < 0 else self.nodes[place][4]
        return None if y is None or type(y) is tuple else (y.shape, np.dtype(y.dtype))

    def loop_at(self, place: int) -> Loop | None:
        k = bisect.bisect_right(self._starts, place) - 1
        return self.loops[k] if k >= 0 and place < self.loops[k].end else None

    # Finding ----------------------------------------------------------------------------------

    def find(self, banned: set[int]) -> None:
        """The loops, from left to right: one may read another that lies before it."""
        self.loops, self._starts = [], []
        self._left = RUNS
        self._search(0, len(self.nodes), banned)

    def _search(self, lo: int, hi: int, banned: set[int]) -> None:
        todo: list[Any] = [(lo, hi)]
        while todo:
            piece = todo.pop()
            if len(piece) == 2:
                lo, hi = piece
                if self._left <= 0 or hi - lo < LEAST:
                    continue
                runs = [(lo + s, p, n) for s, p, n in repeats(self.codes[lo:hi], LEAST, COUNT)]
                if runs:
                    self._left -= 1
                    s, p, n = runs[0]
                    todo += [(lo, hi, runs)] if s - lo < LEAST else [(lo, hi, runs), (lo, s)]
                continue
            lo, hi, runs = piece
            for s, p, n in runs:
                loop = next((x for k in (1, 2, 3) if (x := self.fit(s, p * k, n // k)) is not None), None)
                if loop is not None and loop.start not in banned:
                    break
            else:
                continue
            if self.loops and loop.start < self.loops[-1].end:
                continue
            todo.append((loop.end, hi))
            self.loops.append(loop)
            self._starts.append(loop.start)

    def _operands(self, start: int, period: int, count: int) -> np.ndarray:
        """The places of operands, a row for each iteration."""
        a, b = self.offsets[start], self.offsets[start + period * count]
        return self.places[a:b].reshape(count, -1)

    def fit(self, start: int, period: int, count: int) -> Loop | None:
        """The loop in a run, or in the longest part of it where operands move evenly."""
        if count < COUNT:
            return None
        rows = self._operands(start, period, count)
        moves = np.diff(rows, axis=0)
        first, n = longest((moves == moves[len(moves) // 2]).all(axis=1))
        start, count = start + first * period, n + 1
        if count < COUNT:
            return None
        shift = self._phase(start, period, count)
        start, count = start + shift, count - (shift > 0)
        for _ in range(8):
            if count < COUNT or (count - 1) * period < LEAST:
                return None
            found = self._described(start, period, count)
            if found is None or isinstance(found, Loop):
                return found
            start += found[0] * period
            count -= found[0] + found[1]
        return None

    def _phase(self, start: int, period: int, count: int) -> int:
        """Where an iteration had best begin: where the fewest values go from one to the next."""
        rows = self._operands(start, period, count)
        mine = np.repeat(np.arange(period), np.diff(self.offsets[start : start + period + 1]))
        near = rows[1] - rows[0] == period
        reach = np.zeros(period, np.int64)
        source = (rows[0] - start) % period
        distance = start + mine - rows[0]
        np.maximum.at(reach, source[near], np.minimum(distance[near], period))
        crossing = np.zeros(2 * period + 1, np.int64)
        np.add.at(crossing, np.arange(period) + 1, 1)
        np.add.at(crossing, np.arange(period) + reach + 1, -1)
        crossing = np.cumsum(crossing)[: 2 * period]
        return int(np.argmin(crossing[:period] + crossing[period:]))

    def _described(self, start: int, period: int, count: int) -> Loop | tuple[int, int] | None:
        """The loop; or how many iterations to leave out, first and last; or None."""
        rows = self._operands(start, period, count)
        steps = rows[1] - rows[0]
        operands: list[list[Operand]] = []
        front = behind = q = 0
        for j in range(period):
            own: list[Operand] = []
            for k in range(len(self.nodes[start + j][2])):
                place, step = int(rows[0, q]), int(steps[q])
                if place == NEVER:
                    o = self._constant(start + j, period, count, k)
                elif step == 0:
                    front = max(front, (place - start) // period + 1)
                    o = ("outer", place) if self.spec(place) is not None else None
                elif step == period:
                    back, node = -((place - start) // period), (place - start) % period
                    o = ("carried", node, back) if back else ("local", node)
                    spec = self.spec(start + node)
                    if back > BACK or (back and spec is None):
                        return None
                    for e in range(back, 0, -1):
                        if start + node - e * period < -len(self.inputs):
                            return 1, 0
                        if self.spec(start + node - e * period) != spec:
                            front = max(front, back + 1 - e)
                else:
                    column = rows[:, q]
                    other = self.loop_at(int(column[count // 2]))
                    if other is None or step % other.period:
                        return None
                    inside, n = longest((column >= other.start) & (column < other.end))
                    front, behind = max(front, inside), max(behind, count - inside - n)
                    o = self._of_other(other, place, step, count)
                if o is None:
                    return None
                own.append(o)
                q += 1
            operands.append(own)
        if front or behind:
            return front, behind
        loop = Loop(start, period, count, operands)
        return loop if self._elements(loop) and self._sums(loop) else None

    def _constant(self, place: int, period: int, count: int, k: int) -> Operand | None:
        values = [self.nodes[place + t * period][3][k] for t in range(count)]
        x = values[0]
        if all(v is x for v in values):
            return ("const", x)
        try:
            table = np.array(values)
        except (OverflowError, ValueError):
            return None
        if table.dtype.kind not in "fciub":
            return None
        bits = np.ascontiguousarray(table).reshape(count, -1).view(np.uint8).reshape(count, -1)
        if (bits == bits[0]).all():
            return ("const", x)
        if type(x) in WEAK:
            node = self.nodes[place]
            strong = [a.dtype for i, a in enumerate(node[3]) if i != k and hasattr(a, "dtype")]
            dtype = np.result_type(*strong, x)
            if dtype.kind != table.dtype.kind and not (table.dtype.kind in "iub" and dtype.kind == "f"):
                return None
            table = table.astype(dtype)
        return ("table", table)

    def _of_other(self, other: Loop, place: int, step: int, count: int) -> Operand | None:
        node, at, by = (place - other.start) % other.period, (place - other.start) // other.period, step // other.period
        if node in other.apart or self.spec(other.start + node) is None:
            return None
        element = other.elements.get(node)
        if element is None:
            return ("other", other, node, at, by)
        _, base, where, spec = element
        if isinstance(where, tuple):
            return ("element", base, (where[0] + at * where[1], by * where[1]), spec)
        turns = at + by * np.arange(count)
        return ("element", base, where[np.clip(turns, 0, other.count - 1)], spec)

    def _elements(self, loop: Loop) -> bool:
        """Note the nodes that read elements of an array outside at integers that may move."""
        for j in range(loop.period):
            leads = self.leads[loop.start + j : loop.end : loop.period]
            if leads[0] < 0 or self.nodes[loop.start + j][1] is not INDEX:
                continue
            (o,) = loop.operands[j]
            if o[0] == "outer":
                shape, dtype = self.spec(loop.start + j)
                loop.elements[j] = ("element", o[1], affine(leads), Spec(tuple(shape), dtype))
            elif (leads != leads[0]).any():
                return False
        return True

    def _sums(self, loop: Loop) -> bool:
        """Note sums of arrays that are zero but for a part that moves: these are put together after the loop."""
        moving = {}
        for j in range(loop.period):
            leads = self.leads[loop.start + j : loop.end : loop.period]
            if self.nodes[loop.start + j][1] is SCATTER and leads[0] >= 0 and (leads != leads[0]).any():
                moving[j] = leads
        if not moving:
            return True
        users: dict[int, list[int]] = {}
        for j, own in enumerate(loop.operands):
            for o in own:
                if o[0] in ("local", "carried"):
                    users.setdefault(o[1], []).append(j)
        following: dict[int, int] = {}  # from what is added to, to the sum
        placed: dict[int, int] = {}
        carried = set()
        for s in moving:
            if len(users.get(s, ())) != 1:
                return False
            a = users[s][0]
            if self.nodes[loop.start + a][1] is not ADD:
                return False
            rest = [o for o in loop.operands[a] if o[:2] != ("local", s)]
            if len(rest) != 1 or rest[0][0] not in ("local", "carried") or users.get(rest[0][1]) != [a]:
                return False
            if rest[0][0] == "carried":
                if rest[0][2] != 1:
                    return False
                carried.add(rest[0][1])
            if self.spec(loop.start + a) != self.spec(loop.start + s) or loop.operands[s][0][0] not in (
                "local",
                "carried",
            ):
                return False
            following[rest[0][1]], placed[a] = a, s
        for last in carried:
            chain, a = [], last
            while True:
                if a not in following:
                    return False
                a = following.pop(a)
                s = placed[a]
                chain.append((s, loop.operands[s][0], moving[s]))
                loop.apart |= {a, s}
                if a == last:
                    break
            loop.sums[last] = chain
        return not following and all(
            not (o[0] in ("local", "carried") and o[1] in loop.apart)
            for j, own in enumerate(loop.operands)
            if j not in loop.apart
            for o in own
        )


def _key(node: Node) -> tuple[Any, int]:
    """What must be equal in every iteration, and the place of leading integers of an index (or -1)."""
    _, prim, parents, args, y, params, _ = node
    if prim.elementwise and not params:
        if len(parents) == 1:
            return (prim, y.shape, y.dtype), -1
        if len(parents) == 2:
            a, b = parents
            if a is None:
                return (prim, y.shape, y.dtype, 0, _kind(args[0])), -1
            return (prim, y.shape, y.dtype) if b is not None else (prim, y.shape, y.dtype, 1, _kind(args[1])), -1
    if prim is GUARD:
        seen = np.asarray(params["value"])
        return (prim, params["why"], seen.dtype, seen.shape, seen.tobytes()), -1
    if prim.kind == "custom":
        return object(), -1
    held = tuple([(None if p is not None else _kind(a)) for a, p in zip(args, parents, strict=True)])
    own = tuple([(v.shape, v.dtype) for v in y]) if prim.multiple else (y.shape, y.dtype)
    if not params:
        return (prim, held, own), -1
    lead = -1
    if (prim is INDEX or prim is SCATTER) and len(parents) == 1 and parents[0] is not None:
        template = params["template"]
        shape = args[0].shape if prim is INDEX else params["shape"]
        n = 0
        while n < len(template) and type(template[n]) is int:
            n += 1
        if n and len(template) == len(shape) and all(type(k) is slice and k == FULL for k in template[n:]):
            at = 0
            for k, size in zip(template[:n], shape, strict=False):
                at = at * size + k % size
            for size in shape[n:]:
                at *= size
            return (prim, held, own, n, tuple(shape)), at
    try:
        key = (prim, held, own, tuple([(k, _frozen(v)) for k, v in sorted(params.items())]))
        hash(key)
    except TypeError:
        return object(), -1
    return key, lead


def _kind(a: Any) -> Any:
    return type(a) if type(a) in WEAK else (type(a), a.shape, a.dtype)


def _frozen(v: Any) -> Any:
    if isinstance(v, (tuple, list)):
        return (type(v), *[_frozen(w) for w in v])
    if isinstance(v, slice):
        return (slice, v.start, v.stop, v.step)
    return (type(v), v)


def affine(x: np.ndarray) -> Any:
    step = int(x[1] - x[0])
    return (int(x[0]), step) if (np.diff(x) == step).all() else x.copy()
