"""What the package logs, shown as notes on the command line."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Callable, Iterator

from charrnn.cli.streams import Session
from charrnn.messages import SettingHint


class NotesHandler(logging.Handler):
    """Keeps notes until it is known how to show them, and shows them from then on.

    Args:
        option_for: what is typed for an assignment such as ``train.patience=0``.
    """

    def __init__(self, option_for: Callable[[str], str]) -> None:
        super().__init__()
        self._option_for = option_for
        self._waiting: list[str] = []
        self._show: Callable[[str], None] = self._waiting.append

    def show_by(self, show: Callable[[str], None]) -> None:
        """Call ``show`` with each note so far, and with each one to come."""
        for note in self._waiting:
            show(note)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Show a note, with the options of the command in place of settings."""
        typed = copy.copy(record)  # other handlers get the record as it was
        if isinstance(record.args, tuple):
            typed.args = tuple(
                self._option_for(arg) if isinstance(arg, SettingHint) else arg
                for arg in record.args
            )
        self._show(typed.getMessage())


@contextlib.contextmanager
def show_notes(quiet: bool, session: Session) -> Iterator[NotesHandler]:
    """Collect what the package logs as notes to show; none if ``quiet``."""
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
