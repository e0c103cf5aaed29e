"""Errors in ulp of values and first derivatives against mpmath: ``python -m compare.accuracy --write docs/accuracy.md``."""

from __future__ import annotations

import argparse
import math
import pathlib
from typing import Any

import mpmath as mp
import numpy as np

import dualad
from compare.accuracy_functions import FUNCTIONS, SLOW

mp.mp.dps = 50
HEAD = """# Accuracy

Errors in units in the last place (ulp) of float64, of values and of first derivatives by forward mode (reverse mode uses the
same rules), at {points} points of each range (a tenth where mpmath takes long), against mpmath at 50
digits. Values are NumPy's and SciPy's own; derivatives are
dualad's rules. An ulp is that of the exact result, so where a derivative passes through zero, or falls far below its factors (as
those of `tanh` and `expit` do, 1 - y^2 and y (1 - y)), errors that are small beside these count as many: the median says what is
usual. Written by `python -m compare.accuracy --write docs/accuracy.md`.

| function | range | value: median | max | derivative: median | max |
|---|---|---|---|---|---|
"""


def ulps(found: float, exact: Any) -> float:
    if not math.isfinite(found):
        return math.inf
    if abs(exact) < 1e-290:
        return 0.0
    return float(abs(mp.mpf(found) - exact) / mp.mpf(float(np.spacing(abs(float(exact))))))


def errors(name: str, points: int) -> tuple[list[float], list[float]]:
    """Errors in ulp of the values and of the derivatives."""
    ours, exact, lo, hi = FUNCTIONS[name]
    points = max(2, points // 10) if name in SLOW else points
    rng = np.random.default_rng(0)
    xs = (
        np.exp(rng.uniform(math.log(lo), math.log(hi), points))
        if lo > 0 and hi / lo > 1e3
        else rng.uniform(lo, hi, points)
    )
    values, derivatives = [], []
    for x in xs:
        y, t = dualad.jvp(ours, (x,), (1.0,))
        at = mp.mpf(float(x))
        step = mp.mpf(10) ** -18 * abs(at)
        slope = (exact(at + step) - exact(at - step)) / (2 * step)
        values.append(ulps(float(y), mp.re(exact(at))))
        derivatives.append(ulps(float(t), mp.re(slope)))
    return values, derivatives


def page(points: int) -> str:
    lines = [HEAD.format(points=points)]
    for name, (_, _, lo, hi) in FUNCTIONS.items():
        cells = [f"{v:.2g}" for e in errors(name, points) for v in (float(np.median(e)), max(e))]
        lines.append(f"| `{name}` | {lo:g} to {hi:g} | {' | '.join(cells)} |\n")
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--write", metavar="FILE")
    chosen = parser.parse_args()
    text = page(chosen.points)
    print(text)
    if chosen.write:
        pathlib.Path(chosen.write).write_text(text)


if __name__ == "__main__":
    main()
