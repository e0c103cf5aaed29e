"""Oracles of the primitives behind dualad.scipy.stats."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import jax.scipy.stats as stats
import numpy as np


def _quantile(cdf: Any) -> Any:
    """z with the derivatives of the q-quantile, from the cumulative distribution ``cdf(z, *shapes)``."""

    @jax.custom_jvp
    def f(q: Any, z: Any, *shapes: Any) -> Any:
        return z + 0.0 * q

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        y = f(*primals)
        shapes = [jnp.asarray(s, float) for s in primals[2:]]
        moving = [
            jnp.zeros_like(s) if t.dtype == jax.dtypes.float0 else t for s, t in zip(shapes, tangents[2:], strict=True)
        ]
        density = jax.jvp(lambda y: cdf(y, *shapes), (y,), (jnp.ones_like(y),))[1]
        shift = jax.jvp(lambda *s: cdf(y, *s), tuple(shapes), tuple(moving))[1]
        return y, (tangents[0] - shift) / density

    return f


def _by_density(density: Any, lo: float) -> Any:
    """The integral of a density from a fixed point: a cumulative distribution up to a constant, if only x moves."""
    nodes, weights = (jnp.asarray(v) for v in np.polynomial.legendre.leggauss(40))

    def cdf(x: Any, *shapes: Any) -> Any:
        at = lo + (x - lo) * 0.5 * (nodes[:, None] + 1)
        return jnp.sum(weights[:, None] * density(at, *shapes), 0) * 0.5 * (x - lo)

    return cdf


def _vonmises(x: Any, kappa: Any) -> Any:
    return jnp.exp(kappa * jnp.cos(x)) / (2 * jnp.pi * special.i0(kappa))


def _skewnorm(x: Any, a: Any) -> Any:
    return 2 * stats.norm.pdf(x) * stats.norm.cdf(a * x)


def _truncnorm(x: Any, a: Any, b: Any) -> Any:
    c = stats.norm.cdf
    return (c(x) - c(a)) / (c(b) - c(a))


def _owens_t(h: Any, a: Any) -> Any:
    return jnp.vectorize(_owens_integral)(h, a).astype(jnp.result_type(h, a))


def _owens_integral(h: Any, a: Any) -> Any:
    nodes, weights = np.polynomial.legendre.leggauss(40)
    t = 0.5 * a * (nodes + 1)
    return 0.5 * a * jnp.sum(weights * jnp.exp(-0.5 * h * h * (1 + t * t)) / (1 + t * t)) / (2 * jnp.pi)


def _log_quadrant(h: Any, a: Any) -> Any:
    """log of 2 int_h^inf phi(t) ndtr(-a t) dt, with t - h = exp(pi/2 sinh(s))."""
    s, step = np.linspace(-3.8, 1.8, 240, retstep=True)
    u = np.exp(np.pi / 2 * np.sinh(s))
    weight = step * u * np.pi / 2 * np.cosh(s)

    def one(h: Any, a: Any) -> Any:
        t = h + u
        return special.logsumexp(stats.norm.logpdf(t) + special.log_ndtr(-a * t), b=2 * weight)

    return jnp.vectorize(one)(jnp.asarray(h, float), jnp.asarray(a, float)).astype(jnp.result_type(h, a))


def _f(x: Any, n: Any, m: Any) -> Any:
    return stats.beta.pdf(n * x / (m + n * x), n / 2, m / 2) * n * m / (m + n * x) ** 2


def _no_derivative(alpha: Any, z: Any) -> Any:
    return jnp.broadcast_arrays(jax.lax.stop_gradient(z), alpha)[0]


def normal_box(cov: Any, upper: Any, lower: Any = None, **_: Any) -> Any:
    """Variable by variable, by Gauss-Legendre quadrature; an infinite end is 11 standard deviations away."""
    cov = 0.5 * (cov + cov.T)
    if lower is None:
        lower = jnp.full_like(upper, -jnp.inf)
    return jnp.vectorize(lambda b, a: _box(cov, a, b), signature="(n),(n)->()")(upper, lower)


def _box(cov: Any, lower: Any, upper: Any) -> Any:
    scale = jnp.sqrt(cov[0, 0])
    far = 11 * jax.lax.stop_gradient(scale)
    a, b = jnp.clip(lower[0], -far, far), jnp.clip(upper[0], -far, far)
    if len(cov) == 1:
        return special.ndtr(b / scale) - special.ndtr(a / scale)
    nodes, weights = (jnp.asarray(v) for v in np.polynomial.legendre.leggauss(64))
    x = a + (b - a) * 0.5 * (nodes + 1)
    slope = cov[0, 1:] / cov[0, 0]
    rest = cov[1:, 1:] - jnp.outer(slope, cov[0, 1:])
    given = jax.vmap(lambda x: stats.norm.pdf(x, 0, scale) * _box(rest, lower[1:] - slope * x, upper[1:] - slope * x))
    return 0.5 * (b - a) * jnp.sum(weights * given(x))


ORACLE: dict[str, Any] = {
    "owens_t": _owens_t,
    "log_quadrant": _log_quadrant,
    "gamma_quantile": _quantile(_by_density(stats.gamma.pdf, 1.0)),
    "beta_quantile": _quantile(_by_density(stats.beta.pdf, 0.5)),
    "t_quantile": _quantile(_by_density(stats.t.pdf, 0.0)),
    "f_quantile": _quantile(_by_density(_f, 1.0)),
    "truncnorm_quantile": _quantile(_truncnorm),
    "skewnorm_quantile": _quantile(_by_density(_skewnorm, -9.0)),
    "vonmises_quantile": _quantile(_by_density(_vonmises, 0.0)),
    "vonmises_cumulative": lambda x, kappa: 0.5 + _by_density(_vonmises, 0.0)(x, kappa),
    "normal_box": normal_box,
    "dirichlet_sample": _no_derivative,
}
