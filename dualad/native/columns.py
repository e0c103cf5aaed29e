"""Where the operands of a recording are, and which of its nodes are needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dualad.modes.record import GUARD
from dualad.modes.reverse import Node

NEVER = -(1 << 40)  # the place of a constant; inputs are at -1, -2, ...


def placed(inputs: Sequence[Node], nodes: Sequence[Node], flat: np.ndarray, rising: bool) -> np.ndarray:
    """The places of what has the indices ``flat`` (-1: a constant). ``rising``: the indices of nodes rise."""
    first = [node[0] for node in inputs]
    m = len(first)
    if rising and first == list(range(m)) and nodes[0][0] == m and nodes[-1][0] == m + len(nodes) - 1:
        found = np.where(flat < m, -1 - flat, flat - m)
    else:
        indices = np.array([*first, *[node[0] for node in nodes]], np.int64)
        order = np.argsort(indices, kind="stable")
        at = np.concatenate([-1 - np.arange(m), np.arange(len(nodes))])[order]
        found = at[np.searchsorted(indices[order], flat)]
    return np.where(flat < 0, NEVER, found)


def wanted(nodes: Sequence[Node], places: np.ndarray, offsets: np.ndarray, ends: Sequence[int]) -> np.ndarray | None:
    """On which nodes the values at ``ends``, or guards, depend; None: on all."""
    uses = np.bincount(places[places >= 0], minlength=len(nodes))
    uses[[k for k in ends if k >= 0]] += 1
    waste = [k for k in np.flatnonzero(uses == 0).tolist() if nodes[k][1] is not GUARD]
    if not waste:
        return None
    kept = np.ones(len(nodes), bool)
    for k in waste:  # which grows meanwhile
        kept[k] = False
        for p in places[offsets[k] : offsets[k + 1]].tolist():
            if p >= 0:
                uses[p] -= 1
                if not uses[p]:
                    waste.append(p)
    return kept
