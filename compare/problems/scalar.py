"""Scalar programs on which orders of elimination are compared: functions of a namespace and of numbers.

The namespace has NumPy's names, and ``erf``: dualad's, JAX's or plain NumPy's with SciPy's. The same problems as in Lohoff &
Neftci 2024, arXiv:2406.05027, written from their formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Compressible flow ---------------------------------------------------------------------------

GAMMA = 1.4


def euler_flux(np: Any, r: Any, m: Any, e: Any) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Flux of the 1-D Euler equations for density, momentum and energy; also velocity, pressure, enthalpy."""
    u = m / r
    p = (GAMMA - 1) * (e - 0.5 * m * u)
    h = (e + p) / r
    return m, m * u + p, m * h, u, p, h


def roe_flux(np: Any, rl: Any, ml: Any, el: Any, rr: Any, mr: Any, er: Any) -> tuple[Any, Any, Any]:
    """Flux between two states by Roe's approximate Riemann solver.

    Source: Roe, J. Comput. Phys. 43, 1981; Toro, Riemann Solvers, 3rd ed. 2009, ch. 11.
    """
    fl0, fl1, fl2, ul, pl, hl = euler_flux(np, rl, ml, el)
    fr0, fr1, fr2, ur, pr, hr = euler_flux(np, rr, mr, er)
    wl, wr = np.sqrt(rl), np.sqrt(rr)
    w = wl + wr
    u = (wl * ul + wr * ur) / w
    h = (wl * hl + wr * hr) / w
    q = 0.5 * (u * u)
    a2 = (GAMMA - 1) * (h - q)
    a = np.sqrt(a2)
    dp, du = pr - pl, ur - ul
    slow, fast, ua = u - a, u + a, u * a
    s = wl * wr * a * du
    c1 = np.abs(slow) * ((dp - s) / (2 * a2))
    c2 = np.abs(u) * (rr - rl - dp / a2)
    c3 = np.abs(fast) * ((dp + s) / (2 * a2))
    return (
        0.5 * (fl0 + fr0 - (c1 + c2 + c3)),
        0.5 * (fl1 + fr1 - (c1 * slow + c2 * u + c3 * fast)),
        0.5 * (fl2 + fr2 - (c1 * (h - ua) + c2 * q + c3 * (h + ua))),
    )


# Kinematics ----------------------------------------------------------------------------------

A1, A2, A3, D1, D4, D6 = 175.0, 890.0, 50.0, 575.0, 1035.0, 185.0
LINKS = ((A1, 90.0, D1), (A2, 0.0, 0.0), (A3, 90.0, 0.0), (0.0, -90.0, D4), (0.0, 90.0, 0.0), (0.0, 0.0, D6))
"""Denavit-Hartenberg parameters (length, twist in degrees, offset) of the arm below."""


def robot_arm(np: Any, t1: Any, t2: Any, t3: Any, t4: Any, t5: Any, t6: Any) -> tuple[Any, ...]:
    """Position and ZYZ Euler angles of the hand of an arm with six joints and a spherical wrist.

    Source: the product of the six transforms of ``LINKS`` (Denavit & Hartenberg 1955), multiplied out.
    """
    c1, s1, c2, s2 = np.cos(t1), np.sin(t1), np.cos(t2), np.sin(t2)
    c4, s4, c5, s5, c6, s6 = np.cos(t4), np.sin(t4), np.cos(t5), np.sin(t5), np.cos(t6), np.sin(t6)
    t23 = t2 + t3
    c23, s23 = np.cos(t23), np.sin(t23)
    ax = s5 * (c1 * c23 * c4 + s1 * s4) + c1 * s23 * c5
    ay = s5 * (s1 * c23 * c4 - c1 * s4) + s1 * s23 * c5
    az = s23 * c4 * s5 - c23 * c5
    bend = s23 * c4 * c5 + c23 * s5
    turn = s23 * s4
    nz = c6 * bend - turn * s6
    oz = -(s6 * bend) - turn * c6
    reach = A1 + A2 * c2 + A3 * c23 + D4 * s23
    return (
        c1 * reach + D6 * ax,
        s1 * reach + D6 * ay,
        D1 + A2 * s2 + A3 * s23 - D4 * c23 + D6 * az,
        np.arctan2(ay, ax),
        np.arctan2(np.sqrt(1 - az * az), az),
        np.arctan2(oz, -nz),
    )


# Systems of MINPACK-2 -------------------------------------------------------------------------

DIPOLE = (0.485, -0.0019, -0.0581, 0.015, 0.105, 0.0406, 0.167, -0.399)


def human_heart_dipole(np: Any, a: Any, b: Any, c: Any, d: Any, t: Any, u: Any, v: Any, w: Any) -> tuple[Any, ...]:
    """Residuals of the moments of two dipoles.

    Source: Averick, Carter, More & Xue, The MINPACK-2 test problem collection, 1992.
    """
    mx, my, sa, sb, sc, sd, se, sf = DIPOLE
    tv, uw = t * t - v * v, u * u - w * w
    ttt, vvv = t * (t * t - 3 * (v * v)), v * (v * v - 3 * (t * t))
    uuu, www = u * (u * u - 3 * (w * w)), w * (w * w - 3 * (u * u))
    return (
        a + b - mx,
        c + d - my,
        t * a + u * b - v * c - w * d - sa,
        v * a + w * b + t * c + u * d - sb,
        a * tv - 2 * (c * t * v) + b * uw - 2 * (d * u * w) - sc,
        c * tv + 2 * (a * t * v) + d * uw + 2 * (b * u * w) - sd,
        a * ttt + c * vvv + b * uuu + d * www - se,
        c * ttt - a * vvv + d * uuu - b * www - sf,
    )


K5, K6, K7, K8, K9, K10 = 1.930e-1, 2.597e-3, 3.448e-3, 1.799e-5, 2.155e-4, 3.846e-5
PRESSURE, RATIO = 40.0, 10.0


def propane_combustion(
    np: Any, x1: Any, x2: Any, x3: Any, x4: Any, x5: Any, x6: Any, x7: Any, x8: Any, x9: Any, x10: Any, x11: Any
) -> tuple[Any, ...]:
    """Residuals of the chemical equilibrium of propane burning in air, full formulation.

    Source: Meintjes & Morgan, ACM TOMS 16(2), 1990; Averick et al. 1992.
    """
    q = PRESSURE / x11
    root = np.sqrt(q)
    return (
        x1 + x4 - 3,
        2 * x1 + x2 + x4 + x7 + x8 + x9 + 2 * x10 - RATIO,
        2 * x2 + 2 * x5 + x6 + x7 - 8,
        2 * x3 + x9 - 4 * RATIO,
        K5 * (x2 * x4) - x1 * x5,
        K6 * np.sqrt(x2 * x4) - np.sqrt(x1) * x6 * root,
        K7 * np.sqrt(x1 * x2) - np.sqrt(x4) * x7 * root,
        K8 * x1 - x4 * x8 * q,
        K9 * x1 * np.sqrt(x3) - x4 * x9 * root,
        K10 * (x1 * x1) - x4 * x4 * x10 * q,
        x11 - (x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10),
    )


# Finance -------------------------------------------------------------------------------------


def black_scholes(np: Any, spot: Any, strike: Any, rate: Any, volatility: Any, time: Any) -> Any:
    """Price of a European call.

    Source: Black & Scholes, J. Political Economy 81, 1973.
    """

    def normal(z: Any) -> Any:
        return 0.5 * (1 + np.erf(z * 0.5**0.5))

    spread = volatility * np.sqrt(time)
    d1 = (np.log(spot / strike) + (rate + 0.5 * (volatility * volatility)) * time) / spread
    return spot * normal(d1) - strike * np.exp(-(rate * time)) * normal(d1 - spread)


PROBLEMS: dict[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "Roe flux 1-D": (roe_flux, (1.0, 0.3, 2.5, 0.7, 0.1, 1.9)),
    "robot arm 6-DOF": (robot_arm, (0.3, -0.4, 0.6, 0.8, 0.5, -0.7)),
    "human heart dipole": (human_heart_dipole, (0.299, 0.186, -0.0273, 0.0254, -0.474, 0.474, -0.0892, 0.0892)),
    "propane combustion": (propane_combustion, (0.9, 1.1, 12.0, 2.1, 0.3, 0.4, 0.6, 0.5, 1.6, 0.2, 25.0)),
    "Black-Scholes": (black_scholes, (100.0, 95.0, 0.05, 0.2, 1.5)),
}
"""Each problem, and a point at which it is smooth."""
