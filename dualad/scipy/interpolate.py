"""``scipy.interpolate`` with derivatives in the evaluation points, the knots and the values."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy.differences import diff
from dualad.numpy.operands import cast, operand
from dualad.numpy.shaping import broadcast_arrays, concrete, moveaxis
from dualad.ops import order
from dualad.ops.arithmetic import absolute, sign
from dualad.ops.arithmetic import where as select
from dualad.ops.index import ARRAY, index
from dualad.ops.reduce import axis_of
from dualad.ops.scan import cumsum
from dualad.ops.shape import broadcast_to, concatenate, reshape, stack
from dualad.ops.tridiagonal import tridiagonal_solve
from dualad.scipy.others import others_of

__getattr__ = others_of("interpolate")

__all__ = ["CubicHermiteSpline", "CubicSpline", "PPoly", "PchipInterpolator", "RegularGridInterpolator", "interp1d"]


def _floats(v: Any) -> Any:
    v = operand(v)
    return v if v.dtype.kind in "fc" else cast(v, float)


def _data(name: str, x: Any, y: Any, axis: int, least: int = 2) -> tuple[Any, Any, int]:
    """Knots, values with their axis first, and the axis."""
    x, y = _floats(x), _floats(y)
    if len(x.shape) != 1 or x.dtype.kind == "c":
        raise ShapeError(f"{name}: x must be a vector of real numbers; it has shape {x.shape} and dtype {x.dtype}.")
    axis = axis_of(axis, len(y.shape))
    y = moveaxis(y, axis, 0)
    if y.shape[0] != x.shape[0] or x.shape[0] < least:
        raise ShapeError(
            f"{name}: needs at least {least} knots and as many values; x has {x.shape[0]}, y {y.shape[0]} along axis {axis}."
        )
    if type(x) is not Tensor and not (np.diff(x) > 0).all():
        raise ArgumentError(f"{name}: x must increase strictly.")
    return x, y, axis


class PPoly:
    """A piecewise polynomial: on x[i] <= t < x[i+1], the sum of c[m, i] (t - x[i])^(k - 1 - m), k = len(c).

    ``c`` of shape (k, len(x) - 1, ...), ``x`` the breakpoints. Beyond them the first and last pieces go on, unless
    ``extrapolate`` is False (then NaN) or "periodic". Differentiable in c, x and the evaluation points; at a breakpoint
    the derivative is that of the piece on the right. Source: de Boor 2001, ch. VII.
    """

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> None:
        self.c, self.x = _floats(c), _floats(x)
        self.axis = axis
        self.extrapolate = True if extrapolate is None else extrapolate
        if len(self.c.shape) < 2 or len(self.x.shape) != 1 or self.c.shape[1] != self.x.shape[0] - 1:
            raise ShapeError(
                f"PPoly: c must have shape (k, len(x) - 1, ...); c is {self.c.shape}, x is {self.x.shape}."
            )

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """Values, or ``nu``-th derivatives, at ``x``: of shape x.shape in the place of the axis of interpolation."""
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        c = self.c
        if nu < 0:
            raise ArgumentError(f"the order of the derivative, nu={nu}, must not be negative. Use antiderivative().")
        for _ in range(nu):
            c = _differentiated(c)
        t = _floats(x)
        low, high = self.x[0], self.x[self.x.shape[0] - 1]
        if isinstance(extrapolate, str) and extrapolate == "periodic":
            t = low + (t - low) % (high - low)
        place = order.interval(self.x, t) if self.x.shape[0] > 2 else np.zeros(t.shape, np.intp)[()]
        s = t - index(self.x, place, template=(ARRAY,))
        rest = len(c.shape) - 2
        s = reshape(s, shape=(*s.shape, *(1,) * rest))
        full = (slice(None),) * rest
        y: Any = None
        for k in range(c.shape[0]):
            piece = index(c[k], place, template=(ARRAY, *full))
            y = piece if y is None else y * s + piece
        if extrapolate is False:
            outside = (t < low) | (t > high)
            y = select(reshape(outside, shape=(*t.shape, *(1,) * rest)), np.nan, y)
        # The points' axes take the place of the axis of interpolation.
        return _placed(y, len(t.shape), self.axis)

    def derivative(self, nu: int = 1) -> PPoly:
        """The derivative, a piecewise polynomial."""
        c = self.c
        for _ in range(nu):
            c = _differentiated(c)
        return PPoly(c, self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> PPoly:
        """The integral from the first breakpoint, a continuous piecewise polynomial."""
        c = self.c
        h = diff(self.x)
        for _ in range(nu):
            k, m, *rest = c.shape
            powers = np.arange(k, 0, -1.0).reshape(k, 1, *(1,) * len(rest))
            c = c / powers
            width = reshape(h, shape=(m, *(1,) * len(rest)))
            area: Any = None  # of each piece, by Horner's scheme
            for j in range(k):
                area = c[j] if area is None else area * width + c[j]
            area = area * width
            before = concatenate(np.zeros((1, *area.shape[1:])), cumsum(area, axis=0, reverse=False)[:-1], axis=0)
            c = concatenate(c, reshape(before, shape=(1, *before.shape)), axis=0)
        return PPoly(c, self.x, self.extrapolate, self.axis)

    def integrate(self, a: Any, b: Any) -> Any:
        """The integral from a to b (the end pieces extrapolated)."""
        if self.extrapolate == "periodic":
            raise ArgumentError("integrate: not supported for periodic extrapolation. Integrate over whole periods.")
        primitive = self.antiderivative()
        return primitive(b, extrapolate=True) - primitive(a, extrapolate=True)


def _differentiated(c: Any) -> Any:
    k = c.shape[0]
    if k == 1:
        return c * 0
    return c[:-1] * np.arange(k - 1, 0, -1.0).reshape(k - 1, *(1,) * (len(c.shape) - 1))


def _wide(v: Any, y: Any) -> Any:
    """A vector along the first axis of ``y``."""
    return reshape(v, shape=(*v.shape, *(1,) * (len(y.shape) - 1)))


def _hermite(x: Any, y: Any, slopes: Any) -> Any:
    """Coefficients of the cubic pieces with these values and slopes at the knots."""
    h = _wide(diff(x), y)
    secant = (y[1:] - y[:-1]) / h
    t = (slopes[:-1] + slopes[1:] - 2 * secant) / h
    return stack(t / h, (secant - slopes[:-1]) / h - t, slopes[:-1], y[:-1], axis=0)


class CubicHermiteSpline(PPoly):
    """The piecewise cubic with given values and slopes at the knots; see ``PPoly``."""

    def __init__(self, x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> None:
        x, y, where = _data("CubicHermiteSpline", x, y, axis)
        super().__init__(_hermite(x, y, moveaxis(_floats(dydx), axis, 0)), x, extrapolate, where)


class CubicSpline(PPoly):
    """The twice continuously differentiable piecewise cubic through (x, y): differentiable in x, y and the points.

    ``bc_type``: "not-a-knot", "natural", "clamped", "periodic", or for each end one of these or (order, value) of the first
    or second derivative. Raises ``ShapeError`` unless y has a value per knot, ``ArgumentError`` for knots out of order.
    Source: de Boor 2001, ch. IV.

    >>> import dualad, numpy as np
    >>> from dualad.scipy.interpolate import CubicSpline
    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> dualad.grad(lambda y: CubicSpline(x, y)(1.5))(x**3).round(4)
    array([-0.0625,  0.5625,  0.5625, -0.0625])
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> None:
        x, y, where = _data("CubicSpline", x, y, axis)
        ends = _ends(bc_type, y)
        if extrapolate is None:
            extrapolate = "periodic" if ends[0] == "periodic" else True
        n, rest = y.shape[0], y.shape[1:]
        flat = reshape(y, shape=(n, math.prod(rest)))
        slopes = _spline_slopes(x, flat, ends)
        super().__init__(_hermite(x, y, reshape(slopes, shape=y.shape)), x, extrapolate, where)


def _ends(bc_type: Any, y: Any) -> list[Any]:
    """For each end: "not-a-knot", "periodic", or (order, value)."""
    pair = [bc_type, bc_type] if isinstance(bc_type, str) else list(bc_type)
    if len(pair) != 2 or (("periodic" in [p for p in pair if isinstance(p, str)]) and pair[0] != pair[1]):
        raise ArgumentError(
            f"CubicSpline: bc_type must be one condition, or one per end; 'periodic' is both: {bc_type!r}."
        )
    named: dict[str, Any] = {
        "natural": (2, 0.0),
        "clamped": (1, 0.0),
        "not-a-knot": "not-a-knot",
        "periodic": "periodic",
    }
    out: list[Any] = []
    for p in pair:
        if isinstance(p, str):
            if p not in named:
                raise ArgumentError(
                    f"CubicSpline: bc_type must be one of {sorted(named)} or (order, value), not {p!r}."
                )
            out.append(named[p])
            continue
        kind, value = p
        if kind not in (1, 2):
            raise ArgumentError(
                f"CubicSpline: the derivative given at an end is the first or the second, not {kind!r}."
            )
        value = operand(value)
        if value.shape != y.shape[1:]:
            raise ShapeError(
                f"CubicSpline: the derivative at an end has shape {value.shape}, the values {y.shape[1:]}."
            )
        out.append((kind, reshape(value, shape=(1, math.prod(y.shape[1:])))))
    return [
        (p[0], np.zeros((1, math.prod(y.shape[1:])))) if isinstance(p, tuple) and type(p[1]) is float else p
        for p in out
    ]


def _spline_slopes(x: Any, y: Any, ends: list[Any]) -> Any:
    """The slopes at the knots that make the second derivative continuous."""
    n = y.shape[0]
    h = diff(x)
    w = reshape(h, shape=(n - 1, 1))
    secant = (y[1:] - y[:-1]) / w
    if ends[0] == "periodic":
        if type(y) is not Tensor and not np.allclose(y[0], y[-1], rtol=1e-15, atol=1e-15):
            raise ArgumentError("CubicSpline: for bc_type='periodic' the first and last values must be equal.")
        return _periodic_slopes(h, w, secant)
    first, last = ends
    if n == 2:
        first, last = ((1, secant) if e == "not-a-knot" else e for e in (first, last))
    if n == 3 and first == last == "not-a-knot":  # the parabola through three points
        a, b = w[0:1], w[1:2]
        middle = (b * secant[0:1] + a * secant[1:2]) / (a + b)
        return concatenate(2 * secant[0:1] - middle, middle, 2 * secant[1:2] - middle, axis=0)
    one = np.ones(1)
    none = np.zeros(1)
    lower, diagonal, upper, b = (
        [h[1:]],
        [2 * (h[:-1] + h[1:])],
        [h[:-1]],
        [3 * (w[1:] * secant[:-1] + w[:-1] * secant[1:])],
    )
    for at_end, condition in ((False, first), (True, last)):
        sides = (h[-1:], h[-2:-1]) if at_end else (h[:1], h[1:2])
        edge = secant[-1:] if at_end else secant[:1]
        if condition == "not-a-knot":
            outer, inner = sides
            next_edge = secant[-2:-1] if at_end else secant[1:2]
            d, v, u = outer + inner, reshape(outer, shape=(1, 1)), reshape(inner, shape=(1, 1))
            entry = inner, d, ((v + 2 * (u + v)) * u * edge + v * v * next_edge) / (u + v)
        elif condition[0] == 1:
            entry = one, none, condition[1]
        else:
            half = 0.5 * condition[1] * reshape(sides[0], shape=(1, 1)) ** 2
            bump = 3 * edge * reshape(sides[0], shape=(1, 1))
            entry = 2 * sides[0], sides[0], bump + half if at_end else bump - half
        place = len(diagonal) if at_end else 0
        diagonal.insert(place, entry[0])
        (lower if at_end else upper).insert(place if at_end else 0, entry[1])
        b.insert(place, entry[2] if entry[2].shape == edge.shape else broadcast_to(entry[2], shape=edge.shape))
    return tridiagonal_solve(*(concatenate(*v, axis=0) for v in (lower, diagonal, upper)), concatenate(*b, axis=0))


def _periodic_slopes(h: Any, w: Any, secant: Any) -> Any:
    """The system is tridiagonal but for two corners: the last unknown is eliminated (SciPy's way too)."""
    n = secant.shape[0] + 1
    if n == 2:
        return concatenate(secant * 0, secant * 0, axis=0)
    if n == 3:
        s = (secant[:1] / w[:1] + secant[1:] / w[1:]) / (1 / w[:1] + 1 / w[1:])
        return concatenate(s, s, s, axis=0)
    around = concatenate(h[-1:], h[:-1], axis=0)  # the interval before each knot
    before = reshape(around, shape=(n - 1, 1))
    b = 3 * (w * concatenate(secant[-1:], secant[:-1], axis=0) + before * secant)
    diagonal = 2 * (around + h)
    lower, upper = h[1:-1], around[:-2]
    zeros = np.zeros((max(n - 4, 0), 1))
    corner_first, corner_last = reshape(-h[:1], shape=(1, 1)), reshape(-around[n - 3 : n - 2], shape=(1, 1))
    right = concatenate(corner_first, zeros, corner_last, axis=0) if n > 3 else corner_first
    s1 = tridiagonal_solve(lower, diagonal[:-1], upper, b[:-1])
    s2 = tridiagonal_solve(lower, diagonal[:-1], upper, right)
    top, side = reshape(around[-1:], shape=(1, 1)), reshape(h[-1:], shape=(1, 1))
    last = (b[-1:] - top * s1[:1] - side * s1[-1:]) / (2 * (top + side) + top * s2[:1] + side * s2[-1:])
    s = s1 + last * s2
    return concatenate(s, last, s[:1], axis=0)


class PchipInterpolator(PPoly):
    """The monotone piecewise cubic: slopes are harmonic means of the secants, 0 where these change sign.

    Source: Fritsch & Butland 1984, SIAM J. Sci. Stat. Comput. 5:300-304.

    >>> import numpy as np
    >>> from dualad.scipy.interpolate import PchipInterpolator
    >>> PchipInterpolator([0.0, 1.0, 2.0], [0.0, 1.0, 1.0])(1.5)
    np.float64(1.0)
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> None:
        x, y, where = _data("PchipInterpolator", x, y, axis)
        h = _wide(diff(x), y)
        m = (y[1:] - y[:-1]) / h
        if y.shape[0] == 2:
            slopes = concatenate(m, m, axis=0)
        else:
            turning = sign(m[1:]) * sign(m[:-1]) <= 0
            p, q = (select(turning, 1.0, v) for v in (m[:-1], m[1:]))
            w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
            inner = select(turning, 0.0, (w1 + w2) / (w1 / p + w2 / q))
            slopes = concatenate(
                _edge(h[:1], h[1:2], m[:1], m[1:2]), inner, _edge(h[-1:], h[-2:-1], m[-1:], m[-2:-1]), axis=0
            )
        super().__init__(_hermite(x, y, slopes), x, extrapolate, where)


def _edge(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    """A one-sided three-point slope that keeps the shape."""
    d = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = (sign(m0) != sign(m1)) & (absolute(d) > 3 * absolute(m0))
    return select(sign(d) != sign(m0), 0.0, select(steep, 3 * m0, d))


class interp1d:
    """Interpolation of samples: ``kind`` "linear", "cubic" (a not-a-knot spline), "nearest", "previous" or "next".

    Outside the knots it raises unless ``bounds_error`` is False or ``fill_value`` is given: a number, (below, above), or
    "extrapolate". Differentiable in x, y and the points.

    >>> import dualad, numpy as np
    >>> from dualad.scipy.interpolate import interp1d
    >>> dualad.grad(lambda y: interp1d([0.0, 1.0, 2.0], y)(0.25))(np.ones(3))
    array([0.75, 0.25, 0.  ])
    """

    def __init__(
        self, x: Any, y: Any, kind: Any = "linear", axis: int = -1, copy: bool = True, bounds_error: Any = None,
        fill_value: Any = None, assume_sorted: bool = False,
    ) -> None:  # fmt: skip
        x, y = _floats(x), _floats(y)
        axis = axis_of(axis, len(y.shape))
        if not assume_sorted and len(x.shape) == 1 and x.shape[0] == y.shape[axis]:
            rising = order.argsort(x, axis=0)
            x = index(x, rising, template=(ARRAY,))
            y = moveaxis(
                index(moveaxis(y, axis, 0), rising, template=(ARRAY, *(slice(None),) * (len(y.shape) - 1))), 0, axis
            )
        x, y, axis = _data("interp1d", x, y, axis, 4 if kind == "cubic" else 2)
        self.fill_value, self.kind = fill_value, kind
        self.bounds_error = fill_value is None if bounds_error is None else bounds_error
        if fill_value is None:
            self.fill_value = np.nan
        if kind == "cubic":
            self.polynomial: PPoly = CubicSpline(x, moveaxis(y, 0, axis), axis)
        elif kind == "linear":
            self.polynomial = PPoly(stack((y[1:] - y[:-1]) / _wide(diff(x), y), y[:-1], axis=0), x, True, axis)
        elif kind in ("nearest", "previous", "next"):
            self.polynomial = PPoly(reshape(y[:-1], shape=(1, *y[:-1].shape)), x, True, axis)
            self.values = y
        else:
            raise ArgumentError(
                f"interp1d: kind must be 'linear', 'cubic', 'nearest', 'previous' or 'next', not {kind!r}."
            )

    def __call__(self, x: Any) -> Any:
        t = _floats(x)
        p = self.polynomial
        knots = p.x
        if self.kind in ("linear", "cubic"):
            y = p(t)
        else:
            n = knots.shape[0]
            middle = (knots[1:] + knots[:-1]) / 2
            if self.kind == "nearest":
                place = order.searchsorted(middle, t, side="left")
            elif self.kind == "previous":
                place = order.searchsorted(knots, t, side="right") - 1
            else:
                place = order.searchsorted(knots, t, side="left")
            place = order.floor_place(place * 1.0, n - 1)
            y = index(self.values, place, template=(ARRAY, *(slice(None),) * (len(self.values.shape) - 1)))
            y = _placed(y, len(t.shape), p.axis)
        if isinstance(self.fill_value, str):
            return y
        low, high = knots[0], knots[knots.shape[0] - 1]
        below, above = t < low, t > high
        if self.bounds_error and bool(np.any(concrete(below | above, "interp1d's bounds"))):
            raise ArgumentError(
                "interp1d: a point lies outside the knots. Pass fill_value='extrapolate', a number or (below, above)."
            )
        fills = self.fill_value if isinstance(self.fill_value, tuple) else (self.fill_value, self.fill_value)
        rest = len(self.polynomial.c.shape) - 2
        shape = (*(1,) * p.axis, *t.shape, *(1,) * (rest - p.axis))
        return select(reshape(below, shape=shape), fills[0], select(reshape(above, shape=shape), fills[1], y))


def _placed(y: Any, count: int, axis: int) -> Any:
    """The first ``count`` axes moved behind the next ``axis`` ones."""
    for _ in range(count if axis else 0):
        y = moveaxis(y, 0, axis + count - 1)
    return y


class RegularGridInterpolator:
    """Multilinear interpolation on a grid: ``points`` one vector per axis, differentiable in points, values and xi.

    Outside it raises, or with ``bounds_error=False`` gives ``fill_value`` (None: extrapolates).

    >>> import dualad, numpy as np
    >>> from dualad.scipy.interpolate import RegularGridInterpolator
    >>> f = RegularGridInterpolator((np.arange(2.0), np.arange(3.0)), np.arange(6.0).reshape(2, 3))
    >>> dualad.grad(lambda p: f(p)[0])(np.array([0.5, 1.5]))
    array([3., 1.])
    """

    def __init__(
        self, points: Any, values: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan
    ) -> None:
        if method != "linear":
            raise ArgumentError(f"RegularGridInterpolator: method must be 'linear', not {method!r}.")
        self.grid = [_floats(p) for p in points]
        self.values = _floats(values)
        if [p.shape for p in self.grid] != [(n,) for n in self.values.shape[: len(self.grid)]]:
            raise ShapeError(
                f"RegularGridInterpolator: points have lengths {[p.shape for p in self.grid]}, the values {self.values.shape}."
            )
        if any(p.shape[0] < 2 for p in self.grid):
            raise ShapeError("RegularGridInterpolator: each axis needs at least two points.")
        self.bounds_error, self.fill_value = bounds_error, fill_value

    def __call__(self, xi: Any) -> Any:
        if isinstance(xi, tuple) and len(xi) == len(self.grid):
            xi = stack(*(_floats(v) for v in broadcast_arrays(*xi)), axis=len(np.broadcast_shapes(*map(np.shape, xi))))
        xi = _floats(xi)
        rank = len(self.grid)
        if not xi.shape or xi.shape[-1] != rank:
            raise ShapeError(f"RegularGridInterpolator: points have {rank} coordinates; xi has shape {xi.shape}.")
        if len(xi.shape) == 1:
            xi = reshape(xi, shape=(1, rank))
        rest = len(self.values.shape) - rank
        full = (slice(None),) * rest
        places, shares = [], []
        outside: Any = None
        for k, knots in enumerate(self.grid):
            t = xi[..., k]
            i = order.interval(knots, t) if knots.shape[0] > 2 else np.zeros(t.shape, np.intp)
            low, high = index(knots, i, template=(ARRAY,)), index(knots, i + 1, template=(ARRAY,))
            places.append(i)
            shares.append((t - low) / (high - low))
            off = (t < knots[0]) | (t > knots[knots.shape[0] - 1])
            outside = off if outside is None else outside | off
        if self.bounds_error and bool(np.any(concrete(outside, "RegularGridInterpolator's bounds"))):
            raise ArgumentError("RegularGridInterpolator: a point lies outside the grid. Pass bounds_error=False.")
        y: Any = 0.0
        for corner in itertools.product((0, 1), repeat=rank):
            weight: Any = 1.0
            for side, s in zip(corner, shares, strict=True):
                weight = weight * (s if side else 1 - s)
            at = [i + side for i, side in zip(places, corner, strict=True)]
            corner_value = index(self.values, *at, template=((ARRAY,) * rank + full))
            y = y + reshape(weight, shape=(*weight.shape, *(1,) * rest)) * corner_value
        if self.bounds_error or self.fill_value is None:
            return y
        return select(reshape(outside, shape=(*outside.shape, *(1,) * rest)), self.fill_value, y)
