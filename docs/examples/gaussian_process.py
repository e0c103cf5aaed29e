"""Gaussian process regression: hyperparameters by maximum marginal likelihood, and how well they are known.

With the kernel k(x, x') = a^2 exp(-(x - x')^2 / 2 l^2) and noise s, observations y have the covariance K = k(X, X) + s^2 I, and

    -log p(y | theta) = y' K^-1 y / 2 + log det K / 2 + n log(2 pi) / 2,     theta = log (a, l, s).

Its gradient drives BFGS; its Hessian at the minimum, inverted, is the covariance of theta in Laplace's approximation.

Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, equations 2.23-2.24 and 5.8.
"""

import numpy as np
from common import PICTURES, figure, save
from scipy.optimize import minimize

from dualad import check_grads, hessian, value_and_grad


def kernel(theta, x, z):
    return np.exp(2 * theta[0] - 0.5 * (x[:, None] - z) ** 2 * np.exp(-2 * theta[1]))


def factor(theta, x):
    """The Cholesky factor of the covariance of the observations."""
    return np.linalg.cholesky(kernel(theta, x, x) + np.exp(2 * theta[2]) * np.eye(len(x)))


def negative_log_likelihood(theta, x, y):
    L = factor(theta, x)
    white = np.linalg.solve(L, y)
    return 0.5 * white @ white + np.sum(np.log(np.diagonal(L))) + 0.5 * len(y) * np.log(2 * np.pi)


def predict(theta, x, y, at):
    """Mean and standard deviation of the function at new points."""
    L = factor(theta, x)
    cross = np.linalg.solve(L, kernel(theta, x, at))
    mean = cross.T @ np.linalg.solve(L, y)
    return mean, np.sqrt(np.exp(2 * theta[0]) - np.sum(cross**2, axis=0))


def main(size="full"):
    rng = np.random.default_rng(0)
    n = {"small": 20, "full": 45}[size]
    x = np.sort(np.concatenate([rng.uniform(-5, 1, 2 * n // 3), rng.uniform(3, 5, n - 2 * n // 3)]))
    y = np.sin(1.5 * x) + 0.3 * x + 0.2 * rng.standard_normal(n)
    start = np.zeros(3)
    check_grads(lambda theta: negative_log_likelihood(theta, x, y), (start,), order=2)
    fit = minimize(value_and_grad(negative_log_likelihood), start, args=(x, y), jac=True, method="BFGS")
    covariance = np.linalg.inv(hessian(negative_log_likelihood)(fit.x, x, y))
    for name, value, error in zip(("amplitude", "length", "noise"), fit.x, np.sqrt(np.diagonal(covariance))):
        print(f"log {name:9} = {value:6.3f} +- {error:.3f}   ({name} = {np.exp(value):.3f})")
    return {"x": x, "y": y, "theta": fit.x, "covariance": covariance, "slope": np.abs(fit.jac).max()}


def draw(result, path=PICTURES / "gaussian_process.png"):
    x, y, theta = result["x"], result["y"], result["theta"]
    picture, (left, right) = figure(2, width_ratios=[2, 1])
    at = np.linspace(-6, 6, 300)
    mean, deviation = predict(theta, x, y, at)
    left.fill_between(at, mean - 2 * deviation, mean + 2 * deviation, color="C0", alpha=0.2, lw=0)
    left.plot(at, mean, "C0", label="posterior mean, two deviations")
    left.plot(x, y, "k.", ms=5, label="observations")
    left.legend(frameon=False, loc="upper left")
    left.set(xlabel="x", ylabel="y")
    width = 4 * np.sqrt(np.diagonal(result["covariance"]))
    lengths, noises = (np.linspace(theta[i] - width[i], theta[i] + width[i], 40) for i in (1, 2))
    surface = [[negative_log_likelihood(np.array([theta[0], l, s]), x, y) for l in lengths] for s in noises]
    right.contour(lengths, noises, np.array(surface) - np.min(surface), levels=[0.5, 2, 4.5, 8, 16], cmap="Blues_r")
    right.plot(theta[1], theta[2], "k+")
    angle = np.linspace(0, 2 * np.pi, 100)
    section = np.linalg.inv(np.linalg.inv(result["covariance"])[1:, 1:])
    ellipse = 2 * np.linalg.cholesky(section) @ [np.cos(angle), np.sin(angle)]
    right.plot(theta[1] + ellipse[0], theta[2] + ellipse[1], "C1--")
    right.set(xlabel="log length", ylabel="log noise", title="likelihood, Laplace's ellipse")
    save(picture, path)


if __name__ == "__main__":
    draw(main())
