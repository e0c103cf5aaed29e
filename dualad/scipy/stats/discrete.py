"""Distributions of integers: bernoulli, binom, poisson, geom, nbinom, betabinom."""

from __future__ import annotations

from typing import Any

from dualad.ops.arithmetic import equal, where
from dualad.ops.rounding import floor
from dualad.ops.special import betaln, entr, gammaln
from dualad.ops.specials import special
from dualad.ops.transcendental import exp, expm1, log, log1p
from dualad.scipy.stats.distribution import Discrete, log1mexp


def times_log(k: Any, p: Any) -> Any:
    """k log p for a count k: 0 where k = 0, with zero derivative."""
    none = equal(k, 0)
    return where(none, 0.0, k * log(where(none, 1.0, p)))


def times_log1m(k: Any, p: Any) -> Any:
    """k log(1 - p) for a count k, as ``times_log``."""
    none = equal(k, 0)
    return where(none, 0.0, k * log1p(-where(none, 0.0, p)))


def _whole(n: Any) -> Any:
    return (n >= 0) & equal(n, floor(n))


class Bernoulli(Discrete):
    METHODS = (*Discrete.METHODS, "entropy")
    shapes = ("p",)
    defaults = (0.5,)

    def valid(self, p: Any) -> Any:
        return (p >= 0) & (p <= 1)

    def highest(self, p: Any) -> Any:
        return 1.0

    def _logpmf(self, k: Any, p: Any) -> Any:
        return times_log(k, p) + times_log1m(1 - k, p)

    def _cdf(self, k: Any, p: Any) -> Any:
        return 1 - p + 0 * k

    def _sf(self, k: Any, p: Any) -> Any:
        return p + 0 * k

    def _logcdf(self, k: Any, p: Any) -> Any:
        return log1p(-p) + 0 * k

    def _logsf(self, k: Any, p: Any) -> Any:
        return log(p) + 0 * k

    def _mean(self, p: Any) -> Any:
        return p

    def _var(self, p: Any) -> Any:
        return p * (1 - p)

    def _entropy(self, p: Any) -> Any:
        return entr(p) + entr(1 - p)


class Binom(Discrete):
    shapes = ("n", "p")
    defaults = (1.0, 0.5)
    whole = ("n",)

    def valid(self, n: Any, p: Any) -> Any:
        return _whole(n) & (p >= 0) & (p <= 1)

    def highest(self, n: Any, p: Any) -> Any:
        return n

    def inner_shapes(self, inside: Any, n: Any, p: Any) -> tuple[Any, ...]:
        return where(inside, n, 1.0), p

    def _logpmf(self, k: Any, n: Any, p: Any) -> Any:
        ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return ways + times_log(k, p) + times_log1m(n - k, p)

    def _cdf(self, k: Any, n: Any, p: Any) -> Any:
        return special("betainc")(n - k, k + 1, 1 - p)

    def _sf(self, k: Any, n: Any, p: Any) -> Any:
        return special("betainc")(k + 1, n - k, p)

    def _mean(self, n: Any, p: Any) -> Any:
        return n * p

    def _var(self, n: Any, p: Any) -> Any:
        return n * p * (1 - p)


class Poisson(Discrete):
    shapes = ("mu",)
    defaults = (1.0,)

    def valid(self, mu: Any) -> Any:
        return mu >= 0

    def _logpmf(self, k: Any, mu: Any) -> Any:
        return times_log(k, mu) - gammaln(k + 1) - mu

    def _cdf(self, k: Any, mu: Any) -> Any:
        return special("gammaincc")(k + 1, mu)

    def _sf(self, k: Any, mu: Any) -> Any:
        return special("gammainc")(k + 1, mu)

    def _mean(self, mu: Any) -> Any:
        return mu

    def _var(self, mu: Any) -> Any:
        return mu


class Geom(Discrete):
    """The number of trials up to the first success: 1, 2, ..."""

    METHODS = (*Discrete.METHODS, "entropy")
    shapes = ("p",)
    defaults = (0.5,)
    lowest = 1.0

    def valid(self, p: Any) -> Any:
        return (p > 0) & (p <= 1)

    def _logpmf(self, k: Any, p: Any) -> Any:
        return times_log1m(k - 1, p) + log(p)

    def _cdf(self, k: Any, p: Any) -> Any:
        return -expm1(k * log1p(-p))

    def _sf(self, k: Any, p: Any) -> Any:
        return exp(k * log1p(-p))

    def _logcdf(self, k: Any, p: Any) -> Any:
        return log1mexp(-k * log1p(-p))

    def _logsf(self, k: Any, p: Any) -> Any:
        return k * log1p(-p)

    def _mean(self, p: Any) -> Any:
        return 1 / p

    def _var(self, p: Any) -> Any:
        return (1 - p) / (p * p)

    def _entropy(self, p: Any) -> Any:
        return -log(p) + entr(1 - p) / p


class NegativeBinom(Discrete):
    """The number of failures before n successes; n is real."""

    shapes = ("n", "p")
    defaults = (1.0, 0.5)

    def valid(self, n: Any, p: Any) -> Any:
        return (n > 0) & (p > 0) & (p <= 1)

    def _logpmf(self, k: Any, n: Any, p: Any) -> Any:
        return gammaln(n + k) - gammaln(k + 1) - gammaln(n) + n * log(p) + times_log1m(k, p)

    def _cdf(self, k: Any, n: Any, p: Any) -> Any:
        return special("betainc")(n, k + 1, p)

    def _sf(self, k: Any, n: Any, p: Any) -> Any:
        return special("betainc")(k + 1, n, 1 - p)

    def _mean(self, n: Any, p: Any) -> Any:
        return n * (1 - p) / p

    def _var(self, n: Any, p: Any) -> Any:
        return n * (1 - p) / (p * p)


class BetaBinom(Discrete):
    """Binomial with a beta-distributed probability."""

    METHODS = ("pmf", "logpmf", "mean", "var", "std", "rvs")
    shapes = ("n", "a", "b")
    defaults = (1.0, 1.0, 1.0)
    whole = ("n",)

    def valid(self, n: Any, a: Any, b: Any) -> Any:
        return _whole(n) & (a > 0) & (b > 0)

    def highest(self, n: Any, a: Any, b: Any) -> Any:
        return n

    def _logpmf(self, k: Any, n: Any, a: Any, b: Any) -> Any:
        return -log(n + 1) - betaln(n - k + 1, k + 1) + betaln(k + a, n - k + b) - betaln(a, b)

    def _mean(self, n: Any, a: Any, b: Any) -> Any:
        return n * a / (a + b)

    def _var(self, n: Any, a: Any, b: Any) -> Any:
        s = a + b
        return n * (s + n) * a * b / (s * s * (s + 1))


bernoulli = Bernoulli("bernoulli")
binom = Binom("binom")
poisson = Poisson("poisson")
geom = Geom("geom")
nbinom = NegativeBinom("nbinom")
betabinom = BetaBinom("betabinom")
