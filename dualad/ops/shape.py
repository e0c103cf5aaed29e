"""Shapes: reshape, transpose, broadcast, stack, cast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops import dependence
from dualad.ops.kinds import Params, constant, linear, movement
from dualad.ops.samples import array, several


def _batch_reshape(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    return prim(*args, shape=(size, *params["shape"]))


reshape = movement(
    "reshape",
    lambda x, shape: np.reshape(x, shape),
    lambda g, x, *, shape: reshape(g, shape=x.shape),
    batch=_batch_reshape,
    samples=array((2, 3), params=({"shape": (6,)}, {"shape": (3, 1, 2)}), complex=True),
)


def _expanded(x: Any, axis: tuple[int, ...]) -> Any:
    return np.expand_dims(x, axis)


def expand_dims(x: Any, *, axis: tuple[int, ...]) -> Any:
    """``x`` with size-1 axes at the positions ``axis`` of the result."""
    shape = list(x.shape)
    for a in sorted(axis):
        shape.insert(a, 1)
    return reshape(x, shape=tuple(shape))


def _batch_broadcast(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    (x,) = args
    shape = params["shape"]
    x = reshape(x, shape=(size,) + (1,) * (len(shape) - x.ndim + 1) + x.shape[1:])
    return prim(x, shape=(size, *shape))


def _transpose_broadcast(g: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    from dualad.ops.reduce import sum_to

    return sum_to(g, x.shape)


def _broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    out = np.empty(shape, x.dtype)
    if out.size > 10_000:  # a view; for small arrays, filling is much faster than np.broadcast_to
        return np.broadcast_to(x, shape)
    out[...] = x
    return out


broadcast_to = movement(
    "broadcast_to",
    _broadcast,
    _transpose_broadcast,
    batch=_batch_broadcast,
    samples=array((2, 1), params=({"shape": (2, 3)}, {"shape": (4, 2, 3)})),
)

transpose = movement(
    "transpose",
    lambda x, axes: np.transpose(x, axes),
    lambda g, x, *, axes: transpose(g, axes=tuple(np.argsort(axes).tolist())),
    batch=lambda prim, args, batched, size, params: prim(*args, axes=(0, *[a + 1 for a in params["axes"]])),
    samples=array((2, 3, 4), params=({"axes": (2, 0, 1)}, {"axes": (0, 1, 2)})),
)


def _cast(x: Any, dtype: Any) -> Any:
    if x.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        x = x.real
    return x.astype(dtype)


def _transpose_cast(g: Any, x: Any, *, dtype: Any) -> Any:
    return astype(g, dtype=x.dtype)


# Between inexact dtypes; complex to real takes the real part, whose transpose is the embedding.
astype = movement(
    "astype",
    _cast,
    _transpose_cast,
    batch=lambda prim, args, batched, size, params: prim(*args, **params),
    sparsity=dependence.elementwise,
    samples=array((3,), params=({"dtype": np.float32}, {"dtype": np.complex128})),
)


# From or to integers and booleans: constant.
cast_constant = constant(
    "cast_constant",
    lambda x, dtype: _cast(np.asarray(x), dtype)[()],
    0,
    batch=lambda prim, args, batched, size, params: prim(*args, **params),
    samples=array((3,), params=({"dtype": np.int64}, {"dtype": np.bool_})),
)


def _stack_batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    same = [a if b else broadcast_to(a, shape=(size, *a.shape)) for a, b in zip(args, batched, strict=True)]
    return prim(*same, axis=params["axis"] + 1)


def unstack(g: Any, axis: int, count: int) -> tuple[Any, ...]:
    """The slices of ``g`` along ``axis``."""
    lead = (slice(None),) * axis
    return tuple(g[(*lead, k)] for k in range(count))


def _stack(*xs: Any, axis: int) -> Any:
    return np.stack(xs, axis) if xs[0].shape else np.array(xs)  # of numbers, in a tenth of the time


stack = linear(
    "stack",
    _stack,
    lambda g, *xs, axis: unstack(g, axis, len(xs)),
    batch=_stack_batch,
    sparsity=dependence.moved(_stack, lambda k: True),
    samples=several(
        array((2, 3), (2, 3), (2, 3), params=({"axis": 0}, {"axis": 2})), array((), (), params=({"axis": 0},))
    ),
)


def _concatenate_transpose(g: Any, *xs: Any, axis: int) -> tuple[Any, ...]:
    lead = (slice(None),) * axis
    out = []
    start = 0
    for x in xs:
        out.append(g[(*lead, slice(start, start + x.shape[axis]))])
        start += x.shape[axis]
    return tuple(out)


concatenate = linear(
    "concatenate",
    lambda *xs, axis: np.concatenate(xs, axis),
    _concatenate_transpose,
    batch=_stack_batch,
    sparsity=dependence.moved(lambda *xs, axis: np.concatenate(xs, axis), lambda k: True),
    samples=array((2, 3), (1, 3), (0, 3), params=({"axis": 0},), complex=True),
)
