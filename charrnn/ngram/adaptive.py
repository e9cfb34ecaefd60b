"""An n-gram model that learns from what it reads, symbol by symbol.

After each symbol its n-gram is counted, the longest first; where it is new, it is one more variety
of the next shorter one, which is counted, too, and so on. So the counts are at any time those of
the training text and what was read, as :func:`charrnn.ngram.count` would find them.
"""

from __future__ import annotations

import numpy as np

from charrnn.ngram.model import NGram
from charrnn.nn.params import Array

#: Histories that are kept, at most, at some 500 bytes each: then no new ones are added.
MOST = 2**20


class AdaptiveNGram:
    """An n-gram model and a text that it reads and learns from.

    Args:
        ngram: not changed. start: the symbol that the text is taken to follow.
    """

    def __init__(self, ngram: NGram, start: int, most: int = MOST) -> None:
        self._ngram, self._most = ngram, most
        self._context, self._text = ngram.context(start), [start]
        #: By the node of the model, or by their symbols where the model does not know them.
        self._histories: dict[int | tuple[int, ...], _History] = {}

    def read(self, ids: Array) -> Array:
        """The probability of each symbol, (M,) of float64, before it was learned from."""
        contexts = self._ngram.contexts(ids, self._context).tolist()
        p = np.empty(len(ids))
        for at, (symbol, context) in enumerate(zip(ids.tolist(), contexts, strict=True)):
            nodes = context[: len(self._text) + 1]  # at the start there are no longer histories
            histories = [self._history(n, node) for n, node in enumerate(nodes)]
            probability = 1.0 / self._ngram.V
            for history in histories:
                if history is not None:
                    probability = history.probability(symbol, probability)
            p[at] = probability
            for history in reversed(histories):
                if history is not None and history.learn(symbol):
                    break
            text = [*self._text, symbol]
            self._text = text[max(0, len(text) - self._ngram.order + 1) :]
        _, self._context = self._ngram.read(ids, self._context)
        return p

    def _history(self, length: int, node: int) -> _History | None:
        """The history of so many symbols; None if there are too many to keep."""
        known = node < len(self._ngram.counts.symbols)
        key = node if known else tuple(self._text[len(self._text) - length :])
        if (history := self._histories.get(key)) is not None or len(self._histories) >= self._most:
            return history
        counts = self._ngram.children(node) if known else {}
        history = _History(counts, self._ngram.counts.discounts[length].tolist())
        self._histories[key] = history
        return history


class _History:
    """What followed a history, how often, and what their discounts leave to the shorter one."""

    __slots__ = ("_counts", "_discounts", "_left", "_total")

    def __init__(self, counts: dict[int, int], discounts: list[float]) -> None:
        self._counts, self._discounts = counts, discounts
        self._total = sum(counts.values())
        self._left = sum(discounts[min(c, 3)] for c in counts.values())

    def probability(self, symbol: int, lower: float) -> float:
        if not self._total:
            return lower
        count = self._counts.get(symbol, 0)
        own = count - self._discounts[min(count, 3)]
        return (own + self._left * lower) / self._total

    def learn(self, symbol: int) -> bool:
        """Count a symbol; returns whether it was known."""
        count = self._counts.get(symbol, 0)
        self._counts[symbol] = count + 1
        self._total += 1
        self._left += self._discounts[min(count + 1, 3)] - self._discounts[min(count, 3)]
        return count > 0
