"""Is a recorded program linear in its inputs?"""

from __future__ import annotations

from collections.abc import Sequence

from dualad.core.errors import NotDifferentiable
from dualad.modes.reverse import Node

_FIRST_ONLY = {"divide"}


def require_linear(nodes: Sequence[Node]) -> None:
    """Raise ``NotDifferentiable`` at the first operation that is not linear in what it gets from the inputs."""
    for _, prim, parents, *_ in nodes:
        tracked = [p is not None for p in parents]
        if not any(tracked) or prim.kind in ("pick", "marker", "linear", "movement"):
            continue
        if prim.kind in ("bilinear",) or prim.name == "multiply":
            ok = sum(tracked) == 1
        elif prim.name in _FIRST_ONLY:
            ok = not tracked[1]
        else:
            ok = prim.kind == "elementwise" and all(type(d) is int for d in prim.partials)
        if not ok:
            raise NotDifferentiable(
                f"linear_transpose: the function is not linear: it applies `{prim.name}` to "
                f"{sum(tracked)} argument(s) that depend on its inputs. Use vjp for the derivative at a point."
            )
