"""``numpy.fft`` with derivatives: transforms along one axis, and their compositions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.fft import fftfreq, rfftfreq

from dualad.core.errors import ArgumentError, DtypeError
from dualad.numpy.operands import on_tensors, store
from dualad.numpy.rearranging import roll
from dualad.numpy.shaping import axes_of, axis_of, operand
from dualad.ops import fft as ops
from dualad.ops.arithmetic import conjugate


def _floating(a: Any) -> Any:
    x = operand(a)
    return x if x.dtype.kind in "fc" else x * 1.0


def _along(prim: Any, x: Any, n: Any, axis: int, norm: Any, out: Any = None) -> Any:
    axis = axis_of(axis, x.ndim)
    if norm not in (None, "backward", "ortho", "forward"):
        raise ArgumentError(f"fft: norm must be 'backward', 'ortho' or 'forward', not {norm!r}.")
    if n is None:
        n = x.shape[axis] if prim is not ops.irfft else 2 * (x.shape[axis] - 1)
    n = n.__index__()
    if n < 1:
        raise ArgumentError(f"fft: the number of points must be positive, not {n}.")
    return store(prim(x, n=n, axis=axis, norm=norm), out)


@on_tensors(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _along(ops.fft, _floating(a), n, axis, norm, out)


@on_tensors(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _along(ops.ifft, _floating(a), n, axis, norm, out)


@on_tensors(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    x = _floating(a)
    if x.dtype.kind == "c":
        raise DtypeError("rfft takes real input; for complex input use fft.")
    return _along(ops.rfft, x, n, axis, norm, out)


@on_tensors(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _along(ops.irfft, _floating(a), n, axis, norm, out)


@on_tensors(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return _along(ops.irfft, conjugate(_floating(a)), n, axis, _swapped(norm), out)


@on_tensors(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return store(conjugate(rfft(a, n, axis, _swapped(norm))), out)


def _swapped(norm: Any) -> Any:
    try:
        return ops.swapped(norm)
    except KeyError:
        return norm


def _plan(x: Any, s: Any, axes: Any) -> tuple[list[Any], list[int]]:
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    order = [axis_of(k, x.ndim) for k in axes]
    sizes = [None] * len(order) if s is None else [x.shape[k] if n == -1 else n for n, k in zip(s, order, strict=False)]
    if len(sizes) != len(order) or (s is not None and len(s) != len(order)):
        raise ArgumentError(f"fft: s={s} and axes={axes} have different lengths.")
    return sizes, order


def _each(prim: Any, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Any:
    x = _floating(a)
    for n, axis in reversed(list(zip(*_plan(x, s, axes), strict=True))):
        x = _along(prim, x, n, axis, norm)
    return store(x, out)


@on_tensors(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    return _each(ops.fft, a, s, axes, norm, out)


@on_tensors(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    return _each(ops.ifft, a, s, axes, norm, out)


@on_tensors(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    return _each(ops.fft, a, s, axes, norm, out)


@on_tensors(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    return _each(ops.ifft, a, s, axes, norm, out)


@on_tensors(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    x = _floating(a)
    sizes, order = _plan(x, s, axes)
    y = rfft(x, sizes[-1], order[-1], norm)
    for n, axis in list(zip(sizes, order, strict=True))[-2::-1]:
        y = _along(ops.fft, y, n, axis, norm)
    return store(y, out)


@on_tensors(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    return rfftn(a, s, axes, norm, out)


@on_tensors(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    x = _floating(a)
    sizes, order = _plan(x, s, axes)
    for n, axis in list(zip(sizes, order, strict=True))[:-1]:
        x = _along(ops.ifft, x, n, axis, norm)
    return _along(ops.irfft, x, sizes[-1], order[-1], norm, out)


@on_tensors(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    return irfftn(a, s, axes, norm, out)


@on_tensors(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    x = operand(x)
    order = axes_of(tuple(range(x.ndim)) if axes is None else axes, x.ndim)
    return roll(x, [x.shape[i] // 2 for i in order], order)


@on_tensors(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    x = operand(x)
    order = axes_of(tuple(range(x.ndim)) if axes is None else axes, x.ndim)
    return roll(x, [-(x.shape[i] // 2) for i in order], order)


__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2",
    "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip
