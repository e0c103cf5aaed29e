"""Indexing: reading, scattering, assigning, in all of NumPy's forms.

An index is split into a static template (slices, ints, None) with ``ARRAY`` where an integer array stands, and the
arrays, which are arguments and can be batched. Ellipses are expanded and boolean masks become integer arrays.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.errors import DtypeError, IndexingError
from dualad.core.primitive import Primitive, plain
from dualad.core.tensor import Tensor
from dualad.ops.arithmetic import where
from dualad.ops.kinds import Params, constant, linear, movement, one_by_one
from dualad.ops.samples import Sample
from dualad.ops.shape import broadcast_to, reshape, transpose

ARRAY = "array"
Template = tuple[Any, ...]


def split(key: Any, ndim: int) -> tuple[Template, list[Any]]:
    """An index as (template, integer arrays)."""
    parts: list[Any] = []
    arrays: list[Any] = []
    ellipsis = None
    used = 0
    for k in key if isinstance(key, tuple) else (key,):
        if k is None:
            parts.append(k)
            continue
        if isinstance(k, (slice, int, np.integer)) and not isinstance(k, bool):
            parts.append(slice(*(_static(s) for s in (k.start, k.stop, k.step))) if isinstance(k, slice) else int(k))
            used += 1
            continue
        if k is Ellipsis:
            if ellipsis is not None:
                raise IndexingError("an index can only have a single ellipsis ('...')")
            ellipsis = len(parts)
            continue
        if type(k) is not Tensor:
            k = np.asarray(k, dtype=None if np.size(k) else np.intp) if not isinstance(k, np.ndarray) else k
        if k.dtype.kind == "b":
            value = k.level.look(k, "a boolean mask") if type(k) is Tensor else k
            if np.ndim(value) == 0:
                raise IndexingError("a single boolean is no index of a tensor. Write `x if condition else ...`.")
            found = np.nonzero(value)
            parts.extend([ARRAY] * len(found))
            arrays.extend(found)
            used += len(found)
        elif k.dtype.kind in "iu":
            parts.append(ARRAY)
            arrays.append(k)
            used += 1
        else:
            raise IndexingError(
                f"arrays used as indices must be of integer (or boolean) type; this one has dtype {k.dtype}. "
                "Write x[i.astype(int)]."
            )
    if used > ndim:
        raise IndexingError(f"too many indices: the tensor is {ndim}-dimensional, but {used} were indexed")
    rest = [slice(None)] * (ndim - used)
    parts[ellipsis if ellipsis is not None else len(parts) : ellipsis if ellipsis is not None else len(parts)] = rest
    return tuple(parts), arrays


def _static(s: Any) -> Any:
    return s if s is None else s.__index__()


def _fill(template: Template, arrays: Sequence[Any]) -> Template:
    it = iter(arrays)
    return tuple(next(it) if k is ARRAY else k for k in template) if arrays else template


def _result_shape(x: Any, arrays: Sequence[Any], template: Template) -> tuple[int, ...]:
    return np.broadcast_to(np.int8(0), x.shape)[_fill(template, arrays)].shape


def _is_advanced(k: Any) -> bool:
    return k is ARRAY or isinstance(k, int)


def _place(template: Template) -> int | None:
    """How many result axes come before those of the arrays; None where NumPy puts the arrays' axes first."""
    where_ = [i for i, k in enumerate(template) if _is_advanced(k)]
    return where_[0] if where_[-1] - where_[0] + 1 == len(where_) else None


def _batched_index(
    template: Template, arrays: Sequence[Any], batched: Sequence[bool], x_batched: bool, size: int
) -> tuple[Template, list[Any], Any]:
    """Index for a batched array, and the axes by which its result is brought to (batch, result axes)."""
    if not any(batched):
        if not arrays or _place(template) is not None:
            return (slice(None), *template), list(arrays), None
        n = max(np.ndim(a) for a in arrays)
        return (slice(None), *template), list(arrays), ("move", n)
    n = max(a.ndim - b for a, b in zip(arrays, batched, strict=True))
    wide = [
        reshape(a, shape=a.shape[:1] + (1,) * (n - a.ndim + 1) + a.shape[1:]) if b else a
        for a, b in zip(arrays, batched, strict=True)
    ]
    place = _place(template)
    if x_batched:
        lead = np.arange(size).reshape((size,) + (1,) * n)
        return (ARRAY, *template), [lead, *wide], ("spread", n, place or 0)
    return template, wide, None if place is None else ("move", place)


def _rearrange(y: Any, how: Any, back: bool = False) -> Any:
    if how is None:
        return y
    rank = y.ndim
    if how[0] == "move":
        order = [how[1], *[i for i in range(rank) if i != how[1]]]
    else:
        _, n, p = how
        rest = list(range(1 + n, rank))
        order = [0, *rest[:p], *range(1, 1 + n), *rest[p:]]
    if back:
        order = np.argsort(order).tolist()
    return transpose(y, axes=tuple(order))


def _index_batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    x, *arrays = args
    template, arrays, how = _batched_index(params["template"], arrays, batched[1:], batched[0], size)
    return _rearrange(index(x, *arrays, template=template), how)


def _scatter_batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    v, *arrays = args
    if not batched[0]:
        v = broadcast_to(v, shape=(size, *v.shape))
    template, arrays, how = _batched_index(params["template"], arrays, batched[1:], True, size)
    return scatter(_rearrange(v, how, back=True), *arrays, template=template, shape=(size, *params["shape"]))


def _scatter(v: Any, *arrays: Any, template: Template, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape, v.dtype)
    if arrays:
        np.add.at(out, _fill(template, arrays), v)
    else:
        out[template] = v
    return out


def _index_samples() -> list[Sample]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3, 4, 2))
    i, j = np.array([0, 2, 0]), np.array([[1], [0]])
    full = slice(None)
    return [
        Sample((x,), {"template": (1, slice(None, None, -2), full)}),
        Sample((x,), {"template": (full, None, 2, full)}),
        Sample((x, i), {"template": (ARRAY, full, full)}),
        Sample((x, i), {"template": (full, ARRAY, 1)}),
        Sample((x, i, j), {"template": (ARRAY, full, ARRAY)}),
        Sample((x, i, j), {"template": (full, ARRAY, ARRAY)}),
        Sample((x, np.empty(0, int)), {"template": (ARRAY, full, full)}),
    ]


def _scatter_samples() -> list[Sample]:
    rng = np.random.default_rng(6)
    out = []
    for s in _index_samples():
        x, *arrays = s.args
        t = s.params["template"]
        v = rng.normal(size=_result_shape(x, arrays, t))
        out.append(Sample((v, *arrays), {"template": t, "shape": x.shape}))
    return out


_ALL_BUT_FIRST = range(1, 64)

index = movement(
    "index",
    lambda x, *arrays, template: x[_fill(template, arrays)],
    lambda g, x, *arrays, template: (
        scatter(g, *arrays, template=template, shape=x.shape),
        *[None] * len(arrays),
    ),
    nonlinear=_ALL_BUT_FIRST,
    batch=_index_batch,
    samples=_index_samples,
)

scatter = linear(
    "scatter",
    _scatter,
    lambda g, v, *arrays, template, shape: (index(g, *arrays, template=template), *[None] * len(arrays)),
    nonlinear=_ALL_BUT_FIRST,
    batch=_scatter_batch,
    samples=_scatter_samples,
)


_donated = threading.local()  # the array that the assignment in progress may write into


def _index_set(x: Any, v: Any, *arrays: Any, template: Template) -> Any:
    out: Any = x if x is getattr(_donated, "array", None) else np.array(x)
    out[_fill(template, arrays)] = v
    return out


def _winners(*arrays: Any, template: Template, shape: tuple[int, ...]) -> Any:
    """Of the places an assignment writes, those that nothing later overwrites."""
    key = _fill(template, arrays)
    last = np.full(shape, -1)
    order = np.arange(last[key].size).reshape(last[key].shape)
    last[key] = order
    return last[key] == order


winners = constant("winners", _winners, 0, batch=one_by_one)


def _index_set_transpose(g: Any, x: Any, v: Any, *arrays: Any, template: Template) -> Any:
    from dualad.ops.reduce import sum_to

    gv = index(g, *arrays, template=template)
    if arrays:
        gv = where(winners(*arrays, template=template, shape=x.shape), gv, g.dtype.type(0))
    if gv.shape != v.shape:
        gv = sum_to(gv, v.shape) if gv.ndim >= len(v.shape) else reshape(gv, shape=v.shape)
    gx = index_set(g, g.dtype.type(0), *arrays, template=template)
    return (gx, gv, *[None] * len(arrays))


def _index_set_batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    if any(batched[2:]):
        return one_by_one(index_set, args, batched, size, params)
    x, v, *arrays = args
    if not batched[0]:
        x = broadcast_to(x, shape=(size, *x.shape))
    template, arrays, how = _batched_index(params["template"], arrays, batched[2:], True, size)
    shape = _result_shape(x, arrays, template)
    if how is not None:
        n = how[1]
        shape = (shape[n], *shape[:n], *shape[n + 1 :])
    if batched[1]:  # align v with the result behind the batch axis
        v = reshape(v, shape=(size,) + (1,) * (len(shape) - v.ndim) + v.shape[1:])
    v = broadcast_to(v, shape=shape)
    return index_set(x, _rearrange(v, how, back=True), *arrays, template=template)


def _index_set_samples() -> list[Sample]:
    rng = np.random.default_rng(7)
    out = []
    for s in _index_samples():
        x, *arrays = s.args
        v = rng.normal(size=_result_shape(x, arrays, s.params["template"]))
        out.append(Sample((x, v, *arrays), s.params, degenerate=bool(arrays)))  # JAX: duplicates are undefined
    out.append(Sample((rng.normal(size=(3, 4)), rng.normal(size=(4,))), {"template": (slice(0, 2), slice(None))}))
    out.append(Sample((rng.normal(size=3), rng.normal(size=2), np.array([0, 2])), {"template": (ARRAY,)}))
    return out


index_set = linear(
    "index_set",
    _index_set,
    _index_set_transpose,
    nonlinear=range(2, 64),
    batch=_index_set_batch,
    samples=_index_set_samples,
)


def getitem(x: Any, key: Any) -> Any:
    """``x[key]``."""
    template, arrays = split(key, x.ndim)
    return index(x, *arrays, template=template)


def setitem(x: Tensor, key: Any, v: Any) -> None:
    """``x[key] = v``: the tensor's value and history are replaced; arrays that others can see are left as they are."""
    template, arrays = split(key, x.ndim)
    v = plain(v)
    if not isinstance(v, Tensor):
        v = np.asarray(v)[()]
    kind, vkind = x.dtype.kind, v.dtype.kind
    if "biufc".index(vkind) > "biufc".index(kind) and (type(v) is Tensor or vkind == "c"):
        raise DtypeError(
            f"assigning {v.dtype} values into a buffer of dtype {x.dtype} would drop their derivative (or imaginary "
            f"part). Make the buffer with dtype={v.dtype}."
        )
    _donated.array = x.value if _exclusive(x) else None
    try:
        y = index_set(x, v, *arrays, template=template)
    finally:
        _donated.array = None
    if type(y) is Tensor:
        x.value, x.level, x.aux = y.value, y.level, y.aux
    else:
        x.value = y


def _exclusive(x: Tensor) -> bool:
    """Whether nobody but ``x`` refers to its array, so that writing into it cannot be seen by anyone else."""
    return (
        type(x.value) is np.ndarray
        and x.value.base is None
        and x.value.flags.writeable
        and sys.getrefcount(x.value) == 2  # the slot and this call's argument
    )


setattr(Tensor, "__getitem__", getitem)
setattr(Tensor, "__setitem__", setitem)
