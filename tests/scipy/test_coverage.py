"""Every SciPy name that must be differentiable is one of ours, not SciPy's handed through."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from dualad import NotDifferentiable, UntrackedError, jacfwd

NAMES = {
    "special": """beta betainc betaln digamma erf erfc erfcinv erfinv expit gamma gammainc gammaincc gammaln gammasgn i0 i1 iv ive
        j0 j1 jn logit logsumexp multigammaln polygamma psi rgamma y0 y1 yn boxcox boxcox1p dawsn entr erfcx exp1 expi expn
        fresnel hyp1f1 i0e i1e kl_div log_ndtr log_softmax loggamma ndtr ndtri owens_t poch rel_entr sici softmax spence xlog1py
        xlogy
        zeta""",
    "linalg": """solve_triangular solve_banded solve_sylvester sqrtm lu expm lu_factor lu_solve cho_factor cho_solve expm_frechet
        eigh_tridiagonal polar toeplitz block_diag schur funm logm svd eig""",
    "signal": "convolve",
    "integrate": "odeint",
    "stats": "norm beta gamma chi2 t poisson dirichlet multivariate_normal",
}


@pytest.mark.parametrize("module", NAMES)
def test_names(module: str) -> None:
    ours = vars(importlib.import_module(f"dualad.scipy.{module}"))
    missing = [n for n in NAMES[module].split() if n not in ours]
    assert not missing


def test_thirty_distributions() -> None:
    import dualad.scipy.stats as stats
    from tests.scipy.stats_table import CONTINUOUS

    others = [n for n, d in vars(stats).items() if hasattr(d, "rvs") and n not in CONTINUOUS]
    assert len(CONTINUOUS) + len(others) >= 30


@pytest.mark.parametrize(
    ("module", "name", "args"),
    [
        ("linalg", "hessenberg", (np.eye(3),)),
        ("special", "mathieu_a", (1.0, np.ones(2))),
        ("signal", "sosfilt", (np.ones((1, 6)), np.ones(3))),
        ("integrate", "quad_vec", (np.sin, 0.0, 1.0)),
        ("interpolate", "griddata", (np.eye(3)[:, :2], np.ones(3), np.full((1, 2), 0.2))),
        ("stats", "zscore", (np.arange(3.0),)),
        ("stats", "skew", (np.arange(3.0),)),
    ],
)
def test_other_names_are_scipys_on_arrays_and_say_so_on_tensors(module: str, name: str, args: Any) -> None:
    ours = getattr(importlib.import_module(f"dualad.scipy.{module}"), name)
    theirs = getattr(importlib.import_module(f"scipy.{module}"), name)
    for a, b in zip(np.atleast_1d(ours(*args)), np.atleast_1d(theirs(*args)), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(NotDifferentiable, match=rf"scipy\.{module}\.{name} has no .*custom_jvp.*stop_gradient"):
        jacfwd(lambda x: ours(*args[:-1], x))(args[-1])


def test_what_distributions_do_not_have() -> None:
    from dualad.scipy import stats

    x = np.ones(2)
    for call in (
        lambda x: stats.multivariate_t.cdf(x),
        lambda x: stats.norm.expect(loc=x),
        lambda x: stats.wishart.mode(x),
    ):
        with pytest.raises(NotDifferentiable, match=r"has no method .*scipy\.stats\..*custom_jvp"):
            jacfwd(call)(x)
    with pytest.raises(UntrackedError):
        jacfwd(lambda x: stats.weibull_max.logpdf(-x, 2.0))(x)
    frozen = jacfwd(lambda m: stats.multivariate_normal(m, np.eye(2)).logpdf(x))(0 * x)
    np.testing.assert_allclose(frozen, x)
    drawn = stats.dirichlet(np.ones(3)).rvs(size=2, random_state=np.random.default_rng(0))
    np.testing.assert_allclose(drawn.sum(axis=1), 1)


def test_the_support_table_has_a_row_for_each_name() -> None:
    """A family of tests that no longer says what it checks would vanish from the page."""
    from tests.conftest import PAGE
    from tests.numpy.test_coverage import NAMES as NUMPY_NAMES

    page = PAGE.read_text()
    names = [f"scipy.{module}.{n}" for module, all_names in NAMES.items() for n in all_names.split()]
    missing = [n for n in [*names, *NUMPY_NAMES] if f"| `{n}`" not in page and f"| `{n}." not in page]
    assert not missing
