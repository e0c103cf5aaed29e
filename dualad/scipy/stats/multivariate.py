"""Distributions of vectors and matrices: multivariate_normal, multivariate_t, dirichlet, multinomial, wishart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, ShapeError
from dualad.numpy import diagonal, eye, moveaxis
from dualad.numpy.linalg import cholesky, solve
from dualad.ops.arithmetic import equal, stop_gradient, where
from dualad.ops.contract import matmul
from dualad.ops.normal_box import box
from dualad.ops.reduce import sum
from dualad.ops.rounding import floor
from dualad.ops.sampling import Draws, dirichlet_sample, draw_vectors
from dualad.ops.shape import broadcast_to
from dualad.ops.special import digamma, gammaln
from dualad.ops.transcendental import exp, log, log1p
from dualad.scipy.stats.discrete import times_log
from dualad.scipy.stats.distribution import LOG2, LOG_ROOT_2PI, Frozen, edge_xlogy, no_method, quiet, real


def total(x: Any, axis: int = -1) -> Any:
    return sum(x, axis=(axis % x.ndim,))


def factor(cov: Any, name: str, what: str) -> Any:
    """The Cholesky factor of a positive definite matrix."""
    try:
        return cholesky(cov)
    except np.linalg.LinAlgError:
        raise ArgumentError(
            f"{name}: {what} is not positive definite. Use a symmetric positive definite matrix, for instance "
            f"{what} + 1e-8 * numpy.eye(n)."
        ) from None


def half_log_det(root: Any) -> Any:
    return total(log(diagonal(root, axis1=-2, axis2=-1)))


class Multivariate:
    """What distributions of vectors and matrices have in common."""

    name: str

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The distribution with these parameters."""
        return Frozen(self, args, keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise no_method(self.name, name.lstrip("_"))


class _Elliptical(Multivariate):
    """A location, a matrix, and x as SciPy takes it: points along the last axis."""

    name: str

    def _parameters(self, loc: Any, matrix: Any, what: str) -> tuple[Any, Any]:
        given = None if loc is None else real(loc, self.name)
        matrix = real(matrix, self.name)
        d = given.size if given is not None else 1 if matrix.ndim == 0 else matrix.shape[0]
        if matrix.ndim == 0:
            matrix = matrix * eye(d)
        elif matrix.ndim == 1:
            matrix = matrix[:, None] * eye(matrix.shape[0])
        if matrix.shape != (d, d):
            raise ShapeError(
                f"{self.name}: {what} has shape {matrix.shape}, the location {d} elements. Need ({d}, {d})."
            )
        return (np.zeros(d) if given is None else given.reshape(d)), matrix

    def _points(self, x: Any, d: int) -> Any:
        x = real(x, self.name)
        if x.ndim == 0 or (x.ndim == 1 and d == 1):
            x = x[..., None]
        if x.shape[-1] != d:
            raise ShapeError(f"{self.name}: x has shape {x.shape}, but points have {d} elements, along its last axis.")
        return x

    def _distance(self, x: Any, loc: Any, root: Any) -> tuple[Any, tuple[int, ...]]:
        """The squared Mahalanobis distance of each point, and the shape of the result."""
        d = loc.shape[0]
        x = self._points(x, d)
        shape = x.shape[:-1]
        w = solve(root, (x - loc).reshape((-1, d)).T)
        squares = sum(w * w, axis=(0,)).reshape(shape)
        return (squares.reshape(()) if shape == (1,) else squares)[()], shape


_SAME = Draws(0)


class MultivariateNormal(_Elliptical):
    """``scipy.stats.multivariate_normal`` with derivatives in x, mean and a dense covariance, by its Cholesky factor.

    log p(x) = -(d log 2 pi + log det cov + (x - mean)^T cov^-1 (x - mean)) / 2. x has points along its last axis, cov is a
    matrix, a vector (its diagonal) or a number. Raises ``ArgumentError`` where cov is not positive definite. The derivative
    in cov is symmetric.

    >>> import numpy as np
    >>> from dualad import grad
    >>> from dualad.scipy.stats import multivariate_normal
    >>> grad(lambda x: multivariate_normal.logpdf(x, np.zeros(2), np.diag([1.0, 4.0])))(np.array([1.0, 2.0]))
    array([-1. , -0.5])
    """

    name = "multivariate_normal"

    def _regular(self, allow_singular: bool) -> None:
        if allow_singular:
            raise ArgumentError(
                "multivariate_normal: allow_singular=True has no derivative in the covariance, whose rank jumps. Leave it "
                "away, and add a small multiple of the identity to cov."
            )

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        self._regular(allow_singular)
        mean, cov = self._parameters(mean, cov, "cov")
        root = factor(cov, self.name, "cov")
        squares, _ = self._distance(x, mean, root)
        return -0.5 * squares - half_log_det(root) - mean.shape[0] * LOG_ROOT_2PI

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """The density: the exponential of ``logpdf``."""
        return exp(self.logpdf(x, mean, cov, allow_singular))

    def cdf(
        self,
        x: Any,
        mean: Any = None,
        cov: Any = 1,
        allow_singular: bool = False,
        maxpts: Any = None,
        abseps: float = 1e-5,
        releps: float = 1e-5,
        *,
        lower_limit: Any = None,
        rng: Any = None,
    ) -> Any:
        """The probability that lower_limit < X < x in every element, with derivatives in x, mean, cov and lower_limit.

        SciPy's value: to rounding for one and two elements, beyond by quasi-Monte Carlo to about ``abseps``, with the numbers
        of ``rng``; without it always the same ones, so that the function is one of its arguments. A derivative in x, mean or
        lower_limit is by probabilities of one variable less, one in cov of one and two less (Plackett 1954): to rounding for
        up to three elements. Shapes as in ``logpdf``; lower_limit broadcasts with x.

        >>> import numpy as np
        >>> from dualad import grad
        >>> from dualad.scipy.stats import multivariate_normal
        >>> cov = np.array([[1.0, 0.5], [0.5, 1.0]])
        >>> grad(lambda c: multivariate_normal.cdf(np.zeros(2), cov=c))(cov).round(8)
        array([[-0.04594407,  0.09188815],
               [ 0.09188815, -0.04594407]])
        """
        self._regular(allow_singular)
        mean, cov = self._parameters(mean, cov, "cov")
        factor(stop_gradient(cov), self.name, "cov")
        ends = [self._points(v, mean.shape[0]) for v in (x, lower_limit) if v is not None]
        shape = np.broadcast_shapes(*[e.shape for e in ends])
        ends = [broadcast_to(e - mean, shape=shape) for e in ends]
        tolerances = {"maxpts": maxpts, "abseps": abseps, "releps": releps}
        y = box(cov, ends, draws=_SAME if rng is None else Draws(rng), tolerances=tolerances)
        return y.reshape(tuple(n for n in y.shape if n != 1))[()]

    def logcdf(
        self,
        x: Any,
        mean: Any = None,
        cov: Any = 1,
        allow_singular: bool = False,
        maxpts: Any = None,
        abseps: float = 1e-5,
        releps: float = 1e-5,
        *,
        lower_limit: Any = None,
        rng: Any = None,
    ) -> Any:
        """The logarithm of ``cdf``, as in SciPy: -inf where that is 0, NaN where limits in the wrong order make it negative."""
        return log(self.cdf(x, mean, cov, allow_singular, maxpts, abseps, releps, lower_limit=lower_limit, rng=rng))

    def entropy(self, mean: Any = None, cov: Any = 1) -> Any:
        """d (1 + log 2 pi) / 2 + log det cov / 2."""
        mean, cov = self._parameters(mean, cov, "cov")
        return mean.shape[0] * (0.5 + LOG_ROOT_2PI) + half_log_det(factor(cov, self.name, "cov"))

    def rvs(self, mean: Any = None, cov: Any = 1, size: Any = 1, random_state: Any = None) -> Any:
        """SciPy's variates, as mean + L w with L the Cholesky factor of cov and w held constant."""
        mean, cov = self._parameters(mean, cov, "cov")
        root = factor(cov, self.name, "cov")
        x = draw_vectors(mean, cov, distribution=self.name, draws=Draws(random_state), size=size)
        d = mean.shape[0]
        flat = x.reshape((-1, d))
        w = stop_gradient(solve(root, (flat - mean).T))
        return (mean + matmul(root, w).T).reshape(x.shape)


class MultivariateT(_Elliptical):
    """``scipy.stats.multivariate_t`` with derivatives in x, loc, shape (by its Cholesky factor) and df.

    Density proportional to (1 + (x - loc)^T shape^-1 (x - loc) / df)^(-(df + d) / 2). Arguments as in
    ``multivariate_normal``.
    """

    name = "multivariate_t"

    def logpdf(self, x: Any, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
        loc, shape = self._parameters(loc, shape, "shape")
        df = real(df, self.name)
        root = factor(shape, self.name, "shape")
        squares, _ = self._distance(x, loc, root)
        d = loc.shape[0]
        constant = gammaln(0.5 * (df + d)) - gammaln(0.5 * df) - 0.5 * d * log(df * math.pi) - half_log_det(root)
        return constant - 0.5 * (df + d) * log1p(squares / df)

    def pdf(self, x: Any, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
        """The density: the exponential of ``logpdf``."""
        return exp(self.logpdf(x, loc, shape, df))


class Dirichlet(Multivariate):
    """``scipy.stats.dirichlet`` with derivatives in x (all its elements free) and alpha.

    log p(x) = log Gamma(sum alpha) - sum log Gamma(alpha) + sum (alpha - 1) log x; x has its elements along axis 0, as in
    SciPy. Off the simplex (elements negative, or a sum other than 1 within 1e-9) the density is 0, with zero derivatives.
    """

    name = "dirichlet"

    def _alpha(self, alpha: Any) -> Any:
        alpha = real(alpha, self.name)
        if alpha.ndim != 1:
            raise ShapeError(f"dirichlet: alpha has shape {alpha.shape}; it must be a vector.")
        return alpha

    @quiet
    def logpdf(self, x: Any, alpha: Any) -> Any:
        alpha = self._alpha(alpha)
        x = real(x, self.name)
        if x.ndim == 0 or x.shape[0] != alpha.shape[0]:
            raise ShapeError(f"dirichlet: x has shape {x.shape}; it needs {alpha.shape[0]} elements along axis 0.")
        x = moveaxis(x, 0, -1)
        inside = (abs(total(x) - 1) <= 1e-9) & equal(total(1.0 * (x < 0)), 0)
        ok = equal(total(1.0 * (alpha > 0)), alpha.shape[0])
        alpha = where(alpha > 0, alpha, 1.0)
        x = where(inside[..., None], x, 1 / alpha.shape[0])
        y = total(edge_xlogy(alpha - 1, x)) + gammaln(total(alpha)) - total(gammaln(alpha))
        return where(ok, where(inside, y, -math.inf), math.nan)

    def pdf(self, x: Any, alpha: Any) -> Any:
        """The density: the exponential of ``logpdf``."""
        return exp(self.logpdf(x, alpha))

    def mean(self, alpha: Any) -> Any:
        """alpha / sum alpha."""
        alpha = self._alpha(alpha)
        return alpha / total(alpha)

    def var(self, alpha: Any) -> Any:
        """m (1 - m) / (sum alpha + 1) with m the mean."""
        alpha = self._alpha(alpha)
        s = total(alpha)
        return alpha * (s - alpha) / (s * s * (s + 1))

    def entropy(self, alpha: Any) -> Any:
        """log B(alpha) + (s - K) psi(s) - sum (alpha - 1) psi(alpha)."""
        alpha = self._alpha(alpha)
        s = total(alpha)
        log_beta = total(gammaln(alpha)) - gammaln(s)
        return log_beta + (s - alpha.shape[0]) * digamma(s) - total((alpha - 1) * digamma(alpha))

    def rvs(self, alpha: Any, size: Any = 1, random_state: Any = None) -> Any:
        """SciPy's variates with pathwise derivatives (Jankowiak & Obermeyer 2018, arXiv:1806.01851)."""
        alpha = self._alpha(alpha)
        z = draw_vectors(alpha, distribution=self.name, draws=Draws(random_state), size=size)
        return dirichlet_sample(alpha, z)


class Multinomial(Multivariate):
    """``scipy.stats.multinomial`` with derivatives in p, whose elements are all free.

    log P(x) = log n! - sum log x! + sum x log p; counts along the last axis, with zero derivatives. Where the counts are no
    counts or do not add up to n, the probability is 0; where p does not add up to 1 (within 1e-9), NaN.
    """

    name = "multinomial"

    @quiet
    def logpmf(self, x: Any, n: Any, p: Any) -> Any:
        x, n = stop_gradient(real(x, self.name)), stop_gradient(real(n, self.name))
        p = real(p, self.name)
        inside = equal(total(x), n) & equal(total(1.0 * ((x < 0) | (x > floor(x)))), 0)
        ok = (abs(total(p) - 1) <= 1e-9) & equal(total(1.0 * (p < 0)), 0)
        x = where(inside[..., None], x, 0.0)
        y = gammaln(n + 1) + total(times_log(x, p) - gammaln(x + 1))
        return where(ok, where(inside, y, -math.inf), math.nan)

    def pmf(self, x: Any, n: Any, p: Any) -> Any:
        """The probability: the exponential of ``logpmf``."""
        return exp(self.logpmf(x, n, p))

    def mean(self, n: Any, p: Any) -> Any:
        """n p."""
        return stop_gradient(real(n, self.name))[..., None] * real(p, self.name)


class Wishart(Multivariate):
    """``scipy.stats.wishart`` with derivatives in x, df and scale, by their Cholesky factors.

    x is a matrix, or matrices along the last axis, as in SciPy. Raises ``ArgumentError`` where x or scale is not positive
    definite.
    """

    name = "wishart"

    def logpdf(self, x: Any, df: Any, scale: Any) -> Any:
        df, scale, x = real(df, self.name), real(scale, self.name), real(x, self.name)
        if scale.ndim != 2 or x.ndim not in (2, 3) or x.shape[:2] != scale.shape:
            raise ShapeError(
                f"wishart: x has shape {x.shape}, scale {scale.shape}. Need (p, p) or (p, p, n), and (p, p)."
            )
        d = scale.shape[0]
        if x.ndim == 3:
            x = moveaxis(x, -1, 0)
        root_scale, root = factor(scale, self.name, "scale"), factor(x, self.name, "x")
        w = solve(broadcast_to(root_scale, shape=root.shape), root)
        trace = total(total(w * w))
        log_gamma = 0.25 * d * (d - 1) * math.log(math.pi) + total(gammaln(0.5 * (df - np.arange(d))))
        y = (df - d - 1) * half_log_det(root) - 0.5 * trace - df * half_log_det(root_scale)
        return y - 0.5 * df * d * LOG2 - log_gamma

    def pdf(self, x: Any, df: Any, scale: Any) -> Any:
        """The density: the exponential of ``logpdf``."""
        return exp(self.logpdf(x, df, scale))

    def mean(self, df: Any, scale: Any) -> Any:
        """df scale."""
        return real(df, self.name) * real(scale, self.name)


multivariate_normal = MultivariateNormal()
multivariate_t = MultivariateT()
dirichlet = Dirichlet()
multinomial = Multinomial()
wishart = Wishart()
