"""Many small arrays of one shape as one array, by a C function made at run time (of the kind described in ``entry.py``)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native import entry
from dualad.native.entry import DATA, NUMBER, TYPE
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


class _Gather(entry.Function):
    def __init__(self, module: ir.Module, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        super().__init__(module)
        self.dtype, self.shape = dtype, shape

    def emit(self) -> None:
        """All are looked at before the array is made."""
        b = self.b
        with self.each(self.count) as k:
            self._check(k)
        rank = 1 + len(self.shape)
        dims = b.alloca(I64, constant(I64, rank))
        for j, n in enumerate((self.count, *[constant(I64, n) for n in self.shape])):
            b.store(n, b.gep(dims, [constant(I64, j)]))
        out = self.new_array(absolute(b, id(self.dtype)), constant(I32, rank), dims)
        into = self.load(out, DATA, PTR)
        with self.each(self.count) as k:
            self._copy(k, into)
        b.ret(out)
        self.finish()

    def _check(self, k: Any) -> None:
        b = self.b
        x = self._argument(k)
        kind = self.load(x, TYPE, I64)
        if not self.shape:
            fits = b.icmp_signed("==", kind, address(b, id(self.dtype.type)))
            if self.dtype == np.float64:
                fits = b.or_(fits, b.icmp_signed("==", kind, address(b, id(float))))
            self.expect(fits)
            return
        dims = self.expect_array(x, kind, address(b, id(self.dtype)), constant(I32, len(self.shape)))
        for j, n in enumerate(self.shape):
            self.expect(b.icmp_signed("==", self.load(dims, 8 * j, I64), constant(I64, n)))

    def _copy(self, k: Any, into: Any) -> None:
        b = self.b
        x = self._argument(k)
        source = self.load(x, DATA, PTR) if self.shape else b.gep(x, [constant(I64, NUMBER)], source_etype=I8)
        word = min(self.dtype.itemsize, 8)
        t = ir.IntType(8 * word)
        n = constant(I64, math.prod(self.shape) * self.dtype.itemsize // word)
        first = b.mul(k, n)
        with self.each(n) as i:
            w = b.load(b.gep(source, [i], source_etype=t), typ=t)
            b.store(w, b.gep(into, [b.add(first, i)], source_etype=t))

    def _argument(self, k: Any) -> Any:
        return self.b.load(self.b.gep(self.args, [k], source_etype=PTR), typ=PTR)
