"""What drawn calls are made of, and how each is judged.

The value, its dtype and shape are NumPy's or SciPy's, and where they refuse, so does dualad; the derivative is that of central
differences, forward equals the transpose of reverse, vmap equals a loop, and no argument is modified.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st

import dualad
from tests.test_every_primitive import direction, flat, like, pair_of

SHAPES = [(), (0,), (1,), (3,), (4,), (2, 3), (3, 1), (1, 3), (2, 0), (2, 1, 3), (2, 2, 2)]
LAYOUTS = ["C", "F", "reversed", "strided"]


class Draw:
    """What the functions' arguments are drawn with."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.rng = np.random.default_rng(data(st.integers(0, 2**20)))

    def one(self, *options: Any) -> Any:
        return self.data(st.sampled_from(options))

    def whole(self, lo: int, hi: int) -> int:
        return self.data(st.integers(lo, hi))

    def shape(self, least: int = 0) -> tuple[int, ...]:
        return self.one(*[s for s in SHAPES if len(s) >= least])

    def numbers(self, shape: Any, lo: float = -2.0, hi: float = 2.0, dtype: Any = None) -> Any:
        """An array in some memory layout; float64 more often than float32."""
        dtype = self.one(np.float64, np.float64, np.float64, np.float32) if dtype is None else dtype
        layout = self.one(*LAYOUTS)
        if layout == "strided" and shape:
            x = self.rng.uniform(lo, hi, (*shape[:-1], 2 * shape[-1])).astype(dtype)[..., ::2]
        elif layout == "reversed" and shape:
            x = self.rng.uniform(lo, hi, shape).astype(dtype)[::-1]
        else:
            x = np.asarray(self.rng.uniform(lo, hi, shape).astype(dtype), order="F" if layout == "F" else "C")
        return x if x.ndim else x[()]

    def array(self, least: int = 0, lo: float = -2.0, hi: float = 2.0) -> Any:
        return self.numbers(self.shape(least), lo, hi)

    def axis(self, x: Any, none: bool = True, tuples: bool = True) -> Any:
        n = np.ndim(x)
        options: list[Any] = [*range(-n, n)]
        if none:
            options.append(None)
        if tuples and n > 1:
            options += [(0, n - 1), (-1, 0), (0,)] + [()] * (x.size > 0)  # NumPy refuses some empty ones by accident
        if self.whole(0, 19) == 0:
            options = [max(n, 2)]  # outside
        return self.one(*options) if options else None

    def some(self, **keywords: Any) -> dict[str, Any]:
        """Some of the keywords."""
        return {k: self.one(*v) for k, v in keywords.items() if self.whole(0, 2) == 0}

    def pair(self, lo: float = -2.0, hi: float = 2.0) -> tuple[Any, Any]:
        """Two operands that mostly broadcast; now and then one of them is a Python number or an integer array."""
        a, b = self.shape(), self.shape()
        try:
            np.broadcast_shapes(a, b)
        except ValueError:
            b = a if self.whole(0, 9) else b
        x, y = self.numbers(a, lo, hi), self.numbers(b, lo, hi)
        kind = self.one("array", "array", "array", "number", "integer")
        if kind == "number":
            y = float(self.rng.uniform(lo, hi))
        elif kind == "integer":
            y = self.rng.integers(1, 3, b)
        return x, y

    def matrices(self, *cores: tuple[int, ...]) -> list[Any]:
        lead = self.one((), (2,), (0,), (2, 1))
        return [self.numbers((*lead, *core)) for core in cores]


Call = tuple[tuple[Any, ...], dict[str, Any]]


def register(table: dict[str, Any], names: str, make: Any) -> None:
    for name in names.split():
        table[name] = make


def calls(table: dict[str, Any]) -> Any:
    """A strategy: a name of the table and arguments for it."""

    @st.composite
    def one(draw: Any) -> Any:
        name = draw(st.sampled_from(sorted(table)))
        return name, *table[name](Draw(draw))

    return one()


def find(name: str) -> tuple[Any, Any]:
    """NumPy's or SciPy's function of this name, and dualad's: ``linalg.norm`` is NumPy's, ``scipy.special.erf`` SciPy's."""
    package = ""
    if name.startswith("scipy."):
        _, package, name = name.split(".", 2)
    theirs: Any = importlib.import_module(f"scipy.{package}") if package else np
    ours: Any = importlib.import_module(f"dualad.scipy.{package}" if package else "dualad.numpy")
    for part in name.split("."):
        theirs, ours = getattr(theirs, part), getattr(ours, part)
    return theirs, ours


def is_float(v: Any) -> bool:
    return isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "fc"


@dataclass
class Rules:
    """What is known of one function.

    ``after``: what of its results is compared (vectors have a free sign or phase). ``rtol``, ``atol``: of its value against
    theirs, where that is not theirs to the last digits. ``differences``: whether central differences can judge.
    ``symmetric``: the arguments that move symmetrically. ``fixed``: arguments that have no derivative, by position.
    """

    after: Any = None
    rtol: float = 1e-9
    atol: float = 1e-10
    differences: bool = True
    symmetric: tuple[int, ...] = ()
    fixed: tuple[int, ...] = ()
    vmap: bool = True
    weak: bool = False  # Python's numbers and integer orders leave float32 as it is, where SciPy widens
    scale: float = 1.0  # of the step of differences


def check(call: Any, rules: Rules | None = None, dispatch: bool = True) -> None:
    name, args, keywords = call
    rules = rules or Rules()
    theirs, ours = find(name)
    spots: list[Any] = []
    for i, v in enumerate(args):
        if i in rules.fixed:
            continue
        spots += [("arg", i)] if is_float(v) else []
        spots += [("list", (i, k)) for k, u in enumerate(v) if is_float(u)] if isinstance(v, (list, tuple)) else []
    spots += [("keyword", k) for k, v in keywords.items() if is_float(v) and k not in rules.fixed]
    xs = tuple(args[k] if how == "arg" else args[k[0]][k[1]] if how == "list" else keywords[k] for how, k in spots)
    before = [np.array(x) for x in xs]
    symmetric = [how == "arg" and k in rules.symmetric and args[k].ndim > 1 for how, k in spots]

    def of(f: Any) -> Any:
        def with_moved(*moved: Any) -> Any:
            kinds = [type(v) if isinstance(v, (list, tuple)) else None for v in args]
            new = [list(v) if kind else v for v, kind in zip(args, kinds, strict=True)]
            words = dict(keywords)
            for (how, k), v in zip(spots, moved, strict=True):
                if how == "arg":
                    new[k] = v
                elif how == "list":
                    new[k[0]][k[1]] = v
                else:
                    words[k] = v
            new = [kind(v) if kind else v for v, kind in zip(new, kinds, strict=True)]
            out = f(*new, **words)
            out = tuple(out) if isinstance(out, (tuple, list)) else out
            return (
                rules.after(*out)
                if rules.after and isinstance(out, tuple)
                else rules.after(out)
                if rules.after
                else out
            )

        return with_moved

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            expected = of(theirs)(*xs)
        except Exception as e:
            with pytest.raises(Exception) as caught:
                dualad.jvp(of(ours), xs, tuple(np.zeros_like(x) for x in xs)) if xs else of(ours)()
            assert isinstance(caught.value, (dualad.DualadError, type(e))), f"NumPy: {e!r}, dualad: {caught.value!r}"
            return
        judge(rules, of(theirs), of(ours), xs, expected, symmetric, dispatch)
    for x, b in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, b, "an argument was modified")


def judge(rules: Rules, theirs: Any, ours: Any, xs: Any, expected: Any, symmetric: Any, dispatch: bool) -> None:
    single = any(np.asarray(v).dtype in (np.float32, np.complex64) for v in flat((xs, expected)))
    tol = {"rtol": 2e-3, "atol": 2e-3} if single else {"rtol": rules.rtol, "atol": rules.atol}
    if not xs:  # nothing moves
        for u, v in zip(flat(ours()), flat(expected), strict=True):
            np.testing.assert_allclose(u, v, err_msg="value of arrays", **tol)
        return
    ts = tuple(
        direction(x, i) if not s else (lambda t: t + np.conj(np.swapaxes(t, -1, -2)))(direction(x, i))
        for i, (x, s) in enumerate(zip(xs, symmetric, strict=True))
    )
    y, t = dualad.jvp(ours, xs, ts)
    values = [(y, "value"), (ours(*xs), "value of arrays")]
    if dispatch:
        through, t2 = dualad.jvp(theirs, xs, ts)
        values.append((through, "value through NumPy"))
        for u, v in zip(flat(t), flat(t2), strict=True):
            np.testing.assert_allclose(u, v, err_msg="forward through NumPy", **tol)
    for value, what in values:
        a, b = flat(value), flat(expected)
        assert len(a) == len(b), f"{what}: {len(a)} results, NumPy has {len(b)}"
        for u, v in zip(a, b, strict=True):
            assert np.shape(u) == np.shape(v), f"{what}: shape {np.shape(u)}, NumPy {np.shape(v)}"
            assert np.asarray(u).dtype == np.asarray(v).dtype or (rules.weak and single), (
                f"{what}: {np.asarray(u).dtype}, NumPy {np.asarray(v).dtype}"
            )
            np.testing.assert_allclose(u, v, err_msg=what, **tol)
    if rules.vmap:
        batched(ours, xs, symmetric, tol)
    if not all(np.isfinite(np.asarray(v)).all() for v in flat((y, t)) if np.asarray(v).dtype.kind in "fc"):
        return
    floats = [k for k, v in enumerate(flat(y)) if np.asarray(v).dtype.kind in "fc"]
    if not floats:
        return
    pick = lambda out: tuple(flat(out)[k] for k in floats)
    g = like(pick(y), 10)
    cts = dualad.vjp(lambda *v: pick(ours(*v)), *xs)[1](g)
    for c, x in zip(cts, xs, strict=True):
        assert np.shape(c) == np.shape(x) and c.dtype == x.dtype, (
            "a cotangent has another shape or dtype than its input"
        )
    left, right = np.real(pair_of(g, pick(t))), np.real(pair_of(cts, ts))
    size = 1 + sum(float(np.sum(np.abs(np.asarray(u) * np.asarray(v)))) for u, v in zip(flat(g), pick(t), strict=True))
    size += sum(float(np.sum(np.abs(np.asarray(u) * np.asarray(v)))) for u, v in zip(cts, ts, strict=True))
    assert abs(left - right) <= (5e-3 if single else 1e-8) * size, f"dot product: forward {left}, reverse {right}"
    if not single and rules.differences:
        against_differences(lambda *v: pick(theirs(*v)), xs, ts, pick(t), 1e-6 * rules.scale)


def against_differences(theirs: Any, xs: Any, ts: Any, t: Any, h: float) -> None:
    """Where differences of two steps agree, the derivative is theirs."""

    def slopes(h: float) -> Any:
        up, down = (theirs(*[x + s * d for x, d in zip(xs, ts, strict=True)]) for s in (h, -h))
        return [
            (np.asarray(u) - v) / (2 * h) if np.shape(u) == np.shape(v) else None for u, v in zip(up, down, strict=True)
        ]

    for a, b, w in zip(slopes(h), slopes(3 * h), t, strict=True):
        if a is None or b is None or np.shape(a) != np.shape(w):
            continue
        sure = np.abs(a - b) <= 1e-5 + 1e-5 * np.abs(a)
        np.testing.assert_allclose(np.where(sure, w, a), a, rtol=1e-4, atol=1e-5, err_msg="against differences")


def batched(ours: Any, xs: Any, symmetric: Any, tol: Any) -> None:
    """vmap of two points is the loop over them."""
    step = [direction(x, 20) * np.asarray(0.01, np.asarray(x).dtype) for x in xs]
    step = [s if not m else s + np.conj(np.swapaxes(s, -1, -2)) for s, m in zip(step, symmetric, strict=True)]
    stacked = [np.stack([x, x + s]) for x, s in zip(xs, step, strict=True)]
    try:
        loop = [flat(ours(*[s[k] for s in stacked])) for k in range(2)]
    except Exception:
        return  # the second point lies where there is no value
    if any(np.shape(u) != np.shape(v) for u, v in zip(*loop, strict=True)):
        return
    try:
        together = flat(dualad.vmap(ours)(*stacked))
    except dualad.BatchError:
        return  # the value decides about shapes or branches, and the error says so
    for w, u, v in zip(together, *loop, strict=True):
        np.testing.assert_allclose(w, np.stack([u, v]), err_msg="vmap", **tol)


COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
