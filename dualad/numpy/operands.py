"""What reductions share: their operand, their keywords, and the way to NumPy itself when nothing is tracked."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from dualad.core.errors import DtypeError, ShapeError, UntrackedError
from dualad.core.primitive import holds_tensor, plain
from dualad.core.tensor import Tensor
from dualad.numpy.register import implements
from dualad.ops.arithmetic import stop_gradient
from dualad.ops.shape import astype, reshape

F = TypeVar("F", bound=Callable[..., Any])


def tracked(x: Any) -> bool:
    """Whether ``x`` is a tensor, or a sequence with one in it."""
    t = type(x)
    return t is Tensor or ((t is list or t is tuple) and holds_tensor(x)) or hasattr(x, "__dualad_tensor__")


def on_tensors(*functions: Any, method: str | None = None) -> Callable[[F], F]:
    """Like ``implements``; calls without any tensor go to the (first) NumPy function as they are."""

    def decorate(f: F) -> F:
        numpy_function = (functions or (getattr(np, f.__name__),))[0]
        implements(*functions, method=method)(f)

        @functools.wraps(f)
        def public(*args: Any, **keywords: Any) -> Any:
            if args and type(args[0]) is Tensor:
                return f(*args, **keywords)
            if any(map(tracked, args)) or any(map(tracked, keywords.values())):
                return f(*args, **keywords)
            return numpy_function(*args, **keywords)

        return public  # type: ignore[return-value]

    return decorate


def operand(a: Any) -> Any:
    """A tensor or NumPy array of what was passed."""
    if type(a) is Tensor:
        return a
    a = plain(a)
    return a if type(a) is Tensor else np.asarray(a)


def cast(x: Any, dtype: Any) -> Any:
    """``x`` in another dtype; a constant where that is an integer or bool."""
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    return astype(x if dtype.kind in "fc" else stop_gradient(x), dtype=dtype)


def flat(x: Any) -> Any:
    """``x`` as a vector."""
    return x if len(x.shape) == 1 else reshape(x, shape=(x.size,))


def kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduction with ``keepdims``."""
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])


def finish(y: Any, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: Any, out: Any) -> Any:
    """``keepdims`` and ``out`` of a reduction over ``axes`` of an array of ``shape``."""
    if keepdims:
        y = reshape(y, shape=kept(shape, axes))
    return y if out is None else store(y, out)


def store(y: Any, out: Any) -> Any:
    """``out=``: assign into a buffer."""
    if out is None:
        return y
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return y
    if out.shape != y.shape:
        raise ShapeError(f"out has shape {out.shape}, but the result has shape {y.shape}")
    if type(out) is not Tensor and type(y) is Tensor:
        raise UntrackedError(
            "out= is a NumPy array, which cannot hold a tracked result. Pass a buffer made by dualad.numpy.zeros, or "
            "leave out= away."
        )
    out[...] = y
    return out


def refuse_complex(x: Any, name: str) -> None:
    if x.dtype.kind == "c":
        raise DtypeError(f"{name}: complex numbers have no order; this array is {x.dtype}. Use x.real or abs(x).")
