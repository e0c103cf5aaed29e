"""The walk back over a tape as a compiled program, for tapes of one structure.

What ``pull`` reads of a tape is either compared exactly with what it was when the program was made (primitives, parents,
parameters, shapes, Python numbers), or is an input of the program (the kept arrays and NumPy scalars, numbers that have
changed before). So a program that fits gives this tape's cotangents, whatever function made the tape. What the rules
look at is a guard of the program.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np

from dualad.core.primitive import REGISTRY
from dualad.core.spec import WIDE, Spec
from dualad.core.tensor import Tensor
from dualad.modes.record import RecordLevel
from dualad.modes.reverse import _NO_PARAMS, WIDTH, Node, backwards, pull
from dualad.native.graph import Graph
from dualad.native.iteration import LOOP
from dualad.native.program import Program
from dualad.ops.index import index
from dualad.ops.kinds import zeros_like
from dualad.ops.shape import transpose

MANY = 16  # kept values of one shape from where on they are handed over as one array
SMALL = 2048  # bytes: larger arrays are not copied for that
INPUTS = 400  # arguments of a program
VALUES = 4000  # operations of a program: more may take seconds to compile
CONSTANTS = 1 << 18  # bytes that a program may keep
NUMBERS = (float, int, bool, complex)
# Parameters that are the same where their types are and == says so.
PLAIN = (str, type(None), slice, tuple, list, np.dtype, type, type(Ellipsis), np.integer, *NUMBERS)
SCALAR = np.dtype(np.float64), ()
spec = attrgetter("dtype", "shape")
T = attrgetter("T")
Picker = Callable[[list[Any]], Sequence[Any]]


class Unsuitable(Exception):
    """Tapes of this structure are pulled back as ever."""


def picker(places: Sequence[int]) -> Picker:
    """The elements at ``places``."""
    if not places:
        return lambda xs: ()
    if len(places) == 1:
        (k,) = places
        return lambda xs: (xs[k],)
    return itemgetter(*places)


def exact(numbers: Sequence[Any]) -> bytes:
    """Python numbers as bytes: equal where their types and all their bits are."""
    return marshal.dumps(tuple(numbers), 2)


class Structure:
    """All of a tape but the kept values, and where those are.

    ``moving``: which of the Python numbers (by their place among the kept values) are inputs.
    """

    def __init__(self, recorded: Any, one: Any, moving: frozenset[int] = frozenset()) -> None:
        tape = recorded.tape
        self.ends = (recorded.indices, recorded.roots, type(one))
        self.prims = tape[5::WIDTH]
        if any(prim.multiple or not ours(prim) for prim in set(self.prims)):
            raise Unsuitable("an operation of the user's, or with several results")
        self.blank = [None] * len(self.prims)
        self.frame = self._frame(tape)
        self.params_of = picker([k for k in range(1, len(tape), WIDTH) if tape[k] is not _NO_PARAMS])
        self.levels = self._nesting(self._leaves(tape))
        kept = kept_of(tape)
        self.types = list(map(type, kept))
        places: dict[Any, list[int]] = {}
        for k, t in enumerate(self.types):
            places.setdefault("value" if t is np.ndarray or issubclass(t, np.generic) else t, []).append(k)
        values = places.pop("value", [])
        at_specs = places.pop(Spec, [])
        at_numbers = sorted(k for t in NUMBERS for k in places.pop(t, []))
        places.pop(type(None), None)
        if places:
            raise Unsuitable(f"it keeps a {next(iter(places)).__name__}")
        self.specs_of = picker(at_specs)
        self.specs = list(map(spec, self.specs_of(kept)))
        self.moving = moving
        self.at_numbers = [k for k in at_numbers if k not in moving]
        self.numbers_of = picker(self.at_numbers)
        self.numbers = exact(self.numbers_of(kept))
        self._divide(kept, values)
        self.microseconds = self._cost([kept[k] for k in values])

    def _frame(self, tape: list[Any]) -> list[Any]:
        """The tape without its values."""
        frame = tape.copy()
        frame[2::WIDTH] = frame[3::WIDTH] = self.blank
        return frame

    def _leaves(self, tape: list[Any]) -> list[Any]:
        return list(chain.from_iterable(map(dict.values, self.params_of(tape))))

    def _nesting(self, values: list[Any]) -> list[tuple[list[type], Picker | None]]:
        """The types of the parameters' leaves, level by level: 1, 1.0 and True are equal, and not the same."""
        levels: list[tuple[list[type], Picker | None]] = []
        while values:
            types = list(map(type, values))
            if any(not issubclass(t, PLAIN) for t in types) or any(type(v) is float and v == 0 for v in values):
                raise Unsuitable("a parameter that cannot be compared")
            nested = [k for k, t in enumerate(types) if issubclass(t, (tuple, list))]
            inner = picker(nested) if nested else None
            levels.append((types, inner))
            values = list(chain.from_iterable(inner(values))) if inner is not None else []
        return levels

    def _divide(self, kept: list[Any], values: list[int]) -> None:
        """Kept values as arguments: many small ones of a shape together, as one array."""
        groups: dict[Any, list[int]] = {}
        for k in values:
            groups.setdefault((spec(kept[k]), self.types[k]), []).append(k)
        floats = [k for k in self.moving if self.types[k] is float]
        if scalars := groups.pop((SCALAR, np.float64), []) + floats:
            groups[SCALAR, np.float64] = sorted(scalars)
        self.tables: list[tuple[Any, Picker, list[int], list[Any]]] = []
        self.alone = [k for k in self.moving if self.types[k] is not float]
        for (own, t), at in groups.items():
            small = t is np.float64 or (t is np.ndarray and own[1] and kept[at[0]].nbytes <= SMALL)
            if small and len(at) >= MANY:
                self.tables.append((own, picker(at), at, list(map(_spec_of, [kept[k] for k in at]))))
            else:
                self.alone += at
        self.alone.sort()
        if len(self.alone) > INPUTS:
            raise Unsuitable(f"it keeps {len(self.alone)} values")
        self.alone_of = picker(self.alone)
        self.alone_specs = list(map(_spec_of, self.alone_of(kept)))
        # How a value is handed over, if not as it is: transposes of arrays as what they are transposes of.
        self.ways = [np.int64 if type(x) is int else T if _turned(x) else None for x in self.alone_of(kept)]
        self.as_they_are = not any(self.ways)

    def _cost(self, values: list[Any]) -> float:
        """What walking back takes, roughly: an operation, a rule that is more than a product, memory traffic."""
        general = sum([not p.elementwise for p in self.prims])
        return 0.7 * len(self.prims) + 2.0 * general + 3e-4 * sum([v.nbytes for v in values])

    # Comparing --------------------------------------------------------------------------------

    def kept(self, recorded: Any, one: Any) -> list[Any] | None:
        """The kept values of a tape, if it is the same but for them, and for Python numbers."""
        tape = recorded.tape
        try:
            if self._frame(tape) != self.frame or (recorded.indices, recorded.roots, type(one)) != self.ends:
                return None
            kept = kept_of(tape)
            if list(map(type, kept)) != self.types:
                return None
            if self.specs and list(map(spec, self.specs_of(kept))) != self.specs:
                return None
            values = self._leaves(tape) if self.levels else []
            for types, inner in self.levels:
                if list(map(type, values)) != types:
                    return None
                if inner is not None:
                    values = list(chain.from_iterable(inner(values)))
        except Exception:  # a parameter has become something that has no yes or no
            return None
        return kept

    def moved(self, kept: list[Any]) -> list[int]:
        """Which of the numbers are not what they were."""
        now = self.numbers_of(kept)
        if not self.at_numbers or exact(now) == self.numbers:
            return []
        then = marshal.loads(self.numbers)
        return [k for k, a, b in zip(self.at_numbers, now, then, strict=True) if exact([a]) != exact([b])]


class Pullback:
    """A structure with its program."""

    def __init__(self, structure: Structure, recorded: Any, one: Any, kept: list[Any]) -> None:
        self.structure = s = structure
        level, outputs = record(s, recorded, one, kept)
        wanted = [g for g in outputs if g is not None]
        self.present = [g is not None for g in outputs]
        self.boxed = [type(v := _value(g)) is np.ndarray and v.ndim == 0 for g in wanted]
        graph = Graph(level, wanted)
        if s.moving and not graph.dtypes() <= WIDE:
            raise Unsuitable("numbers that change, beside arrays of a narrow dtype")
        held = [v.data for g in graphs(graph) for v in g.values if v.op == "constant"]
        held += [guard.seen for g in graphs(graph) for guard in g.guards]
        if sum(getattr(x, "nbytes", 0) for x in held) > CONSTANTS:
            raise Unsuitable("large constants")
        self.simple = all(self.present) and not any(self.boxed)
        self.size = sum([len(g.values) for g in graphs(graph)])
        self.graph = graph
        self.program: Any = None
        self.gathers: list[Callable[..., Any] | None] = []  # which make the tables
        self.misses = 0

    def compile(self) -> None:
        if self.size > VALUES:
            raise Unsuitable(f"it takes {self.size} operations")
        from dualad.native.gather import gathering

        self.program = Program(self.graph)
        self.gathers = [gathering(*own) for own, *_ in self.structure.tables]

    def arguments(self, one: Any, kept: list[Any]) -> list[Any] | None:
        """What the program is given, if the kept values are of the shapes that it was made for."""
        s = self.structure
        given = [one]
        for (_, of, _, specs), gather in zip(s.tables, self.gathers, strict=True):
            values = of(kept)
            table = None if gather is None else gather(*values)
            if table is None:  # another shape; or some are not contiguous
                if list(map(_spec_of, values)) != specs:
                    return None
                table = np.array(values)
            given.append(table)
        alone = s.alone_of(kept)
        if not s.as_they_are:
            alone = [x if way is None else way(x) for x, way in zip(alone, s.ways, strict=True)]
        given += alone
        return given

    def __call__(self, recorded: Any, one: Any, kept: list[Any]) -> list[Any] | None:
        """The cotangents of the leaves; None if this program is not for this tape."""
        given = self.arguments(one, kept)
        if given is None:
            return None
        direct = self.program.direct
        y = None if direct is None else direct(*given)
        if y is None or type(y) is int:
            if list(map(_spec_of, self.structure.alone_of(kept))) != self.structure.alone_specs:
                return None
            ys = self.program(given)
        else:
            ys = y if type(y) is tuple else (y,)
        if self.simple:
            return list(ys)
        found = iter([np.array(g) if box else g for g, box in zip(ys, self.boxed, strict=True)])
        return [next(found) if there else zeros_like(x) for there, x in zip(self.present, recorded.leaves, strict=True)]


def kept_of(tape: list[Any]) -> list[Any]:
    """All arguments, then all results, as the tape has them."""
    return [*chain.from_iterable(tape[3::WIDTH]), *tape[2::WIDTH]]


def record(s: Structure, recorded: Any, one: Any, kept: list[Any]) -> tuple[RecordLevel, list[Any]]:
    """The walk back over a tape, recorded: with the level, the cotangents of the leaves."""
    with RecordLevel() as level:
        g = level.watch(one)
        tensors: dict[int, Callable[[], Any]] = {}
        for (_, shape), of, at, _ in s.tables:
            table = level.watch(np.array(of(kept)))
            rest = (slice(None),) * len(shape)
            for row, k in enumerate(at):
                # Read where it is used, so that what repeats on the tape repeats in the recording.
                tensors[k] = partial(index, table, template=(row, *rest))
        for k, way in zip(s.alone, s.ways, strict=True):
            x = level.watch(np.float64(kept[k]) if type(kept[k]) is float else kept[k] if way is None else way(kept[k]))
            tensors[k] = partial(transpose, x, axes=(1, 0)) if way is T else partial(_itself, x)
        cts: dict[int, Any] = {}
        for i in recorded.indices:
            if i is not None:
                cts[i] = g
        pull(_walk(recorded.tape, tensors), cts)
        return level, [cts.get(r) for r in recorded.roots]


def _walk(tape: list[Any], tensors: dict[int, Callable[[], Any]]) -> Iterator[Node]:
    """The nodes, last first, with tensors for the kept values that have one."""
    result = sum(map(len, tape[3::WIDTH]))
    first = result
    result += len(tape) // WIDTH
    for k, prim, parents, args, y, params, fix in backwards(tape):
        first -= len(args)
        result -= 1
        args = tuple([tensors[first + i]() if first + i in tensors else a for i, a in enumerate(args)])
        yield k, prim, parents, args, tensors[result]() if result in tensors else y, params, fix


def ours(prim: Any) -> bool:
    """Whether the rules of a primitive are dualad's own, which depend on their arguments alone."""
    if REGISTRY.get(prim.name) is not prim:  # made for one call
        return False
    rules = [type(prim), *getattr(prim, "partials", ())]
    rules += [getattr(prim, name, None) for name in ("transpose", "left", "right", "_vjp")]
    return all(
        type(f) is int or str(getattr(f, "__module__", "")).startswith("dualad.") for f in rules if f is not None
    )


def graphs(graph: Graph) -> Iterator[Graph]:
    """The graph, and those of the bodies of its loops."""
    yield graph
    for v in graph.values:
        if v.prim is LOOP:
            yield from graphs(v.params["body"].graph)


def _turned(x: Any) -> bool:
    return type(x) is np.ndarray and x.ndim == 2 and x.flags.f_contiguous and not x.flags.c_contiguous


def _itself(x: Any) -> Any:
    return x


def _spec_of(x: Any) -> Any:
    return (x.dtype, x.shape) if hasattr(x, "dtype") else None


def _value(x: Any) -> Any:
    return x.value if type(x) is Tensor else x
