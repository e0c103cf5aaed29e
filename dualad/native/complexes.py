"""Complex numbers as pairs of real ones: the machine code knows none.

A segment's complex values become two real values each before it is scheduled. In memory a complex array is a real one with a
last axis of 2, so that reading a part of it is an index, which vanishes in the addresses, and a result is its parts joined.
The formulas are those of NumPy's scalars, term by term, without fused operations.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.primitive import REGISTRY
from dualad.core.spec import Spec
from dualad.native import schedule
from dualad.native.elementwise import TYPES
from dualad.native.graph import Builder, Guard, Value, frozen

REAL = {np.dtype(np.complex128): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.float32)}
LARGE = 512  # multiplications: from here on a product is left to BLAS
FORMED = 16  # exponents up to which NumPy multiplies, and so do we
FULL = slice(None)
KNOWN = 10_000
_native: dict[Any, bool] = {}  # of operations by all that decides it, whether they become native ones


def in_memory(dtype: Any) -> bool:
    """Whether native code can be given arrays of a dtype."""
    return dtype in TYPES or dtype in REAL


def is_complex(v: Value) -> bool:
    return v.dtype.kind == "c" if v.dtype is not None else type(v.data) is complex


def concerns(v: Value) -> bool:
    """Whether a value or an operand is complex."""
    return is_complex(v) or any(is_complex(a) for a in v.args if a.dtype is not None or a.op == "constant")


def kind_of(v: Value) -> str | None:
    """``schedule.kind_of``, for complex values too: ``movement`` or ``complex`` where they become real ones."""
    if v.op != "call" or v.prim is None or v.prim.multiple or not concerns(v):
        return schedule.kind_of(v)
    if any(a.dtype is not None and not in_memory(a.dtype) for a in v.args) or not in_memory(v.dtype):
        return None
    name = v.prim.name
    if name not in RULES or (name == "power" and _exponent(v) is None):
        return None
    operands = tuple([(a.op == "constant", a.shape, a.dtype) for a in v.args])
    key = (name, v.shape, v.dtype, operands, frozen(tuple(v.params.items())))
    if key not in _native:
        if len(_native) > KNOWN:
            _native.clear()
        _native[key] = _becomes_native(v)
    if not _native[key]:
        return None
    return "movement" if name in schedule.MOVEMENTS else "complex"


def _becomes_native(v: Value) -> bool:
    try:
        Lowering([v], list(dict.fromkeys([a for a in v.args if a.op != "constant"]))).finish([v], [])
    except Unsuited:
        return False
    return True


class Unsuited(Exception):
    """There is an operation among the real ones that is not native."""


class Pair:
    """A complex value as two real ones of its shape; ``whole``: in memory, where it is there anyhow."""

    __slots__ = ("im", "re", "whole")

    def __init__(self, re: Value, im: Value, whole: Value | None = None) -> None:
        self.re, self.im, self.whole = re, im, whole


class Lowering(Builder):
    """The values of a segment as real ones. What the segment shares with others keeps its number: complex arguments and
    results are there as real arrays with a last axis of 2."""

    def __init__(self, values: Sequence[Value], inputs: Sequence[Value]) -> None:
        super().__init__()
        self.inputs = list(inputs)
        self.given: dict[int, Value] = {}
        self.env: dict[int, Value | Pair] = {}
        self.kinds: dict[int, str] = {}  # of what has no counterpart among real operations
        for v in inputs:
            if not is_complex(v):
                self.given[v.index] = self.env[v.index] = self.add(Value("input", v.shape, v.dtype, v.data))
                continue
            real = REAL[v.dtype]
            whole = self.given[v.index] = self.add(Value("input", (*v.shape, 2), real, v.data))
            self.env[v.index] = self.parted(whole)
        for v in values:
            self.env[v.index] = self._lowered(v)

    def finish(self, outputs: Sequence[Value], guards: Sequence[Guard]) -> tuple[Any, ...]:
        """Values, their kinds, inputs, outputs and guards."""
        ends: dict[int, Value] = {}
        for v in outputs:
            ends[v.index] = self._end(self.env[v.index], list(ends.values()))
        held = []
        for g in guards:
            y = self.env[g.value.index]
            g = copy.copy(g)
            g.value = self._truth(y) if isinstance(y, Pair) else y
            if g.value.op == "constant":
                g.value = self._alone(g.value)
            held.append(g)
        alive = {v.index for v in [*ends.values(), *[g.value for g in held]]}
        for v in reversed(self.values):
            if v.index in alive:
                alive.update(a.index for a in v.args)
        values = [v for v in self.values if v.index in alive and v.op == "call"]
        kinds: list[str] = []
        for v in values:
            kind = self.kinds.get(v.index) or schedule.kind_of(v)
            if kind is None:
                raise Unsuited(v.name)
            kinds.append(kind)
        # Numbers of their own, beyond all that the segment has.
        own = {id(v): k for k, v in [*ends.items(), *self.given.items()]}
        beyond = 1 + max([0, *self.env, *own.values()])
        for k, v in enumerate(self.values):
            v.index = own.get(id(v), beyond + k)
        named = {v.index: kind for v, kind in zip(values, kinds, strict=True)}
        return values, named, [self.given[v.index] for v in self.inputs], [ends[v.index] for v in outputs], held

    def _end(self, y: Value | Pair, others: Sequence[Value]) -> Value:
        """The value in memory, which nothing else is and no argument."""
        whole = y.whole if isinstance(y, Pair) else y
        free = whole is not None and whole.op == "call" and not any(whole is z for z in others)
        if isinstance(y, Pair):  # what is a view is no result
            return whole if free and whole is not None and whole.index in self.kinds else self.joined(y)
        return y if free else self._alone(y)

    def _alone(self, y: Value) -> Value:
        """A value that is a result and nothing else."""
        name = "stop_gradient"
        return self.add(Value("call", y.shape, np.dtype(y.dtype), None, REGISTRY[name], (y,)))

    def _special(self, kind: str, name: str, shape: tuple[int, ...], args: Any, params: Any) -> Value:
        v = self.add(Value("call", shape, args[0].dtype, None, REGISTRY[name], args, params))
        self.kinds[v.index] = kind
        return v

    def joined(self, y: Pair) -> Value:
        """A complex array in memory."""
        r = len(y.re.shape)
        return self._special("join", "stack", (*y.re.shape, 2), (y.re, y.im), {"axis": r})

    def parted(self, whole: Value) -> Pair:
        shape = whole.shape[:-1]
        lead = (FULL,) * len(shape)
        re, im = (self.do("index", (whole,), shape, whole.dtype, template=(*lead, k)) for k in range(2))
        return Pair(re, im, whole)

    def product(self, a: Pair, b: Pair, shape: tuple[int, ...]) -> Pair:
        """A matrix product by BLAS, which knows complex numbers."""
        for x in (a, b):
            x.whole = x.whole or self.joined(x)
        return self.parted(self._special("matmul", "matmul", (*shape, 2), (a.whole, b.whole), {"pairs": True}))

    def _lowered(self, v: Value) -> Value | Pair:
        assert v.prim is not None
        if not concerns(v):
            args = tuple([self.real(a) for a in v.args])
            return self.instruction(v.prim, args, Spec(v.shape, v.dtype), v.params)
        out = RULES[v.name](self, v)
        if isinstance(out, Pair):
            return Pair(self._fitted(out.re, v.shape), self._fitted(out.im, v.shape), out.whole)
        return self._fitted(out, v.shape)

    # Operands ---------------------------------------------------------------------------------

    def real(self, a: Value) -> Value:
        """An operand that is real."""
        if a.op != "constant":
            y = self.env[a.index]
            assert isinstance(y, Value)
            return y
        return self.constant(a.data)

    def pair(self, a: Value, dtype: Any) -> Pair:
        """An operand as a pair of values of a real dtype, as NumPy converts it."""
        if a.op == "constant":
            data = np.asarray(a.data)
            re, im = (np.array(x, dtype)[()] for x in (data.real, data.imag))
            return Pair(self._constant((a.index, "re", dtype), re), self._constant((a.index, "im", dtype), im))
        y = self.env[a.index]
        if isinstance(y, Pair):
            return y if y.re.dtype == dtype else Pair(self.cast(y.re, dtype), self.cast(y.im, dtype))
        return Pair(self.cast(y, dtype), self.constant(dtype.type(0)))

    def _constant(self, key: Any, x: Any) -> Value:
        v = self._known.get(key)
        if v is None:
            v = self._known[key] = self.constant(x)
        return v

    def cast(self, x: Value, dtype: Any) -> Value:
        if x.dtype == dtype:
            return x
        return self.do("cast_constant", (x,), x.shape, dtype, dtype=dtype)

    def _fitted(self, x: Value, shape: tuple[int, ...]) -> Value:
        if x.shape == shape:
            return x
        if x.op != "constant" or x.size != 1:
            return self.do("broadcast_to", (x,), shape, x.dtype, shape=shape)
        key = (x.index, "fitted", shape)  # one number, which is not to become an array
        if key not in self._known:
            self._known[key] = self._special("movement", "broadcast_to", shape, (x,), {"shape": shape})
        return self._known[key]

    def filled(self, p: Pair) -> Pair:
        """Both parts of the shape of the first."""
        return p if p.im.shape == p.re.shape else Pair(p.re, self._fitted(p.im, p.re.shape))

    # Operations -------------------------------------------------------------------------------

    def of(self, name: str, *xs: Any, dtype: Any = None) -> Value:
        """An elementwise operation, of the dtype of its last operand."""
        values = [x if isinstance(x, Value) else self.constant(x) for x in xs]
        if name == "where" and values[0].op == "constant" and values[0].size == 1:
            return values[1 if values[0].data else 2]
        shape = np.broadcast_shapes(*[x.shape for x in values])
        return self.do(name, values, shape, values[-1].dtype if dtype is None else dtype)

    def test(self, name: str, *xs: Any) -> Value:
        return self.of(name, *xs, dtype=np.dtype(bool))

    def times(self, a: Pair, b: Pair) -> Pair:
        re = self.of("subtract", self.of("multiply", a.re, b.re), self.of("multiply", a.im, b.im))
        return Pair(re, self.of("add", self.of("multiply", a.re, b.im), self.of("multiply", a.im, b.re)))

    def over(self, a: Pair, b: Pair) -> Pair:
        """Smith's quotient; by zero, infinite or NaN."""
        t = b.re.dtype.type
        first = self.test("greater_equal", self.of("absolute", b.re), self.of("absolute", b.im))
        zero = self.zero(b)
        big, small = self.of("where", first, b.re, b.im), self.of("where", first, b.im, b.re)
        ratio = self.of("divide", small, big)
        scale = self.of("divide", t(1), self.of("add", big, self.of("multiply", small, ratio)))
        p, q = self.of("where", first, a.re, a.im), self.of("where", first, a.im, a.re)
        re = self.of("multiply", self.of("add", p, self.of("multiply", q, ratio)), scale)
        turned = self.of("multiply", p, ratio)
        im = self.of("where", first, self.of("subtract", q, turned), self.of("subtract", turned, q))
        im = self.of("multiply", im, scale)
        inf = t(math.inf)  # a product with it is the quotient by zero
        return Pair(*[
            self.of("where", zero, self.of("multiply", x, inf), y) for x, y in ((a.re, re), (a.im, im))
        ])  # fmt: skip

    def zero(self, a: Pair) -> Value:
        t = a.re.dtype.type
        return self.test("logical_and", self.test("equal", a.re, t(0)), self.test("equal", a.im, t(0)))

    def _truth(self, a: Pair) -> Value:
        t = a.re.dtype.type
        return self.test("logical_or", self.test("not_equal", a.re, t(0)), self.test("not_equal", a.im, t(0)))

    def truth(self, a: Value) -> Value:
        return self._truth(self.pair(a, _real_dtype(a))) if is_complex(a) else self.real(a)

    def choose(self, c: Value, a: Pair, b: Pair) -> Pair:
        return Pair(self.of("where", c, a.re, b.re), self.of("where", c, a.im, b.im))

    def number(self, re: float, im: float, dtype: Any) -> Pair:
        return Pair(self.constant(dtype.type(re)), self.constant(dtype.type(im)))


def _real_dtype(*xs: Value) -> Any:
    """The dtype of the parts where operands come together."""
    found = np.result_type(*[x.data if x.dtype is None else x.dtype for x in xs])
    return REAL.get(found, found)


# Rules: from a value with complex operands or a complex result to a pair, or a real value --------------------

Rule = Callable[[Lowering, Value], "Value | Pair"]


def _pairs(f: Callable[..., Any]) -> Rule:
    """Of pairs, all in the dtype to which they are brought."""

    def rule(to: Lowering, v: Value) -> Value | Pair:
        dtype = REAL[v.dtype] if v.dtype in REAL else _real_dtype(*v.args)
        out: Value | Pair = f(to, *[to.pair(a, dtype) for a in v.args])
        return out

    return rule


def _each(name: str) -> Rule:
    """The same of both parts."""
    return _pairs(lambda to, *xs: Pair(to.of(name, *[x.re for x in xs]), to.of(name, *[x.im for x in xs])))


def _strong_multiply(to: Lowering, a: Pair, b: Pair) -> Pair:
    zero = to.test("logical_or", to.zero(a), to.zero(b))
    none = to.number(0, 0, a.re.dtype)
    return to.times(to.choose(zero, none, a), to.choose(zero, none, b))


def _strong_scale(to: Lowering, v: Value) -> Pair:
    dtype = REAL[v.dtype]
    t, p = [to.pair(a, dtype) for a in v.args]
    b = v.args[1]
    if b.dtype is None and np.isfinite(b.data):  # what a number is times zero, then
        return to.times(t, p)
    return to.times(t, to.choose(to.zero(t), to.number(1, 0, dtype), p))


def _square(to: Lowering, a: Pair) -> Pair:
    return to.times(a, a)


def _reciprocal(to: Lowering, a: Pair) -> Pair:
    t = a.re.dtype.type
    first = to.test("less_equal", to.of("absolute", a.im), to.of("absolute", a.re))
    big, small = to.of("where", first, a.re, a.im), to.of("where", first, a.im, a.re)
    ratio = to.of("divide", small, big)
    d = to.of("add", big, to.of("multiply", small, ratio))
    one = to.of("divide", t(1), d)
    other = to.of("divide", ratio, d)
    return Pair(to.of("where", first, one, other), to.of("negative", to.of("where", first, other, one)))


def _exp(to: Lowering, a: Pair) -> Pair:
    """As C's cexp, in its special values too; e^x is taken in two factors where it would overflow before the products do."""
    t = a.re.dtype.type
    most = t(709 if a.re.dtype == np.float64 else 88)
    over = to.test("greater", a.re, most)
    e = to.of("exp", to.of("where", over, to.of("subtract", a.re, most), a.re))
    scale = to.of("where", over, np.exp(most), t(1))
    c, s = (to.of("multiply", to.of(f, a.im), scale) for f in ("cos", "sin"))
    re, im = to.of("multiply", c, e), to.of("multiply", s, e)
    im = to.of("where", to.test("equal", a.im, t(0)), a.im, im)
    # Where the angle is no number, an infinite real part decides.
    lost = to.test("logical_not", to.test("isfinite", a.im))
    re = to.of("where", to.test("logical_and", lost, to.test("isinf", a.re)), e, re)
    gone = to.test("logical_and", lost, to.test("equal", a.re, t(-math.inf)))
    return Pair(re, to.of("where", gone, to.of("copysign", t(0), a.im), im))


def _sqrt(to: Lowering, a: Pair) -> Pair:
    """As C's csqrt: of scaled numbers where their size overflows or vanishes; the part that would cancel is a quotient."""
    info = np.finfo(a.re.dtype)
    t = a.re.dtype.type
    n = (info.nmant + 2) // 2
    x, y = to.of("absolute", a.re), to.of("absolute", a.im)
    large = to.of("maximum", x, y)
    big, tiny = to.test("greater", large, info.max / t(4)), to.test("less", large, info.tiny * t(2))
    factor = to.of("where", big, t(0.25), to.of("where", tiny, t(4.0**n), t(1)))
    back = to.of("where", big, t(2), to.of("where", tiny, t(0.5**n), t(1)))
    x, y = to.of("multiply", x, factor), to.of("multiply", y, factor)
    first = to.of("sqrt", to.of("multiply", to.of("add", to.of("hypot", x, y), x), t(0.5)))
    second = to.of("multiply", to.of("divide", y, first), t(0.5))
    second = to.of("where", to.test("equal", x, t(0)), first, second)
    first, second = to.of("multiply", first, back), to.of("multiply", second, back)
    right = to.test("greater", a.re, t(0))
    re, im = to.of("where", right, first, second), to.of("where", right, second, first)
    root = Pair(re, to.of("copysign", im, a.im))
    root = to.choose(to.zero(a), Pair(to.constant(t(0)), a.im), root)
    return to.choose(to.test("isinf", a.im), Pair(to.constant(t(math.inf)), a.im), root)


def _exponent(v: Value) -> int | None:
    b = v.args[1]
    if b.op != "constant" or np.shape(b.data) != () or b.data != np.real(b.data):
        return None
    n = np.real(b.data)
    return int(n) if abs(n) <= FORMED and n == int(n) else None


def _power(to: Lowering, v: Value) -> Pair:
    """By whole numbers, with the products that NumPy takes."""
    dtype = REAL[v.dtype]
    a, n = to.pair(v.args[0], dtype), _exponent(v)
    assert n is not None
    one = to.number(1, 0, dtype)
    short = bool(v.args[0].shape) and v.args[1].dtype is None  # what arrays do with ``**``
    if n == 0 or n == 1:
        return (one, a)[n]
    if short and n in (2, -1):
        return to.times(a, a) if n == 2 else _reciprocal(to, a)
    if n in (2, 3):
        out = to.times(a, a)
        out = to.times(a, out) if n == 3 else out
    else:
        out, p, left = one, a, abs(n)
        while True:
            if left & 1:
                out = to.times(out, p)
            left >>= 1
            if not left:
                break
            p = to.times(p, p)
        out = to.over(one, out) if n < 0 else out
    of_zero = to.number(0, 0, dtype) if n > 0 else to.number(math.nan, math.nan, dtype)
    return to.choose(to.zero(a), of_zero, out)


def _where(to: Lowering, v: Value) -> Pair | Value:
    c, *rest = v.args
    if v.dtype not in REAL:
        return to.of("where", to.truth(c), *[to.real(a) for a in rest], dtype=v.dtype)
    return to.choose(to.truth(c), *[to.pair(a, REAL[v.dtype]) for a in rest])


def _convert(to: Lowering, v: Value) -> Pair | Value:
    (a,) = v.args
    if v.dtype in REAL:
        return to.pair(a, REAL[v.dtype])
    return to.cast(to.pair(a, _real_dtype(a)).re, v.dtype)


def _logical(to: Lowering, v: Value) -> Value:
    return to.of(v.name, *[to.truth(a) for a in v.args], dtype=v.dtype)


def _moved(to: Lowering, v: Value) -> Pair:
    """Movements, and other operations that do the same with both parts; indices are not among them."""
    n = len(v.args) if v.name in ("concatenate", "stack") else 2 if v.name == "index_set" else 1
    dtype = REAL[v.dtype]
    parts = [to.filled(to.pair(a, dtype)) for a in v.args[:n]]
    indices = [to.real(a) for a in v.args[n:]]
    re, im = (
        to.do(v.name, [*[getattr(p, part) for p in parts], *indices], v.shape, dtype, **v.params)
        for part in ("re", "im")
    )
    whole = None
    if len(v.args) == 1 and v.name in _OF_PAIRS and parts[0].whole is not None:
        params = _OF_PAIRS[v.name](v)
        whole = to.do(v.name, (parts[0].whole,), (*v.shape, 2), dtype, **params)
    return Pair(re, im, whole)


_OF_PAIRS: dict[str, Callable[[Value], dict[str, Any]]] = {  # the same movement of an array with one axis more
    "transpose": lambda v: {"axes": (*v.params["axes"], len(v.shape))},
    "reshape": lambda v: {"shape": (*v.shape, 2)},
    "index": lambda v: {"template": (*v.params["template"], FULL)},
}


def _any_all(to: Lowering, v: Value) -> Value:
    return to.do(v.name, (to.truth(v.args[0]),), v.shape, v.dtype, **v.params)


def _matmul(to: Lowering, v: Value) -> Pair:
    a, b = v.args
    ranks = len(a.shape), len(b.shape)
    if ranks in ((2, 2), (2, 1), (1, 2)) and v.size * a.shape[-1] >= LARGE:
        left, right = (to.filled(to.pair(x, REAL[v.dtype])) for x in v.args)
        return to.product(left, right, v.shape)
    return _bilinear(to, v)


def _einsum(to: Lowering, v: Value) -> Pair:
    return _moved(to, v) if len(v.args) == 1 else _bilinear(to, v)


def _bilinear(to: Lowering, v: Value) -> Pair:
    if len(v.args) != 2:
        raise Unsuited
    dtype = REAL[v.dtype]
    a, b = [to.filled(to.pair(x, dtype)) for x in v.args]

    def product(x: Value, y: Value) -> Value:
        return to.do(v.name, (x, y), v.shape, dtype, **v.params)

    re = to.of("subtract", product(a.re, b.re), product(a.im, b.im))
    return Pair(re, to.of("add", product(a.re, b.im), product(a.im, b.re)))


RULES: dict[str, Rule] = {
    **{name: _each(name) for name in ("add", "subtract", "negative", "positive", "stop_gradient")},
    "multiply": _pairs(Lowering.times),
    **dict.fromkeys(("divide", "quotient"), _pairs(Lowering.over)),
    "strong_multiply": _pairs(_strong_multiply),
    "strong_scale": _strong_scale,
    "square": _pairs(_square),
    "reciprocal": _pairs(_reciprocal),
    "power": _power,
    "exp": _pairs(_exp),
    "sqrt": _pairs(_sqrt),
    "conjugate": _pairs(lambda to, a: Pair(a.re, to.of("negative", a.im))),
    "real_part": _pairs(lambda to, a: a.re),
    "imag_part": _pairs(lambda to, a: a.im),
    "absolute": _pairs(lambda to, a: to.of("hypot", a.re, a.im)),
    "equal": _pairs(
        lambda to, a, b: to.test("logical_and", to.test("equal", a.re, b.re), to.test("equal", a.im, b.im))
    ),
    "not_equal": _pairs(
        lambda to, a, b: to.test("logical_or", to.test("not_equal", a.re, b.re), to.test("not_equal", a.im, b.im))
    ),
    "isnan": _pairs(lambda to, a: to.test("logical_or", to.test("isnan", a.re), to.test("isnan", a.im))),
    "isinf": _pairs(lambda to, a: to.test("logical_or", to.test("isinf", a.re), to.test("isinf", a.im))),
    "isfinite": _pairs(lambda to, a: to.test("logical_and", to.test("isfinite", a.re), to.test("isfinite", a.im))),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor", "logical_not"), _logical),
    "where": _where,
    **dict.fromkeys(("astype", "cast_constant"), _convert),
    **dict.fromkeys((*sorted(schedule.MOVEMENTS), "sum"), _moved),
    **dict.fromkeys(("any", "all"), _any_all),
    "matmul": _matmul,
    "einsum": _einsum,
}
