"""Loops recorded by their body: the body is called twice, and the answer is that of the uncompiled loop in every mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dualad
import dualad.numpy as dnp
from dualad import (
    checkpoint,
    cond,
    custom_jvp,
    fori_loop,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacrev,
    jit,
    jvp,
    scan,
    switch,
    value_and_grad,
    vmap,
    while_loop,
)
from dualad.native.iteration import LOOP
from dualad.native.program import Program
from tests.native.test_registry import programs

RNG = np.random.default_rng(11)
X = np.array([0.3, -0.2, 0.5])
US = RNG.normal(size=(12, 3))


class Counted:
    """A function that counts its calls. (What jit watches for changes does not see the number.)"""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.calls = f, iter(range(1 << 30))

    def __call__(self, *args: Any) -> Any:
        next(self.calls)
        return self.f(*args)

    @property
    def count(self) -> int:
        return next(self.calls)


def loops(f: Any) -> list[Any]:
    found: list[Any] = []

    def visit(graph: Any) -> None:
        for v in graph.values:
            if v.prim is LOOP:
                found.append(v.params["body"])
                visit(v.params["body"].graph)

    for p in programs(f):
        visit(p.graph)
    return found


def equal(ours: Any, theirs: Any, rtol: float) -> None:
    a, s = optree.tree_flatten(ours)
    b, t = optree.tree_flatten(theirs)
    assert s == t
    for x, y in zip(a, b, strict=True):
        assert np.shape(x) == np.shape(y)
        assert x.dtype == np.asarray(y).dtype
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * 10)


def check(f: Any, *xs: Any, rolled: int | None = None, rtol: float = 1e-11) -> Any:
    """Compiled equals uncompiled at the first call, at another point, and with NumPy in place of the compiler."""
    g = jit(f)
    other = optree.tree_map(lambda x: x * 0.9 if np.asarray(x).dtype.kind in "fc" else x, xs)
    for point in (xs, other, xs):
        equal(g(*point), f(*point), rtol)
    for p in programs(g):
        if len(p.inputs) == len(xs) and all(isinstance(x, np.ndarray) for x in xs):
            for a, b in zip(Program(p.graph, native=False)(xs), p(xs), strict=True):
                np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * 10)
    if rolled is not None:
        assert len(loops(g)) == rolled, g.explain()
    return g


def every_mode(f: Any, x: Any, *rest: Any, rtol: float = 1e-10) -> None:
    """``f`` maps an array (and what else) to a number."""
    t = np.cos(np.arange(x.size)).reshape(x.shape)
    check(f, x, *rest, rtol=rtol)
    check(grad(f), x, *rest, rtol=rtol)
    check(lambda x, *r: jvp(lambda x: f(x, *r), (x,), (t,)), x, *rest, rtol=rtol)
    check(lambda x, *r: grad(lambda x: (grad(f)(x, *r) * t).sum())(x), x, *rest, rtol=rtol)
    check(lambda x, *r: hvp(lambda x: f(x, *r), x, t), x, *rest, rtol=rtol)
    check(lambda x, *r: jacfwd(lambda x: grad(f)(x, *r))(x), x, *rest, rtol=rtol)
    two = np.stack([x, 0.8 * x])
    axes = (0, *[None] * len(rest))
    check(vmap(f, axes), two, *rest, rtol=rtol)
    check(vmap(grad(f), axes), two, *rest, rtol=rtol)
    check(grad(lambda v, *r: vmap(f, axes)(v, *r).sum()), two, *rest, rtol=rtol)


# The body is called twice ---------------------------------------------------------------------


TRANSFORMS: list[tuple[Any, Any]] = [
    (lambda f: f, X),
    (grad, X),
    (lambda f: grad(lambda x: grad(f)(x).sum()), X),
    (jacfwd, X),
    (vmap, np.stack([X, X])),
    (lambda f: vmap(grad(f)), np.stack([X, X])),
]


@pytest.mark.parametrize(("transform", "x"), TRANSFORMS)
def test_the_body_is_called_twice(transform: Any, x: Any) -> None:
    body = Counted(lambda c, u: (np.tanh(c * 0.5 + u), None))
    g = jit(transform(lambda x: scan(body, x, US)[0].sum()))
    g(x)
    assert body.count == 2
    assert loops(g)


def test_fori_loop_and_map_call_their_bodies_twice() -> None:
    body = Counted(lambda i, v: np.sin(v) * (i + 1))
    jit(grad(lambda x: fori_loop(0, 50, body, x).sum()))(X)
    assert body.count == 2
    body = Counted(lambda u: u * u.sum())
    jit(grad(lambda x: dualad.map(body, x).sum()))(US)
    assert body.count == 2


def test_an_inner_body_is_called_twice_for_each_call_of_the_outer_one() -> None:
    inner = Counted(lambda d, u: (np.sin(d) * u, d))
    outer = Counted(lambda c, u: (scan(inner, c, US)[0] + u, None))
    g = jit(grad(lambda x: scan(outer, x, US)[0].sum()))
    g(X)
    assert outer.count == 2
    assert inner.count == 4
    assert len(loops(g)) == 4


# Programs in every mode -----------------------------------------------------------------------

WEIGHTS = RNG.normal(size=(3, 3)) * 0.5
TABLE = RNG.integers(0, 3, 12)

PROGRAMS: dict[str, Any] = {
    "scan": lambda x: (lambda c, ys: (c * c).sum() + (ys * ys).sum())(
        *scan(lambda c, u: (np.tanh(c * 0.5 + u), np.sin(c) * u), x, US)
    ),
    "reverse": lambda x: scan(lambda c, u: (np.tanh(c * u), c + u), x, US, reverse=True)[1][3].sum(),
    "captured": lambda x: scan(lambda c, u: (np.tanh(WEIGHTS @ c + x * u), (c * x[::-1]).sum()), 0.5 * x, US)[1].sum(),
    "no slices": lambda x: scan(lambda c, _: (np.sin(c) * x, None), x, length=10)[0].sum(),
    "sliced": lambda x: scan(lambda c, u: (c + np.sin(u), c * u), 0.0, dnp.outer(np.arange(9.0), x)[:, 1])[1].sum(),
    "a pytree": lambda x: scan(
        lambda c, u: ({"a": c["b"] * u[0], "b": (c["a"] + x.sum())}, (c["a"], {"y": c["b"] * 2.0})),
        {"a": x[0], "b": x[1]},
        (US[:, 0], US),
    )[1][1]["y"].sum(),
    "None and numbers": lambda x: (
        scan(lambda c, u: ((np.sin(c[0]) * u, None, 3, True, c[4] + c[0].sum()), None), (x, None, 3, True, 0.0), US)[0][
            4
        ]
        * 1.0
    ),
    "fori_loop": lambda x: fori_loop(2, 14, lambda i, v: np.sin(v + 0.1 * i) * x + i % 3, x).sum(),
    "fori_loop, elements": lambda x: fori_loop(
        0, 10, lambda i, v: v * 0.5 + np.sin(dnp.outer(x, np.arange(10.0))[i % 3, i]) * x[2 - i % 3], 0.1
    ),
    "map": lambda x: (dualad.map(lambda u: np.sin(u * x) * u.sum(), US) ** 2).sum(),
    "gathers": lambda x: scan(lambda c, k: (np.sin(c + x[k]), c * x[k]), 0.0, TABLE)[1].sum(),
    "nested": lambda x: scan(
        lambda c, u: (scan(lambda d, w: (np.sin(d * w + c) * x, d.sum()), u + c, US)[1].sum() + u * x, c), x, US[:8]
    )[1].sum(),
    "cond": lambda x: scan(lambda c, u: (cond(c.sum() < 50.0, lambda v: np.sin(v), lambda v: v, c + u), c), x, US)[
        1
    ].sum(),
    "switch": lambda x: scan(lambda c, u: (switch(1, [np.cos, np.sin], c) * u, c), x, US)[1].sum(),
    "while_loop": lambda x: scan(
        lambda c, u: (while_loop(lambda v: v[0] < 3, lambda v: (v[0] + 1, v[1] * 0.9), (0, c))[1] + u, None), x, US
    )[0].sum(),
    "what it returns is captured": lambda x: scan(lambda c, u: (x * 2.0, u), x, US)[0].sum(),
    "unused": lambda x: scan(lambda c, u: ((np.sin(c[0]), c[1] * c[0]), None), (x, x), US)[0][0].sum(),
    "a carry that is not read": lambda x: scan(lambda c, u: (x * u, u * x), x, US)[0].sum(),
    "a carry that is replaced": lambda x: scan(lambda c, u: (u * 1.0, c * 1.0), x, US)[1].sum(),
    "integers": lambda x: scan(lambda c, u: (np.where(u > 1, c, c + np.sin(c)), u + 1), x, np.arange(9) % 3)[0].sum(),
    "one after the other": lambda x: scan(
        lambda c, y: (np.sin(c * y), None), x, scan(lambda c, u: (c * u, np.cos(c)), x, US)[1], reverse=True
    )[0].sum(),
    "a product of matrices": lambda x: scan(lambda c, u: (np.tanh(c @ WEIGHTS + u), None), dnp.outer(x, x), US)[
        0
    ].sum(),
    "a plain loop inside": lambda x: scan(lambda c, u: (rounds(c, u), c), x, US)[1].sum(),
    "inside a plain loop": lambda x: plainly(x).sum(),
}


def rounds(c: Any, u: Any) -> Any:
    for k in range(3):
        c = np.sin(c + u * k)
    return c


def plainly(x: Any) -> Any:
    for _ in range(3):
        x = scan(lambda c, u: (np.sin(c * u + x), None), x, US)[0]
    return x


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_mode(name: str) -> None:
    every_mode(PROGRAMS[name], X)


def test_two_arguments_and_the_slices_are_differentiated() -> None:
    def f(x: Any, us: Any) -> Any:
        last, ys = scan(lambda c, u: (np.tanh(c * 0.5 + u), np.sin(c) * u), x, us)
        return (last * last).sum() + (ys * ys).sum()

    check(value_and_grad(f, (0, 1)), X, US, rolled=2)
    check(jacrev(lambda x, us: scan(lambda c, u: (np.sin(c * u), None), x, us)[0], (0, 1)), X, US)
    check(hessian(f), X, US)


@pytest.mark.parametrize("length", [0, 1, 2, 7, 8, 9])
@pytest.mark.parametrize("reverse", [False, True])
def test_lengths(length: int, reverse: bool) -> None:
    def f(x: Any, us: Any) -> Any:
        last, ys = scan(lambda c, u: (np.sin(c * u), c + u), x, us, reverse=reverse)
        return last.sum() + (0.0 if ys is None else (ys * ys).sum())

    check(f, X, US[:length], rolled=int(length >= 8))
    check(grad(f), X, US[:length])


def test_narrow_dtypes() -> None:
    x, us = X.astype(np.float32), US.astype(np.float32)

    def f(x: Any, us: Any) -> Any:
        (c, total), _ = scan(lambda s, u: ((np.tanh(s[0] * 0.5 + u), s[1] + s[0].sum()), None), (x, 0.0), us)
        return (c * c).sum() + total

    g = check(f, x, us, rolled=1, rtol=1e-5)
    assert g(x, us).dtype == np.float32
    check(grad(f), x, us, rolled=2, rtol=1e-5)
    check(lambda x: fori_loop(0, 9, lambda i, v: v * (0.1 * i), x), x, rtol=1e-5)
    check(lambda x: scan(lambda c, u: (c + 0.1, u * c), 0.3, x[0] * us[:, 0]), x, rtol=1e-5)


def test_complex_numbers() -> None:
    z = X + 0.3j

    def f(z: Any) -> Any:
        return np.abs(scan(lambda c, u: (c * c * 0.5 + 0.1j * u, c), z, US)[0]).sum()

    check(f, z, rolled=1)
    check(grad(f), z, rolled=2)
    check(grad(lambda x: f(x + 0.2j)), X, rolled=2)


def test_what_the_native_code_does_not_know() -> None:
    def f(x: Any) -> Any:
        return scan(lambda c, u: (np.sort(np.linalg.inv(c + u.sum() * np.eye(3) * 5.0)), None), dnp.outer(x, x), US)[
            0
        ].sum()

    check(f, X, rolled=1)
    check(grad(f), X, rolled=2, rtol=1e-8)


# Where the body is no program of its own ----------------------------------------------------------


@pytest.mark.parametrize("odd", [0, 1, 2, 5, 11])
def test_a_guard_that_changes_in_some_iteration(odd: int) -> None:
    us = np.ones((12, 3))
    us[odd] = -1.0

    def f(x: Any, us: Any) -> Any:
        return scan(lambda c, u: (np.sin(c) * u if u[0] > 0 else c * 0.5, c), x, us)[1].sum()

    g = jit(grad(f))
    for v in (np.ones((12, 3)), us, np.ones((12, 3)), us):
        np.testing.assert_allclose(g(X, v), grad(f)(X, v), rtol=1e-11)
    h = jit(f)
    for v in (us, np.ones((12, 3)), us):
        np.testing.assert_allclose(h(X, v), f(X, v), rtol=1e-11)


def test_a_guard_on_what_the_body_captures() -> None:
    def f(x: Any, w: Any) -> Any:
        return scan(lambda c, u: (np.sin(c) * u if w[0] > 0 else c * w, None), x, US)[0].sum()

    for g, h in ((jit(f), f), (jit(grad(f)), grad(f)), (jit(grad(f, 1)), grad(f, 1))):
        for w in (X, -X, X):
            np.testing.assert_allclose(g(X, w), h(X, w), rtol=1e-11)


def test_a_guard_is_checked_in_each_iteration_and_nowhere_else() -> None:
    def f(x: Any) -> Any:
        return scan(lambda c, u: (np.sin(c) + u if c[0] < 9.0 else c, None), x, US)[0].sum()

    g = jit(f)
    g(X)
    (p,) = programs(g)
    assert [type(k).__name__ for k in p.graph.guards] == ["Repeated"]
    np.testing.assert_allclose(g(X + 50.0), f(X + 50.0))


def test_a_guard_on_the_counter() -> None:
    every_mode(lambda x: fori_loop(0, 12, lambda i, v: np.sin(v) if i % 3 else v * x, x).sum(), X)
    every_mode(lambda x: fori_loop(0, 12, lambda i, v: np.sin(v) * US[i] if i < 40 else v, x).sum(), X)


def test_a_body_that_is_not_pure() -> None:
    def f(x: Any) -> Any:
        turns, kept = [0], []

        def body(c: Any, u: Any) -> Any:
            turns[0] += 1
            kept.append(c)
            return np.sin(c * turns[0]) * u, None

        last, _ = scan(body, x, US)
        return (last * kept[5]).sum()

    check(f, X)
    check(grad(f), X)


@pytest.mark.filterwarnings("ignore:jit")
@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_random_numbers_in_the_body_are_those_of_the_uncompiled_loop(make: Any) -> None:
    def over(rng: Any) -> Any:
        return lambda x: scan(lambda c, u: (np.sin(c) + u * rng.normal(size=3), None), x, US)[0].sum()

    f, g = over(make(3)), jit(over(make(3)))
    for _ in range(5):
        np.testing.assert_allclose(g(X), f(X), rtol=1e-12)


def test_an_iterator_in_the_body() -> None:
    def f(x: Any) -> Any:
        factors = iter([x * (k + 1.0) for k in range(12)])
        return scan(lambda c, u: (np.sin(c + u) * next(factors), None), x, US)[0].sum()

    check(grad(f), X)


def test_captures_of_equal_values_and_different_derivatives() -> None:
    def f(x: Any) -> Any:
        pair = iter([x, dualad.stop_gradient(x), *[x] * 10])
        return scan(lambda c, u: (c * 0.5 + u * next(pair), None), x, US)[0].sum()

    check(grad(f), X)


def test_structures_shapes_and_dtypes_that_change() -> None:
    check(lambda x: scan(lambda c, u: (c + u, None), x[0], US)[0], X)
    check(lambda x: scan(lambda c, u: (c + x, u), 0, US)[0], X)
    check(lambda x: scan(lambda c, u: (c * 2 + 1, c * x), 1, US)[1], X)
    check(lambda x: scan(lambda c, u: (c * x, c), X.astype(np.float32), US)[0], X)

    def grows(c: Any, u: Any) -> Any:
        return (c, 1.0) if not isinstance(c, tuple) else (c[0] * u, c[1]), None

    check(lambda x: scan(grows, x, US)[0], X)


def test_assignment_in_the_body() -> None:
    def f(x: Any) -> Any:
        def body(i: Any, y: Any) -> Any:
            y[i] = np.sin(y[i - 1]) + x[i % 3]
            return y

        return fori_loop(1, 30, body, dnp.zeros(30) + x[0])

    check(f, X)
    check(grad(lambda x: (f(x) ** 2).sum()), X)

    def into_another(x: Any) -> Any:
        out = dnp.zeros(12)

        def body(c: Any, u: Any) -> Any:
            y = c * 1.0
            y[1] = u[0]
            out[2] = y[0]
            return np.sin(y) + x, y.sum()

        return scan(body, x, US)[1].sum() + out.sum()

    check(into_another, X)
    check(grad(into_another), X)


def test_rules_of_the_users_own() -> None:
    @custom_jvp
    def softplus(x: Any) -> Any:
        return np.log1p(np.exp(x))

    softplus.defjvp(lambda p, t: (softplus(p[0]), t[0] / (1 + np.exp(-p[0]))))
    check(grad(lambda x: scan(lambda c, u: (softplus(c) * u, None), x, US)[0].sum()), X)


def test_a_transform_in_the_body() -> None:
    every_mode(lambda x: scan(lambda c, u: (grad(lambda v: np.sin(v * u).sum())(c) + x, None), x, US)[0].sum(), X)


def test_errors_are_the_users_own() -> None:
    def f(x: Any) -> Any:
        def body(c: Any, u: Any) -> Any:
            raise KeyError("no")

        return scan(body, x, US)[0]

    with pytest.raises(KeyError, match="no"):
        jit(f)(X)
    with pytest.raises(dualad.StructureError, match="pair"):
        jit(lambda x: scan(lambda c, u: c, x, US))(X)


def test_an_except_clause_in_the_function_does_not_see_it() -> None:
    def f(x: Any) -> Any:
        try:
            return fori_loop(0, 12, lambda i, v: np.sin(v) if i % 3 else v * x, x).sum()
        except Exception:
            return x[0]

    check(grad(f), X)


# Checkpoints ------------------------------------------------------------------------------------


def test_a_checkpointed_body() -> None:
    def f(x: Any, keep: Any = lambda f: f) -> Any:
        return scan(keep(lambda c, u: ((np.sin(c[0] * u) + c[1], c[1]), c[0].sum())), (x, x), US)[1].sum()

    kept = lambda x: f(x, checkpoint)
    check(kept, X)
    np.testing.assert_allclose(check(grad(kept), X)(X), grad(f)(X), rtol=1e-12)
    np.testing.assert_allclose(check(lambda x: hvp(kept, x, x), X)(X), hvp(f, X, X), rtol=1e-12)


def test_a_gradient_in_bounded_memory() -> None:
    us = RNG.normal(size=(400, 3))

    def f(x: Any) -> Any:
        return scan(lambda c, u: (np.sin(c * u) + x, c.sum()), x, us)[1].sum()

    bounded = grad(f, memory="900kB")
    np.testing.assert_allclose(bounded(X), grad(f)(X), rtol=1e-11)
    np.testing.assert_allclose(jit(bounded)(X), grad(f)(X), rtol=1e-11)


# Random programs --------------------------------------------------------------------------------

UNARY = [np.sin, np.tanh, lambda v: v * 0.7, lambda v: np.exp(-v * v), lambda v: v[::-1], lambda v: np.abs(v)]
BINARY = [
    lambda a, b: a * b,
    lambda a, b: a + b,
    lambda a, b: np.maximum(a, b),
    lambda a, b: np.where(a > b, a, b * 0.5),
]


@st.composite
def bodies(draw: Any) -> Any:
    """(how, length, reverse, carries, code, next carries, result): an operand is (kind, which)."""
    kinds = ["carry", "slice", "captured", "local", "constant"]
    operand = st.tuples(st.sampled_from(kinds), st.integers(0, 3))
    code = draw(
        st.lists(st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), operand, operand), min_size=1, max_size=7)
    )
    carries = draw(st.integers(1, 3))
    return (
        draw(st.sampled_from(["scan", "fori_loop", "nested"])),
        draw(st.integers(1, 14)),
        draw(st.booleans()),
        carries,
        code,
        draw(st.lists(operand, min_size=carries, max_size=carries)),
        draw(operand),
        draw(st.integers(0, 1000)),
    )


@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(bodies())
def test_random_bodies(drawn: Any) -> None:
    random_body(drawn)


@pytest.mark.nightly
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(bodies())
def test_random_bodies_nightly(drawn: Any) -> None:
    random_body(drawn)


def random_body(drawn: Any) -> None:
    how, length, reverse, carries, code, after, result, seed = drawn
    us = np.random.default_rng(seed).normal(size=(length, 3))

    def f(x: Any, us: Any) -> Any:
        def body(c: Any, u: Any) -> Any:
            local: list[Any] = []

            def operand(kind: str, k: int) -> Any:
                if kind == "carry":
                    return c[k % carries]
                if kind == "slice":
                    return u
                if kind == "constant":
                    return np.array([0.3, -0.5, 0.2]) * k
                return local[-1 - k] if kind == "local" and k < len(local) else x * (k + 0.5)

            for op, a, b in code:
                y = UNARY[op](operand(*a)) if op < len(UNARY) else BINARY[op - len(UNARY)](operand(*a), operand(*b))
                local.append(np.tanh(y + 0.0 * x))
            return tuple(operand(*o) * 1.0 for o in after), operand(*result) * 1.0

        start = tuple(x * (k + 1.0) for k in range(carries))
        if how == "fori_loop":
            last = fori_loop(0, length, lambda i, c: body(c, us[i])[0], start)
            return sum((v * v).sum() for v in last)
        if how == "nested":
            whole = lambda c, u: (scan(body, c, us * u, reverse=reverse)[0], None)
            last, _ = scan(whole, start, us)
            return sum((v * v).sum() for v in last)
        last, ys = scan(body, start, us, reverse=reverse)
        return sum((v * v).sum() for v in last) + (ys * np.cos(us)).sum()

    check(value_and_grad(f, (0, 1)), X, us, rtol=1e-9)
    check(lambda x, us: hvp(lambda x: f(x, us), x, x[::-1]), X, us, rtol=1e-8)
    check(vmap(grad(f), (0, None)), np.stack([X, -X]), us, rtol=1e-9)
