"""Signals: Ctrl-C ends the program; in training, the first signal asks to stop."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType, TracebackType
from typing import Any, Protocol

# SIGHUP too, so that closing the terminal loses no work. Windows lacks some of them.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


def end_at_ctrl_c() -> None:
    """Let SIGINT end the program as SIGTERM does, until a command asks for something else.

    Python would raise KeyboardInterrupt wherever it happens to be; in a library's callback or
    finaliser the exception is swallowed, and the program would keep running.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # unless it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)


#: The context that the program is in, if it is in one.
_active: Signals | None = None


def first_signal_asks() -> bool:
    """Whether a first signal would only ask to stop, so that nothing may be waited for forever."""
    return _active is not None


def stop_requested() -> int | None:
    """The number of the signal that asked to stop; None if none did."""
    return _active.received if _active else None


class Elsewhere(Protocol):
    """Other processes that belong to this one."""

    @property
    def signal(self) -> int:
        """The number of a signal that one of them has received; 0 if none has."""


class Signals:
    """A context in which the first signal only sets :attr:`received`; the second one kills.

    A signal that was ignored before, as SIGINT in a background job and SIGHUP under nohup,
    stays ignored.

    Args:
        acknowledge: said at once when the first signal comes.
        elsewhere: processes whose signals count, too.
    """

    def __init__(self, acknowledge: str = "", elsewhere: Elsewhere | None = None) -> None:
        self._received: int | None = None
        self._acknowledge, self._elsewhere = acknowledge, elsewhere
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        global _active
        _active = self
        for name in _NAMES:
            if (number := getattr(signal, name, None)) is None:
                continue
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._note)
        return self

    @property
    def received(self) -> int | None:
        """The number of the signal, or None."""
        if self._received is None and self._elsewhere:
            return self._elsewhere.signal or None
        return self._received

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _active
        _active = None
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._received is None:
            self._received = number
            if self._acknowledge:
                self._say(self._acknowledge)
        else:  # a second signal ends the program at once
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    @staticmethod
    def _say(message: str) -> None:
        # Not through sys.stderr, which may be in the middle of a write. Nothing is said where
        # nobody reads, such as on a terminal after Ctrl-S: the program must not wait for that.
        from charrnn.files import has_room  # Ctrl-C must work before it is loaded

        with contextlib.suppress(OSError):
            if has_room(2):
                start = "\n" if os.isatty(2) else ""  # below the bar
                os.write(2, f"{start}charrnn: {message}\n".encode())
