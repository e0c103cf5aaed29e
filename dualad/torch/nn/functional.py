"""Activations and losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import dualad.numpy as dnp
from dualad.ops import reduce
from dualad.ops.convolve import convolution, output_size
from dualad.ops.specials import SPECIAL
from dualad.ops.window import windows
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


# Convolution ----------------------------------------------------------------------------------


def _each(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """A number, or one per axis, as a tuple."""
    sizes = (value,) * rank if isinstance(value, int) else tuple(value) * (rank if len(value) == 1 else 1)
    if len(sizes) != rank:
        raise RuntimeError(f"expected {name} to be a single integer value or a list of {rank} values, got {value}")
    return sizes


def _fits(input: Tensor, weight: Tensor, rank: int, groups: int, transposed: bool) -> None:
    title = f"conv{'_transpose' * transposed}{rank}d"
    if input.ndim not in (rank + 1, rank + 2) or weight.ndim != rank + 2:
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {title}, and a {rank + 2}D weight, but "
            f"got input of size: {list(input.shape)}, weight of size: {list(weight.shape)}"
        )
    channels = input.shape[-rank - 1]
    wanted = weight.shape[0] if transposed else weight.shape[1] * groups
    if channels != wanted or weight.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have "
            f"{wanted} channels, but got {channels} channels instead"
        )
    if input.dtype != weight.dtype:
        raise RuntimeError(f"Input type ({input.dtype}) and weight type ({weight.dtype}) should be the same")


def _run(title: str, f: Callable[[Any, Any], Any], rank: int, input: Tensor, weight: Tensor, bias: Any) -> Tensor:
    """``f`` on a batch, which an input without one becomes, plus the bias per channel."""

    def whole(x: Any, w: Any, b: Any) -> Any:
        y = f(x if input.ndim == rank + 2 else x[None], w)
        y = y if b is None else y + dnp.reshape(b, (-1, *(1,) * rank))
        return y if input.ndim == rank + 2 else y[0]

    return apply(title, whole, input, weight, bias)


def _conv(rank: int) -> Callable[..., Tensor]:
    def conv(
        input: Tensor,
        weight: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        _fits(input, weight, rank, groups, False)
        strides, steps = _each(stride, rank, "stride"), _each(dilation, rank, "dilation")
        kernel = tuple(weight.shape)[2:]
        ends: tuple[tuple[int, int], ...]
        if padding == "same":
            if any(s != 1 for s in strides):
                raise RuntimeError("padding='same' is not supported for strided convolutions")
            reach = [d * (k - 1) for d, k in zip(steps, kernel, strict=True)]
            ends = tuple((n // 2, n - n // 2) for n in reach)
        else:
            ends = tuple((p, p) for p in _each(0 if padding == "valid" else padding, rank, "padding"))
        size = output_size(tuple(input.shape)[-rank:], kernel, strides, ends, steps)
        if min(size) < 1:
            raise RuntimeError(
                f"Calculated padded input size per channel is smaller than the kernel: input {list(input.shape)}, "
                f"kernel {list(kernel)}, padding {padding}, dilation {dilation}"
            )
        where = {"size": size, "strides": strides, "padding": ends, "dilation": steps, "groups": groups}
        f = lambda x, w: convolution(x, w, gives="y", **where)
        return _run("ConvolutionBackward0", f, rank, input, weight, bias)

    return conv


def _conv_transpose(rank: int) -> Callable[..., Tensor]:
    def conv_transpose(
        input: Tensor,
        weight: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Tensor:
        _fits(input, weight, rank, groups, True)
        strides, steps = _each(stride, rank, "stride"), _each(dilation, rank, "dilation")
        pads, more = _each(padding, rank, "padding"), _each(output_padding, rank, "output_padding")
        if any(m >= max(s, d) for m, s, d in zip(more, strides, steps, strict=True)):
            raise RuntimeError("output padding must be smaller than either stride or dilation")
        shape, kernel = tuple(input.shape)[-rank:], tuple(weight.shape)[2:]
        size = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + m + 1
            for n, s, p, d, k, m in zip(shape, strides, pads, steps, kernel, more, strict=True)
        )
        if min(size) < 1:
            raise RuntimeError(f"Given input size {list(shape)}, the calculated output size {list(size)} is too small")
        ends = tuple((p, p) for p in pads)
        where = {"size": size, "strides": strides, "padding": ends, "dilation": steps, "groups": groups}
        f = lambda y, w: convolution(y, w, gives="x", **where)
        return _run("ConvolutionBackward0", f, rank, input, weight, bias)

    return conv_transpose


conv1d, conv2d, conv3d = _conv(1), _conv(2), _conv(3)
conv_transpose1d, conv_transpose2d, conv_transpose3d = _conv_transpose(1), _conv_transpose(2), _conv_transpose(3)

# Pooling --------------------------------------------------------------------------------------


def _pooled(title: str, rank: int, input: Tensor, sizes: Any, fill: float, f: Callable[[Any], Any]) -> Tensor:
    """``f`` of the windows' elements, which are the last axis."""
    kernel, strides, pads, steps = sizes
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"Expected {rank + 1}D or {rank + 2}D input, but got: {list(input.shape)}")
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise RuntimeError(f"pad should be at most half of effective kernel size, but got pad={pads}, kernel={kernel}")
    lead = tuple(input.shape)[:-rank]
    size = output_size(tuple(input.shape)[-rank:], kernel, strides, tuple((p, p) for p in pads), steps)
    if min(size) < 1:
        raise RuntimeError(
            f"Given input size {list(input.shape)}, the calculated output size {list(size)} is too small"
        )

    def whole(x: Any) -> Any:
        if any(pads):
            x = dnp.pad(x, [(0, 0)] * len(lead) + [(p, p) for p in pads], constant_values=x.dtype.type(fill))
        return f(dnp.reshape(windows(x, window=kernel, strides=strides, dilation=steps), (*lead, *size, -1)))

    return apply(title, whole, input)


def _no_ceiling(ceil_mode: bool) -> None:
    if ceil_mode:
        raise NotImplementedError("ceil_mode=True is not supported. Pad the input instead.")


def _max_pool(rank: int) -> Callable[..., Tensor]:
    def max_pool(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Tensor:
        """Maximum over windows. Equal maxima share the derivative, as in ``dualad.numpy.max`` (PyTorch: the first)."""
        _no_ceiling(ceil_mode)
        if return_indices:
            raise NotImplementedError("return_indices=True is not supported.")
        kernel = _each(kernel_size, rank, "kernel_size")
        strides = kernel if stride is None else _each(stride, rank, "stride")
        sizes = kernel, strides, _each(padding, rank, "padding"), _each(dilation, rank, "dilation")
        title = f"MaxPool{rank}DWithIndicesBackward0"
        return _pooled(
            title, rank, input, sizes, -math.inf, lambda w: reduce.extrema["max"](w, axis=(len(w.shape) - 1,))
        )

    return max_pool


def _avg_pool(rank: int) -> Callable[..., Tensor]:
    def avg_pool(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: Any = None,
    ) -> Tensor:
        """Mean over windows."""
        _no_ceiling(ceil_mode)
        kernel = _each(kernel_size, rank, "kernel_size")
        strides = kernel if stride is None else _each(stride, rank, "stride")
        pads = _each(padding, rank, "padding")
        divisor: Any = math.prod(kernel) if divisor_override is None else divisor_override
        if divisor == 0:
            raise RuntimeError("divisor must be not zero")
        if not count_include_pad and divisor_override is None and any(pads):
            real = np.pad(np.ones(tuple(input.shape)[-rank:]), [(p, p) for p in pads])
            divisor = windows(real, window=kernel, strides=strides, dilation=(1,) * rank).sum(tuple(range(-rank, 0)))

        def mean(w: Any) -> Any:
            total = reduce.sum(w, axis=(len(w.shape) - 1,))
            return total / (divisor.astype(w.dtype) if isinstance(divisor, np.ndarray) else divisor)

        return _pooled(f"AvgPool{rank}DBackward0", rank, input, (kernel, strides, pads, (1,) * rank), 0.0, mean)

    return avg_pool


max_pool1d, max_pool2d, max_pool3d = _max_pool(1), _max_pool(2), _max_pool(3)
avg_pool1d, avg_pool2d, avg_pool3d = _avg_pool(1), _avg_pool(2), _avg_pool(3)


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
