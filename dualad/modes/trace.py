"""Recording for a program that will be run again at once: each operation once, with the least that can be noted of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.primitive import REGISTRY, Primitive, refuse_objects
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.alike import INDEX, Columns, Nodes
from dualad.modes.record import RecordLevel
from dualad.modes.reverse import LARGE, OBJECT, Node, ReverseLevel, own

STACK = REGISTRY["stack"]
_NO_PARAMS: dict[str, Any] = {}
ndarray = np.ndarray
float64 = np.float64


class TraceLevel(RecordLevel):
    """Nodes have values where a recording has Specs (large ones are let go), since making Specs takes longer than keeping
    values; a tensor of a lower level is the same object at each use, so that uses can be compared."""

    name = "a recording"

    def __init__(self) -> None:
        ReverseLevel.__init__(self)
        self.inputs, self.looped = [], False
        self.captured: dict[Any, Tensor] = {}
        self.columns = Columns()
        self.numbers, self.code = self.columns.numbers, self.columns.codes.append
        self.parent, self.constant = self.columns.parents.append, self.columns.constants.append
        self._nodes: Nodes | None = None

    @property
    def nodes(self) -> Nodes:  # type: ignore[override]
        if self._nodes is None or len(self._nodes) != len(self.columns.codes):
            self._nodes = Nodes(self.columns, self.inputs)
        return self._nodes

    def watch(self, x: Any) -> Tensor:
        assert not self.columns.codes  # inputs have the first numbers
        return super().watch(x)

    def close(self) -> None:
        nodes = self.nodes
        super().close()
        self.__dict__["nodes"] = nodes

    def bind1(self, prim: Primitive, x: Tensor) -> Any:
        if not prim.elementwise:
            return self.bind(prim, (x,), {})
        v = x.value
        y = prim(v) if type(v) is Tensor else prim.run(v)
        k = next(self.count)
        self.note((k, prim, (x.aux,), (_light(v),), _light(y), _NO_PARAMS, None))
        return new_tensor(y, self, k)

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
        ta, tb = type(a), type(b)
        if ta is Tensor or tb is Tensor or ta is complex or tb is complex:
            y = prim(a, b)
        else:
            y = prim.run(a, b)
        k = next(self.count)
        # Of numbers, and of small arrays and floats, as ``note`` does it: most nodes of long recordings are these.
        if type(y) is float64 and ta is not ndarray and tb is not ndarray:
            key: Any = prim
        else:
            if y.dtype is OBJECT:
                refuse_objects(y)
            kept = (pa is not None or ta is float) and (pb is not None or tb is float)  # as they are
            if not kept or type(y) is not ndarray or y.nbytes > LARGE:
                held = (self.own(a) if pa is None else _light(a), self.own(b) if pb is None else _light(b))
                self.note((k, prim, (pa, pb), held, _light(y), _NO_PARAMS, None))
                return new_tensor(y, self, k)
            key = (prim, y.shape, y.dtype)
        if pa is None:
            key = (key, 0, ta)
            self.constant(a)
        elif pb is None:
            key = (key, 1, tb)
            self.constant(b)
        try:
            self.code(self.numbers[key])
        except KeyError:
            self.code(self.columns.number(key, (k, prim, (pa, pb), (a, b), y, _NO_PARAMS, None)))
        self.parent(-1 if pa is None else pa)
        self.parent(-1 if pb is None else pb)
        return new_tensor(y, self, k)

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if len(args) != 1 or prim.multiple:
            if prim is STACK and (y := self._stack(args, params)) is not None:
                return y
            if prim.kind == "custom" or prim.later is not None:
                return super().bind(prim, args, params)
            return ReverseLevel.bind(self, prim, args, params)
        (x,) = args
        v = x.value
        if prim is INDEX and type(v) is ndarray and v.nbytes <= LARGE:
            template = params["template"]
            y = v[template]
            k = next(self.count)
            if type(y) is float64 and len(template) == 1:
                columns = self.columns
                columns.leads[len(columns.codes)] = template[0] % len(v)
                key = (prim, len(v))
                try:
                    self.code(self.numbers[key])
                except KeyError:
                    self.code(columns.number(key, (k, prim, (x.aux,), (v,), y, params, None)))
                self.parent(x.aux)
            else:
                self.note((k, prim, (x.aux,), (v,), y, params, None))
            return new_tensor(y, self, k)
        y = prim(v, **params) if type(v) is Tensor else prim.impl(v, **params)
        k = next(self.count)
        self.note((k, prim, (x.aux,), (_light(v),), y if type(y) is float64 else _light(y), params, None))
        return new_tensor(y, self, k)

    def _stack(self, args: tuple[Any, ...], params: dict[str, Any]) -> Tensor | None:
        """Of numbers that are all tracked here; None where they are not."""
        parents, values = [], []
        for a in args:
            if type(a) is not Tensor or a.level is not self or type(a.value) is not float64:
                return None
            parents.append(a.aux)
            values.append(a.value)
        y = np.array(values)
        k = next(self.count)
        key = (STACK, len(values))
        try:
            self.code(self.numbers[key])
        except KeyError:
            self.code(self.columns.number(key, (k, STACK, tuple(parents), tuple(values), y, params, None)))
        self.columns.parents.extend(parents)
        return new_tensor(y, self, k)

    def record(
        self, prim: Primitive, args: tuple[Any, ...], parents: tuple[Any, ...], y: Any, params: dict[str, Any]
    ) -> Any:
        held = args
        if set(map(type, args)) != {float64}:
            held = tuple([self.own(a) if p is None else _light(a) for a, p in zip(args, parents, strict=True)])
        k = next(self.count)
        out = tuple(map(_light, y)) if prim.multiple else _light(y)
        self.note((k, prim, parents, held, out, params, None))
        return self.pick(k, y) if prim.multiple else new_tensor(y, self, k)

    def note(self, node: Node) -> None:
        self.columns.note(node)

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
