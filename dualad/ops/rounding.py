"""Rounding, remainders and the parts of a floating-point number; tests and bits, whose derivative is zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.ops.arithmetic import equal, quotient, sign
from dualad.ops.kinds import constant, elementwise
from dualad.ops.samples import Sample, pair, real

_ANY = (-3.0, 3.0)


def _zero(y: Any, *xs: Any) -> float:
    return 0.0


# Piecewise constant -------------------------------------------------------------------------------

floor, ceil, trunc, rint, signbit, spacing, logical_not = (
    constant(f.__name__, f, samples=real(*_ANY))
    for f in (np.floor, np.ceil, np.trunc, np.rint, np.signbit, np.spacing, np.logical_not)
)
floor_divide = constant("floor_divide", np.floor_divide, 2, operator="//", samples=pair(_ANY, (0.5, 3)))
logical_and, logical_or, logical_xor = (
    constant(f.__name__, f, 2, samples=pair(_ANY, _ANY)) for f in (np.logical_and, np.logical_or, np.logical_xor)
)
round = constant(
    "round",
    lambda x, decimals: np.round(x, decimals),
    0,
    samples=lambda: [Sample((np.array([1.26, -2.5]),), {"decimals": 1})],
)
isclose = constant(
    "isclose",
    lambda a, b, rtol, atol, equal_nan: np.isclose(a, b, rtol, atol, equal_nan),
    0,
    samples=lambda: [Sample((np.array([1.0, 2.0]), np.array(1.0)), {"rtol": 1e-5, "atol": 1e-8, "equal_nan": False})],
)


def _of_integers(ufunc: Any, operator: str | None, *args: Any) -> Any:
    def impl(*xs: Any) -> Any:
        try:
            return ufunc(*xs)
        except TypeError:
            kinds = " and ".join(str(np.result_type(x)) for x in xs)
            raise NotDifferentiable(
                f"np.{ufunc.__name__} is defined for integers and booleans only, not for {kinds}. Write x.astype(int)."
            ) from None

    return constant(
        ufunc.__name__,
        impl,
        ufunc.nin,
        numpy=ufunc,
        operator=operator,
        samples=lambda: [Sample(tuple(np.array(a) for a in args))],
    )


_TRUTH = ([True, False, True], [True, True, False])
bitwise_and = _of_integers(np.bitwise_and, "&", *_TRUTH)
bitwise_or = _of_integers(np.bitwise_or, "|", *_TRUTH)
bitwise_xor = _of_integers(np.bitwise_xor, "^", *_TRUTH)
invert = _of_integers(np.invert, "invert", _TRUTH[0])
left_shift = _of_integers(np.left_shift, "<<", [1, 2], [2, 3])
right_shift = _of_integers(np.right_shift, ">>", [8, 9], [2, 1])
bitwise_count = _of_integers(np.bitwise_count, None, [8, 9])
gcd = _of_integers(np.gcd, None, [8, 9], [12, 6])
lcm = _of_integers(np.lcm, None, [8, 9], [12, 6])

# Piecewise linear ---------------------------------------------------------------------------------

# y = a - n b with a whole n, which (a - y)/b finds exactly where a/b may round across a whole number.
_MINUS_N = lambda y, a, b: -rint(quotient(a - y, b))
remainder = elementwise(
    "remainder", np.remainder, (1, _MINUS_N), keep="xy", operator="%", samples=pair((0.3, 3), (0.5, 1.1))
)
fmod = elementwise("fmod", np.fmod, (1, _MINUS_N), keep="xy", samples=pair((-3, -0.3), (0.5, 1.1)))
nextafter = elementwise("nextafter", np.nextafter, (1, _zero), samples=pair(_ANY, _ANY))
fraction = elementwise("fraction", lambda x: np.modf(x)[0], (1,), samples=real(*_ANY))
heaviside = elementwise(
    "heaviside", np.heaviside, (_zero, lambda y, x, h: equal(x, 0)), keep="x", samples=pair(_ANY, (0.5, 3), (0.0, 1.0))
)
heaviside.__doc__ = "``np.heaviside``; constant in the first argument, and in the second where the first is not 0."
copysign = elementwise(
    "copysign",
    np.copysign,
    (lambda y, a, b: copysign(sign(a), b) * sign(a), _zero),
    keep="x",
    samples=pair(_ANY, _ANY, (0.0, 1.0)),
)
copysign.__doc__ = "``np.copysign``; its derivative where the first argument is 0 is 0."

# Mantissa and exponent ----------------------------------------------------------------------------

exponent = constant("exponent", lambda x: np.frexp(x)[1], samples=real(*_ANY))
power_of_two = constant(
    "power_of_two",
    lambda n, dtype: np.ldexp(np.ones((), dtype), n),
    0,
    samples=lambda: [Sample((np.array([2, -1]),), {"dtype": np.dtype(np.float32)})],
)
ldexp = elementwise(
    "ldexp",
    np.ldexp,
    (lambda y, x, n: power_of_two(n, dtype=x.dtype), _zero),
    keep="x",
    samples=lambda: [
        Sample((np.array([0.5, -3.0]), np.array([2, -1]))),
        Sample((np.array([0.5, -3.0], np.float32), np.array(3))),
    ],
)
mantissa = elementwise(
    "mantissa",
    lambda x: np.frexp(x)[0],
    (lambda y, x: power_of_two(-exponent(x), dtype=x.dtype),),
    keep="x",
    samples=real(*_ANY),
)
