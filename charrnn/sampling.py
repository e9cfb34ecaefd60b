"""Drawing symbols from a network: temperature, top-k, top-p, min-p; stop strings.

Sampling computes in float64. A draw compares a random number with a sum of probabilities. In
float32 the last bits of that sum depend on how many streams share a matrix product; in float64
the difference is too small to change a draw. So sample i of a seed is the same text whatever
the count, in any network that forgets a disturbance, as trained ones do. (Random weights several
times too large make a chaotic network, which does not.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.nn.functional import rows, softmax
from charrnn.nn.network import Network
from charrnn.nn.params import Array, Params
from charrnn.threads import blas_settings

#: Steps of the prime that are read in one pass.
PRIME_STEPS = 256
#: Random numbers that each stream draws at once.
UNIFORMS = 256


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

    def distribution(self, logits: Array) -> Array:
        """Probabilities to draw from, (N, V), given ``logits``, (N, V), which are overwritten."""
        if self.temperature == 0.0:
            likeliest = logits.argmax(axis=-1)
            logits.fill(0.0)
            logits[rows(len(logits)), likeliest] = 1.0
            return logits
        if self.temperature != 1.0:
            # The row's maximum is subtracted first. What a tiny temperature makes overflow
            # then becomes minus infinity, and so probability 0.
            np.subtract(logits, logits.max(axis=-1, keepdims=True), out=logits)
            with np.errstate(over="ignore"):
                np.divide(logits, self.temperature, out=logits)
        probs = softmax(logits, out=logits)
        if self.top_k or self.top_p < 1.0 or self.min_p > 0.0:
            self._filter(probs)
        return probs

    def _filter(self, probs: Array) -> None:
        order = np.argsort(-probs, axis=-1, kind="stable")
        ranked = np.take_along_axis(probs, order, axis=-1)
        if self.top_k:
            ranked[:, self.top_k :] = 0.0
        if self.top_p < 1.0:
            before = np.cumsum(ranked, axis=-1) - ranked
            beyond = before >= self.top_p * ranked.sum(axis=-1, keepdims=True)
            ranked[:, 1:][beyond[:, 1:]] = 0.0  # the likeliest stays, even if p rounds to 0
        ranked[ranked < self.min_p * ranked[:, :1]] = 0.0
        np.put_along_axis(probs, order, ranked, axis=-1)
        np.divide(probs, probs.sum(axis=-1, keepdims=True), out=probs)


def draw(probs: Array, uniform: Array, out: Array) -> None:
    """Draw one index from each row of ``probs``, (N, V), in proportion to its values.

    Args:
        uniform: (N,) random numbers in [0, 1]. out: (N,) of intp, for the indices.
    """
    cumulative = np.cumsum(probs, axis=-1)
    # Strictly below the last sum: rounding must not select an impossible symbol.
    last = cumulative[:, -1]
    drawn = np.minimum(uniform * last, np.nextafter(last, 0.0))
    # The number of sums that are not above the draw is the index of its interval.
    np.sum(cumulative <= drawn[:, None], axis=-1, out=out)


class Sampler:
    """``count`` independent streams of symbols drawn from a network, one step at a time.

    Time and memory for a symbol do not depend on how many were drawn before.

    Args:
        network: of any dtype; symbols are drawn from a float64 copy of it.
        count: streams N.
        seed: stream i draws from ``default_rng([seed, first + i])``.
        choice: how a symbol is chosen.
        first: number of the first stream, if this is one batch of several.

    Attributes:
        surprisal: (N,) nats of the last symbols, under the distribution they were drawn from.
    """

    def __init__(
        self, network: Network, count: int, seed: int, choice: Choice, first: int = 0
    ) -> None:
        params = Params(network.params.shapes, np.float64, network.params.flat.astype(np.float64))
        self._network, self._choice = Network(network.arch, params), choice
        self._ws = self._network.workspace(1, count)
        self._state = network.arch.zero_state(count, np.float64)
        self._rngs = [np.random.default_rng([seed, i]) for i in range(first, first + count)]
        self._next = np.zeros((1, count), np.intp)
        self._unread = np.empty(0, np.intp)
        self._uniforms: Array = np.empty((count, UNIFORMS))
        self._used = self._uniforms.shape[1]
        self.surprisal: Array = np.zeros(count)

    def feed(self, ids: Array, steps: int = PRIME_STEPS) -> None:
        """Read a prime, which all streams continue.

        Args:
            ids: (length,) of intp, length at least 1. A long prime may be fed in pieces, all of
                them before the first step.
            steps: how many are read in one pass.
        """
        # The last symbol is left to the first step, or to the next piece.
        ids = np.concatenate([self._unread, ids])
        ids, self._unread = ids[:-1], ids[-1:]
        ws = self._network.workspace(min(len(ids), steps), 1)
        state = self._state[:, :, :1].copy()
        with blas_settings(1):
            for at in range(0, len(ids), steps):
                self._network.forward(ws, ids[at : at + steps, None], state)
        self._state[:] = state
        self._next[:] = self._unread

    def step(self) -> Array:
        """Draw the next symbol of each stream: ids, (N,) of intp, valid until the next step."""
        with blas_settings(1):
            logits = self._network.forward(self._ws, self._next, self._state)
        probs = self._choice.distribution(logits)
        ids: Array = self._next[0]
        draw(probs, self._uniform(), ids)
        np.negative(np.log(probs[rows(len(ids)), ids]), out=self.surprisal)
        return ids

    def _uniform(self) -> Array:
        if self._used == self._uniforms.shape[1]:
            for row, rng in zip(self._uniforms, self._rngs, strict=True):
                rng.random(out=row)
            self._used = 0
        column: Array = self._uniforms[:, self._used]
        self._used += 1
        return column


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
