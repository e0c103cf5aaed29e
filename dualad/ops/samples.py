"""Inputs at which primitives are tested. A record names one of these, or gives a list of ``Sample``s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Sample:
    """Arguments of one test call. ``degenerate``: a kink, tie or singular point, where libraries' conventions differ:
    there the modes are held against each other, and not against the oracle. ``order``: how many derivatives exist there
    (for instance 1 at a kink of the second)."""

    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    degenerate: bool = False
    order: int = 3


Samples = Callable[[], list[Sample]]


def _uniform(rng: np.random.Generator, lo: float, hi: float, shape: tuple[int, ...]) -> Any:
    return rng.uniform(lo, hi, shape)[()]


def real(lo: float, hi: float, *points: float, complex: bool = False) -> Samples:
    """One argument in (lo, hi): a vector, 0-d, empty, strided, float32, and the given degenerate points."""

    def samples() -> list[Sample]:
        rng = np.random.default_rng(1)
        out = [
            Sample((_uniform(rng, lo, hi, (3,)),)),
            Sample((np.float64(rng.uniform(lo, hi)),)),
            Sample((np.empty((0, 2)),)),
            Sample((_uniform(rng, lo, hi, (4, 3))[::-2, ::2].T,)),
            Sample((_uniform(rng, lo, hi, (3,)).astype(np.float32),)),
        ]
        if complex:
            out.append(Sample((_uniform(rng, lo, hi, (3,)) + 1j * rng.uniform(-1, 1, 3),)))
        if points:
            out.append(Sample((np.array(points, float),), degenerate=True))
        return out

    return samples


def pair(
    a: tuple[float, float], b: tuple[float, float], *points: tuple[float, float], complex: bool = False
) -> Samples:
    """Two arguments in their ranges: equal shapes, broadcasting, with a number, empty, float32, degenerate points."""

    def samples() -> list[Sample]:
        rng = np.random.default_rng(2)
        out = [
            Sample((_uniform(rng, *a, (3,)), _uniform(rng, *b, (3,)))),
            Sample((_uniform(rng, *a, (2, 1)), _uniform(rng, *b, (3,)))),
            Sample((_uniform(rng, *a, ()), _uniform(rng, *b, ()))),
            Sample((np.empty((0, 1)), _uniform(rng, *b, (2,)))),
            Sample((_uniform(rng, *a, (3,)).astype(np.float32), _uniform(rng, *b, (3,)).astype(np.float32))),
            Sample((_uniform(rng, *a, (3,)).astype(np.float32), _uniform(rng, *b, (3,)))),
        ]
        if complex:
            z = rng.uniform(-1, 1, 3)
            out.append(Sample((_uniform(rng, *a, (3,)) + 1j * z, _uniform(rng, *b, (3,)) - 1j * z)))
        if points:
            out.append(Sample((np.array([p[0] for p in points]), np.array([p[1] for p in points])), degenerate=True))
        return out

    return samples


def array(*shapes: tuple[int, ...], params: tuple[dict[str, Any], ...] = ({},), complex: bool = False) -> Samples:
    """Standard normal arguments of the given shapes, once per entry of ``params``; the last repeated as float32."""

    def samples() -> list[Sample]:
        rng = np.random.default_rng(3)
        out = [Sample(tuple(rng.normal(size=s) for s in shapes), dict(p)) for p in params]
        out.append(Sample(tuple(rng.normal(size=s).astype(np.float32) for s in shapes), dict(params[-1])))
        if complex:
            z = tuple(rng.normal(size=s) + 1j * rng.normal(size=s) for s in shapes)
            out.append(Sample(z, dict(params[0])))
        return out

    return samples


def several(*parts: Samples) -> Samples:
    """The samples of all parts."""
    return lambda: [s for part in parts for s in part()]
