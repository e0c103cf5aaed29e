"""SciPy's names without a derivative here: they are SciPy's on arrays, and say so on tensors."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.dispatch import not_differentiable
from dualad.numpy.operands import tracked

FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, np.ufunc)


def holds(x: Any) -> bool:
    return tracked(x) or (isinstance(x, (tuple, list)) and any(map(holds, x)))


def others_of(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of ``dualad.scipy.<module>``. Classes and distributions are SciPy's own, which refuse tensors."""

    def __getattr__(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        f = getattr(importlib.import_module(f"scipy.{module}"), name)
        if not isinstance(f, FUNCTIONS) and type(f).__name__ != "MultiUFunc":
            return f

        @functools.wraps(f)
        def constant_only(*args: Any, **keywords: Any) -> Any:
            if any(map(holds, args)) or any(map(holds, keywords.values())):
                raise not_differentiable(f"scipy.{module}.{name}")
            return f(*args, **keywords)

        return constant_only

    return __getattr__
