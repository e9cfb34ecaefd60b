"""Ctrl-C ends the program; training a first signal asks to stop, a second one stops it at once."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

# SIGHUP too: a closed terminal should cost no work. Windows does not know all of them.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


def end_at_ctrl_c() -> None:
    """Let SIGINT end the program as SIGTERM does, until a command asks for something else.

    Python would raise KeyboardInterrupt instead, wherever it happens to be: in a library's
    callback or finaliser that is lost, and the program would run on.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)


class Signals:
    """Within it, a signal is noted in :attr:`received` instead of ending the program.

    A signal that is ignored from the start, as SIGINT by a background job and SIGHUP under
    nohup, stays ignored.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for name in _NAMES:
            if (number := getattr(signal, name, None)) is None:
                continue
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)
