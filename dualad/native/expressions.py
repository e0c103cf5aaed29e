"""What one loop nest computes, as expressions over its loop indices.

A kernel runs over a domain of loop indices. Each value it needs is resolved at an index, affine in the loop indices, down
to loads from buffers: transposes, slices and broadcasts vanish into the index; padding and joining become selections whose
loads are masked by a condition. Equal expressions are one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from dualad.native.elementwise import plan, type_of
from dualad.native.graph import Value, repeated
from dualad.native.machine import F32, F64, I1, I64, number
from dualad.ops.index import ARRAY

TURNED = 1 << 16  # elements of a constant that is copied
_fresh = itertools.count(-(1 << 40), -1)  # numbers of constants that are not in the graph
Affine = tuple[int, ...]  # the constant, then a coefficient for each loop index
Index = tuple[Affine, ...]
Condition = tuple[Affine, int]  # 0 <= affine < bound
Request = tuple[Value, Index, tuple[Condition, ...]]


class Expr:
    """``kind``: const (``data``), load (``value`` at ``at``, under conditions ``kids``), gather (a load whose ``data`` scales
    the index expressions among its kids), op (``value`` by ``data``, its plan), cast, inside (0 <= ``at`` < ``data``), both
    (conditions), choose (condition, then, else)."""

    __slots__ = ("at", "data", "kids", "kind", "type", "value")

    def __init__(self, kind: str, type: Any, value: Any, at: Affine | None, data: Any, kids: tuple[int, ...]) -> None:
        self.kind, self.type, self.value, self.at, self.data, self.kids = kind, type, value, at, data, kids


class Expressions:
    """The expressions of one kernel over a domain; ``stored`` says which values are read from buffers."""

    def __init__(self, domain: tuple[int, ...], stored: Callable[[Value], bool]) -> None:
        self.domain = domain
        self.zero: Affine = (0,) * (len(domain) + 1)  # an index that does not move
        self.stored = stored
        self.all: list[Expr] = []
        self._same: dict[Any, int] = {}
        self._at: dict[Any, int] = {}
        self._turned: dict[Any, Value] = {}

    # Resolving --------------------------------------------------------------------------------

    def identity(self, shape: tuple[int, ...]) -> Index:
        """The index of a value whose shape is the domain's but for axes of size 1."""
        r = len(self.domain)
        out: list[Affine] = []
        k = 0
        for n in shape:
            if n == 1:
                out.append((0,) * (r + 1))
            else:
                out.append(tuple([0] + [int(j == k) for j in range(r)]))
                k += 1
        return tuple(out)

    def resolve(self, v: Value, index: Index, conditions: tuple[Condition, ...] = ()) -> int:
        """The expression of ``v`` at ``index``. Without recursion: programs can be long."""
        key = (v.index, index, conditions)
        if key in self._at:
            return self._at[key]
        stack: list[tuple[Any, Generator[Request, int, int]]] = [(key, self._expand(v, index, conditions))]
        answer: Any = None
        while stack:
            key, work = stack[-1]
            try:
                v, index, conditions = work.send(answer)
                child = (v.index, index, conditions)
                answer = self._at.get(child)
                if answer is None:
                    stack.append((child, self._expand(v, index, conditions)))
            except StopIteration as e:
                answer = self._at[key] = e.value
                stack.pop()
        return int(answer)

    def _expand(self, v: Value, index: Index, conditions: tuple[Condition, ...]) -> Generator[Request, int, int]:
        if (data := repeated(v)) is not None:
            return self.constant(data, type_of(data.dtype))
        if self.stored(v):
            return self.load(v, index, conditions)
        assert v.prim is not None
        name = v.prim.name
        rule = _RULES.get(name)
        if rule is not None:
            out = yield from rule(self, v, index, conditions)
            return out
        how = plan(v)
        assert how is not None, v
        kids = []
        for a, t in zip(v.args, how[1], strict=True):
            if t is None:
                continue
            if (data := repeated(a)) is not None:
                kids.append(self.constant(data, t))
                continue
            k = yield (a, _broadcast(index, a.shape), conditions)
            kids.append(self.cast(k, t))
        return self._operation(v, how, tuple(kids))

    # Making -----------------------------------------------------------------------------------

    def _add(self, kind: str, type: Any, value: Any, at: Affine | None, data: Any, kids: tuple[int, ...]) -> int:
        name = None if value is None else value.index
        if kind == "op":  # equal operations on equal operands, whichever value they came from
            name = (value.name, value.dtype, value.args[1].index if data[0] == "power" else None)
        key = (kind, type, name, at, repr(data) if kind == "const" else data, kids)
        k = self._same.get(key)
        if k is None:
            k = self._same[key] = len(self.all)
            self.all.append(Expr(kind, type, value, at, data, kids))
        return k

    def _operation(self, v: Value, how: tuple[str, tuple[Any, ...]], kids: tuple[int, ...]) -> int:
        """A product of -a and b is that of a and b, negated: often both are needed."""
        t = type_of(v.dtype)
        for n, k in enumerate(kids):
            e = self.all[k]
            if v.name == "multiply" and e.kind == "op" and e.value.name == "negative" and e.type is t in (F64, F32):
                product = self._operation(v, how, (*kids[:n], *e.kids, *kids[n + 1 :]))
                return self._add("op", t, e.value, None, e.data, (product,))
        return self._add("op", t, v, None, how, kids)

    def constant(self, x: Any, t: Any) -> int:
        return self._add("const", t, None, None, number(x, t), ())

    def cast(self, k: int, t: Any) -> int:
        e = self.all[k]
        if e.type is t:
            return k
        return self.constant(e.data, t) if e.kind == "const" else self._add("cast", t, None, None, None, (k,))

    def load(self, v: Value, index: Index, conditions: tuple[Condition, ...]) -> int:
        at = self.address(v.shape, index)
        if v.op == "constant" and not conditions:
            v, at = self._in_order(v, at)
        return self._add("load", type_of(v.dtype), v, at, None, self.inside(conditions))

    def _in_order(self, v: Value, at: Affine) -> tuple[Value, Affine]:
        """A constant that is not read along its rows, as one whose elements lie in the order in which they are read."""
        moving = [k for k, c in enumerate(at[1:]) if c]
        shape = tuple([self.domain[k] for k in moving])
        if not moving or at[-1] in (0, 1) or not 0 < math.prod(shape) <= min(4 * v.size, TURNED):
            return v, at
        known = self._turned.get((v.index, at))
        if known is None:
            places = at[0] + sum(at[1 + k] * i for k, i in zip(moving, np.indices(shape), strict=True))
            known = Value("constant", shape, v.dtype, np.ascontiguousarray(v.data).reshape(-1)[places])
            known.index = next(_fresh)
            self._turned[v.index, at] = known
        own, stride = list(self.zero), 1
        for k, n in zip(reversed(moving), reversed(shape), strict=True):
            own[1 + k], stride = stride, stride * n
        return known, tuple(own)

    def address(self, shape: tuple[int, ...], index: Index) -> Affine:
        """Where in a contiguous buffer."""
        total = [0] * (len(self.domain) + 1)
        stride = 1
        for n, a in zip(reversed(shape), reversed(index), strict=True):
            for j, c in enumerate(a):
                total[j] += c * stride
            stride *= n
        return tuple(total)

    def inside(self, conditions: Sequence[Condition]) -> tuple[int, ...]:
        """The conditions as (at most) one expression."""
        out: tuple[int, ...] = ()
        for at, n in conditions:
            c = self._add("inside", I1, None, at, n, ())
            out = (c,) if not out else (self._add("both", I1, None, None, None, (*out, c)),)
        return out

    def choose(self, conditions: Sequence[Condition], a: int, b: int) -> int:
        c = self.inside(conditions)
        return self._add("choose", self.all[a].type, None, None, None, (*c, a, b)) if c else a

    def gather(
        self, v: Value, index: Index, scaled: Sequence[tuple[int, int, int]], conditions: tuple[Condition, ...]
    ) -> int:
        """A load at ``index`` plus index expressions: (expression, stride, bound or 0 where it is known to fit)."""
        at = self.address(v.shape, index)
        c = self.inside(conditions)
        data = (tuple([(s, n) for _, s, n in scaled]), len(c))
        return self._add("gather", type_of(v.dtype), v, at, data, (*[k for k, _, _ in scaled], *c))

    # Merging loops ----------------------------------------------------------------------------

    def merge(self, reduced: Sequence[frozenset[int]], stores: list[Affine]) -> list[frozenset[int]]:
        """Make one loop of two neighbours wherever every access allows it; returns the reduced axes anew."""
        sets = [set(s) for s in reduced]
        k = len(self.domain) - 2
        while k >= 0:
            n = self.domain[k + 1]
            places = [e.at for e in self.all if e.at is not None] + stores
            if all(a[k + 1] == a[k + 2] * n for a in places) and all((k in s) == (k + 1 in s) for s in sets):
                self.domain = (*self.domain[:k], self.domain[k] * n, *self.domain[k + 2 :])
                for e in self.all:
                    if e.at is not None:
                        e.at = e.at[: k + 1] + e.at[k + 2 :]
                stores[:] = [a[: k + 1] + a[k + 2 :] for a in stores]
                sets = [{j if j <= k else j - 1 for j in s} for s in sets]
            k -= 1
        return [frozenset(s) for s in sets]


def _broadcast(index: Index, shape: tuple[int, ...]) -> Index:
    """The index into an operand of ``shape`` that was broadcast."""
    own = index[len(index) - len(shape) :] if shape else ()
    return tuple([tuple([0] * len(a)) if n == 1 else a for a, n in zip(own, shape, strict=True)])


def _shifted(a: Affine, start: int, step: int) -> Affine:
    """start + step * a."""
    return (start + step * a[0], *[step * c for c in a[1:]])


# Movement -------------------------------------------------------------------------------------

Rule = Callable[[Expressions, Value, Index, tuple[Condition, ...]], Generator[Request, int, int]]


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple([n for n in shape if n != 1])


def _reshape(x: Expressions, v: Value, index: Index, conditions: Any) -> Generator[Request, int, int]:
    (a,) = v.args
    moving = iter([i for i, n in zip(index, v.shape, strict=True) if n != 1])
    return (yield (a, tuple([x.zero if n == 1 else next(moving) for n in a.shape]), conditions))


def _transpose(x: Expressions, v: Value, index: Index, conditions: Any) -> Generator[Request, int, int]:
    (a,) = v.args
    inner: list[Any] = [None] * len(index)
    for i, axis in zip(index, v.params["axes"], strict=True):
        inner[axis] = i
    return (yield (a, tuple(inner), conditions))


def _broadcast_to(x: Expressions, v: Value, index: Index, conditions: Any) -> Generator[Request, int, int]:
    (a,) = v.args
    return (yield (a, _broadcast(index, a.shape), conditions))


def _index(x: Expressions, v: Value, index: Index, conditions: Any) -> Generator[Request, int, int]:
    a, *arrays = v.args
    inner, block, axes = opened(v.params["template"], a.shape, index, [i.shape for i in arrays], x.zero)
    if not arrays:
        return (yield (a, inner, conditions))
    scaled = []
    for i, axis in zip(arrays, axes, strict=True):
        e = yield (i, _broadcast(block, i.shape), conditions)
        n = a.shape[axis]
        # A constant index has been in range while recording, and the shape is the same.
        scaled.append((x.cast(e, I64), math.prod(a.shape[axis + 1 :]), -n if i.op == "constant" else n))
    return x.gather(a, inner, scaled, conditions)


def opened(
    template: tuple[Any, ...], shape: tuple[int, ...], index: Index, arrays: Sequence[tuple[int, ...]], zero: Affine
) -> tuple[Index, Index, list[int]]:
    """An index into the result of ``template`` as one into the array of ``shape`` (zero where index arrays decide), the
    index into these arrays' common shape, and the axes that they index."""
    rank = max((len(s) for s in arrays), default=0)
    at = (place(template) or 0) if arrays else 0
    block = index[at : at + rank]
    rest = iter(index[:at] + index[at + rank :])
    inner: list[Affine] = []
    axes = []
    for k in template:
        if k is None:
            next(rest)
            continue
        n = shape[len(inner)]
        if isinstance(k, slice):
            start, _, step = k.indices(n)
            inner.append(_shifted(next(rest), start, step))
        elif k == ARRAY:
            axes.append(len(inner))
            inner.append(zero)
        else:
            inner.append((int(k) % n, *zero[1:]))
    return tuple(inner), block, axes


def place(template: tuple[Any, ...]) -> int | None:
    """How many result axes come before those of the index arrays; None where NumPy puts these first."""
    where = [i for i, k in enumerate(template) if k == ARRAY or isinstance(k, int)]
    if not where or where[-1] - where[0] + 1 != len(where):
        return None
    return sum(k is None or isinstance(k, slice) for k in template[: where[0]])


def _region(index: Index, template: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Index, tuple[Condition, ...]]:
    """Where in the values that ``template`` places into ``shape`` an index lies, and under which conditions it does."""
    inner: list[Affine] = []
    conditions: list[Condition] = []
    for k, a, size in zip(template, index, shape, strict=True):
        if isinstance(k, slice):
            start, stop, step = k.indices(size)
            j = _shifted(a, -start * step, step)  # step is 1 or -1
            n = len(range(start, stop, step))
            if n != size:
                conditions.append((j, n))
            inner.append(j)
        else:
            conditions.append((_shifted(a, -(int(k) % size), 1), 1))
    return tuple(inner), tuple(conditions)


def _joined(a: tuple[Condition, ...], b: tuple[Condition, ...]) -> tuple[Condition, ...]:
    return tuple(dict.fromkeys([*a, *b]))


def _scatter(x: Expressions, v: Value, index: Index, conditions: Any) -> Generator[Request, int, int]:
    inner, own = _region(index, v.params["template"], v.shape)
    a = yield (v.args[0], inner, _joined(conditions, own))
    return x.choose(own, a, x.constant(0, type_of(v.dtype)))


def _index_set(x: Expressions, v: Value, index: Index, conditions: Any) -> Generator[Request, int, int]:
    base, new = v.args
    inner, own = _region(index, v.params["template"], v.shape)
    if (data := repeated(new)) is not None:
        a = x.constant(data, type_of(v.dtype))
    else:
        a = yield (new, _broadcast(inner, new.shape), _joined(conditions, own))
        a = x.cast(a, type_of(v.dtype))
    b = yield (base, index, conditions)
    return x.choose(own, a, b)


def _concatenate(x: Expressions, v: Value, index: Index, conditions: Any) -> Generator[Request, int, int]:
    axis = v.params["axis"]
    t = type_of(v.dtype)
    out: int | None = None
    start = v.shape[axis]
    for a in reversed(v.args):
        n = 1 if v.name == "stack" else a.shape[axis]
        start -= n
        if n == 0:
            continue
        j = _shifted(index[axis], -start, 1)
        own = () if n == v.shape[axis] else ((j, n),)
        inner = index[:axis] + index[axis + 1 :] if v.name == "stack" else (*index[:axis], j, *index[axis + 1 :])
        k = yield (a, inner, _joined(conditions, own))
        k = x.cast(k, t)
        out = k if out is None else x.choose(own, k, out)
    return x.constant(0, t) if out is None else out


_RULES: dict[str, Rule] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "index": _index,
    "scatter": _scatter,
    "index_set": _index_set,
    "concatenate": _concatenate,
    "stack": _concatenate,
}
