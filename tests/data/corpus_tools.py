"""Corpora of byte strings."""

import io

from charrnn.config.schema import DataConfig
from charrnn.data.corpus import Corpus
from charrnn.data.source import BLOCK, Source


def corpus_of(*parts, data=None, known=None, block_size=BLOCK):
    """A corpus of byte strings, each a source of its own: part0, part1, ..."""
    sources = [
        Source(f"part{i}", io.BytesIO(part), block_size=block_size) for i, part in enumerate(parts)
    ]
    return Corpus(sources, data or DataConfig(), known)


def text_of(corpus):
    return corpus.vocab.decode(corpus.ids)
