"""How often n-grams occur: counted in a text, added up over texts, pruned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from charrnn.data.excerpt import excerpt
from charrnn.nn.params import Array

#: Symbols of a text that are counted, at most: a bound on time and memory (2^23 take 1 GB); and the
#: places of a longer text that they are taken from.
LIMIT, PIECES = 2**23, 128


@dataclass(frozen=True)
class Counts:
    """The n-grams of a text up to some order, as a trie: see :mod:`charrnn.ngram`.

    Attributes:
        V: size of the alphabet. order: length of the longest n-grams.
        symbols: (M,) the last symbol of each node; 0 for the root.
        counts: (M,) of int64; 0 for the root. Of the longest n-grams, how often each occurs; of
            the others, how many different symbols come before it, and how often none does.
        children: (K,) how many children each node has, the longest n-grams left out.
        discounts: (order, 4) of float64: D of each order, for counts of 0, 1, 2, and 3 or more.
    """

    V: int
    order: int
    symbols: Array
    counts: Array
    children: Array
    discounts: Array

    @property
    def size(self) -> int:
        """How many n-grams there are; the empty one does not count."""
        return len(self.symbols) - 1

    @property
    def bounds(self) -> list[int]:
        """Where the nodes of each length begin: of 0 symbols, of 1, ..., and the end."""
        firsts = 1 + np.append(0, np.cumsum(self.children))
        bounds = [0, 1]
        for _ in range(self.order):
            bounds.append(int(firsts[bounds[-1]]))
        return bounds

    @property
    def parents(self) -> Array:
        """(M - 1,) the parent of each node but the root."""
        return np.repeat(np.arange(len(self.children)), self.children)

    def pruned(self, most: int) -> Counts:
        """At most ``most`` n-grams of two symbols or more; fewer where a whole group has to go.

        What goes are all n-grams that extend a history, so that after it the shorter history
        decides alone: first the longest n-grams, of the histories seen once; then shorter ones;
        then those of histories seen twice, four times, and so on.
        """
        pruned, limit = self, 1
        most += int(self.children[0])  # single symbols always stay
        while pruned.size > most:
            for length in range(self.order - 1, 0, -1):
                pruned = pruned._without(length, limit)
                if pruned.size <= most:
                    break
            limit *= 2
        return pruned

    def _without(self, length: int, limit: int) -> Counts:
        """Without the n-grams after histories of this length that were seen up to ``limit`` times.

        A history is kept if one of its n-grams is itself a history.
        """
        bounds, parents = self.bounds, self.parents
        nodes = np.arange(len(self.children))
        totals = np.bincount(parents, self.counts[1:], len(nodes))
        extended = np.bincount(
            parents[: len(nodes) - 1], self.children[1:] > 0, minlength=len(nodes)
        )
        here = (nodes >= bounds[length]) & (nodes < bounds[length + 1])
        gone = here & (totals <= limit) & (extended == 0)
        kept = np.append(True, ~gone[parents])
        return replace(
            self,
            symbols=self.symbols[kept],
            counts=self.counts[kept],
            children=np.where(gone, 0, self.children)[kept[: len(nodes)]],
        )

    def with_symbols(self, ids: Array, V: int) -> Counts:
        """The same n-grams in a larger alphabet.

        Args:
            ids: (old V,) the id of each symbol in it, ascending. V: its size.
        """
        return replace(self, V=V, symbols=np.append(0, ids[self.symbols[1:]]))


@dataclass(frozen=True)
class _Level:
    """The n-grams of one length.

    Attributes:
        keys: parent * V + symbol, ascending, where the parent is counted among those of its length.
        totals: how often each occurs.
        varieties: how many different symbols come before it, and how often none does.
    """

    keys: Array
    totals: Array
    varieties: Array


def counted_part(ids: Array, most: int = LIMIT) -> Array:
    """The symbols of a text that are counted: all, or ``most``, in pieces spread over it."""
    return excerpt(ids, most, PIECES)


def count(
    ids: Array,
    V: int,
    order: int,
    start: int | None = None,
    of_records: bool = False,
    before: Counts | None = None,
) -> Counts:
    """The n-grams of a text.

    Args:
        ids: (characters,) of any integer dtype, in [0, V).
        start: the symbol that the text is taken to follow, if any; it is only a history.
        of_records: whether ``start`` also ends each record of the text, so that no n-gram has
            symbols of two records.
        before: of an earlier text, to which these are added.
    """
    return _joined(_levels(ids, V, order, start, of_records, before), V)


def counts_by_order(ids: Array, V: int, longest: int) -> Iterator[Counts]:
    """The n-grams of a text for the models of each order, from 1 up to ``longest``."""
    levels = _levels(ids, V, longest)
    return (_joined(levels[: n + 1], V) for n in range(longest))


def _levels(
    ids: Array,
    V: int,
    order: int,
    start: int | None = None,
    of_records: bool = False,
    before: Counts | None = None,
) -> list[_Level]:
    text = ids.astype(np.int64)
    counted = np.ones(len(text), bool)
    if start is not None:
        text, counted = np.append(start, text), np.append(False, counted)
    known = _known(before, order)
    ranks_of_known = np.zeros(1, np.int64)
    histories = np.zeros(len(text), np.int64)  # the empty history is the only one
    levels: list[_Level] = []
    ranks = histories
    for n in range(1, order + 1):
        parents, symbols, counts = known[n - 1]
        old = ranks_of_known[parents] * V + symbols
        places = np.flatnonzero(histories >= 0)
        new = histories[places] * V + text[places]
        keys, joined = ranked(np.concatenate([old, new]))
        ranks_of_known, shorter = joined[: len(old)], ranks
        ranks = np.full(len(text), -1)
        ranks[places] = joined[len(old) :]
        if n > 1:
            # Each new n-gram is one more variety of what is left without its first symbol;
            # any of its places in the text tells which n-gram that is.
            at = np.full(len(keys), -1)
            at[ranks[places]] = places
            at[ranks_of_known] = -1
            varieties = levels[-1].varieties
            varieties += np.bincount(shorter[at[at >= 0]], minlength=len(varieties))
        totals = np.bincount(ranks[counted & (ranks >= 0)], minlength=len(keys))
        varieties = np.zeros(len(keys), np.int64)
        (totals if n == order else varieties)[ranks_of_known] += counts
        begins = histories >= 0
        histories = np.append(-1, ranks[:-1])[: len(text)]
        if of_records and n > 1:
            histories[1:][text[:-1] == start] = -1
        if start is not None:
            begins &= counted & (histories < 0)
            varieties += np.bincount(ranks[begins], minlength=len(keys))
        levels.append(_Level(keys, totals, varieties))
    return levels


def ranked(keys: Array) -> tuple[Array, Array]:
    """The distinct keys, ascending, and the rank of each key among them.

    The same as ``np.unique`` with ``return_inverse``, in a sixth of the time: a key and its place
    are sorted together, as one number.

    Args:
        keys: (M,) of int64, at least 0.
    """
    bits = len(keys).bit_length()
    if not len(keys) or int(keys.max()) >> (63 - bits):  # no room for both in 63 bits
        return np.unique(keys, return_inverse=True)
    both = keys << bits
    both |= np.arange(len(keys))
    both.sort()
    places = both & ((1 << bits) - 1)
    both >>= bits
    new = np.append(True, both[1:] != both[:-1])
    ranks = np.empty_like(keys)
    ranks[places] = new.cumsum() - 1
    return both[new], ranks


def _known(counts: Counts | None, order: int) -> list[tuple[Array, Array, Array]]:
    """For each length, the parents among those of their length, symbols and counts of n-grams."""
    if counts is None:
        return [(np.zeros(0, np.int64),) * 3] * order
    bounds, parents = counts.bounds, np.append(-1, counts.parents)
    levels = []
    for begin, here, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        level = slice(here, end)
        levels.append((parents[level] - begin, counts.symbols[level], counts.counts[level]))
    return levels


def _joined(levels: list[_Level], V: int) -> Counts:
    """The trie of the n-grams of each length up to the last."""
    counts = [level.varieties for level in levels[:-1]] + [levels[-1].totals]
    sizes = [1, *(len(level.keys) for level in levels)]
    children = [
        np.bincount(level.keys // V, minlength=size)
        for level, size in zip(levels, sizes, strict=False)
    ]
    return Counts(
        V,
        len(levels),
        np.concatenate([[0], *(level.keys % V for level in levels)]),
        np.concatenate([[0], *counts]),
        np.concatenate(children),
        np.array([_discounts(each) for each in counts]),
    )


def _discounts(counts: Array) -> Array:
    """D(c) for c = 0, 1, 2 and 3 or more: Chen & Goodman's estimates from the counts of counts.

    A short text may have no n-gram of some count from 1 to 4. Then there is no estimate, and D
    is 0.5, 0.75 and 1. It is never below 0.1, because otherwise what was not seen could have
    probability 0.
    """
    n = [int(np.count_nonzero(counts == c)) for c in range(1, 5)]
    if not all(n):
        return np.array([0.0, 0.5, 0.75, 1.0])
    y = n[0] / (n[0] + 2 * n[1])
    d = [c - (c + 1) * y * n[c] / n[c - 1] for c in (1, 2, 3)]
    return np.array([0.0, *np.clip(d, 0.1, [1.0, 2.0, 3.0])])
