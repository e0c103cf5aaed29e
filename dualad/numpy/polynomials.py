"""Polynomials by their coefficients, the highest power first.

Coefficients that happen to be 0 are not trimmed, as NumPy does in some of these functions: their derivatives are not 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.numpy import linalg
from dualad.numpy.creation import vander
from dualad.numpy.operands import on_tensors
from dualad.numpy.products import convolve
from dualad.numpy.shaping import concrete, operand
from dualad.ops.arithmetic import real_part, stop_gradient
from dualad.ops.contract import matmul, swap_last
from dualad.ops.gauges import somewhere
from dualad.ops.linalg import column
from dualad.ops.reduce import sum as sum_over
from dualad.ops.roots import paired
from dualad.ops.roots import roots as roots_of
from dualad.ops.shape import broadcast_to, concatenate, reshape
from dualad.ops.transcendental import sqrt


def _coefficients(name: str, p: Any) -> Any:
    c = operand(p)
    if c.ndim > 1:
        raise ShapeError(f"{name} needs a vector of coefficients, the shape is {c.shape}.")
    return reshape(c, shape=(1,)) if c.ndim == 0 else c


@on_tensors(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    c, x = _coefficients("polyval", p), operand(x)
    if not c.shape[0]:
        return x * 0
    y: Any = x * 0 + c[0]
    for k in range(1, c.shape[0]):
        y = y * x + c[k]
    return y


def _aligned(name: str, a1: Any, a2: Any) -> tuple[Any, Any]:
    p, q = _coefficients(name, a1), _coefficients(name, a2)
    n = max(p.shape[0], q.shape[0])
    p, q = (concatenate(np.zeros(n - v.shape[0], v.dtype), v, axis=0) if v.shape[0] < n else v for v in (p, q))
    return p, q


@on_tensors(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    p, q = _aligned("polyadd", a1, a2)
    return p + q


@on_tensors(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    p, q = _aligned("polysub", a1, a2)
    return p - q


@on_tensors(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    return convolve(_coefficients("polymul", a1), _coefficients("polymul", a2))


@on_tensors(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    """Quotient and remainder; the remainder has one coefficient fewer than the divisor (at least one)."""
    r, v = _coefficients("polydiv", u), _coefficients("polydiv", v)
    m, n = r.shape[0], v.shape[0]
    if not n:
        raise ShapeError("polydiv: the divisor has no coefficients.")
    r = r * 1.0 if r.dtype.kind not in "fc" else r
    if m < n:
        return reshape(r[:1] * 0 + v[:1] * 0, shape=(1,)), r
    q = []
    for _ in range(m - n + 1):
        q.append(r[:1] / v[0])
        r = concatenate(r[1:n] - q[-1] * v[1:], r[n:], axis=0)
    return concatenate(*q, axis=0), r if n > 1 else q[-1] * 0


def _order(name: str, m: Any) -> int:
    if m != int(m):
        raise ArgumentError(f"{name}: the order must be a whole number, not {m!r}.")
    m = int(m)
    if m < 0:
        raise ArgumentError(f"{name}: the order m={m} must not be negative.")
    return m


@on_tensors(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    c = _coefficients("polyder", p)
    for _ in range(_order("polyder", m)):
        c = c[:-1] * np.arange(c.shape[0] - 1, 0, -1)
    return c


@on_tensors(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    c = _coefficients("polyint", p)
    m = _order("polyint", m)
    if k is None:
        constants: Any = np.zeros(m)
    else:
        constants = _coefficients("polyint", k)
        if constants.shape[0] == 1:
            constants = broadcast_to(constants, shape=(m,))
        elif constants.shape[0] < m:
            raise ShapeError(f"polyint: k needs {m} constants of integration, or 1.")
    for i in range(m):
        c = concatenate(c / np.arange(c.shape[0], 0, -1), constants[i : i + 1], axis=0)
    return c


@on_tensors(np.polyfit)
def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """``np.polyfit``: least squares, so differentiable in points, values and weights."""
    x, y = operand(x) * 1.0, operand(y) * 1.0
    if x.ndim != 1 or y.ndim not in (1, 2) or y.shape[0] != x.shape[0] or not x.size:
        raise ShapeError(
            f"polyfit: x must be a non-empty vector and y as long; the shapes are {x.shape} and {y.shape}."
        )
    order = _order("polyfit", deg) + 1
    a, b = vander(x, order), y
    if w is not None:
        w = operand(w) * 1.0
        if w.shape != x.shape:
            raise ShapeError(f"polyfit: the weights have shape {w.shape}, the points {x.shape}.")
        a, b = a * column(w), b * (w if b.ndim == 1 else column(w))
    rcond = x.shape[0] * np.finfo(x.dtype).eps if rcond is None else rcond
    scale = sqrt(sum_over(a * a, axis=(0,)))
    a = a / scale
    c, residuals, rank, s = linalg.lstsq(a, b, rcond)
    c = c / (scale if b.ndim == 1 else column(scale))
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    base = linalg.inv(matmul(swap_last(a), a)) / (column(scale) * scale)
    if cov == "unscaled":
        return c, base
    if x.shape[0] <= order:
        raise ArgumentError("polyfit: cov=True needs more points than coefficients.")
    factor = residuals / (x.shape[0] - order)
    return c, base * factor if b.ndim == 1 else reshape(base, shape=(*base.shape, 1)) * factor


@on_tensors(np.roots)
def roots(p: Any) -> Any:
    """``np.roots``; of a multiple root the derivative is infinite."""
    c = _coefficients("roots", p)
    (nonzero,) = np.nonzero(concrete(c != 0, "roots"))
    if not nonzero.size:
        return np.array([])
    c = c[int(nonzero[0]) :] * 1.0
    return roots_of(c) if c.shape[0] > 1 else np.array([])


@on_tensors(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """``np.poly``: the monic polynomial with these roots, or the characteristic polynomial of a square matrix. Real if the
    roots come in conjugate pairs (in a batch: those of all its elements)."""
    r = operand(seq_of_zeros)
    if len(r.shape) == 2 and r.shape[0] == r.shape[1]:
        r = linalg.eigvals(r)
    if len(r.shape) > 1:
        raise ShapeError(f"poly needs a vector of roots or a square matrix, the shape is {r.shape}.")
    r = (reshape(r, shape=(r.size,)) if not r.shape else r) * 1.0
    c: Any = np.ones(1, r.dtype)
    for k in range(r.shape[0]):
        c = convolve(c, concatenate(np.ones(1, r.dtype), -r[k : k + 1], axis=0))
    if r.dtype.kind != "c" or somewhere(~paired(stop_gradient(r))):
        return c
    return real_part(c)


__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots"]
