"""Text of messages: escaping, plurals and did-you-mean, each written once."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


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


def is_control(char: str) -> bool:
    """Whether a terminal might act on ``char`` instead of showing it; not newline and tab."""
    if "\ud800" <= char <= "\udfff":  # a surrogate, which cannot be encoded as UTF-8
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
