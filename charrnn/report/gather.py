"""Models and a text -> what is on their page."""

from __future__ import annotations

import base64
import math
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn._version import __version__
from charrnn.config.schema import SampleConfig, Unknown
from charrnn.data.corpus import Corpus
from charrnn.data.records import with_marked_ends
from charrnn.data.vocab import NOUNS, RARE, Text, Vocab
from charrnn.errors import CorpusError
from charrnn.evaluation.baselines import NGramScorer
from charrnn.evaluation.score import Evaluation, score
from charrnn.evaluation.text import CharScores
from charrnn.messages import escape_char, pluralize, printable, readable
from charrnn.model import CharRNN
from charrnn.ngram import LIMIT, ngrams
from charrnn.nn.activations import Activations
from charrnn.nn.params import Array
from charrnn.report.content import (
    Content,
    Finding,
    Milestone,
    ModelContent,
    Point,
    SampleText,
    ScoredText,
    Trace,
    Units,
)
from charrnn.report.page import html
from charrnn.report.search import LONGEST, SHORTEST, search

#: Characters of the text that are shown.
SHOWN = 1_500
#: Likeliest symbols that are listed at each place.
LIKELIEST = 5
#: Temperatures of the samples, and how long they are. Records are shorter, but there are several.
TEMPERATURES, SAMPLE_LENGTH, RECORDS, RECORD_LENGTH = (0.5, 0.8, 1.2), 400, 10, 80
#: Characters that a model writes to be coloured, if no text is given.
OWN_TEXT = 2_000
#: The largest number of float16.
LARGEST = 65_504.0
_CELLS = {"rnn": "a simple RNN", "lstm": "an LSTM", "gru": "a GRU"}
_SHORT_NAMES = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5"}


@dataclass(frozen=True)
class Passage:
    """A text, as ids of a model.

    Attributes:
        source: where it comes from. note: what was left out. ids: (T,), T at least 1.
    """

    source: str
    note: str
    ids: Array


def report(
    models: Sequence[CharRNN],
    text: Text | None = None,
    *,
    corpus: Text | Corpus | None = None,
    source: str = "the text",
    unknown: Unknown = "error",
    seed: int = 0,
    play: bool = True,
    milestones: Sequence[Milestone] = (),
) -> str:
    """A page that shows what models learned, as HTML in one file.

    Models loaded with ``training=True`` show how their training went.

    Args:
        models: one or more.
        text: to colour, and to watch the hidden units with; its first
            :data:`~charrnn.report.search.LONGEST` characters are used. By default the part that
            training held out of ``corpus``, or else a sample of each model.
        corpus: that all the models were trained on, to compare them with a 6-gram model.
        source: the name of ``text``.
        unknown: ``error``, or ``skip`` to leave out characters that a model does not know.
        seed: of the samples.
        play: whether the models themselves are put on the page, to be played with.
        milestones: what the first model wrote during its training.

    Raises:
        VocabError: if the text has unknown characters that are not to be skipped.
        CorpusError: if the text is empty, or the corpus is not that of a model.
        CheckpointError: if a model does not say which corpus it was trained on.
    """
    contents = []
    for model in models:
        bits, held_out = None, None
        if corpus is not None:
            bits, held_out = _compare(model, corpus)
        if text is not None:
            passage = _given(model, text, source, unknown)
        else:
            passage = held_out or _own(model, seed)
        content = _describe(model, bits)
        found, units = _read(model, passage)
        contents.append(
            replace(content, samples=_samples(model, seed), seed=seed, text=found, units=units)
        )
    contents[0] = replace(contents[0], milestones=list(milestones))
    weights = [_weights(model) for model in models] if play else []
    return html(Content(contents, weights, __version__))


def text_page(model: CharRNN, ids: Array, source: str, skipped: int, longest: int) -> str:
    """A page of a text alone, coloured by surprisal, with what the model expected in its place.

    Args:
        ids: of the text, known ones only. source: its name. skipped: unknown characters in it.
        longest: characters that are shown, at most.

    Raises:
        CorpusError: there is no text.
    """
    if not len(ids):
        raise _no_text(source, skipped)
    passage = _passage(_short_name(source), ids, skipped, model.vocab, longest, longest)
    text, _ = _score(model, passage, longest)
    content = replace(_describe(model, None), history=[], text=text)
    return html(Content([content], [], __version__))


def _no_text(source: str, skipped: int) -> CorpusError:
    why = "all of its characters are unknown to the model" if skipped else "the text is empty"
    return CorpusError(f"{source}: there is no text to show", why)


def progress_report(model: CharRNN, milestones: Sequence[Milestone], progress: float | None) -> str:
    """The page of a model that is still training: its curves, and what it wrote so far.

    Args:
        progress: share of the run that is done, 0 to 1, for a page that a browser reloads by
            itself; None for a run that was stopped.
    """
    content = replace(_describe(model, None), milestones=list(milestones))
    return html(Content([content], [], __version__, progress))


def _describe(model: CharRNN, ngram: float | None) -> ModelContent:
    """What is known of a model without running it."""
    arch, vocab, run = model.network.arch, model.vocab, model.run
    history = [
        Point(
            point.step,
            point.characters,
            None if point.loss is None else _bits(point.loss),
            _bits(point.nats_per_char),
        )
        for point in (run.history if run else ())
    ]
    best = min((point.validation for point in history), default=None)
    return ModelContent(
        name=_short_name(model.name),
        summary=_summary(model, best, ngram),
        cell=arch.cell,
        hidden_size=arch.hidden_size,
        num_layers=arch.num_layers,
        records=model.of_records,
        start=vocab.start,
        rare=int(vocab.ids_of(np.array([RARE]))[0]) if vocab.rare else None,
        unit=vocab.unit,
        points=vocab.points.tolist(),
        labels=_labels(vocab),
        shapes=list(model.network.params.shapes.items()),
        uniform=round(math.log2(len(vocab)), 4),
        ngram=ngram,
        validation=best,
        history=history,
        seed=0,
        samples=[],
        milestones=[],
        text=None,
        units=None,
    )


def _summary(model: CharRNN, best: float | None, ngram: float | None) -> str:
    arch, vocab, run, noun = model.network.arch, model.vocab, model.run, NOUNS[model.vocab.unit]
    layers = f"{pluralize(arch.num_layers, 'layer')} of {pluralize(arch.hidden_size, 'unit')}"
    size = pluralize(model.network.params.flat.size, "parameter")
    text = f"This is {_CELLS[arch.cell]} with {layers} and {size}. It reads and writes text one "
    text += f"{noun} at a time and knows {len(vocab):,} different {noun}s."
    if model.corpus:
        length = pluralize(model.corpus.characters, noun)
        text += f" It was trained on {_short_name(model.corpus.name)} ({length})"
        if run:
            text += f" for {pluralize(run.step, 'step')}"
            text += f", {pluralize(run.epoch, 'epoch')} in all" if run.epoch > 1 else ""
        text += "."
    if best is not None:
        text += f" At its best it needed {best:.2f} bits per {noun} for text that it had not seen; "
        text += f"a uniform guess needs {math.log2(len(vocab)):.2f}"
        text += "." if ngram is None else f", a 6-gram model {ngram:.2f}."
    return text


def _labels(vocab: Vocab) -> list[str]:
    """How each symbol is shown: visible, and without any effect on what is around it."""
    labels = []
    for point in vocab.points.tolist():
        char = chr(point)
        if vocab.unit == "byte" and point > 0x7E:
            labels.append(f"\\x{point:02x}")
        elif char == vocab.end and char not in _SHORT_NAMES:
            labels.append("\N{PILCROW SIGN}")
        elif char in _SHORT_NAMES:
            labels.append(_SHORT_NAMES[char])
        elif unicodedata.combining(char):
            labels.append(f"\N{DOTTED CIRCLE}{char}")
        else:
            labels.append(escape_char(char))
    return labels


def _compare(model: CharRNN, corpus: Text | Corpus) -> tuple[float, Passage]:
    """The score of a 6-gram model on what training held out of a corpus, and that text."""
    reference = model.reference(corpus)
    held_out, learned = reference.held_out, reference.corpus.train[-LIMIT:]
    if reference.corpus.vocab != model.vocab:
        learned = model.vocab.ids_of(reference.corpus.vocab.points)[learned]
    scorer = NGramScorer(ngrams(learned[learned >= 0], len(model.vocab))[-1])
    (evaluation,) = score([held_out], [scorer])
    # From the start of a line, because the split may be in the middle of a word.
    newlines = held_out[: min(SHOWN, len(held_out)) // 2] == model.vocab.start
    starts = np.flatnonzero(newlines[:-1] & ~newlines[1:]) + 1
    ids = held_out[int(starts[0]) if len(starts) else 0 :]
    name = f"the part of {_short_name(reference.corpus.name)} that was held out of training"
    return round(evaluation.bits_per_char, 4), _passage(name, ids, 0, model.vocab)


def _given(model: CharRNN, text: Text, source: str, unknown: Unknown) -> Passage:
    part = text[: LONGEST + 1]
    if model.of_records:
        part = with_marked_ends(part, model.config.data.records)
    ids = model.vocab.encode(part, unknown)
    whole = (
        len(part.encode()) if model.vocab.unit == "byte" and isinstance(part, str) else len(part)
    )
    if not len(ids):
        raise _no_text(source, whole)
    return _passage(_short_name(source), ids, whole - len(ids), model.vocab)


def _own(model: CharRNN, seed: int) -> Passage:
    """A text by the model itself."""
    settings = _sampling(model, 0.8, seed)
    length = RECORD_LENGTH if model.of_records else OWN_TEXT
    count = OWN_TEXT // 10 if model.of_records else 1
    samples = model.samples(replace(settings, length=length, count=count))
    separator = model.vocab.end if model.of_records else ""
    ids = [model.vocab.encode(_joined(one.text, separator)) for one in samples]
    return _passage("a sample that the model wrote", np.concatenate(ids), 0, model.vocab)


def _joined(text: Text, separator: str) -> Text:
    return text + separator if isinstance(text, str) else text + separator.encode()


def _passage(
    source: str,
    ids: Array,
    skipped: int,
    vocab: Vocab,
    longest: int = LONGEST,
    shown: int = SHOWN,
) -> Passage:
    noun = NOUNS[vocab.unit]
    notes = []
    if skipped:
        notes.append(f"Left out: {pluralize(skipped, noun)} that the model does not know.")
    if len(ids) > longest:
        ids = ids[:longest]
        notes.append(f"Only the first {longest:,} {noun}s are used.")
    if len(ids) > shown:
        notes.append(f"The first {shown:,} {noun}s are shown.")
    return Passage(source, " ".join(notes), ids)


def _score(model: CharRNN, passage: Passage, shown: int) -> tuple[ScoredText, Array]:
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


def _read(model: CharRNN, passage: Passage) -> tuple[ScoredText, Units]:
    """A text with its surprisal, and the hidden units over it."""
    ids = passage.ids
    text, bits = _score(model, passage, SHOWN)
    states = model.hidden(ids)
    found, absent, searched = [], [], 0
    if len(ids) >= SHORTEST:
        result = search(_as_characters(model.vocab, ids), bits, states)
        found, absent, searched = result.findings, result.absent, len(ids)
    units = Units(list(states.named()), searched, found, absent, _traces(states, found))
    return text, units


def _as_characters(vocab: Vocab, ids: Array) -> str:
    """A text as one character for each id, bytes as those of Latin-1."""
    return "".join(map(chr, vocab.points[ids].tolist()))


def _traces(states: Activations, findings: Sequence[Finding]) -> list[Trace]:
    traces = []
    for layer, unit in dict.fromkeys((one.layer, one.unit) for one in findings):
        values, scales = {}, {}
        for name, array in states.named().items():
            series = array[:SHOWN, layer, unit]
            scale = float(np.abs(series).max()) / 127.0 or 1.0
            values[name] = _base64(np.rint(series / scale).astype(np.int8))
            scales[name] = float(f"{scale:.6g}")
        traces.append(Trace(layer, unit, values, scales))
    return traces


def _samples(model: CharRNN, seed: int) -> list[SampleText]:
    samples = []
    for temperature in TEMPERATURES:
        settings = _sampling(model, temperature, seed)
        if model.of_records:
            settings = replace(settings, length=RECORD_LENGTH, count=RECORDS)
        drawn = model.samples(settings)
        gap = "\n" if model.vocab.end == "\n" else "\n\n"
        text = gap.join(readable(settings.prime) + readable(one.text) for one in drawn)
        count = sum(len(one.text) + (one.ended == "stop") for one in drawn)
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
        length=SAMPLE_LENGTH,
        count=1,
        seed=seed,
    )


def _weights(model: CharRNN) -> str:
    flat = np.clip(model.network.params.flat, -LARGEST, LARGEST)
    return _base64(flat.astype("<f2"))


def _short_name(path: str) -> str:
    """A file without its folder, as the page shows it."""
    return printable(os.path.basename(path) or path)


def _bits(nats: float) -> float:
    return round(nats / math.log(2.0), 4)


def _rounded(values: Array, digits: int) -> list[Any]:
    rounded: list[Any] = np.round(values.astype(np.float64), digits).tolist()
    return rounded


def _base64(values: Array) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
