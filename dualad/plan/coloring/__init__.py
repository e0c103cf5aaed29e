"""Matrix coloring: which columns and rows of a sparse Jacobian or Hessian one directional derivative can carry together.

| wanted | coloring | entries come back by | from |
|---|---|---|---|
| Jacobian, forward | `column_coloring` | copying | Curtis, Powell & Reid 1974 |
| Jacobian, reverse | `row_coloring` | copying | the same, transposed |
| Jacobian, both | `bicoloring` | copying | Coleman & Verma 1998; Montoison, Dalle & Gebremedhin 2025 |
| Hessian | `star_coloring` | copying | Gebremedhin, Manne & Pothen 2005 |
| Hessian | `acyclic_coloring` | substitution | Gebremedhin, Tarafdar, Manne & Pothen 2007 |
"""

from dualad.plan.coloring.acyclic import AcyclicColoring, acyclic_coloring
from dualad.plan.coloring.bicoloring import BiColoring, bicoloring
from dualad.plan.coloring.compression import Coloring
from dualad.plan.coloring.distance2 import ColumnColoring, RowColoring, column_coloring, row_coloring
from dualad.plan.coloring.orders import ORDERS
from dualad.plan.coloring.star import StarColoring, star_coloring

__all__ = [
    "ORDERS",
    "AcyclicColoring",
    "BiColoring",
    "Coloring",
    "ColumnColoring",
    "RowColoring",
    "StarColoring",
    "acyclic_coloring",
    "bicoloring",
    "column_coloring",
    "row_coloring",
    "star_coloring",
]
