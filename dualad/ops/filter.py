"""Recursive filters: the all-pole linear recurrence of any order along the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops import reduce
from dualad.ops.kinds import Params, general, one_by_one
from dualad.ops.samples import array, several
from dualad.ops.shape import concatenate, stack


def _all_pole(c: Any, u: Any) -> Any:
    from scipy.signal import lfilter

    if not u.size or not c.size:
        return u.astype(np.result_type(c, u))
    one = np.ones(1, c.dtype)
    return lfilter(one, np.concatenate([one, c]), u)


def late(x: Any, k: int) -> Any:
    """``x`` moved ``k`` places up the last axis, zeros coming in."""
    k = min(k, x.shape[-1])
    return concatenate(np.zeros((*x.shape[:-1], k), x.dtype), x[..., : x.shape[-1] - k], axis=x.ndim - 1)


def _backwards(c: Any, g: Any) -> Any:
    return all_pole(c, g[..., ::-1])[..., ::-1]


def _jvp(ts: Sequence[Any], y: Any, c: Any, u: Any) -> Any:
    tc, tu = ts
    if tc is not None:
        for k in range(c.shape[0]):
            pushed = tc[k] * late(y, k + 1)
            tu = -pushed if tu is None else tu - pushed
    if tu is None or not c.shape[0]:
        return tu
    return all_pole(c, tu)


def _vjp(g: Any, need: Sequence[bool], y: Any, c: Any, u: Any) -> Any:
    gu = _backwards(c, g)
    if not need[0]:
        return None, gu
    every = tuple(range(gu.ndim))
    parts = [-reduce.sum(gu * late(y, k + 1), axis=every) for k in range(c.shape[0])]
    return stack(*parts, axis=0) if parts else np.zeros(0, c.dtype), gu


def _taylor(series: Sequence[Any], order: int) -> Any:
    c, u = series
    c0 = c[0] if type(c) is list else c
    y: list[Any] = []
    for k in range(order + 1):
        total = u[k] if type(u) is list else u if k == 0 else 0 * u
        if type(c) is list:
            for j in range(1, k + 1):
                for i in range(c0.shape[0]):
                    total = total - c[j][i] * late(y[k - j], i + 1)
        y.append(all_pole(c0, total))
    return y


def _batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    return one_by_one(prim, args, batched, size, params) if batched[0] else prim(*args)


all_pole = general(
    "all_pole",
    _all_pole,
    _jvp,
    _vjp,
    keep="xy",
    taylor=_taylor,
    batch=_batch,
    samples=several(array((2,), (2, 5), complex=True), array((3,), (2,)), array((1,), (0,))),
    source="Oppenheim & Schafer 2010, sec. 6.3",
)
all_pole.__doc__ = "y[n] = u[n] - c[0] y[n-1] - c[1] y[n-2] - ... along the last axis, by SciPy's lfilter."
