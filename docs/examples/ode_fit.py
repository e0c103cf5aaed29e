"""Parameters of an ordinary differential equation, from noisy observations of its solution.

Predators v eat prey u (Lotka 1925, Volterra 1926),

    u' = a u - b u v,     v' = -c v + d u v,

integrated by the classical Runge-Kutta method in a plain Python loop. The residuals at the observations are many and the
unknowns (four rates, two initial values) few, so that forward mode pushes all six tangents through the loop together: ``jacfwd``
is the Jacobian J that Gauss-Newton needs, and s^2 (J'J)^-1 the covariance of what it finds. One ``jvp`` more shows how an
uncertain direction of parameters bends the future of the solution.

Bard, "Nonlinear Parameter Estimation", Academic Press 1974; Hairer, Norsett and Wanner, "Solving ODEs I", Springer 1993, II.1.
"""

import numpy as np
from common import PICTURES, figure, save
from scipy.optimize import least_squares

from dualad import check_grads, jacfwd, jvp

TRUE = np.log([1.0, 0.6, 0.9, 0.4, 2.0, 1.0])  # logarithms of a, b, c, d, u(0), v(0)
NOISE = 0.15
STEP = 0.05


def velocity(state, rates):
    u, v = state
    a, b, c, d = rates
    return np.stack([a * u - b * u * v, d * u * v - c * v])


def solve(theta, steps):
    """The states at 0, h, 2h, ...: times by species."""
    rates, state = np.exp(theta[:4]), np.exp(theta[4:])
    states = [state]
    for _ in range(steps):
        k1 = velocity(state, rates)
        k2 = velocity(state + 0.5 * STEP * k1, rates)
        k3 = velocity(state + 0.5 * STEP * k2, rates)
        k4 = velocity(state + STEP * k3, rates)
        state = state + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(state)
    return np.stack(states)


def main(size="full"):
    steps = {"small": 160, "full": 400}[size]
    observed = slice(0, None, 8)
    clean = solve(TRUE, steps)[observed]
    data = clean + NOISE * np.random.default_rng(0).standard_normal(clean.shape)
    residuals = lambda theta: ((solve(theta, steps)[observed] - data) / NOISE).ravel()
    start = np.log([0.7, 0.7, 0.7, 0.5, data[0, 0], data[0, 1]])
    check_grads(lambda theta: solve(theta, 10), (start,))
    fit = least_squares(residuals, start, jac=jacfwd(residuals))
    covariance = np.linalg.inv(fit.jac.T @ fit.jac)
    deviation = np.sqrt(np.diagonal(covariance))
    for name, true, value, error in zip(("a", "b", "c", "d", "u(0)", "v(0)"), TRUE, fit.x, deviation):
        print(f"log {name:4} = {value:6.3f} +- {error:.3f}   (true {true:6.3f})")
    print(f"{fit.nfev} evaluations, {fit.njev} Jacobians, chi^2 per observation {2 * fit.cost / data.size:.2f}")
    return {"data": data, "theta": fit.x, "start": start, "covariance": covariance, "steps": steps}


def draw(result, path=PICTURES / "ode_fit.png"):
    theta, data, steps = result["theta"], result["data"], result["steps"]
    picture, (left, right) = figure(2, width_ratios=[2, 1])
    horizon = 2 * steps
    time = STEP * np.arange(horizon + 1)
    states = solve(theta, horizon)
    scales = np.linalg.cholesky(result["covariance"]).T
    bends = [jvp(lambda x: solve(x, horizon), (theta,), (direction,))[1] for direction in scales]
    deviation = np.sqrt(np.sum(np.square(bends), axis=0))
    for i, name in enumerate(("prey", "predators")):
        low, high = states[:, i] - 2 * deviation[:, i], states[:, i] + 2 * deviation[:, i]
        left.fill_between(time, low, high, color=f"C{i}", alpha=0.3, lw=0)
        left.plot(time, states[:, i], f"C{i}", lw=1, label=name)
        left.plot(time[: steps + 1 : 8], data[:, i], f"C{i}.", ms=4)
    left.axvline(STEP * steps, color="0.5", ls=":")
    left.legend(frameon=False, ncols=2, loc="upper left")
    left.set(xlabel="time", title="fit and forecast, two deviations", ylim=(0, 1.25 * states.max()))
    right.plot(*solve(result["start"], steps).T, color="0.7", label="start")
    right.plot(*solve(TRUE, steps).T, "k", lw=3, alpha=0.25, label="true")
    right.plot(*states.T, "C2--", lw=1, label="fit")
    right.legend(frameon=False)
    right.set(xlabel="prey", ylabel="predators")
    save(picture, path)


if __name__ == "__main__":
    draw(main())
