"""HIPS autograd."""

from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy

namespace = autograd.numpy


def gradient(f: Callable[[Any, Any], Any], x: Any) -> Callable[[], Any]:
    g = autograd.grad(lambda v: f(namespace, v))
    return lambda: g(x)
