"""``scipy.integrate`` with derivatives: quadrature of samples and of functions, and ordinary differential equations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy import differences
from dualad.numpy.differences import diff
from dualad.numpy.operands import cast, operand
from dualad.numpy.reductions import cumsum
from dualad.numpy.shaping import concrete, moveaxis
from dualad.ops import reduce
from dualad.ops.arithmetic import absolute, maximum, stop_gradient
from dualad.ops.arithmetic import where as select
from dualad.ops.reduce import axis_of
from dualad.ops.shape import concatenate, reshape, stack
from dualad.ops.stepping import LIMIT, eighths
from dualad.ops.transcendental import sqrt
from dualad.scipy.others import others_of

__getattr__ = others_of("integrate")

__all__ = ["cumulative_trapezoid", "odeint", "quad", "simpson", "trapezoid"]

# Samples --------------------------------------------------------------------------------------


def _samples(name: str, y: Any, x: Any, dx: Any, axis: int) -> tuple[Any, Any, int]:
    """Values with their axis last, steps between them, and the axis."""
    y = operand(y)
    axis = axis_of(axis, len(y.shape))
    y = moveaxis(y if y.dtype.kind in "fc" else cast(y, float), axis, -1)
    n = y.shape[-1]
    if x is None:
        return y, dx * np.ones(max(n - 1, 0), y.dtype), axis
    x = operand(x)
    x = moveaxis(x, axis, -1) if len(x.shape) > 1 else x
    if x.shape[-1] != n:
        raise ShapeError(f"{name}: y has {n} values along the axis, but x has {x.shape[-1]}.")
    return y, diff(x), axis


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The trapezoidal rule, in the precision of the values; differentiable in values, places and step.

    >>> import numpy as np
    >>> from dualad.scipy import integrate
    >>> integrate.trapezoid(np.array([0.0, 2.0, 4.0]))
    np.float64(4.0)
    """
    y = operand(y)
    z = differences.trapezoid(y, x, dx, axis)
    return cast(z, y.dtype) if y.dtype.kind == "f" and z.dtype.kind == "f" else z


def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """The trapezoidal rule up to each place; differentiable in values, places and step.

    z[k] = sum_{i < k} (x[i+1] - x[i]) (y[i] + y[i+1]) / 2. ``initial``: None or 0, which goes in front.

    >>> import numpy as np
    >>> from dualad.scipy import integrate
    >>> integrate.cumulative_trapezoid(np.array([0.0, 2.0, 4.0]), initial=0)
    array([0., 1., 4.])
    """
    y, d, axis = _samples("cumulative_trapezoid", y, x, dx, axis)
    if not y.shape[-1]:
        raise ShapeError("cumulative_trapezoid: there must be at least one value along the axis.")
    z = cumsum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        if initial != 0:
            raise ArgumentError(f"cumulative_trapezoid: initial must be None or 0, not {initial!r}.")
        z = concatenate(np.zeros((*z.shape[:-1], 1), z.dtype), z, axis=len(z.shape) - 1)
    return moveaxis(z, -1, axis)


def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """Simpson's rule; for an even number of values the last interval by Cartwright's correction, as SciPy does.

    Differentiable in values, places and step. Source: Cartwright 2017, J. Math. Sci. Math. Educ. 12(2).

    >>> import numpy as np
    >>> from dualad.scipy import integrate
    >>> integrate.simpson(np.array([0.0, 1.0, 4.0]))
    np.float64(2.6666666666666665)
    """
    y, d, _ = _samples("simpson", y, x, dx, axis)
    n = y.shape[-1]
    if n == 0:
        raise ShapeError("simpson: there must be at least one value along the axis.")
    if n <= 2:
        return reduce.sum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=(len(y.shape) - 1,))
    stop = n - 1 - (n % 2 == 0)
    h0, h1 = d[..., 0:stop:2], d[..., 1:stop:2]
    y0, y1, y2 = y[..., 0:stop:2], y[..., 1:stop:2], y[..., 2 : stop + 1 : 2]
    both = h0 + h1
    terms = both / 6.0 * (y0 * (2.0 - h1 / h0) + y1 * (both * both / (h0 * h1)) + y2 * (2.0 - h0 / h1))
    total = reduce.sum(terms, axis=(len(terms.shape) - 1,))
    if n % 2 == 0:
        h, last = d[..., -2], d[..., -1]
        total = total + (2 * last**2 + 3 * h * last) / (6 * (h + last)) * y[..., -1]
        total = total + (last**2 + 3 * h * last) / (6 * h) * y[..., -2]
        total = total - last**3 / (6 * h * (h + last)) * y[..., -3]
    return total


# Functions ------------------------------------------------------------------------------------


def quad(
    func: Callable[..., Any], a: Any, b: Any, args: Any = (), epsabs: float = 1.49e-8, epsrel: float = 1.49e-8,
    limit: int = 50,
) -> tuple[Any, float]:  # fmt: skip
    """(integral of ``func(x, *args)`` from a to b, estimate of the error); differentiable in limits, args and closures.

    SciPy's adaptive quadrature chooses the subintervals for the plain values; on these the sum by Gauss and Legendre's
    rule of 21 points is what is differentiated, so the derivative has the accuracy that the rule has for the derivative of
    the integrand. Limits may be infinite. Source: QUADPACK (Piessens et al. 1983); Davis & Rabinowitz 1984, sec. 2.7.

    >>> import dualad, numpy as np
    >>> from dualad.scipy import integrate
    >>> float(dualad.grad(lambda k: integrate.quad(lambda x: np.exp(-k * x), 0.0, np.inf)[0])(2.0).round(9))
    -0.25
    """
    from scipy.integrate import quad as adaptive

    args = args if isinstance(args, tuple) else (args,)
    plain = tuple(concrete(stop_gradient(v), "quad's args") if type(v) is Tensor else v for v in args)
    low, high = (float(concrete(stop_gradient(operand(v)), "quad's limits")) for v in (a, b))

    def value(x: float) -> float:
        y = func(x, *plain)
        return float(concrete(stop_gradient(y), "quad's integrand") if type(y) is Tensor else y)

    estimate, error, info, *_ = adaptive(value, low, high, epsabs=epsabs, epsrel=epsrel, limit=limit, full_output=1)
    if not math.isfinite(estimate):
        raise ArgumentError(
            f"quad: the integral from {low} to {high} is {estimate}: it diverges, or the integrand does."
        )
    # QUADPACK maps infinite ranges to (0, 1] by x = a + (1 - u)/u.
    sign = -1.0 if high < low else 1.0
    begin, end = (b, a) if sign < 0 else (a, b)
    left, right = min(low, high), max(low, high)
    f = lambda x: func(x, *args)
    if math.isinf(left) and math.isinf(right):
        g: Any = lambda u: (f((1 - u) / u) + f(-(1 - u) / u)) / (u * u)
    elif math.isinf(right):
        g = lambda u: f(begin + (1 - u) / u) / (u * u)
    elif math.isinf(left):
        g = lambda u: f(end - (1 - u) / u) / (u * u)
    else:
        width = end - begin
        g = lambda u: f(begin + u * width) * width
    nodes, weights = np.polynomial.legendre.leggauss(21)
    total: Any = 0.0
    if left == right:
        return total * g(0.5), error
    finite = not (math.isinf(left) or math.isinf(right))
    for k in range(info["last"]):
        u0, u1 = info["alist"][k], info["blist"][k]
        if finite:
            u0, u1 = ((u - low) / (high - low) for u in (u0, u1))
            u0, u1 = (1 - u1, 1 - u0) if sign < 0 else (u0, u1)
        u0, u1 = min(u0, u1), max(u0, u1)
        for x, w in zip(nodes, weights, strict=True):
            total = total + g((u0 + u1) / 2 + (u1 - u0) / 2 * x) * (w * (u1 - u0) / 2)
    return sign * total, error


# Differential equations -----------------------------------------------------------------------

# Dormand & Prince 1980, table 2 (order 5, with its embedded estimate of order 4).
_C = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
_A: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
_B = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
_E = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def _combined(weights: Any, slopes: Any) -> Any:
    total = None
    for w, k in zip(weights, slopes, strict=True):
        if w:
            total = w * k if total is None else total + w * k
    return total


def odeint(
    func: Callable[..., Any], y0: Any, t: Any, args: Any = (), *, rtol: float = 1.49e-8, atol: Any = 1.49e-8,
    mxstep: int = 10_000, tfirst: bool = False, **unsupported: Any,
) -> Any:  # fmt: skip
    """Solve y' = func(y, t, *args), y(t[0]) = y0, at the times t; differentiable in y0, t, args and closures.

    Returns an array of shape (len(t), *y0.shape). The steps of Dormand and Prince's method of order 5 are chosen for the
    plain values, and these steps are what every mode differentiates: the derivative is that of the discrete solution, of
    the same order, and forward and reverse agree to rounding. Reverse mode keeps all steps; for less memory, solve in
    pieces under ``dualad.checkpoint``. There is no method for stiff equations: ``ArgumentError`` after ``mxstep`` steps
    between two times. ``atol`` may be an array like y0. Source: Dormand & Prince 1980, J. Comput. Appl. Math. 6:19-26;
    Hairer, Norsett & Wanner 1993, sec. II.4 (step control).

    >>> import dualad, numpy as np
    >>> from dualad.scipy import integrate
    >>> end = lambda k: integrate.odeint(lambda y, t: -k * y, np.ones(1), np.array([0.0, 1.0]))[-1, 0]
    >>> float(dualad.grad(end)(2.0).round(6)), float(-np.exp(-2.0).round(6))
    (-0.135335, -0.135335)
    """
    if unsupported:
        raise ArgumentError(
            f"odeint: the keyword(s) {sorted(unsupported)} are not supported; rtol, atol, mxstep, tfirst are."
        )
    args = args if isinstance(args, tuple) else (args,)
    y, t = operand(y0), operand(t)
    y = cast(y, float) if y.dtype.kind not in "fc" else y
    y = reshape(y, shape=(1,)) if not y.shape else y
    if len(t.shape) != 1 or not t.shape[0]:
        raise ShapeError(f"odeint: t must be a non-empty vector of times, its shape is {t.shape}.")
    t = cast(t, float) if t.dtype.kind not in "f" else t

    def slope(v: Any, s: Any) -> Any:
        k = operand(func(s, v, *args) if tfirst else func(v, s, *args))
        if k.shape != y.shape:
            if k.size != y.size:
                raise ShapeError(f"odeint: func returned shape {k.shape} for a state of shape {y.shape}.")
            k = reshape(k, shape=y.shape)
        return k

    out = [y]
    k0 = slope(y, t[0])
    share: float | None = None  # of the interval in hand, that one step is to cover
    for i in range(t.shape[0] - 1):
        start, span = t[i], t[i + 1] - t[i]
        share = _first_share(y, k0, span, rtol, atol) if share is None else share * _power(t[i] - t[i - 1], span)
        done, steps = 0.0, 0
        while done < 1.0:
            steps += 1
            step = min(share, 1.0 - done)
            if 1.0 - done - step < 1e-12:
                step = 1.0 - done
            if steps > mxstep or step < 1e-13:
                raise ArgumentError(
                    f"odeint: more than {steps - 1} steps between t[{i}] and t[{i + 1}] (mxstep={mxstep}): the equation is "
                    "stiff, or its solution has a singularity there. Raise mxstep, or loosen rtol and atol."
                )
            h = step * span
            slopes = [k0]
            for c, row in zip(_C[1:], _A[1:], strict=True):
                slopes.append(slope(y + h * _combined(row, slopes), start + (done + c * step) * span))
            after = y + h * _combined(_B, slopes)
            k1 = slope(after, start + (done + step) * span)
            error = _size(h * _combined(_E, [*slopes, k1]), _scale(y, after, rtol, atol))
            change = int(eighths(0.9 / maximum(error, 1e-30) ** 0.2))
            if change >= -1:  # the error is at most (0.9 / 2^(-1/8))^5 = 0.91 of what is allowed
                y, k0, done = after, k1, done + step
                share = (
                    max(share, step * 2.0 ** (min(change, 16) / 8))
                    if step < share
                    else step * 2.0 ** (min(change, 16) / 8)
                )
            else:
                share = step * 2.0 ** (max(change, -16) / 8)
        out.append(y)
    return stack(*out, axis=0)


def _scale(y: Any, after: Any, rtol: float, atol: Any) -> Any:
    return stop_gradient(atol + rtol * maximum(absolute(stop_gradient(y)), absolute(stop_gradient(after))))


def _size(v: Any, scale: Any) -> Any:
    """Root mean square in units of what is allowed."""
    r = absolute(stop_gradient(v)) / scale
    return sqrt(reduce.mean(r * r, axis=tuple(range(len(r.shape)))))


def _first_share(y: Any, k: Any, span: Any, rtol: float, atol: Any) -> float:
    """Of the first interval: a step that changes y by a hundredth of its size (Hairer et al., sec. II.4, step a)."""
    scale = _scale(y, y, rtol, atol)
    d0, d1 = _size(y, scale), _size(span * k, scale)
    small = select(d1 < 1e-10, 1e-10, d1)
    return min(1.0, 2.0 ** (int(eighths(maximum(0.01 * d0 / small, 1e-6))) / 8))


def _power(before: Any, span: Any) -> float:
    """About before/span, as an eighth of an octave."""
    size = absolute(stop_gradient(span))
    k = int(eighths(absolute(stop_gradient(before)) / select(size == 0, 1.0, size)))
    return 1.0 if k <= -LIMIT else 2.0 ** (k / 8)
