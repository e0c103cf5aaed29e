"""Products, shapes and casts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import dualad.numpy as dnp
from dualad.torch.dtypes import dtype
from dualad.torch.functions import METHODS, NAMES, apply, axes_of, function, pair, wrap
from dualad.torch.graph import MODE
from dualad.torch.tensor import Tensor, core

# Products -------------------------------------------------------------------------------------


@function()
def matmul(input: Any, other: Any) -> Any:
    a, b = pair(input, other)
    ranks = (len(a.shape), len(b.shape))
    title = {(1, 1): "DotBackward0", (2, 1): "MvBackward0", (1, 2): "SqueezeBackward4", (2, 2): "MmBackward0"}.get(
        ranks, "UnsafeViewBackward0"
    )
    if min(ranks) > 0 and a.shape[-1] != b.shape[-2 if ranks[1] > 1 else 0]:
        if ranks == (2, 2):
            raise RuntimeError(
                f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
            )
        raise RuntimeError(f"size mismatch, got input {tuple(a.shape)} and other {tuple(b.shape)}")
    return wrap(dnp.matmul(a, b), title)


for _name in ("mm", "mv", "bmm"):
    NAMES[_name] = matmul
    METHODS.add(_name)


@function()
def dot(input: Any, other: Any) -> Any:
    return apply("DotBackward0", dnp.dot, input, other)


@function("ger")
def outer(input: Any, vec2: Any) -> Any:
    return apply("MulBackward0", dnp.outer, input, vec2)


@function(method=False)
def einsum(equation: str, *operands: Any) -> Any:
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    return apply("EinsumBackward0", lambda *xs: dnp.einsum(equation, *xs), *operands)


@function()
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    return apply("AddmmBackward0", lambda c, a, b: beta * c + alpha * dnp.matmul(a, b), input, mat1, mat2)


# Shapes ---------------------------------------------------------------------------------------


def dims_of(dims: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims


@function()
def reshape(input: Any, *shape: Any) -> Any:
    dims = dims_of(shape)
    known = math.prod(k for k in dims if k != -1)
    if (-1 in dims and (known == 0 or input.numel() % known)) or (-1 not in dims and known != input.numel()):
        raise RuntimeError(f"shape '{list(dims)}' is invalid for input of size {input.numel()}")
    return apply("ViewBackward0", lambda x: dnp.reshape(x, dims), input)


NAMES["view"] = reshape
METHODS.add("view")


@function()
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    n = input.ndim
    a, b = start_dim % max(n, 1), end_dim % max(n, 1)
    dims = (*input.shape[:a], math.prod(input.shape[a : b + 1]), *input.shape[b + 1 :])
    return reshape(input, *dims)


@function("swapaxes")
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    return apply("TransposeBackward0", lambda x: dnp.swapaxes(x, dim0, dim1), input)


@function()
def t(input: Any) -> Any:
    return apply("TBackward0", lambda x: dnp.transpose(x), input)


@function()
def permute(input: Any, *dims: Any) -> Any:
    return apply("PermuteBackward0", lambda x: dnp.transpose(x, dims_of(dims)), input)


@function()
def squeeze(input: Any, dim: Any = None) -> Any:
    if dim is not None and input.shape[dim] != 1:
        return apply("SqueezeBackward1", lambda x: x, input)
    return apply("SqueezeBackward0" if dim is None else "SqueezeBackward1", lambda x: dnp.squeeze(x, dim), input)


@function()
def unsqueeze(input: Any, dim: int) -> Any:
    return apply("UnsqueezeBackward0", lambda x: dnp.expand_dims(x, dim), input)


@function()
def expand(input: Any, *sizes: Any) -> Any:
    dims = list(dims_of(sizes))
    lead = len(dims) - input.ndim
    dims = [input.shape[i - lead] if k == -1 else k for i, k in enumerate(dims)]
    return apply("ExpandBackward0", lambda x: dnp.broadcast_to(x, tuple(dims)), input)


NAMES["broadcast_to"] = expand


@function()
def expand_as(input: Any, other: Any) -> Any:
    return expand(input, *other.shape)


@function()
def repeat(input: Any, *sizes: Any) -> Any:
    return apply("RepeatBackward0", lambda x: dnp.tile(x, dims_of(sizes)), input)


@function(method=False)
def cat(tensors: Any, dim: int = 0) -> Any:
    return wrap(dnp.concatenate([core(x) for x in tensors], dim), "CatBackward0")


NAMES["concat"] = NAMES["concatenate"] = cat


@function(method=False)
def stack(tensors: Any, dim: int = 0) -> Any:
    return wrap(dnp.stack([core(x) for x in tensors], dim), "StackBackward0")


@function()
def split(tensor: Any, split_size: Any, dim: int = 0) -> Any:
    n = tensor.shape[dim]
    cuts = (
        list(range(split_size, n, split_size)) if isinstance(split_size, int) else np.cumsum(split_size)[:-1].tolist()
    )
    return wrap(dnp.array_split(core(tensor), cuts, dim), "SplitBackward0")


@function()
def chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    return split(input, max(1, -(-input.shape[dim] // chunks)), dim)


@function()
def unbind(input: Any, dim: int = 0) -> Any:
    return wrap(tuple(dnp.take(core(input), i, dim) for i in range(input.shape[dim])), "UnbindBackward0")


@function()
def flip(input: Any, dims: Any) -> Any:
    return apply("FlipBackward0", lambda x: dnp.flip(x, axes_of(dims)), input)


@function()
def tril(input: Any, diagonal: int = 0) -> Any:
    return apply("TrilBackward0", lambda x: dnp.tril(x, diagonal), input)


@function()
def triu(input: Any, diagonal: int = 0) -> Any:
    return apply("TriuBackward0", lambda x: dnp.triu(x, diagonal), input)


@function()
def diag(input: Any, diagonal: int = 0) -> Any:
    return apply("DiagBackward0", lambda x: dnp.diag(x, diagonal), input)


@function()
def trace(input: Any) -> Any:
    return apply("TraceBackward0", dnp.trace, input)


@function()
def gather(input: Any, dim: int, index: Any) -> Any:
    return apply("GatherBackward0", lambda x: dnp.take_along_axis(x, np.asarray(index.value), dim), input)


@function()
def index_select(input: Any, dim: int, index: Any) -> Any:
    return apply("IndexSelectBackward0", lambda x: dnp.take(x, np.asarray(index.value), dim), input)


@function()
def clone(input: Any) -> Any:
    if not (input.requires_grad and MODE.enabled):
        return Tensor(np.array(input.value)[()])
    return apply("CloneBackward0", lambda x: x * x.dtype.type(1), input)


@function("type")
def to(input: Any, *args: Any, dtype: Any = None, **_: Any) -> Any:
    for a in args:
        if isinstance(a, _DType):
            dtype = a
        elif isinstance(a, Tensor):
            dtype = a.dtype
    if dtype is None or dtype.numpy == input._core.dtype:
        return input
    return apply("ToCopyBackward0", lambda x: dnp.astype(x, dtype.numpy), input)


_DType = dtype
