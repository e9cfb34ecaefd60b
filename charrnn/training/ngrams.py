"""The n-gram model that a run mixes with its network."""

from __future__ import annotations

from charrnn.config.schema import Config
from charrnn.data.corpus import Corpus
from charrnn.mixing import USUAL_WEIGHT, Mixture
from charrnn.ngram import LIMIT, count, counted_part
from charrnn.training.inputs import Start

#: N-grams of two symbols or more, at most; docs/design/mixing.md has what the limit costs.
MOST = 2**21
#: Symbols learned from for each minute of the budget, at most: a sixth of the time.
PER_MINUTE = 10_000_000
#: Bytes that counting takes for each symbol: see docs/design/mixing.md.
BYTES_PER_SYMBOL = 140


def symbols_counted(config: Config, characters: int) -> int:
    """How many of the ``characters`` to train on are counted."""
    if not config.model.ngram_order:
        return 0
    minutes = config.train.minutes
    limit = LIMIT if minutes is None else min(LIMIT, max(1, int(PER_MINUTE * minutes)))
    return min(limit, characters)


def counting_memory(config: Config, characters: int) -> int:
    """Bytes that counting takes, roughly."""
    return BYTES_PER_SYMBOL * symbols_counted(config, characters)


def fit(config: Config, corpus: Corpus, start: Start | None = None) -> Mixture | None:
    """The n-grams of the training part; None if they are turned off.

    Args:
        start: the model that the run starts from: the n-grams are added to its own, unless they
            are of the same text.
    """
    model, vocab = config.model, corpus.vocab
    if not model.ngram_order:
        return None
    known, weight = None, USUAL_WEIGHT
    if start and start.mixture:
        ids = vocab.ids_of(start.vocab.points)
        known = start.mixture.ngram.counts.with_symbols(ids, len(vocab))
        weight = start.mixture.weight
    of_records = corpus.data.of_records
    counted_before = known and start and start.sha256 == corpus.sha256
    most = symbols_counted(config, len(corpus.train))
    text = corpus.train[:0] if counted_before else counted_part(corpus.train, most)
    counts = count(text, len(vocab), model.ngram_order, vocab.start, of_records, known)
    if model.ngram_weight is not None:
        weight = model.ngram_weight
    return Mixture.of(counts.pruned(MOST), weight, vocab.start, of_records)
