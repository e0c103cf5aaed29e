"""The tour: one function, its derivative by every mode, checked, timed and drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import dualad


def wave(x: Any) -> Any:
    """A damped wave, summed: plain NumPy."""
    return np.sum(np.sin(x * x) * np.exp(-x / 3))


def differences(f: Callable[[Any], Any], x: Any, h: float = 1e-4) -> Any:
    """The gradient by fourth-order central differences: 4 n evaluations, and only so exact."""
    out = np.empty_like(x)
    for i in range(x.size):
        e = np.zeros_like(x)
        e[i] = h
        out[i] = (8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h)
    return out


def by_tape(x: Any) -> Any:
    with dualad.Tape() as tape:
        v = tape.watch(x)
        y = wave(v)
    return tape.gradient(y, v)


def by_torch(x: Any) -> Any:
    import dualad.torch as torch

    v = torch.tensor(x, requires_grad=True)
    torch.sum(torch.sin(v * v) * torch.exp(-v / 3)).backward()
    return v.grad.numpy()


def by_jet(x: Any) -> Any:
    along = lambda e: dualad.jet(wave, (x,), ((e,),))[1][0]
    return dualad.vmap(along)(np.eye(x.size))


def by_linearize(x: Any) -> Any:
    return dualad.vmap(dualad.linearize(wave, x)[1])(np.eye(x.size))


MODES: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("reverse", "grad(f)(x)", lambda x: dualad.grad(wave)(x)),
    ("reverse, by hand", "tape.gradient(y, x)", by_tape),
    ("forward", "jacfwd(f)(x)", lambda x: dualad.jacfwd(wave)(x)),
    ("forward, by hand", "f(Dual(x, eye)).tangent", lambda x: wave(dualad.Dual(x, np.eye(x.size))).tangent),
    ("forward, recorded", "vmap(linearize(f, x)[1])", by_linearize),
    ("Taylor", "jet(f, (x,), ((e,),))", by_jet),
    ("the tensor API", "f(x).backward(); x.grad", by_torch),
]


def best_time(f: Callable[[], Any]) -> float:
    times = []
    for _ in range(20):
        t = time.perf_counter()
        f()
        times.append(time.perf_counter() - t)
    return min(times)


def tour(path: str = "tour.png") -> None:
    """Print the table of modes, the tape and the Hessian, and write the picture to ``path``."""
    x = np.linspace(0.3, 2.5, 5)
    print("f(x) = sum(sin(x * x) * exp(-x / 3))   at x =", np.array2string(x, precision=2))
    print("f(x) =", f"{wave(x):.6f}\n")
    reference = differences(wave, x)
    print(f"{'mode':<20}{'call':<28}{'gradient':<44}{'off by':>9}{'time':>12}")
    for mode, call, derivative in MODES:
        g = derivative(x)
        error = float(np.max(np.abs(g - reference)))
        seconds = best_time(lambda d=derivative: d(x))  # type: ignore[misc]
        shown = np.array2string(np.asarray(g), precision=4, suppress_small=True)
        print(f"{mode:<20}{call:<28}{shown:<44}{error:>9.1e}{seconds * 1e6:>9.0f} us")
        if not error < 1e-6:
            raise SystemExit(f"{mode}: the gradient is off by {error}")
    print(
        f"{'differences':<20}{'4 n evaluations':<28}{'':<44}{'':>9}{best_time(lambda: differences(wave, x)) * 1e6:>9.0f} us"
    )

    with dualad.Tape() as tape:
        wave(tape.watch(x))
    print(f"\nThe program that was recorded:\n{tape}")
    h = dualad.hessian(wave)(x)
    by_columns = np.stack([differences(lambda v, i=i: dualad.grad(wave)(v)[i], x) for i in range(x.size)])  # type: ignore[misc]
    print("\nHessian, forward over reverse: diagonal", np.array2string(np.diag(h), precision=4), end="")
    print(f", off by {np.max(np.abs(h - by_columns)):.1e}")
    print(f"\nPicture: {picture(path)}")


def picture(path: str) -> str:
    """The wave and its first three derivatives, by one Taylor pass each over 400 points."""
    try:
        import matplotlib
    except ImportError:
        target = path.rsplit(".", 1)[0] + ".dot"
        with dualad.Tape() as tape:
            wave(tape.watch(np.ones(5)))
        return tape.draw(target) + " (the tape; install matplotlib for the plot)"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    x = np.linspace(0, 4, 400)
    one = lambda v: np.sin(v * v) * np.exp(-v / 3)
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    axes.plot(x, one(x), label="f", linewidth=2)
    for n in (1, 2, 3):
        y = dualad.derivative(one, n)(x)
        axes.plot(x, y / np.max(np.abs(y)), label=f"derivative {n} (scaled)")
    axes.set_title("f(x) = sin(x²) exp(-x/3) and its derivatives, by Taylor mode")
    axes.set_xlabel("x")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
