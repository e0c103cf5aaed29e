"""Eigenvalues and singular values.

At equal eigenvalues the vectors are determined up to a rotation among themselves only, and the eigenvalues have a kink unless
they enter symmetrically. The rules leave that rotation out: a difference of equal eigenvalues divides nothing, and counts 0.
The first derivative of ``f(eigh(A))`` is then exact for every f that stays the same when A is rotated among its equal
eigenvalues (traces, determinants, norms); that of another function, such as ``V w V.T`` itself, lacks what mixes them. The
second derivative is not determined by the factors at such a point: it is NaN, with a warning, and never a wrong number.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor
from dualad.ops.arithmetic import absolute, conjugate, imag_part, quotient, real_part, stop_gradient
from dualad.ops.contract import matmul, swap_last
from dualad.ops.kinds import constant, elementwise, general, leading_dims
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
    real_dtype,
    row,
    square,
    symmetric,
)
from dualad.ops.reduce import max as max_over
from dualad.ops.reduce import sum as sum_over
from dualad.ops.samples import Sample
from dualad.ops.shape import stack
from dualad.ops.triangular import stacked

# Equal eigenvalues ----------------------------------------------------------------------------


def _undefined(apart: Any, dtype: Any) -> Any:
    if not np.all(apart):
        warnings.warn(
            "a second derivative at equal eigenvalues or singular values (or singular values 0) is NaN: the factors do "
            "not determine it there.",
            RuntimeWarning,
            stacklevel=2,
        )
    return np.where(apart, 0.0, np.nan).astype(dtype)


# 0 where apart, NaN (and a warning) elsewhere.
_undefined_unless = constant("undefined_unless", _undefined, 0, batch=leading_dims)
_apart = constant("apart", lambda x, limit: np.abs(x) > limit, 2)


def _penalty(x: Any, limit: Any) -> Any:
    return _undefined_unless(_apart(x, limit), dtype=limit.dtype)


def _reciprocal(x: Any, limit: Any) -> Any:
    apart = np.abs(x) > limit
    return apart.astype(x.dtype) / np.where(apart, x, x.dtype.type(1))


def _gap_samples() -> list[Sample]:
    return [Sample((np.array([0.5, -2.0]), np.array([0.1, 0.1])))]


gap_reciprocal = elementwise(
    "gap_reciprocal",
    _reciprocal,
    (lambda y, x, limit: _penalty(x, limit) - y * y, lambda y, x, limit: real_part(y) * 0),
    keep="xy",
    samples=_gap_samples,
)
gap_reciprocal.__doc__ = "1 / x, and 0 where x is 0 to within a limit: there it has no derivative."

gap_zero = elementwise(
    "gap_zero",
    lambda x, limit: np.zeros_like(limit + x.real),
    (lambda y, x, limit: _penalty(x, limit), lambda y, x, limit: y),
    keep="xy",
    samples=_gap_samples,
)
gap_zero.__doc__ = "0, but without a derivative where x is 0 to within a limit."


class _Gaps:
    """The differences w_j - w_i (on the diagonal: infinite), and what is taken for equal."""

    def __init__(self, w: Any) -> None:
        n = w.shape[-1]
        self.difference = row(w) - column(w) + np.diag(np.full(n, np.inf, real_dtype(w.dtype)))
        self.limit = column(rounding(w))

    @property
    def reciprocals(self) -> Any:
        return gap_reciprocal(self.difference, self.limit)

    def kinks(self, w: Any) -> Any:
        """0 for each w; when differentiated once more, NaN for those that equal another."""
        if type(w) is not Tensor:
            return 0
        zero = gap_zero(self.difference, self.limit)
        return sum_over(zero, axis=(zero.ndim - 1,))


def coincide(w: Any) -> Any:
    """Whether some of the values w equal each other to within rounding."""
    gaps = _Gaps(w)
    return ~_apart(gaps.difference, gaps.limit)


def rounding(w: Any) -> Any:
    """Below this, numbers of the size of w are rounding errors: shape (..., 1)."""
    n = w.shape[-1]
    if not n:
        return np.zeros((*w.shape[:-1], 1), real_dtype(w.dtype))
    largest = max_over(absolute(stop_gradient(w)), axis=(w.ndim - 1,))
    return column(largest) * largest.dtype.type(4 * n * np.finfo(largest.dtype).eps)


def _real_diagonal(x: Any) -> Any:
    d = diagonal(x)
    return real_part(d) if d.dtype.kind == "c" else d


# Hermitian ------------------------------------------------------------------------------------


def eigh_jvp(ts: Any, y: Any, a: Any, *, UPLO: str, driver: str | None = None) -> Any:
    w, v = y
    gaps = _Gaps(w)
    s = matmul(H(v), matmul(symmetric(ts[0]), v))
    return _real_diagonal(s) + gaps.kinks(w), matmul(v, gaps.reciprocals * s)


def eigh_vjp(g: Any, need: Any, y: Any, a: Any, *, UPLO: str, driver: str | None = None) -> Any:
    w, v = y
    gw, gv = g
    gaps = _Gaps(w)
    gs: Any = 0
    if gv is not None:
        gs = gaps.reciprocals * matmul(swap_last(v), gv)
    if gw is not None:
        gs = gs + diagonal_matrix(gw + gaps.kinks(w))
    return (symmetric(matmul(matmul(conjugate(v), gs), swap_last(v))),)


def _eigh(a: Any, UPLO: str, driver: str | None = None) -> Any:
    if driver is None:
        return tuple(np.linalg.eigh(a, "L" if UPLO == "L" else "U"))
    from scipy.linalg import eigh as factor

    return stacked(lambda m: tuple(factor(m, lower=UPLO == "L", driver=driver, check_finite=False)), a)


eigh = general(
    "eigh",
    _eigh,
    eigh_jvp,
    eigh_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=lambda: [
        Sample(s.args, {"UPLO": "L"}, degenerate=s.args[0].dtype.kind == "c")  # complex: the phase of v is LAPACK's
        for s in square((3, 3), (2, 2, 2), (0, 0), kind="symmetric")()
    ],
    source="Giles 2008, sec. 3.1; Seeger et al. 2017, arXiv:1710.08717",
)

# Singular values ------------------------------------------------------------------------------


class _Singular:
    """What both rules of the svd divide by: E = 1/(s_j - s_i), F = 1/(s_j + s_i), r = 1/s."""

    def __init__(self, s: Any, a: Any) -> None:
        n = s.shape[-1]
        self.gaps = _Gaps(s)
        self.E = self.gaps.reciprocals
        infinite = np.diag(np.full(n, np.inf, s.dtype))
        self.F = gap_reciprocal(row(s) + column(s) + infinite, self.gaps.limit)
        self.limit = rounding(s)
        self.r = gap_reciprocal(s, self.limit)
        self.kinks = self.gaps.kinks(s)
        if type(s) is Tensor and a.shape[-1] != a.shape[-2]:
            self.kinks = self.kinks + gap_zero(s, self.limit)


def _svd_jvp(ts: Any, y: Any, a: Any, *, full: bool) -> Any:
    """U' = U X + (what leaves U's columns), V' = V Y + ..., with X, Y antihermitian and U^H A' V = X S - S Y + S'."""
    u, s, vh = y
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
    return du, _real_diagonal(p) + q.kinks, H(dv)


def _outside(x: Any, u: Any) -> Any:
    """x without its part in the columns of u."""
    return x - matmul(u, matmul(H(u), x))


def _svd_vjp(g: Any, need: Any, y: Any, a: Any, *, full: bool) -> Any:
    """The transpose of the jvp, line by line."""
    u, s, vh = y
    gu, gs, gvh = g
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
    gx: Any = None if gu is None else matmul(swap_last(u1), gu)
    gy: Any = None if gv is None else matmul(swap_last(v1), gv)
    if gx is not None or gy is not None:
        both = gy if gx is None else gx if gy is None else gx + gy
        one = -gy if gx is None else gx if gy is None else gx - gy
        even, odd = q.E * both / 2, q.F * one / 2
        gp = even + H(even) + odd - H(odd)
    if gx is not None and a.dtype.kind == "c":
        d = diagonal_matrix(diagonal(gx) * (q.r / 2))
        gp = gp + d - H(d)
    if gu is not None and rows > columns:
        extra = matmul(_outside(gu * row(q.r), conjugate(u1)), swap_last(v1))
    if gv is not None and columns > rows:
        extra = extra + H(matmul(_outside(gv * row(q.r), conjugate(v1)), swap_last(u1)))
    if gs is not None:
        gp = gp + diagonal_matrix(gs + q.kinks)
    return (matmul(matmul(conjugate(u1), gp), swap_last(v1)) + extra,)


def _svd_samples() -> list[Sample]:
    out = []
    for s in square((3, 3), (4, 2), (2, 3), (2, 3, 2))():
        phase = s.args[0].dtype.kind == "c"  # LAPACK's choice
        out.append(Sample(s.args, {"full": False}, degenerate=phase))
        if s.args[0].shape[-1] != s.args[0].shape[-2]:
            out.append(Sample(s.args, {"full": True}, degenerate=True))  # JAX has no such derivative
    return out


svd = general(
    "svd",
    lambda a, full: tuple(np.linalg.svd(a, full_matrices=full)),
    _svd_jvp,
    _svd_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=_svd_samples,
    source="Townsend 2016, Differentiating the singular value decomposition; complex: Wan & Zhang 2019, arXiv:1909.02659",
)

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


def _eig_jvp(ts: Any, y: Any, a: Any) -> Any:
    w, v = y
    gaps = _Gaps(w)
    t = matmul(inv(v), matmul(ts[0], v))
    return diagonal(t) + gaps.kinks(w), _scaled(v, matmul(v, gaps.reciprocals * t), _largest(v))


def _eig_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    w, v = y
    gw, gv = g
    gaps = _Gaps(w)
    gt: Any = 0
    if gv is not None:
        gt = gaps.reciprocals * matmul(swap_last(v), _scaled_transpose(v, gv, _largest(v)))
    if gw is not None:
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

matrix_rank = constant(
    "matrix_rank",
    lambda a, tol, hermitian, rtol: np.linalg.matrix_rank(a, tol, hermitian, rtol=rtol),
    0,
    batch=leading_dims,
    samples=lambda: [
        Sample((m,), {"tol": None, "hermitian": False, "rtol": None}) for m in (np.eye(2), np.ones((2, 3, 2)))
    ],
)

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
