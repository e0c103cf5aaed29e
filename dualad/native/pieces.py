"""Large loops in pieces, for several threads.

Where a loop is cut depends on its sizes only, and partial reductions are combined in the order of the pieces: so results do
not depend on how many threads there are, nor on which of them takes what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native import pool
from dualad.native.expressions import Affine, Expr, Expressions
from dualad.native.graph import Value
from dualad.native.loops import Nest, Span
from dualad.native.machine import I1, I8, I64, PTR, absolute, constant
from dualad.native.reduction import Reduction

MOST = 64  # pieces
FEWEST = 4
PIECE = 10_000.0  # nanoseconds of work, roughly, at least
UNIT = 512  # elements: pieces of a single loop are whole numbers of them
SHARE = 8  # partial results are at most so small a part of what is reduced
MATH, GATHER, OTHER = 0.8, 0.8, 0.1  # nanoseconds for each element
ALIGN = 64


def in_words(n: int) -> str:
    return f", in {n} pieces" if n > 1 else ""


def number(work: float, units: int) -> int:
    """How many pieces for so many nanoseconds of work; 1: it is not cut."""
    n = min(MOST, units, int(work / PIECE))
    return n if n >= FEWEST else 1


def cost(kind: str, data: Any) -> float:
    """Of one expression, for each element: in nanoseconds, roughly."""
    if kind == "op":
        return MATH if data[0] == "math" else OTHER
    return {"const": 0.0, "gather": GATHER}.get(kind, OTHER)


def split(x: Expressions, reductions: Sequence[Reduction]) -> int:
    """How many pieces a loop nest is cut into, along its outermost loop."""
    if not x.domain or 0 in x.domain:
        return 1
    size = math.prod(x.domain)
    units = x.domain[0] // UNIT if len(x.domain) == 1 else x.domain[0]
    partial = sum(r.v.size for r in _over_pieces(reductions))
    if partial:
        units = min(units, size // (SHARE * partial))
    return number(size * sum(cost(e.kind, e.data) for e in x.all), units)


def partial_bytes(n: int, reductions: Sequence[Reduction]) -> int:
    """Of the partial results of ``n`` pieces."""
    return sum(_aligned(n * r.v.size * _item(r)) for r in _over_pieces(reductions)) if n > 1 else 0


def _over_pieces(reductions: Sequence[Reduction]) -> list[Reduction]:
    return [r for r in reductions if 0 in r.axes]


def _item(r: Reduction) -> int:
    return np.dtype(r.v.dtype).itemsize


def _aligned(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def emit(
    b: Any,
    n: int,
    x: Expressions,
    stores: Sequence[tuple[Value, int, Affine]],
    reductions: Sequence[Reduction],
    pointer: Callable[[Value], Any],
    flag: Any,
    space: Any,
) -> None:
    """One loop nest in ``n`` pieces; partial results go to ``space``."""
    partial: dict[int, tuple[Any, int]] = {}
    at = 0
    for r in _over_pieces(reductions):
        partial[r.v.index] = b.gep(space, [constant(I64, at)], source_etype=I8), r.v.size * _item(r)
        at += _aligned(n * r.v.size * _item(r))
    read: list[Expr] = [e for e in x.all if e.kind in ("load", "gather")]
    touched = [*[e.value for e in read], *[v for v, _, _ in stores], *[r.v for r in reductions]]
    pointers: list[Any] = []  # each once: what they point to are different arrays
    slots: dict[int, int] = {}
    for v in touched:
        p = partial[v.index][0] if v.index in partial else pointer(v)
        known = [j for j, q in enumerate(pointers) if q is p]
        slots[v.index] = known[0] if known else len(pointers)
        if not known:
            pointers.append(p)

    def body(c: Any, given: Sequence[Any], k: Any) -> None:
        unit = UNIT if len(x.domain) == 1 else 1
        span = Span(*bounds(c, k, n, x.domain[0] // unit, unit), c.icmp_signed("==", k, constant(I64, n - 1)))
        own = {
            index: c.gep(given[slots[index]], [c.mul(k, constant(I64, size))], source_etype=I8)
            for index, (_, size) in partial.items()
        }
        bad = c.alloca(I1)
        c.store(constant(I1, 0), bad)
        begun = c.append_basic_block("begun")
        c.branch(begun)
        c.position_at_end(begun)
        Nest(c, x, stores, reductions, [], lambda v: own.get(v.index) or given[slots[v.index]], bad, span).run()
        with c.if_then(c.load(bad, typ=I1), likely=False):
            c.store(constant(I1, 1), given[-1])

    call(b, n, [*pointers, flag], body)
    for r in _over_pieces(reductions):
        _combine(b, n, r, partial[r.v.index][0], pointer, flag)


def bounds(b: Any, k: Any, n: int, units: int, unit: int) -> tuple[Any, Any]:
    """Where piece ``k`` of ``n`` begins and ends."""
    if n == 1:
        return 0, units * unit
    ends = [b.udiv(b.mul(j, constant(I64, units)), constant(I64, n)) for j in (k, b.add(k, constant(I64, 1)))]
    return b.mul(ends[0], constant(I64, unit)), b.mul(ends[1], constant(I64, unit))


def call(b: Any, n: int, pointers: Sequence[Any], body: Callable[[Any, Sequence[Any], Any], None]) -> None:
    """Do ``body(builder, pointers, k)`` for each k below ``n``, by as many threads as there are."""
    module = b.module
    name = module.get_unique_name("piece")
    inner = ir.Function(module, ir.FunctionType(ir.VoidType(), [PTR] * len(pointers) + [I64]), f"{name}.body")
    inner.linkage = "internal"
    for a in inner.args[:-1]:
        a.add_attribute("noalias")
    c = ir.IRBuilder(inner.append_basic_block("entry"))
    body(c, inner.args[:-1], inner.args[-1])
    c.ret_void()
    outer = ir.Function(module, ir.FunctionType(ir.VoidType(), [PTR, I64]), name)
    outer.linkage = "internal"
    c = ir.IRBuilder(outer.append_basic_block("entry"))
    context, k = outer.args
    places = [c.gep(context, [constant(I64, j)], source_etype=PTR) for j in range(len(pointers))]
    c.call(inner, [*[c.load(p, typ=PTR) for p in places], k])
    c.ret_void()
    with b.goto_entry_block():
        room = _untyped(b, b.alloca(ir.ArrayType(PTR, len(pointers))))
    for j, p in enumerate(pointers):
        b.store(_untyped(b, p), b.gep(room, [constant(I64, j)], source_etype=PTR))
    kind = ir.FunctionType(ir.VoidType(), [PTR, PTR, I64])
    b.call(absolute(b, pool.parallel(), kind.as_pointer()), [_untyped(b, outer), room, constant(I64, n)])


def _untyped(b: Any, p: Any) -> Any:
    """llvmlite tells pointers apart by what they point to, LLVM does not."""
    return p if type(p.type) is ir.PointerType and p.type.is_opaque else b.inttoptr(b.ptrtoint(p, I64), PTR)


def _combine(b: Any, n: int, r: Reduction, p: Any, pointer: Callable[[Value], Any], flag: Any) -> None:
    """The partial results of a reduction, in their order."""
    several = r.v.size > 1
    parts = Value("partial", (n, r.v.size) if several else (n,), r.v.dtype)
    x = Expressions(parts.shape, lambda v: True)
    whole = Reduction(r.v, x.load(parts, x.identity(parts.shape), ()), frozenset([0]))
    Nest(b, x, [], [whole], [], lambda v: p if v is parts else pointer(v), flag).run()
