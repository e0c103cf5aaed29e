"""A repetition as one operation: its body compiled once, and run for each iteration on memory at moving addresses.

What an iteration computes and another one, or the program after the loop, needs lies in **stacks**: arrays with a place for
each iteration (``length`` is that of the loop), or rings with places for the last few only. Places before the first
iteration hold what the first ones take from before the loop.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.spec import Spec
from dualad.native.fork import FORK, Chooser, Nested


class Read:
    """What an iteration reads: argument ``arg`` as a whole, or its elements from ``start + step * t`` or ``table[t]`` on, in
    iteration t (``down``: t is counted from the last one); or (``back`` > 0) what ``back`` iterations before put on stack
    ``arg``; or elements of a ``buffer``."""

    __slots__ = ("arg", "back", "buffer", "down", "spec", "start", "step", "table")

    def __init__(
        self,
        arg: int,
        spec: Spec,
        start: int = 0,
        step: int = 0,
        table: Any = None,
        back: int = 0,
        buffer: bool = False,
        down: bool = False,
    ) -> None:
        self.arg, self.spec, self.start, self.step, self.table, self.back = arg, spec, start, step, table, back
        self.buffer, self.down = buffer, down

    def at(self, t: int) -> int:
        """Where the elements begin."""
        return self.start + self.step * t if self.table is None else int(self.table[t])


class Stack:
    """``length`` places for one value of the body; iteration t writes ``(t + len(before)) % length``. ``before``: which
    arguments are what the iterations before the first would have written. ``down``: a place for each iteration, written
    from last to first."""

    __slots__ = ("before", "down", "length", "spec")

    def __init__(self, spec: Spec, length: int, before: Sequence[int], down: bool = False) -> None:
        self.spec, self.length, self.before, self.down = spec, length, list(before), down

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, *self.spec.shape)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.spec.dtype).itemsize

    def place(self, t: int, count: int) -> int:
        """Where iteration ``t`` of ``count`` writes."""
        return count - 1 - t if self.down else (t + len(self.before)) % self.length


class Room:
    """The guard of a loop whose length is known when it runs: that its stacks have a place for each iteration."""

    room = True
    why, seen = "the number of iterations", "within the room for them"

    def __init__(self, count: int) -> None:
        self.count = count

    def __repr__(self) -> str:
        return f"at most {self.count} iterations"


class Iteration:
    """A loop of ``count``: ``graph`` is its body, whose inputs are ``reads`` and whose outputs go to ``stacks`` and ``writes``.

    ``ends`` says when a loop ends whose length is known only when it runs: "false", once the value on stack 0 is; or after as
    many iterations as its last argument is ("number"). ``count`` is then for how many there is room on the stacks, and the
    last values on rings are put into their first places. ``down``: of reads, as of stacks.

    ``buffers`` are arrays that iterations may change in place, each begun as the arguments of these numbers, joined; writes
    (which are described as reads are) happen at the end of an iteration. It returns stacks and buffers.
    """

    def __init__(
        self,
        graph: Any,
        count: int,
        reads: Sequence[Read],
        stacks: Sequence[Stack],
        args: Sequence[Spec],
        buffers: Sequence[tuple[Spec, list[int]]],
        writes: Sequence[Read],
        ends: str = "",
    ) -> None:
        self.graph, self.count, self.ends = graph, count, ends
        self.buffers, self.writes = list(buffers), list(writes)
        self.reads, self.stacks, self.args = list(reads), list(stacks), list(args)
        self.places: list[int] = []  # of the body's guards among those of the program

    @property
    def limited(self) -> bool:
        """Whether there may be more iterations than there is room for."""
        return bool(self.ends) and any(s.length == self.count and not s.before for s in self.stacks)

    @property
    def guards(self) -> list[tuple[Any, str]]:
        where = " in each iteration" if self.ends else f" in each of {self.count} iterations"
        own: list[tuple[Any, str]] = [(g, where) for g in self.graph.guards]
        return [*own, (Room(self.count), "")] if self.limited else own

    def dtypes(self) -> set[Any]:
        found: set[Any] = self.graph.dtypes()
        return found

    def heading(self, how: str) -> list[str]:
        """The loop in words."""
        carried = len({r.arg for r in self.reads if r.back})
        size = sum(s.nbytes for s in self.stacks)
        kind = {
            "": f"loop of {self.count} iterations",
            "false": "loop while its condition holds",
            "number": "loop of as many iterations",
        }[self.ends]
        head = f"{kind} ({how}): {carried} values carried, {size} bytes on stacks"
        if self.writes:
            head += f", {len({w.arg for w in self.writes})} arrays changed in place"
        return [head, *[f"  {g!r}" for g in self.graph.guards]]

    @property
    def results(self) -> list[Spec]:
        """What it returns: stacks and buffers."""
        return [Spec(s.shape, s.spec.dtype) for s in self.stacks] + [spec for spec, _ in self.buffers]


class Runner:
    """A loop ready to run: as machine code where all of its body can be, else iteration by iteration."""

    def __init__(self, loop: Iteration, native: bool) -> None:
        from dualad.native.program import Native, Program

        self.loop = loop
        self.code: Any = None
        self.program: Any = None
        self.notes: list[str] = []
        if native:
            from dualad.native.drive import driven

            done = driven(loop)
            if done is not None:
                code, self.body = done
                self.code = Native(code.call)
                self.notes = self.body.notes
        if self.code is None:
            self.program = Program(loop.graph, native)
            self.notes = self.program.listing()

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        from dualad.native.program import Missed

        try:
            if self.code is None:
                return self._one_by_one(args)
            out = self.code(*args)
            return out if type(out) is tuple else (out,)
        except Missed as e:
            raise Missed(self.loop.places[e.place]) from None

    def _one_by_one(self, args: Sequence[Any]) -> tuple[Any, ...]:
        from dualad.native.program import Missed

        own = self.loop.stacks
        stacks = [np.empty(s.shape, s.spec.dtype) for s in own]
        known = int(args[-1]) if self.loop.ends == "number" else None
        count = self.loop.count if known is None else known
        full = len(self.loop.places) - 1
        if self.loop.limited and count > self.loop.count:
            raise Missed(full)
        for s, a in zip(own, stacks, strict=True):
            for t, arg in enumerate(s.before, -len(s.before)):
                a[s.place(t, count)] = args[arg]
        flat = [np.ascontiguousarray(a).reshape(-1) for a in args]
        places = [np.concatenate([flat[k] for k in ks]) for _, ks in self.loop.buffers]
        buffers = [a.reshape(spec.shape) for a, (spec, _) in zip(places, self.loop.buffers, strict=True)]
        n = 0
        for t in itertools.count() if self.loop.ends == "false" else range(count):
            if self.loop.ends == "false" and not stacks[0][own[0].place(t - 1, count)]:
                break
            if self.loop.limited and t == self.loop.count:
                raise Missed(full)
            ys = self.program([self._read(r, t, count, flat, stacks, places) for r in self.loop.reads])
            for s, a, y in zip(own, stacks, ys, strict=False):
                a[s.place(t, count)] = y
            n = t + 1
            for w, y in zip(self.loop.writes, ys[len(own) :], strict=True):
                places[w.arg][w.at(t) : w.at(t) + w.spec.size] = np.ravel(y)
        if self.loop.ends:
            for s, a in zip(own, stacks, strict=True):
                if s.before:
                    a[0] = a[s.place(n - 1, count)]
        return (*stacks, *buffers)

    def _read(self, r: Read, t: int, count: int, flat: Any, stacks: Any, buffers: Any) -> Any:
        if r.back:
            x = stacks[r.arg][self.loop.stacks[r.arg].place(t - r.back, count)]
        else:
            at = r.at(count - 1 - t if r.down else t)
            x = (buffers if r.buffer else flat)[r.arg][at : at + r.spec.size].reshape(r.spec.shape)
            x = x.copy() if r.buffer else x
        return x if x.ndim else x[()]

    def texts(self) -> list[str]:
        return self.program.texts() if self.code is None else [self.body.text]

    def listing(self) -> list[str]:
        """The loop in words."""
        how = "native" if self.code is not None else "one by one"
        return [*self.loop.heading(how), *[f"  {line}" for line in self.notes]]


LOOP = Nested("loop", Runner)
NESTED: dict[Any, Any] = {LOOP: Runner, FORK: Chooser}  # operations with programs in them, and how these are run
