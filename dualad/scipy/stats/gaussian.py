"""The normal distribution and those made of it: norm, lognorm, halfnorm, truncnorm, skewnorm."""

from __future__ import annotations

import math
from typing import Any

from dualad.ops.arithmetic import isfinite, where
from dualad.ops.owen import log_quadrant
from dualad.ops.sampling import skewnorm_quantile, truncnorm_quantile
from dualad.ops.special import erf, log_ndtr, ndtr, ndtri
from dualad.ops.transcendental import exp, expm1, log, log1p, sqrt
from dualad.scipy.stats.distribution import LOG2, LOG_ROOT_2PI, Continuous, Symmetric, log1mexp, log_of


class Norm(Symmetric):
    def _logpdf(self, z: Any) -> Any:
        return -0.5 * z * z - LOG_ROOT_2PI

    def _cdf(self, z: Any) -> Any:
        return ndtr(z)

    def _logcdf(self, z: Any) -> Any:
        return log_ndtr(z)

    def _ppf(self, q: Any) -> Any:
        return ndtri(q)

    def _mean(self) -> Any:
        return 0.0

    def _var(self) -> Any:
        return 1.0

    def _entropy(self) -> Any:
        return 0.5 + LOG_ROOT_2PI


class LogNorm(Continuous):
    """exp(s times a standard normal variate)."""

    shapes = ("s",)
    defaults = (1.0,)
    inner = 1.0
    closed = False

    def support_of(self, s: Any) -> tuple[Any, Any]:
        return 0.0, math.inf

    def _logpdf(self, z: Any, s: Any) -> Any:
        n = log(z)
        return -0.5 * (n / s) ** 2 - n - log(s) - LOG_ROOT_2PI

    def _cdf(self, z: Any, s: Any) -> Any:
        return ndtr(log(z) / s)

    def _sf(self, z: Any, s: Any) -> Any:
        return ndtr(-log(z) / s)

    def _logcdf(self, z: Any, s: Any) -> Any:
        return log_ndtr(log(z) / s)

    def _logsf(self, z: Any, s: Any) -> Any:
        return log_ndtr(-log(z) / s)

    def _ppf(self, q: Any, s: Any) -> Any:
        return exp(s * ndtri(q))

    def _isf(self, q: Any, s: Any) -> Any:
        return exp(-s * ndtri(q))

    def _mean(self, s: Any) -> Any:
        return exp(0.5 * s * s)

    def _var(self, s: Any) -> Any:
        return expm1(s * s) * exp(s * s)

    def _entropy(self, s: Any) -> Any:
        return 0.5 + LOG_ROOT_2PI + log(s)

    def _draw(self, ok: Any, shapes: Any, shape: Any, draws: Any) -> Any:
        return norm._draw(ok, (), shape, draws)

    def _sample(self, z: Any, s: Any) -> Any:
        return exp(s * z)


class HalfNorm(Continuous):
    def support_of(self) -> tuple[Any, Any]:
        return 0.0, math.inf

    def _logpdf(self, z: Any) -> Any:
        return -0.5 * z * z - LOG_ROOT_2PI + LOG2

    def _cdf(self, z: Any) -> Any:
        return erf(z / math.sqrt(2))

    def _sf(self, z: Any) -> Any:
        return 2 * ndtr(-z)

    def _logsf(self, z: Any) -> Any:
        return LOG2 + log_ndtr(-z)

    def _ppf(self, q: Any) -> Any:
        return ndtri(0.5 * (1 + q))

    def _isf(self, q: Any) -> Any:
        return -ndtri(0.5 * q)

    def _mean(self) -> Any:
        return math.sqrt(2 / math.pi)

    def _var(self) -> Any:
        return 1 - 2 / math.pi

    def _entropy(self) -> Any:
        return LOG_ROOT_2PI - LOG2 + 0.5


def _finite_log_ndtr(x: Any) -> Any:
    """log_ndtr with its limits as constants."""
    finite = isfinite(x)
    return where(finite, log_ndtr(where(finite, x, 0.0)), where(x > 0, 0.0, -math.inf))


def _log_mass(a: Any, b: Any) -> Any:
    """log(ndtr(b) - ndtr(a)) for a < b, taken in the tail where both are."""
    flip = a > 0
    lower, upper = where(flip, -b, a), where(flip, -a, b)
    low, high = _finite_log_ndtr(lower), _finite_log_ndtr(upper)
    some = isfinite(low)
    return where(some, high + log1mexp(high - where(some, low, -1e3)), high)


def _density_and_moment(x: Any) -> tuple[Any, Any]:
    """phi(x) and x phi(x), 0 at infinity."""
    finite = isfinite(x)
    x = where(finite, x, 0.0)
    f = where(finite, exp(-0.5 * x * x - LOG_ROOT_2PI), 0.0)
    return f, x * f


class TruncNorm(Continuous):
    """Normal, given that a <= z <= b."""

    shapes = ("a", "b")
    defaults = (-1.0, 1.0)

    def valid(self, a: Any, b: Any) -> Any:
        return a < b

    def support_of(self, a: Any, b: Any) -> tuple[Any, Any]:
        return a, b

    def inner_of(self, a: Any, b: Any) -> Any:
        low, high = isfinite(a), isfinite(b)
        a, b = where(low, a, 0.0), where(high, b, 0.0)
        return where(low & high, 0.5 * (a + b), where(low, a + 1, where(high, b - 1, 0.0)))

    def _logpdf(self, z: Any, a: Any, b: Any) -> Any:
        return -0.5 * z * z - LOG_ROOT_2PI - _log_mass(a, b)

    def _logcdf(self, z: Any, a: Any, b: Any) -> Any:
        y = _log_mass(a, z) - _log_mass(a, b)
        near = y > -0.1  # there the other tail is the accurate one
        rest = where(near, _log_mass(z, b) - _log_mass(a, b), -1.0)
        return where(near, log1mexp(-where(isfinite(rest), rest, -800.0)), y)

    def _logsf(self, z: Any, a: Any, b: Any) -> Any:
        y = _log_mass(z, b) - _log_mass(a, b)
        near = y > -0.1
        rest = where(near, _log_mass(a, z) - _log_mass(a, b), -1.0)
        return where(near, log1mexp(-where(isfinite(rest), rest, -800.0)), y)

    def _cdf(self, z: Any, a: Any, b: Any) -> Any:
        return exp(self._logcdf(z, a, b))

    def _sf(self, z: Any, a: Any, b: Any) -> Any:
        return exp(self._logsf(z, a, b))

    def _ppf(self, q: Any, a: Any, b: Any) -> Any:
        return self._between(q, 1 - q, a, b)

    def _isf(self, q: Any, a: Any, b: Any) -> Any:
        return self._between(1 - q, q, a, b)

    def _between(self, q: Any, rest: Any, a: Any, b: Any) -> Any:
        mass = exp(_log_mass(a, b))
        flip = a > 0
        edge = exp(_finite_log_ndtr(where(flip, -b, a)))
        z = ndtri(edge + where(flip, rest, q) * mass)
        return where(flip, -z, z)

    def _mean(self, a: Any, b: Any) -> Any:
        (fa, _), (fb, _) = _density_and_moment(a), _density_and_moment(b)
        return (fa - fb) * exp(-_log_mass(a, b))

    def _var(self, a: Any, b: Any) -> Any:
        (_, ga), (_, gb) = _density_and_moment(a), _density_and_moment(b)
        m = self._mean(a, b)
        return 1 + (ga - gb) * exp(-_log_mass(a, b)) - m * m

    def _entropy(self, a: Any, b: Any) -> Any:
        (_, ga), (_, gb) = _density_and_moment(a), _density_and_moment(b)
        mass = _log_mass(a, b)
        return 0.5 + LOG_ROOT_2PI + mass + 0.5 * (ga - gb) * exp(-mass)

    def _implicit(self, q: Any, z: Any, a: Any, b: Any) -> Any:
        return truncnorm_quantile(q, z, a, b)


class SkewNorm(Continuous):
    """Azzalini's: twice the normal density times ndtr(a z)."""

    METHODS = tuple(m for m in Continuous.METHODS if m != "entropy")
    shapes = ("a",)
    defaults = (0.0,)
    inner = 0.0

    def valid(self, a: Any) -> Any:
        return isfinite(a)

    def _logpdf(self, z: Any, a: Any) -> Any:
        return LOG2 - 0.5 * z * z - LOG_ROOT_2PI + log_ndtr(a * z)

    def _logcdf(self, z: Any, a: Any) -> Any:
        return self._log_towards(z, a, a >= 0)

    def _logsf(self, z: Any, a: Any) -> Any:
        return self._log_towards(-z, -a, a < 0)

    def _cdf(self, z: Any, a: Any) -> Any:
        return exp(self._logcdf(z, a))

    def _sf(self, z: Any, a: Any) -> Any:
        return exp(self._logsf(z, a))

    def _log_towards(self, z: Any, a: Any, thin: Any) -> Any:
        """log P(X < z) where the left tail is the ``thin`` one (a >= 0), or the other (a <= 0).

        With h = |z| the thin tail beyond h is q = ndtr(-h) - 2 T(h, |a|) and the other tail 2 ndtr(-h) - q.
        """
        left = z < 0
        h = where(left, -z, z)
        log_q = log_quadrant(h, where(a < 0, -a, a))
        log_half = log_ndtr(-h)
        log_rest = log_half + log(2 - exp(log_q - log_half))
        right = log_of(exp(log_q) + erf(where(left, 0.0, z) / math.sqrt(2)), exp(log_rest))
        return where(thin, where(left, log_q, right), where(left, log_rest, log1p(-exp(log_q))))

    def _implicit(self, q: Any, z: Any, a: Any) -> Any:
        return skewnorm_quantile(q, z, a)

    def _mean(self, a: Any) -> Any:
        return math.sqrt(2 / math.pi) * a / sqrt(1 + a * a)

    def _var(self, a: Any) -> Any:
        m = self._mean(a)
        return 1 - m * m


norm = Norm("norm")
lognorm = LogNorm("lognorm")
halfnorm = HalfNorm("halfnorm")
truncnorm = TruncNorm("truncnorm")
skewnorm = SkewNorm("skewnorm")
