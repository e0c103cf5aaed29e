"""Which input elements an output element depends on: the sparsity rules that the kinds and records name.

A rule ``rule(i, y_shape, args, params)`` speaks of argument ``i`` and returns either an integer array with, per output
element (in C order), the one input element it depends on (-1: none), or a SciPy sparse matrix of shape
(output size, input size). Arguments are values where the rule may look at them (indices, conditions), else anything with
a shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Params = dict[str, Any]
Rule = Callable[[int, tuple[int, ...], Sequence[Any], Params], Any]


def places(shape: tuple[int, ...]) -> Any:
    """The number of each element, in C order."""
    return np.arange(math.prod(shape)).reshape(shape)


def matrix(rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
    """A boolean sparse matrix with ones at (rows, columns), which broadcast."""
    from scipy.sparse import coo_array, csr_array

    rows, columns = np.broadcast_arrays(rows, columns)
    rows, columns = rows.ravel(), columns.ravel()
    return csr_array(coo_array((np.ones(rows.size, bool), (rows, columns)), shape))


def elementwise(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Output element k depends on input element k, after broadcasting."""
    return np.broadcast_to(places(np.shape(args[i])), y).ravel()


def moved(impl: Callable[..., Any], linear: Callable[[int], bool]) -> Rule:
    """The rule of an operation that only moves elements: run it on their numbers (0 is for all others)."""

    def rule(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
        marked = [
            (1 + places(np.shape(a)) if k == i else np.zeros(np.shape(a), int)) if linear(k) else a
            for k, a in enumerate(args)
        ]
        return np.ravel(impl(*marked, **params)) - 1

    return rule


def scattered(impl: Callable[..., Any]) -> Rule:
    """The rule of ``scatter``: the gather of the same places, transposed."""

    def rule(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
        rows = impl(places(y), *args[1:], template=params["template"])
        size = math.prod(np.shape(args[0]))
        return matrix(np.ravel(rows), np.arange(size), (math.prod(y), size))

    return rule


def _by_axis(places_of: Any, axis: int) -> Any:
    return np.moveaxis(places_of, axis, -1)


def reduced(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Each output element depends on all elements along the axes (``axis``) it was made from."""
    shape = np.shape(args[i])
    axis = params["axis"]
    axes = (axis,) if isinstance(axis, int) else tuple(range(len(shape))) if axis is None else tuple(axis)
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    rows = np.broadcast_to(places(kept), shape)
    return matrix(rows, places(shape), (math.prod(y), math.prod(shape)))


def scanned(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Each output element depends on the elements before it (``reverse``: behind it) on its line, and on its own."""
    shape = np.shape(args[i])
    lines = _by_axis(places(shape), params["axis"])
    n = lines.shape[-1]
    a, b = np.tril_indices(n)
    rows, columns = (b, a) if params.get("reverse") else (a, b)
    return matrix(lines[..., rows], lines[..., columns], (math.prod(shape), math.prod(shape)))


def lined(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Each output element depends on its whole line along ``axis``, whose length may change."""
    shape, axis = np.shape(args[i]), params["axis"]
    ours, theirs = _by_axis(places(y), axis), _by_axis(places(shape), axis)
    return matrix(ours[..., :, None], theirs[..., None, :], (math.prod(y), math.prod(shape)))


def blocks(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Leading axes are a batch, in which nothing mixes: each matrix depends on its own matrices."""
    shape = np.shape(args[i])
    core = max(len(np.shape(a)) for a in args)
    lead = np.broadcast_shapes(*(np.shape(a)[: max(0, len(np.shape(a)) - 2)] for a in args)) if core > 2 else ()
    inner = shape[len(shape) - min(2, len(shape)) :]
    mine = np.broadcast_to(places(shape), (*lead, *inner)).reshape(math.prod(lead), 1, math.prod(inner))
    rows = places(y).reshape(math.prod(lead), math.prod(y[len(lead) :]), 1)
    return matrix(rows, mine, (math.prod(y), math.prod(shape)))


def _letters(shape: tuple[int, ...], own: str, sizes: dict[str, int], every: str) -> Any:
    """The numbers of an array's elements on the grid of all letters."""
    for c, n in zip(own, shape, strict=True):
        sizes.setdefault(c, n)
    grid = places(shape)
    order = sorted(range(len(own)), key=lambda k: every.index(own[k]))
    grid = grid.transpose(order)
    return grid.reshape([shape[own.index(c)] if c in own else 1 for c in every])


def einsum(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Output and operand element agree in the letters that both have."""
    own, out = params["terms"][i], params["out"]
    shape = np.shape(args[i])
    if len(set(own)) < len(own):  # a diagonal: rare, and the whole is a safe answer
        return everything(i, y, args, params)
    every = "".join(dict.fromkeys(out + own))
    sizes: dict[str, int] = {}
    rows, columns = _letters(y, out, sizes, every), _letters(shape, own, sizes, every)
    found = matrix(rows, columns, (math.prod(y), math.prod(shape)))
    return _weeded(i, found, y, args, own, out, params["terms"])


def matmul(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Row times column; zeros of a constant vector or matrix count."""
    a, b = (np.shape(v) for v in args)
    if len(a) > 2 or len(b) > 2:
        if len(a) < 2 or len(b) < 2 or a[:-2] != b[:-2]:
            return everything(i, y, args, params) if min(len(a), len(b)) < 2 else blocks(i, y, args, params)
        lead = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(a) - 2]
        return einsum(i, y, args, {"terms": (lead + "ik", lead + "kj"), "out": lead + "ij"})
    left, right = "ik"[2 - len(a) :], "kj"[: len(b)]
    return einsum(i, y, args, {"terms": (left, right), "out": left[:-1] + right[1:]})


def _weeded(i: int, found: Any, y: Any, args: Any, own: str, out: str, terms: Any) -> Any:
    """Without the elements that a constant matrix with zeros, the other operand, takes away."""
    if len(args) != 2 or not isinstance(args[1 - i], np.ndarray) or len(set(terms[1 - i])) < args[1 - i].ndim:
        return found
    other = args[1 - i]
    every = "".join(dict.fromkeys(out + own))
    if not set(terms[1 - i]) <= set(every) or np.count_nonzero(other) == other.size:
        return found
    sizes: dict[str, int] = {}
    third = _letters(other.shape, terms[1 - i], sizes, every)
    rows, columns = _letters(y, out, sizes, every), _letters(np.shape(args[i]), own, sizes, every)
    rows, columns, third = np.broadcast_arrays(rows, columns, third)
    there = other.ravel()[third.ravel()] != 0
    return matrix(rows.ravel()[there], columns.ravel()[there], found.shape)


def convolved(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Full convolution of two vectors: y[k] = sum of a[i] v[k - i]."""
    n, m = np.shape(args[i])[0], np.shape(args[1 - i])[0]
    own = np.arange(n)[:, None]
    return matrix(own + np.arange(m), own, (math.prod(y), n))


def everything(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """Each output element may depend on each input element."""
    rows, columns = places(y).reshape(-1, 1), places(np.shape(args[i])).reshape(1, -1)
    return matrix(rows, columns, (rows.size, columns.size))


def nothing(i: int, y: tuple[int, ...], args: Sequence[Any], params: Params) -> Any:
    """No dependence."""
    return np.full(math.prod(y), -1)
