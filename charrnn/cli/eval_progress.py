"""The progress bar of ``charrnn eval``, on a terminal only."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence

from charrnn.cli.progress import clock, new_bar
from charrnn.cli.terminal import width
from charrnn.data.source import Source
from charrnn.nn.params import Array

#: Seconds between two changes of the bar, at least.
REFRESH = 0.2


class ScoringBar:
    """A bar on stderr, if that is a terminal and nothing else is printed on it meanwhile.

    Args:
        sources: what is to be read. unit: of the vocabulary.
        printing: whether results are printed to stdout meanwhile.

    Attributes:
        shown: whether there is a bar. began: when it was made.
    """

    def __init__(self, sources: Sequence[Source], unit: str, printing: bool) -> None:
        self._unit, self.began = unit, time.monotonic()
        self._read = self._bytes = self._scored = 0
        self._size, self._due = _size(sources), 0.0
        self.shown = sys.stderr is not None and sys.stderr.isatty()
        if printing and sys.stdout is not None and sys.stdout.isatty():
            self.shown = False
        if self.shown:
            self._bar = new_bar(known=self._size > 0, leave=False)

    def watch(self, source: Source | None, blocks: Iterator[Array]) -> Iterator[Array]:
        """The blocks of a source, so that it is known how many bytes its symbols take."""
        before = self._bytes
        for block in blocks:
            self._read += len(block)
            if self.shown and self._size and source:
                self._bytes = before + source.stream.tell()
            yield block

    def scored(self, symbols: int) -> None:
        """Report that more symbols were scored."""
        self._scored += symbols
        # Thousands of lines are scored at once and then reported one by one. The first ones say
        # nothing about the rate, and are not shown.
        if self.shown and 2 * self._scored >= self._read and time.monotonic() >= self._due:
            self._due = time.monotonic() + REFRESH
            self._show()

    def _show(self) -> None:
        elapsed = max(time.monotonic() - self.began, 1e-9)
        text = f"{self._scored / elapsed:,.0f} {self._unit}/s"
        if self._size:
            done = min(1.0, self._scored / max(self._read, 1) * self._bytes / self._size)
            left = elapsed * (1.0 / done - 1.0) if done else 0.0
            text = f"{clock(left)} left, {text}"
            self._bar.n = done
        else:
            text = f"{self._scored:,} {self._unit}s, {text}"
        self._bar.set_description_str(text, refresh=False)
        self._bar.ncols = width(sys.stderr)  # it may change while it runs
        self._bar.refresh()

    def close(self) -> None:
        """Remove the bar."""
        if self.shown:
            self._bar.close()
            self.shown = False


def _size(sources: Sequence[Source]) -> int:
    """Bytes in all files together; 0 if one is a pipe."""
    size = 0
    for source in sources:
        try:
            status = os.fstat(source.stream.fileno())
        except OSError:  # such as a text in memory
            return 0
        if not stat.S_ISREG(status.st_mode):
            return 0
        size += status.st_size
    return size


class ProgressScorer:
    """A :class:`~charrnn.evaluation.score.Scorer` that tells a bar what others have read."""

    unknown_nats = 0.0

    def __init__(self, bar: ScoringBar) -> None:
        self._bar = bar

    def read(self, ids: Array) -> None:
        self._bar.scored(len(ids))

    def total(self) -> float:
        return 0.0
