"""Numbers, masks and bits in the lanes of a vector: LLVM instructions written as arithmetic."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir

DOUBLE, INT64, INT32, BOOL = ir.DoubleType(), ir.IntType(64), ir.IntType(32), ir.IntType(1)

SHORT = 12  # coefficients
ROUNDER = 1.5 * 2.0**52  # added and subtracted, it rounds to an integer; the sum's low bits are that integer


@functools.cache
def host_has(*features: str) -> bool:
    return all(binding.get_host_cpu_features().get(name, False) for name in features)


class Lanes:
    """Where instructions go: float64 in ``width`` lanes (1: a scalar); ``fma`` says whether the target multiplies and
    adds with one rounding, ``avx512`` whether it multiplies by a power of two and approximates inverses in one instruction."""

    def __init__(self, builder: ir.IRBuilder, width: int, fma: bool, avx512: bool) -> None:
        self.builder = builder
        self.width = width
        self.fma = fma
        self.avx512 = avx512

    def alike(self, builder: ir.IRBuilder, width: int) -> Lanes:
        """Elsewhere, for the same target."""
        return Lanes(builder, width, self.fma, self.avx512)

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
        """``body`` as a private function of the module, made at its first use; declared only, in a module whose ``has`` says
        that it is elsewhere. Several outputs come as a structure."""
        name = f"dualad.{name}.v{self.width}{'' if self.fma else '.nofma'}"
        module = self.builder.module
        if name in module.globals:
            return module.globals[name]

        def written(module: ir.Module, elsewhere: bool = False) -> ir.Function:
            type = self.of(DOUBLE)
            result = type if outputs == 1 else ir.LiteralStructType([type] * outputs)
            f = ir.Function(module, ir.FunctionType(result, [type] * inputs), name)
            for attribute in ("nounwind", "readnone"):
                f.attributes.add(attribute)
            if elsewhere:
                return f
            f.linkage = "internal"
            lanes = self.alike(ir.IRBuilder(f.append_basic_block()), self.width)
            value = body(*[Number(lanes, a) for a in f.args])
            if outputs == 1:
                lanes.builder.ret(value.ir)
                return f
            out = ir.Constant(result, ir.Undefined)
            for k, v in enumerate(value):
                out = lanes.builder.insert_value(out, v.ir, k)
            lanes.builder.ret(out)
            return f

        has = module.__dict__.get("has")
        if has is None:
            return written(module)
        f = written(module, elsewhere=has(name, written))
        if f.blocks:
            f.attributes.add("alwaysinline")
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
    return [Number(y.lanes, phi) for y, phi in zip(usual, phis, strict=True)]


def anywhere(k: Bits) -> Bits:
    """In at most eight lanes: the bits that are set in some."""
    b, width = k.lanes.builder, min(k.lanes.width, 8)
    parts = _parts(b, k.ir, width)
    while len(parts) > 1:
        parts = [b.or_(p, q) for p, q in zip(parts[::2], parts[1::2], strict=True)]
    return Bits(k.lanes.alike(b, width), parts[0])


def multiply_add(a: Number, b: float | Number, c: float | Number) -> Number:
    """a b + c, with one rounding where the target can and two where not."""
    m = a.lanes
    return m.intrinsic("fma", a, m.number(b), m.number(c)) if m.fma else a * b + c


def polynomial(x: Number, coefficients: Sequence[float]) -> Number:
    """c_0 + c_1 x + c_2 x^2 + ..., by Estrin's scheme: short chains of dependent operations. What is short enough is left to
    Horner's in x^2, which squares once."""
    m = x.lanes
    terms: list[Number] = [m.number(c) for c in coefficients]
    if len(terms) <= SHORT:
        pairs = [multiply_add(x, b, a) for a, b in zip(terms[::2], terms[1::2])] + terms[len(terms) // 2 * 2 :]
        total, square = pairs[-1], x * x
        for a in pairs[-2::-1]:
            total = multiply_add(total, square, a)
        return total
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


def rounded(x: Number, factor: float = 1.0, rounder: float = ROUNDER) -> tuple[Number, Bits]:
    """The nearest integer to x ``factor``, less than 2^51, as a number and in the low bits of ``rounder`` plus it; the nearest
    fraction, where the last place of ``rounder`` is one."""
    shifted = x + rounder if factor == 1.0 else multiply_add(x, factor, rounder)
    return shifted - rounder, shifted.bits()


def power_of_two(n: Number) -> Number:
    """2^n for whole -1023 < n < 1024."""
    if n.lanes.avx512:
        return scalef(n.lanes.number(1.0), n)
    return (((n + ROUNDER).bits() + 1023) << 52).number()


def scaled(x: Number, n: Number) -> Number:
    """x 2^n for whole |n| < 2046, rounded once where the result is subnormal."""
    return scalef(x, n) if x.lanes.avx512 else scaled_by(x, (n + ROUNDER).bits())


def scaled_by(x: Number, k: Bits) -> Number:
    """x 2^k, for k in the low 13 bits."""
    half = (k + 2048) >> 1
    return x * ((half - 1) << 52).number() * ((k - half + 2047) << 52).number()


def looked_up(table: Sequence[float], k: Bits) -> Number:
    """Of 16 numbers, that whose place is in the low four bits."""
    m = k.lanes
    b = m.builder
    if m.avx512 and m.width >= 8:
        type, places = ir.VectorType(DOUBLE, 8), ir.VectorType(INT64, 8)
        halves = [ir.Constant(type, list(table[j : j + 8])) for j in (0, 8)]
        callee = m.declared("llvm.x86.avx512.vpermi2var.pd.512", ir.FunctionType(type, [type, places, type]))
        return Number(m, _joined(b, [b.call(callee, [halves[0], p, halves[1]]) for p in _parts(b, k.ir, 8)]))
    kind = ir.ArrayType(DOUBLE, 16)
    all = ir.GlobalVariable(b.module, kind, b.module.get_unique_name("table"))
    all.initializer, all.global_constant, all.linkage = ir.Constant(kind, list(table)), True, "internal"
    place, zero = (k & 15).ir, ir.Constant(INT64, 0)
    if m.width == 1:
        return Number(m, b.load(b.gep(all, [zero, place])))
    y = ir.Constant(m.of(DOUBLE), ir.Undefined)
    for lane in (ir.Constant(INT32, j) for j in range(m.width)):
        y = b.insert_element(y, b.load(b.gep(all, [zero, b.extract_element(place, lane)])), lane)
    return Number(m, y)


def near_inverse(x: Number) -> Number:
    """1 / x where both are normal numbers, to at least 42 bits: by AVX-512 from 14 bits, whose error is cubed."""
    m = x.lanes
    if not m.avx512:
        return 1.0 / x
    y = _avx512("rcp14", x)
    e = m.intrinsic("fma", -x, y, m.number(1.0))
    return multiply_add(y, multiply_add(e, e, e), y)


def scalef(x: Number, n: Number) -> Number:
    """x 2^n by AVX-512; n rounded down."""
    return _avx512("mask.scalef", x, n)


def _avx512(name: str, *args: Number) -> Number:
    """One of its instructions, on eight lanes at a time."""
    m = args[0].lanes
    b, at_once = m.builder, min(max(m.width, 2), 8)
    type, mask = ir.VectorType(DOUBLE, at_once), ir.IntType(8)
    rounding = [ir.Constant(INT32, 4)] if at_once == 8 and name.startswith("mask.") else []  # as everywhere: to nearest
    kinds = [*[type] * (len(args) + 1), mask, *[k.type for k in rounding]]
    callee = m.declared(f"llvm.x86.avx512.{name}.pd.{64 * at_once}", ir.FunctionType(type, kinds))

    none = ir.Constant(type, ir.Undefined)

    def parts_of(v: ir.Value) -> list[ir.Value]:
        if m.width > 1:
            return _parts(b, v, at_once)
        return [b.shuffle_vector(b.insert_element(none, v, ir.Constant(INT32, 0)), none, _indices([0] * at_once))]

    rest = [none, ir.Constant(mask, -1), *rounding]
    parts = [b.call(callee, [*own, *rest]) for own in zip(*[parts_of(a.ir) for a in args], strict=True)]
    if m.width == 1:
        return Number(m, b.extract_element(parts[0], ir.Constant(INT32, 0)))
    return Number(m, _joined(b, parts))


def _parts(b: ir.IRBuilder, v: ir.Value, width: int) -> list[ir.Value]:
    """A vector as several of ``width`` lanes."""
    if width == 1 or v.type.count == width:
        return [v]
    none = ir.Constant(v.type, ir.Undefined)
    return [b.shuffle_vector(v, none, _indices(range(j, j + width))) for j in range(0, v.type.count, width)]


def _joined(b: ir.IRBuilder, parts: list[ir.Value]) -> ir.Value:
    """One vector of several."""
    while len(parts) > 1:
        both = _indices(range(2 * parts[0].type.count))
        parts = [b.shuffle_vector(p, q, both) for p, q in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _indices(places: Sequence[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(INT32, len(places)), list(places))
