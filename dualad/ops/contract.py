"""Products that contract axes: matmul and its relatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.errors import ShapeError
from dualad.core.primitive import Binary, Primitive
from dualad.ops import dependence
from dualad.ops.kinds import Bilinear, Params, align_ranks, bilinear, general
from dualad.ops.samples import array, several
from dualad.ops.shape import broadcast_to, concatenate, reshape, transpose


def swap_last(x: Any) -> Any:
    """Matrix transpose of the last two axes."""
    n = x.ndim
    return transpose(x, axes=(*range(n - 2), n - 1, n - 2))


def _matmul(a: Any, b: Any) -> Any:
    try:
        return np.matmul(a, b)
    except ValueError:
        a, b = np.asarray(a), np.asarray(b)
        if a.ndim == 0 or b.ndim == 0:
            raise ShapeError(f"matmul: operands need an axis: a is {a.shape}, b is {b.shape}. Use a * b.") from None
        need = "a.shape[-1] == b.shape[-2]" if b.ndim > 1 else "a.shape[-1] == b.shape[0]"
        raise ShapeError(
            f"matmul: sizes do not fit: a is {a.shape}, b is {b.shape}. Need {need}, and leading axes that broadcast."
        ) from None


def _left(g: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return reshape(g, shape=(*g.shape, 1)) * b if a.ndim > 1 else g * b
    if a.ndim == 1:
        if b.ndim == 2:
            return matmul(g, swap_last(b))
        g = reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
        out = matmul(g, swap_last(b))
        return _sum_lead(out, 2)[0]
    return _sum_lead(matmul(g, swap_last(b)), a.shape)


def _right(g: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1:
        if b.ndim == 1:
            return g * a
        g = reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
        return _sum_lead(reshape(a, shape=(a.shape[0], 1)) * g, b.shape)
    if b.ndim == 1:
        if a.ndim == 2:
            return matmul(swap_last(a), g)
        g = reshape(g, shape=(*g.shape, 1))
        return _sum_lead(matmul(swap_last(a), g), 2)[:, 0]
    return _sum_lead(matmul(swap_last(a), g), b.shape)


def _sum_lead(x: Any, shape: Any) -> Any:
    from dualad.ops.reduce import sum, sum_to

    if isinstance(shape, int):
        return sum(x, axis=tuple(range(x.ndim - shape))) if x.ndim > shape else x
    return sum_to(x, shape) if x.shape != shape else x


def _batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    a, b = args
    # A 1-D side becomes a matrix, so that the batch axis can lead.
    a1 = a.ndim - batched[0] == 1
    b1 = b.ndim - batched[1] == 1
    if b1 and not a1 and batched == [False, True] and a.ndim == 2:
        return matmul(b, swap_last(a))  # one product of matrices
    if a1 and not b1 and batched == [True, False]:
        return (
            matmul(a, b)
            if b.ndim == 2
            else matmul(reshape(a, shape=(size, *[1] * (b.ndim - 1), a.shape[-1])), b)[..., 0, :]
        )
    if a1:
        a = reshape(a, shape=(*a.shape[:-1], 1, a.shape[-1]))
    if b1:
        b = reshape(b, shape=(*b.shape, 1))
    a, b = align_ranks((a, b), batched)
    y = matmul(a, b)
    if a1:
        y = reshape(y, shape=(*y.shape[:-2], y.shape[-1]))
    if b1:
        y = reshape(y, shape=y.shape[:-1])
    return y


class _Matmul(Binary, Bilinear):
    pass


matmul = _Matmul(
    "matmul",
    _matmul,
    _left,
    _right,
    operator="@",
    numpy=(np.matmul, np.linalg.matmul),
    batch=_batch,
    sparsity=dependence.matmul,
    samples=several(
        array((2, 3), (3, 4), complex=True),
        array((3,), (3,)),
        array((2, 3), (3,)),
        array((3,), (3, 2)),
        array((4, 2, 3), (3, 2)),
        array((2, 1, 2, 3), (4, 3, 2)),
        array((3,), (4, 3, 2)),
        array((4, 2, 3), (3,)),
        array((0, 3), (3, 2)),
    ),
)


# einsum ---------------------------------------------------------------------------------------

# Operands have distinct letters each, and there is no ellipsis: dualad.numpy.einsum brings every form to this one.


def _einsum(*xs: Any, terms: tuple[str, ...], out: str) -> Any:
    # Without optimization NumPy loops over all indices at once; with it, BLAS multiplies, but a call takes longer.
    size = dict(zip("".join(terms), (n for x in xs for n in x.shape), strict=True))
    optimize = len(xs) > 2 or (len(xs) == 2 and math.prod(size.values()) > 20_000)
    return np.einsum(f"{','.join(terms)}->{out}", *xs, optimize=optimize)


def _einsum_jvp(ts: Any, y: Any, *xs: Any, terms: tuple[str, ...], out: str) -> Any:
    total = None
    for i, t in enumerate(ts):
        if t is not None:
            part = einsum(*xs[:i], t, *xs[i + 1 :], terms=terms, out=out)
            total = part if total is None else total + part
    return total


def _einsum_vjp(g: Any, need: Any, y: Any, *xs: Any, terms: tuple[str, ...], out: str) -> Any:
    cts: list[Any] = []
    for i, n in enumerate(need):
        if not n:
            cts.append(None)
            continue
        others = [*terms[:i], *terms[i + 1 :]]
        # Letters that only this operand has were summed alone: the cotangent is constant along them.
        have = "".join(c for c in terms[i] if c in out or any(c in o for o in others))
        ct = einsum(g, *xs[:i], *xs[i + 1 :], terms=(out, *others), out=have)
        shape = tuple(k if c in have else 1 for c, k in zip(terms[i], xs[i].shape, strict=True))
        sizes = iter(ct.shape)
        ct = reshape(ct, shape=tuple(next(sizes) if c in have else k for c, k in zip(terms[i], shape, strict=True)))
        wide = tuple(m if c in have else k for c, k, m in zip(terms[i], xs[i].shape, ct.shape, strict=True))
        cts.append(broadcast_to(ct, shape=wide) if ct.shape != wide else ct)
    return cts


def _einsum_taylor(series: Any, order: int, *, terms: tuple[str, ...], out: str) -> Any:
    def coefficient(i: int, left: int, chosen: list[Any]) -> Any:
        if i == len(series):
            return einsum(*chosen, terms=terms, out=out) if left == 0 else None
        c = series[i]
        total = None
        for k in range(left + 1) if type(c) is list else (0,):
            part = coefficient(i + 1, left - k, [*chosen, c[k] if type(c) is list else c])
            if part is not None:
                total = part if total is None else total + part
        return total

    return [coefficient(0, k, []) for k in range(order + 1)]


def _einsum_batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    used = set("".join(params["terms"]))
    letter = next(c for c in LETTERS if c not in used)
    terms = tuple(letter + t if b else t for t, b in zip(params["terms"], batched, strict=True))
    return prim(*args, terms=terms, out=letter + params["out"])


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

einsum = general(
    "einsum",
    _einsum,
    _einsum_jvp,
    _einsum_vjp,
    keep="x",
    taylor=_einsum_taylor,
    batch=_einsum_batch,
    sparsity=dependence.einsum,
    samples=several(
        array(
            (2, 3),
            (3, 4),
            params=({"terms": ("ij", "jk"), "out": "ki"}, {"terms": ("ij", "jk"), "out": "i"}),
            complex=True,
        ),
        array((2, 3), params=({"terms": ("ij",), "out": "ji"}, {"terms": ("ij",), "out": ""})),
        array((2, 3), (3,), (2, 2), params=({"terms": ("ij", "j", "ik"), "out": "k"},)),
        array((2, 3), (4,), params=({"terms": ("ij", "k"), "out": "jk"},)),
    ),
)

# Convolution ----------------------------------------------------------------------------------


def reverse(x: Any) -> Any:
    return x[::-1]


def _windows(x: Any, width: int) -> Any:
    """The last axis, filled with zeros on both sides, as all its windows: (..., n + width - 1, width)."""
    zeros = np.zeros((*x.shape[:-1], width - 1), x.dtype)
    wide = concatenate(zeros, x, zeros, axis=x.ndim - 1)
    starts = np.arange(wide.shape[-1] - width + 1)
    return wide[..., starts[:, None] + np.arange(width)]


def _convolve_batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    a, v = args
    if a.shape[-1] < v.shape[-1]:  # windows as wide as the shorter one
        a, v = v, a
    y = matmul(_windows(a, v.shape[-1]), reshape(v[..., ::-1], shape=(*v.shape, 1)))
    return reshape(y, shape=y.shape[:-1])


convolve = bilinear(
    "convolve",
    lambda a, v: np.convolve(a, v),
    lambda g, a, v: convolve(g, reverse(v))[v.shape[0] - 1 : g.shape[0]],
    lambda g, a, v: convolve(g, reverse(a))[a.shape[0] - 1 : g.shape[0]],
    batch=_convolve_batch,
    sparsity=dependence.convolved,
    samples=several(array((5,), (3,), complex=True), array((2,), (4,)), array((1,), (1,))),
)
convolve.__doc__ = "The full convolution of two non-empty vectors."
