"""The texts of a page: one to look into, with its surprisal, and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.config.schema import SampleConfig, Unknown
from charrnn.data.corpus import Corpus
from charrnn.data.records import with_marked_ends
from charrnn.data.vocab import NOUNS, Text, Vocab
from charrnn.errors import CorpusError
from charrnn.evaluation.baselines import NGramScorer
from charrnn.evaluation.score import Evaluation, score
from charrnn.evaluation.text import CharScores
from charrnn.messages import pluralize, readable
from charrnn.model import CharRNN
from charrnn.ngram import ngrams
from charrnn.nn.params import Array
from charrnn.report.content import SampleText, ScoredText
from charrnn.report.facts import short_name
from charrnn.report.search import LONGEST

#: Characters of the text that are shown.
SHOWN = 1_500
#: Likeliest symbols that are listed at each place.
LIKELIEST = 5
#: Temperatures of the samples, and how long they are. Records are shorter, but there are several.
TEMPERATURES, SAMPLE_LENGTH, RECORDS, RECORD_LENGTH = (0.5, 0.8, 1.2), 400, 10, 80
#: Characters, or words, that a model writes to be coloured, if no text is given: as many words take
#: about as much room, and are enough for the search for units.
OWN_TEXT, OWN_WORDS = 2_000, 650
#: Characters of a given text that are read for each word that is used, enough for most texts; and
#: those that a word of a sample counts as.
READ_PER_WORD, SAMPLED_PER_WORD = 8, 4


@dataclass(frozen=True)
class Passage:
    """A text, as ids of a model.

    Attributes:
        source: where it comes from. note: what was left out. ids: (T,), T at least 1.
    """

    source: str
    note: str
    ids: Array


def given_text(model: CharRNN, text: Text, source: str, unknown: Unknown) -> Passage:
    """The beginning of a text that was given. Errors as :func:`charrnn.report.report`."""
    length = longest_text([model])
    part = text[:length]
    if model.of_records:
        part = with_marked_ends(part, model.config.data.records)
    ids = model.vocab.encode(part, unknown)
    skipped = len(model.vocab.encode(part, "score")) - len(ids)
    if not len(ids):
        raise no_text(source, skipped)
    return passage_of(short_name(source), ids, skipped, model.vocab, cut=len(text) > length)


def longest_text(models: Sequence[CharRNN]) -> int:
    """Characters of a text that are read, at most."""
    return LONGEST * max(READ_PER_WORD if model.vocab.unit == "word" else 1 for model in models)


def own_text(model: CharRNN, seed: int) -> Passage:
    """A text by the model itself."""
    settings = _sampling(model, 0.8, seed)
    length, count = OWN_WORDS if model.vocab.unit == "word" else OWN_TEXT, 1
    if model.of_records:
        length, count = RECORD_LENGTH, length // 10
    samples = model.samples(replace(settings, length=length, count=count))
    separator = model.vocab.end if model.of_records else ""
    # Two words that the model wrote next to each other may be one that it does not know.
    ids = [model.vocab.encode(_joined(one.text, separator), "skip") for one in samples]
    return passage_of("a sample that the model wrote", np.concatenate(ids), 0, model.vocab)


def compare_held_out(model: CharRNN, corpus: Text | Corpus) -> tuple[float, Passage]:
    """The score of a 6-gram model on what training held out of a corpus, and that text.

    Raises:
        CorpusError, CheckpointError: as :attr:`charrnn.Reference.held_out`.
    """
    reference = model.reference(corpus)
    held_out = reference.held_out
    held_out = held_out[held_out >= 0]
    scorer = NGramScorer(ngrams(reference.learned, len(model.vocab))[-1])
    (evaluation,) = score([held_out], [scorer])
    # From the start of a line, because the split may be in the middle of a word.
    newlines = held_out[: min(SHOWN, len(held_out)) // 2] == model.vocab.start
    starts = np.flatnonzero(newlines[:-1] & ~newlines[1:]) + 1
    ids = held_out[int(starts[0]) if len(starts) else 0 :]
    name = f"the part of {short_name(reference.corpus.name)} that was held out of training"
    return round(evaluation.bits_per_char, 4), passage_of(name, ids, 0, model.vocab)


def _joined(text: Text, separator: str) -> Text:
    return text + separator if isinstance(text, str) else text + separator.encode()


def passage_of(
    source: str,
    ids: Array,
    skipped: int,
    vocab: Vocab,
    longest: int = LONGEST,
    shown: int = SHOWN,
    cut: bool = False,
) -> Passage:
    """The beginning of a text, with a note that says what is left out.

    Args:
        skipped: unknown characters that were. longest: symbols that are used, at most, and
        shown: that are shown. cut: whether ``ids`` are only the beginning of the text.
    """
    noun = NOUNS[vocab.unit]
    notes = []
    if skipped:
        notes.append(f"Left out: {pluralize(skipped, noun)} that the model does not know.")
    if cut or len(ids) > longest:
        ids = ids[:longest]
        notes.append(f"Only the first {pluralize(len(ids), noun)} are used.")
    if len(ids) > shown:
        notes.append(f"The first {shown:,} {noun}s are shown.")
    return Passage(source, " ".join(notes), ids)


def no_text(source: str, skipped: int) -> CorpusError:
    """The error for a text without known characters."""
    why = "all of its characters are unknown to the model" if skipped else "the text is empty"
    return CorpusError(f"{source}: there is no text to show", why)


def scored(model: CharRNN, passage: Passage, shown: int) -> tuple[ScoredText, Array]:
    """A text with its surprisal, of which the beginning is shown; and all of its bits."""
    ids, vocab = passage.ids, model.vocab
    # In a model of records each one is scored by itself.
    ends: Array = np.flatnonzero((ids == vocab.start) & model.of_records) + 1
    parts: list[CharScores] = []
    for piece in np.split(ids, ends):
        parts += model.char_scores([piece], k=LIKELIEST)
    bits = np.concatenate([part.bits for part in parts])
    likeliest = np.concatenate([part.likeliest for part in parts])
    probs = np.concatenate([part.probs for part in parts])
    text = ScoredText(
        source=passage.source,
        note=passage.note,
        ids=ids[:shown].tolist(),
        bits=_rounded(bits[:shown], 2),
        likeliest=likeliest[:shown].tolist(),
        probs=_rounded(probs[:shown], 4),
        bits_per_char=round(float(bits.mean(dtype=np.float64)), 4),
        characters=len(ids),
    )
    return text, bits


def draw_samples(model: CharRNN, seed: int) -> list[SampleText]:
    """A sample at each of :data:`TEMPERATURES`; several records of a model of records."""
    samples = []
    for temperature in TEMPERATURES:
        settings = _sampling(model, temperature, seed)
        if model.of_records:
            settings = replace(settings, length=RECORD_LENGTH, count=RECORDS)
        drawn = model.samples(settings)
        gap = "\n" if model.vocab.end == "\n" else "\n\n"
        text = gap.join(readable(settings.prime) + readable(one.text) for one in drawn)
        lengths = (len(model.vocab.encode(one.text, "score")) for one in drawn)
        count = sum(lengths) + sum(one.ended == "stop" for one in drawn)
        total = Evaluation(sum(one.nats for one in drawn), count)
        samples.append(SampleText(temperature, text, round(total.bits_per_char, 4)))
    return samples


def _sampling(model: CharRNN, temperature: float, seed: int) -> SampleConfig:
    """The model's own settings but for those that the page says."""
    return replace(
        model.config.sample,
        temperature=temperature,
        top_k=0,
        top_p=1.0,
        min_p=0.0,
        stop=(),
        length=SAMPLE_LENGTH // (SAMPLED_PER_WORD if model.vocab.unit == "word" else 1),
        count=1,
        seed=seed,
    )


def _rounded(values: Array, digits: int) -> list[Any]:
    rounded: list[Any] = np.round(values.astype(np.float64), digits).tolist()
    return rounded
