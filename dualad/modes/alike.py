"""What the nodes of a recording do, as numbers: equal where an iteration of a loop could be another."""

from __future__ import annotations

import copy
import math
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
    """A recording by columns: what is alike is held once, since to make, walk over and free many nodes takes long."""

    def __init__(self) -> None:
        self.codes: list[int] = []  # what nodes do
        self.numbers: dict[Any, int] = {}  # of keys: these codes
        self.samples: list[Node] = []  # by code: the first node that does that
        self.parents = array("q")  # indices, of all operands one after another; -1 for constants
        self.constants: list[Any] = []
        self.leads: dict[int, int] = {}  # by place: the leading integers of an index, which may differ

    def note(self, node: Node) -> None:
        try:
            key, lead = key_of(node)
            code = self.numbers.get(key, -1)
        except Exception:  # what cannot be compared is like nothing else
            key, code, lead = object(), -1, -1
        if lead >= 0:
            self.leads[len(self.codes)] = lead
        self.codes.append(self.number(key, node) if code < 0 else code)
        for p, a in zip(node[2], node[3], strict=True):
            if p is None:
                self.constants.append(a)
            self.parents.append(-1 if p is None else p)

    def number(self, key: Any, node: Node) -> int:
        """The code of a key that is new, of this node."""
        n = self.numbers[key] = len(self.samples)
        self.samples.append(node)
        return n

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The codes, where the operands of each node begin, and the operands' indices."""
        codes = np.array(self.codes, np.int64)
        widths = np.array([len(s[2]) for s in self.samples], np.int64)
        return codes, np.concatenate([[0], np.cumsum(widths[codes])]), np.array(self.parents, np.int64)


class Nodes(Sequence[Node]):
    """The nodes of columns, numbered after the inputs, each made when it is asked for: of operands and results that are tracked
    it has something of their shape and dtype."""

    def __init__(self, columns: Columns, inputs: Sequence[Node]) -> None:
        self.columns, self.first = columns, len(inputs)
        self.inputs = {n[0]: n[4] for n in inputs}
        self.arrays = _, self.offsets, self.parents = columns.arrays()
        self.constant = np.cumsum(self.parents < 0) - 1  # by operand: which constant it is
        self.places: Any = range(len(columns.codes))

    def only(self, places: np.ndarray) -> Nodes:
        """Those at some places."""
        part = copy.copy(self)
        part.places = places
        return part

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, k: Any) -> Any:
        c = self.columns
        k = int(self.places[k])
        sample = c.samples[c.codes[k]]
        a, b = self.offsets[k : k + 2].tolist()
        parents, args = [], []
        for n, p in enumerate(self.parents[a:b].tolist()):
            parents.append(None if p < 0 else p)
            if p < 0:
                args.append(c.constants[self.constant[a + n]])
            elif sample[3][n] is None:
                args.append(None)
            else:
                args.append(self.inputs[p] if p < self.first else c.samples[c.codes[p - self.first]][4])
        params = sample[5]
        lead = c.leads.get(k)
        if lead is not None:
            params = {**params, "template": _led(sample, lead)}
        return (self.first + k, sample[1], tuple(parents), tuple(args), sample[4], params, sample[6])


def _leading(node: Node) -> tuple[int, tuple[int, ...]]:
    """How many integers an index begins with, and the shape that it is of."""
    template = node[5]["template"]
    n = next((n for n, t in enumerate(template) if type(t) is not int), len(template))
    return n, tuple(node[5]["shape"] if node[1] is SCATTER else node[3][0].shape)


def _led(sample: Node, lead: int) -> tuple[Any, ...]:
    """The index of a node, with other leading integers."""
    n, shape = _leading(sample)
    at = np.unravel_index(lead // math.prod(shape[n:]), shape[:n])
    return (*map(int, at), *sample[5]["template"][n:])


def columns(nodes: Sequence[Node]) -> Columns:
    """Of a recording that is there."""
    made = Columns()
    code, parent, constant, known = made.codes.append, made.parents.append, made.constants.append, made.numbers.get
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
            n = known(key, -1)
            code(made.number(key, node) if n < 0 else n)
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
    if INDEXED.get(prim) == len(parents) and parents[0] is not None:
        template = params["template"]
        n, shape = _leading(node)
        if n and len(template) == len(shape) and all(type(k) is slice and k == FULL for k in template[n:]):
            at = 0
            for k, size in zip(template[:n], shape, strict=False):
                at = at * size + k % size
            return (prim, held, own, n, shape), at * math.prod(shape[n:])
    try:
        items = params.items() if len(params) == 1 else sorted(params.items())
        key = (prim, held, own, tuple([(k, _frozen(v)) for k, v in items]))
        hash(key)
    except TypeError:
        return object(), -1
    return key, -1


def kind_of(a: Any) -> Any:
    return type(a) if type(a) in WEAK else (type(a), a.shape, a.dtype)


def _frozen(v: Any) -> Any:
    if type(v) is int:
        return v
    if isinstance(v, (tuple, list)):
        return (type(v), *[_frozen(w) for w in v])
    if isinstance(v, slice):
        return (slice, v.start, v.stop, v.step)
    return (type(v), v, math.copysign(1, v)) if type(v) is float else (type(v), v)  # zeros have signs
