"""The vector math library on 4,096 elements, eight and four lanes at a time, against NumPy and SciPy; and its errors.

``python -m compare.workloads.vectormath [function ...]`` measures errors, on 100,000 points per function, and times, and writes
them to the lines of these functions (of all) in ``docs/vectormath.md``.
"""

from __future__ import annotations

import pathlib
import re
import sys
from types import ModuleType
from typing import Any

import numpy as np

import dualad.ops.special  # noqa: F401  (declares the special functions)
from compare.kernels import PORTABLE, Kernel
from compare.timing import Row, in_turn
from compare.vectormath_cases import CASES
from dualad.core.primitive import REGISTRY

COUNT = 4096
POINTS = 100_000
PAGE = pathlib.Path(__file__).parent.parent.parent / "docs" / "vectormath.md"


def largest_error(name: str, n: int, fma: bool = True) -> tuple[float, tuple[float, ...]]:
    """In ulps, and where."""
    xs = CASES[name].points(2, n)
    kernel = Kernel(name, len(xs)) if fma else Kernel(name, len(xs), width=2, fma=False, features=PORTABLE)
    errors = CASES[name].errors(xs, kernel(*xs))
    worst = int(np.argmax(errors))
    return float(errors[worst]), tuple(float(x[worst]) for x in xs)


def speed(name: str, rounds: int) -> dict[str, float]:
    """Seconds per element."""
    xs = tuple(np.ascontiguousarray(x) for x in CASES[name].samplers[0](np.random.default_rng(3), COUNT))
    out = np.empty(COUNT)
    kernels = {
        "dualad": Kernel(name, len(xs)),
        "four lanes (AVX2)": Kernel(name, len(xs), width=4, features="-avx512f"),
        "two lanes (SSE)": Kernel(name, len(xs), width=2, fma=False, features=PORTABLE),
    }
    pointers = [out.ctypes.data, *[x.ctypes.data for x in xs], COUNT]
    calls: dict[str, Any] = {label: lambda k=k: k.call(*pointers) for label, k in kernels.items()}
    impl = REGISTRY[name].impl
    calls["NumPy, SciPy"] = lambda: impl(*xs)
    with np.errstate(all="ignore"):
        return {label: t / COUNT for label, t in in_turn(calls, rounds, least=5e-4).items()}


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    rows = [Row(name, speed(name, rounds), {"NumPy, SciPy": 1.0}) for name in sorted(CASES)]
    worst = {name: largest_error(name, 2000)[0] for name in sorted(CASES)}
    return rows, [
        "Largest errors in ulps, 2,000 points each: " + ", ".join(f"{n} {e:.2f}" for n, e in worst.items()) + "."
    ]


def line(name: str) -> str:
    """The function's line of the table."""
    error, at = largest_error(name, POINTS)
    other, _ = largest_error(name, POINTS // 3, fma=False)
    times = [f"{t * 1e9:.2f}" for t in speed(name, 15).values()]
    point = ", ".join(f"{x:.17g}" for x in at)
    cells = [f"`{name}`", f"{CASES[name].limit:g}", f"{error:.3f}", point, f"{other:.3f}", *times]
    return "| " + " | ".join(cells) + " |"


def main(names: list[str]) -> None:
    for name in names or sorted(CASES):
        print(new := line(name), flush=True)
        page, found = re.subn(rf"^\| `{name}` .*$", lambda _, new=new: new, PAGE.read_text(), flags=re.MULTILINE)
        assert found == 1, f"{PAGE} has no line of {name}"
        PAGE.write_text(page)


if __name__ == "__main__":
    main(sys.argv[1:])
