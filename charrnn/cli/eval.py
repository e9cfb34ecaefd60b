"""``charrnn eval``: how well a model foretells texts, in bounded memory."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from charrnn.cli.inputs import Reader, open_sources
from charrnn.cli.model import load_model
from charrnn.cli.output import Output, color_wanted, finite
from charrnn.cli.scoring import line_groups, print_chars, print_heat, print_lines
from charrnn.cli.settings import combine
from charrnn.cli.streams import say
from charrnn.configfile import Settings
from charrnn.errors import ConfigError, CorpusError
from charrnn.evaluation import Evaluation, surprisals
from charrnn.model import CharRNN
from charrnn.scoring import score_lines


@dataclass(frozen=True)
class Request:
    """What was asked for; the fields are the command's options."""

    files: tuple[str, ...]
    model: str
    config: str | None
    flags: Settings
    as_json: bool
    line_buffered: bool
    no_color: bool
    mode: str | None = None  # lines, chars or heat


@dataclass(frozen=True)
class Score:
    """A text's score. ``skipped``: characters that the model does not know, left out."""

    name: str
    evaluation: Evaluation
    skipped: int


def evaluate(request: Request) -> None:
    """Score the files and print the figures.

    Raises:
        CharRNNError: the model or a text is not usable, or a character not known.
    """
    model = load_model(request.model)
    config = combine(request.flags, request.config, base=model.config, sections=("eval", "data"))
    # The unit is the model's; only how bytes become text may be another.
    data = replace(model.config.data, encoding=config.data.encoding)
    if request.mode == "heat" and not color_wanted(sys.stdout, request.no_color):
        raise ConfigError("--heat needs a terminal with colours; --chars has the same figures")
    sources = open_sources(request.files, "the text to score", once=True)
    readers = [Reader(model.vocab, source, data, config.eval.unknown) for source in sources]
    output = Output(line_buffered=request.line_buffered)
    if request.mode:
        _print_parts(model, readers, output, request)
    else:
        _print_totals([_score(model, reader) for reader in readers], output, request.as_json)
    output.end()


def _print_parts(model: CharRNN, readers: list[Reader], output: Output, request: Request) -> None:
    for reader in readers:
        if request.mode == "lines":
            print_lines(model, reader, output, request.as_json, request.line_buffered)
        elif request.mode == "chars":
            print_chars(model, reader, output, request.as_json)
        else:
            print_heat(model, reader, output)
        if reader.skipped:
            say(f"{reader.name}: left out {reader.skipped:,} characters the model does not know")


def _print_totals(scores: list[Score], output: Output, as_json: bool) -> None:
    if as_json:
        output.json(_figures(_total(scores)) | {"files": [_figures(s) for s in scores]})
    else:
        output.write(_table(scores))


def _score(model: CharRNN, reader: Reader) -> Score:
    nats = 0.0
    characters = 0
    start = model.vocab.start
    if model.of_records:  # an item a line, as in training
        lines = chain.from_iterable(line_groups(reader.points()))
        items = (reader.encode(line) for line in lines if len(line))
        for item in score_lines(model.network, items, start, end=start):
            nats += item.nats
            characters += item.characters
    else:
        for scores in surprisals(model.network, reader.ids(), start):
            nats += float(np.sum(scores, dtype=np.float64))
            characters += len(scores)
    if not characters:
        raise CorpusError(f"{reader.name}: there is no text to score")
    return Score(reader.name, Evaluation(nats, characters), reader.skipped)


def _total(scores: list[Score]) -> Score:
    whole = Evaluation(
        sum(s.evaluation.nats for s in scores), sum(s.evaluation.characters for s in scores)
    )
    return Score("total", whole, sum(s.skipped for s in scores))


def _table(scores: list[Score]) -> str:
    """A line for each text, and one for all of them if there are several."""
    rows = [*scores, _total(scores)] if len(scores) > 1 else scores
    skipping = any(s.skipped for s in rows)
    lines = ["nats/char  bits/char  perplexity  characters" + "   skipped" * skipping + "  file"]
    for s in rows:
        e = s.evaluation
        count = f"{s.skipped:10}" if skipping else ""
        lines.append(
            f"{e.nats_per_char:9.4f}  {e.bits_per_char:9.4f}  {e.perplexity:10.4f}  "
            f"{e.characters:10}{count}  {s.name}"
        )
    return "\n".join(lines) + "\n"


def _figures(score: Score) -> dict[str, Any]:
    e = score.evaluation
    figures = {
        "file": score.name,
        "nats_per_char": e.nats_per_char,
        "bits_per_char": e.bits_per_char,
        "perplexity": e.perplexity,
        "characters": e.characters,
        "nats": e.nats,
        "skipped": score.skipped,
    }
    return {key: finite(value) for key, value in figures.items()}
