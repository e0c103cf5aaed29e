"""Arithmetic, comparison and selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops import series
from dualad.ops.kinds import align_ranks, constant, elementwise, linear
from dualad.ops.samples import Sample, pair, real

_PQ = ((-3.0, 3.0), (0.5, 3.0))

add = elementwise("add", np.add, (1, 1), operator="+", samples=pair((-3, 3), (-3, 3), complex=True))
subtract = elementwise("subtract", np.subtract, (1, -1), operator="-", samples=pair((-3, 3), (-3, 3), complex=True))
negative = elementwise("negative", np.negative, (-1,), operator="neg", samples=real(-3, 3, complex=True))
multiply = elementwise(
    "multiply",
    np.multiply,
    (lambda y, a, b: b, lambda y, a, b: a),
    keep="x",
    operator="*",
    taylor=series.multiply,
    samples=pair((-3, 3), (-3, 3), complex=True),
)
divide = elementwise(
    "divide",
    np.true_divide,
    (lambda y, a, b: 1 / b, lambda y, a, b: -y / b),
    keep="xy",
    operator="/",
    taylor=series.divide,
    samples=pair(*_PQ, complex=True),
)

equal = constant("equal", np.equal, 2, operator="==", samples=pair((-3, 3), (-3, 3)))
not_equal = constant("not_equal", np.not_equal, 2, operator="!=", samples=pair((-3, 3), (-3, 3)))
less = constant("less", np.less, 2, operator="<", samples=pair((-3, 3), (-3, 3)))
less_equal = constant("less_equal", np.less_equal, 2, operator="<=", samples=pair((-3, 3), (-3, 3)))
greater = constant("greater", np.greater, 2, operator=">", samples=pair((-3, 3), (-3, 3)))
greater_equal = constant("greater_equal", np.greater_equal, 2, operator=">=", samples=pair((-3, 3), (-3, 3)))

stop_gradient = constant("stop_gradient", lambda x: x, samples=real(-3, 3))
stop_gradient.__doc__ = """``x`` as a constant: its value, with zero derivative in every mode.

>>> from dualad import grad, stop_gradient
>>> float(grad(lambda x: x * stop_gradient(x))(3.0))
3.0
"""


def _where_samples() -> list[Sample]:
    rng = np.random.default_rng(4)
    c = np.array([True, False, True])
    return [
        Sample((c, rng.normal(size=3), rng.normal(size=3))),
        Sample((c, rng.normal(size=(2, 1)), 0.0)),
        Sample((np.True_, rng.normal(size=(2, 3)), rng.normal(size=3))),
    ]


def _where_transpose(g: Any, c: Any, a: Any, b: Any) -> Any:
    zero = g.dtype.type(0)
    return None, where(c, g, zero), where(c, zero, g)


where = linear(
    "where",
    lambda c, a, b: np.where(c, a, b)[()],
    _where_transpose,
    nonlinear=(0,),
    batch=lambda prim, args, batched, size, params: prim(*align_ranks(args, batched)),
    samples=_where_samples,
)
