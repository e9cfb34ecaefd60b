"""The score of the held-out part: by the network, and by the network mixed with n-grams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from charrnn.data.records import record_spans
from charrnn.evaluation.records import RecordScorer
from charrnn.evaluation.score import BLOCK, Evaluation, ScoringRanks, regroup, total
from charrnn.evaluation.streams import StreamScorer
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
        ranks: those that score.
    """

    def __init__(
        self,
        start: int,
        of_records: bool,
        mixture: Mixture | None,
        fixed: float | None,
        ranks: ScoringRanks,
    ) -> None:
        self._start, self._of_records, self._fixed, self._ranks = start, of_records, fixed, ranks
        self._mixture = mixture
        self._kept: list[Array] = []  # probabilities by the n-gram model, block by block
        self._kept_for = -1

    def score(self, network: Network, ids: Array) -> HeldOutScore:
        """Score ``ids``, (characters,), which are the same each time except for their number."""
        if self._mixture is None:
            blocks = self._surprisals(network, ids)
            parts = (Evaluation(float(np.sum(b, dtype=np.float64)), len(b)) for b in blocks)
            return HeldOutScore(total(parts))
        sums, weight, characters = np.zeros(3), self._fixed, 0
        for scores, p in zip(self._surprisals(network, ids), self._ngram(ids), strict=True):
            if weight is None:
                weight = fit_weight(scores, p)
            mixed = self._mixture.with_weight(weight).surprisal(scores, p)
            sums += [np.sum(each, dtype=np.float64) for each in (mixed, scores, -np.log(p))]
            characters += len(scores)
        whole, *alone = (Evaluation(nats, characters) for nats in sums.tolist())
        return HeldOutScore(whole, alone[0], alone[1], weight)

    def _surprisals(self, network: Network, ids: Array) -> Iterator[Array]:
        """The nats of each symbol by the network, block by block."""
        if self._of_records:
            for records in self._records(ids):
                parts = _divided(records, self._start, self._ranks.scorers)
                yield np.concatenate(self._ranks.score(parts))
        else:
            stream = StreamScorer(network, self._start, ranks=self._ranks)
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


@dataclass(frozen=True)
class _Records:
    """Records with their ends, one after the other; a :class:`~charrnn.evaluation.score.Part`."""

    ids: Array
    end: int

    def score(self, network: Network, threads: int | None = None) -> Array:
        """The nats of each symbol."""
        starts, lengths = record_spans(self.ids, self.end)
        spans = zip(starts.tolist(), lengths.tolist(), strict=True)
        scorer = RecordScorer(network, self.end, self.end, threads)
        return np.concatenate([*scorer.surprisals(self.ids[at : at + n] for at, n in spans)])


def _divided(records: list[Array], end: int, count: int) -> list[_Records]:
    """Records in up to ``count`` parts of about the same number of symbols."""
    ends = np.cumsum([len(record) for record in records])
    owners = (ends - 1) * count // ends[-1]
    cuts = np.searchsorted(owners, range(count + 1)).tolist()
    shares = [records[a:b] for a, b in pairwise(cuts) if b > a]
    return [_Records(np.concatenate(share), end) for share in shares]
