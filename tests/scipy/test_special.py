"""dualad.scipy.special: compositions against JAX and SciPy, extreme arguments, dispatch, and what is refused."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import dualad
from dualad import NotDifferentiable, grad, hessian, jvp
from dualad.ops.specials import SPECIAL
from dualad.scipy import special
from tests.functions import Case, check

jax.config.update("jax_enable_x64", True)
A = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])
V = np.array([0.4, 1.3, 2.2])

# (ours and SciPy's arguments, JAX's function of the same)
CASES: dict[str, tuple[Any, Any]] = {
    "logsumexp": (lambda s, a: s.logsumexp(a), lambda a: jax.scipy.special.logsumexp(a)),
    "logsumexp, axis": (lambda s, a: s.logsumexp(a, axis=1), lambda a: jax.scipy.special.logsumexp(a, axis=1)),
    "logsumexp, axes": (
        lambda s, a: s.logsumexp(a, axis=(0, 1)),
        lambda a: jax.scipy.special.logsumexp(a, axis=(0, 1)),
    ),
    "logsumexp, keepdims": (
        lambda s, a: s.logsumexp(a, axis=0, keepdims=True),
        lambda a: jax.scipy.special.logsumexp(a, axis=0, keepdims=True),
    ),
    "logsumexp, b": (lambda s, a: s.logsumexp(a, axis=1, b=V), lambda a: jax.scipy.special.logsumexp(a, axis=1, b=V)),
    "logsumexp, sign": (
        lambda s, a: s.logsumexp(a, axis=1, b=np.array([1.0, -2.0, 0.0]), return_sign=True)[0],
        lambda a: jax.scipy.special.logsumexp(a, axis=1, b=np.array([1.0, -2.0, 0.0]), return_sign=True)[0],
    ),
    "softmax": (lambda s, a: s.softmax(a, axis=1), lambda a: jax.nn.softmax(a, axis=1)),
    "log_softmax": (lambda s, a: s.log_softmax(a, axis=0), lambda a: jax.nn.log_softmax(a, axis=0)),
    "multigammaln": (lambda s, a: s.multigammaln(a + 4.0, 3), lambda a: jax.scipy.special.multigammaln(a + 4.0, 3)),
    "boxcox": (lambda s, a: s.boxcox(a + 3.0, 0.7), lambda a: ((a + 3.0) ** 0.7 - 1) / 0.7),
    "boxcox1p": (lambda s, a: s.boxcox1p(a + 2.0, -0.3), lambda a: ((a + 3.0) ** -0.3 - 1) / -0.3),
    "inv_boxcox": (lambda s, a: s.inv_boxcox(a + 2.0, 0.5), lambda a: (0.5 * (a + 2.0) + 1) ** 2),
    "inv_boxcox1p": (lambda s, a: s.inv_boxcox1p(a + 2.0, 0.5), lambda a: (0.5 * (a + 2.0) + 1) ** 2 - 1),
    "binom": (lambda s, a: s.binom(a + 5.0, 2.0), lambda a: (a + 5.0) * (a + 4.0) / 2),
}


@pytest.mark.parametrize("name", CASES)
def test_compositions(name: str) -> None:
    f, theirs = CASES[name]
    ours = lambda a: f(special, a)
    np.testing.assert_allclose(ours(A), f(scipy.special, A), rtol=1e-13)
    y, t = jvp(ours, (A,), (A[::-1],))
    jy, jt = jax.jvp(theirs, (A,), (A[::-1],))
    np.testing.assert_allclose(y, jy, rtol=1e-12)
    np.testing.assert_allclose(t, jt, rtol=1e-11, atol=1e-13)
    scalar, jscalar = (lambda g: lambda a: (g(a) ** 2).sum())(ours), (lambda g: lambda a: (g(a) ** 2).sum())(theirs)
    np.testing.assert_allclose(grad(scalar)(A), jax.grad(jscalar)(A), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(hessian(scalar)(A), jax.hessian(jscalar)(A), rtol=1e-9, atol=1e-10)
    check(Case(lambda _, a: ours(a), (A,), oracle=theirs, name=f"scipy.special.{name.split(',')[0]}"))


def test_boxcox_is_smooth_at_zero() -> None:
    f = lambda k: special.boxcox(2.0, k)
    u = np.log(2.0)
    np.testing.assert_allclose([f(0.0), grad(f)(0.0), grad(grad(f))(0.0)], [u, u**2 / 2, u**3 / 3], rtol=1e-13)
    for k in (1e-9, 9e-4, 1.1e-3, -1e-4):
        exact = float((lambda mp: mp.diff(lambda v: (mp.mpf(2) ** v - 1) / v, k))(__import__("mpmath").mp))
        np.testing.assert_allclose(grad(f)(k), exact, rtol=1e-9)


def test_values_on_tensors_are_scipys() -> None:
    for name, args in (("binom", (-2.5, 3.0)), ("binom", (5.0, 2.0)), ("zeta", (2.5, 0.3)), ("zeta", (-2.5,))):
        y = dualad.value_and_grad(getattr(special, name))(*args)[0]
        assert y == getattr(scipy.special, name)(*args)


def test_two_results() -> None:
    for name in ("fresnel", "sici"):
        f = getattr(special, name)
        for ours, theirs in zip(f(V), getattr(scipy.special, name)(V), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(grad(lambda x: special.fresnel(x)[0])(0.7), np.sin(np.pi * 0.49 / 2))
    np.testing.assert_allclose(grad(lambda x: special.sici(x)[1])(0.7), np.cos(0.7) / 0.7)


def test_extreme_arguments() -> None:
    """No overflow, no NaN, in value and both modes' derivatives."""
    huge = np.array([1e3, -1e3, 999.0])
    for f, g in (
        (lambda x: special.logsumexp(x), scipy.special.softmax(huge)),
        (lambda x: special.log_softmax(x)[1], np.array([0.0, 1.0, 0.0]) - scipy.special.softmax(huge)),
        (lambda x: special.softplus(x).sum(), np.array([1.0, 0.0, 1.0])),
    ):
        np.testing.assert_allclose(grad(f)(huge), g, atol=1e-15)
        np.testing.assert_allclose(dualad.jacfwd(f)(huge), g, atol=1e-15)
        assert np.isfinite(hessian(f)(huge)).all()
    empty = np.array([[-np.inf, -np.inf], [0.0, -np.inf]])
    rows = lambda a: special.logsumexp(a, axis=1)
    np.testing.assert_array_equal(rows(empty), [-np.inf, 0.0])
    np.testing.assert_array_equal(dualad.jacrev(rows)(empty)[1], [[0, 0], [1, 0]])
    np.testing.assert_array_equal(dualad.jacrev(rows)(empty)[0], np.zeros((2, 2)))
    for x in (-10.0, -1e3, -1e6, -1e10):
        ratio = np.sqrt(2 / np.pi) / scipy.special.erfcx(-x / np.sqrt(2))
        np.testing.assert_allclose(grad(special.log_ndtr)(x), ratio, rtol=1e-13)
        assert np.isfinite(grad(grad(special.log_ndtr))(x))
    np.testing.assert_array_equal([float(special.xlogy(0.0, 0.0)), float(special.entr(0.0))], [0.0, 0.0])
    assert grad(lambda y: special.xlogy(0.0, y))(0.0) == 0


def test_scipys_own_functions_find_ours() -> None:
    for name in ("erf", "gammaln", "expit", "betainc", "xlogy", "jv"):
        ufunc = getattr(scipy.special, name)
        args = (2.5, 1.5, 0.4)[3 - ufunc.nin :]
        np.testing.assert_array_equal(grad(ufunc)(*args), grad(SPECIAL[name])(*args))
    assert grad(lambda x: np.i0(x))(1.0) == scipy.special.i1(1.0)


def test_what_has_no_derivative() -> None:
    with pytest.raises(NotDifferentiable, match="argument 'n'"):
        grad(lambda n: special.polygamma(n, 2.0))(1.0)
    with pytest.raises(NotDifferentiable, match="airye"):
        grad(lambda x: special.airye(x)[0])(1.0)
    with pytest.raises(NotDifferentiable, match=r"scipy\.special\.mathieu_a|mathieu_a"):
        grad(lambda x: scipy.special.mathieu_a(1.0, x))(1.0)
    assert special.airye(1.0)[0] == scipy.special.airye(1.0)[0]
    assert special.comb(5, 2) == 10


def test_sign_of_gamma() -> None:
    x = np.array([2.5, -0.5, -1.5, -2.5])
    np.testing.assert_array_equal(special.gammasgn(x), scipy.special.gammasgn(x))
    np.testing.assert_array_equal(grad(lambda v: (special.gammasgn(v) * v).sum())(x), scipy.special.gammasgn(x))
    signed = lambda _, v: special.gammasgn(v) * v
    check(Case(signed, (x,), oracle="differences", why="JAX has no such function", name="scipy.special.gammasgn"))


def test_single_precision() -> None:
    x = V.astype(np.float32)
    for name, args in (
        ("gammainc", (x, x)),
        ("betainc", (x, x, x * np.float32(0.4))),
        ("jv", (x, x)),
        ("logsumexp", (x,)),
    ):
        f = getattr(special, name)
        assert f(*args).dtype == np.float32
        assert grad(lambda v, f=f, args=args: f(v, *args[1:]).sum())(x).dtype == np.float32


def test_jax_agrees_where_it_has_the_parameter() -> None:
    a, x = np.array([0.7, 2.0, 5.0]), np.array([0.4, 2.5, 3.0])
    ours = dualad.vmap(grad(special.gammainc))(a, x)
    np.testing.assert_allclose(
        ours, jax.vmap(jax.grad(jax.scipy.special.gammainc))(jnp.asarray(a), jnp.asarray(x)), rtol=1e-8
    )
