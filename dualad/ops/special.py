"""Special functions: SciPy evaluates, the derivatives are by recurrence and closed form.

Source of the formulas: NIST Digital Library of Mathematical Functions, dlmf.nist.gov (chapter and equation at each group).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.ops.arithmetic import equal, where
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples, pair, real
from dualad.ops.transcendental import exp, log, log1p

SPECIAL: dict[str, Any] = {}
"""Primitives by their name in ``scipy.special``; SciPy itself is imported at the first call."""


@functools.cache
def _scipy(name: str) -> Callable[..., Any]:
    import scipy.special

    return getattr(scipy.special, name)


def _declare(name: str, partials: tuple[Any, ...], *aliases: str, **record: Any) -> Any:
    """An elementwise primitive whose value is ``scipy.special.<name>``."""

    def impl(*xs: Any) -> Any:
        y = _scipy(name)(*xs)
        kinds = [x.dtype for x in xs if hasattr(x, "dtype") and x.dtype.kind == "f"]
        # With an integer order SciPy answers float32 with float64.
        return y.astype(np.float32) if y.dtype == np.float64 and kinds and all(k == np.float32 for k in kinds) else y

    prim = elementwise(name, impl, partials, **record)
    for alias in (name, *aliases):
        SPECIAL[alias] = prim
    return prim


def _fixed(function: str, argument: str) -> Callable[..., Any]:
    """The partial in an argument (an order) in which the function is not differentiated."""

    def partial(*_: Any) -> Any:
        raise NotDifferentiable(
            f"scipy.special.{function} has no derivative in its argument {argument!r} in dualad. Pass a plain number there "
            "(dualad.stop_gradient(x)), or give the function a rule with dualad.custom_jvp."
        )

    return partial


def orders(*values: float, x: tuple[float, float]) -> Samples:
    """Samples whose first argument is an order that does not move."""

    def samples() -> list[Sample]:
        rng = np.random.default_rng(8)
        return [Sample((np.array([int(v)]) if v == int(v) else np.array([v]), rng.uniform(*x, 3))) for v in values]

    return samples


_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

# Error functions: DLMF 7.2.

erf = _declare("erf", (lambda y, x: _TWO_OVER_ROOT_PI * exp(-x * x),), keep="x", samples=real(-3, 3))
erfc = _declare("erfc", (lambda y, x: -_TWO_OVER_ROOT_PI * exp(-x * x),), keep="x", samples=real(-3, 3))
erfcx = _declare("erfcx", (lambda y, x: 2 * x * y - _TWO_OVER_ROOT_PI,), keep="xy", samples=real(-2, 3))
erfinv = _declare("erfinv", (lambda y, x: exp(y * y) / _TWO_OVER_ROOT_PI,), keep="y", samples=real(-0.9, 0.9))
erfcinv = _declare("erfcinv", (lambda y, x: -exp(y * y) / _TWO_OVER_ROOT_PI,), keep="y", samples=real(0.1, 1.9))
dawsn = _declare("dawsn", (lambda y, x: 1 - 2 * x * y,), keep="xy", samples=real(-3, 3))
ndtr = _declare("ndtr", (lambda y, x: exp(-0.5 * x * x) / math.sqrt(2 * math.pi),), keep="x", samples=real(-3, 3))
log_ndtr = _declare(
    "log_ndtr",
    (lambda y, x: exp(-0.5 * x * x - y) / math.sqrt(2 * math.pi),),
    keep="xy",
    samples=real(-5, 3),
)
ndtri = _declare("ndtri", (lambda y, x: math.sqrt(2 * math.pi) * exp(0.5 * y * y),), keep="y", samples=real(0.1, 0.9))

# Logistic function and its inverse.

# By y alone: the tape keeps one array, and rounding cancels against the losses that divide by y (1 - y).
expit = _declare("expit", (lambda y, x: y * (1 - y),), keep="y", samples=real(-5, 5))
logit = _declare("logit", (lambda y, x: 1 / (x * (1 - x)),), keep="x", singular=True, samples=real(0.1, 0.9))
log_expit = _declare("log_expit", (lambda y, x: expit(-x),), keep="x", samples=real(-5, 5))

# Gamma and its logarithmic derivatives: DLMF 5.2, 5.15.

polygamma = _declare(
    "polygamma",
    (_fixed("polygamma", "n"), lambda y, n, x: polygamma(n + 1, x)),
    keep="x",
    samples=orders(0, 1, 2, x=(0.5, 4)),
)
digamma = _declare("digamma", (lambda y, x: polygamma(1, x),), "psi", keep="x", samples=real(0.5, 4))
gammaln = _declare("gammaln", (lambda y, x: digamma(x),), keep="x", samples=real(0.5, 4))
loggamma = _declare("loggamma", (lambda y, x: digamma(x),), keep="x", samples=real(0.5, 4))
gamma = _declare("gamma", (lambda y, x: y * digamma(x),), keep="xy", samples=real(0.5, 4))
rgamma = _declare("rgamma", (lambda y, x: -y * digamma(x),), keep="xy", samples=real(0.5, 4))
beta = _declare(
    "beta",
    (lambda y, a, b: y * (digamma(a) - digamma(a + b)), lambda y, a, b: y * (digamma(b) - digamma(a + b))),
    keep="xy",
    samples=pair((0.5, 3), (0.5, 3)),
)
betaln = _declare(
    "betaln",
    (lambda y, a, b: digamma(a) - digamma(a + b), lambda y, a, b: digamma(b) - digamma(a + b)),
    keep="x",
    samples=pair((0.5, 3), (0.5, 3)),
)
poch = _declare(
    "poch",
    (lambda y, z, m: y * (digamma(z + m) - digamma(z)), lambda y, z, m: y * digamma(z + m)),
    keep="xy",
    samples=pair((0.5, 3), (0.5, 3)),
)
zeta = _declare(
    "zeta",
    (_fixed("zeta", "x"), lambda y, x, q: -x * zeta(x + 1, q)),
    keep="x",
    samples=orders(2, 3, x=(0.5, 4)),
)

# Bessel functions: DLMF 10.6, 10.29.


def _over(y: Any, x: Any, limit: float) -> Any:
    """y / x, with its limit at x = 0."""
    zero = equal(x, 0)
    return where(zero, limit, y / where(zero, 1.0, x))


j0 = _declare("j0", (lambda y, x: -j1(x),), keep="x", samples=real(-4, 4, 0.0))
j1 = _declare("j1", (lambda y, x: j0(x) - _over(y, x, 0.5),), keep="xy", samples=real(-4, 4))
y0 = _declare("y0", (lambda y, x: -y1(x),), keep="x", singular=True, samples=real(0.5, 4))
y1 = _declare("y1", (lambda y, x: y0(x) - y / x,), keep="xy", singular=True, samples=real(0.5, 4))
jv = _declare(
    "jv",
    (_fixed("jv", "v"), lambda y, v, x: 0.5 * (jv(v - 1, x) - jv(v + 1, x))),
    "jn",
    keep="x",
    samples=orders(0, 2, x=(0.5, 4)),
)
yv = _declare(
    "yv",
    (_fixed("yv", "v"), lambda y, v, x: 0.5 * (yv(v - 1, x) - yv(v + 1, x))),
    "yn",
    keep="x",
    singular=True,
    samples=orders(0, 2, x=(0.5, 4)),
)
iv = _declare(
    "iv",
    (_fixed("iv", "v"), lambda y, v, x: 0.5 * (iv(v - 1, x) + iv(v + 1, x))),
    keep="x",
    samples=orders(0, 2, x=(0.5, 4)),
)
kv = _declare(
    "kv",
    (_fixed("kv", "v"), lambda y, v, x: -0.5 * (kv(v - 1, x) + kv(v + 1, x))),
    keep="x",
    singular=True,
    samples=orders(0, 2, x=(0.5, 4)),
)
i1 = _declare("i1", (lambda y, x: iv(0, x) - _over(y, x, 0.5),), keep="xy", samples=real(-4, 4))

# Integrals: DLMF 6.2, 7.2, 25.12.

expi = _declare("expi", (lambda y, x: exp(x) / x,), keep="x", singular=True, samples=real(0.5, 4))
exp1 = _declare("exp1", (lambda y, x: -exp(-x) / x,), keep="x", singular=True, samples=real(0.5, 4))
expn = _declare(
    "expn",
    (_fixed("expn", "n"), lambda y, n, x: -expn(n - 1, x)),
    keep="x",
    singular=True,
    samples=orders(3, 4, x=(0.5, 4)),
)
spence = _declare("spence", (lambda y, x: -_over(log(x), x - 1, 1.0),), keep="x", singular=True, samples=real(1.2, 3))

# Entropy-like: 0 log 0 = 0.

entr = _declare("entr", (lambda y, x: -log(x) - 1,), keep="x", singular=True, samples=real(0.2, 3))
xlogy = _declare(
    "xlogy",
    (lambda y, x, z: log(z), lambda y, x, z: x / z),
    keep="x",
    singular=True,
    samples=pair((0.5, 3), (0.5, 3)),
)
xlog1py = _declare(
    "xlog1py",
    (lambda y, x, z: log1p(z), lambda y, x, z: x / (1 + z)),
    keep="x",
    singular=True,
    samples=pair((0.5, 3), (0.5, 3)),
)
rel_entr = _declare(
    "rel_entr",
    (lambda y, p, q: log(p / q) + 1, lambda y, p, q: -p / q),
    keep="x",
    singular=True,
    samples=pair((0.5, 3), (0.5, 3)),
)
kl_div = _declare(
    "kl_div",
    (lambda y, p, q: log(p / q), lambda y, p, q: 1 - p / q),
    keep="x",
    singular=True,
    samples=pair((0.5, 3), (0.5, 3)),
)
