"""Functions behind cumulative distributions, differentiated in their argument.

They stand in for the entries that ``SPECIAL`` does not have; in their parameters they raise ``NotDifferentiable``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.ops.arithmetic import equal, sign, where
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples, pair, real
from dualad.ops.special import SPECIAL, _scipy, betaln, erf, gammaln, xlog1py, xlogy
from dualad.ops.transcendental import exp, log, log1p

CUMULATIVE: dict[str, Any] = {}


def special(name: str) -> Any:
    """The primitive of ``scipy.special.<name>``."""
    return SPECIAL.get(name) or CUMULATIVE[name]


def _fixed(name: str, argument: str) -> Callable[..., Any]:
    def partial(*_: Any) -> Any:
        raise NotDifferentiable(
            f"scipy.special.{name} has no derivative in its parameter {argument!r} here. Pass a plain number there "
            "(dualad.stop_gradient(x)), or give the function a rule with dualad.custom_jvp."
        )

    return partial


def _declare(name: str, partials: tuple[Any, ...], *, keep: str, samples: Samples, source: str) -> None:
    CUMULATIVE[name] = elementwise(
        f"{name}_of_argument",
        lambda *xs: _scipy(name)(*xs),
        partials,
        keep=keep,
        samples=samples,
        source=source,
    )


def _whole(*parameters: tuple[int, ...], x: tuple[float, float]) -> Samples:
    """Samples whose parameters are integers, which do not move."""
    return lambda: [Sample((*[np.array([k]) for k in p], np.random.default_rng(11).uniform(*x, 3))) for p in parameters]


def gamma_density(a: Any, x: Any) -> Any:
    """x^(a-1) e^-x / Gamma(a)."""
    return exp(xlogy(a - 1, x) - x - gammaln(a))


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """x^(a-1) (1-x)^(b-1) / B(a, b)."""
    return exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


def t_density(df: Any, x: Any) -> Any:
    """Student's density."""
    return exp(-0.5 * (df + 1) * log1p(x * x / df) - 0.5 * log(1.0 * df) - betaln(0.5 * df, 0.5))


_declare(
    "gammainc",
    (_fixed("gammainc", "a"), lambda y, a, x: gamma_density(a, x)),
    keep="x",
    samples=_whole((1,), (3,), x=(0.5, 4)),
    source="DLMF 8.8.13",
)
_declare(
    "gammaincc",
    (_fixed("gammaincc", "a"), lambda y, a, x: -gamma_density(a, x)),
    keep="x",
    samples=_whole((1,), (3,), x=(0.5, 4)),
    source="DLMF 8.8.13",
)
_declare(
    "betainc",
    (_fixed("betainc", "a"), _fixed("betainc", "b"), lambda y, a, b, x: beta_density(a, b, x)),
    keep="x",
    samples=_whole((2, 3), (1, 4), x=(0.1, 0.9)),
    source="DLMF 8.17.1",
)
_declare(
    "stdtr",
    (_fixed("stdtr", "df"), lambda y, df, x: t_density(df, x)),
    keep="x",
    samples=_whole((2,), (7,), x=(-2, 2)),
    source="DLMF 8.17.1",
)
_declare(
    "owens_t",
    (
        lambda y, h, a: -exp(-0.5 * h * h) * erf(a * h / math.sqrt(2)) / math.sqrt(8 * math.pi),
        lambda y, h, a: exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)),
    ),
    keep="x",
    samples=pair((-2, 2), (-2, 2)),
    source="Owen 1956, Ann. Math. Stat. 27, eq. 2.1",
)


def _i1e_over(y: Any, x: Any) -> Any:
    zero = equal(x, 0)
    return where(zero, 0.5, y / where(zero, 1.0, x))


_declare(
    "i0e",
    (lambda y, x: special("i1e")(x) - sign(x) * y,),
    keep="xy",
    samples=real(0.2, 4),
    source="DLMF 10.29.3",
)
_declare(
    "i1e",
    (lambda y, x: special("i0e")(x) - _i1e_over(y, x) - sign(x) * y,),
    keep="xy",
    samples=real(0.2, 4),
    source="DLMF 10.29.2",
)
