"""Arrays that are computed when somebody looks at them: what recordings hold of large arguments and of loops.

Of what NumPy makes of one only shape and dtype are needed to record a program, and the compiled program computes the result.
Where a value is looked at after all (a guard, an operation that is not deferred), NumPy computes it then, and what it needs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from dualad.core.spec import Shaped

LEAST = 1 << 16  # elements: below, computing takes no time worth saving
ELEMENTWISE = {np.where, np.real, np.imag, np.clip}
SHAPING = {np.broadcast_to, np.reshape, np.ravel, np.transpose, np.swapaxes, np.moveaxis, np.expand_dims, np.squeeze, np.flip,
           np.sum, np.mean, np.prod, np.max, np.min}  # fmt: skip
JOINING = {np.concatenate, np.stack}
ABOUT = {np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj,
         np.zeros_like, np.ones_like, np.empty_like, np.full_like}  # fmt: skip
_OPERANDS = (np.ndarray, np.generic, bool, int, float, complex)


class Deferred(NDArrayOperatorsMixin, Shaped):
    """``f(*args, **params)``, of a shape and dtype that are known, not computed yet; or (``f`` None) an array."""

    __slots__ = ("args", "dtype", "f", "params", "shape")
    __hash__ = object.__hash__

    def __init__(
        self, f: Callable[..., Any] | None, args: tuple[Any, ...], shape: Any, dtype: Any, params: dict[str, Any]
    ) -> None:
        self.f: Callable[..., Any] | None = f
        self.args = args
        self.shape: tuple[int, ...] = shape
        self.dtype: np.dtype[Any] = dtype
        self.params = params

    def value(self) -> Any:
        """The array itself."""
        waiting = [self]
        while waiting:
            d = waiting[-1]
            if d.f is not None:
                before = [a for a in d.args if type(a) is Deferred and a.f is not None]
                if before:
                    waiting += before
                    continue
                d.args = (d.f(*map(settled, d.args), **d.params),)
                d.f = None
            waiting.pop()
        return self.args[0]

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **keywords: Any) -> Any:
        if any(type(x) is Deferred for x in keywords.get("out", ())):
            return NotImplemented  # nothing is assigned to what has no memory
        if method == "__call__" and not keywords and ufunc.nout == 1 and ufunc.signature is None:
            return _elementwise(ufunc, args, keywords)
        if method == "reduce":
            return _shaped(ufunc.reduce, args, keywords)
        return getattr(ufunc, method)(*map(settled, args), **keywords)

    def __array_function__(self, f: Any, types: Any, args: Any, keywords: Any) -> Any:
        if f in ELEMENTWISE:
            return _elementwise(f, args, keywords)
        if f in SHAPING:
            return _shaped(f, args, keywords)
        if f in JOINING and len(args) == 1 and set(keywords) <= {"axis"}:
            return _joined(f, tuple(args[0]), keywords)
        if f in ABOUT:
            return f(*map(stand_in, args), **keywords)
        return f(*_deep(args), **{k: _deep(v) for k, v in keywords.items()})

    def __getitem__(self, key: Any) -> Any:
        return _shaped(operator.getitem, (self, key), {})

    def astype(self, dtype: Any, **keywords: Any) -> Any:
        return _elementwise(lambda x: x.astype(dtype, **keywords), (self,), {})

    def reshape(self, *shape: Any, **keywords: Any) -> Any:
        return _shaped(lambda x: x.reshape(*shape, **keywords), (self,), {})

    def transpose(self, *axes: Any) -> Any:
        return _shaped(lambda x: x.transpose(*axes), (self,), {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__array") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return getattr(self.value(), name)

    def __len__(self) -> int:
        return len(self.value())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.value(), dtype, copy=copy)

    def __bool__(self) -> bool:
        return bool(self.value())

    def __int__(self) -> int:
        return int(self.value())

    def __index__(self) -> int:
        return operator.index(self.value())

    def __float__(self) -> float:
        return float(self.value())

    def __complex__(self) -> complex:
        return complex(self.value())

    def __repr__(self) -> str:
        return repr(self.value())

    def __reduce__(self) -> Any:
        return self.value().__reduce__()


def deferred(x: Any) -> Any:
    """A large array as one that is not looked at."""
    return Deferred(None, (x,), x.shape, x.dtype, {}) if type(x) is np.ndarray and x.size >= LEAST else x


def settled(x: Any) -> Any:
    """Any value, computed."""
    return x.value() if type(x) is Deferred else x


def stand_in(x: Any) -> Any:
    """An array of the same shape and dtype, without memory of its own."""
    return np.broadcast_to(np.ones((), x.dtype), x.shape) if type(x) is Deferred else x


def _elementwise(f: Any, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    if params or not all(type(a) is Deferred or isinstance(a, _OPERANDS) for a in args):
        return f(*map(settled, args), **params)
    shape = np.broadcast_shapes(*[a.shape for a in args if type(a) is Deferred or isinstance(a, np.ndarray)])
    with np.errstate(all="ignore"):
        one = f(*map(_one, args))
    return Deferred(f, tuple(map(held, args)), shape, one.dtype, params)


def _one(a: Any) -> Any:
    """An element that tells the dtype of results: of a number its value does (-1 is no ``uint8``)."""
    return np.ones((1,) * a.ndim, a.dtype)[()] if type(a) is Deferred or (type(a) is np.ndarray and a.ndim) else a


def _shaped(f: Any, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    x, *rest = args
    if (
        type(x) is not Deferred
        or params.get("out") is not None
        or any(type(a) is Deferred for a in _flat(rest, params))
    ):
        return f(*_deep(args), **{k: _deep(v) for k, v in params.items()})
    y = f(stand_in(x), *rest, **params)
    return Deferred(f, tuple(map(held, args)), y.shape, y.dtype, params)


def _joined(f: Any, xs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    y = f([stand_in(x) for x in xs], **params)
    return Deferred(lambda *own: f(own, **params), tuple(map(held, xs)), y.shape, y.dtype, {})


def held(a: Any) -> Any:
    """An operand as it is now."""
    return a.copy() if type(a) is np.ndarray and a.flags.writeable else a


def _flat(rest: Any, params: dict[str, Any]) -> Iterator[Any]:
    for a in [*rest, *params.values()]:
        if isinstance(a, (tuple, list)):
            yield from _flat(a, {})
        else:
            yield a


def _deep(x: Any) -> Any:
    return type(x)(map(_deep, x)) if type(x) in (tuple, list) else settled(x)
