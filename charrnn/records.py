"""Records: a corpus of many short items, one a line, instead of one long text.

An item is a line that is not empty, with the newline that ends it. It begins from the
zero state, its first symbol following a newline, so that after training a newline and
the zero state are where any item begins, and drawing ends with the next newline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from charrnn.corpus import PADDING, newlines
from charrnn.errors import CorpusError
from charrnn.evaluation import Evaluation, total
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.scoring import LineScorer
from charrnn.vocab import Text, Vocab, bytes_of

#: Batches whose items are sorted by length together. Names are padded by 2% (16: 7%), and
#: which items share a batch still changes from epoch to epoch.
MIX = 64


def items_of(ids: Array, newline: int) -> tuple[Array, Array]:
    """Where the lines of ``ids`` that are not empty begin, and their lengths: int64 each."""
    ends = newlines(ids, newline)
    if len(ids) and ids[-1] != newline:
        ends = np.append(ends, len(ids))
    starts = np.append(0, ends[:-1] + 1)[: len(ends)]
    some = ends > starts
    return starts[some], (ends - starts)[some]


def evaluate_items(network: Network, ids: Array, newline: int) -> Evaluation:
    """Score every item of a text by itself, the newline that ends it included."""
    starts, lengths = items_of(ids, newline)
    lines = (ids[s : s + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True))
    return total(LineScorer(network, newline, newline).score(lines))


class ItemScorer:
    """A :class:`~charrnn.evaluation.Scorer`: a network's score of items, each by itself.

    What is read is a text of items, each with the newline that ends it; a part of the text
    may begin and end within one.
    """

    def __init__(self, network: Network, newline: int) -> None:
        self._network, self._newline = network, newline
        self._rest, self._nats = np.zeros(0, np.intp), 0.0

    def read(self, ids: Array) -> None:
        ids = np.concatenate([self._rest, ids])
        ends = newlines(ids, self._newline)
        whole = int(ends[-1]) + 1 if len(ends) else 0
        self._nats += evaluate_items(self._network, ids[:whole], self._newline).nats
        self._rest = ids[whole:]

    def total(self) -> float:
        return self._nats + evaluate_items(self._network, self._rest, self._newline).nats


class Records:
    """Items in batches of ``batch_size``; the counterpart of :class:`~charrnn.corpus.Streams`.

    Each epoch has an order of its own, which follows from its ``offset`` alone. A batch
    takes items of like length and as many windows of ``seq_length`` as its longest one
    needs; its first window is :meth:`fresh`: every stream starts there from the zero
    state. A target beyond an item's end is :data:`~charrnn.corpus.PADDING`.

    Args:
        ids: (characters,). newline: the id that ends an item.

    Raises:
        CorpusError: if there is no item.
    """

    #: An offset is the seed of an epoch's order.
    offsets = 2**31

    def __init__(self, ids: Array, newline: int, batch_size: int, seq_length: int) -> None:
        self.ids, self.newline = ids, newline
        self._starts, self._lengths = items_of(ids, newline)
        if not len(self._starts):
            raise CorpusError("all lines to train on are empty; give a text with an item a line")
        self.batch_size = min(batch_size, len(self._starts))
        self.seq_length = min(seq_length, int(self._lengths.max()) + 1)
        self._offset = -1

    def _arrange(self, offset: int) -> None:
        """Lay out the epoch of ``offset``, unless that is what was laid out last."""
        if offset == self._offset:
            return
        rng, N = np.random.default_rng(offset), self.batch_size
        items = rng.permutation(len(self._starts))
        group = np.arange(len(items)) // (N * MIX)
        self._items = items[np.lexsort((-self._lengths[items], group))]
        self._batches = rng.permutation(-(-len(items) // N))
        longest = self._lengths[self._items[self._batches * N]] + 1
        # Batch i of the epoch has the windows from _ends[i-1] up to _ends[i].
        self._ends = np.cumsum(-(-longest // self.seq_length))
        self._offset = offset

    def _place(self, offset: int, k: int) -> tuple[Array, int]:
        """The items of window ``k``, and the symbol of each that the window begins with."""
        self._arrange(offset)
        i = int(np.searchsorted(self._ends, k, side="right"))
        at = self._batches[i] * self.batch_size
        before = int(self._ends[i - 1]) if i else 0
        return self._items[at : at + self.batch_size], (k - before) * self.seq_length

    def windows(self, offset: int) -> int:
        """Windows in the epoch of ``offset``."""
        self._arrange(offset)
        return int(self._ends[-1])

    def fresh(self, offset: int, k: int) -> bool:
        """Whether window ``k`` begins its items, so that no state is carried into it."""
        return self._place(offset, k)[1] == 0

    def characters(self, offset: int, k: int) -> int:
        """Targets in window ``k`` that count."""
        items, at = self._place(offset, k)
        return int(np.clip(self._lengths[items] + 1 - at, 0, self.seq_length).sum())

    def window(self, offset: int, k: int, ids: Array, targets: Array) -> None:
        """Copy window ``k``: inputs to ``ids`` and the symbols after them to ``targets``.

        Args:
            ids, targets: (seq_length, batch_size) of intp; written.
        """
        items, at = self._place(offset, k)
        starts, lengths = self._starts[items], self._lengths[items]
        times = np.arange(at, at + self.seq_length)[:, None]
        symbols = self.ids[np.minimum(starts + times, len(self.ids) - 1)].astype(np.intp)
        targets.fill(PADDING)
        now = targets[:, : len(items)]
        np.copyto(now, symbols, where=times < lengths)
        np.copyto(now, self.newline, where=times == lengths)
        ids.fill(self.newline)
        first = ids[0, : len(items)]
        if at:
            inside = at <= lengths
            first[inside] = self.ids[starts[inside] + at - 1]
        # What follows padding does not count; only it must be some symbol.
        np.maximum(targets[:-1], 0, out=ids[1:])


class ItemSet:
    """Which items stand in a corpus, kept as 8 bytes each.

    Attributes:
        hashes: (items,) of int64, sorted, each once: the first 8 bytes of the BLAKE2b
            digest of an item's UTF-8. Among a million items a new one is taken for an
            old one once in 10^13 times.
    """

    def __init__(self, hashes: Array) -> None:
        self.hashes = hashes

    @classmethod
    def of(cls, items: Iterable[Text]) -> ItemSet:
        """The set of ``items``, without their newlines."""
        return cls(np.unique(np.fromiter(map(_hash, items), np.int64)))

    @classmethod
    def of_ids(cls, ids: Array, vocab: Vocab) -> ItemSet:
        """The items of a corpus, held-out ones included."""
        return cls.of(texts_of(ids, vocab))

    def union(self, other: ItemSet) -> ItemSet:
        """The items of both."""
        return ItemSet(np.union1d(self.hashes, other.hashes))

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
    starts, lengths = items_of(ids, vocab.start)
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        yield vocab.decode(ids[start : start + length])


def _hash(item: Text) -> int:
    digest = hashlib.blake2b(bytes_of(item), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
