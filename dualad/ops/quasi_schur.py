"""The real Schur form of a real matrix some of whose eigenvalues are complex: T has a 2 x 2 block for each pair.

LAPACK's blocks have equal diagonal elements, which fixes the rotation within each. So with ``P = Z^T A' Z`` and ``Z' = Z X``,
X antisymmetric, ``T' = P + T X - X T`` is 0 below the blocks and has equal diagonal elements in each: n (n - 1) / 2 linear
equations for X, solved as they stand.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops.arithmetic import not_equal, stop_gradient
from dualad.ops.contract import matmul
from dualad.ops.factorization import _schur
from dualad.ops.kinds import general, leading_dims
from dualad.ops.linalg import solve, swap_last
from dualad.ops.samples import Sample
from dualad.ops.shape import astype, reshape


@functools.cache
def _constants(n: int) -> tuple[Any, Any, Any, Any]:
    """For i > j: the antisymmetric matrices E_ij; as rows over a matrix's flat elements, the element (i, j), and the
    difference of the diagonal elements j and i where i = j + 1; and where that is."""
    i, j = np.tril_indices(n, -1)
    k = np.arange(len(i))
    units = np.zeros((len(i), n, n))
    units[k, i, j], units[k, j, i] = 1, -1
    elements, differences = np.zeros((len(i), n, n)), np.zeros((len(i), n, n))
    elements[k, i, j] = 1
    near = i == j + 1
    differences[k[near], j[near], j[near]], differences[k[near], i[near], i[near]] = 1, -1
    return units, elements.reshape(-1, n * n), differences.reshape(-1, n * n), near


def _within(t: Any) -> tuple[Any, Any]:
    """1 for the equations that are a block's (of the flat list), and 1 where T may be different from 0."""
    n = t.shape[-1]
    _, elements, _, near = _constants(n)
    corner = astype(not_equal(stop_gradient(_flat(t)), 0.0), dtype=t.dtype)  # the part below the diagonal counts
    chosen = reshape(matmul(corner[..., None, :], elements.T.astype(t.dtype)), shape=(*t.shape[:-2], len(near)))
    chosen = chosen * near.astype(t.dtype)
    below = reshape(matmul(chosen[..., None, :], elements.astype(t.dtype)), shape=t.shape)
    return chosen, below + np.triu(np.ones((n, n), t.dtype))


def _flat(x: Any) -> Any:
    return reshape(x, shape=(*x.shape[:-2], x.shape[-2] * x.shape[-1]))


def _equations(x: Any, chosen: Any) -> Any:
    """What must vanish of the matrices x."""
    _, elements, differences, _ = _constants(x.shape[-1])
    v = _flat(x)[..., None, :]
    one = matmul(v, elements.T.astype(x.dtype))[..., 0, :]
    two = matmul(v, differences.T.astype(x.dtype))[..., 0, :]
    return (1 - chosen) * one + chosen * two


def _equations_transposed(g: Any, chosen: Any, n: int) -> Any:
    _, elements, differences, _ = _constants(n)
    one = matmul(((1 - chosen) * g)[..., None, :], elements.astype(g.dtype))
    two = matmul((chosen * g)[..., None, :], differences.astype(g.dtype))
    return reshape(one + two, shape=(*g.shape[:-1], n, n))


def _system(t: Any, chosen: Any) -> Any:
    """Row m: the equations of E_m T - T E_m."""
    units = _constants(t.shape[-1])[0].astype(t.dtype)
    moved = matmul(units, t[..., None, :, :]) - matmul(t[..., None, :, :], units)
    return _equations(moved, chosen[..., None, :])


def _skew(c: Any, n: int) -> Any:
    units = _constants(n)[0].astype(c.dtype)
    return reshape(matmul(c[..., None, :], units.reshape(-1, n * n)), shape=(*c.shape[:-1], n, n))


def _jvp(ts: Any, y: Any, a: Any) -> Any:
    t, z = y
    chosen, mask = _within(t)
    p = matmul(swap_last(z), matmul(ts[0], z))
    right = _equations(p, chosen)[..., None]
    x = _skew(solve(swap_last(_system(t, chosen)), right)[..., 0], t.shape[-1])
    return mask * (p + matmul(t, x) - matmul(x, t)), matmul(z, x)


def _vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    """The transpose of the jvp, line by line."""
    t, z = y
    n = t.shape[-1]
    chosen, mask = _within(t)
    gp: Any = 0
    gx: Any = 0
    if g[0] is not None:
        gp = mask * g[0]
        gx = matmul(swap_last(t), gp) - matmul(gp, swap_last(t))
    if g[1] is not None:
        gx = gx + matmul(swap_last(z), g[1])
    units = _constants(n)[0].reshape(-1, n * n).astype(t.dtype)
    gc = matmul(_flat(gx)[..., None, :], units.T)[..., 0, :]
    gp = gp + _equations_transposed(solve(_system(t, chosen), gc[..., None])[..., 0], chosen, n)
    return (matmul(matmul(z, gp), swap_last(z)),)


def _samples() -> list[Sample]:
    rng = np.random.default_rng(27)
    block = np.array([[0.4, 2.0, 0.3], [-1.5, 0.4, 0.2], [0.1, -0.2, 3.0]])
    two = np.zeros((4, 4))
    two[:2, :2], two[2:, 2:] = [[0.5, 1.0], [-2.0, 0.5]], [[3.0, 0.7], [-0.6, 2.0]]
    two = two + 0.1 * rng.normal(size=(4, 4))
    return [Sample((a,), degenerate=True) for a in (block, two, np.stack([block, block + 0.01]))]  # JAX has none


quasi_schur: Primitive = general(
    "quasi_schur",
    lambda a: _schur(a, "real"),
    _jvp,
    _vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=_samples,
    source="T' = P + T X - X T with P = Z^T A' Z, Z' = Z X",
)
quasi_schur.__doc__ = "(T, Z) with a = Z T Z^T and T upper triangular but for 2 x 2 blocks; the eigenvalues differ."
