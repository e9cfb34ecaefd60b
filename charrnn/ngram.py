"""N-gram models of a text: the baseline that a network has to beat.

The model is interpolated modified Kneser-Ney (Chen & Goodman 1999, equations 26 to 28 of
"An empirical study of smoothing techniques for language modeling"). For order n, history h
and the history h' that is one symbol shorter,

    p_n(w | h) = max(c(hw) - D(c(hw)), 0) / c(h) + gamma(h) p_{n-1}(w | h')

where c counts n-grams in the highest order and, in all others, the different symbols seen
before an n-gram; D is one of three values, for c of 1, 2 and more; gamma makes the sum over w
equal 1; and p_0 is uniform over the V symbols.

A history is an integer: its rank among the histories of its length that were seen. So an
n-gram is the integer ``history * V + symbol``, counting is sorting, and a whole text is looked
up by one binary search for each order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charrnn.nn.params import Array

#: Length of the longest n-grams; docs/design/tuning.md has the score by order.
ORDER = 6
#: Symbols, or bytes, at the end of a corpus that are learned from: a bound on time and memory.
#: 2^23 symbols take 1 GB.
LIMIT = 2**23


class NGram:
    """An n-gram model of a text.

    Args:
        V: size of the alphabet. orders: n-grams of each length, the shortest first.
    """

    def __init__(self, V: int, orders: Sequence[_Order]) -> None:
        self._V, self._orders = V, orders

    def probabilities(self, ids: Array) -> Array:
        """The probability of each symbol of a text, given those before it.

        Args:
            ids: (M,) of any integer dtype, in [0, V).

        Returns:
            (M,) of float64.
        """
        text = ids.astype(np.int64)
        p = np.full(len(text), 1.0 / self._V)
        histories = np.zeros(len(text), np.int64)
        for order in self._orders:
            p, ranks = order.interpolate(histories, text, p)
            histories = np.append(-1, ranks[:-1])[: len(text)]
        return p

    @property
    def context(self) -> int:
        """How many preceding symbols a probability depends on, at most."""
        return len(self._orders) - 1


def ngrams(ids: Array, V: int, longest: int = ORDER, limit: int = LIMIT) -> list[NGram]:
    """The n-gram models of a text, by order: from 1, a unigram model, up to ``longest``.

    Args:
        ids: (characters,) of any integer dtype, in [0, V), to learn from. V: alphabet size.
        limit: how many of the last symbols are learned from.
    """
    grams = _grams(ids[-limit:].astype(np.int64), V, longest)
    models: list[NGram] = []
    lower: list[_Order] = []
    for n, (seen, ranks) in enumerate(grams):
        counts = np.bincount(ranks[ranks >= 0], minlength=len(seen))
        models.append(NGram(V, [*lower, _Order(seen, counts, V)]))
        if n + 1 < longest:
            # Each (n+1)-gram counts once for the n-gram that it ends with; any of its places
            # in the text tells which one that is.
            more, places = grams[n + 1]
            at = np.zeros(len(more), np.int64)
            inside = places >= 0
            at[places[inside]] = np.flatnonzero(inside)
            lower.append(_Order(seen, np.bincount(ranks[at], minlength=len(seen)), V))
    return models


def _grams(text: Array, V: int, longest: int) -> list[tuple[Array, Array]]:
    """For each length: the n-grams that were seen, and for each place the rank of its n-gram."""
    histories = np.zeros(len(text), np.int64)  # the empty history is the only one
    grams: list[tuple[Array, Array]] = []
    for _ in range(longest):
        # -1 is for the first symbols, which have no history of this length.
        keys = np.where(histories < 0, -1, histories * V + text)
        seen, ranks = np.unique(keys, return_inverse=True)
        if len(seen) and seen[0] < 0:
            seen, ranks = seen[1:], ranks - 1
        grams.append((seen, ranks))
        histories = np.append(-1, ranks[:-1])[: len(text)]
    return grams


class _Order:
    """The n-grams of one length with their counts, discounts and totals.

    Args:
        grams: (M,) of int64, sorted. counts: (M,); 0 for one that only begins the text.
    """

    def __init__(self, grams: Array, counts: Array, V: int) -> None:
        self._grams, self._counts, self._V = grams, counts, V
        self._discount = _discounts(counts)
        histories = grams // V
        size = int(histories[-1]) + 1 if len(grams) else 0
        self._total = np.bincount(histories, counts, size)
        taken = self._discount[np.minimum(counts, 3)]
        # What the discounts take away goes to the shorter history.
        self._left = np.bincount(histories, taken, size)

    def interpolate(self, histories: Array, symbols: Array, lower: Array) -> tuple[Array, Array]:
        """Probabilities of this order from those of the one below, for M places in a text.

        Args:
            histories: (M,) ranks of the histories, -1 where unseen. symbols: (M,) ids.
            lower: (M,) probabilities of one order less.

        Returns:
            (M,) probabilities, and (M,) ranks of the n-grams, -1 where unseen.
        """
        if not len(self._grams):
            return lower, np.full(len(symbols), -1)
        keys: Array = histories * self._V + symbols
        ranks: Array = np.minimum(np.searchsorted(self._grams, keys), len(self._grams) - 1)
        seen = (histories >= 0) & (self._grams[ranks] == keys)
        # A history seen only at the end of the text was followed by nothing.
        known = (histories >= 0) & (histories < len(self._total))
        rows = np.where(known, histories, 0)
        known &= self._total[rows] > 0
        counts = np.where(seen, self._counts[ranks], 0)
        total = np.where(known, self._total[rows], 1.0)
        own = counts - self._discount[np.minimum(counts, 3)]
        p = np.where(known, (own + self._left[rows] * lower) / total, lower)
        return p, np.where(seen, ranks, -1)


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
