"""Single keys from a terminal."""

from __future__ import annotations

import codecs
import os
import re
import select
import sys
from collections.abc import Iterator
from types import TracebackType

from charrnn.messages import is_control

if sys.platform != "win32":
    import termios
    import tty

#: Whether this system can tell single keys.
AVAILABLE = sys.platform != "win32"

ENTER, TAB, BACKSPACE, UP, DOWN, END, CLEAR, INTERRUPT = (
    "enter", "tab", "backspace", "up", "down", "end", "clear", "interrupt",
)  # fmt: skip
_NAMES = {
    "\n": ENTER,
    "\r": ENTER,
    "\t": TAB,
    "\x7f": BACKSPACE,
    "\x08": BACKSPACE,
    "\x03": INTERRUPT,
    "\x04": END,
    "\x15": CLEAR,
    "\x1b[A": UP,
    "\x1bOA": UP,
    "\x1b[B": DOWN,
    "\x1bOB": DOWN,
}
#: An escape sequence, which is one key, or any other character.
_KEY = re.compile(r"\x1b(?:\[[0-9;?]*[@-~]|O.|.?)|.", re.DOTALL)


class Keyboard:
    """The keys of the terminal that is stdin, as they are pressed. Ctrl-C is one of them.

    Iterating yields the names above and single characters; other keys do nothing.
    """

    def __enter__(self) -> Keyboard:
        self._fd, self._waiting = sys.stdin.fileno(), b""
        if sys.platform != "win32":
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
            modes = termios.tcgetattr(self._fd)
            modes[6][termios.VINTR] = b"\0"  # so that Ctrl-C sends no signal
            termios.tcsetattr(self._fd, termios.TCSANOW, modes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if sys.platform != "win32":
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def interrupted(self) -> bool:
        """Whether Ctrl-C has been pressed since the last key was read. Other keys wait."""
        while select.select([self._fd], [], [], 0)[0] and (data := os.read(self._fd, 1024)):
            self._waiting += data
        _, pressed, self._waiting = self._waiting.rpartition(b"\x03")
        return bool(pressed)

    def __iter__(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while data := self._waiting or os.read(self._fd, 1024):
            self._waiting = b""
            for key in _KEY.findall(decoder.decode(data)):
                if key in _NAMES:
                    yield _NAMES[key]
                elif len(key) == 1 and not is_control(key):
                    yield key
