"""Reductions: where they start, how two numbers are combined, and the lanes of a vector; and additions at indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native.elementwise import compared, type_of
from dualad.native.expressions import Affine
from dualad.native.graph import Value
from dualad.native.machine import F32, F64, I32, constant, intrinsic, is_integer, limits, width_of


class Reduction:
    """One reduction of a kernel: expression ``k`` over the loops ``axes`` into a buffer."""

    def __init__(self, v: Value, k: int, axes: frozenset[int]) -> None:
        self.v, self.k, self.axes = v, k, axes
        self.type = type_of(v.dtype)
        self.name = "sum" if v.name == "count" else v.name

    def start(self, t: Any) -> Any:
        if self.name in ("sum", "any"):
            return constant(t, 0)
        if self.name in ("prod", "all"):
            return constant(t, 1)
        low = self.name == "max"
        if is_integer(self.type):
            return constant(t, limits(self.type)[0 if low else 1])
        return constant(t, -np.inf if low else np.inf)

    def combine(self, b: Any, x: Any, y: Any) -> Any:
        real = self.type in (F64, F32)
        if self.name == "sum":
            return b.fadd(x, y) if real else b.add(x, y)
        if self.name == "prod":
            return b.fmul(x, y) if real else b.mul(x, y)
        if self.name == "any":
            return b.or_(x, y)
        if self.name == "all":
            return b.and_(x, y)
        if real:
            return intrinsic(b, "maximum" if self.name == "max" else "minimum", x, y)
        return b.select(compared(b, ">" if self.name == "max" else "<", x, y), x, y)

    def across(self, b: Any, x: Any) -> Any:
        """All lanes as one, halving."""
        w = width_of(x.type)
        none = ir.Constant(x.type, ir.Undefined)
        while w > 1:
            w //= 2
            low = ir.Constant(ir.VectorType(I32, w), list(range(w)))
            high = ir.Constant(ir.VectorType(I32, w), list(range(w, 2 * w)))
            x, y = b.shuffle_vector(x, none, low), b.shuffle_vector(x, none, high)
            x = self.combine(b, x, y)
            none = ir.Constant(x.type, ir.Undefined)
        return b.extract_element(x, ir.Constant(I32, 0)) if isinstance(x.type, ir.VectorType) else x


class Scatter:
    """Expression ``k`` added into the buffer of ``v`` at index expressions (``scaled``: expression, stride, bound)."""

    def __init__(self, v: Value, k: int, scaled: Sequence[tuple[int, int, int]], at: Affine) -> None:
        self.v, self.k, self.scaled, self.at = v, k, scaled, at
