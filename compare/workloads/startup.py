"""Importing, in fresh processes: what `import dualad` adds to NumPy's own import."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from types import ModuleType

from compare.timing import Row

CODE = "import numpy, time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    seconds = {}
    # As installed packages are: with their bytecode cached.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for name in ("dualad", "autograd", "torch", "jax"):
        command = [sys.executable, "-c", CODE.format(name)]
        runs = [subprocess.run(command, capture_output=True, text=True, env=env) for _ in range(6)]
        if runs[0].returncode == 0:
            seconds[name] = statistics.median(float(r.stdout) for r in runs[1:])
    note = f"`import dualad` takes {seconds['dualad']:.3f} s beyond NumPy (asked for: under 0.2)."
    return [Row("import, beyond NumPy", seconds, {})], [note]
