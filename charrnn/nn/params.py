"""All parameters of a network in one contiguous vector, with named views into it.

Gradients and optimiser slots are :class:`Params` of the same layout. So clipping, the
optimiser's step, the sum over workers, gradient checks and checkpoints each work on one vector,
while the mathematics uses names.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
#: Name -> shape of each parameter.
Shapes = Mapping[str, tuple[int, ...]]
#: Parameters by name, such as a working copy that need not be one vector.
Weights = Mapping[str, Array]
#: ``product(x, W, out)`` writes ``x @ W`` to ``out``.
Product = Callable[[Array, Array, Array], object]


class Params:
    """A flat vector and its named views, in the order of ``shapes``.

    Args:
        shapes: name -> shape of each parameter; P is the sum of their sizes.
        dtype: float32 for training and sampling, float64 for gradient checks; ignored if
            ``flat`` is given.
        flat: (P,) the vector to put the views on, which is shared, not copied; zeros by
            default.

    Attributes:
        shapes: as given.
        flat: (P,) of ``dtype``.

    Raises:
        ValueError: ``flat`` is not of shape (P,).
    """

    def __init__(
        self, shapes: Shapes, dtype: DTypeLike = np.float32, flat: Array | None = None
    ) -> None:
        self.shapes = dict(shapes)
        size = sum(math.prod(shape) for shape in self.shapes.values())
        self.flat: Array = np.zeros(size, dtype) if flat is None else flat
        if self.flat.shape != (size,):
            raise ValueError(f"a flat vector of {size} elements is needed, not {self.flat.shape}")
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            end = start + math.prod(shape)
            self._views[name] = self.flat[start:end].reshape(shape)
            start = end

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def items(self) -> Iterator[tuple[str, Array]]:
        """Names and views, in order."""
        yield from self._views.items()

    def like(self, flat: Array | None = None) -> Params:
        """Parameters with this layout and dtype: zeros, or views of ``flat`` (P,)."""
        return Params(self.shapes, self.flat.dtype, flat)

    def digest(self) -> str:
        """SHA-256 of the values, little-endian and in order, in hexadecimal: a model's identity."""
        data = self.flat.astype(self.flat.dtype.newbyteorder("<"), copy=False)
        return hashlib.sha256(data.tobytes()).hexdigest()

    def copy(self) -> Params:
        """The same values in a new vector."""
        return self.like(self.flat.copy())


def padded_rows(rows: int, columns: int, dtype: DTypeLike) -> Array:
    """An empty matrix (rows, columns) with 64 bytes, one cache line, of padding after each row.

    It makes repeated products with few rows faster: see :mod:`charrnn.nn.cells`.
    """
    line = 64 // np.dtype(dtype).itemsize
    return np.empty((rows, columns + line), dtype)[:, :columns]


def transposed(W: Array, out: Array) -> Array:
    """``W.T``, copied to ``out``; a view of ``W`` if ``out`` is empty."""
    if out.size:
        np.copyto(out, W.T)
        return out
    view: Array = W.T
    return view
