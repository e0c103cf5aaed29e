"""One call of one function of dualad.numpy with drawn arguments: shapes, strides, dtypes, axes and keywords.

The value, its dtype and shape are NumPy's, and where NumPy refuses, so does dualad; the derivative is that of central
differences, forward equals the transpose of reverse, and no argument is modified.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dualad
import dualad.numpy
from tests.test_every_primitive import direction, flat, like, pair_of

SHAPES = [(), (0,), (1,), (3,), (4,), (2, 3), (3, 1), (1, 3), (2, 0), (2, 1, 3), (2, 2, 2)]
LAYOUTS = ["C", "F", "reversed", "strided"]


class Draw:
    """What the functions' arguments are drawn with."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.rng = np.random.default_rng(data(st.integers(0, 2**20)))

    def one(self, *options: Any) -> Any:
        return self.data(st.sampled_from(options))

    def whole(self, lo: int, hi: int) -> int:
        return self.data(st.integers(lo, hi))

    def shape(self, least: int = 0) -> tuple[int, ...]:
        return self.one(*[s for s in SHAPES if len(s) >= least])

    def numbers(self, shape: Any, lo: float = -2.0, hi: float = 2.0, dtype: Any = None) -> Any:
        """An array in some memory layout; float64 more often than float32."""
        dtype = self.one(np.float64, np.float64, np.float64, np.float32) if dtype is None else dtype
        layout = self.one(*LAYOUTS)
        if layout == "strided" and shape:
            x = self.rng.uniform(lo, hi, (*shape[:-1], 2 * shape[-1])).astype(dtype)[..., ::2]
        elif layout == "reversed" and shape:
            x = self.rng.uniform(lo, hi, shape).astype(dtype)[::-1]
        else:
            x = np.asarray(self.rng.uniform(lo, hi, shape).astype(dtype), order="F" if layout == "F" else "C")
        return x if x.ndim else x[()]

    def array(self, least: int = 0, lo: float = -2.0, hi: float = 2.0) -> Any:
        return self.numbers(self.shape(least), lo, hi)

    def axis(self, x: Any, none: bool = True, tuples: bool = True) -> Any:
        n = np.ndim(x)
        options: list[Any] = [*range(-n, n)]
        if none:
            options.append(None)
        if tuples and n > 1:
            options += [(0, n - 1), (-1, 0), (0,)] + [()] * (x.size > 0)  # NumPy refuses some empty ones by accident
        if self.whole(0, 19) == 0:
            options = [max(n, 2)]  # outside
        return self.one(*options) if options else None

    def some(self, **keywords: Any) -> dict[str, Any]:
        """Some of the keywords."""
        return {k: self.one(*v) for k, v in keywords.items() if self.whole(0, 2) == 0}

    def pair(self, lo: float = -2.0, hi: float = 2.0) -> tuple[Any, Any]:
        """Two operands that mostly broadcast; now and then one of them is a Python number or an integer array."""
        a, b = self.shape(), self.shape()
        try:
            np.broadcast_shapes(a, b)
        except ValueError:
            b = a if self.whole(0, 9) else b
        x, y = self.numbers(a, lo, hi), self.numbers(b, lo, hi)
        kind = self.one("array", "array", "array", "number", "integer")
        if kind == "number":
            y = float(self.rng.uniform(lo, hi))
        elif kind == "integer":
            y = self.rng.integers(1, 3, b)
        return x, y

    def matrices(self, *cores: tuple[int, ...]) -> list[Any]:
        lead = self.one((), (2,), (0,), (2, 1))
        return [self.numbers((*lead, *core)) for core in cores]


Call = tuple[tuple[Any, ...], dict[str, Any]]
TABLE: dict[str, Any] = {}


def register(names: str, make: Any) -> None:
    for name in names.split():
        TABLE[name] = make


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


# A symmetric matrix moves symmetrically, though NumPy reads one triangle; nextafter's step is below differences.
CONVENTIONS = {"linalg.cholesky", "linalg.eigvalsh", "nextafter"}


def find(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


@st.composite
def calls(draw: Any) -> Any:
    name = draw(st.sampled_from(sorted(TABLE)))
    args, keywords = TABLE[name](Draw(draw))
    return name, args, keywords


def is_float(v: Any) -> bool:
    return isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "fc"


def run(f: Any, args: Any, keywords: Any) -> Any:
    out = f(*args, **keywords)
    return tuple(out) if isinstance(out, (tuple, list)) else out


def check(call: Any) -> None:
    name, args, keywords = call
    theirs, ours = find(np, name), find(dualad.numpy, name)
    spots: list[Any] = []
    for i, v in enumerate(args):
        spots += [("arg", i)] if is_float(v) else []
        spots += [("list", (i, k)) for k, u in enumerate(v) if is_float(u)] if isinstance(v, list) else []
    spots += [("keyword", k) for k, v in keywords.items() if is_float(v)]
    xs = tuple(args[k] if how == "arg" else args[k[0]][k[1]] if how == "list" else keywords[k] for how, k in spots)
    before = [np.array(x) for x in xs]

    def of(f: Any) -> Any:
        def with_moved(*moved: Any) -> Any:
            new, words = list(args), dict(keywords)
            new = [list(v) if isinstance(v, list) else v for v in new]
            for (how, k), v in zip(spots, moved, strict=True):
                if how == "arg":
                    new[k] = v
                elif how == "list":
                    new[k[0]][k[1]] = v
                else:
                    words[k] = v
            return run(f, new, words)

        return with_moved

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            expected = of(theirs)(*xs)
        except Exception as e:
            with pytest.raises(Exception) as caught:
                dualad.jvp(of(ours), xs, tuple(np.zeros_like(x) for x in xs))
            assert isinstance(caught.value, (dualad.DualadError, type(e))), f"NumPy: {e!r}, dualad: {caught.value!r}"
            return
        judge(name, of(theirs), of(ours), xs, expected)
    for x, b in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, b, "an argument was modified")


def judge(name: str, theirs: Any, ours: Any, xs: Any, expected: Any) -> None:
    single = any(np.asarray(v).dtype in (np.float32, np.complex64) for v in flat((xs, expected)))
    tol = {"rtol": 2e-3, "atol": 2e-3} if single else {"rtol": 1e-9, "atol": 1e-10}
    ts = tuple(direction(x, i) for i, x in enumerate(xs))
    y, t = dualad.jvp(ours, xs, ts)
    through, t2 = dualad.jvp(theirs, xs, ts)
    for value, what in ((y, "value"), (through, "value through NumPy"), (ours(*xs), "value of arrays")):
        a, b = flat(value), flat(expected)
        assert len(a) == len(b), f"{what}: {len(a)} results, NumPy has {len(b)}"
        for u, v in zip(a, b, strict=True):
            assert np.shape(u) == np.shape(v), f"{what}: shape {np.shape(u)}, NumPy {np.shape(v)}"
            assert np.asarray(u).dtype == np.asarray(v).dtype, (
                f"{what}: {np.asarray(u).dtype}, NumPy {np.asarray(v).dtype}"
            )
            np.testing.assert_allclose(u, v, err_msg=what, **tol)
    for u, v in zip(flat(t), flat(t2), strict=True):
        np.testing.assert_allclose(u, v, err_msg="forward through NumPy", **tol)
    if not all(np.isfinite(np.asarray(v)).all() for v in flat((y, t)) if np.asarray(v).dtype.kind in "fc"):
        return
    floats = [k for k, v in enumerate(flat(y)) if np.asarray(v).dtype.kind in "fc"]
    if not floats:
        return
    pick = lambda out: tuple(flat(out)[k] for k in floats)
    g = like(pick(y), 10)
    cts = dualad.vjp(lambda *v: pick(ours(*v)), *xs)[1](g)
    for c, x in zip(cts, xs, strict=True):
        assert np.shape(c) == np.shape(x) and c.dtype == x.dtype, (
            "a cotangent has another shape or dtype than its input"
        )
    left, right = np.real(pair_of(g, pick(t))), np.real(pair_of(cts, ts))
    size = 1 + sum(float(np.sum(np.abs(np.asarray(u) * np.asarray(v)))) for u, v in zip(flat(g), pick(t), strict=True))
    assert abs(left - right) <= (5e-3 if single else 1e-8) * size, f"dot product: forward {left}, reverse {right}"
    if not single and name not in CONVENTIONS:
        h = 1e-6
        up, down = (pick(theirs(*[x + s * d for x, d in zip(xs, ts, strict=True)])) for s in (h, -h))
        for u, v, w in zip(up, down, pick(t), strict=True):
            if np.shape(u) == np.shape(w) == np.shape(v):
                np.testing.assert_allclose(w, (u - v) / (2 * h), rtol=1e-4, atol=1e-5, err_msg="against differences")


COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}


@settings(max_examples=200, derandomize=True, **COMMON)
@given(calls())
def test_drawn_arguments(call: Any) -> None:
    check(call)


@pytest.mark.nightly
@settings(max_examples=20_000, **COMMON)
@given(calls())
def test_drawn_arguments_nightly(call: Any) -> None:
    check(call)


def test_the_table_names_functions() -> None:
    assert len(TABLE) > 200
    for name in TABLE:
        assert callable(find(np, name)) and callable(find(dualad.numpy, name))
