"""The score of the held-out part: by the network, and by the network mixed with n-grams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.data.records import record_spans
from charrnn.evaluation.records import RecordScorer, evaluate_records
from charrnn.evaluation.score import BLOCK, Evaluation, regroup
from charrnn.evaluation.text import StreamScorer, evaluate
from charrnn.mixing import Mixture, fit_weight
from charrnn.nn.network import Network
from charrnn.nn.params import Array

#: Held-out symbols up to which the probabilities of the n-gram model are kept.
MOST_KEPT = 2**23


@dataclass(frozen=True)
class HeldOutScore:
    """A score of held-out text.

    Attributes:
        evaluation: by the model: the mixture, if there is one.
        network, ngram: by its two parts alone; None without a mixture.
        weight: of the n-gram model; None without a mixture.
    """

    evaluation: Evaluation
    network: Evaluation | None = None
    ngram: Evaluation | None = None
    weight: float | None = None


class HeldOutScorer:
    """Scores held-out text under a network that changes, mixed with n-grams that do not.

    Args:
        start: the id that the text is taken to follow, and that ends its records.
        of_records: whether each record is scored by itself.
        mixture: the n-gram model; None for the network alone.
        fixed: its weight; None to fit it anew each time, on the first :data:`BLOCK` symbols.
    """

    def __init__(
        self, start: int, of_records: bool, mixture: Mixture | None, fixed: float | None
    ) -> None:
        self._start, self._of_records, self._fixed = start, of_records, fixed
        self._mixture = mixture
        self._kept: list[Array] = []  # probabilities by the n-gram model, block by block
        self._kept_for = -1

    def score(self, network: Network, ids: Array) -> HeldOutScore:
        """Score ``ids``, (characters,), which are the same each time except for their number."""
        if self._mixture is None:
            by_network = evaluate_records if self._of_records else evaluate
            return HeldOutScore(by_network(network, ids, self._start))
        nats, weight, characters = np.zeros(3), self._fixed, 0
        for scores, p in zip(self._surprisals(network, ids), self._ngram(ids), strict=True):
            if weight is None:
                weight = fit_weight(scores, p)
            mixed = self._mixture.with_weight(weight).surprisal(scores, p)
            nats += [np.sum(each, dtype=np.float64) for each in (mixed, scores, -np.log(p))]
            characters += len(scores)
        whole, *alone = (Evaluation(total, characters) for total in nats.tolist())
        return HeldOutScore(whole, alone[0], alone[1], weight)

    def _surprisals(self, network: Network, ids: Array) -> Iterator[Array]:
        """The nats of each symbol by the network, block by block."""
        if self._of_records:
            scorer = RecordScorer(network, self._start, self._start)
            for records in self._records(ids):
                yield np.concatenate(list(scorer.surprisals(each[:-1] for each in records)))
        else:
            stream = StreamScorer(network, self._start)
            yield from map(stream.score, regroup([ids], BLOCK))

    def _ngram(self, ids: Array) -> Iterator[Array]:
        """The probability of each symbol by the n-gram model, block by block."""
        assert self._mixture
        if self._kept_for == len(ids):
            yield from self._kept
            return
        keep = len(ids) <= MOST_KEPT
        self._kept, self._kept_for = [], -1
        reader = self._mixture.reader()
        blocks = regroup([ids], BLOCK)
        if self._of_records:
            blocks = map(np.concatenate, self._records(ids))
        for block in blocks:
            p = reader.ngram(block)
            if keep:
                self._kept.append(p)
            yield p
        self._kept_for = len(ids) if keep else -1

    def _records(self, ids: Array) -> Iterator[list[Array]]:
        """The records of each block, with their ends."""
        starts, lengths = record_spans(ids, self._start)
        blocks = np.cumsum(lengths + 1) // BLOCK
        end = np.array([self._start], ids.dtype)
        for block in np.unique(blocks):
            chosen = blocks == block
            spans = zip(starts[chosen].tolist(), lengths[chosen].tolist(), strict=True)
            yield [np.concatenate([ids[at : at + length], end]) for at, length in spans]
