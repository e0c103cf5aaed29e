"""How Python calls native code: a C function made at run time, which checks its arguments and makes its results.

There is one code for all programs; what it must know of one is in a table, the function's ``self``. It reads NumPy arrays and
Python floats where they lie, by the layout of their structures; ``layout_holds`` verifies that layout on this interpreter
before any such function is made. Otherwise ``ctypes`` calls the program, more slowly.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import math
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native.extents import ALIGN, ROUND, aligned, split
from dualad.native.graph import DONE, Value
from dualad.native.machine import I1, I8, I32, I64, PTR, absolute, address, constant
from dualad.native.objects import Machine, once

REFERENCES, TYPE, NUMBER = 0, 8, 16  # of any object: how many; its type; of a float or NumPy scalar: its value
DATA, RANK, DIMS, STRIDES, DESCR, FLAGS, WEAK = 16, 24, 32, 40, 56, 64, 72  # of an array
CONTIGUOUS_ALIGNED = 0x0101
AS_NEW, LENT = (
    0x0505,
    0x2000,
)  # flags: also memory of its own, which may be written; and if it is to be copied elsewhere
SMALL = 1 << 14  # bytes of results that are used again once nobody has them any more
NEW_ARRAY, NEW_SCALAR, ARRAY_TYPE = 94, 60, 2  # places in NumPy's table of C functions, which never change
STACK = 1 << 15  # bytes of a frame taken from the stack; beyond that from the heap
LONG = 50_000.0  # nanoseconds of work from which on other threads may run Python meanwhile
FASTCALL = 0x0080
SLOT = 16  # bytes for a number, a complex one at most
# Words of the table: the program's function; bytes of a frame (pointers to all inputs, outputs and the workspace; the outputs;
# their numbers; the workspace) and where its parts are; whether the program takes long; how many arguments, inputs (which are
# arguments, or numbers in the table) and outputs; a record of each input and output, of which the first word says what it is.
START, FRAME, MADE, SLOTS, SPACE, ALONE, ARGUMENTS, INPUTS, OUTPUTS, FIRST = range(10)
IN_TABLE = -1  # a number, which is the next word; else the number of axes


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


def referred(b: Any, x: Any) -> None:
    """One reference more to an object that is not immortal."""
    p = b.gep(x, [constant(I64, REFERENCES)], source_etype=I8)
    b.store(b.add(b.load(p, typ=I64), constant(I64, 1)), p)


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
    return _layout_of(TYPE, NUMBER, DATA, RANK, DIMS, STRIDES, DESCR, FLAGS, WEAK)


def word(x: Any, at: int) -> int:
    """Of an object's structure."""
    return ctypes.c_int64.from_address(id(x) + at).value


def _layout_of(
    kind: int, number: int, data: int, rank: int, dims: int, strides: int, descr: int, flags: int, weak: int
) -> bool:
    for x in (np.arange(6.0).reshape(2, 3), np.zeros(5, np.float32), np.ones((2, 1, 4), np.int64).T, np.array(2.5)):
        lists = [
            [ctypes.c_int64.from_address(where + 8 * k).value for k in range(x.ndim)] if where else []
            for where in (word(x, dims), word(x, strides))
        ]
        held = (
            word(x, kind) == id(np.ndarray)
            and word(x, data) == x.ctypes.data
            and ctypes.c_int32.from_address(id(x) + rank).value == x.ndim
            and word(x, descr) == id(x.dtype)
            and ctypes.c_int32.from_address(id(x) + flags).value & 0xFFFF == x.flags.num & 0xFFFF
        )
        if not held or (x.ndim and lists != [[*x.shape], [*x.strides]]):
            return False
    shared = np.zeros(1)
    before, more = word(shared, REFERENCES), [shared] * 5
    if word(more[0], REFERENCES) != before + len(more) or word(shared, weak):
        return False
    watched = weakref.ref(shared)
    if word(shared, weak) != id(watched):
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
        and word(whole, number) == -7
        and [ctypes.c_float.from_address(id(pair) + number + k).value for k in (0, 4)] == [2, -3]
        and _table()[ARRAY_TYPE] == id(np.ndarray)
    )


class Code:
    """A program's code, its function ``run``, as a Python callable: ``code.call(*arrays)`` returns its result(s).

    None says that an argument is not as expected (another type, shape or layout), an int which guard failed. ``work``: the
    nanoseconds that it takes, roughly.
    """

    def __init__(
        self,
        module: ir.Module,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        workspace: int,
        work: float,
        keep: Any,
        every: Every | None = None,
    ) -> None:
        _start(module)
        self.machine = Machine(module)
        self.inputs, self.outputs, self.workspace, self.work = inputs, outputs, workspace, work
        self.keep, self.every = keep, every
        self.call = self.at(None) if every is None else None

    def at(self, words: np.ndarray | None) -> Callable[..., Any]:
        """The function; of code for all sizes, that which takes arrays of the size in ``words`` and no others."""
        space, work = self.workspace, self.work
        if self.every is not None and words is not None:
            n = int(words[0])
            space, work = self.every.bytes(space, n), work * n / self.every.standing
        if not layout_holds():
            return Slow(self, words, space)
        numbers = self._numbers(words)
        given, n, m = sum(x is None for x in numbers), len(numbers), len(self.outputs)
        made = 8 * (n + m + 1)
        slots = made + 8 * m
        start = aligned(slots + SLOT * m)
        table = [self.machine.address("start"), start + space, made, slots, start, work > LONG, given, n, m]
        for v, x in zip(self.inputs, numbers, strict=True):
            table += self._argument(v, words) if x is None else [IN_TABLE, int(x[0])]
        shapes = [self.shape(v, words) for v in self.outputs]
        dtypes = [np.dtype(v.dtype) for v in self.outputs]
        small = sum(math.prod(s) * t.itemsize for s, t in zip(shapes, dtypes, strict=True)) <= SMALL
        spare = np.empty((m, 2), object)
        for shape, dtype, kept in zip(shapes, dtypes, spare, strict=True):
            table += [len(shape), id(dtype), kept.ctypes.data if small and shape else 0, *shape]
        return new_function(_definition(), np.array(table, np.int64), _Owner(self, spare))

    def _argument(self, v: Value, words: np.ndarray | None) -> list[int]:
        shape, dtype = self.shape(v, words), np.dtype(v.dtype)
        if shape:
            return [len(shape), id(dtype), *shape]
        return [0, id(dtype.type), id({"d": float, "D": complex}.get(dtype.char, dtype.type))]

    def _numbers(self, words: np.ndarray | None) -> list[Any]:
        """Of each input: the words of a number, or None for an argument."""
        places = {} if self.every is None else {index: k for k, index in enumerate(self.every.numbers)}
        return [words[places[v.index] :] if words is not None and v.index in places else None for v in self.inputs]

    def shape(self, v: Value, words: np.ndarray | None) -> tuple[int, ...]:
        return v.shape if self.every is None or words is None else self.every.shape(v, int(words[0]))


class _Owner:
    """Keeps the code alive as long as a function that runs it, and its spare results."""

    def __init__(self, code: Code, spare: np.ndarray) -> None:
        self.keep = code.machine, code.keep, spare
        self.address = _code().address("call")


class Slow:
    """The same by ctypes, which needs no knowledge of structures."""

    def __init__(self, code: Code, words: np.ndarray | None, space: int) -> None:
        self.code, self.space = code, space
        self.numbers = code._numbers(words)
        given = [v for v, x in zip(code.inputs, self.numbers, strict=True) if x is None]
        self.inputs = [(code.shape(v, words), v.dtype) for v in given]
        self.outputs = [(code.shape(v, words), v.dtype) for v in code.outputs]
        self.start = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(code.machine.address("start"))

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
        space = np.empty(self.space + ALIGN, np.uint8)
        rest = iter(arrays)
        whole = [next(rest) if x is None else x for x in self.numbers]
        pointers = [*[a.ctypes.data for a in (*whole, *results)], aligned(space.ctypes.data)]
        code = self.start(np.array(pointers, np.int64).ctypes.data)
        if code != DONE:
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


def _start(module: ir.Module) -> None:
    """Emit ``start`` around the module's function ``run``: the same, given its arguments as an array."""
    run = module.globals["run"]
    f = ir.Function(module, ir.FunctionType(I64, [PTR]), "start")
    b = ir.IRBuilder(f.append_basic_block())
    places = [b.gep(f.args[0], [constant(I64, k)], source_etype=PTR) for k in range(len(run.args))]
    b.ret(b.call(run, [b.load(p, typ=PTR) for p in places]))


@once
def _code() -> Machine:
    module = ir.Module("dualad")
    _Entry(module).emit()
    return Machine(module)


@once
def _definition() -> MethodDef:
    return MethodDef(b"compiled", _code().address("call"), FASTCALL, None)


class Function:
    """A C function as it is emitted that Python calls: with arguments that are not as expected it returns None, and NULL where
    something could not be made."""

    def __init__(self, module: ir.Module) -> None:
        self.f = f = ir.Function(module, ir.FunctionType(PTR, [PTR, PTR, I64]), "call")
        self.args, self.count = f.args[1], f.args[2]
        self.b: Any = ir.IRBuilder(f.append_basic_block("entry"))
        self.foreign = f.append_basic_block("foreign")
        self.failed = f.append_basic_block("failed")

    def finish(self) -> None:
        """The ends that are not the usual one."""
        b = self.b
        b.position_at_end(self.foreign)
        none = absolute(b, id(None))
        python(b, "Py_IncRef", ir.VoidType(), none)
        self.give(none)
        b.position_at_end(self.failed)  # Python's error goes on
        self.let_go()
        self.give(ir.Constant(PTR, None))

    def give(self, x: Any) -> None:
        self.b.ret(x)

    def let_go(self) -> None:
        """Of what has been made."""

    def expect(self, fits: Any) -> None:
        b = self.b
        following = b.append_basic_block("fits")
        b.cbranch(fits, following, self.foreign)
        b.position_at_end(following)

    def whole(self, x: Any) -> Any:
        """``x``, unless it could not be made."""
        b = self.b
        made = b.append_basic_block("made")
        b.cbranch(b.icmp_unsigned("!=", x, ir.Constant(PTR, None)), made, self.failed)
        b.position_at_end(made)
        return x

    def expect_array(self, x: Any, kind: Any, descr: Any, rank: Any) -> Any:
        """That ``x`` is an array of that dtype and so many axes, contiguous and aligned; where its shape is."""
        b = self.b
        self.expect(b.icmp_signed("==", kind, address(b, id(np.ndarray))))
        flags = b.and_(self.load(x, FLAGS, I32), constant(I32, CONTIGUOUS_ALIGNED))
        same = b.icmp_signed("==", self.load(x, DESCR, I64), descr)
        same = b.and_(same, b.icmp_signed("==", self.load(x, RANK, I32), rank))
        self.expect(b.and_(same, b.icmp_signed("==", flags, constant(I32, CONTIGUOUS_ALIGNED))))
        return self.load(x, DIMS, PTR)

    def new_array(self, descr: Any, rank: Any, shape: Any) -> Any:
        referred(self.b, descr)  # it is stolen
        none, kind = ir.Constant(PTR, None), absolute(self.b, id(np.ndarray))
        return self.numpy(NEW_ARRAY, [kind, descr, rank, shape, none, none, constant(I32, 0), none])

    def numpy(self, place: int, args: list[Any]) -> Any:
        """What a function of NumPy's C interface makes."""
        return self.whole(_at(self.b, _table()[place], PTR, args))

    def load(self, p: Any, at: int, t: Any) -> Any:
        return self.b.load(self.b.gep(p, [constant(I64, at)], source_etype=I8), typ=t)

    def variable(self, x: Any) -> Any:
        with self.b.goto_entry_block():
            p = self.b.alloca(x.type)
        self.b.store(x, p)
        return p

    @contextlib.contextmanager
    def each(self, n: Any) -> Iterator[Any]:
        """for i in range(n)"""
        b = self.b
        i = self.variable(constant(I64, 0))
        head, body, done = (b.append_basic_block(k) for k in ("head", "body", "done"))
        b.branch(head)
        b.position_at_end(head)
        now = b.load(i, typ=I64)
        b.cbranch(b.icmp_signed("<", now, n), body, done)
        b.position_at_end(body)
        yield now
        b.store(b.add(now, constant(I64, 1)), i)
        b.branch(head)
        b.position_at_end(done)


class _Entry(Function):
    def emit(self) -> None:
        b = self.b
        self.table = self.load(self.f.args[0], DATA, PTR)
        self.record = self.variable(b.gep(self.table, [constant(I64, FIRST)], source_etype=I64))
        inputs, outputs = self._word(self.table, INPUTS), self._word(self.table, OUTPUTS)
        self.next = self.variable(self.args)
        self.done = self.variable(constant(I64, 0))  # outputs that have been made, or need not be
        self._take_frame()
        self.expect(b.icmp_signed("==", self.count, self._word(self.table, ARGUMENTS)))
        with self.each(inputs) as i:
            self._argument(i)
        first = b.load(self.record, typ=PTR)
        with self.each(outputs) as o:
            self._output(o, b.add(inputs, o))
            b.store(b.add(o, constant(I64, 1)), self.done)
        b.store(self._part(SPACE), self._at(self.pointers, b.add(inputs, outputs)))
        code = self._run()
        done, missed = b.append_basic_block("done"), b.append_basic_block("missed")
        b.cbranch(b.icmp_signed("==", code, constant(I64, DONE)), done, missed)
        b.position_at_end(missed)
        self.let_go()
        self.give(self._python("PyLong_FromLongLong", PTR, code))
        b.position_at_end(done)
        b.store(first, self.record)
        with self.each(outputs) as o:
            self._number(o)
        one, several = b.append_basic_block("one"), b.append_basic_block("several")
        b.cbranch(b.icmp_signed("==", outputs, constant(I64, 1)), one, several)
        b.position_at_end(one)
        self.give(b.load(self._part(MADE), typ=PTR))
        b.position_at_end(several)
        whole = self.whole(self._python("PyTuple_New", PTR, outputs))
        with self.each(outputs) as o:
            self._python("PyTuple_SetItem", I32, whole, o, b.load(self._at(self._part(MADE), o), typ=PTR))
        self.give(whole)
        self.finish()

    def _take_frame(self) -> None:
        b = self.b
        size = self._word(self.table, FRAME)
        self.large = b.icmp_signed(">", size, constant(I64, STACK))
        self.heap, place = self.variable(ir.Constant(PTR, None)), self.variable(ir.Constant(PTR, None))
        with b.if_else(self.large) as (then, otherwise):
            with then:
                got = self._python("PyMem_RawMalloc", PTR, b.add(size, constant(I64, ALIGN)))
                with b.if_then(b.icmp_unsigned("==", got, ir.Constant(PTR, None))):
                    b.ret(self._python("PyErr_NoMemory", PTR))
                b.store(got, self.heap)
                start = b.and_(b.add(b.ptrtoint(got, I64), constant(I64, ALIGN - 1)), constant(I64, -ALIGN))
                b.store(b.inttoptr(start, PTR), place)
            with otherwise:
                own = b.alloca(I8, size)
                own.align = ALIGN
                b.store(own, place)
        self.pointers = b.load(place, typ=PTR)

    def _part(self, word: int) -> Any:
        """Of the frame."""
        return self.b.gep(self.pointers, [self._word(self.table, word)], source_etype=I8)

    def give(self, x: Any) -> None:
        b = self.b
        with b.if_then(self.large):
            self._python("PyMem_RawFree", ir.VoidType(), b.load(self.heap, typ=PTR))
        b.ret(x)

    def _run(self) -> Any:
        b = self.b
        alone = b.icmp_signed("!=", self._word(self.table, ALONE), constant(I64, 0))
        state = self.variable(ir.Constant(PTR, None))
        with b.if_then(alone):
            b.store(self._python("PyEval_SaveThread", PTR), state)
        kind = ir.FunctionType(I64, [PTR]).as_pointer()
        code = b.call(b.inttoptr(self._word(self.table, START), kind), [self.pointers])
        with b.if_then(alone):
            self._python("PyEval_RestoreThread", ir.VoidType(), b.load(state, typ=PTR))
        return code

    # Arguments --------------------------------------------------------------------------------

    def _argument(self, i: Any) -> None:
        """Find the data of input ``i``, if it is as expected."""
        b = self.b
        record = b.load(self.record, typ=PTR)
        rank = self._word(record, 0)
        number, given = b.append_basic_block("number"), b.append_basic_block("given")
        scalar, array, found = (b.append_basic_block(k) for k in ("scalar", "array", "found"))
        b.cbranch(b.icmp_signed("<", rank, constant(I64, 0)), number, given)
        b.position_at_end(number)
        self._found(i, b.gep(record, [constant(I64, 1)], source_etype=I64), record, constant(I64, 2))
        b.branch(found)
        b.position_at_end(given)
        at = b.load(self.next, typ=PTR)
        b.store(b.gep(at, [constant(I64, 1)], source_etype=PTR), self.next)
        x = b.load(at, typ=PTR)
        kind = self.load(x, TYPE, I64)
        b.cbranch(b.icmp_signed("==", rank, constant(I64, 0)), scalar, array)
        b.position_at_end(scalar)
        self.expect(b.or_(*[b.icmp_signed("==", kind, self._word(record, k)) for k in (1, 2)]))
        self._found(i, b.gep(x, [constant(I64, NUMBER)], source_etype=I8), record, constant(I64, 3))
        b.branch(found)
        b.position_at_end(array)
        dims = self.expect_array(x, kind, self._word(record, 1), b.trunc(rank, I32))
        shape = b.gep(record, [constant(I64, 2)], source_etype=I64)
        with self.each(rank) as j:
            self.expect(b.icmp_signed("==", *[b.load(b.gep(p, [j], source_etype=I64), typ=I64) for p in (dims, shape)]))
        self._found(i, self.load(x, DATA, PTR), record, b.add(rank, constant(I64, 2)))
        b.branch(found)
        b.position_at_end(found)

    def _found(self, i: Any, data: Any, record: Any, words: Any) -> None:
        b = self.b
        b.store(data, self._at(self.pointers, i))
        b.store(b.gep(record, [words], source_etype=I64), self.record)

    # Results ----------------------------------------------------------------------------------

    def _output(self, o: Any, place: Any) -> None:
        """A new array, or room for a number."""
        b = self.b
        record = b.load(self.record, typ=PTR)
        rank = self._word(record, 0)
        with b.if_else(b.icmp_signed("==", rank, constant(I64, 0))) as (number, array):
            with number:
                b.store(ir.Constant(PTR, None), self._at(self._part(MADE), o))
                self._found(place, self._slot(o), record, constant(I64, 3))
            with array:
                x = self._array(record, rank)
                b.store(x, self._at(self._part(MADE), o))
                self._found(place, self.load(x, DATA, PTR), record, b.add(rank, constant(I64, 3)))

    def _array(self, record: Any, rank: Any) -> Any:
        """For an output: one of the last two results of it, if nobody else has it any more; else a new array."""
        b = self.b
        descr, spare = (self.load(record, 8 * k, PTR) for k in (1, 2))
        shape = b.gep(record, [constant(I64, 3)], source_etype=I64)
        null = ir.Constant(PTR, None)
        kept = b.icmp_unsigned("!=", spare, null)
        made = self.variable(null)
        with b.if_then(kept):
            for k in range(2):
                with b.if_then(b.icmp_unsigned("==", b.load(made, typ=PTR), null)):
                    x = self.load(spare, 8 * k, PTR)
                    alone = b.icmp_signed("==", self.load(x, REFERENCES, I64), constant(I64, 1))
                    with b.if_then(alone), b.if_then(self._as_new(x, descr, rank, shape)):
                        referred(b, x)
                        b.store(x, made)
        with b.if_then(b.icmp_unsigned("==", b.load(made, typ=PTR), null)):
            x = self.new_array(descr, b.trunc(rank, I32), shape)
            b.store(x, made)
            with b.if_then(kept):
                last = self._at(spare, constant(I64, 1))
                old = b.load(last, typ=PTR)
                b.store(b.load(spare, typ=PTR), last)
                b.store(x, spare)
                referred(b, x)
                self._python("Py_DecRef", ir.VoidType(), old)  # which may run Python, if it was watched
        return b.load(made, typ=PTR)

    def _as_new(self, x: Any, descr: Any, rank: Any, shape: Any) -> Any:
        """Whether an array that was a result has not been changed since, but for its numbers."""
        b = self.b
        flags = b.and_(self.load(x, FLAGS, I32), constant(I32, AS_NEW | LENT))
        same = b.icmp_signed("==", flags, constant(I32, AS_NEW))
        same = b.and_(same, b.icmp_unsigned("==", self.load(x, WEAK, PTR), ir.Constant(PTR, None)))
        same = b.and_(same, b.icmp_unsigned("==", self.load(x, DESCR, PTR), descr))
        as_new = self.variable(b.and_(same, b.icmp_signed("==", self.load(x, RANK, I32), b.trunc(rank, I32))))
        with b.if_then(b.load(as_new, typ=I1)):
            dims = self.load(x, DIMS, PTR)
            with self.each(rank) as j:
                same = b.icmp_signed("==", *[b.load(self._at(p, j), typ=I64) for p in (dims, shape)])
                b.store(b.and_(same, b.load(as_new, typ=I1)), as_new)
        return b.load(as_new, typ=I1)

    def _number(self, o: Any) -> None:
        """Output ``o`` as an object, if it is a number."""
        b = self.b
        record = b.load(self.record, typ=PTR)
        rank = self._word(record, 0)
        b.store(b.gep(record, [b.add(rank, constant(I64, 3))], source_etype=I64), self.record)
        with b.if_then(b.icmp_signed("==", rank, constant(I64, 0))):
            args = [self._slot(o), b.inttoptr(self._word(record, 1), PTR), ir.Constant(PTR, None)]
            b.store(self.numpy(NEW_SCALAR, args), self._at(self._part(MADE), o))

    def _slot(self, o: Any) -> Any:
        return self.b.gep(self._part(SLOTS), [self.b.mul(o, constant(I64, SLOT))], source_etype=I8)

    def let_go(self) -> None:
        """Of the outputs that have been made."""
        b = self.b
        with self.each(b.load(self.done, typ=I64)) as o:
            self._python("Py_DecRef", ir.VoidType(), b.load(self._at(self._part(MADE), o), typ=PTR))

    # Instructions -----------------------------------------------------------------------------

    def _word(self, p: Any, k: int) -> Any:
        return self.load(p, 8 * k, I64)

    def _at(self, p: Any, k: Any) -> Any:
        return self.b.gep(p, [k], source_etype=PTR)

    def _python(self, name: str, out: Any, *args: Any) -> Any:
        return python(self.b, name, out, *args)
