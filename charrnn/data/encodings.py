"""Guess the encoding of bytes that are not UTF-8.

Each candidate decodes the bytes. Its score is the share of the non-ASCII characters that are common
in the languages written in it. The guess only serves as advice; no text is decoded by it.
"""

# The tables are of characters that look like others.
# ruff: noqa: RUF001
from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

#: Bytes that are looked at, and the score from which an encoding is suggested.
SAMPLE, LIKELY = 1 << 16, 0.8

_WESTERN = frozenset(
    "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿßÀÁÂÄÅÆÇÈÉÊËÎÏÑÓÔÖØÚÜŒœŠšŽžŸ€‚ƒ„…†‡‰‹›‘’“”•–—™«»¡¿°§£©®·½\xa0"
)
_CENTRAL = frozenset(
    "áâăäćçčďđéęëěíîĺľłńňóôőöŕřśşšťţúůűüýźżžßÁÂÄČĎÉÍŁŇÓÖŘŚŠŤÚÜÝŹŻŽąĄęĘ€‚„…‘’“”–—«»\xa0"
)
_CYRILLIC = frozenset("абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґў«»—–“”„…№\xa0")
_GREEK = frozenset("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋ«»–—’·\xa0")


@dataclass(frozen=True)
class Candidate:
    """An encoding, and what text in it is.

    Attributes:
        encoding: as Python names it. words: ``Russian text``.
        common: whether a character that is not ASCII is one to expect.
        sparse: whether such characters stand among ASCII letters rather than together.
    """

    encoding: str
    words: str
    common: Callable[[str], bool]
    sparse: bool = False


def _lower(char: str) -> bool:
    # The capitals of one of these encodings are small letters of the other.
    return char in _WESTERN and not char.isupper()


def _kana(char: str) -> bool:
    return "\u3041" <= char <= "\u30fe"


def _japanese(char: str) -> bool:
    return _kana(char) or "\u4e00" <= char <= "\u9fff" or "\u3000" <= char <= "\u3015"


def _hangul(char: str) -> bool:
    return "\uac00" <= char <= "\ud7a3"


def _first_level(encoding: str, last: int) -> Callable[[str], bool]:
    """Whether an encoding has a character among the frequent ones that it lists first."""

    def common(char: str) -> bool:
        code = char.encode(encoding, "replace")
        return len(code) == 2 and 0xA1 <= code[0] <= last and code[1] >= 0xA1

    return common


#: In this order: of two with one score, the first is suggested.
_CANDIDATES = (
    Candidate("koi8-r", "Russian text", _CYRILLIC.__contains__),
    Candidate("cp1251", "Cyrillic text from Windows", _CYRILLIC.__contains__),
    Candidate("cp866", "Russian text from DOS", _CYRILLIC.__contains__),
    Candidate("shift_jis", "Japanese text", _japanese),
    Candidate("euc_jp", "Japanese text", _japanese),
    Candidate("euc_kr", "Korean text", _hangul),
    Candidate("gb18030", "Chinese text", _first_level("gbk", 0xD7)),
    Candidate("big5", "Chinese text in traditional characters", lambda c: "\u3000" < c < "\ufffd"),
    Candidate("cp1252", "Western European text from Windows", _WESTERN.__contains__, sparse=True),
    Candidate("cp1250", "Central European text from Windows", _CENTRAL.__contains__, sparse=True),
    Candidate("iso8859-2", "Central European text", _CENTRAL.__contains__, sparse=True),
    Candidate("cp1253", "Greek text", _GREEK.__contains__),
    Candidate("mac_roman", "Western European text from an old Mac", _lower, sparse=True),
    Candidate("cp850", "Western European text from DOS", _lower, sparse=True),
)
_JAPANESE = ("shift_jis", "euc_jp")


def guess(data: bytes) -> Candidate | None:
    """The encoding that text which is not UTF-8 is probably in; None if nothing is likely."""
    data = data[:SAMPLE]
    if b"\0" in data:  # no text in any of them
        return None
    best = max(_CANDIDATES, key=lambda candidate: _score(candidate, data))
    if _score(best, data) < LIKELY:
        return None
    if best.encoding == "cp1252" and not any(0x80 <= byte < 0xA0 for byte in data):
        return Candidate("latin-1", "Western European text", best.common)
    return best


def _score(candidate: Candidate, data: bytes) -> float:
    for cut in range(4):  # the sample may end inside a character
        try:
            text = data[: len(data) - cut].decode(candidate.encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        return 0.0
    others = [char for char in text if char >= "\x80"]
    together = sum(a >= "\x80" and b >= "\x80" for a, b in itertools.pairwise(text))
    if not others or candidate.sparse == (together > 0.5 * len(others)):
        return 0.0
    if candidate.encoding in _JAPANESE and sum(map(_kana, others)) < 0.2 * len(others):
        return 0.0  # Japanese is never without kana, and Chinese is
    return sum(map(candidate.common, others)) / len(others)
