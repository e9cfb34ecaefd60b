"""``charrnn eval --chars``, ``--heat`` and ``--html``: scores of characters."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from charrnn.cli.eval_progress import ScoringBar
from charrnn.cli.inputs import TextReader
from charrnn.cli.output import Output, finite
from charrnn.cli.report import write_page
from charrnn.cli.streams import say
from charrnn.config.schema import ScoredUnknown
from charrnn.data.decoding import is_escaped
from charrnn.data.vocab import FIELDS, text_of
from charrnn.messages import escape_char, path_name, readable
from charrnn.model import CharRNN
from charrnn.nn.params import Array
from charrnn.report import text_page

#: Backgrounds, of the 256 colours of a terminal, for characters with fewer bits than these: from
#: none for what was predicted, over yellow and orange, to red for what was not.
_HEAT = ((1.0, None), (2.0, 229), (4.0, 222), (6.0, 209), (float("inf"), 203))

#: Characters of a text that a page of it shows, at most.
PAGE = 20_000


def print_chars(
    model: CharRNN,
    reader: TextReader,
    unknown: ScoredUnknown,
    output: Output,
    as_json: bool,
    bar: ScoringBar,
) -> None:
    """Print each character or word, its bits, and the three likeliest with their probabilities.

    An unknown character is not among those that the model could have expected, so its row ends
    after its bits.
    """
    unit, points = model.vocab.unit, model.vocab.points
    # A byte beyond ASCII is not a character by itself, and is shown escaped.
    symbols = [readable(text_of(unit, points[i : i + 1])) for i in range(len(points))]
    each = FIELDS[unit]
    missing: deque[int | str] = deque()
    ids = reader.ids(missing if unknown == "score" else None)
    for scores in model.char_scores(ids, unknown, k=3):
        rows = zip(
            scores.ids.tolist(),
            scores.bits.tolist(),
            scores.likeliest.tolist(),
            scores.probs.tolist(),
            strict=True,
        )
        for this, bits, likeliest, probs in rows:
            char = symbols[this] if this >= 0 else _unknown(missing.popleft())
            pairs = [(symbols[i], p) for i, p in zip(likeliest, probs, strict=True) if i >= 0]
            if as_json:
                row: dict[str, Any] = {each: char, "bits": finite(bits)}
                output.json(row | {"likeliest": [{each: c, "p": p} for c, p in pairs]})
            else:
                cells = [escape_char(char), f"{bits:.4f}"]
                cells += [cell for c, p in pairs for cell in (escape_char(c), f"{p:.4f}")]
                output.write("\t".join(cells) + "\n")
        bar.scored(len(scores.ids))


def _unknown(symbol: int | str) -> str:
    """An unknown character or word; an undecodable byte as its escape."""
    if isinstance(symbol, str):
        return symbol
    return f"\\x{symbol & 0xFF:02x}" if is_escaped(symbol) else chr(symbol)


def print_heat(model: CharRNN, reader: TextReader, unknown: ScoredUnknown, output: Output) -> None:
    """Print the text coloured by surprisal, under a legend."""
    low = 0.0
    for limit, color in _HEAT:
        name = f"{low:g} to {limit:g}" if limit < float("inf") else f"over {low:g}"
        output.highlighted(f"{name} bits", color)
        output.write("  ")
        low = limit
    output.write("\n\n")
    limits, colors = [limit for limit, _ in _HEAT], [color for _, color in _HEAT]
    missing: deque[int | str] = deque()
    ids = reader.ids(missing if unknown == "score" else None)
    for scores in model.char_scores(ids, unknown, k=1):
        points = model.vocab.points[scores.ids]
        gaps = np.flatnonzero(scores.ids < 0)
        points[gaps] = [missing.popleft() for _ in gaps]
        shades = np.searchsorted(limits, scores.bits, side="right").clip(max=len(colors) - 1)
        edges = np.flatnonzero(np.diff(shades)) + 1
        for part, run in zip(np.split(points, edges), np.split(shades, edges), strict=True):
            output.highlighted(text_of(model.vocab.unit, part), colors[run[0]])


def write_html(model: CharRNN, reader: TextReader, unknown: ScoredUnknown, path: str) -> None:
    """Write the text coloured by surprisal as a page, with what was expected in its place."""
    parts: list[Array] = []
    for ids in reader.ids():
        parts.append(ids)
        if sum(map(len, parts)) > PAGE:
            break
    ids = np.concatenate([*parts, np.zeros(0, np.intp)])
    if (read_as := model.treatment(unknown).read_as) is not None:
        ids[ids < 0] = read_as
    page = text_page(model, ids[ids >= 0], reader.name, int(np.count_nonzero(ids < 0)), PAGE)
    write_page(path, page)
    if path != "-":
        say(f"{path_name(path)}: open it in a browser")
