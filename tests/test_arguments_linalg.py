"""Drawn arguments for linear algebra: NumPy's and SciPy's, real and complex, single and batched, regular and thin.

Of vectors, whose sign or phase is free, what is compared does not depend on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import dualad.numpy as dnp
from tests.drawing import COMMON, Draw, Rules, calls, check, find
from tests.drawing import register as register_in

TABLE: dict[str, Any] = {}


def register(names: str, make: Any) -> None:
    register_in(TABLE, names, make)


def DISPATCH_OF(name: str) -> bool:
    """SciPy's functions do not hand tensors over to us."""
    return not name.startswith("scipy.")


def kind_of(d: Draw) -> Any:
    return d.one(np.float64, np.float64, np.complex128, np.float64, np.float32)


def matrix(d: Draw, *core: int, lead: Any = None, dtype: Any = None) -> Any:
    lead = d.one((), (), (2,), (0,), (2, 1)) if lead is None else lead
    dtype = kind_of(d) if dtype is None else dtype
    x = d.numbers((*lead, *core), dtype=np.dtype(dtype).type if np.dtype(dtype).kind == "f" else np.float64)
    return x + 1j * d.numbers(x.shape, dtype=np.float64) if np.dtype(dtype).kind == "c" else x


def regular(d: Draw, n: int = 3, **more: Any) -> Any:
    a = matrix(d, n, n, **more)
    return a + 4 * np.eye(n, dtype=a.dtype)


def distinct(d: Draw, n: int = 3, **more: Any) -> Any:
    """With real eigenvalues far apart."""
    a = matrix(d, n, n, **more)
    return 0.2 * a + np.diag(np.arange(1.0, n + 1)).astype(a.dtype)


def hermitian(d: Draw, n: int = 3, **more: Any) -> Any:
    a = distinct(d, n, **more)
    return a + np.conj(np.swapaxes(a, -1, -2))


def positive(d: Draw, n: int = 3, **more: Any) -> Any:
    a = regular(d, n, **more)
    return a @ np.conj(np.swapaxes(a, -1, -2))


def right(d: Draw, a: Any, n: int = 3) -> Any:
    return d.numbers(d.one((n,), (n, 2), (*a.shape[:-2], n, 2)), dtype=None if a.dtype.kind == "c" else a.dtype.type)


ONE = {"lead": ()}

register("linalg.inv linalg.det linalg.slogdet linalg.pinv linalg.svdvals linalg.cond", lambda d: ((regular(d),), {}))
register("linalg.cond", lambda d: ((regular(d),), d.some(p=(None, 1, 2, -2, "fro", np.inf, -np.inf, -1))))
register("linalg.cholesky", lambda d: ((positive(d),), d.some(upper=(True, False))))
register("linalg.eigh linalg.eigvalsh", lambda d: ((hermitian(d),), d.some(UPLO=("L", "U"))))
register("linalg.eig linalg.eigvals", lambda d: ((distinct(d),), {}))
register("linalg.solve", lambda d: (lambda a: ((a, right(d, a)), {}))(regular(d)))
register("linalg.tensorinv", lambda d: ((matrix(d, 2, 3, 6, lead=()) + 2 * np.eye(6).reshape(2, 3, 6),), {"ind": 2}))
register(
    "linalg.tensorsolve",
    lambda d: ((2 * np.eye(6).reshape(2, 3, 6) + matrix(d, 2, 3, 6, lead=()), d.numbers((2, 3))), {}),
)
register("linalg.svd", lambda d: ((matrix(d, *d.one((3, 2), (2, 3), (3, 3))),), {"full_matrices": False}))
register(
    "linalg.lstsq", lambda d: ((matrix(d, *d.one((4, 2), (2, 4), (3, 3)), lead=()), d.numbers((d.one(4, 2, 3),))), {})
)
register("linalg.qr", lambda d: ((matrix(d, *d.one((3, 2), (3, 3), (2, 3))),), d.some(mode=("reduced", "r"))))
register("linalg.matrix_power", lambda d: ((regular(d), d.whole(-2, 3)), {}))
register(
    "linalg.matrix_norm",
    lambda d: ((matrix(d, 2, 3),), d.some(ord=("fro", "nuc", 1, 2, -2, np.inf, -1), keepdims=(True,))),
)
register(
    "linalg.norm",
    lambda d: (
        (matrix(d, 2, 3, lead=()),),
        d.some(ord=("fro", "nuc", 1, 2, -2, np.inf, -1, 3, 0), axis=(0, 1, (0, 1), (1, 0))),
    ),
)
register("linalg.vecdot linalg.outer linalg.cross linalg.trace linalg.diagonal", lambda d: ((d.array(1),), {}))
register("linalg.vecdot", lambda d: ((matrix(d, 3), matrix(d, 3)), {}))
register("linalg.outer", lambda d: ((matrix(d, 3, lead=()), matrix(d, 2, lead=())), {}))
register("linalg.cross", lambda d: ((d.numbers((2, 3)), d.numbers(d.one((3,), (2, 3)))), {}))
register("linalg.trace linalg.diagonal", lambda d: ((matrix(d, 2, 3),), d.some(offset=(-1, 0, 1, 5))))

register(
    "scipy.linalg.solve",
    lambda d: (
        lambda a: (
            (a, right(d, a)),
            d.some(
                transposed=(True, False) if a.dtype.kind == "f" else (False,), assume_a=("gen", "general", "banded")
            ),
        )
    )(regular(d, **ONE)),
)
register("scipy.linalg.inv scipy.linalg.det scipy.linalg.pinv", lambda d: ((regular(d, **ONE),), {}))
register("scipy.linalg.svdvals", lambda d: ((matrix(d, *d.one((3, 2), (2, 3)), **ONE),), {}))
register("scipy.linalg.svd", lambda d: ((matrix(d, *d.one((3, 2), (2, 3)), **ONE),), {"full_matrices": False}))
register(
    "scipy.linalg.cholesky scipy.linalg.cho_factor", lambda d: ((positive(d, **ONE),), d.some(lower=(True, False)))
)
register(
    "scipy.linalg.cho_solve",
    lambda d: (lambda a, low: (((a, low), right(d, a)), {}))(regular(d, **ONE), d.one(True, False)),
)
register(
    "scipy.linalg.lu", lambda d: ((matrix(d, *d.one((3, 3), (3, 2), (2, 3)), **ONE),), d.some(permute_l=(True, False)))
)
register("scipy.linalg.lu_factor", lambda d: ((regular(d, **ONE),), {}))
register(
    "scipy.linalg.lu_solve",
    lambda d: (lambda a: (((a, np.array([1, 1, 2], np.int32)), right(d, a)), d.some(trans=(0, 1, 2))))(
        regular(d, **ONE)
    ),
)
register(
    "scipy.linalg.qr",
    lambda d: (
        (matrix(d, *d.one((3, 3), (3, 2)), **ONE),),
        {"mode": d.one("economic", "r"), **d.some(pivoting=(True, False))},
    ),
)
register(
    "scipy.linalg.polar",
    lambda d: ((matrix(d, *d.one((3, 3), (3, 2), (2, 3)), **ONE),), d.some(side=("left", "right"))),
)
register(
    "scipy.linalg.schur",
    lambda d: ((hermitian(d, **ONE) + 0.1 * np.triu(np.ones((3, 3)), 1),), d.some(output=("real", "complex"))),
)
register(
    "scipy.linalg.eigh scipy.linalg.eigvalsh",
    lambda d: (
        lambda a: (
            (a, *d.one((), (positive(d, **ONE, dtype=a.dtype),))),
            d.some(lower=(True, False), subset_by_index=((0, 1), (1, 2))),
        )
    )(hermitian(d, **ONE)),
)
register("scipy.linalg.eig scipy.linalg.eigvals", lambda d: ((distinct(d, **ONE),), {}))
register(
    "scipy.linalg.eigh_tridiagonal scipy.linalg.eigvalsh_tridiagonal",
    lambda d: ((d.numbers((4,), dtype=np.float64) + np.arange(4.0) * 5, d.numbers((3,), 0.2, 1, dtype=np.float64)), {}),
)
register(
    "scipy.linalg.solve_triangular",
    lambda d: (
        lambda a: (
            (a, right(d, a)),
            d.some(trans=(0, 1, 2, "N", "T", "C"), lower=(True, False), unit_diagonal=(True, False)),
        )
    )(regular(d, **ONE)),
)
register(
    "scipy.linalg.solve_banded",
    lambda d: (
        lambda n, l, u: (
            (
                (l, u),
                d.numbers((l + u + 1, n), 0.1, 1) + 4 * (np.arange(l + u + 1) == u)[:, None],
                d.numbers(d.one((n,), (n, 2))),
            ),
            {},
        )
    )(4, d.whole(0, 2), d.whole(0, 2)),
)
register(
    "scipy.linalg.solveh_banded",
    lambda d: (
        lambda low: (
            (d.numbers((2, 4), 0.1, 1) + 4 * (np.arange(2) == (0 if low else 1))[:, None], d.numbers((4,))),
            {"lower": low},
        )
    )(d.one(True, False)),
)
register(
    "scipy.linalg.solve_toeplitz",
    lambda d: (((d.numbers((3,)) + 5 * np.eye(3)[0], d.numbers((3,))), d.numbers(d.one((3,), (3, 2)))), {}),
)
register(
    "scipy.linalg.solve_sylvester",
    lambda d: (
        lambda k: ((regular(d, 3, dtype=k, **ONE), regular(d, 2, dtype=k, **ONE), matrix(d, 3, 2, dtype=k, **ONE)), {})
    )(kind_of(d)),
)
register(
    "scipy.linalg.solve_continuous_lyapunov scipy.linalg.solve_discrete_lyapunov",
    lambda d: ((0.3 * regular(d, dtype=float, **ONE), d.numbers((3, 3), dtype=np.float64)), {}),
)
register("scipy.linalg.expm", lambda d: ((matrix(d, 3, 3),), {}))
register(
    "scipy.linalg.expm_frechet",
    lambda d: ((matrix(d, 3, 3, dtype=float, **ONE), matrix(d, 3, 3, dtype=float, **ONE)), {}),
)
register("scipy.linalg.sqrtm", lambda d: ((regular(d, **ONE),), {}))
# Of a real matrix in single precision SciPy returns a complex logarithm.
register("scipy.linalg.logm", lambda d: ((regular(d, **ONE, dtype=d.one(float, complex)),), {}))
register(
    "scipy.linalg.cosm scipy.linalg.sinm scipy.linalg.tanm scipy.linalg.coshm scipy.linalg.sinhm scipy.linalg.tanhm",
    lambda d: ((0.3 * matrix(d, 3, 3, **ONE),), {}),
)
register("scipy.linalg.fractional_matrix_power", lambda d: ((regular(d, **ONE), d.one(0.5, 1.3, 2, -0.4)), {}))
register(
    "scipy.linalg.toeplitz scipy.linalg.hankel", lambda d: (tuple(d.numbers((n,)) for n in d.one((3,), (3, 2))), {})
)
register("scipy.linalg.circulant scipy.linalg.companion", lambda d: ((d.numbers((d.whole(2, 4),), 0.2, 1),), {}))
register(
    "scipy.linalg.convolution_matrix",
    lambda d: ((d.numbers((d.whole(1, 3),)), d.whole(3, 4)), d.some(mode=("full", "same", "valid"))),
)
register("scipy.linalg.leslie", lambda d: ((d.numbers((3,)), d.numbers((2,))), {}))
register("scipy.linalg.block_diag", lambda d: (tuple(d.numbers(d.one((2, 2), (1, 3), (2,), ())) for _ in "abc"), {}))
register("scipy.linalg.khatri_rao", lambda d: ((d.numbers((2, 3)), d.numbers((4, 3))), {}))
register(
    "scipy.linalg.norm",
    lambda d: ((matrix(d, 2, 3, **ONE),), d.some(ord=("fro", "nuc", 1, 2, -2, np.inf, -1), keepdims=(True, False))),
)
register(
    "scipy.linalg.lstsq",
    lambda d: (lambda m, n: ((d.numbers((m, n)), d.numbers(d.one((m,), (m, 2)))), {}))(*d.one((4, 2), (2, 4), (3, 3))),
)
register("scipy.linalg.pinvh", lambda d: ((hermitian(d, **ONE),), d.some(lower=(True, False))))
register("scipy.linalg.orthogonal_procrustes", lambda d: ((d.numbers((4, 3)), d.numbers((4, 3))), {}))


def of_vectors(w: Any, v: Any) -> tuple[Any, ...]:
    """Eigenvalues, and of each vector what no phase changes."""
    return w, dnp.abs(v)


def in_any_order(w: Any, v: Any = None) -> tuple[Any, ...]:
    """Of eigenvalues whose order is the library's choice, and of their vectors: sums over all."""
    sums = tuple(dnp.sum(w**k, axis=-1) for k in (1, 2, 3))
    return sums if v is None else (*sums, dnp.sum(dnp.abs(v) * w[..., None, :], axis=-1))


def of_svd(u: Any, s: Any, vh: Any) -> tuple[Any, ...]:
    return s, dnp.matmul(u, vh), dnp.abs(u)


def absolute(*parts: Any) -> tuple[Any, ...]:
    return tuple(dnp.abs(p) for p in parts)


VECTORS = Rules(after=of_vectors, symmetric=(0,))
RULES = {
    **dict.fromkeys(
        ("linalg.cholesky", "linalg.eigvalsh", "scipy.linalg.cholesky", "scipy.linalg.pinvh"), Rules(symmetric=(0,))
    ),
    "scipy.linalg.eigvalsh": Rules(symmetric=(0, 1)),
    "linalg.eigh": VECTORS,
    "scipy.linalg.eigh": Rules(after=lambda w, v: of_vectors(w, v), symmetric=(0, 1)),
    "linalg.eig": Rules(after=of_vectors),
    "scipy.linalg.eig": Rules(after=in_any_order),
    "scipy.linalg.eigvals": Rules(after=in_any_order),
    "scipy.linalg.norm": Rules(weak=True),  # of LAPACK's, which are Python floats, SciPy makes double
    "linalg.svd": Rules(after=of_svd),
    "scipy.linalg.svd": Rules(after=of_svd),
    "linalg.qr": Rules(after=lambda *p: absolute(*p)),
    "scipy.linalg.qr": Rules(after=lambda *p: absolute(*p)),
    "scipy.linalg.cho_factor": Rules(after=lambda c, low: dnp.tril(c) if low else dnp.triu(c), symmetric=(0,)),
    "scipy.linalg.eigh_tridiagonal": Rules(after=of_vectors),
    "scipy.linalg.schur": Rules(after=absolute),
}


def drawn(call: Any) -> None:
    check(call, RULES.get(call[0]), DISPATCH_OF(call[0]))


@settings(max_examples=150, derandomize=True, **COMMON)
@given(calls(TABLE))
def test_drawn_arguments(call: Any) -> None:
    drawn(call)


@pytest.mark.nightly
@settings(max_examples=20_000, **COMMON)
@given(calls(TABLE))
def test_drawn_arguments_nightly(call: Any) -> None:
    drawn(call)


def test_the_table_names_functions() -> None:
    for name in TABLE:
        assert all(map(callable, find(name)))
