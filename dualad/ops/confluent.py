"""Eigenvalues and singular values along a curve, where some of them are equal at its start.

For Hermitian A(t) = A_0 + A_1 t + ... there are eigenvalues and eigenvectors that are power series in t (Rellich). A unitary
series makes A block diagonal, one block for each different eigenvalue of A_0: with X_ij = M_ij / (w_j - w_i) outside of the
blocks, exp(t^k X) does it to order k. A block is then w I + t B(t), and B goes the same way, with one order less: what of
equal eigenvalues does not part at order 1 parts at order 2, and so on. Where orders run out, V(t) stays unitary to the full
order, and every smooth function of A(t) made of w(t) and V(t) has all its derivatives.

Eigenvalues are in ascending order, and singular values positive and in descending order, for small t > 0.

Sources: Rellich 1969, Perturbation Theory of Eigenvalue Problems, ch. 1; Kato 1995, Perturbation Theory for Linear Operators,
ch. II (the reduction process); singular values: Bunse-Gerstner et al. 1991, Numer. Math. 60, 1-39.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.ops.kinds import constant, leading_dims

Series = list[Any]
"""Matrices (or vectors): the coefficients of a power series."""


def _times(a: Series, b: Series) -> Series:
    return [sum(a[j] @ b[k - j] for j in range(k + 1)) for k in range(len(a))]


def _adjoint(a: Series) -> Series:
    return [np.conj(m.T) for m in a]


def _constant(u: Any, order: int) -> Series:
    return [u, *[np.zeros_like(u) for _ in range(order)]]


def _identity(n: int, order: int, dtype: Any) -> Series:
    return _constant(np.eye(n, dtype=dtype), order)


def any_basis(n: int, dtype: Any) -> Any:
    """A unitary matrix: no particular one. In a particular basis, such as that of I, a function that depends on the basis
    could look as if it did not."""
    rng = np.random.default_rng(n)
    m = rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if np.dtype(dtype).kind == "c" else 0)
    return np.linalg.qr(m)[0].astype(dtype)


def _exponential(x: Any, k: int, order: int) -> Series:
    """exp(t^k x)."""
    out = _identity(len(x), order, x.dtype)
    term = out[0]
    for j in range(1, order // k + 1):
        term = out[j * k] = term @ x / j
    return out


def _embedded(u: Series, block: Any, n: int) -> Series:
    """The identity, with u in the rows and columns of a block."""
    out = _identity(n, len(u) - 1, u[0].dtype)
    for k, m in enumerate(u):
        out[k][np.ix_(block, block)] = m
    return out


def _largest(m: Series) -> Any:
    return np.array([np.max(abs(x), initial=0) for x in m])


def _labels(w: Any, scale: Any) -> Any:
    """Numbers of sorted values, the same for those that equal each other to within rounding errors of numbers like scale."""
    apart = abs(np.diff(w)) > 4 * len(w) * np.finfo(w.dtype).eps * max(scale, np.max(abs(w), initial=0))
    return np.concatenate([[0], np.cumsum(apart)]) if len(w) else np.zeros(0, int)


def _within(m: Series, rows: Any, columns: Any) -> Series:
    """The coefficients of a block of (M(t) - M(0)) / t."""
    return [x[np.ix_(rows, columns)] for x in m[1:]]


def _hermitian(m: Series, order: int, scales: Any) -> tuple[Series, Series]:
    """Eigenvalues to the order of m, eigenvectors to ``order``; ``scales``: how large the numbers were that m is made of."""
    n, known = len(m[0]), len(m)
    w, u0 = np.linalg.eigh(m[0])
    u = _constant(u0, order)
    m = [np.conj(u0.T) @ x @ u0 for x in m]
    labels = _labels(w, scales[0])
    apart = labels[:, None] != labels
    gaps = np.where(apart, w - w[:, None], 1)
    for k in range(1, known):
        e = _exponential(np.where(apart, m[k] / gaps, 0), k, order)
        u = _times(u, e)
        m = _times(_times(_adjoint(e[:known]), m), e[:known])
    scales = np.maximum(scales, _largest(m))
    values = [np.real(np.diagonal(x)).copy() for x in m]
    for label in np.unique(labels):
        block = np.flatnonzero(labels == label)
        if len(block) == 1:
            continue
        if known > 1:
            mu, q = _hermitian(_within(m, block, block), order, scales[1:])
            for v, part in zip(values[1:], mu, strict=True):
                v[block] = part
        else:
            q = _constant(any_basis(len(block), u0.dtype), order)
        u = _times(u, _embedded(q, block, n))
    return values, u


def _singular(m: Series, order: int, scales: Any) -> tuple[Series, Series, Series]:
    """(s, P, Q) with P^H M Q diagonal, P and Q square; M has at least as many rows as columns."""
    (p, n), known = m[0].shape, len(m)
    u0, s, vh0 = np.linalg.svd(m[0])
    v0 = np.conj(vh0.T)
    u, v = _constant(u0, order), _constant(v0, order)
    m = [np.conj(u0.T) @ x @ v0 for x in m]
    labels = _labels(s, scales[0])
    zero = s <= 4 * max(p, 1) * np.finfo(s.dtype).eps * max(scales[0], np.max(s, initial=0))
    labels[zero] = n
    rows = np.concatenate([labels, np.full(p - n, n)])
    apart = rows[:, None] != rows
    full = np.concatenate([np.where(zero, 0, s), np.zeros(p - n)])
    for k in range(1, known):
        x, y = _rotations(m[k], full, apart)
        e, f = _exponential(x, k, order), _exponential(y, k, order)
        u, v = _times(u, e), _times(v, f)
        m = _times(_times(_adjoint(e[:known]), m), f[:known])
    scales = np.maximum(scales, _largest(m))
    values = [np.real(np.diagonal(x)).copy() for x in m]
    for label in np.unique(labels):
        block, left = np.flatnonzero(labels == label), np.flatnonzero(rows == label)
        if len(left) == 1:
            continue
        mu: Series = []
        if known == 1:
            a = b = _constant(any_basis(len(block), u0.dtype), order)
            left = left[: len(block)]
        elif label == n:
            mu, a, b = _singular(_within(m, left, block), order, scales[1:])
        else:
            down, a = _hermitian([-x for x in _within(m, block, block)], order, scales[1:])
            mu, b = [-x for x in down], a
        for value, part in zip(values[1:], mu, strict=known > 1):
            value[block] = part
        u, v = _times(u, _embedded(a, left, p)), _times(v, _embedded(b, block, n))
    return values, u, v


def _rotations(r: Any, s: Any, apart: Any) -> tuple[Any, Any]:
    """Antihermitian X, Y for which R - X S + S Y is 0 between different values, and Hermitian among equal ones."""
    p, n = r.shape
    x, y = np.zeros((p, p), r.dtype), np.zeros((n, n), r.dtype)
    top = r[:n]
    sj, si = s[:n], s[:n, None]
    between = apart[:n, :n]
    squares = np.where(between, (sj - si) * (sj + si), 1)
    x[:n, :n] = np.where(between, (sj * top + si * np.conj(top.T)) / squares, 0)
    y[:] = np.where(between, (si * top + sj * np.conj(top.T)) / squares, 0)
    within = ~between & (sj > 0)
    skew = np.where(within, (top - np.conj(top.T)) / np.where(within, sj + si, 1), 0)
    turn = np.diag(np.diagonal(skew))
    x[:n, :n] += (skew - turn) / 2 + turn
    y -= (skew - turn) / 2
    x[n:, :n] = np.where(apart[n:, :n], r[n:] / np.where(sj > 0, sj, 1), 0)
    x[:n, n:] = -np.conj(x[n:, :n].T)
    return x, y


def _transported(v: Series, *others: tuple[Series, int]) -> None:
    """Turn columns by phases so that V^H V' has a zero diagonal; the first columns of others turn with them."""
    if v[0].dtype.kind != "c":
        return
    order = len(v) - 1
    phase: Series = [np.ones(v[0].shape[1], v[0].dtype)]
    rate = [sum(np.sum(np.conj(v[j]) * v[k + 1 - j] * (k + 1 - j), 0) for j in range(k + 1)) for k in range(order)]
    rate = [1j * np.imag(r) for r in rate]
    for k in range(order):  # phase' = -rate phase
        phase.append(-sum(rate[j] * phase[k - j] for j in range(k + 1)) / (k + 1))
    for x, n in ((v, len(phase[0])), *others):
        turned = [sum(x[k - j][:, :n] * phase[j][:n] for j in range(k + 1)) for k in range(order + 1)]
        for c, t in zip(x, turned, strict=True):
            c[:, :n] = t


def _each(f: Any, coefficients: tuple[Any, ...]) -> tuple[Any, ...]:
    """``f`` of each matrix of a stack; its series, one after the other."""
    lead = np.broadcast_shapes(*[c.shape[:-2] for c in coefficients])
    whole = [np.broadcast_to(c, lead + c.shape[-2:]) for c in coefficients]
    out = [f([c[k] for c in whole]) for k in np.ndindex(*lead)]
    return tuple(np.stack(parts).reshape(lead + parts[0].shape) for parts in zip(*out, strict=True))


def _eigh_series(*coefficients: Any, UPLO: str) -> tuple[Any, ...]:
    def one(m: Series) -> Series:
        a = np.tril(m[0]) if UPLO == "L" else np.conj(np.triu(m[0]).T)
        a = a + np.conj(np.tril(a, -1).T)
        m = [a, *[(x + np.conj(x.T)) / 2 for x in m[1:]]]
        w, v = _hermitian(m, len(m) - 1, _largest(m))
        _transported(v)
        return [*w, *v]

    return _each(one, coefficients)


def _svd_series(*coefficients: Any, full: bool) -> tuple[Any, ...]:
    def one(m: Series) -> Series:
        wide = m[0].shape[0] < m[0].shape[1]
        s, u, v = _singular(_adjoint(m) if wide else m, len(m) - 1, _largest(m))
        if wide:
            u, v = v, u
        k = len(s[0])
        _transported([x[:, :k] for x in v], (u, k))  # views
        return [*[x if full else x[:, :k] for x in u], *s, *_adjoint(v if full else [x[:, :k] for x in v])]

    return _each(one, coefficients)


eigh_series = constant("eigh_series", _eigh_series, 0, batch=leading_dims)
svd_series = constant("svd_series", _svd_series, 0, batch=leading_dims)
eigh_series.multiple = svd_series.multiple = True
