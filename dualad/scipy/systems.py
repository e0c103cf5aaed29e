"""Linear systems of ``scipy.linalg``, with derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.numpy import linalg, products, shaping
from dualad.numpy.linalg import floating, matrices
from dualad.ops import linalg as ops
from dualad.ops import triangular
from dualad.ops.arithmetic import conjugate, real_part
from dualad.ops.contract import matmul, swap_last
from dualad.ops.factorization import upper
from dualad.ops.linalg import H, lower
from dualad.ops.shape import concatenate, expand_dims, reshape
from dualad.scipy.matrices import doubled, on_tensors, toeplitz


def pair(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as floating point of one dtype, as LAPACK takes them."""
    a, b = floating(a), floating(b)
    dtype = np.result_type(a, b)
    return shaping.astype(a, dtype), shaping.astype(b, dtype)


def with_vectors(name: str, a: Any, b: Any, f: Callable[[Any, Any], Any], rows: int | None = None) -> Any:
    """f(a, b), where b may be a vector."""
    vector = b.ndim == 1
    if vector:
        b = expand_dims(b, axis=(1,))
    n = a.shape[-1] if rows is None else rows
    if b.ndim < 2 or b.shape[-2] != n:
        raise ShapeError(
            f"{name}: the matrix is {a.shape}, b is {b.shape[:-1] if vector else b.shape}. b needs {n} rows."
        )
    y = f(a, b)
    return reshape(y, shape=y.shape[:-1]) if vector else y


def mirrored(a: Any, is_lower: bool, hermitian: bool = True) -> Any:
    """The symmetric (Hermitian) matrix of which one triangle is given."""
    half = lower(a, -1) if is_lower else upper(a, 1)
    diagonal = a * np.eye(a.shape[-1], dtype=ops.real_dtype(a.dtype))
    if hermitian and a.dtype.kind == "c":
        return half + H(half) + real_part(diagonal)
    return half + swap_last(half) + diagonal


# Systems --------------------------------------------------------------------------------------

_STRUCTURES = {
    "diagonal": "diagonal", "tridiagonal": "tridiagonal", "banded": "general", "upper triangular": "upper",
    "lower triangular": "lower", "symmetric": "sym", "hermitian": "her", "positive definite": "her", "general": "general",
    "gen": "general", "sym": "sym", "her": "her", "pos": "her", None: "general",
}  # fmt: skip


def _structured(a: Any, assume_a: Any, is_lower: bool, name: str) -> Any:
    """The matrix that SciPy reads."""
    if assume_a not in _STRUCTURES:
        raise ArgumentError(f"{name}: assume_a={assume_a!r} is not known; {[k for k in _STRUCTURES if k]} are.")
    kind = _STRUCTURES[assume_a]
    if kind in ("diagonal", "tridiagonal"):
        k = int(kind == "tridiagonal")
        return lower(upper(a, -k), k)
    if kind in ("upper", "lower"):
        return lower(a) if kind == "lower" else upper(a)
    return mirrored(a, is_lower, kind == "her") if kind in ("sym", "her") else a


@on_tensors
def solve(
    a: Any, b: Any, lower: Any = False, overwrite_a: Any = False, overwrite_b: Any = False, check_finite: Any = True,
    assume_a: Any = None, transposed: Any = False,
) -> Any:  # fmt: skip
    a, b = pair(matrices(a, "solve"), b)
    a = _structured(a, assume_a, lower, "solve")
    return with_vectors("solve", swap_last(a) if transposed else a, b, ops.solve)


@on_tensors
def inv(a: Any, overwrite_a: Any = False, check_finite: Any = True, *, assume_a: Any = None, lower: Any = False) -> Any:
    return ops.inv(_structured(matrices(a, "inv"), assume_a, lower, "inv"))


@on_tensors
def det(a: Any, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    """The determinant, in double precision; all its derivatives are right for singular matrices too."""
    return linalg.det(doubled(matrices(a, "det")))


@on_tensors
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False, overwrite_b: Any = False,
    check_finite: Any = True,
) -> Any:  # fmt: skip
    """Solve ``a x = b`` reading one triangle of ``a``, whose other triangle gets derivative 0 (and so does its diagonal
    if ``unit_diagonal``). ``trans``: 0 or "N", 1 or "T", 2 or "C".

    >>> import numpy as np
    >>> from dualad import grad
    >>> a = np.array([[2.0, 9.0], [1.0, 1.0]])
    >>> grad(lambda a: solve_triangular(a, np.array([2.0, 2.0]), lower=True)[1])(a) + 0.0
    array([[ 0.5,  0. ],
           [-1. , -1. ]])
    """
    a, b = pair(matrices(a, "solve_triangular"), b)
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ArgumentError(f"solve_triangular: trans={trans!r} is not known; 0, 1, 2, 'N', 'T', 'C' are.")
    turned = trans not in (0, "N")
    if turned:
        a = swap_last(a) if trans in (1, "T") else H(a)
    f = functools.partial(triangular.solve_triangular, lower=bool(lower) != turned, unit=bool(unit_diagonal))
    return with_vectors("solve_triangular", a, b, f)


@on_tensors
def solve_banded(
    l_and_u: Any, ab: Any, b: Any, overwrite_ab: Any = False, overwrite_b: Any = False, check_finite: Any = True
) -> Any:
    ab, b = pair(ab, b)
    l, u = (int(k) for k in l_and_u)
    if ab.ndim < 2 or ab.shape[-2] != l + u + 1:
        raise ShapeError(f"solve_banded: ab is {ab.shape}; l={l} and u={u} need {l + u + 1} rows.")
    return with_vectors("solve_banded", ab, b, functools.partial(triangular.solve_banded, l=l, u=u))


@on_tensors
def solveh_banded(
    ab: Any, b: Any, overwrite_ab: Any = False, overwrite_b: Any = False, lower: Any = False, check_finite: Any = True
) -> Any:
    """``scipy.linalg.solveh_banded``, by the LU factorization of the whole band."""
    ab, b = pair(ab, b)
    k = ab.shape[-2] - 1
    if lower:
        below = ab[..., 1:, :]
        above = conjugate(triangular.transposed_bands(ab, k, 0))[..., :-1, :]
        ab = concatenate(above, real_part(ab[..., :1, :]), below, axis=ab.ndim - 2)
    else:
        above = ab[..., :-1, :]
        below = conjugate(triangular.transposed_bands(ab, 0, k))[..., 1:, :]
        ab = concatenate(above, real_part(ab[..., -1:, :]), below, axis=ab.ndim - 2)
    return with_vectors("solveh_banded", ab, b, functools.partial(triangular.solve_banded, l=k, u=k))


@on_tensors
def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: Any = True) -> Any:
    """``scipy.linalg.solve_toeplitz``, by the dense matrix."""
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    a, b = pair(toeplitz(c, r), b)
    return with_vectors("solve_toeplitz", a, b, ops.solve)


@on_tensors
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """The solution x of ``a x + x b = q``.

    Derivative: ``a dx + dx b = dq - da x - x db``. The cotangents are ``gq`` with ``a.T gq + gq b.T = g``, ``-gq x.T`` and
    ``-x.T gq``. Source: Bartels & Stewart 1972.

    >>> import numpy as np
    >>> from dualad import grad
    >>> grad(lambda q: solve_sylvester(np.eye(1), np.eye(1), q).sum())(np.ones((1, 1)))
    array([[0.5]])
    """
    a, b, q = matrices(a, "solve_sylvester"), matrices(b, "solve_sylvester"), matrices(q, "solve_sylvester", False)
    if q.shape[-2:] != (a.shape[-1], b.shape[-1]):
        raise ShapeError(f"solve_sylvester: a is {a.shape}, b is {b.shape}, q is {q.shape}.")
    dtype = np.result_type(a, b, q)
    return triangular.solve_sylvester(*[shaping.astype(x, dtype) for x in (a, b, q)])


@on_tensors
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """The solution x of ``a x + x a^H = q``."""
    a = matrices(a, "solve_continuous_lyapunov")
    return solve_sylvester(a, H(a), q)


@on_tensors
def solve_lyapunov(a: Any, q: Any) -> Any:
    return solve_continuous_lyapunov(a, q)


@on_tensors
def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
    """The solution x of ``a x a^H - x + q = 0``."""
    a, q = pair(matrices(a, "solve_discrete_lyapunov"), matrices(q, "solve_discrete_lyapunov"))
    n = a.shape[-1]
    method = method or ("direct" if n < 10 else "bilinear")
    if a.ndim > 2 or q.shape != a.shape or method not in ("direct", "bilinear"):
        raise ArgumentError(f"solve_discrete_lyapunov: a is {a.shape}, q is {q.shape}, method={method!r}.")
    if method == "direct":
        system = np.eye(n * n, dtype=a.dtype) - products.kron(a, conjugate(a))
        return reshape(ops.solve(system, reshape(q, shape=(n * n, 1))), shape=(n, n))
    eye = np.eye(n, dtype=a.dtype)
    right = ops.inv(H(a) + eye)
    b = matmul(H(a) - eye, right)
    return solve_continuous_lyapunov(H(b), -2 * matmul(matmul(ops.inv(a + eye), q), right))


__all__ = [
    "det", "inv", "solve", "solve_banded", "solve_continuous_lyapunov", "solve_discrete_lyapunov",
    "solve_lyapunov", "solve_sylvester", "solve_toeplitz", "solve_triangular", "solveh_banded",
]  # fmt: skip
