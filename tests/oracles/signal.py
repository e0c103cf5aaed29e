"""Oracles of convolutions, windows and filters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def _forward(x: Any, w: Any, strides: Any, padding: Any, dilation: Any, groups: int) -> Any:
    return jax.lax.conv_general_dilated(x, w, strides, padding, rhs_dilation=dilation, feature_group_count=groups)


def _convolution(a: Any, b: Any, gives: str, size: Any, groups: int, **params: Any) -> Any:
    """The transposed ones as JAX's transposes of the convolution."""
    if gives == "y":
        return _forward(a, b, groups=groups, **params)
    if gives == "x":
        x = jnp.zeros((a.shape[0], b.shape[1] * groups, *size), a.dtype)
        return jax.vjp(lambda x: _forward(x, b, groups=groups, **params), x)[1](a)[0]
    w = jnp.zeros((b.shape[1], a.shape[1] // groups, *size), a.dtype)
    return jax.vjp(lambda w: _forward(a, w, groups=groups, **params), w)[1](b)[0]


def _windows(x: Any, window: Any, strides: Any, dilation: Any) -> Any:
    rank = len(window)
    lead, size = x.shape[:-rank], x.shape[-rank:]
    places = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(size, window, strides, dilation)]
    index = []
    for i, (t, k, s, d) in enumerate(zip(places, window, strides, dilation)):
        j = s * jnp.arange(t)[:, None] + d * jnp.arange(k)
        shape = [1] * (2 * rank)
        shape[i], shape[rank + i] = t, k
        index.append(j.reshape(shape))
    return x[(*(slice(None),) * len(lead), *index)]


def _overlap_add(w: Any, size: Any, strides: Any, dilation: Any) -> Any:
    rank = len(size)
    x = jnp.zeros((*w.shape[: -2 * rank], *size), w.dtype)
    return jax.vjp(lambda x: _windows(x, w.shape[-rank:], strides, dilation), x)[1](w)[0]


def _all_pole(c: Any, u: Any) -> Any:
    y: list[Any] = []
    for n in range(u.shape[-1]):
        y.append(u[..., n] - sum(c[k] * y[n - k - 1] for k in range(min(c.shape[0], n))))
    return jnp.stack(y, -1) if y else u


def _tridiagonal_solve(lower: Any, middle: Any, upper: Any, b: Any) -> Any:
    return jnp.linalg.solve(jnp.diag(middle) + jnp.diag(lower, -1) + jnp.diag(upper, 1), b)


ORACLE = {
    "tridiagonal_solve": _tridiagonal_solve,
    "all_pole": _all_pole,
    "convolution": _convolution,
    "windows": _windows,
    "overlap_add": _overlap_add,
}
