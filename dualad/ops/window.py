"""Windows that slide over the last axes, and their transpose, which adds them up where they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops.kinds import Params, linear, movement
from dualad.ops.samples import Sample

Sizes = tuple[int, ...]


def _windows(x: Any, window: Sizes, strides: Sizes, dilation: Sizes) -> Any:
    rank = len(window)
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True))
    view: Any = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(x.ndim - rank, x.ndim)))
    starts = [slice(None, None, s) for s in strides]
    return np.ascontiguousarray(view[(..., *starts, *(slice(None, None, d) for d in dilation))])


def _overlap_add(w: Any, size: Sizes, strides: Sizes, dilation: Sizes) -> Any:
    rank = len(size)
    places, window = w.shape[-2 * rank : -rank], w.shape[-rank:]
    out: Any = np.zeros((*w.shape[: -2 * rank], *size), w.dtype)
    for k in np.ndindex(window):
        where = [
            slice(d * i, d * i + s * (t - 1) + 1 if t else 0, s)
            for i, d, s, t in zip(k, dilation, strides, places, strict=True)
        ]
        out[(..., *where)] += w[(..., *k)]
    return out


def _windows_transpose(g: Any, x: Any, *, window: Sizes, strides: Sizes, dilation: Sizes) -> Any:
    return overlap_add(g, size=x.shape[-len(window) :], strides=strides, dilation=dilation)


def _overlap_add_transpose(g: Any, w: Any, *, size: Sizes, strides: Sizes, dilation: Sizes) -> Any:
    return windows(g, window=w.shape[-len(size) :], strides=strides, dilation=dilation)


def _batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    return prim(*args, **params)


def _window_samples() -> list[Sample]:
    rng = np.random.default_rng(12)
    return [
        Sample((rng.normal(size=(2, 5)),), {"window": (3,), "strides": (2,), "dilation": (1,)}),
        Sample((rng.normal(size=(4, 6)),), {"window": (2, 3), "strides": (1, 2), "dilation": (2, 1)}),
    ]


def _overlap_samples() -> list[Sample]:
    rng = np.random.default_rng(13)
    return [
        Sample((rng.normal(size=(2, 2, 3)),), {"size": (5,), "strides": (2,), "dilation": (1,)}),
        Sample((rng.normal(size=(2, 2, 2, 3)),), {"size": (4, 6), "strides": (1, 2), "dilation": (2, 1)}),
    ]


# x of shape (..., *S) as (..., *places, *window).
windows = movement("windows", _windows, _windows_transpose, batch=_batch, samples=_window_samples)
overlap_add = linear("overlap_add", _overlap_add, _overlap_add_transpose, batch=_batch, samples=_overlap_samples)
