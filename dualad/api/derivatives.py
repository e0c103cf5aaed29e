"""The derivatives: jvp, vjp, gradients, linearizations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from dualad.api.hot import pulled
from dualad.api.retraced import retraced
from dualad.api.transform import (
    Argnums,
    Chosen,
    Transform,
    fresh,
    inputs,
    match,
    outputs,
    rebuild,
    with_aux,
)
from dualad.core.errors import ArgumentError, DtypeError, ShapeError, Undetermined, Undirected
from dualad.core.tensor import Tensor, new_tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.forward import ForwardLevel
from dualad.modes.reverse import ReverseLevel, backwards, drain, own, pull
from dualad.ops.kinds import zeros_like

P = ParamSpec("P")
R = TypeVar("R")


def _one(y: Any) -> Any:
    return y.dtype.type(1)


# Reverse --------------------------------------------------------------------------------------


class _Recorded:
    """A function evaluated at a point with its tape, ready to be pulled back."""

    def __init__(self, chosen: Chosen, has_aux: bool, title: str, **kind: Any) -> None:
        leaves, self.shapes = inputs(chosen.values(), chosen.name, **kind)
        self.leaves = leaves
        self.chosen, self.has_aux = chosen, has_aux
        level = ReverseLevel()
        with level:
            tracked = [level.watch(x) for x in leaves]
            self.roots = [t.aux for t in tracked]
            result = retraced(lambda own: chosen.call(rebuild(own, self.shapes)), tracked)
            out, aux = with_aux(result, has_aux, title)
            ys, self.structure = outputs(out, title)
            self.tape = level.tape
            # No tensor is kept: its node would keep alive all that the pullback frees on its way.
            self.indices = [y.aux if type(y) is Tensor and y.level is level else None for y in ys]
            self.values = [_strip(y, level) for y in ys]
            self.aux = _strip_tree(aux, level)

    def pull(self, gs: list[Any], once: bool) -> list[Any]:
        cts: dict[int, Any] = {}
        for i, g in zip(self.indices, gs, strict=True):
            if i is not None:
                cts[i] = cts[i] + g if i in cts else g
        try:
            pull(drain(self.tape) if once else backwards(self.tape), cts)
        except (Undetermined, Undirected) as error:
            from dualad.api.confluent import pulled

            return pulled(self.chosen, self.leaves, gs, self.shapes, self.has_aux, error)
        return [zeros_like(x) if (g := cts.get(r)) is None else g for r, x in zip(self.roots, self.leaves, strict=True)]


def _strip(x: Any, level: Any) -> Any:
    return x.value if type(x) is Tensor and x.level is level else x


def _strip_tree(tree: Any, level: Any) -> Any:
    if tree is None:
        return None
    leaves, structure = flatten(tree)
    return unflatten(structure, [_strip(x, level) for x in leaves])


def _check_scalar(ys: list[Any], structure: Any, title: str, holomorphic: bool) -> Any:
    if len(ys) != 1:
        raise ShapeError(
            f"{title} needs a function with a scalar result; it returned {len(ys)} arrays. Return their sum, or use "
            "jacobian; for a pair (value, extra) pass has_aux=True."
        )
    (y,) = ys
    if y.shape != ():
        raise ShapeError(
            f"{title} needs a function with a scalar result; it returned shape {y.shape}. Return y.sum(), or use "
            "jacobian(f) for all the derivatives, vjp(f, x) for a weighted sum of them."
        )
    if y.dtype.kind == "c" and not holomorphic:
        raise DtypeError(
            f"{title}: the result is complex ({y.dtype}). Return a real number, or pass holomorphic=True if the "
            "function is holomorphic."
        )
    if holomorphic and y.dtype.kind != "c":
        raise DtypeError(f"{title} with holomorphic=True: the result must be complex, it has dtype {y.dtype}.")
    return y


def _run_value_and_grad(
    f: Any,
    args: Any,
    kwargs: Any,
    argnums: Argnums,
    has_aux: bool,
    holomorphic: bool,
    title: str,
    memory: int | None = None,
) -> Any:
    if memory is not None:
        return within(memory, lambda budget: _run_within(f, args, kwargs, argnums, has_aux, holomorphic, budget, title))
    chosen = Chosen(f, argnums, args, kwargs)
    tape = _Recorded(chosen, has_aux, title)
    y = _check_scalar(tape.values, tape.structure, title, holomorphic)
    if holomorphic and any(x.dtype.kind != "c" for x in tape.leaves):
        raise DtypeError(f"{title} with holomorphic=True: the inputs must be complex.")
    one = _one(y)
    grads = pulled(tape, one)
    if grads is None:
        grads = tape.pull([one], once=True)
    grads = fresh(grads, tape.leaves)
    return tape.values[0], tape.aux, chosen.pack(rebuild(grads, tape.shapes))


def within(memory: int, run: Callable[[int], Any]) -> Any:
    """``run`` under a budget; the error, where it is too little, says the least that does."""
    from dualad.modes.checkpointed import TooLittle, least

    try:
        return run(memory)
    except TooLittle as e:
        raise ArgumentError(f"{e} The least that does is memory={least(run, memory)} (found by trying).") from None


def pull_within(f: Callable[..., Any], xs: list[Any], gs: list[Any], memory: int) -> list[Any]:
    """The cotangents of ``xs``, from those of the list that ``f(*xs)`` returns, with checkpoints in ``memory`` bytes."""
    from dualad.modes.checkpointed import CheckpointLevel

    with CheckpointLevel(memory) as level:
        tracked = [level.watch(x) for x in xs]
        roots = [t.aux for t in tracked]
        ys = f(*tracked)
        cts: dict[int, Any] = {}
        for y, g in zip(ys, gs, strict=True):
            if type(y) is Tensor and y.level is level:
                cts[y.aux] = cts[y.aux] + g if y.aux in cts else g
        y = None
        del tracked, ys
        level.backward(cts)
    return [zeros_like(x) if (g := cts.get(r)) is None else g for r, x in zip(roots, xs, strict=True)]


def _run_within(
    f: Any, args: Any, kwargs: Any, argnums: Argnums, has_aux: bool, holomorphic: bool, memory: int, title: str
) -> Any:
    from dualad.modes.checkpointed import CheckpointLevel

    chosen = Chosen(f, argnums, args, kwargs)
    leaves, shapes = inputs(chosen.values(), chosen.name)
    with CheckpointLevel(memory) as level:
        tracked = [level.watch(x) for x in leaves]
        roots = [t.aux for t in tracked]
        out, aux = with_aux(chosen.call(rebuild(tracked, shapes)), has_aux, title)
        ys, structure = outputs(out, title)
        y = _check_scalar([_strip(y, level) for y in ys], structure, title, holomorphic)
        cts = {ys[0].aux: _one(y)} if type(ys[0]) is Tensor and ys[0].level is level else {}
        aux = _strip_tree(aux, level)
        del tracked, out, ys
        level.backward(cts)
    grads = [zeros_like(x) if (g := cts.get(r)) is None else g for r, x in zip(roots, leaves, strict=True)]
    return y, aux, chosen.pack(rebuild(fresh(grads, leaves), shapes))


def _run_grad(f: Any, args: Any, kwargs: Any, has_aux: bool, **options: Any) -> Any:
    _, aux, grads = _run_value_and_grad(f, args, kwargs, has_aux=has_aux, title="grad", **options)
    return (grads, aux) if has_aux else grads


def _run_value_first(f: Any, args: Any, kwargs: Any, has_aux: bool, **options: Any) -> Any:
    value, aux, grads = _run_value_and_grad(f, args, kwargs, has_aux=has_aux, title="value_and_grad", **options)
    return ((value, aux), grads) if has_aux else (value, grads)


def _with_memory(options: dict[str, Any], memory: Any) -> dict[str, Any]:
    if memory is None:
        return options
    from dualad.modes.checkpointed import parse_bytes

    return {**options, "memory": parse_bytes(memory)}


def grad(
    f: Callable[P, Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    memory: int | str | None = None,
) -> Callable[P, Any]:
    """The gradient of a scalar function, by reverse mode.

    The result has the structure, shapes and dtypes of the argument(s) chosen by ``argnums`` (positions or names).
    With ``has_aux`` the function returns ``(value, aux)`` and the gradient function ``(gradient, aux)``. Complex inputs
    of a real function give df/dRe - i df/dIm (JAX's convention).

    ``memory`` (bytes, or a text such as "200MB") bounds what the tape may hold: it keeps checkpoints instead of all values
    and computes what is missing again on the way back. A budget that cannot be kept raises ``ArgumentError``, which says
    what would do.

    Raises ``ShapeError`` for results that are not scalar, ``DtypeError`` for integer or boolean arrays,
    ``ArgumentError`` for argnums that name nothing.

    >>> from dualad import grad
    >>> float(grad(lambda x: x**2)(3.0))
    6.0
    """
    options = _with_memory({"argnums": argnums, "has_aux": has_aux, "holomorphic": holomorphic}, memory)
    return Transform(_run_grad, f, "grad", **options)


def value_and_grad(
    f: Callable[P, Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    memory: int | str | None = None,
) -> Callable[P, Any]:
    """Value and gradient in one evaluation: ``(value, gradient)``, or ``((value, aux), gradient)`` with ``has_aux``.

    Arguments and errors are those of ``grad``.

    >>> from dualad import value_and_grad
    >>> value, gradient = value_and_grad(lambda x: x**2)(3.0)
    >>> float(value), float(gradient)
    (9.0, 6.0)
    """
    options = _with_memory({"argnums": argnums, "has_aux": has_aux, "holomorphic": holomorphic}, memory)
    return Transform(_run_value_first, f, "value_and_grad", **options)


def _all_positional(f: Any, args: tuple[Any, ...], title: str) -> Chosen:
    if not callable(f):
        raise ArgumentError(f"{title} needs a function first, got {type(f).__name__}.")
    if not args:
        raise ArgumentError(f"{title} needs at least one primal.")
    return Chosen(f, tuple(range(len(args))), args, {})


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``(out, pullback)``: the value and the function that maps a cotangent of the output to those of ``primals``.

    ``pullback(ct)`` returns a tuple with one entry per primal and can be called any number of times; ``ct`` must have the
    structure, shapes and dtypes of the output. With ``has_aux``, ``(out, pullback, aux)``.

    >>> from dualad import vjp
    >>> out, pullback = vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> [float(g) for g in pullback(1.0)]
    [3.0, 2.0]
    """
    chosen = _all_positional(f, primals, "vjp")
    chosen.args = tuple(_owned(p) for p in primals)
    tape = _Recorded(chosen, has_aux, "vjp")

    def pullback(ct: Any) -> tuple[Any, ...]:
        gs = match(ct, tape.values, tape.structure, "the cotangent", "the output")
        grads = fresh(tape.pull(gs, once=False), [*tape.leaves, *gs])
        return tuple(rebuild(grads, tape.shapes))

    # Copies, so that what the caller does to the result cannot reach what the tape kept.
    out = unflatten(tape.structure, [v.copy() if type(v) is np.ndarray else v for v in tape.values])
    return (out, pullback, tape.aux) if has_aux else (out, pullback)


def _owned(tree: Any) -> Any:
    leaves, structure = flatten(tree)
    return unflatten(structure, [own(x) for x in leaves])


# Forward --------------------------------------------------------------------------------------


def push(chosen: Chosen, leaves: list[Any], tangents: list[Any], shapes: Any, has_aux: bool, title: str) -> Any:
    """Evaluate with tangents (None: zero): (values, tangents, structure, aux)."""
    try:
        return _push(chosen, leaves, tangents, shapes, has_aux, title)
    except Undirected as error:
        from dualad.api.confluent import pushed

        return pushed(chosen, leaves, tangents, shapes, has_aux, error)


def _push(chosen: Chosen, leaves: list[Any], tangents: list[Any], shapes: Any, has_aux: bool, title: str) -> Any:
    with ForwardLevel() as level:
        duals = [new_tensor(x, level, t) for x, t in zip(leaves, tangents, strict=True)]
        out, aux = with_aux(retraced(lambda own: chosen.call(rebuild(own, shapes)), duals), has_aux, title)
        ys, structure = outputs(out, title)
        values = [_strip(y, level) for y in ys]
        ts = [
            y.aux if type(y) is Tensor and y.level is level and y.aux is not None else zeros_like(v)
            for y, v in zip(ys, values, strict=True)
        ]
        return values, ts, structure, _strip_tree(aux, level)


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """``(out, tangent)``: the value of ``f`` and its derivative in the direction ``tangents``, by forward mode.

    ``primals`` and ``tangents`` are tuples with one entry per positional argument, of equal structures, shapes and
    dtypes. With ``has_aux``, ``(out, tangent, aux)``.

    >>> from dualad import jvp
    >>> out, tangent = jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
    >>> float(out), float(tangent)
    (6.0, 3.0)
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise ArgumentError(
            f"jvp needs tuples of primals and tangents, got {type(primals).__name__} and {type(tangents).__name__}. "
            "Write jvp(f, (x,), (t,))."
        )
    if len(primals) != len(tangents):
        raise ArgumentError(f"jvp: {len(primals)} primals, but {len(tangents)} tangents.")
    chosen = _all_positional(f, tuple(primals), "jvp")
    leaves, shapes = inputs(chosen.values(), chosen.name)
    ts: list[Any] = []
    k = 0
    for i, (tangent, (structure, n)) in enumerate(zip(tangents, shapes, strict=True)):
        ts += match(tangent, leaves[k : k + n], structure, f"tangent {i}", f"primal {i}")
        k += n
    values, out_ts, structure, aux = push(chosen, leaves, ts, shapes, has_aux, "jvp")
    out = fresh([*values, *out_ts], [*leaves, *ts])
    n = len(values)
    result = unflatten(structure, out[:n]), unflatten(structure, out[n:])
    return (*result, aux) if has_aux else result


# Linear maps ----------------------------------------------------------------------------------


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``(out, push)``: the value, and the derivative at this point as a linear function of the tangents.

    ``f`` runs once; ``push(*tangents)`` replays the recorded linear program, any number of times.

    >>> from dualad import linearize
    >>> out, push = linearize(lambda x: x**3, 2.0)
    >>> float(push(1.0)), float(push(10.0))
    (12.0, 120.0)
    """
    from dualad.modes.record import RecordLevel
    from dualad.tape.tape import Program

    chosen = _all_positional(f, primals, "linearize")
    chosen.args = tuple(_owned(p) for p in primals)
    leaves, shapes = inputs(chosen.values(), chosen.name)
    with RecordLevel() as level:
        zeros = [level.watch(zeros_like(x)) for x in leaves]
        values, ts, structure, aux = push(chosen, leaves, zeros, shapes, has_aux, "linearize")
        program = Program(level, ts)

    def push_forward(*tangents: Any) -> Any:
        if len(tangents) != len(shapes):
            raise ArgumentError(f"linearize: {len(shapes)} primals, but {len(tangents)} tangents.")
        given: list[Any] = []
        k = 0
        for i, (tangent, (s, n)) in enumerate(zip(tangents, shapes, strict=True)):
            given += match(tangent, leaves[k : k + n], s, f"tangent {i}", f"primal {i}")
            k += n
        return unflatten(structure, fresh(program(given), given))

    out = unflatten(structure, [v.copy() if type(v) is np.ndarray else v for v in values])
    return (out, push_forward, aux) if has_aux else (out, push_forward)


def linear_transpose(f: Callable[..., Any], *primals: Any) -> Callable[..., tuple[Any, ...]]:
    """The transpose of a linear function: a function of the output's cotangent that returns a tuple per primal.

    ``primals`` give shapes and dtypes; their values do not matter. Raises ``NotDifferentiable`` if ``f`` applies
    an operation to them that is not linear.

    >>> import numpy as np
    >>> from dualad import linear_transpose
    >>> transpose = linear_transpose(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x, np.zeros(2))
    >>> transpose(np.array([1.0, 0.0]))
    (array([1., 2.]),)
    """
    from dualad.modes.record import RecordLevel
    from dualad.tape.linear import require_linear

    chosen = _all_positional(f, primals, "linear_transpose")
    leaves, shapes = inputs(chosen.values(), chosen.name)
    with RecordLevel() as level:
        tracked = [level.watch(zeros_like(x)) for x in leaves]
        ys, structure = outputs(chosen.call(rebuild(tracked, shapes)), "linear_transpose")
        require_linear(level.nodes)
        nodes = level.nodes
        indices = [y.aux if type(y) is Tensor and y.level is level else None for y in ys]
        values = [_strip(y, level) for y in ys]

    def transpose(ct: Any) -> tuple[Any, ...]:
        gs = match(ct, values, structure, "the cotangent", "the output")
        cts: dict[int, Any] = {}
        for i, g in zip(indices, gs, strict=True):
            if i is not None:
                cts[i] = cts[i] + g if i in cts else g
        pull(reversed(nodes), cts)
        grads = [zeros_like(x) if (g := cts.get(t.aux)) is None else g for t, x in zip(tracked, leaves, strict=True)]
        return tuple(rebuild(fresh(grads, gs), shapes))

    return transpose
