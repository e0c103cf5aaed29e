"""Errors in ulp of values and first derivatives against mpmath: ``python -m compare.accuracy --write docs/accuracy.md``."""

from __future__ import annotations

import argparse
import math
import pathlib
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

import dualad
import dualad.numpy as dnp
from dualad.ops.specials import SPECIAL
from dualad.scipy import special

mp.mp.dps = 50
HEAD = """# Accuracy

Errors in units in the last place (ulp) of float64, of values and of first derivatives by forward mode (reverse mode uses the
same rules), at {points} points of each range, against mpmath at 50 digits. Values are NumPy's and SciPy's own; derivatives are
dualad's rules. An ulp is that of the exact result, so where a derivative passes through zero, or falls far below its factors (as
those of `tanh` and `expit` do, 1 - y^2 and y (1 - y)), errors that are small beside these count as many: the median says what is
usual. Written by `python -m compare.accuracy --write docs/accuracy.md`.

| function | range | value: median | max | derivative: median | max |
|---|---|---|---|---|---|
"""
TWO = mp.mpf(2)
ROOT_PI = mp.sqrt(mp.pi)


def _ndtr(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _student(x: Any) -> Any:
    tail = mp.betainc(mp.mpf("1.75"), mp.mpf("0.5"), 0, mp.mpf("3.5") / (mp.mpf("3.5") + x * x), regularized=True) / 2
    return 1 - tail if x > 0 else tail


# name -> (ours, mpmath's, lo, hi); ranges with hi/lo > 1e3 are sampled evenly in the logarithm.
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
    "spherical_jn(2, x)": (
        lambda x: special.spherical_jn(2, x), lambda x: mp.sqrt(mp.pi / (2 * x)) * mp.besselj(mp.mpf(2.5), x), 0.1, 30,
    ),
    "eval_legendre(7, x)": (lambda x: SPECIAL["eval_legendre"](7, x), lambda x: mp.legendre(7, x), -1, 1),
    "eval_hermite(5, x)": (lambda x: SPECIAL["eval_hermite"](5, x), lambda x: mp.hermite(5, x), -5, 5),
    "ndtri_exp": (SPECIAL["ndtri_exp"], lambda x: mp.sqrt(2) * mp.erfinv(2 * mp.exp(x) - 1), -20, -0.1),
    "erfi": (SPECIAL["erfi"], mp.erfi, -5, 5),
    "stdtr(3.5, t)": (lambda t: SPECIAL["stdtr"](3.5, t), _student, -10, 10),
}  # fmt: skip


def ulps(found: float, exact: Any) -> float:
    if not math.isfinite(found):
        return math.inf
    if abs(exact) < 1e-290:
        return 0.0
    return float(abs(mp.mpf(found) - exact) / mp.mpf(float(np.spacing(abs(float(exact))))))


def errors(name: str, points: int) -> tuple[list[float], list[float]]:
    """Errors in ulp of the values and of the derivatives."""
    ours, exact, lo, hi = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    xs = (
        np.exp(rng.uniform(math.log(lo), math.log(hi), points))
        if lo > 0 and hi / lo > 1e3
        else rng.uniform(lo, hi, points)
    )
    values, derivatives = [], []
    for x in xs:
        y, t = dualad.jvp(ours, (x,), (1.0,))
        at = mp.mpf(float(x))
        step = mp.mpf(10) ** -18 * abs(at)
        slope = (exact(at + step) - exact(at - step)) / (2 * step)
        values.append(ulps(float(y), mp.re(exact(at))))
        derivatives.append(ulps(float(t), mp.re(slope)))
    return values, derivatives


def page(points: int) -> str:
    lines = [HEAD.format(points=points)]
    for name, (_, _, lo, hi) in FUNCTIONS.items():
        cells = [f"{v:.2g}" for e in errors(name, points) for v in (float(np.median(e)), max(e))]
        lines.append(f"| `{name}` | {lo:g} to {hi:g} | {' | '.join(cells)} |\n")
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--write", metavar="FILE")
    chosen = parser.parse_args()
    text = page(chosen.points)
    print(text)
    if chosen.write:
        pathlib.Path(chosen.write).write_text(text)


if __name__ == "__main__":
    main()
