"""Activations and losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import dualad.numpy as dnp
from dualad.ops.specials import SPECIAL
from dualad.torch.functions import NAMES, apply, log_softmax, wrap
from dualad.torch.making import RANDOM
from dualad.torch.tensor import Tensor, core

relu, sigmoid, tanh, softmax = NAMES["relu"], NAMES["sigmoid"], NAMES["tanh"], NAMES["softmax"]


def _softplus(x: Any) -> Any:
    return dnp.logaddexp(x, x.dtype.type(0))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    return apply("SoftplusBackward0", lambda x: _softplus(x * beta) / beta, input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    if approximate == "tanh":
        f = lambda x: 0.5 * x * (1 + dnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    else:
        f = lambda x: 0.5 * x * (1 + SPECIAL["erf"](x / math.sqrt(2)))
    return apply("GeluBackward0", f, input)


def silu(input: Tensor) -> Tensor:
    return apply("SiluBackward0", lambda x: x * SPECIAL["expit"](x), input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    return apply("LeakyReluBackward0", lambda x: dnp.where(x > 0, x, x * negative_slope), input)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    def f(x: Any) -> Any:
        return dnp.where(x > 0, x, alpha * dnp.expm1(dnp.where(x > 0, x.dtype.type(0), x)))

    return apply("EluBackward0", f, input)


def logsigmoid(input: Tensor) -> Tensor:
    return apply("LogSigmoidBackward0", lambda x: -_softplus(-x), input)


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    if not training or p == 0:
        return input
    keep = RANDOM[0].random(tuple(input.shape)) >= p
    return apply("MulBackward0", lambda x: x * (keep / (1 - p)).astype(x.dtype), input)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    title = (
        "AddmmBackward0"
        if bias is not None and input.ndim == 2
        else "ViewBackward0"
        if bias is not None
        else "MmBackward0"
    )
    if input.shape[-1] != weight.shape[1]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, input.shape))} and "
            f"{weight.shape[1]}x{weight.shape[0]})"
        )
    if bias is None:
        return apply(title, lambda x, w: x @ dnp.transpose(w), input, weight)
    return apply(title, lambda x, w, b: x @ dnp.transpose(w) + b, input, weight, bias)


def layer_norm(input: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    axes = tuple(range(-len(tuple(normalized_shape)), 0))

    def f(x: Any, w: Any, b: Any) -> Any:
        c = x - dnp.mean(x, axis=axes, keepdims=True)
        y = c / dnp.sqrt(dnp.mean(c * c, axis=axes, keepdims=True) + eps)
        y = y if w is None else y * w
        return y if b is None else y + b

    return apply("NativeLayerNormBackward0", f, input, weight, bias)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    i = np.asarray(tensor.value)
    n = int(i.max()) + 1 if num_classes == -1 else num_classes
    return Tensor(np.eye(n, dtype=np.int64)[i])


# Losses ---------------------------------------------------------------------------------------


def _reduced(x: Any, reduction: str) -> Any:
    if reduction == "none":
        return x
    if reduction not in ("mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return dnp.mean(x) if reduction == "mean" else dnp.sum(x)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return apply("MseLossBackward0", lambda x, t: _reduced((x - t) * (x - t), reduction), input, target)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    title = "MeanBackward0" if reduction == "mean" else "SumBackward0" if reduction == "sum" else "AbsBackward0"
    return apply(title, lambda x, t: _reduced(dnp.abs(x - t), reduction), input, target)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    def f(x: Any, t: Any) -> Any:
        d = x - t
        size = dnp.abs(d)
        return _reduced(dnp.where(size < delta, 0.5 * d * d, delta * (size - 0.5 * delta)), reduction)

    return apply("HuberLossBackward0", f, input, target)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    def f(x: Any, t: Any) -> Any:
        d = x - t
        size = dnp.abs(d)
        return _reduced(dnp.where(size < beta, 0.5 * d * d / beta, size - 0.5 * beta), reduction)

    return apply("SmoothL1LossBackward0", f, input, target)


def binary_cross_entropy(input: Tensor, target: Tensor, weight: Any = None, reduction: str = "mean") -> Tensor:
    """Logarithms are held above -100, as in PyTorch."""

    def f(x: Any, t: Any) -> Any:
        with np.errstate(divide="ignore"):
            y = -(
                t * dnp.maximum(dnp.log(x), x.dtype.type(-100))
                + (1 - t) * dnp.maximum(dnp.log1p(-x), x.dtype.type(-100))
            )
        return _reduced(y if weight is None else y * core(weight), reduction)

    return apply("BinaryCrossEntropyBackward0", f, input, target)


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    f = lambda x, t: _reduced((1 - t) * x + _softplus(-x), reduction)
    return apply("BinaryCrossEntropyWithLogitsBackward0", f, input, target)


def nll_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return apply("NllLossBackward0", lambda x: _picked(x, target, reduction), input)


def _picked(x: Any, target: Tensor, reduction: str) -> Any:
    i = np.asarray(target.value)
    rows = -x[np.arange(i.size), i] if len(x.shape) == 2 else -x[i]
    return _reduced(rows, reduction) if len(x.shape) == 2 else rows


def cross_entropy(input: Tensor, target: Tensor, reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """Classes as integers, or probabilities of the input's shape."""
    logs = log_softmax(input, -1)
    if target._core.dtype.kind == "f":
        n = 1 if input.ndim == 1 else input.shape[0]
        total = apply("DivBackward1", lambda x, t: -(x * t), logs, target)
        rows = NAMES["sum"](total, -1)
        return rows if reduction == "none" else NAMES["sum"](rows) / (n if reduction == "mean" else 1)
    if not label_smoothing:
        return nll_loss(logs, target, reduction)
    k = input.shape[-1]
    smooth = wrap(_reduced(-dnp.sum(core(logs), axis=-1), reduction), "MeanBackward0")
    return nll_loss(logs, target, reduction) * (1 - label_smoothing) + smooth * (label_smoothing / k)
