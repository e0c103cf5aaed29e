"""Distributions of vectors and matrices: value against SciPy, derivatives against JAX or differences."""

from __future__ import annotations

import copy
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.stats as of_jax
import numpy as np
import pytest
import scipy.stats

from dualad import ArgumentError, NotDifferentiable, ShapeError, grad, jacfwd, jacrev, vmap
from dualad.scipy import stats
from tests.functions import Case, check, parameters
from tests.oracles.stats import normal_box
from tests.scipy.test_stats_continuous import numeric
from tests.scipy.test_stats_sampling import rng

__all__ = ["numeric"]  # a fixture

A = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 1.5]])
B = A @ A
MU = np.array([1.0, 2.0, 3.0])
X = np.random.default_rng(0).normal(size=(4, 3))
ALPHA = np.array([1.4, 0.7, 2.2])
SIMPLEX = np.array([[0.2, 0.5, 0.1], [0.3, 0.1, 0.3], [0.5, 0.4, 0.6]])
P = np.array([0.2, 0.5, 0.3])
COUNTS = np.array([[1, 2, 2], [0, 5, 0], [1, 1, 1]])


def same(method: str, name: str, *args: Any, **keywords: Any) -> None:
    ours = getattr(getattr(stats, name), method)(*args, **keywords)
    theirs = getattr(getattr(scipy.stats, name), method)(*args, **keywords)
    assert np.shape(ours) == np.shape(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_values() -> None:
    for method in ("logpdf", "pdf"):
        same(method, "multivariate_normal", X, MU, A)
        same(method, "multivariate_normal", X[0], MU, A)
        same(method, "multivariate_normal", X[:, 0])
        same(method, "multivariate_normal", X[:1, :1], 0.3, 2.0)
        same(method, "multivariate_normal", 0.3)
        same(method, "multivariate_normal", X, MU, [1.0, 2.0, 3.0])
        same(method, "multivariate_normal", X, MU, 2.0)
        same(method, "multivariate_normal", X.reshape(2, 2, 3), cov=A)
        same(method, "multivariate_t", X, MU, A, 3.4)
        same(method, "multivariate_t", X[0], shape=A, df=2)
        same(method, "dirichlet", SIMPLEX, ALPHA)
        same(method, "dirichlet", SIMPLEX[:, 0], ALPHA)
        same(method, "wishart", B, 4.5, A)
        same(method, "wishart", np.stack([A, B], -1), 3.0, A)
    for method in ("logpmf", "pmf"):
        same(method, "multinomial", COUNTS, 5, P)
        same(method, "multinomial", COUNTS[0], 5, P)
    for method in ("cdf", "logcdf"):
        for rng_ in (3, rng()):
            again = copy.deepcopy(rng_)
            ours = getattr(stats.multivariate_normal, method)(X, MU, A, rng=rng_)
            theirs = getattr(scipy.stats.multivariate_normal, method)(X, MU, A, rng=again)
            np.testing.assert_array_equal(ours, theirs)
        same(method, "multivariate_normal", X[0, :2], MU[:2], A[:2, :2])
        same(method, "multivariate_normal", X[:, :2].reshape(2, 2, 2), cov=A[:2, :2], lower_limit=-2 * np.ones(2))
        same(method, "multivariate_normal", X[:1, :1], 0.3, 2.0)
        same(method, "multivariate_normal", 0.3)
        same(method, "multivariate_normal", X[:, :2], MU[:2], [1.0, 2.0])
    same("cdf", "multivariate_normal", X[:, :2], cov=np.eye(2), lower_limit=np.ones(2))
    same("cdf", "multivariate_normal", 0.3, lower_limit=1.0)
    same("entropy", "multivariate_normal", MU, A)
    same("mean", "multinomial", 5, P)
    same("mean", "wishart", 4.5, A)
    for method in ("mean", "var", "entropy"):
        same(method, "dirichlet", ALPHA)


def _symmetric(np_: Any, a: Any) -> Any:
    return 0.5 * (a + a.T)


def _cdf(np_: Any, x: Any, mu: Any, a: Any) -> Any:
    return stats.multivariate_normal.cdf(x, mu, a)


WHY = "JAX has no such function"
CASES: dict[str, list[Case]] = {
    "scipy.stats.multivariate_normal.logpdf": [
        Case(
            stats_ := lambda np, *a: stats.multivariate_normal.logpdf(*a), (X, MU, A), of_jax.multivariate_normal.logpdf
        ),
        Case(stats_, (X[0], MU, A), of_jax.multivariate_normal.logpdf),
    ],
    "scipy.stats.multivariate_normal.pdf": [
        Case(lambda np, *a: stats.multivariate_normal.pdf(*a), (X[:2], MU, A), of_jax.multivariate_normal.pdf)
    ],
    "scipy.stats.multivariate_normal.cdf": [
        Case(_cdf, (X[:2, :2], MU[:2], A[:2, :2]), lambda x, mu, a: normal_box(a, x - mu)),
        Case(_cdf, (X[0], MU, A), lambda x, mu, a: normal_box(a, x - mu)),
        Case(
            lambda np, x, a, low: stats.multivariate_normal.cdf(x, cov=a, lower_limit=low),
            (X[:2], A, X[0] - 1),
            lambda x, a, low: normal_box(a, x, jnp.broadcast_to(low, x.shape)),
        ),
        Case(_cdf, (X[0, :1], MU[:1], A[:1, :1]), lambda x, mu, a: normal_box(a, x - mu)),
    ],
    "scipy.stats.multivariate_normal.logcdf": [
        Case(
            lambda np, x, mu, a: stats.multivariate_normal.logcdf(x, mu, a),
            (X[:2, :2], MU[:2], A[:2, :2]),
            lambda x, mu, a: jnp.log(normal_box(a, x - mu)),
        ),
    ],
    "scipy.stats.multivariate_normal.entropy": [
        Case(
            lambda np, a: stats.multivariate_normal.entropy(MU, _symmetric(np, a)), (A,), oracle="differences", why=WHY
        )
    ],
    "scipy.stats.multivariate_normal.rvs": [
        Case(
            lambda np, mu, a: stats.multivariate_normal.rvs(mu, _symmetric(np, a), size=2, random_state=rng()),
            (MU, A),
            lambda mu, a: mu + _normals() @ jnp.linalg.cholesky(0.5 * (a + a.T)).T,
        )
    ],
    "scipy.stats.multivariate_t.logpdf": [
        Case(
            lambda np, x, mu, a, df: stats.multivariate_t.logpdf(x, mu, _symmetric(np, a), df),
            (X, MU, A, np.float64(3.4)),
            oracle="differences",
            why=WHY,
        )
    ],
    "scipy.stats.multivariate_t.pdf": [
        Case(lambda np, x, df: stats.multivariate_t.pdf(x, MU, A, df), (X, np.float64(3.4)), "differences", WHY)
    ],
    "scipy.stats.dirichlet.logpdf": [
        Case(
            lambda np, x, a: stats.dirichlet.logpdf(_shares(x), a),
            (np.abs(X.T), ALPHA),
            lambda x, a: of_jax.dirichlet.logpdf(_shares(x), a),
        )
    ],
    "scipy.stats.dirichlet.pdf": [
        Case(lambda np, a: stats.dirichlet.pdf(SIMPLEX, a), (ALPHA,), lambda a: of_jax.dirichlet.pdf(SIMPLEX, a))
    ],
    "scipy.stats.dirichlet.mean": [Case(lambda np, a: stats.dirichlet.mean(a), (ALPHA,), "differences", WHY)],
    "scipy.stats.dirichlet.var": [Case(lambda np, a: stats.dirichlet.var(a), (ALPHA,), "differences", WHY)],
    "scipy.stats.dirichlet.entropy": [Case(lambda np, a: stats.dirichlet.entropy(a), (ALPHA,), "differences", WHY)],
    "scipy.stats.multinomial.logpmf": [
        Case(
            lambda np, p: stats.multinomial.logpmf(COUNTS[0], 5, p / p.sum()),
            (3 * P,),
            lambda p: of_jax.multinomial.logpmf(COUNTS[0], 5, p / p.sum()),
        )
    ],
    "scipy.stats.multinomial.pmf": [
        Case(lambda np, p: stats.multinomial.pmf(COUNTS, 5, p / p.sum()), (3 * P,), "differences", WHY)
    ],
    "scipy.stats.multinomial.mean": [Case(lambda np, p: stats.multinomial.mean(5, p), (P,), "differences", WHY)],
    "scipy.stats.wishart.logpdf": [
        Case(
            lambda np, x, df, a: stats.wishart.logpdf(_symmetric(np, x), df, _symmetric(np, a)),
            (B, np.float64(4.5), A),
            oracle="differences",
            why=WHY,
        )
    ],
    "scipy.stats.wishart.pdf": [
        Case(
            lambda np, df: 1e3 * stats.wishart.pdf(np.stack([A, B], -1), df, A), (np.float64(4.5),), "differences", WHY
        )
    ],
    "scipy.stats.wishart.mean": [
        Case(lambda np, df, a: stats.wishart.mean(df, a), (np.float64(4.5), A), "differences", WHY)
    ],
}


def _shares(x: Any) -> Any:
    return x / x.sum(0)


def _normals() -> Any:
    z = scipy.stats.multivariate_normal.rvs(MU, A, 2, rng()) - MU
    return np.linalg.solve(np.linalg.cholesky(A), z.T).T


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def test_every_method_has_a_case() -> None:
    for name in ("multivariate_normal", "multivariate_t", "dirichlet", "multinomial", "wishart"):
        methods = {m for m in dir(getattr(stats, name)) if not m.startswith("_") and m != "name"}
        cased = {c.rsplit(".", 1)[1] for c in CASES if f".{name}." in c}
        assert methods == cased | ({"rvs"} if name == "dirichlet" else set())  # tested below


def test_draws_are_scipys() -> None:
    for size in (1, 4, (2, 3)):
        same("rvs", "multivariate_normal", MU, A, size=size, random_state=5)
        same("rvs", "dirichlet", ALPHA, size=size, random_state=5)
    a, b = rng(), rng()
    stats.dirichlet.rvs(ALPHA, random_state=a)
    scipy.stats.dirichlet.rvs(ALPHA, random_state=b)
    assert a.random() == b.random()


def test_covariance_of_normal_variates() -> None:
    """d E[z z^T] / d cov is the identity map (in the symmetric direction)."""
    t = np.array([[1.0, 0.3, 0.0], [0.3, -0.5, 0.2], [0.0, 0.2, 0.7]])
    n = 40000

    def f(s: Any) -> Any:
        z = stats.multivariate_normal.rvs(np.zeros(3), A + s * t, size=n, random_state=rng())
        return z[:, :, None] * z[:, None, :]

    each = jacfwd(f)(0.0)
    assert (abs(each.mean(0) - t) < 5 * each.std(0) / np.sqrt(n)).all()


def test_dirichlet_pathwise(numeric: None) -> None:
    """Forward and reverse agree, samples stay on the simplex, and the mean of log x and of x1^2 move as their closed forms."""
    n = 20000

    def draw(a: Any) -> Any:
        return stats.dirichlet.rvs(a, size=n, random_state=rng())

    small = lambda a: stats.dirichlet.rvs(a, size=4, random_state=rng())
    np.testing.assert_allclose(jacfwd(small)(ALPHA), jacrev(small)(ALPHA), rtol=1e-9, atol=1e-12)
    each = jacfwd(draw)(ALPHA)
    np.testing.assert_allclose(each.sum(1), 0, atol=1e-7)
    total = ALPHA.sum()
    expected = (np.eye(3) * total - ALPHA[:, None]) / total**2
    assert (abs(each.mean(0) - expected) < 5 * each.std(0) / np.sqrt(n)).all()
    x = draw(ALPHA)
    square = 2 * x[:, 0, None] * each[:, 0, :]
    closed = grad(lambda a: a[0] * (a[0] + 1) / (a.sum() * (a.sum() + 1)))(ALPHA)
    assert (abs(square.mean(0) - closed) < 5 * square.std(0) / np.sqrt(n)).all()


def test_dirichlet_by_its_own_partials() -> None:
    draw = lambda a: stats.dirichlet.rvs(a, size=4, random_state=rng())
    try:
        forward = jacfwd(draw)(ALPHA)
    except NotDifferentiable as e:
        assert "has no derivative in its" in str(e)
        pytest.skip(f"until the incomplete beta function has it: {e}")
    np.testing.assert_allclose(forward, jacrev(draw)(ALPHA), rtol=1e-9)
    check(Case(lambda np, a: draw(a), (ALPHA,), degenerate=True))


def _one_factor(x: Any, loading: Any, variance: Any) -> Any:
    """The distribution function for the covariance diag(variance) + loading loading^T: given the factor, a product."""
    t, w = (jnp.asarray(v) for v in np.polynomial.legendre.leggauss(80))
    given = jnp.prod(of_jax.norm.cdf((x - 9 * t[:, None] * loading) / jnp.sqrt(variance)), axis=-1)
    return jnp.sum(9 * w * of_jax.norm.pdf(9 * t) * given)


@pytest.mark.parametrize("n", [4, 5])
def test_distribution_function_of_many_variables(n: int) -> None:
    """Beyond three, derivatives are by quasi-Monte Carlo probabilities: as accurate as these."""
    draw = np.random.default_rng(n)
    args = draw.uniform(-0.5, 1.5, n), draw.uniform(0.2, 0.9, n), draw.uniform(0.5, 1.5, n)

    def f(x: Any, loading: Any, variance: Any) -> Any:
        return stats.multivariate_normal.cdf(x, cov=variance * np.eye(n) + loading[:, None] * loading)

    np.testing.assert_allclose(f(*args), _one_factor(*args), atol=1e-5)
    expected = jax.grad(_one_factor, (0, 1, 2))(*args)
    for ours, theirs in zip(grad(f, (0, 1, 2))(*args), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_distribution_function_at_infinity() -> None:
    x = np.array([0.3, np.inf, -0.2])
    ours = grad(lambda x, a: stats.multivariate_normal.cdf(x, cov=a), (0, 1))(x, A)
    kept = np.ix_([0, 2], [0, 2])
    theirs = grad(lambda x, a: stats.multivariate_normal.cdf(x, cov=a), (0, 1))(x[[0, 2]], A[kept])
    np.testing.assert_allclose(ours[0], [theirs[0][0], 0, theirs[0][1]], rtol=1e-12)
    np.testing.assert_allclose(ours[1][kept], theirs[1], rtol=1e-12)
    np.testing.assert_array_equal(ours[1][1], 0)
    assert stats.multivariate_normal.cdf(np.empty((0, 3)), cov=A).shape == (0,)
    assert stats.multivariate_normal(MU, A).cdf(X).shape == (4,)


def test_the_generator_moves_once() -> None:
    """A derivative takes the numbers of its value, and moves the caller's generator no further."""
    a, b = rng(), rng()
    scipy.stats.multivariate_normal.cdf(X, MU, A, rng=a)
    grad(lambda x: stats.multivariate_normal.cdf(x, MU, A, rng=b).sum())(X)
    assert a.random() == b.random()


def test_off_the_support() -> None:
    x = np.array([0.5, 0.4, 0.3])
    assert stats.dirichlet.logpdf(x, ALPHA) == -np.inf
    np.testing.assert_array_equal(grad(lambda a: stats.dirichlet.logpdf(x, a))(ALPHA), 0)
    assert np.isnan(stats.dirichlet.logpdf(SIMPLEX[:, 0], np.array([1.0, -1.0, 2.0])))
    corner = np.array([0.0, 1.0, 0.0])
    assert stats.dirichlet.pdf(corner, np.array([2.0, 3.0, 2.0])) == 0
    assert stats.dirichlet.pdf(corner, np.ones(3)) == 2
    assert stats.multinomial.logpmf([1, 1, 1], 5, P) == -np.inf
    np.testing.assert_array_equal(grad(lambda p: stats.multinomial.logpmf([1, 1, 1], 5, p))(P), 0)
    assert np.isnan(stats.multinomial.logpmf(COUNTS[0], 5, 2 * P))
    zero = grad(lambda p: stats.multinomial.logpmf([0, 5, 0], 5, p))(np.array([0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(zero, [0, 5, 0])


def test_vmap_over_covariances() -> None:
    ours = vmap(lambda c: grad(lambda m: stats.multivariate_normal.logpdf(X[0], m, c))(MU))(np.stack([A, B]))
    np.testing.assert_allclose(ours, [np.linalg.solve(c, X[0] - MU) for c in (A, B)])


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="cov is not positive definite"):
        stats.multivariate_normal.logpdf(X, MU, -A)
    with pytest.raises(ArgumentError, match="allow_singular=True has no derivative"):
        stats.multivariate_normal.logpdf(X, MU, A, allow_singular=True)
    with pytest.raises(ShapeError, match=r"cov has shape \(2, 2\)"):
        stats.multivariate_normal.logpdf(X, MU, np.eye(2))
    with pytest.raises(ShapeError, match=r"points have 3 elements"):
        stats.multivariate_normal.logpdf(X[:, :2], MU, A)
    with pytest.raises(ShapeError, match=r"points have 3 elements"):
        stats.multivariate_normal.cdf(X, MU, A, lower_limit=np.zeros(2))
    with pytest.raises(ArgumentError, match="cov is not positive definite"):
        stats.multivariate_normal.cdf(X, MU, -A)
    with pytest.raises(ArgumentError, match="allow_singular=True has no derivative"):
        stats.multivariate_normal.logcdf(X, MU, A, allow_singular=True)
    with pytest.raises(ArgumentError, match="x is not positive definite"):
        stats.wishart.logpdf(-B, 4.5, A)
    with pytest.raises(ShapeError, match="wishart"):
        stats.wishart.logpdf(np.eye(2), 4.5, A)
    with pytest.raises(ShapeError, match="along axis 0"):
        stats.dirichlet.logpdf(np.ones(2) / 2, ALPHA)
    with pytest.raises(ShapeError, match="must be a vector"):
        stats.dirichlet.mean(SIMPLEX)
