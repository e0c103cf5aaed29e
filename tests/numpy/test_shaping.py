"""Shapes, joining, splitting, repeating, padding, diagonals: against NumPy and JAX, and what views of tensors share."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import dualad
from dualad import ArgumentError, DtypeError, ShapeError, grad, jacfwd, jacrev, vmap
from tests.functions import Case, arr, check, parameters

X = arr(2, 3)
V = arr(4)
C = arr(2, 2, 3)
W = np.arange(1.0, 25)


def of(*shape: int) -> Any:
    return W[: int(np.prod(shape, dtype=int))].reshape(shape)


CASES: dict[str, list[Case]] = {
    "reshape": [
        Case(lambda np, x: np.reshape(x, (3, -1)), (X,)),
        Case(lambda np, x: np.reshape(x, (3, 2), order="F") * x.reshape(3, 2), (X,)),
        Case(lambda np, x: x.reshape((-1,), order="F") + x.T.reshape(6), (X,)),
    ],
    "ravel": [
        Case(lambda np, x: np.ravel(x) * np.ravel(x, order="F"), (X,)),
        Case(lambda np, x: x.ravel(), (V[::-2],)),
    ],
    "flatten": [Case(lambda np, x: x.flatten() * x.flatten("F"), (X,))],
    "transpose": [
        Case(lambda np, x: np.transpose(x) @ x, (X,)),
        Case(lambda np, x: np.transpose(x, (2, 0, -2)) * x.transpose(2, 0, 1) * x.transpose((2, 0, 1)), (C,)),
        Case(lambda np, x: x.T + np.transpose(x, None), (C,)),
    ],
    "permute_dims": [Case(lambda np, x: np.permute_dims(x, (1, 0, 2)), (C,))],
    "matrix_transpose": [Case(lambda np, x: np.matrix_transpose(x) * x.mT, (C,))],
    "swapaxes": [Case(lambda np, x: np.swapaxes(x, 0, -1) * x.swapaxes(0, 2), (C,))],
    "moveaxis": [
        Case(lambda np, x: np.moveaxis(x, (0, 2), (-1, 0)), (C,)),
        Case(lambda np, x: np.moveaxis(x, 0, -1), (C,)),
    ],
    "rollaxis": [Case(lambda np, x: np.rollaxis(x, 2), (C,)), Case(lambda np, x: np.rollaxis(x, -3, 2), (C,))],
    "squeeze": [
        Case(lambda np, x: np.squeeze(x), (arr(1, 2, 1),)),
        Case(lambda np, x: np.squeeze(x, (0,)) * x.squeeze(0), (arr(1, 2, 1),)),
    ],
    "expand_dims": [Case(lambda np, x: np.expand_dims(x, (0, -1)) * np.expand_dims(x, 1)[:, 0, :, None], (X,))],
    "atleast_1d": [Case(lambda np, x, y: tuple(np.atleast_1d(x, y)), (arr(), X))],
    "atleast_2d": [Case(lambda np, x, y: tuple(np.atleast_2d(x, y)), (arr(), V))],
    "atleast_3d": [Case(lambda np, x, y, z: tuple(np.atleast_3d(x, y, z)), (arr(), V, X))],
    "broadcast_to": [Case(lambda np, x: np.broadcast_to(x, (2, 2, 3)) * C, (arr(3),))],
    "broadcast_arrays": [Case(lambda np, x, y: tuple(np.broadcast_arrays(x, y)), (arr(2, 1), arr(3)))],
    "concatenate": [
        Case(lambda np, x, y: np.concatenate([x, y], axis=1), (X, arr(2, 1))),
        Case(lambda np, x, y: np.concatenate((x, y, y), axis=None), (X, arr(2, 1))),
        Case(lambda np, x, y: np.concatenate([x, y], -1), (arr(0), V)),
        Case(lambda np, x, y: np.concatenate([x, y]), (arr(3, dtype=np.float32), V)),
    ],
    "concat": [Case(lambda np, x: np.concat([x, x * x]), (X,))],
    "stack": [Case(lambda np, x, y: np.stack([x, y, x * y], axis=-1), (X, arr(2, 3, seed=1)))],
    "vstack": [Case(lambda np, x, y: np.vstack([x, y]), (arr(3), X))],
    "hstack": [Case(lambda np, x: np.hstack([x, x * 2]), (X,)), Case(lambda np, x, y: np.hstack([x, y]), (V, arr()))],
    "dstack": [Case(lambda np, x: np.dstack([x, x * 2]), (V,))],
    "column_stack": [Case(lambda np, x, y: np.column_stack([x, y]), (V, arr(4, 2)))],
    "block": [Case(lambda np, x, y: np.block([[x, y], [np.zeros((1, 3)), 1.0]]), (X, arr(2, 1)))],
    "append": [Case(lambda np, x: np.append(x, x[0]), (X,)), Case(lambda np, x: np.append(x, x, axis=0), (X,))],
    "insert": [
        Case(lambda np, x, y: np.insert(x, 1, y), (V, arr())),
        Case(lambda np, x, y: np.insert(x, 1, y, axis=1), (X, arr(2))),
    ],
    "delete": [
        Case(lambda np, x: np.delete(x, 1), (V,)),
        Case(lambda np, x: np.delete(x, slice(0, 2), axis=1), (X,)),
    ],
    "resize": [Case(lambda np, x: np.resize(x, (3, 5)), (X,))],
    "array_split": [Case(lambda np, x: tuple(np.array_split(x, 3)), (V,))],
    "split": [
        Case(lambda np, x: tuple(np.split(x, 2, axis=0)), (X,)),
        Case(lambda np, x: tuple(np.split(x, [1, 3])), (V,)),
    ],
    "hsplit": [Case(lambda np, x: tuple(np.hsplit(x, 3)), (X,))],
    "vsplit": [Case(lambda np, x: tuple(np.vsplit(x, [1])), (X,))],
    "dsplit": [Case(lambda np, x: tuple(np.dsplit(x, [1, 2])), (C,))],
    "unstack": [Case(lambda np, x: tuple(np.unstack(x, axis=1)), (X,))],
    "tile": [Case(lambda np, x: np.tile(x, (2, 1, 2)), (X,)), Case(lambda np, x: np.tile(x, 2), (X,))],
    "repeat": [
        Case(lambda np, x: np.repeat(x, 2), (X,)),
        Case(lambda np, x: np.repeat(x, 2, axis=1) * x.repeat(2, axis=1), (X,)),
    ],
    "roll": [
        Case(lambda np, x: np.roll(x, 2), (X,)),
        Case(lambda np, x: np.roll(x, (1, -1), axis=(0, 1)), (X,)),
    ],
    "rot90": [Case(lambda np, x: np.rot90(x), (X,)), Case(lambda np, x: np.rot90(x, -1, (1, 2)), (C,))],
    "flip": [Case(lambda np, x: np.flip(x), (X,)), Case(lambda np, x: np.flip(x, (0, 2)), (C,))],
    "fliplr": [Case(lambda np, x: np.fliplr(x), (X,))],
    "flipud": [Case(lambda np, x: np.flipud(x), (X,))],
    "pad": [
        Case(lambda np, x, c: np.pad(x, ((1, 2), (0, 1)), constant_values=c), (X, arr())),
        Case(lambda np, x: np.pad(x, 1, "edge"), (X,)),
        Case(lambda np, x: np.pad(x, (1, 2), mode="reflect"), (X[:, :2],)),
        Case(lambda np, x: np.pad(x, 3, mode="symmetric"), (X,)),
        Case(lambda np, x: np.pad(x, 2, mode="wrap"), (X,)),
        Case(lambda np, x: np.pad(x, ((2, 1), (1, 3)), mode="linear_ramp", end_values=2.0), (X,)),
        *[
            Case(lambda np, x, m=m: np.pad(x, ((2, 1), (0, 3)), mode=m), (X,))
            for m in ("mean", "maximum", "minimum", "median")
        ],
        Case(lambda np, x: np.pad(x, (1, 2), mode="mean", stat_length=((1, 2), (2, 9))), (X,)),
    ],
    "diag": [Case(lambda np, x: np.diag(x, 1), (arr(3),)), Case(lambda np, x: np.diag(x, -1), (X,))],
    "diagonal": [
        Case(lambda np, x: np.diagonal(x, 1), (X,)),
        Case(lambda np, x: x.diagonal(-1, 2, 1) * np.diagonal(x, axis1=1, axis2=2)[:, :1], (C,)),
    ],
    "diagflat": [Case(lambda np, x: np.diagflat(x, -1), (X,))],
    "tril": [Case(lambda np, x: np.tril(x, -1), (C,))],
    "triu": [Case(lambda np, x: np.triu(x), (X,))],
    "trim_zeros": [
        Case(
            lambda np, x: np.trim_zeros(x),
            (np.array([0.0, 1, 0, 2, 0, 0]),),
            oracle="differences",
            why="the zeros move",
            degenerate=True,
            batch=False,
        )
    ],
    "astype": [
        Case(lambda np, x: x.astype(np.float32), (arr(2, 3, dtype=np.float32),)),
        Case(lambda np, x: x.astype(np.float64) * 2.0, (arr(2, 3, dtype=np.float32),)),
        Case(lambda np, x: np.astype(x, np.complex128) * 1j, (X,)),
    ],
    "copy": [Case(lambda np, x: np.copy(x) * x.copy(), (X,))],
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_derivatives(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    "name",
    [n for n in CASES if n not in ("flatten",)]
    + [
        "array",
        "asarray",
        "zeros",
        "ones",
        "empty",
        "full",
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "linspace",
        "logspace",
        "geomspace",
        "meshgrid",
        "vander",
        "where",
        "select",
        "piecewise",
        "choose",
        "compress",
        "extract",
        "take",
        "take_along_axis",
        "apply_along_axis",
        "apply_over_axes",
        "ix_",
        "put",
        "place",
        "putmask",
        "copyto",
        "fill_diagonal",
        "put_along_axis",
        "shape",
        "ndim",
        "size",
    ],
)
def test_signatures_are_numpys(name: str) -> None:
    try:
        theirs = inspect.signature(getattr(np, name)).parameters
    except (TypeError, ValueError):
        pytest.skip("NumPy does not tell")
    ours = inspect.signature(getattr(dualad.numpy, name)).parameters
    if any(p.kind is p.VAR_POSITIONAL for p in [*theirs.values(), *ours.values()]):
        return
    assert [n for n in theirs if n not in ("like", "device")] == [n for n in ours if n not in ("like", "device")]
    for n, p in theirs.items():
        if n in ours and p.default is not np._NoValue:
            assert ours[n].default == p.default or name in ("zeros", "empty"), n


def tensors(f: Any, *args: Any) -> Any:
    """``f`` on tensors that have no derivative to lose, as plain arrays."""
    return dualad.jvp(f, args, tuple(np.zeros_like(a) for a in args))[0]


@pytest.mark.parametrize("order", ["C", "F", "A"])
@pytest.mark.parametrize("dims", [(3, 2), (6,), (-1, 1), (1, 2, 3)])
def test_reshape_orders(order: Any, dims: Any) -> None:
    for x in (X, X.T, X[:, ::-1]):
        np.testing.assert_array_equal(tensors(lambda v: v.reshape(dims, order=order), x), x.reshape(dims, order=order))
        np.testing.assert_array_equal(tensors(lambda v: np.reshape(v, dims, order), x), x.reshape(dims, order=order))


@pytest.mark.parametrize("obj", [0, -1, 4, [1], [0, 2, 2], slice(0, 3), [], np.array([True, False, False, True])])
def test_insert_and_delete_as_numpy(obj: Any) -> None:
    count = len(np.insert(V, obj, 0.0)) - 4
    for values in (7.0, of(count)):
        if np.ndim(obj) == 0 and not isinstance(obj, slice) and np.ndim(values):
            values = of(2)
        got = tensors(lambda x: np.insert(x, obj, values), V)
        np.testing.assert_array_equal(got, np.insert(V, obj, values))
    m = of(4, 4)
    got = tensors(lambda x: np.insert(x, obj, 1.5, axis=0), m)
    np.testing.assert_array_equal(got, np.insert(m, obj, 1.5, axis=0))
    got = tensors(lambda x: np.insert(x, [1, 3], of(4, 2), axis=1), m)
    np.testing.assert_array_equal(got, np.insert(m, [1, 3], of(4, 2), axis=1))
    if np.ndim(obj) or obj != 4:
        np.testing.assert_array_equal(tensors(lambda x: np.delete(x, obj, axis=1), m), np.delete(m, obj, axis=1))


@pytest.mark.parametrize(
    "keywords",
    [
        {"pad_width": 1},
        {"pad_width": (1, 2), "constant_values": 3},
        {"pad_width": ((1, 2), (0, 3)), "constant_values": ((1, 2), (3, 4))},
        {"pad_width": {0: 1, -1: (2, 0)}},
        {"pad_width": ((1, 2), (0, 3)), "mode": "linear_ramp", "end_values": ((1, 2), (3, 4))},
        {"pad_width": 7, "mode": "wrap"},
        {"pad_width": 7, "mode": "reflect"},
    ],
)
def test_pad_as_numpy(keywords: Any) -> None:
    np.testing.assert_allclose(tensors(lambda x: np.pad(x, **keywords), X), np.pad(X, **keywords))


@pytest.mark.parametrize("trim", ["fb", "f", "b", "B"])
@pytest.mark.parametrize("x", [np.array([0.0, 0, 1, 0, 2, 0]), np.zeros(3), np.array([[0.0, 0], [0, 1], [0, 0]])])
def test_trim_zeros_as_numpy(trim: str, x: Any) -> None:
    np.testing.assert_array_equal(tensors(lambda v: np.trim_zeros(v, trim), x), np.trim_zeros(x, trim))


def test_joining_keywords() -> None:
    x = of(2).astype(np.float32)
    f = lambda v: np.concatenate([v, v], dtype=np.float64)
    assert tensors(f, x).dtype == np.float64
    assert tensors(lambda v: np.stack([v, v], dtype=np.float64), x).dtype == np.float64
    assert tensors(lambda v: np.hstack([v, 1.0]), x).dtype == np.float64

    def into(v: Any) -> Any:
        out = dualad.numpy.zeros(4)
        np.concatenate([v, v * v], out=out)
        return out.sum()

    np.testing.assert_array_equal(grad(into)(of(2)), 1 + 2 * of(2))
    with pytest.raises(DtypeError):
        tensors(lambda v: np.concatenate([v, v], dtype=int), of(2))
    with pytest.raises(TypeError, match=r"dualad.numpy.zeros"):
        grad(lambda v: np.concatenate([v, v], out=np.zeros(4)).sum())(of(2))


def test_lists_with_tensors_in_them() -> None:
    f = lambda x: dualad.numpy.concatenate([[x[0], 1.0], [[x[1]]][0], x]).sum()
    np.testing.assert_array_equal(grad(f)(of(2)), [2, 2])
    np.testing.assert_array_equal(grad(lambda x: dualad.numpy.stack([x, [1.0, x[0]]]).sum())(of(2)), [2, 1])
    np.testing.assert_array_equal(
        jacrev(lambda x: dualad.numpy.transpose([[x, 1.0], [2.0, x**2]]))(3.0), [[1, 0], [0, 6]]
    )


@pytest.mark.parametrize(
    ("f", "error", "names"),
    [
        (lambda x: x.reshape(4), ShapeError, "reshape"),
        (lambda x: x.reshape(-1, -1), ShapeError, "reshape"),
        (lambda x: x[:, ::2].ravel(order="K"), ArgumentError, "memory"),
        (lambda x: np.concatenate([x, x[0]]), ShapeError, "shapes"),
        (lambda x: np.concatenate([x[0, 0]]), ShapeError, "stack"),
        (lambda x: np.stack([x, x[0]]), ShapeError, "equal"),
        (lambda x: np.broadcast_to(x, (2, 4)), ShapeError, "broadcast"),
        (lambda x: np.split(x, 2, axis=1), ShapeError, "equal parts"),
        (lambda x: np.squeeze(x, 0), ShapeError, "size 1"),
        (lambda x: np.pad(x, 1, mode="empty"), ArgumentError, "linear_ramp"),
        (lambda x: np.pad(x, -1), ArgumentError, "non-negative"),
        (lambda x: np.pad(x, 1, mode="edge", constant_values=1), ArgumentError, "constant_values"),
        (lambda x: np.pad(x, 1, mode="reflect", reflect_type="odd"), ArgumentError, "even"),
        (lambda x: np.swapaxes(x, 0, 2), np.exceptions.AxisError, "axis 2"),
        (lambda x: np.matrix_transpose(x[0]), ShapeError, "2 axes"),
        (lambda x: x.astype("U3"), DtypeError, "cannot become"),
        (lambda x: x.astype(int, casting="safe"), DtypeError, "casting"),
        (lambda x: np.take(x, [7]), IndexError, "out of bounds"),
        (lambda x: np.insert(x, 99, 1.0), IndexError, "bounds"),
        (lambda x: np.delete(x, 99), IndexError, "bounds"),
    ],
)
def test_errors(f: Any, error: Any, names: str) -> None:
    for transform in (jacfwd, jacrev):
        with pytest.raises(error, match=names):
            transform(f)(X)


def test_through_integers_and_back() -> None:
    for d in (jacfwd, jacrev):
        np.testing.assert_array_equal(d(lambda x: (x.astype(int) * 1.0).sum())(of(2)), [0, 0])
        np.testing.assert_array_equal(d(lambda x: (np.astype(x, bool).astype(float) * x).sum())(of(2)), [1, 1])
    ours = vmap(lambda x: x.astype(int))(np.array([1.5, -2.5]))
    np.testing.assert_array_equal(ours, [1, -2])
    assert ours.dtype == int


def test_real_part_of_a_cast() -> None:
    assert grad(lambda z: z.astype(float) ** 2)(3 + 1j) == 6


# Views ------------------------------------------------------------------------------------------

VIEWS: dict[str, Any] = {
    "row": lambda a: a[1],
    "column": lambda a: a[:, 1],
    "slice": lambda a: a[::-1, 1:],
    "new axis": lambda a: a[None, :, 1:],
    "ellipsis": lambda a: a[...],
    "transposed": lambda a: a.T,
    "reshaped": lambda a: a.reshape(6),
    "raveled": lambda a: np.ravel(a),
    "split": lambda a: np.split(a, 3, axis=1)[1],
    "flipped": lambda a: np.flip(a, 1),
    "moved": lambda a: np.moveaxis(a, 0, 1),
    "squeezed": lambda a: np.squeeze(a[:1]),
    "expanded": lambda a: np.expand_dims(a, 1),
    "view of a view": lambda a: a.T[1:].reshape(2, 1, 2)[0],
    "rot90": lambda a: np.rot90(a),
    # with memory of their own
    "copied": lambda a: a.copy(),
    "flattened": lambda a: a.flatten(),
    "picked": lambda a: a[[0, 1]],
    "masked": lambda a: a[a > 0],
    "cast": lambda a: a.astype(float),
    "reshaped from a transpose": lambda a: a.T.reshape(6),
    "Fortran order": lambda a: a.reshape(6, order="F"),
    "stacked": lambda a: np.vstack([a, a]),
    "repeated": lambda a: np.repeat(a, 2),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("transform", ["plain buffer", "forward", "reverse", "vmap", "nested"])
def test_what_shares_memory_in_numpy_does_in_tensors(name: str, transform: str) -> None:
    def program(a: Any, s: Any, one: Any) -> Any:
        v = VIEWS[name](a)
        w = a[0]
        v[...] = v * s + one
        a[1] = a[1] * 2.0
        first = v[0]
        v[-1:] = 7.0
        return np.stack([a.sum(), w.sum(), v.sum(), first.sum(), (a * a).sum()])

    x = of(2, 3)
    expected = program(x.copy(), 3.0, 1.0)
    if transform == "plain buffer":
        if name in ("stacked", "repeated"):
            pytest.skip("what is computed from buffers is a plain array")

        def buffered(s: Any) -> Any:
            a = np.zeros_like(s * x)
            a[...] = x
            return program(a, s, 1.0)

        got, t = dualad.jvp(buffered, (3.0,), (1.0,))
        up, down = (program(x.copy(), 3.0 + h, 1.0) for h in (1e-6, -1e-6))
        np.testing.assert_allclose(t, (up - down) / 2e-6, rtol=1e-6)
    elif transform == "forward":
        got = dualad.jvp(program, (x, 3.0, 1.0), (x, 1.0, 0.0))[0]
    elif transform == "reverse":
        got, pullback = dualad.vjp(program, x, 3.0, 1.0)
        g = of(5)
        t = dualad.jvp(program, (x, 3.0, 1.0), (x * x, 1.0, -1.0))[1]
        left = sum((np.asarray(c) * d).sum() for c, d in zip(pullback(g), (x * x, 1.0, -1.0), strict=True))
        np.testing.assert_allclose(left, (t * g).sum())
    elif transform == "vmap":
        if name == "masked":
            pytest.skip("results of a batch have one shape")
        got = vmap(program)(np.stack([x, x]), np.array([3.0, 4.0]), np.ones(2))[0]
    else:
        got = dualad.jvp(
            lambda s: (
                vmap(lambda a: program(a + 0.0, s, 1.0))(x[None])[0] if name != "masked" else program(x + s * 0, s, 1.0)
            ),
            (3.0,),
            (1.0,),
        )[0]
    np.testing.assert_allclose(got, expected)
    np.testing.assert_array_equal(x, of(2, 3))
