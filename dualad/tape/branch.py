"""A choice as one operation: ``branch(index, *operands)`` runs one of several ``Body``, and a derivative goes through that one
alone.

The derivative of a branch is computed from its operands anew, by a body that has the branch in it: nothing is kept for a branch
that was not taken, and none is run beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.batch import BatchLevel
from dualad.modes.forward import ForwardLevel
from dualad.modes.record import NoLoop, RecordLevel, sampling
from dualad.modes.reverse import ReverseLevel, backwards, pull
from dualad.ops.kinds import Unregistered, zeros_like
from dualad.tape.body import Body, closed, in_batch, is_float, run
from dualad.tape.repeat import each

Operands = Sequence[Any]
Branches = tuple[Body, ...]


class _Branch(Unregistered):
    """The results of the branch ``index``, which is in range. Branches have the same inputs, all of them captures, and
    results of the same shapes and dtypes."""

    def batch(self, args: Operands, batched: Sequence[bool], size: int, params: dict[str, Any]) -> Any:
        return _batch(args, batched, size, **params)


def _run(index: Any, *operands: Any, branches: Branches) -> tuple[Any, ...]:
    body = branches[int(index)]
    env = dict(enumerate(operands))
    run(body.nodes, env)
    return tuple([np.asarray(env[k], body.spec(k).dtype)[()] for k in body.outs])


def chosen(index: Any, operands: Operands, branches: Sequence[Body]) -> tuple[Any, ...]:
    """``BRANCH`` with the operands that some branch reads."""
    if any(b.guarded for b in branches):
        raise NoLoop("a guard in a branch")
    kept = [k for k in range(len(operands)) if any(k in b.read for b in branches)]
    own = tuple([b.trimmed(kept) for b in branches])
    out: tuple[Any, ...] = BRANCH(index, *[operands[k] for k in kept], branches=own)
    return out


def _derived(body: Body, key: Any, more: Sequence[Any], rule: Callable[..., Sequence[Any]]) -> Body:
    """The body that ``rule`` makes of the inputs of a branch and ``more`` of these values, recorded once."""
    found: Body | None = body.made.get(key)
    if found is None:
        with sampling(), RecordLevel() as level, np.errstate(all="ignore"):
            own = [level.watch(x) for x in body.samples]
            others = [level.watch(x) for x in more]
            found = body.made[key] = closed(level, [], [], [*own, *others], rule(body, own, others))
    return found


def _pull(g: Any, need: Sequence[bool], y: Any, index: Any, *args: Any, branches: Branches) -> list[Any]:
    first = branches[0]
    given = tuple([k for k, x in enumerate(g) if x is not None and is_float(first.spec(first.outs[k]))])
    wanted = tuple([k for k, n in enumerate(need[1:]) if n and is_float(first.spec(k))])
    out: list[Any] = [None] * (1 + len(args))

    def reverse(body: Body, inputs: Sequence[Any], gs: Sequence[Any]) -> list[Any]:
        with ReverseLevel() as level:
            env = {k: level.watch(x) if k in wanted else x for k, x in enumerate(inputs)}
            leaves = {k: env[k].aux for k in wanted}
            run(body.nodes, env)
            cts: dict[int, Any] = {}
            for k, ct in zip(given, gs, strict=True):
                end = env[body.outs[k]]
                if type(end) is Tensor and end.level is level:
                    cts[end.aux] = cts[end.aux] + ct if end.aux in cts else ct
            pull(backwards(level.tape), cts)
            return [cts[leaves[k]] if leaves[k] in cts else zeros_like(body.spec(k)) for k in wanted]

    if given and wanted:
        ones = [np.ones(first.spec(first.outs[k]).shape, first.spec(first.outs[k]).dtype)[()] for k in given]
        own = [_derived(b, ("reverse", given, wanted), ones, reverse) for b in branches]
        for k, x in zip(wanted, chosen(index, [*args, *[g[k] for k in given]], own), strict=True):
            out[1 + k] = x
    return out


def _push(ts: Any, y: Any, index: Any, *args: Any, branches: Branches) -> list[Any]:
    first = branches[0]
    given = tuple([k for k, t in enumerate(ts[1:]) if t is not None and is_float(first.spec(k))])
    ends = [k for k, v in enumerate(first.outs) if is_float(first.spec(v))]
    out: list[Any] = [None] * len(first.outs)

    def forward(body: Body, inputs: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        with ForwardLevel() as level:
            env = dict(enumerate(inputs))
            for k, t in zip(given, tangents, strict=True):
                env[k] = new_tensor(env[k], level, t)
            run(body.nodes, env)
            values = [env[body.outs[k]] for k in ends]
            return [
                level.tangent(v) if type(v) is Tensor and v.level is level else zeros_like(body.spec(body.outs[k]))
                for k, v in zip(ends, values, strict=True)
            ]

    if given and ends:
        ones = [np.ones(first.spec(k).shape, first.spec(k).dtype)[()] for k in given]
        own = [_derived(b, ("forward", given), ones, forward) for b in branches]
        for k, t in zip(ends, chosen(index, [*args, *[ts[1 + k] for k in given]], own), strict=True):
            out[k] = t
    return out


def _batch(args: Operands, batched: Sequence[bool], size: int, *, branches: Branches) -> tuple[Any, ...]:
    if batched[0]:  # each element takes its own branch
        return each(BRANCH, args, batched, size, {"branches": branches})
    own = []
    given = tuple(batched[1:])
    for body in branches:
        key = ("batch", given, size)
        if key not in body.made:
            with sampling(), RecordLevel() as level, BatchLevel(size) as batch, np.errstate(all="ignore"):
                inputs, env = in_batch(level, batch, body, given)
                ends = [env[k] for k in body.outs]
                ys = [y.value if type(y) is Tensor and y.level is batch else batch.lift(y).value for y in ends]
                body.made[key] = closed(level, [], [], inputs, ys)
        own.append(body.made[key])
    return chosen(args[0], args[1:], own)


BRANCH = _Branch("branch", _run, _push, _pull, keep="x")
