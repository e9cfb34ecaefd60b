"""Baselines: scores of models that need no training: n-grams, gzip and xz."""

from __future__ import annotations

import contextlib
import functools
import math
import zlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

from charrnn.data.vocab import Vocab, bytes_of
from charrnn.evaluation.score import Scorer
from charrnn.ngram import LIMIT, NGram, ngrams
from charrnn.nn.params import Array


class NGramScorer:
    """A :class:`~charrnn.evaluation.Scorer`: the score of an n-gram model."""

    def __init__(self, model: NGram) -> None:
        self._model, self._nats = model, 0.0
        self._before = np.zeros(0, np.int64)

    def read(self, ids: Array) -> None:
        text = np.concatenate([self._before, ids])
        p = self._model.probabilities(text)[len(self._before) :]
        self._nats -= float(np.sum(np.log(p)))
        self._before = text[max(0, len(text) - self._model.context) :]

    def total(self) -> float:
        return self._nats


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


#: Programs that anyone has: gzip -9 and xz -9 without their headers, which do not learn.
COMPRESSORS: dict[str, Callable[[], _Compressor]] = {
    "gzip": lambda: zlib.compressobj(9, wbits=-15),
}
with contextlib.suppress(ImportError):  # a Python may be built without liblzma
    import lzma

    _LZMA: list[dict[str, int]] = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
    COMPRESSORS["xz"] = lambda: lzma.LZMACompressor(lzma.FORMAT_RAW, filters=_LZMA)


class CompressorScorer:
    """A :class:`~charrnn.evaluation.Scorer`: what a compressor that has read a corpus needs.

    That is the compressed size of both, less that of the corpus: what the others that
    learned from the corpus are asked for. gzip looks back 32 KiB only, xz 64 MiB.

    Args:
        name: a key of :data:`COMPRESSORS`. corpus: as bytes. alone: its compressed size.
        encode: ids to bytes.
    """

    def __init__(
        self, name: str, corpus: bytes, alone: int, encode: Callable[[Array], bytes]
    ) -> None:
        self._compressor, self._encode = COMPRESSORS[name](), encode
        self._size = len(self._compressor.compress(corpus)) - alone

    def read(self, ids: Array) -> None:
        self._size += len(self._compressor.compress(self._encode(ids)))

    def total(self) -> float:
        return 8 * math.log(2) * (self._size + len(self._compressor.flush()))


def compressed_size(name: str, data: bytes) -> int:
    """Bytes that a compressor of :data:`COMPRESSORS` makes of ``data``."""
    compressor = COMPRESSORS[name]()
    return len(compressor.compress(data)) + len(compressor.flush())


def baselines(train: Array, vocab: Vocab) -> dict[str, Callable[[], Scorer]]:
    """What makes a scorer of a text, for each baseline, all of which learn from ``train``.

    Args:
        train: ids, (characters,), of ``vocab``. Compressors get its text, as UTF-8.

    Returns:
        ``unigram``, ``2-gram`` to ``6-gram``, ``gzip``, ``xz``; in this order.
    """
    made: dict[str, Callable[[], Scorer]] = {}
    for order, model in enumerate(ngrams(train, len(vocab)), 1):
        name = f"{order}-gram" if order > 1 else "unigram"
        made[name] = functools.partial(NGramScorer, model)

    def encode(ids: Array) -> bytes:
        return bytes_of(vocab.decode(ids))

    known = encode(train[-LIMIT:])
    for name in COMPRESSORS:
        alone = compressed_size(name, known)
        made[name] = functools.partial(CompressorScorer, name, known, alone, encode)
    return made
