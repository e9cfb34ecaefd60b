"""Symbols and their ids: Unicode code points, or bytes; for words see :mod:`.word_vocab`.

A "character" is a Unicode code point. Text is never normalised: the two forms of a letter
(NFC, NFD) are different symbols, and an error about one form names the other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any, TypedDict

import numpy as np

from charrnn.errors import ConfigError, VocabError
from charrnn.messages import CONVERT_CRLF, printable, quoted, readable
from charrnn.nn.params import Array

Text = str | bytes
#: All symbols in the order of their ids: characters, bytes, or a list of words.
Symbols = Text | list[str]
#: What a symbol of each unit is called in messages.
NOUNS = {"char": "character", "byte": "byte", "word": "word"}
#: What it is called in the names of JSON's fields.
FIELDS = {"char": "char", "byte": "char", "word": "word"}
#: The character that stands for rare symbols, where the vocabulary leaves those out.
RARE = 0xFFFD
#: Unknown symbols that an error names, at most.
NAMED = 4


def codepoints(text: str) -> Array:
    """The code points of ``text``, (len(text),) of uint32; lone surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


def bytes_of(text: Text) -> bytes:
    """Text as UTF-8, lone surrogates included; bytes as they are."""
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def text_of(unit: str, points: Array) -> Text:
    """The text of symbols, (any length,): bytes of byte values, str of code points or words."""
    if unit == "byte":
        return points.astype(np.uint8).tobytes()
    if points.dtype == object:
        return "".join(points.tolist())
    if points.dtype == np.uint8:
        return points.tobytes().decode("latin-1")
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def named_words(words: list[str]) -> str:
    """Some of several words as messages name them: ``' gnu', ' zebra' and 7 more``."""
    more = f" and {len(words) - NAMED:,} more" if len(words) > NAMED else ""
    return ", ".join(map(quoted, words[:NAMED])) + more


def named_symbols(unit: str, points: Array) -> str:
    """Some of several symbols as messages name them: words each in quotes, characters joined."""
    if unit == "word":
        return named_words(points.tolist())
    return printable(readable(text_of(unit, points)), 40)


def _utf8(text: Text) -> bytes:
    """Text as bytes; surrogates that encode undecodable bytes become those bytes again.

    Raises:
        VocabError: another surrogate is in ``text``.
    """
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        char = text[error.start]
        raise VocabError(
            f"{char!a} at character {error.start + 1:,} is half of a surrogate pair",
            "leave it out",
        ) from None


def _named(char: str) -> str:
    """A character as messages show it: ``'Ü' (U+00DC, LATIN CAPITAL LETTER U WITH DIAERESIS)``."""
    shown = ascii(char) if unicodedata.combining(char) else repr(char)
    return f"{shown} (U+{ord(char):04X}, {unicodedata.name(char, 'no name')})"


class _Symbols(TypedDict):
    unit: str
    points: list[int]


class VocabDict(_Symbols, total=False):
    """A vocabulary as JSON holds it: ``points`` is empty for bytes, ``rare`` there only if true.

    Of words, ``points`` is empty, too.
    """

    rare: bool
    words: list[str]
    spelling: float


class Vocab:
    """A bijection between symbols and the ids 0 .. len-1, in the order of code points.

    Two vocabularies are equal if they have the same unit and symbols.

    Args:
        unit: ``char``, or ``byte`` for all 256 byte values.
        points: the code points of a ``char`` vocabulary, in any order; ignored for bytes.
        rare: whether :data:`RARE` is among the symbols and stands for all characters that are
            not.
        start: the code point or byte value that a text is assumed to follow.

    Attributes:
        unit, rare: as given.
        points: (len,) of uint32: the symbol of each id, ascending; of words, objects.

    Raises:
        VocabError: ``unit`` is unknown, or there are no code points, or some are out of range.
    """

    def __init__(
        self, unit: str, points: Iterable[int] = (), rare: bool = False, start: int = 10
    ) -> None:
        self.unit, self.rare, self._start = unit, rare and unit == "char", start
        if unit not in ("char", "byte"):
            raise VocabError(f"a symbol is a char or a byte, not {unit!r}")
        wanted = range(256) if unit == "byte" else sorted({*points, *[RARE] * rare})
        if not wanted:
            raise VocabError("a vocabulary needs at least one character")
        if wanted[0] < 0 or wanted[-1] > 0x10FFFF:
            raise VocabError("a vocabulary may hold only code points from 0 to 0x10FFFF")
        self.points: Array = np.array(wanted, np.uint32)
        # Code point -> id, -1 where unknown; the last entry serves all larger code points.
        other = wanted.index(RARE) if self.rare else -1
        self._ids = np.full(int(self.points[-1]) + 2, other, np.int32)
        self._ids[self.points] = np.arange(len(self.points))

    def __len__(self) -> int:
        return len(self.points)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Vocab)
            and (self.unit, self.rare) == (other.unit, other.rare)
            and np.array_equal(self.points, other.points)
        )

    __hash__ = None  # type: ignore[assignment]  # compared by value, never a dictionary's key

    @property
    def symbols(self) -> Symbols:
        """All symbols in the order of their ids: str, bytes for bytes, or a list of words."""
        return text_of(self.unit, self.points)

    def union(self, other: Vocab) -> Vocab:
        """The symbols of both.

        Raises:
            VocabError: they are of different units.
        """
        if self.unit != other.unit:
            raise VocabError(
                f"a vocabulary of {self.unit}s cannot be merged with one of {other.unit}s"
            )
        return self._with([*self.points.tolist(), *other.points.tolist()], self.rare or other.rare)

    def _with(self, points: list[Any], rare: bool) -> Vocab:
        """A vocabulary like this one, with other symbols."""
        return Vocab(self.unit, points, rare, self._start)

    @property
    def start(self) -> int:
        """The id that a text is assumed to follow: that of what ends a line or a record.

        So the first character of a text has a probability, that of starting a line. The first
        symbol's, where no line or record ends.
        """
        return max(0, int(self.ids_of(np.array([self._start], np.uint32), exact=True)[0]))

    @property
    def rare_id(self) -> int | None:
        """The id of the symbol that stands for rare characters; None if there is none."""
        return int(self.ids_of(np.array([RARE]))[0]) if self.rare else None

    @property
    def newline(self) -> int | None:
        """The id of the newline; None if it is not known."""
        found = int(self.ids_of(np.array([10], np.uint32), exact=True)[0])
        return None if found < 0 else found

    #: Nats that it takes to spell an unknown word, on average; 0 where symbols are not words.
    spelling = 0.0
    #: How many characters each word has, (len,); None where symbols are not words.
    lengths: Array | None = None

    @property
    def reads_unknown(self) -> bool:
        """Whether the network reads a symbol in place of an unknown one, as it did in training.

        It does so with words. An unknown character is left out of what is read.
        """
        return False

    @property
    def end(self) -> str:
        """What ends a line or a record."""
        return chr(self._start)

    def ids_of(self, points: Array, exact: bool = False) -> Array:
        """Ids of code points or byte values.

        Args:
            points: of any shape and integer dtype.
            exact: tell rare and unknown symbols from known ones, even if one stands for them all.

        Returns:
            An array of the same shape, int32; where a symbol is unknown, the id of :data:`RARE`
            if it stands for those and ``exact`` is not asked for, else -1.
        """
        # The last index as uint32, because the points' own type may be too small for it.
        ids: Array = self._ids[np.minimum(points, np.uint32(len(self._ids) - 1))]
        if exact and self.rare:
            ids[self.points[ids] != points] = -1
        return ids

    def encode(self, text: Text, unknown: str = "error") -> Array:
        """The ids of ``text``, (symbols,) of intp.

        A byte vocabulary takes ``str`` as its UTF-8 bytes; a char vocabulary takes only ``str``.

        Args:
            unknown: ``error``; ``skip`` to leave unknown characters out; ``score`` to give each
                an id below 0, even if one symbol stands for them.

        Raises:
            VocabError: names unknown characters and the position of the first, from 1; or
                ``text`` is bytes but the vocabulary is of characters.
            ConfigError: ``unknown`` is something else.
            TypeError: ``text`` is neither str nor bytes.
        """
        if not isinstance(text, (str, bytes)):
            raise TypeError(f"a text must be str or bytes, not {quoted(text)}")
        if unknown not in ("error", "skip", "score"):
            raise ConfigError(f"unknown must be error, skip or score, not {quoted(unknown)}")
        if self.unit == "byte":
            return np.frombuffer(_utf8(text), np.uint8).astype(np.intp)
        if isinstance(text, bytes):
            raise VocabError(f"this model reads {NOUNS[self.unit]}s", "give it str, not bytes")
        symbols = self.symbols_of(codepoints(text))
        exact = unknown == "score" or (unknown == "skip" and self.reads_unknown)
        ids = self.ids_of(symbols, exact).astype(np.intp)
        known = ids >= 0
        if unknown == "score" or known.all():
            return ids
        if unknown == "skip":
            return ids[known]
        raise self.unknown_error(symbols[~known], int(np.argmin(known)))

    def symbols_of(self, points: Array) -> Array:
        """The symbols of a text, given as code points or byte values, which they are here."""
        return points

    def unknown_error(self, unknown: Array, position: int) -> VocabError:
        """The error for characters that are not in the vocabulary.

        Args:
            unknown: their code points, in the order of the text, (at least 1,).
            position: of the first in its text, from 0; the message counts from 1.
        """
        chars = list(dict.fromkeys(map(chr, unknown.tolist())))
        named = ", ".join(map(_named, chars[:NAMED]))
        if len(chars) == 1:
            message = f"unknown character {named} at character {position + 1:,}"
        else:
            more = f" and {len(chars) - NAMED:,} more" if len(chars) > NAMED else ""
            message = f"unknown characters {named}{more}, the first at character {position + 1:,}"
        if chars[0] == "\r":
            return VocabError(
                f"{message}: the text has the line ends of Windows (CR LF), the model knows those "
                "of Unix (LF)",
                f"{CONVERT_CRLF}, or skip such characters with {{setting}}",
                "unknown=skip",
            )
        for form in ("NFC", "NFD"):
            other = unicodedata.normalize(form, chars[0])
            if other != chars[0] and (self.ids_of(codepoints(other)) >= 0).all():
                return VocabError(
                    message, f"the model knows its {form} form; normalise the text to {form}"
                )
        if unicodedata.combining(chars[0]):
            return VocabError(message, "it is a combining mark; try the text in its NFC form")
        them = "it" if len(chars) == 1 else "them"
        return VocabError(
            message, f"leave {them} out, or skip such characters with {{setting}}", "unknown=skip"
        )

    def decode(self, ids: Array) -> Text:
        """The text of ``ids``, (any length,): str, or bytes for a byte vocabulary."""
        return text_of(self.unit, self.points[ids])

    def to_dict(self) -> VocabDict:
        """The vocabulary as JSON can hold it; surrogates, too, because points are numbers."""
        points = [] if self.unit == "byte" else [int(p) for p in self.points]
        document: VocabDict = {"unit": self.unit, "points": points}
        return {**document, "rare": True} if self.rare else document

    @classmethod
    def from_dict(cls, data: VocabDict, start: int = 10) -> Vocab:
        """The vocabulary that :meth:`to_dict` was called on, with the same ``start``.

        That of words is read by :func:`charrnn.data.word_vocab.read_vocab`.

        Raises:
            VocabError: a code point is not an integer, or as :class:`Vocab`.
        """
        if not all(type(point) is int for point in data["points"]):
            raise VocabError("the code points of a vocabulary must be whole numbers")
        rare = data.get("rare", False)
        if type(rare) is not bool or (rare and RARE not in data["points"]):
            raise VocabError("the vocabulary lacks the character that stands for rare ones")
        return cls(data["unit"], data["points"], rare, start)
