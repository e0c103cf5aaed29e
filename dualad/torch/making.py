"""Making tensors: constants, ranges, random numbers, from NumPy."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.torch.dtypes import default_float
from dualad.torch.functions import NAMES, function
from dualad.torch.shaping import dims_of, to
from dualad.torch.tensor import Tensor, make

# Making ---------------------------------------------------------------------------------------


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(int(k) for k in dims_of(size))


def _made(value: Any, kind: Any, requires_grad: builtins.bool) -> Tensor:
    kind = default_float() if kind is None else kind.numpy
    out = Tensor(np.asarray(value).astype(kind)[()])
    return out.requires_grad_() if requires_grad else out


def _maker(name: str, f: Callable[[tuple[int, ...]], Any]) -> None:
    def run(*size: Any, dtype: Any = None, requires_grad: builtins.bool = False, **_: Any) -> Tensor:
        return _made(f(_shape(size)), dtype, requires_grad)

    def like(input: Any, *, dtype: Any = None, requires_grad: builtins.bool = False, **_: Any) -> Tensor:
        return _made(f(input.shape), input.dtype if dtype is None else dtype, requires_grad)

    run.__name__ = name
    NAMES[name], NAMES[f"{name}_like"] = run, like


RANDOM = [np.random.default_rng(0)]
_maker("zeros", np.zeros)
_maker("ones", np.ones)
_maker("empty", np.zeros)
_maker("rand", lambda s: RANDOM[0].random(s))
_maker("randn", lambda s: RANDOM[0].standard_normal(s))


@function(method=False)
def manual_seed(seed: int) -> None:
    """Seed the generator (NumPy's PCG64: the numbers are not PyTorch's)."""
    RANDOM[0] = np.random.default_rng(seed)


@function(method=False)
def randint(low: int, high: Any = None, size: Any = None, **_: Any) -> Tensor:
    if size is None:
        low, high, size = 0, low, high
    return Tensor(RANDOM[0].integers(low, high, tuple(size))[()])


@function(method=False)
def randperm(n: int) -> Tensor:
    return Tensor(RANDOM[0].permutation(n))


@function(method=False)
def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    out = make(np.full(tuple(size), fill_value).tolist(), dtype)
    return out.requires_grad_() if requires_grad else out


@function(method=False)
def eye(n: int, m: Any = None, *, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    return _made(np.eye(n, m), dtype, requires_grad)


@function(method=False)
def arange(*args: Any, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    value = np.arange(*args)
    value = value if dtype is not None or value.dtype.kind != "f" else value.astype(default_float())
    out = Tensor(value if dtype is None else value.astype(dtype.numpy))
    return out.requires_grad_() if requires_grad else out


@function(method=False)
def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, requires_grad: builtins.bool = False) -> Tensor:
    return _made(np.linspace(start, end, steps), dtype, requires_grad)


@function(method=False)
def from_numpy(ndarray: Any) -> Tensor:
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return Tensor(ndarray)


@function(method=False)
def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    if isinstance(data, Tensor):
        return data if dtype is None else to(data, dtype)
    return make(data, dtype)


@function(method=False)
def is_tensor(obj: Any) -> builtins.bool:
    return isinstance(obj, Tensor)


@function(method=False)
def numel(input: Any) -> int:
    return input.numel()
