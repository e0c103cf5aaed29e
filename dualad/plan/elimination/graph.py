"""The computational graph: vertices are values, edges carry local Jacobians.

Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, ch. 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, DtypeError, ShapeError
from dualad.core.tensor import Tensor, new_tensor
from dualad.core.tree import flatten
from dualad.modes.batch import BatchLevel
from dualad.modes.record import GUARD
from dualad.modes.reverse import PICK, Node
from dualad.plan.elimination.local import Local, local
from dualad.plan.elimination.structure import Algebra, Pattern
from dualad.tape.tape import Program, Tape, replay


class ComputationalGraph:
    """A recorded program as vertices and local Jacobians, at a point.

    ``inputs``, ``intermediates`` and ``outputs`` are vertices (integers, in the order of execution); only what lies on a
    path from an input to an output is there. ``edges[s, p]`` is the pattern of the local Jacobian of s in p.
    ``scalar``: every value is one.
    """

    def __init__(self, program: Program, point: Sequence[Any]) -> None:
        for v in point:
            if type(v) is Tensor:
                raise ArgumentError(
                    "elimination: the point is tracked by another transform. Make the graph outside of it."
                )
            if v.dtype.kind == "c":
                raise DtypeError(
                    "elimination: an input is complex, and vertices of the graph are real. Use jacfwd or jacrev."
                )
        self.program = program
        self.point = list(point)
        self.algebra = Algebra()
        env = self._replay(self.point)
        self.inputs = list(range(len(program.inputs)))
        self.names = [f"x{v}" for v in self.inputs]
        self.shapes_in = [np.shape(v) for v in self.point]
        self.scalar = all(s == () for s in self.shapes_in)
        self.locals: dict[tuple[int, int], list[tuple[int, Local]]] = {}
        self.nodes = {n[0]: n for n in program.nodes}
        vertex = {n[0]: v for v, n in zip(self.inputs, program.inputs, strict=True)}
        varies, active = _dependence(program)
        for node in program.nodes:
            if node[0] not in active or node[1].multiple:
                continue
            source, k = (self.nodes[node[2][0]], node[5]["k"]) if node[1] is PICK else (node, None)
            vertex[node[0]] = own = len(self.names)
            self.names.append(source[1].name)
            self._connect(own, source, k, env, vertex, varies)
        self.edges: dict[tuple[int, int], Pattern] = {}
        self.joins: dict[tuple[int, int], list[Any]] = {}
        for edge, parts in self.locals.items():
            pattern = parts[0][1].pattern
            for _, one in parts[1:]:
                joined = self.algebra.sum(pattern, one.pattern)
                self.joins.setdefault(edge, []).append(joined.run)
                pattern = joined.pattern
            self.edges[edge] = pattern
        self._close(vertex, env)

    def _connect(self, own: int, node: Node, k: int | None, env: Any, vertex: dict[int, int], varies: set[int]) -> None:
        """Edges to the output ``k`` of ``node`` (None: the only one) from its arguments."""
        prim, parents = node[1], node[2]
        y, args = _values(node, env)
        of = y if k is None else y[k]
        if of.dtype.kind == "c":
            raise DtypeError(
                f"elimination: `{prim.name}` has a complex result, and vertices of the graph are real. Use jacfwd or jacrev."
            )
        self.scalar = self.scalar and of.shape == ()
        nonlinear = getattr(prim, "nonlinear", ())
        fixed = not any(j in nonlinear and p is not None and p in varies for j, p in enumerate(parents))
        for j, p in enumerate(parents):
            if p is None or p not in vertex or j in nonlinear or not np.size(args[j]) or not of.size:
                continue
            one = local(self.algebra, prim, j, k, y, args, node[5], fixed)
            if one.pattern.nnz:
                self.locals.setdefault((own, vertex[p]), []).append((node[0], one))

    def _close(self, vertex: dict[int, int], env: dict[int, Any]) -> None:
        """Outputs that are also used, or inputs, get a vertex of their own, joined by an identity."""
        used = {p for _, p in self.edges} | set(self.inputs)
        copies: dict[int, int] = {}
        self.outputs: list[int | None] = []
        values: list[Any] = []
        for index, constant in zip(self.program.outputs, self.program.constants, strict=True):
            value: Any = constant if index is None else env[index]
            values.append(value)
            v = None if index is None else vertex.get(index)
            if v in used:
                assert v is not None
                if v not in copies:
                    copies[v] = len(self.names)
                    self.names.append("output")
                    if np.size(value):
                        self.edges[copies[v], v] = self.algebra.diagonal(np.size(value), 1)
                v = copies[v]
            self.outputs.append(v)
        self.shapes_out = [np.shape(v) for v in values]
        self.dtypes_out = [np.result_type(v) for v in values]
        ends = {v for e in self.edges for v in e}
        self.intermediates = sorted(ends - {*self.inputs, *self.outputs})

    def __repr__(self) -> str:
        return (
            f"<ComputationalGraph: {len(self.inputs)} inputs, {len(self.intermediates)} intermediate vertices, "
            f"{len(self.outputs)} outputs, {len(self.edges)} edges>"
        )

    def entries(self, point: Sequence[Any] | None = None) -> dict[tuple[int, int], Any]:
        """The entries of the local Jacobians at ``point`` (default: where the graph was made), by edge.

        With ``point`` of 1-D arrays for a scalar program, a batch of points, the entries are 1-D arrays too.
        """
        point = self.point if point is None else self._check(point)
        batch = {len(v) for v in point if np.ndim(v)} if self.scalar else set()
        if batch and not all(one.elementwise for parts in self.locals.values() for _, one in parts):
            raise ShapeError(
                "elimination: a batch of points needs a program of elementwise operations. Pass one by one."
            )
        env = self._replay(point, batch.pop() if batch else None)
        out: dict[tuple[int, int], Any] = {}
        for edge, parts in self.locals.items():
            for k, (index, one) in enumerate(parts):
                e = one.entries(*_values(self.nodes[index], env))
                out[edge] = e if k == 0 else self.joins[edge][k - 1](out[edge], e)
        return out

    def _check(self, point: Sequence[Any]) -> list[Any]:
        values = [np.asarray(v)[()] for v in point]
        if len(values) != len(self.inputs):
            raise ArgumentError(f"elimination: the graph has {len(self.inputs)} inputs, {len(values)} were given.")
        for v, s, old in zip(values, self.shapes_in, self.point, strict=True):
            if v.shape != s and not (self.scalar and v.ndim == 1):
                also = " (or, for a batch of points, (n,))" if self.scalar else ""
                raise ShapeError(f"elimination: the graph was made for inputs of shape {s}{also}, {v.shape} was given.")
            if v.dtype != old.dtype:
                raise DtypeError(f"elimination: the graph was made for inputs of {old.dtype}, {v.dtype} was given.")
        if len({len(v) for v in values if v.ndim}) > 1 and self.scalar:
            raise ShapeError(f"elimination: batches of points differ in length: {[v.shape for v in values]}.")
        return values

    def _replay(self, point: Sequence[Any], batch: int | None = None) -> dict[int, Any]:
        """All values, by index."""
        if batch is None:
            env: dict[int, Any] = {n[0]: v for n, v in zip(self.program.inputs, point, strict=True)}
            replay(self.program.nodes, env)
            return env
        with BatchLevel(batch) as level:
            env = {
                n[0]: new_tensor(v, level, None) if np.ndim(v) else v
                for n, v in zip(self.program.inputs, point, strict=True)
            }
            replay(self.program.nodes, env)
        return {k: v.value if type(v) is Tensor else v for k, v in env.items()}


def computational_graph(tape: Tape, y: Any, x: Any) -> ComputationalGraph:
    """The graph of ``y`` as a function of ``x``, at the values that were recorded.

    ``x`` is what ``tape.watch`` returned (or a pytree of such), in the order of watching, and must be all that y depends
    on; ``y`` a pytree of what was computed from it. Raises ``ArgumentError`` for anything else.

    >>> import numpy as np
    >>> from dualad import Tape
    >>> with Tape() as tape:
    ...     a, b = tape.watch((2.0, 3.0))
    ...     y = np.sin(a * b) * a
    >>> computational_graph(tape, y, (a, b))
    <ComputationalGraph: 2 inputs, 2 intermediate vertices, 1 outputs, 5 edges>
    """
    xs, ys = flatten(x)[0], flatten(y)[0]
    if [v.aux if type(v) is Tensor and v.level is tape.level else None for v in xs] != [n[0] for n in tape.inputs]:
        raise ArgumentError(
            f"computational_graph: x must be all that tape.watch returned, in that order: {len(tape.inputs)} tensors; "
            f"got {len(xs)} values that are not these."
        )
    return ComputationalGraph(Program(tape.level, ys), [v.value for v in xs])


def _values(node: Any, env: dict[int, Any]) -> tuple[Any, list[Any]]:
    return env[node[0]], [a if p is None else env[p] for a, p in zip(node[3], node[2], strict=True)]


def _dependence(program: Program) -> tuple[set[int], set[int]]:
    """The indices of values that depend on the inputs, and of nodes on a path of derivatives from inputs to outputs."""
    varies = {n[0] for n in program.inputs}
    active = set(varies)
    for index, prim, parents, *_ in program.nodes:
        if any(p is not None and p in varies for p in parents):
            varies.add(index)
        if not prim.constant and prim is not GUARD and any(p in active for p in _differentiable(prim, parents)):
            active.add(index)
    wanted = {i for i in program.outputs if i is not None}
    for index, prim, parents, *_ in reversed(program.nodes):
        if index in wanted and index in active:
            wanted.update(_differentiable(prim, parents))
    return varies, active & wanted


def _differentiable(prim: Any, parents: Sequence[Any]) -> list[int]:
    nonlinear = getattr(prim, "nonlinear", ())
    return [p for j, p in enumerate(parents) if p is not None and j not in nonlinear]
