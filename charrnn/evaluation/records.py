"""Scores of many records or lines at once: each is scored by itself, from the zero state.

They are sorted, so that those with a common beginning are neighbours. These share one stream until
they diverge, so that what they have in common is computed once: the dates of a log, the
indentation of code, repeated lines and, in any text, the first few symbols. Nothing is padded: a
line that has ended no longer has a stream. The rest of a line that is far longer than the others
is cut into parallel streams, as a continuous text is (:mod:`charrnn.evaluation.streams`).

docs/design/performance.md has the rates, and the measurements behind the sizes below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from charrnn.data.records import find_symbol, record_spans
from charrnn.evaluation.score import BLOCK, Evaluation, characters_of, regroup, total
from charrnn.evaluation.streams import MAX_LOGITS, StreamScorer
from charrnn.mixing import Mixture
from charrnn.nn.inference import InferencePass
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.threads import parallel_map

#: Streams in one batch, at most.
BATCH = 512
#: Symbols between two checks of which lines are still equal: 1 up to symbol ONE_BY_ONE, because
#: most lines diverge there, then STEPS; LAST_STEPS for the LAST_LINES, which may be far longer than
#: the others.
STEPS, ONE_BY_ONE, LAST_STEPS, LAST_LINES = 8, 16, 64, 4
#: Lines that are cut into streams if so few are left, and one still has LONG symbols.
FEW, LONG = 16, 2**13
#: Lines, and symbols, that are sorted together. Among more lines, more have a common beginning.
WINDOW_LINES, WINDOW_SYMBOLS = 2**14, 2**20
#: Lines of a window that one thread scores together.
PART = 2048
#: Numbers in the states of a part, at most: 16 MB, so that a wide network takes no more memory.
MAX_STATES = 2**22


class RecordScorer:
    """A network's score of records or lines, each by itself; it reuses its buffers.

    Each starts from the zero state, and its first symbol follows ``start``. With ``end``, the
    newline that ends it is scored and counted as well, as in training on records, which has no
    empty ones: a line without a known symbol has no end to score. So an empty line scores 0 nats
    over 0 characters.

    A symbol that the model does not know, whose id is below 0, is not read, so what follows it is
    scored as if it were not there; or it is read as ``unknown_id``.

    Args:
        network: as it is when scoring begins.
        start: the id that each line is taken to follow. end: the id that ends each line.
        unknown_nats: the surprisal of an unknown symbol; None to leave them out.
        unknown_id: what unknown symbols are read as, if they are; then ``unknown_nats`` are added
            to what that takes.
        lengths: how many characters each symbol has, as for
            :func:`~charrnn.evaluation.score.characters_of`.
        threads: parts that are scored at once; None for one on each core. Scores do not
            depend on it.
        mixture: what the network is mixed with, if anything.
        batch_size, steps, window_lines, part: see :data:`BATCH`, :data:`STEPS`,
            :data:`WINDOW_LINES`, :data:`PART`.
    """

    def __init__(
        self,
        network: Network,
        start: int,
        end: int | None = None,
        threads: int | None = None,
        *,
        unknown_nats: float | None = None,
        unknown_id: int | None = None,
        lengths: Array | None = None,
        mixture: Mixture | None = None,
        batch_size: int = BATCH,
        steps: int = STEPS,
        window_lines: int = WINDOW_LINES,
        part: int = PART,
    ) -> None:
        self._network, self._start, self._threads = network, start, threads
        self._unknown_nats, self._unknown_id = unknown_nats, unknown_id
        self._lengths, self._mixture = lengths, mixture
        self._batch_size, self._window_lines = batch_size, window_lines
        self._end = np.array([] if end is None else [end], np.intp)
        self._idle: list[InferencePass] = []
        arch = network.arch
        # A large alphabet takes memory for each step, a wide network for each line.
        self._steps = max(1, min(steps, MAX_LOGITS // (batch_size * arch.vocab_size)))
        self._part = max(1, min(part, MAX_STATES // arch.zero_state(1).size))

    def score(self, lines: Iterable[Array]) -> Iterator[Evaluation]:
        """The score of each line, in order.

        Memory is that of :data:`WINDOW_LINES` lines or :data:`WINDOW_SYMBOLS` symbols and one
        more line, however many lines there are.

        Args:
            lines: the ids of each, (any length,) of any integer dtype, without newlines.
        """
        for window in _windows(lines, self._window_lines):
            text, lengths, unknown = self._joined(window)
            added = (self._unknown_nats or 0.0) * unknown
            nats = self._score(text, lengths) + added
            if self._unknown_id is not None:  # what they took of the network's is not added up
                unknown_nats, spelling = np.where(unknown, np.nan, 0.0), added
            else:
                unknown_nats, spelling = added, np.zeros(len(window))
            columns = (nats, unknown, unknown_nats, spelling)
            rows = zip(*(x.tolist() for x in columns), strict=True)
            for line, (n, u, of_unknown, spelled) in zip(window, rows, strict=True):
                yield self.evaluation(line, n, u, of_unknown, spelled)

    def evaluation(
        self,
        line: Array,
        nats: float,
        unknown: int,
        unknown_nats: float = 0.0,
        spelling: float = 0.0,
    ) -> Evaluation:
        """The score of a line, whose symbols and characters are counted here.

        Args:
            line: its ids. nats: of all that was scored. unknown: how many are unknown.
            unknown_nats, spelling: what these take of them.
        """
        scored = line[line >= 0] if unknown and self._unknown_nats is None else line
        reads_any = len(line) > (unknown if self._unknown_id is None else 0)
        ends = len(self._end) if reads_any else 0
        characters = characters_of(scored, self._lengths) + ends
        words = None if self._lengths is None else len(scored) + ends
        return Evaluation(nats, characters, unknown, unknown_nats, words, spelling)

    def surprisals(self, lines: Iterable[Array]) -> Iterator[Array]:
        """The nats of each symbol of each line, (symbols,); NaN for one that is left out.

        Args:
            lines: as for :meth:`score`. With ``end``, that of a line comes last.
        """
        left_out = np.nan if self._unknown_nats is None else self._unknown_nats
        for window in _windows(lines, self._window_lines):
            text, lengths, unknown = self._joined(window)
            each = np.empty(len(text), self._network.params.flat.dtype)
            self._score(text, lengths, each)
            parts = np.split(each, np.cumsum(lengths)[:-1])
            for line, nats, count in zip(window, parts, unknown.tolist(), strict=True):
                if count and self._unknown_id is not None:
                    nats[: len(line)][line < 0] += self._unknown_nats or 0.0
                elif count:
                    known = line >= 0
                    known = np.append(known, np.ones(len(nats) - known.sum(), bool))  # its end
                    nats, some = np.full(len(known), left_out), nats
                    nats[known] = some
                yield nats

    def _joined(self, window: list[Array]) -> tuple[Array, Array, Array]:
        """Lines as one text, what is read of each and its end, and how many are unknown."""
        end = self._end
        unknown = np.zeros(len(window), np.int64)
        if np.concatenate(window).min(initial=0) < 0:
            unknown[:] = [np.count_nonzero(line < 0) for line in window]
            if self._unknown_id is None:
                window = [line[line >= 0] for line in window]
            else:
                window = [np.where(line < 0, self._unknown_id, line) for line in window]
        lengths = np.array([len(line) + len(end[: len(line)]) for line in window])
        if len(end):
            window = [part for line in window for part in (line, end[: len(line)])]
        # The smallest type that holds the ids, because a line may be as long as a file.
        dtype = np.min_scalar_type(self._network.arch.vocab_size - 1)
        return np.concatenate(window, dtype=dtype, casting="unsafe"), lengths, unknown

    def _score(self, text: Array, lengths: Array, each: Array | None = None) -> Array:
        """Nats of lines that follow each other in ``text``: (lines,) of float64.

        Args:
            each: (symbols,), to which the nats of each symbol are written.
        """
        ends = np.cumsum(lengths)
        firsts = ends - lengths
        keys = [text[slice(*s)].tobytes() for s in zip(firsts.tolist(), ends.tolist(), strict=True)]
        order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
        order = order[lengths[order] > 0]
        nats = np.zeros(len(lengths))
        if self._mixture and each is None:
            each = np.empty(len(text), self._network.params.flat.dtype)

        def score_part(lines: Array) -> None:
            network = self._inference_pass()
            nats[lines] = self._score_part(network, text, firsts[lines], lengths[lines], each)
            self._idle.append(network)

        parts = [order[n : n + self._part] for n in range(0, len(order), self._part)]
        parallel_map(score_part, parts, self._threads)
        if self._mixture and each is not None and len(text):
            not_empty = lengths > 0
            mixed = self._mixture.reader().surprisal(text, each, firsts[not_empty])
            nats[not_empty] = np.add.reduceat(mixed, firsts[not_empty])
            each[:] = mixed
        return nats

    def _inference_pass(self) -> InferencePass:
        """One that no other thread is using."""
        try:  # no check before the pop: another thread may take the last one in between
            return self._idle.pop()
        except IndexError:
            rows = max(self._steps * self._batch_size, LAST_STEPS * LAST_LINES)
            return InferencePass(self._network, rows, self._batch_size)

    def _score_part(
        self,
        network: InferencePass,
        text: Array,
        firsts: Array,
        lengths: Array,
        each: Array | None,
    ) -> Array:
        """Nats of lines that begin at ``firsts`` in ``text`` and are sorted: (lines,)."""
        nats = np.zeros(len(lengths))
        running = np.arange(len(lengths))
        streams = np.zeros(len(lengths), np.intp)  # the stream of each line; at first all share one
        state = self._network.arch.zero_state(1, self._network.params.flat.dtype)
        at = 0
        while len(running):
            steps = self._steps if at >= ONE_BY_ONE else 1
            if len(running) <= LAST_LINES:
                steps = LAST_STEPS
            left = lengths[running] - at
            if len(running) <= FEW and left.max() >= LONG:
                before = text[firsts[running] + at - 1] if at else [self._start] * len(running)
                for line, stream, last in zip(running, streams, before, strict=True):
                    rest = slice(firsts[line] + at, firsts[line] + lengths[line])
                    start = state[:, :, stream : stream + 1].copy()
                    nats[line] += self._score_rest(text, rest, start, int(last), each)
                break
            times = np.arange(min(steps, int(left.max())))[:, None]
            # Beyond its end a line continues with zeros, which do not count.
            inside = times < left
            places = np.where(inside, firsts[running] + at + times, 0)
            targets = np.where(inside, text[places], 0).astype(np.intp)
            before = text[firsts[running] + at - 1] if at else np.full(len(running), self._start)
            inputs = np.concatenate([before[None], targets[:-1]])

            chosen, own, needed = _share(streams, inputs, np.minimum(left, len(times)))
            source = streams[chosen]
            if not np.array_equal(source, np.arange(state.shape[2])):
                state = state[:, :, source]
            size = self._batch_size
            for n in range(0, len(chosen), size):
                batch, lines = slice(n, n + size), np.flatnonzero(own // size == n // size)
                x, y = inputs[: needed[n], chosen[batch]], targets[: needed[n], lines]
                scores = network.surprisal(x, y, state[:, :, batch], own[lines] - n)
                counts = inside[: needed[n], lines]
                nats[running[lines]] += np.sum(scores, 0, np.float64, where=counts)
                if each is not None:
                    each[places[: needed[n], lines][counts]] = scores[counts]
            unfinished = left > len(times)
            running, streams = running[unfinished], own[unfinished]
            at += len(times)
        return nats

    def _score_rest(
        self, text: Array, rest: slice, state: Array, last: int, each: Array | None
    ) -> float:
        """Nats of what is left of a long line: ``text[rest]``, after ``last`` and ``state``."""
        scorer, total, at = StreamScorer(self._network, last, state=state), 0.0, rest.start
        for block in regroup([text[rest]], BLOCK):
            nats = scorer.score(block)
            total += float(np.sum(nats, dtype=np.float64))
            if each is not None:
                each[at : at + len(block)] = nats
            at += len(block)
        return total


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


def _share(streams: Array, inputs: Array, steps: Array) -> tuple[Array, Array, Array]:
    """Assign streams to lines that will read ``inputs``, (most steps, lines).

    A line shares its neighbour's stream if it did so before and reads the same symbols now.

    Args:
        streams: (lines,) the stream that each line is on. steps: (lines,) how many each needs.

    Returns:
        For each stream, one of its lines; for each line, its stream; for each stream, the steps
        that it needs. Streams that need more steps come first, so that few batches take many.
    """
    new = np.append(True, (np.diff(streams) != 0) | np.diff(inputs).any(axis=0))
    chosen, own = np.flatnonzero(new), np.cumsum(new) - 1
    needed = np.maximum.reduceat(steps, chosen)
    order = np.argsort(-needed, kind="stable")
    return chosen[order], np.argsort(order)[own], needed[order]


def evaluate_records(
    network: Network, ids: Array, newline: int, mixture: Mixture | None = None
) -> Evaluation:
    """Score each record of a text by itself, with the newline that ends it.

    Args:
        ids: (characters,) of any integer dtype. newline: the id that ends a record.
        mixture: what the network is mixed with, if anything.
    """
    scorer = RecordScorer(network, newline, newline, mixture=mixture)
    return total(scorer.score(_records(ids, newline)))


def _records(ids: Array, newline: int) -> list[Array]:
    """The records of a text, without their ends."""
    starts, lengths = record_spans(ids, newline)
    return [ids[s : s + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)]


class RecordTextScorer:
    """A :class:`~charrnn.evaluation.score.Scorer`: the score of a text of records.

    Each record is scored by itself, with its newline. Blocks may begin and end within one.

    Args:
        unknown_id: the symbol that stands for unknown ones.
        mixture: what the network is mixed with, if anything.
    """

    def __init__(
        self,
        network: Network,
        newline: int,
        unknown_id: int | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self._network, self._newline, self._unknown_id = network, newline, unknown_id
        self._mixture = mixture
        self._rest, self._nats, self.unknown_nats = np.zeros(0, np.intp), 0.0, 0.0

    def read(self, ids: Array) -> None:
        ids = np.concatenate([self._rest, ids])
        ends = find_symbol(ids, self._newline)
        whole = int(ends[-1]) + 1 if len(ends) else 0
        self._score(ids[:whole])
        self._rest = ids[whole:]

    def _score(self, ids: Array) -> None:
        if self._unknown_id is None:
            found = evaluate_records(self._network, ids, self._newline, self._mixture)
            self._nats += found.nats
            return
        records = _records(ids, self._newline)
        scorer = RecordScorer(self._network, self._newline, self._newline, mixture=self._mixture)
        for record, nats in zip(records, scorer.surprisals(records), strict=True):
            self._nats += float(np.sum(nats, dtype=np.float64))
            unknown = nats[:-1][record == self._unknown_id]
            self.unknown_nats += float(np.sum(unknown, dtype=np.float64))

    def total(self) -> float:
        self._score(self._rest)
        self._rest = self._rest[:0]
        return self._nats
