"""Scores: the surprisal of each symbol of a text, and what it adds up to."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.evaluation.score import Evaluation, _regroup, score
from charrnn.nn.network import Network, Workspace
from charrnn.nn.params import Array
from charrnn.threads import blas_thread_limit, parallel_map

#: Streams that are scored as one batch, and batches at once, at most: as many as keep the
#: matrix products efficient and a few cores busy. Both are fixed, so that a score does not
#: depend on the machine's cores. FEWEST: streams for which a batch more is worth its while.
BATCH, BATCHES, FEWEST = 128, 4, 48
#: Steps in one pass over a batch.
STEPS = 16
#: Most logits in a pass: 8 MB, so that a large alphabet costs no more memory.
LOGITS = 2**21
#: Symbols scored at once where each is to be shown with others: ten Python objects apiece.
ROWS = 2**17
#: Unscored symbols that each stream reads first, so that its state knows its context.
#: On the held-out part of tiny-shakespeare the mean is then that of one long stream to
#: 1e-5 nats a character for an LSTM of 256; for a GRU of 128x2, which forgets slowly, to 3e-4.
WARM_UP = 128


class TextScorer:
    """A :class:`Scorer`: a network's score of one continuous text that follows ``start``.

    Each part is scored as parallel streams, each warmed up on the text before it, so the
    figures are those of one long stream but for what the state forgot.
    """

    def __init__(self, network: Network, start: int) -> None:
        self._scorer, self._nats = _Scorer(network, start), 0.0

    def read(self, ids: Array) -> None:
        self._nats += float(np.sum(self._scorer.score(ids), dtype=np.float64))

    def total(self) -> float:
        return self._nats


def evaluate(network: Network, ids: Array, start: int) -> Evaluation:
    """Score all of ``ids`` (characters,), the first as if it followed ``start``."""
    (evaluation,) = score([ids], [TextScorer(network, start)])
    return evaluation


@dataclass(frozen=True)
class CharScores:
    """Scores of each of M consecutive symbols.

    Attributes:
        ids: (M,) the symbols. nats: (M,) their surprisal.
        likeliest: (M, k) the likeliest symbols in each place, the most likely first; the
            symbol itself may be among them.
        probs: (M, k) their probabilities.
    """

    ids: Array
    nats: Array
    likeliest: Array
    probs: Array

    @property
    def bits(self) -> Array:
        """(M,) surprisal in bits."""
        return self.nats / math.log(2.0)


def char_scores(
    network: Network, blocks: Iterable[Array], start: int, k: int = 3
) -> Iterator[CharScores]:
    """Surprisal of each symbol of a text, as :class:`TextScorer`, and what was likeliest instead.

    Yields :data:`ROWS` symbols at once, or what the end leaves; memory is that of so many.

    Args:
        blocks: arrays of ids, (any length,), of any integer dtype.
        start: the id that the text is taken to follow.
        k: how many of the likeliest; an alphabet smaller than that gives all of it.
    """
    scorer = _Scorer(network, start, min(k, network.arch.vocab_size))
    for block in _regroup(blocks, ROWS):
        nats = scorer.score(block)
        yield CharScores(block, nats, scorer.likeliest, scorer.probs)


class _Scorer:
    """Carries the state, and the last symbol, from block to block.

    Attributes:
        likeliest, probs: of the last block, (symbols, k): see :class:`CharScores`.
    """

    def __init__(self, network: Network, start: int, k: int = 0) -> None:
        self._network, self._last, self._k = network, start, k
        self.likeliest: Array = np.zeros((0, k), np.intp)
        self.probs: Array = np.zeros((0, k), network.params.flat.dtype)
        self._state = network.arch.zero_state(1, network.params.flat.dtype)
        self._idle: list[Workspace] = []

    def score(self, ids: Array) -> Array:
        """Nats of ``ids``, (any length,)."""
        inputs, targets, size = self._cut(ids)
        N, length = targets.shape
        state = self._network.arch.zero_state(N, self._state.dtype)
        if N > 1:  # all streams but the first warm up; that one goes on
            state[:] = self._usual_state(inputs[0])
        first = self._state
        nats = np.empty((N, length), self._state.dtype)
        likeliest = np.empty((N, length, self._k), np.intp)
        probs = np.empty((N, length, self._k), self._state.dtype)

        def score_batch(streams: slice) -> None:
            ws = self._workspace(size)
            now = np.ascontiguousarray(state[:, :, streams])
            if N > 1:  # stream n warms up on the end of stream n-1's part
                before = inputs[np.arange(N)[streams] - 1, -min(WARM_UP, length) :]
                for at in range(0, before.shape[1], ws.T):
                    self._network.forward(ws, _steps(before, at, ws.T), now)
            if streams.start == 0:
                now[:, :, :1] = first
            for at in range(0, length, ws.T):
                x, y = _steps(inputs[streams], at, ws.T), _steps(targets[streams], at, ws.T)
                span = (streams, slice(at, at + ws.T))
                nats[span] = self._network.surprisal(ws, x, y, now).T
                if self._k:
                    top, p = _top(ws.logits[: x.size], self._k)
                    shape = (*x.shape, self._k)
                    likeliest[span] = top.reshape(shape).swapaxes(0, 1)
                    probs[span] = p.reshape(shape).swapaxes(0, 1)
            state[:, :, streams] = now
            self._idle.append(ws)

        parallel_map(score_batch, [slice(n, n + size) for n in range(0, N, size)])
        self.likeliest = likeliest.reshape(N * length, self._k)[: len(ids)]
        self.probs = probs.reshape(N * length, self._k)[: len(ids)]
        # Only the last block is ragged, and no state is carried on from that.
        self._state, self._last = state[:, :, -1:].copy(), int(targets[-1, -1])
        return nats.reshape(-1)[: len(ids)]

    def _cut(self, ids: Array) -> tuple[Array, Array, int]:
        """Inputs and targets as N streams, (N, length) each, and how many make a batch."""
        # Short streams would be mostly warm-up, and mostly what it gets wrong.
        N = max(1, min(BATCH * BATCHES, len(ids) // (8 * WARM_UP)))
        batches = max(1, min(BATCHES, N // FEWEST))
        N -= N % batches
        targets = np.zeros((N, -(-len(ids) // N)), ids.dtype)
        targets.reshape(-1)[: len(ids)] = ids
        inputs = np.empty_like(targets)
        inputs.reshape(-1)[0], inputs.reshape(-1)[1:] = self._last, targets.reshape(-1)[:-1]
        return inputs, targets, N // batches

    def _usual_state(self, ids: Array) -> Array:
        """A state that the text leads to, to warm up from: the present one, a little later.

        Zeros would not do: without ``train.reset`` training meets them once an epoch, and from
        them, in the middle of a text, some models never find their way (LSTMs were seen at 6
        nats a character).
        """
        state: Array = self._state.copy()
        ws = self._network.workspace(STEPS, 1)
        with blas_thread_limit(1):
            for at in range(0, min(WARM_UP, len(ids)), STEPS):
                self._network.forward(ws, _steps(ids[None, :WARM_UP], at, STEPS), state)
        return state

    def _workspace(self, N: int) -> Workspace:
        """One for ``N`` streams that no other batch is using."""
        # Not to look first: another thread may take the last one in between.
        with contextlib.suppress(IndexError):
            while (ws := self._idle.pop()).N != N:
                pass
            return ws
        steps = max(1, min(STEPS, LOGITS // (N * self._network.arch.vocab_size)))
        return self._network.workspace(steps, N)


def _steps(ids: Array, at: int, steps: int) -> Array:
    """Steps ``at`` and on, ``steps`` at most, of streams (N, length): (steps, N), for a pass."""
    return np.ascontiguousarray(ids[:, at : at + steps].T, np.intp)


def _top(probs: Array, k: int) -> tuple[Array, Array]:
    """Indices and values of the ``k`` largest of each row (M, V), the largest first."""
    largest = np.argpartition(-probs, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(probs, largest, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(largest, order, 1), np.take_along_axis(values, order, 1)
