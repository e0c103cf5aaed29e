"""Jacobians, Hessians and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualad.api.batching import vmap
from dualad.api.derivatives import _Recorded, grad, push
from dualad.api.planning import planned
from dualad.api.transform import Argnums, Chosen, Transform, fresh, inputs, outputs, rebuild
from dualad.core.errors import ArgumentError, DtypeError, ShapeError, Undirected
from dualad.core.tensor import Tensor, new_tensor
from dualad.core.tree import unflatten
from dualad.modes.batch import BatchLevel
from dualad.modes.laplacian import LaplacianLevel
from dualad.ops.kinds import zeros_like


def _basis(leaves: list[Any]) -> list[Any]:
    """Unit vectors of the space of all ``leaves`` together: per leaf an array (total, *shape)."""
    total = sum(x.size for x in leaves)
    out = []
    row = 0
    for x in leaves:
        b = np.zeros((total, x.size), x.dtype)
        b[row : row + x.size] = np.eye(x.size, dtype=x.dtype)
        out.append(b.reshape(total, *x.shape))
        row += x.size
    return out


def _split(rows: Any, leaves: list[Any]) -> list[Any]:
    """Cut the first axis of ``rows`` into one block per leaf, shaped as the leaf."""
    out = []
    start = 0
    for x in leaves:
        block = rows[start : start + x.size]
        out.append(block.reshape((*x.shape, *rows.shape[1:])))
        start += x.size
    return out


def _check_complex(kinds: list[Any], holomorphic: bool, title: str, what: str) -> None:
    for x in kinds:
        if holomorphic and x.dtype.kind != "c":
            raise DtypeError(f"{title} with holomorphic=True needs complex {what}, got dtype {x.dtype}.")
        if not holomorphic and x.dtype.kind == "c":
            raise DtypeError(
                f"{title}: complex {what} (dtype {x.dtype}). Pass holomorphic=True for a holomorphic function, or split "
                "real and imaginary parts."
            )


def _run_jacfwd(f: Any, args: Any, kwargs: Any, argnums: Argnums, has_aux: bool, holomorphic: bool) -> Any:
    chosen = Chosen(f, argnums, args, kwargs)
    leaves, shapes = inputs(chosen.values(), chosen.name)
    _check_complex(leaves, holomorphic, "jacfwd", "inputs")
    box: dict[str, Any] = {}

    def along(*ts: Any) -> Any:
        _, tangents, structure, aux = push(chosen, leaves, list(ts), shapes, has_aux, "jacfwd")
        box.update(structure=structure, aux=aux)
        return tangents

    columns = vmap(along)(*_basis(leaves))
    _check_complex(columns, holomorphic, "jacfwd", "outputs")
    blocks = []
    for c in columns:
        per_leaf = [_last(b, x.ndim) for b, x in zip(_split(c, leaves), leaves, strict=True)]
        blocks.append(chosen.pack(rebuild(fresh(per_leaf), shapes)))
    jacobian = unflatten(box["structure"], blocks)
    return (jacobian, box["aux"]) if has_aux else jacobian


def _last(block: Any, n: int) -> Any:
    """Move the first ``n`` axes (of the input) behind the others (of the output)."""
    rank = block.ndim
    return block.transpose((*range(n, rank), *range(n)))


def _run_jacrev(f: Any, args: Any, kwargs: Any, argnums: Argnums, has_aux: bool, holomorphic: bool) -> Any:
    chosen = Chosen(f, argnums, args, kwargs)
    tape = _Recorded(chosen, has_aux, "jacrev")
    _check_complex(tape.leaves, holomorphic, "jacrev", "inputs")
    _check_complex(tape.values, holomorphic, "jacrev", "outputs")
    if not tape.values:
        return (unflatten(tape.structure, []), tape.aux) if has_aux else unflatten(tape.structure, [])
    rows = vmap(lambda *gs: tape.pull(list(gs), once=False))(*_basis(tape.values))
    per_input = [_split(r, tape.values) for r in rows]
    blocks = [
        chosen.pack(rebuild(fresh([parts[i] for parts in per_input]), tape.shapes)) for i in range(len(tape.values))
    ]
    jacobian = unflatten(tape.structure, blocks)
    return (jacobian, tape.aux) if has_aux else jacobian


def jacfwd(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """The Jacobian by forward mode: all columns at once. Best for few inputs.

    The result has the structure of the output, each leaf the structure of the chosen argument(s), with shape
    ``output.shape + input.shape``.

    >>> import numpy as np
    >>> from dualad import jacfwd
    >>> jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return Transform(_run_jacfwd, f, "jacfwd", argnums=argnums, has_aux=has_aux, holomorphic=holomorphic)


def jacrev(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """The Jacobian by reverse mode: all rows at once. Best for few outputs. The result is laid out as by ``jacfwd``.

    >>> import numpy as np
    >>> from dualad import jacrev
    >>> jacrev(lambda x: x.sum())(np.array([1.0, 2.0]))
    array([1., 1.])
    """
    return Transform(_run_jacrev, f, "jacrev", argnums=argnums, has_aux=has_aux, holomorphic=holomorphic)


def _run_jacobian(
    f: Any, args: Any, kwargs: Any, argnums: Argnums, has_aux: bool, holomorphic: bool, **options: Any
) -> Any:
    if not holomorphic:
        result = planned(f, args, kwargs, argnums, has_aux, "jacobian", **options)
        if result is not None:
            return result
    elif options["sparse"] or options["mode"] is not None:
        raise ArgumentError("jacobian: sparse= and mode= are not for holomorphic=True.")
    chosen = Chosen(f, argnums, args, kwargs)
    leaves, _ = inputs(chosen.values(), chosen.name)
    tape = _Recorded(chosen, has_aux, "jacobian")
    n_in, n_out = sum(x.size for x in leaves), sum(y.size for y in tape.values)
    run = _run_jacfwd if n_in <= n_out else _run_jacrev
    return run(f, args, kwargs, argnums, has_aux, holomorphic)


def jacobian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    sparse: bool = False,
    mode: str | None = None,
    progress: bool = False,
) -> Callable[..., Any]:
    """The Jacobian, by the strategy that the planner predicts to be cheapest. Laid out as by ``jacfwd``.

    With ``sparse``, the blocks are SciPy CSR arrays of shape (output size, input size). ``mode`` names a strategy
    (see ``plan``) and overrules the choice; ``progress`` shows a bar. Within other transforms, plain forward or reverse
    mode is taken, by which needs fewer passes.

    >>> import numpy as np
    >>> from dualad import jacobian
    >>> jacobian(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x)(np.ones(2))
    array([[1., 2.],
           [3., 4.]])
    >>> jacobian(lambda x: x**2, sparse=True)(np.arange(4.0)).nnz
    4
    """
    options: dict[str, Any] = {"sparse": sparse, "mode": mode, "progress": progress}
    return Transform(_run_jacobian, f, "jacobian", argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, **options)


def _run_hessian(
    f: Any, args: Any, kwargs: Any, argnums: Argnums, has_aux: bool, holomorphic: bool, **options: Any
) -> Any:
    if not holomorphic:
        result = planned(f, args, kwargs, argnums, has_aux, "hessian", **options)
        if result is not None:
            return result
    elif options["sparse"] or options["mode"] is not None:
        raise ArgumentError("hessian: sparse= and mode= are not for holomorphic=True.")
    return jacfwd(jacrev(f, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)(*args, **kwargs)


def hessian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    sparse: bool = False,
    mode: str | None = None,
    progress: bool = False,
) -> Callable[..., Any]:
    """The Hessian, by the planner: forward over reverse, compressed by a star or acyclic coloring where that pays.

    Structure and shapes are those of ``jacfwd(jacrev(f))``; ``sparse``, ``mode`` and ``progress`` as in ``jacobian``.

    >>> import numpy as np
    >>> from dualad import hessian
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    options: dict[str, Any] = {"sparse": sparse, "mode": mode, "progress": progress}
    return Transform(_run_hessian, f, "hessian", argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, **options)


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """Hessian times vector, ``H(x) v``, forward over reverse, without forming the Hessian.

    ``x`` and ``v`` are pytrees of equal structure, shapes and dtypes; so is the result.

    >>> import numpy as np
    >>> from dualad import hvp
    >>> hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    from dualad.api.derivatives import jvp

    return jvp(grad(f), (x,), (v,))[1]


def _point(f: Callable[..., Any], args: tuple[Any, ...], title: str) -> tuple[Any, Callable[[Any], Any]]:
    if not args:
        raise ArgumentError(f"{title}: the call needs the point as its first argument.")
    leaves, _ = inputs(args[:1], lambda i: f"argument {i}")
    if len(leaves) != 1:
        raise ArgumentError(f"{title}: the first argument must be one array, it is a pytree of {len(leaves)}.")
    return leaves[0], lambda v: f(v, *args[1:])


def _run_laplacian(f: Any, args: Any, kwargs: Any) -> Any:
    x, g = _point(lambda *a: f(*a, **kwargs), args, "laplacian")
    try:
        return _forward_laplacian(x, g)
    except Undirected:
        from dualad.api.confluent import laplacian_of

        return laplacian_of(g, x)


def _forward_laplacian(x: Any, g: Callable[[Any], Any]) -> Any:
    with BatchLevel(x.size) as directions, LaplacianLevel(directions) as level:
        basis = new_tensor(np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape), directions, None)
        ys, structure = outputs(g(new_tensor(x, level, (basis, None))), "laplacian")
        mine = [type(y) is Tensor and y.level is level for y in ys]
        values = [y.value if m else y for y, m in zip(ys, mine, strict=True)]
        second = [y.aux[1] if m else None for y, m in zip(ys, mine, strict=True)]
    return unflatten(structure, fresh([zeros_like(v) if t is None else t for v, t in zip(values, second, strict=True)]))


def laplacian(f: Callable[..., Any]) -> Callable[..., Any]:
    """The Laplacian, sum of d2f/dx_i^2, in one forward sweep that carries value, gradient and Laplacian; no Hessian.

    The first argument is one array; the result has the structure and shapes of ``f``'s result.

    Source: Li et al. 2023, arXiv:2307.08214.

    >>> import numpy as np
    >>> from dualad import laplacian
    >>> float(laplacian(lambda x: (x**3).sum())(np.array([1.0, 2.0])))
    18.0
    """
    return Transform(_run_laplacian, f, "laplacian")


def _run_divergence(f: Any, args: Any, kwargs: Any) -> Any:
    from dualad.api.derivatives import jvp

    x, g = _point(lambda *a: f(*a, **kwargs), args, "divergence")

    def column(t: Any, unit: Any) -> Any:
        y = jvp(g, (x,), (t,))[1]
        if not hasattr(y, "shape") or y.shape != x.shape:
            raise ShapeError(
                f"divergence needs a vector field: f must return shape {x.shape} as its argument has, it returned "
                f"{getattr(y, 'shape', type(y).__name__)}."
            )
        return (y * unit).sum()

    basis = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    return vmap(column)(basis, basis).sum()


def divergence(f: Callable[..., Any]) -> Callable[..., Any]:
    """The divergence, sum of df_i/dx_i, of a vector field (result shaped as the first argument), by forward mode.

    Raises ``ShapeError`` if the shapes differ.

    >>> import numpy as np
    >>> from dualad import divergence
    >>> float(divergence(lambda x: x**2)(np.array([1.0, 2.0])))
    6.0
    """
    return Transform(_run_divergence, f, "divergence")
