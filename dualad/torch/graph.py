"""The tensor API's graph: reverse mode without a list.

Nodes are those of ``modes.reverse``, made mutable, so that a backward pass can drop what they kept. A tensor's ``aux`` and a
node's parents are nodes and not indices, so that Python's reference counting frees graphs that nobody holds.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from dualad.core.primitive import Primitive
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor as Core
from dualad.core.tensor import new_tensor
from dualad.modes.reverse import ReverseLevel, own, pull

FREED = ("freed",)
AGAIN = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)


class GraphLevel(ReverseLevel):
    """The one level of all tensors that require grad, in all threads."""

    name = "the graph"

    def __init__(self) -> None:
        super().__init__()
        self.fresh: dict[int, Any] = {}  # nodes just made, until the tensor that refers to them is at hand
        self.extend = self._extend
        self.count = itertools.count()
        self.callbacks: dict[int, list[Callable[[Any], Any]]] = {}  # by node: hooks and retained gradients

    def own(self, a: Any) -> Any:
        return own(a)  # this level never ends: nothing may gather in it

    def _extend(self, node: Any) -> None:
        self.fresh[node[-1]] = list(reversed(node))

    def _linked(self, out: Any) -> Any:
        """An operation's results, referring to their nodes."""
        if type(out) is not tuple:
            if type(out) is Core and out.level is self:
                out.aux = self.fresh.pop(out.aux)
            return out
        operation = None
        for t in out:
            if type(t) is Core and t.level is self:
                t.aux = part = self.fresh.pop(t.aux)
                operation = operation or self.fresh.pop(part[2][0])
                part[2] = (operation,)
        return out

    def watch(self, x: Any) -> Core:
        t = super().watch(x)
        t.aux = [t.aux, None, (), (), Spec(t.value.shape, t.value.dtype), {}, None]
        return t

    def bind1(self, prim: Primitive, x: Core) -> Any:
        return self._linked(super().bind1(prim, x))

    def bind2(self, prim: Primitive, a: Any, b: Any) -> Any:
        return self._linked(super().bind2(prim, a, b))

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return self._linked(super().bind(prim, args, params))


GRAPH = GraphLevel()


class _Mode(threading.local):
    enabled = True


MODE = _Mode()


@contextlib.contextmanager
def _set(enabled: bool) -> Iterator[None]:
    before, MODE.enabled = MODE.enabled, enabled
    try:
        yield
    finally:
        MODE.enabled = before


class set_grad_enabled:
    """Context manager, decorator, and plain call, as in PyTorch."""

    def __init__(self, mode: bool) -> None:
        self.before, MODE.enabled = MODE.enabled, mode
        self.mode = mode

    def __enter__(self) -> None:
        MODE.enabled = self.mode

    def __exit__(self, *exc: object) -> None:
        MODE.enabled = self.before

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        MODE.enabled = self.before

        @functools.wraps(f)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _set(self.mode):
                return f(*args, **kwargs)

        return run


class _Fixed(set_grad_enabled):
    mode: bool
    value = True

    def __init__(self) -> None:
        self.mode = self.value
        self.before = MODE.enabled

    def __enter__(self) -> None:
        self.before, MODE.enabled = MODE.enabled, self.mode

    def __new__(cls, f: Callable[..., Any] | None = None) -> Any:
        self = object.__new__(cls)
        if f is not None:  # @no_grad without parentheses
            self.__init__()  # type: ignore[misc]
            return self(f)
        return self


class no_grad(_Fixed):
    """Computations inside are not recorded."""

    value = False


class inference_mode(_Fixed):
    """As no_grad."""

    value = False


class enable_grad(_Fixed):
    """Computations inside are recorded, also within no_grad."""


def is_grad_enabled() -> bool:
    return MODE.enabled


def reachable(roots: list[Any]) -> list[Any]:
    """All nodes from which ``roots`` were computed, last first. Iterative: graphs are as deep as programs are long."""
    seen = {n[0]: n for n in roots}
    stack = list(roots)
    while stack:
        for p in stack.pop()[2]:
            if p is not None and p[0] not in seen:
                seen[p[0]] = p
                stack.append(p)
    return [seen[k] for k in sorted(seen, reverse=True)]


def _as_plain(node: Any) -> Any:
    """A node as ``pull`` takes it: its parents by index."""
    index, prim, parents, args, y, params, fix = node
    return index, prim, tuple([None if p is None else p[0] for p in parents]), args, y, params, fix


def _as_tracked(node: Any) -> Any:
    """A node whose kept values are tensors again, so that pulling through it is itself recorded."""
    index, prim, parents, args, y, params, fix = node
    args = tuple(
        new_tensor(a, GRAPH, p) if p is not None and a is not None and not _is_spec(a) else a
        for a, p in zip(args, parents, strict=True)
    )
    if y is not None and not isinstance(y, tuple) and not _is_spec(y):
        y = new_tensor(y, GRAPH, node)
    return index, prim, parents, args, y, params, fix


def _is_spec(a: Any) -> bool:
    return isinstance(a, Spec)


def run_backward(roots: list[Any], cotangents: list[Any], retain: bool, create: bool) -> dict[int, Any]:
    """Pull ``cotangents`` back from the nodes ``roots``; returns what reached the leaves (by index)."""
    nodes = reachable(roots)
    inner = [n for n in nodes if n[1] is not None]
    if any(n[3] is FREED for n in inner):
        raise RuntimeError(AGAIN)
    cts: dict[int, Any] = {}
    for node, g in zip(roots, cotangents, strict=True):
        cts[node[0]] = cts[node[0]] + g if node[0] in cts else g
    at: dict[int, Callable[[Any], Any]] = {}
    for n in inner:
        if n[0] in GRAPH.callbacks:
            at[n[0]] = _chain(GRAPH.callbacks[n[0]])
    pull((_as_plain(_as_tracked(n) if create else n) for n in inner), cts, at or None)
    if not (retain or create):
        for n in inner:
            if n[1].keep_x or n[1].keep_y or n[1].kind == "bilinear":
                n[3] = FREED
                n[4] = None
    return cts


def _chain(callbacks: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(g: Any) -> Any:
        for f in callbacks:
            h = f(g)
            g = g if h is None else h
        return g

    return run
