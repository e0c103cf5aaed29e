"""Vector math compiled once: functions that programs call.

A function of ``dualad.native.vectormath`` that stays out of line has a name that says all about it (function, width). It is
compiled at its first use, as an object of its own; in the modules of programs it is only declared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir

from dualad.native.objects import loaded

THIN = 12  # instructions: below, a function is part of its caller
_engines: dict[str, Any] = {}  # by function: what keeps its code alive, or None where it is thin
_lock = threading.Lock()


def module() -> ir.Module:
    """A module for a program, whose vector math is here."""
    made = ir.Module("dualad")
    made.has = _has
    return made


def _has(name: str, write: Callable[[ir.Module], ir.Function]) -> bool:
    """Whether a function is called here, compiled now if need be, rather than a part of its caller."""
    with _lock:
        if name not in _engines:
            alone = ir.Module("dualad")
            f = write(alone)
            f.linkage = ""
            thin = len(f.blocks) == 1 and len(f.blocks[0].instructions) <= THIN
            _engines[name] = None if thin else _load(name, str(alone))
        return _engines[name] is not None


def _load(name: str, text: str) -> Any:
    engine = loaded(text)
    llvm.add_symbol(name, engine.get_function_address(name))
    return engine
