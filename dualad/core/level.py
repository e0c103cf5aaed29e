"""Level: one transform in progress. A mode (forward, reverse, ...) is one subclass in one file."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np

from dualad.core.errors import LeakedTensorError

if TYPE_CHECKING:
    from dualad.core.primitive import Primitive
    from dualad.core.tensor import Tensor

_ids = itertools.count(1)  # never reused; next() is atomic, so threads get distinct ids


class Level:
    """A transform in progress.

    Levels rise: a transform opened inside another has the higher id, and ``bind`` hands every
    call to the highest level among its arguments. Use as a context manager: leaving it closes
    the level, after which its tensors raise ``LeakedTensorError``.
    """

    name = "transform"
    differentiates = False
    directed = (
        False  # its derivatives are along a direction, to which it adapts what is determined up to rotations only
    )

    def __init__(self) -> None:
        self.id = next(_ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.__dict__["closed_as"] = self.name
        self.__class__ = ClosedLevel  # costs open levels nothing per call

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        raise NotImplementedError

    def bind1(self, prim: Primitive, x: Tensor) -> Any:
        return self.bind(prim, (x,), {})

    def bind2(self, prim: Primitive, a: Any, b: Any) -> Any:
        return self.bind(prim, (a, b), {})

    def lift(self, x: Any) -> Tensor:
        """A tensor of this level that holds ``x`` as a constant."""
        raise NotImplementedError

    def adopt(self, t: Tensor) -> Tensor:
        """Called for a tensor made as a copy of another of this level."""
        return t

    def shape(self, x: Tensor) -> tuple[int, ...]:
        return x.value.shape

    def look(self, x: Tensor, why: str) -> Any:
        """The concrete value of ``x``, for Python's eyes (``if``, ``int()``, ``print``)."""
        v = x.value
        return v.level.look(v, why) if hasattr(v, "level") else v

    def describe(self, x: Tensor) -> str:
        """How ``x`` shows itself."""
        return f"Tensor({x.value!r}, {self.name})"


class ClosedLevel(Level):
    """What a level becomes when its transform has ended."""

    lines: ClassVar[
        dict[int, tuple[Any, str]]
    ] = {}  # within ``detect_anomaly``: by id, a tensor and the line that made it

    def _raise(self, *args: Any) -> NoReturn:
        line = [self.lines[id(x)][1] for x in args if id(x) in self.lines and self.lines[id(x)][0]() is x]
        raise LeakedTensorError(
            f"a tensor made inside `{self.__dict__['closed_as']}` was used after that transform had ended. "
            "Return it from the function (for example with has_aux=True) instead of storing it, or store "
            "dualad.stop_gradient(x). "
            + (
                f"It was made at {line[0]}."
                if line
                else "Within dualad.detect_anomaly() this names the line that made it."
            )
        )

    bind = bind1 = bind2 = lift = shape = look = _raise  # type: ignore[assignment]

    def close(self) -> None:
        pass


class Ground(Level):
    """The level below all transforms: buffers (``dualad.numpy.zeros``) that nothing tracks yet."""

    name = "ground"

    def __init__(self) -> None:
        self.id = 0

    def bind(self, prim: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return prim(*[a.value if hasattr(a, "level") else a for a in args], **params)

    def lift(self, x: Any) -> Tensor:
        from dualad.core.tensor import new_tensor

        return new_tensor(x, self, None)

    def describe(self, x: Tensor) -> str:
        return f"Buffer({np.array2string(np.asarray(x.value), separator=', ')})"


GROUND = Ground()
