"""jit: values, guards, captured state, nesting, structures, limits, threads."""

from __future__ import annotations

import functools
import logging
import pickle
import threading
import weakref
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, grad, hessian, jit, jvp, value_and_grad, vmap
from dualad.api.jit import ATTEMPTS, PATHS

X = np.array([0.5, -1.5, 2.0])


def paths_of(f: Any) -> int:
    return sum(len(p) for e in f.entries.values() for p in e.paths.values())


def smooth(x: Any) -> Any:
    return (np.tanh(np.sin(x) * np.exp(-x * x)) + np.log1p(x * x)).sum()


def test_value_and_gradient() -> None:
    f, g = jit(smooth), jit(grad(smooth))
    for x in (X, X + 1, -X):
        np.testing.assert_allclose(f(x), smooth(x), rtol=1e-13)
        np.testing.assert_allclose(g(x), grad(smooth)(x), rtol=1e-13)
    assert type(f(X)) is np.float64
    assert paths_of(f) == 1


def test_every_nesting() -> None:
    f = jit(smooth)
    batch = np.stack([X, 2 * X])
    np.testing.assert_allclose(grad(f)(X), grad(smooth)(X))
    np.testing.assert_allclose(jvp(f, (X,), (X,))[1], jvp(smooth, (X,), (X,))[1])
    np.testing.assert_allclose(vmap(f)(batch), vmap(smooth)(batch))
    np.testing.assert_allclose(jit(vmap(grad(f)))(batch), vmap(grad(smooth))(batch))
    np.testing.assert_allclose(jit(f)(X), smooth(X))
    np.testing.assert_allclose(jit(hessian(smooth))(X), hessian(smooth)(X), rtol=1e-10)
    np.testing.assert_allclose(grad(jit(lambda x: jit(grad(f))(x).sum()))(X), hessian(smooth)(X).sum(0), rtol=1e-10)
    y, (v, g) = jit(lambda x: (x, value_and_grad(smooth)(x)))(X)
    np.testing.assert_allclose(g, grad(smooth)(X))
    np.testing.assert_allclose(v, smooth(X))
    np.testing.assert_array_equal(y, X)


# What Python looks at -------------------------------------------------------------------------


def branches(x: Any) -> Any:
    if x.sum() > 0:
        y = x * x
    elif x[0] < -1:
        y = -x
    else:
        y = np.sin(x)
    return y.sum()


def test_if() -> None:
    f, g = jit(branches), jit(grad(branches))
    for _ in range(2):
        for x in (X, -X, np.array([-2.0, 0.0, 0.0]), X * 3):
            np.testing.assert_allclose(f(x), branches(x))
            np.testing.assert_allclose(g(x), grad(branches)(x))
    assert paths_of(f) == 3


def test_while() -> None:
    def root(a: Any) -> Any:
        x = a
        while abs(x * x - a) > 1e-12:
            x = 0.5 * (x + a / x)
        return x

    f, g = jit(root), jit(grad(root))
    for a in (2.0, 3.0, 50.0, 2.0, 1e4):
        np.testing.assert_allclose(f(a), np.sqrt(a), rtol=1e-12)
        np.testing.assert_allclose(g(a), 0.5 / np.sqrt(a), rtol=1e-6)


def test_int_index_and_mask() -> None:
    def f(x: Any, n: Any) -> Any:
        k = int(np.floor(x[0]))
        return x[n] * k + x[x > 0].sum() + x[np.argmax(x)]

    g = jit(f)
    for x, n in ((X, 0), (X + 1, 1), (-X, 2), (X, 1), (X + 1, 2), (X + 1, np.int64(1)), (X, np.int64(0))):
        np.testing.assert_allclose(g(x, n), f(x, n))


def test_truth_of_a_number_is_one_bit() -> None:
    f = jit(lambda x: x.sum() * 2 if x.sum() else x)
    for x in (X, X + 1, X * 2):
        f(x)
    assert paths_of(f) == 1
    np.testing.assert_array_equal(f(np.zeros(3)), np.zeros(3))


def test_float_and_math_are_run_as_they_are() -> None:
    import math

    f = jit(lambda x: math.sin(x) * float(x))
    assert [f(v) for v in (1.0, 2.0)] == [math.sin(v) * v for v in (1.0, 2.0)]


def test_nan_guard_is_right() -> None:
    f = jit(lambda x: x * (2 if round(x, 1) > 0 else 3))
    assert f(1.0) == 2
    assert np.isnan(f(np.nan))
    assert np.isnan(f(np.nan))


def test_cap_on_paths() -> None:
    def f(x: Any) -> Any:
        return x * int(x)

    g = jit(f)
    with pytest.warns(RuntimeWarning, match="different paths"):
        for k in range(PATHS + 1):
            assert g(k + 0.5) == f(k + 0.5)
    assert paths_of(g) == PATHS
    assert g(3.5) == f(3.5)
    assert g(PATHS + 7.5) == f(PATHS + 7.5)


def test_errors_are_python_s() -> None:
    def f(x: Any) -> Any:
        if x[0] < 0:
            raise KeyError("negative")
        return np.linalg.inv(x[1] * np.eye(2)) * x[0]

    g = jit(f)
    np.testing.assert_allclose(g(np.array([1.0, 2.0])), np.eye(2) / 2)
    with pytest.raises(KeyError, match="negative"):
        g(np.array([-1.0, 2.0]))
    with pytest.raises(np.linalg.LinAlgError):
        g(np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="broadcast"):
        jit(lambda a, b: a + b)(np.ones(2), np.ones(3))


# What the function captures -------------------------------------------------------------------

FACTOR = 2.0


def uses_global(x: Any) -> Any:
    return x * FACTOR


def test_globals(monkeypatch: Any) -> None:
    f = jit(uses_global)
    assert f(3.0) == 6
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    assert f(3.0) == 15
    outer = jit(lambda x: uses_global(x) + 1)
    assert outer(3.0) == 16
    monkeypatch.setitem(globals(), "FACTOR", 7.0)
    assert outer(3.0) == 22
    monkeypatch.setitem(globals(), "uses_global", lambda x: x)
    assert outer(3.0) == 4


def test_closures_and_arrays_changed_in_place() -> None:
    a = 2.0
    w = np.ones(3)
    part = np.zeros((2, 3))[0]

    def f(x: Any) -> Any:
        return (x * w).sum() * a + (part * x).sum()

    g = jit(f)
    assert g(X) == f(X)
    w[1] = 10
    assert g(X) == f(X)
    a = 3.0
    assert g(X) == f(X)
    part.base[0] = 1
    assert g(X) == f(X)
    w = w * 2
    assert g(X) == f(X)


def test_attributes_and_containers() -> None:
    class Model:
        scale = 1.0

        def __init__(self) -> None:
            self.w = np.ones(3)
            self.layers = [{"b": 1.0}]

        @property
        def offset(self) -> float:
            return self.layers[0]["b"]

        def __call__(self, x: Any) -> Any:
            return (x * self.w).sum() * self.scale + self.offset

    m = Model()
    f = jit(m)
    h = jit(lambda x: m(x))
    for change in (
        lambda: None,
        lambda: setattr(m, "w", np.full(3, 2.0)),
        lambda: m.w.__setitem__(0, 5.0),
        lambda: m.layers[0].__setitem__("b", 4.0),
        lambda: m.layers.__setitem__(0, {"b": 9.0}),
        lambda: setattr(Model, "scale", 3.0),
        lambda: setattr(Model, "offset", 1.0),
    ):
        change()
        assert f(X) == m(X)
        assert h(X) == m(X)


def test_defaults_partials_and_methods() -> None:
    options = {"n": 2.0}

    def f(x: Any, o: Any = options) -> Any:
        return x * o["n"]

    g = jit(f)
    p = jit(functools.partial(f, o=options))
    assert g(3.0) == p(3.0) == 6
    options["n"] = 5.0
    assert g(3.0) == p(3.0) == 15

    class Thing:
        k = 2.0

        @jit
        def scaled(self, x: Any) -> Any:
            return x * self.k

    t = Thing()
    assert t.scaled(3.0) == 6
    t.k = 4.0
    assert t.scaled(3.0) == 12


def test_what_changes_its_surroundings_is_not_compiled() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x * len(calls)

    g = jit(f)
    with pytest.warns(RuntimeWarning, match="calls"):
        assert [g(1.0) for _ in range(6)] == [1, 2, 3, 4, 5, 6]


def test_what_is_remembered_once_is_compiled_afterwards() -> None:
    memo: dict[str, Any] = {}

    def f(x: Any) -> Any:
        if "w" not in memo:
            memo["w"] = np.ones(3)
        return (x * memo["w"]).sum()

    g = jit(f)
    assert [g(X) for _ in range(4)] == [X.sum()] * 4
    assert paths_of(g) == 1


def test_random_draws_are_not_frozen() -> None:
    rng = np.random.default_rng(0)
    for draw in (lambda: rng.normal(), lambda: np.random.rand()):  # noqa: NPY002
        f = jit(lambda x, draw=draw: x * draw())
        with pytest.warns(RuntimeWarning, match="random"):
            assert len({float(f(1.0)) for _ in range(ATTEMPTS + 2)}) == ATTEMPTS + 2


def test_a_captured_array_is_not_copied_by_reference() -> None:
    c = np.ones(3)
    f = jit(lambda x: (c, x, x[:2]))
    x = X.copy()
    for _ in range(2):
        a, b, d = f(x)
        assert not np.shares_memory(a, c)
        assert not np.shares_memory(b, x)
        assert not np.shares_memory(d, x)
        a[:], b[:] = 7, 7
    np.testing.assert_array_equal(f(x)[0], 1)
    np.testing.assert_array_equal(x, X)


# Arguments and results ------------------------------------------------------------------------


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class State:
    w: Any
    b: Any


def test_pytrees_and_keywords() -> None:
    def f(p: Any, *, scale: Any = 1.0, extra: Any = None) -> Any:
        out = {"y": p["s"].w * scale + p["t"][1], "z": [p["s"].b, None], "p": Pair(p["t"][0], 3)}
        return out if extra is None else (out, extra * 2)

    g = jit(f)
    args = {"s": State(X, np.float32(2)), "t": (np.ones(3), 2.0)}
    for kwargs in ({}, {"scale": 3.0}, {"scale": np.arange(3.0), "extra": np.arange(4)}, {"scale": 4.0}):
        for _ in range(2):
            ours, theirs = g(args, **kwargs), f(args, **kwargs)
            if isinstance(ours, tuple) and not isinstance(ours, Pair) and "extra" in kwargs:
                np.testing.assert_array_equal(ours[1], theirs[1])
                ours, theirs = ours[0], theirs[0]
            np.testing.assert_allclose(ours["y"], theirs["y"])
            assert ours["z"][0].dtype == np.float32
            assert ours["z"][1] is None
            assert type(ours["p"]) is Pair
            assert ours["p"].b == 3


def test_weak_scalars() -> None:
    f = jit(lambda x, a: x * a)
    single = np.float32([1, 2])
    for a in (0.1, 0.2, 3, 4, 5, True, np.float32(2)):
        for x in (single, np.int32([1, 2]), X):
            ours, theirs = f(x, a), x * a
            assert ours.dtype == theirs.dtype, (x.dtype, a)
            np.testing.assert_array_equal(ours, theirs)


def test_integers_become_inputs_when_they_change() -> None:
    f = jit(lambda x, n: x * n)
    for n in range(40):
        np.testing.assert_array_equal(f(X, n), X * n)
    assert paths_of(f) == 1
    g = jit(grad(lambda x: x * x))
    assert [g(k) for k in (1, 2, 3)] == [2, 4, 6]


def test_static_arguments() -> None:
    def f(x: Any, n: Any, *, kind: Any = "sin") -> Any:
        assert type(n) is int
        return getattr(np, kind)(x) ** n

    for g in (jit(f, static_argnums=1, static_argnames="kind"), jit(f, static_argnames=("n", "kind"))):
        for n in (1, 2, 3):
            for kind in ("sin", "cos"):
                np.testing.assert_allclose(g(X, n, kind=kind), f(X, n, kind=kind))
        np.testing.assert_allclose(g(X, n=2), f(X, 2))
    with pytest.raises(ArgumentError, match="hashed"):
        jit(lambda x, o: x, static_argnums=1)(1.0, [1])
    with pytest.raises(ArgumentError, match="no parameter"):
        jit(lambda x: x, static_argnames="y")
    h = jit(lambda g, x: g(x))
    assert h(np.sin, 1.0) == np.sin(1.0)
    assert h(np.cos, 1.0) == np.cos(1.0)


def test_shapes_dtypes_and_layouts() -> None:
    f = jit(lambda x: (np.sin(x) * x + 1).sum(0) - x[-1])
    rng = np.random.default_rng(0)
    for x in (
        rng.normal(size=(4, 3)),
        rng.normal(size=(3, 4)).T,
        rng.normal(size=(8, 6))[::-2, ::2],
        rng.normal(size=(4, 3)).astype(np.float32),
        rng.normal(size=(4, 3)) + 1j,
        rng.integers(0, 5, (4, 3)),
        rng.normal(size=(4, 3)).astype(">f8"),
        rng.normal(size=(4, 0)),
        rng.normal(size=5),
        np.broadcast_to(rng.normal(size=3), (4, 3)),
    ):
        for _ in range(2):
            ours, theirs = f(x), (np.sin(x) * x + 1).sum(0) - x[-1]
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=1e-5 if ours.dtype.itemsize == 4 else 1e-12)


def test_inputs_are_not_modified_and_buffers_work() -> None:
    def f(x: Any) -> Any:
        out = dualad.numpy.zeros(3)
        out[0] = x[1]
        x[2] = out[0] * 2
        return out + x

    x = X.copy()
    for _ in range(2):
        np.testing.assert_allclose(jit(f)(x), [-1.0, -1.5, -3.0])
    g = jit(f)
    for _ in range(2):
        np.testing.assert_allclose(g(x), [-1.0, -1.5, -3.0])
    np.testing.assert_array_equal(x, X)
    np.testing.assert_allclose(jit(lambda b: b * 2)(dualad.numpy.ones(2)), [2, 2])


def test_results_that_are_no_arrays() -> None:
    assert jit(lambda x: (x, None, 3))(1.0) == (1.0, None, 3)
    assert jit(lambda x: ())(1.0) == ()
    with pytest.raises(dualad.DtypeError, match="returned a str"):
        jit(lambda x: "no")(1.0)
    with pytest.raises(ArgumentError, match="function"):
        jit(3)  # type: ignore[arg-type]


# Behaviour ------------------------------------------------------------------------------------


def test_pickle_name_and_log(caplog: Any) -> None:
    f = jit(smooth)
    f(X)
    assert pickle.loads(pickle.dumps(f))(X) == f(X)
    assert f.__name__ == "smooth"
    assert repr(f) == "<jit of smooth>"
    with caplog.at_level(logging.INFO, "dualad.jit"):
        f(X)
        assert not caplog.records
        f(np.ones(4))
    assert "first call with this signature" in caplog.text


def test_threads() -> None:
    f = jit(grad(branches))
    rng = np.random.default_rng(0)
    points = [rng.normal(size=3) for _ in range(20)]
    expected = [grad(branches)(x) for x in points]
    wrong: list[Any] = []

    def work(k: int) -> None:
        for i in range(200):
            j = (i * 7 + k) % 20
            y = f(points[j])
            if not np.allclose(y, expected[j], rtol=1e-12):
                wrong.append((points[j], y))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_recursion() -> None:
    @jit
    def power(x: Any, n: int) -> Any:
        return x if n == 1 else x * power(x, n - 1)

    assert [power(2.0, n) for n in (1, 2, 5)] == [2, 4, 32]


def test_nothing_is_kept_of_the_arguments() -> None:
    f = jit(grad(smooth))
    x = X.copy()
    alive = weakref.ref(x)
    f(x)
    f(x)
    del x
    assert alive() is None


def test_custom_rules_and_checkpoints() -> None:
    @dualad.custom_jvp
    def clipped(x: Any) -> Any:
        return np.clip(x, -1, 1)

    clipped.defjvp(lambda primals, tangents: (clipped(primals[0]), 2 * tangents[0]))

    def f(x: Any) -> Any:
        return (clipped(x) * dualad.checkpoint(np.sin)(x)).sum()

    g = jit(grad(f))
    for x in (X, X + 1):
        np.testing.assert_allclose(g(x), grad(f)(x))


def test_a_fault_of_the_compiler_is_survived(monkeypatch: Any, caplog: Any) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no code today")

    monkeypatch.setattr("dualad.native.entry.Machine", broken)
    f = jit(smooth)
    with caplog.at_level(logging.WARNING, "dualad.jit"):
        f(X)
        np.testing.assert_allclose(f(X + 1), smooth(X + 1))
    assert "no code today" in caplog.text


def test_large_integers_and_odd_guards() -> None:
    f = jit(lambda x: x * int(x))
    for v in (1e18, 2.0**40, -3.7, 1e18, 0.2):
        assert f(v) == v * int(v)
    g = jit(lambda x: x * (2 if bool(np.isnan(x)) else 3))
    assert g(1.0) == 3
    assert np.isnan(g(np.nan))


class Dead:
    """What breaks when it is looked at."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise ReferenceError("gone")


def test_what_cannot_be_watched_is_not_compiled() -> None:
    dead = Dead()
    f = jit(lambda x: x * 2 if dead else x)
    with pytest.warns(RuntimeWarning, match="cannot be watched"):
        assert f(1.0) == 2
    many = list(range(10))
    big = [[k] for k in range(30_000)]
    g = jit(lambda x: x * len(big) + many[0])
    with pytest.warns(RuntimeWarning, match="more than can be watched"):
        assert g(1.0) == 30_000


def test_a_tensor_of_a_transform_outside_is_not_frozen() -> None:
    def outer(w: Any) -> Any:
        inner = jit(lambda x: (x * w).sum())
        return inner(X) + inner(X) * w

    np.testing.assert_allclose(grad(outer)(2.0), grad(lambda w: (X * w).sum() + (X * w).sum() * w)(2.0))


def test_fork(tmp_path: Any) -> None:
    import os

    f = jit(smooth)
    expected = f(X)
    pid = os.fork()
    if pid == 0:
        ok = f(X) == expected and abs(jit(lambda x: x * 3)(2.0) - 6) == 0
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_pytrees_call_after_call() -> None:
    f = jit(lambda p, s=1.0: {"u": p["a"] * p["b"][0] + s, "v": p["b"][1]} if p["a"][0] > 0 else {"u": p["a"], "v": X})
    for k in range(3):
        for a in (X, -X, X[:2], X.astype(np.float32), X[::-1]):
            p = {"a": a, "b": (a + k, np.float64(k))}
            for args in ((p,), (p, 2.0), (p, 2), ({**p, "b": [p["b"][0], p["b"][1]]},)):
                ours, theirs = f(*args), f.f(*args)
                assert ours.keys() == theirs.keys()
                for key in ours:
                    assert ours[key].dtype == theirs[key].dtype
                    np.testing.assert_array_equal(ours[key], theirs[key])
    single = jit(lambda p: [p["x"] * 2])
    for v in (1.5, 2.5, np.float64(3), np.float32(4), 5):
        (y,) = single({"x": v})
        assert y == v * 2
        assert y.dtype == np.asarray(v * 2).dtype
