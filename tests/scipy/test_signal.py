"""dualad.scipy.signal: values against SciPy; derivatives against JAX where it has the function, else differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.scipy.signal
import numpy as np
import pytest
import scipy.signal

import dualad
from dualad import ArgumentError
from dualad.ops import convolve
from dualad.scipy import signal
from tests.functions import Case, arr, check, close

Z = arr(4, seed=3) + 1j * arr(4, seed=4)
STABLE = np.array([1.5, -0.6, 0.3])
MODES = ("full", "same", "valid")


def cases() -> list[Any]:
    out = []

    def add(name: str, f: Callable[..., Any], *args: Any, oracle: Any = "differences") -> None:
        out.append(pytest.param(f, args, oracle, id=f"{name}-{len(out)}"))

    for mode in MODES:
        for n, m in ((6, 3), (5, 4), (3, 5)):
            add("convolve", lambda s, a, b, mode=mode: s.convolve(a, b, mode), arr(n), arr(m, seed=1))
            add("correlate", lambda s, a, b, mode=mode: s.correlate(a, b, mode), arr(n), arr(m, seed=1))
        add("convolve", lambda s, a, b, mode=mode: s.convolve(a, b, mode), arr(4, 3), arr(2, 2, seed=1), oracle="jax")
        add("correlate", lambda s, a, b, mode=mode: s.correlate(a, b, mode), arr(4, 3), arr(2, 2, seed=1), oracle="jax")
        for boundary in ("fill", "wrap", "symm"):
            for k in ((2, 3), (3, 2)):
                keywords = {"mode": mode, "boundary": boundary, "fillvalue": 0.5 if boundary == "fill" else 0}
                add("convolve2d", lambda s, a, b, o=keywords: s.convolve2d(a, b, **o), arr(4, 5), arr(*k, seed=1))
                add("correlate2d", lambda s, a, b, o=keywords: s.correlate2d(a, b, **o), arr(4, 5), arr(*k, seed=1))
        add("fftconvolve", lambda s, a, b, m=mode: s.fftconvolve(a, b, m, axes=1), arr(3, 5), arr(3, 2, seed=1))
        add(
            "fftconvolve",
            lambda s, a, b, m=mode: s.fftconvolve(a, b, m, axes=(0, 2)),
            arr(3, 1, 4),
            arr(2, 2, 2, seed=1),
        )
        add("oaconvolve", lambda s, a, b, m=mode: s.oaconvolve(a, b, m, axes=-1), arr(2, 7), arr(1, 3, seed=1))
    add("convolve2d", lambda s, a, b: s.convolve2d(a, b, "valid"), arr(2, 2), arr(3, 4, seed=1))
    add("correlate2d", lambda s, a, b: s.correlate2d(a, b, "valid"), arr(2, 2), arr(3, 4, seed=1))
    add("convolve", lambda s, a, b: s.convolve(a, b, method="direct"), arr(3, 2, 4), arr(2, 2, 2, seed=1))
    add("convolve", lambda s, a, b: s.convolve(a, b), Z, Z[:2], oracle="jax")
    add("correlate", lambda s, a, b: s.correlate(a, b, "same"), Z, Z[:3], oracle="jax")
    add("convolve", lambda s, a, b: s.convolve(a, b), arr(), arr(seed=1))
    add("lfilter", lambda s, b, a, x: s.lfilter(b, a, x), arr(2), STABLE, arr(6, seed=1))
    add("lfilter", lambda s, b, a, x: s.lfilter(b, a, x, axis=0), arr(4), STABLE, arr(5, 2, seed=1))
    add("lfilter", lambda s, b, a, x, z: s.lfilter(b, a, x, zi=z), arr(2), STABLE, arr(2, 5, seed=1), arr(2, 2, seed=2))
    add("lfilter", lambda s, b, a, x, z: s.lfilter(b, a, x, zi=z), arr(4), STABLE[:2], arr(2, seed=1), arr(3, seed=2))
    add("lfilter", lambda s, b, x: s.lfilter(b, 2.0, x), arr(3), arr(5, seed=1))
    add("lfilter_zi", lambda s, b, a: s.lfilter_zi(b, a), arr(2), STABLE)
    add("lfilter_zi", lambda s, b, a: s.lfilter_zi(b, a), arr(4), STABLE)
    for padtype in ("odd", "even", "constant", None):
        add("filtfilt", lambda s, b, a, x, p=padtype: s.filtfilt(b, a, x, padtype=p), arr(2), STABLE, arr(12, seed=1))
    add("filtfilt", lambda s, b, a, x: s.filtfilt(b, a, x, axis=0, padlen=3), arr(2), STABLE, arr(6, 2, seed=1))
    return out


@pytest.mark.parametrize(("f", "args", "oracle"), cases())
def test_functions(f: Any, args: Any, oracle: Any) -> None:
    run = on_dualad(f)
    expected = f(scipy.signal, *args)
    close(run(None, *args), expected, "value against SciPy", rtol=1e-9, atol=1e-12)
    of_jax = (lambda *v: f(jax.scipy.signal, *v)) if oracle != "differences" else "differences"
    why = "SciPy's own function takes no tensors, and JAX has no such function"
    case = Case(run, args, oracle=of_jax, why=why, name=f"scipy.signal.{f.__code__.co_names[0]}")
    check(case)


def on_dualad(f: Any) -> Any:
    return lambda _, *v: f(signal, *v)


def test_float32_and_large() -> None:
    """By FFT too: the choice depends on size alone."""
    a, b = arr(3000, dtype=np.float32), arr(700, seed=1, dtype=np.float32)
    y = signal.convolve(a, b, "same")
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, scipy.signal.convolve(a, b, "same"), atol=2e-4)
    g = dualad.grad(lambda b: (signal.convolve(a, b, "valid") ** 2).sum())(b.astype(float))
    full = scipy.signal.convolve(a.astype(float), b.astype(float), "valid", "direct")
    expected = 2 * scipy.signal.convolve(a[::-1].astype(float), full, "valid", "direct")
    np.testing.assert_allclose(g, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: signal.convolve(x, np.ones((2, 2))), dualad.ShapeError, "axes"),
        (lambda x: signal.convolve(x, x, "mid"), dualad.ArgumentError, "mode"),
        (lambda x: signal.convolve(x, x, method="slow"), dualad.ArgumentError, "method"),
        (lambda x: signal.convolve2d(x, x), dualad.ShapeError, "two axes"),
        (lambda x: signal.convolve2d(x[None], x[None], boundary="b"), dualad.ArgumentError, "boundary"),
        (lambda x: signal.fftconvolve(x, x, axes=()), dualad.ArgumentError, "axes"),
        (lambda x: signal.correlate(x[None], np.ones((2, 1)), "valid"), dualad.ShapeError, "valid"),
        (lambda x: signal.lfilter([], [1.0], x), dualad.ShapeError, "non-empty"),
        (lambda x: signal.lfilter([1.0], [0.0, 1.0], x), dualad.ArgumentError, "a\\[0\\]"),
        (lambda x: signal.lfilter([1.0, 1.0], [1.0], x, zi=np.ones(3)), dualad.ShapeError, "zi"),
        (lambda x: signal.filtfilt([1.0], [1.0, 0.5], x), dualad.ShapeError, "padlen"),
        (lambda x: signal.filtfilt([1.0], [1.0, 0.5], x, method="gust"), dualad.NotDifferentiable, "gust"),
        (lambda x: signal.filtfilt([1.0], [1.0, 0.5], x, padtype="no"), dualad.ArgumentError, "padtype"),
    ],
)
def test_errors(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        dualad.grad(lambda x: call(x).sum())(np.ones(4))


def test_the_ways_to_evaluate_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """All windows at once, a sample at a time, and by FFT."""
    for sample in convolve.convolution.samples():
        if 0 in sample.args[0].shape:
            continue
        expected = convolve.convolution(*sample.args, **sample.params)
        for name, value in (("_TOGETHER", 1), ("_fft_is_cheaper", lambda *_: True)):
            with monkeypatch.context() as patch:
                patch.setattr(convolve, name, value)
                got = convolve.convolution(*sample.args, **sample.params)
            assert got.dtype == expected.dtype
            np.testing.assert_allclose(
                got, expected, atol=1e-5 if expected.dtype == np.float32 else 1e-13, err_msg=name
            )


def test_empty_signals_along_other_axes() -> None:
    y = dualad.jvp(
        lambda x: signal.lfilter([1.0, 0.5], [1.0, 0.2], x, axis=-2), (np.zeros((2, 0)),), (np.zeros((2, 0)),)
    )
    assert y[0].shape == (2, 0)


@pytest.mark.parametrize("window, order, more", [(4.5, 1, {}), (3, 3, {}), (3, -1, {}), (5, 2, {"deriv": -1})])
def test_windows_that_do_not_fit(window: Any, order: Any, more: Any) -> None:
    with pytest.raises(ArgumentError, match="must be integers, polyorder from 0 to below window_length"):
        signal.savgol_filter(np.arange(9.0), window, order, **more)
    with pytest.raises(ArgumentError, match="must not exceed the length"):
        signal.savgol_filter(np.arange(4.0), 5, 2)
