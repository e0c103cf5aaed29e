"""What a function sees besides its arguments, and whether it is still the same.

A recording holds the values that the function found in its closure, its globals, its defaults and in the objects reached
from there. ``Captured`` walks through all of these once, notes what is where, and can tell later whether anything was
rebound or changed in place. Numbers, strings and functions are compared by identity, containers element by element,
writable arrays by their contents; read-only arrays, modules and the insides of installed libraries are trusted.
"""

from __future__ import annotations

import functools
import operator
import random
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dualad.core.level import GROUND
from dualad.core.tensor import Tensor

LIMIT = 20_000  # things watched; a function that captures more is not worth watching
MISSING = object()
_is = operator.is_
_ATOMS = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis), np.generic, np.dtype, slice, range)
_PATHS = tuple({sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")})
_PACKAGE = __file__.rsplit("native", 1)[0]
Check = Callable[[], bool]
Place = tuple[Any, bool, str, Any]  # owner; whether it is an item, else an attribute; its key; the value it must be


class TooMuch(Exception):
    """The function reaches more than can be watched."""


class Captured:
    """The surroundings of the functions ``roots`` at this moment."""

    def __init__(self, *roots: Any) -> None:
        self.checks: list[tuple[str, Check]] = []
        self._held = Held()
        self.tensors: list[Tensor] = []  # of transforms in progress
        self.generators: list[tuple[Any, Any]] = [(_Global, _state(_Global))]
        self._seen: dict[int, Any] = {}
        self._todo: list[tuple[str, Any]] = [("", r) for r in roots]
        while self._todo:
            self._visit(*self._todo.pop())
            if len(self.checks) + len(self._held.places) > LIMIT:
                raise TooMuch
        self._seen.clear()
        self.fast: tuple[Check, ...] = (*Held.checks(self._held.places), *[same for _, same in self.checks])

    def changed(self) -> str | None:
        """The name of something that changed, or None."""
        for same in self.fast:
            if not same():
                return next((name for name, held in self._each() if not held()), "something")
        return None

    def watched(self) -> tuple[list[Place], list[Check]]:
        """Bindings, and functions that compare the rest."""
        return self._held.places, [same for _, same in self.checks]

    def names(self) -> list[str]:
        """What is watched."""
        return list(dict.fromkeys([name for name, _ in self._each()]))

    def _each(self) -> Iterator[tuple[str, Check]]:
        yield from self._held.each()
        yield from self.checks

    def drew(self) -> bool:
        """Whether random numbers were drawn since."""
        return any(not _equal(_state(g), s) for g, s in self.generators)

    def rewind(self) -> None:
        """Set random generators back to what they were: the function will be run again."""
        for g, s in self.generators:
            if not _equal(_state(g), s):
                _restore(g, s)

    def _visit(self, name: str, x: Any) -> None:
        if isinstance(x, _ATOMS) or id(x) in self._seen:
            return
        self._seen[id(x)] = x
        if isinstance(x, types.FunctionType):
            self._function(name, x)
        elif isinstance(x, types.MethodType):
            self._todo += [(name, x.__func__), (name, x.__self__)]
        elif isinstance(x, functools.partial):
            self._todo += [(name, x.func), (name, x.args), (name, x.keywords)]
        elif isinstance(x, np.ndarray):
            self._array(name, x)
        elif isinstance(x, (tuple, frozenset)):
            self._todo += [(f"{name}[...]", v) for v in x]
        elif isinstance(x, list):
            before = tuple(x)
            self.checks.append((name, lambda: len(x) == len(before) and all(map(_is, x, before))))
            self._todo += [(f"{name}[{i}]", v) for i, v in enumerate(before)]
        elif isinstance(x, set):
            copy = frozenset(x)
            self.checks.append((name, lambda: x == copy))
        elif isinstance(x, dict):
            self._mapping(name, x, lambda k: f"{name}[{k!r}]")
        elif isinstance(x, (np.random.Generator, np.random.RandomState, random.Random)):
            self.generators.append((x, _state(x)))
        elif isinstance(x, type):
            self._class(name, x)
        elif type(x) is Tensor:
            if x.level is GROUND:
                value = x.value
                self.checks.append((name, lambda: x.value is value))
                self._todo.append((name, value))
            else:
                self.tensors.append(x)
        elif isinstance(x, types.ModuleType):
            pass
        else:
            self._object(name, x)

    def _function(self, name: str, f: types.FunctionType) -> None:
        name = name or f.__qualname__
        for cell, variable in zip(f.__closure__ or (), f.__code__.co_freevars, strict=True):
            value = contents(cell)
            if value is MISSING:
                self.checks.append((variable, lambda cell=cell: contents(cell) is MISSING))  # type: ignore[misc]
                continue
            self._held.add(variable, (cell, False, "cell_contents", value))
            self._todo.append((variable, value))
        self._todo += [(f"a default of {name}", v) for v in f.__defaults__ or ()]
        self._todo += [(f"a default of {name}", v) for v in (f.__kwdefaults__ or {}).values()]
        if f.__dict__:
            self._todo += [(f"{name}.{k}", v) for k, v in f.__dict__.items()]
        if from_library(f.__code__.co_filename):
            return
        self._held.add(f"the code of {name}", (f, False, "__code__", f.__code__))
        if f.__defaults__:
            self._held.add(f"the defaults of {name}", (f, False, "__defaults__", f.__defaults__))
        space = f.__globals__
        names = names_in(f.__code__)
        for k in names:
            value = space.get(k, MISSING)
            if value is MISSING:
                continue
            if isinstance(value, types.ModuleType):
                if not _of_library(value):
                    self._module(k, value, names)
                continue
            self._held.add(k, (space, True, k, value))
            self._todo.append((k, value))

    def _module(self, name: str, module: types.ModuleType, names: list[str]) -> None:
        space = vars(module)
        for k in names:
            if k in space and not isinstance(space[k], types.ModuleType):
                value = space[k]
                self._held.add(f"{name}.{k}", (space, True, k, value))
                self._todo.append((f"{name}.{k}", value))

    def _mapping(self, name: str, x: Any, entry: Callable[[Any], str]) -> None:
        before = dict(x)

        self.checks.append((name, lambda: len(x) == len(before) and all(map(_is, map(x.get, before), before.values()))))
        self._todo += [(entry(k), v) for k, v in before.items()]

    def _array(self, name: str, x: Any) -> None:
        if x.dtype == object:
            items = x.ravel().tolist()
            self.checks.append((name, lambda: all(map(_is, x.ravel().tolist(), items))))
            self._todo += [(f"{name}[...]", v) for v in items]
            return
        if not _writable(x):
            return
        self.checks.append((name, Contents(x)))

    def _class(self, name: str, x: type) -> None:
        if _of_library(sys.modules.get(x.__module__)):
            return
        for base in x.__mro__:
            if base is object or _of_library(sys.modules.get(base.__module__)):
                continue
            for k, v in list(vars(base).items()):
                if k.startswith("__") and k not in ("__call__", "__init__"):
                    continue
                self._held.add(f"{name}.{k}", (vars(base), True, k, v))
                if isinstance(v, (staticmethod, classmethod)):
                    v = v.__func__
                for part in (v.fget, v.fset) if isinstance(v, property) else (v,):
                    self._todo.append((f"{name}.{k}", part))

    def _object(self, name: str, x: Any) -> None:
        kind = type(x)
        if _of_library(sys.modules.get(kind.__module__)):
            # Of a library's objects (transforms, custom rules, cached functions) the functions that they wrap.
            for k in ("__wrapped__", "f", "_jvp", "_vjp"):
                inner = getattr(x, "__dict__", {}).get(k)
                if inner is not None:
                    self._todo.append((name, inner))
            return
        space = getattr(x, "__dict__", None)
        if space is not None:
            self._mapping(name, space, lambda k: f"{name}.{k}")
        for base in kind.__mro__:
            slots = base.__dict__.get("__slots__", ())
            for k in (slots,) if isinstance(slots, str) else slots:
                if k in ("__dict__", "__weakref__"):
                    continue
                value = getattr(x, k, MISSING)
                self.checks.append((f"{name}.{k}", lambda k=k, value=value: getattr(x, k, MISSING) is value))  # type: ignore[misc]
                if value is not MISSING:
                    self._todo.append((f"{name}.{k}", value))
        self._class(kind.__name__, kind)


class Contents:
    """Tells whether an array still has the form and the contents that it has now."""

    def __init__(self, x: Any) -> None:
        self.array = x
        self.form = self._form()
        self.bytes = bytearray(self._copy())

    def _form(self) -> tuple[Any, ...]:
        return self.array.shape, self.array.strides, self.array.dtype

    def _copy(self) -> bytes:
        return np.ndarray.tobytes(self.array, "A")  # a masked array's own is another

    def __call__(self) -> bool:
        if self._form() != self.form:
            return False
        x = self.array
        # Where it lies, if that is in one piece: with anything else bytearray is not compared.
        equal: Any = bytearray.__eq__(self.bytes, x if x.flags.c_contiguous else x.T)
        return self._copy() == self.bytes if equal is NotImplemented else bool(equal)


class Held:
    """Bindings that must stay: items of namespaces, contents of cells, attributes of functions."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.places: list[Place] = []

    def add(self, name: str, place: Place) -> None:
        self.names.append(name)
        self.places.append(place)

    @classmethod
    def checks(cls, places: list[Place]) -> list[Check]:
        """Functions that compare these places: generated, because they run before each call."""
        return [cls._check(places[i : i + 100]) for i in range(0, len(places), 100)]

    def each(self) -> Iterator[tuple[str, Check]]:
        for name, place in zip(self.names, self.places, strict=True):
            yield name, self._check([place])

    @staticmethod
    def _check(places: list[Place]) -> Check:
        owners: dict[int, int] = {}
        given: dict[str, Any] = {}
        terms: list[str] = []
        for owner, item, key, value in places:
            k = owners.setdefault(id(owner), len(owners))
            given[f"o{k}"] = owner
            given[f"v{len(terms)}"] = value
            terms.append(f"o{k}[{key!r}] is v{len(terms)}" if item else f"o{k}.{key} is v{len(terms)}")
        parameters = ", ".join(f"{k}={k}" for k in given)
        lines = [f"def same({parameters}):", " try:", f"  return {' and '.join(terms)}"]
        lines += [" except (KeyError, ValueError, AttributeError):", "  return False"]
        exec("\n".join(lines), given)
        return given["same"]


class _Global:
    """Stands for the global generators of ``numpy.random`` and ``random``."""


def _state(g: Any) -> Any:
    if g is _Global:
        return random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    if isinstance(g, np.random.Generator):
        return g.bit_generator.state
    return g.getstate() if isinstance(g, random.Random) else g.get_state(legacy=False)


def _restore(g: Any, state: Any) -> None:
    if g is _Global:
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002
    elif isinstance(g, np.random.Generator):
        g.bit_generator.state = state
    elif isinstance(g, random.Random):
        g.setstate(state)
    else:
        g.set_state(state)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else a == b


def contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet bound
        return MISSING


def copied(f: types.FunctionType, space: dict[str, Any], cells: Sequence[types.CellType]) -> types.FunctionType:
    """The function with other globals and captured variables."""
    g = types.FunctionType(f.__code__, space, f.__name__, f.__defaults__, tuple(cells))
    g.__qualname__, g.__kwdefaults__ = f.__qualname__, f.__kwdefaults__
    g.__dict__.update(f.__dict__)
    return g


def names_in(code: types.CodeType) -> list[str]:
    """Global and attribute names in a function and the functions inside it."""
    out: dict[str, None] = {}
    stack = [code]
    while stack:
        c = stack.pop()
        out.update(dict.fromkeys(c.co_names))
        stack += [k for k in c.co_consts if isinstance(k, types.CodeType)]
    return list(out)


def from_library(path: str) -> bool:
    """Whether a file belongs to Python or an installed package, whose insides are trusted not to change."""
    return path.startswith(("<frozen", _PACKAGE, *_PATHS))


def _of_library(module: types.ModuleType | None) -> bool:
    if module is None or module.__name__ == "__main__":
        return False
    path = getattr(module, "__file__", None)
    return path is None or from_library(path)


def _writable(x: Any) -> bool:
    while isinstance(x, np.ndarray):
        if x.flags.writeable:
            return True
        x = x.base
    return x is not None and not isinstance(x, bytes)
