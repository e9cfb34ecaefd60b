"""Drawing symbols from a network: temperature, top-k, top-p, min-p; stop strings.

Sample i of a seed is the same whatever the count, exactly. It has random numbers of its own, and
its place in a tile of :data:`TILE` rows. Every matrix product has a tile's shape, so the order of
its sums does not depend on how many samples are drawn, by how many threads, or which have ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import DTypeLike

from charrnn.mixing import Mixture
from charrnn.nn.functional import rows
from charrnn.nn.inference import InferenceWeights, StepPass
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.threads import blas_settings

#: Samples whose matrix products are made together: see docs/design/performance.md.
TILE = 4
#: Steps of the prime that are read in one pass.
PRIME_STEPS = 256
#: Steps for which each sample draws random numbers at once, and how many numbers at most.
NOISE_STEPS, MAX_NOISE = 8, 1 << 13
#: Samples whose seeds are drawn together.
SEEDS = 256
#: In place of 0, so that its logarithm is finite.
TINY = 1e-300
#: Share of the rows at which those that have ended are left out.
KEPT_SHARE = 0.75
#: Temperatures below this one are taken as this one, which float32 can still divide by.
MIN_TEMPERATURE = 1e-30


@dataclass(frozen=True)
class Choice:
    """How the next symbol is chosen from its distribution.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest symbol.
        top_k: only the k likeliest symbols; 0 is off.
        top_p: only the fewest likeliest whose probabilities add up to p; 1 is off.
        min_p: only symbols with at least this share of the likeliest one's probability; 0 is off.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def apply(self, logits: Array) -> Array:
        """The logits of the distribution to draw from: minus infinity for what is left out.

        Args:
            logits: (n, V), which are overwritten; minus infinity for what is not to be drawn.
        """
        if self.temperature == 0.0:
            likeliest = logits.argmax(axis=-1)
            logits.fill(-np.inf)
            logits[rows(len(logits)), likeliest] = 0.0
            return logits
        if self.temperature != 1.0:
            np.divide(logits, max(self.temperature, MIN_TEMPERATURE), out=logits)
        if self.top_k or self.top_p < 1.0 or self.min_p > 0.0:
            self._filter(logits)
        return logits

    def _filter(self, logits: Array) -> None:
        order = np.argsort(-logits, axis=-1, kind="stable")
        ranked = np.take_along_axis(logits, order, axis=-1)
        # Relative to the likeliest symbol.
        probs = np.exp(np.subtract(ranked, ranked[:, :1], dtype=np.float64))
        out = probs < self.min_p
        if self.top_k:
            out[:, self.top_k :] = True
            probs[:, self.top_k :] = 0.0
        if self.top_p < 1.0:
            before = np.cumsum(probs, axis=-1) - probs
            out |= before >= self.top_p * probs.sum(axis=-1, keepdims=True)
        out[:, 0] = False  # the likeliest stays, even if p rounds to 0
        ranked[out] = -np.inf
        np.put_along_axis(logits, order, ranked, axis=-1)


class Rule(Protocol):
    """What the samples of a :class:`Sampler` must obey."""

    #: (n,) samples for which nothing was allowed in the last step: their symbol is not to be used.
    stuck: Array

    def restrict(self, logits: Array) -> None:
        """Set the logits, (n, V), of what must not come next to minus infinity."""

    def advance(self, ids: Array) -> None:
        """Take the symbols that were drawn, (n,)."""

    def keep(self, rows: Array) -> None:
        """Keep only these rows, (rows left,) of intp, in their order."""


class Beginning:
    """What samples continue: a network's weights, and its state after a prime.

    Any number of samplers and threads may share it.

    Args:
        network: as it is now; samples are computed in its dtype.
        weights: those of ``network``, if there is already a copy.
        mixture: what the network is mixed with, if anything.

    Attributes:
        weights: of the network. mixture: as given.
        state: (L, STATES, 1, H) after all of the prime but its last symbol.
        context: (order,) of the n-gram model there; empty without one.
    """

    def __init__(
        self,
        network: Network,
        weights: InferenceWeights | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self._network, self._unread = network, np.empty(0, np.intp)
        self.mixture = mixture
        self.context: Array = mixture.ngram.context() if mixture else np.empty(0, np.intp)
        self.weights = weights or InferenceWeights(network)
        self.state = network.arch.zero_state(1, self.weights.dtype)

    def feed(self, ids: Array, steps: int = PRIME_STEPS) -> None:
        """Read the prime, or its next piece.

        Args:
            ids: (length,) of intp, length at least 1.
            steps: how many are read in one pass.
        """
        # The last symbol is left to the first step of a sampler, or to the next piece.
        ids = np.concatenate([self._unread, ids])
        ids, self._unread = ids[:-1], ids[-1:]
        if len(ids):
            ws = self._network.workspace(min(len(ids), steps), 1)
            with blas_settings(1):
                for at in range(0, len(ids), steps):
                    self._network.forward(ws, ids[at : at + steps, None], self.state)
            if self.mixture:
                _, self.context = self.mixture.ngram.read(ids, self.context)

    @property
    def last(self) -> int:
        return int(self._unread[0])


class Sampler:
    """Samples that continue one beginning, drawn together, one symbol at a time.

    Time and memory for a symbol do not depend on how many were drawn before.

    Args:
        beginning: what the samples continue.
        numbers: of the samples. Each has random numbers of its own.
        seed: of the random numbers.
        choice: how a symbol is chosen. rule: what is ruled out before, if anything.

    Attributes:
        numbers: (n,) of intp: the number of each row's sample.
    """

    def __init__(
        self,
        beginning: Beginning,
        numbers: range,
        seed: int,
        choice: Choice,
        rule: Rule | None = None,
    ) -> None:
        self._rule = rule
        self.numbers: Array = np.array(numbers, np.intp)
        weights, self._choice = beginning.weights, choice
        self._mixture = beginning.mixture
        self._contexts: Array = np.repeat(beginning.context[None], len(numbers), axis=0)
        state = np.repeat(beginning.state, len(numbers), axis=2)
        self._pass = StepPass(weights, state, TILE, numbers.start % TILE)
        self._ids: Array = np.full(len(numbers), beginning.last, np.intp)
        rngs = generators(seed, self.numbers)
        self._noise = _Noise(rngs, weights.arch.vocab_size, weights.dtype)
        self._scores = self._pass.logits

    def step(self) -> Array:
        """Draw the next symbol of each row: ids, (n,) of intp, valid until the next step."""
        logits = self._pass.step(self._ids)
        if self._mixture:
            self._contexts = self._mixture.ngram.advance(self._contexts, self._ids)
            self._mixture.mix_logits(logits, self._contexts)
        if self._rule:
            self._rule.restrict(logits)
        self._scores = self._choice.apply(logits)
        # The largest sum of a score and Gumbel noise is a draw from the softmax of the scores.
        self._noise.added_to(self._scores).argmax(1, self._ids)
        if self._rule:
            self._rule.advance(self._ids)
        return self._ids

    def surprisal(self) -> Array:
        """Nats of the last symbols, under the distribution they were drawn from: (n,)."""
        scores = self._scores - self._scores.max(axis=1, keepdims=True)
        drawn = scores[rows(len(scores)), self._ids]
        np.exp(scores, out=scores)
        nats: Array = np.log(scores.sum(axis=1)) - drawn
        return nats

    def keep(self, running: Array) -> Array | None:
        """Move the rows that are ``running``, (n,), to as few tiles as they fill, if that is many.

        Each row stays in its place of a tile: only there is it computed as before.

        Returns:
            (rows left,) the row that each is now, of intp; some of them may have ended. None if
            nothing was moved.
        """
        places = [np.flatnonzero(running & (self.numbers % TILE == at)) for at in range(TILE)]
        tiles = max(map(len, places))
        if tiles * TILE > KEPT_SHARE * len(running):
            return None
        moved: Array = np.full((tiles, TILE), -1, np.intp)
        for place, rows_there in enumerate(places):
            moved[: len(rows_there), place] = rows_there
        moved = moved.ravel()
        empty = moved < 0
        moved[empty] = np.flatnonzero(~running)[: np.count_nonzero(empty)]
        self.numbers, self._ids = self.numbers[moved], self._ids[moved]
        self._contexts = self._contexts[moved]
        self._pass.keep(moved)
        self._noise.keep(moved)
        if self._rule:
            self._rule.keep(moved)
        return moved


class _Words(ISeedSequence):
    """A seed of four random words, which need no further mixing."""

    def __init__(self, words: Array) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Array:
        return self._words


def generators(seed: int, numbers: Array) -> list[np.random.Generator]:
    """The random numbers of samples: a generator for each of ``numbers``.

    NumPy's own seeding takes as long as drawing a short sample.
    """
    blocks = {
        int(block): np.random.default_rng([seed, block]).integers(0, 1 << 64, (SEEDS, 4), np.uint64)
        for block in np.unique(numbers // SEEDS)
    }
    seeds = [_Words(blocks[n // SEEDS][n % SEEDS]) for n in numbers.tolist()]
    return [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]  # type: ignore[arg-type]


class _Noise:
    """Gumbel noise for each row and symbol, drawn many steps ahead.

    Args:
        rngs: of the rows. V: symbols.
    """

    def __init__(self, rngs: list[np.random.Generator], V: int, dtype: DTypeLike) -> None:
        self._rngs = rngs
        steps = max(1, min(NOISE_STEPS, MAX_NOISE // V))
        self._exponential: Array = np.empty((steps, V))
        self._noise: Array = np.empty((len(rngs), steps, V), dtype)
        self._sum: Array = np.empty((len(rngs), V), dtype)
        self._used = steps

    def added_to(self, scores: Array) -> Array:
        """The noise of the next step plus ``scores``, (n, V); overwritten by the next call."""
        if self._used == len(self._exponential):
            self._draw()
        np.add(scores, self._noise[:, self._used], self._sum)
        self._used += 1
        return self._sum

    def _draw(self) -> None:
        # In float64: the exponentials of float32 are 0 once in 2^23 times, which would draw a
        # symbol whatever its probability.
        numbers = self._exponential
        for rng, noise in zip(self._rngs, self._noise, strict=True):
            rng.standard_exponential(out=numbers)
            np.maximum(numbers, TINY, out=numbers)
            np.log(numbers, numbers)
            np.negative(numbers, noise, casting="same_kind")
        self._used = 0

    def keep(self, rows: Array) -> None:
        """Keep only these rows, (rows left,) of intp, in their order."""
        self._rngs = [self._rngs[row] for row in rows.tolist()]
        self._noise, self._sum = self._noise[rows], self._sum[: len(self._rngs)]


class StopMatcher:
    """Finds stop strings in one stream of ids, and holds back only what may become one.

    Args:
        stops: sequences of ids; empty ones are ignored.

    Attributes:
        stopped: whether a stop string is complete.
    """

    def __init__(self, stops: Iterable[Sequence[int]]) -> None:
        self._stops = [tuple(stop) for stop in stops if len(stop)]
        self._held: list[int] = []
        self.stopped = False

    def feed(self, symbol: int) -> list[int]:
        """Take one id; return those that are now known not to belong to a stop string.

        A complete stop string is never returned; if several end here, the longest is not.
        """
        if not self._stops:
            return [symbol]
        self._held.append(symbol)
        if complete := [len(stop) for stop in self._stops if self._ends_with(stop)]:
            self.stopped = True
            return self._held[: -max(complete)]
        # Keep the longest tail with which some stop string begins.
        keep = max(
            (n for stop in self._stops for n in range(1, len(stop)) if self._ends_with(stop[:n])),
            default=0,
        )
        free = len(self._held) - keep
        released, self._held = self._held[:free], self._held[free:]
        return released

    def rest(self) -> list[int]:
        """What is still held when the stream ends for another reason."""
        held, self._held = self._held, []
        return held

    def _ends_with(self, start: tuple[int, ...]) -> bool:
        return tuple(self._held[-len(start) :]) == start
