"""The windows of truncated BPTT: inputs, targets and the weight of each target in the loss.

Training walks through a corpus in windows of ``seq_length`` time steps of ``batch_size``
parallel streams. :class:`Batches` is what the trainer needs of them. There are two kinds:
:class:`TextBatches` cuts one long text into streams, :class:`RecordBatches` gives each record
a stream of its own.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.records import record_spans
from charrnn.errors import CorpusError
from charrnn.nn.params import Array

#: A target that does not count, because it lies beyond the end of its record.
PADDING = -1


class Batches(Protocol):
    """The windows of a corpus, epoch by epoch.

    An epoch is determined by its ``offset`` alone, an integer in [0, :attr:`offsets`). Its
    windows are numbered from 0 to :meth:`windows` - 1 and are to be trained on in that order,
    because stream n of window k+1 continues stream n of window k unless window k+1 is
    :meth:`fresh`. Any window can be asked for at any time, so a run resumes anywhere.
    """

    #: Streams in each window, N; for a small text fewer than asked for.
    batch_size: int
    #: Time steps in each window, T; for a small text fewer than asked for.
    seq_length: int

    @property
    def offsets(self) -> int:
        """How many offsets there are to choose from, at least 1."""

    def windows(self, offset: int) -> int:
        """Windows in the epoch of ``offset``, at least 1."""

    def window(self, offset: int, k: int, ids: Array, targets: Array) -> None:
        """Write window ``k``: inputs to ``ids``, the symbol that follows each to ``targets``.

        Args:
            ids: (seq_length, batch_size) of intp; written, every element a valid id.
            targets: (seq_length, batch_size) of intp; written, :data:`PADDING` where there
                is nothing to predict.
        """

    def characters(self, offset: int, k: int) -> int:
        """How many targets of window ``k`` count, at least 1."""

    def fresh(self, offset: int, k: int) -> bool:
        """Whether every stream of window ``k`` starts from the zero state."""


def make_batches(corpus: Corpus, config: TrainConfig) -> Batches:
    """The training part of a corpus in batches and windows: as one text, or record by record."""
    ids, size, length = corpus.train, config.resolved_batch_size, config.seq_length
    if corpus.data.of_records:
        return RecordBatches(ids, corpus.vocab.start, size, length)
    return TextBatches(ids, size, length)


class TextBatches:
    """One long text as ``batch_size`` contiguous streams; a :class:`Batches`.

    ``offset`` is the position in the text where the first stream begins. The state is carried
    from window to window for a whole epoch. A text too short for the batch shrinks first the
    batch, then the window: :attr:`batch_size` and :attr:`seq_length` hold what is left.

    Args:
        ids: (characters,) of any integer dtype, at least 2 characters.
        batch_size: streams wanted.
        seq_length: time steps wanted.
    """

    def __init__(self, ids: Array, batch_size: int, seq_length: int) -> None:
        self.ids = ids
        self.seq_length = min(seq_length, len(ids) - 1)
        self.batch_size = max(1, min(batch_size, (len(ids) - 1) // self.seq_length))

    @property
    def offsets(self) -> int:
        """How many offsets there are.

        At least ``seq_length`` where the text allows it, so that windows are cut anywhere;
        and enough for the last window to reach the end, so that every character is trained on
        in some epoch.
        """
        window = self.batch_size * self.seq_length
        spare, remainder = len(self.ids) - 1 - window, (len(self.ids) - 1) % window
        return 1 + max(remainder, min(spare, self.seq_length - 1))

    def windows(self, offset: int) -> int:
        """Windows in the epoch of ``offset``."""
        return (len(self.ids) - 1 - offset) // (self.batch_size * self.seq_length)

    def window(self, offset: int, k: int, ids: Array, targets: Array) -> None:
        """Write window ``k`` to ``ids`` and ``targets``, (seq_length, batch_size) of intp."""
        T, N = self.seq_length, self.batch_size
        length = self.windows(offset) * T  # of each stream
        text = self.ids[offset : offset + N * length + 1]
        start = k * T
        np.copyto(ids, text[:-1].reshape(N, length)[:, start : start + T].T)
        np.copyto(targets, text[1:].reshape(N, length)[:, start : start + T].T)

    def characters(self, offset: int, k: int) -> int:
        """Targets of window ``k``, all of which count."""
        return self.batch_size * self.seq_length

    def fresh(self, offset: int, k: int) -> bool:
        """Whether window ``k`` is the first of its epoch."""
        return k == 0


#: Batches in a group. Records are sorted by length within a group only: larger groups need less
#: padding, smaller ones mix better. See docs/design/performance.md.
GROUP = 64


class RecordBatches:
    """Records, each in a stream of its own; a :class:`Batches`.

    ``offset`` is the seed of the epoch's order. A batch consists of ``batch_size`` records of
    similar length and takes as many windows as its longest record needs. The first of these
    windows is :meth:`fresh`, and in it the newline is the input that precedes each record's
    first symbol. The newline that ends a record is its last target; beyond it, targets are
    :data:`PADDING`.

    Args:
        ids: (characters,) of any integer dtype: records, each ended by ``newline``.
        newline: the id that ends a record.
        batch_size: records wanted in a batch; fewer if there are not so many.
        seq_length: time steps wanted; fewer if no record is so long.

    Raises:
        CorpusError: there is no record.
    """

    #: How many seeds there are.
    offsets = 2**31

    def __init__(self, ids: Array, newline: int, batch_size: int, seq_length: int) -> None:
        self.ids, self.newline = ids, newline
        self._starts, self._lengths = record_spans(ids, newline)
        if not len(self._starts):
            raise CorpusError("all records to train on are empty", "give a text of several records")
        self.batch_size = min(batch_size, len(self._starts))
        self.seq_length = min(seq_length, int(self._lengths.max()) + 1)
        self._offset = -1  # of the epoch whose order is known

    def _lay_out(self, offset: int) -> None:
        """Compute the order of the epoch of ``offset``, unless it was computed last."""
        if offset == self._offset:
            return
        rng, N = np.random.default_rng(offset), self.batch_size
        records = rng.permutation(len(self._starts))
        group = np.arange(len(records)) // (N * GROUP)
        self._records = records[np.lexsort((-self._lengths[records], group))]
        self._batches = rng.permutation(-(-len(records) // N))
        longest = self._lengths[self._records[self._batches * N]] + 1
        # Batch i of the epoch has the windows from _ends[i-1] up to _ends[i].
        self._ends = np.cumsum(-(-longest // self.seq_length))
        self._offset = offset

    def _locate(self, offset: int, k: int) -> tuple[Array, int]:
        """The records of window ``k``, and which symbol of each is the window's first target."""
        self._lay_out(offset)
        i = int(np.searchsorted(self._ends, k, side="right"))
        first = self._batches[i] * self.batch_size
        before = int(self._ends[i - 1]) if i else 0
        return self._records[first : first + self.batch_size], (k - before) * self.seq_length

    def windows(self, offset: int) -> int:
        """Windows in the epoch of ``offset``."""
        self._lay_out(offset)
        return int(self._ends[-1])

    def window(self, offset: int, k: int, ids: Array, targets: Array) -> None:
        """Write window ``k`` to ``ids`` and ``targets``, (seq_length, batch_size) of intp."""
        records, first = self._locate(offset, k)
        starts, lengths = self._starts[records], self._lengths[records]
        positions = np.arange(first, first + self.seq_length)[:, None]
        symbols = self.ids[np.minimum(starts + positions, len(self.ids) - 1)].astype(np.intp)
        targets.fill(PADDING)
        used = targets[:, : len(records)]  # the last batch may have fewer records
        np.copyto(used, symbols, where=positions < lengths)
        np.copyto(used, self.newline, where=positions == lengths)
        ids.fill(self.newline)
        if first:
            inside = first <= lengths
            ids[0, : len(records)][inside] = self.ids[starts[inside] + first - 1]
        # The input after a padded target does not matter, but has to be a valid id.
        np.maximum(targets[:-1], 0, out=ids[1:])

    def characters(self, offset: int, k: int) -> int:
        """Targets of window ``k`` that are not padding."""
        records, first = self._locate(offset, k)
        return int(np.clip(self._lengths[records] + 1 - first, 0, self.seq_length).sum())

    def fresh(self, offset: int, k: int) -> bool:
        """Whether window ``k`` is the first of its batch, so that no state is carried into it."""
        return self._locate(offset, k)[1] == 0


def loss_weights(targets: Array, mean: bool) -> tuple[int, int, Array | float]:
    """The weights that the targets of a window have in the loss.

    Args:
        targets: (T, N) of intp, :data:`PADDING` where there is nothing to predict; at least
            one target counts.
        mean: True for weights that add up to 1, False for weights of 1 each.

    Returns:
        How many time steps are needed to include every target that counts; how many targets
        count; and the weight of each target: one factor if all count, else (steps, N) of
        float32.
    """
    counts = targets >= 0
    count = int(np.count_nonzero(counts))
    weight = 1.0 / count if mean else 1.0
    if count == targets.size:
        return len(targets), count, weight
    steps = int(np.flatnonzero(counts.any(axis=1))[-1]) + 1
    return steps, count, counts[:steps] * np.float32(weight)
