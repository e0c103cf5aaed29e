"""Elliptic, Airy, Voigt and other families of dualad.scipy.special: SciPy's values, mpmath's derivatives, dispatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special

import dualad
from dualad import DualadError, NotDifferentiable, grad, value_and_grad
from dualad.scipy import special
from tests.functions import Case, check

mp.mp.dps = 30

# Those that are written with others: arguments, of which the floats move.
COMPOSED: dict[str, tuple[Any, ...]] = {
    "agm": (1.3, 2.1),
    "airy": (0.7,),
    "bdtr": (2, 7, 0.3),
    "bdtrc": (2, 7, 0.3),
    "cbrt": (1.7,),
    "chdtr": (3.2, 1.3),
    "chdtrc": (3.2, 1.3),
    "chdtri": (3.2, 0.4),
    "comb": (7.3, 2.4),
    "ellipj": (0.8, 0.3),
    "exp2": (0.7,),
    "exprel": (0.7,),
    "fdtr": (3.0, 5.5, 1.2),
    "fdtrc": (3.0, 5.5, 1.2),
    "gdtr": (1.2, 2.3, 1.7),
    "gdtrc": (1.2, 2.3, 1.7),
    "iti0k0": (1.4,),
    "itj0y0": (1.4,),
    "ivp": (1.3, 2.0, 2),
    "jvp": (1.3, 2.0, 3),
    "kn": (2, 1.7),
    "kvp": (1.3, 2.0),
    "nbdtr": (3, 2, 0.4),
    "nbdtrc": (3, 2, 0.4),
    "pdtr": (3, 2.2),
    "pdtrc": (3, 2.2),
    "perm": (6.5, 2.3),
    "radian": (10.0, 20.0, 30.0),
    "shichi": (1.2,),
    "spherical_in": (2, 1.3),
    "spherical_jn": (2, 1.3, True),
    "spherical_kn": (0, 1.3),
    "spherical_yn": (1, 1.3, True),
    "yvp": (1.3, 2.0, 0),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed(name: str) -> None:
    ours, theirs, args = getattr(special, name), getattr(scipy.special, name), COMPOSED[name]
    np.testing.assert_allclose(ours(*args), theirs(*args), rtol=1e-12)
    moving = [i for i, a in enumerate(args) if type(a) is float]

    def f(*given: Any) -> Any:
        full = list(args)
        for i, a in zip(moving, given, strict=True):
            full[i] = a
        y = ours(*full)
        return sum(np.sin(v) for v in y) if isinstance(y, tuple) else np.sin(y)

    given = tuple(np.array([args[i], args[i] * 1.1]) for i in moving)
    why = "JAX has no such function"
    check(Case(lambda _, *v: f(*v), given, oracle="differences", why=why, name=f"scipy.special.{name}"))


# (ours, mpmath's, points): the first two derivatives.
EXACT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], tuple[float, ...]]] = {
    "ellipk": (special.ellipk, mp.ellipk, (-40.0, -0.3, 0.0, 0.6, 0.999)),
    "ellipe": (special.ellipe, mp.ellipe, (-40.0, -0.3, 0.0, 0.6, 0.999)),
    "ellipkinc in m": (lambda m: special.ellipkinc(7.0, m), lambda m: mp.ellipf(7, m), (-3.0, 0.0, 0.7)),
    "ellipeinc in m": (lambda m: special.ellipeinc(-2.0, m), lambda m: mp.ellipe(-2, m), (-3.0, 0.0, 0.7)),
    "ellipkinc in phi": (
        lambda p: special.ellipkinc(p, 0.7),
        lambda p: mp.ellipf(p, mp.mpf(0.7)),
        (0.0, 0.4, 1.5, 4.0),
    ),
    "sn in m": (lambda m: special.ellipj(0.9, m)[0], lambda m: mp.ellipfun("sn", mp.mpf(0.9), m), (0.1, 0.8)),
    "dn in u": (
        lambda u: special.ellipj(u, 0.4)[2],
        lambda u: mp.ellipfun("dn", u, mp.mpf(0.4)),
        (-1.0, 0.0, 5.0),
    ),
    "elliprf": (lambda x: special.elliprf(x, 1.0, 2.0), lambda x: mp.elliprf(x, 1, 2), (0.01, 1.0, 300.0)),
    "elliprg": (lambda x: special.elliprg(x, 1.0, 2.0), lambda x: mp.elliprg(x, 1, 2), (0.01, 1.0, 300.0)),
    "elliprj": (lambda p: special.elliprj(1.0, 2.0, 0.0, p), lambda p: mp.elliprj(1, 2, 0, p), (0.1, 1.0, 30.0)),
    "elliprc": (lambda y: special.elliprc(1.0, y), lambda y: mp.elliprc(1, y), (0.1, 1.0, 30.0)),
    "airy": (lambda x: special.airy(x)[0], mp.airyai, (-5.0, 0.0, 4.0)),
    "lambertw": (lambda x: special.lambertw(x).real, lambda x: mp.lambertw(x).real, (-0.3, 0.0, 2.0, 50.0)),
    "lambertw, lower branch": (
        lambda x: special.lambertw(x, -1).real,
        lambda x: mp.lambertw(x, -1).real,
        (-0.3, -0.05),
    ),
    "wofz": (
        lambda x: special.wofz(x).imag,
        lambda x: (mp.exp(-x * x) * mp.erfc(-1j * x)).imag,
        (-1.0, 0.0, 3.0),
    ),
    "struve": (lambda x: special.struve(0.5, x), lambda x: mp.struveh(0.5, x), (0.3, 3.0)),
    "modstruve": (lambda x: special.modstruve(1.5, x), lambda x: mp.struvel(1.5, x), (0.3, 3.0)),
    "ber": (special.ber, lambda x: mp.ber(0, x), (-2.0, 0.0, 3.0)),
    "beip": (special.beip, lambda x: mp.diff(lambda t: mp.bei(0, t), x), (0.0, 3.0)),
    "jacobi": (
        lambda x: special.eval_jacobi(2.5, 0.3, -0.4, x),
        lambda x: mp.jacobi(2.5, mp.mpf(0.3), mp.mpf(-0.4), x),
        (-0.5, 0.3),
    ),
    "legendre": (lambda x: special.eval_legendre(5, x), lambda x: mp.legendre(5, x), (-1.0, 0.0, 1.0)),
    "hermite": (lambda x: special.eval_hermite(4, x), lambda x: mp.hermite(4, x), (-1.0, 0.0, 2.0)),
    "exprel": (special.exprel, lambda x: mp.expm1(x) / x if x else mp.mpf(1), (-2.0, 1e-5, 3.0)),
    "wrightomega": (special.wrightomega, lambda x: mp.lambertw(mp.exp(x)).real, (-3.0, 0.0, 5.0)),
    "zetac": (special.zetac, lambda x: mp.zeta(x) - 1, (-2.5, 2.0)),
}


@pytest.mark.parametrize("name", EXACT)
def test_derivatives_against_mpmath(name: str) -> None:
    ours, exact, points = EXACT[name]
    for x in points:
        for order, rtol in ((1, 2e-12), (2, 1e-10)):
            wanted = mp.diff(exact, mp.mpf(x), order, h=mp.mpf(10) ** -8 if x == 0 else None)
            np.testing.assert_allclose(dualad.derivative(ours, order)(x), float(wanted), rtol=rtol, atol=1e-11)


def test_voigt_profile() -> None:
    def exact(x: Any, s: Any, g: Any) -> Any:
        z = mp.mpc(x, g) / (s * mp.sqrt(2))
        return (mp.exp(-z * z) * mp.erfc(-1j * z)).real / (s * mp.sqrt(2 * mp.pi))

    args = (0.7, 1.1, 0.4)
    value, slopes = value_and_grad(special.voigt_profile, argnums=(0, 1, 2))(*args)
    np.testing.assert_allclose(value, scipy.special.voigt_profile(*args), rtol=1e-15)
    wanted = [mp.diff(exact, tuple(map(mp.mpf, args)), n) for n in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    np.testing.assert_allclose(slopes, [float(w) for w in wanted], rtol=1e-12)


def test_losses_at_their_kinks() -> None:
    r = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    np.testing.assert_array_equal(grad(lambda r: np.sum(special.huber(1.0, r)))(r), [-1, -1, 0, 1, 1])
    np.testing.assert_allclose(
        grad(lambda r: np.sum(special.pseudo_huber(1.0, r)))(r), r / np.sqrt(1 + r**2), rtol=1e-15
    )


def test_scipys_own_functions_find_them() -> None:
    for f, args in (
        (scipy.special.ellipk, (0.3,)),
        (scipy.special.voigt_profile, (0.3, 1.0, 0.5)),
        (scipy.special.zeta, (2.5, 0.3)),
        (scipy.special.zeta, (2.5,)),
        (lambda x: scipy.special.lambertw(x).real, (0.3,)),
        (lambda x: scipy.special.ellipj(x, 0.3)[1], (0.3,)),
        (scipy.special.chdtr, (3.0, 0.4)),
    ):
        value, slope = value_and_grad(f)(*args)
        step = 1e-6
        around = [f(args[0] + d, *args[1:]) for d in (step, -step)]
        np.testing.assert_allclose(value, f(*args), rtol=1e-13)
        np.testing.assert_allclose(slope, (around[0] - around[1]) / (2 * step), rtol=1e-7)


def test_refused() -> None:
    with pytest.raises(NotDifferentiable, match="its argument 'a'"):
        grad(special.hyperu)(0.5, 1.0, 2.0)
    with pytest.raises(DualadError, match="tol"):
        special.lambertw(1.0, tol=1e-3)
    with pytest.raises(DualadError, match="order of the derivative"):
        special.jvp(1.0, 2.0, -1)
    with pytest.raises(NotDifferentiable, match="mathieu_a"):
        grad(lambda q: special.mathieu_a(1, q))(0.5)


ANALYTIC = [
    "airy", "dawsn", "digamma", "erf", "erfc", "erfcx", "erfi", "eval_chebyt", "eval_gegenbauer", "eval_genlaguerre",
    "eval_jacobi", "eval_legendre", "exp1", "expi", "fresnel", "gamma", "hyp0f1", "hyp1f1", "hyp2f1", "iv", "jv",
    "kv", "kve", "lambertw", "log_ndtr", "loggamma", "logsumexp", "ndtr", "rgamma", "shichi", "sici", "softmax",
    "spence", "spherical_in", "spherical_jn", "spherical_kn", "spherical_yn", "wofz", "wrightomega", "xlog1py",
    "xlogy", "yv", "zeta",
]  # fmt: skip
BEFORE = {
    "eval_gegenbauer": (3, 1.5),
    "eval_genlaguerre": (3, 0.5),
    "eval_jacobi": (3, 0.5, 1.5),
    "hyp2f1": (0.5, 1.5, 2.5),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_complex_arguments(name: str) -> None:
    """Against differences of SciPy's values along a complex direction: the derivative is that of an analytic function."""
    f, g = getattr(special, name), getattr(scipy.special, name)
    before: tuple[Any, ...] = BEFORE.get(name, ())
    if not before and name.startswith(("eval", "hyp", "spherical")):
        before = (2, 1.5)[: 2 if name == "hyp1f1" else 1]
    elif name in ("iv", "jv", "kv", "kve", "yv"):
        before = (1.5,)
    elif name in ("xlogy", "xlog1py"):
        before = (0.6 + 0.2j,)
    first = lambda y: y[0] if isinstance(y, tuple) else y
    z, dz, h = 0.7 + 0.4j, 0.3 - 0.8j, 1e-5
    y, t = dualad.jvp(lambda v: first(f(*before, v)), (z,), (dz,))
    np.testing.assert_allclose(y, first(g(*before, z)), rtol=1e-9)
    expected = (first(g(*before, z + h * dz)) - first(g(*before, z - h * dz))) / (2 * h)
    np.testing.assert_allclose(t, expected, rtol=1e-6, atol=1e-9)


def test_complex_arguments_that_are_refused() -> None:
    with pytest.raises(NotDifferentiable, match="holomorphic"):
        dualad.jvp(lambda z: special.ive(1.5, z), (1 + 1j,), (1j,))
    with pytest.raises(NotDifferentiable, match="complex"):
        dualad.jvp(lambda z: special.elliprf(z, 1.0, 2.0), (1 + 1j,), (1j,))
