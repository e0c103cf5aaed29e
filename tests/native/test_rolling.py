"""Loops rolled up: the answer is that of the recording as it is, and what is compiled does not grow with the trip count."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dualad
import dualad.numpy as dnp
from dualad import fori_loop, grad, hessian, jacfwd, jit, scan, value_and_grad, while_loop
from dualad.api.jit import Call
from dualad.native import recurrence
from dualad.native.iteration import LOOP, Runner
from dualad.native.program import Missed, Program
from dualad.native.repetition import repeats
from tests.native.test_registry import programs

RNG = np.random.default_rng(7)


@pytest.fixture
def eager_to_roll(monkeypatch: Any) -> None:
    """Short loops are rolled too."""
    monkeypatch.setattr(recurrence, "LEAST", 24)
    monkeypatch.setattr(recurrence, "COUNT", 4)


pytestmark = pytest.mark.usefixtures("eager_to_roll")


def loops(f: Any) -> list[Any]:
    """The loops of everything that was compiled, those in loops included."""
    found: list[Any] = []

    def visit(graph: Any) -> None:
        for v in graph.values:
            if v.prim is LOOP:
                found.append(v.params["body"])
                visit(v.params["body"].graph)

    for p in programs(f):
        visit(p.graph)
    return found


def native(f: Any) -> bool:
    """Whether every loop is one native function."""
    steps = [s[0] for p in programs(f) for s in p.steps]
    return all(s.code is not None for s in steps if isinstance(s, Runner))


def check(f: Any, *xs: Any, rolled: int | None = None, rtol: float = 1e-12) -> Any:
    """Compiled equals uncompiled, at the point where it was recorded and at another one, and so does the recording on NumPy."""
    g = jit(f)
    other = [x * 0.9 if np.asarray(x).dtype.kind == "f" else x for x in xs]
    for point in (xs, other, xs):
        ours, theirs = g(*point), f(*point)
        for a, b in zip(leaves(ours), leaves(theirs), strict=True):
            assert np.shape(a) == np.shape(b)
            assert a.dtype == np.asarray(b).dtype
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * 10)
        for p in programs(g):
            call = Call(g, point, {})
            inputs = call.inputs(set(range(len(call.numbers))))
            try:
                again = p(inputs)
            except Missed:
                continue
            for a, b in zip(Program(p.graph, native=False)(inputs), again, strict=True):
                np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * 10)
    if rolled is not None:
        assert len(loops(g)) == rolled, g.explain()
    return g


def leaves(y: Any) -> list[Any]:
    return list(dualad.core.tree.flatten(y)[0])


X = np.array([0.3, -0.2, 0.5])


# Finding -------------------------------------------------------------------------------------


def test_runs_are_found_between_other_things() -> None:
    codes = np.array([100, 101, *[1, 2, 3] * 50, 102, *[4, 5, 4, 6] * 30, 103])
    found = repeats(codes, 24, 4)
    assert found[0] == (2, 3, 50)
    assert (153, 4, 30) in found


def test_an_outer_run_comes_before_the_inner_one() -> None:
    codes = np.array([9, *[*[1, 2] * 12, 3] * 20, 8])
    assert repeats(codes, 24, 4)[0][1] == 25


def test_what_does_not_repeat_has_no_runs() -> None:
    assert repeats(np.arange(500), 24, 4) == []
    assert repeats(np.array([1, 2]), 24, 4) == []


# Plain loops ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [30, 31, 77])
def test_a_carried_value(n: int) -> None:
    def f(x: Any) -> Any:
        for _ in range(n):
            x = np.sin(x) * 1.1 + 0.1
        return x

    g = check(f, 0.4, rolled=1)
    assert native(g)
    assert "loop of" in g.explain()
    check(grad(f), 0.4, rolled=2)
    check(grad(grad(f)), 0.4)


@pytest.mark.parametrize("back", [2, 3, 5])
def test_values_from_iterations_before(back: int) -> None:
    def f(x: Any) -> Any:
        xs = [x * (k + 1.0) for k in range(back)]
        for _ in range(60):
            xs.append(np.tanh(xs[-1] * 0.5 + xs[-back] * 0.6))
        return xs[-1] + xs[-2]

    check(f, 0.4, rolled=1)
    check(grad(f), 0.4)


def test_constants_of_each_iteration() -> None:
    table = RNG.normal(size=(50, 3))

    def f(x: Any) -> Any:
        for k in range(50):
            x = np.cos(x * table[k]) + k * 0.01 - x / (k + 1)
        return (x * x).sum()

    assert native(check(f, X, rolled=1))
    assert native(check(grad(f), X, rolled=2))


def test_integers_where_an_operation_wants_floats() -> None:
    def f(x: Any) -> Any:
        y = x
        for k in range(50):
            y = y * 0.9 + (x + 1.5) ** k / 10.0**k
        return y.sum()

    check(grad(f), X, rtol=1e-11)


def test_elements_of_an_array() -> None:
    def f(x: Any, w: Any) -> Any:
        s = 0.0
        for k in range(40):
            s = np.tanh(s * w[0] + x[k] * w[1] + x[39 - k])
        return s

    x, w = RNG.normal(size=40), np.array([0.5, -0.3])
    assert native(check(f, x, w, rolled=1))
    g = check(value_and_grad(f, (0, 1)), x, w, rolled=2)
    assert native(g)


def test_rows_of_an_array_and_columns() -> None:
    def f(x: Any, a: Any) -> Any:
        out = []
        for k in range(40):
            x = np.tanh(x * 0.5 + a[k] + a[k, 1])
            out.append(x)
        return dnp.stack(out), dnp.stack(out, axis=1)

    check(f, X, RNG.normal(size=(40, 3)), rolled=1)
    check(grad(lambda *v: (f(*v)[0] ** 2).sum() + f(*v)[1][1].sum(), (0, 1)), X, RNG.normal(size=(40, 3)))


def test_elements_in_no_order() -> None:
    order = RNG.permutation(40).tolist() + [3, 3, 1]

    def f(x: Any) -> Any:
        s = 0.1
        for k in order:
            s = s * x[k] + np.sin(s)
        return s

    check(f, RNG.normal(size=40), rolled=1)
    check(grad(f), RNG.normal(size=40), rolled=2)


def test_all_values_of_the_forward_loop_are_kept_for_the_reverse_one() -> None:
    def f(x: Any) -> Any:
        out = []
        for k in range(35):
            x = np.sin(x) + 0.2 * x
            out.append(x * (k + 1))
        return dnp.stack(out[::-1]), out[3], out[-1]

    check(f, 0.7)
    check(jacfwd(lambda x: f(x)[0]), 0.7)
    check(grad(lambda x: (f(x)[0] * np.arange(35.0)).sum() + f(x)[1] * f(x)[2]), 0.7)


def test_float32_and_integers() -> None:
    def f(x: Any) -> Any:
        k = x.astype(np.int64) * 0
        for i in range(40):
            x = np.sin(x) * np.float32(1.5) + i
            k = k * 3 + i
        return x, k, x + 0.5

    x = np.array([0.3, 0.2], np.float32)
    check(f, x, rolled=1, rtol=1e-5)
    check(grad(lambda x: (f(x)[0] ** 2).sum()), x, rtol=1e-4)


def test_narrow_numbers_in_the_body_only() -> None:
    def f(x: Any, c: float) -> Any:
        y = x
        for _ in range(40):
            y = y + (y.astype(np.float32) * c).astype(np.float64)
        return y

    g = jit(f)
    for c in (0.1, 0.3, 0.1):
        np.testing.assert_allclose(g(X, c), f(X, c), rtol=1e-14)
    assert loops(g)


def test_larger_arrays() -> None:
    a = RNG.normal(size=(30, 30)) / 8

    def f(x: Any) -> Any:
        for _ in range(30):
            x = np.tanh(a @ x + 0.1) * 0.9 + x.mean()
        return x

    assert native(check(f, RNG.normal(size=30), rolled=1))
    check(grad(lambda x: (f(x) ** 2).sum()), RNG.normal(size=30), rtol=1e-10)


def test_what_is_not_native_runs_iteration_by_iteration() -> None:
    def f(x: Any) -> Any:
        for _ in range(20):
            x = dnp.sort(x * 1.1) - x.mean() * np.array([0.1, 0.2, 0.3])
        return x

    g = check(f, X, rolled=1)
    assert not native(g)
    assert "one by one" in g.explain()


def test_second_derivatives() -> None:
    def f(x: Any) -> Any:
        for k in range(30):
            x = np.sin(x) * x[::-1] + 0.1 * k
        return x.sum()

    check(hessian(f), X * 0.1, rtol=1e-9)
    check(jacfwd(grad(f)), X * 0.1, rtol=1e-9)


# Guards --------------------------------------------------------------------------------------


def test_a_guard_in_each_iteration() -> None:
    def f(x: Any) -> Any:
        for _ in range(40):
            x = x * 0.9 + 0.1 if x > -1.0 else x * 2.0
        return x

    g = jit(f)
    for x in (0.5, 0.7, -3.0, -0.999, 0.5):
        np.testing.assert_allclose(g(x), f(x), rtol=1e-13)
    assert loops(g)
    assert "in each of" in g.explain()


def test_a_loop_of_guards_only() -> None:
    def f(x: Any) -> Any:
        for k in range(40):
            if x[k] < 0:
                return x * k
        return x * 2.0

    x = RNG.random(40)
    for compiled in (jit(f), jit(grad(lambda x: f(x).sum()))):
        for k in (None, 20, 3, 39, None):
            y = x.copy()
            if k is not None:
                y[k] = -1.0
            np.testing.assert_array_equal(compiled(y), f(y) if compiled.f is f else grad(lambda x: f(x).sum())(y))
        assert loops(compiled)


def test_a_loop_that_ends_when_it_likes() -> None:
    def f(x: Any) -> Any:
        n = 0
        while x < 100.0:
            x = x * 1.05 + 0.01
            n += 1
        return x, n

    g = jit(grad(lambda x: f(x)[0]))
    h = jit(f)
    for x in (1.0, 1.0001, 5.0, 1.5, 1.0):
        np.testing.assert_allclose(h(x), f(x), rtol=1e-13)
        np.testing.assert_allclose(g(x), grad(lambda x: f(x)[0])(x), rtol=1e-12)
    assert loops(h)


def test_guards_that_differ_somewhere() -> None:
    def f(x: Any) -> Any:
        for k in range(50):
            x = np.sin(x * 3.0 + k) if x > 0 else x * x - 0.3
        return x

    g = jit(grad(f))
    for x in np.linspace(-1, 1, 9):
        np.testing.assert_allclose(g(x), grad(f)(x), rtol=1e-10)


# Programs that nearly repeat -----------------------------------------------------------------


@pytest.mark.parametrize("odd", [0, 1, 17, 38, 39])
def test_one_iteration_differs(odd: int) -> None:
    def f(x: Any) -> Any:
        y = x
        for k in range(40):
            y = np.sin(y) * x + y
            if k == odd:
                y = y + x * 3.0
        return y

    check(f, 0.4)
    check(grad(f), 0.4)


@pytest.mark.parametrize("odd", [0, 1, 17, 38, 39])
def test_one_operand_differs(odd: int) -> None:
    def f(x: Any, z: Any) -> Any:
        y, w = x, x * z
        for k in range(40):
            y, w = np.sin(y) * (z if k == odd else x) + w, y * 0.5
        return y

    check(f, 0.4, 1.3)
    check(grad(f, (0, 1)), 0.4, 1.3)


def test_both_sides_of_an_operand_that_differs() -> None:
    def f(x: Any, z: Any) -> Any:
        y, w = x, x * z
        for k in range(100):
            y, w = np.sin(y) * (z if k == 40 else x) + w, y * 0.5
        return y

    assert sum(b.count for b in loops(check(f, 0.4, 1.3, rolled=2))) > 90
    check(grad(f, (0, 1)), 0.4, 1.3, rolled=4)


def test_the_type_of_the_carry_changes_at_first() -> None:
    def f(x: Any) -> Any:
        y: Any = x.astype(np.float32)
        s: Any = 0
        for _ in range(40):
            y = y * x + 0.1
            s = s + y
        return y, s

    check(f, np.array([0.5, 0.25]))
    check(grad(lambda x: f(x)[1].sum()), np.array([0.5, 0.25]), rtol=1e-6)


def test_the_shape_of_the_carry_changes_at_first() -> None:
    def f(x: Any) -> Any:
        y = x[0]
        for _ in range(40):
            y = np.sin(y + x) * 0.9
        return y

    check(f, X)


def test_two_alternating_bodies() -> None:
    def f(x: Any, z: Any) -> Any:
        for k in range(60):
            x = np.sin(x + (z if k % 2 else 0.3 * z)) * (x if k % 3 else z)
        return x

    check(f, 0.4, 0.8)
    check(grad(f, (0, 1)), 0.4, 0.8)


def test_loops_one_after_the_other() -> None:
    def f(x: Any) -> Any:
        first = []
        for k in range(30):
            x = np.sin(x) + 0.1 * k
            first.append(x)
        for k in range(30):
            x = x * np.cos(first[k]) + first[29 - k]
        for _ in range(30):
            x = x * 0.9 + np.tanh(x)
        return x

    check(f, 0.4, rolled=3)
    check(grad(f), 0.4, rolled=6, rtol=1e-11)


def test_a_loop_reads_every_other_iteration_of_another() -> None:
    def f(x: Any) -> Any:
        first = []
        for _ in range(60):
            x = np.sin(x) * 1.1 + 0.3
            first.append(x)
        s = 0.0
        for k in range(30):
            s = s * 0.5 + first[2 * k] * first[59 - k]
        return s

    check(f, 0.4)
    check(grad(f), 0.4)


def test_values_from_before_the_loop_one_by_one() -> None:
    def f(x: Any) -> Any:
        xs = [np.sin(x), np.cos(x), x * x, np.tanh(x), np.exp(x), x / 3, -x, np.sqrt(x + 2), np.arctan(x), x + 1.5]
        s = 0.0 * x
        for y in xs:
            s = np.sin(s * y + 0.5) + np.tanh(s - y) * np.cos(y)
        return s

    assert native(check(f, X, rolled=1))
    check(grad(lambda x: f(x).sum()), X, rtol=1e-11)


def test_a_loop_after_what_cannot_be_one() -> None:
    def f(x: Any) -> Any:
        xs = [x * (k + 1) for k in range(30)]
        for k in range(40):
            xs.append(np.sin(xs[-1]) + 0.1 * xs[-30] * xs[(k * k) % 30])
        x = xs[-1]
        for _ in range(40):
            x = np.tanh(x) * 1.1 + 0.1
        return x

    g = check(f, 0.4, rolled=1)
    assert loops(g)[0].count >= 38
    check(grad(f), 0.4)


def test_complex_numbers() -> None:
    def f(x: Any) -> Any:
        z = x + 0.3j
        for k in range(30):
            z = z * z * 0.5 + 0.1j * k / 30
        return np.abs(z)

    check(f, X, rolled=1)


def test_the_code_of_a_loop_can_be_looked_at() -> None:
    def f(x: Any) -> Any:
        for _ in range(50):
            x = np.sqrt(x + 1.0)
        return x

    assert ".body" in jit(f).lower(2.0).as_text()


def test_nested_loops() -> None:
    table = RNG.normal(size=(30, 25))

    def f(x: Any) -> Any:
        for i in range(30):
            y = x * 0.5
            for j in range(25):
                y = np.sin(y) + 0.01 * j * x + table[i, j] * 0.1
            x = np.tanh(y + 0.1 * i)
        return x

    g = check(f, 0.4, rolled=2)
    assert native(g)
    assert sorted(b.count for b in loops(g)) == [25, 30]
    assert native(check(grad(f), 0.4, rtol=1e-11))


def test_a_guard_in_a_nested_loop() -> None:
    def f(x: Any) -> Any:
        for i in range(12):
            y = x[i]
            for j in range(12):
                y = np.sin(y) + 0.1 if y < 2.0 else y * 0.25 - 0.01 * j
            x = x * 0.9 + y * 0.1 if y > -1.0 else x
        return x

    g = jit(f)
    x = RNG.random(12)
    for k in (None, 5, 11, 0, None):
        y = x.copy()
        if k is not None:
            y[k] = 9.0 + k
        np.testing.assert_allclose(g(y), f(y), rtol=1e-13)


def test_loops_of_changing_length() -> None:
    def f(x: Any) -> Any:
        for i in range(3, 16):
            y = x
            for _ in range(2 * i):
                y = np.sin(y) + 0.1 * x
            x = np.tanh(y)
        return x

    check(f, 0.4)
    check(grad(f), 0.4, rtol=1e-11)


def test_a_sum_of_placed_rows() -> None:
    def f(x: Any) -> Any:
        s = 0.0
        for i in range(10):
            for j in range(4):
                s = s + np.sin(x[i, j] * x[j, i % 4])
        return s

    check(grad(f), RNG.normal(size=(10, 4)), rtol=1e-11)


def test_assignment_into_an_array() -> None:
    def f(x: Any) -> Any:
        y = dnp.zeros(40) + x[0]
        for k in range(1, 40):
            y[k] = np.sin(y[k - 1]) + x[k]
        return y

    x = RNG.normal(size=40)
    g = check(f, x, rolled=1)
    assert native(g)
    assert "changed in place" in g.explain()
    h = check(grad(lambda x: (f(x) ** 2).sum()), x, rolled=2, rtol=1e-11)
    assert native(h)


def test_assignment_of_rows_and_sums_in_place() -> None:
    def f(x: Any) -> Any:
        y = dnp.zeros((41, 3)) + x[:1]
        for k in range(40):
            y[k + 1] = np.tanh(y[k] * 0.5 + x[k])
            y[k] += x[40 - k] * y[k + 1]
        return y

    x = RNG.normal(size=(41, 3))
    check(f, x, rolled=1)
    check(grad(lambda x: (f(x) ** 2).sum()), x, rtol=1e-11)


def test_an_array_written_and_read_at_places_that_meet() -> None:
    where = RNG.integers(0, 12, 60).tolist()

    def f(x: Any) -> Any:
        y = x * 1.0
        for k in range(60):
            y[where[k]] = np.sin(y[where[59 - k]]) + 0.1 * k
            y[k % 5] = y[where[k]] * 0.5
        return y

    x = RNG.normal(size=12)
    check(f, x)
    check(grad(lambda x: (f(x) ** 2).sum()), x, rtol=1e-11)


def test_old_versions_of_an_array() -> None:
    def f(x: Any) -> Any:
        y, olds = x * 1.0, []
        for k in range(40):
            old = y
            y = dnp.where(np.arange(40) == k, np.sin(old), old)
            z = y.copy()
            z[k] = old[k] * 2.0
            olds.append(z[k] + y[39 - k] + old.sum())
            y = z
        return y, dnp.stack(olds)

    check(f, RNG.normal(size=40), rtol=1e-11)


def test_constants_into_an_array() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        for k in range(40):
            y[k] = k * 1.5
        z = x * 3.0
        for k in range(0, 80, 2):
            z[79 - k] = -1.0
            z[k] = z[k] + x[k // 2]
        return y, z

    check(f, RNG.normal(size=80))
    check(grad(lambda x: (f(x)[1] ** 2).sum() + (f(x)[0] ** 2).sum()), RNG.normal(size=80))


# What is compiled ------------------------------------------------------------------------------


def size(g: Any) -> int:
    return sum(len(p.graph.values) for p in programs(g)) + sum(len(b.graph.values) for b in loops(g))


def test_what_is_compiled_does_not_grow_with_the_trip_count() -> None:
    def of(n: int) -> int:
        def f(x: Any) -> Any:
            for k in range(n):
                x = np.sin(x) * x[0] + np.array([np.cos(k), 1.0, 2.0])
            return x.sum()

        g = jit(grad(f))
        g(X)
        return size(g)

    assert of(50) == of(400)


def test_a_value_of_no_use_later_has_a_ring() -> None:
    def f(x: Any) -> Any:
        for _ in range(200):
            x = np.sin(x) + 0.1
        return x

    g = jit(f)
    g(X)
    (body,) = loops(g)
    assert [s.length for s in body.stacks] == [2]
    h = jit(grad(lambda x: f(x).sum()))
    h(X)
    assert max(s.length for b in loops(h) for s in b.stacks) > 190


def test_short_repetitions_are_left_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(recurrence, "LEAST", 1000)

    def f(x: Any) -> Any:
        for _ in range(100):
            x = np.sin(x) + 0.1
        return x

    check(f, 0.3, rolled=0)


# Loops as functions ----------------------------------------------------------------------------


def test_fori_loop() -> None:
    def f(x: Any) -> Any:
        return fori_loop(0, 40, lambda i, v: np.sin(v) * x + 0.1 * i, x * 2.0).sum()

    assert native(check(f, X, rolled=1))
    assert native(check(grad(f), X, rolled=2, rtol=1e-11))


def test_scan_and_map() -> None:
    def f(x: Any, us: Any) -> Any:
        last, ys = scan(lambda c, u: (np.tanh(c * 0.5 + u), np.sin(c) * u), x, us)
        return (last * last).sum() + (ys * ys).sum()

    us = RNG.normal(size=(40, 3))
    check(f, X, us, rolled=1)
    g = check(value_and_grad(f, (0, 1)), X, us, rtol=1e-11)
    assert native(g)
    check(lambda x: dualad.map(lambda r: np.sin(r) * r.sum() + r * r, x), us, rolled=1)


def test_while_loop() -> None:
    def f(x: Any) -> Any:
        return while_loop(lambda v: v[0] < 50.0, lambda v: (v[0] * 1.1 + x, v[1] + v[0]), (x, 0.0))[1]

    g = jit(grad(f))
    for x in (1.0, 1.01, 2.0, 1.0):
        np.testing.assert_allclose(g(x), grad(f)(x), rtol=1e-12)


def test_many_threads_in_one_loop() -> None:
    def f(x: Any) -> Any:
        for k in range(300):
            x = np.sin(x) * x[0] + 0.1 * np.cos(k)
        return x.sum()

    g = jit(grad(f))
    points = [X + 0.01 * k for k in range(20)]
    expected = [g(x) for x in points]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for a, b in zip(pool.map(g, points), expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_garbage_is_collected_again_after_recording() -> None:
    def f(x: Any) -> Any:
        raise KeyError if x > 5 else ValueError

    assert gc.isenabled()
    jit(np.sin)(0.5)
    with pytest.raises(ValueError):
        jit(f)(0.5)
    assert gc.isenabled()


def test_a_stack_taken_apart_before_the_reverse_loop(monkeypatch: Any) -> None:
    monkeypatch.setattr(recurrence, "LEAST", 200)  # more than the index operations that take it apart

    def f(x: Any, us: Any) -> Any:
        last, ys = scan(lambda c, u: (np.tanh(c * 0.5 + u), np.sin(c) * u), x, us)
        return (last * last).sum() + (ys * ys).sum()

    g = check(grad(f, (0, 1)), X, RNG.normal(size=(150, 3)), rolled=2)
    assert native(g)
    assert size(g) < 400


# Random programs -------------------------------------------------------------------------------

UNARY = [np.sin, np.tanh, lambda v: v * 0.7, lambda v: -v, lambda v: np.exp(-v * v), lambda v: v[::-1] if v.ndim else v]
BINARY = [lambda a, b: a * b, lambda a, b: a + b, lambda a, b: np.maximum(a, b), lambda a, b: a - 0.5 * b]


@st.composite
def bodies(draw: Any) -> Any:
    """(state size, history, count, code, the odd iteration, places written, seed): an instruction is (operation, operands),
    an operand (kind, which)."""
    kinds = ["state", "back", "constant", "table", "element", "local", "reverse", "buffer"]
    code = []
    for _ in range(draw(st.integers(2, 6))):
        op = draw(st.integers(0, len(UNARY) + len(BINARY) - 1))
        code.append((op, [(draw(st.sampled_from(kinds)), draw(st.integers(0, 3))) for _ in range(2)]))
    return (
        draw(st.sampled_from([(), (2,), (3,), (20,)])),
        draw(st.integers(1, 3)),
        draw(st.integers(9, 40)),
        code,
        draw(st.sampled_from([None, None, 0, 5, -1])),
        draw(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=2)),
        draw(st.integers(0, 2**16)),
    )


@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(bodies())
def test_random_bodies(drawn: Any) -> None:
    random_body(drawn)


@pytest.mark.nightly
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(bodies())
def test_random_bodies_nightly(drawn: Any) -> None:
    random_body(drawn)


def random_body(drawn: Any) -> None:
    shape, history, count, code, odd, written, seed = drawn
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(count, *shape))
    xs = rng.normal(size=(count, *shape)) * 0.5
    order = rng.integers(0, count, count).tolist()

    def f(x: Any, z: Any) -> Any:
        past = [z * (k + 1.0) for k in range(history)]
        kept = []
        y = x * 1.0
        for t in range(count):
            places = [t, count - 1 - t, (t + 1) % count, max(t - 2, 0), order[t], 3]
            local: list[Any] = []
            for op, operands in code:
                chosen = []
                for kind, k in operands:
                    chosen.append(
                        past[-1] if kind == "state"
                        else past[-history] if kind == "back"
                        else 0.3 if kind == "constant"
                        else table[t] if kind == "table"
                        else x[t] if kind == "element"
                        else x[count - 1 - t] if kind == "reverse"
                        else y[places[k]] if kind == "buffer"
                        else local[-1 - k] if k < len(local)
                        else z
                    )  # fmt: skip
                if op < len(UNARY):
                    local.append(np.tanh(UNARY[op](chosen[0] + 0.0 * z)))
                else:
                    local.append(np.tanh(BINARY[op - len(UNARY)](*chosen) + 0.0 * z))
            if odd is not None and t == odd % count:
                local.append(local[-1] * 0.5 + z)
            for k, added in written:
                y[places[k]] = local[-1] + y[places[k]] if added else local[-1]
            past.append(local[-1])
            kept.append(local[0])
        return (past[-1] * past[-2]).sum() + (y * y).sum(), dnp.stack(kept)

    z = rng.normal(size=shape)[()]
    g = value_and_grad(lambda x, z: (lambda a, b: a + (b * b).sum())(*f(x, z)), (0, 1))
    check(f, xs, z, rtol=1e-10)
    check(g, xs, z, rtol=1e-9)
