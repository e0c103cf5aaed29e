"""Branches that ``jit`` records beside one another: the choice between them is one operation, made when the program runs.

A branch is recorded on samples, since it may not be meant for the values there are: what it computes is thrown away, and it may
not look at it. Tensors that it uses from outside stand in for its inputs meanwhile. Whatever speaks against it raises
``NoLoop``, and ``jit`` records the branch that Python takes instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dualad.api.repeated import NUMBERS, check_levels, equal, output, standing_for
from dualad.core.level import GROUND
from dualad.core.tensor import Tensor, new_tensor
from dualad.core.tree import flatten, unflatten
from dualad.modes.record import COMPILING, NoLoop, compiling, sampling
from dualad.modes.trace import TraceLevel
from dualad.native.captured import Captured
from dualad.tape.body import Body, made, renumbered, sample
from dualad.tape.branch import chosen

DEEPEST = 20  # branches within branches


def branched(index: Any, functions: Sequence[Callable[..., Any]], operands: Any, key: Any) -> Any:
    """``functions[index](*operands)`` as one operation. Raises ``NoLoop``, with ``key``, where it cannot be one."""
    base = COMPILING.levels[0]
    with standing_for(key):
        if len(COMPILING.levels) > DEEPEST:
            raise NoLoop("branches within branches without end")
        captured = Captured(*functions, operands)
        inputs = list(dict.fromkeys([x for x in (*flatten(operands)[0], *captured.tensors) if is_input(x)]))
        own = [Recorded(f, operands, inputs) for f in functions]
        if captured.drew() or captured.changed() is not None:
            raise NoLoop("a branch changes what it captures")
        structure = own[0].structure
        if any(r.structure != structure for r in own):
            raise NoLoop("the results of the branches differ in structure")
        columns = list(zip(*[r.outs for r in own], strict=True))
        fixed = {k: c[0] for k, c in enumerate(columns) if all(_fixed(c[0], y) for y in c)}
        bodies, operands = _together([r.body(fixed) for r in own], inputs)
        specs = [[b.spec(k) for k in b.outs] for b in bodies]
        if any(s != specs[0] for s in specs):
            raise NoLoop("the results of the branches differ in shape or dtype")
        for x in (index, *operands):
            check_levels(x, base)
        base.looped = True
        results = iter(chosen(index, operands, bodies))
    return unflatten(structure, [fixed[k] if k in fixed else next(results) for k in range(len(columns))])


def is_input(x: Any) -> bool:
    """Whether it is a tensor of a transform in progress."""
    return type(x) is Tensor and x.level is not GROUND


class Recorded:
    """A function recorded once, on samples, without looking at any; ``inputs`` are tensors among its arguments, or that it
    captures."""

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], inputs: Sequence[Tensor], carries: Sequence[Any] = ()
    ) -> None:
        """``f(*args, *carries)``, where a tensor takes the place of each of ``carries``."""
        with compiling(inside=True, on=TraceLevel()) as level, sampling(blind=True), np.errstate(all="ignore"):
            self.level = level
            self.carries = [level.watch(sample(x)) for x in carries]
            self.own = [level.watch(sample(x)) for x in inputs]
            with in_place_of(inputs, self.own):
                given = [(x, x.aux) for x in (*self.carries, *inputs)]
                ys, self.structure = flatten(f(*args, *self.carries))
                self.outs = [self._output(y) for y in ys]
                numbers = [type(y) in NUMBERS for y in self.outs]
                self.ends = [level.lift(np.asarray(y)[()]) if n else y for y, n in zip(self.outs, numbers, strict=True)]
                if any(x.level is not level or x.aux != k for x, k in given):
                    raise NoLoop("an assignment into what it was given")

    def _output(self, y: Any) -> Any:
        y = output(self.level, y)
        return new_tensor(y.value, y.level, y.aux) if type(y) is Tensor else y

    def body(self, fixed: Any = ()) -> tuple[Body, list[Any]]:
        """The program from the inputs to the results but ``fixed`` ones, and what it captures beside."""
        ends = [y for k, y in enumerate(self.ends) if k not in fixed]
        if any(type(y) is not Tensor for y in ends):
            raise NoLoop("a result that is no number")
        return made(self.level, self.carries, [], self.own, ends)


@contextlib.contextmanager
def in_place_of(inputs: Sequence[Tensor], own: Sequence[Tensor]) -> Iterator[None]:
    before = [(x.value, x.level, x.aux) for x in inputs]
    for x, t in zip(inputs, own, strict=True):
        x.value, x.level, x.aux = t.value, t.level, t.aux
    try:
        yield
    finally:
        for x, (value, level, aux) in zip(inputs, before, strict=True):
            x.value, x.level, x.aux = value, level, aux


def _fixed(x: Any, y: Any) -> bool:
    """Whether two branches have the same result, which is no array."""
    numeric = type(x) is Tensor or type(y) is Tensor
    return not numeric and (equal(x, y) or (type(x) is type(y) and isinstance(x, str) and x == y))


def _together(parts: Sequence[tuple[Body, list[Any]]], inputs: Sequence[Any]) -> tuple[list[Body], list[Any]]:
    """Bodies with the same inputs, those of all, and these."""
    operands = list(inputs)
    samples = list(parts[0][0].samples[: len(inputs)])
    starts = []
    for body, more in parts:
        starts.append(len(operands))
        operands += more
        samples += body.samples[len(inputs) :]
    out = []
    for (body, more), start in zip(parts, starts, strict=True):
        numbers = {k: k for k in range(len(inputs))}
        numbers.update((len(inputs) + k, start + k) for k in range(len(more)))
        nodes = renumbered(body.nodes, numbers, len(samples) - len(numbers))
        out.append(Body(0, 0, samples, nodes, [numbers[k] for k in body.outs]))
    return out, operands
