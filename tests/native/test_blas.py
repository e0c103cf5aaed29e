"""BLAS functions are found without all of SciPy's linear algebra, which can be imported afterwards all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, numpy as np
from dualad import jit
x = np.arange(400.0).reshape(20, 20)
f = jit(lambda x: x @ x.T)
assert np.allclose(f(x), x @ x.T) and "BLAS" in f.explain(), f.explain()
y = x + 1000 * np.eye(20)
g = jit(lambda y: np.linalg.inv(y) * 2)
assert np.allclose(g(y), np.linalg.inv(y) * 2) and "LAPACK" in g.explain(), g.explain()
{look}
import scipy.linalg, scipy.linalg.cython_blas as table
from dualad.native.blas import _table
assert scipy.linalg.cython_blas is table is sys.modules["scipy.linalg.cython_blas"]
assert dict(table.__pyx_capi__).keys() == _table("cython_blas").keys()
assert np.allclose(scipy.linalg.solve(x + np.eye(20), x), np.linalg.solve(x + np.eye(20), x))
assert np.allclose(jit(lambda x: x @ x)(x), x @ x)
assert np.allclose(jit(np.linalg.inv)(y), np.linalg.inv(y))
import scipy.linalg.cython_lapack as lapack
assert lapack is sys.modules["scipy.linalg.cython_lapack"] and scipy.linalg.cython_lapack is lapack
"""


@pytest.mark.parametrize("before", ["", "import scipy.linalg"])
def test_blas_is_found_without_importing_all_of_it(before: str) -> None:
    look = "" if before else "assert 'scipy.linalg' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", before + PROGRAM.format(look=look)], check=True)
