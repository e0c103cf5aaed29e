"""Edge pushing on array-valued operations: what is added where is found once, and evaluated with index arrays.

Walking the tape of a scalar function backwards, ``W[u, v]`` are second derivatives of what was passed in the values that are
alive. An operation y = f(a, b) takes y out: its entries are pushed to the operation's arguments,

    W[a, v] += J_a^T W[y, v],    W[a, b] += J_a^T W[y, y] J_b,

and where f is not linear, its second derivatives times the cotangent of y are created in W[a, b]. What is left between the
inputs is the Hessian. No direction is swept, so that the number of colors of its pattern does not matter, and the gradient
is not differentiated.

Source: Gower & Mello 2012, Optimization Methods and Software 27; Wang, Gebremedhin & Pothen 2016, Mathematical Programming
Computation 8 (live variables).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dualad.core.errors import DualadError
from dualad.modes.record import GUARD, LIFT
from dualad.modes.reverse import PICK, Node, pull
from dualad.ops.arithmetic import strong_scale
from dualad.plan.elimination.local import Local, local
from dualad.plan.elimination.structure import Algebra
from dualad.plan.entries import matrix
from dualad.plan.pushing.second import Second, TooMany, entries, second
from dualad.tape.tape import Program

MOST_TERMS = 10_000_000


class Edge:
    """The local Jacobian of an operation in one argument (or in several that are the same value, added)."""

    def __init__(self, parent: int, one: Local) -> None:
        self.parent = parent
        self.parts = [one]
        pattern = one.pattern
        self.sign = pattern.sign
        self.cols = pattern.cols
        self.starts = np.concatenate([[0], np.cumsum(pattern.counts())])

    def joined(self, one: Local) -> bool:
        """Whether ``one``, of the same value, could be added to this."""
        same = one.pattern.index == self.parts[0].pattern.index and not one.mask and not self.parts[0].mask
        if same:
            self.parts.append(one)
            self.sign = None
        return same

    def values(self, y: Any, args: Any) -> Any:
        if self.sign is not None:
            return None
        found = [
            np.full(p.pattern.nnz, float(p.pattern.sign), y.dtype) if p.pattern.sign is not None else p.entries(y, args)
            for p in self.parts
        ]
        total = np.atleast_1d(found[0])
        for other in found[1:]:
            total = total + other
        return total

    def times(self, w: Any, values: Any, at: Any) -> Any:
        """Entries of W times entries ``at`` of this."""
        if values is None:
            return w if self.sign == 1 else -w
        d = values if at is None else values[at]
        one = self.parts[0]
        if one.mask:
            return np.where(d != 0, w, 0)
        return strong_scale(w, d) if one.singular else w * d


@dataclass
class Push:
    """Entries ``source`` of a block, times entries of one edge, or of two, go to block ``target``."""

    source: Any
    edge: int
    at: Any
    other: int | None
    other_at: Any
    target: int
    twice: bool  # also the transpose, into the same block


@dataclass
class Step:
    """What one operation does: blocks that are pushed through its edges, and second derivatives that it creates."""

    at: int
    edges: list[Edge]
    locals: dict[int, Local]
    blocks: list[tuple[int, list[Push]]] = field(default_factory=list)
    created: list[tuple[Second, int, bool]] = field(default_factory=list)


@dataclass
class Sum:
    """How the contributions to a block are added: where each goes (None: all in order), and whether places repeat."""

    size: int
    places: list[tuple[Any, bool]]

    def __call__(self, parts: list[Any]) -> Any:
        if len(parts) == 1 and self.places[0][0] is None:
            return parts[0]
        out = np.zeros(self.size, np.result_type(*parts))
        for t, (place, repeats) in zip(parts, self.places, strict=True):
            if place is None:
                out += t
            elif repeats:
                out += np.bincount(place, t, self.size).astype(out.dtype, copy=False)
            else:
                out[place] += t
        return out


@dataclass
class Layout:
    """The steps of edge pushing, for every point at which the tape of the function is the same."""

    signature: list[Any]
    steps: list[Step]
    sums: dict[int, Sum]
    results: list[tuple[int, bool]]  # blocks between inputs, and whether the transpose is a block of its own
    pattern: Any
    order: Any
    terms: int
    pushes: int
    swept: int  # second derivatives without structure

    def __call__(self, program: Program, dtype: Any, bar: Callable[[Any, str], Any]) -> Any:
        parts: dict[int, list[Any]] = {}
        gs = _cotangents(program)
        for step in bar(self.steps, "operations"):
            node = program.nodes[step.at]
            args, y = node[3], node[4]
            values = [e.values(y, args) for e in step.edges] if step.blocks else []
            for block, pushes in step.blocks:
                w = self.sums[block](parts.pop(block))
                for p in pushes:
                    t = step.edges[p.edge].times(w if p.source is None else w[p.source], values[p.edge], p.at)
                    if p.other is not None:
                        t = step.edges[p.other].times(t, values[p.other], p.other_at)
                    parts.setdefault(p.target, []).extend([t, t] if p.twice else [t])
            if step.created:
                g = gs[node[0]] if node[0] in gs else np.zeros(y.shape, y.dtype)
                found = entries(node, g, [s for s, _, _ in step.created], step.locals)
                for t, (_, target, twice) in zip(found, step.created, strict=True):
                    parts.setdefault(target, []).extend([t, t] if twice else [t])
        data = []
        for block, twice in self.results:
            w = self.sums[block](parts.pop(block))
            data += [w, w] if twice else [w]
        flat = np.concatenate(data) if data else np.zeros(0, dtype)
        return matrix(self.pattern, flat[self.order].astype(dtype, copy=False))

    def fits(self, program: Program) -> bool:
        """Whether the tape is the one that this was made for, but for its values."""
        return _signature(program) == self.signature


def _signature(program: Program) -> list[Any]:
    return [(n[0], n[1].name, n[2], getattr(n[4], "shape", None)) for n in program.nodes if n[1] is not GUARD]


def _cotangents(program: Program) -> dict[int, Any]:
    """The derivative of the output in every value on the way, by index."""
    (out,) = program.outputs
    found: dict[int, Any] = {}

    def catch(i: int) -> Any:
        def keep(g: Any) -> Any:
            found[i] = g
            return g

        return keep

    dtype = next((n[4].dtype for n in program.nodes if n[0] == out), None)
    if out is not None and dtype is not None:
        pull(reversed(program.nodes), {out: dtype.type(1)}, {n[0]: catch(n[0]) for n in program.nodes})
    return found


class _Blocks:
    """The blocks of W while the layout is made: what was added to each, as (rows, columns)."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self.sizes = sizes
        self.numbers: dict[int, dict[int, int]] = {}  # by the later value, by the earlier one
        self.count = 0
        self.added: dict[int, list[tuple[Any, Any]]] = {}
        self.sums: dict[int, Sum] = {}
        self.terms = 0

    def add(self, u: int, v: int, rows: Any, cols: Any) -> int:
        """Entries (rows in u, columns in v), which are also those of (v, u). Returns the block's number."""
        self.terms += rows.size
        if self.terms > MOST_TERMS:
            raise TooMany(f"more than {MOST_TERMS:,} terms")
        if u < v:
            u, v, rows, cols = v, u, cols, rows
        own = self.numbers.setdefault(u, {})
        number = own.setdefault(v, self.count)
        self.count += number == self.count
        self.added.setdefault(number, []).append((rows, cols))
        return number

    def of(self, u: int) -> list[tuple[int, int]]:
        """The blocks of a value, all of whose later values are gone: (number, the other value)."""
        return [(number, v) for v, number in self.numbers.pop(u, {}).items()]

    def finish(self, number: int, v: int) -> tuple[Any, Any]:
        """Add up a block: its rows and columns."""
        added = self.added.pop(number)
        width = self.sizes[v]
        keys = [r * width + c for r, c in added]
        first = keys[0]
        if all(k is first or np.array_equal(k, first) for k in keys[1:]) and _distinct(first):
            self.sums[number] = Sum(first.size, [(None, False)] * len(keys))
            return added[0]
        every, places = np.unique(np.concatenate(keys), return_inverse=True)
        own = []
        start = 0
        for k in keys:
            place = places[start : start + k.size]
            start += k.size
            own.append((place, not _distinct(place)))
        self.sums[number] = Sum(every.size, own)
        return every // width, every % width


def layout(program: Program, n: int) -> Layout:
    """The layout for a recorded scalar function of ``n`` numbers.

    Raises ``TooMany`` where there are more terms than are worth listing, or an operation has several results or complex ones.
    """
    sizes = {node[0]: node[4].size for node in program.inputs}
    active = set(sizes)
    positions = []
    for at, (index, prim, parents, _, y, _, _) in enumerate(program.nodes):
        if prim is GUARD or prim is LIFT or prim.constant or not any(p in active for p in parents):
            continue
        if prim is PICK or isinstance(y, tuple) or y.dtype.kind != "f":
            raise TooMany(f"`{prim.name}` has several results, or complex ones")
        active.add(index)
        sizes[index] = y.size
        positions.append(at)
    blocks = _Blocks(sizes)
    algebra = Algebra()
    steps = []
    gs = _cotangents(program) if positions else {}
    for at in reversed(positions):
        step = _step(program.nodes[at], at, active, algebra)
        _push(step, program.nodes[at], blocks)
        _create(step, program.nodes[at], blocks, gs)
        if step.blocks or step.created:
            steps.append(step)
    return _results(program, n, steps, blocks)


def _step(node: Node, at: int, active: set[int], algebra: Algebra) -> Step:
    _, prim, parents, args, y, params, _ = node
    nonlinear = getattr(prim, "nonlinear", ())
    edges: list[Edge] = []
    locals_: dict[int, Local] = {}
    for i, p in enumerate(parents):
        if p not in active or i in nonlinear or not y.size or not args[i].size:
            continue
        try:
            one = locals_[i] = local(algebra, prim, i, None, y, args, params, True)
        except DualadError as e:
            raise TooMany(str(e)) from None
        if not any(e.parent == p and e.joined(one) for e in edges):
            edges.append(Edge(p, one))
    return Step(at, edges, locals_)


def _push(step: Step, node: Node, blocks: _Blocks) -> None:
    y = node[0]
    for number, v in blocks.of(y):
        rows, cols = blocks.finish(number, v)
        pushes = []
        for k, e in enumerate(step.edges):
            source, at = _expand(rows, e.starts)
            moved = e.cols[at]
            other = cols if source is None else cols[source]
            if v != y:
                pushes.append(_to(blocks, e.parent, v, moved, other, _brief(source), k, _brief(at, e.cols.size)))
                continue
            for m, f in enumerate(step.edges):
                if f.parent > e.parent:
                    continue
                again, far = _expand(other, f.starts)
                back = source if again is None else again if source is None else source[again]
                near = at if again is None else at[again]
                target = blocks.add(e.parent, f.parent, e.cols[near], f.cols[far])
                pushes.append(
                    Push(_brief(back), k, _brief(near, e.cols.size), m, _brief(far, f.cols.size), target, False)
                )
        step.blocks.append((number, pushes))


def _to(blocks: _Blocks, p: int, v: int, rows: Any, cols: Any, source: Any, edge: int, at: Any) -> Push:
    target = blocks.add(p, v, rows, cols)
    if p == v:
        blocks.add(p, v, cols, rows)
    return Push(source, edge, at, None, None, target, p == v)


def _create(step: Step, node: Node, blocks: _Blocks, gs: dict[int, Any]) -> None:
    y = node[4]
    g = gs[node[0]] if node[0] in gs else np.zeros(y.shape, y.dtype)
    for s in second(node, g, step.locals):
        a, b = node[2][s.i], node[2][s.j]
        twice = a == b and s.i != s.j
        target = blocks.add(a, b, s.rows, s.cols)
        if twice:
            blocks.add(a, b, s.cols, s.rows)
        step.created.append((s, target, twice))


def _expand(rows: Any, starts: Any) -> tuple[Any, Any]:
    """For entries in ``rows``, all entries of a matrix (rows from ``starts``) in the same row: which of ours, which of its."""
    counts = np.diff(starts)[rows]
    if (counts == 1).all():
        return None, starts[rows]
    many = int(counts.sum())
    if many > MOST_TERMS:
        raise TooMany(f"{many:,} terms")
    source = np.repeat(np.arange(rows.size), counts)
    return source, np.arange(many) - np.repeat(np.cumsum(counts) - counts, counts) + starts[rows][source]


def _distinct(keys: Any) -> bool:
    """Whether no key occurs twice."""
    if (keys[1:] > keys[:-1]).all():
        return True
    ordered = np.sort(keys)
    return bool((ordered[1:] != ordered[:-1]).all())


def _brief(index: Any, size: int | None = None) -> Any:
    """None for an index that takes all in order."""
    if index is None or size is None or index.size != size or not np.array_equal(index, np.arange(size)):
        return index
    return None


def _results(program: Program, n: int, steps: list[Step], blocks: _Blocks) -> Layout:
    from scipy.sparse import csr_array

    starts = {}
    start = 0
    for node in program.inputs:
        starts[node[0]] = start
        start += node[4].size
    results, rows, cols = [], [np.zeros(0, int)], [np.zeros(0, int)]
    for u, v, number in [(u, v, k) for u, own in blocks.numbers.items() for v, k in own.items()]:
        r, c = blocks.finish(number, v)
        results.append((number, u != v))
        rows.append(r + starts[u])
        cols.append(c + starts[v])
        if u != v:
            rows.append(c + starts[v])
            cols.append(r + starts[u])
    row, column = np.concatenate(rows), np.concatenate(cols)
    order = np.lexsort((column, row))
    counts = np.zeros(n + 1, np.int32)
    np.cumsum(np.bincount(row, minlength=n), out=counts[1:])
    pattern = csr_array((np.ones(row.size, bool), column[order].astype(np.int32), counts), (n, n))
    pushes = sum(len(p) for s in steps for _, p in s.blocks) + sum(len(s.created) for s in steps)
    swept = sum(not c.structured for s in steps for c, _, _ in s.created)
    return Layout(_signature(program), steps, blocks.sums, results, pattern, order, blocks.terms, pushes, swept)
