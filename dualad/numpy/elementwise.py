"""Elementwise functions: NumPy's ufuncs are the primitives themselves; what is no ufunc is composed of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.core.primitive import Primitive, plain
from dualad.core.tensor import Tensor
from dualad.numpy import ufuncs as _ufuncs
from dualad.numpy.operands import cast, on_tensors, operand, store
from dualad.numpy.register import implements
from dualad.numpy.ufuncs import NO_VALUE as _NO_VALUE
from dualad.ops import arithmetic as _a
from dualad.ops import order as _order
from dualad.ops import rounding as _r
from dualad.ops import unwrap as _unwrap
from dualad.ops.arithmetic import (
    absolute,
    add,
    divide,
    equal,
    fabs,
    fmax,
    fmin,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    positive,
    stop_gradient,
    subtract,
)
from dualad.ops.arithmetic import where as _select
from dualad.ops.reduce import axes_of
from dualad.ops.rounding import (
    bitwise_and,
    bitwise_count,
    bitwise_or,
    bitwise_xor,
    ceil,
    copysign,
    floor,
    floor_divide,
    fmod,
    gcd,
    heaviside,
    invert,
    lcm,
    ldexp,
    left_shift,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    nextafter,
    remainder,
    right_shift,
    rint,
    signbit,
    spacing,
    trunc,
)
from dualad.ops.transcendental import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    cos,
    cosh,
    deg2rad,
    exp,
    exp2,
    expm1,
    hypot,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    power,
    rad2deg,
    reciprocal,
    sin,
    sinc,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
)

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "allclose",
    "angle",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "around",
    "array_equal",
    "array_equiv",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "clip",
    "conj",
    "conjugate",
    "copysign",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "divide",
    "divmod",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "gcd",
    "greater",
    "greater_equal",
    "heaviside",
    "hypot",
    "i0",
    "imag",
    "invert",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "lcm",
    "ldexp",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "multiply",
    "nan_to_num",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "power",
    "rad2deg",
    "radians",
    "real",
    "real_if_close",
    "reciprocal",
    "remainder",
    "right_shift",
    "rint",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "spacing",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
    "unwrap",
]

abs = absolute
true_divide = divide
mod = remainder
pow = power
degrees, radians = rad2deg, deg2rad
acos, acosh, asin, asinh = arccos, arccosh, arcsin, arcsinh
atan, atan2, atanh = arctan, arctan2, arctanh
bitwise_not = bitwise_invert = invert
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift


def _floating(x: Any) -> Any:
    """As NumPy's float functions see it: integers become float64."""
    return x if x.dtype.kind in "fc" else cast(x, np.float64)


# Ufuncs that are composed -------------------------------------------------------------------------


def _as_ufunc(ufunc: Any, method: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """The decorated function is what the ufunc does on tensors; ufunc keywords are taken care of."""

    def decorate(f: Callable[..., Any]) -> Any:
        @functools.wraps(f)
        def public(*args: Any, **keywords: Any) -> Any:
            args = tuple([plain(x) for x in args])
            if keywords:
                return _ufuncs.call(f, ufunc, args, keywords)
            if any(type(x) is Tensor for x in args):
                return f(*args)
            return ufunc(*args)

        if ufunc.nin == 2 and ufunc.nout == 1:
            for name in _ufuncs.METHODS:
                setattr(public, name, getattr(ufunc, name))
        return implements(ufunc, method=method)(public)

    return decorate


@_as_ufunc(np.conjugate)
def conjugate(x: Any, /) -> Any:
    """Complex conjugate; linear over the real numbers only."""
    return _a.conjugate(x)


conj = conjugate


@_as_ufunc(np.sign)
def sign(x: Any, /) -> Any:
    """The sign, with derivative 0, at 0 too; of a complex number z / abs(z), with that derivative."""
    if x.dtype.kind != "c":
        return _a.sign(x)
    size = absolute(x)
    return x / _select(equal(size, 0), 1.0, size)


@_as_ufunc(np.float_power)
def float_power(x1: Any, x2: Any, /) -> Any:
    """Power in at least double precision; see ``power``."""
    x1, x2 = operand(x1), operand(x2)
    wide = np.result_type(x1.dtype, x2.dtype, np.float64)
    return power(cast(x1, wide), cast(x2, wide))


@_as_ufunc(np.frexp)
def frexp(x: Any, /) -> Any:
    """Mantissa (differentiable) and exponent of two (constant)."""
    return _r.mantissa(x), _r.exponent(x)


@_as_ufunc(np.modf)
def modf(x: Any, /) -> Any:
    """Fractional part (slope 1) and whole part (constant)."""
    return _r.fraction(x), trunc(x)


@_as_ufunc(np.divmod)
def divmod(x1: Any, x2: Any, /) -> Any:
    """Floor quotient (constant) and remainder."""
    return floor_divide(x1, x2), remainder(x1, x2)


# Parts of complex numbers -------------------------------------------------------------------------


@on_tensors(np.real)
def real(val: Any) -> Any:
    """The real part."""
    x = operand(val)
    return _a.real_part(x) if x.dtype.kind == "c" else x


@on_tensors(np.imag)
def imag(val: Any) -> Any:
    """The imaginary part; zeros of a real array."""
    x = operand(val)
    return _a.imag_part(x) if x.dtype.kind in "fc" else x * 0


@on_tensors(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """The argument of a complex number; of a real one, 0 or pi with zero derivative."""
    x = operand(z)
    if x.dtype.kind == "c":
        y = arctan2(_a.imag_part(x), _a.real_part(x))
    else:
        y = arctan2(0.0, stop_gradient(_floating(x)))
    return y * (180 / math.pi) if deg else y


@on_tensors(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """The real part if all imaginary parts are within ``tol`` machine epsilons of 0: a decision on values."""
    x = operand(a)
    if x.dtype.kind != "c":
        return x
    if tol > 1:
        tol = float(np.finfo(x.dtype).eps) * tol
    return _a.real_part(x) if _all(less(absolute(_a.imag_part(x)), tol)) else x


# Others -------------------------------------------------------------------------------------------


def _clip(x: Any, low: Any, high: Any) -> Any:
    if low is None and high is None:
        raise ArgumentError("clip: one of min and max must be given.")
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


@on_tensors(np.clip)
def clip(
    a: Any,
    a_min: Any = _NO_VALUE,
    a_max: Any = _NO_VALUE,
    out: Any = None,
    *,
    min: Any = _NO_VALUE,
    max: Any = _NO_VALUE,
    **keywords: Any,
) -> Any:
    """minimum(maximum(a, min), max): where ``a`` equals a bound, each of the two gets half of the derivative."""
    low, high = _bound("a_min", a_min, "min", min), _bound("a_max", a_max, "max", max)
    if low is None and high is None:
        return store(positive(operand(a)), out)
    if out is not None or keywords:
        return _ufuncs.call(lambda x: _clip(x, low, high), np.clip, (operand(a),), {"out": out, **keywords})
    return _clip(a, low, high)


def _bound(old: str, a: Any, new: str, b: Any) -> Any:
    if a is not _NO_VALUE and b is not _NO_VALUE:
        raise ArgumentError(f"clip: pass {old} or {new}, not both.")
    bound = b if a is _NO_VALUE else a
    return None if bound is _NO_VALUE else bound


@on_tensors(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """NaN and infinities replaced; the derivative is 1 at finite entries and 0 at replaced ones."""
    x = operand(x)
    if x.dtype.kind == "c":
        parts = [nan_to_num(part(x), copy, nan, posinf, neginf) for part in (_a.real_part, _a.imag_part)]
        return parts[0] + parts[1] * x.dtype.type(1j)
    if x.dtype.kind != "f":
        return x
    limit = np.finfo(x.dtype)
    for bad, value in (
        (isnan(x), nan),
        (equal(x, np.inf), limit.max if posinf is None else posinf),
        (equal(x, -np.inf), limit.min if neginf is None else neginf),
    ):
        value = plain(value)
        x = _select(bad, value if type(value) is Tensor else np.asarray(value, x.dtype)[()], x)
    return x


@on_tensors(np.round, np.around, method="round")
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Rounded values, with zero derivative."""
    return store(_r.round(operand(a), decimals=decimals), out)


around = round


@on_tensors(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """Rounded towards zero: a constant."""
    return store(trunc(operand(x)), out)


@on_tensors(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of order 0; its derivative is that of order 1."""
    from dualad.ops.bessel import i0 as modified_bessel

    x = _floating(operand(x))
    return modified_bessel(x)


@on_tensors(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    """Phase unwrapping: what is added is constant."""
    x = operand(p)
    if type(period) is Tensor or type(discont) is Tensor:
        raise ArgumentError("unwrap: period and discont must be plain numbers. Pass dualad.stop_gradient(period).")
    if x.dtype.kind not in "f":
        x = _floating(x)
    (one,) = axes_of(axis, x.ndim)
    return _unwrap.unwrap(x, axis=one, discont=discont, period=period)


# Tests: constants ---------------------------------------------------------------------------------


def _all(mask: Any) -> bool:
    return bool(_order.all(mask, axis=tuple(range(mask.ndim))))


@on_tensors(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Whether the elements are equal within a tolerance: a constant."""
    rtol, atol = (t.level.look(t, "a tolerance") if type(t) is Tensor else t for t in (rtol, atol))
    return _r.isclose(operand(a), operand(b), rtol=rtol, atol=atol, equal_nan=equal_nan)


@on_tensors(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are equal within a tolerance."""
    return _all(isclose(a, b, rtol, atol, equal_nan))


@on_tensors(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Whether shapes and elements are equal."""
    x, y = operand(a1), operand(a2)
    if x.shape != y.shape:
        return False
    same = equal(x, y)
    return _all(logical_or(same, logical_and(isnan(x), isnan(y))) if equal_nan else same)


@on_tensors(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> bool:
    """Whether the elements are equal after broadcasting."""
    x, y = operand(a1), operand(a2)
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return _all(equal(x, y))


@on_tensors(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    """Whether +inf: a constant."""
    return store(equal(operand(x), np.inf), out)


@on_tensors(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    """Whether -inf: a constant."""
    return store(equal(operand(x), -np.inf), out)


@on_tensors(np.isreal)
def isreal(x: Any) -> Any:
    """Whether the imaginary part is zero: a constant."""
    return equal(imag(x), 0)


@on_tensors(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Whether the imaginary part is not zero: a constant."""
    return not_equal(imag(x), 0)


@on_tensors(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return operand(x).dtype.kind != "c"


@on_tensors(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return operand(x).dtype.kind == "c"


# Methods ------------------------------------------------------------------------------------------


def _clip_method(self: Any, min: Any = None, max: Any = None, out: Any = None, **keywords: Any) -> Any:
    return clip(self, min, max, out, **keywords)


def _round_method(self: Any, n: int | None = None) -> Any:
    """Python's ``round(x)``: an int, as of a NumPy scalar; with digits, a constant."""
    return self.level.look(self, "round()").__round__() if n is None else _r.round(self, decimals=n)


setattr(Tensor, "real", property(real))
setattr(Tensor, "imag", property(imag))
setattr(Tensor, "conj", lambda self: conjugate(self))
setattr(Tensor, "conjugate", lambda self: conjugate(self))
setattr(Tensor, "clip", _clip_method)
setattr(Tensor, "__round__", _round_method)
setattr(Tensor, "__pos__", lambda x: x.level.bind1(positive, x))
setattr(Tensor, "__divmod__", lambda x, y: divmod(x, y))
setattr(Tensor, "__rdivmod__", lambda x, y: divmod(y, x))

for _name in __all__:
    _f = globals()[_name]
    if isinstance(_f, Primitive) and (_f.__doc__ or "").startswith("dualad primitive"):
        _f.__doc__ = f"``np.{_f.name}`` with derivatives; see NumPy's documentation."
