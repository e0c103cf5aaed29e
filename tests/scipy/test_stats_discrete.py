"""Every method of every discrete distribution: value against SciPy, derivatives in the real parameters."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import scipy.stats

import dualad.scipy.stats
from dualad import NotDifferentiable, grad, hessian, stop_gradient, vmap
from dualad.scipy import stats
from dualad.scipy.stats.distribution import Discrete
from tests.functions import Case, check, parameters

SHAPES: dict[str, list[tuple[float, ...]]] = {
    "bernoulli": [(0.3,), (0.0,), (1.0,)],
    "betabinom": [(5, 1.4, 2.2), (1, 0.5, 3.0)],
    "binom": [(5, 0.4), (40, 0.9), (3, 0.0), (3, 1.0), (0, 0.5)],
    "geom": [(0.3,), (1.0,), (1e-3,)],
    "nbinom": [(2.4, 0.35), (0.5, 1.0)],
    "poisson": [(2.3,), (0.0,), (80.0,)],
}
DISCRETE: dict[str, Any] = {n: d for n, d in sorted(vars(dualad.scipy.stats).items()) if isinstance(d, Discrete)}
MOMENTS = ("mean", "var", "std", "entropy")
LOC = 1
K = np.array([2.0, 3.0, 5.0])


def test_no_distribution_is_forgotten() -> None:
    assert set(DISCRETE) == set(SHAPES)


@pytest.mark.parametrize(("name", "method"), [(n, m) for n, d in DISCRETE.items() for m in d.METHODS])
@pytest.mark.filterwarnings("ignore")  # SciPy's own
def test_value(name: str, method: str) -> None:
    ours, theirs = getattr(DISCRETE[name], method), getattr(getattr(scipy.stats, name), method)
    k = np.array([-1, 0, 1, 2, 2.5, 3, 4, 6, 7, 41, 90, np.nan])
    for shapes in SHAPES[name]:
        if (name, method, shapes) == ("geom", "entropy", (1.0,)):
            assert ours(1.0) == 0  # SciPy: NaN, from 0 log 0
            continue
        p = (*shapes, LOC)
        if method == "rvs":
            a, b = np.random.default_rng(1), np.random.default_rng(1)
            for size in (None, (2, 3)):
                x, y = ours(*p, size=size, random_state=a), theirs(*p, size=size, random_state=b)
                np.testing.assert_array_equal(x, y)
                assert np.asarray(x).dtype == np.asarray(y).dtype
            assert a.random() == b.random()
            continue
        x, y = (f(*p) if method in MOMENTS else f(k, *p) for f in (ours, theirs))
        assert np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-15, err_msg=f"{name}.{method}{shapes}")


# Integer parameters do not move; nbinom's n moves where no incomplete function needs its derivative.
def _case(name: str, method: str) -> Case:
    d, shapes = DISCRETE[name], SHAPES[name][0]
    fixed = len(d.whole) or int(name == "nbinom" and "cdf" in method + "cdf" * ("sf" in method))
    p = tuple(np.float64(v) for v in shapes[fixed:])

    k = K if name != "bernoulli" else np.array([LOC] if "sf" in method else [LOC, LOC + 1.0])

    def f(np_: Any, *p: Any) -> Any:
        x = () if method in MOMENTS else (k,)
        return getattr(d, method)(*x, *shapes[:fixed], *p, LOC)

    return Case(f, p, oracle="differences", why="values are compared with SciPy's, derivatives with JAX's below")


CASES = {f"scipy.stats.{n}.{m}": [_case(n, m)] for n, d in DISCRETE.items() for m in d.METHODS if m != "rvs"}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("name", [n for n in DISCRETE if n != "betabinom"])
def test_against_jax(name: str) -> None:
    d, shapes = DISCRETE[name], np.array(SHAPES[name][0])
    n = len(d.whole)
    k = np.array([0.0, 1.0]) if name == "bernoulli" else np.array([1.0, 2.0, 4.0])
    theirs = getattr(jax.scipy.stats, name).logpmf

    def total(logpmf: Any, p: Any) -> Any:
        return logpmf(k, *shapes[:n], *[p[i] for i in range(len(shapes) - n)]).sum()

    p = shapes[n:]
    g, h = jax.jit(lambda p: (jax.grad(lambda p: total(theirs, p))(p), jax.hessian(lambda p: total(theirs, p))(p)))(p)
    np.testing.assert_allclose(grad(lambda p: total(d.logpmf, p))(p), g, rtol=1e-10)
    np.testing.assert_allclose(hessian(lambda p: total(d.logpmf, p))(p), h, rtol=1e-9, atol=1e-12)


def test_parameter_of_the_incomplete_beta_function() -> None:
    try:
        ours = grad(lambda n: stats.nbinom.cdf(3, n, 0.35))(2.4)
    except NotDifferentiable as e:
        assert "has no derivative in its" in str(e)
        pytest.skip(f"until the incomplete beta function has it: {e}")
    expected = grad(lambda n: stats.nbinom.pmf(np.arange(4), n, 0.35).sum())(2.4)
    np.testing.assert_allclose(ours, expected, rtol=1e-8)


def test_impossible_and_certain_events() -> None:
    """Outside the support zero derivatives; at p = 0 and 1 the one-sided ones, which are finite where the event is possible."""
    assert grad(lambda p: stats.binom.pmf(7, 5, p))(0.4) == 0
    assert grad(lambda p: stats.binom.logpmf(2.5, 5, p))(0.4) == 0
    assert grad(lambda p: stats.bernoulli.logpmf(0, p))(0.0) == -1
    assert grad(lambda p: stats.bernoulli.logpmf(1, p))(1.0) == 1
    assert grad(lambda p: stats.binom.logpmf(3, 3, p))(1.0) == 3
    assert grad(lambda mu: stats.poisson.logpmf(0, mu))(0.0) == -1
    assert grad(lambda k: stats.poisson.logpmf(k, 2.0))(3.0) == 0
    assert np.isnan(stats.binom.pmf(1, 2.5, 0.3))
    assert np.isnan(stats.poisson.cdf(1, -1.0))


def test_rvs_has_no_pathwise_derivative() -> None:
    with pytest.raises(NotDifferentiable, match=r"score function: .*logpmf\(k, mu\)"):
        grad(lambda mu: stats.poisson.rvs(mu, size=3).sum() * 1.0)(2.0)
    mu, n = 2.0, 40000

    def surrogate(mu: Any) -> Any:
        k = stats.poisson.rvs(stop_gradient(mu), size=n, random_state=np.random.default_rng(0))
        return (k * k * stats.poisson.logpmf(k, mu)).mean()

    assert abs(grad(surrogate)(mu) - (1 + 2 * mu)) < 0.3  # E k^2 = mu + mu^2
    many = vmap(lambda mu: stats.poisson.rvs(mu, size=2, random_state=np.random.default_rng(0)))(np.array([1.0, 9.0]))
    assert many.shape == (2, 2)


def test_no_such_method() -> None:
    with pytest.raises(NotDifferentiable, match=r"betabinom has no method 'cdf'.*scipy.stats.betabinom.cdf"):
        stats.betabinom.cdf(1, 5, 1.0, 2.0)
