"""Arithmetic, comparison and selection; the products and quotients in which zero is strong."""

from __future__ import annotations

import cmath
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.deferred import Deferred
from dualad.core.primitive import Binary
from dualad.core.tensor import Tensor
from dualad.ops import dependence, series
from dualad.ops.kinds import Elementwise, General, align_ranks, constant, elementwise, leading_dims, linear, silent
from dualad.ops.samples import Sample, Samples, pair, real, several

_PQ = ((-3.0, 3.0), (0.5, 3.0))

LARGE = 1 << 12  # elements from where on it pays to look whether they are repeated

# Strong zero --------------------------------------------------------------------------------------


def _full(x: Any) -> bool:
    """Whether it is known that no element is zero."""
    if type(x) is np.ndarray:
        if x.size >= LARGE and 0 in x.strides:  # of what is repeated, one
            x = x[tuple([slice(None) if s else slice(1) for s in x.strides])]
        return np.count_nonzero(x) == x.size
    return type(x) is not Deferred and bool(x != 0)


def _scale(t: Any, p: Any) -> Any:
    if _full(t):
        return t * p
    if not hasattr(p, "dtype"):  # a Python number is weak, and np.where would make it strong
        if cmath.isfinite(p):
            return t * p
        p = t.dtype.type(p)
    return t * np.where(np.equal(t, 0), 1, p)


def _strong_multiply(a: Any, b: Any) -> Any:
    if _full(a) and _full(b):
        return a * b
    zero = np.equal(a, 0) | np.equal(b, 0)
    return np.where(zero, 0, a)[()] * np.where(zero, 0, b)[()]


def _points(*points: tuple[float, float]) -> Samples:
    return lambda: [Sample((np.array([p[0] for p in points]), np.array([p[1] for p in points])), degenerate=True)]


# The product of two things that both are derivatives.
strong_multiply = elementwise(
    "strong_multiply",
    _strong_multiply,
    (lambda y, a, b: b, lambda y, a, b: a),
    keep="x",
    taylor=lambda c, order: series.multiply(c, order, strong_multiply),
    samples=several(pair((0.5, 3), (0.5, 3), complex=True), _points((0.0, 2.0), (0.0, 0.0), (2.0, 0.0))),
)
strong_multiply.times = strong_multiply
strong_multiply.__doc__ = "a * b, and 0 where either is 0 (also where the other is infinite or NaN)."


class _Scale(Binary, General):
    """t * p, and 0 where t is 0: a direction that does not move cannot be pushed to infinity.

    Not where p is 0: an infinite tangent times a zero partial is unknown, and stays NaN. Of the derivatives, that in t is
    again this product; in that in p both factors are derivatives.
    """


def _scale_jvp(ts: Sequence[Any], y: Any, t: Any, p: Any) -> Any:
    out = None if ts[0] is None else strong_scale(ts[0], p)
    if ts[1] is None:
        return out
    moved = strong_multiply(t, ts[1])
    return moved if out is None else out + moved


def _scale_taylor(c: Sequence[Any], order: int) -> Any:
    t, p = c
    if type(p) is not list:
        return [strong_scale(v, p) for v in t]
    if type(t) is not list:
        return [strong_scale(t, p[0]), *[strong_multiply(t, v) for v in p[1:]]]
    out = []
    for k in range(order + 1):
        total = strong_scale(t[k], p[0])
        for j in range(k):
            total = total + strong_multiply(t[j], p[k - j])
        out.append(total)
    return out


strong_scale = _Scale(
    "strong_scale",
    _scale,
    _scale_jvp,
    lambda g, need, y, t, p: (
        strong_scale(g, p) if need[0] else None,
        strong_multiply(g, t) if need[1] else None,
    ),
    keep="x",
    taylor=_scale_taylor,
    batch=leading_dims,
    sparsity=dependence.elementwise,
    samples=several(pair((0.5, 3), (-3, 3), complex=True), _points((0.0, 2.0), (0.0, 0.0))),
)


def _strong(t: Any, p: Any) -> Any:
    # Plain values, the common case, need no doorway.
    return strong_scale(t, p) if type(t) is Tensor or type(p) is Tensor else _scale(t, p)


Elementwise.strong = staticmethod(_strong)


def _quotient(a: Any, b: Any) -> Any:
    if _full(b):
        return a / b
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(a, b)


def quotient(a: Any, b: Any) -> Any:
    """a / b without warnings, for rules: where it is infinite, a zero tangent may be about to win."""
    return _quotient_of_tensors(a, b) if type(a) is Tensor or type(b) is Tensor else _quotient(a, b)


_quotient_of_tensors = elementwise(
    "quotient",
    _quotient,
    (silent(lambda y, a, b: quotient(1, b)), silent(lambda y, a, b: -quotient(y, b))),
    keep="xy",
    singular=True,
    taylor=lambda c, order: series.divide(c, order, quotient),
    samples=pair(*_PQ, complex=True),
)

# Arithmetic ---------------------------------------------------------------------------------------

add = elementwise("add", np.add, (1, 1), operator="+", samples=pair((-3, 3), (-3, 3), complex=True))
subtract = elementwise("subtract", np.subtract, (1, -1), operator="-", samples=pair((-3, 3), (-3, 3), complex=True))
negative = elementwise("negative", np.negative, (-1,), operator="neg", samples=real(-3, 3, complex=True))
positive = elementwise("positive", np.positive, (1,), samples=real(-3, 3, complex=True))
multiply = elementwise(
    "multiply",
    np.multiply,
    (lambda y, a, b: b, lambda y, a, b: a),
    keep="x",
    operator="*",
    taylor=series.multiply,
    samples=pair((-3, 3), (-3, 3), complex=True),
)
multiply.product = True
divide = elementwise(
    "divide",
    np.true_divide,
    (silent(lambda y, a, b: quotient(1, b)), silent(lambda y, a, b: -quotient(y, b))),
    keep="xy",
    singular=True,
    operator="/",
    taylor=series.divide,
    samples=pair(*_PQ, complex=True),
)

equal = constant("equal", np.equal, 2, operator="==", samples=pair((-3, 3), (-3, 3)))
not_equal = constant("not_equal", np.not_equal, 2, operator="!=", samples=pair((-3, 3), (-3, 3)))
less = constant("less", np.less, 2, operator="<", samples=pair((-3, 3), (-3, 3)))
less_equal = constant("less_equal", np.less_equal, 2, operator="<=", samples=pair((-3, 3), (-3, 3)))
greater = constant("greater", np.greater, 2, operator=">", samples=pair((-3, 3), (-3, 3)))
greater_equal = constant("greater_equal", np.greater_equal, 2, operator=">=", samples=pair((-3, 3), (-3, 3)))

isnan = constant("isnan", np.isnan, samples=real(-3, 3))
isinf = constant("isinf", np.isinf, samples=real(-3, 3))
isfinite = constant("isfinite", np.isfinite, samples=real(-3, 3))

# Extrema of two -----------------------------------------------------------------------------------


def _share(wins: Any) -> Any:
    def share(a: Any, b: Any) -> Any:
        dtype = a.dtype if type(b) is float and type(a) is np.ndarray else np.result_type(a, b)
        share = wins(a, b).astype(dtype)
        tie = np.equal(a, b)
        return share + (tie * 0.5).astype(dtype) if np.count_nonzero(tie) else share

    return share


def _wins_over_nan(compare: Any) -> Any:
    return lambda a, b: compare(a, b) | (np.isnan(b) & ~np.isnan(a))


def _extremum(name: str, f: Any, wins: Any) -> Any:
    # 1 where the first is the one taken, 1/2 where the two are equal.
    share = constant(f"{name}_share", _share(wins), 2, samples=pair((-3, 3), (-3, 3)))
    prim = elementwise(
        name,
        f,
        (lambda y, a, b: share(a, b), lambda y, a, b: share(b, a)),
        keep="x",
        samples=pair((-3, 3), (-3, 3), (1.0, 1.0), (0.0, -0.0)),
    )
    prim.__doc__ = (
        f"``np.{name}``; where the two are equal each gets half of the derivative: 1/2 for maximum(x, 0) at 0."
    )
    return prim


maximum = _extremum("maximum", np.maximum, np.greater)
minimum = _extremum("minimum", np.minimum, np.less)
fmax = _extremum("fmax", np.fmax, _wins_over_nan(np.greater))
fmin = _extremum("fmin", np.fmin, _wins_over_nan(np.less))

# Sign and parts -----------------------------------------------------------------------------------

sign = constant("sign", np.sign, samples=real(-3, 3))


def _unit(y: Any, x: Any) -> Any:
    """sign(x); for complex numbers conj(x)/|x|; 0 at 0."""
    if x.dtype.kind != "c":
        return sign(x)
    zero = equal(y, 0)
    return where(zero, 0.0, conjugate(x) / where(zero, 1.0, y))


absolute = elementwise(
    "absolute",
    np.absolute,
    (_unit,),
    keep="xy",
    to_real=True,
    operator="abs",
    samples=several(real(0.2, 3, 0.0, complex=True), real(-3, -0.2)),
)
absolute.__doc__ = "``np.absolute``; its derivative at 0 is 0. Of complex z: the real part of conj(z)/abs(z) dz."
fabs = elementwise("fabs", np.fabs, (lambda y, x: sign(x),), keep="x", samples=real(-3, 3, 0.0))
real_part = elementwise("real_part", np.real, (1,), to_real=True, samples=real(-3, 3, complex=True))
imag_part = elementwise(
    "imag_part",
    np.imag,
    (lambda y, x: -1j if x.dtype.kind == "c" else 0.0,),
    keep="x",
    to_real=True,
    samples=real(-3, 3, complex=True),
)
conjugate = linear(
    "conjugate",
    np.conjugate,
    lambda g, x: conjugate(g),
    batch=lambda prim, args, batched, size, params: prim(*args),
    sparsity=dependence.elementwise,
    samples=real(-3, 3, complex=True),
)

# Selection ----------------------------------------------------------------------------------------

stop_gradient = constant("stop_gradient", lambda x: x, samples=real(-3, 3))
stop_gradient.__doc__ = """``x`` as a constant: its value, with zero derivative in every mode.

>>> from dualad import grad, stop_gradient
>>> float(grad(lambda x: x * stop_gradient(x))(3.0))
3.0
"""


def _where_samples() -> list[Sample]:
    rng = np.random.default_rng(4)
    c = np.array([True, False, True])
    return [
        Sample((c, rng.normal(size=3), rng.normal(size=3))),
        Sample((c, rng.normal(size=(2, 1)), 0.0)),
        Sample((np.True_, rng.normal(size=(2, 3)), rng.normal(size=3))),
    ]


def _where_transpose(g: Any, c: Any, a: Any, b: Any) -> Any:
    zero = g.dtype.type(0)
    return None, where(c, g, zero), where(c, zero, g)


where = linear(
    "where",
    lambda c, a, b: np.where(c, a, b)[()],  # type: ignore[call-overload]
    _where_transpose,
    nonlinear=(0,),
    batch=lambda prim, args, batched, size, params: prim(*align_ranks(args, batched)),
    sparsity=dependence.moved(np.where, lambda k: k > 0),
    samples=_where_samples,
)
