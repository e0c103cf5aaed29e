"""Functions of matrices.

For every function f that is analytic at the eigenvalues of A, f([[A, E], [0, A]]) = [[f(A), L(A, E)], [0, f(A)]] where
L(A, E) is the derivative of f at A along E (Mathias 1996, SIAM J. Matrix Anal. Appl. 17, 610-620, theorem 2.1; Higham 2008,
Functions of Matrices, theorem 3.6). This needs no eigenvalues, so equal ones are no exception; and as L is f again, of a
larger matrix, it can be differentiated any number of times. The plain transpose of E -> L(A, E) is G -> L(A.T, G).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.ops.arithmetic import real_part
from dualad.ops.contract import matmul, swap_last
from dualad.ops.kinds import general, leading_dims
from dualad.ops.samples import Sample, Samples
from dualad.ops.shape import concatenate
from dualad.ops.triangular import solve_sylvester, stacked


def block_triangular(a: Any, e: Any) -> Any:
    """[[a, e], [0, a]]."""
    columns, rows = a.ndim - 1, a.ndim - 2
    top = concatenate(a, e, axis=columns)
    bottom = concatenate(np.zeros(a.shape, a.dtype), a, axis=columns)
    return concatenate(top, bottom, axis=rows)


def frechet(f: Callable[[Any], Any], a: Any, e: Any) -> Any:
    """L(a, e), the derivative of a matrix function at a along e."""
    n = a.shape[-1]
    return f(block_triangular(a, e))[..., :n, n:]


def _as(x: Any, a: Any) -> Any:
    """A cotangent of a: real if a is."""
    return real_part(x) if x.dtype.kind == "c" and a.dtype.kind != "c" else x


def _spd(*shapes: tuple[int, ...], shift: float) -> Samples:
    def samples() -> list[Sample]:
        rng = np.random.default_rng(24)
        out = []
        for shape in shapes:
            for z in (0, 1j):
                a = rng.normal(size=shape) + z * rng.normal(size=shape)
                out.append(Sample((a / 2 + shift * np.eye(shape[-1]),)))
        out.append(Sample((2 * np.eye(2),)))  # equal eigenvalues
        out.append(Sample((np.array([[2.0, 1.0], [0.0, 2.0]]),)))  # not diagonalizable
        return out

    return samples


def _of_stack(name: str, **keywords: Any) -> Callable[[Any], Any]:
    def impl(a: Any, **params: Any) -> Any:
        import scipy.linalg

        if not a.shape[-1]:
            return np.zeros(a.shape, a.dtype)
        f = getattr(scipy.linalg, name)

        def one(m: Any) -> Any:
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                y = f(m, *params.values(), **keywords)
            for w in found:
                # SciPy's logm warns from 1000 eps on, which the larger matrices of second derivatives often pass.
                error = re.search(r"approximate err = ([-+.e\d]+)", str(w.message))
                if not error or float(error[1]) > 1e5 * np.finfo(m.dtype).eps:
                    warnings.warn(w.message, stacklevel=2)
            kind = np.result_type(m.dtype, np.complex64) if y.dtype.kind == "c" else m.dtype
            return y.astype(kind, copy=False)

        # SciPy's logm estimates norms with NumPy's global random numbers, which are the user's.
        state = np.random.get_state()  # noqa: NPY002
        try:
            return stacked(one, a)
        finally:
            np.random.set_state(state)  # noqa: NPY002

    return impl


def _matrix_function(name: str, samples: Samples, source: str) -> Any:
    """By the block-triangular matrix."""

    def jvp(ts: Any, y: Any, a: Any, **params: Any) -> Any:
        return frechet(lambda m: prim(m, **params), a, ts[0])

    def vjp(g: Any, need: Any, y: Any, a: Any, **params: Any) -> Any:
        return (_as(frechet(lambda m: prim(m, **params), swap_last(a), g), a),)

    prim = general(name, _of_stack(name), jvp, vjp, keep="x", batch=leading_dims, samples=samples, source=source)
    return prim


expm = _matrix_function("expm", _spd((3, 3), (2, 2, 2), shift=0.0), "Al-Mohy & Higham 2009; Higham 2008, theorem 3.6")
logm = _matrix_function("logm", _spd((3, 3), (2, 2, 2), shift=2.5), "Higham 2008, ch. 11 and theorem 3.6")
fractional_matrix_power = _matrix_function(
    "fractional_matrix_power",
    lambda: [Sample(s.args, {"t": 0.4}) for s in _spd((3, 3), shift=2.5)()],
    "Higham & Lin 2011; Higham 2008, theorem 3.6",
)

sqrtm = general(
    "sqrtm",
    _of_stack("sqrtm"),
    lambda ts, y, a: solve_sylvester(y, y, ts[0]),
    lambda g, need, y, a: (_as(solve_sylvester(swap_last(y), swap_last(y), g), a),),
    keep="y",
    batch=leading_dims,
    samples=_spd((3, 3), (2, 2, 2), shift=2.5),
    source="Higham 2008, ch. 6: X dX + dX X = dA",
)


def _signm_jvp(ts: Any, y: Any, a: Any) -> Any:
    n = matmul(a, y)
    return solve_sylvester(n, n, ts[0] - matmul(matmul(y, ts[0]), y))


def _signm_vjp(g: Any, need: Any, y: Any, a: Any) -> Any:
    n, s = swap_last(matmul(a, y)), swap_last(y)
    q = solve_sylvester(n, n, g)
    return (_as(q - matmul(matmul(s, q), s), a),)


def _signm_samples() -> list[Sample]:
    rng = np.random.default_rng(25)
    v = rng.normal(size=(3, 3))
    a = v @ np.diag([1.0, -2.0, 3.0]) @ np.linalg.inv(v)
    return [Sample((a,)), Sample((a + 0.2j * v,))]


signm = general(
    "signm",
    _of_stack("signm"),
    _signm_jvp,
    _signm_vjp,
    keep="xy",
    batch=leading_dims,
    samples=_signm_samples,
    source="Higham 2008, theorem 5.3: N L + L N = E - S E S with N = A S",
)
