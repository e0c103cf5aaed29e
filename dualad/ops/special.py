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
from dualad.core.tensor import Tensor
from dualad.ops.arithmetic import equal, quotient, strong_multiply, where
from dualad.ops.hurwitz import hurwitz
from dualad.ops.kinds import elementwise
from dualad.ops.rounding import rint
from dualad.ops.samples import Sample, Samples, pair, real, several
from dualad.ops.transcendental import cos, exp, log, log1p, sin, sinc

SPECIAL: dict[str, Any] = {}
"""Primitives by their name in ``scipy.special``; SciPy itself is imported at the first call."""


@functools.cache
def _scipy(name: str) -> Callable[..., Any]:
    import scipy.special

    return getattr(scipy.special, name)


def precision(*args: Any) -> Any:
    """The dtype of a function of these: float32 where all floating arrays are, whatever Python's numbers and the orders."""
    kinds = [a.dtype for a in args if hasattr(a, "dtype") and a.dtype.kind == "f"]
    return np.result_type(*kinds) if kinds else np.dtype(np.float64)


def _declare(name: str, partials: tuple[Any, ...], *aliases: str, value: Any = None, **record: Any) -> Any:
    """An elementwise primitive whose value is ``scipy.special.<name>``, or that of the function ``value``."""

    def impl(*xs: Any) -> Any:
        y = (_scipy(name) if value is None else value)(*xs)
        # With an integer order, or a Python number, SciPy answers float32 with float64.
        return y.astype(np.float32) if y.dtype == np.float64 and precision(*xs) == np.float32 else y

    if len(partials) > 1:
        partials = tuple(_beside(d) if callable(d) else d for d in partials)
    prim = elementwise(name, impl, partials, **record)
    for alias in (name, *aliases):
        SPECIAL[alias] = prim
    return prim


def _beside(partial: Callable[..., Any]) -> Callable[..., Any]:
    """The partial with Python's numbers in the precision of the others: functions of them alone would be double."""

    @functools.wraps(partial)
    def weak(y: Any, *xs: Any) -> Any:
        if float in map(type, xs):
            kind = precision(*xs).type
            xs = tuple(kind(x) if type(x) is float else x for x in xs)
        return partial(y, *xs)

    return weak


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


_rgamma_samples = several(real(0.5, 4), lambda: [Sample((np.array([0.0, -1.0, -2.0, -1.3]),))])

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

# Error functions: DLMF 7.2.

erf = _declare("erf", (lambda y, x: _TWO_OVER_ROOT_PI * exp(-x * x),), keep="x", samples=real(-3, 3))
erfc = _declare("erfc", (lambda y, x: -_TWO_OVER_ROOT_PI * exp(-x * x),), keep="x", samples=real(-3, 3))
erfcx = _declare("erfcx", (lambda y, x: 2 * x * y - _TWO_OVER_ROOT_PI,), keep="xy", samples=real(-2, 3))
erfinv = _declare("erfinv", (lambda y, x: exp(y * y) / _TWO_OVER_ROOT_PI,), keep="y", samples=real(-0.9, 0.9))
erfcinv = _declare("erfcinv", (lambda y, x: -exp(y * y) / _TWO_OVER_ROOT_PI,), keep="y", samples=real(0.1, 1.9))
dawsn = _declare("dawsn", (lambda y, x: 1 - 2 * x * y,), keep="xy", samples=real(-3, 3))
ndtr = _declare("ndtr", (lambda y, x: exp(-0.5 * x * x) / math.sqrt(2 * math.pi),), keep="x", samples=real(-3, 3))


def _hazard(y: Any, x: Any) -> Any:
    """The normal density over exp(y), its distribution: on the left, where both underflow, by erfcx."""
    right = x > 0
    left = math.sqrt(2 / math.pi) / erfcx(where(right, 0.0, x) / -math.sqrt(2))
    z, log_p = where(right, x, 0.0), where(right, y, 0.0)
    return where(right, exp(-0.5 * z * z - log_p) / math.sqrt(2 * math.pi), left)


log_ndtr = _declare(
    "log_ndtr",
    (lambda y, x: _hazard(y, x),),
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


def _polygamma(n: Any, x: Any) -> Any:
    """SciPy's for real x, that of DLMF 5.15.1 for complex x, n > 0."""
    if not np.iscomplexobj(x):
        return _scipy("polygamma")(n, x)
    n = np.asarray(n)
    above = (-1.0) ** (n + 1) * _scipy("gamma")(n + 1.0) * hurwitz(0, np.maximum(n, 1) + 1.0, x)
    return np.where(n == 0, _scipy("digamma")(x), above).astype(np.asarray(x).dtype)[()]


polygamma = _declare(
    "polygamma",
    (_fixed("polygamma", "n"), lambda y, n, x: polygamma(n + 1, x)),
    value=_polygamma,
    keep="x",
    samples=orders(0, 1, 2, x=(0.5, 4)),
)
digamma = _declare("digamma", (lambda y, x: polygamma(1, x),), "psi", keep="x", samples=real(0.5, 4))
gammaln = _declare("gammaln", (lambda y, x: digamma(x),), keep="x", samples=real(0.5, 4))
loggamma = _declare("loggamma", (lambda y, x: digamma(x),), keep="x", samples=real(0.5, 4))
gamma = _declare("gamma", (lambda y, x: y * digamma(x),), keep="xy", samples=real(0.5, 4))


def _rgamma_slope(x: Any) -> Any:
    """The derivative of 1 / gamma(x); left of 1/2 by reflection (DLMF 5.5.3), which holds at the poles of gamma too."""
    if x.dtype.kind == "c":
        return -rgamma(x) * digamma(x)
    left = x < 0.5
    u = where(left, x, 0.0)
    # Exact multiples of pi have the sine 0.
    turn = math.pi * (u - 2 * rint(0.5 * u))
    reflected = gamma(1 - u) * (cos(turn) - sin(turn) * digamma(1 - u) / math.pi)
    v = where(left, 1.0, x)
    return where(left, reflected, -rgamma(v) * digamma(v))


rgamma = _declare("rgamma", (lambda y, x: _rgamma_slope(x),), keep="x", samples=_rgamma_samples)


def _turn(a: Any, b: Any) -> Any:
    """a + b less the nearest whole number, without the rounding of the sum."""
    t = a - rint(a) + (b - rint(b))
    return t - rint(t)


def _are_positive(*xs: Any) -> bool:
    """Of arrays alone: values of tensors are not looked at."""
    return not any(type(x) is Tensor for x in xs) and all(np.all(x > 0) for x in xs)


def _digamma_of_sum(a: Any, b: Any) -> Any:
    """digamma(a + b); left of 1/2 by reflection (DLMF 5.5.4), with the distance from the pole, which the sum may round."""
    c = a + b
    left = c < 0.5
    turn = math.pi * where(left, _turn(a, b), 0.25)
    return digamma(where(left, 1 - c, c)) - where(left, math.pi * cos(turn) / sin(turn), 0.0)


def _digamma_difference(a: Any, b: Any) -> Any:
    """digamma(a) - digamma(a + b): finite where both are poles, a whole number apart, and accurate beside these."""
    if _are_positive(a, a + b):
        return digamma(a) - digamma(a + b)
    c = a + b
    at_a, at_c = a < 0.5, c < 0.5
    both = at_a & at_c
    near, shift = a - rint(a), b - rint(b)
    turns = rint(near + shift)
    u, v = math.pi * near, math.pi * (near + shift - turns)
    sine_u, sine_v, sine = sin(u), sin(v), sin(math.pi * shift) * (1 - 2 * abs(turns))
    cancels = both & equal(shift, 0) & equal(sine_u, 0)
    # cot u - cot v = sin(v - u) / (sin u sin v).
    above = where(both, sine, where(at_a, cos(u), where(at_c, -cos(v), 0 * u)))
    below = where(cancels | ~(at_a | at_c), 1 + 0 * u, where(both, sine_u * sine_v, where(at_a, sine_u, sine_v)))
    return digamma(where(at_a, 1 - a, a)) - digamma(where(at_c, 1 - c, c)) - math.pi * above / below


def _no_gamma(x: Any) -> Any:
    return (x <= 0) & equal(x, rint(x))


def _binom_partial(in_n: bool) -> Callable[..., Any]:
    def partial(y: Any, n: Any, k: Any) -> Any:
        n, k = 1.0 * n, 1.0 * k
        a, b = k + 1, n - k + 1
        if _are_positive(a, b):
            return y * (digamma(n + 1 if in_n else b) - digamma(b if in_n else a))
        # Where the coefficient vanishes its logarithm has no derivative; there the product of reciprocals has.
        pole = _no_gamma(a) | _no_gamma(b)
        an, bn, nn = where(pole, a, 1.0), where(pole, b, 1.0), where(pole, n, 1.0)
        kg, ng = where(pole, 1.0, k), where(pole, 1.0, n)
        if in_n:
            product = gamma(nn + 1) * rgamma(an) * (digamma(nn + 1) * rgamma(bn) + _rgamma_slope(bn))
            return where(pole, product, y * _digamma_difference(ng + 1, -kg))
        product = gamma(nn + 1) * (_rgamma_slope(an) * rgamma(bn) - rgamma(an) * _rgamma_slope(bn))
        return where(pole, product, y * (_digamma_of_sum(ng + 1, -kg) - _digamma_of_sum(kg, 1.0 + 0 * kg)))

    return partial


binom = _declare(
    "binom",
    (_binom_partial(True), _binom_partial(False)),
    keep="xy",
    singular=True,
    samples=pair((3.1, 5), (0.5, 2.9)),
    source="DLMF 1.2.6, 5.2.1",
)


def _beta_slope(y: Any, a: Any, b: Any) -> Any:
    """The derivative in a of y = gamma(a) gamma(b) / gamma(a + b)."""
    a, b = 1.0 * a, 1.0 * b
    if _are_positive(a, b):
        return y * (digamma(a) - digamma(a + b))
    c = a + b
    at_a, at_b, at_c = _no_gamma(a), _no_gamma(b), _no_gamma(c)
    # At a zero, as the product of gamma(a) and the reciprocal; at a pole that does not cancel, -inf times its residue's sign.
    zero, pole = at_c & ~at_a & ~at_b, at_a & ~at_b & ~at_c
    az, bz, cz = where(zero, a, 1.0), where(zero, b, 1.0), where(zero, c, 1.0)
    product = gamma(az) * gamma(bz) * (digamma(az) * rgamma(cz) + _rgamma_slope(cz))
    residue = cos(math.pi * (a - 2 * rint(0.5 * a))) * gamma(where(pole, b, 1.0)) * rgamma(where(pole, c, 1.0))
    plain = zero | pole | (at_b & at_c)
    rest = where(plain, 1.0, y) * _digamma_difference(where(plain, 1.0, a), where(plain, 1.0, b))
    return where(zero, product, where(pole, where(residue > 0, -abs(y), abs(y)), where(plain, math.nan, rest)))


def _betaln_slope(a: Any, b: Any) -> Any:
    if _are_positive(a, b):
        return digamma(a) - digamma(a + b)
    apart = _no_gamma(b) & _no_gamma(a + b)  # finite at whole a alone
    return where(apart, math.nan, _digamma_difference(where(apart, 1.0, a), where(apart, 1.0, b)))


beta = _declare(
    "beta",
    (lambda y, a, b: _beta_slope(y, a, b), lambda y, a, b: _beta_slope(y, b, a)),
    keep="xy",
    singular=True,
    samples=pair((0.5, 3), (0.5, 3)),
    source="DLMF 5.12.1",
)
betaln = _declare(
    "betaln",
    (lambda y, a, b: _betaln_slope(a, b), lambda y, a, b: _betaln_slope(b, a)),
    keep="x",
    singular=True,
    samples=pair((0.5, 3), (0.5, 3)),
    source="DLMF 5.12.1",
)
poch = _declare(
    "poch",
    (lambda y, z, m: y * (digamma(z + m) - digamma(z)), lambda y, z, m: y * digamma(z + m)),
    keep="xy",
    samples=pair((0.5, 3), (0.5, 3)),
)


def _zeta_value(p: Any, x: Any, q: Any) -> Any:
    """By the Euler-Maclaurin formula; NaN where q + k meets 0 or powers of negative numbers."""
    wide = [np.asarray(v, complex if np.iscomplexobj(v) else float) for v in (x, q)]
    with np.errstate(all="ignore"):
        found = hurwitz(p, *wide)
    return found[()] if np.iscomplexobj(found) else found.astype(precision(x, q))[()]


def _zeta_samples(*first: Any) -> Samples:
    def samples() -> list[Sample]:
        rng = np.random.default_rng(18)
        return [Sample((*first, rng.uniform(2, 4, 3), rng.uniform(0.5, 4, 3)))]

    return samples


zeta_in_order = elementwise(
    "zeta_in_order",
    _zeta_value,
    (
        _fixed("zeta_in_order", "p"),
        lambda y, p, x, q: zeta_in_order(p + 1, x, q),
        lambda y, p, x, q: (
            -x * zeta_in_order(p, x + 1.0, q) - 1.0 * p * zeta_in_order(np.maximum(p - 1, 0), x + 1.0, q)
        ),
    ),
    keep="x",
    samples=_zeta_samples(np.array(1)),
    source="DLMF 25.11.5, 25.11.17",
)
zeta = _declare(
    "zeta",
    (lambda y, x, q: where(x > 1, zeta_in_order(1, x, q), np.nan), lambda y, x, q: -x * zeta(x + 1, q)),
    keep="x",
    samples=several(orders(2, 3, x=(0.5, 4)), _zeta_samples()),
    source="DLMF 25.11.17",
)


def _riemann_slope(x: Any) -> Any:
    """Left of -1, where the Euler-Maclaurin sum cancels, by the functional equation (DLMF 25.4.1)."""
    if x.dtype.kind == "c":
        return zeta_in_order(1, x, 1.0)
    left = x < -1
    u = where(left, x, -2.0)
    r = 1 - u
    turn = 0.5 * math.pi * (u - 4 * rint(0.25 * u))
    front = 2 * gamma(r) * exp(-r * math.log(2 * math.pi))
    falling = (math.log(2 * math.pi) - digamma(r)) * riemann_zeta(r) - zeta_in_order(1, r, 1.0)
    reflected = front * (sin(turn) * falling + 0.5 * math.pi * cos(turn) * riemann_zeta(r))
    return where(left, reflected, zeta_in_order(1, where(left, 2.0, x), 1.0))


riemann_zeta = elementwise(
    "riemann_zeta",
    lambda x: _scipy("zeta")(x),
    (lambda y, x: _riemann_slope(x),),
    keep="x",
    singular=True,
    samples=real(1.5, 6),
    source="DLMF 25.2.1",
)


# Integrals: DLMF 6.2, 7.2, 25.12.

expi = _declare("expi", (lambda y, x: exp(x) / x,), keep="x", singular=True, samples=real(0.5, 4))
exp1 = _declare("exp1", (lambda y, x: -exp(-x) / x,), keep="x", singular=True, samples=real(0.5, 4))


def _falling(n: Any, x: Any) -> Any:
    """expn for whole n, those below 0 too (DLMF 8.19.12), which SciPy does not evaluate."""
    y = _scipy("expn")(np.maximum(n, 0), x)
    with np.errstate(all="ignore"):
        below, steps = np.exp(-x) / x, -np.min(n, initial=0)
        for k in range(1, int(steps) + 1):
            below = (np.exp(-x) + k * below) / x
            y = np.where(n == -k, below, y)
    return y.astype(precision(n, x))[()]


exponential_integral = elementwise(
    "exponential_integral",
    _falling,
    (_fixed("expn", "n"), lambda y, n, x: -exponential_integral(n - 1, x)),
    keep="x",
    singular=True,
    samples=orders(-2, 0, 1, x=(0.5, 4)),
    source="DLMF 8.19.13",
)
expn = _declare(
    "expn",
    (_fixed("expn", "n"), lambda y, n, x: -exponential_integral(n - 1, x)),
    keep="x",
    singular=True,
    samples=orders(0, 1, 3, 4, x=(0.5, 4)),
    source="DLMF 8.19.13",
)


def _log_over(x: Any) -> Any:
    """log(x) / (x - 1); near 1 by the series of 2 artanh(w) with w = (x - 1) / (x + 1), smooth there."""
    near = abs(x - 1) < 0.2
    u = where(near, x, 1.0)
    w = (u - 1) / (u + 1)
    total = 1 / 21
    for k in reversed(range(10)):
        total = total * (w * w) + 1 / (2 * k + 1)
    v = where(near, 2.0, x)
    return where(near, 2 / (u + 1) * total, log(v) / (v - 1))


spence = _declare(
    "spence",
    (lambda y, x: -_log_over(x),),
    keep="x",
    singular=True,
    samples=several(real(1.3, 3), lambda: [Sample((np.array([1.0, 0.9, 1.1]),))]),
)

fresnel_sine = elementwise(
    "fresnel_sine",
    lambda x: _scipy("fresnel")(x)[0],
    (lambda y, x: sin(0.5 * math.pi * x * x),),
    keep="x",
    samples=real(-3, 3),
    source="DLMF 7.2.8",
)
fresnel_cosine = elementwise(
    "fresnel_cosine",
    lambda x: _scipy("fresnel")(x)[1],
    (lambda y, x: cos(0.5 * math.pi * x * x),),
    keep="x",
    samples=real(-3, 3),
    source="DLMF 7.2.7",
)
sine_integral = elementwise(
    "sine_integral",
    lambda x: _scipy("sici")(x)[0],
    (lambda y, x: sinc(x / math.pi),),
    keep="x",
    samples=real(-4, 4, 0.0),
    source="DLMF 6.2.9",
)
cosine_integral = elementwise(
    "cosine_integral",
    lambda x: _scipy("sici")(x)[1],
    (lambda y, x: cos(x) / x,),
    keep="x",
    singular=True,
    samples=real(0.5, 4),
    source="DLMF 6.2.11",
)

# Entropy-like: 0 log 0 = 0.

entr = _declare("entr", (lambda y, x: -log(x) - 1,), keep="x", singular=True, samples=real(0.2, 3))


def _share(x: Any, z: Any) -> Any:
    """x / z, and 0 where x is 0; its derivative in x is 1 / z there too."""
    return strong_multiply(x, quotient(1, z))


xlogy = _declare(
    "xlogy",
    (lambda y, x, z: log(z), lambda y, x, z: _share(x, z)),
    keep="x",
    singular=True,
    samples=pair((0.5, 3), (0.5, 3)),
)
xlog1py = _declare(
    "xlog1py",
    (lambda y, x, z: log1p(z), lambda y, x, z: _share(x, 1 + z)),
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
