"""A tape as a picture: DOT text always, other formats by Graphviz."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

from dualad.core.errors import ArgumentError
from dualad.modes.record import GUARD
from dualad.modes.reverse import PICK
from dualad.tape.listing import constant, numbered, result


def dot(tape: Any) -> str:
    """The graph of a tape: boxes are operations, ellipses inputs, diamonds what Python looked at."""
    names = numbered(tape)
    lines = ["digraph tape {", "  rankdir=TB; node [fontname=Helvetica, fontsize=10]; edge [fontsize=8];"]
    for n in tape.inputs:
        lines.append(f'  n{names[n[0]]} [shape=ellipse, style=filled, fillcolor="#dbeafe", label="input {n[4]}"];')
    for node in tape.nodes:
        index, prim, parents, args, _, params, _ = node
        k = names[index]
        constants = [constant(a) for a, p in zip(args, parents, strict=True) if p is None]
        if prim is GUARD:
            lines.append(f'  n{k} [shape=diamond, label="{params["why"]} is {params["value"]}"];')
        else:
            title = f"[{params['k']}]" if prim is PICK else prim.name
            extra = "".join(f"\\n{c}" for c in constants if c != "None")
            lines.append(f'  n{k} [shape=box, label="{title}{extra}\\n{result(node)}"];'.replace('\\n"', '"'))
        lines += [f"  n{names[p]} -> n{k};" for p in parents if p is not None]
    return "\n".join([*lines, "}"]) + "\n"


def draw(tape: Any, path: str) -> str:
    """Write the picture; returns the path."""
    target = pathlib.Path(path)
    text = dot(tape)
    if target.suffix == ".dot":
        target.write_text(text)
        return str(target)
    if target.suffix not in (".svg", ".png", ".pdf"):
        raise ArgumentError(f"Tape.draw: {target.name!r} must end in .dot, .svg, .png or .pdf.")
    if shutil.which("dot") is None:
        raise ArgumentError(
            f"Tape.draw: {target.suffix} needs Graphviz' `dot` program, which is not installed. Install Graphviz, or "
            "write a .dot file."
        )
    import graphviz

    rendered = graphviz.Source(text).pipe(format=target.suffix[1:])
    target.write_bytes(rendered)
    return str(target)
