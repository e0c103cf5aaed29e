"""Incomplete gamma and beta functions with derivatives of every order in all arguments.

SciPy evaluates the functions. Their derivatives in the parameters are integrals of the same kind with powers of logarithms,

    L(p; a, x)       = int_0^x   t^(a-1) e^-t log(t/x)^p dt / Gamma(a),        U(p; a, x): the same from x to infinity,
    M(p, q; a, b, x) = int_0^x   t^(a-1) (1-t)^(b-1) log(t/x)^p log((1-t)/(1-x))^q dt / B(a, b),

families that are closed under differentiation: the derivative in a raises p, that in b raises q, that in x lowers them. Of the
function and its complement that one is differentiated which is small, so that terms of equal sign are added. The integrals
are computed by the double-exponential rule (Takahasi & Mori 1974) after t = x e^-w.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.ops.arithmetic import equal, sign, where
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples
from dualad.ops.special import _declare, _fixed, _scipy, betaln, digamma, gammaln, precision, xlog1py, xlogy
from dualad.ops.transcendental import exp, log, log1p

_STEP = 0.06
_U = np.arange(-70, 120) * _STEP
_NODES = np.exp(_U - np.exp(-_U))
_WEIGHTS = _NODES * (1 + np.exp(-_U)) * _STEP


def _integral(f: Callable[[Any], Any], scale: Any) -> Any:
    """int_0^inf f(w) dw of an f that decays at least exponentially beyond ``scale``."""
    return (f(scale[..., None] * _NODES) * _WEIGHTS).sum(-1) * scale


def _evaluated(f: Callable[..., Any], *args: Any) -> Any:
    """Broadcast in double precision, without NumPy's warnings, 0 at infinity; in the precision of the arguments."""
    dtype = precision(*args)
    arrays = np.broadcast_arrays(*[np.asarray(a, float) for a in args])
    with np.errstate(all="ignore"):
        y = f(*arrays)
    return np.where(np.isinf(arrays[-1]), 0.0, y).astype(dtype)[()]


def _gamma_moment(sense: int) -> Callable[..., Any]:
    def impl(p: Any, a: Any, x: Any) -> Any:
        def f(p: Any, a: Any, x: Any) -> Any:
            special = _scipy("gammaln"), _scipy("xlogy")
            front = np.exp(special[1](a, x) - x - special[0](a))
            scale = 1 / (np.abs(a - x) + np.sqrt(x) + 1e-300)
            p, a, x = p[..., None], a[..., None], x[..., None]
            return front * _integral(
                lambda w: np.exp(sense * a * w - x * np.expm1(sense * w)) * (sense * w) ** p, scale
            )

        return _evaluated(f, p, a, x)

    return impl


def _beta_moment(p: Any, q: Any, a: Any, b: Any, x: Any) -> Any:
    def f(p: Any, q: Any, a: Any, b: Any, x: Any) -> Any:
        odds = x / (1 - x)
        front = np.exp(_scipy("xlogy")(a, x) + _scipy("xlog1py")(b - 1, -x) - _scipy("betaln")(a, b))
        scale = 1 / (np.abs(a - (b - 1) * odds) + np.sqrt(np.abs(b - 1) * x) / (1 - x) + 1e-300)
        p, q, a, b, odds = (v[..., None] for v in (p, q, a, b, odds))

        def integrand(w: Any) -> Any:
            ratio = np.log1p(-odds * np.expm1(-w))
            return np.exp(-a * w + (b - 1) * ratio) * (-w) ** p * ratio**q

        return front * _integral(integrand, scale)

    return np.where(np.asarray(x) < 1, _evaluated(f, p, q, a, b, x), 0.0).astype(np.result_type(a, b, x, np.float32))[
        ()
    ]


def _moments(*orders: tuple[int, ...], parameters: tuple[tuple[float, float], ...]) -> Samples:
    """Samples with integer orders first, which do not move."""

    def samples() -> list[Sample]:
        rng = np.random.default_rng(12)
        return [Sample((*map(np.array, o), *[rng.uniform(lo, hi, 3) for lo, hi in parameters])) for o in orders]

    return samples


def _log(x: Any) -> Any:
    """log x where x > 0; where x = 0 it only meets factors that are 0."""
    return log(where(equal(x, 0), 1.0, x))


def _nonnegative(p: Any) -> Any:
    return np.maximum(p, 0)


# Gamma: DLMF 8.2, 8.8.

_GAMMA_SAMPLES = _moments((1,), (2,), parameters=((2, 3), (2, 4)))
lower_gamma_moment = elementwise(
    "lower_gamma_moment",
    _gamma_moment(-1),
    (
        _fixed("lower_gamma_moment", "p"),
        lambda y, p, a, x: lower_gamma_moment(p + 1, a, x) + (_log(x) - digamma(a)) * y,
        lambda y, p, a, x: (p == 0) * gamma_density(a, x) - p * lower_gamma_moment(_nonnegative(p - 1), a, x) / x,
    ),
    keep="xy",
    singular=True,
    samples=_GAMMA_SAMPLES,
    source="differentiation under the integral sign",
)
upper_gamma_moment = elementwise(
    "upper_gamma_moment",
    _gamma_moment(1),
    (
        _fixed("upper_gamma_moment", "p"),
        lambda y, p, a, x: upper_gamma_moment(p + 1, a, x) + (_log(x) - digamma(a)) * y,
        lambda y, p, a, x: (
            -1.0 * (p == 0) * gamma_density(a, x) - p * upper_gamma_moment(_nonnegative(p - 1), a, x) / x
        ),
    ),
    keep="xy",
    singular=True,
    samples=_GAMMA_SAMPLES,
    source="differentiation under the integral sign",
)


def gamma_density(a: Any, x: Any) -> Any:
    """x^(a-1) e^-x / Gamma(a)."""
    return exp(xlogy(a - 1, x) - x - gammaln(a))


def _gamma_in_a(lower: Any, upper: Any, a: Any, x: Any) -> Any:
    """d/da of the lower function."""
    shift = _log(x) - digamma(a)
    return where(
        (x < a) | (x < 1),
        lower_gamma_moment(1, a, x) + shift * lower,
        -(upper_gamma_moment(1, a, x) + shift * upper),
    )


_SHAPE = _moments((), parameters=((0.5, 4), (0.5, 5)))
gammainc = _declare(
    "gammainc",
    (lambda y, a, x: _gamma_in_a(y, gammaincc(a, x), a, x), lambda y, a, x: gamma_density(a, x)),
    keep="xy",
    singular=True,
    samples=_SHAPE,
    source="DLMF 8.8.13 and this module",
)
gammaincc = _declare(
    "gammaincc",
    (lambda y, a, x: -_gamma_in_a(gammainc(a, x), y, a, x), lambda y, a, x: -gamma_density(a, x)),
    keep="xy",
    singular=True,
    samples=_SHAPE,
    source="DLMF 8.8.14 and this module",
)
_QUANTILE = _moments((), parameters=((4, 6), (0.45, 0.55)))
gammaincinv = _declare(
    "gammaincinv",
    (
        lambda y, a, p: -_gamma_in_a(p, 1 - p, a, y) / gamma_density(a, y),
        lambda y, a, p: 1 / gamma_density(a, y),
    ),
    keep="xy",
    singular=True,
    samples=_QUANTILE,
    source="the implicit function theorem",
)
gammainccinv = _declare(
    "gammainccinv",
    (
        lambda y, a, p: -_gamma_in_a(1 - p, p, a, y) / gamma_density(a, y),
        lambda y, a, p: -1 / gamma_density(a, y),
    ),
    keep="xy",
    singular=True,
    samples=_QUANTILE,
    source="the implicit function theorem",
)

# Beta: DLMF 8.17.

beta_moment = elementwise(
    "beta_moment",
    _beta_moment,
    (
        _fixed("beta_moment", "p"),
        _fixed("beta_moment", "q"),
        lambda y, p, q, a, b, x: beta_moment(p + 1, q, a, b, x) + (_log(x) - digamma(a) + digamma(a + b)) * y,
        lambda y, p, q, a, b, x: beta_moment(p, q + 1, a, b, x) + (_log(1 - x) - digamma(b) + digamma(a + b)) * y,
        lambda y, p, q, a, b, x: (
            ((p == 0) & (q == 0)) * beta_density(a, b, x)
            - p * beta_moment(_nonnegative(p - 1), q, a, b, x) / x
            + q * beta_moment(p, _nonnegative(q - 1), a, b, x) / (1 - x)
        ),
    ),
    keep="xy",
    singular=True,
    samples=_moments((1, 0), (0, 1), (1, 1), parameters=((2, 3), (2, 3), (0.4, 0.6))),
    source="differentiation under the integral sign",
)


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """x^(a-1) (1-x)^(b-1) / B(a, b)."""
    return exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


def _beta_in_a(lower: Any, upper: Any, a: Any, b: Any, x: Any) -> Any:
    """d/da of the lower function; below the mean from its own integral, above from that of the complement."""
    shift = _log(x) - digamma(a) + digamma(a + b)
    return where(
        x * (a + b) < a, beta_moment(1, 0, a, b, x) + shift * lower, -(beta_moment(0, 1, b, a, 1 - x) + shift * upper)
    )


def _beta_in_b(lower: Any, upper: Any, a: Any, b: Any, x: Any) -> Any:
    """d/db of the lower function, by its symmetry."""
    return -_beta_in_a(upper, lower, b, a, 1 - x)


_BETA = _moments((), parameters=((2, 4), (2, 4), (0.35, 0.65)))
betainc = _declare(
    "betainc",
    (
        lambda y, a, b, x: _beta_in_a(y, betaincc(a, b, x), a, b, x),
        lambda y, a, b, x: _beta_in_b(y, betaincc(a, b, x), a, b, x),
        lambda y, a, b, x: beta_density(a, b, x),
    ),
    keep="xy",
    singular=True,
    samples=_BETA,
    source="DLMF 8.17.2 and this module",
)
betaincc = _declare(
    "betaincc",
    (
        lambda y, a, b, x: -_beta_in_a(betainc(a, b, x), y, a, b, x),
        lambda y, a, b, x: -_beta_in_b(betainc(a, b, x), y, a, b, x),
        lambda y, a, b, x: -beta_density(a, b, x),
    ),
    keep="xy",
    singular=True,
    samples=_BETA,
    source="DLMF 8.17.4 and this module",
)
betaincinv = _declare(
    "betaincinv",
    (
        lambda y, a, b, p: -_beta_in_a(p, 1 - p, a, b, y) / beta_density(a, b, y),
        lambda y, a, b, p: -_beta_in_b(p, 1 - p, a, b, y) / beta_density(a, b, y),
        lambda y, a, b, p: 1 / beta_density(a, b, y),
    ),
    keep="xy",
    singular=True,
    samples=_BETA,
    source="the implicit function theorem",
)

# Student's distribution: DLMF 8.17, Abramowitz & Stegun 26.7.1.


def t_density(df: Any, x: Any) -> Any:
    """Student's density."""
    return exp(-0.5 * (df + 1) * log1p(x * x / df) - 0.5 * log(1.0 * df) - betaln(0.5 * df, 0.5))


def _t_in_df(df: Any, x: Any) -> Any:
    """d/d df of Student's cumulative distribution, 1 - I(df/2, 1/2; z)/2 at x > 0 with z = df / (df + x^2)."""
    z = df / (df + x * x)
    a = 0.5 * df
    tail = betainc(a, 0.5, z)
    # z (1 - z) / df is dz/d df, which cancels the density's poles at 0 and 1.
    moved = exp(xlogy(a, z) + xlogy(0.5, 1 - z) - betaln(a, 0.5)) / df
    return -0.5 * sign(x) * (0.5 * _beta_in_a(tail, betaincc(a, 0.5, z), a, 0.5, z) + moved)


_DF = _moments((), parameters=((1.5, 6), (-2, 2)))
stdtr = _declare(
    "stdtr",
    (lambda y, df, x: _t_in_df(df, x), lambda y, df, x: t_density(df, x)),
    keep="x",
    singular=True,
    samples=_DF,
    source="Abramowitz & Stegun 26.7.1",
)
stdtrit = _declare(
    "stdtrit",
    (lambda y, df, p: -_t_in_df(df, y) / t_density(df, y), lambda y, df, p: 1 / t_density(df, y)),
    keep="xy",
    singular=True,
    samples=_moments((), parameters=((5, 8), (0.45, 0.55))),
    source="the implicit function theorem",
)
