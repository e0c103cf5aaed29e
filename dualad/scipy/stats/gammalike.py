"""Distributions by the incomplete gamma and beta functions: gamma, invgamma, chi2, beta, t, f."""

from __future__ import annotations

import math
from typing import Any

from dualad.ops.arithmetic import where
from dualad.ops.sampling import beta_quantile, f_quantile, gamma_quantile, t_quantile
from dualad.ops.special import betaln, digamma, gammaln
from dualad.ops.specials import special
from dualad.ops.transcendental import log, log1p
from dualad.scipy.stats.distribution import LOG2, Continuous, Symmetric, edge_xlog1py, edge_xlogy


class Gamma(Continuous):
    shapes = ("a",)
    defaults = (1.0,)
    inner = 1.0

    def support_of(self, *shapes: Any) -> tuple[Any, Any]:
        return 0.0, math.inf

    def _logpdf(self, z: Any, a: Any) -> Any:
        return edge_xlogy(a - 1, z) - z - gammaln(a)

    def _cdf(self, z: Any, a: Any) -> Any:
        return special("gammainc")(a, z)

    def _sf(self, z: Any, a: Any) -> Any:
        return special("gammaincc")(a, z)

    def _implicit(self, q: Any, z: Any, a: Any) -> Any:
        return gamma_quantile(q, z, a)

    def _mean(self, a: Any) -> Any:
        return a

    def _var(self, a: Any) -> Any:
        return a

    def _entropy(self, a: Any) -> Any:
        return a + gammaln(a) + (1 - a) * digamma(a)


class InvGamma(Continuous):
    """1 / z is gamma-distributed."""

    shapes = ("a",)
    defaults = (1.0,)
    inner = 1.0
    closed = False

    def support_of(self, *shapes: Any) -> tuple[Any, Any]:
        return 0.0, math.inf

    def _logpdf(self, z: Any, a: Any) -> Any:
        return -(a + 1) * log(z) - gammaln(a) - 1 / z

    def _cdf(self, z: Any, a: Any) -> Any:
        return special("gammaincc")(a, 1 / z)

    def _sf(self, z: Any, a: Any) -> Any:
        return special("gammainc")(a, 1 / z)

    def _implicit(self, q: Any, z: Any, a: Any) -> Any:
        return 1 / gamma_quantile(1 - q, 1 / z, a)

    def _mean(self, a: Any) -> Any:
        ok = a > 1
        return where(ok, 1 / (where(ok, a, 2.0) - 1), math.inf)

    def _var(self, a: Any) -> Any:
        ok = a > 2
        a = where(ok, a, 3.0)
        return where(ok, 1 / ((a - 1) ** 2 * (a - 2)), math.inf)

    def _entropy(self, a: Any) -> Any:
        return a + gammaln(a) - (a + 1) * digamma(a)


class Chi2(Continuous):
    """z / 2 is gamma-distributed with shape df / 2."""

    shapes = ("df",)
    defaults = (1.0,)
    inner = 1.0

    def support_of(self, *shapes: Any) -> tuple[Any, Any]:
        return 0.0, math.inf

    def _logpdf(self, z: Any, df: Any) -> Any:
        return edge_xlogy(0.5 * df - 1, 0.5 * z) - 0.5 * z - gammaln(0.5 * df) - LOG2

    def _cdf(self, z: Any, df: Any) -> Any:
        return special("gammainc")(0.5 * df, 0.5 * z)

    def _sf(self, z: Any, df: Any) -> Any:
        return special("gammaincc")(0.5 * df, 0.5 * z)

    def _implicit(self, q: Any, z: Any, df: Any) -> Any:
        return 2 * gamma_quantile(q, 0.5 * z, 0.5 * df)

    def _mean(self, df: Any) -> Any:
        return df

    def _var(self, df: Any) -> Any:
        return 2 * df

    def _entropy(self, df: Any) -> Any:
        h = 0.5 * df
        return h + LOG2 + gammaln(h) + (1 - h) * digamma(h)


class Beta(Continuous):
    shapes = ("a", "b")
    defaults = (1.0, 1.0)

    def support_of(self, *shapes: Any) -> tuple[Any, Any]:
        return 0.0, 1.0

    def _logpdf(self, z: Any, a: Any, b: Any) -> Any:
        return edge_xlogy(a - 1, z) + edge_xlog1py(b - 1, -z) - betaln(a, b)

    def _cdf(self, z: Any, a: Any, b: Any) -> Any:
        return special("betainc")(a, b, z)

    def _sf(self, z: Any, a: Any, b: Any) -> Any:
        return special("betainc")(b, a, 1 - z)

    def _implicit(self, q: Any, z: Any, a: Any, b: Any) -> Any:
        return beta_quantile(q, z, a, b)

    def _mean(self, a: Any, b: Any) -> Any:
        return a / (a + b)

    def _var(self, a: Any, b: Any) -> Any:
        return a * b / ((a + b) ** 2 * (a + b + 1))

    def _entropy(self, a: Any, b: Any) -> Any:
        return betaln(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b) + (a + b - 2) * digamma(a + b)


class StudentT(Symmetric):
    shapes = ("df",)
    defaults = (1.0,)

    def _logpdf(self, z: Any, df: Any) -> Any:
        return -0.5 * (df + 1) * log1p(z * z / df) - 0.5 * log(df) - betaln(0.5 * df, 0.5)

    def _cdf(self, z: Any, df: Any) -> Any:
        return special("stdtr")(df, z)

    def _implicit(self, q: Any, z: Any, df: Any) -> Any:
        return t_quantile(q, z, df)

    def _mean(self, df: Any) -> Any:
        return where(df > 1, 0 * df, math.inf)

    def _var(self, df: Any) -> Any:
        ok = df > 2
        safe = where(ok, df, 3.0)
        return where(ok, safe / (safe - 2), where(df > 1, math.inf, math.nan))

    def _entropy(self, df: Any) -> Any:
        h, k = 0.5 * df, 0.5 * (df + 1)
        return k * (digamma(k) - digamma(h)) + 0.5 * log(df) + betaln(h, 0.5)


class F(Continuous):
    """The ratio of two chi2 variates, each over its degrees of freedom."""

    shapes = ("dfn", "dfd")
    defaults = (1.0, 1.0)
    inner = 1.0

    def support_of(self, *shapes: Any) -> tuple[Any, Any]:
        return 0.0, math.inf

    def _logpdf(self, z: Any, n: Any, m: Any) -> Any:
        power = edge_xlogy(0.5 * n - 1, z)
        return power + 0.5 * n * log(n / m) - 0.5 * (n + m) * log1p(n * z / m) - betaln(0.5 * n, 0.5 * m)

    def _cdf(self, z: Any, n: Any, m: Any) -> Any:
        return special("betainc")(0.5 * n, 0.5 * m, n * z / (m + n * z))

    def _sf(self, z: Any, n: Any, m: Any) -> Any:
        return special("betainc")(0.5 * m, 0.5 * n, m / (m + n * z))

    def _implicit(self, q: Any, z: Any, n: Any, m: Any) -> Any:
        return f_quantile(q, z, n, m)

    def _mean(self, n: Any, m: Any) -> Any:
        ok = m > 2
        safe = where(ok, m, 3.0)
        return where(ok, safe / (safe - 2) + 0 * n, math.inf)

    def _var(self, n: Any, m: Any) -> Any:
        ok = m > 4
        safe = where(ok, m, 5.0)
        return where(ok, 2 * safe * safe * (n + safe - 2) / (n * (safe - 2) ** 2 * (safe - 4)), math.inf)

    def _entropy(self, n: Any, m: Any) -> Any:
        a, b = 0.5 * n, 0.5 * m
        psi = (1 - a) * digamma(a) - (1 + b) * digamma(b) + (a + b) * digamma(a + b)
        return log(m / n) + betaln(a, b) + psi


gamma = Gamma("gamma")
invgamma = InvGamma("invgamma")
chi2 = Chi2("chi2")
beta = Beta("beta")
t = StudentT("t")
f = F("f")
