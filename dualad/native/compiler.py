"""From the values of a segment to code: the one place where the parts of the compiler meet."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from dualad.native import entry
from dualad.native.graph import Guard, Value
from dualad.native.machine import Machine
from dualad.native.segment import Segment


def compiled(
    values: Sequence[Value], kinds: dict[int, str], outputs: Sequence[Value], guards: Sequence[Guard]
) -> tuple[Segment, entry.Code]:
    """The segment of ``values``, and its code."""
    segment = Segment(values, kinds, outputs, guards)
    module = ir.Module("dualad")
    segment.build(module, "run")
    entry.emit(module, segment.inputs, segment.outputs, segment.workspace)
    machine = Machine(module)
    segment.text = machine.text
    return segment, entry.Code(machine, segment.inputs, segment.outputs, segment.workspace, segment.keep)
