"""Products: dot, inner, outer, einsum, convolution and their relatives, with NumPy's signatures."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.numpy.operands import store
from dualad.numpy.rearranging import diagonal
from dualad.numpy.register import implements
from dualad.numpy.shaping import axes_of, concrete, moveaxis, operand, ravel
from dualad.ops import contract
from dualad.ops.arithmetic import conjugate
from dualad.ops.contract import matmul
from dualad.ops.reduce import sum as sum_over
from dualad.ops.shape import broadcast_to, concatenate, expand_dims, reshape, stack


@implements(np.dot, method="dot")
def dot(a: Any, b: Any, out: Any = None) -> Any:
    x, y = operand(a), operand(b)
    if x.ndim == 0 or y.ndim == 0:
        return store(x * y, out)
    need = y.shape[0] if y.ndim == 1 else y.shape[-2]
    if x.shape[-1] != need:
        raise ShapeError(f"dot: shapes {x.shape} and {y.shape} are not aligned: {x.shape[-1]} != {need}.")
    if x.ndim <= 2 and y.ndim <= 2:
        return store(matmul(x, y), out)
    return store(tensordot(x, y, ((x.ndim - 1,), (y.ndim - 2 if y.ndim > 1 else 0,))), out)


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    x, y = operand(a), operand(b)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return tensordot(x, y, ((x.ndim - 1,), (y.ndim - 1,)))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    x, y = ravel(a), ravel(b)
    return store(reshape(x, shape=(x.size, 1)) * y, out)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    return matmul(_conj(ravel(a)), ravel(b))


def _conj(x: Any) -> Any:
    return conjugate(x) if x.dtype.kind == "c" else x


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x, y = operand(x1), operand(x2)
    x, y = moveaxis(x, axis, -1), moveaxis(y, axis, -1)
    z = _conj(x) * y
    return sum_over(z, axis=(z.ndim - 1,))


@implements(np.matvec)
def matvec(x1: Any, x2: Any, /) -> Any:
    x, y = operand(x1), operand(x2)
    z = matmul(x, expand_dims(y, axis=(y.ndim,)))
    return reshape(z, shape=z.shape[:-1])


@implements(np.vecmat)
def vecmat(x1: Any, x2: Any, /) -> Any:
    x, y = _conj(operand(x1)), operand(x2)
    z = matmul(expand_dims(x, axis=(x.ndim - 1,)), y)
    return reshape(z, shape=(*z.shape[:-2], z.shape[-1]))


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    x, y = operand(a), operand(b)
    if np.ndim(axes) == 0:
        n = int(axes)
        left, right = tuple(range(x.ndim - n, x.ndim)), tuple(range(n))
    else:
        left, right = (axes_of(tuple(np.atleast_1d(k).tolist()), z.ndim) for k, z in zip(axes, (x, y), strict=True))
    if [x.shape[i] for i in left] != [y.shape[i] for i in right]:
        raise ShapeError(f"tensordot: axes {left} of shape {x.shape} and {right} of shape {y.shape} differ in size.")
    rows = [i for i in range(x.ndim) if i not in left]
    columns = [i for i in range(y.ndim) if i not in right]
    size = int(np.prod([x.shape[i] for i in left], dtype=int))
    m = reshape(
        contract.transpose(x, axes=(*rows, *left)), shape=(int(np.prod([x.shape[i] for i in rows], dtype=int)), size)
    )
    n_ = reshape(
        contract.transpose(y, axes=(*right, *columns)),
        shape=(size, int(np.prod([y.shape[i] for i in columns], dtype=int))),
    )
    return reshape(matmul(m, n_), shape=(*[x.shape[i] for i in rows], *[y.shape[i] for i in columns]))


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    x, y = operand(a), operand(b)
    n = max(x.ndim, y.ndim)
    p, q = (1,) * (n - x.ndim) + x.shape, (1,) * (n - y.ndim) + y.shape
    wide = tuple(k for m in p for k in (m, 1))
    thin = tuple(k for m in q for k in (1, m))
    return reshape(
        reshape(x, shape=wide) * reshape(y, shape=thin), shape=tuple(i * j for i, j in zip(p, q, strict=True))
    )


@implements(np.cross, np.linalg.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = moveaxis(operand(a), axisa, -1), moveaxis(operand(b), axisb, -1)
    for v in (x, y):
        if v.shape[-1] not in (2, 3):
            raise ShapeError(f"cross: vectors have 3 (or 2) components, not {v.shape[-1]}.")
    p = [x[..., i] if i < x.shape[-1] else None for i in range(3)]
    q = [y[..., i] if i < y.shape[-1] else None for i in range(3)]

    def minor(i: int, j: int) -> Any:
        first = None if p[i] is None or q[j] is None else p[i] * q[j]
        second = None if p[j] is None or q[i] is None else p[j] * q[i]
        if first is None:
            return None if second is None else -second
        return first if second is None else first - second

    if p[2] is None and q[2] is None:
        return minor(0, 1)
    z = stack(minor(1, 2), minor(2, 0), minor(0, 1), axis=p[0].ndim if p[0].ndim >= q[0].ndim else q[0].ndim)
    return moveaxis(z, -1, axisc)


@implements(np.trace, method="trace")
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    d = diagonal(a, offset, axis1, axis2)
    return store(sum_over(d, axis=(d.ndim - 1,)), out)


# einsum ---------------------------------------------------------------------------------------


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, optimize: Any = False, **keywords: Any) -> Any:
    """``np.einsum``: any subscripts; NumPy's optimized path is used from three operands on."""
    if keywords:
        raise ArgumentError(f"einsum: the keyword(s) {sorted(keywords)} are not supported on tensors.")
    if not operands:
        raise ArgumentError("einsum needs subscripts and operands.")
    if isinstance(operands[0], str):
        subscripts, xs = operands[0].replace(" ", ""), [operand(x) for x in operands[1:]]
    else:
        subscripts, xs = _interleaved(operands)
    inputs, arrow, result = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(xs):
        raise ArgumentError(f"einsum: {subscripts!r} has {len(terms)} terms, but {len(xs)} operands were given.")
    terms, result = _expanded(terms, result if arrow else None, xs)
    for i, term in enumerate(terms):
        xs[i], terms[i] = _distinct(xs[i], term)
    sizes: dict[str, int] = {}
    for x, term in zip(xs, terms, strict=True):
        for c, n in zip(term, x.shape, strict=True):
            if sizes.setdefault(c, n) != n:
                if 1 not in (sizes[c], n):
                    raise ShapeError(f"einsum: in {subscripts!r}, index {c!r} has sizes {sizes[c]} and {n}.")
                sizes[c] = max(sizes[c], n)
    xs = [_widened(x, term, sizes) for x, term in zip(xs, terms, strict=True)]
    if len(set(result)) != len(result) or not set(result) <= set("".join(terms)):
        raise ArgumentError(f"einsum: the output {result!r} must name indices of the operands, each once.")
    return store(contract.einsum(*xs, terms=tuple(terms), out=result), out)


def _interleaved(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as a string."""

    def text(indices: Any) -> str:
        return "".join("..." if i is Ellipsis else contract.LETTERS[i] for i in indices)

    pairs = operands[: len(operands) // 2 * 2]
    xs = [operand(x) for x in pairs[::2]]
    subscripts = ",".join(text(i) for i in pairs[1::2])
    return (subscripts + "->" + text(operands[-1]) if len(operands) % 2 else subscripts), xs


def _expanded(terms: list[str], result: str | None, xs: list[Any]) -> tuple[list[str], str]:
    """Ellipses as letters, and the output where it was implied."""
    used = set("".join(terms))
    free = [c for c in contract.LETTERS if c not in used]
    most = 0
    counts = []
    for term, x in zip(terms, xs, strict=True):
        n = x.ndim - len(term.replace("...", ""))
        if n < 0 or (n > 0 and "..." not in term):
            raise ShapeError(f"einsum: the term {term!r} does not fit an operand of shape {x.shape}.")
        counts.append(n)
        most = max(most, n)
    dots = "".join(free[:most])
    terms = [t.replace("...", dots[most - n :]) for t, n in zip(terms, counts, strict=True)]
    if result is None:
        every = "".join(terms)
        result = dots + "".join(sorted(c for c in set(every) - set(dots) if every.count(c) == 1))
    return terms, result.replace("...", dots)


def _distinct(x: Any, term: str) -> tuple[Any, str]:
    """Repeated letters within a term as diagonals."""
    for c in sorted(set(term)):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ShapeError(f"einsum: index {c!r} has sizes {x.shape[i]} and {x.shape[j]}.")
            x = diagonal(x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    return x, term


def _widened(x: Any, term: str, sizes: dict[str, int]) -> Any:
    shape = tuple(sizes[c] for c in term)
    return x if x.shape == shape else broadcast_to(x, shape=shape)


# Convolution ----------------------------------------------------------------------------------


def _windows(x: Any, width: int) -> Any:
    """Rows x[i : i + width] of a vector."""
    return x[np.arange(x.shape[0] - width + 1)[:, None] + np.arange(width)]


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    x, y = operand(a), operand(v)
    if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
        raise ShapeError(f"convolve needs two non-empty vectors, the shapes are {x.shape} and {y.shape}.")
    if x.shape[0] < y.shape[0]:
        x, y = y, x
    return _slide(x, y[::-1], mode, 0)


def _slide(x: Any, kernel: Any, mode: str, shift: int) -> Any:
    n, m = x.shape[0], kernel.shape[0]
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"mode must be 'full', 'same' or 'valid', not {mode!r}.")
    zeros = np.zeros(m - 1, x.dtype)
    full = matmul(_windows(concatenate(zeros, x, zeros, axis=0), m), kernel)
    if mode == "full":
        return full
    if mode == "valid":
        return full[m - 1 : n]
    start = (m - 1) // 2 + shift
    return full[start : start + n]


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    x, y = operand(a), operand(v)
    if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
        raise ShapeError(f"correlate needs two non-empty vectors, the shapes are {x.shape} and {y.shape}.")
    y = _conj(y)
    if x.shape[0] >= y.shape[0]:
        return _slide(x, y, mode, 0)
    return _slide(y[::-1], x[::-1], mode, (x.shape[0] - 1) % 2)  # NumPy swaps the two and reverses the result


# Polynomials ----------------------------------------------------------------------------------


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    c, x = operand(p), operand(x)
    y: Any = x * 0
    for k in range(c.shape[0]):
        y = y * x + c[k]
    return y


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    p, q = operand(a1), operand(a2)
    p, q = (reshape(v, shape=(1,)) if v.ndim == 0 else v for v in (p, q))
    n = max(p.shape[0], q.shape[0])
    return tuple(concatenate(np.zeros(n - v.shape[0], v.dtype), v, axis=0) if v.shape[0] < n else v for v in (p, q))  # type: ignore[return-value]


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    p, q = _aligned(a1, a2)
    return p + q


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    p, q = _aligned(a1, a2)
    return p - q


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    return convolve(a1, a2)


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    c = operand(p)
    for _ in range(m):
        c = c[:-1] * np.arange(c.shape[0] - 1, 0, -1)
    return c


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    c = operand(p)
    constants = np.zeros(m) if k is None else np.broadcast_to(concrete(k, "polyint"), (m,))
    for i in range(m):
        c = concatenate(c / np.arange(c.shape[0], 0, -1), constants[i : i + 1], axis=0)
    return c


__all__ = [
    "convolve", "correlate", "cross", "dot", "einsum", "inner", "kron", "matmul", "matvec", "outer", "polyadd", "polyder",
    "polyint", "polymul", "polysub", "polyval", "tensordot", "trace", "vdot", "vecdot", "vecmat",
]  # fmt: skip
