"""Every primitive of the registry at every sample, in every mode.

Value against NumPy, forward and reverse against JAX, forward against reverse, both second-order compositions, batching
against a loop, a replayed recording against eager evaluation, Taylor mode against nested forward mode.
"""

from __future__ import annotations

import functools
import importlib
import pathlib
from typing import Any

import numpy as np
import pytest

import dualad
from dualad.core.primitive import REGISTRY, Primitive
from dualad.core.tensor import Tensor
from dualad.modes.record import RecordLevel
from dualad.ops import shape
from dualad.ops.samples import Sample
from dualad.tape.tape import Program
from tests import oracle

for _path in sorted((pathlib.Path(dualad.__file__).parent / "ops").glob("*.py")):
    importlib.import_module(f"dualad.ops.{_path.stem}")  # registers its primitives, which are loaded late by some


def _cases() -> list[Any]:
    out = []
    for name, prim in sorted(REGISTRY.items()):
        if not prim.samples:
            continue
        for k, sample in enumerate(prim.samples()):
            out.append(pytest.param(prim, sample, id=f"{name}-{k}"))
    return out


CASES = _cases()
DIFFERENTIABLE = [c for c in CASES if not c.values[0].constant]


def moving(prim: Primitive, sample: Sample) -> tuple[int, ...]:
    """Positions of the arguments that can be differentiated."""
    fixed = getattr(prim, "nonlinear", ())
    return tuple(
        i for i, a in enumerate(sample.args) if i not in fixed and getattr(np.asarray(a).dtype, "kind", "") in "fc"
    )


def of_moving(prim: Primitive, sample: Sample) -> Any:
    where = moving(prim, sample)

    def f(*moved: Any) -> Any:
        full = list(sample.args)
        for i, x in zip(where, moved, strict=True):
            full[i] = x
        return prim(*full, **sample.params)

    return f


def xs_of(prim: Primitive, sample: Sample) -> tuple[Any, ...]:
    return tuple(np.asarray(sample.args[i])[()] for i in moving(prim, sample))


def direction(x: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    x = np.asarray(x)
    t = rng.normal(size=x.shape)
    if x.dtype.kind == "c":
        t = t + 1j * rng.normal(size=x.shape)
    return t.astype(x.dtype)[()]


def like(out: Any, seed: int) -> Any:
    if isinstance(out, tuple):
        return tuple(direction(y, seed + i) for i, y in enumerate(out))
    return direction(out, seed)


def tolerance(*trees: Any) -> dict[str, float]:
    single = any(np.asarray(x).dtype in (np.float32, np.complex64) for x in flat(trees))
    return {"rtol": 2e-3, "atol": 2e-3} if single else {"rtol": 1e-8, "atol": 1e-9}


def flat(tree: Any) -> list[Any]:
    return [x for t in tree for x in flat(t)] if isinstance(tree, (tuple, list)) else [tree]


def close(ours: Any, theirs: Any, what: str, **tol: float) -> None:
    a, b = flat(ours), flat(theirs)
    assert len(a) == len(b), f"{what}: {len(a)} results, expected {len(b)}"
    for x, y in zip(a, b, strict=True):
        assert np.shape(x) == np.shape(y), f"{what}: shape {np.shape(x)}, expected {np.shape(y)}"
        np.testing.assert_allclose(x, y, err_msg=what, **(tol or tolerance(x, y)))


def differences(f: Any, xs: Any, ts: Any) -> Any:
    """Directional derivative by a sixth-order central difference."""
    h = 1e-2 if tolerance(xs)["rtol"] > 1e-4 else 3e-3
    total: Any = 0
    for k, w in {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}.items():
        for s in (1, -1):
            total = total + s * w / h * f(*[(x + s * k * h * t).astype(x.dtype) for x, t in zip(xs, ts, strict=True)])
    return total


def pair_of(a: Any, b: Any) -> Any:
    """The real bilinear pairing under which vjp is the transpose of jvp (no conjugate)."""
    return sum(np.sum(np.asarray(x) * np.asarray(y)) for x, y in zip(flat(a), flat(b), strict=True))


def test_every_differentiable_primitive_has_samples() -> None:
    missing = [n for n, p in REGISTRY.items() if not p.samples and not p.constant]
    assert not missing, f"primitives without samples are not tested: {missing}"


@pytest.mark.parametrize(("prim", "sample"), CASES)
def test_value_and_purity(prim: Primitive, sample: Sample) -> None:
    """The value in each mode is that of impl, and no argument is modified."""
    before = [np.array(a) for a in sample.args]
    expected = prim.impl(*sample.args, **sample.params)
    if not prim.constant:
        f, xs = of_moving(prim, sample), xs_of(prim, sample)
        zeros = tuple(np.zeros_like(x)[()] for x in xs)
        close(dualad.vjp(f, *xs)[0], expected, "value in reverse mode")
        close(dualad.jvp(f, xs, zeros)[0], expected, "value in forward mode")
        close(dualad.jet(f, xs, tuple((z,) for z in zeros))[0], expected, "value in Taylor mode")
    for a, b in zip(sample.args, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("prim", "sample"), [c for c in CASES if c.values[0].constant])
def test_constant_primitives_have_zero_derivative(prim: Primitive, sample: Sample) -> None:
    xs = tuple(np.asarray(a)[()] for a in sample.args)
    floats = [i for i, x in enumerate(xs) if x.dtype.kind == "f"]
    if not floats:
        pytest.skip("takes no floating-point argument")

    def f(x: Any) -> Any:
        out = prim(*[x if i == floats[0] else v for i, v in enumerate(xs)], **sample.params)
        out = out[0] if isinstance(out, tuple) else out
        return (out * 1.0).sum()

    x = xs[floats[0]]
    np.testing.assert_array_equal(dualad.grad(f)(x), np.zeros_like(x))
    np.testing.assert_array_equal(dualad.jvp(f, (x,), (np.ones_like(x),))[1], 0)


@pytest.mark.parametrize(("prim", "sample"), DIFFERENTIABLE)
def test_forward_against_reverse(prim: Primitive, sample: Sample) -> None:
    """Dot-product test: <g, J t> = <J^T g, t>, and dtypes and shapes of both."""
    f, xs = of_moving(prim, sample), xs_of(prim, sample)
    ts = tuple(direction(x, i) for i, x in enumerate(xs))
    y, t = dualad.jvp(f, xs, ts)
    _, pullback = dualad.vjp(f, *xs)
    g = like(y, 10)
    cts = pullback(g)
    for a, b in zip(flat(t), flat(y), strict=True):
        assert a.shape == np.shape(b) and a.dtype == b.dtype
    for a, b in zip(cts, xs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
    left, right = pair_of(g, t), pair_of(cts, ts)
    if any(x.dtype.kind == "c" for x in flat((xs, y))):  # R-linear functions: only the real parts need agree
        left, right = np.real(left), np.real(right)
    close(left, right, "dot product", **tolerance(xs, y))


@pytest.mark.parametrize(("prim", "sample"), [c for c in DIFFERENTIABLE if not c.values[1].degenerate])
def test_against_jax(prim: Primitive, sample: Sample) -> None:
    f, xs = of_moving(prim, sample), xs_of(prim, sample)
    ts = tuple(direction(x, i) for i, x in enumerate(xs))
    us = tuple(direction(x, 5 + i) for i, x in enumerate(xs))
    y, t = dualad.jvp(f, xs, ts)
    g = like(y, 10)
    pullback = dualad.vjp(f, *xs)[1]
    if prim.name in oracle.BY_DIFFERENCES:
        single = tolerance(xs)["rtol"] > 1e-4
        tol = {"rtol": 5e-2, "atol": 5e-2} if single else {"rtol": 1e-7, "atol": 1e-8}
        close(t, differences(f, xs, ts), "forward against differences", **tol)
        second = dualad.jvp(lambda *v: dualad.jvp(f, v, ts)[1], xs, us)[1]
        close(second, differences(lambda *v: dualad.jvp(f, v, ts)[1], xs, us), "second order", **tol)
        return  # reverse is held against forward by the dot-product test
    jy, jt, jg, jsecond = oracle.derivatives(prim.name, sample.args, sample.params, moving(prim, sample), ts, us, g)
    tol = tolerance(xs, y)
    close(y, jy, "value", **tol)
    close(t, jt, "forward", **tol)
    close(pullback(g), jg, "reverse", **tol)
    second = dualad.jvp(lambda *v: dualad.jvp(f, v, ts)[1], xs, us)[1]
    close(second, jsecond, "forward over forward", **tol)


@pytest.mark.parametrize(("prim", "sample"), DIFFERENTIABLE)
def test_second_order_is_the_same_in_every_composition(prim: Primitive, sample: Sample) -> None:
    f, xs = of_moving(prim, sample), xs_of(prim, sample)
    if any(x.dtype.kind == "c" for x in xs) or sample.order < 2:
        pytest.skip(
            "complex second order is held against JAX" if sample.order >= 2 else "not twice differentiable here"
        )
    ts = tuple(direction(x, i) for i, x in enumerate(xs))
    us = tuple(direction(x, 5 + i) for i, x in enumerate(xs))
    g = like(f(*xs), 10)
    if any(np.asarray(v).dtype.kind == "c" for v in flat(g)):
        pytest.skip("complex output: held against JAX")
    forward = lambda *v: dualad.jvp(f, v, ts)[1]
    ff = pair_of(g, dualad.jvp(forward, xs, us)[1])
    fr = pair_of(dualad.jvp(lambda *v: dualad.vjp(f, *v)[1](g), xs, us)[1], ts)
    rf = pair_of(dualad.vjp(forward, *xs)[1](g), us)
    rr_of = lambda *v: pair_of_tensors(dualad.vjp(f, *v)[1](g), ts)
    rr = pair_of(dualad.grad(rr_of, argnums=tuple(range(len(xs))))(*xs), us)
    tol = tolerance(xs)
    close(fr, ff, "forward over reverse", **tol)
    close(rf, ff, "reverse over forward", **tol)
    close(rr, ff, "reverse over reverse", **tol)


def pair_of_tensors(a: Any, b: Any) -> Any:
    out: Any = 0.0
    for x, y in zip(flat(a), flat(b), strict=True):
        out = out + (x * y).sum()
    return out


@pytest.mark.parametrize(("prim", "sample"), CASES)
def test_batching(prim: Primitive, sample: Sample) -> None:
    """vmap over each argument alone, and over all, equals a loop; so does vmap of the derivatives."""
    where = tuple(range(len(sample.args))) if prim.constant else moving(prim, sample)
    for chosen in {(i,) for i in where} | {where}:
        args = [
            np.stack(
                [a, direction(a, 20 + i) * np.asarray(0.01, np.asarray(a).dtype) + a]
                if np.asarray(a).dtype.kind in "fc"
                else [a, a]
            )
            if i in chosen
            else a
            for i, a in enumerate(sample.args)
        ]
        axes = tuple(0 if i in chosen else None for i in range(len(args)))
        f = functools.partial(prim, **sample.params)
        ours = dualad.vmap(f, axes)(*args)
        loop = [f(*[a[k] if i in chosen else a for i, a in enumerate(args)]) for k in range(2)]
        stacked = tuple(np.stack(p) for p in zip(*loop, strict=True)) if prim.multiple else np.stack(loop)
        close(ours, stacked, f"vmap over {chosen}", **tolerance(args))
    if prim.constant:
        return
    f, xs = of_moving(prim, sample), xs_of(prim, sample)
    y = f(*xs)
    ts = [tuple(direction(x, 30 + k + i) for i, x in enumerate(xs)) for k in range(2)]
    gs = [like(y, 40 + k) for k in range(2)]
    many = dualad.vmap(lambda *t: dualad.jvp(f, xs, t)[1])(*[np.stack(p) for p in zip(*ts, strict=True)])
    one = [dualad.jvp(f, xs, t)[1] for t in ts]
    close(
        many,
        tuple(np.stack(p) for p in zip(*one, strict=True)) if prim.multiple else np.stack(one),
        "vmap of jvp",
        **tolerance(xs),
    )
    pullback = dualad.vjp(f, *xs)[1]
    stacked_g = tuple(np.stack(p) for p in zip(*gs, strict=True)) if prim.multiple else np.stack(gs)
    close(
        dualad.vmap(pullback)(stacked_g),
        tuple(np.stack(p) for p in zip(*[pullback(g) for g in gs], strict=True)),
        "vmap of vjp",
        **tolerance(xs),
    )


@pytest.mark.parametrize(("prim", "sample"), CASES)
def test_replay(prim: Primitive, sample: Sample) -> None:
    """A recording, replayed at another point, gives what the function gives there."""
    where = tuple(range(len(sample.args))) if prim.constant else moving(prim, sample)
    xs = tuple(np.asarray(sample.args[i])[()] for i in where)

    def f(*moved: Any) -> Any:
        full = list(sample.args)
        for i, x in zip(where, moved, strict=True):
            full[i] = x
        return prim(*full, **sample.params)

    with RecordLevel() as level:
        out = f(*[level.watch(x) for x in xs])
        program = Program(level, out if isinstance(out, tuple) else (out,))
    other = [x + direction(x, 50) * np.asarray(0.01, x.dtype) if x.dtype.kind in "fc" else x for x in xs]
    expected = f(*other)
    close(tuple(program(other)), expected if isinstance(expected, tuple) else (expected,), "replay")


@pytest.mark.parametrize(("prim", "sample"), DIFFERENTIABLE)
def test_taylor_against_nested_forward(prim: Primitive, sample: Sample) -> None:
    """Derivatives along a quadratic curve, to third order."""
    f, xs = of_moving(prim, sample), xs_of(prim, sample)
    v = tuple(direction(x, 60 + i) for i, x in enumerate(xs))
    w = tuple(direction(x, 70 + i) for i, x in enumerate(xs))
    order = min(3, sample.order)

    def curve(s: Any) -> Any:
        return f(*[x + cast(s, x) * a + cast(s * s, x) * b for x, a, b in zip(xs, v, w, strict=True)])

    def cast(s: Any, x: Any) -> Any:
        return shape.astype(s, dtype=x.dtype)

    zero = np.float64(0)
    expected = []
    d = curve
    for _ in range(order):
        d = functools.partial(lambda h, s: dualad.jvp(h, (s,), (np.float64(1),))[1], d)
        expected.append(d(zero))
    series = tuple((a, 2 * b, 0 * b)[:order] for a, b in zip(v, w, strict=True))
    _y, ours = dualad.jet(f, xs, series)
    tol = {"rtol": 1e-6, "atol": 1e-7} if tolerance(xs)["rtol"] < 1e-4 else {"rtol": 2e-2, "atol": 2e-2}
    for k in range(order):
        close(ours[k], expected[k], f"derivative {k + 1}", **tol)


def test_tensor_is_the_one_class() -> None:
    assert [t for t in (Tensor,) if t.__subclasses__()] == []
