"""The Faddeeva function w(z) = exp(-z^2) erfc(-i z) and Voigt's profile, with derivatives in all arguments.

The real and the imaginary part of w(a + i b) are primitives of two real arguments, closed under differentiation by
w' = -2 z w + 2 i / sqrt(pi) (DLMF 7.10.2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, pair, real
from dualad.ops.special import _declare, _scipy
from dualad.ops.transcendental import exp

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


def _slope_real(a: Any, b: Any) -> Any:
    return -2 * (a * faddeeva_real(a, b) - b * faddeeva_imag(a, b))


def _slope_imag(a: Any, b: Any) -> Any:
    return _TWO_OVER_ROOT_PI - 2 * (a * faddeeva_imag(a, b) + b * faddeeva_real(a, b))


faddeeva_real = elementwise(
    "faddeeva_real",
    lambda a, b: _scipy("wofz")(a + 1j * b).real,
    (lambda y, a, b: _slope_real(a, b), lambda y, a, b: -_slope_imag(a, b)),
    keep="x",
    samples=pair((-3, 3), (0, 2)),
    source="DLMF 7.2.3, 7.10.2",
)
faddeeva_imag = elementwise(
    "faddeeva_imag",
    lambda a, b: _scipy("wofz")(a + 1j * b).imag,
    (lambda y, a, b: _slope_imag(a, b), lambda y, a, b: _slope_real(a, b)),
    keep="x",
    samples=pair((-3, 3), (0, 2)),
    source="DLMF 7.2.3, 7.10.2",
)


erfi = _declare("erfi", (lambda y, x: _TWO_OVER_ROOT_PI * exp(x * x),), keep="x", samples=real(-2, 2))


def _voigt_samples() -> list[Sample]:
    rng = np.random.default_rng(24)
    return [Sample((rng.uniform(-3, 3, (2, 3)), rng.uniform(0.5, 2, 3), rng.uniform(0.1, 2, (2, 1))))]


def _scaled(x: Any, s: Any, g: Any) -> tuple[Any, Any, Any]:
    """The argument of w, and the factor of its derivatives."""
    root = 1 / (s * math.sqrt(2))
    return x * root, g * root, root * root / math.sqrt(math.pi)


def _voigt_in_x(y: Any, x: Any, s: Any, g: Any) -> Any:
    a, b, scale = _scaled(x, s, g)
    return scale * _slope_real(a, b)


def _voigt_in_gamma(y: Any, x: Any, s: Any, g: Any) -> Any:
    a, b, scale = _scaled(x, s, g)
    return -scale * _slope_imag(a, b)


voigt_profile = _declare(
    "voigt_profile",
    (
        _voigt_in_x,
        # The profile is homogeneous of degree -1 in all three: Euler's relation.
        lambda y, x, s, g: -(y + x * _voigt_in_x(y, x, s, g) + g * _voigt_in_gamma(y, x, s, g)) / s,
        _voigt_in_gamma,
    ),
    keep="xy",
    samples=_voigt_samples,
    source="DLMF 7.19.1",
)
