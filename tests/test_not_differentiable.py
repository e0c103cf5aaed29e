"""Every public function of NumPy, called with a tracked tensor: it works, is constant, or says why not.

It must never give NumPy's own traceback for a call that NumPy answers, nor a plain result that depends on the tensor.
"""

from __future__ import annotations

import types
import warnings
from typing import Any

import numpy as np
import pytest

import dualad
from dualad.core.tensor import Tensor

MODULES = {"": np, "linalg.": np.linalg, "fft.": np.fft}

# Functions that take no array of numbers, but files, dtypes, dates, text, sizes or settings.
OF_OTHER_THINGS = {
    "add_docstring", "add_newdoc", "base_repr", "binary_repr", "busday_count", "busday_offset",
    "datetime_as_string", "datetime_data", "from_dlpack", "frombuffer", "fromfile", "fromfunction", "fromiter",
    "fromregex", "fromstring", "frompyfunc", "genfromtxt", "get_include", "get_printoptions", "getbufsize", "geterr",
    "geterrcall", "info", "is_busday", "issubdtype", "isdtype", "load", "loadtxt", "mintypecode", "nested_iters",
    "printoptions", "promote_types", "set_printoptions", "setbufsize", "seterr", "seterrcall", "show_config",
    "show_runtime", "test", "linalg.test", "fft.test", "typename", "eye", "identity", "indices", "tri", "diag_indices",
    "tril_indices", "triu_indices", "mask_indices", "broadcast_shapes", "bartlett", "blackman", "hamming", "hanning",
    "ones", "empty", "zeros", "unravel_index", "ravel_multi_index", "bmat", "asmatrix", "isnat", "fft.fftfreq",
    "fft.rfftfreq", "packbits", "unpackbits", "min_scalar_type", "save", "savez", "savez_compressed", "savetxt",
    "vectorize", "format_float_positional", "format_float_scientific", "may_share_memory", "shares_memory", "can_cast",
    "common_type", "result_type", "iterable", "empty_like",
    # These write into their argument: tests/numpy/test_inplace.py.
    "putmask", "place", "copyto", "put", "fill_diagonal", "put_along_axis",
}  # fmt: skip

MATRIX = np.array([[2.0, 0.5, 0.3], [0.4, 3.0, 0.2], [0.1, 0.6, 4.0]])
SYMMETRIC = MATRIX @ MATRIX.T
VECTOR, POSITIVE = np.array([0.4, 0.7, 0.9]), np.array([1.4, 2.7, 3.9])
INTEGERS, MASK = np.array([2, 0, 1]), np.array([True, False, True])

OF_INTEGERS = {
    "bitwise_and", "bitwise_count", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "gcd", "invert", "lcm", "left_shift", "right_shift",
}  # fmt: skip

# What each function is called with, by the first template that NumPy accepts; "x" stands for the tracked argument.
TEMPLATES: list[tuple[Any, ...]] = [
    ("x",),
    ("x", VECTOR),
    (VECTOR, "x"),
    ("x", SYMMETRIC),
    (["x", VECTOR],),
    (["x", SYMMETRIC],),
    ("x", 1),
    (1, "x"),
    ("x", 1, 0),
    ("x", (1, 0)),
    ("x", INTEGERS),
    (INTEGERS, "x"),
    ("x", [MASK], [lambda v: v * v]),
    ([MASK], ["x"]),
    (MASK, "x"),
    ("x", INTEGERS[:, None], 1),
    (np.sum, "x", 0),
    (lambda v: v * v, 0, "x"),
    (np.sum, 0, "x"),
    ("x", 0, 1, 4),
    ("x", 2.0, 3),
    ("x", (3, 3)),
    ("x", float),
    (3, "x"),
    ("x", np.array([1, 2, 3])),
    ("x", SYMMETRIC, 1),
]  # fmt: skip


EXTRA: dict[str, list[tuple[Any, ...]]] = {
    "insert": [("x", 1, VECTOR), (VECTOR, 1, "x")],
    "where": [(MASK, "x", VECTOR), (MASK, VECTOR, "x")],
    "einsum": [("i,i->i", "x", VECTOR)],
    "einsum_path": [("i,i->i", "x", VECTOR)],
    "clip": [("x", VECTOR - 0.1, POSITIVE)],
    "interp": [("x", VECTOR, POSITIVE), (VECTOR, "x", POSITIVE), (VECTOR, POSITIVE, "x")],
    "reshape": [("x", (9,))],
    "polyfit": [("x", VECTOR, 1), (VECTOR, "x", 1)],
}


def functions() -> list[Any]:
    out = []
    for prefix, module in MODULES.items():
        for name in sorted(dir(module)):
            f = getattr(module, name)
            if name.startswith("_") or isinstance(f, (type, types.ModuleType)) or not callable(f):
                continue
            if prefix + name not in OF_OTHER_THINGS | OF_INTEGERS:
                out.append(pytest.param(f, id=prefix + name))
    return out


def filled(template: tuple[Any, ...], x: Any) -> list[Any]:
    def put(v: Any) -> Any:
        if isinstance(v, str) and v == "x":
            return x.copy() if isinstance(x, np.ndarray) else x
        return [put(i) for i in v] if isinstance(v, list) else v.copy() if isinstance(v, np.ndarray) else v

    return [put(v) for v in template]


def leaves(y: Any) -> list[Any]:
    if isinstance(y, (tuple, list)):
        return [v for part in y for v in leaves(part)]
    return [y]


def values(y: Any) -> list[Any]:
    """Plain results, for comparison; what is no array counts as nothing."""
    out = []
    for v in leaves(y):
        try:
            out.append(np.array(v, copy=True))
        except Exception:
            out.append(np.array(0))
    return out


def same(a: Any, b: Any) -> bool:
    p, q = values(a), values(b)
    return len(p) == len(q) and all(
        u.shape == v.shape and (u.dtype == object or np.allclose(u, v, rtol=1e-11, atol=1e-13, equal_nan=True))
        for u, v in zip(p, q, strict=True)
    )


POINTS = [
    np.array([0.43, 0.71, 0.88]),
    SYMMETRIC * 1.03,
    np.float64(0.62),
    np.array([[0.31, 0.23, 0.93], [0.77, 0.11, 0.53]]),
    SYMMETRIC[None] * 1.03,
]


@pytest.mark.parametrize("f", functions())
@pytest.mark.filterwarnings("ignore")
def test_works_is_constant_or_says_why(f: Any) -> None:
    answered = 0
    for template in EXTRA.get(f.__name__, []) + TEMPLATES:
        for x in POINTS:
            if isinstance(f, np.ufunc) and len(template) > f.nin:
                continue  # NumPy would write into the further arguments
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    expected = f(*filled(template, x))
            except Exception:
                continue
            answered += 1
            judge(f, template, x, expected)
    assert answered, f"no template suits {f.__name__}: add one, or name it in one of the sets"


def judge(f: Any, template: Any, x: Any, expected: Any) -> None:
    what = f"{f.__name__}{template} at {x!r}"
    seen: list[Any] = []

    def run(v: Any) -> Any:
        y = f(*filled(template, v))
        seen.append([(type(u) is Tensor, None if type(u) is Tensor else u) for u in leaves(y)])
        floats = [u for u in leaves(y) if type(u) is Tensor and u.dtype.kind in "fc"]
        return sum((u.sum().real if u.size else 0.0 for u in floats), 0.0) + 0 * v.sum()

    try:
        dualad.jvp(run, (x,), (np.ones_like(x),))
    except dualad.DualadError as e:
        assert len(str(e)) > 30, f"{what}: too short an error: {e}"
        return
    except Exception as e:
        raise AssertionError(f"{what}: NumPy answers, but on a tensor it raises {type(e).__name__}: {e}") from e
    plain = [v for tensor, v in seen[0] if not tensor]
    if not plain:
        return
    if any(t for t, _ in seen[0]) and len(seen[0]) != len(leaves(expected)):
        return
    # What came back plain must not depend on x.
    for step in (1 + 1e-7, 1 - 1e-7):
        try:
            other = leaves(f(*filled(template, x * step)))
        except Exception:
            continue
        if len(other) != len(seen[0]):
            continue
        moved = [v for (tensor, _), v in zip(seen[0], other, strict=True) if not tensor]
        for u, v in zip(plain, moved, strict=True):
            if np.asarray(u).dtype.kind in "fc" and np.asarray(u).dtype != object:
                assert same(u, v), f"{what}: an untracked result that depends on the tensor"


def test_no_rule_names_function_reason_alternative_and_recipe() -> None:
    with pytest.raises(dualad.NotDifferentiable) as caught:
        dualad.grad(lambda x: np.intersect1d(x, x).sum())(VECTOR)
    message = str(caught.value)
    for part in ("np.intersect1d", "equal others exactly", "np.isin", "dualad.numpy", "custom_jvp", "stop_gradient"):
        assert part in message


def test_a_function_that_dualad_does_not_know() -> None:
    with pytest.raises(dualad.NotDifferentiable, match=r"np\.isnat has no derivative rule.*custom_jvp"):
        dualad.grad(lambda x: np.isnat(x).sum())(VECTOR)


def test_every_function_is_walked() -> None:
    names = {p.id for p in functions()}
    assert len(names) > 300
    assert not (names & (OF_OTHER_THINGS | OF_INTEGERS))
