"""Tape: gradient, listing, measures, replay, drawing, length, memory."""

from __future__ import annotations

import shutil
import weakref
from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, DtypeError, GuardError, LeakedTensorError, ShapeError, Tape


def record() -> Any:
    with Tape() as tape:
        x = tape.watch(np.array([1.0, 2.0]))
        h = np.sin(x)
        y = (h * x * 3.0).sum()
    return tape, x, h, y


def test_gradient_of_inputs_and_intermediates() -> None:
    tape, x, h, y = record()
    for _ in range(2):
        np.testing.assert_allclose(tape.gradient(y, x), 3 * (np.sin([1, 2]) + np.cos([1, 2]) * [1, 2]))
    by_h, by_x = tape.gradient(y, (h, x))
    np.testing.assert_allclose(by_h, [3, 6])
    np.testing.assert_allclose(tape.gradient(h, x, cotangent=np.array([1.0, 0.0])), [np.cos(1), 0])
    np.testing.assert_allclose(by_x, tape.gradient(y, x))


def test_listing_count_and_bytes() -> None:
    tape, *_ = record()
    assert str(tape).splitlines() == [
        "tape: 4 instructions, 1 input, 56 bytes of results",
        "  %0 = input                float64[2]",
        "  %1 = sin(%0)              float64[2]",
        "  %2 = multiply(%1, %0)     float64[2]",
        "  %3 = multiply(%2, 3.0)    float64[2]",
        "  %4 = sum(%3, axis=(0,))   float64[]",
    ]
    assert tape.count() == {"sin": 1, "multiply": 2, "sum": 1}
    assert tape.nbytes == 56
    assert len(tape) == 4
    assert repr(tape) == "<Tape: 4 instructions, 1 inputs>"


def test_replay_at_another_point() -> None:
    tape, _, h, y = record()
    other = np.array([0.5, -1.0])
    np.testing.assert_allclose(tape.replay(y, other), (np.sin(other) * other * 3).sum())
    np.testing.assert_allclose(tape.replay({"h": h}, other)["h"], np.sin(other))
    g = dualad.grad(lambda v: tape.replay(y, v))(other)
    np.testing.assert_allclose(g, 3 * (np.sin(other) + np.cos(other) * other))
    with pytest.raises(ShapeError, match="recording"):
        tape.replay(y, np.ones(3))
    with pytest.raises(ArgumentError, match="1 inputs"):
        tape.replay(y, other, other)


def test_replay_refuses_another_path() -> None:
    with Tape() as tape:
        x = tape.watch(2.0)
        y = x * x if x > 0 else -x
    assert tape.replay(y, 3.0) == 9
    with pytest.raises(GuardError, match="another path"):
        tape.replay(y, -3.0)
    assert "guard bool() of" in str(tape)


def test_values_can_be_read_after_the_end_but_not_computed_with() -> None:
    tape, _, _, y = record()
    assert "guard" not in str(tape)
    assert f"{y:.3f}" == f"{y.primal:.3f}"
    with pytest.raises(LeakedTensorError, match="tape"):
        y + 1


def test_nested_tapes() -> None:
    with Tape() as outer:
        x = outer.watch(2.0)
        with Tape() as inner:
            z = inner.watch(x)
            y = z**3
        g = inner.gradient(y, z)
    assert g.primal == 12
    assert outer.gradient(g, x) == 12


def test_multiple_outputs_in_a_tape() -> None:
    with Tape() as tape:
        x = tape.watch(np.array([[2.0, 1.0], [1.0, 3.0]]))
        w, v = np.linalg.eigh(x)
        y = (w * w).sum() + (v[:, 0] ** 2).sum()
    np.testing.assert_allclose(tape.gradient(y, x), 2 * np.array([[2, 1], [1, 3]]), atol=1e-12)
    assert "[0]" in str(tape)


def test_wrong_use() -> None:
    tape, x, h, y = record()
    with pytest.raises(ShapeError, match="scalar"):
        tape.gradient(h, x)
    with pytest.raises(ArgumentError, match="watch"):
        tape.gradient(y, 3.0)
    with pytest.raises(DtypeError, match="astype"):
        Tape().watch(np.array([1, 2]))
    with pytest.raises(ShapeError, match="cotangent"):
        tape.gradient(h, x, cotangent=np.ones(5))


def test_drawing(tmp_path: Any) -> None:
    tape, *_ = record()
    text = tape.dot()
    assert text.startswith("digraph tape") and text.count("->") == 5 and '"sin' in text
    assert (tmp_path / "t.dot").write_text("") == 0
    tape.draw(str(tmp_path / "t.dot"))
    assert (tmp_path / "t.dot").read_text() == text
    with pytest.raises(ArgumentError, match=r"\.svg"):
        tape.draw(str(tmp_path / "t.bmp"))
    if shutil.which("dot"):
        tape.draw(str(tmp_path / "t.svg"))
        assert "<svg" in (tmp_path / "t.svg").read_text()
    else:
        with pytest.raises(ArgumentError, match="Graphviz"):
            tape.draw(str(tmp_path / "t.svg"))


def test_a_million_instructions_need_no_recursion() -> None:
    def long(x: Any) -> Any:
        for _ in range(500_000):
            x = (x + 1.0) - 1.0
        return x

    assert dualad.grad(long)(2.0) == 1


def test_values_are_freed_as_the_pullback_passes_them() -> None:
    """When the pullback reaches an operation, the arrays kept by later ones are gone."""
    kept: list[Any] = []
    alive: list[int] = []

    @dualad.custom_vjp
    def probe(x: Any) -> Any:
        return x * 1.0

    def back(_: Any, g: Any) -> Any:
        alive.append(sum(r() is not None for r in kept))
        return (g,)

    probe.defvjp(lambda x: (x * 1.0, None), back)

    def f(x: Any) -> Any:
        for _ in range(5):
            x = np.exp(probe(x))
            kept.append(weakref.ref(x.value))  # exp keeps its result
            x = x * 0.1
        return x.sum()

    dualad.grad(f)(np.ones(4))
    assert alive == [4, 3, 2, 1, 0]
