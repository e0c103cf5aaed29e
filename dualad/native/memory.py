"""How elements lie in memory: their types there, and access to several at once under a mask."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from dualad.native.machine import F32, F64, I1, I8, I32, I64, constant, width_of


def memory(t: Any) -> Any:
    """The type of an element in memory."""
    return I8 if t is I1 else t


def m_bytes(m: Any) -> int:
    return {F64: 8, F32: 4, I64: 8, I8: 1}[m]


def iota(w: int, step: int = 1) -> Any:
    return ir.Constant(ir.VectorType(I64, w), [k * step for k in range(w)])


def masked(b: Any, what: str, t: Any, args: list[Any], mask: Any, m: Any) -> Any:
    w = width_of(t)
    suffix = f"v{w}{ {F64: 'f64', F32: 'f32', I64: 'i64', I8: 'i8'}[m] }"
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
