"""Scores of one continuous text: the surprisal of each of its symbols, and their sum.

A block of the text is cut into parallel streams, each of which first reads the end of the one
before it. So the figures are those of one long stream, except for what its state would have
remembered from further back. An n-gram model that is mixed in reads the text as one stream.
docs/design/performance.md has the measurements behind the sizes below.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.data.vocab import Vocab
from charrnn.evaluation.notebook import colored_html
from charrnn.evaluation.score import BLOCK, Evaluation, regroup, score
from charrnn.mixing import Mixture
from charrnn.nn.functional import rows
from charrnn.nn.network import Network, Workspace
from charrnn.nn.params import Array
from charrnn.threads import blas_settings, parallel_map

#: Streams in one batch, and batches in one block, at most: enough for efficient matrix products
#: and for a few cores. They do not depend on the machine, so that scores do not either.
BATCH, BATCHES = 128, 4
#: Streams that are worth a separate batch.
MIN_BATCH = 48
#: Steps in one pass over a batch.
STEPS = 16
#: Logits in a pass, at most: 8 MB, so that a large alphabet takes no more memory than a small one.
MAX_LOGITS = 2**21
#: Symbols scored at once where each is shown with its alternatives: some ten Python objects each.
ROWS = 2**17
#: Symbols of the text before it that each stream reads first, unscored, to learn its context.
WARM_UP = 128


class TextScorer:
    """A :class:`~charrnn.evaluation.score.Scorer`: a network's score of one continuous text.

    Args:
        network: not changed; the text is scored in its dtype.
        start: the id that the text is taken to follow.
        block_size: symbols that are cut into streams together, a power of two; ``read`` takes
            arrays of any length.
        unknown_id: the symbol that stands for unknown ones.
        mixture: what the network is mixed with, if anything.
    """

    def __init__(
        self,
        network: Network,
        start: int,
        block_size: int = BLOCK,
        unknown_id: int | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self._scorer = StreamScorer(network, start, mixture=mixture)
        self._block_size = block_size
        self._rest: Array = np.zeros(0, np.intp)
        self._nats = self.unknown_nats = 0.0
        self._unknown_id = unknown_id

    def read(self, ids: Array) -> None:
        blocks, self._rest = [self._rest, ids], self._rest[:0]
        for block in regroup(blocks, self._block_size):
            if len(block) < self._block_size:
                self._rest = block
            else:
                self._score(block)

    def total(self) -> float:
        rest, self._rest = self._rest, self._rest[:0]
        if len(rest):
            self._score(rest)
        return self._nats

    def _score(self, block: Array) -> None:
        nats = self._scorer.score(block)
        self._nats += float(np.sum(nats, dtype=np.float64))
        if self._unknown_id is not None:
            self.unknown_nats += float(np.sum(nats[block == self._unknown_id], dtype=np.float64))


def evaluate(network: Network, ids: Array, start: int) -> Evaluation:
    """Score ``ids``, (characters,) of any integer dtype, as a text that follows ``start``."""
    (evaluation,) = score([ids], [TextScorer(network, start)])
    return evaluation


@dataclass(frozen=True)
class CharScores:
    """Scores of each of M consecutive symbols.

    Attributes:
        ids: (M,) the symbols, below 0 for an unknown one.
        nats: (M,) their surprisal, in the network's dtype.
        likeliest: (M, k) of intp, the likeliest symbols at each place, the most likely first;
            the symbol itself may be among them.
        probs: (M, k) their probabilities.
        vocab: what the ids stand for, if that is known.
    """

    ids: Array
    nats: Array
    likeliest: Array
    probs: Array
    vocab: Vocab | None = None

    def _repr_html_(self) -> str:
        """The text coloured by surprisal, for a notebook."""
        return colored_html(self)

    @property
    def bits(self) -> Array:
        """(M,) surprisal in bits."""
        return self.nats / math.log(2.0)


def char_scores(
    network: Network,
    blocks: Iterable[Array],
    start: int,
    k: int = 3,
    block_size: int = ROWS,
    unknown_nats: float | None = None,
    unknown_id: int | None = None,
    mixture: Mixture | None = None,
) -> Iterator[CharScores]:
    """Surprisal of each symbol of a text, and the likeliest symbols at its place.

    Args:
        blocks: the text's ids in arrays of (any length,), of any integer dtype; below 0 for unknown
            symbols, for which there are no likeliest ones (id -1, probability 0) if they are not
            read.
        start: the id that the text is taken to follow.
        k: how many of the likeliest symbols; all of them if the alphabet is smaller.
        block_size: symbols that are scored together, a power of two.
        unknown_nats, unknown_id: as for :func:`~charrnn.evaluation.score.score`.
        mixture: what the network is mixed with, if anything.

    Yields:
        The scores of each ``block_size`` symbols, then of what is left. Memory is that of one.
    """
    scorer = StreamScorer(network, start, min(k, network.arch.vocab_size), mixture=mixture)
    if unknown_id is not None:
        for block in regroup(blocks, block_size):
            unknown = block < 0
            nats = scorer.score(np.where(unknown, unknown_id, block))
            nats[unknown] += unknown_nats or 0.0
            yield CharScores(block, nats, scorer.likeliest, scorer.probs)
        return
    gaps = _Gaps()
    for block in regroup(gaps.known(blocks), block_size):
        nats = scorer.score(block)
        scores = CharScores(block, nats, scorer.likeliest, scorer.probs)
        yield scores if unknown_nats is None else gaps.filled(scores, unknown_nats)
    if unknown_nats is not None and gaps.left:
        ids, nats = np.zeros(0, np.intp), np.zeros(0, network.params.flat.dtype)
        none = CharScores(ids, nats, scorer.likeliest[:0], scorer.probs[:0])
        yield gaps.filled(none, unknown_nats, last=True)


class _Gaps:
    """Where a text has unknown symbols."""

    def __init__(self) -> None:
        self._read = self._given = 0
        self._places: list[Array] = []  # how many known symbols are before each unknown one

    def known(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """The known symbols of each block."""
        for block in blocks:
            known = block >= 0
            if not known.all():
                block, before = block[known], np.cumsum(known)[~known]
                self._places.append(self._read + before)
            self._read += len(block)
            yield block

    @property
    def left(self) -> bool:
        """Whether there are unknown symbols that were not given back yet."""
        return any(map(len, self._places))

    def filled(self, scores: CharScores, nats: float, last: bool = False) -> CharScores:
        """The next scores, with those of the unknown symbols before each, and after the last."""
        if not self._places:
            return scores
        end = self._given + len(scores.ids)
        places = np.concatenate(self._places)
        here = places[: None if last else int(np.searchsorted(places, end))]
        self._places = [places[len(here) :]]
        at = here - self._given
        self._given = end
        return CharScores(
            np.insert(scores.ids.astype(np.intp), at, -1),
            np.insert(scores.nats, at, nats),
            np.insert(scores.likeliest, at, -1, axis=0),
            np.insert(scores.probs, at, 0.0, axis=0),
        )


class StreamScorer:
    """Scores blocks of one text; the state and the last symbol are carried from block to block.

    Args:
        start: the id that the text is taken to follow. k: see :func:`char_scores`.
        state: (L, STATES, 1, H) before the text; None for zeros.
        mixture: what the network is mixed with, if anything.

    Attributes:
        likeliest, probs: of the last block, (symbols, k): see :class:`CharScores`.
    """

    def __init__(
        self,
        network: Network,
        start: int,
        k: int = 0,
        state: Array | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self._network, self._last, self._k = network, start, k
        self._reader = mixture.reader() if mixture else None
        self.likeliest: Array = np.zeros((0, k), np.intp)
        self.probs: Array = np.zeros((0, k), network.params.flat.dtype)
        zeros = network.arch.zero_state(1, network.params.flat.dtype)
        self._state = zeros if state is None else state
        self._idle: list[Workspace] = []

    def score(self, ids: Array) -> Array:
        """Nats of ``ids``, (any length,).

        Every block but the last must split evenly into streams, as a power of two does.
        """
        inputs, targets, size = self._cut(ids)
        N, length = targets.shape
        state = self._network.arch.zero_state(N, self._state.dtype)
        if N > 1:  # all streams but the first, which continues the text, warm up
            state[:] = self._typical_state(inputs[0])
        first, places = self._state, np.arange(targets.size).reshape(targets.shape)
        nats = np.empty((N, length), self._state.dtype)
        likeliest = np.empty((N, length, self._k), np.intp)
        probs = np.empty((N, length, self._k), self._state.dtype)
        mixed = self._reader.distributions_of(ids) if self._reader and self._k else None

        def score_batch(streams: slice) -> None:
            ws = self._workspace(size)
            now = np.ascontiguousarray(state[:, :, streams])
            if N > 1:  # stream n warms up on the end of stream n-1
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
                    p = ws.logits[: x.size]
                    if mixed:
                        p[:] = mixed(p, places[span].T.ravel())
                    top, p = _top(p, self._k)
                    shape = (*x.shape, self._k)
                    likeliest[span] = top.reshape(shape).swapaxes(0, 1)
                    probs[span] = p.reshape(shape).swapaxes(0, 1)
            state[:, :, streams] = now
            self._idle.append(ws)

        parallel_map(score_batch, [slice(n, n + size) for n in range(0, N, size)])
        self.likeliest = likeliest.reshape(N * length, self._k)[: len(ids)]
        self.probs = probs.reshape(N * length, self._k)[: len(ids)]
        # Only the last block is padded, and no state is carried further from that one.
        self._state, self._last = state[:, :, -1:].copy(), int(targets[-1, -1])
        nats = nats.reshape(-1)[: len(ids)]
        return self._reader.surprisal(ids, nats) if self._reader else nats

    def _cut(self, ids: Array) -> tuple[Array, Array, int]:
        """Inputs and targets as N streams, (N, length) each, and how many make a batch."""
        # In shorter streams, warming up would be most of the work, and its errors would be larger.
        N = max(1, min(BATCH * BATCHES, len(ids) // (8 * WARM_UP)))
        batches = max(1, min(BATCHES, N // MIN_BATCH))
        N -= N % batches
        targets = np.zeros((N, -(-len(ids) // N)), ids.dtype)
        targets.reshape(-1)[: len(ids)] = ids
        inputs = np.empty_like(targets)
        inputs.reshape(-1)[0], inputs.reshape(-1)[1:] = self._last, targets.reshape(-1)[:-1]
        return inputs, targets, N // batches

    def _typical_state(self, ids: Array) -> Array:
        """A state to warm up from: the current one, after a little more of the text.

        Zeros would not do: without ``train.reset`` training meets them only once an epoch, and
        some models that start from them in the middle of a text never recover.
        """
        state: Array = self._state.copy()
        ws = self._network.workspace(STEPS, 1)
        with blas_settings(1):
            for at in range(0, min(WARM_UP, len(ids)), STEPS):
                self._network.forward(ws, _steps(ids[None, :WARM_UP], at, STEPS), state)
        return state

    def _workspace(self, N: int) -> Workspace:
        """One for ``N`` streams that no other batch is using."""
        # No check before the pop: another thread may take the last one in between.
        with contextlib.suppress(IndexError):
            while (ws := self._idle.pop()).N != N:
                pass
            return ws
        steps = max(1, min(STEPS, MAX_LOGITS // (N * self._network.arch.vocab_size)))
        return self._network.workspace(steps, N)


def _steps(ids: Array, at: int, steps: int) -> Array:
    """The next ``steps`` steps at most, from step ``at``, of streams (N, length): (steps, N)."""
    return np.ascontiguousarray(ids[:, at : at + steps].T, np.intp)


def _top(probs: Array, k: int) -> tuple[Array, Array]:
    """Indices and values of the ``k`` largest of each row (M, V), the largest first.

    Equal ones are in the order of their indices; np.argpartition would choose among them by the
    instructions that the CPU has, and is slower for few.
    """
    rest, each = probs.copy(), rows(len(probs))
    largest, values = np.empty((len(probs), k), np.intp), np.empty((len(probs), k), probs.dtype)
    for n in range(k):
        rest.argmax(axis=1, out=largest[:, n])
        values[:, n] = rest[each, largest[:, n]]
        rest[each, largest[:, n]] = -1.0
    return largest, values
