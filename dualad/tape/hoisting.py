"""What of a loop's body is known before the loop: functions of its counter, and what is read at places that these name.

Both become arrays that the loop goes through: a derivative with regard to what is read is then one scatter after the loop, not
one in each iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import REGISTRY
from dualad.core.tensor import Tensor
from dualad.modes.record import GUARD
from dualad.modes.reverse import Node
from dualad.ops.index import ARRAY
from dualad.tape.body import Body, holds
from dualad.tape.repeat import REPEAT

INDEX = REGISTRY["index"]
MOST = 1 << 20  # elements of an array made for a loop to go through


def hoisted(body: Body, operands: Sequence[Any], count: int, down: bool) -> tuple[Body, list[Any]]:
    """The body without what integer arrays among the slices determine, and the operands that it then has."""
    first, last = body.carries, body.carries + body.slices
    given = {k for k in range(first, last) if type(operands[k]) is not Tensor and operands[k].dtype.kind in "iub"}
    known = set(given)
    checks: list[Node] = []
    reads: dict[int, Node] = {}  # nodes that become slices
    for node in body.nodes:
        k, prim, parents, args, y, params, _ = node
        if prim is GUARD:
            if parents[0] in known:
                checks.append(node)
        elif parents and all(p is None or p in known for p in parents) and any(p is not None for p in parents):
            if not prim.multiple and prim.kind != "pick" and y.size * count <= MOST:
                known.add(k)
        elif prim is INDEX and _from_outside(body, parents) and parents[1:] and all(p in known for p in parents[1:]):
            if all(body.spec(p).shape == () for p in parents[1:]) and _leading(params["template"], len(args[0].shape)):
                reads[k] = node
    rest = [n for n in body.nodes if n[0] not in known and n not in checks and n[0] not in reads]
    asked = {p for n in rest for p in n[2]} | set(body.outs)
    frontier = [k for k in sorted(known - given) if k in asked]
    places = sorted({p for n in reads.values() for p in n[2][1:]} | {n[2][0] for n in checks})
    if not frontier and not reads and not checks:
        return body, list(operands)
    wanted = list(dict.fromkeys([*frontier, *places]))
    values = dict(zip(wanted, _values(body, sorted(given), known, wanted, operands, count, down), strict=True))
    for n in checks:
        for v in values[n[2][0]]:
            holds(v, n[5])
    new = [*frontier, *reads]
    more: list[Any] = [values[k] for k in frontier]
    for n in reads.values():
        x = n[3][0] if n[2][0] is None else operands[n[2][0]]
        more.append(INDEX(x, *[values[p] for p in n[2][1:]], template=n[5]["template"]))
    order = [*range(last), *new, *range(last, len(body.samples))]
    numbers = {k: n for n, k in enumerate(order)}
    samples = [body.sampled[k] for k in order]
    nodes: list[Node] = []
    for k, prim, parents, args, y, params, fix in rest:
        numbers[k] = len(numbers)
        mine = tuple([None if p is None else numbers[p] for p in parents])
        nodes.append((numbers[k], prim, mine, args, y, params, fix))
    out = Body(body.carries, body.slices + len(new), samples, nodes, [numbers[k] for k in body.outs])
    return out, [*operands[:last], *more, *operands[last:]]


def _from_outside(body: Body, parents: Sequence[Any]) -> bool:
    p = parents[0]
    return p is None or body.carries + body.slices <= p < len(body.samples)


def _leading(template: Any, rank: int) -> bool:
    """Whether integers and arrays come first, and whole axes after them."""
    n = 0
    while n < len(template) and (template[n] is ARRAY or type(template[n]) is int):
        n += 1
    return len(template) == rank and all(type(k) is slice for k in template[n:])


def _values(
    body: Body, given: list[int], known: set[int], wanted: list[int], operands: Sequence[Any], count: int, down: bool
) -> list[np.ndarray]:
    """Known values in all iterations, stacked."""
    numbers = {k: n for n, k in enumerate(given)}
    nodes = []
    for k, prim, parents, args, y, params, fix in body.nodes:
        if k in known:
            numbers[k] = len(numbers)
            mine = tuple([None if p is None else numbers[p] for p in parents])
            nodes.append((numbers[k], prim, mine, args, y, params, fix))
    own = Body(0, len(given), [body.samples[k] for k in given], nodes, [numbers[k] for k in wanted])
    return list(REPEAT(*[operands[k] for k in given], body=own, count=count, down=down))
