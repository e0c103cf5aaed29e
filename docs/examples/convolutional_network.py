"""A convolutional network that tells circles, squares and crosses apart, and where it looks.

A convolution is a product with the windows of the picture: with windows(x)[n, c, k, y, x] the k-th neighbour of each pixel,

    conv(x, w)[n, o, y, x] = sum_ck w[o, c, k] windows(x)[n, c, k, y, x],

one ``einsum``. Two such layers with ``maximum(., 0)`` and max-pooling, then an affine layer and the cross-entropy. The
gradient of a class's logit in the *picture* shows the pixels that speak for and against the class (its saliency).

LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998);
Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", ICLR workshop 2014.
"""

import numpy as np
from common import PICTURES, adam, figure, save

from dualad import check_grads, grad, value_and_grad, vmap

SIDE = 18
NAMES = ("circle", "square", "cross")


def shapes(rng, n):
    """Noisy outlines at random places and of random sizes: pictures (n, 1, SIDE, SIDE) and labels."""
    labels = rng.integers(3, size=n)
    centre = rng.uniform(5.5, SIDE - 6.5, size=(2, n, 1, 1))
    radius = rng.uniform(3, 5, size=(n, 1, 1))
    dy, dx = np.arange(SIDE)[:, None] - centre[0], np.arange(SIDE) - centre[1]
    reach = np.maximum(abs(dy), abs(dx))
    distance = np.stack([abs(np.hypot(dy, dx) - radius), abs(reach - radius), np.minimum(abs(dy), abs(dx))])
    distance[2] = np.where(reach <= radius, distance[2], np.inf)
    strokes = np.exp(-(distance[labels, np.arange(n)] ** 2))
    return (strokes + 0.3 * rng.standard_normal(strokes.shape))[:, None], labels


def windows(x):
    """The 3 x 3 neighbourhoods inside: (n, c, h, w) -> (n, c, 9, h - 2, w - 2)."""
    h, w = x.shape[2] - 2, x.shape[3] - 2
    return np.stack([x[:, :, i : i + h, j : j + w] for i in range(3) for j in range(3)], axis=2)


def convolve(x, w):
    return np.einsum("ock,nckyx->noyx", w, windows(x))


def pool(x):
    """Maxima of 2 x 2 blocks."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


def initial(rng, channels=8):
    flat = 2 * channels * 3 * 3
    return {
        "w1": rng.standard_normal((channels, 1, 9)) / 3,
        "b1": np.zeros((channels, 1, 1)),
        "w2": rng.standard_normal((2 * channels, channels, 9)) * np.sqrt(2 / (9 * channels)),
        "b2": np.zeros((2 * channels, 1, 1)),
        "w3": rng.standard_normal((flat, 3)) / np.sqrt(flat),
        "b3": np.zeros(3),
    }


def logits(p, x):
    x = pool(np.maximum(convolve(x, p["w1"]) + p["b1"], 0))
    x = pool(np.maximum(convolve(x, p["w2"]) + p["b2"], 0))
    return x.reshape(len(x), -1) @ p["w3"] + p["b3"]


def loss(p, x, labels):
    scores = logits(p, x)
    return np.mean(np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(x)), labels])


def saliency(p, x, labels):
    """The gradient of each picture's own logit in its pixels."""
    return vmap(grad(lambda picture, label: logits(p, picture[None])[0][label]))(x, labels)


def main(size="full"):
    rng = np.random.default_rng(0)
    steps = {"small": 120, "full": 300}[size]
    test, answers = shapes(rng, 300)
    p = initial(rng)
    check_grads(lambda p: loss(p, test[:2], answers[:2]), (p,))
    p, losses = adam(lambda p, step: value_and_grad(loss)(p, *shapes(rng, 32)), p, steps, rate=0.01)
    accuracy = np.mean(logits(p, test).argmax(axis=1) == answers)
    print(
        f"loss {losses[0]:.3f} -> {np.mean(losses[-20:]):.3f}; {accuracy:.1%} of {len(test)} new pictures told rightly"
    )
    return {"losses": losses, "accuracy": accuracy, "parameters": p, "pictures": test, "labels": answers}


def draw(result, path=PICTURES / "convolutional_network.png"):
    pictures, labels, p = result["pictures"], result["labels"], result["parameters"]
    chosen = np.concatenate([np.flatnonzero(labels == k)[:2] for k in range(3)])
    looks = saliency(p, pictures[chosen], labels[chosen])
    picture, axes = figure(6, 2, size=(8, 2.9))
    for column, (i, look) in enumerate(zip(chosen, looks)):
        axes[0, column].imshow(pictures[i, 0], cmap="gray")
        axes[0, column].set_title(NAMES[labels[i]])
        axes[1, column].imshow(look[0], cmap="RdBu_r", vmin=-abs(look).max(), vmax=abs(look).max())
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("picture")
    axes[1, 0].set_ylabel("gradient")
    save(picture, path)


if __name__ == "__main__":
    draw(main())
