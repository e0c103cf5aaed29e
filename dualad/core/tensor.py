"""Tensor: the one class that carries derivatives through user code."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from dualad.core.errors import UntrackedError
from dualad.core.level import GROUND, Level
from dualad.core.spec import Shaped


class Tensor(Shaped):
    """A value on a level, with what that level's mode keeps of it (``aux``).

    ``value`` is a NumPy array or scalar, or a tensor of a lower level. Operators are installed by the
    primitives that declare them; NumPy's methods by ``dualad.numpy``.
    """

    # source, views and written are for assignment only (ops/views.py); most tensors leave them unset.
    __slots__ = ("__weakref__", "aux", "level", "source", "value", "views", "written")
    value: Any
    level: Level
    aux: Any
    source: tuple[Tensor, Any, dict[str, Any]]
    views: dict[int, Any]
    written: bool

    __hash__ = object.__hash__

    @property
    def shape(self) -> tuple[int, ...]:
        return self.level.shape(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype

    @property
    def primal(self) -> Any:
        """The value without what this tensor's mode keeps beside it."""
        return self.value

    @property
    def tangent(self) -> Any:
        """Forward mode: the tangent, of the primal's shape, or (k, *shape) for k directions."""
        tangent = getattr(self.level, "tangent", None)
        if tangent is None:
            raise AttributeError(f"a tensor of {self.level.name} has no tangent; only Dual tensors have one")
        return tangent(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object: this tensor has shape ()")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(self.shape[0]))  # type: ignore[index]

    # What Python looks at ---------------------------------------------------------------------

    def __bool__(self) -> bool:
        return bool(self.level.look(self, "bool()"))

    def __int__(self) -> int:
        return int(self.level.look(self, "int()"))

    def __index__(self) -> int:
        return operator.index(self.level.look(self, "an index"))

    def __round__(self, n: int | None = None) -> Any:
        return round(self.level.look(self, "round()"), n)

    def __float__(self) -> float:
        if self.dtype.kind in "iub" or self.level is GROUND:
            return float(self.level.look(self, "float()"))
        _refuse("float(x) and functions of the math module")

    def __complex__(self) -> complex:
        if self.dtype.kind in "iub" or self.level is GROUND:
            return complex(self.level.look(self, "complex()"))
        _refuse("complex(x) and functions of the cmath module")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.level is GROUND:
            a = np.asarray(self.value, dtype)
            return a.copy() if copy or a is self.value else a
        if self.dtype.kind in "iub":
            return np.array(self.level.look(self, "np.array()"), dtype)
        _refuse("np.array(x), np.asarray(x) and assignment into a plain NumPy array")

    def item(self, *place: Any) -> Any:
        if self.level is GROUND:
            return np.asarray(self.value).item(*place)
        if self.size != 1:
            raise ValueError(f"item() needs one element; this tensor has shape {self.shape}")
        _refuse("x.item()")

    def __format__(self, form: str) -> str:
        value = np.asarray(self.level.look(self, "format()"))
        return format(value[()] if value.ndim == 0 else value, form) if form else str(self)

    def __str__(self) -> str:
        return str(self.level.look(self, "print()"))

    def __repr__(self) -> str:
        return self.level.describe(self)

    def __getstate__(self) -> NoReturn:
        raise UntrackedError(
            "a tensor inside a transform cannot be pickled or copied: it belongs to that transform. "
            "Use x.copy(), or dualad.stop_gradient(x) for its value."
        )

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self.level.adopt(new_tensor(self.value, self.level, self.aux))

    def __copy__(self) -> Tensor:
        return self.level.adopt(new_tensor(self.value, self.level, self.aux))


def new_tensor(value: Any, level: Level, aux: Any) -> Tensor:
    """A tensor; it is made in half the time that a class with ``__init__`` takes."""
    t = Tensor()
    t.value = value
    t.level = level
    t.aux = aux
    return t


def _refuse(what: str) -> NoReturn:
    raise UntrackedError(
        f"{what} would drop the derivative of a tracked tensor. Write dualad.numpy.array([...]) or stack(...) to build an "
        "array from tensors, dualad.numpy.sin(x) or np.sin(x) for math.sin(x), dualad.scipy.linalg.f(x) for "
        "scipy.linalg.f(x) and SciPy's other functions, out = dualad.numpy.zeros(n) for a buffer to assign into, and "
        "dualad.stop_gradient(x) where the plain value is wanted."
    )
