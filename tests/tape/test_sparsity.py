"""Patterns: every primitive's rule against its Jacobian, and whole programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad.modes.record import RecordLevel
from dualad.tape.sparsity import jacobian_pattern
from dualad.tape.tape import Program
from tests.test_every_primitive import DIFFERENTIABLE, of_moving, xs_of

CHOSEN = [c for c in DIFFERENTIABLE if not c.values[1].degenerate]


def pattern(f: Any, *xs: Any) -> Any:
    with RecordLevel() as level:
        y = f(*[level.watch(x) for x in xs])
        return jacobian_pattern(Program(level, list(y) if isinstance(y, tuple) else [y]))


def dense(f: Any, *xs: Any) -> Any:
    """The Jacobian of everything in everything, nonzeros of each complex part counted."""

    def flat(*v: Any) -> Any:
        y = f(*v)
        ys = [p for p in (y if isinstance(y, tuple) else (y,)) if p.dtype.kind in "fc"]
        return dualad.numpy.concatenate([dualad.numpy.ravel(p) for p in ys])

    columns = []
    for i, x in enumerate(xs):
        units = [1.0, 1j] if x.dtype.kind == "c" else [1.0]
        for k in range(x.size):
            total: Any = 0
            for unit in units:
                ts = [np.zeros_like(v) for v in xs]
                ts[i] = np.zeros(x.size, x.dtype)
                ts[i][k] = unit
                ts[i] = ts[i].reshape(x.shape)
                total = total + np.abs(dualad.jvp(flat, xs, tuple(t[()] for t in ts))[1])
            columns.append(total)
    return np.stack(columns, 1) if columns else np.zeros((0, 0))


@pytest.mark.parametrize(("prim", "sample"), CHOSEN)
def test_no_dependence_is_missed(prim: Any, sample: Any) -> None:
    f, xs = of_moving(prim, sample), xs_of(prim, sample)
    if not sum(x.size for x in xs) or sum(x.size for x in xs) > 40:
        pytest.skip("empty, or too large to take the Jacobian by columns")
    y = f(*xs)
    if isinstance(y, tuple) and any(p.dtype.kind not in "fc" for p in y):
        pytest.skip("an output is not differentiable and has no rows in the Jacobian")
    found = pattern(f, *xs).toarray()
    needed = np.abs(dense(f, *xs)) > 1e-12  # rounding is no dependence
    assert found.shape == needed.shape
    assert not (needed & ~found).any(), "a dependence is missing from the pattern"
    if prim.kind in ("elementwise", "movement") or prim.name in ("sum", "stack", "concatenate", "scatter", "cumsum"):
        assert found.sum() <= max(1, len(xs)) * found.shape[0] * (1 if prim.kind != "linear" else found.shape[1])


def exact(f: Any, x: Any) -> None:
    np.testing.assert_array_equal(pattern(f, x).toarray(), dense(f, x) != 0)


X = np.linspace(0.3, 1.7, 12)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.concatenate([x[1:] * x[:-1], np.sin(x[:2])]),
        lambda x: np.roll(x, 2) * x[::-1],
        lambda x: x.reshape(3, 4).sum(0),
        lambda x: np.cumsum(x.reshape(3, 4), 1),
        lambda x: x.reshape(3, 4) @ np.array([[1.0, 0], [0, 2], [0, 0], [1, 0]]),
        lambda x: np.array([[1.0, 0, 2], [0, 0, 0]]) @ x[:3],
        lambda x: x.reshape(3, 4)[:, 1:] @ x[:3],
        lambda x: np.einsum("ij,ik->jk", x.reshape(3, 4), x.reshape(3, 4)),
        lambda x: np.where(x > 1, x, 2.0),
        lambda x: np.linalg.inv(x.reshape(3, 2, 2)),
        lambda x: np.sort(x[::-1]),
        lambda x: np.pad(x, 2)[1:9],
        lambda x: np.floor(x + 5) * x,
        lambda x: x[np.array([0, 0, 3])],
        lambda x: np.convolve(x[:4], x[4:7]),
    ],
)
def test_patterns_are_exact(f: Any) -> None:
    exact(f, X)


def test_what_does_not_depend_has_an_empty_row() -> None:
    assert pattern(lambda x: np.stack([x[0], np.floor(x[1])]), X[:2]).toarray().tolist() == [
        [True, False],
        [False, False],
    ]
    assert pattern(lambda x: np.ones(3), X).nnz == 0


def test_local_at_the_point() -> None:
    """Python's own branches are taken at this point."""
    f = lambda x: x[1:] * 2 if x[0] > 0 else x[:-1]
    assert pattern(f, X).toarray()[:, 0].sum() == 0
    assert pattern(f, -X).toarray()[:, 0].sum() == 1
