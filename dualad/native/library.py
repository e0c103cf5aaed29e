"""Vector math compiled once: functions that programs call.

A function of ``dualad.native.vectormath`` that stays out of line has a name that says all about it (function, width). It is
compiled at its first use, as an object of its own.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir

from dualad.native.objects import loaded

PREFIX = "dualad."
THIN = 12  # instructions: below, a function is part of its caller
_NAMES = re.compile(r'@"?([\w.]+)"?')
_METADATA = re.compile(r", ![a-z]+ !\d+")  # numbered by the module, and hints only
_addresses: dict[str, Any] = {}  # of the functions of this process, with what keeps them alive
_lock = threading.Lock()


def functions(module: ir.Module) -> list[ir.Function]:
    """The vector math in a module."""
    return [f for f in module.functions if f.name.startswith(PREFIX) and f.blocks]


def is_thin(f: ir.Function) -> bool:
    return len(f.blocks) == 1 and len(f.blocks[0].instructions) <= THIN


def link(module: ir.Module) -> None:
    """Replace the bodies of the module's vector math, but for thin functions, by references to the library."""
    own = functions(module)
    with _lock:
        for f in own:
            if not is_thin(f) and f.name not in _addresses:
                _addresses[f.name] = _load(f.name, _alone(module, f.name))
    for f in own:
        if is_thin(f):
            f.attributes.add("alwaysinline")
        else:
            f.blocks.clear()
            f.linkage = ""


def _alone(module: ir.Module, name: str) -> str:
    """A module with one function, and privately what it needs."""
    wanted = [name]
    for k in wanted:
        for found in _NAMES.findall(str(module.globals[k])):
            if found in module.globals and found not in wanted:
                wanted.append(found)
    parts = []
    for k in sorted(wanted):
        text = str(module.globals[k])
        parts.append(text.replace("define internal", "define", 1) if k == name else text)
    return _METADATA.sub("", "\n".join(parts))


def _load(name: str, text: str) -> Any:
    engine = loaded(text)
    llvm.add_symbol(name, engine.get_function_address(name))
    return engine
