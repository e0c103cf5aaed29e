"""Many small arrays of one shape as one array, by a C function made at run time."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native.entry import DATA, Code, Entry, layout_holds
from dualad.native.graph import Value
from dualad.native.machine import I64, PTR, constant
from dualad.native.objects import Machine


@functools.lru_cache(maxsize=256)
def gathering(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Callable[..., Any] | None:
    """A function of any number of such arrays (NumPy scalars and floats, without axes) that stacks them.

    It returns None where one has another type, shape or layout. None instead of the function: this interpreter has another
    layout of objects than is known.
    """
    if not layout_holds():
        return None
    module = ir.Module("gather")
    _Gather(module, None, [Value("input", shape, dtype)], [], 0).emit(False)
    return Code(Machine(module), [], [], 0, None).call


class _Gather(Entry):
    def emit(self, alone: bool) -> None:
        (v,) = self.inputs
        b = self.b
        self._each(lambda k: self._argument(k, v))
        dims = b.alloca(I64, constant(I64, 1 + len(v.shape)))
        for j, n in enumerate((self.count, *[constant(I64, n) for n in v.shape])):
            b.store(n, b.gep(dims, [constant(I64, j)]))
        out = self._array(dims, 1 + len(v.shape), np.dtype(v.dtype))
        data = self._load(out, DATA, PTR)
        word = min(np.dtype(v.dtype).itemsize, 8)
        element = ir.IntType(8 * word)
        n = math.prod(v.shape) * np.dtype(v.dtype).itemsize // word

        def copy(k: Any) -> None:
            source = self._argument(k, v)
            into = b.gep(data, [b.mul(k, constant(I64, n))], source_etype=element)
            self._loop(
                constant(I64, n),
                lambda i: b.store(
                    b.load(b.gep(source, [i], source_etype=element), typ=element),
                    b.gep(into, [i], source_etype=element),
                ),
            )

        self._each(copy)
        b.ret(out)
        self._returns()

    def _each(self, body: Callable[[Any], Any]) -> None:
        self._loop(self.count, body)

    def _loop(self, count: Any, body: Callable[[Any], Any]) -> None:
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
