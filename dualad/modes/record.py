"""Recording: a tape that keeps all that is needed to run the program again."""

from __future__ import annotations

from typing import Any

from dualad.core.level import ClosedLevel
from dualad.core.primitive import Primitive
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor
from dualad.modes.reverse import _NONE1, PICK, Node, ReverseLevel, fixes


class RecordLevel(ReverseLevel):
    """Reverse mode that also records constants, specs, zero-derivative operations, and what Python looked at."""

    name = "a tape"
    full = True
    compiled = False  # what is recorded will be compiled: sparse matrices of its tensors are welcome

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.inputs: list[Node] = []

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
        return self.bind(prim, (x,), {})

    def bind2(self, prim: Primitive, a: Any, b: Any) -> Any:
        return self.bind(prim, (a, b), {})

    def record(
        self, prim: Primitive, args: tuple[Any, ...], parents: tuple[Any, ...], y: Any, params: dict[str, Any]
    ) -> Any:
        need = prim.needs(parents)
        kept = tuple(
            self.own(a) if p is None else a if need[i] else Spec(a.shape, a.dtype)
            for i, (a, p) in enumerate(zip(args, parents, strict=True))
        )
        if prim.multiple:
            out: Any = tuple(v if prim.keep_y else Spec(v.shape, v.dtype) for v in y)
        else:
            out = y if prim.keep_y else Spec(y.shape, y.dtype)
        k = next(self.count)
        self.nodes.append((k, prim, parents, kept, out, params, fixes(args, parents)))
        return self.pick(k, y) if prim.multiple else Tensor(y, self, k)

    def pick(self, index: int, y: tuple[Any, ...]) -> tuple[Any, ...]:
        out = []
        for k, v in enumerate(y):
            spec = Spec(v.shape, v.dtype)
            part = next(self.count)
            self.nodes.append((part, PICK, (index,), _NONE1, spec, {"k": k, "n": len(y)}, None))
            out.append(Tensor(v, self, part))
        return tuple(out)

    def look(self, x: Tensor, why: str) -> Any:
        value = super().look(x, why)
        if why not in ("print()", "format()"):
            self.nodes.append((next(self.count), GUARD, (x.aux,), _NONE1, None, {"value": value, "why": why}, None))
        return value


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
