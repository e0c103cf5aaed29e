"""``detect_anomaly``: which operation made the first NaN, forward or backward, and on which line of the user's."""

from __future__ import annotations

import contextlib
import itertools
import linecache
import pathlib
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn, Self

import numpy as np

from dualad.core.errors import AnomalyError
from dualad.core.level import ClosedLevel, Level
from dualad.core.primitive import shape_of
from dualad.core.tensor import Tensor
from dualad.modes import reverse
from dualad.modes.batch import BatchLevel
from dualad.modes.forward import ForwardLevel
from dualad.modes.record import RecordLevel
from dualad.modes.reverse import PICK, Node, ReverseLevel
from dualad.modes.taylor import TaylorLevel

OWN = (str(pathlib.Path(__file__).parents[1]), str(pathlib.Path(np.__file__).parent))
LEVELS = (ReverseLevel, RecordLevel, ForwardLevel, TaylorLevel, BatchLevel)


def users_line() -> str:
    """The line outside of dualad and NumPy that is running."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(OWN):
        frame = frame.f_back
    if frame is None:
        return "an unknown line"
    name, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(name, number, frame.f_globals).strip()
    return f"{name}:{number}" + (f" `{text}`" if text else "")


def parts(x: Any) -> Iterator[Any]:
    """The floating arrays that an operand consists of: its value, its tangents or Taylor coefficients, of each level."""
    stack = [x]
    while stack:
        v = stack.pop()
        if type(v) is Tensor:
            stack.append(v.value)
            if isinstance(v.level, (ForwardLevel, TaylorLevel)):
                stack.append(v.aux)
        elif isinstance(v, (list, tuple)):
            stack.extend(v)
        elif isinstance(v, (float, complex, np.ndarray, np.generic)) and np.asarray(v).dtype.kind in "fc":
            yield v


def any_nan(*xs: Any) -> bool:
    return any(bool(np.isnan(v).any()) for x in xs for v in parts(x))


def any_inf(*xs: Any) -> bool:
    return any(bool(np.isinf(v).any()) for x in xs for v in parts(x))


def shapes(xs: Any) -> str:
    return ", ".join(str(shape_of(x)) for x in xs)


def bottom(x: Any) -> Any:
    while type(x) is Tensor:
        x = x.value
    return np.asarray(x)


def _tied(x: Any, y: Any, axis: Any) -> bool:
    v = bottom(x)
    along = tuple(k + v.ndim - len(shape_of(x)) for k in axis)  # batches lie in front
    if not v.size:
        return False
    best = np.nanmax(v, axis=along, keepdims=True) if y else np.nanmin(v, axis=along, keepdims=True)
    return bool(((v == best).sum(axis=along) > 1).any())


def at_kink(name: str, args: Any, y: Any, params: dict[str, Any]) -> bool:
    """Whether an operation's derivative is here that of the convention (docs/conventions.md)."""
    if name in ("absolute", "hypot", "root_sum_squares"):
        return bool((bottom(y) == 0).any())
    if name in ("maximum", "minimum", "fmax", "fmin"):
        return bool((bottom(args[0]) == bottom(args[1])).any())
    if name in ("max", "min", "nanmax", "nanmin"):
        return _tied(args[0], name.endswith("max"), params["axis"])
    return False


class detect_anomaly:
    """Within ``with detect_anomaly():`` the first operation that makes a NaN raises ``AnomalyError``.

    It names the operation, the shapes, and the line of yours that called it; on the way back, the operation whose derivative
    it was. Where an infinity came before, it says which operation made that; with ``inf=True`` it is itself the error. With
    ``kinks=True`` so is a kink or tie of abs, norms, std, hypot, max, min, maximum, minimum and what is made of them, where
    the derivative is a convention.
    Watches the functions that run in Python (not compiled ones: call ``f.__wrapped__`` of a ``jit``), in all threads, and
    slows them; outside of it nothing is watched and nothing costs. A NaN in a branch that ``where`` masks counts as well.

    Raises: ``AnomalyError``, a ``FloatingPointError``.

    >>> import numpy as np
    >>> from dualad import detect_anomaly, grad
    >>> with np.errstate(invalid="ignore"), detect_anomaly():  # doctest: +ELLIPSIS
    ...     grad(lambda x: np.sqrt(x - 1.0))(0.5)
    Traceback (most recent call last):
        ...
    dualad.core.errors.AnomalyError: sqrt made a NaN of operands of shape () at ...
    """

    def __init__(self, inf: bool = False, kinks: bool = False) -> None:
        self.inf = inf
        self.kinks = kinks
        self.lines: dict[int, str] = {}  # by node of a tape
        self.infinite = ""  # what made the first infinity
        self.within = threading.local()  # an operation, whose rule's own operations it answers for
        self.replaced: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Self:
        for level in LEVELS:
            for name in ("bind", "bind1", "bind2"):
                if name in vars(level):
                    self._replace(level, name, self._watching(vars(level)[name], name == "bind"))
        self._replace(ReverseLevel, "__init__", _numbering(ReverseLevel.__init__))
        self._replace(ClosedLevel, "lines", {})
        reverse.WATCHERS.append(self._backwards)
        return self

    def __exit__(self, *exc: object) -> None:
        reverse.WATCHERS.remove(self._backwards)
        while self.replaced:
            owner, name, before = self.replaced.pop()
            setattr(owner, name, before)

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        self.replaced.append((owner, name, vars(owner)[name]))
        setattr(owner, name, new)

    def _watching(self, original: Callable[..., Any], general: bool) -> Callable[..., Any]:
        def bind(level: Level, prim: Any, *rest: Any) -> Any:
            with self._one() as outermost:
                y = original(level, prim, *rest)
            line = users_line()
            outs = y if type(y) is tuple else (y,)
            for k, out in enumerate(outs):
                if type(out) is Tensor and out.level is level:
                    ClosedLevel.lines[id(out)] = weakref.ref(out), line
                    if type(out.aux) is int:
                        self.lines[out.aux] = line
                        if k == 0 and len(outs) > 1:
                            self.lines[out.aux - 1] = line  # the operation, before its parts
            if outermost:
                args = rest[0] if general else rest
                if any_nan(y) and not any_nan(args):
                    self._fail(f"{prim.name} made a NaN of operands of shape {shapes(args)} at {line}")
                self._infinite(any_inf(y) and not any_inf(args), f"{prim.name} at {line}", shapes(args))
                if self.kinks and at_kink(prim.name, args, y, rest[1] if general else {}):
                    self._fail(f"{prim.name} was at a kink or tie, with operands of shape {shapes(args)}, at {line}")
            return y

        return bind

    def _backwards(self, nodes: Any, cts: dict[int, Any]) -> Iterator[Node]:
        """The nodes of a pullback; after each, what it has made of its cotangent is looked at."""
        for node in nodes:
            index, prim, parents, *kept = node[:5]
            g = cts.get(index)
            before = {p: cts.get(p) for p in parents if p is not None}
            with self._one():
                yield node
            if g is None or prim is PICK:
                continue
            after = [cts[p] for p in before if p in cts]
            where = f"{prim.name} at {self.lines.get(index, 'an unknown line')}"
            if any_nan(after) and not any_nan(g, *before.values(), *kept):
                self._fail(f"the pullback of {where} made a NaN of a cotangent of shape {shapes(parts(g))}")
            self._infinite(
                any_inf(after) and not any_inf(g, *before.values()), f"the pullback of {where}", shapes(parts(g))
            )

    @contextlib.contextmanager
    def _one(self) -> Iterator[bool]:
        """What runs inside belongs to one operation; whether it is within no other."""
        before = getattr(self.within, "one", False)
        self.within.one = True
        try:
            yield not before
        finally:
            self.within.one = before

    def _infinite(self, found: bool, what: str, of: str) -> None:
        if found and self.inf:
            self._fail(f"{what} made an infinity of shape {of}")
        if found and not self.infinite:
            self.infinite = what

    def _fail(self, what: str) -> NoReturn:
        cause = f" The first infinity came from {self.infinite}." if self.infinite else ""
        raise AnomalyError(f"{what}.{cause}")


def _numbering(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Nodes of all tapes numbered apart, so that a number says which line made the node."""

    def __init__(level: Any) -> None:
        original(level)
        if type(level) is ReverseLevel:
            level.count = itertools.count(level.id << 40)

    return __init__
