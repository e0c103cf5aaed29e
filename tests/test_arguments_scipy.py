"""Drawn arguments for special functions, filters, splines, integrals, and for the distributions and their variates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import dualad.scipy.stats
from tests.drawing import COMMON, Call, Draw, Rules, calls, check, find
from tests.drawing import register as register_in
from tests.scipy.stats_table import CONTINUOUS

SPECIAL: dict[str, Any] = {}
SIGNAL: dict[str, Any] = {}
STATS: dict[str, Any] = {}
RULES: dict[str, Rules] = {}

# Special functions ----------------------------------------------------------------------------


def special(names: str, *ranges: Any, rules: Rules | None = None) -> None:
    """Arguments from the ranges, of shapes that mostly broadcast; ``int`` stands for a small order."""

    def make(d: Draw) -> Call:
        shape = d.shape()
        kind = np.float64 if d.whole(0, 4) else np.float32
        args = []
        for r in ranges:
            own = d.one(shape, shape, (), shape[-1:], (1,) * len(shape))
            own = d.shape() if d.whole(0, 19) == 0 else own
            if r is int:
                args.append(d.rng.integers(0, 4, own)[()])
            elif d.whole(0, 19) == 0:
                args.append(float(d.rng.uniform(*r)))
            else:
                args.append(d.numbers(own, *r, dtype=kind))
        return tuple(args), {}

    for name in names.split():
        register_in(SPECIAL, f"scipy.special.{name}", make)
        RULES[f"scipy.special.{name}"] = replace(rules or Rules(), weak=True)


special("erf erfc erfcx dawsn expit ndtr log_ndtr i0 i1 i0e i1e j0 j1 log_expit", (-4, 4))
special("expm1 exp2 exp10 log1p cbrt cosm1 sinc", (0.1, 2))
special("erfinv", (-0.95, 0.95))
special("erfcinv", (0.05, 1.95))
special("logit ndtri", (0.05, 0.95))
special("gamma loggamma gammaln digamma psi rgamma k0 k1 k0e k1e y0 y1 exp1 expi entr spence", (0.2, 6))
special("gamma gammaln digamma psi rgamma gammasgn", (-3.9, 6))
special("beta betaln poch kl_div rel_entr", (0.3, 5), (0.3, 5))
special("binom", (2, 8), (0.3, 1.9))
special("xlogy", (-2, 2), (0.2, 3))
special("xlog1py", (-2, 2), (-0.8, 3))
special("gammainc gammaincc", (0.2, 8), (0.05, 10), rules=Rules(rtol=1e-8))
special("gammaincinv gammainccinv", (0.4, 8), (0.05, 0.95), rules=Rules(rtol=1e-8))
special("betainc betaincc betaincinv", (0.4, 5), (0.4, 5), (0.05, 0.95), rules=Rules(rtol=1e-8))
special("polygamma", int, (0.3, 6))
special("expn", int, (0.2, 5))
special("zeta", (1.2, 6), (0.3, 5))
special("jv yv iv ive kv kve", (-2.5, 3.5), (0.3, 8), rules=Rules(rtol=1e-8))
special("jn yn", int, (0.3, 8))
special("owens_t", (-2, 2), (-2, 2))
special("hyp1f1", (-2, 3), (0.5, 4), (-3, 3))
special("hyp2f1", (-2, 3), (-2, 3), (0.5, 4), (-3, 0.8), rules=Rules(rtol=1e-8))
special("stdtr", (0.7, 9), (-3, 3), rules=Rules(rtol=1e-8))
special("stdtrit", (0.7, 9), (0.05, 0.95), rules=Rules(rtol=1e-8))
special("boxcox", (0.2, 4), (-2, 2))
special("boxcox1p", (-0.5, 3), (-2, 2))
special("inv_boxcox inv_boxcox1p", (0.1, 0.8), (0.1, 1))
special("fresnel", (-3, 3))
special("sici", (0.2, 6))
special("multigammaln", (1.3, 5))
register_in(SPECIAL, "scipy.special.multigammaln", lambda d: ((d.array(0, 1.3, 5), d.whole(1, 3)), {}))


def summed(d: Draw) -> Call:
    x = d.numbers(d.one((3,), (2, 3), (2, 1, 3), (1,)))
    more = d.some(keepdims=(True, False), b=(d.numbers(x.shape, 0.1, 2),))
    return (x,), {"axis": d.axis(x), **more}


register_in(SPECIAL, "scipy.special.logsumexp", summed)
for _name in ("softmax", "log_softmax"):
    register_in(SPECIAL, f"scipy.special.{_name}", lambda d: (lambda x: ((x,), {"axis": d.axis(x)}))(d.array()))

# Filters, samples and splines ------------------------------------------------------------------


def signals(d: Draw) -> Call:
    rank = d.whole(1, 3)
    size = lambda: tuple(d.whole(1, 4) for _ in range(rank))
    x, v = d.numbers(size()), d.numbers(size())
    if d.whole(0, 4) == 0:
        x = x + 1j * x[::-1]
    return (x, v), {**d.some(mode=("full", "same", "valid"), method=("direct", "fft", "auto"))}


for _name in ("convolve", "correlate"):
    register_in(SIGNAL, f"scipy.signal.{_name}", signals)
for _name in ("fftconvolve", "oaconvolve"):
    register_in(
        SIGNAL,
        f"scipy.signal.{_name}",
        lambda d: (signals(d)[0], d.some(mode=("full", "same", "valid"), axes=(0, -1, [0]))),
    )
for _name in ("convolve2d", "correlate2d"):
    register_in(
        SIGNAL,
        f"scipy.signal.{_name}",
        lambda d: (
            (d.numbers((d.whole(2, 4), d.whole(2, 4))), d.numbers((d.whole(1, 3), d.whole(1, 3)))),
            d.some(mode=("full", "same", "valid"), boundary=("fill", "wrap", "symm"), fillvalue=(0, 0.5)),
        ),
    )


def filtered(d: Draw) -> Call:
    x = d.numbers(d.one((3,), (2, 3), (1, 4), (2, 1, 3)))
    b, a = d.numbers((d.whole(2, 3),)), np.concatenate([[1.5], d.rng.uniform(-0.4, 0.4, d.whole(0, 2))])
    return (b, a, x), {"axis": d.axis(x, False, False)}


register_in(SIGNAL, "scipy.signal.lfilter", filtered)
register_in(SIGNAL, "scipy.signal.lfilter_zi", lambda d: (filtered(d)[0][:2], {}))
register_in(
    SIGNAL,
    "scipy.signal.filtfilt",
    lambda d: (
        (*filtered(d)[0][:2], d.numbers(d.one((12,), (2, 11)))),
        d.some(padtype=("odd", "even", "constant", None), padlen=(3, 0)),
    ),
)


def smoothed(d: Draw) -> Call:
    order = d.whole(0, 3)
    mode = d.one("interp", "mirror", "constant", "nearest", "wrap")
    x = d.numbers(d.one((9,), (2, 8), (8, 2)))
    return (x, d.one(3, 4, 5, 6, 7), order), {
        "axis": d.axis(x, False, False),
        "mode": mode,
        **d.some(deriv=(0, 1, 2), delta=(0.5,), cval=(0.3,)),
    }


register_in(SIGNAL, "scipy.signal.savgol_filter", smoothed)


def places(d: Draw, n: int) -> Any:
    return np.cumsum(d.rng.uniform(0.3, 1, n))


def sampled(d: Draw) -> Call:
    y = d.array(1)
    axis = d.axis(y, False, False)
    n = y.shape[axis] if -y.ndim <= axis < y.ndim else 2
    x = d.one({}, {"dx": 0.5}, {"x": places(d, n)})
    return (y,), {"axis": axis, **x}


RULES["scipy.integrate.simpson"] = Rules(weak=True)  # of an even number of values SciPy makes double of single
for _name in ("cumulative_trapezoid", "simpson", "trapezoid"):
    register_in(SIGNAL, f"scipy.integrate.{_name}", sampled)
register_in(
    SIGNAL,
    "scipy.integrate.cumulative_trapezoid",
    lambda d: (lambda c: (c[0], {**c[1], **d.some(initial=(0, None))}))(sampled(d)),
)


SHAPE_RANGES: dict[str, Any] = {
    "beta": ((0.6, 5), (0.6, 5)),
    "chi2": ((0.8, 9),),
    "f": ((1.2, 8), (4.5, 9)),
    "gamma": ((0.5, 9),),
    "genextreme": ((-0.4, 0.4),),
    "invgamma": ((2.2, 6),),
    "lognorm": ((0.3, 1.5),),
    "loguniform": ((0.2, 1), (2, 4)),
    "pareto": ((2.2, 5),),
    "skewnorm": ((-3, 3),),
    "t": ((2.3, 20),),
    "triang": ((0.1, 0.9),),
    "truncnorm": ((-3, 0.2), (0.5, 3)),
    "vonmises": ((0.3, 6),),
    "weibull_min": ((0.6, 4),),
}


# These have none here, and say so.
REFUSED = {("skewnorm", "entropy"), ("vonmises", "mean"), ("vonmises", "var"), ("vonmises", "std")}


def parameters(d: Draw, name: str) -> tuple[list[Any], dict[str, Any], Any]:
    """Shapes, loc and scale as keywords or not at all, and the shape they were drawn for."""
    shape = d.shape()
    own = lambda: d.one(shape, (), (), shape[-1:])
    shapes = [d.numbers(own(), *r, dtype=np.float64) for r in SHAPE_RANGES.get(name, ())]
    keywords = {}
    if d.whole(0, 2):
        keywords["loc"] = d.numbers(own(), -1, 1, dtype=np.float64)
    if d.whole(0, 2):
        keywords["scale"] = d.numbers(own(), 0.5, 2, dtype=np.float64)
    return shapes, keywords, shape


def density(name: str, method: str) -> Any:
    def make(d: Draw) -> Call:
        import scipy.stats

        shapes, keywords, shape = parameters(d, name)
        q = d.numbers(d.one(shape, (), shape[-1:]), 0.03, 0.97, dtype=np.float64)
        if method in ("ppf", "isf"):
            return (q, *shapes), keywords
        x = getattr(scipy.stats, name).ppf(q, *shapes, **keywords)
        outside = d.whole(0, 9) == 0
        return (np.asarray(x - 40.0 * outside)[()], *shapes), keywords

    return make


for _name in CONTINUOUS:
    for _method in ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf"):
        register_in(STATS, f"scipy.stats.{_name}.{_method}", density(_name, _method))
        RULES[f"scipy.stats.{_name}.{_method}"] = Rules(rtol=1e-7, atol=1e-9)
    for _method in ("mean", "var", "std", "entropy"):
        if (_name, _method) not in REFUSED:
            register_in(
                STATS,
                f"scipy.stats.{_name}.{_method}",
                lambda d, n=_name: (lambda s, k, _: (tuple(s), k))(*parameters(d, n)),
            )
            RULES[f"scipy.stats.{_name}.{_method}"] = Rules(rtol=1e-7, atol=1e-9)


# SciPy's logarithm is -inf where the probability underflows.
for _method in ("logcdf", "logsf"):
    RULES[f"scipy.stats.skewnorm.{_method}"] = Rules(rtol=1e-7, atol=1e-9, after=lambda y: np.maximum(y, -650.0))


def variates(name: str) -> Any:
    def make(d: Draw) -> Call:
        shapes, keywords, shape = parameters(d, name)
        size = d.one(None, shape, 3, (2, *shape), (2, 3))
        return tuple(shapes), {**keywords, "size": size, "random_state": d.whole(0, 99)}

    return make


for _name in CONTINUOUS:
    # The numbers drawn move by rejection where the parameters do: differences judge only those by inversion.
    register_in(STATS, f"scipy.stats.{_name}.rvs", variates(_name))
    RULES[f"scipy.stats.{_name}.rvs"] = Rules(differences=False, vmap=False)

DISCRETE: dict[str, Any] = {
    "bernoulli": (lambda d, s: [d.numbers(s, 0.1, 0.9, dtype=np.float64)], (0, 2)),
    "binom": (lambda d, s: [d.whole(1, 6), d.numbers(s, 0.1, 0.9, dtype=np.float64)], (0, 7)),
    "geom": (lambda d, s: [d.numbers(s, 0.1, 0.9, dtype=np.float64)], (0, 6)),
    "nbinom": (
        lambda d, s: [d.numbers(s, 0.5, 5, dtype=np.float64), d.numbers((), 0.1, 0.9, dtype=np.float64)],
        (0, 6),
    ),
    "poisson": (lambda d, s: [d.numbers(s, 0.2, 6, dtype=np.float64)], (0, 8)),
    "betabinom": (
        lambda d, s: [d.whole(1, 6), d.numbers(s, 0.5, 4, dtype=np.float64), d.numbers((), 0.5, 4, dtype=np.float64)],
        (0, 7),
    ),
}


def counted(name: str, method: str) -> Any:
    def make(d: Draw) -> Call:
        of, (low, high) = DISCRETE[name]
        shape = d.shape()
        shapes = of(d, d.one(shape, ()))
        keywords = {"loc": 1} if d.whole(0, 3) == 0 else {}
        if method in ("mean", "var", "std"):
            return tuple(shapes), keywords
        k = d.rng.integers(low, high, d.one(shape, (), shape[-1:]))[()]
        return (k, *shapes), keywords

    return make


for _name in DISCRETE:
    for _method in ("pmf", "logpmf", "mean", "var", "std", *("cdf", "logcdf", "sf", "logsf") * (_name != "betabinom")):
        register_in(STATS, f"scipy.stats.{_name}.{_method}", counted(_name, _method))
        RULES[f"scipy.stats.{_name}.{_method}"] = Rules(rtol=1e-7, atol=1e-9)


def elliptical(d: Draw) -> Call:
    n = d.whole(1, 3)
    a = d.rng.normal(size=(n, n))
    cov = d.one(a @ a.T + np.eye(n), a @ a.T + np.eye(n), d.numbers((n,), 0.5, 2, dtype=np.float64))
    return (d.numbers((*d.one((), (4,), (2, 3)), n), dtype=np.float64), d.numbers((n,), dtype=np.float64), cov), {}


for _method in ("pdf", "logpdf"):
    register_in(STATS, f"scipy.stats.multivariate_normal.{_method}", elliptical)
    RULES[f"scipy.stats.multivariate_normal.{_method}"] = Rules(symmetric=(2,))
    register_in(
        STATS,
        f"scipy.stats.multivariate_t.{_method}",
        lambda d: (
            lambda c: (
                (
                    *c[0][:2],
                    c[0][2] if c[0][2].ndim == 2 else np.diag(c[0][2]),
                    d.numbers((), 1.5, 9, dtype=np.float64),
                ),
                {},
            )
        )(elliptical(d)),
    )
    RULES[f"scipy.stats.multivariate_t.{_method}"] = Rules(symmetric=(2,))
    register_in(
        STATS,
        f"scipy.stats.dirichlet.{_method}",
        lambda d: ((d.rng.dirichlet(np.ones(3)), d.numbers((3,), 0.5, 4, dtype=np.float64)), {}),
    )
    RULES[f"scipy.stats.dirichlet.{_method}"] = Rules(fixed=(0,))
for _method in ("mean", "var", "entropy"):
    register_in(STATS, f"scipy.stats.dirichlet.{_method}", lambda d: ((d.numbers((3,), 0.5, 4, dtype=np.float64),), {}))


def drawn(call: Any) -> None:
    check(call, RULES.get(call[0]), dispatch=False)


TABLE = {**SPECIAL, **SIGNAL, **STATS}


def DISPATCH_OF(name: str) -> bool:
    return False


@settings(max_examples=120, derandomize=True, **COMMON)
@given(calls(SPECIAL))
def test_special_functions(call: Any) -> None:
    drawn(call)


@settings(max_examples=60, derandomize=True, **COMMON)
@given(calls(SIGNAL))
def test_signals_and_samples(call: Any) -> None:
    drawn(call)


@settings(max_examples=120, derandomize=True, **COMMON)
@given(calls(STATS))
def test_distributions(call: Any) -> None:
    drawn(call)


@pytest.mark.nightly
@settings(max_examples=20_000, **COMMON)
@given(calls(SPECIAL))
def test_special_functions_nightly(call: Any) -> None:
    drawn(call)


@pytest.mark.nightly
@settings(max_examples=20_000, **COMMON)
@given(calls(SIGNAL))
def test_signals_and_samples_nightly(call: Any) -> None:
    drawn(call)


@pytest.mark.nightly
@settings(max_examples=20_000, **COMMON)
@given(calls(STATS))
def test_distributions_nightly(call: Any) -> None:
    drawn(call)


def test_the_tables_name_functions() -> None:
    assert len(TABLE) > 400
    for name in TABLE:
        if name.startswith("scipy.stats"):
            _, _, law, method = name.split(".")
            assert callable(getattr(getattr(dualad.scipy.stats, law), method))
        else:
            assert all(map(callable, find(name)))
