"""What the nodes of a recording do, as numbers: equal where an iteration of a loop could be another."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.modes.record import GUARD
from dualad.modes.reverse import Node
from dualad.ops.index import index, index_set, scatter

WEAK = (bool, int, float, complex)
FULL = slice(None)
INDEX, INDEX_SET, SCATTER = index, index_set, scatter
INDEXED = {INDEX: 1, SCATTER: 1, INDEX_SET: 2}  # operands where no index is an array


class Columns:
    """A recording by columns: they are written with it, since a walk over many nodes that were made long ago is slow."""

    def __init__(self) -> None:
        self.codes: list[int] = []  # what nodes do
        self.numbers = _Numbers()  # of keys: these codes
        self.parents = array("q")  # indices, of all operands one after another; -1 for constants
        self.constants: list[Any] = []
        self.leads: dict[int, int] = {}  # by place: the leading integers of an index, which may differ

    def note(self, node: Node) -> None:
        try:
            key, lead = key_of(node)
            code = self.numbers[key]
        except Exception:  # what cannot be compared is like nothing else
            code, lead = self.numbers[object()], -1
        if lead >= 0:
            self.leads[len(self.codes)] = lead
        self.codes.append(code)
        for p, a in zip(node[2], node[3], strict=True):
            if p is None:
                self.constants.append(a)
            self.parents.append(-1 if p is None else p)


class _Numbers(dict[Any, int]):
    def __missing__(self, key: Any) -> int:
        n = self[key] = len(self)
        return n


def columns(nodes: Sequence[Node]) -> Columns:
    """Of a recording that is there."""
    made = Columns()
    code, parent, constant, numbers = made.codes.append, made.parents.append, made.constants.append, made.numbers
    float64 = np.float64
    for node in nodes:
        _, prim, parents, args, y, params, _ = node
        # The commonest nodes in long recordings first: of two numbers or arrays.
        if len(parents) == 2 and prim.elementwise and not params:
            a, b = parents
            key: Any = prim if type(y) is float64 else (prim, y.shape, y.dtype)
            if a is None:
                a, key = -1, (key, 0, kind_of(args[0]))
                constant(args[0])
            if b is None:
                b, key = -1, (key, 1, kind_of(args[1]))
                constant(args[1])
            code(numbers[key])
            parent(a)
            parent(b)
        else:
            made.note(node)
    return made


def key_of(node: Node) -> tuple[Any, int]:
    """What must be equal in every iteration, and the place of leading integers of an index (or -1)."""
    _, prim, parents, args, y, params, _ = node
    if prim.elementwise and not params:
        key: Any = (prim, y.shape, y.dtype)
        if None not in parents and len(parents) <= 2:
            return key, -1
        if len(parents) == 2:
            a, b = parents
            if a is None:
                key = (key, 0, kind_of(args[0]))
            return key if b is not None else (key, 1, kind_of(args[1])), -1
    if (
        prim is INDEX
        and None not in parents
        and len(parents) == len(t := params["template"]) == 1
        and type(t[0]) is int
    ):
        return (prim, y.dtype, args[0].shape), t[0] % args[0].shape[0]
    if prim is GUARD:
        seen = np.asarray(params["value"])
        return (prim, params["why"], seen.dtype, seen.shape, seen.tobytes()), -1
    if prim.kind == "custom":
        return object(), -1
    held: Any = len(parents)
    if None in parents:
        held = tuple([(None if p is not None else kind_of(a)) for a, p in zip(args, parents, strict=True)])
    own = tuple([(v.shape, v.dtype) for v in y]) if prim.multiple else (y.shape, y.dtype)
    if not params:
        return (prim, held, own), -1
    lead = -1
    if INDEXED.get(prim) == len(parents) and parents[0] is not None:
        template = params["template"]
        shape = params["shape"] if prim is SCATTER else args[0].shape
        n = 0
        while n < len(template) and type(template[n]) is int:
            n += 1
        if n and len(template) == len(shape) and all(type(k) is slice and k == FULL for k in template[n:]):
            at = 0
            for k, size in zip(template[:n], shape, strict=False):
                at = at * size + k % size
            for size in shape[n:]:
                at *= size
            return (prim, held, own, n, tuple(shape)), at
    try:
        items = params.items() if len(params) == 1 else sorted(params.items())
        key = (prim, held, own, tuple([(k, _frozen(v)) for k, v in items]))
        hash(key)
    except TypeError:
        return object(), -1
    return key, lead


def kind_of(a: Any) -> Any:
    return type(a) if type(a) in WEAK else (type(a), a.shape, a.dtype)


def _frozen(v: Any) -> Any:
    if type(v) is int:
        return v
    if isinstance(v, (tuple, list)):
        return (type(v), *[_frozen(w) for w in v])
    if isinstance(v, slice):
        return (slice, v.start, v.stop, v.step)
    return (type(v), v)
