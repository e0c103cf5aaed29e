"""What each function of the vector math library is measured on, its exact values by mpmath, and the error allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
from mpmath import mpf

DIGITS = 50
Points = tuple[Any, ...]
Sampler = Callable[[np.random.Generator, int], Points]


def within(*ranges: tuple[float, float]) -> Sampler:
    """Uniform in a range per argument."""
    return lambda rng, n: tuple(rng.uniform(a, b, n) for a, b in ranges)


def sizes(*exponents: tuple[float, float], signed: bool = True) -> Sampler:
    """Uniform in the exponent of 2."""

    def sample(rng: np.random.Generator, n: int) -> Points:
        return tuple(
            np.exp2(rng.uniform(a, b, n)) * (rng.choice([-1.0, 1.0], n) if signed else 1.0) for a, b in exponents
        )

    return sample


def close_to(center: float, exponents: tuple[float, float] = (-52, -3)) -> Sampler:
    return lambda rng, n: (center + sizes(exponents)(rng, n)[0],)


def joined(*samplers: Sampler) -> Sampler:
    """The arguments of several samplers side by side."""
    return lambda rng, n: tuple(x for s in samplers for x in s(rng, n))


def multiples(step: Callable[[], Any]) -> Sampler:
    """The nearest float64 to integer multiples, and its neighbours."""

    def sample(rng: np.random.Generator, n: int) -> Points:
        with mp.workdps(DIGITS):
            x = np.array([float(int(k) * step()) for k in np.exp2(rng.uniform(0, 30, n))])
        return (np.nextafter(x, x + rng.choice([-1.0, 0.0, 1.0], n)),)

    return sample


@dataclass
class Case:
    """A function: exact values, where to look, and the errors in ulps that may be reached.

    Where a result that is nearly zero is a difference of larger terms, ``scale`` gives the least size whose ulp counts.
    """

    exact: Callable[..., Any]
    samplers: Sequence[Sampler]
    limit: float = 2.0
    scale: Callable[..., float] | None = None

    def points(self, seed: int, n: int) -> Points:
        """About n arguments, shared among the samplers."""
        rng = np.random.default_rng(seed)
        parts = [s(rng, max(1, n // len(self.samplers))) for s in self.samplers]
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def errors(self, xs: Points, ys: Any) -> Any:
        """Distance from the exact value, in units of the last place of the result's dtype at it."""
        bits, least = (24, -149) if ys.dtype == np.float32 else (53, -1074)
        largest = float(np.finfo(ys.dtype).max)
        out = np.empty(len(ys))
        with mp.workdps(DIGITS):
            for k, y in enumerate(ys.tolist()):
                x = [float(c[k]) for c in xs]
                exact = self.exact(*map(mpf, x))
                size = abs(exact)
                if self.scale is not None:
                    size = max(size, mpf(self.scale(*x)))
                exponent = mp.frexp(size)[1] if size else least
                ulp = mpf(2) ** max(exponent - bits, least)
                if math.isfinite(y):
                    out[k] = float(abs(mpf(y) - exact) / ulp)
                else:  # an infinity is right from half an ulp above the largest number
                    right = abs(exact) >= largest + ulp / 2 and (y > 0) == (exact > 0)
                    out[k] = 0.0 if right else math.inf
        return out


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def log_sum(base: Any) -> Callable[..., Any]:
    def f(a: Any, b: Any) -> Any:
        return max(a, b) + mp.log1p(mp.exp(-abs(a - b) * mp.log(base))) / mp.log(base)

    return f


def log_gamma(x: Any) -> Any:
    if x > 0:
        return mp.loggamma(x)
    return mp.log(mp.pi / abs(x * mp.sinpi(x))) - mp.loggamma(-x)


def scaled_complement(x: Any) -> Any:
    """e^(x^2) erfc x, by the asymptotic series where it is exact enough."""
    if x < 30:
        return mp.exp(x * x) * mp.erfc(x)
    term, total = mpf(1), mpf(0)
    for k in range(25):
        total += term
        term *= -(2 * k + 1) / (2 * x * x)
    return total / (x * mp.sqrt(mp.pi))


def log_of_normal(x: Any) -> Any:
    u = -x / mp.sqrt(2)
    if u > 0:
        return mp.log(scaled_complement(u) / 2) - u * u
    return mp.log1p(-mp.erfc(-u) / 2) if u > -60 else mpf(0)


def inverse_error(x: Any) -> Any:
    """By Newton's method: mpmath's own takes milliseconds."""
    y = mpf(float(scipy.special.erfinv(float(x))))
    for _ in range(2):
        y += (x - mp.erf(y)) * mp.exp(y * y) * mp.sqrt(mp.pi) / 2
    return y


def power_exact(x: Any, y: Any) -> Any:
    # Exponents whose result is beyond every float would take mpmath long.
    if abs(y * mp.log(abs(x))) > 2000:
        return mpf(2) ** 3000 if (y > 0) == (abs(x) > 1) else mpf(2) ** -3000
    return mp.power(x, y)


ANY = sizes((-1074, 1024))
POSITIVE = sizes((-1074, 1024), signed=False)
MIDDLE = sizes((-60, 6))
UNIT = [
    within((-1, 1)),
    sizes((-1074, 0)),
    close_to(1 - 2.0**-4, (-52, -5)),
    lambda rng, n: (1 - np.exp2(rng.uniform(-53, -1, n)),),
]
# Near multiples of pi / 2: of the first 2^20, and the nearest of all (Muller, Elementary Functions, 11.3.3).
HARD = np.array(
    [413441.44719405076, -413441.44719405076, 1285231.8377688916, 6381956970095103 * 2.0**797, 2.0**20, 11.0, 710.0]
)
TURNS = [
    within((-10, 10)),
    sizes((-1074, 21)),
    sizes((20, 1024)),
    multiples(lambda: mp.pi / 4),
    lambda rng, n: (HARD,),
]
TWO = [
    within((-5, 5), (-5, 5)),
    sizes((-1022, 1022), (-1022, 1022)),
    sizes((-8, 8), (-8, 8)),
]

CASES: dict[str, Case] = {
    "exp": Case(mp.exp, [within((-746, 710)), MIDDLE, within((-1, 1))], 1),
    "exp2": Case(lambda x: mp.power(2, x), [within((-1076, 1024)), MIDDLE]),
    "expm1": Case(mp.expm1, [within((-40, 710)), sizes((-1074, 6)), within((-2, 2)), within((30, 50))], 1),
    "expit": Case(sigmoid, [within((-746, 50)), MIDDLE, within((-5, 5))]),
    "logistic_share": Case(lambda a, b: sigmoid(a - b), [*TWO[::2], within((-370, 370), (-370, 370))]),
    "log": Case(mp.log, [POSITIVE, within((0.5, 2)), close_to(1)], 1),
    "log2": Case(lambda x: mp.log(x) / mp.log(2), [POSITIVE, within((0.5, 2)), close_to(1)]),
    "log10": Case(mp.log10, [POSITIVE, within((0.5, 2)), close_to(1)]),
    "log1p": Case(mp.log1p, [POSITIVE, within((-1, 2)), sizes((-1074, -0.001))], 1),
    "log_expit": Case(lambda x: -mp.log1p(mp.exp(-x)), [within((-746, 745)), MIDDLE, within((-5, 5))]),
    "logaddexp": Case(
        log_sum(mp.e), [within((-5, 5), (-5, 5)), within((-50, 50), (-50, 50)), sizes((-900, 900), (-900, 900))],
        scale=lambda a, b: max(abs(a), abs(b)) / 32,
    ),
    "logaddexp2": Case(
        log_sum(mpf(2)), [within((-5, 5), (-5, 5)), within((-50, 50), (-50, 50)), sizes((-900, 900), (-900, 900))],
        scale=lambda a, b: max(abs(a), abs(b)) / 32,
    ),
    "logit": Case(lambda x: mp.log(x / (1 - x)), [within((0, 1)), sizes((-1074, 0), signed=False), close_to(0.5)]),
    "xlogy": Case(lambda x, y: x * mp.log(y), [within((-5, 5), (0, 5)), joined(sizes((-900, 900)), POSITIVE)]),
    "xlog1py": Case(lambda x, y: x * mp.log1p(y), [within((-5, 5), (-1, 5)), sizes((-400, 400), (-400, -1))]),
    "entr": Case(lambda x: -x * mp.log(x), [sizes((-1074, 1010), signed=False), within((0, 3)), close_to(1)]),
    "power": Case(
        power_exact,
        [
            joined(POSITIVE, within((-1, 1))),
            within((0.5, 2), (-1000, 1000)),
            joined(sizes((-10, 10), signed=False), within((-70, 70))),
            joined(close_to(1, (-50, -3)), sizes((3, 60))),
            lambda rng, n: (rng.uniform(-9, 9, n), rng.integers(-99, 99, n).astype(float)),
        ],
        1,
    ),
    "sqrt": Case(mp.sqrt, [POSITIVE], 1),
    "cbrt": Case(lambda x: mp.sign(x) * mp.cbrt(abs(x)), [ANY, within((-9, 9))]),
    "hypot": Case(mp.hypot, TWO),
    "square": Case(lambda x: x * x, [ANY], 1),
    "reciprocal": Case(lambda x: 1 / x, [ANY], 1),
    "sin": Case(mp.sin, TURNS, 1),
    "cos": Case(mp.cos, TURNS, 1),
    "tan": Case(mp.tan, TURNS, 1),
    "arcsin": Case(mp.asin, UNIT),
    "arccos": Case(mp.acos, UNIT),
    "arctan": Case(mp.atan, [ANY, within((-5, 5)), sizes((-2, 2))]),
    "arctan2": Case(mp.atan2, TWO),
    "sinc": Case(lambda x: mp.sincpi(x), [within((-5, 5)), sizes((-1074, 50)), multiples(lambda: 1)]),
    "deg2rad": Case(lambda x: x * mp.pi / 180, [ANY]),
    "rad2deg": Case(lambda x: x * 180 / mp.pi, [ANY]),
    "sinh": Case(mp.sinh, [within((-711, 711)), sizes((-1074, 5)), within((-2, 2))]),
    "cosh": Case(mp.cosh, [within((-711, 711)), sizes((-60, 5)), within((-2, 2))]),
    "tanh": Case(mp.tanh, [within((-20, 20)), sizes((-1074, 5)), within((-1, 1))], 1),
    "arcsinh": Case(mp.asinh, [ANY, within((-5, 5)), sizes((-2, 2))]),
    "arccosh": Case(
        mp.acosh,
        [sizes((0, 1024), signed=False), within((1, 5)), lambda rng, n: (1 + sizes((-52, 2), signed=False)(rng, n)[0],)],
    ),
    "arctanh": Case(mp.atanh, UNIT),
    "erf": Case(mp.erf, [within((-6, 6)), sizes((-1074, 5)), within((-1.2, 1.2))]),
    "erfc": Case(mp.erfc, [within((-6, 28)), MIDDLE, within((-1, 1))]),
    "erfcx": Case(scaled_complement, [within((-26, 30)), POSITIVE, within((-1, 1))]),
    "ndtr": Case(lambda x: mp.erfc(-x / mp.sqrt(2)) / 2, [within((-38.5, 9)), MIDDLE, within((-1, 1))]),
    "log_ndtr": Case(log_of_normal, [within((-50, 9)), sizes((-60, 300)), within((-1.5, 1.5))]),
    "erfinv": Case(inverse_error, UNIT),
    "gamma": Case(mp.gamma, [within((-180, 172)), sizes((-1020, 7)), within((-10, 10))]),
    "gammaln": Case(
        log_gamma,
        [
            within((0, 30)), POSITIVE, within((0.5, 3)), close_to(1), close_to(2, (-51, -3)),
            within((-20, 0)), sizes((-1020, 40)),
        ],
        scale=lambda x: 0.0 if x > 0 else max(1 / 16, 2.0**-8 * abs(x)),
    ),
    "digamma": Case(
        mp.digamma,
        [within((0, 30)), POSITIVE, within((1, 2)), close_to(1.4616321449683623), within((-20, 0)), sizes((-1020, 30))],
        scale=lambda x: 0.0 if x > 0 else 1 / 16,
    ),
}  # fmt: skip
