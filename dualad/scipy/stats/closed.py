"""Distributions in closed form: uniform, loguniform, expon, weibull_min, pareto, rayleigh, cauchy, halfcauchy, laplace,
logistic, gumbel_r, gumbel_l, genextreme, triang; and vonmises.
"""

from __future__ import annotations

import math
from typing import Any

from dualad.ops.arithmetic import equal, isfinite, stop_gradient, where
from dualad.ops.moments import relative_expm1, relative_log1p
from dualad.ops.rounding import floor, remainder
from dualad.ops.sampling import vonmises_cumulative, vonmises_quantile
from dualad.ops.special import expit, gammaln, log_expit, logit
from dualad.ops.special import gamma as gamma_function
from dualad.ops.specials import special
from dualad.ops.transcendental import arctan, arctan2, cos, exp, expm1, log, log1p, sin, sqrt, tan
from dualad.scipy.stats.distribution import (
    EULER,
    LOG2,
    Continuous,
    Hazard,
    ReversedHazard,
    Symmetric,
    edge_xlogy,
    log1mexp_of_log,
    steep_exp,
)


class Uniform(Continuous):
    def support_of(self) -> tuple[Any, Any]:
        return 0.0, 1.0

    def _logpdf(self, z: Any) -> Any:
        return 0.0 * z

    def _cdf(self, z: Any) -> Any:
        return z

    def _sf(self, z: Any) -> Any:
        return 1 - z

    def _ppf(self, q: Any) -> Any:
        return q

    def _isf(self, q: Any) -> Any:
        return 1 - q

    def _mean(self) -> Any:
        return 0.5

    def _var(self) -> Any:
        return 1 / 12

    def _entropy(self) -> Any:
        return 0.0


class LogUniform(Continuous):
    """log z is uniform between log a and log b."""

    shapes = ("a", "b")
    defaults = (1.0, 2.0)

    def valid(self, a: Any, b: Any) -> Any:
        return (a > 0) & (a < b)

    def support_of(self, a: Any, b: Any) -> tuple[Any, Any]:
        return a, b

    def inner_of(self, a: Any, b: Any) -> Any:
        return 0.5 * (a + b)

    def _logpdf(self, z: Any, a: Any, b: Any) -> Any:
        return -log(z) - log(log(b) - log(a))

    def _cdf(self, z: Any, a: Any, b: Any) -> Any:
        return (log(z) - log(a)) / (log(b) - log(a))

    def _sf(self, z: Any, a: Any, b: Any) -> Any:
        return (log(b) - log(z)) / (log(b) - log(a))

    def _ppf(self, q: Any, a: Any, b: Any) -> Any:
        return exp(log(a) + q * (log(b) - log(a)))

    def _isf(self, q: Any, a: Any, b: Any) -> Any:
        return exp(log(b) - q * (log(b) - log(a)))

    def _mean(self, a: Any, b: Any) -> Any:
        return (b - a) / (log(b) - log(a))

    def _var(self, a: Any, b: Any) -> Any:
        m = self._mean(a, b)
        return 0.5 * (a + b) * m - m * m

    def _entropy(self, a: Any, b: Any) -> Any:
        return 0.5 * (log(a) + log(b)) + log(log(b) - log(a))

    def _draw(self, ok: Any, shapes: Any, shape: Any, draws: Any) -> Any:
        return uniform._draw(ok, (), shape, draws)

    def _sample(self, u: Any, a: Any, b: Any) -> Any:
        return self._ppf(u, a, b)


class Expon(Hazard):
    def _logpdf(self, z: Any) -> Any:
        return -z

    def _hazard(self, z: Any) -> Any:
        return z

    def _of_hazard(self, h: Any) -> Any:
        return h

    def _mean(self) -> Any:
        return 1.0

    def _var(self) -> Any:
        return 1.0

    def _entropy(self) -> Any:
        return 1.0


class Weibull(Hazard):
    """z^c is exponentially distributed."""

    shapes = ("c",)
    defaults = (1.0,)

    def _logpdf(self, z: Any, c: Any) -> Any:
        return log(c) + edge_xlogy(c - 1, z) - z**c

    def _hazard(self, z: Any, c: Any) -> Any:
        return z**c

    def _of_hazard(self, h: Any, c: Any) -> Any:
        return h ** (1 / c)

    def _mean(self, c: Any) -> Any:
        return gamma_function(1 + 1 / c)

    def _var(self, c: Any) -> Any:
        return gamma_function(1 + 2 / c) - gamma_function(1 + 1 / c) ** 2

    def _entropy(self, c: Any) -> Any:
        return EULER * (1 - 1 / c) - log(c) + 1

    def _draw(self, ok: Any, shapes: Any, shape: Any, draws: Any) -> Any:
        return uniform._draw(ok, (), shape, draws)

    def _sample(self, u: Any, c: Any) -> Any:
        return self._ppf(u, c)


class Pareto(Hazard):
    """log z is exponentially distributed, with rate b."""

    shapes = ("b",)
    defaults = (1.0,)
    inner = 2.0

    def support_of(self, *shapes: Any) -> tuple[Any, Any]:
        return 1.0, math.inf

    def _logpdf(self, z: Any, b: Any) -> Any:
        return log(b) - (b + 1) * log(z)

    def _hazard(self, z: Any, b: Any) -> Any:
        return b * log(z)

    def _of_hazard(self, h: Any, b: Any) -> Any:
        return exp(h / b)

    def _mean(self, b: Any) -> Any:
        ok = b > 1
        safe = where(ok, b, 2.0)
        return where(ok, safe / (safe - 1), math.inf)

    def _var(self, b: Any) -> Any:
        ok = b > 2
        safe = where(ok, b, 3.0)
        return where(ok, safe / ((safe - 2) * (safe - 1) ** 2), math.inf)

    def _entropy(self, b: Any) -> Any:
        return 1 + 1 / b - log(b)

    def _draw(self, ok: Any, shapes: Any, shape: Any, draws: Any) -> Any:
        return uniform._draw(ok, (), shape, draws)

    def _sample(self, u: Any, b: Any) -> Any:
        return self._ppf(u, b)


class Rayleigh(Hazard):
    closed = False

    def _logpdf(self, z: Any) -> Any:
        return log(z) - 0.5 * z * z

    def _hazard(self, z: Any) -> Any:
        return 0.5 * z * z

    def _of_hazard(self, h: Any) -> Any:
        return sqrt(2 * h)

    def _mean(self) -> Any:
        return math.sqrt(math.pi / 2)

    def _var(self) -> Any:
        return 2 - math.pi / 2

    def _entropy(self) -> Any:
        return 0.5 * EULER + 1 - 0.5 * LOG2


class Cauchy(Symmetric):
    def _logpdf(self, z: Any) -> Any:
        return -math.log(math.pi) - log1p(z * z)

    def _cdf(self, z: Any) -> Any:
        return arctan2(1.0, -z) / math.pi

    def _ppf(self, q: Any) -> Any:
        return -cos(math.pi * q) / sin(math.pi * q)

    def _mean(self) -> Any:
        return math.nan

    def _var(self) -> Any:
        return math.nan

    def _entropy(self) -> Any:
        return math.log(4 * math.pi)


class HalfCauchy(Continuous):
    def support_of(self) -> tuple[Any, Any]:
        return 0.0, math.inf

    def _logpdf(self, z: Any) -> Any:
        return math.log(2 / math.pi) - log1p(z * z)

    def _cdf(self, z: Any) -> Any:
        return 2 / math.pi * arctan(z)

    def _sf(self, z: Any) -> Any:
        return 2 / math.pi * arctan2(1.0, z)

    def _ppf(self, q: Any) -> Any:
        return tan(0.5 * math.pi * q)

    def _isf(self, q: Any) -> Any:
        return 1 / tan(0.5 * math.pi * q)

    def _mean(self) -> Any:
        return math.inf

    def _var(self) -> Any:
        return math.inf

    def _entropy(self) -> Any:
        return math.log(2 * math.pi)


class Laplace(Symmetric):
    def _logpdf(self, z: Any) -> Any:
        return -LOG2 - abs(z)

    def _cdf(self, z: Any) -> Any:
        left = z < 0
        return where(left, 0.5 * exp(where(left, z, 0.0)), 1 - 0.5 * exp(-where(left, 0.0, z)))

    def _logcdf(self, z: Any) -> Any:
        left = z < 0
        return where(left, z - LOG2, log1p(-0.5 * exp(-where(left, 0.0, z))))

    def _ppf(self, q: Any) -> Any:
        return where(q < 0.5, log(2 * q), -log(2 * (1 - q)))

    def _mean(self) -> Any:
        return 0.0

    def _var(self) -> Any:
        return 2.0

    def _entropy(self) -> Any:
        return LOG2 + 1


class Logistic(Symmetric):
    def _logpdf(self, z: Any) -> Any:
        return log_expit(z) + log_expit(-z)

    def _cdf(self, z: Any) -> Any:
        return expit(z)

    def _logcdf(self, z: Any) -> Any:
        return log_expit(z)

    def _ppf(self, q: Any) -> Any:
        return logit(q)

    def _mean(self) -> Any:
        return 0.0

    def _var(self) -> Any:
        return math.pi**2 / 3

    def _entropy(self) -> Any:
        return 2.0


class GumbelR(ReversedHazard):
    def _logpdf(self, z: Any) -> Any:
        return -z - steep_exp(-z)

    def _hazard(self, z: Any) -> Any:
        return steep_exp(-z)

    def _logsf(self, z: Any) -> Any:
        return log1mexp_of_log(-z)

    def _of_hazard(self, h: Any) -> Any:
        return -log(h)

    def _mean(self) -> Any:
        return EULER

    def _var(self) -> Any:
        return math.pi**2 / 6

    def _entropy(self) -> Any:
        return EULER + 1


class GumbelL(Hazard):
    def support_of(self) -> tuple[Any, Any]:
        return -math.inf, math.inf

    def _logpdf(self, z: Any) -> Any:
        return z - steep_exp(z)

    def _hazard(self, z: Any) -> Any:
        return steep_exp(z)

    def _logcdf(self, z: Any) -> Any:
        return log1mexp_of_log(z)

    def _of_hazard(self, h: Any) -> Any:
        return log(h)

    def _mean(self) -> Any:
        return -EULER

    def _var(self) -> Any:
        return math.pi**2 / 6

    def _entropy(self) -> Any:
        return EULER + 1


_SMALL = 1e-4  # below, series in c to the fourth order


class GenExtreme(ReversedHazard):
    """H = (1 - c z)^(1/c), and e^-z where c = 0."""

    shapes = ("c",)
    defaults = (0.0,)

    def valid(self, c: Any) -> Any:
        return isfinite(c)

    def support_of(self, c: Any) -> tuple[Any, Any]:
        up, down = c > 0, c < 0
        low = where(down, 1 / where(down, c, -1.0), -math.inf)
        return low, where(up, 1 / where(up, c, 1.0), math.inf)

    def _log_hazard(self, z: Any, c: Any) -> Any:
        return -relative_log1p(-c, z)

    def _logpdf(self, z: Any, c: Any) -> Any:
        edge = equal(c * z, 1)
        z = where(edge, 0.0, z)
        h = self._log_hazard(z, c)
        at_edge = where(c > 1, math.inf, where(equal(c, 1), 0.0, -math.inf))
        return where(edge, at_edge, (1 - c) * h - steep_exp(h))

    def _hazard(self, z: Any, c: Any) -> Any:
        return steep_exp(self._log_hazard(z, c))

    def _logsf(self, z: Any, c: Any) -> Any:
        return log1mexp_of_log(self._log_hazard(z, c))

    def _of_hazard(self, h: Any, c: Any) -> Any:
        return self._of_log(log(h), c)

    def _of_log(self, n: Any, c: Any) -> Any:
        """(1 - e^(c n)) / c."""
        return -relative_expm1(c, n)

    def _mean(self, c: Any) -> Any:
        ok = c > -1
        c = where(ok, c, 1.0)
        small = abs(c) < _SMALL
        big = where(small, 1.0, c)
        # log Gamma(1 + c) / c, by its series about 0
        n = where(small, -EULER + c * (_ZETA2 / 2 - c * (_ZETA3 / 3 - c * _ZETA4 / 4)), gammaln(1 + big) / big)
        w = c * n
        series = n * (1 + w * (1 / 2 + w * (1 / 6 + w / 24)))
        return where(ok, -where(small, series, expm1(gammaln(1 + big)) / big), math.nan)

    def _var(self, c: Any) -> Any:
        ok = c > -0.5
        c = where(ok, c, 1.0)
        small = abs(c) < _SMALL
        big = where(small, 1.0, c)
        w = _ZETA2 - 2 * _ZETA3 * c + 3.5 * _ZETA4 * c * c  # (log Gamma(1 + 2c) - 2 log Gamma(1 + c)) / c^2
        ratio = where(small, w + 0.5 * w * w * c * c, expm1(gammaln(1 + 2 * big) - 2 * gammaln(1 + big)) / (big * big))
        return where(ok, gamma_function(1 + c) ** 2 * ratio, math.nan)

    def _entropy(self, c: Any) -> Any:
        return EULER * (1 - c) + 1

    def _draw(self, ok: Any, shapes: Any, shape: Any, draws: Any) -> Any:
        return uniform._draw(ok, (), shape, draws)

    def _sample(self, u: Any, c: Any) -> Any:
        return self._ppf(u, c)


_ZETA2, _ZETA3, _ZETA4 = math.pi**2 / 6, 1.2020569031595942, math.pi**4 / 90


class Triang(Continuous):
    """A triangle over [0, 1] with its peak at c."""

    shapes = ("c",)
    defaults = (0.5,)

    def valid(self, c: Any) -> Any:
        return (c >= 0) & (c <= 1)

    def support_of(self, c: Any) -> tuple[Any, Any]:
        return 0.0, 1.0

    def _sides(self, left: Any, z: Any, c: Any) -> tuple[Any, Any, Any, Any]:
        """z and c where the point is left of the peak, 1 - z and 1 - c where it is right; 1 elsewhere."""
        right = where(left, 1.0, 1 - z), where(left, 1.0, 1 - c)
        return where(left, z, 1.0), where(left, c, 1.0), *right

    def _logpdf(self, z: Any, c: Any) -> Any:
        left = (z < c) | equal(c, 1)
        z1, c1, z2, c2 = self._sides(left, z, c)
        edge = where(left, equal(z1, 0), equal(z2, 0))
        up = log(where(edge, 1.0, z1)) - log(c1)
        down = log(where(edge, 1.0, z2)) - log(c2)
        return where(edge, -math.inf, LOG2 + where(left, up, down))

    def _cdf(self, z: Any, c: Any) -> Any:
        left = z < c
        z1, c1, z2, c2 = self._sides(left, z, c)
        return where(left, z1 * z1 / c1, 1 - z2 * z2 / c2)

    def _sf(self, z: Any, c: Any) -> Any:
        left = z < c
        z1, c1, z2, c2 = self._sides(left, z, c)
        return where(left, 1 - z1 * z1 / c1, z2 * z2 / c2)

    def _ppf(self, q: Any, c: Any) -> Any:
        return self._inverse(q, 1 - q, c)

    def _isf(self, q: Any, c: Any) -> Any:
        return self._inverse(1 - q, q, c)

    def _inverse(self, q: Any, rest: Any, c: Any) -> Any:
        left = q < c
        up = sqrt(where(left, c, 1.0) * where(left, q, 1.0))
        down = 1 - sqrt(where(left, 1.0, 1 - c) * where(left, 1.0, rest))
        return where(left, up, down)

    def _implicit(self, q: Any, z: Any, c: Any) -> Any:
        """By the place of the sample in its side, which does not change with c."""
        left = z < c
        z1, c1, z2, c2 = self._sides(left, z, stop_gradient(c))
        up = where(left, z1 * sqrt(where(left, c, 1.0) / c1), 0.0)
        down = 1 - z2 * sqrt(where(left, 1.0, 1 - c) / c2)
        return where(left, up, down)

    def _mean(self, c: Any) -> Any:
        return (1 + c) / 3

    def _var(self, c: Any) -> Any:
        return (1 - c + c * c) / 18

    def _entropy(self, c: Any) -> Any:
        return 0.5 - LOG2 + 0 * c


class VonMises(Continuous):
    """On the circle; ``cdf`` continues along the line, as SciPy's does, and ``rvs`` lies in [-pi, pi]."""

    METHODS = tuple(m for m in Continuous.METHODS if m not in ("mean", "var", "std"))
    shapes = ("kappa",)
    defaults = (1.0,)
    inner = 0.0

    def valid(self, kappa: Any) -> Any:
        return kappa >= 0

    def _logpdf(self, z: Any, kappa: Any) -> Any:
        return kappa * (cos(z) - 1) - math.log(2 * math.pi) - log(special("i0e")(kappa))

    def _cdf(self, z: Any, kappa: Any) -> Any:
        turns = floor(z / (2 * math.pi) + 0.5)
        return turns + vonmises_cumulative(z - 2 * math.pi * turns, kappa)

    def _sf(self, z: Any, kappa: Any) -> Any:
        return self._cdf(-z, kappa)

    def _implicit(self, q: Any, z: Any, kappa: Any) -> Any:
        return vonmises_quantile(q, z, kappa)

    def _entropy(self, kappa: Any) -> Any:
        i0, i1 = special("i0e")(kappa), special("i1e")(kappa)
        return kappa * (1 - i1 / i0) + math.log(2 * math.pi) + log(i0)

    def rvs(self, *args: Any, size: Any = None, random_state: Any = None, **keywords: Any) -> Any:
        x = super().rvs(*args, size=size, random_state=random_state, **keywords)
        return remainder(x + math.pi, 2 * math.pi) - math.pi


uniform = Uniform("uniform")
loguniform = LogUniform("loguniform")
expon = Expon("expon")
weibull_min = Weibull("weibull_min")
pareto = Pareto("pareto")
rayleigh = Rayleigh("rayleigh")
cauchy = Cauchy("cauchy")
halfcauchy = HalfCauchy("halfcauchy")
laplace = Laplace("laplace")
logistic = Logistic("logistic")
gumbel_r = GumbelR("gumbel_r")
gumbel_l = GumbelL("gumbel_l")
genextreme = GenExtreme("genextreme")
triang = Triang("triang")
vonmises = VonMises("vonmises")
