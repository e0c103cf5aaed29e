"""What a plan shows of itself: text, and HTML with a picture of the pattern in its colors."""

from __future__ import annotations

import html

from dualad.plan.coloring import column_coloring
from dualad.plan.coloring.compression import entries
from dualad.plan.plan import Plan
from dualad.plan.strategies.colored import structure

MOST_CELLS = 60
HUES = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")


def text(plan: Plan) -> str:
    """The findings, the candidates with their predicted cost, the choice and the reason."""
    m, n = plan.shape
    lines = [f"plan: {plan.want} of {m} outputs in {n} inputs, {plan.instructions} instructions on the tape"]
    if plan.pattern is not None:
        share = plan.pattern.nnz / max(1, m * n)
        found = structure(plan.pattern)
        lines.append(f"pattern: {plan.pattern.nnz} nonzeros ({share:.2%})" + (f", {found}" if found else ""))
    head = ["", "strategy", "passes", "operations", "bytes", "predicted", "measured"]
    rows = [
        [
            "->" if c is plan.choice else "",
            c.name,
            str(c.cost.passes),
            f"{c.cost.operations:.3g}",
            _bytes(c.cost.bytes),
            _seconds(c.cost.seconds),
            _seconds(plan.measured[c.name]) if c.name in plan.measured else "-",
        ]
        for c in plan.candidates
    ]
    widths = [max(len(r[k]) for r in [head, *rows]) for k in range(len(head))]
    for r in [head, *rows]:
        lines.append(
            "  ".join(s.ljust(w) if k < 2 else s.rjust(w) for k, (s, w) in enumerate(zip(r, widths, strict=True)))
        )
    lines.append(f"choice: {plan.choice.name}: {plan.choice.why}")
    lines.append(f"reason: {plan.reason}")
    if plan.measured:
        lines.append(f"regret: {plan.regret:.2f} (time of the choice / time of the best)")
    return "\n".join(lines)


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            return f"{n:.3g} {unit}"
        n /= 1000
    raise AssertionError


def _seconds(s: float) -> str:
    return f"{s * 1e6:.3g} us" if s < 1e-3 else f"{s * 1e3:.3g} ms" if s < 1 else f"{s:.3g} s"


def page(plan: Plan) -> str:
    """The same as HTML, for notebooks, with the pattern."""
    return f"<pre>{html.escape(text(plan))}</pre>" + (picture(plan) if plan.pattern is not None else "")


def picture(plan: Plan) -> str:
    """The pattern as SVG, each entry in the color of the pass that it is read from; large patterns in blocks.

    Where the chosen strategy reads no passes, the colors are those of the cheapest coloring among the candidates, or else those
    that a column coloring takes.
    """
    colorings = [c.detail for c in (plan.choice, *plan.candidates) if hasattr(c.detail, "passes")]
    colors = colorings[0] if colorings else column_coloring(plan.pattern)
    m, n = plan.shape
    step = max(1, -(-max(m, n) // MOST_CELLS))
    cells: dict[tuple[int, int], str] = {}
    rows, columns = entries(colors.pattern)
    for i, j, k in zip(rows.tolist(), columns.tolist(), colors.passes().tolist(), strict=True):
        cells.setdefault((i // step, j // step), HUES[k % len(HUES)])
    size = 6
    rects = "".join(
        f'<rect x="{j * size}" y="{i * size}" width="{size}" height="{size}" fill="{hue}"/>'
        for (i, j), hue in cells.items()
    )
    w, h = -(-n // step) * size, -(-m // step) * size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        f'<rect width="{w}" height="{h}" fill="white" stroke="#999"/>{rects}</svg>'
    )
