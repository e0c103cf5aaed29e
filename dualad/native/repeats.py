"""Loops and branches that were recorded as one operation (``tape/repeat.py``, ``tape/branch.py``), as those of the compiled
program (``iteration.py``, ``fork.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.spec import Spec
from dualad.core.tensor import new_tensor
from dualad.modes.alike import FULL, INDEX
from dualad.modes.reverse import PICK, Node
from dualad.native.fork import FORK, Fork
from dualad.native.iteration import LOOP, Iteration, Read, Stack
from dualad.tape.branch import BRANCH
from dualad.tape.repeat import REPEAT


class _Recording:
    """What a ``Graph`` is made from."""

    def __init__(self, inputs: list[Node], nodes: list[Node]) -> None:
        self.inputs, self.nodes = inputs, nodes


def lowered(inputs: Sequence[Node], nodes: Sequence[Node]) -> list[Node]:
    """The recording with its repeats as loops and its branches as forks, which compute what is picked of them."""
    picks: dict[int, list[Node]] = {n[0]: [] for n in nodes if n[1] is REPEAT or n[1] is BRANCH}
    if not picks:
        return list(nodes)
    for n in nodes:
        if n[1] is PICK and n[2][0] in picks:
            picks[n[2][0]].append(n)
    number = 1 + max(n[0] for n in [*inputs, *nodes])
    out: list[Node] = []
    for n in nodes:
        if n[0] in picks:
            written = (_loop if n[1] is REPEAT else _fork)(n, picks[n[0]], number)
            number += len(written)
            out += written
        elif n[1] is not PICK or n[2][0] not in picks:
            out.append(n)
    return out


def _fork(node: Node, picks: Sequence[Node], number: int) -> list[Node]:
    from dualad.native.graph import Graph

    _, _, parents, args, _, params, _ = node
    wanted = sorted({n[5]["k"] for n in picks})
    graphs = []
    for body in params["branches"]:
        read: list[Node] = [(k, None, (), (), body.spec(k), {}, None) for k in range(len(body.samples))]
        level: Any = _Recording(read, body.nodes)
        graphs.append(Graph(level, [new_tensor(None, level, body.outs[k]) for k in wanted]))
    body = params["branches"][0]
    results = tuple([body.spec(body.outs[k]) for k in wanted])
    written: list[Node] = [
        (number, FORK, parents, args, results, {"body": Fork(graphs, results, spec_of(args[0]).dtype)}, None)
    ]
    for pick in picks:
        n = wanted.index(pick[5]["k"])
        written.append((pick[0], PICK, (number,), (None,), results[n], {"k": n, "n": len(results)}, None))
    return written


def _loop(node: Node, picks: Sequence[Node], number: int) -> list[Node]:
    from dualad.native.graph import Graph

    _, _, parents, args, _, params, _ = node
    count, down, trips = params["count"], params["down"], params.get("trips")
    until = trips is not None and not trips.known
    body = params["body"].pruned(sorted({n[5]["k"] for n in picks} | ({0} if until else set())))
    inputs, outs = body.made["inputs"], body.made["outs"]
    operands = [*inputs, len(args) - 1] if trips is not None and trips.known else inputs
    given = [spec_of(args[k]) for k in operands]
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
            reads.append(Read(k, own, 0, own.size, down=down))
        else:
            reads.append(Read(k, own))
        read.append((k, None, (), (), own, {}, None))
    stacks += [Stack(body.spec(k), count, [], down) for k in body.outs[body.carries :]]
    level: Any = _Recording(read, body.nodes)
    graph = Graph(level, [new_tensor(None, level, k) for k in body.outs])
    ends_by = "" if trips is None else "false" if until else "number"
    iteration = Iteration(graph, count, reads, stacks, given, [], [], ends_by)
    results = tuple(iteration.results)
    written: list[Node] = []

    def add(index: int | None, prim: Any, parents: Any, args: Any, y: Any, params: Any) -> int:
        k = number + len(written) if index is None else index
        written.append((k, prim, tuple(parents), tuple(args), y, params, None))
        return k

    call = add(None, LOOP, [parents[k] for k in operands], [args[k] for k in operands], results, {"body": iteration})
    places = {k: n for n, k in enumerate(outs)}
    for pick in picks:
        n = places[pick[5]["k"]]
        which = {"k": n, "n": len(results)}
        if n >= body.carries:
            add(pick[0], PICK, [call], [None], results[n], which)
            continue
        whole = add(None, PICK, [call], [None], results[n], which)
        y = body.spec(body.outs[n])
        template = (0 if trips is not None else stacks[n].place(count - 1, count), *[FULL] * len(y.shape))
        add(pick[0], INDEX, [whole], [results[n]], y, {"template": template})
    return written


def spec_of(x: Any) -> Spec:
    x = x if hasattr(x, "shape") else np.asarray(x)
    return Spec(tuple(x.shape), np.dtype(x.dtype))
