"""Gradients under a memory budget: equal to those without, within the budget, or an error that says what would do."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, checkpoint, grad, value_and_grad
from dualad.modes.checkpointed import CheckpointLevel, binomial_step, parse_bytes

X = np.linspace(0.1, 1.0, 500)


def pendulum(x: Any, steps: int = 300) -> Any:
    v = 0 * x
    for _ in range(steps):
        v = v - 0.01 * np.sin(x)
        x = x + 0.01 * v
    return (x * x).sum()


def branching(x: Any) -> Any:
    """Python's branches, in-place assignment, several outputs, a value used far from where it was made."""
    first = np.exp(x)
    total = dualad.numpy.zeros(3)
    for k in range(60):
        x = np.where(x > 0.5, x * 0.99, x + 0.01) if k % 3 else np.sort(x[::-1])
        total[k % 3] = total[k % 3] + x.sum()
        w, _ = np.linalg.eigh(np.outer(x[:3], x[:3]) + np.eye(3) * (k + 1) + np.diag(np.arange(3.0)))
        x = x + w[0] * 1e-3
        if x[0] > 0.3:
            x = x * first[0] / first[0]
    return (total * total[::-1]).sum() + (first * x).mean()


def kinds(x: Any) -> Any:
    """Operations with one, two and three arguments, that broadcast, promote, keep nothing, and meet constants."""
    c = np.arange(3.0)
    y = np.float32(2) * x.astype(np.float32) + x
    for k in range(30):
        y = np.clip(np.abs(np.exp(1j * y)) * y, -1.5, 1.5) + np.negative(x) / (2 + k)
        y = (y[:, None] - c).sum(1) * 0.3 + x[0] * np.where(y > 0, y, 0.1 * y) ** 2 + np.maximum(y, 0.5) + 1
        y = np.tanh(y) + np.fmod(y, 3.0)
    return y.sum()


@pytest.mark.parametrize("f", [pendulum, branching, kinds])
@pytest.mark.parametrize("memory", ["1MB", "2MB", 10**9])
def test_equal_to_the_gradient_without(f: Any, memory: Any) -> None:
    np.testing.assert_array_equal(grad(f, memory=memory)(X), grad(f)(X))


def test_value_aux_and_pytrees() -> None:
    f = lambda p, k: ((pendulum(p["a"] * p["b"], k), {"k": k}))
    p = {"a": X, "b": np.float64(0.5)}
    (value, aux), g = value_and_grad(f, has_aux=True, memory="2MB")(p, 100)
    (expected, _), h = value_and_grad(f, has_aux=True)(p, 100)
    assert value == expected
    assert aux == {"k": 100}
    np.testing.assert_array_equal(g["a"], h["a"])
    np.testing.assert_array_equal(g["b"], h["b"])


def test_nested() -> None:
    g = grad(pendulum, memory="2MB")
    np.testing.assert_allclose(dualad.jvp(g, (X,), (X,))[1], dualad.hvp(pendulum, X, X), rtol=1e-12)
    twice = grad(lambda x: (g(x) ** 2).sum(), memory="4MB")(X)
    np.testing.assert_allclose(twice, grad(lambda x: (grad(pendulum)(x) ** 2).sum())(X), rtol=1e-12)


def test_an_inner_transform_holds_values_of_the_outer() -> None:
    def f(x: Any) -> Any:
        for _ in range(40):
            x = x - 0.1 * grad(lambda z, x=x: (np.sin(z) * x).sum())(x)
        return x.sum()

    np.testing.assert_allclose(grad(f, memory="500kB")(X), grad(f)(X), rtol=1e-13)


def test_the_peak_stays_within_the_budget() -> None:
    def peak(memory: Any) -> int:
        tracemalloc.start()
        grad(pendulum, memory=memory)(np.linspace(0.1, 1.0, 2000), 1500)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    plain = peak(None)
    for budget in (6e6, 9e6):
        assert budget < 0.35 * plain
        assert peak(int(budget)) < budget


def test_work_is_bounded() -> None:
    """Each instruction is run again at most a few times, however long the program."""
    runs = [0]

    def counted(x: Any) -> Any:
        runs[0] += 1
        return np.sin(x)

    f = dualad.custom_jvp(counted)
    f.defjvp(lambda x, t: (f(x[0]), np.cos(x[0]) * t[0]))

    def chain(x: Any) -> Any:
        for _ in range(1000):
            x = f(x)
        return x.sum()

    grad(chain, memory="1.5MB")(X)
    assert 2000 <= runs[0] <= 5000  # forward, and again; plus what is computed between distant checkpoints


def test_too_little_is_refused() -> None:
    with pytest.raises(ArgumentError, match="The least that does is memory=") as found:
        grad(pendulum, memory=20_000)(X)
    least = int(str(found.value).split("memory=")[2].split()[0])
    np.testing.assert_array_equal(grad(pendulum, memory=least)(X), grad(pendulum)(X))
    with pytest.raises(ArgumentError, match="too little"):
        grad(pendulum, memory=int(0.98 * least))(X)
    for bad in ("much", "-1MB", 0, True, "1 parsec"):
        with pytest.raises(ArgumentError, match="is no size"):
            grad(pendulum, memory=bad)


def test_sizes() -> None:
    assert [parse_bytes(s) for s in ("200MB", "1.5 GiB", 7, "3e3", "2kB")] == [
        200_000_000,
        1_610_612_736,
        7,
        3000,
        2000,
    ]


def test_binomial_steps_reach_the_end() -> None:
    for length in range(2, 60):
        for slots in range(6):
            assert 1 <= binomial_step(length, slots) < length


def test_a_missing_value_falls_back_to_an_earlier_checkpoint() -> None:
    with CheckpointLevel(10**6) as level:
        x = level.watch(X)
        y = np.sin(x)
        z = np.exp(y)
        level._end_stretch()
        level.states[len(level.nodes)].clear()  # as if nothing had been alive there
        out = (y * z).sum()
        cts = {out.aux: np.float64(1)}
        level.backward(cts)
    np.testing.assert_allclose(cts[x.aux], grad(lambda x: (np.sin(x) * np.exp(np.sin(x))).sum())(X))


def stages(x: Any, of: Any = lambda f: f) -> Any:
    """Two long stretches, each of which may be a checkpoint; a pytree goes from one to the other."""

    def stretch(p: Any, steps: int) -> Any:
        x, v = p["x"], p["v"]
        for _ in range(steps):
            v = v - 0.01 * np.sin(x)
            x = x + 0.01 * v
        return {"x": x, "v": v, "steps": steps}

    run = of(stretch)
    p = run({"x": x, "v": 0 * x}, 200)
    p = run({"x": np.cos(p["x"]), "v": p["v"]}, 200)
    return (p["x"] * p["v"]).sum()


def test_checkpoint_within_a_budget() -> None:
    within = lambda x: stages(x, lambda f: checkpoint(f, memory="700kB"))
    expected = grad(stages)(X)
    np.testing.assert_allclose(grad(within)(X), expected, rtol=1e-12)
    np.testing.assert_allclose(dualad.jvp(grad(within), (X,), (X,))[1], dualad.hvp(stages, X, X), rtol=1e-10)
    np.testing.assert_allclose(dualad.jvp(within, (X,), (X,))[1], expected @ X, rtol=1e-10)
    np.testing.assert_array_equal(grad(lambda x: checkpoint(lambda y: y * y, memory=10**5)(x).sum())(X), 2 * X)


def test_the_peak_of_checkpoint_stays_within_its_budget() -> None:
    x = np.linspace(0.1, 1.0, 2000)

    def peak(f: Any) -> int:
        tracemalloc.start()
        grad(f)(x)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    plain, whole = peak(stages), peak(lambda x: stages(x, checkpoint))
    little = peak(lambda x: stages(x, lambda f: checkpoint(f, memory="2MB")))
    assert whole < 0.6 * plain  # one stretch at a time
    assert little < 2.3e6 < 0.25 * whole  # and the values between the stretches


def test_checkpoint_says_the_least_that_does() -> None:
    with pytest.raises(ArgumentError, match="The least that does is memory=") as found:
        grad(lambda x: stages(x, lambda f: checkpoint(f, memory=20_000)))(X)
    least = int(str(found.value).split("memory=")[2].split()[0])
    np.testing.assert_allclose(
        grad(lambda x: stages(x, lambda f: checkpoint(f, memory=least)))(X), grad(stages)(X), rtol=1e-12
    )
    with pytest.raises(ArgumentError, match="is no size"):
        checkpoint(stages, memory="much")
