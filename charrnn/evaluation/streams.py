"""Surprisal of each symbol of a continuous text, computed in parallel streams.

Each block of the text is cut into streams, each of which first reads the end of the one before it.
So the figures are those of one long stream, except for what its state would have remembered from
further back. docs/design/performance.md has the measurements behind the sizes below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from charrnn.evaluation.score import ScoringRanks
from charrnn.limits import available_cores
from charrnn.mixing import Mixture
from charrnn.nn.functional import cross_entropy, rows
from charrnn.nn.inference import InferencePass
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.threads import blas_settings, parallel_map, share

#: Streams in one batch, and batches in one block, at most: enough for efficient matrix products
#: and for a few cores. They do not depend on the machine, so that scores do not either.
BATCH, BATCHES = 128, 4
#: Streams that are worth a separate batch, and the inference pass.
MIN_BATCH = 48
#: Batches that a thread scores together, at most, where there are more batches than threads. They
#: share all calls of NumPy but no product, so that scores do not depend on it.
JOINED = 2
#: Steps in one pass over a batch.
STEPS = 16
#: Logits in a pass, at most: 8 MB, so that a large alphabet takes no more memory than a small one.
MAX_LOGITS = 2**21
#: Symbols of the text before it that each stream reads first, unscored, to learn its context.
WARM_UP = 128

#: Logits (steps*N, V) of ids (steps, N) after a state, which it advances in place.
ForwardPass = Callable[[Array, Array], Array]
#: Gets the probabilities (rows, V) of a pass over some streams and steps.
Look = Callable[[Array, tuple[slice, slice]], None]


@dataclass(frozen=True)
class Streams:
    """N streams of a text; a :class:`~charrnn.evaluation.score.Part`.

    Attributes:
        inputs, targets: (N, length) of any integer dtype.
        before: (N, up to :data:`WARM_UP`) what each reads first.
        typical: (L, STATES, 1, H), the state to begin that with.
        first: (L, STATES, 1, H), in which the first stream continues the text; None if these are
            not the first streams of a block.
        batches: how many batches to make of them.
    """

    inputs: Array
    targets: Array
    before: Array
    typical: Array
    first: Array | None
    batches: int

    def score(
        self, network: Network, threads: int | None = None, look: Look | None = None
    ) -> tuple[Array, Array]:
        """Nats, (N, length), and the state (L, STATES, 1, H) at the end of the last stream."""
        N, length = self.targets.shape
        nats = np.empty((N, length), self.typical.dtype)
        last = np.empty_like(self.typical)
        batch = -(-N // self.batches)  # streams in it; the last one may have fewer
        joined = batch
        if N % batch == 0 and batch >= MIN_BATCH:
            joined *= min(JOINED, -(-self.batches // (threads or available_cores())))

        def score_streams(streams: slice) -> None:
            inputs, before = self.inputs[streams], self.before[streams]
            count = len(inputs)
            steps, forward = _forward_pass(network, count, min(batch, count))
            state = np.repeat(self.typical, count, axis=2)
            for at in range(0, before.shape[1], steps):
                forward(_steps(before, at, steps), state)
            if streams.start == 0 and self.first is not None:
                state[:, :, :1] = self.first
            for at in range(0, length, steps):
                span = (streams, slice(at, at + steps))
                x, y = _steps(inputs, at, steps), _steps(self.targets[streams], at, steps)
                logits = forward(x, state)
                nats[span] = cross_entropy(logits, y.reshape(-1)).reshape(y.shape).T
                if look:
                    look(logits, span)  # probabilities by now
            if streams.stop == N:
                last[:] = state[:, :, -1:]

        parts = [slice(at, min(at + joined, N)) for at in range(0, N, joined)]
        parallel_map(score_streams, parts, threads)
        return nats, last


class StreamScorer:
    """Scores blocks of one text; the state and the last symbol are carried from block to block.

    Args:
        start: the id that the text is taken to follow.
        k: see :func:`~charrnn.evaluation.text.char_scores`.
        state: (L, STATES, 1, H) before the text; None for zeros.
        mixture: what the network is mixed with, if anything.
        ranks: those that score; None for this process, which k > 0 requires.

    Attributes:
        likeliest, probs: of the last block, (symbols, k): see
            :class:`~charrnn.evaluation.text.CharScores`.
    """

    def __init__(
        self,
        network: Network,
        start: int,
        k: int = 0,
        state: Array | None = None,
        mixture: Mixture | None = None,
        ranks: ScoringRanks | None = None,
    ) -> None:
        self._network, self._last, self._k = network, start, k
        self._reader = mixture.reader() if mixture else None
        self._ranks = ranks
        self.likeliest: Array = np.zeros((0, k), np.intp)
        self.probs: Array = np.zeros((0, k), network.params.flat.dtype)
        zeros = network.arch.zero_state(1, network.params.flat.dtype)
        self._state = zeros if state is None else state

    def score(self, ids: Array) -> Array:
        """Nats of ``ids``, (any length,).

        Every block but the last must split evenly into streams, as a power of two does.
        """
        look = self._look(ids) if self._k else None
        parts = self._parts(ids)
        if self._ranks:
            scored = self._ranks.score(parts)
        else:
            scored = [part.score(self._network, look=look) for part in parts]
        # Only the last block is padded, and no state is carried further from that one.
        self._state, self._last = scored[-1][1], int(parts[-1].targets[-1, -1])
        nats: Array = np.concatenate([each.reshape(-1) for each, _ in scored])[: len(ids)]
        return self._reader.surprisal(ids, nats) if self._reader else nats

    def _parts(self, ids: Array) -> list[Streams]:
        """The streams of a block, divided among those that score."""
        inputs, targets, batches = self._cut(ids)
        N, length = targets.shape
        before, typical = inputs[:, :0], self._state
        if N > 1:  # all streams but the first, which continues the text, warm up
            before = np.roll(inputs[:, -min(WARM_UP, length) :], 1, axis=0)
            typical = self._typical_state(inputs[0])
        count = self._ranks.scorers if self._ranks else 1
        batches = -(-batches // count)
        shares = [span for n in range(count) if (span := share(N, n, count)).stop > span.start]
        return [
            Streams(
                inputs[span],
                targets[span],
                before[span],
                typical,
                None if span.start else self._state,
                batches,
            )
            for span in shares
        ]

    def _cut(self, ids: Array) -> tuple[Array, Array, int]:
        """Inputs and targets as streams, (N, length) each, and how many batches to make of them."""
        # In shorter streams, warming up would be most of the work, and its errors would be larger.
        N = max(1, min(BATCH * BATCHES, len(ids) // (8 * WARM_UP)))
        batches = max(1, min(BATCHES, N // MIN_BATCH))
        N -= N % batches
        targets = np.zeros((N, -(-len(ids) // N)), ids.dtype)
        targets.reshape(-1)[: len(ids)] = ids
        inputs = np.empty_like(targets)
        inputs.reshape(-1)[0], inputs.reshape(-1)[1:] = self._last, targets.reshape(-1)[:-1]
        return inputs, targets, batches

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

    def _look(self, ids: Array) -> Look:
        """What keeps the likeliest symbols of the next block, ``ids``."""
        N, length = self._cut(ids)[1].shape
        k, dtype = self._k, self._state.dtype
        likeliest, probs = np.empty((N, length, k), np.intp), np.empty((N, length, k), dtype)
        self.likeliest = likeliest.reshape(N * length, k)[: len(ids)]
        self.probs = probs.reshape(N * length, k)[: len(ids)]
        places = np.arange(N * length).reshape(N, length)
        mixed = self._reader.distributions_of(ids) if self._reader else None

        def look(p: Array, span: tuple[slice, slice]) -> None:
            at = places[span].T
            if mixed:
                p[:] = mixed(p, at.ravel())
            top, p = _top(p, k)
            likeliest[span] = top.reshape(*at.shape, k).swapaxes(0, 1)
            probs[span] = p.reshape(*at.shape, k).swapaxes(0, 1)

        return look


def _forward_pass(network: Network, N: int, batch: int) -> tuple[int, ForwardPass]:
    """The most steps in a pass over N streams, and a function that makes one.

    Args:
        batch: streams that share a product.
    """
    steps = max(1, min(STEPS, MAX_LOGITS // (N * network.arch.vocab_size)))
    if batch < MIN_BATCH:
        return steps, partial(network.forward, network.workspace(steps, N))
    return steps, InferencePass(network, steps * N, N, batch).forward


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
