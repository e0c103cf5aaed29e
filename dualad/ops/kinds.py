"""The kinds of primitives: what each needs to be told, and what it derives from it.

=============  ==================================  =========================================================
kind           told                                derived
=============  ==================================  =========================================================
elementwise    the partial derivatives             jvp, vjp, Taylor, batching (broadcast), sparsity (diagonal)
constant       nothing                             zero derivative
linear         the transpose of each argument      jvp (itself), vjp, Taylor (per coefficient)
movement       linear, each output one input       sparsity (by moving the indices)
bilinear       the transpose in each argument      jvp (product rule), vjp, Taylor (convolution)
general        jvp and vjp                         Taylor (by integrating the jvp)
=============  ==================================  =========================================================

Rules use dualad's own operations only, so that they can be differentiated, batched and recorded again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from dualad.core import dispatch as dispatch  # NumPy finds the primitives declared here
from dualad.core.primitive import Binary, Primitive, Unary
from dualad.ops import dependence

Params = dict[str, Any]


class Elementwise(Primitive):
    """y[i] = f(x[i], ...) with broadcasting.

    ``partials[i]`` is a number (a constant derivative) or a function of ``(y, *xs)``. With ``singular``, a partial may be
    infinite or NaN where its tangent is zero, and zero wins there. ``to_real``: complex input gives real output, and the
    tangent is the real part of partial times tangent.
    """

    kind = "elementwise"
    elementwise = True
    strong: Any  # the product in which a zero tangent wins over an infinite partial: ops/arithmetic.py declares it

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        partials: Sequence[Any],
        *,
        singular: bool = False,
        to_real: bool = False,
        **record: Any,
    ) -> None:
        super().__init__(name, impl, **record)
        self.partials = tuple(_quiet(d) if singular and callable(d) and d not in SILENT else d for d in partials)
        self.singular = singular
        self.to_real = to_real
        self.times = self.strong if singular else operator.mul
        if len(partials) == 1 and callable(partials[0]) and not to_real:
            self.direct = self._direct

    def _direct(self, y: Any, x: Any) -> Any:
        """The first call finds the partial on arrays, when all primitives that it may name exist."""
        (d,) = self.partials
        self.direct = on_arrays(d)
        return self.direct(y, x)

    def needs(self, parents: Sequence[Any]) -> Sequence[bool]:
        return [self.keep_x] * len(parents)

    def depends(self, i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
        return dependence.elementwise(i, y, args, params)

    def vjp(self, g: Any, need: Sequence[bool], y: Any, args: Sequence[Any], params: Params) -> Sequence[Any]:
        """Cotangents before broadcasting is undone."""
        out: list[Any] = []
        for n, d in zip(need, self.partials, strict=True):
            if not n:
                out.append(None)
            elif type(d) is int:
                out.append(g if d == 1 else -g)
            else:
                out.append(self.times(g, d(y, *args)))
        return out

    def jvp(self, ts: Sequence[Any], y: Any, args: Sequence[Any], params: Params) -> Any:
        out = None
        for t, d in zip(ts, self.partials, strict=True):
            if t is None:
                continue
            if type(d) is int:
                part = t if d == 1 else -t
            else:
                part = self.times(t, d(y, *args))
            out = part if out is None else out + part
        return bring_forward(out, y.shape, y.dtype)

    def batch(self, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
        return self(*align_ranks(args, batched), **params)

    def taylor(self, series: Sequence[Any], order: int, params: Params) -> Any:
        if self.taylor_rule is not None:
            return self.taylor_rule(series, order)
        if all(type(d) is int for d in self.partials):
            signed = [(c, d) for c, d in zip(series, self.partials, strict=True) if c is not None]
            y = self(*[c[0] if type(c) is list else c for c in series])
            rest = []
            for k in range(1, order + 1):
                terms = [c[k] if d == 1 else -c[k] for c, d in signed if type(c) is list]
                total = terms[0]
                for t in terms[1:]:
                    total = total + t
                rest.append(bring_forward(total, y.shape, y.dtype))
            return [y, *rest]
        return None


class _ElementwiseUnary(Unary, Elementwise):
    pass


class _ElementwiseBinary(Binary, Elementwise):
    pass


SILENT: set[Callable[..., Any]] = set()
"""Partials that never warn, and so need no silencing: that takes as long as the partial itself."""


def silent(partial: Callable[..., Any]) -> Callable[..., Any]:
    SILENT.add(partial)
    return partial


def _quiet(partial: Callable[..., Any]) -> Callable[..., Any]:
    """An infinite partial is no news where zero wins, so NumPy's warnings of it are not the user's."""

    def quiet(*args: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return partial(*args)

    quiet.__module__ = partial.__module__
    return quiet


def on_arrays(partial: Callable[..., Any]) -> Callable[..., Any]:
    """The partial with NumPy's functions in the place of primitives: on arrays the same, without a dispatch per function."""
    if not isinstance(partial, FunctionType):
        return partial
    plain = {k: v.impl if isinstance(v, (Unary, Binary)) else v for k, v in partial.__globals__.items()}
    return FunctionType(partial.__code__, plain, partial.__name__, partial.__defaults__, partial.__closure__)


class Constant(Primitive):
    """Piecewise constant, or not numeric: zero derivative, never an error. ``elementwise`` ones broadcast."""

    kind = "constant"
    constant = True

    def depends(self, i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
        return dependence.nothing(i, y, args, params)

    def needs(self, parents: Sequence[Any]) -> Sequence[bool]:
        return [False] * len(parents)

    def jvp(self, ts: Sequence[Any], y: Any, args: Sequence[Any], params: Params) -> Any:
        return None

    def vjp(self, g: Any, need: Sequence[bool], y: Any, args: Sequence[Any], params: Params) -> Sequence[Any]:
        return [None] * len(args)

    def batch(self, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
        if self.batch_rule is None:
            return self(*align_ranks(args, batched), **params)
        return batch_by(self, args, batched, size, params)


class _ConstantUnary(Unary, Constant):
    pass


class _ConstantBinary(Binary, Constant):
    pass


class Linear(Primitive):
    """Linear in all arguments except those at ``nonlinear`` positions (indices, masks).

    ``transpose(g, *xs, **params)`` returns the cotangent of the one linear argument, or a tuple with one per argument;
    of ``xs`` it sees linear ones as Specs.
    """

    kind = "linear"

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        transpose: Callable[..., Any],
        *,
        nonlinear: Sequence[int] = (),
        **record: Any,
    ) -> None:
        super().__init__(name, impl, **record)
        self.transpose = transpose
        self.nonlinear = frozenset(nonlinear)

    def depends(self, i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
        return (self.sparsity_rule or _safe(self))(i, y, args, params)

    def needs(self, parents: Sequence[Any]) -> Sequence[bool]:
        return [i in self.nonlinear for i in range(len(parents))]

    def jvp(self, ts: Sequence[Any], y: Any, args: Sequence[Any], params: Params) -> Any:
        moved = [
            a if i in self.nonlinear else zeros_like(a) if t is None else t
            for i, (a, t) in enumerate(zip(args, ts, strict=True))
        ]
        return bring_forward(self(*moved, **params), y.shape, y.dtype)

    def vjp(self, g: Any, need: Sequence[bool], y: Any, args: Sequence[Any], params: Params) -> Sequence[Any]:
        out = self.transpose(g, *args, **params)
        if isinstance(out, tuple):
            return out
        return [None if i in self.nonlinear else out for i in range(len(args))]

    def batch(self, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
        return batch_by(self, args, batched, size, params)

    def taylor(self, series: Sequence[Any], order: int, params: Params) -> Any:
        out = []
        for k in range(order + 1):
            parts = [
                (c[0] if i in self.nonlinear else c[k])
                if type(c) is list
                else (c if i in self.nonlinear or k == 0 else zeros_like(c))
                for i, c in enumerate(series)
            ]
            out.append(self(*parts, **params))
        return out


class Movement(Linear):
    """Linear, and each output element is one input element (or a constant)."""

    kind = "movement"

    def depends(self, i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
        rule = self.sparsity_rule or dependence.moved(self.impl, lambda k: k not in self.nonlinear)
        return rule(i, y, args, params)


class Bilinear(Primitive):
    """Linear in each of two arguments: ``left(g, a, b)`` and ``right(g, a, b)`` are the two transposes.

    ``left`` may use the value of ``b`` and the Spec of ``a``; ``right`` the reverse.
    """

    kind = "bilinear"

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        left: Callable[..., Any],
        right: Callable[..., Any],
        **record: Any,
    ) -> None:
        super().__init__(name, impl, **record)
        self.left = left
        self.right = right

    def depends(self, i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
        return (self.sparsity_rule or _safe(self))(i, y, args, params)

    def needs(self, parents: Sequence[Any]) -> Sequence[bool]:
        return [parents[1] is not None, parents[0] is not None]

    def jvp(self, ts: Sequence[Any], y: Any, args: Sequence[Any], params: Params) -> Any:
        a, b = args
        ta, tb = ts
        if ta is None:
            out = self(a, tb, **params)
        elif tb is None:
            out = self(ta, b, **params)
        else:
            out = self(ta, b, **params) + self(a, tb, **params)
        return bring_forward(out, y.shape, y.dtype)

    def vjp(self, g: Any, need: Sequence[bool], y: Any, args: Sequence[Any], params: Params) -> Sequence[Any]:
        a, b = args
        return (
            self.left(g, a, b, **params) if need[0] else None,
            self.right(g, a, b, **params) if need[1] else None,
        )

    def batch(self, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
        return batch_by(self, args, batched, size, params)

    def taylor(self, series: Sequence[Any], order: int, params: Params) -> Any:
        a, b = series
        out = []
        for k in range(order + 1):
            if type(a) is not list:
                out.append(self(a, b[k], **params))
            elif type(b) is not list:
                out.append(self(a[k], b, **params))
            else:
                total = self(a[0], b[k], **params)
                for j in range(1, k + 1):
                    total = total + self(a[j], b[k - j], **params)
                out.append(total)
        return out


class General(Primitive):
    """Anything else: ``jvp(ts, y, *xs, **params)`` and ``vjp(g, need, y, *xs, **params)``.

    ``ts`` has None for arguments that do not move; ``g`` (a tuple for ``multiple`` outputs) has None for outputs that
    nothing used; ``vjp`` returns one cotangent per argument, None where ``need`` is false.
    """

    kind = "general"

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        jvp: Callable[..., Any],
        vjp: Callable[..., Any],
        *,
        multiple: bool = False,
        **record: Any,
    ) -> None:
        super().__init__(name, impl, **record)
        self._jvp = jvp
        self._vjp = vjp
        self.multiple = multiple

    def depends(self, i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
        return (self.sparsity_rule or _safe(self))(i, y, args, params)

    def needs(self, parents: Sequence[Any]) -> Sequence[bool]:
        return [self.keep_x] * len(parents)

    def jvp(self, ts: Sequence[Any], y: Any, args: Sequence[Any], params: Params) -> Any:
        return self._jvp(ts, y, *args, **params)

    def vjp(self, g: Any, need: Sequence[bool], y: Any, args: Sequence[Any], params: Params) -> Sequence[Any]:
        return self._vjp(g, need, y, *args, **params)

    def batch(self, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
        return batch_by(self, args, batched, size, params)

    def taylor(self, series: Sequence[Any], order: int, params: Params) -> Any:
        return None if self.taylor_rule is None else self.taylor_rule(series, order, **params)


class Unregistered(General):
    """An operation with several results that is made where it is used: it has no samples, and is in no registry."""

    def __init__(
        self, name: str, impl: Callable[..., Any], jvp: Callable[..., Any], vjp: Callable[..., Any], *, keep: str
    ) -> None:
        self.name = self.__name__ = name
        self.impl = self.run = impl
        self.keep, self.keep_x, self.keep_y = keep, "x" in keep, "y" in keep
        self.batch_rule = self.taylor_rule = self.sparsity_rule = None
        self.multiple = True
        self._jvp, self._vjp = jvp, vjp


def _safe(prim: Primitive) -> dependence.Rule:
    """The rule that always holds."""
    return dependence.blocks if prim.batch_rule is leading_dims else dependence.everything


# Declarations ---------------------------------------------------------------------------------


def elementwise(name: str, impl: Callable[..., Any], partials: Sequence[Any], **record: Any) -> Any:
    """Declare an elementwise primitive; ``numpy`` defaults to ``impl`` when that is a ufunc."""
    record.setdefault("numpy", impl if isinstance(impl, np.ufunc) else None)
    cls = {1: _ElementwiseUnary, 2: _ElementwiseBinary}.get(len(partials), Elementwise)
    return cls(name, impl, partials, **record)


def constant(name: str, impl: Callable[..., Any], arity: int = 1, **record: Any) -> Any:
    """Declare a primitive with zero derivative."""
    record.setdefault("numpy", impl if isinstance(impl, np.ufunc) else None)
    return (_ConstantUnary if arity == 1 else _ConstantBinary if arity == 2 else Constant)(name, impl, **record)


def linear(name: str, impl: Callable[..., Any], transpose: Callable[..., Any], **record: Any) -> Linear:
    """Declare a linear primitive by its transpose."""
    return Linear(name, impl, transpose, **record)


def movement(name: str, impl: Callable[..., Any], transpose: Callable[..., Any], **record: Any) -> Movement:
    """Declare a linear primitive that only moves elements."""
    return Movement(name, impl, transpose, **record)


def bilinear(
    name: str, impl: Callable[..., Any], left: Callable[..., Any], right: Callable[..., Any], **record: Any
) -> Any:
    """Declare a bilinear primitive by its two transposes."""
    return Bilinear(name, impl, left, right, **record)


def general(
    name: str, impl: Callable[..., Any], jvp: Callable[..., Any], vjp: Callable[..., Any], **record: Any
) -> Any:
    """Declare a primitive by its jvp and vjp."""
    return General(name, impl, jvp, vjp, **record)


# Shapes and dtypes of derivatives -------------------------------------------------------------


def zeros_like(x: Any) -> Any:
    """Zeros of the shape and dtype of a value, tensor or Spec."""
    shape = x.shape if hasattr(x, "shape") else np.shape(x)
    dtype = x.dtype if hasattr(x, "dtype") else np.result_type(x)
    return np.zeros(shape, dtype)[()]


def bring_back(g: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A cotangent summed over broadcast axes and cast to its input's dtype (the transpose of broadcast and cast)."""
    from dualad.ops.reduce import sum_to
    from dualad.ops.shape import astype

    if g.shape != shape:
        g = sum_to(g, shape)
    if g.dtype != dtype:
        g = astype(g, dtype=dtype)
    return g


def bring_forward(t: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A tangent broadcast and cast as its output was."""
    if t is None or (t.shape == shape and t.dtype is dtype):
        return t
    from dualad.ops.shape import astype, broadcast_to

    if t.dtype != dtype:
        t = astype(t, dtype=dtype)
    return t if t.shape == shape else broadcast_to(t, shape=shape)


# Batching -------------------------------------------------------------------------------------


def align_ranks(args: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """Insert size-1 axes behind the batch axis, so that leading axes broadcast behind it."""
    from dualad.ops.shape import reshape

    # Python numbers stay as they are: weak in NumPy's promotion.
    rank = max(a.ndim - b for a, b in zip(args, batched, strict=True) if hasattr(a, "ndim"))
    return [
        reshape(a, shape=a.shape[:1] + (1,) * (rank - a.ndim + 1) + a.shape[1:]) if b and a.ndim - 1 < rank else a
        for a, b in zip(args, batched, strict=True)
    ]


def leading_dims(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    """Batch rule of primitives that already take leading batch axes, as NumPy's linalg does."""
    return prim(*align_ranks(args, batched), **params)


def batch_by(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    """Apply a primitive's own batch rule, or compute the elements one by one and stack."""
    rule = prim.batch_rule
    if rule is not None:
        return rule(prim, args, batched, size, params)
    return one_by_one(prim, args, batched, size, params)


def one_by_one(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    """The rule that always holds: element by element, then stack."""
    from dualad.ops.shape import stack

    ys = [prim(*[a[k] if b else a for a, b in zip(args, batched, strict=True)], **params) for k in range(size)]
    if prim.multiple:
        return tuple(stack(*part, axis=0) for part in zip(*ys, strict=True))
    return stack(*ys, axis=0)
