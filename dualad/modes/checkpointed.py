"""Reverse mode under a memory budget: the tape keeps instructions, and values only at checkpoints.

While the program runs, every stretch of instructions ends with a checkpoint: the values that the program still holds
there. When checkpoints exceed their share of the budget, every second one is dropped (the length of the program is not
known). The backward pass takes the stretches from the last to the first and computes their values again from the nearest
checkpoint before; between distant ones it sets new checkpoints where the binomial schedule puts them.

Source: Griewank & Walther 2000, ACM TOMS 26 (revolve); Stumm & Walther 2010, SIAM J. Sci. Comput. 32 (online).
"""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.core.primitive import Primitive, refuse_objects
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.reverse import _NO_PARAMS, _NONE1, OBJECT, PICK, Node, ReverseLevel, fixes, pull

State = dict[int, Any]
INSTRUCTION = 400  # bytes that an instruction without its values takes
SHARE = 4  # one part of the budget for the values of one stretch, the others for checkpoints


class TooLittle(ArgumentError):
    """The budget cannot be kept."""


def least(run: Callable[[int], Any], budget: int) -> int:
    """The least budget with which ``run`` succeeds, to a hundredth; ``budget`` is too little.

    By trying: the function is run about ten times more.
    """
    good = bad = budget
    while good == bad or good - bad > good // 100:
        trial = 2 * good if good == bad else (good + bad) // 2
        try:
            run(trial)
        except TooLittle:
            good, bad = (trial, trial) if good == bad else (good, trial)
        else:
            good = trial
    return good


def nbytes(x: Any) -> int:
    return x.nbytes if type(x) is np.ndarray else Spec(x.shape, x.dtype).nbytes


class CheckpointLevel(ReverseLevel):
    """Records instructions without values, and checkpoints, within ``budget`` bytes."""

    name = "reverse mode with checkpoints"

    def __init__(self, budget: int) -> None:
        super().__init__()
        self.budget = budget
        self.nodes: list[Node] = []
        self.roots: State = {}
        self.alive: list[weakref.ref[Tensor]] = []
        self.ends = [0]  # of the stretches, as positions in ``nodes``
        self.states: dict[int, State] = {0: {}}  # by position
        self.counted = 0, 0  # constants, and their bytes
        self.stretch = 0  # bytes of the values in the stretch that is being recorded
        self.held = 0  # bytes of the checkpoints
        self.peak = 0  # the most bytes of values held at once, by this level

    def watch(self, x: Any) -> Tensor:
        t = super().watch(x)
        self.roots[t.aux] = t.value
        return t

    def bind1(self, prim: Primitive, x: Tensor) -> Any:
        if not prim.elementwise:
            return self.bind(prim, (x,), {})
        v = x.value
        return self._one(prim, (x.aux,), _NONE1, prim(v) if type(v) is Tensor else prim.run(v))

    def bind2(self, prim: Primitive, a: Any, b: Any) -> Any:
        """``bind`` and ``record`` in one: long loops are recorded operation by operation."""
        if not prim.elementwise:
            return self.bind(prim, (a, b), {})
        pa = pb = ka = kb = None
        if type(a) is Tensor and a.level is self:
            pa, a = a.aux, a.value
        else:
            ka = self.own(a)
        if type(b) is Tensor and b.level is self:
            pb, b = b.aux, b.value
        else:
            kb = self.own(b)
        if type(a) is Tensor or type(b) is Tensor or type(a) is complex or type(b) is complex:
            y = prim(a, b)
        else:
            y = prim.run(a, b)
        if y.dtype is OBJECT:
            refuse_objects(y)
        return self._one(prim, (pa, pb), (ka, kb), y)

    def _one(self, prim: Primitive, parents: tuple[Any, ...], kept: tuple[Any, ...], y: Any) -> Tensor:
        k = next(self.count)
        self.nodes.append((k, prim, parents, kept, None, _NO_PARAMS, None))
        t = new_tensor(y, self, k)
        self.alive.append(weakref.ref(t))
        self.stretch += y.nbytes if type(y) is np.ndarray else nbytes(y)
        if self.stretch * SHARE > self.room():
            self._end_stretch()
        return t

    def record(self, prim: Primitive, args: tuple[Any, ...], parents: tuple[Any, ...], y: Any, params: Any) -> Any:
        k = next(self.count)
        kept = tuple([self.own(a) if p is None else None for a, p in zip(args, parents, strict=True)])
        self.nodes.append((k, prim, parents, kept, None, params, None))
        out = self.pick(k, y) if prim.multiple else self.adopt(new_tensor(y, self, k))
        self.stretch += sum(map(nbytes, y)) if prim.multiple else nbytes(y)
        if self.stretch * SHARE > self.room():
            self._end_stretch()
        return out

    def room(self) -> float:
        """What of the budget is left for values."""
        if len(self.constants) != self.counted[0]:
            self.counted = len(self.constants), sum(c.nbytes for _, c in self.constants.values())
        fixed = INSTRUCTION * len(self.nodes) + self.counted[1]
        left = self.budget - fixed
        if left < self.budget / 8:
            self._refuse(fixed)
        return left

    def _refuse(self, held: float) -> NoReturn:
        raise TooLittle(
            f"memory={self.budget} bytes is too little for this program: after {len(self.nodes)} operations its tape holds "
            f"{int(held)} bytes, with as few checkpoints as can be."
        )

    def adopt(self, t: Tensor) -> Tensor:
        self.alive.append(weakref.ref(t))
        return t

    def pick(self, index: int, y: tuple[Any, ...]) -> tuple[Any, ...]:
        out = []
        for i, v in enumerate(y):
            part = next(self.count)
            self.nodes.append((part, PICK, (index,), (None,), None, {"k": i, "n": len(y)}, None))
            out.append(self.adopt(new_tensor(v, self, part)))
        return tuple(out)

    def _end_stretch(self) -> None:
        """A checkpoint here; where checkpoints take more than their share, drop every second one."""
        living = [(r, t) for r in self.alive if (t := r()) is not None and t.level is self]
        self.alive = [r for r, _ in living]
        state = {t.aux: t.value for _, t in living if t.aux not in self.roots}
        position = len(self.nodes)
        self.ends.append(position)
        self.states[position] = state
        self.held += sum(map(nbytes, state.values()))
        self.peak = max(self.peak, self.held + self.stretch)
        self.stretch = 0
        while self.held > self.room() * (SHARE - 1) / SHARE and len(self.states) > 2:
            for p in sorted(self.states)[1::2]:
                self.held -= sum(map(nbytes, self.states.pop(p).values()))
        self._check()

    def _check(self) -> None:
        if self.peak > self.budget:
            self._refuse(self.peak)

    # Backward -------------------------------------------------------------------------------

    def backward(self, cts: State) -> None:
        """Turn the cotangents of outputs, by index, into those of the roots."""
        last = last_uses(self.nodes)
        self.alive = []
        if self.ends[-1] != len(self.nodes):
            self.ends.append(len(self.nodes))
        self._reduce_states()
        stretches = {end: k for k, end in enumerate(self.ends)}
        places = [*sorted(p for p in self.states if p < len(self.nodes)), len(self.nodes)]
        jobs = [(stretches[a], stretches[b]) for a, b in itertools.pairwise(places)]
        while jobs:
            lo, hi = jobs.pop()
            start = self.ends[lo]
            state = {i: v for i, v in self.states[start].items() if last.get(i, -1) >= start}
            if hi - lo <= 1:
                self._pull_stretch(start, self.ends[hi], state, cts, last)
                self.held -= sum(map(nbytes, self.states.pop(start).values()))
                continue
            size = max(1, sum(map(nbytes, state.values())))
            slots = int((self.room() * (SHARE - 1) / SHARE - self.held) / size)
            middle = lo + binomial_step(hi - lo, slots)
            found = self._forward(start, self.ends[middle], state, last)
            self.states[self.ends[middle]] = found
            self.held += sum(map(nbytes, found.values()))
            self.peak = max(self.peak, self.held)
            self._check()
            jobs += [(lo, middle), (middle, hi)]

    def _reduce_states(self) -> None:
        """Checkpoints to what is needed behind them; without one that lacks something (then an earlier one serves)."""
        needed: set[int] = set()
        at = len(self.nodes)
        for position in sorted(self.states, reverse=True):
            for node in reversed(self.nodes[position:at]):
                needed.discard(node[0])
                needed.update(node[2])
            at = position
            needed -= {None, *self.roots}
            state = self.states[position]
            self.held -= sum(map(nbytes, state.values()))
            if position and not needed <= state.keys():
                del self.states[position]
                continue
            self.states[position] = {i: state[i] for i in needed}
            self.held += sum(map(nbytes, self.states[position].values()))

    def _values(self, node: Node, env: State) -> tuple[Any, ...]:
        if len(node[2]) == 1:
            (p,) = node[2]
            return (node[3][0] if p is None else env[p] if p in env else self.roots[p],)
        return tuple(
            [a if p is None else env[p] if p in env else self.roots[p] for a, p in zip(node[3], node[2], strict=True)]
        )

    def _forward(self, start: int, stop: int, state: State, last: dict[int, int]) -> State:
        """The state at ``stop``, from that at ``start``: values that nothing later needs are let go."""
        env = dict(state)
        for at in range(start, stop):
            node = self.nodes[at]
            run(node, self._values(node, env), env)
            for p in node[2]:
                if p is not None and last.get(p) == at:
                    env.pop(p, None)
        return {i: v for i, v in env.items() if last.get(i, -1) >= stop}

    def _pull_stretch(self, start: int, stop: int, state: State, cts: State, last: dict[int, int]) -> None:
        env = dict(state)
        nodes: list[Node] = []
        held = 0
        for at in range(start, stop):
            node = self.nodes[at]
            k, prim, parents, _, _, params, _ = node
            values = self._values(node, env)
            if prim.elementwise and not params:
                y = env[k] = _again(prim, values)
                held += y.nbytes if type(y) is np.ndarray else nbytes(y)
                # As reverse mode records it: without what the pullback does not need.
                fix = None
                for v, p in zip(values, parents, strict=True):
                    if p is not None and (v.shape != y.shape or v.dtype != y.dtype or prim.to_real):
                        fix = fixes(values, parents)
                args = values if prim.keep_x else (None,) * len(values)
                nodes.append((k, prim, parents, args, y if prim.keep_y else None, params, fix))
                for p in parents:
                    if p is not None and last.get(p) == at:
                        env.pop(p, None)
                continue
            run(node, values, env)
            if prim is PICK:
                nodes.append(node)
                continue
            y = env[k]
            held += sum(map(nbytes, y)) if prim.multiple else nbytes(y)
            need = prim.needs(parents)
            args = tuple(
                [
                    v if n or not hasattr(v, "shape") else Spec(v.shape, v.dtype)
                    for v, n in zip(values, need, strict=True)
                ]
            )
            kept = y if prim.keep_y else tuple(Spec(v.shape, v.dtype) for v in y) if prim.multiple else None
            nodes.append((k, prim, parents, args, kept, params, fixes(values, parents)))
            for p in parents:
                if p is not None and last.get(p) == at:
                    env.pop(p, None)
        self.peak = max(self.peak, self.held + held)
        self._check()
        env.clear()
        pull(_emptied(nodes), cts)


def _emptied(nodes: list[Node]) -> Any:
    while nodes:
        yield nodes.pop()


def _again(prim: Any, values: tuple[Any, ...]) -> Any:
    """An elementwise operation on values, by the shortest way."""
    if len(values) < 3 and not any(type(v) in (Tensor, complex) for v in values):
        return prim.run(*values)
    return prim(*values)


def run(node: Node, values: tuple[Any, ...], env: State) -> None:
    """Compute an instruction's result into ``env``."""
    k, prim, _, _, _, params, _ = node
    env[k] = values[0][params["k"]] if prim is PICK else prim(*values, **params)


def last_uses(nodes: Sequence[Node]) -> dict[int, int]:
    """By index of a value, the position of the last instruction that takes it."""
    return {p: at for at, node in enumerate(nodes) for p in node[2] if p is not None}


def binomial_step(length: int, slots: int) -> int:
    """How far to advance before setting the next of ``slots`` checkpoints in ``length`` stretches (revolve).

    With s checkpoints and r sweeps, C(s + r, s) stretches are reached; r is the least that suffices.
    """
    if slots <= 1:
        return max(1, length - 1) if slots < 1 else length // 2
    r = 1
    while math.comb(slots + r, slots) < length:
        r += 1
    return min(length - 1, max(1, math.comb(slots + r - 1, slots)))


def parse_bytes(text: Any) -> int:
    """``"200MB"`` (or GB, kB, MiB, a number of bytes) as bytes. Raises ``ArgumentError`` for anything else."""
    units = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
    if isinstance(text, (int, float)) and not isinstance(text, bool) and text > 0:
        return int(text)
    if isinstance(text, str):
        digits = text.strip()
        number = digits.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
        unit = digits[len(number) :].strip().lower()
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if unit in units and value > 0 and np.isfinite(value):
            return int(value * units[unit])
    raise ArgumentError(f'memory={text!r} is no size. Write bytes as a number, or a text such as "200MB" or "1.5 GiB".')
