"""From the values of a segment to code: the one place where the parts of the compiler meet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llvmlite import ir

from dualad.native import entry, library
from dualad.native.graph import Guard, Value
from dualad.native.objects import Machine
from dualad.native.segment import Segment

LONG = 50_000.0  # nanoseconds of work from which on other threads may run Python meanwhile


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
    machine = Machine(module)
    segment.text = machine.text
    return segment, entry.Code(machine, segment.given, segment.made, segment.workspace, segment.keep)


def emitted(segment: Segment, every: entry.Every | None = None) -> ir.Module:
    """The module of a segment, perhaps for every size. Vector math is compiled once and called: four vectors at a time, that is
    as fast as if it were part of the loops, and there is half as much to compile."""
    module = ir.Module("dualad")
    segment.build(module, "run")
    work = segment.work + segment.products
    if every is not None:
        long = 1 << math.ceil(math.log2(max(1.0, LONG * every.standing / max(work, 1.0))))
        entry.emit(module, segment.given, segment.made, segment.workspace, min(long, 1 << 30), every)
    else:
        entry.emit(module, segment.given, segment.made, segment.workspace, work > LONG)
    library.link(module)
    return module
