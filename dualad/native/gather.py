"""Many small arrays of one shape as one array, by a C function made at run time (of the kind described in ``entry.py``)."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native import entry
from dualad.native.entry import CONTIGUOUS_ALIGNED, DATA, DESCR, DIMS, FLAGS, NEW_ARRAY, NUMBER, RANK, TYPE
from dualad.native.machine import I8, I32, I64, PTR, absolute, address, constant
from dualad.native.objects import Machine


@functools.lru_cache(maxsize=256)
def gathering(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Callable[..., Any] | None:
    """A function of any number of such arrays (NumPy scalars and floats, without axes) that stacks them.

    It returns None where one has another type, shape or layout. None instead of the function: this interpreter has another
    layout of objects than is known, or the dtype is not NumPy's own.
    """
    usual = np.dtype(dtype.type)  # dtypes can be equal and not the same object; this one lives for ever
    if usual != dtype or usual.kind not in "fciub" or not entry.layout_holds():
        return None
    module = ir.Module("gather")
    _Gather(module, usual, shape).emit()
    machine = Machine(module)
    definition = entry.MethodDef(b"gather", machine.address("call"), entry.FASTCALL, None)
    return entry.new_function(definition, None, (machine, definition))


class _Gather:
    def __init__(self, module: ir.Module, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.dtype, self.shape = dtype, shape
        f = ir.Function(module, ir.FunctionType(PTR, [PTR, PTR, I64]), "call")
        self.args, self.count = f.args[1], f.args[2]
        self.b = ir.IRBuilder(f.append_basic_block("entry"))
        self.foreign = f.append_basic_block("foreign")

    def emit(self) -> None:
        """All are looked at before the array is made."""
        b = self.b
        self._loop(self.count, self._check)
        rank = 1 + len(self.shape)
        dims = b.alloca(I64, constant(I64, rank))
        for j, n in enumerate((self.count, *[constant(I64, n) for n in self.shape])):
            b.store(n, b.gep(dims, [constant(I64, j)]))
        descr = absolute(b, id(self.dtype))
        self._python("Py_IncRef", ir.VoidType(), descr)  # it is stolen
        none = ir.Constant(PTR, None)
        made = [absolute(b, id(np.ndarray)), descr, constant(I32, rank), dims, none, none, constant(I32, 0), none]
        out = self._call(entry._table()[NEW_ARRAY], PTR, made)
        failed, whole = b.append_basic_block("failed"), b.append_basic_block("whole")
        b.cbranch(b.icmp_unsigned("!=", out, none), whole, failed)
        b.position_at_end(failed)
        b.ret(none)
        b.position_at_end(whole)
        into = self._load(out, DATA, PTR)
        self._loop(self.count, lambda k: self._copy(k, into))
        b.ret(out)
        b.position_at_end(self.foreign)
        nothing = absolute(b, id(None))
        self._python("Py_IncRef", ir.VoidType(), nothing)
        b.ret(nothing)

    def _check(self, k: Any) -> None:
        b = self.b
        x = self._argument(k)
        kind = self._load(x, TYPE, I64)
        if not self.shape:
            fits = b.icmp_signed("==", kind, address(b, id(self.dtype.type)))
            if self.dtype == np.float64:
                fits = b.or_(fits, b.icmp_signed("==", kind, address(b, id(float))))
            self._expect(fits)
            return
        self._expect(b.icmp_signed("==", kind, address(b, id(np.ndarray))))
        self._expect(b.icmp_signed("==", self._load(x, RANK, I32), constant(I32, len(self.shape))))
        self._expect(b.icmp_signed("==", self._load(x, DESCR, I64), address(b, id(self.dtype))))
        flags = b.and_(self._load(x, FLAGS, I32), constant(I32, CONTIGUOUS_ALIGNED))
        self._expect(b.icmp_signed("==", flags, constant(I32, CONTIGUOUS_ALIGNED)))
        dims = self._load(x, DIMS, PTR)
        for j, n in enumerate(self.shape):
            self._expect(b.icmp_signed("==", self._load(dims, 8 * j, I64), constant(I64, n)))

    def _copy(self, k: Any, into: Any) -> None:
        b = self.b
        x = self._argument(k)
        source = self._load(x, DATA, PTR) if self.shape else b.gep(x, [constant(I64, NUMBER)], source_etype=I8)
        word = min(self.dtype.itemsize, 8)
        t = ir.IntType(8 * word)
        n = constant(I64, math.prod(self.shape) * self.dtype.itemsize // word)
        first = b.mul(k, n)

        def move(i: Any) -> None:
            w = b.load(b.gep(source, [i], source_etype=t), typ=t)
            b.store(w, b.gep(into, [b.add(first, i)], source_etype=t))

        self._loop(n, move)

    def _argument(self, k: Any) -> Any:
        return self.b.load(self.b.gep(self.args, [k], source_etype=PTR), typ=PTR)

    def _load(self, p: Any, at: int, t: Any) -> Any:
        return self.b.load(self.b.gep(p, [constant(I64, at)], source_etype=I8), typ=t)

    def _expect(self, fits: Any) -> None:
        following = self.b.append_basic_block("fits")
        self.b.cbranch(fits, following, self.foreign)
        self.b.position_at_end(following)

    def _loop(self, count: Any, body: Callable[[Any], None]) -> None:
        b = self.b
        before = b.block
        head, inside, after = [b.append_basic_block(s) for s in ("head", "inside", "after")]
        b.branch(head)
        b.position_at_end(head)
        k = b.phi(I64)
        k.add_incoming(constant(I64, 0), before)
        b.cbranch(b.icmp_signed("<", k, count), inside, after)
        b.position_at_end(inside)
        body(k)
        k.add_incoming(b.add(k, constant(I64, 1)), b.block)
        b.branch(head)
        b.position_at_end(after)

    def _python(self, name: str, out: Any, *args: Any) -> Any:
        return self._call(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value, out, list(args))

    def _call(self, at: Any, out: Any, args: list[Any]) -> Any:
        kind = ir.FunctionType(out, [a.type for a in args])
        return self.b.call(absolute(self.b, at, kind.as_pointer()), args)
