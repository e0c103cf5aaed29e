"""Local Jacobians: of one operation in one of its arguments, as a pattern and what computes its entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.errors import GuardError
from dualad.core.primitive import Primitive
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.batch import BatchLevel
from dualad.plan.elimination.structure import MOST, Algebra, Pattern, limit

# General by what they compute beside the product, elementwise by their shape.
_ELEMENTWISE = {"strong_scale"}


class Local:
    """dy/dx of one operation in its argument ``i`` (of output ``k``, where it has several).

    ``entries(y, args)`` computes the entries of ``pattern`` (None where it has a sign). ``mask``: zero entries are
    places that nothing passes. ``singular``: infinite entries lose against zero. ``elementwise``: ``entries`` takes scalars
    with a batch axis.
    """

    elementwise = False
    mask = False

    def __init__(self, algebra: Algebra, prim: Primitive, i: int, k: int | None, params: dict[str, Any]) -> None:
        self.algebra = algebra
        self.prim = prim
        self.i = i
        self.k = k
        self.params = params
        self.singular = prim.singular
        self.pattern: Pattern

    def entries(self, y: Any, args: Sequence[Any]) -> Any:
        raise NotImplementedError


def local(
    algebra: Algebra, prim: Primitive, i: int, k: int | None, y: Any, args: Sequence[Any], params: Any, fixed: bool
) -> Local:
    """The local Jacobian of a node at the point with these values.

    ``fixed``: the arguments in which the operation is not linear (indices) are constants of the program.
    """
    if prim.elementwise or prim.name in _ELEMENTWISE:
        return _Elementwise(algebra, prim, i, k, params, y, args)
    if prim.name == "where":
        return _Where(algebra, prim, i, k, params, y, args)
    if prim.name == "matmul":
        return _Matmul(algebra, prim, i, k, params, y, args)
    if prim.kind in ("linear", "movement"):
        return _Linear(algebra, prim, i, k, params, y, args, fixed)
    return _Dense(algebra, prim, i, k, params, y, args)


class _Elementwise(Local):
    """Diagonal; with broadcasting, one entry in each row."""

    elementwise = True

    def __init__(self, algebra: Any, prim: Any, i: int, k: Any, params: Any, y: Any, args: Any) -> None:
        super().__init__(algebra, prim, i, k, params)
        partial = prim.partials[i] if prim.elementwise else self._along_ones
        self.partial = partial
        self.shape, self.dtype = y.shape, y.dtype
        self.constant = y.dtype.type(partial) if type(partial) is int else None
        # A product by 1 costs among scalars what any product costs, and is counted, as it is in the literature.
        sign = partial if type(partial) is int and y.size > 1 else None
        self.pattern = _one_per_row(algebra, np.shape(args[i]), y.shape, sign)

    def _along_ones(self, y: Any, *args: Any) -> Any:
        ones = np.ones(np.shape(args[self.i]), np.result_type(args[self.i]))[()]
        return self.prim.jvp([ones if j == self.i else None for j in range(len(args))], y, args, self.params)

    def entries(self, y: Any, args: Sequence[Any]) -> Any:
        if self.pattern.sign is not None:
            return None
        d = self.constant if self.constant is not None else self.partial(y, *args)
        if self.shape == ():
            return d if getattr(d, "dtype", None) == self.dtype else np.asarray(d, self.dtype)[()]
        d = np.broadcast_to(np.asarray(d, self.dtype), self.shape).ravel()
        return d[0] if self.pattern.scalar else d


class _Where(Local):
    """The condition, or its complement: the other branch contributes nothing, whatever its derivative is."""

    elementwise = True
    mask = True

    def __init__(self, algebra: Any, prim: Any, i: int, k: Any, params: Any, y: Any, args: Any) -> None:
        super().__init__(algebra, prim, i, k, params)
        self.shape, self.dtype = y.shape, y.dtype
        self.pattern = _one_per_row(algebra, np.shape(args[i]), y.shape, None)

    def entries(self, y: Any, args: Sequence[Any]) -> Any:
        taken = np.asarray(args[0], bool)
        taken = taken if self.i == 1 else ~taken
        if self.shape == ():
            return taken.astype(self.dtype)[()]
        d = np.broadcast_to(taken, self.shape).ravel().astype(self.dtype)
        return d[0] if self.pattern.scalar else d


def _one_per_row(algebra: Algebra, x: tuple[int, ...], y: tuple[int, ...], sign: int | None) -> Pattern:
    m, n = int(np.prod(y, dtype=int)), int(np.prod(x, dtype=int))
    if m == n:  # broadcasting does not permute
        return algebra.diagonal(m, sign)
    cols = np.broadcast_to(np.arange(n).reshape(x), y).ravel()
    return algebra.sparse((m, n), np.arange(m), cols, sign)


class _Matmul(Local):
    """Each entry is an element of the other factor: a Kronecker product of it with an identity."""

    def __init__(self, algebra: Any, prim: Any, i: int, k: Any, params: Any, y: Any, args: Any) -> None:
        super().__init__(algebra, prim, i, k, params)
        a, b = (np.arange(np.size(v)).reshape(np.shape(v)) for v in args)
        a = a[None] if a.ndim == 1 else a
        b = b[:, None] if b.ndim == 1 else b
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        full = (*stack, a.shape[-2], a.shape[-1], b.shape[-1])
        limit(math.prod(full))
        rows = np.arange(y.size).reshape((*stack, a.shape[-2], 1, b.shape[-1]))
        mine, other = (a[..., None], b[..., None, :, :])[:: 1 if i == 0 else -1]
        rows, cols, source = (np.broadcast_to(v, full).ravel() for v in (rows, mine, other))
        order = np.lexsort((cols, rows))
        self.source = source[order]
        self.dtype = y.dtype
        self.pattern = algebra.sparse((y.size, np.size(args[i])), rows[order], cols[order])

    def entries(self, y: Any, args: Sequence[Any]) -> Any:
        d = np.ravel(args[1 - self.i])[self.source].astype(self.dtype)
        return d[0] if self.pattern.scalar else d


class _Linear(Local):
    """Constant: a selection of elements, the transpose of one (a sum), or what is not zero of the matrix."""

    def __init__(
        self, algebra: Any, prim: Any, i: int, k: Any, params: Any, y: Any, args: Any, fixed: bool = True
    ) -> None:
        super().__init__(algebra, prim, i, k, params)
        self.fixed = fixed
        self.pattern, self.constant = self._find(y, args)

    def _find(self, y: Any, args: Any) -> tuple[Pattern, Any]:
        m, n = y.size, np.size(args[self.i])

        def forward(t: Any) -> Any:
            ts = [t.reshape(np.shape(a)) if j == self.i else None for j, a in enumerate(args)]
            return np.ravel(self.prim.jvp(ts, y, args, self.params))

        def transposed(g: Any) -> Any:
            need = [j == self.i for j in range(len(args))]
            return np.ravel(self.prim.vjp(g.reshape(y.shape), need, y, args, self.params)[self.i])

        found = _selection(forward, n, m)
        if found is not None:
            rows, cols, scale = found
        elif (found := _selection(transposed, m, n)) is not None:
            cols, rows, scale = found
            order = np.lexsort((cols, rows))
            rows, cols, scale = rows[order], cols[order], scale[order]
        elif m * n > MOST:
            return self.algebra.dense(m, n), None
        else:
            matrix = _push(self, y, args).reshape(m, n)
            rows, cols = np.nonzero(matrix)
            scale = matrix[rows, cols]
        sign = 1 if len(scale) and np.all(scale == 1) else None
        pattern = self.algebra.sparse((m, n), rows, cols, sign)
        if sign is not None:
            return pattern, None
        scale = scale.astype(y.dtype)
        return pattern, scale[0] if pattern.scalar and len(scale) else scale

    def entries(self, y: Any, args: Sequence[Any]) -> Any:
        if self.constant is None and self.pattern.sign is None:
            return _push(self, y, args).ravel()
        if self.fixed:
            return self.constant
        pattern, constant = self._find(y, args)
        if pattern is not self.pattern:
            raise GuardError(
                f"elimination: `{self.prim.name}` picks other elements at this point than at the one the graph was "
                "made for. Make the graph again there."
            )
        return constant


def _selection(f: Callable[[Any], Any], n: int, m: int) -> tuple[Any, Any, Any] | None:
    """``f`` (linear, from n numbers to m) as y[row] = scale * x[col], or None if it isn't that."""
    scale = f(np.ones(n))
    (rows,) = np.nonzero(scale)
    scale = scale[rows]
    cols = np.rint(f(np.arange(1.0, n + 1))[rows] / scale).astype(int) - 1
    if len(cols) and (cols.min() < 0 or cols.max() >= n):
        return None
    x = np.random.default_rng(0).uniform(1, 2, n)
    expected = np.zeros(m)
    expected[rows] = scale * x[cols]
    return (rows, cols, scale) if np.allclose(f(x), expected, rtol=1e-6, atol=0) else None


class _Dense(Local):
    """Anything else: by pushing or pulling a basis, whichever is smaller, all at once."""

    def __init__(self, algebra: Any, prim: Any, i: int, k: Any, params: Any, y: Any, args: Any) -> None:
        super().__init__(algebra, prim, i, k, params)
        out = y if k is None else y[k]
        self.pattern = algebra.dense(out.size, np.size(args[i]))

    def entries(self, y: Any, args: Sequence[Any]) -> Any:
        d = _push(self, y, args).ravel()
        return d[0] if self.pattern.scalar else d


def _push(local: Local, y: Any, args: Sequence[Any]) -> Any:
    """The dense local Jacobian, (outputs, inputs)."""
    i, k = local.i, local.k
    out, x = y if k is None else y[k], args[i]
    m, n = out.size, x.size
    forward = n <= m
    of = x if forward else out
    with BatchLevel(of.size) as level:
        basis = new_tensor(np.eye(of.size, dtype=of.dtype).reshape(of.size, *of.shape), level, None)
        if forward:
            moved = local.prim.jvp([basis if j == i else None for j in range(len(args))], y, args, local.params)
        else:
            g = basis if k is None else tuple(basis if j == k else None for j in range(len(y)))
            need = [j == i for j in range(len(args))]
            moved = local.prim.vjp(g, need, y, args, local.params)[i]
        if forward and k is not None and moved is not None:
            moved = moved[k]
        if moved is None:
            return np.zeros((m, n), out.dtype)
        if type(moved) is not Tensor or moved.level is not level:  # does not depend on the direction: zeros
            moved = level.lift(moved)
        rows = moved.value.reshape(of.size, -1)
    return (rows.T if forward else rows).astype(out.dtype)
