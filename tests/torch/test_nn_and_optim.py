"""Losses, activations, modules and optimizers: numbers observed from PyTorch 2.13."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dualad.torch as torch
from dualad.torch import nn

F = nn.functional
T, Y = [2, 0], [[0.0, 1, 1], [1, 0, 0]]

OBSERVED: list[tuple[str, Any, float, list[float]]] = [
    ("cross_entropy", lambda x, t, y: F.cross_entropy(x, t), 0.269910, [0.068019, 0.020487, -0.088506, -0.145892, 0.106655, 0.039236]),
    ("smoothed", lambda x, t, y: F.cross_entropy(x, t, label_smoothing=0.1), 0.406577, [0.051353, 0.00382, -0.055173, -0.112558, 0.089989, 0.02257]),
    ("nll_loss", lambda x, t, y: F.nll_loss(torch.log_softmax(x, 1), t, reduction="sum"), 0.539820, [0.136039, 0.040974, -0.177013, -0.291783, 0.213311, 0.078473]),
    ("mse_loss", lambda x, t, y: F.mse_loss(x, y), 0.978333, [0.066667, -0.666667, 0.333333, 0.166667, 0.1, -0.233333]),
    ("l1_loss", lambda x, t, y: F.l1_loss(x, y), 0.783333, [0.166667, -0.166667, 0.166667, 0.166667, 0.166667, -0.166667]),
    ("huber_loss", lambda x, t, y: F.huber_loss(x, y, delta=0.7), 0.340833, [0.033333, -0.116667, 0.116667, 0.083333, 0.05, -0.116667]),
    ("smooth_l1_loss", lambda x, t, y: F.smooth_l1_loss(x, y, beta=0.5), 0.555, [0.066667, -0.166667, 0.166667, 0.166667, 0.1, -0.166667]),
    ("bce_with_logits", lambda x, t, y: F.binary_cross_entropy_with_logits(x, y), 0.616214, [0.091639, -0.121843, -0.019867, -0.030404, 0.09574, 0.055302]),
    ("bce", lambda x, t, y: F.binary_cross_entropy(torch.sigmoid(x), y), 0.616214, [0.091639, -0.121843, -0.019867, -0.030404, 0.09574, 0.055302]),
    ("gelu", lambda x, t, y: F.gelu(x).sum(), 3.327484, [0.657468, -0.083315, 1.085232, 1.127469, 0.732328, 0.023386]),
    ("gelu tanh", lambda x, t, y: F.gelu(x, approximate="tanh").sum(), 3.327154, [0.657458, -0.082964, 1.086099, 1.127711, 0.732296, 0.023643]),
    ("silu", lambda x, t, y: F.silu(x).sum(), 2.769045, [0.599337, 0.072329, 1.090784, 1.041294, 0.64778, 0.176613]),
    ("elu", lambda x, t, y: F.elu(x).sum(), 2.864465, [1.0, 0.367879, 1.0, 1.0, 1.0, 0.496585]),
    ("softplus", lambda x, t, y: F.softplus(x).sum(), 6.197283, [0.549834, 0.268941, 0.880797, 0.817575, 0.574443, 0.331812]),
    ("leaky_relu", lambda x, t, y: F.leaky_relu(x).sum(), 3.983, [1.0, 0.01, 1.0, 1.0, 1.0, 0.01]),
    ("softmax", lambda x, t, y: (torch.softmax(x, 1) ** 2).sum(), 1.250723, [-0.152759, -0.053801, 0.20656, 0.219528, -0.145017, -0.074511]),
    ("layer_norm", lambda x, t, y: (F.layer_norm(x, (3,)) ** 3).sum(), 1.049516, [-2.274898, 1.364933, 0.909964, 1.495389, -3.289843, 1.794454]),
    ("var", lambda x, t, y: x.var(), 1.397667, [-0.073333, -0.553333, 0.646667, 0.446667, -0.033333, -0.433333]),
    ("std", lambda x, t, y: x.std(0).sum(), 3.747666, [-0.707107, -0.707107, 0.707107, 0.707107, 0.707107, -0.707107]),
    ("norm", lambda x, t, y: x.norm(), 2.805352, [0.071292, -0.356461, 0.712923, 0.534692, 0.106938, -0.249523]),
    ("max", lambda x, t, y: x.max(), 2.0, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
    ("max along", lambda x, t, y: x.max(1).values.sum(), 3.5, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]),
    ("logsumexp", lambda x, t, y: torch.logsumexp(x, 1).sum(), 4.039820, [0.136039, 0.040974, 0.822987, 0.708217, 0.213311, 0.078473]),
]  # fmt: skip


@pytest.mark.parametrize(("f", "value", "gradient"), [pytest.param(*o[1:], id=o[0]) for o in OBSERVED])
def test_value_and_gradient(f: Any, value: float, gradient: list[float]) -> None:
    x = torch.tensor([[0.2, -1.0, 2.0], [1.5, 0.3, -0.7]], requires_grad=True)
    loss = f(x, torch.tensor(T), torch.tensor(Y))
    loss.backward()
    assert loss.dtype == torch.float32 and x.grad.dtype == torch.float32
    np.testing.assert_allclose(loss.item(), value, atol=2e-6)
    np.testing.assert_allclose(x.grad.numpy().ravel(), gradient, atol=2e-6)


STEPS: list[tuple[str, Any, list[list[float]]]] = [
    ("sgd", lambda p: torch.optim.SGD(p, lr=0.01), [[0.995, -1.375, 2.375], [0.990148, -1.111328, 2.111328], [0.985438, -0.943983, 1.943983], [0.980862, -0.82355, 1.82355]]),
    ("momentum", lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1), [[0.994, -1.373, 2.372], [0.982784, -0.544498, 1.54202], [0.967205, 0.247279, 0.748238], [0.948138, 0.960277, 0.032475]]),
    ("nesterov", lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True), [[0.9905, -0.8125, 1.8125], [0.977481, -0.134415, 1.134415], [0.961739, 0.413872, 0.586128], [0.944009, 0.898186, 0.101814]]),
    ("dampening", lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, dampening=0.5), [[0.995, -1.375, 2.375], [0.988074, -0.680664, 1.680664], [0.979516, -0.022846, 1.022846], [0.969608, 0.57205, 0.42795]]),
    ("adam", lambda p: torch.optim.Adam(p, lr=0.1), [[0.9, -1.9, 2.9], [0.806437, -1.800505, 2.800505], [0.722752, -1.701875, 2.701875], [0.649933, -1.604479, 2.604479]]),
    ("amsgrad", lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1, amsgrad=True), [[0.9, -1.9, 2.9], [0.804774, -1.800503, 2.800502], [0.716668, -1.70187, 2.701865], [0.636383, -1.604467, 2.604456]]),
    ("adamw", lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1), [[0.89, -1.88, 2.87], [0.788654, -1.761853, 2.742033], [0.699414, -1.646001, 2.6166], [0.622606, -1.532884, 2.494197]]),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), [pytest.param(*s[1:], id=s[0]) for s in STEPS])
def test_optimizer_steps(make: Any, expected: list[list[float]]) -> None:
    w = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    optimizer = make([w])
    for row in expected:
        optimizer.zero_grad()
        ((w - 0.5) ** 4).sum().backward()
        optimizer.step()
        np.testing.assert_allclose(w.tolist(), row, atol=3e-6)
        assert w.is_leaf and w.requires_grad


def test_optimizer_errors() -> None:
    w = torch.ones(2, requires_grad=True)
    for call, error, message in [
        (lambda: torch.optim.SGD([], lr=0.1), ValueError, "empty parameter list"),
        (lambda: torch.optim.SGD([w], lr=-1), ValueError, "Invalid learning rate"),
        (lambda: torch.optim.SGD([w], lr=1, nesterov=True), ValueError, "Nesterov"),
        (lambda: torch.optim.Adam([w], betas=(1.0, 0.9)), ValueError, "beta parameter at index 0"),
        (lambda: torch.optim.SGD([w * 2]), ValueError, "non-leaf"),
        (lambda: torch.optim.SGD([1.0]), TypeError, "float"),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_a_network_learns_xor() -> None:
    torch.manual_seed(0)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
    assert repr(net).splitlines()[1] == "  (0): Linear(in_features=2, out_features=8, bias=True)"
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    optimizer, loss_of = torch.optim.Adam(net.parameters(), lr=0.05), nn.BCELoss()
    for _ in range(200):
        optimizer.zero_grad()
        loss = loss_of(net(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    with torch.no_grad():
        assert (net(x).round() == y).all()
    again = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
    again.load_state_dict(net.state_dict())
    assert torch.allclose(again(x), net(x))


def test_modules() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(3, 2)
            self.drop = nn.Dropout(0.5)
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x: Any) -> Any:
            return self.drop(self.inner(x)) * self.scale

    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["scale", "inner.weight", "inner.bias"]
    assert net.eval().drop.training is False
    net(torch.ones(4, 3)).sum().backward()
    assert net.inner.weight.grad.shape == (2, 3)
    net.zero_grad()
    assert net.inner.weight.grad is None
    assert repr(nn.Parameter(torch.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        net(torch.ones(4, 2))
