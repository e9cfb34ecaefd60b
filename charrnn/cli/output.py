"""Text to stdout: as it comes and harmless on a terminal, in blocks and exact elsewhere."""

from __future__ import annotations

import codecs
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from charrnn.cli.streams import StdoutError, flush_stdout, stdout_failure
from charrnn.cli.terminal import width
from charrnn.errors import CharRNNError
from charrnn.messages import escape_for_terminal, is_control, readable, wrapped

if TYPE_CHECKING:  # NumPy is not imported for types alone
    from charrnn.data.vocab import Text

Item = TypeVar("Item")


def deferred_errors(items: Iterable[Item], errors: list[CharRNNError]) -> Iterator[Item]:
    """The items up to an error; it goes to ``errors``, to be raised once they are printed."""
    try:
        yield from items
    except CharRNNError as error:
        errors.append(error)


def finite(value: Any) -> Any:
    """``value``, or None for a number that JSON cannot represent."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def color_wanted(stream: TextIO | None, color: str = "auto") -> bool:
    """Whether to colour a stream: a terminal that can show colours, unless they are turned off.

    Args:
        color: auto, always or never.
    """
    if color != "auto":
        return color == "always"
    if stream is None or os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("TERM") != "dumb" and stream.isatty()


class Output:
    """Standard output as UTF-8 bytes, whatever the locale.

    Args:
        raw: let control characters through to a terminal.
        line_buffered: flush each line when it is complete, to a pipe as well.

    Attributes:
        line_open: whether something was written after the last newline.

    Raises:
        StdoutError: stdout is closed, or cannot be written to. BrokenPipeError: as usual.
    """

    def __init__(self, raw: bool = False, line_buffered: bool = False) -> None:
        if sys.stdout is None:
            raise StdoutError("stdout is closed", "redirect it to a file or to /dev/null")
        self.terminal = sys.stdout.isatty()
        self.line_open = False
        self._escape = self.terminal and not raw
        self._line_buffered = line_buffered
        self._stream = sys.stdout.buffer
        # Decodes what a byte model writes, for a terminal.
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def write(self, text: Text) -> None:
        """Write text, or the bytes of a byte model."""
        if self._escape:
            text = escape_for_terminal(
                self._decoder.decode(text) if isinstance(text, bytes) else text
            )
        self._put(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)

    def colored(self, text: Text, color: int) -> None:
        """Write text of one line in one of the 256 colours of a terminal."""
        shown = escape_for_terminal(readable(text))
        self._put(f"\x1b[38;5;{color}m{shown}\x1b[0m".encode("utf-8", "replace"))

    def highlighted(self, text: Text, color: int | None) -> None:
        """Write text on one of the 256 colours of a terminal, or on none.

        A coloured newline is shown as an arrow before it.
        """
        for line in readable(text).splitlines(keepends=True):
            body = line.rstrip("\n")
            shown = escape_for_terminal(body)
            if color is not None:
                arrow = "\u21b5" if line.endswith("\n") else ""
                shown = f"\x1b[38;5;16;48;5;{color}m{shown}{arrow}\x1b[0m"
            self._put(shown.encode("utf-8", "replace"))
            self.write(line[len(body) :])

    def control(self, text: str) -> None:
        """Write text to a terminal as it is, with its control characters."""
        self._put(text.encode())

    def flush(self) -> None:
        """Let the reader have what was written so far.

        Raises:
            BrokenPipeError, StdoutError: as :class:`Output`.
        """
        flush_stdout()

    def sentence(self, text: str) -> None:
        """Write a line of words; on a terminal, wrapped."""
        assert sys.stdout is not None
        self.write((wrapped(text, width(sys.stdout)) if self.terminal else text) + "\n")

    def end(self) -> None:
        """Flush all that was written; on a terminal, end the last line."""
        if self._escape:
            self.write(self._decoder.decode(b"", final=True))
        if self.terminal and self.line_open:
            self._put(b"\n")
        flush_stdout()

    def json(self, value: Any) -> None:
        """Write one line of JSON; all characters but control characters stay readable."""
        line = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if any(is_control(c) for c in line):  # json.dumps leaves those from U+007F on unescaped
            line = json.dumps(value, allow_nan=False)
        self._put(line.encode() + b"\n")

    def _put(self, data: bytes) -> None:
        if not data:
            return
        self.line_open = not data.endswith(b"\n")
        try:
            self._stream.write(data)
            if self.terminal or (self._line_buffered and b"\n" in data):
                self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise stdout_failure(error) from None
