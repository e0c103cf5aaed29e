"""The support table: what the tests of each function really checked, written by ``pytest --write-support``."""

from __future__ import annotations

import os
import pathlib
import tempfile
from typing import Any

import pytest

from tests import functions

os.environ.setdefault("DUALAD_CACHE", tempfile.mkdtemp(prefix="dualad-tests-"))  # not the user's
PAGE = pathlib.Path(__file__).parent.parent / "docs" / "support.md"
COLUMNS = ["value", "forward", "reverse", "second order", "Taylor", "vmap", "replay", "sparsity", "jit"]
_seen: dict[str, dict[str, bool]] = {}
_outcome: dict[str, str] = {}
ASPECTS = {
    "test_value_and_purity": ["value"],
    "test_constant_primitives_have_zero_derivative": ["forward", "reverse", "second order", "Taylor"],
    "test_forward_against_reverse": ["forward", "reverse"],
    "test_second_order_is_the_same_in_every_composition": ["second order"],
    "test_batching": ["vmap"],
    "test_replay": ["replay"],
    "test_taylor_against_nested_forward": ["Taylor"],
    "test_no_dependence_is_missed": ["sparsity"],
    "test_value": ["jit"],
}
"""What the tests that walk the registry check of a primitive."""
REASONS = {
    "the size of the result depends on values": """setdiff1d setxor1d trim_zeros union1d unique unique_all unique_counts
        unique_inverse unique_values""",
}
"""Why an aspect of a function is not supported."""

PARTS = {
    "airy": "airy_ai airy_aip airy_bi airy_bip",
    "fresnel": "fresnel_sine fresnel_cosine",
    "sici": "sine_integral cosine_integral",
    "shichi": "hyperbolic_sine_integral hyperbolic_cosine_integral",
    "itj0y0": "bessel_j0_integral bessel_y0_integral",
    "iti0k0": "bessel_i0_integral bessel_k0_integral",
}
"""Primitives that are one of several results of a function of SciPy's."""


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--write-support", action="store_true", help="write docs/support.md from this run")


def pytest_runtest_logreport(report: Any) -> None:
    """On the controller also under xdist: properties travel with the report."""
    if report.when == "call":
        _outcome[report.nodeid] = report.outcome
    if report.when != "teardown" or (outcome := _outcome.get(report.nodeid)) in (None, "skipped"):
        return
    for key, value in report.user_properties:
        if key == "support":
            name, aspects = value
            row = _seen.setdefault(name, {})
            for a in aspects:
                row[a] = row.get(a, True) and outcome == "passed"


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
    reasons = list(REASONS)
    number = {name: k + 1 for k, names in enumerate(REASONS.values()) for name in names.split()}
    for name in sorted(_seen, key=str.lower):
        gap = f"– ({number[name]})" if name in number else "– (not checked)"
        cells = ["✓" if _seen[name].get(c) else gap for c in COLUMNS]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    lines += ["", *[f"({k + 1}) {reason}." for k, reason in enumerate(reasons)]]
    return "\n".join(lines) + "\n"


def _names(node: Any) -> list[str]:
    """Of a test that walks the registry: what scipy.special calls the primitive."""
    from dualad.core.primitive import REGISTRY
    from dualad.ops.specials import SPECIAL

    params = getattr(getattr(node, "callspec", None), "params", {})
    prim = params.get("prim") or REGISTRY.get(params.get("name", ""))
    if prim is None:
        return []
    names = [n for n, p in SPECIAL.items() if p is prim] + [
        n for n, parts in PARTS.items() if prim.name in parts.split()
    ]
    return [f"scipy.special.{n}" for n in names]


@pytest.fixture(autouse=True)
def support(request: Any, record_property: Any) -> Any:
    """Tests say what they check: those that walk the registry by their name, the others by the cases that they check."""
    yield
    for case in functions.CHECKED:
        if case.name:
            record_property("support", (case.name, case.aspects()))
    functions.CHECKED.clear()
    if (name := request.node.originalname) in ASPECTS:
        for n in _names(request.node):
            record_property("support", (n, ASPECTS[name]))
