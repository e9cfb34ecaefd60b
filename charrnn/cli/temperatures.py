"""``charrnn sample --temp 0.2,0.7,1.2``: the same samples at several temperatures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import zip_longest

from charrnn.cli.drawing import Drawing, print_drawing
from charrnn.cli.output import Output
from charrnn.cli.terminal import width
from charrnn.messages import cells, escape_for_terminal, readable

#: Cells between two columns, and the narrowest column.
GAP, NARROWEST = 3, 12


def print_in_turn(
    drawing: Drawing, temperatures: Sequence[float], output: Output, as_json: bool
) -> None:
    """Print the samples of each temperature after a line that names it."""
    for number, temperature in enumerate(temperatures):
        if not as_json:
            output.write(f"{chr(10) * bool(number)}--- temperature {temperature:g}\n")
        print_drawing(drawing.at(temperature), output, as_json)
        if output.line_open:
            output.write("\n")
    output.end()


def print_columns(drawing: Drawing, temperatures: Sequence[float], output: Output) -> None:
    """Print the samples side by side, if the terminal is wide enough."""
    count = len(temperatures)
    column = (width(sys.stdout) - GAP * (count - 1)) // count
    if column < NARROWEST or drawing.endless or drawing.settings.length is None:
        print_in_turn(drawing, temperatures, output, False)
        return
    columns = []
    for temperature in temperatures:
        samples = drawing.at(temperature).samples()
        texts = [readable(drawing.prime) + readable(one.text) for one in samples]
        body = in_column(escape_for_terminal(drawing.end.join(texts)), column)
        title = f"temperature {temperature:g}"
        columns.append([title[:column], "-" * min(column, len(title)), *body])
    for row in zip_longest(*columns, fillvalue=""):
        padded = (line + " " * (column + GAP - cells(line)) for line in row)
        output.write("".join(padded).rstrip() + "\n")
    output.end()


def in_column(text: str, limit: int) -> list[str]:
    """The lines of a text in at most ``limit`` cells each, broken at spaces where possible."""
    lines = []
    for line in text.expandtabs(4).split("\n"):
        rest = line
        while cells(rest) > limit:
            end = max(1, _fitting(rest, limit))
            space = rest.rfind(" ", 1, end + 1)
            end = space if space > 0 else end
            lines.append(rest[:end])
            rest = rest[end:].removeprefix(" ")
        lines.append(rest)
    return lines


def _fitting(text: str, limit: int) -> int:
    """How many characters fit into ``limit`` cells."""
    for end in range(len(text) + 1):
        if cells(text[:end]) > limit:
            return end - 1
    return len(text)
