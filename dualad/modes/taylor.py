"""Taylor mode: each tensor carries the coefficients of a truncated power series.

``aux`` holds ``[c_1, ..., c_K]``; the value is ``c_0``; ``c_k = f^(k)(0) / k!``. Most kinds know their recurrence; any
other primitive with a jvp satisfies ``y' = jvp(x'; y, x)``, an ODE in power series: each step gives one more coefficient.

Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, ch. 13.
"""

from __future__ import annotations

from typing import Any

from dualad.core.level import Level
from dualad.core.primitive import Primitive
from dualad.core.tensor import Tensor, new_tensor
from dualad.ops.kinds import zeros_like


class TaylorLevel(Level):
    """Pushes power series of one order through every operation."""

    name = "Taylor mode"
    differentiates = directed = True

    def __init__(self, order: int) -> None:
        super().__init__()
        self.order = order

    def lift(self, x: Any) -> Tensor:
        return new_tensor(x, self, [zeros_like(x) for _ in range(self.order)])

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        series = [[a.value, *a.aux] if type(a) is Tensor and a.level is self else a for a in args]
        if prim.constant or self.order == 0:
            y = prim(*[c[0] if type(c) is list else c for c in series], **params)
            if prim.constant:
                return y
            return tuple(new_tensor(v, self, []) for v in y) if prim.multiple else new_tensor(y, self, [])
        out = prim.taylor(series, self.order, params)
        if out is None:
            out = integrate(prim, series, self.order, params)
        if prim.multiple:
            return tuple(new_tensor(c[0], self, c[1:]) for c in out)
        return new_tensor(out[0], self, out[1:])


def integrate(prim: Primitive, series: list[Any], order: int, params: dict[str, Any]) -> Any:
    """Coefficients of ``y = prim(x)`` from ``y' = jvp(x'; y, x)``, on series one order shorter."""
    y0 = prim(*[c[0] if type(c) is list else c for c in series], **params)
    parts = list(y0) if prim.multiple else [y0]
    ys: list[list[Any]] = [[v] for v in parts]
    # Without y on the right-hand side, one evaluation at the full order gives everything.
    for known in range(1, order + 1) if prim.keep_y else (order,):
        with TaylorLevel(known - 1) as level:
            args = [new_tensor(c[0], level, c[1:known]) if type(c) is list else c for c in series]
            ts = [
                new_tensor(c[1], level, [(k + 1) * c[k + 1] for k in range(1, known)]) if type(c) is list else None
                for c in series
            ]
            y = [new_tensor(c[0], level, _padded(c, known)) for c in ys]
            rate = prim.jvp(ts, tuple(y) if prim.multiple else y[0], args, params)
            for c, r in zip(ys, rate if prim.multiple else [rate], strict=True):
                coefficients = _coefficients(r, level, c[0])
                c[1:] = [coefficients[k] / (k + 1) for k in range(known)]
    return tuple(ys) if prim.multiple else ys[0]


def _padded(c: list[Any], known: int) -> list[Any]:
    return c[1:known] + [zeros_like(c[0]) for _ in range(known - len(c))]


def _coefficients(r: Any, level: TaylorLevel, like: Any) -> list[Any]:
    if r is None:
        return [zeros_like(like)] * (level.order + 1)
    if type(r) is Tensor and r.level is level:
        return [r.value, *r.aux]
    return [r] + [zeros_like(like)] * level.order
