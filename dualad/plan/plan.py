"""Plan: the strategies that were weighed for a derivative, the one that was chosen, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.plan import cost
from dualad.plan.problem import Problem
from dualad.plan.strategies import STRATEGIES, Candidate

HESSIAN_NAMES = {
    "forward-over-reverse": "forward",
    "reverse-over-reverse": "reverse",
    "reverse-over-forward": "reverse",
}
BY_VALUES = ("elimination", "acyclic", "edge-pushing")  # strategies whose steps are NumPy's, on values
FAMILIAR = 0.85  # predictions are rough: another strategy than plain modes must promise to be better by more than that
SMALL = 1e-4  # seconds: what plain modes do in less is not worth looking for a pattern, if none is asked for


@dataclass
class Plan:
    """Candidates for one structure of tape, cheapest first, and the choice among them."""

    structure: tuple[Any, ...]
    want: str
    shape: tuple[int, int]
    instructions: int
    candidates: list[Candidate]
    choice: Candidate
    reason: str
    pattern: Any = None
    measured: dict[str, float] = field(default_factory=dict)

    def matrix(self, problem: Problem) -> Any:
        """The derivative at the problem's point by the chosen strategy, (m, n), dense or CSR.

        Where the strategy relies on a pattern found at another point, one random direction checks the result; if it
        fails, the pattern is found anew at this point.
        """
        found = self.choice.run(problem)
        if self.choice.local and problem.structure is not self.structure and not probe(problem, found):
            again = choose(problem, self.want, mode=self.choice.name)
            self.choice, self.pattern = again.choice, again.pattern
            found = self.choice.run(problem)
        return found

    def time_candidates(
        self, problem: Problem, repeats: int = 3, deliver: Callable[[Any], Any] = lambda matrix: matrix
    ) -> dict[str, float]:
        """Measured seconds of each candidate at the problem's point: best of ``repeats``, in turn.

        ``deliver`` makes of the matrix what was asked for, and is timed too.
        """
        times: dict[str, list[float]] = {c.name: [] for c in self.candidates}
        for _ in problem.bar(range(repeats), "rounds"):
            for c in self.candidates:
                start = time.perf_counter()
                deliver(c.run(problem))
                times[c.name].append(time.perf_counter() - start)
        self.measured = {name: min(ts) for name, ts in times.items()}
        return self.measured

    @property
    def regret(self) -> float:
        """Measured time of the choice over that of the best candidate."""
        if not self.measured:
            raise ArgumentError("the plan was not measured: call plan.measure() first.")
        return self.measured[self.choice.name] / min(self.measured.values())


def probe(problem: Problem, matrix: Any) -> bool:
    """Whether ``matrix`` times a random vector is what forward mode says."""
    v = np.random.default_rng(len(problem.nodes)).normal(size=problem.n).astype(problem.dtype)
    expected = problem.push(v[None])[0]
    problem.passes -= 1
    found = matrix @ v
    scale = np.abs(matrix) @ np.abs(v)
    tolerance = 1e3 * np.finfo(problem.dtype).eps
    with np.errstate(invalid="ignore"):
        return bool(np.all((np.abs(found - expected) <= tolerance * scale) | (np.isnan(found) & np.isnan(expected))))


def choose(problem: Problem, want: str, mode: str | None = None, memory: int | None = None) -> Plan:
    """The cheapest candidate by the cost model, or the one that ``mode`` names.

    Of the candidates, those count that are predicted to keep within ``memory`` bytes. A problem within a recording is planned
    for machine code, by strategies that can be recorded. Raises ``ArgumentError`` for a mode that does not exist or cannot be
    applied to this problem, and where nothing fits into the memory.
    """
    figures = cost.COMPILED if problem.nested else cost.model()
    small = SMALL / 10 if problem.nested else SMALL
    proposals = {k: v for k, v in STRATEGIES.items() if not (problem.nested and k in BY_VALUES)}

    def plan(candidates: list[Candidate], choice: Candidate, reason: str) -> Plan:
        patterns = [problem.__dict__.get("pattern"), *[c.pattern for c in candidates]]
        pattern = next((p for p in patterns if p is not None), None)
        shape = (problem.m, problem.n)
        return Plan(problem.structure, want, shape, len(problem.nodes), candidates, choice, reason, pattern)

    if mode is not None:
        name = HESSIAN_NAMES.get(mode, mode)
        if name not in STRATEGIES:
            raise ArgumentError(f"mode={mode!r} is no strategy. There are: {', '.join(STRATEGIES)}.")
        if name not in proposals:
            raise ArgumentError(f"mode={mode!r} works on values, which jit cannot record. Leave mode= away, or jit.")
        problem.forced = True
        only = STRATEGIES[name](problem, figures)
        problem.forced = False
        if only is None:
            raise ArgumentError(
                f"mode={mode!r} does not apply to this {want} of {problem.m} x {problem.n}: "
                + (
                    "it is for Hessians."
                    if name in ("star", "acyclic", "edge-pushing") and want != "hessian"
                    else f"its pattern is not {name}."
                    if name in ("diagonal", "block-diagonal")
                    else "the tape has no such structure."
                )
            )
        return plan([only], only, f"asked for by mode={mode!r}")

    plain = ["forward", "reverse"]
    found = [STRATEGIES[name](problem, figures) for name in plain]
    cheapest = min((c for c in found if c), key=lambda c: c.cost.seconds)
    if problem.sparse or cheapest.cost.seconds > small:
        problem.best = cheapest.cost.seconds
        for name, propose in problem.bar(proposals.items(), "strategies"):
            if name not in plain and (candidate := propose(problem, figures)) is not None:
                found.append(candidate)
                problem.best = min(problem.best, candidate.cost.seconds)
    candidates = sorted(
        (c for c in found if c is not None), key=lambda c: c.cost.seconds * (FAMILIAR if c.name in plain else 1.0)
    )
    if memory is not None:
        least = min(c.cost.bytes for c in candidates)
        candidates = [c for c in candidates if c.cost.bytes <= memory]
        if not candidates:
            raise ArgumentError(
                f"memory={memory} bytes is too little for this {want} of {problem.m} x {problem.n}: the strategy that takes the "
                f"least needs about {least} bytes."
                + ("" if want == "gradient" else " With sparse=True zeros take none.")
            )
    best = candidates[0]
    if len(candidates) == 2 and cheapest.cost.seconds <= small and not problem.sparse:
        reason = f"plain {best.name} mode takes less than looking for something better would"
    elif len(candidates) > 1:
        ratio = candidates[1].cost.seconds / max(best.cost.seconds, 1e-12)
        reason = f"predicted {ratio:.2g} times as fast as {candidates[1].name}, the next best"
    else:
        reason = "the only candidate"
    return plan(candidates, best, reason)
