"""Histograms: counts are constant in the sample and linear in the weights; automatic edges move with the sample."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, DtypeError, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy.operands import cast, flat, on_tensors, operand
from dualad.numpy.reductions import floating
from dualad.ops import order, reduce
from dualad.ops.arithmetic import stop_gradient
from dualad.ops.arithmetic import where as select
from dualad.ops.index import ARRAY, index, scatter
from dualad.ops.shape import reshape

__all__ = ["bincount", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]


def _edges(a: Any, bins: Any, range: Any, weights: Any) -> Any:
    if isinstance(bins, str):
        values = a.level.look(a, f'bins="{bins}"') if type(a) is Tensor else a
        return np.histogram_bin_edges(values, bins, range)
    if np.ndim(bins) == 0 and not (type(bins) is Tensor and bins.shape):
        n = operator.index(bins)
        if n < 1:
            raise ArgumentError("histogram: bins must be positive")
        if range is not None:
            low, high = (operand(v) for v in range)
        elif a.size == 0:
            low, high = a.dtype.type(0), a.dtype.type(1)
        else:
            low, high = reduce.min(a, axis=(0,)), reduce.max(a, axis=(0,))
        low, high = floating(low), floating(high)
        same = low == high
        low, high = select(same, low - 0.5, low), select(same, high + 0.5, high)
        k = np.arange(n + 1)
        return select(k == n, high, low + (high - low) / n * k.astype(low.dtype))
    return operand(bins)


@on_tensors(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> tuple[Any, Any]:
    """Histogram and bin edges: counts are constant in ``a``, and linear in the weights; automatic edges move with ``a``."""
    x = flat(operand(a))
    edges = _edges(x, bins, range, weights)
    n = edges.shape[0] - 1
    place = order.bin_index(stop_gradient(edges), stop_gradient(x))
    if weights is None:
        w = np.ones(x.shape, np.intp)
    else:
        w = operand(weights)
        if w.shape != (a.shape if hasattr(a, "shape") else np.shape(a)):
            raise ShapeError(f"histogram: weights have shape {w.shape}, a has shape {np.shape(a)}")
        w = flat(w)
    # One bin more, for what lies outside.
    h = index(scatter(w, place, template=(ARRAY,), shape=(n + 1,)), template=(slice(0, n),))
    if density:
        widths = index(edges, template=(slice(1, None),)) - index(edges, template=(slice(None, -1),))
        h = h / widths / reduce.sum(h, axis=(0,))
    return h, edges


@on_tensors(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each integer occurs, or the sum of its weights: linear in the weights."""
    k = operand(x)
    if k.dtype.kind not in "iub" and k.size:
        raise DtypeError(f"bincount: x must be integers, not {k.dtype}. Write x.astype(int).")
    values = k.level.look(k, "bincount's x") if type(k) is Tensor else k
    if np.ndim(values) != 1:
        raise ShapeError(f"bincount: x must have one axis, not shape {np.shape(values)}")
    if weights is None:
        return np.bincount(values, minlength=minlength)
    if np.any(values < 0):
        raise ArgumentError("bincount: x must be non-negative")
    w = cast(operand(weights), np.float64)
    if w.shape != k.shape:
        raise ShapeError(f"bincount: weights have shape {w.shape}, x has shape {k.shape}")
    n = max(int(values.max(initial=-1)) + 1, minlength)
    return scatter(w, values.astype(np.intp), template=(ARRAY,), shape=(n,))


@on_tensors(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges that ``histogram`` uses: of a given number of bins, they move with the extremes."""
    return _edges(flat(operand(a)), bins, range, weights)


@on_tensors(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Histogram of points: (counts, list of edges per dimension); linear in the weights."""
    points = operand(sample) if hasattr(sample, "shape") else None
    if points is not None:
        if len(points.shape) < 2:
            points = reshape(points, shape=(points.size, 1))
        columns = [points[:, i] for i in np.arange(points.shape[1]).tolist()]
    else:
        columns = [flat(operand(v)) for v in sample]
    rank = len(columns)
    each = list(bins) if isinstance(bins, (list, tuple)) or np.ndim(bins) else [bins] * rank
    if len(each) != rank:
        raise ShapeError(f"histogramdd: {len(each)} bins for points of {rank} coordinates; need as many.")
    ranges = [None] * rank if range is None else list(range)
    if len(ranges) != rank:
        raise ShapeError(f"histogramdd: {len(ranges)} ranges for points of {rank} coordinates; need as many.")
    edges = [_edges(v, b, r, None) for v, b, r in zip(columns, each, ranges, strict=True)]
    sizes = tuple(e.shape[0] for e in edges)
    places = [order.bin_index(stop_gradient(e), stop_gradient(v)) for e, v in zip(edges, columns, strict=True)]
    w = np.ones(columns[0].shape) if weights is None else flat(operand(weights))
    if w.shape != columns[0].shape:
        raise ShapeError(f"histogramdd: there are {columns[0].shape[0]} points and {w.shape[0]} weights.")
    # One bin more in each dimension, for what lies outside.
    h = scatter(cast(w, float), *places, template=(ARRAY,) * rank, shape=sizes)
    h = index(h, template=tuple(slice(0, n - 1) for n in sizes))
    if density:
        total = reduce.sum(h, axis=tuple(np.arange(rank).tolist()))
        for i, e in enumerate(edges):
            h = h / reshape(e[1:] - e[:-1], shape=tuple(-1 if k == i else 1 for k in np.arange(rank).tolist()))
        h = h / total
    return h, edges


@on_tensors(np.histogram2d)
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Histogram of points in the plane: (counts, edges of x, edges of y); linear in the weights."""
    a, b = operand(x), operand(y)
    if a.shape != b.shape or len(a.shape) != 1:
        raise ShapeError(f"histogram2d: x and y must be vectors of one length, the shapes are {a.shape} and {b.shape}.")
    if not isinstance(bins, (int, np.integer)) and len(bins) not in (1, 2):
        bins = [bins, bins]  # one array of edges for both
    h, (first, second) = histogramdd([a, b], bins, range, density, weights)
    return h, first, second
