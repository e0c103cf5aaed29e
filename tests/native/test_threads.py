"""Threads: programs cut into pieces give the same to the last bit, however many threads there are and whoever calls."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import dualad
import dualad.numpy as dnp
from dualad import ArgumentError, get_num_threads, grad, jacfwd, jit, set_num_threads, vmap
from dualad.native import pieces
from dualad.native.graph import Value
from dualad.native.reduction import Reduction
from tests.native.test_programs import normal
from tests.native.test_registry import flat, programs, run

NUMBERS = (1, 2, 3, 7)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    n = get_num_threads()
    yield
    set_num_threads(n)


def identical(
    f: Callable[..., Any], *args: Any, rtol: float = 1e-11, atol: float = 1e-11, cut: bool | None = True
) -> Any:
    """``f`` compiled gives the same bytes for every number of threads, and what ``f`` gives. ``cut``: whether a loop is."""
    g = jit(f)
    g(*args)
    found = []
    for n in NUMBERS:
        set_num_threads(n)
        for _ in range(3):
            found.append([np.asarray(y) for y in flat(run(g, *args))])
    for ys in found:
        for y, first in zip(ys, found[0], strict=True):
            assert y.tobytes() == first.tobytes()
    for y, z in zip(found[0], flat(f(*args)), strict=True):
        assert y.dtype == np.asarray(z).dtype
        np.testing.assert_allclose(y, z, rtol=rtol, atol=atol)
    assert cut in (None, "pieces" in g.explain()), g.explain()
    return g


def elementwise(x: Any) -> Any:
    return np.sum(np.tanh(np.sin(x) * np.exp(-x * x)) + np.log1p(x * x))


@pytest.mark.parametrize("n", [20_000, 65_536, 100_003, 1_000_001])
def test_elementwise_gradients(n: int) -> None:
    identical(grad(elementwise), normal(n))
    identical(elementwise, normal(n))


@pytest.mark.parametrize("n", [40_000, 40_001, 40_511, 65_535])
def test_tails_and_float32(n: int) -> None:
    f = lambda x: (np.sin(x) * 2, np.exp(x).sum(), np.cos(x).max(), np.sin(x) > 0)
    identical(f, normal(n, dtype=np.float32), rtol=2e-5, atol=1e-5)
    identical(f, normal(n))


def test_every_reduction_of_all_elements() -> None:
    x = normal(400_007)
    f = lambda x: (
        x.sum(), x.max(), x.min(), np.prod(x * 1e-3 + 1), (x > 3).any(), (x > -9).all(), (x > 0).sum(), x.mean()
    )  # fmt: skip
    identical(f, x)
    i = np.arange(400_007) * 7919 % 65_537
    identical(lambda i: (i.sum(), i.max(), i.min(), (i * i).sum(), i + 1), i)


@pytest.mark.parametrize("at", [0, 511, 512, 250_000, 400_006])
def test_nan_in_any_piece(at: int) -> None:
    x = normal(400_007)
    x[at] = np.nan
    identical(lambda x: (x.max(), x.min(), x.sum(), np.linalg.norm(x), np.sin(x)), x)


@pytest.mark.parametrize("shape", [(77, 1033), (1033, 77), (9, 13, 601), (601, 9, 13), (40_003, 2)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_reductions_over_any_axes(shape: tuple[int, ...], dtype: Any) -> None:
    """Together in one loop nest, and each in its own."""
    axes = [a for k in range(1, len(shape) + 1) for a in itertools.combinations(range(len(shape)), k)]
    x = normal(*shape, dtype=dtype)
    tolerance: Any = dict.fromkeys(("rtol", "atol"), 1e-3 if dtype is np.float32 else 1e-10)
    identical(lambda x: [f(np.sin(x), axis=a) for a in axes for f in (np.sum, np.max)], x, **tolerance, cut=None)
    for a in axes:
        identical(
            lambda x, a=a: np.sum(np.exp(x), axis=a), x, **tolerance, cut=True if 0 not in a or len(a) > 1 else None
        )


def test_other_layouts() -> None:
    x = normal(300, 40, 30)
    identical(lambda x: np.sum(np.exp(x.transpose(2, 0, 1)), axis=1), x)
    identical(lambda x: np.concatenate([np.exp(x), np.sin(x[::-1])], axis=1), x)
    identical(lambda x: np.exp(x[:, ::-2, 1:]) - np.exp(x[:, 1::2, :-1]), x)


def test_large_partial_results_are_not_cut() -> None:
    """Sums over the outermost axis with a result as large as the other axes."""
    identical(lambda x: np.sum(np.exp(x), axis=0), normal(6, 50_000), cut=False)


def test_norms_and_softmax() -> None:
    x = normal(500, 300)

    def f(x: Any) -> Any:
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        return np.sum(e / np.sum(e, axis=1, keepdims=True) * x)

    identical(lambda x: (np.linalg.norm(x, axis=1), np.linalg.norm(x), np.linalg.norm(x, axis=0)), np.exp(x))
    identical(grad(f), x)


def test_what_is_small_is_not_cut() -> None:
    identical(lambda x: (np.sin(x), x.sum()), normal(1000), cut=False)


def one(x: Any) -> Any:
    """Too irregular to be a loop, too long for one function."""
    y = x
    for k, c in enumerate(np.random.default_rng(0).integers(0, 3, size=90)):
        a, b, d = y[0], y[1], y[2]
        new = [dnp.sin(a) * b + d, dnp.tanh(b * 0.5) - a * d * 0.1, dnp.cos(d) + a * 0.3]
        y = dnp.stack([new[(j + c) % 3] * (1 - 0.001 * k * c) for j in range(3)])
    return y


@pytest.mark.parametrize("m", [20_000, 20_011])
def test_products_by_what_is_not_zero(m: int) -> None:
    rng = np.random.default_rng(0)
    few = rng.normal(size=(m, 40)) * (rng.random((m, 40)) < 0.05)
    few.flags.writeable = False
    g = identical(lambda x: few @ dnp.exp(x), normal(40, 6), cut=None)
    assert "what is not zero" in g.explain()
    jacobian = jacfwd(lambda x: dnp.ravel(dnp.sin(x.reshape(-1, 4)) * dnp.sum(x.reshape(-1, 4), axis=1, keepdims=True)))
    g = identical(lambda x: few @ jacobian(x).T, normal(40), cut=None)
    assert "blocks" in g.explain()
    g = identical(lambda a, x: a @ jacobian(x).T, normal(m, 40), normal(40), cut=None)
    assert "blocks" in g.explain()


@pytest.mark.parametrize("n", [9000, 9001, 9007, 9093])
def test_programs_of_rows(n: int) -> None:
    g = identical(lambda x: vmap(jacfwd(lambda v: v / dnp.sqrt(1 + dnp.sum(v * v)) * dnp.exp(-v)))(x), normal(n, 3))
    assert f"for each of {n} rows, in" in g.explain()


def test_rows_whose_program_is_several_functions() -> None:
    """What goes from one to another has a place for each piece."""
    x, m = normal(2003, 3), normal(3, 3)
    g = identical(lambda x, m: vmap(jacfwd(one))(x) @ (np.sin(m) + m.T), x, m, rtol=1e-6, atol=1e-6)
    assert "for each of 2003 rows, in" in g.explain()
    (p,) = programs(g)
    assert p.segments[0].workspace > 0


def test_gathers() -> None:
    table, i = normal(777, 3), np.random.default_rng(1).integers(-777, 777, size=100_000)
    identical(lambda t, i: (np.exp(t[i, 0]) * t[i, 2]).sum(), table, i)
    identical(grad(lambda t, i: (np.exp(t[i, 0]) * t[i, 2]).sum()), table, i)


@pytest.mark.parametrize("at", [0, 50_000, 99_999])
def test_an_index_out_of_range_in_any_piece(at: int) -> None:
    table, i = normal(777), np.arange(100_000) % 777
    g = jit(lambda t, i: np.exp(t[i]).sum())
    g(table, i)
    i[at] = 777
    for n in NUMBERS:
        set_num_threads(n)
        with pytest.raises(IndexError):
            run(g, table, i)
        with pytest.raises(IndexError):
            g(table, i)


def test_a_guard_on_a_sum_of_pieces() -> None:
    def f(x: Any) -> Any:
        s = np.exp(x).sum()
        return s * 2 if s > 1e6 else -s

    g = jit(f)
    small, large = normal(100_000), normal(100_000) + 5
    for n in NUMBERS:
        set_num_threads(n)
        assert g(small) == pytest.approx(f(small), rel=1e-12)
        assert g(large) == pytest.approx(f(large), rel=1e-12)
    assert g.recordings == 2


def test_in_a_loop_of_machine_code() -> None:
    def f(x: Any) -> Any:
        for k in range(200):
            x = np.sin(x) * 0.5 + x[::-1] * 0.01 * k / 200 + np.tanh(x) * np.exp(-x * x).sum() * 1e-6
        return x

    g = identical(f, normal(20_000))
    assert "loop of" in g.explain()


def test_code_does_not_depend_on_the_number_of_threads() -> None:
    texts = set()
    for n in NUMBERS:
        set_num_threads(n)
        texts.add(jit(grad(elementwise)).lower(np.ones(100_000)).as_text())
    assert len(texts) == 1


def test_many_threads_call_at_once() -> None:
    x = normal(50_000)
    g = jit(grad(elementwise))
    g(x)
    expected = [g(x + k).tobytes() for k in range(4)]
    wrong: list[int] = []

    def call(k: int) -> None:
        for _ in range(5):
            if g(x + k % 4).tobytes() != expected[k % 4]:
                wrong.append(k)

    set_num_threads(3)
    callers = [threading.Thread(target=call, args=(k,)) for k in range(100)]
    for t in callers:
        t.start()
    for n in (1, 5, 2, 3):  # while they run
        set_num_threads(n)
    for t in callers:
        t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_threads_of_its_own() -> None:
    x = normal(100_000)
    g = jit(grad(elementwise))
    g(x)
    set_num_threads(3)
    expected = g(x).tobytes()
    for _ in range(3):
        child = os.fork()
        if child == 0:
            good = all(g(x).tobytes() == expected for _ in range(20))
            os._exit(0 if good else 1)
        assert g(x).tobytes() == expected
        assert os.waitpid(child, 0)[1] == 0


def test_python_ends_while_helpers_spin_or_sleep() -> None:
    code = """
import sys, threading, time, numpy as np, dualad
dualad.set_num_threads(4)
g = dualad.jit(lambda x: np.sin(x).sum())
x = np.linspace(0, 1, 200_000)
y = [g(x) for _ in range(3)]
assert "pieces" in g.explain()
def forever():
    while True:
        g(x)
if "call" in sys.argv:
    for _ in range(3):
        threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05 if "sleep" in sys.argv else 0)
y = g(x) if "sleep" not in sys.argv else y
print("done")
"""
    for how in ("spin", "sleep", "call"):
        r = subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, timeout=120)
        assert (r.returncode, r.stdout.strip(), r.stderr) == (0, "done", ""), how


@pytest.mark.parametrize("n", [0, -1, 2.0, "2", None, True])
def test_what_is_no_number_of_threads(n: Any) -> None:
    before = get_num_threads()
    with pytest.raises(ArgumentError, match="positive int"):
        set_num_threads(n)
    assert get_num_threads() == before


def test_the_number_of_threads() -> None:
    set_num_threads(5)
    assert get_num_threads() == dualad.get_num_threads() == 5

    def in_another(value: str | None) -> Any:
        env = {k: v for k, v in os.environ.items() if k != "DUALAD_NUM_THREADS"}
        env |= {} if value is None else {"DUALAD_NUM_THREADS": value}
        code = "import dualad; print(dualad.get_num_threads())"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)

    assert in_another("6").stdout.strip() == "6"
    if hasattr(os, "sched_getaffinity"):
        assert in_another(None).stdout.strip() == str(len(os.sched_getaffinity(0)))
    for bad in ("0", "many", "-2", ""):
        assert "ArgumentError: DUALAD_NUM_THREADS" in in_another(bad).stderr


def test_where_a_loop_is_cut() -> None:
    """By the work of all, in whole steps, into a power of two; what is little is not."""
    body = pieces.PIECE / 100  # a hundred of which are a piece
    assert pieces.cut(399, body, 1, 0) is None
    assert pieces.cut(400, body, 1, 0) == pieces.Cut(4)
    assert pieces.cut(1000, body, 1, 0) == pieces.Cut(8)
    assert pieces.cut(1000, body, 200, 0) == pieces.Cut(4)
    assert pieces.cut(10**9, body, 1, 0) == pieces.Cut(pieces.MOST)
    assert pieces.cut(10**9, body, 1, 0, most=3) is None


def test_partial_results_are_few() -> None:
    """What one thread adds up in the end is little beside what the pieces do."""
    for shape, expected in (((1000, 1000), 8), ((300, 5000), 8), ((10_000, 100), 64)):
        f = jit(lambda x: np.exp(x).sum(axis=0))
        x = np.ones(shape)
        f(x)
        assert f"in {expected} pieces" in f.explain()
        np.testing.assert_allclose(f(x), np.exp(x).sum(axis=0), rtol=1e-13)


@pytest.mark.parametrize(("m", "n"), [(300, 1600), (101, 2003)])
def test_rows_gone_across(m: int, n: int) -> None:
    """Each piece of the rows is cut into parts of columns."""
    identical(lambda x, y: (np.exp(x.T) * y, x.T - 1), normal(n, m), normal(m, n))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_partial_results_lie_apart(dtype: Any) -> None:
    """Those of whole rows, which are written all the time; single numbers are written once."""
    for size in (2, 7, 1000):
        r = Reduction(Value("sum", (size,), np.dtype(dtype)), 0, frozenset([0]))
        own = size * np.dtype(dtype).itemsize
        assert pieces.partial_bytes(pieces.Cut(8), [r]) >= 8 * (own + pieces.APART)
    one = Reduction(Value("sum", (), np.dtype(dtype)), 0, frozenset([0]))
    assert pieces.partial_bytes(pieces.Cut(8), [one]) == 64


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
def test_helpers_begin_where_nothing_was_compiled_before() -> None:
    code = """
import os, numpy as np, dualad
dualad.set_num_threads(3)
g = dualad.jit(lambda x: x * 2 + 1)
x = np.linspace(0, 1, 1_000_000)
before = len(os.listdir("/proc/self/task"))
y = [g(x) for _ in range(3)]
assert "pieces" in g.explain()
print(len(os.listdir("/proc/self/task")) - before)
"""
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (r.stdout.strip(), r.stderr) == ("2", "")
