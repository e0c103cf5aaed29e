"""The body of a loop as a program: what one iteration makes of carried values, of slices, and of what it captures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dualad.core.spec import Spec
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.batch import BatchLevel
from dualad.modes.record import GUARD, LIFT, NoLoop, RecordLevel, sampling
from dualad.modes.reverse import PICK, Node, fixes
from dualad.tape.tape import needed


class Body:
    """A recorded iteration. Its inputs are ``carries`` values, one slice of each of ``slices`` arrays, and captures, in this
    order; its ``outs`` the next values of the carries, then slices of results. Values are numbered: inputs first.

    ``samples`` are inputs at which it can be run; ``residuals`` say which result has which value, if the values that
    derivatives need are among them.
    """

    def __init__(
        self, carries: int, slices: int, samples: Sequence[Any], nodes: Sequence[Node], outs: Sequence[int]
    ) -> None:
        self.carries, self.slices = carries, slices
        self.samples, self.nodes, self.outs = list(samples), list(nodes), list(outs)
        self.residuals: dict[int, int] | None = None
        self.specs: dict[int, Any] = {k: Spec(x.shape, np.dtype(x.dtype)) for k, x in enumerate(self.samples)}
        for k, prim, _, _, y, _, _ in self.nodes:
            if prim is not GUARD:
                self.specs[k] = y
        self.made: dict[Any, Any] = {}  # what was derived from it

    def spec(self, k: int) -> Spec:
        s: Spec = self.specs[k]
        return s

    @functools.cached_property
    def key(self) -> Any:
        """Equal keys, equal programs."""
        own = (self.carries, self.slices, tuple(self.outs), tuple(map(self.spec, range(len(self.samples)))))
        key = (*own, tuple([node_key(n) for n in self.nodes]), tuple((self.residuals or {}).items()))
        try:
            hash(key)
        except TypeError:
            return id(self)
        return key

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Body) and self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    @functools.cached_property
    def guarded(self) -> bool:
        return any(n[1] is GUARD or any(b.guarded for b in bodies(n)) for n in self.nodes)

    @functools.cached_property
    def read(self) -> set[Any]:
        """The values that its operations read, and its outputs."""
        return {p for n in self.nodes for p in n[2]} | set(self.outs)

    def trimmed(self, kept: Sequence[int]) -> Body:
        """The same with these inputs only, which are the carries and all others that it reads; it has no slices."""
        numbers = {k: n for n, k in enumerate(kept)}
        nodes = renumbered(self.nodes, numbers)
        return Body(self.carries, 0, [self.samples[k] for k in kept], nodes, [numbers[k] for k in self.outs])

    @functools.cached_property
    def sampled(self) -> dict[int, Any]:
        """All its values at the samples."""
        env = dict(enumerate(self.samples))
        with sampling(), np.errstate(all="ignore"):
            run(self.nodes, env)
        return env

    @functools.cached_property
    def function(self) -> Callable[..., Any]:
        """``function(times, operands, results)``: run it for each of ``times``, writing slices; the carries at the end."""
        return _written(self)

    @functools.cached_property
    def until(self) -> Callable[..., Any]:
        """The same, for times as long as the first carry is true."""
        return _written(self, until=True)

    def pruned(self, wanted: Sequence[int]) -> Body:
        """The same with those outputs only (positions in ``outs``; carries that these need stay) and what they need."""
        carries = {k for k in wanted if k < self.carries}
        while True:
            ends = [self.outs[k] for k in sorted({*wanted, *carries})]
            nodes = needed(self.nodes, ends)
            read = {*ends, *[p for n in nodes for p in n[2]]}
            more = {k for k in range(self.carries) if k in read} - carries
            if not more:
                break
            carries |= more
        self_wanted = [*sorted(carries), *[k for k in wanted if k >= self.carries]]
        inputs = [k for k in range(len(self.samples)) if (k in carries if k < self.carries else k in read)]
        numbers = {k: n for n, k in enumerate(inputs)}
        kept = renumbered(nodes, numbers)
        last = self.carries + self.slices
        out = Body(
            len(carries),
            sum(self.carries <= k < last for k in inputs),
            [self.samples[k] for k in inputs],
            kept,
            [numbers[self.outs[k]] for k in self_wanted],
        )
        out.made["inputs"], out.made["outs"] = inputs, self_wanted
        return out


def bodies(node: Node) -> Sequence[Body]:
    """Those in an operation."""
    params = node[5]
    return (params["body"],) if "body" in params else params.get("branches", ())


def renumbered(nodes: Sequence[Node], numbers: dict[int, int], gap: int = 0) -> list[Node]:
    """Nodes with new numbers, which follow on those in ``numbers`` and ``gap`` others; these are added."""
    out = []
    for k, prim, parents, args, y, params, fix in nodes:
        numbers[k] = len(numbers) + gap
        out.append(
            (numbers[k], prim, tuple([None if p is None else numbers[p] for p in parents]), args, y, params, fix)
        )
    return out


# Making one -----------------------------------------------------------------------------------


class Captures:
    """What a recording takes from outside: tensors of lower levels among its constants."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._where: dict[Any, int] = {}

    def place(self, x: Tensor) -> int:
        key = (id(x.level), id(x.value), x.aux if type(x.aux) is int else id(x.aux))
        if key not in self._where:
            self._where[key] = len(self.values)
            self.values.append(x)
        return self._where[key]


def made(
    level: RecordLevel, carries: Sequence[Any], slices: Sequence[Any], more: Sequence[Any], outs: Sequence[Any]
) -> tuple[Body, list[Any]]:
    """The body recorded on ``level`` from tensors (None: an input that is not one) to ``outs``; and what it captures beside
    ``more``. Inputs that it does not read stay."""
    inputs = [*carries, *slices, *more]
    numbers: dict[int, int] = {}
    samples: list[Any] = []
    for n, t in enumerate(inputs):
        samples.append(np.zeros(()) if t is None else sample(t.value))
        if t is not None:
            numbers[t.aux] = n
    captured = Captures()
    recorded = list(level.nodes)
    wanted = {n[0] for n in needed(recorded, [y.aux for y in outs])}
    # Of an operation with several results all stay: its derivatives may need what the body does not.
    chosen = [n for n in recorded if n[0] in wanted or (n[1] is PICK and n[2][0] in wanted)]
    taken: list[tuple[Any, ...]] = []
    for k, prim, parents, args, y, params, fix in chosen:
        if prim.kind == "custom":
            raise NoLoop(f"{prim.name} is a user's own operation")
        places: list[Any] = []
        for a, p in zip(args, parents, strict=True):
            places.append(("captured", captured.place(a)) if p is None and type(a) is Tensor else p)
        taken.append((k, prim, places, args, y, params, fix))
    first = len(inputs)
    samples += [sample(x) for x in captured.values]
    count = len(samples)
    nodes: list[Node] = []
    for k, prim, places, args, y, params, fix in taken:
        parents = tuple([first + p[1] if type(p) is tuple else None if p is None else numbers[p] for p in places])
        if prim is LIFT and parents[0] is not None:
            numbers[k] = parents[0]
            continue
        held = [a if p is None or a is None else spec_like(a) for a, p in zip(args, parents, strict=True)]
        own = None if prim is GUARD else tuple(map(spec_like, y)) if prim.multiple else spec_like(y)
        fix = fixes(held, parents) if prim.elementwise else None
        numbers[k] = count + len(nodes)
        nodes.append((numbers[k], prim, parents, tuple(held), own, params, fix))
    return Body(len(carries), len(slices), samples, nodes, [numbers[y.aux] for y in outs]), captured.values


def closed(
    level: RecordLevel, carries: Sequence[Any], slices: Sequence[Any], captures: Sequence[Any], outs: Sequence[Any]
) -> Body:
    """``made`` from all that it may capture, to ``outs``, of which those that are not of the level are constants."""
    ends = [y if type(y) is Tensor and y.level is level else level.lift(y) for y in outs]
    body, more = made(level, carries, slices, captures, ends)
    if more:
        raise NoLoop("a derivative or batch of the body captures")
    return body


def in_batch(
    level: RecordLevel, batch: BatchLevel, body: Body, given: Sequence[bool]
) -> tuple[list[Any], dict[int, Any]]:
    """The inputs of a body on the level, of which those ``given`` are batches; and all its values, computed of these."""
    pairs = list(zip(body.samples, given, strict=True))
    inputs = [level.watch(np.repeat(np.asarray(x)[None], batch.size, 0) if b else x) for x, b in pairs]
    env = {k: new_tensor(t, batch, None) if given[k] else t for k, t in enumerate(inputs)}
    run(body.nodes, env)
    return inputs, env


def is_float(s: Spec) -> bool:
    """Whether a value can have a derivative."""
    return s.dtype.kind in "fc"


def spec_like(x: Any) -> Spec:
    return x if type(x) is Spec else Spec(x.shape, np.dtype(x.dtype))


def sample(x: Any) -> Any:
    """A value without the levels it is on: of a batch, its first element."""
    if type(x) is not Tensor:
        return x
    v = sample(x.value)
    if isinstance(x.level, BatchLevel):
        if not len(v):
            raise NoLoop("an empty batch")
        v = v[0]
    return v


def node_key(node: Node) -> Any:
    """What makes two nodes the same operation on the same operands."""
    index, prim, parents, args, y, params, _ = node
    if prim is GUARD:
        seen = np.asarray(params["value"])
        return (index, prim, parents, params["why"], seen.dtype.str, seen.shape, seen.tobytes())
    held = tuple([None if p is not None else constant_key(a) for a, p in zip(args, parents, strict=True)])
    return (index, prim, parents, held, y, tuple([(k, frozen(v)) for k, v in sorted(params.items())]))


def constant_key(a: Any) -> Any:
    if isinstance(a, (np.ndarray, np.generic)):
        return (type(a), a.dtype.str, a.shape, a.tobytes())
    return (type(a), repr(a)) if isinstance(a, (bool, int, float, complex)) else (type(a), a)


def frozen(v: Any) -> Any:
    if isinstance(v, (tuple, list)):
        return (type(v), *[frozen(w) for w in v])
    if isinstance(v, slice):
        return (slice, v.start, v.stop, v.step)
    if isinstance(v, np.ndarray):
        return constant_key(v)
    return (type(v), v)


# Running one ----------------------------------------------------------------------------------


def run(nodes: Iterable[Node], env: dict[int, Any]) -> None:
    """Run ``nodes`` on the values in ``env``; guards are passed over."""
    for index, prim, parents, args, _, params, _ in nodes:
        if prim is GUARD:
            continue
        values = [a if p is None else env[p] for a, p in zip(args, parents, strict=True)]
        env[index] = prim.impl(*values, **params) if prim is PICK or prim is LIFT else prim(*values, **params)


def _written(body: Body, until: bool = False) -> Callable[..., Any]:
    """The loop over a body as Python code: a dispatch for each operation would take as long as most operations."""
    names: dict[str, Any] = {"holds": holds}
    lines = ["if not v0: break"] if until else []

    def operand(node: Node, i: int) -> str:
        if node[2][i] is not None:
            return f"v{node[2][i]}"
        names[f"k{node[0]}_{i}"] = node[3][i]
        return f"k{node[0]}_{i}"

    last = body.carries + body.slices
    for k in range(body.carries, last):
        lines.append(f"v{k} = x{k}[t]")
    for node in body.nodes:
        k, prim, parents, _, _, params, _ = node
        given = ", ".join(operand(node, i) for i in range(len(parents)))
        if prim is GUARD:
            names[f"g{k}"] = params
            lines.append(f"holds({given}, g{k})")
        elif prim is PICK:
            lines.append(f"v{k} = {given}[{params['k']}]")
        elif prim is LIFT:
            lines.append(f"v{k} = {given}")
        else:
            names[f"f{k}"] = prim.impl if params or prim.multiple or not prim.elementwise else prim.run
            names[f"p{k}"] = params
            lines.append(f"v{k} = f{k}({given}{f', **p{k}' if params else ''})")
    for n, k in enumerate(body.outs[body.carries :]):
        lines.append(f"y{n}[t] = v{k}")
    if body.carries:
        targets, sources = ", ".join(f"v{k}" for k in range(body.carries)), body.outs[: body.carries]
        lines.append(f"{targets} = {', '.join(f'v{k}' for k in sources)}")
    head = [f"{'x' if body.carries <= k < last else 'v'}{k} = operands[{k}]" for k in range(len(body.samples))]
    head += [f"y{n} = results[{n}]" for n in range(len(body.outs) - body.carries)]
    text = "\n    ".join(
        [
            "def function(times, operands, results):",
            *head,
            "for t in times:",
            *[f"    {line}" for line in lines or ["pass"]],
        ]
    )
    text += f"\n    return [{', '.join(f'v{k}' for k in range(body.carries))}]\n"
    exec(compile(text, "<the body of a loop>", "exec"), names)
    function: Callable[..., Any] = names["function"]
    return function


def holds(x: Any, params: dict[str, Any]) -> None:
    """Raise ``NoLoop`` where Python would see something else than while recording."""
    if not np.array_equal(np.asarray(x), np.asarray(params["value"])):
        raise NoLoop(f"{params['why']} of a value differs between iterations")
