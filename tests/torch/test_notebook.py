"""A recorded PyTorch session, line by line: the same values, reprs, warnings and errors."""

from __future__ import annotations

import ast
import contextlib
import io
import warnings
from typing import Any

import pytest

# (source, what the record shows: a repr, printed text, a warning, an error; None for nothing)
SESSION: list[tuple[str, str | None]] = [
    ("import dualad.torch as torch", None),
    ("x = torch.tensor(5.0, requires_grad=True)\nx", "tensor(5., requires_grad=True)"),
    ("y = x**2\ny", "tensor(25., grad_fn=<PowBackward0>)"),
    ("y.backward()", None),
    ("x.grad", "tensor(10.)"),
    ("x = torch.tensor(4.0, requires_grad=True)\nx", "tensor(4., requires_grad=True)"),
    ("y = x ** 2\ny", "tensor(16., grad_fn=<PowBackward0>)"),
    ("z = torch.sin(y)\nz", "tensor(-0.2879, grad_fn=<SinBackward0>)"),
    ("z.backward()", None),
    ("x.grad", "tensor(-7.6613)"),
    ("y.grad", "warning: The .grad attribute of a Tensor that is not a leaf Tensor is being accessed."),
    (
        "x = torch.tensor(6.7)\ny = torch.tensor(0.0)\nw = torch.tensor(1.0)\nb = torch.tensor(0.0)\n"
        "print(x)\nprint(y)\nprint(w)\nprint(b)",
        "tensor(6.7000)\ntensor(0.)\ntensor(1.)\ntensor(0.)",
    ),
    (
        "def binary_cross_entropy_loss(prediction, target):\n"
        "    epsilon = 1e-8  # To prevent log(0)\n"
        "    prediction = torch.clamp(prediction, epsilon, 1 - epsilon)\n"
        "    return -(target * torch.log(prediction) + (1 - target) * torch.log(1 - prediction))",
        None,
    ),
    (
        "z = w * x + b  # Weighted sum (linear part)\ny_pred = torch.sigmoid(z)  # Predicted probability\n"
        "loss = binary_cross_entropy_loss(y_pred, y)",
        None,
    ),
    ("loss", "tensor(6.7012)"),
    (
        "dloss_dy_pred = (y_pred - y)/(y_pred*(1-y_pred))\ndy_pred_dz = y_pred * (1 - y_pred)\ndz_dw = x\ndz_db = 1\n"
        "dL_dw = dloss_dy_pred * dy_pred_dz * dz_dw\ndL_db = dloss_dy_pred * dy_pred_dz * dz_db",
        None,
    ),
    (
        'print(f"Manual Gradient of loss w.r.t weight (dw): {dL_dw}")\nprint(f"Manual Gradient of loss w.r.t bias (db): {dL_db}")',
        "Manual Gradient of loss w.r.t weight (dw): 6.691762447357178\n"
        "Manual Gradient of loss w.r.t bias (db): 0.998770534992218",
    ),
    (
        "x = torch.tensor(6.7)\ny = torch.tensor(0.0)\nw = torch.tensor(1.0, requires_grad=True)\n"
        "b = torch.tensor(0.0, requires_grad=True)",
        None,
    ),
    ("z = w*x + b\nz", "tensor(6.7000, grad_fn=<AddBackward0>)"),
    ("y_pred = torch.sigmoid(z)\ny_pred", "tensor(0.9988, grad_fn=<SigmoidBackward0>)"),
    ("loss = binary_cross_entropy_loss(y_pred, y)\nloss", "tensor(6.7012, grad_fn=<NegBackward0>)"),
    ("loss.backward()", None),
    ("print(w.grad)\nprint(b.grad)", "tensor(6.6918)\ntensor(0.9988)"),
    ("x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)\nx", "tensor([1., 2., 3.], requires_grad=True)"),
    ("y = (x**2).mean()\ny", "tensor(4.6667, grad_fn=<MeanBackward0>)"),
    ("y.backward()", None),
    ("x.grad", "tensor([0.6667, 1.3333, 2.0000])"),
    ("x = torch.tensor(2.0, requires_grad=True)\nx", "tensor(2., requires_grad=True)"),
    ("y = x ** 2\ny", "tensor(4., grad_fn=<PowBackward0>)"),
    ("y.backward()", None),
    ("x.grad", "tensor(4.)"),
    ("x.grad.zero_()", "tensor(0.)"),
    ("x.requires_grad_(False)", "tensor(2.)"),
    ("y = x ** 2\ny", "tensor(4.)"),
    ("y.backward()", "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"),
    ("x = torch.tensor(2.0, requires_grad=True)\nx", "tensor(2., requires_grad=True)"),
    ("z = x.detach()\nz", "tensor(2.)"),
    ("y = x ** 2\ny", "tensor(4., grad_fn=<PowBackward0>)"),
    ("y1 = z ** 2\ny1", "tensor(4.)"),
    ("y.backward()", None),
    ("y1.backward()", "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"),
    ("x = torch.tensor(2.0, requires_grad=True)\nx", "tensor(2., requires_grad=True)"),
    ("with torch.no_grad():\n    y = x ** 2", None),
    ("y.backward()", "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"),
]


def shown(source: str, names: dict[str, Any]) -> str | None:
    """What a cell shows: printed text, the last expression's repr, a warning or an error."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(tree, "<cell>", "exec"), names)
            value = None if last is None else eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
        except RuntimeError as e:
            return f"RuntimeError: {e}"
    if caught:
        assert issubclass(caught[0].category, UserWarning)
        return f"warning: {caught[0].message}"
    text = out.getvalue()
    if value is not None:
        text += repr(value)
    return text.rstrip("\n") or None


def test_the_session_runs_line_by_line() -> None:
    names: dict[str, Any] = {}
    for source, record in SESSION:
        got = shown(source, names)
        if record is not None and record.startswith("warning"):
            assert got is not None and got.startswith(record), source
        else:
            assert got == record, f"{source}\n gave {got!r}, the record shows {record!r}"


def test_the_record_is_the_shared_one() -> None:
    """Where the recorded session is at hand, every value that it shows is one that is tested here."""
    import pathlib
    import re

    record = pathlib.Path(__file__).parents[3] / "shared" / "autograd_notebook.txt"
    if not record.exists():
        pytest.skip("the recorded session is not beside this checkout")
    expected = set(re.findall(r"^tensor\(.*\)$", record.read_text(), re.MULTILINE))
    mine = {line for _, r in SESSION if r for line in r.splitlines()}
    assert expected <= mine, expected - mine
