"""What all distributions share: arguments, support, location and scale, the methods that follow from others."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError, NotDifferentiable, ShapeError
from dualad.core.tensor import Tensor
from dualad.modes.batch import BatchLevel
from dualad.numpy.operands import operand, refuse_complex
from dualad.ops.arithmetic import equal, isfinite, isnan, stop_gradient, where
from dualad.ops.rounding import floor
from dualad.ops.sampling import Draws, draw, quantile_value
from dualad.ops.shape import astype, broadcast_to, reshape
from dualad.ops.special import xlog1py, xlogy
from dualad.ops.transcendental import exp, expm1, log, log1p, sqrt

EULER = 0.5772156649015329
LOG2 = math.log(2)
LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)

# Helpers of the formulas --------------------------------------------------------------------------


def log1mexp(w: Any) -> Any:
    """log(1 - e^-w) for w > 0 (Maechler 2012, "Accurately computing log(1 - exp(-|a|))", eq. 7)."""
    small = w < LOG2
    near = log(-expm1(-where(small, w, 1.0)))
    return where(small, near, log1p(-exp(-where(small, 1.0, w))))


def log_of(p: Any, rest: Any) -> Any:
    """log p, where p + rest = 1 and each is accurate where it is small; a constant -inf where p has underflown."""
    small, none = p < 0.5, equal(p, 0)
    near = log(where(small & ~none, p, 1.0))
    return where(none, -math.inf, where(small, near, log1p(-where(small, 0.0, rest))))


def steep_exp(n: Any) -> Any:
    """e^n for a cumulative hazard: a constant infinity where it overflows."""
    over = n > 709
    return where(over, math.inf, exp(where(over, 0.0, n)))


def log1mexp_of_log(n: Any) -> Any:
    """log(1 - exp(-e^n)), which is n - e^n / 2 + O(e^2n) far to the left."""
    far = n < -30
    left = where(far, n, -30.0)
    return where(far, left - 0.5 * exp(left), log1mexp(steep_exp(where(far, 0.0, n))))


def edge_xlogy(c: Any, z: Any) -> Any:
    """c log z; at z = 0, the edge of a support, its value as a constant: 0, -inf or inf."""
    at = equal(z, 0)
    return where(at, _edge(c), xlogy(c, where(at, 1.0, z)))


def edge_xlog1py(c: Any, z: Any) -> Any:
    """c log(1 + z), at z = -1 as ``edge_xlogy``."""
    at = equal(z, -1)
    return where(at, _edge(c), xlog1py(c, where(at, 0.0, z)))


def _edge(c: Any) -> Any:
    return where(equal(c, 0), 0.0, where(c > 0, -math.inf, math.inf))


# Arguments ------------------------------------------------------------------------------------------


def quiet(f: Callable[..., Any]) -> Callable[..., Any]:
    """Both branches of a ``where`` are computed; NumPy's warnings of the branch not taken are no news."""

    @functools.wraps(f)
    def run(*args: Any, **keywords: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            return f(*args, **keywords)

    return run


def real(x: Any, name: str) -> Any:
    """An argument in double precision, in which SciPy computes distributions."""
    x = operand(x)
    refuse_complex(x, name)
    if type(x) is Tensor:
        return x if x.dtype == np.float64 else astype(x, dtype=np.dtype(np.float64))
    return np.asarray(x, float)[()]


def sizes(size: Any, *parts: Any) -> tuple[int, ...]:
    """The shape of a sample: ``size``, or what the parameters broadcast to."""
    shape = np.broadcast_shapes(*[np.shape(p) if type(p) is not Tensor else p.shape for p in parts])
    if size is None:
        return shape
    wanted = (int(size),) if np.ndim(size) == 0 else tuple(int(n) for n in size)
    fits = len(shape) <= len(wanted) and all(
        m in (1, n) for m, n in zip(reversed(shape), reversed(wanted), strict=False)
    )
    if not fits:
        raise ShapeError(f"rvs: size={wanted}, but the parameters broadcast to {shape}, which does not fit into it.")
    return wanted


def without_leading_ones(p: Any) -> Any:
    """A parameter as SciPy's ``rvs`` reads it."""
    k = 0
    while k < p.ndim and p.shape[k] == 1:
        k += 1
    return reshape(p, shape=p.shape[k:]) if k else p


class Distribution:
    """Names, arguments and what continuous and discrete distributions have in common."""

    shapes: tuple[str, ...] = ()
    defaults: tuple[float, ...] = ()  # shape parameters that stand in where the given ones are invalid
    extra: tuple[tuple[str, float], ...] = ()  # loc and scale with their defaults
    METHODS: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.__name__ = name
        extra = ", ".join(f"{n}={v:g}" for n, v in self.extra)
        self.__doc__ = f"``scipy.stats.{name}`` with derivatives: parameters {', '.join((*self.shapes, extra))}."

    def __repr__(self) -> str:
        return f"<dualad.scipy.stats.{self.name}>"

    def __call__(self, *args: Any, **keywords: Any) -> Frozen:
        """The distribution with its parameters fixed: ``norm(loc, scale).logpdf(x)``."""
        self.bound(args, keywords)
        return Frozen(self, args, keywords)

    def bound(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> list[Any]:
        """Shapes, loc and scale from what was passed."""
        names = [*self.shapes, *[n for n, _ in self.extra]]
        if len(args) > len(names):
            raise ArgumentError(f"{self.name} takes {len(names)} parameters ({', '.join(names)}); got {len(args)}.")
        given = dict(zip(names, args, strict=False))
        for key, value in keywords.items():
            if key not in names or key in given:
                problem = "twice" if key in given else "unknown"
                raise ArgumentError(f"{self.name}: parameter {key!r} is {problem}. Parameters: {', '.join(names)}.")
            given[key] = value
        missing = [n for n in self.shapes if n not in given]
        if missing:
            raise ArgumentError(f"{self.name} needs the parameters {', '.join(missing)}.")
        given = {**dict(self.extra), **given}
        return [real(given[n], self.name) for n in names]

    def valid(self, *shapes: Any) -> Any:
        """Where the shape parameters make sense."""
        ok: Any = np.True_
        for s in shapes:
            ok = (s > 0) & ok
        return ok

    def checked(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[list[Any], list[Any], Any]:
        """Shapes and extra parameters, valid ones in place of invalid ones, and where they were valid."""
        values = self.bound(args, keywords)
        n = len(self.shapes)
        shapes, extra = values[:n], values[n:]
        ok = self.valid(*shapes)
        if len(extra) == 2:
            ok = ok & (extra[1] > 0)
            extra[1] = where(ok, extra[1], 1.0)
        return [where(ok, s, d) for s, d in zip(shapes, self.defaults, strict=True)], extra, ok

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise no_method(self.name, name.lstrip("_"))


class NoMethod(NotDifferentiable, AttributeError):
    """A method of SciPy's distribution that has no derivative here; ``hasattr`` says False."""


def no_method(distribution: str, method: str) -> NoMethod:
    return NoMethod(
        f"dualad.scipy.stats.{distribution} has no method {method!r}. For plain numbers use scipy.stats.{distribution}.{method}; "
        "for derivatives give a function of your own a rule with dualad.custom_jvp."
    )


class Frozen:
    """A distribution with its parameters."""

    def __init__(self, distribution: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.distribution = distribution
        self.args = args
        self.keywords = keywords

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self.distribution, name)
        before = 0 if name in ("mean", "var", "std", "entropy", "rvs") else 1
        return lambda *x, **more: method(*x[:before], *self.args, *x[before:], **self.keywords, **more)


def differentiated(x: Any) -> bool:
    """Whether a derivative in ``x`` may be asked for: a tensor of any mode but a batch of plain numbers."""
    while type(x) is Tensor:
        if not isinstance(x.level, BatchLevel):
            return True
        x = x.value
    return False


class Discrete(Distribution):
    """A distribution of integers k = loc, loc + 1, ...; derivatives are those in its real parameters.

    k, loc and integer parameters (``whole``) have zero derivatives. ``_logpmf``, ``_cdf``, ``_sf`` take ``(k, *shapes)`` at
    integers inside the support.
    """

    extra = (("loc", 0.0),)
    METHODS: tuple[str, ...] = ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf", "mean", "var", "std", "rvs")
    whole: tuple[str, ...] = ()
    lowest = 0.0

    def highest(self, *shapes: Any) -> Any:
        return math.inf

    def _shapes(self, args: Any, keywords: Any) -> tuple[list[Any], Any, Any]:
        shapes, (loc,), ok = self.checked(args, keywords)
        shapes = [stop_gradient(s) if n in self.whole else s for n, s in zip(self.shapes, shapes, strict=True)]
        return shapes, stop_gradient(loc), ok

    @quiet
    def logpmf(self, k: Any, *args: Any, **keywords: Any) -> Any:
        shapes, loc, ok = self._shapes(args, keywords)
        k = stop_gradient(real(k, self.name)) - loc
        inside = (k >= self.lowest) & (k <= self.highest(*shapes)) & equal(k, floor(k)) & isfinite(k)
        y = where(inside, self._logpmf(where(inside, k, self.lowest), *shapes), -math.inf)
        return where(ok & ~isnan(k), y, math.nan)

    @quiet
    def pmf(self, k: Any, *args: Any, **keywords: Any) -> Any:
        y = self.logpmf(k, *args, **keywords)
        at = equal(y, -math.inf)
        return where(at, 0.0, exp(where(at, 0.0, y)))

    def _cumulative(self, method: Any, low: float, high: float, k: Any, args: Any, keywords: Any) -> Any:
        shapes, loc, ok = self._shapes(args, keywords)
        k = floor(stop_gradient(real(k, self.name)) - loc)
        top = self.highest(*shapes)
        inside = (k >= self.lowest) & (k < top)
        # A distribution on one point has no inside.
        y = method(where(inside, k, self.lowest), *self.inner_shapes(inside, *shapes))
        return where(ok & ~isnan(k), where(inside, y, where(k >= top, high, low)), math.nan)

    def inner_shapes(self, inside: Any, *shapes: Any) -> tuple[Any, ...]:
        return shapes

    def cdf(self, k: Any, *args: Any, **keywords: Any) -> Any:
        return quiet(self._cumulative)(self._cdf, 0.0, 1.0, k, args, keywords)

    def sf(self, k: Any, *args: Any, **keywords: Any) -> Any:
        return quiet(self._cumulative)(self._sf, 1.0, 0.0, k, args, keywords)

    def logcdf(self, k: Any, *args: Any, **keywords: Any) -> Any:
        return quiet(self._cumulative)(self._logcdf, -math.inf, 0.0, k, args, keywords)

    def logsf(self, k: Any, *args: Any, **keywords: Any) -> Any:
        return quiet(self._cumulative)(self._logsf, 0.0, -math.inf, k, args, keywords)

    def _logcdf(self, k: Any, *shapes: Any) -> Any:
        return log_of(self._cdf(k, *shapes), self._sf(k, *shapes))

    def _logsf(self, k: Any, *shapes: Any) -> Any:
        return log_of(self._sf(k, *shapes), self._cdf(k, *shapes))

    @quiet
    def mean(self, *args: Any, **keywords: Any) -> Any:
        shapes, loc, ok = self._shapes(args, keywords)
        return where(ok, self._mean(*shapes) + loc, math.nan)

    @quiet
    def var(self, *args: Any, **keywords: Any) -> Any:
        shapes, loc, ok = self._shapes(args, keywords)
        return where(ok, self._var(*shapes) + 0 * loc, math.nan)

    @quiet
    def std(self, *args: Any, **keywords: Any) -> Any:
        return sqrt(self.var(*args, **keywords))

    @quiet
    def entropy(self, *args: Any, **keywords: Any) -> Any:
        shapes, loc, ok = self._shapes(args, keywords)
        return where(ok, self._entropy(*shapes) + 0 * loc, math.nan)

    def rvs(self, *args: Any, size: Any = None, random_state: Any = None, **keywords: Any) -> Any:
        """SciPy's variates; integers have no pathwise derivative, so a tracked parameter is refused."""
        values = [without_leading_ones(v) for v in self.bound(args, keywords)]
        for name, value in zip((*self.shapes, "loc"), values, strict=True):
            if differentiated(value):
                raise NotDifferentiable(
                    f"{self.name}.rvs: integers do not move with {name!r}, so there is no pathwise derivative. Use the "
                    f"score function: k = {self.name}.rvs(dualad.stop_gradient({name}), ...), and differentiate the mean of "
                    f"f(k) * {self.name}.logpmf(k, {name}) with f(k) held constant."
                )
        shape = sizes(size, *values)
        shapes = [broadcast_to(s, shape=shape) for s in values[:-1]]
        ok = self.valid(*shapes)
        whole = np.dtype(np.int64)
        shapes = [astype(s, dtype=whole) if n in self.whole else s for n, s in zip(self.shapes, shapes, strict=True)]
        k = draw(ok, *shapes, distribution=self.name, draws=Draws(random_state), size=shape)
        return (
            k + astype(values[-1], dtype=k.dtype) if type(k) is Tensor else k + np.asarray(values[-1]).astype(k.dtype)
        )


class Continuous(Distribution):
    """A continuous distribution with location and scale; subclasses give the standard form of z = (x - loc) / scale.

    ``_logpdf``, ``_cdf``, ``_sf``, ``_ppf``, ``_isf`` (and where better than the derived ones ``_logcdf``, ``_logsf``) take
    ``(z, *shapes)`` inside the support; ``_mean``, ``_var``, ``_entropy`` take the shapes. Outside the support the density is
    0 and its derivatives too; at an edge where the density is 0 or infinite, likewise.
    """

    extra = (("loc", 0.0), ("scale", 1.0))
    METHODS: tuple[str, ...] = (
        "pdf",
        "logpdf",
        "cdf",
        "logcdf",
        "sf",
        "logsf",
        "ppf",
        "isf",
        "mean",
        "var",
        "std",
        "entropy",
        "rvs",
    )
    inner: float = 0.5  # a point inside every support
    closed = True  # whether the lower edge has a density

    def support_of(self, *shapes: Any) -> tuple[Any, Any]:
        return -math.inf, math.inf

    def inner_of(self, *shapes: Any) -> Any:
        return self.inner

    # Standard forms that follow from others ----------------------------------------------------

    def _logcdf(self, z: Any, *shapes: Any) -> Any:
        return log_of(self._cdf(z, *shapes), self._sf(z, *shapes))

    def _logsf(self, z: Any, *shapes: Any) -> Any:
        return log_of(self._sf(z, *shapes), self._cdf(z, *shapes))

    def _ppf(self, q: Any, *shapes: Any) -> Any:
        value = quantile_value(q, *shapes, distribution=self.name, upper=False)
        return self._implicit(q, value, *shapes)

    def _isf(self, q: Any, *shapes: Any) -> Any:
        value = quantile_value(q, *shapes, distribution=self.name, upper=True)
        return self._implicit(1 - q, value, *shapes)

    def _sample(self, z: Any, *shapes: Any) -> Any:
        """The standard sample z as a function of the shapes."""
        return self._implicit(0.5, z, *shapes) if shapes else z

    # Public methods ----------------------------------------------------------------------------

    def _standard(self, x: Any, args: Any, keywords: Any) -> tuple[Any, list[Any], Any, Any]:
        shapes, (loc, scale), ok = self.checked(args, keywords)
        return (real(x, self.name) - loc) / scale, shapes, scale, ok

    @quiet
    def logpdf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        z, shapes, scale, ok = self._standard(x, args, keywords)
        lo, hi = self.support_of(*shapes)
        inside = ((z >= lo) if self.closed else (z > lo)) & (z <= hi) & isfinite(z)
        y = self._logpdf(where(inside, z, self.inner_of(*shapes)), *shapes) - log(scale)
        return where(ok & ~isnan(z), where(inside, y, -math.inf), math.nan)

    @quiet
    def pdf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        y = self.logpdf(x, *args, **keywords)
        at = equal(y, -math.inf)
        return where(at, 0.0, exp(where(at, 0.0, y)))

    def _cumulative(self, method: Any, low: float, high: float, x: Any, args: Any, keywords: Any) -> Any:
        z, shapes, _, ok = self._standard(x, args, keywords)
        lo, hi = self.support_of(*shapes)
        inside = (z > lo) & (z < hi)
        y = method(where(inside, z, self.inner_of(*shapes)), *shapes)
        return where(ok & ~isnan(z), where(inside, y, where(z >= hi, high, low)), math.nan)

    @quiet
    def cdf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        return self._cumulative(self._cdf, 0.0, 1.0, x, args, keywords)

    @quiet
    def logcdf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        return self._cumulative(self._logcdf, -math.inf, 0.0, x, args, keywords)

    @quiet
    def sf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        return self._cumulative(self._sf, 1.0, 0.0, x, args, keywords)

    @quiet
    def logsf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        return self._cumulative(self._logsf, 0.0, -math.inf, x, args, keywords)

    def _quantile(self, method: Any, upper: bool, q: Any, args: Any, keywords: Any) -> Any:
        shapes, (loc, scale), ok = self.checked(args, keywords)
        q = real(q, self.name)
        lo, hi = self.support_of(*shapes)
        at_lo, at_hi = (equal(q, 1), equal(q, 0)) if upper else (equal(q, 0), equal(q, 1))
        inside = (q > 0) & (q < 1)
        y = loc + scale * method(where(inside, q, 0.5), *shapes)
        for at, end in ((at_lo, lo), (at_hi, hi)):
            finite = isfinite(end)
            y = where(at, where(finite, loc + scale * where(finite, end, 0.0), end), y)
        return where(ok & (inside | at_lo | at_hi), y, math.nan)

    @quiet
    def ppf(self, q: Any, *args: Any, **keywords: Any) -> Any:
        return self._quantile(self._ppf, False, q, args, keywords)

    @quiet
    def isf(self, q: Any, *args: Any, **keywords: Any) -> Any:
        return self._quantile(self._isf, True, q, args, keywords)

    @quiet
    def mean(self, *args: Any, **keywords: Any) -> Any:
        shapes, (loc, scale), ok = self.checked(args, keywords)
        m = self._mean(*shapes)
        finite = isfinite(m)
        return where(ok, where(finite, loc + scale * where(finite, m, 0.0), m), math.nan)

    @quiet
    def var(self, *args: Any, **keywords: Any) -> Any:
        shapes, (loc, scale), ok = self.checked(args, keywords)
        v = self._var(*shapes)
        finite = isfinite(v)
        return where(ok, where(finite, scale * scale * where(finite, v, 1.0) + 0 * loc, v), math.nan)

    @quiet
    def std(self, *args: Any, **keywords: Any) -> Any:
        return sqrt(self.var(*args, **keywords))

    @quiet
    def entropy(self, *args: Any, **keywords: Any) -> Any:
        shapes, (loc, scale), ok = self.checked(args, keywords)
        return where(ok, self._entropy(*shapes) + log(scale) + 0 * loc, math.nan)

    @quiet
    def rvs(self, *args: Any, size: Any = None, random_state: Any = None, **keywords: Any) -> Any:
        """Random variates with pathwise derivatives in the parameters: SciPy's own, from the same generator."""
        values = [without_leading_ones(v) for v in self.bound(args, keywords)]
        n = len(self.shapes)
        shapes, (loc, scale) = values[:n], values[n:]
        shape = sizes(size, *values)
        shapes = [broadcast_to(s, shape=shape) for s in shapes]
        ok = self.valid(*shapes) & (scale >= 0)
        z = self._sample(self._draw(ok, shapes, shape, Draws(random_state)), *shapes)
        return z * scale + loc

    def _draw(self, ok: Any, shapes: Any, shape: Any, draws: Any) -> Any:
        return draw(ok, *shapes, distribution=self.name, draws=draws, size=shape)


class Symmetric(Continuous):
    """f(-z) = f(z): the upper tail is the lower one mirrored."""

    inner = 0.0

    def _sf(self, z: Any, *shapes: Any) -> Any:
        return self._cdf(-z, *shapes)

    def _logcdf(self, z: Any, *shapes: Any) -> Any:
        return log_of(self._cdf(z, *shapes), self._cdf(-z, *shapes))

    def _logsf(self, z: Any, *shapes: Any) -> Any:
        return self._logcdf(-z, *shapes)

    def _isf(self, q: Any, *shapes: Any) -> Any:
        return -self._ppf(q, *shapes)


class Hazard(Continuous):
    """sf = exp(-H): ``_hazard`` is H, and ``_of_hazard`` its inverse."""

    def support_of(self, *shapes: Any) -> tuple[Any, Any]:
        return 0.0, math.inf

    def _cdf(self, z: Any, *shapes: Any) -> Any:
        return -expm1(-self._hazard(z, *shapes))

    def _logcdf(self, z: Any, *shapes: Any) -> Any:
        return log1mexp(self._hazard(z, *shapes))

    def _sf(self, z: Any, *shapes: Any) -> Any:
        return exp(-self._hazard(z, *shapes))

    def _logsf(self, z: Any, *shapes: Any) -> Any:
        return -self._hazard(z, *shapes)

    def _ppf(self, q: Any, *shapes: Any) -> Any:
        return self._of_hazard(-log1p(-q), *shapes)

    def _isf(self, q: Any, *shapes: Any) -> Any:
        return self._of_hazard(-log(q), *shapes)


class ReversedHazard(Continuous):
    """cdf = exp(-H): ``_hazard`` is H, and ``_of_hazard`` its inverse."""

    inner = 0.0

    def _cdf(self, z: Any, *shapes: Any) -> Any:
        return exp(-self._hazard(z, *shapes))

    def _logcdf(self, z: Any, *shapes: Any) -> Any:
        return -self._hazard(z, *shapes)

    def _sf(self, z: Any, *shapes: Any) -> Any:
        return -expm1(-self._hazard(z, *shapes))

    def _logsf(self, z: Any, *shapes: Any) -> Any:
        return log1mexp(self._hazard(z, *shapes))

    def _ppf(self, q: Any, *shapes: Any) -> Any:
        return self._of_hazard(-log(q), *shapes)

    def _isf(self, q: Any, *shapes: Any) -> Any:
        return self._of_hazard(-log1p(-q), *shapes)
