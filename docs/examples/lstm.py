"""A character-level LSTM that learns a poem by heart.

From the input x_t and the last output h the gates i, f, o and the candidate g are affine; the cell c carries the memory:

    c <- sigmoid(f) c + sigmoid(i) tanh(g),     h <- sigmoid(o) tanh(c),     logits = h W + b.

The loss is the mean cross-entropy of the next character. All parameters are one dict; its gradient is a dict like it.

Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (1997);
Gers, Schmidhuber and Cummins, "Learning to forget", Neural Computation 12 (2000).
"""

import numpy as np
from common import PICTURES, adam, figure, save

from dualad import check_grads, value_and_grad

TEXT = """'Twas brillig, and the slithy toves
Did gyre and gimble in the wabe:
All mimsy were the borogoves,
And the mome raths outgrabe.
"""  # Lewis Carroll, "Through the Looking-Glass", 1871
LETTERS = sorted(set(TEXT))
CODES = np.array([LETTERS.index(letter) for letter in TEXT])


def sigmoid(x):
    return 0.5 * (np.tanh(0.5 * x) + 1)


def initial(rng, width):
    n = len(LETTERS)
    gates = np.zeros(4 * width)
    gates[width : 2 * width] = 1.0  # remember at first
    return {
        "input": 0.3 * rng.standard_normal((n, 4 * width)),
        "recurrent": rng.standard_normal((width, 4 * width)) / np.sqrt(width),
        "gates": gates,
        "output": rng.standard_normal((width, n)) / np.sqrt(width),
        "bias": np.zeros(n),
    }


def step(p, h, c, codes):
    """One character per row: the new output and cell."""
    i, f, o, g = np.split(p["input"][codes] + h @ p["recurrent"] + p["gates"], 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def loss(p, windows):
    """Mean cross-entropy of each next character in windows of text (rows of codes)."""
    h = c = np.zeros((len(windows), len(p["recurrent"])))
    total = 0.0
    for now, following in zip(windows.T[:-1], windows.T[1:]):
        h, c = step(p, h, c, now)
        logits = h @ p["output"] + p["bias"]
        total = total + np.sum(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(logits)), following])
    return total / windows[:, 1:].size


def recite(p, start, length):
    """The most likely continuation of ``start``, and the cells on the way."""
    codes, cells = [LETTERS.index(letter) for letter in start], []
    h = c = np.zeros((1, len(p["recurrent"])))
    for t in range(length):
        h, c = step(p, h, c, codes[t : t + 1])
        cells.append(c[0])
        if t + 1 == len(codes):
            codes.append(int(np.argmax(h @ p["output"] + p["bias"])))
    return "".join(LETTERS[code] for code in codes[:length]), np.array(cells)


def main(size="full"):
    rng = np.random.default_rng(0)
    width, steps, span = {"small": (24, 120, 12), "full": (48, 400, 25)}[size]
    p = initial(rng, width)
    check_grads(lambda p: loss(p, CODES[None, :6]), (p,))
    starts = np.arange(0, len(CODES) - span, span // 2)

    def objective(p, number):
        offset = number % (span // 2)
        rows = starts[starts + offset + span < len(CODES)] + offset
        return value_and_grad(loss)(p, CODES[np.vstack([np.arange(span), rows[:, None] + np.arange(span)])])

    p, losses = adam(objective, p, steps, rate=0.02)
    text, cells = recite(p, "'Twas", len(TEXT))
    agreement = np.mean([a == b for a, b in zip(text, TEXT)])
    print(
        f'cross-entropy {losses[0]:.3f} -> {losses[-1]:.3f} nats; recited from "\'Twas", {agreement:.0%} right:\n{text}'
    )
    return {"losses": losses, "text": text, "cells": cells}


def draw(result, path=PICTURES / "lstm.png"):
    picture, (left, right) = figure(2, width_ratios=[1, 3])
    left.semilogy(result["losses"])
    left.set(xlabel="step", title="cross-entropy")
    line = result["text"].split("\n")[0]
    cells = result["cells"][: len(line)]
    image = right.imshow(
        np.tanh(cells[:, np.argsort(cells.argmax(axis=0))]).T, aspect="auto", cmap="RdBu", vmin=-1, vmax=1
    )
    right.set(yticks=[], ylabel="cells", title="memory while reciting, tanh(c)")
    right.set_xticks(range(len(line)), line, family="monospace")
    picture.colorbar(image, pad=0.01)
    save(picture, path)


if __name__ == "__main__":
    draw(main())
