"""Forward mode: each tensor carries its tangent (None: zero).

Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, ch. 3.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.level import Level
from dualad.core.primitive import Primitive, refuse_objects
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.batch import BatchLevel
from dualad.ops.kinds import bring_forward, zeros_like

_NO_PARAMS: dict[str, Any] = {}
OBJECT = np.dtype(object)


class ForwardLevel(Level):
    """Pushes tangents along with values; ``aux`` of its tensors is the tangent."""

    name = "forward mode"
    differentiates = directed = True

    def __init__(self) -> None:
        super().__init__()
        self.directions: dict[int, BatchLevel] = {}  # by how many: the levels over which tangents are batched

    def lift(self, x: Any) -> Tensor:
        return new_tensor(x, self, None)

    def tangent(self, x: Tensor) -> Any:
        t = x.aux
        if t is None:
            return zeros_like(x.value)
        return t.value if type(t) is Tensor and t.level in self.directions.values() else t

    def describe(self, x: Tensor) -> str:
        return f"Dual({x.value!r}, {self.tangent(x)!r})"

    def bind1(self, prim: Primitive, x: Tensor) -> Any:
        v = x.value
        t = x.aux
        if type(v) is Tensor:
            y = prim(v)
        else:
            y = prim.run(v)
            if t is not None and prim.direct is not None:
                return new_tensor(y, self, prim.times(t, prim.direct(y, v)))
        if prim.elementwise and t is not None and not prim.to_real:
            (d,) = prim.partials
            return new_tensor(y, self, (t if d == 1 else -t) if type(d) is int else prim.times(t, d(y, v)))
        if prim.constant:
            return y
        if t is None:
            return self.zip_one(prim, y, [None] * len(y) if prim.multiple else None)
        return self.zip_one(prim, y, prim.jvp((t,), y, (v,), _NO_PARAMS))

    def bind2(self, prim: Primitive, a: Any, b: Any) -> Any:
        ta = tb = None
        if type(a) is Tensor and a.level is self:
            ta = a.aux
            a = a.value
        if type(b) is Tensor and b.level is self:
            tb = b.aux
            b = b.value
        if type(a) is Tensor or type(b) is Tensor:
            y = prim(a, b)
        else:  # 1j * np.float64(2) is Python's product, a complex without dtype
            y = prim.run(a, b) if type(a) is not complex else prim.impl(a, b)
        if prim.elementwise:
            # Elementwise.jvp, inlined: this is the hot path. A sum of both parts, and a product with a Python number,
            # have the output's shape and dtype already.
            da, db = prim.partials
            if ta is not None and tb is not None:
                if type(db) is int:
                    if type(da) is int and da == 1:
                        return new_tensor(y, self, ta + tb if db == 1 else ta - tb)
                elif prim.product:
                    return new_tensor(y, self, ta * b + tb * a)
                times = prim.times
                s = (ta if da == 1 else -ta) if type(da) is int else times(ta, da(y, a, b))
                t = (tb if db == 1 else -tb) if type(db) is int else times(tb, db(y, a, b))
                return new_tensor(y, self, s + t)
            if ta is not None:
                if type(b) is float and prim.product:
                    return new_tensor(y, self, ta * b)
                t = (ta if da == 1 else -ta) if type(da) is int else prim.times(ta, da(y, a, b))
                if type(b) is float:
                    return new_tensor(y, self, t)
            elif tb is not None:
                t = (tb if db == 1 else -tb) if type(db) is int else prim.times(tb, db(y, a, b))
            else:
                return new_tensor(y, self, None)
            if y.dtype is OBJECT:
                refuse_objects(y)
            if t.shape != y.shape or t.dtype is not y.dtype:
                t = bring_forward(t, y.shape, y.dtype)
            return new_tensor(y, self, t)
        if prim.constant:
            return y
        if ta is None and tb is None:
            return new_tensor(y, self, None)
        return self.zip_one(prim, y, prim.jvp((ta, tb), y, (a, b), _NO_PARAMS))

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        ts = [a.aux if type(a) is Tensor and a.level is self else None for a in args]
        values = [a.value if type(a) is Tensor and a.level is self else a for a in args]
        y = prim(*values, **params)
        if prim.constant:
            return y
        if all(t is None for t in ts):
            return self.zip_one(prim, y, [None] * len(y) if prim.multiple else None)
        if prim.along is not None:
            values, y = prim.along(ts, values, y, params)
        return self.zip_one(prim, y, prim.jvp(ts, y, values, params))

    def zip_one(self, prim: Primitive, y: Any, t: Any) -> Any:
        return self.zip(y, t) if prim.multiple else new_tensor(y, self, t)

    def zip(self, ys: Any, ts: Any) -> tuple[Any, ...]:
        return tuple(new_tensor(y, self, t) if y.dtype.kind in "fc" else y for y, t in zip(ys, ts, strict=True))
