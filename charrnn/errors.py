"""The errors charrnn raises for what a user can fix.

Each is one line: a message that says what is wrong and where, and a hint that says what to
do. A hint may name a setting to change. How a user types it depends on the interface, so the
command line shows an option where Python shows ``data.encoding=latin-1``.
"""

from __future__ import annotations

import errno
from collections.abc import Callable


class CharRNNError(Exception):
    """Base of all errors that are meant for the user rather than for a programmer.

    Args:
        message: what is wrong, and where.
        hint: what to do about it; ``{setting}`` in it is replaced by ``setting``.
        setting: assignments that would help, such as ``"data.encoding=latin-1"``; the hint is
            ``try {setting}`` unless one is given.
    """

    def __init__(
        self, message: str, hint: str | None = None, setting: str | tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint, setting)
        self.message = message
        self.settings = (setting,) if isinstance(setting, str) else setting
        self.hint = hint if hint or not setting else "try {setting}"

    def __str__(self) -> str:
        return self.text()

    def at(self, where: str) -> CharRNNError:
        """The same error with a place before its message."""
        return type(self)(f"{where}: {self.message}", self.hint, self.settings)

    def text(self, render: Callable[[str], str] = str) -> str:
        """The whole line; ``render`` turns an assignment into what the user types."""
        if not self.hint:
            return self.message
        settings = " or ".join(map(render, self.settings))
        return f"{self.message}; {self.hint.replace('{setting}', settings)}"


class ConfigError(CharRNNError):
    """A setting that is unknown, of the wrong type, out of range or in conflict with another."""


class CorpusError(CharRNNError):
    """A text that cannot be read, decoded or used."""


class VocabError(CharRNNError):
    """A character that the model does not know."""


class CheckpointError(CharRNNError):
    """A model file that cannot be written, or cannot be trusted."""


class TrainingError(CharRNNError):
    """A run that cannot continue, such as one whose loss is no longer finite."""


def lacks_memory(error: BaseException) -> bool:
    """Whether there was too little memory: for an array, a file's mapping or a library."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, ImportError):
        return any(words in str(error) for words in ("failed to map", "Cannot allocate memory"))
    if isinstance(error, SystemError):  # as CPython 3.11 calls a frame that it cannot allocate
        return str(error) == "error return without exception set"
    return isinstance(error, MemoryError)
