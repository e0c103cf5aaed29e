"""How many threads compiled programs use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from dualad.core.errors import ArgumentError

_lock = threading.Lock()
watchers: list[Callable[[int], None]] = []  # told when the number changes


def set_num_threads(n: int) -> None:
    """Let compiled programs use ``n`` threads, that of the caller among them.

    Large loops of a program made by ``jit`` are cut into pieces which that many threads take in turn; the pieces depend on
    sizes only, and so do results: they are the same to the last bit for every ``n``. At first ``n`` is the number of cores
    that this process may use, or what the environment variable ``DUALAD_NUM_THREADS`` says. Matrix products have the threads
    of their BLAS.

    Raises ``ArgumentError`` unless ``n`` is a positive int.

    >>> from dualad import get_num_threads, set_num_threads
    >>> before = get_num_threads()
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(before)
    """
    global _number
    if type(n) is not int or n < 1:
        raise ArgumentError(f"set_num_threads: {n!r} is not a number of threads. Give a positive int.")
    with _lock:
        _number = n
        for told in watchers:
            told(n)


def get_num_threads() -> int:
    """How many threads compiled programs use; see ``set_num_threads``.

    >>> from dualad import get_num_threads
    >>> get_num_threads() >= 1
    True
    """
    return _number


def _at_first() -> int:
    text = os.environ.get("DUALAD_NUM_THREADS")
    if text is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentError(f"DUALAD_NUM_THREADS={text!r} is not a number of threads. Set it to a positive integer.")
    return int(text)


_number = _at_first()
