"""Where dualad keeps what it measured or compiled, from one process to the next."""

from __future__ import annotations

import os
import pathlib


def cache_folder() -> pathlib.Path:
    """``$DUALAD_CACHE``, else ``$XDG_CACHE_HOME/dualad``, else ``~/.cache/dualad``."""
    if own := os.environ.get("DUALAD_CACHE"):
        return pathlib.Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(base) if base else pathlib.Path.home() / ".cache") / "dualad"
