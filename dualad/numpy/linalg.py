"""``numpy.linalg`` with derivatives.

Conventions: ``cholesky`` and ``eigh`` read one triangle, and their derivatives are those on the symmetric (Hermitian) matrix;
norms of every order have derivative 0 at 0; ``pinv`` and ``lstsq`` have the derivative at constant rank (of matrices of
that rank; along others there is none).

Equal eigenvalues and singular values (to within ``4 n eps``): all first and second derivatives, in every composition of forward
and reverse mode, and Taylor series are right for every smooth function of the matrix that is made of its factors (traces, norms,
projectors, V f(w) V^T); what depends on the order of equal values or on the basis of their vectors raises
``NotDifferentiable``, except in forward mode alone, which gives one-sided derivatives. The details are in dualad.ops.spectral.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from dualad.core.errors import ArgumentError, BatchError, ShapeError
from dualad.numpy import indexing, products, rearranging, reductions, shaping, sorting
from dualad.numpy.operands import on_tensors, store
from dualad.numpy.products import matmul, vecdot
from dualad.numpy.shaping import axes_of, axis_of, matrix_transpose, operand
from dualad.ops import determinant, gauges, spectral
from dualad.ops import linalg as ops
from dualad.ops.arithmetic import (
    absolute,
    greater,
    imag_part,
    isnan,
    not_equal,
    quotient,
    real_part,
    stop_gradient,
    where,
)
from dualad.ops.reduce import root_sum_squares
from dualad.ops.reduce import sum as sum_over
from dualad.ops.shape import concatenate, expand_dims, reshape, stack

# NumPy's result types, by asking for them: their classes are private.
EighResult = type(np.linalg.eigh(np.eye(1)))
EigResult = type(np.linalg.eig(np.eye(1)))
SVDResult = type(np.linalg.svd(np.eye(1)))
QRResult = type(np.linalg.qr(np.eye(1)))
SlogdetResult = type(np.linalg.slogdet(np.eye(1)))


def floating(a: Any) -> Any:
    x = operand(a)
    return x if x.dtype.kind in "fc" else x * 1.0


def matrices(a: Any, name: str, square: bool = True) -> Any:
    x = floating(a)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "a square matrix" if square else "a matrix"
        raise ShapeError(f"{name} needs {kind} (or a stack of them), the shape is {x.shape}.")
    return x


# Systems --------------------------------------------------------------------------------------


@on_tensors(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    a, b = matrices(a, "solve"), floating(b)
    vector = b.ndim == 1
    if vector:
        b = expand_dims(b, axis=(1,))
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        raise ShapeError(
            f"solve: a is {a.shape}, b is {b.shape}. Need b.shape[{'0' if vector else '-2'}] == {a.shape[-1]}."
        )
    y = ops.solve(a, b)
    return reshape(y, shape=y.shape[:-1]) if vector else y


@on_tensors(np.linalg.inv)
def inv(a: Any) -> Any:
    return ops.inv(matrices(a, "inv"))


@on_tensors(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The pseudoinverse; its derivative is that at constant rank."""
    if rcond is not None and rtol is not None:
        raise ArgumentError("pinv: rcond and rtol are the same thing; give one.")
    x = matrices(a, "pinv", False)
    cut = rcond if rtol is None else rtol
    return ops.pinv(x, rcond=cut if cut is None else shaping.concrete(cut, "pinv"), hermitian=bool(hermitian))


@on_tensors(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Solution, residuals, rank (constant) and singular values; the solution is ``pinv(a) @ b``, at constant rank."""
    a, b = matrices(a, "lstsq", False), floating(b)
    a, b = (shaping.astype(v, np.result_type(a, b)) for v in (a, b))
    if a.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != a.shape[0]:
        raise ShapeError(f"lstsq: a is {a.shape}, b is {b.shape}. Need a matrix, and b with {a.shape[0]} rows.")
    eps = np.finfo(a.dtype).eps
    cut = eps * max(a.shape) if rcond is None else eps if rcond == -1 else float(rcond)
    x = matmul(ops.pinv(a, rcond=cut, hermitian=False), b)
    s = svdvals(a)
    values = stop_gradient(s)
    rank = np.int32(int(reductions.sum(values > cut * reductions.max(values, initial=0))))  # as LAPACK has it
    if rank == a.shape[1] < a.shape[0]:
        r = absolute(b - matmul(a, x))
        residuals = sum_over(r * r, axis=(0,))
        residuals = residuals if b.ndim == 2 else reshape(residuals, shape=(1,))
    else:
        residuals = np.empty(0, s.dtype)
    return x, residuals, rank, s


@on_tensors(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    x = operand(a)
    if ind <= 0:
        raise ArgumentError(f"tensorinv: ind={ind} must be positive.")
    rows, columns = x.shape[:ind], x.shape[ind:]
    n, m = _count(rows), _count(columns)
    if n != m:
        raise ShapeError(f"tensorinv: the first {ind} axes of shape {x.shape} have {n} elements, the others {m}.")
    return reshape(inv(reshape(x, shape=(n, n))), shape=(*columns, *rows))


@on_tensors(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    x, y = operand(a), operand(b)
    if axes is not None:
        x = shaping.moveaxis(x, axes, tuple(range(x.ndim - len(axes), x.ndim)))
    shape = x.shape[y.ndim - x.ndim :] if x.ndim > y.ndim else ()
    n = _count(shape)
    if x.size != n * n or y.size != n:
        raise ShapeError(f"tensorsolve: shapes {x.shape} and {y.shape} do not give a square system.")
    return reshape(solve(reshape(x, shape=(n, n)), shaping.ravel(y)), shape=shape)


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))


# Determinants and factorizations --------------------------------------------------------------


@on_tensors(np.linalg.det)
def det(a: Any) -> Any:
    """The determinant; all its derivatives are right for singular matrices too."""
    return determinant.det(matrices(a, "det"))


@on_tensors(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Sign and log|det|; for a singular matrix the derivative is NaN."""
    return SlogdetResult(*determinant.slogdet(matrices(a, "slogdet")))


@on_tensors(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    x = matrices(a, "cholesky")
    if upper:  # L of the conjugate transpose, of which the lower triangle is read
        return ops.H(ops.cholesky(ops.H(x)))
    return ops.cholesky(x)


@on_tensors(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """``np.qr``; of the columns that "complete" adds, only their span has a derivative."""
    x = matrices(a, "qr", False)
    m, n = x.shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr: mode={mode!r} is not supported; 'reduced', 'complete' and 'r' are.")
    if m >= n:
        q, r = ops.qr(x, full=mode == "complete" and m > n)
    else:
        q, first = ops.qr(x[..., :m], full=False)
        r = concatenate(first, matmul(ops.H(q), x[..., m:]), axis=x.ndim - 1)
    return r if mode == "r" else QRResult(q, r)


# Eigenvalues and singular values --------------------------------------------------------------


@on_tensors(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """``np.linalg.eigh``: ``dw = diag(S)``, ``dV = V (F * S)`` with ``S = V^H dA V`` and ``F_ij = 1 / (w_j - w_i)``.

    Shapes ``(..., n, n)``. The phase of complex vectors is kept: ``V^H dV`` has a zero diagonal. At equal eigenvalues
    ``NotDifferentiable`` is raised for a function that changes with the basis (see the module's conventions). Sources:
    Giles 2008, sec. 3.1; Kasim 2020, arXiv:2011.04366.

    >>> import numpy as np
    >>> from dualad import grad
    >>> def f(a):
    ...     w, v = np.linalg.eigh(a)
    ...     return ((v * w @ v.T) ** 2).sum()
    >>> np.allclose(grad(f)(np.eye(2)), 2 * np.eye(2))
    True
    """
    UPLO = UPLO.upper()
    if UPLO not in ("L", "U"):
        raise ArgumentError(f"eigh: UPLO must be 'L' or 'U', not {UPLO!r}.")
    return EighResult(*spectral.eigh(matrices(a, "eigh"), UPLO=UPLO))


@on_tensors(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigh(a, UPLO)[0]


def _eig(a: Any, name: str) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors: real where NumPy's are."""
    x = matrices(a, name)
    w, v = spectral.eig(x)
    if x.dtype.kind != "c":
        try:
            complex = not_equal(imag_part(stop_gradient(w)), 0)
            if not reductions.any(complex):
                return real_part(w), real_part(v)
        except BatchError:  # some of the batch have complex eigenvalues
            pass
    return w, v


@on_tensors(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors (in LAPACK's scaling: length 1, largest component real)."""
    return EigResult(*_eig(a, "eig"))


@on_tensors(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    return _eig(a, "eigvals")[0]


@on_tensors(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """``np.linalg.svd``; of the vectors that ``full_matrices`` adds, only their span has a derivative."""
    x = matrices(a, "svd", hermitian)
    if hermitian:
        w, v = spectral.eigh(x, UPLO="L")
        order = sorting.argsort(-absolute(w))
        w = indexing.take_along_axis(w, order, -1)
        s = absolute(w)
        if not compute_uv:
            return s
        u = indexing.take_along_axis(v, order[..., None, :], -1)
        return SVDResult(u, s, ops.H(u * ops.row(where(w < 0, -1.0, 1.0))))
    if not compute_uv:
        return svdvals(x)
    full = bool(full_matrices) and x.shape[-1] != x.shape[-2]
    return SVDResult(*spectral.svd(x, full=full))


@on_tensors(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return spectral.svd(matrices(x, "svdvals", False), full=False)[1]


# Norms ----------------------------------------------------------------------------------------


def _euclid(x: Any, axes: tuple[int, ...]) -> Any:
    if x.dtype.kind == "c":
        x = stack(real_part(x), imag_part(x), axis=0)
        axes = (0, *[k + 1 for k in axes])
    return root_sum_squares(x, axis=axes)


def _powers(size: Any, ord: float, axes: tuple[int, ...]) -> Any:
    """(sum size^ord)^(1/ord), of sizes scaled to 1, so that powers neither overflow nor vanish."""
    if not size.size:
        return sum_over(size, axis=axes)
    largest = stop_gradient(reductions.max(stop_gradient(size), axis=axes, keepdims=True))
    usual = where((largest > 0) & (largest < np.inf), largest, 1.0)
    size = size / usual
    if 0 < ord < 1:  # at 0 the power is infinitely steep, and the size has a kink: the kink's 0 wins
        powers = where(size == 0, 0.0, where(size == 0, 1.0, size) ** ord)
    else:
        powers = size**ord
    total = sum_over(powers, axis=axes)
    zero = total == 0
    return where(zero, 0.0, where(zero, 1.0, total) ** (1.0 / ord)) * reshape(usual, shape=total.shape)


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...]) -> Any:
    if ord is None or ord == 2:
        return _euclid(x, axes)
    if isinstance(ord, str):
        raise ArgumentError(f"norm: ord={ord!r} is a matrix norm; for vectors give a number.")
    size = absolute(x)
    if ord == np.inf:
        return reductions.max(size, axis=axes, initial=0)
    if ord == -np.inf:
        return reductions.min(size, axis=axes)
    if ord == 0:
        return stop_gradient(sum_over(where(size != 0, size * 0 + 1, size * 0), axis=axes))
    if ord == 1:
        return sum_over(size, axis=axes)
    return _powers(size, ord, axes)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...]) -> Any:
    i, j = axes
    if ord in (None, "fro", "f"):
        return _euclid(x, tuple(sorted(axes)))
    if ord in (1, -1, np.inf, -np.inf):
        along, rest = (i, j) if abs(ord) == 1 else (j, i)
        sums = sum_over(absolute(x), axis=(along,))
        rest -= rest > along
        return reductions.max(sums, axis=rest, initial=0) if ord > 0 else reductions.min(sums, axis=rest)
    if ord not in ("nuc", 2, -2):
        raise ArgumentError(f"norm: ord={ord!r} is no matrix norm; None, 'fro', 'nuc', 1, -1, 2, -2, inf and -inf are.")
    s = svdvals(shaping.moveaxis(x, axes, (-2, -1)))
    s = where(greater(s, gauges.rounding(s)), s, stop_gradient(s))  # 0 is a kink
    if ord == "nuc":
        return sum_over(s, axis=(s.ndim - 1,))
    return reductions.max(s, axis=-1, initial=0) if ord == 2 else reductions.min(s, axis=-1)


def _kept(y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return reshape(y, shape=tuple(1 if i in axes else n for i, n in enumerate(x.shape))) if keepdims else y


@on_tensors(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norms of every order; the derivative at 0 is 0."""
    x = floating(x)
    if axis is None:
        axes: tuple[int, ...] = tuple(range(x.ndim))
        if ord is None or x.ndim == 1:
            return _kept(_vector_norm(x, ord, axes), x, axes, keepdims)
    else:
        axes = tuple(axis_of(k, x.ndim) for k in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(axes) == 1:
        return _kept(_vector_norm(x, ord, axes), x, axes, keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ShapeError(f"norm: ord={ord!r} needs one or two different axes, got {axes}.")
    return _kept(_matrix_norm(x, ord, axes), x, axes, keepdims)


@on_tensors(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = floating(x)
    axes = tuple(range(x.ndim)) if axis is None else axes_of(axis, x.ndim)
    return _kept(_vector_norm(x, ord, tuple(sorted(axes))), x, axes, keepdims)


@on_tensors(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    x = matrices(x, "matrix_norm", False)
    axes = (x.ndim - 2, x.ndim - 1)
    return _kept(_matrix_norm(x, ord, axes), x, axes, keepdims)


@on_tensors(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """``np.linalg.cond``: infinite for singular matrices, where it has no derivative."""
    a = matrices(x, "cond", p not in (None, 2, -2))
    if not a.shape[-1] or not a.shape[-2]:
        raise ShapeError(f"cond is not defined on empty matrices, the shape is {a.shape}.")
    if p in (None, 2, -2):
        s = svdvals(a)
        y = quotient(s[..., -1], s[..., 0]) if p == -2 else quotient(s[..., 0], s[..., -1])
    else:
        axes = (a.ndim - 2, a.ndim - 1)
        y = norm(a, p, axes) * norm(determinant.inverse_or_nan(a), p, axes)
    lost = isnan(y)
    return where(lost & ~reductions.any(isnan(a), axis=(-2, -1)), np.inf, y) if reductions.any(lost) else y


@on_tensors(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """An integer, and so a constant."""
    x = operand(A)
    tol, rtol = (None if k is None else shaping.concrete(k, "matrix_rank") for k in (tol, rtol))
    return spectral.matrix_rank(x, tol=tol, hermitian=bool(hermitian), rtol=rtol)


# Products -------------------------------------------------------------------------------------


@on_tensors(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    x = matrices(a, "matrix_power")
    n = n.__index__()
    if n < 0:
        x, n = inv(x), -n
    if n == 0:
        return np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape).copy()
    out: Any = None
    while n:
        if n & 1:
            out = x if out is None else matmul(out, x)
        n >>= 1
        x = matmul(x, x) if n else x
    return out


@on_tensors(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """Matrix products in the order that costs least."""
    xs = [operand(a) for a in arrays]
    if len(xs) < 2:
        raise ArgumentError("multi_dot needs at least two arrays.")
    row, col = xs[0].ndim == 1, xs[-1].ndim == 1
    if row:
        xs[0] = reshape(xs[0], shape=(1, xs[0].size))
    if col:
        xs[-1] = reshape(xs[-1], shape=(xs[-1].size, 1))
    for x, y in itertools.pairwise(xs):
        if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[0]:
            raise ShapeError(f"multi_dot: the shapes {[x.shape for x in xs]} do not fit together.")
    y = _chain(xs)
    shape = y.shape[row : 2 - col]
    return store(y if shape == y.shape else reshape(y, shape=shape), out)


def _chain(xs: list[Any]) -> Any:
    sizes = [xs[0].shape[0], *[x.shape[1] for x in xs]]

    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        """Least cost of the product of xs[i] to xs[j], and where to cut it."""
        if i == j:
            return 0, i
        ends = sizes[i] * sizes[j + 1]
        return min((best(i, k)[0] + best(k + 1, j)[0] + ends * sizes[k + 1], k) for k in range(i, j))

    def product(i: int, j: int) -> Any:
        k = best(i, j)[1]
        return xs[i] if i == j else matmul(product(i, k), product(k + 1, j))

    return product(0, len(xs) - 1)


@on_tensors(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return rearranging.diagonal(x, offset, -2, -1)


@on_tensors(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return products.trace(x, offset, -2, -1, dtype)


@on_tensors(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    x, y = operand(x1), operand(x2)
    if x.ndim != 1 or y.ndim != 1:
        raise ShapeError(f"linalg.outer needs two vectors, the shapes are {x.shape} and {y.shape}. Use outer.")
    return products.outer(x, y)


@on_tensors(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x, y = operand(x1), operand(x2)
    if x.shape[axis] != 3 or y.shape[axis] != 3:
        raise ShapeError(f"linalg.cross needs vectors of 3 components, the shapes are {x.shape} and {y.shape}.")
    return products.cross(x, y, axis=axis)


@on_tensors(np.linalg.tensordot)
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return products.tensordot(x1, x2, axes)


__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq",
    "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv",
    "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot",
    "vector_norm",
]  # fmt: skip
