"""Random draws, and quantiles differentiated implicitly: F(z; theta) = q gives dz = (dq - dF/dtheta dtheta) / f(z; theta).

Source: Figurnov, Mohamed & Mnih 2018, "Implicit reparameterization gradients", arXiv:1805.08498; for the Dirichlet
distribution Jankowiak & Obermeyer 2018, "Pathwise derivatives beyond the reparameterization trick", arXiv:1806.01851.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.ops.arithmetic import where
from dualad.ops.incomplete import beta_density, gamma_density, t_density
from dualad.ops.kinds import Elementwise, bring_back, constant, elementwise, general, leading_dims, one_by_one
from dualad.ops.reduce import sum
from dualad.ops.samples import Sample, Samples
from dualad.ops.special import log_ndtr, ndtr
from dualad.ops.specials import special
from dualad.ops.transcendental import cos, exp

# Draws ------------------------------------------------------------------------------------------


class Draws:
    """The state of a random generator at one call: drawing from it again gives the same numbers.

    So a draw is a function of its parameters: mapped over a batch, each element sees the same random numbers, and a replayed
    program repeats them. The caller's generator moves on as if SciPy had drawn from it.
    """

    def __init__(self, random_state: Any) -> None:
        self.caller = random_state
        if random_state is None:
            self.start: Any = np.random.RandomState()
            self.start.set_state(np.random.get_state())  # noqa: NPY002 - what None means to SciPy
        elif isinstance(random_state, (int, np.integer)):
            self.start = np.random.RandomState(random_state)
        elif isinstance(random_state, (np.random.Generator, np.random.RandomState)):
            self.start = copy.deepcopy(random_state)
        else:
            raise ArgumentError(
                f"random_state is {random_state!r}, but must be a numpy.random.Generator, a RandomState, an int or None. "
                "Pass numpy.random.default_rng(seed)."
            )

    def __call__(self, draw: Callable[[Any], Any]) -> Any:
        rng = copy.deepcopy(self.start)
        out = draw(rng)
        if isinstance(self.caller, np.random.Generator):
            self.caller.bit_generator.state = rng.bit_generator.state
        elif isinstance(self.caller, np.random.RandomState):
            self.caller.set_state(rng.get_state())
        elif self.caller is None:
            np.random.set_state(rng.get_state())  # noqa: NPY002
        return out

    def again(self) -> Draws:
        """The same numbers, without moving the caller's generator."""
        other = copy.copy(self)
        other.caller = 0
        return other


def _draw(valid: Any, *shapes: Any, distribution: str, draws: Draws, size: Any) -> Any:
    import scipy.stats

    if not np.all(valid):
        raise ArgumentError(f"{distribution}.rvs: invalid parameters (shapes {shapes}, or a negative scale).")
    return np.asarray(draws(lambda rng: getattr(scipy.stats, distribution).rvs(*shapes, size=size, random_state=rng)))[
        ()
    ]


draw = constant("draw", _draw, 0, batch=one_by_one)
draw.__doc__ = "Standard (loc 0, scale 1) variates of a distribution of scipy.stats, as constants."


def _draw_vectors(*parameters: Any, distribution: str, draws: Draws, size: Any) -> Any:
    import scipy.stats

    return np.asarray(
        draws(lambda rng: getattr(scipy.stats, distribution).rvs(*parameters, size=size, random_state=rng))
    )


draw_vectors = constant("draw_vectors", _draw_vectors, 0, batch=one_by_one)
draw_vectors.__doc__ = "Variates of a multivariate distribution of scipy.stats, as constants."


def _value_of_quantile(q: Any, *shapes: Any, distribution: str, upper: bool) -> Any:
    import scipy.stats

    found = getattr(scipy.stats, distribution)
    return (found.isf if upper else found.ppf)(q, *shapes)


quantile_value = constant("quantile_value", _value_of_quantile, 0, batch=leading_dims)
quantile_value.__doc__ = "scipy.stats.<distribution>.ppf or isf (standard form), as a constant."

# Quantiles ----------------------------------------------------------------------------------------


def parameter_partial(name: str, position: int) -> Callable[..., Any]:
    """The partial derivative of a special function in one of its parameters, as its own rule has it."""

    def partial(*xs: Any) -> Any:
        prim = special(name)
        y = prim(*xs)
        if isinstance(prim, Elementwise):
            return prim.partials[position](y, *xs)
        return prim.jvp([np.ones(y.shape) if i == position else None for i in range(len(xs))], y, xs, {})

    return partial


def _nothing(y: Any, *xs: Any) -> float:
    return 0.0


def _quantile(name: str, density: Callable[..., Any], partials: tuple[Any, ...], samples: Samples) -> Any:
    """``<name>_quantile(q, z, *shapes)``: z, which is the q-quantile, with its derivatives in q and the shapes.

    ``partials`` are those of the cumulative distribution F(x; *shapes) in the shapes: functions of ``(x, *shapes)``.
    """

    def by_shape(partial: Callable[..., Any]) -> Callable[..., Any]:
        return lambda y, q, z, *shapes: -partial(y, *shapes) / density(y, *shapes)

    return elementwise(
        f"{name}_quantile",
        lambda q, z, *shapes: np.broadcast_arrays(z, q, *shapes)[0].copy()[()],
        (lambda y, q, z, *shapes: 1 / density(y, *shapes), _nothing, *[by_shape(p) for p in partials]),
        keep="xy",
        samples=samples,
        source="Figurnov, Mohamed & Mnih 2018, arXiv:1805.08498",
    )


def _at(*shapes: tuple[Any, ...], z: tuple[float, float]) -> Samples:
    def samples() -> list[Sample]:
        rng = np.random.default_rng(12)
        return [
            Sample((rng.uniform(0.1, 0.9, 3), rng.uniform(*z, 3), *[np.array([s]) for s in many])) for many in shapes
        ]

    return samples


_gammainc_a = parameter_partial("gammainc", 0)
_betainc_a = parameter_partial("betainc", 0)
_betainc_b = parameter_partial("betainc", 1)
_stdtr_df = parameter_partial("stdtr", 0)

gamma_quantile = _quantile(
    "gamma", lambda x, a: gamma_density(a, x), (lambda x, a: _gammainc_a(a, x),), _at((2,), z=(0.5, 3))
)
beta_quantile = _quantile(
    "beta",
    lambda x, a, b: beta_density(a, b, x),
    (lambda x, a, b: _betainc_a(a, b, x), lambda x, a, b: _betainc_b(a, b, x)),
    _at((2, 3), z=(0.2, 0.8)),
)
t_quantile = _quantile("t", lambda x, df: t_density(df, x), (lambda x, df: _stdtr_df(df, x),), _at((4,), z=(-2, 2)))


def _share(x: Any, n: Any, m: Any) -> Any:
    """F's variate as a beta variate."""
    return n * x / (m + n * x)


def _f_density(x: Any, n: Any, m: Any) -> Any:
    return beta_density(0.5 * n, 0.5 * m, _share(x, n, m)) * n * m / (m + n * x) ** 2


def _f_by_n(x: Any, n: Any, m: Any) -> Any:
    w = _share(x, n, m)
    direct = 0.5 * _betainc_a(0.5 * n, 0.5 * m, w)
    return direct + beta_density(0.5 * n, 0.5 * m, w) * m * x / (m + n * x) ** 2


def _f_by_m(x: Any, n: Any, m: Any) -> Any:
    w = _share(x, n, m)
    direct = 0.5 * _betainc_b(0.5 * n, 0.5 * m, w)
    return direct - beta_density(0.5 * n, 0.5 * m, w) * n * x / (m + n * x) ** 2


f_quantile = _quantile("f", _f_density, (_f_by_n, _f_by_m), _at((3, 8), z=(0.3, 2)))


def _skewnorm_density(x: Any, a: Any) -> Any:
    return exp(-0.5 * x * x + log_ndtr(a * x)) * math.sqrt(2 / math.pi)


skewnorm_quantile = _quantile(
    "skewnorm",
    _skewnorm_density,
    (lambda x, a: -exp(-0.5 * x * x * (1 + a * a)) / (math.pi * (1 + a * a)),),
    _at((1.5,), (-0.5,), z=(-1, 2)),
)


def _truncnorm_partials() -> tuple[Any, Any]:
    """dF/da = -phi(a) (1 - F) / mass and dF/db = -phi(b) F / mass, with F(z) mass = ndtr(z) - ndtr(a)."""

    def by_a(z: Any, a: Any, b: Any) -> Any:
        return -_normal(a) * _mass(z, b) / _mass(a, b) ** 2

    def by_b(z: Any, a: Any, b: Any) -> Any:
        return -_normal(b) * _mass(a, z) / _mass(a, b) ** 2

    return by_a, by_b


def _normal(x: Any) -> Any:
    return exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _mass(a: Any, b: Any) -> Any:
    flip = a > 0
    return ndtr(where(flip, -a, b)) - ndtr(where(flip, -b, a))


truncnorm_quantile = _quantile(
    "truncnorm",
    lambda x, a, b: _normal(x) / _mass(a, b),
    _truncnorm_partials(),
    lambda: [
        Sample((np.array([0.2, 0.7]), np.array([-0.3, 1.1]), np.array([-1]), np.array([2]))),
        Sample((np.array([0.2, 0.7]), np.array([1.3, 1.7]), np.array([1.1, 0.9]), np.array([2.0, 2.5]))),
    ],
)

# The von Mises distribution on [-pi, pi] ------------------------------------------------------------

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_NODES, _WEIGHTS = 0.5 * (_NODES + 1), 0.5 * _WEIGHTS


def vonmises_density(x: Any, kappa: Any) -> Any:
    """exp(kappa cos x) / (2 pi I0(kappa)), in scaled form."""
    return exp(kappa * (cos(x) - 1)) / (2 * math.pi * special("i0e")(kappa))


def _integral(x: Any, kappa: Any, weight: Any) -> Any:
    """The integral of density times weight from 0 to x, cut where the density is below e^-40 of its maximum."""
    # 1 - cos x >= 2 x^2 / pi^2 on [-pi, pi].
    far = math.pi * math.sqrt(20) / (kappa + 1e-3) ** 0.5
    end = where(x > far, far, where(x < -far, -far, x))
    total: Any = 0.0
    for node, w in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        at = end * node
        total = total + w * vonmises_density(at, kappa) * weight(at)
    return end * total


def _vonmises_by_kappa(x: Any, kappa: Any) -> Any:
    mean = special("i1e")(kappa) / special("i0e")(kappa)
    return _integral(x, kappa, lambda at: cos(at) - mean)


def _vonmises_value(x: Any, kappa: Any) -> Any:
    return 0.5 + _integral(x, kappa, lambda at: 1.0)


# F(x; kappa), by Gauss-Legendre quadrature of 64 points: the integrand is entire, the error near 1e-15.
vonmises_cumulative = elementwise(
    "vonmises_cumulative",
    _vonmises_value,
    (lambda y, x, kappa: vonmises_density(x, kappa), lambda y, x, kappa: _vonmises_by_kappa(x, kappa)),
    keep="x",
    samples=lambda: [Sample((np.array([-2.0, 0.3, 1.5]), np.array([0.7, 2.0, 9.0])))],
    source="Mardia & Jupp 2000, sec. 3.5.4",
)
vonmises_quantile = _quantile("vonmises", vonmises_density, (_vonmises_by_kappa,), _at((0.7,), (4.0,), z=(-2, 2)))

# Dirichlet ---------------------------------------------------------------------------------------------


def _velocities(x: Any, alpha: Any) -> Any:
    """How fast x_j moves with alpha_j alone: the implicit derivative of its Beta(alpha_j, total - alpha_j) marginal."""
    rest = sum(alpha, axis=(alpha.ndim - 1,))[..., None] - alpha
    return -_betainc_a(alpha, rest, x) / beta_density(alpha, rest, x) / (1 - x)


def _dirichlet_jvp(ts: Sequence[Any], y: Any, alpha: Any, z: Any) -> Any:
    if ts[0] is None:
        return None
    moved = _velocities(y, alpha) * ts[0]
    return moved - y * sum(moved, axis=(moved.ndim - 1,))[..., None]


def _dirichlet_vjp(g: Any, need: Sequence[bool], y: Any, alpha: Any, z: Any) -> Any:
    if not need[0]:
        return None, None
    inner = sum(g * y, axis=(g.ndim - 1,))[..., None]
    return bring_back(_velocities(y, alpha) * (g - inner), alpha.shape, alpha.dtype), None


dirichlet_sample = general(
    "dirichlet_sample",
    lambda alpha, z: np.broadcast_arrays(z, alpha)[0].copy(),
    _dirichlet_jvp,
    _dirichlet_vjp,
    keep="xy",
    batch=leading_dims,
    samples=lambda: [Sample((np.array([2, 1, 3]), np.array([[0.2, 0.3, 0.5], [0.6, 0.1, 0.3]])))],
    source="Jankowiak & Obermeyer 2018, arXiv:1806.01851",
)
