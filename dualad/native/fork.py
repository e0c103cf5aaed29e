"""A choice between programs as one operation: each is compiled by itself, and one of them run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dualad.core.primitive import Primitive
from dualad.core.spec import Spec


class Fork:
    """``graphs`` are the branches; their inputs are arguments, by number, and their outputs the results. The first argument
    of the operation, of dtype ``index``, says which branch, and is not among these."""

    def __init__(self, graphs: Sequence[Any], results: Sequence[Spec], index: Any) -> None:
        self.graphs, self.results, self.index = list(graphs), list(results), index
        self.places: list[int] = []  # of the branches' guards among those of the program

    @property
    def guards(self) -> list[tuple[Any, str]]:
        return [(g, f" in branch {k}") for k, graph in enumerate(self.graphs) for g in graph.guards]

    def dtypes(self) -> set[Any]:
        return {d for g in self.graphs for d in g.dtypes()}

    def offset(self, k: int) -> int:
        """How many guards other branches have before those of this one."""
        return sum(len(g.guards) for g in self.graphs[:k])

    def heading(self, how: str) -> list[str]:
        n = len(self.graphs)
        return [f"one of {n} branches ({how})" if n > 1 else f"checkpoint ({how})"]


class Chooser:
    """A choice ready to run, for programs of which not all is native."""

    def __init__(self, fork: Fork, native: bool) -> None:
        from dualad.native.program import Program

        self.fork = fork
        self.programs = [Program(g, native) for g in fork.graphs]

    def __call__(self, index: Any, *args: Any) -> tuple[Any, ...]:
        from dualad.native.program import Missed

        k = int(index)
        try:
            return tuple(self.programs[k](args))
        except Missed as e:
            raise Missed(self.fork.places[self.fork.offset(k) + e.place]) from None

    def texts(self) -> list[str]:
        return [text for p in self.programs for text in p.texts()]

    def listing(self) -> list[str]:
        """The choice in words."""
        lines = self.fork.heading("in Python")
        for p in self.programs:
            lines += [f"  {line}" for line in p.listing() or ["nothing"]]
        return lines


class Nested(Primitive):
    """An operation with programs in it, which its parameter ``body`` holds and ``runner`` makes ready to run."""

    kind = "custom"
    multiple = True

    def __init__(self, name: str, runner: Callable[..., Any]) -> None:
        self.name = self.__name__ = name
        self.keep, self.keep_x, self.keep_y = "", False, False
        self.impl = lambda *args, body: runner(body, native=False)(*args)


FORK = Nested("fork", Chooser)
