"""How wide the terminal is, and what fits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO


def width(stream: TextIO) -> int:
    """Columns of a terminal: $COLUMNS, else what the terminal says, else 80."""
    if (columns := os.environ.get("COLUMNS", "")).isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80  # 0 where it was never set
    except OSError:
        return 80


def commented(commands: Sequence[tuple[str, str]], columns: int) -> list[str]:
    """Indented commands with comments beside them; above them, if that would be too wide."""
    longest = max(len(command) for command, _ in commands)
    beside = [f"  {command:<{longest}}  # {comment}" for command, comment in commands]
    if max(map(len, beside)) <= columns:
        return beside
    return [line for command, comment in commands for line in (f"  # {comment}", f"  {command}")]
