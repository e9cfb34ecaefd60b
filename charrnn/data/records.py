"""Records: a corpus of many short items, one a line, instead of one long text.

An item is a line that is not empty, with the newline that ends it. It begins from the
zero state, its first symbol following a newline, so that after training a newline and
the zero state are where any item begins, and drawing ends with the next newline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from charrnn.data.source import BLOCK
from charrnn.data.vocab import Text, Vocab, bytes_of
from charrnn.nn.params import Array


def find_symbol(ids: Array, symbol: int) -> Array:
    """Where ``symbol`` occurs in ``ids``, int64; searched block by block to save memory."""
    blocks = range(0, len(ids), BLOCK)
    found = [at + np.flatnonzero(ids[at : at + BLOCK] == symbol) for at in blocks]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def record_spans(ids: Array, newline: int) -> tuple[Array, Array]:
    """Where the lines of ``ids`` that are not empty begin, and their lengths: int64 each."""
    ends = find_symbol(ids, newline)
    if len(ids) and ids[-1] != newline:
        ends = np.append(ends, len(ids))
    starts = np.append(0, ends[:-1] + 1)[: len(ends)]
    some = ends > starts
    return starts[some], (ends - starts)[some]


class RecordSet:
    """Which items stand in a corpus, kept as 8 bytes each.

    Attributes:
        hashes: (items,) of int64, sorted, each once: the first 8 bytes of the BLAKE2b
            digest of an item's UTF-8. Among a million items a new one is taken for an
            old one once in 10^13 times.
    """

    def __init__(self, hashes: Array) -> None:
        self.hashes = hashes

    @classmethod
    def of(cls, items: Iterable[Text]) -> RecordSet:
        """The set of ``items``, without their newlines."""
        return cls(np.unique(np.fromiter(map(_hash, items), np.int64)))

    @classmethod
    def of_ids(cls, ids: Array, vocab: Vocab) -> RecordSet:
        """The items of a corpus, held-out ones included."""
        return cls.of(texts_of(ids, vocab))

    def union(self, other: RecordSet) -> RecordSet:
        """The items of both."""
        return RecordSet(np.union1d(self.hashes, other.hashes))

    def __len__(self) -> int:
        return len(self.hashes)

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, (str, bytes)):
            return False
        value = _hash(item)
        at = int(np.searchsorted(self.hashes, value))
        return at < len(self.hashes) and int(self.hashes[at]) == value


def texts_of(ids: Array, vocab: Vocab) -> Iterator[Text]:
    """The items of a corpus as text."""
    starts, lengths = record_spans(ids, vocab.start)
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        yield vocab.decode(ids[start : start + length])


def _hash(item: Text) -> int:
    digest = hashlib.blake2b(bytes_of(item), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


#: Symbols that are split into lines at once; a line costs 100 bytes, however short it is.
PART = 1 << 16


def split_lines(blocks: Iterator[Array]) -> Iterator[list[Array]]:
    """The lines that each part of a text completes: their symbols, without the newlines."""
    rest: list[Array] = []
    parts = (block[at : at + PART] for block in blocks for at in range(0, len(block), PART))
    for part in parts:
        *whole, last = np.split(part, np.flatnonzero(part == 10) + 1)
        lines = [piece[:-1] for piece in whole]
        if lines:
            lines[0] = np.concatenate([*rest, lines[0]])
            rest = []
        if len(last):
            rest.append(last)
        yield lines
    if rest:
        yield [np.concatenate(rest)]
