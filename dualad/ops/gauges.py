"""What is done where eigenvalues or singular values equal each other: see dualad.ops.spectral."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import Undetermined, Undirected
from dualad.core.level import Level
from dualad.core.tensor import Tensor
from dualad.ops.arithmetic import absolute, real_part, stop_gradient
from dualad.ops.kinds import constant, elementwise, general, leading_dims, zeros_like
from dualad.ops.linalg import H, column, diagonal, real_dtype, row
from dualad.ops.reduce import max as max_over
from dualad.ops.reduce import sum as sum_over
from dualad.ops.samples import Sample
from dualad.ops.shape import broadcast_to, reshape

# Equal eigenvalues ----------------------------------------------------------------------------


def _undefined(apart: Any, dtype: Any) -> Any:
    if not np.all(apart):
        raise Undetermined(
            "a second derivative at equal eigenvalues or singular values, or at singular values 0: the factors do not "
            "determine it there. Use a function that needs no factors (trace, det, inv, norm, or expm, logm, sqrtm, polar of "
            "dualad.scipy.linalg), or matrices with different eigenvalues."
        )
    return np.zeros(apart.shape, dtype)


# 0 where apart, an error elsewhere.
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


class Gaps:
    """The differences w_j - w_i (on the diagonal: infinite), and what is taken for equal."""

    def __init__(self, w: Any) -> None:
        n = w.shape[-1]
        self.difference = row(w) - column(w) + np.diag(np.full(n, np.inf, real_dtype(w.dtype)))
        self.limit = column(rounding(w))

    @property
    def reciprocals(self) -> Any:
        return gap_reciprocal(self.difference, self.limit)

    def kinks(self, w: Any) -> Any:
        """0 for each w; an error when differentiated once more where some equal each other."""
        if type(w) is not Tensor:
            return 0
        zero = gap_zero(self.difference, self.limit)
        return sum_over(zero, axis=(zero.ndim - 1,))


def coincide(w: Any) -> Any:
    """Whether some of the values w equal each other to within rounding."""
    gaps = Gaps(w)
    return ~_apart(gaps.difference, gaps.limit)


def rounding(w: Any) -> Any:
    """Below this, numbers of the size of w are rounding errors: shape (..., 1)."""
    n = w.shape[-1]
    if not n:
        return np.zeros((*w.shape[:-1], 1), real_dtype(w.dtype))
    largest = max_over(absolute(stop_gradient(w)), axis=(w.ndim - 1,))
    return column(largest) * largest.dtype.type(4 * n * np.finfo(largest.dtype).eps)


def real_diagonal(x: Any) -> Any:
    d = diagonal(x)
    return real_part(d) if d.dtype.kind == "c" else d


# Gauges ---------------------------------------------------------------------------------------


def _refuse(what: str) -> None:
    raise Undetermined(
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


def _settle_jvp(ts: Any, y: Any, n: Any, g: Any, same: Any, *, adapted: bool) -> Any:
    tn, tg = (zeros_like(v) if t is None else t for t, v in zip(ts[:2], (n, g), strict=True))
    if g.shape == n.shape[:-1] and raw(same).any():
        within = 1 - _apart_of(same, dtype=g.dtype)
        some = max_over(within, axis=(within.ndim - 1,))
        now, then = (
            max_over(absolute(a) * within, axis=(a.ndim - 2, a.ndim - 1))
            + max_over(absolute(b) * some, axis=(b.ndim - 1,))
            for a, b in ((n, g), (tn, tg))
        )
        now, then = raw(now), raw(then)
        if np.any((now <= np.finfo(g.dtype).eps ** 0.5 * then) & (then > 0)):
            _refuse("all cotangents are 0 there, and do not tell how their derivatives are made")
    return settle(tn, tg, same, adapted=True)


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
same_values = constant(
    "same_values",
    lambda w, limit: (np.abs(w[..., None, :] - w[..., :, None]) <= limit) & ~np.eye(w.shape[-1], dtype=bool),
    0,
    batch=lambda prim, args, batched, size, params: prim(
        *[a if b else reshape(a, shape=(1, *a.shape)) for a, b in zip(args, batched, strict=True)]
    ),
)

infinite_where_same = constant(
    "infinite_where_same", lambda s, dtype: np.where(s, np.inf, 0).astype(dtype), 0, batch=leading_dims
)


def _settle_samples() -> list[Sample]:
    n = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 5.0], [4.0, 6.0, 7.0]])
    return [Sample((n, np.array([2.0, 2.0, 3.0]), np.zeros((3, 3), bool)), {"adapted": False})]


# What cotangents N = V.T gV and gw may be where values are the same: the antihermitian part of N outside of these.
settle = general(
    "settle",
    _settle,
    _settle_jvp,
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


def settled(n: Any, g: Any, same: Any, adapted: bool = False) -> Any:
    """``settle`` where g may be None."""
    unused = np.zeros((*n.shape[:-2], 0), real_dtype(n.dtype))
    skew, settled = settle(n, unused if g is None else g, same, adapted=adapted)
    return skew, None if g is None else settled


def raw(x: Any) -> Any:
    """The plain array below all levels."""
    while type(x) is Tensor:
        x = x.value
    return x


def beneath(x: Any) -> Level | None:
    """The level of the derivative that is taken next."""
    while type(x) is Tensor:
        if x.level.differentiates:
            return x.level
        x = x.value
    return None


def _some_equal(w: Any, zero: bool) -> Any:
    limit = rounding(w)
    some = np.any(abs(np.diff(w)) <= limit, axis=-1)
    return some | np.any(w <= limit, axis=-1) if zero else some


_equal = constant("some_equal", _some_equal, 0, batch=leading_dims)
_any = constant("any_true", lambda x: np.any(x), 0)


def somewhere(found: Any) -> bool:
    """Whether a condition holds somewhere, in any element of a batch; recordings note the answer."""
    while type(found) is Tensor and found.shape != found.value.shape:  # the elements of a batch
        found = found.value
    return bool(_any(found))


def equal(w: Any, zero: bool = False) -> bool:
    """Whether sorted values equal each other (or, with ``zero``, 0) somewhere."""
    return somewhere(_equal(stop_gradient(w), zero=zero))


def refuse_undirected(x: Any, w: Any, zero: bool = False, directed: bool = False) -> None:
    """Refuse another derivative in x at equal values w; ``directed``: unless their vectors suit its direction."""
    level = beneath(x)
    if level is not None and not (directed and level.directed) and equal(w, zero):
        raise Undirected(
            "equal eigenvalues or singular values: in this composition the direction of a second derivative is not known "
            "when their vectors are chosen, on which it depends. Use hessian or hvp, or nest jvp, vjp, grad, jacfwd and jacrev "
            "of a function that takes all that is differentiated as arguments, or matrices with different eigenvalues."
        )
