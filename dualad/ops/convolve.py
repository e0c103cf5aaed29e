"""Convolution over one to three axes, with strides, padding, dilation and groups: one trilinear form, three contractions.

With x of shape (N, G*C, *S), w of shape (G*O, C, *K) and y of shape (N, G*O, *T), the form is

    sum  y[n, (g, o), t] w[(g, o), c, k] x[n, (g, c), stride t + dilation k - padding].

``convolution`` contracts it with two of the three and gives the third, ``gives="y"`` of (x, w), ``"x"`` of (y, w) (the
transposed convolution) or ``"w"`` of (x, y). The transposes of each are the other two, so that derivatives of all orders
stay among them. Each is evaluated directly, as one matrix product over all windows, or by FFT, whichever costs less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import Primitive
from dualad.ops.kinds import Params, bilinear
from dualad.ops.samples import Sample
from dualad.ops.shape import reshape, transpose

Sizes = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]

_OPERANDS = {"y": ("x", "w"), "x": ("y", "w"), "w": ("x", "y")}
_LETTERS = {"x": ("N", "GC"), "w": ("GO", "C"), "y": ("N", "GO")}
_TOGETHER = 1 << 20  # elements of windows: a few megabytes
_SHARED = {"xy": "N", "wx": "C", "wy": "O"}


def output_size(x: Sizes, w: Sizes, strides: Sizes, padding: Padding, dilation: Sizes) -> Sizes:
    """The lengths T: at how many places the dilated kernel fits into the padded input."""
    return tuple(
        (n + lo + hi - d * (k - 1) - 1) // s + 1
        for n, k, s, (lo, hi), d in zip(x, w, strides, padding, dilation, strict=True)
    )


# Evaluation -----------------------------------------------------------------------------------


def _convolution(
    a: Any, b: Any, gives: str, size: Sizes, strides: Sizes, padding: Padding, dilation: Sizes, groups: int
) -> Any:
    first, second = _OPERANDS[gives]
    sizes = {first: a.shape[2:], second: b.shape[2:], gives: size}
    # The padded input, as far as windows reach.
    reach = tuple(s * (t - 1) + d * (k - 1) + 1 for s, t, d, k in zip(strides, sizes["y"], dilation, sizes["w"]))
    value = {first: _grouped(a, first, groups), second: _grouped(b, second, groups)}
    if "x" in value:
        value["x"] = _padded(value["x"], padding, reach)
    y = (_by_fft if _fft_is_cheaper(value, sizes, reach) else _direct)(value, gives, sizes, reach, strides, dilation)
    if gives == "x":
        y = _cropped(y, padding, size)
    return y.reshape(*_ungrouped(y.shape, gives), *size)


def _grouped(v: Any, kind: str, groups: int) -> Any:
    """Channels split: x as (N, G, C, *S), w as (G, O, C, *K), y as (N, G, O, *T)."""
    m, n, *rest = v.shape
    lead = (groups, m // groups, n) if kind == "w" else (m, groups, n // groups)
    return v.reshape(*lead, *rest)


def _ungrouped(shape: Sizes, kind: str) -> Sizes:
    p, q, r = shape[:3]
    return (p * q, r) if kind == "w" else (p, q * r)


def _padded(x: Any, padding: Padding, reach: Sizes) -> Any:
    out: Any = np.zeros((*x.shape[:3], *reach), x.dtype)
    there, here = [], []
    for n, (lo, _), m in zip(x.shape[3:], padding, reach, strict=True):
        stop = max(min(n + lo, m), 0)
        there.append(slice(min(max(lo, 0), stop), stop))
        here.append(slice(max(-lo, 0), max(-lo, 0) + there[-1].stop - there[-1].start))
    out[(..., *there)] = x[(..., *here)]
    return out


def _cropped(wide: Any, padding: Padding, size: Sizes) -> Any:
    """The transpose of padding."""
    out: Any = np.zeros((*wide.shape[:3], *size), wide.dtype)
    there, here = [], []
    for n, (lo, _), m in zip(size, padding, wide.shape[3:], strict=True):
        stop = max(min(n + lo, m), 0)
        there.append(slice(min(max(lo, 0), stop), stop))
        here.append(slice(max(-lo, 0), max(-lo, 0) + there[-1].stop - there[-1].start))
    out[(..., *here)] = wide[(..., *there)]
    return out


def _windows(x: Any, sizes: dict[str, Sizes], strides: Sizes, dilation: Sizes) -> Any:
    """A view (N, G, C, *T, *K) of the padded input."""
    steps = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:3], *sizes["y"], *sizes["w"]),
        (
            *steps[:3],
            *(p * s for p, s in zip(steps[3:], strides, strict=True)),
            *(p * d for p, d in zip(steps[3:], dilation, strict=True)),
        ),
        writeable=False,
    )


def _direct(
    value: dict[str, Any], gives: str, sizes: dict[str, Sizes], reach: Sizes, strides: Sizes, dilation: Sizes
) -> Any:
    """One matrix product over all windows of each sample, for as many samples at once as stay near the processor."""
    rank = len(reach)
    places, kernel = math.prod(sizes["y"]), math.prod(sizes["w"])
    n = (value["x"] if "x" in value else value["y"]).shape[0]
    g, o, c = value["w"].shape[:3] if "w" in value else (*value["y"].shape[1:3], value["x"].shape[2])
    dtype = np.result_type(*value.values())
    many = max(1, _TOGETHER // max(1, g * c * kernel * places))
    w: Any = value["w"].reshape(g, o, c * kernel) if "w" in value else None
    shape = {"y": (n, g, o, *sizes["y"]), "x": (n, g, c, *reach), "w": (g, o, c, *sizes["w"])}[gives]
    out: Any = (np.empty if gives == "y" else np.zeros)(shape, dtype)
    for first in range(0, n, many):
        some = slice(first, first + many)
        if gives == "x":
            y = value["y"][some]
            columns = np.matmul(np.swapaxes(w, 1, 2), y.reshape(len(y), g, o, places))
            columns = columns.reshape(len(y), g, c, *sizes["w"], *sizes["y"])
            for k in np.ndindex(sizes["w"]):
                where = [
                    slice(d * i, d * i + s * (t - 1) + 1, s)
                    for i, d, s, t in zip(k, dilation, strides, sizes["y"], strict=True)
                ]
                out[(some, ..., *where)] += columns[(slice(None),) * 3 + k]
            continue
        windows = _windows(value["x"][some], sizes, strides, dilation)
        windows = windows.transpose(0, 1, 2, *range(3 + rank, 3 + 2 * rank), *range(3, 3 + rank))
        columns = windows.reshape(len(windows), g, c * kernel, places)
        if gives == "y":
            out[some] = np.matmul(w, columns).reshape(len(windows), g, o, *sizes["y"])
        else:
            y = value["y"][some].reshape(len(windows), g, o, places)
            out += np.matmul(y, np.swapaxes(columns, 2, 3)).sum(0).reshape(shape)
    return out


def _by_fft(
    value: dict[str, Any], gives: str, sizes: dict[str, Sizes], reach: Sizes, strides: Sizes, dilation: Sizes
) -> Any:
    """Circular convolution as long as the padded input: what is read of it has no wrapped terms."""
    rank = len(reach)
    dtype = np.result_type(*value.values())
    real = dtype.kind != "c"
    points = tuple(_good_size(n) for n in reach)
    axes = tuple(range(3, 3 + rank))
    steps = {"x": None, "y": strides, "w": dilation}

    def spectrum(kind: str) -> Any:
        v = value[kind]
        step = steps[kind]
        if step is not None and any(s > 1 for s in step):  # spread out
            wide: Any = np.zeros(
                (*v.shape[:3], *(s * (n - 1) + 1 for s, n in zip(step, v.shape[3:], strict=True))), v.dtype
            )
            wide[(..., *(slice(None, None, s) for s in step))] = v
            v = wide
        reflected = gives != "x" and kind != "x"  # correlation, without conjugating
        if real:
            f = np.fft.rfftn(v, points, axes)
            f = f.conj() if reflected else f
        else:
            f = np.fft.fftn(v.conj(), points, axes).conj() if reflected else np.fft.fftn(v, points, axes)
        return f.transpose(*range(3, 3 + rank), 0, 1, 2)

    a, b = (spectrum(k) for k in value)
    # Frequencies and groups lead; one matrix product each.
    if gives == "y":
        product = np.matmul(_swap(a, 1, 0, 2), _swap(b, 0, 2, 1))  # g n c, g c o -> g n o
        back = (1, 0, 2)
    elif gives == "x":
        product = np.matmul(_swap(a, 1, 0, 2), b)  # g n o, g o c -> g n c
        back = (1, 0, 2)
    else:
        product = np.matmul(_swap(b, 1, 2, 0), _swap(a, 1, 0, 2))  # g o n, g n c -> g o c
        back = (0, 1, 2)
    product = product.transpose(*(rank + i for i in back), *range(rank))
    out: Any = (np.fft.irfftn if real else np.fft.ifftn)(product, points, axes)
    step = steps[gives] or (1,) * rank
    sizes_out = reach if gives == "x" else sizes[gives]
    return out[(..., *(slice(0, s * (n - 1) + 1, s) for s, n in zip(step, sizes_out, strict=True)))].astype(
        dtype, copy=False
    )


def _swap(f: Any, *order: int) -> Any:
    n = f.ndim - 3
    return f.transpose(*range(n), *(n + i for i in order))


def _good_size(n: int) -> int:
    """The next number whose only prime factors are 2, 3 and 5."""
    while True:
        m = n
        for p in (2, 3, 5):
            while m % p == 0:
                m //= p
        if m == 1:
            return n
        n += 1


def _fft_is_cheaper(value: dict[str, Any], sizes: dict[str, Sizes], reach: Sizes) -> bool:
    """Compares multiplications: of the matrix product, with its copy of the windows, and of the transforms."""
    if any(v.dtype.kind not in "fc" for v in value.values()):
        return False
    shape = {k: v.shape[:3] for k, v in value.items()}
    n = shape["x"][0] if "x" in shape else shape["y"][0]
    g = shape["w"][0] if "w" in shape else shape["y"][1]
    o = shape["w"][1] if "w" in shape else shape["y"][2]
    c = shape["w"][2] if "w" in shape else shape["x"][2]
    places, kernel = math.prod(sizes["y"]), math.prod(sizes["w"])
    if min(n * g * o * c, places, kernel) == 0:
        return False
    direct = n * g * c * places * kernel * (o + 4)
    points = math.prod(reach)
    transforms = (n * g * c + g * o * c + n * g * o) * points * math.log2(points + 1) * 4
    return direct > transforms + 4 * n * g * o * c * points + 200_000


# Batching: into the axis that only the batched operand and the result have, or into the groups ------------------


def _fold(v: Any, kind: str, letter: str, groups: int) -> Any:
    """(B, m, n, *S) with the batch in front of ``letter``."""
    size, m, n, *rest = v.shape
    lead, letters = _split(kind, m, n, groups)
    at = letters.index(letter)
    rank = len(lead)
    v = reshape(v, shape=(size, *lead, *rest))
    v = transpose(v, axes=(*range(1, 1 + at), 0, *range(1 + at, 1 + rank + len(rest))))
    merged = [size * k if i == at else k for i, k in enumerate(lead)]
    return reshape(v, shape=(*_merge(kind, merged), *rest))


def _unfold(v: Any, kind: str, letter: str, groups: int, size: int) -> Any:
    m, n, *rest = v.shape
    lead, letters = _split(kind, m, n, groups * size if letter == "G" else groups)
    at = letters.index(letter)
    rank = len(lead)
    v = reshape(v, shape=(*lead[:at], size, lead[at] // size, *lead[at + 1 :], *rest))
    v = transpose(v, axes=(at, *range(at), *range(at + 1, 1 + rank + len(rest))))
    lead[at] //= size
    return reshape(v, shape=(size, *_merge(kind, lead), *rest))


def _split(kind: str, m: int, n: int, groups: int) -> tuple[list[int], str]:
    first, second = _LETTERS[kind]
    lead = [groups, m // groups, n] if len(first) == 2 else [m, groups, n // groups]
    return lead, first + second


def _merge(kind: str, lead: Sequence[int]) -> Sizes:
    p, q, r = lead
    return (p * q, r) if len(_LETTERS[kind][0]) == 2 else (p, q * r)


def _batch(prim: Primitive, args: Sequence[Any], batched: Sequence[bool], size: int, params: Params) -> Any:
    gives, groups = params["gives"], params["groups"]
    kinds = _OPERANDS[gives]
    if all(batched):
        letter = "G"
    else:
        (kind,) = [k for k, b in zip(kinds, batched, strict=True) if b]
        letter = _SHARED["".join(sorted(kind + gives))]
    folded = [_fold(a, k, letter, groups) if b else a for a, k, b in zip(args, kinds, batched, strict=True)]
    y = prim(*folded, **{**params, "groups": groups * size if letter == "G" else groups})
    return _unfold(y, gives, letter, groups, size)


# The primitive --------------------------------------------------------------------------------


def _transpose(wanted: int) -> Any:
    def rule(g: Any, a: Any, b: Any, *, gives: str, size: Sizes, **params: Any) -> Any:
        kinds = _OPERANDS[gives]
        value = {gives: g, kinds[1 - wanted]: b if wanted == 0 else a}
        target = kinds[wanted]
        first, second = _OPERANDS[target]
        return convolution(value[first], value[second], gives=target, size=(a, b)[wanted].shape[2:], **params)

    return rule


def _samples() -> list[Sample]:
    rng = np.random.default_rng(11)
    out = []

    def add(
        n: int,
        g: int,
        o: int,
        c: int,
        x: Sizes,
        w: Sizes,
        s: Sizes,
        p: Padding,
        d: Sizes,
        gives: str,
        dtype: Any = float,
    ) -> None:
        params = {"strides": s, "padding": p, "dilation": d, "groups": g}
        shapes = {"x": (n, g * c, *x), "w": (g * o, c, *w), "y": (n, g * o, *output_size(x, w, s, p, d))}
        a, b = (rng.normal(size=shapes[k]).astype(dtype) for k in _OPERANDS[gives])
        if dtype is complex:
            a, b = a + 1j * rng.normal(size=a.shape), b * (1 - 2j)
        out.append(Sample((a, b), {"gives": gives, "size": shapes[gives][2:], **params}))

    for gives in "yxw":
        add(2, 1, 2, 3, (5,), (3,), (1,), ((1, 1),), (1,), gives)
        add(1, 2, 1, 2, (6,), (2,), (2,), ((0, 2),), (2,), gives)
        add(1, 1, 2, 1, (4, 5), (2, 3), (2, 1), ((1, 0), (2, 1)), (1, 2), gives)
    add(1, 1, 1, 1, (3, 2, 4), (2, 2, 2), (1, 1, 2), ((0, 0), (1, 1), (0, 1)), (1, 1, 1), "y")
    add(1, 1, 1, 2, (5,), (2,), (1,), ((0, 0),), (1,), "y", complex)
    add(1, 1, 2, 1, (5,), (2,), (1,), ((-1, 1),), (1,), "y", np.float32)
    add(0, 1, 2, 1, (5,), (2,), (1,), ((0, 0),), (1,), "y")
    return out


convolution = bilinear(
    "convolution",
    _convolution,
    _transpose(0),
    _transpose(1),
    batch=_batch,
    samples=_samples,
    source="Dumoulin & Visin 2016, arXiv:1603.07285",
)
