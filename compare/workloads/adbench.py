"""Problems of the ADBench suite, on one thread: gradients of a Gaussian mixture and of an LSTM, Jacobians of bundle adjustment
(blocks of each observation) and of hand tracking. `dualad.jit` against `jax.jit` on device arrays, both of the same source; the
mixture also written out in NumPy, bundle adjustment also by CasADi's generated C, compiled with `gcc -O3 -march=native`. Of
forward and reverse mode each library has the one that is faster for it. The second table has the time of the first call: record
or trace, differentiate, compile, run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy

import dualad
import dualad.numpy
from compare.problems import adbench, adbench_data
from compare.timing import Row, in_turn, once, text


@dataclass
class Problem:
    """``make(np, library, scan)`` is the derivative to compile; ``target`` the ratio to JAX asked for."""

    name: str
    make: Callable[[Any, Any, Any], Callable[..., Any]]
    args: tuple[Any, ...]
    target: float | None
    by_hand: Callable[[], Any] | None = None


def mixture(d: int, k: int) -> Problem:
    *args, gamma, m = adbench_data.mixture(d, k)

    def make(np: Any, library: Any, scan: Any) -> Any:
        return library.grad(lambda a, u, e, x: adbench.mixture(np, a, u, e, x, gamma, m), (0, 1, 2))

    by_hand = lambda: adbench.mixture_by_hand(*args, gamma, m)
    return Problem(f"GMM d={d} K={k} N=1000", make, tuple(args), 0.8, by_hand)


def sequence(length: int, target: float) -> Problem:
    main, extra, state, xs = adbench_data.sequence()

    def make(np: Any, library: Any, scan: Any) -> Any:
        return library.grad(lambda *a: adbench.sequence_loss(np, scan, *a), (0, 1))

    return Problem(f"LSTM 2 layers, {length} steps", make, (main, extra, state, xs[:length]), target)


def hand(name: str, count: int, target: float | None) -> Problem:
    theta, model, points = adbench_data.hand(name, count)

    def make(np: Any, library: Any, scan: Any) -> Any:
        return library.jacfwd(lambda t, p: adbench.hand(np, t, model, p))

    return Problem(f"HAND {count} points", make, (theta, points), target)


def bundle() -> Problem:
    args = tuple(adbench_data.bundle())

    def make(np: Any, library: Any, scan: Any) -> Any:
        return lambda *a: adbench.blocks(np, library.vmap, library.jacrev, library.grad, *a)

    return Problem("BA1 blocks", make, args, 0.35)


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    try:
        import jax
    except ImportError:
        jax = None
    else:
        jax.config.update("jax_enable_x64", True)
    notes = [] if adbench_data.folder() else [adbench_data.MISSING]
    rows, first = [], ["First call:", "", "| case | dualad | jax |", "|---|---|---|"]
    problems = [
        mixture(2, 5),
        mixture(10, 25),
        sequence(1024, 0.8),
        hand("hand1_t26_c100", 100, 0.1),
        hand("hand5_t26_c800", 800, 0.1),
        bundle(),
    ]
    for p in problems:
        ours = dualad.jit(p.make(dualad.numpy, dualad, dualad.scan))
        calls: dict[str, Callable[[], Any]] = {"dualad": lambda f=ours, p=p: f(*p.args)}
        begun, expected = once(calls["dualad"])
        cell = ""
        if jax is not None:
            device = jax.tree.map(jax.numpy.asarray, p.args)
            theirs = jax.jit(p.make(jax.numpy, jax, jax.lax.scan))
            calls["jax"] = lambda f=theirs, args=device: jax.block_until_ready(f(*args))
            seconds, _ = once(calls["jax"])
            cell = f"{text(seconds)} ({begun / seconds:.3g})"
        if p.by_hand is not None:
            calls["numpy by hand"] = p.by_hand
        for other, call in calls.items():
            agree(call(), expected, f"{p.name}: {other}")
        if p.name.startswith("BA") and (casadi := with_casadi(p.args, notes)) is not None:
            agree(casadi(), expected, f"{p.name}: CasADi")
            calls["CasADi's C"] = casadi
        targets = {"jax": p.target} if jax is not None and p.target else {}
        rows.append(Row(p.name, in_turn(calls, rounds), targets))
        first.append(f"| {p.name} | {text(begun)} | {cell} |")
    return rows, ["\n".join(first), *notes]


def with_casadi(args: Any, notes: list[str]) -> Callable[[], Any] | None:
    try:
        from compare.problems.adbench_casadi import blocks

        return blocks(*args)
    except (ImportError, OSError) as e:  # no CasADi, or no compiler
        notes.append(f"CasADi's C is left out ({e}).")
        return None


def agree(a: Any, b: Any, what: str) -> None:
    """Two derivatives are equal to rounding, against the size of each array."""
    for x, y in zip(a, b, strict=True) if isinstance(a, (tuple, list)) else [(a, b)]:
        scale = max(1.0, float(numpy.abs(y).max()))
        numpy.testing.assert_allclose(
            numpy.asarray(x) / scale, numpy.asarray(y) / scale, rtol=1e-8, atol=1e-11, err_msg=what
        )
