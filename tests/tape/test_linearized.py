"""Sweeps over a recorded program equal forward and reverse mode, for every primitive."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad
from dualad.modes.record import RecordLevel
from dualad.tape.linearized import pull_many, push_many
from tests.test_every_primitive import DIFFERENTIABLE, close, direction, flat, like, of_moving, xs_of


@pytest.mark.parametrize(("prim", "sample"), DIFFERENTIABLE)
def test_sweeps_of_every_primitive(prim: Any, sample: Any) -> None:
    f, xs = of_moving(prim, sample), xs_of(prim, sample)
    ts = tuple(direction(x, i) for i, x in enumerate(xs))
    us = tuple(direction(x, 9 + i) for i, x in enumerate(xs))
    with RecordLevel() as level:
        watched = [level.watch(x) for x in xs]
        out = flat(f(*watched))
        indices = [y.aux for y in out]
        seeds = {w.aux: np.stack([t, u]) for w, t, u in zip(watched, ts, us, strict=True)}
        pushed = push_many(level.nodes, seeds, indices)
    for k, t in enumerate((ts, us)):
        expected = flat(dualad.jvp(f, xs, t)[1])
        found = [np.zeros_like(e) if p is None else p[k] for p, e in zip(pushed, expected, strict=True)]
        close(found, expected, "push over a tape")

    y, pullback = dualad.vjp(f, *xs)
    gs = like(y, 3)
    expected = pullback(gs)
    moving = {i: np.stack([g, g]) for i, g in zip(indices, flat(gs), strict=True) if np.asarray(g).dtype.kind in "fc"}
    pulled = pull_many(level.nodes, moving, [w.aux for w in watched])
    close([np.zeros_like(x) if p is None else p[1] for p, x in zip(pulled, xs, strict=True)], list(expected), "pull")
