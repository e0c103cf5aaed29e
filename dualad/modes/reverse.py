"""Reverse mode: record a tape while the program runs, then walk it backwards once.

A node of the tape is a tuple ``(index, prim, parents, args, y, params, fix)``: ``parents`` are the indices of the tracked
arguments (None for constants; a tensor's ``aux`` is its index), ``args`` and ``y`` what ``prim.keep`` asks for (a Spec or
None otherwise), and ``fix`` the (shape, dtype) to which an elementwise cotangent must be brought back where broadcasting or
promotion changed them.

Reverse mode's own tape is one flat list, ``WIDTH`` entries for each node and in reversed order, so that reading it
backwards gives the nodes: no object per node exists, which Python's garbage collector would visit again and again.

Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, ch. 3.2.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from dualad.core.level import GROUND, Level
from dualad.core.primitive import Primitive, refuse_objects
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor, new_tensor
from dualad.ops.kinds import bring_back

Node = tuple[Any, ...]
_NONE1 = (None,)
_NONE2 = (None, None)
_NO_PARAMS: dict[str, Any] = {}
ndarray = np.ndarray
LARGE = 4096  # bytes: below, a copy costs less than a comparison
OBJECT = np.dtype(object)


class ReverseLevel(Level):
    """Records what the pullback needs, and no more."""

    name = "reverse mode"
    differentiates = True
    full = False  # a full tape (modes/record.py) also keeps what only replaying needs

    def __init__(self) -> None:
        super().__init__()
        self.tape: list[Any] = []
        self.extend: Callable[[Node], None] = self.tape.extend
        self.count = itertools.count()
        self.constants: dict[int, tuple[Any, Any]] = {}

    def watch(self, x: Any) -> Tensor:
        x = own(x) if type(x) is Tensor else x
        return new_tensor(x, self, next(self.count))

    def lift(self, x: Any) -> Tensor:
        return self.watch(x)

    def bind1(self, prim: Primitive, x: Tensor) -> Any:
        v = x.value
        y = prim(v) if type(v) is Tensor else prim.run(v)
        if not prim.elementwise:
            return self.record(prim, (v,), (x.aux,), y, _NO_PARAMS)
        fix = ((v.shape, v.dtype),) if prim.to_real else None
        k = next(self.count)
        args = (v,) if prim.keep_x else _NONE1
        self.extend((fix, _NO_PARAMS, y if prim.keep_y else None, args, (x.aux,), prim, k))
        return new_tensor(y, self, k)

    def bind2(self, prim: Primitive, a: Any, b: Any) -> Any:
        pa = pb = None
        if type(a) is Tensor and a.level is self:
            pa = a.aux
            a = a.value
        if type(b) is Tensor and b.level is self:
            pb = b.aux
            b = b.value
        if type(a) is Tensor or type(b) is Tensor:
            y = prim(a, b)
        else:  # 1j * np.float64(2) is Python's product, a complex without dtype
            y = prim.run(a, b) if type(a) is not complex else prim.impl(a, b)
        if not prim.elementwise:
            return self.record(prim, (a, b), (pa, pb), y, _NO_PARAMS)
        shape = y.shape
        dtype = y.dtype
        if dtype is OBJECT:
            refuse_objects(y)
        fix = None
        if (pa is not None and (a.dtype is not dtype or a.shape != shape)) or (
            pb is not None and (b.dtype is not dtype or b.shape != shape)
        ):
            fix = (None if pa is None else (a.shape, a.dtype), None if pb is None else (b.shape, b.dtype))
        if prim.keep_x:
            # A plain array belongs to the caller, who may change it before the pullback.
            if pa is None:
                if type(a) is ndarray or type(a) is Tensor:
                    a = self.own(a)
            elif pb is None and (type(b) is ndarray or type(b) is Tensor):
                b = self.own(b)
            args = (a, b)
        else:
            args = _NONE2
        k = next(self.count)
        self.extend((fix, _NO_PARAMS, y if prim.keep_y else None, args, (pa, pb), prim, k))
        return new_tensor(y, self, k)

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if len(args) == 1:
            (x,) = args
            v = x.value
            y = prim(v, **params) if type(v) is Tensor else prim.impl(v, **params)
            return self.record(prim, (v,), (x.aux,), y, params)
        values = []
        parents = []
        plain = True
        for a in args:
            if type(a) is Tensor and a.level is self:
                a, parent = a.value, a.aux
            else:
                parent = None
            values.append(a)
            parents.append(parent)
            plain = plain and type(a) is not Tensor
        y = prim.impl(*values, **params) if plain else prim(*values, **params)
        return self.record(prim, tuple(values), tuple(parents), y, params)

    def record(
        self, prim: Primitive, args: tuple[Any, ...], parents: tuple[Any, ...], y: Any, params: dict[str, Any]
    ) -> Any:
        """Append a node for a call already computed; returns its output as tensor(s) of this level."""
        if prim.constant:
            return y
        fix = None
        if prim.elementwise:
            fix = fixes(args, parents)
        need = prim.needs(parents)
        if len(args) == 1:
            if not need[0]:
                args = (Spec(args[0].shape, args[0].dtype),)
        else:
            args = tuple(
                self.own(a)
                if need[i] and p is None
                else a
                if need[i] or not hasattr(a, "shape")
                else Spec(a.shape, a.dtype)
                for i, (a, p) in enumerate(zip(args, parents, strict=True))
            )
        if not prim.multiple:
            k = next(self.count)
            self.extend((fix, params, y if prim.keep_y else None, args, parents, prim, k))
            return new_tensor(y, self, k)
        kept = y if prim.keep_y else tuple(Spec(v.shape, v.dtype) for v in y)
        k = next(self.count)
        self.extend((fix, params, kept, args, parents, prim, k))
        return self.pick(k, y)

    def own(self, a: Any) -> Any:
        """``own``, with one copy for all uses of a large array that did not change between them."""
        if type(a) is not ndarray or a.nbytes < LARGE or not a.flags.writeable:
            return own(a)
        found = self.constants.get(id(a))
        if found is None or not np.array_equal(*found):
            found = self.constants[id(a)] = a, a.copy("K")
        return found[1]

    def pick(self, index: int, y: tuple[Any, ...]) -> tuple[Any, ...]:
        out = []
        for k, v in enumerate(y):
            if v.dtype.kind in "fc":
                part = next(self.count)
                self.extend((None, {"k": k, "n": len(y)}, None, _NONE1, (index,), PICK, part))
                v = new_tensor(v, self, part)
            out.append(v)
        return tuple(out)


def fixes(args: Sequence[Any], parents: Sequence[Any]) -> tuple[Any, ...]:
    return tuple([None if p is None else (a.shape, a.dtype) for a, p in zip(args, parents, strict=True)])


def own(a: Any) -> Any:
    """A copy of what the caller can still change: a writable array (read-only ones are trusted: that is the way to save
    the copy), or a tensor of a lower level, whose value assignment would replace."""
    if type(a) is ndarray:
        return a.copy("K") if a.flags.writeable else a
    if type(a) is Tensor:
        return a.value if a.level is GROUND else a.level.adopt(new_tensor(a.value, a.level, a.aux))
    return a


class _Pick(Primitive):
    """Output ``k`` of an operation with several outputs: a place on the tape, no operation of its own."""

    kind = "pick"

    def __init__(self) -> None:
        self.name = self.__name__ = "pick"
        self.keep, self.keep_x, self.keep_y = "", False, False
        self.impl = lambda t, k, n: t[k]


PICK = _Pick()

Callback = Callable[[Any], Any]
WATCHERS: list[Callable[..., Iterator[Node]]] = []  # of pullbacks (api/anomaly.py)


def pull(nodes: Iterable[Node], cts: dict[int, Any], at: dict[int, Callback] | None = None) -> None:
    """Walk ``nodes`` (last first), turning the cotangents ``cts`` (by index) into those of the leaves.

    ``at`` maps an index to what is to be done with its finished cotangent (a hook): it may return another.
    """
    for watch in WATCHERS:
        nodes = watch(nodes, cts)
    pop = cts.pop
    get = cts.get
    owned: set[int] = set()  # whose cotangents are arrays that this walk made and nobody else has seen
    for index, prim, parents, args, y, params, fix in nodes:
        g = pop(index, None)
        if g is None:
            continue
        if at is not None and index in at:
            g = at[index](g)
        if prim is PICK:
            k = parents[0]
            parts = cts.setdefault(k, [None] * params["n"])
            parts[params["k"]] = g
            continue
        if fix is None and prim.elementwise:
            partials = prim.partials
            if len(partials) == 1:
                # Elementwise.vjp for one and two arguments, inlined: this is the hot path.
                d = partials[0]
                gi = (g if d == 1 else -g) if type(d) is int else prim.times(g, d(y, args[0]))
                k = parents[0]
                c = get(k)
                cts[k] = gi if c is None else c + gi
                continue
            if len(partials) == 2:
                # Nothing of the node is unpacked into names, which would keep it alive while the walk goes on.
                da, db = partials
                if parents[0] is not None:
                    gi = (g if da == 1 else -g) if type(da) is int else prim.times(g, da(y, args[0], args[1]))
                    k = parents[0]
                    c = get(k)
                    cts[k] = gi if c is None else c + gi
                if parents[1] is not None:
                    gi = (g if db == 1 else -g) if type(db) is int else prim.times(g, db(y, args[0], args[1]))
                    k = parents[1]
                    c = get(k)
                    cts[k] = gi if c is None else c + gi
                continue
        if prim.accumulates and prim.accumulate(
            g, index in owned and (at is None or index not in at), parents, args, params, cts, owned
        ):
            continue
        need = tuple([p is not None for p in parents])
        for i, gi in enumerate(prim.vjp(g, need, y, args, params)):
            if gi is None or not need[i]:
                continue
            shape, dtype = fix[i] if fix is not None else (args[i].shape, args[i].dtype)
            if gi.shape != shape or gi.dtype != dtype:
                gi = bring_back(gi, shape, dtype)
            k = parents[i]
            c = get(k)
            cts[k] = gi if c is None else c + gi


WIDTH = 7


def backwards(tape: list[Any]) -> Iterator[Node]:
    """The nodes of a flat tape, last first."""
    return zip(*[reversed(tape)] * WIDTH, strict=True)


def drain(tape: list[Any]) -> Iterator[Node]:
    """The same, each forgotten as it is passed: its values are freed on the way."""
    pop = tape.pop
    while tape:
        yield pop(), pop(), pop(), pop(), pop(), pop(), pop()
