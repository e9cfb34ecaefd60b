"""How far ``charrnn eval`` is: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence

from charrnn.cli.progress import clock
from charrnn.cli.terminal import width
from charrnn.data.source import Source
from charrnn.nn.params import Array


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
        self._symbols = self._bytes = 0
        self._size = _size(sources)
        self.shown = sys.stderr is not None and sys.stderr.isatty()
        if printing and sys.stdout is not None and sys.stdout.isatty():
            self.shown = False
        if not self.shown:
            return
        import threading

        from tqdm import tqdm

        # No lock between processes and no thread that watches the bar.
        tqdm.set_lock(threading.RLock())
        tqdm.monitor_interval = 0
        self._bar = tqdm(
            total=self._size or None,
            bar_format="{percentage:3.0f}%|{bar}| {desc}" if self._size else "{desc}",
            file=sys.stderr,
            ncols=width(sys.stderr),
            leave=False,
        )

    def watch(self, source: Source | None, blocks: Iterator[Array]) -> Iterator[Array]:
        """The blocks of a source, counted once they have been used."""
        before = self._bytes
        for block in blocks:
            yield block
            self._symbols += len(block)
            if self.shown:
                if self._size and source:
                    self._bytes = before + source.stream.tell()
                self._show()

    def _show(self) -> None:
        elapsed = max(time.monotonic() - self.began, 1e-9)
        pace = f"{self._symbols / elapsed:,.0f} {self._unit}/s"
        if self._size:
            left = elapsed * (self._size / max(self._bytes, 1) - 1.0)
            self._bar.set_description_str(f"{clock(left)} left, {pace}", refresh=False)
        else:
            text = f"{self._symbols:,} {self._unit}s, {pace}"
            self._bar.set_description_str(text, refresh=False)
        self._bar.ncols = width(sys.stderr)
        self._bar.n = self._bytes
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
