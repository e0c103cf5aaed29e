"""detect_anomaly: the operation that made the first NaN, its line and shapes, forward and backward; nothing when off."""

from __future__ import annotations

import pathlib
import threading
from typing import Any

import numpy as np
import pytest

import dualad
import dualad.torch as torch
from dualad import AnomalyError, LeakedTensorError, detect_anomaly, grad, hessian, jacfwd, jet, jvp, vmap
from dualad.api.anomaly import LEVELS
from dualad.core.level import ClosedLevel
from dualad.modes import reverse

pytestmark = pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
HERE = pathlib.Path(__file__).name


def softplus(x: Any) -> Any:
    e = np.exp(x)
    return np.log1p(e).sum()


def ratio(x: Any) -> Any:
    return (x / x).sum()


X = np.array([1000.0, 1.0])
ZERO = np.array([0.0, 1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: grad(softplus)(X),
            r"the pullback of exp at .*`e = np.exp\(x\)` made a NaN of a cotangent of shape \(2,\)",
        ),
        (lambda: jacfwd(softplus)(X), r"exp made a NaN of operands of shape \(2,\) at .*`e = np.exp\(x\)`"),
        (lambda: jvp(softplus, (X,), (X,)), r"log1p made a NaN .*first infinity came from exp at .*`e = np.exp\(x\)`"),
        (lambda: jet(softplus, (X,), ((X,),)), "log1p made a NaN of operands of shape"),
        (lambda: hessian(softplus)(X), "exp"),
        (lambda: grad(ratio)(ZERO), r"divide made a NaN of operands of shape \(2,\), \(2,\) at .*x / x"),
        (lambda: vmap(ratio)(ZERO), "divide made a NaN"),
        (lambda: grad(lambda x: grad(ratio)(x).sum())(ZERO), "divide made a NaN"),
        (lambda: grad(lambda m: np.linalg.svd(m)[1].sum() * np.log(m).sum())(-np.eye(2)), "log made a NaN"),
        (lambda: torch.log1p(torch.exp(torch.tensor(X, requires_grad=True))).sum().backward(), "the pullback of exp"),
    ],
)
def test_the_operation_and_the_line_are_named(call: Any, message: str) -> None:
    with detect_anomaly(), pytest.raises(AnomalyError, match=message) as caught:
        call()
    assert HERE in str(caught.value)
    assert isinstance(caught.value, FloatingPointError)


def test_the_operation_of_several_results() -> None:
    def f(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a)
        return np.sqrt(s).sum() + u[0, 0] * vh[0, 0]

    with detect_anomaly(inf=True), pytest.raises(AnomalyError, match=r"the pullback of sqrt .*infinity"):
        grad(f)(np.diag([1.0, 0.0]))


def test_infinities_on_request() -> None:
    with detect_anomaly():
        assert grad(lambda x: 1.0 / x)(0.0) == -np.inf
    with detect_anomaly(inf=True), pytest.raises(AnomalyError, match=r"divide at .*made an infinity of shape"):
        grad(lambda x: 1.0 / x)(0.0)


@pytest.mark.parametrize(
    ("f", "x", "name"),
    [
        (np.abs, 0.0, "absolute"),
        (lambda x: np.maximum(x, 0.0), 0.0, "maximum"),
        (lambda x: np.clip(x, 0.0, 1.0), 1.0, "minimum"),
        (np.max, np.array([1.0, 2.0, 2.0]), "max"),
        (lambda x: np.min(x.reshape(2, 2), axis=1).sum(), np.array([1.0, 2.0, 3.0, 3.0]), "min"),
        (np.linalg.norm, np.zeros(2), "root_sum_squares"),
        (np.std, np.ones(3), "root_sum_squares"),
        (lambda x: np.hypot(x, 0.0), 0.0, "hypot"),
    ],
)
def test_kinks_on_request(f: Any, x: Any, name: str) -> None:
    for run in (
        grad(f),
        jacfwd(f),
        lambda x: vmap(grad(f))(np.stack([x + np.arange(1.0, 1 + np.size(x)).reshape(np.shape(x)), x])),
    ):
        with detect_anomaly(kinks=True), pytest.raises(AnomalyError, match=rf"^{name} was at a kink or tie.*{HERE}"):
            run(x)
        with detect_anomaly():
            run(x)
    with detect_anomaly(kinks=True):
        grad(f)(x + 0.1 * np.arange(1.0, 1 + np.size(x)).reshape(np.shape(x)))


def test_a_nan_of_the_caller_is_no_anomaly() -> None:
    with detect_anomaly():
        assert np.isnan(grad(lambda x: x * x)(np.nan))
        np.testing.assert_array_equal(grad(lambda x: (x * x).sum())(np.array([np.nan, 1.0])), [np.nan, 2.0])


def test_results_are_the_same_within() -> None:
    x = np.array([0.3, 2.0])
    f = lambda x: softplus(x) * np.linalg.svd(np.outer(x, x) + np.eye(2))[1].sum()
    transforms = (
        grad(f),
        hessian(f),
        jacfwd(f),
        lambda x: vmap(grad(f))(np.stack([x, x])),
        grad(lambda x: grad(f)(x).sum()),
    )
    expected = [d(x) for d in transforms]
    with detect_anomaly():
        for d, e in zip(transforms, expected, strict=True):
            np.testing.assert_array_equal(d(x), e)


def test_nothing_is_left_behind() -> None:
    before = [dict(vars(level)) for level in (*LEVELS, ClosedLevel)]
    with detect_anomaly(), detect_anomaly(inf=True), pytest.raises(AnomalyError):
        grad(ratio)(ZERO)
    after = [dict(vars(level)) for level in (*LEVELS, ClosedLevel)]
    assert all(a.keys() == b.keys() and all(a[k] is b[k] for k in a) for a, b in zip(after, before, strict=True))
    assert not reverse.WATCHERS
    assert np.isnan(grad(ratio)(ZERO)[0])


def test_in_another_thread() -> None:
    found: list[Any] = []

    def work() -> None:
        try:
            grad(softplus)(X)
        except AnomalyError as e:
            found.append(e)

    with detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(found) == 1


def test_a_leaked_tensor_names_the_line_that_made_it() -> None:
    box: list[Any] = []

    def f(x: Any) -> Any:
        doubled = x * 2
        box.append(doubled)
        return (doubled * doubled).sum()

    with detect_anomaly():
        for run in (lambda: grad(f)(X), lambda: jvp(f, (X,), (X,)), lambda: vmap(f)(X)):
            box.clear()
            run()
            for use in (lambda t: t + 1, lambda t: t.shape, np.sin, float):
                with pytest.raises((LeakedTensorError, dualad.UntrackedError), match=r"doubled = x \* 2|stop_gradient"):
                    use(box[0])
            with pytest.raises(LeakedTensorError, match=r"made at .*doubled = x \* 2"):
                box[0] + 1
    with pytest.raises(LeakedTensorError, match="detect_anomaly"):
        box[0] + 1
