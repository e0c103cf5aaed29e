"""Code that serves every value of one size.

It is made at two sizes that stand for all others. If both texts are the same then nothing in the code depends on the size it
was made at; else there is no such code.
"""

from __future__ import annotations

import logging
from typing import Any

from dualad.native.compiler import emitted
from dualad.native.complexes import concerns
from dualad.native.elementwise import TYPES
from dualad.native.entry import Code, Every
from dualad.native.extents import Unsuited, in_words
from dualad.native.graph import Graph
from dualad.native.program import _kinds, native_guard
from dualad.native.segment import Segment
from dualad.native.sizes import STANDING, Pattern

logger = logging.getLogger("dualad.jit")


class Generic:
    """The code of a pattern, from size ``least`` on. ``few``: also for fewer rows than a program of rows needs."""

    def __init__(self, pattern: Pattern, few: bool) -> None:
        self.pattern, self.few = pattern, few
        made = [self._emitted(standing) for standing in STANDING]
        if str(made[0][1]) != str(made[1][1]):
            raise Unsuited("the code depends on the size")
        self.segment, module, self.every = made[0]
        s = self.segment
        self.least = s.least
        self.code = Code(module, s.inputs, s.outputs, s.workspace, s.work + s.products, s.keep, self.every)
        s.text = self.code.machine.text

    def _emitted(self, standing: int) -> Any:
        graph, numbers = self.pattern.standing(standing)
        kinds = _kinds(graph)
        calls = [v for v in graph.values if v.op == "call"]
        inputs = [v for v in graph.values if v.op == "input"]
        native = all(v.dtype in TYPES for v in inputs) and all(v.index in kinds for v in calls)
        native = native and all(native_guard(g, kinds) for g in graph.guards)
        results = all(v.op == "call" for v in graph.outputs) and len(set(graph.outputs)) == len(graph.outputs)
        # What stands for complex constants may be as long as the size that stands for all.
        native = native and not any(concerns(v) for v in calls)
        if not native or not results or not any(kinds[v.index] not in ("movement", "alias") for v in calls):
            raise Unsuited("it is not one native function")
        segment = Segment(calls, kinds, graph.outputs, graph.guards, inputs, standing, self.few, graph.zeros)
        every = Every(standing, numbers)
        return segment, emitted(segment), every

    def at(self, graph: Graph) -> Any:
        """The native function for arrays of the size of a recording, and no others."""
        return self.code.at(self.pattern.table(graph, self.every.numbers))

    def in_words(self) -> str:
        """Its arguments."""
        given = [v for v in self.segment.inputs if v.index not in self.every.numbers]
        return ", ".join(f"{v.dtype}{in_words(v.shape, self.every.standing)}" for v in given)


def made(pattern: Pattern, few: bool) -> Generic | None:
    """The code of a pattern, where there can be."""
    try:
        return Generic(pattern, few)
    except Exception as e:  # whatever cannot be made for all sizes is compiled for each
        logger.info("a program cannot be compiled for all sizes: %s: %s", type(e).__name__, e)
        return None
