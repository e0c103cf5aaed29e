"""Gradient of a plain Python loop: Runge-Kutta steps of the Lorenz system under `jit(grad(f))`, which rolls the recording up,
against `lax.scan` under `jax.jit(jax.grad(f))` and against CasADi's `mapaccum` (on its virtual machine). Per call in the first
table, the first call in the second: record or trace, differentiate, compile, run. The state is an array or three numbers;
CasADi's is the same for both. Each library has compiled another loop before; of the programs measured nothing is kept
(`DUALAD_CACHE` is an empty folder)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

import dualad
from compare.problems.loops import H, lorenz, rk4, rk4_of_arrays, tangle, trajectory, trajectory_of_arrays
from compare.timing import Row, in_turn, once, text

CASES = (("an array", 1000), ("three numbers", 100), ("three numbers", 1000), ("three numbers", 10_000))
START = numpy.array([1.0, 2.0, 3.0])
TARGET = 0.1


def with_jax(state: str, steps: int) -> Callable[[], Any]:
    import jax

    jax.config.update("jax_enable_x64", True)

    def f(s: Any) -> Any:
        def step(s: Any, _: Any) -> Any:
            if state == "an array":
                return rk4_of_arrays(jax.numpy, s), None
            return jax.numpy.stack(rk4(lorenz, [s[0], s[1], s[2]], H)), None

        return jax.lax.scan(step, s, None, length=steps)[0][0]

    g = jax.jit(jax.grad(f))
    x = jax.numpy.asarray(START)
    return lambda: jax.block_until_ready(g(x))


def with_casadi(state: str, steps: int) -> Callable[[], Any]:
    import casadi

    s = casadi.SX.sym("s", 3)
    step = casadi.Function("step", [s], [casadi.vertcat(*rk4(lorenz, [s[0], s[1], s[2]], H))])
    x = casadi.MX.sym("x", 3)
    end = step.mapaccum("all", steps)(x)[0, steps - 1]
    g = casadi.Function("g", [x], [casadi.gradient(end, x)])
    return lambda: numpy.asarray(g(START)).ravel()


def warm() -> None:
    """Compile another loop with each library."""

    def decay(np: Any, s: Any) -> Any:
        return s - H * np.stack([s[1], s[2], s[0]]) * np.sin(s)

    def f(s: Any) -> Any:
        for _ in range(200):
            s = decay(dualad.numpy, s)
        return s[0]

    for _ in range(2):  # what comes with the second call
        dualad.jit(dualad.grad(f))(START)
    with contextlib.suppress(ImportError):
        import jax

        jax.config.update("jax_enable_x64", True)
        x = jax.numpy.asarray(START)
        scanned = lambda s: jax.lax.scan(lambda s, _: (decay(jax.numpy, s), None), s, None, length=200)[0][0]
        jax.block_until_ready(jax.jit(jax.grad(scanned))(x))
    with contextlib.suppress(ImportError):
        import casadi

        v = casadi.MX.sym("v", 3)
        casadi.Function("v", [v], [casadi.gradient(casadi.sum1(casadi.sin(v)), v)])(START)


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    makers: dict[str, Callable[[str, int], Callable[[], Any]]] = {"jax": with_jax, "casadi": with_casadi}
    warm()
    rows, first = (
        [],
        ["First call:", "", "| state, steps | dualad | of which compiling | jax | casadi |", "|---|---|---|---|---|"],
    )
    for state, steps in CASES:
        if state == "an array":
            f = dualad.jit(dualad.grad(lambda s, steps=steps: trajectory_of_arrays(dualad.numpy, s, steps)))
        else:
            f = dualad.jit(dualad.grad(lambda s, steps=steps: trajectory(s, steps)))
        calls: dict[str, Callable[[], Any]] = {"dualad": lambda f=f: f(START)}
        begun, expected = once(calls["dualad"])
        cells = [f"{state}, {steps:,}", text(begun), text(_compiling(f))]
        for name, maker in makers.items():
            try:
                spent, (call, theirs) = once(functools.partial(_built, maker, state, steps))
            except ImportError:
                cells.append("")
                continue
            if steps <= 1000:  # a chaotic system tells roundings apart after that
                numpy.testing.assert_allclose(theirs, expected, rtol=1e-3, err_msg=name)
            cells.append(f"{text(spent)} ({begun / spent:.3g})")
            calls[name] = call
        first.append(f"| {' | '.join(cells)} |")
        rows.append(Row(f"{state}, {steps:,} steps", in_turn(calls, rounds), {"jax": TARGET} if "jax" in calls else {}))
    g = dualad.jit(lambda x: tangle(x, 1000))
    begun, _ = once(lambda: g(numpy.linspace(0.1, 1, 10)))
    first += ["", f"A scalar program of 1,000 operations, none repeated: first call {text(begun)}, of which compiling "
              f"{text(_compiling(g))}."]  # fmt: skip
    return rows, ["\n".join(first)]


def _built(maker: Callable[[str, int], Callable[[], Any]], state: str, steps: int) -> tuple[Callable[[], Any], Any]:
    """A peer's function, and what it returns."""
    call = maker(state, steps)
    return call, call()


def _compiling(f: Any) -> float:
    """Seconds to make the program of a compiled function's recording again."""
    from dualad.native.program import Program

    graph = f._paths()[0][1].program.graph
    return once(lambda: Program(graph))[0]
