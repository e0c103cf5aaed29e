"""``numpy.fft`` with derivatives: every transform is composed of the complex one along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.fft import fftfreq, rfftfreq

from dualad.core.errors import ArgumentError, DtypeError
from dualad.numpy.rearranging import roll
from dualad.numpy.register import implements
from dualad.numpy.shaping import axes_of, axis_of, operand
from dualad.ops import fft as ops
from dualad.ops.arithmetic import conjugate, real_part
from dualad.ops.shape import astype, concatenate

_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _complex(a: Any) -> Any:
    x = operand(a)
    kind = np.result_type(x.dtype, np.complex64) if x.dtype.kind in "fc" else np.dtype(np.complex128)
    return x if x.dtype == kind else astype(x * 1.0, dtype=kind)


def _length(n: Any, x: Any, axis: int) -> int:
    n = x.shape[axis] if n is None else n.__index__()
    if n < 1:
        raise ArgumentError(f"fft: the number of points must be positive, not {n}.")
    return n


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    x = _complex(a)
    axis = axis_of(axis, x.ndim)
    return ops.fft(x, n=_length(n, x, axis), axis=axis, norm=norm)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    x = _complex(a)
    axis = axis_of(axis, x.ndim)
    return ops.ifft(x, n=_length(n, x, axis), axis=axis, norm=norm)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    x = operand(a)
    if x.dtype.kind == "c":
        raise DtypeError("rfft takes real input; for complex input use fft.")
    y = fft(x, n, axis, norm)
    axis = axis_of(axis, x.ndim)
    return y[(*(slice(None),) * axis, slice(0, y.shape[axis] // 2 + 1))]


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    x = _complex(a)
    axis = axis_of(axis, x.ndim)
    n = 2 * (x.shape[axis] - 1) if n is None else _length(n, x, axis)
    half = ops.resized(x, n // 2 + 1, axis)
    lead = (slice(None),) * axis
    # The other half is the conjugate; the first (and for even n the last) entry counts by its real part alone.
    mirrored = conjugate(half[(*lead, slice((n - 1) // 2, 0, -1))])
    first = _real(half[(*lead, slice(0, 1))])
    if n % 2 == 0 and n > 1:
        parts = [first, half[(*lead, slice(1, n // 2))], _real(half[(*lead, slice(n // 2, n // 2 + 1))]), mirrored]
    else:
        parts = [first, half[(*lead, slice(1, None))], mirrored]
    return real_part(ops.ifft(concatenate(*parts, axis=axis), n=n, axis=axis, norm=norm))


def _real(x: Any) -> Any:
    return astype(real_part(x), dtype=x.dtype)


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return irfft(conjugate(_complex(a)), n, axis, _SWAPPED[norm])


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return conjugate(rfft(a, n, axis, _SWAPPED[norm]))


def _plan(x: Any, s: Any, axes: Any) -> tuple[list[Any], list[int]]:
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    order = list(axes_of(tuple(axes), x.ndim))
    sizes = [None] * len(order) if s is None else [None if k == -1 else k for k in s]
    if len(sizes) != len(order):
        raise ArgumentError(f"fft: s has {len(sizes)} entries, axes has {len(order)}.")
    return sizes, order


def _each(one: Any, a: Any, s: Any, axes: Any, norm: Any) -> Any:
    x = operand(a)
    for n, axis in reversed(list(zip(*_plan(x, s, axes), strict=True))):
        x = one(x, n, axis, norm)
    return x


@implements(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    return _each(fft, a, s, axes, norm)


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    return _each(ifft, a, s, axes, norm)


@implements(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    return _each(fft, a, s, axes, norm)


@implements(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    return _each(ifft, a, s, axes, norm)


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    x = operand(a)
    sizes, order = _plan(x, s, axes)
    y = rfft(x, sizes[-1], order[-1], norm)
    for n, axis in list(zip(sizes, order, strict=True))[-2::-1]:
        y = fft(y, n, axis, norm)
    return y


@implements(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    return rfftn(a, s, axes, norm)


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    x = operand(a)
    sizes, order = _plan(x, s, axes)
    for n, axis in list(zip(sizes, order, strict=True))[:-1]:
        x = ifft(x, n, axis, norm)
    return irfft(x, sizes[-1], order[-1], norm)


@implements(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    return irfftn(a, s, axes, norm)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    x = operand(x)
    order = axes_of(tuple(range(x.ndim)) if axes is None else axes, x.ndim)
    return roll(x, [x.shape[i] // 2 for i in order], order)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    x = operand(x)
    order = axes_of(tuple(range(x.ndim)) if axes is None else axes, x.ndim)
    return roll(x, [-(x.shape[i] // 2) for i in order], order)


__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2",
    "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip
