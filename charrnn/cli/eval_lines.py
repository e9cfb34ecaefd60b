"""``charrnn eval --lines``: each line after its score, or only the unusual ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charrnn.cli.eval_progress import ScoringBar
from charrnn.cli.inputs import TextReader
from charrnn.cli.lines import as_read, for_json
from charrnn.cli.output import Output, deferred_errors, finite
from charrnn.config.schema import ScoredUnknown
from charrnn.data.records import noun_of, split_records
from charrnn.data.vocab import Text, text_of
from charrnn.errors import CharRNNError
from charrnn.evaluation.score import Evaluation
from charrnn.model import CharRNN
from charrnn.nn.params import Array

#: Colour of a surprising span, of the 256 of a terminal: red.
MARK = 196

Span = tuple[int, int]


@dataclass(frozen=True)
class LineOptions:
    """How lines are scored and printed.

    Attributes:
        unknown: what to do with characters that the model does not know.
        as_json: as JSON. line_buffered: score lines as they come, rather than many at once.
        numbers: with the number of each line. names: with the name of its file.
        count_unknown: with the number of its unknown characters, in a column of its own.
        above: bits per character that a line must exceed to be printed; None for all lines.
        mark: with its most surprising span marked. color: by a colour.
    """

    unknown: ScoredUnknown = "score"
    as_json: bool = False
    line_buffered: bool = False
    numbers: bool = False
    names: bool = False
    count_unknown: bool = False
    above: float | None = None
    mark: bool = False
    color: bool = False


@dataclass
class LineCounts:
    """What was scored so far: lines, those above the threshold, unknown characters.

    Of the lines, ``carriage_returns`` end with one, and the model does not know it.
    """

    lines: int = 0
    above: int = 0
    unknown: int = 0
    carriage_returns: int = 0


@dataclass
class LinePrinter:
    """Scores the lines of texts and prints them.

    Attributes:
        counts: of all texts together.
    """

    model: CharRNN
    output: Output
    options: LineOptions
    counts: LineCounts = field(default_factory=LineCounts)

    def print(self, reader: TextReader, bar: ScoringBar) -> None:
        """Print the lines of a text.

        Raises:
            CharRNNError: a line cannot be read or scored; those before it are printed.
        """
        waiting: deque[tuple[int, Array]] = deque()
        errors: list[CharRNNError] = []
        data, first = self.model.config.data, 1
        knows_return = len(self.model.vocab.encode("\r", "skip")) > 0

        def encoded(groups: Iterable[list[Array]]) -> Iterator[Array]:
            nonlocal first
            for lines in groups:
                numbered = enumerate(lines, first)
                ids_of_lines = reader.encode_lines(lines, first, noun_of(data.records))
                for line, ids in zip(numbered, ids_of_lines, strict=True):
                    waiting.append(line)
                    yield ids
                first += len(lines)

        groups = split_records(reader.points(), data)
        for some in ([group] for group in groups) if self.options.line_buffered else [groups]:
            for score, span in self._scores(deferred_errors(encoded(some), errors)):
                number, points = waiting.popleft()
                if score.unknown and not knows_return and points[-1] == ord("\r"):
                    self.counts.carriage_returns += 1
                self._line(reader.name, number, points, score, span)
                bar.scored(len(points) + 1)
            if errors:
                raise errors[0]

    def _scores(self, lines: Iterator[Array]) -> Iterator[tuple[Evaluation, Span | None]]:
        """The score of each line, and its most surprising span if that is to be marked."""
        model, unknown = self.model, self.options.unknown
        if not self.options.mark:
            return ((score, None) for score in model.score_lines(lines, unknown))
        return self._marked(lines)

    def _marked(self, lines: Iterator[Array]) -> Iterator[tuple[Evaluation, Span | None]]:
        model, scorer = self.model, self.model.record_scorer(unknown=self.options.unknown)
        waiting: deque[Array] = deque()

        def kept() -> Iterator[Array]:
            for ids in lines:
                waiting.append(ids)
                yield ids

        for nats in scorer.surprisals(kept()):
            ids = waiting.popleft()
            total = float(np.nansum(nats, dtype=np.float64))
            evaluation = scorer.evaluation(ids, total, int(np.count_nonzero(ids < 0)))
            yield evaluation, model.surprising_span(nats[: len(ids)])

    def _line(
        self, name: str, number: int, points: Array, score: Evaluation, span: Span | None
    ) -> None:
        """Print a line, unless it is not above the threshold."""
        options, counts = self.options, self.counts
        if span and self.model.vocab.unit == "word":
            span = _in_characters(span, self.model.vocab.symbols_of(points))
        counts.lines += 1
        counts.unknown += score.unknown
        if options.above is not None:
            if score.bits_per_char <= options.above:
                return
            counts.above += 1
        line = text_of(self.model.vocab.unit, points)
        if options.as_json:
            self.output.json({"file": name, "line": number, **_facts(line, score, options, span)})
            return
        row = f"{score.bits_per_char:.4f}\t{score.characters}\t"
        row += f"{score.unknown}\t" * options.count_unknown
        row += f"{name}:" * options.names + f"{number}:" * options.numbers
        start, end = span or (len(line), len(line))
        before, marked, after = map(as_read, (line[:start], line[start:end], line[end:]))
        if marked and options.color:
            self.output.write(row.encode() + before)
            self.output.colored(marked, MARK)
            self.output.write(after + b"\n")
        else:
            marked = marked and "«".encode() + marked + "»".encode()
            self.output.write(row.encode() + before + marked + after + b"\n")


def _in_characters(span: Span, words: Array) -> Span:
    """A span of words as one of characters."""
    lengths = [len(word) for word in words.tolist()]
    return sum(lengths[: span[0]]), sum(lengths[: span[1]])


def _facts(
    line: Text, score: Evaluation, options: LineOptions, span: Span | None
) -> dict[str, Any]:
    """A scored line, for JSON."""
    facts = {
        "bits_per_char": finite(score.bits_per_char) if score.characters else None,
        "nats": finite(score.nats),
        "characters": score.characters,
        "unknown": score.unknown,
    }
    if score.words is not None:
        facts["words"] = score.words
    if options.mark:
        facts["mark"] = span and list(span)
    return facts | {"text": for_json(line)}
