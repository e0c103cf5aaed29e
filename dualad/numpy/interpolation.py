"""Linear interpolation, with NumPy's signature."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy.operands import cast, on_tensors, operand
from dualad.ops import order
from dualad.ops.arithmetic import where as select
from dualad.ops.index import ARRAY, index
from dualad.ops.shape import concatenate

__all__ = ["interp"]


@on_tensors(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation through (xp, fp), differentiable in x, xp, fp, left, right and the period.

    f(x) = fp[i] + (x - xp[i]) (fp[i+1] - fp[i]) / (xp[i+1] - xp[i]) for xp[i] <= x < xp[i+1]: at a knot the derivative is
    the slope on its right, at the last knot that on its left. Outside it is ``left`` and ``right``, the first and last of
    ``fp`` by default. ``xp`` must increase, or have a ``period``. Raises ``ShapeError`` unless xp and fp are equally long.

    >>> import dualad, numpy as np
    >>> xp, fp = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 0.0])
    >>> dualad.grad(lambda x: np.interp(x, xp, fp))(2.0)
    np.float64(-1.0)
    """
    x, xp, fp = operand(x), operand(xp), operand(fp)
    if len(xp.shape) != 1 or fp.shape != xp.shape or not xp.shape[0]:
        raise ShapeError(f"interp: xp and fp must be non-empty vectors of one length, not {xp.shape} and {fp.shape}.")
    for name, v in (("x", x), ("xp", xp)):
        if v.dtype.kind == "c":
            raise ArgumentError(f"interp: {name} is complex; only fp can be.")
    kind = np.dtype(complex if fp.dtype.kind == "c" else float)
    x, xp, fp = cast(x, float), cast(xp, float), cast(fp, kind)
    if period is not None:
        period = abs(operand(period))
        if type(period) is not Tensor and period == 0:
            raise ArgumentError("interp: the period must not be 0.")
        left = right = None
        x, xp = x % period, xp % period
        rising = order.argsort(xp, axis=0)
        xp, fp = index(xp, rising, template=(ARRAY,)), index(fp, rising, template=(ARRAY,))
        xp = concatenate(xp[-1:] - period, xp, xp[:1] + period, axis=0)
        fp = concatenate(fp[-1:], fp, fp[:1], axis=0)
    n = xp.shape[0]
    low = fp[0] if left is None else left
    high = fp[-1] if right is None else right
    if n == 1:
        y = fp[0] + 0 * x
    else:
        k = order.interval(xp, x)
        x0, x1 = index(xp, k, template=(ARRAY,)), index(xp, k + 1, template=(ARRAY,))
        y0, y1 = index(fp, k, template=(ARRAY,)), index(fp, k + 1, template=(ARRAY,))
        width = x1 - x0
        slope = (y1 - y0) / select(width == 0, 1.0, width)
        y = slope * (x - x0) + y0
        y = select(x == x1, y1 + slope * (x - x1), y)  # exact at the last knot
    y = select(x < xp[0], low, select(x > xp[n - 1], high, y))
    return cast(y, kind)
