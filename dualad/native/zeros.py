"""Which elements of a program's values are zero whatever its arguments are.

Zeros come from constants (forward mode begins with tangents that are zero but for one element each) and from what is placed
among zeros; they go through products, movements, sums of zeros. A product is said to be zero where a factor is: that holds
where the other one is finite, so whoever uses these zeros makes sure of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.native.graph import Value
from dualad.ops.index import _fill

LARGE = 1 << 20  # elements of a value that is looked at
UNKNOWN = np.False_
OF_ZERO = frozenset(
    (
        "negative", "positive", "absolute", "fabs", "real_part", "conjugate", "stop_gradient", "astype", "cast_constant", "sign",
        "floor", "ceil", "trunc", "rint", "sqrt", "cbrt", "square", "expm1", "log1p", "sin", "tan", "arcsin", "arctan", "sinh",
        "tanh", "arcsinh", "arctanh", "deg2rad", "rad2deg",
    )
)  # functions that are zero at zero  # fmt: skip
FIRST = frozenset(
    ("divide", "quotient", "ratio", "strong_scale")
)  # operations that are zero where their first operand is
MOVED = frozenset(("reshape", "transpose", "broadcast_to", "concatenate", "stack"))
SAME = frozenset(
    (
        "absolute", "fabs", "square", "exp", "exp2", "cos", "cosh", "arccos", "log", "log2", "log10", "hypot", "logaddexp",
        "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    )
)  # functions that give the same for 0.0 and -0.0  # fmt: skip
UNSIGNED = frozenset(
    (
        *OF_ZERO, *MOVED, *SAME, "add", "subtract", "multiply", "strong_multiply", "strong_scale", "where", "sum", "mean",
        "matmul", "einsum", "index", "scatter", "index_set", "maximum", "minimum",
    )
)  # functions that give zeros, of another sign perhaps, or the same  # fmt: skip


def zeros(values: Sequence[Value], wanted: Sequence[Value]) -> dict[int, Any]:
    """Of each of the ``wanted``, and of what they are computed from, where such elements are; by index, where there are any."""
    needed = {v.index for v in wanted}
    own = []
    for v in reversed(values):
        if v.index in needed:
            needed.update([a.index for a in v.args])
            own.append(v)
    found: dict[int, Any] = {}
    seen: set[int] = set()

    def keep(v: Value, z: Any) -> None:
        seen.add(v.index)
        if z is not None and z.any():
            found[v.index] = z

    for v in reversed(own):
        for a in v.args:
            if a.op == "constant" and a.index not in seen and a.size <= LARGE:
                keep(a, np.asarray(a.data) == 0)
        if v.size <= LARGE and (v.name == "scatter" or any(a.index in found for a in v.args)):
            keep(v, _rule(v, [found.get(a.index, UNKNOWN) for a in v.args]))
    for a in wanted:
        if a.op == "constant" and a.index not in seen and a.size <= LARGE:
            keep(a, np.asarray(a.data) == 0)
    return found


def signs_matter(values: Sequence[Value]) -> bool:
    """Whether something other than a zero may depend on the sign of a zero that was multiplied or added."""
    touched: set[int] = set()
    for v in values:
        if v.op == "constant":
            x = np.asarray(v.data)
            if x.dtype.kind == "f" and x.size <= LARGE and not x.all():
                touched.add(v.index)
            continue
        found = [k for k, a in enumerate(v.args) if a.index in touched]
        if found or v.name == "scatter":
            if v.op == "call" and v.name not in UNSIGNED and not (v.name in FIRST and found == [0]):
                return True
            if v.name not in SAME and not (v.name == "multiply" and v.args[0] is v.args[1]):
                touched.add(v.index)
    return False


def _rule(v: Value, of: Sequence[Any]) -> Any:
    name = v.name
    if name in ("multiply", "strong_multiply"):
        return np.broadcast_to(of[0] | of[1], v.shape)
    if name in ("add", "subtract"):
        return np.broadcast_to(of[0] & of[1], v.shape)
    if name in FIRST or name in OF_ZERO:
        return np.broadcast_to(of[0], v.shape)
    if name == "where":
        return np.broadcast_to(of[1] & of[2], v.shape)
    whole = [np.broadcast_to(z, a.shape) for z, a in zip(of, v.args, strict=True)]
    if name == "sum":
        return whole[0].all(axis=v.params["axis"]).reshape(v.shape)
    if name == "matmul":
        a, b = (np.logical_not(z).astype(np.float32) for z in whole)
        return a @ b == 0
    if name in MOVED:
        assert v.prim is not None
        return v.prim.impl(*whole, **v.params)
    return _placed(v, whole)


def _placed(v: Value, of: Sequence[Any]) -> Any:
    """Of what is chosen, placed or assigned by constant indices."""
    first = {"index": 1, "scatter": 1, "index_set": 2}.get(v.name)
    if first is None or any(a.op != "constant" for a in v.args[first:]):
        return None
    key = _fill(v.params["template"], [np.asarray(a.data) for a in v.args[first:]])
    if v.name == "index":
        return np.asarray(of[0][key])
    if v.name == "index_set":
        z = of[0].copy()
        z[key] = of[1]
        return z
    count = np.zeros(v.shape, np.int32)
    np.add.at(count, key, ~of[0])
    return count == 0
