"""Recording for a program that will be run again at once: each operation once, with the least that can be noted of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.primitive import Primitive, refuse_objects
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor
from dualad.modes.record import RecordLevel
from dualad.modes.reverse import LARGE, OBJECT, own

_NO_PARAMS: dict[str, Any] = {}
ndarray = np.ndarray


class TraceLevel(RecordLevel):
    """Nodes have values where a recording has Specs (large ones are let go), since making Specs takes longer than keeping
    values; a tensor of a lower level is the same object at each use, so that uses can be compared."""

    name = "a recording"

    def __init__(self) -> None:
        super().__init__()
        self.captured: dict[Any, Tensor] = {}

    def bind1(self, prim: Primitive, x: Tensor) -> Any:
        if not prim.elementwise:
            return self.bind(prim, (x,), {})
        v = x.value
        y = prim(v) if type(v) is Tensor else prim.run(v)
        k = next(self.count)
        if type(y) is ndarray and y.nbytes > LARGE:
            self.nodes.append((k, prim, (x.aux,), (_light(v),), _light(y), _NO_PARAMS, None))
        else:
            self.nodes.append((k, prim, (x.aux,), (v,), y, _NO_PARAMS, None))
        return Tensor(y, self, k)

    def bind2(self, prim: Primitive, a: Any, b: Any) -> Any:
        if not prim.elementwise:
            return self.bind(prim, (a, b), {})
        pa = pb = None
        if type(a) is Tensor and a.level is self:
            pa = a.aux
            a = a.value
        if type(b) is Tensor and b.level is self:
            pb = b.aux
            b = b.value
        if type(a) is Tensor or type(b) is Tensor or type(a) is complex or type(b) is complex:
            y = prim(a, b)
        else:
            y = prim.run(a, b)
        k = next(self.count)
        if type(y) is np.float64 and type(a) is not ndarray and type(b) is not ndarray:
            self.nodes.append((k, prim, (pa, pb), (a, b), y, _NO_PARAMS, None))
            return Tensor(y, self, k)
        if y.dtype is OBJECT:
            refuse_objects(y)
        kept = (pa is not None or type(a) is float) and (pb is not None or type(b) is float)  # as they are
        if kept and type(y) is ndarray and y.nbytes <= LARGE:
            self.nodes.append((k, prim, (pa, pb), (a, b), y, _NO_PARAMS, None))
            return Tensor(y, self, k)
        held = (self.own(a) if pa is None else _light(a), self.own(b) if pb is None else _light(b))
        self.nodes.append((k, prim, (pa, pb), held, _light(y), _NO_PARAMS, None))
        return Tensor(y, self, k)

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if len(args) != 1 or prim.multiple:
            return super().bind(prim, args, params)
        (x,) = args
        v = x.value
        y = prim(v, **params) if type(v) is Tensor else prim.impl(v, **params)
        k = next(self.count)
        self.nodes.append((k, prim, (x.aux,), (_light(v),), y if type(y) is np.float64 else _light(y), params, None))
        return Tensor(y, self, k)

    def record(
        self, prim: Primitive, args: tuple[Any, ...], parents: tuple[Any, ...], y: Any, params: dict[str, Any]
    ) -> Any:
        held = tuple([self.own(a) if p is None else _light(a) for a, p in zip(args, parents, strict=True)])
        k = next(self.count)
        out = tuple(map(_light, y)) if prim.multiple else _light(y)
        self.nodes.append((k, prim, parents, held, out, params, None))
        return self.pick(k, y) if prim.multiple else Tensor(y, self, k)

    def own(self, a: Any) -> Any:
        if type(a) is not Tensor:
            return super().own(a)
        key = (id(a.level), id(a.value), a.aux if type(a.aux) is int else id(a.aux))
        found = self.captured.get(key)
        if found is None:
            found = self.captured[key] = own(a)
        return found


def _light(x: Any) -> Any:
    """A value that a node may hold: what is assigned to must not be held, for then it would be copied each time."""
    return Spec(x.shape, x.dtype) if (type(x) is ndarray and x.nbytes > LARGE) or type(x) is Tensor else x
