"""``scipy.special`` with derivatives: SciPy's names and signatures.

Derivatives are in all arguments, parameters and orders of the functions that JAX or autograd have included, and of ``hyp0f1``,
``struve`` and ``modstruve`` (x > 0, orders above -1/2), but for integers by nature (of ``polygamma`` and ``expn``) and, for x
outside [-99, 0.99], the parameters of ``hyp2f1``. Of orthogonal polynomials, spherical Bessel and the other hypergeometric
functions only the argument is differentiated: an order or parameter raises ``NotDifferentiable``. Of names that are not here,
``scipy.special``'s own are returned; they take plain arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.numpy.elementwise import sinc as sinc
from dualad.numpy.operands import operand, tracked
from dualad.numpy.reductions import amax
from dualad.numpy.reductions import sum as sum_of
from dualad.ops import airy as airy_family
from dualad.ops import elliptic, faddeeva, sundry
from dualad.ops.arithmetic import equal, imag_part, real_part, sign, stop_gradient, strong_multiply, where
from dualad.ops.moments import relative_expm1, relative_log1p
from dualad.ops.rounding import floor
from dualad.ops.special import cosine_integral, fresnel_cosine, fresnel_sine, riemann_zeta, sine_integral
from dualad.ops.specials import SPECIAL
from dualad.ops.transcendental import cbrt as cbrt
from dualad.ops.transcendental import exp, expm1, log, log1p
from dualad.ops.transcendental import exp2 as exp2
from dualad.scipy.others import others_of

globals().update(SPECIAL)


__getattr__ = others_of("special")


def __dir__() -> list[str]:
    import scipy.special

    return sorted({*globals(), *dir(scipy.special)})


def fresnel(z: Any) -> tuple[Any, Any]:
    """The Fresnel integrals: of sin(pi t^2 / 2) and of cos(pi t^2 / 2), from 0 to z (DLMF 7.2)."""
    return fresnel_sine(z), fresnel_cosine(z)


def sici(x: Any) -> tuple[Any, Any]:
    """The sine and the cosine integral (DLMF 6.2)."""
    return sine_integral(x), cosine_integral(x)


def shichi(x: Any) -> tuple[Any, Any]:
    """The hyperbolic sine and cosine integrals (DLMF 6.2)."""
    return sundry.hyperbolic_sine_integral(x), sundry.hyperbolic_cosine_integral(x)


def itj0y0(x: Any) -> tuple[Any, Any]:
    """The integrals of j0 and y0 from 0 to x."""
    return airy_family.bessel_j0_integral(x), airy_family.bessel_y0_integral(x)


def iti0k0(x: Any) -> tuple[Any, Any]:
    """The integrals of i0 and k0 from 0 to x."""
    return airy_family.bessel_i0_integral(x), airy_family.bessel_k0_integral(x)


def airy(z: Any) -> tuple[Any, Any, Any, Any]:
    """The Airy functions Ai, Ai', Bi, Bi' of real numbers (DLMF 9.2)."""
    return airy_family.airy_ai(z), airy_family.airy_aip(z), airy_family.airy_bi(z), airy_family.airy_bip(z)


def ellipj(u: Any, m: Any) -> tuple[Any, Any, Any, Any]:
    """Jacobi's elliptic functions sn, cn, dn, and the amplitude (DLMF 22.2, 22.16)."""
    return elliptic.jacobi_sn(u, m), elliptic.jacobi_cn(u, m), elliptic.jacobi_dn(u, m), elliptic.jacobi_am(u, m)


def agm(a: Any, b: Any) -> Any:
    """The arithmetic-geometric mean of positive numbers (DLMF 19.8.5)."""
    a, b = operand(a), operand(b)
    return 0.25 * math.pi * (a + b) / SPECIAL["ellipk"](((a - b) / (a + b)) ** 2)


def wofz(z: Any) -> Any:
    """The Faddeeva function exp(-z^2) erfc(-i z) of real or complex z: complex (DLMF 7.2.3)."""
    z = operand(z)
    a, b = (real_part(z), imag_part(z)) if z.dtype.kind == "c" else (z, 0.0 * z)
    return faddeeva.faddeeva_real(a, b) + 1j * faddeeva.faddeeva_imag(a, b)


def lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """The k-th branch of the inverse of w e^w, complex as SciPy's (DLMF 4.13). ``tol`` can only be SciPy's default."""
    if tol != 1e-8:
        raise ArgumentError(f"lambertw: tol={tol}; dualad evaluates with SciPy's default, 1e-8. Leave tol out.")
    z = operand(z)
    return sundry.lambert_w(z if z.dtype.kind == "c" else z + 0j, k)


def _spherical(letter: str) -> Any:
    name = f"spherical_{letter}n"
    function = SPECIAL[name]

    def public(n: Any, z: Any, derivative: bool = False) -> Any:
        return function.partials[1](None, n, operand(z)) if derivative else function(n, z)

    public.__name__ = name
    public.__doc__ = (
        f"SciPy's ``{name}``: the spherical Bessel function of order n, or its derivative (DLMF 10.47, 10.51)."
    )
    return public


spherical_jn, spherical_yn, spherical_in, spherical_kn = (_spherical(letter) for letter in "jyik")


def _derivative(name: str, below: float, above: float) -> Any:
    def public(v: Any, z: Any, n: int = 1) -> Any:
        if n < 0 or n != int(n):
            raise ArgumentError(f"{name}p: n={n}; the order of the derivative must be an integer, 0 or more.")
        terms = [
            math.comb(n, k) * below ** (n - k) * above**k * SPECIAL[name](operand(v) - n + 2 * k, z)
            for k in range(n + 1)
        ]
        return sum(terms[1:], terms[0])

    public.__name__ = f"{name}p"
    public.__doc__ = f"The n-th derivative of ``{name}`` in its argument (DLMF 10.6.7, 10.29.5)."
    return public


jvp = _derivative("jv", 0.5, -0.5)
yvp = _derivative("yv", 0.5, -0.5)
ivp = _derivative("iv", 0.5, 0.5)
kvp = _derivative("kv", -0.5, -0.5)


def kn(n: Any, x: Any) -> Any:
    """``kv`` of an integer order."""
    return SPECIAL["kv"](n, x)


def exprel(x: Any) -> Any:
    """(e^x - 1) / x, and 1 at x = 0, smooth there too."""
    return relative_expm1(operand(x), 1.0)


def radian(d: Any, m: Any, s: Any) -> Any:
    """Degrees, minutes and seconds as an angle in radians."""
    return (operand(d) + operand(m) / 60 + operand(s) / 3600) * (math.pi / 180)


# Distributions: the incomplete functions of other arguments.


def gdtr(a: Any, b: Any, x: Any) -> Any:
    """The gamma distribution of rate a and shape b (DLMF 8.2.4)."""
    return SPECIAL["gammainc"](b, operand(a) * x)


def gdtrc(a: Any, b: Any, x: Any) -> Any:
    """One minus ``gdtr``."""
    return SPECIAL["gammaincc"](b, operand(a) * x)


def chdtr(v: Any, x: Any) -> Any:
    """The chi-square distribution of v degrees of freedom."""
    return SPECIAL["gammainc"](0.5 * operand(v), 0.5 * operand(x))


def chdtrc(v: Any, x: Any) -> Any:
    """One minus ``chdtr``."""
    return SPECIAL["gammaincc"](0.5 * operand(v), 0.5 * operand(x))


def chdtri(v: Any, p: Any) -> Any:
    """The inverse of ``chdtrc`` in x."""
    return 2 * SPECIAL["gammainccinv"](0.5 * operand(v), p)


def fdtr(dfn: Any, dfd: Any, x: Any) -> Any:
    """The F distribution of dfn and dfd degrees of freedom."""
    dfn, dfd, x = operand(dfn), operand(dfd), operand(x)
    return SPECIAL["betainc"](0.5 * dfn, 0.5 * dfd, dfn * x / (dfd + dfn * x))


def fdtrc(dfn: Any, dfd: Any, x: Any) -> Any:
    """One minus ``fdtr``."""
    dfn, dfd, x = operand(dfn), operand(dfd), operand(x)
    return SPECIAL["betainc"](0.5 * dfd, 0.5 * dfn, dfd / (dfd + dfn * x))


def pdtr(k: Any, m: Any) -> Any:
    """The Poisson distribution of mean m, up to floor(k) events."""
    return SPECIAL["gammaincc"](floor(operand(k)) + 1, m)


def pdtrc(k: Any, m: Any) -> Any:
    """One minus ``pdtr``."""
    return SPECIAL["gammainc"](floor(operand(k)) + 1, m)


def bdtr(k: Any, n: Any, p: Any) -> Any:
    """The binomial distribution of n trials of probability p, up to floor(k) successes."""
    k = floor(operand(k))
    return SPECIAL["betainc"](operand(n) - k, k + 1, 1 - operand(p))


def bdtrc(k: Any, n: Any, p: Any) -> Any:
    """One minus ``bdtr``."""
    k = floor(operand(k))
    return SPECIAL["betainc"](k + 1, operand(n) - k, p)


def nbdtr(k: Any, n: Any, p: Any) -> Any:
    """The negative binomial distribution: at most k failures before n successes of probability p."""
    return SPECIAL["betainc"](n, operand(k) + 1, p)


def nbdtrc(k: Any, n: Any, p: Any) -> Any:
    """One minus ``nbdtr``."""
    return SPECIAL["betainc"](operand(k) + 1, n, 1 - operand(p))


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """How many choices of k among N there are, and ``binom`` between integers. ``exact`` takes plain integers only."""
    if exact or not (tracked(N) or tracked(k)):
        import scipy.special

        return scipy.special.comb(N, k, exact=exact, repetition=repetition)
    return SPECIAL["binom"](operand(N) + k - 1, k) if repetition else SPECIAL["binom"](N, k)


def perm(N: Any, k: Any, exact: bool = False) -> Any:
    """N! / (N - k)!. ``exact`` takes plain integers only."""
    if exact or not (tracked(N) or tracked(k)):
        import scipy.special

        return scipy.special.perm(N, k, exact=exact)
    return SPECIAL["poch"](operand(N) - k + 1, k)


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
    return relative_expm1(_beside(lmbda, u), u)


def boxcox1p(x: Any, lmbda: Any) -> Any:
    """``boxcox`` of 1 + x, without cancellation."""
    u = log1p(operand(x))
    return relative_expm1(_beside(lmbda, u), u)


def _beside(k: Any, x: Any) -> Any:
    """A Python number in the precision of ``x``."""
    return np.asarray(k, x.dtype)[()] if isinstance(k, (int, float)) and x.dtype.kind == "f" else k


def inv_boxcox(y: Any, lmbda: Any) -> Any:
    """The inverse of ``boxcox`` in its first argument."""
    y = operand(y)
    return exp(relative_log1p(_beside(lmbda, y), y))


def inv_boxcox1p(y: Any, lmbda: Any) -> Any:
    """The inverse of ``boxcox1p`` in its first argument."""
    y = operand(y)
    return expm1(relative_log1p(_beside(lmbda, y), y))


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
    if not np.prod(a.shape, dtype=int):
        return np.sum(np.exp(a), axis=axis, keepdims=keepdims) - np.inf
    top = _highest(a if b is None else where(equal(b, 0), -np.inf, a), axis)
    with np.errstate(over="ignore"):  # beside an infinity, which is not subtracted
        if b is None:
            terms = exp(a - top)
        else:  # a term with b = 0 is 0, whatever a, and moves with b
            over = equal(b, 0) & ~(a - top < 700)
            terms = strong_multiply(b, where(over, np.inf, exp(where(over, 0.0, a - top))))
    total = sum_of(terms, axis=axis, keepdims=True)
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
