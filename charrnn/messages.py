"""Text of messages: escaping, plurals and did-you-mean, each written once."""

from __future__ import annotations

from collections.abc import Iterable


def escape_char(char: str) -> str:
    """One character: itself if it is printable, else its escape, such as ``\\x1b``."""
    return char if char.isprintable() else repr(char)[1:-1]


def printable(text: str, longest: int = 200) -> str:
    """``text`` on one line of a message: unprintable characters escaped, a long middle cut."""
    if len(text) > longest:
        text = text[: longest // 2] + "..." + text[-(longest // 4) :]
    return "".join(map(escape_char, text))


def path_name(path: str) -> str:
    """A path as messages show it: on one line, and visible if it is empty."""
    return printable(path, 1000) or "''"


def quoted(value: object) -> str:
    """A refused value as messages show it: short, on one line, strings in quotes."""
    if isinstance(value, str) and len(value) > 60:
        value = value[:57] + "..."
    try:
        return printable(repr(value), 62)
    except ValueError:  # an int with more digits than Python converts
        return "a number of thousands of digits"


def is_control(char: str) -> bool:
    """Whether a terminal may take ``char`` for a command; newline and tab are harmless."""
    if "\ud800" <= char <= "\udfff":  # a surrogate, which UTF-8 cannot hold
        return True
    return (char < " " and char not in "\n\t") or "\x7f" <= char <= "\x9f"


def escape_for_terminal(text: str) -> str:
    """``text`` with its control characters escaped, so that it cannot command a terminal."""
    if text.isprintable():
        return text
    return "".join(escape_char(c) if is_control(c) else c for c in text)


def readable(text: str | bytes) -> str:
    """Text as it is; bytes decoded, with what is not UTF-8 escaped."""
    return text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")


def pluralize(count: float, noun: str) -> str:
    """``1 step``, ``2,000 steps``, ``0.5 minutes``."""
    return f"{count:,.15g} {noun}{'s' * (count != 1)}"  # 15 digits: all that a float is sure of


def did_you_mean(
    word: str, candidates: Iterable[str], *, prefix: str = "", similarity: float = 0.6
) -> str:
    """``; did you mean 'x'?`` for the candidate closest to ``word``, or an empty string.

    Args:
        prefix: precedes both the word and the candidates; it is shown as well.
        similarity: from 0 (any candidate) to 1 (equal); 0.6 is difflib's default.
    """
    import difflib

    close = difflib.get_close_matches(word, list(candidates), 1, similarity)
    return f"; did you mean {prefix + close[0]!r}?" if close else ""


class SettingHint(str):
    """An assignment such as ``train.patience=0`` as an argument of a log record.

    The command line shows it as the option that is typed for it.
    """
