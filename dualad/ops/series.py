"""Recurrences for the Taylor coefficients of elementwise functions.

A rule takes, per argument, the list of coefficients ``[c_0, ..., c_K]`` (or a plain constant) and the order ``K``,
and returns the coefficients of the result.

Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, tables 13.1 and 13.2.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Series = list[Any]
Rule = Callable[[Sequence[Any], int], Series]


def times(a: Any, b: Any, k: int, mul: Any = operator.mul) -> Any:
    """Coefficient ``k`` of a product (Cauchy)."""
    if type(a) is not list:
        return mul(a, b[k])
    if type(b) is not list:
        return mul(a[k], b)
    total = mul(a[0], b[k])
    for j in range(1, k + 1):
        total = total + mul(a[j], b[k - j])
    return total


def multiply(series: Sequence[Any], order: int, mul: Any = operator.mul) -> Series:
    a, b = series
    return [times(a, b, k, mul) for k in range(order + 1)]


def divide(series: Sequence[Any], order: int, over: Any = operator.truediv) -> Series:
    a, b = series
    if type(b) is not list:
        return [over(c, b) for c in a]
    y: Series = []
    for k in range(order + 1):
        total = a[k] if type(a) is list else a if k == 0 else None
        for j in range(1, k + 1):
            term = b[j] * y[k - j]
            total = -term if total is None else total - term
        y.append(over(total, b[0]))
    return y


def exp(series: Sequence[Any], order: int, y0: Any = None) -> Series:
    """y' = y x'."""
    from dualad.ops.transcendental import exp as f

    (x,) = series
    y = [f(x[0]) if y0 is None else y0]
    for k in range(1, order + 1):
        total = x[1] * y[k - 1]
        for j in range(2, k + 1):
            total = total + j * x[j] * y[k - j]
        y.append(total / k)
    return y


def circular(which: int, sign: int) -> Rule:
    """sin and cos (sign -1), sinh and cosh (sign 1), which need each other: s' = c x', c' = sign s x'."""

    def rule(series: Sequence[Any], order: int) -> Series:
        from dualad.ops import transcendental as f

        (x,) = series
        s, c = ([f.sin(x[0])], [f.cos(x[0])]) if sign < 0 else ([f.sinh(x[0])], [f.cosh(x[0])])
        for k in range(1, order + 1):
            ds = x[1] * c[k - 1]
            dc = x[1] * s[k - 1]
            for j in range(2, k + 1):
                ds = ds + j * x[j] * c[k - j]
                dc = dc + j * x[j] * s[k - j]
            s.append(ds / k)
            c.append(sign * dc / k)
        return (s, c)[which]

    return rule


def power(series: Sequence[Any], order: int) -> Series | None:
    """(a^b)' = b a^(b-1) a' + a^b log(a) b', from the shorter series of a^(b-1): also where a = 0.

    None for a fixed exponent, for the general way, by the base's partial alone.
    """
    from dualad.ops.arithmetic import quotient
    from dualad.ops.arithmetic import strong_multiply as mul
    from dualad.ops.transcendental import log
    from dualad.ops.transcendental import power as f

    a, b = series
    if type(b) is not list:
        return None
    y: Series
    with np.errstate(divide="ignore", invalid="ignore"):  # log(0), where it is multiplied by zero
        log0 = log(a[0] if type(a) is list else a)
    if type(a) is not list:
        y = [f(a, b[0])]
        rates = [j * mul(log0, b[j]) for j in range(1, order + 1)]
        for k in range(1, order + 1):
            total = mul(rates[0], y[k - 1])
            for j in range(2, k + 1):
                total = total + mul(rates[j - 1], y[k - j])
            y.append(total / k)
        return y
    logs = [log0]
    for k in range(1, order):
        total = k * a[k]
        for j in range(1, k):
            total = total - j * logs[j] * a[k - j]
        logs.append(quotient(total / k, a[0]))
    y = [f(a[0], b[0] - order)]  # a^(b-n) to order K - n, from n = K down to 0
    for n in range(order - 1, -1, -1):
        known = order - n
        lower, y = y, [f(a[0], b[0] - n)]
        exponent = [b[0] - n, *b[1:]]
        by_base = [times(exponent, lower, k, mul) for k in range(known)]
        same = [y[0], *[times(lower, a, k, mul) for k in range(1, known)]]
        by_exponent = [times(logs, same, k, mul) for k in range(known)]
        for k in range(1, known + 1):
            total = None
            for j in range(1, k + 1):
                term = mul(by_base[k - j], j * a[j]) + mul(by_exponent[k - j], j * b[j])
                total = term if total is None else total + term
            y.append(total / k)
    return y


def logistic_share(series: Sequence[Any], order: int) -> Series:
    """s = 1/(1 + e^(b-a)) and r = 1 - s: s' = s r (a' - b'), r' = -s'."""
    from dualad.ops.transcendental import logistic_share as f

    a, b = series
    a0, b0 = (c[0] if type(c) is list else c for c in (a, b))
    s, r = [f(a0, b0)], [f(b0, a0)]
    rate: Series = []
    d: Series = []
    for k in range(1, order + 1):
        d.append((a[k] - b[k] if type(b) is list else a[k]) if type(a) is list else -b[k])
        rate.append(times(s, r, k - 1))
        total = d[0] * rate[k - 1]
        for j in range(2, k + 1):
            total = total + j * d[j - 1] * rate[k - j]
        s.append(total / k)
        r.append(-s[k])
    return s
