"""jet: Taylor mode; and what it makes cheap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from dualad.api.transform import Chosen, Transform, fresh, inputs, match, outputs, rebuild
from dualad.core.errors import ArgumentError
from dualad.core.tensor import Tensor, new_tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.taylor import TaylorLevel
from dualad.ops.kinds import zeros_like


def jet(f: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]]) -> tuple[Any, list[Any]]:
    """Push a curve through ``f``: derivatives of ``f(x(t))`` at t = 0 from those of ``x``.

    ``series[i]`` lists the derivatives x'(0), x''(0), ... of argument i (shorter lists are filled with zeros). Returns
    ``(out, [y', y'', ...])``, derivatives, not Taylor coefficients: the k-th is k! times the k-th coefficient (JAX's
    convention).

    Raises ``ArgumentError`` if the numbers of primals and series differ, ``ShapeError`` and ``DtypeError`` for terms that
    do not match their primal.

    Source: Griewank & Walther 2008, ch. 13.

    >>> import numpy as np
    >>> from dualad import jet
    >>> out, (d1, d2) = jet(np.sin, (0.5,), ((1.0, 0.0),))
    >>> bool(np.isclose(d1, np.cos(0.5))), bool(np.isclose(d2, -np.sin(0.5)))
    (True, True)
    """
    if len(primals) != len(series):
        raise ArgumentError(f"jet: {len(primals)} primals, but {len(series)} series.")
    order = max((len(s) for s in series), default=0)
    if order == 0:
        raise ArgumentError("jet needs at least one derivative per series, for example ((1.0,),).")
    chosen = Chosen(f, tuple(range(len(primals))), tuple(primals), {})
    leaves, shapes = inputs(chosen.values(), chosen.name)
    coefficients: list[list[Any]] = [[] for _ in leaves]
    start = 0
    for i, (terms, (structure, n)) in enumerate(zip(series, shapes, strict=True)):
        own = leaves[start : start + n]
        for k, term in enumerate(terms):
            matched = match(term, own, structure, f"term {k} of series {i}", f"primal {i}")
            for j, t in enumerate(matched):
                coefficients[start + j].append(t / _factorial(k + 1, own[j].dtype))
        for j, x in enumerate(own):
            coefficients[start + j] += [zeros_like(x)] * (order - len(terms))
        start += n
    with TaylorLevel(order) as level:
        tensors = [new_tensor(x, level, c) for x, c in zip(leaves, coefficients, strict=True)]
        ys, structure = outputs(chosen.call(rebuild(tensors, shapes)), "jet")
        mine = [type(y) is Tensor and y.level is level for y in ys]
        values = [y.value if m else y for y, m in zip(ys, mine, strict=True)]
        terms = [y.aux if m else [zeros_like(y)] * order for y, m in zip(ys, mine, strict=True)]
    out = unflatten(structure, fresh(values, leaves))
    derivatives = [
        unflatten(structure, fresh([c[k] * _factorial(k + 1, v.dtype) for c, v in zip(terms, values, strict=True)]))
        for k in range(order)
    ]
    return out, derivatives


def _factorial(k: int, dtype: Any) -> Any:
    return dtype.type(math.factorial(k))


def derivative(f: Callable[..., Any], n: int = 1) -> Callable[..., Any]:
    """The ``n``-th derivative of ``f`` in its first argument, elementwise, by one Taylor pass.

    ``f`` maps a number to any pytree, or an array to an array whose element i depends on element i alone.

    Raises ``ArgumentError`` if ``n`` is no non-negative integer.

    >>> from dualad import derivative
    >>> float(derivative(lambda x: x**5, 3)(2.0))
    240.0
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise ArgumentError(f"derivative: n must be a non-negative integer, got {n!r}.")
    return Transform(_run_derivative, f, "derivative", n=n)


def _run_derivative(f: Any, args: Any, kwargs: Any, n: int) -> Any:
    if n == 0:
        return f(*args, **kwargs)
    if not args:
        raise ArgumentError("derivative: the call needs a positional argument.")
    leaves, shapes = inputs(args[:1], lambda i: f"argument {i}")
    (x,) = rebuild(leaves, shapes)
    own, structure = flatten(x)
    one = unflatten(structure, [zeros_like(v) + v.dtype.type(1) for v in own])
    zero = unflatten(structure, [zeros_like(v) for v in own])
    return jet(lambda v: f(v, *args[1:], **kwargs), (x,), ((one, *[zero] * (n - 1)),))[1][n - 1]
