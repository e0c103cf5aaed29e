"""Dtypes with PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy as np


class dtype:
    """A dtype, shown as ``torch.float32``."""

    def __init__(self, name: str, numpy: Any) -> None:
        self.name = name
        self.numpy = np.dtype(numpy)

    @property
    def is_floating_point(self) -> bool:
        return self.numpy.kind == "f"

    @property
    def is_complex(self) -> bool:
        return self.numpy.kind == "c"

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> Any:
        return (of_numpy, (self.numpy,))


float16, float32, float64 = dtype("float16", "f2"), dtype("float32", "f4"), dtype("float64", "f8")
int8, int16, int32, int64 = dtype("int8", "i1"), dtype("int16", "i2"), dtype("int32", "i4"), dtype("int64", "i8")
uint8, bool = dtype("uint8", "u1"), dtype("bool", "?")
complex64, complex128 = dtype("complex64", "c8"), dtype("complex128", "c16")
half, float, double, short, int, long = float16, float32, float64, int16, int32, int64

_ALL = {d.numpy: d for d in (float16, float32, float64, int8, int16, int32, int64, uint8, bool, complex64, complex128)}
_default = [np.dtype(np.float32)]


def of_numpy(kind: Any) -> dtype:
    try:
        return _ALL[np.dtype(kind)]
    except KeyError:
        raise TypeError(f"there is no tensor dtype for NumPy's {kind}") from None


def default_float() -> Any:
    return _default[0]


def get_default_dtype() -> dtype:
    return of_numpy(_default[0])


def set_default_dtype(d: dtype) -> None:
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default[0] = d.numpy
