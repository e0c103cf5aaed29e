"""Airy, Kelvin and spherical Bessel functions, and integrals of Bessel functions: derivatives in the argument."""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from dualad.ops.arithmetic import imag_part, real_part
from dualad.ops.bessel import i0, j0, jv, k0, y0
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Samples, real
from dualad.ops.special import _declare, _fixed, _scipy, orders


def _part(
    name: str, theirs: str, place: int, partial: Any, samples: Samples, source: str, singular: bool = False
) -> Any:
    """One of the several results of SciPy's function."""
    return elementwise(
        name,
        lambda x: _scipy(theirs)(x)[place],
        (partial,),
        keep="xy",
        samples=samples,
        source=source,
        singular=singular,
    )


def _airy(name: str, place: int, partial: Any) -> Any:
    return _part(name, "airy", place, partial, real(-4, 3, 0.0), "DLMF 9.2.1")


airy_ai = _airy("airy_ai", 0, lambda y, x: airy_aip(x))
airy_aip = _airy("airy_aip", 1, lambda y, x: x * airy_ai(x))
airy_bi = _airy("airy_bi", 2, lambda y, x: airy_bip(x))
airy_bip = _airy("airy_bip", 3, lambda y, x: x * airy_bi(x))


# Kelvin functions: the real and imaginary parts of Bessel functions on a diagonal, DLMF 10.61, whose equation 10.63.1 gives
# the second derivative; written with the neighbouring orders (DLMF 10.6.1), since y / x has no derivative at 0.

_TURN = cmath.exp(0.75j * math.pi)

ber = _declare("ber", (lambda y, x: berp(x),), keep="x", samples=real(-4, 4, 0.0))
bei = _declare("bei", (lambda y, x: beip(x),), keep="x", samples=real(-4, 4, 0.0))
berp = _declare(
    "berp",
    (lambda y, x: 0.5 * (imag_part(jv(2, _TURN * x)) - bei(x)),),
    keep="x",
    samples=real(-4, 4, 0.0),
    source="DLMF 10.63",
)
beip = _declare(
    "beip",
    (lambda y, x: 0.5 * (ber(x) - real_part(jv(2, _TURN * x))),),
    keep="x",
    samples=real(-4, 4, 0.0),
    source="DLMF 10.63",
)
ker = _declare("ker", (lambda y, x: kerp(x),), keep="x", singular=True, samples=real(0.5, 4))
kei = _declare("kei", (lambda y, x: keip(x),), keep="x", singular=True, samples=real(0.5, 4))
kerp = _declare("kerp", (lambda y, x: -kei(x) - y / x,), keep="xy", singular=True, samples=real(0.5, 4))
keip = _declare("keip", (lambda y, x: ker(x) - y / x,), keep="xy", singular=True, samples=real(0.5, 4))

# Spherical Bessel functions: DLMF 10.51.


def _spherical(letter: str, below: float, above: float, singular: bool) -> Any:
    name = f"spherical_{letter}n"

    def partial(y: Any, n: Any, z: Any) -> Any:
        # The lower neighbour of order 0 has weight 0.
        return (below * n * function(np.maximum(n - 1, 0), z) + above * (n + 1) * function(n + 1, z)) / (2 * n + 1)

    function: Any = _declare(
        name,
        (_fixed(name, "n"), partial),
        keep="x",
        singular=singular,
        samples=orders(0, 1, 3, x=(0.5, 4)),
        source="DLMF 10.51.2",
    )

    return function


_spherical("j", 1.0, -1.0, False)
_spherical("y", 1.0, -1.0, True)
spherical_in = _spherical("i", 1.0, 1.0, False)
_spherical("k", -1.0, -1.0, True)

# Integrals: the derivative is the integrand.

bessel_j0_integral = _part("bessel_j0_integral", "itj0y0", 0, lambda y, x: j0(x), real(0.5, 4), "DLMF 10.22")
bessel_y0_integral = _part(
    "bessel_y0_integral", "itj0y0", 1, lambda y, x: y0(x), real(0.5, 4), "DLMF 10.22", singular=True
)
bessel_i0_integral = _part("bessel_i0_integral", "iti0k0", 0, lambda y, x: i0(x), real(0.5, 4), "DLMF 10.43")
bessel_k0_integral = _part(
    "bessel_k0_integral", "iti0k0", 1, lambda y, x: k0(x), real(0.5, 4), "DLMF 10.43", singular=True
)
