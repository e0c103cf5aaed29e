"""Roots of polynomials."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops.arithmetic import quotient
from dualad.ops.contract import matmul
from dualad.ops.kinds import constant, general, leading_dims
from dualad.ops.samples import Sample
from dualad.ops.shape import stack

# Roots ----------------------------------------------------------------------------------------


def _powers_and_slope(c: Any, r: Any) -> tuple[Any, Any]:
    """[r^n, ..., r, 1] in columns, and the derivative of the polynomial at its roots."""
    n = r.shape[0]
    powers = [r * 0 + 1]
    for _ in range(n):
        powers.append(powers[-1] * r)
    slope: Any = 0
    for k in range(n):
        slope = slope + (n - k) * c[k] * powers[n - k - 1]
    return stack(*powers[::-1], axis=1), slope


def _roots_jvp(ts: Any, y: Any, c: Any) -> Any:
    powers, slope = _powers_and_slope(c, y)
    return -quotient(matmul(powers, ts[0]), slope)


def _roots_vjp(g: Any, need: Any, y: Any, c: Any) -> Any:
    powers, slope = _powers_and_slope(c, y)
    return (-matmul(quotient(g, slope), powers),)


# Of a polynomial with n + 1 coefficients, the first of which is not 0: n roots, real if all of them are.
roots = general(
    "roots",
    np.roots,
    _roots_jvp,
    _roots_vjp,
    keep="xy",
    samples=lambda: [
        Sample((np.array(c),), degenerate=True)  # JAX orders them otherwise
        for c in ([1.0, -3.0, 2.0, 0.0], [2.0, -1.0, -4.0, 1.0], [1.0, 2j, 0.5])
    ],
    source="implicit function theorem: dr = -dp(r) / p'(r)",
)

paired = constant(
    "paired",
    lambda r: np.all(np.sort(r, axis=-1) == np.sort(np.conj(r), axis=-1), axis=-1),
    batch=leading_dims,
    samples=lambda: [Sample((np.array(r),)) for r in ([1.0, 2j, -2j], [[1.0, 1j], [1j, -1j]])],
)
paired.__doc__ = "Whether the conjugate of each number is one of them too, so that their polynomial is real."
