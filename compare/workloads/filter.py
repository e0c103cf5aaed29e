"""Gradient of the likelihood of a Kalman filter of 500 steps, by `scan`: small products and systems of equations in a loop.
Per call in the first table, the first call in the second; one thread."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

import dualad
from compare.timing import Row, in_turn, once, text

SIZES = ((4, 2), (12, 4))  # states, observations
STEPS = 500


def likelihood(np: Any, scan: Callable[..., Any], states: int, observations: int) -> Callable[[Any], Any]:
    rng = numpy.random.default_rng(0)
    move = 0.9 * numpy.linalg.qr(rng.normal(size=(states, states)))[0]
    look = rng.normal(size=(observations, states))
    seen = rng.normal(size=(STEPS, observations))

    def f(noise: Any) -> Any:
        def step(state: Any, y: Any) -> Any:
            m, p = state
            m, p = move @ m, move @ p @ move.T + 0.1 * np.eye(states)
            s, e = look @ p @ look.T + np.diag(noise), y - look @ m
            gain = np.linalg.solve(s, look @ p).T
            cost = e @ np.linalg.solve(s, e) + np.linalg.slogdet(s)[1]
            return (m + gain @ e, p - gain @ s @ gain.T), -0.5 * cost

        return scan(step, (np.zeros(states), np.eye(states)), seen)[1].sum()

    return f


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    rows, first = [], ["First call:", "", "| states, observations | dualad | jax |", "|---|---|---|"]
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
    except ImportError:
        jax = None
    for states, observations in SIZES:
        noise = numpy.linspace(0.5, 1.0, observations)
        ours = dualad.jit(dualad.grad(likelihood(numpy, dualad.scan, states, observations)))
        calls: dict[str, Callable[[], Any]] = {"dualad": lambda ours=ours, noise=noise: ours(noise)}
        begun, expected = once(calls["dualad"])
        cell = ""
        if jax is not None:
            point = jax.numpy.asarray(noise)
            theirs = jax.jit(jax.grad(likelihood(jax.numpy, jax.lax.scan, states, observations)))
            calls["jax"] = lambda theirs=theirs, point=point: jax.block_until_ready(theirs(point))
            spent, found = once(calls["jax"])
            numpy.testing.assert_allclose(found, expected, rtol=1e-7)
            cell = f"{text(spent)} ({begun / spent:.3g})"
        rows.append(Row(f"{states} states, {observations} observations", in_turn(calls, rounds), {}))
        first.append(f"| {states}, {observations} | {text(begun)} | {cell} |")
    return rows, ["\n".join(first)]
