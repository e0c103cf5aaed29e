"""The derivatives of the ADBench problems, at small sizes: uncompiled and compiled, against JAX's and finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
import dualad.numpy as dnp
from compare.problems import adbench, adbench_data
from compare.workloads.adbench import agree

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
DATA = adbench_data.folder()


@pytest.fixture(autouse=True)
def random_problems(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setenv("DUALAD_ADBENCH", str(tmp_path / "none"))


def same(make: Any, *args: Any) -> None:
    """``make(np, library, scan)``, a derivative, is what JAX's is; compiled, also at other arguments."""
    theirs = jax.jit(make(jax.numpy, jax, jax.lax.scan))
    ours = make(dnp, dualad, dualad.scan)
    compiled = dualad.jit(ours)
    expected = theirs(*args)
    agree(ours(*args), expected, "uncompiled")
    agree(compiled(*args), expected, "compiled, first call")
    moved = [a * 1.01 for a in args]
    agree(compiled(*moved), theirs(*moved), "compiled, at other arguments")


@pytest.mark.parametrize("d,k,n", [(2, 5, 40), (10, 6, 70)])
def test_mixture(d: int, k: int, n: int) -> None:
    *args, gamma, m = adbench_data.mixture(d, k, n)
    same(lambda np, lib, _: lib.grad(lambda *a: adbench.mixture(np, *a, gamma, m), (0, 1, 2)), *args)
    by_hand = adbench.mixture_by_hand(*args, gamma, m)
    agree(by_hand, dualad.grad(lambda *a: adbench.mixture(dnp, *a, gamma, m), (0, 1, 2))(*args), "by hand")


def test_mixture_of_one_standard_normal() -> None:
    """Where the sum over the points is known: -N d log(2 pi) / 2 minus half the squares, and the prior's constant."""
    x = np.random.default_rng(0).normal(size=(9, 3))
    value = adbench.mixture(np, np.zeros(1), np.zeros((1, 3)), np.zeros((1, 6)), x, 1.0, 0)
    prior = 0.5 * 3 - adbench.wishart(1.0, 0, 3)
    assert value == pytest.approx(-0.5 * (x**2).sum() - 0.5 * 27 * np.log(2 * np.pi) + prior, rel=1e-13)


def test_sequence() -> None:
    args = adbench_data.sequence(2, 5, 14)
    same(lambda np, lib, scan: lib.grad(lambda *a: adbench.sequence_loss(np, scan, *a), (0, 1)), *args)


@pytest.mark.parametrize("mode", ["jacfwd", "jacrev", "jacobian"])
def test_bundle(mode: str) -> None:
    args = adbench_data.bundle(3, 7, 20)
    rng = np.random.default_rng(1)
    args = [a + 0.1 * rng.normal(size=a.shape) for a in args]

    def make(np: Any, lib: Any, _: Any) -> Any:
        own = getattr(lib, mode) if hasattr(lib, mode) else lib.jacrev
        return lambda *a: adbench.blocks(np, lib.vmap, own, lib.grad, *a)

    same(make, *args)


def test_hand() -> None:
    theta, model, points = adbench_data.hand("none", 30)
    same(lambda np, lib, _: lib.jacfwd(lambda t, p: adbench.hand(np, t, model, p)), theta, points)
    jacobian = dualad.jacfwd(lambda t: adbench.hand(dnp, t, model, points))(theta)
    h = 1e-6
    step = [
        adbench.hand(np, theta + h * e, model, points) - adbench.hand(np, theta - h * e, model, points)
        for e in np.eye(26)
    ]
    np.testing.assert_allclose(jacobian, np.stack(step, axis=-1) / (2 * h), rtol=1e-6, atol=1e-7)


def test_the_data_where_it_is(monkeypatch: Any) -> None:
    if DATA is None:
        pytest.skip("the ADBench data is not beside this checkout")
    monkeypatch.setenv("DUALAD_ADBENCH", str(DATA))
    theta, model, points = adbench_data.hand()
    assert np.abs(adbench.hand(np, theta, model, points)).mean() < 0.2 * np.abs(points).mean()  # the model fits them
    positions = model.seen.reshape(len(points), -1, 4)
    assert np.allclose(positions[:, :, 3].sum(1), 1)  # of the vertices' weights
    assert adbench_data.sequence()[3].shape == (1024, 14)
    assert set(np.unique(adbench_data.sequence()[3])) == {0.0, 1.0}
    assert adbench_data.mixture(10, 25)[2].shape == (25, 55)
    assert adbench_data.bundle()[3].shape == (31843, 2)
