"""Functions whose captured NumPy arrays are tensors, so that ``table[i]`` with a traced ``i`` is an operation.

NumPy asks an index for its value, which a body that is recorded once does not have. So the functions are copied, with those that
they capture, and the copies see a tensor in place of each array; the functions themselves stay as they are.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.level import GROUND
from dualad.core.tensor import Tensor, new_tensor
from dualad.modes.record import NoLoop, NoRoom
from dualad.native.captured import MISSING, Captured, contents, copied, from_library, names_in


def in_one(attempt: Callable[..., Any], functions: Sequence[Callable[..., Any]], captured: Captured) -> Any:
    """``attempt(*functions)``; where it finds that these are no one operation, of copies with tensors for arrays."""
    try:
        return attempt(*functions)
    except NoRoom:
        raise
    except (NoLoop, Exception) as e:
        if captured.drew() or captured.changed() is not None:
            raise
        tabled = Tabled(*functions)
        if not tabled.arrays:
            raise
        try:
            out = attempt(*tabled.functions)
        except NoRoom:
            raise
        except (NoLoop, Exception):
            raise e from None
        if tabled.changed():
            raise NoLoop("the body changes what it captures") from None
        return out


class Tabled:
    """Copies ``functions`` of ``roots``; ``arrays`` that were found in closures, defaults, named globals, and in tuples, lists,
    dicts and partials among these."""

    def __init__(self, *roots: Callable[..., Any]) -> None:
        self.arrays: list[tuple[Tensor, Any]] = []
        self._known: dict[int, Any] = {}
        self._held: list[Any] = []  # what is known by its id stays
        self._same: list[Callable[[], bool]] = []
        self.functions = [self._function(f) if isinstance(f, types.FunctionType) else self._of(f) for f in roots]

    def changed(self) -> bool:
        """Whether something was assigned to what took the place of the originals."""
        return any(t.value is not x or t.level is not GROUND for t, x in self.arrays) or not all(
            same() for same in self._same
        )

    def _of(self, x: Any) -> Any:
        if id(x) in self._known:
            return self._known[id(x)]
        kind = type(x)
        y = x
        if kind is np.ndarray:
            if x.ndim and x.dtype.kind in "fciub":
                y = new_tensor(x, GROUND, None)
                self.arrays.append((y, x))
        elif kind is types.FunctionType:
            if not from_library(x.__code__.co_filename):
                return self._function(x)
        elif kind is functools.partial:
            y = functools.partial(
                self._of(x.func), *map(self._of, x.args), **{k: self._of(v) for k, v in x.keywords.items()}
            )
        elif kind is tuple:
            y = tuple(map(self._of, x))
        elif kind is list:
            y = self._known[id(x)] = []
            y += map(self._of, x)
            self._watch(y)
        elif kind is dict:
            y = self._known[id(x)] = {}
            y.update((k, self._of(v)) for k, v in x.items())
            self._watch(y)
        self._held.append(x)
        self._known[id(x)] = y
        return y

    def _function(self, f: types.FunctionType) -> types.FunctionType:
        if id(f) in self._known:
            known: types.FunctionType = self._known[id(f)]
            return known
        self._held.append(f)
        space = f.__globals__
        if not from_library(f.__code__.co_filename):
            space = dict(space)
        cells = [self._cell(c) for c in f.__closure__ or ()]
        g = self._known[id(f)] = copied(f, space, cells)
        for c, own in zip(f.__closure__ or (), cells, strict=True):
            self._fill(c, own)
        g.__defaults__ = None if f.__defaults__ is None else tuple(map(self._of, f.__defaults__))
        if f.__kwdefaults__:
            g.__kwdefaults__ = {k: self._of(v) for k, v in f.__kwdefaults__.items()}
        if space is not f.__globals__:
            for k in names_in(f.__code__):
                if k in space:
                    space[k] = self._of(space[k])
            self._watch(space)
        return g

    def _watch(self, x: list[Any] | dict[Any, Any]) -> None:
        before = x.copy()
        self._same.append(lambda: _same(before, x))

    def _cell(self, c: types.CellType) -> types.CellType:
        if id(c) not in self._known:
            self._held.append(c)
            self._known[id(c)] = types.CellType()
        own: types.CellType = self._known[id(c)]
        return own

    def _fill(self, c: types.CellType, own: types.CellType) -> None:
        value = contents(c)
        if value is MISSING or contents(own) is not MISSING:
            return
        y = self._of(value)
        own.cell_contents = y
        self._same.append(lambda: contents(own) is y)


def _same(a: Any, b: Any) -> bool:
    if len(a) != len(b):
        return False
    if isinstance(a, dict):
        return all(b.get(k, MISSING) is v for k, v in a.items())
    return all(x is y for x, y in zip(a, b, strict=True))
