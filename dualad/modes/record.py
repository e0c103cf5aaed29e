"""Recording: a tape that keeps all that is needed to run the program again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from dualad.core.level import ClosedLevel
from dualad.core.primitive import Primitive, refuse_objects
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.reverse import _NONE1, OBJECT, PICK, Node, ReverseLevel, fixes

SHOWN = ("print()", "format()")  # looks that decide nothing


class NoLoop(BaseException):
    """A loop or a branch cannot be one operation; jit records what Python does of it. (No error of the user's, so that no
    ``except Exception`` of theirs sees it.) ``of``: the code of the body, where it is known."""

    def __init__(self, why: str, of: Any = None) -> None:
        super().__init__(why)
        self.why, self.of = why, of


class NoRoom(NoLoop):
    """A loop ran ``count`` times, and has stacks for fewer iterations."""

    def __init__(self, of: Any, count: int) -> None:
        super().__init__("more iterations than there is room for", of)
        self.count = count


class RecordLevel(ReverseLevel):
    """Reverse mode that also records constants, specs, zero-derivative operations, and what Python looked at."""

    name = "a tape"
    differentiates = False
    full = True
    body = False  # what is recorded is the body of a loop
    compiled = False  # what is recorded will be compiled: sparse matrices of its tensors are welcome
    deferring = False  # and what need not be computed while it is recorded is not

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.inputs: list[Node] = []
        self.looped = False  # whether loops in it were recorded by their bodies

    def close(self) -> None:
        super().close()
        self.__class__ = ClosedTape  # type: ignore[assignment]

    def watch(self, x: Any) -> Tensor:
        t = super().watch(x)
        self.inputs.append((t.aux, None, (), (), Spec(t.value.shape, t.value.dtype), {}, None))
        return t

    def lift(self, x: Any) -> Tensor:
        return self.record(LIFT, (x,), (None,), x, {})

    def bind1(self, prim: Primitive, x: Tensor) -> Any:
        if not prim.elementwise:
            return self.bind(prim, (x,), {})
        v = x.value
        y = prim(v) if type(v) is Tensor else prim.run(v)
        shape, dtype = v.shape, v.dtype
        k = next(self.count)
        kept = (v if prim.keep_x else Spec(shape, dtype),)
        self.nodes.append(
            (k, prim, (x.aux,), kept, y if prim.keep_y else Spec(y.shape, y.dtype), {}, ((shape, dtype),))
        )
        return new_tensor(y, self, k)

    def bind2(self, prim: Primitive, a: Any, b: Any) -> Any:
        """``bind`` and ``record`` in one: long loops are recorded operation by operation."""
        if not prim.elementwise:
            return self.bind(prim, (a, b), {})
        pa = pb = fa = fb = None
        if type(a) is Tensor and a.level is self:
            pa = a.aux
            a = a.value
            fa = (a.shape, a.dtype)
        if type(b) is Tensor and b.level is self:
            pb = b.aux
            b = b.value
            fb = (b.shape, b.dtype)
        if type(a) is Tensor or type(b) is Tensor or type(a) is complex or type(b) is complex:
            y = prim(a, b)
        else:
            y = prim.run(a, b)
        ka = self.own(a) if fa is None else a if prim.keep_x else Spec(*fa)
        kb = self.own(b) if fb is None else b if prim.keep_x else Spec(*fb)
        shape, dtype = y.shape, y.dtype
        if dtype is OBJECT:
            refuse_objects(y)
        k = next(self.count)
        self.nodes.append((k, prim, (pa, pb), (ka, kb), y if prim.keep_y else Spec(shape, dtype), {}, (fa, fb)))
        return new_tensor(y, self, k)

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if prim.kind == "custom" and COMPILING.levels[:1] == (self,) and (ys := _opened(prim, args)) is not None:
            return ys
        if prim.later is not None and COMPILING.levels and COMPILING.levels[0].deferring and not self.body:
            own = [type(a) is Tensor and a.level is self for a in args]
            values = tuple([a.value if mine else a for a, mine in zip(args, own, strict=True)])
            if not any(type(v) is Tensor for v in values) and (y := prim.later(*values, **params)) is not None:
                return self.record(
                    prim, values, tuple([a.aux if mine else None for a, mine in zip(args, own, strict=True)]), y, params
                )
        return super().bind(prim, args, params)

    def record(
        self, prim: Primitive, args: tuple[Any, ...], parents: tuple[Any, ...], y: Any, params: dict[str, Any]
    ) -> Any:
        need = prim.needs(parents)
        if len(args) == 1 and parents[0] is not None:
            (a,) = args
            spec = (a.shape, a.dtype)
            kept: tuple[Any, ...] = (a if need[0] else Spec(*spec),)
            fix: tuple[Any, ...] = (spec,)
        else:
            kept = tuple(
                [
                    self.own(a) if p is None else a if need[i] else Spec(a.shape, a.dtype)
                    for i, (a, p) in enumerate(zip(args, parents, strict=True))
                ]
            )
            fix = fixes(args, parents)
        if prim.multiple:
            out: Any = tuple(v if prim.keep_y else Spec(v.shape, v.dtype) for v in y)
        else:
            out = y if prim.keep_y else Spec(y.shape, y.dtype)
        k = next(self.count)
        self.nodes.append((k, prim, parents, kept, out, params, fix))
        return self.pick(k, y) if prim.multiple else new_tensor(y, self, k)

    def note(self, node: Node) -> None:
        self.nodes.append(node)

    def pick(self, index: int, y: tuple[Any, ...]) -> tuple[Any, ...]:
        out = []
        for k, v in enumerate(y):
            spec = Spec(v.shape, v.dtype)
            part = next(self.count)
            self.note((part, PICK, (index,), _NONE1, spec, {"k": k, "n": len(y)}, None))
            out.append(new_tensor(v, self, part))
        return tuple(out)

    def look(self, x: Tensor, why: str) -> Any:
        if COMPILING.blind and why not in SHOWN:
            raise NoLoop(f"{why} of a value")
        if self.body:  # a guard of the body, not of the iteration that is recorded
            before, COMPILING.muted = COMPILING.muted, True
            try:
                value = super().look(x, why)
            finally:
                COMPILING.muted = before
        else:
            value = super().look(x, why)
        if why not in SHOWN and not COMPILING.muted:
            self.note((next(self.count), GUARD, (x.aux,), _NONE1, None, {"value": value, "why": why}, None))
        return value


class _Compiling(threading.local):
    """The recordings in progress that will be compiled: a call of jit's, and in it bodies of loops, innermost last."""

    levels: tuple[RecordLevel, ...] = ()
    refused: frozenset[Any] | None = None  # bodies that are no loops; None: no body may be one
    muted = False  # what Python looks at is noted on a level above
    blind = False  # nothing may look at values: they are samples, of what may be computed where it is not meant to be
    sampling = False  # values do not matter: loops that end by a condition run once at most
    rooms: Mapping[Any, int] = MappingProxyType({})  # for how many iterations of a body there must be room


@contextlib.contextmanager
def sampling(on: bool = True, blind: bool = False) -> Iterator[None]:
    """While something is recorded at values that do not matter; not ``on``: while values are computed that do."""
    before = COMPILING.sampling, COMPILING.blind
    COMPILING.sampling, COMPILING.blind = on, before[1] or blind
    try:
        yield
    finally:
        COMPILING.sampling, COMPILING.blind = before


COMPILING = _Compiling()


def _opened(prim: Primitive, args: tuple[Any, ...]) -> Any:
    """The results of a function with rules of its own, as operations of the recording: its rules have been used already. None
    where it looks at values, or can only be called with arrays: then it is one operation, and Python's."""
    try:
        with sampling(on=COMPILING.sampling, blind=True):
            return prim.impl(*args)
    except (NoLoop, Exception):
        return None


@contextlib.contextmanager
def compiling(
    refused: frozenset[Any] | None = None,
    rooms: Mapping[Any, int] | None = None,
    inside: bool = False,
    on: RecordLevel | None = None,
) -> Iterator[RecordLevel]:
    """A recording to be compiled; ``inside``: of a part of it, within the one in progress; ``on``: by that level."""
    before = COMPILING.levels, COMPILING.refused, COMPILING.rooms
    with on or RecordLevel() as level:
        level.compiled = True
        level.body = inside and on is None
        COMPILING.levels = (*(COMPILING.levels if inside else ()), level)
        if not inside:
            COMPILING.refused, COMPILING.rooms = refused, rooms or {}
        try:
            yield level
        finally:
            COMPILING.levels, COMPILING.refused, COMPILING.rooms = before


class ClosedTape(ClosedLevel):
    """A finished recording: its tensors' values can be read and shown, but not computed with."""

    def shape(self, x: Tensor) -> tuple[int, ...]:  # type: ignore[override]
        return x.value.shape

    def look(self, x: Tensor, why: str) -> Any:
        v = x.value
        return v.level.look(v, why) if type(v) is Tensor else v


class _Marker(Primitive):
    """An instruction that is no operation."""

    kind = "marker"

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name
        self.impl = lambda x, **_: x
        self.keep, self.keep_x, self.keep_y = "", False, False

    def needs(self, parents: Any) -> Any:
        return [False] * len(parents)

    def vjp(self, g: Any, need: Any, y: Any, args: Any, params: Any) -> Any:
        return [None] * len(args)


LIFT = _Marker("constant")
GUARD = _Marker("guard")
