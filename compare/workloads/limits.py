"""What limits each compiled gradient: its time against the ceilings of this machine, measured in the same run. Counted in the
compiled program itself: bytes of arguments and results (each moved once), multiplications in matrix products, and elements
through vector math. The ceilings are those of one core: moving that many bytes by NumPy's copy, a square product of matrices by
the same BLAS, each function alone on 4,096 numbers, and the least compiled function there is. A case is as fast as it can
be where the shares of its time add up to about one; the rest is simple arithmetic, latency, and what the compiler loses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

import dualad
from compare.kernels import Kernel
from compare.timing import Row, text
from compare.vectormath_cases import CASES
from compare.workloads.native import cases

COUNT = 4096


def best(f: Callable[[], Any], rounds: int) -> float:
    """Seconds per call: the least of the rounds, since a ceiling is what the machine can do."""
    for _ in range(3):
        f()
    t = time.perf_counter()
    f()
    repeats = max(1, int(1e-3 / max(time.perf_counter() - t, 1e-9)))
    times = []
    for _ in range(3 * rounds):
        t = time.perf_counter()
        for _ in range(repeats):
            f()
        times.append((time.perf_counter() - t) / repeats)
    return min(times)


class Ceilings:
    """Of this machine, each measured when it is first asked for."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.functions: dict[str, float] = {}
        a = numpy.ones((600, 600))
        self.multiplication = best(lambda: a @ a, rounds) / 600**3
        least = dualad.jit(lambda x: x + 1.0)
        x = numpy.ones(1)
        self.call = best(lambda: least(x), rounds)

    def bytes(self, n: int) -> float:
        """Seconds to move n bytes, half of them read and half written, from where so many are (few: from the first cache)."""
        source = numpy.ones(max(1000, n // 16))
        target = numpy.empty_like(source)
        return best(lambda: numpy.copyto(target, source), self.rounds) * n / (16 * source.size)

    def function(self, name: str) -> float:
        """Seconds per element."""
        if name not in self.functions:
            xs = [numpy.linspace(0.1, 1, COUNT)] * len(CASES[name].points(2, 1))
            kernel = Kernel(name, len(xs))
            out = numpy.empty(COUNT)
            addresses = (out.ctypes.data, *[x.ctypes.data for x in xs], COUNT)
            self.functions[name] = best(lambda: kernel.call(*addresses), self.rounds) / COUNT
        return self.functions[name]


def counted(f: Any) -> tuple[int, float, dict[str, int]]:
    """Bytes of arguments and results, multiplications in products, elements through each function of vector math."""
    ((_, path),) = f._paths()
    graph = path.program.graph
    moved = sum(v.size * numpy.dtype(v.dtype).itemsize for v in [*graph.inputs, *dict.fromkeys(graph.outputs)])
    products = 0.0
    through: dict[str, int] = {}
    for v in graph.values:
        if v.name == "matmul":
            products += v.args[0].size * math.prod(v.args[1].shape[1:])
        elif v.name in CASES and all(a.op != "constant" for a in v.args):  # x**2 is a product
            through[v.name] = through.get(v.name, 0) + v.size
    return moved, products, through


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    ceilings = Ceilings(rounds)
    rows = []
    lines = ["| case | time | call | bytes | products | vector math | together |", "|---" * 7 + "|"]
    for name, f, _, args in cases():
        ours = dualad.jit(dualad.grad(lambda *a, f=f: f(dualad.numpy, *a)))
        for _ in range(3):
            ours(*args)
        seconds = best(lambda ours=ours, args=args: ours(*args), rounds)
        moved, products, through = counted(ours)
        shares = [
            ceilings.call,
            ceilings.bytes(moved),
            products * ceilings.multiplication,
            sum(n * ceilings.function(k) for k, n in through.items()),
        ]
        cells = [
            "",
            f" ({moved:,} B)",
            f" ({products / 1e6:.3g} M)" if products else "",
            f" ({', '.join(sorted(through))})" if through else "",
        ]
        lines.append(
            f"| {name} | {text(seconds)} | "
            + " | ".join(f"{s / seconds:.2f}{c}" for s, c in zip(shares, cells, strict=True))
            + f" | {sum(shares) / seconds:.2f} |"
        )
        rows.append(Row(name, {"dualad": seconds}, {}))
    figures = ", ".join(f"{k} {v * 1e9:.2f}" for k, v in sorted(ceilings.functions.items()))
    return rows, [
        "Shares of the time that each ceiling alone would take:",
        "\n".join(lines),
        f"Ceilings: a call {text(ceilings.call)}; {2e-9 / ceilings.multiplication:.1f} Gflop/s in matrix products; "
        f"{16e-3 / ceilings.bytes(16_000_000):.1f} GB/s moving 16 MB, {16e-6 / ceilings.bytes(16_000):.1f} GB/s moving 16 kB; "
        f"nanoseconds per element: {figures}.",
    ]
