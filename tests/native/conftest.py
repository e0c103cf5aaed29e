"""In these tests the compiler must not fail: ``jit`` would go on with NumPy, and hide it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dualad.core.cache import cache_folder


@pytest.fixture(autouse=True)
def compiles(caplog: Any) -> Any:
    yield
    logged = [
        r.getMessage() for phase in ("setup", "call") for r in caplog.get_records(phase) if r.levelno >= logging.WARNING
    ]
    assert not [m for m in logged if "could not be compiled" in m], caplog.text


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUALAD_CACHE", str(tmp_path_factory.mktemp("cache")))
        assert cache_folder().exists()
        yield
