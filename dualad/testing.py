"""Checks for the derivatives of the user's own functions and rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.api.derivatives import jvp, vjp
from dualad.core.errors import ArgumentError
from dualad.core.tree import flatten, unflatten


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Hold the derivatives of ``f`` at ``args`` (a tuple) against central differences, up to ``order``.

    Along a random direction, forward mode is compared with the difference quotient and reverse mode with forward.
    Tolerances default to 1e-6 for float64 and 2e-2 for float32, and grow with the order. Raises ``AssertionError`` that
    names the mode, the order and the largest deviation; ``ArgumentError`` for unknown modes.

    >>> import numpy as np
    >>> from dualad.testing import check_grads
    >>> check_grads(lambda x: np.sin(x) * x, (np.array([1.0, 2.0]),), order=2)
    """
    if not isinstance(args, (tuple, list)):
        raise ArgumentError("check_grads needs a tuple of arguments: check_grads(f, (x,)).")
    unknown = set(modes) - {"fwd", "rev"}
    if unknown or not modes:
        raise ArgumentError(f"check_grads: modes must be among 'fwd' and 'rev', got {list(modes)}.")
    _check(f, tuple(args), 1, order, tuple(modes), atol, rtol, eps, np.random.default_rng(0))


def _check(f: Any, args: Any, k: int, order: int, modes: Any, atol: Any, rtol: Any, eps: Any, rng: Any) -> None:
    leaves, structure = flatten(args)
    leaves = [np.asarray(x, np.float64)[()] if isinstance(x, (int, float)) else x for x in leaves]
    args = unflatten(structure, leaves)
    single = any(x.dtype in (np.float32, np.complex64) for x in leaves)
    tol = {"atol": atol if atol is not None else (2e-2 if single else 1e-6) * 10 ** (k - 1),
           "rtol": rtol if rtol is not None else (2e-2 if single else 1e-6) * 10 ** (k - 1)}  # fmt: skip
    h = eps if eps is not None else (1e-2 if single else 1e-4)
    ts = unflatten(structure, [_random(x, rng) for x in leaves])
    out, tangent = jvp(f, args, ts)

    def moved(s: float) -> list[Any]:
        at = [(x + s * h * t).astype(x.dtype) for x, t in zip(leaves, flatten(ts)[0], strict=True)]
        return flatten(f(*unflatten(structure, at)))[0]

    # Fourth-order central difference.
    near = zip(moved(1), moved(-1), moved(2), moved(-2), strict=True)
    quotient = [(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in near]
    if "fwd" in modes:
        for got, want in zip(flatten(tangent)[0], quotient, strict=True):
            np.testing.assert_allclose(got, want, err_msg=f"forward mode, order {k}, against differences", **tol)
    ys, y_structure = flatten(out)
    gs = [_random(y, rng) for y in ys]
    if "rev" in modes:
        cts = vjp(f, *args)[1](unflatten(y_structure, gs))
        left = sum(np.real(np.sum(g * q)) for g, q in zip(gs, quotient, strict=True))
        right = sum(np.real(np.sum(c * t)) for c, t in zip(flatten(cts)[0], flatten(ts)[0], strict=True))
        np.testing.assert_allclose(right, left, err_msg=f"reverse mode, order {k}, against differences", **tol)
    if k < order:
        if "fwd" in modes:
            _check(lambda *a: jvp(f, a, ts)[1], args, k + 1, order, modes, atol, rtol, eps, rng)
        if "rev" in modes:
            g = unflatten(y_structure, gs)
            _check(lambda *a: vjp(f, *a)[1](g), args, k + 1, order, modes, atol, rtol, eps, rng)


def _random(x: Any, rng: Any) -> Any:
    t = rng.normal(size=np.shape(x))
    if x.dtype.kind == "c":
        t = t + 1j * rng.normal(size=np.shape(x))
    return t.astype(x.dtype)[()]
