"""Operators, indexing, in-place forms and the remaining methods of Tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import dualad.numpy as dnp
from dualad.core.tensor import Tensor as Core
from dualad.torch import dtypes
from dualad.torch.functions import METHODS, NAMES, add, apply, cast, div, mul, pow, sub, wrap
from dualad.torch.graph import MODE
from dualad.torch.making import RANDOM
from dualad.torch.shaping import matmul, to
from dualad.torch.tensor import Tensor, core

IN_PLACE_LEAF = "a leaf Variable that requires grad is being used in an in-place operation."


def _operand(x: Any) -> Any:
    return x if isinstance(x, (Tensor, Core, int, float, complex, np.ndarray, np.generic)) else NotImplemented


def _operator(f: Callable[..., Any], swapped: bool = False) -> Callable[..., Any]:
    def run(a: Any, b: Any) -> Any:
        if _operand(b) is NotImplemented:
            return NotImplemented
        return f(b, a) if swapped else f(a, b)

    return run


for _name, _f in {
    "add": add, "sub": sub, "mul": mul, "truediv": div, "pow": pow, "matmul": matmul, "mod": NAMES["remainder"],
    "floordiv": NAMES["floor_divide"],
}.items():  # fmt: skip
    setattr(Tensor, f"__{_name}__", _operator(_f))
    setattr(Tensor, f"__r{_name}__", _operator(_f, swapped=True))
for _name, _f in {
    "eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "and": "bitwise_and", "or": "bitwise_or",
}.items():  # fmt: skip
    setattr(Tensor, f"__{_name}__", _operator(NAMES[_f]))
setattr(Tensor, "__neg__", NAMES["neg"])
setattr(Tensor, "__pos__", lambda x: x)
setattr(Tensor, "__abs__", NAMES["abs"])
setattr(Tensor, "__invert__", NAMES["logical_not"])

for _name in METHODS:
    setattr(Tensor, _name, (lambda f: lambda self, *a, **k: f(self, *a, **k))(NAMES[_name]))

setattr(Tensor, "T", property(lambda x: NAMES["permute"](x, *range(x.ndim)[::-1])))
setattr(Tensor, "mT", property(lambda x: NAMES["transpose"](x, -1, -2)))
setattr(Tensor, "real", property(lambda x: apply("RealBackward0", dnp.real, x)))
setattr(Tensor, "imag", property(lambda x: apply("ImagBackward0", dnp.imag, x)))
for _name in ("float", "double", "half", "int", "long", "bool"):
    setattr(Tensor, _name, (lambda kind: lambda self: to(self, kind))(getattr(dtypes, _name)))
setattr(Tensor, "view_as", lambda self, other: NAMES["reshape"](self, *other.shape))
setattr(Tensor, "contiguous", lambda self: self)
setattr(Tensor, "cpu", lambda self: self)
setattr(Tensor, "type_as", lambda self, other: to(self, other.dtype))
setattr(Tensor, "new_zeros", lambda self, *size: NAMES["zeros"](*size, dtype=self.dtype))
setattr(Tensor, "new_ones", lambda self, *size: NAMES["ones"](*size, dtype=self.dtype))


# Indexing -------------------------------------------------------------------------------------


def _key(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(_key(k) for k in key)
    if isinstance(key, Tensor):
        return np.asarray(key.value)
    return key


def _title(key: Any) -> str:
    if isinstance(key, (Tensor, list)) or (isinstance(key, tuple) and any(isinstance(k, (Tensor, list)) for k in key)):
        return "IndexBackward0"
    last = key[-1] if isinstance(key, tuple) and key else key
    return (
        "SelectBackward0"
        if isinstance(last, int)
        else "SliceBackward0"
        if isinstance(last, slice)
        else "UnsqueezeBackward0"
    )


def _getitem(self: Tensor, key: Any) -> Tensor:
    c = core(self)
    if self.ndim == 0 and isinstance(key, int):
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim "
            "tensor to a number"
        )
    if isinstance(key, int) and not -self.shape[0] <= key < self.shape[0]:
        raise IndexError(f"index {key} is out of bounds for dimension 0 with size {self.shape[0]}")
    return wrap(c[_key(key)], _title(key))


def _setitem(self: Tensor, key: Any, value: Any) -> None:
    def f(c: Any, v: Any) -> Any:
        buffer = dnp.array(c) if type(c) is not np.ndarray else c
        out = dnp.zeros(buffer.shape, buffer.dtype)
        out[...] = buffer
        out[_key(key)] = cast(v, buffer.dtype) if hasattr(v, "dtype") else v
        return out

    _replace(self, f, value, title="CopySlices")


setattr(Tensor, "__getitem__", _getitem)
setattr(Tensor, "__setitem__", _setitem)


# In place -------------------------------------------------------------------------------------


def _replace(self: Tensor, f: Callable[..., Any], *args: Any, title: str) -> Tensor:
    """``self`` takes the value (and history) of ``f(self, *args)``, in its own dtype."""
    if self.requires_grad and self.is_leaf and MODE.enabled:
        raise RuntimeError(IN_PLACE_LEAF)
    out = f(core(self), *[core(a) for a in args])
    if hasattr(out, "level") and out.level.id == 0:
        out = out.value
    if not hasattr(out, "dtype"):
        out = np.asarray(out)[()]
    if out.shape != self._core.shape:
        raise RuntimeError(f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(out.shape)}")
    kind = self._core.dtype
    if "biufc".index(out.dtype.kind) > "biufc".index(kind.kind):
        raise RuntimeError(
            f"result type {wrap(out, '').dtype.name.title()} can't be cast to the desired output type {self.dtype.name.title()}"
        )
    out = cast(out, kind)
    if self.requires_grad and self.is_leaf:  # within no_grad: a leaf stays one
        self._replace_leaf(out)
    else:
        self._core = out
        self._title = title
    return self


def _in_place(name: str, title: str, f: Callable[..., Any]) -> None:
    def run(self: Tensor, *args: Any, **keywords: Any) -> Tensor:
        return _replace(
            self,
            lambda *xs: core(f(*[Tensor(x) if hasattr(x, "dtype") else x for x in xs], **keywords)),
            *args,
            title=title,
        )

    setattr(Tensor, f"{name}_", run)


for _name in (
    "add", "sub", "mul", "div", "pow", "neg", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "relu", "abs", "clamp",
    "round", "floor", "ceil", "reciprocal", "masked_fill", "square", "lerp",
):  # fmt: skip
    _in_place(_name, f"{_name.title()}Backward0", NAMES[_name])
for _name, _f in {"add": "add_", "sub": "sub_", "mul": "mul_", "truediv": "div_", "pow": "pow_"}.items():
    setattr(Tensor, f"__i{_name}__", (lambda n: lambda self, other: getattr(self, n)(other))(_f))


def _fill(self: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return _replace(self, lambda c, v: dnp.broadcast_to(v, c.shape), value, title="FillBackward0")
    return _replace(self, lambda c: np.full(c.shape, value, c.dtype)[()], title="FillBackward0")


def _copy(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    return _replace(
        self, lambda c, v: dnp.broadcast_to(cast(v, c.dtype), c.shape) * c.dtype.type(1), src, title="CopyBackwards"
    )


setattr(Tensor, "fill_", _fill)
setattr(Tensor, "zero_", lambda self: _replace(self, lambda c: np.zeros(c.shape, c.dtype)[()], title="ZeroBackward0"))
setattr(Tensor, "copy_", _copy)


def _random(name: str, draw: Callable[..., Any]) -> None:
    def run(self: Tensor, *args: Any, **keywords: Any) -> Tensor:
        return _replace(self, lambda c: np.asarray(draw(RANDOM[0], c.shape, *args, **keywords), c.dtype)[()], title="")

    setattr(Tensor, name, run)


_random("normal_", lambda r, s, mean=0.0, std=1.0: r.normal(mean, std, s))
_random("uniform_", lambda r, s, a=0.0, b=1.0: r.uniform(a, b, s))
