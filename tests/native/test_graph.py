"""Simplifying: equal work once, constants folded, dead work dropped, and no result changed."""

from __future__ import annotations

from typing import Any

import numpy as np

import dualad
import dualad.numpy as dnp
from dualad.modes.record import RecordLevel
from dualad.native.graph import Graph
from dualad.native.program import Missed, Program


def graph_of(f: Any, *xs: Any) -> Graph:
    with RecordLevel() as level:
        out = f(*[level.watch(x) for x in xs])
    return Graph(level, out if isinstance(out, tuple) else (out,))


def names(g: Graph) -> list[str]:
    return [v.name for v in g.values if v.op == "call"]


X = np.array([1.0, -0.0, 2.0])


def test_equal_work_is_done_once() -> None:
    assert names(graph_of(lambda x: np.sin(x) * np.sin(x) + np.sin(x), X)) == ["sin", "multiply", "add"]
    assert names(graph_of(lambda x: dnp.sum(x, axis=0) + dnp.sum(x, axis=0), X)) == ["sum", "add"]


def test_numbers_that_are_equal_and_not_the_same_stay_apart() -> None:
    g = graph_of(lambda x: (x * 1, x * 1.0, x * True, x * np.float32(1)), X)
    assert len({v.index for v in g.outputs}) == 4


def test_dead_work_and_copies_go() -> None:
    def f(x: Any) -> Any:
        np.exp(x)
        return dualad.stop_gradient(+x).reshape(3) * 2

    assert names(graph_of(f, X)) == ["multiply"]


def test_algebra_that_rounds_or_loses_a_sign_is_left_alone() -> None:
    g = graph_of(lambda x: (x + 0.0, x * 1.0 - x, (x + 1e30) - 1e30, x / 3 * 3), X)
    ours = Program(g)([X])
    for a, b in zip(ours, (X + 0.0, X * 1.0 - X, (X + 1e30) - 1e30, X / 3 * 3), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


def test_constants_are_folded() -> None:
    g = graph_of(lambda x: x * 2, X)
    table = g.constant(np.arange(3.0))
    folded = g.do("sin", (table,), (3,), np.dtype(float))
    assert folded.op == "constant"
    np.testing.assert_array_equal(folded.data, np.sin(np.arange(3.0)))
    moved = g.do("sin", (g.inputs[0],), (3,), np.dtype(float))
    assert moved.op == "call"


def test_guards_are_kept_with_what_they_look_at() -> None:
    def f(x: Any) -> Any:
        return x * 2 if (x.sum() > 0 and x.max() > 1) else x

    g = graph_of(f, X)
    assert [(p.why, p.seen) for p in g.guards] == [("bool()", True), ("bool()", True)]
    for native in (True, False):
        p = Program(g, native=native)
        np.testing.assert_array_equal(p([X])[0], X * 2)
        for bad, place in ((-X, 0), (X * 0.4, 1)):
            try:
                p([bad])
            except Missed as e:
                assert e.place == place
            else:
                raise AssertionError("the guard held")


def test_a_custom_rule_named_as_a_primitive_is_not_one() -> None:
    @dualad.custom_jvp
    def mean(x: Any) -> Any:
        return x * 3

    mean.defjvp(lambda primals, tangents: (mean(primals[0]), tangents[0]))
    f = dualad.jit(lambda x: mean(x) + 1)
    for _ in range(2):
        np.testing.assert_array_equal(f(X), X * 3 + 1)
