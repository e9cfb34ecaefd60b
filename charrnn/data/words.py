"""Words: what counts as one, and those that a corpus contains.

A word is a run of letters, combining marks and digits; an apostrophe between two of them belongs to
it, as in "don't". Everything else separates words.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from charrnn.data.source import BLOCK
from charrnn.data.vocab import RARE, Vocab, text_of
from charrnn.nn.params import Array

#: What belongs to a word if it stands between two of its letters.
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
#: Of a corpus, the words of this many symbols are counted,
MAX_SYMBOLS = 1 << 24
#: and this many are kept, the most frequent ones, if they are no longer than this.
MAX_WORDS, MAX_LENGTH = 1 << 16, 64

_SEVERAL_APOSTROPHES = re.compile(f"[{APOSTROPHES}]{{2,}}")
#: Apostrophes that are not between two letters, in words with newlines between them.
_OUTSIDE = re.compile(f"(?:^|[{APOSTROPHES}\n])[{APOSTROPHES}]|[{APOSTROPHES}](?:\n|$)")


def is_letter(char: str) -> bool:
    """Whether a character is part of words: a letter, a combining mark or a digit."""
    return unicodedata.category(char)[0] in "LMN"


class _Separators(dict[int, int]):
    """For ``str.translate``: characters that are in no word, and not in ``kept``, become spaces."""

    def __init__(self, kept: str) -> None:
        self._kept = kept

    def __missing__(self, point: int) -> int:
        char = chr(point)
        self[point] = point if is_letter(char) or char in self._kept else ord(" ")
        return self[point]


#: In place of a character that is not known: a rare one, or bytes that are not UTF-8.
_UNKNOWN = chr(RARE)
_SEPARATORS = _Separators(APOSTROPHES)
_SEPARATORS_OF_CORPUS = _Separators(APOSTROPHES + _UNKNOWN)


def words_of(text: str) -> Iterator[str]:
    """The words of a text, in order."""
    for run in text.translate(_SEPARATORS).split():
        yield from _words_of_run(run)


def _words_of_run(run: str) -> Iterator[str]:
    """The words of a run of letters and apostrophes."""
    for part in _SEVERAL_APOSTROPHES.split(run):
        if word := part.strip(APOSTROPHES):
            yield word


def known_words(ids: Array, vocab: Vocab) -> tuple[str, ...]:
    """The most frequent words of a corpus, sorted.

    Args:
        ids: (symbols,) of any integer dtype, of which :data:`MAX_SYMBOLS` are read.
    """
    runs: Counter[str] = Counter()
    rest = ""
    for at in range(0, min(len(ids), MAX_SYMBOLS), BLOCK):
        text = text_of(vocab.unit, vocab.points[ids[at : at + BLOCK]])
        decoded = text if isinstance(text, str) else text.decode("utf-8", "replace")
        *whole, rest = (rest + decoded).translate(_SEPARATORS_OF_CORPUS).rsplit(" ", 1)
        runs.update(word for part in whole for word in part.split())
        rest = rest[-2 * MAX_LENGTH :]
    if len(ids) <= MAX_SYMBOLS:
        runs.update(rest.split())
    words: Counter[str] = Counter()
    for run, count in runs.items():
        for word in _words_of_run(run):
            if len(word) <= MAX_LENGTH and _UNKNOWN not in word:
                words[word] += count
    ranked = sorted(words, key=lambda word: (-words[word], word))
    return tuple(sorted(ranked[:MAX_WORDS]))


def pack_words(words: Iterable[str]) -> Array:
    """Words as a checkpoint keeps them: (bytes,) of uint8."""
    return np.frombuffer("\n".join(words).encode(), np.uint8)


def unpack_words(packed: Array) -> tuple[str, ...]:
    """Undo :func:`pack_words`.

    Raises:
        ValueError: it does not hold words, sorted and each once.
    """
    text = packed.tobytes().decode()
    words = tuple(text.split("\n")) if text else ()
    if not all(map(operator.lt, words, words[1:])):
        raise ValueError("its words are not sorted, each once")
    if tuple(text.translate(_SEPARATORS).split()) != words or _OUTSIDE.search(text):
        raise ValueError("its words are not words")
    return words
