"""The vector math library: dualad's elementwise functions as LLVM IR on scalars and vectors of any width.

``emit`` writes a function's instructions at a builder. The result in a lane depends on that lane's argument alone, and has the
same bits at every width. float64 is computed in float64 (with double-double steps where needed), float32 through float64.
``docs/vectormath.md`` has the measured errors and times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from dualad.native.vectormath import error, exponential, gamma, hyperbolic, logarithm, power, trigonometry
from dualad.native.vectormath.lanes import DOUBLE, Function, Lanes, Number, host_has

FUNCTIONS: dict[str, Function] = {
    **exponential.FUNCTIONS,
    **logarithm.FUNCTIONS,
    **power.FUNCTIONS,
    **hyperbolic.FUNCTIONS,
    **error.FUNCTIONS,
    **gamma.FUNCTIONS,
    **trigonometry.FUNCTIONS,
}
SUPPORTED = frozenset(FUNCTIONS)
"""Names of primitives that ``emit`` knows."""


def emit(
    builder: ir.IRBuilder, name: str, args: Sequence[Any], *, fma: bool | None = None, avx512: bool | None = None
) -> ir.Value:
    """The value of the primitive ``name`` at ``args``: IR values of one type, double, float or a vector of either.

    ``fma`` says whether the target has fused multiply-add (default: whether this machine has); asking for it where it is not
    gives right results slowly. ``avx512`` says whether it has AVX-512. The function's body
    becomes a private function of the module, called here: run LLVM's inliner and common-subexpression passes over the module.
    """
    type = args[0].type
    vector = isinstance(type, ir.VectorType)
    single = isinstance(type.element if vector else type, ir.FloatType)
    fma = host_has("fma") if fma is None else fma
    avx512 = host_has("avx512f", "avx512vl") if avx512 is None else avx512
    lanes = Lanes(builder, type.count if vector else 1, fma, avx512)
    double = lanes.of(DOUBLE)
    numbers = [Number(lanes, builder.fpext(a, double) if single else a) for a in args]
    y = lanes.call(name, FUNCTIONS[name], *numbers).ir
    return builder.fptrunc(y, type) if single else y
