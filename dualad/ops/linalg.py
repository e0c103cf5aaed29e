"""Linear algebra: systems, inverses, factorizations. Matrices are the last two axes, the leading ones broadcast.

Transposes are taken without conjugation (the convention of the whole library), so for complex matrices each formula is the
transpose of the jvp as an R-linear map: the transpose of ``t -> conj(t).T`` is itself.

Sources: Giles 2008, "Collected matrix derivative results for forward and reverse mode AD"; others at each primitive.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops.arithmetic import conjugate, real_part
from dualad.ops.contract import matmul, swap_last
from dualad.ops.index import ARRAY, index, scatter
from dualad.ops.kinds import general, leading_dims
from dualad.ops.samples import Sample, Samples
from dualad.ops.shape import concatenate, reshape


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
    rows, columns = x.shape[-2:]
    return x * np.tri(rows, columns, k, dtype=real_dtype(x.dtype))


def real_dtype(dtype: Any) -> Any:
    return np.zeros((), dtype).real.dtype


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


def _pinv_jvp(ts: Any, y: Any, a: Any, **cut: Any) -> Any:
    t, p = ts[0], y
    out = -matmul(matmul(p, t), p)
    out = out + matmul(matmul(p, H(p)), matmul(H(t), _rest(matmul(a, p))))
    return out + matmul(matmul(_rest(matmul(p, a)), H(t)), matmul(H(p), p))


def _pinv_vjp(g: Any, need: Any, y: Any, a: Any, **cut: Any) -> Any:
    p = y
    out = -matmul(matmul(swap_last(p), g), swap_last(p))
    first = matmul(matmul(swap_last(matmul(p, H(p))), g), swap_last(_rest(matmul(a, p))))
    second = matmul(matmul(swap_last(_rest(matmul(p, a))), g), swap_last(matmul(H(p), p)))
    return (out + H(first + second),)


def _rest(projector: Any) -> Any:
    return np.eye(projector.shape[-1], dtype=real_dtype(projector.dtype)) - projector


def _pinv(a: Any, rcond: Any, hermitian: bool, atol: float = 0.0) -> Any:
    if atol and a.size:
        largest = np.linalg.norm(a, 2, (-2, -1))
        rcond = rcond + np.divide(atol, largest, out=np.zeros_like(largest), where=largest > 0)
    return np.linalg.pinv(a, rcond, hermitian)


# Singular values up to rcond times the largest, plus atol, count as 0.
pinv = general(
    "pinv",
    _pinv,
    _pinv_jvp,
    _pinv_vjp,
    keep="xy",
    batch=leading_dims,
    samples=lambda: (
        [Sample(s.args, {"rcond": None, "hermitian": False}) for s in square((3, 2), (2, 4), (3, 3))()]
        + [
            Sample(
                (np.diag([3.0, 1e-3]) + np.zeros((2, 1, 1)),),
                {"rcond": 1e-9, "hermitian": False, "atol": 0.1},
                degenerate=True,
            )
        ]
    ),
    source="Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, eq. 4.12 (constant rank)",
)

# Factorizations -------------------------------------------------------------------------------


def _half(x: Any) -> Any:
    """Lower triangle with half the diagonal."""
    n = x.shape[-1]
    return x * (np.tri(n, dtype=real_dtype(x.dtype)) - 0.5 * np.eye(n, dtype=real_dtype(x.dtype)))


def symmetric(x: Any) -> Any:
    return (x + H(x)) / 2


def _cholesky_jvp(ts: Any, y: Any, a: Any) -> Any:
    s = solve(y, H(solve(y, H(symmetric(ts[0])))))
    return matmul(y, _half(s))


def _cholesky_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    p = _half(matmul(swap_last(y), g))
    left = solve(swap_last(y), p)
    # times conj(L)^-1 from the right
    return (symmetric(swap_last(solve(H(y), swap_last(left)))),)


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


def complement_jvp(u1: Any, u2: Any, d1: Any) -> Any:
    """The tangent of the orthogonal complement u2 of u1, which rotates no more than it must."""
    return -matmul(u1, matmul(H(d1), u2))


def complement_vjp(u1: Any, u2: Any, g: Any) -> Any:
    """The cotangent of u1 from that of [u1, u2]."""
    k = u1.shape[-1]
    return g[..., :k] - conjugate(matmul(u2, matmul(swap_last(g[..., k:]), u1)))


def first(x: Any, k: int) -> Any:
    """The first k columns."""
    return x if x.shape[-1] == k else x[..., :k]


def joined(a: Any, b: Any) -> Any:
    """[a, b], side by side."""
    return concatenate(a, b, axis=a.ndim - 1)


def _times_inverse(x: Any, r: Any) -> Any:
    """x r^-1."""
    return swap_last(solve(swap_last(r), swap_last(x)))


def _imaginary(x: Any) -> Any:
    return x - real_part(x)


def _qr_jvp(ts: Any, y: Any, a: Any, *, full: bool) -> Any:
    q, r = y
    k = a.shape[-1]
    q1, r1 = first(q, k), r if r.shape[-2] == k else r[..., :k, :]
    c = _times_inverse(ts[0], r1)
    p = matmul(H(q1), c)
    low = lower(p, -1)
    rotation = low - H(low)
    if a.dtype.kind == "c":
        rotation = rotation + diagonal_matrix(_imaginary(diagonal(p)))
    dq, dr = matmul(q1, rotation - p) + c, matmul(p - rotation, r1)
    if q.shape[-1] > k:
        dq = joined(dq, complement_jvp(q1, q[..., k:], dq))
        dr = concatenate(dr, np.zeros((*dr.shape[:-2], q.shape[-1] - k, k), dr.dtype), axis=dr.ndim - 2)
    return dq, dr


def _qr_vjp(g: Any, need: Any, y: Any, a: Any, *, full: bool) -> Any:
    q, r = y
    gq, gr = g
    k = a.shape[-1]
    if q.shape[-1] > k:
        gq = None if gq is None else complement_vjp(q[..., :k], q[..., k:], gq)
        gr = None if gr is None else gr[..., :k, :]
        q, r = q[..., :k], r[..., :k, :]
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


def _qr_samples() -> list[Sample]:
    out = [Sample(s.args, {"full": False}) for s in square((3, 3), (4, 2), (2, 3, 2))()]
    return out + [Sample(s.args, {"full": True}, degenerate=True) for s in square((4, 2))()]  # JAX has no derivative


# For at least as many rows as columns: dualad.numpy.linalg.qr brings the others to that form.
qr = general(
    "qr",
    lambda a, full: tuple(np.linalg.qr(a, "complete" if full else "reduced")),
    _qr_jvp,
    _qr_vjp,
    keep="y",
    multiple=True,
    batch=leading_dims,
    samples=_qr_samples,
    source="Walter & Lehmann 2010, arXiv:1009.6112",
)
