"""What the whole command line shares: the session, messages on stderr, failures of stdout."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass

from charrnn.cli.terminal import width
from charrnn.errors import CharRNNError
from charrnn.messages import HARD_SPACE, printable, wrapped

#: The variable in which the completion scripts pass the command line, up to the cursor.
COMPLETE_VARIABLE = "_CHARRNN_COMPLETE"


@dataclass
class Session:
    """State of one command line that belongs to no command in particular."""

    debug: bool = False
    no_color: bool = False
    #: What is typed for an assignment such as ``data.encoding=latin-1`` in the command that runs.
    option_for: Callable[[str], str] = str


class StdoutError(CharRNNError):
    """Standard output is closed, full or otherwise cannot be written to."""


class Signalled(BaseException):
    """A signal was received, everything is saved, and the program is to die by that signal."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def say(message: str) -> None:
    """Print a message on stderr, each line after the name of the program.

    On a terminal, it is wrapped at words. If stderr is closed or full, there is nowhere to
    complain, and the message is lost.
    """
    lines = [f"charrnn: {_printable(line)}" for line in message.split("\n")]
    if sys.stderr is not None and sys.stderr.isatty():
        lines = [wrapped(line, width(sys.stderr)) for line in lines]
    say_plain("\n".join(lines).replace(HARD_SPACE, " "))


def _printable(line: str) -> str:
    return HARD_SPACE.join(printable(part, 2000) for part in line.split(HARD_SPACE))


def say_plain(text: str, end: str = "\n") -> None:
    """Print text on stderr as it is."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # None if it is closed
        sys.stderr.write(text + end)
        sys.stderr.flush()


def command(*words: str) -> str:
    """A command line of the program to copy and run, on one line whatever the files are called.

    Its words are separated by hard spaces, so that it is not wrapped.
    """
    return HARD_SPACE.join(map(_quoted, ("charrnn", *words)))


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    safe = set(range(0x20, 0x7F)) - set(b"'\\")
    text = "".join(chr(b) if b in safe else f"\\x{b:02x}" for b in os.fsencode(word))
    return f"$'{text}'"


def flush_stdout() -> None:
    """Flush stdout.

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
    """The error that says why stdout cannot be written."""
    return StdoutError(f"cannot write to stdout: {(error.strerror or str(error)).lower()}")
