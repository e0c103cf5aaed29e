"""Step sizes of adaptive methods: whole eighths of octaves, on which a recorded program depends only in jumps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops.kinds import Params, constant
from dualad.ops.shape import broadcast_to

LIMIT = 800


def _eighths(x: Any) -> Any:
    with np.errstate(all="ignore"):
        least = np.min(np.where(x == x, x, 0.0), initial=np.inf)
        return np.int64(np.clip(np.floor(8 * np.log2(least)), -LIMIT, LIMIT))


def _batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    """One step size for the whole batch: the least."""
    return broadcast_to(prim(*args), shape=(size,))


# No samples: unlike every other primitive it makes a batch share its result, which tests/scipy/test_integrate.py holds.
eighths = constant("eighths", _eighths, batch=_batch)
eighths.__doc__ = "floor(8 log2 of the least element): a factor 2^(k/8). NaN counts as 0."
