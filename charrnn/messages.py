"""Text of messages: escaping, plurals and did-you-mean, each written once."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections.abc import Iterable

#: A space at which no message is wrapped, as inside a command to copy; shown as a plain space.
HARD_SPACE = "\N{NO-BREAK SPACE}"
#: What to do about the line ends of Windows.
CONVERT_CRLF = "convert the text with dos2unix or tr -d '\\r'"
#: Characters that reorder the text around them, so that it reads as something else: the
#: embeddings, overrides and isolates of bidirectional text.
_REORDERING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


class SettingHint(str):
    """A setting to change, such as ``train.patience=0``, as an argument of a log record.

    With ``log.info("...; to continue anyway, resume with %s", SettingHint("train.patience=0"))``
    Python shows the assignment, and the command line the option for it.
    """

    __slots__ = ()


def escape_char(char: str) -> str:
    """A printable character as it is, any other as its escape, such as ``\\x1b``."""
    return char if char.isprintable() else repr(char)[1:-1]


def printable(text: str, longest: int = 200) -> str:
    """``text`` on one line: unprintable characters escaped, the middle of a long text cut out."""
    if len(text) > longest:
        text = text[: longest // 2] + "..." + text[-(longest // 4) :]
    return "".join(map(escape_char, text))


def path_name(path: str) -> str:
    """A path as messages show it: on one line, and visible even if it is empty."""
    return printable(path, 1000) or "''"


def quoted(value: object) -> str:
    """A rejected value as messages show it: short, on one line, strings in quotes."""
    if isinstance(value, str) and len(value) > 60:
        value = value[:57] + "..."
    try:
        return printable(repr(value), 62)
    except ValueError:  # an int with more digits than Python converts
        return "a number of thousands of digits"


def shell_word(word: str, windows: bool = os.name == "nt") -> str:
    """A word as it is typed at a shell, on one line; for cmd.exe and PowerShell if ``windows``."""
    if windows:
        if word and not re.search(r"[^\w@%+=:,./\\-]", word):
            return word
        # Backslashes count double before a quote, also before the one at the end.
        word = re.sub(r'(\\*)"', r'\1\1\\"', printable(word, 1000))
        return '"' + re.sub(r"(\\+)$", r"\1\1", word) + '"'
    if word.isprintable():
        return shlex.quote(word)
    safe = set(range(0x20, 0x7F)) - set(b"'\\")
    text = "".join(chr(b) if b in safe else f"\\x{b:02x}" for b in os.fsencode(word))
    return f"$'{text}'"


def decimal(value: float, places: int) -> str:
    """A score with ``places`` decimals; in scientific notation if it is huge."""
    return f"{value:.{places}f}" if abs(value) < 1e5 else f"{value:.3e}"


def is_control(char: str) -> bool:
    """Whether a terminal might act on ``char`` instead of showing it; not newline and tab."""
    if "\ud800" <= char <= "\udfff":  # a surrogate, which cannot be encoded as UTF-8
        return True
    if char in _REORDERING:
        return True
    return (char < " " and char not in "\n\t") or "\x7f" <= char <= "\x9f"


def escape_for_terminal(text: str) -> str:
    """``text`` with its control characters escaped, so that it cannot command a terminal."""
    if text.isprintable():
        return text
    return "".join(escape_char(c) if is_control(c) else c for c in text)


def readable(text: str | bytes) -> str:
    """A string as it is; bytes decoded as UTF-8, with invalid bytes escaped."""
    return text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")


def cells(text: str) -> int:
    """How many columns of a terminal ``text`` takes: East Asian characters two, marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def wrapped(text: str, width: int, indent: int = 2) -> str:
    """``text`` in lines of ``width`` columns, broken at spaces; only a longer word is wider.

    Args:
        indent: of all lines but the first.
    """
    lines: list[str] = []
    line, used = "", 0
    for number, word in enumerate(text.split(" ")):
        if number and used + 1 + cells(word) > width:
            lines.append(line.rstrip(" "))
            line, used = " " * indent + word, indent + cells(word)
        else:
            line += " " * (number > 0) + word
            used += (number > 0) + cells(word)
    return "\n".join([*lines, line])


def pluralize(count: float, noun: str) -> str:
    """``1 step``, ``2,000 steps``, ``0.5 minutes``."""
    return f"{count:,.15g} {noun}{'s' * (count != 1)}"  # a float holds 15 digits exactly


def did_you_mean(
    word: str, candidates: Iterable[str], *, prefix: str = "", similarity: float = 0.6
) -> str | None:
    """``did you mean 'x'?`` for the candidate closest to ``word``; None if none is close.

    Args:
        prefix: shown before the candidate.
        similarity: how close it must be, from 0 (any candidate) to 1 (equal).
    """
    import difflib

    close = difflib.get_close_matches(word, list(candidates), 1, similarity)
    return f"did you mean {prefix + close[0]!r}?" if close else None


def similar_file(path: str) -> str | None:
    """``did you mean 'fables.txt'?`` for a missing file; None if none in its folder is close."""
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    # Names that have no more than their ending in common are no suggestion.
    return did_you_mean(name, names, prefix=os.path.join(folder, ""), similarity=0.75)


def system_reason(error: OSError | ValueError) -> str:
    """What the system says is wrong, in our words: ``is a folder``, ``permission denied``."""
    words = getattr(error, "strerror", None) or str(error)
    return words.lower().replace("directory", "folder")
