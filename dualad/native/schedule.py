"""Which values get buffers, and which loop nests compute them, in which order.

A stage is a set of kernels that need nothing of each other; within a stage, all that runs over the same domain is one
kernel. Elementwise work and movements are computed where they are used, unless that would repeat costly work.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.native.assembly import LARGE, assembly, operands, stepped
from dualad.native.elementwise import COSTLY, TYPES, cost, plan
from dualad.native.expressions import squeezed
from dualad.native.graph import Value
from dualad.native.rewriting import DETERMINANTS, is_small

MOVEMENTS = {"reshape", "transpose", "broadcast_to", "index", "scatter", "index_set", "concatenate", "stack"}
REDUCTIONS = {"sum", "max", "min", "prod", "count", "any", "all"}
MATRICES = ("matmul", "system")  # kinds of values that take matrices from memory
OWN = (*MATRICES, "scatter")  # kinds with a loop nest of their own
SYSTEMS = ("solve", "inv", "inverse_or_nan", "cholesky", "solve_triangular", *DETERMINANTS)
MANY = 512  # multiplications for one of many matrices, from where on each is left to BLAS
FEW = 4  # operands that are joined by selection,
SHORT = 256  # elements up to which they are; longer joins are written part by part


def kind_of(v: Value) -> str | None:
    """``elementwise``, ``movement``, ``alias`` (a reshape of a buffer), ``reduction``, ``scatter`` (with
    index arrays), ``matmul`` or ``system`` (of equations, or a factor); None: NumPy computes it."""
    if v.op != "call" or v.prim is None or v.prim.multiple or v.dtype not in TYPES:
        return None
    if any(a.op != "constant" and a.dtype not in TYPES for a in v.args):
        return None
    name = v.prim.name
    if name in MOVEMENTS:
        return _movement(v)
    if name in REDUCTIONS:
        return "reduction" if _reduces(v) else None
    if name == "matmul":
        return "matmul" if _multiplies(v) else None
    if name in SYSTEMS:
        return "system" if v.dtype == v.args[0].dtype and is_small(v.args, v.size) else None
    if any(a.op == "constant" and a.dtype is not None and a.dtype not in TYPES for a in v.args):
        return None
    return "elementwise" if plan(v) is not None else None


def _movement(v: Value) -> str | None:
    name = v.name
    a = v.args[0]
    if any(x.dtype not in TYPES for x in v.args if x.dtype is not None):
        return None
    if v.size and any(x.size == 0 for x in v.args):
        return None
    if name == "reshape":
        return "movement" if squeezed(v.shape) == squeezed(a.shape) else "alias"
    if name in ("concatenate", "stack"):
        return "movement" if all(x.dtype is not None for x in v.args) else None
    if name in ("transpose", "broadcast_to"):
        return "movement"
    template = v.params["template"]
    if any(isinstance(k, bool) for k in template) or not all(_indexes(i) for i in v.args[_first_index(v) :]):
        return None
    if name == "index":
        return "movement"
    arrays = v.args[_first_index(v) :]
    if stepped(v):
        if v.size > LARGE or any(k is None for k in template):
            return None
        region = np.broadcast_to(np.False_, v.shape)[template].shape
        return "movement" if region == v.args[-1].shape else None  # the schedule assembles it
    if not arrays:
        steps = [k.step in (None, 1, -1) for k in template if isinstance(k, slice)]
        return "movement" if all(steps) and not any(k is None for k in template) else None
    if name == "scatter" and v.dtype.kind == "f" and not any(k is None for k in template):
        return "scatter" if v.args[0].size else None
    return None


def _indexes(i: Value) -> bool:
    return i.dtype is not None and i.dtype.kind in "iu" and i.dtype != np.uint64


def _first_index(v: Value) -> int:
    return 2 if v.name == "index_set" else 1


def _reduces(v: Value) -> bool:
    x = v.args[0]
    if x.dtype is None or x.dtype not in TYPES or x.size == 0:
        return False
    if v.name in ("any", "all"):
        return True
    if v.name in ("max", "min", "prod"):
        return x.dtype.kind in "fiu"
    return not (x.dtype.kind == "f" and v.dtype.kind in "iu")


def _multiplies(v: Value) -> bool:
    a, b = v.args
    if v.dtype.kind != "f" or a.dtype != v.dtype or b.dtype != v.dtype or 0 in (v.size, a.size, b.size):
        return False
    if len(a.shape) == len(b.shape) == 3:
        return a.shape[0] == b.shape[0] and a.size * b.shape[2] // a.shape[0] > MANY
    return (len(a.shape), len(b.shape)) in ((2, 2), (2, 1), (1, 2))


def matrix(v: Value, stored: Callable[[Value], bool], pairs: bool = False) -> tuple[Value, int, tuple[int, ...]] | None:
    """An operand of a product as (buffer, offset, strides), where transposes and slices of a buffer will do; ``pairs``: of
    complex numbers, in which offset and strides are counted."""
    chain: list[Value] = []
    base = v
    while not stored(base) and base.name in ("transpose", "index", "reshape") and len(base.args) == 1:
        chain.append(base)
        base = base.args[0]
    item = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), base.shape, contiguous(base.shape), writeable=False)
    start = item.__array_interface__["data"][0]
    for w in reversed(chain):  # only views are taken: nothing is read
        assert w.prim is not None
        if w.name == "reshape":
            item = _without_ones(item, w.shape)
        else:
            item = item[w.params["template"]] if w.name == "index" else item.transpose(w.params["axes"])
    shape, unit = (item.shape[:-1], 2) if pairs else (item.shape, 1)
    strides = tuple([1 if n == 1 else s // unit for n, s in zip(shape, item.strides, strict=False)])
    if any(s < 1 for s in strides):
        return None
    if len(strides) >= 2:
        rows, columns = shape[-2:]
        down, along = strides[-2:]
        if not ((along == 1 and (down >= columns or rows == 1)) or (down == 1 and along >= rows)):
            return None
    return base, (item.__array_interface__["data"][0] - start) // unit, strides


def _without_ones(x: Any, shape: tuple[int, ...]) -> Any:
    strides = iter([s for n, s in zip(x.shape, x.strides, strict=True) if n != 1])
    own = tuple([1 if n == 1 else next(strides) for n in shape])
    return np.lib.stride_tricks.as_strided(x, shape, own, writeable=False)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    out = []
    n = 1
    for k in reversed(shape):
        out.append(n)
        n *= k
    return tuple(reversed(out))


class Kernel:
    """A loop nest over ``domain`` that stores elementwise values and reductions."""

    def __init__(self, stage: int, domain: tuple[int, ...]) -> None:
        self.stage = stage
        self.domain = domain
        self.roots: list[Value] = []


class Single:
    """A matrix product, a scatter, or a copy: one value, a loop nest of its own."""

    def __init__(self, stage: int, value: Value, kind: str) -> None:
        self.stage = stage
        self.value = value
        self.kind = kind


class Schedule:
    """What is computed, in order, for the values of one segment (``kinds``: of each value, by index)."""

    def __init__(self, values: Sequence[Value], kinds: dict[int, str], outputs: Sequence[Value]) -> None:
        self.kinds = kinds = dict(kinds)
        self.parts: dict[int, list[Value]] = {}  # of a join: its operands, each to be written to its place
        self.owner: dict[int, Value] = {}  # of a part: the join
        self.fresh = itertools.count(-2, -1)  # numbers of values that are not in the graph
        self.places: dict[int, tuple[int, ...]] = {}  # of a part: offset and strides in the join,
        self.tables: dict[int, Value] = {}  # or a constant, the place of each element
        self.after: dict[int, Value] = {}  # of a part: the one that is written first
        self.assembled = {v.index: found for v in values if (found := assembly(v, self._constant)) is not None}
        values = self._alive(values, outputs)
        self.values = values = [w for v in values for w in (*(self._assemble(v) or self._split(v)), v)]
        self.inside = {v.index for v in values}
        self.outputs = {v.index for v in outputs}
        self.stored = {v.index for v in outputs if v.index in self.inside}
        self.stored |= {v.index for v in values if kinds[v.index] in (*OWN, "reduction", "part")}
        for v in values:
            self._store_operands(v)
        for _ in range(4):
            self._place()
            if not (more := self._repeated()):
                break
            self.stored |= more
        else:
            self._place()
        self.items = self._items()

    def _alive(self, values: Sequence[Value], outputs: Sequence[Value]) -> list[Value]:
        """Without what only led to something assembled."""
        needed = {v.index for v in outputs}
        for v in reversed(values):
            if v.index in needed:
                needed.update(a.index for a in operands(v, self.assembled.get(v.index)))
        return [v for v in values if v.index in needed]

    def _constant(self, data: Any) -> Value:
        v = Value("constant", data.shape, data.dtype, data)
        v.index = next(self.fresh)
        return v

    def _part(self, a: Value, join: Value) -> Value:
        """``a``, to be written to its place in ``join``; its ``data`` will be the expression of its table, if it has one."""
        part = Value("part", a.shape, join.dtype, args=(a,))
        part.index = next(self.fresh)
        self.kinds[part.index] = "part"
        self.owner[part.index] = join
        self.parts.setdefault(join.index, []).append(part)
        return part

    def _assemble(self, v: Value) -> list[Value]:
        """The parts of a value that is put together by constant indices or slices with steps."""
        found = self.assembled.get(v.index)
        if found is None:
            return []
        self.kinds[v.index] = "join"
        background = None
        if found.background is not None:
            background = self._part(found.background, v)
            self.places[background.index] = (0, *contiguous(squeezed(v.shape)))
        for p in found.parts:
            part = self._part(p.value, v)
            strides = p.strides()
            if strides is None:
                self.tables[part.index] = self._constant(p.places.reshape(p.value.shape))
            self.places[part.index] = strides or (0, *contiguous(squeezed(p.value.shape)))
            if background is not None:
                self.after[part.index] = background
        return self.parts[v.index]

    def _split(self, v: Value) -> list[Value]:
        """The parts of a value that is joined of several."""
        if self.kinds[v.index] != "join" and (
            v.name not in ("concatenate", "stack") or (v.size <= SHORT and len(v.args) <= FEW)
        ):
            return []
        self.kinds[v.index] = "join"
        for a in v.args:
            self._part(a, v)
        return self.parts[v.index]

    def place(self, part: Value) -> tuple[int, ...]:
        """Where a part's elements go in the join, or in its table: offset and strides, over its own axes that are longer
        than one."""
        if part.index in self.places:
            return self.places[part.index]
        v = self.owner[part.index]
        strides = contiguous(v.shape)
        axis = v.params["axis"]
        before = self.parts[v.index][: self.parts[v.index].index(part)]
        if v.name == "stack":
            own, start = strides[:axis] + strides[axis + 1 :], len(before)
        else:
            own, start = strides, sum(p.shape[axis] for p in before)
        return (start * strides[axis], *[k for k, n in zip(own, part.shape, strict=True) if n != 1])

    def args(self, v: Value) -> Sequence[Value]:
        return self.parts.get(v.index, v.args)

    def in_buffer(self, v: Value) -> bool:
        """Whether a value lies in memory, now or later."""
        return v.index not in self.inside or v.index in self.stored or self.kinds[v.index] in ("alias", "join")

    def read_at(self, stage: int) -> Callable[[Value], bool]:
        """Which values a kernel of ``stage`` reads from memory: all others it computes."""

        def stored(v: Value) -> bool:
            if v.index not in self.inside:
                return True
            if self.kinds[v.index] in ("alias", "join"):
                return True
            return v.index in self.stored and self.ready[v.index] < stage

        return stored

    def _store_operands(self, v: Value) -> None:
        kind = self.kinds[v.index]
        if kind == "alias" or (kind == "movement" and v.name == "index" and len(v.args) > 1):
            self._store(v.args[0])
        elif kind in MATRICES:
            for a in v.args:
                found = matrix(a, self.in_buffer, "pairs" in v.params)
                self._store(a if found is None else found[0])

    def _store(self, v: Value) -> None:
        if v.index in self.inside and self.kinds[v.index] not in ("alias", "join"):
            self.stored.add(v.index)

    def _place(self) -> None:
        """For each value the first stage at which it can be computed, and what computing it costs per element."""
        self.ready: dict[int, int] = {}
        self.work: dict[int, float] = {}
        for v in self.values:
            kind = self.kinds[v.index]
            stage = 0
            work = cost(v) if kind == "elementwise" else 0.5
            for a in dict.fromkeys(self.args(v)):
                if a.index not in self.inside:
                    continue
                if self._reads(v, a):
                    stage = max(stage, self.readable(a))
                else:
                    stage = max(stage, self.ready[a.index])
                    work += self.work[a.index]
            if v.index in self.after:
                stage = max(stage, self.ready[self.after[v.index].index] + 1)
            self.ready[v.index] = stage
            self.work[v.index] = 0.5 if self.in_buffer(v) else work

    def readable(self, v: Value) -> int:
        """The first stage at which a value can be read from memory."""
        while v.index in self.inside and self.kinds[v.index] == "alias":
            v = v.args[0]
        if v.index not in self.inside:
            return 0
        return self.ready[v.index] + (self.kinds[v.index] != "join")

    def _reads(self, v: Value, a: Value) -> bool:
        """Whether ``v`` takes ``a`` from memory, rather than computing it in its own loop."""
        kind = self.kinds[v.index]
        if self.kinds[a.index] in ("reduction", *OWN, "alias", "join", "part") or kind in (*MATRICES, "alias"):
            return self.in_buffer(a)
        if v.name == "index" and len(v.args) > 1 and a is v.args[0]:
            return True
        if a.index not in self.stored:
            return False
        same = kind in ("reduction", "scatter", "part") or (
            kind == "elementwise" and squeezed(a.shape) == squeezed(v.shape)
        )
        return not same

    def _home(self, v: Value) -> Any:
        kind = self.kinds[v.index]
        if kind in (*OWN, "alias", "join"):
            return (self.ready[v.index], v.index)
        shape = v.args[0].shape if kind == "reduction" else v.shape
        return (self.ready[v.index], squeezed(shape))

    def _repeated(self) -> set[int]:
        """Values, not stored, whose costly work would be done in several loop nests, or again for each row."""
        out: set[int] = set()
        places: dict[int, set[Any]] = {}
        for v in reversed(self.values):
            mine = {self._home(v)} if self.in_buffer(v) else places.get(v.index, set())
            if len(mine) > 1 and self.work[v.index] >= COSTLY:
                out.add(v.index)
                mine = {self._home(v)}
            kind = self.kinds[v.index]
            for a in self.args(v):
                if a.index not in self.inside or self.in_buffer(a):
                    continue
                own = mine
                if kind == "movement" and v.name not in ("reshape", "broadcast_to"):
                    own = {(p, v.index) for p in mine}  # the same work at other indices
                if v.size > a.size > 1 and self.work[a.index] >= COSTLY:
                    out.add(a.index)
                places.setdefault(a.index, set()).update(own)
        return out

    def _items(self) -> list[Kernel | Single]:
        items: list[Kernel | Single] = []
        kernels: dict[Any, Kernel] = {}
        for v in self.values:
            kind = self.kinds[v.index]
            stage = self.ready[v.index]
            if kind in OWN:
                items.append(Single(stage, v, kind))
            elif kind == "alias":
                if v.index in self.outputs:
                    items.append(Single(self.readable(v), v, "copy"))
            elif v.index in self.stored and kind != "join":
                home = self._home(v)
                k = kernels.get(home)
                if k is None:
                    k = kernels[home] = Kernel(*home)
                    items.append(k)
                k.roots.append(v)
        # Copies first: other loops of the stage, begun for earlier values, may read what is copied.
        items.sort(key=lambda k: (k.stage, not (isinstance(k, Single) and k.kind == "copy")))
        return items
