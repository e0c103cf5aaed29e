"""Eigenvalues and singular values.

Where eigenvalues (or singular values) equal each other to within ``4 n eps`` of the largest, their vectors are determined up to
a rotation among themselves only.

Forward mode takes, of all these vectors, the limits of those of A + s T as s -> 0 (Rellich): the derivative along T is then
right for every smooth function of A, and the eigenvalues get their one-sided derivatives, ordered as they are for s > 0. The
other modes take vectors in no particular basis; on arrays without any tracking they are NumPy's.

Reverse mode knows no T. With N = V^T gV and the cotangents gw, it accepts what determines the derivative: N Hermitian among
the equal ones (else the function changes when they are rotated) and, if values and vectors are both used, N a multiple of I and
gw equal there (true of traces, norms, and all functions with f(Q A Q^H) = f(A)). The tolerance is sqrt(eps) relative to the
largest cotangent. Of others, such as the elements of V h(w) V^H, it raises ``Undetermined``: they need what mixes the equal
ones, of which V and w know nothing.

Forward over reverse adapts the vectors to the outer direction, and a Taylor series to its curve (ops/confluent.py). Other second
derivatives raise ``Undirected``. From both errors the transforms (api/confluent.py) take a composition that is determined, or say
that the function has no derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.core.tensor import Tensor
from dualad.ops.arithmetic import absolute, conjugate, imag_part, real_part, stop_gradient
from dualad.ops.confluent import any_basis, eigh_series, svd_series
from dualad.ops.contract import matmul, swap_last
from dualad.ops.gauges import (
    Gaps,
    beneath,
    coincide,
    equal,
    gap_reciprocal,
    gap_zero,
    infinite_where_same,
    raw,
    real_diagonal,
    refuse_undirected,
    rounding,
    same_values,
    settled,
)
from dualad.ops.kinds import constant, general, leading_dims, zeros_like
from dualad.ops.linalg import (
    H,
    column,
    complement_jvp,
    complement_vjp,
    diagonal,
    diagonal_matrix,
    first,
    inv,
    joined,
    row,
    square,
    symmetric,
)
from dualad.ops.reduce import sum as sum_over
from dualad.ops.samples import Sample
from dualad.ops.transcendental import sqrt
from dualad.ops.triangular import stacked

# Hermitian ------------------------------------------------------------------------------------


def eigh_jvp(ts: Any, y: Any, a: Any, along: Any = None, *, UPLO: str, driver: str | None = None) -> Any:
    w, v = y
    refuse_undirected(w, w)
    gaps = Gaps(w)
    s = matmul(H(v), matmul(symmetric(ts[0]), v))
    dw = real_diagonal(s)
    return dw if along is not None else dw + gaps.kinks(w), matmul(v, gaps.reciprocals * s)


def eigh_vjp(
    g: Any, need: Any, y: Any, a: Any, along: Any = None, *, UPLO: str, driver: str | None = None, adapts: bool = True
) -> Any:
    w, v = y
    gw, gv = g
    refuse_undirected(w, w, directed=True)
    gaps = Gaps(w)
    same = same_values(w, gaps.limit)
    n = matmul(swap_last(v), gv) if gv is not None else zeros_like(v)
    k, gw = settled(n, gw, same, along is not None)
    # where the same, k is 0 and so is its derivative
    gs = k / (gaps.difference + infinite_where_same(same, dtype=gaps.difference.dtype)) / 2
    if gw is not None:
        gs = gs + diagonal_matrix(gw if adapts else gw + gaps.kinks(w))
    return symmetric(matmul(matmul(conjugate(v), gs), swap_last(v))), None


def _eigh(a: Any, along: Any = None, *, UPLO: str, driver: str | None = None) -> Any:
    if along is not None:
        series = eigh_series(a, along, UPLO=UPLO)
        return series[0], series[2]
    if driver is None:
        w, v = np.linalg.eigh(a, "L" if UPLO == "L" else "U")
    else:
        from scipy.linalg import eigh as factor

        w, v = stacked(lambda m: tuple(factor(m, lower=UPLO == "L", driver=driver, check_finite=False)), a)
    return w, _turned(w, v)


def _turned(w: Any, *vectors: Any) -> Any:
    """Vectors of equal values, in no particular basis."""
    limit = rounding(w)
    if np.any(abs(np.diff(w)) <= limit):
        vectors = tuple([v.copy() for v in vectors])
        for k in np.ndindex(*w.shape[:-1]):
            edges = np.flatnonzero(abs(np.diff(w[k])) > limit[k]) + 1
            for block in np.split(np.arange(w.shape[-1]), edges):
                if len(block) > 1:
                    for v in vectors:
                        v[k][:, block] = v[k][:, block] @ any_basis(len(block), v.dtype)
    return vectors if len(vectors) > 1 else vectors[0]


def _eigh_along(ts: Any, values: Any, y: Any, params: Any) -> Any:
    """Of the eigenvectors at equal eigenvalues, those to which the eigenvectors of A + s T tend: the derivative along T is
    then that of the limit (Rellich 1969, Perturbation Theory of Eigenvalue Problems, ch. 1)."""
    w = y[0]
    if len(values) > 1 or not equal(w):
        return values, y
    refuse_undirected(values[0], w)
    values = [values[0], stop_gradient(ts[0])]
    return values, eigh(*values, **params)


def _series(a: Any, w: Any, zero: bool, prim: Any, params: Any) -> Any:
    """The series of all outputs at equal values w, one after the other; None where the values differ."""
    if not equal(w, zero):
        return None
    for c in a:
        refuse_undirected(c, w, zero)
    return prim(*a, **params)


def _eigh_taylor(series: Any, order: int, **params: Any) -> Any:
    (a, *_) = series
    out = _series(a, eigh(a[0], **params)[0], False, eigh_series, {"UPLO": params["UPLO"]})
    return None if out is None else [list(out[: order + 1]), list(out[order + 1 :])]


def _hermitian_samples() -> list[Sample]:
    return [
        Sample(s.args, {"UPLO": "L"}, degenerate=s.args[0].dtype.kind == "c")  # complex: the phase of v is LAPACK's
        for s in square((3, 3), (2, 2, 2), (0, 0), kind="symmetric")()
    ]


eigh = general(
    "eigh",
    _eigh,
    eigh_jvp,
    eigh_vjp,
    keep="y",
    multiple=True,
    taylor=_eigh_taylor,
    batch=leading_dims,
    samples=_hermitian_samples,
    source="Giles 2008, sec. 3.1; Seeger et al. 2017, arXiv:1710.08717; equal eigenvalues: Kasim 2020, arXiv:2011.04366",
)
eigh.along = _eigh_along

# Singular values ------------------------------------------------------------------------------


class _Singular:
    """What both rules of the svd divide by: E = 1/(s_j - s_i), F = 1/(s_j + s_i), r = 1/s."""

    def __init__(self, s: Any, a: Any) -> None:
        n = s.shape[-1]
        self.gaps = Gaps(s)
        infinite = np.diag(np.full(n, np.inf, s.dtype))
        self.F = gap_reciprocal(row(s) + column(s) + infinite, self.gaps.limit)
        self.limit = rounding(s)
        self.r = gap_reciprocal(s, self.limit)
        # For more rows than columns (or fewer), a singular value has a kink at 0.
        self.zeros = gap_zero(s, self.limit) if type(s) is Tensor and a.shape[-1] != a.shape[-2] else 0
        self.s = s

    @property
    def E(self) -> Any:
        return self.gaps.reciprocals

    @property
    def kinks(self) -> Any:
        return self.gaps.kinks(self.s) + self.zeros


def _svd_jvp(ts: Any, y: Any, a: Any, along: Any = None, *, full: bool) -> Any:
    """U' = U X + (what leaves U's columns), V' = V Y + ..., with X, Y antihermitian and U^H A' V = X S - S Y + S'."""
    u, s, vh = y
    refuse_undirected(s, s, _phases(a))
    k = s.shape[-1]
    u1, v1 = first(u, k), first(H(vh), k)
    t = ts[0]
    q = _Singular(s, a)
    p = matmul(H(u1), matmul(t, v1))
    ph = H(p)
    even, odd = q.E * (p + ph) / 2, q.F * (p - ph) / 2
    x = even + odd
    if a.dtype.kind == "c":
        x = x + diagonal_matrix(diagonal(p - ph) * (q.r / 2))
    du = matmul(u1, x)
    dv = matmul(v1, even - odd)
    rows, columns = a.shape[-2:]
    if rows > columns:
        du = du + _outside(matmul(t, v1), u1) * row(q.r)
    elif columns > rows:
        dv = dv + _outside(matmul(H(t), u1), v1) * row(q.r)
    if full:
        du, dv = (
            joined(d1, complement_jvp(first(w, k), w[..., k:], d1)) if w.shape[-1] > k else d1
            for w, d1 in ((u, du), (H(vh), dv))
        )
    ds = real_diagonal(p)
    return du, ds if along is not None else ds + q.kinks, H(dv)


def _outside(x: Any, u: Any) -> Any:
    """x without its part in the columns of u."""
    return x - matmul(u, matmul(H(u), x))


def _svd_vjp(g: Any, need: Any, y: Any, a: Any, along: Any = None, *, full: bool) -> Any:
    """The transpose of the jvp, line by line."""
    u, s, vh = y
    gu, gs, gvh = g
    refuse_undirected(s, s, _phases(a), directed=True)
    k = s.shape[-1]
    v = H(vh)
    gv = None if gvh is None else H(gvh)
    if full:
        gu, gv = (
            complement_vjp(first(w, k), w[..., k:], gw) if gw is not None and w.shape[-1] > k else gw
            for w, gw in ((u, gu), (v, gv))
        )
    u1, v1 = first(u, k), first(v, k)
    q = _Singular(s, a)
    gp: Any = 0
    extra: Any = 0
    rows, columns = a.shape[-2:]
    same = same_values(s, q.gaps.limit)
    gx: Any = None if gu is None else matmul(swap_last(u1), gu)
    gy: Any = None if gv is None else matmul(swap_last(v1), gv)
    if gx is not None or gy is not None:
        both = gy if gx is None else gx if gy is None else gx + gy
        one = -gy if gx is None else gx if gy is None else gx - gy
        skew, gs = settled(both, gs, same, along is not None)
        odd = q.F * one / 2
        gp = skew / (q.gaps.difference + infinite_where_same(same, dtype=q.gaps.difference.dtype)) / 2 + odd - H(odd)
    if gx is not None and a.dtype.kind == "c":
        d = diagonal_matrix(diagonal(gx) * (q.r / 2))
        gp = gp + d - H(d)
    if gu is not None and rows > columns:
        extra = matmul(_outside(gu * row(q.r), conjugate(u1)), swap_last(v1))
    if gv is not None and columns > rows:
        extra = extra + H(matmul(_outside(gv * row(q.r), conjugate(v1)), swap_last(u1)))
    if gx is None and gy is None and gs is not None:
        gs = settled(zeros_like(matmul(swap_last(u1), u1)), gs, same, along is not None)[1]
    if gs is not None:
        gp = gp + diagonal_matrix(gs + q.zeros)
    return matmul(matmul(conjugate(u1), gp), swap_last(v1)) + extra, None


def _svd_samples() -> list[Sample]:
    out = []
    for s in square((3, 3), (4, 2), (2, 3), (2, 3, 2))():
        phase = s.args[0].dtype.kind == "c"  # LAPACK's choice
        out.append(Sample(s.args, {"full": False}, degenerate=phase))
        if s.args[0].shape[-1] != s.args[0].shape[-2]:
            out.append(Sample(s.args, {"full": True}, degenerate=True))  # JAX has no such derivative
    return out


def _svd(a: Any, along: Any = None, *, full: bool) -> Any:
    if along is not None:
        return svd_series(a, along, full=full)[::2]
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    u, v = _turned(s, u, np.conj(np.swapaxes(vh, -1, -2)))
    return u, s, np.conj(np.swapaxes(v, -1, -2))


def _phases(a: Any) -> bool:
    """Whether vectors of a singular value 0 are determined only up to what turns them."""
    return a.shape[-1] != a.shape[-2] or a.dtype.kind == "c"


def _svd_along(ts: Any, values: Any, y: Any, params: Any) -> Any:
    """As ``_eigh_along``."""
    s = y[1]
    if len(values) > 1 or not equal(s, _phases(values[0])):
        return values, y
    refuse_undirected(values[0], s, _phases(values[0]))
    values = [values[0], stop_gradient(ts[0])]
    return values, svd(*values, **params)


def _svd_taylor(series: Any, order: int, *, full: bool) -> Any:
    (a, *_) = series
    out = _series(a, svd(a[0], full=full)[1], _phases(a[0]), svd_series, {"full": full})
    n = order + 1
    return None if out is None else [list(out[:n]), list(out[n : 2 * n]), list(out[2 * n :])]


svd = general(
    "svd",
    _svd,
    _svd_jvp,
    _svd_vjp,
    keep="y",
    multiple=True,
    taylor=_svd_taylor,
    batch=leading_dims,
    samples=_svd_samples,
    source="Townsend 2016, Differentiating the singular value decomposition; complex: Wan & Zhang 2019, arXiv:1909.02659",
)
svd.along = _svd_along

# General --------------------------------------------------------------------------------------


def _eig(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    kind = np.result_type(a.dtype, np.complex64)
    return w.astype(kind), v.astype(kind)


def _largest_component(v: Any) -> Any:
    if not v.shape[-1]:
        return np.zeros(v.shape)
    return np.eye(v.shape[-1])[np.argmax(np.abs(v), axis=-2)].swapaxes(-1, -2)


# LAPACK scales each eigenvector to length 1 with its largest component real: which component that is.
_largest = constant("largest_component", _largest_component, batch=leading_dims, samples=square((3, 3), complex=False))


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


def _refuse_equal(w: Any) -> None:
    if beneath(w) is not None and np.any(raw(coincide(w))):
        raise NotDifferentiable(
            "eig: this matrix has equal eigenvalues, at which they have no second derivatives: they part like the square "
            "root of what is added to it. Use eigh if it is Hermitian, or a function that needs no eigenvalues (trace, det, "
            "inv, norm, or expm, logm, sqrtm of dualad.scipy.linalg)."
        )


def _eig_jvp(ts: Any, y: Any, a: Any) -> Any:
    w, v = y
    _refuse_equal(w)
    gaps = Gaps(w)
    t = matmul(inv(v), matmul(ts[0], v))
    return diagonal(t) + gaps.kinks(w), _scaled(v, matmul(v, gaps.reciprocals * t), _largest(v))


def _eig_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    w, v = y
    _refuse_equal(w)
    gw, gv = g
    gaps = Gaps(w)
    gt: Any = 0
    if gv is not None:
        gt = gaps.reciprocals * matmul(swap_last(v), _scaled_transpose(v, gv, _largest(v)))
    if gw is not None:
        gw = settled(zeros_like(v), gw, same_values(w, gaps.limit))[1]
        gt = gt + diagonal_matrix(gw + gaps.kinks(w))
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


def _lapack_left(a: Any) -> Any:
    from scipy.linalg import eig as factor

    kind = np.result_type(a.dtype, np.complex64)
    return stacked(lambda m: factor(m, left=True, right=False, check_finite=False)[1].astype(kind), a)


_left = constant("lapack_left_vectors", _lapack_left, batch=leading_dims)


def left_vectors(a: Any, v: Any) -> Any:
    """The left eigenvectors that go with the (right) eigenvectors v, scaled as LAPACK does: their largest components are real,
    of the sign that LAPACK's have."""
    u = H(inv(v))
    axis = (u.ndim - 2,)
    u = u / row(sqrt(sum_over(absolute(u) ** 2, axis=axis)))
    largest = sum_over(_largest(stop_gradient(u)) * u, axis=axis)
    u = u * row(conjugate(largest) / absolute(largest))
    turn = sum_over(conjugate(stop_gradient(u)) * _left(stop_gradient(a)), axis=axis)
    u = u * row(turn / absolute(turn))
    return u if v.dtype.kind == "c" else real_part(u)


matrix_rank = constant(
    "matrix_rank",
    lambda a, tol, hermitian, rtol: np.linalg.matrix_rank(a, tol, hermitian, rtol=rtol),
    0,
    batch=leading_dims,
    samples=lambda: [
        Sample((m,), {"tol": None, "hermitian": False, "rtol": None}) for m in (np.eye(2), np.ones((2, 3, 2)))
    ],
)
