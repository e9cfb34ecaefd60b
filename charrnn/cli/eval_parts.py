"""``charrnn eval --lines``, ``--chars`` and ``--heat``: scores of lines and of characters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from charrnn.cli.inputs import TextReader
from charrnn.cli.output import Output, deferred_errors, finite
from charrnn.data.records import split_lines
from charrnn.data.vocab import Text, text_of
from charrnn.errors import CharRNNError
from charrnn.evaluation.score import Evaluation
from charrnn.messages import escape_char, readable
from charrnn.model import CharRNN
from charrnn.nn.params import Array

#: Colours, of the 256 of a terminal, for characters with fewer bits than these: from grey for
#: what was predicted, over green and yellow, to red for what was not.
_HEAT = ((1.0, 244), (2.0, 71), (4.0, 142), (6.0, 208), (float("inf"), 196))


def print_lines(
    model: CharRNN, reader: TextReader, output: Output, as_json: bool, line_buffered: bool
) -> None:
    """Print each line after its bits per character and its number of characters.

    Args:
        line_buffered: score lines as they come, rather than many at once.

    Raises:
        CharRNNError: a line cannot be read or scored; those before it are printed.
    """
    waiting: deque[tuple[int, Array]] = deque()
    errors: list[CharRNNError] = []
    first = 1

    def encoded(groups: Iterable[list[Array]]) -> Iterator[Array]:
        nonlocal first
        for lines in groups:
            numbered = enumerate(lines, first)
            for line, ids in zip(numbered, reader.encode_lines(lines, first), strict=True):
                waiting.append(line)
                yield ids
            first += len(lines)

    scorer = model.record_scorer()
    groups = split_lines(reader.points())
    for some in ([group] for group in groups) if line_buffered else [groups]:
        for score in scorer.score(deferred_errors(encoded(some), errors)):
            number, points = waiting.popleft()
            line = text_of(model.vocab.unit, points)
            if as_json:
                output.json({"file": reader.name, "line": number, **_facts(line, score)})
            else:
                output.write(_row(line, score))
        if errors:
            raise errors[0]


def _facts(line: Text, score: Evaluation) -> dict[str, Any]:
    """A scored line, for JSON."""
    return {
        "bits_per_char": finite(score.bits_per_char) if score.characters else None,
        "nats": finite(score.nats),
        "characters": score.characters,
        "text": readable(line),
    }


def _row(line: Text, score: Evaluation) -> Text:
    """A line after its figures; of bytes if the line is of bytes, so that it stays unchanged."""
    figures = f"{score.bits_per_char:.4f}\t{score.characters}\t"
    return f"{figures}{line}\n" if isinstance(line, str) else figures.encode() + line + b"\n"


def print_chars(model: CharRNN, reader: TextReader, output: Output, as_json: bool) -> None:
    """Print each character, its bits, and the three likeliest with their probabilities."""
    unit, points = model.vocab.unit, model.vocab.points
    # A byte beyond ASCII is not a character by itself, and is shown escaped.
    symbols = [readable(text_of(unit, points[i : i + 1])) for i in range(len(points))]
    for scores in model.char_scores(reader.ids(), k=3):
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


def print_heat(model: CharRNN, reader: TextReader, output: Output) -> None:
    """Print the text coloured by surprisal, under a legend."""
    low = 0.0
    for limit, color in _HEAT:
        name = f"{low:g} to {limit:g}" if limit < float("inf") else f"over {low:g}"
        output.colored(f"{name} bits", color)
        output.write("  ")
        low = limit
    output.write("\n\n")
    limits, colors = (np.array(column) for column in zip(*_HEAT, strict=True))
    for scores in model.char_scores(reader.ids(), k=1):
        shades = np.searchsorted(limits, scores.bits, side="right").clip(max=len(colors) - 1)
        edges = np.flatnonzero(np.diff(shades)) + 1
        for ids, run in zip(np.split(scores.ids, edges), np.split(shades, edges), strict=True):
            output.colored(model.vocab.decode(ids), int(colors[run[0]]))
