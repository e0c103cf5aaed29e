"""Every example in the README, the docs and the docstrings runs; every link between pages leads somewhere."""

from __future__ import annotations

import doctest
import importlib
import pathlib
import re
from typing import Any

import numpy as np
import pytest

import dualad

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for p in sorted((ROOT / "dualad").rglob("*.py"))
    if p.stem != "__main__"
]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def run(test: doctest.DocTest) -> None:
    out: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    with np.printoptions():
        runner.run(test, out=out.append)
    assert runner.failures == 0, "".join(out)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_page(page: pathlib.Path, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)  # examples may write files
    text = page.read_text()
    run(doctest.DocTestParser().get_doctest(text.replace("```", "\n"), {}, page.name, str(page), 0))
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name.rsplit(".", 1)[-1]):
        if test.examples:
            run(test)


def test_every_public_function_has_a_docstring_with_an_example() -> None:
    without = []
    for name in dualad.__all__:
        thing = getattr(dualad, name)
        if not callable(thing) or (isinstance(thing, type) and issubclass(thing, Exception)) or name == "Tensor":
            continue
        if ">>>" not in (thing.__doc__ or ""):
            without.append(name)
    assert not without, f"no example in the docstring of {without}"
