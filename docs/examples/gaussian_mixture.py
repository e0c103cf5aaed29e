"""A mixture of Gaussians by expectation maximization, whose E-step is a gradient.

With the scores s_ik = log w_k + log N(x_i; m_k, S_k) the log-likelihood is L = sum_i logsumexp_k s_ik, and

    dL / ds_ik = exp(s_ik) / sum_j exp(s_ij) = r_ik,

the responsibilities. The M-step sets weights, means and covariances to the moments of the points weighted by r. At a fixed
point the gradient of L in the means themselves vanishes, which is checked.

Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39 (1977);
Bishop, "Pattern Recognition and Machine Learning", Springer 2006, section 9.2.
"""

import numpy as np
from common import PICTURES, figure, save

from dualad import check_grads, grad, value_and_grad

WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[-2.0, 0.0], [2.0, 1.0], [0.0, -3.0]])
FACTORS = np.array([[[0.8, 0.0], [0.9, 0.4]], [[1.0, 0.0], [-0.4, 0.5]], [[0.5, 0.0], [0.0, 0.5]]])


def scores(weights, means, covariances, x):
    """log w_k + log N(x_i; m_k, S_k): points by components."""
    L = np.linalg.cholesky(covariances)
    white = np.linalg.solve(L, np.swapaxes(x - means[:, None], 1, 2))
    log_det = 2 * np.sum(np.log(np.diagonal(L, axis1=1, axis2=2)), axis=1)
    return np.log(weights) - 0.5 * (np.sum(white**2, axis=1).T + log_det + x.shape[1] * np.log(2 * np.pi))


def evidence(s):
    return np.sum(np.logaddexp.reduce(s, axis=1))


def maximize(r, x):
    """The moments of the points under the responsibilities."""
    total = r.sum(axis=0)
    means = r.T @ x / total[:, None]
    centred = x - means[:, None]
    return total / len(x), means, np.einsum("ik,kia,kib->kab", r, centred, centred) / total[:, None, None]


def main(size="full"):
    rng = np.random.default_rng(1)
    n = {"small": 400, "full": 1200}[size]
    kind = rng.choice(3, size=n, p=WEIGHTS)
    x = MEANS[kind] + np.einsum("nab,nb->na", FACTORS[kind], rng.standard_normal((n, 2)))
    theta = np.full(3, 1 / 3), np.array([[-1.0, -1.0], [1.0, 0.0], [0.0, -1.0]]), np.stack([4 * np.eye(2)] * 3)
    likelihood = lambda means: evidence(scores(theta[0], means, theta[2], x))
    check_grads(likelihood, (theta[1],), order=2)
    history = []
    for _ in range(200):
        value, r = value_and_grad(evidence)(scores(*theta, x))
        history.append(value / n)
        theta = maximize(r, x)
    slope = np.abs(grad(likelihood)(theta[1])).max() / n
    print(f"log-likelihood per point {history[0]:.4f} -> {history[-1]:.4f}; gradient at the fixed point {slope:.1e}")
    print("means", *np.round(theta[1], 2), "weights", np.round(theta[0], 2))
    return {"x": x, "theta": theta, "r": r, "history": history, "slope": slope}


def draw(result, path=PICTURES / "gaussian_mixture.png"):
    x, (_, means, covariances) = result["x"], result["theta"]
    picture, (left, right) = figure(2, width_ratios=[3, 2])
    left.scatter(*x.T, c=result["r"] @ [[0.12, 0.47, 0.71], [1.0, 0.5, 0.05], [0.17, 0.63, 0.17]], s=3)
    angle = np.linspace(0, 2 * np.pi, 100)
    for mean, L in zip(means, np.linalg.cholesky(covariances)):
        left.plot(*(mean[:, None] + 2 * L @ [np.cos(angle), np.sin(angle)]), "k", lw=1)
    left.plot(*means.T, "k+")
    left.set(title="points coloured by dL/ds, their responsibilities", aspect="equal")
    right.plot(result["history"])
    right.set(xlabel="iteration", title="log-likelihood per point", xscale="log")
    save(picture, path)


if __name__ == "__main__":
    draw(main())
