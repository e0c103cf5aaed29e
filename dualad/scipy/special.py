"""``scipy.special`` with derivatives: SciPy's names and signatures.

Derivatives are in all arguments, parameters and orders included, but for those that are integers by nature (of ``polygamma``
and ``expn``) and, for x outside [-99, 0.99], the parameters of ``hyp2f1``: these raise
``NotDifferentiable``. Of names that are not here, ``scipy.special``'s own are returned; they take plain arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.numpy.elementwise import sinc as sinc
from dualad.numpy.operands import operand, tracked
from dualad.numpy.reductions import amax
from dualad.numpy.reductions import sum as sum_of
from dualad.ops.arithmetic import equal, sign, stop_gradient, where
from dualad.ops.rounding import floor
from dualad.ops.special import cosine_integral, fresnel_cosine, fresnel_sine, riemann_zeta, sine_integral
from dualad.ops.specials import SPECIAL
from dualad.ops.transcendental import cbrt as cbrt
from dualad.ops.transcendental import exp, expm1, log, log1p, power, sin
from dualad.ops.transcendental import exp2 as exp2

globals().update(SPECIAL)


def __getattr__(name: str) -> Any:
    import scipy.special

    theirs = getattr(scipy.special, name)
    if not callable(theirs):
        return theirs

    def plain(*args: Any, **keywords: Any) -> Any:
        if any(map(tracked, args)) or any(map(tracked, keywords.values())):
            raise NotDifferentiable(
                f"scipy.special.{name} has no derivative rule in dualad. Write it with functions that have one, or give it a "
                "rule with dualad.custom_jvp."
            )
        return theirs(*args, **keywords)

    return plain


def __dir__() -> list[str]:
    import scipy.special

    return sorted({*globals(), *dir(scipy.special)})


def exp10(x: Any) -> Any:
    """10^x."""
    return power(10.0, operand(x))


def cosm1(x: Any) -> Any:
    """cos x - 1 = -2 sin(x / 2)^2, without cancellation."""
    s = sin(0.5 * operand(x))
    return -2.0 * (s * s)


def fresnel(z: Any) -> tuple[Any, Any]:
    """The Fresnel integrals: of sin(pi t^2 / 2) and of cos(pi t^2 / 2), from 0 to z (DLMF 7.2)."""
    return fresnel_sine(z), fresnel_cosine(z)


def sici(x: Any) -> tuple[Any, Any]:
    """The sine and the cosine integral (DLMF 6.2)."""
    return sine_integral(x), cosine_integral(x)


def multigammaln(a: Any, d: int) -> Any:
    """Logarithm of the multivariate gamma function of dimension ``d`` (DLMF 35.3.4)."""
    total = SPECIAL["gammaln"](a)
    for j in range(1, d):
        total = total + SPECIAL["gammaln"](a - 0.5 * j)
    return total + 0.25 * d * (d - 1) * math.log(math.pi)


def gammasgn(x: Any) -> Any:
    """The sign of the gamma function: constant between its poles."""
    x = stop_gradient(operand(x))
    import scipy.special

    return scipy.special.gammasgn(x) if not tracked(x) else where(x > 0, 1.0, 1.0 - 2.0 * (floor(x) % 2))


def zeta(x: Any, q: Any = None) -> Any:
    """The Hurwitz zeta function, and without ``q`` Riemann's (DLMF 25.2, 25.11).

    The derivative in x is by the Euler-Maclaurin formula.
    """
    return riemann_zeta(x) if q is None else SPECIAL["zeta"](x, q)


def boxcox(x: Any, lmbda: Any) -> Any:
    """(x^lambda - 1) / lambda, and log x at lambda = 0, smooth there too."""
    u = log(operand(x))
    return _relative_expm1(_beside(lmbda, u), u)


def boxcox1p(x: Any, lmbda: Any) -> Any:
    """``boxcox`` of 1 + x, without cancellation."""
    u = log1p(operand(x))
    return _relative_expm1(_beside(lmbda, u), u)


def _beside(k: Any, x: Any) -> Any:
    """A Python number in the precision of ``x``."""
    return np.asarray(k, x.dtype)[()] if isinstance(k, (int, float)) and x.dtype.kind == "f" else k


def _relative_expm1(k: Any, u: Any) -> Any:
    """expm1(k u) / k = u (1 + k u / 2 + ...), by the series where k u is so small that the quotient loses digits."""
    z = k * u
    small = abs(stop_gradient(z)) < 1e-3
    series = u * (1 + z / 2 * (1 + z / 3 * (1 + z / 4 * (1 + z / 5 * (1 + z / 6)))))
    safe = where(small, 1.0, k)
    return where(small, series, expm1(where(small, 1.0, z)) / safe)


def inv_boxcox(y: Any, lmbda: Any) -> Any:
    """The inverse of ``boxcox`` in its first argument."""
    y = operand(y)
    return exp(_relative_log1p(_beside(lmbda, y), y))


def inv_boxcox1p(y: Any, lmbda: Any) -> Any:
    """The inverse of ``boxcox1p`` in its first argument."""
    y = operand(y)
    return expm1(_relative_log1p(_beside(lmbda, y), y))


def _relative_log1p(k: Any, y: Any) -> Any:
    """log1p(k y) / k, smooth at k = 0."""
    z = k * y
    small = abs(stop_gradient(z)) < 1e-3
    series = y * (1 - z * (1 / 2 - z * (1 / 3 - z * (1 / 4 - z * (1 / 5 - z / 6)))))
    safe = where(small, 1.0, k)
    return where(small, series, log1p(where(small, 1.0, z)) / safe)


def _highest(a: Any, axis: Any) -> Any:
    """The largest along ``axis``, kept, constant; 0 where it is infinite: subtracting it then changes nothing."""
    top = amax(stop_gradient(a), axis=axis, keepdims=True)
    return where(np.isfinite(top), top, 0.0)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """log of the sum of b exp(a), without overflow; -inf for sums that are zero, with zero derivative there.

    With ``return_sign``, (log of the absolute value, sign).
    """
    a = operand(a)
    if a.dtype.kind in "biu":
        a = a + 0.0
    if b is not None:
        b = operand(b)
        a = where(equal(b, 0), -np.inf, a)
    if not np.prod(a.shape, dtype=int):
        return np.sum(np.exp(a), axis=axis, keepdims=keepdims) - np.inf
    top = _highest(a, axis)
    with np.errstate(over="ignore"):  # beside an infinity, which is not subtracted
        terms = exp(a - top)
    total = sum_of(terms if b is None else b * terms, axis=axis, keepdims=True)
    sgn = sign(stop_gradient(total))
    empty = equal(total, 0)
    if return_sign:
        total = total * sgn
    elif b is not None:
        total = where(total < 0, np.nan, total)
    out = where(empty, -np.inf, log(where(empty, 1.0, total))) + top
    if not keepdims:
        out, sgn = (sum_of(v, axis=axis) if v.ndim else v for v in (out, sgn))
    return (out, sgn) if return_sign else out


def log_softmax(x: Any, axis: Any = None) -> Any:
    """x minus its ``logsumexp``."""
    x = operand(x)
    shifted = x - _highest(x, axis)
    return shifted - log(sum_of(exp(shifted), axis=axis, keepdims=True))


def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) over its sum."""
    x = operand(x)
    e = exp(x - _highest(x, axis))
    return e / sum_of(e, axis=axis, keepdims=True)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return -SPECIAL["log_expit"](-operand(x))
