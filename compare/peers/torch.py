"""PyTorch, eager."""

from collections.abc import Callable
from typing import Any

import torch

namespace = torch
torch.set_num_threads(1)


def gradient(f: Callable[[Any, Any], Any], x: Any) -> Callable[[], Any]:
    def call() -> Any:
        v = torch.tensor(x, requires_grad=True)
        f(namespace, v).backward()
        return v.grad

    return call
