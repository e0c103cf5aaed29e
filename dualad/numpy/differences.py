"""Finite differences and quadrature, with NumPy's signatures."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy.operands import cast, flat, on_tensors, operand
from dualad.numpy.reductions import floating
from dualad.ops import reduce
from dualad.ops.arithmetic import not_equal
from dualad.ops.index import index, index_set
from dualad.ops.reduce import axis_of
from dualad.ops.shape import broadcast_to, reshape

__all__ = ["diff", "ediff1d", "gradient", "trapezoid"]


def _part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    rank = len(x.shape)
    return index(x, template=(*[slice(None)] * axis, slice(start, stop), *[slice(None)] * (rank - axis - 1)))


def _joined(parts: Sequence[Any], axis: int) -> Any:
    parts = [p for p in parts if p is not None]
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    for p in parts:
        if p.shape[:axis] != tuple(shape[:axis]) or p.shape[axis + 1 :] != tuple(shape[axis + 1 :]):
            raise ShapeError(f"parts of shapes {[p.shape for p in parts]} cannot be joined along axis {axis}")
    shape[axis] = sum([p.shape[axis] for p in parts])
    y: Any = np.zeros(shape, np.result_type(*[p.dtype for p in parts]))
    at = 0
    for p in parts:
        here = (*[slice(None)] * axis, slice(at, at + p.shape[axis]), *[slice(None)] * (len(shape) - axis - 1))
        y = index_set(y, p, template=here)
        at += p.shape[axis]
    return y


@on_tensors(np.diff)
def diff(a: Any, n: int = 1, axis: Any = -1, prepend: Any = None, append: Any = None) -> Any:
    """n-th difference along an axis."""
    n = operator.index(n)
    if n < 0:
        raise ArgumentError(f"diff: n must be non-negative, not {n}")
    x = operand(a)
    if n == 0:
        return x
    if not x.shape:
        raise ShapeError("diff: needs an array with at least one axis")
    one = axis_of(axis, len(x.shape))
    ends = []
    for v in (prepend, append):
        if v is not None:
            v = operand(v)
            if not v.shape:
                v = broadcast_to(v, shape=(*x.shape[:one], 1, *x.shape[one + 1 :]))
        ends.append(v)
    x = _joined([ends[0], x, ends[1]], one)
    for _ in range(n):
        late, early = _part(x, one, 1, None), _part(x, one, None, -1)
        x = not_equal(late, early) if x.dtype.kind == "b" else late - early
    return x


@on_tensors(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of consecutive elements of the flattened array, with what goes before and after."""
    x = flat(operand(ary))
    before = None if to_begin is None else flat(operand(to_begin))
    after = None if to_end is None else flat(operand(to_end))
    for name, v in (("to_begin", before), ("to_end", after)):
        if v is not None and not np.can_cast(v.dtype, x.dtype, casting="same_kind"):
            raise ArgumentError(f"ediff1d: {name} is {v.dtype}, which does not fit into {x.dtype}")
    y = _joined([before, _part(x, 0, 1, None) - _part(x, 0, None, -1), after], 0)
    return cast(y, x.dtype)


@on_tensors(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    """Trapezoidal rule, differentiable in the values, the places and the step."""
    y = operand(y)
    rank = len(y.shape)
    one = axis_of(axis, rank)
    if x is None:
        d = dx
    else:
        x = operand(x)
        if len(x.shape) == 1:
            d = diff(x)
            d = reshape(d, shape=(*[1] * one, d.shape[0], *[1] * (rank - one - 1)))
        else:
            d = diff(x, axis=axis)
    terms = d * (_part(y, one, 1, None) + _part(y, one, None, -1)) / 2.0
    return reduce.sum(terms, axis=(one + len(terms.shape) - rank,))


@on_tensors(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Second-order central differences, one-sided at the ends; differentiable in the values and the spacing."""
    f = operand(f)
    rank = len(f.shape)
    if axis is None:
        axes = tuple(range(rank))
    else:
        axes = tuple(np.lib.array_utils.normalize_axis_tuple(axis, rank))
    if edge_order not in (1, 2):
        raise ArgumentError("gradient: edge_order must be 1 or 2")
    spacings = _spacings(f, varargs, axes)
    f = floating(f)
    out = []
    for a, h in zip(axes, spacings, strict=True):
        n = f.shape[a]
        if n < edge_order + 1:
            raise ShapeError(
                f"gradient: axis {a} has length {n}; edge_order={edge_order} needs {edge_order + 1} at least"
            )
        out.append(_gradient_along(f, a, h, edge_order))
    return out[0] if len(out) == 1 else tuple(out)


def _spacings(f: Any, varargs: tuple[Any, ...], axes: tuple[int, ...]) -> list[Any]:
    """Per axis a step (0-d), or steps between neighbours (1-D)."""
    if not varargs:
        return [1.0] * len(axes)
    if len(varargs) == 1 and not operand(varargs[0]).shape:
        return [varargs[0]] * len(axes)
    if len(varargs) != len(axes):
        raise ArgumentError(f"gradient: {len(varargs)} spacings for {len(axes)} axes; pass one, or one per axis")
    out = []
    for a, v in zip(axes, varargs, strict=True):
        h = operand(v)
        if not h.shape:
            out.append(v)
            continue
        if len(h.shape) != 1 or h.shape[0] != f.shape[a]:
            raise ShapeError(f"gradient: coordinates of axis {a} have shape {h.shape}; need ({f.shape[a]},)")
        h = diff(floating(h))
        # As NumPy: even spacing is taken as one step (whose formula rounds differently).
        out.append(index(h, template=(0,)) if type(h) is not Tensor and (h == h[0]).all() else h)
    return out


def _gradient_along(f: Any, a: int, h: Any, edge_order: int) -> Any:
    rank = len(f.shape)
    part = lambda start, stop: _part(f, a, start, stop)
    if isinstance(h, (int, float)) or not h.shape:
        inner = (part(2, None) - part(None, -2)) / (2.0 * h)
        if edge_order == 1:
            first = (part(1, 2) - part(0, 1)) / h
            last = (part(-1, None) - part(-2, -1)) / h
        else:
            first = -1.5 / h * part(0, 1) + 2.0 / h * part(1, 2) - 0.5 / h * part(2, 3)
            last = 0.5 / h * part(-3, -2) - 2.0 / h * part(-2, -1) + 1.5 / h * part(-1, None)
        return _joined([first, inner, last], a)
    h = reshape(h, shape=(*[1] * a, h.shape[0], *[1] * (rank - a - 1)))
    step = lambda start, stop: _part(h, a, start, stop)
    left, right = step(None, -1), step(1, None)
    both = left + right
    inner = (
        -right / (left * both) * part(None, -2)
        + (right - left) / (left * right) * part(1, -1)
        + left / (right * both) * part(2, None)
    )
    if edge_order == 1:
        first = (part(1, 2) - part(0, 1)) / step(0, 1)
        last = (part(-1, None) - part(-2, -1)) / step(-1, None)
    else:
        p, q = step(0, 1), step(1, 2)
        first = (
            -(2.0 * p + q) / (p * (p + q)) * part(0, 1)
            + (p + q) / (p * q) * part(1, 2)
            - p / (q * (p + q)) * part(2, 3)
        )
        p, q = step(-2, -1), step(-1, None)
        last = (
            q / (p * (p + q)) * part(-3, -2)
            - (q + p) / (p * q) * part(-2, -1)
            + (2.0 * q + p) / (q * (p + q)) * part(-1, None)
        )
    return _joined([first, inner, last], a)
