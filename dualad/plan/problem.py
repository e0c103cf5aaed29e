"""A function recorded at a point, and the sweeps over its tape that strategies are made of."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.core.tensor import Tensor
from dualad.modes.record import GUARD, LIFT
from dualad.modes.reverse import PICK, Node
from dualad.tape.linearized import pull_many, push_many
from dualad.tape.sparsity import TooDense, jacobian_pattern
from dualad.tape.tape import Program

LARGEST_BATCH = 2**18  # elements of one value in one sweep: more directions at once would leave the cache


class Problem:
    """The derivative, at one point, of ``m`` numbers in ``n`` numbers, through the instructions of a tape.

    ``symmetric``: the program is a gradient, and its Jacobian a Hessian. ``sparse``: the result is asked for so; else what a
    strategy gives as CSR is written out. ``passes`` counts the directions swept so far.
    """

    def __init__(
        self,
        program: Program,
        point: Sequence[Any],
        values: Sequence[Any],
        symmetric: bool = False,
        progress: bool = False,
        sparse: bool = False,
    ) -> None:
        self.program = program
        self.point = list(point)
        self.values = list(values)
        self.nodes: list[Node] = program.nodes
        self.inputs = [n[0] for n in program.inputs]
        self.in_shapes = [n[4].shape for n in program.inputs]
        self.outputs = program.outputs
        self.out_shapes = [v.shape for v in values]
        self.n = sum(map(math.prod, self.in_shapes))
        self.m = sum(map(math.prod, self.out_shapes))
        self.dtype = np.result_type(*[n[4].dtype for n in program.inputs], *[v.dtype for v in values])
        self.symmetric = symmetric
        self.progress = progress
        self.sparse = sparse
        self.forced = False  # a strategy was asked for by name: it applies wherever it can
        self.passes = 0
        self.function: Callable[[], Program] | None = None  # of a Hessian: the function's own instructions
        self.best = math.inf  # seconds of the best strategy so far, which others are to improve on

    @functools.cached_property
    def nested(self) -> bool:
        """Whether values belong to another transform, so that results must stay differentiable."""
        return bool(self.around)

    @functools.cached_property
    def around(self) -> set[Any]:
        """The transforms to which values belong."""
        values = (a for n in self.nodes for a in (*n[3], *(n[4] if isinstance(n[4], tuple) else (n[4],))))
        return {a.level for a in (*values, *self.point, *self.values) if type(a) is Tensor}

    @functools.cached_property
    def pattern(self) -> Any:
        """Which output depends on which input: boolean CSR, (m, n); None where it is too dense to be of use."""
        try:
            found = jacobian_pattern(self.program, most=max(0.5 * self.m * self.n, 100.0 * (self.m + self.n)))
        except TooDense:
            return None
        found.sort_indices()
        return found

    @functools.cached_property
    def structure(self) -> tuple[Any, ...]:
        """What plans are cached by: operations, their connections, shapes, dtypes and parameters, but no values."""
        return (
            tuple(self.in_shapes),
            tuple(self.outputs),
            self.symmetric,
            *[
                (n[1].name, n[2], repr(n[4]) if _is_spec(n[4]) else _brief(n[4]), repr(n[5]))
                for n in self.nodes
                if n[1] is not GUARD
            ],
        )

    @functools.cached_property
    def work(self) -> list[float]:
        """Elements that each instruction handles in one sweep of one direction."""
        return [work(node) for node in self.nodes]

    @functools.cached_property
    def largest(self) -> int:
        return max([self.n, self.m, *[size_of(node) for node in self.nodes]], default=1)

    # Sweeps ---------------------------------------------------------------------------------

    def push(self, seeds: Any) -> Any:
        """J times the columns of ``seeds``, given as rows: (k, n) -> (k, m)."""
        return self.chunks(seeds, self._push, "directions")

    def pull(self, seeds: Any) -> Any:
        """The rows of ``seeds`` times J: (k, m) -> (k, n)."""
        return self.chunks(seeds, self._pull, "cotangents")

    def chunks(self, seeds: Any, sweep: Any, what: str) -> Any:
        """``sweep`` of as many rows of ``seeds`` at once as stay in the cache, one part after the other."""
        k = seeds.shape[0]
        self.passes += k
        step = max(1, LARGEST_BATCH // max(1, self.largest))
        parts = [sweep(seeds[i : i + step]) for i in self.bar(range(0, k, step), f"{k} {what}")]
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else sweep(seeds)

    def bar(self, items: Any, what: str) -> Any:
        """``items``, with a bar where progress is to be shown."""
        if not self.progress:
            return items
        try:
            from tqdm import tqdm
        except ImportError:
            raise ArgumentError(
                "progress=True shows its bar with tqdm, which is not installed: pip install tqdm."
            ) from None
        return tqdm(items, desc=what, leave=False)

    def _push(self, seeds: Any) -> Any:
        own = split(seeds, self.in_shapes)
        found = push_many(self.nodes, dict(zip(self.inputs, own, strict=True)), self.outputs)
        return joined(found, self.out_shapes, seeds.shape[0], self.dtype)

    def _pull(self, seeds: Any) -> Any:
        cts: dict[int, Any] = {}
        for i, g in zip(self.outputs, split(seeds, self.out_shapes), strict=True):
            if i is not None:
                cts[i] = cts[i] + g if i in cts else g
        if not cts:
            return np.zeros((seeds.shape[0], self.n), self.dtype)
        found = pull_many(self.nodes, cts, self.inputs)
        return joined(found, self.in_shapes, seeds.shape[0], self.dtype)

    # Cuts -----------------------------------------------------------------------------------

    @functools.cached_property
    def active(self) -> set[int]:
        """Indices of the values that depend on the inputs."""
        found = set(self.inputs)
        for index, prim, parents, *_ in self.nodes:
            if (
                prim is not GUARD
                and prim is not LIFT
                and not prim.constant
                and any(p in found for p in parents if p is not None)
            ):
                found.add(index)
        return found


def split(rows: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """Rows cut into one array (k, *shape) per shape."""
    out = []
    start = 0
    for s in shapes:
        size = math.prod(s)
        out.append(rows[:, start : start + size].reshape(rows.shape[0], *s))
        start += size
    return out


def joined(parts: Sequence[Any], shapes: Sequence[tuple[int, ...]], k: int, dtype: Any) -> Any:
    """The reverse of ``split``; None is zero."""
    flat = [
        np.zeros((k, math.prod(s)), dtype) if p is None else np.reshape(p, (k, math.prod(s)))
        for p, s in zip(parts, shapes, strict=True)
    ]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, 1)


def size_of(node: Node) -> int:
    y = node[4]
    if isinstance(y, tuple):
        return sum(math.prod(v.shape) for v in y)
    return math.prod(y.shape) if hasattr(y, "shape") else 0


def work(node: Node) -> float:
    """Elements that one direction takes through an instruction; multiplications of products count an eighth."""
    _, prim, parents, args, _, _, _ = node
    if prim is GUARD or prim is LIFT or prim is PICK or prim.constant:
        return 0.0
    moving = [a for a, p in zip(args, parents, strict=True) if p is not None]
    out = size_of(node)
    if prim.name == "matmul":
        return len(moving) * out * np.shape(args[0])[-1] / 8
    if prim.kind == "general" and prim.sparsity_rule is None:
        side = max([1, *[s for a in moving for s in a.shape[-2:]]])
        return float(sum(math.prod(a.shape) for a in moving) * side)
    return float(max([out, *[math.prod(a.shape) for a in moving]]) * max(1, len(moving)))


def _is_spec(y: Any) -> bool:
    return type(y).__name__ == "Spec"


def _brief(y: Any) -> str:
    parts = y if isinstance(y, tuple) else (y,)
    return ",".join(f"{p.dtype}{list(p.shape)}" for p in parts if hasattr(p, "shape"))
