"""What a run is given: its text, and what it starts from."""

from __future__ import annotations

from dataclasses import dataclass

from charrnn.checkpoint import Origin, Training
from charrnn.config.schema import Config
from charrnn.data.corpus import Corpus
from charrnn.data.records import RecordSet, find_symbol
from charrnn.data.vocab import Vocab
from charrnn.errors import ConfigError
from charrnn.messages import quoted
from charrnn.mixing import Mixture
from charrnn.nn.params import Params

#: Lines of a text that a model knows, at 8 bytes each, at most.
MAX_LINES = 1 << 20


@dataclass(frozen=True)
class Start:
    """What a run starts from, in place of random parameters.

    Attributes:
        vocab: the symbols that ``params`` are for.
        params: those of a model, or the best so far of a run to resume.
        origin: the model that the run started, or starts, from.
        known_records, known_words: those that the model, or the run so far, was trained on.
        training: the run to resume, if it is one.
        mixture: the n-gram model of the model or run; None if it has none.
        sha256: of the text that the model was trained on, if that is known.
    """

    vocab: Vocab
    params: Params
    origin: Origin | None
    known_records: RecordSet | None
    known_words: tuple[str, ...] | None = None
    training: Training | None = None
    mixture: Mixture | None = None
    sha256: str | None = None


def corpus_of(text: object, config: object, start: Start | None) -> Corpus:
    """The corpus to train on, read as ``config`` says."""
    if not isinstance(config, Config):
        raise TypeError(f"config must be a charrnn.Config, not {quoted(config)}")
    if not isinstance(text, (str, bytes, Corpus)):
        raise TypeError(f"the text must be str, bytes or a charrnn.Corpus, not {quoted(text)}")
    if isinstance(text, bytes) and config.data.unit != "byte":
        raise ConfigError(
            f"data.unit is {config.data.unit}, but the text is bytes",
            "decode it, or use {setting}",
            "data.unit=byte",
        )
    if not isinstance(text, Corpus):
        return Corpus.of_text(text, config.data, known=start.vocab if start else None)
    for key in ("unit", "vocab_size", "records", "min_count", "val_fraction", "val_split"):
        read, wanted = getattr(text.data, key), getattr(config.data, key)
        if read != wanted:
            raise ConfigError(
                f"data.{key} is {wanted}, but the corpus was made with {read}",
                "make it with the run's data settings",
            )
    return text


def known_records(corpus: Corpus, before: RecordSet | None) -> RecordSet | None:
    """The records of a corpus, or its lines if it is one text, and those known ``before``.

    None if they are more than :data:`MAX_LINES` lines of a text.
    """
    if not corpus.data.of_records and (
        corpus.vocab.newline is None or len(find_symbol(corpus.ids, corpus.vocab.start)) > MAX_LINES
    ):
        return None
    records = RecordSet.of_ids(corpus.ids, corpus.vocab)
    return records if before is None else records.union(before)
