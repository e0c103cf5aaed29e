"""How tensors show themselves: PyTorch's format (four digits, one style for all elements, 80 columns)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

PRECISION, WIDTH, THRESHOLD, EDGE = 4, 80, 1000, 3


class Format:
    """One style for all elements: integers with a dot, fixed, or scientific."""

    def __init__(self, values: Any) -> None:
        self.floating = values.dtype.kind == "f"
        self.integral, self.scientific, self.width = True, False, 1
        flat = values.ravel()
        if not self.floating:
            self.width = max([1, *(len(str(v)) for v in flat.tolist())])
            return
        finite = flat[np.isfinite(flat) & (flat != 0)].astype(np.float64)
        if not finite.size:
            return
        low, high = np.abs(finite).min(), np.abs(finite).max()
        self.integral = bool(np.all(finite == np.ceil(finite)))
        self.scientific = bool(high / low > 1000.0 or high > 1e8 or (not self.integral and low < 1e-4))
        if self.scientific:
            texts = [f"{v:.{PRECISION}e}" for v in finite]
        elif self.integral:
            texts = [f"{v:.0f}." for v in finite]
        else:
            texts = [f"{v:.{PRECISION}f}" for v in finite]
        self.width = max([1, *map(len, texts)])

    def __call__(self, v: Any) -> str:
        if not self.floating:
            text = str(v)
        elif self.scientific:
            text = f"{v:{self.width}.{PRECISION}e}"
        elif self.integral:
            text = f"{v:.0f}" + ("" if math.isinf(v) or math.isnan(v) else ".")
        else:
            text = f"{v:.{PRECISION}f}"
        return text.rjust(self.width)


class ComplexFormat:
    """Real and imaginary part, each in its style."""

    def __init__(self, values: Any) -> None:
        self.real, self.imag = Format(values.real), Format(values.imag)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, v: Any) -> str:
        imag = self.imag(v.imag).lstrip()
        sign = "" if imag[0] in "+-" else "+"
        return f"{self.real(v.real)}{sign}{imag}j"


def _rows(x: Any, indent: int, show: Any, summarize: bool) -> str:
    if x.ndim == 0:
        return show(x[()] if x.dtype.kind in "fc" else x.item())
    cut = summarize and x.shape[0] > 2 * EDGE
    if x.ndim == 1:
        per_line = max(1, math.floor((WIDTH - indent) / (show.width + 2)))
        texts = [show(v) for v in (x if x.dtype.kind in "fc" else x.tolist())]
        if cut:
            texts = [*texts[:EDGE], " ...", *texts[-EDGE:]]
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    parts = [_rows(v, indent + 1, show, summarize) for v in ([*x[:EDGE], *x[-EDGE:]] if cut else x)]
    if cut:
        parts.insert(EDGE, "...")
    return "[" + ("," + "\n" * (x.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def edges(x: Any) -> Any:
    """The elements that a summary shows."""
    for axis in range(x.ndim):
        n = x.shape[axis]
        if n > 2 * EDGE:
            x = np.take(x, [*range(EDGE), *range(n - EDGE, n)], axis)
    return x


def text(value: Any, suffixes: list[str], prefix: str = "tensor(") -> str:
    """The repr of a tensor with these suffixes (dtype, grad_fn, ...)."""
    x = np.asarray(value)
    indent = len(prefix)
    if x.size == 0:
        body = "[]"
        if x.ndim != 1:
            suffixes = [f"size={x.shape}", *suffixes]
    else:
        summarize = x.size > THRESHOLD
        shown = edges(x) if summarize else x
        body = _rows(x, indent, (ComplexFormat if x.dtype.kind == "c" else Format)(shown), summarize)
    out = prefix + body
    last = len(out) - out.rfind("\n") + 1
    for s in suffixes:
        if last + len(s) + 2 > WIDTH:
            out += ",\n" + " " * indent + s
            last = indent + len(s)
        else:
            out += ", " + s
            last += len(s) + 2
    return out + ")"
