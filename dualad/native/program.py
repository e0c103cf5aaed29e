"""A graph as steps that run: calls of primitives on NumPy, and machine code for what lies between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.native.graph import Graph, Guard, Value

Step = tuple[Callable[..., Any], tuple[int, ...], dict[str, Any], Any, tuple[int, ...]]


class Missed(Exception):
    """A guard did not hold: this program is not what Python would have done."""

    def __init__(self, place: int) -> None:
        self.place = place


class Program:
    """A graph ready to run: ``program(arrays)`` returns new arrays, or raises ``Missed``.

    A step is ``(function, slots of its arguments, parameters, where its result goes, slots free afterwards)``. Nothing is
    kept between calls, so any number of threads can be in one program.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.template: list[Any] = [v.data if v.op == "constant" else None for v in graph.values]
        self.inputs = [v.index for v in graph.inputs]
        self.outputs = [v.index for v in graph.outputs]
        self.steps: list[Step] = []
        guards: dict[int, list[Guard]] = {}
        for g in graph.guards:
            guards.setdefault(g.value.index, []).append(g)
        for v in graph.values:
            if v.op == "call":
                assert v.prim is not None
                self._step(v.prim.impl, v.args, v.params, v.index)
            elif v.op == "pick":
                self._step(lambda ys, k: ys[k], v.args, {"k": v.data}, v.index)
            for g in guards.get(v.index, ()):
                self._step(_check, (v,), {"guard": g}, None)
        self._free_early()
        self.constants = {id(v.data) for v in graph.values if v.op == "constant"}

    def _step(self, f: Callable[..., Any], args: Sequence[Value], params: dict[str, Any], out: int | None) -> None:
        self.steps.append((f, tuple([a.index for a in args]), params, out, ()))

    def _free_early(self) -> None:
        """Let go of each intermediate result after its last use."""
        keep = {*self.outputs, *self.inputs, *[v.index for v in self.graph.values if v.op == "constant"]}
        for k in range(len(self.steps) - 1, -1, -1):
            f, args, params, out, _ = self.steps[k]
            last = tuple([a for a in dict.fromkeys(args) if a not in keep])
            keep.update(last)
            self.steps[k] = (f, args, params, out, last)

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        env = self.template.copy()
        for k, a in zip(self.inputs, arrays, strict=True):
            env[k] = a
        for f, args, params, out, free in self.steps:
            y = f(*[env[a] for a in args], **params)
            if out is not None:
                env[out] = y
            for k in free:
                env[k] = None
        taken = {id(a) for a in arrays} | self.constants
        return [_own(env[k], taken) for k in self.outputs]


def _own(y: Any, taken: set[int]) -> Any:
    """A result that shares memory with nothing (``taken``: what others hold)."""
    if type(y) is not np.ndarray:
        return y if isinstance(y, np.generic) else np.asarray(y)[()]
    if id(y) in taken or y.base is not None or not y.flags.writeable:
        y = y.copy()
    taken.add(id(y))
    return y if y.ndim else y[()]


def _check(x: Any, guard: Guard) -> None:
    if not guard.holds(x):
        raise Missed(guard.place)
