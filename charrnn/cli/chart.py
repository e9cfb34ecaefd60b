"""Charts of block characters: how the loss went down."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

_BARS = "▁▂▃▄▅▆▇█"
#: What tops a column that is higher than the scale.
_BEYOND = "▲"
_ROWS = 5
#: A value so many times as far from the lowest as the next one is left out of the scale, up to a
#: share of the values.
_FAR, _SHARE = 2.5, 0.2
#: Columns at the left that the scale takes.
SCALE_WIDTH = 9


def charts(series: Mapping[str, Sequence[float]], width: int) -> str:
    """A chart for each of several series by its title, all to one scale, at most ``width`` wide."""
    columns = max(10, width - SCALE_WIDTH)
    low, high = _scale([value for values in series.values() for value in values])
    return "\n".join(
        f"{title}\n{_chart(_resampled(values, columns), low, high)}"
        for title, values in series.items()
    )


def _chart(values: Sequence[float], low: float, high: float) -> str:
    span = high - low or 1.0
    # The height of each column in eighths of a row; the lowest is still visible.
    top = _ROWS * 8
    eighths = [min(top + 1, 1 + round((v - low) / span * (top - 1))) for v in values]
    lines = []
    for row in reversed(range(_ROWS)):
        label = {_ROWS - 1: f"{high:8.3f}", 0: f"{low:8.3f}"}.get(row, "")
        cells = (_cell(height, row) for height in eighths)
        lines.append(f"{label:>8} {''.join(cells)}".rstrip())
    return "\n".join(lines) + "\n"


def _cell(height: int, row: int) -> str:
    if height > _ROWS * 8 and row == _ROWS - 1:
        return _BEYOND
    part = height - row * 8
    return " " if part <= 0 else _BARS[min(part, 8) - 1]


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest value, without a few that are far above all others."""
    ordered = sorted(values)
    low = ordered[0]
    for _ in range(int(_SHARE * len(ordered))):
        if ordered[-1] - low <= _FAR * (ordered[-2] - low):
            break
        ordered.pop()
    return low, ordered[-1]


def _resampled(values: Sequence[float], width: int) -> list[float]:
    """As many values as columns fit: means if there are too many, repeats if there are few."""
    n = len(values)
    if n <= width:
        return [v for v in values for _ in range(min(width // n, 3))]
    edges = [i * n // width for i in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
