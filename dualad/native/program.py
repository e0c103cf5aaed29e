"""A graph as steps that run: machine code for what lies between calls of NumPy."""

from __future__ import annotations

import functools
import importlib.util
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.native.graph import NOT_FINITE, SINGULAR, Graph, Guard, Repeated, Value
from dualad.native.iteration import NESTED

logger = logging.getLogger("dualad.jit")
Step = tuple[Callable[..., Any], tuple[int, ...], dict[str, Any], Any, tuple[int, ...]]


@functools.cache
def available() -> bool:
    """Whether there is a compiler: llvmlite."""
    return importlib.util.find_spec("llvmlite") is not None


class Missed(Exception):
    """A guard did not hold: this program is not what Python would have done."""

    def __init__(self, place: int) -> None:
        self.place = place


class NotFinite(Exception):
    """Products with zero were dropped, and a factor is not finite: this program is not what Python would have done."""


class Program:
    """A graph ready to run: ``program(arrays)`` returns new arrays, or raises ``Missed``.

    A step is ``(function, slots of its arguments, parameters, slots of its results, slots free afterwards)``. Nothing is
    kept between calls, so any number of threads can be in one program. Where all is one native function whose results are
    the program's, ``direct`` is that function.
    """

    def __init__(self, graph: Graph, native: bool = True, shared: Any = None) -> None:
        """``shared``: code (``Generic``) of the whole program, for this size and others."""
        self.graph = graph
        self.template: list[Any] = [v.data if v.op == "constant" else None for v in graph.values]
        self.constants = {id(v.data) for v in graph.values if v.op == "constant"}
        self.inputs = [v.index for v in graph.inputs]
        self.outputs = [v.index for v in graph.outputs]
        self.steps: list[Step] = []
        self.segments: list[Any] = []
        self.names = {id(v.prim.impl): v.prim.name for v in graph.values if v.prim is not None}
        self.direct: Callable[..., Any] | None = None
        self.picks: dict[int, list[Value]] = {}
        self.shared = shared
        if shared is not None:
            code = self.direct = shared.at(graph)
            self.segments = [shared.segment]
            outs = tuple(self.outputs)
            self._step(Native(code), graph.inputs, {}, outs if len(outs) != 1 else outs[0])
            return
        for v in graph.values:
            if v.op == "pick":
                self.picks.setdefault(v.args[0].index, []).append(v)
        kinds = _kinds(graph) if native and available() else {}
        if kinds and any(v.prim in NESTED for v in graph.values) and self._whole(kinds):
            return
        depth = _depths(graph, kinds)
        _drop_idle(graph, kinds, depth)
        guards: dict[int, list[Guard]] = {}  # that Python checks
        self.native_guards: dict[int, list[Guard]] = {}  # by depth
        for g in graph.guards:
            if isinstance(g, Repeated):
                continue
            at = _native_depth(g, kinds, depth)
            if at is None:
                guards.setdefault(g.value.index, []).append(g)
            else:
                self.native_guards.setdefault(at, []).append(g)
        for v in graph.inputs:
            for g in guards.get(v.index, ()):
                self._check(g)
        for d in range(max(depth.values(), default=0) + 1):
            own = [v for v in graph.values if v.index in depth and depth[v.index] == d]
            inside = [v for v in own if v.index in kinds]
            if inside:
                self._native(inside, kinds, self.native_guards.get(d, []))
            for v in own:
                if v.op == "pick" and v.args[0].prim in NESTED:
                    continue  # the step of the loop or branch puts it there
                if v.op == "pick":
                    self._step(lambda ys, k: ys[k], v.args, {"k": v.data}, v.index)
                elif v.index not in kinds:
                    assert v.prim is not None
                    if v.prim in NESTED:
                        self._nested(v, native)
                    else:
                        self._step(v.prim.impl, v.args, v.params, v.index)
                for g in guards.get(v.index, ()):
                    self._check(g)
        if len(self.steps) != 1:
            self.direct = None
        self._free_early()

    def _whole(self, kinds: dict[int, str]) -> bool:
        """Make a program with loops one native function; False where it cannot be."""
        from dualad.native.drive import whole

        done = whole(self.graph, kinds)
        if done is None:
            return False
        code, parts = done
        self.segments.append(parts)
        outs = tuple([v.index for v in parts.outputs])
        self._step(Native(code.call), parts.inputs, {}, outs if len(outs) != 1 else outs[0])
        if outs == tuple(self.outputs):
            self.direct = code.call
        return True

    def _step(self, f: Callable[..., Any], args: Sequence[Value], params: dict[str, Any], out: Any) -> None:
        self.steps.append((f, tuple([a.index for a in args]), params, out, ()))

    def _nested(self, v: Value, native: bool) -> None:
        body = v.params["body"]
        out = [v.index] * len(body.results)
        for pick in self.picks.get(v.index, ()):
            out[pick.data] = pick.index
        self._step(NESTED[v.prim](body, native and available()), v.args, {}, tuple(out))

    def _check(self, g: Guard) -> None:
        self._step(_check, (g.value,), {"guard": g}, None)

    def _native(self, inside: list[Value], kinds: dict[int, str], guards: list[Guard]) -> None:
        from dualad.native.compiler import compiled
        from dualad.native.complexes import in_memory

        here = {v.index for v in inside}
        users = self.graph.users()
        own = {g.place for g in guards}
        wanted = {*self.outputs, *[g.value.index for g in self.graph.guards if g.place not in own]}
        # Results first, in their order: then the native function can be the program.
        needed = [v for v in dict.fromkeys(self.graph.outputs) if v.index in here]
        needed += [v for v in inside if v.index in wanted or any(u.index not in here for u in users[v.index])]
        # Arguments that nothing depends on are taken where that makes the native function the whole program.
        whole = all(v.index in here for v in self.graph.values if v.op in ("call", "pick"))
        unused = [v for v in self.graph.inputs if whole and in_memory(v.dtype) and not users[v.index]]
        segment, code = compiled(inside, kinds, needed, guards, unused, self.graph.zeros)
        self.segments.append(segment)
        outs = tuple([v.index for v in segment.outputs])
        arguments = [v.index for v in segment.inputs]
        self._step(Native(code.call), segment.inputs, {}, outs if len(outs) != 1 else outs[0])
        if outs == tuple(self.outputs) and arguments == self.inputs:
            self.direct = code.call  # unless there are other steps

    def _free_early(self) -> None:
        """Let go of each intermediate result after its last use."""
        keep = {*self.outputs, *self.inputs, *[v.index for v in self.graph.values if v.op == "constant"]}
        for k in range(len(self.steps) - 1, -1, -1):
            f, args, params, out, _ = self.steps[k]
            last = tuple([a for a in dict.fromkeys(args) if a not in keep])
            keep.update(last)
            self.steps[k] = (f, args, params, out, last)

    def listing(self) -> list[str]:
        """The steps in words."""
        lines = []
        native = iter(self.segments)
        for f, _, params, _, _ in self.steps:
            if isinstance(f, Native):
                s = next(native)
                if self.shared is not None:
                    least = f" from {s.least} on" if s.least > 1 else ""
                    lines.append(f"native, for every n{least}")
                else:
                    moved = sum(v.size * np.dtype(v.dtype).itemsize for v in [*s.inputs, *s.outputs])
                    lines.append(f"native, {moved} bytes in and out, {s.workspace} bytes of workspace")
                lines += [f"  {note}" for note in s.notes]
            elif hasattr(f, "listing"):
                lines += f.listing()
            elif f is _check:
                lines.append(f"check: {params['guard']!r}")
            else:
                lines.append(f"NumPy: {self.names.get(id(f), 'pick')}")
        return lines

    def texts(self) -> list[str]:
        """The LLVM code of the native steps."""
        nested = [text for f, *_ in self.steps if hasattr(f, "texts") for text in f.texts()]
        return [*[s.text for s in self.segments], *nested]

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        env = self.template.copy()
        for k, a in zip(self.inputs, arrays, strict=True):
            env[k] = a
        for f, args, params, out, free in self.steps:
            y = f(*[env[a] for a in args], **params)
            if type(out) is int:
                env[out] = y
            elif out is not None:
                for k, part in zip(out, y, strict=True):
                    env[k] = part
            for k in free:
                env[k] = None
        taken = {id(a) for a in arrays} | self.constants
        return [_own(env[k], taken) for k in self.outputs]


class Native:
    """A native function that takes what NumPy hands around: other layouts are brought to its own first."""

    def __init__(self, code: Any) -> None:
        self.call = code

    def __call__(self, *args: Any) -> Any:
        y = self.call(*args)
        if y is None:
            y = self.call(*[_plain(a) for a in args])
            if y is None:
                raise AssertionError(f"native code refused its arguments: {[type(a) for a in args]}")
        if type(y) is int:
            if y == NOT_FINITE:
                raise NotFinite
            if y == SINGULAR:
                raise np.linalg.LinAlgError("a matrix is singular, or not positive definite")
            if y < 0:
                raise IndexError("an index is out of range")
            raise Missed(y)
        return y


def _plain(a: Any) -> Any:
    if np.ndim(a) == 0:
        return np.asarray(a)[()]
    usual = np.dtype(a.dtype.type)  # dtypes can be equal and not the same object
    a = np.require(a, usual, ["C", "A"])
    return a if a.dtype is usual else a.view(usual)


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


def _kinds(graph: Graph) -> dict[int, str]:
    """How each value is computed natively, where it is."""
    from dualad.native.complexes import kind_of

    return {v.index: k for v in graph.values if (k := kind_of(v)) is not None}


def _depths(graph: Graph, kinds: dict[int, str]) -> dict[int, int]:
    """Of each operation, how many times NumPy must have been called before: native values of equal depth go together,
    followed by the calls of NumPy of that depth."""
    out: dict[int, int] = {}
    for v in graph.values:
        if v.op not in ("call", "pick"):
            continue
        native = v.index in kinds
        out[v.index] = max(
            (out[a.index] + (native and a.index not in kinds) for a in v.args if a.index in out), default=0
        )
    return out


def _native_depth(g: Guard, kinds: dict[int, str], depth: dict[int, int]) -> int | None:
    """In which native segment a guard is checked; None: by Python."""
    if not kinds or not _simple(g):
        return None
    if g.value.index in kinds:
        return depth[g.value.index]
    from dualad.native.complexes import in_memory

    native = g.value.op == "input" and in_memory(g.value.dtype) and any(depth[k] == 0 for k in kinds)
    return 0 if native else None


def _simple(g: Guard) -> bool:
    """Whether native code can tell: one number, and not beyond what every float type tells apart."""
    if g.value.dtype.kind == "c" and g.why != "bool()":
        return False
    return g.value.size == 1 and not (g.why == "int()" and abs(g.seen) >= 2**24)


def native_guard(g: Guard, kinds: dict[int, str]) -> bool:
    """Whether a guard in a loop's body is checked by native code."""
    return _simple(g) and (g.value.index in kinds or g.value.op == "input")


def _drop_idle(graph: Graph, kinds: dict[int, str], depth: dict[int, int]) -> None:
    """Leave to NumPy what only moves elements: its views are free."""
    busy = {depth[k] for k, kind in kinds.items() if kind not in ("movement", "alias")}
    for k in [k for k in kinds if depth[k] not in busy]:
        del kinds[k]
    depth.update(_depths(graph, kinds))
