"""Phase unwrapping: the corrections are whole periods, which no small step changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.ops import dependence
from dualad.ops.kinds import general
from dualad.ops.reduce import shift_axes
from dualad.ops.samples import Sample


def _samples() -> list[Sample]:
    x = np.cumsum(np.random.default_rng(9).uniform(0.5, 2.5, (2, 6)), 1) % (2 * np.pi)
    return [Sample((x,), {"axis": k, "discont": None, "period": 2 * np.pi}) for k in (0, 1)]


def _taylor(series: Sequence[Any], order: int, **params: Any) -> Any:
    return [unwrap(series[0][0], **params), *series[0][1:]]


unwrap = general(
    "unwrap",
    lambda x, axis, discont, period: np.unwrap(x, discont, axis, period=period),
    lambda ts, y, x, **params: ts[0],
    lambda g, need, y, x, **params: (g,),
    taylor=_taylor,
    batch=shift_axes,
    sparsity=dependence.elementwise,
    samples=_samples,
)
