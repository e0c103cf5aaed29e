"""Every method of every continuous distribution: value against SciPy, derivatives in all modes, edges and tails."""

from __future__ import annotations

from typing import Any

import jax
import mpmath
import numpy as np
import pytest
import scipy.stats

from dualad import ArgumentError, DtypeError, NotDifferentiable, grad, hessian, jacfwd, jacrev, jvp, vmap
from dualad.ops.specials import special
from dualad.scipy import stats
from tests.functions import Case, check, parameters
from tests.scipy.stats_table import CONTINUOUS, INCOMPLETE, MOMENTS, QUANTILES, SHAPES

LOC, SCALE = 0.3, 1.7
Q = np.array([0.1, 0.35, 0.57, 0.9])


def test_no_distribution_is_forgotten() -> None:
    assert set(CONTINUOUS) == set(SHAPES)


def call(name: str, method: str, x: Any, *parameters: Any) -> Any:
    f = getattr(CONTINUOUS[name], method)
    return f(*parameters) if method in MOMENTS else f(x, *parameters)


def points(name: str, *parameters: float) -> Any:
    return getattr(scipy.stats, name).ppf(Q, *parameters)


# test_where_scipy_is_off compares these with 40 digits.
SCIPY_IS_OFF = {
    ("genextreme", (1e-6,)): ("var", "std", "logsf"),  # cancellation: relative error 3e-5; -inf in the tail
    ("truncnorm", (5.0, 9.0)): ("isf", "entropy"),  # relative error 1e-8
    ("truncnorm", (-2.0, float("inf"))): ("entropy",),  # NaN, from infinity times 0
    ("vonmises", (40.0,)): ("cdf", "logcdf", "logsf", "sf"),  # error 2e-13 in the cumulative distribution
}

WALK = [(n, m) for n, d in CONTINUOUS.items() for m in d.METHODS if m != "rvs"]


@pytest.mark.parametrize(("name", "method"), WALK)
@pytest.mark.filterwarnings("ignore")  # SciPy's own
def test_value(name: str, method: str) -> None:
    theirs = getattr(scipy.stats, name)
    for shapes in SHAPES[name]:
        if method in SCIPY_IS_OFF.get((name, shapes), ()):
            continue
        p = (*shapes, LOC, SCALE)
        if method in MOMENTS:
            expected, got = getattr(theirs, method)(*p), call(name, method, None, *p)
        else:
            lo, hi = theirs.support(*p)
            inside = theirs.ppf(np.array([1e-6, 0.01, 0.2, 0.5, 0.9, 0.999]), *p)
            edges = [e for e in (lo, hi) if np.isfinite(e)]
            x = np.array([*inside, *edges, *[e + s for e in edges for s in (-1.0, 1.0)], np.nan])
            if method in QUANTILES:
                x = np.array([0.0, 1e-9, 0.01, 0.3, 0.5, 0.9, 0.999, 1.0, -0.5, 1.2, np.nan])
            expected, got = getattr(theirs, method)(x, *p), call(name, method, x, *p)
            one = call(name, method, float(x[2]), *p)
            assert np.shape(one) == ()
            np.testing.assert_allclose(one, expected[2], rtol=1e-10)
        assert np.shape(got) == np.shape(expected)
        # 1e-9: where SciPy finds a quantile by iteration
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15, err_msg=f"{name}.{method}{shapes}")


def _case(name: str, method: str) -> Case:
    d, shapes = CONTINUOUS[name], SHAPES[name][0]
    p = [np.float64(v) for v in (*shapes, LOC, SCALE)]
    x = Q if method in QUANTILES else points(name, *p)
    fixed = len(shapes) if name in INCOMPLETE and method not in ("pdf", "logpdf", *MOMENTS) else 0
    why = "SciPy's values are the oracle (test_value), JAX's derivatives are compared in test_against_jax"
    if method == "rvs":
        f = lambda np_, *moving: d.rvs(*shapes[:fixed], *moving, size=3, random_state=np.random.default_rng(3))
        return Case(f, tuple(p[fixed:]), degenerate=True)  # test_stats_sampling.py compares the derivatives
    if method in MOMENTS:
        infinite = not np.isfinite(getattr(d, method)(*p))
        return Case(lambda np_, *p: getattr(d, method)(*p), tuple(p), "differences", why, degenerate=infinite)

    def f(np_: Any, x: Any, *moving: Any) -> Any:
        return getattr(d, method)(x, *shapes[:fixed], *moving)

    return Case(f, (x, *p[fixed:]), oracle="differences", why=why)


CASES = {f"scipy.stats.{n}.{m}": [_case(n, m)] for n, d in CONTINUOUS.items() for m in d.METHODS}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


def _numeric_partial(name: str, position: int) -> Any:
    """For first derivatives in this test only: a tenth-order difference of SciPy's values."""
    weights = {1: 5 / 6, 2: -5 / 21, 3: 5 / 84, 4: -5 / 504, 5: 1 / 1260}

    def partial(y: Any, *xs: Any) -> Any:
        f = getattr(scipy.special, name)
        h = 0.02 * xs[position]
        total: Any = 0
        for k, w in weights.items():
            up, down = list(xs), list(xs)
            up[position], down[position] = xs[position] + k * h, xs[position] - k * h
            total = total + w * (f(*up) - f(*down)) / h
        return total

    return partial


@pytest.fixture
def numeric(monkeypatch: Any) -> None:
    """Parameter derivatives of the incomplete functions, where they have none of their own."""
    for name, n in {"gammainc": 1, "gammaincc": 1, "betainc": 2, "stdtr": 1}.items():
        prim = special(name)
        if prim.name.endswith("_of_argument"):
            partials = tuple(_numeric_partial(name, i) for i in range(n))
            monkeypatch.setattr(prim, "partials", (*partials, *prim.partials[n:]))


@pytest.mark.parametrize("name", INCOMPLETE)
def test_first_derivatives_in_shapes(name: str, numeric: None) -> None:
    """Given the parameter derivatives of the incomplete functions, those of the distributions follow."""
    p = np.array([*SHAPES[name][0], LOC, SCALE])
    for method in ("cdf", "sf", "logcdf", "logsf", "ppf", "isf"):
        x = Q if method in QUANTILES else points(name, *p)
        forward = jacfwd(lambda v, x=x, m=method: call(name, m, x, *v))(p)
        reverse = jacrev(lambda v, x=x, m=method: call(name, m, x, *v))(p)
        np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-12)
        for i in range(len(p)):
            theirs = sixth(
                lambda v, i=i, x=x, m=method: getattr(scipy.stats, name)(*at(p, i, v)).__getattribute__(m)(x), p[i]
            )
            np.testing.assert_allclose(forward[:, i], theirs, rtol=2e-6, atol=1e-7, err_msg=f"{method}, parameter {i}")


def at(p: Any, i: int, v: float) -> Any:
    return [v if k == i else u for k, u in enumerate(p)]


def sixth(f: Any, x: float, h: float = 2e-3) -> Any:
    return sum(w * (f(x + k * h) - f(x - k * h)) / h for k, w in {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}.items())


@pytest.mark.parametrize("name", INCOMPLETE)
def test_shape_derivatives_of_all_orders(name: str) -> None:
    """By the primitives' own parameter derivatives."""
    p = np.array([*SHAPES[name][0], LOC, SCALE])
    x = points(name, *p)
    try:
        second = hessian(lambda v: CONTINUOUS[name].cdf(x, *v).sum())(p)
    except NotDifferentiable as e:
        assert "has no derivative in its" in str(e)
        pytest.skip(f"until the incomplete gamma and beta functions have it: {e}")
    first = grad(lambda v: CONTINUOUS[name].cdf(x, *v).sum())
    for i in range(len(p)):
        theirs = sixth(lambda v, i=i: first(np.array(at(p, i, v))), p[i])
        np.testing.assert_allclose(second[i], theirs, rtol=1e-5, atol=1e-7)


JAX = ("beta cauchy chi2 expon gamma laplace logistic norm pareto t truncnorm uniform").split()  # noqa: SIM905


@pytest.mark.parametrize("name", JAX)
def test_against_jax(name: str) -> None:
    """Gradient and Hessian of the log density in the points and all parameters."""
    p = np.array([*SHAPES[name][0], LOC, SCALE])
    v = np.concatenate([points(name, *p), p])

    def total(density: Any, v: Any) -> Any:
        return density(v[: len(Q)], *[v[len(Q) + i] for i in range(len(p))]).sum()

    theirs = getattr(jax.scipy.stats, name).logpdf
    g, h = jax.jit(lambda v: (jax.grad(lambda v: total(theirs, v))(v), jax.hessian(lambda v: total(theirs, v))(v)))(v)
    np.testing.assert_allclose(grad(lambda v: total(CONTINUOUS[name].logpdf, v))(v), g, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(hessian(lambda v: total(CONTINUOUS[name].logpdf, v))(v), h, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_outside_the_support(name: str) -> None:
    """Density 0, log density -inf, cumulative 0 or 1: with zero derivatives in everything, to second order."""
    for shapes in SHAPES[name]:
        p = np.array([*[s for s in shapes if np.isfinite(s)], LOC, SCALE])
        rest = [s for s in shapes if not np.isfinite(s)]
        lo, hi = getattr(scipy.stats, name).support(*shapes, LOC, SCALE)
        for x in [e for e in (lo - 0.5, hi + 0.5) if np.isfinite(e)]:
            v = np.concatenate([[x], p])
            for method in ("pdf", "cdf", "sf", "logpdf"):

                def f(v: Any, method: str = method, n: int = len(shapes), rest: Any = rest) -> Any:
                    k = n - len(rest)
                    return getattr(CONTINUOUS[name], method)(v[0], *v[1 : 1 + k], *rest, *v[1 + k :])

                if name in INCOMPLETE and method in ("cdf", "sf"):
                    v = v[[0, -2, -1]]

                    def f(v: Any, method: str = method, shapes: Any = shapes) -> Any:
                        return getattr(CONTINUOUS[name], method)(v[0], *shapes, v[1], v[2])

                np.testing.assert_array_equal(grad(f)(v), 0, f"{name}.{method}")
                np.testing.assert_array_equal(hessian(f)(v), 0, f"{name}.{method}")
            assert CONTINUOUS[name].logpdf(x, *shapes, LOC, SCALE) == -np.inf


@pytest.mark.parametrize("name", CONTINUOUS)
def test_at_the_edges(name: str) -> None:
    """Derivatives at an edge are numbers, and 0 where the density is 0 or infinite by a power of the distance."""
    for shapes in SHAPES[name]:
        for x in getattr(scipy.stats, name).support(*shapes, LOC, SCALE):
            if not np.isfinite(x):
                continue
            for method in ("pdf", "logpdf"):
                g = grad(lambda x, m=method, s=shapes: getattr(CONTINUOUS[name], m)(x, *s, LOC, SCALE))(x)
                if np.isfinite(getattr(CONTINUOUS[name], method)(x, *shapes, LOC, SCALE)):
                    assert np.isfinite(g), f"{name}{shapes}.{method} at {x}: {g}"


@pytest.mark.parametrize("name", CONTINUOUS)
def test_invalid_parameters_are_nan(name: str) -> None:
    d = CONTINUOUS[name]
    shapes = SHAPES[name][0]
    for method in d.METHODS:
        if method == "rvs":
            with pytest.raises(ArgumentError, match="invalid parameters"):
                d.rvs(*shapes, 0.0, -1.0, random_state=np.random.default_rng(0))
            continue
        for scale in (0.0, -1.0):
            assert np.isnan(call(name, method, 0.5, *shapes, 0.0, scale))
    if shapes and name not in ("genextreme", "skewnorm"):
        bad = [9.0, 1.0] if name in ("truncnorm", "loguniform") else [-1.0] * len(shapes)
        assert np.isnan(d.logpdf(0.5, *bad))
        assert np.isnan(getattr(scipy.stats, name).logpdf(0.5, *bad))


def test_derivatives_beside_invalid_and_outside_elements() -> None:
    """One bad element leaves the others' derivatives alone."""
    x, scale = np.array([1.0, -3.0, 2.0]), np.array([1.0, 1.0, -1.0])
    g = jacrev(lambda s: stats.gamma.logpdf(x, 2.0, 0.0, s))(scale)
    np.testing.assert_allclose(g[0], [-1.0, 0, 0])
    np.testing.assert_array_equal(g[1], 0)


@pytest.mark.parametrize("a", [0.287, 1.4, 30.0, -0.287, -3.0])
@pytest.mark.parametrize("z", [-35.0, -22.8, -5.0, 0.4, 8.0, 35.0])
def test_tails_of_the_skew_normal(z: float, a: float) -> None:
    """Far in the thin tail ndtr(z) - 2 T(z, a) has no digits left, where SciPy integrates the density to 1e-8."""
    with mpmath.workdps(40):
        x, b = mpmath.mpf(z), mpmath.mpf(a)
        density = lambda t: 2 * mpmath.npdf(t) * mpmath.ncdf(b * t)
        away = 1 if z > 0 else -1
        relative = lambda u: density(x + away * u) / density(x)
        tail = density(x) * mpmath.quad(relative, [0, *(mpmath.mpf(2) ** k for k in range(-16, 7))])
        expected = mpmath.log1p(-tail) if z > 0 else mpmath.log(tail)
        below = mpmath.exp(expected)
        slope = density(x) / below
        by_a = -mpmath.exp(-x * x * (1 + b * b) / 2) / (mpmath.pi * (1 + b * b)) / below
    for value, derivatives in (
        (stats.skewnorm.logcdf(z, a), grad(stats.skewnorm.logcdf, argnums=(0, 1))(z, a)),
        (
            stats.skewnorm.logsf(-z, -a),
            [-g for g in grad(stats.skewnorm.logsf, argnums=(0, 1))(-z, -a)],
        ),
    ):
        # A probability by its logarithm has that one's rounding, relatively.
        rounding = 1e-15 * (10 + abs(float(mpmath.log(tail))))
        np.testing.assert_allclose(value, float(expected), rtol=rounding, atol=1e-300)
        np.testing.assert_allclose(derivatives, (float(slope), float(by_a)), rtol=rounding, atol=1e-300)


def test_where_scipy_is_off() -> None:
    with mpmath.workdps(40):
        c = mpmath.mpf(1e-6)
        var = (mpmath.gamma(1 + 2 * c) - mpmath.gamma(1 + c) ** 2) / c**2
        np.testing.assert_allclose(stats.genextreme.var(1e-6), float(var), rtol=1e-14)
        np.testing.assert_allclose(stats.genextreme.std(1e-6), float(mpmath.sqrt(var)), rtol=1e-14)

        for z in (0.5, 20.0, 5e5):
            hazard = (1 - c * z) ** (1 / c)
            expected = float(mpmath.log(-mpmath.expm1(-hazard))) if z < 1e3 else float(mpmath.log(hazard))
            np.testing.assert_allclose(stats.genextreme.logsf(z, 1e-6), expected, rtol=1e-12)

        edge, mass = mpmath.ncdf(-9), mpmath.ncdf(-5) - mpmath.ncdf(-9)
        for q in (1e-9, 0.01, 0.5, 0.999):
            z = mpmath.findroot(
                lambda z, q=q: (mpmath.ncdf(-z) - edge) / mass / q - 1, stats.truncnorm.isf(q, 5.0, 9.0)
            )
            np.testing.assert_allclose(stats.truncnorm.isf(q, 5.0, 9.0), float(z), rtol=1e-13)

        density = lambda z: mpmath.exp(-z * z / 2) / mpmath.sqrt(2 * mpmath.pi) / mass
        entropy = mpmath.quad(lambda z: -density(z) * mpmath.log(density(z)), [5, 5.5, 6, 7, 8, 9])
        np.testing.assert_allclose(stats.truncnorm.entropy(5.0, 9.0), float(entropy), rtol=1e-12)

        log_mass = mpmath.log(mpmath.ncdf(2))
        density = lambda z: mpmath.exp(-z * z / 2 - log_mass) / mpmath.sqrt(2 * mpmath.pi)
        entropy = mpmath.quad(lambda z: -density(z) * mpmath.log(density(z)), [-2, 0, 2, 5, 10, 15])
        np.testing.assert_allclose(stats.truncnorm.entropy(-2.0, np.inf), float(entropy), rtol=1e-14)

        weight = lambda s: mpmath.exp(40 * (mpmath.cos(s) - 1))
        total = 2 * mpmath.quad(weight, [0, 0.1, 0.3, 0.6, 1, 2, mpmath.pi])
        for x in (-0.75, -0.3, 0.2):
            p = float(mpmath.quad(weight, [-mpmath.pi, -2, -1.2, -0.8, x]) / total)
            np.testing.assert_allclose(stats.vonmises.cdf(x, 40.0), p, rtol=1e-9)
            np.testing.assert_allclose(stats.vonmises.logcdf(x, 40.0), np.log(p), rtol=1e-9)
            np.testing.assert_allclose(stats.vonmises.sf(-x, 40.0), p, rtol=1e-9)
            np.testing.assert_allclose(stats.vonmises.logsf(-x, 40.0), np.log(p), rtol=1e-9)


def _mp(f: Any, x: float) -> float:
    return float(mpmath.diff(f, mpmath.mpf(x)))


def test_tails() -> None:
    """Values and derivatives of the logarithms far out, against 50 digits."""
    with mpmath.workdps(50):
        log_tail = lambda z: mpmath.log(mpmath.ncdf(-z))
        for x in (5.0, 12.0, 37.0, 200.0):
            np.testing.assert_allclose(stats.norm.logsf(x), float(log_tail(mpmath.mpf(x))), rtol=1e-14)
            np.testing.assert_allclose(grad(stats.norm.logsf)(x), _mp(log_tail, x), rtol=1e-11)
            np.testing.assert_allclose(stats.norm.logcdf(x), float(mpmath.log1p(-mpmath.ncdf(-x))), rtol=1e-12)
        for x in (1e-12, 1e-3, 40.0, 500.0):
            log_cdf = lambda z: mpmath.log1p(-mpmath.exp(-z))
            np.testing.assert_allclose(stats.expon.logcdf(x), float(log_cdf(mpmath.mpf(x))), rtol=1e-13)
            np.testing.assert_allclose(grad(stats.expon.logcdf)(x), _mp(log_cdf, x), rtol=1e-12)

        def mass(z: Any, b: Any = 9) -> Any:
            return mpmath.ncdf(-z) - mpmath.ncdf(-mpmath.mpf(b))

        log_sf = lambda z: mpmath.log(mass(z) / mass(mpmath.mpf(5)))
        for x in (5.001, 6.0, 8.0, 8.99):
            np.testing.assert_allclose(stats.truncnorm.logsf(x, 5, 9), float(log_sf(mpmath.mpf(x))), rtol=1e-9)
            np.testing.assert_allclose(grad(lambda x: stats.truncnorm.logsf(x, 5, 9))(x), _mp(log_sf, x), rtol=1e-9)
    assert grad(stats.logistic.logpdf)(900.0) == -1.0
    assert grad(stats.laplace.logcdf)(-900.0) == 1.0
    assert stats.logistic.logsf(-900.0) == 0.0


FAR = (1e-8, 0.0, 30.0, -30.0, 1e3, -1e3, 1e6, -1e6)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_far_out_derivatives_are_numbers(name: str) -> None:
    """Where a value has underflown to 0 or -inf, too, and without a warning: to second order."""
    for x in FAR:
        for method in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf"):

            def f(x: Any, loc: Any, scale: Any, method: str = method) -> Any:
                return getattr(CONTINUOUS[name], method)(x, *SHAPES[name][0], loc, scale)

            if name == "vonmises" and abs(x) > np.pi:
                continue  # its cumulative distribution goes on along the line, beyond 0 and 1
            y = f(x, 0.0, 1.0)
            assert not np.isnan(y)
            first = [grad(f, k)(x, 0.0, 1.0) for k in range(3)]
            if method not in ("logcdf", "logsf") or y > -300:  # 1 / p^2 overflows before p is 0
                assert not np.isnan(grad(grad(f))(x, 0.0, 1.0))
            along = jvp(f, (x, 0.0, 1.0), (1.0, 0.5, 0.25))[1]
            assert np.isfinite([*first, along]).all(), f"{method} at {x}: {first}, {along}"
            np.testing.assert_allclose(along, first[0] + 0.5 * first[1] + 0.25 * first[2], rtol=1e-10)


def test_gumbel_tails() -> None:
    with mpmath.workdps(60):
        for z in (20.0, 31.0, 40.0, 100.0):
            expected = float(mpmath.log1p(-mpmath.exp(-mpmath.exp(-mpmath.mpf(z)))))
            np.testing.assert_allclose(stats.gumbel_r.logsf(z), expected, rtol=1e-14)
            np.testing.assert_allclose(stats.gumbel_l.logcdf(-z), expected, rtol=1e-14)
    assert stats.gumbel_r.logsf(1000.0) == -1000.0
    assert grad(stats.gumbel_r.logsf)(1000.0) == -1.0


def test_second_derivative_at_the_centre() -> None:
    assert grad(grad(stats.logistic.logpdf))(0.0) == -0.5
    assert grad(stats.laplace.cdf)(0.0) == 0.5
    np.testing.assert_allclose(
        grad(grad(lambda c: stats.genextreme.logpdf(0.7, c)))(0.0), _genextreme_at_zero(), rtol=1e-6
    )


def _genextreme_at_zero() -> float:
    def logpdf(c: Any) -> Any:
        h = mpmath.log1p(-c * mpmath.mpf("0.7")) / c
        return (1 - c) * h - mpmath.exp(h)

    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -8
        return float((logpdf(h) - 2 * (logpdf(h * h) + logpdf(-h * h)) / 2 + logpdf(-h)) / h**2)


def test_vonmises_cumulative_against_quadrature() -> None:
    for kappa in (0.0, 0.01, 1.0, 30.0, 1000.0):
        for x in (-3.0, -0.2, 0.05, 1.0, 3.1, 7.0):
            with mpmath.workdps(30):
                density = lambda s, k=kappa: mpmath.exp(k * (mpmath.cos(s) - 1))
                turns = round(x / (2 * np.pi))
                cuts = [0, 0.1, 0.5, 1, 2, mpmath.pi]
                total = 2 * mpmath.quad(density, cuts)
                end = mpmath.mpf(x) - 2 * mpmath.pi * turns
                parts = [c for c in cuts if c < abs(end)] + [abs(end)]
                part = mpmath.quad(density, parts) if end else 0
                expected = float(turns + 0.5 + mpmath.sign(end) * part / total)
            np.testing.assert_allclose(stats.vonmises.cdf(x, kappa), expected, rtol=1e-12, atol=1e-14)


def test_frozen_and_keywords() -> None:
    frozen = stats.norm(loc=1.0, scale=2.0)
    assert frozen.logpdf(0.5) == stats.norm.logpdf(0.5, 1.0, 2.0) == stats.norm.logpdf(0.5, scale=2.0, loc=1.0)
    assert frozen.mean() == 1.0
    g = grad(lambda s: stats.norm(0.0, s).logpdf(0.5))(2.0)
    assert g == grad(lambda s: stats.norm.logpdf(0.5, 0.0, s))(2.0)


def test_vmap_over_parameters() -> None:
    a = np.array([1.5, 2.5])
    ours = vmap(grad(lambda a: stats.gamma.logpdf(2.0, a)))(a)
    np.testing.assert_allclose(ours, [grad(lambda a: stats.gamma.logpdf(2.0, a))(v) for v in a])


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="needs the parameters a"):
        stats.gamma.pdf(1.0)
    with pytest.raises(ArgumentError, match="takes 2 parameters"):
        stats.norm.pdf(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(ArgumentError, match="'sigma' is unknown"):
        stats.norm.pdf(1.0, sigma=2.0)
    with pytest.raises(ArgumentError, match="'loc' is twice"):
        stats.norm.pdf(1.0, 2.0, loc=2.0)
    with pytest.raises(DtypeError, match="no order"):
        stats.norm.pdf(1j)
    with pytest.raises(NotDifferentiable, match="fit"):
        stats.norm.fit(np.ones(3))


def test_float32_and_integers_compute_as_scipy_does() -> None:
    x = np.array([0.5, 1.0], np.float32)
    assert stats.norm.pdf(x).dtype == np.float64 == scipy.stats.norm.pdf(x).dtype
    g = grad(lambda x: stats.norm.logpdf(x).sum())(x)
    assert g.dtype == np.float32
    np.testing.assert_allclose(g, -x)
    assert stats.norm.pdf(1) == scipy.stats.norm.pdf(1)


def test_nothing_is_imported_from_scipy_at_first() -> None:
    import subprocess
    import sys

    code = "import sys, dualad.scipy.stats; print('scipy' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )
