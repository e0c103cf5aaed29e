"""Sparse matrices whose entries may be tensors: what sparse derivatives are while ``jit`` records them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dualad.core.tensor import Tensor


class Entries:
    """The entries of a sparse matrix, tensors, in the order of a CSR pattern.

    A node of pytrees: with arrays in place of the tensors it becomes a SciPy csr_array.
    """

    def __init__(self, pattern: Any, data: Any) -> None:
        self.pattern = pattern
        self.data = data

    @property
    def shape(self) -> tuple[int, int]:
        return self.pattern.shape

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    def __getitem__(self, block: tuple[slice, slice]) -> Entries:
        numbered = _csr(np.arange(self.pattern.nnz), self.pattern)
        part = numbered[block]
        return Entries(part, self.data[part.data])

    def astype(self, dtype: Any, copy: bool = False) -> Entries:
        return Entries(self.pattern, self.data.astype(dtype))

    def toarray(self) -> Any:
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.pattern.indptr))
        places = rows * self.shape[1] + self.pattern.indices
        flat = np.zeros_like(self.data, shape=(self.shape[0] * self.shape[1],))
        flat[places] = self.data
        return flat.reshape(self.shape)


def matrix(pattern: Any, data: Any) -> Any:
    """A new csr_array with this pattern and data, which shares nothing with the pattern; ``Entries`` of a tensor."""
    if type(data) is Tensor:
        _register()
        return Entries(pattern, data)
    return _csr(data, pattern)


def _csr(data: Any, pattern: Any) -> Any:
    """As SciPy's constructor, whose checks of the pattern take longer than many an evaluation."""
    new = object.__new__(type(pattern))
    new.__dict__.update(pattern.__dict__)
    new.data, new.indices, new.indptr = data, pattern.indices.copy(), pattern.indptr.copy()
    return new


class _Same:
    """A pattern that is equal to itself only, as pytrees need it."""

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern


@functools.cache
def _register() -> None:
    import optree

    def flatten(e: Any) -> Any:
        return (e.data,), _Same(e.pattern), ("data",)

    def unflatten(same: Any, data: Any) -> Any:
        return matrix(same.pattern, data[0])

    cls: Any = Entries
    optree.register_pytree_node(cls, flatten, unflatten, namespace="dualad")
