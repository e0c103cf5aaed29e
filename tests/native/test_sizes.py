"""Leading sizes: one compiled program serves several, where nothing but the size differs; answers are right at all of them."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualad import get_num_threads, grad, jacfwd, jit, set_num_threads, value_and_grad, vmap
from dualad.native import entry, objects, segment
from tests.native.test_random_programs import COMMON, OPERATIONS, close
from tests.native.test_random_programs import programs as random_programs
from tests.native.test_random_programs import run as evaluated
from tests.native.test_registry import flat, programs, run

RNG = np.random.default_rng(0)
SIZES = (7, 64, 1000, 1, 2, 3, 33, 5000)
USUAL = (
    7,
    64,
    33,
    5,
    200,
    9,
    12,
)  # at which these programs do not happen to have equal numbers, or products that are rewritten


def normal(*shape: int, dtype: Any = float) -> Any:
    return RNG.normal(size=shape).astype(dtype)


@pytest.fixture
def compilations(monkeypatch: Any) -> list[str]:
    """The texts of the programs that are compiled."""
    texts: list[str] = []
    make = objects.Machine.__init__

    def counted(self: Any, module: Any) -> None:
        make(self, module)
        texts.append(self.text)

    monkeypatch.setattr(objects.Machine, "__init__", counted)
    return texts


def at_sizes(f: Any, make: Callable[[int], tuple[Any, ...]], sizes: Any = SIZES, rtol: float = 1e-11) -> Any:
    """``f`` compiled gives what ``f`` gives at each size, three times over; returns it."""
    g = jit(f)
    points = [make(n) for n in sizes]
    for _ in range(3):
        for args in points:
            expected = f(*args)
            same(g(*args), expected, rtol)
            same(flat(run(g, *args)), expected, rtol)
    return g


def same(ours: Any, theirs: Any, rtol: float) -> None:
    for x, y in zip(flat(ours), flat(theirs), strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


def vectors(n: int) -> tuple[Any, ...]:
    return (normal(n),)


def rows(n: int) -> tuple[Any, ...]:
    return (normal(n, 3),)


def mean_of_squares(x: Any) -> Any:
    return np.mean(np.sin(x) ** 2)


def network(p: Any, x: Any, y: Any) -> Any:
    z = np.tanh(x @ p[0] + p[1]) @ p[2] + p[3]
    z = z - np.max(z, axis=1, keepdims=True)
    return -np.mean(np.sum(y * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))), axis=1))


WEIGHTS = [normal(5, 4), normal(4), normal(4, 3), normal(3)]


def logistic(w: Any, x: Any, y: Any) -> Any:
    return np.mean(np.logaddexp(0.0, x @ w) - y * (x @ w))


PROGRAMS: dict[str, tuple[Any, Callable[[int], tuple[Any, ...]]]] = {
    "elementwise": (lambda x: (np.sin(x) * 2, x > 0), vectors),
    "sums": (lambda x: (x.sum(), x.sum(axis=0), x.sum(axis=1), np.exp(x).max(), x.min(axis=0), x.max(axis=1)), rows),
    "truth": (lambda x: ((x > 1).any(), (x > -9).all(axis=0), (x > 0).sum(), (x > 0).sum(axis=1)), rows),
    "mean": (lambda x: (x.mean(), x.mean(axis=0), x.var(axis=0), x.std()), rows),
    "gradient of a mean": (grad(mean_of_squares), vectors),
    "gradient of a mean over rows": (grad(mean_of_squares), rows),
    "norms": (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), rows),
    "layouts": (lambda x: (x.T * 2, x[::-1] + 1, x[:, ::-1] * x, x.reshape(-1) * 3, x[:, 1] * 2), rows),
    "joined": (lambda x: (np.concatenate([x, x * 2]), np.concatenate([x, x], axis=1), np.stack([x, -x])), rows),
    "the size as a factor": (lambda x: x * x.shape[0] / 2, rows),
    "products": (lambda x, w: (x @ w, x.T @ x, w.T @ x.T, x @ w[:, 0], x[:, 0] @ x), lambda n: (normal(n, 4), normal(4, 5))),
    "network": (network, lambda n: (WEIGHTS, normal(n, 5), normal(n, 3))),
    "its gradient": (grad(network), lambda n: (WEIGHTS, normal(n, 5), normal(n, 3))),
    "logistic": (value_and_grad(logistic), lambda n: (normal(4), normal(n, 4), normal(n))),
    "vmap": (vmap(lambda v: np.sum(v * v) / (1 + v[0] ** 2)), rows),
    "vmap of a Jacobian": (vmap(jacfwd(lambda v: v / np.sqrt(1 + np.sum(v * v)) * np.exp(-v))), rows),
    "gathered": (lambda t, i: np.exp(t[i]) * 2, lambda n: (normal(11, 2), RNG.integers(-11, 11, size=n))),
    "scattered": (grad(lambda t, i: (np.exp(t[i, 0]) * t[i, 1]).sum()), lambda n: (normal(11, 2), RNG.integers(-11, 11, n))),
    "from the batch": (lambda x, i: x[i] * 2, lambda n: (normal(n, 2), RNG.integers(-n, n, size=6))),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_program_for_all_sizes(name: str, compilations: list[str]) -> None:
    """The first size is compiled for itself, the second for all; programs of rows once more where there are few."""
    g = at_sizes(*PROGRAMS[name], sizes=USUAL)
    by_rows = "each of n rows" in g.explain()
    assert len(compilations) == 2 + by_rows, g.explain()
    assert g.recordings == len(USUAL)
    assert g.served == len(USUAL) - 1
    at_sizes(*PROGRAMS[name])


@pytest.mark.parametrize("name", ["elementwise", "sums", "truth", "gradient of a mean", "layouts", "vmap", "gathered"])
def test_one_program_for_one_and_for_thousands(name: str, compilations: list[str]) -> None:
    at_sizes(*PROGRAMS[name])
    assert len(compilations) == 2


@pytest.mark.parametrize("name", ["mean", "gradient of a mean", "sums", "network", "its gradient"])
def test_float32(name: str, compilations: list[str]) -> None:
    f, make = PROGRAMS[name]
    single = lambda n: tuple(
        [[w.astype(np.float32) for w in a] if isinstance(a, list) else a.astype(np.float32) for a in make(n)]
    )
    g = at_sizes(f, single, sizes=USUAL, rtol=2e-4)
    assert len(compilations) == 2 + ("each of n rows" in g.explain())


def test_sizes_that_are_other_dimensions_too(compilations: list[str]) -> None:
    at_sizes(lambda x, w: np.sin(x @ w) * w[0], lambda n: (normal(n, 4), normal(4, 3)), sizes=(7, 3, 4, 8, 12))
    assert len(compilations) == 2


def test_affine_sizes(compilations: list[str]) -> None:
    """n - 1 of them, from 2 on."""
    f = grad(lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))
    at_sizes(f, vectors, sizes=(7, 64, 2, 3, 1000))
    assert len(compilations) == 2


def test_no_rows_at_all() -> None:
    at_sizes(lambda x: (np.sin(x) * 2, x.sum(), x.sum(axis=0), x.sum(axis=1)), rows, sizes=(7, 64, 0, 5, 0))
    at_sizes(lambda x: (np.sin(x) * 2, x.sum(axis=1)), rows, sizes=(0, 7, 64, 0))
    at_sizes(lambda x, w: x @ w, lambda n: (normal(n, 4), normal(4, 3)), sizes=(7, 64, 0, 5))


def test_branches_on_the_size(compilations: list[str]) -> None:
    def f(x: Any) -> Any:
        n = x.shape[0]
        if n == 13:
            return x.sum(axis=0) * 7.0
        if n % 2:
            return x.sum(axis=0) * 2
        return x.max(axis=0) if n > 100 else x.min(axis=0)

    at_sizes(f, rows, sizes=(7, 9, 11, 13, 15, 8, 10, 12, 200, 300, 13, 400, 14))
    # For each of three branches two, and for 13 its own.
    assert len(compilations) == 7


def test_what_depends_on_the_size_otherwise() -> None:
    """Tables, logarithms, sizes divided and squared: right, if compiled for each."""
    at_sizes(lambda x: x * np.arange(x.shape[0]), vectors)
    at_sizes(lambda x: x * np.log(x.shape[0] + 1.0), vectors)
    at_sizes(lambda x: x[: x.shape[0] // 2].sum() + x[x.shape[0] // 2 :].sum() * 2, vectors)
    at_sizes(lambda x: (x[::2] * 2, x[-1:] * x[:1]), vectors)
    at_sizes(lambda x: x * x.shape[0] ** 2, vectors)
    at_sizes(lambda x: x ** x.shape[0], vectors, sizes=(2, 3, 4, 5, 1))
    at_sizes(lambda x: np.cumsum(np.sin(x)) * 2, vectors)
    at_sizes(lambda x: np.linalg.eigvalsh(x.T @ x) * 2, rows, rtol=1e-8)
    at_sizes(lambda x: x.reshape(-1, 2).sum(axis=1), vectors, sizes=(8, 10, 64, 2))


def test_guards_hold_at_each_size(compilations: list[str]) -> None:
    f = lambda x: np.sin(x) * 2 if x.sum() > 0 else np.cos(x)
    g = jit(f)
    for n in (7, 64, 9, 100, 7, 64):
        for x in (np.ones(n), -np.ones(n), np.linspace(0, 1, n)):
            same(g(x), f(x), 1e-12)
    assert len(compilations) == 4
    assert g.recordings == 8


def test_an_index_out_of_range(compilations: list[str]) -> None:
    g = jit(lambda x, i: x[i] * 2)
    for n in (7, 64, 9, 100):
        x, i = normal(n), np.array([0, n - 1, -n])
        same(g(x, i), x[i] * 2, 0)
        for bad in (n, -n - 1):
            with pytest.raises(IndexError):
                run(g, x, np.array([0, bad, 0]))
    assert len(compilations) == 2


def test_another_size_is_never_taken_unseen() -> None:
    """The function that ran last takes arrays of its own size only."""
    g = jit(lambda x: x * 2 if x.shape[0] < 50 else x * 3)
    for k, n in enumerate((7, 9, 60, 70, 11, 80)):
        x = normal(n)
        same(g(x), x * (2 if n < 50 else 3), 0)
        same(g(x), x * (2 if n < 50 else 3), 0)
        assert g.recordings == k + 1
        own = programs(g)[-1].direct
        assert own(x) is not None
        assert own(normal(n + 1)) is None
        assert own(normal(n, 1)) is None


def test_several_arguments_of_one_size(compilations: list[str]) -> None:
    """Arguments whose sizes moved apart are another program."""
    f = lambda x, y: np.concatenate([x * 2, y - 1]).sum()
    at_sizes(f, lambda n: (normal(n), normal(2 * n)), sizes=(7, 64, 5, 1000))
    assert len(compilations) == 2
    at_sizes(f, lambda n: (normal(n), normal(10 - n)), sizes=(7, 6, 5, 1))


def test_what_is_captured_changes() -> None:
    scale = np.ones(3)
    f = lambda x: x * scale
    g = jit(f)
    for factor in (1.0, 2.0, 3.0):
        scale[:] = factor
        for n in (7, 64, 9, 7):
            x = normal(n, 3)
            same(g(x), x * factor, 0)


def test_many_sizes_are_no_reason_to_give_up(compilations: list[str]) -> None:
    g = jit(lambda x: np.sin(x).sum())
    for n in range(1, 400):
        g(np.ones(n))
    assert len(compilations) == 2
    assert not g.eager


@pytest.mark.parametrize("name", ["gradient of a mean", "sums", "vmap of a Jacobian", "truth"])
def test_threads(name: str) -> None:
    """Pieces depend on the size, not on the number of threads."""
    before = get_num_threads()
    try:
        f, make = PROGRAMS[name]
        g = jit(f)
        points = [make(n) for n in (70, 64, 3000, 40_000, 100_003)]
        found = []
        for n in (1, 2, 3, 7):
            set_num_threads(n)
            for args in points:
                g(*args)
            found.append([[np.asarray(y).tobytes() for y in flat(run(g, *args))] for args in points])
            for args in points:
                same(g(*args), f(*args), 1e-9)
        assert all(ys == found[0] for ys in found)
        assert "pieces" in g.explain()
    finally:
        set_num_threads(before)


def test_many_threads_at_many_sizes() -> None:
    g = jit(grad(mean_of_squares))
    wrong = []

    def call(k: int) -> None:
        for n in (k + 1, 50 - k, 1000 + k):
            x = np.linspace(0, k + 1, n)
            if not np.allclose(g(x), 2 * np.sin(x) * np.cos(x) / n, rtol=1e-10, atol=1e-12):
                wrong.append((k, n))

    callers = [threading.Thread(target=call, args=(k,)) for k in range(30)]
    for t in callers:
        t.start()
    for t in callers:
        t.join()
    assert not wrong


def test_by_ctypes(monkeypatch: Any, compilations: list[str]) -> None:
    monkeypatch.setattr(entry, "layout_holds", lambda: False)
    for name in ("its gradient", "gradient of a mean", "sums", "vmap of a Jacobian"):
        at_sizes(*PROGRAMS[name])


def test_the_code_lives_as_long_as_a_function_that_runs_it() -> None:
    g = jit(lambda x: np.sin(x) * 2)
    for n in (7, 64, 9):
        g(np.ones(n))
    f = programs(g)[-1].direct
    assert programs(g)[-1].shared is not None
    del g
    gc.collect()
    np.testing.assert_allclose(f(np.ones(9)), np.sin(np.ones(9)) * 2)


def test_explain() -> None:
    g = jit(lambda x: np.sin(x) * 2)
    for n in (7, 64, 9):
        g(np.ones((n, 3)))
    lines = g.explain().splitlines()
    assert lines[0] == f"{g!r}: 3 recordings, 2 of them for code for all sizes"
    assert "path (float64[7, 3]):" in lines
    assert "path (float64[n, 3]), n = 64, 9:" in lines
    assert "    loop [3n]: multiply (4 expressions), in up to 64 pieces" in lines


def test_code_that_depends_on_the_size_is_not_used(monkeypatch: Any, compilations: list[str]) -> None:
    """Were a number of the size forgotten in the code, the texts would differ, and each size be compiled for itself."""
    made = segment.Segment._single
    monkeypatch.setattr(segment.Segment, "_single", lambda s, item: (made(s, item), _forgetful(s, item))[0])
    at_sizes(lambda x, w: np.sin(x @ w), lambda n: (normal(n, 4), normal(4, 3)), sizes=(7, 64, 9, 5))
    assert len(compilations) == 4


def _forgetful(s: Any, item: Any) -> None:
    """Leave the number of elements in the code."""
    slot = s.b.alloca(segment.I64)
    s.b.store(segment.constant(segment.I64, item.value.size), slot)


SHAPES: list[tuple[Any, ...]] = [(), (3,), ("n",), ("n", 3), ("n", 1, 6), (2, "n"), ("n", 9), (1, 6)]


@st.composite
def sized_programs(draw: Any) -> Any:
    shapes = [("n", 3), *draw(st.lists(st.sampled_from(SHAPES), max_size=2))]
    code = []
    for k in range(draw(st.integers(1, 8))):
        op = draw(st.integers(0, len(OPERATIONS) - 1))
        operands = tuple(draw(st.integers(0, len(shapes) + k - 1)) for _ in range(OPERATIONS[op][1]))
        code.append((op, operands, draw(st.integers(0, 9)) == 0))
    return shapes, code, draw(st.integers(0, 2**20))


def check_sizes(drawn: Any) -> int:
    shapes, code, seed = drawn
    rng = np.random.default_rng(seed)
    f = value_and_grad(lambda *v: evaluated(code, v), tuple(range(len(shapes))), has_aux=True)
    g = jit(f)
    for n in (7, 19, 12, 1, 2, 3, 6, 9, 40, 600, 19):
        for _ in range(2):
            xs = [rng.normal(size=tuple([n if k == "n" else k for k in s]))[()] for s in shapes]
            close(g(*xs), f(*xs))
    return int(g.served)


@settings(max_examples=20, derandomize=True, **COMMON)
@given(sized_programs())
def test_random_programs_at_many_sizes(drawn: Any) -> None:
    check_sizes(drawn)


@pytest.mark.nightly
@settings(max_examples=1000, **COMMON)
@given(sized_programs())
def test_random_programs_at_many_sizes_nightly(drawn: Any) -> None:
    check_sizes(drawn)


def check_rows_at_sizes(drawn: Any) -> int:
    """The same of many rows, some inputs shared by them all."""
    shapes, code, seed = drawn
    rng = np.random.default_rng(seed)
    code = [(op, operands, False) for op, operands, _ in code]
    axes = tuple([0 if k == 0 or rng.random() < 0.7 else None for k in range(len(shapes))])
    f = vmap(value_and_grad(lambda *v: evaluated(code, v), tuple(range(len(shapes))), has_aux=True), in_axes=axes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dualad.native.segment.SEVERAL", 1)
        g = jit(f)
        for n in (40, 29, 16, 17, 100, 3, 1, 29):
            for _ in range(2):
                xs = [rng.normal(size=s if a is None else (n, *s)) for s, a in zip(shapes, axes, strict=True)]
                close(g(*xs), f(*xs))
    return int(g.served)


@settings(max_examples=15, derandomize=True, **COMMON)
@given(random_programs())
def test_random_rows_at_many_sizes(drawn: Any) -> None:
    check_rows_at_sizes(drawn)


@pytest.mark.nightly
@settings(max_examples=1000, **COMMON)
@given(random_programs())
def test_random_rows_at_many_sizes_nightly(drawn: Any) -> None:
    check_rows_at_sizes(drawn)


def test_programs_without_code_for_all_sizes_say_so(caplog: Any) -> None:
    with caplog.at_level("INFO", logger="dualad.jit"):
        at_sizes(lambda x: np.sort(np.sin(x)) * 2, vectors)
    assert "cannot be compiled for all sizes" in caplog.text
