"""Loops and branches as functions, with JAX's signatures: fori_loop, while_loop, scan, map, cond, switch.

Values are concrete, so Python's own ``for``, ``while`` and ``if`` work everywhere, in every mode; these functions are for
programs written with ``jax.lax``, and for what Python cannot do: a condition that differs within a ``vmap`` batch.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.api.branched import branched, is_input
from dualad.api.looped import looped
from dualad.api.repeated import recording, repeated
from dualad.core.errors import ArgumentError, BatchError, ShapeError, StructureError
from dualad.core.tensor import Tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.batch import BatchLevel
from dualad.numpy.reductions import any as any_of
from dualad.ops.arithmetic import maximum, minimum, where
from dualad.ops.rounding import logical_and
from dualad.ops.shape import stack


def _same(a: Any, b: Any, name: str, what: str) -> tuple[list[Any], list[Any], Any]:
    xs, structure = flatten(a)
    ys, other = flatten(b)
    if structure != other:
        raise StructureError(f"{name}: {what} differ in structure: {structure} and {other}.")
    for x, y in zip(xs, ys, strict=True):
        if np.shape(x) != np.shape(y) and getattr(x, "shape", np.shape(x)) != getattr(y, "shape", np.shape(y)):
            raise ShapeError(
                f"{name}: {what} differ in shape: {getattr(x, 'shape', ())} and {getattr(y, 'shape', ())}."
            )
    return xs, ys, structure


def _choose(condition: Any, a: Any, b: Any, name: str) -> Any:
    """``a`` where the (batched, scalar) condition holds, else ``b``, leaf by leaf."""
    xs, ys, structure = _same(a, b, name, "the results of the branches")
    return unflatten(structure, [where(condition, x, y) for x, y in zip(xs, ys, strict=True)])


def _holds(condition: Any, name: str) -> bool | None:
    """Python's truth of a scalar condition; None where it differs within a batch."""
    shape = getattr(condition, "shape", ())
    if shape != ():
        raise ShapeError(f"{name}: the condition must be a scalar, it has shape {shape}. Use .any() or .all().")
    try:
        return bool(condition)
    except BatchError:
        return None


def _somewhere(condition: Any) -> bool:
    """Whether a condition holds for any element of the batches it is in."""
    while type(condition) is Tensor and isinstance(condition.level, BatchLevel):
        condition = any_of(condition.value)
    return bool(condition)


def _taking(pred: Any, operands: Any, branch: bool) -> Any:
    """``operands`` of which those elements of the batch that do not take the branch are replaced by one that does.

    A branch is then never computed where it is not meant to be, and makes no infinity or NaN there.
    """
    level = pred.level
    try:
        seen = pred.value.level.look(pred.value, "cond") if type(pred.value) is Tensor else pred.value
    except BatchError:  # within another batch that differs: nothing to take the place of
        return operands
    mask = np.asarray(seen) == branch
    if mask.shape != (level.size,):
        return operands
    one = int(np.argmax(mask))
    leaves, structure = flatten(operands)

    def replaced(x: Any) -> Any:
        v = x
        while type(v) is Tensor and v.level is not level:
            v = v.value
        if type(v) is not Tensor:
            return x
        return where(pred, x, v.value[one]) if branch else where(pred, v.value[one], x)

    return unflatten(structure, [replaced(x) for x in leaves])


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """``true_fun(*operands)`` if ``pred`` else ``false_fun(*operands)``.

    ``pred`` is a scalar. Where it differs between the elements of a ``vmap`` batch, both are computed and selected from; each
    branch then sees, in place of an operand that does not take it, one that does.
    Raises ``ShapeError`` for a condition with axes, and then also for branches that differ in structure or shapes.

    >>> import numpy as np
    >>> from dualad import cond, vmap
    >>> vmap(lambda x: cond(x > 0, lambda v: v * 2, lambda v: -v, x))(np.array([1.0, -3.0]))
    array([2., 3.])
    """
    key = (code(true_fun), code(false_fun))
    if is_input(pred) and pred.shape == () and recording(key):
        return branched(pred.astype(np.bool_), (false_fun, true_fun), operands, key)
    holds = _holds(pred, "cond")
    if holds is None:
        yes, no = (branch(*_taking(pred, operands, k)) for branch, k in ((true_fun, True), (false_fun, False)))
        return _choose(pred, yes, no, "cond")
    return true_fun(*operands) if holds else false_fun(*operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """``branches[index](*operands)``, the index clamped to the branches there are.

    >>> import numpy as np
    >>> from dualad import switch
    >>> float(switch(1, [np.sin, np.exp], 0.0))
    1.0
    """
    branches = list(branches)
    place: Any
    if not branches:
        raise ArgumentError("switch needs at least one branch.")
    key = ("switch", *[code(f) for f in branches])
    if is_input(index) and index.shape == () and index.dtype.kind in "iub" and recording(key):
        place = minimum(maximum(index.astype(np.int64), 0), len(branches) - 1)
        return branched(place, branches, operands, key)
    if type(index) is Tensor and isinstance(index.level, BatchLevel):
        out = branches[0](*operands)
        place = index
        for k, branch in enumerate(branches[1:], 1):
            out = cond(place >= k, lambda branch=branch: branch(*operands), lambda out=out: out)
        return out
    return branches[min(max(operator.index(index), 0), len(branches) - 1)](*operands)


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """``body_fun`` applied to the value again and again while ``cond_fun`` of it holds; differentiable in every mode.

    In a ``vmap`` batch each element stops at its own time. Raises ``StructureError`` or ``ShapeError`` if the body changes
    the value's structure or shapes.

    >>> from dualad import grad, while_loop
    >>> float(grad(lambda x: while_loop(lambda v: v < 100.0, lambda v: v * v, x))(3.0))
    17496.0
    """
    key = ("while", code(cond_fun), code(body_fun))
    if recording(key) and (done := looped(cond_fun, body_fun, init_val, key)) is not None:
        return done[0]
    value = init_val
    while True:
        condition = cond_fun(value)
        holds = _holds(condition, "while_loop")
        if holds is False:
            return value
        if holds is None:
            return _masked_loop(cond_fun, body_fun, value, condition)
        after = body_fun(value)
        _same(value, after, "while_loop", "the value and what the body makes of it")
        value = after


def _masked_loop(cond_fun: Any, body_fun: Any, value: Any, running: Any) -> Any:
    while _somewhere(running):
        value = _choose(running, body_fun(value), value, "while_loop")
        running = logical_and(running, cond_fun(value))
    return value


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[int, Any], Any], init_val: Any) -> Any:
    """``body_fun(i, value)`` for i from ``lower`` up to, but not including, ``upper``.

    >>> from dualad import fori_loop, grad
    >>> float(grad(lambda x: fori_loop(0, 3, lambda i, v: v * x, 1.0))(2.0))
    12.0
    """
    key = ("fori", code(body_fun))
    going, turn = lambda s: s[0] < upper, lambda s: (s[0] + 1, body_fun(s[0], s[1]))
    if any(is_input(n) and n.dtype.kind in "iu" for n in (lower, upper)) and recording(key):
        ended = looped(going, turn, (lower, init_val), key)
        if ended is not None:
            return ended[0][1]
    try:
        lower, upper = operator.index(lower), operator.index(upper)
    except BatchError:
        return while_loop(going, turn, (lower, init_val))[1]
    if recording():
        turns = np.arange(lower, upper)
        body = lambda value, i: (body_fun(i, value), None)
        done = repeated(body, code(body_fun), init_val, [turns], lambda cut: cut[0], len(turns), False, counter=True)
        if done is not None:
            return done[0]
    value = init_val
    for i in range(lower, upper):
        value = body_fun(i, value)
    return value


def code(f: Any) -> Any:
    """What stands for a body among those that are no loops: the code that functions made anew have in common."""
    return getattr(f, "__code__", None) or getattr(f, "__qualname__", None) or type(f)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """``carry, y = f(carry, x)`` along axis 0 of ``xs``: the last carry, and the ys stacked.

    ``xs`` is a pytree whose leaves have equal first axes, or None with a ``length``. Raises ``ShapeError`` for lengths that
    differ, ``ArgumentError`` without any length, ``StructureError`` for an ``f`` that returns no pair.

    >>> import numpy as np
    >>> from dualad import scan
    >>> last, partial = scan(lambda c, x: (c + x, c + x), 0.0, np.arange(4.0))
    >>> float(last), partial
    (6.0, array([0., 1., 3., 6.]))
    """
    leaves, structure = flatten(xs) if xs is not None else ([], None)
    lengths = {x.shape[0] for x in leaves if getattr(x, "shape", ())}
    if any(not getattr(x, "shape", ()) for x in leaves):
        raise ShapeError("scan: every leaf of xs needs an axis to scan along; one is a scalar.")
    if length is not None:
        lengths.add(operator.index(length))
    if len(lengths) != 1:
        if not lengths:
            raise ArgumentError("scan: neither xs nor length says how many steps. Pass length=n.")
        raise ShapeError(f"scan: the leaves of xs (and length) differ in length: {sorted(lengths)}.")
    (n,) = lengths
    done = repeated(
        f, code(f), init, leaves, lambda cut: None if xs is None else unflatten(structure, list(cut)), n, reverse
    )
    if done is not None:
        return done
    carry = init
    outs: list[Any] = [None] * n
    for i in reversed(range(n)) if reverse else range(n):
        x = None if xs is None else unflatten(structure, [v[i] for v in leaves])
        result = f(carry, x)
        if not isinstance(result, tuple) or len(result) != 2:
            raise StructureError(f"scan: f must return a pair (carry, y), it returned {type(result).__name__}.")
        carry, outs[i] = result
    if not n or outs[0] is None:
        return carry, None
    columns = list(zip(*[flatten(y)[0] for y in outs], strict=True))
    return carry, unflatten(flatten(outs[0])[1], [_stacked(c) for c in columns])


def _stacked(values: Sequence[Any]) -> Any:
    if any(type(v) is Tensor for v in values):
        return stack(*[v if type(v) is Tensor else np.asarray(v) for v in values], axis=0)
    return np.stack([np.asarray(v) for v in values])


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """``f`` of each slice of ``xs`` along axis 0, one after the other, stacked. (``vmap`` computes all at once.)

    >>> import numpy as np
    >>> import dualad
    >>> dualad.map(lambda x: x.sum(), np.ones((2, 3)))
    array([3., 3.])
    """
    return scan(lambda _, x: (None, f(x)), None, xs)[1]
