"""Scores of many short lines at once: each line a stream of its own, its state reset.

Lines are sorted, so that those that begin alike stand together, and share one stream for as
long as they are alike: what they have in common is computed once. That is a log's dates,
code's indentation, a line that comes again, and of any text the first few symbols. It also
does without padding, for a line that has ended has no stream.

MEASURED
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from charrnn.evaluation import LOGITS, Evaluation
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.nn.reading import Reader
from charrnn.threads import spread

#: Streams scored as one batch: as many as keep the products efficient and fit the cache.
BATCH = 256
#: Symbols between two looks at which lines are still alike: one at first, where most part.
STEPS, FIRST = 8, 16
#: Lines, and symbols, sorted together. The longer a window, the more is found alike.
WINDOW_LINES, WINDOW_SYMBOLS = 2**14, 2**20
#: Lines of a window that are walked together, by one thread.
PART = 2048
#: Most numbers in the states of a window: 32 MB, so that a wide network costs no more memory.
STATES = 2**23


def score_lines(
    network: Network,
    lines: Iterable[Array],
    start: int,
    end: int | None = None,
    threads: int | None = None,
) -> Iterator[Evaluation]:
    """The score of each line by itself, in the order of the lines.

    Each line starts from the zero state, its first symbol as if it followed ``start``.
    Its own symbols are scored; with ``end``, so is the newline that ends it: what a
    model of records gives the whole item. The line itself may then be empty, and still
    has one symbol; without ``end`` an empty line scores 0 nats over 0 characters.

    Memory is that of :data:`WINDOW_LINES` lines or :data:`WINDOW_SYMBOLS` symbols and
    one line more, however many lines there are.

    Args:
        lines: ids of each line, (any length,) of any integer dtype, without newlines.
        start: the id that each line is taken to follow. end: the id that ends each line.
        threads: batches at once; None for as many as there are cores. The figures do not
            depend on it.
    """
    scorer = _Scorer(network, start, threads)
    tail = np.array([] if end is None else [end], np.intp)
    # As small as ids can be: a line may be as long as a file.
    kind = np.min_scalar_type(network.arch.vocab_size)
    for window in _windows(lines):
        lengths = np.array([len(line) + len(tail) for line in window])
        parts = [part for line in window for part in (line, tail)] if len(tail) else window
        text = np.concatenate(parts, dtype=kind, casting="unsafe")
        nats = scorer.score(text, lengths)
        yield from map(Evaluation, nats.tolist(), lengths.tolist())


def _windows(lines: Iterable[Array]) -> Iterator[list[Array]]:
    """The lines in lists of bounded size."""
    window: list[Array] = []
    held = 0
    for line in lines:
        window.append(line)
        held += len(line)
        if len(window) == WINDOW_LINES or held >= WINDOW_SYMBOLS:
            yield window
            window, held = [], 0
    if window:
        yield window


class _Scorer:
    """What walks windows, with buffers kept from window to window."""

    def __init__(self, network: Network, start: int, threads: int | None) -> None:
        self._network, self._start, self._threads = network, start, threads
        self._idle: list[Reader] = []
        arch = network.arch
        self._steps = max(1, min(STEPS, LOGITS // (BATCH * arch.vocab_size)))
        self._part = max(1, min(PART, STATES // arch.zero_state(1).size))

    def score(self, text: Array, lengths: Array) -> Array:
        """Nats of lines that stand end to end in ``text``: (lines,) in float64."""
        ends = np.cumsum(lengths) * text.itemsize
        data, firsts = text.tobytes(), ends - lengths * text.itemsize
        keys = [data[slice(*span)] for span in zip(firsts.tolist(), ends.tolist(), strict=True)]
        order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
        order = order[lengths[order] > 0]
        nats = np.zeros(len(lengths))

        def score_part(lines: Array) -> None:
            reader = self._idle.pop() if self._idle else self._reader()
            nats[lines] = self._walk(reader, text, firsts[lines] // text.itemsize, lengths[lines])
            self._idle.append(reader)

        parts = [order[n : n + self._part] for n in range(0, len(order), self._part)]
        spread(score_part, parts, self._threads)
        return nats

    def _reader(self) -> Reader:
        return Reader(self._network, self._steps, BATCH)

    def _walk(self, reader: Reader, text: Array, firsts: Array, lengths: Array) -> Array:
        """Nats of lines that begin at ``firsts``, and of which those alike are neighbours."""
        nats = np.zeros(len(lengths))
        running = np.arange(len(lengths))
        streams = np.zeros(len(lengths), np.intp)  # which one each line is on: one for all
        state = self._network.arch.zero_state(1, self._network.params.flat.dtype)
        at = 0
        while len(running):
            left = lengths[running] - at
            times = np.arange(min(self._steps if at >= FIRST else 1, int(left.max())))[:, None]
            # Beyond a line's end it goes on with zeros, which do not count.
            inside = times < left
            places = np.where(inside, firsts[running] + at + times, 0)
            targets = np.where(inside, text[places], 0).astype(np.intp)
            before = text[firsts[running] + at - 1] if at else np.full(len(running), self._start)
            inputs = np.concatenate([before[None], targets[:-1]])

            # A line shares its neighbour's stream if it has done so, and reads the same.
            new = np.append(True, (np.diff(streams) != 0) | np.diff(inputs).any(axis=0))
            chosen, own = np.flatnonzero(new), np.cumsum(new) - 1
            # Streams that need few steps stand together, so that few batches go on for nothing.
            steps = np.maximum.reduceat(np.minimum(left, len(times)), chosen)
            by_steps = np.argsort(-steps, kind="stable")
            chosen, own = chosen[by_steps], np.argsort(by_steps)[own]
            source = streams[chosen]
            if len(source) != state.shape[2] or np.diff(source, prepend=-1).min() < 1:
                state = state[:, :, source]
            for n in range(0, len(chosen), BATCH):
                batch, lines = slice(n, n + BATCH), np.flatnonzero(own // BATCH == n // BATCH)
                most = steps[by_steps[n]]
                scores = reader.surprisal(
                    inputs[:most, chosen[batch]],
                    targets[:most, lines],
                    state[:, :, batch],
                    own[lines] - n,
                )
                nats[running[lines]] += np.sum(scores, 0, np.float64, where=inside[:most, lines])
            going = left > len(times)
            running, streams = running[going], own[going]
            at += len(times)
        return nats
