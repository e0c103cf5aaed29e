"""Convolution and pooling of the tensor API: numbers of PyTorch."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import dualad.torch as torch
from dualad.torch.nn import functional as F

theirs = pytest.importorskip("torch")

CONVOLUTIONS: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("conv1d", (2, 3, 7), (4, 3, 3), {}),
    ("conv1d", (3, 7), (4, 3, 2), {"stride": 2, "padding": 1}),
    ("conv1d", (1, 4, 7), (4, 2, 2), {"groups": 2, "dilation": 2, "padding": "same"}),
    ("conv2d", (2, 3, 6, 5), (4, 3, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    ("conv2d", (1, 4, 6, 5), (4, 1, 3, 3), {"groups": 4, "padding": "valid", "dilation": (1, 2)}),
    ("conv2d", (1, 1, 24, 24), (2, 1, 9, 9), {}),
    ("conv3d", (1, 2, 4, 3, 5), (3, 2, 2, 2, 2), {"stride": (1, 2, 2), "padding": 1}),
    ("conv_transpose1d", (2, 3, 5), (3, 2, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ("conv_transpose1d", (4, 5), (4, 2, 3), {"groups": 2, "dilation": 2}),
    ("conv_transpose2d", (1, 2, 3, 4), (2, 3, 2, 3), {"stride": (2, 1), "padding": (0, 1)}),
    ("conv_transpose3d", (1, 2, 2, 3, 2), (2, 1, 2, 2, 2), {"stride": 2}),
]

POOLS: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("max_pool1d", (2, 3, 8), {"kernel_size": 3}),
    ("max_pool1d", (3, 9), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}),
    ("max_pool2d", (2, 2, 6, 5), {"kernel_size": (2, 3), "stride": 1, "padding": (1, 0)}),
    ("max_pool3d", (1, 1, 4, 4, 4), {"kernel_size": 2}),
    ("avg_pool1d", (2, 3, 8), {"kernel_size": 3, "stride": 2}),
    ("avg_pool2d", (2, 2, 6, 5), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("avg_pool2d", (1, 2, 6, 5), {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False}),
    ("avg_pool3d", (1, 1, 4, 4, 4), {"kernel_size": 2, "divisor_override": 3}),
]


def run(library: Any, f: Any, arrays: Any) -> Any:
    """Value, and gradients of two orders, of a function that weighs all outputs differently."""
    xs = [library.tensor(a, requires_grad=True) for a in arrays]
    y = f(*xs)
    weights = library.tensor(np.cos(np.arange(y.numel(), dtype=np.float64)).reshape(tuple(y.shape)))
    loss = (y * y * weights).sum() if len(xs) > 1 else (y * weights).sum()
    loss.backward()
    return [np.asarray(v.detach().numpy()) for v in (y, *[x.grad for x in xs])]


@pytest.mark.parametrize(("name", "x", "w", "keywords"), CONVOLUTIONS)
@pytest.mark.parametrize("bias", [False, True])
def test_convolution(name: str, x: Any, w: Any, keywords: Any, bias: bool) -> None:
    rng = np.random.default_rng(0)
    channels = w[1] * keywords.get("groups", 1) if "transpose" in name else w[0]
    arrays = [rng.normal(size=s) for s in ((x, w, (channels,)) if bias else (x, w))]
    ours = run(torch, functools.partial(getattr(F, name), **keywords), arrays)
    other = run(theirs, functools.partial(getattr(theirs.nn.functional, name), **keywords), arrays)
    for a, b in zip(ours, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "x", "keywords"), POOLS)
def test_pooling(name: str, x: Any, keywords: Any) -> None:
    arrays = [np.random.default_rng(0).normal(size=x)]
    ours = run(torch, functools.partial(getattr(F, name), **keywords), arrays)
    other = run(theirs, functools.partial(getattr(theirs.nn.functional, name), **keywords), arrays)
    for a, b in zip(ours, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_equal_maxima_share() -> None:
    x = torch.zeros(1, 1, 4, requires_grad=True)
    F.max_pool1d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[0.5, 0.5, 0.5, 0.5]]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.conv1d(x, torch.ones(2, 2, 3)), "channels"),
        (lambda x: F.conv1d(x, torch.ones(2, 3, 9)), "smaller than the kernel"),
        (lambda x: F.conv2d(x[0], torch.ones(2, 3, 3, 3)), "conv2d"),
        (lambda x: F.conv1d(x, torch.ones(2, 3, 3), stride=2, padding="same"), "strided"),
        (lambda x: F.conv1d(x, torch.ones(2, 3, 3), stride=(1, 2)), "stride"),
        (lambda x: F.conv_transpose1d(x, torch.ones(3, 1, 2), output_padding=1), "output padding"),
        (lambda x: F.conv_transpose1d(x, torch.ones(3, 1, 2), padding=9), "too small"),
        (lambda x: F.max_pool1d(x, 9), "too small"),
        (lambda x: F.max_pool1d(x, 2, padding=2), "half"),
        (lambda x: F.max_pool2d(x, 2, return_indices=True), "return_indices"),
        (lambda x: F.avg_pool1d(x, 2, ceil_mode=True), "ceil_mode"),
        (lambda x: F.avg_pool1d(x, 2, divisor_override=0), "divisor"),
        (lambda x: F.conv1d(x, torch.ones(2, 3, 3, dtype=torch.float64)), "type"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call(torch.ones(1, 3, 5))
