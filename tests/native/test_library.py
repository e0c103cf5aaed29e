"""Vector math compiled once, and kept between processes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from dualad import jit
from dualad.core.cache import cache_folder
from dualad.native import compiler, library, vectormath

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
    import os

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


@pytest.mark.parametrize("inlined", [-1.0, 1e30])
def test_the_same_results_in_line_and_out_of_line(inlined: float, monkeypatch: Any) -> None:
    monkeypatch.setattr(compiler, "INLINED", inlined)
    x = np.concatenate([np.linspace(-9, 9, 50), [1e300, 0.0, np.inf, np.nan, 1e9]])
    for name in ("sin", "cos", "tan", "exp", "tanh", "arctan", "log1p"):
        f = jit(lambda x, name=name: getattr(np, name)(x) * 1)
        with np.errstate(all="ignore"):
            f(x)
            np.testing.assert_allclose(f(x), getattr(np, name)(x), rtol=3e-16, atol=0)
        (program,) = [p.program for e in f.entries.values() for ps in e.paths.values() for p in ps]
        assert program.direct is not None
        assert ("declare" in program.segments[0].text) or inlined < 0


def test_what_is_linked_is_declared_only() -> None:
    module = ir.Module("m")
    t = ir.VectorType(ir.DoubleType(), 4)
    f = ir.Function(module, ir.FunctionType(t, [t]), "f")
    b = ir.IRBuilder(f.append_basic_block())
    b.ret(vectormath.emit(b, "exp", [f.args[0]]))
    library.link(module)
    assert [g.name for g in library.functions(module) if not library.is_thin(g)] == []
    assert "dualad.exp.v4" in library._addresses
