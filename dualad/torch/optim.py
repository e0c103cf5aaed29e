"""SGD, Adam, AdamW, by PyTorch's update rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dualad.torch.graph import enable_grad, no_grad
from dualad.torch.tensor import Tensor


class Optimizer:
    """Holds parameter groups; ``step`` updates from ``.grad``, ``zero_grad`` forgets the gradients."""

    def __init__(self, params: Iterable[Any], **defaults: Any) -> None:
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        self.param_groups: list[dict[str, Any]] = [{**defaults, **g, "params": list(g["params"])} for g in groups]
        self.state: dict[int, dict[str, Any]] = {}
        for g in self.param_groups:
            for p in g["params"]:
                if not isinstance(p, Tensor):
                    raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
                if not p.is_leaf:
                    raise ValueError("can't optimize a non-leaf Tensor")

    def zero_grad(self, set_to_none: bool = True) -> None:
        for g in self.param_groups:
            for p in g["params"]:
                if set_to_none or p._grad is None:
                    p.grad = None
                else:
                    p._grad.zero_()

    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for g in self.param_groups:
                for p in g["params"]:
                    if p._grad is not None:
                        state = self.state.setdefault(id(p), {"step": 0})
                        state["step"] += 1
                        p._replace_leaf(
                            np.asarray(self.update(np.asarray(p.value), np.asarray(p._grad.value), g, state))[()]
                        )
        return loss

    def update(self, w: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        """The new value of one parameter."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013), Nesterov's variant, dampening, weight decay."""

    def __init__(
        self, params: Any, lr: float = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
        nesterov: bool = False, maximize: bool = False,
    ) -> None:  # fmt: skip
        if lr < 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    def update(self, w: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        g = -g if group["maximize"] else g
        if group["weight_decay"]:
            g = g + group["weight_decay"] * w
        m = group["momentum"]
        if m:
            velocity = g if "momentum" not in state else m * state["momentum"] + (1 - group["dampening"]) * g
            state["momentum"] = velocity
            g = g + m * velocity if group["nesterov"] else velocity
        return w - group["lr"] * g


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980)."""

    decoupled = False

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, maximize: bool = False,
    ) -> None:  # fmt: skip
        if lr < 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        for i, b in enumerate(betas):
            if not 0 <= b < 1:
                raise ValueError(f"Invalid beta parameter at index {i}: {b}")
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize
        )

    def update(self, w: Any, g: Any, group: dict[str, Any], state: dict[str, Any]) -> Any:
        g = -g if group["maximize"] else g
        lr, (b1, b2), t = group["lr"], group["betas"], state["step"]
        if group["weight_decay"]:
            if self.decoupled:
                w = w * (1 - lr * group["weight_decay"])
            else:
                g = g + group["weight_decay"] * w
        m = state["m"] = b1 * state.get("m", 0 * g) + (1 - b1) * g
        v = state["v"] = b2 * state.get("v", 0 * g) + (1 - b2) * g * g
        if group["amsgrad"]:
            v = state["max"] = np.maximum(state.get("max", v), v)
        return w - lr / (1 - b1**t) * m / (np.sqrt(v) / (1 - b2**t) ** 0.5 + group["eps"])


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

    decoupled = True

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize)
