"""The Jacobian's blocks of bundle adjustment by CasADi: its generated C, called for each observation in turn."""

from __future__ import annotations

import ctypes
import pathlib
import subprocess
import tempfile
from collections.abc import Callable
from typing import Any

import casadi as ca
import numpy as np

DRIVER = """
void blocks(long n, long m, long p, const double *cameras, const double *points, const double *weights,
            const double *features, double *camera, double *point, double *weight, double *error) {
    long long iw[SZ_IW + 1];
    double w[SZ_W + 1];
    for (long i = 0; i < p; i++) {
        const double *arg[SZ_ARG + 4] = {cameras + 11 * (i % n), points + 3 * (i % m), weights + i, features + 2 * i};
        double *res[SZ_RES + 4] = {camera + 22 * i, point + 6 * i, weight + 2 * i, error + i};
        observation(arg, res, iw, w, 0);
    }
}
"""


def reprojection(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    """As ``adbench.reprojection``, on CasADi's symbols."""
    r, x = camera[:3], point - camera[3:6]
    angle = ca.sqrt(ca.sumsqr(r))
    w = r / angle
    c, s = ca.cos(angle), ca.sin(angle)
    turned = x * c + ca.cross(w, x) * s + w * (ca.dot(w, x) * (1 - c))
    p = ca.if_else(angle > 0, turned, x + ca.cross(r, x))
    image = p[:2] / p[2]
    r2 = ca.sumsqr(image)
    image = image * (1 + camera[9] * r2 + camera[10] * r2 * r2)
    return weight * (image * camera[6] + camera[7:9] - feature)


def blocks(cameras: Any, points: Any, weights: Any, features: Any) -> Callable[[], Any]:
    """A call that computes all blocks. Raises ``OSError`` where there is no C compiler."""
    camera, point, weight, feature = (ca.SX.sym(name, n) for name, n in (("c", 11), ("x", 3), ("w", 1), ("f", 2)))
    y = reprojection(camera, point, weight, feature)
    # Transposed, since CasADi's matrices lie column by column; dense, as the other libraries' blocks are.
    found = [ca.densify(ca.jacobian(y, v).T) for v in (camera, point, weight)]
    f = ca.Function("observation", [camera, point, weight, feature], [*found, -2 * weight])
    home = pathlib.Path(tempfile.mkdtemp())
    generator = ca.CodeGenerator("observation.c")
    generator.add(f)
    generator.generate(f"{home}/")
    sizes = {"SZ_ARG": f.sz_arg(), "SZ_RES": f.sz_res(), "SZ_IW": f.sz_iw(), "SZ_W": f.sz_w()}
    source = home / "observation.c"
    defines = "".join(f"#define {name} {n}\n" for name, n in sizes.items())
    source.write_text(source.read_text() + defines + DRIVER)
    library = home / "observation.so"
    subprocess.run(
        ["gcc", "-O3", "-march=native", "-shared", "-fPIC", str(source), "-lm", "-o", str(library)],
        check=True,
        capture_output=True,
    )
    run = ctypes.CDLL(str(library)).blocks
    n = len(weights)
    given = [a.ctypes.data_as(ctypes.c_void_p) for a in (cameras, points, weights, features)]

    def call() -> Any:
        out = [np.empty((n, 2, 11)), np.empty((n, 2, 3)), np.empty((n, 2)), np.empty(n)]
        counts = [ctypes.c_long(k) for k in (len(cameras), len(points), n)]
        run(*counts, *given, *[a.ctypes.data_as(ctypes.c_void_p) for a in out])
        return out

    return call
