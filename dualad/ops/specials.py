"""All special functions by SciPy's name; importing this registers them."""

from __future__ import annotations

from typing import Any

from dualad.ops import airy as airy
from dualad.ops import bessel as bessel
from dualad.ops import elliptic as elliptic
from dualad.ops import faddeeva as faddeeva
from dualad.ops import hypergeometric as hypergeometric
from dualad.ops import incomplete as incomplete
from dualad.ops import orthogonal as orthogonal
from dualad.ops import owen as owen
from dualad.ops import struve as struve
from dualad.ops import sundry as sundry
from dualad.ops.special import SPECIAL as SPECIAL


def special(name: str) -> Any:
    """The primitive of ``scipy.special.<name>``."""
    return SPECIAL[name]
