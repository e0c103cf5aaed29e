"""The functions of the tensor API: each computes with dualad.numpy and names itself as PyTorch does."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

import dualad.numpy as dnp
from dualad.core.tensor import Tensor as Core
from dualad.ops.specials import SPECIAL
from dualad.torch.dtypes import default_float
from dualad.torch.graph import GRAPH
from dualad.torch.tensor import Tensor, core

NAMES: dict[str, Callable[..., Any]] = {}
"""Every function, by name: the package exports them, and ``METHODS`` are tensor methods too."""

METHODS: set[str] = set()


def apply(title: str, f: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """``f`` on the cores of ``args``; the results are tensors that came from ``title``."""
    return wrap(f(*[core(a) for a in args], **keywords), title)


def wrap(out: Any, title: str) -> Any:
    if isinstance(out, (tuple, list)):
        return tuple(wrap(v, title) for v in out)
    if type(out) is Core and out.level.id == 0:
        out = out.value
    return Tensor(out if hasattr(out, "dtype") else np.asarray(out)[()], title)


def function(*aliases: str, method: builtins.bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        for name in (f.__name__.rstrip("_"), *aliases):
            NAMES[name] = f
            if method:
                METHODS.add(name)
        return f

    return declare


def floating(x: Any) -> Any:
    """An operand of a function that is real-valued: integers become the default float."""
    if isinstance(x, Tensor) and x._core.dtype.kind in "biu":
        return Tensor(np.asarray(x.value).astype(default_float())[()])
    return x


def cast(c: Any, kind: Any) -> Any:
    return c if c.dtype == kind else dnp.astype(c, kind)


# One operand ----------------------------------------------------------------------------------


def _unary(name: str, f: Callable[..., Any], title: str | None = None, *aliases: str) -> None:
    shown = title or f"{name.title()}Backward0"

    def run(input: Any) -> Any:
        return apply(shown, f, floating(input))

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"``torch.{name}``, elementwise."
    for n in (name, *aliases):
        NAMES[n] = run
        METHODS.add(n)


def _sigmoid(x: Any) -> Any:
    return SPECIAL["expit"](x)


def _relu(x: Any) -> Any:
    return dnp.where(x > 0, x, x.dtype.type(0))


for _name in (
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "exp2",
):
    _unary(_name, getattr(dnp, _name))
for _short, _long in {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}.items():
    _unary(_short, getattr(dnp, _long), None, _long)
_unary("sigmoid", _sigmoid)
_unary("rsqrt", lambda x: 1 / dnp.sqrt(x), "RsqrtBackward0")
_unary("erf", lambda x: SPECIAL["erf"](x))
_unary("erfc", lambda x: SPECIAL["erfc"](x))
_unary("erfinv", lambda x: SPECIAL["erfinv"](x))
_unary("lgamma", lambda x: SPECIAL["gammaln"](x))
_unary("digamma", lambda x: SPECIAL["digamma"](x))
_unary("reciprocal", lambda x: 1 / x)
for _name in ("floor", "ceil", "trunc", "sign"):
    _unary(_name, getattr(dnp, _name))
_unary("round", dnp.rint)


@function("absolute")
def abs(input: Any) -> Any:
    return apply("AbsBackward0", dnp.abs, input)


@function("negative")
def neg(input: Any) -> Any:
    return apply("NegBackward0", lambda x: -x, input)


@function()
def square(input: Any) -> Any:
    return pow(input, 2)


@function()
def relu(input: Any) -> Any:
    return apply("ReluBackward0", _relu, input)


@function("clip")
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Gradient 1 inside and at the bounds, 0 outside, as PyTorch has it."""

    def f(x: Any, low: Any, high: Any) -> Any:
        if low is not None:
            x = dnp.where(x >= low, x, _like(low, x))
        if high is not None:
            x = dnp.where(x <= high, x, _like(high, x))
        return x

    tensors = isinstance(min, Tensor) or isinstance(max, Tensor)
    return apply("ClampBackward0" if tensors else "ClampBackward1", f, input, min, max)


def _like(v: Any, x: Any) -> Any:
    return v if hasattr(v, "dtype") else x.dtype.type(v)


@function()
def nan_to_num(input: Any, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return apply("NanToNumBackward0", dnp.nan_to_num, input, nan=nan, posinf=posinf, neginf=neginf)


for _name in ("isnan", "isinf", "isfinite", "logical_not"):
    _unary(_name, getattr(dnp, _name))


# Two operands ---------------------------------------------------------------------------------


def pair(a: Any, b: Any, divides: builtins.bool = False) -> tuple[Any, Any]:
    """Cores under PyTorch's promotion: Python numbers and 0-d tensors are weak within their category."""
    x, y = core(a), core(b)
    for p, q in ((x, y), (y, x)):
        if not hasattr(p, "dtype") and not hasattr(q, "dtype"):
            raise TypeError("at least one operand must be a tensor")
    kx, ky = getattr(x, "dtype", None), getattr(y, "dtype", None)
    if kx is not None and ky is not None and kx != ky:
        common = _promoted(x, y)
        x, y = cast(x, common), cast(y, common)
    elif kx is None or ky is None:
        tensor, number = (y, x) if kx is None else (x, y)
        if tensor.dtype.kind in "biu" and isinstance(number, float):
            tensor = cast(tensor, default_float())
            x, y = (number, tensor) if kx is None else (tensor, number)
    if divides:
        x, y = (cast(v, default_float()) if hasattr(v, "dtype") and v.dtype.kind in "biu" else v for v in (x, y))
    return x, y


def _promoted(x: Any, y: Any) -> Any:
    order = "biufc"
    for p, q in ((x, y), (y, x)):
        if len(p.shape) == 0 and len(q.shape) > 0 and order.index(p.dtype.kind) <= order.index(q.dtype.kind):
            return q.dtype
    if {x.dtype.kind, y.dtype.kind} & set("biu") and {x.dtype.kind, y.dtype.kind} & set("fc"):
        return x.dtype if x.dtype.kind in "fc" else y.dtype
    return np.promote_types(x.dtype, y.dtype)


def _binary(name: str, f: Callable[..., Any], title: str, *aliases: str, divides: builtins.bool = False) -> Any:
    def run(input: Any, other: Any) -> Any:
        if not isinstance(input, Tensor) and not isinstance(other, Tensor):
            raise TypeError(f"{name}(): at least one argument must be a Tensor")
        return wrap(f(*pair(input, other, divides)), title)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"``torch.{name}``, elementwise with broadcasting."
    for n in (name, *aliases):
        NAMES[n] = run
        METHODS.add(n)
    return run


mul = _binary("mul", lambda a, b: a * b, "MulBackward0", "multiply")
_true_div = _binary("true_divide", lambda a, b: a / b, "DivBackward0", divides=True)
remainder = _binary("remainder", lambda a, b: a % b, "RemainderBackward0")
floor_divide = _binary("floor_divide", lambda a, b: a // b, "NotImplemented")
maximum = _binary("maximum", dnp.maximum, "MaximumBackward0")
minimum = _binary("minimum", dnp.minimum, "MinimumBackward0")
_binary("atan2", dnp.arctan2, "Atan2Backward0", "arctan2")
_binary("hypot", dnp.hypot, "HypotBackward0")
_binary("logaddexp", dnp.logaddexp, "LogaddexpBackward0")
for _name, _f, _aliases in (
    ("eq", dnp.equal, ()),
    ("ne", dnp.not_equal, ("not_equal",)), ("lt", dnp.less, ("less",)), ("le", dnp.less_equal, ("less_equal",)),
    ("gt", dnp.greater, ("greater",)), ("ge", dnp.greater_equal, ("greater_equal",)),
    ("logical_and", dnp.logical_and, ()), ("logical_or", dnp.logical_or, ()),
    ("logical_xor", dnp.logical_xor, ()), ("bitwise_and", dnp.bitwise_and, ()), ("bitwise_or", dnp.bitwise_or, ()),
):  # fmt: skip
    _binary(_name, _f, "", *_aliases)


@function()
def add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    x, y = pair(input, other)
    return wrap(x + (y if alpha == 1 else alpha * y), "AddBackward0")


@function("subtract")
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    x, y = pair(input, other)
    return wrap(x - (y if alpha == 1 else alpha * y), "SubBackward0")


@function("divide")
def div(input: Any, other: Any, *, rounding_mode: Any = None) -> Any:
    out = _true_div(input, other)
    if rounding_mode is None:
        return out
    return NAMES["floor" if rounding_mode == "floor" else "trunc"](out)


@function()
def pow(input: Any, exponent: Any) -> Any:
    title = "PowBackward1" if isinstance(exponent, Tensor) else "PowBackward0"
    return wrap(dnp.power(*pair(input, exponent)), title)


@function()
def lerp(input: Any, end: Any, weight: Any) -> Any:
    return apply("LerpBackward0", lambda a, b, w: a + w * (b - a), input, end, weight)


@function(method=False)
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    if input is None:
        return wrap(tuple(np.nonzero(np.asarray(condition.value))), "")
    x, y = pair(input, other) if isinstance(input, Tensor) or isinstance(other, Tensor) else (input, other)
    x, y = (
        np.asarray(v, default_float())[()] if isinstance(v, float) and not hasattr(w, "dtype") else v
        for v, w in ((x, y), (y, x))
    )
    return wrap(dnp.where(core(condition), x, y), "WhereBackward0")


@function()
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    return apply("MaskedFillBackward0", lambda x, m, v: dnp.where(m, _like(v, x), x), input, mask, value)


@function()
def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: builtins.bool = False) -> Any:
    return wrap(np.isclose(input.value, other.value, rtol, atol, equal_nan), "")


@function()
def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: builtins.bool = False
) -> builtins.bool:
    return builtins.bool(np.allclose(input.value, other.value, rtol, atol, equal_nan))


@function()
def equal(input: Any, other: Any) -> builtins.bool:
    return np.array_equal(input.value, other.value)


# Reductions -----------------------------------------------------------------------------------


def axes_of(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, (list, tuple)) else dim


@function()
def sum(input: Any, dim: Any = None, keepdim: builtins.bool = False, *, dtype: Any = None) -> Any:
    title = "SumBackward0" if dim is None else "SumBackward1"
    kind = None if dtype is None else dtype.numpy
    return apply(title, lambda x: dnp.sum(x, axis=axes_of(dim), dtype=kind, keepdims=keepdim), input)


@function()
def mean(input: Any, dim: Any = None, keepdim: builtins.bool = False) -> Any:
    if input._core.dtype.kind not in "fc":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            f"{input.dtype.name.title()}"
        )
    title = "MeanBackward0" if dim is None else "MeanBackward1"
    return apply(title, lambda x: dnp.mean(x, axis=axes_of(dim), keepdims=keepdim), input)


@function()
def prod(input: Any, dim: Any = None, keepdim: builtins.bool = False) -> Any:
    return apply(
        "ProdBackward0" if dim is None else "ProdBackward1", lambda x: dnp.prod(x, axis=dim, keepdims=keepdim), input
    )


def _spread(name: str, f: Callable[..., Any], title: str) -> None:
    def run(
        input: Any, dim: Any = None, *, correction: int = 1, unbiased: Any = None, keepdim: builtins.bool = False
    ) -> Any:
        if isinstance(dim, builtins.bool):
            dim, unbiased = None, dim
        ddof = correction if unbiased is None else int(unbiased)
        return apply(title, lambda x: f(x, axis=axes_of(dim), ddof=ddof, keepdims=keepdim), input)

    run.__name__ = name
    NAMES[name] = run
    METHODS.add(name)


_spread("var", dnp.var, "VarBackward0")
_spread("std", dnp.std, "StdBackward0")


def _extremum(name: str, f: Callable[..., Any], arg: Callable[..., Any]) -> None:
    def run(input: Any, dim: Any = None, keepdim: builtins.bool = False) -> Any:
        if isinstance(dim, Tensor):
            return NAMES[f"{name}imum"](input, dim)
        if dim is None:
            return apply(f"{name.title()}Backward1", f, input)
        places = arg(np.asarray(input.value), axis=dim, keepdims=True)
        values = apply(f"{name.title()}Backward0", lambda x: dnp.take_along_axis(x, places, dim), input)
        if not keepdim:
            values = apply(f"{name.title()}Backward0", lambda x: dnp.squeeze(x, dim), values)
            places = places.squeeze(dim)
        return _Extremum(values, Tensor(places[()]))

    run.__name__ = name
    NAMES[name] = run
    METHODS.add(name)
    NAMES[f"a{name}"] = lambda input, dim=(), keepdim=False: apply(
        f"A{name}Backward0", lambda x: f(x, axis=axes_of(dim) or None, keepdims=keepdim), input
    )
    METHODS.add(f"a{name}")


class _Extremum(tuple[Tensor, Tensor]):
    """Values and indices."""

    def __new__(cls, values: Tensor, indices: Tensor) -> Any:
        return tuple.__new__(cls, (values, indices))

    @property
    def values(self) -> Tensor:
        return self[0]

    @property
    def indices(self) -> Tensor:
        return self[1]

    def __repr__(self) -> str:
        return f"torch.return_types.max(\nvalues={self[0]!r},\nindices={self[1]!r})"


_extremum("max", dnp.max, np.argmax)
_extremum("min", dnp.min, np.argmin)


@function()
def argmax(input: Any, dim: Any = None, keepdim: builtins.bool = False) -> Any:
    return wrap(np.argmax(np.asarray(input.value), axis=dim, keepdims=keepdim and dim is not None), "")


@function()
def argmin(input: Any, dim: Any = None, keepdim: builtins.bool = False) -> Any:
    return wrap(np.argmin(np.asarray(input.value), axis=dim, keepdims=keepdim and dim is not None), "")


@function()
def any(input: Any, dim: Any = None) -> Any:
    return wrap(np.any(np.asarray(input.value), axis=dim), "")


@function()
def all(input: Any, dim: Any = None) -> Any:
    return wrap(np.all(np.asarray(input.value), axis=dim), "")


@function()
def cumsum(input: Any, dim: int) -> Any:
    return apply("CumsumBackward0", lambda x: dnp.cumsum(x, axis=dim), input)


@function()
def cumprod(input: Any, dim: int) -> Any:
    return apply("CumprodBackward0", lambda x: dnp.cumprod(x, axis=dim), input)


@function()
def sort(input: Any, dim: int = -1, descending: builtins.bool = False) -> Any:
    value = np.asarray(input.value)
    places = np.argsort(-value if descending else value, axis=dim, kind="stable")
    return _Extremum(apply("SortBackward0", lambda x: dnp.take_along_axis(x, places, dim), input), Tensor(places))


@function()
def topk(input: Any, k: int, dim: int = -1, largest: builtins.bool = True) -> Any:
    value = np.asarray(input.value)
    places = np.take(np.argsort(-value if largest else value, axis=dim, kind="stable"), range(k), dim)
    return _Extremum(apply("TopkBackward0", lambda x: dnp.take_along_axis(x, places, dim), input), Tensor(places))


def _logsumexp(x: Any, dim: Any, keep: builtins.bool) -> Any:
    high = dnp.max(x.value if type(x) is Core and x.level is GRAPH else x, axis=dim, keepdims=True)
    high = np.where(np.isfinite(high), high, 0).astype(x.dtype) if type(high) is not Core else high
    y = dnp.log(dnp.sum(dnp.exp(x - high), axis=dim, keepdims=True)) + high
    return y if keep else dnp.squeeze(y, dim)


@function()
def logsumexp(input: Any, dim: Any, keepdim: builtins.bool = False) -> Any:
    return apply("LogsumexpBackward0", lambda x: _logsumexp(x, axes_of(dim), keepdim), input)


@function()
def log_softmax(input: Any, dim: int = -1) -> Any:
    return apply("LogSoftmaxBackward0", lambda x: x - _logsumexp(x, dim, True), input)


@function()
def softmax(input: Any, dim: int = -1) -> Any:
    return apply("SoftmaxBackward0", lambda x: dnp.exp(x - _logsumexp(x, dim, True)), input)


@function()
def norm(input: Any, p: Any = 2, dim: Any = None, keepdim: builtins.bool = False) -> Any:
    def f(x: Any) -> Any:
        axes = tuple(range(len(x.shape))) if dim is None else axes_of(dim)
        order = 2 if p == "fro" else p
        return dnp.linalg.vector_norm(x, axis=axes, ord=order, keepdims=keepdim)

    return apply("LinalgVectorNormBackward0", f, input)
