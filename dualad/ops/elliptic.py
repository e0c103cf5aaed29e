"""Elliptic integrals and functions with derivatives of every order in all arguments.

SciPy evaluates the functions. Their derivatives are of two families that are closed under differentiation,

    I(k, a; phi, m)             = int_0^phi sin(t)^(2 k) (1 - m sin(t)^2)^(-a/2) dt,
    R(p, q, r, s; x, y, z, w)   = int_0^inf (t+x)^(-1/2-p) (t+y)^(-1/2-q) (t+z)^(-1/2-r) (t+w)^-s dt,

for Legendre's integrals (DLMF 19.2) and Carlson's symmetric ones (DLMF 19.16). Both are computed by double-exponential rules
(Takahasi & Mori 1974); their integrands are positive, so that nothing cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import NotDifferentiable
from dualad.ops.kinds import elementwise
from dualad.ops.samples import Sample, Samples, pair, real
from dualad.ops.special import _declare, _fixed, _scipy
from dualad.ops.transcendental import sin, sqrt

_STEP = 1 / 32
_U = np.arange(-115, 116) * _STEP
# Of (0, 1): how far from the right end, and the weight. The integrands are steep at the right end only.
_LEFT = 1 / (1 + np.exp(math.pi * np.sinh(_U)))
_SPAN = _STEP * math.pi * np.cosh(_U) * _LEFT * (1 - _LEFT)
_V = np.arange(-147, 148) * _STEP
_RAY = np.exp(0.5 * math.pi * np.sinh(_V))
_RAY_SPAN = _STEP * 0.5 * math.pi * np.cosh(_V) * _RAY


def _precise(f: Callable[..., Any]) -> Callable[..., Any]:
    """In double precision with a last axis for the nodes, without NumPy's warnings; in the precision of the arguments."""

    def impl(*args: Any) -> Any:
        if any(np.iscomplexobj(a) for a in args):
            raise NotDifferentiable(
                "elliptic integrals of complex numbers have no derivative in dualad. Pass real numbers."
            )
        kinds = [a.dtype for a in args if hasattr(a, "dtype") and a.dtype.kind == "f"]
        arrays = np.broadcast_arrays(*[np.asarray(a, float) for a in args])
        with np.errstate(all="ignore"):
            y = f(*(a[..., None] for a in arrays))
        return y.astype(np.result_type(*kinds, np.float32) if kinds else np.float64)[()]

    return impl


def _legendre(k: Any, a: Any, phi: Any, m: Any) -> Any:
    def moment(right: Any) -> Any:
        """From 0 to ``right``, at most pi / 2."""
        short = right * _LEFT
        s, c = np.sin(right - short), np.cos(right - short)
        # 1 - m sin^2 as cos^2 + (1 - m) sin^2: digits are kept where m is near 1.
        return (s ** (2 * k) * (c * c + (1 - m) * s * s) ** (-0.5 * a) * _SPAN).sum(-1) * right[..., 0]

    turns = np.rint(phi / math.pi)
    rest = phi - turns * math.pi
    total = np.sign(rest[..., 0]) * moment(np.abs(rest))
    turns = turns[..., 0]
    return (
        total
        if not turns.any()
        else total + np.where(turns == 0, 0.0, 2 * turns * moment(np.full_like(phi, math.pi / 2)))
    )


def _with(*first: Any, samples: Samples) -> Samples:
    """Samples after integers that don't move."""
    return lambda: [Sample((*map(np.array, first), *s.args), order=s.order) for s in samples()]


ANGLES = pair((-2, 4), (-2, 0.7))
elliptic_moment = elementwise(
    "elliptic_moment",
    _precise(_legendre),
    (
        _fixed("elliptic_moment", "k"),
        _fixed("elliptic_moment", "a"),
        lambda y, k, a, phi, m: sin(phi) ** (2 * k) * (1 - m * sin(phi) ** 2) ** (-0.5 * a),
        lambda y, k, a, phi, m: 0.5 * a * elliptic_moment(k + 1, a + 2, phi, m),
    ),
    keep="x",
    samples=_with(1, 3, samples=ANGLES),
    source="DLMF 19.2.4",
)


def _of_parameter(k: int, a: int) -> Callable[..., Any]:
    """The complete integral as a function of m alone."""
    return lambda y, m: 0.5 * a * elliptic_moment(k + 1, a + 2, 0.5 * math.pi, m)


ellipk = _declare("ellipk", (_of_parameter(0, 1),), keep="x", samples=real(-3, 0.9), source="DLMF 19.4.1")
ellipe = _declare("ellipe", (_of_parameter(0, -1),), keep="x", samples=real(-3, 0.9), source="DLMF 19.4.2")
ellipkm1 = _declare("ellipkm1", (lambda y, p: -_of_parameter(0, 1)(y, 1 - p),), keep="x", samples=real(0.1, 3))
ellipkinc = _declare(
    "ellipkinc",
    (
        lambda y, phi, m: 1 / sqrt(1 - m * sin(phi) ** 2),
        lambda y, phi, m: 0.5 * elliptic_moment(1, 3, phi, m),
    ),
    keep="x",
    samples=ANGLES,
    source="DLMF 19.4",
)
ellipeinc = _declare(
    "ellipeinc",
    (
        lambda y, phi, m: sqrt(1 - m * sin(phi) ** 2),
        lambda y, phi, m: -0.5 * elliptic_moment(1, 1, phi, m),
    ),
    keep="x",
    samples=ANGLES,
    source="DLMF 19.4",
)

# Jacobi's functions: DLMF 22.13, and in the parameter by the implicit function theorem on F(phi, m) = u.


def _jacobi(name: str, place: int, partials: tuple[Any, Any]) -> Any:
    return elementwise(
        name,
        lambda u, m: _scipy("ellipj")(u, m)[place],
        partials,
        keep="x",
        samples=pair((-1.5, 1.5), (0.1, 0.8)),
        source="DLMF 22.13, 22.16",
    )


def _turned(u: Any, m: Any) -> Any:
    """The derivative of the amplitude in the parameter."""
    phi = jacobi_am(u, m)
    return -0.5 * jacobi_dn(u, m) * elliptic_moment(1, 3, phi, m)


def _dn_in_parameter(y: Any, u: Any, m: Any) -> Any:
    sn = jacobi_sn(u, m)
    return -sn * (0.5 * sn + m * jacobi_cn(u, m) * _turned(u, m)) / jacobi_dn(u, m)


jacobi_am = _jacobi("jacobi_am", 3, (lambda y, u, m: jacobi_dn(u, m), lambda y, u, m: _turned(u, m)))
jacobi_sn = _jacobi(
    "jacobi_sn",
    0,
    (lambda y, u, m: jacobi_cn(u, m) * jacobi_dn(u, m), lambda y, u, m: jacobi_cn(u, m) * _turned(u, m)),
)
jacobi_cn = _jacobi(
    "jacobi_cn",
    1,
    (lambda y, u, m: -jacobi_sn(u, m) * jacobi_dn(u, m), lambda y, u, m: -jacobi_sn(u, m) * _turned(u, m)),
)
jacobi_dn = _jacobi("jacobi_dn", 2, (lambda y, u, m: -m * jacobi_sn(u, m) * jacobi_cn(u, m), _dn_in_parameter))


# Carlson's integrals: DLMF 19.16; where an argument is negative (a principal value) the derivatives are NaN.


def _carlson(p: Any, q: Any, r: Any, s: Any, x: Any, y: Any, z: Any, w: Any) -> Any:
    scale = np.maximum(np.maximum(x, y), np.maximum(z, w))
    t = scale * _RAY
    log = -(0.5 + p) * np.log(t + x) - (0.5 + q) * np.log(t + y) - (0.5 + r) * np.log(t + z) - s * np.log(t + w)
    good = (x >= 0) & (y >= 0) & (z >= 0) & (w >= 0)
    return np.where(good[..., 0], (np.exp(log) * _RAY_SPAN).sum(-1) * scale[..., 0], np.nan)


def _carlson_samples() -> list[Sample]:
    rng = np.random.default_rng(20)
    orders = [np.array(k) for k in (1, 0, 1, 1)]
    return [Sample((*orders, *rng.uniform(0.3, 3, (4, 3))))]


carlson = elementwise(
    "carlson",
    _precise(_carlson),
    (
        *(_fixed("carlson", k) for k in "pqrs"),
        lambda v, p, q, r, s, x, y, z, w: -(0.5 + p) * carlson(p + 1, q, r, s, x, y, z, w),
        lambda v, p, q, r, s, x, y, z, w: -(0.5 + q) * carlson(p, q + 1, r, s, x, y, z, w),
        lambda v, p, q, r, s, x, y, z, w: -(0.5 + r) * carlson(p, q, r + 1, s, x, y, z, w),
        lambda v, p, q, r, s, x, y, z, w: -1.0 * s * carlson(p, q, r, s + 1, x, y, z, w),
    ),
    keep="x",
    samples=_carlson_samples,
    source="DLMF 19.16.9, 19.18.4",
)


def _uniform(n: int) -> Samples:
    def samples() -> list[Sample]:
        rng = np.random.default_rng(21)
        return [
            Sample(tuple(rng.uniform(0.3, 3, (n, 3)))),
            Sample(tuple(rng.uniform(0.3, 3, (n, 3)).astype(np.float32))),
        ]

    return samples


def _symmetric(name: str, partials: tuple[Any, ...]) -> Any:
    return _declare(name, partials, keep="x", samples=_uniform(len(partials)), source="DLMF 19.16, 19.18")


elliprf = _symmetric(
    "elliprf",
    (
        lambda v, x, y, z: -0.25 * carlson(1, 0, 0, 0, x, y, z, 1.0),
        lambda v, x, y, z: -0.25 * carlson(0, 1, 0, 0, x, y, z, 1.0),
        lambda v, x, y, z: -0.25 * carlson(0, 0, 1, 0, x, y, z, 1.0),
    ),
)
elliprd = _symmetric(
    "elliprd",
    (
        lambda v, x, y, z: -0.75 * carlson(1, 0, 1, 0, x, y, z, 1.0),
        lambda v, x, y, z: -0.75 * carlson(0, 1, 1, 0, x, y, z, 1.0),
        lambda v, x, y, z: -2.25 * carlson(0, 0, 2, 0, x, y, z, 1.0),
    ),
)
elliprj = _symmetric(
    "elliprj",
    (
        lambda v, x, y, z, w: -0.75 * carlson(1, 0, 0, 1, x, y, z, w),
        lambda v, x, y, z, w: -0.75 * carlson(0, 1, 0, 1, x, y, z, w),
        lambda v, x, y, z, w: -0.75 * carlson(0, 0, 1, 1, x, y, z, w),
        lambda v, x, y, z, w: -1.5 * carlson(0, 0, 0, 2, x, y, z, w),
    ),
)
elliprc = _symmetric(
    "elliprc",
    (
        lambda v, x, y: -0.25 * carlson(1, 0, 0, 0, x, y, y, 1.0),
        lambda v, x, y: -0.5 * carlson(0, 1, 0, 0, x, y, y, 1.0),
    ),
)
elliprg = _symmetric(
    "elliprg",
    (
        lambda v, x, y, z: 0.125 * carlson(1, 0, 0, -1, x, y, z, 0.0),
        lambda v, x, y, z: 0.125 * carlson(0, 1, 0, -1, x, y, z, 0.0),
        lambda v, x, y, z: 0.125 * carlson(0, 0, 1, -1, x, y, z, 0.0),
    ),
)
