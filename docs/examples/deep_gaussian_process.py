"""A deep Gaussian process: a process of a process, which can jump where a single one cannot.

Observations y = f2(f1(x)) + noise. Each layer has inducing inputs Z, whose values u have q(u) = N(m, S); with whitened
u = L v, L L' = k(Z, Z), and A = L^-1 k(Z, X),

    f(X) has the mean A'm and the variances diag(k(X, X) - A'A + A'S A),     KL(q(v) || N(0, I)).

Samples pass through the layers by reparameterization, and the evidence lower bound is a mean over them. With the noise of
the samples held fixed it is a deterministic function of all parameters at once, and L-BFGS maximizes it.

Damianou and Lawrence, "Deep Gaussian processes", AISTATS 2013;
Salimbeni and Deisenroth, "Doubly stochastic variational inference for deep Gaussian processes", NeurIPS 2017.
"""

import numpy as np
import optree
from common import PICTURES, figure, save
from scipy.optimize import minimize

from dualad import check_grads, value_and_grad

INDUCING = 10


def kernel(p, x, z):
    return np.exp(2 * p["amplitude"] - 0.5 * (x[:, None] - z) ** 2 * np.exp(-2 * p["length"]))


def layer(p, x, noise):
    """A sample of f at x, from its marginals."""
    L = np.linalg.cholesky(kernel(p, p["inputs"], p["inputs"]) + 1e-5 * np.eye(INDUCING))
    A = np.linalg.solve(L, kernel(p, p["inputs"], x))
    variance = np.exp(2 * p["amplitude"]) - np.sum(A**2, axis=0) + np.sum((np.tril(p["factor"]).T @ A) ** 2, axis=0)
    return A.T @ p["mean"] + np.sqrt(np.maximum(variance, 1e-8)) * noise


def divergence(p):
    """KL(N(m, F F') || N(0, I)), F the lower triangle of the factor."""
    factor = np.tril(p["factor"])
    log_det = np.sum(np.log(np.diagonal(factor) ** 2))
    return 0.5 * (np.sum(p["mean"] ** 2) + np.sum(factor**2) - INDUCING - log_det)


def sample(p, x, noise):
    """One draw of the observed function per row of noise (draws by layers by points)."""
    first, *others = p["layers"]
    values = []
    for row in noise:
        f = x + layer(first, x, row[0])  # the first layer bends the identity
        for other, e in zip(others, row[1:]):
            f = layer(other, f, e)
        values.append(f)
    return np.stack(values)


def negative_bound(p, x, y, noise):
    residual = (y - sample(p, x, noise)) * np.exp(-p["noise"])
    fit = 0.5 * np.sum(residual**2) / len(noise) + len(y) * (p["noise"] + 0.5 * np.log(2 * np.pi))
    return fit + sum(divergence(layer) for layer in p["layers"])


def initial(depth):
    one = lambda: {
        "inputs": np.linspace(-1.5, 1.5, INDUCING), "mean": np.zeros(INDUCING), "factor": 0.1 * np.eye(INDUCING),
        "amplitude": np.array(0.0), "length": np.array(-0.7),
    }  # fmt: skip
    return {"layers": [one() for _ in range(depth)], "noise": np.array(-1.5)}


def train(p, x, y, noise, iterations):
    leaves, structure = optree.tree_flatten(p)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    unpack = lambda v: structure.unflatten(part.reshape(leaf.shape) for part, leaf in zip(np.split(v, ends), leaves))
    objective = value_and_grad(lambda v: negative_bound(unpack(v), x, y, noise))
    start = np.concatenate([leaf.ravel() for leaf in leaves])
    fit = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations})
    return unpack(fit.x), fit.fun, objective(start)[0]


def main(size="full"):
    rng = np.random.default_rng(0)
    n, draws, iterations = {"small": (30, 3, 60), "full": (60, 8, 400)}[size]
    x = np.sort(rng.uniform(-1.5, 1.5, n))
    y = np.where(x < 0, -1.0, 1.0) + 0.1 * rng.standard_normal(n)
    check_grads(lambda p: negative_bound(p, x[:4], y[:4], np.ones((1, 2, 4))), (initial(2),))
    result = {"x": x, "y": y}
    for name, depth in (("one layer", 1), ("two layers", 2)):
        p, bound, before = train(initial(depth), x, y, rng.standard_normal((draws, depth, n)), iterations)
        print(f"{name}: negative lower bound {before:.1f} -> {bound:.1f}, noise {np.exp(p['noise']):.2f} (true 0.10)")
        result[name] = {"parameters": p, "bound": bound, "before": before}
    return result


def draw(result, path=PICTURES / "deep_gaussian_process.png"):
    rng = np.random.default_rng(1)
    at = np.linspace(-1.8, 1.8, 200)
    picture, axes = figure(3)
    for axis, name in zip(axes, ("one layer", "two layers")):
        p = result[name]["parameters"]
        draws = sample(p, at, rng.standard_normal((200, len(p["layers"]), 200)))
        axis.fill_between(at, *np.quantile(draws, [0.025, 0.975], axis=0), color="C0", alpha=0.2, lw=0)
        axis.plot(at, draws.mean(axis=0), "C0")
        axis.plot(result["x"], result["y"], "k.", ms=4)
        axis.set(title=f"{name}: bound {-result[name]['bound']:.1f}", xlabel="x", ylim=(-1.8, 1.8))
    first = result["two layers"]["parameters"]["layers"][0]
    axes[2].plot(at, at + layer(first, at, np.zeros(200)), "C1", label="first layer, mean")
    axes[2].plot(at, at, "0.7", ls=":", label="identity")
    axes[2].legend(frameon=False)
    axes[2].set(title="what the first layer does", xlabel="x")
    save(picture, path)


if __name__ == "__main__":
    draw(main())
