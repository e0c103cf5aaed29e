"""Ways to a Jacobian. Each strategy proposes a candidate for a problem, with its predicted cost, or nothing."""

from __future__ import annotations

from dualad.plan.strategies.base import Candidate
from dualad.plan.strategies.chain import chain
from dualad.plan.strategies.colored import acyclic, bicoloring, block_diagonal, columns, diagonal, rows, star
from dualad.plan.strategies.dense import forward, reverse
from dualad.plan.strategies.eliminated import elimination
from dualad.plan.strategies.pushed import edge_pushing
from dualad.plan.strategies.selections import selections

# In this order they are asked: what is found soon says whether it is worth looking for more.
STRATEGIES = {
    "forward": forward,
    "reverse": reverse,
    "selections": selections,
    "column-coloring": columns,
    "edge-pushing": edge_pushing,
    "row-coloring": rows,
    "bicoloring": bicoloring,
    "diagonal": diagonal,
    "block-diagonal": block_diagonal,
    "star": star,
    "acyclic": acyclic,
    "chain": chain,
    "elimination": elimination,
}

__all__ = ["STRATEGIES", "Candidate"]
