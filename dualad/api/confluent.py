"""Second derivatives at equal eigenvalues or singular values, in compositions that do not know the direction in time.

There, eigenvectors are determined only along a direction. Forward over reverse knows it when the vectors are chosen, and so
does a Taylor series; the other compositions find out at the second derivative (``Undirected``), and take one of these:

    f'(x)^T g                                                     element by element, by forward mode
    the derivative of x -> f'(x)^T g, transposed, applied to h    is that of the scalar x -> g f(x), forward over reverse along h
    the derivative of x -> f'(x) t, transposed, applied to g      is the same, along t
    the derivative of x -> f'(x) t, along s                       is f''(x) (t, s), by the second derivatives along t + s and
                                                                  t - s: their difference is 4 f''(x) (t, s)

The first and the last hold where f is differentiable, and that is checked: derivatives along some directions must add up to
those along their sums, and values must not depend on the direction. In all but the first, tensors that f captures, or takes as
other arguments, are arguments like those that are differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.api.batching import vmap
from dualad.api.branched import in_place_of
from dualad.api.custom import _Call
from dualad.api.derivatives import jvp, vjp
from dualad.api.taylor import jet
from dualad.api.transform import Chosen, outputs, rebuild, with_aux
from dualad.core.errors import NotDifferentiable, Undetermined
from dualad.core.level import GROUND, ClosedLevel
from dualad.core.tensor import Tensor, new_tensor
from dualad.core.tree import flatten, unflatten
from dualad.native.captured import Captured, TooMuch
from dualad.numpy import sqrt, where
from dualad.ops.arithmetic import absolute, real_part, stop_gradient
from dualad.ops.gauges import raw
from dualad.ops.kinds import zeros_like

MOST = 1000
"""Elements up to which a gradient is taken by forward mode, element by element."""

Function = Callable[..., list[Any]]


def pushed(chosen: Chosen, leaves: list[Any], tangents: Sequence[Any], shapes: Any, has_aux: bool, error: Any) -> Any:
    """What ``push`` returns: values, tangents, structure and aux."""
    f, given = _whole(chosen, leaves, tangents, shapes, has_aux, error)
    out, aux = with_aux(chosen.call(rebuild(leaves, shapes)), has_aux, "jvp")
    ys, structure = outputs(out, "jvp")
    n = len(given)
    moved = [*tangents, *[None] * (n - len(leaves))]
    directions = [zeros_like(x) if t is None else t for x, t in zip(given, moved, strict=True)]

    def run(*both: Any) -> Any:
        return _own(tuple(jvp(f, both[:n], both[n:])[1]), both, error)

    def push(ts: Any, y: Any, *both: Any) -> Any:
        x, t = both[:n], both[n:]
        moved = [zeros_like(v) if d is None else d for d, v in zip(ts, both, strict=True)]
        second, first = _mixed(f, x, t, moved[:n]), jvp(f, x, tuple(moved[n:]))[1]
        return tuple(a + b for a, b in zip(second, first, strict=True))

    def pull(g: Any, need: Any, y: Any, *both: Any) -> Any:
        x, t = both[:n], both[n:]
        gs = [zeros_like(v) if c is None else c for c, v in zip(g, y, strict=True)]
        pullback = vjp(f, *x)[1](gs)
        return (*_curved(f, x, t, gs), *pullback)

    return ys, list(_Call("tangent", run, push, pull)(*given, *directions)), structure, aux


def pulled(chosen: Chosen, leaves: list[Any], gs: Sequence[Any], shapes: Any, has_aux: bool, error: Any) -> list[Any]:
    """The cotangents of the leaves."""
    if type(error) is Undetermined:
        return _gathered(_alone(chosen, shapes, has_aux), leaves, gs, error)
    f, given = _whole(chosen, leaves, gs, shapes, has_aux, error)
    n = len(given)

    def run(*both: Any) -> Any:
        return _own(vjp(f, *both[:n])[1](list(both[n:])), both, error)

    def push(ts: Any, y: Any, *both: Any) -> Any:
        x, g = both[:n], both[n:]
        moved = [zeros_like(v) if d is None else d for d, v in zip(ts, both, strict=True)]
        second, first = _curved(f, x, moved[:n], g), vjp(f, *x)[1](moved[n:])
        return tuple(a + b for a, b in zip(second, first, strict=True))

    def pull(h: Any, need: Any, y: Any, *both: Any) -> Any:
        x, g = both[:n], both[n:]
        hs = tuple(zeros_like(v) if c is None else c for c, v in zip(h, y, strict=True))
        return (*_curved(f, x, hs, g), *jvp(f, x, hs)[1])

    return list(_Call("cotangent", run, push, pull)(*given, *gs))[: len(leaves)]


def _whole(
    chosen: Chosen, leaves: list[Any], beside: Sequence[Any], shapes: Any, has_aux: bool, error: Any
) -> tuple[Function, list[Any]]:
    """The function of the leaves and of what it captures, and these; the error, if nothing of this is being differentiated."""
    captured = _captured(chosen, leaves)
    if not _levels([*leaves, *beside, *captured]):
        raise error
    return _alone(chosen, shapes, has_aux, captured), [*leaves, *captured]


def _alone(chosen: Chosen, shapes: Any, has_aux: bool, captured: Sequence[Tensor] = ()) -> Function:
    """The function of all leaves, and of what it captures, that returns a list of leaves."""

    def f(*xs: Any) -> list[Any]:
        n = len(xs) - len(captured)
        own = [x if type(x) is Tensor else new_tensor(x, GROUND, None) for x in xs[n:]]
        with in_place_of(captured, own):
            return outputs(with_aux(chosen.call(rebuild(xs[:n], shapes)), has_aux, "jvp")[0], "jvp")[0]

    vars(f)["others"] = chosen.args, chosen.kwargs  # for ``_captured``, which looks into functions
    return f


def _captured(chosen: Chosen, leaves: Sequence[Any]) -> list[Tensor]:
    """The tensors of transforms in progress that a function sees besides the leaves. (Of those that ended, ``_alone`` has some,
    to put others in their place.)"""
    try:
        found = Captured(chosen.f, chosen.args, chosen.kwargs).tensors
    except TooMuch:
        return []
    found = [x for x in found if not isinstance(x.level, ClosedLevel) and not any(x is y for y in leaves)]
    return [x for x in found if x.dtype.kind in "fc"]


def _gathered(f: Function, leaves: list[Any], gs: Sequence[Any], error: Any) -> list[Any]:
    """The cotangents by forward mode, element by element."""
    sizes = [x.size * (2 if x.dtype.kind == "c" else 1) for x in leaves]
    total = sum(sizes)
    if total > MOST:
        raise error
    mix = np.random.default_rng(total).normal(size=total)
    starts = np.cumsum([0, *sizes])
    rows = []
    for x, a, b in zip(leaves, starts[:-1], starts[1:], strict=True):
        units = np.zeros((total + 1, b - a))
        units[a:b] = np.eye(b - a)
        units[total] = mix[a:b]
        parts = units if b - a == x.size else units[:, : x.size] + 1j * units[:, x.size :]
        rows.append(parts.astype(x.dtype).reshape(-1, *x.shape))

    def along(*t: Any) -> Any:
        ys, ts = jvp(f, tuple(leaves), t)
        slopes = [real_part(g * d).sum() for g, d in zip(gs, ts, strict=True) if d.dtype.kind in "fc"]
        return sum(slopes), [y for y in ys if y.dtype.kind in "fc"]

    slopes, ys = vmap(along)(*rows)
    for y in ys:
        _zero([(y, -y[:1])], y)
    _zero([(slopes[total], -(slopes[:total].T @ mix.astype(slopes.dtype)))], slopes)
    out = []
    for x, a, b in zip(leaves, starts[:-1], starts[1:], strict=True):
        part = slopes[a:b] if b - a == x.size else slopes[a : a + x.size] - 1j * slopes[a + x.size : b]
        out.append(part.astype(x.dtype).reshape(x.shape))
    return out


def _levels(values: Sequence[Any]) -> set[Any]:
    """The levels of derivatives that are open in some values."""
    out = set()
    for v in values:
        while type(v) is Tensor:
            out |= {v.level} if v.level.differentiates else set()
            v = v.value
    return out


def _own(results: tuple[Any, ...], arguments: Sequence[Any], error: Any) -> tuple[Any, ...]:
    if not _levels(results) <= _levels(arguments):  # f captured what is differentiated
        raise error
    return results


def _curved(f: Function, x: Any, t: Any, g: Any) -> Any:
    """The derivative along t of f'(x)^T g."""
    n = len(x)
    zeros = tuple(zeros_like(v) for v in g)
    return jvp(lambda *v: list(vjp(f, *v[:n])[1](list(v[n:]))), (*x, *g), (*t, *zeros))[1]


def _mixed(f: Function, x: Any, t: Any, s: Any) -> list[Any]:
    """f''(x) (t, s)."""
    sizes = [sqrt(sum((absolute(stop_gradient(v)) ** 2).sum() for v in d)) for d in (t, s)]
    zero = (sizes[0] == 0) | (sizes[1] == 0)
    scale = [1 / where(zero, 1.0, size) for size in sizes]
    t, s = ([v * k.astype(v.dtype) for v in d] for d, k in zip((t, s), scale, strict=True))
    # first and second derivatives along four directions
    along = [
        jet(f, x, [(d, zeros_like(d)) for d in ds])
        for ds in (t, s, [a + b for a, b in zip(t, s, strict=True)], [a - b for a, b in zip(t, s, strict=True)])
    ]
    (y, (t1, t2)), (_, (_, s2)), (_, (p1, p2)), (_, (m1, m2)) = along
    for v, a, b, c, d, e, p, m, *others in zip(
        y, t1, t2, s2, p1, m1, p2, m2, *[ys for ys, _ in along[1:]], strict=True
    ):
        if v.dtype.kind in "fc":
            _zero([(d, e, -2 * a), (p, m, -2 * b, -2 * c), *[(v, -other) for other in others]], v)
    return [
        (p - m) / (4 * scale[0] * scale[1]).astype(p.dtype) if p.dtype.kind in "fc" else zeros_like(p)
        for p, m in zip(p2, m2, strict=True)
    ]


def laplacian_of(f: Callable[[Any], Any], x: Any) -> Any:
    """The Laplacian of f, one element after the other."""

    def along(t: Any) -> Any:
        (y, (d, e)), (_, (p, m)) = (jet(f, (x,), ((s, zeros_like(s)),)) for s in (t, -t))
        for v, *there, a, b in zip(*(flatten(z)[0] for z in (y, d, p, e, m)), strict=True):
            _zero([there, (a, -b)], v)
        return e

    basis = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    leaves, structure = flatten(vmap(along)(basis))
    return unflatten(structure, [y.sum(0) for y in leaves])


def _zero(sums: Any, y: Any) -> None:
    """Refuse sums that are not 0 to within rounding errors of derivatives of y, made of vectors of length 1."""
    largest = max(np.max(abs(raw(x)), initial=0) for x in (y, *[x for terms in sums for x in terms]))
    eps = np.finfo(y.dtype).eps
    limit = eps**0.5 * largest + 1e3 * eps
    if any(np.any(abs(raw(sum(terms))) > limit) for terms in sums):
        raise NotDifferentiable(
            "equal eigenvalues or singular values: this function has no derivative there: those along two directions do not "
            "add up to that along their sum, as with w[0], or it depends on how the vectors are chosen, as with v[0]. Use a "
            "function that does not depend on how equal values are ordered and their vectors rotated among themselves, such as "
            "V f(w) V^T, or matrices with different eigenvalues. (Forward mode, jvp and jacfwd, has one-sided derivatives.)"
        )
