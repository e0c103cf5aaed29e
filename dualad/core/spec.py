"""Shapes and dtypes, and Spec: those of a value without the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

WIDE = {np.dtype(t) for t in (np.float64, np.complex128, np.int64, np.bool_)}
"""Beside arrays of these a Python number, which is weak in NumPy's promotion, gives what a NumPy scalar does."""


class Shaped:
    """What follows from a ``shape`` and a ``dtype``."""

    __slots__ = ()
    if TYPE_CHECKING:

        @property
        def shape(self) -> tuple[int, ...]: ...

        @property
        def dtype(self) -> Any: ...

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        n = 1
        for k in self.shape:
            n *= k
        return n

    @property
    def itemsize(self) -> int:
        n: int = self.dtype.itemsize
        return n

    @property
    def nbytes(self) -> int:
        n: int = self.size * self.dtype.itemsize
        return n


class Spec(Shaped):
    """What a tape keeps of a value that no rule needs: its shape and its dtype.

    A rule that touches anything else of an argument it did not list in ``keep`` gets an
    ``AttributeError`` or ``TypeError`` here, never a wrong number.
    """

    __slots__ = ("dtype", "shape")
    shape: tuple[int, ...]
    dtype: Any

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.shape == other.shape and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"{np.dtype(self.dtype).name}{list(self.shape)}"


def spec_of(x: Any) -> Spec:
    """Shape and dtype of an array, tensor or number."""
    if not hasattr(x, "shape"):
        x = np.asarray(x)
    return Spec(x.shape, x.dtype)
