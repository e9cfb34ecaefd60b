"""Notes of the package, logged under ``charrnn``, as lines of the command line."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from charrnn.cli.streams import Session
from charrnn.messages import SettingHint


class NotesHandler(logging.Handler):
    """Keeps the notes until it is known how to show them, and shows them from then on."""

    def __init__(self, option_for: Callable[[str], str]) -> None:
        super().__init__()
        self._option_for = option_for
        self._waiting: list[str] = []
        self._show: Callable[[str], None] = self._waiting.append

    def show_by(self, show: Callable[[str], None]) -> None:
        """Show the notes so far, and each one to come, by ``show``."""
        for note in self._waiting:
            show(note)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        typed = (self._option_for(a) if isinstance(a, SettingHint) else a for a in arguments)
        self._show(str(record.msg) % tuple(typed))


@contextlib.contextmanager
def noting(quiet: bool, session: Session) -> Iterator[NotesHandler]:
    """Handle what the package logs as notes; none are shown if ``quiet``."""
    log, handler = logging.getLogger("charrnn"), NotesHandler(session.option_for)
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.CRITICAL if quiet else logging.INFO)
    try:
        yield handler
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate
