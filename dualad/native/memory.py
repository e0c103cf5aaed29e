"""How elements lie in memory: their types there, and access to several at once under a mask."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from dualad.native.elementwise import BYTES
from dualad.native.machine import F32, F64, I1, I8, I32, I64, PTR, Unsigned, constant, retyped, splat, vector, width_of

AHEAD = 4096  # bytes from here is what a long row has fetched: the processor by itself stops at the end of each page
LINE = 64  # bytes of the cache


def zipped(b: Any, x: Any, y: Any) -> Any:
    """The lanes of two vectors in turn."""
    w = width_of(x.type)
    return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, 2 * w), [j for k in range(w) for j in (k, w + k)]))


def memory(t: Any) -> Any:
    """The type of an element in memory."""
    return I8 if t is I1 else t


def m_bytes(m: Any) -> int:
    return BYTES[m]


def iota(w: int, step: int = 1) -> Any:
    return ir.Constant(ir.VectorType(I64, w), [k * step for k in range(w)])


def masked(b: Any, what: str, t: Any, args: list[Any], mask: Any, m: Any) -> Any:
    w = width_of(t)
    suffix = f"v{w}{ {F64: 'f64', F32: 'f32'}.get(m) or m }"
    if isinstance(m, Unsigned):  # one function for both
        signed = ir.VectorType(ir.IntType(m.width), w)
        args = [retyped(b, a, signed) if a.type == t else a for a in args]
        x = masked(b, what, signed, args, mask, signed.element)
        return x if x.type == ir.VoidType() else retyped(b, x, t)
    align = ir.Constant(I32, m_bytes(m))
    if what == "store":
        name, out, full = f"llvm.masked.store.{suffix}.p0", ir.VoidType(), [*args, align, mask]
    elif what == "scatter":
        name, out, full = f"llvm.masked.scatter.{suffix}.v{w}p0", ir.VoidType(), [*args, align, mask]
    elif what == "load":
        name, out, full = f"llvm.masked.load.{suffix}.p0", t, [*args, align, mask, constant(t, 0)]
    else:
        name, out, full = f"llvm.masked.gather.{suffix}.v{w}p0", t, [*args, align, mask, constant(t, 0)]
    f = b.module.globals.get(name)
    if f is None:
        f = ir.Function(b.module, ir.FunctionType(out, [a.type for a in full]), name)
    return b.call(f, full)


def addresses(b: Any, p: Any, at: Any, m: Any) -> Any:
    """The addresses of the elements at a vector of places."""
    w = width_of(at.type)
    places = b.add(splat(b, b.ptrtoint(p, I64), w), b.mul(at, constant(at.type, m_bytes(m))))
    return b.inttoptr(places, ir.VectorType(PTR, w))


def fetch(b: Any, p: Any, size: int, level: int) -> None:
    """Bring the lines that are ``AHEAD`` of p into the cache of that level."""
    f = b.module.globals.get("llvm.prefetch.p0")
    if f is None:
        f = ir.Function(b.module, ir.FunctionType(ir.VoidType(), [PTR, I32, I32, I32]), "llvm.prefetch.p0")
    for at in range(AHEAD, AHEAD + size, LINE):
        b.call(f, [b.gep(p, [constant(I64, at)], source_etype=I8), *[constant(I32, k) for k in (0, 4 - level, 1)]])


def load(b: Any, p: Any, at: Any, t: Any, w: int = 1, mask: Any = None, long: bool = False) -> Any:
    """``w`` elements from place ``at`` on; ``long``: with those that come next fetched."""
    m = memory(t)
    q = b.gep(p, [at], source_etype=m)
    if long and mask is None and w > 1:
        fetch(b, q, w * m_bytes(m), 1)
    if mask is None or w == 1:
        x = b.load(q, align=m_bytes(m), typ=vector(m, w))
    else:
        x = masked(b, "load", vector(m, w), [q], mask, m)
    return b.icmp_unsigned("!=", x, constant(x.type, 0)) if t is I1 else x


def store(b: Any, p: Any, at: Any, x: Any, t: Any, mask: Any = None, long: bool = False) -> None:
    m = memory(t)
    if t is I1:
        x = b.zext(x, vector(m, width_of(x.type)))
    q = b.gep(p, [at], source_etype=m)
    if mask is None:
        if long and width_of(x.type) > 1:
            fetch(b, q, width_of(x.type) * m_bytes(m), 2)  # to be read: lines fetched to be written take a fifth longer
        b.store(x, q, align=m_bytes(m))
    else:
        masked(b, "store", x.type, [x, q], mask, m)


def scattered(b: Any, p: Any, at: Any, t: Any, mask: Any) -> Any:
    """Loads at a vector of places."""
    m = memory(t)
    w = width_of(at.type)
    all_lanes = constant(vector(I1, w), 1) if mask is None else mask
    x = masked(b, "gather", vector(m, w), [addresses(b, p, at, m)], all_lanes, m)
    return b.icmp_unsigned("!=", x, constant(x.type, 0)) if t is I1 else x
