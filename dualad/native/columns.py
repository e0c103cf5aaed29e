"""Where the operands of a recording are, and which of its nodes are needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dualad.modes.alike import Nodes
from dualad.modes.reverse import Node

NEVER = -(1 << 40)  # the place of a constant; inputs are at -1, -2, ...


def placed(inputs: Sequence[Node], nodes: Sequence[Node], flat: np.ndarray) -> np.ndarray:
    """The places of what has the indices ``flat`` (-1: a constant)."""
    m = len(inputs)
    if isinstance(nodes, Nodes):
        found = np.where(flat < m, -1 - flat, flat - m)
    else:
        indices = np.array([node[0] for node in (*inputs, *nodes)], np.int64)
        order = np.argsort(indices, kind="stable")
        at = np.concatenate([-1 - np.arange(m), np.arange(len(nodes))])[order]
        found = at[np.searchsorted(indices[order], flat)]
    return np.where(flat < 0, NEVER, found)


def wanted(guards: np.ndarray, places: np.ndarray, offsets: np.ndarray, ends: Sequence[int]) -> np.ndarray | None:
    """On which nodes the values at ``ends``, or guards, depend; None: on all."""
    uses = np.bincount(places[places >= 0], minlength=len(guards))
    uses[[k for k in ends if k >= 0]] += 1
    waste = np.flatnonzero((uses == 0) & ~guards).tolist()
    if not waste:
        return None
    kept = np.ones(len(guards), bool)
    for k in waste:  # which grows meanwhile
        kept[k] = False
        for p in places[offsets[k] : offsets[k + 1]].tolist():
            if p >= 0:
                uses[p] -= 1
                if not uses[p]:
                    waste.append(p)
    return kept
