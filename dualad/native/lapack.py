"""Small systems of equations by SciPy's LAPACK, called from machine code by address: in loops, a call of NumPy takes longer than
they do. A matrix that NumPy refuses makes the code return ``SINGULAR``, and Python raise the error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from dualad.native.blas import Call
from dualad.native.elementwise import type_of, vector_math
from dualad.native.extents import Loop, Unsuited, grows
from dualad.native.graph import SINGULAR, Value
from dualad.native.machine import F64, I32, I64, constant, intrinsic
from dualad.native.rewriting import DETERMINANTS
from dualad.native.schedule import contiguous, matrix


def emit(b: Any, v: Value, stored: Callable[[Value], bool], pointer: Callable[[Value], Any]) -> None:
    """A value of the kind ``system``."""
    if any(grows(b, k) for a in v.args for k in a.shape[-2:]):
        raise Unsuited(v.shape)
    _System(b, v, stored, pointer).emit()


def work(v: Value) -> float:
    """Nanoseconds, roughly."""
    n, many = v.args[0].shape[-1], math.prod(v.args[0].shape[:-2])
    return many * (500 + 0.2 * n * (n * n + v.size / many))


class _System:
    def __init__(self, b: Any, v: Value, stored: Callable[[Value], bool], pointer: Callable[[Value], Any]) -> None:
        self.b, self.v, self.t = b, v, type_of(v.dtype)
        self.call = Call(b, "d" if self.t is F64 else "s", self.t)
        self.out = pointer(v)
        self.operands: list[tuple[Any, tuple[int, ...]]] = []
        for a in v.args:
            base, at, strides = matrix(a, stored) or (a, 0, contiguous(a.shape))
            self.operands.append((b.gep(pointer(base), [constant(I64, at)], source_etype=self.t), strides))
        self.n = v.args[0].shape[-1]

    def emit(self) -> None:
        """One after the other of many."""
        shape = self.v.args[0].shape
        if len(shape) == 2:
            self._one()
            return
        loop = Loop(self.b, 0, shape[0], 1)
        self.operands = [(self._moved(p, loop.i, own[0]), own[1:]) for p, own in self.operands]
        self.out = self._moved(self.out, loop.i, math.prod(self.v.shape[1:]))
        self._one()
        loop.close()

    def _moved(self, p: Any, k: Any, step: int) -> Any:
        return self.b.gep(p, [self.b.mul(k, constant(I64, step))], source_etype=self.t)

    def _one(self) -> None:
        if self.v.name == "cholesky":
            self._cholesky()
        elif self.v.name == "solve_triangular":
            self._triangular(**self.v.params)
        elif self.v.name in DETERMINANTS:
            self._determinant()
        else:
            self._general()

    def _general(self) -> None:
        """By LU, of columns as LAPACK has them; the inverse is the solution for the identity."""
        b, n, m = self.b, self.n, self.v.shape[-1]
        a, x = self._room(self.t, n * n), self._room(self.t, n * m)
        self._copied(a, (1, n), *self.operands[0], (n, n))
        if len(self.operands) > 1:
            self._copied(x, (1, n), *self.operands[1], (n, m))
        else:
            self._each((n, n), lambda i, j: self._put(x, (1, n), i, j, self._same(i, j)))
        failed = self._lapack("gesv", n, m, a, n, self._room(I32, n), x, n)
        if self.v.name == "inverse_or_nan":
            nan = constant(self.t, math.nan)
            get = lambda i, j: b.select(failed, nan, self._get(x, (1, n), i, j))
        else:
            self._refuse(failed)
            get = lambda i, j: self._get(x, (1, n), i, j)
        self._each((n, m), lambda i, j: self._put(self.out, (m, 1), i, j, get(i, j)))

    def _determinant(self) -> None:
        """As NumPy: the sum of the logarithms of the pivots' sizes, and their sign with that of the exchanges."""
        b, n = self.b, self.n
        a, turns = self._room(self.t, n * n), self._room(I32, n)
        self._copied(a, (1, n), *self.operands[0], (n, n))
        none = self._lapack("getrf", n, n, a, n, turns)
        sign, total = self._room(self.t, 1), self._room(self.t, 1)
        zero, one = constant(self.t, 0), constant(self.t, 1)
        b.store(one, sign)
        b.store(zero, total)
        loop = Loop(b, 0, n, 1)
        pivot = self._get(a, (1, n), loop.i, loop.i)
        row = b.load(b.gep(turns, [loop.i], source_etype=I32), typ=I32)
        turned = b.icmp_signed("!=", row, b.add(b.trunc(loop.i, I32), constant(I32, 1)))
        flips = b.xor(turned, b.fcmp_ordered("<", pivot, zero))
        now = b.load(sign, typ=self.t)
        b.store(b.select(flips, b.fneg(now), now), sign)
        log = vector_math()[0](b, "log", [intrinsic(b, "fabs", pivot)])
        b.store(b.fadd(b.load(total, typ=self.t), log), total)
        loop.close()
        found = b.select(none, zero, b.load(sign, typ=self.t))
        log = b.select(none, constant(self.t, -math.inf), b.load(total, typ=self.t))
        if self.v.name == "log_of_determinant":
            found = log
        elif self.v.name == "det":
            found = b.fmul(found, vector_math()[0](b, "exp", [log]))
        b.store(found, self.out)

    def _cholesky(self) -> None:
        """The lower triangle of rows is the upper one of LAPACK's columns."""
        b, n = self.b, self.n
        a, strides = self.operands[0]
        zero = constant(self.t, 0)

        def lower(i: Any, j: Any) -> None:
            x = b.select(b.icmp_signed("<=", j, i), self._get(a, strides, i, j), zero)
            self._put(self.out, (n, 1), i, j, x)

        self._each((n, n), lower)
        self._refuse(self._lapack("potrf", "U", n, self.out, n))

    def _triangular(self, lower: bool, unit: bool) -> None:
        """In place, from the right: in LAPACK's columns all is transposed."""
        b, n, m = self.b, self.n, self.v.shape[-1]
        a, (down, along) = self.operands[0]
        if not unit:
            loop = Loop(b, 0, n, 1)
            self._refuse(b.fcmp_ordered("==", self._get(a, (down, along), loop.i, loop.i), constant(self.t, 0)))
            loop.close()
        self._copied(self.out, (m, 1), *self.operands[1], (n, m))
        rows = along == 1 and (down >= n or n == 1)
        upper = lower if rows else not lower
        lead = max(down if rows else along, n)
        flags = ("R", "U" if upper else "L", "N" if rows else "T", "U" if unit else "N")
        self.call("trsm", *flags, m, n, 1.0, a, lead, self.out, m)

    # Instructions -----------------------------------------------------------------------------

    def _lapack(self, name: str, *args: Any) -> Any:
        """Call a function; whether it found the matrix singular, or not positive definite."""
        info = self._room(I32, 1)
        self.call(name, *args, info)
        return self.b.icmp_signed("!=", self.b.load(info, typ=I32), constant(I32, 0))

    def _room(self, t: Any, count: int) -> Any:
        with self.b.goto_entry_block():
            return self.b.alloca(t, count)

    def _each(self, shape: tuple[int, int], body: Callable[[Any, Any], None]) -> None:
        rows = Loop(self.b, 0, shape[0], 1)
        columns = Loop(self.b, 0, shape[1], 1)
        body(rows.i, columns.i)
        columns.close()
        rows.close()

    def _place(self, p: Any, strides: tuple[int, ...], i: Any, j: Any) -> Any:
        b = self.b
        down, along = (b.mul(k, constant(I64, s)) for k, s in zip((i, j), strides, strict=True))
        return b.gep(p, [b.add(down, along)], source_etype=self.t)

    def _get(self, p: Any, strides: tuple[int, ...], i: Any, j: Any) -> Any:
        return self.b.load(self._place(p, strides, i, j), typ=self.t)

    def _put(self, p: Any, strides: tuple[int, ...], i: Any, j: Any, x: Any) -> None:
        self.b.store(x, self._place(p, strides, i, j))

    def _copied(self, p: Any, own: tuple[int, ...], a: Any, strides: tuple[int, ...], shape: tuple[int, int]) -> None:
        self._each(shape, lambda i, j: self._put(p, own, i, j, self._get(a, strides, i, j)))

    def _same(self, i: Any, j: Any) -> Any:
        one, zero = constant(self.t, 1), constant(self.t, 0)
        return self.b.select(self.b.icmp_signed("==", i, j), one, zero)

    def _refuse(self, failed: Any) -> None:
        b = self.b
        with b.if_then(failed, likely=False):
            b.ret(ir.Constant(I64, SINGULAR))
