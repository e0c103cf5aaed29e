"""Choosing elements: where, select, take_along_axis, r_, c_, and functions applied along axes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, BatchError, IndexingError, ShapeError
from dualad.core.level import GROUND
from dualad.core.primitive import holds_tensor, plain
from dualad.core.tensor import Tensor, new_tensor
from dualad.numpy.creation import arange, linspace
from dualad.numpy.operands import on_tensors, operand, store
from dualad.numpy.rearranging import along
from dualad.numpy.shaping import axis_of, concatenate, concrete, expand_dims, moveaxis, ravel, stack
from dualad.numpy.sorting import flatnonzero, nonzero
from dualad.ops import arithmetic, index
from dualad.ops.shape import broadcast_to, reshape, transpose

__all__ = [
    "apply_along_axis", "apply_over_axes", "c_", "choose", "compress", "extract",
    "ix_", "piecewise", "r_", "select", "take_along_axis", "vectorize", "where",
]  # fmt: skip


@on_tensors()
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """``np.where``; a branch that was not chosen has zero derivative, whatever it is. With one argument, the places."""
    if (x is None) != (y is None):
        raise ArgumentError("where takes one argument, or three: where(condition, x, y).")
    if x is None:
        return nonzero(condition)
    c = operand(condition)
    if c.dtype.kind != "b":
        c = arithmetic.not_equal(c, 0)
    x, y = plain(x), plain(y)
    if type(x) in _WEAK or type(y) in _WEAK:
        dtype = np.result_type(*[v if type(v) in _WEAK else v.dtype for v in (x, y)])
        x, y = (dtype.type(v) if type(v) in _WEAK else v for v in (x, y))
    return arithmetic.where(c, x, y)


_WEAK = (int, float, complex, bool)


@on_tensors()
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ArgumentError(f"select: {len(condlist)} conditions, but {len(choicelist)} choices.")
    if not len(condlist):
        raise ArgumentError("select needs at least one condition.")
    conditions = [operand(c) for c in condlist]
    for c in conditions:
        if c.dtype.kind != "b":
            raise ArgumentError(f"select: conditions must be boolean, one has dtype {c.dtype}. Write c != 0.")
    out = default
    for condition, choice in reversed(list(zip(conditions, choicelist, strict=True))):
        out = where(condition, choice, out)
    return out


@on_tensors()
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """``np.piecewise``: every function is applied to the elements where its condition (looked at by value) holds.

    In a batch whose conditions differ, functions see all elements, and the result is chosen among theirs.
    """
    v = operand(x)
    if type(condlist) is Tensor and condlist.ndim > v.ndim:
        condlist = list(condlist)
    elif not isinstance(condlist, (list, tuple)) or (
        not isinstance(condlist[0], (list, np.ndarray, Tensor, np.generic)) and v.ndim
    ):
        condlist = [condlist]
    conditions = [arithmetic.not_equal(operand(c), 0) for c in condlist]
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        taken = conditions[0]
        for c in conditions[1:]:
            taken = taken | c
        conditions.append(~taken)
    if len(functions) != len(conditions):
        raise ArgumentError(f"piecewise: {len(conditions)} conditions, but {len(functions)} functions.")
    try:
        masks = [np.broadcast_to(concrete(c, "piecewise"), v.shape) for c in conditions]
    except BatchError:
        out: Any = np.zeros(v.shape, v.dtype)[()]
        for condition, f in zip(conditions, functions, strict=True):
            out = where(condition, f(v, *args, **kw) if callable(f) else f, out)
        return out
    out = new_tensor(np.zeros(v.shape, v.dtype), GROUND, None)
    for mask, f in zip(masks, functions, strict=True):
        if mask.any():
            out[mask] = f(index.getitem(v, mask), *args, **kw) if callable(f) else f
    return out if out.level is not GROUND else np.asarray(out)


@on_tensors()
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    i = operand(a)
    options = list(choices) if type(choices) is Tensor else [operand(c) for c in choices]
    n = len(options)
    if mode == "wrap":
        i = i % n
    elif mode == "clip":
        i = arithmetic.minimum(arithmetic.maximum(i, 0), n - 1)
    elif mode != "raise":
        raise ArgumentError(f"choose: mode={mode!r} is unknown. Use 'raise', 'wrap' or 'clip'.")
    elif _outside(i, n):
        raise IndexingError(f"choose: an index is outside the {n} choices.")
    dims = np.broadcast_shapes(i.shape, *[c.shape for c in options])
    result: Any = options[0] if options[0].shape == dims else broadcast_to(options[0], shape=dims)
    for k in range(1, n):
        result = where(arithmetic.equal(i, k), options[k], result)
    return store(result, out)


def _outside(i: Any, n: int) -> bool:
    """Whether an integer is not in range(n); in a batch, any."""
    while type(i) is Tensor:
        i = i.value
    return bool(np.size(i)) and bool(np.min(i) < 0 or np.max(i) >= n)


@on_tensors()
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    x, axis = along(a, axis)
    return store(index.getitem(x, (*(slice(None),) * axis, flatnonzero(condition))), out)


@on_tensors()
def extract(condition: Any, arr: Any) -> Any:
    return index.getitem(ravel(arr), flatnonzero(condition))


def along_axis(x: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """The index by which take_along_axis is x[...]."""
    n = indices.ndim
    if indices.dtype.kind not in "iu":
        raise IndexingError(f"indices must be integers, they have dtype {indices.dtype}.")
    return tuple(
        indices if i == axis else np.arange(x.shape[i]).reshape([-1 if j == i else 1 for j in range(n)])
        for i in range(n)
    )


@on_tensors()
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    x, i = operand(arr), operand(indices)
    if axis is None:
        if i.ndim != 1:
            raise ShapeError(f"take_along_axis with axis=None needs a vector of indices, their shape is {i.shape}.")
        return index.getitem(ravel(x), i)
    if x.ndim != i.ndim:
        raise ShapeError(f"take_along_axis: the array has {x.ndim} axes, the indices have {i.ndim}.")
    axis = axis_of(axis, x.ndim)
    dims = tuple(k if j == axis else max(k, m) for j, (k, m) in enumerate(zip(i.shape, x.shape, strict=True)))
    wide = tuple(x.shape[j] if j == axis else n for j, n in enumerate(dims))
    if x.shape != wide:
        x = broadcast_to(x, shape=wide)
    return index.getitem(x, along_axis(x, i, axis))


# Functions along axes ---------------------------------------------------------------------------


@on_tensors()
def apply_along_axis(func1d: Callable[..., Any], axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    x = operand(arr)
    axis = axis_of(axis, x.ndim)
    rows = moveaxis(x, axis, -1)
    lead = rows.shape[:-1]
    if not math.prod(lead):
        raise ShapeError("apply_along_axis: there is nothing to apply the function to where another axis has size 0.")
    rows = reshape(rows, shape=(math.prod(lead), x.shape[axis]))
    ys = [operand(func1d(rows[k], *args, **kwargs)) for k in range(rows.shape[0])]
    inner = ys[0].shape
    y = reshape(stack(ys), shape=(*lead, *inner))
    return moveaxis(y, tuple(range(len(lead), len(lead) + len(inner))), tuple(range(axis, axis + len(inner))))


@on_tensors()
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    x = operand(a)
    for axis in np.atleast_1d(axes).tolist():
        axis = axis_of(axis, x.ndim) if x.ndim or axis not in (0, -1) else axis
        y = func(x, axis)
        if y.ndim not in (x.ndim, x.ndim - 1):
            raise ShapeError(f"apply_over_axes: the function made shape {y.shape} of {x.shape}.")
        x = y if y.ndim == x.ndim else expand_dims(y, axis)
    return x


class vectorize:
    """``np.vectorize``: a function of numbers (or, with ``signature``, of small arrays) applied to every element."""

    def __init__(
        self,
        pyfunc: Callable[..., Any],
        otypes: Any = None,
        doc: str | None = None,
        excluded: Any = None,
        cache: bool = False,
        signature: str | None = None,
    ) -> None:
        self.pyfunc = pyfunc
        self.excluded = set(excluded or ())
        self.signature = signature
        self.plain = np.vectorize(pyfunc, otypes, doc, excluded, cache, signature)
        self.__doc__ = doc if doc is not None else pyfunc.__doc__
        self.__name__ = getattr(pyfunc, "__name__", "vectorize")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not holds_tensor((args, tuple(kwargs.values()))):
            return self.plain(*args, **kwargs)
        names = [k for k in kwargs if k not in self.excluded]
        chosen = [i for i in range(len(args)) if i not in self.excluded]
        xs = [operand(args[i]) for i in chosen] + [operand(kwargs[k]) for k in names]
        core = self._core(len(xs))
        dims = np.broadcast_shapes(*[x.shape[: x.ndim - c] for x, c in zip(xs, core, strict=True)])
        xs = [
            broadcast_to(x, shape=(*dims, *x.shape[x.ndim - c :])) if x.shape[: x.ndim - c] != dims else x
            for x, c in zip(xs, core, strict=True)
        ]
        results = []
        for place in np.ndindex(*dims):
            given = list(args)
            named = dict(kwargs)
            parts = [index.getitem(x, place) if place else x for x in xs]
            for i, v in zip(chosen, parts, strict=False):
                given[i] = v
            named.update(zip(names, parts[len(chosen) :], strict=True))
            results.append(self.pyfunc(*given, **named))
        if not results:
            raise ShapeError("vectorize: there is no element to call the function with.")
        if isinstance(results[0], tuple):
            return tuple(self._joined(list(part), dims) for part in zip(*results, strict=True))
        return self._joined(results, dims)

    def _joined(self, results: list[Any], dims: tuple[int, ...]) -> Any:
        y = stack([operand(r) for r in results])
        return reshape(y, shape=(*dims, *y.shape[1:]))

    def _core(self, n: int) -> list[int]:
        """How many axes of each argument belong to the function."""
        if self.signature is None:
            return [0] * n
        groups = re.findall(r"\(([^)]*)\)", self.signature.split("->")[0])
        return [len([d for d in g.split(",") if d.strip()]) for g in groups]


# r_ and c_ ------------------------------------------------------------------------------------


@on_tensors()
def ix_(*args: Any) -> Any:
    for a in args:
        if operand(a).dtype.kind not in "iub" and operand(a).size:
            raise IndexingError(
                f"ix_ needs integers or booleans as indices, not {operand(a).dtype}. Write a.astype(int)."
            )
    return np.ix_(*[concrete(a, "ix_") for a in args])


class _Join:
    """``np.r_`` and ``np.c_``, with the directive "axis,ndim,where" too."""

    def __init__(self, like: Any, axis: int, ndim: int, place: int) -> None:
        self.like = like
        self.directive = (axis, ndim, place)

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if not holds_tensor([v for k in items for v in ((k.start, k.stop, k.step) if isinstance(k, slice) else (k,))]):
            return self.like[key]
        axis, ndim, place = self.directive
        if isinstance(items[0], str):
            axis, ndim, place = self._directive(items[0])
            items = items[1:]
        parts = []
        for k in items:
            x = _range(k) if isinstance(k, slice) else operand(k)
            n = x.ndim
            if n < ndim:
                x = reshape(x, shape=(1,) * (ndim - n) + x.shape)
                if place != -1 and n:
                    parts.append(transpose(x, axes=_turned(n, ndim, place)))
                    continue
            parts.append(x)
        return concatenate(parts, axis)

    def _directive(self, s: str) -> tuple[int, int, int]:
        try:
            numbers = [int(k) for k in s.split(",")]
        except ValueError:
            raise ArgumentError(
                f"r_ and c_: the directive {s!r} makes a matrix, which is not supported on tensors. Use concatenate."
            ) from None
        return (*numbers, *self.directive[len(numbers) :])  # type: ignore[return-value]

    def __len__(self) -> int:
        return 0


def _range(k: slice) -> Any:
    start = 0 if k.start is None else k.start
    if isinstance(k.step, complex):
        return linspace(start, k.stop, int(abs(k.step)))
    return arange(start, k.stop, 1 if k.step is None else k.step)


def _turned(n: int, ndim: int, place: int) -> tuple[int, ...]:
    """Where the new axes of an array of ``n`` axes go: as NumPy's AxisConcatenator."""
    new = ndim - n
    at = place + new + 1 if place < 0 else place
    axes = list(range(ndim))
    return tuple(axes[:at] + axes[new:] + axes[at:new])


r_ = _Join(np.r_, 0, 1, -1)
c_ = _Join(np.c_, -1, 2, 0)

setattr(Tensor, "compress", lambda x, condition, axis=None, out=None: compress(condition, x, axis, out))
setattr(Tensor, "choose", choose)
