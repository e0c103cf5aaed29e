"""Hot pullbacks: gradients from compiled programs equal those of the plain walk back, and are never stale."""

from __future__ import annotations

import copy
import gc
import logging
import os
import pickle
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dualad.numpy as dnp
from dualad import custom_vjp, grad, hessian, hot_pullbacks, hvp, jit, stop_gradient, value_and_grad, vmap
from dualad.api import hot
from dualad.core.tree import flatten
from dualad.native import pullback
from tests.native.test_registry import other, tolerance
from tests.test_every_primitive import DIFFERENTIABLE, direction, of_moving, xs_of

pytest.importorskip("llvmlite")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def soon(monkeypatch: Any) -> Iterator[None]:
    """Everything is compiled at the second call, and nothing is left from other tests."""
    for name in ("PREPARATION", "RECORDING", "COMPILING"):
        monkeypatch.setattr(hot, name, 0.0)
    monkeypatch.setattr(hot, "LEAST", 1)
    monkeypatch.setattr(hot, "GAIN", 0.0)
    before = hot_pullbacks(True)
    yield
    hot_pullbacks(before)


def same(ours: Any, theirs: Any) -> None:
    ours, structure = flatten(ours)
    theirs, its = flatten(theirs)
    assert structure == its
    near = tolerance(*theirs)
    for x, y in zip(ours, theirs, strict=True):
        assert type(x) is type(y)
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        np.testing.assert_allclose(x, y, **near)


def plain(g: Any, *args: Any, **kwargs: Any) -> Any:
    before, hot.STATE.enabled = hot.STATE.enabled, False
    try:
        return g(*args, **kwargs)
    finally:
        hot.STATE.enabled = before


def runs(g: Any, *args: Any, **kwargs: Any) -> int:
    """Calls ``g``, holds its result against the plain one, and says how often compiled code has run."""
    before = hot.STATE.runs
    same(g(*args, **kwargs), plain(g, *args, **kwargs))
    return hot.STATE.runs - before


@pytest.mark.parametrize(("prim", "sample"), DIFFERENTIABLE)
def test_every_primitive(prim: Any, sample: Any) -> None:
    f, xs = of_moving(prim, sample), xs_of(prim, sample)
    if not xs:
        pytest.skip("nothing to differentiate")

    def total(*moved: Any) -> Any:
        out = f(*moved)
        parts = out if isinstance(out, tuple) else (out,)
        return sum(((y * direction(np.ones(y.shape, y.dtype), k)).sum().real for k, y in enumerate(parts)), 0.0)

    g = grad(total, argnums=tuple(range(len(xs))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ran = [runs(g, *[other(x, k) if k else x for x in xs]) for k in (0, 0, 0, 1, 2)]
    assert ran[2] == 1 or prim.multiple or "draws" in sample.params  # what draws is another operation at each call


def normal(*shape: int, dtype: Any = float) -> Any:
    return RNG.normal(size=shape).astype(dtype)[()]


def chain(x: Any) -> Any:
    y = x
    for _ in range(100):
        y = (np.sin(y) * x + y) * 0.5
    return y.sum()


def loop(x: Any) -> Any:
    angle, speed = x, 0.0
    for k in range(300):
        angle, speed = angle + 0.01 * speed, speed - 0.01 * np.sin(angle) * np.cos(0.1 * k)
    return angle.sum()


def network(p: Any) -> Any:
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    h = np.tanh(x @ p["w"][0] + p["b"])
    return np.mean((h @ p["w"][1].T) ** 2)


def assigned(x: Any) -> Any:
    y = dnp.zeros(6)
    for k in range(5):
        y[k + 1] = np.sin(x[k]) * y[k] + x[k]
    return (y * y).sum()


FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "elementwise": (lambda x: (np.sin(x) * x).sum(), lambda: normal(5)),
    "scalar": (lambda x: np.exp(-x * x) * np.cos(x) / (1 + x**2), lambda: normal()),
    "python float": (lambda x: x * x * np.sin(x), lambda: float(normal())),
    "0-d": (lambda x: np.sin(x) * x, lambda: np.array(normal())),
    "chain of scalars": (chain, lambda: normal()),
    "chain of vectors": (chain, lambda: normal(10)),
    "loop": (loop, lambda: float(normal())),
    "loop of vectors": (loop, lambda: normal(3)),
    "network": (network, lambda: {"w": [normal(3, 5), normal(2, 5)], "b": normal(5)}),
    "products": (lambda x: (x.T @ x @ np.ones(4)).sum() + np.einsum("ij,kj->", x, x), lambda: normal(3, 4)),
    "broadcasting": (lambda x: (x[:, None] * x + x).sum() + (x * np.ones((2, 1, 4))).sum(), lambda: normal(4)),
    "reductions": (lambda x: x.max() + x.mean(0).std() + np.prod(x[0]) + np.linalg.norm(x), lambda: normal(3, 4)),
    "indexing": (lambda x: (x[1:] * x[:-1] ** 2).sum() + x[[0, 0, 3]].sum() * x[-1], lambda: normal(5)),
    "masks": (lambda x: np.where(x > 0, np.sqrt(np.abs(x)), x * x).sum(), lambda: normal(9)),
    "assignment": (assigned, lambda: normal(5)),
    "joins": (lambda x: (np.concatenate([x, 2 * x]) * np.stack([x, x * x]).ravel()).sum(), lambda: normal(4)),
    "float32": (lambda x: (np.tanh(x * 2) * x).sum(), lambda: normal(6, dtype=np.float32)),
    "float32 and float64": (lambda x: (np.tanh(x * 2) * np.arange(6.0)).sum(), lambda: normal(6, dtype=np.float32)),
    "large": (lambda x: (np.sin(x) * x + np.exp(-x * x)).sum(), lambda: normal(20_000)),
    "no array kept": (lambda x: (x + x).sum(), lambda: normal(4)),
    "layouts": (lambda x: (np.sin(x).T * x.T).sum(), lambda: np.asfortranarray(normal(3, 4))),
    "strided": (lambda x: (np.sin(x) * x).sum(), lambda: normal(10)[::2]),
    "many strided": (lambda x: sum((x[:, ::2] * np.sin(x[:, 1::2]) * k).sum() for k in range(20)), lambda: normal(3, 8)),
    "many empty": (lambda x: sum((x[:, 4:] * np.sin(x[:, 4:]) * k).sum() for k in range(20)) + x.sum(), lambda: normal(3, 4)),
    "many transposed": (lambda x: sum((x.T * np.sin(x).T * k).sum() for k in range(20)), lambda: normal(3, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equal_to_the_plain_gradient(name: str) -> None:
    f, make = FUNCTIONS[name]
    g, v = grad(f), value_and_grad(f)
    assert [runs(g, make()) for _ in range(5)][2:] == [1, 1, 1]
    assert [runs(v, make()) for _ in range(3)] == [1, 1, 1]  # the same structure


@pytest.mark.parametrize(
    "f",
    [lambda z: (z * z * np.exp(z)).sum().real, lambda z: np.abs(z * (1 + 2j)).sum()],
    ids=["analytic", "modulus"],
)
def test_complex(f: Any) -> None:
    g = grad(f)
    for _ in range(4):
        runs(g, normal(4) + 1j * normal(4))
    h = grad(lambda z: z * np.sin(z), holomorphic=True)
    for _ in range(4):
        runs(h, complex(normal(), normal()))


def test_arguments_and_extras() -> None:
    g = grad(lambda a, b, *, c: ((a * b["x"] * c).sum(), a * 2), argnums=(0, "c"), has_aux=True)
    for k in range(4):
        assert runs(g, normal(3), {"x": normal(3)}, c=normal(3)) == (k > 1)


def test_results_are_the_callers_own() -> None:
    c = np.arange(3.0)
    c.flags.writeable = False
    for f in (lambda x, y: (x * c + y * c).sum(), lambda x, y: (x + y).sum(), lambda x, y: (x * y).sum()):
        g = grad(f, argnums=(0, 1))
        for _ in range(4):
            x, y = normal(3), normal(3)
            a, b = g(x, y)
            expected = plain(g, x, y)
            assert not any(np.shares_memory(p, q) for p, q in [(a, b), (a, x), (a, y), (b, x), (b, y), (a, c), (b, c)])
            a[:] = b[:] = np.nan
            same(g(x, y), expected)


def test_one_structure_for_all_functions() -> None:
    """Gradients made anew for each call get hot too."""
    assert [runs(grad(lambda x: (np.sin(x) * x).sum()), normal(4)) for _ in range(4)] == [0, 0, 1, 1]


# Never stale ----------------------------------------------------------------------------------


def test_branches() -> None:
    def f(x: Any) -> Any:
        return (np.sin(x) * x).sum() if x[0] > 0 else (np.cos(x) * x).sum()

    g = grad(f)
    ran = [runs(g, np.array([(-1.0) ** k, 2.0]) * (k + 1)) for k in range(40)]
    assert ran[-4:] == [1, 1, 1, 1]


def test_branches_of_one_length() -> None:
    """The first and last operations are the same, the one between is not."""

    def f(x: Any) -> Any:
        y = np.sin(x)
        return ((np.cos(y) if x[0] > 0 else np.exp(y)) * 2.0).sum()

    g = grad(f)
    for k in range(60):
        runs(g, np.array([(-1.0) ** k, 2.0]) * (k + 1))
    assert [runs(g, np.array([s, 2.0])) for s in (1.0, -1.0)] == [1, 1]


def test_shapes() -> None:
    g = grad(lambda x: (np.sin(x) * x).sum())
    for k in range(60):
        runs(g, normal(*[(3,), (4,), (2, 3)][k % 3]))
    assert [runs(g, normal(*shape)) for shape in ((3,), (4,), (2, 3))] == [1, 1, 1]
    runs(g, normal(5))
    runs(g, normal(3, dtype=np.float32))
    runs(g, normal(3, 1))


def test_shapes_that_only_the_rules_know() -> None:
    """Nothing of the array is kept but its shape."""
    g = grad(lambda x: (2.0 * x).sum() + x.mean())
    for n in (3, 3, 3, 4, 3, 4, 4, 4, 5):
        runs(g, normal(n))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "numbers", [(2.0, 3.5, -1.0), (2, 3, 0), (0.0, -0.0, 0.0), (1, True, 1.0), (np.nan, 1.0, np.inf)]
)
def test_python_numbers(dtype: Any, numbers: Any) -> None:
    c: Any = numbers[0]
    g = grad(lambda x: (np.sin(x) * c + x**2 / (c + 0.5) + np.copysign(x, c) * (x * c)).sum())
    for k in range(5):
        assert runs(g, normal(3, dtype=dtype)) == (k > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(60):
            c = numbers[k % len(numbers)]
            runs(g, normal(3, dtype=dtype))


def test_a_number_that_moves_becomes_an_input() -> None:
    c = 1.0
    g = grad(lambda x: (np.sin(x * c) * x).sum())
    for _ in range(8):
        c += 0.5
        ran = runs(g, normal(3))
    assert ran == 1
    g = grad(lambda x: sum(np.sin(x * (c + k)) * (k + n) for k in range(40)))
    n = 0
    for _ in range(8):
        c, n = c + 0.5, n + 1
        ran = runs(g, normal())
    assert ran == 1


def test_a_power_that_moves() -> None:
    n: Any = 2
    g = grad(lambda x: (x**n * 1.5).sum())
    for power in (2, 2, 2, 2, 3, 2, 3, 4, 3, 0, 1, 2.0, 2, -1, 3, 3, 3):
        n = power
        runs(g, np.array([-1.5, 2.0, 0.5]))


def test_captured_arrays() -> None:
    c, m, i = np.arange(3.0), np.array([True, False, True]), np.array([0, 2, 2])
    g = grad(lambda x: (np.sin(x * c) * c + np.where(m, x * x, x) * x[i]).sum())
    for k in range(5):
        assert runs(g, normal(3)) == (k > 1)
    c[1] = 7
    assert runs(g, normal(3)) == 1
    m[0] = False
    i[:] = [1, 1, 0]
    assert runs(g, normal(3)) == 1
    c = np.array([5, 6, 7])
    runs(g, normal(3))
    c = np.float64(2.0)
    runs(g, normal(3))


def test_parameters() -> None:
    axis: Any = 0
    key: Any = slice(0, 2)
    g = grad(lambda x: (x.sum(axis=axis) ** 2).sum() + (x[key] * x[key]).sum())
    for where in (0, 0, 0, 1, 0, 1, -1, (0, 1), None, 0):
        axis = where
        runs(g, normal(3, 3))
    places = [slice(1, 3), slice(0, 2), slice(None), 1, True, 1, 0, (0, 1), np.array([0, 1]), (0, [1, 2]), slice(0, 2)]
    for place in places:
        key = place
        runs(g, normal(3, 3))
    axis, key = 0, slice(0, 2)
    assert runs(g, normal(3, 3)) == 1


def test_parents() -> None:
    """The same operations on other operands."""
    swap = False
    f = lambda x, y: (np.sin(x) * (y if swap else x) + np.sin(y)).sum()
    g = grad(f, argnums=(0, 1))
    for k in range(12):
        swap = k in (4, 7)
        runs(g, normal(3), normal(3))


def test_guards_of_the_rules() -> None:
    """A rule that looks at a value: another outcome is pulled back as ever, and after some the program is dropped."""
    from dualad.ops.kinds import general

    prim = general(
        "test_hot_looks",
        lambda x: x * 1.0,
        jvp=lambda ts, y, x: ts[0],
        vjp=lambda g, need, y, x: [g * x if x.sum() > 0 else -g],
        keep="x",
    )
    g = grad(lambda x: (prim(np.sin(x)) * x).sum())
    assert all(runs(g, normal(3)) == 0 for _ in range(4))  # a rule that is not ours might read more than its arguments
    prim._vjp.__module__ = "dualad.test"
    try:
        hot_pullbacks(True)
        assert [runs(g, np.array([0.5, 1.0])) for _ in range(4)] == [0, 0, 1, 1]
        assert [runs(g, -np.array([0.5, 1.0])) for _ in range(hot.MISSES - 1)] == [0] * (hot.MISSES - 1)
        assert runs(g, np.array([0.5, 1.0])) == 1
        runs(g, -np.array([0.5, 1.0]))
        assert [runs(g, np.array([0.5, 1.0])) for _ in range(3)] == [0, 0, 0]
    finally:
        from dualad.core.primitive import REGISTRY

        del REGISTRY["test_hot_looks"]


def test_rules_of_the_users() -> None:
    scale = 1.0

    @custom_vjp
    def f(x: Any) -> Any:
        return x * 2

    f.defvjp(lambda x: (x * 2, ()), lambda _, g: (g * scale,))
    g = grad(lambda x: (f(x) * x).sum())
    for k in range(6):
        scale = float(k)
        assert runs(g, np.ones(2)) == 0


def test_zero_wins_over_infinite_partials() -> None:
    g = grad(lambda x: (np.where(x > 0, np.sqrt(x), 0.0) * np.log(np.where(x > 0, x, 1.0))).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [runs(g, x) for x in (np.ones(3), np.ones(3), np.array([0.0, 1.0, -1.0]), np.zeros(3))][2:] == [1, 1]


# Where it does not apply ----------------------------------------------------------------------


def test_nested() -> None:
    f = lambda x: (np.sin(x) * x * x).sum()
    g = grad(lambda x: (grad(f)(x) * x).sum())
    for _ in range(5):
        x = normal(3)
        runs(g, x)
        before = hot.STATE.runs
        np.testing.assert_allclose(g(x), hessian(f)(x) @ x + grad(f)(x))
        np.testing.assert_allclose(hvp(f, x, x), hessian(f)(x) @ x)
        np.testing.assert_allclose(vmap(grad(f))(x[None]), grad(f)(x)[None])
        np.testing.assert_allclose(jit(grad(f))(x), plain(grad(f), x), rtol=1e-12)
        assert hot.STATE.runs >= before


def test_tensors_of_a_transform_outside() -> None:
    """The inner gradient's own arguments are plain; what it captures is not."""
    inner = lambda y: grad(lambda x: (np.sin(x) * x * y).sum() + stop_gradient(x).sum())(np.ones(3)).sum()
    for _ in range(5):
        np.testing.assert_allclose(grad(inner)(2.0), (np.sin(1) + np.cos(1)) * 3)


def test_errors() -> None:
    def f(x: Any) -> Any:
        if x[0] > 3:
            raise KeyError("three")
        return (np.linalg.inv(x.reshape(2, 2)) * x.reshape(2, 2)).sum()

    g = grad(f)
    for _ in range(4):
        runs(g, normal(4))
    with pytest.raises(KeyError):
        g(np.full(4, 4.0))
    with pytest.raises(np.linalg.LinAlgError):
        g(np.zeros(4))
    runs(g, normal(4))


def test_a_program_that_fails(monkeypatch: Any) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(pullback.Pullback, "__call__", fails)
    g = grad(lambda x: (np.sin(x) * x).sum())
    assert all(runs(g, normal(3)) == 0 for _ in range(5))


def test_a_compiler_that_fails(monkeypatch: Any) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(pullback, "Program", fails)
    g = grad(lambda x: (np.sin(x) * x).sum())
    assert all(runs(g, normal(3)) == 0 for _ in range(5))


def test_a_program_that_is_slower(monkeypatch: Any) -> None:
    monkeypatch.setattr(hot, "GAIN", np.inf)
    g = grad(lambda x: (np.sin(x) * x).sum())
    assert all(runs(g, normal(3)) == 0 for _ in range(5))


def test_a_program_that_is_wrong(monkeypatch: Any, caplog: Any) -> None:
    plain_call = pullback.Pullback.__call__
    monkeypatch.setattr(pullback.Pullback, "__call__", lambda *args: [g * 1.01 for g in plain_call(*args)])
    g = grad(lambda x: (np.sin(x) * x).sum())
    assert all(runs(g, normal(3)) == 0 for _ in range(5))
    assert "disagrees" in caplog.text


def test_numpy_s_errors() -> None:
    """Who asked NumPy to raise is not left without."""
    g = grad(lambda x: (np.exp(x) * x).sum())
    with np.errstate(all="raise"):
        assert all(runs(g, normal(3)) == 0 for _ in range(5))


def test_without_a_compiler(monkeypatch: Any) -> None:
    monkeypatch.setattr(hot.program, "available", lambda: False)
    g = grad(lambda x: (np.sin(x) * x).sum())
    assert all(runs(g, normal(3)) == 0 for _ in range(5))


def test_off() -> None:
    g = grad(lambda x: (np.sin(x) * x).sum())
    for _ in range(3):
        runs(g, normal(3))
    assert hot_pullbacks(False) is True
    x, before = normal(3), hot.STATE.runs
    for _ in range(4):
        np.testing.assert_array_equal(g(x), plain(g, x))
    assert hot.STATE.runs == before
    assert hot_pullbacks(True) is False
    assert [runs(g, normal(3)) for _ in range(3)] == [0, 0, 1]


def test_off_by_the_environment() -> None:
    code = "import dualad; print(dualad.hot_pullbacks(True))"
    for value, before in (("0", "False"), ("1", "True")):
        run = [sys.executable, "-c", code]
        env = {**os.environ, "DUALAD_HOT_PULLBACKS": value}
        assert subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout.strip() == before


def test_the_compiler_is_imported_when_needed() -> None:
    code = """
import sys
import numpy as np
from dualad import grad
g = grad(lambda x: (np.sin(x) * x).sum())
for _ in range(100):
    g(np.ones(3))
print("llvmlite" in sys.modules)
"""
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == "False"


# When it is compiled, and what is kept --------------------------------------------------------


def test_when(monkeypatch: Any) -> None:
    """After some tens of calls for long tapes, later for short ones, at last at MOST."""
    monkeypatch.undo()
    monkeypatch.setattr(hot, "MOST", 300)
    monkeypatch.setattr(hot, "GAIN", 0.0)  # else it were a matter of time

    def first(g: Any, x: Any) -> int:
        before, k = hot.STATE.runs, 0
        while hot.STATE.runs == before:
            g(x)
            k += 1
            assert k < 1000
        return k

    short = first(grad(lambda x: (np.sin(x) * x).sum()), np.ones(5))
    long = first(grad(loop), np.ones(3))
    assert hot.LEAST < long < short
    assert short == 301


def test_structures_that_never_repeat() -> None:
    g = grad(lambda x, n: sum((np.sin(x * k) * k for k in range(n)), x))
    for n in range(1, 600):
        g(1.0, n)
    assert len(hot.STATE.places) <= hot.PLACES
    h = grad(lambda x, n: (x.reshape(n, -1).sum(0) ** 2).sum())
    for n in range(1, 200):
        h(np.ones(n * 3), n)
    assert not hot.STATE.programs
    assert max(p.patience for p in hot.STATE.places.values()) > 100


def test_what_is_kept_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(hot, "KEPT", 20)
    for n in range(2, 12):
        g = grad(lambda x, n=n: sum(np.sin(x * k) * k for k in range(n)))
        for _ in range(3):
            ran = runs(g, 1.0)
        assert ran == 1
        total = sum(len(q.structure.prims) for _, q in hot.STATE.programs)
        assert total <= 20 or len(hot.STATE.programs) == 1


def test_no_array_is_kept_alive() -> None:
    alive: list[Any] = []

    def f(x: Any, c: Any) -> Any:
        y = np.sin(x) * c
        alive.extend([weakref.ref(c), weakref.ref(y.value), weakref.ref(x.value)])
        return (y * y).sum()

    g = grad(f)
    gc.disable()  # by reference counts alone
    try:
        for k in range(6):
            c = normal(100)
            c.flags.writeable = False
            assert runs(g, normal(100), c) == (k > 1)
            del c
            assert not [r for r in alive if r() is not None]
    finally:
        gc.enable()


def test_what_rules_of_the_users_hold_is_not_kept() -> None:
    def g(x: Any) -> Any:
        big = normal(100)
        alive.append(weakref.ref(big))

        @custom_vjp
        def f(x: Any) -> Any:
            return x * 2

        f.defvjp(lambda x: (x * 2, ()), lambda _, g: (g * big,))
        return grad(lambda x: f(x).sum())(x)

    alive: list[Any] = []
    for _ in range(4):
        g(normal(100))
    gc.collect()
    assert not [r for r in alive if r() is not None]


def test_large_constants_are_not_kept() -> None:
    g = grad(lambda x: (np.tril(x @ x.T) * x).sum() + x.sum())
    for _ in range(4):
        runs(g, normal(300, 300))
    held = [v.data for _, p in hot.STATE.programs for v in p.program.graph.values if v.op == "constant"]
    assert sum(getattr(x, "nbytes", 0) for x in held) <= pullback.CONSTANTS


def module_level(x: Any) -> Any:
    return (np.sin(x) * x).sum()


def test_pickles_and_copies() -> None:
    g = grad(module_level)
    for _ in range(4):
        runs(g, normal(3))
    for h in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g), copy.copy(g)):
        assert runs(h, normal(3)) == 1


def test_threads() -> None:
    fs = [lambda x, k=k: (np.sin(x * k) * x**k).sum() for k in range(1, 5)]
    expected = {(k, n): plain(grad(f), np.arange(1.0, n)) for k, f in enumerate(fs) for n in (3, 6)}
    wrong: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(200):
            k, n = int(rng.integers(4)), int(rng.choice([3, 6]))
            if not np.allclose(grad(fs[k])(np.arange(1.0, n)), expected[k, n], rtol=1e-12):
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    before = hot.STATE.runs
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert hot.STATE.runs > before


def test_it_tells(caplog: Any) -> None:
    with caplog.at_level(logging.INFO, "dualad.jit"):
        g = grad(lambda x: (np.sin(x) * x).sum())
        for _ in range(3):
            g(normal(3))
    assert "a pullback of 3 operations is compiled" in caplog.text
