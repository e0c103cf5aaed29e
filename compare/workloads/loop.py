"""A plain Python loop over scalars (a pendulum, explicit Euler): the gradient at the first call, for 2,000 and 20,000
steps, each in a process of its own, with the peak memory that the gradient adds."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType

from compare.timing import Row

PROGRAM = """
import json, sys, time, tracemalloc
import {module} as np
from {library} import grad
def pendulum(angle):
    speed = 0.0 * angle
    for _ in range({steps}):
        angle, speed = angle + 0.001 * speed, speed - 0.001 * np.sin(angle)
    return angle * angle
if {trace}:
    tracemalloc.start()
t = time.perf_counter()
g = grad(pendulum)(1.0)
seconds = time.perf_counter() - t
print(json.dumps([seconds, tracemalloc.get_traced_memory()[1] if {trace} else 0, float(g)]))
"""
LIBRARIES = {"dualad": "numpy", "autograd": "autograd.numpy"}


def run(library: str, steps: int, trace: bool = False) -> list[float]:
    code = PROGRAM.format(library=library, module=LIBRARIES[library], steps=steps, trace=trace)
    return json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    rows = []
    medians: dict[int, float] = {}
    for steps in (2_000, 20_000):
        seconds = {n: sorted(run(n, steps)[0] for _ in range(5))[2] for n in LIBRARIES if n in peers}
        medians[steps] = seconds["dualad"]
        rows.append(Row(f"{steps} steps, first call", seconds, {}))
    memory = {steps: run("dualad", steps, trace=True)[1] for steps in medians}
    notes = [
        f"First call of 2,000 steps: {medians[2000]:.3f} s (asked for: under 0.3). 20,000 steps cost "
        f"{medians[20000] / medians[2000]:.1f} times as much (asked for: at most 12). Peak memory {memory[2000] / 1e6:.1f} MB "
        f"and {memory[20000] / 1e6:.1f} MB: {memory[20000] / memory[2000]:.1f} times."
    ]
    return rows, notes
