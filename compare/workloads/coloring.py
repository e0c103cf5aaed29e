"""Matrix coloring: colors and seconds of every coloring in every order, on banded, arrow, 5-point and random patterns; and the
column coloring of 100,000 columns beside SciPy's own greedy one (`scipy.optimize._numdiff.group_columns`, compiled)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from compare.timing import Row, in_turn, text


def patterns(n: int) -> dict[str, Any]:
    from scipy.sparse import coo_array, csr_array, diags_array, eye_array, kron

    def banded(n: int, b: int) -> Any:
        return diags_array([np.ones(n - abs(k)) for k in range(-b, b + 1)], offsets=range(-b, b + 1)).tocsr()

    def arrow(n: int) -> Any:
        i, zero = np.arange(n), np.zeros(n, int)
        return csr_array(coo_array((np.ones(3 * n), (np.r_[zero, i, i], np.r_[i, zero, i])), shape=(n, n)))

    def five_point(k: int) -> Any:
        line = banded(k, 1)
        grid = kron(line, eye_array(k)) + kron(eye_array(k), line)
        return csr_array(grid)

    def scattered(n: int, each: int) -> Any:
        rows = np.random.default_rng(0).integers(0, n, n * each)
        return csr_array(coo_array((np.ones(n * each), (rows, np.repeat(np.arange(n), each))), shape=(n, n)))

    k = math.isqrt(n)
    return {
        "arrow, n = 50": arrow(50),
        f"tridiagonal, n = {n:,}": banded(n, 1),
        f"bandwidth 5, n = {n:,}": banded(n, 5),
        f"5-point, {k} x {k}": five_point(k),
        f"random, {n:,} columns of 5": scattered(n, 5),
    }


def measure(peers: dict[str, ModuleType], rounds: int) -> tuple[list[Row], list[str]]:
    from scipy.optimize._numdiff import group_columns

    from dualad.plan import coloring

    rows = []
    for name, pattern in patterns(100_000).items():
        calls: dict[str, Callable[[], object]] = {
            "dualad": lambda p=pattern: coloring.column_coloring(p),
            "scipy group_columns": lambda p=pattern: group_columns(p),
        }
        rows.append(Row(f"column coloring, {name}", in_turn(calls, min(rounds, 3)), {}))
    lines = [
        "Colors (seconds of one call). The least that a column coloring can have is the fullest row's number of entries. Star "
        "and acyclic are of the pattern plus its transpose; `both` is columns + rows.",
        "",
        "| pattern | order | least | columns | rows | both | star | acyclic |",
        "|---" * 8 + "|",
    ]
    for name, pattern in patterns(10_000).items():
        least = int(np.diff(pattern.indptr).max())
        hessian = (pattern + pattern.T).tocsr()
        for order in coloring.ORDERS:
            cells = [name, order, str(least)]
            for color, p in (
                (coloring.column_coloring, pattern),
                (coloring.row_coloring, pattern),
                (coloring.bicoloring, pattern),
                (coloring.star_coloring, hessian),
                (coloring.acyclic_coloring, hessian),
            ):
                start = time.perf_counter()
                c: Any = color(p, order)
                seconds = time.perf_counter() - start
                assert c.verify(), (name, order)
                count = f"{c.column_count} + {c.row_count}" if color is coloring.bicoloring else str(c.count)
                cells.append(f"{count} ({text(seconds)})")
            lines.append("| " + " | ".join(cells) + " |")
    return rows, ["\n".join(lines)]
