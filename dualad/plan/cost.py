"""The cost model: seconds predicted from counts on the tape, calibrated once per machine.

``python -m dualad calibrate`` measures this machine and keeps the figures in the user's cache folder; without them the
shipped ones hold.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dualad.core.cache import cache_folder


@dataclass(frozen=True)
class Model:
    """Seconds for each unit of work."""

    push: float = 12e-6  # one instruction of a forward sweep, whatever its size
    pull: float = 14e-6  # one instruction of a reverse sweep
    element: float = 3e-9  # one element of a tangent or cotangent through one instruction
    multiply: float = 0.03e-9  # one multiplication within a matrix product
    entry: float = 0.8e-9  # one entry of the result written
    scatter: float = 5e-9  # one entry put into its place in a sparse result
    sweep: float = 4e-5  # setting up a sweep over a stretch of the tape


COMPILED = Model(sweep=1e-7, push=1e-7, pull=1e-7, element=0.4e-9, entry=0.3e-9, scatter=0.6e-9)
"""Where the sweeps themselves are recorded, and run as machine code."""


@dataclass(frozen=True)
class Cost:
    """What a strategy is predicted to take."""

    passes: int
    operations: float
    bytes: int
    seconds: float


def model() -> Model:
    """This machine's figures where it was calibrated, else the shipped ones. An unreadable file is ignored."""
    path = cache_folder() / "cost.json"
    try:
        found = json.loads(path.read_text())
        return Model(**{k: float(v) for k, v in found.items() if k in asdict(Model())})
    except (OSError, ValueError, TypeError, AttributeError):
        return Model()


def _best(f: Any, repeat: int = 7) -> float:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times)


def calibrate() -> Model:
    """Measure this machine (about half a second), write the figures to the cache folder and return them."""
    from dualad.modes.record import RecordLevel
    from dualad.tape.linearized import pull_many, push_many

    def sweep_times(n: int, k: int) -> tuple[int, float, float]:
        with RecordLevel() as level:
            x: Any = level.watch(np.linspace(0.1, 1.0, n))
            y = x
            for _ in range(25):
                y = np.sin(y) * x
        seeds = np.ones((k, n))
        push = lambda: push_many(level.nodes, {x.aux: seeds}, [y.aux])
        pull = lambda: pull_many(level.nodes, {y.aux: seeds}, [x.aux])
        return len(level.nodes), _best(push), _best(pull)

    count, push_small, pull_small = sweep_times(4, 2)
    _, push_large, _ = sweep_times(2000, 64)
    a = np.ones((400, 400))
    rows = np.random.default_rng(0).integers(0, 400, 100_000)
    found = Model(
        push=push_small / count,
        pull=pull_small / count,
        element=max(push_large - push_small, 0.0) / (count * 1.5 * 2000 * 64),
        multiply=_best(lambda: a @ a) / 400**3,
        entry=_best(lambda: np.zeros((1000, 1000)).fill(1.0)) / 1e6,
        scatter=_best(lambda: a[rows, rows]) / 1e5,
    )
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cost.json").write_text(json.dumps(asdict(found)))
    return found
