"""Gradients and updates of an embedding of which each window uses only a few rows.

A window of 1,024 words uses a few hundred of 8,000. The other rows have no gradient, and some
optimisers leave them as they are. So the gradient has only as many rows as a window has symbols,
the first of which are those of its symbols in the order of ids, and only these are updated. The
result is that of an update of all rows: docs/design/performance.md says what it saves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from charrnn.config.schema import TrainConfig
from charrnn.nn.network import Architecture
from charrnn.nn.optim import OPTIMIZERS, Optimizer
from charrnn.nn.params import Array, Params, Shapes

#: The embedding, which comes first in the vector of parameters.
EMBEDDING = "layers.0.W_x"
#: Symbols for each symbol of a window from which on this is worth it.
FACTOR = 2
#: Elements that must be left out at least: picking rows out takes as long as updating so many.
MIN_LEFT_OUT = 1 << 16


class SparseGradient:
    """The layout of a gradient with few rows for the embedding.

    Args:
        rows: of the embedding, one for each symbol of a window.

    Attributes:
        shapes: of the gradient, in order. size: their elements.
        left_out: how many elements fewer than there are parameters.
    """

    def __init__(self, arch: Architecture, rows: int) -> None:
        self.shapes: Shapes = arch.shapes()
        V, self._width = self.shapes[EMBEDDING]
        self.shapes = {**self.shapes, EMBEDDING: (rows, self._width)}
        self.size = arch.size - (V - rows) * self._width
        self.left_out, self._end, self._all = arch.size - self.size, rows * self._width, V

    def update(
        self,
        optimizer: Optimizer,
        params: Params,
        g: Array,
        owned: slice,
        symbols: Array,
        rate: float,
    ) -> None:
        """Update the part of the parameters whose gradient is ``g``, which is overwritten.

        Args:
            optimizer: with slots of the layout of ``params``.
            owned: where in the gradient ``g`` is.
            symbols: (S,) of intp, those whose embedding has a gradient, ascending.
        """
        optimizer.count += 1
        start, stop, _ = owned.indices(self.size)
        used = min(stop, len(symbols) * self._width)
        embedding = params[EMBEDDING]
        slots = {name: self._embedding(slot) for name, slot in optimizer.slots.items()}
        at = 0
        for rows, columns in _blocks(start, used, self._width):
            index = symbols[rows], columns
            theta = embedding[index]
            parts = {name: slot[index] for name, slot in slots.items()}
            optimizer.update_part(theta, g[at : at + theta.size].reshape(theta.shape), parts, rate)
            embedding[index] = theta
            for name, slot in slots.items():
                slot[index] = parts[name]
            at += theta.size
        start = max(start, self._end)
        if start < stop:
            rest = slice(start + self.left_out, stop + self.left_out)
            views: Mapping[str, Array] = {n: slot[rest] for n, slot in optimizer.slots.items()}
            optimizer.update_part(params.flat[rest], g[start - stop :], views, rate, rest.start)

    def _embedding(self, flat: Array) -> Array:
        """The embedding in a vector laid out as all parameters are, of which it is the first."""
        return flat[: self._all * self._width].reshape(self._all, self._width)


def sparse_gradient(
    arch: Architecture, config: TrainConfig, T: int, N: int
) -> SparseGradient | None:
    """The gradient's layout for windows of T steps of N streams; None if it has all rows."""
    keeps = OPTIMIZERS[config.optimizer].KEEPS_UNUSED and not config.weight_decay
    if not keeps or arch.vocab_size <= FACTOR * T * N:
        return None
    sparse = SparseGradient(arch, T * N)
    return sparse if sparse.left_out >= MIN_LEFT_OUT else None


def _blocks(start: int, stop: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Elements ``start`` to ``stop`` of a matrix as up to three blocks: of rows, and of columns."""
    while start < stop:
        row, column = divmod(start, width)
        if column or stop - start < width:
            end = min(stop, (row + 1) * width)
            yield slice(row, row + 1), slice(column, column + end - start)
        else:
            end = stop - stop % width
            yield slice(row, end // width), slice(None)
        start = end
