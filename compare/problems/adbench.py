"""Objectives of the ADBench suite, as functions of a namespace with NumPy's names (NumPy's, dualad's, JAX's) and of arrays.

Written from the formulas of Srajer, Kukelova & Fitzgibbon, "A benchmark of selected algorithmic differentiation tools on some
problems in computer vision and machine learning", Optimization Methods and Software 33, 2018.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

# Gaussian mixture -----------------------------------------------------------------------------


def factors(np: Any, entries: Any, d: int) -> Any:
    """Lower triangular matrices (K, d, d) from their entries (K, d(d+1)/2): logarithms of the diagonal, then columns."""
    place = numpy.zeros((d, d), int)
    columns = [(i, j) for j in range(d) for i in range(j + 1, d)]
    for k, (i, j) in enumerate(columns):
        place[i, j] = d + k
    below = np.where(numpy.tri(d, k=-1, dtype=bool), entries[:, place], 0.0)
    return below + np.exp(entries[:, :d])[:, :, None] * numpy.eye(d)


def logsumexp(np: Any, x: Any, axis: int) -> Any:
    largest = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(largest, axis) + np.log(np.sum(np.exp(x - largest), axis=axis))


def mixture(np: Any, alphas: Any, means: Any, entries: Any, points: Any, gamma: float, m: int) -> Any:
    """Log-likelihood of ``points`` (N, d) under K Gaussians, with a Wishart prior on their precision matrices."""
    (n, d), k = points.shape, len(alphas)
    q = factors(np, entries, d)
    logs = np.sum(entries[:, :d], axis=1)
    centered = points[:, None, :] - means
    scaled = np.einsum("kij,nkj->nki", q, centered)
    terms = alphas + logs - 0.5 * np.sum(scaled * scaled, axis=2)
    likelihood = np.sum(logsumexp(np, terms, 1)) - n * logsumexp(np, alphas, 0) - 0.5 * n * d * math.log(2 * math.pi)
    squares = np.sum(np.exp(entries[:, :d]) ** 2) + np.sum(entries[:, d:] ** 2)
    return likelihood + 0.5 * gamma**2 * squares - m * np.sum(logs) - k * wishart(gamma, m, d)


def wishart(gamma: float, m: int, d: int) -> float:
    """The prior's constant for one Gaussian."""
    n = d + m + 1
    multigamma = 0.25 * d * (d - 1) * math.log(math.pi) + sum(math.lgamma(0.5 * (n - j)) for j in range(d))
    return n * d * (math.log(gamma) - 0.5 * math.log(2)) - multigamma


def mixture_by_hand(alphas: Any, means: Any, entries: Any, points: Any, gamma: float, m: int) -> list[Any]:
    """The gradient of ``mixture`` in NumPy."""
    n, d = points.shape
    q = factors(numpy, entries, d)
    centered = numpy.ascontiguousarray((points[:, None, :] - means).transpose(1, 0, 2))
    scaled = centered @ q.transpose(0, 2, 1)
    terms = alphas + entries[:, :d].sum(1) - 0.5 * numpy.einsum("kni,kni->nk", scaled, scaled)
    weights = numpy.exp(terms - terms.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    total = weights.sum(0)
    weighted = scaled * -weights.T[:, :, None]
    g_q = weighted.transpose(0, 2, 1) @ centered
    g_means = -(weighted.sum(1)[:, None, :] @ q)[:, 0]
    share = numpy.exp(alphas - alphas.max())
    diagonal = numpy.exp(entries[:, :d])
    g = numpy.empty_like(entries)
    g[:, :d] = g_q[:, range(d), range(d)] * diagonal + total[:, None] + gamma**2 * diagonal**2 - m
    column, row = numpy.triu_indices(d, 1)
    g[:, d:] = g_q[:, row, column] + gamma**2 * entries[:, d:]
    return [total - n * share / share.sum(), g_means, g]


# Long short-term memory -----------------------------------------------------------------------


def cell(np: Any, weight: Any, bias: Any, hidden: Any, memory: Any, x: Any) -> tuple[Any, Any]:
    """One diagonal cell: its hidden state and memory after input ``x``."""
    b = len(x)

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    forget = sigmoid(x * weight[:b] + bias[:b])
    ingate = sigmoid(hidden * weight[b : 2 * b] + bias[b : 2 * b])
    outgate = sigmoid(x * weight[2 * b : 3 * b] + bias[2 * b : 3 * b])
    change = np.tanh(hidden * weight[3 * b :] + bias[3 * b :])
    memory = memory * forget + ingate * change
    return outgate * np.tanh(memory), memory


def sequence_loss(np: Any, scan: Any, main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    """Mean negative log-likelihood of each next input; ``scan`` is ``dualad.scan`` or ``jax.lax.scan``."""
    layers = len(main) // 2

    def step(carry: Any, pair: Any) -> Any:
        state, total = carry
        x, following = pair
        x = x * extra[0]
        after = []
        for k in range(layers):
            x, memory = cell(np, main[2 * k], main[2 * k + 1], state[2 * k], state[2 * k + 1], x)
            after += [x, memory]
        y = x * extra[1] + extra[2]
        y = y - np.log(np.sum(np.exp(y)) + 2)
        return (after, total + np.sum(following * y)), None

    start = [state[k] for k in range(2 * layers)]
    (_, total), _ = scan(step, (start, 0.0), (sequence[:-1], sequence[1:]))
    return -total / ((len(sequence) - 1) * sequence.shape[1])


# Bundle adjustment ----------------------------------------------------------------------------


def cross(np: Any, a: Any, b: Any) -> Any:
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def rotated(np: Any, r: Any, x: Any) -> Any:
    """A point turned by the angle ``norm(r)`` about the axis ``r`` (Rodrigues' formula)."""
    squared = np.sum(r * r)
    angle = np.sqrt(np.where(squared > 0, squared, 1.0))
    w = r / angle
    c, s = np.cos(angle), np.sin(angle)
    turned = x * c + cross(np, w, x) * s + w * (np.sum(w * x) * (1 - c))
    return np.where(squared > 0, turned, x + cross(np, r, x))


def reprojection(np: Any, camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    """The weighted error (2) of a point's image. Of a camera: rotation 3, centre 3, focal length, principal point 2,
    radial distortion 2."""
    p = rotated(np, camera[:3], point - camera[3:6])
    image = p[:2] / p[2]
    r2 = np.sum(image * image)
    image = image * (1 + camera[9] * r2 + camera[10] * (r2 * r2))
    return weight * (image * camera[6] + camera[7:9] - feature)


def weight_error(weight: Any) -> Any:
    return 1 - weight * weight


def blocks(np: Any, vmap: Any, jacobian: Any, grad: Any, cameras: Any, points: Any, weights: Any, features: Any) -> Any:
    """The Jacobian's blocks: of each reprojection error by camera (2x11), point (2x3) and weight (2), of each weight error."""
    i = numpy.arange(len(weights))
    own = jacobian(lambda c, x, w, f: reprojection(np, c, x, w, f), argnums=(0, 1, 2))
    found = vmap(own)(cameras[i % len(cameras)], points[i % len(points)], weights, features)
    return (*found, vmap(grad(weight_error))(weights))


# Hand tracking --------------------------------------------------------------------------------


def eulers(np: Any, angles: Any) -> Any:
    """Rotations (n, 3, 3) about x, then y, then z, of angles (n, 3) in the order x, z, y."""
    c, s = np.cos(angles), np.sin(angles)
    (cx, cz, cy), (sx, sz, sy) = c.T, s.T
    rows = [
        [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
        [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
        [-sy, sx * cy, cx * cy],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def axis_angle(np: Any, r: Any) -> Any:
    """The rotation (3, 3) by the angle ``norm(r)`` about the axis ``r``."""
    squared = np.sum(r * r)
    angle = np.sqrt(np.where(squared > 1e-8, squared, 1.0))
    x, y, z = r / angle
    c, s = np.cos(angle), np.sin(angle)
    d = 1 - c
    rows = [
        [x * x + (1 - x * x) * c, x * y * d - z * s, x * z * d + y * s],
        [x * y * d + z * s, y * y + (1 - y * y) * c, y * z * d - x * s],
        [x * z * d - y * s, y * z * d + x * s, z * z + (1 - z * z) * c],
    ]
    turned = np.stack([np.stack(row) for row in rows])
    return np.where(squared > 1e-8, turned, numpy.eye(3))


def bends(np: Any, theta: Any, bones: int) -> Any:
    """Angles (bones, 3) of all bones: four for each finger, two of them at its base."""
    place = numpy.full((bones, 3), len(theta))
    for finger in range(5):
        first = 2 + 4 * finger  # after the wrist and the finger's own fixed bone
        place[first, :2] = 6 + 4 * finger, 7 + 4 * finger
        place[first + 1, 0], place[first + 2, 0] = 8 + 4 * finger, 9 + 4 * finger
    return np.concatenate([theta, numpy.zeros(1)])[place]


def hand(np: Any, theta: Any, model: Model, points: Any) -> Any:
    """Points (n, 3) minus the skinned model's vertices, of 26 parameters: rotation 3, translation 3, four for each finger.

    ``model.seen`` are each point's vertex, weighted by bone and placed relative to it: (n, bones * 4).
    """
    turns = eulers(np, bends(np, theta, len(model.parents)))
    absolute: list[Any] = []
    for k, parent in enumerate(model.parents):
        base = model.relative[k]
        own = np.concatenate([base[:3, :3] @ turns[k], base[:3, 3:]], axis=1)
        if parent >= 0:
            up = absolute[parent]
            own = np.concatenate([up[:, :3] @ own[:, :3], up[:, :3] @ own[:, 3:] + up[:, 3:]], axis=1)
        absolute.append(own)
    transforms = np.stack(absolute)
    vertices = model.seen @ np.reshape(np.transpose(transforms, (0, 2, 1)), (-1, 3))
    return points - (vertices @ axis_angle(np, theta[:3]).T + theta[3:6])


class Model:
    """Bones with parents (-1: none) and transforms (4, 4) relative to them, and the vertices that are compared."""

    def __init__(self, parents: Sequence[int], relative: Any, inverse: Any, vertices: Any, weights: Any) -> None:
        self.parents = list(parents)
        self.relative = relative.copy()
        homogeneous = numpy.concatenate([vertices, numpy.ones((len(vertices), 1))], axis=1)
        local = numpy.einsum("bij,nj->nbi", inverse, homogeneous)
        self.seen = (local * weights[:, :, None]).reshape(len(vertices), -1).copy()
        for a in (self.relative, self.seen):
            a.flags.writeable = False
