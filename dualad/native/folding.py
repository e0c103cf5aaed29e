"""Operations of straight-line code that need not be done: of constants, times one, and with what is known to be zero.

A product with zero is zero where the other factor is finite. So that results stay those of the plain program, factors that were
dropped are looked at when the code runs, or numbers that are finite only if they are; where one is not, the code gives up
(``NOT_FINITE``). Of this the sign of a zero is the only trace: where it decides anything, none are dropped (``signs_matter``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native.elementwise import TYPES
from dualad.native.graph import DONE, NOT_FINITE
from dualad.native.machine import F32, F64, I64, constant

AT_ONCE = 4  # sums of what is looked at
COMPUTED = {"float", "math", "multiply", "where", "compare"}
DTYPES = {t: dtype for dtype, t in TYPES.items()}
PASSING = {"add", "subtract", "multiply", "negative"}  # their results are finite only if their operands are


def simpler(code: Any, kind: str, t: Any, data: Any, kids: tuple[int, ...]) -> int | None:
    """What gives the same as an operation on ``kids``, if it is a constant or one of them."""
    if code.known.keys().isdisjoint(kids):
        return None
    known = [code.known.get(k) for k in kids]
    name, how = (data[0].name, data[1][0]) if kind == "op" else (kind, "")
    if kind == "op" and how in COMPUTED and None not in known:
        with np.errstate(all="ignore"):
            operands = [DTYPES[code.all[k].type].type(x) for k, x in zip(kids, known, strict=True)]
            return int(code._constant(np.asarray(data[0].prim.impl(*operands, **data[0].params))[()], t))
    if name == "where" and known[0] is not None:
        return kids[1] if known[0] else kids[2]
    if t is not F64 and t is not F32:
        return None
    if name == "multiply" or how == "multiply" or kind == "product":
        return _product(code, t, kids, known)
    if name == "strong_scale" and known[0] is not None:
        return kids[0] if known[0] == 0 else kids[1] if known[0] == 1 else None
    if not code.zeros:
        return None
    if name == "strong_multiply" and 0 in known:
        return kids[known.index(0)]
    if name == "strong_multiply" and 1 in known:
        return kids[1 - known.index(1)]
    if name == "add" or (kind == "combine" and data.name == "sum"):
        return kids[1 - known.index(0)] if 0 in known else None
    if name == "subtract" and known[1] == 0:
        return kids[0]
    return None


def _product(code: Any, t: Any, kids: tuple[int, ...], known: Sequence[Any]) -> int | None:
    if None not in known:
        with np.errstate(all="ignore"):
            return int(code._constant(DTYPES[t].type(known[0]) * DTYPES[t].type(known[1]), t))
    if 1 in known:
        return kids[1 - known.index(1)]
    if code.zeros and 0 in known:
        k = known.index(0)
        code.dropped.add(kids[1 - k])
        return kids[k]
    return None


def looked_at(code: Any, alive: Sequence[bool], together: Any) -> list[int]:
    """Numbers that are all finite only if all that was dropped is; ``together(j, k)``: whether both can be looked at there."""
    users: dict[int, list[int]] = {}
    for k, e in enumerate(code.all):
        if alive[k] and _passes(e):
            for j in e.kids:
                users.setdefault(j, []).append(k)
    due = set(code.dropped)
    out = []
    for k in range(len(code.all)):
        if k not in due:
            continue
        onwards = [u for u in users.get(k, ()) if together(k, u)]
        if onwards:
            due.add(next((u for u in onwards if u in due), onwards[-1]))
        else:
            out.append(k)
    return out


def _passes(e: Any) -> bool:
    if e.type is not F64 and e.type is not F32:
        return False
    if e.kind == "op":
        return e.data[1][0] == "float" and e.data[0].name in PASSING
    return e.kind == "product" or (e.kind == "combine" and e.data.name == "sum")


class Looks:
    """What one function has looked at: sums of zero times each number."""

    def __init__(self, b: Any) -> None:
        self.b = b
        self.sums: dict[Any, list[Any]] = {}

    def at(self, x: Any) -> None:
        zero = self.b.fmul(x, constant(x.type, 0))
        sums = self.sums.setdefault(str(x.type), [])
        if len(sums) < AT_ONCE:
            sums.append(zero)
        else:
            sums.append(self.b.fadd(sums.pop(0), zero))

    def status(self) -> Any:
        """What the function returns."""
        b = self.b
        out = constant(I64, DONE)
        for sums in self.sums.values():
            total = sums[0]
            for x in sums[1:]:
                total = b.fadd(total, x)
            bad = b.fcmp_unordered("uno", total, total)
            if isinstance(bad.type, ir.VectorType):
                word = ir.IntType(bad.type.count)
                bad = b.icmp_unsigned("!=", b.bitcast(bad, word), ir.Constant(word, 0))
            out = b.select(bad, constant(I64, NOT_FINITE), out)
        return out
