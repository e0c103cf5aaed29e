"""Objects that Python calls by the address of a C function, without a look at their class's ``__call__``.

``Room`` adds a word to its instances, for an address that is no Python object. An instance is called at that address (PEP 590)
while its class is one made by ``by_address``; Python's own functions are called so too.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

WORD = object.__basicsize__  # where it lies
BASE, VECTORCALL = 1 << 10, 1 << 11  # flags of types: it can be a base; its instances say how they are called
SLOT_CALL, SLOT_MEMBERS = 50, 72
LENGTH, READ_ONLY = 19, 1  # of a member: its C type, Py_ssize_t; how it may be used


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("value", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("size", ctypes.c_int),
        ("item", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    )


_MEMBERS = (_Member * 2)(_Member(b"__vectorcalloffset__", LENGTH, WORD, READ_ONLY, None))  # types refer to it


def _made(name: bytes, base: type, size: int, flags: int, slots: list[_Slot]) -> type:
    listed = (_Slot * (len(slots) + 1))(*slots)
    spec = _Spec(name, size, 0, BASE | flags, ctypes.addressof(listed))
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object)(
        ("PyType_FromSpecWithBases", ctypes.pythonapi)
    )
    made: type = make(ctypes.addressof(spec), (base,))
    return made


if sys.implementation.name == "cpython" and ctypes.sizeof(ctypes.c_void_p) == 8:
    Room: Any = _made(b"dualad.native.callee.Room", object, WORD + 8, 0, [])
else:
    Room = type("Room", (), {"__slots__": ()})


def by_address(cls: type) -> type:
    """A subclass of ``cls`` (itself one of ``Room``) whose instances are called at the address in their word."""
    by_tuple = ctypes.cast(ctypes.pythonapi.PyVectorcall_Call, ctypes.c_void_p).value
    slots = [_Slot(SLOT_MEMBERS, ctypes.addressof(_MEMBERS)), _Slot(SLOT_CALL, by_tuple)]
    return _made(f"{cls.__module__}.{cls.__name__}".encode(), cls, 0, VECTORCALL, slots)


def direct(x: Any, address: int) -> None:
    """Set the word of an instance of ``Room``."""
    ctypes.c_int64.from_address(id(x) + WORD).value = address
