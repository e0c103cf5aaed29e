"""JAX as the oracle: for each primitive the JAX function of the same arguments, and its derivatives from one compilation."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dualad.ops.index import _fill
from tests import oracles

jax.config.update("jax_enable_x64", True)


def _index_set(x: Any, v: Any, *arrays: Any, template: Any) -> Any:
    return x.at[_fill(template, arrays)].set(v)


def _scan_with(f: Any) -> Any:
    def scan(x: Any, axis: int, reverse: bool) -> Any:
        return jnp.flip(f(jnp.flip(x, axis), axis=axis), axis) if reverse else f(x, axis=axis)

    return scan


def _recurrence(a: Any, b: Any, axis: int, reverse: bool) -> Any:
    def step(s: Any, ab: Any) -> Any:
        s = ab[0] * s + ab[1]
        return s, s

    if not b.size:
        return b
    a, b = jnp.moveaxis(a, axis, 0), jnp.moveaxis(b, axis, 0)
    return jnp.moveaxis(jax.lax.scan(step, jnp.zeros_like(b[0]), (a, b), reverse=reverse)[1], 0, axis)


def _cofactor(a: Any, *ts: Any) -> Any:
    def f(m: Any) -> Any:
        return jnp.linalg.det(m)[..., None, None] * jnp.swapaxes(jnp.linalg.inv(m), -1, -2)

    for t in ts:
        f = functools.partial(lambda h, t, m: jax.jvp(h, (m,), (t,))[1], f, t)
    return f(a)


ORACLE: dict[str, Any] = {
    "stop_gradient": jax.lax.stop_gradient,
    "real_part": jnp.real,
    "imag_part": jnp.imag,
    "strong_multiply": jnp.multiply,
    "strong_scale": jnp.multiply,
    "quotient": jnp.divide,
    "logistic_share": lambda a, b: jax.nn.sigmoid(a - b),
    "nextafter": lambda a, b: a + 0 * b,
    "fraction": lambda x: x - jax.lax.stop_gradient(jnp.trunc(x)),
    "mantissa": lambda x: x * jax.lax.stop_gradient(2.0 ** -jnp.frexp(x)[1].astype(x.dtype)),
    "ldexp": lambda x, n: x * (2.0 ** jnp.asarray(n, x.dtype)),
    "copysign": lambda a, b: jnp.abs(a) * jnp.sign(b),
    "absolute": lambda z: jnp.sqrt(jnp.real(z) ** 2 + jnp.imag(z) ** 2) if jnp.iscomplexobj(z) else jnp.abs(z),
    "unwrap": lambda x, axis, discont, period: jnp.unwrap(x, discont, axis, period),
    "sinc_derivative": lambda n, x: jnp.sinc(x / jnp.pi),
    "astype": lambda x, dtype: jax.lax.convert_element_type(jnp.real(x) if np.dtype(dtype).kind != "c" else x, dtype),
    "transpose": lambda x, axes: jnp.transpose(x, axes),
    "index": lambda x, *arrays, template: x[_fill(template, arrays)],
    "scatter": lambda v, *arrays, template, shape: jnp.zeros(shape, v.dtype).at[_fill(template, arrays)].add(v),
    "index_set": _index_set,
    "cumsum": _scan_with(jnp.cumsum),
    "cumprod": _scan_with(jnp.cumprod),
    "recurrence": _recurrence,
    "ratio": lambda x, y: x / y,
    "root_sum_squares": lambda x, axis: jnp.sqrt(jnp.sum(x * x, axis)),
    "matmul": lambda a, b: a @ b,
    "einsum": lambda *xs, terms, out: jnp.einsum(f"{','.join(terms)}->{out}", *xs),
    "convolve": lambda a, v: jnp.convolve(a, v),
    "fft": lambda x, n, axis, norm: jnp.fft.fft(x, n, axis, norm),
    "ifft": lambda x, n, axis, norm: jnp.fft.ifft(x, n, axis, norm),
    "rfft": lambda x, n, axis, norm: jnp.fft.rfft(x, n, axis, norm),
    "irfft": lambda x, n, axis, norm: jnp.fft.irfft(x, n, axis, norm),
    "cofactor": _cofactor,
    "inverse_or_nan": jnp.linalg.inv,
    "pinv": lambda a, rcond, hermitian: jnp.linalg.pinv(a),
    "qr": lambda a, full: jnp.linalg.qr(a),
    "svd": lambda a, full: jnp.linalg.svd(a, full_matrices=False),
    "eigh": lambda a, UPLO: jnp.linalg.eigh(a),
    "gap_reciprocal": lambda x, limit: 1 / x,
    "gap_zero": lambda x, limit: 0 * x,
    "permute_along": lambda x, order, axis: jnp.take_along_axis(x, order, axis),
    "stack": lambda *xs, axis: jnp.stack(xs, axis),
    "concatenate": lambda *xs, axis: jnp.concatenate(xs, axis),
}
"""Primitives whose oracle is not ``jax.numpy.<name>(*args, **params)``."""


ORACLE |= {
    "rgamma": lambda x: 1 / jax.scipy.special.gamma(x),
    "log_expit": jax.nn.log_sigmoid,
    "erfcinv": lambda x: jax.scipy.special.erfinv(1 - x),
    "loggamma": jax.scipy.special.gammaln,
}

# JAX has no such function (or no derivative of it): central differences of the value and of the first derivative decide.
BY_DIFFERENCES = {"j0", "j1", "y0", "y1", "jv", "yv", "iv", "kv", "exp1", "expn", "spence"}

for _found in pkgutil.iter_modules(oracles.__path__):
    _topic = importlib.import_module(f"tests.oracles.{_found.name}")
    ORACLE |= getattr(_topic, "ORACLE", {})
    BY_DIFFERENCES |= getattr(_topic, "BY_DIFFERENCES", set())


def function(name: str) -> Any:
    """The oracle of a primitive."""
    if name in ORACLE:
        return ORACLE[name]
    for module in (jnp, jnp.linalg, jnp.fft, jax.scipy.special, jax.scipy.linalg):
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(f"no oracle for primitive {name!r}: add one to tests/oracle.py or tests/oracles/")


def derivatives(
    name: str, args: tuple[Any, ...], params: dict[str, Any], moving: tuple[int, ...], ts: Any, us: Any, gs: Any
) -> Any:
    """(y, jvp along ts, vjp of gs, second derivative along ts and us), jitted as one program."""
    f = functools.partial(function(name), **params)

    def of_moving(*moved: Any) -> Any:
        full = list(args)
        for i, x in zip(moving, moved, strict=True):
            full[i] = x
        out = f(*full)
        return tuple(out) if isinstance(out, (tuple, list)) else out

    def program(xs: Any, ts: Any, us: Any, gs: Any) -> Any:
        y, t = jax.jvp(of_moving, xs, ts)
        _, pullback = jax.vjp(of_moving, *xs)
        _, second = jax.jvp(lambda *v: jax.jvp(of_moving, v, ts)[1], xs, us)
        return y, t, pullback(gs), second

    return jax.jit(program)(tuple(args[i] for i in moving), ts, us, gs)
