"""What the examples share: Adam, and figures."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

PICTURES = pathlib.Path(__file__).parent.parent / "pictures" / "examples"


def adam(objective: Callable[[Any, int], Any], params: Any, steps: int, rate: float) -> tuple[Any, list[float]]:
    """Minimize by Adam; ``objective(params, step)`` returns value and gradient, ``params`` is any tree of arrays.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 1.
    """
    mean = optree.tree_map(np.zeros_like, params)
    square = mean
    losses = []
    for step in range(1, steps + 1):
        loss, gradient = objective(params, step)
        losses.append(float(loss))
        mean = optree.tree_map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
        square = optree.tree_map(lambda s, g: 0.999 * s + 0.001 * g**2, square, gradient)
        scale = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        params = optree.tree_map(lambda p, m, s: p - scale * m / (np.sqrt(s) + 1e-8), params, mean, square)
    return params, losses


def figure(columns: int, rows: int = 1, size: tuple[float, float] = (8, 3), **options: Any) -> tuple[Any, Any]:
    """A figure and its axes, without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=size, dpi=90, layout="constrained")
    FigureCanvasAgg(picture)
    return picture, picture.subplots(rows, columns, **options)


def save(picture: Any, path: pathlib.Path) -> None:
    """Write a PNG of 256 colours, which keeps it small."""
    from PIL import Image

    picture.canvas.draw()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(picture.canvas.buffer_rgba())).convert("RGB").quantize(256).save(path, optimize=True)
    print(f"picture: {path.name}")
