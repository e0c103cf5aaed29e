"""Matrix products by SciPy's BLAS, called from machine code by address."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import importlib.machinery
import importlib.util
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from dualad.native.blocks import Block, Plan
from dualad.native.elementwise import type_of
from dualad.native.extents import Loop, extent, grows
from dualad.native.graph import Value
from dualad.native.machine import F32, F64, I32, I64, absolute, constant
from dualad.native.schedule import contiguous, matrix

TABLES = "cython_blas", "cython_lapack"


@functools.cache
def _table(table: str) -> dict[str, Any]:
    """By its module alone where that can be had: to import all of ``scipy.linalg`` takes a tenth of a second."""
    found = None
    if "scipy.linalg" not in sys.modules:
        with contextlib.suppress(ImportError, OSError):
            found = _alone(table)
    return dict((found or importlib.import_module(f"scipy.linalg.{table}")).__pyx_capi__)


def _alone(table: str) -> Any:
    import scipy

    folder = pathlib.Path(scipy.__path__[0]) / "linalg"
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        name, place = f"scipy.linalg.{table}", folder / f"{table}{suffix}"
        spec = importlib.util.spec_from_file_location(name, place)
        if spec is None or spec.loader is None or not place.exists():
            continue
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        finally:
            sys.modules.pop(name, None)  # it is imported as ever when it is asked for
        return module
    return None


@functools.cache
def address(name: str) -> int:
    """Where the function of BLAS or LAPACK is, from the tables that SciPy exports for Cython."""
    capsule = next(found for table in TABLES if (found := _table(table).get(name)) is not None)
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


def multiply(
    b: Any, v: Value, stored: Callable[[Value], bool], pointer: Callable[[Value], Any], plan: Plan | None = None
) -> None:
    """``v = a @ b``: BLAS is column-major, so it computes the transpose, from the transposes."""
    pairs = "pairs" in v.params  # of complex numbers
    x, y = (a.shape[:-1] if pairs else a.shape for a in v.args)
    found = [matrix(a, stored, pairs) or (a, 0, contiguous(own)) for a, own in zip(v.args, (x, y), strict=True)]
    real = type_of(v.dtype)
    t = ir.ArrayType(real, 2) if pairs else real
    places = [b.gep(pointer(a), [extent(b, at)], source_etype=t) for a, at, _ in found]
    (_, _, s), (_, _, r) = found
    call = Call(b, {(F64, False): "d", (F64, True): "z", (F32, False): "s", (F32, True): "c"}[real, pairs], t)
    if len(x) >= 2 and len(y) >= 2:
        (m, k), n = x[-2:], y[-1]
        ty, ldy = _layout(y[-2:], r[-2:])
        tx, ldx = _layout(x[-2:], s[-2:])
        out = pointer(v)
        if len(x) == 2:

            def whole() -> None:
                call("gemm", ty, tx, n, m, k, 1.0, places[1], ldy, places[0], ldx, 0.0, out, n)

            if plan is None or not plan.suits([(a, own) for a, (_, _, own) in zip(v.args, found, strict=True)]):
                whole()
                return
            operands = [(a, p, own) for a, p, (_, _, own) in zip(v.args, places, found, strict=True)]
            with b.if_else(plan.holds(b, operands, t), likely=True) as (then, otherwise):
                with then:
                    for block in plan.loops(b, operands, out, n, t):
                        _block(call, block, plan.side, (m, k, n), places, (s, r), out)
                with otherwise:
                    whole()
            return
        loop = Loop(b, 0, x[0], 1)
        moved = [
            b.gep(p, [b.mul(loop.i, extent(b, step))], source_etype=t)
            for p, step in ((places[0], s[0]), (places[1], r[0]), (out, m * n))
        ]
        call("gemm", ty, tx, n, m, k, 1.0, moved[1], ldy, moved[0], ldx, 0.0, moved[2], n)
        loop.close()
    elif len(y) == 1:
        _gemv(call, x, s, places[0], False, places[1], r[0], pointer(v))
    else:
        _gemv(call, y, r, places[1], True, places[0], s[0], pointer(v))


def _block(
    call: Call, block: Block, side: int, sizes: tuple[int, int, int], places: Sequence[Any], strides: Any, out: Any
) -> None:
    """Rows (``side`` 0) or columns (1) of a product, of a part of the sum."""
    b, t = call.b, call.t
    (m, k, n), (s, r) = sizes, strides
    first, last, start, stop = block.first, block.last, block.start, block.stop
    rows, columns = ((first, last), (0, n)) if side == 0 else ((0, m), (first, last))
    moved = b.gep(out, [constant(I64, rows[0] * n + columns[0])], source_etype=t)
    (m, n), lead = (rows[1] - rows[0], columns[1] - columns[0]), n
    if start == stop:
        loop = Loop(b, 0, m, 1)
        inner = Loop(b, 0, n, 1)
        b.store(constant(t, 0), b.gep(moved, [b.add(b.mul(loop.i, constant(I64, lead)), inner.i)], source_etype=t))
        inner.close()
        loop.close()
        return
    k = stop - start
    left = b.gep(places[0], [constant(I64, rows[0] * s[0] + start * s[1])], source_etype=t)
    right = b.gep(places[1], [constant(I64, start * r[0] + columns[0] * r[1])], source_etype=t)
    (ty, ldy), (tx, ldx) = _layout((k, n), r), _layout((m, k), s)
    call("gemm", ty, tx, n, m, k, 1.0, right, ldy, left, ldx, 0.0, moved, lead)


def _gemv(
    call: Call, shape: tuple[int, ...], strides: tuple[int, ...], a: Any, turned: bool, x: Any, step: int, y: Any
) -> None:
    """y = a @ x, or x @ a where ``turned``."""
    rows, columns = shape
    flag, lead = _layout(shape, strides)
    if flag == "N":  # in memory, the columns of BLAS are the rows of a
        call("gemv", "N" if turned else "T", columns, rows, 1.0, a, lead, x, step, 0.0, y, 1)
    else:
        call("gemv", "T" if turned else "N", rows, columns, 1.0, a, lead, x, step, 0.0, y, 1)


def _layout(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[str, int]:
    """Whether BLAS must transpose a matrix that it takes for column-major, and its leading dimension."""
    rows, columns = shape
    if strides[1] == 1 and (rows == 1 or strides[0] >= columns):
        return "N", max(strides[0], columns)
    return "T", max(strides[1], rows)


class Call:
    """Calls of BLAS functions, whose arguments are all addresses."""

    def __init__(self, b: Any, letter: str, t: Any) -> None:
        self.b, self.letter, self.t = b, letter, t

    def __call__(self, name: str, *args: Any) -> None:
        b = self.b
        whole = [a if isinstance(a, ir.Value) else self._constant(a) for a in args]
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in whole])
        b.call(absolute(b, address(self.letter + name), kind.as_pointer()), whole)

    def _constant(self, x: Any) -> Any:
        b, module = self.b, self.b.module
        if isinstance(x, int) and grows(b, x):
            with b.goto_entry_block():
                slot = b.alloca(I32)
            b.store(b.trunc(extent(b, x), I32), slot)
            return slot
        if isinstance(x, str):
            value = ir.Constant(ir.IntType(8), ord(x))
        elif isinstance(x, int):
            value = ir.Constant(I32, x)
        else:
            value = ir.Constant(self.t, [x, 0.0] if isinstance(self.t, ir.ArrayType) else x)
        name = f"blas.{self.letter}.{x}"
        g = module.globals.get(name)
        if g is None:
            g = ir.GlobalVariable(module, value.type, name)
            g.initializer, g.global_constant, g.linkage = value, True, "internal"
        return g
