"""Exponentials, logarithms, trigonometric and hyperbolic functions."""

from __future__ import annotations

import numpy as np

from dualad.ops import series
from dualad.ops.kinds import elementwise
from dualad.ops.samples import real

exp = elementwise("exp", np.exp, (lambda y, x: y,), keep="y", taylor=series.exp, samples=real(-3, 3, complex=True))
sin = elementwise(
    "sin", np.sin, (lambda y, x: cos(x),), keep="x", taylor=series.circular(0, -1), samples=real(-3, 3, complex=True)
)
cos = elementwise(
    "cos", np.cos, (lambda y, x: -sin(x),), keep="x", taylor=series.circular(1, -1), samples=real(-3, 3, complex=True)
)
