"""A loop as one operation, whose derivatives are loops: ``repeat(*carries, *arrays, *captures)`` runs a ``Body``.

Forward and reverse mode run a second loop, over tangents or cotangents, that reads what the first one kept of each iteration
(its residuals); the reverse one goes from last to first. Their bodies are recordings of the rules of the operations in the
first body, made once for each set of inputs and outputs that have a derivative.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dualad.core.deferred import Deferred, held, settled
from dualad.core.primitive import Primitive
from dualad.core.tensor import Tensor
from dualad.modes.batch import BatchLevel
from dualad.modes.forward import ForwardLevel
from dualad.modes.record import COMPILING, GUARD, LIFT, NoLoop, NoRoom, RecordLevel, sampling
from dualad.modes.reverse import PICK, Node, ReverseLevel, pull
from dualad.modes.trace import TraceLevel
from dualad.ops.kinds import Unregistered, zeros_like
from dualad.ops.shape import broadcast_to, transpose
from dualad.tape.body import Body, closed, in_batch, is_float, made, sample
from dualad.tape.linearized import push
from dualad.tape.tape import needed

Operands = Sequence[Any]


class Trips(NamedTuple):
    """Of a loop whose length is not known before it runs: it is ``known`` then, from a last operand; or the loop runs while
    its first carry is true, and its second one counts. ``of`` stands for its body among others."""

    of: Any
    known: bool


class _Repeat(Unregistered):
    """``count`` iterations, over arrays from first to last or (``down``) from last to first; returns the carries at the end
    and the slices of results, stacked. With ``trips`` it is for ``count`` iterations that arrays have room, from the first
    on."""

    def later(self, *operands: Any, body: Body, count: int, down: bool, trips: Trips | None = None) -> Any:
        if trips is not None or body.guarded or COMPILING.sampling:
            return None
        whole = Deferred(
            _run_later, tuple(map(held, operands)), (), np.dtype(object), {"body": body, "count": count, "down": down}
        )
        specs = [body.spec(k) for k in body.outs]
        lead = [()] * body.carries + [(count,)] * (len(specs) - body.carries)
        return tuple(
            [
                Deferred(_pick, (whole,), (*n, *s.shape), s.dtype, {"k": k})
                for k, (s, n) in enumerate(zip(specs, lead, strict=True))
            ]
        )

    def batch(self, args: Operands, batched: Sequence[bool], size: int, params: dict[str, Any]) -> Any:
        return _batch(args, batched, size, **params)


def _run(*operands: Any, body: Body, count: int, down: bool, trips: Trips | None = None) -> tuple[Any, ...]:
    operands = tuple([settled(x) for x in operands])
    specs = [body.spec(k) for k in body.outs[body.carries :]]
    results = [np.zeros((count, *s.shape), s.dtype) for s in specs]
    if trips is not None and not trips.known:
        return _while(operands, body, results, trips)
    n = count
    if trips is not None:
        *operands, n = operands  # type: ignore[assignment]
        n = int(n)
        if results and n > count:
            raise NoRoom(trips.of, n)
    carries = body.function(range(n - 1, -1, -1) if down else range(n), operands, results)
    return (*carries, *results)


def _run_later(*operands: Any, **params: Any) -> tuple[Any, ...]:
    with sampling(on=False):  # whoever looks: what is computed now stays
        return _run(*operands, **params)


def _pick(results: tuple[Any, ...], k: int) -> Any:
    return results[k]


def _while(operands: Operands, body: Body, results: Sequence[np.ndarray], trips: Trips) -> tuple[Any, ...]:
    columns: list[list[Any]] = [_Column() for _ in results]
    carries = body.until(range(1) if COMPILING.sampling else itertools.count(), operands, columns)
    for whole, column in zip(results, columns, strict=True):
        if len(column) > len(whole):
            raise NoRoom(trips.of, len(column))
        for t, y in enumerate(column):
            whole[t] = y
    return (*carries, *results)


class _Column(list[Any]):
    """Takes the results of one iteration after the other."""

    def __setitem__(self, t: Any, y: Any) -> None:
        self.append(y)


def loop(body: Body, operands: Operands, count: int, down: bool, trips: Trips | None = None) -> list[Any]:
    """``REPEAT`` with what derivatives will need of it, if any level among the operands may ask."""
    n = len(body.outs)
    if any(map(_differentiated, operands)):
        body = augmented(body)
    return list(REPEAT(*operands, body=body, count=count, down=down, trips=trips))[:n]


def _differentiated(x: Any) -> bool:
    while type(x) is Tensor:
        level = x.level
        # What is recorded to be compiled asks for nothing, unless it will be run again on derivatives.
        if isinstance(level, (ReverseLevel, ForwardLevel)):
            if type(level) is TraceLevel or not getattr(level, "compiled", False):
                return True
        x = x.value
    return False


# What derivatives need --------------------------------------------------------------------------


def augmented(body: Body) -> Body:
    """The body with the values that its derivatives need among its results."""
    if body.residuals is not None:
        return body
    found: Body | None = body.made.get("augmented")
    if found is None:
        specs = [body.spec(k) for k in body.outs]
        every = _reverse(
            body, tuple(map(is_float, specs)), tuple(is_float(body.spec(k)) for k in range(len(body.samples)))
        )
        own = range(body.carries, len(body.samples))
        where = {v: k for k, v in reversed(list(enumerate(body.outs))) if k >= body.carries}
        outs = list(body.outs)
        for v in every.needed:
            if v not in own and v not in where:
                where[v] = len(outs)
                outs.append(v)
        found = Body(body.carries, body.slices, body.samples, body.nodes, outs)
        found.residuals = where
        body.made["augmented"] = found
    return found


class _Derived:
    """A body made of another's derivatives, and what its operands and results are.

    ``carries``: ("g", k), a cotangent or tangent of carry k, or ("sum", k), of a capture; ``slices`` and ``captures``: ("value",
    number) of the first body, ("g", k) of a result, ("t", k) of an operand. ``results``: what each output belongs to.
    """

    def __init__(self, body: Body, carries: list[Any], slices: list[Any], captures: list[Any], results: Any) -> None:
        self.body, self.carries, self.slices, self.captures, self.results = body, carries, slices, captures, results
        self.needed: list[int] = [k for what, k in [*slices, *captures] if what == "value"]


class _Recorder:
    """Records a derived body: its inputs are made when they are first asked for."""

    def __init__(self, body: Body, level: RecordLevel) -> None:
        self.body, self.level = body, level
        self.carries: dict[Any, Tensor] = {}
        self.slices: dict[Any, Tensor] = {}
        self.captures: dict[Any, Tensor] = {}

    def value(self, k: int) -> Any:
        """What the first body computes as ``k``."""
        body = self.body
        whole = k >= body.carries + body.slices and k < len(body.samples)
        return self.taken(self.captures if whole else self.slices, ("value", k), body.sampled[k])

    def taken(self, where: dict[Any, Tensor], key: Any, at: Any) -> Tensor:
        t = where.get(key)
        if t is None:
            t = where[key] = self.level.watch(at)
        return t

    def node(self, node: Node, active: set[int]) -> Node:
        """A node of the first body as derivative rules see it."""
        k, prim, parents, args, y, params, fix = node
        moving = tuple([p if p in active else None for p in parents])
        need = prim.needs(moving)
        held = tuple(
            [a if p is None else self.value(p) if n else a for a, p, n in zip(args, parents, need, strict=True)]
        )
        if prim.keep_y:
            y = _Results(self, node) if prim.multiple else self.value(k)
        return (k, prim, moving, held, y, params, fix)

    def derived(self, outs: Sequence[Any], results: Any) -> _Derived:
        level = self.level
        ends = [y if type(y) is Tensor and y.level is level else level.lift(y) for y in outs]
        # Rules are given more than they read.
        read = {y.aux for y in ends} | {p for n in needed(level.nodes, [y.aux for y in ends]) for p in n[2]}
        self.slices = {k: t for k, t in self.slices.items() if t.aux in read}
        self.captures = {k: t for k, t in self.captures.items() if t.aux in read}
        carries, slices, captures = [list(g.values()) for g in (self.carries, self.slices, self.captures)]
        body = closed(level, carries, slices, captures, ends)
        return _Derived(body, list(self.carries), list(self.slices), list(self.captures), results)


class _Results(Sequence[Any]):
    """The results of an operation with several, each made an input when it is asked for."""

    def __init__(self, recorder: _Recorder, node: Node) -> None:
        self.recorder, self.of = recorder, node[4]
        self.picks = {n[5]["k"]: n[0] for n in recorder.body.nodes if n[1] is PICK and n[2][0] == node[0]}

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, k: Any) -> Any:
        return self.recorder.value(self.picks[k])


def _useful(body: Body) -> set[int]:
    """The values through which outputs depend differentiably on inputs."""
    found = {k for k in body.outs if is_float(body.spec(k))}
    for index, prim, parents, _, _, _, _ in reversed(body.nodes):
        if index in found and not prim.constant and prim is not GUARD:
            found.update(p for p in parents if p is not None)
    return found


def _active(body: Body, given: Sequence[bool]) -> set[int]:
    """The useful values that depend on the inputs ``given``, with the carries that come to."""
    useful = _useful(body)
    start = {k for k, g in enumerate(given) if g and is_float(body.spec(k))}
    while True:
        found = start & useful
        for index, prim, parents, _, y, _, _ in body.nodes:
            if index in useful and not prim.constant and any(p in found for p in parents):
                if prim.multiple or prim is PICK or is_float(y):
                    found.add(index)
        more = {k for k in range(body.carries) if body.outs[k] in found and is_float(body.spec(k))} - start
        if not more:
            return found
        start |= more


# Reverse ----------------------------------------------------------------------------------------


def _reverse(body: Body, given: tuple[bool, ...], need: tuple[bool, ...]) -> _Derived:
    """The body that pulls cotangents of the outputs ``given`` to the inputs in ``need``."""
    key = ("reverse", given, need)
    found: _Derived | None = body.made.get(key)
    if found is not None:
        return found
    active = _active(body, need)
    live = {k for k in range(body.carries) if given[k] and body.outs[k] in active}
    while True:
        level = RecordLevel()
        with sampling(), level, np.errstate(all="ignore"):
            r = _Recorder(body, level)
            cts: dict[int, Any] = {}
            for k, v in enumerate(body.outs):
                if k < body.carries and k in live:
                    g = r.taken(r.carries, ("g", k), np.ones_like(body.sampled[v]))
                elif k >= body.carries and given[k] and v in active:
                    g = r.taken(r.slices, ("g", k), np.ones_like(body.sampled[v]))
                else:
                    continue
                if v in active:
                    cts[v] = cts[v] + g if v in cts else g
            pull(_from_last(body, r, active, cts), cts)
            more = {k for k in range(body.carries) if k in cts and k in active} - live
            if more:
                live |= more
                continue
            outs: list[Any] = []
            results: list[Any] = []
            for _, k in list(r.carries):
                outs.append(cts[k] if k in cts else zeros_like(body.spec(k)))
                results.append(k if need[k] else None)
            for k in range(body.carries + body.slices, len(body.samples)):
                if need[k] and k in cts:
                    total = r.taken(r.carries, ("sum", k), zeros_like(body.spec(k)))
                    outs.append(total + cts[k])
                    results.append(k)
            for k in range(body.carries, body.carries + body.slices):
                if need[k] and k in cts:
                    outs.append(cts[k])
                    results.append(k)
            found = body.made[key] = r.derived(outs, results)
            return found


def _from_last(body: Body, r: _Recorder, active: set[int], cts: dict[int, Any]) -> Iterator[Node]:
    for node in reversed(body.nodes):
        if node[0] in cts:  # else no rule will ask for its values
            yield node if node[1] is PICK else r.node(node, active)


def _operands(d: _Derived, body: Body, y: Any, args: Operands, gs: Callable[[str, int], Any], sums: Any) -> list[Any]:
    residuals = body.residuals

    def value(k: int) -> Any:
        if body.carries <= k < len(body.samples):
            return args[k]
        if residuals is None or k not in residuals:
            raise NoLoop("a derivative needs what the loop did not keep")
        return y[residuals[k]]

    of = [sums(k) if what == "sum" else gs(what, k) for what, k in d.carries]
    return of + [value(k) if what == "value" else gs(what, k) for what, k in [*d.slices, *d.captures]]


def _times(y: Any, args: Operands, trips: Trips | None) -> tuple[list[Any], Trips | None]:
    """The last operand of a derivative's loop, if it needs one."""
    if trips is None:
        return [], None
    return [args[-1] if trips.known else y[1]], Trips(trips.of, True)


def _pull(
    g: Any,
    need: Sequence[bool],
    y: Any,
    *args: Any,
    body: Body,
    count: int,
    down: bool,
    trips: Trips | None = None,
) -> list[Any]:
    given = tuple([k is not None for k in g])
    wanted = tuple([bool(need[k]) and is_float(body.spec(k)) for k in range(len(body.samples))])
    d = _reverse(body, given, wanted)

    def of(_: str, k: int) -> Any:
        return zeros_like(body.spec(k)) if g[k] is None else g[k]

    operands = _operands(d, body, y, args, of, lambda k: zeros_like(body.spec(k)))
    more, times = _times(y, args, trips)
    out: list[Any] = [None] * len(args)
    xs = loop(d.body, [*operands, *more], count, not down, times) if d.results else ()
    for k, x in zip(d.results, xs, strict=True):
        if k is not None:
            out[k] = x
    return out


# Forward ----------------------------------------------------------------------------------------


def _forward(body: Body, given: tuple[bool, ...]) -> _Derived:
    """The body that pushes tangents of the inputs ``given``."""
    key = ("forward", given)
    found: _Derived | None = body.made.get(key)
    if found is not None:
        return found
    active = _active(body, given)
    level = RecordLevel()
    with sampling(), level, np.errstate(all="ignore"):
        r = _Recorder(body, level)
        ts: dict[int, Any] = {}
        last = body.carries + body.slices
        for k in range(len(body.samples)):
            if k in active or (k < body.carries and body.outs[k] in active):
                where = r.carries if k < body.carries else r.slices if k < last else r.captures
                ts[k] = r.taken(where, ("t", k), np.ones_like(body.samples[k]))
        push([n if n[1] in (PICK, GUARD, LIFT) else r.node(n, active) for n in body.nodes if n[0] in active], ts)
        carries = [k for _, k in r.carries]
        outs = [ts.get(body.outs[k], zeros_like(body.spec(k))) for k in carries]
        results = list(carries)
        for k in range(body.carries, len(body.outs)):
            if body.outs[k] in ts and body.outs[k] in active:
                outs.append(ts[body.outs[k]])
                results.append(k)
        found = body.made[key] = r.derived(outs, results)
    return found


def _push(ts: Any, y: Any, *args: Any, body: Body, count: int, down: bool, trips: Trips | None = None) -> list[Any]:
    given = tuple([ts[k] is not None and is_float(body.spec(k)) for k in range(len(body.samples))])
    d = _forward(body, given)

    def of(_: str, k: int) -> Any:
        return zeros_like(body.spec(k)) if ts[k] is None else ts[k]

    out: list[Any] = [None] * len(y)
    operands = _operands(d, body, y, args, of, None)
    more, times = _times(y, args, trips)
    for k, t in zip(d.results, loop(d.body, [*operands, *more], count, down, times) if d.results else (), strict=True):
        out[k] = t
    return out


# Batches ----------------------------------------------------------------------------------------


def _batched(body: Body, given: tuple[bool, ...], size: int) -> tuple[Body, list[bool]]:
    """The body on inputs of which those ``given`` are batches; and which of its outputs are."""
    key = ("batch", given, size)
    found: tuple[Body, list[bool]] | None = body.made.get(key)
    if found is not None:
        return found
    if body.guarded:
        raise NoLoop("a guard in a batched loop")
    moving = list(given)
    while True:
        with sampling(), RecordLevel() as level, BatchLevel(size) as batch, np.errstate(all="ignore"):
            inputs, env = in_batch(level, batch, body, moving)
            ends = [env[k] for k in body.outs]
            out = [type(y) is Tensor and y.level is batch for y in ends]
            more = [k for k in range(body.carries) if out[k] and not moving[k]]
            if more:
                for k in more:
                    moving[k] = True
                continue
            for k in range(body.carries):
                if moving[k] and not out[k]:
                    ends[k], out[k] = batch.lift(ends[k]), True
            ys = [y.value if b else y for y, b in zip(ends, out, strict=True)]
            cut = body.carries + body.slices
            own = closed(level, inputs[: body.carries], inputs[body.carries : cut], inputs[cut:], ys)
            found = body.made[key] = (own, out)
            return found


def _batch(
    args: Operands,
    batched: Sequence[bool],
    size: int,
    *,
    body: Body,
    count: int,
    down: bool,
    trips: Trips | None = None,
) -> tuple[Any, ...]:
    inputs = len(body.samples)
    params = {"body": body, "count": count, "down": down, "trips": trips}
    if any(batched[inputs:]):
        return each(REPEAT, args, batched, size, params)
    own, out = _batched(body, tuple(map(bool, batched[:inputs])), size)
    if trips is not None and not trips.known and out[0]:  # each element ends at its own time
        return each(REPEAT, args, batched, size, params)
    operands = list(args)
    for k in range(body.carries):
        if out[k] and not batched[k]:
            operands[k] = broadcast_to(args[k], shape=(size, *np.shape(args[k])))
    for k in range(body.carries, body.carries + body.slices):
        if batched[k]:
            operands[k] = _swapped(args[k])
    ys = loop(own, operands, count, down, trips)
    for k, b in enumerate(out):
        if not b:
            ys[k] = broadcast_to(ys[k], shape=(size, *ys[k].shape))
        elif k >= body.carries:
            ys[k] = _swapped(ys[k])
    return tuple(ys)


def each(
    prim: Primitive, args: Operands, batched: Sequence[bool], size: int, params: dict[str, Any]
) -> tuple[Any, ...]:
    """An operation with several results on the elements of a batch one after another: a loop of which it is the body."""
    if not size:
        raise NoLoop("an empty batch")
    order = sorted(range(len(args)), key=lambda k: not batched[k])
    with sampling(), RecordLevel() as level, np.errstate(all="ignore"):
        inputs = [level.watch(sample(args[k])[0] if batched[k] else sample(args[k])) for k in order]
        own = dict(zip(order, inputs, strict=True))
        ys = prim(*[own[k] for k in range(len(args))], **params)
        n = sum(batched)
        body, _ = made(level, [], inputs[:n], inputs[n:], ys)
    return tuple(loop(body, [args[k] for k in order], size, False))


def _swapped(x: Any) -> Any:
    return transpose(x, axes=(1, 0, *range(2, x.ndim)))


REPEAT = _Repeat("repeat", _run, _push, _pull, keep="xy")
