"""Transposed convolution over strides, paddings, output paddings, dilations, groups and 1 to 3 axes, against PyTorch and JAX."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import numpy as np
import pytest

import dualad
from dualad import torch
from dualad.ops.convolve import convolution
from dualad.torch.nn import functional as F

theirs = pytest.importorskip("torch")

jax.config.update("jax_enable_x64", True)


def second_order(lib: Any, f: Any, arrays: list[Any]) -> list[Any]:
    """Value, gradients of a nonlinear function of it, and those of a sum of their squares."""
    xs = [lib.tensor(a, requires_grad=True) for a in arrays]
    y = f(*xs)
    grads = lib.autograd.grad((y * y * y).sum(), xs, create_graph=True)
    total = sum((g * g).sum() for g in grads)
    return [v.detach().numpy() for v in (y, *grads, *lib.autograd.grad(total, xs))]


def compare(name: str, x: Any, w: Any, channels: int, keywords: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=s) for s in (x, w, (channels,))]
    ours, other = (
        second_order(lib, functools.partial(getattr(lib.nn.functional, name), **keywords), arrays)
        for lib in (torch, theirs)
    )
    for a, b in zip(ours, other, strict=True):
        assert a.shape == b.shape, (name, x, w, keywords)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.max(abs(b)), err_msg=f"{name} {x} {w} {keywords}")


def test_one_axis() -> None:
    """Every combination, where the result is not empty."""
    seen = 0
    for n, k, s, p, d, g in itertools.product((1, 4), (1, 3), (1, 2, 3), (0, 1, 2), (1, 2), (1, 2)):
        for more in range(max(s, d)):
            if (n - 1) * s - 2 * p + d * (k - 1) + more + 1 < 1:
                continue
            keywords = {"stride": s, "padding": p, "output_padding": more, "dilation": d, "groups": g}
            compare("conv_transpose1d", (2, 4, n), (4, 3, k), 3 * g, keywords)
            seen += 1
    assert seen > 100


@pytest.mark.parametrize("rank", [2, 3])
def test_several_axes(rank: int) -> None:
    """Different settings on each axis, drawn at random."""
    rng = np.random.default_rng(rank)
    seen = 0
    while seen < 25:
        n, k, s, p, d = (rng.integers(lo, hi, rank).tolist() for lo, hi in ((1, 4), (1, 4), (1, 4), (0, 3), (1, 3)))
        more = [int(rng.integers(0, max(a, b))) for a, b in zip(s, d, strict=True)]
        size = [(a - 1) * b - 2 * c + e * (f - 1) + m + 1 for a, b, c, e, f, m in zip(n, s, p, d, k, more, strict=True)]
        if min(size) < 1:
            continue
        seen += 1
        g = int(rng.integers(1, 3))
        keywords = {
            "stride": tuple(s), "padding": tuple(p), "output_padding": tuple(more), "dilation": tuple(d), "groups": g,
        }  # fmt: skip
        compare(f"conv_transpose{rank}d", (2, 2 * g, *n), (2 * g, 1, *k), g, keywords)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_paddings_of_two_sides_against_jax(rank: int) -> None:
    """The primitive, whose paddings may differ between the two sides of an axis, and be negative: value, both derivatives, and
    the second, against the convolution with spread input that it is."""
    rng = np.random.default_rng(10 + rank)
    letters = ("NCHWD"[: rank + 2], "OIHWD"[: rank + 2], "NCHWD"[: rank + 2])
    seen = 0
    while seen < 12:
        n, k, s, d = (rng.integers(lo, hi, rank).tolist() for lo, hi in ((1, 4), (1, 4), (1, 4), (1, 3)))
        pads = [tuple(v) for v in rng.integers(-1, 3, (rank, 2)).tolist()]
        more = [int(rng.integers(0, b)) for b in s]
        reach = [b * (a - 1) + e * (f - 1) + 1 for a, b, e, f in zip(n, s, d, k, strict=True)]
        size = tuple(r - lo - hi + m for r, (lo, hi), m in zip(reach, pads, more, strict=True))
        if min(size) < 1:
            continue
        seen += 1
        g = int(rng.integers(1, 3))
        y, w = rng.normal(size=(2, 2 * g, *n)), rng.normal(size=(2 * g, 3, *k))
        where = {"size": size, "strides": tuple(s), "padding": tuple(pads), "dilation": tuple(d), "groups": g}

        def ours(y: Any, w: Any, where: Any = where) -> Any:
            return convolution(y, w, gives="x", **where)

        def jaxs(
            y: Any, w: Any, s: Any = s, d: Any = d, k: Any = k, pads: Any = pads, more: Any = more, g: Any = g
        ) -> Any:
            ends = [
                (e * (f - 1) - lo, e * (f - 1) - hi + m) for e, f, (lo, hi), m in zip(d, k, pads, more, strict=True)
            ]
            turned = jax.numpy.flip(w, range(2, w.ndim)).reshape(g, -1, 3, *k)
            turned = jax.numpy.swapaxes(turned, 1, 2).reshape(3 * g, -1, *k)
            return jax.lax.conv_general_dilated(
                y, turned, (1,) * len(k), ends, s, d, dimension_numbers=letters, feature_group_count=g
            )

        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
        close(ours(y, w), jaxs(y, w))
        cube = lambda f: lambda y, w: (f(y, w) ** 3).sum()
        for a, b in zip(dualad.grad(cube(ours), (0, 1))(y, w), jax.grad(cube(jaxs), (0, 1))(y, w), strict=True):
            close(a, b)
        t, u = rng.normal(size=y.shape), rng.normal(size=w.shape)
        close(dualad.jvp(ours, (y, w), (t, u))[1], jax.jvp(jaxs, (y, w), (t, u))[1])
        mixed = lambda lib, f: lib.jvp(lib.grad(cube(f), (0, 1)), (y, w), (t, u))[1]
        for a, b in zip(mixed(dualad, ours), mixed(jax, jaxs), strict=True):
            close(a, b)


@pytest.mark.parametrize("keywords", [{"stride": 2, "padding": 7, "output_padding": 1}, {"padding": 40, "dilation": 2}])
def test_long_kernels_by_fft(keywords: dict[str, Any]) -> None:
    compare("conv_transpose1d", (2, 2, 300), (2, 2, 120), 2, keywords)


def test_strides_that_leave_a_remainder() -> None:
    """A strided convolution forgets the input's length up to the stride: ``output_padding`` says which one is meant."""
    rng = np.random.default_rng(0)
    for n in range(3, 9):
        x, w = rng.normal(size=(1, 2, n)), rng.normal(size=(3, 2, 3))
        y = F.conv1d(torch.tensor(x), torch.tensor(w), stride=3, padding=1)
        more = (n + 2 - 3) % 3
        back = F.conv_transpose1d(y, torch.tensor(w), stride=3, padding=1, output_padding=more)
        assert tuple(back.shape) == x.shape
        g = rng.normal(size=x.shape)  # <conv x, y> = <x, conv_transpose y>
        left = (F.conv1d(torch.tensor(g), torch.tensor(w), stride=3, padding=1) * y).sum().item()
        np.testing.assert_allclose(left, (torch.tensor(g) * back).sum().item(), rtol=1e-10)
