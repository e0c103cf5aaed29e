"""vmap: map a function over an axis of its arguments, all elements at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.api.transform import Transform, outputs
from dualad.core.errors import ArgumentError, ShapeError, StructureError
from dualad.core.tensor import Tensor, new_tensor
from dualad.core.tree import flatten, paths, unflatten
from dualad.modes.batch import BatchLevel


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """``f`` mapped over one axis of its arguments.

    ``in_axes`` is an int or None (not mapped) for all positional arguments, or a tuple with an entry per argument, each
    of which may be a pytree prefix of it; ``out_axes`` likewise for the result. Keyword arguments are mapped over axis 0.
    Mapped axes must have equal sizes. Transforms nest in any order; ``if`` on a value works where all elements agree.

    Raises ``ShapeError`` for sizes that differ, ``BatchError`` where Python would need different branches.

    >>> import numpy as np
    >>> from dualad import vmap
    >>> vmap(lambda a, b: a @ b)(np.ones((4, 3)), np.ones((4, 3)))
    array([3., 3., 3., 3.])
    """
    return Transform(_run, f, "vmap", in_axes=in_axes, out_axes=out_axes)


def _run(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any], in_axes: Any, out_axes: Any) -> Any:
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple):
        if len(in_axes) != len(args):
            raise ArgumentError(
                f"vmap: in_axes has {len(in_axes)} entries, but the call has {len(args)} positional argument(s)."
            )
        axes_of = list(in_axes)
    else:
        axes_of = [in_axes] * len(args)
    trees = [*args, *kwargs.values()]
    axes_of += [0] * len(kwargs)
    names = [f"argument {i}" for i in range(len(args))] + [f"argument {k!r}" for k in kwargs]

    size: int | None = None
    first = ""
    leaves: list[Any] = []
    axes: list[int | None] = []
    shapes = []
    for tree, prefix, name in zip(trees, axes_of, names, strict=True):
        own, structure = flatten(tree)
        own_axes = spread(prefix, tree, len(own), f"in_axes of {name}")
        for x, axis, path in zip(own, own_axes, paths(tree) if own else [], strict=True):
            if axis is not None:
                shape = np.shape(x) if type(x) is not Tensor else x.shape
                if not -len(shape) <= axis < len(shape):
                    raise ShapeError(f"vmap: {name}{path} has shape {shape}, which has no axis {axis} to map over.")
                axis %= len(shape)
                if size is None:
                    size, first = shape[axis], f"axis {axis} of {name}{path}"
                elif shape[axis] != size:
                    raise ShapeError(
                        f"vmap: mapped axes differ in size: {first} has {size}, axis {axis} of {name}{path} has "
                        f"{shape[axis]} (shape {shape})."
                    )
            leaves.append(x)
            axes.append(axis)
        shapes.append((structure, len(own)))
    if size is None:
        raise ArgumentError("vmap: no argument is mapped: in_axes is None for all of them. Call the function itself.")

    with BatchLevel(size) as level:
        mapped = [
            x if axis is None else new_tensor(front(x, axis), level, None) for x, axis in zip(leaves, axes, strict=True)
        ]
        values = []
        k = 0
        for structure, n in shapes:
            values.append(unflatten(structure, mapped[k : k + n]))
            k += n
        out = f(*values[: len(args)], **dict(zip(kwargs, values[len(args) :], strict=True)))
        ys, structure = outputs(out, "vmap")
        wanted = spread(out_axes, out, len(ys), "out_axes")
        result = []
        for y, axis in zip(ys, wanted, strict=True):
            is_mapped = type(y) is Tensor and y.level is level
            if axis is None:
                if is_mapped:
                    raise ArgumentError("vmap: out_axes is None for an output that depends on the mapped arguments.")
                result.append(y)
                continue
            y = y.value if is_mapped else level.lift(y).value
            result.append(back(y, axis))
        return unflatten(structure, [_settle(y) for y in result])


def _settle(y: Any) -> Any:
    return y.copy() if type(y) is np.ndarray and not y.flags.writeable else y


def spread(prefix: Any, tree: Any, n: int, what: str) -> list[int | None]:
    """An axis, or a pytree prefix of axes, as one axis per leaf of ``tree``."""
    if prefix is None or (isinstance(prefix, int) and not isinstance(prefix, bool)):
        return [prefix] * n
    if isinstance(prefix, (tuple, list, dict)):
        children = prefix.items() if isinstance(prefix, dict) else enumerate(prefix)
        if isinstance(tree, (tuple, list, dict)) and len(tree) == len(prefix):
            if not isinstance(tree, dict):
                return [a for i, p in children for a in spread(p, tree[i], len(flatten(tree[i])[0]), what)]
            if set(tree) == set(prefix):
                order = sorted(tree)  # as optree flattens dicts
                return [a for k in order for a in spread(prefix[k], tree[k], len(flatten(tree[k])[0]), what)]
        raise StructureError(
            f"vmap: {what} is {prefix!r}, which is no prefix of an argument of type {type(tree).__name__}."
        )
    raise ArgumentError(f"vmap: {what} must be an int, None or a pytree of them, got {prefix!r}.")


def front(x: Any, axis: int) -> Any:
    """``x`` with ``axis`` moved to the front."""
    if type(x) is not Tensor:
        return np.moveaxis(x, axis, 0)
    if axis == 0:
        return x
    from dualad.ops.shape import transpose

    return transpose(x, axes=(axis, *[i for i in range(x.ndim) if i != axis]))


def back(y: Any, axis: int) -> Any:
    """``y`` with its first axis moved to ``axis``."""
    if not -y.ndim <= axis < y.ndim:
        raise ShapeError(
            f"vmap: out_axes={axis} is out of range for an output of {y.ndim} axes (the mapped one included)."
        )
    axis %= y.ndim
    if axis == 0:
        return y
    from dualad.ops.shape import transpose

    return transpose(y, axes=(*range(1, axis + 1), 0, *range(axis + 1, y.ndim)))
