"""Scores of many short lines at once: each line a stream of its own, its state reset.

Lines are sorted, so that those that begin alike stand together, and share one stream for as
long as they are alike: what they have in common is computed once. That is a log's dates,
code's indentation, a line that comes again, and of any text the first few symbols. It also
does without padding, for a line that has ended has no stream.

The rows of ``benchmarks/lines.py`` (LSTM 128x2, lines of 60 characters, two cores), in
thousands of characters a second: 520 of random letters, 610 of prose, 770 of Python sources,
1100 of a log; with :func:`~charrnn.evaluation.evaluate` one by one 42. A batch does no less
arithmetic than one line, only in larger products: 410 kFLOP a character, of which two cores do
400 to 460 GFLOP a second, so that 980 to 1150 would be the most where nothing is alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from charrnn.data.records import find_symbol, record_spans
from charrnn.evaluation.score import Evaluation, total
from charrnn.evaluation.text import LOGITS
from charrnn.nn.inference import InferencePass
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.threads import parallel_map

#: Streams scored as one batch. 256 fit the cache better, and are as fast on one thread, but two
#: threads then wait more often for one another: 560 and 602 thousand characters a second.
BATCH = 512
#: Symbols between two looks at which lines are alike: one up to symbol FIRST, for there most
#: lines part, then STEPS; MANY for the last FEW lines, which may be much longer than others.
STEPS, FIRST, MANY, FEW = 8, 16, 64, 4
#: Lines, and symbols, sorted together. The longer a window, the more is found alike.
WINDOW_LINES, WINDOW_SYMBOLS = 2**14, 2**20
#: Lines of a window that are walked together, by one thread; of 512 and 1024 lines too few
#: streams are left to fill batches where many are alike (7% and 3% slower on prose).
PART = 2048
#: Most numbers in the states of a part: 16 MB, so that a wide network costs no more memory.
STATES = 2**22


class RecordScorer:
    """A network's score of lines, each by itself; its buffers serve any number of them.

    Each line starts from the zero state, its first symbol as if it followed ``start``.
    Its own symbols are scored; with ``end``, so is the newline that ends it: what a
    model of records gives the whole item. The line itself may then be empty, and still
    has one symbol; without ``end`` an empty line scores 0 nats over 0 characters.

    Args:
        network: taken as it is at the first line.
        start: the id that each line is taken to follow. end: the id that ends each line.
        threads: parts at once; None for as many as there are cores. The figures do not
            depend on it.
    """

    def __init__(
        self, network: Network, start: int, end: int | None = None, threads: int | None = None
    ) -> None:
        self._network, self._start, self._threads = network, start, threads
        self._tail = np.array([] if end is None else [end], np.intp)
        self._idle: list[InferencePass] = []
        arch = network.arch
        # Fewer steps with a large alphabet, fewer lines with a wide network: both cost memory.
        self._steps = max(1, min(STEPS, LOGITS // (BATCH * arch.vocab_size)))
        self._part = max(1, min(PART, STATES // arch.zero_state(1).size))

    def score(self, lines: Iterable[Array]) -> Iterator[Evaluation]:
        """The score of each line, in their order.

        Memory is that of :data:`WINDOW_LINES` lines or :data:`WINDOW_SYMBOLS` symbols and
        one line more, however many lines there are.

        Args:
            lines: ids of each line, (any length,) of any integer dtype, without newlines.
        """
        tail = self._tail
        # As small as ids can be: a line may be as long as a file.
        kind = np.min_scalar_type(self._network.arch.vocab_size - 1)
        for window in _windows(lines):
            lengths = np.array([len(line) + len(tail) for line in window])
            parts = [part for line in window for part in (line, tail)] if len(tail) else window
            text = np.concatenate(parts, dtype=kind, casting="unsafe")
            nats = self._score(text, lengths)
            yield from map(Evaluation, nats.tolist(), lengths.tolist())

    def _score(self, text: Array, lengths: Array) -> Array:
        """Nats of lines that stand end to end in ``text``: (lines,) in float64."""
        ends = np.cumsum(lengths)
        firsts = ends - lengths
        keys = [text[slice(*s)].tobytes() for s in zip(firsts.tolist(), ends.tolist(), strict=True)]
        order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
        order = order[lengths[order] > 0]
        nats = np.zeros(len(lengths))

        def score_part(lines: Array) -> None:
            reader = self._reader()
            nats[lines] = self._walk(reader, text, firsts[lines], lengths[lines])
            self._idle.append(reader)

        parts = [order[n : n + self._part] for n in range(0, len(order), self._part)]
        parallel_map(score_part, parts, self._threads)
        return nats

    def _reader(self) -> InferencePass:
        """One that no thread uses."""
        try:  # not to look first: another thread may take the last one in between
            return self._idle.pop()
        except IndexError:
            return InferencePass(self._network, max(self._steps * BATCH, MANY * FEW), BATCH)

    def _walk(self, reader: InferencePass, text: Array, firsts: Array, lengths: Array) -> Array:
        """Nats of lines that begin at ``firsts``, and of which those alike are neighbours."""
        nats = np.zeros(len(lengths))
        running = np.arange(len(lengths))
        streams = np.zeros(len(lengths), np.intp)  # which one each line is on: one for all
        state = self._network.arch.zero_state(1, self._network.params.flat.dtype)
        at = 0
        while len(running):
            most = MANY if len(running) <= FEW else self._steps if at >= FIRST else 1
            left = lengths[running] - at
            times = np.arange(min(most, int(left.max())))[:, None]
            # Beyond a line's end it goes on with zeros, which do not count.
            inside = times < left
            places = np.where(inside, firsts[running] + at + times, 0)
            targets = np.where(inside, text[places], 0).astype(np.intp)
            before = text[firsts[running] + at - 1] if at else np.full(len(running), self._start)
            inputs = np.concatenate([before[None], targets[:-1]])

            chosen, own, steps = _share(streams, inputs, np.minimum(left, len(times)))
            source = streams[chosen]
            if not np.array_equal(source, np.arange(state.shape[2])):
                state = state[:, :, source]
            for n in range(0, len(chosen), BATCH):
                batch, lines = slice(n, n + BATCH), np.flatnonzero(own // BATCH == n // BATCH)
                x, y = inputs[: steps[n], chosen[batch]], targets[: steps[n], lines]
                scores = reader.surprisal(x, y, state[:, :, batch], own[lines] - n)
                counts = inside[: steps[n], lines]
                nats[running[lines]] += np.sum(scores, 0, np.float64, where=counts)
            going = left > len(times)
            running, streams = running[going], own[going]
            at += len(times)
        return nats


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


def _share(streams: Array, inputs: Array, steps: Array) -> tuple[Array, Array, Array]:
    """Streams for lines that are to read ``inputs`` (most steps, lines).

    A line shares its neighbour's if it has done so, and reads the same.

    Args:
        streams: (lines,) which one each has been on. steps: (lines,) how many each needs.

    Returns:
        A line of each stream, each line's stream, and the steps that each stream needs.
        These fall, so that few batches go on for the sake of one line.
    """
    new = np.append(True, (np.diff(streams) != 0) | np.diff(inputs).any(axis=0))
    chosen, own = np.flatnonzero(new), np.cumsum(new) - 1
    needed = np.maximum.reduceat(steps, chosen)
    order = np.argsort(-needed, kind="stable")
    return chosen[order], np.argsort(order)[own], needed[order]


def evaluate_records(network: Network, ids: Array, newline: int) -> Evaluation:
    """Score every item of a text by itself, the newline that ends it included."""
    starts, lengths = record_spans(ids, newline)
    lines = (ids[s : s + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True))
    return total(RecordScorer(network, newline, newline).score(lines))


class RecordTextScorer:
    """A :class:`~charrnn.evaluation.Scorer`: a network's score of items, each by itself.

    What is read is a text of items, each with the newline that ends it; a part of the text
    may begin and end within one.
    """

    def __init__(self, network: Network, newline: int) -> None:
        self._network, self._newline = network, newline
        self._rest, self._nats = np.zeros(0, np.intp), 0.0

    def read(self, ids: Array) -> None:
        ids = np.concatenate([self._rest, ids])
        ends = find_symbol(ids, self._newline)
        whole = int(ends[-1]) + 1 if len(ends) else 0
        self._nats += evaluate_records(self._network, ids[:whole], self._newline).nats
        self._rest = ids[whole:]

    def total(self) -> float:
        return self._nats + evaluate_records(self._network, self._rest, self._newline).nats
