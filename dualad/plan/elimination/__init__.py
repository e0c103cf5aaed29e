"""Vertex elimination: Jacobians accumulated on the computational graph in an order of one's own choice."""

from dualad.plan.elimination.eliminate import Elimination as Elimination
from dualad.plan.elimination.eliminate import jacobian as jacobian
from dualad.plan.elimination.graph import ComputationalGraph as ComputationalGraph
from dualad.plan.elimination.graph import computational_graph as computational_graph
from dualad.plan.elimination.orders import HEURISTICS as HEURISTICS
from dualad.plan.elimination.orders import Cost as Cost
from dualad.plan.elimination.orders import cost as cost
from dualad.plan.elimination.orders import eliad as eliad
from dualad.plan.elimination.orders import forward as forward
from dualad.plan.elimination.orders import markowitz as markowitz
from dualad.plan.elimination.orders import relative_markowitz as relative_markowitz
from dualad.plan.elimination.orders import reverse as reverse
from dualad.plan.elimination.search import anneal as anneal
from dualad.plan.elimination.search import best as best
from dualad.plan.elimination.search import optimal as optimal
