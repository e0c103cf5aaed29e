"""Sets: membership, which is constant, and distinct elements, which move with the elements they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.dispatch import WHY
from dualad.core.errors import ArgumentError
from dualad.core.tensor import Tensor
from dualad.numpy.operands import flat, on_tensors, operand
from dualad.numpy.shaping import concrete
from dualad.ops.index import ARRAY, index
from dualad.ops.order import is_among
from dualad.ops.reduce import axis_of
from dualad.ops.shape import concatenate

__all__ = [
    "isin", "setdiff1d", "setxor1d", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
]  # fmt: skip


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


@on_tensors(np.unique_values)
def unique_values(x: Any) -> Any:
    """The distinct elements, sorted here, which NumPy leaves open; see ``unique``."""
    return unique(x, equal_nan=False)


@on_tensors(np.unique_counts)
def unique_counts(x: Any) -> Any:
    """The distinct elements, and how often each occurs."""
    return type(np.unique_counts(np.zeros(1)))(*unique(x, return_counts=True, equal_nan=False))


@on_tensors(np.unique_inverse)
def unique_inverse(x: Any) -> Any:
    """The distinct elements, and the indices that restore the array."""
    return type(np.unique_inverse(np.zeros(1)))(*unique(x, return_inverse=True, equal_nan=False))


@on_tensors(np.unique_all)
def unique_all(x: Any) -> Any:
    """The distinct elements, their first places, the indices that restore the array, and the counts."""
    return type(np.unique_all(np.zeros(1)))(*unique(x, True, True, True, equal_nan=False))


@on_tensors(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """The distinct elements of both arrays, sorted; of equal ones the first array's moves."""
    return unique(concatenate(flat(operand(ar1)), flat(operand(ar2)), axis=0))


@on_tensors(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements of the first array that are not in the second."""
    x = flat(operand(ar1)) if assume_unique else unique(ar1)
    return x[np.flatnonzero(concrete(isin(x, ar2, invert=True), "setdiff1d"))]


@on_tensors(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements that are in one of the arrays only."""
    x, y = (flat(operand(v)) if assume_unique else unique(v) for v in (ar1, ar2))
    z, counts = unique(concatenate(x, y, axis=0), return_counts=True)
    return z[np.flatnonzero(counts == 1)]


WHY[np.intersect1d] = (
    "its elements are those that equal others exactly, and any small step changes which these are; to choose among "
    "elements write x[np.isin(x, y)]"
)
