"""A variational autoencoder that finds the two coordinates in which small pictures differ.

Each picture x is a blurred spot at a random place. The encoder gives q(z | x) = N(m(x), diag s(x)^2), the decoder p(x | z) has
independent pixels with the logits f(z), and the loss is the negative evidence lower bound

    E_q[-log p(x | z)] + KL(q || N(0, I)),     KL = sum (m^2 + s^2 - 1 - log s^2) / 2,

with z = m + s e, e ~ N(0, I): randomness comes in from outside, so that the gradient passes through.

Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014.
"""

from itertools import pairwise

import numpy as np
from common import PICTURES, adam, figure, save

from dualad import check_grads, value_and_grad

SIDE = 10
PIXELS = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1)


def spots(rng, n):
    """Pictures with values in [0, 1], flattened, and the centres of their spots."""
    centres = rng.uniform(1, SIDE - 2, size=(n, 2))
    return np.exp(-0.3 * np.sum((PIXELS - centres[:, None, None]) ** 2, axis=-1)).reshape(n, -1), centres


def layers(rng, *widths):
    return [(rng.standard_normal((i, o)) / np.sqrt(i), np.zeros(o)) for i, o in pairwise(widths)]


def network(layers, x):
    *hidden, (w, b) = layers
    for v, a in hidden:
        x = np.tanh(x @ v + a)
    return x @ w + b


def encode(p, x):
    """Mean and log deviation of q(z | x)."""
    return np.split(network(p["encoder"], x), 2, axis=-1)


def loss(p, x, noise):
    mean, log_deviation = encode(p, x)
    logits = network(p["decoder"], mean + np.exp(log_deviation) * noise)
    reconstruction = np.sum(np.logaddexp(0, logits) - x * logits, axis=1)
    divergence = np.sum(0.5 * (mean**2 + np.exp(2 * log_deviation) - 1) - log_deviation, axis=1)
    return np.mean(reconstruction + divergence)


def explained(code, centres):
    """The fraction of the variance of the true centres that a quadratic in the code explains."""
    a, b = code.T
    design = np.column_stack([np.ones_like(a), a, b, a * a, a * b, b * b])
    rest = centres - design @ np.linalg.lstsq(design, centres, rcond=None)[0]
    return 1 - rest.var(axis=0).sum() / centres.var(axis=0).sum()


def main(size="full"):
    rng = np.random.default_rng(0)
    steps = {"small": 500, "full": 2500}[size]
    x, centres = spots(rng, 1000)
    p = {"encoder": layers(rng, SIDE**2, 64, 4), "decoder": layers(rng, 2, 64, SIDE**2)}
    check_grads(lambda p: loss(p, x[:3], np.ones((3, 2))), (p,))

    def objective(p, step):
        chosen = rng.choice(len(x), 64, replace=False)
        return value_and_grad(loss)(p, x[chosen], rng.standard_normal((64, 2)))

    p, losses = adam(objective, p, steps, rate=3e-3)
    code, _ = encode(p, x)
    r2 = explained(code, centres)
    print(
        f"negative lower bound {np.mean(losses[:10]):.2f} -> {np.mean(losses[-50:]):.2f}; code explains {r2:.1%} of the centres"
    )
    return {"losses": losses, "code": code, "centres": centres, "explained": r2, "parameters": p}


def draw(result, path=PICTURES / "variational_autoencoder.png"):
    picture, axes = figure(3)
    along = np.linspace(-1.8, 1.8, 7)
    z = np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1).reshape(-1, 2)
    decoded = 1 / (1 + np.exp(-network(result["parameters"]["decoder"], z)))
    tiles = np.pad(decoded.reshape(7, 7, SIDE, SIDE), [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=0.3)
    sheet = tiles.transpose(0, 2, 1, 3).reshape(7 * (SIDE + 2), 7 * (SIDE + 2))
    axes[0].imshow(sheet, cmap="gray", extent=(-2.1, 2.1, 2.1, -2.1))
    axes[0].set(title="decoded", xlabel="$z_2$", ylabel="$z_1$")
    for i, axis in enumerate(axes[1:]):
        axis.scatter(*result["code"].T[::-1], c=result["centres"][:, i], s=4)
        axis.set(title=f"codes, by true {('row', 'column')[i]}", xlabel="$z_2$", aspect="equal")
        axis.invert_yaxis()
    save(picture, path)


if __name__ == "__main__":
    draw(main())
