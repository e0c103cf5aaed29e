"""Modules: Linear, activations, losses, Sequential, and the Module they are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dualad.torch.functions import NAMES
from dualad.torch.making import RANDOM
from dualad.torch.nn import functional as functional
from dualad.torch.tensor import Tensor, make

F = functional


class Parameter(Tensor):
    """A tensor that a module trains."""

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        value = data.value if isinstance(data, Tensor) else make(data if data is not None else []).value
        super().__init__(value)
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Module:
    """Holds parameters and modules as attributes; calling it runs ``forward``."""

    training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def named_children(self) -> Iterator[tuple[str, Module]]:
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        return (m for _, m in self.named_children())

    def modules(self) -> Iterator[Module]:
        yield self
        for m in self.children():
            yield from m.modules()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, m in self.named_children():
            yield from m.named_parameters(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        return (p for _, p in self.named_parameters())

    def zero_grad(self, set_to_none: bool = True) -> None:
        for p in self.parameters():
            p.grad = None if set_to_none else NAMES["zeros_like"](p)

    def train(self, mode: bool = True) -> Any:
        for m in self.modules():
            m.training = mode
        return self

    def eval(self) -> Any:
        return self.train(False)

    def requires_grad_(self, flag: bool = True) -> Any:
        for p in self.parameters():
            p.requires_grad_(flag)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.named_parameters()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        own = dict(self.named_parameters())
        if set(own) != set(state):
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}: missing {sorted(set(own) - set(state))}, "
                f"unexpected {sorted(set(state) - set(own))}"
            )
        for name, p in own.items():
            p.data = make(np.array(state[name].value))

    def apply(self, f: Callable[[Module], Any]) -> Any:
        for m in self.modules():
            f(m)
        return self

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        children = [f"({n}): " + repr(m).replace("\n", "\n  ") for n, m in self.named_children()]
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(children) + "\n)"


class Linear(Module):
    """``x @ weight.T + bias``, initialised uniformly in +-1/sqrt(in_features)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features) if in_features else 0.0
        draw: Any = lambda *s: np.asarray(RANDOM[0].uniform(-bound, bound, s), np.float32)
        self.weight = Parameter(draw(out_features, in_features))
        self.bias = Parameter(draw(out_features)) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Sequential(Module):
    """Modules one after the other."""

    def __init__(self, *modules: Module) -> None:
        for i, m in enumerate(modules):
            setattr(self, str(i), m)

    def forward(self, input: Any) -> Any:
        for m in self.children():
            input = m(input)
        return input

    def __getitem__(self, i: int) -> Module:
        return list(self.children())[i]

    def __len__(self) -> int:
        return len(list(self.children()))


class ModuleList(Sequential):
    """Modules in a list."""

    def __init__(self, modules: Any = ()) -> None:
        super().__init__(*modules)

    def __iter__(self) -> Iterator[Module]:
        return self.children()


class Dropout(Module):
    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace=False"


class Flatten(Module):
    def forward(self, input: Tensor) -> Tensor:
        return NAMES["flatten"](input, 1)


class Softmax(Module):
    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def _activation(name: str, f: Callable[..., Any]) -> type[Module]:
    return type(name, (Module,), {"forward": lambda self, input: f(input), "__doc__": f"``{name}``, elementwise."})


ReLU, Sigmoid, Tanh = _activation("ReLU", F.relu), _activation("Sigmoid", F.sigmoid), _activation("Tanh", F.tanh)
GELU, SiLU, ELU = _activation("GELU", F.gelu), _activation("SiLU", F.silu), _activation("ELU", F.elu)
Softplus, LeakyReLU = _activation("Softplus", F.softplus), _activation("LeakyReLU", F.leaky_relu)


class _Loss(Module):
    f: Callable[..., Any]

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return type(self).f(input, target, reduction=self.reduction)


def _loss(name: str, f: Callable[..., Any]) -> type[_Loss]:
    return type(name, (_Loss,), {"f": staticmethod(f), "__doc__": f"``{name}`` as a module."})


MSELoss, L1Loss = _loss("MSELoss", F.mse_loss), _loss("L1Loss", F.l1_loss)
BCELoss, BCEWithLogitsLoss = (
    _loss("BCELoss", F.binary_cross_entropy),
    _loss("BCEWithLogitsLoss", F.binary_cross_entropy_with_logits),
)
CrossEntropyLoss, NLLLoss = _loss("CrossEntropyLoss", F.cross_entropy), _loss("NLLLoss", F.nll_loss)
HuberLoss, SmoothL1Loss = _loss("HuberLoss", F.huber_loss), _loss("SmoothL1Loss", F.smooth_l1_loss)
