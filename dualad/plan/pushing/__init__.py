"""Edge pushing: sparse Hessians from the function's own tape, entry by entry, without directions."""

from dualad.plan.pushing.layout import Layout, TooMany, layout

__all__ = ["Layout", "TooMany", "layout"]
