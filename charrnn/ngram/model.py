"""Probabilities by an n-gram model.

What a stream has read is a *context*: the nodes of its last 0, 1, ..., order - 1 symbols, each the
node NOWHERE if they were never seen together. Short histories have their distributions in a table.
To that of the longest of these, the longer histories add something for each of their children,
which are few.

For a few streams, all of this is done in plain Python, with the same numbers to the bit: at their
size, calls of NumPy take longer (docs/design/mixing.md).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np

from charrnn.ngram.counts import LIMIT, Counts, counted_part, counts_by_order
from charrnn.nn.functional import rows
from charrnn.nn.params import Array

#: Length of the longest n-grams of baselines; docs/design/tuning.md has the score by order.
ORDER = 6
#: Symbols of a text that are looked up at once.
BLOCK = 2**16
#: Probabilities in the table of short histories, at most (16 MB), and symbols of these.
TABLE, SHORT = 2**21, 2
#: Streams up to which plain Python is faster.
FEW = 4


class NGram:
    """An n-gram model of a text.

    Args:
        counts: its n-grams.
        end: the symbol that ends a record, if the text is one of records: what comes before it
            says nothing about the next record.
    """

    def __init__(self, counts: Counts, end: int | None = None) -> None:
        self.counts, self.end = counts, end
        V, parents = counts.V, counts.parents
        self.V, self.order = V, counts.order
        nodes, inner = len(counts.symbols), len(counts.children)
        self._nowhere = nodes
        self._bounds = counts.bounds
        self._symbols = counts.symbols.astype(np.intp)
        #: How many children a node has, and the first of them.
        self._size = np.zeros(nodes + 1, np.intp)
        self._size[:inner] = counts.children
        self._first = 1 + np.append(0, np.cumsum(self._size))
        # The last one, of no n-gram, spares lookups a check for the end.
        self._keys = np.append(parents * V + self._symbols[1:], -1)
        discount = np.empty(nodes)
        for n, D in enumerate(counts.discounts):
            level = slice(self._bounds[n + 1], self._bounds[n + 2])
            discount[level] = D[np.minimum(counts.counts[level], 3)]
        total = np.bincount(parents, counts.counts[1:], inner)
        left = np.bincount(parents, discount[1:], inner)
        known = total > 0
        total[~known] = 1.0
        #: What a node adds to the probability of its symbol after its parent.
        self._value = np.zeros(nodes + 1)
        self._value[1:-1] = (counts.counts[1:] - discount[1:]) / total[parents]
        #: What a node, as a history, leaves to the shorter history.
        self._rest = np.ones(nodes + 1)
        self._rest[:inner][known] = left[known] / total[known]
        single = slice(1, self._bounds[2])
        self._node_of = np.full(V, nodes)
        self._node_of[self._symbols[single]] = np.arange(nodes)[single]
        self._table = self._short_histories(parents)
        # For plain Python, whose numbers these give.
        self._views: tuple[Any, ...] = (
            self._first.data,
            self._symbols.data,
            self._value.data,
            self._rest.data,
        )

    def _short_histories(self, parents: Array) -> Array:
        """The distributions after the nodes of the first lengths: (nodes, V)."""
        lengths = range(1, min(SHORT + 1, self.order))
        fits = [n for n in lengths if self._bounds[n + 1] * self.V <= TABLE]
        self._short = 1 + max(fits, default=0)  # how many lengths
        table: Array = np.empty((self._bounds[self._short], self.V))
        for n in range(self._short):
            nodes = slice(self._bounds[n], self._bounds[n + 1])
            shorter: Array | float = 1.0 / self.V
            if n:
                shorter = table[self._node_of[self._symbols[nodes]] if n > 1 else [0]]
            table[nodes] = shorter * self._rest[nodes, None]
            children = slice(self._bounds[n + 1], self._bounds[n + 2])
            of_each = parents[children.start - 1 : children.stop - 1], self._symbols[children]
            table[of_each] += self._value[children]
        return table

    def context(self, start: int | None = None) -> Array:
        """The context of a text that follows ``start``, or nothing: (order,) of intp."""
        context = np.full(self.order, self._nowhere)
        context[0] = 0
        if start is not None and self.order > 1:
            context[1] = self._node_of[start]
        return context

    def children(self, node: int) -> dict[int, int]:
        """The symbols after an n-gram, and their counts."""
        those = slice(self._first[node], self._first[node] + self._size[node])
        symbols, counts = self._symbols[those].tolist(), self.counts.counts[those].tolist()
        return dict(zip(symbols, counts, strict=True))

    def advance(self, contexts: Array, symbols: Array) -> Array:
        """The contexts of streams, (n, order), after each has read one symbol more, (n,)."""
        if len(contexts) <= FEW:
            pairs = zip(contexts.tolist(), symbols.tolist(), strict=True)
            return np.array([self._next(context, symbol) for context, symbol in pairs])
        after: Array = np.empty(contexts.shape, np.intp)
        after[:, 0] = 0
        after[:, 1:] = self._found(contexts[:, :-1] * self.V + symbols[:, None])
        if self.end is not None:
            after[symbols == self.end, 2:] = self._nowhere
        return after

    def distributions(self, contexts: Array) -> Array:
        """The distribution of the next symbol of each stream, (n, V) of float64.

        Each row depends on nothing but its own context.
        """
        n, short = len(contexts), self._short
        if n <= FEW:
            p: Array = np.empty((n, self.V))
            for context, row in zip(contexts.tolist(), p, strict=True):
                self._distribution(context, row)
            return p
        # From the longest history on; each has the weight that the ones before leave to it.
        histories = contexts[:, : short - 1 : -1]
        weights = np.ones((n, histories.shape[1] + 1))
        np.multiply.accumulate(self._rest[histories], axis=1, out=weights[:, 1:])
        histories = histories.ravel()
        sizes = self._size[histories]
        which = rows(len(histories)).repeat(sizes)  # the history of each child
        children = (self._first[histories] - sizes.cumsum() + sizes)[which]
        children += np.arange(len(which))
        cells = self._symbols[children] + which // max(1, self.order - short) * self.V
        shares = self._value[children] * weights[:, :-1].ravel()[which]
        known = np.where(contexts[:, :short] == self._nowhere, 0, contexts[:, :short])
        p = self._table[known.max(axis=1)] * weights[:, -1:]
        p += np.bincount(cells, shares, n * self.V).reshape(n, self.V)
        return p

    def _next(self, context: list[int], symbol: int) -> list[int]:
        """One context after one symbol: see :meth:`advance`."""
        first, symbols, _, _ = self._views
        after = [0, int(self._node_of[symbol])][: self.order]
        for node in context[1:-1]:
            end = first[node + 1]
            at = bisect_left(symbols, symbol, first[node], end)
            known = at < end and symbols[at] == symbol and symbol != self.end
            after.append(at if known else self._nowhere)
        return after

    def _distribution(self, context: list[int], p: Array) -> None:
        """Write the distribution after one context, (V,): see :meth:`distributions`."""
        first, symbols, values, rests = self._views
        weight, shares = 1.0, dict[int, float]()
        for node in context[: self._short - 1 : -1]:
            if node != self._nowhere:
                here = slice(first[node], first[node + 1])
                for symbol, value in zip(symbols[here], values[here], strict=True):
                    shares[symbol] = shares.get(symbol, 0.0) + value * weight
                weight *= rests[node]
        known = 0
        for node in context[1 : self._short]:
            if node != self._nowhere:
                known = node
        np.multiply(self._table[known], weight, p)
        cells: Any = p.data  # quicker than the array, one by one
        for symbol, share in shares.items():
            cells[symbol] += share

    def read(self, ids: Array, context: Array, begins: Array | None = None) -> tuple[Array, Array]:
        """The probability of each symbol of a text, given those before it.

        Args:
            ids: (M,) of any integer dtype, in [0, V).
            context: (order,) that the text follows.
            begins: (M,) which symbols begin a text of their own, that follows ``context``, too;
                None for none but the first.

        Returns:
            (M,) of float64, and the context after the text.
        """
        p, after = np.empty(len(ids)), context
        for at in range(0, len(ids), BLOCK):
            block = slice(at, at + BLOCK)
            levels = self._levels(
                ids[block], after, None if begins is None else (begins[block], context)
            )
            nodes = []
            p[block] = 1.0 / self.V
            for histories, found in levels:
                p[block] *= self._rest[histories]
                p[block] += self._value[found]
                nodes.append(int(found[-1]))
            after = self._context(int(ids[block][-1]), nodes)
        return p, after

    def contexts(self, ids: Array, context: Array) -> Array:
        """The context before each symbol of a text that follows ``context``: (M, order)."""
        return np.stack([histories for histories, _ in self._levels(ids, context)], axis=1)

    def _context(self, last: int, nodes: list[int]) -> Array:
        """The context after a text, from its last symbol and the nodes that end with it."""
        context = np.array([0, *nodes[:-1]])
        if last == self.end:
            context[2:] = self._nowhere
        return context

    def _levels(
        self, ids: Array, context: Array, begins: tuple[Array, Array] | None = None
    ) -> Iterator[tuple[Array, Array]]:
        """For each length from 1: the nodes of the histories, and those of the n-grams."""
        symbols = ids.astype(np.intp)
        found = self._node_of[symbols]
        yield np.zeros(len(ids), np.intp), found
        ended = None if self.end is None else np.flatnonzero(symbols[:-1] == self.end) + 1
        for n in range(1, self.order):
            histories = np.empty_like(found)
            histories[:1], histories[1:] = context[n], found[:-1]
            if ended is not None and n > 1:
                histories[ended] = self._nowhere
            if begins is not None:
                histories[begins[0]] = begins[1][n]
            found = self._found(histories * self.V + symbols, n + 1)
            yield histories, found

    def _found(self, keys: Array, length: int | None = None) -> Array:
        """The nodes of ``parent * V + symbol``; only those of one length, if that is given."""
        first, end = 1, self._nowhere
        if length is not None:
            first, end = self._bounds[length : length + 2]
        at = self._keys[first - 1 : end - 1].searchsorted(keys)
        at += first
        at[self._keys[at - 1] != keys] = self._nowhere
        return at


def ngrams(ids: Array, V: int, longest: int = ORDER, limit: int = LIMIT) -> list[NGram]:
    """The n-gram models of a text, by order: from 1, a unigram model, up to ``longest``.

    Args:
        ids: (characters,) of any integer dtype, in [0, V), to learn from. V: alphabet size.
        limit: how many symbols are learned from.
    """
    return [NGram(counts) for counts in counts_by_order(counted_part(ids, limit), V, longest)]
