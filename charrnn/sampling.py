"""Drawing symbols from a network: temperature, top-k, top-p, min-p; stop strings.

Sample i of a seed is the same whatever the count, exactly. It has random numbers of its own. In
matrix products, the first :data:`ALONE` samples are rows by themselves, and each other one has its
place in a tile (:mod:`charrnn.nn.tiles`). So no sum depends on how many samples are drawn, by how
many threads, or which have ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from charrnn.mixing import Mixture
from charrnn.nn.functional import rows
from charrnn.nn.inference import InferenceWeights, StepPass
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.nn.tiles import TILE, Groups, Moves, gaps_filled
from charrnn.threads import blas_settings

#: How many of the first samples are rows by themselves: one such row is faster than a tile.
ALONE = 1
#: Steps of the prime that are read in one pass.
PRIME_STEPS = 256
#: Samples, and steps, whose random numbers are drawn together.
BLOCK_SAMPLES, BLOCK_STEPS = 64, 64
#: The largest random number; a sum of probabilities times this one is smaller than the sum.
LARGEST = 1.0 - 2.0**-52
#: Rows that have ended are left out once no more than this share is left, and at least a tile is
#: saved.
KEPT_SHARE = 0.9
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
        state: (L, STATES, 1, H) after the prime.
        logits: (V,) of the first symbol of the samples, by the network.
        context: (order,) of the n-gram model after the prime; empty without one.
    """

    def __init__(
        self,
        network: Network,
        weights: InferenceWeights | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self._network, self.mixture = network, mixture
        self.context: Array = mixture.ngram.context() if mixture else np.empty(0, np.intp)
        self.weights = weights or InferenceWeights(network)
        self.state = network.arch.zero_state(1, self.weights.dtype)
        self.logits: Array = np.zeros(network.arch.vocab_size, self.weights.dtype)

    def feed(self, ids: Array, steps: int = PRIME_STEPS) -> None:
        """Read the prime, or its next piece.

        Args:
            ids: (length,) of intp, length at least 1.
            steps: how many are read in one pass.
        """
        ws = self._network.workspace(min(len(ids), steps), 1)
        with blas_settings(1):
            for at in range(0, len(ids), steps):
                logits = self._network.forward(ws, ids[at : at + steps, None], self.state)
        self.logits = logits[-1].copy()
        if self.mixture:
            _, self.context = self.mixture.ngram.read(ids, self.context)


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
        self._rule, self._choice, self._seed = rule, choice, seed
        self.numbers: Array = np.array(numbers, np.intp)
        self._mixture = beginning.mixture
        self._contexts: Array = np.repeat(beginning.context[None], len(numbers), axis=0)
        alone = len(range(numbers.start, min(numbers.stop, ALONE)))
        groups = Groups(len(numbers), alone, 0 if alone else (numbers.start - ALONE) % TILE)
        state = np.repeat(beginning.state, len(numbers), axis=2)
        self._weights = beginning.weights
        self._pass = StepPass(beginning.weights, state, groups)
        self._ids: Array = np.empty(len(numbers), np.intp)
        self._scores = self._pass.logits
        self._scores[:] = beginning.logits
        self._sums: Array = np.empty(self._scores.shape)
        self._steps = 0
        self._random: Array = np.empty((len(numbers), 0))

    def step(self) -> Array:
        """Draw the next symbol of each row: ids, (n,) of intp, valid until the next step."""
        block, step = divmod(self._steps, BLOCK_STEPS)
        if step == 0:
            self._random = random_numbers(self._seed, self.numbers, block)
        logits = self._pass.step(self._ids) if self._steps else self._pass.logits
        if self._mixture:
            if self._steps:
                self._contexts = self._mixture.ngram.advance(self._contexts, self._ids)
            self._mixture.mix_logits(logits, self._contexts)
        self._steps += 1
        if self._rule:
            self._rule.restrict(logits)
        self._scores = self._choice.apply(logits)
        draw(self._scores, self._random[:, step], self._sums, self._ids)
        if self._rule:
            self._rule.advance(self._ids)
        return self._ids

    def surprisal(self) -> Array:
        """Nats of the last symbols, under the distribution they were drawn from: (n,)."""
        nats: Array = np.log(self._sums[:, -1])
        np.subtract(nats, self._scores[rows(len(nats)), self._ids], nats)
        return nats

    def keep(self, running: Array) -> Moves | None:
        """Move the rows that are ``running``, (n,), together, if enough others are then left out.

        Each goes where it is computed as before. Some of the rows that are left may have ended.

        Returns:
            What was moved; None if nothing was.
        """
        most = min(KEPT_SHARE * len(running), len(running) - TILE)
        if np.count_nonzero(running) > most:
            return None
        moves = gaps_filled(running, self._pass.groups, self._weights.alike)
        if moves.n > most:
            return None
        if self._rule:
            self._rule.keep(moves.apply(np.arange(len(running))))
        self.numbers, self._ids = moves.apply(self.numbers), moves.apply(self._ids)
        self._random, self._sums = moves.apply(self._random), self._sums[: moves.n]
        self._contexts = moves.apply(self._contexts)
        self._pass.keep(moves)
        return moves


def draw(scores: Array, numbers: Array, sums: Array, ids: Array) -> None:
    """Draw a symbol for each row from the softmax of its scores.

    Args:
        scores: (n, V); the maximum of each row is subtracted from it.
        numbers: (n,) at least 0 and at most :data:`LARGEST`, which decide.
        sums: (n, V) of float64; overwritten with cumulative sums of ``exp(scores)``.
        ids: (n,) of intp; overwritten with the symbols.
    """
    np.subtract(scores, np.maximum.reduce(scores, axis=1, keepdims=True), scores)
    # In float64, so that symbols are as rare as they should be, however many there are.
    np.copyto(sums, np.exp(scores))
    np.add.accumulate(sums, 1, None, sums)
    (sums > numbers[:, None] * sums[:, -1:]).argmax(1, ids)


def random_numbers(seed: int, numbers: Array, block: int) -> Array:
    """Random numbers for the steps of a block, (n, BLOCK_STEPS), from 0 to :data:`LARGEST`.

    Args:
        numbers: (n,) of samples. Each has random numbers of its own, whatever the others are.
    """
    groups, which = np.unique(numbers // BLOCK_SAMPLES, return_inverse=True)
    drawn: Array = np.empty((len(groups), BLOCK_SAMPLES, BLOCK_STEPS))
    for group, out in zip(groups.tolist(), drawn, strict=True):
        # Quicker than seeding a generator for each sample: see docs/design/performance.md.
        seeds = np.random.SeedSequence(seed, spawn_key=(group, block))
        np.random.Generator(np.random.PCG64(seeds)).random(out=out)
    own: Array = drawn[which, numbers % BLOCK_SAMPLES]
    return np.minimum(own, LARGEST, out=own)


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
