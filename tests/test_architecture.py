"""Imports point only down; rules use dualad's own operations; importing stays light."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import dualad

PACKAGE = pathlib.Path(dualad.__file__).parent
FLOORS = [
    {"core"},
    {"ops"},
    {"modes", "numpy", "scipy"},
    {"tape", "native"},
    {"plan"},
    {"api"},
    {"torch", "show", "export", "compat", "testing", "__main__", "tour"},
]
FLOOR = {name: k for k, names in enumerate(FLOORS) for name in names}


def files() -> list[pathlib.Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    out = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            out.add(node.module)
            out |= {f"{node.module}.{a.name}" for a in node.names} if node.module == "dualad" else set()
        elif isinstance(node, ast.Import):
            out |= {a.name for a in node.names}
    return out


def test_every_folder_has_a_floor() -> None:
    found = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert found <= set(FLOOR), f"give {found - set(FLOOR)} a floor"


def test_imports_point_down() -> None:
    wrong = []
    for path in files():
        relative = path.relative_to(PACKAGE)
        if relative.parts == ("__init__.py",):
            continue
        mine = FLOOR[relative.parts[0].removesuffix(".py")]
        for module in imported(ast.parse(path.read_text())):
            parts = module.split(".")
            if parts[0] == "dualad" and len(parts) > 1 and FLOOR.get(parts[1], 99) > mine:
                wrong.append(f"{relative} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_levels_are_modes_and_nothing_else_is() -> None:
    """A mode is one Level subclass in one file of modes/ (the tensor API's graph level is the one exception)."""
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and any(getattr(b, "id", "").endswith("Level") for b in node.bases):
                assert path.relative_to(PACKAGE).parts[0] in ("core", "modes", "torch"), f"{path.name}: {node.name}"


def test_files_are_short() -> None:
    long = {str(p.relative_to(PACKAGE)): n for p in files() if (n := len(p.read_text().splitlines())) > 620}
    assert not long, f"split by topic: {long}"


def test_import_is_light() -> None:
    heavy = ("scipy", "optree", "llvmlite", "matplotlib", "jax")
    code = f"import sys, dualad; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]", out


def test_rules_use_no_numpy_on_values() -> None:
    """Rules (the lambdas of a declaration after its impl) must be differentiable: no np.<function> of x, y, t or g."""
    declarations = {"elementwise", "linear", "movement", "bilinear", "general"}
    wrong = []
    for path in (PACKAGE / "ops").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in declarations):
                continue
            rules = [
                *node.args[2:],
                *(k.value for k in node.keywords if k.arg in ("partials", "transpose", "left", "right", "jvp", "vjp")),
            ]
            for rule in rules:
                for call in ast.walk(rule):
                    if not isinstance(call, ast.Call):
                        continue
                    f = call.func
                    if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id == "np":
                        values = {a.id for a in call.args if isinstance(a, ast.Name)} & {"x", "y", "t", "g", "a", "b"}
                        if values:
                            wrong.append(f"{path.name}:{call.lineno} np.{f.attr}({', '.join(values)})")
    assert not wrong, wrong
