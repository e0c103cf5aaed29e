"""Bayesian logistic regression by stochastic variational inference, in natural gradients.

The posterior is approximated by q = N(m, P^-1). With l(w) = log p(data | w) p(w), the natural gradient of the evidence
lower bound turns into two averages under q (Bonnet's and Price's theorems),

    P <- (1 - r) P - r E_q[Hessian of l],     m <- m + r P^-1 E_q[gradient of l],

estimated from a minibatch, scaled up, and a few samples of w: ``vmap(grad)`` and ``vmap(hessian)``. The exact posterior, by a sum
over a grid, is there to compare.

Hoffman, Blei, Wang and Paisley, "Stochastic variational inference", JMLR 14 (2013);
Khan and Rue, "The Bayesian learning rule", JMLR 24 (2023), section 4.1.
"""

import numpy as np
from common import PICTURES, figure, save

from dualad import check_grads, grad, hessian, vmap

PRIOR = 2.0


def log_joint(w, x, y, weight):
    """log p(w) plus the log-likelihood, weighted so that a minibatch stands for all; labels are -1 and 1."""
    return -weight * np.sum(np.logaddexp(0, -y * (x @ w))) - 0.5 * np.sum(w**2) / PRIOR**2


def infer(rng, x, y, steps, batch=20, samples=8):
    """The mean and precision of q, and the path of the mean."""
    over_samples = (0, None, None, None)
    gradients, hessians = vmap(grad(log_joint), over_samples), vmap(hessian(log_joint), over_samples)
    mean, precision = np.zeros(2), np.eye(2)
    path = [mean]
    for step in range(steps):
        rate = (step + 5.0) ** -0.8
        chosen = rng.choice(len(x), batch, replace=False)
        data = x[chosen], y[chosen], len(x) / batch
        w = mean + rng.standard_normal((samples, 2)) @ np.linalg.inv(np.linalg.cholesky(precision))
        precision = (1 - rate) * precision - rate * hessians(w, *data).mean(axis=0)
        mean = mean + rate * np.linalg.solve(precision, gradients(w, *data).mean(axis=0))
        path.append(mean)
    return mean, precision, np.array(path)


def exact(x, y, axes):
    """The posterior on a grid, its mean and covariance."""
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    logs = vmap(log_joint, (0, None, None, None))(grid, x, y, 1.0)
    p = np.exp(logs - logs.max())
    p /= p.sum()
    mean = p @ grid
    return p, mean, (grid - mean).T @ (p[:, None] * (grid - mean))


def main(size="full"):
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(100), rng.normal(0.5, 1, 100)])
    y = np.where(rng.random(100) < 1 / (1 + np.exp(-x @ [-0.5, 1.5])), 1, -1)
    check_grads(lambda w: log_joint(w, x, y, 1.0), (np.ones(2),), order=2)
    mean, precision, path = infer(rng, x, y, {"small": 300, "full": 1500}[size])
    axes = np.linspace(-2, 1, 120), np.linspace(0, 4, 120)
    p, exact_mean, exact_covariance = exact(x, y, axes)
    print("mean      ", mean.round(3), "exact", exact_mean.round(3))
    deviations = np.sqrt(np.diagonal(np.linalg.inv(precision))), np.sqrt(np.diagonal(exact_covariance))
    print("deviations", deviations[0].round(3), "exact", deviations[1].round(3))
    return {
        "mean": mean, "exact_mean": exact_mean, "deviations": deviations[0], "exact_deviations": deviations[1],
        "precision": precision, "path": path, "axes": axes, "posterior": p.reshape(120, 120), "x": x, "y": y,
    }  # fmt: skip


def draw(result, path=PICTURES / "natural_gradient.png"):
    picture, (left, right) = figure(2)
    left.contourf(*result["axes"], result["posterior"].T, levels=8, cmap="Blues")
    left.plot(*result["path"].T, "0.3", lw=0.7, label="path of the mean")
    angle = np.linspace(0, 2 * np.pi, 100)
    circle = np.linalg.solve(np.linalg.cholesky(result["precision"]).T, [np.cos(angle), np.sin(angle)])
    for radius, label in ((1, "q, one and two deviations"), (2, None)):
        left.plot(*(result["mean"][:, None] + radius * circle), "C1", label=label)
    left.plot(*result["mean"], "C1+")
    left.legend(frameon=False, loc="upper right")
    left.set(xlabel="intercept", ylabel="slope", title="exact posterior and q")
    rng = np.random.default_rng(1)
    at = np.linspace(-3, 4, 200)
    w = result["mean"][:, None] + np.linalg.solve(
        np.linalg.cholesky(result["precision"]).T, rng.standard_normal((2, 40))
    )
    right.plot(at, 1 / (1 + np.exp(-(w[0] + at[:, None] * w[1]))), "C1", lw=0.5, alpha=0.5)
    right.plot(result["x"][:, 1], (result["y"] + 1) / 2 + 0.03 * rng.standard_normal(100), "k.", ms=4)
    right.set(xlabel="x", ylabel="p(y = 1)", title="forty draws from q")
    save(picture, path)


if __name__ == "__main__":
    draw(main())
