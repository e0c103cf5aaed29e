"""Tape: reverse mode in the user's own hands; Program: a tape cut to its outputs, that can be run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, DtypeError, GuardError, ShapeError
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.record import GUARD, RecordLevel
from dualad.modes.reverse import Node, own, pull
from dualad.ops.kinds import zeros_like


class Tape:
    """Records what is computed from the values it watches.

    Use as a context manager; inside, ``watch`` returns a tensor to compute with. Afterwards ``gradient`` pulls
    derivatives back through the recording, any number of times; ``print(tape)`` lists the instructions, ``count()`` and
    ``nbytes`` measure them, ``replay`` runs them at another point and ``draw`` makes a picture.

    >>> import numpy as np
    >>> from dualad import Tape
    >>> with Tape() as tape:
    ...     x = tape.watch(np.array([1.0, 2.0]))
    ...     y = (np.sin(x) * x).sum()
    >>> tape.gradient(y, x).round(3)
    array([1.382, 0.077])
    >>> print(tape)
    tape: 3 instructions, 1 input, 40 bytes of results
      %0 = input                float64[2]
      %1 = sin(%0)              float64[2]
      %2 = multiply(%1, %0)     float64[2]
      %3 = sum(%2, axis=(0,))   float64[]
    """

    def __init__(self) -> None:
        self.level = RecordLevel()
        self.nodes: list[Node] = self.level.nodes
        self.inputs: list[Node] = self.level.inputs

    def __enter__(self) -> Tape:
        return self

    def __exit__(self, *exc: object) -> None:
        self.level.close()

    def watch(self, x: Any) -> Any:
        """``x`` (an array, a number, or a pytree of them) as tensors that this tape follows."""
        leaves, structure = flatten(x)
        return unflatten(structure, [self._watch(v) for v in leaves])

    def _watch(self, v: Any) -> Tensor:
        if type(v) is int or type(v) is float:
            v = np.float64(v)
        elif type(v) is not Tensor:
            v = np.asarray(v)[()]
        if v.dtype.kind not in "fc":
            raise DtypeError(f"Tape.watch: dtype {v.dtype} cannot be differentiated. Write x.astype(float).")
        return self.level.watch(own(v))

    def gradient(self, y: Any, x: Any, cotangent: Any = None) -> Any:
        """The derivative of ``y`` in ``x``, shaped as ``x``: any tensors of this tape, or pytrees of them.

        ``y`` must be a scalar, or come with a ``cotangent`` of its structure and shapes. Zeros where y does not depend
        on x. Raises ``ShapeError`` for a ``y`` that is not scalar, ``ArgumentError`` for an x of another tape.
        """
        ys, structure = flatten(y)
        xs, x_structure = flatten(x)
        for v in xs:
            if type(v) is not Tensor or v.level is not self.level:
                raise ArgumentError(
                    "Tape.gradient: x must be what tape.watch returned, or computed from it on this tape."
                )
        if cotangent is None:
            if len(ys) != 1 or ys[0].shape != ():
                raise ShapeError(
                    f"Tape.gradient: y has shape {[v.shape for v in ys]}; it must be a scalar. Pass y.sum(), or a "
                    "cotangent of y's shape."
                )
            gs = [np.ones((), ys[0].dtype)[()]]
        else:
            gs, other = flatten(cotangent)
            if other != structure:
                raise ArgumentError("Tape.gradient: the cotangent's structure differs from y's.")
            gs = [g if type(g) is Tensor else np.asarray(g, v.dtype)[()] for g, v in zip(gs, ys, strict=True)]
            for g, v in zip(gs, ys, strict=True):
                if g.shape != v.shape:
                    raise ShapeError(f"Tape.gradient: the cotangent has shape {g.shape}, y has shape {v.shape}.")
        found: dict[int, Any] = {}

        def catch(k: int) -> Any:
            def keep(g: Any) -> Any:
                found[k] = g
                return g

            return keep

        cts: dict[int, Any] = {}
        for v, g in zip(ys, gs, strict=True):
            if type(v) is Tensor and v.level is self.level:
                k = v.aux
                cts[k] = cts[k] + g if k in cts else g
        leaves = {n[0] for n in self.inputs}
        pull(reversed(self.nodes), cts, {v.aux: catch(v.aux) for v in xs if v.aux not in leaves})
        found.update((k, cts[k]) for k in leaves if k in cts)
        grads = [found.get(v.aux) for v in xs]
        return unflatten(
            x_structure,
            [
                zeros_like(v.value) if g is None else np.array(g)[()] if isinstance(g, np.ndarray) else g
                for v, g in zip(xs, grads, strict=True)
            ],
        )

    def count(self) -> Counter[str]:
        """How often each operation occurs."""
        return Counter(n[1].name for n in self.nodes if n[1].kind not in ("pick", "marker"))

    @property
    def nbytes(self) -> int:
        """The bytes of all results of the recorded operations together."""
        total = 0
        for n in self.nodes:
            if n[1].kind not in ("pick", "marker"):
                total += sum(Spec(s.shape, s.dtype).nbytes for s in (n[4] if isinstance(n[4], tuple) else (n[4],)))
        return total

    def replay(self, y: Any, *inputs: Any) -> Any:
        """``y`` as it would be had ``inputs`` been watched, in the order of ``watch``.

        Raises ``GuardError`` where Python's control flow would have gone another way, ``ShapeError`` for other shapes.
        """
        ys, structure = flatten(y)
        program = Program(self.level, ys)
        given = [v for x in inputs for v in flatten(x)[0]]
        return unflatten(structure, program([v if type(v) is Tensor else np.asarray(v)[()] for v in given]))

    def __len__(self) -> int:
        return sum(n[1].kind not in ("pick", "marker") for n in self.nodes)

    def __str__(self) -> str:
        from dualad.tape.listing import listing

        return listing(self)

    def __repr__(self) -> str:
        return f"<Tape: {len(self)} instructions, {len(self.inputs)} inputs>"

    def dot(self) -> str:
        """The graph in Graphviz' DOT language."""
        from dualad.tape.drawing import dot

        return dot(self)

    def draw(self, path: str) -> str:
        """Write a picture to ``path`` (its ending decides: .dot always works; .svg, .png, .pdf need Graphviz)."""
        from dualad.tape.drawing import draw

        return draw(self, path)


class Program:
    """The instructions of a recorded level that its outputs need, as a function of its inputs."""

    def __init__(self, level: RecordLevel, outputs: Sequence[Any]) -> None:
        self.inputs: list[Node] = level.inputs
        self.outputs = [y.aux if type(y) is Tensor and y.level is level else None for y in outputs]
        self.constants = [y if n is None else None for y, n in zip(outputs, self.outputs, strict=True)]
        self.nodes = needed(level.nodes, self.outputs)

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        if len(values) != len(self.inputs):
            raise ArgumentError(f"replay: the recording has {len(self.inputs)} inputs, {len(values)} were given.")
        for n, v in zip(self.inputs, values, strict=True):
            if v.shape != n[4].shape:
                raise ShapeError(f"replay: the recording was made with shape {n[4].shape}, {v.shape} was given.")
        env = {n[0]: v for n, v in zip(self.inputs, values, strict=True)}
        replay(self.nodes, env)
        return [c if n is None else env[n] for n, c in zip(self.outputs, self.constants, strict=True)]


def needed(nodes: Sequence[Node], outputs: Sequence[int | None]) -> list[Node]:
    """The nodes on which ``outputs`` (indices) depend, and the guards, in order."""
    wanted = set(outputs)
    kept: list[Node] = []
    for node in reversed(nodes):
        if node[0] in wanted or node[1] is GUARD:
            kept.append(node)
            wanted.update(node[2])
    kept.reverse()
    return kept


def replay(nodes: Sequence[Node], env: dict[int, Any]) -> None:
    """Run ``nodes`` on the values in ``env`` (by index), adding their results to it."""
    for index, prim, parents, args, _, params, _ in nodes:
        values = [a if p is None else env[p] for a, p in zip(args, parents, strict=True)]
        if prim is GUARD:
            v = values[0]
            now = v.level.look(v, params["why"]) if type(v) is Tensor else v
            if not np.array_equal(now, params["value"]):
                raise GuardError(
                    f"the program was recorded when {params['why']} of an intermediate value gave {params['value']}; "
                    f"at these inputs it gives {now}, and Python would have taken another path. Record again there."
                )
            continue
        env[index] = prim(*values, **params) if prim.kind not in ("pick", "marker") else prim.impl(*values, **params)
