"""All parameters of a network in one contiguous vector, with named views into it.

Gradients and optimiser slots are further :class:`Params` of the same layout. So
clipping, an optimiser's step, a sum over workers, a gradient check and a
checkpoint each work on one vector, while the mathematics reads names.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]
#: Parameters by name; a working copy of them need not be one vector.
Weights = Mapping[str, Array]
#: ``product(x, W, out)``: a matrix product in the place of the third.
Product = Callable[[Array, Array, Array], object]


class Params:
    """A flat vector and its named views, in the order of ``shapes``.

    Args:
        shapes: name -> shape of each parameter.
        dtype: float32 for work, float64 for gradient checks.
        flat: the vector to lay the views over, of ``sum of sizes`` elements; it is
            shared, not copied. Zeros by default.

    Raises:
        ValueError: if ``flat`` has another size than ``shapes`` ask for.
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
        """Another set with this layout and dtype: zeros, or views over ``flat``."""
        return Params(self.shapes, self.flat.dtype, flat)

    def digest(self) -> str:
        """SHA-256 of the values, little-endian and in order: what tells two models apart."""
        data = self.flat.astype(self.flat.dtype.newbyteorder("<"), copy=False)
        return hashlib.sha256(data.tobytes()).hexdigest()

    def copy(self) -> Params:
        """The same values in a vector of their own."""
        return self.like(self.flat.copy())


def padded_rows(rows: int, columns: int, dtype: DTypeLike) -> Array:
    """An empty matrix whose rows lie 64 bytes, a line of the cache, further apart than needed.

    For a matrix that few rows are multiplied by, again and again: :mod:`charrnn.nn.cells`.
    """
    line = 64 // np.dtype(dtype).itemsize
    return np.empty((rows, columns + line), dtype)[:, :columns]


def transposed(W: Array, out: Array) -> Array:
    """``W.T`` in ``out``; as a mere view where ``out`` is empty."""
    if out.size:
        np.copyto(out, W.T)
        return out
    view: Array = W.T
    return view
