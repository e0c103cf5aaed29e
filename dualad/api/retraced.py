"""Within ``jit``, a function that is differentiated is recorded on plain values first, its loops rolled up, and what is left
run on the derivative's tensors: so the iterations of a loop are gone through once, on one level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.batch import BatchLevel
from dualad.modes.checkpointed import last_uses
from dualad.modes.record import COMPILING, GUARD, NoLoop, compiling
from dualad.modes.reverse import Node
from dualad.modes.trace import TraceLevel
from dualad.native.repeating import repeating
from dualad.tape.body import sample
from dualad.tape.repeat import REPEAT, loop
from dualad.tape.tape import needed

PLAIN = "plain loops"  # what stands for them among the bodies that are no loops


def retraced(f: Callable[[Sequence[Any]], Any], leaves: Sequence[Tensor]) -> Any:
    """``f(leaves)``, tensors of one level."""
    levels = COMPILING.levels
    if not levels or COMPILING.refused is None or PLAIN in COMPILING.refused or not all(map(_suits, leaves)):
        return f(leaves)
    levels[0].looped = True
    level = TraceLevel()
    try:
        with compiling(inside=True, on=level):
            own = [level.watch(sample(x)) for x in leaves]
            ys, structure = flatten(f(own))
        mine = [k for k, y in enumerate(ys) if type(y) is Tensor and y.level is level]
        if any(hasattr(y, "__dualad_tensor__") for y in ys):
            raise NoLoop("another library's tensors", PLAIN)
        ends = [ys[k].aux for k in mine]
        found = repeating(level, ends)
        nodes, ends = found if found is not None else (needed(list(level.nodes), ends), ends)
        if any(n[1].kind == "custom" for n in nodes):
            raise NoLoop("a user's own operations", PLAIN)
    except NoLoop:
        raise
    except Exception as e:  # an error of the user's comes again
        raise NoLoop(repr(e), PLAIN) from None
    env = {node[0]: x for node, x in zip(level.inputs, leaves, strict=True)}
    _run(nodes, env, set(ends))
    for k, end in zip(mine, ends, strict=True):
        ys[k] = env[end]
    return unflatten(structure, ys)


def _suits(x: Any) -> bool:
    """Whether a tensor stands for one value, in this recording."""
    base = COMPILING.levels[0]
    while type(x) is Tensor:
        if isinstance(x.level, BatchLevel) or x.level.id < base.id:
            return False
        x = x.value
    return True


def _run(nodes: Sequence[Node], env: dict[int, Any], ends: set[int]) -> None:
    last = last_uses(nodes)
    for at, (k, prim, parents, args, _, params, _) in enumerate(nodes):
        values = [a if p is None else env[p] for a, p in zip(args, parents, strict=True)]
        if prim is GUARD:
            v = values[0]
            now = v.level.look(v, params["why"]) if type(v) is Tensor else v
            if not np.array_equal(now, params["value"]):
                raise NoLoop("a guard", PLAIN)
        elif prim is REPEAT:
            body = params["body"]
            trips = params.get("trips")
            if trips is None:
                cut = range(body.carries, body.carries + body.slices)
                start = params["count"] - 1 if params["down"] else 0
                body.samples = [sample(v)[start] if n in cut else sample(v) for n, v in enumerate(values)]
            env[k] = loop(body, values, params["count"], params["down"], trips)
        else:
            env[k] = (prim.impl if prim.kind in ("pick", "marker") else prim)(*values, **params)
        for p in parents:
            if p is not None and last[p] == at and p not in ends:
                env.pop(p, None)
