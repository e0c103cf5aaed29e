"""Eigenvalues and singular values.

Where eigenvalues (or singular values) equal each other to within ``4 n eps`` of the largest, their vectors are determined up to
a rotation among themselves only.

Forward mode takes, of all these vectors, the limits of those of A + s T as s -> 0 (Rellich): the derivative along T is then
right for every smooth function of A, and the eigenvalues get their one-sided derivatives, ordered as they are for s > 0. The
other modes take vectors in no particular basis; on arrays without any tracking they are NumPy's.

Reverse mode knows no T. With N = V^T gV and the cotangents gw, it accepts what determines the derivative: N Hermitian among
the equal ones (else the function changes when they are rotated: it has no derivative) and, if values and vectors are both
used, N a multiple of I and gw equal there (true of traces, norms, and all functions with f(Q A Q^H) = f(A)). Others, such as
the elements of V h(w) V^H, raise NotDifferentiable: they need what mixes the equal ones, of which V and w know nothing. The
tolerance is sqrt(eps) relative to the largest cotangent. Where all cotangents among the equal ones happen to be 0 this cannot
be noticed, and the derivative's part among them is 0.

Second derivatives of functions with f(Q A Q^H) = f(A) are right in forward over reverse (hessian, hvp); those of functions of
the values alone also in reverse over forward and forward over forward. In the other compositions they raise or are NaN, with a
warning, and never a wrong number.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.core.tensor import Tensor
from dualad.ops.arithmetic import absolute, conjugate, imag_part, real_part, stop_gradient
from dualad.ops.contract import matmul, swap_last
from dualad.ops.kinds import constant, elementwise, general, leading_dims, zeros_like
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
from dualad.ops.shape import broadcast_to, reshape
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


# Gauges ---------------------------------------------------------------------------------------


def _refuse(what: str) -> None:
    raise NotDifferentiable(
        f"equal eigenvalues or singular values: {what} (tolerance: sqrt(eps) relative to the largest cotangent). There the "
        "factors do not determine the derivative. Use a function that needs no vectors (trace, det, inv, norm, or expm, "
        "logm, sqrtm, polar of dualad.scipy.linalg), forward mode (jvp, jacfwd; hessian and hvp for second derivatives), or "
        "matrices with different eigenvalues."
    )


def _settle(n: Any, g: Any, same: Any, adapted: bool) -> Any:
    turned = np.conj(np.swapaxes(n, -1, -2))
    skew, even = n - turned, n + turned
    limit = np.finfo(n.dtype).eps ** 0.5
    scale = limit * np.max(abs(n), axis=(-2, -1), keepdims=True, initial=0)
    if np.any((abs(skew) > scale) & same):
        _refuse("this function of the vectors changes when they are rotated among themselves, and so has no derivative")
    if same.any() and g.shape == n.shape[:-1]:  # also the values are used
        if np.any((abs(even) > 2 * scale) & same):
            _refuse("the vectors enter together with the values, and not as in a trace or norm")
        if not adapted:
            inner = np.real(np.diagonal(n, axis1=-2, axis2=-1))
            for v in (g, inner):
                apart = abs(v[..., :, None] - v[..., None, :])
                most = limit * np.maximum(
                    np.max(abs(v), axis=-1, initial=0)[..., None, None], scale / limit * (v is inner)
                )
                if np.any((apart > most) & same):
                    _refuse(
                        "they enter this function differently, as in w[0] or in V w V.T, and not as in a trace or norm"
                    )
    return np.where(same, n.dtype.type(0), skew), g


def _settle_vjp(g: Any, need: Any, y: Any, n: Any, gw: Any, same: Any, *, adapted: bool) -> Any:
    gk, gg = g
    gn = None if gk is None else gk * _apart_of(same, dtype=gk.dtype)
    if gn is not None:
        gn = gn - H(gn)
    if gg is not None:
        gg = gg + _undetermined(same, dtype=gg.dtype)
    return gn, gg, None


_apart_of = constant("not_same", lambda same, dtype: (~same).astype(dtype), 0, batch=leading_dims)
_undetermined = constant(
    "undetermined", lambda same, dtype: _undefined(~same.any(axis=-1), real_dtype(dtype)), 0, batch=leading_dims
)
_same = constant(
    "same_values",
    lambda w, limit: (np.abs(w[..., None, :] - w[..., :, None]) <= limit) & ~np.eye(w.shape[-1], dtype=bool),
    0,
    batch=lambda prim, args, batched, size, params: prim(
        *[a if b else reshape(a, shape=(1, *a.shape)) for a, b in zip(args, batched, strict=True)]
    ),
)


def _settle_samples() -> list[Sample]:
    n = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 5.0], [4.0, 6.0, 7.0]])
    return [Sample((n, np.array([2.0, 2.0, 3.0]), np.zeros((3, 3), bool)), {"adapted": False})]


# What cotangents N = V.T gV and gw may be where values are the same: the antihermitian part of N outside of these.
settle = general(
    "settle",
    _settle,
    lambda ts, y, n, g, same, *, adapted: settle(
        zeros_like(n) if ts[0] is None else ts[0], zeros_like(g) if ts[1] is None else ts[1], same, adapted=True
    ),
    _settle_vjp,
    keep="x",
    multiple=True,
    batch=lambda prim, args, batched, size, params: prim(
        *[
            a if b else broadcast_to(reshape(a, shape=(1, *a.shape)), shape=(size, *a.shape))
            for a, b in zip(args, batched, strict=True)
        ],
        **params,
    ),
    samples=_settle_samples,
    source="Kasim 2020, arXiv:2011.04366; Lewis & Sendov 2001, SIAM J. Matrix Anal. Appl. 23, 368-386",
)


def _settled(n: Any, g: Any, same: Any, adapted: bool = False) -> Any:
    """``settle`` where g may be None."""
    unused = np.zeros((*n.shape[:-2], 0), real_dtype(n.dtype))
    skew, settled = settle(n, unused if g is None else g, same, adapted=adapted)
    return skew, None if g is None else settled


def raw(x: Any) -> Any:
    """The plain array below all levels."""
    while type(x) is Tensor:
        x = x.value
    return x


# Hermitian ------------------------------------------------------------------------------------


def eigh_jvp(ts: Any, y: Any, a: Any, along: Any = None, *, UPLO: str, driver: str | None = None) -> Any:
    w, v = y
    gaps = _Gaps(w)
    s = matmul(H(v), matmul(symmetric(ts[0]), v))
    dw = _real_diagonal(s)
    return dw if along is not None else dw + gaps.kinks(w), matmul(v, gaps.reciprocals * s)


def eigh_vjp(
    g: Any, need: Any, y: Any, a: Any, along: Any = None, *, UPLO: str, driver: str | None = None, adapts: bool = True
) -> Any:
    w, v = y
    gw, gv = g
    gaps = _Gaps(w)
    same = _same(w, gaps.limit)
    n = matmul(swap_last(v), gv) if gv is not None else zeros_like(v)
    k, gw = _settled(n, gw, same, along is not None)
    # where the same, k is 0 and so is its derivative
    gs = k / (gaps.difference + _where_same(same, dtype=gaps.difference.dtype)) / 2
    if gw is not None:
        gs = gs + diagonal_matrix(gw if adapts else gw + gaps.kinks(w))
    return symmetric(matmul(matmul(conjugate(v), gs), swap_last(v))), None


_where_same = constant(
    "infinite_where_same", lambda s, dtype: np.where(s, np.inf, 0).astype(dtype), 0, batch=leading_dims
)


def _eigh(a: Any, along: Any = None, *, UPLO: str, driver: str | None = None) -> Any:
    if driver is None:
        w, v = np.linalg.eigh(a, "L" if UPLO == "L" else "U")
    else:
        from scipy.linalg import eigh as factor

        w, v = stacked(lambda m: tuple(factor(m, lower=UPLO == "L", driver=driver, check_finite=False)), a)
    return _turned_vectors(w, v, along)


def _turned_vectors(w: Any, v: Any, along: Any) -> Any:
    """Of equal eigenvalues, eigenvectors in a basis that suits a direction, or else in no particular one: in a particular
    one, such as that of I, a function that depends on the basis could look as if it did not."""
    limit = rounding(w)
    if not np.any(np.diff(w) <= limit):
        return w, v
    lead = w.shape[:-1] if along is None else np.broadcast_shapes(w.shape[:-1], along.shape[:-2])
    w, v = np.broadcast_to(w, lead + w.shape[-1:]), np.broadcast_to(v, lead + v.shape[-2:]).copy()
    t = None if along is None else np.broadcast_to(along + np.conj(np.swapaxes(along, -1, -2)), v.shape)
    limit = rounding(w)
    for k in np.ndindex(*lead):
        for block in _blocks(w[k], limit[k]):
            u = v[k][:, block]
            v[k][:, block] = u @ (
                _any_basis(len(block), v.dtype) if t is None else np.linalg.eigh(np.conj(u.T) @ t[k] @ u)[1]
            )
    return w, v


def _blocks(w: Any, limit: Any) -> Any:
    """The places of values that equal each other, of sorted values."""
    edges = np.flatnonzero(abs(np.diff(w)) > limit) + 1
    return [b for b in np.split(np.arange(w.shape[-1]), edges) if len(b) > 1]


def _any_basis(n: int, dtype: Any) -> Any:
    rng = np.random.default_rng(n)
    m = rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if np.dtype(dtype).kind == "c" else 0)
    return np.linalg.qr(m)[0].astype(dtype)


def _eigh_along(ts: Any, values: Any, y: Any, params: Any) -> Any:
    """Of the eigenvectors at equal eigenvalues, those to which the eigenvectors of A + s T tend: the derivative along T is
    then that of the limit (Rellich 1969, Perturbation Theory of Eigenvalue Problems, ch. 1)."""
    w = raw(y[0])
    if len(values) > 1 or not w.shape[-1] or not np.any(np.diff(w) <= rounding(w)):
        return values, y
    values = [values[0], stop_gradient(ts[0])]
    return values, eigh(*values, **params)


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
        self.gaps = _Gaps(s)
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
    ds = _real_diagonal(p)
    return du, ds if along is not None else ds + q.kinks, H(dv)


def _outside(x: Any, u: Any) -> Any:
    """x without its part in the columns of u."""
    return x - matmul(u, matmul(H(u), x))


def _svd_vjp(g: Any, need: Any, y: Any, a: Any, along: Any = None, *, full: bool) -> Any:
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
    same = _same(s, q.gaps.limit)
    gx: Any = None if gu is None else matmul(swap_last(u1), gu)
    gy: Any = None if gv is None else matmul(swap_last(v1), gv)
    if gx is not None or gy is not None:
        both = gy if gx is None else gx if gy is None else gx + gy
        one = -gy if gx is None else gx if gy is None else gx - gy
        skew, gs = _settled(both, gs, same, along is not None)
        odd = q.F * one / 2
        gp = skew / (q.gaps.difference + _where_same(same, dtype=q.gaps.difference.dtype)) / 2 + odd - H(odd)
    if gx is not None and a.dtype.kind == "c":
        d = diagonal_matrix(diagonal(gx) * (q.r / 2))
        gp = gp + d - H(d)
    if gu is not None and rows > columns:
        extra = matmul(_outside(gu * row(q.r), conjugate(u1)), swap_last(v1))
    if gv is not None and columns > rows:
        extra = extra + H(matmul(_outside(gv * row(q.r), conjugate(v1)), swap_last(u1)))
    if gx is None and gy is None and gs is not None:
        gs = _settled(zeros_like(matmul(swap_last(u1), u1)), gs, same, along is not None)[1]
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
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    if not s.shape[-1] or not np.any(-np.diff(s) <= rounding(s)):
        return u, s, vh
    lead = s.shape[:-1] if along is None else np.broadcast_shapes(a.shape[:-2], along.shape[:-2])
    u, s, vh = (np.broadcast_to(x, lead + x.shape[-n:]).copy() for x, n in ((u, 2), (s, 1), (vh, 2)))
    t = None if along is None else np.broadcast_to(along, lead + a.shape[-2:])
    limit = rounding(s)
    for k in np.ndindex(*lead):
        for block in _blocks(s[k], limit[k]):
            left, right = u[k][:, block], np.conj(vh[k][block].T)
            if t is None:
                turn = other = _any_basis(len(block), u.dtype)
            else:
                p = np.conj(left.T) @ t[k] @ right
                if s[k][block[0]] > limit[k][0]:  # both turn together; the largest comes first
                    turn = other = np.linalg.eigh(p + np.conj(p.T))[1][:, ::-1]
                else:
                    turn, _, h = np.linalg.svd(p)
                    other = np.conj(h.T)
            u[k][:, block], vh[k][block] = left @ turn, np.conj((right @ other).T)
    return u, s, vh


def _svd_along(ts: Any, values: Any, y: Any, params: Any) -> Any:
    """As ``_eigh_along``."""
    s = raw(y[1])
    if len(values) > 1 or not s.shape[-1] or not np.any(-np.diff(s) <= rounding(s)):
        return values, y
    values = [values[0], stop_gradient(ts[0])]
    return values, svd(*values, **params)


svd = general(
    "svd",
    _svd,
    _svd_jvp,
    _svd_vjp,
    keep="y",
    multiple=True,
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
        gw = _settled(zeros_like(v), gw, _same(w, gaps.limit))[1]
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
