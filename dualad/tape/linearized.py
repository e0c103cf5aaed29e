"""A recorded program as the linear map of its derivative: tangents pushed through its instructions, or cotangents pulled.

The values that the rules need are on the tape, so a sweep does the derivative's work only, and any stretch of instructions
can be swept by itself. Pulling is ``modes.reverse.pull``; this is its forward twin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.batch import BatchLevel
from dualad.modes.record import GUARD, LIFT
from dualad.modes.reverse import PICK, Node, pull


def push(nodes: Iterable[Node], ts: dict[int, Any]) -> None:
    """Add the tangents of what ``nodes`` compute to the tangents ``ts`` (by index; absent: zero)."""
    get = ts.get
    for index, prim, parents, args, y, params, _ in nodes:
        if prim is PICK:
            parts = get(parents[0])
            if parts is not None and parts[params["k"]] is not None:
                ts[index] = parts[params["k"]]
            continue
        if prim is GUARD or prim is LIFT or prim.constant:
            continue
        given = [None if p is None else get(p) for p in parents]
        if any(t is not None for t in given):
            t = prim.jvp(given, y, args, params)
            if t is not None:
                ts[index] = t


def push_many(nodes: Sequence[Node], seeds: dict[int, Any], outputs: Sequence[Any]) -> list[Any]:
    """Push ``k`` directions at once: ``seeds`` by index, of shape (k, *shape); per output (k, *shape), or None for zero."""
    (k,) = {s.shape[0] for s in seeds.values()}
    with BatchLevel(k) as level:
        ts: dict[int, Any] = {i: new_tensor(s, level, None) for i, s in seeds.items()}
        push(nodes, ts)
        return [_whole(ts.get(i), k) for i in outputs]


def pull_many(nodes: Sequence[Node], seeds: dict[int, Any], inputs: Sequence[Any]) -> list[Any]:
    """Pull ``k`` cotangents at once; per input (k, *shape), or None for zero."""
    (k,) = {s.shape[0] for s in seeds.values()}
    with BatchLevel(k) as level:
        cts: dict[int, Any] = {i: new_tensor(s, level, None) for i, s in seeds.items()}
        found: dict[int, Any] = {}
        leaves = set(inputs) - {n[0] for n in nodes}

        def catch(i: int) -> Any:
            def keep(g: Any) -> Any:
                found[i] = g
                return g

            return keep

        pull(reversed(nodes), cts, {i: catch(i) for i in inputs if i not in leaves})
        found.update((i, cts[i]) for i in leaves if i in cts)
        return [_whole(found.get(i), k) for i in inputs]


def _whole(t: Any, k: int) -> Any:
    """A batched value as an array with the batch on axis 0."""
    if t is None:
        return None
    if type(t) is Tensor:
        return t.value
    return np.broadcast_to(t, (k, *np.shape(t)))
