"""Loops that ``jit`` records by their body: the body runs for the first iterations, and the loop is one operation.

Two iterations are recorded, each as a program of carried values, slices and captures. Where they are the same program on the
same captures it is that of all iterations; the operation then runs it for all of them, and raises ``NoLoop`` where a guard
has another outcome at any. Whatever else speaks against it raises ``NoLoop`` too, and ``jit`` records the plain loop instead.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dualad.api.tabled import in_one
from dualad.core.level import GROUND
from dualad.core.spec import WIDE, Spec
from dualad.core.tensor import Tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.batch import BatchLevel
from dualad.modes.forward import ForwardLevel
from dualad.modes.record import COMPILING, NoLoop, NoRoom, RecordLevel, compiling
from dualad.modes.reverse import WIDTH, ReverseLevel
from dualad.native.captured import Captured, TooMuch
from dualad.tape.body import Body, constant_key, frozen, made, node_key
from dualad.tape.hoisting import hoisted
from dualad.tape.repeat import loop

LEAST = 8  # iterations; fewer are compiled one after the other
NUMBERS = (bool, int, float, complex)
LARGEST = 63  # bits of an integer that is carried


class _Iteration:
    """One iteration as recorded: what went into it, and what came out."""

    def __init__(
        self, f: Callable[..., Any], carries: Sequence[Any], structure: Any, slices: Sequence[Any], args: Any
    ) -> None:
        self.carries = list(carries)
        with compiling(inside=True) as level:
            self.level = level
            self.own = [_watched(level, x) for x in carries]
            self.cut = [level.watch(grounded(x)) for x in slices]
            given = [(t, t.aux) for t in [*self.own, *self.cut] if type(t) is Tensor]
            result = f(unflatten(structure, list(self.own)), args(self.cut))
            if not isinstance(result, tuple) or len(result) != 2:
                raise NoLoop("no pair")
            if any(t.level is not level or t.aux != k for t, k in given):
                raise NoLoop("an assignment into what the body was given")
            after, self.structure = flatten(result[0])
            ys, self.y_structure = flatten(result[1])
            self.outs = [output(level, y) for y in after]
            self.ys = [output(level, y) for y in ys]
            self.after = [y.value if type(y) is Tensor else y for y in self.outs]

    def body(self, carried: Sequence[int]) -> tuple[Body, list[Any]]:
        """The program between the carries (of these places) and slices, and what it captures. A carry that is a Python
        number keeps its place, so that values have the numbers that they have in other iterations."""
        own = [t if type(t := self.own[k]) is Tensor else None for k in carried]
        outs = [self.outs[k] for k in carried] + [y for y in self.ys if type(y) is Tensor]
        return made(self.level, own, self.cut, [], outs)


def grounded(x: Any) -> Any:
    return np.array(x.value)[()] if type(x) is Tensor and x.level is GROUND else x


def _watched(level: RecordLevel, x: Any) -> Any:
    x = grounded(x)
    numeric = type(x) is Tensor or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fciub")
    return level.watch(x) if numeric else x


def output(level: RecordLevel, y: Any) -> Any:
    if type(y) is Tensor and y.level is level:
        return y
    y = grounded(y)
    if type(y) is Tensor:
        return level.lift(y)
    return level.lift(np.array(y)[()]) if isinstance(y, (np.ndarray, np.generic)) else y


@contextlib.contextmanager
def standing_for(key: Any) -> Iterator[None]:
    """Whatever speaks against an operation in place of Python's loop or branches becomes ``NoLoop``, with ``key``: also an error
    of the user's, which comes again where Python runs them."""
    try:
        yield
    except NoRoom:
        raise
    except NoLoop as e:
        raise NoLoop(e.why, key) from None
    except TooMuch:
        raise NoLoop("a body or branch captures too much", key) from None
    except Exception as e:
        raise NoLoop(repr(e), key) from None


def repeated(
    f: Callable[[Any, Any], Any],
    key: Any,
    init: Any,
    leaves: Sequence[Any],
    args: Callable[[Sequence[Any]], Any],
    count: int,
    down: bool,
    counter: bool = False,
) -> tuple[Any, Any] | None:
    """``carry, y = f(carry, args(slices))`` for ``count`` slices of ``leaves``: the last carry and the ys, stacked, as one
    operation; None outside of ``jit``, and where it has been found that it cannot be one. ``key`` stands for the function.
    ``counter``: a tensor takes the place of a Python number, which is weak in NumPy's promotion."""
    if count < LEAST or not recording(key):
        return None
    with standing_for(key):
        captured = Captured(f)
        carries, structure = flatten(init)
        carries = [grounded(x) for x in carries]
        leaves = [grounded(x) for x in leaves]
        if any(type(x) not in (Tensor, np.ndarray) for x in leaves):
            raise NoLoop("arrays of another kind")
        wide = all(x.dtype in WIDE for x in [*carries, *leaves] if hasattr(x, "dtype"))
        if wide:  # there NumPy's promotion makes no difference between a float and an array
            carries = [np.float64(x) if type(x) is float else x for x in carries]
        start, step = (count - 1, -1) if down else (0, 1)

        def attempt(f: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
            own = list(carries)
            while True:
                first = _Iteration(f, own, structure, [v[start] for v in leaves], args)
                second = _Iteration(f, first.after, structure, [v[start + step] for v in leaves], args)
                changing = _counters(own, first.after, second.after) if wide else []
                if not changing:
                    break
                own = [np.asarray(x)[()] if k in changing else x for k, x in enumerate(own)]
            if captured.drew() or captured.changed() is not None:
                raise NoLoop("the body changes what it captures")
            return _as_loop(first, second, structure, leaves, count, down, counter or wide, COMPILING.levels[0])

        return in_one(attempt, (f,), captured)


def _counters(*values: Sequence[Any]) -> list[int]:
    """Places of the Python integers and booleans that differ in successive iterations, as a counter does, or become arrays
    of that type."""
    found = []
    for k, (x, y, z) in enumerate(zip(*values, strict=False)):
        if type(x) not in (bool, int):
            continue
        if type(y) in NUMBERS:
            moves = type(x) is type(y) is type(z) and (x != y or y != z)
        else:
            moves = getattr(y, "shape", None) == () and y.dtype == (np.bool_ if type(x) is bool else np.int64)
        if moves:
            if x.bit_length() > LARGEST:
                raise NoLoop("a large integer is carried")
            found.append(k)
    return found


def recording(key: Any = None) -> bool:
    """Whether loops may be recorded by their bodies, and that which ``key`` stands for."""
    return bool(COMPILING.levels) and COMPILING.refused is not None and key not in COMPILING.refused


def _as_loop(
    a: _Iteration, b: _Iteration, structure: Any, leaves: Any, count: int, down: bool, wide: bool, base: RecordLevel
) -> tuple[Any, Any]:
    if not a.structure == b.structure == structure or a.y_structure != b.y_structure:
        raise NoLoop("the structure changes")
    for x, y, z in zip([*a.carries, *a.ys], [*a.after, *a.ys], [*b.after, *b.ys], strict=True):
        if type(z) is not Tensor and not isinstance(z, (np.ndarray, np.generic)):
            if not equal(x, y) or not equal(y, z):
                raise NoLoop("a Python value changes")
    carried = [k for k, t in enumerate(b.own) if type(t) is Tensor]
    if any(type(x.outs[k]) is not Tensor for x in (a, b) for k in carried):
        raise NoLoop("a carry becomes a Python number")
    if [type(y) for y in a.ys] != [type(y) for y in b.ys]:
        raise NoLoop("the results change")
    mine, others = a.body(carried)
    body, captures = b.body(carried)
    numbers = {n: a.carries[k] for n, k in enumerate(carried) if type(a.own[k]) is not Tensor}
    _compare(mine, body, numbers)
    history = _History()
    if len(others) != len(captures) or not all(map(history.same, others, captures)):
        raise NoLoop("what it captures changes")
    if wide and not all(s.dtype in WIDE for s in body.specs.values() if isinstance(s, Spec)):
        raise NoLoop("numbers beside narrow dtypes")
    init = [_strong(numbers[n], body.spec(n)) if n in numbers else a.carries[k] for n, k in enumerate(carried)]
    operands = [*init, *leaves, *captures]
    for x in operands:
        check_levels(x, base)
    base.looped = True
    body, operands = hoisted(body, operands, count, down)
    out = loop(body, operands, count, down)
    after = list(b.after)
    for k, x in zip(carried, out, strict=False):
        after[k] = x
    stacks = iter(out[len(carried) :])
    ys = [next(stacks) if type(y) is Tensor else np.stack([np.asarray(y)] * count) for y in b.ys]
    return unflatten(structure, after), unflatten(b.y_structure, ys)


def equal(x: Any, y: Any) -> bool:
    return x is y or (type(x) is type(y) and type(x) in NUMBERS and repr(x) == repr(y))


def _strong(x: Any, s: Spec) -> Any:
    """A Python number as what it is carried on as."""
    y = np.asarray(x).astype(s.dtype)[()]
    if s.shape != () or y != x:
        raise NoLoop("the type of a carry changes")
    return y


def _compare(a: Body, b: Body, numbers: dict[int, Any]) -> None:
    """Raise ``NoLoop`` unless two iterations are the same program; where an input of ``b`` is one of ``numbers``, ``a`` may
    have that number itself."""
    inputs = [k for k in range(len(b.samples)) if k not in numbers]
    if len(a.samples) != len(b.samples) or any(a.spec(k) != b.spec(k) for k in inputs) or a.outs != b.outs:
        raise NoLoop("the shapes or dtypes change")
    if any(b.spec(k) != b.spec(b.outs[k]) for k in range(b.carries)):
        raise NoLoop("the shape or dtype of a carry changes")
    if len(a.nodes) != len(b.nodes):
        raise NoLoop("the operations change")
    for m, n in zip(a.nodes, b.nodes, strict=True):
        if numbers and any(q in numbers and p is None for p, q in zip(m[2], n[2], strict=False)):
            for p, q, x in zip(m[2], n[2], m[3], strict=True):
                if p is None and q in numbers and not equal(x, numbers[q]):
                    raise NoLoop("the operations change")
            places = tuple([q if q in numbers and p is None else p for p, q in zip(m[2], n[2], strict=True)])
            m = (m[0], m[1], places, *m[3:])
        if node_key(m) != node_key(n):
            raise NoLoop("the operations change")


class _History:
    """Whether two tensors have the same value by the same operations: what a body computes of its captures alone is computed
    in each of the two iterations."""

    def __init__(self) -> None:
        self.known: dict[Any, bool] = {}

    def same(self, x: Any, y: Any, depth: int = 100) -> bool:
        if x is y:
            return True
        if type(x) is not Tensor or type(y) is not Tensor:
            if x is None or y is None or type(x) is Tensor or type(y) is Tensor:
                return False
            return x == y if type(x) is Spec else bool(constant_key(x) == constant_key(y))
        level = x.level
        if y.level is not level or not depth:
            return False
        if isinstance(level, RecordLevel):
            return self._nodes(level, x.aux, y.aux, depth)
        if not self.same(x.value, y.value, depth):
            return False
        if isinstance(level, ReverseLevel):
            return self._nodes(level, x.aux, y.aux, depth)
        return isinstance(level, BatchLevel) or (
            isinstance(level, ForwardLevel) and (x.aux is y.aux or self.same(x.aux, y.aux, depth))
        )

    def _nodes(self, level: ReverseLevel, i: int, j: int, depth: int) -> bool:
        if i == j:
            return True
        if not depth:
            return False
        key = (level.id, i, j)
        if key not in self.known:
            self.known[key] = self._operations(_node(level, i), _node(level, j), level, depth - 1)
        return self.known[key]

    def _operations(self, a: Any, b: Any, level: ReverseLevel, depth: int) -> bool:
        if a is None or b is None or a[1] is not b[1] or len(a[2]) != len(b[2]):
            return False
        if {k: frozen(v) for k, v in a[5].items()} != {k: frozen(v) for k, v in b[5].items()}:
            return False
        for p, q, x, y in zip(a[2], b[2], a[3], b[3], strict=True):
            if (p is None) != (q is None):
                return False
            if not (self.same(x, y, depth) if p is None else self._nodes(level, p, q, depth)):
                return False
        return True


def _node(level: ReverseLevel, k: int) -> Any:
    """The node of a number, or None: nodes are in the order of their numbers."""
    if isinstance(level, RecordLevel):
        at = bisect.bisect_left(level.nodes, k, key=lambda n: n[0])
        return level.nodes[at] if at < len(level.nodes) and level.nodes[at][0] == k else None
    tape = level.tape
    at = bisect.bisect_left(range(len(tape) // WIDTH), k, key=lambda n: tape[WIDTH * n + WIDTH - 1])
    own = tape[WIDTH * at : WIDTH * (at + 1)]
    return tuple(reversed(own)) if own and own[-1] == k else None


def check_levels(x: Any, base: RecordLevel) -> None:
    """Raise ``NoLoop`` for tensors of transforms that do not know loops, or that are outside of the recording."""
    if type(x) is not Tensor:
        return
    level = x.level
    known = type(level) in (ReverseLevel, ForwardLevel, BatchLevel) or level in COMPILING.levels
    if not known or level.id < base.id:
        raise NoLoop(f"a tensor of {level.name}")
    check_levels(x.value, base)
    if type(level) is ForwardLevel:
        check_levels(x.aux, base)
