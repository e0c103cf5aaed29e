"""The distributions of dualad.scipy.stats and the parameters they are tested at."""

from __future__ import annotations

from typing import Any

import dualad.scipy.stats
from dualad.scipy.stats.distribution import Continuous

SHAPES: dict[str, list[tuple[float, ...]]] = {
    "beta": [(1.7, 2.6), (0.6, 0.8), (1.0, 1.0), (30.0, 2.0)],
    "cauchy": [()],
    "chi2": [(4.4,), (2.0,), (1.0,), (60.0,)],
    "expon": [()],
    "f": [(3.3, 8.2), (2.0, 3.0), (9.0, 1.5)],
    "gamma": [(2.3,), (1.0,), (0.4,), (50.0,)],
    "genextreme": [(0.3,), (-0.4,), (0.0,), (1e-6,), (1.0,), (-0.7,)],
    "gumbel_l": [()],
    "gumbel_r": [()],
    "halfcauchy": [()],
    "halfnorm": [()],
    "invgamma": [(3.1,), (1.5,), (0.7,)],
    "laplace": [()],
    "logistic": [()],
    "lognorm": [(0.7,), (2.0,)],
    "loguniform": [(0.5, 3.0)],
    "norm": [()],
    "pareto": [(2.7,), (1.5,), (0.8,)],
    "rayleigh": [()],
    "skewnorm": [(1.4,), (-2.0,), (0.0,)],
    "t": [(4.5,), (1.5,), (0.8,), (80.0,)],
    "triang": [(0.4,), (0.0,), (1.0,)],
    "truncnorm": [(-1.0, 2.0), (1.0, 3.0), (-4.0, -1.5), (-2.0, float("inf")), (5.0, 9.0)],
    "uniform": [()],
    "vonmises": [(1.8,), (0.2,), (40.0,)],
    "weibull_min": [(1.6,), (1.0,), (0.7,)],
}

CONTINUOUS: dict[str, Any] = {n: d for n, d in sorted(vars(dualad.scipy.stats).items()) if isinstance(d, Continuous)}
MOMENTS = ("mean", "var", "std", "entropy")
QUANTILES = ("ppf", "isf")
# Whose distribution functions need parameter derivatives of incomplete gamma and beta functions.
INCOMPLETE = ("beta", "chi2", "f", "gamma", "invgamma", "t")
