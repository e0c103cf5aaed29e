"""Programs: a tape with its inputs and outputs, that can be run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.errors import GuardError
from dualad.core.tensor import Tensor
from dualad.modes.record import GUARD, RecordLevel
from dualad.modes.reverse import Node


class Program:
    """The instructions of a recorded level that its outputs need, as a function of its inputs."""

    def __init__(self, level: RecordLevel, outputs: Sequence[Any]) -> None:
        self.inputs: list[Node] = level.inputs
        self.outputs = [y.aux if type(y) is Tensor and y.level is level else None for y in outputs]
        self.constants = [y if n is None else None for y, n in zip(outputs, self.outputs, strict=True)]
        self.nodes = needed(level.nodes, [n for n in self.outputs if n is not None])

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        env = {n[0]: v for n, v in zip(self.inputs, values, strict=True)}
        replay(self.nodes, env)
        return [c if n is None else env[n[0]] for n, c in zip(self.outputs, self.constants, strict=True)]


def needed(nodes: Sequence[Node], outputs: Sequence[Node]) -> list[Node]:
    """The nodes on which ``outputs`` depend, and the guards, in order."""
    wanted = {n[0] for n in outputs}
    kept = []
    for node in reversed(nodes):
        if node[0] in wanted or node[1] is GUARD:
            kept.append(node)
            wanted.update(p[0] for p in node[2] if p is not None)
    kept.reverse()
    return kept


def replay(nodes: Sequence[Node], env: dict[int, Any]) -> None:
    """Run ``nodes`` on the values in ``env`` (by index), adding their results to it."""
    for index, prim, parents, args, _, params, _ in nodes:
        values = [a if p is None else env[p[0]] for a, p in zip(args, parents, strict=True)]
        if prim is GUARD:
            v = values[0]
            now = v.level.look(v, params["why"]) if type(v) is Tensor else v
            if not np.array_equal(now, params["value"]):
                raise GuardError(
                    f"the program was recorded when {params['why']} of an intermediate value gave {params['value']}; at "
                    f"these inputs it gives {now}, and Python would have taken another path. Record again there."
                )
            continue
        env[index] = prim(*values, **params) if prim.kind not in ("pick", "marker") else prim.impl(*values, **params)
