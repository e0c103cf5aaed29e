"""Orthogonal polynomials and Legendre functions: derivatives in the argument by DLMF 18.9.

The degree and the parameters are not differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.ops.arithmetic import equal, where
from dualad.ops.samples import Sample, Samples
from dualad.ops.special import _declare, _fixed


# Whole parameters: the tests move all others.
def _samples(parameters: tuple[int, ...], lo: float, hi: float) -> Samples:
    def samples() -> list[Sample]:
        rng = np.random.default_rng(22)
        fixed = [np.array([p]) for p in parameters]
        return [Sample((np.array([n]), *fixed, rng.uniform(lo, hi, 3))) for n in (0, 1, 4)]

    return samples


def _polynomial(
    name: str,
    slope: Callable[..., Any],
    names: str = "n",
    parameters: tuple[int, ...] = (),
    lo: float = -0.9,
    hi: float = 0.9,
) -> Any:
    """``slope`` is the derivative as a function of the degree, of one below it, of the parameters and x."""

    def partial(y: Any, n: Any, *rest: Any) -> Any:
        constant = equal(n, 0)
        below = where(constant, 0, n - 1)
        return where(constant, 0.0, slope(n, below, *rest))

    fixed = [_fixed(f"eval_{name}", k) for k in names.split()]
    return _declare(
        f"eval_{name}",
        (*fixed, partial),
        keep="x",
        samples=_samples(parameters, lo, hi),
        source="DLMF 18.9",
    )


jacobi = _polynomial(
    "jacobi",
    lambda n, k, a, b, x: 0.5 * (n + a + b + 1) * jacobi(k, a + 1, b + 1, x),
    "n alpha beta",
    (1, 2),
)
sh_jacobi = _polynomial("sh_jacobi", lambda n, k, p, q, x: n * sh_jacobi(k, p + 2, q + 1, x), "n p q", (4, 2), 0.1, 0.9)
gegenbauer = _polynomial("gegenbauer", lambda n, k, a, x: 2 * a * gegenbauer(k, a + 1, x), "n alpha", (2,))
legendre = _polynomial("legendre", lambda n, k, x: 0.5 * (n + 1) * jacobi(k, 1.0, 1.0, x))
sh_legendre = _polynomial("sh_legendre", lambda n, k, x: (n + 1) * jacobi(k, 1.0, 1.0, 2 * x - 1), lo=0.1)
chebyt = _polynomial("chebyt", lambda n, k, x: n * chebyu(k, x))
chebyu = _polynomial("chebyu", lambda n, k, x: 2 * gegenbauer(k, 2.0, x))
chebyc = _polynomial("chebyc", lambda n, k, x: n * chebys(k, x), lo=-1.8, hi=1.8)
chebys = _polynomial("chebys", lambda n, k, x: gegenbauer(k, 2.0, 0.5 * x), lo=-1.8, hi=1.8)
sh_chebyt = _polynomial("sh_chebyt", lambda n, k, x: 2 * n * sh_chebyu(k, x), lo=0.1)
sh_chebyu = _polynomial("sh_chebyu", lambda n, k, x: 4 * gegenbauer(k, 2.0, 2 * x - 1), lo=0.1)
genlaguerre = _polynomial("genlaguerre", lambda n, k, a, x: -genlaguerre(k, a + 1, x), "n alpha", (1,), 0.1, 4)
laguerre = _polynomial("laguerre", lambda n, k, x: -genlaguerre(k, 1.0, x), lo=0.1, hi=4)
hermite = _polynomial("hermite", lambda n, k, x: 2 * n * hermite(k, x), lo=-2, hi=2)
hermitenorm = _polynomial("hermitenorm", lambda n, k, x: n * hermitenorm(k, x), lo=-2, hi=2)


def _lpmv_samples() -> list[Sample]:
    rng = np.random.default_rng(23)
    return [Sample((np.array([m]), np.array([v]), rng.uniform(-0.8, 0.8, 3))) for m, v in ((0, 2), (1, 3), (2, 3))]


lpmv = _declare(
    "lpmv",
    (
        _fixed("lpmv", "m"),
        _fixed("lpmv", "v"),
        lambda y, m, v, x: (v * x * y - (v + m) * lpmv(m, v - 1, x)) / (x * x - 1),
    ),
    keep="xy",
    singular=True,
    samples=_lpmv_samples,
    source="DLMF 14.10.5",
)
