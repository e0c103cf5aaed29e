"""Making arrays: from sequences with tensors in them, buffers to assign into, ranges; and NumPy's constants and types.

``zeros``, ``ones``, ``full``, ``empty`` and their ``_like`` forms return **buffers**: tensors that no transform tracks yet, into
which tracked values can be assigned. Otherwise they behave as arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import (
    bool_,
    can_cast,
    complex64,
    complex128,
    dtype,
    e,
    errstate,
    euler_gamma,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    inf,
    int8,
    int16,
    int32,
    int64,
    intp,
    isscalar,
    nan,
    ndarray,
    newaxis,
    pi,
    promote_types,
    uint8,
    uint16,
    uint32,
    uint64,
)

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.level import GROUND
from dualad.core.primitive import SEQUENCE, holds_tensor, plain
from dualad.core.tensor import Tensor
from dualad.numpy.register import implements
from dualad.numpy.shaping import astype, copy, operand
from dualad.numpy.shaping import stack as _stack


def _from_sequence(x: Any) -> Any:
    """A (nested) list or tuple with tensors in it as one tensor."""
    if not isinstance(x, (list, tuple)):
        return operand(x)
    if not holds_tensor(x):
        return np.asarray(x)
    parts = [_from_sequence(v) for v in x]
    if len({p.shape for p in parts}) > 1:
        raise ShapeError(f"array: the entries have different shapes: {[p.shape for p in parts]}.")
    return _stack(parts)


SEQUENCE.append(_from_sequence)


@implements(np.array)
def array(
    object: Any, dtype: Any = None, *, copy: Any = True, order: str = "K", ndmin: int = 0, **keywords: Any
) -> Any:
    """An array of ``object``; of tensors and sequences with tensors in them, a tracked tensor."""
    if keywords:
        raise ArgumentError(f"array: the keyword(s) {sorted(keywords)} are not supported.")
    if not (type(object) is Tensor or (isinstance(object, (list, tuple)) and holds_tensor(object))):
        if hasattr(object, "__dualad_tensor__"):
            object = object.__dualad_tensor__()
        if type(object) is not Tensor:
            return np.array(object, dtype, ndmin=ndmin) if copy else np.asarray(object, dtype)
    x = _copied(object) if type(object) is Tensor else _from_sequence(object)
    if dtype is not None:
        x = astype(x, dtype)
    return x if x.ndim >= ndmin else x[(None,) * (ndmin - x.ndim)]


def _copied(x: Any) -> Any:
    return copy(x)


@implements(np.asarray, np.asanyarray, np.ascontiguousarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, **keywords: Any) -> Any:
    if type(a) is Tensor:
        return a if dtype is None else astype(a, dtype)
    return array(a, dtype, copy=bool(copy))


asanyarray = ascontiguousarray = asarray


def buffer(value: Any) -> Tensor:
    """An array of our own, as a tensor that can be assigned into."""
    return Tensor(value, GROUND, None)


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """A buffer of zeros.

    >>> import dualad
    >>> def f(x):
    ...     out = dualad.numpy.zeros(2)
    ...     out[0] = x**2
    ...     return out.sum()
    >>> float(dualad.grad(f)(3.0))
    6.0
    """
    return buffer(np.zeros(shape, dtype))


def ones(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """A buffer of ones."""
    return buffer(np.ones(shape, dtype))


def empty(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """A buffer with undefined entries."""
    return buffer(np.empty(shape, dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Any:
    """A buffer filled with ``fill_value``, which may be a tensor."""
    if not holds_tensor((fill_value,)):
        return buffer(np.full(shape, fill_value, dtype))
    v = operand(fill_value)
    out = buffer(np.zeros(shape, dtype or v.dtype))
    out[...] = v  # type: ignore[index]
    return out


def _like(a: Any, dtype: Any, shape: Any) -> tuple[Any, Any]:
    x = operand(a)
    return x.shape if shape is None else shape, x.dtype if dtype is None else dtype


@implements(np.zeros_like)
def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return zeros(*_like(a, dtype, shape))


@implements(np.ones_like)
def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return ones(*_like(a, dtype, shape))


@implements(np.empty_like)
def empty_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return empty(*_like(a, dtype, shape))


@implements(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    dims, kind = _like(a, dtype, shape)
    return full(dims, fill_value, kind)


def eye(N: int, M: Any = None, k: int = 0, dtype: Any = float) -> Any:
    return np.eye(N, M, k, dtype)


def identity(n: int, dtype: Any = float) -> Any:
    return np.identity(n, dtype)


def tri(N: int, M: Any = None, k: int = 0, dtype: Any = float) -> Any:
    return np.tri(N, M, k, dtype)


def arange(*args: Any, dtype: Any = None, **keywords: Any) -> Any:
    """``np.arange``; with tensors as start or stop, differentiable in them (the length is a decision on values)."""
    if not holds_tensor((args, tuple(keywords.values()))):
        return np.arange(*args, dtype=dtype, **keywords)
    start = keywords.get("start", args[0] if len(args) > 1 else 0)
    stop = keywords.get("stop", args[0] if len(args) == 1 else args[1] if len(args) > 1 else None)
    step = keywords.get("step", args[2] if len(args) > 2 else 1)
    count = len(np.arange(*[v.level.look(v, "arange") if type(v) is Tensor else v for v in (start, stop, step)]))
    return start + step * np.arange(count)


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    **_: Any,
) -> Any:
    """``np.linspace``, differentiable in both ends."""
    if not holds_tensor((start, stop)):
        return np.linspace(start, stop, num, endpoint, retstep, dtype, axis)
    a, b = operand(start) * 1.0, operand(stop) * 1.0
    gaps = num - 1 if endpoint else num
    s = np.arange(num) / max(gaps, 1)
    s = s.reshape((num,) + (1,) * max(a.ndim, b.ndim))
    y = a * (1 - s) + b * s
    if axis:
        from dualad.numpy.shaping import moveaxis

        y = moveaxis(y, 0, axis)
    if dtype is not None:
        y = astype(y, dtype)
    return (y, (b - a) / gaps) if retstep else y


@implements(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    from dualad.ops.transcendental import power

    y = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else astype(y, dtype)


@implements(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    from dualad.ops.arithmetic import sign, stop_gradient
    from dualad.ops.transcendental import exp, log

    if not holds_tensor((start, stop)):
        return np.geomspace(start, stop, num, endpoint, dtype, axis)
    a, b = operand(start) * 1.0, operand(stop) * 1.0
    s = stop_gradient(sign(a))
    y = s * exp(linspace(log(a * s), log(b * s), num, endpoint, axis=axis))
    return y if dtype is None else astype(y, dtype)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    from dualad.numpy.shaping import broadcast_to
    from dualad.ops.shape import reshape

    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', not {indexing!r}.")
    xs = [operand(x) for x in xi]
    n = len(xs)
    order = list(range(n))
    if indexing == "xy" and n > 1:
        order[:2] = 1, 0
    out = [reshape(x, shape=tuple(x.size if i == order[k] else 1 for i in range(n))) for k, x in enumerate(xs)]
    if not sparse:
        dims = np.broadcast_shapes(*[x.shape for x in out])
        out = [broadcast_to(x, dims) for x in out]
    return tuple(out)


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    v = operand(x)
    powers = np.arange(v.size if N is None else N)
    return v[:, None] ** (powers if increasing else powers[::-1])


@implements(np.shape)
def shape(a: Any) -> Any:
    return a.shape if type(a) is Tensor else np.shape(a)


@implements(np.ndim)
def ndim(a: Any) -> Any:
    return a.ndim if type(a) is Tensor else np.ndim(a)


@implements(np.size)
def size(a: Any, axis: Any = None) -> Any:
    x = plain(a)
    return np.size(np.broadcast_to(0, x.shape if type(x) is Tensor else np.shape(x)), axis)


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*[np.empty((0,) * x.ndim, x.dtype) if type(x) is Tensor else x for x in arrays_and_dtypes])


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    return operand(x).dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    return not iscomplexobj(x)


@implements(np.may_share_memory, np.shares_memory)
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return a is b


__all__ = [
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "ascontiguousarray",
    "bool_",
    "can_cast",
    "complex64",
    "complex128",
    "dtype",
    "e",
    "empty",
    "empty_like",
    "errstate",
    "euler_gamma",
    "eye",
    "finfo",
    "float16",
    "float32",
    "float64",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "iinfo",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "intp",
    "iscomplexobj",
    "isrealobj",
    "isscalar",
    "linspace",
    "logspace",
    "meshgrid",
    "nan",
    "ndarray",
    "ndim",
    "newaxis",
    "ones",
    "ones_like",
    "pi",
    "promote_types",
    "result_type",
    "shape",
    "shares_memory",
    "size",
    "tri",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "vander",
    "zeros",
    "zeros_like",
]  # fmt: skip
