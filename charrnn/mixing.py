"""A network and an n-gram model together: p = (1 - w) p_network + w p_ngram.

This is the only place where probabilities are mixed. Scoring mixes the probability of each symbol
that was read, sampling and tables of likeliest symbols mix whole distributions. The reasons, and
what else was tried: docs/design/mixing.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.ngram import Counts, NGram
from charrnn.nn.params import Array

#: The weight where there is nothing to fit it on: what texts of 80 KB to 1 MB want.
USUAL_WEIGHT = 0.4
#: Steps of expectation maximisation, at most, and the change of the weight that ends them.
EM_STEPS, EM_CHANGE = 200, 1e-6


def mix(network: Array, ngram: Array, weight: float) -> Array:
    """The mixed probabilities, in float64."""
    p: Array = np.multiply(network, 1.0 - weight, dtype=np.float64)
    p += weight * ngram
    return p


@dataclass(eq=False)
class Mixture:
    """The n-gram model that a network is mixed with, and how much it counts.

    Attributes:
        ngram: the model. weight: its share w, 0 to 1.
        start: the symbol that a text is taken to follow.
        never: a symbol without any probability in :meth:`mix_logits`.
    """

    ngram: NGram
    weight: float
    start: int
    never: int | None = None

    def __post_init__(self) -> None:
        # With a weight of 1, the network gets one part in a trillion, which float32 hardly shows.
        self._odds = self.weight / max(1.0 - self.weight, 1e-12)

    @classmethod
    def of(cls, counts: Counts, weight: float, start: int, of_records: bool) -> Mixture:
        """A model of these n-grams, mixed in.

        Args:
            of_records: whether ``start`` also ends each record.
        """
        return cls(NGram(counts, start if of_records else None), weight, start)

    def with_weight(self, weight: float) -> Mixture:
        """The same model with another weight."""
        return Mixture(self.ngram, weight, self.start, self.never)

    def without(self, symbol: int) -> Mixture:
        """The same model, but samples never contain ``symbol``."""
        return Mixture(self.ngram, self.weight, self.start, symbol)

    def reader(self) -> MixedReader:
        """A reader of a new text."""
        return MixedReader(self)

    def surprisal(self, nats: Array, p: Array) -> Array:
        """Mixed surprisal of symbols, (M,) of float64.

        Args:
            nats: (M,) by the network. p: (M,) probability by the n-gram model.
        """
        if self.weight == 0.0:  # exp could underflow, and its logarithm be infinite
            return nats.astype(np.float64)
        mixed: Array = -np.log(mix(np.exp(-nats.astype(np.float64)), p, self.weight))
        return mixed

    def distributions(self, probs: Array, contexts: Array) -> Array:
        """Mixed distributions, (n, V) of float64.

        Args:
            probs: (n, V) by the network. contexts: (n, order) of the n-gram model.
        """
        return mix(probs, self.ngram.distributions(contexts), self.weight)

    def mix_logits(self, logits: Array, contexts: Array) -> None:
        """Replace the network's logits, (n, V), by those of :meth:`distributions`.

        Each row depends on nothing but itself and its context.
        """
        ngram = self.ngram.distributions(contexts)
        if self.never is not None:
            ngram[:, self.never] = 0.0
            ngram /= ngram.sum(axis=1, keepdims=True)
        np.subtract(logits, np.maximum.reduce(logits, axis=1, keepdims=True), logits)
        network = np.exp(logits, logits)
        # The mixture times a number for each row, which makes no difference to logits: for speed.
        ngram *= self._odds * np.add.reduce(network, axis=1, keepdims=True)
        np.add(network, ngram, logits, casting="same_kind")
        if self.never is not None:
            logits[:, self.never] = 0.0
        np.log(logits, logits)


class Tally(Mixture):
    """A mixture that adds up, over all that it scores, what both models give alone.

    Attributes:
        network_nats, ngram_nats: the sums.
    """

    def __init__(self, mixture: Mixture) -> None:
        super().__init__(mixture.ngram, mixture.weight, mixture.start)
        self.network_nats = self.ngram_nats = 0.0

    def surprisal(self, nats: Array, p: Array) -> Array:
        self.network_nats += float(np.sum(nats, dtype=np.float64))
        self.ngram_nats -= float(np.sum(np.log(p)))
        return super().surprisal(nats, p)


class MixedReader:
    """Mixes the scores of one text, which is read block by block."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture
        self._context = mixture.ngram.context(mixture.start)

    def surprisal(self, ids: Array, nats: Array, begins: Array | None = None) -> Array:
        """Mixed surprisal of the next block of the text, (M,) of float64.

        Args:
            ids: (M,) of any integer dtype. nats: (M,) by the network.
            begins: where in the block another text begins, as if at the start; None for nowhere.
        """
        return self._mixture.surprisal(nats, self.ngram(ids, begins))

    def ngram(self, ids: Array, begins: Array | None = None) -> Array:
        """The probability of each symbol of the next block by the n-gram model alone, (M,)."""
        new = None
        if begins is not None:
            new = np.zeros(len(ids), bool)
            new[begins] = True
        p, self._context = self._mixture.ngram.read(ids, self._context, new)
        return p

    def next_distribution(self, ids: Array, probs: Array) -> Array:
        """The mixed distribution of the symbol after the next block, (V,).

        Args:
            ids: (M,), may be empty. probs: (V,) by the network.
        """
        self.ngram(ids)
        (mixed,) = self._mixture.distributions(probs[None], self._context[None])
        return np.asarray(mixed)

    def distributions_of(self, ids: Array) -> Callable[[Array, Array], Array]:
        """A function that mixes distributions of the symbols of the next block.

        It takes the network's, (n, V), and the places in the block that they are of, (n,); places
        after its end are those of padding, whose distributions do not matter.
        """
        contexts = self._mixture.ngram.contexts(ids, self._context)

        def mixed(probs: Array, places: Array) -> Array:
            return self._mixture.distributions(
                probs, contexts[np.minimum(places, len(contexts) - 1)]
            )

        return mixed


def fit_weight(nats: Array, p: Array) -> float:
    """The weight of the n-gram model that predicts a text best, by expectation maximisation.

    Its likelihood is concave in the weight, so the best one is found from anywhere. The mixture is
    never worse on this text than the better of the two models.

    Args:
        nats: (M,) surprisal by the network. p: (M,) probability by the n-gram model.
    """
    network, ngram = np.exp(-nats.astype(np.float64)), p.astype(np.float64)
    weight = 0.5
    for _ in range(EM_STEPS):
        posterior = weight * ngram / mix(network, ngram, weight)
        change, weight = weight, float(np.mean(posterior))
        if abs(weight - change) < EM_CHANGE:
            break
    # Towards an end of the range, EM approaches the best weight slowly.
    weights = (weight, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        scores = [float(np.sum(np.log(mix(network, ngram, w)))) for w in weights]
    return weights[int(np.argmax(scores))]
