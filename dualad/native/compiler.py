"""From the values of a segment to code: the one place where the parts of the compiler meet."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir
from llvmlite.ir.instructions import CallInstr

from dualad.native import entry
from dualad.native.graph import Guard, Value
from dualad.native.machine import Machine
from dualad.native.segment import Segment

LONG = 50_000.0  # nanoseconds of work from which on other threads may run Python meanwhile
INLINED = 40  # calls of vector math that become part of their loops; in longer programs it stays out of line


def _inline(module: ir.Module) -> None:
    math = [f for f in module.functions if f.name.startswith("dualad.")]
    own = {f.name for f in math}
    calls = 0
    for f in module.functions:
        if f.name not in own:
            calls += sum(isinstance(i, CallInstr) and i.callee.name in own for b in f.blocks for i in b.instructions)
    for f in math:
        if calls <= INLINED and "noinline" not in f.attributes:
            f.attributes.add("alwaysinline")


def compiled(
    values: Sequence[Value], kinds: dict[int, str], outputs: Sequence[Value], guards: Sequence[Guard]
) -> tuple[Segment, entry.Code]:
    """The segment of ``values``, and its code."""
    segment = Segment(values, kinds, outputs, guards)
    module = ir.Module("dualad")
    segment.build(module, "run")
    entry.emit(module, segment.inputs, segment.outputs, segment.workspace, segment.work > LONG)
    _inline(module)
    machine = Machine(module)
    segment.text = machine.text
    return segment, entry.Code(machine, segment.inputs, segment.outputs, segment.workspace, segment.keep)
