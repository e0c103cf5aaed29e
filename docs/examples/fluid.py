"""Smoke that flows into a picture: the initial velocity of a fluid, by the gradient of its final density.

Velocity and density are carried along by the flow (each cell fetches the value from where its fluid came from), and after
each step the velocity loses its divergence, which Fourier modes do exactly on a periodic square:

    q(x) <- q(x - h v(x)) for q = v, density,     v(k) <- v(k) - k (k . v(k)) / |k|^2.

L-BFGS looks for the initial velocity whose final density is closest to the target. The gradient passes back through all
steps; ``memory`` bounds what the tape may hold, and what it does not hold is computed again.

Stam, "Stable fluids", SIGGRAPH 1999;
McNamara, Treuille, Popovic and Stam, "Fluid control using the adjoint method", SIGGRAPH 2004.
"""

import numpy as np
from common import PICTURES, figure, save
from scipy.optimize import minimize

from dualad import check_grads, value_and_grad


def solenoidal(v):
    """The velocity without its divergence: (2, n, n) to the same, n odd (so that every mode has its conjugate)."""
    n = v.shape[1]
    k = np.stack(np.meshgrid(np.fft.fftfreq(n), np.fft.rfftfreq(n), indexing="ij"))
    modes = np.fft.rfft2(v)
    square = np.maximum(np.sum(k**2, axis=0), 1e-12)
    return np.fft.irfft2(modes - k * np.sum(k * modes, axis=0) / square, s=(n, n))


def carry(v, *fields):
    """Each field (..., n, n) at the places from where the flow came, by bilinear interpolation."""
    n = v.shape[1]
    y, x = np.arange(n)[:, None] - v[0], np.arange(n) - v[1]
    top, left = np.floor(y), np.floor(x)
    down, right = y - top, x - left
    i, j = top.astype(int) % n, left.astype(int) % n
    below, beside = (i + 1) % n, (j + 1) % n
    return [
        (1 - down) * ((1 - right) * q[..., i, j] + right * q[..., i, beside])
        + down * ((1 - right) * q[..., below, j] + right * q[..., below, beside])
        for q in fields
    ]


def simulate(v, density, steps):
    """The densities at all times; velocity in cells per step."""
    densities = [density]
    v = solenoidal(v)
    for _ in range(steps):
        v, density = carry(v, v, density)
        v = solenoidal(v)
        densities.append(density)
    return densities


def distance(v, density, target, steps):
    return np.mean((simulate(v, density, steps)[-1] - target) ** 2)


def ring_and_block(n):
    """The target, a thick ring, and the smoke to make it of: a square with as much of it."""
    y, x = np.mgrid[:n, :n] / n - 0.5
    target = 1 / (1 + np.exp((abs(np.hypot(y, x) - 0.25) - 0.08) * 60))
    half = 0.5 * np.sqrt(target.mean())
    return 1 / (1 + np.exp((np.maximum(abs(x), abs(y)) - half) * 60)), target


def main(size="full"):
    n, steps, iterations = {"small": (17, 8, 40), "full": (41, 30, 120)}[size]
    density, target = ring_and_block(n)
    rng = np.random.default_rng(0)
    check_grads(lambda v: distance(v, density, target, 3), (rng.standard_normal((2, n, n)),))
    objective = value_and_grad(lambda v: distance(v.reshape(2, n, n), density, target, steps), memory="4MB")
    start = 0.01 * rng.standard_normal(2 * n * n)
    fit = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations})
    before = distance(start.reshape(2, n, n), density, target, steps)
    print(f"mean squared distance to the target {before:.4f} -> {fit.fun:.4f} in {fit.nit} iterations")
    return {"v": fit.x.reshape(2, n, n), "before": before, "after": fit.fun, "n": n, "steps": steps}


def draw(result, path=PICTURES / "fluid.png"):
    n, steps = result["n"], result["steps"]
    density, target = ring_and_block(n)
    densities = simulate(result["v"], density, steps)
    picture, axes = figure(6, size=(9, 1.75))
    axes[0].imshow(density, cmap="gray_r", vmin=0, vmax=1)
    v, every = solenoidal(result["v"]), max(n // 14, 1)
    at = np.arange(0, n, every)
    axes[0].quiver(at, at, v[1, ::every, ::every], v[0, ::every, ::every], angles="xy", color="C3", width=0.01)
    axes[0].set_title("initial velocity")
    for axis, t in zip(axes[1:5], np.linspace(0, steps, 5)[1:].astype(int)):
        axis.imshow(densities[t], cmap="gray_r", vmin=0, vmax=1)
        axis.set_title(f"step {t}")
    axes[5].imshow(target, cmap="gray_r", vmin=0, vmax=1)
    axes[5].set_title("target")
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    save(picture, path)


if __name__ == "__main__":
    draw(main())
