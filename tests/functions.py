"""Checks for functions of the NumPy namespaces: one lambda, run with dualad.numpy, numpy and jax.numpy."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import dualad
from dualad.modes.record import RecordLevel
from dualad.tape.sparsity import jacobian_pattern
from dualad.tape.tape import Program
from tests.test_every_primitive import close, direction, flat, like, pair_of, tolerance

jax.config.update("jax_enable_x64", True)


@dataclass
class Case:
    """``f(np, *args)`` with ``np`` one of the modules.

    ``oracle``: "jax" (the same lambda with jax.numpy), a function of ``*args`` written with JAX, or "differences" where JAX
    is wrong or has no such function (``why`` says so). ``degenerate``: kinks and singular points, at which only the
    agreement of the modes is checked. ``batch``: whether vmap is checked.
    """

    f: Callable[..., Any]
    args: tuple[Any, ...]
    oracle: Any = "jax"
    why: str = ""
    degenerate: bool = False
    order: int = 2
    batch: bool = True
    name: str = ""  # filled by ``parameters``

    def aspects(self) -> list[str]:
        """What ``check`` checks of this case: the columns of the support table."""
        second = ["second order", "Taylor"] if self.order >= 2 else []
        return ["value", "forward", "reverse", "replay", "sparsity", "jit", *second, *(["vmap"] if self.batch else [])]


def arr(*shape: int, seed: int = 0, lo: float = -2.0, hi: float = 2.0, dtype: Any = float) -> Any:
    """A generic random argument."""
    return np.random.default_rng(seed).uniform(lo, hi, shape).astype(dtype)[()]


def differences(f: Callable[..., Any], xs: tuple[Any, ...], ts: tuple[Any, ...]) -> Any:
    """Directional derivative by a sixth-order central difference."""
    h = 1e-3
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    total: Any = 0
    for k, w in weights.items():
        for s in (1, -1):
            y = np.concatenate(
                [np.ravel(v) for v in flat(f(*[x + s * k * h * t for x, t in zip(xs, ts, strict=True)]))]
            )
            total = total + s * w / h * y
    return total


CHECKED: list[Case] = []
"""What this test has checked, for the table of what is supported."""


def check(case: Case) -> None:
    """Value, dispatch from numpy, forward, reverse, second order, Taylor, replay, vmap; arguments unmodified."""
    CHECKED.append(case)
    xs = case.args
    before = [np.array(x) for x in xs]

    def f(*v: Any) -> Any:
        out = case.f(dualad.numpy, *v)
        return tuple(out) if isinstance(out, (list, tuple)) else out

    def through_numpy(*v: Any) -> Any:
        out = case.f(np, *v)
        return tuple(out) if isinstance(out, (list, tuple)) else out

    expected = through_numpy(*xs)
    tol = tolerance(xs)
    ts = tuple(direction(x, i) for i, x in enumerate(xs))
    us = tuple(direction(x, 5 + i) for i, x in enumerate(xs))
    y, t = dualad.jvp(f, xs, ts)
    close(f(*xs), expected, "value on arrays", **tol)
    close(y, expected, "value", **tol)
    for a, b in zip(flat(y), flat(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype, f"dtype {np.asarray(a).dtype}, NumPy: {np.asarray(b).dtype}"
    y2, t2 = dualad.jvp(through_numpy, xs, ts)
    close(y2, expected, "value through numpy's dispatch", **tol)
    close(t2, t, "forward through numpy's dispatch", **tol)
    g = like(y, 10)
    cts = dualad.vjp(f, *xs)[1](g)
    left, right = pair_of(g, t), pair_of(cts, ts)
    if any(np.asarray(x).dtype.kind == "c" for x in flat((xs, y))):
        left, right = np.real(left), np.real(right)
    close(left, right, "dot product", **tol)

    if case.order >= 2:
        second = dualad.jvp(lambda *v: dualad.jvp(f, v, ts)[1], xs, us)[1]
        if not any(np.asarray(x).dtype.kind == "c" for x in flat((xs, y))):
            ff = pair_of(g, second)
            fr = pair_of(dualad.jvp(lambda *v: dualad.vjp(f, *v)[1](g), xs, us)[1], ts)
            rf = pair_of(dualad.vjp(lambda *v: dualad.jvp(f, v, ts)[1], *xs)[1](g), us)
            close(fr, ff, "forward over reverse", **tol)
            close(rf, ff, "reverse over forward", **tol)

        series = tuple((t, np.zeros_like(x)[()]) for x, t in zip(xs, ts, strict=True))
        along = dualad.jvp(lambda *v: dualad.jvp(f, v, ts)[1], xs, ts)[1]
        close(dualad.jet(f, xs, series)[1][1], along, "second derivative by Taylor mode", **tol)

    with dualad.Tape() as tape:
        out = f(*[tape.watch(x) for x in xs])
    close(tape.replay(out, *xs), expected, "replay", **tol)

    dependences(f, xs)
    with no_faults_of_the_compiler():
        compiled = dualad.jit(f)
        compiled(*xs)
        again = compiled(*xs)
    close(again, expected, "compiled", **tol)
    for a, b in zip(flat(again), flat(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype, "dtype of the compiled result"

    if not case.degenerate:
        if case.oracle == "differences":
            assert case.why, "a case that JAX does not judge needs a reason"
            got = np.concatenate([np.ravel(v) for v in flat(t)])
            close(got, differences(through_numpy, xs, ts), "forward against differences", rtol=1e-6, atol=1e-7)
        else:
            of_jax = (lambda *v: case.f(jnp, *v)) if case.oracle == "jax" else case.oracle

            def whole(*v: Any) -> Any:
                out = of_jax(*v)
                return tuple(out) if isinstance(out, (list, tuple)) else out

            def program(xs: Any, ts: Any, us: Any, g: Any) -> Any:
                out = jax.jvp(whole, xs, ts)[1], jax.vjp(whole, *xs)[1](g)
                if case.order < 2:
                    return out
                return (*out, jax.jvp(lambda *v: jax.jvp(whole, v, ts)[1], xs, us)[1])

            theirs = jax.jit(program)(xs, ts, us, g)
            close(t, theirs[0], "forward", **tol)
            close(cts, theirs[1], "reverse", **tol)
            if case.order >= 2:
                close(second, theirs[2], "second order", **tol)

    if case.batch:
        stacked = [np.stack([x, x + direction(x, 20) * np.asarray(0.01, x.dtype)]) for x in map(np.asarray, xs)]
        ours = dualad.vmap(f)(*stacked)
        loop = [f(*[s[k] for s in stacked]) for k in range(2)]
        together = tuple(np.stack(p) for p in zip(*loop, strict=True)) if isinstance(loop[0], tuple) else np.stack(loop)
        close(ours, together, "vmap", **tol)
    for x, b in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, b, "an argument was modified")


@contextlib.contextmanager
def no_faults_of_the_compiler() -> Any:
    """``jit`` survives its own faults with a warning in the log; here they count."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("dualad.jit")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not records, [r.getMessage() for r in records]


def dependences(f: Callable[..., Any], xs: tuple[Any, ...]) -> None:
    """Nothing moves that, by the pattern, does not depend on the inputs that do."""
    with RecordLevel() as level:
        ys = flat(f(*[level.watch(np.asarray(x)[()]) for x in xs]))
        ys = [y for y in ys if y.dtype.kind in "fc"]
        found = jacobian_pattern(Program(level, ys))
    rng = np.random.default_rng(3)
    for _ in range(2):
        moved = rng.random(found.shape[1]) < 0.4
        ts, start = [], 0
        for i, x in enumerate(xs):
            own = moved[start : start + np.size(x)].reshape(np.shape(x))
            ts.append((direction(x, 30 + i) * own).astype(np.asarray(x).dtype)[()])
            start += np.size(x)
        t = [v for v in flat(dualad.jvp(f, xs, tuple(ts))[1]) if v.dtype.kind in "fc"]
        change = np.abs(np.concatenate([np.ravel(v) for v in t])) if t else np.zeros(0)
        reached = (found @ moved.astype(int)) > 0
        assert found.shape[0] == change.size
        assert not (change[~reached] > 1e-12 * (1 + change.max(initial=0))).any(), (
            "a dependence is missing from the pattern"
        )


def parameters(cases: dict[str, list[Case]]) -> list[Any]:
    """For ``pytest.mark.parametrize('case', parameters(CASES))``."""
    import pytest

    for name, many in cases.items():
        for c in many:
            c.name = name
    return [pytest.param(c, id=f"{name}-{k}") for name, many in cases.items() for k, c in enumerate(many)]
