"""A hidden Markov model whose backward pass nobody writes: it is the gradient of the forward pass.

With transition logarithms A and emission logarithms b_t(k) = log p(y_t | state k), the forward algorithm

    alpha_t(k) = b_t(k) + logsumexp_j (alpha_{t-1}(j) + A_jk),     log p(y) = logsumexp_k alpha_T(k)

runs as a plain Python loop. Its gradient in the parameters fits the model (by L-BFGS); its gradient in b is the posterior

    d log p(y) / d b_t(k) = p(state_t = k | y).

Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77 (1989);
Eisner, "Inside-outside and forward-backward algorithms are just backprop", 2016.
"""

import numpy as np
from common import PICTURES, figure, save
from scipy.optimize import minimize

from dualad import check_grads, grad, value_and_grad

TRANSITIONS = np.array([[0.95, 0.04, 0.01], [0.02, 0.94, 0.04], [0.05, 0.02, 0.93]])
LEVELS = np.array([-1.5, 0.0, 2.0])
NOISE = 0.7


def log_softmax(x):
    return x - np.logaddexp.reduce(x, axis=-1)[..., None]


def forward(transitions, emissions):
    """log p(y), from log transition probabilities and log emission densities (times by states)."""
    alpha = emissions[0] - np.log(len(transitions))
    for emission in emissions[1:]:
        alpha = emission + np.logaddexp.reduce(alpha[:, None] + transitions, axis=0)
    return np.logaddexp.reduce(alpha)


def unpack(theta):
    """Log transitions, levels and log noise of three states, from 13 free numbers."""
    return log_softmax(theta[:9].reshape(3, 3)), theta[9:12], theta[12]


def log_normal(y, levels, log_noise):
    return -0.5 * ((y[:, None] - levels) * np.exp(-log_noise)) ** 2 - log_noise - 0.5 * np.log(2 * np.pi)


def loss(theta, y):
    transitions, levels, log_noise = unpack(theta)
    return -forward(transitions, log_normal(y, levels, log_noise)) / len(y)


def sample(rng, length):
    states = [0]
    for _ in range(length - 1):
        states.append(rng.choice(3, p=TRANSITIONS[states[-1]]))
    return np.array(states), LEVELS[states] + NOISE * rng.standard_normal(length)


def main(size="full"):
    states, y = sample(np.random.default_rng(0), {"small": 200, "full": 600}[size])
    start = np.concatenate([2 * np.eye(3).ravel(), np.quantile(y, [0.15, 0.5, 0.85]), [0.0]])
    check_grads(loss, (start, y[:20]))
    fit = minimize(value_and_grad(loss), start, args=(y,), jac=True, method="L-BFGS-B")
    transitions, levels, log_noise = unpack(fit.x)
    posterior = grad(forward, argnums=1)(transitions, log_normal(y, levels, log_noise))
    accuracy = np.mean(posterior.argmax(axis=1) == states)
    print(f"loss {loss(start, y):.4f} -> {fit.fun:.4f}; levels {np.round(levels, 2)}, noise {np.exp(log_noise):.2f}")
    print(f"states decoded rightly: {accuracy:.1%}; transitions\n{np.exp(transitions).round(3)}")
    return {"y": y, "states": states, "posterior": posterior, "levels": levels, "accuracy": accuracy}


def draw(result, path=PICTURES / "hidden_markov.png"):
    y, states, posterior, levels = (result[k] for k in ("y", "states", "posterior", "levels"))
    picture, (top, bottom) = figure(1, 2, sharex=True, height_ratios=[2, 1])
    top.plot(y, ".", color="0.6", ms=3, label="observed")
    top.step(np.arange(len(y)), LEVELS[states], "k", lw=1, where="mid", label="true level")
    top.plot(posterior @ levels, "C1", lw=1, label="posterior mean")
    top.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.2))
    bottom.stackplot(np.arange(len(y)), posterior.T, colors=["C0", "0.85", "C3"])
    bottom.set(xlabel="time", ylabel="p(state | y)", xlim=(0, len(y) - 1), ylim=(0, 1))
    save(picture, path)


if __name__ == "__main__":
    draw(main())
