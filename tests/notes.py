"""What a run says of its decisions: the records logged under "charrnn"."""

import contextlib
import logging
from collections.abc import Iterator


class _Keep(logging.Handler):
    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self.notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        if "expect gibberish" not in record.msg:  # said of nearly all texts of the tests
            self.notes.append(record.getMessage())


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """A list that gets every note logged within it."""
    log, notes = logging.getLogger("charrnn"), []
    handler, level = _Keep(notes), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield notes
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
