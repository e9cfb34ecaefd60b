"""What the whole command line shares: the session, messages on stderr, failures of stdout."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charrnn.cli.signals import first_signal_asks, stop_requested
from charrnn.cli.terminal import width
from charrnn.errors import CharRNNError
from charrnn.files import PatientFile, has_room
from charrnn.messages import HARD_SPACE, printable, shell_word, wrapped

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: The variable in which the completion scripts pass the command line, up to the cursor.
COMPLETE_VARIABLE = "_CHARRNN_COMPLETE"
#: Seconds after which a wait looks whether a signal has come.
WAIT = 0.1
#: Seconds that a run which is to stop waits for the readers of its streams, in all.
PATIENCE = 1.0
#: Bytes that a pipe which has room takes without waiting, even if it may wait.
PIPE_BUF: int = getattr(select, "PIPE_BUF", 512)


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


def wait_for_streams() -> None:
    """Replace the standard streams by such as wait where their descriptors are set not to."""
    if os.name == "nt":  # pipes do not have that flag there
        return
    if sys.stdin is not None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(PatientFile(0, "rb", closefd=False)))
    if sys.stdout is not None:
        stdout = _Stdout(1, "wb", closefd=False)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(stdout), line_buffering=stdout.isatty())
    if sys.stderr is not None:
        stderr = io.BufferedWriter(_Stderr(2, "wb", closefd=False))
        sys.stderr = io.TextIOWrapper(
            stderr, sys.stderr.encoding, "backslashreplace", line_buffering=True
        )


class _Interruptible(PatientFile):
    """A stream that waits for its reader, but not for long once a signal asks a run to stop.

    Where nobody reads, such as on a terminal after Ctrl-S, any program waits; but the first signal
    to a run would have no effect.
    """

    _waited = 0.0

    def _has_room(self) -> bool:
        """Wait until it can be written to; False if a run is to stop and has waited enough."""
        while not has_room(self.fileno(), WAIT):
            if stop_requested():
                self._waited += WAIT
                if self._waited >= PATIENCE:
                    return False
        return True


class _Stdout(_Interruptible):
    def write(self, data: ReadableBuffer) -> int:
        if not first_signal_asks():
            return super().write(data)
        if not self._has_room():
            raise Signalled(stop_requested() or 0)
        return super().write(memoryview(data)[:PIPE_BUF])


class _Stderr(_Interruptible):
    """Standard error, which never fails: what cannot be written is lost."""

    def write(self, data: ReadableBuffer) -> int:
        with contextlib.suppress(OSError):
            if self._has_room():
                return super().write(memoryview(data)[:PIPE_BUF])
        return memoryview(data).nbytes


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
    return HARD_SPACE.join(map(shell_word, ("charrnn", *words)))


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
