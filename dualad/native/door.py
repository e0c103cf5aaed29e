"""The door of a compiled function: a C function, made at run time, which Python calls in the place of ``Jit.__call__``.

It compares what the function captures, calls the native code, and leaves all else to Python: keywords, other arguments, a
guard that failed, a captured value that changed. There is one code for all functions; what it compares is in the table of a
``Door``, which the called object has in the slot after its word.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dualad.native.callee import WORD as ROOM
from dualad.native.callee import Room, direct
from dualad.native.captured import Captured, Contents, Held, Place
from dualad.native.entry import DATA, DESCR, DIMS, RANK, STRIDES, TYPE, layout_holds, python, referred, word
from dualad.native.machine import I8, I32, I64, PTR, absolute, constant
from dualad.native.objects import Machine, once

# In the table: addresses, how many comparisons, the first of them.
CODE, OWN, SLOW, FINISH, COUNT, FIRST = 0, 8, 16, 24, 32, 40
SLOT = ROOM + 8  # of an object that has a door
SPARE = 1 << 63  # a flag in the number of arguments: the word before them may be written
KIND, OWNER, KEY, VALUE, TABLE, ENTRY, SIZE = 0, 8, 16, 24, 32, 40, 48  # of a comparison
# Of a dictionary: its table of keys and values; or where its values are, if they are not there.
DICT_TABLE, DICT_VALUES = 32, 40
Row = tuple[int, int, int, int, int, int]
# Kinds: a word of an object, an item of a dictionary, a function that says whether, memory that a word of an object points to.
WORD, ITEM, CALL, MEMORY = 0, 1, 2, 3


class Door(Room):
    """What is compared and called at each call of a function, as a table; its address is in this object's word."""

    def __init__(
        self, code: int, own: Any, slow: Callable[..., Any], finish: Any, rows: Sequence[Any], keep: Any
    ) -> None:
        self.keep = own, slow, finish, keep
        last = 0 if finish is None else id(finish)
        words = [code, id(own), id(slow), last, len(rows), *itertools.chain(*rows)]
        self.words = np.array(words, np.int64)
        direct(self, self.words.ctypes.data)

    @property
    def shut(self) -> bool:
        """Whether it leaves every call to Python."""
        return self.keep[-1] is None

    def open(self, x: Any) -> bool:
        """Make ready for calls by address an object that has this door; False if it has it not where the door's code looks."""
        direct(x, _code().address("door"))
        return word(x, SLOT) == id(self)


def door(f: Any, captured: Captured, slow: Callable[..., Any], finish: Callable[[Any], Any] | None) -> Door | None:
    """``f``, the native function of a program, behind the comparisons of ``captured``; None where ``f`` is no C function.

    ``slow`` is called with the object and the arguments where ``f`` is not for them; ``finish`` makes the result of what ``f``
    returns (None: nothing).
    """
    owner = f.__module__  # of a C function: what it keeps
    if not layout_holds() or not hasattr(owner, "address"):
        return None
    places, checks = captured.watched()
    rows, left = [], []
    for p in places:
        row = _compared(p)
        if row is None:
            left.append(p)
        else:
            rows.append(row)
    checks = [*Held.checks(left), *checks]
    keep: list[Any] = [f, captured, checks]
    for c in checks:
        rows += _held(c, keep) if isinstance(c, Contents) else [_asked(c)]
    return Door(owner.address, f.__self__, slow, finish, rows, keep)


@functools.cache
def closed(slow: Callable[..., Any]) -> Door:
    """A door that leaves every call to ``slow``."""
    return Door(0, None, slow, None, [_asked(_never)], None)


def _never() -> bool:
    return False


def _asked(check: Callable[[], bool]) -> Row:
    return CALL, id(check), 0, 0, 0, 0


def _held(c: Contents, keep: list[Any]) -> list[Row]:
    """What an array's structure says of its form, then its contents; one that does not lie in one piece is left to Python."""
    x, (shape, strides, dtype) = c.array, c.form
    if not (x.flags.c_contiguous or x.flags.f_contiguous):
        return [_asked(c)]
    rank = word(x, RANK) >> 32 << 32 | len(shape)  # a half of that word
    rows: list[Row] = [(WORD, id(x), DESCR, id(dtype), 0, 0), (WORD, id(x), RANK, rank, 0, 0)]
    kept: list[Any] = [np.array(shape, np.int64), np.array(strides, np.int64), np.frombuffer(c.bytes, np.uint8)]
    keep += kept
    for at, then in zip((DIMS, STRIDES, DATA), kept, strict=True):
        if then.size:
            rows.append((MEMORY, id(x), at, then.ctypes.data, then.nbytes, 0))
    return rows


def _compared(place: Place) -> Row | None:
    owner, item, key, value = place
    if item:
        return (ITEM, id(owner), id(key), id(value), *_entry(owner, key, value)) if type(owner) is dict else None
    at = _offset(key)
    return None if at is None else (WORD, id(owner), at, id(value), 0, 0)


def _entry(owner: dict[Any, Any], key: Any, value: Any) -> tuple[int, int]:
    """A dictionary's table, and where in it the pair lies: while both are there, nothing needs to be looked up. Zeros where that
    cannot be told."""
    if not (3, 11) <= sys.version_info < (3, 15) or word(owner, DICT_VALUES):
        return 0, 0
    table = word(owner, DICT_TABLE)
    words = np.array((ctypes.c_int64 * ((owner.__sizeof__() - dict.__basicsize__) // 8)).from_address(table))
    found = np.flatnonzero((words[:-1] == id(key)) & (words[1:] == id(value)))
    return (table, table + 8 * int(found[0])) if len(found) == 1 else (0, 0)


@functools.cache
def _offset(attribute: str) -> int | None:
    """Where an attribute lies in the structure of a function, or the contents in a cell; None if that cannot be told."""

    def probe(x: Any = ()) -> Any:
        return lambda: x

    owner: Any = probe(object()).__closure__[0] if attribute == "cell_contents" else probe
    words = range(16, type(owner).__basicsize__, 8)
    held = id(getattr(owner, attribute))
    found = [k for k in words if word(owner, k) == held]
    return found[0] if len(found) == 1 else None


@once
def _code() -> Machine:
    module = ir.Module("dualad")
    _emit(module)
    return Machine(module)


def _emit(module: ir.Module) -> None:
    native = ir.FunctionType(PTR, [PTR, PTR, I64])
    f = ir.Function(module, ir.FunctionType(PTR, [PTR, PTR, I64, PTR]), "door")
    called, args, given, keywords = f.args
    null = ir.Constant(PTR, None)
    compare = ir.Function(module, ir.FunctionType(I32, [PTR, PTR, I64]), "memcmp")
    names = "entry next compare word memory item known lookup lost ask asked same onward run ran finish slow again done"
    blocks = {k: f.append_basic_block(k) for k in names.split()}
    b = ir.IRBuilder(blocks["entry"])

    def load(p: Any, at: int, t: Any = I64) -> Any:
        return b.load(b.gep(p, [constant(I64, at)], source_etype=I8), typ=t)

    def let_go(x: Any) -> None:
        python(b, "Py_DecRef", ir.VoidType(), x)

    held = load(called, SLOT, PTR)
    referred(b, held)  # since what is called may replace it
    table = load(held, ROOM, PTR)
    n = load(table, COUNT)
    b.cbranch(b.icmp_unsigned("==", keywords, null), blocks["next"], blocks["slow"])

    b.position_at_end(blocks["next"])
    k = b.phi(I64)
    k.add_incoming(constant(I64, 0), blocks["entry"])
    b.cbranch(b.icmp_signed("<", k, n), blocks["compare"], blocks["run"])

    b.position_at_end(blocks["compare"])
    row = b.gep(table, [b.add(b.mul(k, constant(I64, SIZE)), constant(I64, FIRST))], source_etype=I8)
    kind, owner, key, value = (load(row, at, t) for at, t in ((KIND, I64), (OWNER, PTR), (KEY, I64), (VALUE, PTR)))
    choice = b.switch(kind, blocks["ask"])
    choice.add_case(constant(I64, WORD), blocks["word"])
    choice.add_case(constant(I64, ITEM), blocks["item"])
    choice.add_case(constant(I64, MEMORY), blocks["memory"])
    b.position_at_end(blocks["word"])
    attribute = b.load(b.gep(owner, [key], source_etype=I8), typ=PTR)
    b.branch(blocks["same"])
    b.position_at_end(blocks["memory"])
    start = b.load(b.gep(owner, [key], source_etype=I8), typ=PTR)
    differ = b.call(compare, [start, value, load(row, TABLE)])
    b.cbranch(b.icmp_unsigned("==", differ, constant(I32, 0)), blocks["onward"], blocks["slow"])
    b.position_at_end(blocks["item"])
    table_now, table_then = load(owner, DICT_TABLE), load(row, TABLE)
    b.cbranch(b.icmp_unsigned("==", table_now, table_then), blocks["known"], blocks["lookup"])
    b.position_at_end(blocks["known"])
    entry = load(row, ENTRY, PTR)
    as_then = b.and_(
        b.icmp_unsigned("==", load(entry, 0), key), b.icmp_unsigned("==", load(entry, 8), b.ptrtoint(value, I64))
    )
    b.cbranch(as_then, blocks["onward"], blocks["lookup"])
    b.position_at_end(blocks["lookup"])
    item = python(b, "PyDict_GetItemWithError", PTR, owner, b.inttoptr(key, PTR))
    b.cbranch(b.icmp_unsigned("==", item, null), blocks["lost"], blocks["same"])
    b.position_at_end(blocks["lost"])
    python(b, "PyErr_Clear", ir.VoidType())
    b.branch(blocks["slow"])
    b.position_at_end(blocks["ask"])
    answer = python(b, "PyObject_CallNoArgs", PTR, owner)
    b.cbranch(b.icmp_unsigned("==", answer, null), blocks["done"], blocks["asked"])
    b.position_at_end(blocks["asked"])
    let_go(answer)  # True and False never die
    expected = absolute(b, id(True))
    b.branch(blocks["same"])
    b.position_at_end(blocks["same"])
    now, then = b.phi(PTR), b.phi(PTR)
    for block, x, y in (("word", attribute, value), ("lookup", item, value), ("asked", answer, expected)):
        now.add_incoming(x, blocks[block])
        then.add_incoming(y, blocks[block])
    b.cbranch(b.icmp_unsigned("==", now, then), blocks["onward"], blocks["slow"])
    b.position_at_end(blocks["onward"])
    k.add_incoming(b.add(k, constant(I64, 1)), blocks["onward"])
    b.branch(blocks["next"])

    b.position_at_end(blocks["run"])
    count = b.and_(given, constant(I64, SPARE - 1))
    out = b.call(b.inttoptr(load(table, CODE), native.as_pointer()), [load(table, OWN, PTR), args, count])
    b.cbranch(b.icmp_unsigned("==", out, null), blocks["done"], blocks["ran"])
    b.position_at_end(blocks["ran"])
    missed = b.or_(
        b.icmp_unsigned("==", out, absolute(b, id(None))),
        b.icmp_unsigned("==", load(out, TYPE, PTR), absolute(b, id(int))),
    )
    with b.if_then(missed, likely=False):
        let_go(out)
        b.branch(blocks["slow"])
    finish = load(table, FINISH, PTR)
    ran = b.block
    b.cbranch(b.icmp_unsigned("==", finish, null), blocks["done"], blocks["finish"])
    b.position_at_end(blocks["finish"])
    made = python(b, "PyObject_CallOneArg", PTR, finish, out)
    let_go(out)
    b.branch(blocks["done"])
    b.position_at_end(blocks["slow"])
    method = python(b, "PyMethod_New", PTR, load(table, SLOW, PTR), called)
    b.cbranch(b.icmp_unsigned("==", method, null), blocks["done"], blocks["again"])
    b.position_at_end(blocks["again"])
    other = python(b, "PyObject_Vectorcall", PTR, method, args, given, keywords)
    let_go(method)
    b.branch(blocks["done"])
    b.position_at_end(blocks["done"])
    result = b.phi(PTR)
    for block, x in (("ask", null), ("run", null), ("finish", made), ("slow", null), ("again", other)):
        result.add_incoming(x, blocks[block])
    result.add_incoming(out, ran)
    let_go(held)
    b.ret(result)
