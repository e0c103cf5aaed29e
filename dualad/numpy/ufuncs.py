"""NumPy's ufunc keywords (``out``, ``where``, ``dtype``) and methods (``reduce``, ``accumulate``, ``outer``, ``at``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.dispatch import UFUNC_METHODS, not_differentiable
from dualad.core.errors import ArgumentError, UntrackedError
from dualad.core.primitive import NUMPY, UFUNC_KEYWORDS, Primitive, holds_tensor, plain
from dualad.core.tensor import Tensor
from dualad.ops.arithmetic import where as choose
from dualad.ops.shape import astype, reshape

_IGNORED = {"casting", "order", "subok"}  # how NumPy stores or checks; no effect on values


def deliver(y: Any, out: Any) -> Any:
    """``y``, or ``out`` with ``y`` assigned into it."""
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return y
    if type(out) is Tensor:
        out[...] = y  # type: ignore[index]
        return out
    if type(y) is Tensor:
        raise UntrackedError(
            "out= is a plain NumPy array, which cannot hold tracked values (this is also what `a += x` on a plain array "
            "does). Make the buffer with dualad.numpy.zeros or np.zeros_like(x), or write a = a + x."
        )
    out[...] = y
    return out


def _call(prim: Primitive, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    if not any(holds_tensor(v) for v in (args, tuple(keywords.values()))):
        return prim.impl(*args, **keywords)
    dtype, out, mask = keywords.pop("dtype", None), keywords.pop("out", None), keywords.pop("where", True)
    if unknown := set(keywords) - _IGNORED:
        raise ArgumentError(
            f"{prim.name}: the keyword(s) {sorted(unknown)} are not supported on tensors; dtype, out and where are."
        )
    xs = [plain(x) for x in args]
    if dtype is not None:
        xs = [astype(x, dtype=np.dtype(dtype)) if hasattr(x, "dtype") else np.dtype(dtype).type(x) for x in xs]
    y = prim(*xs)
    if mask is not True:
        if isinstance(out, tuple):
            (out,) = out
        if out is None:
            raise ArgumentError(
                f"{prim.name}: where= without out= would leave entries undefined. Pass out=dualad.numpy.zeros(shape), or "
                "write np.where(mask, y, 0)."
            )
        y = choose(mask, y, out.value if type(out) is Tensor and type(y) is not Tensor else out * 1)
    return deliver(y, out)


UFUNC_KEYWORDS.append(_call)

_REDUCTIONS = {
    np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min",
    np.logical_and: "all", np.logical_or: "any",
}  # fmt: skip
_SCANS = {np.add: "cumsum", np.multiply: "cumprod"}


def _reduce(ufunc: Any, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, **keywords: Any) -> Any:
    from dualad import numpy

    if ufunc not in _REDUCTIONS:
        raise not_differentiable(f"np.{ufunc.__name__}.reduce")
    if dtype is not None:
        keywords["dtype"] = dtype
    return deliver(getattr(numpy, _REDUCTIONS[ufunc])(array, axis=axis, **keywords), out)


def _accumulate(ufunc: Any, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    from dualad import numpy

    if ufunc not in _SCANS:
        raise not_differentiable(f"np.{ufunc.__name__}.accumulate")
    return deliver(getattr(numpy, _SCANS[ufunc])(array, axis=axis, dtype=dtype), out)


def _outer(ufunc: Any, a: Any, b: Any, **keywords: Any) -> Any:
    if ufunc not in NUMPY:
        raise not_differentiable(f"np.{ufunc.__name__}.outer")
    a, b = (x if type(x) is Tensor else np.asarray(x) for x in (plain(a), plain(b)))
    return NUMPY[ufunc](reshape(a, shape=a.shape + (1,) * b.ndim), b, **keywords)


def _at(ufunc: Any, array: Any, indices: Any, b: Any = None) -> None:
    """In place on a tensor: ``np.add.at`` and ``np.subtract.at`` accumulate over repeated indices."""
    from dualad.ops import index

    if type(array) is not Tensor:
        raise UntrackedError(
            f"np.{ufunc.__name__}.at into a plain NumPy array would drop derivatives. Make the buffer with dualad.numpy.zeros."
        )
    if ufunc not in (np.add, np.subtract):
        raise not_differentiable(f"np.{ufunc.__name__}.at")
    template, arrays = index.split(indices, array.ndim)
    b = plain(b)
    b = b if type(b) is Tensor else np.asarray(b)
    shape = index._result_shape(array, arrays, template)
    from dualad.ops.shape import broadcast_to

    moved = index.scatter(broadcast_to(b, shape=shape) * 1.0, *arrays, template=template, shape=array.shape)
    array[...] = array + moved if ufunc is np.add else array - moved  # type: ignore[index,operator]


UFUNC_METHODS.update(reduce=_reduce, accumulate=_accumulate, outer=_outer, at=_at)
