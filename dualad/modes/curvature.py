"""Second partial derivatives of elementwise operations: forward mode through their partials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.forward import ForwardLevel
from dualad.ops.kinds import bring_forward, zeros_like


def second_partials(prim: Any, y: Any, args: Sequence[Any], moving: Sequence[int]) -> dict[tuple[int, int], Any]:
    """The second partial derivatives of an elementwise operation in its arguments i <= j; those that are zero by form
    are missing. ``y`` and ``args`` are what the operation keeps (``prim.keep``)."""
    found: dict[tuple[int, int], Any] = {}
    for j in moving:
        if all(type(prim.partials[i]) is int for i in moving if i <= j):
            continue
        with ForwardLevel() as level:
            x: list[Any] = list(args)
            if prim.keep_x:
                x[j] = new_tensor(args[j], level, zeros_like(args[j]) + args[j].dtype.type(1))
            d = prim.partials[j]
            moved = bring_forward(zeros_like(y) + (d if type(d) is int else d(y, *args)), y.shape, y.dtype)
            out = new_tensor(y, level, moved) if prim.keep_y else y
            for i in moving:
                if i > j or type(prim.partials[i]) is int:
                    continue
                second = prim.partials[i](out, *x)
                if type(second) is Tensor and second.level is level and second.aux is not None:
                    found[i, j] = second.aux
    return found
