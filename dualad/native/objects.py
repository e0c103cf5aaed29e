"""Compiled code, kept from one process to the next.

What is compiled has no address in it, so that its object code is kept in the user's cache folder (``$DUALAD_CACHE``, else
``$XDG_CACHE_HOME/dualad``, else ``~/.cache/dualad``) under the digest of its text, of this machine and compiler. An object that
does not carry its own digest is compiled again. Beyond ``MOST`` objects the oldest quarter goes.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from llvmlite import binding as llvm
from llvmlite import ir

from dualad.core.cache import cache_folder
from dualad.native.machine import described, object_code, target_machine

MOST = 4000
_lock = threading.Lock()
T = TypeVar("T")


def once(f: Callable[[], T]) -> Callable[[], T]:
    """``f``, run once in a process: of two threads that ask at a time one waits. (``functools.cache`` would run it for both and
    drop one result: its code would be gone, and the other thread have its address.)"""
    lock, kept = threading.Lock(), functools.cache(f)

    @functools.wraps(f)
    def asked() -> T:
        with lock:
            return kept()

    return asked


def loaded(text: str) -> Any:
    """An engine with the code of a module."""
    code = _cached(text)
    with _lock:
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
    return engine


class Machine:
    """A compiled module; its code lives as long as this object."""

    def __init__(self, module: ir.Module) -> None:
        self.text = str(module)
        self.engine = loaded(self.text)
        for address, variable in getattr(module, "addresses", {}).items():
            at = self.engine.get_global_value_address(variable.name)
            ctypes.c_int64.from_address(at).value = address

    def address(self, name: str) -> int:
        return int(self.engine.get_function_address(name))


def _cached(text: str) -> bytes:
    key = hashlib.sha256(f"{text}\n{described()}".encode()).hexdigest()
    place = cache_folder() / f"{key}.o"
    with contextlib.suppress(OSError):
        kept = place.read_bytes()
        digest, code = kept[:32], kept[32:]
        if hashlib.sha256(key.encode() + code).digest() == digest:
            return code
    code = object_code(text)
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(handle, "wb") as out:
            out.write(hashlib.sha256(key.encode() + code).digest() + code)
        os.replace(path, place)
        if key.startswith("00"):  # one in 256: it lists the folder
            _make_room(place.parent)
    return code


def _make_room(folder: Path) -> None:
    names = [n for n in os.listdir(folder) if n.endswith(".o")]
    if len(names) > MOST:
        by_age = sorted(names, key=lambda n: (folder / n).stat().st_mtime)
        for n in by_age[: MOST // 4]:
            with contextlib.suppress(OSError):
                (folder / n).unlink()
