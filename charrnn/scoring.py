"""Scores of many short lines at once: each line a stream of its own, its state reset.

A window of lines is walked a few symbols at a time. Lines that have been alike so far share
one stream, so what they have in common is computed once: a log's dates, code's indentation,
a line that comes again. That also does without padding, for a line that has ended has no
stream.

In thousands of characters a second (LSTM 128x2, lines of 60 characters, two cores): 530 of
random text and of prose, where nothing but the beginnings is alike; 700 of lines of Python
sources; 310 and 420 of them with one thread. With :func:`~charrnn.evaluation.evaluate` line
by line 44. A batch does no less arithmetic than one line, only in larger products: 410 kFLOP
a character, of which this core does 235 GFLOP a second, so that 1150 is the most that two
cores could reach with products alone. Batches of 128 and 512 streams were 4% slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from charrnn.evaluation import LOGITS, Evaluation
from charrnn.nn.network import Network, Workspace
from charrnn.nn.params import Array
from charrnn.threads import spread

#: Streams scored as one batch, and symbols between two looks at which lines are alike; more
#: where one line is left that is longer than all others.
BATCH, STEPS, LONE = 256, 4, 64
#: Lines, and symbols, walked at once. The longer a window, the more is found alike.
WINDOW_LINES, WINDOW_SYMBOLS = 4096, 2**20
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
    state_size = network.arch.zero_state(1).size
    # As small as ids can be: a line may be as long as a file.
    kind = np.min_scalar_type(network.arch.vocab_size)
    for window in _windows(lines, max(1, min(WINDOW_LINES, STATES // state_size))):
        lengths = np.array([len(line) + len(tail) for line in window])
        parts = [part for line in window for part in (line, tail)]
        text = np.concatenate(parts, dtype=kind, casting="unsafe")
        nats = scorer.score(text, lengths)
        yield from map(Evaluation, nats.tolist(), lengths.tolist())


def _windows(lines: Iterable[Array], most: int) -> Iterator[list[Array]]:
    """The lines in lists of bounded size."""
    window: list[Array] = []
    held = 0
    for line in lines:
        window.append(line)
        held += len(line)
        if len(window) == most or held >= WINDOW_SYMBOLS:
            yield window
            window, held = [], 0
    if window:
        yield window


class _Scorer:
    """Buffers for batches of up to :data:`BATCH` streams, kept from batch to batch."""

    def __init__(self, network: Network, start: int, threads: int | None) -> None:
        self._network, self._start, self._threads = network, start, threads
        self._idle: dict[int, list[Workspace]] = {}
        V = network.arch.vocab_size
        # A stream and the symbols it goes on with must fit one integer of 63 bits.
        distinct = int((63 - math.log2(WINDOW_LINES)) / math.log2(max(2, V)))
        self._steps = max(1, min(STEPS, distinct, LOGITS // (BATCH * V)))

    def score(self, text: Array, lengths: Array) -> Array:
        """Nats of lines that stand end to end in ``text``: (lines,) in float64."""
        firsts = np.cumsum(lengths) - lengths
        nats = np.zeros(len(lengths))
        streams = np.zeros(len(lengths), np.int64)  # which one each line is on: one for all
        state = self._network.arch.zero_state(1, self._network.params.flat.dtype)
        at = 0
        while len(running := np.flatnonzero(lengths > at)):
            left = lengths[running] - at
            steps = self._steps if len(running) > 1 else LONE
            times = np.arange(min(steps, int(left.max())))[:, None]
            # Beyond a line's end it goes on with zeros, which do not count.
            inside = times < left
            places = np.where(inside, firsts[running] + at + times, 0)
            targets = np.where(inside, text[places], 0).astype(np.intp)
            before = text[firsts[running] + at - 1] if at else np.full(len(running), self._start)

            keys = streams[running]
            for row in targets[: self._steps]:
                keys = keys * self._network.arch.vocab_size + row
            _, chosen, own = np.unique(keys, return_index=True, return_inverse=True)
            state = state[:, :, streams[running[chosen]]]
            inputs = np.concatenate([before[None], targets[:-1]])[:, chosen]
            sums = np.cumsum(self._advance(inputs, targets[:, chosen], state), 0, np.float64)
            nats[running] += sums[np.minimum(left, len(times)) - 1, own]
            streams[running] = own
            at += len(times)
        return nats

    def _advance(self, inputs: Array, targets: Array, state: Array) -> Array:
        """Nats of ``targets`` (steps, streams), batch by batch; advances ``state``."""
        nats = np.empty(targets.shape, state.dtype)
        count = targets.shape[1]

        def score_batch(streams: slice) -> None:
            x, y, now = inputs[:, streams], targets[:, streams], state[:, :, streams]
            ws = self._workspace(x.shape[1])
            if spare := ws.N - x.shape[1]:
                x, y = (np.pad(ids, ((0, 0), (0, spare))) for ids in (x, y))
                now = np.pad(now, ((0, 0), (0, 0), (0, spare), (0, 0)))
            scores = self._network.surprisal(ws, x, y, now)
            nats[:, streams] = scores[:, : ws.N - spare]
            if spare:
                state[:, :, streams] = now[:, :, :-spare]
            self._idle[ws.N].append(ws)

        spread(score_batch, [slice(n, n + BATCH) for n in range(0, count, BATCH)], self._threads)
        return nats

    def _workspace(self, streams: int) -> Workspace:
        """One for at least so many streams: a power of two, so that there are few."""
        N = 1 << (streams - 1).bit_length()
        if idle := self._idle.setdefault(N, []):
            return idle.pop()
        return self._network.workspace(LONE if N == 1 else self._steps, N)
