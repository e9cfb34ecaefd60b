"""What a network is worth: the bits per character of models that need no training.

The n-gram model is interpolated modified Kneser-Ney (Chen & Goodman 1999, equations 26
to 28 of "An empirical study of smoothing techniques for language modeling"). For order
n, history h and the history h' that is one symbol shorter,

    p_n(w | h) = max(c(hw) - D(c(hw)), 0) / c(h) + gamma(h) p_{n-1}(w | h')

where the counts c of all orders but the highest are of the different symbols seen before
an n-gram, D takes one of three values by whether c is 1, 2 or more, gamma makes the sum
1, and p_0 is uniform over the V symbols.

A history is an integer: its rank among the histories of its length that were seen. So an
n-gram is the integer ``history * V + symbol``, counting is sorting, and looking up a
whole text is one binary search.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charrnn.nn.params import Array

#: Longest n-gram. Bits per character on the last tenth of the first nine of
#: tiny-shakespeare, by order from 1: 4.773 3.601 2.907 2.415 2.204 2.153 2.152 2.160.
ORDER = 6
#: Only the last so many symbols, or bytes, of a corpus are learned from: what bounds
#: time and memory: 2^23 symbols take 1 GB and 20 seconds, tiny-shakespeare takes 1.
LIMIT = 2**23


class NGram:
    """An n-gram model of a text, over V symbols; ``orders``: from the shortest n-grams up."""

    def __init__(self, V: int, orders: Sequence[_Order]) -> None:
        self._V, self._orders = V, orders

    def probabilities(self, ids: Array) -> Array:
        """Probability of each of ``ids`` (M,), given those before it: (M,) of float64."""
        text = ids.astype(np.int64)
        p = np.full(len(text), 1.0 / self._V)
        histories = np.zeros(len(text), np.int64)
        for order in self._orders:
            p, ranks = order.interpolate(histories, text, p)
            histories = np.append(-1, ranks[:-1])[: len(text)]
        return p

    @property
    def context(self) -> int:
        """How many symbols before it a probability may depend on."""
        return len(self._orders) - 1


def ngrams(ids: Array, V: int, longest: int = ORDER) -> list[NGram]:
    """The n-gram models of a text, by order: 1, a unigram model, up to ``longest``.

    Args:
        ids: (characters,) to learn from, in [0, V). V: size of the alphabet.
    """
    grams = _grams(ids[-LIMIT:].astype(np.int64), V, longest)
    models: list[NGram] = []
    lower: list[_Order] = []
    for n, (seen, ranks) in enumerate(grams):
        counts = np.bincount(ranks[ranks >= 0], minlength=len(seen))
        models.append(NGram(V, [*lower, _Order(seen, counts, V)]))
        if n + 1 < longest:
            # Each (n+1)-gram counts once for the n-gram it ends with; any place where
            # it stands tells which one that is.
            more, places = grams[n + 1]
            at = np.zeros(len(more), np.int64)
            inside = places >= 0
            at[places[inside]] = np.flatnonzero(inside)
            lower.append(_Order(seen, np.bincount(ranks[at], minlength=len(seen)), V))
    return models


def _grams(text: Array, V: int, longest: int) -> list[tuple[Array, Array]]:
    """The n-grams of each length that were seen, and at each place the rank of its own."""
    histories = np.zeros(len(text), np.int64)  # the empty history is the only one
    grams: list[tuple[Array, Array]] = []
    for _ in range(longest):
        # The first symbols have no history of this length; -1 stands for that.
        keys = np.where(histories < 0, -1, histories * V + text)
        seen, ranks = np.unique(keys, return_inverse=True)
        if len(seen) and seen[0] < 0:
            seen, ranks = seen[1:], ranks - 1
        grams.append((seen, ranks))
        histories = np.append(-1, ranks[:-1])[: len(text)]
    return grams


class _Order:
    """The n-grams of one length, their counts, and what follows from those.

    Args:
        grams: sorted integers. counts: of each; 0 for what only begins the text.
    """

    def __init__(self, grams: Array, counts: Array, V: int) -> None:
        self._grams, self._counts, self._V = grams, counts, V
        self._discount = _discounts(counts)
        histories = grams // V
        size = int(histories[-1]) + 1 if len(grams) else 0
        self._total = np.bincount(histories, counts, size)
        taken = self._discount[np.minimum(counts, 3)]
        # What the discounts leave over is for the shorter history.
        self._left = np.bincount(histories, taken, size)

    def interpolate(self, histories: Array, symbols: Array, lower: Array) -> tuple[Array, Array]:
        """One order up: probabilities, and the rank of each n-gram, -1 where unseen.

        Args:
            histories: ranks of the histories, -1 where unseen. lower: p of one order less.
        """
        if not len(self._grams):
            return lower, np.full(len(symbols), -1)
        keys: Array = histories * self._V + symbols
        ranks: Array = np.minimum(np.searchsorted(self._grams, keys), len(self._grams) - 1)
        seen = (histories >= 0) & (self._grams[ranks] == keys)
        # A history that was seen only at the end of the text has nothing after it.
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

    Where there is no n-gram of some count from 1 to 4, as in little text, there is no
    estimate, and D is 0.5, 0.75 and 1. It is never below 0.1: some share must be left
    over, or what was not seen would have probability 0.
    """
    n = [int(np.count_nonzero(counts == c)) for c in range(1, 5)]
    if not all(n):
        return np.array([0.0, 0.5, 0.75, 1.0])
    y = n[0] / (n[0] + 2 * n[1])
    d = [c - (c + 1) * y * n[c] / n[c - 1] for c in (1, 2, 3)]
    return np.array([0.0, *np.clip(d, 0.1, [1.0, 2.0, 3.0])])
