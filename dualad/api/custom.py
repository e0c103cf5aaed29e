"""Rules of the user's own: custom_jvp, custom_vjp, checkpoint."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.api.branched import branched
from dualad.api.control import code
from dualad.api.derivatives import jvp, linear_transpose, pull_within, vjp, within
from dualad.api.repeated import recording
from dualad.api.transform import match, outputs
from dualad.core.deferred import settled
from dualad.core.errors import ArgumentError, NotDifferentiable
from dualad.core.level import GROUND
from dualad.core.tensor import Tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.checkpointed import parse_bytes
from dualad.native.captured import contents, copied
from dualad.ops.kinds import Unregistered, zeros_like


class _Call(Unregistered):
    """One call of a function with rules of its own, as a primitive that lives as long as the call's tape."""

    kind = "custom"

    def __init__(self, name: str, impl: Any, jvp: Any, vjp: Any, keep: str = "xy") -> None:
        super().__init__(name, lambda *args: impl(*[settled(a) for a in args]), jvp, vjp, keep=keep)

    def batch(self, args: Any, batched: Any, size: int, params: Any) -> Any:
        return _batched(self, tuple(0 if b else None for b in batched))(*args)


def _batched(call: _Call, axes: tuple[Any, ...]) -> _Call:
    from dualad.api.batching import vmap

    def run(*args: Any) -> Any:
        return tuple(vmap(lambda *a: list(call.impl(*a)), axes)(*args))

    def push(ts: Any, y: Any, *args: Any) -> Any:
        given = tuple(i for i, t in enumerate(ts) if t is not None)

        def one(ys: Any, xs: Any, own: Any) -> Any:
            full: list[Any] = [None] * len(ts)
            for i, t in zip(given, own, strict=True):
                full[i] = t
            return list(call.jvp(full, tuple(ys), xs, {}))

        return tuple(
            vmap(one, (0, tuple(axes), [axes[i] for i in given]))(list(y), tuple(args), [ts[i] for i in given])
        )

    def pull(g: Any, need: Any, y: Any, *args: Any) -> Any:
        gs = [zeros_like(v) if c is None else c for c, v in zip(g, y, strict=True)]

        def one(gs: Any, ys: Any, xs: Any) -> Any:
            cts = call.vjp(gs, need, tuple(ys), xs, {})
            return [zeros_like(x) if c is None else c for c, x in zip(cts, xs, strict=True)]

        rows = vmap(one, (0, 0, tuple(axes)))(gs, list(y), tuple(args))
        return tuple(r.sum(0) if a is None else r for r, a in zip(rows, axes, strict=True))

    return _Call(call.name, run, push, pull)


class _Custom:
    """A function with a derivative rule of its own; wraps the function's name, signature and docstring."""

    def __init__(self, f: Callable[..., Any], nondiff_argnums: Any = ()) -> None:
        if not callable(f):
            raise ArgumentError(f"{type(self).__name__} needs a function, got {type(f).__name__}.")
        functools.update_wrapper(self, f)
        self.__name__: str = getattr(f, "__name__", type(f).__name__)
        self.f = f
        self.nondiff = tuple(nondiff_argnums)
        self._jvp: Callable[..., Any] | None = None
        self._vjp: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the forward rule: ``rule(*nondiff, primals, tangents) -> (out, tangent)``, linear in the tangents."""
        self._jvp = rule
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Set one rule per argument, ``rule(tangent, out, *primals)``; None for zero."""

        def rule(primals: Any, tangents: Any) -> Any:
            out = self(*primals)
            total: Any = None
            for r, t in zip(rules, tangents, strict=True):
                if r is not None:
                    part = r(t, out, *primals)
                    total = part if total is None else total + part
            return out, zeros_like(out) if total is None else total

        self._jvp = rule

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the reverse rule: ``fwd(*args) -> (out, residuals)``, ``bwd(*nondiff, residuals, ct) -> cotangents``."""
        self._vjp = fwd, bwd

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            try:
                bound = inspect.signature(self.f).bind(*args, **kwargs)
            except TypeError as e:
                raise ArgumentError(f"{self.__name__}: {e}.") from None
            bound.apply_defaults()
            if bound.kwargs:
                raise ArgumentError(
                    f"{self.__name__}: keyword-only arguments {sorted(bound.kwargs)} cannot have a custom rule."
                )
            args = bound.args
        if self._jvp is None and self._vjp is None:
            kind = type(self).__name__
            raise NotDifferentiable(
                f"{self.__name__} is a {kind} without a rule. Add one with {self.__name__}.def{kind[7:]}."
            )
        nondiff = {i % len(args): args[i] for i in self.nondiff}
        trees = [a for i, a in enumerate(args) if i not in nondiff]
        fixed = [args[i % len(args)] for i in self.nondiff]
        leaves, shape = flatten(trees)
        leaves = [x if type(x) is Tensor else _array(x, self.__name__) for x in leaves]
        if not any(type(x) is Tensor for x in leaves):
            return self.f(*args, **kwargs)
        structure: list[Any] = [None]
        # The rules refer to each other, a cycle: they hold on to structures and counts, not to tensors and their tapes.
        count = len(args)
        parts = [(s, len(own)) for own, s in map(flatten, trees)]

        def whole(own: Any) -> list[Any]:
            it = iter(unflatten(shape, list(own)))
            return [nondiff[i] if i in nondiff else next(it) for i in range(count)]

        memo: list[Any] = []  # the arrays of the last evaluation, and its residuals

        def run(*own: Any) -> Any:
            if self._vjp is None or any(type(x) is Tensor for x in own):
                out = self.f(*whole(own))
            else:
                out, residuals = self._vjp[0](*whole(own))
                memo[:] = own, residuals
            ys, structure[0] = outputs(out, self.__name__)
            return tuple(ys)

        def push(ts: Any, y: Any, *own: Any) -> Any:
            ts = [zeros_like(x) if t is None else t for t, x in zip(ts, own, strict=True)]
            if self._jvp is None:
                return _push_by_vjp(pull, ts, y, own)
            primals, tangents = tuple(unflatten(shape, list(own))), tuple(unflatten(shape, list(ts)))
            result = self._jvp(*fixed, primals, tangents)
            if not isinstance(result, tuple) or len(result) != 2:
                raise ArgumentError(f"the jvp rule of {self.__name__} must return a pair (out, tangent).")
            return tuple(
                match(result[1], y, structure[0], f"the tangent from the rule of {self.__name__}", "its output")
            )

        def pull(g: Any, need: Any, y: Any, *own: Any) -> Any:
            gs = [zeros_like(v) if c is None else c for c, v in zip(g, y, strict=True)]
            if self._vjp is None:
                moving = [i for i, x in enumerate(own) if x.dtype.kind in "fc"]

                def forward(*ts: Any) -> Any:
                    full: list[Any] = [None] * len(own)
                    for i, t in zip(moving, ts, strict=True):
                        full[i] = t
                    return list(push(full, y, *own))

                cts: list[Any] = [None] * len(own)
                found = linear_transpose(forward, *[own[i] for i in moving])(gs)
                for i, c in zip(moving, found, strict=True):
                    cts[i] = c
                return cts
            fwd, bwd = self._vjp
            if memo and all(a is b for a, b, n in zip(own, memo[0], need, strict=True) if n):
                residuals = memo[1]
            else:  # the values are tensors of another level, through which the rule is differentiated
                _, residuals = fwd(*whole(own))
            found = bwd(*fixed, residuals, unflatten(structure[0], gs))
            if not isinstance(found, tuple) or len(found) != len(parts):
                raise ArgumentError(
                    f"the vjp rule of {self.__name__} must return a tuple of {len(parts)} cotangents, one per "
                    f"differentiable argument; it returned {type(found).__name__}"
                    f"{f' of length {len(found)}' if isinstance(found, tuple) else ''}."
                )
            return _cotangents(found, parts, own, self.__name__)

        call = _Call(self.__name__, run, push, pull)
        ys = call(*leaves)
        return unflatten(structure[0], list(ys))


def _array(x: Any, name: str) -> Any:
    a = np.asarray(x)[()]
    if a.dtype.kind not in "biufc":
        raise ArgumentError(
            f"{name}: an argument of type {type(x).__name__} is no array. List its position in nondiff_argnums."
        )
    return a


def _cotangents(found: Any, parts: Any, own: Any, name: str) -> list[Any]:
    out: list[Any] = []
    k = 0
    for i, (c, (structure, n)) in enumerate(zip(found, parts, strict=True)):
        if c is None:
            out += [None] * n
        else:
            out += match(c, own[k : k + n], structure, f"cotangent {i} from the rule of {name}", f"argument {i}")
        k += n
    return out


def _push_by_vjp(pull: Any, ts: Any, y: Any, own: Any) -> Any:
    """Forward from reverse: the pullback is linear in its cotangent, and its transpose is the pushforward."""
    moving = [i for i, x in enumerate(own) if x.dtype.kind in "fc"]

    def back(*gs: Any) -> Any:
        cts = pull(list(gs), [True] * len(own), y, *own)
        return [zeros_like(own[i]) if cts[i] is None else cts[i] for i in moving]

    return linear_transpose(back, *y)([ts[i] for i in moving])


class custom_jvp(_Custom):
    """A function whose derivative is given by a jvp rule; reverse mode follows by transposing it.

    ``nondiff_argnums`` are passed to the rule first, unchanged. A ``defvjp`` rule may be added; then reverse mode uses it.

    >>> import numpy as np
    >>> from dualad import custom_jvp, grad
    >>> @custom_jvp
    ... def softplus(x):
    ...     return np.log1p(np.exp(x))
    >>> @softplus.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return softplus(x), t / (1 + np.exp(-x))
    >>> float(grad(softplus)(0.0))
    0.5
    """


class custom_vjp(_Custom):
    """A function whose derivative is given by a vjp rule; forward mode follows by transposing it where it is linear.

    >>> import numpy as np
    >>> from dualad import custom_vjp, grad
    >>> @custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda residuals, g: (np.clip(g, -1, 1),))
    >>> float(grad(lambda x: 10 * clipped(x))(2.0))
    1.0
    """


def checkpoint(f: Callable[..., Any], memory: int | str | None = None) -> Callable[..., Any]:
    """``f``, recomputed on the way back instead of kept on the tape: less memory for about one more evaluation.

    The value and all derivatives are those of ``f``, also in tensors that ``f`` captures as a closure (what functions that it
    calls capture must be passed as an argument). ``f`` must be pure: it is run again in the backward pass. With ``memory``
    (bytes, or a text such as "200MB") that pass keeps checkpoints within the budget, as ``grad(f, memory=...)`` does;
    without, the tape of one call of ``f``.

    Raises ``ArgumentError`` on the way back where the budget cannot be kept, and says the least that does.

    >>> import numpy as np
    >>> from dualad import checkpoint, grad
    >>> float(grad(checkpoint(lambda x: np.sin(np.sin(x))))(0.0))
    1.0
    """
    if not callable(f):
        raise ArgumentError(f"checkpoint needs a function, got {type(f).__name__}.")
    budget = None if memory is None else parse_bytes(memory)

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, shape = flatten((args, kwargs, _captured(f)))
        arrays = [i for i, x in enumerate(leaves) if type(x) is Tensor or isinstance(x, np.ndarray)]
        if not any(type(x) is Tensor for x in leaves):
            return f(*args, **kwargs)
        key = ("checkpoint", code(f))
        if budget is None and recording(key):  # the only branch: a derivative goes through it anew
            return branched(np.int64(0), [lambda a, k: f(*a, **k)], (args, kwargs), key)
        structure: list[Any] = [None]
        static = [None if i in arrays else x for i, x in enumerate(leaves)]

        def run(*own: Any) -> Any:
            full = list(static)
            for i, x in zip(arrays, own, strict=True):
                full[i] = x
            a, k, captured = unflatten(shape, full)
            ys, structure[0] = outputs(_capturing(f, captured)(*a, **k), "checkpoint")
            return tuple(ys)

        def floats(own: Any) -> list[int]:
            return [i for i, x in enumerate(own) if x.dtype.kind in "fc"]

        def of(own: Any) -> Any:
            def h(*moved: Any) -> Any:
                full = list(own)
                for i, x in zip(floats(own), moved, strict=True):
                    full[i] = x
                return list(run(*full))

            return h

        def push(ts: Any, y: Any, *own: Any) -> Any:
            where = floats(own)
            moved = tuple(own[i] for i in where)
            return tuple(jvp(of(own), moved, tuple(zeros_like(own[i]) if ts[i] is None else ts[i] for i in where))[1])

        def pull(g: Any, need: Any, y: Any, *own: Any) -> Any:
            where = floats(own)
            gs = [zeros_like(v) if c is None else c for c, v in zip(g, y, strict=True)]
            cts: list[Any] = [None] * len(own)
            moved = [own[i] for i in where]
            if budget is None:
                found = vjp(of(own), *moved)[1](gs)
            else:
                found = within(budget, lambda most: pull_within(of(own), moved, gs, most))
            for i, c in zip(where, found, strict=True):
                cts[i] = c
            return cts

        call = _Call("checkpoint", run, push, pull, keep="x")
        ys = call(*[leaves[i] for i in arrays])
        return unflatten(structure[0], list(ys))

    return wrapped


def _captured(f: Any) -> dict[str, Any]:
    """What a function captures that has tensors in it, by name."""
    if not isinstance(f, types.FunctionType):
        return {}
    values = {name: contents(c) for name, c in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)}
    moving = lambda x: type(x) is Tensor and x.level is not GROUND
    return {name: v for name, v in values.items() if any(map(moving, flatten(v)[0]))}


def _capturing(f: Any, values: dict[str, Any]) -> Any:
    """The function with other captured values."""
    if not values:
        return f
    cells = zip(f.__code__.co_freevars, f.__closure__, strict=True)
    return copied(f, f.__globals__, [types.CellType(values[n]) if n in values else c for n, c in cells])
