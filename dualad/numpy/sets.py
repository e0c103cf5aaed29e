"""Sets: membership, which is constant, and distinct elements, which move with the elements they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.core.tensor import Tensor
from dualad.numpy.operands import flat, on_tensors, operand
from dualad.ops.index import ARRAY, index
from dualad.ops.order import is_among
from dualad.ops.reduce import axis_of

__all__ = ["isin", "unique"]


@on_tensors(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    """Whether each element is among others: a constant."""
    found = is_among(flat(operand(test_elements)), operand(element))
    return ~found if invert else found


@on_tensors(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The distinct elements, sorted; of equal ones the first moves. Their number depends on the values."""
    x = operand(ar)
    if axis is None:
        lead = 0
    else:
        lead = axis_of(axis, len(x.shape))
    values = x.level.look(x, "unique()") if type(x) is Tensor else x
    if not sorted:
        raise ArgumentError("unique: sorted=False is not supported on tensors.")
    _, first, inverse, counts = np.unique(values, True, True, True, axis, equal_nan=equal_nan)
    y = index(flat(x) if axis is None else x, first, template=(*(slice(None),) * lead, ARRAY, *_rest(x, axis, lead)))
    chosen = [v for v, wanted in ((first, return_index), (inverse, return_inverse), (counts, return_counts)) if wanted]
    return (y, *chosen) if chosen else y


def _rest(x: Any, axis: Any, lead: int) -> tuple[slice, ...]:
    return () if axis is None else (slice(None),) * (len(x.shape) - lead - 1)
