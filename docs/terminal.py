"""Draw docs/terminal.svg: the first commands of the README, run in a terminal of 80 columns.

    python docs/terminal.py

Each command runs for real, in a pseudo-terminal and a temporary copy of corpora/, and what it
prints is shown as a terminal would show it: carriage returns, erased lines and colours
included. Needs a POSIX system, and bash.
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "terminal.svg"
COLUMNS = 80
PROMPT = "$ "

# Geometry in pixels. Each line is stretched to its columns, so that any monospace font fits.
CHAR_WIDTH, LINE_HEIGHT, FONT_SIZE, MARGIN, TITLE_BAR = 8.4, 19, 14, 16, 30
BACKGROUND, FOREGROUND, DIM = "#1e222a", "#d7dae0", "#7f8896"
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
#: The sixteen basic colours.
PALETTE = (
    *("#2b303b", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0"),
    *("#5c6370", "#ef8790", "#b1d895", "#f0d197", "#82c3f7", "#d796e8", "#77c9d3", "#ffffff"),
)

#: A character of the screen and its colour; None is the default one.
Cell = tuple[str, str | None]


def commands() -> list[str]:
    """The commands of the README's first block, without their comments."""
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block
    return [line.partition("  #")[0].rstrip() for line in block[1].splitlines()]


def run(command: str, folder: str) -> str:
    """All that a command writes to a terminal of :data:`COLUMNS` columns.

    Raises:
        CalledProcessError: it fails.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    drop = ("CHARRNN", "NO_COLOR", "COLUMNS", "LINES")
    env = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env=env | {"PATH": path, "TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:  # Linux's way of saying that nobody writes any more
            break
        if not block:
            break
        seen += block
    os.close(master)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, seen)
    return seen.decode()


class Screen:
    """As much of a terminal as charrnn uses: wrapping, CR, LF, tabs, EL and SGR colours."""

    def __init__(self) -> None:
        self.lines: list[list[Cell]] = [[]]
        self._row = self._column = 0
        self._color: str | None = None

    def write(self, text: str) -> None:
        """Show text.

        Raises:
            ValueError: it has a control sequence that is not known here.
        """
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", text, re.DOTALL):
            if part == "\n":
                self._line_feed()
            elif part == "\r":
                self._column = 0
            elif part == "\t":
                self.write(" " * (8 - self._column % 8))
            elif part.startswith("\x1b["):
                self._control(part[2:-1], part[-1])
            elif part.isprintable():
                self._put(part)
            else:
                raise ValueError(f"unknown control character {part!r}")

    def type(self, text: str) -> None:
        """Show text that a person has typed."""
        self._color = PALETTE[15]
        self.write(text)
        self._color = None

    def _put(self, char: str) -> None:
        if self._column == COLUMNS:
            self._column = 0
            self._line_feed()
        line = self.lines[self._row]
        line.extend([(" ", None)] * (self._column + 1 - len(line)))
        line[self._column] = (char, self._color)
        self._column += 1

    def _line_feed(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append([])

    def _control(self, arguments: str, command: str) -> None:
        if command == "K" and arguments in ("", "0"):
            del self.lines[self._row][self._column :]
        elif command == "A":
            self._row = max(0, self._row - int(arguments or 1))
        elif command == "m":
            self._color = _color(arguments)
        else:
            raise ValueError(f"unknown control sequence ESC [ {arguments}{command}")


def _color(arguments: str) -> str | None:
    """The colour that an SGR sequence sets."""
    numbers = [int(number) for number in arguments.split(";") if number]
    if numbers in ([], [0], [39]):
        return None
    if numbers[:2] == [38, 5]:
        return _indexed(numbers[2])
    (number,) = numbers
    if 30 <= number < 38:
        return PALETTE[number - 30]
    if 90 <= number < 98:
        return PALETTE[number - 90 + 8]
    raise ValueError(f"unknown colour {arguments}")


def _indexed(number: int) -> str:
    """One of the 256 colours of xterm."""
    if number < 16:
        return PALETTE[number]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    levels = (0, 95, 135, 175, 215, 255)
    number -= 16
    return "#" + "".join(f"{levels[i]:02x}" for i in (number // 36, number // 6 % 6, number % 6))


def draw(lines: list[list[Cell]]) -> str:
    """The picture, as SVG."""
    width = COLUMNS * CHAR_WIDTH + 2 * MARGIN
    height = len(lines) * LINE_HEIGHT + TITLE_BAR + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" font-family="{FONTS}" font-size="{FONT_SIZE}">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        *(
            f'<circle cx="{MARGIN + 4 + 18 * i}" cy="{TITLE_BAR / 2:g}" r="5" fill="{DIM}"/>'
            for i in range(3)
        ),
        f'<g fill="{FOREGROUND}">',
    ]
    for number, line in enumerate(lines):
        y = TITLE_BAR + (number + 0.8) * LINE_HEIGHT
        parts += [_text(column, y, run, color) for column, run, color in _runs(line)]
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _runs(line: list[Cell]) -> list[tuple[int, str, str | None]]:
    """(column, text, colour) of each stretch of one colour.

    It ends before several spaces, such as those of a tab: browsers may show them as one.
    """
    runs: list[tuple[int, str, str | None]] = []
    for column, (char, color) in enumerate(line):
        if runs and runs[-1][2] == color:
            start, text, _ = runs[-1]
            runs[-1] = (start, text + char, color)
        else:
            runs.append((column, char, color))
    return [
        (column + part.start(), part[0], color)
        for column, text, color in runs
        for part in re.finditer(r"\S+(?: \S+)*", text)
    ]


def _text(column: int, y: float, text: str, color: str | None) -> str:
    fill = f' fill="{color}"' if color else ""
    x, length = MARGIN + column * CHAR_WIDTH, len(text) * CHAR_WIDTH
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" textLength="{length:.1f}" '
        f'lengthAdjust="spacingAndGlyphs"{fill}>{html.escape(text, quote=False)}</text>'
    )


def main() -> None:
    screen = Screen()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "corpora", Path(folder) / "corpora")
        for number, command in enumerate(commands()):
            if number:
                screen.write("\r\n")
            screen.write(PROMPT)
            screen.type(command)
            screen.write("\r\n" + run(command, folder))
    while not screen.lines[-1]:
        screen.lines.pop()
    PICTURE.write_text(draw(screen.lines), "utf-8")


if __name__ == "__main__":
    main()
