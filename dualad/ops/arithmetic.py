"""Arithmetic, comparison and selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops import series
from dualad.ops.kinds import align_ranks, constant, elementwise, linear
from dualad.ops.samples import Sample, pair, real, several

_PQ = ((-3.0, 3.0), (0.5, 3.0))

add = elementwise("add", np.add, (1, 1), operator="+", samples=pair((-3, 3), (-3, 3), complex=True))
subtract = elementwise("subtract", np.subtract, (1, -1), operator="-", samples=pair((-3, 3), (-3, 3), complex=True))
negative = elementwise("negative", np.negative, (-1,), operator="neg", samples=real(-3, 3, complex=True))
multiply = elementwise(
    "multiply",
    np.multiply,
    (lambda y, a, b: b, lambda y, a, b: a),
    keep="x",
    operator="*",
    taylor=series.multiply,
    samples=pair((-3, 3), (-3, 3), complex=True),
)
divide = elementwise(
    "divide",
    np.true_divide,
    (lambda y, a, b: 1 / b, lambda y, a, b: -y / b),
    keep="xy",
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


def _share(y: Any, a: Any, b: Any) -> Any:
    """1 where ``a`` was chosen, 1/2 where the two tie."""
    return where(equal(a, b), y.dtype.type(0.5), equal(a, y))


def _sharing(name: str, f: Any) -> Any:
    return elementwise(
        name,
        f,
        (lambda y, a, b: _share(y, a, b), lambda y, a, b: _share(y, b, a)),
        keep="xy",
        samples=pair((-3, 3), (-3, 3), (1.0, 1.0), (0.0, -0.0)),
    )


maximum = _sharing("maximum", np.maximum)
minimum = _sharing("minimum", np.minimum)
fmax = _sharing("fmax", np.fmax)
fmin = _sharing("fmin", np.fmin)


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
real_part = elementwise("real_part", np.real, (1,), to_real=True, numpy=(np.real,), samples=real(-3, 3, complex=True))
imag_part = elementwise(
    "imag_part",
    np.imag,
    (lambda y, x: -1j if x.dtype.kind == "c" else 0.0,),
    keep="x",
    to_real=True,
    numpy=(np.imag,),
    samples=real(-3, 3, complex=True),
)
conjugate = linear(
    "conjugate",
    np.conjugate,
    lambda g, x: conjugate(g),
    numpy=(np.conjugate,),
    batch=lambda prim, args, batched, size, params: prim(*args),
    samples=real(-3, 3, complex=True),
)

remainder = elementwise(
    "remainder",
    np.remainder,
    (1, lambda y, a, b: -floor_divide(a, b)),
    keep="x",
    operator="%",
    samples=pair((0.3, 3), (0.5, 1.1)),
)
fmod = elementwise("fmod", np.fmod, (1, lambda y, a, b: -trunc(a / b)), keep="x", samples=pair((0.3, 3), (0.5, 1.1)))


floor_divide = constant("floor_divide", np.floor_divide, 2, operator="//", samples=pair((-3, 3), (0.5, 3)))
sign = constant("sign", np.sign, samples=real(-3, 3))
floor = constant("floor", np.floor, samples=real(-3, 3))
ceil = constant("ceil", np.ceil, samples=real(-3, 3))
trunc = constant("trunc", np.trunc, samples=real(-3, 3))
rint = constant("rint", np.rint, samples=real(-3, 3))
signbit = constant("signbit", np.signbit, samples=real(-3, 3))
isnan = constant("isnan", np.isnan, samples=real(-3, 3))
isinf = constant("isinf", np.isinf, samples=real(-3, 3))
isfinite = constant("isfinite", np.isfinite, samples=real(-3, 3))
spacing = constant("spacing", np.spacing, samples=real(-3, 3))
heaviside = constant("heaviside", np.heaviside, 2, samples=pair((-3, 3), (0.5, 3)))
nextafter = constant("nextafter", np.nextafter, 2, samples=pair((-3, 3), (0.5, 3)))
logical_not = constant("logical_not", np.logical_not, samples=real(-3, 3))
logical_and = constant("logical_and", np.logical_and, 2, samples=pair((-3, 3), (0.5, 3)))
logical_or = constant("logical_or", np.logical_or, 2, samples=pair((-3, 3), (0.5, 3)))
logical_xor = constant("logical_xor", np.logical_xor, 2, samples=pair((-3, 3), (0.5, 3)))


def _bits() -> list[Sample]:
    return [Sample((np.array([True, False, True]), np.array([True, True, False])))]


def _one_bits() -> list[Sample]:
    return [Sample((np.array([True, False, True]),))]


bitwise_and = constant("bitwise_and", np.bitwise_and, 2, operator="&", samples=_bits)
bitwise_or = constant("bitwise_or", np.bitwise_or, 2, operator="|", samples=_bits)
bitwise_xor = constant("bitwise_xor", np.bitwise_xor, 2, operator="^", samples=_bits)
invert = constant("invert", np.invert, operator="invert", samples=_one_bits)
left_shift = constant(
    "left_shift", np.left_shift, 2, operator="<<", samples=lambda: [Sample((np.array([1, 2]), np.array([2, 3])))]
)
right_shift = constant(
    "right_shift", np.right_shift, 2, operator=">>", samples=lambda: [Sample((np.array([8, 9]), np.array([2, 1])))]
)

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
    lambda c, a, b: np.where(c, a, b)[()],
    _where_transpose,
    nonlinear=(0,),
    batch=lambda prim, args, batched, size, params: prim(*align_ranks(args, batched)),
    samples=_where_samples,
)
