"""Baselines to compare a network with: n-gram models, gzip and xz, which need little time."""

from __future__ import annotations

import contextlib
import functools
import math
import zlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

from charrnn.data.vocab import Text, Vocab, bytes_of
from charrnn.evaluation.score import Evaluation, Scorer, score
from charrnn.ngram import NGram, counted_part, ngrams
from charrnn.nn.params import Array


class NGramScorer:
    """A :class:`~charrnn.evaluation.score.Scorer`: the score by an n-gram model.

    Args:
        unknown_id: the symbol that stands for unknown ones.
    """

    def __init__(self, model: NGram, unknown_id: int | None = None) -> None:
        self._model, self._nats = model, 0.0
        self._context = model.context()
        self._unknown_id, self.unknown_nats = unknown_id, 0.0

    def read(self, ids: Array) -> None:
        p, self._context = self._model.read(ids, self._context)
        self._nats -= float(np.sum(np.log(p)))
        if self._unknown_id is not None:
            self.unknown_nats -= float(np.sum(np.log(p[ids == self._unknown_id])))

    def total(self) -> float:
        return self._nats


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


#: gzip -9 and xz -9, without their headers, which contain nothing of the text.
COMPRESSORS: dict[str, Callable[[], _Compressor]] = {
    "gzip": lambda: zlib.compressobj(9, wbits=-15),
}
with contextlib.suppress(ImportError):  # a Python may be built without liblzma
    import lzma

    _LZMA: list[dict[str, int]] = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
    COMPRESSORS["xz"] = lambda: lzma.LZMACompressor(lzma.FORMAT_RAW, filters=_LZMA)


class CompressorScorer:
    """A :class:`~charrnn.evaluation.score.Scorer`: the size that a text adds to a corpus.

    It is the compressed size of the corpus followed by the text, minus that of the corpus,
    because the other scorers have learned from the corpus as well. gzip looks back 32 KiB, xz
    64 MiB.

    Args:
        name: a key of :data:`COMPRESSORS`. corpus: as bytes. corpus_size: its compressed size.
        encode: turns ids into bytes.
    """

    unknown_nats = math.nan

    def __init__(
        self, name: str, corpus: bytes, corpus_size: int, encode: Callable[[Array], bytes]
    ) -> None:
        self._compressor, self._encode = COMPRESSORS[name](), encode
        self._size = len(self._compressor.compress(corpus)) - corpus_size

    def read(self, ids: Array) -> None:
        self._size += len(self._compressor.compress(self._encode(ids)))

    def total(self) -> float:
        return 8 * math.log(2) * (self._size + len(self._compressor.flush()))


def compressed_size(name: str, data: bytes) -> int:
    """Bytes of ``data`` after compression; ``name`` is a key of :data:`COMPRESSORS`."""
    compressor = COMPRESSORS[name]()
    return len(compressor.compress(data)) + len(compressor.flush())


class Baselines:
    """Models of a text to compare a network with: n-grams of several orders, gzip and xz.

    Of a text longer than :data:`~charrnn.ngram.LIMIT` symbols, they learn from that many, in pieces
    evenly spread over it. A vocabulary that reads unknown symbols as one has lost their text, so
    there it is n-grams alone.

    Args:
        train: (characters,) of any integer dtype, ids of ``vocab``, to learn from.
        vocab: its alphabet. Compressors get the text as UTF-8.

    Attributes:
        names: ``unigram``, ``2-gram`` to ``6-gram``, ``gzip`` and ``xz``, in this order; no
            ``xz`` where Python was built without it.
    """

    def __init__(self, train: Array, vocab: Vocab) -> None:
        self._vocab = vocab
        self._new: dict[str, Callable[[], Scorer]] = {}
        learned = counted_part(train)
        for order, model in enumerate(ngrams(learned, len(vocab)), 1):
            name = f"{order}-gram" if order > 1 else "unigram"
            unknown_id = vocab.rare_id if vocab.reads_unknown else None
            self._new[name] = functools.partial(NGramScorer, model, unknown_id)
        corpus = self._encode(learned)
        for name in () if vocab.reads_unknown else COMPRESSORS:
            size = compressed_size(name, corpus)
            self._new[name] = functools.partial(CompressorScorer, name, corpus, size, self._encode)
        self.names = tuple(self._new)

    def scorers(self) -> dict[str, Scorer]:
        """A scorer of one text for each baseline, by name."""
        return {name: new() for name, new in self._new.items()}

    def evaluate(self, text: Text | Array, unknown: str = "error") -> dict[str, Evaluation]:
        """The score of a text, or of its ids, by each baseline.

        Raises:
            VocabError: if it has unknown characters, unless ``unknown`` is ``skip``.
        """
        ids = text if isinstance(text, np.ndarray) else self._vocab.encode(text, unknown)
        return dict(zip(self.names, score([ids], list(self.scorers().values())), strict=True))

    def _encode(self, ids: Array) -> bytes:
        return bytes_of(self._vocab.decode(ids))
