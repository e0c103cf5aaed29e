"""Functions that are differentiated within jit are recorded once, on plain values, and their loops rolled up before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
import dualad.numpy as dnp
from dualad import checkpoint, custom_jvp, grad, jacfwd, jit, jvp, scan, value_and_grad, vjp, vmap
from dualad.modes.record import RecordLevel
from dualad.modes.trace import TraceLevel
from dualad.native import recurrence
from dualad.native.recurrence import Tape
from dualad.native.repeating import repeating
from dualad.tape.repeat import REPEAT
from dualad.tape.tape import needed
from tests.native.test_repeats import Counted, check, every_mode, loops

X = np.array([0.3, -0.2, 0.5])
US = np.random.default_rng(3).normal(size=(40, 3))


@pytest.fixture(autouse=True)
def eager_to_roll(monkeypatch: Any) -> None:
    """Short loops are rolled too."""
    monkeypatch.setattr(recurrence, "LEAST", 24)
    monkeypatch.setattr(recurrence, "COUNT", 4)


def plain(x: Any) -> Any:
    for k in range(40):
        x = np.sin(x) * 1.1 + 0.01 * k
    return x.sum()


def repeats(f: Any, *xs: Any) -> list[Any]:
    """The loops that a function's recording has as operations."""
    with TraceLevel() as level:
        y = f(*[level.watch(x) for x in xs])
    found = repeating(level, [y.aux])
    return [] if found is None else [n for n in found[0] if n[1] is REPEAT]


def test_the_function_is_called_once() -> None:
    f = Counted(plain)
    g = jit(lambda x: grad(lambda x: grad(f)(x).sum())(x))
    g(X)
    assert f.count == 1
    assert len(loops(g)) >= 2


PROGRAMS: dict[str, Any] = {
    "a carried value": plain,
    "values from iterations before": lambda x: history(x, 3),
    "a list that is gone through": lambda x: listed(x),
    "elements of an array": lambda x: elements(x),
    "rows": lambda x: rows(x, US),
    "guards": lambda x: guarded(x),
    "nested": lambda x: nested(x),
    "a scan in it": lambda x: with_scan(x),
    "results stacked": lambda x: (stacked(x) ** 2).sum(),
    "arrays that change in place": lambda x: in_place(x),
    "two loops": lambda x: two(x),
}


@pytest.mark.parametrize("name", [*PROGRAMS, "parts that nothing needs"])
def test_columns_are_those_of_the_nodes(name: str) -> None:
    """What is noted while a function is recorded is what a recording of nodes has, cut to what is needed."""
    f = PROGRAMS.get(name, wasteful)
    with TraceLevel() as level:
        y = f(level.watch(X))
    with RecordLevel() as full:
        z = f(full.watch(X))
    assert y.aux == z.aux
    for a, b in zip(level.nodes, full.nodes, strict=True):
        assert a[:3] == b[:3] and noted_of(a) == noted_of(b)
    noted = Tape(level.inputs, level.nodes, [y.aux])
    made = Tape(full.inputs, needed(full.nodes, [z.aux]), [z.aux])
    assert [a[0] for a in noted.nodes] == [b[0] for b in made.nodes]
    for same in ("places", "offsets", "leads", "constant"):
        np.testing.assert_array_equal(getattr(noted, same), getattr(made, same), err_msg=same)
    assert noted.ends == made.ends and noted.free >= made.free
    assert len(noted.constants) == len(made.constants)
    assert all(map(np.array_equal, noted.constants, made.constants))
    pairs = set(zip(noted.codes.tolist(), made.codes.tolist(), strict=True))
    assert len(pairs) == len(set(noted.codes.tolist())) == len(set(made.codes.tolist()))


def noted_of(node: Any) -> Any:
    """Of operands and result shape and dtype, of constants the values; and the parameters, with indices as they select."""
    _, prim, parents, args, y, params, _ = node
    held = [None if a is None else spec(a) if p is not None else (type(a), str(a)) for a, p in zip(args, parents)]
    chosen = dict(params)
    if prim.name in ("index", "index_set", "scatter"):
        shape = params["shape"] if prim.name == "scatter" else args[0].shape
        chosen["template"] = str(np.arange(np.prod(shape)).reshape(shape)[params["template"]])
    ys = [spec(v) for v in y] if isinstance(y, tuple) else None if y is None else spec(y)
    return held, ys, str(chosen)


def spec(a: Any) -> Any:
    return tuple(a.shape), np.dtype(a.dtype)


def wasteful(x: Any) -> Any:
    unused = np.exp(x[1]) * 2.0
    for k in range(40):
        x = np.sin(x) * 1.1 + 0.01 * k
        unused = unused * x[0] - 1.0
    return x[2] * 3


def history(x: Any, back: int) -> Any:
    xs = [x * (k + 1.0) for k in range(back)]
    for _ in range(40):
        xs.append(np.tanh(xs[-1] * 0.5 + xs[-back] * 0.6))
    return (xs[-1] + xs[-2] * xs[20]).sum()


def listed(x: Any) -> Any:
    ys = [np.sin(x), np.cos(x), x * x, np.tanh(x), np.exp(x), x / 3, -x, np.sqrt(x + 2), np.arctan(x), x + 1.5]
    s = 0.0 * x
    for y in ys:
        s = np.sin(s * y + 0.5) + np.tanh(s - y) * np.cos(y)
    return s.sum()


def elements(x: Any) -> Any:
    y = dnp.outer(np.arange(1.0, 21.0), x)
    s = 0.1
    for k in range(20):
        s = np.sin(s * y[k, 1] + y[19 - k, 0]) + y[(7 * k) % 20, 2]
    return s


def rows(x: Any, us: Any) -> Any:
    for k in range(40):
        x = np.tanh(x * 0.5 + us[k]) + us[k, 1]
    return (x * x).sum()


def guarded(x: Any) -> Any:
    for k in range(40):
        x = np.sin(x) + 0.1 * k if x[0] < 50.0 else x * 0.5
    return x.sum() if x[1] < 50.0 else x[0]


def nested(x: Any) -> Any:
    for i in range(10):
        y = x * 0.5
        for j in range(6):
            y = np.sin(y) + 0.01 * j * x
        x = np.tanh(y + 0.1 * i)
    return x.sum()


def with_scan(x: Any) -> Any:
    for _ in range(10):
        x = scan(lambda c, u: (np.sin(c) * u + x, None), x, US[:9])[0] + np.cos(x) * 0.3
    return x.sum()


def stacked(x: Any) -> Any:
    out = []
    for k in range(40):
        x = np.sin(x) * 1.1 + 0.01 * k
        out.append(x)
    return dnp.stack(out)


def in_place(x: Any) -> Any:
    y = dnp.zeros(40) + x[0]
    for k in range(1, 40):
        y[k] = np.sin(y[k - 1]) + x[k % 3]
    return (y * y).sum()


def two(x: Any) -> Any:
    first = []
    for k in range(30):
        x = np.sin(x) + 0.1 * k
        first.append(x)
    for k in range(30):
        x = x * np.cos(first[k]) + first[29 - k]
    return x.sum()


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_mode(name: str) -> None:
    every_mode(PROGRAMS[name], X, rtol=1e-9)


@pytest.mark.parametrize(
    "name", ["a carried value", "values from iterations before", "elements of an array", "rows", "two loops"]
)
def test_loops_become_operations(name: str) -> None:
    assert repeats(PROGRAMS[name], X)


def test_other_arguments_are_captured() -> None:
    def f(x: Any, w: Any, b: Any) -> Any:
        for k in range(40):
            x = np.tanh(w @ x + b) + 0.1 * k
        return (x * x).sum()

    w, b = US[:3] * 0.3, US[4]
    check(grad(f, 1), X, w, b)
    check(value_and_grad(f, (0, 2)), X, w, b)
    check(lambda x, w, b: grad(lambda x: (grad(f, 1)(x, w, b) * w).sum())(x), X, w, b)
    check(lambda x, w, b: jvp(lambda w: grad(f)(x, w, b), (w,), (w,)), X, w, b)
    check(vmap(grad(f), (0, None, None)), np.stack([X, 2 * X]), w, b)


def test_results_beside_the_value() -> None:
    def f(x: Any) -> Any:
        ys = stacked(x)
        return (ys * ys).sum(), {"ys": ys, "last": ys[-1], "n": 3.0, "x": x}

    check(grad(f, has_aux=True), X)
    check(value_and_grad(f, has_aux=True), X)
    check(lambda x: jvp(f, (x,), (x,), has_aux=True), X)


def test_pullbacks_and_jacobians() -> None:
    check(lambda x: vjp(stacked, x)[1](US)[0], X)
    check(lambda x: jacfwd(lambda x: stacked(x)[::7])(x), X)
    check(lambda x: dualad.jacobian(lambda x: stacked(x)[::9])(x), X)


def test_a_guard_that_fails_in_another_call() -> None:
    g = jit(grad(guarded))
    for x in (X, X + 100.0, X, X + 47.0):
        np.testing.assert_allclose(g(x), grad(guarded)(x), rtol=1e-10)


def test_what_cannot_be_run_again() -> None:
    @custom_jvp
    def softplus(x: Any) -> Any:
        return np.log1p(np.exp(x))

    softplus.defjvp(lambda p, t: (softplus(p[0]), t[0] / (1 + np.exp(-p[0]))))

    def f(x: Any) -> Any:
        for _ in range(30):
            x = softplus(x) * 0.9
        return x.sum()

    check(grad(f), X)
    kept = checkpoint(lambda x: np.sin(x) * 1.1)

    def g(x: Any) -> Any:
        for _ in range(30):
            x = kept(x)
        return x.sum()

    check(grad(g), X)


def test_tensors_that_get_out() -> None:
    def f(x: Any) -> Any:
        kept: list[Any] = []

        def inner(z: Any) -> Any:
            kept.append(z)
            return plain(z)

        return grad(inner)(x)

    check(f, X)


def test_errors_and_conversions() -> None:
    def f(x: Any) -> Any:
        if x[0] > 0:
            raise KeyError("no")
        return plain(x)

    with pytest.raises(KeyError, match="no"):
        jit(grad(f))(X)
    np.testing.assert_allclose(
        jit(grad(lambda x: plain(x) * 2.0 if float(dualad.stop_gradient(x)[1] < 0) else x[0]))(X), 2 * grad(plain)(X)
    )


def test_assignment_into_the_argument() -> None:
    def f(x: Any) -> Any:
        x[1] = x[0] * 2.0
        return plain(x)

    check(grad(f), X)


def test_narrow_and_complex() -> None:
    check(grad(plain), X.astype(np.float32), rtol=1e-4)

    def f(z: Any) -> Any:
        for k in range(30):
            z = z * z * 0.5 + 0.1j * k / 30
        return np.abs(z).sum()

    check(grad(f), X + 0.2j)
    check(grad(lambda x: f(x + 0.2j)), X)
