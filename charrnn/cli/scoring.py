"""``charrnn eval --lines``, ``--chars`` and ``--heat``: scores of the parts of a text."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from charrnn.cli.inputs import Reader
from charrnn.cli.output import Output, finite
from charrnn.data.records import split_lines
from charrnn.data.vocab import Text, text_of
from charrnn.errors import CharRNNError
from charrnn.evaluation.records import RecordScorer
from charrnn.evaluation.score import Evaluation
from charrnn.evaluation.text import char_scores
from charrnn.messages import escape_char, readable
from charrnn.model import CharRNN
from charrnn.nn.params import Array

#: Bits below which a character has each colour (of the 256 of a terminal): from what was
#: foreseen, in grey, over green and yellow to red for what was not.
_HEAT = ((1.0, 244), (2.0, 71), (4.0, 142), (6.0, 208), (float("inf"), 196))


def print_lines(
    model: CharRNN, reader: Reader, output: Output, as_json: bool, line_buffered: bool
) -> None:
    """Bits per character, characters, the line: for each line by itself.

    Args:
        line_buffered: score lines as they come, rather than many at once.

    Raises:
        CharRNNError: a line cannot be read or scored; those before it are printed.
    """
    waiting: deque[tuple[int, Array]] = deque()
    failures: list[CharRNNError] = []
    first = 1

    def ids(groups: Iterable[list[Array]]) -> Iterator[Array]:
        nonlocal first
        try:
            for lines in groups:
                numbered = enumerate(lines, first)
                for line, encoded in zip(numbered, reader.encode_lines(lines, first), strict=True):
                    waiting.append(line)
                    yield encoded
                first += len(lines)
        except CharRNNError as error:  # to be raised when the lines before are printed
            failures.append(error)

    start = model.vocab.start
    end = start if model.of_records else None  # of an item, its end is a part
    scorer = RecordScorer(model.network, start, end)
    groups = split_lines(reader.points())
    for some in ([group] for group in groups) if line_buffered else [groups]:
        for score in scorer.score(ids(some)):
            number, points = waiting.popleft()
            line = text_of(model.vocab.unit, points)
            if as_json:
                output.json({"file": reader.name, "line": number, **_facts(line, score)})
            else:
                output.write(_row(line, score))
        if failures:
            raise failures[0]


def _facts(line: Text, score: Evaluation) -> dict[str, Any]:
    """A scored line, for JSON."""
    return {
        "bits_per_char": finite(score.bits_per_char) if score.characters else None,
        "nats": finite(score.nats),
        "characters": score.characters,
        "text": readable(line),
    }


def _row(line: Text, score: Evaluation) -> Text:
    """A scored line, after its figures: bytes if it is bytes, whatever they mean."""
    figures = f"{score.bits_per_char:.4f}\t{score.characters}\t"
    return f"{figures}{line}\n" if isinstance(line, str) else figures.encode() + line + b"\n"


def print_chars(model: CharRNN, reader: Reader, output: Output, as_json: bool) -> None:
    """Each character, its bits, and the three likeliest in its place with their probabilities."""
    unit, points = model.vocab.unit, model.vocab.points
    # A byte that is no ASCII is no character by itself.
    symbols = [readable(text_of(unit, points[i : i + 1])) for i in range(len(points))]
    for scores in char_scores(model.network, reader.ids(), model.vocab.start, 3):
        rows = zip(
            scores.ids.tolist(),
            scores.bits.tolist(),
            scores.likeliest.tolist(),
            scores.probs.tolist(),
            strict=True,
        )
        for this, bits, likeliest, probs in rows:
            char = symbols[this]
            pairs = [(symbols[i], p) for i, p in zip(likeliest, probs, strict=True)]
            if as_json:
                row: dict[str, Any] = {"char": char, "bits": finite(bits)}
                output.json(row | {"likeliest": [{"char": c, "p": p} for c, p in pairs]})
            else:
                cells = [escape_char(char), f"{bits:.4f}"]
                cells += [cell for c, p in pairs for cell in (escape_char(c), f"{p:.4f}")]
                output.write("\t".join(cells) + "\n")


def print_heat(model: CharRNN, reader: Reader, output: Output) -> None:
    """The text coloured by surprisal, under a legend."""
    low = 0.0
    for limit, color in _HEAT:
        name = f"{low:g} to {limit:g}" if limit < float("inf") else f"over {low:g}"
        output.colored(f"{name} bits", color)
        output.write("  ")
        low = limit
    output.write("\n\n")
    limits, colors = (np.array(column) for column in zip(*_HEAT, strict=True))
    for scores in char_scores(model.network, reader.ids(), model.vocab.start, 1):
        shade = np.searchsorted(limits, scores.bits, side="right").clip(max=len(colors) - 1)
        runs = np.flatnonzero(np.diff(shade)) + 1
        for ids, run in zip(np.split(scores.ids, runs), np.split(shade, runs), strict=True):
            output.colored(model.vocab.decode(ids), int(colors[run[0]]))
