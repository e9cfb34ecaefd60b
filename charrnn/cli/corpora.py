"""Corpora that a command compares with: opened at once, read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from charrnn.cli.inputs import check_stdin, open_sources
from charrnn.cli.streams import say
from charrnn.config.schema import DataConfig
from charrnn.data.corpus import Corpus
from charrnn.data.source import BLOCK
from charrnn.data.vocab import codepoints, text_of
from charrnn.evaluation.reference import Reference
from charrnn.model import CharRNN
from charrnn.nn.params import Array

#: The files of one corpus, in order.
Files = tuple[str, ...]


class Corpora:
    """Corpora by the names of their files, each read once.

    Args:
        model: the one that texts are compared for.
        data: how to read them.
        wanted: the files of each; none for a corpus that is not wanted.
        others: files that the command reads as well.

    Raises:
        ConfigError: ``-`` is given twice. CorpusError: one cannot be opened.
    """

    def __init__(
        self, model: CharRNN, data: DataConfig, wanted: Sequence[Files], others: Sequence[str]
    ) -> None:
        self._model, self._data = model, data
        groups = dict.fromkeys(files for files in wanted if files)
        check_stdin([*others, *(path for files in groups for path in files)])
        self._sources = {files: open_sources(files, "the corpus") for files in groups}
        self._references: dict[Files, Reference] = {}

    def compared(self, files: Files) -> Reference:
        """A corpus to compare with; the user is told if it is not the model's own."""
        known = files in self._references
        reference = self._reference(files)
        if not known and not reference.is_own:
            name, own = reference.corpus.name, self._model.corpus
            why = f"{self._model.name} does not say which corpus it was trained on"
            if own:
                why = f"{name} is not the model's corpus ({own.name})"
            say(f"{why}, so all of {name} is used, with nothing held out")
        return reference

    def held_out(self, files: Files) -> tuple[str, Iterator[Array], int]:
        """What training held out of the model's corpus.

        Returns:
            Its name; blocks of code points, in which one character stands for each unknown word;
            how many characters are missing there for that reason.

        Raises:
            CheckpointError, CorpusError: as :attr:`Reference.held_out`.
        """
        reference = self._reference(files)
        ids, vocab = reference.held_out, self._model.vocab
        blocks = (vocab.points[ids[at : at + BLOCK]] for at in range(0, len(ids), BLOCK))
        if vocab.unit == "word":
            blocks = (codepoints(str(text_of("word", words))) for words in blocks)
        name = f"held-out part of {reference.corpus.name}"
        return name, blocks, reference.held_out_hidden

    def _reference(self, files: Files) -> Reference:
        if files not in self._references:
            corpus = Corpus(self._sources[files], self._data, self._model.vocab)
            self._references[files] = self._model.reference(corpus)
        return self._references[files]
