"""Pytrees, by optree; a single array, by far the commonest tree, does not need (or import) it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor

_LEAVES = (np.ndarray, Tensor, float, int, complex, np.generic)
_NAMESPACE = "dualad"
LEAF = None  # the structure of a tree that is one leaf


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Leaves and structure. Dataclasses count as nodes without having been registered."""
    if type(tree) is Tensor or isinstance(tree, _LEAVES):
        return [tree], LEAF
    import optree

    while True:
        leaves, structure = optree.tree_flatten(tree, namespace=_NAMESPACE)
        unknown = {type(x) for x in leaves if dataclasses.is_dataclass(x) and not isinstance(x, type)}
        if not unknown:
            return leaves, structure
        for cls in unknown:
            _register(cls)


def _register(cls: type) -> None:
    import optree

    names = [f.name for f in dataclasses.fields(cls)]

    def children(x: Any) -> Any:
        return [getattr(x, n) for n in names], None, names

    def rebuild(_: Any, values: Any) -> Any:
        x: Any = object.__new__(cls)  # not __init__: it may check or convert, and leaves may be tensors
        for n, v in zip(names, values, strict=True):
            object.__setattr__(x, n, v)
        return x

    optree.register_pytree_node(cls, children, rebuild, namespace=_NAMESPACE)


def unflatten(structure: Any, leaves: list[Any]) -> Any:
    if structure is LEAF:
        return leaves[0]
    import optree

    return optree.tree_unflatten(structure, leaves)


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply ``f`` to the leaves of trees of equal structure."""
    leaves, structure = flatten(tree)
    others = [flatten(t)[0] for t in rest]
    return unflatten(structure, [f(*xs) for xs in zip(leaves, *others, strict=True)])


def paths(tree: Any) -> list[str]:
    """For each leaf, how it is written: ``['w'][0]``."""
    if isinstance(tree, _LEAVES):
        return [""]
    flatten(tree)  # registers dataclasses
    import optree

    return [a.codify("") for a in optree.tree_accessors(tree, namespace=_NAMESPACE)]


def describe(structure: Any) -> str:
    return "a single array" if structure is LEAF else str(structure).replace(f", namespace='{_NAMESPACE}'", "")
