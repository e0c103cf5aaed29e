"""NumPy's ufunc keywords ``out``, ``where``, ``dtype``, methods ``reduce``, ``reduceat``, ``accumulate``, ``outer``, ``at``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.dispatch import LATE, UFUNC_METHODS, not_differentiable
from dualad.core.errors import ArgumentError, DtypeError, NotDifferentiable, ShapeError, UntrackedError
from dualad.core.primitive import NUMPY, UFUNC_KEYWORDS, Binary, Primitive, Unary, holds_tensor, plain
from dualad.core.tensor import Tensor, new_tensor
from dualad.numpy.operands import cast, operand, store
from dualad.ops.arithmetic import stop_gradient
from dualad.ops.arithmetic import where as choose
from dualad.ops.index import getitem
from dualad.ops.reduce import axes_of
from dualad.ops.shape import broadcast_to, concatenate, reshape, stack, transpose


class _NoValue:
    def __repr__(self) -> str:
        return "<no value>"


NO_VALUE: Any = _NoValue()
"""An argument that was not passed, where None means something."""

_STORAGE = {"order", "subok"}  # how NumPy stores the result: no effect on values


def any_tensor(*values: Any) -> bool:
    return any(type(v) is Tensor or holds_tensor(v) or hasattr(v, "__dualad_tensor__") for v in values)


def _fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    return len(shape) <= len(into) and all(n in (1, m) for n, m in zip(shape[::-1], into[::-1]))


def deliver(y: Any, out: Any) -> Any:
    """``y``, or ``out`` with ``y`` (broadcast) assigned into it."""
    if isinstance(out, tuple):
        (out,) = out
    if out is not None and y.shape != out.shape and _fits(y.shape, out.shape):
        y = broadcast_to(y, shape=out.shape)
    return store(y, out)


def ufunc_of(f: Any) -> Any:
    """The NumPy ufunc that ``f`` is on tensors."""
    for u, g in NUMPY.items():
        if g is f and isinstance(u, np.ufunc):
            return u
    raise ArgumentError(f"{f.__name__}: this function takes no ufunc keywords.")


# Keywords -----------------------------------------------------------------------------------------


def call(f: Callable[..., Any], ufunc: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """``f(*args)`` with the keywords of a ufunc."""
    if not any_tensor(*args, *keywords.values()):
        return ufunc(*args, **keywords)
    keywords = {k: v for k, v in keywords.items() if k not in _STORAGE}
    dtype, out, mask = keywords.pop("dtype", None), keywords.pop("out", None), keywords.pop("where", True)
    casting = keywords.pop("casting", "same_kind")
    name = ufunc.__name__
    if keywords:
        raise ArgumentError(
            f"{name}: the keyword(s) {sorted(keywords)} are not supported on tensors; dtype, casting, out and where are."
        )
    if isinstance(out, tuple):
        out = out[0] if len(out) == 1 else None if all(o is None for o in out) else out
    if type(out) is tuple:
        raise ArgumentError(f"{name}: out= is not supported on tensors for functions with several results.")
    xs = [plain(x) for x in args]
    if dtype is not None:
        xs = [_in_dtype(name, x, np.dtype(dtype), casting) for x in xs]
    if mask is not True:
        mask = plain(mask)
        if out is None:
            raise ArgumentError(
                f"{name}: where= without out= would leave entries undefined. Pass out=dualad.numpy.zeros(shape), or "
                f"write dualad.numpy.where(mask, {name}(x), 0)."
            )
        # Where the mask is off the function is not evaluated: it may be infinite there, or warn.
        xs = [_sheltered(x, mask, ufunc) for x in xs]
    y = f(*xs)
    if mask is not True:
        y = choose(mask, y, stop_gradient(out) if type(out) is not Tensor else out * 1)  # type: ignore[operator]
    if type(out) is np.ndarray and type(y) is not Tensor:
        np.copyto(out, y, casting=casting)
        return out
    return deliver(y, out)


def _in_dtype(name: str, x: Any, dtype: Any, casting: Any) -> Any:
    if not hasattr(x, "dtype"):
        return dtype.type(x)
    if x.dtype == dtype:
        return x
    if not np.can_cast(x.dtype, dtype, casting) or (type(x) is Tensor and x.dtype.kind in "fc" and dtype.kind in "iub"):
        raise DtypeError(f"{name}: an operand of dtype {x.dtype} cannot be cast to {dtype} (casting={casting!r}).")
    return cast(x, dtype)


def _sheltered(x: Any, mask: Any, ufunc: Any) -> Any:
    dtype = x.dtype if hasattr(x, "dtype") else np.result_type(x)
    inside = dtype.type(1 if dtype.kind in "iu" or ufunc is np.arccosh else 0.5)
    return choose(mask, x, inside)


UFUNC_KEYWORDS.append(lambda prim, args, keywords: call(prim, ufunc_of(prim), args, keywords))


# Methods ------------------------------------------------------------------------------------------

_REDUCTIONS = {
    np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min",
    np.logical_and: "all", np.logical_or: "any",
}  # fmt: skip
_SCANS = {np.add: "cumsum", np.multiply: "cumprod"}
_ASSOCIATIVE = {
    np.fmax, np.fmin, np.logaddexp, np.logaddexp2, np.hypot, np.bitwise_and, np.bitwise_or, np.bitwise_xor,
    np.logical_xor, np.gcd, np.lcm,
}  # fmt: skip


def _function(ufunc: Any, method: str) -> Any:
    f = NUMPY.get(ufunc)
    if f is None or (ufunc.nin != 2 and method != "at") or ufunc.nout != 1:
        raise not_differentiable(f"np.{ufunc.__name__}.{method}")
    return f


def _given(**keywords: Any) -> dict[str, Any]:
    return {k: v for k, v in keywords.items() if v is not NO_VALUE and v is not None}


def reduce(
    ufunc: Any,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    """Sums, products and extrema by their own rules, other associative functions by halves, the rest in sequence."""
    from dualad import numpy

    if ufunc in _REDUCTIONS:
        keywords = _given(dtype=dtype, initial=initial)
        if where is not True:
            keywords["where"] = where
        y = getattr(numpy, _REDUCTIONS[ufunc])(array, axis=axis, keepdims=keepdims, **keywords)
        return store(y, out)
    f = _function(ufunc, "reduce")
    name = f"np.{ufunc.__name__}.reduce"
    if where is not True:
        raise NotDifferentiable(f"{name} with where= is not supported on tensors: reduce x[mask].")
    x = operand(array)
    if dtype is not None:
        x = cast(x, dtype)
    axes = axes_of(axis, x.ndim)
    if len(axes) > 1 and ufunc not in _ASSOCIATIVE:
        raise ArgumentError(f"{name}: the order of a reduction over several axes is not defined. Pass one axis.")
    shape = x.shape
    if not axes:
        return store(x, out)
    kept = [i for i in range(x.ndim) if i not in axes]
    x = reshape(transpose(x, axes=(*axes, *kept)), shape=(-1 if x.size else 0, *[shape[i] for i in kept]))
    y = initial if initial is not NO_VALUE and initial is not None else None
    if x.shape[0] == 0:
        if y is None and ufunc.identity is None:
            raise ShapeError(f"{name}: nothing to reduce along axis {axis} of shape {shape}. Pass initial=.")
        y = broadcast_to(operand(ufunc.identity if y is None else y), shape=x.shape[1:])
    elif ufunc is np.logaddexp:
        from dualad.scipy.special import logsumexp

        whole = logsumexp(x, axis=0)
        y = whole if y is None else f(y, whole)
    elif ufunc in _ASSOCIATIVE:
        while (n := x.shape[0]) > 1:
            half = n // 2
            folded = f(getitem_(x, slice(half)), getitem_(x, slice(half, 2 * half)))
            if n % 2:
                rest = f(getitem_(folded, slice(0, 1)), getitem_(x, slice(n - 1, n)))
                folded = stack(*[getitem_(rest, 0), *[getitem_(folded, i) for i in range(1, half)]], axis=0)
            x = folded
        y = getitem_(x, 0) if y is None else f(y, getitem_(x, 0))
    else:
        for k in range(x.shape[0]):
            y = getitem_(x, k) if y is None else f(y, getitem_(x, k))
    if keepdims:
        y = reshape(y, shape=tuple([1 if i in axes else n for i, n in enumerate(shape)]))
    return store(y, out)


def getitem_(x: Any, key: Any) -> Any:
    return getitem(x, key) if type(x) is Tensor else x[key]


def accumulate(ufunc: Any, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """Cumulative sums and products by their own rules, other functions in sequence."""
    from dualad import numpy

    if ufunc in _SCANS:
        return store(getattr(numpy, _SCANS[ufunc])(array, axis=axis, dtype=dtype), out)
    f = _function(ufunc, "accumulate")
    x = operand(array)
    if dtype is not None:
        x = cast(x, dtype)
    (one,) = axes_of(axis, x.ndim)
    lead = (slice(None),) * one
    parts: list[Any] = []
    for k in range(x.shape[one]):
        part = getitem_(x, (*lead, k))
        parts.append(f(parts[-1], part) if parts else part)
    return store(stack(*parts, axis=one) if parts else x, out)


def outer(ufunc: Any, a: Any, b: Any, /, **keywords: Any) -> Any:
    """The function of all pairs: shape ``a.shape + b.shape``."""
    f = _function(ufunc, "outer")
    a, b = operand(a), operand(b)
    a = reshape(a, shape=a.shape + (1,) * b.ndim)
    return call(f, ufunc, (a, b), keywords) if keywords else f(a, b)


def at(ufunc: Any, array: Any, indices: Any, b: Any = None) -> None:
    """In place on a tensor or buffer; repeated indices are applied one after the other."""
    f = _function(ufunc, "at")
    if type(array) is not Tensor:
        raise UntrackedError(
            f"np.{ufunc.__name__}.at into a plain NumPy array would drop derivatives. Make the buffer with "
            "dualad.numpy.zeros."
        )
    key = tuple([_concrete(k) for k in indices]) if isinstance(indices, tuple) else _concrete(indices)
    shape = array.shape
    places = np.arange(array.size).reshape(shape)[key]
    order, rank = places.ravel(), np.zeros(places.size, int)
    # The how-manieth write to its place each one is.
    by_place = np.argsort(order, kind="stable")
    ordered = order[by_place]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if order.size else np.zeros(0, int)
    rank[by_place] = np.arange(order.size) - np.repeat(starts, np.diff(np.r_[starts, order.size]))
    values = None
    if ufunc.nin == 2:
        values = reshape(broadcast_to(operand(b), shape=places.shape), shape=(places.size,))
    flat: Any = reshape(array, shape=(array.size,)) * 1
    flat = flat if type(flat) is Tensor else _buffer(flat)
    for k in range(int(rank.max(initial=-1)) + 1):
        chosen = np.flatnonzero(rank == k)
        old = flat[order[chosen]]
        flat[order[chosen]] = f(old) if values is None else f(old, getitem_(values, chosen))
    array[...] = reshape(flat, shape=shape)  # type: ignore[index]


def _buffer(x: Any) -> Any:
    from dualad.core.level import GROUND

    return new_tensor(x, GROUND, None)


def _concrete(k: Any) -> Any:
    return k.level.look(k, "an index") if type(k) is Tensor else k


def reduceat(ufunc: Any, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """Slices of one length are gathered and reduced together, each by the rule of ``reduce``."""
    _function(ufunc, "reduceat")
    x, starts = operand(array), np.asarray(_concrete(indices))
    (one,) = axes_of(axis, x.ndim)
    n = x.shape[one]
    if starts.ndim != 1 or (starts.size and starts.dtype.kind not in "iu"):
        raise ArgumentError(f"np.{ufunc.__name__}.reduceat: indices must be a list of whole numbers, not {indices!r}.")
    if ((starts < 0) | (starts >= n)).any():
        raise IndexError(f"np.{ufunc.__name__}.reduceat: indices {starts.tolist()} must lie within [0, {n}).")
    # A slice whose end is not behind its start is its first element alone.
    lengths = np.maximum(np.append(starts[1:], n)[: starts.size] - starts, 1)
    order = np.argsort(lengths, kind="stable")
    rows = transpose(x, axes=(one, *[i for i in range(x.ndim) if i != one]))
    parts = []
    for length in np.unique(lengths):
        places = starts[order[lengths[order] == length]][:, None] + np.arange(length)
        parts.append(reduce(ufunc, getitem_(rows, places), axis=1, dtype=dtype))
    y = concatenate(*parts, axis=0) if parts else getitem_(rows, slice(0))
    y = getitem_(y, np.argsort(order, kind="stable"))
    return store(transpose(y, axes=(*range(1, one + 1), 0, *range(one + 1, x.ndim))), out)


METHODS: dict[str, Any] = {"reduce": reduce, "accumulate": accumulate, "outer": outer, "at": at, "reduceat": reduceat}
UFUNC_METHODS.update(METHODS)


def _method(name: str) -> Any:
    def method(self: Primitive, *args: Any, **keywords: Any) -> Any:
        ufunc = ufunc_of(self)
        if not any_tensor(*args, *keywords.values()):
            return getattr(ufunc, name)(*args, **keywords)
        return METHODS[name](ufunc, *args, **keywords)

    method.__name__ = name
    method.__doc__ = METHODS[name].__doc__
    return method


for _name in METHODS:
    setattr(Binary, _name, _method(_name))
setattr(Unary, "at", _method("at"))


def _of_scipy(ufunc: Any) -> Any:
    """What ``scipy.special.<name>`` is on tensors."""
    theirs: Any = sys.modules.get("scipy.special")
    name: str = ufunc.__name__.removeprefix("_").removeprefix("riemann_")  # SciPy's zeta and lambertw call such
    if not theirs or not hasattr(theirs, name):
        return None
    return vars(importlib.import_module("dualad.scipy.special")).get(name)


LATE.append(_of_scipy)
