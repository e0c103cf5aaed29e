"""``scipy.linalg`` with derivatives: SciPy's names, signatures and values.

Calls without a tensor go to SciPy. Conventions: where SciPy reads one triangle of a symmetric (Hermitian) matrix, the
derivative is that on the symmetric matrix, as in ``dualad.numpy.linalg``; pivots and ranks are constants; ``pinv`` and
``lstsq`` have the derivative at constant rank; what is said of equal eigenvalues and singular values in
``dualad.numpy.linalg`` holds here too. ``overwrite_*`` and ``check_finite`` change nothing: no argument is modified.

>>> import numpy as np
>>> from dualad import grad
>>> from dualad.scipy import linalg
>>> grad(lambda a: linalg.expm(a).trace())(np.zeros((2, 2)))
array([[1., 0.],
       [0., 1.]])
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, NotDifferentiable, ShapeError
from dualad.numpy import linalg, products, reductions, shaping
from dualad.numpy.linalg import matrices
from dualad.ops import factorization, gauges, spectral, triangular
from dualad.ops import linalg as ops
from dualad.ops.arithmetic import absolute, imag_part, real_part, stop_gradient
from dualad.ops.contract import matmul, swap_last
from dualad.ops.factorization import permutation, upper
from dualad.ops.linalg import H, lower
from dualad.ops.quasi_schur import quasi_schur
from dualad.ops.reduce import sum as sum_over
from dualad.ops.shape import concatenate
from dualad.scipy.matrices import *
from dualad.scipy.matrices import on_tensors
from dualad.scipy.others import others_of
from dualad.scipy.systems import *
from dualad.scipy.systems import mirrored, pair, with_vectors

__getattr__ = others_of("linalg")

# Cholesky and LU ------------------------------------------------------------------------------


def _cholesky(a: Any, is_lower: bool) -> Any:
    return ops.cholesky(a) if is_lower else H(ops.cholesky(H(a)))


@on_tensors
def cholesky(a: Any, lower: Any = False, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    return _cholesky(matrices(a, "cholesky"), bool(lower))


@on_tensors
def cho_factor(a: Any, lower: Any = False, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    """``scipy.linalg.cho_factor``; the other triangle, which has no meaning, is that of ``a``."""
    x = matrices(a, "cho_factor")
    rest = upper(x, 1) if lower else ops.lower(x, -1)
    return _cholesky(x, bool(lower)) + rest, bool(lower)


@on_tensors
def cho_solve(c_and_lower: Any, b: Any, overwrite_b: Any = False, check_finite: Any = True) -> Any:
    c, is_lower = c_and_lower
    c, b = pair(matrices(c, "cho_solve"), b)
    l = c if is_lower else H(c)

    def both(l: Any, b: Any) -> Any:
        y = triangular.solve_triangular(l, b, lower=True, unit=False)
        return triangular.solve_triangular(H(l), y, lower=False, unit=False)

    return with_vectors("cho_solve", l, b, both)


@on_tensors
def lu(
    a: Any, permute_l: Any = False, overwrite_a: Any = False, check_finite: Any = True, p_indices: Any = False
) -> Any:
    """``scipy.linalg.lu``: ``a = P L U``; the permutation is a constant.

    With ``F = L^-1 P^T dA U^-1``, ``dL = L tril(F, -1)`` and ``dU = triu(F) U`` (rectangular: L and U extended by I).
    """
    x = matrices(a, "lu", False)
    p = factorization.lu_permutation(x)
    l, u = factorization.lu(x)
    rows = permutation(p, x.shape[-2], x.dtype)
    if permute_l:
        return matmul(rows, l), u
    return (p if p_indices else rows), l, u


@on_tensors
def lu_factor(a: Any, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    x = matrices(a, "lu_factor", False)
    l, u = factorization.lu(x)
    m, n = x.shape[-2:]
    l = lower(l, -1)
    if n > m:
        l = concatenate(l, np.zeros((*l.shape[:-1], n - m), l.dtype), axis=l.ndim - 1)
    elif m > n:
        u = concatenate(u, np.zeros((*u.shape[:-2], m - n, n), u.dtype), axis=u.ndim - 2)
    return l + u, factorization.lu_pivots(x)


@on_tensors
def lu_solve(lu_and_piv: Any, b: Any, trans: Any = 0, overwrite_b: Any = False, check_finite: Any = True) -> Any:
    factors, pivots = lu_and_piv
    factors, b = pair(matrices(factors, "lu_solve"), b)
    n = factors.shape[-1]
    rows = permutation(factorization.order_of_pivots(pivots), n, factors.dtype)
    system = functools.partial(triangular.solve_triangular)

    def both(f: Any, b: Any) -> Any:
        if trans == 0:
            y = system(f, matmul(rows, b), lower=True, unit=True)
            return system(f, y, lower=False, unit=False)
        f = swap_last(f) if trans == 1 else H(f)
        y = system(f, b, lower=True, unit=False)
        return matmul(swap_last(rows), system(f, y, lower=False, unit=True))

    return with_vectors("lu_solve", factors, b, both)


@on_tensors
def qr(
    a: Any,
    overwrite_a: Any = False,
    lwork: Any = None,
    mode: Any = "full",
    pivoting: Any = False,
    check_finite: Any = True,
) -> Any:
    """``scipy.linalg.qr``; pivots are constants; of the columns that "full" adds, only their span has a derivative."""
    x = matrices(a, "qr", False)
    if mode not in ("full", "r", "economic"):
        raise ArgumentError(f"qr: mode={mode!r} is not supported on tensors; 'full', 'r' and 'economic' are.")
    extra: tuple[Any, ...] = ()
    if pivoting:
        p = factorization.qr_pivots(x)
        x, extra = matmul(x, swap_last(permutation(p, x.shape[-1], x.dtype))), (p,)
    q, r = linalg.qr(x, "reduced" if mode == "economic" else "complete")
    return (r, *extra) if mode == "r" and extra else (r,) if mode == "r" else (q, r, *extra)


@on_tensors
def polar(a: Any, side: Any = "right") -> Any:
    """``(u, p)`` with ``a = u p`` ("right") or ``a = p u`` ("left"), of a matrix of full rank.

    The derivative ``u X`` of u has ``p X + X p = u^H da - da^H u``: no singular vectors, so equal singular values are no
    exception. Source: Higham 2008, Functions of Matrices, ch. 8.

    >>> import numpy as np
    >>> from dualad import jvp
    >>> jvp(lambda a: polar(a)[0], (np.eye(2),), (np.array([[0.0, 2.0], [0.0, 0.0]]),))[1]
    array([[ 0.,  1.],
           [-1.,  0.]])
    """
    x = matrices(a, "polar", False)
    if side not in ("left", "right"):
        raise ArgumentError(f"polar: side={side!r} is not known; 'left' and 'right' are.")
    tall = x.shape[-2] >= x.shape[-1]
    u, p = factorization.polar(x if tall else H(x))
    if not tall:
        u = H(u)
    if tall != (side == "right"):
        p = matmul(matmul(u, p), H(u)) if tall else matmul(matmul(H(u), p), u)
    return u, p


@on_tensors
def schur(
    a: Any,
    output: Any = "real",
    lwork: Any = None,
    overwrite_a: Any = False,
    sort: Any = None,
    check_finite: Any = True,
) -> Any:
    """``(t, z)`` with ``a = z t z^H``: with ``z' = z X``, X antihermitian with zero diagonal, ``lower(X t - t X) =
    lower(z^H a' z)``; where a real ``t`` has 2 x 2 blocks, their diagonal elements stay equal. The eigenvalues must differ."""
    x = matrices(a, "schur")
    if sort is not None:
        raise ArgumentError("schur: sort is not supported on tensors.")
    if output not in ("real", "complex", "r", "c"):
        raise ArgumentError(f"schur: output={output!r} is not known; 'real' and 'complex' are.")
    if output[0] == "c" and x.dtype.kind != "c":
        x = x + 0j
    w = linalg.eigvals(stop_gradient(x))
    if np.any(gauges.raw(spectral.coincide(stop_gradient(w)))):
        raise NotDifferentiable("schur: this matrix has equal eigenvalues, at which its Schur form has no derivative.")
    if x.dtype.kind != "c" and reductions.any(imag_part(stop_gradient(w)) != 0):
        t, z = quasi_schur(x)
        above, corner = (linalg.diagonal(stop_gradient(t), offset=k) for k in (1, -1))
        size = absolute(above) + absolute(corner)
        if reductions.any((corner != 0) & (absolute(above + corner) <= 100 * np.finfo(x.dtype).eps * size)):
            raise NotDifferentiable(
                "schur: a 2 x 2 block of this real Schur form is a multiple of a rotation, which turns into itself: its "
                "basis has no derivative. Use output='complex'."
            )
        return t, z
    return factorization.schur(x, output="complex" if x.dtype.kind == "c" else "real")


# Eigenvalues ----------------------------------------------------------------------------------


def _selection(w: Any, index: Any, value: Any, name: str) -> Any:
    if index is not None and value is not None:
        raise ArgumentError(f"{name}: give subset_by_index or subset_by_value, not both.")
    if index is not None:
        return slice(int(index[0]), int(index[1]) + 1)
    if value is not None:
        known = shaping.concrete(stop_gradient(w), f"{name} by value")
        return np.flatnonzero((known > value[0]) & (known <= value[1]))
    return None


@on_tensors
def eigh(
    a: Any, b: Any = None, *, lower: Any = True, eigvals_only: Any = False, overwrite_a: Any = False,
    overwrite_b: Any = False, type: Any = 1, check_finite: Any = True, subset_by_index: Any = None,
    subset_by_value: Any = None, driver: Any = None,
) -> Any:  # fmt: skip
    """Eigenvalues and eigenvectors of ``a v = w b v`` for a Hermitian and b positive definite.

    With b: by its Cholesky factor L, from the eigenvectors z of ``L^-1 a L^-H`` as ``v = L^-H z``, all differentiable.
    Equal eigenvalues: as ``numpy.linalg.eigh``.

    >>> import numpy as np
    >>> from dualad import grad
    >>> slope = grad(lambda b: eigh(np.eye(2), b)[0].sum())(2 * np.eye(2))
    >>> np.allclose(slope, -np.eye(2) / 4)
    True
    """
    x = matrices(a, "eigh")
    UPLO = "L" if lower else "U"
    if b is None:
        w, v = spectral.eigh(x, UPLO=UPLO, driver=driver or "evr")
    else:
        if type not in (1, 2, 3):
            raise ArgumentError(f"eigh: type={type!r} is not known; 1, 2 and 3 are.")
        x, y = pair(x, matrices(b, "eigh"))
        l = _cholesky(y, bool(lower))
        x, l = mirrored(x, lower), l if lower else H(l)
        solved = functools.partial(triangular.solve_triangular, lower=True, unit=False)
        # as LAPACK does, by the factor and the standard problem
        core = solved(l, H(solved(l, x))) if type == 1 else matmul(H(l), matmul(x, l))
        w, z = spectral.eigh(core, UPLO=UPLO, driver="evd")
        if type == 3:
            v = matmul(l, z)
        else:
            v = triangular.solve_triangular(H(l), z, lower=False, unit=False)
    chosen = _selection(w, subset_by_index, subset_by_value, "eigh")
    if chosen is not None:
        w, v = w[..., chosen], v[..., chosen]
    return w if eigvals_only else (w, v)


@on_tensors
def eigvalsh(
    a: Any, b: Any = None, *, lower: Any = True, overwrite_a: Any = False, overwrite_b: Any = False, type: Any = 1,
    check_finite: Any = True, subset_by_index: Any = None, subset_by_value: Any = None, driver: Any = None,
) -> Any:  # fmt: skip
    return eigh(
        a,
        b,
        lower=lower,
        eigvals_only=True,
        type=type,
        subset_by_index=subset_by_index,
        subset_by_value=subset_by_value,
    )


@on_tensors
def eig(
    a: Any, b: Any = None, left: Any = False, right: Any = True, overwrite_a: Any = False, overwrite_b: Any = False,
    check_finite: Any = True, homogeneous_eigvals: Any = False,
) -> Any:  # fmt: skip
    """Eigenvalues (complex) and eigenvectors in LAPACK's scaling: length 1, largest component real.

    The left ones, ``vl^H a = w vl^H``, are the columns of ``vr^-H``, scaled in the same way.

    >>> import numpy as np
    >>> from dualad import jvp
    >>> left = lambda a: eig(a, left=True, right=False)[1]
    >>> jvp(left, (np.diag([1.0, 2.0]),), (np.array([[0.0, 1.0], [0.0, 0.0]]),))[1]
    array([[ 0.,  0.],
           [-1.,  0.]])
    """
    if b is not None or homogeneous_eigvals:
        raise ArgumentError("eig: b and homogeneous_eigvals are not supported on tensors; use eig(solve(b, a)).")
    w, v = linalg._eig(a, "eig")
    w = w if w.dtype.kind == "c" else w + 0j
    if not left:
        return (w, v) if right else w
    vl = spectral.left_vectors(linalg.matrices(a, "eig"), v)
    return (w, vl, v) if right else (w, vl)


@on_tensors
def eigvals(
    a: Any, b: Any = None, overwrite_a: Any = False, check_finite: Any = True, homogeneous_eigvals: Any = False
) -> Any:
    return eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)


@on_tensors
def eigh_tridiagonal(
    d: Any, e: Any, eigvals_only: Any = False, select: Any = "a", select_range: Any = None, check_finite: Any = True,
    tol: Any = 0.0, lapack_driver: Any = "auto",
) -> Any:  # fmt: skip
    """Eigenvalues and eigenvectors of the symmetric tridiagonal matrix with diagonal ``d`` and off-diagonal ``e``.

    ``dw = diag(v^T T' v)``, ``dv = v (F * v^T T' v)`` with ``F_ij = 1 / (w_j - w_i)``; the cotangents of d and e are the
    diagonal of that of the matrix, and twice its off-diagonal.

    >>> import numpy as np
    >>> from dualad import grad
    >>> grad(lambda e: eigh_tridiagonal(np.zeros(2), e)[0][1])(np.ones(1))
    array([1.])
    """
    d, e = pair(d, e)
    if d.ndim != 1 or e.shape != (d.shape[0] - 1,):
        raise ShapeError(f"eigh_tridiagonal: d is {d.shape}, e is {e.shape}. Need n and n - 1 elements.")
    w, v = factorization.eigh_tridiagonal(d, e, driver=lapack_driver)
    if np.any(gauges.raw(spectral.coincide(stop_gradient(w)))):  # e has a 0: the matrix falls into blocks
        w, v = spectral.eigh(factorization.tridiagonal(d, e), UPLO="L")
    if select in ("i", "index", 1, 2, "v", "value"):
        by_index = select in ("i", "index", 2)
        index, value = (select_range, None) if by_index else (None, select_range)
        chosen = _selection(w, index, value, "eigh_tridiagonal")
        w, v = w[chosen], v[:, chosen]
    elif select not in ("a", "all", 0):
        raise ArgumentError(f"eigh_tridiagonal: select={select!r} is not known; 'a', 'i' and 'v' are.")
    return w if eigvals_only else (w, v)


@on_tensors
def eigvalsh_tridiagonal(
    d: Any, e: Any, select: Any = "a", select_range: Any = None, check_finite: Any = True, tol: Any = 0.0,
    lapack_driver: Any = "auto",
) -> Any:  # fmt: skip
    return eigh_tridiagonal(d, e, True, select, select_range)


# Singular values ------------------------------------------------------------------------------


@on_tensors
def svd(
    a: Any, full_matrices: Any = True, compute_uv: Any = True, overwrite_a: Any = False, check_finite: Any = True,
    lapack_driver: Any = "gesdd",
) -> Any:  # fmt: skip
    """``scipy.linalg.svd``; of the vectors that ``full_matrices`` adds, only their span has a derivative."""
    y = linalg.svd(a, full_matrices, compute_uv)
    return tuple(y) if compute_uv else y


@on_tensors
def svdvals(a: Any, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    return linalg.svdvals(a)


def _cut(s: Any, shape: tuple[int, ...], rtol: Any, name: str, atol: float = 0.0) -> tuple[float, int]:
    """The threshold relative to the largest singular value, and the rank, which a recording watches."""
    s = stop_gradient(s)
    relative = max(shape[-2:]) * float(np.finfo(s.dtype).eps) if rtol is None else float(rtol)
    rank = reductions.sum(s > relative * reductions.max(s, initial=0.0) + atol)
    return relative, int(shaping.concrete(rank, f"the rank in {name}"))


def _pinv(x: Any, atol: Any, rtol: Any, return_rank: Any, hermitian: bool, name: str) -> Any:
    absolute = 0.0 if atol is None else float(shaping.concrete(atol, name))
    rtol = max(x.shape[-2:]) * np.finfo(x.dtype).eps if rtol is None else shaping.concrete(rtol, name)
    y = ops.pinv(x, rcond=float(rtol), hermitian=hermitian, atol=absolute)
    if not return_rank:
        return y
    return y, _cut(linalg.svdvals(stop_gradient(x)), x.shape, rtol, name, absolute)[1]


@on_tensors
def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: Any = False, check_finite: Any = True) -> Any:
    """The pseudoinverse; its derivative is that at constant rank (Golub & Pereyra 1973, eq. 4.12)."""
    x = matrices(a, "pinv", False)
    return _pinv(x, atol, rtol, return_rank, False, "pinv")


@on_tensors
def pinvh(
    a: Any, atol: Any = None, rtol: Any = None, lower: Any = True, return_rank: Any = False, check_finite: Any = True
) -> Any:
    """The pseudoinverse of a Hermitian matrix; its derivative is that at constant rank."""
    x = mirrored(matrices(a, "pinvh"), lower)
    return _pinv(x, atol, rtol, return_rank, True, "pinvh")


@on_tensors
def lstsq(
    a: Any, b: Any, cond: Any = None, overwrite_a: Any = False, overwrite_b: Any = False, check_finite: Any = True,
    lapack_driver: Any = None,
) -> Any:  # fmt: skip
    """Solution of least norm, residues, rank and singular values; the derivative is that of ``pinv(a) @ b``."""
    a, b = pair(matrices(a, "lstsq", False), b)
    if a.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != a.shape[0]:
        raise ShapeError(f"lstsq: a is {a.shape}, b is {b.shape}. Need a matrix, and b with {a.shape[0]} rows.")
    m, n = a.shape
    s = linalg.svdvals(a)
    cut, rank = _cut(s, a.shape, np.finfo(a.dtype).eps if cond is None else cond, "lstsq")
    x = products.matmul(ops.pinv(a, rcond=cut, hermitian=False), b)
    if m > n and rank == n:
        r = absolute(b - products.matmul(a, x))
        return x, sum_over(r * r, axis=(0,)), rank, s
    return x, np.empty(0, s.dtype), rank, s


@on_tensors
def null_space(
    A: Any, rcond: Any = None, *, overwrite_a: Any = False, check_finite: Any = True, lapack_driver: Any = "gesdd"
) -> Any:
    """An orthonormal basis of the null space; only the space has a derivative, and the basis rotates no more than it must:
    ``dN = -V S^-1 U^H dA N``."""
    x = matrices(A, "null_space", False)
    _, s, vh = linalg.svd(x)
    rank = _cut(s, x.shape, rcond, "null_space")[1]
    return H(vh[..., rank:, :])


@on_tensors
def orth(A: Any, rcond: Any = None) -> Any:
    """An orthonormal basis of the range: left singular vectors, so the singular values must differ."""
    x = matrices(A, "orth", False)
    u, s, _ = linalg.svd(x, full_matrices=False)
    return u[..., : _cut(s, x.shape, rcond, "orth")[1]]


@on_tensors
def orthogonal_procrustes(A: Any, B: Any, check_finite: Any = True) -> Any:
    """``(R, scale)``: the unitary R that brings A closest to B, which is a polar factor."""
    a, b = matrices(A, "orthogonal_procrustes", False), matrices(B, "orthogonal_procrustes", False)
    if a.shape != b.shape or a.ndim != 2:
        raise ShapeError(f"orthogonal_procrustes: A is {a.shape}, B is {b.shape}. Need two equal shapes.")
    u, p = polar(matmul(H(a), b))
    return u, real_part(products.trace(p))
