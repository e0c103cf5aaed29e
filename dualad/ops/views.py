"""Views: which tensors share memory as NumPy's arrays would, and assignment that all of them see.

A view is an ordinary tensor that also knows its ``source``; its base knows its live ``views`` weakly. Nobody asks when
reading: it is writing that brings the others up to date, the bases of a view and then their other views.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any

import numpy as np

from dualad.core.level import GROUND
from dualad.core.primitive import Primitive
from dualad.core.spec import Spec
from dualad.core.tensor import Tensor, new_tensor

_MANY = 1024


def view(x: Tensor, y: Any, prim: Primitive, params: dict[str, Any]) -> Any:
    """``y = prim(x, **params)``, known as a view of ``x``; a view of a buffer is a buffer."""
    if type(y) is not Tensor:
        if x.level is not GROUND:
            return y
        y = new_tensor(y, GROUND, None)
    if getattr(x, "written", False):
        _detach(y)
    y.source = (x, prim, params)
    try:
        views = x.views
    except AttributeError:
        views = x.views = {}
    views[id(y)] = weakref.ref(y)  # dead entries are overwritten when their addresses are used again
    n = len(views)
    if n >= _MANY and n & (n - 1) == 0:
        for k in [k for k, r in views.items() if r() is None]:
            del views[k]
    return y


def _detach(x: Any) -> None:
    """Give ``x`` memory of its own, so that its base can go on being written in place."""
    if type(x.value) is Tensor:
        _detach(x.value)
    elif type(x.value) is np.ndarray and x.value.base is not None:
        x.value = x.value.copy()
    aux = x.aux
    if type(aux) is Tensor:
        _detach(aux)
    elif type(aux) is np.ndarray and aux.base is not None:
        x.aux = aux.copy()
    elif type(aux) is list:
        for k, c in enumerate(aux):
            if type(c) is Tensor:
                _detach(c)
            elif type(c) is np.ndarray and c.base is not None:
                aux[k] = c.copy()


# Writing --------------------------------------------------------------------------------------


def become(x: Tensor, y: Any) -> None:
    """``x`` takes the value and history of ``y``, and all that shares memory with ``x`` follows."""
    _become(x, y)
    propagate(x, None)


def propagate(x: Tensor, place: Any) -> None:
    """Bring up to date what shares memory with ``x``, after a write to it (at the template ``place``, if known).

    That is: its views, its bases, and their other views.
    """
    _refresh(x, None, place)
    while (source := getattr(x, "source", None)) is not None:
        base, prim, params = source
        x = _write_back(base, x, prim, params)


def _become(x: Tensor, y: Any) -> None:
    before = _bottom(x).value if not hasattr(x, "source") else None
    if type(y) is Tensor:
        x.value, x.level, x.aux = y.value, y.level, y.aux
    else:
        x.value, x.level, x.aux = y, GROUND, None
    if type(before) is np.ndarray and before.ndim > 1:
        _lay_out(x, before)


def _bottom(x: Tensor) -> Tensor:
    while type(x.value) is Tensor:
        x = x.value
    return x


def _lay_out(x: Tensor, before: Any) -> None:
    """Keep the order in memory: it decides whether a later reshape is a view."""
    at = _bottom(x)
    a = at.value
    if type(a) is np.ndarray and a.strides != before.strides:
        like = before if a.shape == before.shape else np.empty(a.shape)
        at.value = np.empty_like(like, dtype=a.dtype)
        if at.value.strides == a.strides:
            at.value = a
        else:
            at.value[...] = a


def _write_back(base: Tensor, x: Tensor, prim: Any, params: dict[str, Any]) -> Tensor:
    if prim.name == "index":
        from dualad.ops.index import index_set

        y = donating(base, x, index_set, (base, x), {"template": params["template"]})
        base.written = True
        _become(base, y)
        _refresh(base, x, params["template"])
    else:  # a rearrangement: its transpose is its inverse
        _become(base, prim.transpose(x, Spec(base.shape, base.dtype), **params))
        _refresh(base, x, None)
    return base


def _refresh(x: Tensor, but: Tensor | None, place: Any) -> None:
    """Recompute the live views of ``x``, and theirs."""
    if not getattr(x, "views", None):
        return
    stack = [(x, but, place)]
    while stack:
        x, but, place = stack.pop()
        for k, ref in list(getattr(x, "views", {}).items()):
            w = ref()
            if w is None:
                del x.views[k]
                continue
            _, prim, params = w.source
            if w is but or (place is not None and prim.name == "index" and apart(place, params["template"], x.shape)):
                continue
            _become(w, prim(x, **params))
            _detach(w)
            stack.append((w, None, None))


def apart(a: Any, b: Any, shape: tuple[int, ...]) -> bool:
    """Whether two templates surely touch different places: judged by their first axis."""
    if not a or not b or not shape:
        return False
    ra, rb = _span(a[0], shape[0]), _span(b[0], shape[0])
    return ra is not None and rb is not None and (ra[1] <= rb[0] or rb[1] <= ra[0])


def _span(k: Any, n: int) -> tuple[int, int] | None:
    if type(k) is int:
        return (k % n, k % n + 1) if n else None
    if type(k) is slice:
        r = range(*k.indices(n))
        return (min(r[0], r[-1]), max(r[0], r[-1]) + 1) if r else (0, 0)
    return None


# Donation: an array that nobody else refers to is written in place ---------------------------------

_donated = threading.local()


def is_donated(x: Any) -> bool:
    """Whether the assignment in progress may write into this array."""
    for a in getattr(_donated, "arrays", ()):  # noqa: SIM110 (a loop is faster than any())
        if a is x:
            return True
    return False


def donating(x: Tensor, v: Any, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """``prim(*args, **params)``, an assignment of ``v`` into ``x`` that may write into what only ``x`` refers to."""
    keeps = False
    for a in args[1:]:
        keeps = keeps or (type(a) is Tensor and _keeps(x, a))
    _donated.arrays = () if keeps else _alone(x)
    try:
        if type(v) is Tensor and len(args) == 2:
            return (x.level if x.level.id >= v.level.id else v.level).bind(prim, args, params)
        return prim(*args, **params)
    finally:
        _donated.arrays = ()


def write_number(x: Tensor, i: int, v: float) -> bool:
    """``x[i] = v`` where ``x`` is an untracked buffer that nobody shares: as fast as it gets."""
    if x.level is not GROUND or hasattr(x, "views") or hasattr(x, "source"):
        return False
    a = x.value
    if type(a) is np.ndarray and sys.getrefcount(a) == _COUNT and a.base is None and a.flags.writeable:
        a[i] = v
        x.written = True
        return True
    return False


def _alone(x: Any) -> list[Any]:
    """The arrays of ``x`` to which nobody else refers (value, tangents, coefficients), at any depth."""
    out: list[Any] = []
    a = x.value
    if type(a) is np.ndarray:
        if sys.getrefcount(a) == _COUNT and a.base is None and a.flags.writeable:
            out.append(a)
    elif type(a) is Tensor and sys.getrefcount(a) == _COUNT:
        out += _alone(a)
    a = x.aux
    if type(a) is np.ndarray:
        if sys.getrefcount(a) == _COUNT and a.base is None and a.flags.writeable:
            out.append(a)
    elif type(a) is Tensor and sys.getrefcount(a) == _COUNT:
        out += _alone(a)
    elif type(a) is list and sys.getrefcount(a) == _COUNT:
        for c in a:
            if type(c) is np.ndarray and sys.getrefcount(c) == _COUNT and c.base is None and c.flags.writeable:
                out.append(c)
    return out


def _calibrate() -> int:
    """How many references an array has, seen from ``_alone``, when only its tensor holds it."""
    a = new_tensor(np.zeros(1), GROUND, None)
    return _count(a)


def _count(x: Any) -> int:
    a = x.value
    return sys.getrefcount(a)


_COUNT = _calibrate()


def _keeps(x: Tensor, v: Any) -> bool:
    """Whether a full tape that does not follow ``x`` yet is about to: it keeps what it starts from, to replay it."""
    while type(v) is Tensor:
        level = v.level
        if getattr(level, "full", False):
            a: Any = x
            while type(a) is Tensor and a.level is not level:
                a = a.value
            if type(a) is not Tensor:
                return True
        v = v.value
    return False
