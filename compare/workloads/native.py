"""Compiled gradients, on one thread: `jit(grad(f))` against `jax.jit(jax.grad(f))` on device arrays, against the same gradient
written out in NumPy, and against `grad(f)` without compiling. The second table has the time of the first call: record or
trace, differentiate, compile, run. Each library has compiled another problem before, which uses the same functions: dualad's
vector math is compiled once for a machine, and SciPy's BLAS found once in a process. Of the programs measured, nothing is kept
(`DUALAD_CACHE` is an empty folder)."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

import dualad
from compare.timing import Row, in_turn, once, text

TARGETS = {"elementwise 10": 0.1, "elementwise 1,000": 0.2, "elementwise 1,000,000": 0.2, "Rosenbrock 2": 0.1,
           "Rosenbrock 100": 0.1, "logistic regression 1000x100": 0.5, "MLP 128x784-256-10": 0.9,
           "complex signal 1,000": 0.5, "symmetric 3000x3000": 0.5}  # fmt: skip


def symmetric(np: Any, x: Any) -> Any:
    return np.sum((x + x.T) ** 2)


def symmetric_by_hand(x: Any) -> Any:
    return 4 * (x + x.T)


def elementwise(np: Any, x: Any) -> Any:
    return np.sum(np.tanh(np.sin(x) * np.exp(-x * x)) + np.log1p(x * x))


def elementwise_by_hand(x: Any) -> Any:
    e, s = numpy.exp(-x * x), numpy.sin(x)
    t = numpy.tanh(s * e)
    return (1 - t * t) * (numpy.cos(x) * e - 2 * x * s * e) + 2 * x / (1 + x * x)


def signal(np: Any, w: Any, x: Any, z: Any) -> Any:
    return np.sum(np.abs(np.exp((1j * w - 0.1) * x) * z + 1) ** 2)


def signal_by_hand(w: Any, x: Any, z: Any) -> Any:
    u = numpy.exp((1j * w - 0.1) * x) * z
    return 2 * (numpy.conj(u + 1) * (1j * x * u)).real


def rosenbrock(np: Any, x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_by_hand(x: Any) -> Any:
    g = numpy.zeros_like(x)
    d = x[1:] - x[:-1] ** 2
    g[:-1] = -400 * x[:-1] * d - 2 * (1 - x[:-1])
    g[1:] += 200 * d
    return g


def logistic(np: Any, w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return np.mean(np.logaddexp(0.0, z) - y * z)


def logistic_by_hand(w: Any, x: Any, y: Any) -> Any:
    return x.T @ (1 / (1 + numpy.exp(-(x @ w))) - y) / len(y)


def network(np: Any, p: Any, x: Any, y: Any) -> Any:
    h = np.tanh(x @ p[0] + p[1])
    z = h @ p[2] + p[3]
    z = z - np.max(z, axis=1, keepdims=True)
    return -np.mean(np.sum(y * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))), axis=1))


def network_by_hand(p: Any, x: Any, y: Any) -> Any:
    h = numpy.tanh(x @ p[0] + p[1])
    z = h @ p[2] + p[3]
    e = numpy.exp(z - z.max(axis=1, keepdims=True))
    gz = (e / e.sum(axis=1, keepdims=True) - y) / len(x)
    gh = (gz @ p[2].T) * (1 - h * h)
    return [x.T @ gh, gh.sum(0), h.T @ gz, gz.sum(0)]


def cases() -> list[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]]:
    rng = numpy.random.default_rng(0)
    weights = [rng.normal(size=(784, 256)) * 0.05, numpy.zeros(256), rng.normal(size=(256, 10)) * 0.05, numpy.zeros(10)]
    points = {"10": 10, "1,000": 1000, "1,000,000": 10**6}
    out: list[Any] = [
        (f"elementwise {k}", elementwise, elementwise_by_hand, (numpy.linspace(0.1, 1, n),)) for k, n in points.items()
    ]
    for n in (2, 100):
        out.append((f"Rosenbrock {n}", rosenbrock, rosenbrock_by_hand, (numpy.linspace(0.1, 1, n),)))
    rows = rng.normal(size=(1000, 100)), (rng.random(1000) > 0.5).astype(float)
    out.append(("logistic regression 1000x100", logistic, logistic_by_hand, (rng.normal(size=100) * 0.1, *rows)))
    parts = rng.normal(size=(2, 1000))
    out.append(("complex signal 1,000", signal, signal_by_hand, (*rng.random((2, 1000)), parts[0] + 1j * parts[1])))
    out.append(("symmetric 3000x3000", symmetric, symmetric_by_hand, (rng.normal(size=(3000, 3000)),)))
    images = rng.normal(size=(128, 784)), numpy.eye(10)[rng.integers(0, 10, 128)]
    out.append(("MLP 128x784-256-10", network, network_by_hand, (weights, *images)))
    return out


def warm(np: Any, jit: Callable[..., Any], grad: Callable[..., Any]) -> None:
    """Compile other programs of the same functions, for arrays of other sizes."""
    for n in (13, 1300, 2024, 130_000):  # each width of vectors
        x = np.linspace(0.1, 1.0, n)
        jit(grad(lambda x: 2 * elementwise(np, x)))(x)
    x = np.linspace(0.1, 1.0, 2024)
    jit(grad(lambda w: 2 * signal(np, w, x, x + 2j)))(x)
    w, x = np.linspace(0.1, 1.0, 17), np.ones((23, 17))
    jit(grad(lambda w: 2 * logistic(np, w, x, np.ones(23))))(w)
    jit(grad(lambda x: 2 * symmetric(np, x)))(np.ones((300, 300)))
    p = [np.ones((17, 5)), np.ones(5), np.ones((5, 3)), np.ones(3)]
    jit(grad(lambda p: 2 * network(np, p, x, np.ones((23, 3)))))(p)


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    try:
        import jax
    except ImportError:
        jax = None
    else:
        jax.config.update("jax_enable_x64", True)
    warm(numpy, dualad.jit, dualad.grad)
    if jax is not None:
        warm(jax.numpy, jax.jit, jax.grad)
    rows, first = [], ["First call:", "", "| case | dualad | jax |", "|---|---|---|"]
    for name, f, by_hand, args in cases():
        ours = dualad.jit(dualad.grad(lambda *a, f=f: f(dualad.numpy, *a)))
        eager = dualad.grad(lambda *a, f=f: f(dualad.numpy, *a))
        calls: dict[str, Callable[[], Any]] = {
            "dualad": lambda ours=ours, args=args: ours(*args),
            "numpy by hand": lambda g=by_hand, args=args: g(*args),
            "dualad eager": lambda g=eager, args=args: g(*args),
        }
        begun, expected = once(calls["dualad"])
        cell = ""
        if jax is not None:
            device = jax.tree.map(jax.numpy.asarray, args)
            theirs = jax.jit(jax.grad(lambda *a, f=f: f(jax.numpy, *a)))
            calls["jax"] = lambda g=theirs, args=device: jax.block_until_ready(g(*args))
            cell, _ = once(calls["jax"])
        for other, call in calls.items():
            for a, b in zip(_leaves(call()), _leaves(expected), strict=True):
                numpy.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12, err_msg=f"{name}: {other}")
        rows.append(Row(name, in_turn(calls, rounds), {"jax": TARGETS[name]} if jax is not None else {}))
        first.append(f"| {name} | {text(begun)} | {f'{text(cell)} ({begun / cell:.3g})' if cell else ''} |")
    return rows, ["\n".join(first)]


def _leaves(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list) else [x]
