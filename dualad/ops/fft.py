"""The discrete Fourier transform along one axis; dualad.numpy.fft composes the others of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops.kinds import Params, linear
from dualad.ops.samples import array
from dualad.ops.shape import concatenate


def resized(x: Any, n: int, axis: int) -> Any:
    """``x`` cut or filled with zeros to length ``n`` along ``axis``."""
    have = x.shape[axis]
    if have == n:
        return x
    if have > n:
        return x[(*(slice(None),) * axis, slice(0, n))]
    return concatenate(x, np.zeros((*x.shape[:axis], n - have, *x.shape[axis + 1 :]), x.dtype), axis=axis)


def _batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    return prim(*args, **{**params, "axis": params["axis"] + 1})


_PARAMS: tuple[dict[str, Any], ...] = (
    {"n": 4, "axis": 1, "norm": None},
    {"n": 6, "axis": 1, "norm": "ortho"},
    {"n": 2, "axis": 0, "norm": "forward"},
)

# The DFT matrix is symmetric, so the transpose is the transform itself, with cutting and filling exchanged.
fft = linear(
    "fft",
    lambda x, n, axis, norm: np.fft.fft(x, n, axis, norm),
    lambda g, x, *, n, axis, norm: resized(fft(g, n=n, axis=axis, norm=norm), x.shape[axis], axis),
    batch=_batch,
    samples=array((3, 4), params=_PARAMS, complex=True),
)
ifft = linear(
    "ifft",
    lambda x, n, axis, norm: np.fft.ifft(x, n, axis, norm),
    lambda g, x, *, n, axis, norm: resized(ifft(g, n=n, axis=axis, norm=norm), x.shape[axis], axis),
    batch=_batch,
    samples=array((3, 4), params=_PARAMS, complex=True),
)
