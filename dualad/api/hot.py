"""Hot pullbacks: gradients whose tapes have the same structure call after call are pulled back by compiled programs.

The programs belong to structures, not to functions, so that ``grad(f)`` may be made anew for each call. A structure is
compiled when the calls so far have spent on their way back about what compiling takes: by an estimate, not by the clock,
so that equal runs give equal bits. Then it is tried once, and kept if it agrees and is faster.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

import numpy as np

from dualad.api.jit import uncollected
from dualad.core.tensor import Tensor
from dualad.native import program
from dualad.native.program import Missed
from dualad.native.pullback import Pullback, Structure, Unsuitable

logger = logging.getLogger("dualad.jit")
LEAST = 32  # calls with tapes of one length before their structure is looked at
MOST = 2000  # calls after which it is compiled at the latest
PREPARATION = 60_000.0  # microseconds to compile any program,
RECORDING = 25.0  # for each operation of the tape,
COMPILING = 500.0  # and for each operation of the program
NODES = 30_000  # of a tape that is looked at
TOGETHER = 4  # programs of one place
PLACES = 512  # whose calls are counted
PROGRAMS, KEPT = 100, 100_000  # how many are kept, and of how many operations of tapes together
TRIALS, TRIED = 5, 0.2  # of a new program: how many, and seconds after which there are no more
NEAR = 1e-3  # how far its results may be from the plain ones: a fault is not that small
GAIN = 1.1  # how many times faster it must be
MISSES = 8  # failed guards, after which a program is dropped


class Place:
    """Tapes of one length whose first and last operations are the same: how many calls are to go by before the next look,
    the structures seen at the last ones, and the programs."""

    def __init__(self) -> None:
        self.calls = 0
        self.ahead = self.wait = self.patience = LEAST
        self.candidates: list[Structure] = []
        self.pullbacks: list[Pullback] = []

    def pull(self, recorded: Any, one: Any) -> list[Any] | None:
        """The gradients by a program, if there is one for this tape."""
        for p in self.pullbacks:
            kept = p.structure.kept(recorded, one)
            if kept is None or p.structure.moved(kept):
                continue
            try:
                gs = p(recorded, one, kept)
            except Missed as e:
                p.misses += 1
                if p.misses >= MISSES:
                    logger.info("a hot pullback is given up: %s", p.program.graph.guards[e.place])
                    self._drop(p)
                return None
            except Exception as e:  # what is wrong, the rules will tell
                logger.info("a hot pullback raised %r", e)
                return None
            if gs is not None:
                STATE.runs += 1
                return gs
        self.ahead -= 1
        if self.ahead <= 0 and len(self.pullbacks) < TOGETHER and _lock.acquire(blocking=False):
            try:
                self.calls += self.wait
                self._look(recorded, one)
            except Unsuitable as e:
                logger.info("a tape of %d entries stays as it is: %s", len(recorded.tape), e)
                self._later(8)
            except Exception:  # a fault of the compiler is no reason to fail
                logger.info("a tape of %d entries stays as it is", len(recorded.tape), exc_info=True)
                self._later(8)
            finally:
                _lock.release()
        return None

    def _look(self, recorded: Any, one: Any) -> None:
        for s in self.candidates:
            if (kept := s.kept(recorded, one)) is not None:
                self.candidates.remove(s)
                if moved := s.moved(kept):
                    self.candidates.append(_loosened(s, moved, recorded, one))
                    self._later(2)
                else:
                    self._compile(s, recorded, one, kept)
                return
        s = self._seen(recorded, one)
        if self.candidates:
            self._later(2)
        else:
            self._wait(self._worth(s, 0) - self.calls)
        self.candidates = [*self.candidates, s][-TOGETHER:]

    def _seen(self, recorded: Any, one: Any) -> Structure:
        """The structure of a tape; where a program differs in numbers only, they become inputs, and it is replaced."""
        for p in self.pullbacks:
            if (kept := p.structure.kept(recorded, one)) is not None and (moved := p.structure.moved(kept)):
                self._drop(p)
                return _loosened(p.structure, moved, recorded, one)
        if len(recorded.tape) > 7 * NODES:
            raise Unsuitable("it is long")
        return Structure(recorded, one)

    def _compile(self, s: Structure, recorded: Any, one: Any, kept: list[Any]) -> None:
        if not program.available():
            raise Unsuitable("there is no compiler")
        if any(how in ("raise", "call") for how in np.geterr().values()):
            raise Unsuitable("NumPy is to raise errors")
        with uncollected():
            p = Pullback(s, recorded, one, kept)
            if (need := self._worth(s, p.size)) > self.calls:
                self.candidates.append(s)
                self._wait(need - self.calls)
                return
            p.compile()
        _try(p, recorded, one)
        logger.info("a pullback of %d operations is compiled", len(s.prims))
        self.pullbacks = [*self.pullbacks, p]
        self.calls = 0
        self._wait(LEAST)
        STATE.add(self, p)

    def _worth(self, s: Structure, operations: int) -> int:
        """The call at which walking back has taken as long as compiling will."""
        cost = PREPARATION + RECORDING * len(s.prims) + COMPILING * operations
        return min(int(cost / s.microseconds), MOST)

    def _wait(self, calls: int) -> None:
        self.ahead = self.wait = max(calls, LEAST)

    def _later(self, times: int) -> None:
        self.patience *= times
        self._wait(self.patience)

    def _drop(self, p: Pullback) -> None:
        self.pullbacks = [q for q in self.pullbacks if q is not p]
        STATE.programs = [(where, q) for where, q in STATE.programs if q is not p]
        self._later(8)


def _loosened(s: Structure, moved: list[int], recorded: Any, one: Any) -> Structure:
    """The structure with the numbers that have moved as inputs, if they can be."""
    if any(s.types[k] not in (float, int) for k in moved):
        return Structure(recorded, one, s.moving)
    return Structure(recorded, one, s.moving.union(moved))


def _try(p: Pullback, recorded: Any, one: Any) -> None:
    """Both ways back over one tape, in turn: the program must be faster, and agree but for rounding."""

    def compiled() -> Any:
        kept = p.structure.kept(recorded, one)
        return None if kept is None else p(recorded, one, kept)

    ways: tuple[Any, Any] = (lambda: recorded.pull([one], once=False), compiled)
    seconds: list[list[float]] = [[], []]
    while len(seconds[0]) < TRIALS and sum(map(sum, seconds)) < TRIED:
        results = []
        for way, mine in zip(ways, seconds, strict=True):
            start = time.thread_time()  # not the wall's: other processes are no reason
            with np.errstate(all="ignore"):  # the rules' own warnings come with the call itself
                results.append(way())
            mine.append(time.thread_time() - start)
    plain, fast = results
    if fast is None or not all(map(_close, fast, plain)):
        logger.warning("a compiled pullback disagrees with the plain one, and is not used: please report it")
        raise Unsuitable("it disagrees")
    if min(seconds[0]) < GAIN * min(seconds[1]):
        raise Unsuitable("compiled, it is no faster")


def _close(a: Any, b: Any) -> bool:
    """Whether two results are the same but for rounding, which may be that of float32, and large where much cancels."""
    largest = np.abs(b[np.isfinite(b)]).max(initial=0.0)
    return bool(np.allclose(a, b, rtol=NEAR, atol=NEAR * largest, equal_nan=True))


class _State:
    """What is counted, and what is compiled, in this process."""

    def __init__(self) -> None:
        self.enabled = os.environ.get("DUALAD_HOT_PULLBACKS", "1") != "0"
        self.runs = 0  # of compiled pullbacks
        self.places: dict[Any, Place] = {}
        self.programs: list[tuple[Place, Pullback]] = []

    def place(self, key: Any) -> Place:
        if len(self.places) >= PLACES:
            self.places = {k: p for k, p in self.places.items() if p.pullbacks}
        return self.places.setdefault(key, Place())

    def add(self, place: Place, p: Pullback) -> None:
        self.programs.append((place, p))
        while len(self.programs) > 1 and (
            len(self.programs) > PROGRAMS or sum([len(q.structure.prims) for _, q in self.programs]) > KEPT
        ):
            where, q = self.programs.pop(0)
            where.pullbacks = [r for r in where.pullbacks if r is not q]


STATE = _State()
_lock = threading.Lock()


def pulled(recorded: Any, one: Any) -> list[Any] | None:
    """The gradients of a recorded scalar function from a compiled program; None: there is none."""
    tape = recorded.tape
    if not STATE.enabled or not tape or type(recorded.leaves[0]) is Tensor:
        return None
    key = (len(tape), tape[5].name, tape[-2].name)  # not the operations: one of the user's may hold anything
    place = STATE.places.get(key)
    if place is None:
        place = STATE.place(key)
    if place.ahead > 1 and not place.pullbacks:
        place.ahead -= 1
        return None
    return place.pull(recorded, one)


def hot_pullbacks(enabled: bool) -> bool:
    """Turn hot pullbacks on or off, and forget what is compiled; returns what they were.

    Uncompiled ``grad(f)`` and ``value_and_grad(f)`` run their backward pass from a compiled program, once enough calls had
    the same structure. They are on from the start, unless the environment has ``DUALAD_HOT_PULLBACKS=0``, and need llvmlite:
    without it they stay off.

    >>> from dualad import hot_pullbacks
    >>> before = hot_pullbacks(False)
    >>> hot_pullbacks(before)
    False
    """
    before = STATE.enabled
    STATE.places, STATE.programs = {}, []
    STATE.enabled = bool(enabled)
    return before
