"""The tensor API: reprs, gradients, graph rules, errors. Expected texts and numbers are PyTorch 2.13's."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import dualad
import dualad.torch as torch


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1.0, 2.5, -3.25], "tensor([ 1.0000,  2.5000, -3.2500])"),
        ([1.0, 2.0], "tensor([1., 2.])"),
        ([1, 2, 30], "tensor([ 1,  2, 30])"),
        ([True, False], "tensor([ True, False])"),
        ([1e-8, 1.0], "tensor([1.0000e-08, 1.0000e+00])"),
        ([float("inf"), 1.0, float("nan")], "tensor([inf, 1., nan])"),
        ([[1.0, 2.0], [3.0, 4.0]], "tensor([[1., 2.],\n        [3., 4.]])"),
        ([], "tensor([])"),
        (np.array([1.5, 2.0]), "tensor([1.5000, 2.0000], dtype=torch.float64)"),
        (np.zeros((0, 3), np.float32), "tensor([], size=(0, 3))"),
        (np.arange(3, dtype=np.int32), "tensor([0, 1, 2], dtype=torch.int32)"),
        (1 + 2j, "tensor(1.+2.j)"),
        (100000.0, "tensor(100000.)"),
        (1e9, "tensor(1.0000e+09)"),
    ],
)
def test_repr(value: Any, text: str) -> None:
    assert repr(torch.tensor(value)) == text


def test_repr_summarizes() -> None:
    text = repr(torch.arange(2000))
    assert text == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"


def test_dtypes_and_promotion() -> None:
    assert torch.tensor(1.0).dtype == torch.float32 and repr(torch.float32) == "torch.float32"
    assert torch.tensor(1).dtype == torch.int64
    assert (torch.tensor([1.0]) * 2.5).dtype == torch.float32
    assert (torch.tensor([1, 2]) * 2.5).dtype == torch.float32
    assert (torch.tensor([1, 2]) / torch.tensor([2, 2])).dtype == torch.float32
    assert (torch.tensor([1.0]) + torch.tensor(2.0, dtype=torch.float64)).dtype == torch.float32
    assert (torch.tensor([1.0]) + torch.tensor([2.0], dtype=torch.float64)).dtype == torch.float64
    assert torch.tensor([1.0]).double().dtype == torch.float64
    assert torch.tensor([1.5]).to(torch.int64).tolist() == [1]
    assert torch.sqrt(torch.tensor(4)).item() == 2.0
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x.double() ** 2).sum().backward()
    assert x.grad.dtype == torch.float32


def test_grad_accumulates_and_is_zeroed() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    for k in (1, 2, 3):
        (x**2).backward()
        assert x.grad.item() == 6 * k
    x.grad.zero_()
    assert x.grad.item() == 0
    x.grad = None
    assert x.grad is None


def test_grad_fn_names() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    m = torch.ones(2, 2, requires_grad=True)
    for y, name in [
        (x + 1, "AddBackward0"), (x - 1, "SubBackward0"), (x * 2, "MulBackward0"), (x / 2, "DivBackward0"), (-x, "NegBackward0"),
        (x**2, "PowBackward0"), (x.exp(), "ExpBackward0"), (x.log(), "LogBackward0"), (x.sqrt(), "SqrtBackward0"),
        (x.sum(), "SumBackward0"), (x.mean(), "MeanBackward0"), (x.tanh(), "TanhBackward0"), (torch.relu(x), "ReluBackward0"),
        (m @ m, "MmBackward0"), (m @ x, "MvBackward0"), (x.dot(x), "DotBackward0"), (x[0], "SelectBackward0"),
        (x[:1], "SliceBackward0"), (m.t(), "TBackward0"), (m.reshape(4), "ViewBackward0"), (torch.stack([x, x]), "StackBackward0"),
        (torch.cat([x, x]), "CatBackward0"), (torch.where(x > 1, x, -x), "WhereBackward0"), (x.max(), "MaxBackward1"),
        (x.clamp(0, 1), "ClampBackward1"), (x.abs(), "AbsBackward0"), (x.var(), "VarBackward0"), (x.unsqueeze(0), "UnsqueezeBackward0"),
    ]:  # fmt: skip
        assert y.grad_fn is not None and y.grad_fn.name() == name
        assert repr(y).endswith(f"grad_fn=<{name}>)")
    assert x.grad_fn is None and x.is_leaf


def test_graph_rules() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        (x * 2).backward()
    (x * 2).backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2, 20]
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * 2).backward(torch.ones(3))
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"):
        torch.tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        x.numpy()
    assert x.detach().numpy().tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        (x * 2).requires_grad_(False)
    with pytest.raises(RuntimeError, match="cannot be converted to Scalar"):
        x.item()
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"):
        bool(x > 0)
    with pytest.raises(RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)"):
        torch.ones(2, 3) @ torch.ones(2, 3)
    with pytest.raises(RuntimeError, match=r"shape '\[4\]' is invalid for input of size 2"):
        x.reshape(4)
    with pytest.raises(IndexError, match="out of bounds"):
        x[2]


def test_no_grad_and_its_relatives() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    with torch.no_grad():
        assert not (x * 2).requires_grad and not torch.is_grad_enabled()
        with torch.enable_grad():
            assert (x * 2).requires_grad
    assert torch.is_grad_enabled()

    @torch.no_grad()
    def f(v: Any) -> Any:
        return v * 2

    @torch.no_grad
    def g(v: Any) -> Any:
        return v * 2

    assert not f(x).requires_grad and not g(x).requires_grad and (x * 2).requires_grad
    with torch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    with torch.inference_mode():
        assert not (x * 2).requires_grad


def test_in_place() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x += 1
    y = x * 2
    y += 1
    y.mul_(3)
    y[0] = 0.0
    y.sum().backward()
    assert y.tolist() == [0, 15] and x.grad.tolist() == [0, 6]
    with torch.no_grad():
        x -= 0.5
    assert x.is_leaf and x.requires_grad and x.tolist() == [0.5, 1.5]
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [1, 3]
    z = torch.zeros(2)
    z[1] = x[0] * 4
    assert z.requires_grad
    z.sum().backward()
    assert x.grad.tolist() == [5, 3]
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.tensor([1, 2]).add_(0.5)


def test_hooks_and_retained_gradients() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle = x.register_hook(lambda g: g * 100)
    (y * y).sum().backward()
    assert y.grad.tolist() == [4, 8] and seen == [[4, 8]] and x.grad.tolist() == [800, 1600]
    handle.remove()
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.ones(2).register_hook(print)


def test_autograd_grad_and_higher_order() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    y = x**4
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    assert g.item() == 32 and g.requires_grad and x.grad is None
    (h,) = torch.autograd.grad(g, x, create_graph=True)
    (k,) = torch.autograd.grad(h, x)
    assert (h.item(), k.item()) == (48, 48)
    a = torch.tensor(1.0, requires_grad=True)
    with pytest.raises(RuntimeError, match="allow_unused=True"):
        torch.autograd.grad(x * 2, a)
    assert torch.autograd.grad(x * 2, a, allow_unused=True) == (None,)
    u = x * 3
    (by_u,) = torch.autograd.grad(u * u, u)
    assert by_u.item() == 12
    z = x**3
    z.backward(create_graph=True)
    assert x.grad.item() == 12 and x.grad.requires_grad


def test_function_of_ones_own() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float) -> Any:
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * ctx.factor * 10 + 0 * x, None

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = Double.apply(x, 3.0)
    y.sum().backward()
    assert y.tolist() == [3, 6] and x.grad.tolist() == [30, 30]


def test_graphs_are_freed_with_their_tensors() -> None:
    x = torch.tensor([1.0], requires_grad=True)
    refs = []
    for _ in range(3):
        y = (x.exp() * 2).sum()
        refs.append(weakref.ref(y))
        y.backward()
    del y
    gc.collect()
    assert [r() for r in refs] == [None] * 3
    from dualad.torch.graph import GRAPH

    assert not GRAPH.tape and not GRAPH.fresh


def test_long_graphs_need_no_recursion() -> None:
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 0.0
    y.backward()
    assert x.grad.item() == 1


def test_pickle_and_deepcopy() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.requires_grad and y.tolist() == [1, 2] and y is not x
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * 2)


def test_shapes_and_indexing() -> None:
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    assert repr(x.shape) == "torch.Size([2, 3])" and x.size(1) == 3 and x.dim() == 2 and x.numel() == 6
    y = x[:, torch.tensor([0, 2])].sum() + x[1, 1] + x[x > 4].sum() + x.T[0].sum() + x.permute(1, 0).flatten()[:2].sum()
    y.backward()
    assert x.grad.tolist() == [[3.0, 0.0, 1.0], [3.0, 1.0, 2.0]]
    values, places = torch.tensor([[1.0, 3.0], [4.0, 2.0]]).max(1)
    assert values.tolist() == [3, 4] and places.tolist() == [1, 0]
    a, b = torch.arange(4).chunk(2)
    assert a.tolist() == [0, 1] and b.tolist() == [2, 3]
    assert torch.einsum("ij,j->i", torch.ones(2, 3), torch.ones(3)).tolist() == [3, 3]
    assert torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]])).tolist() == [[1, 1], [4, 3]]


def test_exported_from_the_package() -> None:
    assert dualad.tensor(5.0, requires_grad=True).requires_grad
    assert dualad.torch is torch
    g = dualad.grad(lambda v: dualad.numpy.sum(torch.tensor([1.0, 2.0]) * v))(np.float32(3))
    assert g == 3


def test_complex_gradients_are_conjugate() -> None:
    z = torch.tensor(1 + 2j, requires_grad=True)
    (z**2).real.backward()
    assert z.grad.item() == 2 - 4j
