"""Primitive, and ``bind``: the one doorway through which every differentiable operation passes.

This is the only hot file: ``Unary`` and ``Binary`` are ``bind`` specialised by arity. The argument
with the highest level decides; with no tensor among the arguments, NumPy is called.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from dualad.core.deferred import Deferred
from dualad.core.errors import DtypeError, DualadError, ShapeError
from dualad.core.tensor import Tensor

REGISTRY: dict[str, Primitive] = {}
"""Every primitive by name; the tests walk it."""

NUMPY: dict[Any, Callable[..., Any]] = {}
"""NumPy (and SciPy) functions -> what dualad runs for them when a tensor is among the arguments."""

_PLAIN = frozenset(
    {np.ndarray, float, int, complex, bool, np.float64, np.float32, np.int64, np.complex128, np.complex64, np.bool_, Deferred}
)  # fmt: skip


class Primitive:
    """One differentiable operation: the record that the kinds (``ops/kinds.py``) fill.

    ``impl`` computes with NumPy, and so does ``run``, where at least one argument is a NumPy value: Python's operators take a
    tenth of a ufunc's time on scalars. ``keep`` says what a tape must retain for the derivative: ``"x"`` the
    inputs, ``"y"`` the output. Everything else is what a kind derives: ``jvp``, ``vjp``, ``batch``, ``taylor``.
    """

    kind = "?"
    partials: Any  # of elementwise primitives, with the product that suits them and whether they make complex real
    times: Any
    direct: Any = None  # of one argument: the partial on arrays alone
    product = False  # elementwise, each partial being the other argument
    to_real = False
    elementwise = False  # asked on each call: an attribute is found faster than a class is tested
    constant = False  # derivative is zero everywhere: lean tapes don't record it
    multiple = False  # returns a tuple
    singular = False  # a partial can be infinite: zero tangents and cotangents are strong
    accumulates = False  # can add to cotangents in place (``accumulate``)
    later: Any = None  # the results as ``Deferred``, or None, where computing them may be put off
    along: Any = (
        None  # forward mode's chance to choose, of several equally good values, the one that suits the tangents
    )

    def __init__(
        self,
        name: str,
        impl: Callable[..., Any],
        *,
        keep: str = "",
        operator: str | None = None,
        numpy: Any = None,
        batch: Any = None,
        taylor: Any = None,
        sparsity: Any = None,
        lower: Any = None,
        samples: Any = None,
        source: str = "",
        unsupported: str | None = None,
    ) -> None:
        if name in REGISTRY:
            raise ValueError(f"primitive {name!r} exists already; names are unique")
        self.name = name
        self.impl = impl
        self.run = impl
        self.keep = keep
        self.keep_x = "x" in keep
        self.keep_y = "y" in keep
        self.operator = operator
        self.batch_rule = batch
        self.taylor_rule = taylor
        self.sparsity_rule = sparsity
        self.lower = lower
        self.samples = samples
        self.source = source
        self.unsupported = unsupported
        self.__name__ = self.__qualname__ = name
        self.__doc__ = f"dualad primitive `{name}` ({self.kind})." + (f" Source: {source}." if source else "")
        REGISTRY[name] = self
        for f in numpy if isinstance(numpy, (tuple, list)) else () if numpy is None else (numpy,):
            NUMPY[f] = self
        if operator is not None:
            _install_operator(self, operator)

    def __call__(self, *args: Any, **params: Any) -> Any:
        return bind(self, args, params)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    def __reduce__(self) -> Any:
        return (_by_name, (self.name,))

    def needs(self, parents: Sequence[Any]) -> Sequence[bool]:
        """Of which arguments the value must be kept, when those with a parent are tracked."""
        raise NotImplementedError

    # What the kinds derive -------------------------------------------------------------------

    def jvp(self, ts: Sequence[Any], y: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Output tangent from input tangents (None: zero)."""
        raise NotImplementedError

    def vjp(self, g: Any, need: Sequence[bool], y: Any, args: Sequence[Any], params: dict[str, Any]) -> Sequence[Any]:
        """Input cotangents, one per argument (None: zero or not needed), from the output's."""
        raise NotImplementedError

    def batch(self, args: Sequence[Any], batched: Sequence[bool], size: int, params: dict[str, Any]) -> Any:
        """Apply to arguments whose axis 0 is a batch where ``batched``; the result has the batch on axis 0."""
        raise NotImplementedError

    def depends(self, i: int, y: tuple[int, ...], args: Sequence[Any], params: dict[str, Any]) -> Any:
        """On which elements of argument ``i`` each element of an output of shape ``y`` depends: see ops/dependence.py."""
        raise NotImplementedError

    def taylor(self, series: Sequence[Any], order: int, params: dict[str, Any]) -> Any:
        """Taylor coefficients of the output, or None: then the mode integrates ``jvp``."""
        return None


def _by_name(name: str) -> Primitive:
    return REGISTRY[name]


class Unary(Primitive):
    """Calls with one array and no parameters."""

    def __call__(self, x: Any, **keywords: Any) -> Any:
        if keywords:
            return call_as_ufunc(self, (x,), keywords)
        if type(x) is Tensor:
            return x.level.bind1(self, x)
        if type(x) not in _PLAIN:
            x = plain(x)
            if type(x) is Tensor:
                return self(x)
        return self.impl(x)


class Binary(Primitive):
    """Calls with two arrays and no parameters."""

    def __call__(self, a: Any, b: Any, **keywords: Any) -> Any:
        if keywords:
            return call_as_ufunc(self, (a, b), keywords)
        if type(a) is Tensor:
            if type(b) is Tensor:
                la = a.level
                lb = b.level
                try:
                    return la.bind2(self, a, b) if la is lb or la.id > lb.id else lb.bind2(self, a, b)
                except ValueError as e:
                    raise explained(e, self, a, b) from None
            if type(b) not in _PLAIN:
                b = plain(b)
                if type(b) is Tensor:
                    return self(a, b)
            try:
                return a.level.bind2(self, a, b)
            except ValueError as e:
                raise explained(e, self, a, b) from None
        if type(b) is Tensor:
            if type(a) not in _PLAIN:
                a = plain(a)
                if type(a) is Tensor:
                    return self(a, b)
            try:
                return b.level.bind2(self, a, b)
            except ValueError as e:
                raise explained(e, self, a, b) from None
        if type(a) not in _PLAIN or type(b) not in _PLAIN:
            a, b = plain(a), plain(b)
            if type(a) is Tensor or type(b) is Tensor:
                return self(a, b)
        return self.impl(a, b)


def bind(prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Apply ``prim``: the argument with the highest level decides the mode."""
    top = None
    strange = False
    for a in args:
        if type(a) is Tensor:
            if top is None or a.level.id > top.id:
                top = a.level
        elif type(a) not in _PLAIN:
            strange = True
    if top is None:
        return prim.impl(*args, **params)
    if strange:
        args = [a if type(a) is Tensor else plain(a) for a in args]
        if any(type(a) is Tensor and a.level.id > top.id for a in args):
            return bind(prim, args, params)
    return top.bind(prim, tuple(args), params)


def call_as_ufunc(prim: Primitive, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """NumPy's ufunc keywords; installed by ``dualad.numpy`` (which is above this floor)."""
    return UFUNC_KEYWORDS[0](prim, args, keywords)


UFUNC_KEYWORDS: list[Callable[..., Any]] = []
SEQUENCE: list[Callable[[Any], Any]] = []  # how a list with tensors in it becomes one tensor


def plain(x: Any) -> Any:
    """An operand that is no tensor, as NumPy would take it: lists become arrays, objects are refused."""
    t = type(x)
    if t in _PLAIN or t is Tensor:
        return x
    if isinstance(x, (list, tuple)) and SEQUENCE and holds_tensor(x):
        return SEQUENCE[0](x)
    if hasattr(x, "__dualad_tensor__"):
        return x.__dualad_tensor__()
    a = np.asarray(x)
    if a.dtype == object:
        raise DtypeError(
            f"an operand of type {t.__name__} is not numeric (NumPy would make it dtype=object). "
            "Pass numbers or numeric arrays."
        )
    return a if isinstance(x, (list, tuple, np.ndarray)) or a.ndim else a[()]


def explained(e: ValueError, prim: Primitive, a: Any, b: Any) -> ValueError:
    """NumPy's complaint about shapes as dualad's; anything else as it is."""
    if isinstance(e, DualadError) or "broadcast" not in str(e):
        return e
    return ShapeError(
        f"{prim.name}: shapes {shape_of(a)} and {shape_of(b)} do not broadcast: axes, counted from the last, must be "
        "equal or 1. Insert axes with x[:, None]."
    )


def shape_of(x: Any) -> tuple[int, ...]:
    return x.shape if type(x) is Tensor else np.shape(x)


def refuse_objects(y: Any) -> NoReturn:
    raise DtypeError("an operand has dtype object, through which nothing can be differentiated. Pass a numeric array.")


def holds_tensor(x: Any) -> bool:
    """Whether a (nested) list or tuple has a tensor in it."""
    stack = [x]
    while stack:
        v = stack.pop()
        if type(v) is Tensor:
            return True
        if isinstance(v, (list, tuple)):
            stack.extend(v)
    return False


_DUNDER = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow", "@": "matmul",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne", "&": "and", "|": "or", "^": "xor",
    "<<": "lshift", ">>": "rshift",
    "neg": "neg", "abs": "abs", "invert": "invert",
}  # fmt: skip
_AS_UFUNC = {"+", "-", "*", "/", "**", "neg"}
_COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}


def _install_operator(prim: Primitive, operator: str) -> None:
    name = _DUNDER[operator]
    if operator in _AS_UFUNC:
        prim.run = getattr(operators, name)
    if operator in ("neg", "abs", "invert"):
        setattr(Tensor, f"__{name}__", lambda x: x.level.bind1(prim, x))
        return

    # A function is found faster than a callable object, so the operators inline Binary.__call__'s common case.
    def forward(a: Any, b: Any) -> Any:
        if a.level is b.level if type(b) is Tensor else type(b) in _PLAIN:
            try:
                return a.level.bind2(prim, a, b)
            except ValueError as e:
                raise explained(e, prim, a, b) from None
        return NotImplemented if _defers(b) else prim(a, b)

    setattr(Tensor, f"__{name}__", forward)
    if operator not in _COMPARISONS:

        def reflected(b: Any, a: Any) -> Any:
            if type(a) in _PLAIN:
                try:
                    return b.level.bind2(prim, a, b)
                except ValueError as e:
                    raise explained(e, prim, a, b) from None
            return NotImplemented if _defers(a) else prim(a, b)

        setattr(Tensor, f"__r{name}__", reflected)


def _defers(x: Any) -> bool:
    """Operands that are not arrays and have their own say (strings, None, foreign tensors)."""
    return x is None or isinstance(x, (str, bytes, dict, set)) or hasattr(x, "__dualad_tensor__")
