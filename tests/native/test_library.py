"""Vector math compiled once, and kept between processes."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
from llvmlite import ir

from dualad import jit
from dualad.core.cache import cache_folder
from dualad.native import library, objects, vectormath

CODE = """
import numpy as np, dualad
x = np.linspace(-2, 2, 11)
f = dualad.jit(lambda x: np.sin(x) + np.cos(x) + np.tanh(x) + np.exp(x))
f(x)
print(repr(f(x).sum()), all(p.program.direct for e in f.entries.values() for ps in e.paths.values() for p in ps))
"""


def run(folder: Any) -> str:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=env(folder))
    assert not done.stderr, done.stderr
    return done.stdout


def env(folder: Any) -> dict[str, str]:
    return {**os.environ, "DUALAD_CACHE": str(folder)}


def test_kept_between_processes_and_never_trusted(tmp_path: Any) -> None:
    first = run(tmp_path)
    assert first.endswith("True\n")
    kept = {p: p.read_bytes() for p in tmp_path.iterdir()}
    assert kept
    assert all(p.suffix == ".o" for p in kept)
    times = {p: p.stat().st_mtime_ns for p in kept}
    assert run(tmp_path) == first
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == times
    # Damaged, cut short, empty, and another function's object under this name: compiled again.
    names = list(kept)
    names[0].write_bytes(kept[names[0]][:-1] + b"\0\1")
    names[1].write_bytes(kept[names[1]][:100])
    names[2].write_bytes(b"")
    if len(names) > 3:
        names[3].write_bytes(kept[names[0]])
    assert run(tmp_path) == first
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == kept


def test_a_folder_that_cannot_be_written_does_not_matter(tmp_path: Any) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(blocked / "inside").endswith("True\n")


def test_where_it_is(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.delenv("DUALAD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dualad"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "dualad")


def test_vector_math_is_called() -> None:
    x = np.concatenate([np.linspace(-9, 9, 50), [1e300, 0.0, np.inf, np.nan, 1e9]])
    for name in ("sin", "cos", "tan", "exp", "tanh", "arctan", "log1p"):
        f = jit(lambda x, name=name: getattr(np, name)(x) * 1)
        with np.errstate(all="ignore"):
            f(x)
            np.testing.assert_allclose(f(x), getattr(np, name)(x), rtol=3e-16, atol=0)
        (program,) = [p.program for e in f.entries.values() for ps in e.paths.values() for p in ps]
        assert program.direct is not None
        assert "declare" in program.segments[0].text


def test_what_is_compiled_is_declared_only() -> None:
    t = ir.VectorType(ir.DoubleType(), 4)
    for module, own in ((library.module(), False), (ir.Module("m"), True)):
        f = ir.Function(module, ir.FunctionType(t, [t]), "f")
        b = ir.IRBuilder(f.append_basic_block())
        b.ret(vectormath.emit(b, "exp", [f.args[0]]))
        assert bool(module.globals["dualad.exp.v4"].blocks) is own
    assert library._engines["dualad.exp.v4"] is not None


PROGRAM = """
import sys
sys.path[:0] = [{root!r}]
import numpy as np, dualad
from dualad.native import objects
w = np.random.default_rng(0).normal(size=(20, 30))
gradient = dualad.jit(dualad.grad(lambda x: np.sum(np.tanh(w @ np.sin(x)) * np.exp(w @ x * 0.1)) + x[0] * 3))
compiled = []
plain = objects.object_code
objects.object_code = lambda text: compiled.append(text) or plain(text)
y = gradient(np.linspace(0, 1, 30))
print(repr(gradient(np.linspace(0, 1, 30)).sum()), len(compiled) > 0, repr(w.sum()))
"""


def test_programs_are_kept_too(tmp_path: Any) -> None:
    """Arrays that a program captures, BLAS and Python lie elsewhere in another process: the kept code finds them."""
    code = PROGRAM.format(root=str(pathlib.Path(__file__).parents[2]))
    outs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env(tmp_path)
        ).stdout
        for _ in range(3)
    ]
    assert outs[0].split()[1] == "True"
    assert outs[1] == outs[2] == outs[0].replace(" True ", " False ")


def test_old_objects_make_room(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setattr(objects, "MOST", 8)
    for k in range(9):
        (tmp_path / f"{k}.o").write_bytes(b"")
        os.utime(tmp_path / f"{k}.o", (k, k))
    objects._make_room(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{k}.o" for k in range(2, 9)]
