"""What a model was trained on, given again: the part it learned from, the part held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from charrnn.checkpoint import Checkpoint
from charrnn.cli.inputs import check_stdin, open_sources
from charrnn.cli.streams import say
from charrnn.config.schema import DataConfig
from charrnn.data.corpus import Corpus
from charrnn.data.source import BLOCK
from charrnn.errors import CheckpointError, CorpusError
from charrnn.messages import path_name
from charrnn.nn.params import Array

#: The files of one corpus, in their order.
Files = tuple[str, ...]


class Corpora:
    """Corpora by the names of their files: opened at once, read when they are asked for, once.

    Args:
        model: the path of the model that they are for. checkpoint: what it holds.
        data: how to read them.
        wanted: may have an empty one, and one twice. others: files that are read as well.

    Raises:
        ConfigError: ``-`` is given twice. CorpusError: one cannot be opened.
    """

    def __init__(
        self,
        model: str,
        checkpoint: Checkpoint,
        data: DataConfig,
        wanted: Sequence[Files],
        others: Sequence[str] = (),
    ) -> None:
        self._model, self._trained_on, self._data = path_name(model), checkpoint.corpus, data
        groups = dict.fromkeys(files for files in wanted if files)
        check_stdin([*others, *(path for files in groups for path in files)])
        self._sources = {files: open_sources(files, "the corpus") for files in groups}
        self._corpora: dict[Files, Corpus] = {}
        self._learned: dict[Files, Array] = {}

    def read(self, files: Files) -> Corpus:
        """All of a corpus."""
        if files not in self._corpora:
            self._corpora[files] = Corpus(self._sources[files], self._data)
        return self._corpora[files]

    def learned(self, files: Files) -> Array:
        """The ids that the model learned from; all of a corpus that is not its own."""
        if files not in self._learned:
            corpus = self.read(files)
            own = self._own(corpus)
            if not own:
                why = f"{self._model} does not say what its corpus was"
                if self._trained_on:
                    why = f"{corpus.name} is not the model's corpus ({self._trained_on['name']})"
                say(f"{why}, so all of {corpus.name} is used and nothing held out")
            self._learned[files] = corpus.train if own else corpus.ids
        return self._learned[files]

    def held_out(self, files: Files) -> Iterator[Array]:
        """Blocks of the code points, or bytes, that were held out when the model was trained.

        Raises:
            CheckpointError: the model does not say what its corpus was. CorpusError: this
                is not it, or nothing of it was held out.
        """
        corpus = self.read(files)
        if not self._trained_on:
            raise CheckpointError(
                f"{self._model}: does not say what its corpus was, so what it held out is not "
                "known; give the file that charrnn train wrote"
            )
        if not self._own(corpus):
            raise CorpusError(
                f"{corpus.name}: not the corpus that the model was trained on "
                f"({self._trained_on['name']}, {self._trained_on['size']:,} bytes); "
                "give that to score its held-out part"
            )
        if not len(corpus.validation):
            raise CorpusError(
                f"{corpus.name}: the model was trained on all of it, nothing held out"
            )
        ids, points = corpus.validation, corpus.vocab.points
        return (points[ids[at : at + BLOCK]] for at in range(0, len(ids), BLOCK))

    def _own(self, corpus: Corpus) -> bool:
        return bool(self._trained_on) and self._trained_on["sha256"] == corpus.sha256
