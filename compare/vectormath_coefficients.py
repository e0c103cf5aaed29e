"""Where the numbers of ``dualad/native/vectormath/coefficients.py`` come from: each polynomial is the interpolant of its
function at Chebyshev nodes (within a factor of a few of the best one), computed with mpmath and then rounded.

``python -m compare.vectormath_coefficients`` writes the file.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import mpmath as mp
from mpmath import mpf

TARGET = pathlib.Path(__file__).parent.parent / "dualad" / "native" / "vectormath" / "coefficients.py"
DIGITS = 60


def interpolant(f: Callable[[Any], Any], a: Any, b: Any, degree: int) -> list[Any]:
    """Coefficients, lowest first, of the polynomial that equals f at the Chebyshev nodes of [a, b]."""
    n = degree + 1
    nodes = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    matrix = mp.matrix(n, n)
    for i, x in enumerate(nodes):
        for j in range(n):
            matrix[i, j] = x**j
    return list(mp.lu_solve(matrix, mp.matrix([f(x) for x in nodes])))


def tail(f: Callable[[Any], Any], terms: int) -> Callable[[Any], Any]:
    """(f(x) - its first Taylor terms at 0) / x^terms, without cancellation near 0."""

    def g(x: Any) -> Any:
        with mp.workdps(DIGITS + 40):
            if abs(x) < mpf(10) ** -12:
                return +sum(c * x**k for k, c in enumerate(mp.taylor(f, 0, terms + 3)[terms:]))
            known = mp.taylor(f, 0, terms - 1) if terms else []
            return (f(x) - sum(c * x**k for k, c in enumerate(known))) / x**terms

    return g


def of_square(f: Callable[[Any], Any], terms: int, odd: bool) -> Callable[[Any], Any]:
    """For an odd (even) f: g with f(x) = its first terms + x^(2 terms + odd) g(x^2)."""

    def g(z: Any) -> Any:
        with mp.workdps(DIGITS + 40):
            power = 2 * terms + odd
            known = mp.taylor(f, 0, power + 8)
            if z < mpf(10) ** -14:
                return +sum(known[power + 2 * k] * z**k for k in range(4))
            x = mp.sqrt(z)
            return (f(x) - sum(known[k] * x**k for k in range(power))) / x**power

    return g


def exponential() -> dict[str, list[Any]]:
    limit = mp.log(2) / 2 * (1 + mpf(10) ** -9)
    roots_of_two = [mpf(2) ** (mpf(j) / 16) for j in range(16)]
    return {
        "EXP": interpolant(tail(mp.exp, 2), -limit, limit, 10),
        "EXP_LONG": interpolant(tail(mp.exp, 2), -limit, limit, 11),
        "EXP_NEAR": interpolant(tail(mp.exp, 2), -limit / 16, limit / 16, 4),
        "ROOTS_OF_TWO": roots_of_two,
        "ROOTS_OF_TWO_REST": [y - mpf(float(y)) for y in roots_of_two],
    }


def logarithm() -> dict[str, list[Any]]:
    # log((1 + s) / (1 - s)) = 2 s + 2/3 s^3 + ...; |s| <= (sqrt(2) - 1) / (sqrt(2) + 1).
    limit = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * (1 + mpf(10) ** -9)) ** 2

    def f(s: Any) -> Any:
        return mp.log((1 + s) / (1 - s))

    return {
        "LOG": interpolant(of_square(f, 1, True), mpf(0), limit, 6),
        "LOG_LONG": interpolant(of_square(f, 2, True), mpf(0), limit, 7),
    }


def trigonometry() -> dict[str, list[Any]]:
    limit = (mp.pi / 4 * (1 + mpf(10) ** -6)) ** 2
    return {
        "SIN": interpolant(of_square(mp.sin, 1, True), mpf(0), limit, 5),
        "SIN_LONG": interpolant(of_square(mp.sin, 1, True), mpf(0), limit, 6),
        "COS": interpolant(of_square(mp.cos, 2, False), mpf(0), limit, 5),
        "COS_LONG": interpolant(of_square(mp.cos, 2, False), mpf(0), limit, 6),
    }


def hyperbolic() -> dict[str, list[Any]]:
    return {"SINH": interpolant(of_square(mp.sinh, 1, True), mpf(0), mpf(1), 7)}


def inverse_trigonometry() -> dict[str, list[Any]]:
    tangent = mp.sqrt(2) - 1
    return {
        "ARCTAN": interpolant(of_square(mp.atan, 1, True), mpf(0), tangent**2 * (1 + mpf(10) ** -9), 11),
        "ARCSIN": interpolant(of_square(mp.asin, 1, True), mpf(0), mpf(1) / 4, 13),
    }


def roots() -> dict[str, list[Any]]:
    return {"CBRT": interpolant(mp.cbrt, mpf(1), mpf(8), 5)}


def scaled_complement(a: Any) -> Any:
    """e^(a^2) erfc a."""
    if a < 50:
        return mp.exp(a * a) * mp.erfc(a)
    term, total = mpf(1), mpf(0)
    for k in range(20):
        total += term
        term *= -(2 * k + 1) / (2 * a * a)
    return total / (a * mp.sqrt(mp.pi))


def error() -> dict[str, list[Any]]:
    def tail(t: Any) -> Any:
        a = 4 * (1 + t) / (1 - t)
        return (1 + 2 * a) * scaled_complement(a)

    def to_six(t: Any) -> Any:
        return scaled_complement(mpf("2.4") * (1 + t) / (1 - t))

    near = of_square(mp.erf, 0, True)
    return {
        "ERF": interpolant(lambda z: near(z) - 1, mpf(0), mpf(1), 13),
        "ERFCX_TO_6": interpolant(to_six, mpf("-1.4") / mpf("3.4"), mpf("3.6") / mpf("8.4"), 15),
        "ERFCX": interpolant(tail, mpf(-7) / 9, mpf(1), 24),
    }


def gamma() -> dict[str, list[Any]]:
    def stirling(w: Any) -> Any:
        if w < mpf(10) ** -8:
            return sum(mp.bernoulli(2 * k) / (2 * k * (2 * k - 1)) * w ** (k - 1) for k in range(1, 8))
        z = 1 / mp.sqrt(w)
        return (mp.loggamma(z) - ((z - mpf(1) / 2) * mp.log(z) - z + mp.log(2 * mp.pi) / 2)) * z

    def its_derivative(w: Any) -> Any:
        if w < mpf(10) ** -8:
            return -sum(mp.bernoulli(2 * k) / (2 * k) * w ** (k - 1) for k in range(1, 8))
        z = 1 / mp.sqrt(w)
        return (mp.digamma(z) - mp.log(z) + 1 / (2 * z)) * z * z

    def near_two(v: Any) -> Any:
        """(log gamma(2 + v) - (1 - euler) v) / v^2."""
        return mp.quad(lambda t: (1 - t) * mp.polygamma(1, 2 + t * v), [0, 1])

    root = mp.findroot(mp.digamma, mpf("1.4616321449683623"))

    def by_root(v: Any) -> Any:
        x = v + mpf(3) / 2
        return mp.digamma(x) / (x - root) if abs(x - root) > mpf(10) ** -20 else mp.polygamma(1, root)

    half, eighth = mpf(1) / 2, mpf(1) / 64
    return {
        "STIRLING": interpolant(stirling, mpf(0), eighth, 7),
        "DIGAMMA_STIRLING": interpolant(its_derivative, mpf(0), eighth, 8),
        "GAMMALN": interpolant(near_two, -half, half, 18),
        "DIGAMMA": interpolant(by_root, -half, half, 23),
    }


def inverse_error() -> dict[str, list[Any]]:
    # To some 35 bits: a step of Newton's method follows.
    def ratio(w: Any) -> Any:
        """erfinv(x) / x as a function of w = -log(1 - x^2)."""
        if w < mpf(10) ** -20:
            return mp.sqrt(mp.pi) / 2
        x = mp.sqrt(-mp.expm1(-w))
        if w < 1:
            return mp.erfinv(x) / x
        log_rest = mp.log(mp.exp(-w) / (1 + x))  # of 1 - x
        y = mp.sqrt(w)
        for _ in range(60):
            c = mp.erfc(y)
            step = (mp.log(c) - log_rest) * c * mp.exp(y * y) * mp.sqrt(mp.pi) / 2
            y += step
            if abs(step) < mpf(10) ** -50:
                break
        return y / x

    def by_root(middle: Any) -> Callable[[Any], Any]:
        return lambda v: ratio((v + middle) ** 2)

    return {
        "ERFINV": interpolant(lambda v: ratio(v + mpf(25) / 8), -mpf(25) / 8, mpf(25) / 8, 15),
        "ERFINV_TO_4": interpolant(by_root(mpf(13) / 4), -mpf(3) / 4, mpf(3) / 4, 10),
        "ERFINV_TO_6": interpolant(by_root(mpf(5)), -mpf(33) / 32, mpf(33) / 32, 10),
    }


FAMILIES = (exponential, logarithm, trigonometry, inverse_trigonometry, hyperbolic, roots, error, inverse_error, gamma)

HEAD = '''"""Coefficients of polynomials, lowest first. Written by ``python -m compare.vectormath_coefficients``."""

'''


def tables() -> dict[str, list[float]]:
    with mp.workdps(DIGITS):
        return {name: [float(c) for c in values] for family in FAMILIES for name, values in family().items()}


def main() -> None:
    blocks = []
    for name, values in tables().items():
        blocks.append(f"{name} = (\n" + "".join(f"    {v!r},\n" for v in values) + ")\n")
    TARGET.write_text(HEAD + "".join(blocks))


if __name__ == "__main__":
    main()
