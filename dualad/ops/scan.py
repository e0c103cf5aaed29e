"""Scans: cumulative sums and products, and the linear recurrence that is their derivative."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops import dependence
from dualad.ops.index import index, index_set
from dualad.ops.kinds import Params, general, linear
from dualad.ops.samples import Sample, array, several
from dualad.ops.shape import broadcast_to

AxisParams = tuple[dict[str, Any], ...]
_SCANS: AxisParams = ({"axis": 0, "reverse": False}, {"axis": 1, "reverse": True}, {"axis": 1, "reverse": False})
_FEW = 8  # columns: below, Python's floats are faster than NumPy's calls


def _shift_axis(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    same = [a if b else broadcast_to(a, shape=(size, *a.shape)) for a, b in zip(args, batched, strict=True)]
    return prim(*same, **{**params, "axis": params["axis"] + 1})


def _backwards(scan: Any, x: Any, axis: int) -> Any:
    return np.flip(scan(np.flip(x, axis), axis=axis), axis)


def _cumsum(x: Any, axis: int, reverse: bool) -> Any:
    return _backwards(np.cumsum, x, axis) if reverse else np.cumsum(x, axis=axis)


def _cumprod(x: Any, axis: int, reverse: bool) -> Any:
    return _backwards(np.cumprod, x, axis) if reverse else np.cumprod(x, axis=axis)


# ``reverse`` scans from the far end, which is the transpose.
cumsum = linear(
    "cumsum",
    _cumsum,
    lambda g, x, *, axis, reverse: cumsum(g, axis=axis, reverse=not reverse),
    batch=_shift_axis,
    sparsity=dependence.scanned,
    samples=array((2, 3), params=_SCANS, complex=True),
)


def delay(x: Any, *, axis: int, reverse: bool, fill: float) -> Any:
    """``x`` moved one place in the direction of the scan, with ``fill`` at the place that becomes free."""
    lead = (slice(None),) * axis
    rest = (slice(None),) * (len(x.shape) - axis - 1)
    early, late = slice(None, -1), slice(1, None)
    source, target = (late, early) if reverse else (early, late)
    blank = np.full(x.shape, fill, x.dtype)
    return index_set(blank, index(x, template=(*lead, source, *rest)), template=(*lead, target, *rest))


def _recurrence(a: Any, b: Any, axis: int, reverse: bool) -> Any:
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    if reverse:
        a, b = a[::-1], b[::-1]
    y = np.empty(b.shape, np.result_type(a, b))
    n, columns = len(y), math.prod(y.shape[1:])
    if n and columns <= _FEW:
        flat = y.reshape(n, columns)
        pairs = zip(a.reshape(n, columns).T.tolist(), b.reshape(n, columns).T.tolist(), strict=True)
        for k, (factors, terms) in enumerate(pairs):
            s = terms[0]
            column = [s]
            for f, t in zip(factors[1:], terms[1:], strict=True):
                s = f * s + t
                column.append(s)
            flat[:, k] = column
    elif n:
        y[0] = b[0]
        for k in range(1, n):
            np.multiply(a[k], y[k - 1], out=y[k])
            y[k] += b[k]
    return np.moveaxis(y[::-1] if reverse else y, 0, axis)


def _recurrence_jvp(ts: Sequence[Any], y: Any, a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    ta, tb = ts
    if ta is not None:
        pushed = ta * delay(y, axis=axis, reverse=reverse, fill=0)
        tb = pushed if tb is None else pushed + tb
    return recurrence(a, tb, axis=axis, reverse=reverse)


def _recurrence_vjp(g: Any, need: Sequence[bool], y: Any, a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    gb = recurrence(delay(a, axis=axis, reverse=not reverse, fill=0), g, axis=axis, reverse=not reverse)
    return gb * delay(y, axis=axis, reverse=reverse, fill=0) if need[0] else None, gb


def _recurrence_taylor(series: Sequence[Any], order: int, *, axis: int, reverse: bool) -> Any:
    a, b = series
    a0 = a[0] if type(a) is list else a
    y: list[Any] = []
    for k in range(order + 1):
        total = b[k] if type(b) is list else b if k == 0 else None
        if type(a) is list:
            for j in range(1, k + 1):
                term = a[j] * delay(y[k - j], axis=axis, reverse=reverse, fill=0)
                total = term if total is None else total + term
        y.append(recurrence(a0, total, axis=axis, reverse=reverse))
    return y


recurrence = general(
    "recurrence",
    _recurrence,
    _recurrence_jvp,
    _recurrence_vjp,
    keep="xy",
    taylor=_recurrence_taylor,
    batch=_shift_axis,
    sparsity=dependence.scanned,
    samples=several(
        array((2, 3), (2, 3), params=_SCANS, complex=True),
        array((3, 9), (3, 9), params=_SCANS[:1]),
        array((0, 2), (0, 2), params=_SCANS[:1]),
    ),
)
recurrence.__doc__ = (
    "y[k] = a[k] y[k-1] + b[k] along an axis, y[-1] = 0: its derivatives are again recurrences, without a division."
)


def _cumprod_jvp(ts: Sequence[Any], y: Any, x: Any, *, axis: int, reverse: bool) -> Any:
    return recurrence(x, ts[0] * delay(y, axis=axis, reverse=reverse, fill=1), axis=axis, reverse=reverse)


def _cumprod_vjp(g: Any, need: Sequence[bool], y: Any, x: Any, *, axis: int, reverse: bool) -> Any:
    back = recurrence(delay(x, axis=axis, reverse=not reverse, fill=0), g, axis=axis, reverse=not reverse)
    return (back * delay(y, axis=axis, reverse=reverse, fill=1),)


def cumprod_taylor(series: Sequence[Any], order: int, *, axis: int, reverse: bool) -> Any:
    (x,) = series
    y = [cumprod(x[0], axis=axis, reverse=reverse)]
    for k in range(1, order + 1):
        total = x[k] * delay(y[0], axis=axis, reverse=reverse, fill=1)
        for j in range(1, k):
            total = total + x[j] * delay(y[k - j], axis=axis, reverse=reverse, fill=0)
        y.append(recurrence(x[0], total, axis=axis, reverse=reverse))
    return y


def with_zeros(params: AxisParams) -> Any:
    """Samples whose factors contain one zero, several, and none."""
    x = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [2.0, -1.0, 3.0]])
    return lambda: [Sample((x,), dict(p)) for p in params]


cumprod = general(
    "cumprod",
    _cumprod,
    _cumprod_jvp,
    _cumprod_vjp,
    keep="xy",
    taylor=cumprod_taylor,
    batch=_shift_axis,
    sparsity=dependence.scanned,
    samples=several(array((2, 3), params=_SCANS, complex=True), with_zeros(_SCANS)),
)


def exclusive_products(x: Any, *, axis: int) -> Any:
    """At each place the product of all others along ``axis``, from cumulative products of both sides: no division."""
    left = delay(cumprod(x, axis=axis, reverse=False), axis=axis, reverse=False, fill=1)
    return left * delay(cumprod(x, axis=axis, reverse=True), axis=axis, reverse=True, fill=1)
