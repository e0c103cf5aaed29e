"""Every primitive of the registry, compiled: at every sample, in other layouts, and its derivatives."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np
import pytest

from dualad import jit, jvp, vjp
from dualad.api.jit import Call
from dualad.core.primitive import REGISTRY, Primitive
from dualad.native.program import Program
from tests.test_every_primitive import CASES, direction, like, moving

PRIMITIVES = sorted({c.values[0].name for c in CASES})


def tolerance(*xs: Any) -> dict[str, float]:
    single = any(np.asarray(v).dtype in (np.float32, np.complex64) for v in xs)
    return {"rtol": 1e-5, "atol": 1e-6} if single else {"rtol": 1e-12, "atol": 1e-13}


def same(ours: Any, theirs: Any, what: str, *args: Any) -> None:
    """Values, shapes and dtypes; derivatives at degenerate points may be infinite or NaN in both."""
    for x, y in zip(flat(ours), flat(theirs), strict=True):
        assert x.dtype == np.asarray(y).dtype, f"{what}: dtype {x.dtype}, not {np.asarray(y).dtype}"
        assert x.shape == np.shape(y), f"{what}: shape {x.shape}, not {np.shape(y)}"
        np.testing.assert_allclose(x, y, err_msg=what, **tolerance(x, y, *args))


def flat(tree: Any) -> list[Any]:
    return [x for t in tree for x in flat(t)] if isinstance(tree, (tuple, list)) else [tree]


def programs(f: Any) -> list[Any]:
    return [p.program for e in f.entries.values() for paths in e.paths.values() for p in paths]


def native(f: Any) -> bool:
    """Whether each of its programs is one native function."""
    return all(p.direct is not None for p in programs(f)) and "NumPy" not in f.explain()


def run(f: Any, *args: Any) -> Any:
    """The compiled program itself: where it fails, ``jit`` would ask Python, and hide it."""
    call = Call(f, args, {})
    entry = f.entries[call.signature]
    (path,) = entry.paths[entry.key(call.numbers)]
    return path.program(call.inputs(entry.moving))


def samples(prim: Primitive) -> list[Any]:
    return [c.values[1] for c in CASES if c.values[0] is prim]


def array(x: Any) -> Any:
    return np.asarray(x)[()] if np.ndim(x) == 0 else np.asarray(x)


def other(x: Any, seed: int) -> Any:
    x = array(x)
    return x + direction(x, seed) * np.asarray(0.01, x.dtype) if x.dtype.kind in "fc" else x


def strided(x: Any) -> Any:
    x = array(x)
    if not x.ndim or not x.size:
        return x
    out = np.zeros(tuple(2 * n for n in x.shape), x.dtype, order="F")[tuple([slice(None, None, 2)] * x.ndim)]
    out[...] = x
    return out


def free(prim: Primitive, sample: Any) -> tuple[int, ...]:
    """The arguments that the compiled function gets; the others are constants."""
    if not prim.constant:
        return moving(prim, sample)
    return tuple(i for i, a in enumerate(sample.args) if hasattr(a, "dtype") and a.dtype.kind in "fciub")


def of(prim: Primitive, sample: Any, where: tuple[int, ...]) -> Any:
    def f(*moved: Any) -> Any:
        full = list(sample.args)
        for i, x in zip(where, moved, strict=True):
            full[i] = x
        return prim(*full, **sample.params)

    return f


@pytest.mark.parametrize("name", PRIMITIVES)
def test_value(name: str) -> None:
    """All samples in one program: as given, moved, and in another layout; the indices are arguments too."""
    prim = REGISTRY[name]
    cases = samples(prim)
    where = [tuple(i for i, a in enumerate(s.args) if hasattr(a, "dtype")) for s in cases]

    def f(groups: Any) -> Any:
        return [of(prim, s, w)(*own) for s, w, own in zip(cases, where, groups, strict=True)]

    given = [[array(s.args[i]) for i in w] for s, w in zip(cases, where, strict=True)]
    if not flat(given):
        pytest.skip("all arguments are numbers")
    g = jit(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        g(given)
        for args in (
            given,
            [[other(x, 9) for x in own] for own in given],
            [[strided(x) for x in own] for own in given],
        ):
            same(run(g, args), f(args), name)


def converted(a: Any, dtype: Any, seed: int) -> Any:
    """An argument in another dtype, near its values."""
    if not hasattr(a, "dtype") or a.dtype.kind not in "fciu":
        return a
    if a.dtype.kind in "iu":
        return array(a.astype(dtype if dtype.kind in "iu" and np.min(a, initial=0) >= 0 else np.int32))
    if dtype.kind == "c":
        return array((a + 0.5j * direction(a.real, seed)).astype(dtype))
    whole = np.round(3 * a.real)
    return array((whole if dtype.kind == "i" else np.abs(whole)).astype(dtype))


@pytest.mark.parametrize("name", PRIMITIVES)
def test_other_dtypes(name: str) -> None:
    """All samples in one program, as complex numbers and as narrow integers, where NumPy knows them."""
    prim = REGISTRY[name]
    cases, given = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for s in samples(prim):
            for dtype in (np.dtype(t) for t in (np.complex128, np.complex64, np.int32, np.uint8)):
                args = tuple([converted(a, dtype, 5 + k) for k, a in enumerate(s.args)])
                with contextlib.suppress(Exception):
                    prim(*args, **s.params)
                    where = tuple(i for i, a in enumerate(args) if hasattr(a, "dtype"))
                    cases.append((type(s)(args, s.params), where))
                    given.append([args[i] for i in where])
        if not flat(given):
            pytest.skip("for floats only")

        def f(groups: Any) -> Any:
            return [of(prim, s, w)(*own) for (s, w), own in zip(cases, groups, strict=True)]

        g = jit(f)
        g(given)
        ours, theirs = flat(run(g, given)), flat(f(given))
        for x, y in zip(ours, theirs, strict=True):
            same(x, y, name, *[np.complex64(0)] * (x.dtype in (np.float32, np.complex64)))


@pytest.mark.parametrize("name", [n for n in PRIMITIVES if not REGISTRY[n].constant])
def test_derivatives(name: str, monkeypatch: Any) -> None:
    """Forward and reverse of all samples in one program, as loops and as straight-line code."""
    prim = REGISTRY[name]
    cases = [s for s in samples(prim) if moving(prim, s)]

    def f(groups: Any) -> Any:
        out = []
        for s, (xs, ts, g) in zip(cases, groups, strict=True):
            h = of(prim, s, moving(prim, s))
            xs, ts = tuple(xs), tuple(ts)
            g = tuple(g) if isinstance(g, list) else g
            out.append([list(flat(jvp(h, xs, ts)[1])), list(vjp(h, *xs)[1](g))])
        return out

    given = []
    for s in cases:
        xs = [array(s.args[i]) for i in moving(prim, s)]
        y = of(prim, s, moving(prim, s))(*xs)
        g = like(y, 3)
        given.append((xs, [direction(x, i) for i, x in enumerate(xs)], list(g) if isinstance(g, tuple) else g))
    c = jit(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        c(given)
        if not c.entries or not any(e.paths for e in c.entries.values()):
            pytest.fail("nothing was compiled")
        expected = f(given)
        (program,) = programs(c)
        results = [run(c, given)]
        if any(s.scalars for s in program.segments):
            monkeypatch.setattr("dualad.native.segment.suits", lambda *_: False)
            results.append(Program(program.graph)(Call(c, (given,), {}).inputs(set())))
        for result in results:
            ours = iter(result)
            for theirs, s in zip(expected, cases, strict=True):
                same([next(ours) for _ in flat(theirs)], flat(theirs), name, *s.args)
