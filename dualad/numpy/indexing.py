"""Choosing and placing elements: where, select, take_along_axis, r_, c_, and the functions that write in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError, UntrackedError
from dualad.core.level import GROUND
from dualad.core.primitive import holds_tensor, plain
from dualad.core.tensor import Tensor
from dualad.numpy.creation import arange, linspace
from dualad.numpy.register import implements
from dualad.numpy.shaping import axis_of, concatenate, operand, ravel, stack
from dualad.ops import arithmetic
from dualad.ops.shape import broadcast_to, reshape


def concrete(x: Any, why: str) -> Any:
    """The plain value of an index or mask (Python looks at it)."""
    x = plain(x)
    return np.asarray(x.level.look(x, why) if type(x) is Tensor else x)


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """``np.where``; with one argument, the places of the true elements."""
    if (x is None) != (y is None):
        raise ArgumentError("where takes one argument, or three: where(condition, x, y).")
    if x is None:
        return np.nonzero(concrete(condition, "where"))
    return arithmetic.where(plain(condition), plain(x), plain(y))


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ArgumentError(f"select: {len(condlist)} conditions, but {len(choicelist)} choices.")
    out = plain(default)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        out = where(condition, choice, out)
    return out


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """``np.piecewise``: every function is applied where its condition (looked at by value) holds."""
    v = operand(x)
    conditions = [np.broadcast_to(concrete(c, "piecewise"), v.shape) for c in condlist]
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        conditions.append(~np.logical_or.reduce(conditions))
    if len(functions) != len(conditions):
        raise ArgumentError(f"piecewise: {len(conditions)} conditions, but {len(functions)} functions.")
    out = Tensor(np.zeros(v.shape, v.dtype), GROUND, None)
    for condition, f in zip(conditions, functions, strict=True):
        if condition.any():
            out[condition] = f(v[condition], *args, **kw) if callable(f) else f  # type: ignore[index]
    return out if out.level is not GROUND else out.value


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    i = concrete(a, "choose")
    options = [operand(c) for c in choices]
    if mode == "wrap":
        i = i % len(options)
    elif mode == "clip":
        i = np.clip(i, 0, len(options) - 1)
    elif ((i < 0) | (i >= len(options))).any():
        raise ShapeError(f"choose: an index is outside the {len(options)} choices.")
    result: Any = options[0]
    for k, option in enumerate(options):
        result = where(i == k, option, result)
    return result


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    x = ravel(a) if axis is None else operand(a)
    axis = 0 if axis is None else axis_of(axis, x.ndim)
    return x[(*(slice(None),) * axis, np.flatnonzero(concrete(condition, "compress")))]


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return ravel(arr)[np.flatnonzero(concrete(condition, "extract"))]


def _along(x: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """The index by which take_along_axis is x[...]."""
    n = indices.ndim
    key: list[Any] = []
    for i in range(n):
        if i == axis:
            key.append(indices)
        else:
            key.append(np.arange(x.shape[i]).reshape([-1 if j == i else 1 for j in range(n)]))
    return tuple(key)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    x, i = operand(arr), operand(indices)
    if axis is None:
        return ravel(x)[i]
    if x.ndim != i.ndim:
        raise ShapeError(f"take_along_axis: the array has {x.ndim} axes, the indices have {i.ndim}.")
    axis = axis_of(axis, x.ndim)
    dims = tuple(k if j == axis else max(k, m) for j, (k, m) in enumerate(zip(i.shape, x.shape, strict=True)))
    wide = tuple(x.shape[j] if j == axis else n for j, n in enumerate(dims))
    if x.shape != wide:
        x = broadcast_to(x, shape=wide)
    return x[_along(x, i, axis)]


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    from dualad.numpy.shaping import moveaxis

    x = operand(arr)
    axis = axis_of(axis, x.ndim)
    rows = moveaxis(x, axis, -1)
    lead = rows.shape[:-1]
    flat = reshape(rows, shape=(int(np.prod(lead, dtype=int)), x.shape[axis]))
    ys = [operand(func1d(flat[k], *args, **kwargs)) for k in range(flat.shape[0])]
    y = stack(ys)
    inner = ys[0].shape
    y = reshape(y, shape=(*lead, *inner))
    return moveaxis(y, tuple(range(len(lead), len(lead) + len(inner))), tuple(range(axis, axis + len(inner))))


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    from dualad.numpy.shaping import expand_dims

    x = operand(a)
    for axis in np.atleast_1d(axes).tolist():
        axis = axis_of(axis, x.ndim)
        y = func(x, axis)
        x = y if y.ndim == x.ndim else expand_dims(y, axis)
    return x


@implements(np.ix_)
def ix_(*args: Any) -> Any:
    return np.ix_(*[concrete(a, "ix_") for a in args])


# r_ and c_ ------------------------------------------------------------------------------------


class _Join:
    """``np.r_`` and ``np.c_`` for slices and arrays (no directive strings)."""

    def __init__(self, columns: bool) -> None:
        self.columns = columns

    def __getitem__(self, key: Any) -> Any:
        parts = []
        for k in key if isinstance(key, tuple) else (key,):
            if isinstance(k, str):
                raise ArgumentError("r_ and c_ take no directive strings here. Use concatenate or stack with an axis.")
            if isinstance(k, slice):
                step = 1 if k.step is None else k.step
                start = 0 if k.start is None else k.start
                x = (
                    linspace(start, k.stop, int(abs(step)))
                    if isinstance(step, complex)
                    else arange(start, k.stop, step)
                )
            else:
                x = operand(k)
            if self.columns:
                x = reshape(x, shape=(x.size, 1)) if x.ndim < 2 else x
            elif x.ndim == 0:
                x = reshape(x, shape=(1,))
            parts.append(x)
        return concatenate(parts, -1 if self.columns else 0)


r_ = _Join(columns=False)
c_ = _Join(columns=True)


# In place -------------------------------------------------------------------------------------


def target(a: Any, name: str) -> Tensor:
    """A tensor to write into; plain arrays are refused."""
    if type(a) is Tensor:
        return a
    raise UntrackedError(
        f"{name} would write tracked values into a plain NumPy array, which cannot hold them. Make it with "
        "dualad.numpy.zeros(n) or dualad.numpy.array(a)."
    )


def _plain_call(name: str, a: Any, *others: Any) -> bool:
    return type(a) is not Tensor and not holds_tensor(others)


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    if _plain_call("put", a, v):
        return np.put(a, ind, v, mode)
    x = target(a, "put")
    places = concrete(ind, "put").ravel()
    places = places % x.size if mode == "wrap" else np.clip(places, 0, x.size - 1) if mode == "clip" else places
    flat = ravel(x)
    values = ravel(v)
    flat[places] = values[np.arange(places.size) % max(values.size, 1)]
    x[...] = reshape(flat, shape=x.shape)  # type: ignore[index]


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    if _plain_call("place", arr, vals):
        return np.place(arr, mask, vals)
    put(arr, np.flatnonzero(concrete(mask, "place")), vals)


@implements(np.putmask)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    if _plain_call("putmask", a, values):
        return np.putmask(a, mask, values)
    x = target(a, "putmask")
    places = np.flatnonzero(concrete(mask, "putmask"))
    v = ravel(values)
    put(x, places, v[places % max(v.size, 1)])


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if _plain_call("copyto", dst, src):
        return np.copyto(dst, src, casting, where)
    x = target(dst, "copyto")
    x[...] = src if where is True else arithmetic.where(where, src, x * 1)  # type: ignore[index,operator]


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if _plain_call("fill_diagonal", a, val):
        return np.fill_diagonal(a, val, wrap)
    x = target(a, "fill_diagonal")
    marks = np.zeros(x.shape, bool)
    np.fill_diagonal(marks, True, wrap)
    put(x, np.flatnonzero(marks), val)


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    if _plain_call("put_along_axis", arr, values):
        return np.put_along_axis(arr, indices, values, axis)
    x, i = target(arr, "put_along_axis"), operand(indices)
    if axis is None:
        return put(x, i, values)
    x[_along(x, i, axis_of(axis, x.ndim))] = values  # type: ignore[index]


def _fill(x: Tensor, value: Any) -> None:
    x[...] = value  # type: ignore[index]


def _in_place(name: str) -> Any:
    """``x += y``: the tensor's value and history are replaced; a number is rebound, as NumPy's scalars are."""

    def run(x: Tensor, y: Any) -> Any:
        out = getattr(type(x), f"__{name}__")(x, y)
        if out is NotImplemented or not x.shape:
            return out
        x[...] = out  # type: ignore[index]
        return x

    return run


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    setattr(Tensor, f"__i{_name}__", _in_place(_name))
setattr(Tensor, "fill", _fill)
setattr(Tensor, "put", put)
setattr(Tensor, "compress", lambda x, condition, axis=None, out=None: compress(condition, x, axis))
setattr(Tensor, "tolist", lambda x: x.item())


__all__ = [
    "apply_along_axis", "apply_over_axes", "c_", "choose", "compress", "copyto", "extract", "fill_diagonal", "ix_",
    "piecewise", "place", "put", "put_along_axis", "putmask", "r_", "select", "take_along_axis", "where",
]  # fmt: skip
