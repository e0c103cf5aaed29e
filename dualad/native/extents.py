"""How long loops are and where buffers lie: numbers that are known when code is made, or that depend on the one size which
code serves all values of.

Such code is made with a number that stands for the size, a prime larger than all other numbers. So ``a * size + b`` can be told
from its value, and becomes an instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from dualad.native.machine import I64, constant

ROUND = 8
ALIGN = 64  # bytes: of workspaces, and of what lies in them
_NEAR = 1 << 20


class Unsuited(Exception):
    """Code that would depend on the size that it is made for all values of."""


class Size(NamedTuple):
    """In code for all values of one size: what stands for it in shapes, the size itself, and rounded up to ``ROUND``."""

    standing: int
    n: Any
    rounded: Any


def split(k: int, standing: int) -> tuple[int, int]:
    """``k = a * standing + b``."""
    a = (k + standing // 2) // standing
    if max(abs(a), abs(k - a * standing)) > _NEAR and a:
        raise Unsuited(k)
    return a, k - a * standing


def in_words(shape: Sequence[int], standing: int) -> str:
    """A shape, in which ``n`` is the size."""
    out = []
    for k in shape:
        a, rest = split(k, standing) if standing else (0, k)
        out.append(str(k) if not a else f"{'' if a == 1 else a}n{f'{rest:+d}' if rest else ''}")
    return f"[{', '.join(out)}]"


def aligned(size: int) -> int:
    """Bytes, rounded up to ``ALIGN``."""
    return -(-size // ALIGN) * ALIGN


def sized(b: Any, standing: int, p: Any) -> Any:
    """A builder of code for all sizes (where something is ``standing`` for them); ``p``: where the size is."""
    if standing:
        n = b.load(p, typ=I64)
        rounded = b.and_(b.add(n, constant(I64, ROUND - 1)), constant(I64, -ROUND))
        b.size = Size(standing, n, rounded)
    return b


def grows(b: Any, k: int) -> bool:
    """Whether a number of elements depends on the size."""
    return hasattr(b, "size") and split(k, b.size.standing)[0] != 0


def extent(b: Any, k: int) -> Any:
    """A number of elements, as a constant or by the size."""
    if not grows(b, k):
        return constant(I64, k)
    a, rest = split(k, b.size.standing)
    out = b.size.n if a == 1 else b.mul(b.size.n, constant(I64, a))
    return b.add(out, constant(I64, rest)) if rest else out


def place(b: Any, k: int) -> Any:
    """A number of bytes in the workspace, of which the part that depends on the size is by the rounded one."""
    if not hasattr(b, "size"):
        return constant(I64, k)
    a, rest = divmod(k, b.size.standing)
    return b.add(b.mul(b.size.rounded, constant(I64, a)), constant(I64, rest)) if a else constant(I64, rest)


class Span(NamedTuple):
    """A part of the outermost loop, and whether it is the last; of a single loop the last part has the tail too."""

    start: Any
    stop: Any
    last: Any


class Loop:
    """for i in range(start, stop, step), at least once; ``close`` at the end of its body."""

    def __init__(self, b: Any, start: Any, stop: Any, step: int) -> None:
        self.b, self.step = b, step
        self.once = isinstance(start, int) and isinstance(stop, int) and start + step >= stop
        start, self.stop = (extent(b, k) if isinstance(k, int) else k for k in (start, stop))
        if self.once:
            self.i = start
            return
        before = b.block
        self.head = b.append_basic_block("loop")
        b.branch(self.head)
        b.position_at_end(self.head)
        self.i = b.phi(I64)
        self.i.add_incoming(start, before)

    def close(self) -> None:
        if self.once:
            return
        b = self.b
        following = b.add(self.i, constant(I64, self.step))
        self.i.add_incoming(following, b.block)
        done = b.append_basic_block("done")
        b.cbranch(b.icmp_signed("<", following, self.stop), self.head, done)
        b.position_at_end(done)
