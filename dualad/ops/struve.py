"""Struve functions with derivatives of every order in their argument and in their order.

SciPy evaluates the functions; the derivatives in x are by recurrence (DLMF 11.4.23, 11.4.25, 11.4.27, 11.4.29). Those in the
order v, for x > 0, are sums of the power series (DLMF 11.2.1, 11.2.2), v > -3/2, each term expanded in the increment of v; for
struve beyond x = 12, where the terms would cancel, the difference to yv as an integral (DLMF 11.5.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.ops.arithmetic import where
from dualad.ops.bessel import _gauss, yv_in_order
from dualad.ops.hypergeometric import over_linear, times_linear
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, several
from dualad.ops.special import _declare, _fixed, _scipy, digamma, orders, precision, rgamma
from dualad.ops.transcendental import log, power

_FAR = 12.0


def _by_orders(f: Callable[..., Any], usable: Callable[..., Any]) -> Callable[..., Any]:
    """``f(p, q, v, x)`` for each of the orders p and q that occur; NaN where the arguments are not usable."""

    def impl(p: Any, q: Any, v: Any, x: Any) -> Any:
        dtype = precision(v, x)
        p, q, v, x = np.broadcast_arrays(p, q, np.asarray(v, float), np.asarray(x, float))
        y = np.full(x.shape, np.nan)
        for i, j in {(int(i), int(j)) for i, j in zip(p.ravel(), q.ravel(), strict=True)}:
            chosen = usable(v, x) & (p == i) & (q == j)
            if chosen.any():
                with np.errstate(all="ignore"):
                    y[chosen] = f(i, j, v[chosen], x[chosen])
        return y.astype(dtype)[()]

    return impl


def _sum(sense: float) -> Callable[..., Any]:
    def f(p: int, q: int, v: Any, x: Any) -> Any:
        half, b = 0.5 * x, v + 1.5
        slopes = [np.log(half) - _scipy("digamma")(b)]
        slopes += [-_scipy("polygamma")(k - 1, b) / math.factorial(k - 1) for k in range(2, p + 1)]
        t = np.empty((1, p + 1, *x.shape))
        t[0, 0] = half ** (v + 1) * _scipy("rgamma")(b) / math.gamma(1.5)
        for n in range(1, p + 1):
            t[0, n] = sum(slopes[j - 1] * t[0, n - j] for j in range(1, n + 1)) / n
        total: Any = 0.0
        for k in range(int(1.5 * x.max()) + 60):
            term = t
            for i in range(q):
                term = times_linear(term, 2 * k + v + 1 - i, 0.0, 1.0)
            total = total + term[0, p]
            t = over_linear(t, k + b) * (sense * half * half / (k + 1.5))
        return total * math.factorial(p) / x**q

    return f


def _series(name: str, sense: float) -> Any:
    function: Any = elementwise(
        f"{name}_in_order",
        _by_orders(_sum(sense), lambda v, x: (x > 0) & (x < 700) & (v > -1.5)),
        (
            _fixed(f"{name}_in_order", "p"),
            _fixed(f"{name}_in_order", "q"),
            lambda y, p, q, v, x: function(p + 1, q, v, x),
            lambda y, p, q, v, x: function(p, q + 1, v, x),
        ),
        keep="x",
        samples=lambda: _moving((0.2, 3), (1, 4)),
        source="DLMF 11.2.1, 11.2.2",
    )
    return function


def _moving(v: tuple[float, float], x: tuple[float, float]) -> list[Sample]:
    rng = np.random.default_rng(23)
    return [Sample((np.array(p), np.array(q), rng.uniform(*v, 3), rng.uniform(*x, 3))) for p, q in ((1, 0), (2, 1))]


def _tail(p: int, q: int, v: Any, x: Any) -> Any:
    """int_0^inf e^-xt (1 + t^2)^(v - 1/2) log(1 + t^2)^p (-t)^q dt."""
    nodes, weights = _gauss(200)
    end = ((60 + 4 * np.abs(v)) / x)[:, None]
    t = end * 0.5 * (nodes + 1)
    wide = np.log1p(t * t)
    return (
        (np.exp(wide * (v[:, None] - 0.5) - x[:, None] * t) * wide**p * (-t) ** q * weights).sum(-1) * 0.5 * end[:, 0]
    )


struve_tail: Any = elementwise(
    "struve_tail",
    _by_orders(_tail, lambda v, x: x > 0),
    (
        _fixed("struve_tail", "p"),
        _fixed("struve_tail", "q"),
        lambda y, p, q, v, x: struve_tail(p + 1, q, v, x),
        lambda y, p, q, v, x: struve_tail(p, q + 1, v, x),
    ),
    keep="x",
    samples=lambda: _moving((0.2, 3), (12, 20)),
    source="DLMF 11.5.2",
)

struve_in_order = _series("struve", -1.0)
modstruve_in_order = _series("modstruve", 1.0)


def _struve_by_order(v: Any, x: Any) -> Any:
    v = 1.0 * v
    far = x > _FAR
    w, beyond = where(far, v, 1.0), where(far, x, _FAR)
    front = 2 * power(0.5 * beyond, w) / math.sqrt(math.pi)
    # 1 / gamma(w + 1/2) = (w + 1/2) / gamma(w + 3/2), whose slope has no pole for w > -3/2.
    front, base = front * rgamma(w + 1.5), w + 0.5
    slope = 1 + base * (log(0.5 * beyond) - digamma(w + 1.5))
    tail = front * (slope * struve_tail(0, 0, w, beyond) + base * struve_tail(1, 0, w, beyond))
    return where(far, yv_in_order(1, w, beyond) + tail, struve_in_order(1, 0, v, where(far, 1.0, x)))


def _struve(name: str, sense: float, by_order: Callable[..., Any]) -> Any:
    function: Any = None

    def partial(y: Any, v: Any, x: Any) -> Any:
        v = 1.0 * v
        forcing = power(0.5 * x, v) * rgamma(v + 1.5) / math.sqrt(math.pi)
        return 0.5 * (function(v - 1, x) + sense * function(v + 1, x) + forcing)

    function = _declare(
        name,
        (lambda y, v, x: by_order(v, x), partial),
        keep="x",
        samples=several(
            orders(0, 1, 2, x=(0.5, 4)), lambda: [Sample((np.array([1.6, 2.7, 2.2]), np.array([1.2, 3.4, 15.0])))]
        ),
        source="DLMF 11.4",
    )
    return function


struve = _struve("struve", -1.0, _struve_by_order)
modstruve = _struve("modstruve", 1.0, lambda v, x: modstruve_in_order(1, 0, v, x))
