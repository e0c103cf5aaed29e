"""``scipy.signal`` with derivatives: convolution and correlation over any axes, and linear filters."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, NotDifferentiable, ShapeError
from dualad.core.tensor import Tensor
from dualad.numpy.linalg import solve
from dualad.numpy.operands import cast, operand
from dualad.numpy.rearranging import flip, pad
from dualad.numpy.shaping import axes_of, axis_of, moveaxis
from dualad.ops.arithmetic import conjugate
from dualad.ops.contract import matmul
from dualad.ops.convolve import convolution
from dualad.ops.filter import all_pole
from dualad.ops.shape import broadcast_to, concatenate, reshape, transpose
from dualad.scipy.others import others_of

__getattr__ = others_of("signal")

__all__ = [
    "convolve", "convolve2d", "correlate", "correlate2d", "fftconvolve", "filtfilt", "lfilter", "lfilter_zi",
    "oaconvolve", "savgol_filter",
]  # fmt: skip


def _operands(name: str, in1: Any, in2: Any) -> tuple[Any, Any]:
    x, v = operand(in1), operand(in2)
    if len(x.shape) != len(v.shape):
        raise ShapeError(f"{name}: in1 has {len(x.shape)} axes and in2 {len(v.shape)}. They need equally many.")
    return x, v


def _check(name: str, mode: Any, method: Any = "auto") -> None:
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"{name}: mode must be 'full', 'same' or 'valid', not {mode!r}.")
    if method not in ("auto", "direct", "fft"):
        raise ArgumentError(f"{name}: method must be 'auto', 'direct' or 'fft', not {method!r}.")


def _fits(name: str, x: Any, v: Any, axes: tuple[int, ...]) -> bool:
    """Whether in2 must take in1's place: in mode 'valid' the larger one comes first."""
    larger = all(x.shape[i] >= v.shape[i] for i in axes)
    if not larger and not all(v.shape[i] >= x.shape[i] for i in axes):
        raise ShapeError(
            f"{name}: mode='valid' needs one input at least as large as the other along every axis; the shapes are "
            f"{x.shape} and {v.shape}."
        )
    return not larger


def _convolved(name: str, x: Any, v: Any, mode: str, axes: tuple[int, ...]) -> Any:
    """Convolution over ``axes``; along the others the operands broadcast."""
    if mode == "valid" and _fits(name, x, v, axes):
        x, v = v, x
    rank = len(axes)
    others = [i for i in range(len(x.shape)) if i not in axes]
    lead = []
    for i in others:
        if x.shape[i] != v.shape[i] and 1 not in (x.shape[i], v.shape[i]):
            raise ShapeError(f"{name}: the shapes {x.shape} and {v.shape} do not broadcast along axis {i}.")
        if mode == "same" and v.shape[i] > x.shape[i]:  # as SciPy: as large as the first here too
            middle = (v.shape[i] - 1) // 2
            v = v[(*(slice(None),) * i, slice(middle, middle + 1))]
        lead.append(x.shape[i] if v.shape[i] == 1 else v.shape[i])
    x, v = (transpose(z, axes=(*others, *axes)) for z in (x, v))
    size, kernel = x.shape[len(others) :], v.shape[len(others) :]
    count = int(np.prod(lead, dtype=int))
    shared = all(n == 1 for n in v.shape[: len(others)])
    if not shared:
        v = broadcast_to(v, shape=(*lead, *kernel))
    x = broadcast_to(x, shape=(*lead, *size)) if x.shape[: len(others)] != tuple(lead) else x
    x = reshape(x, shape=(count, 1, *size) if shared else (1, count, *size))
    v = flip(reshape(v, shape=(-1 if not shared else 1, 1, *kernel)), tuple(range(2, 2 + rank)))
    ends = {
        "full": lambda k: (k - 1, k - 1),
        "same": lambda k: (k - 1 - (k - 1) // 2, (k - 1) // 2),
        "valid": lambda k: (0, 0),
    }[mode]
    padding = tuple(ends(k) for k in kernel)
    result = tuple(n + lo + hi - k + 1 for n, k, (lo, hi) in zip(size, kernel, padding, strict=True))
    y = convolution(
        x, v, gives="y", size=result, strides=(1,) * rank, padding=padding, dilation=(1,) * rank,
        groups=1 if shared else count,
    )  # fmt: skip
    y = reshape(y, shape=(*lead, *result))
    order = [*others, *axes]
    return transpose(y, axes=tuple(order.index(i) for i in range(len(order))))


def _empty(x: Any, v: Any) -> bool:
    return 0 in x.shape or 0 in v.shape


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Convolution of two N-dimensional arrays: y[t] = sum_k x[t - k] v[k].

    ``mode``: "full", "same" (as large as ``in1``) or "valid" (without the places that need padding). It is evaluated
    directly or by FFT, whichever costs less, whatever ``method`` says: the two differ by rounding.
    Raises ``ShapeError`` where the numbers of axes differ. Source: ``scipy.signal.convolve``.

    >>> import dualad, numpy as np
    >>> from dualad.scipy import signal
    >>> dualad.grad(lambda v: signal.convolve(np.array([1.0, 2.0, 4.0]), v, "valid").sum())(np.ones(2))
    array([6., 3.])
    """
    x, v = _operands("convolve", in1, in2)
    _check("convolve", mode, method)
    if not x.shape:
        return x * v
    if _empty(x, v):
        return np.array([])
    return _convolved("convolve", x, v, mode, tuple(range(len(x.shape))))


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """Convolution over ``axes`` (all by default); along the others the arrays broadcast. See ``convolve``.

    >>> import numpy as np
    >>> from dualad.scipy import signal
    >>> signal.fftconvolve(np.ones((2, 3)), np.ones((1, 2)), axes=1).round(9)
    array([[1., 2., 2., 1.],
           [1., 2., 2., 1.]])
    """
    x, v = _operands("fftconvolve", in1, in2)
    _check("fftconvolve", mode)
    if not x.shape:
        return x * v
    if _empty(x, v):
        return np.array([])
    over = tuple(range(len(x.shape))) if axes is None else axes_of(axes, len(x.shape))
    if not over:
        raise ArgumentError("fftconvolve: axes must name at least one axis.")
    # Along an axis of length 1 they broadcast, in mode 'valid' too.
    long = tuple(sorted(i for i in over if x.shape[i] != 1 and v.shape[i] != 1))
    return _convolved("fftconvolve", x, v, mode, long or tuple(over)[-1:])


def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """Convolution of arrays of very different lengths; here the same as ``fftconvolve``."""
    return fftconvolve(in1, in2, mode, axes)


def _mirrored(v: Any) -> Any:
    return flip(conjugate(v) if v.dtype.kind == "c" else v, None)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Cross-correlation of two N-dimensional arrays: z[t] = sum_l x[l] conj(v[l - t]). See ``convolve``.

    >>> import numpy as np
    >>> from dualad.scipy import signal
    >>> signal.correlate(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]), "valid")
    array([2., 3.])
    """
    x, v = _operands("correlate", in1, in2)
    _check("correlate", mode, method)
    if not x.shape:
        return x * (conjugate(v) if v.dtype.kind == "c" else v)
    if _empty(x, v):
        return np.array([])
    axes = tuple(range(len(x.shape)))
    if mode == "valid" and _fits("correlate", x, v, axes):
        return _mirrored(_convolved("correlate", v, _mirrored(x), mode, axes))
    return _convolved("correlate", x, _mirrored(v), mode, axes)


_BOUNDARIES = {"fill": "constant", "pad": "constant", "wrap": "wrap", "circular": "wrap", "symm": "symmetric",
               "symmetric": "symmetric"}  # fmt: skip


def _in_the_plane(name: str, in1: Any, in2: Any, mode: Any, boundary: Any, fillvalue: Any, mirror: bool) -> Any:
    x, v = _operands(name, in1, in2)
    _check(name, mode)
    if len(x.shape) != 2:
        raise ShapeError(f"{name}: inputs need two axes, the shapes are {x.shape} and {v.shape}.")
    if boundary not in _BOUNDARIES:
        raise ArgumentError(f"{name}: boundary must be 'fill', 'wrap' or 'symm', not {boundary!r}.")
    swapped = mode == "valid" and _fits(name, x, v, (0, 1))
    if swapped:
        x, v = v, x
    kernel = _mirrored(v) if mirror else v
    if mode != "valid":
        # Correlation of an even kernel is centred as convolution with the mirrored one, one place on.
        shift = 1 if mirror and mode == "same" else 0
        ends = [
            (k - 1, k - 1) if mode == "full" else (k - 1 - (k - 1 + shift) // 2, (k - 1 + shift) // 2) for k in v.shape
        ]
        keywords = {"constant_values": fillvalue} if _BOUNDARIES[boundary] == "constant" else {}
        x = pad(x, [(max(lo, 0), max(hi, 0)) for lo, hi in ends], mode=_BOUNDARIES[boundary], **keywords)
    y = _convolved(name, x, kernel, "valid", (0, 1))
    return _mirrored(y) if swapped and mirror else y


def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """Convolution of two matrices, with the first continued by ``fillvalue``, periodically or symmetrically.

    >>> import numpy as np
    >>> from dualad.scipy import signal
    >>> signal.convolve2d(np.eye(2), np.ones((2, 2)), "same", boundary="wrap")
    array([[2., 2.],
           [2., 2.]])
    """
    return _in_the_plane("convolve2d", in1, in2, mode, boundary, fillvalue, False)


def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """Cross-correlation of two matrices; the second is conjugated. See ``convolve2d``."""
    return _in_the_plane("correlate2d", in1, in2, mode, boundary, fillvalue, True)


# Filters --------------------------------------------------------------------------------------


def _coefficients(name: str, b: Any, a: Any) -> tuple[Any, Any]:
    """Numerator and denominator, as vectors, divided by a[0]."""
    b, a = operand(b), operand(a)
    b, a = (reshape(v, shape=(1,)) if not v.shape else v for v in (b, a))
    if len(b.shape) != 1 or len(a.shape) != 1 or not b.shape[0] or not a.shape[0]:
        raise ShapeError(f"{name}: b and a must be non-empty vectors, the shapes are {b.shape} and {a.shape}.")
    if type(a) is not Tensor and a[0] == 0:
        raise ArgumentError(f"{name}: a[0] must not be 0: the filter is divided by it.")
    return b / a[0], a / a[0]


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Filter along an axis: a[0] y[n] = sum_k b[k] x[n-k] - sum_k a[k] y[n-k]; differentiable in b, a, x and zi.

    With the initial state ``zi`` (as SciPy's: max(len(a), len(b)) - 1 long along the axis) it returns (y, final state).
    Raises ``ShapeError`` where ``zi`` does not fit. Source: ``scipy.signal.lfilter``.

    >>> import dualad, numpy as np
    >>> from dualad.scipy import signal
    >>> signal.lfilter([1.0], [1.0, -0.5], np.array([1.0, 0.0, 0.0]))
    array([1.  , 0.5 , 0.25])
    >>> dualad.grad(lambda a: signal.lfilter([1.0], a, np.array([1.0, 0.0, 0.0]))[2])(np.array([1.0, -0.5]))
    array([-0.75, -1.  ])
    """
    b, a = _coefficients("lfilter", b, a)
    x = operand(x)
    if not x.shape:
        raise ShapeError("lfilter: x must have an axis.")
    axis = axis_of(axis, len(x.shape))
    x = moveaxis(x, axis, -1)
    lead, n = x.shape[:-1], x.shape[-1]
    states = max(b.shape[0], a.shape[0]) - 1
    if x.size:
        rows = reshape(x, shape=(-1, n))
        v = reshape(_convolved("lfilter", rows, reshape(b, shape=(1, -1)), "full", (1,)), shape=(*lead, -1))[..., :n]
    else:
        v = x * b[0]
    if zi is not None:
        zi = moveaxis(operand(zi), axis, -1)
        if zi.shape != (*lead, states):
            raise ShapeError(f"lfilter: zi must have shape {(*lead, states)} along the axis last, not {zi.shape}.")
        m = min(states, n)
        blank = np.zeros((*lead, n - m), zi.dtype)
        v = v + concatenate(zi[..., :m], blank, axis=len(lead))
    y = all_pole(a[1:], v)
    if zi is None:
        return moveaxis(y, -1, axis)
    final = []
    for i in range(states):  # what past inputs and outputs still add to y[n + i]
        z = zi[..., n + i] if n + i < states else 0.0
        for k in range(i + 1, states + 1):
            if n + i - k >= 0:
                z = z + (b[k] * x[..., n + i - k] if k < b.shape[0] else 0.0)
                z = z - (a[k] * y[..., n + i - k] if k < a.shape[0] else 0.0)
        final.append(reshape(z, shape=(*lead, 1)))
    state = concatenate(*final, axis=len(lead)) if final else np.zeros((*lead, 0), y.dtype)
    return moveaxis(y, -1, axis), moveaxis(state, -1, axis)


def lfilter_zi(b: Any, a: Any) -> Any:
    """The state of a filter that has long been fed ones: differentiable in the coefficients.

    >>> from dualad.scipy import signal
    >>> signal.lfilter_zi([1.0], [1.0, -0.5])
    array([1.])
    """
    b, a = _coefficients("lfilter_zi", b, a)
    n = max(b.shape[0], a.shape[0])
    b, a = (concatenate(v, np.zeros(n - v.shape[0], v.dtype), axis=0) for v in (b, a))
    if n == 1:
        return np.zeros(0, b.dtype)
    # z[i] = z[i+1] + b[i+1] - a[i+1] (z[0] + b[0])
    first = np.zeros((n - 1, n - 1))
    first[:, 0] = 1.0
    system = np.eye(n - 1) - np.eye(n - 1, k=1) + reshape(a[1:], shape=(n - 1, 1)) * first
    return solve(system, b[1:] - a[1:] * b[0])


def filtfilt(
    b: Any, a: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None, method: str = "pad",
    irlen: Any = None,
) -> Any:  # fmt: skip
    """Filter forwards and backwards, without phase shift. Source: ``scipy.signal.filtfilt`` (method "pad").

    >>> import numpy as np
    >>> from dualad.scipy import signal
    >>> signal.filtfilt([0.5, 0.5], [1.0], np.arange(8.0)).round(9)
    array([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    if method != "pad":
        raise NotDifferentiable(f"filtfilt: method={method!r} has no derivative rule in dualad. Use method='pad'.")
    if padtype not in ("odd", "even", "constant", None):
        raise ArgumentError(f"filtfilt: padtype must be 'odd', 'even', 'constant' or None, not {padtype!r}.")
    b, a = _coefficients("filtfilt", b, a)
    x = operand(x)
    axis = axis_of(axis, len(x.shape))
    x = moveaxis(x, axis, -1)
    edge = 3 * max(b.shape[0], a.shape[0]) if padlen is None else padlen
    edge = 0 if padtype is None else edge
    if x.shape[-1] <= edge:
        raise ShapeError(f"filtfilt: the length of x along the axis, {x.shape[-1]}, must exceed padlen, {edge}.")
    n, last = x.shape[-1], len(x.shape) - 1
    if edge:
        if padtype == "constant":
            shape = (*x.shape[:-1], edge)
            before, after = broadcast_to(x[..., :1], shape=shape), broadcast_to(x[..., -1:], shape=shape)
        else:
            before, after = x[..., edge:0:-1], x[..., -2 : -(edge + 2) : -1]
            if padtype == "odd":
                before, after = 2 * x[..., :1] - before, 2 * x[..., -1:] - after
        x = concatenate(before, x, after, axis=last)
    zi = lfilter_zi(b, a)
    y, _ = lfilter(b, a, x, zi=zi * x[..., :1])
    y, _ = lfilter(b, a, y[..., ::-1], zi=zi * y[..., -1:])
    y = y[..., ::-1]
    return moveaxis(y[..., edge : edge + n] if edge else y, -1, axis)


def savgol_filter(
    x: Any, window_length: int, polyorder: int, deriv: int = 0, delta: float = 1.0, axis: int = -1, mode: str = "interp",
    cval: float = 0.0,
) -> Any:  # fmt: skip
    """Fit polynomials to windows along an axis and take their values, or derivatives, in the middle: linear in x.

    ``mode``: what lies beyond the ends ("mirror", "constant", "nearest", "wrap"), or "interp": the first and last windows'
    own polynomials. Raises ``ArgumentError`` where the window or the order does not fit. Source: Savitzky & Golay 1964.

    >>> import numpy as np
    >>> from dualad.scipy import signal
    >>> signal.savgol_filter(np.arange(5.0) ** 2, 3, 2, deriv=1).round(9) + 0.0
    array([0., 2., 4., 6., 8.])
    """
    from scipy.signal import savgol_coeffs

    modes = {"mirror": "reflect", "constant": "constant", "nearest": "edge", "wrap": "wrap", "interp": "constant"}
    if mode not in modes:
        raise ArgumentError(f"savgol_filter: mode must be one of {', '.join(map(repr, modes))}, not {mode!r}.")
    whole = all(isinstance(v, (int, np.integer)) for v in (window_length, polyorder, deriv))
    if not whole or not 0 <= polyorder < window_length or deriv < 0:
        raise ArgumentError(
            "savgol_filter: window_length, polyorder and deriv must be integers, polyorder from 0 to below window_length and "
            f"deriv not negative; they are {window_length!r}, {polyorder!r} and {deriv!r}."
        )
    x = operand(x)
    x = cast(x, float) if x.dtype not in (np.float64, np.float32) else x
    axis = axis_of(axis, len(x.shape))
    x = moveaxis(x, axis, -1)
    n, last = x.shape[-1], len(x.shape) - 1
    if mode == "interp" and window_length > n:
        raise ArgumentError(
            f"savgol_filter: in mode 'interp' window_length, {window_length}, must not exceed the length, {n}."
        )
    # The weights of x[i - before .. i + after].
    weights = savgol_coeffs(window_length, polyorder, deriv=deriv, delta=delta, use="dot").astype(x.dtype)
    after = window_length // 2
    before = window_length - 1 - after
    if (
        window_length % 2 == 0
    ):  # between two places; SciPy turns to the later one, and at the ends to the fitted polynomials
        before, after = after - 1, window_length - after
    more = {"constant_values": cval} if modes[mode] == "constant" else {}
    wide = pad(x, [(0, 0)] * last + [(before, after)], mode=modes[mode], **more)
    kernel = flip(weights.reshape((1,) * last + (-1,)), None)
    y = _convolved("savgol_filter", wide, kernel, "valid", (last,))
    if mode == "interp" and after:
        # Coefficients of the fitted polynomial by the samples of a window, and its derivative at the outer places.
        at = np.arange(window_length, dtype=float)
        fit = np.linalg.pinv(np.vander(at, polyorder + 1))
        ends = []
        for places, window in ((at[:after], x[..., :window_length]), (at[-after:], x[..., n - window_length :])):
            p = np.array([np.polyval(np.polyder(c, deriv), places) for c in fit.T]) / delta**deriv
            ends.append(matmul(window, p.astype(x.dtype)))
        y = concatenate(ends[0], y[..., after : n - after], ends[1], axis=last)
    return moveaxis(y, -1, axis)
