"""A corpus to compare with: its held-out part, baselines that learn from it, copies from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from charrnn.checkpoint import CorpusInfo
from charrnn.config.schema import DataConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import Text, Vocab, bytes_of, codepoints
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.evaluation.baselines import Baselines
from charrnn.evaluation.overlap import Overlap, overlaps
from charrnn.ngram import counted_part
from charrnn.nn.params import Array


def check_overlap(unit: str, name: str) -> None:
    """Raise ConfigError if copies cannot be looked for with the model called ``name``."""
    if unit == "word":
        raise ConfigError(
            f"{name}: copies are looked for character by character, but this is a model of words",
            "use a model of characters",
        )


class Reference:
    """A corpus to compare scores and texts with; :meth:`charrnn.CharRNN.reference` makes one.

    Of the model's own corpus, only the part that it was trained on is compared with, so that the
    held-out part is new text. Another corpus is used as a whole.

    Args:
        corpus: a text, or a corpus that was read with ``data``.
        data, vocab, name: the settings, symbols and name of the model.
        trained_on: the model's own corpus, if it is known.

    Attributes:
        corpus: the corpus. is_own: whether it is, byte for byte, what the model was trained on.

    Raises:
        CorpusError: if a text is empty or has only one distinct character.
        ConfigError: if a corpus was read with other settings.
    """

    def __init__(
        self,
        corpus: Text | Corpus,
        data: DataConfig,
        vocab: Vocab,
        trained_on: CorpusInfo | None,
        name: str,
    ) -> None:
        if not isinstance(corpus, Corpus):
            corpus = Corpus.of_text(corpus, data)
        elif replace(corpus.data, encoding=data.encoding) != data:
            raise ConfigError(
                f"{corpus.name}: was read with data settings that differ from the model's",
                "read it with those of the model's config",
            )
        self.corpus, self._vocab, self._trained_on, self._name = corpus, vocab, trained_on, name
        self.is_own = trained_on is not None and trained_on.sha256 == corpus.sha256
        self._ids = corpus.train if self.is_own else corpus.ids

    @property
    def held_out(self) -> Array:
        """The part that training held out: (characters,) ids of the model's vocabulary.

        Raises:
            CheckpointError: if the model does not say which corpus it was trained on.
            CorpusError: if this is another corpus, or none of it was held out.
        """
        corpus, trained_on = self.corpus, self._trained_on
        if trained_on is None:
            raise CheckpointError(
                f"{self._name}: does not say which corpus it was trained on, so the part that "
                "was held out is not known",
                "use the file that training wrote",
            )
        if not self.is_own:
            raise CorpusError(
                f"{corpus.name}: not the corpus that the model was trained on "
                f"({trained_on.name}, {trained_on.size:,} bytes)",
                "give that corpus",
            )
        if not len(corpus.validation):
            raise CorpusError(
                f"{corpus.name}: the model was trained on all of it, so nothing was held out",
                "score another text",
            )
        return self._model_ids(corpus.validation)

    @property
    def held_out_hidden(self) -> int:
        """How many characters its unknown words have beyond one each."""
        corpus = self.corpus
        unknown = corpus.validation == corpus.vocab.rare_id
        return int((corpus.validation_lengths[unknown].astype(np.int64) - 1).sum())

    @property
    def learned(self) -> Array:
        """What simpler models learn from: (characters,) ids of the model's vocabulary.

        Characters that the model does not know are skipped.
        """
        ids = self._model_ids(counted_part(self._ids))
        return ids[ids >= 0]

    def baselines(self) -> Baselines:
        """N-gram models, gzip and xz that have learned from the corpus."""
        return Baselines(self.learned, self._vocab)

    def overlap(self, text: Text) -> Overlap:
        """How much of a text, of any characters, is copied word for word from the corpus."""
        return self.overlaps([text])[0]

    def overlaps(self, texts: Sequence[Text]) -> list[Overlap]:
        """The overlap of each of several texts, in little more time than that of one.

        It takes some 200 bytes of memory for each of their characters.
        """
        vocab = self.corpus.vocab
        check_overlap(vocab.unit, self._name)
        points = [
            np.frombuffer(bytes_of(text), np.uint8)
            if vocab.unit == "byte" or isinstance(text, bytes)
            else codepoints(text)
            for text in texts
        ]
        return overlaps([vocab.ids_of(each) for each in points], self._ids)

    def _model_ids(self, ids: Array) -> Array:
        """Ids of the corpus's vocabulary as ids of the model's; -1 where it has none."""
        model, corpus = self._vocab, self.corpus.vocab
        return ids if model == corpus else model.ids_of(corpus.points)[ids]
