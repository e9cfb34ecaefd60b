"""What the library logs while a command runs, shown as messages of the program."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable

from charrnn.messages import SettingHint


class NotesHandler(logging.Handler):
    """Passes log records on as lines of text, with settings written as options.

    Args:
        write: prints one message, such as :func:`charrnn.cli.streams.say`.
        option_for: turns an assignment such as ``train.patience=0`` into what is typed for it.
    """

    def __init__(self, write: Callable[[str], None], option_for: Callable[[str], str]) -> None:
        super().__init__()
        self._write, self._option_for = write, option_for

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        shown = copy.copy(record)  # other handlers get the record as it was
        if isinstance(record.args, tuple):
            shown.args = tuple(
                self._option_for(arg) if isinstance(arg, SettingHint) else arg
                for arg in record.args
            )
        self._write(shown.getMessage())
