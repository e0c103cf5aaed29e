"""``torch.autograd``: backward, grad, Function."""

from __future__ import annotations

from typing import Any

import dualad
from dualad.torch.functions import wrap
from dualad.torch.graph import enable_grad, no_grad, set_grad_enabled
from dualad.torch.tensor import Tensor, backward, core, grad


class Context:
    """What ``forward`` leaves for ``backward``."""

    def __init__(self) -> None:
        self.saved_tensors: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors


class Function:
    """A function with a derivative of its own: subclass it with static ``forward(ctx, *args)`` and ``backward(ctx, *grads)``."""

    @classmethod
    def apply(cls, *args: Any) -> Any:
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)

        def run(*xs: Any) -> tuple[Any, Any]:
            ctx = Context()
            ctx.needs_input_grad = needs
            full = list(args)
            for i, x in zip(places, xs, strict=True):
                full[i] = Tensor(x)
            with no_grad():
                out = cls.forward(ctx, *full)
            many = isinstance(out, tuple)
            return (tuple(o._core for o in out) if many else out._core), ctx

        call = dualad.custom_vjp(lambda *xs: run(*xs)[0])

        def forward(*xs: Any) -> Any:
            return run(*xs)

        def pull(ctx: Context, g: Any) -> tuple[Any, ...]:
            gs = tuple(Tensor(v) for v in g) if isinstance(g, tuple) else (Tensor(g),)
            found = cls.backward(ctx, *gs)
            found = found if isinstance(found, tuple) else (found,)
            return tuple(None if found[i] is None else found[i]._core for i in places)

        call.defvjp(forward, pull)
        return wrap(call(*[core(args[i]) for i in places]), f"{cls.__name__}Backward")


__all__ = ["Context", "Function", "backward", "enable_grad", "grad", "no_grad", "set_grad_enabled"]
