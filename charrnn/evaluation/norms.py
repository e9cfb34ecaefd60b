"""Statistics of a corpus as a network scores it: see :mod:`charrnn.norms`."""

from __future__ import annotations

import numpy as np

from charrnn.data.corpus import Corpus
from charrnn.data.records import record_spans
from charrnn.evaluation.records import RecordScorer
from charrnn.mixing import Mixture
from charrnn.nn.network import Network
from charrnn.norms import Norms

#: The most held-out lines, and symbols of them, that are scored.
LINES, SYMBOLS = 2**13, 2**19


def measure(
    network: Network, corpus: Corpus, symbols: int = SYMBOLS, mixture: Mixture | None = None
) -> Norms:
    """Measure how rare unknown characters are, and the scores of held-out lines.

    Each line is scored by itself. Of many, some are taken at regular intervals; of a text without
    newlines, which is one line, its beginning.

    Args:
        symbols: see :data:`SYMBOLS`. mixture: what the network is mixed with, if anything.
    """
    vocab, of_records = corpus.vocab, corpus.data.of_records
    newline = -1 if vocab.newline is None else vocab.newline
    ids, end = corpus.validation, vocab.start if of_records else newline
    starts, lengths = record_spans(ids, end)
    every = max(1, -(-len(starts) // LINES), -(-len(ids) // symbols))
    lengths = np.minimum(lengths, symbols)
    spans = list(zip(starts[::every].tolist(), lengths[::every].tolist(), strict=True))
    scorer = RecordScorer(network, vocab.start, end if of_records else None, mixture=mixture)
    nats = list(scorer.surprisals(ids[start : start + length] for start, length in spans))
    counts = corpus.train_counts
    rare = 0 if vocab.rare_id is None else int(counts[vocab.rare_id])
    if vocab.unit != "word":
        return Norms.of(counts, nats, rare)
    parts = [slice(s, s + len(each)) for (s, _), each in zip(spans, nats, strict=True)]
    unknown = [ids[part] == vocab.rare_id for part in parts]
    known = [each[: len(u)][~u] for each, u in zip(nats, unknown, strict=True)]
    for each, u in zip(nats, unknown, strict=True):
        each[: len(u)][u] += vocab.spelling
    characters = [int(corpus.validation_lengths[part].sum()) for part in parts]
    return Norms.of(counts, nats, rare, characters, known)
