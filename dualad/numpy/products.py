"""Products: dot, inner, outer, einsum, convolution and their relatives, with NumPy's signatures."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.numpy.operands import cast, on_tensors, store
from dualad.numpy.rearranging import diagonal
from dualad.numpy.shaping import axes_of, moveaxis, operand, ravel
from dualad.numpy.ufuncs import call
from dualad.ops import contract
from dualad.ops.arithmetic import conjugate
from dualad.ops.contract import matmul
from dualad.ops.reduce import sum as sum_over
from dualad.ops.shape import broadcast_to, expand_dims, reshape, stack


@on_tensors(np.dot, method="dot")
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


@on_tensors(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    x, y = operand(a), operand(b)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return tensordot(x, y, ((x.ndim - 1,), (y.ndim - 1,)))


@on_tensors(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    x, y = ravel(a), ravel(b)
    return store(reshape(x, shape=(x.size, 1)) * y, out)


@on_tensors(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    return matmul(_conj(ravel(a)), ravel(b))


def _conj(x: Any) -> Any:
    return conjugate(x) if x.dtype.kind == "c" else x


@on_tensors(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, **keywords: Any) -> Any:
    """``np.vecdot``: the first operand is conjugated."""
    if keywords:
        return call(functools.partial(vecdot, axis=axis), np.vecdot, (x1, x2), keywords)
    x, y = _vectors("vecdot", x1, x2, 1, 1)
    x, y = moveaxis(x, axis, -1), moveaxis(y, axis, -1)
    z = _conj(x) * y
    return sum_over(z, axis=(z.ndim - 1,))


def _vectors(name: str, x1: Any, x2: Any, least1: int, least2: int) -> tuple[Any, Any]:
    x, y = operand(x1), operand(x2)
    if x.ndim < least1 or y.ndim < least2:
        raise ShapeError(f"{name}: the shapes {x.shape} and {y.shape} need at least {least1} and {least2} axes.")
    return x, y


@on_tensors(np.matvec)
def matvec(x1: Any, x2: Any, /, **keywords: Any) -> Any:
    if keywords:
        return call(matvec, np.matvec, (x1, x2), keywords)
    x, y = _vectors("matvec", x1, x2, 2, 1)
    z = matmul(x, expand_dims(y, axis=(y.ndim,)))
    return reshape(z, shape=z.shape[:-1])


@on_tensors(np.vecmat)
def vecmat(x1: Any, x2: Any, /, **keywords: Any) -> Any:
    """``np.vecmat``: the vectors are conjugated."""
    if keywords:
        return call(vecmat, np.vecmat, (x1, x2), keywords)
    x, y = _vectors("vecmat", x1, x2, 1, 2)
    z = matmul(expand_dims(_conj(x), axis=(x.ndim - 1,)), y)
    return reshape(z, shape=(*z.shape[:-2], z.shape[-1]))


@on_tensors(np.tensordot)
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


@on_tensors(np.kron)
def kron(a: Any, b: Any) -> Any:
    x, y = operand(a), operand(b)
    n = max(x.ndim, y.ndim)
    p, q = (1,) * (n - x.ndim) + x.shape, (1,) * (n - y.ndim) + y.shape
    wide = tuple(k for m in p for k in (m, 1))
    thin = tuple(k for m in q for k in (1, m))
    return reshape(
        reshape(x, shape=wide) * reshape(y, shape=thin), shape=tuple(i * j for i, j in zip(p, q, strict=True))
    )


@on_tensors(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = moveaxis(operand(a), axisa, -1), moveaxis(operand(b), axisb, -1)
    for v in (x, y):
        if v.shape[-1] not in (2, 3):
            raise ShapeError(f"cross: vectors have 3 (or 2) components, not {v.shape[-1]}.")
    p: list[Any] = [x[..., i] if i < x.shape[-1] else None for i in range(3)]
    q: list[Any] = [y[..., i] if i < y.shape[-1] else None for i in range(3)]

    def minor(i: int, j: int) -> Any:
        first = None if p[i] is None or q[j] is None else p[i] * q[j]
        second = None if p[j] is None or q[i] is None else p[j] * q[i]
        if first is None:
            return None if second is None else -second
        return first if second is None else first - second

    if p[2] is None and q[2] is None:
        return minor(0, 1)
    z = stack(minor(1, 2), minor(2, 0), minor(0, 1), axis=max(p[0].ndim, q[0].ndim))
    return moveaxis(z, -1, axisc)


@on_tensors(np.trace, method="trace")
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    d = diagonal(a, offset, axis1, axis2)
    if dtype is not None:
        d = cast(d, dtype)
    return store(sum_over(d, axis=(d.ndim - 1,)), out)


# einsum ---------------------------------------------------------------------------------------


@on_tensors(np.einsum)
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


@on_tensors(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """``np.einsum_path``: it looks at shapes only."""
    if einsum_call:
        raise ArgumentError("einsum_path: einsum_call is NumPy's own; leave it away.")
    subscripts, xs = (operands[0], operands[1:]) if isinstance(operands[0], str) else _interleaved(operands)
    shapes = [np.broadcast_to(np.float64(0), np.shape(operand(x))) for x in xs]
    return np.einsum_path(subscripts, *shapes, optimize=optimize)


# Convolution ----------------------------------------------------------------------------------

_MODES = {0: "valid", 1: "same", 2: "full", "v": "valid", "s": "same", "f": "full"}


def _two_vectors(name: str, a: Any, v: Any) -> tuple[Any, Any]:
    x, y = operand(a), operand(v)
    x, y = (reshape(z, shape=(1,)) if z.ndim == 0 else z for z in (x, y))
    if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
        raise ShapeError(f"{name} needs two non-empty vectors, the shapes are {x.shape} and {y.shape}.")
    return x, y


def _part(full: Any, n: int, m: int, mode: Any) -> Any:
    """What ``mode`` asks for of the full convolution of n >= m elements."""
    mode = _MODES.get(mode, mode)
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"mode must be 'full', 'same' or 'valid', not {mode!r}.")
    if mode == "full":
        return full
    start = m - 1 if mode == "valid" else (m - 1) // 2
    return full[start : n if mode == "valid" else start + n]


@on_tensors(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    x, y = _two_vectors("convolve", a, v)
    n, m = x.shape[0], y.shape[0]
    return _part(contract.convolve(x, y), max(n, m), min(n, m), mode)


@on_tensors(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    x, y = _two_vectors("correlate", a, v)
    n, m = x.shape[0], y.shape[0]
    full = contract.convolve(x, contract.reverse(_conj(y)))
    if n >= m:
        return _part(full, n, m, mode)
    # NumPy swaps the two and reverses the result.
    return contract.reverse(_part(contract.reverse(full), m, n, mode))


__all__ = [
    "convolve", "correlate", "cross", "dot", "einsum", "einsum_path", "inner", "kron", "matmul", "matvec", "outer",
    "tensordot", "trace", "vdot", "vecdot", "vecmat",
]  # fmt: skip
