"""SciPy's distributions with derivatives in the argument and in all parameters: ``from dualad.scipy.stats import norm``.

Names, parameters and values are those of ``scipy.stats``; results are float64, as SciPy's are. Outside its support a density
is 0 (``logpdf`` is -inf) with zero derivatives; invalid parameters give NaN. ``rvs`` draws what SciPy draws from the same
generator, with pathwise derivatives in the parameters.

>>> import numpy as np
>>> from dualad import grad
>>> from dualad.scipy.stats import gamma, norm
>>> data = np.array([1.0, 2.0, 4.0])
>>> g = grad(lambda p: norm.logpdf(data, p["loc"], p["scale"]).sum())({"loc": 2.0, "scale": 2.0})
>>> float(g["loc"]), float(g["scale"])
(0.25, -0.875)
>>> float(grad(lambda s: norm.rvs(0.0, s, size=3, random_state=np.random.default_rng(0)).sum())(2.0).round(4))
0.634
"""

from dualad.scipy.others import others_of
from dualad.scipy.stats.closed import cauchy as cauchy
from dualad.scipy.stats.closed import expon as expon
from dualad.scipy.stats.closed import genextreme as genextreme
from dualad.scipy.stats.closed import gumbel_l as gumbel_l
from dualad.scipy.stats.closed import gumbel_r as gumbel_r
from dualad.scipy.stats.closed import halfcauchy as halfcauchy
from dualad.scipy.stats.closed import laplace as laplace
from dualad.scipy.stats.closed import logistic as logistic
from dualad.scipy.stats.closed import loguniform as loguniform
from dualad.scipy.stats.closed import pareto as pareto
from dualad.scipy.stats.closed import rayleigh as rayleigh
from dualad.scipy.stats.closed import triang as triang
from dualad.scipy.stats.closed import uniform as uniform
from dualad.scipy.stats.closed import vonmises as vonmises
from dualad.scipy.stats.closed import weibull_min as weibull_min
from dualad.scipy.stats.discrete import bernoulli as bernoulli
from dualad.scipy.stats.discrete import betabinom as betabinom
from dualad.scipy.stats.discrete import binom as binom
from dualad.scipy.stats.discrete import geom as geom
from dualad.scipy.stats.discrete import nbinom as nbinom
from dualad.scipy.stats.discrete import poisson as poisson
from dualad.scipy.stats.gammalike import beta as beta
from dualad.scipy.stats.gammalike import chi2 as chi2
from dualad.scipy.stats.gammalike import f as f
from dualad.scipy.stats.gammalike import gamma as gamma
from dualad.scipy.stats.gammalike import invgamma as invgamma
from dualad.scipy.stats.gammalike import t as t
from dualad.scipy.stats.gaussian import halfnorm as halfnorm
from dualad.scipy.stats.gaussian import lognorm as lognorm
from dualad.scipy.stats.gaussian import norm as norm
from dualad.scipy.stats.gaussian import skewnorm as skewnorm
from dualad.scipy.stats.gaussian import truncnorm as truncnorm
from dualad.scipy.stats.multivariate import dirichlet as dirichlet
from dualad.scipy.stats.multivariate import multinomial as multinomial
from dualad.scipy.stats.multivariate import multivariate_normal as multivariate_normal
from dualad.scipy.stats.multivariate import multivariate_t as multivariate_t
from dualad.scipy.stats.multivariate import wishart as wishart

__getattr__ = others_of("stats")
