"""Data of the ADBench problems: from the folder ``$DUALAD_ADBENCH`` or ``../shared/adbench`` where it is, else random ones of
the same sizes."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from compare.problems.adbench import Model

MISSING = "The ADBench data is not there; random problems of the same sizes take its place."


def folder() -> pathlib.Path | None:
    """Where the data is; None where it is not."""
    named = os.environ.get("DUALAD_ADBENCH")
    above = pathlib.Path(__file__).resolve().parents[2]
    places = [pathlib.Path(named)] if named else [above.parent / "shared" / "adbench"]
    return next((p for p in places if p.is_dir()), None)


def numbers(path: pathlib.Path) -> Any:
    return np.array(path.read_text().split(), float)


def taken(values: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """Arrays of ``shapes`` from consecutive values."""
    out = []
    at = 0
    for s in shapes:
        n = int(np.prod(s))
        out.append(values[at : at + n].reshape(s).copy())
        at += n
    if at != len(values):
        raise ValueError(f"{len(values)} values, {at} expected")
    return out


def mixture(d: int, k: int, n: int = 1000) -> tuple[Any, ...]:
    """Alphas, means, entries of the factors, points, and the prior's gamma and m."""
    shapes = [(k,), (k, d), (k, d * (d + 1) // 2), (n, d)]
    where = folder()
    path = where / "gmm" / f"gmm_d{d}_K{k}.txt" if where else None
    if path is not None and path.exists():
        header, *arrays, prior = taken(numbers(path), (3,), *shapes, (2,))
        if tuple(header) != (d, k, n):
            raise ValueError(f"{path} holds a problem of size {header}")
        return (*arrays, float(prior[0]), int(prior[1]))
    rng = np.random.default_rng(0)
    return (*[rng.normal(size=s) for s in shapes], 1.0, 0)


def sequence(layers: int = 2, length: int = 1024, bits: int = 14) -> list[Any]:
    """Main parameters, extra parameters, state, and the sequence."""
    shapes = [(2 * layers, 4 * bits), (3, bits), (2 * layers, bits), (length, bits)]
    where = folder()
    path = where / "lstm" / f"lstm_l{layers}_c{length}.txt" if where else None
    if path is not None and path.exists():
        header, *arrays = taken(numbers(path), (3,), *shapes)
        if tuple(header) != (layers, length, bits):
            raise ValueError(f"{path} holds a problem of size {header}")
        return arrays
    rng = np.random.default_rng(0)
    return [*[rng.random(s) for s in shapes[:3]], (rng.random(shapes[3]) < 0.2).astype(float)]


def bundle(cameras: int = 49, points: int = 7776, observations: int = 31843) -> list[Any]:
    """Cameras, points, weights and features: one of each in the file, repeated."""
    where = folder()
    found = sorted((where / "ba").glob(f"ba*_n{cameras}_m{points}_p{observations}.txt")) if where else []
    if found:
        _, *one = taken(numbers(found[0]), (3,), (1, 11), (1, 3), (1,), (1, 2))
    else:
        rng = np.random.default_rng(0)
        one = [rng.normal(size=s) for s in [(1, 11), (1, 3), (1,), (1, 2)]]
    counts = (cameras, points, observations, observations)
    return [np.repeat(a, n, axis=0) for a, n in zip(one, counts, strict=True)]


def hand(name: str = "hand1_t26_c100", count: int = 100) -> tuple[Any, Model, Any]:
    """Parameters, model, and points (count, 3)."""
    where = folder()
    path = where / "hand" / f"{name}.txt" if where else None
    if path is None or not path.exists():
        return _random_hand(count)
    values = numbers(path)
    n, size = int(values[0]), int(values[1])
    table, theta = taken(values[2:], (n, 4), (size,))
    model = path.parent / "model"
    rows = [line.split(":") for line in (model / "bones.txt").read_text().split()]
    parents = [int(r[1]) for r in rows]
    relative, inverse = (np.array([r[at : at + 16] for r in rows], float).reshape(-1, 4, 4) for at in (2, 18))
    lines = [np.array(line.split(":"), float) for line in (model / "vertices.txt").read_text().split()]
    weights = np.zeros((len(lines), len(rows)))
    for own, line in zip(weights, lines, strict=True):
        own[line[9::2].astype(int)] = line[10::2]
    seen = table[:, 0].astype(int)
    positions = np.array([line[:3] for line in lines])
    return theta, Model(parents, relative, inverse, positions[seen], weights[seen]), np.ascontiguousarray(table[:, 1:])


def _random_hand(count: int) -> tuple[Any, Model, Any]:
    rng = np.random.default_rng(0)
    parents = [-1, *[0 if k % 4 == 0 else k for k in range(20)], 0]
    relative = np.broadcast_to(np.eye(4), (22, 4, 4)).copy()
    relative[:, :3] += 0.1 * rng.normal(size=(22, 3, 4))
    inverse = np.broadcast_to(np.eye(4), (22, 4, 4)) + np.pad(
        0.1 * rng.normal(size=(22, 3, 4)), ((0, 0), (0, 1), (0, 0))
    )
    weights = rng.random((count, 22)) * (rng.random((count, 22)) < 0.2)
    model = Model(parents, relative, inverse, 0.1 * rng.normal(size=(count, 3)), weights)
    return rng.normal(size=26), model, rng.normal(size=(count, 3))
