"""Matrix functions and structured matrices of ``scipy.linalg``, with derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from dualad.core.errors import ArgumentError, NotDifferentiable, ShapeError
from dualad.numpy import linalg, shaping
from dualad.numpy.linalg import matrices
from dualad.numpy.operands import operand
from dualad.ops import gauges, matrix_functions, spectral
from dualad.ops import linalg as ops
from dualad.ops.arithmetic import conjugate, imag_part, real_part, stop_gradient
from dualad.ops.contract import matmul
from dualad.ops.matrix_functions import block_triangular
from dualad.ops.shape import concatenate, reshape
from dualad.scipy.others import holds

F = TypeVar("F", bound=Callable[..., Any])


def of_scipy(name: str) -> Any:
    import scipy.linalg

    return getattr(scipy.linalg, name)


def on_tensors(f: F) -> F:
    """Calls without any tensor go to SciPy."""
    name = f.__name__

    @functools.wraps(f)
    def public(*args: Any, **keywords: Any) -> Any:
        if any(map(holds, args)) or any(map(holds, keywords.values())):
            return f(*args, **keywords)
        return of_scipy(name)(*args, **keywords)

    if not f.__doc__:
        public.__doc__ = f"``scipy.linalg.{name}`` with derivatives; see SciPy's documentation."
    return public  # type: ignore[return-value]


def doubled(x: Any) -> Any:
    """In double precision, in which SciPy computes and returns some functions."""
    return shaping.astype(x, np.result_type(x.dtype, np.float64))


# Matrix functions -----------------------------------------------------------------------------


@on_tensors
def expm(A: Any) -> Any:
    """The matrix exponential; ``d expm(A)`` along E is the upper right block of ``expm([[A, E], [0, A]])``.

    Shapes: ``(..., n, n)``. Every derivative exists, at equal eigenvalues too. Source: Al-Mohy & Higham 2009, SIAM J.
    Matrix Anal. Appl. 30, 1639-1657; Higham 2008, Functions of Matrices, theorem 3.6.

    >>> import numpy as np
    >>> from dualad import jvp
    >>> jvp(expm, (np.zeros((2, 2)),), (np.array([[0.0, 1.0], [0.0, 0.0]]),))[1]
    array([[0., 1.],
           [0., 0.]])
    """
    return matrix_functions.expm(matrices(A, "expm"))


@on_tensors
def expm_frechet(A: Any, E: Any, method: Any = None, compute_expm: Any = True, check_finite: Any = True) -> Any:
    """``expm(A)`` and its derivative along E."""
    a, e = matrices(A, "expm_frechet"), matrices(E, "expm_frechet")
    if a.shape != e.shape:
        raise ShapeError(f"expm_frechet: A is {a.shape}, E is {e.shape}. Need equal shapes.")
    dtype = np.result_type(a, e)
    n = a.shape[-1]
    y = matrix_functions.expm(block_triangular(shaping.astype(a, dtype), shaping.astype(e, dtype)))
    return (y[..., :n, :n], y[..., :n, n:]) if compute_expm else y[..., :n, n:]


def _regular(x: Any, name: str) -> Any:
    """A matrix that is not singular to working precision: at 0 roots and logarithms have no derivative."""
    s = gauges.raw(linalg.svdvals(stop_gradient(x)))
    if s.size and bool((s[..., -1] <= x.shape[-1] * np.finfo(x.dtype).eps * s[..., 0]).any()):
        raise NotDifferentiable(
            f"{name}: this matrix is singular, and {name} has no derivative at an eigenvalue 0. Add a small multiple of the "
            "identity, or pass dualad.stop_gradient(A) if it is a constant."
        )
    return x


@on_tensors
def logm(A: Any, disp: Any = None) -> Any:
    """The principal logarithm; derivative by ``logm([[A, E], [0, A]])``. Raises ``NotDifferentiable`` where A is singular.

    At eigenvalues on the negative real axis the derivative is that of the branch continued from above: the right one as long
    as they stay real (simple eigenvalues of a real matrix); below the axis the logarithm itself jumps by 2 pi i.
    """
    return matrix_functions.logm(_regular(doubled(matrices(A, "logm")), "logm"))


@on_tensors
def sqrtm(A: Any, disp: Any = None, blocksize: Any = None) -> Any:
    """The principal square root X; its derivative has ``X dX + dX X = dA``. Raises where A is singular.

    Source: Higham 2008, Functions of Matrices, ch. 6.

    >>> import numpy as np
    >>> from dualad import grad
    >>> grad(lambda a: sqrtm(a).trace())(4 * np.eye(2))
    array([[0.25, 0.  ],
           [0.  , 0.25]])
    """
    return matrix_functions.sqrtm(_regular(matrices(A, "sqrtm"), "sqrtm"))


@on_tensors
def signm(A: Any, disp: Any = None) -> Any:
    """The matrix sign function S; with ``N = A S``, ``N dS + dS N = dA - S dA S``."""
    return matrix_functions.signm(matrices(A, "signm"))


@on_tensors
def fractional_matrix_power(A: Any, t: Any) -> Any:
    """``A**t`` for a real number t, which is a constant."""
    x = matrices(A, "fractional_matrix_power")
    t = shaping.concrete(t, "the exponent of fractional_matrix_power").item()
    if t == int(t):
        return linalg.matrix_power(x, int(t))
    return matrix_functions.fractional_matrix_power(_regular(doubled(x), "fractional_matrix_power"), t=t)


def _exponentials(A: Any, name: str) -> tuple[Any, Any]:
    x = matrices(A, name)
    return matrix_functions.expm(1j * x), x


@on_tensors
def cosm(A: Any) -> Any:
    y, x = _exponentials(A, "cosm")
    return 0.5 * (y + matrix_functions.expm(-1j * x)) if x.dtype.kind == "c" else real_part(y)


@on_tensors
def sinm(A: Any) -> Any:
    y, x = _exponentials(A, "sinm")
    return -0.5j * (y - matrix_functions.expm(-1j * x)) if x.dtype.kind == "c" else imag_part(y)


@on_tensors
def tanm(A: Any) -> Any:
    return ops.solve(cosm(A), sinm(A))


@on_tensors
def coshm(A: Any) -> Any:
    x = matrices(A, "coshm")
    return 0.5 * (matrix_functions.expm(x) + matrix_functions.expm(-x))


@on_tensors
def sinhm(A: Any) -> Any:
    x = matrices(A, "sinhm")
    return 0.5 * (matrix_functions.expm(x) - matrix_functions.expm(-x))


@on_tensors
def tanhm(A: Any) -> Any:
    return ops.solve(coshm(A), sinhm(A))


@on_tensors
def funm(A: Any, func: Any, disp: Any = True) -> Any:
    """``func`` of a diagonalizable matrix, ``V func(w) V^-1`` by its eigenvalues w and eigenvectors V.

    ``func`` is called with the vector of eigenvalues, and must be differentiable by dualad. The eigenvalues must differ;
    ``expm``, ``logm``, ``sqrtm``, ``cosm`` and others need no such thing. Raises ``NotDifferentiable`` at equal ones.

    >>> import numpy as np
    >>> from dualad import grad
    >>> grad(lambda a: funm(a, np.exp).trace())(np.diag([0.0, 1.0])).round(6)
    array([[1.      , 0.      ],
           [0.      , 2.718282]])
    """
    x = matrices(A, "funm")
    w, v = spectral.eig(x)
    if gauges.somewhere(gauges.coincide(stop_gradient(w))):
        raise NotDifferentiable(
            "funm: this matrix has equal eigenvalues, at which V func(w) V^-1 does not determine the derivative. Use expm, "
            "logm, sqrtm, signm, cosm, sinm or fractional_matrix_power, or compositions of them."
        )
    y = matmul(v * ops.row(func(w)), ops.inv(v))
    if x.dtype.kind == "c" or gauges.somewhere(abs(stop_gradient(y).imag) > 1e3 * np.finfo(x.dtype).eps):
        return y
    return real_part(y)


# Structured matrices --------------------------------------------------------------------------


def _vector(x: Any, name: str) -> Any:
    x = operand(x)
    if x.ndim != 1:
        raise ShapeError(f"{name} needs a vector on tensors, the shape is {x.shape}.")
    return x


@on_tensors
def toeplitz(c: Any, r: Any = None) -> Any:
    c = _vector(c, "toeplitz")
    r = conjugate(c) if r is None else _vector(r, "toeplitz")
    m, n = c.shape[0], r.shape[0]
    both = shaping.concatenate([c[::-1], r[1:]])
    return both[m - 1 - np.arange(m)[:, None] + np.arange(n)]


@on_tensors
def hankel(c: Any, r: Any = None) -> Any:
    c = _vector(c, "hankel")
    r = np.zeros(c.shape, c.dtype) if r is None else _vector(r, "hankel")
    both = shaping.concatenate([c, r[1:]])
    return both[np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])]


@on_tensors
def circulant(c: Any) -> Any:
    c = _vector(c, "circulant")
    n = c.shape[0]
    return c[(np.arange(n)[:, None] - np.arange(n)) % n]


@on_tensors
def companion(a: Any) -> Any:
    a = _vector(a, "companion")
    if a.shape[0] < 2:
        raise ShapeError(f"companion needs at least two coefficients, got {a.shape[0]}.")
    n = a.shape[0] - 1
    first = reshape(-a[1:] / a[0], shape=(1, n))
    return concatenate(first, np.eye(n - 1, n, dtype=first.dtype), axis=0)


@on_tensors
def leslie(f: Any, s: Any) -> Any:
    f, s = _vector(f, "leslie"), _vector(s, "leslie")
    n = f.shape[0]
    if s.shape[0] != n - 1:
        raise ShapeError(f"leslie: f is {f.shape}, s is {s.shape}. s needs one element less than f.")
    below = shaping.concatenate([ops.diagonal_matrix(s), np.zeros((n - 1, 1), s.dtype)], axis=1)
    return shaping.concatenate([reshape(f, shape=(1, n)), below])


@on_tensors
def convolution_matrix(a: Any, n: Any, mode: Any = "full") -> Any:
    a, n = _vector(a, "convolution_matrix"), int(n)
    if mode not in ("full", "valid", "same"):
        raise ArgumentError(f"convolution_matrix: mode={mode!r} is not known; 'full', 'valid' and 'same' are.")
    m = a.shape[0]
    padded = shaping.concatenate([np.zeros(n - 1, a.dtype), a, np.zeros(n - 1, a.dtype)])
    whole = padded[np.arange(m + n - 1)[:, None] + n - 1 - np.arange(n)]
    if mode == "full":
        return whole
    size = max(m, n) if mode == "same" else max(m, n) - min(m, n) + 1
    start = (min(m, n) - 1) // 2 if mode == "same" else min(m, n) - 1
    return whole[start : start + size]


@on_tensors
def block_diag(*arrs: Any) -> Any:
    blocks = [shaping.atleast_2d(operand(a)) for a in arrs]
    if any(b.ndim > 2 for b in blocks):
        raise ShapeError(f"block_diag needs matrices on tensors, the shapes are {[b.shape for b in blocks]}.")
    columns = sum(b.shape[1] for b in blocks)
    dtype = np.result_type(*[b.dtype for b in blocks])
    rows, before = [], 0
    for b in blocks:
        m, n = b.shape
        after = columns - before - n
        rows.append(shaping.concatenate([np.zeros((m, before), dtype), b, np.zeros((m, after), dtype)], axis=1))
        before += n
    return shaping.concatenate(rows)


@on_tensors
def khatri_rao(a: Any, b: Any) -> Any:
    a, b = operand(a), operand(b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ShapeError(f"khatri_rao: a is {a.shape}, b is {b.shape}. Need two matrices with as many columns.")
    y = a[:, None, :] * b[None, :, :]
    return reshape(y, shape=(a.shape[0] * b.shape[0], a.shape[1]))


@on_tensors
def diagsvd(s: Any, M: Any, N: Any) -> Any:
    s = _vector(s, "diagsvd")
    m, n, k = int(M), int(N), s.shape[0]
    if k not in (m, n):
        raise ShapeError(f"diagsvd: s has {k} elements, which is neither M={m} nor N={n}.")
    d = ops.diagonal_matrix(s)
    if k == m:
        return d if m == n else shaping.concatenate([d, np.zeros((m, n - m), d.dtype)], axis=1)
    return shaping.concatenate([d, np.zeros((m - n, n), d.dtype)])


@on_tensors
def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: Any = False, check_finite: Any = True) -> Any:
    """Norms of every order; the derivative at 0 is 0."""
    return linalg.norm(a, ord, axis, keepdims)


__all__ = [
    "block_diag", "circulant", "companion", "convolution_matrix", "coshm", "cosm", "diagsvd", "expm", "expm_frechet",
    "fractional_matrix_power", "funm", "hankel", "khatri_rao", "leslie", "logm", "norm", "signm", "sinhm", "sinm",
    "sqrtm", "tanhm", "tanm", "toeplitz",
]  # fmt: skip
