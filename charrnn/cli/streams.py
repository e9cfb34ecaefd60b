"""What all of the command line shares: the session, messages on stderr, stdout's failures."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass

from charrnn.errors import CharRNNError
from charrnn.messages import printable

#: Where a shell that completes puts the command line, up to the cursor.
COMPLETE_VARIABLE = "_CHARRNN_COMPLETE"


@dataclass
class Session:
    """What the options that belong to no command say, for all of the program."""

    debug: bool = False
    no_color: bool = False
    #: How the command that runs is told an assignment such as ``data.encoding=latin-1``.
    option_for: Callable[[str], str] = str


class StdoutError(CharRNNError):
    """Standard output is closed, full or otherwise cannot be written to."""


class Signalled(BaseException):
    """The program has put its things in order and is to die by a signal that it received."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def say(message: str) -> None:
    """Put a message on stderr, each line after the program's name.

    There is nowhere to complain about a stderr that is closed or full, so nothing does.
    """
    say_plain("\n".join(f"charrnn: {printable(line, 2000)}" for line in message.split("\n")))


def path_name(path: str) -> str:
    """A path as messages call it: on one line, and not nothing."""
    return printable(path, 1000) or "''"


def command(*words: str) -> str:
    """A command of the program as it can be typed, on one line, whatever a file is called."""
    return " ".join(map(_quoted, ("charrnn", *words)))


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    safe = set(range(0x20, 0x7F)) - set(b"'\\")
    text = "".join(chr(b) if b in safe else f"\\x{b:02x}" for b in os.fsencode(word))
    return f"$'{text}'"


def say_plain(text: str, end: str = "\n") -> None:
    """Put text on stderr as it is."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # None where it is closed
        sys.stderr.write(text + end)
        sys.stderr.flush()


def flush_stdout() -> None:
    """Bring out what stdout still holds.

    Raises:
        BrokenPipeError: nobody reads it. StdoutError: it cannot be written.
    """
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise stdout_failure(error) from None


def stdout_failure(error: OSError) -> StdoutError:
    """The error that says that stdout cannot be written, and why."""
    return StdoutError(f"cannot write to stdout: {(error.strerror or str(error)).lower()}")
