"""Standard problems with sparse derivatives, from their published formulas."""

from __future__ import annotations

from typing import Any


def brusselator(size: int) -> Any:
    """The 2-D Brusselator's right-hand side, periodic, (2 size^2) unknowns (Hairer & Wanner 1996, II.10, sec. II.10)."""
    a, b, alpha = 3.4, 1.0, 10.0 * (size - 1) ** 2

    def f(np: Any, y: Any) -> Any:
        n = size * size
        u, v = np.reshape(y[:n], (size, size)), np.reshape(y[n:], (size, size))

        def laplacian(w: Any) -> Any:
            return np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4.0 * w

        uuv = u * u * v
        du = b + uuv - (a + 1.0) * u + alpha * laplacian(u)
        dv = a * u - uuv + alpha * laplacian(v)
        return np.concatenate([np.ravel(du), np.ravel(dv)])

    return f


def brusselator_casadi(size: int) -> Any:
    """The same in CasADi's scalar expressions, whose matrices have no roll."""
    a, b, alpha = 3.4, 1.0, 10.0 * (size - 1) ** 2

    def f(ca: Any, y: Any) -> Any:
        n = size * size
        u, v = ca.reshape(y[:n], size, size), ca.reshape(y[n:], size, size)

        def laplacian(w: Any) -> Any:
            rows = ca.vertcat(w[-1, :], w[:-1, :]) + ca.vertcat(w[1:, :], w[0, :])
            return rows + ca.horzcat(w[:, -1], w[:, :-1]) + ca.horzcat(w[:, 1:], w[:, 0]) - 4.0 * w

        uuv = u * u * v
        du = b + uuv - (a + 1.0) * u + alpha * laplacian(u)
        dv = a * u - uuv + alpha * laplacian(v)
        return ca.vertcat(ca.vec(du), ca.vec(dv))

    return f


def broyden(np: Any, x: Any) -> Any:
    """Broyden's tridiagonal function (More, Garbow & Hillstrom 1981, problem 30)."""
    zero = x[:1] * 0.0
    left, right = np.concatenate([zero, x[:-1]]), np.concatenate([x[1:], zero])
    return (3.0 - 2.0 * x) * x - left - 2.0 * right + 1.0


def rosenbrock(np: Any, x: Any) -> Any:
    """The extended Rosenbrock function (More, Garbow & Hillstrom 1981, problem 21)."""
    a, b = x[::2], x[1::2]
    return np.sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2)


def arrow(np: Any, x: Any) -> Any:
    """A dense first row and column, and a diagonal."""
    first = np.sum(x * x)
    return np.concatenate([np.reshape(first, (1,)), x[1:] * x[1:] * x[0]])


def bottleneck(wide: int, narrow: int) -> Any:
    """R^wide -> R^narrow -> R^wide."""
    import numpy

    rng = numpy.random.default_rng(0)
    down, up = rng.normal(size=(narrow, wide)) / wide**0.5, rng.normal(size=(wide, narrow))

    def f(np: Any, x: Any) -> Any:
        return np.tanh(up @ np.sin(down @ np.tanh(x)))

    f.matrices = down, up  # type: ignore[attr-defined]
    return f


def springs(points: int, pairs: int) -> Any:
    """The energy of springs between random pairs of points in the plane, (2 points) unknowns: an irregular Hessian."""
    import numpy

    rng = numpy.random.default_rng(0)
    i = rng.integers(0, points, pairs)
    j = (i + 1 + rng.integers(0, points - 1, pairs)) % points

    def f(np: Any, x: Any) -> Any:
        q = np.reshape(x, (points, 2))
        d = q[i] - q[j]
        r = np.sqrt(np.sum(d * d, 1) + 0.01)
        return np.sum((r - 1.0) ** 2)

    return f


def products(unknowns: int, pairs: int) -> Any:
    """Sines of products of random pairs: a Hessian with the pattern of a random graph."""
    import numpy

    rng = numpy.random.default_rng(0)
    i, j = rng.integers(0, unknowns, (2, pairs))
    w = rng.normal(size=pairs)

    def f(np: Any, x: Any) -> Any:
        return np.sum(w * np.sin(x[i] * x[j])) + np.sum(x**4)

    return f
