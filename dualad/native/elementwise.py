"""Elementwise primitives as LLVM instructions, on scalars and vectors alike."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.native.graph import Value
from dualad.native.machine import (
    F32,
    F64,
    I1,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    constant,
    element_of,
    intrinsic,
    is_integer,
    is_signed,
    limits,
    retyped,
    vector,
    width_of,
)

TYPES: dict[Any, Any] = {
    np.dtype(name): t
    for name, t in {
        "float64": F64, "float32": F32, "bool": I1, "int64": I64, "int32": I32, "int16": I16, "int8": I8, "uint64": U64,
        "uint32": U32, "uint16": U16, "uint8": U8,
    }.items()
}  # fmt: skip
BYTES = {t: dtype.itemsize for dtype, t in TYPES.items()}
COSTLY = 8.0  # from here on, work is rather stored than repeated


def type_of(dtype: Any) -> Any:
    return TYPES[np.dtype(dtype)]


@functools.cache
def vector_math() -> tuple[Any, frozenset[str]]:
    try:
        from dualad.native import vectormath
    except ImportError:
        return None, frozenset()
    return vectormath.emit, frozenset(vectormath.SUPPORTED)


# Of floats ------------------------------------------------------------------------------------

_FLOAT: dict[str, Callable[..., Any]] = {
    "add": lambda b, x, y: b.fadd(x, y),
    "subtract": lambda b, x, y: b.fsub(x, y),
    "multiply": lambda b, x, y: b.fmul(x, y),
    "divide": lambda b, x, y: b.fdiv(x, y),
    "quotient": lambda b, x, y: b.fdiv(x, y),
    "negative": lambda b, x: b.fneg(x),
    "positive": lambda b, x: x,
    "stop_gradient": lambda b, x: x,
    "conjugate": lambda b, x: x,
    "real_part": lambda b, x: x,
    "absolute": lambda b, x: intrinsic(b, "fabs", x),
    "fabs": lambda b, x: intrinsic(b, "fabs", x),
    "sqrt": lambda b, x: intrinsic(b, "sqrt", x),
    "square": lambda b, x: b.fmul(x, x),
    "reciprocal": lambda b, x: b.fdiv(constant(x.type, 1), x),
    "floor": lambda b, x: intrinsic(b, "floor", x),
    "ceil": lambda b, x: intrinsic(b, "ceil", x),
    "trunc": lambda b, x: intrinsic(b, "trunc", x),
    "rint": lambda b, x: intrinsic(b, "rint", x),
    "copysign": lambda b, x, y: intrinsic(b, "copysign", x, y),
    "maximum": lambda b, x, y: intrinsic(b, "maximum", x, y),
    "minimum": lambda b, x, y: intrinsic(b, "minimum", x, y),
    "fmax": lambda b, x, y: _unless_nan(b, ">", x, y),
    "fmin": lambda b, x, y: _unless_nan(b, "<", x, y),
    "maximum_share": lambda b, x, y: _share(b, x, y, b.fcmp_ordered(">", x, y)),
    "minimum_share": lambda b, x, y: _share(b, x, y, b.fcmp_ordered("<", x, y)),
    "fmax_share": lambda b, x, y: _share(b, x, y, _wins_over_nan(b, ">", x, y)),
    "fmin_share": lambda b, x, y: _share(b, x, y, _wins_over_nan(b, "<", x, y)),
    "fmod": lambda b, x, y: b.frem(x, y),
    "remainder": lambda b, x, y: _rounded_down(b, x, y)[1],
    "floor_divide": lambda b, x, y: _rounded_down(b, x, y)[0],
    "heaviside": lambda b, x, y: _heaviside(b, x, y),
    "sign": lambda b, x: _sign(b, x),
    "ratio": lambda b, x, y: _ratio(b, x, y),
    "strong_multiply": lambda b, x, y: _strong_multiply(b, x, y),
    "strong_scale": lambda b, x, y: b.fmul(x, b.select(_zero(b, x), constant(y.type, 1), y)),
    "logistic_share": lambda b, x, y: _logistic_share(b, x, y),
    "deg2rad": lambda b, x: b.fmul(x, constant(x.type, math.pi / 180)),
    "rad2deg": lambda b, x: b.fmul(x, constant(x.type, 180 / math.pi)),
}
_NEEDS_EXP = {"logistic_share"}
_OF_INTEGERS = {"divide", "quotient", "sqrt"}  # of integers they are those of their values as floats


def _rounded_down(b: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Quotient and remainder of the sign of y, as NumPy's ``divmod`` has them."""
    zero, one = constant(x.type, 0), constant(x.type, 1)
    by_zero, quotient, signed = _zero(b, y), b.fdiv(x, y), b.frem(x, y)
    below = b.and_(
        b.fcmp_unordered("!=", signed, zero),
        b.xor(b.fcmp_ordered("<", y, zero), b.fcmp_ordered("<", signed, zero)),
    )
    whole = b.fdiv(b.fsub(x, signed), y)
    whole = b.select(below, b.fsub(whole, one), whole)
    rest = b.select(_zero(b, signed), intrinsic(b, "copysign", zero, y), b.select(below, b.fadd(signed, y), signed))
    down = intrinsic(b, "floor", whole)
    down = b.select(b.fcmp_ordered(">", b.fsub(whole, down), constant(x.type, 0.5)), b.fadd(down, one), down)
    down = b.select(_zero(b, whole), intrinsic(b, "copysign", zero, quotient), down)
    return b.select(by_zero, quotient, down), b.select(by_zero, signed, rest)


def _zero(b: Any, x: Any) -> Any:
    return b.fcmp_ordered("==", x, constant(x.type, 0))


def _share(b: Any, x: Any, y: Any, wins: Any) -> Any:
    one, half, zero = (constant(x.type, v) for v in (1, 0.5, 0))
    return b.select(wins, one, b.select(b.fcmp_ordered("==", x, y), half, zero))


def _wins_over_nan(b: Any, op: str, x: Any, y: Any) -> Any:
    lost = b.and_(b.fcmp_unordered("uno", y, y), b.fcmp_ordered("ord", x, x))
    return b.or_(b.fcmp_ordered(op, x, y), lost)


def _unless_nan(b: Any, op: str, x: Any, y: Any) -> Any:
    """The one that wins, or is a number."""
    first = b.or_(b.fcmp_ordered(op, x, y), b.fcmp_unordered("uno", y, y))
    return b.select(first, x, y)


def _heaviside(b: Any, x: Any, y: Any) -> Any:
    zero = constant(x.type, 0)
    beside = b.select(b.fcmp_ordered("<", x, zero), zero, b.select(_zero(b, x), y, x))
    return b.select(b.fcmp_ordered(">", x, zero), constant(x.type, 1), beside)


def _sign(b: Any, x: Any) -> Any:
    zero = constant(x.type, 0)
    small = b.select(b.fcmp_ordered("<", x, zero), constant(x.type, -1), b.select(_zero(b, x), zero, x))
    return b.select(b.fcmp_ordered(">", x, zero), constant(x.type, 1), small)


def _ratio(b: Any, x: Any, y: Any) -> Any:
    zero = _zero(b, y)
    return b.select(zero, constant(x.type, 0), b.fdiv(x, b.select(zero, constant(x.type, 1), y)))


def _strong_multiply(b: Any, x: Any, y: Any) -> Any:
    zero = b.or_(_zero(b, x), _zero(b, y))
    none = constant(x.type, 0)
    return b.fmul(b.select(zero, none, x), b.select(zero, none, y))


def _logistic_share(b: Any, x: Any, y: Any) -> Any:
    none, one = constant(x.type, 0), constant(x.type, 1)
    d = b.select(b.fcmp_ordered("==", x, y), none, b.fsub(x, y))
    e = vector_math()[0](b, "exp", [b.fneg(intrinsic(b, "fabs", d))])
    return b.fdiv(b.select(b.fcmp_ordered("<", d, none), e, one), b.fadd(one, e))


# Of integers and truth values -------------------------------------------------------------------

_INTEGER: dict[str, Callable[..., Any]] = {
    "add": lambda b, x, y: b.add(x, y),
    "subtract": lambda b, x, y: b.sub(x, y),
    "multiply": lambda b, x, y: b.mul(x, y),
    "negative": lambda b, x: b.sub(constant(x.type, 0), x),
    "positive": lambda b, x: x,
    "stop_gradient": lambda b, x: x,
    "maximum": lambda b, x, y: b.select(compared(b, ">", x, y), x, y),
    "minimum": lambda b, x, y: b.select(compared(b, "<", x, y), x, y),
    "square": lambda b, x: b.mul(x, x),
    "absolute": lambda b, x: b.select(compared(b, "<", x, constant(x.type, 0)), b.sub(constant(x.type, 0), x), x),
    "sign": lambda b, x: _integer_sign(b, x),
    "bitwise_and": lambda b, x, y: b.and_(x, y),
    "bitwise_or": lambda b, x, y: b.or_(x, y),
    "bitwise_xor": lambda b, x, y: b.xor(x, y),
    "invert": lambda b, x: b.xor(x, constant(x.type, -1)),
    "left_shift": lambda b, x, y: _shifted(b, x, y, True),
    "right_shift": lambda b, x, y: _shifted(b, x, y, False),
    "floor_divide": lambda b, x, y: _divided(b, x, y)[0],
    "remainder": lambda b, x, y: _divided(b, x, y)[1],
}


def compared(b: Any, op: str, x: Any, y: Any) -> Any:
    return (b.icmp_signed if is_signed(element_of(x.type)) else b.icmp_unsigned)(op, x, y)


def _integer_sign(b: Any, x: Any) -> Any:
    zero, one = constant(x.type, 0), constant(x.type, 1)
    low = constant(x.type, -1) if is_signed(element_of(x.type)) else one
    return b.select(compared(b, ">", x, zero), one, b.select(b.icmp_unsigned("==", x, zero), zero, low))


def _shifted(b: Any, x: Any, y: Any, left: bool) -> Any:
    """By as many places as there are, or more, nothing is left but the sign."""
    zero = constant(x.type, 0)
    e = element_of(x.type)
    fits = b.icmp_unsigned("<", y, constant(y.type, e.width))
    if not left and is_signed(e):
        return b.ashr(x, b.select(fits, y, constant(y.type, e.width - 1)))
    places = b.select(fits, y, zero)
    return b.select(fits, b.shl(x, places) if left else b.lshr(x, places), zero)


def _divided(b: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Quotient and remainder, rounded down; by 0 both are 0, and the quotient that is too large wraps."""
    zero, one = constant(x.type, 0), constant(x.type, 1)
    none = b.icmp_unsigned("==", y, zero)
    if not is_signed(element_of(x.type)):
        y = b.select(none, one, y)
        return b.select(none, zero, b.udiv(x, y)), b.select(none, zero, b.urem(x, y))
    least = constant(x.type, limits(element_of(x.type))[0])
    wraps = b.and_(b.icmp_unsigned("==", x, least), b.icmp_unsigned("==", y, constant(y.type, -1)))
    y = b.select(b.or_(none, wraps), one, y)
    q, r = b.sdiv(x, y), b.srem(x, y)
    below = b.and_(b.icmp_unsigned("!=", r, zero), b.icmp_signed("<", b.xor(r, y), zero))
    q, r = b.select(below, b.sub(q, one), q), b.select(below, b.add(r, y), r)
    return b.select(none, zero, q), b.select(none, zero, r)


_BOOLEAN: dict[str, Callable[..., Any]] = {
    "bitwise_and": lambda b, x, y: b.and_(x, y),
    "bitwise_or": lambda b, x, y: b.or_(x, y),
    "bitwise_xor": lambda b, x, y: b.xor(x, y),
    "logical_and": lambda b, x, y: b.and_(x, y),
    "logical_or": lambda b, x, y: b.or_(x, y),
    "logical_xor": lambda b, x, y: b.xor(x, y),
    "invert": lambda b, x: b.xor(x, constant(x.type, 1)),
    "logical_not": lambda b, x: b.xor(x, constant(x.type, 1)),
    "stop_gradient": lambda b, x: x,
}
_COMPARISONS = {
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
}  # fmt: skip
_LOGICAL = {"logical_and", "logical_or", "logical_xor", "logical_not"}
_TESTS: dict[str, Callable[..., Any]] = {
    "isnan": lambda b, x: b.fcmp_unordered("uno", x, x),
    "isinf": lambda b, x: b.fcmp_ordered("==", intrinsic(b, "fabs", x), constant(x.type, math.inf)),
    "isfinite": lambda b, x: b.fcmp_ordered("<", intrinsic(b, "fabs", x), constant(x.type, math.inf)),
}


# What is supported, at which types ---------------------------------------------------------------


def plan(v: Value) -> tuple[str, tuple[Any, ...]] | None:
    """How an elementwise call is computed: the kind of lowering and the type of each operand; None: with NumPy."""
    assert v.prim is not None
    name = v.prim.name
    if v.dtype not in TYPES or any(a.dtype is not None and a.dtype not in TYPES for a in v.args):
        return None
    if any(a.dtype is None and type(a.data) is complex for a in v.args):
        return None
    out = TYPES[v.dtype]
    n = len(v.args)
    if name in ("astype", "cast_constant"):
        return ("cast", (type_of(v.args[0].dtype),))
    if name == "where":
        return ("where", (I1, out, out))
    if name == "attains":
        return ("attains", (t, t)) if (t := _common(v)) in (F64, F32) else None
    if name in _COMPARISONS:
        return ("compare", (t, t)) if (t := _common(v)) is not None and not _mixed(v, t) else None
    if name in _LOGICAL:
        return ("boolean", tuple([_truth(a) for a in v.args]))
    if name in _TESTS:
        return ("test", (t,)) if (t := _common(v)) in (F64, F32) else None
    if out in (F64, F32):
        if name == "power":
            return _plan_power(v, out)
        if name == "strong_scale" and v.args[1].dtype is None and math.isfinite(v.args[1].data):
            return ("multiply", (out, out))
        if name in _FLOAT and (name not in _NEEDS_EXP or "exp" in vector_math()[1]):
            exact = _common(v) is out or (name in _OF_INTEGERS and _integers(v))
            return ("float", (out,) * n) if exact else None
        if name in vector_math()[1] and not v.params and v.prim.elementwise:
            return ("math", (out,) * n) if _common(v) is out or _integers(v) else None
        return None
    if is_integer(out):
        if name == "power":
            return _plan_power(v, out)
        return ("integer", (out,) * n) if name in _INTEGER and _common(v) is out else None
    if name in _BOOLEAN and all(a.dtype == np.bool_ or type(a.data) is bool for a in v.args):
        return ("boolean", (I1,) * n)
    return None


def _integers(v: Value) -> bool:
    kinds = [np.result_type(a.data if a.dtype is None else a.dtype).kind for a in v.args]
    return all(k in "iub" for k in kinds) and v.dtype == np.float64


def _mixed(v: Value, t: Any) -> bool:
    """Integers that only floats have in common: NumPy compares them exactly."""
    return t in (F64, F32) and all(np.result_type(a.data if a.dtype is None else a.dtype).kind in "iub" for a in v.args)


def _plan_power(v: Value, out: Any) -> Any:
    b = v.args[1]
    if v.args[0].dtype == v.dtype and b.op == "constant" and b.shape == () and b.data in (0, 1, 2, 3, 4, -1, 0.5):
        return ("power", (out, None))
    if is_integer(out):
        return None
    if "power" in vector_math()[1] and (v.args[1].dtype is None or v.args[1].dtype.kind == "f"):
        return ("math", (out, out))
    return None


def _common(v: Value) -> Any:
    """The type to which NumPy brings the operands; None where a Python number does not fit."""
    kinds = [a.data if a.dtype is None else a.dtype for a in v.args]
    t = TYPES.get(np.result_type(*kinds))
    if t is not None and is_integer(t):
        low, high = limits(t)
        if any(type(x) is int and not low <= x <= high for x in kinds):
            return None
    return t


def _truth(a: Value) -> Any:
    return type_of(np.result_type(a.data)) if a.dtype is None else type_of(a.dtype)


def cost(v: Value) -> float:
    """Instructions per element, roughly."""
    how = plan(v)
    if how is None:
        return 1.0
    if how[0] == "math":
        return 20.0
    return 6.0 if v.name in ("divide", "quotient", "sqrt", "ratio", "reciprocal") else 1.0


def emit(b: Any, v: Value, how: tuple[str, tuple[Any, ...]], args: list[Any]) -> Any:
    """The instruction(s) of ``v`` on operands already in the types that ``plan`` asked for."""
    kind = how[0]
    name = v.name
    if kind in ("float", "multiply"):
        return _FLOAT["multiply" if kind == "multiply" else name](b, *args)
    if kind == "math":
        return vector_math()[0](b, name, args)
    if kind == "power":
        return _power(b, args[0], v.args[1].data)
    if kind == "cast":
        return cast(b, args[0], type_of(v.dtype))
    if kind == "where":
        return b.select(*args)
    if kind == "compare":
        e = element_of(args[0].type)
        op = _COMPARISONS[name]
        if e in (F64, F32):
            return b.fcmp_unordered(op, *args) if op == "!=" else b.fcmp_ordered(op, *args)
        return compared(b, op, *args)
    if kind == "attains":
        x, y = args
        lost = b.and_(b.fcmp_unordered("uno", x, x), b.fcmp_unordered("uno", y, y))
        return b.or_(b.fcmp_ordered("==", x, y), lost)
    if kind == "test":
        return _TESTS[name](b, *args)
    if kind == "integer":
        return _INTEGER[name](b, *args)
    return _BOOLEAN[name](b, *[cast(b, x, I1) for x in args])


def _power(b: Any, x: Any, n: Any) -> Any:
    if n == 0:
        return constant(x.type, 1)
    if n == 0.5:
        return intrinsic(b, "sqrt", x)
    if n == -1:
        return b.fdiv(constant(x.type, 1), x)
    times = b.mul if is_integer(element_of(x.type)) else b.fmul
    square = times(x, x) if n > 1 else x
    return times(square, x) if n == 3 else times(square, square) if n == 4 else square


def cast(b: Any, x: Any, to: Any) -> Any:
    """``x`` with elements of type ``to``, as NumPy converts."""
    e, w = element_of(x.type), width_of(x.type)
    if e is to:
        return x
    t = vector(to, w)
    if to is I1:
        zero = constant(x.type, 0)
        return b.fcmp_unordered("!=", x, zero) if e in (F64, F32) else b.icmp_unsigned("!=", x, zero)
    if e is I1:
        return b.zext(x, t) if is_integer(to) else b.uitofp(x, t)
    if is_integer(e):
        if not is_integer(to):
            return b.sitofp(x, t) if is_signed(e) else b.uitofp(x, t)
        if to.width > e.width:
            return b.sext(x, t) if is_signed(e) else b.zext(x, t)
        return b.trunc(x, t) if to.width < e.width else retyped(b, x, t)
    if is_integer(to):
        return _whole(b, x, to, w)
    return b.fpext(x, t) if to is F64 else b.fptrunc(x, t)


def _whole(b: Any, x: Any, to: Any, w: int) -> Any:
    """A float as an integer; narrow ones by way of a wider one, as C compilers do for what does not fit."""
    t = vector(to, w)
    if to is U64:
        return b.fptoui(x, t)
    wider = I64 if to is U32 else I32 if to.width < 32 else to
    y = b.fptosi(x, vector(wider, w))
    return y if wider is to else b.trunc(y, t)
