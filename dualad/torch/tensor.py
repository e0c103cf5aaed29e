"""The Tensor a PyTorch user knows: a value, whether it requires grad, its gradient, and where it came from."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor as Core
from dualad.torch import printing
from dualad.torch.dtypes import default_float, dtype, of_numpy
from dualad.torch.graph import GRAPH, MODE, run_backward

NO_GRAPH = "element {} of tensors does not require grad and does not have a grad_fn"
NOT_A_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated "
    "during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use "
    ".retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf "
    "Tensor instead."
)


class Size(tuple[int, ...]):
    """The shape of a tensor."""

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def numel(self) -> int:
        n = 1
        for k in self:
            n *= k
        return n


class GradFn:
    """The operation that made a tensor."""

    def __init__(self, title: str, node: Any) -> None:
        self.title = title
        self.node = node

    def name(self) -> str:
        return self.title

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """The operations (or leaves) from which it was computed."""
        out = []
        for p in self.node[2]:
            if p is not None:
                title = "AccumulateGrad" if p[1] is None else p[1].name.title().replace("_", "") + "Backward0"
                out.append((GradFn(title, p), 0))
        return tuple(out)

    def __repr__(self) -> str:
        return f"<{self.title} object at {hex(id(self))}>"


class Tensor:
    """A tensor with PyTorch's semantics, over dualad's core: the value is a NumPy array, or tracked by the graph."""

    __slots__ = ("__weakref__", "_core", "_finalizer", "_grad", "_retained", "_title")

    __array_priority__ = 1000

    def __init__(self, core: Any, title: str | None = None) -> None:
        self._core = core
        self._title = title
        self._grad: Tensor | None = None
        self._retained = False

    # What it is -------------------------------------------------------------------------------

    @property
    def value(self) -> Any:
        """The NumPy value."""
        c = self._core
        return c.value if type(c) is Core and c.level is GRAPH else c

    @property
    def requires_grad(self) -> bool:
        c = self._core
        return type(c) is Core and c.level is GRAPH

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        self.requires_grad_(flag)

    @property
    def is_leaf(self) -> bool:
        return not self.requires_grad or self._core.aux[1] is None

    @property
    def grad_fn(self) -> GradFn | None:
        return None if self.is_leaf else GradFn(self._title or "CopyBackwards", self._core.aux)

    @property
    def dtype(self) -> dtype:
        return of_numpy(self._core.dtype)

    @property
    def shape(self) -> Size:
        return Size(self._core.shape)

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    @property
    def ndim(self) -> int:
        return len(self._core.shape)

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> int:
        return self.shape.numel()

    @property
    def device(self) -> str:
        return "cpu"

    def is_floating_point(self) -> bool:
        return self._core.dtype.kind == "f"

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, other: Tensor) -> None:
        self._replace_leaf(other.value)

    def __dualad_tensor__(self) -> Any:
        return self._core

    # Gradients --------------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        if self._grad is None and not self.is_leaf and not self._retained:
            warnings.warn(NOT_A_LEAF, UserWarning, stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        if g is not None and g.shape != self.shape:
            raise RuntimeError(
                f"assigned grad has data of a different size: {tuple(g.shape)}, expected {tuple(self.shape)}"
            )
        self._grad = g

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        if requires_grad:
            if self._core.dtype.kind not in "fc":
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
            if not self.requires_grad:
                self._track(self._core)
        elif self.requires_grad:
            if not self.is_leaf:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                    "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
            self._core = self.value
        return self

    def _track(self, value: Any) -> None:
        """Become a leaf with this value."""
        self._core = GRAPH.watch(value)
        self._core.aux[5] = {"leaf": weakref.ref(self)}
        self._title = None

    def _replace_leaf(self, value: Any) -> None:
        if self.requires_grad:
            callbacks = GRAPH.callbacks.pop(self._core.aux[0], None)
            self._track(value)
            if callbacks:
                GRAPH.callbacks[self._core.aux[0]] = callbacks
        else:
            self._core = value

    def detach(self) -> Tensor:
        return Tensor(self.value)

    def detach_(self) -> Tensor:
        self._core, self._title = self.value, None
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf in ``.grad``."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf or self._retained:
            return
        self._retained = True
        mine = weakref.ref(self)

        def keep(g: Any) -> None:
            t = mine()
            if t is not None:
                t._accumulate(g)

        self._callback(keep)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """Call ``hook`` with the gradient; what it returns, if anything, replaces the gradient."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")

        def run(g: Any) -> Any:
            h = hook(Tensor(g))
            return None if h is None else h._core

        return self._callback(run)

    def _callback(self, f: Callable[[Any], Any]) -> Handle:
        index = self._core.aux[0]
        callbacks = GRAPH.callbacks.setdefault(index, [])
        callbacks.append(f)
        self._finalizer = weakref.finalize(self, GRAPH.callbacks.pop, index, None)
        return Handle(callbacks, f)

    def _accumulate(self, g: Any) -> None:
        self._grad = Tensor(g) if self._grad is None else Tensor(self._grad._core + g)

    def backward(
        self, gradient: Any = None, retain_graph: Any = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Add the derivative of this tensor to ``.grad`` of the leaves it was computed from."""
        backward([self], [gradient], retain_graph, create_graph, inputs)

    # Out of the graph -------------------------------------------------------------------------

    def item(self) -> Any:
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
        return np.asarray(self.value).reshape(())[()].item()

    def tolist(self) -> Any:
        return np.asarray(self.value).tolist()

    def numpy(self, *, force: bool = False) -> Any:
        if self.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return np.asarray(self.value)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.numpy(), dtype)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._core.dtype.kind not in "iu":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            what = "no values" if self.numel() == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
        return bool(self.item())

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[i] for i in range(self.shape[0])])

    def __hash__(self) -> int:
        return id(self)

    def __contains__(self, x: Any) -> bool:
        return bool((np.asarray(self.value) == (x.value if isinstance(x, Tensor) else x)).any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 and self.is_leaf | bool(spec) else repr(self)

    def __repr__(self) -> str:
        suffixes = []
        kind = self.dtype
        if kind.numpy not in (default_float(), np.dtype(np.int64), np.dtype(bool), np.dtype(np.complex64)) or (
            self.numel() == 0 and kind.numpy != default_float()
        ):
            suffixes.append(f"dtype={kind}")
        if not self.is_leaf:
            suffixes.append(f"grad_fn=<{self._title}>")
        elif self.requires_grad:
            suffixes.append("requires_grad=True")
        return printing.text(self.value, suffixes)

    def __deepcopy__(self, memo: Any) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment."
            )
        new = Tensor(np.array(self.value)[()])
        new = new.requires_grad_() if self.requires_grad else new
        new._grad = None if self._grad is None else Tensor(np.array(self._grad.value)[()])
        return new

    def __reduce__(self) -> Any:
        return (_restore, (np.asarray(self.value), self.requires_grad))


def _restore(value: Any, requires_grad: bool) -> Tensor:
    return Tensor(value[()]).requires_grad_(requires_grad)


class Handle:
    """Removes a hook."""

    def __init__(self, callbacks: list[Any], f: Any) -> None:
        self.callbacks, self.f = callbacks, f

    def remove(self) -> None:
        if self.f in self.callbacks:
            self.callbacks.remove(self.f)


# backward and grad ----------------------------------------------------------------------------


def conjugate(g: Any) -> Any:
    """PyTorch's gradients of complex tensors are the conjugates of the core's (JAX's)."""
    return np.conjugate(g) if g.dtype.kind == "c" else g


def _seeds(outputs: list[Tensor], gradients: list[Any]) -> tuple[list[Any], list[Any]]:
    roots, seeds = [], []
    for i, (t, g) in enumerate(zip(outputs, gradients, strict=True)):
        if not t.requires_grad:
            raise RuntimeError(NO_GRAPH.format(i))
        if g is None:
            if t.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            g = np.ones(t.shape, t._core.dtype)[()]
        else:
            g = g._core if isinstance(g, Tensor) else g
            if g.shape != t._core.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {Size(g.shape)} and output[{i}] has a shape of "
                    f"{t.shape}."
                )
        roots.append(t._core.aux)
        seeds.append(conjugate(g))
    return roots, seeds


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: Any = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add the derivatives of ``tensors`` to ``.grad`` of the leaves (or of ``inputs`` alone)."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not isinstance(grad_tensors, (list, tuple)):
        grad_tensors = [grad_tensors] * len(tensors)
    roots, seeds = _seeds(tensors, list(grad_tensors))
    chosen = None if inputs is None else {id(t) for t in ([inputs] if isinstance(inputs, Tensor) else inputs)}
    from dualad.torch.graph import reachable

    leaves = [n for n in reachable(roots) if n[1] is None]
    found = run_backward(roots, seeds, create_graph if retain_graph is None else retain_graph, create_graph)
    for node in leaves:
        g = found.get(node[0])
        leaf = node[5]["leaf"]()
        if g is None or leaf is None or (chosen is not None and id(leaf) not in chosen):
            continue
        for f in GRAPH.callbacks.get(node[0], ()):
            h = f(g)
            g = g if h is None else h
        leaf._accumulate(conjugate(g))


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The derivatives of ``outputs`` in ``inputs`` (leaves or not), without touching any ``.grad``."""
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not isinstance(grad_outputs, (list, tuple)):
        grad_outputs = [grad_outputs] * len(outputs)
    for t in inputs:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots, seeds = _seeds(outputs, list(grad_outputs))
    caught: dict[int, Any] = {}

    def catch(k: int) -> Any:
        def run(g: Any) -> None:
            caught[k] = g

        return run

    temporary = []
    for t in inputs:
        if not t.is_leaf:
            f = catch(t._core.aux[0])
            GRAPH.callbacks.setdefault(t._core.aux[0], []).append(f)
            temporary.append((t._core.aux[0], f))
    try:
        found = run_backward(roots, seeds, create_graph if retain_graph is None else retain_graph, create_graph)
    finally:
        for k, f in temporary:
            GRAPH.callbacks[k].remove(f)
            if not GRAPH.callbacks[k]:
                del GRAPH.callbacks[k]
    out: list[Any] = []
    for t in inputs:
        g = caught.get(t._core.aux[0], found.get(t._core.aux[0]))
        if g is None:
            if materialize_grads:
                g = np.zeros(t.shape, t._core.dtype)[()]
            elif not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True "
                    "if this is the desired behavior."
                )
        out.append(None if g is None else Tensor(conjugate(g), "MulBackward0"))
    return tuple(out)


def core(x: Any) -> Any:
    """What to compute with: the graph's tensor, or the plain value where recording is off."""
    if isinstance(x, Tensor):
        return x._core if MODE.enabled else x.value
    return x


def make(value: Any, kind: Any = None, requires_grad: bool = False) -> Tensor:
    """``torch.tensor``."""
    if isinstance(value, Tensor):
        value = value.value
    if kind is None and not isinstance(value, (np.ndarray, np.generic)):
        plain = np.asarray(_plain(value))
        if plain.dtype == np.float64:
            plain = plain.astype(default_float())
        elif plain.dtype == np.complex128:
            plain = plain.astype(np.complex64)
        elif plain.size == 0:
            plain = plain.astype(default_float())
    else:
        plain = np.array(_plain(value), None if kind is None else kind.numpy)
    if plain.dtype == object:
        raise TypeError(f"can't convert {type(value).__name__} to a tensor")
    t = Tensor(plain.copy()[()])
    if requires_grad:
        if plain.dtype.kind not in "fc":
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        t.requires_grad_()
    return t


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
