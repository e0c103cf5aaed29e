"""Batching (vmap): each tensor carries a batch on axis 0 that its user does not see."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import BatchError
from dualad.core.level import Level
from dualad.core.primitive import Primitive
from dualad.core.tensor import Tensor, new_tensor


class BatchLevel(Level):
    """Maps every operation over ``size`` elements at once."""

    name = "vmap"

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def shape(self, x: Tensor) -> tuple[int, ...]:
        return x.value.shape[1:]

    def lift(self, x: Any) -> Tensor:
        """``x`` repeated for each element of the batch (as a view)."""
        from dualad.ops.shape import broadcast_to

        return new_tensor(broadcast_to(x, shape=(self.size, *np.shape(x))), self, None)

    def look(self, x: Tensor, why: str) -> Any:
        v = x.value
        value = np.asarray(v.level.look(v, why) if type(v) is Tensor else v)
        if why == "print()":
            return f"batch of {self.size}: {value}"
        if self.size and (value == value[:1]).all():
            return value[0]
        raise BatchError(
            f"{why} of a value that differs between the {self.size} elements of a vmap batch (shape {self.shape(x)} "
            "each). Python can take only one branch: write dualad.numpy.where(condition, a, b). To index a plain array "
            "by a batch of indices, write dualad.numpy.take(a, i, axis)."
        )

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        batched = [type(a) is Tensor and a.level is self for a in args]
        values = [a.value if b else a for a, b in zip(args, batched, strict=True)]
        y = prim.batch(values, batched, self.size, params)
        if prim.multiple:
            return tuple(new_tensor(v, self, None) for v in y)
        return new_tensor(y, self, None)
