"""Every elementwise and special function is held against mpmath by ``compare.accuracy``, or is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
import dualad.scipy.special
import dualad.scipy.stats
from compare.accuracy import errors
from compare.accuracy_functions import FUNCTIONS, ROUNDED, SAMPLES, SLOW
from dualad.core.primitive import REGISTRY
from dualad.modes.record import RecordLevel

ELEMENTWISE = sorted(
    n for n, p in REGISTRY.items() if p.kind == "elementwise"
)  # before examples of the docs add their own
POOR = {"hyperu(1.5, 0.7, x)"}  # SciPy's own value has eight digits


def touched(name: str) -> set[str]:
    """The primitives that an entry's value and derivative are computed with."""
    ours, _, lo, hi = FUNCTIONS[name]
    with RecordLevel() as level:
        x: Any = level.watch(
            np.float64((lo * 0.6 + hi * 0.4) if hi / max(lo, 1e-9) < 1e3 or lo <= 0 else (lo * hi) ** 0.5)
        )
        dualad.jvp(ours, (x,), (x * 0 + 1.0,))
    return {node[1].name for node in level.nodes}


def test_every_elementwise_function_is_measured() -> None:
    measured = set().union(*map(touched, FUNCTIONS))
    assert not [n for n in ELEMENTWISE if n not in measured | ROUNDED | SAMPLES]


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - SLOW - POOR))
def test_errors_are_small(name: str) -> None:
    values, derivatives = errors(name, 2)
    assert max(values) < 1e6  # of 4.5e15: ten digits, at points that are not chosen
    assert max(derivatives) < 1e6
