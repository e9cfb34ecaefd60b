"""A vocabulary of words; :mod:`charrnn.data.tokens` says what they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from charrnn.data.tokens import split_tokens, token_array
from charrnn.data.vocab import RARE, Vocab, VocabDict, named_words, text_of
from charrnn.errors import VocabError
from charrnn.messages import quoted
from charrnn.nn.params import Array

#: The symbol of unknown words.
UNKNOWN = chr(RARE)
#: What spelling an unknown word takes where that was not measured: eight letters of 5 bits.
SPELLING = 8 * 5 * math.log(2.0)


class WordVocab(Vocab):
    """A bijection between words and the ids 0 .. len-1, in the order of code points.

    Args:
        words: tokens, in any order.
        rare: whether :data:`UNKNOWN` is among the symbols and stands for all words that are not.
        start: the code point that a text is assumed to follow.
        spelling: nats that it takes to spell an unknown word, on average.

    Attributes:
        points: (len,) of objects: the word of each id, ascending. spelling: as given.
        lengths: (len,) how many characters each word has.

    Raises:
        VocabError: there is no word, or one is not a token.
    """

    def __init__(
        self,
        words: Iterable[str],
        rare: bool = False,
        start: int = 10,
        spelling: float = SPELLING,
    ) -> None:
        self.unit, self.rare, self._start = "word", rare, start
        self.spelling = round(spelling, 4)  # as a checkpoint keeps it
        wanted = sorted({*words, *[UNKNOWN] * rare})
        if not wanted:
            raise VocabError("a vocabulary needs at least one word")
        if bad := [word for word in wanted if split_tokens(word) != [word]]:
            raise VocabError(
                f"{quoted(bad[0])} is not a word, but several, or none",
                "give each word with the space before it, and U+FFFD for all other words",
            )
        self.points = token_array(wanted)
        self.lengths = np.array([len(word) for word in wanted])
        self._index = {word: i for i, word in enumerate(wanted)}

    @property
    def symbols(self) -> list[str]:
        words: list[str] = self.points.tolist()
        return words

    def _with(self, points: list[Any], rare: bool) -> Vocab:
        return WordVocab(points, rare, self._start, self.spelling)

    @property
    def rare_id(self) -> int | None:
        return self._index[UNKNOWN] if self.rare else None

    @property
    def reads_unknown(self) -> bool:
        return self.rare

    def symbols_of(self, points: Array) -> Array:
        return token_array(split_tokens(str(text_of("char", points))))

    def ids_of(self, points: Array, exact: bool = False) -> Array:
        """Ids of words, (any length,) of objects, or of those in a text, given as code points.

        The id of an unknown word is the number of its characters, negated: so ids alone say how
        long the words are.
        """
        words = points if points.dtype == object else self.symbols_of(points)
        other = -1 if self.rare_id is None else self.rare_id
        found = map(self._index.get, words.tolist(), itertools.repeat(other))
        ids = np.fromiter(found, np.int32, len(words))
        if exact or not self.rare:
            unknown = np.flatnonzero(ids == other)
            ids[unknown] = [-len(word) for word in words[unknown].tolist()]
        return ids

    def unknown_error(self, unknown: Array, position: int) -> VocabError:
        words = list(dict.fromkeys(unknown.tolist()))
        several = len(words) > 1
        message = f"unknown word{'s' * several} {named_words(words)}"
        message += f"{', the first' * several} at word {position + 1:,}"
        if known := self._similar(words[0]):
            message += f" (the model knows {quoted(known)})"
        them = "them" if several else "it"
        return VocabError(
            message, f"leave {them} out, or skip unknown words with {{setting}}", "unknown=skip"
        )

    def _similar(self, word: str) -> str | None:
        """A known word that differs only in the space before it, or in capitals."""
        bare = word.removeprefix(" ")
        spaces = (" ", "") if word.startswith(" ") else ("", " ")
        cases = (str, str.lower, str.capitalize, str.upper)
        forms = (space + case(bare) for case in cases for space in spaces)
        return next((form for form in forms if form in self._index), None)

    def to_dict(self) -> VocabDict:
        document: VocabDict = {"unit": "word", "points": [], "words": self.points.tolist()}
        document["spelling"] = self.spelling
        return {**document, "rare": True} if self.rare else document


def read_vocab(document: VocabDict, start: int = 10) -> Vocab:
    """The vocabulary of which ``to_dict`` made a document, with the same ``start``.

    Raises:
        VocabError: as :class:`WordVocab` and :meth:`Vocab.from_dict`.
    """
    if document["unit"] != "word":
        return Vocab.from_dict(document, start)
    words, rare, spelling = document["words"], document.get("rare", False), document["spelling"]
    if not all(type(word) is str for word in words) or words != sorted(set(words)):
        raise VocabError("the words of a vocabulary must be texts, sorted, each once")
    if type(rare) is not bool or (rare and UNKNOWN not in words):
        raise VocabError("the vocabulary lacks the symbol of unknown words")
    if type(spelling) is not float or not 0.0 <= spelling < 1e6:
        raise VocabError("what spelling an unknown word takes is not a number of nats")
    return WordVocab(words, rare, start, spelling)
