"""Scores of many short lines at once: each line a stream of its own, its state reset.

Lines of like length share a batch, so that little is computed on padding. Some figures,
in thousands of characters a second, LSTM 128x2, one core, lines of 60 characters: 18 with
:func:`~charrnn.evaluation.evaluate` line by line, 43 line by line with one workspace kept,
134 in batches of 64, 190 in batches of 128, 150 in batches of 256, whose buffers leave
the cache. A batch does no less arithmetic; it only does it in larger matrix products.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from charrnn.evaluation import Evaluation
from charrnn.nn.network import Network, Workspace
from charrnn.nn.params import Array
from charrnn.threads import threads as blas_threads

#: Lines scored as one batch; steps in one pass over it.
LINES, STEPS = 128, 16
#: Lines, or symbols, that are collected before they are sorted by length. More would
#: mean less padding and more waiting; at 4096 natural lines it is a few per cent.
WINDOW_LINES, WINDOW_SYMBOLS = 4096, 2**20
#: Most logits in a pass: 8 MB, so that a large alphabet costs no more memory.
LOGITS = 2**21


def score_lines(
    network: Network,
    lines: Iterable[Array],
    start: int,
    end: int | None = None,
    threads: int = 1,
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
        threads: batches at once; the figures do not depend on it. NumPy lets go of the
            interpreter while it computes.
    """
    tail = np.array([] if end is None else [end], np.intp)
    scorers = [_BatchScorer(network) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        for window in _windows(lines):
            text, firsts, lengths = _joined(window, np.array([start], np.intp), tail)
            order = np.argsort(-lengths, kind="stable")
            batches = [order[at : at + LINES] for at in range(0, len(order), LINES)]
            nats = np.zeros(len(window))
            with blas_threads(1):
                jobs = [
                    pool.submit(scorer.score, text, firsts, lengths, batches[i::threads], nats)
                    for i, scorer in enumerate(scorers)
                ]
                for job in jobs:
                    job.result()
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


def _joined(lines: list[Array], head: Array, tail: Array) -> tuple[Array, Array, Array]:
    """All lines end to end, each after ``head``; where each begins; symbols to score in each.

    So a target is the symbol after its input, and a batch of any lines is one look-up.
    """
    text = np.concatenate([part for line in lines for part in (head, line, tail)])
    lengths = np.array([len(line) + len(tail) for line in lines])
    return text, np.cumsum(lengths + 1) - lengths - 1, lengths


class _BatchScorer:
    """Buffers for batches of up to :data:`LINES` lines, kept from batch to batch."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._workspaces: dict[int, Workspace] = {}

    def score(
        self, text: Array, firsts: Array, lengths: Array, batches: list[Array], nats: Array
    ) -> None:
        """Fill in ``nats`` at each of ``batches``: indices of lines, the longest first."""
        for batch in batches:
            nats[batch] = self._score_batch(text, firsts[batch], lengths[batch])

    def _score_batch(self, text: Array, firsts: Array, lengths: Array) -> Array:
        """Nats of the lines at ``firsts`` in ``text``, the longest first."""
        nats = np.zeros(len(firsts))
        state = self._network.arch.zero_state(len(firsts), self._network.params.flat.dtype)
        at = 0
        while running := int(np.count_nonzero(lengths > at)):  # the first so many
            ws = self._workspace(running)
            steps = min(ws.T, int(lengths[0]) - at)
            times = np.arange(at, at + steps)[:, None]
            # Beyond a line's end the next one is read, and does not count.
            places = np.zeros((steps, ws.N), np.intp)
            places[:, :running] = np.minimum(firsts[:running] + times, len(text) - 2)
            now = np.zeros(self._network.arch.state_shape(ws.N), state.dtype)
            now[:, :, :running] = state[:, :, :running]
            scores = self._network.surprisal(ws, text[places], text[places + 1], now)
            counts = times < lengths[:running]
            nats[:running] += np.sum(scores[:, :running], 0, np.float64, where=counts)
            state[:, :, :running] = now[:, :, :running]
            at += steps
        return nats

    def _workspace(self, running: int) -> Workspace:
        """One for at least ``running`` streams: a power of two, so that there are few."""
        N = 1 << (running - 1).bit_length()
        if N not in self._workspaces:
            steps = max(1, min(STEPS, LOGITS // (N * self._network.arch.vocab_size)))
            self._workspaces[N] = self._network.workspace(steps, N)
        return self._workspaces[N]
