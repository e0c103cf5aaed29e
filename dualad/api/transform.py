"""What all transforms share: wrapping a function, choosing arguments, checking inputs and outputs."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, DtypeError, ShapeError, StructureError
from dualad.core.level import GROUND
from dualad.core.tensor import Tensor
from dualad.core.tree import LEAF, describe, flatten, paths, unflatten

Argnums = int | str | Sequence[int | str]


class Transform:
    """A transformed function: keeps the signature, name and docstring of ``f``; pickles when ``f`` does."""

    def __init__(self, run: Callable[..., Any], f: Callable[..., Any], title: str, **options: Any) -> None:
        if not callable(f):
            raise ArgumentError(f"{title} needs a function, got {type(f).__name__}: {f!r:.80}.")
        functools.update_wrapper(self, f)
        self.run = run
        self.f = f
        self.title = title
        self.options = options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self.f, args, kwargs, **self.options)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<{self.title} of {getattr(self.f, '__qualname__', self.f)!s}>"

    def __reduce__(self) -> Any:
        # `@grad def f` replaces f in its module: then pickle by that name, as functions do.
        module = sys.modules.get(getattr(self, "__module__", ""), None)
        name = getattr(self, "__qualname__", "")
        if module is not None and getattr(module, name, None) is self:
            return name
        return (_rebuild, (self.run, self.f, self.title, self.options))


def _rebuild(run: Any, f: Any, title: str, options: dict[str, Any]) -> Transform:
    return Transform(run, f, title, **options)


class Chosen:
    """The arguments that a transform differentiates, taken out of a call."""

    def __init__(self, f: Callable[..., Any], argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f = f
        self.args = args
        self.kwargs = kwargs
        if type(argnums) is int and 0 <= argnums < len(args):  # by far the commonest
            self.single = True
            self.keys: list[int | str] = [argnums]
            return
        self.single = isinstance(argnums, (int, str)) and not isinstance(argnums, bool)
        names = (argnums,) if self.single else argnums
        if not isinstance(names, (tuple, list)) or not names:
            raise ArgumentError(f"argnums must be an int, a name or a non-empty sequence of them, got {argnums!r}.")
        self.keys = [self._key(n) for n in names]
        if len(set(self.keys)) != len(self.keys):
            raise ArgumentError(f"argnums={argnums!r} names an argument twice.")

    def _key(self, n: Any) -> int | str:
        if isinstance(n, str):
            if n in self.kwargs:
                return n
            try:
                parameters = list(inspect.signature(self.f).parameters)
            except (TypeError, ValueError):
                parameters = []
            if n in parameters and parameters.index(n) < len(self.args):
                return parameters.index(n)
            raise ArgumentError(
                f"argnums={n!r}: the call has no argument of that name. It has {len(self.args)} positional "
                f"argument(s){' named ' + ', '.join(parameters[: len(self.args)]) if parameters else ''} and keyword "
                f"argument(s) {list(self.kwargs)}."
            )
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
            raise ArgumentError(f"argnums must be integers or names, got {n!r} of type {type(n).__name__}.")
        if not -len(self.args) <= n < len(self.args):
            raise ArgumentError(
                f"argnums={n} is out of range: the call has {len(self.args)} positional argument(s). "
                "Keyword arguments are chosen by name: argnums='name'."
            )
        return int(n) % len(self.args)

    def values(self) -> tuple[Any, ...]:
        return tuple(self.args[k] if isinstance(k, int) else self.kwargs[k] for k in self.keys)

    def call(self, values: Sequence[Any]) -> Any:
        args = list(self.args)
        kwargs = dict(self.kwargs)
        for k, v in zip(self.keys, values, strict=True):
            if isinstance(k, int):
                args[k] = v
            else:
                kwargs[k] = v
        return self.f(*args, **kwargs)

    def name(self, i: int) -> str:
        k = self.keys[i]
        return f"argument {k}" if isinstance(k, int) else f"argument {k!r}"

    def pack(self, results: Sequence[Any]) -> Any:
        return results[0] if self.single else tuple(results)


def inexact(x: Any, where: Callable[[], str], *, complex_ok: bool = True) -> Any:
    """``x`` as a differentiable input: a float or complex array, scalar or tensor."""
    t = type(x)
    if t is float:
        return np.float64(x)
    if t is Tensor:
        if x.level is GROUND:
            return x.value.copy() if isinstance(x.value, np.ndarray) else x.value
    elif t is int:
        return np.float64(x)
    elif t is complex:
        x = np.complex128(x)
    elif isinstance(x, np.ma.MaskedArray):
        raise DtypeError(f"{where()} is a masked array. Pass x.filled(...) and keep the mask as a separate argument.")
    elif isinstance(x, (np.ndarray, np.generic)):
        if t is not np.ndarray and isinstance(x, np.ndarray):
            x = np.asarray(x)
    elif hasattr(x, "__dualad_tensor__"):
        x = x.__dualad_tensor__()
    else:
        raise DtypeError(
            f"{where()} is of type {t.__name__}, which cannot be differentiated. Pass a number or a NumPy array, or "
            "choose the arguments to differentiate with argnums."
        )
    kind = x.dtype.kind
    if kind not in "fc":
        todo = "Write x.astype(float)" if kind in "iub" else "Pass a numeric array of dtype float64, float32 or complex"
        raise DtypeError(
            f"{where()} has dtype {x.dtype}, which cannot be differentiated. {todo}, or choose other arguments with argnums."
        )
    if kind == "c" and not complex_ok:
        raise DtypeError(f"{where()} is complex ({x.dtype}). For a holomorphic function pass holomorphic=True.")
    return x


_ONE_LEAF = (LEAF, 1)


def inputs(trees: Sequence[Any], name: Callable[[int], str], **kind: Any) -> tuple[list[Any], list[tuple[Any, int]]]:
    """The leaves of several trees, checked, with each tree's structure and leaf count."""
    leaves: list[Any] = []
    shapes = []
    for i, tree in enumerate(trees):
        if type(tree) is np.ndarray and tree.dtype.kind == "f":  # by far the commonest
            leaves.append(tree)
            shapes.append(_ONE_LEAF)
            continue
        own, structure = flatten(tree)
        for j, x in enumerate(own):
            leaves.append(inexact(x, functools.partial(_where, name, i, tree, j), **kind))
        shapes.append((structure, len(own)))
    return leaves, shapes


def _where(name: Callable[[int], str], i: int, tree: Any, j: int) -> str:
    return name(i) + paths(tree)[j]


def rebuild(leaves: Sequence[Any], shapes: Sequence[tuple[Any, int]]) -> list[Any]:
    """The inverse of ``inputs``."""
    out = []
    k = 0
    for structure, n in shapes:
        if structure is LEAF:
            out.append(leaves[k])
            k += 1
            continue
        out.append(unflatten(structure, list(leaves[k : k + n])))
        k += n
    return out


def outputs(tree: Any, title: str) -> tuple[list[Any], Any]:
    """The leaves and structure of a function's result; numbers become NumPy scalars."""
    leaves, structure = flatten(tree)
    return [_output(x, title) for x in leaves], structure


def _output(x: Any, title: str) -> Any:
    if type(x) is Tensor:
        return x.value if x.level is GROUND else x
    if isinstance(x, (np.ndarray, np.generic)):
        if x.dtype == object:
            raise DtypeError(
                f"{title}: the function returned an array of dtype object. Build it with dualad.numpy.array or stack."
            )
        return x
    if isinstance(x, (bool, int, float, complex)):
        return np.asarray(x)[()]
    if hasattr(x, "__dualad_tensor__"):
        return x.__dualad_tensor__()
    if title == "jit" and type(x).__module__.startswith("scipy.sparse"):
        return x  # of a call that could not be recorded
    raise DtypeError(
        f"{title}: the function returned a {type(x).__name__}; it must return arrays or pytrees of arrays."
    )


def with_aux(out: Any, has_aux: bool, title: str) -> tuple[Any, Any]:
    """Split ``(out, aux)`` if ``has_aux``."""
    if not has_aux:
        return out, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise StructureError(
            f"{title} with has_aux=True: the function must return a pair (output, aux), it returned "
            f"{type(out).__name__}{f' of length {len(out)}' if isinstance(out, tuple) else ''}."
        )
    return out


def match(tree: Any, leaves: Sequence[Any], structure: Any, what: str, of: str) -> list[Any]:
    """The leaves of a tangent or cotangent ``tree``, held against those it belongs to."""
    mine, s = flatten(tree)
    if s != structure:
        raise StructureError(f"{what} has the structure {describe(s)}, but {of} has {describe(structure)}.")
    out = []
    for t, x in zip(mine, leaves, strict=True):
        if not isinstance(t, (np.ndarray, np.generic, Tensor)):
            t = np.asarray(t)[()]
            if t.ndim == 0 and t.dtype.kind in "iubfc":  # Python numbers are weak
                if t.dtype.kind == "c" and x.dtype.kind != "c":
                    raise DtypeError(f"{what} is complex, but {of} has dtype {x.dtype}.")
                t = t.astype(x.dtype)
        if t.shape != x.shape:
            raise ShapeError(f"{what} has shape {t.shape}, but {of} has shape {x.shape}. They must be equal.")
        if t.dtype != x.dtype:
            raise DtypeError(
                f"{what} has dtype {t.dtype}, but {of} has dtype {x.dtype}. Write t.astype({x.dtype.name!r})."
            )
        out.append(t)
    return out


def fresh(results: Sequence[Any], taken: Sequence[Any] = ()) -> list[Any]:
    """Results that share memory with nothing: neither views, nor each other, nor ``taken`` (the caller's arrays)."""
    seen = {id(x) for x in taken}
    out = []
    for r in results:
        if type(r) is np.ndarray:
            if r.base is not None or not r.flags.writeable or id(r) in seen:
                r = r.copy()
            seen.add(id(r))
        out.append(r)
    return out
