"""Reduction of huge arguments of sine, cosine and tangent, out of line and lane by lane: the product with 2 / pi in integers.

Of the bits of 2 / pi, those whose product with x is a multiple of 4 do not matter; the next 192 are taken.
Source: M. Payne, R. Hanek, "Radian reduction for trigonometric functions", SIGNUM Newsletter 18 (1983).
"""

from __future__ import annotations

import itertools
import struct

from llvmlite import ir

from dualad.native.vectormath.lanes import (
    DOUBLE,
    INT32,
    INT64,
    ROUNDER,
    Bits,
    Lanes,
    Mask,
    Number,
    anywhere,
    multiply_add,
    rarely,
    where,
)
from dualad.native.vectormath.pairs import Pair, exact_product, fast_sum

INT128 = ir.IntType(128)
# 2 / pi in 64 bits each, after one word of zeros.
TWO_OVER_PI = (
    0,
    0xA2F9836E4E441529,
    0xFC2757D1F534DDC0,
    0xDB6295993C439041,
    0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0,
    0x06492EEA09D1921C,
    0xFE1DEB1CB129A73E,
    0xE88235F52EBB4484,
    0xE99C7026B45F7E41,
    0x3991D639835339F4,
    0x9C845F8BBDF9283B,
    0x1FF897FFDE05980F,
    0xEF2F118B5A0A6D1F,
    0x6D367ECF27CB09B7,
    0x4F463F669E5FEA2D,
    0x7527BAC7EBE5F17B,
    0x3D0739F78A5292EA,
    0x6BFB5FB11F8D5D08,
    0x56033046FC7B6BAB,
    0xF0CFBC209AF4361D,
)
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)


WINDOW = 21  # bits
START = struct.unpack("q", struct.pack("d", ROUNDER))[0]


def _beyond(k: Bits) -> Mask:
    return ~((anywhere(k ^ START) >> WINDOW).equals(0))


def reduced_if_huge(x: Number, k: Bits, r: Pair) -> tuple[Bits, Pair]:
    """(k, r) where k, as bits, is from those of ``ROUNDER`` on less than 2^``WINDOW``, and else by the way that holds for every
    x."""
    m = x.lanes
    usual = [k.number(), *r]

    def lane_by_lane() -> list[Number]:
        b, type = m.builder, m.of(DOUBLE)
        slots = []
        for v in (x, *usual):
            with b.goto_entry_block():
                slots.append(b.alloca(type))
            b.store(v.ir, slots[-1])
        before, loop, done = b.block, b.append_basic_block("lane"), b.append_basic_block("lanes")
        b.branch(loop)
        b.position_at_end(loop)
        lane = b.phi(INT32)
        lane.add_incoming(ir.Constant(INT32, 0), before)
        step = b.zext(b.mul(lane, ir.Constant(INT32, 8)), INT64)
        places = [b.inttoptr(b.add(b.ptrtoint(slot, INT64), step), ir.PointerType(DOUBLE)) for slot in slots]
        one = m.alike(b, 1)
        with b.if_then(_beyond(Number(one, b.load(places[1], typ=DOUBLE)).bits()).ir):
            result = b.call(_reduce(m), [b.load(places[0], typ=DOUBLE)])
            for k, place in enumerate(places[1:]):
                b.store(b.extract_value(result, k), place)
        following = b.add(lane, ir.Constant(INT32, 1))
        lane.add_incoming(following, b.block)
        b.cbranch(b.icmp_unsigned("<", following, ir.Constant(INT32, m.width)), loop, done)
        b.position_at_end(done)
        return [Number(m, b.load(slot, typ=type)) for slot in slots[1:]]

    quarter, high, low = rarely(_beyond(k), usual, lane_by_lane)
    return quarter.bits(), (high, low)


def _reduce(m: Lanes) -> ir.Function:
    """The function that reduces one number."""
    name = "dualad.huge" + ("" if m.fma else ".nofma")
    known = m.builder.module.globals
    if name in known:
        return known[name]
    f = ir.Function(m.builder.module, ir.FunctionType(ir.LiteralStructType([DOUBLE] * 3), [DOUBLE]), name)
    f.linkage = "internal"
    for attribute in ("nounwind", "readnone", "noinline", "cold"):
        f.attributes.add(attribute)
    b = ir.IRBuilder(f.append_basic_block())
    scalar = m.alike(b, 1)
    x = Number(scalar, f.args[0])
    k, r = _payne_hanek(x, _table(m.builder.module))
    out = ir.Constant(f.function_type.return_type, ir.Undefined)
    for j, v in enumerate((k.number(), *r)):
        out = b.insert_value(out, v.ir, j)
    b.ret(out)
    return f


def _table(module: ir.Module) -> ir.GlobalVariable:
    name = "dualad.two_over_pi"
    if name in module.globals:
        return module.globals[name]
    type = ir.ArrayType(INT64, len(TWO_OVER_PI))
    table = ir.GlobalVariable(module, type, name)
    table.linkage, table.global_constant = "internal", True
    table.initializer = ir.Constant(type, [ir.Constant(INT64, w) for w in TWO_OVER_PI])
    return table


def _payne_hanek(x: Number, table: ir.GlobalVariable) -> tuple[Bits, Pair]:
    """As ``trigonometry.reduced``."""
    m = x.lanes
    b = m.builder

    def number(k: int) -> ir.Constant:
        return ir.Constant(INT64, k)

    size = abs(x).bits()
    exponent = size >> 52
    significand = (size & ((1 << 52) - 1)) | (1 << 52)
    # x = significand 2^(exponent - 1075); bits of 2 / pi up to the one of weight 2^(2 - that exponent) do not matter.
    start = exponent - (1075 + 2 - 64)
    word, shift = (start >> 6).ir, (start & 63).ir
    zero = ir.Constant(INT32, 0)
    parts = [b.load(b.gep(table, [zero, b.trunc(b.add(word, number(j)), INT32)]), typ=INT64) for j in range(4)]
    funnel = m.declared("llvm.fshl.i64", ir.FunctionType(INT64, [INT64] * 3))
    high, middle, low = (b.call(funnel, [p, q, shift]) for p, q in itertools.pairwise(parts))

    def wide(v: ir.Value) -> ir.Value:
        return b.zext(v, INT128)

    shift64 = ir.Constant(INT128, 64)
    s = wide(significand.ir)
    # The product modulo 2^192: of it the upper 128 bits.
    top = b.add(
        b.shl(b.mul(s, wide(high)), shift64), b.add(b.mul(s, wide(middle)), b.lshr(b.mul(s, wide(low)), shift64))
    )
    fraction = b.shl(top, ir.Constant(INT128, 2))  # signed: of one turn by pi / 2, from -1/2 to 1/2
    quarter = b.trunc(b.lshr(top, ir.Constant(INT128, 126)), INT64)
    negative = b.icmp_signed("<", fraction, ir.Constant(INT128, 0))
    quarter = b.add(quarter, b.zext(negative, INT64))
    absolute = b.select(negative, b.neg(fraction), fraction)
    zeros = b.call(
        m.declared("llvm.ctlz.i128", ir.FunctionType(INT128, [INT128, ir.IntType(1)])),
        [absolute, ir.Constant(ir.IntType(1), 0)],
    )
    leading = b.shl(absolute, zeros)
    head = b.uitofp(b.trunc(b.lshr(leading, ir.Constant(INT128, 75)), INT64), DOUBLE)
    tail = b.uitofp(b.and_(b.trunc(b.lshr(leading, ir.Constant(INT128, 22)), INT64), number((1 << 53) - 1)), DOUBLE)
    scale = Bits(m, b.shl(b.sub(number(1023), b.trunc(zeros, INT64)), number(52))).number()
    h, t = Number(m, head) * 2.0**-53 * scale, Number(m, tail) * 2.0**-106 * scale
    p, e = exact_product(h, HALF_PI[0])
    r, rest = fast_sum(p, e + multiply_add(h, HALF_PI[1], t * HALF_PI[0]))
    # A sign of the fraction is one of r; a sign of x is one of both r and the quarter.
    flip = Number(m, b.select(b.xor(negative, (x < 0.0).ir), ir.Constant(DOUBLE, -1.0), ir.Constant(DOUBLE, 1.0)))
    quarter = b.select((x < 0.0).ir, b.neg(quarter), quarter)
    bad = x - x  # NaN of an infinity and of NaN
    return Bits(m, quarter), (where(bad.is_nan(), bad, r * flip), rest * -flip)
