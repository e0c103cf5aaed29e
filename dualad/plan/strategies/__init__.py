"""Ways to a Jacobian. Each strategy proposes a candidate for a problem, with its predicted cost, or nothing."""

from __future__ import annotations

from dualad.plan.strategies.base import Candidate
from dualad.plan.strategies.chain import chain
from dualad.plan.strategies.colored import acyclic, bicoloring, columns, rows, star
from dualad.plan.strategies.dense import forward, reverse
from dualad.plan.strategies.diagonals import diagonals
from dualad.plan.strategies.eliminated import elimination

STRATEGIES = {
    "forward": forward,
    "reverse": reverse,
    "column-coloring": columns,
    "row-coloring": rows,
    "bicoloring": bicoloring,
    "star": star,
    "acyclic": acyclic,
    "diagonals": diagonals,
    "chain": chain,
    "elimination": elimination,
}

__all__ = ["STRATEGIES", "Candidate"]
