"""dualad."""

from dualad import numpy as numpy
from dualad.api.batching import vmap as vmap
from dualad.api.derivatives import (
    grad as grad,
)
from dualad.api.derivatives import (
    jvp as jvp,
)
from dualad.api.derivatives import (
    linear_transpose as linear_transpose,
)
from dualad.api.derivatives import (
    linearize as linearize,
)
from dualad.api.derivatives import (
    value_and_grad as value_and_grad,
)
from dualad.api.derivatives import (
    vjp as vjp,
)
from dualad.api.jacobians import (
    divergence as divergence,
)
from dualad.api.jacobians import (
    hessian as hessian,
)
from dualad.api.jacobians import (
    hvp as hvp,
)
from dualad.api.jacobians import (
    jacfwd as jacfwd,
)
from dualad.api.jacobians import (
    jacobian as jacobian,
)
from dualad.api.jacobians import (
    jacrev as jacrev,
)
from dualad.api.jacobians import (
    laplacian as laplacian,
)
from dualad.api.taylor import derivative as derivative
from dualad.api.taylor import jet as jet
from dualad.ops.arithmetic import stop_gradient as stop_gradient
