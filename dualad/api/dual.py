"""Dual: forward mode in the user's own hands."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from dualad.api.transform import inexact
from dualad.core.errors import ShapeError
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.batch import BatchLevel
from dualad.modes.forward import ForwardLevel

_levels: list[ForwardLevel] = []  # one per depth of nesting, never closed: duals have no scope
_lock = threading.Lock()


class _DualMeta(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return type(x) is Tensor and isinstance(x.level, ForwardLevel)


class Dual(metaclass=_DualMeta):
    """A dual number: ``primal + tangent * eps``, with arrays for both.

    ``tangent`` has the primal's shape, or ``(k, *shape)`` for k directions at once. Compute with it as with an array;
    ``.primal`` and ``.tangent`` read the result. Duals of duals nest: the inner and the outer infinitesimal are kept
    apart. Raises ``ShapeError`` for another tangent shape, ``DtypeError`` for integer primals that are arrays.

    Source: Griewank & Walther 2008, ch. 3.1.

    >>> import numpy as np
    >>> from dualad import Dual
    >>> y = Dual(3.0, 1.0) ** 2
    >>> float(y.primal), float(y.tangent)
    (9.0, 6.0)
    >>> (np.sin(Dual(np.zeros(2), np.eye(2)))).tangent
    array([[1., 0.],
           [0., 1.]])
    """

    def __new__(cls, primal: Any, tangent: Any) -> Any:
        x = inexact(primal, lambda: "the primal of a Dual")
        t: Any = tangent if type(tangent) is Tensor else np.asarray(tangent)[()]
        if type(t) is not Tensor:
            t = t.astype(x.dtype)
        level = _level_above(x, t)
        if t.shape == x.shape:
            return new_tensor(x, level, t)
        if t.shape[1:] == x.shape and t.ndim == x.ndim + 1:
            k = t.shape[0]
            with _lock:
                over = level.directions.setdefault(k, BatchLevel(k))
            return new_tensor(x, level, new_tensor(t, over, None))
        raise ShapeError(
            f"Dual: the tangent has shape {t.shape}, the primal {x.shape}. Give a tangent of shape {x.shape}, or "
            f"(k, *{x.shape}) for k directions."
        )


def _level_above(*values: Any) -> ForwardLevel:
    """The lowest of the dual levels that is above all levels within ``values``."""
    top = 0
    stack = list(values)
    while stack:
        v = stack.pop()
        if type(v) is Tensor:
            top = max(top, v.level.id)
            stack.append(v.value)
    with _lock:
        for level in _levels:
            if level.id > top:
                return level
        _levels.append(ForwardLevel())
        return _levels[-1]
