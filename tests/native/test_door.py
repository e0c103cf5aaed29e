"""Compiled functions whose calls no longer pass through Python: the same answers, and Python again for all else."""

from __future__ import annotations

import copy
import dataclasses
import functools
import gc
import inspect
import pickle
import sys
import threading
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

from dualad import grad, jacobian, jit, jvp, vmap
from dualad.api.jit import Jit
from dualad.core.tree import flatten
from dualad.native import captured, door, entry

X = np.array([1.0, 2.0, 3.0])
FACTOR = 2.0


def opened(f: Any, *args: Any) -> Any:
    """``f`` after as many calls as it takes to have a door."""
    for _ in range(3):
        f(*args)
    assert has_door(f)
    return f


def has_door(f: Any) -> bool:
    return type(f) is not Jit


def scaled(x: Any, by: Any = 1.0) -> Any:
    return x * FACTOR * by


def test_all_else_goes_through_python() -> None:
    f = opened(jit(scaled), X)
    assert f(X, by=3.0).tolist() == f(X, 3.0).tolist() == f(by=3.0, x=X).tolist() == [6, 12, 18]
    assert f(X[:2]).tolist() == [2, 4]
    assert f(X.astype(np.float32)).dtype == np.float32
    assert f(np.ones((3, 2))[:, 0]).tolist() == [2, 2, 2]
    assert float(f(4.0)) == 8
    assert grad(lambda x: f(x).sum())(X).tolist() == [2, 2, 2]
    assert jvp(f, (X,), (X,))[1].tolist() == [2, 4, 6]
    assert vmap(f)(np.ones((2, 3))).tolist() == [[2, 2, 2]] * 2
    with pytest.raises(TypeError):
        f()
    with pytest.raises(TypeError):
        f(X, other=1)
    assert opened(f, X)(X).tolist() == [2, 4, 6]


def test_it_remains_what_it_is() -> None:
    f = opened(jit(scaled), X)
    assert isinstance(f, Jit) and repr(f) == "<jit of scaled>" and "guard" not in f.explain()
    assert inspect.signature(f) == inspect.signature(scaled)
    for other in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f)):
        assert type(other) is Jit
        np.testing.assert_array_equal(other(X), f(X))


def test_what_it_captures_is_compared(monkeypatch: Any) -> None:
    f = opened(jit(scaled), X)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 5.0)
    assert f(X).tolist() == [5, 10, 15]
    opened(f, X)
    monkeypatch.delattr(sys.modules[__name__], "FACTOR")
    with pytest.raises(NameError):
        f(X)


def test_cells_defaults_and_code_are_compared() -> None:
    scale = 2.0

    def own(x: Any, by: Any = 3.0) -> Any:
        return x * scale * by

    def other(x: Any, by: Any = 3.0) -> Any:
        return x * scale - by

    f = opened(jit(own), X)
    assert f(X).tolist() == [6, 12, 18]
    scale = 4.0
    assert f(X).tolist() == [12, 24, 36]
    own.__defaults__ = (1.0,)
    assert opened(f, X)(X).tolist() == [4, 8, 12]
    own.__code__ = other.__code__
    assert f(X).tolist() == [3, 7, 11]


@pytest.mark.parametrize("kind", ["list", "array", "dict", "object", "class"])
def test_what_only_python_can_compare(kind: str) -> None:
    class Held:
        by = 2.0

    held: Any = {"list": [2.0], "array": np.array([2.0]), "dict": {0: 2.0}, "object": Held(), "class": Held}[kind]
    f = opened(jit(lambda x: x * (held.by if kind in ("object", "class") else held[0])), X)
    assert f(X).tolist() == [2, 4, 6]
    if kind in ("object", "class"):
        held.by = 3.0
    else:
        held[0] = 3.0
    assert f(X).tolist() == [3, 6, 9]


@pytest.mark.parametrize("order", ["C", "F", "strided", "empty", "0-d", "bool", "complex64"])
def test_captured_arrays_are_compared(order: str) -> None:
    """Without Python where they lie in one piece, to the last byte."""
    whole: Any = np.arange(24.0).reshape(4, 6)
    held = {
        "C": whole,
        "F": whole.T,
        "strided": whole[:, ::2],
        "empty": whole[:0],
        "0-d": whole[1, 1:2].reshape(()),
        "bool": whole > 7,
        "complex64": whole.astype(np.complex64),
    }[order]
    f = opened(jit(lambda x: x * (held.sum() + held.size)), X)
    ((_, path),) = f._paths()
    _, checks = path.captured.watched()
    assert [type(c) for c in checks] == [captured.Contents] and checks[0]()
    assert {row[0] for row in door._held(checks[0], [])} == (
        {door.CALL} if order == "strided" else {door.WORD, door.MEMORY}
    )
    if held.size:
        last = tuple(n - 1 for n in held.shape)
        held[last] = not held[last] if held.dtype == bool else held[last] + 1
    np.testing.assert_allclose(f(X), X * (held.sum() + held.size))
    assert checks[0]() == (held.size == 0)


def test_a_captured_array_changes_its_form() -> None:
    """In place, with the same bytes."""
    for change in (
        lambda a: setattr(a, "shape", (6, 2)),
        lambda a: setattr(a, "shape", 12),
        lambda a: setattr(a, "dtype", np.int64),
        lambda a: setattr(a, "strides", (8, 32)),
        lambda a: a.resize((2, 3), refcheck=False),
    ):
        held = np.ones((4, 3)).copy()
        f = opened(jit(lambda x, held=held: x * held.sum(axis=0).sum() + held.shape[0]), X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            change(held)
        np.testing.assert_array_equal(f(X), X * held.sum(axis=0).sum() + held.shape[0])


def test_bindings_are_compared_without_python() -> None:
    scale = 2.0
    f = opened(jit(lambda x, by=1.0: x * scale * by * FACTOR), X)
    ((_, path),) = f._paths()
    places, rest = path.captured.watched()
    assert len(places) >= 4 and not rest
    assert all(door._compared(p) is not None for p in places)


def test_guards_that_alternate() -> None:
    f = jit(lambda x: x * 2 if x[0] > 0 else x * 3)
    for k in range(20):
        assert f(X).tolist() == [2, 4, 6]
        if k > 3:
            assert f(X).tolist() == [2, 4, 6]
        assert f(-X).tolist() == [-3, -6, -9]
    opened(f, X)


def test_methods() -> None:
    class Model:
        by = 2.0

        @functools.partial(jit)
        def scaled(self, x: Any) -> Any:
            return x * self.by

    m = Model()
    for _ in range(4):
        assert m.scaled(X).tolist() == [2, 4, 6]
    m.by = 3.0
    assert m.scaled(X).tolist() == [3, 6, 9]


def test_errors_in_comparisons_are_raised(monkeypatch: Any) -> None:
    held = [2.0]
    f = opened(jit(lambda x: x * held[0]), X)
    monkeypatch.setattr("dualad.native.captured._is", None)  # bound where lists are compared
    with pytest.raises(TypeError):
        f(X)


def test_nothing_is_kept() -> None:
    f = opened(jit(lambda x: x * 2), X)
    alive = weakref.ref(f)
    kept = f.door
    x = X.copy()
    gone = weakref.ref(x)
    for _ in range(3):  # what is compiled for keywords holds some too
        f(x=x)
    gc.collect()
    before = sys.getrefcount(None), sys.getrefcount(True)
    for _ in range(1000):
        f(x)
        f(x=x)
    assert abs(sys.getrefcount(None) - before[0]) < 100 and abs(sys.getrefcount(True) - before[1]) < 100
    del x, f
    gc.collect()
    assert alive() is None and gone() is None
    other = opened(jit(lambda x: x * 3), X)
    assert other(X).tolist() == [3, 6, 9]
    other.door = kept  # it owns its code
    assert other(X).tolist() == [2, 4, 6]


def test_threads_while_captured_values_change() -> None:
    scale = np.ones(1)
    f = jit(lambda x: x * scale)
    opened(f, X)
    wrong: list[Any] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            y = f(X) / X
            if not (y[0] == y[1] == y[2] and y[0] in (1.0, 2.0, 3.0)):
                wrong.append(y)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for k in range(30):
        scale[0] = k % 3 + 1
    stop.set()
    for t in threads:
        t.join()
    assert not wrong
    scale[0] = 2.0
    assert f(X).tolist() == [2, 4, 6]


def test_without_the_layout_python_is_asked(monkeypatch: Any) -> None:
    monkeypatch.setattr(door, "layout_holds", lambda: False)
    f = jit(scaled)
    for _ in range(4):
        assert f(X).tolist() == [2, 4, 6]
    assert not has_door(f)
    monkeypatch.setattr(door, "layout_holds", entry.layout_holds)
    monkeypatch.setattr(door, "_offset", lambda _: None)
    g = jit(scaled)
    opened(g, X)
    assert g(X).tolist() == [2, 4, 6]


def test_globals_whose_table_changes() -> None:
    """A name is found where it was; where the dictionary has another table by now, or the name another place, by its hash."""
    names: dict[str, Any] = {"np": np, "factor": FACTOR}
    exec("def f(x): return np.abs(x) * factor", names)
    f = opened(jit(names["f"]), X)
    assert door._entry(names, "factor", FACTOR) != (0, 0)
    names.update({f"other{k}": k for k in range(1000)})
    assert f(X).tolist() == [2, 4, 6]
    assert has_door(f)
    del names["factor"]
    with pytest.raises(NameError):
        f(X)
    names["factor"] = 3.0
    assert f(X).tolist() == [3, 6, 9]
    opened(f, X)
    del names["factor"]
    names["factor"] = 5.0
    assert f(X).tolist() == [5, 10, 15]
    names.clear()
    names.update(np=np, factor=7.0, __builtins__={})
    assert f(X).tolist() == [7, 14, 21]


def test_where_the_entry_of_a_dictionary_is() -> None:
    class Some:
        def __init__(self) -> None:
            self.a = FACTOR

    assert door._entry({"a": 1, "b": FACTOR}, "b", FACTOR) != (0, 0)
    assert door._entry({}, "b", FACTOR) == (0, 0)
    assert door._entry({"b": 3.0}, "b", FACTOR) == (0, 0)
    assert door._entry({1: FACTOR, "a": 3}, 1, FACTOR) != (0, 0)
    split = Some()
    assert isinstance(door._entry(split.__dict__, "a", split.a), tuple)


def test_results_of_every_structure() -> None:
    """The door makes the result's structure of what native code returns, with nothing shared between calls."""
    for f in (
        lambda x: {"a": x * 2, "b": (x.sum(), [x + 1])},
        lambda x: [x * 2],
        lambda x: (x * 2,),
        lambda x: [x * 2, x - 1],
        lambda x: (x * 2, None, {"z": x.max()}),
    ):
        g = opened(jit(f), X)
        first, second = g(X), g(X + 1)
        for found, x in ((first, X), (second, X + 1)):
            leaves, structure = flatten(found)
            expected, same = flatten(f(x))
            assert structure == same
            for a, b in zip(leaves, expected, strict=True):
                np.testing.assert_array_equal(a, b)
        flatten(first)[0][0][:] = 7
        np.testing.assert_array_equal(flatten(g(X + 1))[0][0], flatten(second)[0][0])
        kept = 1  # to be used again
        assert sys.getrefcount(flatten(g(X))[0][0]) == sys.getrefcount(flatten(f(X))[0][0]) + kept


def test_sparse_results() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return x[1:] * x[:-1]

    g = opened(jit(jacobian(f, sparse=True)), X)
    for x in (X, X + 1, X):
        np.testing.assert_array_equal(g(x).toarray(), jacobian(f)(x))
    first, second = g(X), g(X)
    first.indices[:] = 0
    first.indptr[:] = 0
    first.data[:] = 0
    np.testing.assert_array_equal(second.toarray(), jacobian(f)(X))
    np.testing.assert_array_equal(g(X).toarray(), jacobian(f)(X))
    assert second.has_canonical_format
    assert (g(X) @ X).tolist() == (jacobian(f)(X) @ X).tolist()


def test_a_result_that_cannot_be_made() -> None:
    """An error while the result is made is raised, and the next call is right."""

    @dataclasses.dataclass
    class Pair:
        a: Any
        b: Any

    f = opened(jit(lambda x: Pair(x * 2, x + 1)), X)
    assert f(X).b.tolist() == [2, 3, 4]
    limit = sys.getrecursionlimit()

    def deep(n: int) -> Any:
        return f(X) if n == 0 else deep(n - 1)

    for n in range(limit - 60, limit):
        try:
            assert deep(n).a.tolist() == [2, 4, 6]
        except RecursionError:
            break
    assert f(X).a.tolist() == [2, 4, 6]


def test_every_way_to_call() -> None:
    f = opened(jit(scaled), X)
    expected = [2, 4, 6]
    calls = [
        lambda: f.__call__(X),
        lambda: f(*[X]),
        lambda: type(f).__call__(f, X),
        lambda: next(map(f, [X])),
        lambda: functools.partial(f, X)(),
        lambda: functools.partial(f)(X),
        lambda: functools.reduce(lambda x, g: g(x), [f], X),
        lambda: functools.partial(f, by=1.0)(X),
    ]
    for call in calls:
        assert call().tolist() == expected
        assert has_door(f)
    assert isinstance(f, Jit) and issubclass(type(f), Jit)
    with pytest.raises(TypeError):
        type(f).__call__(X)


def test_a_door_that_goes_while_it_is_used(monkeypatch: Any) -> None:
    held = [2.0]
    f = opened(jit(lambda x: x * held[0]), X)
    alive = weakref.ref(f.door)
    closed: list[bool] = []

    def drops(a: Any, b: Any) -> bool:
        f._close()
        f.entries.clear()
        f.captured = f.fast = f.tree = None
        gc.collect()
        closed.append(alive() is not None)
        return a is b

    original = captured._is
    monkeypatch.setattr(captured, "_is", drops)
    assert f(X).tolist() == [2, 4, 6]
    monkeypatch.setattr(captured, "_is", original)
    gc.collect()
    assert closed and all(closed) and alive() is None
    assert opened(f, X)(X).tolist() == [2, 4, 6]


def test_a_shut_door_is_opened_again() -> None:
    f = opened(jit(scaled), X)
    f.door = door.closed(Jit._again)  # as another thread may leave it
    assert f(X).tolist() == [2, 4, 6]
    assert not has_door(f)
    assert f(X).tolist() == [2, 4, 6]
    assert has_door(f) and not f.door.shut


def test_functions_that_capture_themselves_are_collected() -> None:
    def made() -> Any:
        def own(x: Any) -> Any:
            return x * 2 if other else x

        other = [own]
        f = opened(jit(own), X)
        other.append(f)
        f(X)
        return weakref.ref(opened(f, X))

    gone = [made() for _ in range(3)]
    gc.collect()
    assert not any(g() for g in gone)


def test_doors_that_open_and_close_in_threads() -> None:
    f = opened(jit(lambda x: x * 2 if x[0] > 0 else x * 3), X)
    wrong: list[Any] = []
    stop = threading.Event()

    def work(x: Any, expected: list[float]) -> None:
        while not stop.is_set():
            if f(x).tolist() != expected:
                wrong.append(x)

    threads = [threading.Thread(target=work, args=a) for a in ((X, [2, 4, 6]), (-X, [-3, -6, -9])) * 3]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for t in threads:
            t.start()
        for _ in range(25):
            f._close()
            f.entries.clear()
            f.captured = f.fast = None
            f(X)
    finally:
        stop.set()
        for t in threads:
            t.join()
        sys.setswitchinterval(interval)
    assert not wrong
    assert opened(f, X)(X).tolist() == [2, 4, 6]
