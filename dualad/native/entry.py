"""How Python calls native code: a C function made at run time, which checks its arguments and makes its results.

The function reads NumPy arrays and Python floats where they lie, by the layout of their structures; ``layout_holds`` verifies
that layout on this interpreter before any such function is made. Otherwise ``ctypes`` calls the code, more slowly.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native.extents import ROUND, extent, grows, place, sized, split
from dualad.native.graph import Value
from dualad.native.machine import F64, I1, I8, I32, I64, PTR, absolute, address, constant
from dualad.native.objects import Machine

TYPE, NUMBER = 8, 16  # of any object: its type; of a float or NumPy scalar: its value
DATA, RANK, DIMS, DESCR, FLAGS = 16, 24, 32, 56, 64  # of an array
CONTIGUOUS_ALIGNED = 0x0101
NEW_ARRAY, NEW_SCALAR, ARRAY_TYPE = 94, 60, 2  # places in NumPy's table of C functions, which never change
STACK = 1 << 15  # bytes of workspace taken from the stack; beyond that from the heap
FASTCALL = 0x0080


class MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("method", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def new_function(definition: MethodDef, own: Any, keep: Any) -> Callable[..., Any]:
    """A C function with ``own`` as its ``self``; it keeps both objects alive, but not its definition."""
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
    made: Callable[..., Any] = new(ctypes.addressof(definition), own, keep)
    return made


def python(b: Any, name: str, out: Any, *args: Any) -> Any:
    """Call a function of Python's C interface."""
    return _at(b, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value, out, list(args))


def _at(b: Any, address: Any, out: Any, args: list[Any]) -> Any:
    kind = ir.FunctionType(out, [a.type for a in args])
    return b.call(absolute(b, address, kind.as_pointer()), args)


@functools.cache
def _table() -> Any:
    umath = importlib.import_module("numpy._core._multiarray_umath")
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return (ctypes.c_void_p * 400).from_address(get(umath._ARRAY_API, None))


@functools.cache
def layout_holds() -> bool:
    """Whether arrays and numbers of this interpreter lie in memory as the generated code assumes."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    return _layout_of(TYPE, NUMBER, DATA, RANK, DIMS, DESCR, FLAGS)


def _layout_of(kind: int, number: int, data: int, rank: int, dims: int, descr: int, flags: int) -> bool:
    def word(x: Any, at: int) -> int:
        return ctypes.c_int64.from_address(id(x) + at).value

    for x in (np.arange(6.0).reshape(2, 3), np.zeros(5, np.float32), np.ones((2, 1, 4), np.int64).T, np.array(2.5)):
        where = word(x, dims)
        shape = [ctypes.c_int64.from_address(where + 8 * k).value for k in range(x.ndim)] if where else []
        held = (
            word(x, kind) == id(np.ndarray)
            and word(x, data) == x.ctypes.data
            and ctypes.c_int32.from_address(id(x) + rank).value == x.ndim
            and (x.ndim == 0 or where != 0)
            and word(x, descr) == id(x.dtype)
            and ctypes.c_int32.from_address(id(x) + flags).value & 0xFFFF == x.flags.num & 0xFFFF
        )
        if not held or (x.ndim and tuple(shape) != x.shape):
            return False
    for y in (2.5, np.float64(-3.25)):
        if word(y, kind) != id(type(y)) or ctypes.c_double.from_address(id(y) + number).value != float(y):
            return False
    for z in (2.5 - 1j, np.complex128(0.5 + 3j)):
        parts = [ctypes.c_double.from_address(id(z) + number + k).value for k in (0, 8)]
        if word(z, kind) != id(type(z)) or parts != [z.real, z.imag]:
            return False
    single, whole, pair = np.float32(1.5), np.int64(-7), np.complex64(2 - 3j)
    return (
        ctypes.c_float.from_address(id(single) + number).value == 1.5
        and ctypes.c_int64.from_address(id(whole) + number).value == -7
        and [ctypes.c_float.from_address(id(pair) + number + k).value for k in (0, 4)] == [2, -3]
        and _table()[ARRAY_TYPE] == id(np.ndarray)
    )


class Code:
    """Native code of a segment as a Python callable: ``code(*arrays)`` returns its result(s).

    None says that an argument is not as expected (another type, shape or layout), an int which guard failed.
    """

    def __init__(
        self,
        machine: Machine,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        workspace: int,
        keep: Any,
        every: Every | None = None,
    ) -> None:
        self.machine = machine
        self.keep = keep
        self.parts = inputs, outputs, workspace, every
        if layout_holds():
            self.definition = MethodDef(b"compiled", machine.address("call"), FASTCALL, None)
        self.call = self.at(None) if every is None else None

    def at(self, words: np.ndarray | None) -> Callable[..., Any]:
        """The function; of code for all sizes, that which takes arrays of the size in ``words`` and no others."""
        if not layout_holds():
            return Slow(self.machine, *self.parts[:3], self.keep, self.parts[3], words)
        # The function owns these objects: the code, and the numbers that the code reads.
        return new_function(self.definition, words, _Owner(self))


class _Owner:
    """Keeps the code alive as long as a function that runs it."""

    def __init__(self, code: Code) -> None:
        self.machine, self.keep, self.definition = code.machine, code.keep, code.definition


class Slow:
    """The same by ctypes, which needs no knowledge of structures."""

    def __init__(
        self,
        machine: Machine,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        workspace: int,
        keep: Any,
        every: Every | None,
        words: np.ndarray | None,
    ) -> None:
        self.keep = machine, keep
        n = 0 if words is None else int(words[0])
        shape = (lambda v: every.shape(v, n)) if every is not None else (lambda v: v.shape)
        places = {} if every is None else {index: k for k, index in enumerate(every.numbers)}
        # Of each input: the words of a number, or None for an argument.
        self.numbers = [words[places[v.index] :] if words is not None and v.index in places else None for v in inputs]
        self.inputs = [(shape(v), v.dtype) for v in inputs if v.index not in places]
        self.outputs = [(shape(v), v.dtype) for v in outputs]
        self.workspace = workspace if every is None else every.bytes(workspace, n)
        pointers = [ctypes.c_void_p] * (len(inputs) + len(outputs) + 1)
        self.run = ctypes.CFUNCTYPE(ctypes.c_int64, *pointers)(machine.address("plain"))

    def __call__(self, *args: Any) -> Any:
        if len(args) != len(self.inputs):
            return None
        arrays = []
        for x, (shape, dtype) in zip(args, self.inputs, strict=True):
            if not isinstance(x, (np.ndarray, float, complex, np.generic)):
                return None
            a = np.asarray(x)
            if a.shape != shape or a.dtype != dtype or not (a.flags.c_contiguous and a.flags.aligned):
                return None
            arrays.append(a)
        results = [np.empty(shape, dtype) for shape, dtype in self.outputs]
        space = np.empty(self.workspace + 64, np.uint8)
        start = -(-space.ctypes.data // 64) * 64
        rest = iter(arrays)
        whole = [next(rest) if x is None else x for x in self.numbers]
        code = self.run(*[a.ctypes.data for a in whole], *[y.ctypes.data for y in results], start)
        if code != -1:
            return int(code)
        results = [y if y.ndim else y[()] for y in results]
        return results[0] if len(results) == 1 else tuple(results)


class Every:
    """Of code for all sizes: what stands for the size in shapes, and the inputs of ``run`` (by index) that are numbers, in the
    order of their words; the first is the size."""

    def __init__(self, standing: int, numbers: dict[int, Any]) -> None:
        self.standing, self.numbers = standing, numbers

    def shape(self, v: Value, n: int) -> tuple[int, ...]:
        """Of a value, at size ``n``."""
        return tuple([a * n + rest for a, rest in (split(k, self.standing) for k in v.shape)])

    def bytes(self, k: int, n: int) -> int:
        """A place in the workspace at size ``n``; as ``place`` emits it."""
        a, rest = divmod(k, self.standing)
        return a * (-(-n // ROUND) * ROUND) + rest


def emit(
    module: ir.Module,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    workspace: int,
    alone: int,
    every: Every | None = None,
) -> None:
    """Emit ``call`` (for Python) and ``plain`` (for ctypes) around the module's function ``run``.

    ``alone``: it takes long, and lets other threads have the interpreter meanwhile; in code for all sizes from that size on.
    """
    run = module.globals["run"]
    plain = ir.Function(module, run.function_type, "plain")
    b = ir.IRBuilder(plain.append_basic_block())
    b.ret(b.call(run, plain.args))
    if layout_holds():
        _Entry(module, run, inputs, outputs, workspace, every).emit(alone)


class _Entry:
    def __init__(
        self,
        module: ir.Module,
        run: Any,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        workspace: int,
        every: Every | None,
    ) -> None:
        self.module, self.run, self.every = module, run, every
        self.inputs, self.outputs, self.workspace = inputs, outputs, workspace
        f = ir.Function(module, ir.FunctionType(PTR, [PTR, PTR, I64]), "call")
        self.args, self.count = f.args[1], f.args[2]
        self.b: Any = ir.IRBuilder(f.append_basic_block("entry"))
        if every is not None:
            self.words = self._load(f.args[0], DATA, PTR)
            sized(self.b, every.standing, self.words)
        self.foreign = f.append_basic_block("foreign")
        self.failed = f.append_basic_block("failed")

    def emit(self, alone: int) -> None:
        b = self.b
        numbers = list(self.every.numbers) if self.every is not None else []
        given = [v for v in self.inputs if v.index not in numbers]
        self._expect(b.icmp_signed("==", self.count, constant(I64, len(given))))
        pointers = [
            self._argument(given.index(v), v)
            if v.index not in numbers
            else b.gep(self.words, [constant(I64, numbers.index(v.index))], source_etype=I64)
            for v in self.inputs
        ]
        made: list[Any] = []
        slots: list[Any] = []
        for v in self.outputs:
            if v.shape:
                made.append(self._new_array(v))
                slots.append(self._load(made[-1], DATA, PTR))
            else:
                made.append(None)
                slots.append(b.alloca(ir.ArrayType(I64, 2)))  # a complex number at most
        space, heap = self._space()
        code = self._run([*pointers, *slots, space], alone)
        if heap is not None:
            self._python("PyMem_RawFree", ir.VoidType(), heap)
        done = b.append_basic_block("done")
        missed = b.append_basic_block("missed")
        b.cbranch(b.icmp_signed("==", code, constant(I64, -1)), done, missed)
        b.position_at_end(missed)
        for x in made:
            if x is not None:
                self._python("Py_DecRef", ir.VoidType(), x)
        b.ret(self._python("PyLong_FromLongLong", PTR, code))
        b.position_at_end(done)
        results = [
            self._new_scalar(v, s) if x is None else x for v, x, s in zip(self.outputs, made, slots, strict=True)
        ]
        if len(results) == 1:
            b.ret(results[0])
        else:
            whole = self._whole(self._python("PyTuple_New", PTR, constant(I64, len(results))))
            for k, x in enumerate(results):
                self._python("PyTuple_SetItem", I32, whole, constant(I64, k), x)
            b.ret(whole)
        b.position_at_end(self.foreign)
        none = self._object(None)
        self._python("Py_IncRef", ir.VoidType(), none)
        b.ret(none)
        b.position_at_end(self.failed)
        b.ret(ir.Constant(PTR, None))

    def _run(self, args: list[Any], alone: int) -> Any:
        b = self.b
        if self.every is None:
            state = self._python("PyEval_SaveThread", PTR) if alone else None
            code = b.call(self.run, args)
            if state is not None:
                self._python("PyEval_RestoreThread", ir.VoidType(), state)
            return code
        long = b.icmp_signed(">=", b.size.n, constant(I64, alone))
        slot = b.alloca(I64)
        with b.if_then(long):
            b.store(b.ptrtoint(self._python("PyEval_SaveThread", PTR), I64), slot)
        code = b.call(self.run, args)
        with b.if_then(long):
            self._python("PyEval_RestoreThread", ir.VoidType(), b.inttoptr(b.load(slot, typ=I64), PTR))
        return code

    # Arguments --------------------------------------------------------------------------------

    def _argument(self, k: int, v: Value) -> Any:
        """The address of the data of argument ``k``, if it is as expected."""
        b = self.b
        x = b.load(b.gep(self.args, [constant(I64, k)], source_etype=PTR), typ=PTR)
        kind = self._load(x, TYPE, I64)
        dtype = np.dtype(v.dtype)
        if not v.shape:
            fits = b.icmp_signed("==", kind, address(b, id(dtype.type)))
            number = {"d": float, "D": complex}.get(dtype.char)
            if number is not None:
                fits = b.or_(fits, b.icmp_signed("==", kind, address(b, id(number))))
            self._expect(fits)
            return b.gep(x, [constant(I64, NUMBER)], source_etype=I8)
        self._expect(b.icmp_signed("==", kind, address(b, id(np.ndarray))))
        flags = b.and_(self._load(x, FLAGS, I32), constant(I32, CONTIGUOUS_ALIGNED))
        fits = b.and_(
            b.and_(
                b.icmp_signed("==", self._load(x, RANK, I32), constant(I32, len(v.shape))),
                b.icmp_signed("==", self._load(x, DESCR, I64), address(b, id(dtype))),
            ),
            b.icmp_signed("==", flags, constant(I32, CONTIGUOUS_ALIGNED)),
        )
        self._expect(fits)
        dims = self._load(x, DIMS, PTR)
        fits = constant(I1, 1)
        for j, n in enumerate(v.shape):
            fits = b.and_(fits, b.icmp_signed("==", self._load(dims, 8 * j, I64), extent(b, n)))
        self._expect(fits)
        return self._load(x, DATA, PTR)

    def _expect(self, fits: Any) -> None:
        b = self.b
        following = b.append_basic_block("fits")
        b.cbranch(fits, following, self.foreign)
        b.position_at_end(following)

    def _load(self, p: Any, at: int, t: Any) -> Any:
        return self.b.load(self.b.gep(p, [constant(I64, at)], source_etype=I8), typ=t)

    # Results ----------------------------------------------------------------------------------

    def _new_array(self, v: Value) -> Any:
        b = self.b
        if any(grows(b, k) for k in v.shape):
            g = b.alloca(ir.ArrayType(I64, len(v.shape)))
            for j, k in enumerate(v.shape):
                b.store(extent(b, k), b.gep(g, [constant(I32, 0), constant(I32, j)]))
        else:
            shape = ir.Constant(ir.ArrayType(I64, len(v.shape)), list(v.shape))
            g = ir.GlobalVariable(self.module, shape.type, self.module.get_unique_name("shape"))
            g.initializer, g.global_constant, g.linkage = shape, True, "internal"
        descr = self._object(np.dtype(v.dtype))
        self._python("Py_IncRef", ir.VoidType(), descr)  # it is stolen
        none = ir.Constant(PTR, None)
        args = [
            self._object(np.ndarray), descr, constant(I32, len(v.shape)), b.bitcast(g, PTR), none, none,
            constant(I32, 0), none,
        ]  # fmt: skip
        return self._whole(self._numpy(NEW_ARRAY, args))

    def _new_scalar(self, v: Value, slot: Any) -> Any:
        none = ir.Constant(PTR, None)
        return self._whole(self._numpy(NEW_SCALAR, [slot, self._object(np.dtype(v.dtype)), none]))

    def _whole(self, x: Any) -> Any:
        """``x``, unless it could not be made: then Python's error goes on."""
        b = self.b
        made = b.append_basic_block("made")
        b.cbranch(b.icmp_unsigned("!=", x, ir.Constant(PTR, None)), made, self.failed)
        b.position_at_end(made)
        return x

    def _space(self) -> tuple[Any, Any]:
        """The workspace, and what is to be freed of it."""
        b = self.b
        if self.workspace == 0:
            return ir.Constant(PTR, None), None
        if self.workspace <= STACK:
            a = b.alloca(ir.ArrayType(F64, -(-self.workspace // 8)))
            a.align = 64
            return a, None
        heap = self._whole(self._python("PyMem_RawMalloc", PTR, place(b, self.workspace + 64)))
        start = b.and_(b.add(b.ptrtoint(heap, I64), constant(I64, 63)), constant(I64, -64))
        return b.inttoptr(start, PTR), heap

    # Calls ------------------------------------------------------------------------------------

    def _object(self, x: Any) -> Any:
        return absolute(self.b, id(x))

    def _python(self, name: str, out: Any, *args: Any) -> Any:
        return python(self.b, name, out, *args)

    def _numpy(self, place: int, args: list[Any]) -> Any:
        return _at(self.b, _table()[place], PTR, args)
