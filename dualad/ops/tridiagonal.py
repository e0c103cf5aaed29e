"""Tridiagonal systems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops import reduce
from dualad.ops.kinds import Params, general, one_by_one
from dualad.ops.samples import Sample
from dualad.ops.shape import concatenate, reshape, transpose


def _solve(lower: Any, middle: Any, upper: Any, b: Any) -> Any:
    from scipy.linalg import solve_banded

    n = len(middle)
    bands = np.zeros((3, n), np.result_type(lower, middle, upper))
    bands[0, 1:], bands[1], bands[2, :-1] = upper, middle, lower
    return solve_banded((1, 1), bands, b, check_finite=False)


def _rows(v: Any) -> Any:
    return reshape(v, shape=(*v.shape, 1))


def _product(lower: Any, middle: Any, upper: Any, x: Any) -> Any:
    """The matrix times x; None stands for a zero diagonal."""
    total = None if middle is None else _rows(middle) * x
    edge = np.zeros((1, x.shape[1]), x.dtype)
    for part in (
        None if lower is None else concatenate(edge, _rows(lower) * x[:-1], axis=0),
        None if upper is None else concatenate(_rows(upper) * x[1:], edge, axis=0),
    ):
        if part is not None:
            total = part if total is None else total + part
    return total


def _jvp(ts: Sequence[Any], y: Any, lower: Any, middle: Any, upper: Any, b: Any) -> Any:
    moved = _product(ts[0], ts[1], ts[2], y)
    t = ts[3] if moved is None else -moved if ts[3] is None else ts[3] - moved
    return tridiagonal_solve(lower, middle, upper, t)


def _vjp(g: Any, need: Sequence[bool], y: Any, lower: Any, middle: Any, upper: Any, b: Any) -> Any:
    gb = tridiagonal_solve(upper, middle, lower, g)
    return (
        -reduce.sum(gb[1:] * y[:-1], axis=(1,)) if need[0] else None,
        -reduce.sum(gb * y, axis=(1,)) if need[1] else None,
        -reduce.sum(gb[:-1] * y[1:], axis=(1,)) if need[2] else None,
        gb,
    )


def _batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    *bands, b = args
    if any(batched[:3]):
        return one_by_one(prim, args, batched, size, params)
    n, k = b.shape[1:]
    columns = reshape(transpose(b, axes=(1, 0, 2)), shape=(n, size * k))
    return transpose(reshape(prim(*bands, columns), shape=(n, size, k)), axes=(1, 0, 2))


def _samples() -> list[Sample]:
    rng = np.random.default_rng(14)

    def one(n: int, k: int) -> Sample:
        return Sample((rng.normal(size=n - 1), 4 + rng.normal(size=n), rng.normal(size=n - 1), rng.normal(size=(n, k))))

    return [one(4, 2), one(2, 1), one(1, 1)]


tridiagonal_solve = general(
    "tridiagonal_solve", _solve, _jvp, _vjp, keep="xy", batch=_batch, samples=_samples, source="Giles 2008, sec. 2.3.1"
)
tridiagonal_solve.__doc__ = "x of A x = b, for the diagonals of A below, on and above the main one, and columns b."
