"""Arrays put together by constant indices: each part is written where it is computed, each element to its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad.numpy as dnp
from dualad import grad, jit
from dualad.native.assembly import Part
from dualad.native.graph import Value
from tests.native.test_programs import both, normal

RNG = np.random.default_rng(5)


def loops(f: Any) -> str:
    return "\n".join(line for line in f.explain().splitlines() if "loop [" in line)


def parts(x: Any) -> list[Any]:
    """Computed, a slice, constants, padded with zeros with and without steps, a join of joins."""
    n = len(x)
    spaced, padded = dnp.zeros(2 * n), dnp.zeros(n + 3)
    spaced[1::2] = x * 3
    padded[2:-1] = np.sqrt(x)
    inner = np.concatenate([x[: n // 2] ** 2, np.ones(5)])
    return [np.exp(x), x[3:], np.linspace(0, 1, 7), spaced, padded, np.concatenate([inner, x[::-1]])]


@pytest.mark.parametrize("n", [20, 64, 301])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_constant_indices_into_joins(n: int, dtype: Any, share: float) -> None:
    """Each element once, some never; more or fewer constants than half, from the front and from the back."""
    x = RNG.uniform(0.5, 1.5, n).astype(dtype)
    total = sum(len(p) for p in parts(x))
    size = total + 403
    chosen = RNG.permutation(total)[: int(0.8 * total)]
    chosen = RNG.permutation(np.concatenate([chosen, RNG.integers(total, size, int(share * 3 * total))]))
    chosen[::3] -= size

    def f(x: Any) -> Any:
        return np.concatenate([*parts(x), np.zeros(400), np.full(3, 2.0)])[chosen]

    both(lambda x: f(x).astype(dtype), x, rtol=1e-5 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 300, 1001])
def test_every_element_to_its_place(n: int) -> None:
    order = RNG.permutation(2 * n)
    f = both(lambda x: np.concatenate([x * 2, np.sin(x)])[order], normal(n))
    if n >= 300:
        assert loops(f).count("loop") == 1, f.explain()


def test_elements_used_several_times_and_hardly_any() -> None:
    """Few uses of an element are as many writes; from many, and from few elements of much, the join is read."""
    x = normal(400)
    joined = lambda x: np.concatenate([x * 2, x + 1])
    for chosen in (
        RNG.integers(0, 800, 900) // 3 * 3,
        np.repeat(np.arange(800), 3),
        np.zeros(700, int),
        np.array([5, 799, 5]),
        RNG.integers(0, 800, (30, 20)),
    ):
        both(lambda x, chosen=chosen: joined(x)[chosen], x)


def test_rows_columns_and_stacks() -> None:
    rows, columns = RNG.integers(0, 12, 40), RNG.integers(-9, 9, 40)

    def f(x: Any, y: Any) -> Any:
        pair = np.stack([x * y, np.ones((6, 9)), np.exp(y)])
        tall = np.concatenate([x, 2 * y])
        return (
            tall[rows], tall[rows, columns], tall[:, columns], tall[3:, columns], pair[[0, 2, 2, 1]],
            np.concatenate([x, y * 3], 1)[:, np.r_[0:18:3, 17]], tall.reshape(-1)[::-1][rows], (x > y).sum(),
            np.concatenate([x > 0, y > 0])[rows],
        )  # fmt: skip

    both(f, normal(6, 9), normal(6, 9))


def test_the_join_itself_is_wanted_too() -> None:
    order = RNG.permutation(600)

    def f(x: Any) -> Any:
        whole = np.concatenate([x * 2, np.cos(x)])
        return whole, whole[order], whole[order].sum(), whole[::2] * 2

    both(f, normal(300))


def test_slices_with_steps_among_zeros() -> None:
    """What the derivative of a slice is."""

    def f(x: Any, m: Any) -> Any:
        return (
            (x[::2] ** 3).sum() + (x[1::3] * x[:-1:3]).sum() + np.sin(x[::-2]).sum() + (m[::2, 1::3] ** 2).sum()
            + (m[-1, ::-2] * m[0, ::-2]).sum() + np.exp(m[1:4:2].T).sum()
        )  # fmt: skip

    both(grad(f, (0, 1)), normal(70), normal(6, 13))
    both(grad(f, (0, 1)), normal(1999), normal(40, 53))


def test_slices_with_steps_are_assigned() -> None:
    def f(x: Any, m: Any) -> Any:
        a, b, c = x * 2, dnp.zeros((6, 13)), m * 1.5
        a[::3] = np.exp(x[: len(a[::3])])
        a[1::2] = a[: len(a[1::2])].copy()
        b[::2, 1] = m[:3, 0]
        b[1, ::-2] = x[:7] + 1
        c[4::-2, ::6] = m[:3, :3]
        d = x + 0
        for k in range(7):  # the same elements again and again
            d[k % 2 :: 2] = d[: len(d[k % 2 :: 2])].copy()  # NumPy reads what it has just written
        return a, b, c, d

    both(f, normal(70), normal(6, 13))

    def by_broadcasting(x: Any) -> Any:
        y = x * 2
        y[::2] = x[0] * 3
        return y

    both(by_broadcasting, normal(33), only_native=False)


def test_one_loop_for_interleaved_results() -> None:
    def f(x: Any) -> Any:
        even, odd = x[::2], x[1::2]
        return ((odd - even**2) ** 2 + (1 - even) ** 2).sum()

    g = both(grad(f), normal(2000))
    assert loops(g).count("loop [1000]") == 1, g.explain()


def test_even_steps_are_slices_and_one_part_is_alone() -> None:
    def f(x: Any) -> Any:
        whole = np.concatenate([np.exp(x), x * 2])
        return (
            x[np.arange(3, 300, 7)] * 2,
            whole[[0]],
            whole[np.arange(310, 600)],
            whole[[5, 3, 9, 3]],
            x[np.array([-1])] + 1,
        )

    both(f, normal(300))


def test_rows_of_every_alignment() -> None:
    """Long rows are stored line by line of the memory: the first and the last vector overlap their neighbours."""
    for n in (127, 128, 129, 255, 263, 1000):
        both(lambda x: (x[:, 1:] * 2, np.concatenate([x[0, :-3] + 1, x[1]]), x.T + 0, x > 0), normal(5, n))
        both(lambda x: (x - 1, np.concatenate([x, x[1:] * 2])), normal(3 * n, dtype=np.float32), rtol=1e-6)


def test_nothing_is_left_of_the_last_call() -> None:
    order = RNG.permutation(1200)
    f = jit(lambda x: np.concatenate([x * 2, np.zeros(900)])[order])
    x, y = normal(300), normal(300)
    first = f(x)
    kept = first.copy()
    second = f(y)
    np.testing.assert_array_equal(first, kept)
    first[:] = 7
    np.testing.assert_array_equal(f(y), second)
    np.testing.assert_array_equal(second, np.concatenate([y * 2, np.zeros(900)])[order])


def test_an_element_that_goes_nowhere_is_no_step() -> None:
    """-1 says that an element has no place, even where the places before go down to it in even steps."""
    for places, expected in (([5, -1], None), ([1, 0, -1], None), ([5, 2], (5, -3)), ([0, 2, 4], (0, 2))):
        value = Value("input", (len(places),), np.dtype(float))
        assert Part(value, np.array(places)).strides() == expected
    v = normal(3) + 1j
    f = jit(lambda c: np.concatenate([c[::-1], np.conj(c)[1:]])[np.array([[2, 3, 4], [1, 2, 3], [0, 1, 2]])])
    for _ in range(3):
        np.testing.assert_array_equal(f(v), [[v[0], *v[1:].conj()], [v[1], v[0], v[1].conj()], v[::-1]])
