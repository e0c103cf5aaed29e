"""Every SciPy name that must be differentiable is one of ours, not SciPy's handed through."""

from __future__ import annotations

import importlib

import pytest

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


def test_the_support_table_has_a_row_for_each_name() -> None:
    """A family of tests that no longer says what it checks would vanish from the page."""
    from tests.conftest import PAGE
    from tests.numpy.test_coverage import NAMES as NUMPY_NAMES

    page = PAGE.read_text()
    names = [f"scipy.{module}.{n}" for module, all_names in NAMES.items() for n in all_names.split()]
    missing = [n for n in [*names, *NUMPY_NAMES] if f"| `{n}`" not in page and f"| `{n}." not in page]
    assert not missing
