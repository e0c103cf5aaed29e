"""Every example runs at a small size, finds what it should, and draws; the index lists them all."""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dualad import grad

DOCS = pathlib.Path(__file__).parent.parent / "docs"
NAMES = sorted(p.stem for p in (DOCS / "examples").glob("*.py") if p.stem != "common")

Run = Callable[[str], Any]


@pytest.fixture(autouse=True)
def examples_are_importable(monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(DOCS / "examples")


@pytest.fixture
def run(tmp_path: Any) -> Run:
    def run_and_draw(name: str) -> Any:
        example = importlib.import_module(name)
        result = example.main("small")
        example.draw(result, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").stat().st_size > 2_000
        return result

    return run_and_draw


def test_gaussian_process(run: Run) -> None:
    result = run("gaussian_process")
    assert result["slope"] < 1e-3
    assert np.linalg.eigvalsh(result["covariance"]).min() > 0  # a minimum, not a saddle
    noise, error = result["theta"][2], np.sqrt(result["covariance"][2, 2])
    assert abs(noise - np.log(0.2)) < 3 * error < 1.5


def test_gaussian_mixture(run: Run) -> None:
    result = run("gaussian_mixture")
    order = np.argsort(result["theta"][1][:, 0])
    np.testing.assert_allclose(result["theta"][1][order], [[-2, 0], [0, -3], [2, 1]], atol=0.25)
    np.testing.assert_allclose(result["theta"][0][order], [0.5, 0.2, 0.3], atol=0.07)
    np.testing.assert_allclose(result["r"].sum(axis=1), 1, rtol=1e-12)
    assert np.diff(result["history"]).min() > -1e-10  # expectation maximization never descends
    assert result["slope"] < 1e-6


def test_hidden_markov(run: Run) -> None:
    result = run("hidden_markov")
    np.testing.assert_allclose(result["posterior"].sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(np.sort(result["levels"]), [-1.5, 0, 2], atol=0.4)
    assert result["accuracy"] > 0.93


def test_hidden_markov_forward_is_the_sum_over_all_paths() -> None:
    example = importlib.import_module("hidden_markov")
    rng = np.random.default_rng(0)
    transitions, emissions = example.log_softmax(rng.standard_normal((3, 3))), rng.standard_normal((4, 3))
    paths = np.stack(np.meshgrid(*[range(3)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    terms = emissions[np.arange(4), paths].sum(axis=1) + transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    assert np.isclose(example.forward(transitions, emissions), np.log(np.exp(terms).sum() / 3), rtol=1e-12)


def test_ode_fit(run: Run) -> None:
    result = run("ode_fit")
    true = np.log([1.0, 0.6, 0.9, 0.4, 2.0, 1.0])
    deviation = np.sqrt(np.diagonal(result["covariance"]))
    assert np.all(abs(result["theta"] - true) < 3.5 * deviation)
    assert deviation.max() < 0.2 < abs(result["start"] - true).max()


def test_natural_gradient(run: Run) -> None:
    result = run("natural_gradient")
    np.testing.assert_allclose(result["mean"], result["exact_mean"], atol=0.15)
    np.testing.assert_allclose(result["deviations"], result["exact_deviations"], rtol=0.2)


def test_lstm(run: Run) -> None:
    result = run("lstm")
    assert result["losses"][0] > 2.5
    assert np.mean(result["losses"][-10:]) < 0.6


def test_variational_autoencoder(run: Run) -> None:
    result = run("variational_autoencoder")
    assert np.mean(result["losses"][-20:]) < 0.6 * result["losses"][0]
    assert result["explained"] > 0.6


def test_deep_gaussian_process(run: Run) -> None:
    result = run("deep_gaussian_process")
    for name in ("one layer", "two layers"):
        assert result[name]["bound"] < 0.5 * result[name]["before"]
    assert result["two layers"]["bound"] < result["one layer"]["bound"]


def test_convolutional_network(run: Run) -> None:
    result = run("convolutional_network")
    assert result["accuracy"] > 0.75
    assert np.mean(result["losses"][-10:]) < 0.6


def test_fluid(run: Run) -> None:
    result = run("fluid")
    assert result["after"] < 0.3 * result["before"]


def test_fluid_projection_leaves_no_divergence() -> None:
    v = importlib.import_module("fluid").solenoidal(np.random.default_rng(0).standard_normal((2, 9, 9)))
    k = np.fft.fftfreq(9)
    modes = np.fft.fft2(v)
    assert abs(k[:, None] * modes[0] + k * modes[1]).max() < 1e-12


def test_fluid_gradient_is_the_same_under_a_memory_budget() -> None:
    example = importlib.import_module("fluid")
    density, target = example.ring_and_block(17)
    v = np.random.default_rng(0).standard_normal((2, 17, 17))
    distance = lambda v: example.distance(v, density, target, 8)
    np.testing.assert_allclose(grad(distance, memory="500kB")(v), grad(distance)(v), rtol=1e-9, atol=1e-15)


def test_the_index_shows_every_example() -> None:
    index = (DOCS / "examples" / "README.md").read_text()
    for name in NAMES:
        assert f"]({name}.py)" in index
        assert f"](../pictures/examples/{name}.png)" in index
        assert (DOCS / "pictures" / "examples" / f"{name}.png").stat().st_size < 60_000
    assert len(NAMES) == 10
