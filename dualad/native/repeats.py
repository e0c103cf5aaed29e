"""Loops that were recorded as one operation (``tape/repeat.py``), as loops of the compiled program (``iteration.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.spec import Spec
from dualad.core.tensor import Tensor
from dualad.modes.reverse import PICK, Node
from dualad.native.iteration import LOOP, Iteration, Read, Stack
from dualad.native.recurrence import FULL, INDEX
from dualad.tape.repeat import REPEAT


class _Recording:
    """What a ``Graph`` is made from."""

    def __init__(self, inputs: list[Node], nodes: list[Node]) -> None:
        self.inputs, self.nodes = inputs, nodes


def lowered(inputs: Sequence[Node], nodes: Sequence[Node]) -> list[Node]:
    """The recording with its repeats as loops, which compute what is picked of them."""
    if not any(n[1] is REPEAT for n in nodes):
        return list(nodes)
    picks: dict[int, list[Node]] = {n[0]: [] for n in nodes if n[1] is REPEAT}
    for n in nodes:
        if n[1] is PICK and n[2][0] in picks:
            picks[n[2][0]].append(n)
    number = 1 + max(n[0] for n in [*inputs, *nodes])
    out: list[Node] = []
    for n in nodes:
        if n[1] is REPEAT:
            written = _loop(n, picks[n[0]], number)
            number += len(written)
            out += written
        elif n[1] is not PICK or n[2][0] not in picks:
            out.append(n)
    return out


def _loop(node: Node, picks: Sequence[Node], number: int) -> list[Node]:
    from dualad.native.graph import Graph

    _, _, parents, args, _, params, _ = node
    count, down = params["count"], params["down"]
    body = params["body"].pruned(sorted({n[5]["k"] for n in picks}))
    inputs, outs = body.made["inputs"], body.made["outs"]
    given = [spec_of(args[k]) for k in inputs]
    reads: list[Read] = []
    read: list[Node] = []
    stacks: list[Stack] = []
    ends = {p for n in body.nodes for p in n[2]} | set(body.outs)
    for k in range(len(inputs)):
        own = body.spec(k)
        if k < body.carries:
            stacks.append(Stack(own, 2, [k]))
        if k not in ends:
            continue
        if k < body.carries:
            reads.append(Read(k, own, back=1))
        elif k < body.carries + body.slices:
            reads.append(Read(k, own, (count - 1) * own.size, -own.size) if down else Read(k, own, 0, own.size))
        else:
            reads.append(Read(k, own))
        read.append((k, None, (), (), own, {}, None))
    stacks += [Stack(body.spec(k), count, [], down) for k in body.outs[body.carries :]]
    level: Any = _Recording(read, body.nodes)
    graph = Graph(level, [Tensor(None, level, k) for k in body.outs])
    iteration = Iteration(graph, count, reads, stacks, given, [], [])
    results = tuple(iteration.results)
    written: list[Node] = []

    def add(index: int | None, prim: Any, parents: Any, args: Any, y: Any, params: Any) -> int:
        k = number + len(written) if index is None else index
        written.append((k, prim, tuple(parents), tuple(args), y, params, None))
        return k

    call = add(None, LOOP, [parents[k] for k in inputs], [args[k] for k in inputs], results, {"body": iteration})
    places = {k: n for n, k in enumerate(outs)}
    for pick in picks:
        n = places[pick[5]["k"]]
        which = {"k": n, "n": len(results)}
        if n >= body.carries:
            add(pick[0], PICK, [call], [None], results[n], which)
            continue
        whole = add(None, PICK, [call], [None], results[n], which)
        y = body.spec(body.outs[n])
        template = (stacks[n].place(count - 1), *[FULL] * len(y.shape))
        add(pick[0], INDEX, [whole], [results[n]], y, {"template": template})
    return written


def spec_of(x: Any) -> Spec:
    x = x if hasattr(x, "shape") else np.asarray(x)
    return Spec(tuple(x.shape), np.dtype(x.dtype))
