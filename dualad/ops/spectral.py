"""Eigenvalues and singular values.

At equal eigenvalues the vectors are only determined up to a rotation among themselves. The rules leave that rotation out
(a difference of equal eigenvalues is divided by nothing, and counts 0), which is exact for functions that do not depend on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops.arithmetic import absolute, conjugate, greater, imag_part, real_part, where
from dualad.ops.contract import matmul, swap_last
from dualad.ops.kinds import constant, general, leading_dims
from dualad.ops.linalg import H, _symmetric, column, diagonal, diagonal_matrix, inv, row, square
from dualad.ops.reduce import sum as sum_over
from dualad.ops.samples import Sample


def _gaps(w: Any) -> Any:
    """1 / (w_j - w_i), and 0 where the two are equal to rounding."""
    n = w.shape[-1]
    difference = row(w) - column(w)
    scale = sum_over(absolute(w), axis=(w.ndim - 1,))
    small = n * np.finfo(w.dtype).eps * scale
    apart = greater(absolute(difference), column(column(small)))
    return where(apart, 1.0, 0.0) / where(apart, difference, 1.0)


def _real_diagonal(x: Any) -> Any:
    d = diagonal(x)
    return real_part(d) if d.dtype.kind == "c" else d


# Hermitian ------------------------------------------------------------------------------------


def _eigh(a: Any, UPLO: str) -> Any:
    w, v = np.linalg.eigh(a, UPLO)
    return w, v


def _eigh_jvp(ts: Any, y: Any, a: Any, *, UPLO: str) -> Any:
    w, v = y
    s = matmul(H(v), matmul(_symmetric(ts[0]), v))
    return _real_diagonal(s), matmul(v, _gaps(w) * s)


def _eigh_vjp(g: Any, need: Any, y: Any, a: Any, *, UPLO: str) -> Any:
    w, v = y
    gw, gv = g
    gs: Any = 0
    if gv is not None:
        gs = _gaps(w) * matmul(swap_last(v), gv)
    if gw is not None:
        gs = gs + diagonal_matrix(gw)
    return (_symmetric(matmul(matmul(conjugate(v), gs), swap_last(v))),)


eigh = general(
    "eigh",
    _eigh,
    _eigh_jvp,
    _eigh_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=lambda: [
        Sample(s.args, {"UPLO": "L"}, degenerate=s.args[0].dtype.kind == "c")  # complex: the phase of v is LAPACK's
        for s in square((3, 3), (2, 2, 2), kind="symmetric")()
    ],
    source="Giles 2008, sec. 3.1; Seeger et al. 2017, arXiv:1710.08717",
)

# Singular values ------------------------------------------------------------------------------


def _svd(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u, s, vh


def _inverse_of(s: Any) -> Any:
    zero = greater(s, np.finfo(s.dtype).tiny)
    return where(zero, 1.0, 0.0) / where(zero, s, 1.0)


def _svd_jvp(ts: Any, y: Any, a: Any) -> Any:
    u, s, vh = y
    t = ts[0]
    v = H(vh)
    p = matmul(H(u), matmul(t, v))
    f = _gaps(s * s)
    r = _inverse_of(s)
    m, z = p * row(s), column(s) * p
    du = f * (m + H(m))
    if a.dtype.kind == "c":
        du = du + diagonal_matrix(diagonal(p - H(p)) * (r / 2))
    du = matmul(u, du)
    dv = matmul(v, f * (z + H(z)))
    rows, columns = a.shape[-2:]
    if rows > columns:
        tv = matmul(t, v)
        du = du + (tv - matmul(u, matmul(H(u), tv))) * row(r)
    elif columns > rows:
        tu = matmul(H(t), u)
        dv = dv + (tu - matmul(v, matmul(H(v), tu))) * row(r)
    return du, _real_diagonal(p), H(dv)


def _svd_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    """The transpose of the jvp, line by line."""
    u, s, vh = y
    gu, gs, gvh = g
    v = H(vh)
    f = _gaps(s * s)
    r = _inverse_of(s)
    gp: Any = 0
    extra: Any = 0
    rows, columns = a.shape[-2:]
    if gu is not None:
        gx = matmul(swap_last(u), gu)
        q = f * gx
        gp = (q + H(q)) * row(s)
        if a.dtype.kind == "c":
            d = diagonal_matrix(diagonal(gx) * (r / 2))
            gp = gp + d - H(d)
        if rows > columns:
            w = gu * row(r)
            w = w - matmul(conjugate(u), matmul(swap_last(u), w))
            extra = matmul(w, swap_last(v))
    if gvh is not None:
        gv = H(gvh)
        q = f * matmul(swap_last(v), gv)
        gp = gp + column(s) * (q + H(q))
        if columns > rows:
            w = gv * row(r)
            w = w - matmul(conjugate(v), matmul(swap_last(v), w))
            extra = extra + H(matmul(w, swap_last(u)))
    if gs is not None:
        gp = gp + diagonal_matrix(gs)
    return (matmul(matmul(conjugate(u), gp), swap_last(v)) + extra,)


svd = general(
    "svd",
    _svd,
    _svd_jvp,
    _svd_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=lambda: [
        Sample(s.args, degenerate=s.args[0].dtype.kind == "c") for s in square((3, 3), (4, 2), (2, 3), (2, 3, 2))()
    ],
    source="Townsend 2016; complex: Wan & Zhang 2019, arXiv:1909.02659",
)

# General --------------------------------------------------------------------------------------


def _eig(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    kind = np.result_type(a.dtype, np.complex64)
    return w.astype(kind), v.astype(kind)


# LAPACK scales each eigenvector to length 1 with its largest component real: which component that is.
_largest = constant(
    "largest_component",
    lambda v: np.eye(v.shape[-1])[np.argmax(np.abs(v), axis=-2)].swapaxes(-1, -2),
    batch=leading_dims,
    samples=square((3, 3), complex=False),
)


def _scaled(v: Any, d: Any, chosen: Any) -> Any:
    """A tangent ``d`` of eigenvectors, without its part along them, and with their largest components kept real."""
    axis = (v.ndim - 2,)
    d = d - v * row(sum_over(conjugate(v) * d, axis=axis))
    turn = imag_part(sum_over(chosen * d, axis=axis) / sum_over(chosen * v, axis=axis))
    return d - 1j * v * row(turn)


def _scaled_transpose(v: Any, g: Any, chosen: Any) -> Any:
    axis = (v.ndim - 2,)
    q = real_part(sum_over(-1j * v * g, axis=axis))
    g = g + chosen * row(-1j * q / sum_over(chosen * v, axis=axis))
    return g - conjugate(v) * row(sum_over(v * g, axis=axis))


def _eig_jvp(ts: Any, y: Any, a: Any) -> Any:
    w, v = y
    t = matmul(inv(v), matmul(ts[0], v))
    return diagonal(t), _scaled(v, matmul(v, _gaps(w) * t), _largest(v))


def _eig_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    w, v = y
    gw, gv = g
    gt: Any = 0
    if gv is not None:
        gt = _gaps(w) * matmul(swap_last(v), _scaled_transpose(v, gv, _largest(v)))
    if gw is not None:
        gt = gt + diagonal_matrix(gw)
    return (matmul(matmul(swap_last(inv(v)), gt), swap_last(v)),)


eig = general(
    "eig",
    _eig,
    _eig_jvp,
    _eig_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=lambda: [Sample(s.args, degenerate=True) for s in square((3, 3), (2, 2, 2))()],  # JAX has no vectors
    source="Giles 2008, sec. 3.1; Boeddeker et al. 2017, arXiv:1701.00392",
)
