"""The windows of truncated BPTT: inputs, targets and their weights in the loss."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.records import record_spans
from charrnn.errors import CorpusError
from charrnn.nn.params import Array

#: A target that does not count: beyond the end of an item.
PADDING = -1


class Batches(Protocol):
    """Windows of truncated BPTT: what :class:`TextBatches` and :class:`RecordBatches` share."""

    batch_size: int
    seq_length: int

    @property
    def offsets(self) -> int:
        """How many offsets there are for an epoch to start from."""

    def windows(self, offset: int) -> int:
        """Windows in the epoch of ``offset``."""

    def window(self, offset: int, k: int, ids: Array, targets: Array) -> None:
        """Copy window ``k``: inputs to ``ids`` and the symbols after them to ``targets``."""

    def characters(self, offset: int, k: int) -> int:
        """Targets in window ``k`` that count."""

    def fresh(self, offset: int, k: int) -> bool:
        """Whether window ``k`` starts from the zero state."""


def make_batches(corpus: Corpus, config: TrainConfig) -> Batches:
    """The training part of a corpus in batches and windows: as one text, or record by record."""
    ids, size, length = corpus.train, config.batch_size, config.seq_length
    if corpus.data.records == "line":
        return RecordBatches(ids, corpus.vocab.start, size, length)
    return TextBatches(ids, size, length)


class TextBatches:
    """``batch_size`` contiguous streams through the ids, cut into windows of ``seq_length``.

    Truncated BPTT walks the windows in order, so that window k+1 goes on, stream by
    stream, where window k ended. A text too short for the batch shrinks it first, then
    the window: :attr:`batch_size` and :attr:`seq_length` are what is left.

    Args:
        ids: (characters,), at least 2.
    """

    def __init__(self, ids: Array, batch_size: int, seq_length: int) -> None:
        self.ids = ids
        self.seq_length = min(seq_length, len(ids) - 1)
        self.batch_size = max(1, min(batch_size, (len(ids) - 1) // self.seq_length))

    @property
    def offsets(self) -> int:
        """How many start offsets there are.

        A window's steps at least, where the text allows, so that windows are cut anywhere;
        and enough for the last one to reach the end, so that no part is never trained on.
        """
        window = self.batch_size * self.seq_length
        spare, left_over = len(self.ids) - 1 - window, (len(self.ids) - 1) % window
        return 1 + max(left_over, min(spare, self.seq_length - 1))

    def windows(self, offset: int) -> int:
        """Windows in an epoch that starts at ``offset``."""
        return (len(self.ids) - 1 - offset) // (self.batch_size * self.seq_length)

    def window(self, offset: int, k: int, ids: Array, targets: Array) -> None:
        """Copy window ``k``: inputs to ``ids`` and the symbols after them to ``targets``.

        Args:
            ids, targets: (seq_length, batch_size) of intp; written.
        """
        T, N = self.seq_length, self.batch_size
        length = self.windows(offset) * T
        text = self.ids[offset : offset + N * length + 1]
        at = k * T
        np.copyto(ids, text[:-1].reshape(N, length)[:, at : at + T].T)
        np.copyto(targets, text[1:].reshape(N, length)[:, at : at + T].T)

    def characters(self, offset: int, k: int) -> int:
        """Targets in window ``k`` that count: here all of them."""
        return self.batch_size * self.seq_length

    def fresh(self, offset: int, k: int) -> bool:
        """Whether window ``k`` starts from the zero state: the first of an epoch."""
        return k == 0


def loss_weights(targets: Array, mean: bool) -> tuple[int, int, Array | float]:
    """How the targets of a window enter the loss.

    Args:
        targets: (T, N), :data:`PADDING` where nothing is to be foretold.
        mean: whether weights are to add up to 1, or be 1 each.

    Returns:
        Steps up to the last one with a target that counts; how many count; the weight of
        each in the loss: one factor if all count, else (steps, N) of float32.
    """
    counts = targets >= 0
    count = int(np.count_nonzero(counts))
    weight = 1.0 / count if mean else 1.0
    if count == targets.size:
        return len(targets), count, weight
    steps = int(np.flatnonzero(counts.any(axis=1))[-1]) + 1
    return steps, count, counts[:steps] * np.float32(weight)


#: Batches whose items are sorted by length together. Names are padded by 2% (16: 7%), and
#: which items share a batch still changes from epoch to epoch.
MIX = 64


class RecordBatches:
    """Items in batches of ``batch_size``; the counterpart of :class:`~charrnn.corpus.TextBatches`.

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
        self._starts, self._lengths = record_spans(ids, newline)
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
