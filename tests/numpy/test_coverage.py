"""Every NumPy name that must be differentiable is there, and has a case that the harness checks."""

from __future__ import annotations

import importlib
import pathlib
import pkgutil
from typing import Any

import pytest

import dualad.numpy
from dualad.core.primitive import NUMPY, REGISTRY

NAMES = """
abs absolute acos acosh add amax amin angle append arccos arccosh arcsin arcsinh arctan arctan2 arctanh array
array_split asin asinh astype atan atan2 atanh atleast_1d atleast_2d atleast_3d broadcast_to c_ clip column_stack
concatenate conj conjugate cos cosh cross cumsum deg2rad degrees diag diagonal diff divide dot dsplit einsum exp exp2
expand_dims expm1 fabs fliplr flipud fmax fmin full gradient hsplit hstack hypot imag inner kron linspace log log10
log1p log2 logaddexp logaddexp2 matmul max maximum mean min minimum mod moveaxis multiply nan_to_num negative outer
pad partition permute_dims pow power prod r_ rad2deg radians ravel real real_if_close reciprocal remainder repeat
reshape roll rollaxis rot90 select sin sinc sinh sort split sqrt square squeeze stack std subtract sum swapaxes tan
tanh tensordot tile trace transpose tril triu true_divide var vsplit vstack where linalg.cholesky linalg.det
linalg.eig linalg.eigh linalg.inv linalg.multi_dot linalg.norm linalg.pinv linalg.slogdet linalg.solve linalg.svd
fft.fft fft.fft2 fft.fftn fft.fftshift fft.ifft fft.ifft2 fft.ifftn fft.ifftshift fft.rfft fft.rfft2 fft.rfftn
fft.irfft fft.irfft2 fft.irfftn
apply_along_axis apply_over_axes average bincount block broadcast_arrays cbrt choose compress concat convolve copysign
corrcoef correlate cov cumprod cumulative_prod cumulative_sum delete diagflat divmod dstack ediff1d extract flip
float_power fmod frexp geomspace histogram i0 insert interp ldexp logspace matrix_transpose matvec median meshgrid modf
nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar percentile
piecewise polyadd polyder polydiv polyfit polyint polymul polysub polyval positive ptp quantile resize roots take
take_along_axis trapezoid unstack unwrap vander vdot vecdot vecmat vectorize linalg.cond linalg.eigvals linalg.eigvalsh
linalg.lstsq linalg.matrix_norm linalg.matrix_power linalg.outer linalg.qr linalg.svdvals linalg.tensorinv
linalg.tensorsolve linalg.vecdot linalg.vector_norm fft.hfft fft.ihfft histogram2d histogramdd histogram_bin_edges unique
kaiser poly lexsort sort_complex isin
""".split()  # noqa: SIM905


def find(name: str) -> Any:
    thing: Any = dualad.numpy
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


def cased() -> set[Any]:
    """What the CASES of this folder's test modules check, and the primitives (tests/test_every_primitive.py)."""
    out: set[Any] = {id(p) for p in REGISTRY.values()} | {id(NUMPY[f]) for f in NUMPY if NUMPY[f] in REGISTRY.values()}
    for m in pkgutil.iter_modules([str(pathlib.Path(__file__).parent)]):
        if m.name != "test_coverage":
            module = importlib.import_module(f"tests.numpy.{m.name}")
            for name in getattr(module, "CASES", {}):
                try:
                    out.add(id(find(name)))
                except AttributeError:
                    continue
    return out


CASED = cased()


@pytest.mark.parametrize("name", NAMES)
def test_is_there_and_checked(name: str) -> None:
    assert id(find(name)) in CASED, f"no case for {name} in tests/numpy"
