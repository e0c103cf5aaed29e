"""Programs that are the same but for one size, such as that of a batch.

Two recordings of a function, at two sizes n, are compared: where they differ, each number must be ``a * n + b``. The recording
at any other size is compared with that pattern too, as a whole, before code that was made for all sizes is used for it. So
nothing is assumed about what a function does at sizes at which it was not recorded. Numbers that differ, such as the count in
a mean, are arguments of that code.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np

from dualad.core.primitive import REGISTRY
from dualad.native.graph import SCALARS, Graph, Repeated, Value

STANDING = (2**31 - 1, 2**31 - 19)  # sizes that stand for n while code is made: primes far from all other numbers
LARGEST = 1 << 26  # of a dimension: BLAS has 32 bits for it, or a multiple of it
NEAR = 1 << 16  # at most, a and b
MOST, ATTEMPTS = 8, 4  # programs of one function that are kept for comparison, and comparisons of each that fail
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
SIZE = -1  # among the numbers
NUMBERS = (int, float, np.float64, np.float32)
SCALED = {"add", "subtract", "multiply", "divide", "quotient", "negative", "where", "broadcast_to"}


logger = logging.getLogger("dualad.jit")


class Differs(Exception):
    """The programs differ by more than a size."""


class Number(NamedTuple):
    """``a * n + b``."""

    a: int
    b: int

    def at(self, n: int) -> int:
        return self.a * n + self.b


class Pattern:
    """What two recordings that are alike have in common. Raises ``Differs``."""

    def __init__(self, first: Graph, second: Graph) -> None:
        self.first = first
        pairs = zip(first.inputs, second.inputs, strict=True)
        moved = [k for k, (v, w) in enumerate(pairs) if v.shape[:1] != w.shape[:1]]
        if not moved:
            raise Differs
        self.input = moved[0]  # whose first axis is the size
        self.sizes = n, m = self.size(first), self.size(second)
        if any(v.prim is not None and v.prim.multiple for v in first.values):
            raise Differs  # loops among them
        self.shapes: list[Any] = []
        self.params: list[Any] = []
        self.constants: set[int] = set()  # numbers that are not the same at each size
        for v, w in zip(first.values, second.values, strict=True):
            self.shapes.append(_fit(v.shape, n, w.shape, m))
            self.params.append(_fit(v.params, n, w.params, m))
            if v.op != "constant" and v.data != w.data:
                raise Differs
            if v.op == "constant" and not _equal(v.data, w.data) and not _equal(_uniform(v), _uniform(w)):
                self.constants.add(v.index)
        for v in first.values:
            own = [a for a in v.args if a.index in self.constants]
            if any(type(_uniform(a)) not in NUMBERS for a in own):
                raise Differs
            if any(a.shape == () for a in own) and (v.name not in SCALED or v.dtype not in FLOATS):
                raise Differs
        if not any(isinstance(k, Number) for v in first.inputs for k in self.shapes[v.index]):
            raise Differs

    def size(self, graph: Graph) -> int:
        """Of a recording that is alike."""
        return graph.inputs[self.input].shape[0]

    def holds(self, graph: Graph) -> bool:
        """Whether a recording is the pattern's, at its size."""
        if not alike(self.first, graph):
            return False
        n = self.size(graph)
        for v, w, shape, params in zip(self.first.values, graph.values, self.shapes, self.params, strict=True):
            if _at(shape, n) != w.shape or not _equal(_at(params, n), w.params):
                return False
            if any(isinstance(k, Number) and not 0 < k.at(n) <= LARGEST for k in shape):
                return False
            if v.op != "constant":
                if v.data != w.data:
                    return False
            elif v.index in self.constants or any(isinstance(k, Number) for k in shape):
                try:
                    same = _equal(_uniform(v), _uniform(w))
                except Differs:
                    return False
                if not same and v.index not in self.constants:
                    return False
            elif not _equal(v.data, w.data):
                return False
        return True

    def standing(self, n: int) -> tuple[Graph, dict[int, tuple[int, Any]]]:
        """The program at a size that stands for all. Its first input is the size; others are numbers, by what they are: the
        constant's index and the dtype."""
        graph = Graph.__new__(Graph)
        graph.zeros = self.first.zeros
        graph.values, graph.inputs, graph.guards = [], [], []
        numbers: dict[int, tuple[int, Any]] = {}
        known: dict[int, Value] = {}

        def add(v: Value) -> Value:
            v.index = len(graph.values)
            graph.values.append(v)
            return v

        def number(index: int, dtype: Any) -> Value:
            for k, own in numbers.items():
                if own == (index, np.dtype(dtype)):
                    return graph.values[k]
            v = add(Value("input", (), np.dtype(dtype)))
            numbers[v.index] = index, np.dtype(dtype)
            return v

        number(SIZE, np.int64)
        broadcast = REGISTRY["broadcast_to"]
        for v, shape, params in zip(self.first.values, self.shapes, self.params, strict=True):
            whole = _at(shape, n)
            if v.op == "constant":
                if v.index in self.constants and v.shape == ():
                    continue  # made for each use, in its type
                if v.index not in self.constants and whole == v.shape:
                    known[v.index] = add(Value("constant", v.shape, v.dtype, v.data))
                    continue
                if v.index in self.constants:
                    x = number(v.index, v.dtype)
                else:
                    x = add(Value("constant", (), v.dtype, _uniform(v)))
                known[v.index] = add(Value("call", whole, v.dtype, None, broadcast, (x,), {"shape": whole}))
                continue
            args = [
                number(a.index, v.dtype) if a.index in self.constants and a.shape == () else known[a.index]
                for a in v.args
            ]
            w = Value(v.op, whole, v.dtype, v.data, v.prim, tuple(args), _at(params, n))
            known[v.index] = add(w)
        graph.inputs = [known[v.index] for v in self.first.inputs]
        graph.outputs = [known[v.index] for v in self.first.outputs]
        graph.guards = [type(g)(known[g.value.index], g.why, g.seen, g.place) for g in self.first.guards]
        return graph, numbers

    def table(self, graph: Graph, numbers: dict[int, tuple[int, Any]]) -> np.ndarray:
        """The ``numbers`` of a recording, a word each."""
        words = np.zeros(len(numbers), np.int64)
        for k, (index, dtype) in enumerate(numbers.values()):
            x = self.size(graph) if index == SIZE else _uniform(graph.values[index])
            words[k : k + 1].view(dtype)[0] = x
        return words


def alike(first: Graph, second: Graph) -> bool:
    """Whether recordings have the same operations on the same operands."""
    return (
        len(first.values) == len(second.values)
        and _ends(first) == _ends(second)
        and all(_kind(v) == _kind(w) for v, w in zip(first.values, second.values, strict=True))
    )


def _ends(graph: Graph) -> Any:
    guards = [(g.value.index, g.why, repr(g.seen), isinstance(g, Repeated)) for g in graph.guards]
    return [v.index for v in graph.inputs], [v.index for v in graph.outputs], guards


def _kind(v: Value) -> Any:
    weak = type(v.data) if v.op == "constant" and type(v.data) in SCALARS else None
    return v.op, v.prim, v.dtype, weak, len(v.shape), tuple([a.index for a in v.args])


def _fit(x: Any, n: int, y: Any, m: int) -> Any:
    """A structure with ``Number`` wherever ``x``, at ``n``, and ``y``, at ``m``, differ."""
    if type(x) is not type(y):
        raise Differs
    if isinstance(x, dict):
        if list(x) != list(y):
            raise Differs
        return {k: _fit(v, n, y[k], m) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        if len(x) != len(y):
            raise Differs
        return type(x)([_fit(v, n, w, m) for v, w in zip(x, y, strict=True)])
    if isinstance(x, slice):
        return slice(*[_fit(getattr(x, k), n, getattr(y, k), m) for k in ("start", "stop", "step")])
    if _equal(x, y):
        return x
    if type(x) is not int:
        raise Differs
    return _line(x, n, y, m)


def _line(x: int, n: int, y: int, m: int) -> Number:
    a, rest = divmod(y - x, m - n)
    b = x - a * n
    if rest or abs(b) > NEAR or not 0 < a <= NEAR:
        raise Differs
    return Number(a, b)


def _uniform(v: Value) -> Any:
    """The number that all elements of a constant are."""
    if v.shape == ():
        return v.data
    flat = np.ravel(v.data)
    if flat.size == 0 or flat.tobytes() != flat[:1].tobytes() * flat.size:
        raise Differs
    return flat[0]


def _at(x: Any, n: int) -> Any:
    """A structure at size ``n``."""
    if isinstance(x, Number):
        return x.at(n)
    if isinstance(x, dict):
        return {k: _at(v, n) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)([_at(v, n) for v in x])
    if isinstance(x, slice):
        return slice(_at(x.start, n), _at(x.stop, n), _at(x.step, n))
    return x


def _equal(x: Any, y: Any) -> bool:
    """Equal in value, type and bits."""
    if type(x) is not type(y):
        return False
    if isinstance(x, dict):
        return list(x) == list(y) and all(_equal(v, y[k]) for k, v in x.items())
    if isinstance(x, (tuple, list)):
        return len(x) == len(y) and all(map(_equal, x, y))
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    if isinstance(x, float):
        return repr(x) == repr(y)
    return x is y or bool(x == y)


class Sizes:
    """The programs of one function, by what they have in common but for the size of first axes."""

    def __init__(self) -> None:
        self.known: dict[Any, list[_Family]] = {}

    def code(self, signature: Any, graph: Graph) -> Any:
        """Code (``Generic``) that serves this program too; else the program is noted for those to come."""
        structure, kinds, fixed = signature
        families = self.known.setdefault((structure, tuple(map(_open, kinds)), fixed), [])
        for family in families:
            if family.has(graph):
                return family.code(graph)
        if len(families) < MOST:
            families.append(_Family(graph))
        return None


def _open(kind: Any) -> Any:
    """What a signature says of an argument, but for the size of its first axis."""
    if isinstance(kind, tuple) and isinstance(kind[0], np.dtype) and kind[1]:
        return kind[0], (None, *kind[1][1:])
    return kind


class _Family:
    """A program, and the code that serves it at other sizes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.pattern: Pattern | None = None
        self.made: dict[bool, Any] = {}  # code for few rows, and for more
        self.failures = 0

    def has(self, graph: Graph) -> bool:
        """Whether this is the same program at another size."""
        if self.pattern is None and self.failures < ATTEMPTS and alike(self.graph, graph):
            try:
                self.pattern = Pattern(self.graph, graph)
            except Exception as e:  # parameters that cannot be taken apart are no reason to fail
                self.failures += 1
                logger.debug("not the same program at another size: %r", e)
        return self.pattern is not None and self.pattern.holds(graph)

    def code(self, graph: Graph) -> Any:
        assert self.pattern is not None
        found = self._made(False)
        return self._made(True) if found is not None and self.pattern.size(graph) < found.least else found

    def _made(self, few: bool) -> Any:
        assert self.pattern is not None
        if few not in self.made:
            from dualad.native.generic import made

            self.made[few] = made(self.pattern, few)
        return self.made[few]
