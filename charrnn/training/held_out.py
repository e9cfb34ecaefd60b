"""The score of the held-out part: by the network, and by the network mixed with n-grams."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from charrnn.data.corpus import Corpus
from charrnn.data.excerpt import excerpt
from charrnn.data.records import find_symbol, record_spans
from charrnn.data.vocab import NOUNS
from charrnn.evaluation.records import RecordScorer
from charrnn.evaluation.score import Evaluation, ScoringRanks
from charrnn.evaluation.streams import StreamScorer
from charrnn.messages import pluralize
from charrnn.mixing import Mixture, fit_weight
from charrnn.nn.network import Network
from charrnn.nn.params import Array

log = logging.getLogger("charrnn")

#: Symbols that a run validates on, at most: characters or bytes, or words.
MOST_SYMBOLS, MOST_WORDS = 2**17, 2**15
#: Places of the held-out text that they are taken from.
PIECES = 16


def validated_on(corpus: Corpus) -> Array:
    """All held-out ids, or as many as can be scored in seconds.

    Of records, these are every k-th one; of a single text, pieces evenly spread over the held-out
    part.
    """
    ids, unit = corpus.validation, corpus.vocab.unit
    most = MOST_WORDS if unit == "word" else MOST_SYMBOLS
    if len(ids) <= most:
        return ids
    if corpus.data.of_records:
        lengths = np.diff(find_symbol(ids, corpus.vocab.start) + 1, prepend=0)
        every = -(-len(ids) // most)
        chosen: Array = ids[np.repeat(np.arange(len(lengths)) % every == 0, lengths)][:most]
    else:
        chosen = excerpt(ids, most, PIECES)
    held_out = pluralize(len(ids), NOUNS[unit])
    log.info("validating on %s of the %s held out, to save time", f"{len(chosen):,}", held_out)
    return chosen


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
        fixed: its weight; None to fit it anew each time.
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
        self._kept: Array = np.zeros(0)  # probabilities by the n-gram model

    def score(self, network: Network, ids: Array) -> HeldOutScore:
        """Score ``ids``, (characters,), which are the same each time except for their number."""
        records = self._records(ids) if self._of_records else []
        nats = self._surprisals(network, ids, records)
        if self._mixture is None:
            return HeldOutScore(_evaluation(nats))
        p = self._ngram(np.concatenate(records) if records else ids)
        weight = fit_weight(nats, p) if self._fixed is None else self._fixed
        mixed = self._mixture.with_weight(weight).surprisal(nats, p)
        return HeldOutScore(_evaluation(mixed), _evaluation(nats), _evaluation(-np.log(p)), weight)

    def _surprisals(self, network: Network, ids: Array, records: list[Array]) -> Array:
        """The nats of each symbol by the network."""
        if records:
            parts = _divided(records, self._start, self._ranks.scorers)
            return np.concatenate(self._ranks.score(parts))
        return StreamScorer(network, self._start, ranks=self._ranks).score(ids)

    def _ngram(self, ids: Array) -> Array:
        """The probability of each symbol by the n-gram model."""
        assert self._mixture
        if len(self._kept) != len(ids):
            self._kept = self._mixture.reader().ngram(ids)
        return self._kept

    def _records(self, ids: Array) -> list[Array]:
        """The records in ``ids``, with their ends."""
        starts, lengths = record_spans(ids, self._start)
        spans = zip(starts.tolist(), lengths.tolist(), strict=True)
        end = np.array([self._start], ids.dtype)
        return [np.concatenate([ids[at : at + length], end]) for at, length in spans]


def _evaluation(nats: Array) -> Evaluation:
    return Evaluation(float(np.sum(nats, dtype=np.float64)), len(nats))


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
