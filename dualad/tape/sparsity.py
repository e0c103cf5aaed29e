"""Which inputs each output depends on: one walk over a program, by the rules of ops/dependence.py.

A value's dependence is kept in the simplest of two forms: one input element per element (an integer array, -1 for none),
or a sparse boolean matrix (elements of the value by elements of all inputs). Nothing is ever dense.

Source: index sets as in Hill & Dalle 2025, arXiv:2501.17737; Griewank & Walther 2008, ch. 7.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.spec import Spec
from dualad.core.tensor import Tensor
from dualad.modes.record import GUARD
from dualad.modes.reverse import PICK, Node
from dualad.tape.tape import Program


class TooDense(Exception):
    """A pattern with too many entries to be of use."""


def jacobian_pattern(program: Program, most: float = math.inf) -> Any:
    """The pattern of a program's Jacobian, (elements of all outputs) x (elements of all inputs), boolean CSR.

    Superset of the nonzeros at the recorded point: an entry is missing only where no path connects the two. Raises
    ``TooDense`` when a value on the way, or an operation, has more than ``most`` entries.
    """
    from scipy.sparse import csr_array, vstack

    env: dict[int, Any] = {}
    width = 0
    for node in program.inputs:
        n = math.prod(node[4].shape)
        env[node[0]] = np.arange(width, width + n)
        width += n
    walk(program.nodes, env, width, {i for i in program.outputs if i is not None}, most)
    rows = []
    for i, y in zip(program.outputs, program.constants, strict=True):
        d = env.get(i) if i is not None else None
        if d is None:
            size = math.prod(shape_of(program, i)) if i is not None else np.asarray(y).size
            rows.append(csr_array((size, width), dtype=bool))
        else:
            rows.append(as_matrix(d, width))
    return rows[0] if len(rows) == 1 else csr_array(vstack(rows, format="csr"))


def shape_of(program: Program, index: int | None) -> tuple[int, ...]:
    for node in (*program.inputs, *program.nodes):
        if node[0] == index:
            return node[4].shape
    raise LookupError(index)


def walk(nodes: Sequence[Node], env: dict[int, Any], width: int, keep: set[int], most: float = math.inf) -> None:
    """Give each node in ``nodes`` that depends on what is in ``env`` its dependence; forget those no longer needed."""
    last: dict[int, int] = {}
    for k, node in enumerate(nodes):
        for p in node[2]:
            if p is not None:
                last[p] = k
    parts: dict[int, list[Any]] = {}  # of operations with several outputs
    for k, (index, prim, parents, args, y, params, _) in enumerate(nodes):
        if prim is GUARD:
            continue
        if prim is PICK:
            found = parts.get(parents[0], [None] * params["n"])[params["k"]]
            if found is not None:
                env[index] = found
            continue
        moving = [i for i, p in enumerate(parents) if p is not None and p in env]
        if moving and prim.kind != "marker" and not prim.constant:
            values = known(prim, args, parents)
            outs = [y] if not isinstance(y, tuple) else list(y)
            if most_entries(prim, outs, values, moving) > most:
                raise TooDense(f"{prim.name} has more than {most:.0f} dependences")
            found_all = [
                union(
                    [compose(prim.depends(i, out.shape, values, params), env[parents[i]], width) for i in moving], width
                )
                for out in outs
            ]
            if any(not isinstance(d, np.ndarray) and d is not None and d.nnz > most for d in found_all):
                raise TooDense(f"the result of {prim.name} has more than {most:.0f} dependences")
            if isinstance(y, tuple):
                parts[index] = found_all
            elif found_all[0] is not None:
                env[index] = found_all[0]
        for p in set(parents):
            if p is not None and last[p] == k and p not in keep:
                env.pop(p, None)


def known(prim: Any, args: Sequence[Any], parents: Sequence[Any]) -> list[Any]:
    """The arguments as sparsity rules see them: what does not move, or decides, by value; the others by shape.

    Values that belong to a recording around this one are looked at, so that it notices when they change.
    """
    fixed = getattr(prim, "nonlinear", ())
    return [
        _seen(a) if p is None or i in fixed else Spec(a.shape, a.dtype)
        for i, (a, p) in enumerate(zip(args, parents, strict=True))
    ]


def _seen(a: Any) -> Any:
    if type(a) is Tensor:
        a = a.value
    return a.level.look(a, "a pattern") if type(a) is Tensor else a


def most_entries(prim: Any, outs: Sequence[Any], values: Sequence[Any], moving: Sequence[int]) -> float:
    """A bound on the entries of an operation's own relation, for those that have no rule but the safe one."""
    if prim.kind in ("elementwise", "movement") or prim.sparsity_rule is not None:
        return 0.0
    return sum(float(math.prod(o.shape)) * math.prod(np.shape(values[i])) for o in outs for i in moving)


def as_matrix(d: Any, width: int) -> Any:
    """A dependence as a sparse matrix."""
    if not isinstance(d, np.ndarray):
        return d
    from scipy.sparse import csr_array

    there = d >= 0
    starts = np.concatenate([[0], np.cumsum(there)])
    columns = d[there]
    return csr_array((np.ones(columns.size, bool), columns, starts), (d.size, width))


def compose(relation: Any, d: Any, width: int) -> Any:
    """The dependence through a relation of output elements to elements of a value with dependence ``d``."""
    if isinstance(relation, np.ndarray):
        if isinstance(d, np.ndarray):
            return np.where(relation >= 0, d[relation], -1) if d.size else np.full(relation.shape, -1)
        if relation.size == d.shape[0] and np.array_equal(relation, np.arange(relation.size)):
            return d
        if (relation >= 0).all():
            return d[relation]
        from scipy.sparse import csr_array

        there = np.flatnonzero(relation >= 0)
        counts = np.zeros(relation.size + 1, int)
        picked = d[relation[there]]
        counts[there + 1] = np.diff(picked.indptr)
        return csr_array((picked.data, picked.indices, np.cumsum(counts)), (relation.size, width))
    return relation @ as_matrix(d, width)


def union(found: list[Any], width: int) -> Any:
    """What depends on any of these."""
    first = found[0]
    for other in found[1:]:
        if isinstance(first, np.ndarray) and isinstance(other, np.ndarray):
            if ((first < 0) | (other < 0) | (first == other)).all():
                first = np.maximum(first, other)
                continue
        elif first is other:
            continue
        first = as_matrix(first, width) + as_matrix(other, width)
    return first
