"""``charrnn sample --primes`` and ``-i``: lines that are read, each continued to its end."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

from charrnn.cli import keyboard
from charrnn.cli.drawing import Drawing, record
from charrnn.cli.keyboard import Keyboard
from charrnn.cli.output import Output, deferred_errors
from charrnn.cli.streams import say, say_plain
from charrnn.data.vocab import Text
from charrnn.errors import CharRNNError
from charrnn.generation import to_end_of_line
from charrnn.messages import cells

#: By how much a key changes the temperature, and the highest that it sets.
STEP, HIGHEST = 0.1, 3.0
#: Clears the line of the terminal.
CLEAR_LINE = "\r\x1b[K"


def print_answers(drawing: Drawing, primes: Iterable[Text], output: Output, as_json: bool) -> None:
    """Print each of ``primes`` and its continuation, on a line of its own.

    Raises:
        CharRNNError: after the answers before it.
    """
    primes, printed = itertools.tee(primes)
    errors: list[CharRNNError] = []
    answers = drawing.model.continuations(primes, drawing.settings, words=drawing.words)
    for one, prime in zip(deferred_errors(answers, errors), printed, strict=False):
        if as_json:
            output.json(record(one, drawing, prime))
        else:
            for text in (prime, one.text, "\n"):
                output.write(text)
        output.flush()
    output.end()
    if errors:
        raise errors[0]


class Conversation:
    """Continues what is typed on a terminal.

    What is typed is shown on stdout if that is the terminal, else on stderr.
    """

    def __init__(self, drawing: Drawing, output: Output) -> None:
        self._drawing, self._output = drawing, output
        self._line, self._last = "", ""
        self._number = 0

    def run(self) -> None:
        """Answer until the user ends it."""
        say("type a beginning, then Enter; Tab: another; Up, Down: temperature; Ctrl-D: end")
        with Keyboard() as keys:
            self._prompt()
            for key in keys:
                if key == keyboard.END and not self._line:
                    break
                if key == keyboard.INTERRUPT:
                    self._show("\n")
                    raise KeyboardInterrupt
                self._press(key, keys)
        self._show("\n")

    def _press(self, key: str, keys: Keyboard) -> None:
        if key == keyboard.TAB and not self._line:
            self._line = self._last
            self._prompt()
        if key in (keyboard.ENTER, keyboard.TAB):
            self._answer(keys)
            self._prompt()
        elif key in (keyboard.UP, keyboard.DOWN):
            now = self._drawing.settings.temperature
            now = round(now + (STEP if key == keyboard.UP else -STEP), 1)
            self._drawing = self._drawing.at(min(HIGHEST, max(0.0, now)))
            self._prompt()
        elif key == keyboard.BACKSPACE and self._line:
            self._show("\b \b" * max(1, cells(self._line[-1])))
            self._line = self._line[:-1]
        elif key == keyboard.CLEAR:
            self._line = ""
            self._prompt()
        elif len(key) == 1:
            self._line += key
            self._show(key)

    def _answer(self, keys: Keyboard) -> None:
        """Continue the line; Ctrl-C ends its continuation."""
        drawing, output = self._drawing, self._output
        prime, self._line = self._line, ""
        self._last = prime
        try:
            pieces = drawing.model.stream(
                drawing.settings, prime, self._number, words=drawing.words
            )
            self._number += 1
            if not output.terminal:
                output.write(prime)
            for piece in pieces:
                output.write(piece)
                if keys.interrupted():
                    break
        except CharRNNError as error:
            self._show("\n")
            say(error.message)
            return
        output.write("\n")
        output.flush()
        if not output.terminal:
            self._show("\n")

    def _prompt(self) -> None:
        self._show(f"{CLEAR_LINE}{self._drawing.settings.temperature:g}> {self._line}")

    def _show(self, text: str) -> None:
        if self._output.terminal:
            self._output.control(text)
        else:
            say_plain(text, end="")


def one_line_each(drawing: Drawing, longest: int) -> Drawing:
    """The same, with samples that end with the line or after ``longest`` characters."""
    settings = to_end_of_line(drawing.settings)
    length = longest if settings.length is None else settings.length
    return replace(drawing, settings=replace(settings, length=length))
