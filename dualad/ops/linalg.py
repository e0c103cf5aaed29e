"""Linear algebra: solve, determinants, factorizations. Matrices are the last two axes, the leading ones broadcast.

Transposes are taken without conjugation (the convention of the whole library), so for complex matrices each formula is the
transpose of the jvp as an R-linear map: the transpose of ``t -> conj(t).T`` is itself.

Sources: Giles 2008, "Collected matrix derivative results for forward and reverse mode AD"; others at each primitive.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops.arithmetic import conjugate, imag_part, real_part
from dualad.ops.contract import matmul, swap_last
from dualad.ops.index import ARRAY, index, scatter
from dualad.ops.kinds import general, leading_dims
from dualad.ops.reduce import sum as sum_over
from dualad.ops.samples import Sample, Samples
from dualad.ops.shape import reshape


def H(x: Any) -> Any:
    """Conjugate transpose."""
    return swap_last(conjugate(x)) if x.dtype.kind == "c" else swap_last(x)


def diagonal(x: Any) -> Any:
    i = np.arange(min(x.shape[-2:]))
    return index(x, i, i, template=(*[slice(None)] * (x.ndim - 2), ARRAY, ARRAY))


def diagonal_matrix(v: Any) -> Any:
    i = np.arange(v.shape[-1])
    template = (*[slice(None)] * (v.ndim - 1), ARRAY, ARRAY)
    return scatter(v, i, i, template=template, shape=(*v.shape, v.shape[-1]))


def row(v: Any) -> Any:
    return reshape(v, shape=(*v.shape[:-1], 1, v.shape[-1]))


def column(v: Any) -> Any:
    return reshape(v, shape=(*v.shape, 1))


def lower(x: Any, k: int = 0) -> Any:
    return x * np.tri(*x.shape[-2:], k=k, dtype=x.real.dtype if not hasattr(x, "level") else _real(x.dtype))


def _real(dtype: Any) -> Any:
    return np.zeros((), dtype).real.dtype


def real_as(x: Any, like: Any) -> Any:
    """The real part, in the dtype of ``like``."""
    return real_part(x) + np.zeros((), like.dtype)[()] if x.dtype.kind == "c" else x


# Samples --------------------------------------------------------------------------------------


def square(
    *shapes: tuple[int, ...], complex: bool = True, kind: str = "general", extra: tuple[int, ...] | None = None
) -> Samples:
    """Well-conditioned matrices: ``general``, ``symmetric`` or ``definite``; with ``extra``, a second argument."""

    def samples() -> list[Sample]:
        rng = np.random.default_rng(11)
        out = []
        for s in shapes:
            for c in (False, True) if complex else (False,):
                a = rng.normal(size=s) + (1j * rng.normal(size=s) if c else 0)
                if kind == "general" and s[-1] == s[-2]:
                    a = a + 2 * np.eye(s[-1])
                if kind in ("symmetric", "definite"):
                    a = a + np.conj(np.swapaxes(a, -1, -2))
                if kind == "definite":
                    a = a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(s[-1])
                args: tuple[Any, ...] = (a,)
                if extra is not None:
                    args = (a, rng.normal(size=(s[-1], *extra)) + (1j * rng.normal(size=(s[-1], *extra)) if c else 0))
                out.append(Sample(args))
        return out

    return samples


# Systems --------------------------------------------------------------------------------------


def _solve_vjp(g: Any, need: Any, y: Any, a: Any, b: Any) -> Any:
    gb = solve(swap_last(a), g)
    return (-matmul(gb, swap_last(y)) if need[0] else None), (gb if need[1] else None)


def _solve_jvp(ts: Any, y: Any, a: Any, b: Any) -> Any:
    ta, tb = ts
    right = tb if ta is None else -matmul(ta, y) if tb is None else tb - matmul(ta, y)
    return solve(a, right)


def _solve_taylor(series: Any, order: int) -> Any:
    """A(s) Y(s) = B(s): y_k = solve(a_0, b_k - sum_j a_j y_(k-j))."""
    a, b = series
    a0 = a[0] if type(a) is list else a
    y: list[Any] = []
    for k in range(order + 1):
        right = b[k] if type(b) is list else b if k == 0 else None
        for j in range(1, k + 1) if type(a) is list else ():
            term = matmul(a[j], y[k - j])
            right = -term if right is None else right - term
        y.append(solve(a0, right) if right is not None else y[0] * 0)
    return y


# b is a stack of matrices: dualad.numpy.linalg.solve brings vectors to that form.
solve = general(
    "solve",
    np.linalg.solve,
    _solve_jvp,
    _solve_vjp,
    keep="xy",
    taylor=_solve_taylor,
    batch=leading_dims,
    samples=square((3, 3), (2, 3, 3), extra=(2,)),
    source="Giles 2008, sec. 2.3",
)
inv = general(
    "inv",
    np.linalg.inv,
    lambda ts, y, a: -matmul(matmul(y, ts[0]), y),
    lambda g, need, y, a: (-matmul(matmul(swap_last(y), g), swap_last(y)),),
    keep="y",
    batch=leading_dims,
    samples=square((3, 3), (2, 2, 2)),
    source="Giles 2008, sec. 2.2",
)


def _pinv_jvp(ts: Any, y: Any, a: Any, *, rcond: Any, hermitian: bool) -> Any:
    t, p = ts[0], y
    out = -matmul(matmul(p, t), p)
    out = out + matmul(matmul(p, H(p)), matmul(H(t), _rest(matmul(a, p))))
    return out + matmul(matmul(_rest(matmul(p, a)), H(t)), matmul(H(p), p))


def _pinv_vjp(g: Any, need: Any, y: Any, a: Any, *, rcond: Any, hermitian: bool) -> Any:
    p = y
    out = -matmul(matmul(swap_last(p), g), swap_last(p))
    first = matmul(matmul(swap_last(matmul(p, H(p))), g), swap_last(_rest(matmul(a, p))))
    second = matmul(matmul(swap_last(_rest(matmul(p, a))), g), swap_last(matmul(H(p), p)))
    return (out + H(first + second),)


def _rest(projector: Any) -> Any:
    return np.eye(projector.shape[-1], dtype=_real(projector.dtype)) - projector


pinv = general(
    "pinv",
    lambda a, rcond, hermitian: np.linalg.pinv(a, rcond, hermitian),
    _pinv_jvp,
    _pinv_vjp,
    keep="xy",
    batch=leading_dims,
    samples=lambda: [Sample(s.args, {"rcond": None, "hermitian": False}) for s in square((3, 2), (2, 4), (3, 3))()],
    source="Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, eq. 4.12 (constant rank)",
)

# Determinants ---------------------------------------------------------------------------------


def _products_without(s: Any) -> tuple[Any, Any]:
    """Products of all s but one, and but two."""
    n = s.shape[-1]
    one = np.stack([np.prod(np.delete(s, i, -1), -1) for i in range(n)], -1) if n else s
    two = np.ones((*s.shape[:-1], n, n), s.dtype)
    for i in range(n):
        for j in range(n):
            two[..., i, j] = np.prod(np.delete(s, [i, j], -1), -1)
    return one, two


def _cofactor(a: Any) -> Any:
    """d det(A) / dA, from the SVD: no division, so singular matrices are no exception."""
    u, s, vh = np.linalg.svd(a)
    one, _ = _products_without(s)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    core = np.conj(u) * one[..., None, :] @ np.conj(vh)
    return sign[..., None, None] * core


def _cofactor_tangent(a: Any, t: Any) -> Any:
    """The derivative of the cofactor matrix along T: in the SVD's basis, from products of all but two singular values."""
    u, s, vh = np.linalg.svd(a)
    _, two = _products_without(s)
    ut, v = np.swapaxes(np.conj(u), -1, -2), np.swapaxes(np.conj(vh), -1, -2)
    m = ut @ t @ v
    n = s.shape[-1]
    off = 1 - np.eye(n)
    d = np.diagonal(m, axis1=-2, axis2=-1)
    x = -two * off * np.swapaxes(m, -1, -2)
    x = x + np.eye(n) * np.sum(two * off * d[..., None, :], -1)[..., None]
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return sign[..., None, None] * (np.conj(u) @ x @ np.conj(vh))


def _third(a: Any, t: Any, s: Any) -> Any:
    """Second derivative of the cofactor matrix along T and S; a must be invertible here."""
    b = inv(a)
    c = cofactor(a)
    dc = cofactor_tangent(a, s)
    bt, bs = matmul(b, t), matmul(b, s)
    trace = lambda m: reshape(sum_over(diagonal(m), axis=(m.ndim - 2,)), shape=(*m.shape[:-2], 1, 1))
    out = dc * trace(bt) - c * trace(matmul(bs, bt))
    return out - matmul(matmul(dc, swap_last(t)), swap_last(b)) + matmul(c, swap_last(matmul(bs, bt)))


def _cofactor_tangent_jvp(ts: Any, y: Any, a: Any, t: Any) -> Any:
    out = None if ts[1] is None else cofactor_tangent(a, ts[1])
    if ts[0] is not None:
        third = _third(a, t, ts[0])
        out = third if out is None else out + third
    return out


def _matrix_samples() -> list[Sample]:
    singular = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 1.0]])
    return [*square((3, 3), (2, 2, 2), (1, 1))(), Sample((singular,), order=2), Sample((np.zeros((3, 3)),), order=2)]


cofactor_tangent = general(
    "cofactor_tangent",
    _cofactor_tangent,
    _cofactor_tangent_jvp,
    # det's third derivative is symmetric in its three directions.
    lambda g, need, y, a, t: (
        _third(a, t, g) if need[0] else None,
        cofactor_tangent(a, g) if need[1] else None,
    ),
    keep="x",
    batch=leading_dims,
    samples=lambda: [Sample((s.args[0], s.args[0][..., ::-1] + 0.5)) for s in square((3, 3), complex=False)()],
    source="Mathias & Stewart 1993; Giles 2008, sec. 2.2.4",
)
cofactor = general(
    "cofactor",
    _cofactor,
    lambda ts, y, a: cofactor_tangent(a, ts[0]),
    lambda g, need, y, a: (cofactor_tangent(a, g),),
    keep="x",
    batch=leading_dims,
    samples=square((3, 3), (2, 2, 2)),
    source="Giles 2008, sec. 2.2.4",
)
det = general(
    "det",
    np.linalg.det,
    lambda ts, y, a: sum_over(cofactor(a) * ts[0], axis=(a.ndim - 2, a.ndim - 1)),
    lambda g, need, y, a: (reshape(g, shape=(*g.shape, 1, 1)) * cofactor(a),),
    keep="x",
    batch=leading_dims,
    samples=_matrix_samples,
    source="Giles 2008, sec. 2.2.4 (Jacobi's formula)",
)


def _slogdet(a: Any) -> Any:
    sign, log = np.linalg.slogdet(a)
    return sign, log


def _inverse_or_nan(a: Any) -> Any:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return np.full(a.shape, np.nan, a.dtype)


# As inv, but NaN for a stack with a singular matrix, where log|det| has no derivative.
_inverse = general(
    "inverse_or_nan",
    _inverse_or_nan,
    lambda ts, y, a: -matmul(matmul(y, ts[0]), y),
    lambda g, need, y, a: (-matmul(matmul(swap_last(y), g), swap_last(y)),),
    keep="y",
    batch=leading_dims,
    samples=square((3, 3)),
    source="Giles 2008, sec. 2.2",
)


def _slogdet_jvp(ts: Any, y: Any, a: Any) -> Any:
    z = sum_over(swap_last(_inverse(a)) * ts[0], axis=(a.ndim - 2, a.ndim - 1))
    if a.dtype.kind != "c":
        return None, z
    return y[0] * (1j * imag_part(z)), real_part(z)


def _slogdet_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    gs, gl = g
    ct = None if gl is None else gl
    if gs is not None and a.dtype.kind == "c":
        w = y[0] * gs
        w = w - real_part(w)
        ct = w if ct is None else w + ct
    if ct is None:
        return (None,)
    return (reshape(ct, shape=(*ct.shape, 1, 1)) * swap_last(_inverse(a)),)


slogdet = general(
    "slogdet",
    _slogdet,
    _slogdet_jvp,
    _slogdet_vjp,
    keep="xy",
    multiple=True,
    batch=leading_dims,
    samples=square((3, 3), (2, 2, 2)),
    source="Giles 2008, sec. 2.2.5",
)

# Factorizations -------------------------------------------------------------------------------


def _half(x: Any) -> Any:
    """Lower triangle with half the diagonal."""
    n = x.shape[-1]
    return x * (np.tri(n, dtype=_real(x.dtype)) - 0.5 * np.eye(n, dtype=_real(x.dtype)))


def _symmetric(x: Any) -> Any:
    return (x + H(x)) / 2


def _cholesky_jvp(ts: Any, y: Any, a: Any) -> Any:
    s = solve(y, H(solve(y, H(_symmetric(ts[0])))))
    return matmul(y, _half(s))


def _cholesky_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    p = _half(matmul(swap_last(y), g))
    left = solve(swap_last(y), p)
    # times conj(L)^-1 from the right
    return (_symmetric(swap_last(solve(H(y), swap_last(left)))),)


cholesky = general(
    "cholesky",
    np.linalg.cholesky,
    _cholesky_jvp,
    _cholesky_vjp,
    keep="y",
    batch=leading_dims,
    samples=square((3, 3), (2, 2, 2), kind="definite"),
    source="Murray 2016, arXiv:1602.07527",
)


def _qr(a: Any) -> Any:
    q, r = np.linalg.qr(a)
    return q, r


def _times_inverse(x: Any, r: Any) -> Any:
    """x r^-1."""
    return swap_last(solve(swap_last(r), swap_last(x)))


def _imaginary(x: Any) -> Any:
    return x - real_part(x)


def _qr_jvp(ts: Any, y: Any, a: Any) -> Any:
    q, r = y
    c = _times_inverse(ts[0], r)
    p = matmul(H(q), c)
    low = lower(p, -1)
    rotation = low - H(low)
    if a.dtype.kind == "c":
        rotation = rotation + diagonal_matrix(_imaginary(diagonal(p)))
    return matmul(q, rotation - p) + c, matmul(p - rotation, r)


def _qr_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    q, r = y
    gq, gr = g
    g_rotation = 0
    gc: Any = 0
    if gq is not None:
        g_rotation = matmul(swap_last(q), gq)
        gc = gq
    if gr is not None:
        g_rotation = g_rotation - matmul(gr, swap_last(r))
    gp = -g_rotation + lower(g_rotation - H(g_rotation), -1)
    if a.dtype.kind == "c":
        gp = gp + diagonal_matrix(_imaginary(diagonal(g_rotation)))
    gc = gc + matmul(conjugate(q), gp)
    return (swap_last(solve(r, swap_last(gc))),)


# Reduced, for at least as many rows as columns: dualad.numpy.linalg.qr brings the others to that form.
qr = general(
    "qr",
    _qr,
    _qr_jvp,
    _qr_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=square((3, 3), (4, 2), (2, 3, 2)),
    source="Walter & Lehmann 2010, arXiv:1009.6112",
)
