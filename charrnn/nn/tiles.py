"""Products of many rows in which no row depends on the others, or on how many there are.

BLAS may sum the terms of a row in an order that depends on the shape of the product, and on the
row's place in it. So rows are multiplied in groups of fixed sizes: the first few one by one, the
others in tiles of :data:`TILE` rows. That defines the result.

But for each product BLAS copies the whole matrix, so that larger products are faster. Several tiles
are multiplied as one product where that gives the same bytes, which is tried on this machine with
this very matrix: the order of the sums depends on shapes only, so random rows show whether it is
the same. See docs/design/performance.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from charrnn.nn.params import Array, Product

#: Rows of a tile.
TILE = 12
#: How many tiles may be one product, in the order of preference.
JOINED = (6, 5, 4, 3, 2)


@dataclass(frozen=True)
class Groups:
    """How the rows of ``n`` streams are divided.

    Attributes:
        n: streams, which have consecutive rows.
        alone: the first streams, which are multiplied one by one.
        place: of the first stream in its tile, from 0; 0 if some are alone.
    """

    n: int
    alone: int = 0
    place: int = 0

    @property
    def rows(self) -> int:
        """How many there are, with those of the tiles that belong to no stream."""
        return self.alone + -(-(self.place + self.n - self.alone) // TILE) * TILE

    @property
    def used(self) -> slice:
        """The rows that belong to streams."""
        return slice(self.place, self.place + self.n)

    def split(self, x: Array, joined: Iterable[int]) -> list[Array]:
        """``x``, (rows, columns), as stacks of products (count, rows of each, columns): views.

        Args:
            joined: how many tiles may be one product.
        """
        stacks = [x[: self.alone, None]] if self.alone else []
        at, tiles = self.alone, (self.rows - self.alone) // TILE
        for size in (*joined, 1):
            count, tiles = divmod(tiles, size)
            end = at + count * size * TILE
            if count:
                stacks.append(x[at:end].reshape(count, size * TILE, x.shape[1]))
            at = end
        return stacks


class Matrix:
    """A matrix that rows are multiplied by: all at once, or in groups.

    Args:
        W: (inputs, outputs).
        product: of a stack of rows and W.
    """

    def __init__(self, W: Array, product: Product = np.matmul) -> None:
        self.W, self._product = W, product
        self._joins: dict[int, bool] = {}

    def product(
        self, x: Array, out: Array, groups: Groups | None = None, size: int | None = None
    ) -> Callable[[], object]:
        """A function that writes ``x W`` to ``out``, as it is in memory then.

        Args:
            x: (rows, inputs). out: (rows, outputs).
            groups: of the rows; None for products of equal size.
            size: rows of each of these, a divisor of all rows; None for one product.
        """
        if groups is None:
            stacks = [each.reshape(-1, size or len(x), each.shape[1]) for each in (x, out)]
            return partial(self._product, stacks[0], self.W, stacks[1])
        tiles = groups.rows // TILE
        joined = [size for size in JOINED if size <= tiles and self._joins_tiles(size)]
        pairs = zip(groups.split(x, joined), groups.split(out, joined), strict=True)
        products = [partial(self._product, stack, self.W, into) for stack, into in pairs]
        if len(products) == 1:
            return products[0]

        def multiply() -> None:
            for product in products:
                product()

        return multiply

    def _joins_tiles(self, size: int) -> bool:
        if size not in self._joins:
            self._joins[size] = equals_tiles(self.W, size, self._product)
        return self._joins[size]


def equals_tiles(W: Array, size: int, product: Product = np.matmul) -> bool:
    """Whether one product of ``size`` tiles of rows is byte-equal to a product for each tile."""
    x, (inputs, outputs) = _random_rows(size * TILE, W), W.shape
    together: Array = np.empty((size * TILE, outputs), W.dtype)
    apart: Array = np.empty((size, TILE, outputs), W.dtype)
    product(x, W, together)
    product(x.reshape(size, TILE, inputs), W, apart)
    return together.tobytes() == apart.tobytes()


def alike_places(matrices: Iterable[Array], product: Product = np.matmul) -> Array:
    """For each place of a tile, the first one where a row is multiplied to the same bytes.

    Args:
        matrices: by all of which it must be the same.

    Returns:
        (TILE,) of intp.
    """
    alike = np.ones((TILE, TILE), bool)
    for W in matrices:
        # Each tile has one row in all of its places.
        x = np.repeat(_random_rows(TILE, W)[:, None], TILE, axis=1)
        out: Array = np.empty((TILE, TILE, W.shape[1]), W.dtype)
        product(x, W, out)
        for place in range(TILE):
            alike[place] &= (out == out[:, place, None]).all(axis=(0, 2))
    first: Array = alike.argmax(axis=1)
    return first


@dataclass(frozen=True)
class Moves:
    """How rows are brought together, so that fewer are needed.

    Attributes:
        n: rows that are left. sources, targets: (moves,) of intp.
    """

    n: int
    sources: Array
    targets: Array

    def apply(self, x: Array) -> Array:
        """Move rows of ``x``, (rows before, ...), in place; return those that are left."""
        x[self.targets] = x[self.sources]
        return x[: self.n]


def gaps_filled(running: Array, groups: Groups, alike: Array) -> Moves:
    """Move rows to where others have ended, each to a place where it is multiplied as before.

    Rows that are alone stay, even if they have ended.

    Args:
        running: (n,) which rows are still needed. groups: of these.
        alike: from :func:`alike_places`.
    """
    alone = groups.alone
    kinds = alike[np.arange(groups.place, groups.place + groups.n - alone) % TILE]
    sources, targets, n = [], [], alone
    for kind in np.unique(kinds):
        rows = alone + np.flatnonzero(kinds == kind)
        runs = running[rows]
        count = np.count_nonzero(runs)
        targets.append(rows[:count][~runs[:count]])
        sources.append(rows[count:][runs[count:]])
        if count:
            n = max(n, int(rows[count - 1]) + 1)
    none = np.zeros(0, np.intp)
    return Moves(n, np.concatenate([none, *sources]), np.concatenate([none, *targets]))


def _random_rows(count: int, W: Array) -> Array:
    x: Array = np.random.default_rng(0).random((count, len(W)), W.dtype.type)
    return np.subtract(x, 0.5, out=x)
