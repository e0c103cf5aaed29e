"""Special functions that belong to no family: Lambert's W, losses, functions of degrees, and others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.ops.airy import spherical_in
from dualad.ops.arithmetic import sign, where
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples, pair, real
from dualad.ops.special import _declare, _fixed, _riemann_slope, _scipy
from dualad.ops.transcendental import cosh, exp, log, power, sin, sqrt

_DEGREE = math.pi / 180


def _lambert_samples() -> list[Sample]:
    rng = np.random.default_rng(25)
    z = rng.uniform(0.2, 3, 3) + 1j * rng.uniform(-1, 1, 3)
    return [Sample((z, np.array(k))) for k in (0, -1, 2)]


lambert_w = elementwise(
    "lambert_w",
    lambda z, k: _scipy("lambertw")(z, k),
    (lambda y, z, k: exp(-y) / (1 + y), _fixed("lambertw", "k")),
    keep="y",
    singular=True,
    samples=_lambert_samples,
    source="DLMF 4.13.4",
)


wrightomega = _declare(
    "wrightomega", (lambda y, x: y / (1 + y),), keep="y", samples=real(-3, 4), source="Corless & Jeffrey 2002"
)

# Losses.

huber = _declare(
    "huber",
    (
        lambda y, delta, r: where(abs(r) <= delta, 0.0, abs(r) - delta),
        lambda y, delta, r: where(abs(r) <= delta, r, delta * sign(r)),
    ),
    keep="x",
    samples=pair((0.5, 1), (-3, 3)),
    source="Huber 1964, Ann. Math. Stat. 35",
)
pseudo_huber = _declare(
    "pseudo_huber",
    (
        lambda y, delta, r: (2 * y - r * (r / sqrt(1 + (r / delta) ** 2))) / delta,
        lambda y, delta, r: r / sqrt(1 + (r / delta) ** 2),
    ),
    keep="xy",
    samples=pair((0.5, 2), (-3, 3)),
    source="Charbonnier et al. 1997, IEEE Trans. Image Process. 6",
)

# Elementary functions without cancellation, and of degrees.

cosm1 = _declare("cosm1", (lambda y, x: -sin(x),), keep="x", samples=real(-3, 3, 0.0))
powm1 = _declare(
    "powm1",
    (lambda y, x, p: p * power(x, p - 1), lambda y, x, p: log(x) * power(x, p)),
    keep="x",
    singular=True,
    samples=pair((0.3, 2), (-2, 3)),
)
exp10 = _declare("exp10", (lambda y, x: math.log(10) * y,), keep="y", samples=real(-2, 2))
sindg = _declare("sindg", (lambda y, x: _DEGREE * cosdg(x),), keep="x", samples=real(-200, 200))
cosdg = _declare("cosdg", (lambda y, x: -_DEGREE * sindg(x),), keep="x", samples=real(-200, 200))
tandg = _declare("tandg", (lambda y, x: _DEGREE * (1 + y * y),), keep="y", samples=real(-70, 70))
cotdg = _declare("cotdg", (lambda y, x: -_DEGREE * (1 + y * y),), keep="y", samples=real(20, 160))

# Others whose derivatives are known functions.

ndtri_exp = _declare(
    "ndtri_exp",
    (lambda y, x: math.sqrt(2 * math.pi) * exp(x + 0.5 * y * y),),
    keep="xy",
    samples=real(-5, -0.1),
    source="Wichura 1988, Appl. Stat. 37 (the function)",
)
zetac = _declare("zetac", (lambda y, x: _riemann_slope(x),), keep="x", singular=True, samples=real(1.5, 6))
hyperu = _declare(
    "hyperu",
    (_fixed("hyperu", "a"), _fixed("hyperu", "b"), lambda y, a, b, x: -1.0 * a * hyperu(a + 1, b + 1, x)),
    keep="x",
    singular=True,
    samples=lambda: [Sample((np.array([2]), np.array([1]), np.array([0.6, 1.7, 3.1])))],
    source="DLMF 13.3.22",
)


def _hyperbolic(name: str, place: int, partial: Any, samples: Samples, source: str) -> Any:
    return elementwise(
        name,
        lambda x: _scipy("shichi")(x)[place],
        (partial,),
        keep="x",
        singular=place == 1,
        samples=samples,
        source=source,
    )


hyperbolic_sine_integral = _hyperbolic(
    "hyperbolic_sine_integral", 0, lambda y, x: spherical_in(0, x), real(-4, 4, 0.0), "DLMF 6.2.15, 10.49.8"
)
hyperbolic_cosine_integral = _hyperbolic(
    "hyperbolic_cosine_integral", 1, lambda y, x: cosh(x) / x, real(0.5, 4), "DLMF 6.2.16"
)
