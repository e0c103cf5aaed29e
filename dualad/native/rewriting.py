"""Operations as others that fuse: a mean is a sum and a quotient, an einsum a product and a sum.

A rule gets ``do(name, operands, shape, dtype, **params)``, which adds a call of a primitive and returns its value, then the
operands, the result's Spec and the parameters. It returns the value, or None to leave the operation as it is. What it builds
computes what the primitive computes, up to the order of the terms of a sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.spec import Spec
from dualad.ops.index import ARRAY
from dualad.ops.kinds import Unregistered
from dualad.ops.reduce import size_of

Do = Callable[..., Any]
LARGE = 20_000  # multiplications: from here on a contraction of two is left to BLAS
WIDE = 10_000  # entries, of few terms each: such a product is written faster than BLAS does
SMALL = 512  # multiplications for one of many matrices
THIN, NARROW = (
    4,
    16,
)  # inner sizes at which products of elements, or matrices side by side, are faster than many products
LIMIT = 10_000_000
SORTED = 1 << 16  # numbers up to which native code finds a place among them
SYSTEM = 2048  # elements of a matrix up to which native code factorizes it


def _mean(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    (x,) = args
    n = size_of(x.shape, params["axis"])
    if n == 0 or x.dtype == np.float16:
        return None
    if x.dtype.kind in "iub":
        x = do("cast_constant", (x,), x.shape, y.dtype, dtype=np.dtype(y.dtype))
    return do("divide", (do("sum", (x,), y.shape, y.dtype, **params), n), y.shape, y.dtype)


def _matmul(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    """Of vectors, and of many small matrices, as a product and a sum; of few terms and many entries, as these terms."""
    a, b = args
    if a.dtype != b.dtype or a.dtype.kind != "f":
        return None
    if len(a.shape) == len(b.shape) == 2 and 0 < a.shape[1] <= THIN and y.size >= WIDE:
        column = do("reshape", (a,), (*a.shape, 1), y.dtype, shape=(*a.shape, 1))
        return _terms(do, column, 1, b, 0, y.shape, y.dtype)
    if len(a.shape) == len(b.shape) == 1:
        return do("sum", (do("multiply", args, a.shape, a.dtype),), y.shape, y.dtype, axis=(0,))
    if min(len(a.shape), len(b.shape)) < 2 or len(y.shape) < 3 or 0 in (a.size, b.size):
        return None
    (m, k), n = a.shape[-2:], b.shape[-1]
    if y.size * k > LIMIT:
        return None
    if m * k * n > SMALL:
        return _large_matmul(do, a, b, y)
    left = do("reshape", (a,), (*a.shape, 1), y.dtype, shape=(*a.shape, 1))
    wide = (*b.shape[:-2], 1, k, n)
    right = do("reshape", (b,), wide, y.dtype, shape=wide)
    whole = (*y.shape[:-2], m, k, n)
    return do("sum", (do("multiply", (left, right), whole, y.dtype),), y.shape, y.dtype, axis=(len(whole) - 2,))


def _large_matmul(do: Do, a: Any, b: Any, y: Spec) -> Any:
    """Many matrices times one, or one times many that are narrow: as one product, or as few products of elements."""
    (m, k), n = a.shape[-2:], b.shape[-1]
    dtype = y.dtype
    if len(a.shape) == 2 and len(b.shape) == 3 and n <= NARROW:
        # With the many matrices along the last axis: there is one product, or long rows to multiply.
        count = b.shape[0]
        turned = do("transpose", (b,), (k, n, count), dtype, axes=(1, 2, 0))
        if k > THIN:
            flat = do("reshape", (turned,), (k, n * count), dtype, shape=(k, n * count))
            product = do("matmul", (a, flat), (m, n * count), dtype)
            whole = do("reshape", (product,), (m, n, count), dtype, shape=(m, n, count))
        else:
            wide = do("reshape", (a,), (m, k, 1, 1), dtype, shape=(m, k, 1, 1))
            whole = _terms(do, wide, 1, turned, 0, (m, n, count), dtype)
        return do("transpose", (whole,), y.shape, dtype, axes=(2, 0, 1))
    if len(b.shape) == 2 and k <= THIN:
        wide = do("reshape", (a,), (*a.shape, 1), dtype, shape=(*a.shape, 1))
        return _terms(do, wide, len(a.shape) - 1, b, 0, y.shape, dtype)
    if len(b.shape) == 2:
        rows = math.prod(a.shape[:-1])
        flat = do("reshape", (a,), (rows, k), dtype, shape=(rows, k))
        product = do("matmul", (flat, b), (rows, n), dtype)
        return do("reshape", (product,), y.shape, dtype, shape=y.shape)
    return None


def _terms(do: Do, a: Any, i: int, b: Any, j: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """The sum of the products of the slices of ``a`` along axis i and of ``b`` along axis j."""
    total: Any = None
    for k in range(a.shape[i]):
        pair = []
        for x, axis in ((a, i), (b, j)):
            template = tuple([k if q == axis else slice(None) for q in range(len(x.shape))])
            own = x.shape[:axis] + x.shape[axis + 1 :]
            pair.append(do("index", (x,), own, dtype, template=template))
        term = do("multiply", pair, shape, dtype)
        total = term if total is None else do("add", (total, term), shape, dtype)
    return total


def _einsum(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    terms, out = params["terms"], params["out"]
    if y.dtype.kind not in "fc" or any(a.dtype != y.dtype for a in args) or any(a.size == 0 for a in args):
        return None
    size = dict(zip("".join(terms), [n for a in args for n in a.shape], strict=True))
    summed = [c for c in size if c not in out]
    work = math.prod(size.values())
    if len(args) == 2 and work > LARGE:
        return _contraction(do, args, y, terms, out, size)
    if work > LIMIT or y.dtype.kind == "c":
        return None
    order = [*out, *summed]
    shape = tuple([size[c] for c in order])
    total: Any = None
    for a, t in zip(args, terms, strict=True):
        axes = tuple([t.index(c) for c in order if c in t])
        a = do("transpose", (a,), tuple([a.shape[k] for k in axes]), y.dtype, axes=axes)
        wide = tuple([size[c] if c in t else 1 for c in order])
        a = do("reshape", (a,), wide, y.dtype, shape=wide)
        if total is None:
            total = a
            continue
        total = do("multiply", (total, a), np.broadcast_shapes(total.shape, wide), y.dtype)
    if total.shape != shape:
        total = do("broadcast_to", (total,), shape, y.dtype, shape=shape)
    return do("sum", (total,), y.shape, y.dtype, axis=tuple(range(len(out), len(order)))) if summed else total


def _contraction(do: Do, args: Any, y: Spec, terms: Any, out: str, size: dict[str, int]) -> Any:
    """A matrix product, or one for each index of a common letter: one letter is summed, each operand has one of its own."""
    (s, t), (a, b) = terms, args
    common = [c for c in s if c in t]
    many = [c for c in common if c in out]
    summed = [c for c in common if c not in out]
    own = [[c for c in u if c not in common] for u in (s, t)]
    if len(summed) != 1 or len(many) > 1 or any(len(cs) != 1 or cs[0] not in out for cs in own):
        return None
    if len(set(s)) != len(s) or len(set(t)) != len(t):
        return None
    ((i,), (j,)), (k,) = own, summed

    def ordered(x: Any, now: str, then: list[str]) -> Any:
        if list(now) == then:
            return x
        axes = tuple([now.index(c) for c in then])
        return do("transpose", (x,), tuple([size[c] for c in then]), y.dtype, axes=axes)

    left, right = ordered(a, s, [*many, i, k]), ordered(b, t, [*many, k, j])
    product = do("matmul", (left, right), tuple([size[c] for c in (*many, i, j)]), y.dtype)
    return ordered(product, "".join([*many, i, j]), list(out))


def _root_sum_squares(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    """Plainly, and of numbers scaled to 1 for where squares vanish or overflow."""
    (x,) = args
    if x.dtype not in (np.float64, np.float32) or x.size == 0:
        return None
    whole, dtype = x.shape, y.dtype
    kept = tuple([1 if k in params["axis"] else n for k, n in enumerate(whole)])
    bits = np.dtype(bool)

    def norm(v: Any) -> Any:
        return do("sqrt", (do("sum", (do("square", (v,), whole, dtype),), y.shape, dtype, **params),), y.shape, dtype)

    info = np.finfo(dtype)
    inf, low = dtype.type(math.inf), dtype.type(info.tiny**0.5 / info.eps)
    largest = do("max", (do("absolute", (x,), whole, dtype),), y.shape, dtype, **params)
    usable = do("less", (largest, inf), y.shape, bits)
    usable = do("logical_and", (usable, do("greater", (largest, dtype.type(0)), y.shape, bits)), y.shape, bits)
    scale = do("where", (usable, largest, dtype.type(1)), y.shape, dtype)
    wide = do("reshape", (scale,), kept, dtype, shape=kept)
    scaled = do("multiply", (norm(do("divide", (x, wide), whole, dtype)), scale), y.shape, dtype)
    plain = norm(x)
    fine = do("less", (plain, inf), y.shape, bits)
    fine = do("logical_and", (fine, do("greater", (plain, low), y.shape, bits)), y.shape, bits)
    return do("where", (fine, plain, scaled), y.shape, dtype)


def _scatter(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    """The transpose of an index with new axes: without them."""
    template = params["template"]
    if len(args) != 1 or not any(k is None for k in template):
        return None
    (x,) = args
    template = tuple([k for k in template if k is not None])
    whole = tuple([len(range(*k.indices(n))) for k, n in zip(template, y.shape, strict=True) if isinstance(k, slice)])
    x = do("reshape", (x,), whole, y.dtype, shape=whole)
    if whole == tuple(y.shape) and all(k.step in (None, 1) for k in template):
        return x
    return do("scatter", (x,), y.shape, y.dtype, **{**params, "template": template})


def _index(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    """Constant indices into a vector: of something joined, where all are in one part, into that; in even steps, a slice."""
    if params["template"] != (ARRAY,) or args[1].op != "constant":
        return None
    a, at = args[0], np.asarray(args[1].data)
    if at.ndim != 1 or at.size == 0 or len(a.shape) != 1:
        return None
    at = np.where(at < 0, at + a.shape[0], at)
    if a.name == "concatenate":
        ends = np.cumsum([p.shape[0] for p in a.args])
        which = np.searchsorted(ends, at, side="right")
        part = a.args[which[0]]
        if (which == which[0]).all() and part.dtype == y.dtype:
            own = at - (ends[which[0]] - part.shape[0])
            return do("index", (part, own), y.shape, y.dtype, template=(ARRAY,))
    step = int(at[1] - at[0]) if at.size > 1 else 1
    if step > 0 and np.array_equal(at, at[0] + step * np.arange(at.size)):
        return do("index", (a,), y.shape, y.dtype, template=(slice(int(at[0]), int(at[-1]) + 1, step),))
    return None


def _round(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    if y.dtype.kind != "f" or y.dtype == np.float16:
        return None
    decimals = params["decimals"]
    power = y.dtype.type(10.0 ** abs(decimals))
    there, back = ("multiply", "divide") if decimals > 0 else ("divide", "multiply")
    x = do(there, (args[0], power), y.shape, y.dtype) if decimals else args[0]
    x = do("rint", (x,), y.shape, y.dtype)
    return do(back, (x, power), y.shape, y.dtype) if decimals else x


def _place(do: Do, a: Any, x: Any, y: Spec, side: str) -> Any:
    """How many of the sorted ``a`` come before ``x``, by halving; NaN comes last."""
    n, dtype = a.shape[0] if len(a.shape) == 1 else 0, np.dtype(np.int64)
    if not 0 < n <= SORTED or a.dtype != x.dtype or a.dtype not in (np.float64, np.float32) or y.dtype != dtype:
        return None
    bits = np.dtype(np.bool_)
    on = lambda name, *operands: do(name, operands, y.shape, bits)
    lost = on("isnan", x)
    k = do("broadcast_to", (np.int64(0),), y.shape, dtype, shape=tuple(y.shape))
    for step in (1 << p for p in reversed(range(n.bit_length()))):
        j = do("add", (k, np.int64(step)), y.shape, dtype)
        last = do("minimum", (do("subtract", (j, np.int64(1)), y.shape, dtype), np.int64(n - 1)), y.shape, dtype)
        v = do("index", (a, last), y.shape, a.dtype, template=(ARRAY,))
        if side == "right":
            before = on("logical_or", on("less_equal", v, x), lost)
        else:
            number = on("logical_not", on("isnan", v))
            before = on("logical_or", on("less", v, x), on("logical_and", lost, number))
        there = on("logical_and", on("less_equal", j, np.int64(n)), before)
        k = do("where", (there, j, k), y.shape, dtype)
    return k


def _searchsorted(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    a, x = args
    return _place(do, a, x, y, params["side"])


def _interval(do: Do, args: Any, y: Spec, params: dict[str, Any]) -> Any:
    knots, x = args
    k = _place(do, knots, x, y, "right")
    if k is None:
        return None
    k = do("maximum", (do("subtract", (k, np.int64(1)), y.shape, y.dtype), np.int64(0)), y.shape, y.dtype)
    return do("minimum", (k, np.int64(knots.shape[0] - 2)), y.shape, y.dtype)


class _Part(Unregistered):
    """One result of an operation that has several."""

    def __init__(self, name: str, impl: Callable[..., Any]) -> None:
        super().__init__(name, impl, _none, _none, keep="")
        self.multiple = False


def _none(*_: Any, **__: Any) -> None:
    """Derivatives have been taken before."""


SLOGDET = (
    _Part("sign_of_determinant", lambda a: np.linalg.slogdet(a)[0]),
    _Part("log_of_determinant", lambda a: np.linalg.slogdet(a)[1]),
)


DETERMINANTS = ("det", *[p.name for p in SLOGDET])


def is_small(operands: Sequence[Any], results: int) -> bool:
    """Whether native code solves a system of these, or each of a stack of them: of at most ``SYSTEM`` elements."""
    a = operands[0]
    if a.dtype not in (np.float64, np.float32) or any(x.dtype != a.dtype or not x.size for x in operands):
        return False
    many = a.shape[:-2]
    if len(many) > 1 or any(x.shape[:-2] != many for x in operands):
        return False
    return bool((a.size + results) // math.prod(many) <= SYSTEM)


def part(v: Any, k: int) -> Any:
    """The operation that computes result ``k`` of ``v`` alone, where native code does."""
    apart = v.name == "slogdet" and is_small(v.args, math.prod(v.args[0].shape[:-2]))
    return SLOGDET[k] if apart else None


RULES: dict[str, Callable[..., Any]] = {
    "mean": _mean,
    "round": _round,
    "searchsorted": _searchsorted,
    "interval": _interval,
    "matmul": _matmul,
    "einsum": _einsum,
    "scatter": _scatter,
    "index": _index,
    "root_sum_squares": _root_sum_squares,
}
