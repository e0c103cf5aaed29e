"""Forward Laplacian: value, gradients and Laplacian in one sweep.

For ``y = f(x)``, with ``J`` the derivatives of x in the n inputs, one after the other, and ``L`` its Laplacian,

    J_y = f'(x) J,    L_y = f'(x) L + sum_k f''(x) (J_k, J_k).

Linear operations have no second term; that of elementwise ones is a second partial times a sum of squares, or of products.

Source: Li et al. 2023, arXiv:2307.08214.
"""

from __future__ import annotations

from typing import Any

from dualad.core.errors import Undirected
from dualad.core.level import Level
from dualad.core.primitive import Primitive
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.batch import BatchLevel
from dualad.modes.curvature import second_partials
from dualad.modes.taylor import integrate
from dualad.ops.kinds import bring_forward, zeros_like


class LaplacianLevel(Level):
    """``aux`` is a pair: the derivatives in all inputs, a tensor of the batch level ``directions``, and the Laplacian."""

    name = "forward Laplacian"
    differentiates = True

    def __init__(self, directions: BatchLevel) -> None:
        super().__init__()
        self.directions = directions

    def lift(self, x: Any) -> Tensor:
        return new_tensor(x, self, (None, None))

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        mine = [type(a) is Tensor and a.level is self for a in args]
        values = [a.value if m else a for a, m in zip(args, mine, strict=True)]
        y = prim(*values, **params)
        if prim.constant:
            return y
        first, laplacians = ([a.aux[k] if m else None for a, m in zip(args, mine, strict=True)] for k in (0, 1))
        if all(t is None for t in first):
            return tuple(map(self.lift, y)) if prim.multiple else self.lift(y)
        if prim.along is not None and prim.along(first, values, y, params)[1] is not y:
            raise Undirected(f"{prim.name}: no single direction.")
        j = prim.jvp(first, y, values, params)
        second = self._second(prim, first, y, values, params)
        if any(t is not None for t in laplacians):
            second = _plus(second, prim.jvp(laplacians, y, values, params), prim.multiple)
        if not prim.multiple:
            return new_tensor(y, self, (j, second))
        return tuple(
            new_tensor(v, self, (t, None if second is None else second[k])) if v.dtype.kind in "fc" else v
            for k, (v, t) in enumerate(zip(y, j, strict=True))
        )

    def _second(self, prim: Any, first: list[Any], y: Any, values: list[Any], params: dict[str, Any]) -> Any:
        """The sum over directions of the second derivative along each, twice."""
        if prim.kind in ("linear", "movement"):
            return None
        moving = [i for i, t in enumerate(first) if t is not None]
        if prim.elementwise and not prim.to_real:
            total = None
            for (i, j), d in second_partials(prim, y, values, moving).items():
                squares = self._sum(first[i] * first[j])
                term = prim.times(squares, d)
                term = term if i == j else term + term
                total = term if total is None else total + term
            return bring_forward(total, y.shape, y.dtype)
        if prim.kind == "bilinear":
            if len(moving) < 2:
                return None
            both = self._sum(prim(*first, **params))
            return both + both
        series = [v if t is None else [v, t, zeros_like(v)] for v, t in zip(values, first, strict=True)]
        out = prim.taylor(series, 2, params)
        if out is None:
            out = integrate(prim, series, 2, params)
        twice = [self._sum(c[2] + c[2]) for c in (out if prim.multiple else [out])]
        return tuple(twice) if prim.multiple else twice[0]

    def _sum(self, x: Any) -> Any:
        """Over all directions."""
        if type(x) is not Tensor or x.level is not self.directions:
            x = self.directions.lift(x)
        return x.value.sum(0)


def _plus(a: Any, b: Any, multiple: bool) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if multiple:
        return tuple(_plus(u, v, False) for u, v in zip(a, b, strict=True))
    return a + b
