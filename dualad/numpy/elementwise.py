"""Elementwise functions: NumPy's ufuncs are the primitives themselves; what is no ufunc is composed of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, DtypeError
from dualad.core.primitive import plain
from dualad.core.tensor import Tensor
from dualad.numpy import ufuncs as ufuncs
from dualad.numpy.register import implements
from dualad.ops import arithmetic as a
from dualad.ops import transcendental as t
from dualad.ops.arithmetic import (
    absolute,
    add,
    conjugate,
    divide,
    equal,
    floor,
    floor_divide,
    greater,
    invert,
    isfinite,
    isinf,
    isnan,
    left_shift,
    less,
    less_equal,
    logical_and,
    logical_or,
    maximum,
    minimum,
    not_equal,
    remainder,
    right_shift,
    rint,
    signbit,
    trunc,
)
from dualad.ops.shape import astype
from dualad.ops.transcendental import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    deg2rad,
    exp2,
    log2,
    power,
    rad2deg,
)

abs = absolute
conj = conjugate
true_divide = divide
mod = remainder
pow = power
degrees, radians = rad2deg, deg2rad
acos, acosh, asin, asinh = arccos, arccosh, arcsin, arcsinh
atan, atan2, atanh = arctan, arctan2, arctanh
bitwise_not = bitwise_invert = invert
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift


def operand(x: Any) -> Any:
    """A tensor or an array of what was passed."""
    x = plain(x)
    return x if type(x) is Tensor else np.asarray(x)[()]


def _floating(x: Any) -> Any:
    """An array as NumPy's float functions see it: integers become float64."""
    x = operand(x)
    return x if x.dtype.kind in "fc" else x * 1.0


@implements(np.positive)
def positive(x: Any, /, **keywords: Any) -> Any:
    return add(x, 0, **keywords) if type(x) is not Tensor else x


@implements(np.fabs)
def fabs(x: Any, /, **keywords: Any) -> Any:
    return absolute(_floating(x), **keywords)


@implements(np.sign)
def sign(x: Any, /, **keywords: Any) -> Any:
    """``np.sign``; its derivative is 0, at 0 too; of a complex number, that of ``z / abs(z)``."""
    x = operand(x)
    if x.dtype.kind == "c" and type(x) is Tensor:
        size = absolute(x)
        return x / a.where(equal(size, 0), 1.0, size)
    return a.sign(x, **keywords)


@implements(np.float_power)
def float_power(x1: Any, x2: Any, /, **keywords: Any) -> Any:
    x1, x2 = operand(x1), operand(x2)
    wide = np.result_type(x1.dtype, x2.dtype, np.float64)
    return power(_as(x1, wide), _as(x2, wide), **keywords)


def _as(x: Any, dtype: Any) -> Any:
    return x if x.dtype == dtype else astype(x, dtype=dtype)


@implements(np.copysign)
def copysign(x1: Any, x2: Any, /) -> Any:
    """``np.copysign``; differentiable in its first argument, 0 at 0."""
    x1, x2 = _floating(x1), _floating(x2)
    size = absolute(x1)
    return a.where(signbit(x2), -size, size) * np.ones((), np.result_type(x1.dtype, x2.dtype))


@implements(np.ldexp)
def ldexp(x1: Any, x2: Any, /) -> Any:
    return x1 * np.exp2(np.asarray(x2, _floating(x1).dtype)) if type(x1) is Tensor else np.ldexp(x1, x2)


@implements(np.frexp)
def frexp(x: Any, /) -> Any:
    """Mantissa (differentiable) and integer exponent (constant)."""
    if type(x) is not Tensor:
        return np.frexp(x)
    exponent = astype(floor(log2(absolute(a.stop_gradient(a.where(equal(x, 0), 1.0, x))))) + 1, dtype=x.dtype)
    exponent = a.where(equal(x, 0), 0.0, exponent)
    return x / exp2(exponent), _to_int(exponent)


def _to_int(x: Any) -> Any:
    return a.stop_gradient(astype(a.stop_gradient(x), dtype=np.int32))


@implements(np.modf)
def modf(x: Any, /) -> Any:
    """Fractional part (slope 1) and whole part (constant)."""
    if type(x) is not Tensor:
        return np.modf(x)
    whole = trunc(x)
    return x - whole, whole


@implements(np.divmod)
def divmod(x1: Any, x2: Any, /) -> Any:
    return floor_divide(x1, x2), remainder(x1, x2)


@implements(np.real)
def real(val: Any) -> Any:
    return a.real_part(operand(val)) if type(plain(val)) is Tensor else np.real(val)


@implements(np.imag)
def imag(val: Any) -> Any:
    return a.imag_part(operand(val)) if type(plain(val)) is Tensor else np.imag(val)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """``np.angle``: the argument of a complex number; of a real one, 0 or pi with zero derivative."""
    z = operand(z)
    out = arctan2(a.imag_part(z) * 1.0, a.real_part(z) * 1.0)
    return out * (180 / math.pi) if deg else out


@implements(np.real_if_close)
def real_if_close(a_: Any, tol: float = 100) -> Any:
    """The real part if all imaginary parts are within ``tol`` machine epsilons of 0 (a decision on values)."""
    x = operand(a_)
    if x.dtype.kind != "c":
        return x
    tol = float(np.finfo(x.dtype).eps) * tol if tol > 1 else tol
    close = (absolute(a.imag_part(x)) < tol).all()
    return a.real_part(x) if bool(close) else x


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), with all derivatives right at 0."""
    x = _floating(x)
    return t.sinc_derivative(0, x * math.pi) if type(x) is Tensor else np.sinc(x)


@implements(np.clip, method="clip")
def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, **keywords: Any
) -> Any:
    """``np.clip`` as minimum(maximum(a, a_min), a_max): at a bound the derivative is shared, 1/2."""
    if keywords:
        raise ArgumentError(f"clip: the keyword(s) {sorted(keywords)} are not supported on tensors.")
    low = a_min if min is None else min
    high = a_max if max is None else max
    x = operand(a)
    if low is not None:
        x = maximum(x, low)
    if high is not None:
        x = minimum(x, high)
    return ufuncs.deliver(x, out)


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """``np.nan_to_num``; the derivative is 1 at finite entries and 0 at replaced ones."""
    x = operand(x)
    if x.dtype.kind == "c":
        parts = nan_to_num(real(x), copy, nan, posinf, neginf), nan_to_num(imag(x), copy, nan, posinf, neginf)
        return parts[0] + 1j * parts[1]
    if x.dtype.kind != "f":
        return x
    limit = np.finfo(x.dtype)
    high = limit.max if posinf is None else posinf
    low = limit.min if neginf is None else neginf
    scalar = x.dtype.type
    y = a.where(isnan(x), nan if np.ndim(nan) else scalar(nan), x)
    infinite = isinf(y)
    return a.where(infinite, a.where(greater(y, 0), scalar(high), scalar(low)), y)


@implements(np.round, np.around, method="round")
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """``np.round``; its derivative is 0."""
    x = operand(a)
    if type(x) is not Tensor:
        return np.round(x, decimals, out)
    y = rint(x) if decimals == 0 else rint(x * 10.0**decimals) / 10.0**decimals
    return ufuncs.deliver(y, out)


around = round


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    return ufuncs.deliver(trunc(x), out)


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    x, y = operand(a), operand(b)
    near = less_equal(absolute(x - y), atol + rtol * absolute(y))
    out = logical_or(logical_and(near, isfinite(y)), equal(x, y))
    return logical_or(out, logical_and(isnan(x), isnan(y))) if equal_nan else out


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> bool:
    close = isclose(a, b, rtol, atol, equal_nan)
    return bool(close.all())


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    x, y = operand(a1), operand(a2)
    if x.shape != y.shape:
        return False
    same = equal(x, y)
    if equal_nan:
        same = logical_or(same, logical_and(isnan(x), isnan(y)))
    return bool(same.all())


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    return logical_and(isinf(x), greater(x, 0))


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    return logical_and(isinf(x), less(x, 0))


@implements(np.isreal)
def isreal(x: Any) -> Any:
    return equal(imag(x), 0)


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    return not_equal(imag(x), 0)


@implements(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of order 0; its derivative is that of order 1."""
    from dualad.ops.special import SPECIAL

    return SPECIAL["iv"](0, _floating(x))


def _complex_only(x: Any) -> Any:
    if x.dtype.kind not in "fc":
        raise DtypeError(f"x.real and x.imag of a tensor need a number dtype, not {x.dtype}.")
    return x


setattr(Tensor, "real", property(lambda x: a.real_part(_complex_only(x))))
setattr(Tensor, "imag", property(lambda x: a.imag_part(_complex_only(x))))
setattr(Tensor, "conj", lambda x: conjugate(x))
setattr(Tensor, "conjugate", lambda x: conjugate(x))
setattr(Tensor, "__pos__", lambda x: x)
setattr(Tensor, "__divmod__", divmod)
setattr(Tensor, "__rdivmod__", lambda x, y: divmod(y, x))

__all__ = [
    name
    for name, value in list(globals().items())
    if not name.startswith("_") and hasattr(np, name) and name not in ("np", "math", "Any", "Tensor", "annotations")
]
