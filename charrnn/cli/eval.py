"""``charrnn eval``: how well a model foretells texts, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.cli.inputs import open_sources
from charrnn.cli.model import load_model
from charrnn.cli.output import Output, color_wanted
from charrnn.cli.process import say
from charrnn.cli.progress import finite
from charrnn.cli.settings import combine
from charrnn.config import DataConfig
from charrnn.configfile import Settings
from charrnn.corpus import Source, symbol_blocks
from charrnn.errors import ConfigError, CorpusError, VocabError
from charrnn.evaluation import Evaluation, surprisals
from charrnn.model import CharRNN
from charrnn.nn.params import Array
from charrnn.vocab import Vocab


@dataclass(frozen=True)
class Request:
    """What was asked for; the fields are the command's options."""

    files: tuple[str, ...]
    model: str
    config: str | None
    flags: Settings
    as_json: bool
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
    output = Output()
    if request.mode:
        _print_parts(model, readers, output, request)
    else:
        _print_totals([_score(model, reader) for reader in readers], output, request.as_json)
    output.end()


def _print_parts(model: CharRNN, readers: list[Reader], output: Output, request: Request) -> None:
    from charrnn.cli.scoring import print_chars, print_heat, print_lines

    for reader in readers:
        if request.mode == "lines":
            print_lines(model, reader, output, request.as_json)
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
    for scores in surprisals(model.network, reader.ids(), model.vocab.start):
        nats += float(np.sum(scores, dtype=np.float64))
        characters += len(scores)
    if not characters:
        raise CorpusError(f"{reader.name}: there is no text to score")
    return Score(reader.name, Evaluation(nats, characters), reader.skipped)


class Reader:
    """A source as blocks of ids; counts the characters that it leaves out in ``skipped``."""

    def __init__(self, vocab: Vocab, source: Source, data: DataConfig, unknown: str) -> None:
        self._vocab, self._source, self._data, self._unknown = vocab, source, data, unknown
        self.name = source.name
        self.skipped = 0

    def points(self) -> Iterator[Array]:
        """Blocks of code points, or of bytes."""
        return symbol_blocks(self._source, self._data)

    def ids(self) -> Iterator[Array]:
        """Blocks of ids."""
        position = 0
        for points in self.points():
            yield self.encode(points, position=position)
            position += len(points)

    def encode(self, points: Array, where: str = "", position: int = 0) -> Array:
        """The ids of ``points``; ``where`` and ``position`` tell where they stand."""
        ids = self._vocab.ids_of(points)
        known = ids >= 0
        if known.all():
            return ids
        if self._unknown == "error":
            at = int(np.argmin(known))
            message = self._vocab.describe_unknown(chr(points[at]), position + at)
            raise VocabError(f"{self.name}{where}: {message}")
        self.skipped += int(np.count_nonzero(~known))
        return ids[known]


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
