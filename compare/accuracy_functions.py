"""What is held against mpmath: name -> (ours, mpmath's, lo, hi). Ranges with hi/lo > 1e3 are sampled evenly in the logarithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp

import dualad.numpy as dnp
import dualad.scipy.stats as stats
from dualad.ops.specials import SPECIAL
from dualad.scipy import special

mp.mp.dps = 50
TWO = mp.mpf(2)
ROOT_PI = mp.sqrt(mp.pi)
Q = mp.mpf  # of a float: exactly that


def _ndtr(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _student(x: Any) -> Any:
    tail = mp.betainc(mp.mpf("1.75"), mp.mpf("0.5"), 0, mp.mpf("3.5") / (mp.mpf("3.5") + x * x), regularized=True) / 2
    return 1 - tail if x > 0 else tail


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], float, float]] = {
    "exp": (dnp.exp, mp.exp, -700, 700),
    "exp2": (dnp.exp2, lambda x: TWO**x, -1000, 1000),
    "expm1": (dnp.expm1, mp.expm1, -5, 5),
    "log": (dnp.log, mp.log, 1e-300, 1e300),
    "log2": (dnp.log2, lambda x: mp.log(x, 2), 1e-300, 1e300),
    "log10": (dnp.log10, mp.log10, 1e-300, 1e300),
    "log1p": (dnp.log1p, mp.log1p, 1e-20, 1e20),
    "sqrt": (dnp.sqrt, mp.sqrt, 1e-300, 1e300),
    "cbrt": (dnp.cbrt, mp.cbrt, 1e-300, 1e300),
    "reciprocal": (dnp.reciprocal, lambda x: 1 / x, 1e-150, 1e150),
    "square": (dnp.square, lambda x: x * x, 1e-150, 1e150),
    "x**2.5": (lambda x: x**2.5, lambda x: x ** mp.mpf("2.5"), 1e-50, 1e50),
    "sin": (dnp.sin, mp.sin, -100, 100),
    "cos": (dnp.cos, mp.cos, -100, 100),
    "tan": (dnp.tan, mp.tan, -1.5, 1.5),
    "arcsin": (dnp.arcsin, mp.asin, -0.99, 0.99),
    "arccos": (dnp.arccos, mp.acos, -0.99, 0.99),
    "arctan": (dnp.arctan, mp.atan, -100, 100),
    "sinh": (dnp.sinh, mp.sinh, -20, 20),
    "cosh": (dnp.cosh, mp.cosh, -20, 20),
    "tanh": (dnp.tanh, mp.tanh, -10, 10),
    "arcsinh": (dnp.arcsinh, mp.asinh, -100, 100),
    "arccosh": (dnp.arccosh, mp.acosh, 1.01, 100),
    "arctanh": (dnp.arctanh, mp.atanh, -0.99, 0.99),
    "sinc": (dnp.sinc, lambda x: mp.sinc(mp.pi * x), -5, 5),
    "erf": (SPECIAL["erf"], mp.erf, -5, 5),
    "erfc": (SPECIAL["erfc"], mp.erfc, -5, 20),
    "erfcx": (SPECIAL["erfcx"], lambda x: mp.exp(x * x) * mp.erfc(x), -4, 20),
    "erfinv": (SPECIAL["erfinv"], mp.erfinv, -0.99, 0.99),
    "dawsn": (SPECIAL["dawsn"], lambda x: ROOT_PI / 2 * mp.exp(-x * x) * mp.erfi(x), -5, 5),
    "ndtr": (SPECIAL["ndtr"], _ndtr, -20, 5),
    "log_ndtr": (SPECIAL["log_ndtr"], lambda x: mp.log(_ndtr(x)), -30, 3),
    "expit": (SPECIAL["expit"], lambda x: 1 / (1 + mp.exp(-x)), -30, 30),
    "log_expit": (SPECIAL["log_expit"], lambda x: -mp.log1p(mp.exp(-x)), -30, 30),
    "logit": (SPECIAL["logit"], lambda x: mp.log(x / (1 - x)), 0.01, 0.99),
    "entr": (SPECIAL["entr"], lambda x: -x * mp.log(x), 1e-10, 10),
    "gammaln": (SPECIAL["gammaln"], mp.loggamma, 0.1, 100),
    "gamma": (SPECIAL["gamma"], mp.gamma, 0.1, 100),
    "rgamma": (SPECIAL["rgamma"], mp.rgamma, 0.1, 100),
    "rgamma, left": (SPECIAL["rgamma"], mp.rgamma, -20, 0.1),
    "digamma": (SPECIAL["digamma"], mp.digamma, 0.1, 100),
    "polygamma(2)": (lambda x: SPECIAL["polygamma"](2, x), lambda x: mp.polygamma(2, x), 0.1, 100),
    "j0": (SPECIAL["j0"], mp.j0, 0.1, 50),
    "j1": (SPECIAL["j1"], mp.j1, 0.1, 50),
    "y0": (SPECIAL["y0"], lambda x: mp.bessely(0, x), 0.1, 50),
    "y1": (SPECIAL["y1"], lambda x: mp.bessely(1, x), 0.1, 50),
    "i0": (SPECIAL["i0"], lambda x: mp.besseli(0, x), 0.1, 50),
    "i1": (SPECIAL["i1"], lambda x: mp.besseli(1, x), 0.1, 50),
    "i0e": (SPECIAL["i0e"], lambda x: mp.besseli(0, x) * mp.exp(-x), 0.1, 50),
    "k0": (SPECIAL["k0"], lambda x: mp.besselk(0, x), 0.1, 50),
    "k1": (SPECIAL["k1"], lambda x: mp.besselk(1, x), 0.1, 50),
    "jv(2.5, x)": (lambda x: SPECIAL["jv"](2.5, x), lambda x: mp.besselj(2.5, x), 0.1, 50),
    "jv(v, 5)": (lambda v: SPECIAL["jv"](v, 5.0), lambda v: mp.besselj(v, 5), 0, 8),
    "yv(v, 5)": (lambda v: SPECIAL["yv"](v, 5.0), lambda v: mp.bessely(v, 5), 0, 8),
    "iv(v, 5)": (lambda v: SPECIAL["iv"](v, 5.0), lambda v: mp.besseli(v, 5), 0, 8),
    "kv(v, 5)": (lambda v: SPECIAL["kv"](v, 5.0), lambda v: mp.besselk(v, 5), 0.1, 8),
    "expi": (SPECIAL["expi"], mp.ei, 0.5, 50),
    "fresnel, sine": (lambda x: special.fresnel(x)[0], mp.fresnels, -5, 5),
    "sici, sine": (lambda x: special.sici(x)[0], mp.si, -20, 20),
    "sici, cosine": (lambda x: special.sici(x)[1], mp.ci, 0.1, 20),
    "expn(3, x)": (lambda x: SPECIAL["expn"](3, x), lambda x: mp.expint(3, x), 0.1, 50),
    "exp1": (SPECIAL["exp1"], mp.e1, 0.01, 50),
    "spence": (SPECIAL["spence"], lambda x: mp.polylog(2, 1 - x), 0.01, 1.99),
    "zeta(3, q)": (lambda q: SPECIAL["zeta"](3.0, q), lambda q: mp.zeta(3, q), 0.1, 50),
    "zeta(s, 0.3)": (lambda s: SPECIAL["zeta"](s, 0.3), lambda s: mp.zeta(s, mp.mpf(0.3)), 1.05, 30),
    "zeta(s)": (special.zeta, mp.zeta, -10, 0.9),
    "binom(n, 2.5)": (lambda n: SPECIAL["binom"](n, 2.5), lambda n: mp.binomial(n, 2.5), 0.1, 50),
    "binom(20, k)": (lambda k: SPECIAL["binom"](20.0, k), lambda k: mp.binomial(20, k), 0.1, 19),
    "binom(-2 + e, 3)": (lambda e: SPECIAL["binom"](e - 2.0, 3.0), lambda e: mp.binomial(e - 2, 3), 2.0**-30, 2.0**-29),
    "hyp1f1(a, 1.7, -5)": (lambda a: SPECIAL["hyp1f1"](a, 1.7, -5.0), lambda a: mp.hyp1f1(a, mp.mpf(1.7), -5), -3, 5),
    "hyp1f1(0.3, b, 5)": (lambda b: SPECIAL["hyp1f1"](0.3, b, 5.0), lambda b: mp.hyp1f1(mp.mpf(0.3), b, 5), 0.2, 10),
    "hyp1f1(0.3, 1.7, x)": (
        lambda x: SPECIAL["hyp1f1"](0.3, 1.7, x), lambda x: mp.hyp1f1(mp.mpf(0.3), mp.mpf(1.7), x), -30, 30,
    ),
    "gammainc(2.5, x)": (
        lambda x: SPECIAL["gammainc"](2.5, x), lambda x: mp.gammainc(2.5, 0, x, regularized=True), 0.01, 30,
    ),
    "gammainc(a, 2.5)": (
        lambda a: SPECIAL["gammainc"](a, 2.5), lambda a: mp.gammainc(a, 0, 2.5, regularized=True), 0.05, 30,
    ),
    "gammaincc(a, 20)": (
        lambda a: SPECIAL["gammaincc"](a, 20.0), lambda a: mp.gammainc(a, 20, mp.inf, regularized=True), 0.05, 30,
    ),
    "betainc(2.5, 1.5, x)": (
        lambda x: SPECIAL["betainc"](2.5, 1.5, x), lambda x: mp.betainc(2.5, 1.5, 0, x, regularized=True), 0.01, 0.99,
    ),
    "betainc(a, 1.5, 0.3)": (
        lambda a: SPECIAL["betainc"](a, 1.5, 0.3),
        lambda a: mp.betainc(a, 1.5, 0, mp.mpf(0.3), regularized=True), 0.05, 30,
    ),
    "betainc(2.5, b, 0.3)": (
        lambda b: SPECIAL["betainc"](2.5, b, 0.3),
        lambda b: mp.betainc(2.5, b, 0, mp.mpf(0.3), regularized=True), 0.05, 30,
    ),
    "ellipk": (SPECIAL["ellipk"], mp.ellipk, -10, 0.99),
    "ellipe": (SPECIAL["ellipe"], mp.ellipe, -10, 0.99),
    "ellipkinc(phi, 0.7)": (lambda p: SPECIAL["ellipkinc"](p, 0.7), lambda p: mp.ellipf(p, mp.mpf(0.7)), 0.1, 6),
    "ellipkinc(2, m)": (lambda m: SPECIAL["ellipkinc"](2.0, m), lambda m: mp.ellipf(2, m), -10, 0.99),
    "elliprd(1, 2, z)": (lambda z: SPECIAL["elliprd"](1.0, 2.0, z), lambda z: mp.elliprd(1, 2, z), 0.01, 100),
    "elliprj(1, 2, 3, p)": (lambda p: SPECIAL["elliprj"](1.0, 2.0, 3.0, p), lambda p: mp.elliprj(1, 2, 3, p), 0.01, 100),
    "ellipj(0.9, m), sn": (lambda m: special.ellipj(0.9, m)[0], lambda m: mp.ellipfun("sn", mp.mpf(0.9), m), 0.01, 0.99),
    "airy, Ai": (lambda x: special.airy(x)[0], mp.airyai, -10, 10),
    "airy, Bi": (lambda x: special.airy(x)[2], mp.airybi, -10, 10),
    "lambertw": (lambda x: special.lambertw(x).real, lambda x: mp.lambertw(x).real, -0.36, 100),
    "voigt_profile(x, 1, 0.5)": (
        lambda x: SPECIAL["voigt_profile"](x, 1.0, 0.5),
        lambda x: (lambda z: (mp.exp(-z * z) * mp.erfc(-1j * z)).real)(mp.mpc(x, 0.5) / mp.sqrt(2)) / mp.sqrt(2 * mp.pi),
        -10, 10,
    ),
    "struve(1, x)": (lambda x: SPECIAL["struve"](1, x), lambda x: mp.struveh(1, x), 0.1, 30),
    "struve(v, 5)": (lambda v: SPECIAL["struve"](v, 5.0), lambda v: mp.struveh(v, 5), -0.4, 8),
    "struve(v, 20)": (lambda v: SPECIAL["struve"](v, 20.0), lambda v: mp.struveh(v, 20), -0.4, 8),
    "modstruve(v, 5)": (lambda v: SPECIAL["modstruve"](v, 5.0), lambda v: mp.struvel(v, 5), -0.4, 8),
    "spherical_jn(2, x)": (
        lambda x: special.spherical_jn(2, x), lambda x: mp.sqrt(mp.pi / (2 * x)) * mp.besselj(mp.mpf(2.5), x), 0.1, 30,
    ),
    "eval_legendre(7, x)": (lambda x: SPECIAL["eval_legendre"](7, x), lambda x: mp.legendre(7, x), -1, 1),
    "eval_hermite(5, x)": (lambda x: SPECIAL["eval_hermite"](5, x), lambda x: mp.hermite(5, x), -5, 5),
    "ndtri_exp": (SPECIAL["ndtri_exp"], lambda x: mp.sqrt(2) * mp.erfinv(2 * mp.exp(x) - 1), -20, -0.1),
    "erfi": (SPECIAL["erfi"], mp.erfi, -5, 5),
    "stdtr(3.5, t)": (lambda t: SPECIAL["stdtr"](3.5, t), _student, -10, 10),
}  # fmt: skip

Entry = tuple[Callable[..., Any], Callable[..., Any], float, float]


def _beta(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


def _gamma(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


def _inverse(f: Callable[[Any], Any], start: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The x with f(x) = y, from a float near it."""
    return lambda y: mp.findroot(lambda x: f(x) - y, mp.mpf(float(start(float(y)))), tol=1e-70)


def _w(x: Any, y: Any) -> Any:
    z = mp.mpc(x, y)
    return mp.exp(-z * z) * mp.erfc(-1j * z)


def _legendre(m: int, v: float) -> Callable[[Any], Any]:
    return lambda x: mp.legenp(v, m, x).real


def _ferrers_moment(phi: Any, m: Any) -> Any:
    return mp.quad(lambda t: mp.sin(t) ** 2 / (1 - m * mp.sin(t) ** 2) ** mp.mpf(1.5), [0, phi])


def _log_quadrant(h: Any) -> Any:
    """log of the integral of 2 phi(t) ndtr(-0.7 t) from h on; the integrand relative to its first value."""
    density = lambda t: 2 * mp.npdf(t) * mp.ncdf(-Q(0.7) * t)
    relative = mp.quad(lambda u: density(h + u) / density(h), [0, *(mp.mpf(2) ** k for k in range(-8, 6))])
    return mp.log(density(h)) + mp.log(relative)


def _skew_normal(x: Any) -> Any:
    density = lambda t: 2 * mp.npdf(t) * _ndtr(mp.mpf(1.5) * t)
    return mp.quad(density, [-mp.inf, -8, -2, 0, x] if x > 0 else [-mp.inf, -8, -2, x])


def _vonmises(x: Any) -> Any:
    k = mp.mpf(2)
    return mp.quad(lambda t: mp.exp(k * mp.cos(t)), [-mp.pi, 0, x] if x > 0 else [-mp.pi, x]) / (
        2 * mp.pi * mp.besseli(0, k)
    )


def _truncated(x: Any) -> Any:
    return (mp.ncdf(x) - mp.ncdf(-1)) / (mp.ncdf(2) - mp.ncdf(-1))


MORE: dict[str, Entry] = {
    "x**2.5 in x, power(1.7, y)": (lambda y: dnp.power(1.7, y), lambda y: Q(1.7) ** y, -50, 50),
    "hypot(x, 3)": (lambda x: dnp.hypot(x, 3.0), lambda x: mp.sqrt(x * x + 9), 0.01, 100),
    "arctan2(x, 2)": (lambda x: dnp.arctan2(x, 2.0), lambda x: mp.atan2(x, 2), -50, 50),
    "logaddexp(x, 1)": (lambda x: dnp.logaddexp(x, 1.0), lambda x: mp.log(mp.exp(x) + mp.e), -30, 30),
    "logaddexp2(x, 1)": (lambda x: dnp.logaddexp2(x, 1.0), lambda x: mp.log(TWO**x + 2, 2), -30, 30),
    "deg2rad": (dnp.deg2rad, lambda x: x * mp.pi / 180, -400, 400),
    "rad2deg": (dnp.rad2deg, lambda x: x * 180 / mp.pi, -7, 7),
    "erfcinv": (SPECIAL["erfcinv"], lambda x: mp.erfinv(1 - x), 0.01, 1.99),
    "erfinv, near 1": (SPECIAL["erfinv"], mp.erfinv, 0.99, 0.999),
    "ndtri": (SPECIAL["ndtri"], lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), 0.01, 0.99),
    "loggamma": (SPECIAL["loggamma"], mp.loggamma, 0.1, 100),
    "beta(x, 2.5)": (lambda x: SPECIAL["beta"](x, 2.5), lambda x: mp.beta(x, 2.5), 0.1, 30),
    "betaln(x, 2.5)": (lambda x: SPECIAL["betaln"](x, 2.5), lambda x: mp.log(mp.beta(x, 2.5)), 0.1, 30),
    "poch(x, 2.5)": (lambda x: SPECIAL["poch"](x, 2.5), lambda x: mp.rf(x, 2.5), 0.1, 30),
    "fresnel, cosine": (lambda x: special.fresnel(x)[1], mp.fresnelc, -5, 5),
    "owens_t(h, 0.7)": (
        lambda h: SPECIAL["owens_t"](h, 0.7),
        lambda h: mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, Q(0.7)]) / (2 * mp.pi), -3, 3,
    ),
    "log_quadrant(h, 0.7)": (lambda h: SPECIAL["log_quadrant"](h, 0.7), _log_quadrant, 0, 30),
    "xlogy(x, 2.5)": (lambda x: SPECIAL["xlogy"](x, 2.5), lambda x: x * mp.log(2.5), 0.01, 50),
    "xlogy(2.5, y)": (lambda y: SPECIAL["xlogy"](2.5, y), lambda y: mp.mpf(2.5) * mp.log(y), 0.01, 50),
    "exprel": (special.exprel, lambda x: mp.expm1(x) / x, -3, 3),
    "boxcox(2.5, k)": (lambda k: special.boxcox(2.5, k), lambda k: (mp.mpf(2.5) ** k - 1) / k, -2, 2),
    "inv_boxcox(0.3, k)": (lambda k: special.inv_boxcox(0.3, k), lambda k: (1 + mp.mpf(0.3) * k) ** (1 / k), -2, 2),
    "xlog1py(2.5, y)": (lambda y: SPECIAL["xlog1py"](2.5, y), lambda y: mp.mpf(2.5) * mp.log1p(y), 1e-6, 50),
    "rel_entr(x, 2.5)": (lambda x: SPECIAL["rel_entr"](x, 2.5), lambda x: x * mp.log(x / mp.mpf(2.5)), 0.01, 50),
    "kl_div(x, 2.5)": (lambda x: SPECIAL["kl_div"](x, 2.5), lambda x: x * mp.log(x / mp.mpf(2.5)) - x + 2.5, 0.01, 50),
    "i1e": (SPECIAL["i1e"], lambda x: mp.besseli(1, x) * mp.exp(-x), 0.1, 50),
    "k0e": (SPECIAL["k0e"], lambda x: mp.besselk(0, x) * mp.exp(x), 0.1, 50),
    "k1e": (SPECIAL["k1e"], lambda x: mp.besselk(1, x) * mp.exp(x), 0.1, 50),
    "ive(2.5, x)": (lambda x: SPECIAL["ive"](2.5, x), lambda x: mp.besseli(2.5, x) * mp.exp(-x), 0.1, 50),
    "kve(2.5, x)": (lambda x: SPECIAL["kve"](2.5, x), lambda x: mp.besselk(2.5, x) * mp.exp(x), 0.1, 50),
    "airy, Ai'": (lambda x: special.airy(x)[1], lambda x: mp.airyai(x, derivative=1), -10, 10),
    "airy, Bi'": (lambda x: special.airy(x)[3], lambda x: mp.airybi(x, derivative=1), -10, 10),
    "ber": (SPECIAL["ber"], lambda x: mp.ber(0, x), 0.1, 10),
    "bei": (SPECIAL["bei"], lambda x: mp.bei(0, x), 0.1, 10),
    "ker": (SPECIAL["ker"], lambda x: mp.ker(0, x), 0.1, 10),
    "kei": (SPECIAL["kei"], lambda x: mp.kei(0, x), 0.1, 10),
    "berp": (SPECIAL["berp"], lambda x: mp.diff(lambda t: mp.ber(0, t), x), 0.1, 10),
    "beip": (SPECIAL["beip"], lambda x: mp.diff(lambda t: mp.bei(0, t), x), 0.1, 10),
    "kerp": (SPECIAL["kerp"], lambda x: mp.diff(lambda t: mp.ker(0, t), x), 0.1, 10),
    "keip": (SPECIAL["keip"], lambda x: mp.diff(lambda t: mp.kei(0, t), x), 0.1, 10),
    "modstruve(1, x)": (lambda x: SPECIAL["modstruve"](1, x), lambda x: mp.struvel(1, x), 0.1, 30),
    "spherical_yn(2, x)": (
        lambda x: special.spherical_yn(2, x), lambda x: mp.sqrt(mp.pi / (2 * x)) * mp.bessely(Q(2.5), x), 0.1, 30,
    ),
    "spherical_in(2, x)": (
        lambda x: special.spherical_in(2, x), lambda x: mp.sqrt(mp.pi / (2 * x)) * mp.besseli(Q(2.5), x), 0.1, 30,
    ),
    "spherical_kn(2, x)": (
        lambda x: special.spherical_kn(2, x), lambda x: mp.sqrt(mp.pi / (2 * x)) * mp.besselk(Q(2.5), x), 0.1, 30,
    ),
    "itj0y0, j0": (lambda x: special.itj0y0(x)[0], lambda x: mp.quad(mp.j0, mp.linspace(0, x, 9)), 0.1, 20),
    "itj0y0, y0": (
        lambda x: special.itj0y0(x)[1], lambda x: mp.quad(lambda t: mp.bessely(0, t), mp.linspace(0, x, 9)), 0.1, 20,
    ),
    "iti0k0, i0": (
        lambda x: special.iti0k0(x)[0], lambda x: mp.quad(lambda t: mp.besseli(0, t), mp.linspace(0, x, 9)), 0.1, 20,
    ),
    "iti0k0, k0": (
        lambda x: special.iti0k0(x)[1], lambda x: mp.quad(lambda t: mp.besselk(0, t), mp.linspace(0, x, 9)), 0.1, 20,
    ),
    "ellipkm1": (SPECIAL["ellipkm1"], lambda p: mp.ellipk(1 - p), 1e-6, 3),
    "ellipeinc(phi, 0.7)": (lambda p: SPECIAL["ellipeinc"](p, 0.7), lambda p: mp.ellipe(p, Q(0.7)), 0.1, 6),
    "ellipeinc(2, m)": (lambda m: SPECIAL["ellipeinc"](2.0, m), lambda m: mp.ellipe(2, m), -10, 0.99),
    "ellipj(u, 0.6), cn": (lambda u: special.ellipj(u, 0.6)[1], lambda u: mp.ellipfun("cn", u, Q(0.6)), -3, 3),
    "ellipj(u, 0.6), dn": (lambda u: special.ellipj(u, 0.6)[2], lambda u: mp.ellipfun("dn", u, Q(0.6)), -3, 3),
    "ellipj(0.9, m), amplitude": (
        lambda m: special.ellipj(0.9, m)[3], lambda m: mp.asin(mp.ellipfun("sn", Q(0.9), m)), 0.01, 0.99,
    ),
    "elliprf(1, 2, z)": (lambda z: SPECIAL["elliprf"](1.0, 2.0, z), lambda z: mp.elliprf(1, 2, z), 0.01, 100),
    "elliprg(1, 2, z)": (lambda z: SPECIAL["elliprg"](1.0, 2.0, z), lambda z: mp.elliprg(1, 2, z), 0.01, 100),
    "elliprc(1, y)": (lambda y: SPECIAL["elliprc"](1.0, y), lambda y: mp.elliprc(1, y), 0.01, 100),
    "wofz(x + 0.5i), real": (
        lambda x: special.wofz(x + 0.5j).real, lambda x: _w(x, mp.mpf(0.5)).real, -5, 5,
    ),
    "wofz(x + 0.5i), imaginary": (
        lambda x: special.wofz(x + 0.5j).imag, lambda x: _w(x, mp.mpf(0.5)).imag, -5, 5,
    ),
    "wrightomega": (SPECIAL["wrightomega"], lambda x: mp.lambertw(mp.exp(x)).real, -20, 50),
    "pseudo_huber(1.5, r)": (
        lambda r: SPECIAL["pseudo_huber"](1.5, r), lambda r: Q(1.5) ** 2 * (mp.sqrt(1 + (r / Q(1.5)) ** 2) - 1), 0.01, 50,
    ),
    "cosm1": (SPECIAL["cosm1"], lambda x: mp.cos(x) - 1, 1e-6, 3),
    "powm1(x, 1.5)": (lambda x: SPECIAL["powm1"](x, 1.5), lambda x: x ** Q(1.5) - 1, 0.1, 10),
    "exp10": (SPECIAL["exp10"], lambda x: mp.mpf(10) ** x, -300, 300),
    "sindg": (SPECIAL["sindg"], lambda x: mp.sin(x * mp.pi / 180), -400, 400),
    "cosdg": (SPECIAL["cosdg"], lambda x: mp.cos(x * mp.pi / 180), -400, 400),
    "tandg": (SPECIAL["tandg"], lambda x: mp.tan(x * mp.pi / 180), -89, 89),
    "cotdg": (SPECIAL["cotdg"], lambda x: mp.cot(x * mp.pi / 180), 1, 179),
    "zetac": (SPECIAL["zetac"], lambda x: mp.zeta(x) - 1, 1.05, 30),
    "hyp0f1(b, 5)": (lambda b: SPECIAL["hyp0f1"](b, 5.0), lambda b: mp.hyp0f1(b, 5), 0.1, 10),
    "hyp0f1(b, -11)": (lambda b: SPECIAL["hyp0f1"](b, -11.0), lambda b: mp.hyp0f1(b, -11), 0.1, 10),
    "hyp0f1(b, -100)": (lambda b: SPECIAL["hyp0f1"](b, -100.0), lambda b: mp.hyp0f1(b, -100), 0.1, 10),
    "hyp0f1(1.5, x)": (lambda x: SPECIAL["hyp0f1"](1.5, x), lambda x: mp.hyp0f1(1.5, x), -20, 20),
    "hyperu(1.5, 0.7, x)": (
        lambda x: SPECIAL["hyperu"](1.5, 0.7, x), lambda x: mp.hyperu(1.5, Q(0.7), x), 0.1, 20,
    ),
    "hyp2f1(a, 1.5, 2.5, 0.4)": (
        lambda a: SPECIAL["hyp2f1"](a, 1.5, 2.5, 0.4), lambda a: mp.hyp2f1(a, 1.5, 2.5, Q(0.4)), 0.1, 5,
    ),
    "hyp2f1(0.5, 1.5, 2.5, x)": (
        lambda x: SPECIAL["hyp2f1"](0.5, 1.5, 2.5, x), lambda x: mp.hyp2f1(0.5, 1.5, 2.5, x), -5, 0.9,
    ),
    "shichi, sinh": (lambda x: special.shichi(x)[0], mp.shi, 0.1, 20),
    "shichi, cosh": (lambda x: special.shichi(x)[1], mp.chi, 0.1, 20),
    "gammaincinv(2.5, p)": (
        lambda p: SPECIAL["gammaincinv"](2.5, p),
        _inverse(lambda x: _gamma(mp.mpf(2.5), x), lambda p: SPECIAL["gammaincinv"](2.5, p)), 0.01, 0.99,
    ),
    "gammainccinv(2.5, p)": (
        lambda p: SPECIAL["gammainccinv"](2.5, p),
        _inverse(lambda x: 1 - _gamma(mp.mpf(2.5), x), lambda p: SPECIAL["gammainccinv"](2.5, p)), 0.01, 0.99,
    ),
    "betaincc(2.5, 1.5, x)": (
        lambda x: SPECIAL["betaincc"](2.5, 1.5, x), lambda x: 1 - _beta(mp.mpf(2.5), mp.mpf(1.5), x), 0.01, 0.99,
    ),
    "betaincinv(2.5, 1.5, p)": (
        lambda p: SPECIAL["betaincinv"](2.5, 1.5, p),
        _inverse(lambda x: _beta(mp.mpf(2.5), mp.mpf(1.5), x), lambda p: SPECIAL["betaincinv"](2.5, 1.5, p)), 0.01, 0.99,
    ),
    "stdtrit(3.5, p)": (
        lambda p: SPECIAL["stdtrit"](3.5, p), _inverse(_student, lambda p: SPECIAL["stdtrit"](3.5, p)), 0.01, 0.45,
    ),
    "eval_jacobi(4, 0.5, 1.5, x)": (
        lambda x: SPECIAL["eval_jacobi"](4, 0.5, 1.5, x), lambda x: mp.jacobi(4, 0.5, 1.5, x), -1, 1,
    ),
    "eval_sh_jacobi(4, 2.5, 1.5, x)": (
        lambda x: SPECIAL["eval_sh_jacobi"](4, 2.5, 1.5, x),
        lambda x: mp.jacobi(4, 1, 0.5, 2 * x - 1) / mp.binomial(8 + 1.5, 4), 0, 1,
    ),
    "eval_gegenbauer(4, 1.5, x)": (
        lambda x: SPECIAL["eval_gegenbauer"](4, 1.5, x), lambda x: mp.gegenbauer(4, 1.5, x), -1, 1,
    ),
    "eval_sh_legendre(5, x)": (
        lambda x: SPECIAL["eval_sh_legendre"](5, x), lambda x: mp.legendre(5, 2 * x - 1), 0, 1,
    ),
    "eval_chebyt(5, x)": (lambda x: SPECIAL["eval_chebyt"](5, x), lambda x: mp.chebyt(5, x), -1, 1),
    "eval_chebyu(5, x)": (lambda x: SPECIAL["eval_chebyu"](5, x), lambda x: mp.chebyu(5, x), -1, 1),
    "eval_chebyc(5, x)": (lambda x: SPECIAL["eval_chebyc"](5, x), lambda x: 2 * mp.chebyt(5, x / 2), -2, 2),
    "eval_chebys(5, x)": (lambda x: SPECIAL["eval_chebys"](5, x), lambda x: mp.chebyu(5, x / 2), -2, 2),
    "eval_sh_chebyt(5, x)": (lambda x: SPECIAL["eval_sh_chebyt"](5, x), lambda x: mp.chebyt(5, 2 * x - 1), 0, 1),
    "eval_sh_chebyu(5, x)": (lambda x: SPECIAL["eval_sh_chebyu"](5, x), lambda x: mp.chebyu(5, 2 * x - 1), 0, 1),
    "eval_genlaguerre(4, 0.5, x)": (
        lambda x: SPECIAL["eval_genlaguerre"](4, 0.5, x), lambda x: mp.laguerre(4, 0.5, x), 0.1, 20,
    ),
    "eval_laguerre(4, x)": (lambda x: SPECIAL["eval_laguerre"](4, x), lambda x: mp.laguerre(4, 0, x), 0.1, 20),
    "eval_hermitenorm(5, x)": (
        lambda x: SPECIAL["eval_hermitenorm"](5, x),
        lambda x: mp.hermite(5, x / mp.sqrt(2)) / mp.sqrt(TWO) ** 5, -5, 5,
    ),
    "lpmv(1, 3, x)": (lambda x: SPECIAL["lpmv"](1, 3, x), _legendre(1, 3), -0.95, 0.95),
    "gamma.ppf(p, 2.5)": (
        lambda p: stats.gamma.ppf(p, 2.5),
        _inverse(lambda x: _gamma(mp.mpf(2.5), x), lambda p: stats.gamma.ppf(p, 2.5)), 0.01, 0.99,
    ),
    "skewnorm.cdf(x, 1.5)": (lambda x: stats.skewnorm.cdf(x, 1.5), _skew_normal, -2, 3),
    "truncnorm.ppf(p, -1, 2)": (
        lambda p: stats.truncnorm.ppf(p, -1.0, 2.0), _inverse(_truncated, lambda p: stats.truncnorm.ppf(p, -1.0, 2.0)),
        0.01, 0.99,
    ),
    "vonmises.cdf(x, 2)": (lambda x: stats.vonmises.cdf(x, 2.0), _vonmises, -3, 3),
}  # fmt: skip
FUNCTIONS |= MORE

ROUNDED = {
    "strong_multiply", "quotient", "add", "subtract", "negative", "positive", "multiply", "divide", "maximum", "minimum", "fmax",
    "fmin", "absolute", "fabs", "real_part", "imag_part", "ratio", "remainder", "fmod", "nextafter", "fraction", "heaviside",
    "copysign", "ldexp", "mantissa", "huber", "gap_reciprocal", "gap_zero",
}  # fmt: skip
"""Elementwise primitives that IEEE arithmetic rounds correctly, or which select among their arguments."""

SAMPLES = {"beta_quantile", "f_quantile", "skewnorm_quantile", "t_quantile", "truncnorm_quantile", "vonmises_quantile"}
"""Pathwise derivatives of samples: quotients of derivatives of distributions, which are measured."""

SLOW = {
    "log_quadrant(h, 0.7)", "skewnorm.cdf(x, 1.5)", "vonmises.cdf(x, 2)", "owens_t(h, 0.7)",
    "itj0y0, j0", "itj0y0, y0", "iti0k0, i0", "iti0k0, k0",
    "berp", "beip", "kerp", "keip",
}  # fmt: skip
"""Entries that mpmath takes long for: a tenth of the points."""
