"""Timing in turn, and the table."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

AT_HAND = 200_000_000  # bytes of memory
T = TypeVar("T")


@dataclass
class Row:
    """One measured case: seconds by library, and what the ratio dualad/other must reach."""

    case: str
    seconds: dict[str, float]
    targets: dict[str, float]


def in_turn(calls: dict[str, Callable[[], object]], rounds: int, least: float = 2e-3) -> dict[str, float]:
    """Median seconds per call: each library runs once per round, so that noise hits all alike; what takes so long that it is
    called once is called before, so that it does not pay for the memory and caches that another left."""
    repeats = {}
    for name, f in calls.items():
        for _ in range(3):  # compilers have more than one tier
            f()
        t = time.perf_counter()
        f()
        repeats[name] = max(1, int(least / max(time.perf_counter() - t, 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, f in calls.items():
            n = repeats[name]
            if n == 1:
                f()
            t = time.perf_counter()
            for _ in range(n):
                f()
            times[name].append((time.perf_counter() - t) / n)
    return {name: statistics.median(ts) for name, ts in times.items()}


def once(f: Callable[[], T]) -> tuple[float, T]:
    """Seconds of a first call, and what it returns: with memory at hand (the host of a virtual machine takes back what has long
    been free, and gives it again slowly: 72 MB in 130 ms instead of 18), and without the garbage of others to collect."""
    np.ones(AT_HAND, np.uint8)
    gc.collect()
    start = time.perf_counter()
    y = f()
    return time.perf_counter() - start, y


def text(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(rows: list[Row]) -> str:
    """A Markdown table: a column per library with its time, and dualad's time divided by it."""
    names = list(dict.fromkeys(n for r in rows for n in r.seconds))
    lines = ["| case | " + " | ".join(names) + " | reached |", "|---" * (len(names) + 2) + "|"]
    for r in rows:
        ours = r.seconds["dualad"]
        cells = []
        for n in names:
            if n not in r.seconds:
                cells.append("")
            elif n == "dualad":
                cells.append(text(ours))
            else:
                cells.append(f"{text(r.seconds[n])} ({ours / r.seconds[n]:.3g})")
        verdicts = [
            f"{n} {ours / r.seconds[n]:.3g} {'<=' if ours <= limit * r.seconds[n] else 'NOT <='} {limit:.3g}"
            for n, limit in r.targets.items()
            if n in r.seconds
        ]
        lines.append("| " + " | ".join([r.case, *cells, "; ".join(verdicts)]) + " |")
    return "\n".join(lines)
