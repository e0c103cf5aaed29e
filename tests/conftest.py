"""The support table: what the tests of each function really checked, written by ``pytest --write-support``."""

from __future__ import annotations

import os
import pathlib
import tempfile
from typing import Any

import pytest

os.environ.setdefault("DUALAD_CACHE", tempfile.mkdtemp(prefix="dualad-tests-"))  # not the user's
PAGE = pathlib.Path(__file__).parent.parent / "docs" / "support.md"
COLUMNS = ["value", "forward", "reverse", "second order", "Taylor", "vmap", "replay", "sparsity", "jit"]
_seen: dict[str, dict[str, bool]] = {}


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--write-support", action="store_true", help="write docs/support.md from this run")


def pytest_runtest_logreport(report: Any) -> None:
    """On the controller also under xdist: properties travel with the report."""
    if report.when != "call":
        return
    for key, value in report.user_properties:
        if key == "support":
            name, aspects = value
            row = _seen.setdefault(name, {})
            for a in aspects:
                row[a] = row.get(a, True) and report.outcome == "passed"


def pytest_sessionfinish(session: Any) -> None:
    if session.config.getoption("--write-support") and not hasattr(session.config, "workerinput"):
        PAGE.write_text(table())


def table() -> str:
    """Markdown: a row per function, a mark per aspect that ran and passed."""
    lines = [
        "# Support",
        "",
        "What is differentiable, by name. Generated from the tests by `pytest --write-support`: a mark means that the",
        "tests checked this aspect of the function, at generic and degenerate points, and it held.",
        "",
        "| function | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for name in sorted(_seen, key=str.lower):
        cells = ["✓" if _seen[name].get(c) else "–" for c in COLUMNS]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


@pytest.fixture(autouse=True)
def support(request: Any, record_property: Any) -> None:
    """Tests with a ``case`` of ``tests.functions`` say what they check."""
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    name = getattr(case, "name", None)
    if name:
        record_property("support", (name, case.aspects()))
