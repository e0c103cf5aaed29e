"""Factorizations beyond NumPy's: LU, polar, Schur, and the eigenvalues of symmetric tridiagonal matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops.arithmetic import conjugate, real_part
from dualad.ops.contract import matmul, swap_last
from dualad.ops.kinds import constant, general, leading_dims
from dualad.ops.linalg import (
    H,
    diagonal,
    diagonal_matrix,
    lower,
    real_dtype,
    solve,
    square,
    symmetric,
)
from dualad.ops.samples import Sample
from dualad.ops.shape import concatenate
from dualad.ops.spectral import eig, eigh_jvp, eigh_vjp
from dualad.ops.triangular import solve_sylvester, solve_triangular, stacked

# LU -------------------------------------------------------------------------------------------


def _lu(a: Any) -> Any:
    from scipy.linalg import lu as factor

    return stacked(lambda m: tuple(factor(m, permute_l=False)[1:]), a)


def _permutation(a: Any) -> Any:
    from scipy.linalg import lu as factor

    if not a.ndim > 2:
        return np.asarray(factor(a, p_indices=True)[0])
    lead = a.shape[:-2]
    out = np.empty((*lead, a.shape[-2]), int)
    for k in np.ndindex(*lead):
        out[k] = factor(a[k], p_indices=True)[0]
    return out


# p with a[p] = L U reversed, as SciPy gives it: a = (L U)[p].
lu_permutation = constant("lu_permutation", _permutation, 0, batch=leading_dims, samples=square((3, 3), complex=False))


_rows = constant(
    "identity_rows",
    lambda p, n, dtype: np.eye(n, dtype=dtype)[p],
    0,
    batch=lambda prim, args, batched, size, params: prim(*args, **params),
    samples=lambda: [Sample((np.array([1, 0, 2]),), {"n": 3, "dtype": "d"})],
)


def _pivots(a: Any) -> Any:
    from scipy.linalg import lu_factor

    if a.ndim == 2:
        return np.asarray(lu_factor(a)[1])
    lead = a.shape[:-2]
    out = np.empty((*lead, min(a.shape[-2:])), np.int32)
    for k in np.ndindex(*lead):
        out[k] = lu_factor(a[k])[1]
    return out


lu_pivots = constant("lu_pivots", _pivots, 0, batch=leading_dims, samples=square((3, 3), complex=False))


def _column_pivots(a: Any) -> Any:
    from scipy.linalg import qr

    lead = a.shape[:-2]
    out = np.empty((*lead, a.shape[-1]), np.int32)
    for k in np.ndindex(*lead):
        out[k] = qr(a[k], mode="r", pivoting=True)[1]
    return out


qr_pivots = constant("qr_pivots", _column_pivots, 0, batch=leading_dims, samples=square((3, 3), complex=False))


def _order(pivots: Any) -> Any:
    """Pivots (row i was exchanged with row pivots[i]) as the order p in which the rows are then: a[p] = L U."""
    n = pivots.shape[-1]
    order = np.broadcast_to(np.arange(n), pivots.shape).copy()
    for k in np.ndindex(*pivots.shape[:-1]):
        for i, j in enumerate(pivots[k]):
            order[(*k, i)], order[(*k, j)] = order[(*k, j)], order[(*k, i)]
    return order


order_of_pivots = constant(
    "order_of_pivots",
    lambda pivots: _order(np.asarray(pivots)),
    0,
    batch=leading_dims,
    samples=lambda: [Sample((np.array([2, 1, 2]),))],
)


def permutation(p: Any, n: int, dtype: Any) -> Any:
    """The permutation matrix E with E x = x[p]."""
    return _rows(p, n=n, dtype=real_dtype(dtype).char)


def _squared(l: Any, u: Any) -> tuple[Any, Any]:
    """[L, (0, I)] and [U, (0, I)], which are square."""
    m, k = l.shape[-2:]
    n = u.shape[-1]
    if m > k:
        extra = np.broadcast_to(np.eye(m, m - k, -k, dtype=l.dtype), (*l.shape[:-1], m - k))
        l = concatenate(l, extra, axis=l.ndim - 1)
    if n > k:
        extra = np.broadcast_to(np.eye(n - k, n, k, dtype=u.dtype), (*u.shape[:-2], n - k, n))
        u = concatenate(u, extra, axis=u.ndim - 2)
    return l, u


def upper(x: Any, k: int = 0) -> Any:
    return x - lower(x, k - 1)


def _lu_jvp(ts: Any, y: Any, a: Any) -> Any:
    k = y[0].shape[-1]
    p = lu_permutation(a)
    l, u = _squared(*y)
    t = matmul(swap_last(permutation(p, a.shape[-2], a.dtype)), ts[0])
    left = solve_triangular(l, t, lower=True, unit=True)
    f = swap_last(solve_triangular(swap_last(u), swap_last(left), lower=True, unit=False))
    return matmul(l, lower(f, -1))[..., :k], matmul(upper(f)[..., :k, :], u)


def _lu_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    gl, gu = g
    m, n = a.shape[-2:]
    k = min(m, n)
    l, u = _squared(*y)
    gf: Any = 0
    if gl is not None:
        if n > k:
            gl = concatenate(gl, np.zeros((*gl.shape[:-1], n - k), gl.dtype), axis=gl.ndim - 1)
        gf = lower(matmul(swap_last(l), gl), -1)
    if gu is not None:
        part = matmul(gu, swap_last(u))
        if m > k:
            part = concatenate(part, np.zeros((*part.shape[:-2], m - k, n), part.dtype), axis=part.ndim - 2)
        gf = gf + upper(part)
    right = swap_last(solve_triangular(u, swap_last(gf), lower=False, unit=False))
    gt = solve_triangular(swap_last(l), right, lower=False, unit=True)
    return (matmul(permutation(lu_permutation(a), m, a.dtype), gt),)


lu = general(
    "lu",
    _lu,
    _lu_jvp,
    _lu_vjp,
    keep="xy",
    multiple=True,
    batch=leading_dims,
    samples=square((3, 3), (4, 2), (2, 3), (2, 2, 2)),
    source="Giles 2008, sec. 2; de Hoog, Anderssen & Lukas 2011 (rectangular); pivots are constant",
)
lu.__doc__ = "(L, U) with a = (L U)[p], p = lu_permutation(a)."

# Polar ----------------------------------------------------------------------------------------


def _polar(a: Any) -> Any:
    from scipy.linalg import polar as factor

    return stacked(lambda m: tuple(factor(m)), a)


def _polar_jvp(ts: Any, y: Any, a: Any) -> Any:
    u, p = y
    t = ts[0]
    b = matmul(H(u), t)
    turn = solve_sylvester(p, p, b - H(b))
    du = matmul(u, turn)
    if a.shape[-2] > a.shape[-1]:
        du = du + swap_last(solve(swap_last(p), swap_last(t - matmul(u, b))))
    return du, symmetric(b - matmul(turn, p))


def _polar_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    """The transpose of the jvp, line by line."""
    u, p = y
    gu, gp = g
    gb: Any = 0
    gturn: Any = 0
    gt: Any = 0
    if gp is not None:
        gb = symmetric(gp)
        gturn = -matmul(gb, swap_last(p))
    if gu is not None:
        gturn = gturn + matmul(swap_last(u), gu)
        if a.shape[-2] > a.shape[-1]:
            gt = swap_last(solve(p, swap_last(gu)))
            gb = gb - matmul(swap_last(u), gt)
    q = solve_sylvester(swap_last(p), swap_last(p), gturn)
    return (gt + matmul(conjugate(u), gb + q - H(q)),)


polar = general(
    "polar",
    _polar,
    _polar_jvp,
    _polar_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=lambda: [*square((3, 3), (4, 2), (2, 2, 2))(), Sample((2 * np.eye(2),))],
    source="Higham 2008, ch. 8: with U'=U X + ..., P X + X P = U^H A' - A'^H U",
)
polar.__doc__ = "(U, P) with a = U P, for at least as many rows as columns and full rank."

# Schur ----------------------------------------------------------------------------------------


def _schur(a: Any, output: str) -> Any:
    from scipy.linalg import schur as factor

    return stacked(lambda m: tuple(factor(m, output)), a)


def _rotation(t: Any, real: bool) -> Any:
    """Y -> the strictly lower Y' with lower(Y' T - T Y') = lower(Y): in the basis W of T's eigenvectors, which is upper
    triangular as T is, a division by differences of eigenvalues."""
    n = t.shape[-1]
    d, w = eig(t)
    gap = row_minus_column(d)
    safe = 1.0 / (gap + np.triu(np.full((n, n), np.inf)))
    if real:
        w, safe = real_part(w), real_part(safe)
    return w, safe


def row_minus_column(d: Any) -> Any:
    return d[..., None, :] - d[..., :, None]


def _schur_jvp(ts: Any, y: Any, a: Any, *, output: str) -> Any:
    t, z = y
    w, reciprocals = _rotation(t, t.dtype.kind != "c")
    p = matmul(H(z), matmul(ts[0], z))
    r = solve(w, matmul(p, w))
    low = lower(swap_last(solve(swap_last(w), swap_last(matmul(w, reciprocals * lower(r, -1))))), -1)
    x = low - H(low)
    return upper(p - matmul(x, t) + matmul(t, x)), matmul(z, x)


def _schur_vjp(g: Any, need: Any, y: Any, a: Any, *, output: str) -> Any:
    """The transpose of the jvp, line by line."""
    t, z = y
    gt, gz = g
    w, reciprocals = _rotation(t, t.dtype.kind != "c")
    gp: Any = 0
    gx: Any = 0
    if gt is not None:
        gp = upper(gt)
        gx = matmul(swap_last(t), gp) - matmul(gp, swap_last(t))
    if gz is not None:
        gx = gx + matmul(swap_last(z), gz)
    glow = lower(gx - H(gx), -1)
    gq = matmul(swap_last(w), swap_last(solve(w, swap_last(glow))))
    gr = lower(reciprocals * gq, -1)
    gp = gp + matmul(solve(swap_last(w), gr), swap_last(w))
    return (matmul(matmul(conjugate(z), gp), swap_last(z)),)


def _schur_samples() -> list[Sample]:
    rng = np.random.default_rng(26)
    v = rng.normal(size=(3, 3))
    a = v @ np.diag([1.0, 2.5, -2.0]) @ np.linalg.inv(v)
    z = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    # JAX has no derivative of it; complex: the phases are LAPACK's
    return [Sample((a,), {"output": "real"}, degenerate=True), Sample((z,), {"output": "complex"}, degenerate=True)]


schur = general(
    "schur",
    _schur,
    _schur_jvp,
    _schur_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=_schur_samples,
    source="Z'=Z X with X antihermitian, and lower(X T - T X) = lower(Z^H A' Z)",
)
schur.__doc__ = "(T, Z) with a = Z T Z^H and T upper triangular: complex, or real with real and different eigenvalues."

# Tridiagonal ----------------------------------------------------------------------------------


def _off_diagonal(e: Any) -> Any:
    """The matrix whose first superdiagonal is e."""
    n = e.shape[-1]
    m = diagonal_matrix(e)
    m = concatenate(np.zeros((*e.shape[:-1], n, 1), e.dtype), m, axis=m.ndim - 1)
    return concatenate(m, np.zeros((*e.shape[:-1], 1, n + 1), e.dtype), axis=m.ndim - 2)


def tridiagonal(d: Any, e: Any) -> Any:
    off = _off_diagonal(e)
    return diagonal_matrix(d) + off + swap_last(off)


def _eigh_tridiagonal(d: Any, e: Any, driver: str) -> Any:
    from scipy.linalg import eigh_tridiagonal as factor

    return tuple(factor(d, e, lapack_driver=driver))


def _tridiagonal_jvp(ts: Any, y: Any, d: Any, e: Any, *, driver: str) -> Any:
    td, te = ts
    moved: Any = 0
    if td is not None:
        moved = diagonal_matrix(td)
    if te is not None:
        off = _off_diagonal(te)
        moved = moved + off + swap_last(off)
    return eigh_jvp((moved,), y, moved, UPLO="L")


def _tridiagonal_vjp(g: Any, need: Any, y: Any, d: Any, e: Any, *, driver: str) -> Any:
    ga = eigh_vjp(g, (True,), y, None, UPLO="L", adapts=False)[0]
    return diagonal(ga), 2 * diagonal(ga[..., :-1, 1:])


def _tridiagonal_samples() -> list[Sample]:
    rng = np.random.default_rng(27)
    return [Sample((rng.normal(size=n), rng.normal(size=n - 1)), {"driver": "auto"}) for n in (4, 2)]


eigh_tridiagonal = general(
    "eigh_tridiagonal",
    _eigh_tridiagonal,
    _tridiagonal_jvp,
    _tridiagonal_vjp,
    keep="y",
    multiple=True,
    samples=_tridiagonal_samples,
    source="Giles 2008, sec. 3.1, projected on the three diagonals",
)
