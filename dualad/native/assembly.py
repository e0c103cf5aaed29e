"""Arrays put together of parts: where each element comes from is known before anything runs.

Joining, padding and choosing by constant indices compute nothing. An array made so is written by those who compute its parts,
each element to its place, over a background of constants; what lies between need not exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dualad.native.graph import Value
from dualad.ops.index import _fill

DEEP = 16  # joins of joins
OFTEN = 4  # times that one element goes to the result
LARGE = 1 << 24  # elements
NOWHERE = -1  # a place: not in the result; a part: zero


@dataclass
class Part:
    """A value and, for each of its elements, the place in the result or NOWHERE."""

    value: Value
    places: Any

    def strides(self) -> tuple[int, ...] | None:
        """The first place and the steps along each axis that is longer than one; None where the places are not so."""
        shape = [n for n in self.value.shape if n != 1]
        places = self.places.reshape(shape)
        start = int(places.flat[0])
        steps = [int(places[tuple(int(j == k) for j in range(len(shape)))]) - start for k in range(len(shape))]
        expected = np.full(shape, start)
        for k, (n, step) in enumerate(zip(shape, steps, strict=True)):
            expected += (np.arange(n) * step).reshape([n if j == k else 1 for j in range(len(shape))])
        return (start, *steps) if (places >= 0).all() and np.array_equal(expected, places) else None


@dataclass
class Assembly:
    """``background``: constants for the whole result, to be written first (None: there are parts everywhere)."""

    background: Value | None
    parts: list[Part]


def assembly(v: Value, constant: Callable[[Any], Value]) -> Assembly | None:
    """How ``v`` is put together: constant indices into something joined, or slices with steps that are placed or assigned.

    ``constant`` makes a value of an array.
    """
    if v.size == 0 or v.size > LARGE:
        return None
    if v.name == "index":
        if len(v.args) == 1 or any(i.op != "constant" for i in v.args[1:]) or not _joined(v.args[0]):
            return None
        if v.args[0].size > LARGE:
            return None
    elif not stepped(v):
        return None
    found = _assembled(v, constant, 0)
    return _assembled(v, constant, DEEP - 1) if found is None and stepped(v) else found


def _assembled(v: Value, constant: Callable[[Any], Value], depth: int) -> Assembly | None:
    leaves: dict[int, tuple[int, Value]] = {}
    which, where = (a.reshape(-1) for a in _trace(v, leaves, depth))
    order = np.argsort(which, kind="stable")
    constants, *uses = np.split(order, np.searchsorted(which[order], np.arange(len(leaves))))
    values = np.zeros(v.size, v.dtype)
    parts = []
    for (_, leaf), here in zip(leaves.values(), uses, strict=True):
        if not here.size:
            continue
        if leaf.op == "constant":
            constants = np.concatenate([constants, here])
            values[here] = np.asarray(leaf.data).reshape(-1)[where[here]]
            continue
        own = _placed(leaf, here, where[here])
        if own is None:
            return None
        parts += own
    if v.name == "index" and sum(p.value.size for p in parts) > 2 * v.size:
        return None  # most of what is computed would be thrown away
    if 2 * constants.size > v.size:
        return Assembly(constant(values.reshape(v.shape)), parts)
    if constants.size:
        parts.append(Part(constant(values[constants]), constants))
    return Assembly(None, parts)


def stepped(v: Value) -> bool:
    """Whether ``v`` is a slice with a step among zeros, or an array to which such a slice is assigned."""
    template = v.params["template"] if _places(v) else ()
    return any(isinstance(k, slice) and k.step not in (None, 1, -1) for k in template)


def _places(v: Value) -> bool:
    return (v.name, len(v.args)) in (("scatter", 1), ("index_set", 2))


def _joined(v: Value) -> bool:
    while v.name == "reshape":
        v = v.args[0]
    return v.name in ("concatenate", "stack") or _places(v)


def _trace(v: Value, leaves: dict[int, tuple[int, Value]], depth: int) -> tuple[Any, Any]:
    """For each element of ``v`` the number of its leaf (NOWHERE: it is zero) and which element of that it is."""
    if v.name == "reshape" and depth < DEEP:
        which, where = _trace(v.args[0], leaves, depth + 1)
        return which.reshape(v.shape), where.reshape(v.shape)
    if v.name in ("concatenate", "stack") and depth < DEEP:
        found = [_trace(a, leaves, depth + 1) for a in v.args]
        join = np.concatenate if v.name == "concatenate" else np.stack
        return join([f[0] for f in found], v.params["axis"]), join([f[1] for f in found], v.params["axis"])
    if _places(v) and depth < DEEP:
        which, where = np.full(v.shape, NOWHERE), np.zeros(v.shape, np.int64)
        if v.name == "index_set":
            which, where = (a.copy() for a in _trace(v.args[0], leaves, depth + 1))
        which[v.params["template"]], where[v.params["template"]] = _trace(v.args[-1], leaves, depth + 1)
        return which, where
    if v.name == "index" and depth == 0:
        key = _fill(v.params["template"], [np.asarray(i.data) for i in v.args[1:]])
        which, where = _trace(v.args[0], leaves, depth + 1)
        return which[key], where[key]
    number = leaves.setdefault(v.index, (len(leaves), v))[0]
    return np.full(v.shape, number), np.arange(v.size).reshape(v.shape)


def _placed(leaf: Value, here: Any, elements: Any) -> list[Part] | None:
    """``elements`` of ``leaf`` at the places ``here``: a part for the first use of each, one for the second, ..."""
    order = np.argsort(elements, kind="stable")
    here, elements = here[order], elements[order]
    nth = np.arange(elements.size) - np.searchsorted(elements, elements)
    if nth.max() >= OFTEN:
        return None
    parts = []
    for k in range(int(nth.max()) + 1):
        places = np.full(math.prod(leaf.shape), NOWHERE)
        places[elements[nth == k]] = here[nth == k]
        parts.append(Part(leaf, places))
    return parts


def operands(v: Value, found: Assembly | None) -> Sequence[Value]:
    return v.args if found is None else [p.value for p in found.parts]
