"""``numpy.linalg`` with derivatives.

Conventions: ``cholesky`` and ``eigh`` read one triangle, and their derivatives are those on the symmetric matrix; norms of every
order have derivative 0 at 0; eigenvectors of equal eigenvalues follow dualad.ops.spectral.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from dualad.core.errors import ArgumentError, NotDifferentiable, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy import products, rearranging, reductions, shaping
from dualad.numpy.products import cross, matmul, outer, tensordot, vecdot
from dualad.numpy.register import implements
from dualad.numpy.shaping import axis_of, matrix_transpose, operand
from dualad.ops import linalg as ops
from dualad.ops import spectral
from dualad.ops.arithmetic import absolute, greater, stop_gradient, where
from dualad.ops.reduce import root_sum_squares
from dualad.ops.reduce import sum as sum_over
from dualad.ops.shape import concatenate, expand_dims, reshape

# NumPy's result types, by asking for them: their classes are private.
EighResult = type(np.linalg.eigh(np.eye(1)))
EigResult = type(np.linalg.eig(np.eye(1)))
SVDResult = type(np.linalg.svd(np.eye(1)))
QRResult = type(np.linalg.qr(np.eye(1)))
SlogdetResult = type(np.linalg.slogdet(np.eye(1)))


def matrices(a: Any, name: str, square: bool = True) -> Any:
    x = operand(a)
    if x.dtype.kind not in "fc":
        x = x * 1.0
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "a square matrix" if square else "a matrix"
        raise ShapeError(f"{name} needs {kind} (or a stack of them), the shape is {x.shape}.")
    return x


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    a, b = matrices(a, "solve"), operand(b)
    vector = b.ndim == 1
    if vector:
        b = expand_dims(b, axis=(1,))
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        raise ShapeError(
            f"solve: a is {a.shape}, b is {b.shape}. Need b.shape[{'0' if vector else '-2'}] == {a.shape[-1]}."
        )
    y = ops.solve(a, b)
    return reshape(y, shape=y.shape[:-1]) if vector else y


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    return ops.inv(matrices(a, "inv"))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The pseudoinverse; its derivative is that at constant rank."""
    return ops.pinv(matrices(a, "pinv", False), rcond=rtol if rcond is None else rcond, hermitian=hermitian)


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """The determinant; its first two derivatives are exact for singular matrices too."""
    return ops.det(matrices(a, "det"))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Sign and log|det|; for a singular matrix the derivative is NaN."""
    return SlogdetResult(*ops.slogdet(matrices(a, "slogdet")))


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    x = matrices(a, "cholesky")
    if upper:
        return ops.H(ops.cholesky(ops.H(_full(x))))
    return ops.cholesky(x)


def _full(x: Any) -> Any:
    """The Hermitian matrix whose upper triangle is that of x."""
    up = rearranging.triu(x)
    return up + ops.H(up) - ops.diagonal_matrix(ops.diagonal(x))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    x = matrices(a, "qr", False)
    m, n = x.shape[-2:]
    if mode == "complete" and m > n:
        raise NotDifferentiable(
            "qr(mode='complete') of a tall matrix: the extra columns of q are arbitrary. Use 'reduced'."
        )
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr: mode={mode!r} is not supported; 'reduced', 'complete' and 'r' are.")
    if m >= n:
        q, r = ops.qr(x)
    else:
        q, first = ops.qr(x[..., :m])
        r = concatenate(first, matmul(ops.H(q), x[..., m:]), axis=x.ndim - 1)
    return r if mode == "r" else QRResult(q, r)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    return EighResult(*spectral.eigh(matrices(a, "eigh"), UPLO=UPLO.upper()))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigh(a, UPLO)[0]


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors; always complex for tensors (NumPy returns real arrays where all are real)."""
    return EigResult(*spectral.eig(matrices(a, "eig")))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    return spectral.eig(matrices(a, "eigvals"))[0]


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    x = matrices(a, "svd", False)
    if not compute_uv:
        return spectral.svd(x)[1]
    if full_matrices and x.shape[-1] != x.shape[-2]:
        raise NotDifferentiable(
            f"svd of shape {x.shape} with full_matrices=True: the extra singular vectors are arbitrary. Pass "
            "full_matrices=False, or compute_uv=False for the singular values alone."
        )
    return SVDResult(*spectral.svd(x))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return spectral.svd(matrices(x, "svdvals", False))[1]


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Solution, residuals, rank (constant) and singular values; the solution is ``pinv(a) @ b``, at constant rank."""
    a, b = matrices(a, "lstsq", False), operand(b)
    x = matmul(ops.pinv(a, rcond=rcond, hermitian=False), b)
    s = svdvals(a)
    limit = np.finfo(s.dtype).eps * max(a.shape) if rcond is None else rcond
    values = stop_gradient(s)
    rank = int(reductions.sum(values > limit * reductions.max(values, initial=0)))
    if rank == a.shape[1] < a.shape[0]:
        r = absolute(b - matmul(a, x))
        residuals = sum_over(r * r, axis=(0,))
        residuals = residuals if b.ndim == 2 else reshape(residuals, shape=(1,))
    else:
        residuals = np.empty(0, s.dtype)
    return x, residuals, rank, s


# Norms ----------------------------------------------------------------------------------------


def _size(x: Any) -> Any:
    return absolute(x)


def _euclid(x: Any, axes: tuple[int, ...]) -> Any:
    """sqrt(sum |x|^2), scaled so that squares neither overflow nor vanish; derivative 0 at 0."""
    if x.dtype.kind == "c":
        x = _size(x)
    if not x.size:
        return root_sum_squares(x, axis=axes)
    scale = stop_gradient(reductions.max(_size(stop_gradient(x)), axis=axes, keepdims=True))
    usual = where(greater(scale, 0), scale, 1.0)
    value = root_sum_squares(x / usual, axis=axes)
    return value * reshape(usual, shape=value.shape)


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...]) -> Any:
    if ord is None or ord == 2:
        return _euclid(x, axes)
    size = _size(x)
    if ord == np.inf:
        return reductions.max(size, axis=axes)
    if ord == -np.inf:
        return reductions.min(size, axis=axes)
    if ord == 0:
        return stop_gradient(reductions.sum((x != 0) * 1.0, axis=axes))
    if ord == 1:
        return sum_over(size, axis=axes)
    if isinstance(ord, str):
        raise ArgumentError(f"norm: ord={ord!r} is a matrix norm; for vectors give a number.")
    total = sum_over(size**ord, axis=axes)
    zero = total == 0
    return where(zero, 0.0, where(zero, 1.0, total) ** (1.0 / ord))


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, int]) -> Any:
    i, j = axes
    if ord in (None, "fro", "f"):
        return _euclid(x, tuple(sorted(axes)))
    if ord in (1, -1, np.inf, -np.inf):
        along, rest = (i, j) if abs(ord) == 1 else (j, i)
        sums = sum_over(_size(x), axis=(along,))
        rest -= rest > along
        return (reductions.max if ord > 0 else reductions.min)(sums, axis=rest)
    s = svdvals(shaping.moveaxis(x, axes, (-2, -1)))
    if ord == "nuc":
        return sum_over(s, axis=(s.ndim - 1,))
    if ord == 2:
        return reductions.max(s, axis=-1)
    if ord == -2:
        return reductions.min(s, axis=-1)
    raise ArgumentError(f"norm: ord={ord!r} is no matrix norm; None, 'fro', 'nuc', 1, -1, 2, -2, inf and -inf are.")


def _kept(y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return reshape(y, shape=tuple(1 if i in axes else n for i, n in enumerate(x.shape))) if keepdims else y


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norms of every order; the derivative at 0 is 0."""
    x = operand(x)
    x = x if x.dtype.kind in "fc" else x * 1.0
    if axis is None and (ord is None or x.ndim == 1):
        axes = tuple(range(x.ndim))
        return _kept(_vector_norm(x, ord, axes), x, axes, keepdims)
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple(axis_of(k, x.ndim) for k in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(axes) == 1:
        return _kept(_vector_norm(x, ord, axes), x, axes, keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ShapeError(f"norm: ord={ord!r} needs one or two different axes, got {axes}.")
    return _kept(_matrix_norm(x, ord, axes), x, axes, keepdims)  # type: ignore[arg-type]


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = operand(x)
    axes = tuple(range(x.ndim)) if axis is None else shaping.axes_of(axis, x.ndim)
    return _kept(_vector_norm(x, ord, tuple(sorted(axes))), x, axes, keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    x = matrices(x, "matrix_norm", False)
    axes = (x.ndim - 2, x.ndim - 1)
    return _kept(_matrix_norm(x, ord, axes), x, axes, keepdims)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    if p in (None, 2, -2):
        s = svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    a = matrices(x, "cond")
    axes = (a.ndim - 2, a.ndim - 1)
    return norm(a, p, axes) * norm(inv(a), p, axes)


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    x = operand(A)
    value = x.level.look(x, "matrix_rank") if type(x) is Tensor else x
    return np.linalg.matrix_rank(value, tol, hermitian, rtol=rtol)


# Products -------------------------------------------------------------------------------------


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    x = matrices(a, "matrix_power")
    n = n.__index__()
    if n < 0:
        x, n = inv(x), -n
    if n == 0:
        return x * 0 + np.eye(x.shape[-1], dtype=x.dtype)
    out: Any = None
    while n:
        if n & 1:
            out = x if out is None else matmul(out, x)
        n >>= 1
        x = matmul(x, x) if n else x
    return out


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """Matrix products in the order that costs least."""
    xs = [operand(a) for a in arrays]
    if len(xs) < 2:
        raise ArgumentError("multi_dot needs at least two arrays.")
    terms, result = [], ""
    letters = iter(products.contract.LETTERS)
    left = next(letters)
    for x in xs:
        if x.ndim == 1:
            terms.append(left)
            continue
        right = next(letters)
        terms.append(left + right)
        left = right
    first, last = terms[0], terms[-1]
    result = (first[0] if xs[0].ndim == 2 else "") + (last[1] if xs[-1].ndim == 2 else "")
    return products.store(products.contract.einsum(*xs, terms=tuple(terms), out=result), out)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    x = operand(a)
    rows, columns = x.shape[:ind], x.shape[ind:]
    n = int(np.prod(columns, dtype=int))
    return reshape(inv(reshape(x, shape=(n, n))), shape=(*columns, *rows))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    x, y = operand(a), operand(b)
    if axes is not None:
        x = shaping.moveaxis(x, axes, tuple(range(x.ndim - len(axes), x.ndim)))
    shape = x.shape[y.ndim :]
    n = int(np.prod(shape, dtype=int))
    return reshape(solve(reshape(x, shape=(n, n)), shaping.ravel(y)), shape=shape)


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return rearranging.diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return products.trace(x, offset, -2, -1)


__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq",
    "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv",
    "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot",
    "vector_norm",
]  # fmt: skip
