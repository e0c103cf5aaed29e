"""expm1(z) / z and log1p(z) / z near z = 0, smooth there: integrals, whose derivatives are integrals of the same kind.

A truncated series has no more derivatives than terms, and the quotients lose a power of 1 / z with each derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops.arithmetic import absolute, stop_gradient, where
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples
from dualad.ops.special import _fixed, precision
from dualad.ops.transcendental import expm1, log1p


def _integral(f: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """int_0^1 f(t, n, z) dt by Gauss-Legendre quadrature, exact to rounding for the arguments that occur."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    t, weights = 0.5 * (nodes + 1), 0.5 * weights

    def impl(n: Any, z: Any) -> Any:
        k, x = np.asarray(n)[..., None], np.asarray(z, np.result_type(np.asarray(z).dtype, np.float64))[..., None]
        y = f(t, k, x) @ weights
        return y.astype(np.asarray(z).dtype if np.iscomplexobj(z) else precision(z))[()]

    return impl


def _samples(*z: float) -> Samples:
    return lambda: [Sample((np.array([n]), np.array(z))) for n in (0, 3)]


exponential_moment: Primitive = elementwise(
    "exponential_moment",
    _integral(lambda t, n, z: t**n * np.exp(z * t)),
    (_fixed("exponential_moment", "n"), lambda y, n, z: exponential_moment(n + 1, z)),
    keep="x",
    samples=_samples(0.0, 0.4, -0.9),
    source="int_0^1 t^n exp(z t) dt",
)
exponential_moment.__doc__ = "The n-th derivative of expm1(z) / z, for abs(z) <= 1."

reciprocal_moment: Primitive = elementwise(
    "reciprocal_moment",
    _integral(lambda t, n, z: t**n / (1 + z * t) ** (n + 1)),
    (_fixed("reciprocal_moment", "n"), lambda y, n, z: -(n + 1.0) * reciprocal_moment(n + 1, z)),
    keep="x",
    samples=_samples(0.0, 0.3, -0.45),
    source="int_0^1 t^n (1 + z t)^-(n + 1) dt",
)
reciprocal_moment.__doc__ = "log1p(z) / z and, up to a factor, its n-th derivative, for abs(z) <= 1/2."


def relative_expm1(k: Any, u: Any) -> Any:
    """expm1(k u) / k, and u at k = 0."""
    z = k * u
    near = absolute(stop_gradient(z)) < 1.0
    far = expm1(where(near, 1.0, z)) / where(near, 1.0, k)
    return where(near, u * exponential_moment(0, where(near, z, 0.0)), far)


def relative_log1p(k: Any, u: Any) -> Any:
    """log1p(k u) / k, and u at k = 0."""
    z = k * u
    near = absolute(stop_gradient(z)) < 0.5
    far = log1p(where(near, 1.0, z)) / where(near, 1.0, k)
    return where(near, u * reciprocal_moment(0, where(near, z, 0.0)), far)
