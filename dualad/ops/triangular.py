"""Systems of special form: triangular, banded, Sylvester. SciPy (LAPACK) solves them, one matrix of a stack at a time.

The pairing of cotangents is the plain one, without conjugation, as in dualad.ops.linalg.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.ops.contract import matmul, swap_last
from dualad.ops.index import ARRAY, index
from dualad.ops.kinds import general, leading_dims
from dualad.ops.linalg import column, lower, real_dtype
from dualad.ops.samples import Sample


def stacked(f: Callable[..., Any], *arrays: Any) -> Any:
    """A function of matrices over the leading axes of stacks, which broadcast."""
    lead = np.broadcast_shapes(*[a.shape[:-2] for a in arrays])
    if not lead:
        return f(*arrays)
    if 0 in lead:
        y = f(*[np.eye(*a.shape[-2:], dtype=a.dtype) for a in arrays])
        empty = lambda v: np.empty(lead + v.shape, v.dtype)
        return tuple(map(empty, y)) if isinstance(y, tuple) else empty(y)
    places = np.ndindex(*lead)
    whole = [np.broadcast_to(a, lead + a.shape[-2:]) for a in arrays]
    ys = [f(*[a[k] for a in whole]) for k in places]
    join = lambda vs: np.stack(vs).reshape(lead + vs[0].shape)
    return tuple(join(v) for v in zip(*ys, strict=True)) if isinstance(ys[0], tuple) else join(ys)


# Triangular -----------------------------------------------------------------------------------


def _triangle(x: Any, is_lower: bool, unit: bool) -> Any:
    """The part of a matrix that a triangular system reads."""
    if is_lower:
        return lower(x, -1 if unit else 0)
    return x - lower(x, 0 if unit else -1)


def _solve_triangular(a: Any, b: Any, lower: bool, unit: bool) -> Any:
    from scipy.linalg import solve_triangular as solve

    return stacked(lambda a, b: solve(a, b, lower=lower, unit_diagonal=unit, check_finite=False), a, b)


def _triangular_jvp(ts: Any, y: Any, a: Any, b: Any, *, lower: bool, unit: bool) -> Any:
    ta, tb = ts
    right = tb
    if ta is not None:
        moved = matmul(_triangle(ta, lower, unit), y)
        right = -moved if tb is None else tb - moved
    return solve_triangular(a, right, lower=lower, unit=unit)


def _triangular_vjp(g: Any, need: Any, y: Any, a: Any, b: Any, *, lower: bool, unit: bool) -> Any:
    gb = solve_triangular(swap_last(a), g, lower=not lower, unit=unit)
    ga = -_triangle(matmul(gb, swap_last(y)), lower, unit) if need[0] else None
    return ga, gb if need[1] else None


def _triangular_samples() -> list[Sample]:
    rng = np.random.default_rng(21)
    out = []
    for shape, columns, is_lower, unit in (
        ((3, 3), 2, True, False),
        ((3, 3), 1, False, True),
        ((2, 2, 2), 2, False, False),
    ):
        for z in (0, 1j):
            a = rng.normal(size=shape) + z * rng.normal(size=shape) + 3 * np.eye(shape[-1])
            b = rng.normal(size=(shape[-1], columns)) + z * rng.normal(size=(shape[-1], columns))
            out.append(Sample((a, b), {"lower": is_lower, "unit": unit}))
    return out


# Of the matrix only the triangle is read; b is a stack of matrices.
solve_triangular = general(
    "solve_triangular",
    _solve_triangular,
    _triangular_jvp,
    _triangular_vjp,
    keep="xy",
    batch=leading_dims,
    samples=_triangular_samples,
    source="Giles 2008, sec. 2.3.1, projected on the triangle",
)

# Banded ---------------------------------------------------------------------------------------

# Bands as LAPACK stores them: ab[u + i - j, j] = a[i, j] for l subdiagonals and u superdiagonals.


def _picked(x: Any, i: Any, j: Any, inside: Any) -> Any:
    """x[..., i, j], and 0 where that is outside."""
    template = (*[slice(None)] * (x.ndim - 2), ARRAY, ARRAY)
    return index(x, np.where(inside, i, 0), np.where(inside, j, 0), template=template) * inside.astype(
        real_dtype(x.dtype)
    )


def transposed_bands(ab: Any, l: int, u: int) -> Any:
    """The bands of the transpose, which has u subdiagonals and l superdiagonals."""
    n = ab.shape[-1]
    r, j = np.indices((l + u + 1, n))
    source = j + r - l
    return _picked(ab, l + u - r, source, (source >= 0) & (source < n))


def banded_product(ab: Any, x: Any, l: int, u: int) -> Any:
    """a @ x for the matrix with bands ab."""
    n = ab.shape[-1]
    rows = transposed_bands(ab, l, u)  # rows[r, i] = a[i, i + r - l]
    total: Any = 0
    for r in range(l + u + 1):
        i = np.arange(n) + r - l
        inside = (i >= 0) & (i < n)
        template = (*[slice(None)] * (x.ndim - 2), ARRAY, slice(None))
        moved = index(x, np.where(inside, i, 0), template=template)
        total = total + column(rows[..., r, :]) * moved  # rows is 0 outside
    return total


def _outer_bands(g: Any, x: Any, l: int, u: int) -> Any:
    """The bands of g @ x.T."""
    n = x.shape[-2]
    parts = []
    for k in range(x.shape[-1]):
        r, j = np.indices((l + u + 1, n))
        i = r - u + j
        inside = (i >= 0) & (i < n)
        template = (*[slice(None)] * (g.ndim - 2), ARRAY)
        column_k = index(g[..., k], np.where(inside, i, 0), template=template) * inside.astype(real_dtype(g.dtype))
        parts.append(column_k * x[..., None, :, k])
    total = parts[0]
    for p in parts[1:]:
        total = total + p
    return total


def _solve_banded(ab: Any, b: Any, l: int, u: int) -> Any:
    from scipy.linalg import solve_banded as solve

    return stacked(lambda ab, b: solve((l, u), ab, b, check_finite=False), ab, b)


def _banded_jvp(ts: Any, y: Any, ab: Any, b: Any, *, l: int, u: int) -> Any:
    ta, tb = ts
    right = tb
    if ta is not None:
        moved = banded_product(ta, y, l, u)
        right = -moved if tb is None else tb - moved
    return solve_banded(ab, right, l=l, u=u)


def _banded_vjp(g: Any, need: Any, y: Any, ab: Any, b: Any, *, l: int, u: int) -> Any:
    gb = solve_banded(transposed_bands(ab, l, u), g, l=u, u=l)
    return (-_outer_bands(gb, y, l, u) if need[0] else None), gb if need[1] else None


def _banded_samples() -> list[Sample]:
    rng = np.random.default_rng(22)
    out = []
    for l, u, lead, z in ((1, 1, (), 0), (2, 1, (), 1j), (0, 2, (2,), 0)):
        ab = rng.normal(size=(*lead, l + u + 1, 4)) + z * rng.normal(size=(*lead, l + u + 1, 4))
        ab[..., u, :] += 4
        out.append(Sample((ab, rng.normal(size=(4, 2)) + z), {"l": l, "u": u}))
    return out


solve_banded = general(
    "solve_banded",
    _solve_banded,
    _banded_jvp,
    _banded_vjp,
    keep="xy",
    batch=leading_dims,
    samples=_banded_samples,
    source="Giles 2008, sec. 2.3.1, projected on the bands",
)

# Sylvester ------------------------------------------------------------------------------------


def _solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    from scipy.linalg import solve_sylvester as solve

    dtype = np.result_type(a, b, q)
    if not q.shape[-1] or not q.shape[-2]:
        return np.zeros(np.broadcast_shapes(a.shape[:-2], b.shape[:-2], q.shape[:-2]) + q.shape[-2:], dtype)
    return stacked(lambda *m: solve(*m).astype(dtype, copy=False), a, b, q)


def _sylvester_jvp(ts: Any, y: Any, a: Any, b: Any, q: Any) -> Any:
    ta, tb, right = ts
    for moved in (None if ta is None else matmul(ta, y), None if tb is None else matmul(y, tb)):
        if moved is not None:
            right = -moved if right is None else right - moved
    return solve_sylvester(a, b, right)


def _sylvester_vjp(g: Any, need: Any, y: Any, a: Any, b: Any, q: Any) -> Any:
    gq = solve_sylvester(swap_last(a), swap_last(b), g)
    return (
        -matmul(gq, swap_last(y)) if need[0] else None,
        -matmul(swap_last(y), gq) if need[1] else None,
        gq if need[2] else None,
    )


def _sylvester_samples() -> list[Sample]:
    rng = np.random.default_rng(23)
    out = []
    for lead, z in (((), 0), ((), 1j), ((2,), 0)):
        a, b, q = (rng.normal(size=(*lead, *s)) + z * rng.normal(size=s) for s in ((3, 3), (2, 2), (3, 2)))
        out.append(Sample((a + 3 * np.eye(3), b + 3 * np.eye(2), q)))
    a = np.eye(2)  # equal eigenvalues
    out.append(Sample((a, 2 * a, rng.normal(size=(2, 2)))))
    return out


# x with a x + x b = q.
solve_sylvester = general(
    "solve_sylvester",
    _solve_sylvester,
    _sylvester_jvp,
    _sylvester_vjp,
    keep="xy",
    batch=leading_dims,
    samples=_sylvester_samples,
    source="Bartels & Stewart 1972; derivative: the same equation for the differentials",
)
