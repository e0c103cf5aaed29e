"""Functions and operators that write in place: on tensors they replace value and history; plain arrays are refused."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from dualad.core.dispatch import arrays, tracks
from dualad.core.errors import ArgumentError, DtypeError, IndexingError, ShapeError, UntrackedError
from dualad.core.level import GROUND
from dualad.core.tensor import Tensor
from dualad.numpy.indexing import along_axis
from dualad.numpy.operands import on_tensors, operand
from dualad.numpy.shaping import axis_of, concrete, ravel
from dualad.ops import arithmetic, index, shape
from dualad.ops.views import become

__all__ = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]

F = TypeVar("F", bound=Callable[..., Any])


def writes(f: F) -> F:
    """A function that writes into its first argument, as NumPy's of the same name.

    Into plain arrays it writes what is not tracked, and refuses what is.
    """
    name = f.__name__
    first = f.__code__.co_varnames[0]
    numpy_function = getattr(np, name)

    @functools.wraps(f)
    def write(*args: Any, **keywords: Any) -> None:
        a, *args = args or (keywords.pop(first),)  # type: ignore[assignment]
        if hasattr(a, "__dualad_tensor__"):
            a = a.__dualad_tensor__()
        if type(a) is Tensor:
            f(a, *args, **keywords)
        elif not tracks((args, keywords)):
            numpy_function(a, *arrays(args), **arrays(keywords))
        else:
            raise UntrackedError(
                f"{name} would write tracked values into a plain NumPy array, which cannot hold them. Make it with "
                "dualad.numpy.zeros(n), np.zeros_like(x), or copy it into such a buffer first."
            )

    return on_tensors()(write)  # type: ignore[return-value]


def _cycle(values: Any, n: int) -> Any:
    """The flattened values, repeated or cut to ``n`` of them."""
    v = ravel(values)
    if v.size == n:
        return v
    if not v.size:
        raise ArgumentError("there are places to write to, but no values.")
    return v[0] if v.size == 1 else index.getitem(v, np.arange(n) % v.size)


@writes
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    x = a
    n = x.size
    places = operand(ind)
    if type(places) is Tensor and x.ndim != 1:
        places = concrete(places, "put")
    places = ravel(places)
    if mode == "wrap":
        places = places % n
    elif mode == "clip":
        places = arithmetic.minimum(arithmetic.maximum(places, 0), n - 1)
    elif mode != "raise":
        raise ArgumentError(f"put: mode={mode!r} is unknown. Use 'raise', 'wrap' or 'clip'.")
    if not places.size:
        return
    values = _cycle(v, places.size)
    if x.ndim == 1:
        index.setitem(x, places, values)
        return
    if places.min() < -n or places.max() >= n:
        raise IndexingError(f"put: a place is out of bounds for an array of {n} elements.")
    index.setitem(x, np.unravel_index(np.where(places < 0, places + n, places), x.shape), values)


@writes
def place(arr: Any, mask: Any, vals: Any) -> None:
    x = arr
    put(x, np.flatnonzero(concrete(mask, "place")), vals)


@writes
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    x = a
    m = operand(mask)
    if m.shape != x.shape:
        raise ShapeError(f"putmask: the mask has shape {m.shape}, the array {x.shape}. They must be equal.")
    v = operand(values)
    if v.shape != x.shape and v.size != 1:
        v = shape.reshape(_cycle(v, x.size), shape=x.shape)
    copyto(x, shape.reshape(v, shape=()) if v.size == 1 else v, where=arithmetic.not_equal(m, 0))


@writes
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    x = dst
    v = operand(src)
    if not np.can_cast(v.dtype, x.dtype, casting):  # type: ignore[arg-type]
        raise DtypeError(f"copyto: cannot cast {v.dtype} to {x.dtype} under casting={casting!r}.")
    if where is True:
        index.setitem(x, ..., v)
        return
    index.check_dtype(x, v)
    y = arithmetic.where(operand(where), v, x)
    _replace(x, y, "copyto")


@writes
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    x = a
    if x.ndim < 2:
        raise ShapeError(f"fill_diagonal needs at least 2 axes, the shape is {x.shape}.")
    marks = np.zeros(x.shape, bool)
    np.fill_diagonal(marks, True, wrap)
    put(x, np.flatnonzero(marks), val)


@writes
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    x, i = arr, operand(indices)
    if axis is None:
        return put(x, i, values)
    if x.ndim != i.ndim:
        raise ShapeError(f"put_along_axis: the array has {x.ndim} axes, the indices have {i.ndim}.")
    index.setitem(x, along_axis(x, i, axis_of(axis, x.ndim)), values)


def _replace(x: Tensor, y: Any, name: str) -> None:
    """``x`` becomes ``y``, if that has its shape and can have its dtype."""
    if y.shape != x.shape:
        raise ShapeError(f"{name}: the result has shape {y.shape}, which does not fit into {x.shape} in place.")
    if y.dtype != x.dtype:
        if not np.can_cast(y.dtype, x.dtype, "same_kind"):
            raise DtypeError(
                f"{name}: the result has dtype {y.dtype}, which cannot be stored in an array of {x.dtype}. Make the "
                f"array with dtype={y.dtype}, or write x = x + y."
            )
        y = shape.astype(y, dtype=x.dtype)
    become(x, y)


def _operator(name: str) -> Any:
    """``x += y``: value and history are replaced; a number is rebound, as NumPy's scalars are."""
    f = getattr(operator, name)

    def in_place(x: Tensor, y: Any) -> Any:
        out = f(x, y)
        if not x.shape:
            return out
        _replace(x, out, f"in-place {name.strip('_')}")
        return x

    return in_place


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    _run = _operator(f"{_name}_" if _name in ("and", "or") else _name)
    _run.__name__ = f"__i{_name}__"
    setattr(Tensor, _run.__name__, _run)


def _fill(x: Tensor, value: Any) -> None:
    """``x.fill(value)``."""
    v = operand(value)
    if v.ndim:
        raise ShapeError(f"fill takes a number, not an array of shape {v.shape}. Write x[...] = value.")
    index.setitem(x, ..., v)


def _to_list(x: Tensor) -> Any:
    """Nested lists of 0-d tensors (numbers, of a buffer)."""
    if x.level is GROUND:
        return np.asarray(x).tolist()
    return [_to_list(v) for v in x] if x.shape else x


setattr(Tensor, "fill", _fill)
setattr(Tensor, "put", put)
setattr(Tensor, "tolist", _to_list)
