"""Second derivatives of one operation, weighted with the cotangent of its result: where they are, and what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.batch import BatchLevel
from dualad.modes.curvature import second_partials
from dualad.modes.forward import ForwardLevel
from dualad.modes.reverse import Node
from dualad.ops.kinds import bring_back
from dualad.plan.elimination.local import Local

MOST_DENSE = 2_000_000
"""Second derivatives of an operation without structure that are worth listing."""


class TooMany(Exception):
    """More entries than are worth listing, or an operation that has no place here."""


class Second:
    """The second derivatives of a node in its arguments ``i`` and ``j``: entries at (``rows``, ``cols``)."""

    def __init__(self, i: int, j: int, rows: Any, cols: Any, structured: bool = True) -> None:
        self.i = i
        self.j = j
        self.rows = rows
        self.cols = cols
        self.structured = structured  # else they are found by sweeping a basis


def second(node: Node, g: Any, locals_: dict[int, Local]) -> list[Second]:
    """Of a node, for each pair of its moving arguments i <= j in which it is not linear; ``g`` is of its result's shape."""
    _, prim, _, args, y, _, _ = node
    moving = sorted(locals_)
    if prim.kind in ("linear", "movement") or not moving:
        return []
    if prim.elementwise:
        keys = sorted(second_partials(prim, y, args, moving))
        return [Second(i, j, locals_[i].pattern.cols, locals_[j].pattern.cols) for i, j in keys]
    if prim.name == "matmul":
        if len(moving) < 2:
            return []
        return [Second(0, 1, locals_[0].pattern.cols, locals_[0].source)]  # type: ignore[attr-defined]
    found = []
    for k, j in enumerate(moving):
        for i in moving[: k + 1]:
            m, n = args[i].size, args[j].size
            if m * n > MOST_DENSE:
                raise TooMany(f"`{prim.name}` has {m} x {n} second derivatives")
            if _dense(node, g, i, j) is not None:
                found.append(Second(i, j, np.repeat(np.arange(m), n), np.tile(np.arange(n), m), False))
    return found


def entries(node: Node, g: Any, wanted: Sequence[Second], locals_: dict[int, Local]) -> list[Any]:
    """The entries of each of ``wanted``, flat; ``g`` is the cotangent of the node's result."""
    _, prim, _, args, y, _, _ = node
    if prim.elementwise:
        partials = second_partials(prim, y, args, sorted(locals_))
        return [_weighted(prim, g, partials.get((s.i, s.j)), y) for s in wanted]
    if prim.name == "matmul":
        return [np.ravel(g)[locals_[0].pattern.rows] for _ in wanted]
    blocks = [_dense(node, g, s.i, s.j) for s in wanted]
    return [np.zeros(s.rows.size, y.dtype) if b is None else b.ravel() for b, s in zip(blocks, wanted, strict=True)]


def _weighted(prim: Any, g: Any, d: Any, y: Any) -> Any:
    if d is None:
        return np.zeros(y.size, y.dtype)
    return np.broadcast_to(np.asarray(prim.times(g, d), y.dtype), y.shape).ravel()


def _dense(node: Node, g: Any, i: int, j: int) -> Any:
    """All second derivatives in arguments i and j, (elements of i, of j): forward mode through the vjp; None for zero."""
    _, prim, parents, args, y, params, _ = node
    x, of = args[j], args[i]
    with BatchLevel(x.size) as batch, ForwardLevel() as level:
        basis = new_tensor(np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape), batch, None)
        moved = prim.jvp([basis if k == j else None for k in range(len(args))], y, args, params)
        xs = list(args)
        if prim.needs(parents)[j]:
            xs[j] = new_tensor(x, level, basis)
        out = new_tensor(y, level, moved) if prim.keep_y else y
        c = prim.vjp(g, [k == i for k in range(len(args))], out, xs, params)[i]
        if type(c) is not Tensor or c.level is not level or c.aux is None:
            return None
        t = bring_back(c.aux, of.shape, of.dtype)
        if type(t) is not Tensor or t.level is not batch:
            t = batch.lift(t)
        return np.reshape(t.value, (x.size, of.size)).T
