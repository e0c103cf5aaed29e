"""One call of one function of dualad.numpy with drawn arguments: shapes, strides, dtypes, axes and keywords."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.drawing import COMMON, SHAPES, Call, Draw, Rules, calls, check, find
from tests.drawing import register as register_in

TABLE: dict[str, Any] = {}


def register(names: str, make: Any) -> None:
    register_in(TABLE, names, make)


def unary(lo: float, hi: float) -> Any:
    return lambda d: ((d.array(0, lo, hi),), d.some(where=(True,)))


def binary(lo: float, hi: float) -> Any:
    return lambda d: (d.pair(lo, hi), d.some(where=(True,)))


register(
    "abs absolute arctan arcsinh atan asinh cbrt conj conjugate cos cosh deg2rad degrees exp exp2 expm1 fabs negative "
    "positive rad2deg radians sin sinh square tan tanh sign floor ceil trunc rint isnan isfinite signbit logical_not",
    unary(-2, 2),
)
register("sinc nan_to_num real imag angle i0 real_if_close fix", lambda d: ((d.array(),), {}))
register("arcsin arccos arctanh asin acos atanh", unary(-0.9, 0.9))
register("log log2 log10 log1p sqrt reciprocal arccosh acosh", unary(1.1, 3))
register(
    "add subtract multiply maximum minimum fmax fmin logaddexp logaddexp2 hypot arctan2 copysign heaviside",
    binary(-2, 2),
)
register("equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor", binary(-2, 2))
register("divide true_divide power float_power floor_divide remainder mod fmod divmod atan2 pow", binary(0.3, 2))
register("nextafter", binary(0.3, 2))


def reduction(**keywords: Any) -> Any:
    def make(d: Draw) -> Call:
        x = d.array()
        return (x,), {"axis": d.axis(x), **d.some(keepdims=(True, False), **keywords)}

    return make


register("sum prod", reduction(initial=(0.5, 2), where=(True,), dtype=(np.float64, np.float32)))
register("max min amax amin", reduction(initial=(0.25,)))
register("mean", reduction(dtype=(np.float64,)))
register("std var nanstd nanvar", reduction(ddof=(0, 1), correction=(0, 1)))
register("nansum nanprod nanmean nanmax nanmin ptp median nanmedian any all count_nonzero", reduction())
register("average", lambda d: (lambda x: ((x,), {"axis": d.axis(x)}))(d.numbers(d.one((), (3,), (2, 3), (2, 1, 3)))))


def single_axis(**keywords: Any) -> Any:
    def make(d: Draw) -> Call:
        x = d.array()
        return (x,), {"axis": d.axis(x, tuples=False), **d.some(**keywords)}

    return make


register("cumsum cumprod nancumsum nancumprod", single_axis(dtype=(np.float64,)))
register("cumulative_sum cumulative_prod", single_axis(include_initial=(True, False)))
register("argmax argmin nanargmax nanargmin", single_axis(keepdims=(True, False)))
register("sort argsort", single_axis(stable=(True,)))
register("squeeze flip", lambda d: (lambda x: ((x,), {"axis": d.axis(x)}))(d.array()))
register("diff", lambda d: (lambda x: ((x,), {"axis": d.axis(x, False, False), "n": d.whole(0, 3)}))(d.array()))
register(
    "trapezoid",
    lambda d: (lambda x: ((x,), {"axis": d.axis(x, False, False), "dx": d.one(0.5, 2)}))(d.array()),
)
register("gradient", lambda d: (lambda x: ((x, *d.one((), (0.5,))), {"edge_order": d.one(1, 1, 2)}))(d.array(1)))


def quantiles(d: Draw) -> Call:
    x = d.numbers(d.one(*[s for s in SHAPES if 0 not in s]))  # of nothing NumPy's shapes are accidental
    q = d.one(0.3, 0.5, [0.2, 0.85])
    method = d.one("linear", "linear", "lower", "higher", "hazen", "weibull", "median_unbiased", "nearest", "midpoint")
    return (x, q), {"axis": d.axis(x), "method": method, **d.some(keepdims=(True, False))}


register("quantile nanquantile percentile nanpercentile", quantiles)


def partitions(d: Draw) -> Call:
    x = d.array(1)
    axis = d.axis(x, False, False)
    return (x, d.whole(0, 1)), {"axis": axis}


# Which elements stand in front of kth is not fixed: only the one at its place.
register("argpartition", partitions)

# Shapes ---------------------------------------------------------------------------------------


def reshaped(d: Draw) -> Call:
    x = d.array()
    return (x, d.one(-1, (x.size,), (1, -1), (-1, 1), (2, -1), (3, 2), x.shape[::-1])), d.some(order=("C", "F"))


register("reshape", reshaped)
register("ravel", lambda d: ((d.array(),), d.some(order=("C",))))
register("transpose", lambda d: (lambda x: ((x, d.one(None, tuple(range(x.ndim))[::-1], (0,))), {}))(d.array()))
register("swapaxes", lambda d: (lambda x: ((x, d.whole(-1, 1), d.whole(-2, 1)), {}))(d.array()))
register("moveaxis rollaxis", lambda d: (lambda x: ((x, d.whole(-1, 1), d.whole(0, 2)), {}))(d.array()))
register("expand_dims", lambda d: (lambda x: ((x, d.one(0, -1, 1, (0, 2), (-1, 0))), {}))(d.array()))
register("roll", lambda d: (lambda x: ((x, d.one(0, 1, -2, 7)), {"axis": d.axis(x, True, False)}))(d.array()))
register("rot90", lambda d: ((d.array(2), d.whole(-2, 5)), {}))
register("fliplr flipud", lambda d: ((d.array(1),), {}))
register("tile", lambda d: ((d.array(), d.one(2, (2,), (1, 2), (0, 1), (2, 1, 2))), {}))
register("repeat", lambda d: (lambda x: ((x, d.whole(0, 3)), {"axis": d.axis(x, True, False)}))(d.array()))
register("broadcast_to", lambda d: (lambda x: ((x, d.one(x.shape, (2, *x.shape), (2, 2, 3), (4, 3))), {}))(d.array()))
register("atleast_1d atleast_2d atleast_3d", lambda d: ((d.array(),), {}))
register("diag tril triu diagflat", lambda d: ((d.array(d.one(1, 2)), d.whole(-2, 2)), {}))
register("diagonal trace", lambda d: ((d.array(2), d.whole(-2, 2)), {}))
register("matrix_transpose", lambda d: ((d.array(2),), {}))


def joined(d: Draw) -> Call:
    x = d.array(1)
    return ([x, d.numbers(x.shape), d.numbers(d.one(x.shape, d.shape()))],), {"axis": d.axis(x, False, False)}


register("concatenate stack concat", joined)
register("hstack vstack dstack column_stack", lambda d: (joined(d)[0], {}))
register("append", lambda d: (lambda a, k: ((a[0][0], a[0][1]), k))(*joined(d)))
register(
    "split array_split",
    lambda d: (lambda x: ((x, d.one(1, 2, 3, [1], [1, 2])), {"axis": d.axis(x, False, False)}))(d.array(1)),
)
register("unstack", lambda d: (lambda x: ((x,), {"axis": d.axis(x, False, False)}))(d.array(1)))


def padded(d: Draw) -> Call:
    x = d.array(1)
    mode = d.one("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean", "maximum", "median")
    width = d.one(1, (2, 1), 0, ((1, 2),) * x.ndim)
    return (x, width), {"mode": mode}


register("pad", padded)

# Indexing -------------------------------------------------------------------------------------


def taken(d: Draw) -> Call:
    x = d.array()
    i = d.one(0, -1, np.array([0, -1]), np.array([[0, 1], [1, 0]]), [0, 5], np.empty(0, int))
    return (x, i), {"axis": d.axis(x, True, False), **d.some(mode=("wrap", "clip"))}


register("take", taken)
register(
    "delete",
    lambda d: (lambda x: ((x, d.one(0, -1, [0, 1], slice(0, 1))), {"axis": d.axis(x, True, False)}))(d.array(1)),
)
register(
    "insert",
    lambda d: (lambda x: ((x, d.one(0, 1, [0, 1]), d.one(0.5, 2.0)), {"axis": d.axis(x, True, False)}))(d.array(1)),
)
register(
    "compress",
    lambda d: (lambda x: (([True, False, True][: d.whole(1, 3)], x), {"axis": d.axis(x, True, False)}))(d.array(1)),
)


def chosen(d: Draw) -> Call:
    x, y = d.pair()
    return (d.rng.random(np.shape(x)) > 0.5, x, y), {}


register("where", chosen)
register("clip", lambda d: ((d.array(), d.one(-0.5, None), d.one(0.7, None)), {}))
register("round around", lambda d: ((d.array(), d.whole(-1, 2)), {}))
register("select", lambda d: (lambda x: (([x > 0.3, x > -0.4], [x, x * 2]), d.some(default=(0.5,))))(d.array()))

# Products -------------------------------------------------------------------------------------


def product(d: Draw) -> Call:
    a = d.one((), (3,), (2, 3), (2, 2, 3), (0, 3), (1, 3))
    b = d.one((), (3,), (3, 2), (2, 3, 2), (3, 0), (2, 1, 3, 2), (2, 3))
    return (d.numbers(a), d.numbers(b)), {}


register("dot matmul matvec vecmat", product)
register(
    "inner vdot vecdot outer kron",
    lambda d: (tuple(d.numbers(d.one((), (3,), (2, 3), (0,), (1, 3))) for _ in "ab"), {}),
)
register(
    "tensordot",
    lambda d: (
        (d.numbers((2, 3, 2)), d.numbers(d.one((3, 2, 4), (2, 3)))),
        {"axes": d.one(0, 1, 2, ((1, 2), (0, 1)), (1, 0))},
    ),
)
register("cross", lambda d: ((d.numbers(d.one((3,), (2, 3), (2,))), d.numbers(d.one((3,), (1, 3)))), {}))
register(
    "convolve correlate",
    lambda d: ((d.numbers((d.whole(1, 5),)), d.numbers((d.whole(1, 4),))), d.some(mode=("full", "same", "valid"))),
)


def contracted(d: Draw) -> Call:
    form = d.one("ij,jk->ik", "ij,jk", "ij->ji", "ij->", "...j,jk->...k", "ij,ij->i", "ii", "i...->...", "ij,k->kj")
    sizes = {"i": 2, "j": 3, "k": 1}
    xs = []
    for term in form.split("->")[0].split(","):
        shape: tuple[int, ...] = tuple(sizes[c] for c in term.replace(".", ""))
        if "..." in term:
            shape = (2, *shape) if term.startswith(".") else (*shape, 2)
        xs.append(d.numbers(shape))
    return (form, *xs), d.some(optimize=(True, False))


register("einsum", contracted)

# Analysis -------------------------------------------------------------------------------------


def interpolated(d: Draw) -> Call:
    n = d.whole(1, 4)
    xp = np.sort(d.rng.uniform(-1, 1, n)) + 0.05 * np.arange(n)
    return (d.array(), xp, d.numbers((n,))), d.some(left=(0.5, None), right=(-1.0, None))


register("interp", interpolated)
register("polyval", lambda d: ((d.numbers((d.whole(0, 4),)), d.array()), {}))
register("polyadd polysub polymul", lambda d: (tuple(d.numbers((d.whole(1, 4),), 0.1, 2) for _ in "ab"), {}))
register("polyder polyint", lambda d: ((d.numbers((d.whole(1, 4),), 0.1, 2), d.whole(0, 2)), {}))
register("vander", lambda d: ((d.numbers((d.whole(0, 3),)),), d.some(N=(0, 2, 4), increasing=(True, False))))
register("ediff1d", lambda d: ((d.array(),), d.some(to_end=(0.5, [1.0, 2.0]), to_begin=(0.25,))))
register("unwrap", lambda d: (lambda x: ((x,), {"axis": d.axis(x, False, False)}))(d.array(1, -8, 8)))
register("cov corrcoef", lambda d: ((d.numbers(d.one((4,), (2, 4), (3, 3))),), d.some(rowvar=(True, False))))
register(
    "histogram",
    lambda d: (lambda x: ((x,), {"bins": d.one(1, 3, [-1.0, 0.0, 1.0]), "weights": d.numbers(x.shape)}))(d.array(1)),
)
register("bincount", lambda d: ((np.array([0, 2, 2, 1]),), {"weights": d.numbers((4,)), **d.some(minlength=(2, 6))}))
register("digitize", lambda d: ((d.array(), d.one([-1.0, 0.0, 1.0], [1.0, 0.0])), d.some(right=(True, False))))


def transform(d: Draw) -> Call:
    x = d.array(1)
    return (x,), {"axis": d.axis(x, False, False), **d.some(n=(None, 2, 5), norm=("ortho", "forward", "backward"))}


register("fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft", transform)


def transforms(d: Draw) -> Call:
    x = d.array(2)
    return (x,), d.some(axes=((0, 1), (-1, 0), (1,)), norm=("ortho", "forward"))


register("fft.fftn fft.ifftn fft.rfftn fft.fft2 fft.ifft2 fft.rfft2 fft.irfft2 fft.irfftn", transforms)
register("fft.fftshift fft.ifftshift", lambda d: (lambda x: ((x,), {"axes": d.axis(x)}))(d.array(1)))

# Linear algebra -------------------------------------------------------------------------------


def regular(d: Draw) -> Any:
    (a,) = d.matrices((3, 3))
    return a + 4 * np.eye(3, dtype=a.dtype)


def positive(d: Draw) -> Any:
    a = regular(d)
    return a @ np.swapaxes(a, -1, -2)


register("linalg.inv linalg.det linalg.slogdet linalg.pinv linalg.svdvals linalg.cond", lambda d: ((regular(d),), {}))
register("linalg.cholesky linalg.eigvalsh", lambda d: ((positive(d),), {}))
register("linalg.solve", lambda d: ((lambda a: (a, d.numbers(d.one((3,), (3, 2), a.shape))))(regular(d)), {}))
register("linalg.matrix_power", lambda d: ((regular(d), d.whole(-2, 3)), {}))
register("linalg.qr", lambda d: ((regular(d),), d.some(mode=("reduced", "r", "complete"))))


def normed(d: Draw) -> Call:
    x = d.array(1, 0.1, 2)
    axis = d.axis(x, True, False) if d.whole(0, 1) else None
    return (x,), {"axis": axis, "ord": d.one(None, 1, 2, np.inf, -np.inf, 3, 0.5), **d.some(keepdims=(True,))}


register("linalg.norm linalg.vector_norm", normed)
register("linalg.multi_dot", lambda d: (([d.numbers(s) for s in ((2, 3), (3, 4), (4, d.whole(1, 2)))],), {}))

# The check ------------------------------------------------------------------------------------

# A symmetric matrix moves symmetrically; nextafter's step is below differences.
RULES = {
    "linalg.cholesky": Rules(symmetric=(0,)),
    "linalg.eigvalsh": Rules(symmetric=(0,)),
    "nextafter": Rules(differences=False),
}


@settings(max_examples=200, derandomize=True, **COMMON)
@given(calls(TABLE))
def test_drawn_arguments(call: Any) -> None:
    check(call, RULES.get(call[0]))


@pytest.mark.nightly
@settings(max_examples=20_000, **COMMON)
@given(calls(TABLE))
def test_drawn_arguments_nightly(call: Any) -> None:
    check(call, RULES.get(call[0]))


def test_the_table_names_functions() -> None:
    assert len(TABLE) > 200
    for name in TABLE:
        assert all(map(callable, find(name)))
