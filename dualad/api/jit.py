"""jit: record a function once for each path that Python takes through it, and run the recording as a compiled program."""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec

import numpy as np

from dualad.api.transform import Transform, outputs
from dualad.core.deferred import LEAST, Deferred, deferred, settled
from dualad.core.errors import ArgumentError, DtypeError
from dualad.core.level import GROUND
from dualad.core.spec import WIDE
from dualad.core.tensor import Tensor
from dualad.core.tree import LEAF, flatten, unflatten
from dualad.modes.record import NoLoop, NoRoom, RecordLevel, compiling
from dualad.native.callee import Room, by_address
from dualad.native.captured import Captured, TooMuch
from dualad.native.graph import Graph
from dualad.native.program import Missed, NotFinite, Program, available
from dualad.native.sizes import Sizes
from dualad.native.zeros import signs_matter

P = ParamSpec("P")
PATHS = 16  # compiled paths for one signature
RECORDINGS = 256  # that are compiled, of one function, all signatures together
ATTEMPTS = 3  # at functions that change what they capture
PLAIN = "positional arrays and floats"  # the structure of such arguments
Fast = tuple[Callable[..., Any], tuple[Callable[[], bool], ...], "Path"]
Finish = Callable[[Any], Any]
logger = logging.getLogger("dualad.jit")


def jit(
    f: Callable[P, Any], *, static_argnums: int | Sequence[int] = (), static_argnames: str | Sequence[str] = ()
) -> Callable[P, Any]:
    """``f`` compiled: recorded at its first call, and run as machine code afterwards.

    ``jit(f)(*args)`` gives what ``f(*args)`` gives, with results as NumPy arrays and scalars. Arguments are any pytrees.
    Arrays and floats may differ from call to call; for other shapes, dtypes, structures and for other values of
    arguments named by ``static_argnums`` and ``static_argnames`` (which must be hashable) ``f`` is recorded anew.
    Each value that Python looks at (``if``, ``while``, ``int()``, an index, a mask) is a **guard**: where a guard fails,
    the path that Python takes there is recorded, compiled and kept beside the others. What ``f`` captures (globals,
    closures, attributes) is watched, and ``f`` recorded anew when it changed.

    Raises what ``f`` raises, and ``ArgumentError`` for static arguments that cannot be hashed. A function that draws random
    numbers, or that changes what it captures, is not compiled but run as it is, with a ``RuntimeWarning``.

    >>> import numpy as np
    >>> from dualad import grad, jit
    >>> def f(x):
    ...     return (np.sin(x) * x).sum() if x[0] > 0 else (x * x).sum()
    >>> g = jit(grad(f))
    >>> g(np.array([1.0, 2.0])).round(3), g(np.array([-1.0, 2.0]))
    (array([1.382, 0.077]), array([-2.,  4.]))
    """
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    return Jit(f, numbers, names)


class Path:
    """One way of Python through the function: the program, and the structure of its result."""

    def __init__(self, graph: Graph, structure: Any, captured: Captured, shared: Any = None) -> None:
        self.captured = captured
        try:
            self.program = Program(graph, shared=shared)
        except Exception:  # a fault of the compiler is no reason to fail: NumPy runs the same recording
            logger.warning("a program could not be compiled; it runs on NumPy", exc_info=True)
            self.program = Program(graph, native=False)
        self.structure = structure
        self.guards = [repr(g.seen) for g in graph.guards]
        self.narrow = not graph.dtypes() <= WIDE
        self.door: Any = None
        self.finish = self._finish()

    def _finish(self) -> Finish | None:
        """What makes the result of what the native function returns; None where that is the result."""
        n = len(self.program.outputs)
        structure = self.structure
        if structure is LEAF:
            return None
        if n == 1:
            return lambda y: structure.unflatten((y,))
        same = unflatten(structure, list(range(n)))
        if type(same) is tuple and same == tuple(range(n)):
            return None
        return structure.unflatten

    def by_leaves(self, call: Call) -> Callable[..., Any] | None:
        """The native function itself, where the leaves of the arguments are its arguments."""
        if self.program.direct is None or call.static or len(call.kinds) != len(self.program.inputs):
            return None
        if self.narrow and any(not v.shape for v in self.program.graph.inputs):
            return None  # a float and a np.float64 are not the same there
        return self.program.direct


class Entry:
    """What is known for one signature: shapes, dtypes, structure, static arguments.

    Python numbers among the arguments are weak in NumPy's promotion. Where every array is of a wide dtype that makes no
    difference, and they are inputs; else their values belong to the signature. Integers begin there too, since they are
    mostly sizes and switches, and become inputs when they change.
    """

    def __init__(self, numbers: Sequence[Any]) -> None:
        self.moving = {k for k, x in enumerate(numbers) if type(x) in (float, complex)}
        self.fixed: set[int] = set()  # numbers that may not be inputs
        self.paths: dict[Any, list[Path]] = {}
        self.eager = ""  # why nothing more is recorded
        self.zeros = True  # products with zero may be dropped: all has been finite so far

    def key(self, numbers: Sequence[Any]) -> Any:
        return tuple([None if k in self.moving else (type(x), repr(x)) for k, x in enumerate(numbers)])


class Call:
    """The arguments of a call, taken apart: arrays, Python numbers, and all the rest (which is static)."""

    def __init__(self, f: Jit, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.leaves: list[Any] = []
        self.numbers: list[Any] = []
        self.static: list[Any] = []
        self.tracked = False  # by a transform outside
        self.exotic = False  # arrays that are not compiled
        self.fixed: list[tuple[Any, Any]] = []
        if f.static:
            args, kwargs, self.fixed = f.take_static(args, kwargs)
        if not kwargs and all(type(a) in (np.ndarray, float) for a in args):
            leaves, self.structure = list(args), PLAIN
        else:
            leaves, self.structure = flatten((args, kwargs))
        self.kinds: list[Any] = [self._leaf(x) for x in leaves]
        self.static += [v for _, v in self.fixed]
        if any(not _hashable(v) for v in self.static):
            bad = next(v for v in self.static if not _hashable(v))
            raise ArgumentError(
                f"jit: an argument of type {type(bad).__name__} is neither array nor number and cannot be hashed. "
                "Make it a pytree of arrays, or hashable."
            )
        self.signature = (self.structure, tuple(self.kinds), tuple(self.fixed))

    def _leaf(self, x: Any) -> Any:
        if type(x) is Tensor:
            if x.level is not GROUND:
                self.tracked = True
                return None
            x = x.value
        t = type(x)
        self.leaves.append(x)
        if t is np.ndarray:
            if x.dtype.kind not in "fciub":
                self.exotic = True
            return (x.dtype, x.shape)
        if t in (float, complex, int, bool):
            self.numbers.append(x)
            return t
        if isinstance(x, np.generic) and x.dtype.kind in "fciub":
            return (x.dtype, ())
        if hasattr(x, "__dualad_tensor__"):
            self.tracked = True
            return None
        if isinstance(x, np.ndarray):
            self.exotic = True
            return None
        self.static.append(x)
        return (t, x)

    def _moving(self, moving: set[int]) -> list[bool]:
        """Which leaves are inputs: arrays, and the numbers ``moving``."""
        out = []
        n = 0
        for kind in self.kinds:
            if isinstance(kind, type):
                out.append(n in moving)
                n += 1
            else:
                out.append(isinstance(kind[0], np.dtype))
        return out

    def inputs(self, moving: set[int]) -> list[Any]:
        """The inputs as NumPy knows them: arrays, and scalars where there is no axis."""
        chosen = zip(self.leaves, self._moving(moving), strict=True)
        return [x if type(x) is np.ndarray and x.ndim else np.asarray(x)[()] for x, yes in chosen if yes]

    def rebuilt(self, given: Sequence[Any], moving: set[int]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with ``given`` in the place of ``inputs``."""
        it = iter(given)
        leaves = [next(it) if yes else x for x, yes in zip(self.leaves, self._moving(moving), strict=True)]
        args, kwargs = (leaves, {}) if self.structure is PLAIN else unflatten(self.structure, leaves)
        args = list(args)
        for where, v in self.fixed:
            if isinstance(where, int):
                args.insert(where, v)
            else:
                kwargs[where] = v
        return tuple(args), kwargs


class Jit(Transform, Room):
    """A compiled function; made by ``jit``. While its class is ``_behind()``, calls go through ``door``."""

    __slots__ = ("door",)
    door: Any

    def __init__(self, f: Callable[..., Any], numbers: tuple[int, ...] = (), names: tuple[str, ...] = ()) -> None:
        super().__init__(_normal, f, "jit", static_argnums=numbers, static_argnames=names)
        self.static = bool(numbers or names)
        self.entries: dict[Any, Entry] = {}
        self.captured: Captured | None = None
        self.roots: dict[int, Any] = {}  # static arguments, which are watched too
        self.sizes = Sizes()
        self.recordings = 0
        self.served = 0  # of them, how many found code for all sizes
        self.attempts = 0
        self.deferring = True  # recordings compute nothing large that Python does not look at
        self.eager = ""  # why the function is run as it is
        self.refused: frozenset[Any] | None = frozenset()  # bodies of loops that are recorded iteration by iteration
        self.rooms: dict[Any, int] = {}  # for how many iterations of a body there must be room on stacks
        self.fast: Fast | None = None  # the native function that ran last, and what must not have changed
        self.tree: Any = None  # the same for arguments that are pytrees, with their structure and the result's
        self.door = None
        if self.static:
            self._resolve(numbers, names)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        fast = self.fast
        if fast is not None and not kwargs:
            f, checks, path = fast
            for same in checks:
                if not same():
                    break
            else:
                y = f(*args)
                if y is not None and type(y) is not int:
                    self._open(f, path)
                    return y if path.finish is None else path.finish(y)
        return self._slow(args, kwargs)

    def _open(self, f: Callable[..., Any], path: Path) -> None:
        """Let Python call native code instead of ``__call__``: ``f`` as ``fast`` has it, after the same checks."""
        if path.door is None:
            from dualad.native.door import door

            path.door = door(f, path.captured, Jit._again, path.finish) or False
        if path.door:
            self.door = path.door
            if path.door.open(self):
                self.__class__ = _behind()

    def _close(self) -> None:
        if type(self) is not Jit:
            from dualad.native.door import closed

            self.door = closed(Jit._again)  # since another thread may be opening one
            self.__class__ = Jit

    def _again(self, *args: Any, **kwargs: Any) -> Any:
        if self.door.shut:
            self.__class__ = Jit
        return self._slow(args, kwargs)

    def _slow(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tree = self.tree
        if tree is not None:
            f, checks, structure, finish = tree
            leaves, mine = flatten((args, kwargs))
            if mine == structure and all(same() for same in checks):
                y = f(*leaves)
                if y is not None and type(y) is not int:
                    return y if finish is None else finish(y)
        return self._call(args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.eager:
            return _normal(self.f, args, kwargs)
        call = Call(self, args, kwargs)
        if call.tracked:
            return self.f(*args, **kwargs)
        if call.exotic:
            return _normal(self.f, args, kwargs)
        if self.captured is not None and (name := self.captured.changed()) is not None:
            logger.info("%r: what it captures as %s has changed; recording anew", self, name)
            self.entries = {}
            self.sizes = Sizes()
            self.captured = self.fast = self.tree = None
            self._close()
        entry = self.entries.get(call.signature)
        if entry is None:
            entry = self.entries[call.signature] = Entry(call.numbers)
        key = entry.key(call.numbers)
        paths = entry.paths.get(key, [])
        missed: list[tuple[Path, int]] = []
        if paths:
            inputs = call.inputs(entry.moving)
            for path in paths:
                if any(path.guards[: k + 1] == p.guards[: k + 1] for p, k in missed):
                    continue
                try:
                    ys = path.program(inputs)
                except Missed as e:
                    missed.append((path, e.place))
                    if path.program.graph.guards[e.place].room:  # the next one has more, and takes its place
                        entry.paths[key] = [p for p in entry.paths[key] if p is not path]
                    continue
                except NotFinite:
                    logger.info("%r: numbers are not finite; recording anew, with products with zero", self)
                    entry.zeros, entry.paths, missed = False, {}, []
                    break
                except Exception as e:
                    # A step fails where Python would have gone another way, or where Python fails too: Python knows.
                    out = _normal(self.f, args, kwargs)
                    logger.info("%r: a compiled step raised %r, the function itself did not", self, e)
                    return out
                self._remember(path, call)
                if path is not paths[0]:
                    entry.paths[key] = [path, *[p for p in paths if p is not path]]
                return unflatten(path.structure, ys)
        if entry.eager:
            return _normal(self.f, args, kwargs)
        return self._record(entry, call, args, kwargs, missed)

    def _remember(self, path: Path, call: Call) -> None:
        # With what was captured when this path was recorded: another thread may have noticed a change meanwhile.
        f = path.by_leaves(call)
        if f is None:
            return
        if call.structure is PLAIN:
            if self.fast is None or self.fast[0] is not f:
                self._close()
            self.fast = (f, path.captured.fast, path)
        else:
            self.tree = (f, path.captured.fast, call.structure, path.finish)

    # Recording --------------------------------------------------------------------------------

    def _record(self, entry: Entry, call: Call, args: Any, kwargs: Any, missed: list[tuple[Path, int]]) -> Any:
        if not missed and entry.paths:
            self._loosen(entry, call)
        if sum(map(len, entry.paths.values())) >= PATHS:
            entry.eager = f"{PATHS} paths"
            self._warn(
                f"has taken {PATHS} different paths for one signature; calls that take another one are run without "
                "being compiled. Replace Python's decisions on values (if, while, int()) by dualad.numpy.where, or do not "
                "compile the function that makes them."
            )
            return _normal(self.f, args, kwargs)
        if self.recordings - self.served >= RECORDINGS:
            return self._give_up(
                f"was compiled {RECORDINGS} times (for other shapes, structures, static arguments or captured values) "
                "and is run as it is from now on",
                args,
                kwargs,
            )
        self.recordings += 1
        try:
            self.roots.update((id(v), v) for v in call.static)
            captured = Captured(self.f, *self.roots.values())
        except TooMuch:
            return self._give_up("captures more than can be watched for changes, and is run as it is", args, kwargs)
        except Exception as e:  # some object's own methods
            return self._give_up(
                f"captures something that cannot be watched ({e!r}), and is run as it is", args, kwargs
            )
        why = "first call with this signature"
        if missed:
            path, k = missed[0]
            why = f"a guard failed: {path.program.graph.guards[k]}"
        elif entry.paths:
            why = "another value of a Python number"
        with uncollected():
            return self._compile(entry, call, args, kwargs, captured, why)

    def _compile(self, entry: Entry, call: Call, args: Any, kwargs: Any, captured: Captured, why: str) -> Any:
        recorded = self._trace(entry, call, captured)
        if recorded is None:
            return _normal(self.f, args, kwargs)
        values, level, ys, structure = recorded
        if captured.drew() or captured.changed() is not None:
            self.attempts += 1
            name = "random numbers" if captured.drew() else f"`{captured.changed()}`, which it captures"
            logger.info("%r: the call changed %s; nothing was compiled", self, name)
            if self.attempts >= ATTEMPTS:
                what = "draws random numbers" if captured.drew() else f"changes {name}"
                self._warn(f"{what} when it is called; it is run as it is, not compiled.")
                self.eager = what
            return unflatten(structure, [settled(v) for v in values])
        try:
            graph = Graph(level, ys)
            graph.zeros = entry.zeros and not signs_matter(graph.values)
            shared = self.sizes.code(call.signature, graph) if available() and entry.zeros else None
            path = Path(graph, structure, captured, shared)
            self.served += shared is not None
        except Exception:
            logger.warning("%r: a recording could not be compiled; such calls are run as they are", self, exc_info=True)
            entry.eager = "a fault of the compiler"
            return unflatten(structure, [settled(v) for v in values])
        if path.narrow and entry.moving:
            entry.fixed |= entry.moving
            entry.moving = set()
            entry.paths = {}
            return self._record(entry, call, args, kwargs, [])
        logger.info("%r: compiled %d operations (%s)", self, len(path.program.steps), why)
        self.captured = captured
        self._remember(path, call)
        key = entry.key(call.numbers)
        entry.paths[key] = [path, *entry.paths.get(key, [])]
        if any(type(v) is Deferred for v in values):
            with contextlib.suppress(Exception):  # NumPy says what is wrong
                values = path.program(call.inputs(entry.moving))
        return unflatten(structure, [settled(v) for v in values])

    def _loosen(self, entry: Entry, call: Call) -> None:
        """Make inputs of the integers that have changed."""
        seen = list(entry.paths)
        new = entry.key(call.numbers)
        changed = {k for k, x in enumerate(new) if x is not None and x[0] is int and any(s[k] != x for s in seen)}
        if changed - entry.fixed:
            entry.moving |= changed - entry.fixed
            entry.paths = {}

    def _trace(self, entry: Entry, call: Call, captured: Captured) -> Any:
        """Values, recording, results and their structure, of one evaluation; None where it cannot be recorded."""
        moving = entry.moving
        level: RecordLevel | None = None
        try:
            with compiling(self.refused, self.rooms) as level:
                level.deferring = self.deferring
                args, kwargs = call.rebuilt(
                    [level.watch(deferred(x) if self.deferring else x) for x in call.inputs(moving)], moving
                )
                ys, structure = outputs(self.f(*args, **kwargs), "jit")
                values = [y.value if type(y) is Tensor and y.level is level else y for y in ys]
                if any(type(v) is Tensor for v in values):
                    raise DtypeError("jit: the function returned a tensor of a transform outside")
        except NoRoom as e:
            self.rooms[e.of] = 2 * e.count
            return self._retrace(entry, call, captured, self.refused)
        except NoLoop as e:
            logger.info("%r: a loop is recorded iteration by iteration (or a branch alone): %s", self, e.why)
            refused = None if e.of is None or self.refused is None else self.refused | {e.of}
            return self._retrace(entry, call, captured, refused)
        except Exception as e:
            if self.deferring and level is not None and (level.looped or any(np.size(x) >= LEAST for x in call.leaves)):
                self.deferring = False
                return self._retrace(entry, call, captured, self.refused)
            if level is not None and level.looped:  # a body's tensors may have got out, which only plain loops allow
                return self._retrace(entry, call, captured, None)
            integers = {k for k in moving if type(call.numbers[k]) is int}
            if integers:  # as constants they may do
                entry.fixed |= integers
                entry.moving = moving - integers
                return self._trace(entry, call, captured)
            # Either Python fails here too, or f does what cannot be recorded (float(x), math.sin(x)): run it and see.
            logger.info("%r: cannot be recorded, and is run as it is: %s: %s", self, type(e).__name__, e)
            return None
        return [v if type(v) is Deferred else np.array(v)[()] for v in values], level, ys, structure

    def _retrace(self, entry: Entry, call: Call, captured: Captured, refused: frozenset[Any] | None) -> Any:
        """``_trace`` without the loops that are ``refused``, from now on, if they were what stood in the way."""
        captured.rewind()
        before, self.refused = self.refused, refused
        recorded = self._trace(entry, call, captured)
        if recorded is None:
            self.refused = before
        return recorded

    def _give_up(self, why: str, args: Any, kwargs: Any) -> Any:
        self.eager = why
        self._warn(why + ".")
        return _normal(self.f, args, kwargs)

    def _warn(self, text: str) -> None:
        message = f"jit: {getattr(self.f, '__qualname__', self.f)!s} {text}"
        logger.warning(message)
        warnings.warn(message, RuntimeWarning, stacklevel=5)

    # Inspection -------------------------------------------------------------------------------

    def _paths(self) -> list[tuple[Any, Path]]:
        return [(key, p) for key, e in self.entries.items() for paths in e.paths.values() for p in paths]

    def explain(self) -> str:
        """What was compiled: for each signature and path the guards, the steps, the loops, the memory."""
        served = f", {self.served} of them for code for all sizes" if self.served else ""
        lines = [f"{self!r}: {self.recordings} recording{'s' * (self.recordings != 1)}{served}"]
        if self.eager:
            lines.append(f"run as it is: it {self.eager}")
        if self.captured is not None and (names := [n for n in self.captured.names() if " of " not in n]):
            lines.append(f"watched for changes: {', '.join(names)}")
        sizes: dict[int, list[int]] = {}  # at which code for all sizes is used
        for _, path in self._paths():
            if (shared := path.program.shared) is not None:
                sizes.setdefault(id(shared), []).append(shared.pattern.size(path.program.graph))
        for _, path in self._paths():
            graph, shared = path.program.graph, path.program.shared
            if shared is None:
                lines.append(f"path ({', '.join(f'{v.dtype}{list(v.shape)}' for v in graph.inputs)}):")
            elif at := sizes.pop(id(shared), None):
                lines.append(f"path ({shared.in_words()}), n = {', '.join(map(str, at))}:")
            else:
                continue
            lines += [f"  guard: {g!r}" for g in graph.guards]
            lines += [f"  {line}" for line in path.program.listing()]
        return "\n".join(lines)

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The program for these arguments (which runs it once, if need be); ``as_text()`` prints its LLVM code."""
        self(*args, **kwargs)
        call = Call(self, args, kwargs)
        entry = self.entries.get(call.signature)
        paths = entry.paths.get(entry.key(call.numbers)) if entry is not None else None
        if not paths:
            raise ArgumentError(f"jit: nothing was compiled for these arguments. {self.explain()}")
        return Lowered(paths[0].program)

    # Static arguments -------------------------------------------------------------------------

    def _resolve(self, numbers: tuple[int, ...], names: tuple[str, ...]) -> None:
        """Positions and names of the static arguments, each by both where the signature tells."""
        try:
            parameters = list(inspect.signature(self.f).parameters)
        except (TypeError, ValueError):
            parameters = []
        for n in names:
            if parameters and n not in parameters and not _any_keyword(self.f):
                raise ArgumentError(f"jit: static_argnames={n!r}: the function has no parameter of that name.")
        self.static_names = {*names, *[parameters[i] for i in numbers if -len(parameters) <= i < len(parameters)]}
        self.static_places = {*numbers, *[parameters.index(n) for n in names if n in parameters]}

    def take_static(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        places = {i % len(args) for i in self.static_places if -len(args) <= i < len(args)}
        fixed: list[tuple[Any, Any]] = [(i, args[i]) for i in sorted(places)]
        fixed += [(k, kwargs[k]) for k in sorted(kwargs) if k in self.static_names]
        rest = tuple([a for i, a in enumerate(args) if i not in places])
        return rest, {k: v for k, v in kwargs.items() if k not in self.static_names}, fixed

    def __reduce__(self) -> Any:
        by_name = super().__reduce__()
        if isinstance(by_name, str):
            return by_name
        return (Jit, (self.f, self.options["static_argnums"], self.options["static_argnames"]))


@functools.cache
def _behind() -> type[Jit]:
    return by_address(Jit)


class Lowered:
    """A compiled program, to look at."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def as_text(self) -> str:
        """The steps, and the LLVM code of the native ones."""
        return "\n".join([*self.program.listing(), *self.program.texts()])


def _normal(f: Callable[..., Any], args: Any, kwargs: Any, **_: Any) -> Any:
    """The function itself, with its results as arrays."""
    out = f(*args, **kwargs)
    if type(out) is np.ndarray:
        return out
    leaves, structure = outputs(out, "jit")
    return unflatten(structure, leaves)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection, which would walk through the growing recording again and again."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


def _any_keyword(f: Any) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(f).parameters.values())
