"""What a text consists of: its symbols, how often each occurs, and the vocabulary made of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.data.records import SEPARATOR, end_point
from charrnn.data.source import Source
from charrnn.data.tokens import token_array
from charrnn.data.vocab import Vocab, codepoints
from charrnn.data.word_vocab import UNKNOWN, WordVocab
from charrnn.nn.params import Array

#: What ends lines and records: symbols of every text that has them, however few there are.
ENDS = (10, SEPARATOR)


class Survey:
    """What sources of characters or bytes consist of.

    Attributes:
        characters: how many symbols. size: how many bytes.
    """

    def __init__(self) -> None:
        # How often each code point or byte value occurs.
        self._counts = np.zeros(256, np.int64)
        self.characters, self.size = 0, 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Digest of all bytes, in hexadecimal."""
        return self._digest.hexdigest()

    def add(self, source: Source, blocks: Iterator[Array]) -> None:
        """Read a source: its symbols, in ``blocks``, then its bytes."""
        for symbols in blocks:
            if len(symbols):
                self._count(symbols)
            self.characters += len(symbols)
        for block in source.blocks():
            self._digest.update(block)
            self.size += len(block)

    def _count(self, symbols: Array) -> None:
        counts = np.bincount(symbols, minlength=len(self._counts))
        counts[: len(self._counts)] += self._counts
        self._counts = counts

    def only(self) -> str | None:
        """The only symbol that occurs; None if there are several."""
        several = np.count_nonzero(self._counts) > 1
        return None if several else chr(int(np.argmax(self._counts)))

    def kept(self, data: DataConfig, known: Vocab | None) -> tuple[Array, Array]:
        """The symbols to keep, and those that are too rare; sorted."""
        seen = self._counts > 0
        rare = seen & (self._counts < (data.min_count if data.unit == "char" else 1))
        rare[list(ENDS)] = False
        if known is not None:
            rare[known.points[known.points < len(rare)]] = False
        return np.flatnonzero(seen & ~rare), np.flatnonzero(rare)

    def counts_of(self, symbols: Array) -> Array:
        """How often each of ``symbols`` occurs, of int64."""
        return self._counts[symbols]

    def vocab(self, symbols: Array, rare: Array, data: DataConfig) -> Vocab:
        """A vocabulary of ``symbols``, in which one more stands for the ``rare`` ones."""
        return Vocab(data.unit, symbols.tolist(), len(rare) > 0, end_point(data.records))


class WordSurvey(Survey):
    """What sources of words consist of."""

    def __init__(self) -> None:
        super().__init__()
        self._words: Counter[str] = Counter()

    def _count(self, symbols: Array) -> None:
        self._words.update(symbols.tolist())

    def only(self) -> str | None:
        return None if len(self._words) > 1 else next(iter(self._words))

    def kept(self, data: DataConfig, known: Vocab | None) -> tuple[Array, Array]:
        """The most frequent words, of which there are ``data.vocab_size`` with the unknown one."""
        words = self._words
        first = {chr(end) for end in ENDS}
        order = sorted(words, key=lambda word: (word not in first, -words[word], word))
        count = sum(word in first or words[word] >= data.min_count for word in order)
        if count < len(order) or len(order) > data.vocab_size:
            count = min(count, data.vocab_size - 1)
        kept = set(order[:count])
        if known is not None:
            kept |= words.keys() & set(known.points.tolist())
        if len(kept) < len(order):
            kept.discard(UNKNOWN)  # which stands for others, too
        rare = words.keys() - kept
        return token_array(sorted(kept)), token_array(sorted(rare))

    def counts_of(self, symbols: Array) -> Array:
        return np.array([self._words[word] for word in symbols.tolist()], np.int64)

    def vocab(self, symbols: Array, rare: Array, data: DataConfig) -> Vocab:
        spelling = self._spelling(rare if len(rare) else symbols)
        return WordVocab(symbols.tolist(), len(rare) > 0, end_point(data.records), spelling)

    def _spelling(self, words: Array) -> float:
        """Nats that spelling one of ``words`` takes, by how often each letter occurs in them.

        A mean over their occurrences; the end of a word is one more letter.
        """
        weights = self.counts_of(words)
        lengths = np.array([len(word) for word in words.tolist()])
        letters = codepoints("".join(words.tolist()))
        counts = np.bincount(letters, np.repeat(weights, lengths))
        p = np.append(counts[counts > 0], weights.sum()) / (weights @ (lengths + 1))
        return float(-np.sum(p * np.log(p)) * (weights @ (lengths + 1)) / weights.sum())
