"""From the values of a segment to code: the one place where the parts of the compiler meet."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from dualad.native import entry, library
from dualad.native.graph import Guard, Value
from dualad.native.segment import Segment


def compiled(
    values: Sequence[Value],
    kinds: dict[int, str],
    outputs: Sequence[Value],
    guards: Sequence[Guard],
    unused: Sequence[Value] = (),
    zeros: bool = False,
) -> tuple[Segment, entry.Code]:
    """The segment of ``values``, and its code; it is given ``unused`` too, and may drop products with ``zeros``."""
    segment = Segment(values, kinds, outputs, guards, unused, zeros=zeros)
    module = emitted(segment)
    work = segment.work + segment.products
    code = entry.Code(module, segment.given, segment.made, segment.workspace, work, segment.keep)
    segment.text = code.machine.text
    return segment, code


def emitted(segment: Segment) -> ir.Module:
    """The module of a segment. Vector math is compiled once and called: four vectors at a time, that is as fast as if it were
    part of the loops, and there is half as much to compile."""
    module = library.module()
    segment.build(module, "run")
    return module
