"""The discrete Fourier transform along one axis; dualad.numpy.fft composes the others of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops import dependence
from dualad.ops.arithmetic import conjugate, real_part
from dualad.ops.kinds import Params, linear
from dualad.ops.samples import Sample, array
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

_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def swapped(norm: Any) -> Any:
    """The norm under which the transform in the other direction has this one's factor."""
    return _SWAPPED[norm]


# The DFT matrix is symmetric, so the transpose is the transform itself, with cutting and filling exchanged.
fft = linear(
    "fft",
    lambda x, n, axis, norm: np.fft.fft(x, n, axis, norm),
    lambda g, x, *, n, axis, norm: resized(fft(g, n=n, axis=axis, norm=norm), x.shape[axis], axis),
    batch=_batch,
    sparsity=dependence.lined,
    samples=array((3, 4), params=_PARAMS, complex=True),
)
ifft = linear(
    "ifft",
    lambda x, n, axis, norm: np.fft.ifft(x, n, axis, norm),
    lambda g, x, *, n, axis, norm: resized(ifft(g, n=n, axis=axis, norm=norm), x.shape[axis], axis),
    batch=_batch,
    sparsity=dependence.lined,
    samples=array((3, 4), params=_PARAMS, complex=True),
)
# Of a real vector, the first half of the transform (the rest is its conjugate).
rfft = linear(
    "rfft",
    lambda x, n, axis, norm: np.fft.rfft(x, n, axis, norm),
    lambda g, x, *, n, axis, norm: resized(real_part(fft(g, n=n, axis=axis, norm=norm)), x.shape[axis], axis),
    batch=_batch,
    sparsity=dependence.lined,
    samples=array((3, 4), params=(*_PARAMS, {"n": 5, "axis": 1, "norm": "backward"})),
)


def _irfft_transpose(g: Any, x: Any, *, n: int, axis: int, norm: Any) -> Any:
    half = n // 2 + 1
    counted = np.full(half, 2, g.dtype)  # entries that stand for their conjugates too
    counted[0] = 1
    if n % 2 == 0:
        counted[-1] = 1
    counted = counted.reshape((half,) + (1,) * (len(x.shape) - axis - 1))
    return resized(conjugate(rfft(g, n=n, axis=axis, norm=swapped(norm))) * counted, x.shape[axis], axis)


def _irfft_samples() -> list[Sample]:
    (x, _), z = array((3, 4), complex=True)()[:2], array((3, 4), complex=True)()[2]
    return [*[Sample(z.args, {**p, "n": n}) for p in _PARAMS for n in (5, 6)], Sample(x.args, _PARAMS[0])]


# Linear over the reals: it ignores the imaginary parts of the first and (for even n) the last entry.
irfft = linear(
    "irfft",
    lambda x, n, axis, norm: np.fft.irfft(x, n, axis, norm),
    _irfft_transpose,
    batch=_batch,
    sparsity=dependence.lined,
    samples=_irfft_samples,
)
