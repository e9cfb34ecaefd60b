"""Models and a text -> what is on their page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from charrnn._version import __version__
from charrnn.config.schema import Unknown
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import NOUNS, Text
from charrnn.errors import ConfigError
from charrnn.model import CharRNN
from charrnn.nn.activations import Activations
from charrnn.nn.params import Array
from charrnn.report.content import Content, Finding, Milestone, ScoredText, Trace, Units
from charrnn.report.facts import describe, short_name
from charrnn.report.live import base64_of, tables_of, weights_of
from charrnn.report.page import html
from charrnn.report.search import SHORTEST, search
from charrnn.report.texts import (
    SHOWN,
    Passage,
    compare_held_out,
    draw_samples,
    given_text,
    no_text,
    own_text,
    passage_of,
    scored,
)


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
            :data:`~charrnn.report.search.LONGEST` characters, or words, are used. By default the
            part that training held out of ``corpus``, or else a sample of each model.
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
        ConfigError: if some models are of words, and others are not.
    """
    _check_units(models)
    contents, weights, ngrams = [], [], []
    for model in models:
        bits, held_out = None, None
        if corpus is not None:
            bits, held_out = compare_held_out(model, corpus)
        if text is not None:
            passage = given_text(model, text, source, unknown)
        else:
            passage = held_out or own_text(model, seed)
        content = describe(model, bits)
        if play:
            tables, data = tables_of(model)
            content = replace(content, tables=tables)
            weights.append(weights_of(model))
            ngrams.append(data)
        found, units = _read(model, passage)
        contents.append(
            replace(content, samples=draw_samples(model, seed), seed=seed, text=found, units=units)
        )
    contents[0] = replace(contents[0], milestones=list(milestones))
    return html(Content(contents, weights, ngrams, __version__))


def text_page(model: CharRNN, ids: Array, source: str, skipped: int, longest: int) -> str:
    """A page of a text alone, coloured by surprisal, with what the model expected in its place.

    Args:
        ids: of the text, known ones only. source: its name. skipped: unknown characters in it.
        longest: characters that are shown, at most.

    Raises:
        CorpusError: there is no text.
    """
    if not len(ids):
        raise no_text(source, skipped)
    passage = passage_of(short_name(source), ids, skipped, model.vocab, longest, longest)
    text, _ = scored(model, passage, longest)
    content = replace(describe(model, None), history=[], text=text)
    return html(Content([content], [], [], __version__))


def progress_report(model: CharRNN, milestones: Sequence[Milestone], progress: float | None) -> str:
    """The page of a model that is still training: its curves, and what it wrote so far.

    Args:
        progress: share of the run that is done, 0 to 1, for a page that a browser reloads by
            itself; None for a run that was stopped.
    """
    content = replace(describe(model, None), milestones=list(milestones))
    return html(Content([content], [], [], __version__, progress))


def _check_units(models: Sequence[CharRNN]) -> None:
    nouns = dict.fromkeys(NOUNS[model.vocab.unit] for model in models)
    if "word" in nouns and len(nouns) > 1:
        raise ConfigError(
            f"models of {' and of '.join(f'{noun}s' for noun in nouns)} cannot be on one page, "
            f"because their figures are {' or '.join(f'per {noun}' for noun in nouns)}",
            "give models of one unit",
        )


def _read(model: CharRNN, passage: Passage) -> tuple[ScoredText, Units]:
    """A text with its surprisal, and the hidden units over it."""
    ids = passage.ids
    text, bits = scored(model, passage, SHOWN)
    states = model.hidden(ids)
    found, absent, searched = [], [], 0
    if len(ids) >= SHORTEST:
        points = model.vocab.points[ids].tolist()
        symbols = [one if isinstance(one, str) else chr(one) for one in points]
        result = search(symbols, bits, states)
        found, absent, searched = result.findings, result.absent, len(ids)
    units = Units(list(states.named()), searched, found, absent, _traces(states, found))
    return text, units


def _traces(states: Activations, findings: Sequence[Finding]) -> list[Trace]:
    traces = []
    for layer, unit in dict.fromkeys((one.layer, one.unit) for one in findings):
        values, scales = {}, {}
        for name, array in states.named().items():
            series = array[:SHOWN, layer, unit]
            scale = float(np.abs(series).max()) / 127.0 or 1.0
            values[name] = base64_of(np.rint(series / scale).astype(np.int8).tobytes())
            scales[name] = float(f"{scale:.6g}")
        traces.append(Trace(layer, unit, values, scales))
    return traces
