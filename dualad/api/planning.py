"""plan, and the planned evaluation behind jacobian and hessian."""

from __future__ import annotations

import collections
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.api.derivatives import _one, _Recorded, _strip_tree
from dualad.api.transform import Argnums, Chosen, inputs, outputs, rebuild, with_aux
from dualad.core.errors import ArgumentError, DtypeError, NotDifferentiable, ShapeError
from dualad.core.tensor import Tensor
from dualad.core.tree import unflatten
from dualad.modes.checkpointed import parse_bytes
from dualad.modes.record import RecordLevel
from dualad.plan import entries
from dualad.plan.plan import Plan, choose
from dualad.plan.problem import Problem
from dualad.tape.tape import Program

WANTS = ("jacobian", "hessian", "gradient")
FEW = 8  # passes: with so few, plain forward or reverse mode is taken without looking further
_PLANS: collections.OrderedDict[Any, Plan] = collections.OrderedDict()
MOST_PLANS = 256


class NotScalar(Exception):
    """A Hessian was asked for of a function with several outputs."""


def _gradient(
    chosen: Chosen, values: Any, argnums: Argnums, has_aux: bool, by_forward: bool
) -> tuple[Any, Any, list[Any]]:
    """The gradient at ``values``, in the structure of the chosen arguments, aux, and the function's value where known."""
    if by_forward:
        from dualad.api.jacobians import jacfwd

        found = Chosen(jacfwd(chosen.f, argnums, has_aux), argnums, chosen.args, chosen.kwargs).call(values)
        return (*found, []) if has_aux else (found, None, [])

    seen: list[Any] = []

    @functools.wraps(chosen.f)
    def run(*args: Any, **kwargs: Any) -> Any:
        own = Chosen(chosen.f, argnums, args, kwargs)
        tape = _Recorded(own, has_aux, "hessian")
        if len(tape.values) != 1 or tape.values[0].shape != ():
            raise NotScalar
        seen[:] = tape.values
        return own.pack(rebuild(tape.pull([_one(tape.values[0])], once=True), tape.shapes)), tape.aux

    gradient, aux = Chosen(run, argnums, chosen.args, chosen.kwargs).call(values)
    return gradient, aux, seen


class Recorded:
    """A call of ``f`` on a tape, as a Problem, and the way from its matrix back to the caller's pytrees."""

    def __init__(
        self,
        f: Any,
        args: Any,
        kwargs: Any,
        argnums: Argnums,
        has_aux: bool,
        want: str,
        progress: bool = False,
        by_forward: bool = False,
        sparse: bool = False,
    ) -> None:
        self.chosen = Chosen(f, argnums, args, kwargs)
        self.leaves, self.shapes = inputs(self.chosen.values(), self.chosen.name)
        with RecordLevel() as level:
            tracked = [level.watch(x) for x in self.leaves]
            values = rebuild(tracked, self.shapes)
            value: list[Any] = []
            if want == "hessian":
                out, aux, value = _gradient(self.chosen, values, argnums, has_aux, by_forward)
            else:
                out, aux = with_aux(self.chosen.call(values), has_aux, want)
            ys, self.structure = outputs(out, want)
            self.values = [y.value if type(y) is Tensor and y.level is level else y for y in ys]
            self.aux = _strip_tree(aux, level)
            self.problem = Problem(Program(level, ys), self.leaves, self.values, want == "hessian", progress, sparse)
            if value:
                self.problem.function = functools.partial(Program, level, value)
        if want == "gradient" and (len(ys) != 1 or ys[0].shape != ()):
            raise ShapeError(
                f"plan(want='gradient') needs a function with a scalar result; it returned {len(ys)} array(s), the first of "
                f"shape {ys[0].shape if ys else None}. Ask for want='jacobian'."
            )

    def layout(self, matrix: Any, sparse: bool, want: str, plan: Plan | None = None) -> Any:
        """Blocks of the matrix in the structure of the output, each in the structure of the chosen arguments."""
        dense = isinstance(matrix, (np.ndarray, Tensor))
        if sparse and dense:
            if plan is None or type(matrix) is Tensor:
                pattern = self.problem.pattern
            elif plan.pattern is None or not _covers(plan.pattern, matrix):
                pattern = plan.pattern = self.problem.pattern
            else:
                pattern = plan.pattern
            matrix = _structured(matrix, pattern)
        elif not sparse and not dense:
            matrix = matrix.toarray()
        rows = list(itertools.accumulate([math.prod(v.shape) for v in self.values], initial=0))
        columns = list(itertools.accumulate([math.prod(x.shape) for x in self.leaves], initial=0))
        blocks = []
        for v, (a, b) in zip(self.values, itertools.pairwise(rows), strict=True):
            own = []
            for x, (c, d) in zip(self.leaves, itertools.pairwise(columns), strict=True):
                part = matrix if (a, b, c, d) == (0, *matrix.shape[:1], 0, *matrix.shape[1:]) else matrix[a:b, c:d]
                shape = x.shape if want == "gradient" else (*v.shape, *x.shape)
                dtype = np.result_type(v.dtype, x.dtype)
                part = part if sparse else part.reshape(shape)
                part = part if part.dtype == dtype else part.astype(dtype)
                own.append(part if sparse or type(part) is Tensor else part[()])
            blocks.append(self.chosen.pack(rebuild(own, self.shapes)))
        return blocks[0] if want == "gradient" else unflatten(self.structure, blocks)


def plan_for(problem: Problem, want: str, mode: str | None, memory: int | None = None) -> Plan:
    """The plan of a problem's structure, made once."""
    key = (problem.structure, want, mode, memory, problem.sparse)
    found = _PLANS.get(key)
    if found is None:
        found = choose(problem, want, mode, memory)
        _PLANS[key] = found
        if len(_PLANS) > MOST_PLANS:
            _PLANS.popitem(last=False)
    return found


def planned(f: Any, args: Any, kwargs: Any, argnums: Argnums, has_aux: bool, want: str, sparse: bool, mode: str | None, progress: bool) -> Any:  # fmt: skip # noqa: E501
    """Jacobian or Hessian by plan; None where that is for the plain transforms (nested, complex, few passes)."""
    asked = sparse or mode is not None
    try:
        call = Recorded(f, args, kwargs, argnums, has_aux, want, progress, mode == "reverse-over-forward", sparse)
    except NotScalar:
        if asked:
            raise ShapeError("hessian with sparse= or mode= needs a function with a scalar result.") from None
        return None
    problem = call.problem
    recorded = problem.nested and all(type(x) is RecordLevel and x.compiled for x in problem.around)
    if problem.nested and not recorded:
        if asked:
            raise NotDifferentiable(
                f"{want} with sparse= or mode= within another transform: its result is made by SciPy and cannot be "
                f"differentiated or batched again. Leave sparse= and mode= away here."
            )
        return None
    if not asked and any(node[1].along is not None for node in problem.nodes):
        return None  # eigenvectors at equal eigenvalues follow the tangent, which a recording cannot
    if problem.dtype.kind == "c":
        if asked:
            raise DtypeError(
                f"{want} with sparse= or mode= is for real functions; inputs or outputs here are {problem.dtype}."
            )
        return None
    made = None
    if recorded:
        if not asked and min(problem.m, problem.n) <= FEW:
            return None
        # The pattern is of this point; what it depends on is guarded by the recording.
        matrix = choose(problem, want, mode).choice.run(problem)
    elif not asked and min(problem.m, problem.n) <= FEW:
        rows = problem.m < problem.n and want != "hessian"
        eye = np.eye(min(problem.m, problem.n) if want != "hessian" else problem.n, dtype=problem.dtype)
        matrix = problem.pull(eye) if rows else problem.push(eye).T.copy()
    else:
        made = plan_for(problem, want, mode)
        matrix = made.matrix(problem)
    result = call.layout(matrix, sparse, want, made)
    return (result, call.aux) if has_aux else result


def _covers(pattern: Any, dense: Any) -> bool:
    """Whether all nonzeros are entries of the pattern."""
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    return bool(np.count_nonzero(dense) == np.count_nonzero(dense[rows, pattern.indices]))


def _structured(dense: Any, pattern: Any) -> Any:
    """A dense matrix as CSR with the entries of the pattern, zeros among them."""
    from scipy.sparse import csr_array

    if pattern is None:
        if type(dense) is not Tensor:
            return csr_array(dense)
        pattern = csr_array(np.ones(dense.shape, bool))
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    return entries.matrix(pattern, dense[rows, pattern.indices])


class Planned:
    """A derivative with its plan: call it with arguments to evaluate; ``explain()`` and ``measure()`` say why.

    Made by ``dualad.plan``. It can be pickled where ``f`` can. At arguments for which the tape has another structure
    (other shapes, another branch of Python's), the plan is made anew.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        argnums: Argnums,
        want: str,
        sparse: bool | None,
        mode: str | None,
        memory: int | None,
        progress: bool,
    ) -> None:
        self.f, self.argnums, self.want, self.mode = f, argnums, want, mode
        self.sparse, self.memory, self.progress = sparse, memory, progress
        self.plan: Plan | None = None
        self.example: Any = None

    def prepare(self, *args: Any, **kwargs: Any) -> Recorded:
        by_forward = self.mode == "reverse-over-forward"
        call = Recorded(
            self.f, args, kwargs, self.argnums, False, self.want, self.progress, by_forward, bool(self.sparse)
        )
        if call.problem.nested:
            raise NotDifferentiable(
                "a plan cannot be evaluated within another transform. Use jacobian or hessian there."
            )
        if self.plan is None or call.problem.structure != self.plan.structure:
            self.plan = plan_for(call.problem, self.want, self.mode, self.memory)
        self.example = (args, kwargs)
        return call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = self.prepare(*args, **kwargs)
        assert self.plan is not None
        return call.layout(self.plan.matrix(call.problem), bool(self.sparse), self.want, self.plan)

    def explain(self) -> str:
        """The tape's structure, the candidates with predicted operations, bytes and time, the choice and the reason."""
        from dualad.plan.explain import text

        assert self.plan is not None
        return text(self.plan)

    def _repr_html_(self) -> str:
        from dualad.plan.explain import page

        assert self.plan is not None
        return page(self.plan)

    def __repr__(self) -> str:
        return f"<plan: {self.want} of {getattr(self.f, '__qualname__', self.f)} by {self.choice}>"

    @property
    def choice(self) -> str:
        """The name of the chosen strategy."""
        assert self.plan is not None
        return self.plan.choice.name

    def measure(self, repeats: int = 3) -> dict[str, float]:
        """Time every candidate at the last arguments, in seconds; ``explain()`` then shows them, ``regret`` their ratio."""
        call = self.prepare(*self.example[0], **self.example[1])
        assert self.plan is not None
        deliver = lambda matrix: call.layout(matrix, bool(self.sparse), self.want, self.plan)
        return self.plan.time_candidates(call.problem, repeats, deliver)

    @property
    def regret(self) -> float:
        """Measured time of the chosen strategy over the best candidate's."""
        assert self.plan is not None
        return self.plan.regret


def plan(
    f: Callable[..., Any],
    *args: Any,
    want: str = "jacobian",
    argnums: Argnums = 0,
    sparse: bool | None = None,
    mode: str | None = None,
    memory: int | str | None = None,
    progress: bool = False,
) -> Planned:
    """The cheapest way to a derivative of ``f`` at ``args``, and why.

    ``want`` is "jacobian", "hessian" or "gradient". The plan is called with arguments like ``f``'s, and returns what
    ``jacobian``, ``hessian`` or ``grad`` would (with ``sparse=True``, SciPy CSR arrays of shape (output size, input size)).
    ``mode`` names a strategy and overrules the choice: forward, reverse, column-coloring, row-coloring, bicoloring,
    diagonal, block-diagonal, selections, chain, elimination, and for Hessians star, acyclic, edge-pushing,
    forward-over-reverse, reverse-over-forward, reverse-over-reverse. ``memory`` (bytes, or a text
    such as "200MB") leaves out strategies that are predicted to take more; for long programs see
    ``grad(f, memory=...)``. ``progress`` shows bars (tqdm) while the plan is made, evaluated and measured.

    Raises ``ArgumentError`` for an unknown want or mode, a mode that does not apply, and a memory that nothing keeps within.

    >>> import numpy as np
    >>> from dualad import plan
    >>> p = plan(lambda x: x[1:] * x[:-1], np.arange(1.0, 1001.0), sparse=True)
    >>> p.choice
    'selections'
    >>> p(np.arange(1.0, 1001.0)).nnz
    1998
    """
    if want not in WANTS:
        raise ArgumentError(f"plan: want={want!r} is none of {', '.join(WANTS)}.")
    if not callable(f):
        raise ArgumentError(f"plan needs a function, got {type(f).__name__}.")
    made = Planned(f, argnums, want, sparse, mode, None if memory is None else parse_bytes(memory), progress)
    made.prepare(*args)
    return made


def jacobian_sparsity(f: Callable[..., Any], *args: Any, argnums: Argnums = 0) -> Any:
    """The pattern of the Jacobian of ``f`` at ``args``: a boolean SciPy CSR array, (elements of the output, of the input).

    Local: found along the branches that Python takes at this point. A superset of the nonzeros.

    >>> import numpy as np
    >>> from dualad import jacobian_sparsity
    >>> jacobian_sparsity(lambda x: x[1:] * x[:-1], np.ones(3)).toarray().astype(int)
    array([[1, 1, 0],
           [0, 1, 1]])
    """
    from dualad.tape.sparsity import jacobian_pattern

    return jacobian_pattern(Recorded(f, args, {}, argnums, False, "jacobian").problem.program)


def hessian_sparsity(f: Callable[..., Any], *args: Any, argnums: Argnums = 0) -> Any:
    """The pattern of the Hessian of a scalar ``f`` at ``args``, boolean CSR: the Jacobian's pattern of its gradient.

    >>> import numpy as np
    >>> from dualad import hessian_sparsity
    >>> hessian_sparsity(lambda x: (x[1:] * x[:-1]).sum(), np.ones(3)).toarray().astype(int)
    array([[0, 1, 0],
           [1, 0, 1],
           [0, 1, 0]])
    """
    from dualad.tape.sparsity import jacobian_pattern

    return jacobian_pattern(Recorded(f, args, {}, argnums, False, "hessian").problem.program)
