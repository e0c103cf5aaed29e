"""Numbers, masks and bits in the lanes of a vector: LLVM instructions written as arithmetic."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

DOUBLE, INT64, BOOL = ir.DoubleType(), ir.IntType(64), ir.IntType(1)

ROUNDER = 1.5 * 2.0**52  # added and subtracted, it rounds to an integer; the sum's low bits are that integer


class Lanes:
    """Where instructions go: float64 in ``width`` lanes (1: a scalar); ``fma`` says whether the target multiplies and
    adds with one rounding."""

    def __init__(self, builder: ir.IRBuilder, width: int, fma: bool) -> None:
        self.builder = builder
        self.width = width
        self.fma = fma

    def of(self, element: ir.Type) -> ir.Type:
        return element if self.width == 1 else ir.VectorType(element, self.width)

    def number(self, x: float | Number) -> Number:
        return x if isinstance(x, Number) else Number(self, _splat(DOUBLE, float(x), self.width, math.copysign(1.0, x)))

    def bits(self, k: int | Bits) -> Bits:
        return k if isinstance(k, Bits) else Bits(self, _splat(INT64, k, self.width, 1.0))

    def declared(self, name: str, type: ir.FunctionType) -> ir.Function:
        known = self.builder.module.globals
        return known[name] if name in known else ir.Function(self.builder.module, type, name)

    def intrinsic(self, name: str, *args: Number) -> Number:
        suffix = "f64" if self.width == 1 else f"v{self.width}f64"
        type = self.of(DOUBLE)
        callee = self.declared(f"llvm.{name}.{suffix}", ir.FunctionType(type, [type] * len(args)))
        return Number(self, self.builder.call(callee, [a.ir for a in args]))

    def function(self, name: str, body: Callable[..., Any], inputs: int, outputs: int = 1) -> ir.Function:
        """``body`` as a private function of the module, made at its first use. Several outputs come as a structure."""
        name = f"dualad.{name}.v{self.width}{'' if self.fma else '.nofma'}"
        known = self.builder.module.globals
        if name in known:
            return known[name]
        type = self.of(DOUBLE)
        result = type if outputs == 1 else ir.LiteralStructType([type] * outputs)
        f = ir.Function(self.builder.module, ir.FunctionType(result, [type] * inputs), name)
        f.linkage = "internal"
        for attribute in ("nounwind", "readnone"):
            f.attributes.add(attribute)
        lanes = Lanes(ir.IRBuilder(f.append_basic_block()), self.width, self.fma)
        value = body(*[Number(lanes, a) for a in f.args])
        if outputs == 1:
            lanes.builder.ret(value.ir)
        else:
            out = ir.Constant(result, ir.Undefined)
            for k, v in enumerate(value):
                out = lanes.builder.insert_value(out, v.ir, k)
            lanes.builder.ret(out)
        return f

    def call(self, name: str, body: Callable[..., Any], *args: Number, outputs: int = 1) -> Any:
        """Call ``body`` out of line: LLVM merges equal calls, and inlines as it sees fit."""
        y = self.builder.call(self.function(name, body, len(args), outputs), [a.ir for a in args])
        if outputs == 1:
            return Number(self, y)
        return tuple(Number(self, self.builder.extract_value(y, k)) for k in range(outputs))


class Number:
    """float64 in each lane."""

    __slots__ = ("ir", "lanes")

    def __init__(self, lanes: Lanes, ir: ir.Value) -> None:
        self.lanes = lanes
        self.ir = ir

    def _with(self, operation: str, a: Any, b: Any) -> Number:
        m = self.lanes
        return Number(m, getattr(m.builder, operation)(m.number(a).ir, m.number(b).ir))

    def __add__(self, other: float | Number) -> Number:
        return self._with("fadd", self, other)

    def __radd__(self, other: float) -> Number:
        return self._with("fadd", other, self)

    def __sub__(self, other: float | Number) -> Number:
        return self._with("fsub", self, other)

    def __rsub__(self, other: float) -> Number:
        return self._with("fsub", other, self)

    def __mul__(self, other: float | Number) -> Number:
        return self._with("fmul", self, other)

    def __rmul__(self, other: float) -> Number:
        return self._with("fmul", other, self)

    def __truediv__(self, other: float | Number) -> Number:
        return self._with("fdiv", self, other)

    def __rtruediv__(self, other: float) -> Number:
        return self._with("fdiv", other, self)

    def __neg__(self) -> Number:
        return Number(self.lanes, self.lanes.builder.fneg(self.ir))

    def __abs__(self) -> Number:
        return self.lanes.intrinsic("fabs", self)

    def _compared(self, how: str, other: float | Number) -> Mask:
        m = self.lanes
        compare = m.builder.fcmp_unordered if how == "!=" else m.builder.fcmp_ordered
        return Mask(m, compare(how, self.ir, m.number(other).ir))

    def __lt__(self, other: float | Number) -> Mask:
        return self._compared("<", other)

    def __le__(self, other: float | Number) -> Mask:
        return self._compared("<=", other)

    def __gt__(self, other: float | Number) -> Mask:
        return self._compared(">", other)

    def __ge__(self, other: float | Number) -> Mask:
        return self._compared(">=", other)

    def equals(self, other: float | Number) -> Mask:
        return self._compared("==", other)

    def is_nan(self) -> Mask:
        return self._compared("!=", self)

    def bits(self) -> Bits:
        return Bits(self.lanes, self.lanes.builder.bitcast(self.ir, self.lanes.of(INT64)))


Function = Callable[..., Number]


class Bits:
    """64 bits in each lane. Right shifts bring zeros in: AVX2 has no other."""

    __slots__ = ("ir", "lanes")

    def __init__(self, lanes: Lanes, ir: ir.Value) -> None:
        self.lanes = lanes
        self.ir = ir

    def _with(self, operation: str, other: int | Bits) -> Bits:
        m = self.lanes
        return Bits(m, getattr(m.builder, operation)(self.ir, m.bits(other).ir))

    def __add__(self, other: int | Bits) -> Bits:
        return self._with("add", other)

    def __sub__(self, other: int | Bits) -> Bits:
        return self._with("sub", other)

    def __and__(self, other: int | Bits) -> Bits:
        return self._with("and_", other)

    def __or__(self, other: int | Bits) -> Bits:
        return self._with("or_", other)

    def __xor__(self, other: int | Bits) -> Bits:
        return self._with("xor", other)

    def __lshift__(self, count: int) -> Bits:
        return self._with("shl", count)

    def __rshift__(self, count: int) -> Bits:
        return self._with("lshr", count)

    def equals(self, other: int | Bits) -> Mask:
        return Mask(self.lanes, self.lanes.builder.icmp_unsigned("==", self.ir, self.lanes.bits(other).ir))

    def number(self) -> Number:
        """The float64 with these bits."""
        return Number(self.lanes, self.lanes.builder.bitcast(self.ir, self.lanes.of(DOUBLE)))


class Mask:
    """A truth value in each lane."""

    __slots__ = ("ir", "lanes")

    def __init__(self, lanes: Lanes, ir: ir.Value) -> None:
        self.lanes = lanes
        self.ir = ir

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.lanes, self.lanes.builder.and_(self.ir, other.ir))

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.lanes, self.lanes.builder.or_(self.ir, other.ir))

    def __xor__(self, other: Mask) -> Mask:
        return Mask(self.lanes, self.lanes.builder.xor(self.ir, other.ir))

    def __invert__(self) -> Mask:
        return Mask(self.lanes, self.lanes.builder.not_(self.ir))


@functools.cache
def _splat(element: ir.Type, x: float | int, width: int, sign: float) -> ir.Constant:
    return ir.Constant(element, x) if width == 1 else ir.Constant(ir.VectorType(element, width), [x] * width)


def where(mask: Mask, a: float | Number, b: float | Number) -> Number:
    m = mask.lanes
    return Number(m, m.builder.select(mask.ir, m.number(a).ir, m.number(b).ir))


Two = tuple[Number | float, Number | float]


def either(mask: Mask, a: Two, b: Two) -> tuple[Number, Number]:
    """``where`` on both parts of a pair."""
    return where(mask, a[0], b[0]), where(mask, a[1], b[1])


def rarely(mask: Mask, usual: Sequence[Number], body: Callable[[], Sequence[Number]]) -> list[Number]:
    """``usual``, unless some lane is in ``mask``: then what ``body`` gives, which must leave the other lanes alone."""
    m = mask.lanes
    flag = mask.ir
    if m.width > 1:
        packed = ir.IntType(m.width)
        flag = m.builder.icmp_unsigned("!=", m.builder.bitcast(flag, packed), ir.Constant(packed, 0))
    before = m.builder.block
    with m.builder.if_then(flag, likely=False):
        other = body()
        after = m.builder.block
    phis = [m.builder.phi(y.ir.type) for y in usual]
    for phi, y, z in zip(phis, usual, other, strict=True):
        phi.add_incoming(y.ir, before)
        phi.add_incoming(z.ir, after)
    return [Number(m, phi) for phi in phis]


def multiply_add(a: Number, b: float | Number, c: float | Number) -> Number:
    """a b + c, with one rounding where the target can and two where not."""
    m = a.lanes
    return m.intrinsic("fma", a, m.number(b), m.number(c)) if m.fma else a * b + c


def polynomial(x: Number, coefficients: Sequence[float]) -> Number:
    """c_0 + c_1 x + c_2 x^2 + ..., by Estrin's scheme: short chains of dependent operations."""
    m = x.lanes
    terms: list[Number] = [m.number(c) for c in coefficients]
    while len(terms) > 1:
        pairs = [multiply_add(x, b, a) for a, b in zip(terms[::2], terms[1::2])]
        terms = pairs + terms[2 * len(pairs) :]
        if len(terms) > 1:
            x = x * x
    return terms[0]


def sqrt(x: Number) -> Number:
    return x.lanes.intrinsic("sqrt", x)


def floor(x: Number) -> Number:
    return x.lanes.intrinsic("floor", x)


def with_sign(x: Number, sign: Number) -> Number:
    """|x| with the sign of ``sign``."""
    return x.lanes.intrinsic("copysign", x, sign)


def least(x: Number, bound: float | Number) -> Number:
    """The smaller of the two; a NaN in x stays."""
    return where(x > bound, bound, x)


def most(x: Number, bound: float | Number) -> Number:
    """The larger of the two; a NaN in x stays."""
    return where(x < bound, bound, x)


def rounded(x: Number) -> tuple[Number, Bits]:
    """The nearest integer to |x| < 2^51, as a number and in the low bits of ``ROUNDER`` plus it."""
    shifted = x + ROUNDER
    return shifted - ROUNDER, shifted.bits()


def two_to(k: Bits) -> Number:
    """2^k for -1023 < k < 1024, where k comes from ``rounded``: of its bits the low twelve are left."""
    return ((k + 1023) << 52).number()


def power_of_two(n: Number) -> Number:
    """2^n for whole -1023 < n < 1024."""
    return two_to((n + ROUNDER).bits())
