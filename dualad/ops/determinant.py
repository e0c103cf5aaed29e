"""Determinants, right at singular matrices in every derivative.

``det`` is a polynomial, so all of its derivatives exist everywhere. They are one family: ``cofactor(a, t_1, ..., t_k)``, the
gradient of the k-th directional derivative of ``det``, symmetric and linear in its directions, whose own derivative along
``s`` is ``cofactor(a, t_1, ..., t_k, s)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops.arithmetic import imag_part, real_part, strong_multiply
from dualad.ops.contract import matmul, swap_last
from dualad.ops.kinds import general, leading_dims
from dualad.ops.linalg import square
from dualad.ops.reduce import sum as sum_over
from dualad.ops.samples import Sample
from dualad.ops.shape import reshape

# Cofactors ------------------------------------------------------------------------------------


def _products_without(s: Any) -> tuple[Any, Any]:
    """Products of all s but one, and but two."""
    n = s.shape[-1]
    ones = np.ones((*s.shape[:-1], 1), s.dtype)
    before = np.concatenate([ones, np.cumprod(s, -1)], -1)
    after = np.concatenate([np.cumprod(s[..., ::-1], -1)[..., ::-1], ones], -1)
    two = np.zeros((*s.shape, n), s.dtype)
    for i in range(n - 1):
        between = np.concatenate([ones, np.cumprod(s[..., i + 1 : -1], -1)], -1)
        two[..., i, i + 1 :] = before[..., i : i + 1] * between * after[..., i + 2 :]
    return before[..., :-1] * after[..., 1:], two + np.swapaxes(two, -1, -2)


def _inverse(a: Any, power: int) -> Any:
    """The inverse, or None unless all matrices are so well-conditioned that ``power`` products with it are accurate."""
    try:
        b = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        condition = np.sqrt(np.sum(abs(a) ** 2, (-2, -1)) * np.sum(abs(b) ** 2, (-2, -1)))
        return b if (condition**power < 4e3 * a.shape[-1] ** power).all() else None


def _H(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def _cofactor(a: Any, *ts: Any) -> Any:
    if not a.shape[-1]:
        return np.zeros(np.broadcast_shapes(a.shape, *[t.shape for t in ts]), a.dtype)
    if len(ts) > 1:
        return _mixed(a, *ts)
    b = _inverse(a, 1 + len(ts))
    if b is not None:
        d, bt = np.linalg.det(a)[..., None, None], np.swapaxes(b, -1, -2)
        if not ts:
            return d * bt
        btt = np.swapaxes(b @ ts[0], -1, -2)
        return d * (np.trace(btt, axis1=-2, axis2=-1)[..., None, None] * bt - bt @ btt)
    # In the basis of the SVD: no division, so singular matrices are no exception.
    u, s, vh = np.linalg.svd(a)
    one, two = _products_without(s)
    sign = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    if not ts:
        core = np.conj(u) * one[..., None, :]
    else:
        m = _H(u) @ ts[0] @ _H(vh)
        x = -two * np.swapaxes(m, -1, -2)
        i = np.arange(s.shape[-1])
        x[..., i, i] += np.sum(two * np.diagonal(m, axis1=-2, axis2=-1)[..., None, :], -1)
        core = np.conj(u) @ x
    return sign * (core @ np.conj(vh))


def _mixed(a: Any, *ts: Any) -> Any:
    """Along several directions: the polynomial z -> cofactor(a + z t, ...) has its derivative at 0 from its values at
    roots of unity (exactly, as there are more of them than its degree)."""
    a, *rest, t = np.broadcast_arrays(a, *ts)
    n = a.shape[-1]
    size_a, size_t = (np.sqrt(np.sum(abs(m) ** 2, (-2, -1), keepdims=True)) for m in (a, t))
    radius = np.where(size_a > 0, size_a, n) / (n * np.where(size_t > 0, size_t, 1))
    count = max(n - len(ts), 2)
    roots = np.exp(2j * np.pi * np.arange(count) / count).astype(np.result_type(a.dtype, np.complex64))
    z = roots.reshape((count,) + (1,) * a.ndim)
    values = _cofactor(a + radius * z * t, *[np.broadcast_to(r, (count, *r.shape)) for r in rest])
    y = np.mean(values * np.conj(z), 0) / radius
    return y if a.dtype.kind == "c" else y.real.astype(a.dtype)


def _cofactor_jvp(moved: Any, y: Any, a: Any, *ts: Any) -> Any:
    out = None if moved[0] is None else cofactor(a, *ts, moved[0])
    for i, t in enumerate(moved[1:]):
        if t is not None:
            part = cofactor(a, *ts[:i], t, *ts[i + 1 :])
            out = part if out is None else out + part
    return out


def _cofactor_vjp(g: Any, need: Any, y: Any, a: Any, *ts: Any) -> Any:
    # The derivatives of det are symmetric in all their directions, and g is one more.
    return (
        cofactor(a, *ts, g) if need[0] else None,
        *[cofactor(a, *ts[:i], g, *ts[i + 1 :]) if n else None for i, n in enumerate(need[1:])],
    )


def _cofactor_samples() -> list[Sample]:
    rng = np.random.default_rng(12)
    out = []
    for s in square((3, 3), (2, 2, 2))():
        (a,) = s.args
        t = a[..., ::-1] + rng.normal(size=a.shape)
        out += [s, Sample((a, t))]
    a = rng.normal(size=(4, 4))
    singular = [np.zeros((3, 3)), np.outer(rng.normal(size=3), rng.normal(size=3)), a - a[:, :1]]
    out += [Sample((a, a.T, a[::-1]))]
    out += [Sample((m, rng.normal(size=m.shape)), degenerate=True) for m in singular]
    return out


cofactor = general(
    "cofactor",
    _cofactor,
    _cofactor_jvp,
    _cofactor_vjp,
    keep="x",
    batch=leading_dims,
    samples=_cofactor_samples,
    source="Giles 2008, sec. 2.2.4; by the SVD: Stewart 1998, Linear Algebra Appl. 283, 151-164",
)


def _det_samples() -> list[Sample]:
    singular = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 1.0]])
    matrices = (singular, np.zeros((3, 3)), np.ones((2, 2)), np.empty((2, 0, 0)))
    return [*square((3, 3), (2, 2, 2), (1, 1))(), *[Sample((m,), degenerate=True) for m in matrices]]


det = general(
    "det",
    np.linalg.det,
    lambda ts, y, a: sum_over(cofactor(a) * ts[0], axis=(a.ndim - 2, a.ndim - 1)),
    lambda g, need, y, a: (reshape(g, shape=(*g.shape, 1, 1)) * cofactor(a),),
    keep="x",
    batch=leading_dims,
    samples=_det_samples,
    source="Giles 2008, sec. 2.2.4 (Jacobi's formula)",
)

# Logarithms -----------------------------------------------------------------------------------


def _inverse_or_nan(a: Any) -> Any:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        if a.ndim > 2:
            return np.stack([_inverse_or_nan(m) for m in a])
        return np.full(a.shape, np.nan, a.dtype)


# As inv, but NaN for a singular matrix, where log|det| has no derivative.
inverse_or_nan = general(
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
    z = sum_over(strong_multiply(ts[0], swap_last(inverse_or_nan(a))), axis=(a.ndim - 2, a.ndim - 1))
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
    return (strong_multiply(reshape(ct, shape=(*ct.shape, 1, 1)), swap_last(inverse_or_nan(a))),)


slogdet = general(
    "slogdet",
    lambda a: tuple(np.linalg.slogdet(a)),
    _slogdet_jvp,
    _slogdet_vjp,
    keep="xy",
    multiple=True,
    batch=leading_dims,
    samples=square((3, 3), (2, 2, 2)),
    source="Giles 2008, sec. 2.2.5",
)
