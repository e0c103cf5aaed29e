"""The vector math library on 4,096 elements, eight and four lanes at a time, against NumPy and SciPy; and its errors.

``python -m compare.workloads.vectormath`` measures the errors on 100,000 points per function and writes ``docs/vectormath.md``.
"""

from __future__ import annotations

import pathlib
import platform
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
HEAD = """# Vector math

Compiled programs compute elementwise functions by dualad's own library, `dualad/native/vectormath`: LLVM instructions without
branches on as many elements as the machine's vectors hold. A result has the same bits at every width. With and without fused
multiply-add (which processors lack from before 2013) results differ in rounding; both are measured.

- **float64.** Reduction by exact products, polynomials, and double-double steps where the rest would cost more than an ulp.
  Coefficients are made by `python -m compare.vectormath_coefficients`, which says what each approximates and where.
- **float32** is computed through float64, and is therefore nearly always the exact result rounded (the tests allow 0.51 ulp).
- **Special values** are NumPy's (SciPy's), which the tests compare at zeros of either sign, infinities, NaN, subnormal numbers
  and the ends of the domains. Four answers differ, where NumPy or SciPy loses what can be represented: `sinc` at whole numbers
  is 0; `gammaln` of subnormal numbers is finite; `ndtr` and `log_ndtr` are not 0 as long as they are representable;
  `erfinv(-0.0)` is -0.0.
- **Powers of two** are multiplied with AVX-512's instruction where the machine has it, and else in two factors, to the same bits.
- **Subnormal results** are rounded twice, so that their error reaches 1 ulp.
- **Zeros that are differences.** `logaddexp`, `logaddexp2`, and `gammaln` and `digamma` of negative numbers vanish where two
  larger terms cancel. There the error is counted in ulps of a larger number: of max(|a|, |b|) / 32 for the sums, of the larger
  of 1/16 and |x| / 256 for `gammaln`, and of 1/16 for `digamma`.
- **What is rare** is behind a branch that is taken when any element of a vector needs it: in `sin`, `cos` and `tan`, arguments
  beyond 2^20, reduced in integers, one element at a time; in `power`, bases that are not positive, and infinities; in the gamma
  functions, negative and extreme arguments.

The largest errors found, in units in the last place of the exact value (a correctly rounded result is within 0.5); the limits are
what the tests hold. Times are of one run on one core, in nanoseconds per element, and only their ratios mean much elsewhere.
"""


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


def main() -> None:
    lines = [
        "| function | limit | largest error | at | without FMA | ns, 8 lanes | 4 lanes (AVX2) | 2 lanes (SSE) | NumPy, SciPy |",
        "|---" * 9 + "|",
    ]
    for name in sorted(CASES):
        lines.append(line(name))
        print(lines[-1], flush=True)
    foot = (
        f"{POINTS:,} points per function ({POINTS // 3:,} without FMA), against mpmath; {platform.machine()}, {COUNT} elements. "
        "Written by `python -m compare.workloads.vectormath`."
    )
    PAGE.write_text("\n".join([HEAD, *lines, "", foot, ""]))


if __name__ == "__main__":
    main()
