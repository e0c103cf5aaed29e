"""Oracles of linear algebra: JAX where it has the function, differences where it has not."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def _solve_banded(ab: Any, b: Any, l: int, u: int) -> Any:
    def one(ab: Any) -> Any:
        n = ab.shape[-1]
        dense = sum(jnp.diag(ab[u + d, max(0, -d) : n - max(0, d)], -d) for d in range(-u, l + 1))
        return jnp.linalg.solve(dense, b)

    return jnp.vectorize(one, signature="(r,n)->(n,k)")(ab)


def _solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    def one(a: Any, b: Any, q: Any) -> Any:
        m, n = q.shape
        system = jnp.kron(a, jnp.eye(n)) + jnp.kron(jnp.eye(m), b.T)
        return jnp.linalg.solve(system, q.ravel()).reshape(m, n)

    return jnp.vectorize(one, signature="(m,m),(n,n),(m,n)->(m,n)")(a, b, q)


def _polar(a: Any) -> Any:
    """By the series that converges to the factor without its singular vectors (Newton; Higham 2008, eq. 8.17)."""
    h = jnp.swapaxes(a, -1, -2).conj()
    s = h @ a
    e = jnp.broadcast_to(jnp.eye(s.shape[-1], dtype=s.dtype), s.shape)
    p, z = s, e
    for _ in range(12):  # Denman & Beavers
        p, z = (p + jnp.linalg.inv(z)) / 2, (z + jnp.linalg.inv(p)) / 2
    return a @ jnp.linalg.inv(p), p


def _lu(a: Any) -> Any:
    factor = lambda m: tuple(jax.scipy.linalg.lu(m)[1:])
    return jax.vmap(factor)(a) if a.ndim > 2 else factor(a)


def _eigh_tridiagonal(d: Any, e: Any, driver: str) -> Any:
    w, v = jnp.linalg.eigh(jnp.diag(d) + jnp.diag(e, 1) + jnp.diag(e, -1))
    return w, v


def _sqrtm(a: Any) -> Any:
    e = jnp.broadcast_to(jnp.eye(a.shape[-1], dtype=a.dtype), a.shape)
    y, z = a, e
    for _ in range(14):  # Denman & Beavers
        y, z = (y + jnp.linalg.inv(z)) / 2, (z + jnp.linalg.inv(y)) / 2
    return y


def _signm(a: Any) -> Any:
    for _ in range(14):  # Newton
        a = (a + jnp.linalg.inv(a)) / 2
    return a


ORACLE: dict[str, Any] = {
    "solve_triangular": lambda a, b, lower, unit: (
        jax.scipy.linalg.solve_triangular(a, b, lower=lower, unit_diagonal=unit)
        if a.ndim == 2
        else jnp.linalg.solve(jnp.tril(a) if lower else jnp.triu(a), b)
    ),
    "settle": lambda n, g, same, adapted: (n - jnp.swapaxes(n, -1, -2).conj(), g),
    "solve_banded": _solve_banded,
    "solve_sylvester": _solve_sylvester,
    "expm": jax.scipy.linalg.expm,
    "sqrtm": _sqrtm,
    "signm": _signm,
    "polar": _polar,
    "lu": _lu,
    "eigh_tridiagonal": _eigh_tridiagonal,
}

BY_DIFFERENCES = {"logm", "fractional_matrix_power"}
