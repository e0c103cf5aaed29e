"""``while_loop`` within ``jit``: condition and body recorded once, and a loop that ends when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.api.branched import Recorded, is_input
from dualad.api.repeated import NUMBERS, check_levels, equal, grounded, standing_for
from dualad.api.tabled import in_one
from dualad.core.spec import WIDE
from dualad.core.tensor import Tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.record import COMPILING, NoLoop, RecordLevel
from dualad.native.captured import Captured
from dualad.ops.arithmetic import not_equal
from dualad.tape.body import sample
from dualad.tape.repeat import Trips, loop

FIRST = 64  # iterations for which there is room at first


def looped(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any, key: Any) -> Any:
    """The value at the end, in a tuple; None where no tensor takes part. Raises ``NoLoop``, with ``key``, where the loop
    cannot be one operation."""
    base = COMPILING.levels[0]
    with standing_for(key):
        captured = Captured(cond_fun, body_fun)
        attempt = lambda condition, body: _attempt(condition, body, init, key, captured, base)
        return in_one(attempt, (cond_fun, body_fun), captured)


def _attempt(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init: Any,
    key: Any,
    captured: Captured,
    base: RecordLevel,
) -> Any:
    leaves, structure = flatten(init)
    leaves = [grounded(x) for x in leaves]
    if not any(map(is_input, (*leaves, *captured.tensors))):
        return None
    weak = any(type(x) in NUMBERS for x in leaves)
    values = [np.asarray(x)[()] if type(x) in NUMBERS else x for x in leaves]
    carried = [k for k, x in enumerate(values) if type(x) is Tensor or isinstance(x, (np.ndarray, np.generic))]

    def turn(_: Any, trips: Any, *own: Any) -> Any:
        before = list(values)
        for k, x in zip(carried, own, strict=True):
            before[k] = x
        value = body_fun(unflatten(structure, before))
        return truth(cond_fun(value)), trips + 1, value

    start = [values[k] for k in carried]
    going = truth(cond_fun(unflatten(structure, values)))
    runs = bool(sample(going))
    try:
        recorded = Recorded(turn, (), captured.tensors, [np.True_, np.int64(0), *start])
    except NoLoop:
        raise
    except Exception:
        if runs or COMPILING.blind:
            raise
        return None  # a body that does not run here, and may not
    if captured.drew() or captured.changed() is not None:
        raise NoLoop("the body changes what it captures")
    if recorded.structure != flatten((0, 0, init))[1]:
        raise NoLoop("the structure changes")
    after = recorded.outs[2:]
    fixed = {k for k in range(len(values)) if k not in carried}
    if any(not (values[k] is after[k] or equal(values[k], after[k])) for k in fixed):
        raise NoLoop("a value that is no number changes")
    body, more = recorded.body({2 + k for k in fixed})
    if any(body.spec(k) != body.spec(body.outs[k]) for k in range(body.carries)):
        raise NoLoop("the shape or dtype of the value changes")
    if weak and not all(s.dtype in WIDE for s in body.specs.values() if hasattr(s, "dtype")):
        raise NoLoop("numbers beside narrow dtypes")
    operands = [going, np.int64(0), *start, *captured.tensors, *more]
    kept = [k for k in range(len(operands)) if k < body.carries or k in body.read]
    body, operands = body.trimmed(kept), [operands[k] for k in kept]
    for x in operands:
        check_levels(x, base)
    base.looped = True
    room = 1 << (max(FIRST, COMPILING.rooms.get(key, 0)) - 1).bit_length()
    out = loop(body, operands, room, False, Trips(key, known=False))
    result = list(leaves)
    for k, x in zip(carried, out[2:], strict=False):
        result[k] = x
    return (unflatten(structure, result),)


def truth(condition: Any) -> Any:
    """A condition as a scalar of bools."""
    condition = grounded(condition)
    if getattr(condition, "shape", ()) != ():
        raise NoLoop("a condition that is no scalar")
    if type(condition) is not Tensor:
        return np.bool_(condition)
    return condition if condition.dtype == np.bool_ else not_equal(condition, 0)
