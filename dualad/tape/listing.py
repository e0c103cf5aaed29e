"""A tape as text, one instruction a line."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.spec import Spec
from dualad.modes.record import GUARD
from dualad.modes.reverse import PICK, Node


def listing(tape: Any) -> str:
    """The text that ``print(tape)`` shows."""
    names = numbered(tape)
    rows: list[tuple[str, str]] = [(f"%{names[n[0]]} = input", repr(n[4])) for n in tape.inputs]
    for node in tape.nodes:
        rows.append((instruction(node, names), result(node)))
    width = max((len(a) for a, _ in rows if len(a) <= 60), default=0)
    n, inputs = len(tape), len(tape.inputs)
    head = f"tape: {n} instruction{'s' * (n != 1)}, {inputs} input{'s' * (inputs != 1)}, {tape.nbytes} bytes of results"
    return "\n".join([head, *(f"  {a:<{width}}   {b}".rstrip() for a, b in rows)])


def numbered(tape: Any) -> dict[int, int]:
    """Consecutive numbers for inputs and instructions, by index."""
    every = [n[0] for n in tape.inputs] + [n[0] for n in tape.nodes]
    return {k: i for i, k in enumerate(sorted(every))}


def instruction(node: Node, names: dict[int, int]) -> str:
    """``%3 = multiply(%1, 2.0)``."""
    index, prim, parents, args, _, params, _ = node
    if prim is GUARD:
        return f"guard {params['why']} of %{names[parents[0]]} is {params['value']}"
    if prim is PICK:
        return f"%{names[index]} = %{names[parents[0]]}[{params['k']}]"
    parts = [constant(a) if p is None else f"%{names[p]}" for a, p in zip(args, parents, strict=True)]
    parts += [f"{k}={np.dtype(v).name if isinstance(v, type) else v}" for k, v in params.items()]
    return f"%{names[index]} = {prim.name}({', '.join(parts)})"


def result(node: Node) -> str:
    y = node[4]
    if y is None:
        return ""
    return ", ".join(repr(Spec(s.shape, s.dtype)) for s in (y if isinstance(y, tuple) else (y,)))


def constant(a: Any) -> str:
    """A constant operand: numbers in full, arrays by shape."""
    shape = np.shape(a)
    return (
        f"{a!r}"
        if isinstance(a, (int, float, complex)) and not isinstance(a, np.generic)
        else (str(a) if shape == () else repr(Spec(shape, np.asarray(a).dtype)))
    )
