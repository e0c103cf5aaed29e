"""Recurrences for the Taylor coefficients of elementwise functions.

A rule takes, per argument, the list of coefficients ``[c_0, ..., c_K]`` (or a plain constant) and the order ``K``,
and returns the coefficients of the result.

Source: Griewank & Walther, Evaluating Derivatives, 2nd ed. 2008, tables 13.1 and 13.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Series = list[Any]
Rule = Callable[[Sequence[Any], int], Series]


def times(a: Any, b: Any, k: int) -> Any:
    """Coefficient ``k`` of a product (Cauchy)."""
    if type(a) is not list:
        return a * b[k]
    if type(b) is not list:
        return a[k] * b
    total = a[0] * b[k]
    for j in range(1, k + 1):
        total = total + a[j] * b[k - j]
    return total


def multiply(series: Sequence[Any], order: int) -> Series:
    a, b = series
    return [times(a, b, k) for k in range(order + 1)]


def divide(series: Sequence[Any], order: int) -> Series:
    a, b = series
    if type(b) is not list:
        return [c / b for c in a]
    y: Series = []
    for k in range(order + 1):
        total = a[k] if type(a) is list else a if k == 0 else None
        for j in range(1, k + 1):
            term = b[j] * y[k - j]
            total = -term if total is None else total - term
        y.append(total / b[0])
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
    """A moving exponent: a^b = exp(b log a); else None, for the general way by the base's partial alone."""
    a, b = series
    if type(b) is not list:
        return None
    from dualad.ops.transcendental import log
    from dualad.ops.transcendental import power as f

    y0 = f(a[0] if type(a) is list else a, b[0])
    if type(a) is list:
        a = [c * y0.dtype.type(1) for c in a]  # in the precision of the result
        logs: Any = [log(a[0])]
        for k in range(1, order + 1):
            total = k * a[k]
            for j in range(1, k):
                total = total - j * logs[j] * a[k - j]
            logs.append(total / (k * a[0]))
    else:
        logs = log(a)
    return exp(([times(logs, b, k) for k in range(order + 1)],), order, y0)


def log_of_sum(series: Sequence[Any], order: int, f: Any, base: float) -> Series:
    """y = log(e^a + e^b) (to the base e^base): y' = p a' + q b' with p = e^(a-y), p' = base p (a' - y')."""
    from dualad.ops.kinds import zeros_like
    from dualad.ops.transcendental import exp as e

    a, b = series
    y = [f(a[0] if type(a) is list else a, b[0] if type(b) is list else b)]
    weights = []
    for c in (a, b):
        weights.append([e(base * ((c[0] if type(c) is list else c) - y[0]))])
    for k in range(1, order + 1):
        total: Any = None
        for c, p in zip((a, b), weights, strict=True):
            if type(c) is not list:
                continue
            for j in range(1, k + 1):
                term = j * c[j] * p[k - j]
                total = term if total is None else total + term
        y.append(total / k)
        for c, p in zip((a, b), weights, strict=True):
            rate: Any = None
            for j in range(1, k + 1):
                step = (c[j] if type(c) is list else zeros_like(y[0])) - y[j]
                term = j * step * p[k - j]
                rate = term if rate is None else rate + term
            p.append(base * rate / k)
    return y
