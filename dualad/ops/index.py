"""Indexing: reading, scattering, assigning, in all of NumPy's forms.

An index is split into a static template (slices, ints, None) with ``ARRAY`` where an integer array stands, and the
arrays, which are arguments and can be batched. Ellipses are expanded and boolean masks become integer arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.deferred import Deferred, held
from dualad.core.errors import ArgumentError, DtypeError, DualadError, IndexingError, ShapeError
from dualad.core.level import GROUND
from dualad.core.primitive import Primitive, bind, plain
from dualad.core.tensor import Tensor, new_tensor
from dualad.ops import dependence
from dualad.ops.arithmetic import where
from dualad.ops.kinds import Linear, Movement, Params, constant, linear
from dualad.ops.samples import Sample
from dualad.ops.shape import astype, broadcast_to, reshape, transpose
from dualad.ops.views import become, donating, is_donated, propagate, view, write_number

ARRAY = "array"
Template = tuple[Any, ...]


def split(key: Any, ndim: int, shape: tuple[int, ...] | None = None) -> tuple[Template, list[Any]]:
    """An index as (template, integer arrays); with ``shape``, masks are held against it."""
    parts: list[Any] = []
    arrays: list[Any] = []
    masks: list[tuple[int, tuple[int, ...]]] = []
    ellipsis = None
    used = 0
    for k in key if isinstance(key, tuple) else (key,):
        if k is None:
            parts.append(k)
            continue
        if isinstance(k, (bool, np.bool_)):
            parts.append(bool(k))
            continue
        if isinstance(k, slice):
            parts.append(slice(*(_static(s) for s in (k.start, k.stop, k.step))))
            used += 1
            continue
        if isinstance(k, (int, np.integer)):
            parts.append(int(k))
            used += 1
            continue
        if k is Ellipsis:
            if ellipsis is not None:
                raise IndexingError("an index can only have a single ellipsis ('...')")
            ellipsis = len(parts)
            continue
        if type(k) is not Tensor:
            k = _array_of(k)
        elif k.level is GROUND:
            k = np.asarray(k.value)
        if k.dtype.kind == "b":
            value = np.asarray(k.level.look(k, "a boolean mask") if type(k) is Tensor else k)
            if value.ndim == 0:
                parts.append(bool(value))
                continue
            found = np.nonzero(value)
            masks.append((len(parts), value.shape))
            parts.extend([ARRAY] * len(found))
            arrays.extend(found)
            used += len(found)
        elif k.dtype.kind in "iu":
            if type(k) is not Tensor and k.ndim == 0:
                parts.append(int(k))
            else:
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
    if arrays and _has_bool(parts):
        raise IndexingError("a single boolean together with index arrays is not supported. Index in two steps.")
    at = len(parts) if ellipsis is None else ellipsis
    parts[at:at] = [slice(None)] * (ndim - used)
    if masks and shape is not None:
        _check_masks(parts, [(i + (ndim - used if i >= at else 0), dims) for i, dims in masks], shape)
    return tuple(parts), arrays


def _check_masks(parts: list[Any], masks: list[tuple[int, tuple[int, ...]]], shape: tuple[int, ...]) -> None:
    for i, dims in masks:
        axis = sum([k is not None and type(k) is not bool for k in parts[:i]])
        if shape[axis : axis + len(dims)] != dims:
            raise IndexingError(
                f"a boolean mask of shape {dims} does not match the axes it indexes, of shape "
                f"{shape[axis : axis + len(dims)]}."
            )


def _array_of(k: Any) -> Any:
    """A list or array as an index."""
    if isinstance(k, np.ndarray):
        return k
    k = plain(k)
    if type(k) is Tensor or np.size(k):
        return k if type(k) is Tensor else np.asarray(k)
    return np.asarray(k, np.intp)


def _has_bool(parts: Sequence[Any]) -> bool:
    return any(type(k) is bool for k in parts)


def _ints(s: slice) -> bool:
    return all(k is None or type(k) is int for k in (s.start, s.stop, s.step))


def _static(s: Any) -> Any:
    try:
        return s if s is None else s.__index__()
    except AttributeError:
        raise ArgumentError(f"slices and shifts must be integers, not {s!r}. Write int(s).") from None


def _fill(template: Template, arrays: Sequence[Any]) -> Template:
    it = iter(arrays)
    return tuple(next(it) if k is ARRAY else k for k in template) if arrays else template


def _result_shape(x: Any, arrays: Sequence[Any], template: Template) -> tuple[int, ...]:
    arrays = [np.zeros(a.shape, np.intp) if type(a) is Tensor else a for a in arrays]
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


def _order(how: Any, rank: int) -> list[int]:
    if how is None:
        return list(range(rank))
    if how[0] == "move":
        return [how[1], *[i for i in range(rank) if i != how[1]]]
    _, n, p = how
    rest = list(range(1 + n, rank))
    return [0, *rest[:p], *range(1, 1 + n), *rest[p:]]


def _rearrange(y: Any, how: Any, back: bool = False) -> Any:
    if how is None:
        return y
    order = _order(how, y.ndim)
    return transpose(y, axes=tuple(np.argsort(order).tolist() if back else order))


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
    if type(v) is Deferred:
        return Deferred(
            _scatter, (v, *map(held, arrays)), tuple(shape), v.dtype, {"template": template, "shape": shape}
        )
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


class _Index(Movement):
    """Calls without index arrays are hot: ``bind`` without its search."""

    accumulates = True

    def accumulate(
        self, g: Any, mine: bool, parents: Sequence[Any], args: Sequence[Any], params: Params, cts: Any, owned: Any
    ) -> bool:
        """Add to the cotangent of the indexed array in place: a loop over n elements takes O(n), not O(n^2)."""
        x, *arrays = args
        if parents[0] is None or type(g) is Tensor or g.dtype != x.dtype or any(type(a) is Tensor for a in arrays):
            return False
        k = parents[0]
        c = cts.get(k)
        if c is None:
            cts[k] = _scatter(g, *arrays, shape=x.shape, **params)
        elif type(c) is not np.ndarray:
            return False
        else:
            if k not in owned:
                cts[k] = c = c.copy()
            key = _fill(params["template"], arrays)
            if arrays:
                np.add.at(c, key, g)
            else:
                c[key] += g
        owned.add(k)
        return True

    def __call__(self, x: Any, *arrays: Any, template: Template) -> Any:
        if arrays:
            return bind(self, (x, *arrays), {"template": template})
        return x.level.bind(self, (x,), {"template": template}) if type(x) is Tensor else x[template]


index = _Index(
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
    sparsity=dependence.scattered(lambda x, *arrays, template: x[_fill(template, arrays)]),
    samples=_scatter_samples,
)


def _index_set(x: Any, v: Any, *arrays: Any, template: Template) -> Any:
    out: Any = x if is_donated(x) else np.array(x)
    out[_fill(template, arrays)] = v
    return out


def _winners(*arrays: Any, template: Template, shape: tuple[int, ...]) -> Any:
    """Of the places an assignment writes, those that nothing later overwrites."""
    key = _fill(template, arrays)
    last = np.full(shape, -1)
    order = np.arange(last[key].size).reshape(last[key].shape)
    last[key] = order
    return last[key] == order


def _winners_batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    template, arrays, how = _batched_index(params["template"], args, batched, True, size)
    return _rearrange(prim(*arrays, template=template, shape=(size, *params["shape"])), how)


winners = constant("winners", _winners, 0, batch=_winners_batch)


def _fitted(gv: Any, shape: tuple[int, ...]) -> Any:
    """The cotangent of assigned values that were broadcast to the place."""
    from dualad.ops.reduce import sum_to

    if gv.shape == shape:
        return gv
    dims = shape[max(0, len(shape) - gv.ndim) :]
    gv = sum_to(gv, dims)
    return gv if dims == shape else reshape(gv, shape=shape)


def _index_set_transpose(g: Any, x: Any, v: Any, *arrays: Any, template: Template) -> Any:
    gv = index(g, *arrays, template=template)
    if arrays:
        gv = where(winners(*arrays, template=template, shape=x.shape), gv, g.dtype.type(0))
    gv = _fitted(gv, v.shape)
    gx = index_set(g, g.dtype.type(0), *arrays, template=template)
    return (gx, gv, *[None] * len(arrays))


def _index_set_batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    x, v, *arrays = args
    if not batched[0]:
        x = broadcast_to(x, shape=(size, *x.shape))
    template, arrays, how = _batched_index(params["template"], arrays, batched[2:], True, size)
    shape = _result_shape(x, arrays, template)
    shape = tuple([shape[i] for i in _order(how, len(shape))])
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


class _IndexSet(Linear):
    accumulates = True

    def accumulate(
        self, g: Any, mine: bool, parents: Sequence[Any], args: Sequence[Any], params: Params, cts: Any, owned: Any
    ) -> bool:
        """The cotangent goes on to the array before the assignment, in place where it is this walk's own."""
        x, v, *arrays = args
        if type(g) is not np.ndarray or g.dtype != x.dtype or v.dtype != x.dtype:
            return False
        if any(type(a) is Tensor for a in arrays):
            return False
        key = _fill(params["template"], arrays)
        px, pv = parents[:2]
        if pv is not None:
            gv: Any = np.array(g[key])[()]
            if arrays:
                gv = np.where(_winners(*arrays, shape=x.shape, **params), gv, g.dtype.type(0))[()]
            gv = _fitted(gv, v.shape)
            c = cts.get(pv)
            cts[pv] = gv if c is None else c + gv
        if px is not None:
            g = g if mine else g.copy()
            g[key] = 0
            c = cts.get(px)
            if c is None:
                owned.add(px)
                cts[px] = g
            else:
                cts[px] = c + g
        return True

    def __call__(self, x: Any, v: Any, *arrays: Any, template: Template) -> Any:
        if arrays or type(x) is Tensor or type(v) is Tensor:
            return bind(self, (x, v, *arrays), {"template": template})
        return _index_set(x, v, template=template)


index_set = _IndexSet(
    "index_set",
    _index_set,
    _index_set_transpose,
    nonlinear=range(2, 64),
    batch=_index_set_batch,
    sparsity=dependence.moved(_index_set, lambda k: k < 2),
    samples=_index_set_samples,
)


_REST = tuple((slice(None),) * n for n in range(65))


def getitem(x: Any, key: Any) -> Any:
    """``x[key]``; a view where NumPy's is one."""
    kind = type(key)
    if kind is int or (kind is slice and _ints(key)):  # loops over elements: no array, nothing to expand
        rest = len(x.shape) - 1
        if rest >= 0:
            params = {"template": (key, *_REST[rest]) if rest else (key,)}
            y = x.level.bind(index, (x,), params)
            return y if kind is int and not rest else view(x, y, index, params)
    template, arrays = split(key, x.ndim, x.shape)
    y = index(x, *arrays, template=template)
    if type(x) is not Tensor or not y.shape:
        return y
    if arrays or _has_bool(template):  # a copy; of a buffer, a buffer
        return y if type(y) is Tensor else new_tensor(y, GROUND, None)
    return view(x, y, index, {"template": template})


def setitem(x: Tensor, key: Any, v: Any) -> None:
    """``x[key] = v``: the tensor's value and history are replaced; arrays that others can see are left as they are."""
    if type(v) is float:
        if type(key) is int and write_number(x, key, v):
            return
        v = np.float64(v)
    elif type(v) is not Tensor:
        v = plain(v)
        if type(v) is not Tensor:
            v = np.asarray(v)[()]
    if v.dtype is not x.dtype:
        check_dtype(x, v)
    if type(key) is int and len(x.shape) == 1:
        template: Template = (key,)
        arrays: list[Any] = []
    else:
        mask = _mask(key)
        if mask is not None and _assign_where(x, mask, v):
            return
        template, arrays = split(key, x.ndim, x.shape)
        if type(v) is Tensor:
            source = getattr(v, "source", None)
            if source is not None and source[0] is x and source[1] is index and source[2]["template"] == template:
                return  # x[key] += ... has already written through the view
    if v.shape:
        rank = _result_rank(template, arrays)
        if v.ndim > rank:  # as NumPy: leading axes of size 1 may be too many
            if v.shape[: v.ndim - rank] != (1,) * (v.ndim - rank):
                raise ShapeError(f"assignment: values of shape {v.shape} do not fit into a place of {rank} axes.")
            v = reshape(v, shape=v.shape[v.ndim - rank :])
    try:
        y = donating(x, v, index_set, (x, v, *arrays), {"template": template})
    except ValueError as e:
        raise _explained(e, x, v, template, arrays) from None
    x.written = True
    if type(y) is Tensor:
        x.value, x.level, x.aux = y.value, y.level, y.aux
    else:
        x.value = y
    if hasattr(x, "source") or hasattr(x, "views"):
        propagate(x, None if arrays else template)


def _explained(e: ValueError, x: Any, v: Any, template: Template, arrays: Sequence[Any]) -> ValueError:
    if isinstance(e, DualadError) or "broadcast" not in str(e):
        return e
    return ShapeError(
        f"assignment: values of shape {v.shape} do not broadcast to the shape of the place, "
        f"{_result_shape(x, arrays, template)}."
    )


def check_dtype(x: Any, v: Any) -> None:
    """Refuse an assignment that would drop a derivative or an imaginary part."""
    kind, given = x.dtype.kind, v.dtype.kind
    if kind != given and _KINDS.index(given) > _KINDS.index(kind) and (type(v) is Tensor or given == "c"):
        raise DtypeError(
            f"assigning {v.dtype} values into a buffer of dtype {x.dtype} would drop their derivative (or imaginary "
            f"part). Make the buffer with dtype={v.dtype}."
        )


_KINDS = "biufcMmOSUV"


def _result_rank(template: Template, arrays: Sequence[Any]) -> int:
    rank = sum([k is None or type(k) is slice for k in template])
    if arrays:
        rank += max([a.ndim for a in arrays])
    return rank + _has_bool(template)


def _mask(key: Any) -> Any:
    """The key, where it is a boolean mask and nothing else."""
    if type(key) is Tensor or type(key) is np.ndarray:
        return key if key.dtype.kind == "b" else None
    return None


def _assign_where(x: Tensor, mask: Any, v: Any) -> bool:
    """``x[mask] = v`` by selection, where ``v`` has no axis for the chosen places: then nobody need look at the mask."""
    n = mask.ndim
    if x.level is GROUND and type(v) is not Tensor and (type(mask) is not Tensor or mask.level is GROUND):
        return False
    if mask.shape != x.shape[:n] or v.ndim > x.ndim - n:
        return False
    if n < x.ndim:
        mask = reshape(mask, shape=mask.shape + (1,) * (x.ndim - n))
    if v.dtype != x.dtype:
        v = astype(v, dtype=x.dtype) if v.dtype.kind in "fc" or type(v) is not Tensor else v * x.dtype.type(1)
    y = where(mask, v, x)
    if y.shape != x.shape:
        raise ShapeError(f"assignment: values of shape {v.shape} do not fit into {x.shape} where the mask holds.")
    become(x, y)
    return True


setattr(Tensor, "__getitem__", getitem)
setattr(Tensor, "__setitem__", setitem)
