"""A recorded program as a graph of values, simplified: constants folded, equal work done once, dead work dropped.

Nothing here changes a floating-point result: only whole operations are merged, folded or dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import REGISTRY, Primitive
from dualad.core.spec import Shaped, Spec
from dualad.core.tensor import Tensor
from dualad.modes.record import GUARD, LIFT, RecordLevel
from dualad.modes.reverse import PICK
from dualad.native.iteration import NESTED
from dualad.native.rewriting import RULES, part
from dualad.native.rolling import rolled
from dualad.tape.repeat import REPEAT

logger = logging.getLogger("dualad.jit")
FOLD_LIMIT = 1 << 20  # bytes: results of constant operations up to this size are computed once
SCALARS = (bool, int, float, complex)
DONE, BAD_INDEX, NOT_FINITE, SINGULAR = -1, -2, -3, -4  # what native code returns where no guard failed


class Value(Shaped):
    """One array of the program: an input, a constant, what a primitive returned, or one output of several.

    ``op`` is ``input`` (``data``: its position), ``constant`` (``data``: the array or number), ``call`` (``prim`` on
    ``args``) or ``pick`` (``data``: which output of ``args[0]``). Multiple outputs have no shape of their own.
    """

    __slots__ = ("args", "data", "dtype", "index", "op", "params", "prim", "shape")
    shape: tuple[int, ...]
    dtype: Any

    def __init__(
        self,
        op: str,
        shape: tuple[int, ...],
        dtype: Any,
        data: Any = None,
        prim: Primitive | None = None,
        args: tuple[Value, ...] = (),
        params: dict[str, Any] | None = None,
    ) -> None:
        self.op = op
        self.shape = shape
        self.dtype = dtype
        self.data = data
        self.prim = prim
        self.args = args
        self.params: dict[str, Any] = params or {}
        self.index = -1

    @property
    def name(self) -> str:
        return self.prim.name if self.prim is not None else self.op

    def __repr__(self) -> str:
        of = f"({', '.join(f'%{a.index}' for a in self.args)})" if self.args else ""
        return f"%{self.index} = {self.name}{of}"


def repeated(v: Value) -> Any:
    """The one element of a constant whose elements are all the same, bit for bit; else None."""
    if v.op != "constant" or v.size == 0:
        return None
    x = np.asarray(v.data)
    if x.size > 1 and any(x.strides):
        if x.itemsize > 8:
            return None
        bits = np.ascontiguousarray(x).reshape(-1).view(f"u{x.itemsize}")
        if (bits[:1000] != bits[0]).any() or (bits != bits[0]).any():
            return None
    return x[(0,) * x.ndim]


class Guard:
    """What Python saw of a value while the program was recorded: ``sight(value)`` must give ``seen`` again."""

    __slots__ = ("place", "room", "seen", "value", "why")

    def __init__(self, value: Value, why: str, seen: Any, place: int) -> None:
        self.value = value
        self.why = why
        self.seen = sight(seen, why)
        self.place = place
        self.room = False  # of a loop: whether it says that there is room for all iterations

    def holds(self, x: Any) -> bool:
        now = sight(x, self.why)
        return now == self.seen if type(now) is type(self.seen) is not np.ndarray else np.array_equal(now, self.seen)

    def __repr__(self) -> str:
        return f"{self.why} of %{self.value.index} is {self.seen}"


class Repeated(Guard):
    """A guard within a loop or a branch (``where``), which checks it by itself."""

    __slots__ = ("inner", "where")

    def __init__(self, value: Value, inner: Any, where: str, place: int) -> None:
        self.value, self.inner, self.where, self.place = value, inner, where, place
        self.why, self.seen, self.room = inner.why, inner.seen, inner.room

    def holds(self, x: Any) -> bool:
        return True

    def __repr__(self) -> str:
        return f"{self.inner!r}{self.where} of %{self.value.index}"


def sight(x: Any, why: str) -> Any:
    """What Python learns from a value by asking for ``why``."""
    if why == "bool()" and np.size(x) == 1:
        return bool(x)
    if why == "int()" and np.size(x) == 1:
        return int(x)
    return np.array(x)


class Builder:
    """Values in order, each added once: what is computed of constants is computed now, and equal work done once."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._known: dict[Any, Value] = {}

    def constant(self, x: Any) -> Value:
        key = ("constant", type(x), repr(x)) if isinstance(x, (*SCALARS, np.generic)) else ("array", id(x))
        v = self._known.get(key)
        if v is None:
            weak = type(x) in SCALARS
            shape, dtype = (np.shape(x), None if weak else getattr(x, "dtype", None))
            v = self._known[key] = self.add(Value("constant", shape, dtype, x))
        return v

    def instruction(self, prim: Any, args: tuple[Value, ...], y: Any, params: dict[str, Any]) -> Value:
        if prim is LIFT:
            return args[0]
        if prim is PICK:
            if (own := part(args[0], params["k"])) is not None:
                return self.instruction(own, args[0].args, y, {})
            return self._known_or_new(("pick", args[0].index, params["k"]), "pick", y, params["k"], None, args, {})
        if prim.multiple:
            return self._known_or_new(_key(prim, args, params), "call", None, None, prim, args, params)
        if _same(prim, args, params, y.shape, np.dtype(y.dtype)):
            return args[0]
        if prim.kind != "custom" and all(a.op == "constant" for a in args) and _nbytes(y) <= FOLD_LIMIT:
            with np.errstate(all="ignore"):
                folded = prim.impl(*[a.data for a in args], **params)
            return self.constant(np.array(folded)[()])
        rule = None if prim.kind == "custom" else RULES.get(prim.name)
        if rule is not None and (other := rule(self.do, args, y, params)) is not None:
            return other
        return self._known_or_new(_key(prim, args, params), "call", y, None, prim, args, params)

    def do(self, name: str, operands: Sequence[Any], shape: tuple[int, ...], dtype: Any, /, **params: Any) -> Value:
        """A call of a primitive by name: what rules of rewriting are made of."""
        args = tuple([a if isinstance(a, Value) else self.constant(a) for a in operands])
        return self.instruction(REGISTRY[name], args, Spec(shape, dtype), params)

    def _known_or_new(self, key: Any, op: str, y: Any, data: Any, prim: Any, args: Any, params: Any) -> Value:
        if key is not None and (v := self._known.get(key)) is not None:
            return v
        v = Value(op, () if y is None else y.shape, None if y is None else np.dtype(y.dtype), data, prim, args, params)
        self.add(v)
        if key is not None:
            self._known[key] = v
        return v

    def add(self, v: Value) -> Value:
        v.index = len(self.values)
        self.values.append(v)
        return v


class Graph(Builder):
    """A recording as values in order, with its guards and outputs."""

    zeros = False  # products with zero may be dropped, if the code raises ``NotFinite`` where that makes a difference

    def __init__(self, level: RecordLevel, outputs: Sequence[Any]) -> None:
        from dualad.native.repeats import lowered

        super().__init__()
        self.inputs: list[Value] = []
        self.guards: list[Guard] = []
        env: dict[int, Value] = {}
        for k, node in enumerate(level.inputs):
            v = self.add(Value("input", node[4].shape, np.dtype(node[4].dtype), k))
            self.inputs.append(v)
            env[node[0]] = v
        ends = [y.aux for y in outputs if _of(y, level)]
        wanted = _wanted(level.nodes, ends)
        live = [node for node in level.nodes if node[0] in wanted or _checks(node)]
        try:
            nodes, ends = rolled(level.inputs, live, ends)
        except Exception:  # a fault there is no reason to fail: the recording is a program as it is
            logger.warning("a recording could not be compiled as loops; it is compiled as it is", exc_info=True)
            nodes = live
        for index, prim, parents, args, y, params, _ in lowered(level.inputs, nodes):
            if prim is GUARD:
                self.guards.append(Guard(env[parents[0]], params["why"], params["value"], len(self.guards)))
                continue
            operands = tuple([self.constant(a) if p is None else env[p] for a, p in zip(args, parents, strict=True)])
            env[index] = self.instruction(prim, operands, y, params)
            if prim in NESTED:
                for g, where in params["body"].guards:
                    params["body"].places.append(len(self.guards))
                    self.guards.append(Repeated(env[index], g, where, len(self.guards)))
        last = iter(ends)
        self.outputs = [env[next(last)] if _of(y, level) else self.constant(np.array(y)[()]) for y in outputs]
        self._drop_dead()

    def _drop_dead(self) -> None:
        """Keep what outputs and guards need, and number it anew."""
        alive = {v.index for v in [*self.outputs, *[g.value for g in self.guards]]}
        for v in reversed(self.values):
            if v.index in alive:
                alive.update(a.index for a in v.args)
        self.values = [v for v in self.values if v.index in alive or v.op == "input"]
        for k, v in enumerate(self.values):
            v.index = k
        self._known.clear()

    def dtypes(self) -> set[Any]:
        """Of all values, those in the bodies of loops included."""
        out = {v.dtype for v in self.values if v.dtype is not None}
        for v in self.values:
            if v.prim in NESTED:
                out |= v.params["body"].dtypes()
        return out

    def users(self) -> list[list[Value]]:
        """For each value (by index), the values computed from it."""
        out: list[list[Value]] = [[] for _ in self.values]
        for v in self.values:
            for a in dict.fromkeys(v.args):
                out[a.index].append(v)
        return out


def _of(y: Any, level: RecordLevel) -> bool:
    return type(y) is Tensor and y.level is level


def _wanted(nodes: Sequence[Any], outputs: Iterable[int]) -> set[int | None]:
    wanted: set[int | None] = set(outputs)
    for node in reversed(nodes):
        if node[0] in wanted or _checks(node):
            wanted.update(node[2])
    return wanted


def _checks(node: Any) -> bool:
    """Whether a node has guards."""
    return node[1] is GUARD or (node[1] is REPEAT and node[5]["body"].guarded)


def _key(prim: Any, args: tuple[Value, ...], params: dict[str, Any]) -> Any:
    """Equal keys, equal results; None where that cannot be said (functions of the user's, unhashable parameters)."""
    if prim.kind == "custom":
        return None
    key = (prim, tuple([a.index for a in args]), tuple([(k, frozen(v)) for k, v in sorted(params.items())]))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def frozen(v: Any) -> Any:
    """A parameter as something to compare by."""
    if isinstance(v, (tuple, list)):
        return (type(v), *[frozen(w) for w in v])
    if isinstance(v, slice):
        return (slice, v.start, v.stop, v.step)
    return (type(v), v)  # 1, 1.0 and True are equal, and not the same


def _same(prim: Any, args: tuple[Value, ...], params: dict[str, Any], shape: tuple[int, ...], dtype: Any) -> bool:
    """Whether the instruction returns its argument."""
    x = args[0]
    if len(args) != 1 or x.shape != shape or x.dtype != dtype:
        return False
    if prim.name == "transpose":
        return params["axes"] == tuple(range(len(shape)))
    return prim.name in ("stop_gradient", "positive", "astype", "cast_constant", "reshape", "broadcast_to")


def _nbytes(y: Any) -> int:
    return int(np.prod(y.shape, dtype=np.int64)) * np.dtype(y.dtype).itemsize
