"""numpy.fft: every transform, length, axis and norm."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, DtypeError, grad
from tests.functions import Case, arr, check, parameters

X = arr(3, 4)
Z = X + 1j * arr(3, 4, seed=1)


def along(name: str, x: Any) -> list[Case]:
    return [
        Case(lambda np, v: getattr(np.fft, name)(v), (x,)),
        Case(lambda np, v: getattr(np.fft, name)(v, 5, 0, "ortho"), (x,)),
        Case(lambda np, v: getattr(np.fft, name)(v, n=2, norm="forward"), (x,)),
    ]


def several(name: str, x: Any) -> list[Case]:
    return [
        Case(lambda np, v: getattr(np.fft, name)(v), (x,)),
        Case(lambda np, v: getattr(np.fft, name)(v, s=(2, 6), axes=(0, 1), norm="ortho"), (x,)),
    ]


CASES: dict[str, list[Case]] = {
    **{f"fft.{n}": along(n, Z) for n in ("fft", "ifft", "irfft", "hfft")},
    **{f"fft.{n}": along(n, X) for n in ("rfft", "ihfft")},
    **{f"fft.{n}": several(n, Z) for n in ("fft2", "ifft2", "fftn", "ifftn", "irfft2", "irfftn")},
    **{f"fft.{n}": several(n, X) for n in ("rfft2", "rfftn")},
    "fft.fftshift": [
        Case(lambda np, v: np.fft.fftshift(v), (X,)),
        Case(lambda np, v: np.fft.fftshift(v, axes=1), (arr(2, 5),)),
    ],
    "fft.ifftshift": [Case(lambda np, v: np.fft.ifftshift(v), (arr(3, 5),))],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
def test_values_are_numpys(n: int, norm: Any) -> None:
    x = arr(2, 4)
    z = x + 1j * arr(2, 4, seed=1)
    for name in ("fft", "ifft", "irfft", "hfft"):
        ours, theirs = (getattr(m.fft, name)(z, n, norm=norm) for m in (dualad.numpy, np))
        np.testing.assert_allclose(ours, theirs, atol=1e-14)
    for name in ("rfft", "ihfft"):
        ours, theirs = (getattr(m.fft, name)(x, n, norm=norm) for m in (dualad.numpy, np))
        np.testing.assert_allclose(ours, theirs, atol=1e-14)


def test_single_precision_stays() -> None:
    x = np.ones(4, np.float32)
    assert dualad.numpy.fft.rfft(x).dtype == np.fft.rfft(x).dtype == np.complex64
    assert grad(lambda v: np.abs(np.fft.fft(v)).sum())(np.array([1, 2, 3, 5], np.float32)).dtype == np.float32


NAMES = sorted(np.fft.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_with_numpys_signature(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (dualad.numpy.fft, np.fft))
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def test_whole_axes() -> None:
    z = arr(3, 4) + 0j
    for name in ("irfftn", "fftn", "rfftn"):
        x = z.real if name == "rfftn" else z
        ours = dualad.jvp(lambda v, name=name: getattr(np.fft, name)(v, s=(-1, -1), axes=(0, 1)), (x,), (x,))[1]
        np.testing.assert_allclose(ours, getattr(np.fft, name)(x, s=(-1, -1), axes=(0, 1)), atol=1e-14)


def test_out_is_a_buffer() -> None:
    def f(x: Any) -> Any:
        out = dualad.numpy.zeros(4, complex)
        np.fft.fft(x, out=out)
        return (np.abs(out) ** 2).sum()

    np.testing.assert_allclose(grad(f)(np.arange(4.0)), 8 * np.arange(4.0))


def test_errors() -> None:
    with pytest.raises(DtypeError, match="use fft"):
        grad(lambda v: np.fft.rfft(v * 1j).real.sum())(np.ones(3))
    with pytest.raises(ArgumentError, match="positive"):
        grad(lambda v: np.fft.fft(v, 0).real.sum())(np.ones(3))
    with pytest.raises(ArgumentError, match="norm"):
        grad(lambda v: np.fft.hfft(v, norm="back"))(np.ones(3))
    with pytest.raises(ArgumentError, match="lengths"):
        grad(lambda v: np.fft.fftn(v, s=(2, 2), axes=(0,)))(np.ones(3))
