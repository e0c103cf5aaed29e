"""Large loops in pieces, for several threads.

Where a loop is cut depends on its sizes only, and partial reductions are combined in the order of the pieces: so results do
not depend on how many threads there are, nor on which of them takes what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native import pool
from dualad.native.expressions import Affine, Expr, Expressions
from dualad.native.extents import Loop, Span, aligned, extent, sized, split
from dualad.native.graph import Value
from dualad.native.loops import Nest
from dualad.native.machine import I1, I8, I64, PTR, absolute, constant
from dualad.native.memory import memory
from dualad.native.reduction import Reduction

MOST = 64  # pieces
FEWEST = 4
PIECE = 10_000.0  # nanoseconds of work, roughly, at least
UNIT = 512  # elements: pieces of a single loop are whole numbers of them
SHARE = 8  # partial results are at most so small a part of what is reduced
FINE, SOME = 64, 8  # and, from so many pieces on, so small a part: one thread adds them up
ROOM = 1 << 17  # bytes for partial results in code for all sizes
APART = 512  # bytes between those of two pieces: a processor fetches ahead, and would take from another what that one writes
MATH, GATHER, OTHER = 0.8, 0.8, 0.1  # nanoseconds for each element


@dataclass(frozen=True)
class Cut:
    """How a loop is cut along its outermost axis: into ``n`` pieces; where the axis is as long as the size that code serves
    all values of, into one for each ``step`` of its length, at most ``n``."""

    n: int
    step: int = 0

    def count(self, b: Any, length: int) -> Any:
        """How many pieces."""
        if not self.step:
            return constant(I64, self.n)
        n = b.udiv(extent(b, length), constant(I64, self.step))
        n = b.select(b.icmp_signed("<", n, constant(I64, self.n)), n, constant(I64, self.n))
        return b.select(b.icmp_signed("<", n, constant(I64, FEWEST)), constant(I64, 1), n)

    def __str__(self) -> str:
        return f", in {'up to ' * bool(self.step)}{self.n} pieces"


def cut(length: int, work: float, step: int, standing: int, most: int = MOST) -> Cut | None:
    """How a loop is cut whose body takes ``work`` nanoseconds, into pieces of at least ``step``, a power of two of them (the
    same number for each of two or four threads); None: not at all."""
    step = max(step, math.ceil(PIECE / max(work, 1e-6)))
    if standing:
        return Cut(most, step) if split(length, standing)[0] and most >= FEWEST else None
    n = min(most, length // step)
    return Cut(1 << n.bit_length() - 1) if n >= FEWEST else None


def cost(kind: str, data: Any) -> float:
    """Of one expression, for each element: in nanoseconds, roughly."""
    if kind == "op":
        return MATH if data[0] == "math" else OTHER
    return {"const": 0.0, "gather": GATHER}.get(kind, OTHER)


def along(x: Expressions, reductions: Sequence[Reduction], standing: int) -> Cut | None:
    """How a loop nest is cut along its outermost loop."""
    if not x.domain or 0 in x.domain:
        return None
    inner = math.prod(x.domain[1:])
    partial = sum(r.v.size for r in _over_pieces(reductions))
    if standing and any(split(k, standing)[0] for k in (inner, partial)):
        return None
    step = max(UNIT if len(x.domain) == 1 else 1, -(-SHARE * partial // inner))
    most = MOST
    if standing and partial:  # there is room for as many as there can be
        most = min(MOST, ROOM // sum(_room(r, 1) for r in _over_pieces(reductions)))
    elif partial:
        most = min(MOST, max(SOME, x.domain[0] * inner // (FINE * partial)))
    return cut(x.domain[0], inner * sum(cost(e.kind, e.data) for e in x.all), step, standing, most)


def partial_bytes(how: Cut | None, reductions: Sequence[Reduction]) -> int:
    """Of the partial results of all pieces."""
    return sum(_room(r, how.n) for r in _over_pieces(reductions)) if how else 0


def _over_pieces(reductions: Sequence[Reduction]) -> list[Reduction]:
    return [r for r in reductions if 0 in r.axes]


def _each(r: Reduction) -> int:
    """Elements from one partial result to the next."""
    item = np.dtype(r.v.dtype).itemsize
    return (aligned(r.v.size * item) + APART) // item if r.v.size > 1 else 1


def _room(r: Reduction, n: int) -> int:
    """Bytes of ``n`` partial results."""
    return aligned(n * _each(r) * np.dtype(r.v.dtype).itemsize)


def emit(
    b: Any,
    how: Cut,
    x: Expressions,
    stores: Sequence[tuple[Value, int, Affine]],
    reductions: Sequence[Reduction],
    pointer: Callable[[Value], Any],
    flag: Any,
    space: Any,
    size: Any = None,
) -> None:
    """One loop nest in pieces; partial results go to ``space``. ``size``: where the size is."""
    partial: dict[int, tuple[Any, Reduction]] = {}
    at = 0
    for r in _over_pieces(reductions):
        partial[r.v.index] = b.gep(space, [constant(I64, at)], source_etype=I8), r
        at += _room(r, how.n)
    read: list[Expr] = [e for e in x.all if e.kind in ("load", "gather")]
    touched = [*[e.value for e in read], *[v for v, _, _ in stores], *[r.v for r in reductions]]
    pointers: list[Any] = [] if size is None else [size]  # each once: what they point to are different arrays
    slots: dict[int, int] = {}
    for v in touched:
        p = partial[v.index][0] if v.index in partial else pointer(v)
        known = [j for j, q in enumerate(pointers) if q is p]
        slots[v.index] = known[0] if known else len(pointers)
        if not known:
            pointers.append(p)
    unit = UNIT if len(x.domain) == 1 else 1
    standing = b.size.standing if size is not None else 0

    def body(c: Any, given: Sequence[Any], k: Any) -> None:
        sized(c, standing, given[0])
        n = how.count(c, x.domain[0])
        last = c.icmp_signed("==", k, c.sub(n, constant(I64, 1)))
        span = Span(*bounds(c, k, n, x.domain[0], unit), last)
        own = {
            index: c.gep(given[slots[index]], [c.mul(k, constant(I64, _each(r)))], source_etype=memory(r.type))
            for index, (_, r) in partial.items()
        }
        bad = c.alloca(I1)
        c.store(constant(I1, 0), bad)
        begun = c.append_basic_block("begun")
        c.branch(begun)
        c.position_at_end(begun)
        Nest(c, x, stores, reductions, [], lambda v: own.get(v.index) or given[slots[v.index]], bad, span).run()
        with c.if_then(c.load(bad, typ=I1), likely=False):
            c.store(constant(I1, 1), given[-1])

    n = how.count(b, x.domain[0])
    call(b, n, [*pointers, flag], body)
    for r in _over_pieces(reductions):
        p = partial[r.v.index][0]
        if how.step:
            _combine_some(b, n, r, p, pointer(r.v))
        else:
            _combine(b, how.n, r, p, pointer, flag)


def bounds(b: Any, k: Any, n: Any, length: int, unit: int) -> tuple[Any, Any]:
    """Where piece ``k`` of ``n`` begins and ends: at whole units."""
    units = b.udiv(extent(b, length), constant(I64, unit))
    ends = [b.udiv(b.mul(j, units), n) for j in (k, b.add(k, constant(I64, 1)))]
    return b.mul(ends[0], constant(I64, unit)), b.mul(ends[1], constant(I64, unit))


def call(b: Any, n: Any, pointers: Sequence[Any], body: Callable[[Any, Sequence[Any], Any], None]) -> None:
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
    b.call(absolute(b, pool.parallel(), kind.as_pointer()), [_untyped(b, outer), room, n])


def _untyped(b: Any, p: Any) -> Any:
    """llvmlite tells pointers apart by what they point to, LLVM does not."""
    return p if type(p.type) is ir.PointerType and p.type.is_opaque else b.inttoptr(b.ptrtoint(p, I64), PTR)


def _combine(b: Any, n: int, r: Reduction, p: Any, pointer: Callable[[Value], Any], flag: Any) -> None:
    """The partial results of a reduction, in their order."""
    own = (r.v.size,) if r.v.size > 1 else ()
    parts = Value("partial", (n, _each(r)), r.v.dtype)
    x = Expressions((n, *own), lambda v: True)
    index = x.identity(x.domain)
    whole = Reduction(r.v, x.load(parts, index if own else (*index, x.zero), ()), frozenset([0]))
    Nest(b, x, [], [whole], [], lambda v: p if v is parts else pointer(v), flag).run()


def _combine_some(b: Any, n: Any, r: Reduction, p: Any, result: Any) -> None:
    """The same for a number of pieces that depends on the size."""
    m = memory(r.type)
    over = Loop(b, 0, r.v.size, 1)
    out = b.gep(result, [over.i], source_etype=m)
    b.store(r.start(m), out)
    parts = Loop(b, 0, n, 1)
    at = b.add(b.mul(parts.i, constant(I64, _each(r))), over.i)
    x, y = b.load(out, typ=m), b.load(b.gep(p, [at], source_etype=m), typ=m)
    b.store(r.combine(b, x, y), out)
    parts.close()
    over.close()
