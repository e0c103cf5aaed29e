"""Loops in a recording: runs of nodes that repeat, and in which operands move evenly.

A place in the recording is affine in the iteration where the program is a loop: an operand lies at a fixed distance (in the
same iteration or some before), stands still (from before the loop), or moves by a whole number of another loop's iterations
(what a reverse sweep reads of the forward one). Iterations where that does not hold (the first, the last) are left outside;
where it holds nowhere, or where anything else differs but constants and leading integers of indices, all is left as it is.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import REGISTRY
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor
from dualad.modes.alike import INDEX, INDEX_SET, SCATTER, WEAK, Nodes, columns
from dualad.modes.record import GUARD
from dualad.modes.reverse import Node
from dualad.native.columns import NEVER, placed, wanted
from dualad.native.repetition import longest, repeats

COUNT = 8  # iterations, at least
LEAST = 1000  # operations saved, at least
BACK = 16  # iterations from which an operand may come
GATHERED = 1000  # values from before a loop that its iterations read one by one
TRIES = 4  # periods for one stretch of a recording
RUNS = 32  # runs looked at
ADD = REGISTRY["add"]
Operand = tuple[Any, ...]


class Buffer:
    """An array that iterations change element by element (or row by row), and read at the same kind of places: of shape and
    dtype ``spec``, the places of ``inner``."""

    def __init__(self, spec: Spec, inner: Spec) -> None:
        self.spec, self.inner = spec, inner


class Loop:
    """``count`` iterations of ``period`` nodes from ``start``; ``operands`` of each node of the body are one of

    (const, value), (table, values), (local, node of the body), (carried, node, iterations back), (outer, place),
    (other, loop, node, its iteration at first, step), (element, place, offsets: (first, step) or an array, Spec),
    (gathered, places).
    """

    def __init__(self, start: int, period: int, count: int, operands: list[list[Operand]]) -> None:
        self.start, self.period, self.count, self.operands = start, period, count, operands
        self.elements: dict[int, Operand] = {}  # nodes that read elements of what is outside
        self.buffers: dict[int, Buffer] = {}  # arrays that change in place, by the last node that changes them
        self.events: dict[int, tuple[int, str, np.ndarray]] = {}  # nodes that read, set or add: buffer, what, offsets
        self.apart: set[int] = set()  # nodes that stand for whole buffers, or for what is added to them
        self.final: set[int] = set()  # buffers read after the loop
        self.first: dict[int, int] = {}  # of each node read from outside, the first iteration that is
        self.whole: set[int] = set()  # nodes read from outside at every iteration
        self.back: dict[int, int] = {}  # nodes carried, and how far
        self.picks: dict[int, int] = {}  # where their stacks are in the new recording
        self.last: dict[int, int] = {}  # where their last values are, if they have a place of their own

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

    def __init__(self, inputs: Sequence[Node], nodes: Sequence[Node], outputs: Sequence[int]) -> None:
        """Of nodes that are columns, what ``outputs`` need. Of others all is wanted."""
        c = nodes.columns if isinstance(nodes, Nodes) else columns(nodes)
        self.codes, self.offsets, parents = nodes.arrays if isinstance(nodes, Nodes) else c.arrays()
        self.constants, self.samples = c.constants, c.samples
        self.leads = np.full(len(nodes), -1, np.int64)
        self.leads[list(c.leads)] = list(c.leads.values())
        every = placed(inputs, nodes, np.concatenate([parents, np.array(outputs, np.int64)]))
        self.places, self.ends = every[: len(parents)], every[len(parents) :].tolist()
        if isinstance(nodes, Nodes):
            self.free = nodes.first + len(nodes)
            guards = np.array([node[1] is GUARD for node in c.samples])[self.codes]
            if (kept := wanted(guards, self.places, self.offsets, self.ends)) is not None:
                nodes = self._cut(nodes, kept)
        else:
            self.free = 1 + max(node[0] for node in (*inputs, *nodes))
        self.inputs, self.nodes = inputs, nodes
        self.constant = np.cumsum(self.places == NEVER) - 1  # by operand: which constant it is
        self.loops: list[Loop] = []
        self._starts: list[int] = []
        # ``LEAST`` operations on real numbers, of which a complex one is about four.
        complexes = [getattr(getattr(node[4], "dtype", None), "kind", "") == "c" for node in c.samples]
        fourfold = int(np.bincount(self.codes, minlength=len(c.samples))[complexes].sum())
        self.least = LEAST * len(nodes) // max(1, len(nodes) + 3 * fourfold)

    def _cut(self, nodes: Nodes, kept: np.ndarray) -> Nodes:
        """Without the nodes that are not kept, which are among the last ones as a rule."""
        d = int(np.argmin(kept))
        o, kept, widths = int(self.offsets[d]), kept[d:], np.diff(self.offsets[d:])
        places, operands = self.places[o:], np.repeat(kept, widths)
        constants = operands[places == NEVER].tolist()
        n = len(self.constants) - len(constants)
        self.constants = [*self.constants[:n], *itertools.compress(self.constants[n:], constants)]
        now = d - 1 + np.cumsum(kept)
        places = places[operands]
        places = np.where(places < d, places, now[np.maximum(places - d, 0)])
        self.places = np.concatenate([self.places[:o], places])
        self.offsets = np.concatenate([self.offsets[: d + 1], o + np.cumsum(widths[kept])])
        self.codes = np.concatenate([self.codes[:d], self.codes[d:][kept]])
        self.leads = np.concatenate([self.leads[:d], self.leads[d:][kept]])
        self.ends = [int(now[k - d]) if k >= d else k for k in self.ends]
        return nodes.only(np.flatnonzero(np.concatenate([np.ones(d, bool), kept])))

    def spec(self, place: int) -> Any:
        """Shape and dtype of what is at a place; None where there are several."""
        y = self.inputs[-1 - place][4] if place < 0 else self.samples[self.codes[place]][4]
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
                if self._left <= 0 or hi - lo < self.least:
                    continue
                runs = [(lo + s, p, n) for s, p, n in repeats(self.codes[lo:hi], self.least, COUNT)]
                if runs:
                    self._left -= 1
                    s, p, n = runs[0]
                    todo += [(lo, hi, runs)] if s - lo < self.least else [(lo, hi, runs), (lo, s)]
                continue
            lo, hi, runs = piece
            found = (x for s, p, n in runs[:TRIES] for k in (1, 2, 3) if (x := self.fit(s, p * k, n // k)) is not None)
            loop = next((x for x in found if x.start not in banned), None)
            s, p, n = runs[0]
            if loop is None or any(x.start < loop.end and loop.start < x.end for x in self.loops):
                todo.append((s + p * n, hi))
                continue
            k = bisect.bisect(self._starts, loop.start)
            self.loops.insert(k, loop)
            self._starts.insert(k, loop.start)
            todo += [(loop.end, hi), (s, loop.start)]

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
            if count < COUNT or (count - 1) * period < self.least:
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
                    if other is None:
                        o = self._gathered(column, start)
                        if o is None:
                            return None
                        own.append(o)
                        q += 1
                        continue
                    if step % other.period:
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
        return loop if self._buffers(loop, self._elements(loop)) else None

    def _gathered(self, column: np.ndarray, start: int) -> Operand | None:
        """Values from before the loop, another one in each iteration."""
        places = column.tolist()
        spec = self.spec(places[0])
        if max(places) >= start or spec is None:
            return None
        if min(places) >= 0 and all(self.leads[p] >= 0 and self.nodes[p][1] is INDEX for p in places):
            bases = {int(self.places[self.offsets[p]]) for p in places}
            if len(bases) == 1 and len({self.spec(p) for p in places}) == 1:
                return ("element", *bases, affine(self.leads[column]), Spec(tuple(spec[0]), spec[1]))
        if len(places) > GATHERED:
            return None
        if any(self.loop_at(p) is not None or self.spec(p) != spec for p in places):
            return None
        return ("gathered", tuple(places))

    def _constant(self, place: int, period: int, count: int, k: int) -> Operand | None:
        first, following = (self.constant[self.offsets[p] + k] for p in (place, place + period))
        values = self.constants[first : first + count * (following - first) : following - first]
        x = values[0]
        if len(set(map(id, values))) == 1:
            return ("const", x)
        if type(x) is Tensor:
            return None
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

    def _elements(self, loop: Loop) -> set[int]:
        """Note the nodes that read elements of an array outside at integers that may move; returns the nodes that read or
        write elements of other arrays at integers that do move."""
        moving = set()
        for j in range(loop.period):
            leads = self._leads(loop, j)
            if leads[0] < 0:
                continue
            o = loop.operands[j][0]
            if self.nodes[loop.start + j][1] is INDEX and o[0] == "outer":
                loop.elements[j] = ("element", o[1], affine(leads), self._spec(loop, j))
            elif (leads != leads[0]).any():
                moving.add(j)
        return moving

    def _leads(self, loop: Loop, j: int) -> np.ndarray:
        return self.leads[loop.start + j : loop.end : loop.period]

    def _spec(self, loop: Loop, j: int) -> Spec:
        shape, dtype = self.spec(loop.start + j)
        return Spec(tuple(shape), dtype)

    def _buffers(self, loop: Loop, moving: set[int]) -> bool:
        """Note the arrays that change in place, which must account for all that moves.

        Each change makes a new value on the recording. It is in place where that value has one next change, and is read
        before it; where all that an iteration touches is the same for sure or different for sure.
        """
        if not moving:
            return True
        users: dict[int, list[tuple[int, int]]] = {}
        for j, own in enumerate(loop.operands):
            for o in own:
                if o[0] in ("local", "carried"):
                    users.setdefault(o[1], []).append((j, o[2] if o[0] == "carried" else 0))
        links: dict[int, tuple[Operand, int]] = {}  # what is changed, and the node that has the offsets
        for j in range(loop.period):
            prim = self.nodes[loop.start + j][1]
            if prim is INDEX_SET and self._leads(loop, j)[0] >= 0:
                links[j] = (loop.operands[j][0], j)
            elif prim is ADD:
                for k, o in enumerate(loop.operands[j]):
                    s = o[1]
                    if o[0] == "local" and self.nodes[loop.start + s][1] is SCATTER and users[s] == [(j, 0)]:
                        if self._leads(loop, s)[0] >= 0 and self._spec(loop, s) == self._spec(loop, j):
                            links[j] = (loop.operands[j][1 - k], s)
                            break
        for j, (base, _) in links.items():
            if base[0] == "carried" and base[2] == 1 and base[1] in links and base[1] not in loop.buffers:
                chain = self._chain(links, users, j, base[1])
                if chain is not None and any(s in moving for _, s in chain):
                    if not self._note(loop, links, chain, base[1]):
                        return False
                    moving -= {s for _, s in chain}
        return not moving

    def _chain(self, links: Any, users: Any, first: int, last: int) -> list[tuple[int, int]] | None:
        """The nodes that change or read an array from ``first`` to ``last``, with those that have the offsets; or None."""
        found: list[tuple[int, int]] = []
        version, back, at = last, 1, first
        while True:
            for j, n in users.get(version, ()):
                if (j, n) == (at, back):
                    continue
                if (n == back and j < at) or (version == last and n == 0 and j > last):
                    found.append((j, j))
                elif version != last or n != 1:
                    return None
            found.append((at, links[at][1]))
            if at == last:
                break
            following = [j for j, n in users.get(at, ()) if n == 0 and j in links and links[j][0][:2] == ("local", at)]
            if len(following) != 1:
                return None
            version, back, at = at, 0, following[0]
        for j, n in users.get(last, ()):
            if not ((n == 1 and j <= first) or (n == 0 and j > last)):
                return None
        return sorted(set(found))

    def _note(self, loop: Loop, links: Any, chain: list[tuple[int, int]], last: int) -> bool:
        whole = self._spec(loop, last)
        inner: Spec | None = None
        touched: list[np.ndarray] = []
        for j, s in chain:
            node = self.nodes[loop.start + s]
            leads = self._leads(loop, s)
            if leads[0] < 0:
                return False
            if node[1] is INDEX:
                own, what = self._spec(loop, s), "read"
            else:
                v = node[3][1] if node[1] is INDEX_SET else node[3][0]
                what = "set" if node[1] is INDEX_SET else "add"
                own = Spec(tuple(np.shape(v) if not hasattr(v, "shape") else v.shape), whole.dtype)
                if node[1] is INDEX_SET and node[2][1] is None:
                    if np.size(v) != 1 or np.asarray(v).dtype.kind not in "fiub" or loop.operands[s][1][0] != "const":
                        return False
                    own = inner if inner is not None else own
                elif np.dtype(v.dtype) != whole.dtype or node[2][0 if what == "add" else 1] is None:
                    return False
            if inner is not None and own != inner:
                return False
            inner = own
            for other in touched:
                same = leads == other
                if same.any() and not same.all():
                    return False
            touched.append(leads)
            loop.events[j] = (last, what, leads)
            if what != "read":
                loop.apart |= {j, s}
        assert inner is not None
        if whole.dtype.kind not in "fc" or inner.size == 0:
            return False
        loop.buffers[last] = Buffer(whole, inner)
        return True


def affine(x: np.ndarray) -> Any:
    step = int(x[1] - x[0])
    return (int(x[0]), step) if (np.diff(x) == step).all() else x.copy()
